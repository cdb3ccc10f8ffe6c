package freshservice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// ClientOptions configure a [Client].
type ClientOptions struct {
	// Domain names the account: "acme", "acme.freshservice.com" or a URL.
	// BaseURL, when set, wins; it is for servers other than Freshservice's own.
	Domain, BaseURL string
	// APIKey is the key of an agent whose role allows managing people.
	APIKey string
	// HTTP sends the calls; nil for a client of its own. Redirects are never
	// followed: only a domain that is no account redirects.
	HTTP *http.Client
	// Log receives what an operator may want to know; nil for none.
	Log *slog.Logger
	// Now and After are the clock of the rate limit; nil for the real one.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// Timeout is how long one attempt may take; 0 for 30 seconds.
	Timeout time.Duration
	// Reserve is the share of every minute's calls, 0 to 0.9, that is left to
	// the account's other integrations.
	Reserve float64
	// MaxTries is how often a call whose repetition is safe is tried; 0 for 4.
	MaxTries int
	// RetryDelay is the pause before the second try, growing from there; 0 for
	// half a second.
	RetryDelay time.Duration
}

// A Client calls the REST API v2 of one Freshservice account. It waits rather
// than exceed the account's rate limits, and repeats a call only where that
// cannot do harm. It is safe for concurrent use.
type Client struct {
	base    string
	domain  string
	key     string
	http    *http.Client
	log     *slog.Logger
	timeout time.Duration
	tries   int
	delay   time.Duration
	now     func() time.Time
	limits  *limits

	mu      sync.Mutex
	calls   map[string]int64
	tooMany int64
	retries int64
}

// NewClient returns a client, or an error that says what is wrong with the
// domain or the key. It sends nothing.
func NewClient(o ClientOptions) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = o.Domain
	}
	base, err := parseDomain(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if key := strings.TrimSpace(o.APIKey); key == "" {
		return nil, errors.New("the Freshservice API key is empty; copy it from Profile settings > Your API Key of an administrator")
	} else if strings.ContainsAny(key, ": \t\r\n") {
		return nil, errors.New("the Freshservice API key contains white space or a colon; it is not an API key")
	} else {
		o.APIKey = key
	}
	if o.Reserve < 0 || o.Reserve > 0.9 {
		return nil, fmt.Errorf("the reserve of %v is not between 0 and 0.9", o.Reserve)
	}
	c := &Client{
		base: base.String() + "/api/v2", domain: base.Host, key: o.APIKey,
		log: o.Log, timeout: o.Timeout, tries: o.MaxTries, delay: o.RetryDelay, now: o.Now,
		calls: map[string]int64{},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.timeout == 0 {
		c.timeout = 30 * time.Second
	}
	if c.tries <= 0 {
		c.tries = 4
	}
	if c.delay <= 0 {
		c.delay = 500 * time.Millisecond
	}
	if c.now == nil {
		c.now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.HTTP == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 32
		o.HTTP = &http.Client{Transport: t}
	}
	h := *o.HTTP
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &h
	c.limits = newLimits(c.now, o.After, o.Reserve)
	return c, nil
}

// parseDomain turns what people type as their Freshservice domain into the
// account's base URL.
func parseDomain(s string) (*url.URL, error) {
	s = strings.TrimSuffix(strings.TrimSpace(s), "/")
	if s == "" {
		return nil, errors.New("the Freshservice domain is empty; it is the first part of the address, as acme of https://acme.freshservice.com")
	}
	if !strings.Contains(s, "://") {
		if !strings.ContainsAny(s, ".:") {
			s += ".freshservice.com"
		}
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.ContainsAny(u.Host, " _@") {
		return nil, fmt.Errorf("%q is no Freshservice domain; use acme, acme.freshservice.com or https://acme.freshservice.com", s)
	}
	switch {
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return nil, fmt.Errorf("%s would send the API key unencrypted; use https (plain http is for this machine only)", u)
	default:
		return nil, fmt.Errorf("%s: the scheme must be https", u)
	}
	if u.User != nil {
		return nil, errors.New("the Freshservice address must not contain a user or a key; give the API key apart from it")
	}
	// Addresses copied from a browser or from the API's documentation.
	u.Path, u.RawQuery, u.Fragment = "", "", ""
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// Domain returns the account's host name, with its port if it has one.
func (c *Client) Domain() string { return c.domain }

// A call is one request, with what tells it apart in limits, figures and errors.
type call struct {
	method, route, path string
	query               url.Values
	body                any
}

// maxBody bounds an answer: a page of 100 people has some 200 kB.
const maxBody = 32 << 20

// do sends the call, waiting and repeating as needed, and returns the body of
// a success with the headers.
func (c *Client) do(ctx context.Context, r call) ([]byte, http.Header, error) {
	if c.tries == 1 {
		return c.attempt(ctx, r)
	}
	type reply struct {
		body   []byte
		header http.Header
	}
	curve := backoff.NewExponentialBackOff()
	curve.InitialInterval = c.delay
	curve.MaxInterval = 20 * c.delay
	out, err := backoff.Retry(ctx, func() (reply, error) {
		body, header, err := c.attempt(ctx, r)
		if err != nil && !repeatable(ctx, r.method, err) {
			err = backoff.Permanent(err)
		}
		return reply{body, header}, err
	}, backoff.WithBackOff(curve), backoff.WithMaxTries(uint(c.tries)), backoff.WithNotify(func(err error, pause time.Duration) {
		c.mu.Lock()
		c.retries++
		c.mu.Unlock()
		c.log.Warn("Freshservice call failed, trying again", "call", r.method+" "+r.route, "pause", pause, "error", err)
	}))
	if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok {
		err = permanent.Unwrap()
	}
	if err != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		if t := (*TransportError)(nil); !errors.As(err, &t) {
			err = &TransportError{Method: r.method, Route: r.route, Err: err,
				Unknown: r.method != http.MethodGet, Timeout: errors.Is(err, context.DeadlineExceeded)}
		}
	}
	return out.body, out.header, err
}

// repeatable reports whether sending the call once more can do no harm: it
// was not carried out, or doing it twice is the same as once.
func repeatable(ctx context.Context, method string, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if t, ok := errors.AsType[*TransportError](err); ok {
		return !t.Unknown || method != http.MethodPost
	}
	var a *APIError
	return errors.As(err, &a) && a.Status >= 500 && method != http.MethodPost
}

// attempt sends the call once, and again after each 429: Freshservice has not
// carried those out.
func (c *Client) attempt(ctx context.Context, r call) ([]byte, http.Header, error) {
	for refusals := 0; ; refusals++ {
		body, header, err := c.send(ctx, r)
		var a *APIError
		if !errors.As(err, &a) || a.Status != http.StatusTooManyRequests || refusals == 5 || header == nil {
			return body, header, err // without a header it is our own limits that refused
		}
	}
}

func (c *Client) send(ctx context.Context, r call) ([]byte, http.Header, error) {
	t, err := c.limits.take(ctx, r.method, r.route)
	if err != nil {
		return nil, nil, err
	}
	c.count(r.method + " " + r.route)
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(ctx, r)
	if err != nil {
		c.limits.done(t, nil, 0, 0)
		return nil, nil, err
	}
	resp, err := c.http.Do(req)
	var body []byte
	if err == nil {
		defer resp.Body.Close()
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
		if err == nil && len(body) > maxBody {
			err = fmt.Errorf("the answer is larger than %d MB", maxBody>>20)
		}
	}
	if err != nil {
		c.limits.done(t, nil, 0, 0)
		return nil, nil, transportError(r, err)
	}
	var pause time.Duration
	if resp.StatusCode == http.StatusTooManyRequests {
		pause = retryAfter(resp.Header.Get("Retry-After"), c.now())
		c.mu.Lock()
		c.tooMany++
		c.mu.Unlock()
	}
	c.limits.done(t, resp.Header, resp.StatusCode, pause)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, resp.Header, parseError(r.method, r.route, resp, body, c.now())
	}
	return body, resp.Header, nil
}

func (c *Client) request(ctx context.Context, r call) (*http.Request, error) {
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	var reader io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("freshservice: encoding %s %s: %w", r.method, r.route, err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, reader)
	if err != nil {
		return nil, fmt.Errorf("freshservice: %s %s: %w", r.method, r.route, err)
	}
	req.SetBasicAuth(c.key, "X")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "lockstep")
	if reader != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// transportError tells whether the request can have reached Freshservice.
func transportError(r call, err error) *TransportError {
	var op *net.OpError
	var dns *net.DNSError
	dialling := errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
	var timeout interface{ Timeout() bool }
	// The error of http.Client repeats the whole URL; the route says enough.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &TransportError{Method: r.method, Route: r.route, Err: err,
		Unknown: !dialling && r.method != http.MethodGet,
		Timeout: errors.As(err, &timeout) && timeout.Timeout()}
}

func (c *Client) count(route string) {
	c.mu.Lock()
	c.calls[route]++
	c.mu.Unlock()
}

// Stats are what a client has done so far, and what its limits allow now.
type Stats struct {
	// Calls counts what was sent, repetitions included, by route.
	Calls map[string]int64 `json:"calls"`
	Total int64            `json:"total"`
	// Retries counts repetitions after failures, TooMany the 429s received.
	Retries int64 `json:"retries"`
	TooMany int64 `json:"tooMany"`
	// Waits counts the calls that had to wait for the limits, Waited how long
	// together, Waiting those that wait at this moment.
	Waits   int64         `json:"waits"`
	Waited  time.Duration `json:"waited"`
	Waiting int           `json:"waiting"`
	// Overall is the limit of all calls; the other two are those of the
	// listings of requesters and agents.
	Overall        Budget `json:"overall"`
	ListRequesters Budget `json:"listRequesters"`
	ListAgents     Budget `json:"listAgents"`
}

// Stats returns the figures so far.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	s := Stats{Calls: maps.Clone(c.calls), Retries: c.retries, TooMany: c.tooMany}
	c.mu.Unlock()
	for _, n := range s.Calls {
		s.Total += n
	}
	l := c.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Waits, s.Waited, s.Waiting = l.waits, l.waited, l.waiting
	s.Overall = l.budget(&l.all)
	s.ListRequesters = l.budget(l.lists["GET /requesters"])
	s.ListAgents = l.budget(l.lists["GET /agents"])
	return s
}

// Estimate returns how long the account's limits make a number of calls take,
// listings of which are of requesters. It is 0 while the limits are unknown.
func (c *Client) Estimate(calls, listings int) time.Duration {
	l := c.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.estimate(&l.all, calls), l.estimate(l.lists["GET /requesters"], listings))
}

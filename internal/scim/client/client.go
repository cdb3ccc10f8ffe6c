package client

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lockstep/internal/provision"
	"lockstep/internal/scim"
	"lockstep/internal/secret"
)

// Options configure a [Client]. BaseURL is needed.
type Options struct {
	// BaseURL is what "/Users" is appended to, which Entra calls the Tenant URL:
	// https://acme.example/scim/v2. A query stays on every call; one with
	// aadOptscim062020 selects that dialect.
	BaseURL string
	// Token is the bearer token; without one no Authorization is sent.
	Token secret.Text
	// HTTP carries the requests; a client tuned for many parallel workers when
	// nil. Redirects are never followed.
	HTTP *http.Client
	// Dialect is how requests are spelt, unless the URL says it.
	Dialect provision.Dialect
	// Timeout bounds one request with its answer, 60 s when zero.
	Timeout time.Duration
	// MaxWait bounds how long one call waits in all for an endpoint that asks
	// for patience (429, or 503 with Retry-After), 2 minutes when zero and not at
	// all when negative. When it asks for more, the call fails at once with an
	// error whose RetryAfter says how much.
	MaxWait time.Duration
	// MembersPerRequest is the largest number of group members in one PATCH,
	// 1000 when zero. It is halved when the endpoint finds that too many.
	MembersPerRequest int
	// PageSize is the page of a listing, 100 when zero; less when the endpoint
	// allows less.
	PageSize int
	// Log gets a line for each wait, and one for each request at level debug.
	// Neither holds the token or a query; nil discards them.
	Log *slog.Logger
	// UserAgent is what the endpoint sees, "lockstep" when empty.
	UserAgent string
}

// A Client speaks to one endpoint. It is safe for concurrent use.
type Client struct {
	base    *url.URL // without query; its path does not end in a slash
	query   string   // goes onto every call
	token   secret.Text
	http    *http.Client
	dialect provision.Dialect
	timeout time.Duration
	maxWait time.Duration
	page    int
	log     *slog.Logger
	agent   string

	chunk atomic.Int64 // members in one request
	gate  gate

	types     atomic.Pointer[types]
	discovery sync.Mutex // held while the endpoint is asked what it is
	known     atomic.Pointer[capabilities]

	requests, throttled atomic.Int64
	waited              atomic.Int64
}

var (
	_ provision.Target    = (*Client)(nil)
	_ provision.Inventory = (*Client)(nil)
)

// types are the resource types that the endpoint's resources follow.
type types struct{ users, groups *scim.ResourceType }

// Defaults of [Options].
const (
	defaultTimeout  = time.Minute
	defaultMaxWait  = 2 * time.Minute
	defaultMembers  = 1000
	defaultPageSize = 100
)

// flagOptSCIM is the feature flag in the Tenant URL that selects Entra's newer
// dialect (Microsoft Learn: known issues and resolutions with SCIM 2.0 protocol
// compliance).
const flagOptSCIM = "aadOptscim062020"

// New returns a client. It sends nothing yet; see [Client.Describe].
func New(o Options) (*Client, error) {
	base, query, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		base: base, query: query, token: o.Token, dialect: o.Dialect, agent: o.UserAgent, log: o.Log,
		timeout: o.Timeout, maxWait: o.MaxWait, page: o.PageSize,
	}
	if hasFlag(query) {
		c.dialect = provision.AADOptSCIM062020
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.maxWait == 0 {
		c.maxWait = defaultMaxWait
	}
	if c.page <= 0 {
		c.page = defaultPageSize
	}
	if o.MembersPerRequest <= 0 {
		o.MembersPerRequest = defaultMembers
	}
	c.chunk.Store(int64(o.MembersPerRequest))
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.agent == "" {
		c.agent = "lockstep"
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Transport: newTransport()}
	}
	h := *o.HTTP
	// A redirect would carry the token to an address that nobody configured, and
	// turn a POST into a GET.
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &h
	c.types.Store(&types{scim.UserType(), scim.GroupType()})
	return c, nil
}

// parseBase checks the base URL and takes it apart.
func parseBase(s string) (base *url.URL, query string, err error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, "", errors.New("the endpoint's URL is missing; it looks like https://acme.example/scim/v2")
	}
	u, err := url.Parse(s)
	if err != nil {
		// The error of url.Parse repeats the URL, which may hold credentials.
		return nil, "", errors.New("the endpoint's URL cannot be read; it looks like https://acme.example/scim/v2")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, "", fmt.Errorf("%q is not the URL of an endpoint: it must begin with https:// and name a host", u.Redacted())
	case u.User != nil:
		return nil, "", errors.New("the endpoint's URL holds a user name; leave it out, the token says who calls")
	}
	query = u.RawQuery
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = "", false, "", ""
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	for _, end := range []string{"/Users", "/Groups"} {
		if strings.HasSuffix(u.Path, end) {
			return nil, "", fmt.Errorf("the endpoint's URL ends in %s; leave that off, it is appended to each call", end)
		}
	}
	return u, query, nil
}

func hasFlag(query string) bool {
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if strings.EqualFold(name, flagOptSCIM) {
			return true
		}
	}
	return false
}

// newTransport returns a transport that keeps as many connections to one host
// as an engine has workers; the standard library keeps two.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          128,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// Dialect returns the dialect that the client speaks.
func (c *Client) Dialect() provision.Dialect { return c.dialect }

// Types implements [provision.Target]. After a successful Describe they hold
// the extensions that the endpoint's /Schemas lists.
func (c *Client) Types() (users, groups *scim.ResourceType) {
	t := c.types.Load()
	return t.users, t.groups
}

// Stats are counts since the client was made.
type Stats struct {
	// Requests counts every request sent, repetitions too.
	Requests int64
	// Throttled counts answers that asked for patience, and Waited what was
	// waited for them, over all callers.
	Throttled int64
	Waited    time.Duration
}

// Stats returns how much the client has sent and waited.
func (c *Client) Stats() Stats {
	return Stats{c.requests.Load(), c.throttled.Load(), time.Duration(c.waited.Load())}
}

// CloseIdleConnections closes what is not in use.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

package graph

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Options configure a [Client]. Credential is needed.
type Options struct {
	// Credential gives the tokens.
	Credential TokenCredential
	// Cloud chooses the host; Global when empty.
	Cloud Cloud
	// BaseURL replaces the cloud's host.
	BaseURL string
	// Version is "v1.0", the default, or "beta".
	Version string
	// HTTP carries the requests; a client tuned for some parallel readers when
	// nil. Redirects are never followed.
	HTTP *http.Client
	// Timeout bounds one request with its answer, 100 s when zero.
	Timeout time.Duration
	// MaxWait bounds how long one call waits in all for a Graph that asks for
	// patience, 10 minutes when zero and not at all when negative.
	MaxWait time.Duration
	// Log gets a line for each wait, and one for each request at level debug.
	// Neither holds the token, a query or an identifier; nil discards them.
	Log *slog.Logger
	// UserAgent is what Graph sees, "lockstep" when empty.
	UserAgent string
}

// A Client speaks to one Graph. It is safe for concurrent use.
type Client struct {
	root    *url.URL // without version and without a slash at the end
	version string
	tokens  *tokenCache
	http    *http.Client
	timeout time.Duration
	maxWait time.Duration
	log     *slog.Logger
	agent   string
	gate    gate

	requests, throttled, waited atomic.Int64
}

// New returns a client. It sends nothing yet.
func New(o Options) (*Client, error) {
	if o.Credential == nil {
		return nil, errors.New("a credential is needed to call Microsoft Graph")
	}
	base := o.BaseURL
	if base == "" {
		cloud, err := ParseCloud(string(o.Cloud))
		if err != nil {
			return nil, err
		}
		base = cloud.GraphURL()
	}
	root, err := parseRoot("Microsoft Graph", base)
	if err != nil {
		return nil, err
	}
	if o.Version == "" {
		o.Version = "v1.0"
	}
	if o.Version != "v1.0" && o.Version != "beta" {
		return nil, errors.New(`the version of Microsoft Graph is "v1.0" or "beta"`)
	}
	c := &Client{
		root: root, version: o.Version, timeout: o.Timeout, maxWait: o.MaxWait, log: o.Log, agent: o.UserAgent,
		tokens: newTokenCache(o.Credential, root.Scheme+"://"+root.Host+"/.default"),
		http:   withoutRedirects(o.HTTP),
	}
	if c.timeout == 0 {
		c.timeout = 100 * time.Second
	}
	if c.maxWait == 0 {
		c.maxWait = 10 * time.Minute
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.agent == "" {
		c.agent = "lockstep"
	}
	return c, nil
}

// withoutRedirects returns a copy of h, or of a new client, that hands redirects
// back: following one would carry a secret to an address nobody configured.
func withoutRedirects(h *http.Client) *http.Client {
	if h == nil {
		dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
		h = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 15 * time.Second,
		}}
	}
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Owns reports whether link leads to this client's Graph, so that the client
// would follow it.
func (c *Client) Owns(link string) bool {
	u, err := url.Parse(link)
	return err == nil && c.owns(u)
}

func (c *Client) owns(u *url.URL) bool {
	return u.Scheme == c.root.Scheme && strings.EqualFold(u.Host, c.root.Host) && u.User == nil &&
		strings.HasPrefix(u.Path, c.root.Path+"/")
}

// foreign is the error for a link that this client does not follow.
func (c *Client) foreign(link string) error {
	e := &LinkError{Host: "(unreadable)", Want: c.root.Host}
	if u, err := url.Parse(link); err == nil {
		e.Host = u.Host
	}
	return e
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

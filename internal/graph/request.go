package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"

	"lockstep/internal/secret"
)

// maxAnswer bounds an answer's body, in bytes.
const maxAnswer = 64 << 20

// maxTries bounds how often a read is repeated that got no answer or a server's
// error. Requests that were turned away for their rate have the wait as bound.
const maxTries = 5

// A Query is the OData query of a request (Microsoft Graph: query parameters),
// and the headers that belong to it.
type Query struct {
	Select                  []string
	Filter, Expand, OrderBy string
	// Top is the page size, 0 for Graph's own.
	Top int
	// DeltaToken is "latest" to begin change tracking without a first reading.
	DeltaToken string
	// Eventual sends ConsistencyLevel: eventual, which $count and advanced
	// filters of directory objects need.
	Eventual bool
	// Minimal sends Prefer: return=minimal: a delta then holds changed properties only.
	Minimal bool
}

func (q *Query) encode() string {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("$select", strings.Join(q.Select, ","))
	set("$filter", q.Filter)
	set("$expand", q.Expand)
	set("$orderby", q.OrderBy)
	set("$deltatoken", q.DeltaToken)
	if q.Top > 0 {
		v.Set("$top", strconv.Itoa(q.Top))
	}
	return v.Encode()
}

func (q *Query) header(h http.Header) {
	if q.Eventual {
		h.Set("ConsistencyLevel", "eventual")
	}
	if q.Minimal {
		h.Set("Prefer", "return=minimal")
	}
}

// Quote returns s as a text of an OData filter: 'O”Brien'.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// A call is one request. ref is a path below the version, such as /users, or a
// link that Graph gave.
type call struct {
	method string
	ref    string
	query  Query
	body   any
	// accept are the media types wanted, JSON when empty.
	accept string
}

// An answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// url returns where a call goes. Links are followed to this client's Graph only.
func (c *Client) url(k *call) (*url.URL, error) {
	if !strings.HasPrefix(k.ref, "/") {
		u, err := url.Parse(k.ref)
		if err != nil || !c.owns(u) {
			return nil, c.foreign(k.ref)
		}
		u.Fragment = ""
		return u, nil
	}
	path, err := url.PathUnescape(k.ref)
	if err != nil {
		return nil, fmt.Errorf("the path %q cannot be read", k.ref)
	}
	u := *c.root
	prefix := c.root.Path + "/" + c.version
	u.Path, u.RawPath = prefix+path, prefix+k.ref
	u.RawQuery = k.query.encode()
	return &u, nil
}

// operation names a request without the identifiers in its path, which may be
// people's names.
func operation(method string, u *url.URL, root string) string {
	path := strings.TrimPrefix(u.Path, root)
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) > 1 && (parts[0] == "v1.0" || parts[0] == "beta") {
		parts = parts[1:]
	}
	for i, p := range parts {
		if name, _, ok := strings.Cut(p, "("); ok && identifier(name) {
			parts[i] = name + "({id})"
		} else if !identifier(p) {
			parts[i] = "{id}"
		}
	}
	return method + " /" + strings.Join(parts, "/")
}

// identifier reports whether a path segment is a name of the API: letters,
// perhaps qualified or with a $ before it.
func identifier(s string) bool {
	s = strings.TrimPrefix(s, "$")
	if s == "" || len(s) > 40 {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && s[i] != '.' {
			return false
		}
	}
	return true
}

// send sends a call and returns the answer when its status is 2xx. It waits and
// repeats while Graph asks for patience, and repeats reads that failed on the
// way. A token that Graph rejects is renewed once.
func (c *Client) send(ctx context.Context, k *call) (*answer, error) {
	u, err := c.url(k)
	if err != nil {
		return nil, err
	}
	var body []byte
	if k.body != nil {
		if body, err = json.Marshal(k.body); err != nil {
			return nil, fmt.Errorf("encode the request %s: %w", operation(k.method, u, c.root.Path), err)
		}
	}
	renewed, failures := false, 0
	attempt := func() (*answer, error) {
		if err := c.gate.wait(ctx); err != nil {
			return nil, backoff.Permanent(err)
		}
		a, token, err := c.once(ctx, k, u, body)
		var e *Error
		var lost *ConnectionError
		switch {
		case err == nil:
			return a, nil
		case ctx.Err() != nil:
			return nil, backoff.Permanent(ctx.Err())
		case errors.As(err, &e) && e.Status == http.StatusUnauthorized && !renewed:
			renewed = true
			c.tokens.drop(token)
			return nil, fmt.Errorf("%w (%w)", err, backoff.RetryAfter(0))
		case c.maxWait < 0:
			return nil, backoff.Permanent(err)
		case errors.As(err, &e) && turnedAway(e):
			c.throttled.Add(1)
			if e.RetryAfter > 0 {
				return nil, fmt.Errorf("%w (%w)", err, backoff.RetryAfter(int((e.RetryAfter+time.Second-1)/time.Second)))
			}
			return nil, err
		case k.method == http.MethodGet && (errors.As(err, &lost) || errors.As(err, &e) && e.Status >= 500):
			if failures++; failures < maxTries {
				return nil, err
			}
		}
		return nil, backoff.Permanent(err)
	}
	bound := c.maxWait
	if bound < 0 {
		bound = time.Minute // for the renewal of a token
	}
	a, err := backoff.Retry(ctx, attempt,
		backoff.WithBackOff(&backoff.ExponentialBackOff{InitialInterval: time.Second, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 30 * time.Second}),
		backoff.WithMaxElapsedTime(bound),
		backoff.WithNotify(func(err error, wait time.Duration) { c.notify(ctx, k, u, err, wait) }))
	if e, ok := errors.AsType[*Error](err); ok {
		return nil, e // without what was wrapped around it for the wait
	}
	return a, err
}

func (c *Client) notify(ctx context.Context, k *call, u *url.URL, err error, wait time.Duration) {
	var e *Error
	if errors.As(err, &e) && turnedAway(e) {
		c.waited.Add(int64(wait))
		// Whoever comes next would be turned away too.
		c.gate.close(wait)
	}
	if wait > 0 {
		c.log.LogAttrs(ctx, slog.LevelWarn, "Microsoft Graph is asked again",
			slog.String("request", operation(k.method, u, c.root.Path)), slog.Duration("wait", wait), slog.String("reason", err.Error()))
	}
}

// turnedAway reports whether Graph turned the request away for the time being,
// without carrying it out (Microsoft Graph: throttling guidance).
func turnedAway(e *Error) bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable && e.RetryAfter > 0
}

// once sends a call once. It also returns the token that it used.
func (c *Client) once(ctx context.Context, k *call, u *url.URL, body []byte) (*answer, secret.Text, error) {
	token, err := c.tokens.token(ctx)
	if err != nil {
		return nil, token, backoff.Permanent(err)
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	op := operation(k.method, u, c.root.Path)
	req, err := http.NewRequestWithContext(limited, k.method, u.String(), r)
	if err != nil {
		return nil, token, backoff.Permanent(fmt.Errorf("the request %s cannot be made", op))
	}
	k.query.header(req.Header)
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	req.Header.Set("Accept", "application/json")
	if k.accept != "" {
		req.Header.Set("Accept", k.accept)
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("client-request-id", uuid.NewString())
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	c.requests.Add(1)
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, token, &ConnectionError{Host: c.root.Host, Err: unwrapURL(err)}
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	c.log.LogAttrs(ctx, slog.LevelDebug, "Microsoft Graph request",
		slog.String("request", op), slog.Int("status", a.status), slog.Duration("took", time.Since(start)))
	switch {
	case err != nil:
		return nil, token, &ConnectionError{Host: c.root.Host, Err: err}
	case len(a.body) > maxAnswer:
		return nil, token, backoff.Permanent(fmt.Errorf("the answer to %s is longer than %d MiB", op, maxAnswer>>20))
	case a.status/100 != 2:
		return nil, token, newError(op, a.status, a.header, a.body, token)
	}
	return a, token, nil
}

// do sends a call and decodes the answer into into, unless that is nil.
func (c *Client) do(ctx context.Context, k *call, into any) error {
	a, err := c.send(ctx, k)
	if err != nil || into == nil || len(a.body) == 0 {
		return err
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		op := k.method
		if u, uerr := c.url(k); uerr == nil {
			op = operation(k.method, u, c.root.Path)
		}
		return fmt.Errorf("the answer to %s is not what Microsoft Graph gives: %w", op, err)
	}
	return nil
}

// Get reads one resource. path is below the version: "/users/{id}".
func Get[T any](ctx context.Context, c *Client, path string, q Query) (*T, error) {
	v := new(T)
	if err := c.do(ctx, &call{method: http.MethodGet, ref: path, query: q}, v); err != nil {
		return nil, err
	}
	return v, nil
}

// Count returns how many objects a collection such as "/users" has. Graph's
// index may lag behind by some moments.
func (c *Client) Count(ctx context.Context, path string) (int, error) {
	a, err := c.send(ctx, &call{method: http.MethodGet, ref: path + "/$count", query: Query{Eventual: true}, accept: "text/plain"})
	if err != nil {
		return 0, err
	}
	// A byte order mark comes before the digits.
	n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(a.body), "\uFEFF")))
	if err != nil || n < 0 {
		return 0, errors.New("the answer to a count is no number")
	}
	return n, nil
}

// A gate holds requests back while Graph has asked for patience.
type gate struct {
	mu    sync.Mutex
	until time.Time
}

func (g *gate) close(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.until) {
		g.until = until
	}
}

func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	d := time.Until(g.until)
	g.mu.Unlock()
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// retryAfter reads Retry-After: seconds or a date (RFC 9110 section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseFloat(v, 64); err == nil {
		if n <= 0 || n > 1e7 {
			return 0
		}
		return time.Duration(n * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

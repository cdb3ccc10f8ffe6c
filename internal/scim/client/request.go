package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"lockstep/internal/scim"
)

// maxAnswer bounds an answer's body, in bytes.
const maxAnswer = 64 << 20

// A call is one request of the protocol.
type call struct {
	method string
	path   string     // below the base, such as "/Users"
	id     string     // of a resource, "" for none
	params url.Values // besides the base's own query
	body   []byte
}

func (k *call) writes() bool { return k.method != http.MethodGet }

func (k *call) String() string {
	if k.id != "" {
		return k.method + " " + k.path + "/{id}"
	}
	return k.method + " " + k.path
}

// An answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends a call and returns the answer when its status is 2xx. It waits and
// repeats while the endpoint asks for patience, within the client's bounds: a
// request that was turned away for its rate has not been carried out.
func (c *Client) send(ctx context.Context, k *call) (*answer, error) {
	attempt := func() (*answer, error) {
		if err := c.gate.wait(ctx); err != nil {
			return nil, backoff.Permanent(err)
		}
		a, err := c.once(ctx, k)
		var e *scim.Error
		if err == nil || !errors.As(err, &e) || !patience(e) {
			return a, permanent(err)
		}
		c.throttled.Add(1)
		if e.RetryAfter > 0 {
			seconds := int((e.RetryAfter + time.Second - 1) / time.Second)
			return nil, fmt.Errorf("%w (%w)", err, backoff.RetryAfter(seconds))
		}
		return nil, err
	}
	if c.maxWait < 0 {
		return c.once(ctx, k)
	}
	a, err := backoff.Retry(ctx, attempt,
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval: time.Second, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 30 * time.Second,
		}),
		backoff.WithMaxElapsedTime(c.maxWait),
		backoff.WithMaxTries(10),
		backoff.WithNotify(func(err error, wait time.Duration) {
			c.waited.Add(int64(wait))
			// Whoever comes next would be turned away too.
			c.gate.close(wait)
			c.log.LogAttrs(ctx, slog.LevelWarn, "the SCIM endpoint asks for patience",
				slog.String("request", k.String()), slog.Duration("wait", wait))
		}))
	if e, ok := errors.AsType[*scim.Error](err); ok {
		return nil, e
	}
	return a, err
}

func permanent(err error) error {
	if err == nil {
		return nil
	}
	return backoff.Permanent(err)
}

// patience reports whether the endpoint turned the request away for the time
// being, without carrying it out.
func patience(e *scim.Error) bool {
	return e.Type == scim.RateLimited || e.Type == scim.Unavailable && e.RetryAfter > 0
}

// A gate holds requests back while the endpoint has asked for patience.
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

// once sends a call once.
func (c *Client) once(ctx context.Context, k *call) (*answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(limited, &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) },
	})
	var body io.Reader
	if k.body != nil {
		body = bytes.NewReader(k.body)
	}
	req, err := http.NewRequestWithContext(traced, k.method, c.url(k), body)
	if err != nil {
		return nil, scim.Errorf(scim.Internal, "the request %s cannot be made: %v", k, err)
	}
	req.Header.Set("Accept", "application/scim+json, application/json")
	req.Header.Set("User-Agent", c.agent)
	if k.body != nil {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	if !c.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	c.requests.Add(1)
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(ctx, k, err, sent.Load())
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	c.log.LogAttrs(ctx, slog.LevelDebug, "SCIM request",
		slog.String("request", k.String()), slog.Int("status", a.status), slog.Duration("took", time.Since(start)))
	switch {
	case err != nil && a.status/100 == 2 && (k.method == http.MethodPatch || k.method == http.MethodDelete || k.method == http.MethodPut):
		// It was carried out; what else the answer would have said is not needed.
	case err != nil:
		return nil, c.lost(ctx, k, err, true)
	case len(a.body) > maxAnswer:
		return nil, scim.Errorf(scim.BadGateway, "the answer to %s is longer than %d MiB", k, maxAnswer>>20)
	}
	if a.status/100 != 2 {
		return nil, c.refused(k, a)
	}
	return a, nil
}

// url returns where a call goes.
func (c *Client) url(k *call) string {
	var b strings.Builder
	b.WriteString(c.base.String())
	b.WriteString(k.path)
	if k.id != "" {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(k.id))
	}
	query := c.query
	if len(k.params) > 0 {
		if query != "" {
			query += "&"
		}
		query += k.params.Encode()
	}
	if query != "" {
		b.WriteByte('?')
		b.WriteString(query)
	}
	return b.String()
}

// retryAfter reads Retry-After: seconds or a date (RFC 9110 section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
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

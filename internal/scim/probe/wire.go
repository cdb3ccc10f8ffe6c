package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lockstep/internal/scim"
)

// A request is one request to the endpoint.
type request struct {
	method string
	base   string // the session's when empty
	path   string // appended to the base URL, escaped
	query  string // encoded
	body   []byte
	// contentType of the body; SCIM's own when empty.
	contentType string
	accept      string
	header      http.Header
	// authorization replaces the header with the token; none sends none.
	authorization string
}

const none = "none"

const (
	contentSCIM = "application/scim+json"
	contentJSON = "application/json"
	// maxBody is how much of an answer is read.
	maxBody = 32 << 20
	// shown is how much of a body a report keeps.
	shown = 2000
	// tries is how often a request is sent that is answered with 429, and
	// longestWait how long is waited in between at most.
	tries       = 4
	longestWait = time.Minute
)

// send sends r and returns the answer. No answer ends the trial.
func (t *trial) send(r request) *answer {
	a, err := t.do(r)
	if err != nil {
		t.fail("%s %s had no answer: %v", r.method, t.target(r), err)
	}
	return a
}

// do sends r, again when it is asked to come back later, and records the
// exchange. It may be called from several goroutines.
func (t *trial) do(r request) (*answer, error) {
	a, err := t.attempt(t.ctx, r)
	x := Exchange{Method: r.method, Path: t.redact(t.target(r)), RequestBody: t.redact(cut(string(r.body), shown))}
	if err != nil {
		x.Error = t.redact(err.Error())
	} else {
		a.t = t
		x.Status, x.ContentType = a.status, a.header.Get("Content-Type")
		x.ResponseBody = t.redact(cut(t.public(r, a), shown))
		a.exchange = x
	}
	t.mu.Lock()
	t.exchanges = append(t.exchanges, x)
	t.mu.Unlock()
	return a, err
}

// target is what follows the base URL.
func (s *session) target(r request) string {
	if r.query == "" {
		return r.path
	}
	return r.path + "?" + r.query
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 1 {
		n = 5
	}
	return min(time.Duration(n)*time.Second, longestWait)
}

// attempt sends r until the answer is not that it comes too soon.
func (s *session) attempt(ctx context.Context, r request) (*answer, error) {
	for try := 1; ; try++ {
		a, err := s.once(ctx, r)
		if err != nil || a.status != http.StatusTooManyRequests || try == tries {
			return a, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(retryAfter(a.header)):
		}
	}
}

// once sends r once.
func (s *session) once(ctx context.Context, r request) (*answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, fmt.Errorf("nothing within %s", s.o.Timeout))
	defer cancel()
	query := s.query
	if query != "" && r.query != "" {
		query += "&"
	}
	if query += r.query; query != "" {
		query = "?" + query
	}
	base := s.base
	if r.base != "" {
		base = r.base
	}
	req, err := http.NewRequestWithContext(ctx, r.method, base+r.path+query, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	switch r.authorization {
	case none:
	case "":
		req.Header.Set("Authorization", "Bearer "+s.o.Token)
	default:
		req.Header.Set("Authorization", r.authorization)
	}
	req.Header.Set("Accept", contentSCIM)
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	req.Header.Set("User-Agent", "lockstep-validate")
	if r.body != nil {
		req.Header.Set("Content-Type", contentSCIM+"; charset=utf-8")
		if r.contentType != "" {
			req.Header.Set("Content-Type", r.contentType)
		}
	}
	start := time.Now()
	a, err := s.exchange(ctx, req)
	s.mu.Lock()
	s.requests++
	s.wrote = s.wrote || r.method == http.MethodPost
	s.mu.Unlock()
	if err != nil {
		s.log.DebugContext(ctx, "probe: no answer", slog.String("method", r.method), slog.String("path", r.path), slog.Duration("took", time.Since(start)))
		return nil, err
	}
	s.log.DebugContext(ctx, "probe: answer", slog.String("method", r.method), slog.String("path", r.path), slog.Int("status", a.status), slog.Duration("took", time.Since(start)))
	a.request = r
	s.note(r, a)
	return a, nil
}

func (s *session) exchange(ctx context.Context, req *http.Request) (*answer, error) {
	resp, err := s.client.Do(req)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the answer (status %d) broke off: %w", resp.StatusCode, err)
	case len(body) > maxBody:
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxBody)
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, body: body}
	if len(bytes.TrimSpace(body)) > 0 {
		a.object, a.malformed = scim.ParseObject(body)
	}
	return a, nil
}

// note remembers what an answer tells apart from the check it belongs to: a
// token where none should be, and a resource that is now ours to remove.
func (s *session) note(r request, a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A short token may stand in an answer by chance.
	if len(s.o.Token) >= 8 {
		leak := bytes.Contains(a.body, []byte(s.o.Token))
		for _, values := range a.header {
			for _, v := range values {
				leak = leak || strings.Contains(v, s.o.Token)
			}
		}
		if leak {
			s.leaks = append(s.leaks, r.method+" "+r.path)
		}
	}
	s.noteMade(r, a)
}

// redact takes the token out of a text.
func (s *session) redact(text string) string {
	if len(s.o.Token) < 4 {
		return text
	}
	return strings.ReplaceAll(text, s.o.Token, "[token]")
}

// public returns the body of an answer for a report: resources that the probe
// did not create are left out, because they are people's data.
func (s *session) public(r request, a *answer) string {
	if !strings.HasPrefix(strings.TrimLeft(r.path, "/"), "Users") && !strings.HasPrefix(strings.TrimLeft(r.path, "/"), "Groups") &&
		strings.Trim(r.path, "/") != "" && !strings.HasSuffix(r.path, ".search") {
		return string(a.body)
	}
	ours := func(o *scim.Object) bool { return s.ours(o) }
	if a.object == nil {
		if a.status == http.StatusOK && len(a.body) > 0 && !bytes.Contains(a.body, []byte(s.prefix)) {
			return fmt.Sprintf("(%d bytes, not shown: they are not a SCIM message)", len(a.body))
		}
		return string(a.body)
	}
	if _, isList := a.object.Get("Resources"); isList {
		c := a.object.Clone()
		var shown []scim.Value
		for _, v := range c.Elements("Resources") {
			if o, ok := v.(*scim.Object); ok && !ours(o) {
				v = obj("(not shown)", "not created by the probe")
			}
			shown = append(shown, v)
		}
		if shown != nil {
			c.Set("Resources", shown)
		}
		b, err := scim.AppendJSON(nil, c)
		if err != nil {
			return ""
		}
		return string(b)
	}
	if a.object.Text("userName") != "" && !ours(a.object) {
		return "(not shown: not created by the probe)"
	}
	return string(a.body)
}

// ours reports whether a user or group bears the probe's prefix.
func (s *session) ours(o *scim.Object) bool {
	for _, name := range []string{"userName", "displayName"} {
		if len(o.Text(name)) >= len(s.prefix) && strings.EqualFold(o.Text(name)[:len(s.prefix)], s.prefix) {
			return true
		}
	}
	return false
}

// cut shortens a text to about n bytes.
func cut(text string, n int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

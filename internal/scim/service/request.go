package service

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lockstep/internal/scim"
)

// maxKept is the largest buffer that is kept for the next request.
const maxKept = 256 << 10

// A request is one request on its way through the service. The response is
// built in out and sent at the end, so that an error or a panic on the way
// never leaves half an answer. Requests are pooled with their buffers.
type request struct {
	s     *Service
	w     http.ResponseWriter
	r     *http.Request
	start time.Time
	id    string

	pattern    string
	kind       kind
	resourceID string
	query      string // the raw query, without what belonged to the path
	params     params
	account    *Account
	limits     Limits

	authFailure AuthFailure
	// flooding: it is one of very many without a valid token, of which the log
	// has enough.
	flooding bool
	base     string // of locations; see baseURL

	in     bytes.Buffer
	out    []byte
	status int
	err    *scim.Error
}

func (q *request) begin(w http.ResponseWriter, r *http.Request) {
	q.w, q.r, q.start = w, r, time.Now()
	q.id = requestID(r.Header["X-Request-Id"])
	q.header("X-Request-Id", q.id)
}

func (q *request) release() {
	s, in, out := q.s, q.in, q.out
	*q = request{s: s}
	if in.Cap() <= maxKept {
		in.Reset()
		q.in = in
	}
	if cap(out) <= maxKept {
		q.out = out[:0]
	}
	s.requests.Put(q)
}

func (q *request) ctx() context.Context { return q.r.Context() }

func (q *request) accountID() string {
	if q.account == nil {
		return ""
	}
	return q.account.ID
}

// header sets a response header whose name is in canonical form.
func (q *request) header(name, value string) { q.w.Header()[name] = []string{value} }

// requestID returns the client's request id when it is fit for a log, or a new
// one.
func requestID(sent []string) string {
	if len(sent) == 1 && safeID(sent[0]) {
		return sent[0]
	}
	const digits = "0123456789abcdef"
	var b [16]byte
	n := rand.Uint64()
	for i := range b {
		b[i] = digits[n&15]
		n >>= 4
	}
	return string(b[:])
}

func safeID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-_.:/+=|@", c) >= 0:
		default:
			return false
		}
	}
	return true
}

var (
	contentSCIM = []string{"application/scim+json"}
	contentJSON = []string{"application/json"}
)

// contentType chooses between the two names of the same format (RFC 7644
// section 3.1). Clients that accept neither get SCIM's own.
func contentType(accept []string) []string {
	if len(accept) == 0 {
		return contentSCIM
	}
	for _, a := range accept {
		if strings.Contains(a, "scim+json") || strings.Contains(a, "*") {
			return contentSCIM
		}
	}
	for _, a := range accept {
		if strings.Contains(a, "application/json") {
			return contentJSON
		}
	}
	return contentSCIM
}

// send writes the response.
func (q *request) send() {
	if q.status == statusClientGone {
		return
	}
	h := q.w.Header()
	switch q.status {
	case http.StatusNoContent, http.StatusNotModified:
		q.out = q.out[:0]
		q.w.WriteHeader(q.status)
		return
	}
	h["Content-Type"] = contentType(q.r.Header["Accept"])
	h["Content-Length"] = []string{itoa(len(q.out))}
	q.w.WriteHeader(q.status)
	if q.r.Method != http.MethodHead {
		// A failed write means that the client is gone; there is nobody to tell.
		_, _ = q.w.Write(q.out)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// body reads the request body, at most limit bytes of it. The slice is valid
// until the request is released.
func (q *request) body(limit int64, limitName string) ([]byte, error) {
	if err := q.checkContentType(); err != nil {
		return nil, err
	}
	if q.r.ContentLength > limit {
		return nil, tooLarge(limit, limitName)
	}
	if n := q.r.ContentLength; n > 0 {
		q.in.Grow(int(n) + bytes.MinRead)
	}
	n, err := q.in.ReadFrom(io.LimitReader(q.r.Body, limit+1))
	if err != nil {
		if q.ctx().Err() != nil {
			return nil, context.Cause(q.ctx())
		}
		return nil, &scim.Error{Type: scim.InvalidSyntax, Detail: "the body could not be read to its end", Err: err}
	}
	if n > limit {
		return nil, tooLarge(limit, limitName)
	}
	// Some clients on Windows write a byte order mark.
	return bytes.TrimPrefix(q.in.Bytes(), []byte("\xef\xbb\xbf")), nil
}

func tooLarge(limit int64, name string) error {
	return scim.Errorf(scim.PayloadTooLarge, "the body is larger than %s (%d bytes); send less in one request", name, limit)
}

// checkContentType accepts the names of JSON that SCIM clients use, with any
// parameters, and a missing header.
func (q *request) checkContentType() error {
	h := q.r.Header["Content-Type"]
	if len(h) == 0 || h[0] == "" || h[0] == contentSCIM[0] || h[0] == contentJSON[0] {
		return nil
	}
	name, _, _ := strings.Cut(h[0], ";")
	name = strings.TrimSpace(name)
	if strings.EqualFold(name, contentSCIM[0]) || strings.EqualFold(name, contentJSON[0]) {
		return nil
	}
	if _, _, err := mime.ParseMediaType(name); err != nil {
		name = "that"
	}
	return scim.Errorf(scim.UnsupportedMedia, "the body must be application/scim+json or application/json, not %s", name)
}

// object reads the body as one JSON object.
func (q *request) object() (*scim.Object, error) {
	b, err := q.body(q.limits.MaxBody, "MaxBody")
	if err != nil {
		return nil, err
	}
	return scim.ParseObject(b)
}

// precondition reads If-Match and If-None-Match (RFC 7644 section 3.14).
func (q *request) precondition() scim.Precondition {
	return scim.Precondition{
		IfMatch:     etags(q.r.Header["If-Match"]),
		IfNoneMatch: etags(q.r.Header["If-None-Match"]),
	}
}

// etags splits header values at the commas between entity tags.
func etags(values []string) []string {
	var list []string
	for _, v := range values {
		quoted, from := false, 0
		for i := range len(v) {
			switch {
			case v[i] == '"':
				quoted = !quoted
			case v[i] == ',' && !quoted:
				list = appendTag(list, v[from:i])
				from = i + 1
			}
		}
		list = appendTag(list, v[from:])
	}
	return list
}

func appendTag(list []string, tag string) []string {
	if tag = strings.TrimSpace(tag); tag != "" {
		list = append(list, tag)
	}
	return list
}

// baseURL returns what locations begin with, without a slash at the end.
func (q *request) baseURL() string {
	if q.base != "" {
		return q.base
	}
	q.base = q.s.base
	if q.base == "" {
		scheme, host := q.s.origin(q.r)
		q.base = scheme + host + q.s.path
	}
	return q.base
}

// Package service is the SCIM 2.0 service provider over HTTP: it turns the
// requests of RFC 7644, and of RFC 9865 for paging by cursor, into calls of a
// [scim.Directory] and its answers into responses.
//
// One [Service] serves many accounts; the bearer token of a request chooses
// one. Every refusal, whatever its cause, leaves as a SCIM error body. What
// clients send beyond the letter of the RFCs (doubled slashes, a feature flag
// in the Tenant URL, missing content types) is put right here when it concerns
// HTTP, and in package scim when it concerns values, filters and PATCH.
package service

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"lockstep/internal/scim"
)

// Options configure a [Service]. Only Accounts is needed.
type Options struct {
	Accounts Accounts
	// Prefix is the path that the service is mounted at, "/scim/v2" when empty
	// and "/" for none. Requests come with their whole path: it must not have
	// been taken off.
	Prefix string
	// BaseURL is what locations begin with, such as
	// "https://scim.acme.example/scim/v2". When empty, it is derived from each
	// request: its scheme, its host and Prefix.
	BaseURL string
	// TrustedProxies are the networks of the proxies in front of the service.
	// X-Forwarded-Proto, -Host and -For are believed from these alone, because
	// anybody can send them.
	TrustedProxies []netip.Prefix
	// Documentation is a URL for people, shown in ServiceProviderConfig.
	Documentation string
	// Log gets one line per request: at level Debug for what went well, Info for
	// what was wrong with a request, Warn for who was not let in, and Error for
	// our own faults. nil discards them.
	Log *slog.Logger
	// Observe, when not nil, is called once per request, when the response has
	// been written. It should be quick: the connection waits for it.
	Observe func(Exchange)
}

// An Exchange is one request and what became of it, for metrics and for
// records of traffic.
type Exchange struct {
	Start     time.Time
	Duration  time.Duration
	RequestID string
	Method    string
	// Route is the pattern that the path matched, such as "/Users/{id}", or ""
	// when it matched none.
	Route string
	// AccountID is "" when no account was found.
	AccountID string
	// ResourceID is the id in the path, or of the resource that was created.
	ResourceID string
	Status     int
	// Err is what was answered; nil for a success. Its Err field holds the
	// cause where the client was not told.
	Err *scim.Error
	// AuthFailure says why a 401 was answered.
	AuthFailure AuthFailure
	UserAgent   string

	// The following hold personal data and are valid during the call only:
	// mask and copy what is to be kept.
	Query        string
	RequestBody  []byte
	ResponseBody []byte
}

// A Service is a SCIM 2.0 service provider. It implements http.Handler.
type Service struct {
	accounts Accounts
	prefix   []string // segments
	path     string   // the prefix as it appears in URLs: "" or "/scim/v2"
	base     string
	proxies  []netip.Prefix
	failures failures
	docs     string
	log      *slog.Logger
	observe  func(Exchange)
	// anonymous stands in for an account where discovery is asked without token.
	anonymous *Account
	limiters  sync.Map // account id → *limiter
	requests  sync.Pool
}

// New returns a Service.
func New(o Options) *Service {
	if o.Prefix == "" {
		o.Prefix = "/scim/v2"
	}
	s := &Service{
		accounts:  o.Accounts,
		base:      strings.TrimRight(o.BaseURL, "/"),
		proxies:   o.TrustedProxies,
		docs:      o.Documentation,
		log:       o.Log,
		observe:   o.Observe,
		anonymous: &Account{Users: scim.UserType(), Groups: scim.GroupType()},
	}
	for seg := range strings.SplitSeq(o.Prefix, "/") {
		if seg != "" {
			s.prefix = append(s.prefix, seg)
			s.path += "/" + seg
		}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.requests.New = func() any { return &request{s: s} }
	return s
}

// Handles reports whether the path of r, once cleaned, lies under the prefix.
// A server should ask before its own router does: http.ServeMux answers a
// doubled slash (which a Tenant URL that ends in a slash produces) with a
// redirect, and a provisioning client does not repeat its body after one.
func (s *Service) Handles(r *http.Request) bool {
	var buf [8]string
	_, ok := s.trimPrefix(splitPath(buf[:0], r.URL))
	return ok
}

// statusClientGone is what the log and the observer see when the client went
// away before there was an answer; nothing is sent.
const statusClientGone = 499

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := s.requests.Get().(*request)
	q.begin(w, r)
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			q.panicked(v)
		}
		q.send()
		q.report()
		q.release()
	}()
	if err := q.serve(); err != nil {
		q.fail(err)
	}
}

// serve runs the request up to the point where the response is ready to send.
func (q *request) serve() error {
	e, err := q.route()
	if err != nil {
		return err
	}
	h := e.handler(q.r.Method)
	if h == nil {
		q.header("Allow", e.allow)
		return scim.Errorf(scim.MethodNotAllowed, "%s does not support %s; it supports %s", e.pattern, q.r.Method, e.allow)
	}
	if !e.open || q.r.Header["Authorization"] != nil {
		if err := q.authenticate(); err != nil {
			return err
		}
		if err := q.admit(1); err != nil {
			return err
		}
	} else {
		q.account = q.s.anonymous
	}
	q.limits = q.account.Limits.withDefaults()
	if err := q.params.parse(q.query); err != nil {
		return err
	}
	return h(q)
}

// A limiter is the rate limit of one account, kept apart from the Account so
// that a change of the account does not refill it.
type limiter struct {
	mu    sync.Mutex
	rate  float64
	burst int
	*rate.Limiter
}

// admit applies the account's rate limit to n operations. More than may come at
// once are let in when so many might, and what comes next waits for them.
func (q *request) admit(n int) error {
	l := q.account.Limits.withDefaults()
	if l.RatePerSecond <= 0 {
		return nil
	}
	v, ok := q.s.limiters.Load(q.account.ID)
	if !ok {
		v, _ = q.s.limiters.LoadOrStore(q.account.ID, &limiter{
			rate: l.RatePerSecond, burst: l.Burst,
			Limiter: rate.NewLimiter(rate.Limit(l.RatePerSecond), l.Burst),
		})
	}
	lim := v.(*limiter)
	lim.follow(l)
	if n < 1 {
		return nil
	}
	r := lim.ReserveN(q.start, min(n, l.Burst))
	wait := r.DelayFrom(q.start)
	if wait <= 0 {
		for n -= l.Burst; n > 0; n -= l.Burst {
			lim.ReserveN(q.start, min(n, l.Burst))
		}
		return nil
	}
	r.CancelAt(q.start)
	err := scim.Errorf(scim.RateLimited, "more than %g requests per second (%d at once) for this account; wait and send the same request again", l.RatePerSecond, l.Burst)
	err.RetryAfter = wait
	return err
}

// follow takes over limits that were changed.
func (lim *limiter) follow(l Limits) {
	lim.mu.Lock()
	defer lim.mu.Unlock()
	if lim.rate != l.RatePerSecond {
		lim.rate = l.RatePerSecond
		lim.SetLimit(rate.Limit(l.RatePerSecond))
	}
	if lim.burst != l.Burst {
		lim.burst = l.Burst
		lim.SetBurst(l.Burst)
	}
}

// fail turns err into the response.
func (q *request) fail(err error) {
	e := scim.AsError(err)
	var known *scim.Error
	switch {
	case q.r.Context().Err() != nil && errors.Is(err, context.Canceled):
		q.err, q.status = e, statusClientGone
		return
	case errors.As(err, &known):
	case errors.Is(err, context.DeadlineExceeded):
		e = &scim.Error{Type: scim.Unavailable, Err: err,
			Detail: "the request took too long and was given up; send it again, a smaller page if it was a query"}
	}
	if e.Type == scim.Internal {
		// The cause is not the client's to see; the id leads the administrator to it.
		e = &scim.Error{Type: scim.Internal, Err: err, Detail: "an internal error occurred; the service's log tells more under request id " + q.id}
	}
	q.err = e
	q.status = e.Status()
	q.out = appendError(q.out[:0], e)
	if e.Type == scim.Unauthenticated {
		q.header("Www-Authenticate", `Bearer realm="lockstep"`)
	}
	if e.RetryAfter > 0 {
		q.header("Retry-After", itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
}

func (q *request) panicked(v any) {
	q.s.log.LogAttrs(q.r.Context(), slog.LevelError, "scim: panic",
		slog.String("request_id", q.id), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	for _, name := range []string{"Etag", "Location", "Content-Location"} {
		q.w.Header().Del(name)
	}
	q.fail(scim.Errorf(scim.Internal, "panic"))
}

// cause returns err's text with the causes that a scim.Error in its chain keeps
// from clients.
func cause(err error) string {
	text := err.Error()
	var e *scim.Error
	if errors.As(err, &e) && e.Err != nil {
		text += ": " + cause(e.Err)
	}
	return text
}

// report writes the log line and calls the observer.
func (q *request) report() {
	took := time.Since(q.start)
	// What went well is counted by the observer; a line for each would cost more
	// than many of the requests themselves.
	level := slog.LevelDebug
	switch {
	case q.status >= 500, q.err != nil && q.err.Type == scim.Internal && q.status != statusClientGone:
		level = slog.LevelError // also one that is an operation's in a bulk answer
	case q.flooding:
	case q.status == 401 || q.status == 403 || q.status == 429:
		level = slog.LevelWarn
	case q.status >= 400:
		level = slog.LevelInfo
	}
	ctx := q.r.Context()
	if q.s.log.Enabled(ctx, level) {
		attrs := append(make([]slog.Attr, 0, 10),
			slog.String("method", q.r.Method),
			slog.String("route", q.pattern),
			slog.String("account", q.accountID()),
			slog.Int("status", q.status),
			slog.Duration("duration", took),
			slog.String("request_id", q.id))
		if q.authFailure != "" {
			attrs = append(attrs, slog.String("auth_failure", string(q.authFailure)))
		}
		if q.err != nil {
			if t := q.err.ScimType(); t != "" {
				attrs = append(attrs, slog.String("scim_type", t))
			}
			if q.err.Attribute != "" {
				attrs = append(attrs, slog.String("attribute", q.err.Attribute))
			}
			if q.err.Err != nil && q.err.Status() >= 500 {
				attrs = append(attrs, slog.String("error", cause(q.err.Err)))
			}
		}
		q.s.log.LogAttrs(ctx, level, "scim request", attrs...)
	}
	if q.s.observe != nil {
		q.s.observe(Exchange{
			Start: q.start, Duration: took, RequestID: q.id, Method: q.r.Method, Route: q.pattern,
			AccountID: q.accountID(), ResourceID: q.resourceID, Status: q.status, Err: q.err,
			AuthFailure: q.authFailure, UserAgent: q.r.UserAgent(),
			Query: q.query, RequestBody: q.in.Bytes(), ResponseBody: q.out,
		})
	}
}

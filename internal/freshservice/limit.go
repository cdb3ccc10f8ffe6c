package freshservice

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A Priority orders calls that wait for the rate limit.
type Priority int

// The priorities. Interactive calls are served first, and bulk calls leave a
// few calls of every minute to them.
const (
	Bulk Priority = iota
	Interactive
)

type priorityKey struct{}

// WithPriority returns a context whose calls have priority p. Without one they
// are [Bulk].
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

// WithPriorityOf returns a context whose calls have the priority that of
// returns, asked once for each call when it is due.
func WithPriorityOf(ctx context.Context, of func() Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, of)
}

func priorityOf(ctx context.Context) Priority {
	switch p := ctx.Value(priorityKey{}).(type) {
	case Priority:
		return p
	case func() Priority:
		return p()
	}
	return Bulk
}

// window is how long a limit counts: from the first request on, not by the
// clock (measured on a live account; the documentation says "per minute").
const window = time.Minute

// A bucket is one of the account's limits. A call's reply tells what is left;
// between replies the bucket assumes the worst of what is in flight, so that
// no call is sent that could be refused.
type bucket struct {
	// metered and unmetered: what replies have told. Neither: nothing known yet.
	metered, unmetered bool
	total, remaining   int
	// end is when the window closes, seen from the first reply in it: at or a
	// little after the moment at which Freshservice starts anew. Zero before
	// that reply.
	end     time.Time
	blocked time.Time // a 429 said to wait until then
	epoch   int
	// probing: the first call of the window is under way. It goes alone, since
	// its reply tells what others have used.
	probing  bool
	inflight int
	// urgent counts the interactive calls that wait for this bucket.
	urgent int
}

// limits keeps an account's limits: one for all calls, and one each for the
// listings of requesters and of agents, which count against both (Freshservice
// API: rate limit).
type limits struct {
	now     func() time.Time
	after   func(time.Duration) <-chan time.Time
	reserve float64

	mu      sync.Mutex
	all     bucket
	lists   map[string]*bucket // by route
	changed chan struct{}

	waits   int64
	waiting int
	waited  time.Duration
}

func newLimits(now func() time.Time, after func(time.Duration) <-chan time.Time, reserve float64) *limits {
	return &limits{
		now: now, after: after, reserve: reserve,
		lists:   map[string]*bucket{"GET /requesters": {}, "GET /agents": {}},
		changed: make(chan struct{}),
	}
}

// A ticket is the right to send one call.
type ticket struct {
	buckets []*bucket
	epochs  []int
	seen    []int // what remained when the call was sent
	probes  []bool
}

// take waits until the call may be sent. When that would be after ctx's
// deadline it fails at once with the error that Freshservice would give.
func (l *limits) take(ctx context.Context, method, route string) (*ticket, error) {
	buckets := []*bucket{&l.all}
	if b := l.lists[method+" "+route]; b != nil {
		buckets = append(buckets, b)
	}
	p := priorityOf(ctx)
	var start time.Time
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		now := l.now()
		b, wait := l.hindrance(buckets, p, now)
		if b == nil {
			if !start.IsZero() {
				l.waited += now.Sub(start)
			}
			return l.issue(buckets), nil
		}
		if deadline, ok := ctx.Deadline(); ok && wait > 0 && now.Add(wait).After(deadline) {
			return nil, &APIError{Status: http.StatusTooManyRequests, Method: method, Route: route, RetryAfter: wait,
				Description: "the account's calls of this minute are used up, and waiting for the next would take longer than the request may"}
		}
		if start.IsZero() {
			start = now
			l.waits++
		}
		if err := l.wait(ctx, b, p, wait); err != nil {
			return nil, &TransportError{Method: method, Route: route, Err: err, Timeout: err == context.DeadlineExceeded}
		}
	}
}

// wait releases the lock until something changed, d has passed (when positive)
// or ctx is done.
func (l *limits) wait(ctx context.Context, b *bucket, p Priority, d time.Duration) error {
	if p == Interactive {
		b.urgent++
	}
	l.waiting++
	changed := l.changed
	l.mu.Unlock()
	var timer <-chan time.Time
	if d > 0 {
		timer = l.after(d)
	}
	select {
	case <-changed:
	case <-timer:
	case <-ctx.Done():
	}
	l.mu.Lock()
	l.waiting--
	if p == Interactive {
		if b.urgent--; b.urgent == 0 {
			l.announce()
		}
	}
	return ctx.Err()
}

func (l *limits) announce() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// hindrance returns the bucket that forbids the call now and for how long, 0
// when only a reply can tell.
func (l *limits) hindrance(buckets []*bucket, p Priority, now time.Time) (*bucket, time.Duration) {
	for _, b := range buckets {
		if now.Before(b.blocked) {
			return b, b.blocked.Sub(now)
		}
		if b.unmetered {
			continue
		}
		if b.probing {
			return b, 0
		}
		if !b.end.IsZero() && !now.Before(b.end) {
			b.end, b.remaining = time.Time{}, b.total
			b.epoch++
		}
		if !b.metered {
			continue // issue makes it the probe
		}
		if p == Bulk && b.urgent > 0 {
			return b, 0
		}
		if b.remaining-b.inflight <= l.kept(b, p) {
			if b.end.IsZero() {
				return b, 0
			}
			return b, b.end.Sub(now)
		}
	}
	return nil, 0
}

// kept is how many of a window's calls a call of priority p leaves untouched.
func (l *limits) kept(b *bucket, p Priority) int {
	n := int(float64(b.total) * l.reserve)
	if p == Bulk {
		n += b.total * 3 / 100
	}
	return min(n, b.total-1)
}

func (l *limits) issue(buckets []*bucket) *ticket {
	t := &ticket{buckets: buckets}
	for _, b := range buckets {
		probe := !b.unmetered && (!b.metered || b.end.IsZero())
		if probe {
			b.probing = true
		}
		t.epochs = append(t.epochs, b.epoch)
		t.seen = append(t.seen, b.remaining)
		t.probes = append(t.probes, probe)
		b.inflight++
	}
	return t
}

// done takes the reply's word for what is left; h is nil when there was none.
// A call to a listing is answered with the state of its own bucket, any other
// with that of the bucket for all calls.
func (l *limits) done(t *ticket, h http.Header, status int, retryAfter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.announce()
	now := l.now()
	total, errTotal := strconv.Atoi(h.Get("X-RateLimit-Total"))
	remaining, errRemaining := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	told := errTotal == nil && errRemaining == nil && total > 0
	for i, b := range t.buckets {
		b.inflight--
		if t.probes[i] {
			b.probing = false
		}
		if b.end.IsZero() {
			b.end = now.Add(window)
		}
		mine := i == len(t.buckets)-1
		switch {
		case mine && status == http.StatusTooManyRequests:
			if retryAfter <= 0 {
				retryAfter = b.end.Sub(now)
			}
			b.blocked = now.Add(retryAfter)
			b.remaining, b.end = 0, b.blocked
			b.epoch++
		case mine && told:
			b.unmetered = false
			switch {
			case !b.metered || b.total != total:
				b.remaining = remaining
			case t.epochs[i] != b.epoch:
				// A reply from the window before says nothing of this one.
			case remaining > t.seen[i]:
				// More than was left when the call was sent: others had opened
				// the window earlier than we knew, and it has started anew.
				b.remaining, b.end = remaining, now.Add(window)
				b.epoch++
			default:
				b.remaining = min(b.remaining, remaining)
			}
			b.metered, b.total = true, total
		case mine && status >= 200 && status < 300 && !b.metered:
			// A server without limits, or one that keeps them to itself.
			b.unmetered = true
		case t.epochs[i] == b.epoch && b.metered:
			b.remaining--
		}
	}
}

// A Budget is the state of one limit.
type Budget struct {
	// Total is what a minute allows; 0 while unknown or when there is no limit.
	Total int `json:"total"`
	// Remaining is what is left of this minute, calls under way taken off.
	Remaining int `json:"remaining"`
	// ResetsAt is when the next minute starts; zero when none is running.
	ResetsAt time.Time `json:"resetsAt,omitzero"`
}

func (l *limits) budget(b *bucket) Budget {
	if !b.metered {
		return Budget{}
	}
	if !b.end.IsZero() && !l.now().Before(b.end) {
		return Budget{Total: b.total, Remaining: b.total}
	}
	return Budget{Total: b.total, Remaining: max(0, b.remaining-b.inflight), ResetsAt: b.end}
}

// estimate is how long n bulk calls take by the bucket alone.
func (l *limits) estimate(b *bucket, n int) time.Duration {
	if !b.metered || n <= 0 {
		return 0
	}
	kept := l.kept(b, Bulk)
	left := l.budget(b)
	n -= max(0, left.Remaining-kept)
	if n <= 0 {
		return 0
	}
	perWindow := max(1, b.total-kept)
	first := window
	if !left.ResetsAt.IsZero() {
		first = left.ResetsAt.Sub(l.now())
	}
	return max(0, first) + time.Duration((n-1)/perWindow)*window
}

package desk

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Plan is a subscription of Freshservice; it sets the rate limits and what
// roles may be scoped to.
type Plan string

// The plans, and one that never refuses a call.
const (
	Starter    Plan = "starter"
	Growth     Plan = "growth"
	Pro        Plan = "pro"
	Enterprise Plan = "enterprise"
	Unlimited  Plan = "unlimited"
)

// Plans lists every plan, smallest first.
var Plans = []Plan{Starter, Growth, Pro, Enterprise, Unlimited}

// ParsePlan returns the plan of that name, or an error that lists the names.
func ParsePlan(name string) (Plan, error) {
	if p := Plan(name); slices.Contains(Plans, p) {
		return p, nil
	}
	return "", fmt.Errorf("desk: unknown plan %q; the plans are %q", name, Plans)
}

// bucket is one of the counters of the rate limit.
type bucket uint8

const (
	overall bucket = iota
	listRequesters
	listAgents
	buckets
)

func (b bucket) String() string {
	return [buckets]string{"overall", "list requesters", "list agents"}[b]
}

// limits are calls per minute and bucket for accounts created since September
// 2020 (Freshservice API: rate limit).
var limits = map[Plan][buckets]int{
	Starter:    {100, 40, 40},
	Growth:     {200, 70, 70},
	Pro:        {400, 120, 120},
	Enterprise: {500, 140, 140},
	Unlimited:  {1_000_000, 1_000_000, 1_000_000},
}

// window is how long a bucket counts before it starts again.
const window = time.Minute

// limiter counts calls in fixed windows. A window is opened by the first call
// after the last one closed; it does not follow the clock's minutes. A call to
// a limited list counts in its own bucket and in the overall one.
type limiter struct {
	limit     [buckets]int
	unlimited bool

	mu     sync.Mutex
	opened [buckets]time.Time
	used   [buckets]int
}

func newLimiter(p Plan) *limiter {
	return &limiter{limit: limits[p], unlimited: p == Unlimited}
}

// allowance is what the headers of one answer say.
type allowance struct {
	total, remaining, cost int
	refused                bool
	retryAfter             time.Duration
}

// take counts a call of the given cost. The answer describes the bucket a
// client sees: its own, or the one that refused.
func (l *limiter) take(b bucket, cost int, now time.Time) allowance {
	if l.unlimited {
		return allowance{total: l.limit[b], remaining: l.limit[b] - cost, cost: cost}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	own, ok := l.count(b, cost, now)
	if b == overall {
		return own
	}
	if all, allOK := l.count(overall, cost, now); ok && !allOK {
		return all
	}
	return own
}

func (l *limiter) count(b bucket, cost int, now time.Time) (allowance, bool) {
	l.roll(b, now)
	if l.opened[b].IsZero() {
		l.opened[b] = now
	}
	a := allowance{total: l.limit[b], cost: cost}
	if l.used[b]+cost > l.limit[b] {
		a.refused = true
		a.retryAfter = l.opened[b].Add(window).Sub(now)
		l.used[b] = l.limit[b]
		return a, false
	}
	l.used[b] += cost
	a.remaining = l.limit[b] - l.used[b]
	return a, true
}

// roll closes the window when its time is over, also when the clock was set
// back to before its start.
func (l *limiter) roll(b bucket, now time.Time) {
	if d := now.Sub(l.opened[b]); d >= window || d < 0 {
		l.opened[b], l.used[b] = time.Time{}, 0
	}
}

// BucketState is one rate bucket at a moment.
type BucketState struct {
	Name  string `json:"name"`
	Limit int    `json:"limit"`
	Used  int    `json:"used"`
	// ResetsIn is in seconds, 0 when no window is open.
	ResetsIn int `json:"resets_in"`
}

func (l *limiter) state(now time.Time) []BucketState {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]BucketState, 0, buckets)
	for b := range buckets {
		l.roll(b, now)
		s := BucketState{Name: b.String(), Limit: l.limit[b], Used: l.used[b]}
		if !l.opened[b].IsZero() {
			s.ResetsIn = seconds(l.opened[b].Add(window).Sub(now))
		}
		out = append(out, s)
	}
	return out
}

// seconds rounds up: waiting this long is always enough.
func seconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}

package desk

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Fault makes calls of the API fail in a chosen way, to see how a client
// takes it. Faults are posted as {"rules": [...]} to /desk/faults.
type Fault struct {
	// Method and Path say which calls; "" is any. Path is a pattern of
	// [path.Match] on the URL's path, e.g. /api/v2/requesters/*.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	// Kind is one of FaultKinds.
	Kind string `json:"kind"`
	// Latency is how long the kind latency waits before the call goes on, and
	// how long timeout-after-write holds the connection (30s when empty), as
	// 150ms or 2s.
	Latency string `json:"latency,omitempty"`
	// RetryAfter is that of 429 and 503, in seconds.
	RetryAfter int `json:"retry_after,omitempty"`
	// Status and Body are what the kind error answers.
	Status int             `json:"status,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
	// Probability is the share of matching calls that fail; 0 is all. The same
	// Seed fails the same calls.
	Probability float64 `json:"probability,omitempty"`
	Seed        uint64  `json:"seed,omitempty"`
	// Count is after how many failures the rule ends, Duration after what time
	// (of the desk's clock); empty is never.
	Count    int    `json:"count,omitempty"`
	Duration string `json:"duration,omitempty"`
}

// FaultKinds lists what a [Fault] can do. drop-connection ends the connection
// before anything was done; timeout-after-write does what was asked and then
// never answers, so that the client cannot know.
var FaultKinds = []string{"latency", "429", "500", "503", "drop-connection", "timeout-after-write", "error"}

const defaultHold = 30 * time.Second

// fault is a rule at work.
type fault struct {
	Fault
	latency time.Duration
	until   time.Time
	random  *rand.Rand
	left    int // -1: without end
}

// newFault checks a rule.
func newFault(f Fault, now time.Time) (*fault, error) {
	out := &fault{Fault: f, left: -1, random: rand.New(rand.NewPCG(f.Seed, 0))}
	if !slices.Contains(FaultKinds, f.Kind) {
		return nil, fmt.Errorf("the kind %q is none of %q", f.Kind, FaultKinds)
	}
	if _, err := path.Match(f.Path, "/"); err != nil {
		return nil, fmt.Errorf("the path pattern %q: %w", f.Path, err)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return nil, fmt.Errorf("the probability %v is not between 0 and 1", f.Probability)
	}
	if f.Kind == "timeout-after-write" {
		out.latency = defaultHold
	}
	var err error
	if f.Latency != "" {
		if out.latency, err = time.ParseDuration(f.Latency); err != nil || out.latency < 0 {
			return nil, fmt.Errorf("the latency %q should be like 150ms or 2s", f.Latency)
		}
	}
	if f.Duration != "" {
		d, err := time.ParseDuration(f.Duration)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("the duration %q should be like 30s or 5m", f.Duration)
		}
		out.until = now.Add(d)
	}
	if f.Kind == "error" && (f.Status < 400 || f.Status > 599) {
		return nil, fmt.Errorf("the status %d of the kind error is not between 400 and 599", f.Status)
	}
	if f.Count < 0 || f.RetryAfter < 0 {
		return nil, fmt.Errorf("count and retry_after cannot be negative")
	}
	if f.Count > 0 {
		out.left = f.Count
	}
	return out, nil
}

// faults are the rules in force.
type faults struct {
	mu    sync.Mutex
	rules []*fault
}

func (fs *faults) set(rules []*fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.rules = rules
}

// pick returns the first rule that strikes this call, nil when none does.
func (fs *faults) pick(r *http.Request, now time.Time) *fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.rules {
		if f.left == 0 || !f.until.IsZero() && !now.Before(f.until) {
			continue
		}
		if f.Method != "" && !strings.EqualFold(f.Method, r.Method) {
			continue
		}
		if ok, _ := path.Match(f.Path, r.URL.Path); f.Path != "" && !ok {
			continue
		}
		if f.Probability > 0 && f.random.Float64() >= f.Probability {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		return f
	}
	return nil
}

// before strikes ahead of the operation and reports whether the call goes on.
func (f *fault) before(d *Desk, w http.ResponseWriter, r *http.Request) bool {
	var out answer
	var err error
	switch f.Kind {
	case "latency":
		d.wait(r, f.latency)
		return true
	case "timeout-after-write":
		return true
	case "drop-connection":
		panic(http.ErrAbortHandler)
	case "429":
		w.Header().Set("X-RateLimit-Remaining", "0")
		err = errRate
	case "500":
		err = errServer
	case "503":
		err = &Problem{Status: http.StatusServiceUnavailable}
	case "error":
		out.status = f.Status
		if len(f.Body) > 0 {
			out.body = f.Body
		}
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	d.reply(w, r, out, err)
	return false
}

// after strikes when the operation is done: the client waits in vain.
func (f *fault) after(d *Desk, r *http.Request) {
	if f.Kind == "timeout-after-write" {
		d.wait(r, f.latency)
		panic(http.ErrAbortHandler)
	}
}

// wait lasts that long, or until the client gives up or the desk is closed.
func (d *Desk) wait(r *http.Request, how time.Duration) {
	t := time.NewTimer(how)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	case <-d.closed:
	}
}

package provision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"lockstep/internal/scim"
)

// An Engine runs the cycles of one app. Its fields are set once, before the
// first cycle.
type Engine struct {
	Job    *Job
	Source Source
	Target Target
	Ledger Ledger
	Guard  Guard
	// AllowRemovals lets the next cycle through the guard.
	AllowRemovals bool
	// Concurrency is how many requests to the target run at once; 0 means 16.
	Concurrency int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	Log *slog.Logger
	// Progress, if set, is told how far the cycle is. It must not block.
	Progress func(Progress)
	// Problems, if set, is told of source entries that could not be read.
	Problems func(Problem)
}

// Progress is how far a cycle is.
type Progress struct {
	// Phase is reading, planning or applying.
	Phase CycleState
	// Done of Total units; Total is 0 while unknown.
	Done, Total int
}

// A TargetError stops a cycle: the target as a whole is out of order (address,
// credentials, availability), so going on would only fail everybody. The cycle
// stays open and its plan is resumed by the next run.
type TargetError struct{ Err error }

func (e *TargetError) Error() string { return "the target is out of order: " + e.Err.Error() }

// Unwrap returns what the target said.
func (e *TargetError) Unwrap() error { return e.Err }

// A SourceError means that the source could not be read. Nothing was changed.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return "the source cannot be read: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

const (
	pageSize   = 500
	claimSize  = 256
	claimLease = 2 * time.Minute
	// maxRounds bounds how often a cycle looks again at objects whose references
	// became resolvable while it ran. One round is enough for managers; members
	// of groups that wait for people created in that round need a second.
	maxRounds = 3
	// groupWave puts every group behind every user.
	groupWave = 1 << 20
)

func (e *Engine) now() time.Time {
	if e.Now != nil {
		return e.Now()
	}
	return time.Now()
}

func (e *Engine) concurrency() int {
	if e.Concurrency > 0 {
		return e.Concurrency
	}
	return 16
}

func (e *Engine) progress(phase CycleState, done, total int) {
	if e.Progress != nil {
		e.Progress(Progress{phase, done, total})
	}
}

// Run resumes the open cycle, or begins one, and carries it to its end. The
// returned cycle is never nil when err is nil. On error the cycle, if one was
// begun, stays open and the next Run goes on with it.
func (e *Engine) Run(ctx context.Context) (*Cycle, error) {
	c, err := e.Ledger.Open(ctx)
	if err != nil {
		return nil, err
	}
	resumed := c != nil
	if !resumed {
		kind := CycleIncremental
		if w, err := e.Ledger.Watermark(ctx); err != nil {
			return nil, err
		} else if w == "" {
			kind = CycleInitial
		}
		if c, err = e.Ledger.Begin(ctx, kind, e.now()); err != nil {
			return nil, err
		}
	}
	own, job := *e, *e.Job
	own.Job = &job
	r := &run{Engine: &own, cycle: c, log: e.Log.With("cycle", c.ID), resumed: resumed, given: map[string]struct{}{}}
	job.Taken = r.taken
	if resumed {
		r.log.Info("resuming an unfinished cycle", "state", c.State)
		if err := r.recount(ctx); err != nil {
			return c, err
		}
	}
	if err := r.carry(ctx); err != nil {
		c.Error = err.Error()
		if errors.Is(err, context.Canceled) {
			c.Error = "interrupted; the next run goes on where this one stopped"
		}
		// The context may be the reason: what is known is saved all the same.
		if serr := e.Ledger.SaveCycle(context.WithoutCancel(ctx), c); serr != nil {
			err = errors.Join(err, serr)
		}
		return c, err
	}
	return c, nil
}

// A run is one Run of an engine.
type run struct {
	*Engine
	cycle *Cycle
	log   *slog.Logger
	// assigned holds the keys of users and groups that are assigned to the app.
	assigned map[uint64]struct{}
	breaker  breaker
	// given are the values that SelectUniqueValue gave out in this run, which the
	// target does not hold yet.
	given map[string]struct{}
	// resumed: an earlier run of this cycle was cut off.
	resumed bool
	// blind counts source entries that could not even be identified, misread
	// those that could, and whose object is known.
	blind, misread int
}

func (r *run) carry(ctx context.Context) error {
	c := r.cycle
	if c.State == CycleReading {
		if err := r.read(ctx); err != nil {
			return err
		}
		if err := r.enter(ctx, CyclePlanning); err != nil {
			return err
		}
	}
	if err := r.loadAssigned(ctx); err != nil {
		return err
	}
	if c.State == CyclePlanning {
		if err := r.markNested(ctx); err != nil {
			return err
		}
	}
	if err := r.greet(ctx); err != nil {
		return err
	}
	for round := range maxRounds {
		if c.State == CyclePlanning {
			if err := r.plan(ctx); err != nil {
				return err
			}
			if err := r.guard(ctx); err != nil {
				return err
			}
			if err := r.enter(ctx, CycleApplying); err != nil {
				return err
			}
		}
		if err := r.apply(ctx); err != nil {
			return err
		}
		marked, err := r.marked(ctx)
		if err != nil {
			return err
		}
		if marked == 0 || round == maxRounds-1 {
			break
		}
		if err := r.enter(ctx, CyclePlanning); err != nil {
			return err
		}
	}
	return r.close(ctx)
}

// greet tests the target once when there is something to ask of it, so that a
// wrong address or token is one clear error and not one per person. When
// nothing changed, nothing is sent.
func (r *run) greet(ctx context.Context) error {
	marked, err := r.marked(ctx)
	if err != nil {
		return err
	}
	planned, err := r.Ledger.CountItems(ctx, r.cycle.ID, ItemPlanned)
	if err != nil || marked+planned == 0 {
		return err
	}
	if _, err := r.Target.Describe(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &TargetError{err}
	}
	return nil
}

func (r *run) enter(ctx context.Context, s CycleState) error {
	r.cycle.State = s
	return r.Ledger.SaveCycle(ctx, r.cycle)
}

func (r *run) close(ctx context.Context) error {
	c := r.cycle
	c.State, c.Ended = CycleDone, r.now()
	if c.Counts.Held == 0 {
		c.Error = ""
	}
	// Whoever has no item in the plan, and could be read, is in order as it is.
	touched, err := r.Ledger.CountTouched(ctx, c.ID)
	if err != nil {
		return err
	}
	c.Counts.Unchanged = max(0, c.Counts.People+c.Counts.Groups-touched-r.misread)
	if err := r.Ledger.ClearInventory(ctx); err != nil {
		return err
	}
	r.log.Info("cycle ended", "created", c.Counts.Created, "updated", c.Counts.Updated,
		"disabled", c.Counts.Disabled, "deleted", c.Counts.Deleted, "held", c.Counts.Held, "skipped", sum(c.Counts.Skipped), "failed", sum(c.Counts.Failed))
	return r.Ledger.SaveCycle(ctx, c)
}

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func (r *run) marked(ctx context.Context) (int, error) {
	users, err := r.Ledger.CountMarked(ctx, User)
	if err != nil {
		return 0, err
	}
	groups, err := r.Ledger.CountMarked(ctx, Group)
	return users + groups, err
}

// count adds the outcome of an item, or of a decision that needs none, to the cycle's counts.
func (c *Counts) count(d *Decision, status string, code Code, message string) {
	switch {
	case status == StatusFailure:
		if c.Failed == nil {
			c.Failed = map[string]int{}
		}
		c.Failed[string(code)]++
	case status == StatusSkipped:
		if c.Skipped == nil {
			c.Skipped = map[string]int{}
		}
		c.Skipped[message]++
	default:
		switch d.Action {
		case ActionCreate:
			c.Created++
		case ActionUpdate:
			c.Updated++
		case ActionDisable:
			c.Disabled++
		case ActionDelete:
			c.Deleted++
		}
	}
}

// recount rebuilds the counts of a resumed cycle from its plan.
func (r *run) recount(ctx context.Context) error {
	c := &r.cycle.Counts
	c.Created, c.Updated, c.Disabled, c.Deleted, c.Held = 0, 0, 0, 0, 0
	c.Skipped, c.Failed = nil, nil
	for it, err := range r.Ledger.PlanItems(ctx, r.cycle.ID) {
		if err != nil {
			return err
		}
		if it.State == ItemDone && it.Outcome != nil {
			c.count(&it.Decision, it.Outcome.Status, it.Outcome.Code, it.Outcome.Message)
		}
	}
	return nil
}

// systemic reports whether err may say that the whole target is out of order.
func systemic(err error) bool {
	return scim.IsType(err, scim.Unauthenticated) || scim.IsType(err, scim.Unavailable)
}

// breakerLimit is how many answers in a row must say that the target is out of
// order before a cycle stops. Fewer are the trouble of single objects.
const breakerLimit = 10

// A breaker tells the trouble of the whole target from that of single objects.
type breaker struct{ row atomic.Int32 }

// trips takes one answer in. A refused token stops the cycle at once: going on
// could lock the account out.
func (b *breaker) trips(err error) bool {
	if !systemic(err) {
		b.row.Store(0)
		return false
	}
	return b.row.Add(1) >= breakerLimit || scim.IsType(err, scim.Unauthenticated)
}

// codeOf maps the target's answer to the code of the provisioning log. It is
// the one place where that table lives.
func codeOf(err error) (Code, string) {
	if errors.Is(err, context.DeadlineExceeded) {
		return CodeTimeout, "the target did not answer in time; whether it carried the request out is looked up before it is sent again"
	}
	var se *scim.Error
	if !errors.As(err, &se) {
		return CodeInternalError, err.Error()
	}
	detail := se.Detail
	if se.Attribute != "" {
		detail = fmt.Sprintf("%s (attribute %s)", detail, se.Attribute)
	}
	switch se.Type {
	case scim.Uniqueness:
		return CodeConflict, detail
	case scim.NotFound:
		return CodeInvalidAnchor, detail
	case scim.Unauthenticated:
		return CodeUnauthorized, detail
	case scim.Forbidden, scim.Sensitive:
		return CodeInsufficientRights, detail
	case scim.MethodNotAllowed:
		return CodeMethodNotAllowed, detail
	case scim.RateLimited:
		return CodeTooManyRequests, detail
	case scim.NotImplemented:
		return CodeNotImplemented, detail
	case scim.GatewayTimeout:
		return CodeTimeout, detail
	case scim.Unavailable, scim.BadGateway:
		return CodeUnavailable, detail
	case scim.Internal:
		return CodeInternalServerError, detail
	default:
		return CodeUnprocessable, detail
	}
}

package server

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/api"
	"lockstep/internal/freshservice"
)

// maxDrifted bounds the people whom an answer names.
const maxDrifted = 1000

// reconciliations are the latest of each account, under way or ended.
type reconciliations struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	latest map[string]*reconciliation
}

// A reconciliation goes on beside the request that started it: with a small
// plan and many people it takes minutes.
type reconciliation struct {
	cancel context.CancelFunc
	state  api.Reconciliation // guarded by reconciliations.mu
}

func newReconciliations() *reconciliations {
	ctx, cancel := context.WithCancel(context.Background())
	return &reconciliations{ctx: ctx, cancel: cancel, latest: map[string]*reconciliation{}}
}

// close ends all and waits for them.
func (rs *reconciliations) close() {
	rs.mu.Lock()
	rs.cancel()
	rs.mu.Unlock()
	rs.wg.Wait()
}

// stop ends the one of an account and forgets it.
func (rs *reconciliations) stop(id string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.latest[id]; r != nil {
		r.cancel()
		delete(rs.latest, id)
	}
}

// StartReconciliation implements [api.Backend].
func (s *Server) StartReconciliation(ctx context.Context, id string, n api.NewReconciliation) (*api.Reconciliation, error) {
	mode := freshservice.ReconcileMode(n.Mode)
	if !slices.Contains([]freshservice.ReconcileMode{freshservice.ReportDrift, freshservice.AdoptDrift, freshservice.RepairDrift}, mode) {
		return nil, &api.Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: fmt.Sprintf("the mode %q is none of report, adopt and repair", n.Mode)}
	}
	a, err := s.accounts.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if a.Kind != account.KindFreshservice {
		return nil, &api.Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: fmt.Sprintf("account %q is an embedded directory: there is nothing beside it that could differ", id)}
	}
	o, err := s.hub.get(a)
	if err != nil {
		return nil, err
	}
	rs := s.reconciliations
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.latest[id]; r != nil && r.state.Running {
		return nil, &api.Problem{Title: "Conflict", Status: http.StatusConflict, Detail: fmt.Sprintf("account %q is being compared already, since %s (%s)", id, r.state.Started.Format(time.TimeOnly), r.state.Mode),
			Next: "Wait until it has ended."}
	}
	if rs.ctx.Err() != nil {
		return nil, &api.Problem{Title: "Unavailable", Status: http.StatusServiceUnavailable, Detail: "the server is shutting down"}
	}
	run, cancel := context.WithCancel(rs.ctx)
	r := &reconciliation{cancel: cancel, state: api.Reconciliation{Mode: n.Mode, Running: true, Started: time.Now(), ByAttribute: map[string]int{}, People: []api.Drifted{}}}
	rs.latest[id] = r
	rs.wg.Go(func() {
		defer cancel()
		_, err := o.bridge.Reconcile(run, freshservice.ReconcileOptions{
			Mode:     mode,
			Progress: func(sum freshservice.Reconciliation) { rs.progress(r, sum) },
			Found:    func(d freshservice.PersonDrift) { rs.found(r, d) },
		})
		rs.mu.Lock()
		defer rs.mu.Unlock()
		r.state.Running, r.state.Ended = false, time.Now()
		switch {
		case run.Err() != nil:
			r.state.Error = "it was broken off"
		case err != nil:
			r.state.Error = err.Error()
		}
	})
	return r.copy(), nil
}

func (rs *reconciliations) progress(r *reconciliation, sum freshservice.Reconciliation) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	st := &r.state
	st.Listed, st.Expected, st.Compared, st.Unknown = sum.Listed, sum.Expected, sum.Compared, sum.Unknown
	st.Drifted, st.Failed = sum.Drifted, sum.Failed
	st.ByAttribute = maps.Clone(sum.ByAttribute)
}

func (rs *reconciliations) found(r *reconciliation, d freshservice.PersonDrift) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.state.Drifted++
	if len(r.state.People) == maxDrifted {
		return
	}
	p := api.Drifted{ID: d.ID, Type: d.Type, UserName: d.UserName, Outcome: string(d.Outcome), Problem: d.Problem}
	for _, a := range d.Attributes {
		p.Attributes = append(p.Attributes, api.Drift(a))
	}
	r.state.People = append(r.state.People, p)
}

// copy is the state for an answer; the caller holds the lock.
func (r *reconciliation) copy() *api.Reconciliation {
	c := r.state
	c.People = slices.Clip(c.People)
	return &c
}

// Reconciliation implements [api.Backend].
func (s *Server) Reconciliation(ctx context.Context, id string) (*api.Reconciliation, error) {
	if _, err := s.accounts.Get(ctx, id); err != nil {
		return nil, err
	}
	rs := s.reconciliations
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.latest[id]
	if r == nil {
		return nil, &api.Problem{Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("account %q has not been compared since the server was started", id),
			Next: "`lockstep account reconcile` does it."}
	}
	return r.copy(), nil
}

// StopReconciliation implements [api.Backend]. The people dealt with so far stay
// as they are now.
func (s *Server) StopReconciliation(ctx context.Context, id string) error {
	if _, err := s.accounts.Get(ctx, id); err != nil {
		return err
	}
	rs := s.reconciliations
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.latest[id]; r != nil {
		r.cancel()
	}
	return nil
}

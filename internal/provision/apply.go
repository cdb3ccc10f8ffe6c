package provision

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lockstep/internal/scim"
)

// apply carries the plan out, wave by wave. Outcomes are stored in batches as
// they come in; an item is never sent again after its outcome is stored.
func (r *run) apply(ctx context.Context) error {
	done := 0
	total, err := r.Ledger.CountItems(ctx, r.cycle.ID, ItemPlanned)
	if err != nil {
		return err
	}
	r.progress(CycleApplying, 0, total)
	waves, err := r.Ledger.Waves(ctx, r.cycle.ID)
	if err != nil {
		return err
	}
	for _, wave := range waves {
		for {
			items, err := r.Ledger.Claim(ctx, r.cycle.ID, wave, claimSize, claimLease, r.now())
			if err != nil {
				return err
			}
			if len(items) == 0 {
				// Another node may hold the rest of the wave; it finishes them or its
				// lease runs out.
				left, err := r.Ledger.CountItems(ctx, r.cycle.ID, ItemPlanned)
				if err != nil {
					return err
				}
				if left == 0 || !r.waveHeld(ctx, wave) {
					break
				}
				continue
			}
			if err := r.applyBatch(ctx, items, func() {
				done++
				r.progress(CycleApplying, done, total)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// waveHeld waits a moment and reports whether the wave still holds planned items.
func (r *run) waveHeld(ctx context.Context, wave int) bool {
	waves, err := r.Ledger.Waves(ctx, r.cycle.ID)
	if err != nil || !slices.Contains(waves, wave) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Second):
		return true
	}
}

// finishSize bounds how many outcomes are stored in one transaction.
const finishSize = 32

func (r *run) applyBatch(ctx context.Context, items []*Item, tick func()) error {
	links, err := r.linksFor(ctx, items)
	if err != nil {
		return err
	}
	var (
		mu    sync.Mutex
		batch []Finished
	)
	// store is called with mu held. What reached the target is recorded even when
	// the cycle is being interrupted.
	store := func() error {
		err := r.Ledger.Finish(context.WithoutCancel(ctx), r.cycle.ID, batch)
		batch = batch[:0]
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.concurrency())
	for _, it := range items {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if gctx.Err() != nil {
				return gctx.Err()
			}
			began := r.now()
			f, err := r.applyItem(gctx, it, links)
			if err != nil && gctx.Err() != nil {
				return gctx.Err() // interrupted: the item stays planned
			}
			if r.breaker.trips(err) {
				// Not this object's fault: the item stays planned.
				return &TargetError{err}
			}
			f.Item = it
			it.State = ItemDone
			it.Outcome = outcomeOf(it, f, err)
			it.Outcome.At = r.now()
			it.Outcome.Took = it.Outcome.At.Sub(began)
			f.Retry = err != nil
			mu.Lock()
			defer mu.Unlock()
			r.cycle.Counts.count(&it.Decision, it.Outcome.Status, it.Outcome.Code, it.Outcome.Message)
			if err != nil {
				r.log.Warn("an object could not be provisioned", "action", it.Decision.Action, "code", it.Outcome.Code, "source_id", it.Ref.ID, "problem", it.Outcome.Message)
			}
			batch = append(batch, f)
			tick()
			if len(batch) >= finishSize {
				return store()
			}
			return nil
		})
	}
	err = g.Wait()
	if len(batch) > 0 {
		err = errors.Join(err, store())
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		var left []*Item
		for _, it := range items {
			if it.State == ItemPlanned {
				left = append(left, it)
			}
		}
		err = errors.Join(err, r.Ledger.Release(context.WithoutCancel(ctx), r.cycle.ID, left))
	}
	return err
}

func outcomeOf(it *Item, f Finished, err error) *Outcome {
	o := &Outcome{Status: StatusSuccess, TargetID: it.Decision.TargetID, Message: it.Decision.Reason}
	if f.Link != nil {
		o.TargetID = f.Link.TargetID
	}
	switch {
	case err != nil:
		o.Status = StatusFailure
		o.Code, o.Message = codeOf(err)
	case f.Idle && len(f.Waiting) == 0:
		o.Status, o.Code, o.Message = StatusSkipped, CodeRedundantExport, "source and target already agree"
	case f.Idle:
		o.Status, o.Code, o.Message = StatusSkipped, CodeUnresolvedReference, "its members are not in the target yet; they are added when they arrive"
	}
	return o
}

// linksFor loads the links of everything the items refer to. References that
// were not resolvable when the plan was made often are by now.
func (r *run) linksFor(ctx context.Context, items []*Item) (Resolver, error) {
	wanted := map[ObjectType][]string{}
	for _, it := range items {
		for _, w := range it.Decision.Waiting {
			wanted[w.Type] = append(wanted[w.Type], w.SourceID)
		}
		wanted[User] = append(wanted[User], it.Decision.AddMembers...)
		wanted[User] = append(wanted[User], it.Decision.RemoveMembers...)
	}
	return r.resolverOf(ctx, wanted)
}

func (r *run) applyItem(ctx context.Context, it *Item, resolve Resolver) (Finished, error) {
	m := r.Job.Mapping(it.Ref.Type)
	d := &it.Decision
	f := Finished{}
	delta, waiting := d.Delta, []Waiting(nil)
	for _, w := range d.Waiting {
		if id, ok := resolve(w.Type, w.SourceID); ok {
			delta = append(delta, AttributeChange{Path: w.Attribute, New: id, Reference: w.SourceID})
		} else {
			waiting = append(waiting, w)
		}
	}
	link := Link{Type: it.Ref.Type, SourceID: it.Ref.ID, TargetID: d.TargetID, Managed: !d.Unmanage, MatchedBy: d.MatchedBy, Since: r.now(), Written: r.now()}
	switch d.Action {
	case ActionCreate:
		res := scim.NewResource(m.TargetType, d.Resource.Clone())
		if err := delta[len(d.Delta):].Apply(res); err != nil {
			return f, err
		}
		created, err := r.create(ctx, it, m, res)
		if err != nil {
			return f, err
		}
		link.TargetID = created.ID
		d.Delta = delta
	case ActionUpdate, ActionDisable:
		f.Idle = len(delta) == 0
		if !f.Idle {
			if err := r.Target.Update(ctx, m.TargetType, d.TargetID, delta); err != nil {
				// The object is gone: without the link the next cycle matches anew.
				f.Unlink = scim.IsType(err, scim.NotFound)
				return f, err
			}
		}
		d.Delta = delta
	case ActionDelete:
		if err := r.Target.Delete(ctx, m.TargetType, d.TargetID); err != nil && !scim.IsType(err, scim.NotFound) {
			return f, err
		}
		f.Unlink = true
		return f, nil
	}
	// From here on Waiting says what is still unresolved.
	d.Waiting = waiting
	f.Link = &link
	f.Waiting = waiting
	if len(d.AddMembers)+len(d.RemoveMembers) > 0 {
		add, lateAdd := resolveMembers(d.AddMembers, resolve)
		remove, _ := resolveMembers(d.RemoveMembers, resolve)
		if len(add)+len(remove) > 0 {
			f.Idle = false
			if err := r.Target.EditMembers(ctx, link.TargetID, values(add), values(remove)); err != nil {
				// The group itself exists: its link is kept, the members are retried.
				return f, err
			}
		}
		f.Added, f.Removed = keys(add), d.RemoveMembers
		for _, id := range lateAdd {
			f.Waiting = append(f.Waiting, Waiting{Attribute: "members", Type: User, SourceID: id})
		}
	}
	return f, nil
}

// create sends a create. When an earlier attempt may have reached the target it
// looks first, so that nobody is created twice.
func (r *run) create(ctx context.Context, it *Item, m *Mapping, res *scim.Resource) (*scim.Resource, error) {
	if it.Claims > 1 {
		found, err := r.lookAgain(ctx, m, res)
		if err != nil || found != nil {
			return found, err
		}
	}
	created, err := r.Target.Create(ctx, res)
	if err != nil && (scim.IsType(err, scim.GatewayTimeout) || errors.Is(err, context.DeadlineExceeded)) && ctx.Err() == nil {
		if found, ferr := r.lookAgain(ctx, m, res); ferr == nil && found != nil {
			return found, nil
		}
	}
	return created, err
}

func (r *run) lookAgain(ctx context.Context, m *Mapping, res *scim.Resource) (*scim.Resource, error) {
	for _, f := range m.Matching {
		for _, v := range f.TargetValues(res) {
			found, err := r.Target.Find(ctx, m.TargetType, f.Path, v)
			if err != nil {
				return nil, err
			}
			if len(found) == 1 {
				return found[0], nil
			}
		}
	}
	return nil, nil
}

type resolvedMember struct{ source, target string }

func resolveMembers(ids []string, resolve Resolver) (found []resolvedMember, missing []string) {
	for _, id := range ids {
		if t, ok := resolve(User, id); ok {
			found = append(found, resolvedMember{id, t})
		} else {
			missing = append(missing, id)
		}
	}
	return found, missing
}

func values(ms []resolvedMember) []string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = m.target
	}
	return out
}

func keys(ms []resolvedMember) []string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = m.source
	}
	return out
}

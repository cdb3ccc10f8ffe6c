package provision

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"lockstep/internal/scim"
)

// plan decides every marked object and stores the decisions.
func (r *run) plan(ctx context.Context) error {
	total, err := r.marked(ctx)
	if err != nil {
		return err
	}
	r.cycle.Counts.Changed += total
	done := 0
	r.progress(CyclePlanning, 0, total)
	waves := &waves{}
	if r.resumed {
		// The run that was cut off may not have got as far as storing its waves.
		for it, err := range r.Ledger.PlanItems(ctx, r.cycle.ID) {
			if err != nil {
				return err
			}
			waves.add([]*Item{it})
		}
		r.resumed = false
	}
	for _, t := range []ObjectType{User, Group} {
		lookup, err := r.prepareMatching(ctx, t)
		if err != nil {
			return err
		}
		after := ""
		for {
			batch, err := r.Ledger.Marked(ctx, t, after, pageSize)
			if err != nil {
				return err
			}
			if len(batch) == 0 {
				break
			}
			after = batch[len(batch)-1].Object.ID
			items, err := r.planBatch(ctx, batch, lookup)
			if err != nil {
				return err
			}
			waves.add(items)
			done += len(batch)
			r.progress(CyclePlanning, done, total)
		}
	}
	return r.Ledger.SetWaves(ctx, r.cycle.ID, waves.assign())
}

// planBatch decides one page of marked objects and stores what follows. The
// returned items have their sequence numbers.
func (r *run) planBatch(ctx context.Context, batch []MarkedObject, lookup *finder) ([]*Item, error) {
	subjects := make([]*Subject, len(batch))
	for i, m := range batch {
		subjects[i] = r.Job.Assess(ctx, m.Object, m.Removed, r.isAssigned(m.Object.Type, m.Object.ID), m.Link, r.now())
	}
	resolve, err := r.resolver(ctx, subjects)
	if err != nil {
		return nil, err
	}
	states, err := lookup.states(ctx, subjects)
	if err != nil {
		return nil, err
	}
	p := Planned{Waiting: map[Ref][]Waiting{}}
	for i, s := range subjects {
		if s.Mapping == nil {
			// The app does not provision this kind of object; there is nothing to tell.
			p.Settled = append(p.Settled, Ref{s.Object.Type, s.Object.ID})
			continue
		}
		if s.Removed == RemovedHard && s.Link == nil {
			// It left before it was ever provisioned.
			p.Settled = append(p.Settled, Ref{s.Object.Type, s.Object.ID})
			continue
		}
		states[i].Resolve = resolve
		d := r.Job.Decide(s, states[i])
		ref := Ref{s.Object.Type, s.Object.ID}
		if len(d.Waiting) > 0 {
			p.Waiting[ref] = d.Waiting
		}
		if d.Action == ActionNone {
			p.Settled = append(p.Settled, ref)
			if d.MatchedBy != "" {
				p.Links = append(p.Links, Link{Type: ref.Type, SourceID: ref.ID, TargetID: d.TargetID, Managed: true, MatchedBy: d.MatchedBy, Since: r.now()})
			}
			continue
		}
		it := &Item{Cycle: r.cycle.ID, Ref: ref, Name: s.Object.Name(), Decision: d, State: ItemPlanned}
		switch d.Action {
		case ActionSkip, ActionFail:
			status := StatusSkipped
			if d.Action == ActionFail {
				status = StatusFailure
			}
			it.State = ItemDone
			it.Outcome = &Outcome{Status: status, Code: d.Code, Message: d.Reason, At: r.now(), TargetID: d.TargetID}
			r.cycle.Counts.count(&d, status, d.Code, d.Reason)
		}
		p.Items = append(p.Items, it)
	}
	if err := r.Ledger.Plan(ctx, r.cycle.ID, p); err != nil {
		return nil, err
	}
	return p.Items, nil
}

// resolver loads the links of every reference of a batch at once.
func (r *run) resolver(ctx context.Context, subjects []*Subject) (Resolver, error) {
	wanted := map[ObjectType][]string{}
	for _, s := range subjects {
		for _, v := range s.Values {
			if v.Flow.Reference {
				wanted[User] = append(wanted[User], v.References...)
			}
		}
	}
	return r.resolverOf(ctx, wanted)
}

// resolverOf loads the links of the objects that are referred to.
func (r *run) resolverOf(ctx context.Context, wanted map[ObjectType][]string) (Resolver, error) {
	links := map[ObjectType]map[string]Link{}
	for t, ids := range wanted {
		l, err := r.Ledger.Links(ctx, t, ids)
		if err != nil {
			return nil, err
		}
		links[t] = l
	}
	return func(t ObjectType, id string) (string, bool) {
		l, ok := links[t][id]
		return l.TargetID, ok
	}, nil
}

// A finder finds the target objects of subjects: linked ones by ID, others by
// matching attributes, out of an inventory when many have to be found.
type finder struct {
	*run
	target    *scim.ResourceType
	inventory bool
}

// inventoryFrom is how many objects must be marked before the target is listed
// once instead of being asked for each.
const inventoryFrom = 50

func (r *run) prepareMatching(ctx context.Context, t ObjectType) (*finder, error) {
	m := &finder{run: r}
	mapping := r.Job.Mapping(t)
	if mapping == nil {
		return m, nil
	}
	m.target = mapping.TargetType
	n, err := r.Ledger.CountMarked(ctx, t)
	if err != nil || n < inventoryFrom {
		return m, err
	}
	list, ok := r.Target.(Inventory)
	if !ok {
		return m, nil
	}
	if err := r.Ledger.ClearInventory(ctx); err != nil {
		return nil, err
	}
	var entries []InventoryEntry
	flush := func() error {
		err := r.Ledger.StageInventory(ctx, t, entries)
		entries = entries[:0]
		return err
	}
	for res, err := range list.List(ctx, m.target) {
		if err != nil {
			return nil, r.targetTrouble(err)
		}
		body, err := res.JSON()
		if err != nil {
			return nil, err
		}
		// The entry under the object's own ID serves linked objects.
		entries = append(entries, InventoryEntry{Key: idKey(res.ID), TargetID: res.ID, Body: body})
		for _, f := range mapping.Matching {
			for _, v := range f.TargetValues(res) {
				entries = append(entries, InventoryEntry{Key: inventoryKey(f, v), TargetID: res.ID})
			}
		}
		if len(entries) >= pageSize {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	m.inventory = true
	return m, flush()
}

func idKey(id string) string { return "\x00" + id }

// taken implements [Taken]. A value that is free is given out: nobody else of
// this run gets it. It is called from one goroutine.
func (r *run) taken(ctx context.Context, f *AttributeFlow, value string) (bool, error) {
	key := f.Target + "\x00" + strings.ToLower(value)
	if _, given := r.given[key]; given {
		return true, nil
	}
	m := r.Job.Users
	found, err := r.Target.Find(ctx, m.TargetType, f.Path, value)
	if err != nil {
		return false, r.targetTrouble(err)
	}
	if len(found) > 0 {
		return true, nil
	}
	r.given[key] = struct{}{}
	return false, nil
}

// targetTrouble turns an error of the target into one that stops the cycle when
// it concerns the whole target.
func (r *run) targetTrouble(err error) error {
	if systemic(err) {
		return &TargetError{err}
	}
	return fmt.Errorf("asking the target: %w", err)
}

// states returns what the target holds for each subject.
func (m *finder) states(ctx context.Context, subjects []*Subject) ([]TargetState, error) {
	states := make([]TargetState, len(subjects))
	var err error
	if m.inventory {
		err = m.fromInventory(ctx, subjects, states)
	} else {
		err = m.fromTarget(ctx, subjects, states)
	}
	if err != nil {
		return nil, err
	}
	if err := m.findRivals(ctx, subjects, states); err != nil {
		return nil, err
	}
	for i, s := range subjects {
		if s.Object.Type == Group && s.Link != nil && s.NeedsTarget() {
			if states[i].Members, err = m.Ledger.Memberships(ctx, s.Object.ID); err != nil {
				return nil, err
			}
		}
	}
	return states, nil
}

func (m *finder) fromInventory(ctx context.Context, subjects []*Subject, states []TargetState) error {
	var keys []string
	for _, s := range subjects {
		if !s.NeedsTarget() {
			continue
		}
		if s.Link != nil {
			keys = append(keys, idKey(s.Link.TargetID))
		}
		for _, q := range s.Matches {
			keys = append(keys, q.Key())
		}
	}
	found, err := m.Ledger.Candidates(ctx, subjects[0].Object.Type, keys)
	if err != nil {
		return err
	}
	// Matching entries name an ID only; the bodies stand under the ID's own key.
	var bodies []string
	for i, s := range subjects {
		if !s.NeedsTarget() {
			continue
		}
		st := &states[i]
		if s.Link != nil {
			if hit := found[idKey(s.Link.TargetID)]; len(hit) > 0 {
				st.Current = scim.StoredResource(m.target, hit[0].TargetID, hit[0].Body)
				continue
			}
			st.Gone = true
		}
		for _, q := range s.Matches {
			for _, hit := range found[q.Key()] {
				st.Candidates = append(st.Candidates, hit.TargetID)
			}
			if len(st.Candidates) > 0 {
				st.MatchedBy = q.Flow.Target
				break
			}
		}
		if len(st.Candidates) == 1 {
			bodies = append(bodies, idKey(st.Candidates[0]))
		}
	}
	if len(bodies) == 0 {
		return nil
	}
	if found, err = m.Ledger.Candidates(ctx, subjects[0].Object.Type, bodies); err != nil {
		return err
	}
	for i := range states {
		if st := &states[i]; len(st.Candidates) == 1 && st.Current == nil {
			if hit := found[idKey(st.Candidates[0])]; len(hit) > 0 {
				st.Current = scim.StoredResource(m.target, hit[0].TargetID, hit[0].Body)
			}
		}
	}
	return nil
}

func (m *finder) fromTarget(ctx context.Context, subjects []*Subject, states []TargetState) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.concurrency())
	for i, s := range subjects {
		if s.NeedsTarget() {
			g.Go(func() error { return m.lookUp(ctx, s, &states[i]) })
		}
	}
	return g.Wait()
}

func (m *finder) lookUp(ctx context.Context, s *Subject, st *TargetState) error {
	if s.Link != nil {
		res, err := m.Target.Get(ctx, m.target, s.Link.TargetID)
		if err == nil {
			st.Current = res
			return nil
		}
		if !scim.IsType(err, scim.NotFound) {
			return m.targetTrouble(err)
		}
		st.Gone = true
	}
	for _, q := range s.Matches {
		found, err := m.Target.Find(ctx, m.target, q.Flow.Path, q.Value)
		if err != nil {
			return m.targetTrouble(err)
		}
		for _, res := range found {
			st.Candidates = append(st.Candidates, res.ID)
		}
		if len(found) == 1 {
			st.Current = found[0]
		}
		if len(found) > 0 {
			st.MatchedBy = q.Flow.Target
			return nil
		}
	}
	return nil
}

// findRivals notes which single candidates already belong to another source object.
func (m *finder) findRivals(ctx context.Context, subjects []*Subject, states []TargetState) error {
	var ids []string
	for _, st := range states {
		if len(st.Candidates) == 1 {
			ids = append(ids, st.Candidates[0])
		}
	}
	if len(ids) == 0 {
		return nil
	}
	owners, err := m.Ledger.LinksTo(ctx, subjects[0].Object.Type, ids)
	if err != nil {
		return err
	}
	claimed := map[string]string{}
	for i, s := range subjects {
		st := &states[i]
		if len(st.Candidates) != 1 {
			continue
		}
		id := st.Candidates[0]
		if l, ok := owners[id]; ok && l.SourceID != s.Object.ID {
			st.TakenBy = l.SourceID
			continue
		}
		if first, ok := claimed[id]; ok {
			st.TakenBy = first
			continue
		}
		claimed[id] = s.Object.ID
	}
	return nil
}

// guard holds removals back when the plan has too many of them. Everybody else
// need not wait for a decision on them.
func (r *run) guard(ctx context.Context) error {
	if r.AllowRemovals {
		return nil
	}
	removals, err := r.Ledger.CountItems(ctx, r.cycle.ID, ItemPlanned, ActionDisable, ActionDelete)
	if err != nil || removals == 0 {
		return err
	}
	linked, err := r.Ledger.CountLinks(ctx)
	if err != nil {
		return err
	}
	holds, why := r.Guard.Holds(removals, linked)
	if !holds {
		return nil
	}
	n, err := r.Ledger.Hold(ctx, r.cycle.ID, ActionDisable, ActionDelete)
	if err != nil {
		return err
	}
	r.cycle.Counts.Held += n
	r.cycle.Error = why
	r.log.Warn("removals are held back by the deletion guard", "removals", n, "why", why)
	return nil
}

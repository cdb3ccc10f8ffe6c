package freshservice

import (
	"context"
	"slices"
	"strings"

	"lockstep/internal/scim"
)

// managerOf returns the reference to the manager in whichever form it was
// sent: a bare string, {value}, {$ref}, or a list of one of these.
func managerOf(enterprise *scim.Object) string {
	v, _ := enterprise.Get("manager")
	if list, ok := v.([]scim.Value); ok {
		v = nil
		if len(list) > 0 {
			v = list[0]
		}
	}
	ref, _ := v.(string)
	if o, ok := v.(*scim.Object); ok {
		if ref = o.Text("value"); ref == "" {
			ref = o.Text("$ref")
		}
	}
	ref = strings.TrimSpace(ref)
	if i := strings.LastIndex(ref, "/Users/"); i >= 0 {
		ref = ref[i+len("/Users/"):]
	}
	return ref
}

// findManager returns the ID of the person whom the reference means, by ID,
// e-mail address or userName, or 0.
func (b *Bridge) findManager(ctx context.Context, ref string) (int64, error) {
	var rec *Record
	var err error
	if _, notID := parseID(ref); notID == nil {
		rec, err = b.mirror.Record(ctx, b.users, ref)
		if err != nil && !scim.IsType(err, scim.NotFound) {
			return 0, err
		}
	}
	if rec == nil || rec.Hidden {
		if rec, err = b.mirror.RecordByUserName(ctx, ref); err != nil {
			return 0, err
		}
	}
	if rec == nil && strings.Contains(ref, "@") {
		if rec, err = b.mirror.RecordByEmail(ctx, foldEmail(ref)); err != nil {
			return 0, err
		}
	}
	if rec == nil || rec.Hidden {
		return 0, nil
	}
	id, err := parseID(rec.Resource.ID)
	return id, err
}

// remember writes down what the person waits for: a manager, or a place in
// the budget. Failing to is logged only, since the person has been written.
func (b *Bridge) remember(ctx context.Context, t *translation, id string, overBudget bool) {
	ctx = context.WithoutCancel(ctx)
	if overBudget {
		if err := b.addToList(ctx, settingAgents, id); err != nil {
			b.log.Error("remembering who waits to become an agent failed", "id", id, "error", err)
		}
	}
	if t == nil || t.awaits == "" {
		return
	}
	err := b.addToList(ctx, settingManager+foldEmail(t.awaits), id)
	if err == nil {
		// The manager may have arrived while this was being written.
		var manager int64
		if manager, err = b.findManager(ctx, t.awaits); manager != 0 {
			b.background(func(ctx context.Context) {
				b.logged("setting a manager", b.repairManager(ctx, id))
			})
		}
	}
	b.logged("remembering who waits for a manager", err)
}

func (b *Bridge) logged(what string, err error) {
	if err != nil && b.ctx.Err() == nil {
		b.log.Error(what+" failed", "error", err)
	}
}

// repairsInline is how many people get their manager before the request that
// brought the manager is answered; more are served in the background, so that
// the client need not wait for the rate limit.
const repairsInline = 10

// arrived sets the manager of everybody who waited for this person. The cost
// follows the number of them, not that of all people.
func (b *Bridge) arrived(ctx context.Context, rec *Record) {
	ctx = context.WithoutCancel(ctx)
	refs := []string{rec.Resource.ID, foldEmail(rec.Resource.Peek().Text("userName"))}
	refs = append(refs, rec.Emails...)
	slices.Sort(refs)
	refs = slices.Compact(refs)
	var waiting []string
	for _, ref := range refs {
		ids, err := b.list(ctx, settingManager+ref)
		b.logged("finding who waits for a manager", err)
		waiting = append(waiting, ids...)
	}
	if len(waiting) == 0 {
		return
	}
	// On the list of repairs they outlive this process; only then they leave the other.
	err := b.editList(ctx, settingRepairs, func(ids []string) []string {
		for _, id := range waiting {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		return ids
	})
	for _, ref := range refs {
		if err == nil {
			err = b.editList(ctx, settingManager+ref, func(ids []string) []string {
				return slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(waiting, id) })
			})
		}
	}
	b.logged("remembering repairs of managers", err)
	now := waiting[:min(len(waiting), repairsInline)]
	b.repairManagers(ctx, now)
	if later := waiting[len(now):]; len(later) > 0 {
		b.background(func(ctx context.Context) { b.repairManagers(ctx, later) })
	}
}

func (b *Bridge) repairManagers(ctx context.Context, ids []string) {
	var done []string
	for _, id := range ids {
		if err := b.repairManager(ctx, id); err != nil {
			b.logged("setting a manager", err)
			continue
		}
		done = append(done, id)
	}
	b.logged("remembering repairs of managers", b.editList(context.WithoutCancel(ctx), settingRepairs, func(left []string) []string {
		return slices.DeleteFunc(left, func(id string) bool { return slices.Contains(done, id) })
	}))
}

// repairManager sends the manager of one person, if still asked for and known.
func (b *Bridge) repairManager(ctx context.Context, id string) error {
	unlock, err := b.locks.lock(ctx, personLock(id))
	if err != nil {
		return err
	}
	defer unlock()
	rec, k, err := b.visible(ctx, id, scim.Precondition{})
	if err != nil {
		if scim.IsType(err, scim.NotFound) {
			return nil
		}
		return err
	}
	t, err := b.translate(ctx, k.Person.Kind, rec.Resource, true, nil)
	if err != nil || t.awaits != "" {
		return err
	}
	manager, ok := t.fields["reporting_manager_id"].(int64)
	if !ok {
		return nil
	}
	notes := slices.DeleteFunc(slices.Clone(k.Notes), func(n Note) bool { return n.Code == "manager_not_found" })
	if k.Person.Active && k.Person.ReportingManagerID != manager {
		fields := Fields{"reporting_manager_id": manager}
		if k.Person.SeesDepartmentTickets {
			fields[flagSeesTickets] = true
		}
		t.notes = notes
		p, err := b.write(ctx, t, fields, true, func(f Fields) (*Person, error) { return b.client.Update(ctx, k.Person.Kind, k.Person.ID, f) })
		if err != nil {
			return err
		}
		if p != nil {
			k.Person, k.Touched = p, b.now()
		}
		notes = t.notes
	}
	return b.store(ctx, rec, k, notes)
}

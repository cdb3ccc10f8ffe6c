package freshservice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lockstep/internal/scim"
)

// createUser creates the person with one call, unless somebody in Freshservice
// holds the address: a person whom no client has claimed, or who was deleted
// over SCIM, is taken over instead.
func (b *Bridge) createUser(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
	r = r.Clone()
	o := r.Attributes()
	o.Delete("password")
	o.Delete("groups")
	if _, ok := o.Get("active"); !ok {
		o.Set("active", true)
	}
	userName := strings.TrimSpace(o.Text("userName"))
	address, err := reachable(r)
	if err != nil {
		return nil, err
	}
	unlock, err := b.locks.lock(ctx, "user/"+foldEmail(userName), "user/"+foldEmail(address))
	if err != nil {
		return nil, busy(err)
	}
	defer unlock()

	rec, err := b.holder(ctx, userName, address)
	if err != nil {
		return nil, err
	}
	var stored *Record
	if rec != nil {
		stored, err = b.takeOver(ctx, rec.Resource.ID, nil, r)
	}
	if rec == nil || errors.Is(err, errGone) {
		stored, err = b.makePerson(ctx, r, address)
	}
	if err != nil {
		return nil, err
	}
	b.arrived(ctx, stored)
	return stored.Resource, nil
}

// reachable returns the person's primary address. Freshservice takes nobody
// who has neither an address nor a telephone number.
func reachable(r *scim.Resource) (string, error) {
	t := &translation{kind: Requester, fields: Fields{}, origin: map[string]origin{}}
	o := r.Peek()
	t.emails(o, o.Child(scim.URNFreshservice))
	address, _ := t.fields["primary_email"].(string)
	if address == "" && pick(o.Elements("phoneNumbers"), "work", "value") == "" && typed(o.Elements("phoneNumbers"), "mobile").Text("value") == "" {
		return "", scim.Errorf(scim.InvalidValue, "Freshservice needs an e-mail address or a telephone number: userName %q is no address, and there is no work e-mail", o.Text("userName")).On("userName")
	}
	return address, nil
}

// holder returns the record to take over, nil when there is none, or an error
// when the userName or the address belongs to a person of a client.
func (b *Bridge) holder(ctx context.Context, userName, address string) (*Record, error) {
	taken := func(rec *Record, attribute, value string) error {
		return scim.Errorf(scim.Uniqueness, "%s %q is taken by the user with id %s (userName %q)", attribute, value, rec.Resource.ID, rec.Resource.Peek().Text("userName")).On(attribute)
	}
	named, err := b.mirror.RecordByUserName(ctx, userName)
	if err != nil {
		return nil, err
	}
	if named != nil {
		k, err := keptOf(named)
		if err != nil {
			return nil, err
		}
		// Whoever is to be seen could have been matched by the userName. An
		// inactive person whom no client knows yet comes back instead.
		if k.Claimed || k.Person.Active {
			return nil, taken(named, "userName", userName)
		}
	}
	if address == "" {
		return named, nil
	}
	rec, err := b.mirror.RecordByEmail(ctx, address)
	if err != nil || rec == nil {
		return named, err
	}
	if rec.Hidden {
		return rec, nil
	}
	k, err := keptOf(rec)
	if err != nil {
		return nil, err
	}
	if k.Claimed {
		attribute, value := pathWorkEmail, address
		if strings.EqualFold(address, userName) {
			attribute, value = "userName", userName
		}
		return nil, taken(rec, attribute, value)
	}
	return rec, nil
}

// makePerson creates the person in Freshservice.
func (b *Bridge) makePerson(ctx context.Context, r *scim.Resource, address string) (*Record, error) {
	kind, wanted := Requester, wantsAgent(r)
	var overBudget bool
	if wanted != nil && *wanted {
		ok, err := b.spendAgent(ctx)
		if err != nil {
			return nil, err
		}
		if ok {
			kind = Agent
		}
		overBudget = !ok
	}
	t, err := b.translate(ctx, kind, r, false, nil)
	if err == nil {
		err = b.freeSecondary(ctx, t, "")
	}
	if err == nil && kind == Agent {
		err = b.newAgent(t.fields, nil)
	}
	if err != nil {
		if kind == Agent {
			b.returnAgent(ctx)
		}
		return nil, b.refuse(err, t)
	}
	if overBudget {
		b.overBudget(t)
	}
	var found bool
	if address == "" {
		// Nothing unique would refuse a second creation, should the outcome of
		// an earlier one have been lost.
		switch p, err := b.client.findCreated(ctx, kind, t.fields); {
		case err != nil:
			return nil, b.refuse(err, t)
		case p != nil:
			return b.adopt(ctx, r, p, scim.Errorf(scim.Uniqueness, "the user with id %d has the same name and telephone number", p.ID).On("phoneNumbers"))
		}
	}
	p, err := b.write(ctx, t, t.fields, false, func(f Fields) (p *Person, err error) {
		p, found, err = b.client.Create(ctx, kind, f)
		return p, err
	})
	if err != nil && kind == Agent {
		b.returnAgent(ctx)
	}
	if err != nil {
		var e *APIError
		if address != "" && errors.As(err, &e) {
			if _, duplicate := e.Duplicate(); duplicate {
				return b.adoptDuplicate(ctx, r, address, b.refuse(err, t))
			}
		}
		return nil, b.refuse(err, t)
	}
	if found {
		return b.adopt(ctx, r, p, scim.Errorf(scim.Uniqueness, "the address %q is taken by the user with id %d", address, p.ID).On("userName"))
	}
	k := &kept{Person: p, Claimed: true, Touched: b.now()}
	rec := &Record{Resource: r}
	r.ID = formatID(p.ID)
	unlock, err := b.locks.lock(context.WithoutCancel(ctx), personLock(r.ID))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if !isActive(r) {
		// Freshservice creates everybody active. Should this fail, the person is
		// kept as she is, and the client's next try finds and deactivates her.
		if err := b.deactivate(ctx, k); err != nil {
			r.Attributes().Set("active", true)
			if storeErr := b.store(ctx, rec, k, t.notes); storeErr != nil {
				return nil, storeErr
			}
			return nil, b.refuse(err, t)
		}
	}
	if err := b.store(ctx, rec, k, t.notes); err != nil {
		return nil, err
	}
	b.remember(ctx, t, r.ID, overBudget)
	return rec, nil
}

// adoptDuplicate takes over the person who has the address although the
// mirror did not know it.
func (b *Bridge) adoptDuplicate(ctx context.Context, r *scim.Resource, address string, refusal error) (*Record, error) {
	p, err := b.client.FindByEmail(ctx, address)
	if err != nil {
		return nil, b.refuse(err, nil)
	}
	if p == nil {
		return nil, refusal
	}
	return b.adopt(ctx, r, p, refusal)
}

// adopt takes over somebody just found in Freshservice, unless it is a person
// of a client's, whom the mirror shows.
func (b *Bridge) adopt(ctx context.Context, r *scim.Resource, p *Person, refusal error) (*Record, error) {
	id := formatID(p.ID)
	switch rec, err := b.mirror.Record(ctx, b.users, id); {
	case err == nil:
		k, err := keptOf(rec)
		if err != nil {
			return nil, err
		}
		if k.Claimed && !rec.Hidden {
			return nil, refusal
		}
	case !scim.IsType(err, scim.NotFound):
		return nil, err
	}
	return b.takeOver(ctx, id, p, r)
}

// errGone is returned by takeOver for a person who was deleted or merged since
// the last look; the record has been forgotten.
var errGone = errors.New("the person no longer exists in Freshservice")

// takeOver makes a person of Freshservice's the client's: reactivates,
// converts and updates as needed. p is the person as just found there, nil to
// trust the mirror.
func (b *Bridge) takeOver(ctx context.Context, id string, p *Person, r *scim.Resource) (*Record, error) {
	unlock, err := b.locks.lock(ctx, personLock(id))
	if err != nil {
		return nil, busy(err)
	}
	defer unlock()
	k := &kept{Person: p}
	var old *Record
	if p == nil {
		if old, err = b.mirror.Record(ctx, b.users, id); err != nil {
			return nil, err
		}
		if k, err = keptOf(old); err != nil {
			return nil, err
		}
	}
	b.log.Info("taking over a person found in Freshservice", "id", id, "kind", k.Person.Kind, "active", k.Person.Active)
	j := &job{b: b, id: id, k: k, now: r}
	if err := j.run(ctx); err != nil {
		if IsNotFound(err) && p == nil {
			if err := b.mirror.Remove(context.WithoutCancel(ctx), b.users, id); err != nil {
				return nil, err
			}
			return nil, errGone
		}
		if j.wrote && old != nil {
			if storeErr := b.store(ctx, old, k, k.Notes); storeErr != nil {
				return nil, storeErr
			}
		}
		return nil, b.refuse(err, j.t)
	}
	k.Claimed, k.Wrote = true, nil
	r.ID = id
	rec := &Record{Resource: r}
	if err := b.store(ctx, rec, k, j.notes()); err != nil {
		return nil, err
	}
	b.remember(ctx, j.t, id, j.overBudget)
	return rec, nil
}

// updateUser sends what the change means for Freshservice: nothing, or one call.
func (b *Bridge) updateUser(ctx context.Context, id string, cond scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
	rec, arrived, err := b.updateLocked(ctx, id, cond, change)
	if err != nil {
		return nil, err
	}
	if arrived {
		b.arrived(ctx, rec)
	}
	return rec.Resource, nil
}

func (b *Bridge) updateLocked(ctx context.Context, id string, cond scim.Precondition, change func(*scim.Resource) error) (rec *Record, arrived bool, err error) {
	unlock, err := b.locks.lock(ctx, personLock(id))
	if err != nil {
		return nil, false, busy(err)
	}
	defer unlock()
	rec, k, err := b.visible(ctx, id, cond)
	if err != nil {
		return nil, false, err
	}
	before, now := rec.Resource, rec.Resource.Clone()
	if err := change(now); err != nil {
		return nil, false, err
	}
	now.Attributes().Delete("password")
	if scim.Equal(before.Peek(), now.Peek()) {
		return rec, false, nil
	}
	if err := b.checkUnique(ctx, id, before, now); err != nil {
		return nil, false, err
	}
	j := &job{b: b, id: id, k: k, before: before, now: now}
	err = j.run(ctx)
	if IsNotFound(err) {
		err = j.relink(ctx)
	}
	if err != nil {
		if j.gone {
			if removeErr := b.mirror.Remove(context.WithoutCancel(ctx), b.users, id); removeErr != nil {
				return nil, false, removeErr
			}
		} else if j.wrote {
			// What Freshservice has taken so far is not to be forgotten.
			if storeErr := b.store(ctx, rec, k, k.Notes); storeErr != nil {
				return nil, false, storeErr
			}
		}
		return nil, false, b.refuse(err, j.t)
	}
	k.Claimed = true
	k.rewritten(rec, now, change)
	rec = &Record{Resource: now}
	if err := b.store(ctx, rec, k, j.notes()); err != nil {
		return nil, false, err
	}
	b.remember(ctx, j.t, id, j.overBudget)
	named := before.Peek().Text("userName") != now.Peek().Text("userName") || !slices.Equal(emailsIn(before), emailsIn(now))
	return rec, named, nil
}

// visible returns the record of a person whom clients see.
func (b *Bridge) visible(ctx context.Context, id string, cond scim.Precondition) (*Record, *kept, error) {
	rec, err := b.mirror.Record(ctx, b.users, id)
	if err != nil {
		return nil, nil, err
	}
	if rec.Hidden {
		return nil, nil, scim.Errorf(scim.NotFound, "there is no user with id %q", id)
	}
	if err := cond.Check(rec.Resource.Version); err != nil {
		return nil, nil, err
	}
	k, err := keptOf(rec)
	return rec, k, err
}

// checkUnique refuses a new userName or primary address that somebody has.
func (b *Bridge) checkUnique(ctx context.Context, id string, before, now *scim.Resource) error {
	if name := now.Peek().Text("userName"); !strings.EqualFold(name, before.Peek().Text("userName")) {
		other, err := b.mirror.RecordByUserName(ctx, strings.TrimSpace(name))
		if err != nil {
			return err
		}
		if other != nil && other.Resource.ID != id {
			return scim.Errorf(scim.Uniqueness, "userName %q is taken by the user with id %s", name, other.Resource.ID).On("userName")
		}
	}
	was, _ := reachable(before)
	is, err := reachable(now)
	if err != nil || strings.EqualFold(was, is) || is == "" {
		return err
	}
	other, err := b.mirror.RecordByEmail(ctx, is)
	if err != nil || other == nil || other.Resource.ID == id {
		return err
	}
	state := "the user"
	if other.Hidden {
		state = "a deactivated person"
	}
	return scim.Errorf(scim.Uniqueness, "the address %q belongs to %s with id %s in Freshservice; merge the two there, or free the address", is, state, other.Resource.ID).On(pathWorkEmail)
}

func emailsIn(r *scim.Resource) []string {
	var list []string
	for _, v := range r.Peek().Elements("emails") {
		if e, ok := v.(*scim.Object); ok {
			list = append(list, foldEmail(e.Text("value")))
		}
	}
	return list
}

// freeSecondary leaves out secondary addresses that other people hold.
func (b *Bridge) freeSecondary(ctx context.Context, t *translation, id string) error {
	list, _ := t.fields["secondary_emails"].([]string)
	var free []string
	for _, a := range list {
		other, err := b.mirror.RecordByEmail(ctx, a)
		if err != nil {
			return err
		}
		if other == nil || other.Resource.ID == id {
			free = append(free, a)
			continue
		}
		t.note("emails", a, "email_taken", "%s belongs to the person with id %s in Freshservice; it is left out", a, other.Resource.ID)
	}
	if len(free) > 0 {
		t.fields["secondary_emails"] = free
	} else {
		delete(t.fields, "secondary_emails")
	}
	return nil
}

// deleteUser deactivates the person and hides the record: Freshservice keeps
// the person, and the address, for good.
func (b *Bridge) deleteUser(ctx context.Context, id string, cond scim.Precondition) error {
	unlock, err := b.locks.lock(ctx, personLock(id))
	if err != nil {
		return busy(err)
	}
	defer unlock()
	rec, k, err := b.visible(ctx, id, cond)
	if err != nil {
		return err
	}
	if err := b.deactivate(ctx, k); IsNotFound(err) {
		return b.mirror.Remove(context.WithoutCancel(ctx), b.users, id)
	} else if err != nil {
		return b.refuse(err, nil)
	}
	if err := b.leaveGroups(ctx, id); err != nil {
		return err
	}
	k.Wrote = nil
	rec = &Record{Resource: rec.Resource.Clone(), Hidden: true}
	rec.Resource.Attributes().Set("active", false)
	return b.store(ctx, rec, k, nil)
}

// deactivate takes the person's access away in Freshservice.
func (b *Bridge) deactivate(ctx context.Context, k *kept) error {
	if !k.Person.Active {
		return nil
	}
	err := b.client.Deactivate(ctx, k.Person.Kind, k.Person.ID)
	var refused *APIError
	if err != nil {
		// Converted by hand, or deactivated by a try whose answer was lost.
		if !errors.As(err, &refused) || !refused.aboutObject() {
			return err
		}
		p, found := b.refetch(ctx, k.Person)
		if !found {
			return err
		}
		changed := p.Kind != k.Person.Kind
		k.Person = p
		if p.Active {
			if !changed {
				return err
			}
			if err := b.client.Deactivate(ctx, p.Kind, p.ID); err != nil {
				return err
			}
		}
	}
	k.Person.Active = false
	k.Touched = b.now()
	return nil
}

// refetch reads a person whose call was refused, of whichever kind by now.
func (b *Bridge) refetch(ctx context.Context, p *Person) (*Person, bool) {
	found, ok, err := b.look(ctx, p)
	return found, ok && err == nil
}

func parseID(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no ID of Freshservice's", id)
	}
	return n, nil
}

package freshservice

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"lockstep/internal/scim"
)

// An inventory is the bridge's knowledge of when Freshservice was listed.
type inventory struct {
	mu       sync.Mutex
	restored bool
	state    inventoryState
	running  chan struct{} // closed when the listing under way ends
	err      error         // of the last listing
}

// inventoryState is what is kept of it, so that a listing that was cut off
// goes on at the page where it stopped.
type inventoryState struct {
	Started   time.Time `json:"started,omitzero"`
	Completed time.Time `json:"completed,omitzero"`
	Kind      Kind      `json:"kind,omitempty"`
	Page      int       `json:"page,omitempty"`
	Inventory
}

// An Inventory is the outcome of a listing of Freshservice.
type Inventory struct {
	// People is how many were listed, New how many of them the mirror did not
	// have, Changed how many had been changed in Freshservice, Gone how many no
	// longer exist there.
	People  int `json:"people"`
	New     int `json:"new"`
	Changed int `json:"changed"`
	Gone    int `json:"gone"`
	// CompletedAt is when a listing was last complete.
	CompletedAt time.Time `json:"completedAt,omitzero"`
	// Running is set while one is under way; the counts are then those so far.
	Running bool `json:"running"`
}

// LastInventory returns how the last listing went, or how the present one
// goes, also when it was a bridge before this one that listed.
func (b *Bridge) LastInventory(ctx context.Context) (Inventory, error) {
	b.inventory.mu.Lock()
	defer b.inventory.mu.Unlock()
	if !b.inventory.restored {
		if err := b.restore(ctx); err != nil {
			return Inventory{}, err
		}
	}
	return b.inventory.state.status(b.inventory.running != nil), nil
}

// Inventory returns how the last listing of this bridge went, or how the
// present one goes.
func (b *Bridge) Inventory() Inventory {
	b.inventory.mu.Lock()
	defer b.inventory.mu.Unlock()
	return b.inventory.state.status(b.inventory.running != nil)
}

func (s inventoryState) status(running bool) Inventory {
	out := s.Inventory
	out.CompletedAt, out.Running = s.Completed, running
	return out
}

// ready waits until the mirror has what Freshservice holds. Once it has, it
// returns at once; when the mirror has become old it is renewed in the
// background.
func (b *Bridge) ready(ctx context.Context) error {
	if b.ctx.Err() != nil {
		return &scim.Error{Type: scim.Unavailable, RetryAfter: time.Second, Detail: "the account was changed just now, or the server is shutting down; try again"}
	}
	inv := &b.inventory
	inv.mu.Lock()
	if !inv.restored {
		if err := b.restore(ctx); err != nil {
			inv.mu.Unlock()
			return err
		}
	}
	if !inv.state.Completed.IsZero() {
		if age := b.settings.InventoryMaxAge; age > 0 && inv.running == nil && b.now().Sub(inv.state.Completed) > age {
			b.startListing()
		}
		inv.mu.Unlock()
		return nil
	}
	if inv.running == nil {
		if err := b.barred(); err != nil {
			inv.mu.Unlock()
			return err
		}
		b.startListing()
	}
	running := inv.running
	inv.mu.Unlock()
	select {
	case <-running:
	case <-ctx.Done():
		return &scim.Error{Type: scim.Unavailable, RetryAfter: 30 * time.Second, Err: ctx.Err(),
			Detail: fmt.Sprintf("the people of %s are being listed for the first time, %d so far; try again shortly", b.client.domain, b.Inventory().People)}
	}
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.state.Completed.IsZero() {
		return b.refuse(inv.err, nil)
	}
	return nil
}

// restore takes up what an earlier process kept. The caller has inventory.mu.
func (b *Bridge) restore(ctx context.Context) error {
	ok, err := b.restoreCatalogue(ctx)
	if err != nil {
		return err
	}
	s, err := b.mirror.Setting(ctx, settingInventory)
	if err != nil {
		return err
	}
	if s != "" && json.Unmarshal([]byte(s), &b.inventory.state) != nil || !ok {
		b.inventory.state = inventoryState{}
	}
	b.inventory.restored = true
	b.groupsRestored.Store(ok)
	if !b.inventory.state.Completed.IsZero() {
		b.background(b.resumeRepairs)
	}
	return nil
}

// resumeRepairs goes on with repairs that failed or were cut off.
func (b *Bridge) resumeRepairs(ctx context.Context) {
	ids, err := b.list(ctx, settingRepairs)
	b.logged("remembering repairs of managers", err)
	if len(ids) > 0 {
		b.repairManagers(ctx, ids)
	}
}

// startListing lists Freshservice in the background. The caller has
// inventory.mu and has seen that no listing runs.
func (b *Bridge) startListing() {
	inv := &b.inventory
	running := make(chan struct{})
	inv.running = running
	b.tasks.Go(func() {
		err := b.listAll(b.ctx)
		inv.mu.Lock()
		inv.running, inv.err = nil, err
		inv.mu.Unlock()
		close(running)
		if err != nil {
			b.logged("listing Freshservice", err)
			return
		}
		b.logged("making agents", b.retryAgents(b.ctx))
		b.resumeRepairs(b.ctx)
	})
}

// Refresh lists Freshservice now, or waits for the listing under way, and
// returns what it found.
func (b *Bridge) Refresh(ctx context.Context) (Inventory, error) {
	inv := &b.inventory
	inv.mu.Lock()
	if !inv.restored {
		if err := b.restore(ctx); err != nil {
			inv.mu.Unlock()
			return Inventory{}, err
		}
	}
	if inv.running == nil {
		b.startListing()
	}
	running := inv.running
	inv.mu.Unlock()
	select {
	case <-running:
	case <-ctx.Done():
		return b.Inventory(), ctx.Err()
	}
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.state.status(false), b.refuse(inv.err, nil)
}

// listAll reads the catalogue, then agents, requesters and groups by pages.
func (b *Bridge) listAll(ctx context.Context) error {
	if err := b.readCatalogue(ctx); err != nil {
		return err
	}
	b.inventory.mu.Lock()
	s := b.inventory.state
	b.inventory.mu.Unlock()
	first := s.Completed.IsZero()
	resumed := s.Page > 0 && b.now().Sub(s.Started) < 6*time.Hour
	if !resumed {
		s = inventoryState{Completed: s.Completed, Started: b.now(), Kind: Agent, Page: 1}
	}
	seen := map[int64]bool{}
	kinds := []Kind{Agent, Requester}
	for _, kind := range kinds[slices.Index(kinds, s.Kind):] {
		if kind != s.Kind {
			s.Kind, s.Page = kind, 1
		}
		asked := b.now()
		for page, err := range b.client.PeoplePage(ctx, kind, nil, s.Page) {
			if err != nil {
				return err
			}
			for i := range page.People {
				seen[page.People[i].ID] = true
			}
			if err := b.absorb(ctx, page.People, asked, first, &s.Inventory); err != nil {
				return err
			}
			s.People += len(page.People)
			if !page.Last {
				s.Page = page.Page + 1
				if err := b.keepInventory(ctx, s); err != nil {
					return err
				}
			}
			asked = b.now()
		}
	}
	if err := b.listGroups(ctx); err != nil {
		return err
	}
	if !first && !resumed {
		gone, err := b.dropGone(ctx, seen, s.Started)
		if err != nil {
			return err
		}
		s.Gone = gone
	}
	s.Completed, s.Page, s.Kind = b.now(), 0, ""
	return b.keepInventory(ctx, s)
}

func (b *Bridge) keepInventory(ctx context.Context, s inventoryState) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := b.mirror.SetSetting(ctx, settingInventory, string(data)); err != nil {
		return err
	}
	b.inventory.mu.Lock()
	b.inventory.state = s
	b.inventory.mu.Unlock()
	return nil
}

// found takes one person into the mirror.
func (b *Bridge) found(ctx context.Context, p *Person) error {
	return b.absorb(ctx, []Person{*p}, b.now(), false, &Inventory{})
}

// absorb takes people as listed at a given time into the mirror. Whoever the
// bridge has written to since then is left alone: the listing is older.
func (b *Bridge) absorb(ctx context.Context, people []Person, asked time.Time, first bool, count *Inventory) error {
	keys := make([]string, len(people))
	for i := range people {
		keys[i] = personLock(formatID(people[i].ID))
	}
	unlock, err := b.locks.lock(ctx, keys...)
	if err != nil {
		return err
	}
	var batch, arrivals []*Record
	err = func() error {
		defer unlock()
		for i := range people {
			p := &people[i]
			if p.Kind == Requester && p.IsAgent {
				continue // listed among the agents
			}
			rec, isNew, err := b.absorbed(ctx, p, asked)
			switch {
			case err != nil:
				return err
			case rec == nil:
				continue
			case isNew:
				count.New++
				arrivals = append(arrivals, rec)
			default:
				count.Changed++
			}
			batch = append(batch, rec)
		}
		return b.putAll(ctx, batch)
	}()
	if err != nil || first {
		return err
	}
	for _, rec := range arrivals {
		b.arrived(ctx, rec)
	}
	return nil
}

// absorbed returns the record for a listed person, nil when nothing changed.
func (b *Bridge) absorbed(ctx context.Context, p *Person, asked time.Time) (rec *Record, isNew bool, err error) {
	id := formatID(p.ID)
	old, err := b.mirror.Record(ctx, b.users, id)
	if scim.IsType(err, scim.NotFound) {
		r := scim.NewResource(b.users, b.view(p))
		r.ID = id
		rec := &Record{Resource: r}
		return rec, true, (&kept{Person: p}).seal(rec)
	}
	if err != nil {
		return nil, false, err
	}
	k, err := keptOf(old)
	if err != nil {
		return nil, false, err
	}
	if !k.Touched.Before(asked) && !k.Touched.IsZero() || samePerson(k.Person, p) {
		return nil, false, nil
	}
	r := old.Resource.Clone()
	if k.Claimed {
		if err := b.mergeFound(ctx, old, k, p, r); err != nil {
			return nil, false, err
		}
	} else {
		r = scim.NewResource(b.users, b.view(p))
		r.ID = id
	}
	k.Person = p
	rec = &Record{Resource: r, Hidden: old.Hidden}
	return rec, false, k.seal(rec)
}

// mergeFound carries what changed in Freshservice into the resource r of a
// client's person, and keeps what the client had written where the two differ.
func (b *Bridge) mergeFound(ctx context.Context, old *Record, k *kept, p *Person, r *scim.Resource) error {
	if k.Wrote == nil && !old.Hidden {
		drift, err := b.drift(ctx, old, k, p)
		if err != nil {
			return err
		}
		if len(drift) > 0 {
			if k.Wrote, err = old.Resource.JSON(); err != nil {
				return err
			}
		}
	}
	b.merge(r, k.Person, p)
	return nil
}

// samePerson compares what people care about.
func samePerson(a, b *Person) bool {
	x, y := *a, *b
	x.UpdatedAt, y.UpdatedAt = time.Time{}, time.Time{}
	x.CreatedAt, y.CreatedAt = time.Time{}, time.Time{}
	if len(x.CustomFields) == 0 {
		x.CustomFields = nil
	}
	if len(y.CustomFields) == 0 {
		y.CustomFields = nil
	}
	p, errP := json.Marshal(x)
	q, errQ := json.Marshal(y)
	return errP == nil && errQ == nil && bytes.Equal(p, q)
}

// putAll stores a page of records, one by one where one of them has a userName
// that a client has given to somebody else.
func (b *Bridge) putAll(ctx context.Context, batch []*Record) error {
	if len(batch) == 0 {
		return nil
	}
	err := b.mirror.Put(ctx, batch...)
	if !scim.IsType(err, scim.Uniqueness) {
		return err
	}
	for _, rec := range batch {
		err := b.mirror.Put(ctx, rec)
		if scim.IsType(err, scim.Uniqueness) {
			k, keptErr := keptOf(rec)
			if keptErr != nil {
				return keptErr
			}
			rec.Resource.Attributes().Set("userName", fmt.Sprintf("%s-%d", k.Person.Kind, k.Person.ID))
			err = b.mirror.Put(ctx, rec)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// verifyLimit bounds how many people who were missing from a listing are asked
// for by ID; the next listing goes on with the rest.
const verifyLimit = 50

// dropGone forgets people who are not listed any more and whom Freshservice,
// asked for each, does not know. Deactivated people may not be listed at all,
// so that only those count who were active.
func (b *Bridge) dropGone(ctx context.Context, seen map[int64]bool, started time.Time) (gone int, err error) {
	const pageSize = 500
	var missing []string
	for start := 1; len(missing) < verifyLimit; start += pageSize {
		page, err := b.mirror.Query(ctx, b.users, scim.Query{StartIndex: start, Count: pageSize})
		if err != nil {
			return 0, err
		}
		for _, r := range page.Resources {
			id, err := parseID(r.ID)
			if err == nil && !seen[id] && isActive(r) && len(missing) < verifyLimit {
				missing = append(missing, r.ID)
			}
		}
		if len(page.Resources) < pageSize {
			break
		}
	}
	for _, id := range missing {
		dropped, err := b.dropIfGone(ctx, id, started)
		if err != nil {
			return gone, err
		}
		if dropped {
			gone++
		}
	}
	return gone, nil
}

func (b *Bridge) dropIfGone(ctx context.Context, id string, started time.Time) (bool, error) {
	unlock, err := b.locks.lock(ctx, personLock(id))
	if err != nil {
		return false, err
	}
	defer unlock()
	rec, k, err := b.visible(ctx, id, scim.Precondition{})
	if scim.IsType(err, scim.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !k.Touched.Before(started) {
		return false, nil // created after its page was listed
	}
	for _, kind := range []Kind{k.Person.Kind, Requester, Agent} {
		p, err := b.client.Person(ctx, kind, k.Person.ID)
		if err == nil {
			if !samePerson(k.Person, p) {
				r := rec.Resource.Clone()
				if err := b.mergeFound(ctx, rec, k, p, r); err != nil {
					return false, err
				}
				k.Person = p
				return false, b.store(ctx, &Record{Resource: r}, k, k.Notes)
			}
			return false, nil
		}
		if !IsNotFound(err) {
			return false, err
		}
	}
	return true, b.mirror.Remove(ctx, b.users, id)
}

// listGroups reads the groups, when the account maps them. The members of a
// requester group cost a call of their own and are read once, when the group
// is first seen.
func (b *Bridge) listGroups(ctx context.Context) error {
	if b.settings.Groups != RequesterGroups && b.settings.Groups != AgentGroups {
		return nil
	}
	kind, err := b.groupKind()
	if err != nil {
		return err
	}
	asked := b.now()
	groups, err := b.client.Groups(ctx, kind)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range groups {
		seen[formatID(groups[i].ID)] = true
		if err := b.absorbGroup(ctx, kind, &groups[i], asked); err != nil {
			return err
		}
	}
	for start := 1; ; {
		page, err := b.mirror.Query(ctx, b.groups, scim.Query{StartIndex: start, Count: 100, Projection: withoutMembers})
		if err != nil {
			return err
		}
		for _, g := range page.Resources {
			_, k, err := b.visibleGroup(ctx, g.ID)
			if err != nil {
				return err
			}
			if !seen[g.ID] && k.Touched.Before(asked) {
				if err := b.mirror.Remove(ctx, b.groups, g.ID); err != nil {
					return err
				}
				continue
			}
			start++
		}
		if len(page.Resources) < 100 {
			b.groupsRestored.Store(false)
			return nil
		}
	}
}

func (b *Bridge) absorbGroup(ctx context.Context, kind GroupKind, g *Group, asked time.Time) error {
	id := formatID(g.ID)
	unlock, err := b.locks.lock(ctx, groupLock(id))
	if err != nil {
		return err
	}
	defer unlock()
	rec, k, err := b.visibleGroup(ctx, id)
	switch {
	case scim.IsType(err, scim.NotFound):
		r := scim.NewResource(b.groups, scim.NewObject("schemas", []scim.Value{scim.URNGroup}, "displayName", strings.TrimSpace(g.Name)))
		r.ID = id
		if err := b.store(ctx, &Record{Resource: r}, &kept{Group: g}, nil); err != nil {
			return err
		}
		members := g.Members
		if kind == RequesterGroup {
			if members, err = b.client.GroupMembers(ctx, g.ID); err != nil {
				return err
			}
		}
		return b.adoptMembers(ctx, id, members, nil)
	case err != nil:
		return err
	case !k.Touched.Before(asked) && !k.Touched.IsZero():
		return nil
	}
	added := slices.DeleteFunc(slices.Clone(g.Members), func(m int64) bool { return slices.Contains(k.Group.Members, m) })
	removed := slices.DeleteFunc(slices.Clone(k.Group.Members), func(m int64) bool { return slices.Contains(g.Members, m) })
	if g.Name == k.Group.Name && len(added)+len(removed) == 0 {
		return nil
	}
	rec = &Record{Resource: rec.Resource.Clone()}
	if g.Name != k.Group.Name {
		rec.Resource.Attributes().Set("displayName", strings.TrimSpace(g.Name))
	}
	k.Group = g
	if err := b.store(ctx, rec, k, k.Notes); err != nil {
		return err
	}
	return b.adoptMembers(ctx, id, added, removed)
}

// adoptMembers carries memberships of Freshservice's into the mirror, as far
// as it knows the people.
func (b *Bridge) adoptMembers(ctx context.Context, id string, added, removed []int64) error {
	known := func(ids []int64) (list []string, err error) {
		for _, m := range ids {
			rec, err := b.mirror.Record(ctx, b.users, formatID(m))
			switch {
			case scim.IsType(err, scim.NotFound):
			case err != nil:
				return nil, err
			case !rec.Hidden:
				list = append(list, formatID(m))
			}
		}
		return list, nil
	}
	add, err := known(added)
	if err != nil {
		return err
	}
	remove, err := known(removed)
	if err != nil || len(add)+len(remove) == 0 {
		return err
	}
	_, err = b.mirror.EditMembers(ctx, id, scim.Precondition{}, membersOf(add), membersOf(remove))
	return err
}

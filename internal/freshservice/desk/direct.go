package desk

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// The methods below change the account without HTTP, limits and rights, for
// tests and demonstrations. They apply the same checks, but for mandatory
// custom fields; a refusal is a [*Problem].

// AddRequester adds p, whose ID and times are set when they are 0, and returns
// it as it is stored.
func (d *Desk) AddRequester(ctx context.Context, p Person) (Person, error) {
	p.Agent = nil
	return d.addPerson(ctx, p)
}

// AddAgent adds p. Without roles it gets the role SD Agent over the entire
// help desk. The licence's seats are not counted.
func (d *Desk) AddAgent(ctx context.Context, p Person) (Person, error) {
	a := Agent{}
	if p.Agent != nil {
		a = *p.Agent
		a.Roles = slices.Clone(a.Roles)
	}
	if len(a.Roles) == 0 {
		role, err := d.role(string(serviceDeskAgent))
		if err != nil {
			return Person{}, err
		}
		a.Roles = []RoleAssignment{{RoleID: role.ID, AssignmentScope: EntireHelpdesk}}
	}
	p.Agent = &a
	return d.addPerson(ctx, p)
}

func (d *Desk) addPerson(ctx context.Context, p Person) (Person, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.world.checkValues(&p); err != nil {
		return Person{}, fmt.Errorf("desk: add %s: %w", p.Name(), err)
	}
	id := p.ID
	p.ID = 0
	if err := invalid(d.o.DuplicateStatus, d.world.checkPerson(nil, &p)); err != nil {
		return Person{}, err
	}
	switch {
	case id == 0:
		id = d.world.newID()
	case id < 0 || d.world.people[id] != nil:
		return Person{}, fmt.Errorf("desk: add %s: the id %d is taken or not positive", p.Name(), id)
	}
	p.ID = id
	now := StampOf(d.o.Now())
	if p.CreatedAt == 0 {
		p.CreatedAt = now
	}
	if p.UpdatedAt == 0 {
		p.UpdatedAt = p.CreatedAt
	}
	if err := d.commit(ctx, change{kind: kindPerson, id: id, value: &p}); err != nil {
		return Person{}, err
	}
	return p, nil
}

// UpdatePerson replaces the person by what edit makes of a copy. The lists in
// the copy must be replaced, not edited.
func (d *Desk) UpdatePerson(ctx context.Context, id int64, edit func(*Person)) (Person, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.world.people[id]
	if old == nil {
		return Person{}, fmt.Errorf("desk: update: nobody has the id %d", id)
	}
	p := old.copy()
	edit(p)
	p.ID = id
	if err := d.world.checkValues(p); err != nil {
		return Person{}, fmt.Errorf("desk: update %s: %w", p.Name(), err)
	}
	if err := invalid(d.o.DuplicateStatus, d.world.checkPerson(old, p)); err != nil {
		return Person{}, err
	}
	p.UpdatedAt = StampOf(d.o.Now())
	if err := d.commit(ctx, change{kind: kindPerson, id: id, value: p}); err != nil {
		return Person{}, err
	}
	return *p, nil
}

// Person returns the person with that id. The lists in it are the desk's own
// and must not be edited, here and below.
func (d *Desk) Person(id int64) (Person, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if p := d.world.people[id]; p != nil {
		return *d.world.pruned(p), true
	}
	return Person{}, false
}

// PersonByEmail returns who holds the address, as primary or secondary, active
// or not.
func (d *Desk) PersonByEmail(email string) (Person, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if p := d.world.withEmail(email); p != nil {
		return *d.world.pruned(p), true
	}
	return Person{}, false
}

// People yields everyone by id, as they are when it begins.
func (d *Desk) People() iter.Seq[Person] {
	return func(yield func(Person) bool) {
		_, people := d.snapshot()
		for _, p := range people {
			if !yield(*p) {
				return
			}
		}
	}
}

// AddDepartment adds o, whose ID is set when it is 0.
func (d *Desk) AddDepartment(ctx context.Context, o Department) (Department, error) {
	return add(ctx, d, departments, o)
}

// AddLocation adds o, whose ID is set when it is 0.
func (d *Desk) AddLocation(ctx context.Context, o Location) (Location, error) {
	return add(ctx, d, locations, o)
}

// AddGroup adds o, whose ID is set when it is 0.
func (d *Desk) AddGroup(ctx context.Context, o Group) (Group, error) {
	if o.WorkspaceID == 0 {
		o.WorkspaceID = primaryWorkspace
	}
	return add(ctx, d, groups, o)
}

// AddRequesterGroup adds o, whose ID is set when it is 0, with members. An
// empty type is manual.
func (d *Desk) AddRequesterGroup(ctx context.Context, o RequesterGroup, members ...int64) (RequesterGroup, error) {
	if o.Type == "" {
		o.Type = Manual
	}
	if o.WorkspaceID == 0 {
		o.WorkspaceID = primaryWorkspace
	}
	o, err := add(ctx, d, requesterGroups, o)
	if err != nil {
		return o, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var cs []change
	for _, id := range members {
		if d.world.people[id] == nil {
			return o, fmt.Errorf("desk: add %s: nobody has the id %d", o.Name, id)
		}
		cs = append(cs, change{kind: kindMember, id: o.ID, member: id, value: true})
	}
	return o, d.commit(ctx, cs...)
}

func add[T any, P interface {
	*T
	object
}](ctx context.Context, d *Desk, k *collection[T, P], next T) (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := P(&next)
	if err := invalid(d.o.DuplicateStatus, k.validate(d.world, nil, o, nameOf(o))); err != nil {
		return next, err
	}
	if o.ident() == 0 {
		o.assign(d.world.newID())
	}
	touch(o, StampOf(d.o.Now()))
	return next, d.commit(ctx, change{kind: k.kind, id: o.ident(), value: o})
}

// AddField declares a custom field.
func (d *Desk) AddField(ctx context.Context, f Field) (Field, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, taken := d.world.fields.named(f.Name); taken || f.Name == "" {
		return f, fmt.Errorf("desk: add a field: the name %q is empty or taken", f.Name)
	}
	if !slices.Contains(FieldTypes, f.Type) {
		return f, fmt.Errorf("desk: field %q has the type %q; the types are %q", f.Name, f.Type, FieldTypes)
	}
	f.ID = d.world.newID()
	touch(&f, StampOf(d.o.Now()))
	return f, d.commit(ctx, change{kind: kindField, id: f.ID, value: &f})
}

func (d *Desk) role(name string) (*Role, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if r, ok := d.world.roles.named(fold(name)); ok {
		return r, nil
	}
	return nil, fmt.Errorf("desk: there is no role %q", name)
}

// Role returns the role of that name.
func (d *Desk) Role(name string) (Role, error) {
	r, err := d.role(name)
	if err != nil {
		return Role{}, err
	}
	return *r, nil
}

// IssueKey gives an agent a new API key and switches keys on for it. A key
// the agent had before stops working; that of an occasional agent lapses after
// a day.
func (d *Desk) IssueKey(ctx context.Context, agent int64) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.world.people[agent]
	if p == nil || p.Agent == nil {
		return "", fmt.Errorf("desk: issue a key: there is no agent %d", agent)
	}
	p = p.copy()
	p.Agent.APIKeyEnabled = true
	k := &apiKey{Key: newKey(), Agent: agent}
	if p.Agent.Occasional {
		k.Expires = StampOf(d.o.Now().Add(dayPass))
	}
	return k.Key, d.commit(ctx, change{kind: kindPerson, id: agent, value: p}, change{kind: kindKey, id: agent, value: k})
}

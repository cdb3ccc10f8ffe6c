package desk

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Seed is the content of an account: what [New] fills an empty one with and
// what [Desk.Dump] writes. Ids and times may be left out. API keys are never in
// it.
type Seed struct {
	// TimeZone and Language are those of a new person who has none.
	TimeZone string `json:"time_zone,omitempty"`
	Language string `json:"language,omitempty"`
	// Roles and RequesterGroups are those of a new account when they are nil.
	Roles           []Role               `json:"roles,omitzero"`
	RequesterGroups []SeedRequesterGroup `json:"requester_groups,omitzero"`
	Fields          []Field              `json:"fields,omitempty"`
	Departments     []Department         `json:"departments,omitempty"`
	Locations       []Location           `json:"locations,omitempty"`
	Groups          []Group              `json:"groups,omitempty"`
	People          []SeedPerson         `json:"people,omitempty"`
}

// A SeedPerson may name what it refers to instead of giving ids.
type SeedPerson struct {
	Person
	// Departments and Location are names, Manager is an e-mail address. Role
	// makes the person an agent with that role over the entire help desk.
	Departments []string `json:"departments,omitempty"`
	Location    string   `json:"location,omitempty"`
	Manager     string   `json:"manager,omitempty"`
	Role        string   `json:"role,omitempty"`
}

// A SeedRequesterGroup comes with its members: ids or e-mail addresses.
type SeedRequesterGroup struct {
	RequesterGroup
	Members      []int64  `json:"members,omitempty"`
	MemberEmails []string `json:"member_emails,omitempty"`
}

// ReadSeed reads the JSON of a seed. Errors tell the place; what the entries
// refer to is checked by [New].
func ReadSeed(r io.Reader) (*Seed, error) {
	dec := json.NewDecoder(bufio.NewReader(r))
	dec.DisallowUnknownFields()
	var s *Seed
	if err := dec.Decode(&s); err != nil {
		return nil, fmt.Errorf("desk: the seed is not valid near byte %d: %w", dec.InputOffset(), err)
	}
	if s == nil {
		return nil, errors.New("desk: the seed is null; it should be an object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("desk: the seed goes on after its end, at byte %d", dec.InputOffset())
	}
	return s, nil
}

// grower fills an empty world from a seed.
type grower struct {
	w   *world
	now Stamp
	at  map[int64]string // where an id was given
}

// grow fills an empty world; the seed stays as it is.
func (s *Seed) grow(w *world, now Stamp) error {
	g := &grower{w: w, now: now, at: map[int64]string{}}
	if s.TimeZone != "" {
		if _, ok := timeZones[s.TimeZone]; !ok {
			return fmt.Errorf("desk: seed: time_zone %q is none of the names Freshservice knows, such as %q", s.TimeZone, "London")
		}
		w.settings.TimeZone = s.TimeZone
	}
	if s.Language != "" {
		if _, ok := languages[s.Language]; !ok {
			return fmt.Errorf("desk: seed: language %q is none of %q", s.Language, languageCodes)
		}
		w.settings.Language = s.Language
	}
	roles, requesterGroups := s.Roles, s.RequesterGroups
	if roles == nil {
		roles = defaultRoles()
	}
	if requesterGroups == nil {
		for _, d := range defaultRequesterGroups() {
			requesterGroups = append(requesterGroups, SeedRequesterGroup{RequesterGroup: d})
		}
	}
	if err := errors.Join(
		reserve(g, "roles", roles, func(o *Role) int64 { return o.ID }),
		reserve(g, "fields", s.Fields, func(o *Field) int64 { return o.ID }),
		reserve(g, "departments", s.Departments, func(o *Department) int64 { return o.ID }),
		reserve(g, "locations", s.Locations, func(o *Location) int64 { return o.ID }),
		reserve(g, "groups", s.Groups, func(o *Group) int64 { return o.ID }),
		reserve(g, "requester_groups", requesterGroups, func(o *SeedRequesterGroup) int64 { return o.ID }),
		reserve(g, "people", s.People, func(o *SeedPerson) int64 { return o.ID }),
	); err != nil {
		return err
	}
	if err := errors.Join(
		plant(g, "roles", kindRole, w.roles, roles),
		plant(g, "fields", kindField, w.fields, s.Fields),
		plant(g, "departments", kindDepartment, w.departments, s.Departments),
		plant(g, "locations", kindLocation, w.locations, s.Locations),
		plant(g, "groups", kindGroup, w.groups, emptied(s.Groups)),
	); err != nil {
		return err
	}
	for _, f := range w.fields.sorted {
		if !slices.Contains(FieldTypes, f.Type) {
			return fmt.Errorf("desk: seed: field %q has the type %q; the types are %q", f.Name, f.Type, FieldTypes)
		}
	}
	if err := g.people(s.People); err != nil {
		return err
	}
	if err := g.members(s.Groups, requesterGroups); err != nil {
		return err
	}
	return g.verify()
}

// reserve notes the ids that a list gives, so that no new one collides.
func reserve[T any](g *grower, list string, all []T, id func(*T) int64) error {
	for i := range all {
		n, at := id(&all[i]), fmt.Sprintf("%s[%d]", list, i)
		if n == 0 {
			continue
		}
		if n < 0 || n >= 1<<62 {
			return fmt.Errorf("desk: seed: %s: the id %d is not a positive integer below 2^62", at, n)
		}
		if other, taken := g.at[n]; taken {
			return fmt.Errorf("desk: seed: %s: the id %d is that of %s too", at, n, other)
		}
		g.at[n] = at
		g.w.nextID = max(g.w.nextID, n+1)
	}
	return nil
}

// plant adds the objects of one kind.
func plant[T any, P interface {
	*T
	object
}](g *grower, list string, k kind, t *table[P], all []T) error {
	for i := range all {
		next := all[i]
		o := P(&next)
		if strings.TrimSpace(string(nameOf(o))) == "" {
			return fmt.Errorf("desk: seed: %s[%d] has no name", list, i)
		}
		if other, taken := t.named(o.unique()); taken {
			return fmt.Errorf("desk: seed: %s[%d]: the name %q is that of %d too", list, i, nameOf(o), other.ident())
		}
		if o.ident() == 0 {
			o.assign(g.w.newID())
		}
		g.stamp(o.stamps())
		g.w.apply(change{kind: k, id: o.ident(), value: o})
	}
	return nil
}

func (g *grower) stamp(created, updated *Stamp) {
	if created == nil {
		return
	}
	if *created == 0 {
		*created = g.now
	}
	if *updated == 0 {
		*updated = *created
	}
}

// emptied returns the groups without people, who are not there yet.
func emptied(groups []Group) []Group {
	out := slices.Clone(groups)
	for i := range out {
		out[i].Members, out[i].Observers, out[i].Leaders = nil, nil, nil
		if out[i].WorkspaceID == 0 {
			out[i].WorkspaceID = primaryWorkspace
		}
	}
	return out
}

// people adds the people, and their managers once all are there.
func (g *grower) people(all []SeedPerson) error {
	w := g.w
	ids := make([]int64, len(all))
	for i := range all {
		s := &all[i]
		fail := func(format string, args ...any) error {
			return fmt.Errorf("desk: seed: people[%d] (%s): %s", i, s.Name(), fmt.Sprintf(format, args...))
		}
		p := s.copy()
		p.ReportingManagerID = 0
		p.DepartmentIDs = slices.Clone(p.DepartmentIDs)
		for _, name := range s.Departments {
			d, ok := w.departments.named(fold(name))
			if !ok {
				return fail("there is no department %q", name)
			}
			p.DepartmentIDs = append(p.DepartmentIDs, d.ID)
		}
		if s.Location != "" {
			at := slices.IndexFunc(w.locations.sorted, func(l *Location) bool { return fold(string(l.Name)) == fold(s.Location) })
			if at < 0 {
				return fail("there is no location %q", s.Location)
			}
			p.LocationID = w.locations.sorted[at].ID
		}
		if s.Role != "" {
			role, ok := w.roles.named(fold(s.Role))
			if !ok {
				return fail("there is no role %q", s.Role)
			}
			if p.Agent == nil {
				p.Agent = &Agent{}
			}
			p.Agent.Roles = append(slices.Clone(p.Agent.Roles), RoleAssignment{RoleID: role.ID, AssignmentScope: EntireHelpdesk})
		}
		if err := w.checkValues(p); err != nil {
			return fail("%v", err)
		}
		if errs := w.checkPerson(nil, p); len(errs) > 0 {
			return fail("%v", &Problem{Status: 400, Errors: errs})
		}
		if p.ID == 0 {
			p.ID = w.newID()
		}
		ids[i] = p.ID
		g.stamp(&p.CreatedAt, &p.UpdatedAt)
		w.apply(change{kind: kindPerson, id: p.ID, value: p})
	}
	for i := range all {
		manager := all[i].ReportingManagerID
		if email := all[i].Manager; email != "" {
			m := w.withEmail(email)
			if m == nil {
				return fmt.Errorf("desk: seed: people[%d] (%s): nobody has the manager's address %q", i, all[i].Name(), email)
			}
			manager = m.ID
		}
		if manager == 0 {
			continue
		}
		if w.people[manager] == nil {
			return fmt.Errorf("desk: seed: people[%d] (%s): nobody has the reporting_manager_id %d", i, all[i].Name(), manager)
		}
		p := w.people[ids[i]].copy()
		p.ReportingManagerID = manager
		w.apply(change{kind: kindPerson, id: p.ID, value: p})
	}
	return nil
}

// checkValues brings the custom fields of a person into their stored form.
func (w *world) checkValues(p *Person) error {
	values := CustomFields{}
	for name, raw := range p.CustomFields {
		f, ok := w.fields.named(name)
		if !ok {
			return fmt.Errorf("there is no custom field %q", name)
		}
		v, bad := f.value(raw)
		if bad != nil {
			return fmt.Errorf("custom field %q: %s", name, bad.Message)
		}
		if v != nil {
			values[name] = v
		}
	}
	p.CustomFields = values
	return nil
}

// members puts people into the groups of both kinds.
func (g *grower) members(groups []Group, requesterGroups []SeedRequesterGroup) error {
	w := g.w
	for i := range groups {
		o, _ := w.groups.named(groups[i].unique())
		n := *o
		n.Members, n.Observers, n.Leaders = set(groups[i].Members), set(groups[i].Observers), set(groups[i].Leaders)
		for _, errs := range [][]FieldError{
			needAgents(w, "members", nil, n.Members), needAgents(w, "observers", nil, n.Observers), needAgents(w, "leaders", nil, n.Leaders),
		} {
			if len(errs) > 0 {
				return fmt.Errorf("desk: seed: groups[%d] (%s): %s: %s", i, n.Name, errs[0].Field, errs[0].Message)
			}
		}
		w.apply(change{kind: kindGroup, id: n.ID, value: &n})
	}
	for i := range requesterGroups {
		s := &requesterGroups[i]
		n := s.RequesterGroup
		if n.Type == "" {
			n.Type = Manual
		}
		if n.Type != Manual && n.Type != RuleBased {
			return fmt.Errorf("desk: seed: requester_groups[%d]: the type %q is neither %q nor %q", i, n.Type, Manual, RuleBased)
		}
		if n.WorkspaceID == 0 {
			n.WorkspaceID = primaryWorkspace
		}
		if err := plant(g, "requester_groups", kindRequesterGroup, w.requesterGroups, []RequesterGroup{n}); err != nil {
			return err
		}
		o, _ := w.requesterGroups.named(n.unique())
		ids := slices.Clone(s.Members)
		for _, email := range s.MemberEmails {
			p := w.withEmail(email)
			if p == nil {
				return fmt.Errorf("desk: seed: requester_groups[%d] (%s): nobody has the address %q", i, n.Name, email)
			}
			ids = append(ids, p.ID)
		}
		for _, id := range ids {
			if w.people[id] == nil {
				return fmt.Errorf("desk: seed: requester_groups[%d] (%s): nobody has the id %d", i, n.Name, id)
			}
			w.apply(change{kind: kindMember, id: o.ID, member: id, value: true})
		}
	}
	return nil
}

// verify checks what departments, locations and groups refer to.
func (g *grower) verify() error {
	w := g.w
	fail := func(list string, name Text, errs []FieldError) error {
		if len(errs) == 0 {
			return nil
		}
		return fmt.Errorf("desk: seed: %s %q: %s: %s", list, name, errs[0].Field, errs[0].Message)
	}
	for _, d := range w.departments.sorted {
		if err := fail("department", d.Name, departments.check(w, nil, d)); err != nil {
			return err
		}
	}
	for _, l := range w.locations.sorted {
		if err := fail("location", l.Name, locations.check(w, nil, l)); err != nil {
			return err
		}
		for at, steps := l, 0; at != nil; at, steps = w.locations.byID[int64(at.ParentLocationID)], steps+1 {
			if steps > len(w.locations.sorted) {
				return fmt.Errorf("desk: seed: location %q is above itself", l.Name)
			}
		}
	}
	for _, o := range w.groups.sorted {
		if err := fail("group", o.Name, groups.check(w, nil, o)); err != nil {
			return err
		}
	}
	return nil
}

// all returns everything in the world as changes, for the first write.
func (w *world) all() []change {
	var cs []change
	add := func(k kind, id int64, value any) { cs = append(cs, change{kind: k, id: id, value: value}) }
	for _, o := range w.roles.sorted {
		add(kindRole, o.ID, o)
	}
	for _, o := range w.fields.sorted {
		add(kindField, o.ID, o)
	}
	for _, o := range w.departments.sorted {
		add(kindDepartment, o.ID, o)
	}
	for _, o := range w.locations.sorted {
		add(kindLocation, o.ID, o)
	}
	for id, p := range w.people {
		add(kindPerson, id, p)
	}
	for _, o := range w.groups.sorted {
		add(kindGroup, o.ID, o)
	}
	for _, o := range w.requesterGroups.sorted {
		add(kindRequesterGroup, o.ID, o)
		if members := w.members[o.ID]; members != nil {
			for id := range members.from(0) {
				cs = append(cs, change{kind: kindMember, id: o.ID, member: id, value: true})
			}
		}
	}
	return cs
}

package desk

import (
	"cmp"
	"slices"
)

// kind names a sort of stored object.
type kind string

const (
	kindPerson         kind = "person"
	kindRole           kind = "role"
	kindField          kind = "field"
	kindDepartment     kind = "department"
	kindLocation       kind = "location"
	kindGroup          kind = "group"
	kindRequesterGroup kind = "requester_group"
	// kindMember is the membership of a person in a requester group: a row of
	// its own, so that one more member costs one row.
	kindMember kind = "requester_group_member"
	// kindKey is an API key.
	kindKey kind = "key"
	// kindSetting is the account's own row.
	kindSetting kind = "setting"
)

// A change is one object's new state. A write is a list of changes that are
// persisted together and then applied.
type change struct {
	kind kind
	id   int64
	// member is the person of a kindMember.
	member int64
	// value is the new state; nil removes the object.
	value any
}

// settings is what the account itself remembers.
type settings struct {
	TimeZone string `json:"time_zone"`
	Language string `json:"language"`
	// Owner is the agent whose key is Desk.APIKey.
	Owner int64 `json:"owner,omitempty"`
	// LastID is the highest id given to an object that is gone, so that ids
	// are never given twice.
	LastID int64 `json:"last_id"`
	// Staged is what the key's owner was before trouble was staged.
	Staged *Agent `json:"staged,omitempty"`
}

// apiKey is a key and whose it is.
type apiKey struct {
	Key   string `json:"key"`
	Agent int64  `json:"agent"`
	// Expires is when the key lapses, 0 for never.
	Expires Stamp `json:"expires,omitempty"`
}

// table holds the objects of one kind, by id and by what makes them unique.
type table[T object] struct {
	byID   map[int64]T
	byName map[string]int64
	sorted []T // by id
}

func newTable[T object]() *table[T] {
	return &table[T]{byID: map[int64]T{}, byName: map[string]int64{}}
}

func (t *table[T]) at(id int64) (int, bool) {
	return slices.BinarySearchFunc(t.sorted, id, func(o T, id int64) int { return cmp.Compare(o.ident(), id) })
}

func (t *table[T]) has(id int64) bool {
	_, ok := t.byID[id]
	return ok
}

func (t *table[T]) named(key string) (T, bool) {
	o, ok := t.byID[t.byName[key]]
	return o, ok
}

func (t *table[T]) put(o T) {
	i, found := t.at(o.ident())
	if found {
		delete(t.byName, t.sorted[i].unique())
		t.sorted[i] = o
	} else {
		t.sorted = slices.Insert(t.sorted, i, o)
	}
	t.byID[o.ident()] = o
	t.byName[o.unique()] = o.ident()
}

func (t *table[T]) remove(id int64) {
	if i, found := t.at(id); found {
		delete(t.byName, t.sorted[i].unique())
		t.sorted = slices.Delete(t.sorted, i, i+1)
		delete(t.byID, id)
	}
}

// world is everything the account holds, with the indexes that make each
// request cost what it changes. It is guarded by Desk.mu. Objects in it are
// never changed, only replaced.
type world struct {
	settings settings
	nextID   int64
	keys     map[string]*apiKey

	people   map[int64]*Person
	byEmail  map[string]int64
	byWork   map[string][]int64
	byMobile map[string][]int64
	// The lists, by first name.
	everyone, requesters, agents *order[*Person]
	// seats counts the agents that occupy one of the licence.
	seats int

	roles           *table[*Role]
	fields          *table[*Field]
	departments     *table[*Department]
	locations       *table[*Location]
	groups          *table[*Group]
	requesterGroups *table[*RequesterGroup]

	// members are the people of a requester group by id; memberOf the groups of
	// a person.
	members  map[int64]*order[int64]
	memberOf map[int64][]int64
	// groupsOf tells an agent's groups.
	groupsOf map[int64]*agentGroups

	index *queryIndex
}

type agentGroups struct{ member, observer []int64 }

// firstID makes ids of eleven digits, as live accounts have them.
const firstID = 21_000_000_001

func newWorld(index *queryIndex) *world {
	return &world{
		settings:        settings{TimeZone: "Eastern Time (US & Canada)", Language: "en"},
		nextID:          firstID,
		keys:            map[string]*apiKey{},
		people:          map[int64]*Person{},
		byEmail:         map[string]int64{},
		byWork:          map[string][]int64{},
		byMobile:        map[string][]int64{},
		everyone:        &order[*Person]{compare: byFirstName},
		requesters:      &order[*Person]{compare: byFirstName},
		agents:          &order[*Person]{compare: byFirstName},
		roles:           newTable[*Role](),
		fields:          newTable[*Field](),
		departments:     newTable[*Department](),
		locations:       newTable[*Location](),
		groups:          newTable[*Group](),
		requesterGroups: newTable[*RequesterGroup](),
		members:         map[int64]*order[int64]{},
		memberOf:        map[int64][]int64{},
		groupsOf:        map[int64]*agentGroups{},
		index:           index,
	}
}

// newID takes the next id.
func (w *world) newID() int64 {
	id := w.nextID
	w.nextID++
	return id
}

// apply makes a change visible.
func (w *world) apply(c change) {
	w.nextID = max(w.nextID, c.id+1)
	switch c.kind {
	case kindPerson:
		p, _ := c.value.(*Person)
		w.putPerson(c.id, p)
	case kindRole:
		applyTo(w.roles, c)
	case kindField:
		applyTo(w.fields, c)
	case kindDepartment:
		applyTo(w.departments, c)
	case kindLocation:
		applyTo(w.locations, c)
	case kindGroup:
		w.putGroup(c)
	case kindRequesterGroup:
		applyTo(w.requesterGroups, c)
		if c.value == nil {
			if o := w.members[c.id]; o != nil {
				for id := range o.from(0) {
					w.memberOf[id] = without(w.memberOf[id], c.id)
				}
				delete(w.members, c.id)
			}
		}
	case kindMember:
		w.putMember(c)
	case kindKey:
		k, _ := c.value.(*apiKey)
		for old, have := range w.keys {
			if have.Agent == c.id {
				delete(w.keys, old)
			}
		}
		if k != nil {
			w.keys[k.Key] = k
		}
	case kindSetting:
		w.settings = *c.value.(*settings)
		w.nextID = max(w.nextID, w.settings.LastID+1)
	}
}

func applyTo[T object](t *table[T], c change) {
	if c.value == nil {
		t.remove(c.id)
		return
	}
	t.put(c.value.(T))
}

// putPerson replaces the person id by p; a nil p removes it.
func (w *world) putPerson(id int64, p *Person) {
	if old := w.people[id]; old != nil {
		for e := range old.emails {
			delete(w.byEmail, e)
		}
		unlist(w.byWork, old.WorkPhoneNumber, id)
		unlist(w.byMobile, old.MobilePhoneNumber, id)
		w.everyone.remove(old)
		w.listOf(old).remove(old)
		if old.seated() {
			w.seats--
		}
	}
	w.index.change(id, p)
	if p == nil {
		delete(w.people, id)
		return
	}
	p.sortKey = fold(p.FirstName)
	w.people[id] = p
	for e := range p.emails {
		w.byEmail[e] = id
	}
	enlist(w.byWork, p.WorkPhoneNumber, id)
	enlist(w.byMobile, p.MobilePhoneNumber, id)
	w.everyone.insert(p)
	w.listOf(p).insert(p)
	if p.seated() {
		w.seats++
	}
}

func (w *world) listOf(p *Person) *order[*Person] {
	if p.Agent != nil {
		return w.agents
	}
	return w.requesters
}

func enlist(m map[string][]int64, key string, id int64) {
	if key != "" {
		m[key] = append(m[key], id)
	}
}

func unlist(m map[string][]int64, key string, id int64) {
	if key == "" {
		return
	}
	if rest := without(m[key], id); len(rest) > 0 {
		m[key] = rest
	} else {
		delete(m, key)
	}
}

// without returns a new slice that lacks v.
func without(s []int64, v int64) []int64 {
	return slices.DeleteFunc(slices.Clone(s), func(x int64) bool { return x == v })
}

func (w *world) putGroup(c change) {
	if old := w.groups.byID[c.id]; old != nil {
		for _, id := range old.Members {
			w.groupsOf[id].member = without(w.groupsOf[id].member, c.id)
		}
		for _, id := range old.Observers {
			w.groupsOf[id].observer = without(w.groupsOf[id].observer, c.id)
		}
	}
	applyTo(w.groups, c)
	g, _ := c.value.(*Group)
	if g == nil {
		return
	}
	for _, id := range g.Members {
		w.agentGroups(id).member = append(w.agentGroups(id).member, c.id)
	}
	for _, id := range g.Observers {
		w.agentGroups(id).observer = append(w.agentGroups(id).observer, c.id)
	}
}

func (w *world) agentGroups(id int64) *agentGroups {
	a := w.groupsOf[id]
	if a == nil {
		a = &agentGroups{}
		w.groupsOf[id] = a
	}
	return a
}

func (w *world) putMember(c change) {
	o := w.members[c.id]
	if c.value == nil {
		if o != nil {
			o.remove(c.member)
		}
		w.memberOf[c.member] = without(w.memberOf[c.member], c.id)
		if len(w.memberOf[c.member]) == 0 {
			delete(w.memberOf, c.member)
		}
		return
	}
	if o == nil {
		o = &order[int64]{compare: cmp.Compare[int64]}
		w.members[c.id] = o
	}
	o.insert(c.member)
	if !slices.Contains(w.memberOf[c.member], c.id) {
		w.memberOf[c.member] = append(w.memberOf[c.member], c.id)
	}
}

// leaveGroups are the changes that take a person out of every requester group.
func (w *world) leaveGroups(id int64) []change {
	var cs []change
	for _, g := range w.memberOf[id] {
		cs = append(cs, change{kind: kindMember, id: g, member: id})
	}
	return cs
}

// leaveAgentGroups are the changes that take an agent out of every group.
func (w *world) leaveAgentGroups(id int64) []change {
	var cs []change
	for _, g := range w.groups.sorted {
		if !slices.Contains(g.Members, id) && !slices.Contains(g.Observers, id) && !slices.Contains(g.Leaders, id) {
			continue
		}
		c := *g
		c.Members, c.Observers, c.Leaders = without(g.Members, id), without(g.Observers, id), without(g.Leaders, id)
		cs = append(cs, change{kind: kindGroup, id: g.ID, value: &c})
	}
	return cs
}

// leaveDepartments are the changes that take a person from the head of every
// department.
func (w *world) leaveDepartments(id int64) []change {
	var cs []change
	for _, d := range w.departments.sorted {
		if int64(d.HeadUserID) == id {
			c := *d
			c.HeadUserID = 0
			cs = append(cs, change{kind: kindDepartment, id: d.ID, value: &c})
		}
	}
	return cs
}

// departmentsOf returns the person's departments that still exist: a deleted
// department is not removed from everyone, it is merely no longer shown.
func (w *world) departmentsOf(p *Person) []*Department {
	var out []*Department
	for _, id := range p.DepartmentIDs {
		if d := w.departments.byID[id]; d != nil {
			out = append(out, d)
		}
	}
	return out
}

// locationOf returns the person's location, nil when it has none or the
// location is gone.
func (w *world) locationOf(p *Person) *Location { return w.locations.byID[p.LocationID] }

// managerOf returns the id of the person's manager, 0 when there is none or
// the manager was forgotten.
func (w *world) managerOf(p *Person) int64 {
	if w.people[p.ReportingManagerID] == nil {
		return 0
	}
	return p.ReportingManagerID
}

// withEmail returns who holds an address, as primary or secondary, active or
// not.
func (w *world) withEmail(email string) *Person { return w.people[w.byEmail[fold(email)]] }

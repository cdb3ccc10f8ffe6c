// Package freshservicetest has a [freshservice.Mirror] in memory, for tests of
// the bridge and of what is built on it.
package freshservicetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"lockstep/internal/freshservice"
	"lockstep/internal/scim"
)

// A Mirror keeps records in memory. It is safe for concurrent use.
type Mirror struct {
	// Now gives Created and LastModified; nil for the real clock.
	Now func() time.Time

	mu       sync.Mutex
	records  map[key]*entry
	emails   map[string]string // address to user ID
	names    map[string]string // folded userName to the ID of the visible user
	members  map[string][]string
	settings map[string]string
	notes    map[key][]freshservice.Note
	writes   int
}

type key struct{ typ, id string }

type entry struct {
	typ               *scim.ResourceType
	raw               []byte
	revision          int64
	created, modified time.Time
	freshservice      []byte
	userName          string
	emails            []string
	hidden            bool
}

var _ freshservice.Mirror = (*Mirror)(nil)

// NewMirror returns an empty mirror.
func NewMirror() *Mirror {
	return &Mirror{
		records: map[key]*entry{}, emails: map[string]string{}, names: map[string]string{}, members: map[string][]string{},
		settings: map[string]string{}, notes: map[key][]freshservice.Note{},
	}
}

func (m *Mirror) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

func notFound(t *scim.ResourceType, id string) error {
	return scim.Errorf(scim.NotFound, "there is no %s with id %q", strings.ToLower(t.Name), id)
}

// resource decodes an entry; the caller has the lock.
func (m *Mirror) resource(id string, e *entry, withMembers bool) *scim.Resource {
	r := scim.StoredResource(e.typ, id, e.raw)
	r.Created, r.LastModified, r.Version = e.created, e.modified, scim.ETag(e.revision)
	if ids := m.members[id]; withMembers && e.typ.Name == "Group" && len(ids) > 0 {
		list := make([]scim.Value, len(ids))
		for i, id := range ids {
			list[i] = scim.NewObject("value", id, "type", "User")
		}
		r.Attributes().Set("members", list)
	}
	return r
}

// Get implements [freshservice.Mirror].
func (m *Mirror) Get(_ context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.records[key{t.Name, id}]
	if e == nil || e.hidden {
		return nil, notFound(t, id)
	}
	return m.resource(id, e, p.Wants("members")), nil
}

// Query implements [freshservice.Mirror] by looking at every record.
func (m *Mirror) Query(_ context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error) {
	var matcher *scim.Matcher
	if q.Filter != nil {
		var err error
		if matcher, err = scim.CompileFilter(t, q.Filter); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := slices.SortedFunc(maps.Keys(m.records), func(a, b key) int {
		return cmp.Or(cmp.Compare(len(a.id), len(b.id)), strings.Compare(a.id, b.id))
	})
	var found []*scim.Resource
	for _, k := range ids {
		e := m.records[k]
		if k.typ != t.Name || e.hidden {
			continue
		}
		if r := m.resource(k.id, e, true); matcher == nil || matcher.Match(r) {
			found = append(found, m.resource(k.id, e, q.Projection.Wants("members")))
		}
	}
	page := &scim.Page{Total: len(found)}
	start := min(max(q.StartIndex, 1)-1, len(found))
	page.Resources = found[start:min(start+q.Count, len(found))]
	return page, nil
}

func (m *Mirror) record(k key) *freshservice.Record {
	e := m.records[k]
	if e == nil {
		return nil
	}
	return &freshservice.Record{Resource: m.resource(k.id, e, false), Freshservice: e.freshservice, Emails: e.emails, Hidden: e.hidden}
}

// Record implements [freshservice.Mirror].
func (m *Mirror) Record(_ context.Context, t *scim.ResourceType, id string) (*freshservice.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.record(key{t.Name, id}); r != nil {
		return r, nil
	}
	return nil, notFound(t, id)
}

// RecordByEmail implements [freshservice.Mirror].
func (m *Mirror) RecordByEmail(_ context.Context, email string) (*freshservice.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, ok := m.emails[strings.ToLower(email)]
	if !ok {
		return nil, nil
	}
	return m.record(key{"User", id}), nil
}

// RecordByUserName implements [freshservice.Mirror].
func (m *Mirror) RecordByUserName(_ context.Context, userName string) (*freshservice.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id := m.userNamed(userName); id != "" {
		return m.record(key{"User", id}), nil
	}
	return nil, nil
}

func (m *Mirror) userNamed(userName string) string { return m.names[scim.Fold(userName)] }

// unname forgets the userName and the addresses of an entry.
func (m *Mirror) unname(k key, e *entry) {
	for _, a := range e.emails {
		if m.emails[a] == k.id {
			delete(m.emails, a)
		}
	}
	if name := scim.Fold(e.userName); k.typ == "User" && m.names[name] == k.id {
		delete(m.names, name)
	}
}

// Put implements [freshservice.Mirror].
func (m *Mirror) Put(_ context.Context, records ...*freshservice.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rec := range records {
		if rec.Resource.Type.Name != "User" || rec.Hidden {
			continue
		}
		name := rec.Resource.Peek().Text("userName")
		if id := m.userNamed(name); id != "" && id != rec.Resource.ID {
			return scim.Errorf(scim.Uniqueness, "userName %q is taken by %s", name, id).On("userName")
		}
	}
	for _, rec := range records {
		m.writes++
		r := rec.Resource
		raw, err := r.JSON()
		if err != nil {
			return err
		}
		k := key{r.Type.Name, r.ID}
		e := m.records[k]
		if e == nil {
			e = &entry{typ: r.Type, created: m.now()}
			m.records[k] = e
		}
		if string(e.raw) != string(raw) {
			e.raw, e.modified = slices.Clone(raw), m.now()
			e.revision++
		}
		m.unname(k, e)
		e.userName = r.Peek().Text("userName")
		if k.typ == "User" && !rec.Hidden {
			m.names[scim.Fold(e.userName)] = r.ID
		}
		e.freshservice, e.emails, e.hidden = slices.Clone(rec.Freshservice), slices.Clone(rec.Emails), rec.Hidden
		for _, a := range e.emails {
			m.emails[a] = r.ID
		}
		r.Created, r.LastModified, r.Version = e.created, e.modified, scim.ETag(e.revision)
	}
	return nil
}

// Remove implements [freshservice.Mirror].
func (m *Mirror) Remove(_ context.Context, t *scim.ResourceType, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := key{t.Name, id}
	e := m.records[k]
	if e == nil {
		return nil
	}
	m.unname(k, e)
	delete(m.records, k)
	delete(m.notes, k)
	if t.Name == "Group" {
		delete(m.members, id)
		return nil
	}
	for g, ids := range m.members {
		m.members[g] = slices.DeleteFunc(ids, func(s string) bool { return s == id })
	}
	return nil
}

// EditMembers implements [freshservice.Mirror].
func (m *Mirror) EditMembers(_ context.Context, groupID string, cond scim.Precondition, add, remove []scim.Member) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.records[key{"Group", groupID}]
	if e == nil {
		return "", scim.Errorf(scim.NotFound, "there is no group with id %q", groupID)
	}
	if err := cond.Check(scim.ETag(e.revision)); err != nil {
		return "", err
	}
	ids := slices.Clone(m.members[groupID])
	for _, a := range add {
		if m.records[key{"User", a.Value}] == nil && m.records[key{"Group", a.Value}] == nil {
			return "", scim.Errorf(scim.InvalidValue, "the member %q does not exist", a.Value).On("members")
		}
		if !slices.Contains(ids, a.Value) {
			ids = append(ids, a.Value)
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool {
		return slices.ContainsFunc(remove, func(r scim.Member) bool { return r.Value == id })
	})
	if !slices.Equal(ids, m.members[groupID]) {
		m.members[groupID] = ids
		e.revision++
	}
	return scim.ETag(e.revision), nil
}

// Members implements [freshservice.Mirror].
func (m *Mirror) Members(_ context.Context, groupID string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.members[groupID]), nil
}

// Setting implements [freshservice.Mirror].
func (m *Mirror) Setting(_ context.Context, name string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.settings[name], nil
}

// SetSetting implements [freshservice.Mirror].
func (m *Mirror) SetSetting(_ context.Context, name, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settings[name] = value
	return nil
}

// SetNotes implements [freshservice.Mirror].
func (m *Mirror) SetNotes(_ context.Context, t *scim.ResourceType, id string, notes []freshservice.Note) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes[key{t.Name, id}] = slices.Clone(notes)
	return nil
}

// Notes returns what is noted about one record.
func (m *Mirror) Notes(t *scim.ResourceType, id string) []freshservice.Note {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.notes[key{t.Name, id}])
}

// Writes returns how many records were put.
func (m *Mirror) Writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

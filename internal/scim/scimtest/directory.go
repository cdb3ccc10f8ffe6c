package scimtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lockstep/internal/scim"
)

// maxWalks is how many cursor walks a Directory remembers; older ones expire.
const maxWalks = 64

// A Directory is a scim.Directory and scim.MemberEditor in memory. One lock
// guards everything and every query looks at every resource: what it lacks in
// speed it has in obviousness.
type Directory struct {
	mu        sync.Mutex
	types     map[string]*scim.ResourceType // by name
	resources map[string]*entry             // by id
	created   int64
	walks     map[int64]*walk
	lastWalk  int64
}

// An entry is one stored resource. Its resource is never handed out.
type entry struct {
	resource *scim.Resource
	number   int64 // counts creations; resources are listed in this order
	revision int64
}

// A walk is the list of ids that a query by cursor matched when it began. To
// walk over a fixed list is what makes each resource appear once, whatever is
// written meanwhile.
type walk struct {
	typeName string
	ids      []string
}

// NewDirectory returns an empty Directory for resources of the given types;
// without any, for the default users and groups.
func NewDirectory(types ...*scim.ResourceType) *Directory {
	if len(types) == 0 {
		types = []*scim.ResourceType{scim.UserType(), scim.GroupType()}
	}
	d := &Directory{
		types:     map[string]*scim.ResourceType{},
		resources: map[string]*entry{},
		walks:     map[int64]*walk{},
	}
	for _, t := range types {
		d.types[t.Name] = t
	}
	return d
}

// Len returns the number of resources of all types.
func (d *Directory) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.resources)
}

// Get implements scim.Directory.
func (d *Directory) Get(ctx context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, err := d.find(ctx, t, id)
	if err != nil {
		return nil, err
	}
	return e.read(t, p), nil
}

// Create implements scim.Directory.
func (d *Directory) Create(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.types[r.Type.Name] == nil {
		return nil, fmt.Errorf("scimtest: no resource type %q", r.Type.Name)
	}
	stored := r.Clone()
	stored.ID = fmt.Sprintf("%08x-0000-4000-8000-%012x", len(r.Type.Name), d.created+1)
	if err := d.check(stored); err != nil {
		return nil, err
	}
	d.created++
	stored.Created = time.Now().UTC().Truncate(time.Millisecond)
	stored.LastModified = stored.Created
	stored.Version = scim.ETag(1)
	e := &entry{number: d.created, revision: 1}
	if err := e.keep(stored); err != nil {
		return nil, err
	}
	d.resources[stored.ID] = e
	return e.read(r.Type, scim.Projection{}), nil
}

// Update implements scim.Directory.
func (d *Directory) Update(ctx context.Context, t *scim.ResourceType, id string, cond scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, err := d.find(ctx, t, id)
	if err != nil {
		return nil, err
	}
	if err := cond.Check(e.resource.Version); err != nil {
		return nil, err
	}
	r := e.read(t, scim.Projection{})
	if err := change(r); err != nil {
		return nil, err
	}
	if err := d.write(e, r); err != nil {
		return nil, err
	}
	return e.read(t, scim.Projection{}), nil
}

// Delete implements scim.Directory.
func (d *Directory) Delete(ctx context.Context, t *scim.ResourceType, id string, cond scim.Precondition) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, err := d.find(ctx, t, id)
	if err != nil {
		return err
	}
	if err := cond.Check(e.resource.Version); err != nil {
		return err
	}
	delete(d.resources, id)
	for _, other := range d.resources {
		if !hasMember(other.resource.Peek(), id) {
			continue
		}
		group := other.read(other.resource.Type, scim.Projection{})
		setMembers(group.Attributes(), without(group.Attributes(), id))
		if err := d.write(other, group); err != nil {
			return err
		}
	}
	return nil
}

// EditMembers implements scim.MemberEditor.
func (d *Directory) EditMembers(ctx context.Context, groupID string, cond scim.Precondition, add, remove []scim.Member) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, err := d.find(ctx, d.types["Group"], groupID)
	if err != nil {
		return "", err
	}
	if err := cond.Check(e.resource.Version); err != nil {
		return "", err
	}
	r := e.read(e.resource.Type, scim.Projection{})
	attrs := r.Attributes()
	for _, m := range remove {
		setMembers(attrs, without(attrs, m.Value))
	}
	for _, m := range add {
		if hasMember(attrs, m.Value) {
			continue
		}
		o := scim.NewObject("value", m.Value)
		if m.Type != "" {
			o.Set("type", m.Type)
		}
		if m.Display != "" {
			o.Set("display", m.Display)
		}
		setMembers(attrs, append(attrs.Elements("members"), o))
	}
	if err := d.write(e, r); err != nil {
		return "", err
	}
	return e.resource.Version, nil
}

// write stores r as the next revision of e, unless nothing changed.
func (d *Directory) write(e *entry, r *scim.Resource) error {
	if scim.Equal(r.Peek(), e.resource.Peek()) {
		return nil
	}
	if err := d.check(r); err != nil {
		return err
	}
	e.revision++
	r.Version = scim.ETag(e.revision)
	r.LastModified = time.Now().UTC().Truncate(time.Millisecond)
	return e.keep(r)
}

// keep makes r, encoded anew, the content of e.
func (e *entry) keep(r *scim.Resource) error {
	raw, err := scim.AppendJSON(nil, r.Attributes())
	if err != nil {
		return err
	}
	s := scim.StoredResource(r.Type, r.ID, raw)
	s.Created, s.LastModified, s.Version = r.Created, r.LastModified, r.Version
	e.resource = s
	return nil
}

// read returns a copy that the caller may change.
func (e *entry) read(t *scim.ResourceType, p scim.Projection) *scim.Resource {
	raw, err := e.resource.JSON()
	if err != nil {
		panic(err) // keep encoded it
	}
	r := scim.StoredResource(t, e.resource.ID, raw)
	r.Created, r.LastModified, r.Version = e.resource.Created, e.resource.LastModified, e.resource.Version
	if !p.Wants("members") {
		r.Attributes().Delete("members")
	}
	return r
}

func (d *Directory) find(ctx context.Context, t *scim.ResourceType, id string) (*entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e := d.resources[id]
	if t == nil || e == nil || e.resource.Type.Name != t.Name {
		return nil, scim.Errorf(scim.NotFound, "resource %q not found", id)
	}
	return e, nil
}

// check refuses values that are taken and members that do not exist.
func (d *Directory) check(r *scim.Resource) error {
	attrs := r.Peek()
	for _, a := range r.Type.Schema.Attributes {
		v := attrs.Text(a.Name)
		if v == "" || a.Uniqueness == "" || a.Uniqueness == scim.UniqueNone {
			continue
		}
		for id, other := range d.resources {
			if id == r.ID || other.resource.Type.Name != r.Type.Name {
				continue
			}
			w := other.resource.Peek().Text(a.Name)
			if w == v || !a.CaseExact && strings.EqualFold(w, v) {
				return scim.Errorf(scim.Uniqueness, "another %s has the %s %q already", r.Type.Name, a.Name, v).On(a.Name)
			}
		}
	}
	for _, v := range attrs.Elements("members") {
		m, _ := v.(*scim.Object)
		if d.resources[m.Text("value")] == nil {
			return scim.Errorf(scim.InvalidValue, "there is no user or group %q to be a member", m.Text("value")).On("members")
		}
	}
	return nil
}

// Query implements scim.Directory.
func (d *Directory) Query(ctx context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q.Cursor != nil && *q.Cursor != "" {
		return d.resume(t, q)
	}
	found, err := d.match(t, q)
	if err != nil {
		return nil, err
	}
	if q.Cursor != nil {
		w := &walk{typeName: t.Name}
		for _, e := range found {
			w.ids = append(w.ids, e.resource.ID)
		}
		d.lastWalk++
		d.walks[d.lastWalk] = w
		delete(d.walks, d.lastWalk-maxWalks)
		return d.step(t, q, d.lastWalk, 0), nil
	}
	page := &scim.Page{Total: len(found)}
	start := min(max(q.StartIndex-1, 0), len(found))
	end := start + min(max(q.Count, 0), len(found)-start)
	for _, e := range found[start:end] {
		page.Resources = append(page.Resources, e.read(t, q.Projection))
	}
	return page, nil
}

// match returns the entries that q selects, in its order.
func (d *Directory) match(t *scim.ResourceType, q scim.Query) ([]*entry, error) {
	matches := func(*scim.Resource) bool { return true }
	if q.Filter != nil {
		m, err := scim.CompileFilter(t, q.Filter)
		if err != nil {
			return nil, err
		}
		matches = m.Match
	}
	var found []*entry
	for e := range maps.Values(d.resources) {
		if e.resource.Type.Name == t.Name && matches(e.resource) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *entry) int {
		var c int
		if q.SortBy != nil {
			c = scim.Compare(t, *q.SortBy, a.resource, b.resource)
		}
		if q.Descending {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.number, b.number))
	})
	return found, nil
}

// resume continues the walk that the cursor names.
func (d *Directory) resume(t *scim.ResourceType, q scim.Query) (*scim.Page, error) {
	number, offset, ok := strings.Cut(*q.Cursor, "-")
	n, err1 := strconv.ParseInt(number, 36, 64)
	from, err2 := strconv.Atoi(offset)
	if !ok || err1 != nil || err2 != nil || n < 1 || n > d.lastWalk || from < 0 {
		return nil, scim.Errorf(scim.InvalidCursor, "the cursor is not one that this service gave out; start again with an empty cursor")
	}
	w := d.walks[n]
	if w == nil {
		return nil, scim.Errorf(scim.ExpiredCursor, "the cursor has expired; start again with an empty cursor")
	}
	if w.typeName != t.Name || from > len(w.ids) {
		return nil, scim.Errorf(scim.InvalidCursor, "the cursor belongs to another query; start again with an empty cursor")
	}
	return d.step(t, q, n, from), nil
}

// step reads one page of a walk. What was deleted meanwhile is left out.
func (d *Directory) step(t *scim.ResourceType, q scim.Query, number int64, from int) *scim.Page {
	w := d.walks[number]
	page := &scim.Page{Total: len(w.ids)}
	i := from
	for ; i < len(w.ids) && len(page.Resources) < q.Count; i++ {
		if e := d.resources[w.ids[i]]; e != nil {
			page.Resources = append(page.Resources, e.read(t, q.Projection))
		}
	}
	if i < len(w.ids) {
		page.NextCursor = strconv.FormatInt(number, 36) + "-" + strconv.Itoa(i)
	}
	if from > 0 {
		page.PrevCursor = strconv.FormatInt(number, 36) + "-" + strconv.Itoa(max(0, from-q.Count))
	}
	return page
}

func hasMember(attrs *scim.Object, id string) bool {
	return slices.ContainsFunc(attrs.Elements("members"), isMember(id))
}

func without(attrs *scim.Object, id string) []scim.Value {
	return slices.DeleteFunc(slices.Clone(attrs.Elements("members")), isMember(id))
}

func isMember(id string) func(scim.Value) bool {
	return func(v scim.Value) bool {
		o, _ := v.(*scim.Object)
		return o.Text("value") == id
	}
}

func setMembers(attrs *scim.Object, members []scim.Value) {
	if len(members) == 0 {
		attrs.Delete("members")
		return
	}
	attrs.Set("members", members)
}

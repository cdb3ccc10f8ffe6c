package freshservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"lockstep/internal/scim"
)

// A catalogue is what the bridge knows of an account besides people and
// groups. It is kept in the mirror as one setting, so that a new process needs
// no call for it.
type catalogue struct {
	departments, locations names

	mu         sync.RWMutex
	roles      []Role
	fieldsOf   map[Kind][]Field
	knownCodes []string
}

// A names is a list of departments or of locations by name.
type names struct {
	// making is held while a name is looked up in Freshservice or created, so
	// that it is created once whoever asks.
	making sync.Mutex

	mu     sync.RWMutex
	byID   map[int64]string
	exact  map[string]int64
	folded map[string]int64
	read   time.Time
	// restored names are those of an earlier process, which may have created one
	// more and ended before it could write that down.
	restored bool
}

func (n *names) set(list []named, at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.byID, n.exact, n.folded, n.read, n.restored = map[int64]string{}, map[string]int64{}, map[string]int64{}, at, false
	for _, item := range list {
		n.put(item)
	}
}

// put remembers a name. Of several with the same the first counts.
func (n *names) put(item named) {
	n.byID[item.ID] = item.Name
	if _, ok := n.exact[item.Name]; !ok {
		n.exact[item.Name] = item.ID
	}
	if k := foldKey(item.Name); n.folded[k] == 0 {
		n.folded[k] = item.ID
	}
}

func (n *names) add(item named) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.put(item)
}

// id finds a name: as it is, then whatever its case and white space.
func (n *names) id(name string) (int64, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if id, ok := n.exact[name]; ok {
		return id, true
	}
	id, ok := n.folded[foldKey(name)]
	return id, ok
}

func (n *names) name(id int64) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.byID[id]
}

func (n *names) age(now time.Time) time.Duration {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return now.Sub(n.read)
}

func (n *names) isRestored() bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.restored
}

func (n *names) list() []named {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var list []named
	for id, name := range n.byID {
		list = append(list, named{id, name})
	}
	slices.SortFunc(list, func(a, b named) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	return list
}

func (n *names) nearest(name string) string {
	var list []string
	for _, item := range n.list() {
		list = append(list, item.Name)
	}
	return nearest(name, list)
}

type named struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// savedCatalogue is the catalogue as it is kept.
type savedCatalogue struct {
	Departments []named          `json:"departments"`
	Locations   []named          `json:"locations"`
	Roles       []Role           `json:"roles"`
	Fields      map[Kind][]Field `json:"fields"`
	Read        time.Time        `json:"read"`
}

// fields returns the account's fields for one kind, and whether they are known.
func (c *catalogue) fields(kind Kind) ([]Field, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	f, ok := c.fieldsOf[kind]
	return f, ok
}

// languages returns the codes that the account offers.
func (c *catalogue) languages() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.knownCodes) > 0 {
		return c.knownCodes
	}
	return languageCodes()
}

// roleIDs finds roles by name; missing are those that do not exist.
func (c *catalogue) roleIDs(wanted []string) (ids []int64, missing []string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, name := range wanted {
		i := slices.IndexFunc(c.roles, func(r Role) bool { return strings.EqualFold(r.Name, strings.TrimSpace(name)) })
		if i < 0 {
			missing = append(missing, name)
			continue
		}
		ids = append(ids, c.roles[i].ID)
	}
	return ids, missing
}

func (c *catalogue) load(s *savedCatalogue) {
	c.departments.set(s.Departments, s.Read)
	c.locations.set(s.Locations, s.Read)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles, c.fieldsOf, c.knownCodes = s.Roles, s.Fields, languageCodes()
	for _, f := range s.Fields[Requester] {
		if f.Name == "language" || f.Type == "default_language" {
			for _, code := range f.Choices {
				if !slices.Contains(c.knownCodes, code) {
					c.knownCodes = append(slices.Clip(c.knownCodes), code)
				}
			}
		}
	}
}

// restoreCatalogue loads what an earlier process kept; ok is false when there
// is nothing.
func (b *Bridge) restoreCatalogue(ctx context.Context) (ok bool, err error) {
	s, err := b.mirror.Setting(ctx, settingCatalogue)
	if err != nil || s == "" {
		return false, err
	}
	var saved savedCatalogue
	if json.Unmarshal([]byte(s), &saved) != nil {
		return false, nil // read again from Freshservice
	}
	b.catalogue.load(&saved)
	for _, n := range []*names{&b.catalogue.departments, &b.catalogue.locations} {
		n.mu.Lock()
		n.restored = true
		n.mu.Unlock()
	}
	return true, nil
}

// readCatalogue reads departments, locations, roles and fields. What the key
// may not see is left out: fields are then sent as they come.
func (b *Bridge) readCatalogue(ctx context.Context) error {
	s := savedCatalogue{Read: b.now(), Fields: map[Kind][]Field{}}
	var err error
	optional := func(err error) error {
		var a *APIError
		if errors.As(err, &a) && a.Status == 403 && a.Code != "" {
			b.log.Warn("the API key may not read a part of the account", "error", err)
			return nil
		}
		return err
	}
	for _, kind := range []Kind{Requester, Agent} {
		fields, err := b.client.Fields(ctx, kind)
		if optional(err) != nil {
			return err
		}
		if err == nil {
			s.Fields[kind] = fields
		}
	}
	if s.Roles, err = b.client.Roles(ctx); optional(err) != nil {
		return err
	}
	if s.Departments, err = b.readDepartments(ctx); optional(err) != nil {
		return err
	}
	if s.Locations, err = b.readLocations(ctx); optional(err) != nil {
		return err
	}
	b.catalogue.load(&s)
	return b.saveCatalogue(ctx, &s)
}

func (b *Bridge) saveCatalogue(ctx context.Context, s *savedCatalogue) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return b.mirror.SetSetting(ctx, settingCatalogue, string(data))
}

// keepNames saves the catalogue after a name was added.
func (b *Bridge) keepNames(ctx context.Context) error {
	c := &b.catalogue
	c.mu.RLock()
	s := &savedCatalogue{Roles: c.roles, Fields: c.fieldsOf}
	c.mu.RUnlock()
	s.Departments, s.Locations = c.departments.list(), c.locations.list()
	c.departments.mu.RLock()
	s.Read = c.departments.read
	c.departments.mu.RUnlock()
	return b.saveCatalogue(context.WithoutCancel(ctx), s)
}

func (b *Bridge) readDepartments(ctx context.Context) ([]named, error) {
	list, err := b.client.Departments(ctx)
	out := make([]named, len(list))
	for i, d := range list {
		out[i] = named(d)
	}
	return out, err
}

func (b *Bridge) readLocations(ctx context.Context) ([]named, error) {
	list, err := b.client.Locations(ctx)
	out := make([]named, len(list))
	for i, l := range list {
		out[i] = named{l.ID, l.Name}
	}
	return out, err
}

// rereadAfter is how long a list of names is believed when a name is not in
// it: administrators add a department and expect it to be found soon.
const rereadAfter = 10 * time.Minute

// place sets the department or location with the given name.
func (b *Bridge) place(ctx context.Context, t *translation, n *names, name, attribute string, peek bool) error {
	name = strings.TrimSpace(name)
	if name == "" {
		return nil
	}
	id, ok := n.id(name)
	if !ok && peek {
		return nil
	}
	what, code, policy := "department", "unknown_department", b.settings.UnknownDepartments
	if n == &b.catalogue.locations {
		what, code, policy = "location", "unknown_location", b.settings.UnknownLocations
	}
	if !ok {
		var err error
		if id, ok, err = b.findOrMake(ctx, n, name, policy == CreateName); err != nil {
			return b.refuse(err, &translation{origin: map[string]origin{"name": {attribute, name}}})
		}
	}
	switch {
	case ok && what == "department":
		t.set("department_ids", []int64{id}, attribute, name)
	case ok:
		t.set("location_id", id, attribute, name)
	case policy == Refuse:
		return scim.Errorf(scim.InvalidValue, "Freshservice has no %s %q%s; create it there, or let this account leave unknown %ss out", what, name, didYouMean(n.nearest(name)), what).On(attribute)
	default:
		t.note(attribute, name, code, "Freshservice has no %s %q%s; create it there, or let this account create unknown %ss", what, name, didYouMean(n.nearest(name)), what)
	}
	return nil
}

// findOrMake reads the names anew when they are old, and creates the name if
// it may.
func (b *Bridge) findOrMake(ctx context.Context, n *names, name string, create bool) (int64, bool, error) {
	if !create && n.age(b.now()) < rereadAfter {
		return 0, false, nil
	}
	n.making.Lock()
	defer n.making.Unlock()
	if id, ok := n.id(name); ok {
		return id, true, nil
	}
	reread := func() (int64, bool, error) {
		list := b.readLocations
		if n == &b.catalogue.departments {
			list = b.readDepartments
		}
		items, err := list(ctx)
		if err != nil {
			return 0, false, err
		}
		n.set(items, b.now())
		id, ok := n.id(name)
		return id, ok, b.keepNames(ctx)
	}
	if n.age(b.now()) >= rereadAfter || n.isRestored() {
		if id, ok, err := reread(); ok || err != nil || !create {
			return id, ok, err
		}
	}
	id, err := b.makeName(ctx, n, name)
	if err != nil {
		// Created meanwhile by somebody else, or by a call whose answer was lost.
		var a *APIError
		if errors.As(err, &a) && (a.Status == 409 || a.Status == 400) || outcomeUnknown(err) {
			if id, ok, rereadErr := reread(); ok && rereadErr == nil {
				return id, true, nil
			}
		}
		return 0, false, err
	}
	n.add(named{id, name})
	return id, true, b.keepNames(ctx)
}

func (b *Bridge) makeName(ctx context.Context, n *names, name string) (int64, error) {
	if n == &b.catalogue.departments {
		d, err := b.client.CreateDepartment(ctx, name)
		if err != nil {
			return 0, fmt.Errorf("creating the department %q: %w", name, err)
		}
		return d.ID, nil
	}
	l, err := b.client.CreateLocation(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("creating the location %q: %w", name, err)
	}
	return l.ID, nil
}

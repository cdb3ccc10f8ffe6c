package entra

import (
	"context"
	"hash/maphash"
	"net/url"
	"slices"

	"golang.org/x/sync/errgroup"

	"lockstep/internal/graph"
	"lockstep/internal/provision"
)

// counts reports whether an object can be a member that is provisioned. Devices
// and services cannot, and groups only say who else is a member.
func (s *Source) counts(o *graph.DirectoryObject) bool {
	return o.Type == "" || o.Type == graph.TypeUser || o.Type == graph.TypeGroup && s.nested
}

// members reads the direct members of a group that count, sorted. What a
// delta told holds against the reading, which may come from a replica that lags
// behind; should the delta be the older of the two, the next one corrects it. A
// member that it told both to come and to go is as the reading says.
func (s *Source) members(ctx context.Context, id string, told []graph.DirectoryObject) ([]string, error) {
	came, went := map[string]bool{}, map[string]bool{}
	for i := range told {
		if m := &told[i]; m.Removed != "" {
			went[m.ID] = true
		} else if s.counts(m) {
			came[m.ID] = true
		}
	}
	var ids []string
	for m, err := range s.graph.Members(ctx, id) {
		if err != nil {
			return nil, err
		}
		if s.counts(m) && (!went[m.ID] || came[m.ID]) {
			ids = append(ids, m.ID)
		}
	}
	for m := range came {
		if !went[m] {
			ids = append(ids, m)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// each calls f for every index up to n, some at once.
func (s *Source) each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.concurrency)
	for i := range n {
		group.Go(func() error { return f(ctx, i) })
	}
	return group.Wait()
}

// manager reads the manager of one user, "" for none.
func (s *Source) manager(ctx context.Context, id string) (string, error) {
	d, err := graph.Get[graph.DirectoryObject](ctx, s.graph, "/users/"+url.PathEscape(id),
		graph.Query{Select: []string{"id"}, Expand: "manager($select=id)"})
	if graph.IsNotFound(err) {
		return "", nil // deleted since; the next round says so
	}
	if err != nil {
		return "", err
	}
	return managerID(d), nil
}

// A managers is who manages whom, compactly: a million people cost some 30 MB.
type managers struct {
	seed  maphash.Seed
	of    map[uint64]uint32 // by hash of a user's ID, an index of ids
	ids   []string
	index map[string]uint32
}

// readManagers reads the manager of everybody, 999 people at a time. A first
// delta round does not tell all of them, or tells them in entries of their own.
func (s *Source) readManagers(ctx context.Context) (*managers, error) {
	m := &managers{seed: maphash.MakeSeed(), of: map[uint64]uint32{}, index: map[string]uint32{}}
	q := graph.Query{Select: []string{"id"}, Expand: "manager($select=id)", Top: 999}
	for o, err := range graph.List[graph.DirectoryObject](ctx, s.graph, "/users", q) {
		if err != nil {
			return nil, err
		}
		manager := managerID(o)
		if manager == "" {
			continue
		}
		i, ok := m.index[manager]
		if !ok {
			i = uint32(len(m.ids))
			m.ids = append(m.ids, manager)
			m.index[manager] = i
		}
		m.of[maphash.String(m.seed, o.ID)] = i
	}
	m.index = nil
	return m, nil
}

func (m *managers) manager(id string) string {
	if i, ok := m.of[maphash.String(m.seed, id)]; ok {
		return m.ids[i]
	}
	return ""
}

// reread reads objects that a round told more than once, now that it is over,
// and says what became of them.
func (s *Source) reread(ctx context.Context, sel *selected, ids []string) ([]provision.Change, error) {
	changes := make([]provision.Change, len(ids))
	err := s.each(ctx, len(ids), func(ctx context.Context, i int) error {
		read := s.readUser
		if sel.typ == provision.Group {
			read = func(ctx context.Context, id string) (*provision.Object, error) { return s.readGroup(ctx, id, nil) }
		}
		o, err := read(ctx, ids[i])
		if err == nil {
			changes[i] = provision.Change{Object: o}
			return nil
		}
		if !graph.IsNotFound(err) {
			return err
		}
		changes[i] = provision.Change{Object: &provision.Object{Type: sel.typ, ID: ids[i]}, Removed: provision.RemovedHard}
		switch _, err := s.graph.DeletedItem(ctx, ids[i]); {
		case err == nil, graph.IsForbidden(err):
			// Without a look into the recycle bin, the milder of the two.
			changes[i].Removed = provision.RemovedSoft
		case !graph.IsNotFound(err):
			return err
		}
		return nil
	})
	return changes, err
}

package desk

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Dump writes the account as a [Seed], one person a line, sorted by id. An
// account filled from it is the same but for the API keys.
func (d *Desk) Dump(w io.Writer) error {
	head, people := d.snapshot()
	b, err := json.MarshalIndent(head, "", "  ")
	if err != nil {
		return fmt.Errorf("desk: dump: %w", err)
	}
	out := bufio.NewWriter(w)
	// Writing to a bufio.Writer fails for good once it fails: Flush tells.
	out.Write(b[:len(b)-len("\n}")])
	out.WriteString(",\n  \"people\": [")
	for i, p := range people {
		line, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("desk: dump person %d: %w", p.ID, err)
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n    ")
		out.Write(line)
	}
	out.WriteString("\n  ]\n}\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("desk: dump: %w", err)
	}
	return nil
}

// snapshot copies what is small and collects the people, who never change.
func (d *Desk) snapshot() (*Seed, []*Person) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	w := d.world
	s := &Seed{
		TimeZone: w.settings.TimeZone, Language: w.settings.Language,
		Roles: values(w.roles.sorted, nil), Fields: values(w.fields.sorted, nil), Groups: values(w.groups.sorted, nil),
		Departments: values(w.departments.sorted, func(o *Department) { *o = *departments.view(w, o) }),
		Locations:   values(w.locations.sorted, func(o *Location) { *o = *locations.view(w, o) }),
	}
	s.RequesterGroups = []SeedRequesterGroup{}
	for _, o := range w.requesterGroups.sorted {
		g := SeedRequesterGroup{RequesterGroup: *o}
		if members := w.members[o.ID]; members != nil {
			g.Members = slices.Collect(members.from(0))
		}
		s.RequesterGroups = append(s.RequesterGroups, g)
	}
	people := make([]*Person, 0, len(w.people))
	for _, p := range w.people {
		people = append(people, w.pruned(p))
	}
	slices.SortFunc(people, func(a, b *Person) int { return int(min(1, max(-1, a.ID-b.ID))) })
	return s, people
}

// values copies what the pointers point to.
func values[T any](all []*T, edit func(*T)) []T {
	out := make([]T, len(all))
	for i, p := range all {
		out[i] = *p
		if edit != nil {
			edit(&out[i])
		}
	}
	return out
}

// pruned returns the person without references to what is gone.
func (w *world) pruned(p *Person) *Person {
	departments := w.departmentsOf(p)
	if len(departments) == len(p.DepartmentIDs) && (p.LocationID == 0 || w.locationOf(p) != nil) && w.managerOf(p) == p.ReportingManagerID {
		return p
	}
	c := p.copy()
	c.DepartmentIDs = nil
	for _, d := range departments {
		c.DepartmentIDs = append(c.DepartmentIDs, d.ID)
	}
	if w.locationOf(p) == nil {
		c.LocationID = 0
	}
	c.ReportingManagerID = w.managerOf(p)
	return c
}

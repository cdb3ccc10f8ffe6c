package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lockstep/internal/scim"
)

// A world is a small directory with all that filters can tell apart, and a
// plain copy of it to compare with.
type world struct {
	dir    *Directory
	users  []*scim.Resource
	groups []*scim.Resource
}

func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	w := &world{dir: openWith(t, o).Directory("acme")}
	names := []string{"ana", "ANA2", "Zoë", "ZOË2", "straße", "K", "kelvin", "İ", "a%b", "a_b", `q"uote`, "ben"}
	for i, name := range names {
		o := scim.NewObject("schemas", []scim.Value{scim.URNUser}, "userName", name+"@acme.example")
		if i%2 == 0 {
			o.Set("displayName", "Person "+name)
		}
		if i%3 != 0 {
			o.Set("externalId", strings.ToUpper(name))
		}
		if i%4 != 0 {
			o.Set("active", i%4 == 1)
		}
		if i%3 == 1 {
			o.Set("title", fmt.Sprintf("T%d", i%2))
		}
		var emails []scim.Value
		for j := range i % 3 {
			emails = append(emails, scim.NewObject("value", fmt.Sprintf("%s%d@Mail.example", name, j), "type", []string{"work", "home"}[j], "primary", j == i%2))
		}
		if i%2 == 1 {
			o.Set("name", scim.NewObject("familyName", name, "givenName", "T"+name))
			o.Set("profileUrl", "https://acme.example/"+name)
			o.Set("phoneNumbers", []scim.Value{scim.NewObject("value", name), scim.NewObject("value", "T1", "type", "WORK")})
		}
		if i%3 != 2 {
			e := scim.NewObject("department", strings.ToUpper(name))
			if i > 0 {
				e.Set("manager", scim.NewObject("value", w.users[0].ID))
			}
			o.Set(scim.URNEnterprise, e)
			o.Set(scim.URNFreshservice, scim.NewObject("isAgent", i%2 == 0, "Badge", "T0"))
		}
		if emails != nil {
			o.Set("emails", emails)
		}
		r, err := w.dir.Create(t.Context(), scim.NewResource(benchUser, o))
		if err != nil {
			t.Fatal(err)
		}
		w.users = append(w.users, r)
	}
	for i := range 5 {
		o := scim.NewObject("schemas", []scim.Value{scim.URNGroup}, "displayName", fmt.Sprintf("Group %d", i))
		var members []scim.Value
		for _, u := range w.users[:i*2] {
			members = append(members, scim.NewObject("value", u.ID))
		}
		if i == 4 {
			members = append(members, scim.NewObject("value", w.groups[0].ID))
		}
		if members != nil {
			o.Set("members", members)
		}
		if _, err := w.dir.Create(t.Context(), scim.NewResource(benchGroupType, o)); err != nil {
			t.Fatal(err)
		}
		list, err := w.dir.Query(t.Context(), benchGroupType, scim.Query{StartIndex: 1, Count: 100})
		if err != nil {
			t.Fatal(err)
		}
		w.groups = list.Resources
	}
	// Read again: users now have groups.
	for i, u := range w.users {
		var err error
		if w.users[i], err = w.dir.Get(t.Context(), benchUser, u.ID, scim.Projection{}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) literal(rt *rapid.T) scim.Value {
	return rapid.OneOf(
		rapid.SampledFrom([]scim.Value{"ana@acme.example", "ANA@ACME.EXAMPLE", "zoË", "straße", "STRASSE", "k", "\u212a", "i", "%", "_", `"`, "Person ", "T0", "a", "", "\U0010ffff", true, false, "True", json.Number("1"), nil}),
		rapid.Map(rapid.IntRange(0, len(w.users)-1), func(i int) scim.Value { return w.users[i].ID }),
		rapid.Map(rapid.IntRange(0, len(w.groups)-1), func(i int) scim.Value { return w.groups[i].ID }),
		rapid.Map(rapid.IntRange(0, len(w.users)-1), func(i int) scim.Value { return w.users[i].Peek().Text("userName") }),
		rapid.Map(rapid.IntRange(0, len(w.users)-1), func(i int) scim.Value { return w.users[i].Peek().Text("externalId") }),
		rapid.Map(rapid.IntRange(0, len(w.users)-1), func(i int) scim.Value {
			for _, e := range w.users[i].Peek().Elements("emails") {
				return e.(*scim.Object).Text("value")
			}
			return "none"
		}),
		rapid.Map(rapid.IntRange(-2, 2), func(i int) scim.Value {
			return w.users[5].Created.Add(time.Duration(i) * 500 * time.Microsecond).Format(time.RFC3339Nano)
		}),
	).Draw(rt, "literal")
}

var operators = []scim.Operator{scim.Eq, scim.Ne, scim.Co, scim.Sw, scim.Ew, scim.Gt, scim.Ge, scim.Lt, scim.Le}

func (w *world) filter(rt *rapid.T, paths []scim.Path, depth int) scim.Filter {
	kind := rapid.IntRange(0, 6).Draw(rt, "kind")
	if depth == 0 {
		kind = min(kind, 3)
	}
	switch kind {
	case 4:
		return &scim.And{Operands: []scim.Filter{w.filter(rt, paths, depth-1), w.filter(rt, paths, depth-1)}}
	case 5:
		return &scim.Or{Operands: []scim.Filter{w.filter(rt, paths, depth-1), w.filter(rt, paths, depth-1)}}
	case 6:
		return &scim.Not{Operand: w.filter(rt, paths, depth-1)}
	}
	path := rapid.SampledFrom(paths).Draw(rt, "path")
	switch kind {
	case 0:
		return &scim.Present{Path: path}
	case 1:
		if path.Sub == "" && path.Filter == nil && (path.Attr == attrEmails || path.Attr == "phoneNumbers" || path.Attr == attrMembers || path.Attr == attrGroups) {
			value := &scim.Comparison{Path: scim.Path{Attr: "value"}, Op: rapid.SampledFrom(operators).Draw(rt, "op"), Value: w.literal(rt)}
			if rapid.Bool().Draw(rt, "alone") {
				return &scim.ValuePath{Path: path, Filter: value}
			}
			var other scim.Filter = work
			switch rapid.IntRange(0, 3).Draw(rt, "other") {
			case 1:
				other = &scim.Not{Operand: work}
			case 2:
				other = &scim.Comparison{Path: scim.Path{Attr: "type"}, Op: scim.Ne, Value: w.literal(rt)}
			case 3:
				other = &scim.Present{Path: scim.Path{Attr: "display"}}
			}
			if rapid.Bool().Draw(rt, "or") {
				return &scim.ValuePath{Path: path, Filter: &scim.Or{Operands: []scim.Filter{other, value}}}
			}
			return &scim.ValuePath{Path: path, Filter: &scim.And{Operands: []scim.Filter{other, value}}}
		}
	}
	return &scim.Comparison{Path: path, Op: rapid.SampledFrom(operators).Draw(rt, "op"), Value: w.literal(rt)}
}

var work = &scim.Comparison{Path: scim.Path{Attr: "type"}, Op: scim.Eq, Value: "work"}

var userPaths = []scim.Path{
	{Attr: "userName"}, {Attr: "displayName"}, {Attr: "externalId"}, {Attr: "id"}, {Attr: "active"}, {Attr: "title"},
	{Attr: "meta", Sub: "created"}, {Attr: "meta", Sub: "lastModified"}, {Attr: "emails"}, {Attr: "emails", Sub: "value"},
	{Attr: "emails", Sub: "type"}, {Attr: "emails", Filter: work, Sub: "value"}, {Attr: "groups"}, {Attr: "groups", Sub: "value"},
	{URN: scim.URNUser, Attr: "USERNAME"}, {Attr: "name"}, {Attr: "name", Sub: "FamilyName"}, {Attr: "profileUrl"}, {Attr: "phoneNumbers"},
	{Attr: "phoneNumbers", Sub: "value"}, {Attr: "phoneNumbers", Filter: work, Sub: "value"}, {Attr: "phoneNumbers", Sub: "primary"},
	{Attr: "emails", Sub: "primary"}, {Attr: "emails", Filter: &scim.Not{Operand: work}, Sub: "value"}, {Attr: "emails", Filter: work},
	{URN: scim.URNEnterprise, Attr: "department"}, {URN: scim.URNEnterprise, Attr: "manager"}, {Attr: "manager"}, {Attr: "manager", Sub: "value"},
	{URN: scim.URNEnterprise, Attr: "manager", Sub: "value"}, {URN: scim.URNFreshservice, Attr: "isAgent"}, {URN: scim.URNFreshservice, Attr: "badge"},
	{Attr: "schemas"}, {Attr: "meta", Sub: "resourceType"}, {Attr: "meta", Sub: "version"}, {Attr: "title"}, {Attr: "nickName"},
}

var groupPaths = []scim.Path{
	{Attr: "displayName"}, {Attr: "id"}, {Attr: "externalId"}, {Attr: "members"}, {Attr: "members", Sub: "value"},
	{Attr: "members", Sub: "type"}, {Attr: "meta", Sub: "lastModified"},
}

// TestFilterLaw: what a query finds, by whatever mixture of SQL and Go, is what
// the kernel's Matcher finds among all resources, on every page.
func TestFilterLaw(t *testing.T) { onEach(t, testFilterLaw) }

func testFilterLaw(t *testing.T, o Options) {
	w := newWorld(t, o)
	for _, tt := range []struct {
		t     *scim.ResourceType
		all   []*scim.Resource
		paths []scim.Path
	}{{benchUser, w.users, userPaths}, {benchGroupType, w.groups, groupPaths}} {
		rapid.Check(t, func(rt *rapid.T) {
			f := w.filter(rt, tt.paths, 2)
			m, refused := scim.CompileFilter(tt.t, f)
			q := scim.Query{Filter: f, StartIndex: 1, Count: 100}
			page, err := w.dir.Query(t.Context(), tt.t, q)
			if refused != nil {
				if err == nil {
					rt.Fatalf("%s: the kernel refuses it (%v), the directory does not", f, refused)
				}
				return
			}
			if err != nil {
				rt.Fatalf("%s: %v", f, err)
			}
			want := []string{}
			for _, r := range tt.all {
				if m.Match(r) {
					want = append(want, r.ID)
				}
			}
			if diff := cmp.Diff(want, ids(page)); diff != "" || page.Total != len(want) {
				rt.Fatalf("%s: total %d (-memory +database):\n%s", f, page.Total, diff)
			}
			// The same by pages, by index and by cursor, in some order.
			q.SortBy = rapid.SampledFrom([]*scim.Path{nil, {Attr: "userName"}, {Attr: "displayName"}, {Attr: "externalId"}, {Attr: "title"}, {Attr: "emails"}, {Attr: "meta", Sub: "created"}, {Attr: "id"}}).Draw(rt, "sortBy")
			q.Descending = rapid.Bool().Draw(rt, "descending")
			q.Count = rapid.IntRange(1, 5).Draw(rt, "count")
			sorted := slices.Clone(tt.all)
			sorted = slices.DeleteFunc(sorted, func(r *scim.Resource) bool { return !m.Match(r) })
			if q.SortBy != nil {
				slices.SortStableFunc(sorted, func(a, b *scim.Resource) int {
					if q.Descending {
						a, b = b, a
					}
					return scim.Compare(tt.t, *q.SortBy, a, b)
				})
			}
			want = []string{}
			for _, r := range sorted {
				want = append(want, r.ID)
			}
			walked := []string{}
			for q.StartIndex = 1; q.StartIndex <= len(want); q.StartIndex += q.Count {
				page, err := w.dir.Query(t.Context(), tt.t, q)
				if err != nil || page.Total != len(want) {
					rt.Fatalf("%s: from %d: %v, %v", f, q.StartIndex, page, err)
				}
				walked = append(walked, ids(page)...)
			}
			if diff := cmp.Diff(want, walked); diff != "" {
				rt.Fatalf("%s by %v: index pages (-want +got):\n%s", f, q.SortBy, diff)
			}
			there, back := w.walk(rt, tt.t, q)
			if diff := cmp.Diff(want, there); diff != "" {
				rt.Fatalf("%s by %v: cursor pages (-want +got):\n%s", f, q.SortBy, diff)
			}
			if diff := cmp.Diff(want, back); diff != "" {
				rt.Fatalf("%s by %v: cursor pages backwards (-want +got):\n%s", f, q.SortBy, diff)
			}
		})
	}
}

func ids(p *scim.Page) []string {
	list := []string{}
	for _, r := range p.Resources {
		list = append(list, r.ID)
	}
	return list
}

// walk follows the cursors to the last page and back to the first.
func (w *world) walk(rt *rapid.T, t *scim.ResourceType, q scim.Query) (there, back []string) {
	there = []string{}
	text := ""
	q.Cursor = &text
	var last *scim.Page
	for {
		page, err := w.dir.Query(rt.Context(), t, q)
		if err != nil {
			rt.Fatalf("%s: %v", q.Filter, err)
		}
		there = append(there, ids(page)...)
		if last = page; page.NextCursor == "" {
			break
		}
		text = page.NextCursor
	}
	back = ids(last)
	for last.PrevCursor != "" {
		text = last.PrevCursor
		page, err := w.dir.Query(rt.Context(), t, q)
		if err != nil {
			rt.Fatalf("%s: %v", q.Filter, err)
		}
		back = append(ids(page), back...)
		last = page
	}
	return there, back
}

// TestTranslated: these filters need no Go, whatever the size of the directory.
func TestTranslated(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		t       *scim.ResourceType
		filters []string
	}{
		{benchUser, []string{
			`userName eq "x"`, `userName co "x" and active eq true`, `not (externalId pr)`, `externalId ne "x"`, `displayName eq null`,
			`title eq "x"`, `name.familyName sw "x" or name.givenName ew "x"`, `meta.created gt "2024-01-01T00:00:00Z"`,
			`emails.value eq "x"`, `emails.value co "x"`, `emails[type eq "work"].value eq "x"`, `emails[type eq "work" and not (value sw "x")]`,
			`emails[primary eq true]`, `phoneNumbers[type ne "work"].value co "1"`, `groups.value eq "x"`, `groups pr`,
			`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "x"`, `manager eq "x"`, `manager.value eq "x"`,
			`urn:ietf:params:scim:schemas:extension:freshservice:2.0:User:isAgent eq true`, `profileUrl co "x"`,
		}},
		{benchGroupType, []string{`displayName eq "x"`, `members eq "x"`, `members[value eq "x"]`, `members pr`, `id eq "x" and members.value eq "y"`}},
	} {
		for _, text := range tt.filters {
			f, err := scim.ParseFilter(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []dialect{sqliteDialect{}, postgresDialect{}} {
				tr := &translator{db: d, t: tt.t, self: 1, users: 1, groups: 2}
				if c := tr.filter(f); !c.exact {
					t.Errorf("%s is left to Go by %T; SQL has %q", text, d, c.sql)
				}
			}
		}
	}
}

package scimtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
)

// find returns the ids of what a filter matches, in the order of the answer.
func find(t *testing.T, d scim.Directory, rt *scim.ResourceType, filter string) []string {
	t.Helper()
	q := scim.Query{StartIndex: 1, Count: 1000}
	if filter != "" {
		f, err := scim.ParseFilter(filter)
		if err != nil {
			t.Fatalf("ParseFilter(%s): %v", filter, err)
		}
		q.Filter = f
	}
	page, err := d.Query(t.Context(), rt, q)
	if err != nil {
		t.Fatalf("Query(%s): %v", filter, err)
	}
	if page.Total != len(page.Resources) {
		t.Errorf("Query(%s): Total is %d, there are %d resources", filter, page.Total, len(page.Resources))
	}
	return pageIDs(page)
}

func pageIDs(page *scim.Page) []string {
	ids := []string{}
	for _, r := range page.Resources {
		ids = append(ids, r.ID)
	}
	return ids
}

func wantFound(t *testing.T, d scim.Directory, rt *scim.ResourceType, filter string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(asSet(want), asSet(find(t, d, rt, filter))); diff != "" {
		t.Errorf("%q (-want +got):\n%s", filter, diff)
	}
}

func testFilters(t *testing.T, d scim.Directory) {
	ana := user("Ana@acme.example")
	ana.Set("title", "Analyst")
	ben := user("ben@acme.example")
	ben.Set("active", false)
	ben.Child(scim.URNEnterprise).Set("department", "Sales")
	zoe := user("zoë@acme.example")
	zoe.Set("externalId", "Ext-ANA")
	zoe.Set("displayName", `Zoë "Z" O'Hara 100%_\`)
	zoe.Delete("emails")
	a, b, z := mustCreate(t, d, UserType, ana), mustCreate(t, d, UserType, ben), mustCreate(t, d, UserType, zoe)
	ben2 := mustUpdate(t, d, UserType, b.ID, func(o *scim.Object) {
		o.Child(scim.URNEnterprise).Set("manager", scim.NewObject("value", a.ID))
	})
	names := map[string]string{"a": a.ID, "b": b.ID, "z": z.ID}
	created := a.Created.UTC().Format(scim.TimeFormat)
	for _, tt := range []struct{ filter, want string }{
		// The forms of Entra ID.
		{`userName eq "ana@acme.example"`, "a"},
		{`userName eq "ZOË@ACME.EXAMPLE"`, "z"},
		{`userName eq "nobody@acme.example"`, ""},
		{`userName eq "ana"`, ""},
		{`externalId eq "ext-Ana"`, "a"},
		{`externalId eq "EXT-ANA"`, ""},
		{`externalId eq "Ext-ANA"`, "z"},
		{`emails[type eq "work"].value eq "BEN@acme.example"`, "b"},
		{`emails[type eq "home"].value eq "ben@acme.example"`, ""},
		{`emails.value eq "ben@home.example"`, "b"},
		{`emails[type eq "work" and value eq "ana@ACME.example"]`, "a"},
		{`id eq "` + b.ID + `"`, "b"},
		{`id eq "` + strings.ToUpper(b.ID) + `x"`, ""},
		{`id eq "` + b.ID + `" and manager eq "` + a.ID + `"`, "b"},
		{`id eq "` + a.ID + `" and manager eq "` + a.ID + `"`, ""},
		// Okta and others.
		{`userName sw "ANA"`, "a"},
		{`userName co "acme" and active eq true`, "az"},
		{`displayName eq "person BEN"`, "b"},
		{`displayName co "\"Z\""`, "z"},
		{`displayName ew "100%_\\"`, "z"},
		{`displayName co "%"`, "z"},
		{`displayName co "_"`, "z"},
		{`displayName co "O'Hara"`, "z"},
		{`active eq false`, "b"},
		{`active eq true`, "az"},
		{`not (active eq true)`, "b"},
		{`title pr`, "a"},
		{`emails pr`, "ab"},
		{`not (emails pr)`, "z"},
		{`name.familyName eq "BEN"`, "b"},
		{`userName eq "ana@acme.example" or userName eq "ben@acme.example"`, "ab"},
		{`(title pr or active eq false) and name.givenName eq "person"`, "ab"},
		{`meta.created ge "` + created + `"`, "abz"},
		{`meta.created lt "` + created + `"`, ""},
		{`meta.lastModified ge "2000-01-01T00:00:00Z"`, "abz"},
		{`meta.lastModified lt "` + ben2.LastModified.AddDate(1, 0, 0).UTC().Format(scim.TimeFormat) + `"`, "abz"},
		{`meta.resourceType eq "User"`, "abz"},
		{scim.URNEnterprise + `:department eq "sales"`, "b"},
		{scim.URNEnterprise + `:manager.value eq "` + a.ID + `"`, "b"},
		{scim.URNEnterprise + `:employeeNumber eq "E-Ana"`, "a"},
		{`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ben@acme.example"`, "b"},
		{`USERNAME Eq "ben@acme.example"`, "b"},
	} {
		var want []string
		for _, c := range tt.want {
			want = append(want, names[string(c)])
		}
		wantFound(t, d, UserType, tt.filter, want...)
	}
	g := mustCreate(t, d, GroupType, group("Finance EMEA", a.ID, b.ID))
	h := mustCreate(t, d, GroupType, group("Empty"))
	for _, tt := range []struct {
		filter string
		want   []string
	}{
		{`displayName eq "finance emea"`, []string{g.ID}},
		{`displayName eq "nothing"`, nil},
		{`members eq "` + a.ID + `"`, []string{g.ID}},
		{`members.value eq "` + z.ID + `"`, nil},
		{`id eq "` + g.ID + `" and members eq "` + b.ID + `"`, []string{g.ID}},
		{`id eq "` + h.ID + `" and members eq "` + b.ID + `"`, nil},
		{`members[value eq "` + a.ID + `"]`, []string{g.ID}},
		{`externalId eq "ext-Empty"`, []string{h.ID}},
	} {
		wantFound(t, d, GroupType, tt.filter, tt.want...)
	}
}

func testBadFilter(t *testing.T, d scim.Directory) {
	mustCreate(t, d, UserType, user("ana@acme.example"))
	for _, f := range []*scim.Comparison{
		{Path: scim.Path{Attr: "active"}, Op: scim.Gt, Value: true},
		{Path: scim.Path{Attr: "userName"}, Op: scim.Co, Value: json.Number("1")},
	} {
		_, err := d.Query(t.Context(), UserType, scim.Query{Filter: f, StartIndex: 1, Count: 10})
		if _, refused := scim.CompileFilter(UserType, f); refused == nil {
			continue // the kernel allows it, so a Directory may
		}
		wantError(t, err, scim.InvalidFilter)
	}
}

// crowd creates n users whose creation order, userName order and title order
// all differ, and returns their ids in order of creation.
func crowd(t *testing.T, d scim.Directory, n int) []string {
	t.Helper()
	var ids []string
	for i := range n {
		o := user(fmt.Sprintf("u%02d@acme.example", (i*7)%n))
		o.Set("title", fmt.Sprintf("T%d", i%3))
		ids = append(ids, mustCreate(t, d, UserType, o).ID)
	}
	return ids
}

func testSorting(t *testing.T, d scim.Directory) {
	crowd(t, d, 10)
	untitled := mustUpdate(t, d, UserType, find(t, d, UserType, `userName eq "u05@acme.example"`)[0], func(o *scim.Object) { o.Delete("title") })
	sorted := func(by string, descending bool) []*scim.Resource {
		t.Helper()
		path, err := scim.ParsePath(by)
		if err != nil {
			t.Fatal(err)
		}
		page, err := d.Query(t.Context(), UserType, scim.Query{SortBy: &path, Descending: descending, StartIndex: 1, Count: 100})
		if err != nil || len(page.Resources) != 10 {
			t.Fatalf("sorting by %s: %v, %v", by, page, err)
		}
		for i := 1; i < len(page.Resources); i++ {
			c := scim.Compare(UserType, path, page.Resources[i-1], page.Resources[i])
			if descending && c < 0 || !descending && c > 0 {
				t.Errorf("sorted by %s (descending %v), %s comes before %s", by, descending, page.Resources[i-1].Peek().Text("userName"), page.Resources[i].Peek().Text("userName"))
			}
		}
		return page.Resources
	}
	for _, by := range []string{"userName", "title", "name.familyName", "meta.created", "id", "emails.value", scim.URNEnterprise + ":employeeNumber"} {
		sorted(by, false)
		sorted(by, true)
	}
	// A resource without the value comes last, first when descending (RFC 7644
	// section 3.4.2.3).
	if list := sorted("title", false); list[9].ID != untitled.ID {
		t.Error("ascending, the user without title is not the last")
	}
	if list := sorted("title", true); list[0].ID != untitled.ID {
		t.Error("descending, the user without title is not the first")
	}
}

func testIndexPaging(t *testing.T, d scim.Directory) {
	ids := crowd(t, d, 10)
	by, err := scim.ParsePath("title") // many equal values: ties must keep still
	if err != nil {
		t.Fatal(err)
	}
	filter, err := scim.ParseFilter(`userName sw "u"`)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []scim.Query{{}, {SortBy: &by}, {SortBy: &by, Descending: true}, {Filter: filter}} {
		var walked []string
		for start := 1; start <= 10; start += 3 {
			q.StartIndex, q.Count = start, 3
			page, err := d.Query(t.Context(), UserType, q)
			if err != nil {
				t.Fatal(err)
			}
			if page.Total != 10 || len(page.Resources) != min(3, 11-start) {
				t.Errorf("from %d: total %d, %d resources", start, page.Total, len(page.Resources))
			}
			walked = append(walked, pageIDs(page)...)
		}
		if diff := cmp.Diff(asSet(ids), asSet(walked)); diff != "" {
			t.Errorf("pages of %+v do not add up to the whole (-want +got):\n%s", q, diff)
		}
	}
	for _, tt := range []struct{ start, count, want int }{{1, 0, 0}, {11, 5, 0}, {1000, 5, 0}, {10, 5, 1}, {1, 1000, 10}} {
		page, err := d.Query(t.Context(), UserType, scim.Query{StartIndex: tt.start, Count: tt.count})
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != 10 || len(page.Resources) != tt.want {
			t.Errorf("startIndex %d, count %d: total %d, %d resources, want 10 and %d", tt.start, tt.count, page.Total, len(page.Resources), tt.want)
		}
	}
}

// walkCursor follows next cursors from the first page to the last and calls
// between after each page.
func walkCursor(t *testing.T, d scim.Directory, q scim.Query, between func(page int)) (pages [][]string) {
	t.Helper()
	cursor := ""
	for n := 0; ; n++ {
		if n > 100 {
			t.Fatal("the walk does not end")
		}
		q.Cursor = &cursor
		page, err := d.Query(t.Context(), UserType, q)
		if err != nil {
			t.Fatalf("page %d: %v", n, err)
		}
		if len(page.Resources) > q.Count {
			t.Errorf("page %d has %d resources, more than %d", n, len(page.Resources), q.Count)
		}
		pages = append(pages, pageIDs(page))
		if page.NextCursor == "" {
			return pages
		}
		wantUnreserved(t, page.NextCursor)
		cursor = page.NextCursor
		if between != nil {
			between(n)
		}
	}
}

// wantUnreserved checks that a cursor may stand in a URL as it is (RFC 9865
// section 2).
func wantUnreserved(t *testing.T, cursor string) {
	t.Helper()
	if i := strings.IndexFunc(cursor, func(c rune) bool {
		return !(c < 0x80 && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._~", c)))
	}); i >= 0 {
		t.Errorf("the cursor %q has a character that is not unreserved", cursor)
	}
}

func testCursorPaging(t *testing.T, d scim.Directory) {
	ids := crowd(t, d, 10)
	by, err := scim.ParsePath("title")
	if err != nil {
		t.Fatal(err)
	}
	filter, err := scim.ParseFilter(`userName sw "u" and active eq true`)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []scim.Query{{}, {SortBy: &by}, {SortBy: &by, Descending: true}, {Filter: filter}, {Filter: filter, SortBy: &by}} {
		for _, count := range []int{1, 3, 5, 10, 50} {
			q.StartIndex, q.Count = 1, count
			walked := slices.Concat(walkCursor(t, d, q, nil)...)
			if diff := cmp.Diff(asSet(ids), asSet(walked)); diff != "" {
				t.Errorf("count %d of %+v (-want +got):\n%s", count, q, diff)
			}
		}
		cursor := ""
		q.Cursor, q.Count = &cursor, 4
		page, err := d.Query(t.Context(), UserType, q)
		if err != nil || page.Total != 10 {
			t.Errorf("total %d, %v; want 10", page.Total, err)
		}
	}
	// Sorted pages are sorted across pages.
	q := scim.Query{SortBy: &by, StartIndex: 1, Count: 4}
	var last *scim.Resource
	for _, id := range slices.Concat(walkCursor(t, d, q, nil)...) {
		r := mustGet(t, d, UserType, id)
		if last != nil && scim.Compare(UserType, by, last, r) > 0 {
			t.Errorf("%s comes before %s", last.Peek().Text("title"), r.Peek().Text("title"))
		}
		last = r
	}
	// An empty answer has no next page.
	none, err := scim.ParseFilter(`userName eq "nobody"`)
	if err != nil {
		t.Fatal(err)
	}
	if pages := walkCursor(t, d, scim.Query{Filter: none, StartIndex: 1, Count: 4}, nil); len(pages) != 1 || len(pages[0]) != 0 {
		t.Errorf("got pages %v, want one empty one", pages)
	}
}

// testCursorBackwards holds for Directories that give previous cursors, which
// RFC 9865 leaves open.
func testCursorBackwards(t *testing.T, d scim.Directory) {
	crowd(t, d, 10)
	cursor := ""
	q := scim.Query{StartIndex: 1, Count: 4, Cursor: &cursor}
	query := func(c string) *scim.Page {
		t.Helper()
		cursor = c
		page, err := d.Query(t.Context(), UserType, q)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	one := query("")
	if one.PrevCursor != "" {
		t.Error("the first page has a previous one")
	}
	two := query(one.NextCursor)
	if two.PrevCursor == "" {
		t.Skip("the Directory gives no previous cursors")
	}
	wantUnreserved(t, two.PrevCursor)
	if diff := cmp.Diff(pageIDs(one), pageIDs(query(two.PrevCursor))); diff != "" {
		t.Errorf("back on the first page (-want +got):\n%s", diff)
	}
}

func testCursorUnderWrites(t *testing.T, d scim.Directory) {
	ids := crowd(t, d, 12)
	gone := map[string]bool{}
	pages := walkCursor(t, d, scim.Query{StartIndex: 1, Count: 3}, func(page int) {
		// Someone arrives, someone who may or may not have been seen leaves, and
		// someone is changed.
		mustCreate(t, d, UserType, user(fmt.Sprintf("new%d@acme.example", page)))
		victim := ids[page]
		gone[victim] = true
		if err := d.Delete(t.Context(), UserType, victim, scim.Precondition{}); err != nil {
			t.Fatal(err)
		}
		mustUpdate(t, d, UserType, ids[11], func(o *scim.Object) { o.Set("title", fmt.Sprint("changed ", page)) })
	})
	seen := asSet(slices.Concat(pages...))
	for id, n := range seen {
		if n > 1 {
			t.Errorf("%s appeared %d times", id, n)
		}
	}
	for _, id := range ids {
		if seen[id] == 0 && !gone[id] {
			t.Errorf("%s, there from beginning to end, was not seen", id)
		}
	}
}

func testBadCursor(t *testing.T, d scim.Directory) {
	crowd(t, d, 3)
	for _, cursor := range []string{"nonsense", "1", "0-0", "-", "AAAA", "%00", strings.Repeat("9", 300), "é"} {
		_, err := d.Query(t.Context(), UserType, scim.Query{Cursor: &cursor, StartIndex: 1, Count: 2})
		if !scim.IsType(err, scim.InvalidCursor) && !scim.IsType(err, scim.ExpiredCursor) {
			t.Errorf("cursor %q: got error %v, want one of type invalidCursor", cursor, err)
		}
	}
}

package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
)

func TestCursorBelongsToItsQuery(t *testing.T) { onEach(t, testCursorBelongsToItsQuery) }

func testCursorBelongsToItsQuery(t *testing.T, o Options) {
	dir := openWith(t, o).Directory("acme")
	for n := range 5 {
		if _, err := dir.Create(t.Context(), scim.NewResource(benchUser, benchBody(n))); err != nil {
			t.Fatal(err)
		}
	}
	filter, err := scim.ParseFilter(`active eq true`)
	if err != nil {
		t.Fatal(err)
	}
	byName, byTitle := &scim.Path{Attr: "userName"}, &scim.Path{Attr: "title"}
	queries := []scim.Query{{}, {Filter: filter}, {SortBy: byName}, {SortBy: byName, Descending: true}, {SortBy: byTitle}, {Filter: filter, SortBy: byTitle}}
	for i, from := range queries {
		first := ""
		from.Cursor, from.Count = &first, 2
		page, err := dir.Query(t.Context(), benchUser, from)
		if err != nil || page.NextCursor == "" {
			t.Fatalf("query %d: %v, %v", i, page, err)
		}
		for j, to := range queries {
			to.Cursor, to.Count = &page.NextCursor, 2
			_, err := dir.Query(t.Context(), benchUser, to)
			if i == j && err != nil {
				t.Errorf("query %d refuses its own cursor: %v", i, err)
			}
			if i != j && !scim.IsType(err, scim.InvalidCursor) {
				t.Errorf("query %d takes a cursor of query %d: %v", j, i, err)
			}
		}
	}
}

// A page of none still says how many there are.
func TestCountOfNone(t *testing.T) { onEach(t, testCountOfNone) }

func testCountOfNone(t *testing.T, o Options) {
	dir := openWith(t, o).Directory("acme")
	for n := range 3 {
		if _, err := dir.Create(t.Context(), scim.NewResource(benchUser, benchBody(n))); err != nil {
			t.Fatal(err)
		}
	}
	first := ""
	for _, filter := range []string{``, `active eq true`, `title co "engineer"`, `schemas pr`, `userName sw "person"`} {
		for _, cursor := range []*string{nil, &first} {
			for _, by := range []*scim.Path{nil, {Attr: "userName"}, {Attr: "title"}} {
				q := scim.Query{StartIndex: 1, Cursor: cursor, SortBy: by}
				if filter != "" {
					var err error
					if q.Filter, err = scim.ParseFilter(filter); err != nil {
						t.Fatal(err)
					}
				}
				page, err := dir.Query(t.Context(), benchUser, q)
				if err != nil || page.Total != 3 || len(page.Resources) != 0 || page.NextCursor != "" {
					t.Errorf("%q by %v, cursor %v: %+v, %v; want a total of 3 and nothing else", filter, by, cursor != nil, page, err)
				}
			}
		}
	}
}

func FuzzOpenCursor(f *testing.F) {
	db := &DB{cursorKey: []byte("a key for this test alone")}
	good, err := db.sealCursor(&cursor{Seq: 5, Total: 7, Key: "k", Sort: &sortable{ID: "x", Attrs: scim.NewObject("title", "T")}}, "q")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, good[:len(good)-2], "", "AAAA", "é", "eyJzIjo1fQ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := db.openCursor(s, "q")
		if err != nil {
			if !scim.IsType(err, scim.InvalidCursor) {
				t.Errorf("error %v is not invalidCursor", err)
			}
			return
		}
		again, err := db.sealCursor(c, "q")
		if err != nil {
			t.Fatal(err)
		}
		back, err := db.openCursor(again, "q")
		if err != nil || back.Seq != c.Seq || back.Total != c.Total || cmp.Diff(back.Key, c.Key) != "" {
			t.Errorf("%+v became %+v, %v", c, back, err)
		}
	})
}

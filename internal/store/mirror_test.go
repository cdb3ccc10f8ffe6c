package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/freshservice"
	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/store"
	"lockstep/internal/store/storetest"
)

func person(id, userName string, emails ...string) *freshservice.Record {
	r := scim.NewResource(scimtest.UserType, scim.NewObject("schemas", []scim.Value{scim.URNUser}, "userName", userName, "active", true))
	r.ID = id
	return &freshservice.Record{Resource: r, Freshservice: []byte(`{"id":` + id + `}`), Emails: emails}
}

func team(id, name string) *freshservice.Record {
	r := scim.NewResource(scimtest.GroupType, scim.NewObject("schemas", []scim.Value{scim.URNGroup}, "displayName", name))
	r.ID = id
	return &freshservice.Record{Resource: r, Freshservice: []byte(`{}`)}
}

func mustPut(t *testing.T, m *store.Mirror, records ...*freshservice.Record) {
	t.Helper()
	if err := m.Put(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
}

func total(t *testing.T, m *store.Mirror, rt *scim.ResourceType, filter string) int {
	t.Helper()
	q := scim.Query{StartIndex: 1, Count: 100}
	if filter != "" {
		f, err := scim.ParseFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		q.Filter = f
	}
	page, err := m.Query(t.Context(), rt, q)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Resources) != page.Total {
		t.Errorf("%q: total %d, %d resources", filter, page.Total, len(page.Resources))
	}
	return page.Total
}

func TestMirrorPut(t *testing.T) { t.Parallel(); storetest.Each(t, testMirrorPut) }

func testMirrorPut(t *testing.T, db *store.DB) {
	m, ctx := db.Mirror("acme"), t.Context()
	created := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	ana := person("17", "ana@acme.example", "ana@acme.example", "ana@home.example")
	ana.Resource.Created = created
	mustPut(t, m, ana, person("18", "ben@acme.example", "ben@acme.example"))
	if ana.Resource.Version != scim.ETag(1) || !ana.Resource.Created.Equal(created) || ana.Resource.LastModified.IsZero() {
		t.Errorf("after Put: version %s, created %v, modified %v", ana.Resource.Version, ana.Resource.Created, ana.Resource.LastModified)
	}

	rec, err := m.Record(ctx, scimtest.UserType, "17")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ana@acme.example", "ana@home.example"}, rec.Emails); diff != "" || string(rec.Freshservice) != `{"id":17}` || rec.Hidden {
		t.Errorf("record = %s, hidden %v; emails (-want +got):\n%s", rec.Freshservice, rec.Hidden, diff)
	}

	// The same again keeps the version, also when the record beside it changed.
	same := person("17", "ana@acme.example", "ana@acme.example")
	same.Freshservice = []byte(`{"id":17,"x":1}`)
	mustPut(t, m, same)
	if same.Resource.Version != scim.ETag(1) {
		t.Errorf("an unchanged resource has version %s", same.Resource.Version)
	}
	if rec, _ = m.Record(ctx, scimtest.UserType, "17"); string(rec.Freshservice) != `{"id":17,"x":1}` || len(rec.Emails) != 1 {
		t.Errorf("the record was not replaced: %s, %v", rec.Freshservice, rec.Emails)
	}
	changed := person("17", "ana@acme.example", "ana@acme.example")
	changed.Resource.Attributes().Set("title", "Analyst")
	mustPut(t, m, changed)
	if changed.Resource.Version != scim.ETag(2) || !changed.Resource.Created.Equal(created) {
		t.Errorf("a changed resource has version %s, created %v", changed.Resource.Version, changed.Resource.Created)
	}
}

func TestMirrorLookups(t *testing.T) { t.Parallel(); storetest.Each(t, testMirrorLookups) }

func testMirrorLookups(t *testing.T, db *store.DB) {
	m, ctx := db.Mirror("acme"), t.Context()
	mustPut(t, m, person("17", "Ána@acme.example", "ana@acme.example"), person("18", "ben@acme.example", "ben@acme.example"))
	byEmail := func(email string) string {
		t.Helper()
		rec, err := m.RecordByEmail(ctx, email)
		if err != nil {
			t.Fatal(err)
		}
		if rec == nil {
			return ""
		}
		return rec.Resource.ID
	}
	byName := func(name string) string {
		t.Helper()
		rec, err := m.RecordByUserName(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if rec == nil {
			return ""
		}
		return rec.Resource.ID
	}
	if got := byEmail("ANA@acme.example"); got != "17" {
		t.Errorf("by e-mail: %q, want 17", got)
	}
	if got := byName("ána@ACME.example"); got != "17" {
		t.Errorf("by userName: %q, want 17", got)
	}
	if byEmail("nobody@acme.example") != "" || byName("nobody") != "" {
		t.Error("somebody was found who is not there")
	}
	if rec, err := db.Mirror("other").RecordByEmail(ctx, "ana@acme.example"); rec != nil || err != nil {
		t.Errorf("another account found %v, %v", rec, err)
	}
	// An address moves to whom it was last seen with.
	mustPut(t, m, person("18", "ben@acme.example", "ben@acme.example", "ana@acme.example"))
	if got := byEmail("ana@acme.example"); got != "18" {
		t.Errorf("after the address has moved: %q, want 18", got)
	}
	if err := m.Remove(ctx, scimtest.UserType, "18"); err != nil {
		t.Fatal(err)
	}
	if got := byEmail("ben@acme.example") + byName("ben@acme.example"); got != "" {
		t.Errorf("a removed record is found: %q", got)
	}
	if err := m.Remove(ctx, scimtest.UserType, "18"); err != nil {
		t.Errorf("Remove again = %v", err)
	}
}

func TestMirrorUniqueness(t *testing.T) { t.Parallel(); storetest.Each(t, testMirrorUniqueness) }

func testMirrorUniqueness(t *testing.T, db *store.DB) {
	m, ctx := db.Mirror("acme"), t.Context()
	mustPut(t, m, person("1", "ana@acme.example"), person("2", "ben@acme.example"))
	err := m.Put(ctx, person("3", "cy@acme.example"), person("4", "ANA@acme.example"))
	if !scim.IsType(err, scim.Uniqueness) || scim.AsError(err).Attribute != "userName" {
		t.Errorf("Put = %v, want uniqueness on userName", err)
	}
	if _, err := m.Record(ctx, scimtest.UserType, "3"); !scim.IsType(err, scim.NotFound) {
		t.Errorf("a Put that failed left part of itself: %v", err)
	}
	if got := total(t, m, scimtest.UserType, ""); got != 2 {
		t.Errorf("total = %d, want 2", got)
	}
	// Two people may change places in one Put.
	mustPut(t, m, person("1", "ben@acme.example"), person("2", "ana@acme.example"))
	if rec, _ := m.RecordByUserName(ctx, "ana@acme.example"); rec == nil || rec.Resource.ID != "2" {
		t.Errorf("after changing places: %v", rec)
	}
}

func TestMirrorHidden(t *testing.T) { t.Parallel(); storetest.Each(t, testMirrorHidden) }

func testMirrorHidden(t *testing.T, db *store.DB) {
	m, ctx := db.Mirror("acme"), t.Context()
	ana := person("1", "ana@acme.example", "ana@acme.example")
	mustPut(t, m, ana, person("2", "ben@acme.example", "ben@acme.example"), team("1", "Finance"))
	member := []scim.Member{{Value: "1"}}
	if _, err := m.EditMembers(ctx, "1", scim.Precondition{}, member, nil); err != nil {
		t.Fatal(err)
	}
	hidden := person("1", "ana@acme.example", "ana@acme.example")
	hidden.Hidden = true
	mustPut(t, m, hidden)

	if _, err := m.Get(ctx, scimtest.UserType, "1", scim.Projection{}); !scim.IsType(err, scim.NotFound) {
		t.Errorf("Get of a hidden record = %v, want not found", err)
	}
	for filter, want := range map[string]int{"": 1, `userName eq "ana@acme.example"`: 0, `id eq "1"`: 0, `active eq true`: 1, `meta.lastModified pr`: 1} {
		if got := total(t, m, scimtest.UserType, filter); got != want {
			t.Errorf("%q finds %d, want %d", filter, got, want)
		}
	}
	if rec, err := m.RecordByEmail(ctx, "ana@acme.example"); err != nil || rec == nil || !rec.Hidden {
		t.Errorf("RecordByEmail = %v, %v; want the hidden record", rec, err)
	}
	if rec, err := m.RecordByUserName(ctx, "ana@acme.example"); err != nil || rec != nil {
		t.Errorf("RecordByUserName = %v, %v; want none", rec, err)
	}
	if ids, err := m.Members(ctx, "1"); err != nil || len(ids) != 0 {
		t.Errorf("Members = %v, %v; want none", ids, err)
	}
	if _, err := m.EditMembers(ctx, "1", scim.Precondition{}, member, nil); !scim.IsType(err, scim.InvalidValue) {
		t.Errorf("a hidden person became a member: %v", err)
	}
	// The name is free for another.
	mustPut(t, m, person("3", "ana@acme.example"))
	back := person("1", "ana@acme.example", "ana@acme.example")
	if err := m.Put(ctx, back); !scim.IsType(err, scim.Uniqueness) {
		t.Errorf("Put = %v, want uniqueness", err)
	}
	back = person("1", "ana.b@acme.example", "ana@acme.example")
	mustPut(t, m, back)
	if got := total(t, m, scimtest.UserType, ""); got != 3 {
		t.Errorf("total = %d, want 3", got)
	}
	if rec, _ := m.RecordByUserName(ctx, "ana.b@acme.example"); rec == nil || rec.Resource.ID != "1" {
		t.Errorf("who reappears is not found: %v", rec)
	}
}

func TestMirrorGroups(t *testing.T) { t.Parallel(); storetest.Each(t, testMirrorGroups) }

func testMirrorGroups(t *testing.T, db *store.DB) {
	m, ctx := db.Mirror("acme"), t.Context()
	mustPut(t, m, person("1", "ana@acme.example"), person("2", "ben@acme.example"), team("9", "Finance"))
	if _, err := m.EditMembers(ctx, "9", scim.Precondition{}, []scim.Member{{Value: "1"}, {Value: "2"}}, nil); err != nil {
		t.Fatal(err)
	}
	// A Put does not touch members, whatever its resource says of them.
	renamed := team("9", "Money")
	renamed.Resource.Attributes().Set("members", []scim.Value{scim.NewObject("value", "1")})
	mustPut(t, m, renamed)
	ids, err := m.Members(ctx, "9")
	slices.Sort(ids)
	if diff := cmp.Diff([]string{"1", "2"}, ids); diff != "" || err != nil {
		t.Errorf("members after Put: %v (-want +got):\n%s", err, diff)
	}
	if err := m.Remove(ctx, scimtest.UserType, "1"); err != nil {
		t.Fatal(err)
	}
	if ids, _ := m.Members(ctx, "9"); len(ids) != 1 {
		t.Errorf("members after Remove: %v", ids)
	}
	if _, err := m.EditMembers(ctx, "9", scim.Precondition{}, []scim.Member{{Value: "1"}}, nil); !scim.IsType(err, scim.InvalidValue) {
		t.Errorf("EditMembers with nobody = %v, want invalidValue", err)
	}
	if _, err := m.Members(ctx, "none"); !scim.IsType(err, scim.NotFound) {
		t.Errorf("Members of no group = %v, want not found", err)
	}
}

func TestMirrorSettingsAndNotes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, testMirrorSettingsAndNotes)
}

func testMirrorSettingsAndNotes(t *testing.T, db *store.DB) {
	m, ctx := db.Mirror("acme"), t.Context()
	for _, want := range []string{"", "one", "two"} {
		if want != "" {
			if err := m.SetSetting(ctx, "k", want); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := m.Setting(ctx, "k"); got != want || err != nil {
			t.Errorf("Setting = %q, %v; want %q", got, err, want)
		}
	}
	if got, _ := db.Mirror("other").Setting(ctx, "k"); got != "" {
		t.Errorf("another account reads %q", got)
	}
	note := freshservice.Note{Attribute: "timezone", Value: "Mars", Code: "unknown_time_zone", Message: "choose another", At: time.Now().UTC().Truncate(time.Second)}
	for i := range 3 {
		mustPut(t, m, person(fmt.Sprint(i), fmt.Sprintf("p%d@acme.example", i)))
		if err := m.SetNotes(ctx, scimtest.UserType, fmt.Sprint(i), []freshservice.Note{note}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.SetNotes(ctx, scimtest.UserType, "1", nil); err != nil {
		t.Fatal(err)
	}
	if err := m.Remove(ctx, scimtest.UserType, "2"); err != nil {
		t.Fatal(err)
	}
	got := map[string][]freshservice.Note{}
	err := m.EachNoted(ctx, scimtest.UserType, func(id string, notes []freshservice.Note) bool { got[id] = notes; return true })
	if diff := cmp.Diff(map[string][]freshservice.Note{"0": {note}}, got); diff != "" || err != nil {
		t.Errorf("notes: %v (-want +got):\n%s", err, diff)
	}
}

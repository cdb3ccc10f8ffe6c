package scimtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
)

// UserType and GroupType are the resource types that [RunDirectory] uses.
var (
	UserType  = scim.UserType()
	GroupType = scim.GroupType()
)

// RunDirectory runs the conformance suite that every scim.Directory must pass.
// open returns an empty Directory for resources of [UserType] and [GroupType];
// it is called once per test. A Directory that is a scim.MemberEditor is tested
// as one.
func RunDirectory(t *testing.T, open func(t *testing.T) scim.Directory) {
	tests := []struct {
		name string
		run  func(t *testing.T, d scim.Directory)
	}{
		{"create and get", testCreate},
		{"get what is not there", testNotFound},
		{"uniqueness without regard to case", testUniqueness},
		{"update", testUpdate},
		{"update that changes nothing", testNoChange},
		{"update that fails", testFailedUpdate},
		{"update to a value that is taken", testUpdateTaken},
		{"preconditions", testPreconditions},
		{"delete", testDelete},
		{"recreate under the same name", testRecreate},
		{"delete takes memberships with it", testDeleteMember},
		{"a renamed group keeps its members", testRenameGroup},
		{"members that do not exist", testUnknownMember},
		{"projection without members", testProjection},
		{"member edits", testEditMembers},
		{"member edits of what does not exist", testEditUnknown},
		{"member edits with preconditions", testEditPrecondition},
		{"concurrent member edits", testConcurrentMembers},
		{"concurrent updates", testConcurrentUpdates},
		{"concurrent creation of one name", testConcurrentCreate},
		{"a resource belongs to the caller", testIsolation},
		{"filters", testFilters},
		{"filters that are refused", testBadFilter},
		{"sorting", testSorting},
		{"paging by index", testIndexPaging},
		{"paging by cursor", testCursorPaging},
		{"paging by cursor backwards", testCursorBackwards},
		{"paging by cursor while others write", testCursorUnderWrites},
		{"cursors that are refused", testBadCursor},
		{"a cancelled request", testCancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

// user returns the attributes of a user as Entra ID creates them.
func user(name string) *scim.Object {
	local, _, _ := strings.Cut(name, "@")
	return scim.NewObject(
		"schemas", []scim.Value{scim.URNUser, scim.URNEnterprise},
		"externalId", "ext-"+local,
		"userName", name,
		"active", true,
		"displayName", "Person "+local,
		"name", scim.NewObject("givenName", "Person", "familyName", local),
		"emails", []scim.Value{
			scim.NewObject("type", "work", "value", name, "primary", true),
			scim.NewObject("type", "home", "value", local+"@home.example"),
		},
		scim.URNEnterprise, scim.NewObject("department", "Finance", "employeeNumber", "E-"+local))
}

func group(name string, members ...string) *scim.Object {
	o := scim.NewObject("schemas", []scim.Value{scim.URNGroup}, "displayName", name, "externalId", "ext-"+name)
	setMembers(o, memberValues(members))
	return o
}

func memberValues(ids []string) []scim.Value {
	var list []scim.Value
	for _, id := range ids {
		list = append(list, scim.NewObject("value", id))
	}
	return list
}

func mustCreate(t *testing.T, d scim.Directory, rt *scim.ResourceType, o *scim.Object) *scim.Resource {
	t.Helper()
	r, err := d.Create(t.Context(), scim.NewResource(rt, o.Clone()))
	if err != nil {
		t.Fatalf("Create(%s): %v", o.Text("userName")+o.Text("displayName"), err)
	}
	return r
}

func mustGet(t *testing.T, d scim.Directory, rt *scim.ResourceType, id string) *scim.Resource {
	t.Helper()
	r, err := d.Get(t.Context(), rt, id, scim.Projection{})
	if err != nil {
		t.Fatalf("Get(%s): %v", id, err)
	}
	return r
}

func mustUpdate(t *testing.T, d scim.Directory, rt *scim.ResourceType, id string, change func(o *scim.Object)) *scim.Resource {
	t.Helper()
	r, err := d.Update(t.Context(), rt, id, scim.Precondition{}, func(r *scim.Resource) error {
		change(r.Attributes())
		return nil
	})
	if err != nil {
		t.Fatalf("Update(%s): %v", id, err)
	}
	return r
}

func wantError(t *testing.T, err error, typ scim.ErrorType) *scim.Error {
	t.Helper()
	var e *scim.Error
	if !errors.As(err, &e) || e.Type != typ {
		t.Fatalf("got error %v, want one of type %s", err, typ)
	}
	return e
}

// contents returns what o holds as JSON, without the keys that a Directory may
// add to members.
func contents(t *testing.T, o *scim.Object) string {
	t.Helper()
	c := o.Clone()
	if m := c.Elements("members"); m != nil {
		var ids []string
		for _, v := range m {
			ids = append(ids, v.(*scim.Object).Text("value"))
		}
		setMembers(c, memberValues(ids))
	}
	b, err := scim.AppendJSON(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantAttributes(t *testing.T, r *scim.Resource, want *scim.Object) {
	t.Helper()
	got := contents(t, r.Peek())
	back, err := scim.ParseObject([]byte(got))
	if err != nil {
		t.Fatal(err)
	}
	if !scim.Equal(back, want) {
		t.Errorf("the resource has other attributes (-want +got):\n%s", cmp.Diff(contents(t, want), got))
	}
}

// members returns the ids of a group's members, read afresh.
func members(t *testing.T, d scim.Directory, id string) []string {
	t.Helper()
	ids := []string{}
	for _, v := range mustGet(t, d, GroupType, id).Peek().Elements("members") {
		ids = append(ids, v.(*scim.Object).Text("value"))
	}
	return ids
}

func wantMembers(t *testing.T, d scim.Directory, id string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(asSet(want), asSet(members(t, d, id))); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// asSet counts ids, so that repeated ones show.
func asSet(ids []string) map[string]int {
	set := map[string]int{}
	for _, id := range ids {
		set[id]++
	}
	return set
}

func testCreate(t *testing.T, d scim.Directory) {
	in := user("ana@acme.example")
	made := mustCreate(t, d, UserType, in)
	if made.ID == "" || made.Version == "" || made.Created.IsZero() || made.LastModified.IsZero() {
		t.Fatalf("ID, Version and times must be set: %+v", made)
	}
	wantAttributes(t, made, in)
	got := mustGet(t, d, UserType, made.ID)
	wantAttributes(t, got, in)
	if got.ID != made.ID || got.Version != made.Version || !got.Created.Equal(made.Created) || !got.LastModified.Equal(made.LastModified) {
		t.Errorf("Get returned other metadata than Create: %+v, %+v", got, made)
	}
	if got.Type == nil || got.Type.Name != "User" {
		t.Errorf("the resource has no type User")
	}
	other := mustCreate(t, d, UserType, user("ben@acme.example"))
	if other.ID == made.ID {
		t.Errorf("two resources have the id %q", other.ID)
	}
}

func testNotFound(t *testing.T, d scim.Directory) {
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	for _, id := range []string{"", "nobody", "0", "%", "a/b", "'; --", strings.Repeat("x", 2000), "\x00", u.ID + " "} {
		_, err := d.Get(t.Context(), UserType, id, scim.Projection{})
		wantError(t, err, scim.NotFound)
	}
	_, err := d.Get(t.Context(), GroupType, u.ID, scim.Projection{})
	wantError(t, err, scim.NotFound)
	_, err = d.Update(t.Context(), UserType, "nobody", scim.Precondition{}, func(*scim.Resource) error {
		t.Error("change was called for a resource that does not exist")
		return nil
	})
	wantError(t, err, scim.NotFound)
	wantError(t, d.Delete(t.Context(), UserType, "nobody", scim.Precondition{}), scim.NotFound)
	wantError(t, d.Delete(t.Context(), GroupType, u.ID, scim.Precondition{}), scim.NotFound)
	mustGet(t, d, UserType, u.ID)
}

func testUniqueness(t *testing.T, d scim.Directory) {
	mustCreate(t, d, UserType, user("zoë@acme.example"))
	for _, name := range []string{"zoë@acme.example", "ZOË@Acme.Example"} {
		o := user("other")
		o.Set("userName", name)
		_, err := d.Create(t.Context(), scim.NewResource(UserType, o))
		if e := wantError(t, err, scim.Uniqueness); !strings.EqualFold(e.Attribute, "userName") {
			t.Errorf("the error names the attribute %q, not userName", e.Attribute)
		}
	}
	// What is not declared unique may repeat.
	o := user("other@acme.example")
	o.Set("displayName", "Person zoë")
	mustCreate(t, d, UserType, o)
	if GroupType.Schema.Attribute("displayName").Uniqueness == scim.UniqueServer {
		mustCreate(t, d, GroupType, group("Finance"))
		_, err := d.Create(t.Context(), scim.NewResource(GroupType, group("FINANCE")))
		wantError(t, err, scim.Uniqueness)
	}
	// A user and a group may share a name.
	mustCreate(t, d, GroupType, group("zoë@acme.example"))
}

func testUpdate(t *testing.T, d scim.Directory) {
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	got := mustUpdate(t, d, UserType, u.ID, func(o *scim.Object) {
		o.Set("title", "Analyst")
		o.Set("active", false)
		o.Child(scim.URNEnterprise).Set("department", "Sales")
	})
	want := user("ana@acme.example")
	want.Set("title", "Analyst")
	want.Set("active", false)
	want.Child(scim.URNEnterprise).Set("department", "Sales")
	wantAttributes(t, got, want)
	if got.Version == u.Version {
		t.Errorf("the version is still %s", got.Version)
	}
	if !got.Created.Equal(u.Created) || got.LastModified.Before(u.LastModified) {
		t.Errorf("created %v, lastModified %v; before: %v, %v", got.Created, got.LastModified, u.Created, u.LastModified)
	}
	read := mustGet(t, d, UserType, u.ID)
	wantAttributes(t, read, want)
	if read.Version != got.Version {
		t.Errorf("Get returns version %s, Update returned %s", read.Version, got.Version)
	}
	// A new name can be found, the old one is free.
	mustUpdate(t, d, UserType, u.ID, func(o *scim.Object) { o.Set("userName", "anna@acme.example") })
	wantFound(t, d, UserType, `userName eq "anna@acme.example"`, u.ID)
	wantFound(t, d, UserType, `userName eq "ana@acme.example"`)
	mustCreate(t, d, UserType, user("ana@acme.example"))
	// Nor does a change of case conflict with oneself.
	mustUpdate(t, d, UserType, u.ID, func(o *scim.Object) { o.Set("userName", "Anna@Acme.example") })
}

func testNoChange(t *testing.T, d scim.Directory) {
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	got := mustUpdate(t, d, UserType, u.ID, func(o *scim.Object) {
		o.Set("title", "Analyst")
		o.Delete("title")
		o.Set("active", true)
	})
	if got.Version != u.Version || !got.LastModified.Equal(u.LastModified) {
		t.Errorf("version %s and lastModified %v became %s and %v without a change", u.Version, u.LastModified, got.Version, got.LastModified)
	}
	wantAttributes(t, got, user("ana@acme.example"))
}

func testFailedUpdate(t *testing.T, d scim.Directory) {
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	refusal := scim.Errorf(scim.Mutability, "no")
	_, err := d.Update(t.Context(), UserType, u.ID, scim.Precondition{}, func(r *scim.Resource) error {
		r.Attributes().Set("title", "lost")
		return refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("got %v, want the error of change", err)
	}
	got := mustGet(t, d, UserType, u.ID)
	wantAttributes(t, got, user("ana@acme.example"))
	if got.Version != u.Version {
		t.Errorf("the version changed")
	}
}

func testUpdateTaken(t *testing.T, d scim.Directory) {
	mustCreate(t, d, UserType, user("ana@acme.example"))
	u := mustCreate(t, d, UserType, user("ben@acme.example"))
	_, err := d.Update(t.Context(), UserType, u.ID, scim.Precondition{}, func(r *scim.Resource) error {
		r.Attributes().Set("userName", "ANA@acme.example")
		return nil
	})
	wantError(t, err, scim.Uniqueness)
	wantAttributes(t, mustGet(t, d, UserType, u.ID), user("ben@acme.example"))
}

func testPreconditions(t *testing.T, d scim.Directory) {
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	retitle := func(cond scim.Precondition, title string) error {
		_, err := d.Update(t.Context(), UserType, u.ID, cond, func(r *scim.Resource) error {
			r.Attributes().Set("title", title)
			return nil
		})
		return err
	}
	stale := scim.Precondition{IfMatch: []string{u.Version}}
	if err := retitle(stale, "a"); err != nil {
		t.Errorf("If-Match with the current version: %v", err)
	}
	wantError(t, retitle(stale, "b"), scim.PreconditionFailed)
	wantError(t, retitle(scim.Precondition{IfNoneMatch: []string{"*"}}, "b"), scim.PreconditionFailed)
	if err := retitle(scim.Precondition{IfMatch: []string{"*"}}, "c"); err != nil {
		t.Errorf("If-Match: *: %v", err)
	}
	wantError(t, d.Delete(t.Context(), UserType, u.ID, stale), scim.PreconditionFailed)
	now := mustGet(t, d, UserType, u.ID)
	if now.Peek().Text("title") != "c" {
		t.Errorf("title %q, want c", now.Peek().Text("title"))
	}
	if err := d.Delete(t.Context(), UserType, u.ID, scim.Precondition{IfMatch: []string{now.Version}}); err != nil {
		t.Errorf("Delete with the current version: %v", err)
	}
}

func testDelete(t *testing.T, d scim.Directory) {
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	if err := d.Delete(t.Context(), UserType, u.ID, scim.Precondition{}); err != nil {
		t.Fatal(err)
	}
	_, err := d.Get(t.Context(), UserType, u.ID, scim.Projection{})
	wantError(t, err, scim.NotFound)
	wantError(t, d.Delete(t.Context(), UserType, u.ID, scim.Precondition{}), scim.NotFound)
	wantFound(t, d, UserType, `userName eq "ana@acme.example"`)
	wantFound(t, d, UserType, "")
}

func testRecreate(t *testing.T, d scim.Directory) {
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	g := mustCreate(t, d, GroupType, group("Finance", u.ID))
	if err := d.Delete(t.Context(), UserType, u.ID, scim.Precondition{}); err != nil {
		t.Fatal(err)
	}
	again := mustCreate(t, d, UserType, user("ANA@acme.example"))
	if again.ID == u.ID {
		t.Errorf("the id %s was given again", u.ID)
	}
	wantFound(t, d, UserType, `userName eq "ana@acme.example"`, again.ID)
	wantMembers(t, d, g.ID)
}

func testDeleteMember(t *testing.T, d scim.Directory) {
	a := mustCreate(t, d, UserType, user("ana@acme.example"))
	b := mustCreate(t, d, UserType, user("ben@acme.example"))
	one := mustCreate(t, d, GroupType, group("One", a.ID, b.ID))
	two := mustCreate(t, d, GroupType, group("Two", a.ID))
	if err := d.Delete(t.Context(), UserType, a.ID, scim.Precondition{}); err != nil {
		t.Fatal(err)
	}
	wantMembers(t, d, one.ID, b.ID)
	wantMembers(t, d, two.ID)
	if err := d.Delete(t.Context(), GroupType, one.ID, scim.Precondition{}); err != nil {
		t.Fatal(err)
	}
	mustGet(t, d, UserType, b.ID)
}

func testRenameGroup(t *testing.T, d scim.Directory) {
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	g := mustCreate(t, d, GroupType, group("Finance", u.ID))
	got := mustUpdate(t, d, GroupType, g.ID, func(o *scim.Object) { o.Set("displayName", "Money") })
	if got.Peek().Text("displayName") != "Money" || got.Version == g.Version {
		t.Errorf("got %q in version %s", got.Peek().Text("displayName"), got.Version)
	}
	wantMembers(t, d, g.ID, u.ID)
	wantFound(t, d, GroupType, `displayName eq "money"`, g.ID)
	// A change of case is a change that is kept.
	mustUpdate(t, d, GroupType, g.ID, func(o *scim.Object) { o.Set("displayName", "MONEY") })
	if name := mustGet(t, d, GroupType, g.ID).Peek().Text("displayName"); name != "MONEY" {
		t.Errorf("got %q, want MONEY", name)
	}
	// Members may be replaced by an update as well, and all removed.
	b := mustCreate(t, d, UserType, user("ben@acme.example"))
	mustUpdate(t, d, GroupType, g.ID, func(o *scim.Object) { o.Set("members", memberValues([]string{b.ID})) })
	wantMembers(t, d, g.ID, b.ID)
	mustUpdate(t, d, GroupType, g.ID, func(o *scim.Object) { o.Delete("members") })
	wantMembers(t, d, g.ID)
}

func testUnknownMember(t *testing.T, d scim.Directory) {
	_, err := d.Create(t.Context(), scim.NewResource(GroupType, group("Finance", "nobody")))
	wantError(t, err, scim.InvalidValue)
	wantFound(t, d, GroupType, "")
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	g := mustCreate(t, d, GroupType, group("Finance", u.ID))
	_, err = d.Update(t.Context(), GroupType, g.ID, scim.Precondition{}, func(r *scim.Resource) error {
		r.Attributes().Set("displayName", "Money")
		r.Attributes().Set("members", memberValues([]string{u.ID, "nobody"}))
		return nil
	})
	wantError(t, err, scim.InvalidValue)
	wantMembers(t, d, g.ID, u.ID)
	if name := mustGet(t, d, GroupType, g.ID).Peek().Text("displayName"); name != "Finance" {
		t.Errorf("the refused update was kept in part: %q", name)
	}
}

func testProjection(t *testing.T, d scim.Directory) {
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	g := mustCreate(t, d, GroupType, group("Finance", u.ID))
	p, err := scim.ParseProjection(GroupType, "", "members")
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Get(t.Context(), GroupType, g.ID, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := got.Peek().Get("members"); ok {
		t.Error("Get returned members that were excluded")
	}
	if got.Peek().Text("displayName") != "Finance" || got.Version != g.Version {
		t.Errorf("got %q in version %s", got.Peek().Text("displayName"), got.Version)
	}
	f, err := scim.ParseFilter(`displayName eq "Finance"`)
	if err != nil {
		t.Fatal(err)
	}
	page, err := d.Query(t.Context(), GroupType, scim.Query{Filter: f, StartIndex: 1, Count: 10, Projection: p})
	if err != nil || len(page.Resources) != 1 {
		t.Fatalf("Query: %v, %v", page, err)
	}
	if _, ok := page.Resources[0].Peek().Get("members"); ok {
		t.Error("Query returned members that were excluded")
	}
	// An excluded attribute is hidden, not forgotten.
	wantMembers(t, d, g.ID, u.ID)
}

func editor(t *testing.T, d scim.Directory) scim.MemberEditor {
	t.Helper()
	e, ok := d.(scim.MemberEditor)
	if !ok {
		t.Skip("the Directory is not a MemberEditor")
	}
	return e
}

func refs(ids ...string) []scim.Member {
	var list []scim.Member
	for _, id := range ids {
		list = append(list, scim.Member{Value: id})
	}
	return list
}

func testEditMembers(t *testing.T, d scim.Directory) {
	e := editor(t, d)
	a := mustCreate(t, d, UserType, user("ana@acme.example"))
	b := mustCreate(t, d, UserType, user("ben@acme.example"))
	g := mustCreate(t, d, GroupType, group("Finance"))
	sub := mustCreate(t, d, GroupType, group("Payroll"))
	version := g.Version
	for _, step := range []struct {
		name        string
		add, remove []scim.Member
		want        []string
		changes     bool
	}{
		{"add two", refs(a.ID, b.ID), nil, []string{a.ID, b.ID}, true},
		{"add one again", refs(a.ID), nil, []string{a.ID, b.ID}, false},
		{"add and remove", refs(sub.ID), refs(a.ID), []string{b.ID, sub.ID}, true},
		{"remove an absent one", nil, refs(a.ID, "nobody"), []string{b.ID, sub.ID}, false},
		{"add one twice", refs(a.ID, a.ID), nil, []string{a.ID, b.ID, sub.ID}, true},
		{"nothing", nil, nil, []string{a.ID, b.ID, sub.ID}, false},
		{"remove all", nil, refs(a.ID, b.ID, sub.ID), nil, true},
	} {
		got, err := e.EditMembers(t.Context(), g.ID, scim.Precondition{}, step.add, step.remove)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		wantMembers(t, d, g.ID, step.want...)
		if now := mustGet(t, d, GroupType, g.ID); now.Version != got {
			t.Errorf("%s: EditMembers returned version %s, the group has %s", step.name, got, now.Version)
		}
		if (got != version) != step.changes {
			t.Errorf("%s: version %s became %s", step.name, version, got)
		}
		version = got
	}
}

func testEditUnknown(t *testing.T, d scim.Directory) {
	e := editor(t, d)
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	g := mustCreate(t, d, GroupType, group("Finance"))
	_, err := e.EditMembers(t.Context(), "nothing", scim.Precondition{}, refs(u.ID), nil)
	wantError(t, err, scim.NotFound)
	_, err = e.EditMembers(t.Context(), u.ID, scim.Precondition{}, refs(u.ID), nil)
	wantError(t, err, scim.NotFound)
	// All or nothing: the known one is not added either.
	_, err = e.EditMembers(t.Context(), g.ID, scim.Precondition{}, refs(u.ID, "nobody"), nil)
	wantError(t, err, scim.InvalidValue)
	wantMembers(t, d, g.ID)
}

func testEditPrecondition(t *testing.T, d scim.Directory) {
	e := editor(t, d)
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	g := mustCreate(t, d, GroupType, group("Finance"))
	old := scim.Precondition{IfMatch: []string{g.Version}}
	if _, err := e.EditMembers(t.Context(), g.ID, old, refs(u.ID), nil); err != nil {
		t.Fatal(err)
	}
	_, err := e.EditMembers(t.Context(), g.ID, old, nil, refs(u.ID))
	wantError(t, err, scim.PreconditionFailed)
	wantMembers(t, d, g.ID, u.ID)
}

func testConcurrentMembers(t *testing.T, d scim.Directory) {
	e := editor(t, d)
	const n = 12
	var ids []string
	for i := range n {
		ids = append(ids, mustCreate(t, d, UserType, user(fmt.Sprintf("u%d@acme.example", i))).ID)
	}
	g := mustCreate(t, d, GroupType, group("Finance"))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = e.EditMembers(t.Context(), g.ID, scim.Precondition{}, refs(id), nil)
			} else {
				_, err = d.Update(t.Context(), GroupType, g.ID, scim.Precondition{}, func(r *scim.Resource) error {
					o := r.Attributes()
					setMembers(o, append(o.Elements("members"), memberValues([]string{id})...))
					return nil
				})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantMembers(t, d, g.ID, ids...)
}

func testConcurrentUpdates(t *testing.T, d scim.Directory) {
	u := mustCreate(t, d, UserType, user("ana@acme.example"))
	mustUpdate(t, d, UserType, u.ID, func(o *scim.Object) { o.Set("title", "0") })
	const workers, each = 6, 5
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				_, err := d.Update(t.Context(), UserType, u.ID, scim.Precondition{}, func(r *scim.Resource) error {
					n, err := strconv.Atoi(r.Attributes().Text("title"))
					r.Attributes().Set("title", strconv.Itoa(n+1))
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := mustGet(t, d, UserType, u.ID).Peek().Text("title"); got != strconv.Itoa(workers*each) {
		t.Errorf("%d increments came to %s", workers*each, got)
	}
}

func testConcurrentCreate(t *testing.T, d scim.Directory) {
	const n = 8
	made := make([]bool, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, err := d.Create(t.Context(), scim.NewResource(UserType, user("ana@acme.example")))
			made[i] = err == nil
			if err != nil && !scim.IsType(err, scim.Uniqueness) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	count := 0
	for _, ok := range made {
		if ok {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d of %d concurrent creations of one userName succeeded, want 1", count, n)
	}
}

func testIsolation(t *testing.T, d scim.Directory) {
	in := user("ana@acme.example")
	made, err := d.Create(t.Context(), scim.NewResource(UserType, in))
	if err != nil {
		t.Fatal(err)
	}
	in.Set("title", "changed")
	made.Attributes().Set("title", "changed")
	got := mustGet(t, d, UserType, made.ID)
	got.Attributes().Set("title", "changed")
	got.Attributes().Child("name").Set("givenName", "changed")
	wantAttributes(t, mustGet(t, d, UserType, made.ID), user("ana@acme.example"))
}

func testCancelled(t *testing.T, d scim.Directory) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Create(ctx, scim.NewResource(UserType, user("ana@acme.example")))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Create with a cancelled context: got %v, want context.Canceled", err)
	}
	wantFound(t, d, UserType, "")
}

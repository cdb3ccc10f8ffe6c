package entra_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/graph/graphtest"
	"lockstep/internal/provision"
	"lockstep/internal/source/entra"
)

// shown is an object as tests compare it.
func shown(o *provision.Object) map[string]any {
	m := map[string]any{}
	for name, v := range o.Attributes {
		m[name] = v.Strings()
		if !v.IsList() {
			m[name] = v.String()
		}
	}
	if o.Members != nil {
		m["members"] = o.Members
	}
	return m
}

func TestDocumentedReplies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := graphtest.New()
		g.Script(t, "testdata/delta.txtar")
		s := newSource(t, g, entra.Options{UserAttributes: []string{
			"userPrincipalName", "objectId", "mobile", "telephoneNumber", "physicalDeliveryOfficeName", "department", "extensionAttribute1",
			"employeeOrgData.costCenter", "manager", "originalUserPrincipalName", "proxyAddresses",
			"extension_0123456789abcdef0123456789abcdef_costUnit", "IsSoftDeleted", "shoeSize",
		}})
		if got := s.Unknown(); !slices.Equal(got, []string{"shoeSize"}) {
			t.Errorf("unknown: %v", got)
		}
		c := newCopy()
		if err := c.once(t.Context(), s, 0); err != nil {
			t.Fatal(err)
		}
		users, groups := c.objects[provision.User], c.objects[provision.Group]
		if d := cmp.Diff(map[string]any{
			"accountEnabled": "True", "displayName": "Ines Duarte", "userPrincipalName": "ines.duarte@acme.example",
			"originalUserPrincipalName": "ines.duarte@acme.example", "mail": "ines.duarte@acme.example", "userType": "Member",
			"businessPhones": []string{"+351 22 555 0101", "+351 22 555 0199"}, "telephoneNumber": "+351 22 555 0101",
			"mobile": "+351 91 555 0102", "mobilePhone": "+351 91 555 0102", "officeLocation": "Porto", "physicalDeliveryOfficeName": "Porto",
			"extensionAttribute1": "A-17", "employeeOrgData.costCenter": "0042", "proxyAddresses": []string{"SMTP:ines.duarte@acme.example"},
			"extension_0123456789abcdef0123456789abcdef_costUnit": "7", "manager": "u2",
		}, shown(users["u1"])); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]any{
			"accountEnabled": "False", "displayName": "Kim", "userPrincipalName": "kim_li@partner.example",
			"originalUserPrincipalName": "kim_li_partner.example#EXT#@acme.example", "userType": "Guest",
		}, shown(users["u2"])); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]any{"displayName": "LargeGroup", "securityEnabled": "True", "members": []string{"u1", "u2"}}, shown(groups["g1"])); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]provision.Removal{"u9": provision.RemovedSoft, "u8": provision.RemovedHard}, c.removed); d != "" {
			t.Error(d)
		}
		if err := c.once(t.Context(), s, 0); err != nil {
			t.Fatal(err)
		}
		if u := c.objects[provision.User]["u1"]; u.Attributes["displayName"].String() != "Ines Silva" || !u.Attributes["manager"].IsNull() || !u.Attributes["mobile"].IsNull() {
			t.Errorf("after the change: %v", shown(u))
		}
		if err := c.once(t.Context(), s, 0); !errors.Is(err, provision.ErrWatermarkExpired) {
			t.Errorf("410: %v", err)
		}
	})
}

func tenant(people int) *graphtest.Graph {
	g := graphtest.New()
	for i := range people {
		g.PutUser(graphtest.ID(1, i), map[string]any{"displayName": fmt.Sprint("user ", i), "userPrincipalName": fmt.Sprintf("u%d@acme.example", i)})
	}
	return g
}

// Nothing changed: one request for users and one for groups.
func TestQuietTenantCostsTwoRequests(t *testing.T) {
	t.Parallel()
	g := tenant(50)
	g.PutGroup(graphtest.ID(2, 0), map[string]any{"displayName": "g"})
	s := newSource(t, g, entra.Options{UserAttributes: []string{"manager"}})
	c := newCopy()
	if err := c.once(t.Context(), s, 0); err != nil {
		t.Fatal(err)
	}
	if c.total != 51 {
		t.Errorf("expected %d objects in all", c.total)
	}
	before := len(g.Requests())
	if err := c.once(t.Context(), s, 0); err != nil {
		t.Fatal(err)
	}
	if got := g.Requests()[before:]; len(got) != 2 || len(c.seen) != 0 {
		t.Errorf("%d changes in %q", len(c.seen), got)
	}
}

// What a delta told of members holds against a replica that lags behind: the
// change would never be told again.
func TestLaggingReplica(t *testing.T) {
	t.Parallel()
	g := tenant(4)
	id := graphtest.ID(2, 0)
	g.PutGroup(id, map[string]any{"displayName": "g"})
	g.AddMember(id, graphtest.ID(1, 0))
	g.AddMember(id, graphtest.ID(1, 1))
	s := newSource(t, g, entra.Options{})
	c := newCopy()
	if err := c.once(t.Context(), s, 0); err != nil {
		t.Fatal(err)
	}
	g.Freeze(id)
	g.AddMember(id, graphtest.ID(1, 2))
	g.RemoveMember(id, graphtest.ID(1, 0))
	if err := c.once(t.Context(), s, 0); err != nil {
		t.Fatal(err)
	}
	if d := c.differs(g); d != "" {
		t.Error(d)
	}
}

func TestOtherQueryBeginsAnew(t *testing.T) {
	t.Parallel()
	g := tenant(3)
	for i := range 3 {
		g.PutGroup(graphtest.ID(2, i), map[string]any{"displayName": fmt.Sprint("group ", i)})
		g.AddMember(graphtest.ID(2, i), graphtest.ID(1, i))
	}
	read := func(c *copied, o entra.Options) error { return c.once(t.Context(), newSource(t, g, o), 0) }
	listed := func(ids ...int) entra.Options {
		o := entra.Options{Groups: entra.GroupsListed}
		for _, i := range ids {
			o.GroupIDs = append(o.GroupIDs, strings.ToUpper(graphtest.ID(2, i)))
		}
		return o
	}
	c := newCopy()
	if err := read(c, listed(0)); err != nil {
		t.Fatal(err)
	}
	if n := len(c.objects[provision.Group]); n != 1 {
		t.Errorf("%d groups, want the listed one", n)
	}
	// Another group: it is read, people are not read again.
	if err := read(c, listed(0, 1)); err != nil {
		t.Fatal(err)
	}
	if n := len(c.objects[provision.Group]); n != 2 || c.seen[graphtest.ID(1, 0)] {
		t.Errorf("%d groups; people again: %v", n, c.seen)
	}
	before := len(g.Requests())
	if err := read(c, entra.Options{Groups: entra.GroupsNone}); err != nil {
		t.Fatal(err)
	}
	if got := g.Requests()[before:]; len(got) != 1 {
		t.Errorf("without groups: %q", got)
	}
	// Other attributes of people: everything.
	o := entra.Options{UserAttributes: []string{"jobTitle"}}
	if err := read(c, o); !errors.Is(err, provision.ErrWatermarkExpired) {
		t.Errorf("other attributes: %v", err)
	}
	// A watermark of another tenant, of another source, and of another cloud.
	other := newSource(t, g, entra.Options{})
	for _, mark := range []provision.Watermark{"file1 12 34 abc", "{}", `{"v":"entra0"}`, "null", `{"v":"entra1","users":{"link":"https://evil.example/v1.0/users/delta"}}`} {
		x := &copied{mark: mark}
		if err := x.once(t.Context(), other, 0); !errors.Is(err, provision.ErrWatermarkExpired) {
			t.Errorf("%s: %v", mark, err)
		}
	}
}

// Many listed groups cannot stand in the filter; only they are kept all the same.
func TestManyListedGroups(t *testing.T) {
	t.Parallel()
	g := tenant(1)
	o := entra.Options{Groups: entra.GroupsListed}
	for i := range 70 {
		g.PutGroup(graphtest.ID(2, i), map[string]any{"displayName": "g"})
		if i < 60 {
			o.GroupIDs = append(o.GroupIDs, graphtest.ID(2, i))
		}
	}
	c := newCopy()
	if err := c.once(t.Context(), newSource(t, g, o), 0); err != nil {
		t.Fatal(err)
	}
	if n := len(c.objects[provision.Group]); n != 60 {
		t.Errorf("%d groups, want 60", n)
	}
}

// A group over many pages is read twice, not once a page.
func TestLargeGroupIsReadTwice(t *testing.T) {
	t.Parallel()
	g := tenant(300)
	g.PageSize, g.Quirks.MembersPerEntry = 5, 10
	id := graphtest.ID(2, 0)
	g.PutGroup(id, map[string]any{"displayName": "g"})
	for i := range 300 {
		g.AddMember(id, graphtest.ID(1, i))
	}
	c := newCopy()
	if err := c.once(t.Context(), newSource(t, g, entra.Options{}), 0); err != nil {
		t.Fatal(err)
	}
	if d := c.differs(g); d != "" {
		t.Error(d)
	}
	readings := 0
	for _, r := range g.Requests() {
		if strings.HasPrefix(r, "GET /v1.0/groups/"+id+"/members") && !strings.Contains(r, "skiptoken") {
			readings++
		}
	}
	if readings != 2 {
		t.Errorf("the members were read %d times", readings)
	}
}

func TestNestedGroups(t *testing.T) {
	t.Parallel()
	g := tenant(2)
	outer, inner := graphtest.ID(2, 0), graphtest.ID(2, 1)
	g.PutGroup(outer, map[string]any{"displayName": "outer"})
	g.PutGroup(inner, map[string]any{"displayName": "inner"})
	g.AddMember(outer, inner)
	g.AddMember(outer, "device-1")
	for nested, want := range map[bool][]string{true: {inner}, false: nil} {
		c := newCopy()
		if err := c.once(t.Context(), newSource(t, g, entra.Options{NestedGroups: nested}), 0); err != nil {
			t.Fatal(err)
		}
		if got := c.objects[provision.Group][outer].Members; !slices.Equal(got, want) {
			t.Errorf("nested %v: %v", nested, got)
		}
	}
}

// An interrupted first reading goes on, but does not say that it is complete.
func TestInterruptedReadingIsNotComplete(t *testing.T) {
	t.Parallel()
	g := tenant(10)
	g.PageSize = 2
	s := newSource(t, g, entra.Options{})
	c := newCopy()
	if err := c.once(t.Context(), s, 3); err != nil {
		t.Fatal(err)
	}
	before := len(g.Requests())
	for p, err := range s.Changes(t.Context(), c.mark) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Complete {
			t.Error("it says complete")
		}
		for _, ch := range p.Changes {
			c.objects[ch.Object.Type][ch.Object.ID] = ch.Object
		}
	}
	if n := len(c.objects[provision.User]); n != 10 {
		t.Errorf("%d people", n)
	}
	if got := g.Requests()[before:]; len(got) != 3 {
		t.Errorf("it did not go on where it was: %q", got)
	}
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, want string }{
		{"no link", `{"value":[]}`, "neither @odata.nextLink nor"},
		{"circular", `{"value":[],"@odata.nextLink":"http://127.0.0.1/v1.0/users/delta?$skiptoken=x"}`, "names itself"},
		{"foreign link", `{"value":[],"@odata.nextLink":"https://evil.example/v1.0/users"}`, "is not followed"},
		{"nobody", `{"value":[],"@odata.deltaLink":"http://127.0.0.1/v1.0/users/delta?$deltatoken=x"}`, "no user at all"},
		{"not JSON", `<html>`, "not what Microsoft Graph gives"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := tenant(0)
			g.Inject(func(r *http.Request) *graphtest.Fault {
				if strings.HasSuffix(r.URL.Path, "/delta") {
					return &graphtest.Fault{Status: 200, Body: c.body}
				}
				return nil
			})
			err := newCopy().once(t.Context(), newSource(t, g, entra.Options{}), 0)
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, provision.ErrWatermarkExpired) {
				t.Error(err)
			}
		})
	}
}

// Entries that cannot be understood are problems; the others go in.
func TestBadEntries(t *testing.T) {
	t.Parallel()
	g := tenant(0)
	id := graphtest.ID(2, 0)
	g.PutGroup(id, map[string]any{"displayName": "g"})
	g.Inject(func(r *http.Request) *graphtest.Fault {
		switch {
		case strings.HasSuffix(r.URL.Path, "/users/delta"):
			return &graphtest.Fault{Status: 200, Body: `{"value":[{"displayName":"nameless"},{"id":"u1","accountEnabled":"yes"}],"@odata.deltaLink":"http://127.0.0.1/v1.0/users/delta?$deltatoken=0||"}`}
		case strings.HasSuffix(r.URL.Path, "/groups/delta"):
			return &graphtest.Fault{Status: 200, Body: `{"value":[{"id":"` + id + `","members@delta":"many"}],"@odata.deltaLink":"http://127.0.0.1/v1.0/groups/delta?$deltatoken=0||"}`}
		}
		return nil
	})
	var problems []provision.Problem
	n := 0
	for p, err := range newSource(t, g, entra.Options{}).Changes(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		problems = append(problems, p.Problems...)
		n += len(p.Changes)
	}
	if n != 2 || len(problems) != 2 || problems[0].ID != "" || problems[1].ID != id || !problems[1].Kept {
		t.Errorf("%d changes, problems %+v", n, problems)
	}
}

// A token that expires in the middle asks for a full reading; a full reading
// in whose middle it expires fails, and tells why.
func TestExpiryInTheMiddle(t *testing.T) {
	t.Parallel()
	g := tenant(10)
	g.PageSize = 3
	s := newSource(t, g, entra.Options{})
	for p, err := range s.Changes(t.Context(), "") {
		if p.Next != "" {
			g.Forget()
		}
		if err != nil {
			if !errors.Is(err, provision.ErrWatermarkExpired) || !strings.Contains(err.Error(), "syncStateNotFound") {
				t.Error(err)
			}
			return
		}
	}
	t.Error("the expiry was not noticed")
}

func FuzzWatermark(f *testing.F) {
	f.Add(`{"v":"entra1","users":{"link":"http://127.0.0.1/v1.0/users/delta?$deltatoken=0||","query":"x"}}`)
	f.Add(`{"v":"entra1","users":{"link":"http://127.0.0.1/v1.0/users/delta?$skiptoken=round1.0","query":"x","within":true,"full":true,"again":["a"],"gone":["b"]},"groups":null}`)
	f.Add("file1 1 2 3")
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" {
			return
		}
		g := tenant(1)
		g.Inject(func(r *http.Request) *graphtest.Fault {
			if r.URL.Host != "127.0.0.1" {
				t.Errorf("%s was called", r.URL.Host)
			}
			return nil
		})
		for _, err := range newSource(t, g, entra.Options{}).Changes(t.Context(), provision.Watermark(text)) {
			if err != nil && !errors.Is(err, provision.ErrWatermarkExpired) {
				t.Error(err)
			}
		}
	})
}

func FuzzDelta(f *testing.F) {
	f.Add(`[{"id":"u1","manager@delta":[{"id":"u2"}],"businessPhones":["1",2,null,{}],"onPremisesExtensionAttributes":7}]`)
	f.Add(`[{"id":"u1","@removed":null},{"id":"u1"},{"id":"u1","userPrincipalName":"a_b#EXT#@c"}]`)
	f.Fuzz(func(t *testing.T, entries string) {
		g := tenant(2)
		g.Inject(func(r *http.Request) *graphtest.Fault {
			if strings.HasSuffix(r.URL.Path, "/users/delta") {
				return &graphtest.Fault{Status: 200, Body: `{"value":` + entries + `,"@odata.deltaLink":"http://127.0.0.1/v1.0/users/delta?$deltatoken=0||"}`}
			}
			return nil
		})
		for p, err := range newSource(t, g, entra.Options{UserAttributes: []string{"manager", "telephoneNumber"}}).Changes(t.Context(), "") {
			if err != nil {
				return
			}
			for _, ch := range p.Changes {
				if ch.Object.ID == "" {
					t.Fatal("an object without an ID")
				}
				if _, err := ch.Object.Encode(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

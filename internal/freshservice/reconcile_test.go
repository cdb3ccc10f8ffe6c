package freshservice_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lockstep/internal/freshservice"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/scim"
)

func (a *account) reconcile(mode freshservice.ReconcileMode) (freshservice.Reconciliation, []freshservice.PersonDrift) {
	a.t.Helper()
	var list []freshservice.PersonDrift
	sum, err := a.Reconcile(a.t.Context(), freshservice.ReconcileOptions{Mode: mode, Found: func(d freshservice.PersonDrift) { list = append(list, d) }})
	if err != nil {
		a.t.Fatalf("%s: %v (%v)", mode, err, scim.AsError(err).Err)
	}
	if sum.Drifted != len(list) {
		a.t.Errorf("%s: %d drifted, %d told of", mode, sum.Drifted, len(list))
	}
	return sum, list
}

func (a *account) byHand(email string, change func(p *desk.Person)) {
	a.t.Helper()
	if _, err := a.desk.UpdatePerson(a.t.Context(), a.person(email).ID, change); err != nil {
		a.t.Fatal(err)
	}
}

const eva = `{"userName":"eva@acme.example","externalId":"e-9","title":"Clerk","active":true,"displayName":"Eva Engel",
 "name":{"givenName":"Eva","familyName":"Engel"},"locale":"de","timezone":"Europe/Berlin",
 "emails":[{"primary":true,"type":"work","value":"eva@acme.example"},{"type":"other","value":"eva2@acme.example"}],
 "phoneNumbers":[{"type":"work","value":"1"},{"type":"mobile","value":"2"}],"addresses":[{"type":"work","formatted":"Way 1"}],
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Finance","manager":{"value":"boss@acme.example"},"_location":"Porto"},
 "urn:ietf:params:scim:schemas:extension:freshservice:2.0:User":{"floor":3,"remote":true,"hired_on":"2024-05-06","contract":"Permanent","employee_id":"7114000"}}`

// Every attribute that lockstep writes: changed by hand, the drift is reported,
// adopted, or repaired, whether or not a listing has come by in between.
func TestReconcileEveryAttribute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		attribute, was, is string
		change             func(p *desk.Person)
	}{
		{"title", "Clerk", "By hand", func(p *desk.Person) { p.JobTitle = "By hand" }},
		{"title", "Clerk", "", func(p *desk.Person) { p.JobTitle = "" }},
		{"name.givenName", "Eva", "Eve", func(p *desk.Person) { p.FirstName = "Eve" }},
		{"name.familyName", "Engel", "Angel", func(p *desk.Person) { p.LastName = "Angel" }},
		{"locale", "de", "fr", func(p *desk.Person) { p.Language = "fr" }},
		{"timezone", "Berlin", "Tokyo", func(p *desk.Person) { p.TimeZone = "Tokyo" }},
		{"externalId", "e-9", "e-10", func(p *desk.Person) { p.ExternalID = "e-10" }},
		{`phoneNumbers[type eq "work"].value`, "1", "", func(p *desk.Person) { p.WorkPhoneNumber = "" }},
		{`phoneNumbers[type eq "mobile"].value`, "2", "22", func(p *desk.Person) { p.MobilePhoneNumber = "22" }},
		{`addresses[type eq "work"].formatted`, "Way 1", "Way 2", func(p *desk.Person) { p.Address = "Way 2" }},
		{`emails[type eq "work"].value`, "eva@acme.example", "eve@acme.example", func(p *desk.Person) { p.PrimaryEmail = "eve@acme.example" }},
		{"emails", "eva2@acme.example", "eva3@acme.example", func(p *desk.Person) { p.SecondaryEmails = []string{"eva3@acme.example"} }},
		{"emails", "eva2@acme.example", "", func(p *desk.Person) { p.SecondaryEmails = nil }},
		{scim.URNEnterprise + ":department", "Finance", "Sales", func(p *desk.Person) { p.DepartmentIDs = []int64{502} }},
		{scim.URNEnterprise + ":department", "Finance", "", func(p *desk.Person) { p.DepartmentIDs = nil }},
		{scim.URNEnterprise + ":_location", "Porto", "Berlin", func(p *desk.Person) { p.LocationID = 602 }},
		{scim.URNEnterprise + ":manager", "boss@acme.example", "agnes@acme.example", func(p *desk.Person) { p.ReportingManagerID = 9003 }},
		{scim.URNFreshservice + ":floor", "3", "4", func(p *desk.Person) { p.CustomFields["floor"] = json.RawMessage("4") }},
		{scim.URNFreshservice + ":remote", "true", "false", func(p *desk.Person) { p.CustomFields["remote"] = json.RawMessage("false") }},
		{scim.URNFreshservice + ":contract", "Permanent", "", func(p *desk.Person) { p.CustomFields["contract"] = json.RawMessage("null") }},
		{"active", "true", "false", func(p *desk.Person) { p.Inactive = true }},
	} {
		t.Run(c.attribute+" "+c.is, func(t *testing.T) {
			t.Parallel()
			for _, refreshed := range []bool{false, true} {
				for _, mode := range []freshservice.ReconcileMode{freshservice.AdoptDrift, freshservice.RepairDrift} {
					a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
					id := a.create(eva).ID
					original := jsonOf(t, withoutStamps(a.person("eva@acme.example")))
					if sum, _ := a.reconcile(freshservice.ReportDrift); sum.Compared != 1 || sum.Drifted != 0 || sum.Listed != 5 {
						t.Fatalf("before: %+v", sum)
					}
					n, _ := parse(id)
					if _, err := a.desk.UpdatePerson(t.Context(), n, c.change); err != nil {
						t.Fatal(err)
					}
					changed, _ := a.desk.Person(n)
					if refreshed {
						if _, err := a.Refresh(t.Context()); err != nil {
							t.Fatal(err)
						}
						// A change of something else leaves the drift to be seen.
						a.patch(id, `{"op":"add","path":"nickName","value":"Evi"}`)
					}
					a.desk.ResetCalls()
					writes := a.mirror.Writes()
					_, drift := a.reconcile(freshservice.ReportDrift)
					want := freshservice.Drift{Attribute: c.attribute, Lockstep: c.was, Freshservice: c.is}
					if len(drift) != 1 || len(drift[0].Attributes) != 1 {
						t.Fatalf("refreshed %v: found %+v", refreshed, drift)
					}
					got := drift[0].Attributes[0]
					got.Field = ""
					if got != want || drift[0].ID != id || drift[0].UserName == "" {
						t.Errorf("refreshed %v: found %+v, want %+v", refreshed, drift, want)
					}
					if got := a.mirror.Writes() - writes; got > 1 { // the catalogue
						t.Errorf("a report wrote %d times", got)
					}
					for route := range a.calls() {
						if !strings.HasPrefix(route, "GET ") {
							t.Errorf("a report sent %s", route)
						}
					}
					if now, _ := a.desk.Person(n); jsonOf(t, withoutStamps(&now)) != jsonOf(t, withoutStamps(&changed)) {
						t.Error("a report changed the desk")
					}

					sum, drift := a.reconcile(mode)
					if sum.Drifted != 1 || sum.Failed != 0 {
						t.Errorf("%s: %+v %+v", mode, sum, drift)
					}
					now, _ := a.desk.Person(n)
					wanted := jsonOf(t, withoutStamps(&changed))
					if mode == freshservice.RepairDrift {
						wanted = original
					}
					if got := jsonOf(t, withoutStamps(&now)); got != wanted {
						t.Errorf("%s, refreshed %v: the desk has\n%s, want\n%s", mode, refreshed, got, wanted)
					}
					if sum, drift := a.reconcile(freshservice.ReportDrift); sum.Drifted != 0 || sum.Compared != 1 {
						t.Errorf("after %s, refreshed %v: %+v %+v", mode, refreshed, sum, drift)
					}
				}
			}
		})
	}
}

func withoutStamps(p *desk.Person) *desk.Person {
	q := *p
	q.UpdatedAt = 0
	return &q
}

func TestReconcileStates(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	ids := map[string]string{}
	for _, name := range []string{"agent", "deleted", "erased", "merely"} {
		ids[name] = a.create(fmt.Sprintf(`{"userName":"%s@acme.example","name":{"givenName":%q},"title":"T","urn:ietf:params:scim:schemas:extension:freshservice:2.0:User":{"isAgent":"no"}}`, name, name)).ID
	}
	if err := a.Delete(t.Context(), users, ids["deleted"], scim.Precondition{}); err != nil {
		t.Fatal(err)
	}
	deleted, _ := parse(ids["deleted"])
	if _, err := a.client.Reactivate(t.Context(), freshservice.Requester, deleted); err != nil {
		t.Fatal(err)
	}
	if _, err := a.client.ConvertToAgent(t.Context(), a.person("agent@acme.example").ID); err != nil {
		t.Fatal(err)
	}
	a.forget(ids["erased"])
	if _, err := a.desk.AddRequester(t.Context(), desk.Person{FirstName: "New", PrimaryEmail: "new@acme.example"}); err != nil {
		t.Fatal(err)
	}

	sum, drift := a.reconcile(freshservice.ReportDrift)
	var found []string
	for _, d := range drift {
		for _, x := range d.Attributes {
			found = append(found, d.UserName+" "+x.Field+" "+x.Lockstep+" "+x.Freshservice)
		}
	}
	slices.Sort(found)
	want := []string{"agent@acme.example kind false true", "deleted@acme.example active false true", "erased@acme.example id " + ids["erased"] + " "}
	if !slices.Equal(found, want) || sum.Unknown != 1 {
		t.Errorf("found %q, want %q; %+v", found, want, sum)
	}
	a.reconcile(freshservice.RepairDrift)
	if p := a.person("agent@acme.example"); p.IsAgent() {
		t.Error("still an agent")
	}
	if p := a.person("deleted@acme.example"); !p.Inactive {
		t.Error("the deleted person is still active")
	}
	if p := a.person("erased@acme.example"); p.JobTitle != "T" || jsonID(p.ID) == ids["erased"] {
		t.Errorf("the erased person: %+v", p)
	}
	if sum, drift := a.reconcile(freshservice.ReportDrift); sum.Drifted != 0 {
		t.Errorf("left: %+v", drift)
	}
}

// A whole company is compared for its pages and the names.
func TestReconcileIsCheap(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	const n = 450
	for i := range n {
		a.create(fmt.Sprintf(`{"userName":"p%d@acme.example","name":{"givenName":"P"},"title":"T"}`, i))
	}
	for i := range 7 {
		a.byHand(fmt.Sprintf("p%d@acme.example", i), func(p *desk.Person) { p.JobTitle = "By hand" })
	}
	a.desk.ResetCalls()
	sum, _ := a.reconcile(freshservice.ReportDrift)
	if sum.Drifted != 7 || sum.ByAttribute["title"] != 7 || sum.Compared != n {
		t.Errorf("%+v", sum)
	}
	if calls := a.desk.Calls().Total; calls > n/100+10 {
		t.Errorf("%d calls", calls)
	}
	a.desk.ResetCalls()
	a.reconcile(freshservice.RepairDrift)
	if calls := a.calls()["PUT /requesters/{id}"]; calls != 7 {
		t.Errorf("%d writes", calls)
	}
}

// Members who were put in or taken out in Freshservice, and a new name.
func TestReconcileGroups(t *testing.T) {
	t.Parallel()
	for _, kind := range []freshservice.GroupMapping{freshservice.RequesterGroups, freshservice.AgentGroups} {
		for _, mode := range []freshservice.ReconcileMode{freshservice.AdoptDrift, freshservice.RepairDrift} {
			t.Run(string(kind)+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				a := open(t, setup{desk: desk.Options{Seed: company()}, settings: freshservice.Settings{Groups: kind}}).warm()
				var ids []string
				for _, name := range []string{"in", "out", "both"} {
					ids = append(ids, a.create(fmt.Sprintf(`{"userName":"%s@acme.example","name":{"givenName":"G"},"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User":{"isAgent":%v}}`, name, kind == freshservice.AgentGroups)).ID)
				}
				g, err := a.createGroup("Team")
				if err != nil {
					t.Fatal(err)
				}
				a.edit(g.ID, []string{ids[1], ids[2]}, nil)
				if sum, drift := a.reconcile(freshservice.ReportDrift); sum.Drifted != 0 {
					t.Fatalf("before: %+v", drift)
				}
				group, _ := parse(g.ID)
				in, _ := parse(ids[0])
				out, _ := parse(ids[1])
				both, _ := parse(ids[2])
				wire := freshservice.AgentGroup
				if kind == freshservice.RequesterGroups {
					wire = freshservice.RequesterGroup
					err = a.client.AddGroupMember(t.Context(), group, in)
					if err == nil {
						err = a.client.RemoveGroupMember(t.Context(), group, out)
					}
				} else {
					_, err = a.client.UpdateGroup(t.Context(), wire, group, freshservice.Fields{"members": []int64{in, both}})
				}
				if err == nil {
					_, err = a.client.UpdateGroup(t.Context(), wire, group, freshservice.Fields{"name": "Crew"})
				}
				if err != nil {
					t.Fatal(err)
				}
				_, drift := a.reconcile(freshservice.ReportDrift)
				want := []freshservice.Drift{
					{Attribute: "displayName", Field: "name", Lockstep: "Team", Freshservice: "Crew"},
					{Attribute: "members", Field: "members", Lockstep: "out@acme.example", Freshservice: "in@acme.example"},
				}
				if len(drift) != 1 || drift[0].Type != "Group" || !slices.Equal(drift[0].Attributes, want) {
					t.Fatalf("found %+v", drift)
				}
				a.reconcile(mode)
				name, member := "Team", ids[1]
				if mode == freshservice.AdoptDrift {
					name, member = "Crew", ids[0]
				}
				there, err := a.client.Group(t.Context(), wire, group)
				if err != nil || there.Name != name {
					t.Errorf("the group is %+v, %v", there, err)
				}
				members := slices.Sorted(slices.Values([]string{member, ids[2]}))
				if got := slices.Sorted(slices.Values(a.members(g.ID))); !slices.Equal(got, members) {
					t.Errorf("members over SCIM %v, want %v", got, members)
				}
				if sum, drift := a.reconcile(freshservice.ReportDrift); sum.Drifted != 0 {
					t.Errorf("left: %+v", drift)
				}
			})
		}
	}
}

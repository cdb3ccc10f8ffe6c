package freshservice_test

import (
	"slices"
	"testing"

	"lockstep/internal/freshservice"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/scim"
)

func (a *account) createGroup(name string) (*scim.Resource, error) {
	return a.Create(a.t.Context(), scim.NewResource(groups, scim.NewObject("schemas", []scim.Value{scim.URNGroup}, "displayName", name)))
}

func (a *account) edit(id string, add, remove []string) {
	a.t.Helper()
	list := func(ids []string) (m []scim.Member) {
		for _, id := range ids {
			m = append(m, scim.Member{Value: id})
		}
		return m
	}
	if _, err := a.EditMembers(a.t.Context(), id, scim.Precondition{}, list(add), list(remove)); err != nil {
		a.t.Fatal(err)
	}
}

func (a *account) members(id string) []string {
	a.t.Helper()
	r, err := a.Get(a.t.Context(), groups, id, scim.Projection{})
	if err != nil {
		a.t.Fatal(err)
	}
	var ids []string
	for _, v := range r.Peek().Elements("members") {
		ids = append(ids, v.(*scim.Object).Text("value"))
	}
	slices.Sort(ids)
	return ids
}

func TestRequesterGroups(t *testing.T) {
	t.Parallel()
	seed := company()
	seed.RequesterGroups = []desk.SeedRequesterGroup{
		{RequesterGroup: desk.RequesterGroup{ID: 71, Name: "Managers", Type: desk.RuleBased}},
		{RequesterGroup: desk.RequesterGroup{ID: 72, Name: "Fire wardens", Type: desk.Manual}, Members: []int64{9001}},
	}
	a := open(t, setup{desk: desk.Options{Seed: seed}, settings: freshservice.Settings{Groups: freshservice.RequesterGroups}}).warm()
	if got := a.members("72"); !slices.Equal(got, []string{"9001"}) {
		t.Errorf("members found: %v", got)
	}
	g, err := a.createGroup("Finance EMEA")
	if err != nil {
		t.Fatal(err)
	}
	a.wantCalls("POST /requester_groups")
	_, err = a.createGroup("finance emea")
	wantError(t, err, scim.Uniqueness, "displayName", "finance emea")
	id := a.create(ines).ID
	a.desk.ResetCalls()
	a.edit(g.ID, []string{id, "9001"}, nil)
	a.wantCalls("POST /requester_groups/{id}/members/{member}", "POST /requester_groups/{id}/members/{member}")
	a.edit(g.ID, []string{id}, []string{"9002"}) // nothing new
	a.wantCalls()
	a.edit(g.ID, nil, []string{"9001"})
	a.wantCalls("DELETE /requester_groups/{id}/members/{member}")

	// Freshservice drops a deactivated person from the group; coming back restores it.
	a.patch(id, `{"op":"replace","path":"active","value":false}`)
	a.patch(id, `{"op":"replace","path":"active","value":true}`)
	group, err := parse(g.ID)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := a.client.GroupMembers(t.Context(), group)
	if err != nil || !slices.Equal(inside, []int64{a.person("ines@acme.example").ID}) {
		t.Errorf("members in Freshservice: %v, %v", inside, err)
	}
	a.desk.ResetCalls()
	r, err := a.Update(t.Context(), groups, g.ID, scim.Precondition{}, func(r *scim.Resource) error {
		r.Attributes().Set("displayName", "Finance Europe")
		r.Attributes().Set("members", []scim.Value{scim.NewObject("value", "9001")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.wantCalls("PUT /requester_groups/{id}", "POST /requester_groups/{id}/members/{member}", "DELETE /requester_groups/{id}/members/{member}")
	if got := a.members(r.ID); !slices.Equal(got, []string{"9001"}) {
		t.Errorf("members %v", got)
	}
	_, err = a.EditMembers(t.Context(), "71", scim.Precondition{}, []scim.Member{{Value: "9001"}}, nil)
	wantError(t, err, scim.Mutability, "", "rules")
	_, err = a.EditMembers(t.Context(), g.ID, scim.Precondition{}, []scim.Member{{Value: "31337"}}, nil)
	wantError(t, err, scim.InvalidValue, "members", "31337")
	// Who is deleted leaves.
	if err := a.Delete(t.Context(), users, "9001", scim.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if got := a.members(g.ID); len(got) != 0 {
		t.Errorf("members after the deletion: %v", got)
	}
	if err := a.Delete(t.Context(), groups, g.ID, scim.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = a.Get(t.Context(), groups, g.ID, scim.Projection{})
	wantError(t, err, scim.NotFound, "")
}

func TestAgentGroups(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}, settings: freshservice.Settings{Groups: freshservice.AgentGroups}}).warm()
	g, err := a.createGroup("Network")
	if err != nil {
		t.Fatal(err)
	}
	a.desk.ResetCalls()
	a.edit(g.ID, []string{"9003", "9001"}, nil)
	a.wantCalls("PUT /groups/{id}")
	if got := a.members(g.ID); !slices.Equal(got, []string{"9001", "9003"}) {
		t.Errorf("members %v", got)
	}
	if notes := a.mirror.Notes(groups, g.ID); len(notes) != 1 || notes[0].Value != "9001" {
		t.Errorf("notes %+v", notes)
	}
	group, _ := parse(g.ID)
	if there, err := a.client.Group(t.Context(), freshservice.AgentGroup, group); err != nil || !slices.Equal(there.Members, []int64{9003}) {
		t.Errorf("in Freshservice: %+v, %v", there, err)
	}
	a.edit(g.ID, nil, []string{"9003"})
	if there, err := a.client.Group(t.Context(), freshservice.AgentGroup, group); err != nil || len(there.Members) != 0 {
		t.Errorf("in Freshservice: %+v, %v", there, err)
	}
}

func TestGroupsOff(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	_, err := a.createGroup("Any")
	wantError(t, err, scim.NotImplemented, "", "groups")
	page, err := a.Query(t.Context(), groups, scim.Query{StartIndex: 1, Count: 10})
	if err != nil || page.Total != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	a.wantCalls()
}

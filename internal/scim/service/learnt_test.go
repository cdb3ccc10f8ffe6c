package service_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/scim/service"
)

// openAccount returns an account whose types keep unlisted extensions, and what
// it learnt.
func openAccount(d scim.Directory) (*service.Account, func() []string) {
	users, groups := scim.UserType(), scim.GroupType()
	users.Open, groups.Open = true, true
	var mu sync.Mutex
	var learnt []string
	a := &service.Account{ID: "acme", Directory: d, Users: users, Groups: groups, OnLearn: func(l service.LearntAttribute) {
		mu.Lock()
		defer mu.Unlock()
		learnt = append(learnt, l.ResourceType+" "+l.Schema+" "+l.Attribute.Name+" "+string(l.Attribute.Type))
	}}
	return a, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return learnt
	}
}

func TestUnlistedExtensionsAreKept(t *testing.T) {
	const urn = "urn:acme:hr:2.0:User"
	users, groups := scim.UserType(), scim.GroupType()
	users.Open, groups.Open = true, true
	a, learnt := openAccount(scimtest.NewDirectory(users, groups))
	h := service.New(service.Options{Accounts: oneAccount(a)})
	type user struct {
		ID      string
		Schemas []string
		HR      map[string]any `json:"urn:acme:hr:2.0:User"`
		Ent     map[string]any `json:"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`
	}
	w := send(t, h, "POST", "/scim/v2/Users", `{"schemas":["`+scim.URNUser+`","`+urn+`"],"userName":"ana",
		"`+urn+`":{"desk":{"floor":3},"badge":7,"tags":["a","b"]},"`+scim.URNEnterprise+`":{"department":"X","shift":"night"}}`)
	got := decode[user](t, w)
	want := map[string]any{"badge": 7.0, "tags": []any{"a", "b"}, "desk": map[string]any{"floor": 3.0}}
	if diff := cmp.Diff(want, got.HR); w.Code != 201 || diff != "" || got.Ent["shift"] != "night" {
		t.Fatalf("%d %s\n%s", w.Code, w.Body, diff)
	}
	if diff := cmp.Diff([]string{scim.URNUser, scim.URNEnterprise, urn}, got.Schemas); diff != "" {
		t.Errorf("schemas (-want +got):\n%s", diff)
	}
	path := "/scim/v2/Users/" + got.ID
	patch := func(ops string) user {
		t.Helper()
		w := send(t, h, "PATCH", path, patchOf(ops))
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", ops, w.Code, w.Body)
		}
		return decode[user](t, w)
	}
	if u := patch(`{"op":"replace","path":"` + urn + `:badge","value":8}`); u.HR["badge"] != 8.0 || u.HR["desk"] == nil {
		t.Errorf("one attribute replaced: %v", u.HR)
	}
	if u := patch(`{"op":"add","value":{"` + urn + `:level":"senior"}}`); u.HR["level"] != "senior" {
		t.Errorf("flattened name added: %v", u.HR)
	}
	if u := patch(`{"op":"add","path":"` + urn + `","value":{"room":"B2"}}`); u.HR["room"] != "B2" || u.HR["badge"] != 8.0 {
		t.Errorf("whole extension merged: %v", u.HR)
	}
	if u := patch(`{"op":"remove","path":"` + urn + `:room"}`); u.HR["room"] != nil {
		t.Errorf("one attribute removed: %v", u.HR)
	}
	// A URN that does not show where it ends: the value tells.
	u := patch(`{"op":"add","value":{"urn:acme:odd":{"a":1}}},{"op":"replace","path":"urn:acme:odd:a","value":2}`)
	if w := send(t, h, "GET", path, ""); !strings.Contains(w.Body.String(), `"urn:acme:odd":{"a":2}`) {
		t.Errorf("an odd URN: %s", w.Body)
	}
	for filter, want := range map[string]int{
		urn + `:badge eq 8`: 1, urn + `:badge eq 9`: 0, urn + `:level sw "sen"`: 1, urn + `:nothing pr`: 0, "urn:acme:other:2.0:User:x eq 1": 0,
	} {
		list := decode[struct{ TotalResults int }](t, send(t, h, "GET", "/scim/v2/Users?filter="+url.QueryEscape(filter), ""))
		if list.TotalResults != want {
			t.Errorf("%s finds %d, want %d", filter, list.TotalResults, want)
		}
	}
	for query, has := range map[string]bool{"attributes=" + urn: true, "attributes=" + urn + ":badge": true, "excludedAttributes=" + urn: false, "attributes=userName": false} {
		w := send(t, h, "GET", path+"?"+query, "")
		if strings.Contains(w.Body.String(), `"badge"`) != has {
			t.Errorf("%s: %s", query, w.Body)
		}
	}
	if u = patch(`{"op":"remove","path":"` + urn + `"}`); u.HR != nil || strings.Contains(strings.Join(u.Schemas, " "), urn) {
		t.Errorf("whole extension removed: %v %v", u.HR, u.Schemas)
	}
	w = send(t, h, "PUT", path, `{"schemas":["`+scim.URNUser+`"],"userName":"ana","`+urn+`":{"badge":9}}`)
	if u := decode[user](t, w); w.Code != 200 || u.HR["badge"] != 9.0 {
		t.Errorf("replaced: %d %s", w.Code, w.Body)
	}
	wantLearnt := []string{
		"User " + urn + " desk complex", "User " + urn + " badge integer", "User " + urn + " tags string",
		"User " + scim.URNEnterprise + " shift string", "User " + urn + " level string", "User " + urn + " room string", "User urn:acme:odd a integer",
	}
	if diff := cmp.Diff(wantLearnt, learnt()); diff != "" {
		t.Errorf("learnt (-want +got):\n%s", diff)
	}
	for target, want := range map[string]string{
		"/Schemas/" + urn:                `"name":"badge","type":"integer"`,
		"/Schemas/" + scim.URNEnterprise: `"name":"shift"`,
		"/ResourceTypes/User":            urn,
	} {
		if w := send(t, h, "GET", "/scim/v2"+target, ""); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

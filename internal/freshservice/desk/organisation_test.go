package desk_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/freshservice/desk"
)

func TestDepartments(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	a := want(t, d, 201, "POST", "/departments", `{"name":"Sales","domains":["acme.example"]}`)
	sales := a.id(t)
	if a.header.Get("Location") != path("http://localhost:8471/api/v2/departments/%d", sales) {
		t.Errorf("Location = %q", a.header.Get("Location"))
	}
	for body, faults := range map[string][]string{
		`{}`:                                   {"name missing_field"},
		`{"name":" sales "}`:                   {"name duplicate_value"},
		`{"name":"X","boss":1}`:                {"boss invalid_field"},
		`{"name":"X","head_user_id":5}`:        {"head_user_id invalid_value"},
		`{"name":"X","domains":"x"}`:           {"domains datatype_mismatch"},
		`{"name":"X","custom_fields":{"a":1}}`: {"custom_fields.a invalid_field"},
	} {
		if diff := cmp.Diff(faults, api(t, d, "POST", "/departments", body).faults()); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
	p := add(t, d, desk.Person{FirstName: "A", PrimaryEmail: "a@acme.example", DepartmentIDs: []int64{sales}})
	want(t, d, 200, "PUT", path("/departments/%d", sales), path(`{"head_user_id":%d}`, p.ID))
	want(t, d, 201, "POST", "/departments", `{"name":"Sales North"}`)
	count := func(expr string) int {
		return len(want(t, d, 200, "GET", "/departments?query="+url.QueryEscape(expr), "").list(t, "departments"))
	}
	if count(`"name:'Sales'"`) != 1 || count(`"name:'Sal'"`) != 0 {
		t.Error("a query for the name")
	}
	want(t, d, 400, "GET", "/departments?query="+url.QueryEscape(`"description:'x'"`), "")
	if l := want(t, d, 200, "GET", "/departments?per_page=1", ""); l.header.Get("Link") == "" || len(l.list(t, "departments")) != 1 {
		t.Error("the list is paged")
	}
	want(t, d, 204, "DELETE", path("/departments/%d", sales), "")
	want(t, d, 404, "GET", path("/departments/%d", sales), "")
	o := want(t, d, 200, "GET", path("/requesters/%d", p.ID), "").object(t, "requester")
	if len(o["department_ids"].([]any)) != 0 || o["department_names"] != nil {
		t.Errorf("the person still has %v", o["department_ids"])
	}
	want(t, d, 200, "PUT", path("/requesters/%d", p.ID), `{"job_title":"x"}`)
	want(t, d, 201, "POST", "/departments", `{"name":"Sales"}`)
	if l := want(t, d, 200, "GET", "/department_fields", "").list(t, "department_fields"); len(l) != 5 {
		t.Errorf("department_fields: %v", l)
	}
}

func TestLocations(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	de := want(t, d, 201, "POST", "/locations", `{"name":"Germany","address":{"country":"DE"}}`)
	if diff := cmp.Diff(map[string]any{"line1": nil, "line2": nil, "city": nil, "state": nil, "country": "DE", "zipcode": nil}, de.object(t, "location")["address"]); diff != "" {
		t.Error(diff)
	}
	fr := want(t, d, 201, "POST", "/locations", `{"name":"France"}`)
	hq := want(t, d, 201, "POST", "/locations", path(`{"name":"HQ","parent_location_id":%d}`, de.id(t)))
	want(t, d, 201, "POST", "/locations", path(`{"name":"HQ","parent_location_id":%d}`, fr.id(t)))
	want(t, d, 409, "POST", "/locations", path(`{"name":"hq","parent_location_id":%d}`, fr.id(t)))
	want(t, d, 400, "POST", "/locations", `{"name":"X","parent_location_id":5}`)
	want(t, d, 400, "POST", "/locations", `{"name":"X","address":{"street":"y"}}`)
	want(t, d, 400, "PUT", path("/locations/%d", de.id(t)), path(`{"parent_location_id":%d}`, hq.id(t)))
	want(t, d, 400, "PUT", path("/locations/%d", de.id(t)), path(`{"parent_location_id":%d}`, de.id(t)))
	if l := want(t, d, 200, "GET", "/locations?query="+url.QueryEscape(`"name:'HQ'"`), "").list(t, "locations"); len(l) != 2 {
		t.Errorf("two are named HQ, found %v", l)
	}
	p := add(t, d, desk.Person{FirstName: "A", PrimaryEmail: "a@acme.example", LocationID: de.id(t)})
	want(t, d, 204, "DELETE", path("/locations/%d", de.id(t)), "")
	if o := want(t, d, 200, "GET", path("/requesters/%d", p.ID), "").object(t, "requester"); o["location_id"] != nil || o["location_name"] != nil {
		t.Errorf("the person is still at %v", o["location_id"])
	}
	if o := want(t, d, 200, "GET", path("/locations/%d", hq.id(t)), "").object(t, "location"); o["parent_location_id"] != nil {
		t.Errorf("parent = %v, want null", o["parent_location_id"])
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	l := want(t, d, 200, "GET", "/roles", "").list(t, "roles")
	var names []string
	for _, r := range l {
		names = append(names, r.(map[string]any)["name"].(string))
	}
	if len(names) != 13 || names[0] != "Account Admin" || names[3] != "SD Agent" {
		t.Errorf("roles: %v", names)
	}
	if o := want(t, d, 200, "GET", path("/roles/%v", l[0].(map[string]any)["id"]), "").object(t, "role"); path("%v", o["role_type"]) != "1" {
		t.Errorf("role: %v", o)
	}
	want(t, d, 404, "GET", "/roles/5", "")
	want(t, d, 405, "POST", "/roles", `{"name":"x"}`)
}

func TestAgentGroups(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	a := addAgent(t, d, desk.Person{FirstName: "A", PrimaryEmail: "a@acme.example"})
	b := addAgent(t, d, desk.Person{FirstName: "B", PrimaryEmail: "b@acme.example"})
	r := add(t, d, desk.Person{FirstName: "R", PrimaryEmail: "r@acme.example"})
	g := want(t, d, 201, "POST", "/groups", path(`{"name":"Net","members":[%d,%d],"unassigned_for":"30m","escalate_to":%d}`, a.ID, b.ID, a.ID))
	at := path("/groups/%d", g.id(t))
	for body, faults := range map[string][]string{
		`{"name":"net"}`: {"name duplicate_value"},
		path(`{"name":"X","members":[%d]}`, r.ID):    {"members invalid_value"},
		`{"name":"X","agent_ids":[]}`:                {"agent_ids invalid_field"},
		`{"name":"X","unassigned_for":"5m"}`:         {"unassigned_for invalid_value"},
		`{"name":"X","members_pending_approval":[]}`: {"members_pending_approval readonly_field"},
	} {
		if diff := cmp.Diff(faults, api(t, d, "POST", "/groups", body).faults()); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
	if a := want(t, d, 400, "PUT", at, `{"workspace_id":3}`); !slices.Equal(a.faults(), []string{"workspace_id readonly_field"}) {
		t.Errorf("workspace_id: %s", a.raw)
	}
	if o := want(t, d, 200, "PUT", at, path(`{"members":[%d]}`, b.ID)).object(t, "group"); path("%v", o["members"]) != path("[%d]", b.ID) {
		t.Errorf("members replaced: %v", o["members"])
	}
	if o := want(t, d, 200, "GET", path("/agents/%d", a.ID), "").object(t, "agent"); len(o["member_of"].([]any)) != 0 {
		t.Errorf("still member of %v", o["member_of"])
	}
	want(t, d, 200, "PUT", path("/agents/%d/convert_to_requester", b.ID), "")
	if o := want(t, d, 200, "GET", at, "").object(t, "group"); len(o["members"].([]any)) != 0 {
		t.Errorf("a requester is member: %v", o["members"])
	}
	want(t, d, 201, "POST", "/groups", `{"name":"Other","workspace_id":3}`)
	if l := want(t, d, 200, "GET", "/groups", "").list(t, "groups"); len(l) != 1 {
		t.Errorf("primary workspace: %v", l)
	}
	if l := want(t, d, 200, "GET", "/groups?workspace_id=3", "").list(t, "groups"); len(l) != 1 {
		t.Errorf("workspace 3: %v", l)
	}
	want(t, d, 400, "GET", "/groups?workspace_id=x", "")
	want(t, d, 204, "DELETE", at, "")
}

func TestRequesterGroups(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	l := want(t, d, 200, "GET", "/requester_groups", "").list(t, "requester_groups")
	if len(l) != 4 || l[0].(map[string]any)["type"] != "rule_based" {
		t.Fatalf("the groups of a new account: %v", l)
	}
	rules := path("/requester_groups/%v", l[0].(map[string]any)["id"])
	g := want(t, d, 201, "POST", "/requester_groups", `{"name":"Readers","description":"d"}`)
	at := path("/requester_groups/%d", g.id(t))
	if o := g.object(t, "requester_group"); o["type"] != "manual" {
		t.Errorf("created: %v", o)
	}
	want(t, d, 400, "POST", "/requester_groups", `{"name":"X","type":"rule_based"}`)
	want(t, d, 400, "PUT", rules, `{"name":"X"}`)
	want(t, d, 400, "DELETE", rules, "")
	var people []desk.Person
	for i := range 3 {
		p := add(t, d, desk.Person{FirstName: "P", PrimaryEmail: path("p%d@acme.example", i)})
		people = append(people, p)
		if a := want(t, d, 200, "POST", path("%s/members/%d", at, p.ID), ""); a.raw != "" {
			t.Errorf("adding answers %q, want nothing", a.raw)
		}
	}
	want(t, d, 200, "POST", path("%s/members/%d", at, people[0].ID), "")
	want(t, d, 400, "POST", path("%s/members/%d", rules, people[0].ID), "")
	want(t, d, 404, "POST", path("%s/members/5", at), "")
	a := want(t, d, 200, "GET", at+"/members?per_page=2", "")
	m := a.list(t, "requesters")
	if diff := cmp.Diff(map[string]any{"id": m[0].(map[string]any)["id"], "first_name": "P", "last_name": nil, "email": "p0@acme.example"}, m[0]); diff != "" || len(m) != 2 || a.header.Get("Link") == "" {
		t.Errorf("members: %v %s", m, diff)
	}
	if a := want(t, d, 200, "GET", at+"/members?per_page=2&page=2", ""); len(a.list(t, "requesters")) != 1 || a.header.Get("Link") != "" {
		t.Errorf("last page: %s", a.raw)
	}
	want(t, d, 204, "DELETE", path("%s/members/%d", at, people[0].ID), "")
	want(t, d, 404, "DELETE", path("%s/members/%d", at, people[0].ID), "")
	want(t, d, 204, "DELETE", path("/requesters/%d/forget", people[1].ID), "")
	if l := want(t, d, 200, "GET", at+"/members", "").list(t, "requesters"); len(l) != 1 {
		t.Errorf("members: %v", l)
	}
	want(t, d, 204, "DELETE", at, "")
	want(t, d, 404, "GET", at+"/members", "")
	want(t, d, 200, "GET", path("/requesters/%d", people[2].ID), "")
}

func TestFieldDefinitions(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{Seed: &desk.Seed{Fields: []desk.Field{{Name: "grade", Label: "Grade", Type: "custom_dropdown", Choices: []string{"A", "B"}, Required: true}}}})
	l := want(t, d, 200, "GET", "/requester_fields", "").list(t, "requester_fields")
	if diff := cmp.Diff(want(t, d, 200, "GET", "/contact_fields", "").raw, want(t, d, 200, "GET", "/requester_fields", "").raw); diff != "" {
		t.Error("contact_fields is an alias")
	}
	for i, name := range map[int]string{0: "first_name", 1: "last_name", 2: "job_title", 3: "email", 11: "language", 12: "location_id", 13: "description", 14: "grade"} {
		f := l[i].(map[string]any)
		if f["name"] != name || path("%v", f["position"]) != path("%d", i+1) {
			t.Errorf("position %d: %v, want %s", i+1, f, name)
		}
	}
	if c := l[11].(map[string]any)["choices"].(map[string]any); len(c) != 30 || c["ja-JP"] != "Japanese" {
		t.Errorf("languages: %v", c)
	}
	if f := l[14].(map[string]any); f["required_for_agents"] != true || f["default"] != false || path("%v", f["choices"]) != "[A B]" {
		t.Errorf("custom field: %v", f)
	}
	l = want(t, d, 200, "GET", "/agent_fields", "").list(t, "agent_fields")
	if f := l[len(l)-1].(map[string]any); f["name"] != "grade" || f["mandatory_for_admins"] != true {
		t.Errorf("agent_fields: %v", f)
	}
}

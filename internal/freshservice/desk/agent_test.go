package desk_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/freshservice/desk"
)

func roleID(t testing.TB, d *desk.Desk, name string) int64 {
	t.Helper()
	r, err := d.Role(name)
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func TestAgentLife(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	g := want(t, d, 201, "POST", "/groups", `{"name":"Network"}`).id(t)
	role := roleID(t, d, "SD Agent")
	a := want(t, d, 201, "POST", "/agents", path(`{"first_name":"Bea","last_name":"May","email":"bea@acme.example","job_title":"Tech",
		"roles":[{"role_id":%d,"assignment_scope":"specified_groups","groups":[%d]}],"member_of":[%d],"scoreboard_level_id":3}`, role, g, g))
	o := a.object(t, "agent")
	at := path("/agents/%v", o["id"])
	if a.header.Get("Location") != "http://localhost:8471/api/v2"+at {
		t.Errorf("Location = %q", a.header.Get("Location"))
	}
	if o["occasional"] != false || o["api_key_enabled"] != false || path("%v", o["member_of"]) != path("[%d]", g) || o["last_login_at"] != nil {
		t.Errorf("created: %v", o)
	}
	if m := want(t, d, 200, "GET", path("/groups/%d", g), "").object(t, "group")["members"]; path("%v", m) != path("[%v]", o["id"]) {
		t.Errorf("the group's members = %v", m)
	}
	dep := want(t, d, 201, "POST", "/departments", path(`{"name":"IT","head_user_id":%v}`, o["id"])).id(t)

	o = want(t, d, 200, "PUT", at, `{"language":"fr","observer_of":[],"occasional":true}`).object(t, "agent")
	if o["language"] != "fr" || o["occasional"] != true || path("%v", o["member_of"]) != path("[%d]", g) {
		t.Errorf("updated: %v", o)
	}
	o = want(t, d, 200, "PUT", at, `{"member_of":[],"observer_of":[`+path("%d", g)+`]}`).object(t, "agent")
	if path("%v %v", o["member_of"], o["observer_of"]) != path("[] [%d]", g) {
		t.Errorf("moved: %v", o)
	}
	want(t, d, 400, "PUT", at, `{"member_of":[7]}`)
	want(t, d, 200, "PUT", at, `{"occasional":false}`)

	if o := want(t, d, 200, "DELETE", at, "").object(t, "agent"); o["active"] != false {
		t.Errorf("deactivated: %v", o)
	}
	if h := want(t, d, 200, "GET", path("/departments/%d", dep), "").object(t, "department")["head_user_id"]; h != nil {
		t.Errorf("head = %v, want null", h)
	}
	want(t, d, 409, "POST", "/requesters", `{"first_name":"B","primary_email":"bea@acme.example"}`)
	if o := want(t, d, 200, "PUT", at+"/reactivate", "").object(t, "agent"); o["active"] != true || o["occasional"] != true {
		t.Errorf("reactivated: %v", o)
	}
	want(t, d, 204, "DELETE", path("/groups/%d", g), "")
	o = want(t, d, 200, "GET", at, "").object(t, "agent")
	if r := o["roles"].([]any)[0].(map[string]any); r["assignment_scope"] != "assigned_items" || len(o["observer_of"].([]any)) != 0 {
		t.Errorf("after the group is gone: %v", o)
	}
	want(t, d, 204, "DELETE", at+"/forget", "")
	want(t, d, 404, "GET", at, "")
}

func TestAgentValidation(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{Plan: desk.Pro})
	agent, admin := roleID(t, d, "SD Agent"), roleID(t, d, "Account Admin")
	role := path(`"roles":[{"role_id":%d,"assignment_scope":"entire_helpdesk"}]`, agent)
	for _, test := range []struct {
		name, body string
		status     int
		faults     []string
	}{
		{"nothing", `{}`, 400, []string{"first_name missing_field", "email missing_field", "roles missing_field"}},
		{"fine", `{"first_name":"A","email":"a@acme.example",` + role + `}`, 201, nil},
		{"taken", `{"first_name":"A","email":"A@acme.example",` + role + `}`, 409, []string{"email duplicate_value"}},
		{"requesters' attributes", `{"first_name":"A","email":"b@acme.example","primary_email":"b@acme.example","secondary_emails":[],` + role + `}`, 400,
			[]string{"primary_email invalid_field", "secondary_emails invalid_field"}},
		{"removed attributes", `{"first_name":"A","email":"b@acme.example","ticket_scope":1,"problem_scope":1,"change_scope":1,"release_scope":1,"scopes":{},"group_ids":[],"role_ids":[],` + role + `}`, 400,
			[]string{"change_scope invalid_field", "group_ids invalid_field", "problem_scope invalid_field", "release_scope invalid_field", "role_ids invalid_field", "scopes invalid_field", "ticket_scope invalid_field"}},
		{"read-only", `{"first_name":"A","email":"b@acme.example","active":true,"last_login_at":null,` + role + `}`, 400,
			[]string{"active readonly_field", "last_login_at readonly_field"}},
		{"no such role", `{"first_name":"A","email":"b@acme.example","roles":[{"role_id":5,"assignment_scope":"entire_helpdesk"}]}`, 400, []string{"roles invalid_value"}},
		{"no such scope", path(`{"first_name":"A","email":"b@acme.example","roles":[{"role_id":%d,"assignment_scope":"all"}]}`, agent), 400,
			[]string{"roles.assignment_scope invalid_value", "roles missing_field"}},
		{"groups missing", path(`{"first_name":"A","email":"b@acme.example","roles":[{"role_id":%d,"assignment_scope":"specified_groups"}]}`, agent), 400, []string{"roles missing_field"}},
		{"Account Admin of some", path(`{"first_name":"A","email":"b@acme.example","roles":[{"role_id":%d,"assignment_scope":"assigned_items"}]}`, admin), 400, []string{"roles invalid_value"}},
		{"level", `{"first_name":"A","email":"b@acme.example","scoreboard_level_id":7,` + role + `}`, 400, []string{"scoreboard_level_id invalid_value"}},
	} {
		a := api(t, d, "POST", "/agents", test.body)
		if a.status != test.status {
			t.Errorf("%s: status %d %s, want %d", test.name, a.status, a.raw, test.status)
		}
		if diff := cmp.Diff(test.faults, a.faults()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestAgentNamesAreNotUpdatable(t *testing.T) {
	t.Parallel()
	const body = `{"first_name":"X","last_name":"Y","job_title":"Z","work_phone_number":"1","mobile_phone_number":"2"}`
	d := open(t, desk.Options{})
	p := addAgent(t, d, desk.Person{FirstName: "A", PrimaryEmail: "a@acme.example"})
	a := want(t, d, 400, "PUT", path("/agents/%d", p.ID), body)
	if diff := cmp.Diff([]string{"first_name invalid_field", "job_title invalid_field", "last_name invalid_field",
		"mobile_phone_number invalid_field", "work_phone_number invalid_field"}, a.faults()); diff != "" {
		t.Error(diff)
	}
	d = open(t, desk.Options{AgentNames: true})
	p = addAgent(t, d, desk.Person{FirstName: "A", PrimaryEmail: "a@acme.example"})
	if o := want(t, d, 200, "PUT", path("/agents/%d", p.ID), body).object(t, "agent"); o["first_name"] != "X" {
		t.Errorf("updated: %v", o)
	}
}

func TestAgentListFilters(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	addAgent(t, d, desk.Person{FirstName: "Full", PrimaryEmail: "full@acme.example", WorkPhoneNumber: "1"})
	addAgent(t, d, desk.Person{FirstName: "Occ", PrimaryEmail: "occ@acme.example", Agent: &desk.Agent{Occasional: true,
		Roles: []desk.RoleAssignment{{RoleID: roleID(t, d, "SD Agent"), AssignmentScope: desk.EntireHelpdesk}}}})
	gone := addAgent(t, d, desk.Person{FirstName: "Gone", PrimaryEmail: "gone@acme.example", WorkPhoneNumber: "1"})
	want(t, d, 200, "DELETE", path("/agents/%d", gone.ID), "")
	add(t, d, desk.Person{FirstName: "Req", PrimaryEmail: "req@acme.example", WorkPhoneNumber: "1"})
	for query, names := range map[string][]string{
		"":                                 {"Account", "Full", "Gone", "Occ"},
		"active=true":                      {"Account", "Full", "Occ"},
		"active=false":                     {"Gone"},
		"state=occasional":                 {"Occ"},
		"state=fulltime&active=true":       {"Account", "Full"},
		"email=OCC@acme.example":           {"Occ"},
		"email=req@acme.example":           nil,
		"work_phone_number=1":              {"Full", "Gone"},
		"work_phone_number=1&active=false": {"Gone"},
		"query=" + url.QueryEscape(`"email:'full@acme.example'"`): {"Full"},
	} {
		var got []string
		for _, o := range want(t, d, 200, "GET", "/agents?"+query, "").list(t, "agents") {
			got = append(got, o.(map[string]any)["first_name"].(string))
		}
		if !slices.Equal(got, names) {
			t.Errorf("?%s = %v, want %v", query, got, names)
		}
	}
	for _, bad := range []string{"active=yes", "state=part", "per_page=101", "query=" + url.QueryEscape(`"primary_email:'x'"`)} {
		want(t, d, 400, "GET", "/agents?"+bad, "")
	}
}

func TestLicenceCountsFullTimeAgents(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{AgentSeats: 2}) // the owner has one
	role := path(`"roles":[{"role_id":%d,"assignment_scope":"entire_helpdesk"}]`, roleID(t, d, "SD Agent"))
	first := want(t, d, 201, "POST", "/agents", `{"first_name":"A","email":"a@acme.example",`+role+`}`).id(t)
	if a := want(t, d, 403, "POST", "/agents", `{"first_name":"B","email":"b@acme.example",`+role+`}`); a.body["code"] != "access_denied" {
		t.Errorf("refusal: %s", a.raw)
	}
	occasional := want(t, d, 201, "POST", "/agents", `{"first_name":"B","email":"b@acme.example","occasional":true,`+role+`}`).id(t)
	want(t, d, 403, "PUT", path("/agents/%d", occasional), `{"occasional":false}`)
	want(t, d, 200, "DELETE", path("/agents/%d", first), "")
	want(t, d, 200, "PUT", path("/agents/%d", occasional), `{"occasional":false}`)
	want(t, d, 200, "PUT", path("/agents/%d/reactivate", first), "")
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := open(t, desk.Options{Now: c.Now})
	r := request("GET", "/api/v2/agents/me", "")
	if a := send(t, d, r); a.status != 401 || a.raw != `{"code":"invalid_credentials","message":"You have to be logged in to perform this action."}` {
		t.Errorf("without credentials: %d %s", a.status, a.raw)
	}
	r.Header.Set("Authorization", "Bearer x")
	if a := send(t, d, r); a.status != 401 || a.body["code"] != "access_token_invalid" {
		t.Errorf("with a token: %d %s", a.status, a.raw)
	}
	r.SetBasicAuth("admin@acme.example", "password")
	if a := send(t, d, r); a.status != 401 || a.body["code"] != "unsupported_authentication_type" {
		t.Errorf("with a password: %d %s", a.status, a.raw)
	}
	r.SetBasicAuth(testKey, "")
	if a := send(t, d, r); a.status != 200 || a.object(t, "agent")["email"] != "admin@acme.freshservice.com" {
		t.Errorf("with an empty password: %d %s", a.status, a.raw)
	}
	if a := as(t, d, "wrong", "GET", "/agents/me", ""); a.status != 401 {
		t.Errorf("with a wrong key: %d", a.status)
	}
}

func TestRightsFollowTheRole(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	keys := map[string]string{}
	for _, role := range []string{"Admin", "SD Agent", "SD Supervisor", "Project Member"} {
		p := addAgent(t, d, desk.Person{FirstName: role, PrimaryEmail: path("r%d@acme.example", len(keys)), Agent: &desk.Agent{
			Roles: []desk.RoleAssignment{{RoleID: roleID(t, d, role), AssignmentScope: desk.EntireHelpdesk}}}})
		if a := as(t, d, "none", "GET", "/agents/me", ""); a.status != 401 {
			t.Fatal("a key before it was issued")
		}
		key, err := d.IssueKey(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		keys[role] = key
	}
	for _, test := range []struct {
		role, method, path string
		status             int
	}{
		{"Admin", "GET", "/agents", 200},
		{"Admin", "GET", "/roles", 200},
		{"SD Agent", "GET", "/agents/me", 200},
		{"SD Agent", "GET", "/agents", 403},
		{"SD Agent", "GET", "/roles", 403},
		{"SD Agent", "GET", "/requesters", 200},
		{"SD Agent", "GET", "/requesters?include_agents=true", 403},
		{"SD Agent", "POST", "/requesters", 400},
		{"SD Agent", "POST", "/departments", 403},
		{"SD Supervisor", "GET", "/departments", 200},
		{"SD Supervisor", "PUT", "/requesters/5/convert_to_agent", 403},
		{"Project Member", "GET", "/agents/me", 200},
		{"Project Member", "GET", "/requesters", 403},
	} {
		a := as(t, d, keys[test.role], test.method, test.path, "")
		if a.status != test.status {
			t.Errorf("%s %s %s = %d %s, want %d", test.role, test.method, test.path, a.status, a.raw, test.status)
		}
		if a.status == 403 && a.raw != `{"code":"access_denied","message":"You are not authorized to perform this action."}` {
			t.Errorf("the refusal is %s", a.raw)
		}
	}
}

func TestKeyDiesWithItsOwner(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := open(t, desk.Options{Now: c.Now})
	p := addAgent(t, d, desk.Person{FirstName: "A", PrimaryEmail: "a@acme.example"})
	key, err := d.IssueKey(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	status := func() int { return as(t, d, key, "GET", "/agents/me", "").status }
	at := path("/agents/%d", p.ID)
	steps := []struct {
		name, method, path, body string
		want                     int
	}{
		{"switched off", "PUT", at, `{"api_key_enabled":false}`, 401},
		{"switched on", "PUT", at, `{"api_key_enabled":true}`, 200},
		{"deactivated", "DELETE", at, "", 401},
		{"reactivated, now occasional", "PUT", at + "/reactivate", "", 200},
	}
	for _, s := range steps {
		want(t, d, 200, s.method, s.path, s.body)
		if got := status(); got != s.want {
			t.Errorf("%s: %d, want %d", s.name, got, s.want)
		}
	}
	c.advance(24*time.Hour - time.Second)
	if got := status(); got != 200 {
		t.Errorf("within the day: %d", got)
	}
	c.advance(time.Second)
	if got := status(); got != 401 {
		t.Errorf("after the day: %d, want 401", got)
	}
	want(t, d, 200, "PUT", at, `{"occasional":false}`)
	if got := status(); got != 200 {
		t.Errorf("full-time again: %d", got)
	}
	want(t, d, 200, "PUT", at+"/convert_to_requester", "")
	if got := status(); got != 401 {
		t.Errorf("as a requester: %d, want 401", got)
	}
}

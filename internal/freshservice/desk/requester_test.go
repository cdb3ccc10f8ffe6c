package desk_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/freshservice/desk"
)

func TestCreateRequesterAnswers201WithLocation(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	a := want(t, d, 201, "POST", "/requesters", `{"first_name":"Ann","primary_email":"ann@acme.example"}`)
	o := a.object(t, "requester")
	if got, want := a.header.Get("Location"), path("http://localhost:8471/api/v2/requesters/%v", o["id"]); got != want {
		t.Errorf("Location = %q, want %q", got, want)
	}
	if id := path("%v", o["id"]); len(id) != 11 {
		t.Errorf("id %s has %d digits, want 11", id, len(id))
	}
	for _, nullable := range []string{"last_name", "job_title", "address", "location_id", "reporting_manager_id", "external_id", "department_names"} {
		if v, present := o[nullable]; !present || v != nil {
			t.Errorf("%s = %v (present %v), want null", nullable, v, present)
		}
	}
	for name, want := range map[string]any{
		"time_zone": "Eastern Time (US & Canada)", "language": "en", "time_format": "12h", "active": true, "is_agent": false,
		"created_at": "2026-03-02T09:30:15Z",
	} {
		if o[name] != want {
			t.Errorf("%s = %v, want %v", name, o[name], want)
		}
	}
}

func TestRequesterValidation(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	add(t, d, desk.Person{FirstName: "Taken", PrimaryEmail: "taken@acme.example", SecondaryEmails: []string{"second@acme.example"}})
	gone := add(t, d, desk.Person{FirstName: "Gone", PrimaryEmail: "gone@acme.example"})
	want(t, d, 204, "DELETE", path("/requesters/%d", gone.ID), "")
	for _, test := range []struct {
		name, body string
		status     int
		faults     []string
	}{
		{"nothing", `{}`, 400, []string{"first_name missing_field", "primary_email missing_field"}},
		{"empty body", ``, 400, []string{"first_name missing_field", "primary_email missing_field"}},
		{"a phone is enough", `{"first_name":"P","work_phone_number":"+639171234567"}`, 201, nil},
		{"a number for a phone", `{"first_name":"P","mobile_phone_number":6391712}`, 201, nil},
		{"unknown", `{"first_name":"A","primary_email":"a1@acme.example","nick":"x"}`, 400, []string{"nick invalid_field"}},
		{"email is the agents' name", `{"first_name":"A","email":"a2@acme.example","work_phone_number":"1"}`, 400, []string{"email invalid_field"}},
		{"read-only", `{"first_name":"A","primary_email":"a3@acme.example","active":false,"id":1}`, 400, []string{"active readonly_field", "id readonly_field"}},
		{"type", `{"first_name":7,"primary_email":"a4@acme.example"}`, 400, []string{"first_name datatype_mismatch"}},
		{"ids as strings", `{"first_name":"A","primary_email":"a5@acme.example","department_ids":["1"]}`, 400, []string{"department_ids datatype_mismatch"}},
		{"no such things", `{"first_name":"A","primary_email":"a6@acme.example","department_ids":[5],"location_id":6,"reporting_manager_id":7}`, 400,
			[]string{"department_ids invalid_value", "location_id invalid_value", "reporting_manager_id invalid_value"}},
		{"IANA zone", `{"first_name":"A","primary_email":"a7@acme.example","time_zone":"Europe/London"}`, 400, []string{"time_zone invalid_value"}},
		{"Rails zone", `{"first_name":"A","primary_email":"a8@acme.example","time_zone":"Edinburgh"}`, 201, nil},
		{"language", `{"first_name":"A","primary_email":"a9@acme.example","language":"en-US"}`, 400, []string{"language invalid_value"}},
		{"time format", `{"first_name":"A","primary_email":"a10@acme.example","time_format":"12"}`, 400, []string{"time_format invalid_value"}},
		{"not an address", `{"first_name":"A","primary_email":"nobody"}`, 400, []string{"primary_email invalid_value"}},
		{"taken", `{"first_name":"A","primary_email":"TAKEN@acme.example"}`, 409, []string{"primary_email duplicate_value"}},
		{"taken as secondary", `{"first_name":"A","primary_email":"second@acme.example"}`, 409, []string{"primary_email duplicate_value"}},
		{"taken by an inactive", `{"first_name":"A","primary_email":"gone@acme.example"}`, 409, []string{"primary_email duplicate_value"}},
		{"taken by an agent", `{"first_name":"A","primary_email":"admin@acme.freshservice.com"}`, 409, []string{"primary_email duplicate_value"}},
		{"secondary taken", `{"first_name":"A","primary_email":"b@acme.example","secondary_emails":["taken@acme.example"]}`, 409, []string{"secondary_emails duplicate_value"}},
		{"secondary equals primary", `{"first_name":"A","primary_email":"b@acme.example","secondary_emails":["B@acme.example"]}`, 409, []string{"secondary_emails duplicate_value"}},
		{"two kinds of fault are a 400", `{"first_name":"A","primary_email":"taken@acme.example","nick":"x"}`, 400, []string{"nick invalid_field", "primary_email duplicate_value"}},
		{"external id", `{"first_name":"A","primary_email":"c@acme.example","external_id":"0b7c9a3e-1111-4222-8333-444455556666"}`, 201, nil},
		{"no custom field", `{"first_name":"A","primary_email":"d@acme.example","custom_fields":{"badge":1}}`, 400, []string{"custom_fields.badge invalid_field"}},
		{"not JSON", `{"first_name"`, 400, nil},
		{"not an object", `["first_name"]`, 400, nil},
	} {
		a := api(t, d, "POST", "/requesters", test.body)
		if a.status != test.status {
			t.Errorf("%s: status %d %s, want %d", test.name, a.status, a.raw, test.status)
		}
		if diff := cmp.Diff(test.faults, a.faults()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestDuplicateStatus400(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{DuplicateStatus: 400})
	a := want(t, d, 400, "POST", "/requesters", `{"first_name":"A","primary_email":"admin@acme.freshservice.com"}`)
	if diff := cmp.Diff([]string{"primary_email duplicate_value"}, a.faults()); diff != "" {
		t.Error(diff)
	}
}

func TestUpdateRequesterIsPartialAndResetsAllTickets(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := open(t, desk.Options{Now: c.Now})
	p := add(t, d, desk.Person{FirstName: "Ann", LastName: "Lee", JobTitle: "Clerk", PrimaryEmail: "ann@acme.example", AllTickets: true, AllChanges: true})
	c.advance(time.Hour)
	at := path("/requesters/%d", p.ID)
	o := want(t, d, 200, "PUT", at, `{"job_title":"Lead"}`).object(t, "requester")
	const all = "can_see_all_tickets_from_associated_departments"
	if o["job_title"] != "Lead" || o["last_name"] != "Lee" || o[all] != false || o["updated_at"] != "2026-03-02T10:30:15Z" {
		t.Errorf("after the update: %v", o)
	}
	if o["can_see_all_changes_from_associated_departments"] != true {
		t.Error("only the tickets' flag is reset")
	}
	if o := want(t, d, 200, "PUT", at, `{"`+all+`":true}`).object(t, "requester"); o[all] != true {
		t.Errorf("%s = %v, want what was sent", all, o[all])
	}
	if o := want(t, d, 200, "PUT", at, `{"last_name":null}`).object(t, "requester"); o["last_name"] != nil || o[all] != false {
		t.Errorf("after clearing: %v", o)
	}
	if a := want(t, d, 400, "PUT", at, `{"primary_email":null}`); !slices.Equal(a.faults(), []string{"primary_email missing_field"}) {
		t.Errorf("clearing the only address: %v", a.faults())
	}
	want(t, d, 200, "PUT", at, `{"primary_email":"new@acme.example"}`)
	want(t, d, 201, "POST", "/requesters", `{"first_name":"B","primary_email":"ann@acme.example"}`)
	want(t, d, 404, "PUT", "/requesters/1", `{}`)
}

func TestDeactivationForgetsWhatReactivationDoesNotBringBack(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	sales := want(t, d, 201, "POST", "/departments", `{"name":"Sales"}`).id(t)
	berlin := want(t, d, 201, "POST", "/locations", `{"name":"Berlin"}`).id(t)
	boss := add(t, d, desk.Person{FirstName: "Boss", PrimaryEmail: "boss@acme.example"})
	p := add(t, d, desk.Person{FirstName: "Ann", PrimaryEmail: "ann@acme.example", DepartmentIDs: []int64{sales}, LocationID: berlin, ReportingManagerID: boss.ID})
	g := want(t, d, 201, "POST", "/requester_groups", `{"name":"Readers"}`).id(t)
	want(t, d, 200, "POST", path("/requester_groups/%d/members/%d", g, p.ID), "")
	at := path("/requesters/%d", p.ID)
	o := want(t, d, 200, "GET", at, "").object(t, "requester")
	if diff := cmp.Diff([]any{"Sales"}, o["department_names"]); diff != "" || o["location_name"] != "Berlin" {
		t.Errorf("before: %v", o)
	}
	if a := want(t, d, 204, "DELETE", at, ""); a.raw != "" {
		t.Errorf("deactivation answers %q, want nothing", a.raw)
	}
	want(t, d, 204, "DELETE", at, "")
	if o := want(t, d, 200, "GET", at, "").object(t, "requester"); o["active"] != false {
		t.Error("still active")
	}
	if n := len(want(t, d, 200, "GET", path("/requester_groups/%d/members", g), "").list(t, "requesters")); n != 0 {
		t.Errorf("still member: %d", n)
	}
	o = want(t, d, 200, "PUT", at+"/reactivate", "").object(t, "requester")
	if o["active"] != true || len(o["department_ids"].([]any)) != 0 || o["location_id"] != nil || o["reporting_manager_id"] != nil {
		t.Errorf("after reactivation: %v", o)
	}
	if a := want(t, d, 400, "PUT", at+"/reactivate", `{"first_name":"x"}`); a.body["code"] != "no_content_required" {
		t.Errorf("a body: %s", a.raw)
	}
	want(t, d, 200, "PUT", at+"/reactivate", `{}`)
}

func TestForgetIsForGood(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	boss := add(t, d, desk.Person{FirstName: "Boss", PrimaryEmail: "boss@acme.example"})
	p := add(t, d, desk.Person{FirstName: "Ann", PrimaryEmail: "ann@acme.example", ReportingManagerID: boss.ID})
	want(t, d, 204, "DELETE", path("/requesters/%d/forget", boss.ID), "")
	want(t, d, 404, "GET", path("/requesters/%d", boss.ID), "")
	if o := want(t, d, 200, "GET", path("/requesters/%d", p.ID), "").object(t, "requester"); o["reporting_manager_id"] != nil {
		t.Errorf("manager = %v, want null: the manager was forgotten", o["reporting_manager_id"])
	}
	want(t, d, 200, "PUT", path("/requesters/%d", p.ID), `{"job_title":"x"}`)
	want(t, d, 201, "POST", "/requesters", `{"first_name":"New","primary_email":"boss@acme.example"}`)
}

func TestConversionKeepsTheID(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	p := add(t, d, desk.Person{FirstName: "Ann", PrimaryEmail: "ann@acme.example", SecondaryEmails: []string{"a@acme.example"}})
	agent := want(t, d, 200, "PUT", path("/requesters/%d/convert_to_agent", p.ID), "").object(t, "agent")
	role, err := d.Role("SD Agent")
	if err != nil {
		t.Fatal(err)
	}
	roles := agent["roles"].([]any)
	first := roles[0].(map[string]any)
	if path("%v", agent["id"]) != path("%d", p.ID) || agent["occasional"] != true || agent["email"] != "ann@acme.example" ||
		len(roles) != 1 || path("%v", first["role_id"]) != path("%d", role.ID) || first["assignment_scope"] != "entire_helpdesk" || len(agent["member_of"].([]any)) != 0 {
		t.Errorf("converted: %v", agent)
	}
	want(t, d, 404, "GET", path("/requesters/%d", p.ID), "")
	want(t, d, 404, "PUT", path("/requesters/%d/convert_to_agent", p.ID), "")
	want(t, d, 409, "POST", "/requesters", `{"first_name":"B","primary_email":"a@acme.example"}`)
	o := want(t, d, 200, "PUT", path("/agents/%d/convert_to_requester", p.ID), "").object(t, "requester")
	if path("%v", o["id"]) != path("%d", p.ID) || o["is_agent"] != false || len(o["secondary_emails"].([]any)) != 1 {
		t.Errorf("converted back: %v", o)
	}
	phone := add(t, d, desk.Person{FirstName: "Phone", WorkPhoneNumber: "1"})
	if a := want(t, d, 400, "PUT", path("/requesters/%d/convert_to_agent", phone.ID), ""); !slices.Equal(a.faults(), []string{"email missing_field"}) {
		t.Errorf("an agent without address: %s", a.raw)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	a := add(t, d, desk.Person{FirstName: "Ann", PrimaryEmail: "ann@acme.example"})
	b := add(t, d, desk.Person{FirstName: "Ann", PrimaryEmail: "ann2@acme.example", SecondaryEmails: []string{"ann3@acme.example"}})
	c := add(t, d, desk.Person{FirstName: "Ann", WorkPhoneNumber: "5"})
	o := want(t, d, 200, "PUT", path("/requesters/%d/merge?secondary_requesters=%d,%d", a.ID, b.ID, c.ID), "").object(t, "requester")
	if diff := cmp.Diff([]any{"ann2@acme.example", "ann3@acme.example"}, o["secondary_emails"]); diff != "" {
		t.Error(diff)
	}
	want(t, d, 404, "GET", path("/requesters/%d", b.ID), "")
	want(t, d, 409, "POST", "/requesters", `{"first_name":"B","primary_email":"ann2@acme.example"}`)
	l := want(t, d, 200, "GET", "/requesters?email=ann3@acme.example", "").list(t, "requesters")
	if len(l) != 1 || path("%v", l[0].(map[string]any)["id"]) != path("%d", a.ID) {
		t.Errorf("by the merged address: %v", l)
	}
	want(t, d, 400, "PUT", path("/requesters/%d/merge?secondary_requesters=x", a.ID), "")
	want(t, d, 400, "PUT", path("/requesters/%d/merge?secondary_requesters=%d", a.ID, a.ID), "")
}

func TestListsAreSortedFilteredAndPaged(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	for _, n := range []string{"dora", "Bert", "anna", "Carl", "Emil"} {
		add(t, d, desk.Person{FirstName: n, PrimaryEmail: n + "@acme.example", WorkPhoneNumber: "100", MobilePhoneNumber: "2" + n})
	}
	names := func(a answer) []string {
		var out []string
		for _, o := range a.list(t, "requesters") {
			out = append(out, o.(map[string]any)["first_name"].(string))
		}
		return out
	}
	a := want(t, d, 200, "GET", "/requesters?per_page=2&x=%26", "")
	if diff := cmp.Diff([]string{"anna", "Bert"}, names(a)); diff != "" {
		t.Error(diff)
	}
	if got, want := a.header.Get("Link"), `<http://localhost:8471/api/v2/requesters?page=2&per_page=2&x=%26>; rel="next"`; got != want {
		t.Errorf("Link = %s, want %s", got, want)
	}
	a = want(t, d, 200, "GET", "/requesters?per_page=2&page=3", "")
	if diff := cmp.Diff([]string{"Emil"}, names(a)); diff != "" || a.header.Get("Link") != "" {
		t.Errorf("last page: %v, link %q", names(a), a.header.Get("Link"))
	}
	for query, want := range map[string][]string{
		"email=BERT@acme.example":                                nil,
		"work_phone_number=100&mobile_phone_number=2Carl":        {"Carl"},
		"work_phone_number=100&per_page=1&page=2":                {"Bert"},
		"email=bert@acme.example&mobile_phone_number=2Carl":      {},
		"email=nobody@acme.example":                              {},
		"email=admin@acme.freshservice.com":                      {},
		"email=admin@acme.freshservice.com&include_agents=true":  {"Account"},
		"include_agents=true&per_page=1":                         {"Account"},
		"include_agents=false&email=%20emil@acme.example%20":     {"Emil"},
		"mobile_phone_number=2Emil&work_phone_number=100&page=2": {},
	} {
		if want == nil {
			want = []string{"Bert"}
		}
		got := names(api(t, d, "GET", "/requesters?"+query, ""))
		if len(got) != len(want) || !slices.Equal(got, want) {
			t.Errorf("?%s = %v, want %v", query, got, want)
		}
	}
	if l := api(t, d, "GET", "/requesters?work_phone_number=100&per_page=2", "").header.Get("Link"); l == "" {
		t.Error("a filtered list has a next page too")
	}
	for _, bad := range []string{"per_page=0", "per_page=101", "per_page=x", "page=0", "page=-1", "page=", "include_agents=maybe"} {
		want(t, d, 400, "GET", "/requesters?"+bad, "")
	}
	want(t, d, 204, "DELETE", path("/requesters/%v", want(t, d, 200, "GET", "/requesters?email=emil@acme.example", "").list(t, "requesters")[0].(map[string]any)["id"]), "")
	if got := len(want(t, d, 200, "GET", "/requesters", "").list(t, "requesters")); got != 5 {
		t.Errorf("the list has %d, want 5: the inactive too", got)
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := open(t, desk.Options{Now: c.Now, Seed: &desk.Seed{Fields: []desk.Field{
		{Name: "badge", Type: "custom_number"}, {Name: "grade", Type: "custom_dropdown", Choices: []string{"A", "B"}},
		{Name: "hired", Type: "custom_date"}, {Name: "remote", Type: "custom_checkbox"},
	}}})
	sales := want(t, d, 201, "POST", "/departments", `{"name":"Sales"}`).id(t)
	for i, p := range []desk.Person{
		{FirstName: "Ann", LastName: "Lee", PrimaryEmail: "ann.lee@acme.example", JobTitle: "Clerk", TimeZone: "London", DepartmentIDs: []int64{sales}},
		{FirstName: "Bob", PrimaryEmail: "bob@other.example", MobilePhoneNumber: "+49 1", TimeZone: "Berlin", Language: "de",
			CustomFields: desk.CustomFields{"badge": []byte("7"), "grade": []byte(`"A"`), "hired": []byte(`"2020-05-06"`)}},
		{FirstName: "Cy", PrimaryEmail: "cy@acme.example", TimeZone: "London"},
	} {
		if i > 0 {
			c.advance(24 * time.Hour)
		}
		add(t, d, p)
	}
	for _, test := range []struct{ query, want string }{
		{`first_name:'ann'`, "Ann"},
		{`first_name : 'Ann'`, "Ann"},
		{`name:'Ann Lee'`, "Ann"},
		{`time_zone:'London'`, "Cy Ann"},
		{`time_zone:'London' AND job_title:'Clerk'`, "Ann"},
		{`time_zone:'Berlin' OR job_title:'Clerk'`, "Bob Ann"},
		{`first_name:'Cy' OR time_zone:'London' AND job_title:'Clerk'`, "Cy Ann"},
		{`(first_name:'Cy' OR time_zone:'London') AND job_title:null`, "Cy"},
		{`mobile_phone_number:null`, "Cy Ann"},
		{`language:'de'`, "Bob"},
		{path(`department_id:%d`, sales), "Ann"},
		{`department_id:null`, "Cy Bob"},
		{`reporting_manager_id:null AND location_id:null`, "Cy Bob Ann"},
		{`created_at:'2026-03-03'`, "Bob"},
		{`created_at:>'2026-03-03'`, "Cy Bob"},
		{`created_at:<'2026-03-03T09:30:15Z'`, "Bob Ann"},
		{`badge:7`, "Bob"}, {`badge:>7`, "Bob"}, {`badge:<6`, ""}, {`badge:null`, "Cy Ann"},
		{`grade:'A'`, "Bob"},
		{`hired:'2020-05-06'`, "Bob"},
		{`~[first_name|last_name]:'le'`, "Ann"},
		{`~[primary_email]:'lee'`, "Ann"},
		{`~[primary_email]:'acme'`, "Cy Ann"},
		{`~[name]:'ann l'`, "Ann"},
		{`primary_email:'BOB@other.example'`, "Bob"},
		{`first_name:'nobody'`, ""},
	} {
		a := want(t, d, 200, "GET", "/requesters?query="+url.QueryEscape(`"`+test.query+`"`), "")
		var got []string
		for _, o := range a.list(t, "requesters") {
			got = append(got, o.(map[string]any)["first_name"].(string))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s = %v, want %s", test.query, got, test.want)
		}
	}
	for _, test := range []struct{ query, field, message string }{
		{`external_id:'x'`, "external_id", "[:invalid_field]"},
		{`secondary_emails:'x'`, "secondary_emails", "[:invalid_field]"},
		{`active:true`, "active", "[:invalid_field]"},
		{`remote:true`, "remote", "[:invalid_field]"},
		{`~[job_title]:'x'`, "job_title", "[:invalid_field]"},
		{`department_id:'x'`, "department_id", `["It should be a/an Positive Integer"]`},
		{`department_id:-3`, "department_id", `["It should be a/an Positive Integer"]`},
		{`grade:'C'`, "grade", `["It should be one of the choice value."]`},
		{`first_name:5`, "first_name", `["It should be a/an String"]`},
		{`created_at:'soon'`, "created_at", `["It should be a/an Date"]`},
	} {
		a := want(t, d, 400, "GET", "/requesters?query="+url.QueryEscape(`"`+test.query+`"`), "")
		e := a.list(t, "errors")[0].(map[string]any)
		if e["field"] != test.field || e["message"] != test.message || e["code"] != "invalid_value" {
			t.Errorf("%s: %v", test.query, e)
		}
	}
	for _, bad := range []string{
		`first_name:'x'`, `""`, `"first_name"`, `"first_name:"`, `"first_name:'x"`, `"first_name:'x' AND"`, `"(first_name:'x'"`,
		`"first_name:'o'brien'"`, `"first_name:'x' last_name:'y'"`, `"~first_name:'x'"`, `"~[first_name:'x'"`, `"~[]:'x'"`, `"~[first_name]:5"`,
		`"first_name:'` + strings.Repeat("x", 512) + `'"`,
	} {
		a := want(t, d, 400, "GET", "/requesters?query="+url.QueryEscape(bad), "")
		if !slices.Equal(a.faults(), []string{"query invalid_value"}) {
			t.Errorf("%s: %s", bad, a.raw)
		}
	}
	want(t, d, 200, "GET", "/requesters?query="+url.QueryEscape(`"first_name:'`+strings.Repeat("x", 512-13)+`'"`), "")
	if l := api(t, d, "GET", "/requesters?include_agents=true&query="+url.QueryEscape(`"first_name:'Account'"`), "").list(t, "requesters"); len(l) != 1 {
		t.Errorf("include_agents: %v", l)
	}
}

func TestQueryPagesHaveNoLinkAndEndAtForty(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	for i := range 65 {
		add(t, d, desk.Person{FirstName: "Ann", PrimaryEmail: path("ann%d@acme.example", i)})
	}
	q := "/requesters?query=" + url.QueryEscape(`"first_name:'Ann'"`)
	var seen []string
	for p := 1; ; p++ {
		a := want(t, d, 200, "GET", q+path("&page=%d&per_page=100", p), "")
		if a.header.Get("Link") != "" {
			t.Error("a query has no link")
		}
		l := a.list(t, "requesters")
		if len(l) == 0 {
			break
		}
		for _, o := range l {
			seen = append(seen, o.(map[string]any)["primary_email"].(string))
		}
	}
	if len(seen) != 65 || seen[0] != "ann64@acme.example" || seen[64] != "ann0@acme.example" {
		t.Errorf("%d found, %v", len(seen), seen)
	}
	want(t, d, 200, "GET", q+"&page=40", "")
	want(t, d, 400, "GET", q+"&page=41", "")
}

func TestQueryLagsWhileTheListDoesNot(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := open(t, desk.Options{Now: c.Now, QueryLag: time.Minute})
	p := want(t, d, 201, "POST", "/requesters", `{"first_name":"Ann","primary_email":"ann@acme.example"}`).id(t)
	count := func(expr string) int {
		return len(want(t, d, 200, "GET", "/requesters?query="+url.QueryEscape(`"`+expr+`"`), "").list(t, "requesters"))
	}
	if count("first_name:'Ann'") != 0 || len(want(t, d, 200, "GET", "/requesters?email=ann@acme.example", "").list(t, "requesters")) != 1 {
		t.Error("at once: the list knows, the query does not")
	}
	c.advance(59 * time.Second)
	if count("first_name:'Ann'") != 0 {
		t.Error("too early")
	}
	c.advance(time.Second)
	if count("first_name:'Ann'") != 1 {
		t.Error("after the lag the query knows")
	}
	want(t, d, 200, "PUT", path("/requesters/%d", p), `{"first_name":"Anna"}`)
	if count("first_name:'Ann'") != 1 || count("first_name:'Anna'") != 0 {
		t.Error("the query answers from before the update")
	}
	c.advance(time.Minute)
	if count("first_name:'Ann'") != 0 || count("first_name:'Anna'") != 1 {
		t.Error("the query answers from after the update")
	}
}

func TestCustomFieldsAreChecked(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{Seed: &desk.Seed{Fields: []desk.Field{
		{Name: "badge", Type: "custom_number"}, {Name: "grade", Type: "custom_dropdown", Choices: []string{"A", "B"}},
		{Name: "hired", Type: "custom_date"}, {Name: "remote", Type: "custom_checkbox"}, {Name: "cost_center", Type: "custom_text", Required: true},
	}}})
	create := func(fields string) answer {
		return api(t, d, "POST", "/requesters", `{"first_name":"A","work_phone_number":"1","custom_fields":{`+fields+`}}`)
	}
	a := create(`"cost_center":"C1","badge":7,"grade":"B","hired":"2020-05-06","remote":true`)
	if a.status != http.StatusCreated {
		t.Fatal(a.raw)
	}
	o := a.object(t, "requester")
	if got, want := path("%v", o["custom_fields"]), "map[badge:7 cost_center:C1 grade:B hired:2020-05-06T00:00:00Z remote:true]"; got != want {
		t.Errorf("custom_fields = %s, want %s", got, want)
	}
	o = want(t, d, 200, "PUT", path("/requesters/%v", o["id"]), `{"custom_fields":{"badge":null,"grade":"A"}}`).object(t, "requester")
	if got, want := path("%v", o["custom_fields"]), "map[badge:<nil> cost_center:C1 grade:A hired:2020-05-06T00:00:00Z remote:true]"; got != want {
		t.Errorf("after the update = %s, want %s", got, want)
	}
	for fields, want := range map[string]string{
		`"cost_center":"C","badge":"7"`:       "custom_fields.badge datatype_mismatch",
		`"cost_center":"C","badge":1.5`:       "custom_fields.badge datatype_mismatch",
		`"cost_center":"C","grade":"C"`:       "custom_fields.grade invalid_value",
		`"cost_center":"C","remote":"true"`:   "custom_fields.remote datatype_mismatch",
		`"cost_center":"C","hired":"6.5.20"`:  "custom_fields.hired invalid_value",
		`"cost_center":5`:                     "custom_fields.cost_center datatype_mismatch",
		`"cost_center":"C","cf_badge":7`:      "custom_fields.cf_badge invalid_field",
		`"badge":7`:                           "custom_fields.cost_center missing_field",
		`"cost_center":"C","hired":123456789`: "custom_fields.hired datatype_mismatch",
	} {
		if a := create(fields); a.status != 400 || !slices.Contains(a.faults(), want) {
			t.Errorf("%s: %s, want %s", fields, a.raw, want)
		}
	}
}

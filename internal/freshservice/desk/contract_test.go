package desk_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/freshservice/desk"
)

// The bodies in testdata/contract are what the documentation and live answers
// show, member for member and in their order.
func TestContract(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{Seed: &desk.Seed{Fields: []desk.Field{
		{ID: 900, Name: "badge", Type: "custom_number"}, {ID: 901, Name: "cost_center", Type: "custom_text"},
	}}})
	add(t, d, desk.Person{FirstName: "Boss", PrimaryEmail: "boss@acme.example"}) // 21000000019
	agent := addAgent(t, d, desk.Person{ID: 800, FirstName: "Low", PrimaryEmail: "low@acme.example"})
	key, err := d.IssueKey(t.Context(), agent.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		fixture, key, method, path, body string
		status                           int
	}{
		{"department", testKey, "POST", "/departments", `{"name":"Sales","domains":["acme.example"]}`, 201},
		{"location", testKey, "POST", "/locations", `{"name":"Berlin","address":{"city":"Berlin","country":"Germany","zipcode":"10115"}}`, 201},
		{"requester", testKey, "POST", "/requesters", `{"first_name":"Ann","job_title":"Clerk","primary_email":"ann@acme.example",
			"secondary_emails":["a@acme.example"],"work_phone_number":"+49 30 123","department_ids":[21000000020],"location_id":21000000021,
			"reporting_manager_id":21000000019,"address":"1 Main Street","external_id":"6f1c0d8e-3b52-4c1a-9a77-0f4b3c2d1e00",
			"can_see_all_tickets_from_associated_departments":true,"custom_fields":{"cost_center":"C-7"}}`, 201},
		{"requester", testKey, "GET", "/requesters/21000000022", "", 200},
		{"requester_group", testKey, "POST", "/requester_groups", `{"name":"Readers"}`, 201},
		{"", testKey, "POST", "/requester_groups/21000000023/members/21000000022", "", 200},
		{"members", testKey, "GET", "/requester_groups/21000000023/members", "", 200},
		{"validation", testKey, "POST", "/requesters", `{"nick":"x","work_phone_number":"1"}`, 400},
		{"duplicate", testKey, "POST", "/requesters", `{"first_name":"B","primary_email":"a@acme.example"}`, 409},
		{"query", testKey, "GET", "/requesters?query=%22department_id:'x'%22", "", 400},
		{"denied", key, "GET", "/agents", "", 403},
		{"", testKey, "PUT", "/requesters/21000000022/convert_to_agent", "", 200},
		{"", testKey, "PUT", "/agents/21000000022", `{"can_see_all_tickets_from_associated_departments":false}`, 200},
		{"agent", testKey, "GET", "/agents/21000000022", "", 200},
		{"group", testKey, "POST", "/groups", `{"name":"Network","members":[21000000022],"unassigned_for":"30m"}`, 201},
		{"role", testKey, "GET", "/roles/21000000004", "", 200},
	} {
		a := as(t, d, step.key, step.method, step.path, step.body)
		if a.status != step.status {
			t.Fatalf("%s %s = %d %s, want %d", step.method, step.path, a.status, a.raw, step.status)
		}
		if step.fixture == "" {
			continue
		}
		fixture, err := os.ReadFile(filepath.Join("testdata", "contract", step.fixture+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(indented(t, fixture), indented(t, []byte(a.raw))); diff != "" {
			t.Errorf("%s %s (-documented +answered):\n%s", step.method, step.path, diff)
		}
	}
}

// indented keeps the order of members.
func indented(t testing.TB, b []byte) string {
	t.Helper()
	var compact, out bytes.Buffer
	if err := json.Compact(&compact, bytes.ReplaceAll(b, []byte(`\u0026`), []byte("&"))); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&out, compact.Bytes(), "", " "); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

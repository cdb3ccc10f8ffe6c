package freshservice_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lockstep/internal/freshservice"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/freshservice/freshservicetest"
	"lockstep/internal/scim"
)

const apiKey = "key-of-the-owner"

var (
	users  = scim.UserType()
	groups = scim.GroupType()
)

// inProcess sends requests to a handler without a network.
type inProcess struct{ h http.Handler }

// late is a transport whose account may let calls take time.
type late struct {
	inProcess
	a *account
}

func (t late) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.a.intercept != nil {
		if resp := t.a.intercept(req); resp != nil {
			return resp, nil
		}
	}
	resp, err := t.inProcess.RoundTrip(req)
	if t.a.delay != nil {
		t.a.delay()
	}
	return resp, err
}

func (t inProcess) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		// A handler that aborts has dropped the connection.
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		} else if p != nil {
			resp, err = nil, http.ErrAbortHandler
		}
	}()
	req = req.Clone(req.Context())
	if req.Body == nil {
		req.Body = http.NoBody // as a server has it
	}
	w := httptest.NewRecorder()
	t.h.ServeHTTP(w, req)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// account is a desk, a mirror and a bridge between them.
type account struct {
	t      testing.TB
	desk   *desk.Desk
	mirror mirror
	client *freshservice.Client
	*freshservice.Bridge

	// delay, when set, lasts as long as a call takes; intercept may answer in the
	// desk's place.
	delay     func()
	intercept func(*http.Request) *http.Response

	mu       sync.Mutex
	failures []error
}

type setup struct {
	desk     desk.Options
	settings freshservice.Settings
	client   freshservice.ClientOptions
	now      func() time.Time
	mirror   mirror
	over     *desk.Desk
}

// mirror is what the tests need of one.
type mirror interface {
	freshservice.Mirror
	Notes(t *scim.ResourceType, id string) []freshservice.Note
	Writes() int
}

// newMirror is how tests make theirs.
var newMirror = func(testing.TB) mirror { return freshservicetest.NewMirror() }

func open(t testing.TB, s setup) *account {
	t.Helper()
	a := &account{t: t, desk: s.over, mirror: s.mirror}
	if a.desk == nil {
		s.desk.APIKey = apiKey
		if s.desk.Plan == "" {
			s.desk.Plan = desk.Unlimited
		}
		d, err := desk.New(context.Background(), s.desk)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		a.desk = d
	}
	if a.mirror == nil {
		a.mirror = newMirror(t)
	}
	s.client.Domain, s.client.APIKey, s.client.HTTP = "acme", apiKey, &http.Client{Transport: late{inProcess{a.desk}, a}}
	if s.client.RetryDelay == 0 {
		s.client.RetryDelay = time.Microsecond
	}
	var err error
	if a.client, err = freshservice.NewClient(s.client); err != nil {
		t.Fatal(err)
	}
	a.Bridge = freshservice.NewBridge(freshservice.BridgeOptions{
		Client: a.client, Mirror: a.mirror, Users: users, Groups: groups, Settings: s.settings, Now: s.now,
		OnCredentialFailure: func(err error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.failures = append(a.failures, err)
		},
	})
	t.Cleanup(a.Close)
	return a
}

// warm loads the inventory and forgets what it cost.
func (a *account) warm() *account {
	a.t.Helper()
	if _, err := a.Query(a.t.Context(), users, scim.Query{StartIndex: 1}); err != nil {
		a.t.Fatal(err)
	}
	a.desk.ResetCalls()
	return a
}

func user(t testing.TB, body string) *scim.Resource {
	t.Helper()
	o, err := scim.ParseObject([]byte(body))
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if err := scim.Normalize(users, o, scim.ForCreate); err != nil {
		t.Fatal(err)
	}
	return scim.NewResource(users, o)
}

func (a *account) create(body string) *scim.Resource {
	a.t.Helper()
	r, err := a.Create(a.t.Context(), user(a.t, body))
	if err != nil {
		a.t.Fatalf("create %s: %v (%v)", body, err, scim.AsError(err).Err)
	}
	return r
}

// patch applies operations, given as JSON, as the SCIM service does.
func (a *account) tryPatch(id, operations string) (*scim.Resource, error) {
	a.t.Helper()
	p, err := scim.ParsePatch([]byte(`{"schemas":["` + scim.URNPatchOp + `"],"Operations":[` + operations + `]}`))
	if err != nil {
		a.t.Fatal(err)
	}
	return a.Update(a.t.Context(), users, id, scim.Precondition{}, func(r *scim.Resource) error {
		_, err := p.Apply(r)
		return err
	})
}

func (a *account) patch(id, operations string) *scim.Resource {
	a.t.Helper()
	r, err := a.tryPatch(id, operations)
	if err != nil {
		a.t.Fatalf("patch %s: %v (%v)", operations, err, scim.AsError(err).Err)
	}
	return r
}

func (a *account) calls() map[string]int64 { return a.desk.Calls().ByRoute }

// wantCalls checks what was called since the last look.
func (a *account) wantCalls(want ...string) {
	a.t.Helper()
	var got []string
	for route, n := range a.calls() {
		for range n {
			got = append(got, route)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		a.t.Errorf("calls:\n got %q\nwant %q", got, want)
	}
	a.desk.ResetCalls()
}

func (a *account) person(email string) *desk.Person {
	a.t.Helper()
	p, ok := a.desk.PersonByEmail(email)
	if !ok {
		a.t.Fatalf("the desk has no %s", email)
	}
	return &p
}

func (a *account) notes(id string) []string {
	var list []string
	for _, n := range a.mirror.Notes(users, id) {
		list = append(list, n.Code+" "+n.Attribute+" "+n.Value)
		if n.Message == "" || n.At.IsZero() {
			a.t.Errorf("the note %+v lacks a message or a time", n)
		}
	}
	slices.Sort(list)
	return list
}

func (a *account) wantNotes(id string, want ...string) {
	a.t.Helper()
	slices.Sort(want)
	if got := a.notes(id); !slices.Equal(got, want) {
		a.t.Errorf("notes:\n got %q\nwant %q", got, want)
	}
}

func wantError(t testing.TB, err error, typ scim.ErrorType, attribute string, mentions ...string) {
	t.Helper()
	if !scim.IsType(err, typ) {
		t.Fatalf("error is %v, want type %s", err, typ)
	}
	e := scim.AsError(err)
	if e.Attribute != attribute {
		t.Errorf("the error blames %q, want %q: %v", e.Attribute, attribute, err)
	}
	for _, m := range mentions {
		if !strings.Contains(e.Detail, m) {
			t.Errorf("the error %q does not mention %q", e.Detail, m)
		}
	}
}

// company is an account with things to refer to.
func company() *desk.Seed {
	return &desk.Seed{
		Fields: []desk.Field{
			{Name: "employee_id", Type: "custom_text"},
			{Name: "floor", Type: "custom_number"},
			{Name: "remote", Type: "custom_checkbox"},
			{Name: "hired_on", Type: "custom_date"},
			{Name: "contract", Type: "custom_dropdown", Choices: []string{"Permanent", "Temporary"}},
		},
		Departments: []desk.Department{{ID: 501, Name: "Finance"}, {ID: 502, Name: "Sales"}},
		Locations:   []desk.Location{{ID: 601, Name: "Porto"}, {ID: 602, Name: "Berlin"}},
		People: []desk.SeedPerson{
			{Person: desk.Person{ID: 9001, FirstName: "Berta", LastName: "Boss", PrimaryEmail: "boss@acme.example"}},
			{Person: desk.Person{ID: 9002, FirstName: "Ingo", LastName: "Aktiv", PrimaryEmail: "ingo@acme.example", Inactive: true}},
			{Person: desk.Person{ID: 9003, FirstName: "Agnes", LastName: "Agent", PrimaryEmail: "agnes@acme.example"}, Role: "SD Agent"},
		},
	}
}

const ines = `{
 "schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
 "externalId":"0b7c-77","userName":"ines@acme.example","active":true,"displayName":"Ines Duarte","title":"Analyst",
 "name":{"givenName":"Ines","familyName":"Duarte"},
 "emails":[{"primary":true,"type":"work","value":"ines@acme.example"},{"type":"other","value":"ines.d@home.example"}],
 "phoneNumbers":[{"type":"work","value":"+351 1"},{"type":"mobile","value":"+351 2"}],
 "addresses":[{"type":"work","formatted":"Harbour 12, Porto"}],
 "locale":"pt-pt","timezone":"Europe/Lisbon",
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"finance ","manager":{"value":"boss@acme.example"},"_location":"Porto"},
 "urn:ietf:params:scim:schemas:extension:freshservice:2.0:User":{"employee_id":7114,"floor":"3","remote":"True","hired_on":"2024-05-06","contract":"permanent"}
}`

func TestCreateCarriesTheWholeMap(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	r := a.create(ines)
	a.wantCalls("POST /requesters")
	p := a.person("ines@acme.example")
	if got, want := r.ID, jsonID(p.ID); got != want {
		t.Errorf("id %s, want Freshservice's %s", got, want)
	}
	for _, c := range []struct{ field, got, want string }{
		{"first_name", p.FirstName, "Ines"}, {"last_name", p.LastName, "Duarte"}, {"job_title", p.JobTitle, "Analyst"},
		{"secondary_emails", strings.Join(p.SecondaryEmails, ","), "ines.d@home.example"},
		{"work_phone_number", p.WorkPhoneNumber, "+351 1"}, {"mobile_phone_number", p.MobilePhoneNumber, "+351 2"},
		{"address", p.Address, "Harbour 12, Porto"}, {"language", p.Language, "pt-PT"}, {"time_zone", p.TimeZone, "Lisbon"},
		{"external_id", p.ExternalID, "0b7c-77"},
		{"department_ids", jsonOf(t, p.DepartmentIDs), "[501]"}, {"location_id", jsonID(p.LocationID), "601"},
		{"reporting_manager_id", jsonID(p.ReportingManagerID), "9001"},
		{"employee_id", string(p.CustomFields["employee_id"]), `"7114"`}, {"floor", string(p.CustomFields["floor"]), "3"},
		{"remote", string(p.CustomFields["remote"]), "true"}, {"hired_on", string(p.CustomFields["hired_on"]), `"2024-05-06T00:00:00Z"`},
		{"contract", string(p.CustomFields["contract"]), `"Permanent"`},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.field, c.got, c.want)
		}
	}
	a.wantNotes(r.ID)

	// The client reads back what it wrote.
	got, err := a.Get(t.Context(), users, r.ID, scim.Projection{})
	if err != nil {
		t.Fatal(err)
	}
	if !scim.Equal(got.Peek(), user(t, ines).Peek()) {
		data, _ := got.JSON()
		t.Errorf("read back %s", data)
	}
	a.wantCalls()
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func jsonID(id int64) string { data, _ := json.Marshal(id); return string(data) }

func TestInventoryShowsWhoIsThere(t *testing.T) {
	t.Parallel()
	seed := company()
	seed.People = append(seed.People, desk.SeedPerson{
		Person: desk.Person{ID: 9010, FirstName: "Full", LastName: "Record", PrimaryEmail: "full@acme.example", SecondaryEmails: []string{"f@acme.example"},
			JobTitle: "Clerk", WorkPhoneNumber: "1", MobilePhoneNumber: "2", Address: "Way 1", TimeZone: "Berlin", Language: "de", ExternalID: "x-1",
			CustomFields: desk.CustomFields{"floor": json.RawMessage("4")}},
		Departments: []string{"Sales"}, Location: "Berlin", Manager: "boss@acme.example",
	})
	a := open(t, setup{desk: desk.Options{Seed: seed}}).warm()
	r, err := a.Get(t.Context(), users, "9010", scim.Projection{})
	if err != nil {
		t.Fatal(err)
	}
	want := user(t, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","urn:ietf:params:scim:schemas:extension:freshservice:2.0:User"],
	 "userName":"full@acme.example","externalId":"x-1","name":{"formatted":"Full Record","familyName":"Record","givenName":"Full"},"displayName":"Full Record",
	 "title":"Clerk","active":true,"locale":"de","timezone":"Berlin",
	 "emails":[{"value":"full@acme.example","type":"work","primary":true},{"value":"f@acme.example","type":"other"}],
	 "phoneNumbers":[{"value":"1","type":"work"},{"value":"2","type":"mobile"}],"addresses":[{"formatted":"Way 1","type":"work"}],
	 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales","_location":"Berlin","manager":{"value":"9001"}},
	 "urn:ietf:params:scim:schemas:extension:freshservice:2.0:User":{"isAgent":false,"floor":4}}`)
	if !scim.Equal(r.Peek(), want.Peek()) {
		got, _ := r.JSON()
		t.Errorf("got %s", got)
	}
	for id, active := range map[string]bool{"9001": true, "9002": false, "9003": true} {
		r, err := a.Get(t.Context(), users, id, scim.Projection{})
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := r.Peek().Get("active"); v != active {
			t.Errorf("%s: active is %v", id, v)
		}
	}
	r, _ = a.Get(t.Context(), users, "9003", scim.Projection{})
	if v, _ := r.Peek().Child(scim.URNFreshservice).Get("isAgent"); v != true {
		t.Errorf("isAgent of an agent is %v", v)
	}
	a.wantCalls()
}

func TestUpdateSendsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	id := a.create(ines).ID
	a.desk.ResetCalls()
	email := "ines@acme.example"
	for _, c := range []struct {
		name, ops string
		calls     []string
		check     func(p *desk.Person) bool
	}{
		{"title", `{"op":"Replace","path":"title","value":"Lead"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return p.JobTitle == "Lead" }},
		{"the same again", `{"op":"Replace","path":"title","value":"Lead"}`, nil, func(p *desk.Person) bool { return true }},
		{"something Freshservice has no place for", `{"op":"Add","path":"nickName","value":"Ina"}`, nil, func(p *desk.Person) bool { return true }},
		{"title removed", `{"op":"Remove","path":"title"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return p.JobTitle == "" }},
		{"last name", `{"op":"Replace","path":"name.familyName","value":"Lima"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return p.LastName == "Lima" && p.FirstName == "Ines" }},
		{"department", `{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Sales"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return slices.Equal(p.DepartmentIDs, []int64{502}) }},
		{"department removed", `{"op":"Remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return len(p.DepartmentIDs) == 0 }},
		{"location in the other extension", `{"op":"Remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:_location"},{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User:location","value":"BERLIN"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return p.LocationID == 602 }},
		{"manager by id", `{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"9003"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return p.ReportingManagerID == 9003 }},
		{"manager removed", `{"op":"Remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return p.ReportingManagerID == 0 }},
		{"language", `{"op":"Replace","path":"locale","value":"ja"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return p.Language == "ja-JP" }},
		{"the same language, spelled otherwise", `{"op":"Replace","path":"locale","value":"ja_JP"}`, nil, func(p *desk.Person) bool { return p.Language == "ja-JP" }},
		{"time zone by Windows id", `{"op":"Replace","path":"timezone","value":"W. Europe Standard Time"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return p.TimeZone == "Berlin" }},
		{"a custom field", `{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User:floor","value":"9"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool {
			return string(p.CustomFields["floor"]) == "9" && string(p.CustomFields["employee_id"]) == `"7114"`
		}},
		{"a custom field removed", `{"op":"Remove","path":"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User:floor"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return p.CustomFields["floor"] == nil }},
		{"secondary address removed", `{"op":"Remove","path":"emails[type eq \"other\"]"}`, []string{"PUT /requesters/{id}"}, func(p *desk.Person) bool { return len(p.SecondaryEmails) == 0 }},
		{"secondary equal to the primary", `{"op":"Add","path":"emails","value":[{"type":"home","value":"INES@acme.example"}]}`, nil, func(p *desk.Person) bool { return len(p.SecondaryEmails) == 0 }},
	} {
		t.Log(c.name)
		a.patch(id, c.ops)
		a.wantCalls(c.calls...)
		if !c.check(a.person(email)) {
			t.Errorf("%s: the desk has %+v", c.name, a.person(email))
		}
	}
	a.wantNotes(id, "secondary_email_equals_primary emails INES@acme.example")

	a.patch(id, `{"op":"Replace","path":"emails[type eq \"work\"].value","value":"ines.lima@acme.example"},{"op":"Replace","path":"userName","value":"ines.lima@acme.example"}`)
	if p := a.person("ines.lima@acme.example"); jsonID(p.ID) != id {
		t.Errorf("the new address belongs to %d", p.ID)
	}
}

func TestUntranslatableIsNotedNotFailed(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	body := `{"userName":"x@acme.example","name":{"givenName":"X"},"timezone":"Mars/Olympus","locale":"tlh",
	 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Finanse","_location":"Atlantis","manager":"nobody@acme.example"},
	 "urn:ietf:params:scim:schemas:extension:freshservice:2.0:User":{"employe_id":"1","floor":"third","contract":"Temp"}}`
	r := a.create(body)
	a.wantCalls("POST /requesters")
	const e, f = scim.URNEnterprise + ":", scim.URNFreshservice + ":"
	a.wantNotes(r.ID,
		"unknown_time_zone timezone Mars/Olympus", "unknown_language locale tlh",
		"unknown_department "+e+"department Finanse", "unknown_location "+e+"_location Atlantis",
		"manager_not_found "+e+"manager nobody@acme.example",
		"unknown_field "+f+"employe_id 1", "invalid_field_value "+f+"floor third", "invalid_field_value "+f+"contract Temp")
	for _, n := range a.mirror.Notes(users, r.ID) {
		if n.Code == "unknown_field" && !strings.Contains(n.Message, "employee_id") || n.Code == "unknown_department" && !strings.Contains(n.Message, "Finance") {
			t.Errorf("no suggestion in %q", n.Message)
		}
	}
	got, _ := a.Get(t.Context(), users, r.ID, scim.Projection{})
	if got.Peek().Text("timezone") != "Mars/Olympus" || got.Peek().Child(scim.URNEnterprise).Text("department") != "Finanse" {
		t.Error("what was left out does not read back")
	}
	// Put right, the notes go; what is sent takes the lost values along.
	a.patch(r.ID, `{"op":"Replace","path":"timezone","value":"(GMT+01:00) Berlin"},{"op":"Replace","path":"locale","value":"de-AT"}`)
	if p := a.person("x@acme.example"); p.TimeZone != "Berlin" || p.Language != "de" {
		t.Errorf("desk has %q %q", p.TimeZone, p.Language)
	}
	if got := a.notes(r.ID); len(got) != 6 {
		t.Errorf("notes left: %q", got)
	}
}

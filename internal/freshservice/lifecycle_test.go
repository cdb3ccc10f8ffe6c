package freshservice_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lockstep/internal/freshservice"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/scim"
)

func TestConflictsAndTakeOvers(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()

	// An active person whom the client should have matched.
	_, err := a.Create(t.Context(), user(t, `{"userName":"BOSS@acme.example","name":{"givenName":"B"}}`))
	wantError(t, err, scim.Uniqueness, "userName", "9001")
	a.wantCalls()

	// The userName differs, the address is that of a person no client knows.
	r := a.create(`{"userName":"bb@corp.example","name":{"givenName":"Berta","familyName":"Boss"},"emails":[{"type":"work","value":"boss@acme.example"}]}`)
	if r.ID != "9001" || r.Peek().Text("userName") != "bb@corp.example" {
		t.Errorf("taken over as %s", r.ID)
	}
	a.wantCalls()

	// Once claimed, the address is taken.
	_, err = a.Create(t.Context(), user(t, `{"userName":"other@corp.example","name":{"givenName":"B"},"emails":[{"type":"work","value":"boss@acme.example"}]}`))
	wantError(t, err, scim.Uniqueness, `emails[type eq "work"].value`, "9001")

	// An inactive person comes back, with all attributes in one write.
	r = a.create(`{"userName":"ingo@acme.example","name":{"givenName":"Ingo","familyName":"Neu"},"title":"Cook","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales"}}`)
	a.wantCalls("PUT /requesters/{id}/reactivate", "PUT /requesters/{id}")
	if p := a.person("ingo@acme.example"); r.ID != "9002" || p.Inactive || p.LastName != "Neu" || p.JobTitle != "Cook" || len(p.DepartmentIDs) != 1 {
		t.Errorf("taken over as %s: %+v", r.ID, p)
	}

	// An agent nobody has claimed becomes the client's, and stays an agent.
	r = a.create(`{"userName":"agnes@corp.example","name":{"givenName":"Agnes","familyName":"Agent"},"emails":[{"type":"work","value":"agnes@acme.example"}],"timezone":"Asia/Tokyo"}`)
	a.wantCalls("PUT /agents/{id}")
	if p := a.person("agnes@acme.example"); r.ID != "9003" || !p.IsAgent() || p.TimeZone != "Tokyo" {
		t.Errorf("agent taken over as %s: %+v", r.ID, p)
	}

	// Deleted over SCIM: gone for the client, deactivated in Freshservice, back on demand.
	if err := a.Delete(t.Context(), users, "9002", scim.Precondition{}); err != nil {
		t.Fatal(err)
	}
	a.wantCalls("DELETE /requesters/{id}")
	_, err = a.Get(t.Context(), users, "9002", scim.Projection{})
	wantError(t, err, scim.NotFound, "")
	if err := a.Delete(t.Context(), users, "9002", scim.Precondition{}); !scim.IsType(err, scim.NotFound) {
		t.Errorf("deleting twice: %v", err)
	}
	if !a.person("ingo@acme.example").Inactive {
		t.Error("not deactivated")
	}
	r = a.create(`{"userName":"ingo@acme.example","name":{"givenName":"Ingo"}}`)
	a.wantCalls("PUT /requesters/{id}/reactivate", "PUT /requesters/{id}")
	if r.ID != "9002" || a.person("ingo@acme.example").Inactive {
		t.Errorf("back as %s", r.ID)
	}

	// Somebody the mirror does not know, created behind our back.
	p, err := a.desk.AddRequester(t.Context(), desk.Person{FirstName: "New", PrimaryEmail: "behind@acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	r = a.create(`{"userName":"behind@acme.example","name":{"givenName":"New","familyName":"One"}}`)
	a.wantCalls("POST /requesters", "GET /requesters", "PUT /requesters/{id}")
	if r.ID != jsonID(p.ID) {
		t.Errorf("adopted as %s, want %d", r.ID, p.ID)
	}

	// A secondary address of somebody else is left out.
	r = a.create(`{"userName":"sec@acme.example","name":{"givenName":"S"},"emails":[{"type":"work","value":"sec@acme.example"},{"type":"other","value":"behind@acme.example"}]}`)
	a.wantNotes(r.ID, "email_taken emails behind@acme.example")

	// Nobody can be created without an address or a number.
	_, err = a.Create(t.Context(), user(t, `{"userName":"nobody","name":{"givenName":"N"}}`))
	wantError(t, err, scim.InvalidValue, "userName", "nobody")
}

func TestDeactivateAndReactivate(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	id := a.create(ines).ID
	a.desk.ResetCalls()
	a.patch(id, `{"op":"Replace","path":"active","value":"False"}`)
	a.wantCalls("DELETE /requesters/{id}")
	if !a.person("ines@acme.example").Inactive {
		t.Fatal("still active")
	}
	// While away, changes are kept.
	a.patch(id, `{"op":"Replace","path":"title","value":"Director"}`)
	a.wantCalls()
	a.patch(id, `{"op":"replace","path":"active","value":true}`)
	a.wantCalls("PUT /requesters/{id}/reactivate", "PUT /requesters/{id}")
	p := a.person("ines@acme.example")
	if p.Inactive || p.JobTitle != "Director" || len(p.DepartmentIDs) != 1 || p.ReportingManagerID != 9001 || p.LocationID != 601 {
		t.Errorf("after coming back: %+v", p)
	}
	// Created inactive.
	r := a.create(`{"userName":"off@acme.example","active":false,"name":{"givenName":"Off"}}`)
	a.wantCalls("POST /requesters", "DELETE /requesters/{id}")
	if v, _ := r.Peek().Get("active"); v != false || !a.person("off@acme.example").Inactive {
		t.Error("created active")
	}
}

func TestAgents(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	a := open(t, setup{desk: desk.Options{Seed: company()}, now: func() time.Time { return now },
		settings: freshservice.Settings{AgentBudgetPerDay: 2, NewAgents: freshservice.NewAgents{Roles: []string{"sd agent"}}}}).warm()
	const ext = `"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User"`
	r := a.create(`{"userName":"ada@acme.example","name":{"givenName":"Ada"},` + ext + `:{"isAgent":"True"}}`)
	a.wantCalls("POST /agents")
	if p := a.person("ada@acme.example"); !p.IsAgent() || p.Agent.Occasional {
		t.Errorf("created %+v", p)
	}
	// Names of agents cannot be changed; asked once, then known.
	a.patch(r.ID, `{"op":"replace","path":"name.givenName","value":"Adele"},{"op":"add","path":"locale","value":"fr"}`)
	a.wantCalls("PUT /agents/{id}", "PUT /agents/{id}")
	a.wantNotes(r.ID, "refused_by_freshservice name.givenName Adele")
	a.patch(r.ID, `{"op":"replace","path":"name.givenName","value":"Adela"},{"op":"replace","path":"locale","value":"de"}`)
	a.wantCalls("PUT /agents/{id}")
	if p := a.person("ada@acme.example"); p.FirstName != "Ada" || p.Language != "de" {
		t.Errorf("agent %+v", p)
	}

	// Requester to agent: occasional by Freshservice, full-time by the setting.
	id := a.create(ines).ID
	a.desk.ResetCalls()
	a.patch(id, `{"op":"add","path":"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User:isAgent","value":"true"}`)
	a.wantCalls("PUT /requesters/{id}/convert_to_agent", "PUT /agents/{id}")
	if p := a.person("ines@acme.example"); !p.IsAgent() || p.Agent.Occasional || jsonID(p.ID) != id {
		t.Errorf("converted %+v", p)
	}

	// The third of the day has to wait.
	third := a.create(`{"userName":"third@acme.example","name":{"givenName":"Third"},` + ext + `:{"isAgent":true}}`)
	if a.person("third@acme.example").IsAgent() {
		t.Error("over the budget")
	}
	a.wantNotes(third.ID, "agent_budget "+scim.URNFreshservice+":isAgent true")
	now = now.Add(24 * time.Hour)
	a.desk.ResetCalls()
	if _, err := a.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.Settle()
	if !a.person("third@acme.example").IsAgent() {
		t.Error("not made an agent the next day")
	}
	a.wantNotes(third.ID)

	// And back to requester: what agents do not show is there again, so nothing is sent.
	a.desk.ResetCalls()
	a.patch(id, `{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User:isAgent","value":"False"}`)
	a.wantCalls("PUT /agents/{id}/convert_to_requester")
	if p := a.person("ines@acme.example"); p.IsAgent() || !slices.Equal(p.SecondaryEmails, []string{"ines.d@home.example"}) {
		t.Errorf("converted back %+v", p)
	}

	// Neither agent nor requester.
	odd := a.create(`{"userName":"odd@acme.example","name":{"givenName":"Odd"},` + ext + `:{"isAgent":"perhaps"}}`)
	a.wantNotes(odd.ID, "invalid_field_value "+scim.URNFreshservice+":isAgent perhaps")

	// No licence left.
	b := open(t, setup{desk: desk.Options{Seed: company(), AgentSeats: 1}}).warm()
	_, err := b.Create(t.Context(), user(t, `{"userName":"full@acme.example","name":{"givenName":"F"},`+ext+`:{"isAgent":true}}`))
	wantError(t, err, scim.Forbidden, "", "licence")
}

func TestManagerArrivesLater(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	var ids []string
	for i := range 15 {
		r := a.create(fmt.Sprintf(`{"userName":"r%d@acme.example","name":{"givenName":"R"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"Chief@acme.example"}}}`, i))
		ids = append(ids, r.ID)
	}
	a.desk.ResetCalls()
	chief := a.create(`{"userName":"chief@acme.example","name":{"givenName":"C"}}`)
	a.Settle()
	for i, id := range ids {
		if p := a.person(fmt.Sprintf("r%d@acme.example", i)); jsonID(p.ReportingManagerID) != chief.ID {
			t.Errorf("r%d has manager %d", i, p.ReportingManagerID)
		}
		a.wantNotes(id)
	}
	if n := a.desk.Calls().Total; n != 16 {
		t.Errorf("%d calls, want 1 + 15", n)
	}
	// In each form.
	for _, form := range []string{`"` + chief.ID + `"`, `{"value":"` + chief.ID + `"}`, `{"$ref":"https://x/scim/v2/Users/` + chief.ID + `"}`, `[{"value":"chief@acme.example"}]`} {
		r := a.create(`{"userName":"f` + fmt.Sprint(len(form)) + `@acme.example","name":{"givenName":"F"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":` + form + `}}`)
		if p := a.person(r.Peek().Text("userName")); jsonID(p.ReportingManagerID) != chief.ID {
			t.Errorf("%s gives manager %d", form, p.ReportingManagerID)
		}
	}
}

func TestFlagThatPutsDestroy(t *testing.T) {
	t.Parallel()
	seed := company()
	seed.People[0].AllTickets = true
	a := open(t, setup{desk: desk.Options{Seed: seed}}).warm()
	a.patch("9001", `{"op":"add","path":"title","value":"Head"}`)
	a.wantCalls("PUT /requesters/{id}")
	if p := a.person("boss@acme.example"); !p.AllTickets || p.JobTitle != "Head" {
		t.Errorf("%+v", p)
	}
}

func TestUnknownPlacesBySetting(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}, settings: freshservice.Settings{UnknownDepartments: freshservice.CreateName, UnknownLocations: freshservice.Refuse}}).warm()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, err := a.Create(context.Background(), user(t, fmt.Sprintf(`{"userName":"d%d@acme.example","name":{"givenName":"D"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Research"}}`, i)))
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := a.calls()["POST /departments"]; n != 1 {
		t.Errorf("the department was created %d times", n)
	}
	if p := a.person("d7@acme.example"); len(p.DepartmentIDs) != 1 {
		t.Error("without the department")
	}
	_, err := a.Create(t.Context(), user(t, `{"userName":"l@acme.example","name":{"givenName":"L"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"_location":"Portu"}}`))
	wantError(t, err, scim.InvalidValue, scim.URNEnterprise+":_location", "Portu", "Porto")
}

func TestFreshservicesRefusals(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	a := open(t, setup{desk: desk.Options{Seed: company()}, client: freshservice.ClientOptions{MaxTries: 2}, now: func() time.Time { return now }}).warm()
	id := a.create(ines).ID
	fault := func(f desk.Fault) {
		a.Settle()
		now = now.Add(time.Minute)
		if err := a.desk.SetFaults(f); err != nil {
			t.Fatal(err)
		}
		a.desk.ResetCalls()
	}
	const title = `{"op":"replace","path":"title","value":"%s"}`

	// One bad optional field: the rest goes in.
	fault(desk.Fault{Method: "PUT", Kind: "error", Status: 400, Count: 1, Body: json.RawMessage(`{"description":"Validation failed","errors":[{"field":"location_id","message":"no such location","code":"invalid_value"}]}`)})
	a.patch(id, `{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:_location","value":"Berlin"},`+fmt.Sprintf(title, "One"))
	a.wantCalls("PUT /requesters/{id}", "PUT /requesters/{id}")
	a.wantNotes(id, "refused_by_freshservice "+scim.URNEnterprise+":_location Berlin")

	// What cannot be left out names the attribute.
	fault(desk.Fault{Method: "PUT", Kind: "error", Status: 400, Count: 1, Body: json.RawMessage(`{"description":"Validation failed","errors":[{"field":"primary_email","message":"is not an address","code":"invalid_value"}]}`)})
	_, err := a.tryPatch(id, `{"op":"replace","path":"emails[type eq \"work\"].value","value":"ines"}`)
	wantError(t, err, scim.InvalidValue, `emails[type eq "work"].value`, "ines", "is not an address")

	fault(desk.Fault{Method: "POST", Kind: "error", Status: 400, Count: 1, Body: json.RawMessage(`{"description":"Validation failed","errors":[{"field":"badge","message":"It should be a/an String","code":"missing_field"}]}`)})
	_, err = a.Create(t.Context(), user(t, `{"userName":"m@acme.example","name":{"givenName":"M"}}`))
	wantError(t, err, scim.InvalidValue, scim.URNFreshservice+":badge", "badge", "requires")

	for _, c := range []struct {
		fault desk.Fault
		want  scim.ErrorType
		calls int64
	}{
		{desk.Fault{Method: "PUT", Kind: "500"}, scim.Unavailable, 2},
		{desk.Fault{Method: "PUT", Kind: "drop-connection"}, scim.GatewayTimeout, 2},
		{desk.Fault{Method: "PUT", Kind: "error", Status: 401, Body: json.RawMessage(`{"code":"invalid_credentials","message":"no"}`)}, scim.Unavailable, 1},
		{desk.Fault{Method: "PUT", Kind: "error", Status: 403, Body: json.RawMessage(`{"code":"access_denied","message":"You are not authorized to perform this action."}`)}, scim.Forbidden, 1},
		{desk.Fault{Method: "PUT", Kind: "error", Status: 418, Body: json.RawMessage(`{}`)}, scim.BadGateway, 1},
	} {
		fault(c.fault)
		_, err := a.tryPatch(id, fmt.Sprintf(title, "T"))
		if !scim.IsType(err, c.want) {
			t.Errorf("%+v gives %v, want %s", c.fault, err, c.want)
		}
		if n := a.calls()["PUT /requesters/{id}"]; n != c.calls {
			t.Errorf("%+v: %d calls, want %d", c.fault, n, c.calls)
		}
		if err != nil && strings.Contains(err.Error(), apiKey) {
			t.Error("the key is in the error")
		}
		if c.fault.Status == http.StatusUnauthorized {
			// A rejected key is not tried again and again.
			a.desk.ResetCalls()
			_, err := a.tryPatch(id, fmt.Sprintf(title, "U"))
			wantError(t, err, scim.Unavailable, "", "rotate-key")
			a.wantCalls()
		}
	}
	// An account that takes no externalId is asked once; it reads back all the same.
	fault(desk.Fault{Method: "POST", Kind: "error", Status: 400, Count: 1, Body: json.RawMessage(`{"description":"Validation failed","errors":[{"field":"external_id","message":"It should be a/an Integer","code":"datatype_mismatch"}]}`)})
	r := a.create(`{"userName":"e1@acme.example","externalId":"guid-1","name":{"givenName":"E"}}`)
	a.wantCalls("POST /requesters", "POST /requesters")
	a.wantNotes(r.ID)
	if r = a.create(`{"userName":"e2@acme.example","externalId":"guid-2","name":{"givenName":"E"}}`); r.Peek().Text("externalId") != "guid-2" {
		t.Error("externalId is lost")
	}
	a.wantCalls("POST /requesters")
	a.Settle()
	a.mu.Lock()
	var reason []freshservice.CredentialReason
	for _, err := range a.failures {
		if c, ok := errors.AsType[*freshservice.CredentialError](err); ok {
			reason = append(reason, c.Reason)
		}
	}
	a.mu.Unlock()
	if !slices.Contains(reason, freshservice.KeyRejected) {
		t.Errorf("credential failures %v", reason)
	}
	fault(desk.Fault{Method: "PUT", Kind: "429", RetryAfter: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = a.Update(ctx, users, id, scim.Precondition{}, func(r *scim.Resource) error { r.Attributes().Set("title", "Late"); return nil })
	if !scim.IsType(err, scim.RateLimited) || scim.AsError(err).RetryAfter <= 0 {
		t.Errorf("429 gives %v", err)
	}
}

func TestUnknownOutcomesLoseAndDuplicateNobody(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"timeout-after-write", "500", "drop-connection", "503"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			a := open(t, setup{desk: desk.Options{Seed: company()}, client: freshservice.ClientOptions{Timeout: 50 * time.Millisecond}}).warm()
			before := count(a.desk)
			if err := a.desk.SetFaults(desk.Fault{Method: "POST", Kind: kind, Count: 1, Latency: "60ms"}); err != nil {
				t.Fatal(err)
			}
			r := a.create(`{"userName":"once@acme.example","name":{"givenName":"Once"}}`)
			if n := count(a.desk) - before; n != 1 {
				t.Errorf("%d people were created", n)
			}
			if p := a.person("once@acme.example"); jsonID(p.ID) != r.ID {
				t.Errorf("id %s, Freshservice has %d", r.ID, p.ID)
			}
		})
	}
}

// Who is found after an unknown outcome may have been there before: what the
// client wrote goes in all the same.
func TestFoundAfterUnknownOutcome(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	if _, err := a.desk.AddRequester(t.Context(), desk.Person{FirstName: "Old", PrimaryEmail: "pre@acme.example"}); err != nil {
		t.Fatal(err)
	}
	if err := a.desk.SetFaults(desk.Fault{Method: "POST", Kind: "500", Count: 1}); err != nil {
		t.Fatal(err)
	}
	a.create(`{"userName":"pre@acme.example","title":"Pilot","name":{"givenName":"New"}}`)
	a.wantCalls("POST /requesters", "GET /requesters", "PUT /requesters/{id}")
	if p := a.person("pre@acme.example"); p.JobTitle != "Pilot" || p.FirstName != "New" {
		t.Errorf("%+v", p)
	}
}

func count(d *desk.Desk) (n int) {
	for range d.People() {
		n++
	}
	return n
}

func TestGoneBehindOurBack(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	id := a.create(ines).ID

	// Converted by hand: the same ID as an agent.
	if _, err := a.client.ConvertToAgent(t.Context(), a.person("ines@acme.example").ID); err != nil {
		t.Fatal(err)
	}
	a.patch(id, `{"op":"replace","path":"locale","value":"de"}`)
	if p := a.person("ines@acme.example"); p.Language != "de" || !p.IsAgent() {
		t.Errorf("%+v", p)
	}

	// Merged into somebody else.
	r := a.create(`{"userName":"dup@acme.example","name":{"givenName":"Dup"}}`)
	dup := a.person("dup@acme.example").ID
	if _, err := a.client.MergeRequesters(t.Context(), 9001, dup); err != nil {
		t.Fatal(err)
	}
	_, err := a.tryPatch(r.ID, `{"op":"replace","path":"locale","value":"de"}`)
	wantError(t, err, scim.NotFound, "", "merged", "9001")
	_, err = a.Get(t.Context(), users, r.ID, scim.Projection{})
	wantError(t, err, scim.NotFound, "")
}

func TestRefreshKeepsWhatLockstepKeeps(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	id := a.create(`{"userName":"upn@corp.example","externalId":"e-1","nickName":"Nic","name":{"givenName":"Nico"},"timezone":"Mars/Olympus","emails":[{"type":"work","value":"nico@acme.example"}]}`).ID
	if _, err := a.desk.UpdatePerson(t.Context(), a.person("nico@acme.example").ID, func(p *desk.Person) { p.JobTitle = "By hand"; p.DepartmentIDs = []int64{501} }); err != nil {
		t.Fatal(err)
	}
	if _, err := a.desk.AddRequester(t.Context(), desk.Person{ID: 9500, FirstName: "Late", PrimaryEmail: "late@acme.example"}); err != nil {
		t.Fatal(err)
	}
	got, err := a.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.New != 1 || got.Changed != 1 || got.Gone != 0 {
		t.Errorf("refresh found %+v", got)
	}
	r, err := a.Get(t.Context(), users, id, scim.Projection{})
	if err != nil {
		t.Fatal(err)
	}
	o := r.Peek()
	if o.Text("userName") != "upn@corp.example" || o.Text("externalId") != "e-1" || o.Text("nickName") != "Nic" || o.Text("timezone") != "Mars/Olympus" ||
		o.Text("title") != "By hand" || o.Child(scim.URNEnterprise).Text("department") != "Finance" {
		data, _ := r.JSON()
		t.Errorf("after the refresh: %s", data)
	}
	if _, err := a.Get(t.Context(), users, "9500", scim.Projection{}); err != nil {
		t.Error(err)
	}
	writes := a.mirror.Writes()
	if got, err = a.Refresh(t.Context()); err != nil || got.New+got.Changed+got.Gone != 0 || a.mirror.Writes() != writes {
		t.Errorf("a second refresh found %+v, %v, and wrote %d", got, err, a.mirror.Writes()-writes)
	}
}

func TestInventoryResumesAndSurvives(t *testing.T) {
	t.Parallel()
	seed := company()
	for i := range 450 {
		seed.People = append(seed.People, desk.SeedPerson{Person: desk.Person{FirstName: fmt.Sprintf("P%03d", i), PrimaryEmail: fmt.Sprintf("p%d@acme.example", i)}})
	}
	a := open(t, setup{desk: desk.Options{Seed: seed}, client: freshservice.ClientOptions{MaxTries: 1}})
	if err := a.desk.SetFaults(desk.Fault{Method: "GET", Path: "/api/v2/requesters", Kind: "500", Probability: 0.6, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	failures := 0
	for {
		_, err := a.Query(t.Context(), users, scim.Query{StartIndex: 1})
		if err == nil {
			break
		}
		if failures++; failures > 100 {
			t.Fatal(err)
		}
	}
	if n := a.calls()["GET /requesters"]; failures == 0 || n != int64(failures)+5 {
		t.Errorf("%d listings with %d failures; a listing should go on where it stopped", n, failures)
	}
	page, err := a.Query(t.Context(), users, scim.Query{StartIndex: 1})
	if err != nil || page.Total != 454 {
		t.Fatalf("%v, %v", page, err)
	}
	// Another process with the same mirror needs no call.
	a.desk.ResetCalls()
	b := open(t, setup{over: a.desk, mirror: a.mirror})
	if _, err := b.Get(t.Context(), users, "9001", scim.Projection{}); err != nil {
		t.Fatal(err)
	}
	b.create(`{"userName":"n@acme.example","name":{"givenName":"N"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales"}}`)
	b.wantCalls("POST /requesters")
}

func TestCallEconomy(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}})
	const n = 500
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				_, err := a.Create(context.Background(), user(t, fmt.Sprintf(`{"userName":"u%d@acme.example","name":{"givenName":"U","familyName":"%d"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Nowhere","manager":"boss@acme.example"}}`, i, i)))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, most := a.desk.Calls().Total, int64(n*102/100+n/100+50); got > most {
		t.Errorf("%d calls for %d people, at most %d", got, n, most)
	}
	if s := a.client.Stats(); s.Total != a.desk.Calls().Total || s.TooMany != 0 {
		t.Errorf("stats %+v", s)
	}
	a.desk.ResetCalls()
	for start := 1; start < n; start += 100 {
		page, err := a.Query(t.Context(), users, scim.Query{StartIndex: start, Count: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Resources {
			if _, err := a.Update(t.Context(), users, r.ID, scim.Precondition{}, func(*scim.Resource) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.wantCalls()
}

func TestCheckKey(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}})
	owner, warnings, err := freshservice.CheckKey(t.Context(), a.client)
	if err != nil || !owner.Admin || !owner.Active || owner.Occasional || len(warnings) != 0 {
		t.Errorf("%+v %+v %v", owner, warnings, err)
	}
	if n := a.desk.Calls().Total; n != 2 {
		t.Errorf("%d calls", n)
	}
	wrong, err := freshservice.NewClient(freshservice.ClientOptions{Domain: "acme", APIKey: "wrong", HTTP: &http.Client{Transport: inProcess{a.desk}}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = freshservice.CheckKey(t.Context(), wrong)
	wantReason(t, err, freshservice.KeyRejected, "acme.freshservice.com")

	if _, err := a.desk.StageOwner(t.Context(), "occasional"); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err = freshservice.CheckKey(t.Context(), a.client); err != nil || len(warnings) == 0 || warnings[len(warnings)-1].Code != freshservice.OwnerOccasional {
		t.Errorf("occasional owner: %+v, %v", warnings, err)
	}
	for _, c := range []struct {
		handler http.HandlerFunc
		want    freshservice.CredentialReason
	}{
		{func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }, freshservice.DomainUnknown},
		{func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://login.example", 302) }, freshservice.DomainUnknown},
		{func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>hello</html>")) }, freshservice.NotFreshservice},
		{func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, freshservice.Unreachable},
	} {
		client, err := freshservice.NewClient(freshservice.ClientOptions{Domain: "acme", APIKey: "k", MaxTries: 1, HTTP: &http.Client{Transport: inProcess{c.handler}}})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = freshservice.CheckKey(t.Context(), client)
		wantReason(t, err, c.want, "acme.freshservice.com")
	}
}

func wantReason(t *testing.T, err error, want freshservice.CredentialReason, mention string) {
	t.Helper()
	var c *freshservice.CredentialError
	if !errors.As(err, &c) || c.Reason != want || !strings.Contains(err.Error(), mention) {
		t.Errorf("error %v, want reason %s", err, want)
	}
}

package freshservice_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"lockstep/internal/freshservice"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/scim"
)

// Every row of the map each way, for requesters and for agents: what a client
// writes arrives in one call, what it removes is cleared, and what is changed
// in Freshservice shows over SCIM after the next listing.
func TestEveryRowEachWay(t *testing.T) {
	t.Parallel()
	const e, f = scim.URNEnterprise + ":", scim.URNFreshservice + ":"
	rows := []struct {
		path, sent string
		// has is the desk's value, hand changes it there, shows is what SCIM says then.
		has   func(p *desk.Person) string
		want  string
		hand  func(p *desk.Person)
		shows string
		// keeps: it cannot be removed. requesters, agents: only these have it.
		keeps, requesters bool
	}{
		{path: "name.givenName", sent: `"Ann"`, has: func(p *desk.Person) string { return string(p.FirstName) }, want: "Ann", hand: func(p *desk.Person) { p.FirstName = "Zoe" }, shows: "Zoe", keeps: true},
		{path: "name.familyName", sent: `"Ash"`, has: func(p *desk.Person) string { return string(p.LastName) }, want: "Ash", hand: func(p *desk.Person) { p.LastName = "Zorn" }, shows: "Zorn"},
		{path: "title", sent: `"Cook"`, has: func(p *desk.Person) string { return string(p.JobTitle) }, want: "Cook", hand: func(p *desk.Person) { p.JobTitle = "Baker" }, shows: "Baker"},
		{path: `emails[type eq "work"].value`, sent: `"ann@acme.example"`, has: func(p *desk.Person) string { return string(p.PrimaryEmail) }, want: "ann@acme.example", hand: func(p *desk.Person) { p.PrimaryEmail = "zoe@acme.example" }, shows: "zoe@acme.example", keeps: true},
		{path: `emails[type eq "other"].value`, sent: `"two@acme.example"`, has: func(p *desk.Person) string { return strings.Join(p.SecondaryEmails, ",") }, want: "two@acme.example", hand: func(p *desk.Person) { p.SecondaryEmails = []string{"three@acme.example"} }, shows: "three@acme.example", requesters: true},
		{path: `phoneNumbers[type eq "work"].value`, sent: `"+1 1"`, has: func(p *desk.Person) string { return string(p.WorkPhoneNumber) }, want: "+1 1", hand: func(p *desk.Person) { p.WorkPhoneNumber = "+1 9" }, shows: "+1 9"},
		{path: `phoneNumbers[type eq "mobile"].value`, sent: `"+1 2"`, has: func(p *desk.Person) string { return string(p.MobilePhoneNumber) }, want: "+1 2", hand: func(p *desk.Person) { p.MobilePhoneNumber = "+1 8" }, shows: "+1 8"},
		{path: `addresses[type eq "work"].formatted`, sent: `"Way 1"`, has: func(p *desk.Person) string { return string(p.Address) }, want: "Way 1", hand: func(p *desk.Person) { p.Address = "Way 9" }, shows: "Way 9"},
		{path: "locale", sent: `"pt_br"`, has: func(p *desk.Person) string { return p.Language }, want: "pt-BR", hand: func(p *desk.Person) { p.Language = "fr" }, shows: "fr", keeps: true},
		{path: "timezone", sent: `"Asia/Tokyo"`, has: func(p *desk.Person) string { return p.TimeZone }, want: "Tokyo", hand: func(p *desk.Person) { p.TimeZone = "Berlin" }, shows: "Berlin", keeps: true},
		{path: "externalId", sent: `"x-1"`, has: func(p *desk.Person) string { return string(p.ExternalID) }, want: "x-1"},
		{path: e + "department", sent: `"sales"`, has: func(p *desk.Person) string { return fmt.Sprint([]int64(p.DepartmentIDs)) }, want: "[502]", hand: func(p *desk.Person) { p.DepartmentIDs = []int64{501} }, shows: "Finance"},
		{path: e + "manager", sent: `{"value":"9001"}`, has: func(p *desk.Person) string { return jsonID(p.ReportingManagerID) }, want: "9001", hand: func(p *desk.Person) { p.ReportingManagerID = 9003 }, shows: "9003"},
		{path: e + "_location", sent: `"Berlin"`, has: func(p *desk.Person) string { return jsonID(p.LocationID) }, want: "602", hand: func(p *desk.Person) { p.LocationID = 601 }, shows: "Porto"},
		{path: f + "employee_id", sent: `7114`, has: func(p *desk.Person) string { return string(p.CustomFields["employee_id"]) }, want: `"7114"`, hand: func(p *desk.Person) { p.CustomFields["employee_id"] = json.RawMessage(`"8"`) }, shows: "8"},
		{path: f + "floor", sent: `"3"`, has: func(p *desk.Person) string { return string(p.CustomFields["floor"]) }, want: "3", hand: func(p *desk.Person) { p.CustomFields["floor"] = json.RawMessage("4") }, shows: "4"},
		{path: f + "remote", sent: `"Yes"`, has: func(p *desk.Person) string { return string(p.CustomFields["remote"]) }, want: "true", hand: func(p *desk.Person) { p.CustomFields["remote"] = json.RawMessage("false") }, shows: "false"},
		{path: f + "hired_on", sent: `"2024-05-06"`, has: func(p *desk.Person) string { return string(p.CustomFields["hired_on"]) }, want: `"2024-05-06T00:00:00Z"`, hand: func(p *desk.Person) { p.CustomFields["hired_on"] = json.RawMessage(`"2020-01-01T00:00:00Z"`) }, shows: "2020-01-01T00:00:00Z"},
		{path: f + "contract", sent: `"permanent"`, has: func(p *desk.Person) string { return string(p.CustomFields["contract"]) }, want: `"Permanent"`, hand: func(p *desk.Person) { p.CustomFields["contract"] = json.RawMessage(`"Temporary"`) }, shows: "Temporary"},
		{path: f + "background_information", sent: `"Met in Porto"`, has: func(p *desk.Person) string { return string(p.BackgroundInformation) }, want: "Met in Porto", hand: func(p *desk.Person) { p.BackgroundInformation = "Met in Rome" }, shows: "Met in Rome"},
	}
	for _, agent := range []bool{false, true} {
		for _, row := range rows {
			if agent && row.requesters {
				continue
			}
			t.Run(fmt.Sprintf("agent=%v %s", agent, row.path), func(t *testing.T) {
				t.Parallel()
				a := open(t, setup{desk: desk.Options{Seed: company(), AgentNames: true}}).warm()
				id := a.create(fmt.Sprintf(`{"userName":"p@corp.example","name":{"givenName":"P"},"emails":[{"type":"work","value":"p@acme.example"}],"%s":{"isAgent":%v}}`, scim.URNFreshservice, agent)).ID
				n, _ := parse(id)
				put, list := "PUT /requesters/{id}", "requester"
				if agent {
					put, list = "PUT /agents/{id}", "agent"
				}
				path := jsonOf(t, row.path)
				a.desk.ResetCalls()
				a.patch(id, `{"op":"Add","path":`+path+`,"value":`+row.sent+`}`)
				a.wantCalls(put)
				p, _ := a.desk.Person(n)
				if got := row.has(&p); got != row.want || p.IsAgent() != agent {
					t.Errorf("the %s has %q, want %q", list, got, row.want)
				}
				a.wantNotes(id)
				if row.hand != nil {
					if _, err := a.desk.UpdatePerson(t.Context(), n, row.hand); err != nil {
						t.Fatal(err)
					}
					if _, err := a.Refresh(t.Context()); err != nil {
						t.Fatal(err)
					}
					page, err := a.Query(t.Context(), users, scim.Query{StartIndex: 1, Filter: filter(t, row.path, row.shows)})
					if err != nil || page.Total != 1 {
						r, _ := a.Get(t.Context(), users, id, scim.Projection{})
						data, _ := r.JSON()
						t.Errorf("changed in Freshservice, SCIM does not say %s: %v %s", row.shows, err, data)
					}
				}
				if row.keeps {
					return
				}
				a.desk.ResetCalls()
				a.patch(id, `{"op":"Remove","path":`+jsonOf(t, strings.TrimSuffix(strings.TrimSuffix(row.path, ".value"), ".formatted"))+`}`)
				a.wantCalls(put)
				p, _ = a.desk.Person(n)
				if got := row.has(&p); got != "" && got != "0" && got != "[]" && got != "null" {
					t.Errorf("removed, the %s still has %q", list, got)
				}
			})
		}
	}
}

// filter is one that the resource passes when the path has the value.
func filter(t *testing.T, path, value string) scim.Filter {
	t.Helper()
	literal := jsonOf(t, value)
	if value == "true" || value == "false" || strings.Trim(value, "0123456789") == "" && strings.HasSuffix(path, "floor") {
		literal = value
	}
	switch {
	case strings.HasSuffix(path, ".value"), strings.HasSuffix(path, ".formatted"):
		list, _, _ := strings.Cut(path, "[")
		path = list + path[strings.LastIndexByte(path, '.'):]
	case strings.HasSuffix(path, ":manager"):
		path += ".value"
	}
	f, err := scim.ParseFilter(path + " eq " + literal)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What else Freshservice, or what stands before it, may answer.
func TestEveryRefusal(t *testing.T) {
	t.Parallel()
	answer := func(status int, contentType, body string) *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}, "Location": {"https://example.test/login"}}, Body: io.NopCloser(strings.NewReader(body))}
	}
	const js = "application/json"
	for _, c := range []struct {
		name     string
		status   int
		kind     string
		body     string
		want     scim.ErrorType
		on       string
		mentions string
		reported freshservice.CredentialReason
	}{
		{"duplicate, 409", 409, js, `{"description":"Validation failed","errors":[{"field":"primary_email","message":"It should be a unique value","code":"duplicate_value"}]}`, scim.Uniqueness, `emails[type eq "work"].value`, "new@acme.example", ""},
		{"duplicate, 400 by its words", 400, js, `{"description":"Validation failed","errors":[{"field":"email","message":"is already in use","code":"invalid_value"}]}`, scim.Uniqueness, `emails[type eq "work"].value`, "new@acme.example", ""},
		{"conflict", 409, js, `{"code":"inconsistent_state","message":"It is being merged"}`, scim.Uniqueness, "", "being merged", ""},
		{"a whole refusal", 400, js, `{"description":"It is Tuesday"}`, scim.InvalidValue, "", "Tuesday", ""},
		{"key rejected", 401, js, `{"code":"invalid_credentials","message":"You have to be logged in to perform this action."}`, scim.Unavailable, "", "rotate-key", freshservice.KeyRejected},
		{"no right", 403, js, `{"code":"access_denied","message":"You are not authorized to perform this action."}`, scim.Forbidden, "", "Account Admin", ""},
		{"not in the plan", 403, js, `{"code":"require_feature","message":"The feature is not there"}`, scim.Forbidden, "", "plan", ""},
		{"suspended", 403, js, `{"code":"account_suspended","message":"Your account has been suspended."}`, scim.Unavailable, "", "sign in there", freshservice.AccountSuspended},
		{"locked out", 403, js, `{"code":"password_lockout","message":"Too many."}`, scim.Unavailable, "", "password_lockout", freshservice.AccountSuspended},
		{"a proxy's page", 403, "text/html", `<html>Blocked</html>`, scim.BadGateway, "", "check the account's domain", ""},
		{"a login page", 302, "text/html", ``, scim.BadGateway, "", "check the account's domain", ""},
		{"a page in place of the person", 200, "text/html", `<html>`, scim.BadGateway, "", "does not answer as", ""},
		{"a fault", 500, js, `{"code":"internal_error","message":"oops"}`, scim.Unavailable, "", "fault of its own", ""},
		{"a gateway's fault", 502, "text/html", `<html>`, scim.Unavailable, "", "fault of its own", ""},
		{"out of service", 503, js, ``, scim.Unavailable, "", "fault of its own", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := open(t, setup{desk: desk.Options{Seed: company()}, client: freshservice.ClientOptions{MaxTries: 1}}).warm()
			id := a.create(`{"userName":"p@corp.example","name":{"givenName":"P"},"emails":[{"type":"work","value":"p@acme.example"}]}`).ID
			a.intercept = func(r *http.Request) *http.Response {
				if r.Method != http.MethodPut {
					return nil
				}
				return answer(c.status, c.kind, c.body)
			}
			_, err := a.tryPatch(id, `{"op":"Replace","path":"emails[type eq \"work\"].value","value":"new@acme.example"}`)
			wantError(t, err, c.want, c.on, c.mentions)
			if r, err := a.Get(t.Context(), users, id, scim.Projection{}); err != nil || !strings.Contains(jsonOf(t, r.Peek()), "p@acme.example") {
				t.Errorf("what was refused reads back: %v", err)
			}
			a.Settle()
			a.mu.Lock()
			defer a.mu.Unlock()
			var reasons []freshservice.CredentialReason
			for _, err := range a.failures {
				reasons = append(reasons, err.(*freshservice.CredentialError).Reason)
			}
			if c.reported == "" && len(reasons) > 0 || c.reported != "" && (len(reasons) == 0 || reasons[0] != c.reported) {
				t.Errorf("reported %v, want %v", reasons, c.reported)
			}
		})
	}
}

// One externalId that somebody else has does not stop the others from being sent.
func TestTakenExternalID(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	if err := a.desk.SetFaults(desk.Fault{Method: "POST", Kind: "error", Status: 409, Count: 1, Duration: time.Minute.String(),
		Body: json.RawMessage(`{"description":"Validation failed","errors":[{"field":"external_id","message":"It should be a unique value","code":"duplicate_value"}]}`)}); err != nil {
		t.Fatal(err)
	}
	a.create(`{"userName":"a@acme.example","externalId":"x","name":{"givenName":"A"}}`)
	a.create(`{"userName":"b@acme.example","externalId":"y","name":{"givenName":"B"}}`)
	if a.person("a@acme.example").ExternalID != "" || a.person("b@acme.example").ExternalID != "y" {
		t.Error("the externalIds are not what they should be")
	}
}

package desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"lockstep/internal/freshservice/desk"
)

func control(t testing.TB, d http.Handler, method, path, body string) answer {
	t.Helper()
	a := send(t, d, request(method, path, body))
	if a.status != 200 {
		t.Fatalf("%s %s = %d %s", method, path, a.status, a.raw)
	}
	return a
}

func me(t testing.TB, d *desk.Desk, key string) int {
	t.Helper()
	return as(t, d, key, "GET", "/agents/me", "").status
}

func TestKeyReset(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	key := control(t, d, "POST", "/desk/key/reset", "").body["api_key"].(string)
	if key != d.APIKey() || me(t, d, key) != 200 || me(t, d, testKey) != 401 {
		t.Errorf("new key %d, old key %d", me(t, d, key), me(t, d, testKey))
	}
}

func TestStagedOwner(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := open(t, desk.Options{Now: c.Now})
	before := as(t, d, testKey, "GET", "/agents/me", "").object(t, "agent")
	for _, trouble := range []string{"downgrade", "deactivate"} {
		control(t, d, "POST", "/desk/owner/"+trouble, "")
		if got := me(t, d, testKey); got != 401 {
			t.Errorf("%s: %d, want 401", trouble, got)
		}
		control(t, d, "POST", "/desk/owner/restore", "")
		if got := me(t, d, testKey); got != 200 {
			t.Errorf("%s, restored: %d", trouble, got)
		}
	}
	control(t, d, "POST", "/desk/owner/occasional", "")
	if got := me(t, d, testKey); got != 200 {
		t.Errorf("occasional: %d", got)
	}
	c.advance(24 * time.Hour)
	if got := me(t, d, testKey); got != 401 {
		t.Errorf("occasional, a day later: %d", got)
	}
	control(t, d, "POST", "/desk/owner/restore", "")
	control(t, d, "POST", "/desk/owner/demote", "")
	if got := as(t, d, testKey, "GET", "/agents", "").status; me(t, d, testKey) != 200 || got != 403 {
		t.Errorf("demoted: the agents answer %d, want 403", got)
	}
	control(t, d, "POST", "/desk/owner/restore", "")
	after := as(t, d, testKey, "GET", "/agents/me", "").object(t, "agent")
	delete(before, "updated_at")
	delete(after, "updated_at")
	if got, want := path("%v", after), path("%v", before); got != want {
		t.Errorf("restored:\n%s\nwant\n%s", got, want)
	}
	if a := send(t, d, request("POST", "/desk/owner/fire", "")); a.status != 400 {
		t.Errorf("unknown trouble: %d", a.status)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{Plan: desk.Pro})
	want(t, d, 200, "GET", "/agents", "")
	a := control(t, d, "GET", "/desk/stats", "")
	if path("%v %v %v %v", a.body["total"], a.body["plan"], a.body["agents"], a.body["domain"]) != "1 pro 1 acme.freshservice.com" || len(a.list(t, "buckets")) != 3 {
		t.Errorf("stats: %s", a.raw)
	}
	if a := control(t, d, "POST", "/desk/stats/reset", ""); path("%v", a.body["total"]) != "0" {
		t.Errorf("after the reset: %s", a.raw)
	}
}

func TestControlIsForThisMachine(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	for name, change := range map[string]func(*http.Request){
		"another machine":           func(r *http.Request) { r.RemoteAddr = "192.0.2.7:4000" },
		"a name that resolves here": func(r *http.Request) { r.Host = "evil.example:8471" },
		"through a proxy":           func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.7") },
		"another site's page":       func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another origin":            func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
	} {
		r := request("POST", "/desk/key/reset", "")
		change(r)
		if a := send(t, d, r); a.status != 403 {
			t.Errorf("%s: %d, want 403", name, a.status)
		}
	}
	if d.APIKey() != testKey {
		t.Error("the key was reset")
	}
	r := request("POST", "/desk/key/reset", "")
	r.Host, r.RemoteAddr = "[::1]:8471", "[::1]:9000"
	if a := send(t, d, r); a.status != 200 {
		t.Errorf("over IPv6: %d %s", a.status, a.raw)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := open(t, desk.Options{Now: c.Now})
	control(t, d, "POST", "/desk/faults", `{"rules":[
		{"kind":"429","method":"POST","path":"/api/v2/requesters","count":2,"retry_after":7},
		{"kind":"503","path":"/api/v2/agents/*","duration":"30s"},
		{"kind":"500","path":"/api/v2/departments"},
		{"kind":"error","path":"/api/v2/roles","status":418,"body":{"code":"teapot"}},
		{"kind":"latency","path":"/api/v2/groups","latency":"1ms"}]}`)
	for range 2 {
		if a := want(t, d, 429, "POST", "/requesters", `{}`); a.header.Get("Retry-After") != "7" {
			t.Errorf("Retry-After = %q", a.header.Get("Retry-After"))
		}
	}
	want(t, d, 400, "POST", "/requesters", `{}`)
	want(t, d, 200, "GET", "/requesters", "")
	want(t, d, 503, "GET", "/agents/me", "")
	want(t, d, 200, "GET", "/agents", "")
	c.advance(30 * time.Second)
	want(t, d, 200, "GET", "/agents/me", "")
	want(t, d, 500, "GET", "/departments", "")
	if a := want(t, d, 418, "GET", "/roles", ""); a.raw != `{"code":"teapot"}` {
		t.Errorf("body: %s", a.raw)
	}
	want(t, d, 200, "GET", "/groups", "")
	if n := d.Calls().Rejected429; n != 0 {
		t.Errorf("an injected 429 is counted as refused: %d", n)
	}
	control(t, d, "DELETE", "/desk/faults", "")
	want(t, d, 200, "GET", "/departments", "")
	for _, bad := range []string{`{"rules":[{"kind":"fire"}]}`, `{"rules":[{"kind":"500","path":"["}]}`, `{"rules":[{"kind":"500","probability":2}]}`,
		`{"rules":[{"kind":"latency","latency":"long"}]}`, `{"rules":[{"kind":"error"}]}`, `{"rules":[{"knd":"500"}]}`, `[]`,
		`{"rules":[{"kind":"500","count":-1}]}`, `{"rules":[{"kind":"500","duration":"-1s"}]}`} {
		if a := send(t, d, request("POST", "/desk/faults", bad)); a.status != 400 {
			t.Errorf("%s: %d, want 400", bad, a.status)
		}
	}
}

func TestFaultProbabilityFollowsTheSeed(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		d := open(t, desk.Options{})
		if err := d.SetFaults(desk.Fault{Kind: "500", Probability: 0.3, Seed: seed}); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for range 200 {
			b.WriteString(path("%d ", api(t, d, "GET", "/agents/me", "").status))
		}
		return b.String()
	}
	first := run(1)
	if first != run(1) || first == run(2) {
		t.Error("the same seed fails the same calls, another one others")
	}
	if n := strings.Count(first, "500"); n < 30 || n > 90 {
		t.Errorf("%d of 200 failed, want about 60", n)
	}
}

func TestFaultsOfTheConnection(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	s := httptest.NewServer(d)
	defer s.Close()
	post := func(ctx context.Context, email string) error {
		r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/v2/requesters", strings.NewReader(`{"first_name":"A","primary_email":"`+email+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(testKey, "X")
		r.Header.Set("Content-Type", "application/json")
		res, err := s.Client().Do(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		return errors.Join(err, res.Body.Close())
	}
	if err := d.SetFaults(desk.Fault{Kind: "drop-connection", Count: 1}); err != nil {
		t.Fatal(err)
	}
	if err := post(t.Context(), "dropped@acme.example"); err == nil {
		t.Error("dropped: want an error")
	}
	if _, ok := d.PersonByEmail("dropped@acme.example"); ok {
		t.Error("dropped: the person was created")
	}
	if err := d.SetFaults(desk.Fault{Kind: "timeout-after-write", Latency: "1ms", Count: 1}); err != nil {
		t.Fatal(err)
	}
	if err := post(t.Context(), "late@acme.example"); err == nil {
		t.Error("time-out: want an error")
	}
	if _, ok := d.PersonByEmail("late@acme.example"); !ok {
		t.Error("time-out: the person was not created")
	}
	// A client that gives up frees the connection long before the 30 seconds.
	if err := d.SetFaults(desk.Fault{Kind: "timeout-after-write", Count: 1}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- post(ctx, "patient@acme.example") }()
	for {
		if _, ok := d.PersonByEmail("patient@acme.example"); ok {
			break
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the client gave up with %v", err)
	}
}

func TestPeoplePages(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	const evil = `<script>alert("x")</script>`
	boss := add(t, d, desk.Person{FirstName: "Boss", PrimaryEmail: "boss@acme.example"})
	p := add(t, d, desk.Person{FirstName: evil, LastName: `"><img src=x>`, PrimaryEmail: "evil@acme.example", JobTitle: evil, Address: evil, ReportingManagerID: boss.ID})
	for i := range 60 {
		add(t, d, desk.Person{FirstName: path("P%02d", i), PrimaryEmail: path("p%d@acme.example", i)})
	}
	get := func(path string, status int) string {
		t.Helper()
		a := send(t, d, request("GET", path, ""))
		if a.status != status || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Fatalf("%s: %d %s", path, a.status, a.raw)
		}
		if strings.Contains(a.raw, "<script") || strings.Contains(a.raw, "<img") {
			t.Errorf("%s is not escaped", path)
		}
		if strings.Contains(a.raw, "http://") || strings.Contains(a.raw, "https://") {
			t.Errorf("%s refers to another host", path)
		}
		return a.raw
	}
	list := get("/", 200)
	for _, part := range []string{"Account Admin", "Boss", `rel="next"`, `href="/people/` + path("%d", boss.ID), "&lt;script&gt;", `<html lang="en">`, "viewport", `<label for="q">`} {
		if !strings.Contains(list, part) {
			t.Errorf("the list lacks %q", part)
		}
	}
	if second := get("/?page=2", 200); !strings.Contains(second, "P59") || !strings.Contains(second, `rel="prev"`) || strings.Contains(second, `rel="next"`) {
		t.Error("the second page")
	}
	if found := get("/?q="+url.QueryEscape("EVIL@acme"), 200); !strings.Contains(found, "evil@acme.example") || strings.Contains(found, "p1@acme.example") {
		t.Error("the search")
	}
	if agents := get("/?kind=agents", 200); strings.Contains(agents, "evil@acme.example") || !strings.Contains(agents, "Account Admin") {
		t.Error("the agents")
	}
	get("/?q="+url.QueryEscape(evil+"nobody"), 200)
	get("/?page=99", 200)
	person := get(path("/people/%d", p.ID), 200)
	for _, part := range []string{"evil@acme.example", "Boss", "Eastern Time (US &amp; Canada)", "&lt;script&gt;"} {
		if !strings.Contains(person, part) {
			t.Errorf("the person's page lacks %q", part)
		}
	}
	get("/people/5", 404)
	get("/people/x", 404)
	want(t, d, 200, "GET", "/roles", "")
	if calls := get("/calls", 200); !strings.Contains(calls, "GET /roles") || !strings.Contains(calls, "list requesters") {
		t.Error("the calls")
	}
	if a := send(t, d, request("GET", "/desk.css", "")); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/css") {
		t.Errorf("the style sheet: %d %s", a.status, a.header.Get("Content-Type"))
	}
	r := request("GET", "/", "")
	r.RemoteAddr = "192.0.2.7:4000"
	if a := send(t, d, r); a.status != 401 || strings.Contains(a.raw, "acme.example") {
		t.Errorf("from another machine: %d", a.status)
	}
	r.SetBasicAuth(testKey, "X")
	if a := send(t, d, r); a.status != 200 {
		t.Errorf("from another machine, signed in: %d", a.status)
	}
	if a := send(t, d, request("GET", "/nothing", "")); a.status != 404 {
		t.Errorf("an unknown page: %d", a.status)
	}
}

func TestDumpRoundTrips(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := open(t, desk.Options{Now: c.Now})
	fillAccount(t, d)
	first := control(t, d, "GET", "/desk/dump", "").raw
	if strings.Contains(first, testKey) {
		t.Error("the dump holds the API key")
	}
	seed, err := desk.ReadSeed(strings.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, desk.Options{Now: c.Now, Seed: seed})
	var b strings.Builder
	if err := again.Dump(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != first {
		t.Errorf("dumped again:\n%s\nwant\n%s", b.String(), first)
	}
	if !json.Valid([]byte(first)) {
		t.Error("the dump is not JSON")
	}
	for _, p := range []string{"/requesters", "/agents", "/departments", "/locations", "/groups", "/requester_groups", "/roles", "/requester_fields"} {
		if got, want := want(t, again, 200, "GET", p, "").raw, want(t, d, 200, "GET", p, "").raw; got != want {
			t.Errorf("%s:\n%s\nwant\n%s", p, got, want)
		}
	}
}

// fillAccount makes an account with something of everything, and with traces
// of what is gone.
func fillAccount(t testing.TB, d *desk.Desk) {
	t.Helper()
	if _, err := d.AddField(t.Context(), desk.Field{Name: "badge", Label: "Badge", Type: "custom_number"}); err != nil {
		t.Fatal(err)
	}
	sales := want(t, d, 201, "POST", "/departments", `{"name":"Sales","domains":["acme.example"]}`).id(t)
	old := want(t, d, 201, "POST", "/departments", `{"name":"Old"}`).id(t)
	de := want(t, d, 201, "POST", "/locations", `{"name":"Germany"}`).id(t)
	hq := want(t, d, 201, "POST", "/locations", path(`{"name":"HQ","parent_location_id":%d,"address":{"city":"Berlin"}}`, de)).id(t)
	boss := add(t, d, desk.Person{FirstName: "Boss", PrimaryEmail: "boss@acme.example"})
	ann := want(t, d, 201, "POST", "/requesters", path(`{"first_name":"Ann","primary_email":"ann@acme.example","secondary_emails":["a@acme.example"],
		"department_ids":[%d,%d],"location_id":%d,"reporting_manager_id":%d,"custom_fields":{"badge":7},"external_id":"x-1"}`, sales, old, hq, boss.ID)).id(t)
	gone := add(t, d, desk.Person{FirstName: "Gone", PrimaryEmail: "gone@acme.example", ReportingManagerID: boss.ID})
	want(t, d, 204, "DELETE", path("/requesters/%d", gone.ID), "")
	lost := add(t, d, desk.Person{FirstName: "Lost", PrimaryEmail: "lost@acme.example"})
	want(t, d, 201, "POST", "/requesters", path(`{"first_name":"Orphan","work_phone_number":"1","reporting_manager_id":%d}`, lost.ID))
	want(t, d, 204, "DELETE", path("/requesters/%d/forget", lost.ID), "")
	want(t, d, 204, "DELETE", path("/departments/%d", old), "")
	agent := addAgent(t, d, desk.Person{FirstName: "Bea", PrimaryEmail: "bea@acme.example"})
	want(t, d, 201, "POST", "/groups", path(`{"name":"Net","members":[%d],"observers":[%d]}`, agent.ID, agent.ID))
	g := want(t, d, 201, "POST", "/requester_groups", `{"name":"Readers"}`).id(t)
	want(t, d, 200, "POST", path("/requester_groups/%d/members/%d", g, ann), "")
	want(t, d, 200, "PUT", path("/departments/%d", sales), path(`{"head_user_id":%d}`, agent.ID))
}

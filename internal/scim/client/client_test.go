package client

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/provision"
	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/scim/service"
	"lockstep/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files anew")

const testToken = "s3cr3t-t0ken-value"

// oneAccount has one account, for testToken.
type oneAccount struct{ account *service.Account }

func (a oneAccount) ByToken(_ context.Context, token string) (*service.Account, error) {
	if token != testToken {
		return nil, scim.Errorf(scim.Unauthenticated, "the token is not known")
	}
	return a.account, nil
}

// provider starts a service provider that keeps everything in memory.
func provider(t testing.TB, limits service.Limits) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(service.New(service.Options{Accounts: oneAccount{&service.Account{
		ID: "acme", Directory: scimtest.NewDirectory(), Users: scim.UserType(), Groups: scim.GroupType(), Limits: limits,
	}}}))
	t.Cleanup(s.Close)
	return s
}

func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	if o.Token.IsZero() {
		o.Token = secret.NewText(testToken)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// A recorder writes down what is sent.
type recorder struct {
	mu   sync.Mutex
	log  bytes.Buffer
	next http.RoundTripper
}

var serverIDs = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	uri := serverIDs.ReplaceAllString(req.URL.RequestURI(), "<uuid>")
	fmt.Fprintf(&r.log, "> %s %s\n", req.Method, uri)
	if req.Header.Get("Authorization") != "Bearer "+testToken {
		fmt.Fprintf(&r.log, "> Authorization: %s\n", req.Header.Get("Authorization"))
	}
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(b))
		fmt.Fprintf(&r.log, "> Content-Type: %s\n%s\n", req.Header.Get("Content-Type"), indent(b))
	}
	resp, err := r.next.RoundTrip(req)
	if err == nil {
		fmt.Fprintf(&r.log, "< %d\n\n", resp.StatusCode)
	}
	return resp, err
}

func indent(b []byte) string {
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return string(b)
	}
	return out.String()
}

func user(name string, pairs ...scim.Value) *scim.Resource {
	o := scim.NewObject("schemas", []scim.Value{scim.URNUser}, "userName", name, "active", true)
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return scim.NewResource(scim.UserType(), o)
}

func mustParse(t testing.TB, path string) scim.Path {
	t.Helper()
	p, err := scim.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTranscripts runs the same journey in each dialect, against our own service
// provider, and compares what is sent with the golden files: that of RFC 7644
// and the two of Entra's documentation. What is read back must be the same.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, query string
		dialect     provision.Dialect
	}{
		{"strict", "", provision.Strict},
		{"legacy", "", provision.Legacy},
		{"aadoptscim062020", "?aadOptscim062020", provision.Strict}, // the URL says it
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := provider(t, service.Limits{})
			rec := &recorder{next: s.Client().Transport}
			c := newClient(t, Options{BaseURL: s.URL + "/scim/v2/" + tt.query, Dialect: tt.dialect, HTTP: &http.Client{Transport: rec}, MembersPerRequest: 2})
			journey(t, c)
			golden(t, filepath.Join("testdata", tt.name+".txt"), rec.log.String())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// journey does with a target all that the engine does.
func journey(t *testing.T, c *Client) {
	t.Helper()
	ctx := t.Context()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	caps, err := c.Describe(ctx)
	ok(err)
	if !caps.Patch || !caps.Groups || caps.PageSize != 100 {
		t.Errorf("capabilities: %+v", caps)
	}
	users, groups := c.Types()

	found, err := c.Find(ctx, users, mustParse(t, "userName"), `o'neil+"x"@acme.example`)
	ok(err)
	if len(found) != 0 {
		t.Fatalf("found %d before anyone was created", len(found))
	}
	boss, err := c.Create(ctx, user("boss@acme.example", "emails", []scim.Value{scim.NewObject("type", "work", "value", "boss@acme.example", "primary", true)}))
	ok(err)
	ines, err := c.Create(ctx, user("ines@acme.example", "title", "Analyst",
		"emails", []scim.Value{scim.NewObject("type", "work", "value", "ines@acme.example", "primary", true)},
		scim.URNEnterprise, scim.NewObject("department", "Finance", "manager", scim.NewObject("value", boss.ID))))
	ok(err)
	if got := ines.Peek().Child(scim.URNEnterprise).Child("manager").Text("value"); got != boss.ID {
		t.Errorf("the created user's manager is %q, want %q", got, boss.ID)
	}
	for _, by := range []struct{ path, value string }{{"userName", "INES@acme.example"}, {`emails[type eq "work"].value`, "ines@acme.example"}} {
		found, err = c.Find(ctx, users, mustParse(t, by.path), by.value)
		ok(err)
		if len(found) != 1 || found[0].ID != ines.ID {
			t.Errorf("by %s: found %d", by.path, len(found))
		}
	}
	ok(c.Update(ctx, users, ines.ID, provision.Delta{
		{Path: `emails[type eq "work"].value`, Old: "ines@acme.example", New: "ines.d@acme.example"},
		{Path: `phoneNumbers[type eq "mobile"].value`, New: "+351 91 555 0102"},
		{Path: "title", Old: "Analyst", New: "Senior Analyst"},
		{Path: "name.givenName", New: "Inês"},
		{Path: scim.URNEnterprise + ":department", Old: "Finance", New: "Treasury"},
		{Path: scim.URNEnterprise + ":manager", Old: boss.ID, New: boss.ID},
		{Path: "active", Old: true, New: false},
	}))
	ok(c.Update(ctx, users, ines.ID, nil))
	got, err := c.Get(ctx, users, ines.ID)
	ok(err)
	o := got.Peek()
	if o.Text("title") != "Senior Analyst" || o.Child("name").Text("givenName") != "Inês" || o.Child(scim.URNEnterprise).Text("department") != "Treasury" {
		t.Errorf("after the update: %s", must(got.JSON()))
	}
	if active, _ := o.Get("active"); active != false {
		t.Errorf("active is %v", active)
	}

	group, err := c.Create(ctx, scim.NewResource(groups, scim.NewObject("schemas", []scim.Value{scim.URNGroup}, "displayName", "Finance", "externalId", "g-1",
		"members", []scim.Value{scim.NewObject("value", boss.ID)})))
	ok(err)
	ok(c.EditMembers(ctx, group.ID, []string{ines.ID}, []string{boss.ID}))
	ok(c.Update(ctx, groups, group.ID, provision.Delta{{Path: "displayName", Old: "Finance", New: "Finance Europe"}}))
	found, err = c.Find(ctx, groups, mustParse(t, "displayName"), "Finance Europe")
	ok(err)
	if len(found) != 1 || found[0].Peek().Text("externalId") != "g-1" {
		t.Errorf("found %d groups", len(found))
	}
	if _, has := found[0].Peek().Get("members"); has {
		t.Error("a group came with its members")
	}
	whole, err := c.send(ctx, &call{method: http.MethodGet, path: "/Groups", id: group.ID})
	ok(err)
	wholeGroup, err := scim.ParseObject(whole.body)
	ok(err)
	var members []string
	for _, m := range wholeGroup.Elements("members") {
		members = append(members, m.(*scim.Object).Text("value"))
	}
	if d := cmp.Diff([]string{ines.ID}, members); d != "" {
		t.Errorf("members (-want +got):\n%s", d)
	}

	var listed []string
	for r, err := range c.List(ctx, users) {
		ok(err)
		listed = append(listed, r.Peek().Text("userName"))
	}
	slices.Sort(listed)
	if d := cmp.Diff([]string{"boss@acme.example", "ines@acme.example"}, listed); d != "" {
		t.Errorf("listed (-want +got):\n%s", d)
	}
	ok(c.Delete(ctx, groups, group.ID))
	ok(c.Delete(ctx, users, ines.ID))
	_, err = c.Get(ctx, users, ines.ID)
	if !scim.IsType(err, scim.NotFound) {
		t.Errorf("after the deletion: %v", err)
	}
	if err := c.Delete(ctx, users, ines.ID); !scim.IsType(err, scim.NotFound) {
		t.Errorf("deleting again: %v", err)
	}
	_, err = c.Create(ctx, user("BOSS@acme.example"))
	if !scim.IsType(err, scim.Uniqueness) {
		t.Errorf("creating a second boss: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestListPages(t *testing.T) {
	t.Parallel()
	s := provider(t, service.Limits{MaxPage: 7})
	c := newClient(t, Options{BaseURL: s.URL + "/scim/v2"})
	users, _ := c.Types()
	const n = 50
	for i := range n {
		if _, err := c.Create(t.Context(), user(fmt.Sprintf("p%d@acme.example", i))); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int {
		seen := map[string]bool{}
		for r, err := range c.List(t.Context(), users) {
			if err != nil {
				t.Fatal(err)
			}
			if seen[r.ID] {
				t.Errorf("%s was listed twice", r.ID)
			}
			seen[r.ID] = true
		}
		return len(seen)
	}
	if got := count(); got != n {
		t.Errorf("before Describe: listed %d of %d", got, n)
	}
	caps, err := c.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if caps.PageSize != 7 {
		t.Errorf("page size %d, want the server's 7", caps.PageSize)
	}
	if got := count(); got != n {
		t.Errorf("after Describe: listed %d of %d", got, n)
	}
	before := c.Stats().Requests
	for range c.List(t.Context(), users) {
		break
	}
	if got := c.Stats().Requests - before; got != 1 {
		t.Errorf("%d requests for the first of a listing", got)
	}
}

func TestManyMembersInBoundedRequests(t *testing.T) {
	t.Parallel()
	for _, dialect := range []provision.Dialect{provision.Strict, provision.Legacy, provision.AADOptSCIM062020} {
		s := provider(t, service.Limits{MaxMembers: 100, MaxOperations: 100})
		c := newClient(t, Options{BaseURL: s.URL + "/scim/v2", Dialect: dialect})
		_, groups := c.Types()
		var ids []string
		for i := range 250 {
			u, err := c.Create(t.Context(), user(fmt.Sprintf("p%d@acme.example", i)))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, u.ID)
		}
		g, err := c.Create(t.Context(), scim.NewResource(groups, scim.NewObject("displayName", "All")))
		if err != nil {
			t.Fatal(err)
		}
		size := func() int {
			a, err := c.send(t.Context(), &call{method: http.MethodGet, path: "/Groups", id: g.ID})
			if err != nil {
				t.Fatal(err)
			}
			o, err := scim.ParseObject(a.body)
			if err != nil {
				t.Fatal(err)
			}
			return len(o.Elements("members"))
		}
		if err := c.EditMembers(t.Context(), g.ID, ids, nil); err != nil {
			t.Fatalf("%v: %v", dialect, err)
		}
		if got := size(); got != len(ids) {
			t.Errorf("%v: %d members after adding %d", dialect, got, len(ids))
		}
		if err := c.EditMembers(t.Context(), g.ID, nil, ids[:240]); err != nil {
			t.Fatalf("%v: %v", dialect, err)
		}
		if got := size(); got != 10 {
			t.Errorf("%v: %d members after removing, want 10", dialect, got)
		}
		if n := c.chunk.Load(); n > 100 {
			t.Errorf("%v: still sends %d members at once", dialect, n)
		}
	}
}

func TestDescribeExtendsTypes(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ServiceProviderConfig":
			io.WriteString(w, `{"patch":{"supported":false},"bulk":{"supported":true,"maxOperations":"500"},"filter":{"supported":true,"maxResults":50}}`)
		case "/Schemas":
			io.WriteString(w, `{"totalResults":1,"Resources":[{"id":"urn:acme:extension:badge:2.0:User","name":"Badge","attributes":[
				{"name":"number","type":"integer"},{"name":"door","type":"complex","multiValued":true,"subAttributes":[{"name":"value","type":"string","caseExact":true}]}]}]}`)
		case "/Users":
			io.WriteString(w, `{"totalResults":0}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	c := newClient(t, Options{BaseURL: s.URL})
	for range 2 {
		caps, err := c.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := provision.Capabilities{Patch: false, BulkOperations: 500, PageSize: 50, Groups: false}
		if caps != want {
			t.Errorf("capabilities %+v, want %+v", caps, want)
		}
	}
	if got := c.Stats().Requests; got != 5 {
		t.Errorf("%d requests for two descriptions, want 5: what the endpoint says of itself is read once", got)
	}
	users, _ := c.Types()
	x := users.Extension("urn:acme:extension:badge:2.0:User")
	if x == nil || !x.Open || x.Schema.Attribute("number").Type != scim.TypeInteger || !x.Schema.Attribute("door").Sub("value").CaseExact {
		t.Errorf("the endpoint's extension is not among the types: %+v", x)
	}
}

// Where the endpoint has no PATCH, the resource is read, changed and written.
func TestUpdateWithoutPatch(t *testing.T) {
	t.Parallel()
	var put string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/ServiceProviderConfig":
			io.WriteString(w, `{"patch":{"supported":false}}`)
		case r.URL.Path == "/Users/7" && r.Method == http.MethodGet:
			io.WriteString(w, `{"id":"7","userName":"a","title":"Old","nickName":"kept","meta":{"version":"W/\"1\""}}`)
		case r.URL.Path == "/Users/7" && r.Method == http.MethodPut:
			b, _ := io.ReadAll(r.Body)
			put = string(b)
			io.WriteString(w, `{}`)
		case r.URL.Path == "/Users", r.URL.Path == "/Groups":
			io.WriteString(w, `{"totalResults":0}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	c := newClient(t, Options{BaseURL: s.URL})
	if _, err := c.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	users, _ := c.Types()
	if err := c.Update(t.Context(), users, "7", provision.Delta{{Path: "title", Old: "Old", New: "New"}}); err != nil {
		t.Fatal(err)
	}
	if want := `{"userName":"a","title":"New","nickName":"kept","id":"7"}`; put != want {
		t.Errorf("put %s, want %s", put, want)
	}
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, users, err string }{
		{in: "https://acme.example/scim/v2", users: "https://acme.example/scim/v2/Users"},
		{in: " https://acme.example/scim/v2/ ", users: "https://acme.example/scim/v2/Users"},
		{in: "https://acme.example", users: "https://acme.example/Users"},
		{in: "https://acme.example/a%2Fb/?aadOptscim062020", users: "https://acme.example/a%2Fb/Users?aadOptscim062020"},
		{in: "https://acme.example/scim?x=1&y", users: "https://acme.example/scim/Users?x=1&y"},
		{in: "", err: "missing"},
		{in: "acme.example/scim", err: "must begin with https://"},
		{in: "ftp://acme.example", err: "must begin with https://"},
		{in: "https://user:pass@acme.example", err: "user name"},
		{in: "https://acme.example/scim/Users", err: "/Users"},
		{in: "https://acme.example/%zz?token=hidden", err: "cannot be read"},
	} {
		c, err := New(Options{BaseURL: tt.in})
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "pass@") {
				t.Errorf("New(%q): %v, want an error with %q", tt.in, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("New(%q): %v", tt.in, err)
			continue
		}
		if got := c.url(&call{path: "/Users"}); got != tt.users {
			t.Errorf("New(%q) asks %q, want %q", tt.in, got, tt.users)
		}
	}
	c := newClient(t, Options{BaseURL: "https://acme.example/?AADOPTSCIM062020=true", Dialect: provision.Legacy})
	if c.Dialect() != provision.AADOptSCIM062020 {
		t.Errorf("the flag in the URL gives %v", c.Dialect())
	}
	if got := c.url(&call{path: "/Users", id: "a/b ?"}); got != "https://acme.example/Users/a%2Fb%20%3F?AADOPTSCIM062020=true" {
		t.Errorf("an id is not escaped: %s", got)
	}
}

func BenchmarkCreate(b *testing.B) {
	s := provider(b, service.Limits{})
	c := newClient(b, Options{BaseURL: s.URL + "/scim/v2"})
	b.SetParallelism(16)
	var n sync.Mutex
	i := 0
	start := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n.Lock()
			i++
			name := fmt.Sprintf("p%d@acme.example", i)
			n.Unlock()
			if _, err := c.Create(b.Context(), user(name)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "users/s")
}

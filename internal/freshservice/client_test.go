package freshservice_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/freshservice"
)

func fixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// serve returns a client of a server that is h.
func serve(t testing.TB, h http.HandlerFunc, o freshservice.ClientOptions) *freshservice.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	o.BaseURL, o.APIKey = s.URL, "secret-key"
	if o.RetryDelay == 0 {
		o.RetryDelay = time.Microsecond
	}
	c, err := freshservice.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func always(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestDomain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want, refusal string }{
		{"acme", "acme.freshservice.com", ""},
		{" acme.freshservice.com/ ", "acme.freshservice.com", ""},
		{"https://acme-fs-sandbox.freshservice.com/a/dashboard", "acme-fs-sandbox.freshservice.com", ""},
		{"http://127.0.0.1:8471", "127.0.0.1:8471", ""},
		{"http://localhost:8471/api/v2", "localhost:8471", ""},
		{"http://acme.freshservice.com", "", "unencrypted"},
		{"http://127.0.0.1.evil.example", "", "unencrypted"},
		{"ftp://acme.freshservice.com", "", "https"},
		{"https://key@acme.freshservice.com", "", "must not contain"},
		{"", "", "empty"},
		{"a cme", "", "no Freshservice domain"},
	} {
		client, err := freshservice.NewClient(freshservice.ClientOptions{Domain: c.in, APIKey: "k"})
		switch {
		case c.refusal != "":
			if err == nil || !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("%q: error %v, want one with %q", c.in, err, c.refusal)
			}
		case err != nil:
			t.Errorf("%q: %v", c.in, err)
		case client.Domain() != c.want:
			t.Errorf("%q is %q, want %q", c.in, client.Domain(), c.want)
		}
	}
	if _, err := freshservice.NewClient(freshservice.ClientOptions{Domain: "acme"}); err == nil {
		t.Error("accepted without a key")
	}
}

func TestDecodesDocumentedBodies(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if user, _, ok := r.BasicAuth(); !ok || user != "secret-key" {
			t.Errorf("authorization of %s", r.URL)
		}
		switch r.URL.Path {
		case "/api/v2/requesters/21000049726":
			io.WriteString(w, fixture(t, "requester.json"))
		case "/api/v2/agents/me":
			io.WriteString(w, fixture(t, "agent.json"))
		case "/api/v2/requester_fields":
			io.WriteString(w, fixture(t, "requester_fields.json"))
		case "/api/v2/departments": // a single under its plural name
			io.WriteString(w, `{"departments":[{"id":5,"name":"Sales","new_member":{"x":1}}]}`)
		}
	}, freshservice.ClientOptions{})
	ctx := t.Context()
	p, err := c.Person(ctx, freshservice.Requester, 21000049726)
	if err != nil {
		t.Fatal(err)
	}
	want := &freshservice.Person{
		Kind: freshservice.Requester, ID: 21000049726, FirstName: "Ines", Email: "ines@acme.example", SecondaryEmails: []string{"i.duarte@acme.example"},
		WorkPhoneNumber: "63917000", MobilePhoneNumber: "800-555-9999", DepartmentIDs: []int64{21000049001}, SeesDepartmentTickets: true,
		ReportingManagerID: 21000049700, TimeZone: "Eastern Time (US & Canada)", Language: "en", Active: true,
		ExternalID:   "3f0c2c2e-6f0c-4d5e-9d43-1d6c0a1f0b77",
		CustomFields: map[string]any{"employee_id": "7114", "office_signed_in_1185347412": nil},
		CreatedAt:    time.Date(2022, 7, 18, 18, 30, 1, 0, time.UTC), UpdatedAt: time.Date(2022, 7, 18, 18, 57, 52, 0, time.UTC),
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("requester (-want +got):\n%s", d)
	}
	// What the mirror keeps is the same person.
	data, err := json.Marshal(p)
	var again freshservice.Person
	if err == nil {
		err = json.Unmarshal(data, &again)
	}
	if d := cmp.Diff(p, &again); err != nil || d != "" {
		t.Errorf("kept and read again (-want +got): %v\n%s", err, d)
	}
	me, err := c.Me(ctx)
	if err != nil || me.Email != "andrea@acme.example" || me.Kind != freshservice.Agent || len(me.Roles) != 1 || me.Roles[0].AssignmentScope != "entire_helpdesk" || me.APIKeyEnabled != nil {
		t.Errorf("agent %+v, %v", me, err)
	}
	fields, err := c.Fields(ctx, freshservice.Requester)
	wantFields := []freshservice.Field{
		{Name: "first_name", Label: "First Name", Type: "default_first_name", Required: true},
		{Name: "language", Label: "Language", Type: "default_language", Choices: []string{"en", "ja-JP", "zh-TW"}},
		{Name: "contract", Label: "Contract", Type: "custom_dropdown", Required: true, Choices: []string{"Permanent", "Temporary"}},
		{Name: "remote", Label: "Remote", Type: "custom_checkbox"},
	}
	if d := cmp.Diff(wantFields, fields); err != nil || d != "" {
		t.Errorf("fields: %v\n%s", err, d)
	}
	if d, err := c.CreateDepartment(ctx, "Sales"); err != nil || d.ID != 5 {
		t.Errorf("department %+v, %v", d, err)
	}
}

func TestErrorsOfBothShapes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   freshservice.APIError
	}{
		{400, `{"description":"Validation failed","errors":[{"field":"primary_email","message":"It should be a unique value","code":"duplicate_value","additional_info":{"user_id":21000049726}}]}`,
			freshservice.APIError{Description: "Validation failed", Fields: []freshservice.FieldError{{Field: "primary_email", Message: "It should be a unique value", Code: "duplicate_value", UserID: 21000049726}}}},
		{403, `{"code":"access_denied","message":"You are not authorized to perform this action."}`,
			freshservice.APIError{Code: "access_denied", Description: "You are not authorized to perform this action."}},
		{404, " ", freshservice.APIError{}},
		{404, "", freshservice.APIError{}},
		{405, `{"message":"GET method is not allowed. It should be one of these method(s): PUT"}`, freshservice.APIError{Description: "GET method is not allowed. It should be one of these method(s): PUT"}},
		{400, `<html>Bad</html>`, freshservice.APIError{NotAPI: true, Description: "the answer is not JSON but application/json"}},
		{400, `{"description":"Validation failed","errors":[{"field":null,"message":["odd"],"code":7}]}`, freshservice.APIError{Description: "Validation failed", Fields: []freshservice.FieldError{{Code: "7"}}}},
	} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "req-1")
			always(c.status, c.body)(w, r)
		}, freshservice.ClientOptions{})
		_, err := client.Update(t.Context(), freshservice.Requester, 7, freshservice.Fields{"first_name": "A"})
		var got *freshservice.APIError
		if !errors.As(err, &got) {
			t.Fatalf("%d %s: %v", c.status, c.body, err)
		}
		c.want.Status, c.want.Method, c.want.Route, c.want.RequestID = c.status, "PUT", "/requesters/{id}", "req-1"
		if d := cmp.Diff(&c.want, got); d != "" {
			t.Errorf("%d %s (-want +got):\n%s", c.status, c.body, d)
		}
		if s := err.Error(); strings.Contains(s, "secret-key") || !strings.Contains(s, strconv.Itoa(c.status)) {
			t.Errorf("message %q", s)
		}
	}
	client := serve(t, always(200, "<html>maintenance</html>"), freshservice.ClientOptions{})
	if _, err := client.Me(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be understood") {
		t.Errorf("HTML with status 200 gives %v", err)
	}
}

func TestPagesFollowTheLinkHeader(t *testing.T) {
	t.Parallel()
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		if page < 3 {
			// Where it points is not followed: only that there is a next page counts.
			w.Header().Set("Link", `<https://elsewhere.example/api/v2/agents?page=`+strconv.Itoa(page+1)+`>; rel="next"`)
		}
		fmt.Fprintf(w, `{"agents":[{"id":%d},{"id":%d}]}`, page*10, page*10+1)
	}, freshservice.ClientOptions{})
	var ids []int64
	for p, err := range c.People(t.Context(), freshservice.Agent, url.Values{"active": {"true"}}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, p.ID)
	}
	if d := cmp.Diff([]int64{10, 11, 20, 21, 30, 31}, ids); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"active=true&page=1&per_page=100", "active=true&page=2&per_page=100", "active=true&page=3&per_page=100"}, asked); d != "" {
		t.Error(d)
	}
	// A query has no Link header and ends with an empty page.
	asked = nil
	q := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("query"))
		if r.URL.Query().Get("page") == "3" {
			io.WriteString(w, `{"requesters":[]}`)
			return
		}
		io.WriteString(w, `{"requesters":[{"id":1}]}`)
	}, freshservice.ClientOptions{})
	n := 0
	for _, err := range q.Search(t.Context(), freshservice.Requester, "last_name:'Duarte'") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 2 || len(asked) != 3 || asked[0] != `"last_name:'Duarte'"` {
		t.Errorf("%d people by %q", n, asked)
	}
}

func TestRepeatsOnlyWhatIsSafe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		call func(ctx context.Context, c *freshservice.Client) error
		want int32
	}{
		{"read", func(ctx context.Context, c *freshservice.Client) error { _, err := c.Me(ctx); return err }, 3},
		{"update", func(ctx context.Context, c *freshservice.Client) error {
			_, err := c.Update(ctx, freshservice.Agent, 1, nil)
			return err
		}, 3},
		{"deactivate", func(ctx context.Context, c *freshservice.Client) error {
			return c.Deactivate(ctx, freshservice.Agent, 1)
		}, 3},
		{"create a group", func(ctx context.Context, c *freshservice.Client) error {
			_, err := c.CreateGroup(ctx, freshservice.AgentGroup, nil)
			return err
		}, 1},
		// The look-up fails as well: nothing is known, nothing is sent again.
		{"create a person", func(ctx context.Context, c *freshservice.Client) error {
			_, _, err := c.Create(ctx, freshservice.Agent, freshservice.Fields{"email": "a@b.example"})
			return err
		}, 1 + 3},
	} {
		var n atomic.Int32
		client := serve(t, func(w http.ResponseWriter, r *http.Request) { n.Add(1); w.WriteHeader(502) }, freshservice.ClientOptions{MaxTries: 3})
		if err := c.call(t.Context(), client); err == nil {
			t.Errorf("%s: no error", c.name)
		}
		if n.Load() != c.want {
			t.Errorf("%s was sent %d times, want %d", c.name, n.Load(), c.want)
		}
	}
}

func FuzzError(f *testing.F) {
	f.Add(400, `{"description":"Validation failed","errors":[{"field":"a","message":"b","code":"c"}]}`)
	f.Add(403, `{"code":"access_denied","message":"no"}`)
	f.Add(404, " ")
	f.Add(200, `{"agent":[]}`)
	f.Add(200, `{"agent":{"id":"7","active":null,"roles":null,"custom_fields":null}}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 || status == 429 || status == 204 || status == 304 {
			return
		}
		c, err := freshservice.NewClient(freshservice.ClientOptions{Domain: "acme", APIKey: "secret-key", MaxTries: 1, HTTP: &http.Client{Transport: inProcess{always(status, body)}}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.Me(t.Context())
		if (p == nil) == (err == nil) {
			t.Errorf("%v with error %v", p, err)
		}
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}

package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/scim/service"
)

func (f accountsFunc) ByToken(_ context.Context, token string) (*service.Account, error) {
	return f(token)
}

// account returns an account over d with the default types.
func account(d scim.Directory) *service.Account {
	return &service.Account{ID: "acme", Name: "Acme", Directory: d, Users: scimtest.UserType, Groups: scimtest.GroupType}
}

// send sends a request with the account's token.
func send(t *testing.T, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, rd)
	r.Header.Set("Authorization", "Bearer s3cret")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

type errorBody struct {
	Schemas  []string
	Status   string
	ScimType string
	Detail   string
}

func wantError(t *testing.T, w *httptest.ResponseRecorder, status int, scimType string, detail ...string) {
	t.Helper()
	e := decode[errorBody](t, w)
	if w.Code != status || e.Status != fmt.Sprint(status) || e.ScimType != scimType {
		t.Errorf("got %d %+v, want %d %s", w.Code, e, status, scimType)
	}
	if diff := cmp.Diff([]string{scim.URNError}, e.Schemas); diff != "" {
		t.Errorf("schemas: %s", diff)
	}
	for _, part := range detail {
		if !strings.Contains(e.Detail, part) {
			t.Errorf("detail %q does not say %q", e.Detail, part)
		}
	}
}

func createUser(t *testing.T, h http.Handler, name string) string {
	t.Helper()
	w := send(t, h, "POST", "/scim/v2/Users", `{"schemas":["`+scim.URNUser+`"],"userName":"`+name+`"}`)
	if w.Code != 201 {
		t.Fatalf("creating %s: %d %s", name, w.Code, w.Body)
	}
	return decode[struct{ ID string }](t, w).ID
}

func patchOf(ops string) string {
	return `{"schemas":["` + scim.URNPatchOp + `"],"Operations":[` + ops + `]}`
}

// A faulty Directory answers everything in its own way.
type faulty struct {
	scim.Directory
	err func() error
}

func (f faulty) Query(ctx context.Context, _ *scim.ResourceType, _ scim.Query) (*scim.Page, error) {
	return nil, f.err()
}

func (f faulty) Delete(context.Context, *scim.ResourceType, string, scim.Precondition) error {
	return f.err()
}

func TestFaultyDirectory(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    func() error
		status int
		detail string
		log    string
	}{
		{"plain", func() error { return errors.New("disk I/O error on /var/db") }, 500, "request id trace-9", "disk I/O error"},
		{"wrapped", func() error { return fmt.Errorf("store: %w", scim.Errorf(scim.Forbidden, "read-only account")) }, 403, "read-only account", ""},
		{"panic", func() error { panic("boom") }, 500, "request id trace-9", "boom"},
		{"deadline", func() error { return fmt.Errorf("query: %w", context.DeadlineExceeded) }, 503, "took too long", "deadline"},
		{"bad gateway", func() error {
			return &scim.Error{Type: scim.BadGateway, Detail: "Freshservice broke its contract", Err: errors.New("unexpected content")}
		}, 502, "Freshservice", "unexpected content"},
		{"unknown outcome", func() error { return scim.Errorf(scim.GatewayTimeout, "nobody knows") }, 504, "nobody knows", ""},
		{"internal", func() error {
			return &scim.Error{Type: scim.Internal, Detail: "secret cause", Err: errors.New("deep cause")}
		}, 500, "request id trace-9", "deep cause"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var book logBook
			h := service.New(service.Options{Accounts: oneAccount(account(faulty{err: tt.err})), Log: book.logger()})
			w := send(t, h, "GET", "/scim/v2/Users", "", "X-Request-Id", "trace-9")
			wantError(t, w, tt.status, "", tt.detail)
			if tt.status == 500 && strings.Contains(w.Body.String(), "cause") {
				t.Errorf("the client was told: %s", w.Body)
			}
			if tt.log != "" && !strings.Contains(book.text(), tt.log) {
				t.Errorf("the log lacks %q: %s", tt.log, book.text())
			}
			if w := send(t, h, "GET", "/scim/v2/ResourceTypes", ""); w.Code != 200 {
				t.Errorf("the service did not recover: %d", w.Code)
			}
		})
	}
}

func TestClientGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var seen service.Exchange
	var book logBook
	d := faulty{err: func() error {
		cancel()
		return fmt.Errorf("query: %w", ctx.Err())
	}}
	h := service.New(service.Options{Accounts: oneAccount(account(d)), Log: book.logger(), Observe: func(x service.Exchange) { seen = x }})
	r := httptest.NewRequestWithContext(ctx, "GET", "/scim/v2/Users", nil)
	r.Header.Set("Authorization", "Bearer s3cret")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Body.Len() > 0 || seen.Status != 499 || book.last(t)["level"] != "INFO" {
		t.Errorf("status %d, body %q, log %v", seen.Status, w.Body, book.last(t))
	}
}

func TestBulkInternalError(t *testing.T) {
	var book logBook
	h := service.New(service.Options{Accounts: oneAccount(account(faulty{err: func() error { return errors.New("disk full") }})), Log: book.logger()})
	w := send(t, h, "POST", "/scim/v2/Bulk", `{"schemas":["`+scim.URNBulkRequest+`"],"Operations":[{"method":"DELETE","path":"/Users/1"}]}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"status":"500"`) || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(book.text(), "disk full") {
		t.Errorf("the cause is not in the log: %s", book.text())
	}
}

// A counting Directory counts how a group is changed.
type counting struct {
	*scimtest.Directory
	gets, updates, edits int
}

func (c *counting) Get(ctx context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error) {
	c.gets++
	return c.Directory.Get(ctx, t, id, p)
}

func (c *counting) Update(ctx context.Context, t *scim.ResourceType, id string, cond scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
	c.updates++
	return c.Directory.Update(ctx, t, id, cond, change)
}

func (c *counting) EditMembers(ctx context.Context, id string, cond scim.Precondition, add, remove []scim.Member) (string, error) {
	c.edits++
	return c.Directory.EditMembers(ctx, id, cond, add, remove)
}

func TestMemberEditor(t *testing.T) {
	d := &counting{Directory: scimtest.NewDirectory(scimtest.UserType, scimtest.GroupType)}
	h := service.New(service.Options{Accounts: oneAccount(account(d))})
	user := createUser(t, h, "ana")
	group := decode[struct{ ID string }](t, send(t, h, "POST", "/scim/v2/Groups", `{"schemas":["`+scim.URNGroup+`"],"displayName":"G"}`)).ID
	add := `{"op":"Add","path":"members","value":[{"value":"` + user + `"}]}`
	for _, tt := range []struct {
		ops, query           string
		gets, updates, edits int
	}{
		{add, "", 0, 0, 1},
		{`{"op":"Remove","path":"members","value":[{"value":"` + user + `"}]}`, "", 0, 0, 1},
		{add, "?attributes=displayName", 1, 0, 1},
		{`{"op":"remove","path":"members[value eq \"` + user + `\"]"}`, "?excludedAttributes=members", 0, 0, 1},
		{`{"op":"replace","path":"displayName","value":"H"}`, "", 0, 1, 0},
		{add + `,{"op":"replace","path":"displayName","value":"I"}`, "", 0, 1, 0},
	} {
		d.gets, d.updates, d.edits = 0, 0, 0
		w := send(t, h, "PATCH", "/scim/v2/Groups/"+group+tt.query, patchOf(tt.ops))
		want := 204
		if strings.Contains(tt.query, "?attributes") {
			want = 200
		}
		if w.Code != want || w.Header().Get("Etag") == "" {
			t.Errorf("%s: %d %v, want %d and an ETag", tt.ops, w.Code, w.Header(), want)
		}
		if d.gets != tt.gets || d.updates != tt.updates || d.edits != tt.edits {
			t.Errorf("%s: %d gets, %d updates, %d edits", tt.ops, d.gets, d.updates, d.edits)
		}
	}
}

func TestAccountWithoutGroups(t *testing.T) {
	a := account(scimtest.NewDirectory())
	a.Groups = nil
	h := service.New(service.Options{Accounts: oneAccount(a)})
	wantError(t, send(t, h, "GET", "/scim/v2/Groups", ""), 404, "", "no groups")
	wantError(t, send(t, h, "GET", "/scim/v2/Groups/1", ""), 404, "", "no groups")
	for _, target := range []string{"/scim/v2/ResourceTypes", "/scim/v2/Schemas", "/scim/v2/"} {
		w := send(t, h, "GET", target, "")
		if w.Code != 200 || strings.Contains(w.Body.String(), scim.URNGroup) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	wantError(t, send(t, h, "GET", "/scim/v2/Schemas/"+scim.URNGroup, ""), 404, "")
}

func TestStrict(t *testing.T) {
	body := `{"schemas":["` + scim.URNUser + `"],"userName":"ana","shoeSize":42}`
	h := service.New(service.Options{Accounts: oneAccount(account(scimtest.NewDirectory()))})
	if w := send(t, h, "POST", "/scim/v2/Users", body); w.Code != 201 {
		t.Errorf("lenient: %d %s", w.Code, w.Body)
	}
	a := account(scimtest.NewDirectory())
	a.Strict = true
	h = service.New(service.Options{Accounts: oneAccount(a)})
	if w := send(t, h, "POST", "/scim/v2/Users", body); w.Code != 400 || !strings.Contains(w.Body.String(), "shoeSize") {
		t.Errorf("strict: %d %s", w.Code, w.Body)
	}
	id := createUser(t, h, "ana")
	for _, op := range []string{
		`{"op":"add","value":{"shoeSize":42}}`,
		`{"op":"replace","path":"shoeSize","value":42}`,
		`{"op":"add","path":"name","value":{"shoeSize":42}}`,
		`{"op":"add","path":"emails","value":[{"type":"work","value":"a@b.example","shoeSize":42}]}`,
		`{"op":"replace","value":{"title":"x","urn:acme:2.0:User":{"shoeSize":42}}}`,
	} {
		w := send(t, h, "PATCH", "/scim/v2/Users/"+id, patchOf(op))
		if w.Code != 400 || !strings.Contains(w.Body.String(), "shoeSize") && !strings.Contains(w.Body.String(), "urn:acme:2.0:User") {
			t.Errorf("strict %s: %d %s", op, w.Code, w.Body)
		}
	}
	if w := send(t, h, "PATCH", "/scim/v2/Users/"+id, patchOf(`{"op":"replace","value":{"title":"Boss","name.givenName":"Ana"}}`)); w.Code != 200 {
		t.Errorf("strict, with known names: %d %s", w.Code, w.Body)
	}
	if w := send(t, h, "PUT", "/scim/v2/Users/"+id, body); w.Code != 400 {
		t.Errorf("strict PUT: %d %s", w.Code, w.Body)
	}
}

func TestPasswordIsNotKept(t *testing.T) {
	d := scimtest.NewDirectory(scimtest.UserType, scimtest.GroupType)
	h := service.New(service.Options{Accounts: oneAccount(account(d))})
	w := send(t, h, "POST", "/scim/v2/Users", `{"schemas":["`+scim.URNUser+`"],"userName":"ana","password":"hunter2"}`)
	id := decode[struct{ ID string }](t, w).ID
	put := send(t, h, "PUT", "/scim/v2/Users/"+id, `{"schemas":["`+scim.URNUser+`"],"userName":"ana","Password":"hunter2"}`)
	patched := send(t, h, "PATCH", "/scim/v2/Users/"+id, patchOf(`{"op":"replace","path":"password","value":"hunter2"}`))
	for _, w := range []*httptest.ResponseRecorder{w, put, patched, send(t, h, "GET", "/scim/v2/Users?attributes=password", "")} {
		if w.Code >= 300 || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	r, err := d.Get(t.Context(), scimtest.UserType, id, scim.Projection{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Peek().Get("password"); ok {
		t.Error("the password was stored")
	}
}

func TestReplaceKeepsWhatClientsMayNotWrite(t *testing.T) {
	users := scim.UserType()
	users.Schema.Attributes = append(users.Schema.Attributes,
		&scim.Attribute{Name: "badge", Type: scim.TypeString, Mutability: scim.Immutable},
		&scim.Attribute{Name: "onRequest", Type: scim.TypeString, Returned: scim.ReturnedRequest})
	d := scimtest.NewDirectory(users, scimtest.GroupType)
	a := account(d)
	a.Users = users
	h := service.New(service.Options{Accounts: oneAccount(a)})
	r, err := d.Create(t.Context(), scim.NewResource(users, scim.NewObject("schemas", []scim.Value{scim.URNUser}, "userName", "ana",
		"badge", "B1", "onRequest", "quiet", "groups", []scim.Value{scim.NewObject("value", "g1")}, "title", "gone")))
	if err != nil {
		t.Fatal(err)
	}
	target := "/scim/v2/Users/" + r.ID
	w := send(t, h, "PUT", target, `{"schemas":["`+scim.URNUser+`"],"userName":"ana","groups":[{"value":"g2"}],"onRequest":"still"}`)
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	got, err := d.Get(t.Context(), users, r.ID, scim.Projection{})
	if err != nil {
		t.Fatal(err)
	}
	want := scim.NewObject("schemas", []scim.Value{scim.URNUser}, "userName", "ana",
		"badge", "B1", "onRequest", "still", "groups", []scim.Value{scim.NewObject("value", "g1")})
	if !scim.Equal(got.Peek(), want) {
		b, _ := got.JSON()
		t.Errorf("stored %s", b)
	}
	if strings.Contains(w.Body.String(), "still") || !strings.Contains(send(t, h, "GET", target+"?attributes=onRequest", "").Body.String(), "still") {
		t.Error("an attribute that is returned on request only")
	}
	wantError(t, send(t, h, "PUT", target, `{"schemas":["`+scim.URNUser+`"],"userName":"ana","badge":"B2"}`), 400, "mutability", "badge")
}

func TestByteOrderMark(t *testing.T) {
	h := service.New(service.Options{Accounts: oneAccount(account(scimtest.NewDirectory()))})
	w := send(t, h, "POST", "/scim/v2/Users", "\xef\xbb\xbf"+`{"schemas":["`+scim.URNUser+`"],"userName":"ana"}`)
	if w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestConditionalRead(t *testing.T) {
	h := service.New(service.Options{Accounts: oneAccount(account(scimtest.NewDirectory()))})
	target := "/scim/v2/Users/" + createUser(t, h, "ana")
	tag := send(t, h, "GET", target, "").Header().Get("Etag")
	for header, want := range map[string]int{
		tag: 304, "*": 304, `W/"77"`: 200, `W/"77", ` + tag: 304, strings.TrimPrefix(tag, "W/"): 304, `"a,b",` + tag: 304, `"a,` + tag + `"`: 200, "": 200,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			w := send(t, h, method, target, "", "If-None-Match", header)
			if w.Code != want || w.Header().Get("Etag") != tag {
				t.Errorf("%s If-None-Match %s: %d, ETag %s, want %d", method, header, w.Code, w.Header().Get("Etag"), want)
			}
			if want == 304 && w.Body.Len() > 0 {
				t.Errorf("304 with a body")
			}
		}
	}
}

func TestBaseURL(t *testing.T) {
	a := account(scimtest.NewDirectory())
	// httptest's requests come from 192.0.2.1.
	proxies, elsewhere := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct {
		options service.Options
		target  string
		header  []string
		want    string
	}{
		{service.Options{}, "http://one.example/scim/v2", nil, "http://one.example/scim/v2/Users/"},
		{service.Options{}, "https://one.example:8443/scim/v2", nil, "https://one.example:8443/scim/v2/Users/"},
		{service.Options{}, "http://one.example/scim/v2", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example"}, "http://one.example/scim/v2/Users/"},
		{service.Options{TrustedProxies: elsewhere}, "http://one.example/scim/v2", []string{"X-Forwarded-Proto", "https"}, "http://one.example/scim/v2/Users/"},
		{service.Options{TrustedProxies: proxies}, "http://one.example/scim/v2", []string{"X-Forwarded-Proto", "https"}, "https://one.example/scim/v2/Users/"},
		{service.Options{TrustedProxies: proxies}, "http://one.example/scim/v2", []string{"X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "scim.acme.example:8443, inner"}, "https://scim.acme.example:8443/scim/v2/Users/"},
		{service.Options{TrustedProxies: proxies}, "http://one.example/scim/v2", []string{"X-Forwarded-Host", "a/b?\"c"}, "http://one.example/scim/v2/Users/"},
		{service.Options{TrustedProxies: proxies, BaseURL: "https://scim.acme.example/x/"}, "http://one.example/scim/v2", []string{"X-Forwarded-Host", "other.example"}, "https://scim.acme.example/x/Users/"},
		{service.Options{BaseURL: "https://scim.acme.example/x/"}, "http://one.example/scim/v2", nil, "https://scim.acme.example/x/Users/"},
		{service.Options{Prefix: "/"}, "http://one.example", nil, "http://one.example/Users/"},
		{service.Options{Prefix: "/a/b/"}, "http://one.example/a/b", nil, "http://one.example/a/b/Users/"},
	} {
		tt.options.Accounts = oneAccount(a)
		a.Directory = scimtest.NewDirectory()
		h := service.New(tt.options)
		w := send(t, h, "POST", tt.target+"/Users", `{"schemas":["`+scim.URNUser+`"],"userName":"ana"}`, tt.header...)
		got := decode[struct {
			ID   string
			Meta struct{ Location string }
		}](t, w)
		want := tt.want + got.ID
		if w.Code != 201 || w.Header().Get("Location") != want || got.Meta.Location != want {
			t.Errorf("%d, Location %q, meta.location %q, want %q", w.Code, w.Header().Get("Location"), got.Meta.Location, want)
		}
	}
}

func TestHandles(t *testing.T) {
	s := service.New(service.Options{Accounts: oneAccount(account(scimtest.NewDirectory()))})
	for path, want := range map[string]bool{
		"/scim/v2": true, "/scim/v2/": true, "/scim/v2/Users": true, "//scim//v2//Users": true, "/x/../scim/v2/Users": true,
		"/": false, "/scim": false, "/scim/v1/Users": false, "/scim/v2x": false, "/v1.0/users": false, "/scim/v2/../../healthz": false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "http://one.example/", nil)
		r.URL = &url.URL{Path: path}
		if got := s.Handles(r); got != want {
			t.Errorf("Handles(%s) = %v", path, got)
		}
	}
}

func TestAnonymousDiscovery(t *testing.T) {
	custom := scim.UserType(&scim.Attribute{Name: "costFactor", Type: scim.TypeString})
	a := account(scimtest.NewDirectory())
	a.Users = custom
	h := service.New(service.Options{Accounts: oneAccount(a), Documentation: "https://docs.acme.example"})
	anonymous := func(target string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", target, nil))
		return w
	}
	w := anonymous("/scim/v2/Schemas")
	if w.Code != 200 || strings.Contains(w.Body.String(), "costFactor") || strings.Contains(w.Body.String(), "null") {
		t.Errorf("without a token: %d %s", w.Code, w.Body)
	}
	list := decode[struct {
		TotalResults int
		Resources    []struct {
			ID         string
			Attributes []struct{ Name, Type, Mutability, Returned string }
			Meta       struct{ Location string }
		}
	}](t, w)
	if list.TotalResults != len(list.Resources) || list.TotalResults < 3 {
		t.Errorf("%d of %d schemas", len(list.Resources), list.TotalResults)
	}
	for _, s := range list.Resources {
		if got := anonymous(s.Meta.Location); got.Code != 200 {
			t.Errorf("%s: %d", s.Meta.Location, got.Code)
		}
		for _, a := range s.Attributes {
			if a.Name == "" || a.Type == "" || a.Mutability == "" || a.Returned == "" {
				t.Errorf("%s: %+v", s.ID, a)
			}
		}
	}
	if w := send(t, h, "GET", "/scim/v2/Schemas", ""); !strings.Contains(w.Body.String(), "costFactor") {
		t.Errorf("with a token: %s", w.Body)
	}
	if w := anonymous("/scim/v2/ServiceProviderConfig"); !strings.Contains(w.Body.String(), "docs.acme.example") {
		t.Errorf("no documentationUri: %s", w.Body)
	}
	for _, target := range []string{"/scim/v2/Users", "/scim/v2/Me", "/scim/v2/", "/scim/v2/Bulk"} {
		if w := anonymous(target); target != "/scim/v2/Bulk" && w.Code != 401 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

// TestCursorWalkUnderWrites follows nextCursor over HTTP while other clients
// create, change and delete users.
func TestCursorWalkUnderWrites(t *testing.T) {
	h := service.New(service.Options{Accounts: oneAccount(account(scimtest.NewDirectory(scimtest.UserType, scimtest.GroupType)))})
	var ids []string
	for i := range 40 {
		ids = append(ids, createUser(t, h, fmt.Sprintf("u%d", i)))
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				id := createUser(t, h, fmt.Sprintf("w%d-%d", w, i))
				send(t, h, "PATCH", "/scim/v2/Users/"+ids[i%len(ids)], patchOf(fmt.Sprintf(`{"op":"replace","path":"title","value":"%d"}`, i)))
				send(t, h, "DELETE", "/scim/v2/Users/"+id, "")
			}
		})
	}
	seen := map[string]int{}
	cursor := ""
	for pages := 0; pages == 0 || cursor != ""; pages++ {
		if pages > 200 {
			t.Fatal("the walk does not end")
		}
		w := send(t, h, "GET", "/scim/v2/Users?count=7&attributes=userName&cursor="+url.QueryEscape(cursor), "")
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		page := decode[struct {
			NextCursor string
			Resources  []struct{ ID string }
		}](t, w)
		for _, r := range page.Resources {
			seen[r.ID]++
		}
		cursor = page.NextCursor
	}
	close(done)
	wg.Wait()
	for _, id := range ids {
		if seen[id] != 1 {
			t.Errorf("%s was seen %d times", id, seen[id])
		}
	}
}

// TestOverTheWire checks what only a real server shows: keep-alive after
// errors, HEAD, and requests of many clients at once on pooled buffers.
func TestOverTheWire(t *testing.T) {
	h := service.New(service.Options{Accounts: oneAccount(account(scimtest.NewDirectory(scimtest.UserType, scimtest.GroupType)))})
	srv := httptest.NewServer(h)
	defer srv.Close()
	do := func(method, path, body string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		r.Header.Set("Authorization", "Bearer s3cret")
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp.StatusCode, string(b)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("wire%d@acme.example", i)
			code, body := do("POST", "/scim/v2//Users", `{"schemas":["`+scim.URNUser+`"],"userName":"`+name+`","title":"`+strings.Repeat("t", 300*i)+`"}`)
			var made struct{ ID, UserName string }
			if err := json.Unmarshal([]byte(body), &made); err != nil || code != 201 || made.UserName != name {
				t.Errorf("%d %s", code, body)
			}
			for range 10 {
				if code, body := do("GET", "/scim/v2/Users/"+made.ID, ""); code != 200 || !strings.Contains(body, name) {
					t.Errorf("%d %s", code, body)
				}
				if code, body := do("HEAD", "/scim/v2/Users/"+made.ID, ""); code != 200 || body != "" {
					t.Errorf("HEAD: %d %q", code, body)
				}
				if code, body := do("POST", "/scim/v2/Users", "{"); code != 400 || !strings.Contains(body, "invalidSyntax") {
					t.Errorf("%d %s", code, body)
				}
			}
		})
	}
	wg.Wait()
}

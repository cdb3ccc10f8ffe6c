package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/account"
	"lockstep/internal/expression"
	"lockstep/internal/provision"
)

// A fakeBackend notes what it was asked and answers with what was set.
type fakeBackend struct {
	Backend
	asked []any
	err   error
}

func (f *fakeBackend) note(args ...any) error {
	f.asked = args
	return f.err
}

func (f *fakeBackend) AddApp(_ context.Context, n NewApp) (*App, error) {
	return &App{ID: "a", Name: n.Name}, f.note("AddApp", n)
}
func (f *fakeBackend) ListApps(context.Context) ([]App, error) {
	return []App{{ID: "a"}}, f.note("ListApps")
}
func (f *fakeBackend) ShowApp(_ context.Context, id string) (*App, error) {
	return &App{ID: id}, f.note("ShowApp", id)
}
func (f *fakeBackend) ChangeApp(_ context.Context, id string, c AppChange) (*App, error) {
	return &App{ID: id, Paused: *c.Paused}, f.note("ChangeApp", id)
}
func (f *fakeBackend) RemoveApp(_ context.Context, id string) error { return f.note("RemoveApp", id) }
func (f *fakeBackend) AppSchema(_ context.Context, id string) (*AppSchema, error) {
	s, err := provision.Template("scim")
	return &AppSchema{Revision: 3, Schema: s}, errors.Join(err, f.note("AppSchema", id))
}
func (f *fakeBackend) PutAppSchema(_ context.Context, id string, s AppSchema) (*AppSchema, error) {
	s.Revision++
	return &s, f.note("PutAppSchema", id)
}
func (f *fakeBackend) ResetAppSchema(_ context.Context, id string) (*AppSchema, error) {
	return &AppSchema{}, f.note("ResetAppSchema", id)
}
func (f *fakeBackend) SchemaHistory(_ context.Context, id string) ([]SchemaRevision, error) {
	return []SchemaRevision{{Revision: 2}}, f.note("SchemaHistory", id)
}
func (f *fakeBackend) EarlierSchema(_ context.Context, id string, revision int64) (*AppSchema, error) {
	return &AppSchema{Revision: revision}, f.note("EarlierSchema", id, revision)
}
func (f *fakeBackend) Assignments(_ context.Context, id string) ([]Assignment, error) {
	return []Assignment{{Name: "Ada"}}, f.note("Assignments", id)
}
func (f *fakeBackend) Assign(_ context.Context, id string, n NewAssignment) (*Assignment, error) {
	return &Assignment{Name: n.Principal}, f.note("Assign", id, n)
}
func (f *fakeBackend) Unassign(_ context.Context, id, principal string) error {
	return f.note("Unassign", id, principal)
}
func (f *fakeBackend) Scope(_ context.Context, id string) (*Scope, error) {
	return &Scope{SyncAll: true}, f.note("Scope", id)
}
func (f *fakeBackend) SetScope(_ context.Context, id string, n NewScope) (*Scope, error) {
	return &Scope{SyncAll: n.SyncAll}, f.note("SetScope", id, n)
}
func (f *fakeBackend) TestScope(_ context.Context, id string, q ScopeQuestion) (*ScopeAnswer, error) {
	return &ScopeAnswer{Name: q.Person["mail"].String()}, f.note("TestScope", id)
}

// clientOf serves the backend on a socket and returns a client for it.
func clientOf(t *testing.T, b Backend) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: NewHandler(b, slog.New(slog.DiscardHandler))}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return NewSocketClient(path)
}

// TestClientReachesBackend sends every request about apps through the client
// and the handler, and wants it to arrive as it was meant.
func TestClientReachesBackend(t *testing.T) {
	t.Parallel()
	// A name that has to be escaped in a path.
	const id = "a/b c?d"
	paused := true
	ask := func(_ any, err error) error { return err }
	tests := []struct {
		call func(context.Context, *Client) error
		want []any
	}{
		{func(ctx context.Context, c *Client) error { return ask(c.AddApp(ctx, NewApp{Name: "n", Token: "t"})) }, []any{"AddApp", NewApp{Name: "n", Token: "t"}}},
		{func(ctx context.Context, c *Client) error { return ask(c.Apps(ctx)) }, []any{"ListApps"}},
		{func(ctx context.Context, c *Client) error { return ask(c.App(ctx, id)) }, []any{"ShowApp", id}},
		{func(ctx context.Context, c *Client) error {
			return ask(c.ChangeApp(ctx, id, AppChange{Paused: &paused}))
		}, []any{"ChangeApp", id}},
		{func(ctx context.Context, c *Client) error { return c.RemoveApp(ctx, id) }, []any{"RemoveApp", id}},
		{func(ctx context.Context, c *Client) error { return ask(c.AppSchema(ctx, id)) }, []any{"AppSchema", id}},
		{func(ctx context.Context, c *Client) error { return ask(c.ResetAppSchema(ctx, id)) }, []any{"ResetAppSchema", id}},
		{func(ctx context.Context, c *Client) error { return ask(c.SchemaHistory(ctx, id)) }, []any{"SchemaHistory", id}},
		{func(ctx context.Context, c *Client) error { return ask(c.EarlierSchema(ctx, id, 7)) }, []any{"EarlierSchema", id, int64(7)}},
		{func(ctx context.Context, c *Client) error { return ask(c.Assignments(ctx, id)) }, []any{"Assignments", id}},
		{func(ctx context.Context, c *Client) error {
			return ask(c.Assign(ctx, id, NewAssignment{Principal: "p"}))
		}, []any{"Assign", id, NewAssignment{Principal: "p"}}},
		{func(ctx context.Context, c *Client) error { return c.Unassign(ctx, id, "CN=x/y") }, []any{"Unassign", id, "CN=x/y"}},
		{func(ctx context.Context, c *Client) error { return ask(c.Scope(ctx, id)) }, []any{"Scope", id}},
		{func(ctx context.Context, c *Client) error { return ask(c.SetScope(ctx, id, NewScope{SyncAll: true})) }, []any{"SetScope", id, NewScope{SyncAll: true}}},
	}
	f := &fakeBackend{}
	c := clientOf(t, f)
	for _, tt := range tests {
		if err := tt.call(t.Context(), c); err != nil {
			t.Errorf("%v: %v", tt.want[0], err)
		}
		if diff := cmp.Diff(tt.want, f.asked); diff != "" {
			t.Errorf("the backend was asked (-want +got):\n%s", diff)
		}
	}
	answer, err := c.TestScope(t.Context(), id, ScopeQuestion{Person: expression.Map{"mail": expression.Text("a@b")}})
	if err != nil || answer.Name != "a@b" {
		t.Errorf("a person did not travel: %+v, %v", answer, err)
	}
}

// TestSchemaTravels wants a schema to come back as it was sent.
func TestSchemaTravels(t *testing.T) {
	t.Parallel()
	c := clientOf(t, &fakeBackend{})
	s, err := c.AppSchema(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	put, err := c.PutAppSchema(t.Context(), "a", *s)
	if err != nil || put.Revision != s.Revision+1 {
		t.Fatalf("PutAppSchema = %+v, %v", put, err)
	}
	template, err := provision.Template("scim")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(template)
	if got, _ := json.Marshal(put.Schema); string(got) != string(want) {
		t.Error("the schema changed on its way")
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err    error
		status int
		says   []string
	}{
		{&provision.AppNotFoundError{ID: "x"}, 404, []string{`no app "x"`, "lockstep app list"}},
		{&provision.AppExistsError{ID: "x"}, 409, []string{`an app "x" already`}},
		{&provision.MappingError{Target: "title", Err: errors.New("is wrong")}, 400, []string{"title: is wrong", "Nothing was changed"}},
		{&provision.SchemaError{Path: "rules", Message: "missing"}, 400, []string{"missing"}},
		{&account.NotFoundError{What: "account", ID: "x"}, 404, []string{`no account "x"`}},
		{&account.InvalidError{Field: "name", Detail: "too long"}, 400, []string{"too long"}},
		{context.DeadlineExceeded, 504, []string{"too long"}},
		{&Problem{Title: "Teapot", Status: 418, Detail: "short and stout"}, 418, []string{"short and stout"}},
		{errors.New("SELECT secret FROM apps"), 500, []string{"the server's log says more"}},
	}
	for _, tt := range tests {
		c := clientOf(t, &fakeBackend{err: tt.err})
		_, err := c.App(t.Context(), "x")
		var p *Problem
		if !errors.As(err, &p) || p.Status != tt.status {
			t.Errorf("%v became %v, want status %d", tt.err, err, tt.status)
			continue
		}
		for _, text := range tt.says {
			if !strings.Contains(p.Error(), text) {
				t.Errorf("%v became %q, which does not say %q", tt.err, p, text)
			}
		}
		if strings.Contains(p.Error(), "SELECT") {
			t.Errorf("an internal error leaks: %v", p)
		}
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	h := NewHandler(&fakeBackend{}, slog.New(slog.DiscardHandler))
	tests := []struct {
		name, method, path, body string
		status                   int
	}{
		{"no JSON", "POST", "/api/v1/apps", "{", 400},
		{"an unknown member", "POST", "/api/v1/apps", `{"nmae":"x"}`, 400},
		{"a schema that is none", "PUT", "/api/v1/apps/a/schema", `{"schema":[]}`, 400},
		{"a schema with a wrong type", "PUT", "/api/v1/apps/a/schema", `{"schema":{"synchronizationRules":7}}`, 400},
		{"a body too large", "POST", "/api/v1/apps", `{"name":"` + strings.Repeat("x", maxBody) + `"}`, 400},
		{"a revision that is no number", "GET", "/api/v1/apps/a/schemas/first", "", 400},
		{"an unknown path", "GET", "/api/v1/apps/a/b/c", "", 404},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, strings.NewReader(tt.body)))
		if w.Code != tt.status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %s, want %d as a problem", tt.name, w.Code, w.Header().Get("Content-Type"), w.Body, tt.status)
		}
	}
}

func TestNotRunning(t *testing.T) {
	t.Parallel()
	_, err := NewSocketClient(filepath.Join(t.TempDir(), "none")).Apps(t.Context())
	var e *NotRunningError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "lockstep serve") {
		t.Errorf("without a server: %v", err)
	}
}

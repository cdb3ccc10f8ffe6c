package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

func appPath(id string) string { return "/api/v1/apps/" + url.PathEscape(id) }

func listOf[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	l, err := get[list[T]](ctx, c, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return l.Value, nil
}

// AddApp adds an app.
func (c *Client) AddApp(ctx context.Context, n NewApp) (*App, error) {
	return get[App](ctx, c, http.MethodPost, "/api/v1/apps", n)
}

// Apps lists the apps.
func (c *Client) Apps(ctx context.Context) ([]App, error) { return listOf[App](ctx, c, "/api/v1/apps") }

// App returns one app.
func (c *Client) App(ctx context.Context, id string) (*App, error) {
	return get[App](ctx, c, http.MethodGet, appPath(id), nil)
}

// ChangeApp changes what is set in ch.
func (c *Client) ChangeApp(ctx context.Context, id string, ch AppChange) (*App, error) {
	return get[App](ctx, c, http.MethodPatch, appPath(id), ch)
}

// RemoveApp removes an app and what is remembered of it. Its target keeps what
// was provisioned.
func (c *Client) RemoveApp(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, appPath(id), nil, nil)
}

// AppSchema returns an app's schema.
func (c *Client) AppSchema(ctx context.Context, id string) (*AppSchema, error) {
	return get[AppSchema](ctx, c, http.MethodGet, appPath(id)+"/schema", nil)
}

// PutAppSchema replaces an app's schema; the old one is kept.
func (c *Client) PutAppSchema(ctx context.Context, id string, s AppSchema) (*AppSchema, error) {
	return get[AppSchema](ctx, c, http.MethodPut, appPath(id)+"/schema", s)
}

// ResetAppSchema returns an app's schema to its template; the old one is kept.
func (c *Client) ResetAppSchema(ctx context.Context, id string) (*AppSchema, error) {
	return get[AppSchema](ctx, c, http.MethodPost, appPath(id)+"/schema/reset", nil)
}

// SchemaHistory lists the schemas that an app had before, newest first.
func (c *Client) SchemaHistory(ctx context.Context, id string) ([]SchemaRevision, error) {
	return listOf[SchemaRevision](ctx, c, appPath(id)+"/schemas")
}

// EarlierSchema returns a schema that an app had before.
func (c *Client) EarlierSchema(ctx context.Context, id string, revision int64) (*AppSchema, error) {
	return get[AppSchema](ctx, c, http.MethodGet, appPath(id)+"/schemas/"+strconv.FormatInt(revision, 10), nil)
}

// Assignments lists who is assigned to an app.
func (c *Client) Assignments(ctx context.Context, id string) ([]Assignment, error) {
	return listOf[Assignment](ctx, c, appPath(id)+"/assignments")
}

// Assign assigns a user or group to an app.
func (c *Client) Assign(ctx context.Context, id string, n NewAssignment) (*Assignment, error) {
	return get[Assignment](ctx, c, http.MethodPost, appPath(id)+"/assignments", n)
}

// Unassign ends an assignment.
func (c *Client) Unassign(ctx context.Context, id, principal string) error {
	return c.call(ctx, http.MethodDelete, appPath(id)+"/assignments/"+url.PathEscape(principal), nil, nil)
}

// Scope returns whom an app provisions.
func (c *Client) Scope(ctx context.Context, id string) (*Scope, error) {
	return get[Scope](ctx, c, http.MethodGet, appPath(id)+"/scope", nil)
}

// SetScope sets whom an app provisions.
func (c *Client) SetScope(ctx context.Context, id string, n NewScope) (*Scope, error) {
	return get[Scope](ctx, c, http.MethodPut, appPath(id)+"/scope", n)
}

// TestScope asks whether a person is in scope, and why.
func (c *Client) TestScope(ctx context.Context, id string, q ScopeQuestion) (*ScopeAnswer, error) {
	return get[ScopeAnswer](ctx, c, http.MethodPost, appPath(id)+"/scope/test", q)
}

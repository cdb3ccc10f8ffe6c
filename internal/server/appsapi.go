package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/api"
	"lockstep/internal/provision"
	"lockstep/internal/scim"
	"lockstep/internal/scim/client"
	"lockstep/internal/secret"
	"lockstep/internal/store"
)

// minInterval keeps a mistyped interval from becoming a busy loop.
const minInterval = 10 * time.Second

func badRequest(format string, args ...any) *api.Problem {
	return &api.Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...)}
}

// AddApp implements [api.Backend]. Source and target are tried before anything
// is stored.
func (s *Server) AddApp(ctx context.Context, n api.NewApp) (*api.App, error) {
	app := &provision.App{ID: n.ID, Name: strings.TrimSpace(n.Name), Source: n.Source, Target: n.Target, Template: n.Template,
		Secret: strings.TrimSpace(n.Token), SyncAll: n.SyncAll, SkipOutOfScopeDeletions: n.SkipOutOfScopeDeletions, Parameters: n.Parameters,
		Guard: provision.DefaultGuard, Interval: provision.DefaultInterval, Paused: n.Paused, Created: time.Now()}
	if app.ID == "" {
		app.ID = app.Name
	}
	if app.ID = appID(app.ID); app.ID == "" {
		return nil, badRequest("the name %q has no letter or digit; give the app a name such as freshservice", n.Name)
	}
	if n.Guard != nil {
		app.Guard = *n.Guard
	}
	if n.IntervalSeconds != 0 {
		app.Interval = time.Duration(n.IntervalSeconds) * time.Second
	}
	if err := checkSettings(app); err != nil {
		return nil, err
	}
	if err := checkSource(app); err != nil {
		return nil, err
	}
	template, err := s.checkTarget(ctx, app)
	if err != nil {
		return nil, err
	}
	if app.Template == "" {
		app.Template = template
	}
	if app.Schema, err = provision.Template(app.Template); err != nil {
		return nil, badRequest("%v", err)
	}
	if err := s.createApp(ctx, app); err != nil {
		return nil, err
	}
	s.apps.refresh(app.ID)
	return s.ShowApp(ctx, app.ID)
}

// createApp stores an app. One whose target is an account of ours gets a token
// of its own, so that it can be revoked without others.
func (s *Server) createApp(ctx context.Context, app *provision.App) error {
	if app.Target.AccountID == "" {
		return s.db.CreateApp(ctx, app)
	}
	token, text, err := s.accounts.CreateToken(ctx, app.Target.AccountID, "app "+app.ID, 0)
	if err != nil {
		return err
	}
	app.Secret = text.Reveal()
	if err := s.db.CreateApp(ctx, app); err != nil {
		return errors.Join(err, s.accounts.Revoke(ctx, app.Target.AccountID, token.ID))
	}
	return nil
}

// appID turns a name into lower-case letters and digits joined by hyphens.
func appID(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
}

func checkSettings(app *provision.App) error {
	switch g := app.Guard; {
	case app.Interval < minInterval:
		return badRequest("the interval of %v is too short; the shortest is %v", app.Interval, minInterval)
	case g.Percent < 0 || g.Percent > 100 || g.AtLeast < 0 || g.Count < 0:
		return badRequest("the deletion guard takes a percentage from 0 to 100 and counts from 0; 0 percent switches it off")
	}
	return nil
}

// checkSource opens the source, so that a wrong path is found now.
func checkSource(app *provision.App) error {
	if app.Source.Kind == "file" && !filepath.IsAbs(app.Source.Path) {
		return badRequest("the path of the source file has to be absolute, and %q is not", app.Source.Path)
	}
	if _, err := openSource(app); err != nil {
		return &api.Problem{Title: "The source cannot be read", Status: http.StatusUnprocessableEntity, Detail: err.Error(), Next: "Nothing was stored."}
	}
	return nil
}

// checkTarget makes sure that the target is there and lets the app in, and
// returns the template that suits it.
func (s *Server) checkTarget(ctx context.Context, app *provision.App) (template string, err error) {
	switch t := app.Target; {
	case (t.AccountID == "") == (t.BaseURL == ""):
		return "", badRequest("a target is either an account or the URL of a SCIM endpoint")
	case t.AccountID != "" && app.Secret != "":
		return "", badRequest("an account of this server needs no token: the app is given one of its own")
	case t.AccountID != "":
		a, err := s.accounts.Get(ctx, t.AccountID)
		if err != nil {
			return "", err
		}
		if a.Kind == account.KindFreshservice {
			return "freshservice", nil
		}
		return "scim", nil
	}
	if u, err := url.Parse(app.Target.BaseURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return "", badRequest("the target %q is no URL of a SCIM endpoint such as https://acme.example/scim/v2", app.Target.BaseURL)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, err := client.New(client.Options{BaseURL: app.Target.BaseURL, Token: secret.NewText(app.Secret), Log: s.log, MaxWait: -1})
	if err != nil {
		return "", badRequest("%v", err)
	}
	defer c.CloseIdleConnections()
	if _, err := c.Describe(ctx); err != nil {
		return "", &api.Problem{Title: "The target cannot be used", Status: http.StatusUnprocessableEntity,
			Detail: "the target " + app.Target.BaseURL + " cannot be used: " + err.Error(), Next: "Nothing was stored."}
	}
	return "scim", nil
}

// ListApps implements [api.Backend].
func (s *Server) ListApps(ctx context.Context) ([]api.App, error) {
	apps, err := s.db.Apps(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]api.App, len(apps))
	for i, app := range apps {
		shown, err := s.shownApp(ctx, app)
		if err != nil {
			return nil, err
		}
		out[i] = *shown
	}
	return out, nil
}

// ShowApp implements [api.Backend].
func (s *Server) ShowApp(ctx context.Context, id string) (*api.App, error) {
	app, err := s.db.App(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.shownApp(ctx, app)
}

func (s *Server) shownApp(ctx context.Context, app *provision.App) (*api.App, error) {
	a := &api.App{ID: app.ID, Name: app.Name, Source: app.Source, Target: app.Target, Template: app.Template, SyncAll: app.SyncAll,
		SkipOutOfScopeDeletions: app.SkipOutOfScopeDeletions, Parameters: app.Parameters, Guard: app.Guard,
		IntervalSeconds: int64(app.Interval / time.Second), Paused: app.Paused, Created: app.Created}
	ledger := s.db.Ledger(app.ID)
	assigned, err := ledger.Assignments(ctx)
	if err != nil {
		return nil, err
	}
	a.Assignments = len(assigned)
	if _, a.SchemaRevision, err = s.db.Schema(ctx, app.ID); err != nil {
		return nil, err
	}
	cycles, err := ledger.Cycles(ctx, 1)
	if err != nil {
		return nil, err
	}
	if len(cycles) > 0 {
		a.LastCycle = cycles[0]
	}
	return a, nil
}

// ChangeApp implements [api.Backend].
func (s *Server) ChangeApp(ctx context.Context, id string, c api.AppChange) (*api.App, error) {
	app, err := s.db.App(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.Source != nil {
		app.Source = *c.Source
		if err := checkSource(app); err != nil {
			return nil, err
		}
	}
	if c.Token != nil {
		app.Secret = strings.TrimSpace(*c.Token)
		if _, err := s.checkTarget(ctx, app); err != nil {
			return nil, err
		}
	}
	if err := s.db.ChangeApp(ctx, id, func(app *provision.App) (bool, error) { return applyChange(app, c) }); err != nil {
		return nil, err
	}
	s.apps.refresh(id)
	return s.ShowApp(ctx, id)
}

// applyChange reports whether the change may alter what is provisioned of
// everybody.
func applyChange(app *provision.App, c api.AppChange) (everyone bool, err error) {
	if c.Name != nil {
		if app.Name = strings.TrimSpace(*c.Name); app.Name == "" {
			return false, badRequest("an app's name cannot be empty")
		}
	}
	if c.Source != nil {
		app.Source = *c.Source
	}
	if c.Token != nil {
		app.Secret = strings.TrimSpace(*c.Token)
	}
	if c.SkipOutOfScopeDeletions != nil {
		everyone = app.SkipOutOfScopeDeletions != *c.SkipOutOfScopeDeletions
		app.SkipOutOfScopeDeletions = *c.SkipOutOfScopeDeletions
	}
	for name, value := range c.Parameters {
		everyone = everyone || app.Parameters[name] != value
		if app.Parameters == nil {
			app.Parameters = map[string]string{}
		}
		if app.Parameters[name] = value; value == "" {
			delete(app.Parameters, name)
		}
	}
	if c.Guard != nil {
		app.Guard = *c.Guard
	}
	if c.IntervalSeconds != nil {
		app.Interval = time.Duration(*c.IntervalSeconds) * time.Second
	}
	if c.Paused != nil {
		app.Paused = *c.Paused
	}
	return everyone, checkSettings(app)
}

// RemoveApp implements [api.Backend]. A cycle under way is ended first; what
// was provisioned stays in the target.
func (s *Server) RemoveApp(ctx context.Context, id string) error {
	app, err := s.db.App(ctx, id)
	if err != nil {
		return err
	}
	if err := s.apps.remove(id, func() error { return s.db.RemoveApp(ctx, id) }); err != nil {
		return err
	}
	if app.Target.AccountID == "" {
		return nil
	}
	_, token, err := s.accounts.Authenticate(ctx, app.Secret)
	if err != nil {
		return nil // the token or its account is gone already
	}
	return s.accounts.Revoke(ctx, app.Target.AccountID, token.ID)
}

// AppSchema implements [api.Backend].
func (s *Server) AppSchema(ctx context.Context, id string) (*api.AppSchema, error) {
	app, err := s.db.App(ctx, id)
	if err != nil {
		return nil, err
	}
	schema, revision, err := s.db.Schema(ctx, id)
	if err != nil {
		return nil, err
	}
	return &api.AppSchema{Revision: revision, Schema: schema, Template: app.Template}, nil
}

// PutAppSchema implements [api.Backend]. A schema that does not compile is
// refused; one that is the same changes nothing.
func (s *Server) PutAppSchema(ctx context.Context, id string, n api.AppSchema) (*api.AppSchema, error) {
	if n.Schema == nil {
		return nil, badRequest("the body lacks the schema")
	}
	app, err := s.db.App(ctx, id)
	if err != nil {
		return nil, err
	}
	same, err := sameSchema(app.Schema, n.Schema)
	if err != nil {
		return nil, err
	}
	if same {
		return s.AppSchema(ctx, id)
	}
	app.Schema = n.Schema
	if app.Schema.Mapping(provision.User) == nil {
		return nil, badRequest("the schema has no object mapping with the source object User, so the app could not provision anybody")
	}
	if _, err := app.Job(scim.UserType(), scim.GroupType()); err != nil {
		return nil, err
	}
	_, err = s.db.ReplaceSchema(ctx, id, n.Schema, n.Revision, time.Now())
	var changed *store.SchemaChangedError
	if errors.As(err, &changed) {
		return nil, &api.Problem{Title: "Conflict", Status: http.StatusConflict, Detail: err.Error(), Next: "Nothing was changed; try again on the schema as it is now."}
	}
	if err != nil {
		return nil, err
	}
	s.apps.refresh(id)
	return s.AppSchema(ctx, id)
}

func sameSchema(a, b *provision.Schema) (bool, error) {
	x, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	y, err := json.Marshal(b)
	return bytes.Equal(x, y), err
}

// ResetAppSchema implements [api.Backend].
func (s *Server) ResetAppSchema(ctx context.Context, id string) (*api.AppSchema, error) {
	app, err := s.db.App(ctx, id)
	if err != nil {
		return nil, err
	}
	schema, err := provision.Template(app.Template)
	if err != nil {
		return nil, err
	}
	return s.PutAppSchema(ctx, id, api.AppSchema{Schema: schema})
}

// SchemaHistory implements [api.Backend].
func (s *Server) SchemaHistory(ctx context.Context, id string) ([]api.SchemaRevision, error) {
	if _, err := s.db.App(ctx, id); err != nil {
		return nil, err
	}
	history, err := s.db.SchemaHistory(ctx, id)
	if err != nil {
		return nil, err
	}
	out := make([]api.SchemaRevision, len(history))
	for i, r := range history {
		out[i] = api.SchemaRevision(r)
	}
	return out, nil
}

// EarlierSchema implements [api.Backend].
func (s *Server) EarlierSchema(ctx context.Context, id string, revision int64) (*api.AppSchema, error) {
	if _, err := s.db.App(ctx, id); err != nil {
		return nil, err
	}
	schema, err := s.db.EarlierSchema(ctx, id, revision)
	var missing *store.RevisionNotFoundError
	if errors.As(err, &missing) {
		return nil, &api.Problem{Title: "Not found", Status: http.StatusNotFound, Detail: err.Error(), Next: "`lockstep mapping history " + id + "` lists those that are kept."}
	}
	if err != nil {
		return nil, err
	}
	return &api.AppSchema{Revision: revision, Schema: schema}, nil
}

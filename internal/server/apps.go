package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lockstep/internal/provision"
	"lockstep/internal/scim"
	"lockstep/internal/scim/client"
	"lockstep/internal/secret"
	"lockstep/internal/source/file"
)

// apps runs the engines: one goroutine an app, so that cycles of one app never
// overlap.
type apps struct {
	server *Server
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	locks  map[string]*sync.Mutex
}

func newApps(s *Server, log *slog.Logger) *apps {
	ctx, cancel := context.WithCancel(context.Background())
	return &apps{server: s, log: log, ctx: ctx, cancel: cancel, locks: map[string]*sync.Mutex{}}
}

// start begins the schedule of every app that is there.
func (a *apps) start() {
	list, err := a.server.db.Apps(a.ctx)
	if err != nil {
		a.log.Error("the apps cannot be read; none is provisioned", "error", err)
		return
	}
	for _, app := range list {
		if !app.Paused {
			a.wg.Go(func() { a.schedule(app.ID) })
		}
	}
}

func (a *apps) stop() {
	a.cancel()
	a.wg.Wait()
}

// schedule runs the cycles of one app until the server stops: at its interval,
// and at once when its source reports a change.
func (a *apps) schedule(id string) {
	for {
		app, err := a.server.db.App(a.ctx, id)
		if err != nil {
			if a.ctx.Err() == nil {
				a.log.Error("the app cannot be read; it is no longer provisioned", "app", id, "error", err)
			}
			return
		}
		if _, err := a.run(a.ctx, app, RunOptions{}); err != nil && a.ctx.Err() == nil {
			a.log.Warn("a cycle did not come to its end; the next one goes on with it", "app", id, "problem", err)
		}
		if !a.waitForWork(app) {
			return
		}
	}
}

// waitForWork returns true when the interval is over or the source changed, and
// false when the server stops.
func (a *apps) waitForWork(app *provision.App) bool {
	ctx, cancel := context.WithTimeout(a.ctx, app.Interval)
	defer cancel()
	var changed <-chan struct{}
	if src, err := openSource(app); err == nil {
		if w, ok := src.(watcher); ok {
			changed = w.Watch(ctx)
		}
	}
	select {
	case <-changed:
	case <-ctx.Done():
	}
	return a.ctx.Err() == nil
}

// A watcher is a source that can say at once that something changed.
type watcher interface {
	Watch(ctx context.Context) <-chan struct{}
}

func openSource(app *provision.App) (provision.Source, error) {
	switch app.Source.Kind {
	case "file":
		return file.Open(file.Options{Path: app.Source.Path})
	default:
		return nil, fmt.Errorf("app %q has a source of kind %q, which this lockstep does not know", app.Name, app.Source.Kind)
	}
}

// RunOptions adjust one cycle.
type RunOptions struct {
	// AllowRemovals lets the cycle through the deletion guard.
	AllowRemovals bool
	// Progress and Problems are passed to the engine.
	Progress func(provision.Progress)
	Problems func(provision.Problem)
}

// run carries one cycle of an app out.
func (a *apps) run(ctx context.Context, app *provision.App, o RunOptions) (*provision.Cycle, error) {
	lock := a.lockOf(app.ID)
	lock.Lock()
	defer lock.Unlock()
	src, err := openSource(app)
	if err != nil {
		return nil, &provision.SourceError{Err: err}
	}
	base := app.Target.BaseURL
	if app.Target.AccountID != "" {
		base = a.server.TenantURL()
	}
	target, err := client.New(client.Options{BaseURL: base, Token: secret.NewText(app.Secret), Log: a.log.With("app", app.ID)})
	if err != nil {
		return nil, err
	}
	users, groups := scim.UserType(), scim.GroupType()
	job, err := app.Job(users, groups)
	if err != nil {
		return nil, err
	}
	e := &provision.Engine{Job: job, Source: src, Target: target, Ledger: a.server.db.Ledger(app.ID), Guard: app.Guard,
		AllowRemovals: o.AllowRemovals, Log: a.log.With("app", app.ID), Progress: o.Progress, Problems: o.Problems}
	c, err := e.Run(ctx)
	if c != nil {
		a.server.metrics.observeCycle(app.ID, c, err)
	}
	return c, err
}

func (a *apps) lockOf(id string) *sync.Mutex {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, ok := a.locks[id]
	if !ok {
		l = &sync.Mutex{}
		a.locks[id] = l
	}
	return l
}

// App returns an app's configuration.
func (s *Server) App(ctx context.Context, id string) (*provision.App, error) {
	return s.db.App(ctx, id)
}

// SaveApp creates an app, or replaces the one with its ID. An app whose target
// is one of our accounts gets a token of its own when it has none.
func (s *Server) SaveApp(ctx context.Context, app *provision.App, assignments []provision.Assignment) error {
	if app.Target.AccountID != "" && app.Secret == "" {
		_, token, err := s.accounts.CreateToken(ctx, app.Target.AccountID, "app "+app.Name, 0)
		if err != nil {
			return err
		}
		app.Secret = token.Reveal()
	}
	if _, err := app.Job(scim.UserType(), scim.GroupType()); err != nil {
		return err
	}
	err := s.db.UpdateApp(ctx, app)
	var missing *provision.AppNotFoundError
	if errors.As(err, &missing) {
		app.Created = time.Now()
		err = s.db.CreateApp(ctx, app)
	}
	if err != nil {
		return err
	}
	return s.db.Ledger(app.ID).SetAssignments(ctx, assignments)
}

// RunApp carries one cycle of an app out now.
func (s *Server) RunApp(ctx context.Context, id string, o RunOptions) (*provision.Cycle, error) {
	app, err := s.db.App(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.apps.run(ctx, app, o)
}

// WaitForChange waits until the app's source changed or its interval is over.
// It returns false when ctx is done.
func (s *Server) WaitForChange(ctx context.Context, app *provision.App) bool {
	done := make(chan bool, 1)
	go func() { done <- s.apps.waitForWork(app) }()
	select {
	case ok := <-done:
		return ok && ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Log yields what a cycle did, object by object.
func (s *Server) Log(ctx context.Context, app string, cycle int64) func(func(*provision.Item, error) bool) {
	return s.db.Ledger(app).PlanItems(ctx, cycle)
}

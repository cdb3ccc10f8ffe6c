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
	"lockstep/internal/store"
)

// apps runs the engines. Cycles of one app never overlap.
type apps struct {
	server *Server
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	states map[string]*appState
}

// An appState is what goes on with one app. Its members but cycle are guarded
// by apps.mu.
type appState struct {
	// cycle is held while a cycle runs.
	cycle sync.Mutex
	// changed is closed when the configuration changes, and then replaced.
	changed chan struct{}
	// scheduled: a goroutine runs the app's schedule.
	scheduled bool
	// interrupt ends the cycle under way.
	interrupt context.CancelFunc
	// removed apps run no cycle any more.
	removed bool
	watch   *sourceWatch
}

func newApps(s *Server, log *slog.Logger) *apps {
	ctx, cancel := context.WithCancel(context.Background())
	return &apps{server: s, log: log, ctx: ctx, cancel: cancel, states: map[string]*appState{}}
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
			a.refresh(app.ID)
		}
	}
}

func (a *apps) stop() {
	a.mu.Lock()
	a.cancel() // from here on refresh starts nothing
	a.mu.Unlock()
	a.wg.Wait()
}

// state returns the state of an app; the caller holds a.mu.
func (a *apps) state(id string) *appState {
	st, ok := a.states[id]
	if !ok {
		st = &appState{changed: make(chan struct{})}
		a.states[id] = st
	}
	return st
}

// refresh makes the schedule of an app look at its configuration now: it starts
// when the app is new or no longer paused, and ends when it is paused.
func (a *apps) refresh(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := a.state(id)
	close(st.changed)
	st.changed = make(chan struct{})
	if !st.scheduled && a.ctx.Err() == nil {
		st.scheduled = true
		a.wg.Go(func() { a.schedule(id, st) })
	}
}

// changed returns a channel that is closed at the next [apps.refresh].
func (a *apps) changed(id string) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state(id).changed
}

// leave ends a schedule, unless the app was refreshed after seen was taken.
func (a *apps) leave(st *appState, seen <-chan struct{}) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if st.changed != seen && a.ctx.Err() == nil {
		return false
	}
	st.scheduled = false
	return true
}

// schedule runs the cycles of one app until it is paused or removed or the
// server stops: at its interval, and at once when its source or its
// configuration changes.
func (a *apps) schedule(id string, st *appState) {
	for {
		a.mu.Lock()
		changed, removed := st.changed, st.removed
		st.scheduled = !removed
		a.mu.Unlock()
		if removed {
			return
		}
		// The app is read after changed was taken, so that no change is missed.
		app, err := a.server.db.App(a.ctx, id)
		var missing *provision.AppNotFoundError
		if scim.IsType(err, scim.Unavailable) {
			a.wait(databaseBack)
			continue
		}
		if err != nil && a.ctx.Err() == nil && !errors.As(err, &missing) {
			a.log.Error("the app cannot be read; it is no longer provisioned", "app", id, "error", err)
		}
		if err != nil || app.Paused {
			if a.leave(st, changed) {
				return
			}
			continue
		}
		var elsewhere *ElsewhereError
		if _, err := a.run(a.ctx, id, RunOptions{}); err != nil && a.ctx.Err() == nil && !errors.As(err, &missing) && !errors.As(err, &elsewhere) {
			a.log.Warn("a cycle did not come to its end; the next one goes on with it", "app", id, "problem", err)
		}
		a.waitForWork(a.ctx, app, changed)
	}
}

// databaseBack is how long a schedule waits for a database that cannot be used.
const databaseBack = 15 * time.Second

func (a *apps) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.ctx.Done():
	}
}

// waitForWork returns when the interval is over, when the source or the
// configuration changed, or when ctx is done.
func (a *apps) waitForWork(ctx context.Context, app *provision.App, changed <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, app.Interval)
	defer cancel()
	select {
	case <-a.watched(app):
	case <-changed:
	case <-ctx.Done():
	}
}

// A sourceWatch is a watch over an app's source. It outlives cycles, so that a
// change made while one runs, or just after it has read, is not missed.
type sourceWatch struct {
	source  provision.SourceConfig
	changed <-chan struct{}
	stop    context.CancelFunc
}

// watched returns a channel that tells of changes of the app's source since the
// first call for that source; nil when the source cannot tell.
func (a *apps) watched(app *provision.App) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := a.state(app.ID)
	if st.watch != nil && st.watch.source == app.Source {
		return st.watch.changed
	}
	if st.watch != nil {
		st.watch.stop()
		st.watch = nil
	}
	src, err := openSource(app)
	if err != nil {
		return nil
	}
	w, ok := src.(watcher)
	if !ok {
		return nil
	}
	ctx, stop := context.WithCancel(a.ctx)
	st.watch = &sourceWatch{app.Source, w.Watch(ctx), stop}
	return st.watch.changed
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
func (a *apps) run(ctx context.Context, id string, o RunOptions) (*provision.Cycle, error) {
	ctx, done, err := a.enter(ctx, id)
	if err != nil {
		return nil, err
	}
	defer done()
	// What a change of the configuration affects is marked first and the
	// configuration read second: a change in between is seen twice, never missed.
	if err := a.server.db.MarkChanged(ctx, id); err != nil {
		return nil, err
	}
	app, err := a.server.db.App(ctx, id)
	if err != nil {
		return nil, err
	}
	// The watch begins before the source is read.
	a.watched(app)
	src, err := openSource(app)
	if err != nil {
		return nil, &provision.SourceError{Err: err}
	}
	target, err := a.target(app)
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

// target returns the client of the app's target; an account of ours is reached
// over HTTP like any other endpoint.
func (a *apps) target(app *provision.App) (*client.Client, error) {
	base := app.Target.BaseURL
	if app.Target.AccountID != "" {
		base = a.server.TenantURL()
	}
	return client.New(client.Options{BaseURL: base, Token: secret.NewText(app.Secret), Log: a.log.With("app", app.ID)})
}

// enter waits for the cycle under way and keeps others out until done is called.
func (a *apps) enter(ctx context.Context, id string) (_ context.Context, done func(), err error) {
	a.mu.Lock()
	st := a.state(id)
	a.mu.Unlock()
	st.cycle.Lock()
	defer func() {
		if err != nil {
			st.cycle.Unlock()
		}
	}()
	ctx, release, err := a.server.db.Exclusive(ctx, "app/"+id)
	if errors.Is(err, store.ErrElsewhere) {
		return nil, nil, &ElsewhereError{id}
	}
	if err != nil {
		return nil, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if st.removed {
		release()
		return nil, nil, &provision.AppNotFoundError{ID: id}
	}
	ctx, interrupt := context.WithCancel(ctx)
	st.interrupt = interrupt
	return ctx, func() {
		interrupt()
		release()
		st.cycle.Unlock()
	}, nil
}

// An ElsewhereError says that another node runs a cycle of the app.
type ElsewhereError struct{ App string }

func (e *ElsewhereError) Error() string {
	return fmt.Sprintf("another node runs a cycle of app %q at the moment; try again when it is done", e.App)
}

// remove ends what goes on with an app, carries fn out, and lets nothing run for
// the app any more when that succeeds.
func (a *apps) remove(id string, fn func() error) error {
	a.mu.Lock()
	st := a.state(id)
	st.removed = true
	if st.interrupt != nil {
		st.interrupt()
	}
	a.mu.Unlock()
	st.cycle.Lock()
	err := fn()
	st.cycle.Unlock()
	if err != nil {
		a.mu.Lock()
		st.removed = false
		a.mu.Unlock()
		a.refresh(id)
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	// Whoever waits holds the old state and finds it removed; an app that is
	// added under the same ID starts with a new one.
	delete(a.states, id)
	close(st.changed)
	return nil
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
	return s.apps.run(ctx, id, o)
}

// WaitForChange waits until the app's source or configuration changed or its
// interval is over. It returns false when ctx is done or the server stops.
func (s *Server) WaitForChange(ctx context.Context, app *provision.App) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.apps.ctx, cancel)()
	changed := s.apps.changed(app.ID)
	// A change made while the last cycle ran is not waited for.
	if already, err := s.db.Changed(ctx, app.ID); err != nil || !already {
		s.apps.waitForWork(ctx, app, changed)
	}
	return ctx.Err() == nil
}

// Log yields what a cycle did, object by object.
func (s *Server) Log(ctx context.Context, app string, cycle int64) func(func(*provision.Item, error) bool) {
	return s.db.Ledger(app).PlanItems(ctx, cycle)
}

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"lockstep/internal/account"
	"lockstep/internal/api"
	"lockstep/internal/provision"
	"lockstep/internal/scim"
)

// addTestApp adds an account and an app, paused, that provisions everybody of a
// file with n people into it.
func addTestApp(t *testing.T, s *Server, n int) *api.App {
	t.Helper()
	if _, err := s.AddAccount(t.Context(), api.NewAccount{Kind: account.KindEmbedded, Name: "lab"}); err != nil {
		t.Fatal(err)
	}
	people := "["
	for i := range n {
		if i > 0 {
			people += ","
		}
		people += fmt.Sprintf(`{"id":"%d","userPrincipalName":"p%d@acme.example","displayName":"P %d","jobTitle":"clerk","accountEnabled":true}`, i, i, i)
	}
	path := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(path, []byte(people+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := s.AddApp(t.Context(), api.NewApp{Name: "App", Source: provision.SourceConfig{Kind: "file", Path: path},
		Target: provision.TargetConfig{AccountID: "lab"}, SyncAll: true, Paused: true})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func runApp(t *testing.T, s *Server, id string) provision.Counts {
	t.Helper()
	c, err := s.RunApp(t.Context(), id, RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Counts
}

// upperTitles changes the schema so that everybody differs.
func upperTitles(t *testing.T, s *Server, id string) {
	t.Helper()
	schema, err := s.AppSchema(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Schema.Mapping(provision.User).SetExpression("title", "ToUpper([jobTitle])"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutAppSchema(t.Context(), id, *schema); err != nil {
		t.Fatal(err)
	}
}

func TestSchemaChangeReachesEverybody(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), io.Discard)
	a := addTestApp(t, s, 3)
	if c := runApp(t, s, a.ID); c.Created != 3 {
		t.Fatalf("the first cycle created %d people, want 3", c.Created)
	}
	upperTitles(t, s, a.ID)
	if c := runApp(t, s, a.ID); c.Updated != 3 {
		t.Errorf("after the change %d people were updated, want 3", c.Updated)
	}
	if c := runApp(t, s, a.ID); c.Changed != 0 {
		t.Errorf("the cycle after it looked at %d objects again", c.Changed)
	}
	// Putting what is there already changes nothing.
	before, err := s.AppSchema(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	after, err := s.PutAppSchema(t.Context(), a.ID, *before)
	if err != nil || after.Revision != before.Revision {
		t.Errorf("the same schema made revision %d of %d, %v", after.Revision, before.Revision, err)
	}
	// Somebody else was faster.
	before.Revision--
	before.Schema.Mapping(provision.User).Remove("title")
	_, err = s.PutAppSchema(t.Context(), a.ID, *before)
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != 409 {
		t.Errorf("a change to an older revision = %v, want a conflict", err)
	}
}

// TestSchemaChangeDuringCycle changes the schema while a cycle is under way: the
// cycle ends by the old one, and the change is not lost on the next.
func TestSchemaChangeDuringCycle(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), io.Discard)
	a := addTestApp(t, s, 3)
	runApp(t, s, a.ID)
	_, done, err := s.apps.enter(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	upperTitles(t, s, a.ID)
	n, err := s.db.Ledger(a.ID).CountMarked(t.Context(), provision.User)
	if err != nil || n != 0 {
		t.Errorf("%d objects are marked under the cycle's feet, %v", n, err)
	}
	done()
	if c := runApp(t, s, a.ID); c.Updated != 3 {
		t.Errorf("the next cycle updated %d people, want 3", c.Updated)
	}
}

// TestRemoveAppDuringCycle ends the cycle under way, and lets none begin.
func TestRemoveAppDuringCycle(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), io.Discard)
	a := addTestApp(t, s, 1)
	app, err := s.App(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	ctx, done, err := s.apps.enter(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	removed := make(chan error)
	go func() { removed <- s.RemoveApp(context.Background(), a.ID) }()
	<-ctx.Done() // the cycle is told to end
	select {
	case err := <-removed:
		t.Errorf("the app was removed under the cycle's feet: %v", err)
	default:
	}
	done()
	if err := <-removed; err != nil {
		t.Fatal(err)
	}
	var missing *provision.AppNotFoundError
	if _, err := s.RunApp(t.Context(), a.ID, RunOptions{}); !errors.As(err, &missing) {
		t.Errorf("a cycle of a removed app = %v, want an *AppNotFoundError", err)
	}
	if _, _, err := s.accounts.Authenticate(t.Context(), app.Secret); !scim.IsType(err, scim.Unauthenticated) {
		t.Errorf("the app's token still lets in: %v", err)
	}
	// The name is free again.
	if _, err := s.AddApp(t.Context(), api.NewApp{Name: "App", Source: app.Source, Target: app.Target, Paused: true}); err != nil {
		t.Error(err)
	}
	runApp(t, s, a.ID)
}

// TestScheduleFollowsPause lets an app pause and go on many times, and wants
// what the last word says.
func TestScheduleFollowsPause(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), io.Discard)
	a := addTestApp(t, s, 1)
	set := func(paused bool) {
		if _, err := s.ChangeApp(t.Context(), a.ID, api.AppChange{Paused: &paused}); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		set(false)
		set(true)
	}
	set(false)
	// Schedules that were told to end meanwhile must not take the last one along.
	for range 100 {
		s.apps.mu.Lock()
		scheduled := s.apps.state(a.ID).scheduled
		s.apps.mu.Unlock()
		if !scheduled {
			t.Fatal("the app is not scheduled")
		}
		runApp(t, s, a.ID)
	}
}

// TestWaitForChange returns at once when the configuration changed meanwhile.
func TestWaitForChange(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), io.Discard)
	a := addTestApp(t, s, 1)
	runApp(t, s, a.ID)
	app, err := s.App(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	upperTitles(t, s, a.ID)
	if !s.WaitForChange(t.Context(), app) {
		t.Error("WaitForChange was not told of the change")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s.WaitForChange(ctx, app) {
		t.Error("WaitForChange went on although its context was done")
	}
}

func TestAddAppRefuses(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), io.Discard)
	good := addTestApp(t, s, 1)
	tests := []struct {
		name   string
		change func(*api.NewApp)
	}{
		{"a name without letters", func(n *api.NewApp) { n.Name = "!?" }},
		{"a relative path", func(n *api.NewApp) { n.Source.Path = "users.json" }},
		{"an unknown source", func(n *api.NewApp) { n.Source.Kind = "carrier pigeon" }},
		{"no target", func(n *api.NewApp) { n.Target = provision.TargetConfig{} }},
		{"two targets", func(n *api.NewApp) { n.Target.BaseURL = "https://x.example" }},
		{"an unknown account", func(n *api.NewApp) { n.Target.AccountID = "none" }},
		{"a token for an account", func(n *api.NewApp) { n.Token = "x" }},
		{"a URL with a password", func(n *api.NewApp) { n.Target = provision.TargetConfig{BaseURL: "https://a:b@x.example"} }},
		{"a URL of a file", func(n *api.NewApp) { n.Target = provision.TargetConfig{BaseURL: "file:///etc/passwd"} }},
		{"a target that lets nobody in", func(n *api.NewApp) {
			n.Target, n.Token = provision.TargetConfig{BaseURL: s.TenantURL()}, "wrong"
		}},
		{"a guard of 101 percent", func(n *api.NewApp) { n.Guard = &provision.Guard{Percent: 101} }},
		{"an interval of a second", func(n *api.NewApp) { n.IntervalSeconds = 1 }},
		{"a name that is taken", func(n *api.NewApp) { n.Name = "App" }},
	}
	tokens := func() int {
		list, err := s.Tokens(t.Context(), "lab")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, k := range list {
			if k.RevokedAt.IsZero() {
				n++
			}
		}
		return n
	}
	before := tokens()
	for _, tt := range tests {
		n := api.NewApp{Name: "other", Source: good.Source, Target: good.Target, Paused: true}
		tt.change(&n)
		if a, err := s.AddApp(t.Context(), n); err == nil {
			t.Errorf("%s made app %q", tt.name, a.ID)
		}
	}
	apps, err := s.ListApps(t.Context())
	if err != nil || len(apps) != 1 {
		t.Errorf("there are %d apps, %v; want 1", len(apps), err)
	}
	if got := tokens(); got != before {
		t.Errorf("%d tokens are valid, want the %d of before", got, before)
	}
}

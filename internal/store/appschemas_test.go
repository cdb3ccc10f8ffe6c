package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
)

// openSealed opens a database that can hold secrets.
func openSealed(t *testing.T, o Options) *DB {
	t.Helper()
	o.Sealer = testSealer(t)
	return openWith(t, o)
}

func addTestApp(t *testing.T, db *DB, id string) *provision.App {
	t.Helper()
	s, err := provision.Template("scim")
	if err != nil {
		t.Fatal(err)
	}
	a := &provision.App{ID: id, Name: id, Schema: s, Secret: "first secret", Interval: time.Minute, Created: time.Unix(1, 0).UTC()}
	if err := db.CreateApp(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

// stageTest stages users 1 to 4 and a group with users 2 and 3, all settled.
func stageTest(t *testing.T, db *DB, app string) *Ledger {
	t.Helper()
	l := &Ledger{db, app}
	var changes []provision.Change
	for i := range 4 {
		changes = append(changes, provision.Change{Object: &provision.Object{Type: provision.User, ID: fmt.Sprint(i + 1), Attributes: map[string]expression.Value{}}})
	}
	changes = append(changes, provision.Change{Object: &provision.Object{Type: provision.Group, ID: "g", Members: []string{"2", "3"}}})
	if err := l.Stage(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	settle(t, db, app)
	return l
}

func settle(t *testing.T, db *DB, app string) {
	t.Helper()
	err := db.write(t.Context(), appRealm(app), func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE objects SET mark = 0 WHERE app = $1`, app)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// marked returns the IDs of the marked objects of an app, users first.
func marked(t *testing.T, l *Ledger) []string {
	t.Helper()
	ids := []string{}
	for _, typ := range []provision.ObjectType{provision.User, provision.Group} {
		list, err := l.Marked(t.Context(), typ, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			ids = append(ids, m.Object.ID)
		}
	}
	return ids
}

func TestSchemaHistory(t *testing.T) { onEach(t, testSchemaHistory) }

func testSchemaHistory(t *testing.T, o Options) {
	db := openSealed(t, o)
	ctx := t.Context()
	app := addTestApp(t, db, "a")
	addTestApp(t, db, "b")

	_, revision, err := db.Schema(ctx, "a")
	if err != nil || revision != 1 {
		t.Fatalf("a new app's schema has revision %d, %v; want 1", revision, err)
	}
	next := app.Schema.Clone()
	next.Mapping(provision.User).Remove("title")
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	if revision, err = db.ReplaceSchema(ctx, "a", next, 1, at); err != nil || revision != 2 {
		t.Fatalf("ReplaceSchema = %d, %v; want 2", revision, err)
	}
	// A second change to what is no longer there is refused and changes nothing.
	var changed *SchemaChangedError
	if _, err := db.ReplaceSchema(ctx, "a", app.Schema, 1, at); !errors.As(err, &changed) || changed.Is != 2 {
		t.Fatalf("a change to revision 1 = %v, want a *SchemaChangedError that names 2", err)
	}
	if revision, err = db.ReplaceSchema(ctx, "a", app.Schema, 0, at.Add(time.Hour)); err != nil || revision != 3 {
		t.Fatalf("an unconditional change = %d, %v; want 3", revision, err)
	}
	history, err := db.SchemaHistory(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]SchemaRevision{{2, at.Add(time.Hour)}, {1, at}}, history); diff != "" {
		t.Errorf("the history (-want +got):\n%s", diff)
	}
	got, err := db.EarlierSchema(ctx, "a", 2)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(next)
	if have, _ := json.Marshal(got); string(have) != string(want) {
		t.Error("the earlier schema is not as it was stored")
	}
	stored, err := db.App(ctx, "a")
	if err != nil || stored.Secret != "first secret" || stored.Name != "a" {
		t.Errorf("the app after its schema was replaced: %+v, %v", stored, err)
	}
	if h, err := db.SchemaHistory(ctx, "b"); err != nil || len(h) != 0 {
		t.Errorf("the history of another app = %v, %v", h, err)
	}
	var missing *RevisionNotFoundError
	if _, err := db.EarlierSchema(ctx, "a", 9); !errors.As(err, &missing) {
		t.Errorf("an unknown revision = %v, want a *RevisionNotFoundError", err)
	}
	var noApp *provision.AppNotFoundError
	if _, _, err := db.Schema(ctx, "none"); !errors.As(err, &noApp) {
		t.Errorf("the schema of no app = %v, want an *AppNotFoundError", err)
	}
	if _, err := db.ReplaceSchema(ctx, "none", next, 0, at); !errors.As(err, &noApp) {
		t.Errorf("replacing the schema of no app = %v, want an *AppNotFoundError", err)
	}
}

func TestSchemaHistoryIsBounded(t *testing.T) { onEach(t, testSchemaHistoryIsBounded) }

func testSchemaHistoryIsBounded(t *testing.T, o Options) {
	db := openSealed(t, o)
	app := addTestApp(t, db, "a")
	small := &provision.Schema{}
	for range keptSchemas + 5 {
		if _, err := db.ReplaceSchema(t.Context(), "a", small, 0, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	history, err := db.SchemaHistory(t.Context(), "a")
	if err != nil || len(history) != keptSchemas || history[0].Revision != keptSchemas+5 {
		t.Errorf("%d earlier schemas are kept, the newest %v, %v; want %d", len(history), history[0], err, keptSchemas)
	}
	if _, revision, err := db.Schema(t.Context(), app.ID); err != nil || revision != keptSchemas+6 {
		t.Errorf("the revision is %d, %v; want %d", revision, err, keptSchemas+6)
	}
}

// TestReplaceSchemaOnce lets many change the same revision at once: one wins.
func TestReplaceSchemaOnce(t *testing.T) { onEach(t, testReplaceSchemaOnce) }

func testReplaceSchemaOnce(t *testing.T, o Options) {
	db := openSealed(t, o)
	app := addTestApp(t, db, "a")
	var mu sync.Mutex
	var won, lost int
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := db.ReplaceSchema(context.Background(), "a", app.Schema, 1, time.Now())
			mu.Lock()
			defer mu.Unlock()
			var changed *SchemaChangedError
			switch {
			case err == nil:
				won++
			case errors.As(err, &changed):
				lost++
			}
		})
	}
	wg.Wait()
	if won != 1 || lost != 7 {
		t.Errorf("%d changes won and %d lost, want 1 and 7", won, lost)
	}
}

func TestMarkChanged(t *testing.T) { onEach(t, testMarkChanged) }

func testMarkChanged(t *testing.T, o Options) {
	user := func(id string) provision.Assignment {
		return provision.Assignment{PrincipalType: provision.User, PrincipalID: id}
	}
	group := provision.Assignment{PrincipalType: provision.Group, PrincipalID: "g"}
	tests := []struct {
		name   string
		change func(*DB) error
		want   []string
	}{
		{"nothing", func(*DB) error { return nil }, []string{}},
		{"the schema", func(db *DB) error {
			_, err := db.ReplaceSchema(t.Context(), "a", &provision.Schema{}, 0, time.Now())
			return err
		}, []string{"1", "2", "3", "4", "g"}},
		{"a setting of no consequence", func(db *DB) error {
			return db.ChangeApp(t.Context(), "a", func(a *provision.App) (bool, error) { a.Paused = true; return false, nil })
		}, []string{}},
		{"the scope", func(db *DB) error {
			return db.ChangeApp(t.Context(), "a", func(a *provision.App) (bool, error) { a.SyncAll = true; return true, nil })
		}, []string{"1", "2", "3", "4", "g"}},
		{"a user assigned", func(db *DB) error { return db.Assign(t.Context(), "a", user("4")) }, []string{"4"}},
		{"somebody unknown assigned", func(db *DB) error { return db.Assign(t.Context(), "a", user("9")) }, []string{}},
		{"a group assigned", func(db *DB) error { return db.Assign(t.Context(), "a", group) }, []string{"2", "3", "g"}},
		{"a group unassigned", func(db *DB) error {
			if err := db.Ledger("a").SetAssignments(t.Context(), []provision.Assignment{group}); err != nil {
				return err
			}
			was, err := db.Unassign(t.Context(), "a", provision.Ref{Type: provision.Group, ID: "g"})
			if !was {
				return errors.Join(err, errors.New("it was not assigned"))
			}
			return err
		}, []string{"2", "3", "g"}},
		{"nobody unassigned", func(db *DB) error {
			was, err := db.Unassign(t.Context(), "a", provision.Ref{Type: provision.User, ID: "1"})
			if was {
				return errors.New("it was assigned")
			}
			return err
		}, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := openSealed(t, another(t, o))
			addTestApp(t, db, "a")
			addTestApp(t, db, "b")
			l, other := stageTest(t, db, "a"), stageTest(t, db, "b")
			if err := tt.change(db); err != nil {
				t.Fatal(err)
			}
			// Marks come only between two cycles.
			if got := marked(t, l); len(got) > 0 {
				t.Errorf("marked at once: %v", got)
			}
			if any, err := db.Changed(t.Context(), "a"); err != nil || any != (len(tt.want) > 0 || tt.name == "somebody unknown assigned") {
				t.Errorf("Changed = %v, %v", any, err)
			}
			for range 2 { // the second time changes nothing
				if err := db.MarkChanged(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, marked(t, l)); diff != "" {
					t.Errorf("marked (-want +got):\n%s", diff)
				}
			}
			settle(t, db, "a")
			if err := db.MarkChanged(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			if got := append(marked(t, l), marked(t, other)...); len(got) > 0 {
				t.Errorf("marked again, or of another app: %v", got)
			}
		})
	}
}

func TestChangeApp(t *testing.T) { onEach(t, testChangeApp) }

func testChangeApp(t *testing.T, o Options) {
	db := openSealed(t, o)
	ctx := t.Context()
	before := addTestApp(t, db, "a")
	broken := errors.New("no")
	if err := db.ChangeApp(ctx, "a", func(a *provision.App) (bool, error) { a.Name = "x"; return true, broken }); !errors.Is(err, broken) {
		t.Errorf("an error of change = %v", err)
	}
	err := db.ChangeApp(ctx, "a", func(a *provision.App) (bool, error) {
		if a.Secret != "" || a.Schema != nil {
			t.Error("change sees the secret or the schema")
		}
		a.ID, a.Created, a.Name = "z", time.Unix(9, 0), "renamed"
		return false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.App(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "renamed" || got.Secret != "first secret" || !got.Created.Equal(before.Created) || got.Schema.Mapping(provision.User) == nil {
		t.Errorf("the changed app is %+v", got)
	}
	if err := db.ChangeApp(ctx, "a", func(a *provision.App) (bool, error) { a.Secret = "second"; return false, nil }); err != nil {
		t.Fatal(err)
	}
	if got, err = db.App(ctx, "a"); err != nil || got.Secret != "second" {
		t.Errorf("the secret was not replaced: %v", err)
	}
	var noApp *provision.AppNotFoundError
	if err := db.ChangeApp(ctx, "none", func(*provision.App) (bool, error) { return false, nil }); !errors.As(err, &noApp) {
		t.Errorf("changing no app = %v, want an *AppNotFoundError", err)
	}
	if err := db.Assign(ctx, "none", provision.Assignment{PrincipalType: provision.User, PrincipalID: "1"}); !errors.As(err, &noApp) {
		t.Errorf("assigning to no app = %v, want an *AppNotFoundError", err)
	}
}

func TestRemoveApp(t *testing.T) { onEach(t, testRemoveApp) }

func testRemoveApp(t *testing.T, o Options) {
	db := openSealed(t, o)
	ctx := t.Context()
	app := addTestApp(t, db, "a")
	stageTest(t, db, "a")
	if _, err := db.ReplaceSchema(ctx, "a", app.Schema, 0, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := db.RemoveApp(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"apps", "objects", "assignments", "app_schemas", "app_changes"} {
		var n int
		if err := db.read(ctx, func(tx *Tx) error { return tx.Row(`SELECT count(*) FROM `+table, nil, &n) }); err != nil || n != 0 {
			t.Errorf("%s still has %d rows, %v", table, n, err)
		}
	}
	var noApp *provision.AppNotFoundError
	if err := db.RemoveApp(ctx, "a"); !errors.As(err, &noApp) {
		t.Errorf("removing it again = %v, want an *AppNotFoundError", err)
	}
}

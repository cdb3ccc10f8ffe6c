package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"lockstep/internal/store/postgrestest"
)

// onEach runs a test on each kind of database. Its options are those of a fresh
// one, which may be opened more than once.
func onEach(t *testing.T, test func(t *testing.T, o Options)) {
	t.Parallel()
	for name, options := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, options(t))
		})
	}
}

var kinds = map[string]func(testing.TB) Options{
	"SQLite":     func(tb testing.TB) Options { return Options{Path: filepath.Join(tb.TempDir(), "lockstep.db")} },
	"PostgreSQL": func(tb testing.TB) Options { return Options{URL: postgrestest.URL(tb)} },
}

// another returns the options of another fresh database of the same kind.
func another(tb testing.TB, o Options) Options {
	if o.URL != "" {
		return kinds["PostgreSQL"](tb)
	}
	return kinds["SQLite"](tb)
}

func openWith(tb testing.TB, o Options) *DB {
	tb.Helper()
	db, err := Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

func openTestPath(tb testing.TB, path string) *DB {
	tb.Helper()
	return openWith(tb, Options{Path: path})
}

func putSetting(key string) func(*Tx) error {
	return func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO store_settings (key, value) VALUES ($1, $2)`, key, []byte("x"))
		return err
	}
}

func settings(tb testing.TB, db *DB) int {
	tb.Helper()
	var n int
	err := db.read(context.Background(), func(tx *Tx) error {
		return tx.Row(`SELECT count(*) FROM store_settings WHERE key LIKE 'k%'`, nil, &n)
	})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// hold occupies the writer until the returned function is called.
func hold(tb testing.TB, db *DB) (release func()) {
	tb.Helper()
	running, let := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := db.write(context.Background(), anyRealm, func(*Tx) error { close(running); <-let; return nil }); err != nil {
			tb.Error(err)
		}
	})
	<-running
	return func() { close(let); wg.Wait() }
}

func TestWriterGroups(t *testing.T) { onEach(t, testWriterGroups) }

func testWriterGroups(t *testing.T, o Options) {
	db := openWith(t, o)
	release := hold(t, db)
	before := db.writers[0].commits.Load()

	const n = 100
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := db.write(t.Context(), anyRealm, putSetting(fmt.Sprintf("k%d", i))); err != nil {
				t.Error(err)
			}
		})
	}
	for len(db.writers[0].queue) < n {
		yieldProcessor()
	}
	release()
	wg.Wait()
	if got := settings(t, db); got != n {
		t.Errorf("%d rows, want %d", got, n)
	}
	if got := db.writers[0].commits.Load() - before; got != 1 {
		t.Errorf("%d commits for %d waiting changes, want 1", got, n)
	}
}

func TestWriterFailureStaysAlone(t *testing.T) { onEach(t, testWriterFailureStaysAlone) }

func testWriterFailureStaysAlone(t *testing.T, o Options) {
	db := openWith(t, o)
	release := hold(t, db)

	broken := errors.New("broken")
	errs := make([]error, 9)
	panics := make([]any, 9)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			defer func() { panics[i] = recover() }()
			errs[i] = db.write(t.Context(), anyRealm, func(tx *Tx) error {
				if err := putSetting(fmt.Sprintf("k%d", i))(tx); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					return broken
				case 2:
					panic("oops")
				}
				return nil
			})
		})
	}
	for len(db.writers[0].queue) < len(errs) {
		yieldProcessor()
	}
	release()
	wg.Wait()
	for i := range errs {
		switch i % 3 {
		case 0:
			if errs[i] != nil {
				t.Errorf("change %d = %v, want success", i, errs[i])
			}
		case 1:
			if !errors.Is(errs[i], broken) {
				t.Errorf("change %d = %v, want its own error", i, errs[i])
			}
		case 2:
			if panics[i] != "oops" {
				t.Errorf("change %d panicked with %v, want its own panic in its own goroutine", i, panics[i])
			}
		}
	}
	if got := settings(t, db); got != 3 {
		t.Errorf("%d rows, want those of the 3 that succeeded", got)
	}
	if err := db.write(t.Context(), anyRealm, putSetting("k-after")); err != nil {
		t.Errorf("the writer does not go on: %v", err)
	}
}

func TestWriterSingleFailureIsUndone(t *testing.T) { onEach(t, testWriterSingleFailureIsUndone) }

func testWriterSingleFailureIsUndone(t *testing.T, o Options) {
	db := openWith(t, o)
	broken := errors.New("broken")
	err := db.write(t.Context(), anyRealm, func(tx *Tx) error {
		return errors.Join(putSetting("k1")(tx), broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("error = %v", err)
	}
	if got := settings(t, db); got != 0 {
		t.Errorf("%d rows after a failure, want 0", got)
	}
}

func TestWriterCancelled(t *testing.T) { onEach(t, testWriterCancelled) }

func testWriterCancelled(t *testing.T, o Options) {
	db := openWith(t, o)
	release := hold(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	var ran bool
	got := make(chan error)
	go func() { got <- db.write(ctx, anyRealm, func(*Tx) error { ran = true; return nil }) }()
	for len(db.writers[0].queue) < 1 {
		yieldProcessor()
	}
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled while still waiting", err)
	}
	release()
	if err := db.write(t.Context(), anyRealm, putSetting("k1")); err != nil {
		t.Fatal(err)
	}
	if ran {
		t.Error("a cancelled change ran")
	}
}

func TestWriterStartedIsAnswered(t *testing.T) { onEach(t, testWriterStartedIsAnswered) }

func testWriterStartedIsAnswered(t *testing.T, o Options) {
	db := openWith(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.write(ctx, anyRealm, func(tx *Tx) error {
		cancel()
		return putSetting("k1")(tx)
	})
	if err != nil {
		t.Errorf("error = %v; a change that has started must report its true outcome", err)
	}
	if got := settings(t, db); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
}

// A commit that fails must fail every change in it: a deferred constraint is
// checked only then.
func TestWriterCommitFails(t *testing.T) { onEach(t, testWriterCommitFails) }

func testWriterCommitFails(t *testing.T, o Options) {
	db := openWith(t, o)
	deferKeys := `PRAGMA defer_foreign_keys = ON`
	if o.URL != "" {
		deferKeys = `SET CONSTRAINTS ALL DEFERRED`
		err := db.write(t.Context(), anyRealm, func(tx *Tx) error {
			_, err := tx.Exec(`ALTER TABLE tokens ALTER CONSTRAINT tokens_account_fkey DEFERRABLE`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	release := hold(t, db)
	errs := make([]error, 3)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			errs[i] = db.write(t.Context(), anyRealm, func(tx *Tx) error {
				if err := putSetting(fmt.Sprintf("k%d", i))(tx); err != nil || i != 1 {
					return err
				}
				if _, err := tx.Exec(deferKeys); err != nil {
					return err
				}
				_, err := tx.Exec(`INSERT INTO tokens (id, account, name, hash, hint, created_at) VALUES ('t', 'nobody', '', $1, '', 0)`, []byte("hash"))
				return err
			})
		})
	}
	for len(db.writers[0].queue) < len(errs) {
		yieldProcessor()
	}
	release()
	wg.Wait()
	for i, err := range errs {
		if err == nil {
			t.Errorf("change %d was acknowledged though the commit failed", i)
		}
	}
	if got := settings(t, db); got != 0 {
		t.Errorf("%d rows, want 0", got)
	}
	if err := db.write(t.Context(), anyRealm, putSetting("k-after")); err != nil {
		t.Errorf("the writer does not go on: %v", err)
	}
}

func TestWriterAfterClose(t *testing.T) { onEach(t, testWriterAfterClose) }

func testWriterAfterClose(t *testing.T, o Options) {
	db := openWith(t, o)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.write(t.Context(), anyRealm, putSetting("k1")); !errors.Is(err, ErrClosed) {
		t.Errorf("error = %v, want ErrClosed", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
}

func TestReadersCannotWrite(t *testing.T) { onEach(t, testReadersCannotWrite) }

func testReadersCannotWrite(t *testing.T, o Options) {
	db := openWith(t, o)
	if err := db.read(t.Context(), putSetting("k1")); err == nil {
		t.Error("a read connection wrote")
	}
}

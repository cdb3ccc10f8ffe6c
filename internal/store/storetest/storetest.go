// Package storetest opens throwaway databases for tests.
package storetest

import (
	"bytes"
	"path/filepath"
	"testing"

	"lockstep/internal/secret"
	"lockstep/internal/store"
	"lockstep/internal/store/postgrestest"
)

// Open returns a fresh database in a folder of its own, closed when the test
// ends. API keys are sealed with [Sealer].
func Open(tb testing.TB) *store.DB {
	tb.Helper()
	return OpenPath(tb, filepath.Join(tb.TempDir(), "lockstep.db"))
}

// OpenPath opens the database at path and closes it when the test ends.
func OpenPath(tb testing.TB, path string) *store.DB {
	tb.Helper()
	return open(tb, store.Options{Path: path})
}

// PostgreSQL returns a fresh database on PostgreSQL, closed and dropped when the
// test ends. Without PostgreSQL the test is skipped, or fails where
// [postgrestest.Require] says so.
func PostgreSQL(tb testing.TB) *store.DB {
	tb.Helper()
	return OpenURL(tb, postgrestest.URL(tb))
}

// OpenURL opens the database at url, as one more node would, and closes it when
// the test ends.
func OpenURL(tb testing.TB, url string) *store.DB {
	tb.Helper()
	return open(tb, store.Options{URL: url})
}

// Each runs a test with a fresh database of each kind.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	for _, kind := range []struct {
		name string
		open func(testing.TB) *store.DB
	}{{"SQLite", Open}, {"PostgreSQL", PostgreSQL}} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			test(t, kind.open(t))
		})
	}
}

func open(tb testing.TB, o store.Options) *store.DB {
	tb.Helper()
	o.Sealer = Sealer(tb)
	db, err := store.Open(tb.Context(), o)
	if err != nil {
		tb.Fatalf("open a database: %v", err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("close a database: %v", err)
		}
	})
	return db
}

// Sealer returns a sealer with a key that every test shares.
func Sealer(tb testing.TB) *secret.Sealer {
	tb.Helper()
	s, err := secret.NewSealer(bytes.Repeat([]byte{7}, secret.KeySize))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Package storetest opens throwaway databases for tests.
package storetest

import (
	"bytes"
	"path/filepath"
	"testing"

	"lockstep/internal/secret"
	"lockstep/internal/store"
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
	db, err := store.Open(tb.Context(), store.Options{Path: path, Sealer: Sealer(tb)})
	if err != nil {
		tb.Fatalf("open %s: %v", path, err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("close %s: %v", path, err)
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

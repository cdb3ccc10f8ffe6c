package freshservice_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"lockstep/internal/freshservice"
	"lockstep/internal/scim"
	"lockstep/internal/store"
)

// onStore makes this process run the tests on mirrors of the real store.
const onStore = "LOCKSTEP_TEST_STORE"

func init() {
	if os.Getenv(onStore) != "" {
		newMirror = func(t testing.TB) mirror { return openStore(t, filepath.Join(t.TempDir(), "lockstep.db")) }
	}
}

// storeMirror is a mirror of the real store, as the tests need it.
type storeMirror struct {
	*store.Mirror
	t      testing.TB
	writes atomic.Int64
}

func openStore(t testing.TB, path string) *storeMirror {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &storeMirror{Mirror: db.Mirror("acme", users, groups), t: t}
}

func (m *storeMirror) Put(ctx context.Context, records ...*freshservice.Record) error {
	m.writes.Add(1)
	return m.Mirror.Put(ctx, records...)
}

func (m *storeMirror) Writes() int { return int(m.writes.Load()) }

func (m *storeMirror) Notes(t *scim.ResourceType, id string) []freshservice.Note {
	notes, err := m.Mirror.Notes(m.t.Context(), t, id)
	if err != nil {
		m.t.Error(err)
	}
	return notes
}

// TestOnTheStore runs the tests of the bridge once more, on the real store.
func TestOnTheStore(t *testing.T) {
	if os.Getenv(onStore) != "" || testing.Short() {
		t.Skip("these are those tests, or there is no time for them")
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^Test", "-test.count=1", "-rapid.checks=15", "-rapid.nofailfile")
	cmd.Env = append(os.Environ(), onStore+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Package postgrestest gives tests a PostgreSQL of their own: a throwaway
// cluster for each test binary, a fresh database for each test. The cluster is
// removed when the test binary has ended, however it ends.
//
// It needs the programs of a PostgreSQL server, such as Debian's package
// "postgresql", and no server that runs already.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Require is the environment variable that makes the absence of PostgreSQL a
// failure where it is set to 1; without it, tests that need it are skipped.
const Require = "LOCKSTEP_REQUIRE_POSTGRES"

var (
	start   sync.Once
	running *cluster
	failed  error
	number  atomic.Int64
)

// URL returns the URL of a new, empty database, which is dropped when the test
// ends. Where there is no PostgreSQL it skips the test, and says so.
func URL(tb testing.TB) string {
	tb.Helper()
	start.Do(func() { running, failed = startCluster() })
	var missing *missingError
	switch {
	case errors.As(failed, &missing) && os.Getenv(Require) != "1":
		tb.Skipf("SKIP: %v, so nothing is tested on it", failed)
	case failed != nil:
		tb.Fatalf("PostgreSQL for tests: %v", failed)
	}
	name := fmt.Sprintf("test%d", number.Add(1))
	running.run(tb, "CREATE DATABASE "+name)
	tb.Cleanup(func() { running.run(tb, "DROP DATABASE "+name+" WITH (FORCE)") })
	return running.url(name)
}

// A missingError says that PostgreSQL is not installed.
type missingError struct{ err error }

func (e *missingError) Error() string {
	return fmt.Sprintf("no PostgreSQL server is installed (%v); on Debian: apt-get install postgresql", e.err)
}

// A cluster is a running server.
type cluster struct {
	socket string
	// leash is the keeper's standard input.
	leash io.Closer
}

func (c *cluster) url(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {c.socket}, "user": {"postgres"}}.Encode()
}

func (c *cluster) run(tb testing.TB, statement string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		tb.Fatalf("connect to the cluster for tests: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// keeper starts the server, says so, and waits for its standard input to end,
// which it does with the test binary. Then it stops the server and removes what
// it left.
const keeper = `
set -eu
bin=$1 dir=$2
trap '' INT TERM HUP
"$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1
"$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 -o "$3 -k $dir -c listen_addresses=" start >>"$dir/log" 2>&1 </dev/null
echo started
read -r _ || true
"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
rm -rf "$dir"
`

// testSettings trade what only an accident would need for speed.
const testSettings = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=400 -c shared_buffers=64MB"

// durableSettings are the server's own, but for its size.
const durableSettings = "-c max_connections=400 -c shared_buffers=256MB"

// Durable is the environment variable that makes the cluster as durable as
// PostgreSQL is by default, for benchmarks.
const Durable = "LOCKSTEP_TEST_DURABLE"

func startCluster() (*cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, &missingError{err}
	}
	dir, err := os.MkdirTemp("", "lockstep-pg")
	if err != nil {
		return nil, err
	}
	settings := testSettings
	if os.Getenv(Durable) == "1" {
		settings = durableSettings
	}
	cmd := exec.Command("/bin/sh", "-c", keeper, "keeper", bin, dir, settings)
	cmd.Dir = dir
	if err := runUnprivileged(cmd, dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	// The keeper holds none of our own streams, so that nobody waits for it.
	leash, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	said := make([]byte, 16)
	if n, _ := out.Read(said); !strings.HasPrefix(string(said[:n]), "started") {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, errors.Join(fmt.Errorf("the cluster did not start:\n%s", log), os.RemoveAll(dir))
	}
	return &cluster{dir, leash}, nil
}

// programs returns the folder of initdb, the newest where there are several.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}

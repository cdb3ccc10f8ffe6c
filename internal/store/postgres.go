package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"lockstep/internal/scim"
)

// What is particular to PostgreSQL is in this file and in postgresdialect.go:
// how connections are opened and how its errors read.

const (
	// writeConns is how many connections write. Changes of one account go over
	// one of them, where they share commits.
	writeConns = 4
	// oldest is the oldest PostgreSQL that will do.
	oldest = 130000
)

// sessionSettings are those of every connection.
var sessionSettings = strings.Join([]string{
	// A statement of ours has one good plan, by an index, whatever its arguments
	// are and however small the table was when it was prepared.
	"SET enable_seqscan = off",
	"SET plan_cache_mode = force_generic_plan",
	"SET jit = off",
	"SET timezone = 'UTC'",
	// A node that stands still, or was cut off, holds the others up no longer
	// than this.
	"SET idle_in_transaction_session_timeout = '10s'",
	"SET lock_timeout = '20s'",
}, "; ")

// A DatabaseError says that a database server cannot be used.
type DatabaseError struct {
	// Database is its URL without the password.
	Database string
	// Problem is what is wrong with it, and what to do.
	Problem string
	Err     error
}

// Error names the database, what is wrong and what to do.
func (e *DatabaseError) Error() string {
	return fmt.Sprintf("the database %s cannot be used: %s", e.Database, e.Problem)
}

// Unwrap returns the cause.
func (e *DatabaseError) Unwrap() error { return e.Err }

// MaskURL returns a database URL as it may be shown: without password and
// parameters.
func MaskURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" && u.Path == "" {
		return "given by URL"
	}
	masked := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if name := u.User.Username(); name != "" {
		masked.User = url.User(name)
	}
	return masked.String()
}

// openURL opens a PostgreSQL database.
func (db *DB) openURL(ctx context.Context, o Options) (err error) {
	db.name = MaskURL(o.URL)
	unusable := func(problem string, err error) error { return &DatabaseError{db.name, problem, err} }
	if !strings.HasPrefix(o.URL, "postgres://") && !strings.HasPrefix(o.URL, "postgresql://") {
		return unusable("a database URL begins with postgres://", nil)
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// The cause quotes the URL.
		return unusable("the URL cannot be read; write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters in the password as %XX", nil)
	}
	if o.Path != "" {
		if db.lock, err = lockFile(o.Path + ".lock"); err != nil {
			return err
		}
	}
	prepareConfig(config.ConnConfig)
	u, _ := url.Parse(o.URL)
	if !u.Query().Has("pool_max_conns") {
		config.MaxConns = int32(max(8, 4*runtime.GOMAXPROCS(0)) + writeConns)
	}
	if config.MaxConns < 2 {
		return unusable("pool_max_conns must be 2 at least", nil)
	}
	listening := config.ConnConfig.Copy() // a connection that is interrupted often
	config.ConnConfig.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		// A request that is given up ends its statement, not the connection.
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: 5 * time.Second}
	}
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sessionSettings)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return unusable(err.Error(), err)
	}
	schema, err := db.greet(ctx, pool)
	if err != nil {
		pool.Close()
		return err
	}
	db.backend = openPostgres(pool, schema)
	if err := db.checkURLVersion(ctx, pool); err != nil {
		return err
	}
	if err := db.migrate(ctx); err != nil {
		return err
	}
	w := &watch{schema: schema, log: db.log, forget: db.collections.forget,
		connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, listening) }}
	if err := w.start(ctx); err != nil {
		return unusable("it lets nobody listen; behind a connection pooler, use sessions, not transactions", err)
	}
	db.watch = w
	return nil
}

func prepareConfig(c *pgx.ConnConfig) {
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "lockstep"
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	// A server that vanished is noticed within half a minute.
	dialer := &net.Dialer{Timeout: c.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	c.DialFunc = dialer.DialContext
}

// greet connects for the first time and returns the schema that tables are in.
func (db *DB) greet(ctx context.Context, pool *pgxpool.Pool) (schema string, err error) {
	var number int
	var version, encoding string
	var in *string
	err = pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding'), current_schema()::text`).
		Scan(&number, &version, &encoding, &in)
	problem := ""
	switch {
	case err != nil:
		problem = connectProblem(err)
	case number < oldest:
		problem = "it is PostgreSQL " + version + ", and 13 is the oldest that will do"
	case encoding != "UTF8":
		problem = "its encoding is " + encoding + "; create one with ENCODING 'UTF8'"
	case in == nil:
		problem = "there is no schema for its tables; create the one that search_path names"
	default:
		return *in, nil
	}
	return "", &DatabaseError{db.name, problem, err}
}

// connectProblem puts into words why no connection could be made.
func connectProblem(err error) string {
	switch code := sqlState(err); code {
	case "28P01", "28000":
		return "it refuses the user or the password; put them into the URL, or the password into the file that PGPASSFILE names"
	case "3D000":
		return "there is no such database; create it with createdb"
	case "":
		return fmt.Sprintf("it cannot be reached; see that the server runs and that host and port in the URL are right (%v)", err)
	}
	return err.Error()
}

// openPostgres makes a backend of a pool.
func openPostgres(pool *pgxpool.Pool, schema string) *backend {
	conns := int(pool.Config().MaxConns)
	b := &backend{dialect: postgresDialect{schema: schema}, writers: min(writeConns, conns/2)}
	b.readers = conns - b.writers
	db := stdlib.OpenDBFromPool(pool)
	b.open = func(ctx context.Context, writing bool) (*sql.Conn, error) {
		c, err := db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		text := "SET default_transaction_read_only = on"
		if writing {
			text = "SET default_transaction_read_only = off"
		}
		if _, err := c.ExecContext(ctx, text); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
	b.close = func() error {
		err := db.Close()
		pool.Close()
		return err
	}
	b.migrations = func() (*goose.Provider, error) {
		// Of nodes that start at once, one migrates and the others wait.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, err
		}
		return goose.NewProvider(goose.DialectPostgres, db, migrationFiles("postgres"), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	}
	return b
}

// checkURLVersion refuses the database of a newer program.
func (db *DB) checkURLVersion(ctx context.Context, pool *pgxpool.Pool) error {
	var there bool
	if err := pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, versionTable).Scan(&there); err != nil {
		return fmt.Errorf("look at %s: %w", db.name, err)
	}
	if !there {
		return nil
	}
	var have int64
	if err := pool.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied`).Scan(&have); err != nil {
		return fmt.Errorf("look at %s: %w", db.name, err)
	}
	know, err := knownVersion("postgres")
	if err == nil && have > know {
		err = &NewerError{db.name, have, know}
	}
	return err
}

// checkMasterKey refuses to share a database with nodes that seal with another
// master key: neither could read what the other has sealed.
func (db *DB) checkMasterKey(ctx context.Context) error {
	if db.sealer == nil {
		return nil
	}
	const name, text = "master key", "lockstep"
	var sealed []byte
	err := db.write(ctx, storeRealm, func(tx *Tx) error {
		return tx.Row(`INSERT INTO store_settings (key, value) VALUES ($1, $2)
			ON CONFLICT (key) DO UPDATE SET value = store_settings.value RETURNING value`,
			[]any{name, []byte(db.sealer.Seal([]byte(text), "store/"+name))}, &sealed)
	})
	if err != nil {
		return fmt.Errorf("check the master key: %w", err)
	}
	if _, err := db.sealer.Open(string(sealed), "store/"+name); err != nil {
		return &DatabaseError{db.name, "what is in it was sealed with another master key; give every node a copy of the same file and name it in LOCKSTEP_MASTER_KEY_FILE", err}
	}
	return nil
}

// installFold keeps the function [postgresDialect.fold] like [scim.Fold].
func (db *DB) installFold(ctx context.Context) error {
	body := foldBody()
	err := db.write(ctx, storeRealm, func(tx *Tx) error {
		var same bool
		err := tx.Row(`SELECT EXISTS (SELECT 1 FROM pg_proc WHERE proname = $1 AND pronamespace = to_regnamespace(current_schema()::text) AND prosrc = $2)`, []any{foldFunction, body}, &same)
		if err != nil || same {
			return err
		}
		_, err = tx.Exec(`CREATE OR REPLACE FUNCTION ` + foldFunction + `(s text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS ` + quote(body))
		return err
	})
	if err != nil {
		return fmt.Errorf("install %s: %w", foldFunction, err)
	}
	return nil
}

// foldBody returns what scim_fold does: ASCII by itself, and every other
// character that folds by a table.
func foldBody() string {
	var from, to strings.Builder
	for r := rune(0x80); r <= 0x1FFFF; r++ {
		if r >= 0xD800 && r <= 0xDFFF {
			continue
		}
		if f := scim.Fold(string(r)); f != string(r) {
			from.WriteRune(r)
			to.WriteString(f)
		}
	}
	return ` BEGIN
	IF octet_length(s) = length(s) THEN
		RETURN lower(s COLLATE "C");
	END IF;
	RETURN translate(lower(s COLLATE "C"), ` + quote(from.String()) + `, ` + quote(to.String()) + `);
END `
}

// quote returns s as a SQL string.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func postgresViolation(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "23505" {
		return e.ConstraintName
	}
	return ""
}

// lockKey is the number of the advisory lock of a realm.
func (d postgresDialect) lockKey(realm string) int64 {
	return int64(hashOf(d.schema + "\x00" + realm))
}

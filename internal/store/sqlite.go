package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"runtime"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"lockstep/internal/scim"
)

// What is particular to SQLite is in this file: how connections are opened, how
// its errors read, and its [dialect].

// dsn returns the data source name of the file with the given parameters.
func dsn(path string, params ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	// As in url.URL, but a relative path stays one.
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
}

func open(name string, conns int) *sql.DB {
	db, err := sql.Open("sqlite", name)
	if err != nil {
		// The driver is linked in and opens nothing yet.
		panic(err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

// openWriter opens the one connection that changes anything. FULL makes a
// commit wait for the disk, in WAL mode by one fsync of the log.
func openWriter(path string) *sql.DB {
	return open(dsn(path,
		"_txlock", "immediate",
		"_busy_timeout", "5000",
		"_foreign_keys", "1",
		"_pragma", "journal_mode(WAL)",
		"_pragma", "synchronous(FULL)",
		"_pragma", "cache_size(-8192)",
		"_pragma", "wal_autocheckpoint(4000)",
		"_pragma", "journal_size_limit(67108864)",
		"_pragma", "temp_store(MEMORY)",
	), 1)
}

// openReaders opens connections that cannot change anything.
func openReaders(path string, n int) *sql.DB {
	return open(dsn(path,
		"_busy_timeout", "5000",
		"_query_only", "1",
		"_pragma", "cache_size(-4096)",
		"_pragma", "temp_store(MEMORY)",
	), n)
}

// openForLook opens a file without the right to change it.
func openForLook(path string) *sql.DB {
	return open(dsn(path, "mode", "ro", "_busy_timeout", "5000"), 1)
}

func errorCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// isNotDatabase reports whether err says that the file is something else.
func isNotDatabase(err error) bool { return errorCode(err)&0xff == sqlite3.SQLITE_NOTADB }

// hasTable reports whether the database has a table of that name.
func hasTable(ctx context.Context, db *sql.DB, name string) (bool, error) {
	var n int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1`, name).Scan(&n)
	return n > 0, err
}

// foldFunction is the SQL function that folds text as keys are folded.
const foldFunction = "scim_fold"

func init() {
	sqlite.MustRegisterDeterministicScalarFunction(foldFunction, 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		if s, ok := args[0].(string); ok {
			return scim.Fold(s), nil
		}
		return args[0], nil
	})
}

// openSQLite opens the file at path, which [prepareFile] and [checkVersion] let
// through.
func openSQLite(path string) *backend {
	b := &backend{dialect: sqliteDialect{}, readers: max(4, 2*runtime.GOMAXPROCS(0)), writers: 1}
	writeDB, readDB := openWriter(path), openReaders(path, b.readers)
	b.open = func(ctx context.Context, writing bool) (*sql.Conn, error) {
		if writing {
			return writeDB.Conn(ctx)
		}
		return readDB.Conn(ctx)
	}
	// The last connection to close writes the log back into the file.
	b.close = func() error { return errors.Join(readDB.Close(), writeDB.Close()) }
	b.migrations = func() (*goose.Provider, error) {
		return goose.NewProvider(goose.DialectSQLite3, writeDB, migrationFiles("sqlite"), goose.WithDisableGlobalRegistry(true))
	}
	return b
}

// A sqliteDialect is the [dialect] of SQLite.
type sqliteDialect struct{}

func (sqliteDialect) jsonText(json string, names ...string) string {
	return "json_extract(" + json + ", " + jsonPath(names...) + ")"
}

func (sqliteDialect) jsonIs(json string, b bool, names ...string) string {
	if b {
		return "json_extract(" + json + ", " + jsonPath(names...) + ") = 1"
	}
	return "json_extract(" + json + ", " + jsonPath(names...) + ") = 0"
}

func (sqliteDialect) jsonElements(json string, names ...string) string {
	return "json_each(" + json + ", " + jsonPath(names...) + ") AS element"
}

func (sqliteDialect) jsonStrings(json string, names ...string) string {
	return "json_each(" + json + ", " + jsonPath(names...) + ") AS list"
}

func (sqliteDialect) jsonNumbers(json string) string { return "json_each(" + json + ") AS list" }
func (sqliteDialect) fold(text string) string        { return foldFunction + "(" + text + ")" }

func (sqliteDialect) contains(text, part string) string {
	return "instr(" + text + ", " + part + ") > 0"
}

func (sqliteDialect) modified(operator, value string) string {
	return "modified " + operator + " " + value
}

func (sqliteDialect) looseSeq() string { return "seq" }

// beginWrite needs no realms: there is one writer.
func (sqliteDialect) beginWrite([]string) string { return "BEGIN IMMEDIATE" }
func (sqliteDialect) beginRead() string          { return "BEGIN" }
func (sqliteDialect) spoils() bool               { return false }
func (sqliteDialect) remote() bool               { return false }
func (sqliteDialect) usable(*conn, bool) bool    { return true }

func (sqliteDialect) outage(err error) (error, bool) { return err, false }

func (sqliteDialect) stream(ctx context.Context, tx *Tx, query string, args []any, yield func(*row) (bool, error)) error {
	rows, err := tx.until(ctx).Rows(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var body sql.RawBytes // not copied: most rows of a scan are passed over
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.seq, &r.version, &r.created, &r.modified, &r.hidden, &r.id, &body); err != nil {
			return err
		}
		r.body = body
		if more, err := yield(&r); err != nil || !more {
			return err
		}
	}
	return rows.Err()
}

// SQLite runs in this process: nothing is gained by one statement for several.

func (sqliteDialect) createStatement(collection, *row, *keys) *statement  { return nil }
func (sqliteDialect) editStatement(*memberEdit, int64, *int64) *statement { return nil }
func (sqliteDialect) pipeline(*conn, []string, []*statement) (failed int, err error) {
	return -1, errApart
}

func (sqliteDialect) unsent(error) bool  { return false }
func (sqliteDialect) claimable() string  { return "" }
func (sqliteDialect) announce(*Tx) error { return nil }

func sqliteViolation(err error) string {
	if c := errorCode(err); c == sqlite3.SQLITE_CONSTRAINT_UNIQUE || c == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY {
		return err.Error()
	}
	return ""
}

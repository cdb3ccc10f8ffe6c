package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"lockstep/internal/scim"
)

// What is particular to SQLite is in this file: how connections are opened and
// how its errors read.

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
		"_pragma", "cache_size(-16384)",
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

// isDuplicate reports whether err is the violation of a unique index or key.
func isDuplicate(err error) bool {
	c := errorCode(err)
	return c == sqlite3.SQLITE_CONSTRAINT_UNIQUE || c == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
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

// jsonValue returns the expression for the value at a path of names in the
// JSON of an expression. Names have no quotes in them.
func jsonValue(json string, names ...string) string {
	return "json_extract(" + json + ", " + jsonPath(names...) + ")"
}

// jsonElements returns the table of the elements of the list at a path of names
// in body; the column "value" is the element.
func jsonElements(names ...string) string { return "json_each(body, " + jsonPath(names...) + ")" }

func jsonPath(names ...string) string {
	var b strings.Builder
	b.WriteString("'$")
	for _, name := range names {
		b.WriteString(`."`)
		b.WriteString(name)
		b.WriteByte('"')
	}
	b.WriteByte('\'')
	return b.String()
}

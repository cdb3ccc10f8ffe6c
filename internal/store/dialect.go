package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/pressly/goose/v3"
)

// A dialect is what differs between the databases. Everything else is one SQL
// text for both.
//
// JSON is that of a text column or expression; names lead into it from the
// outermost object and have neither quotes nor backslashes in them.
type dialect interface {
	// jsonText returns the expression for the string at names; NULL when it is
	// missing or null.
	jsonText(json string, names ...string) string
	// jsonIs returns the condition that the boolean at names is b.
	jsonIs(json string, b bool, names ...string) string
	// jsonElements returns the table of the elements of the list at names. Its
	// name is "element"; the others take [element] for the JSON of one.
	jsonElements(json string, names ...string) string
	// jsonStrings returns the table of the strings in the list at names. Its name
	// is "list" and that of its one column "value".
	jsonStrings(json string, names ...string) string
	// jsonNumbers is jsonStrings for a list of whole numbers.
	jsonNumbers(json string) string
	// fold returns the text as keys are folded.
	fold(text string) string
	// contains returns the condition that a text contains another.
	contains(text, part string) string
	// modified adds what an index helps with to a condition on when resources
	// were modified.
	modified(operator, value string) string
	// looseSeq returns the seq as it is written where rows are found by another
	// index and only then put in its order. Written plainly, PostgreSQL may
	// prefer to walk in that order until enough rows happen to fit.
	looseSeq() string

	// beginWrite returns the statements that begin a writer's transaction, in
	// which nobody else writes in the realms.
	beginWrite(realms []string) string
	// beginRead begins a transaction that sees one state of the database.
	beginRead() string
	// spoils reports whether a statement that fails spoils its transaction, so
	// that a change can fail alone only in a savepoint, and that costs.
	spoils() bool
	// remote reports whether each statement costs a round trip.
	remote() bool
	// usable reports whether the connection can go on: it is open, and in the
	// transaction in which it should be, one not spoiled, or in none.
	usable(c *conn, inTransaction bool) bool
	// outage returns the error to give for one that says that the database
	// cannot be used just now, and reports whether the same may succeed if it is
	// tried again at once.
	outage(err error) (out error, again bool)
	// stream runs a query for rowColumns inside of beginRead and yields its rows
	// until yield returns false. Other statements may run meanwhile. A row is
	// only valid until yield returns.
	stream(ctx context.Context, tx *Tx, query string, args []any, yield func(*row) (bool, error)) error

	// createStatement stores a new resource that clients see and that has no
	// members, and fills in n.seq. It and the following two are for databases
	// that are remote.
	createStatement(c collection, n *row, k *keys) *statement
	// editStatement edits a group's members and returns its version; it finds
	// nothing, and does nothing, when a resource that it is about has gone.
	editStatement(e *memberEdit, now int64, version *int64) *statement
	// pipeline carries out a group of statements in a transaction of its own, in
	// one round trip. Where one of them fails nothing is done, and failed is its
	// place in the list; it is -1 where it is not one of them that failed.
	pipeline(c *conn, realms []string, list []*statement) (failed int, err error)
	// unsent reports whether err says that nothing has reached the database.
	unsent(err error) bool
	// claimable ends a query for rows that no other transaction holds.
	claimable() string
	// announce tells the other nodes, with the commit, that accounts or tokens
	// have changed.
	announce(tx *Tx) error
}

// element is one row of jsonElements.
const element = "element.value"

// jsonPath returns the path as a SQL string of SQL's JSON path language, which
// SQLite's resembles as far as we use it.
func jsonPath(names ...string) string { return "'" + barePath(names) + "'" }

func barePath(names []string) string {
	var b strings.Builder
	b.WriteByte('$')
	for _, name := range names {
		b.WriteString(`."`)
		b.WriteString(name)
		b.WriteByte('"')
	}
	return b.String()
}

// Realms keep apart what may be written at the same time. Changes of one realm
// are made one after the other, whichever node makes them, so that a change may
// look and then write as if it were alone.
const (
	// anyRealm is for changes that one statement makes.
	anyRealm = ""
	// storeRealm is the store's own.
	storeRealm = "store"
	sweepRealm = "sweep"
)

func accountRealm(id string) string { return "account/" + id }
func appRealm(id string) string     { return "app/" + id }

// A backend is an opened database of one kind.
type backend struct {
	dialect
	// readers and writers are how many connections there may be for each.
	readers, writers int
	// open opens a connection.
	open  func(ctx context.Context, writing bool) (*sql.Conn, error)
	close func() error
	// migrations returns what applies the missing ones.
	migrations func() (*goose.Provider, error)
}

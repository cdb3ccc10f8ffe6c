package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"lockstep/internal/scim"
)

// A postgresDialect is the [dialect] of PostgreSQL.
type postgresDialect struct{ schema string }

// document returns JSON as jsonb. PostgreSQL knows no character U+0000, not
// even escaped; where one stands, another is seen that means nothing either.
func document(json string) string {
	if json == element {
		return json
	}
	return `replace(` + json + `, '\u0000', '\ufffd')::jsonb`
}

func (postgresDialect) jsonText(json string, names ...string) string {
	return `(jsonb_extract_path_text(` + document(json) + jsonNames(names) + `) COLLATE "C")`
}

func (postgresDialect) jsonIs(json string, b bool, names ...string) string {
	return "jsonb_extract_path(" + document(json) + jsonNames(names) + ") = '" + strconv.FormatBool(b) + "'::jsonb"
}

func jsonNames(names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(", '" + name + "'")
	}
	return b.String()
}

// elementsPath leads to the elements of the list at names; what is no list is
// its only element.
func elementsPath(names []string) string { return "'" + barePath(names) + "[*]'" }

func (postgresDialect) jsonElements(json string, names ...string) string {
	return "jsonb_path_query(" + document(json) + ", " + elementsPath(names) + ") AS element(value)"
}

func (postgresDialect) jsonStrings(json string, names ...string) string {
	return "LATERAL (SELECT item #>> '{}' AS value FROM jsonb_path_query(" + document(json) + ", " + elementsPath(names) + ") AS item) AS list"
}

func (postgresDialect) jsonNumbers(json string) string {
	return "LATERAL (SELECT item::bigint AS value FROM jsonb_path_query(" + json + "::jsonb, '$[*]') AS item) AS list"
}

func (postgresDialect) fold(text string) string { return foldFunction + "(" + text + ")" }

func (postgresDialect) contains(text, part string) string {
	return "strpos(" + text + ", " + part + ") > 0"
}

func (postgresDialect) modified(operator, value string) string {
	day := strings.TrimSuffix(operator, "=")
	return "modified_day " + day + "= (" + value + "::bigint >> 26) AND modified " + operator + " " + value
}

func (postgresDialect) looseSeq() string { return "seq + 0" }

// beginWrite takes the locks of all realms before anything else, in the order
// given, so that no two groups wait for each other.
func (d postgresDialect) beginWrite(realms []string) string {
	var b strings.Builder
	b.WriteString("BEGIN")
	for _, realm := range realms {
		b.WriteString("; SELECT pg_advisory_xact_lock(" + strconv.FormatInt(d.lockKey(realm), 10) + ")")
	}
	return b.String()
}

func (postgresDialect) beginRead() string { return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" }
func (postgresDialect) spoils() bool      { return true }
func (postgresDialect) remote() bool      { return true }

func (postgresDialect) usable(c *conn, inTransaction bool) bool {
	want := byte('I')
	if inTransaction {
		want = 'T'
	}
	ok := false
	_ = c.Raw(func(dc any) error {
		pc := dc.(*stdlib.Conn).Conn().PgConn()
		ok = !pc.IsClosed() && pc.TxStatus() == want
		return nil
	})
	return ok
}

func (postgresDialect) outage(err error) (error, bool) {
	var refusal *scim.Error
	if err == nil || errors.As(err, &refusal) {
		return err, false
	}
	unavailable := func(again bool) (error, bool) {
		return &scim.Error{Type: scim.Unavailable, Detail: "the database cannot be used at the moment; try again", RetryAfter: 5 * time.Second, Err: err}, again
	}
	switch code := sqlState(err); code {
	case "":
	case "40001", "40P01", "55P03", // serialization failure, deadlock, lock not available
		"57P01", "57P02", "57P03", // shutting down, crashed, starting
		"25006": // it has become a standby
		return unavailable(true)
	case "22021", "22P05": // the character U+0000
		return &scim.Error{Type: scim.InvalidValue, Detail: "a value holds the character U+0000, which the database cannot keep", Err: err}, false
	case "54000": // an index entry of more than a third of a page
		return &scim.Error{Type: scim.InvalidValue, Detail: "a value by which resources are found, such as userName, displayName or externalId, is longer than the database can index (about 2,600 bytes)", Err: err}, false
	default:
		if strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") { // connection, resources
			return unavailable(false)
		}
		return err, false
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return unavailable(false)
	}
	var broken net.Error
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &broken) && !broken.Timeout() || pgconn.SafeToRetry(err) {
		return unavailable(true)
	}
	return err, false
}

// fetched is how many rows of a stream are read at a time.
const fetched = 250

func (postgresDialect) stream(ctx context.Context, tx *Tx, query string, args []any, yield func(*row) (bool, error)) error {
	tx = tx.until(ctx)
	if _, err := tx.Exec("DECLARE stream NO SCROLL CURSOR FOR "+query, args...); err != nil {
		return err
	}
	rows := make([]row, 0, fetched)
	for {
		var err error
		if rows, err = fetch(tx, rows[:0]); err != nil {
			return err
		}
		for i := range rows {
			if more, err := yield(&rows[i]); err != nil {
				return err
			} else if !more {
				rows = nil
				break
			}
		}
		if len(rows) < fetched {
			_, err := tx.Exec("CLOSE stream")
			return err
		}
	}
}

func fetch(tx *Tx, list []row) ([]row, error) {
	// Not prepared: what it returns is another stream's next time.
	rows, err := tx.c.QueryContext(tx.ctx, "FETCH "+strconv.Itoa(fetched)+" FROM stream", pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := r.scan(rows); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

func (postgresDialect) createStatement(c collection, n *row, k *keys) *statement {
	return &statement{text: `WITH place AS (
			UPDATE collections SET last = last + 1, total = total + 1 WHERE num = $1 AND account IS NOT NULL
			RETURNING num AS collection, num << 40 | last AS seq, last >> 9 AS block
		), counted AS (
			INSERT INTO blocks (collection, block, n) SELECT collection, block, 1 FROM place
			ON CONFLICT (collection, block) DO UPDATE SET n = blocks.n + 1
		), addressed AS (
			INSERT INTO emails (collection, email_key, seq) SELECT collection, email, seq FROM place, unnest($12::text[]) AS email
		)
		INSERT INTO resources (seq, collection, id, version, created, modified, active, user_name_key, external_id, display_name_key, unique_display_name, body)
		SELECT seq, collection, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM place RETURNING seq`,
		args: []any{int64(c), n.id, n.version, n.created, n.modified, k.active, k.userName, k.externalID, k.displayName, k.uniqueName, string(n.body), k.emails},
		dest: []any{&n.seq}}
}

func (postgresDialect) editStatement(e *memberEdit, now int64, version *int64) *statement {
	return &statement{text: `WITH edited AS (
			SELECT version FROM resources WHERE seq = $1 AND NOT hidden
			AND (SELECT count(*) FROM resources WHERE seq = ANY ($3::bigint[]) AND NOT hidden) = $4
		), gone AS (
			DELETE FROM members WHERE group_seq = $1 AND member_seq = ANY ($2::bigint[]) AND EXISTS (SELECT 1 FROM edited) RETURNING 1
		), come AS (
			INSERT INTO members (group_seq, member_seq) SELECT $1, seq FROM unnest($3::bigint[]) AS seq WHERE EXISTS (SELECT 1 FROM edited)
			ON CONFLICT DO NOTHING RETURNING 1
		), changed AS (
			UPDATE resources SET version = version + 1, modified = greatest(modified, $5)
			WHERE seq = $1 AND (EXISTS (SELECT 1 FROM gone) OR EXISTS (SELECT 1 FROM come)) RETURNING version
		)
		SELECT coalesce((SELECT version FROM changed), version) FROM edited`,
		args: []any{e.group, e.remove, e.add, len(e.add), now},
		dest: []any{version}}
}

func (d postgresDialect) pipeline(c *conn, realms []string, list []*statement) (failed int, err error) {
	failed = -1
	raw := c.Raw(func(dc any) error {
		failed, err = d.send(dc.(*stdlib.Conn).Conn(), realms, list)
		return nil
	})
	return failed, errors.Join(err, raw)
}

func (d postgresDialect) send(c *pgx.Conn, realms []string, list []*statement) (failed int, err error) {
	ctx := context.Background()
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	for _, realm := range realms {
		batch.Queue("SELECT pg_advisory_xact_lock($1)", d.lockKey(realm))
	}
	for _, s := range list {
		batch.Queue(s.text, s.args...)
	}
	batch.Queue("COMMIT")
	results := c.SendBatch(ctx, batch)
	failed = -1
	defer func() {
		if broken := results.Close(); err == nil {
			err = broken
		}
	}()
	for range 1 + len(realms) {
		if _, err := results.Exec(); err != nil {
			return -1, fmt.Errorf("begin to write: %w", err)
		}
	}
	for i, s := range list {
		err := results.QueryRow().Scan(s.dest...)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return i, err
		}
		s.found = err == nil
	}
	tag, err := results.Exec()
	if err == nil && tag.String() != "COMMIT" {
		err = errors.New("the transaction was rolled back")
	}
	if err != nil {
		return -1, fmt.Errorf("commit: %w", err)
	}
	return -1, nil
}

func (postgresDialect) unsent(err error) bool {
	return pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn)
}

func (postgresDialect) claimable() string { return " FOR UPDATE SKIP LOCKED" }

func (d postgresDialect) announce(tx *Tx) error {
	_, err := tx.Exec(`SELECT pg_notify('`+channel+`', $1)`, d.schema)
	return err
}

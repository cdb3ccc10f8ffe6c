package store

import (
	"context"
	"database/sql"
	"strings"
)

// maxStatements bounds the prepared statements of one connection. The fixed
// texts are some dozens; filters make more.
const maxStatements = 256

// A conn is one connection with its prepared statements.
type conn struct {
	*sql.Conn
	dialect
	statements map[string]*sql.Stmt
}

// connect opens a connection.
func (b *backend) connect(ctx context.Context, writing bool) (*conn, error) {
	c, err := b.open(ctx, writing)
	if err != nil {
		return nil, err
	}
	return &conn{c, b.dialect, make(map[string]*sql.Stmt)}, nil
}

func (c *conn) close() {
	c.forget()
	c.Conn.Close()
}

func (c *conn) forget() {
	for text, s := range c.statements {
		s.Close()
		delete(c.statements, text)
	}
}

func (c *conn) prepare(query string) (*sql.Stmt, error) {
	if s := c.statements[query]; s != nil {
		return s, nil
	}
	s, err := c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	c.statements[query] = s
	return s, nil
}

// A Tx runs statements on one connection. Each text is prepared once per
// connection and reused, so texts must be few and arguments go in $1, $2, ….
// No statement must be run while the rows of another are still being read.
type Tx struct {
	c *conn
	// ctx interrupts long reads. Inside the writer, and for look-ups that end
	// by themselves, it cannot be done: watching it costs more than the look-up.
	ctx context.Context
	// writing: this is the writer's.
	writing bool
	// ran: a statement has succeeded. wrote: one that may have changed something.
	ran, wrote bool
	// touches are for the cache, once the transaction is committed.
	touches []touch
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	s, err := tx.c.prepare(query)
	if err != nil {
		return 0, err
	}
	tx.wrote = true
	r, err := s.ExecContext(tx.ctx, args...)
	if err != nil {
		return 0, err
	}
	tx.ran = true
	return r.RowsAffected()
}

// Row runs a query and scans its first row; without one it returns
// [sql.ErrNoRows].
func (tx *Tx) Row(query string, args []any, dest ...any) error {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	return rows.Close()
}

// Rows runs a query.
func (tx *Tx) Rows(query string, args ...any) (*sql.Rows, error) {
	s, err := tx.c.prepare(query)
	if err != nil {
		return nil, err
	}
	tx.wrote = tx.wrote || !strings.HasPrefix(query, "SELECT")
	rows, err := s.QueryContext(tx.ctx, args...)
	tx.ran = tx.ran || err == nil
	return rows, err
}

// Each runs a query and calls scan once for each row.
func (tx *Tx) Each(query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// until returns tx for statements that may take long: they are interrupted
// when ctx is done.
func (tx *Tx) until(ctx context.Context) *Tx {
	return &Tx{c: tx.c, ctx: ctx, writing: tx.writing}
}

// read lends fn a connection for look-ups that end by themselves. Each
// statement sees the last commit; several may see different ones.
func (db *DB) read(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var c *conn // nil: to be opened
	select {
	case c = <-db.readers:
	case <-db.closed:
		return errClosed()
	case <-ctx.Done():
		return ctx.Err()
	}
	sound := false
	defer func() {
		if c != nil && !sound && !db.usable(c, false) {
			c.close()
			c = nil
		}
		db.readers <- c
	}()
	for again := true; ; again = false {
		if c == nil {
			var err error
			if c, err = db.connect(ctx, false); err != nil {
				err, _ = db.outage(err)
				return err
			}
		}
		if len(c.statements) > maxStatements {
			c.forget()
		}
		tx := &Tx{c: c, ctx: context.Background()}
		err := fn(tx)
		if err == nil {
			sound = true
			return nil
		}
		// A connection may have died while nobody used it; nothing has come of fn
		// then.
		if !again || tx.ran || ctx.Err() != nil || db.usable(c, false) {
			err, _ = db.outage(err)
			return err
		}
		c.close()
		c = nil
	}
}

// snapshot is read for several statements that must see the same state.
func (db *DB) snapshot(ctx context.Context, fn func(tx *Tx) error) error {
	return db.read(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(db.beginRead()); err != nil {
			return err
		}
		defer tx.Exec("ROLLBACK") // it has only read
		return fn(tx)
	})
}

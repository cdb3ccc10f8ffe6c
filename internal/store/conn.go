package store

import (
	"context"
	"database/sql"
)

// maxStatements bounds the prepared statements of one connection. The fixed
// texts are some dozens; filters make more.
const maxStatements = 256

// A conn is one connection with its prepared statements.
type conn struct {
	*sql.Conn
	statements map[string]*sql.Stmt
}

func newConn(ctx context.Context, db *sql.DB) (*conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{c, make(map[string]*sql.Stmt)}, nil
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
// One text must not be run again while its rows are still being read.
type Tx struct {
	c *conn
	// ctx interrupts long reads. Inside the writer, and for look-ups that end
	// by themselves, it cannot be done: watching it costs more than the look-up.
	ctx context.Context
	// writing: this is the writer's.
	writing bool
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	s, err := tx.c.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(tx.ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Row runs a query and scans its first row; without one it returns
// [sql.ErrNoRows].
func (tx *Tx) Row(query string, args []any, dest ...any) error {
	s, err := tx.c.prepare(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(tx.ctx, args...).Scan(dest...)
}

// Rows runs a query.
func (tx *Tx) Rows(query string, args ...any) (*sql.Rows, error) {
	s, err := tx.c.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(tx.ctx, args...)
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

// read lends fn a connection for look-ups that end by themselves. Each
// statement sees the last commit; several may see different ones.
func (db *DB) read(ctx context.Context, fn func(tx *Tx) error) error {
	c, err := db.borrow(ctx)
	if err != nil {
		return err
	}
	defer db.giveBack(c)
	return fn(&Tx{c: c, ctx: context.Background()})
}

// snapshot is read for several statements that must see the same state.
func (db *DB) snapshot(ctx context.Context, fn func(tx *Tx) error) error {
	return db.read(ctx, func(tx *Tx) error {
		if _, err := tx.Exec("BEGIN"); err != nil {
			return err
		}
		defer tx.Exec("ROLLBACK") // it has only read
		return fn(tx)
	})
}

// until returns tx for statements that may take long: they are interrupted
// when ctx is done.
func (tx *Tx) until(ctx context.Context) *Tx {
	return &Tx{c: tx.c, ctx: ctx, writing: tx.writing}
}

func (db *DB) borrow(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case c := <-db.readers:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (db *DB) giveBack(c *conn) {
	if len(c.statements) > maxStatements {
		c.forget()
	}
	db.readers <- c
}

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrElsewhere says that another node is at what one at a time may do.
var ErrElsewhere = errors.New("another node is at it")

// exclusiveFor is how soon a node that has lost the right to be at something
// learns of it.
const exclusiveFor = 5 * time.Second

// Exclusive returns when this node alone may do what name stands for, until
// release is called; where another node is at it, it gives [ErrElsewhere]. The
// context it returns is done when the right is lost, which happens when the
// connection to the database is. The same process must not ask twice.
func (db *DB) Exclusive(ctx context.Context, name string) (_ context.Context, release func(), err error) {
	if db.watch == nil {
		return ctx, func() {}, nil // there is no other node
	}
	key := db.dialect.(postgresDialect).lockKey("exclusive/" + name)
	// The lock is the connection's: when it breaks, the lock is free.
	c, err := db.watch.connect(ctx)
	if err != nil {
		err, _ = db.outage(err)
		return nil, nil, err
	}
	var ours bool
	if err := c.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&ours); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("ask for the right to %s: %w", name, err), c.Close(context.WithoutCancel(ctx)))
	}
	if !ours {
		return nil, nil, errors.Join(ErrElsewhere, c.Close(context.WithoutCancel(ctx)))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		keep(ctx, cancel, c)
	}()
	return ctx, func() { cancel(nil); <-ended }, nil
}

// keep holds the connection until ctx is done, and cancels ctx when it breaks.
func keep(ctx context.Context, cancel context.CancelCauseFunc, c *pgx.Conn) {
	defer c.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(exclusiveFor / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ping, done := context.WithTimeout(context.WithoutCancel(ctx), exclusiveFor/2)
		err := c.Ping(ping)
		done()
		if err != nil {
			cancel(fmt.Errorf("the connection that kept other nodes away is lost: %w", err))
			return
		}
	}
}

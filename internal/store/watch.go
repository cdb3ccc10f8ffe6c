package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// channel is where nodes tell each other that accounts or tokens have
	// changed; the payload is the schema they are in.
	channel = "lockstep"
	// listenFor is how long a watch listens before it asks the database whether
	// the connection still is one.
	listenFor = time.Second
	// sureFor is how long a word from the database holds. It bounds how long a
	// token that another node has revoked may still be good here, should the
	// connection break without either end noticing; otherwise that is the time a
	// notification takes, some milliseconds.
	sureFor = 3 * time.Second
)

// A watch listens to what other nodes change, for what is remembered here of
// accounts, tokens and collections. While it cannot hear, nothing is to be
// remembered.
type watch struct {
	connect func(context.Context) (*pgx.Conn, error)
	schema  string
	forget  func()
	log     *slog.Logger

	changes atomic.Uint64
	heard   atomic.Int64 // when the database was last heard from, Unix nanoseconds

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// start listens, and returns when it does.
func (w *watch) start(ctx context.Context) error {
	c, err := w.listen(ctx)
	if err != nil {
		return err
	}
	ctx, w.cancel = context.WithCancel(context.Background())
	w.done.Go(func() { w.run(ctx, c) })
	return nil
}

func (w *watch) close() {
	w.cancel()
	w.done.Wait()
}

// sure reports whether whatever other nodes had changed until just now is
// known here.
func (w *watch) sure() bool { return time.Now().UnixNano()-w.heard.Load() < int64(sureFor) }

// generation returns a number that is the same as before only when it is
// certain that no other node has changed anything since.
func (w *watch) generation() uint64 {
	if w.sure() {
		return w.changes.Load()
	}
	return w.changes.Add(1)
}

func (w *watch) changed() {
	w.changes.Add(1)
	w.forget()
}

func (w *watch) listen(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := w.connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.Exec(ctx, "LISTEN "+channel); err != nil {
		return nil, errors.Join(fmt.Errorf("listen to the other nodes: %w", err), c.Close(ctx))
	}
	w.changed() // whatever was missed before
	w.heard.Store(time.Now().UnixNano())
	return c, nil
}

func (w *watch) run(ctx context.Context, c *pgx.Conn) {
	for ctx.Err() == nil {
		if err := w.hear(ctx, c); err != nil && ctx.Err() == nil {
			w.log.Warn("the database cannot tell what other nodes change; until it can, nothing is remembered of accounts", "error", err)
		}
		_ = c.Close(ctx)
		for again := time.NewTimer(0); ctx.Err() == nil; again.Reset(listenFor) {
			select {
			case <-again.C:
			case <-ctx.Done():
				return
			}
			var err error
			if c, err = w.listen(ctx); err == nil {
				break
			}
		}
	}
	_ = c.Close(context.Background())
}

// hear listens until the connection fails.
func (w *watch) hear(ctx context.Context, c *pgx.Conn) error {
	for {
		until, cancel := context.WithTimeout(ctx, listenFor)
		n, err := c.WaitForNotification(until)
		silent := until.Err() != nil
		cancel()
		switch {
		case err == nil && n.Payload == w.schema:
			w.changed()
		case err == nil:
		case !silent || ctx.Err() != nil:
			return err
		default:
			asked := time.Now()
			ping, cancel := context.WithTimeout(ctx, sureFor)
			err := c.Ping(ping)
			cancel()
			if err != nil {
				return err
			}
			// What was sent before the answer has arrived with it or before, and is
			// read next.
			w.heard.Store(asked.UnixNano())
		}
	}
}

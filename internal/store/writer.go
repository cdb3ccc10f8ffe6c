package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	// queued bounds the changes that wait; who comes then waits to be queued.
	queued = 1024
	// maxGroup bounds the changes of one commit, and with it how long the first
	// of them waits for the others.
	maxGroup = 256
)

// A writer runs changes one after the other on one connection and commits
// those that wait together.
type writer struct {
	tx    *Tx
	queue chan *change
	// mu guards the queue against being closed under a sender.
	mu      sync.RWMutex
	closed  bool
	stopped chan struct{}
	// commits counts transactions, for tests and metrics.
	commits atomic.Int64
}

// A change is one function that waits to be run and committed.
type change struct {
	fn    func(*Tx) error
	state atomic.Int32
	err   error
	// panicked is what fn panicked with; its caller gets the panic.
	panicked any
	done     chan struct{}
}

// The states of a change.
const (
	waiting int32 = iota
	started
	abandoned
)

func newWriter(c *conn) *writer {
	w := &writer{
		tx:      &Tx{c: c, ctx: context.Background(), writing: true},
		queue:   make(chan *change, queued),
		stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// write runs fn in the writer and returns once what it did is on disk. An
// error of fn undoes what fn did, and nothing else. When ctx is done before fn
// was started, fn is not run; once started, its outcome is waited for, so that
// an error always means that nothing was written. fn must not wait for another
// write.
func (db *DB) write(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &change{fn: fn, done: make(chan struct{})}
	if err := db.writer.enqueue(ctx, c); err != nil {
		return err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if c.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
		<-c.done
	}
	if c.panicked != nil {
		panic(c.panicked)
	}
	return c.err
}

func (w *writer) enqueue(ctx context.Context, c *change) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return ErrClosed
	}
	select {
	case w.queue <- c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close runs what has been queued and stops.
func (w *writer) close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.stopped
	w.tx.c.close()
}

func (w *writer) run() {
	defer close(w.stopped)
	group := make([]*change, 0, maxGroup)
	for c := range w.queue {
		group = append(group[:0], c)
	gather:
		for len(group) < maxGroup {
			select {
			case c, ok := <-w.queue:
				if !ok {
					break gather
				}
				group = append(group, c)
			default:
				break gather
			}
		}
		w.commit(group)
	}
}

// commit runs a group in one transaction and answers each of it.
func (w *writer) commit(group []*change) {
	live := group[:0]
	for _, c := range group {
		if c.state.CompareAndSwap(waiting, started) {
			live = append(live, c)
		}
	}
	if len(live) == 0 {
		return
	}
	w.commits.Add(1)
	if err := w.transact(live); err != nil {
		// Nothing of the group is on disk, also where its function succeeded.
		for _, c := range live {
			if c.err == nil && c.panicked == nil {
				c.err = err
			}
		}
	}
	for _, c := range live {
		close(c.done)
	}
	if len(w.tx.c.statements) > maxStatements {
		w.tx.c.forget()
	}
}

func (w *writer) transact(group []*change) (err error) {
	if _, err := w.tx.Exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin to write: %w", err)
	}
	defer func() {
		if err != nil {
			// SQLite may have rolled back itself; then there is nothing to do.
			_, _ = w.tx.Exec("ROLLBACK")
		}
	}()
	if len(group) == 1 {
		if !group[0].run(w.tx) {
			_, _ = w.tx.Exec("ROLLBACK")
			return nil
		}
	} else if err := w.runApart(group); err != nil {
		return err
	}
	if _, err := w.tx.Exec("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// runApart runs each change in a savepoint of its own, so that one that fails
// takes nothing else with it.
func (w *writer) runApart(group []*change) error {
	for _, c := range group {
		if _, err := w.tx.Exec("SAVEPOINT change"); err != nil {
			return fmt.Errorf("begin to write: %w", err)
		}
		if !c.run(w.tx) {
			if _, err := w.tx.Exec("ROLLBACK TO change"); err != nil {
				// A full disk, for example, ends the whole transaction.
				return errors.Join(fmt.Errorf("undo a failed change: %w", err), c.err)
			}
		}
		if _, err := w.tx.Exec("RELEASE change"); err != nil {
			return fmt.Errorf("end a change: %w", err)
		}
	}
	return nil
}

// run calls the function and reports whether it succeeded.
func (c *change) run(tx *Tx) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			c.panicked, ok = p, false
		}
	}()
	c.err = c.fn(tx)
	return c.err == nil
}

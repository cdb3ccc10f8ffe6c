package store

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lockstep/internal/scim"
)

const (
	// queued bounds the changes that wait; who comes then waits to be queued.
	queued = 1024
	// maxGroup bounds the changes of one commit, and with it how long the first
	// of them waits for the others.
	maxGroup = 256
	// connectTimeout bounds how long a writer waits for a connection.
	connectTimeout = 10 * time.Second
)

// A writer runs changes one after the other on one connection and commits
// those that wait together.
type writer struct {
	b     *backend
	c     *conn // nil: to be opened
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
	realm string
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

func newWriter(b *backend) *writer {
	w := &writer{b: b, queue: make(chan *change, queued), stopped: make(chan struct{})}
	go w.run()
	return w
}

// write runs fn in a writer and returns once what it did is on disk. Until
// then nobody else writes in the realm. An error of fn undoes what fn did, and
// nothing else. When ctx is done before fn was started, fn is not run; once
// started, its outcome is waited for, so that an error always means that
// nothing was written, unless it is of type [scim.GatewayTimeout]. fn may run
// more than once, the last run counts, and it must not wait for another write.
func (db *DB) write(ctx context.Context, realm string, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &change{realm: realm, fn: fn, done: make(chan struct{})}
	if err := db.writerOf(realm).enqueue(ctx, c); err != nil {
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
		return errClosed()
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
	w.disconnect()
}

func (w *writer) disconnect() {
	if w.c != nil {
		w.c.close()
		w.c = nil
	}
}

// writerOf returns the writer for a realm.
func (db *DB) writerOf(realm string) *writer {
	if len(db.writers) == 1 || realm == anyRealm {
		return db.writers[0]
	}
	return db.writers[hashOf(realm)%uint64(len(db.writers))]
}

func hashOf(realm string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, realm)
	return h.Sum64()
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
	if w.c != nil && len(w.c.statements) > maxStatements {
		w.c.forget()
	}
}

// attempts is how often a group is tried that the database broke off.
const attempts = 3

// errApart says that a group has to be run with a savepoint for each change.
var errApart = errors.New("a change failed after it had written")

// transact runs a group in one transaction.
func (w *writer) transact(group []*change) error {
	apart := !w.b.spoils() && len(group) > 1
	for n := 1; ; {
		for _, c := range group {
			c.err, c.panicked = nil, nil
		}
		err := w.try(group, apart)
		if w.c != nil && !w.b.usable(w.c, false) {
			w.disconnect()
		}
		if errors.Is(err, errApart) {
			apart = true
			continue
		}
		again := false
		if err != nil {
			err, again = w.b.outage(err)
		} else {
			// What a change ran into itself may be an outage too.
			for _, c := range group {
				passing := false
				c.err, passing = w.b.outage(c.err)
				again = again || passing && len(group) == 1
			}
		}
		if n++; !again || n > attempts {
			return err
		}
	}
}

// try is one attempt of transact. An error is the whole group's.
func (w *writer) try(group []*change, apart bool) (err error) {
	ctx := context.Background()
	if w.c == nil {
		dial, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		if w.c, err = w.b.connect(dial, true); err != nil {
			return err
		}
	}
	w.commits.Add(1)
	undo := true
	defer func() {
		if undo {
			// A database that cannot do it has done it already, or drops the
			// connection.
			_, _ = w.c.ExecContext(ctx, "ROLLBACK")
		}
	}()
	if _, err := w.c.ExecContext(ctx, w.b.beginWrite(realmsOf(group))); err != nil {
		return fmt.Errorf("begin to write: %w", err)
	}
	tx := &Tx{c: w.c, ctx: ctx, writing: true}
	for _, c := range group {
		if apart {
			if err := runApart(tx, c); err != nil {
				return err
			}
			continue
		}
		tx.wrote = false
		ok := c.run(tx)
		switch {
		case w.b.usable(w.c, true) && (ok || !tx.wrote):
			// It is done, or has left nothing behind.
		case len(group) > 1:
			if err, again := w.b.outage(c.err); again {
				return err
			}
			return errApart
		default:
			if ok {
				c.err = errors.New("a statement failed and its error was passed over")
			}
			return nil
		}
	}
	if _, err := tx.Exec("COMMIT"); err != nil {
		if !w.b.usable(w.c, true) && !w.b.usable(w.c, false) {
			err = &scim.Error{Type: scim.GatewayTimeout, Err: err,
				Detail: "the connection to the database was lost while the change was being stored; it may be stored or not: read it before you try again"}
		}
		return fmt.Errorf("commit: %w", err)
	}
	undo = false
	return nil
}

// runApart runs a change in a savepoint of its own, so that one that fails
// takes nothing else with it.
func runApart(tx *Tx, c *change) error {
	if _, err := tx.Exec("SAVEPOINT change"); err != nil {
		return fmt.Errorf("begin a change: %w", err)
	}
	if !c.run(tx) {
		if _, err := tx.Exec("ROLLBACK TO change"); err != nil {
			// A full disk, for example, ends the whole transaction.
			return errors.Join(fmt.Errorf("undo a failed change: %w", err), c.err)
		}
	}
	if _, err := tx.Exec("RELEASE change"); err != nil {
		return fmt.Errorf("end a change: %w", err)
	}
	return nil
}

// realmsOf returns the realms of a group, each once, in an order that is the
// same for all.
func realmsOf(group []*change) []string {
	realms := make([]string, 0, 4)
	for _, c := range group {
		if c.realm != anyRealm && !slices.Contains(realms, c.realm) {
			realms = append(realms, c.realm)
		}
	}
	slices.Sort(realms)
	return realms
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

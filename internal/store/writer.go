package store

import (
	"context"
	"database/sql"
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
	// idle is how long a remote connection is taken to work without a word.
	idle = time.Second
)

// A writer runs changes one after the other on one connection and commits
// those that wait together.
type writer struct {
	b     *backend
	c     *conn // nil: to be opened
	used  time.Time
	cache *rowCache
	// apart counts down the groups that are run with savepoints because a change
	// had to be undone lately.
	apart int
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
	one   *statement // nil: fn is more than one statement
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

func newWriter(b *backend, cache *rowCache) *writer {
	w := &writer{b: b, cache: cache, queue: make(chan *change, queued), stopped: make(chan struct{})}
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
	return db.change(ctx, &change{realm: realm, fn: fn, done: make(chan struct{})})
}

// A statement is a change that one statement makes. It returns at most one
// row, which is scanned into dest.
type statement struct {
	text  string
	args  []any
	dest  []any
	found bool // it has returned a row
}

func (s *statement) run(tx *Tx) error {
	err := tx.Row(s.text, s.args, s.dest...)
	if s.found = err == nil; errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// writeOne is write for one statement, and reports whether it has returned a
// row.
func (db *DB) writeOne(ctx context.Context, realm string, s *statement) (found bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = db.change(ctx, &change{realm: realm, fn: s.run, one: s, done: make(chan struct{})})
	return s.found && err == nil, err
}

func (db *DB) change(ctx context.Context, c *change) error {
	if err := db.writerOf(c.realm).enqueue(ctx, c); err != nil {
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
	var p patience
	group := make([]*change, 0, maxGroup)
	for c := range w.queue {
		group = w.gather(append(group[:0], c), &p)
		began := time.Now()
		w.commit(group)
		p.committed(len(group), len(w.queue), time.Since(began))
	}
}

// gather adds to a group the changes that wait, and those that are about to.
func (w *writer) gather(group []*change, p *patience) []*change {
	var enough <-chan time.Time
	for len(group) < maxGroup {
		select {
		case c, ok := <-w.queue:
			if !ok {
				return group
			}
			group = append(group, c)
			continue
		default:
		}
		if enough == nil {
			wait := p.worth(len(group))
			if wait <= 0 {
				return group
			}
			enough = time.After(wait)
		}
		if len(group) >= p.callers {
			return group
		}
		select {
		case c, ok := <-w.queue:
			if !ok {
				return group
			}
			group = append(group, c)
			p.gained = true
		case <-enough:
			return group
		}
	}
	return group
}

// Patience is how long a group waits for more. Callers who were answered a
// moment ago mostly come again at once; without waiting for them, they would
// find the next commit under way and half of all would always wait for the
// other half.
type patience struct {
	callers int           // who wrote or waited to write when last committed
	took    time.Duration // how long that commit took
	ended   time.Time
	waited  bool // the last group did
	gained  bool // and it was worth it
	skip    int  // groups that do not wait, because it was not
}

// longest bounds the wait; a commit takes longer than that only where the disk
// is slow or far.
const longest = time.Millisecond

// worth returns how long it is worth waiting with a group of n.
func (p *patience) worth(n int) time.Duration {
	if n >= p.callers || p.skip > 0 {
		return 0
	}
	p.waited = true
	return time.Until(p.ended.Add(min(p.took/2, longest)))
}

func (p *patience) committed(group, queued int, took time.Duration) {
	switch {
	case p.skip > 0:
		p.skip--
	case p.waited && !p.gained:
		p.skip = 16
	}
	*p = patience{callers: min(group+queued, maxGroup), took: took, ended: time.Now(), skip: p.skip}
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

// cautious is how many groups are run with savepoints from the start, where
// these cost little, after one that needed them.
const cautious = 32

// errApart says that a group has to be run with a savepoint for each change.
var errApart = errors.New("a change failed after it had written")

// transact runs a group in one transaction.
func (w *writer) transact(group []*change) error {
	apart := w.apart > 0 && len(group) > 1
	w.apart = max(0, w.apart-1)
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
			if !w.b.spoils() {
				w.apart = cautious
			}
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
	if w.b.remote() && !apart {
		// A connection that died while nobody used it is to be noticed before
		// something is sent whose outcome would not be known.
		if time.Since(w.used) > idle {
			if err := w.c.PingContext(ctx); err != nil {
				return err
			}
		}
		defer func() { w.used = time.Now() }()
		if list := statementsOf(group); list != nil {
			return w.pipeline(group, list)
		}
	}
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
			err = unknownOutcome(err)
		}
		return fmt.Errorf("commit: %w", err)
	}
	undo = false
	w.cache.apply(tx.touches)
	return nil
}

// statementsOf returns the statements of a group that is nothing else.
func statementsOf(group []*change) []*statement {
	list := make([]*statement, len(group))
	for i, c := range group {
		if c.one == nil {
			return nil
		}
		list[i] = c.one
	}
	return list
}

// pipeline is try for statements, in one round trip. A statement that fails is
// left out and the others are sent again.
func (w *writer) pipeline(group []*change, list []*statement) error {
	left := slices.Clone(group)
	for n := 1; ; n++ {
		failed, err := w.b.pipeline(w.c, realmsOf(left), list)
		if err == nil {
			return nil
		}
		if !w.b.usable(w.c, false) {
			_, _ = w.c.ExecContext(context.Background(), "ROLLBACK")
		}
		if !w.b.usable(w.c, false) && !w.b.unsent(err) {
			return unknownOutcome(err)
		}
		if _, again := w.b.outage(err); failed < 0 || again {
			return err
		}
		left[failed].err = err
		left, list = slices.Delete(left, failed, failed+1), slices.Delete(list, failed, failed+1)
		if len(left) == 0 {
			return nil
		}
		if n == attempts {
			return errApart
		}
	}
}

func unknownOutcome(err error) error {
	return &scim.Error{Type: scim.GatewayTimeout, Err: err,
		Detail: "the connection to the database was lost while the change was being stored; it may be stored or not: read it before you try again"}
}

// runApart runs a change in a savepoint of its own, so that one that fails
// takes nothing else with it.
func runApart(tx *Tx, c *change) error {
	if _, err := tx.Exec("SAVEPOINT change"); err != nil {
		return fmt.Errorf("begin a change: %w", err)
	}
	mark := len(tx.touches)
	if !c.run(tx) {
		tx.touches = tx.touches[:mark]
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

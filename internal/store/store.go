// Package store is lockstep's persistence: one SQL implementation of every
// repository, on SQLite, its texts written so that PostgreSQL can share them.
//
// Its one idea is the group-committing writer: every change is a function that
// is queued, run by a single goroutine inside a transaction it shares with the
// other changes waiting at that moment, and answered only after that
// transaction is on disk. Durability then costs one fsync for many requests.
// Readers have connections of their own and never wait for the writer.
//
// Two small rules keep a change cheap. Nothing is read or encoded inside the
// writer that could have been outside. And nothing counts or scans a
// population: totals are kept, pages start where an index says.
//
// It imports package freshservice for [freshservice.Record] and
// [freshservice.Note] alone, because it implements freshservice.Mirror; it
// knows nothing of how the bridge works.
//
// Start with [Open] and [DB]; the repositories are [DB.Accounts],
// [DB.Directory] and [DB.Mirror].
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lockstep/internal/scim"
	"lockstep/internal/secret"
)

// Options say what to open.
type Options struct {
	// Path is the SQLite database file. It and its folder are created when
	// missing. With a URL there is no such file, and the lock file beside it
	// alone is used, to keep a second process out of the folder.
	Path string
	// URL is that of a PostgreSQL database, such as
	// postgres://lockstep:PASSWORD@db.acme.example/lockstep, with libpq's
	// parameters; its environment variables and password file serve too. Any
	// number of processes may have it open. pool_max_conns bounds the
	// connections of each.
	URL string
	// Log receives word of migrations and of lost connections; nil discards it.
	Log *slog.Logger
	// Sealer seals API keys. Without one, accounts with API keys can be neither
	// stored nor read. A PostgreSQL database remembers whose it is: all nodes
	// must have the same master key.
	Sealer *secret.Sealer
}

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	*backend
	// name is the path or the URL without its password.
	name   string
	log    *slog.Logger
	sealer *secret.Sealer

	lock    *fileLock
	writers []*writer
	readers chan *conn
	closed  chan struct{}

	cursorKey   []byte
	cache       *rowCache
	collections collectionCache
	blockIndexes
	// watch says what other nodes have changed; nil where there are none.
	watch   *watch
	closing sync.Once
}

// Open opens the database, brings it to the newest version and starts its
// writers. One process at a time has a SQLite database open: another gets
// an [*InUseError]. A database of a newer lockstep gives a [*NewerError] and a
// file that is none a [*NotDatabaseError]; both are left untouched. A
// PostgreSQL database that cannot be used gives a [*DatabaseError].
func Open(ctx context.Context, o Options) (_ *DB, err error) {
	db := &DB{name: o.Path, log: o.Log, sealer: o.Sealer, closed: make(chan struct{})}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.release())
		}
	}()
	if o.URL == "" {
		err = db.openFile(ctx, o.Path)
	} else {
		err = db.openURL(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	db.readers = make(chan *conn, db.backend.readers)
	for range cap(db.readers) {
		db.readers <- nil // opened when first needed
	}
	if db.watch == nil {
		db.cache = newRowCache(cacheSize) // nobody else writes
	}
	for range db.backend.writers {
		db.writers = append(db.writers, newWriter(db.backend, db.cache))
	}
	if err := db.loadCursorKey(ctx); err != nil {
		return nil, err
	}
	if db.watch == nil {
		// Nobody else has the database open.
		if err := db.releaseClaims(ctx); err != nil {
			return nil, err
		}
	} else if err := errors.Join(db.checkMasterKey(ctx), db.installFold(ctx)); err != nil {
		return nil, err
	}
	// What a removal left when the process ended in the middle of it.
	if err := db.sweep(ctx); err != nil {
		return nil, err
	}
	return db, nil
}

func (db *DB) openFile(ctx context.Context, path string) (err error) {
	if err := prepareFile(path); err != nil {
		return err
	}
	if db.lock, err = lockFile(path + ".lock"); err != nil {
		return err
	}
	if err := checkVersion(ctx, path); err != nil {
		return err
	}
	db.backend = openSQLite(path)
	return db.migrate(ctx)
}

// prepareFile sees to it that the folder and the file are there and ours to
// write, so that SQLite's terse "unable to open database file" is never seen,
// and that nobody else can read it.
func prepareFile(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &FolderError{dir, err}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		if info, serr := os.Stat(path); serr == nil && info.IsDir() {
			return &NotDatabaseError{path}
		}
		return &FolderError{dir, err}
	}
	return f.Close()
}

// Close waits for the reads under way and the changes that have been queued,
// then closes the database. What comes later gets [ErrClosed].
func (db *DB) Close() error {
	var err error
	db.closing.Do(func() { err = db.release() })
	return err
}

func (db *DB) release() error {
	close(db.closed)
	for _, w := range db.writers {
		w.close()
	}
	for range cap(db.readers) {
		if c := <-db.readers; c != nil {
			c.close()
		}
	}
	db.cache.close()
	if db.watch != nil {
		db.watch.close()
	}
	var errs []error
	if db.backend != nil {
		errs = append(errs, db.backend.close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.release())
	}
	return errors.Join(errs...)
}

// Ping reports whether the database answers and can be written to, for
// readiness checks.
func (db *DB) Ping(ctx context.Context) error {
	return db.write(ctx, anyRealm, func(tx *Tx) error { return tx.Row(`SELECT 1`, nil, new(int)) })
}

// ErrClosed is inside the error, of type [scim.Unavailable], for what comes
// after [DB.Close].
var ErrClosed = errors.New("the store is closed")

func errClosed() error {
	return &scim.Error{Type: scim.Unavailable, Detail: "the server is shutting down; try again", RetryAfter: 5 * time.Second, Err: ErrClosed}
}

// A NewerError says that the database was written by a newer lockstep.
type NewerError struct {
	Path string
	// Have is the version of the database, Know the newest this program knows.
	Have, Know int64
}

// Error names both versions and what to do.
func (e *NewerError) Error() string {
	return fmt.Sprintf("%s is of version %d, this lockstep knows versions up to %d: use the newer lockstep that wrote it, or a backup from before; the file was not touched", e.Path, e.Have, e.Know)
}

// A NotDatabaseError says that the file is something else.
type NotDatabaseError struct{ Path string }

// Error names the file and what to do.
func (e *NotDatabaseError) Error() string {
	return fmt.Sprintf("%s is not a lockstep database: name another file or move this one away; it was not touched", e.Path)
}

// A FolderError says that the data folder cannot be used.
type FolderError struct {
	Folder string
	Err    error
}

// Error names the folder, the cause and what to do.
func (e *FolderError) Error() string {
	cause := e.Err
	var pe *fs.PathError
	if errors.As(cause, &pe) {
		cause = pe.Err
	}
	return fmt.Sprintf("the data folder %s cannot be written to (%v): give this user the right to, or choose another folder with --data", e.Folder, cause)
}

// Unwrap returns the cause.
func (e *FolderError) Unwrap() error { return e.Err }

// An InUseError says that another process has the database open.
type InUseError struct{ Path string }

// Error names the lock and what to do.
func (e *InUseError) Error() string {
	return fmt.Sprintf("another lockstep is using this data folder (it holds %s): stop it first, or choose another folder with --data", e.Path)
}

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
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"lockstep/internal/secret"
)

// Options say what to open.
type Options struct {
	// Path is the database file. It and its folder are created when missing.
	Path string
	// Log receives word of migrations; nil discards it.
	Log *slog.Logger
	// Sealer seals API keys. Without one, accounts with API keys can be neither
	// stored nor read.
	Sealer *secret.Sealer
}

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	path   string
	log    *slog.Logger
	sealer *secret.Sealer

	lock    *fileLock
	writeDB *sql.DB
	readDB  *sql.DB
	writer  *writer
	readers chan *conn

	cursorKey   []byte
	collections collectionCache
	closing     sync.Once
}

// Open opens the database at o.Path, brings it to the newest version and
// starts its writer. One process at a time has a database open: another gets
// an [*InUseError]. A database of a newer lockstep gives a [*NewerError] and a
// file that is none a [*NotDatabaseError]; both are left untouched.
func Open(ctx context.Context, o Options) (_ *DB, err error) {
	db := &DB{path: o.Path, log: o.Log, sealer: o.Sealer}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if err := prepareFile(o.Path); err != nil {
		return nil, err
	}
	if db.lock, err = lockFile(o.Path + ".lock"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.release())
		}
	}()
	if err := checkVersion(ctx, o.Path); err != nil {
		return nil, err
	}
	db.writeDB = openWriter(o.Path)
	if err := db.migrate(ctx); err != nil {
		return nil, err
	}
	wc, err := newConn(ctx, db.writeDB)
	if err != nil {
		return nil, fmt.Errorf("open %s for writing: %w", o.Path, err)
	}
	readers := max(4, 2*runtime.GOMAXPROCS(0))
	db.readDB = openReaders(o.Path, readers)
	db.readers = make(chan *conn, readers)
	for range readers {
		rc, err := newConn(ctx, db.readDB)
		if err != nil {
			wc.close()
			return nil, fmt.Errorf("open %s for reading: %w", o.Path, err)
		}
		db.readers <- rc
	}
	db.writer = newWriter(wc)
	if err := db.loadCursorKey(ctx); err != nil {
		return nil, err
	}
	if err := db.releaseClaims(ctx); err != nil {
		return nil, err
	}
	// What a removal left when the process ended in the middle of it.
	if err := db.sweep(ctx); err != nil {
		return nil, err
	}
	return db, nil
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

// Close waits for the changes that have been queued, then closes the database.
// Changes that come later get [ErrClosed]. Reads must have ended.
func (db *DB) Close() error {
	var err error
	db.closing.Do(func() { err = db.release() })
	return err
}

func (db *DB) release() error {
	var errs []error
	if db.writer != nil {
		db.writer.close()
	}
	if db.readDB != nil {
		for range len(db.readers) {
			(<-db.readers).close()
		}
		errs = append(errs, db.readDB.Close())
	}
	if db.writeDB != nil {
		// The last connection to close writes the log back into the file.
		errs = append(errs, db.writeDB.Close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.release())
	}
	return errors.Join(errs...)
}

// Ping reports whether the database answers, for readiness checks.
func (db *DB) Ping(ctx context.Context) error {
	return db.write(ctx, func(*Tx) error { return nil })
}

// ErrClosed is returned for changes that come after [DB.Close].
var ErrClosed = errors.New("the store is closed")

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

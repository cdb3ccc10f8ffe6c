package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"
)

// The migrations, by dialect. Numbers are never used twice; a migration that
// has been released is never edited.
//
//go:embed migrations
var migrations embed.FS

// versionTable is goose's own record of what has been applied.
const versionTable = "goose_db_version"

func migrationFiles(dialect string) fs.FS {
	sub, err := fs.Sub(migrations, "migrations/"+dialect)
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

// knownVersion returns the number of the newest migration in this program.
func knownVersion(dialect string) (int64, error) {
	names, err := fs.Glob(migrationFiles(dialect), "*.sql")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", name, err)
		}
		newest = max(newest, v)
	}
	return newest, nil
}

// checkVersion looks at an existing file without changing it, and refuses what
// this program must not open.
func checkVersion(ctx context.Context, path string) error {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return err
	}
	db := openForLook(path)
	defer db.Close()
	ours, err := hasTable(ctx, db, versionTable)
	if isNotDatabase(err) {
		return &NotDatabaseError{path}
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if !ours {
		var tables int
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&tables); err != nil {
			return fmt.Errorf("look at %s: %w", path, err)
		}
		if tables > 0 {
			return &NotDatabaseError{path} // someone else's SQLite database
		}
		return nil
	}
	var have int64
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied`).Scan(&have)
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	know, err := knownVersion("sqlite")
	if err != nil {
		return err
	}
	if have > know {
		return &NewerError{path, have, know}
	}
	return nil
}

// migrate applies what is missing, each migration in a transaction of its own.
// A lock keeps other processes out meanwhile.
func (db *DB) migrate(ctx context.Context) error {
	p, err := db.migrations()
	if err != nil {
		return fmt.Errorf("prepare the migrations of %s: %w", db.name, err)
	}
	results, err := p.Up(ctx)
	if err != nil {
		if isNotDatabase(err) {
			return errors.Join(&NotDatabaseError{db.name}, err)
		}
		return fmt.Errorf("bring %s to the newest version: %w", db.name, err)
	}
	for _, r := range results {
		db.log.Info("database migrated", "version", r.Source.Version, "seconds", r.Duration.Seconds())
	}
	return nil
}

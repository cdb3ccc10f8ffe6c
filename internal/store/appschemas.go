package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lockstep/internal/provision"
)

// keptSchemas is how many earlier schemas of an app are kept.
const keptSchemas = 100

// A SchemaRevision is one of the schemas that an app had before.
type SchemaRevision struct {
	// Revision counts the app's schemas from 1.
	Revision int64
	// Replaced is when the next one took its place.
	Replaced time.Time
}

// A SchemaChangedError means that somebody else replaced an app's schema after
// it was read.
type SchemaChangedError struct {
	App          string
	Expected, Is int64 // revisions
}

func (e *SchemaChangedError) Error() string {
	return fmt.Sprintf("the schema of app %q was changed meanwhile: it is at revision %d, and this change was made to revision %d", e.App, e.Is, e.Expected)
}

// A RevisionNotFoundError names a schema that is not kept.
type RevisionNotFoundError struct {
	App      string
	Revision int64
}

func (e *RevisionNotFoundError) Error() string {
	return fmt.Sprintf("app %q has no earlier schema of revision %d", e.App, e.Revision)
}

// Schema returns an app's schema and its revision.
func (db *DB) Schema(ctx context.Context, app string) (*provision.Schema, int64, error) {
	var text []byte
	var revision int64
	err := db.read(ctx, func(tx *Tx) (err error) {
		text, revision, err = currentSchema(tx, app)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	s, err := decodeSchema(app, text)
	return s, revision, err
}

func currentSchema(tx *Tx, app string) (text []byte, revision int64, err error) {
	err = tx.Row(`SELECT schema, (SELECT coalesce(max(revision), 0) + 1 FROM app_schemas WHERE app = $1) FROM apps WHERE id = $1`,
		[]any{app}, &text, &revision)
	if errors.Is(err, sql.ErrNoRows) {
		err = &provision.AppNotFoundError{ID: app}
	}
	return text, revision, err
}

func decodeSchema(app string, text []byte) (*provision.Schema, error) {
	s := &provision.Schema{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("the schema of app %s cannot be read: %w", app, err)
	}
	return s, nil
}

// ReplaceSchema gives an app another schema, keeps the old one, and has the
// next cycle decide every object anew. expected is the revision that the change
// was made to, 0 for whatever is there; when it is another by now, nothing is
// stored and the error is a [*SchemaChangedError]. It returns the new revision.
func (db *DB) ReplaceSchema(ctx context.Context, app string, s *provision.Schema, expected int64, now time.Time) (int64, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	var revision int64
	err = db.write(ctx, appRealm(app), func(tx *Tx) error {
		old, at, err := currentSchema(tx, app)
		if err != nil {
			return err
		}
		if expected != 0 && expected != at {
			return &SchemaChangedError{App: app, Expected: expected, Is: at}
		}
		revision = at + 1
		if _, err := tx.Exec(`INSERT INTO app_schemas (app, revision, replaced, schema) VALUES ($1, $2, $3, $4)`, app, at, timeText(now), string(old)); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM app_schemas WHERE app = $1 AND revision <= $2`, app, at-keptSchemas); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE apps SET schema = $2 WHERE id = $1`, app, string(text)); err != nil {
			return err
		}
		return changed(tx, app, everything...)
	})
	return revision, err
}

// SchemaHistory lists the earlier schemas of an app, newest first.
func (db *DB) SchemaHistory(ctx context.Context, app string) ([]SchemaRevision, error) {
	var out []SchemaRevision
	err := db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT revision, replaced FROM app_schemas WHERE app = $1 ORDER BY revision DESC`, []any{app}, func(rows *sql.Rows) error {
			var r SchemaRevision
			var replaced string
			err := rows.Scan(&r.Revision, &replaced)
			r.Replaced = parseTime(replaced)
			out = append(out, r)
			return err
		})
	})
	return out, err
}

// EarlierSchema returns a schema that an app had before.
func (db *DB) EarlierSchema(ctx context.Context, app string, revision int64) (*provision.Schema, error) {
	var text []byte
	err := db.read(ctx, func(tx *Tx) error {
		err := tx.Row(`SELECT schema FROM app_schemas WHERE app = $1 AND revision = $2`, []any{app, revision}, &text)
		if errors.Is(err, sql.ErrNoRows) {
			err = &RevisionNotFoundError{App: app, Revision: revision}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return decodeSchema(app, text)
}

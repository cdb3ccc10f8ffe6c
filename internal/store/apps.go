package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"lockstep/internal/provision"
)

// CreateApp stores a new app.
func (db *DB) CreateApp(ctx context.Context, a *provision.App) error {
	row, err := db.appRow(a)
	if err != nil {
		return err
	}
	return db.write(ctx, appRealm(a.ID), func(tx *Tx) error {
		n, err := tx.Exec(`INSERT INTO apps (id, config, schema, secret) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, row...)
		if err == nil && n == 0 {
			return &provision.AppExistsError{ID: a.ID}
		}
		return err
	})
}

// UpdateApp replaces what is stored of an app.
func (db *DB) UpdateApp(ctx context.Context, a *provision.App) error {
	row, err := db.appRow(a)
	if err != nil {
		return err
	}
	return db.write(ctx, appRealm(a.ID), func(tx *Tx) error {
		n, err := tx.Exec(`UPDATE apps SET config = $2, schema = $3, secret = $4 WHERE id = $1`, row...)
		if err == nil && n == 0 {
			return &provision.AppNotFoundError{ID: a.ID}
		}
		return err
	})
}

func (db *DB) appRow(a *provision.App) ([]any, error) {
	config, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	schema, err := json.Marshal(a.Schema)
	if err != nil {
		return nil, err
	}
	if db.sealer == nil {
		return nil, errors.New("the store was opened without a master key, so the app's secret cannot be sealed")
	}
	return []any{a.ID, string(config), string(schema), db.sealer.Seal([]byte(a.Secret), appSecret(a.ID))}, nil
}

func appSecret(id string) string { return "app/" + id + "/secret" }

// App returns one app.
func (db *DB) App(ctx context.Context, id string) (*provision.App, error) {
	list, err := db.loadApps(ctx, `SELECT id, config, schema, secret FROM apps WHERE id = $1`, id)
	if err == nil && len(list) == 0 {
		return nil, &provision.AppNotFoundError{ID: id}
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// Apps returns every app, by ID.
func (db *DB) Apps(ctx context.Context) ([]*provision.App, error) {
	return db.loadApps(ctx, `SELECT id, config, schema, secret FROM apps ORDER BY id`)
}

func (db *DB) loadApps(ctx context.Context, query string, args ...any) ([]*provision.App, error) {
	var out []*provision.App
	err := db.read(ctx, func(tx *Tx) error {
		return tx.Each(query, args, func(rows *sql.Rows) error {
			var id, sealed string
			var config, schema []byte
			if err := rows.Scan(&id, &config, &schema, &sealed); err != nil {
				return err
			}
			a := &provision.App{Schema: &provision.Schema{}}
			if err := json.Unmarshal(config, a); err != nil {
				return fmt.Errorf("app %s cannot be read: %w", id, err)
			}
			if err := json.Unmarshal(schema, a.Schema); err != nil {
				return fmt.Errorf("the schema of app %s cannot be read: %w", id, err)
			}
			if db.sealer == nil {
				return errors.New("the store was opened without a master key, so an app's secret cannot be opened")
			}
			plain, err := db.sealer.Open(sealed, appSecret(id))
			if err != nil {
				return fmt.Errorf("the secret of app %s cannot be opened: %w", id, err)
			}
			a.Secret = string(plain)
			out = append(out, a)
			return nil
		})
	})
	return out, err
}

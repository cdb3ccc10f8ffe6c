package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"lockstep/internal/provision"
)

// everything is what a change of the schema or of the scope affects.
var everything = []provision.Ref{{Type: provision.User}, {Type: provision.Group}}

// changed notes what the next cycle has to decide anew; a Ref without ID is all
// objects of its type.
func changed(tx *Tx, app string, refs ...provision.Ref) error {
	for _, r := range refs {
		if _, err := tx.Exec(`INSERT INTO app_changes (app, type, id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, app, string(r.Type), r.ID); err != nil {
			return err
		}
	}
	return nil
}

// Changed reports whether an app's configuration has changed in a way that
// [DB.MarkChanged] has not yet turned into marks.
func (db *DB) Changed(ctx context.Context, app string) (bool, error) {
	var changed bool
	err := db.read(ctx, func(tx *Tx) error {
		return tx.Row(`SELECT EXISTS (SELECT 1 FROM app_changes WHERE app = $1)`, []any{app}, &changed)
	})
	return changed, err
}

// MarkChanged marks what changes of the configuration affect. It is called
// between two cycles, before the configuration for the next one is read: a
// change that comes later is then left for the cycle after it.
func (db *DB) MarkChanged(ctx context.Context, app string) error {
	if any, err := db.Changed(ctx, app); err != nil || !any {
		return err
	}
	return db.write(ctx, appRealm(app), func(tx *Tx) error {
		for _, text := range []string{
			`UPDATE objects SET mark = 1 WHERE app = $1 AND type IN (SELECT type FROM app_changes WHERE app = $1 AND id = '')`,
			`UPDATE objects SET mark = 1 WHERE app = $1 AND (type, id) IN (SELECT type, id FROM app_changes WHERE app = $1)`,
			// A changed assignment of a group is one of its members too.
			`UPDATE objects SET mark = 1 WHERE app = $1 AND type = 'User' AND id IN (
				SELECT list.value FROM app_changes c JOIN objects g ON g.app = c.app AND g.type = c.type AND g.id = c.id
				JOIN ` + tx.c.jsonStrings("g.body", "members") + ` ON TRUE WHERE c.app = $1 AND c.type = 'Group')`,
			`DELETE FROM app_changes WHERE app = $1`,
		} {
			if _, err := tx.Exec(text, app); err != nil {
				return fmt.Errorf("mark what a change of app %s affects: %w", app, err)
			}
		}
		return nil
	})
}

// ChangeApp changes an app's configuration, all of it but the schema. change
// gets the app without schema and secret; a secret that it sets is stored, and
// when it reports so the next cycle decides every object anew. An error of
// change is returned and nothing is stored. ID and Created do not change.
func (db *DB) ChangeApp(ctx context.Context, id string, change func(*provision.App) (everyone bool, err error)) error {
	if db.sealer == nil {
		return errors.New("the store was opened without a master key, so the app's secret cannot be sealed")
	}
	return db.write(ctx, appRealm(id), func(tx *Tx) error {
		var config []byte
		err := tx.Row(`SELECT config FROM apps WHERE id = $1`, []any{id}, &config)
		if errors.Is(err, sql.ErrNoRows) {
			return &provision.AppNotFoundError{ID: id}
		}
		if err != nil {
			return err
		}
		a := &provision.App{}
		if err := json.Unmarshal(config, a); err != nil {
			return fmt.Errorf("app %s cannot be read: %w", id, err)
		}
		created := a.Created
		everyone, err := change(a)
		if err != nil {
			return err
		}
		a.ID, a.Created = id, created
		if config, err = json.Marshal(a); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE apps SET config = $2 WHERE id = $1`, id, string(config)); err != nil {
			return err
		}
		if a.Secret != "" {
			if _, err := tx.Exec(`UPDATE apps SET secret = $2 WHERE id = $1`, id, db.sealer.Seal([]byte(a.Secret), appSecret(id))); err != nil {
				return err
			}
		}
		if everyone {
			return changed(tx, id, everything...)
		}
		return nil
	})
}

// RemoveApp removes an app with everything that is remembered of it. The target
// is not touched.
func (db *DB) RemoveApp(ctx context.Context, id string) error {
	return db.write(ctx, appRealm(id), func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM apps WHERE id = $1`, id)
		if err == nil && n == 0 {
			return &provision.AppNotFoundError{ID: id}
		}
		return err
	})
}

// Assign assigns a user or group to an app, or changes its role, and has the
// next cycle look at those concerned.
func (db *DB) Assign(ctx context.Context, app string, a provision.Assignment) error {
	return db.write(ctx, appRealm(app), func(tx *Tx) error {
		if err := tx.Row(`SELECT 1 FROM apps WHERE id = $1`, []any{app}, new(int)); err != nil {
			if errors.Is(err, sql.ErrNoRows) {
				err = &provision.AppNotFoundError{ID: app}
			}
			return err
		}
		if _, err := tx.Exec(`INSERT INTO assignments (app, principal_type, principal_id, role) VALUES ($1, $2, $3, $4)
			ON CONFLICT (app, principal_type, principal_id) DO UPDATE SET role = excluded.role`,
			app, string(a.PrincipalType), a.PrincipalID, a.Role); err != nil {
			return err
		}
		return changed(tx, app, provision.Ref{Type: a.PrincipalType, ID: a.PrincipalID})
	})
}

// Unassign ends an assignment and reports whether there was one.
func (db *DB) Unassign(ctx context.Context, app string, principal provision.Ref) (was bool, err error) {
	err = db.write(ctx, appRealm(app), func(tx *Tx) error {
		was = false
		n, err := tx.Exec(`DELETE FROM assignments WHERE app = $1 AND principal_type = $2 AND principal_id = $3`, app, string(principal.Type), principal.ID)
		if err != nil || n == 0 {
			return err
		}
		was = true
		return changed(tx, app, principal)
	})
	return was, err
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"lockstep/internal/provision"
)

// A Ledger is what the engine remembers of one app. It implements
// [provision.Ledger]; cycles and plans are in ledgerplan.go.
type Ledger struct {
	db  *DB
	app string
}

// Ledger returns the ledger of an app.
func (db *DB) Ledger(appID string) provision.Ledger { return &Ledger{db, appID} }

// idList is a JSON array of IDs, which lets one text serve any
// number of IDs.
func idList(ids []string) string {
	b, err := json.Marshal(ids)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func parseTime(s string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}

// Staged yields what is remembered of every object, without its body.
func (l *Ledger) Staged(ctx context.Context) iter.Seq2[provision.StagedObject, error] {
	return func(yield func(provision.StagedObject, error) bool) {
		err := l.db.snapshot(ctx, func(tx *Tx) error {
			return tx.Each(`SELECT type, id, hash, removed FROM objects WHERE app = $1`, []any{l.app}, func(rows *sql.Rows) error {
				var o provision.StagedObject
				var hash int64
				if err := rows.Scan(&o.Type, &o.ID, &hash, &o.Removed); err != nil {
					return err
				}
				o.Hash = uint64(hash)
				if !yield(o, nil) {
					return errStop
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(provision.StagedObject{}, err)
		}
	}
}

// Managed yields which objects of a type are provisioned and kept up to date.
func (l *Ledger) Managed(ctx context.Context, t provision.ObjectType) iter.Seq2[provision.ManagedObject, error] {
	return func(yield func(provision.ManagedObject, error) bool) {
		err := l.db.snapshot(ctx, func(tx *Tx) error {
			return tx.Each(`SELECT o.id, coalesce(k.managed, FALSE) FROM objects o
				LEFT JOIN links k ON k.app = o.app AND k.type = o.type AND k.source_id = o.id
				WHERE o.app = $1 AND o.type = $2 AND o.removed = 0`, []any{l.app, string(t)}, func(rows *sql.Rows) error {
				var o provision.ManagedObject
				if err := rows.Scan(&o.ID, &o.Managed); err != nil {
					return err
				}
				if !yield(o, nil) {
					return errStop
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(provision.ManagedObject{}, err)
		}
	}
}

// errStop ends an iteration that its reader left.
var errStop = errors.New("stop")

// Stage stores objects as now read and marks them. A removal keeps the body
// that was last read, so that the log can still name who left.
func (l *Ledger) Stage(ctx context.Context, changes []provision.Change) error {
	type row struct {
		o       *provision.Object
		removed provision.Removal
		body    []byte
	}
	rows := make([]row, len(changes))
	for i, ch := range changes {
		body, err := ch.Object.Encode()
		if err != nil {
			return err
		}
		rows[i] = row{ch.Object, ch.Removed, body}
	}
	return l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		for _, r := range rows {
			var err error
			if r.removed != provision.NotRemoved && len(r.o.Attributes) == 0 {
				_, err = tx.Exec(`UPDATE objects SET removed = $4, mark = 1, hash = 0 WHERE app = $1 AND type = $2 AND id = $3`,
					l.app, string(r.o.Type), r.o.ID, int(r.removed))
			} else {
				_, err = tx.Exec(`INSERT INTO objects (app, type, id, hash, removed, mark, body) VALUES ($1, $2, $3, $4, $5, 1, $6)
					ON CONFLICT (app, type, id) DO UPDATE SET hash = excluded.hash, removed = excluded.removed, mark = 1, body = excluded.body`,
					l.app, string(r.o.Type), r.o.ID, int64(r.o.ContentHash()), int(r.removed), string(r.body))
			}
			if err != nil {
				return fmt.Errorf("stage %s %s: %w", r.o.Type, r.o.ID, err)
			}
		}
		return nil
	})
}

// Mark marks objects to be decided; no IDs: all of that type.
func (l *Ledger) Mark(ctx context.Context, t provision.ObjectType, ids ...string) error {
	return l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		if len(ids) == 0 {
			_, err := tx.Exec(`UPDATE objects SET mark = 1 WHERE app = $1 AND type = $2`, l.app, string(t))
			return err
		}
		_, err := tx.Exec(`UPDATE objects SET mark = 1 WHERE app = $1 AND type = $2 AND id IN (SELECT value FROM `+tx.c.jsonStrings("$3")+`)`, l.app, string(t), idList(ids))
		return err
	})
}

// Marked returns marked objects in order of ID, with their links.
func (l *Ledger) Marked(ctx context.Context, t provision.ObjectType, after string, n int) ([]provision.MarkedObject, error) {
	var out []provision.MarkedObject
	err := l.db.read(ctx, func(tx *Tx) error {
		// The IDs come from the small index of marked objects; asked for in one
		// step, the planner prefers to walk the whole table.
		return tx.Each(`SELECT o.removed, o.body, k.target_id, k.managed, k.matched_by, k.since, k.written
			FROM (SELECT type, id FROM objects WHERE app = $1 AND mark > 0 AND mark <> 2 AND type = $2 AND id > $3 ORDER BY id LIMIT $4) m
			JOIN objects o ON o.app = $1 AND o.type = m.type AND o.id = m.id
			LEFT JOIN links k ON k.app = o.app AND k.type = o.type AND k.source_id = o.id
			ORDER BY m.id`,
			[]any{l.app, string(t), after, n}, func(rows *sql.Rows) error {
				var m provision.MarkedObject
				var body []byte
				var target, matched, since, written sql.NullString
				var managed sql.NullBool
				if err := rows.Scan(&m.Removed, &body, &target, &managed, &matched, &since, &written); err != nil {
					return err
				}
				o, err := provision.DecodeObject(body)
				if err != nil {
					return err
				}
				m.Object = o
				if target.Valid {
					m.Link = &provision.Link{Type: t, SourceID: o.ID, TargetID: target.String, Managed: managed.Bool,
						MatchedBy: matched.String, Since: parseTime(since.String), Written: parseTime(written.String)}
				}
				out = append(out, m)
				return nil
			})
	})
	return out, err
}

// CountMarked counts the objects to be decided.
func (l *Ledger) CountMarked(ctx context.Context, t provision.ObjectType) (int, error) {
	return l.count(ctx, `SELECT count(*) FROM objects WHERE app = $1 AND mark > 0 AND mark <> 2 AND type = $2`, l.app, string(t))
}

// CountLinks counts the managed links.
func (l *Ledger) CountLinks(ctx context.Context) (int, error) {
	return l.count(ctx, `SELECT count(*) FROM links WHERE app = $1 AND managed`, l.app)
}

func (l *Ledger) count(ctx context.Context, query string, args ...any) (n int, err error) {
	err = l.db.read(ctx, func(tx *Tx) error { return tx.Row(query, args, &n) })
	return n, err
}

// Objects returns objects by ID; unknown ones are left out.
func (l *Ledger) Objects(ctx context.Context, t provision.ObjectType, ids []string) ([]*provision.Object, error) {
	var out []*provision.Object
	err := l.db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT body FROM objects WHERE app = $1 AND type = $2 AND id IN (SELECT value FROM `+tx.c.jsonStrings("$3")+`)`,
			[]any{l.app, string(t), idList(ids)}, func(rows *sql.Rows) error {
				var body []byte
				if err := rows.Scan(&body); err != nil {
					return err
				}
				o, err := provision.DecodeObject(body)
				out = append(out, o)
				return err
			})
	})
	return out, err
}

// EachObject yields the objects of one type.
func (l *Ledger) EachObject(ctx context.Context, t provision.ObjectType) iter.Seq2[*provision.Object, error] {
	return func(yield func(*provision.Object, error) bool) {
		err := l.db.snapshot(ctx, func(tx *Tx) error {
			return tx.Each(`SELECT body FROM objects WHERE app = $1 AND type = $2 AND removed = 0`, []any{l.app, string(t)}, func(rows *sql.Rows) error {
				var body []byte
				if err := rows.Scan(&body); err != nil {
					return err
				}
				o, err := provision.DecodeObject(body)
				if err != nil {
					return err
				}
				if !yield(o, nil) {
					return errStop
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// Links returns links by source ID.
func (l *Ledger) Links(ctx context.Context, t provision.ObjectType, sourceIDs []string) (map[string]provision.Link, error) {
	return l.links(ctx, t, "source_id", sourceIDs, func(k provision.Link) string { return k.SourceID })
}

// LinksTo returns links by target ID.
func (l *Ledger) LinksTo(ctx context.Context, t provision.ObjectType, targetIDs []string) (map[string]provision.Link, error) {
	return l.links(ctx, t, "target_id", targetIDs, func(k provision.Link) string { return k.TargetID })
}

func (l *Ledger) links(ctx context.Context, t provision.ObjectType, column string, ids []string, key func(provision.Link) string) (map[string]provision.Link, error) {
	out := make(map[string]provision.Link, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	err := l.db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT source_id, target_id, managed, matched_by, since, written FROM links
			WHERE app = $1 AND type = $2 AND `+column+` IN (SELECT value FROM `+tx.c.jsonStrings("$3")+`)`, []any{l.app, string(t), idList(ids)}, func(rows *sql.Rows) error {
			k := provision.Link{Type: t}
			var since, written string
			if err := rows.Scan(&k.SourceID, &k.TargetID, &k.Managed, &k.MatchedBy, &since, &written); err != nil {
				return err
			}
			k.Since, k.Written = parseTime(since), parseTime(written)
			out[key(k)] = k
			return nil
		})
	})
	return out, err
}

// Memberships returns the exported members of a group, sorted.
func (l *Ledger) Memberships(ctx context.Context, groupID string) ([]string, error) {
	var out []string
	err := l.db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT member_id FROM memberships WHERE app = $1 AND group_id = $2 ORDER BY member_id`, []any{l.app, groupID}, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			out = append(out, id)
			return err
		})
	})
	return out, err
}

// Assignments returns who is assigned to the app.
func (l *Ledger) Assignments(ctx context.Context) ([]provision.Assignment, error) {
	var out []provision.Assignment
	err := l.db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT principal_type, principal_id, role FROM assignments WHERE app = $1 ORDER BY principal_type, principal_id`, []any{l.app}, func(rows *sql.Rows) error {
			var a provision.Assignment
			err := rows.Scan(&a.PrincipalType, &a.PrincipalID, &a.Role)
			out = append(out, a)
			return err
		})
	})
	return out, err
}

// SetAssignments replaces who is assigned to the app.
func (l *Ledger) SetAssignments(ctx context.Context, as []provision.Assignment) error {
	return l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		if _, err := tx.Exec(`DELETE FROM assignments WHERE app = $1`, l.app); err != nil {
			return err
		}
		for _, a := range as {
			if _, err := tx.Exec(`INSERT INTO assignments (app, principal_type, principal_id, role) VALUES ($1, $2, $3, $4)`,
				l.app, string(a.PrincipalType), a.PrincipalID, a.Role); err != nil {
				return err
			}
		}
		return nil
	})
}

// ClearInventory forgets the target's objects.
func (l *Ledger) ClearInventory(ctx context.Context) error {
	var full bool
	err := l.db.read(ctx, func(tx *Tx) error {
		return tx.Row(`SELECT EXISTS (SELECT 1 FROM inventory WHERE app = $1)`, []any{l.app}, &full)
	})
	if err != nil || !full {
		return err
	}
	return l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		_, err := tx.Exec(`DELETE FROM inventory WHERE app = $1`, l.app)
		return err
	})
}

// StageInventory adds the target's objects.
func (l *Ledger) StageInventory(ctx context.Context, t provision.ObjectType, entries []provision.InventoryEntry) error {
	if len(entries) == 0 {
		return nil
	}
	return l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		for _, e := range entries {
			if _, err := tx.Exec(`INSERT INTO inventory (app, type, key, target_id, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
				l.app, string(t), e.Key, e.TargetID, e.Body); err != nil {
				return err
			}
		}
		return nil
	})
}

// Candidates looks the target's objects up by match key.
func (l *Ledger) Candidates(ctx context.Context, t provision.ObjectType, keys []string) (map[string][]provision.InventoryEntry, error) {
	out := map[string][]provision.InventoryEntry{}
	if len(keys) == 0 {
		return out, nil
	}
	err := l.db.read(ctx, func(tx *Tx) error {
		for _, key := range keys {
			if _, asked := out[key]; asked {
				continue
			}
			out[key] = nil
			if err := tx.Each(`SELECT target_id, body FROM inventory WHERE app = $1 AND type = $2 AND key = $3`, []any{l.app, string(t), key}, func(rows *sql.Rows) error {
				e := provision.InventoryEntry{Key: key}
				if err := rows.Scan(&e.TargetID, &e.Body); err != nil {
					return err
				}
				out[key] = append(out[key], e)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

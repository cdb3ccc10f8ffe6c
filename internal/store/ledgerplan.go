package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"lockstep/internal/provision"
)

const cycleColumns = `id, kind, state, began, ended, watermark, counts, error`

func scanCycle(scan func(...any) error) (*provision.Cycle, error) {
	c := &provision.Cycle{}
	var began, ended string
	var counts []byte
	if err := scan(&c.ID, &c.Kind, &c.State, &began, &ended, &c.Watermark, &counts, &c.Error); err != nil {
		return nil, err
	}
	c.Began, c.Ended = parseTime(began), parseTime(ended)
	return c, json.Unmarshal(counts, &c.Counts)
}

// Open returns the cycle that was begun and not closed, or nil.
func (l *Ledger) Open(ctx context.Context) (c *provision.Cycle, err error) {
	err = l.db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT `+cycleColumns+` FROM cycles WHERE app = $1 AND state <> 'done'`, []any{l.app}, func(rows *sql.Rows) error {
			c, err = scanCycle(rows.Scan)
			return err
		})
	})
	return c, err
}

// Begin starts a cycle. What was marked for the next cycle is now to be decided.
func (l *Ledger) Begin(ctx context.Context, kind provision.CycleKind, now time.Time) (*provision.Cycle, error) {
	c := &provision.Cycle{Kind: kind, State: provision.CycleReading, Began: now}
	err := l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		err := tx.Row(`INSERT INTO cycles (app, kind, state, began, ended, watermark, counts, error) VALUES ($1, $2, $3, $4, '', '', '{}', '') RETURNING id`,
			[]any{l.app, string(kind), string(c.State), timeText(now)}, &c.ID)
		if violated(err) != "" {
			return provision.ErrCycleOpen
		}
		if err != nil {
			return fmt.Errorf("begin a cycle: %w", err)
		}
		_, err = tx.Exec(`UPDATE objects SET mark = 1 WHERE app = $1 AND mark > 0 AND mark = 2`, l.app)
		return err
	})
	return c, err
}

// SaveCycle stores how far a cycle got. With the state done its watermark
// becomes the app's.
func (l *Ledger) SaveCycle(ctx context.Context, c *provision.Cycle) error {
	counts, err := json.Marshal(c.Counts)
	if err != nil {
		return err
	}
	return l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE cycles SET kind = $3, state = $4, ended = $5, watermark = $6, counts = $7, error = $8 WHERE app = $1 AND id = $2`,
			l.app, c.ID, string(c.Kind), string(c.State), timeText(c.Ended), string(c.Watermark), string(counts), c.Error)
		if err != nil || c.State != provision.CycleDone {
			return err
		}
		_, err = tx.Exec(`DELETE FROM objects WHERE app = $1 AND removed = 2 AND mark = 0
			AND NOT EXISTS (SELECT 1 FROM links k WHERE k.app = objects.app AND k.type = objects.type AND k.source_id = objects.id)`, l.app)
		return err
	})
}

// Cycles returns the latest cycles, newest first.
func (l *Ledger) Cycles(ctx context.Context, limit int) ([]*provision.Cycle, error) {
	var out []*provision.Cycle
	err := l.db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT `+cycleColumns+` FROM cycles WHERE app = $1 ORDER BY id DESC LIMIT $2`, []any{l.app, limit}, func(rows *sql.Rows) error {
			c, err := scanCycle(rows.Scan)
			out = append(out, c)
			return err
		})
	})
	return out, err
}

// Watermark returns the newest watermark of a closed cycle.
func (l *Ledger) Watermark(ctx context.Context) (w provision.Watermark, err error) {
	err = l.db.read(ctx, func(tx *Tx) error {
		err := tx.Row(`SELECT watermark FROM cycles WHERE app = $1 AND state = 'done' AND watermark <> '' ORDER BY id DESC LIMIT 1`, []any{l.app}, &w)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return w, err
}

// Plan appends items, stores links that need no write, clears the marks of the
// decided objects and replaces what they wait for.
func (l *Ledger) Plan(ctx context.Context, cycle int64, p provision.Planned) error {
	decisions, outcomes := make([]string, len(p.Items)), make([]string, len(p.Items))
	for i, it := range p.Items {
		d, err := json.Marshal(it.Decision)
		if err != nil {
			return err
		}
		decisions[i] = string(d)
		if outcomes[i], err = outcomeText(it.Outcome); err != nil {
			return err
		}
	}
	return l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		var next int64
		if err := tx.Row(`SELECT coalesce(max(seq), 0) FROM plan_items WHERE cycle = $1`, []any{cycle}, &next); err != nil {
			return err
		}
		for i, it := range p.Items {
			next++
			it.Seq = next
			if _, err := tx.Exec(`INSERT INTO plan_items (cycle, seq, type, source_id, name, action, state, wave, claims, leased, decision, outcome)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '', $9, $10)`,
				cycle, it.Seq, string(it.Ref.Type), it.Ref.ID, it.Name, string(it.Decision.Action), string(it.State), it.Wave, decisions[i], outcomes[i]); err != nil {
				return fmt.Errorf("plan %s %s: %w", it.Ref.Type, it.Ref.ID, err)
			}
			if err := l.settle(tx, it.Ref, p.Waiting[it.Ref]); err != nil {
				return err
			}
			// Nothing will come of a failure until something changes, so the next
			// cycle looks again.
			if it.Decision.Action == provision.ActionFail {
				if err := l.markNext(tx, it.Ref); err != nil {
					return err
				}
			}
		}
		for _, ref := range p.Settled {
			if err := l.settle(tx, ref, p.Waiting[ref]); err != nil {
				return err
			}
		}
		for _, k := range p.Links {
			if err := l.putLink(tx, k); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *Ledger) settle(tx *Tx, ref provision.Ref, waits []provision.Waiting) error {
	if _, err := tx.Exec(`UPDATE objects SET mark = 0 WHERE app = $1 AND type = $2 AND id = $3 AND mark IN (1, 3)`, l.app, string(ref.Type), ref.ID); err != nil {
		return err
	}
	return l.replaceWaiting(tx, ref, waits)
}

func (l *Ledger) markNext(tx *Tx, ref provision.Ref) error {
	_, err := tx.Exec(`UPDATE objects SET mark = 2 WHERE app = $1 AND type = $2 AND id = $3`, l.app, string(ref.Type), ref.ID)
	return err
}

func (l *Ledger) replaceWaiting(tx *Tx, ref provision.Ref, waits []provision.Waiting) error {
	if _, err := tx.Exec(`DELETE FROM waiting WHERE app = $1 AND type = $2 AND source_id = $3`, l.app, string(ref.Type), ref.ID); err != nil {
		return err
	}
	for _, w := range waits {
		if _, err := tx.Exec(`INSERT INTO waiting (app, type, source_id, attribute, ref_type, ref_id) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			l.app, string(ref.Type), ref.ID, w.Attribute, string(w.Type), w.SourceID); err != nil {
			return err
		}
	}
	if len(waits) == 0 {
		return nil
	}
	// Somebody waited for may have arrived while this object was on its way.
	_, err := tx.Exec(`UPDATE objects SET mark = 3 WHERE app = $1 AND type = $2 AND id = $3 AND mark = 0 AND EXISTS
		(SELECT 1 FROM waiting w JOIN links k ON k.app = w.app AND k.type = w.ref_type AND k.source_id = w.ref_id
		WHERE w.app = $1 AND w.type = $2 AND w.source_id = $3)`, l.app, string(ref.Type), ref.ID)
	return err
}

// putLink stores a link. When it is new, objects that waited for it are marked.
func (l *Ledger) putLink(tx *Tx, k provision.Link) error {
	var before string
	err := tx.Row(`SELECT target_id FROM links WHERE app = $1 AND type = $2 AND source_id = $3`, []any{l.app, string(k.Type), k.SourceID}, &before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO links (app, type, source_id, target_id, managed, matched_by, since, written) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (app, type, source_id) DO UPDATE SET target_id = excluded.target_id, managed = excluded.managed, written = excluded.written,
			matched_by = CASE WHEN excluded.matched_by <> '' THEN excluded.matched_by ELSE links.matched_by END,
			since = CASE WHEN excluded.target_id <> links.target_id THEN excluded.since ELSE links.since END`,
		l.app, string(k.Type), k.SourceID, k.TargetID, k.Managed, k.MatchedBy, timeText(k.Since), timeText(k.Written)); err != nil {
		return err
	}
	if before == k.TargetID {
		return nil
	}
	_, err = tx.Exec(`UPDATE objects SET mark = 3 WHERE app = $1 AND mark = 0 AND (type, id) IN (SELECT type, source_id FROM waiting WHERE app = $1 AND ref_type = $2 AND ref_id = $3)`,
		l.app, string(k.Type), k.SourceID)
	return err
}

// SetWaves stores in which wave items are applied.
func (l *Ledger) SetWaves(ctx context.Context, cycle int64, waves map[int64]int) error {
	if len(waves) == 0 {
		return nil
	}
	order := slices.Sorted(maps.Keys(waves))
	for batch := range slices.Chunk(order, 5000) {
		if err := l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
			for _, seq := range batch {
				if _, err := tx.Exec(`UPDATE plan_items SET wave = $3 WHERE cycle = $1 AND seq = $2`, cycle, seq, waves[seq]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// Waves returns the waves that still hold planned items.
func (l *Ledger) Waves(ctx context.Context, cycle int64) ([]int, error) {
	var out []int
	err := l.db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT DISTINCT wave FROM plan_items WHERE cycle = $1 AND state = 'planned' ORDER BY wave`, []any{cycle}, func(rows *sql.Rows) error {
			var w int
			err := rows.Scan(&w)
			out = append(out, w)
			return err
		})
	})
	return out, err
}

const itemColumns = `cycle, seq, type, source_id, name, wave, state, claims, decision, outcome`

func scanItem(scan func(...any) error) (*provision.Item, error) {
	it := &provision.Item{}
	var decision, outcome []byte
	if err := scan(&it.Cycle, &it.Seq, &it.Ref.Type, &it.Ref.ID, &it.Name, &it.Wave, &it.State, &it.Claims, &decision, &outcome); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(decision, &it.Decision); err != nil {
		return nil, fmt.Errorf("item %d of cycle %d cannot be read: %w", it.Seq, it.Cycle, err)
	}
	if len(outcome) == 0 {
		return it, nil
	}
	it.Outcome = &provision.Outcome{}
	return it, json.Unmarshal(outcome, it.Outcome)
}

// Claim gives the caller planned items that nobody holds.
func (l *Ledger) Claim(ctx context.Context, cycle int64, wave, n int, lease time.Duration, now time.Time) ([]*provision.Item, error) {
	var out []*provision.Item
	err := l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		out = out[:0]
		// The wave is given as a range so that the index of planned items serves,
		// and what is done is not walked over again at every claim.
		if err := tx.Each(`SELECT `+itemColumns+` FROM plan_items WHERE cycle = $1 AND wave >= $2 AND wave <= $2 AND state = 'planned' AND leased < $3 ORDER BY wave, seq LIMIT $4`+tx.c.claimable(),
			[]any{cycle, wave, timeText(now), n}, func(rows *sql.Rows) error {
				it, err := scanItem(rows.Scan)
				out = append(out, it)
				return err
			}); err != nil {
			return err
		}
		until := timeText(now.Add(lease))
		for _, it := range out {
			it.Claims++
			if _, err := tx.Exec(`UPDATE plan_items SET leased = $3, claims = claims + 1 WHERE cycle = $1 AND seq = $2`, cycle, it.Seq, until); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// releaseClaims gives back what a process that died had claimed. It is for
// SQLite: the lock on the file says that no other process is at work. Where
// there may be other nodes at work, a claim ends with its lease.
func (db *DB) releaseClaims(ctx context.Context) error {
	return db.write(ctx, storeRealm, func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE plan_items SET leased = '' WHERE state = 'planned' AND leased <> ''`)
		return err
	})
}

// Release gives claimed items back.
func (l *Ledger) Release(ctx context.Context, cycle int64, items []*provision.Item) error {
	if len(items) == 0 {
		return nil
	}
	return l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		for _, it := range items {
			if _, err := tx.Exec(`UPDATE plan_items SET leased = '' WHERE cycle = $1 AND seq = $2`, cycle, it.Seq); err != nil {
				return err
			}
		}
		return nil
	})
}

func outcomeText(o *provision.Outcome) (string, error) {
	if o == nil {
		return "", nil
	}
	b, err := json.Marshal(o)
	return string(b), err
}

// Finish stores outcomes with everything they lead to.
func (l *Ledger) Finish(ctx context.Context, cycle int64, done []provision.Finished) error {
	decisions, outcomes := make([]string, len(done)), make([]string, len(done))
	for i, f := range done {
		d, err := json.Marshal(f.Item.Decision)
		if err != nil {
			return err
		}
		decisions[i] = string(d)
		if outcomes[i], err = outcomeText(f.Item.Outcome); err != nil {
			return err
		}
	}
	return l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		for i, f := range done {
			ref := f.Item.Ref
			if _, err := tx.Exec(`UPDATE plan_items SET state = 'done', decision = $3, outcome = $4 WHERE cycle = $1 AND seq = $2`, cycle, f.Item.Seq, decisions[i], outcomes[i]); err != nil {
				return err
			}
			if err := l.finishOne(tx, ref, f); err != nil {
				return fmt.Errorf("store the outcome of %s %s: %w", ref.Type, ref.ID, err)
			}
		}
		return nil
	})
}

func (l *Ledger) finishOne(tx *Tx, ref provision.Ref, f provision.Finished) error {
	if f.Unlink {
		if _, err := tx.Exec(`DELETE FROM links WHERE app = $1 AND type = $2 AND source_id = $3`, l.app, string(ref.Type), ref.ID); err != nil {
			return err
		}
		if ref.Type == provision.Group {
			if _, err := tx.Exec(`DELETE FROM memberships WHERE app = $1 AND group_id = $2`, l.app, ref.ID); err != nil {
				return err
			}
		} else if err := l.forgetMember(tx, ref.ID); err != nil {
			return err
		}
	}
	if f.Link != nil {
		if err := l.putLink(tx, *f.Link); err != nil {
			return err
		}
		if err := l.replaceWaiting(tx, ref, f.Waiting); err != nil {
			return err
		}
		if len(f.Waiting) == 0 {
			// It was marked because somebody it refers to arrived, and this write
			// already carried the reference.
			if _, err := tx.Exec(`UPDATE objects SET mark = 0 WHERE app = $1 AND type = $2 AND id = $3 AND mark = 3`, l.app, string(ref.Type), ref.ID); err != nil {
				return err
			}
		}
	}
	for _, id := range f.Added {
		if _, err := tx.Exec(`INSERT INTO memberships (app, group_id, member_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, l.app, ref.ID, id); err != nil {
			return err
		}
	}
	for _, id := range f.Removed {
		if _, err := tx.Exec(`DELETE FROM memberships WHERE app = $1 AND group_id = $2 AND member_id = $3`, l.app, ref.ID, id); err != nil {
			return err
		}
	}
	if f.Retry {
		return l.markNext(tx, ref)
	}
	return nil
}

// forgetMember removes the memberships of a person whose target object is gone:
// the target dropped them along with it. The groups wait for the person, in case
// there will be another object.
func (l *Ledger) forgetMember(tx *Tx, id string) error {
	if _, err := tx.Exec(`INSERT INTO waiting (app, type, source_id, attribute, ref_type, ref_id)
		SELECT app, 'Group', group_id, 'members', 'User', member_id FROM memberships WHERE app = $1 AND member_id = $2 ON CONFLICT DO NOTHING`, l.app, id); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM memberships WHERE app = $1 AND member_id = $2`, l.app, id)
	return err
}

// PlanItems yields the items of a cycle in order.
func (l *Ledger) PlanItems(ctx context.Context, cycle int64) iter.Seq2[*provision.Item, error] {
	return func(yield func(*provision.Item, error) bool) {
		err := l.db.snapshot(ctx, func(tx *Tx) error {
			return tx.Each(`SELECT `+itemColumns+` FROM plan_items WHERE cycle = $1 ORDER BY seq`, []any{cycle}, func(rows *sql.Rows) error {
				it, err := scanItem(rows.Scan)
				if err != nil {
					return err
				}
				if !yield(it, nil) {
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

// CountItems counts the items of a cycle in a state; no actions: all.
func (l *Ledger) CountItems(ctx context.Context, cycle int64, state provision.ItemState, actions ...provision.Action) (int, error) {
	if len(actions) == 0 {
		return l.count(ctx, `SELECT count(*) FROM plan_items WHERE cycle = $1 AND state = $2`, cycle, string(state))
	}
	return l.count(ctx, `SELECT count(*) FROM plan_items WHERE cycle = $1 AND state = $2 AND action IN (SELECT value FROM `+l.db.jsonStrings("$3")+`)`,
		cycle, string(state), idList(actionNames(actions)))
}

// CountTouched counts the objects with an item in a cycle.
func (l *Ledger) CountTouched(ctx context.Context, cycle int64) (int, error) {
	return l.count(ctx, `SELECT count(*) FROM (SELECT DISTINCT type, source_id FROM plan_items WHERE cycle = $2) i
		JOIN objects o ON o.app = $1 AND o.type = i.type AND o.id = i.source_id WHERE o.removed = 0`, l.app, cycle)
}

func actionNames(actions []provision.Action) []string {
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = string(a)
	}
	return names
}

// Hold keeps planned items from being applied and marks their objects for the
// next cycle.
func (l *Ledger) Hold(ctx context.Context, cycle int64, actions ...provision.Action) (int, error) {
	var held int64
	err := l.db.write(ctx, appRealm(l.app), func(tx *Tx) error {
		which := idList(actionNames(actions))
		if _, err := tx.Exec(`UPDATE objects SET mark = 2 WHERE app = $1 AND (type, id) IN
			(SELECT type, source_id FROM plan_items WHERE cycle = $2 AND state = 'planned' AND action IN (SELECT value FROM `+tx.c.jsonStrings("$3")+`))`, l.app, cycle, which); err != nil {
			return err
		}
		var err error
		held, err = tx.Exec(`UPDATE plan_items SET state = 'held' WHERE cycle = $1 AND state = 'planned' AND action IN (SELECT value FROM `+tx.c.jsonStrings("$2")+`)`, cycle, which)
		return err
	})
	return int(held), err
}

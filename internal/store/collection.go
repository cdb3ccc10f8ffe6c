package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// A collection is the resources of one type in one account. Its number is the
// high part of the seq of each.
type collection int64

// numberBits is how much of a seq is the number within the collection.
const numberBits = 40

// first and last bound the seqs of the collection.
func (c collection) first() int64 { return int64(c) << numberBits }
func (c collection) last() int64  { return int64(c+1)<<numberBits - 1 }

// collectionOf returns the collection a seq belongs to.
func collectionOf(seq int64) collection { return collection(seq >> numberBits) }

// blockBits: 512 consecutive numbers share one counter.
const blockBits = 9

// blockOf returns the block a seq is counted in.
func blockOf(seq int64) int64 { return (seq & (1<<numberBits - 1)) >> blockBits }

type collectionKey struct{ account, typ string }

// collectionCache remembers the numbers of collections that are on disk.
type collectionCache struct {
	mu         sync.RWMutex
	numbers    map[collectionKey]collection
	generation int // grows when an account is removed
}

func (cc *collectionCache) get(key collectionKey) (c collection, generation int) {
	cc.mu.RLock()
	defer cc.mu.RUnlock()
	return cc.numbers[key], cc.generation
}

// put remembers what was read after generation had been, unless an account
// was removed since.
func (cc *collectionCache) put(key collectionKey, c collection, generation int) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if generation != cc.generation {
		return
	}
	if cc.numbers == nil {
		cc.numbers = make(map[collectionKey]collection)
	}
	cc.numbers[key] = c
}

// forget drops what is known. It is called when an account has been removed.
func (cc *collectionCache) forget() {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	clear(cc.numbers)
	cc.generation++
}

// lookCollection returns the collection, 0 while nothing was ever stored in it.
func (db *DB) lookCollection(tx *Tx, account, typ string) (collection, error) {
	if db.watch != nil && !db.watch.sure() {
		db.collections.forget()
	}
	key := collectionKey{account, typ}
	c, generation := db.collections.get(key)
	if c != 0 {
		return c, nil
	}
	err := tx.Row(`SELECT num FROM collections WHERE account = $1 AND type = $2`, []any{account, typ}, &c)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up the %s collection of account %s: %w", typ, account, err)
	}
	if !tx.writing { // what the writer sees may still be undone
		db.collections.put(key, c, generation)
	}
	return c, nil
}

// ensureCollection returns the collection and makes it when needed. It is for
// the writer.
func (db *DB) ensureCollection(tx *Tx, account, typ string) (collection, error) {
	if c, err := db.lookCollection(tx, account, typ); c != 0 || err != nil {
		return c, err
	}
	var c collection
	err := tx.Row(`INSERT INTO collections (account, type) VALUES ($1, $2) RETURNING num`, []any{account, typ}, &c)
	if err != nil {
		return 0, fmt.Errorf("make the %s collection of account %s: %w", typ, account, err)
	}
	return c, nil
}

// dropCollections takes an account's collections away from it. Nothing finds
// them any more; sweep deletes what they hold.
func (db *DB) dropCollections(tx *Tx, account string) error {
	for _, q := range []string{
		`UPDATE collections SET account = NULL WHERE account = $1`,
		`DELETE FROM freshservice_notes WHERE account = $1`,
		`DELETE FROM freshservice_settings WHERE account = $1`,
	} {
		if _, err := tx.Exec(q, account); err != nil {
			return fmt.Errorf("drop the resources of account %s: %w", account, err)
		}
	}
	return nil
}

// sweepStep is how many resources one step of sweep deletes.
const sweepStep = 500

// sweep deletes what is in dropped collections. It is safe to end anywhere and
// to begin again.
func (db *DB) sweep(ctx context.Context) error {
	var dropped []collection
	err := db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT num FROM collections WHERE account IS NULL`, nil, func(rows *sql.Rows) error {
			var c collection
			err := rows.Scan(&c)
			dropped = append(dropped, c)
			return err
		})
	})
	for _, c := range dropped {
		for more := true; more && err == nil; {
			err = db.write(ctx, sweepRealm, func(tx *Tx) (err error) {
				more, err = sweepSome(tx, c)
				return err
			})
		}
	}
	if err != nil {
		return fmt.Errorf("delete the resources of removed accounts: %w", err)
	}
	return nil
}

func sweepSome(tx *Tx, c collection) (more bool, err error) {
	// The n-th seq ends the step; without one this is the last step.
	var upTo int64
	err = tx.Row(`SELECT seq FROM resources WHERE seq BETWEEN $1 AND $2 ORDER BY seq LIMIT 1 OFFSET $3`,
		[]any{c.first(), c.last(), sweepStep - 1}, &upTo)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		upTo = c.last()
	case err != nil:
		return false, err
	default:
		more = true
	}
	for _, q := range []string{
		`DELETE FROM members WHERE group_seq BETWEEN $1 AND $2`,
		`DELETE FROM members WHERE member_seq BETWEEN $1 AND $2`,
		`DELETE FROM freshservice_emails WHERE seq BETWEEN $1 AND $2`,
		`DELETE FROM freshservice_records WHERE seq BETWEEN $1 AND $2`,
		`DELETE FROM resources WHERE seq BETWEEN $1 AND $2`,
	} {
		if _, err := tx.Exec(q, c.first(), upTo); err != nil {
			return false, err
		}
	}
	if more {
		return true, nil
	}
	for _, q := range []string{
		`DELETE FROM emails WHERE collection = $1`,
		`DELETE FROM blocks WHERE collection = $1`,
		`DELETE FROM collections WHERE num = $1`,
	} {
		if _, err := tx.Exec(q, int64(c)); err != nil {
			return false, err
		}
	}
	return false, nil
}

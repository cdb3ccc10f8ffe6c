package store

import (
	"context"
	"crypto/rand"
	"fmt"
)

// loadCursorKey reads, or on first use makes, the key that cursors are signed
// with. It is kept in the database, so that a cursor outlives a restart.
func (db *DB) loadCursorKey(ctx context.Context) error {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails: crypto/rand ends the program instead
	err := db.write(ctx, func(tx *Tx) error {
		return tx.Row(`INSERT INTO store_settings (key, value) VALUES ('cursor key', $1)
			ON CONFLICT (key) DO UPDATE SET value = store_settings.value RETURNING value`, []any{fresh}, &db.cursorKey)
	})
	if err != nil {
		return fmt.Errorf("prepare the cursor key: %w", err)
	}
	return nil
}

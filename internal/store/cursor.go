package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"lockstep/internal/scim"
)

// A cursor is a place between two resources in the order of one query (RFC
// 9865). It names the resource beside it by what it is sorted by, so that the
// walk goes on at the right place whatever was written meanwhile, and costs the
// same on every page.
type cursor struct {
	// Seq is the resource the place is beside: pages go on after it, or, when
	// Back is set, end before it.
	Seq  int64 `json:"s"`
	Back bool  `json:"b,omitempty"`
	// Total is what the first page counted, so that later ones need not.
	Total int `json:"t,omitempty"`
	// Key is the sort value of a column.
	Key any `json:"k,omitempty"`
	// Sort is what the resource is sorted by when that is no column.
	Sort *sortable `json:"o,omitempty"`
}

// A sortable is as much of a resource as [scim.Compare] needs.
type sortable struct {
	ID       string       `json:"i,omitempty"`
	Created  int64        `json:"c,omitempty"`
	Modified int64        `json:"m,omitempty"`
	Attrs    *scim.Object `json:"a"`
}

// macSize is how many bytes of the MAC a cursor carries. It keeps made-up and
// mixed-up cursors out; it protects nothing that is secret.
const macSize = 12

// loadCursorKey reads, or on first use makes, the key that cursors are signed
// with. It is kept in the database, so that a cursor outlives a restart.
func (db *DB) loadCursorKey(ctx context.Context) error {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails: crypto/rand ends the program instead
	err := db.write(ctx, storeRealm, func(tx *Tx) error {
		return tx.Row(`INSERT INTO store_settings (key, value) VALUES ('cursor key', $1)
			ON CONFLICT (key) DO UPDATE SET value = store_settings.value RETURNING value`, []any{fresh}, &db.cursorKey)
	})
	if err != nil {
		return fmt.Errorf("prepare the cursor key: %w", err)
	}
	return nil
}

// cursorMAC signs a cursor for one query of one collection.
func (db *DB) cursorMAC(payload []byte, query string) []byte {
	h := hmac.New(sha256.New, db.cursorKey)
	h.Write([]byte(query))
	h.Write([]byte{0})
	h.Write(payload)
	return h.Sum(nil)[:macSize]
}

// sealCursor returns the cursor as clients see it: unreserved characters only.
func (db *DB) sealCursor(c *cursor, query string) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode a cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(payload, db.cursorMAC(payload, query)...)), nil
}

// openCursor is the inverse of sealCursor. Whatever did not come from it, or
// belongs to another query, is refused.
func (db *DB) openCursor(text, query string) (*cursor, error) {
	bad := scim.Errorf(scim.InvalidCursor, "the cursor is not one that this query gave out; begin again with an empty cursor")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) <= macSize {
		return nil, bad
	}
	payload, mac := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	if !hmac.Equal(mac, db.cursorMAC(payload, query)) {
		return nil, bad
	}
	var c cursor
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, bad
	}
	if f, ok := c.Key.(float64); ok {
		c.Key = int64(f) // milliseconds: far below what a float64 holds exactly
	}
	return &c, nil
}

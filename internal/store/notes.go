package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"lockstep/internal/freshservice"
)

// NotesOfCode sums up the notes with one code.
type NotesOfCode struct {
	Count int
	// Values are some of the values concerned, without repeats.
	Values []string
}

const noteValues = 5

// NotesByCode sums up what could not be carried over to an account's
// Freshservice.
func (db *DB) NotesByCode(ctx context.Context, accountID string) (map[string]NotesOfCode, error) {
	out := map[string]NotesOfCode{}
	err := db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT notes FROM freshservice_notes WHERE account = $1`, []any{accountID}, func(rows *sql.Rows) error {
			var text []byte
			if err := rows.Scan(&text); err != nil {
				return err
			}
			var notes []freshservice.Note
			if err := json.Unmarshal(text, &notes); err != nil {
				return err
			}
			for _, n := range notes {
				sum := out[n.Code]
				sum.Count++
				if len(sum.Values) < noteValues && n.Value != "" && !slices.Contains(sum.Values, n.Value) {
					sum.Values = append(sum.Values, n.Value)
				}
				out[n.Code] = sum
			}
			return nil
		})
	})
	return out, err
}

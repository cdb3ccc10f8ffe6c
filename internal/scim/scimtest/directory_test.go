package scimtest

import (
	"strconv"
	"testing"

	"lockstep/internal/scim"
)

func TestDirectory(t *testing.T) {
	RunDirectory(t, func(*testing.T) scim.Directory { return NewDirectory(UserType, GroupType) })
}

func TestExpiredCursor(t *testing.T) {
	d := NewDirectory()
	for i := range 3 {
		mustCreate(t, d, UserType, user(strconv.Itoa(i)+"@acme.example"))
	}
	query := func(cursor string) (*scim.Page, error) {
		return d.Query(t.Context(), UserType, scim.Query{Cursor: &cursor, StartIndex: 1, Count: 1})
	}
	first, err := query("")
	if err != nil {
		t.Fatal(err)
	}
	for range maxWalks {
		if _, err := query(""); err != nil {
			t.Fatal(err)
		}
	}
	_, err = query(first.NextCursor)
	wantError(t, err, scim.ExpiredCursor)
}

package store_test

import (
	"testing"

	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/store"
	"lockstep/internal/store/storetest"
)

func TestDirectory(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := 0
		scimtest.RunDirectory(t, func(t *testing.T) scim.Directory {
			n++
			return db.Directory("acme" + string(rune('a'+n)))
		})
	})
}

package store

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lockstep/internal/scim"
)

// TestBlockIndex holds the index to a walk over all numbers.
func TestBlockIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := rapid.Int64Range(1, 4<<blockBits).Draw(t, "last")
		gone := map[int64]bool{}
		for range rapid.IntRange(0, 3).Draw(t, "gaps") {
			from := rapid.Int64Range(1, last).Draw(t, "from")
			for n := from; n <= min(last, from+rapid.Int64Range(0, 2<<blockBits).Draw(t, "length")); n++ {
				gone[n] = true
			}
		}
		var numbers []int64
		x := &blockIndex{last: last}
		for n := int64(1); n <= last; n++ {
			if gone[n] {
				continue
			}
			if b := n >> blockBits; len(x.blocks) == 0 || x.blocks[len(x.blocks)-1] != b {
				x.blocks, x.before = append(x.blocks, b), append(x.before, x.total)
			}
			x.total++
			numbers = append(numbers, n)
		}
		skip, count := rapid.Int64Range(0, last).Draw(t, "skip"), rapid.Int64Range(1, 2<<blockBits).Draw(t, "count")
		at, within, ok := x.seek(skip)
		if ok != (skip < x.total) {
			t.Fatalf("seek(%d) of %d: %v", skip, x.total, ok)
		}
		if ok && numbers[skip-within]>>blockBits != x.blocks[at] {
			t.Fatalf("seek(%d) found block %d, want %d", skip, x.blocks[at], numbers[skip]>>blockBits)
		}
		first, n, ok := x.run(skip, count)
		if !ok {
			return
		}
		want := numbers[skip:min(int(skip+count), len(numbers))]
		if int(n) != len(want) || first != want[0] || first+n-1 != want[len(want)-1] {
			t.Fatalf("run(%d, %d) = %d numbers from %d, want %d from %d to %d", skip, count, n, first, len(want), want[0], want[len(want)-1])
		}
	})
}

// TestPagesAcrossBlocks compares pages by index with the order of creation,
// before and after deletions, from memory and from the database.
func TestPagesAcrossBlocks(t *testing.T) {
	t.Parallel()
	db := openTestPath(t, filepath.Join(t.TempDir(), "lockstep.db"))
	d := db.Directory("a")
	users := scim.UserType()
	ctx := t.Context()
	var ids []string
	for i := range 1<<blockBits + 60 {
		r, err := d.Create(ctx, scim.NewResource(users, scim.NewObject("userName", fmt.Sprint("u", i))))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	check := func() {
		t.Helper()
		for _, start := range []int{1, 2, 400, 1<<blockBits - 20, 1 << blockBits, 1<<blockBits + 1, len(ids) - 3, len(ids), len(ids) + 1} {
			page, err := d.Query(ctx, users, scim.Query{StartIndex: start, Count: 50})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range page.Resources {
				got = append(got, r.ID)
			}
			want := ids[min(start-1, len(ids)):min(start+49, len(ids))]
			if page.Total != len(ids) || !slices.Equal(got, want) {
				t.Fatalf("page at %d of %d: %d resources of %d, the first %v, want %d", start, len(ids), len(got), page.Total, got[:min(1, len(got))], len(want))
			}
		}
	}
	kept := db.cache
	both := func() {
		t.Helper()
		check()
		db.cache = nil
		check()
		db.cache = kept
	}
	both()
	for _, i := range []int{1<<blockBits + 50, 1<<blockBits - 1, 100, 99, 0} {
		if err := d.Delete(ctx, users, ids[i], scim.Precondition{}); err != nil {
			t.Fatal(err)
		}
		ids = slices.Delete(ids, i, i+1)
		both()
	}
}

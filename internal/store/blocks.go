package store

import (
	"database/sql"
	"sort"
	"sync"
)

// A blockIndex is the block counters of a collection, added up. While no
// resource is created or deleted it stays true, and the two numbers that it is
// of tell: last grows with every creation, and total changes with every
// deletion. A mirror, where resources also hide and appear, has none.
type blockIndex struct {
	last, total int64
	blocks      []int64 // with at least one resource, in order
	before      []int64 // how many resources the blocks before it hold
}

// maxIndexed is the largest number of blocks that are kept in memory: those of
// eight million resources.
const maxIndexed = 1 << 14

// blockIndexes keeps the newest index of each collection.
type blockIndexes struct {
	mu   sync.Mutex
	kept map[collection]*blockIndex
}

// blockIndex returns the index of the state that the transaction sees, nil when
// it is too large.
func (db *DB) blockIndex(tx *Tx, c collection, last, total int64) (*blockIndex, error) {
	x := &db.blockIndexes
	x.mu.Lock()
	idx := x.kept[c]
	x.mu.Unlock()
	if idx != nil && idx.last == last && idx.total == total {
		return idx, nil
	}
	if last>>blockBits >= maxIndexed {
		return nil, nil
	}
	idx = &blockIndex{last: last, total: total}
	var sum int64
	err := tx.Each(`SELECT block, n FROM blocks WHERE collection = $1 AND n > 0 ORDER BY block`, []any{int64(c)}, func(rows *sql.Rows) error {
		var block, n int64
		err := rows.Scan(&block, &n)
		idx.blocks, idx.before = append(idx.blocks, block), append(idx.before, sum)
		sum += n
		return err
	})
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.kept == nil || len(x.kept) >= 64 {
		x.kept = make(map[collection]*blockIndex)
	}
	x.kept[c] = idx
	return idx, nil
}

// seek returns the block in which the resource lies before which there are
// skip others, and how many of these are in the block itself. ok is false when
// there are not so many.
func (x *blockIndex) seek(skip int64) (at int, within int64, ok bool) {
	if skip >= x.total || len(x.blocks) == 0 {
		return 0, 0, false
	}
	at = sort.Search(len(x.before), func(i int) bool { return x.before[i] > skip }) - 1
	return at, skip - x.before[at], true
}

// numbers returns the lowest number that the block may hold, how many it may
// hold, and how many it does hold.
func (x *blockIndex) numbers(at int) (lowest, room, n int64) {
	lowest = max(1, x.blocks[at]<<blockBits)
	highest := min(x.last, x.blocks[at]<<blockBits|(1<<blockBits-1))
	n = x.total - x.before[at]
	if at+1 < len(x.before) {
		n = x.before[at+1] - x.before[at]
	}
	return lowest, highest - lowest + 1, n
}

// run returns the numbers of the count resources after the first skip, when no
// block that they lie in has a gap, so that the numbers follow each other.
func (x *blockIndex) run(skip, count int64) (first, n int64, ok bool) {
	at, within, ok := x.seek(skip)
	if !ok {
		return 0, 0, false
	}
	lowest, room, has := x.numbers(at)
	if has != room {
		return 0, 0, false
	}
	first, n = lowest+within, room-within
	for n < count && at+1 < len(x.blocks) {
		at++
		lowest, room, has = x.numbers(at)
		if has != room || lowest != first+n {
			return 0, 0, false
		}
		n += room
	}
	return first, min(n, count), true
}

package desk

import (
	"iter"
	"slices"
)

// blockSize bounds what one insertion has to move.
const blockSize = 512

// order keeps values sorted while they come and go. Inserting and removing
// cost one small block; starting at an offset costs a walk over the blocks'
// lengths. So lists can be paged while people are being created.
type order[T any] struct {
	compare func(a, b T) int
	blocks  [][]T
	n       int
}

func (o *order[T]) len() int { return o.n }

// block returns the index of the block where v is or belongs.
func (o *order[T]) block(v T) int {
	i, _ := slices.BinarySearchFunc(o.blocks, v, func(b []T, v T) int {
		return o.compare(b[len(b)-1], v)
	})
	return min(i, len(o.blocks)-1)
}

// insert adds v, or replaces the value that compares equal.
func (o *order[T]) insert(v T) {
	if len(o.blocks) == 0 {
		o.blocks = append(o.blocks, append(make([]T, 0, blockSize), v))
		o.n++
		return
	}
	i := o.block(v)
	b := o.blocks[i]
	at, found := slices.BinarySearchFunc(b, v, o.compare)
	if found {
		b[at] = v
		return
	}
	o.n++
	b = slices.Insert(b, at, v)
	o.blocks[i] = b
	if len(b) < blockSize {
		return
	}
	// Values mostly arrive at the end: leave the front of the last block nearly
	// full, so that ascending insertion does not leave half-empty blocks.
	cut := blockSize / 2
	if at == blockSize-1 {
		cut = blockSize - 8
	}
	tail := append(make([]T, 0, blockSize), b[cut:]...)
	clear(b[cut:])
	o.blocks[i] = b[:cut]
	o.blocks = slices.Insert(o.blocks, i+1, tail)
}

// remove drops the value that compares equal to v.
func (o *order[T]) remove(v T) {
	if len(o.blocks) == 0 {
		return
	}
	i := o.block(v)
	at, found := slices.BinarySearchFunc(o.blocks[i], v, o.compare)
	if !found {
		return
	}
	o.n--
	o.blocks[i] = slices.Delete(o.blocks[i], at, at+1)
	if len(o.blocks[i]) == 0 {
		o.blocks = slices.Delete(o.blocks, i, i+1)
	}
}

// from yields the values in order, beginning with the one at offset.
func (o *order[T]) from(offset int) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, b := range o.blocks {
			if offset >= len(b) {
				offset -= len(b)
				continue
			}
			for _, v := range b[offset:] {
				if !yield(v) {
					return
				}
			}
			offset = 0
		}
	}
}

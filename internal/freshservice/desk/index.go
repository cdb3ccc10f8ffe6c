package desk

import (
	"iter"
	"sync"
	"time"
)

// queryIndex is what ?query= sees: the people as they were some time ago
// (Freshservice API: "it may take a few minutes for the update to be
// reflected"). Changes wait in a queue until they are old enough.
type queryIndex struct {
	lag time.Duration
	now func() time.Time

	mu      sync.Mutex
	people  map[int64]*Person
	newest  order[*Person]
	pending []pendingChange
	head    int
}

type pendingChange struct {
	at     time.Time
	id     int64
	person *Person
}

func newQueryIndex(lag time.Duration, now func() time.Time) *queryIndex {
	return &queryIndex{lag: lag, now: now, people: map[int64]*Person{}, newest: order[*Person]{compare: byNewest}}
}

// change makes p the person id, visible after the lag; nil removes it.
func (x *queryIndex) change(id int64, p *Person) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lag <= 0 {
		x.put(id, p)
		return
	}
	now := x.now()
	x.pending = append(x.pending, pendingChange{now, id, p})
	x.catchUp(now)
}

// settle makes everything visible at once, as after a start.
func (x *queryIndex) settle() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for ; x.head < len(x.pending); x.head++ {
		x.put(x.pending[x.head].id, x.pending[x.head].person)
	}
	x.pending, x.head = nil, 0
}

func (x *queryIndex) catchUp(now time.Time) {
	for ; x.head < len(x.pending) && now.Sub(x.pending[x.head].at) >= x.lag; x.head++ {
		c := &x.pending[x.head]
		x.put(c.id, c.person)
		c.person = nil
	}
	if x.head == len(x.pending) {
		x.pending, x.head = x.pending[:0], 0
	} else if x.head > 1024 && x.head > len(x.pending)/2 {
		n := copy(x.pending, x.pending[x.head:])
		clear(x.pending[n:])
		x.pending, x.head = x.pending[:n], 0
	}
}

func (x *queryIndex) put(id int64, p *Person) {
	if old := x.people[id]; old != nil && (p == nil || old.CreatedAt != p.CreatedAt) {
		x.newest.remove(old)
	}
	if p == nil {
		delete(x.people, id)
		return
	}
	x.people[id] = p
	x.newest.insert(p)
}

// search returns the people that match, newest first, after skipping some.
func (x *queryIndex) search(match func(*Person) bool, skip, count int) []*Person {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.catchUp(x.now())
	return page(filter(x.newest.from(0), match), skip, count)
}

func filter[T any](seq iter.Seq[T], match func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range seq {
			if match(v) && !yield(v) {
				return
			}
		}
	}
}

// page returns count values after skipping some.
func page[T any](seq iter.Seq[T], skip, count int) []T {
	out := make([]T, 0, min(count, 128))
	for v := range seq {
		if skip > 0 {
			skip--
			continue
		}
		if len(out) == count {
			break
		}
		out = append(out, v)
	}
	return out
}

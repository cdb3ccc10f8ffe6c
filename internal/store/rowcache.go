package store

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"lockstep/internal/scim"
)

// cacheSize is how many bytes of rows are kept in memory: some 100,000 users.
const cacheSize = 40 << 20

// A rowCache keeps the rows of users that were read or written last, so that
// the look-ups of which a client's cycle consists mostly need no SQL. It is for
// a database that this process alone writes to: the writer replaces what it
// changed before it answers, so nobody reads an older state than was
// acknowledged.
//
// Rows lie packed in a ring, the oldest leave first, and nothing in it is a
// pointer: a full cache costs the garbage collector nothing. A nil rowCache
// keeps nothing.
type rowCache struct {
	seed maphash.Seed
	// changes counts the times that rows were changed; see fill.
	changes atomic.Uint64
	// joins counts the times that users were put into groups.
	joins atomic.Uint64

	mu    sync.RWMutex
	ring  []byte
	free  func()
	head  int               // where the next record goes
	tail  int               // the oldest record
	wraps bool              // head is behind tail, in the next round
	ids   map[uint64]uint32 // hash of collection and id → record
	names map[uint64]uint32 // hash of collection and folded userName → record
	seqs  map[int64]uint32
}

func newRowCache(size int) *rowCache {
	rc := &rowCache{seed: maphash.MakeSeed(), ids: map[uint64]uint32{}, names: map[uint64]uint32{}, seqs: map[int64]uint32{}}
	rc.ring, rc.free = arena(size)
	return rc
}

// close gives the memory back. Nothing is found from then on.
func (rc *rowCache) close() {
	if rc == nil {
		return
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	clear(rc.ids)
	clear(rc.names)
	clear(rc.seqs)
	rc.changes.Add(1)
	rc.ring = nil
	rc.free()
}

// A record is: length of it all, of id, of name; flags; four numbers; id; name;
// body, packed. A length of 0 says that the rest of the ring is unused.
const (
	recordHead = 4 + 2 + 2 + 1 + 4*8
	// maxRecord keeps single large resources from pushing out all others.
	maxRecord     = 32 << 10
	flagGroupless = 1
)

func (rc *rowCache) hash(c collection, text string) uint64 {
	return maphash.String(rc.seed, text) ^ uint64(c)*0x9e3779b97f4a7c15
}

// byID returns the row of a resource.
func (rc *rowCache) byID(c collection, id string) (*row, bool) {
	if rc == nil {
		return nil, false
	}
	return rc.get(c, rc.ids, id, func(rec []byte) []byte { i, _, _ := parts(rec); return i })
}

// byName returns the row of the user with a folded userName.
func (rc *rowCache) byName(c collection, name string) (*row, bool) {
	if rc == nil {
		return nil, false
	}
	return rc.get(c, rc.names, name, func(rec []byte) []byte { _, n, _ := parts(rec); return n })
}

func (rc *rowCache) get(c collection, index map[uint64]uint32, text string, key func([]byte) []byte) (*row, bool) {
	h := rc.hash(c, text)
	rc.mu.RLock()
	defer rc.mu.RUnlock()
	at, ok := index[h]
	if !ok {
		return nil, false
	}
	rec := rc.record(at)
	r := readRecord(rec)
	if collectionOf(r.seq) != c || string(key(rec)) != text {
		return nil, false
	}
	id, _, body := parts(rec)
	r.id, r.body = string(id), unpack(body)
	return &r, true
}

// bySeq returns the rows of n consecutive seqs when all are there.
func (rc *rowCache) bySeq(first int64, n int) ([]row, bool) {
	rows := make([]row, n)
	rc.mu.RLock()
	defer rc.mu.RUnlock()
	for i := range rows {
		at, ok := rc.seqs[first+int64(i)]
		if !ok {
			return nil, false
		}
		rec := rc.record(at)
		rows[i] = readRecord(rec)
		id, _, body := parts(rec)
		rows[i].id, rows[i].body = string(id), unpack(body)
	}
	return rows, true
}

func (rc *rowCache) record(at uint32) []byte {
	n := binary.LittleEndian.Uint32(rc.ring[at:])
	return rc.ring[at : at+n]
}

func parts(rec []byte) (id, name, body []byte) {
	i, n := int(binary.LittleEndian.Uint16(rec[4:])), int(binary.LittleEndian.Uint16(rec[6:]))
	rest := rec[recordHead:]
	return rest[:i], rest[i : i+n], rest[i+n:]
}

func readRecord(rec []byte) row {
	number := func(i int) int64 { return int64(binary.LittleEndian.Uint64(rec[9+8*i:])) }
	return row{seq: number(0), version: number(1), created: number(2), modified: number(3), groupless: rec[8]&flagGroupless != 0}
}

func appendRecord(b []byte, r *row, name string, body string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(recordHead+len(r.id)+len(name)+len(body)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.id)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
	var flags byte
	if r.groupless {
		flags = flagGroupless
	}
	b = append(b, flags)
	for _, n := range []int64{r.seq, r.version, r.created, r.modified} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, r.id...)
	b = append(b, name...)
	return append(b, body...)
}

// watch begins a read whose rows are to be kept with fill.
func (rc *rowCache) watch() uint64 {
	if rc == nil {
		return 0
	}
	return rc.changes.Load()
}

// fill keeps a row of fewColumns that was read after watch, unless anything was changed
// since: then it may be older than what is there.
func (rc *rowCache) fill(since uint64, r *row) {
	if rc == nil || r.hidden {
		return
	}
	packed, ok := pack(r.body)
	if !ok {
		return
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.changes.Load() == since {
		rc.put(r, r.userName, packed)
	}
}

// joined returns a number that changes whenever users have been put into groups.
func (rc *rowCache) joined() uint64 {
	if rc == nil {
		return 0
	}
	return rc.joins.Load()
}

// A touch is what a change did to a row: it is r now, or, when r is nil, has to
// be read anew.
type touch struct {
	seq  int64
	r    *row
	name string // of r
	body string // of r, packed
}

// touched notes, in the writer, that a user was changed, or put into a group:
// it is to be read anew once the change is committed.
func (tx *Tx) touched(seq int64) { tx.touches = append(tx.touches, touch{seq: seq}) }

// touching reports whether a change of the same transaction touched a resource.
func (tx *Tx) touching(seq int64) bool {
	return slices.ContainsFunc(tx.touches, func(t touch) bool { return t.r == nil && t.seq == seq })
}

// became notes what a user is after a change. What is known of its groups is
// what the row says.
func (tx *Tx) became(r *row, userName any) {
	t := touch{seq: r.seq}
	name, _ := userName.(string)
	if body, ok := pack(r.body); ok && !r.hidden {
		kept := *r
		kept.body = nil
		t.r, t.name, t.body = &kept, name, body
	}
	tx.touches = append(tx.touches, t)
}

// apply brings the cache to the state that was committed.
func (rc *rowCache) apply(list []touch) {
	if rc == nil || len(list) == 0 {
		return
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.changes.Add(1)
	for i := range list {
		t := &list[i]
		if t.r == nil {
			rc.joins.Add(1)
			rc.remove(t.seq)
			continue
		}
		rc.put(t.r, t.name, t.body)
	}
}

// remove forgets a resource. Its bytes leave the ring in their turn.
func (rc *rowCache) remove(seq int64) {
	if at, ok := rc.seqs[seq]; ok {
		rc.forget(at)
	}
}

// forget takes the record at that place out of the indexes.
func (rc *rowCache) forget(at uint32) {
	rec := rc.record(at)
	seq := readRecord(rec).seq
	c := collectionOf(seq)
	id, name, _ := parts(rec)
	if there, ok := rc.seqs[seq]; ok && there == at {
		delete(rc.seqs, seq)
	}
	for _, k := range []struct {
		index map[uint64]uint32
		text  []byte
	}{{rc.ids, id}, {rc.names, name}} {
		if h := rc.hash(c, string(k.text)); len(k.text) > 0 {
			if there, ok := k.index[h]; ok && there == at {
				delete(k.index, h)
			}
		}
	}
}

// put keeps a row in place of what was known of it.
func (rc *rowCache) put(r *row, name, body string) {
	c := collectionOf(r.seq)
	rc.remove(r.seq)
	n := recordHead + len(r.id) + len(name) + len(body)
	if n > min(maxRecord, len(rc.ring)) || len(r.id) > 1<<15 || len(name) > 1<<15 {
		return
	}
	at := rc.room(n)
	appendRecord(rc.ring[at:at], r, name, body)
	rc.ids[rc.hash(c, r.id)], rc.seqs[r.seq] = uint32(at), uint32(at)
	if name != "" {
		rc.names[rc.hash(c, name)] = uint32(at)
	}
}

// room makes room for n bytes in one piece and returns where.
func (rc *rowCache) room(n int) int {
	if rc.head+n > len(rc.ring) {
		// The end is too short: go on at the beginning.
		for rc.wraps { // the oldest records lie there
			rc.evict()
		}
		if rc.head+4 <= len(rc.ring) {
			clear(rc.ring[rc.head : rc.head+4])
		}
		rc.head, rc.wraps = 0, true
	}
	for rc.wraps && rc.tail-rc.head < n {
		rc.evict()
	}
	at := rc.head
	rc.head += n
	return at
}

// evict drops the oldest record.
func (rc *rowCache) evict() {
	if rc.tail+4 > len(rc.ring) || binary.LittleEndian.Uint32(rc.ring[rc.tail:]) == 0 {
		rc.tail, rc.wraps = 0, false
		return
	}
	rc.forget(uint32(rc.tail))
	rc.tail += len(rc.record(uint32(rc.tail)))
	if rc.tail == len(rc.ring) {
		rc.tail, rc.wraps = 0, false
	}
}

// fragments are what users' JSON consists of besides its values. In memory each
// is one byte below the space, which JSON never holds unescaped. Of those that
// begin alike the longer comes first.
var fragments = [...]string{
	`{"schemas":["` + scim.URNUser + `"`, `,"` + scim.URNEnterprise + `"`, `,"` + scim.URNFreshservice + `"`,
	`,"userName":"`, `,"externalId":"`, `,"displayName":"`, `,"active":true`, `,"active":false`,
	`,"name":{`, `"givenName":"`, `"familyName":"`, `"formatted":"`,
	`,"emails":[{`, `,"phoneNumbers":[{`, `,"addresses":[{`,
	`"type":"work"`, `"type":"`, `"primary":true`, `"value":"`,
	`,"title":"`, `,"preferredLanguage":"`, `,"manager":{`, `"department":"`, `"employeeNumber":"`,
	`"streetAddress":"`, `"locality":"`, `"region":"`, `"postalCode":"`, `"country":"`, `"costCenter":"`, `"isAgent":`,
}

var packer = func() *strings.Replacer {
	var pairs []string
	for i, f := range fragments {
		pairs = append(pairs, f, string(rune(i+1)))
	}
	return strings.NewReplacer(pairs...)
}()

// pack shortens JSON by its fragments. It refuses what holds control characters.
func pack(json []byte) (string, bool) {
	for _, b := range json {
		if b < ' ' {
			return "", false
		}
	}
	return packer.Replace(string(json)), true
}

// unpack undoes pack.
func unpack(packed []byte) []byte {
	n := len(packed)
	for _, b := range packed {
		if b < ' ' {
			n += len(fragments[b-1]) - 1
		}
	}
	out := make([]byte, 0, n)
	from := 0
	for i, b := range packed {
		if b < ' ' {
			out = append(out, packed[from:i]...)
			out = append(out, fragments[b-1]...)
			from = i + 1
		}
	}
	return append(out, packed[from:]...)
}

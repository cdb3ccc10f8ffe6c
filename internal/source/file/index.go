package file

import (
	"hash/maphash"
	"math"
	"strings"
	"sync"

	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// An index holds what one reading of the file must remember: which IDs there
// are, where each was first, and the names by which entries refer to each
// other. Names are kept as 64-bit hashes: a million people with two names each
// cost some 50 MB, and two of all their names share a hash once in ten million
// such files.
type index struct {
	seed    maphash.Seed
	ids     []string // by ordinal; "" for an entry without one
	numbers []uint32 // place.n by ordinal
	names   map[uint64]uint32
	strings strings.Builder
	users   int
	groups  int
}

// ambiguous stands in index.names for a name that several entries have.
const ambiguous = math.MaxUint32

// The kinds of name, in the order in which a reference tries them.
const (
	byID = iota
	byDN
	byUPN
	byMail
	byUID
	nameKinds
)

func newIndex() *index {
	return &index{seed: maphash.MakeSeed(), names: make(map[uint64]uint32)}
}

var hashBuffers = sync.Pool{New: func() any { return new([]byte) }}

// hash returns the key of a name. Case does not count.
func (x *index) hash(kind int, name string) uint64 {
	buf := hashBuffers.Get().(*[]byte)
	b := append((*buf)[:0], byte(kind))
	for i := range len(name) {
		c := name[i]
		if c >= 0x80 {
			b = append(b[:1], strings.ToLower(name)...)
			break
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	h := maphash.Bytes(x.seed, b)
	*buf = b
	hashBuffers.Put(buf)
	return h
}

// add takes in the next entry. names says whether others may refer to it.
func (x *index) add(e *entry, names bool) {
	ordinal := uint32(len(x.ids))
	x.numbers = append(x.numbers, uint32(e.place.n))
	if e.id == "" {
		x.ids = append(x.ids, "")
		return
	}
	key := x.hash(byID, e.id)
	if _, taken := x.names[key]; taken {
		// The first entry keeps the ID; this one will be told so.
		x.ids = append(x.ids, "")
		return
	}
	x.names[key] = ordinal
	x.ids = append(x.ids, x.keep(e.id))
	if e.typ == provision.Group {
		x.groups++
	} else {
		x.users++
	}
	if !names {
		return
	}
	if e.dn != "" {
		x.name(byDN, e.dn, ordinal)
	}
	if e.upn != "" && !strings.EqualFold(e.upn, e.id) {
		x.name(byUPN, e.upn, ordinal)
	}
	if e.mail != "" && !strings.EqualFold(e.mail, e.upn) && !strings.EqualFold(e.mail, e.id) {
		x.name(byMail, e.mail, ordinal)
	}
	if e.uid != "" {
		x.name(byUID, e.uid, ordinal)
	}
}

func (x *index) name(kind int, name string, ordinal uint32) {
	key := x.hash(kind, name)
	if _, taken := x.names[key]; taken {
		ordinal = ambiguous
	}
	x.names[key] = ordinal
}

// keep returns a copy of s that shares its memory block with other copies.
func (x *index) keep(s string) string {
	if x.strings.Cap()-x.strings.Len() < len(s) {
		x.strings = strings.Builder{}
		x.strings.Grow(max(64<<10, len(s)))
	}
	from := x.strings.Len()
	x.strings.WriteString(s)
	return x.strings.String()[from:]
}

// first returns the ordinal of the entry that holds id.
func (x *index) first(id string) (ordinal int, ok bool) {
	o, ok := x.names[x.hash(byID, id)]
	return int(o), ok
}

// A resolution is what became of a reference.
type resolution uint8

const (
	found resolution = iota
	unknown
	several // the name belongs to more than one entry
)

// resolve returns the ordinal of the entry that ref names by ID,
// distinguished name, userPrincipalName, mail or uid.
func (x *index) resolve(ref string) (int, resolution) {
	dn, isDN := attribute.NormalDN(ref)
	for kind := range nameKinds {
		name := ref
		if kind == byDN {
			if !isDN {
				continue
			}
			name = dn
		}
		o, ok := x.names[x.hash(kind, name)]
		if !ok && kind == byID && isDN {
			// A directory without entryUUID has distinguished names for IDs.
			o, ok = x.names[x.hash(byID, dn)]
		}
		switch {
		case !ok:
		case o == ambiguous:
			return 0, several
		default:
			return int(o), found
		}
	}
	return 0, unknown
}

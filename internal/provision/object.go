package provision

import (
	"encoding/json"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"lockstep/internal/expression"
)

// An ObjectType names a kind of source object as Entra does.
type ObjectType string

// The object types of the source directory.
const (
	User  ObjectType = "User"
	Group ObjectType = "Group"
)

// An Object is one user or group as the source directory has it. Attribute
// names are Graph's (userPrincipalName, givenName, accountEnabled, manager, …)
// and are case-sensitive; an absent attribute is null. References (manager)
// hold the ID of the object they point to.
type Object struct {
	Type ObjectType `json:"type"`
	// ID is the anchor: it stays the same however the object changes.
	ID         string                      `json:"id"`
	Attributes map[string]expression.Value `json:"attributes"`
	// Members are the IDs of a group's direct members, sorted.
	Members []string `json:"members,omitempty"`
}

// Attribute implements [expression.Attributes].
func (o *Object) Attribute(name string) expression.Value {
	if name == "objectId" || name == "id" {
		return expression.Text(o.ID)
	}
	return o.Attributes[name]
}

// Name returns what people call the object: its userPrincipalName, mail or
// display name, or else its ID.
func (o *Object) Name() string {
	for _, a := range []string{"userPrincipalName", "mail", "displayName"} {
		if o.Type == Group && a != "displayName" {
			continue
		}
		if v := o.Attributes[a]; !v.IsNull() && v.String() != "" {
			return v.String()
		}
	}
	return o.ID
}

// Enabled reports whether the account may sign in. An object without
// accountEnabled (every group, most LDAP entries) is enabled.
func (o *Object) Enabled() bool {
	v := o.Attributes["accountEnabled"]
	return v.IsNull() || !strings.EqualFold(v.String(), "false")
}

// SameAddress reports whether two e-mail addresses or user principal names are
// the same to a mail system: without regard to case and outer space.
func SameAddress(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// ContentHash returns a hash of everything the object says, independent of the
// order in which attributes and members were read. It is stable across
// processes.
func (o *Object) ContentHash() uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	add := func(s string) {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	add(string(o.Type))
	add(o.ID)
	for _, name := range slices.Sorted(maps.Keys(o.Attributes)) {
		v := o.Attributes[name]
		if v.IsNull() {
			continue
		}
		add(name)
		for _, s := range v.Strings() {
			add(s)
		}
		add("")
	}
	for _, m := range o.Members {
		add(m)
	}
	return h
}

// Key returns a 64-bit key of (type, ID) for in-memory sets that live no longer
// than the process.
func (o *Object) Key() uint64 { return objectKey(o.Type, o.ID) }

var keySeed = maphash.MakeSeed()

func objectKey(t ObjectType, id string) uint64 {
	var h maphash.Hash
	h.SetSeed(keySeed)
	h.WriteString(string(t))
	h.WriteByte(0)
	h.WriteString(id)
	return h.Sum64()
}

// Encode returns the object as JSON, for the ledger.
func (o *Object) Encode() ([]byte, error) { return json.Marshal(o) }

// DecodeObject is the inverse of [Object.Encode].
func DecodeObject(data []byte) (*Object, error) {
	o := &Object{}
	if err := json.Unmarshal(data, o); err != nil {
		return nil, err
	}
	return o, nil
}

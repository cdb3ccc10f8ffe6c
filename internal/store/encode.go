package store

import (
	"slices"
	"strings"

	"lockstep/internal/scim"
)

// The attributes that the store treats in a way of their own.
const (
	attrUserName    = "userName"
	attrExternalID  = "externalId"
	attrDisplayName = "displayName"
	attrActive      = "active"
	attrEmails      = "emails"
	attrMembers     = "members"
	attrGroups      = "groups"
	attrID          = "id"
	attrMeta        = "meta"
)

// Keys are what a resource is found by. They are made outside the writer. Nil
// is SQL's NULL.
type keys struct {
	userName, externalID, displayName, active any
	// uniqueName is displayName where the type declares it unique.
	uniqueName any
	emails     []string // folded, sorted, each once
	// members are IDs, each once, in order; nil also when the type has none.
	members []string
}

func keysOf(t *scim.ResourceType, attrs *scim.Object) *keys {
	e := &keys{
		userName:    foldedKey(attrs, attrUserName),
		displayName: foldedKey(attrs, attrDisplayName),
	}
	if uniqueNames(t) && e.displayName != "" {
		e.uniqueName = e.displayName
	}
	if v, ok := attrs.Get(attrExternalID); ok {
		if s, ok := v.(string); ok {
			e.externalID = s
		}
	}
	if v, ok := attrs.Get(attrActive); ok {
		if b, ok := asBool(v); ok {
			e.active = b
		}
	}
	for _, v := range attrs.Elements(attrEmails) {
		if o, ok := v.(*scim.Object); ok {
			v, _ = o.Get("value")
		}
		if s, ok := v.(string); ok {
			e.emails = append(e.emails, scim.Fold(s))
		}
	}
	slices.Sort(e.emails)
	e.emails = slices.Compact(e.emails)
	if ownsMembers(t) {
		e.members = memberIDs(attrs)
	}
	return e
}

// encodeBody returns what is stored as the body.
func encodeBody(t *scim.ResourceType, attrs *scim.Object) ([]byte, error) {
	return scim.AppendJSON(make([]byte, 0, 1024), bodyOf(t, attrs))
}

func foldedKey(attrs *scim.Object, name string) any {
	v, _ := attrs.Get(name)
	if s, ok := v.(string); ok {
		return scim.Fold(s)
	}
	return nil
}

// asBool reads a boolean in the spellings that filters hold equal.
func asBool(v scim.Value) (b, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		switch s := strings.TrimSpace(v); {
		case strings.EqualFold(s, "true"):
			return true, true
		case strings.EqualFold(s, "false"):
			return false, true
		}
	}
	return false, false
}

// ownsMembers reports whether "members" of the type is kept as rows.
func ownsMembers(t *scim.ResourceType) bool { return t.Schema.Attribute(attrMembers) != nil }

// showsGroups reports whether "groups" of the type is derived from those rows.
func showsGroups(t *scim.ResourceType) bool { return t.Schema.Attribute(attrGroups) != nil }

// uniqueNames reports whether no two resources of the type may have the same
// displayName.
func uniqueNames(t *scim.ResourceType) bool {
	a := t.Schema.Attribute(attrDisplayName)
	return a != nil && a.Uniqueness == scim.UniqueServer
}

// memberIDs returns the members' IDs, each once. An element without one is
// the empty ID, which nobody has.
func memberIDs(attrs *scim.Object) []string {
	elements := attrs.Elements(attrMembers)
	ids := make([]string, 0, len(elements))
	seen := make(map[string]bool, len(elements))
	for _, v := range elements {
		id, _ := v.(string)
		if o, ok := v.(*scim.Object); ok {
			id = o.Text("value")
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// bodyOf returns attrs without what is kept elsewhere (members, a user's
// groups) and what is never returned (a password): a copy, or attrs itself.
func bodyOf(t *scim.ResourceType, attrs *scim.Object) *scim.Object {
	stays := func(name string) bool {
		switch {
		case strings.EqualFold(name, attrID), strings.EqualFold(name, attrMeta),
			strings.EqualFold(name, attrMembers) && ownsMembers(t),
			strings.EqualFold(name, attrGroups) && showsGroups(t):
			return false
		}
		a := t.Schema.Attribute(name)
		return a == nil || a.Returned != scim.ReturnedNever
	}
	for name := range attrs.All() {
		if stays(name) {
			continue
		}
		body := &scim.Object{}
		for name, v := range attrs.All() {
			if stays(name) {
				body.Set(name, v)
			}
		}
		return body
	}
	return attrs
}

// splice adds a member to an encoded JSON object.
func splice(body []byte, name string, value []byte) []byte {
	out := make([]byte, 0, len(body)+len(name)+len(value)+4)
	out = append(out, body[:len(body)-1]...) // all but the brace
	if len(out) > 1 {
		out = append(out, ',')
	}
	out = append(out, '"')
	out = append(out, name...)
	out = append(out, '"', ':')
	out = append(out, value...)
	return append(out, '}')
}

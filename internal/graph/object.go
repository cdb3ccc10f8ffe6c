package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
)

// A DirectoryObject is a user, group or other object of the directory with the
// properties that were selected (Graph: directoryObject, an open type). Decoding
// and encoding it keeps every member.
type DirectoryObject struct {
	ID string
	// Type is @odata.type, such as "#microsoft.graph.user"; "" when Graph left it
	// out because the collection says it.
	Type string
	// Removed is why a delta query lists the object as gone, "" when it is there.
	Removed RemovedReason
	// Properties hold everything else: string, bool, [json.Number], []any,
	// map[string]any or nil. A property that has never been set is absent.
	Properties map[string]any
}

// A RemovedReason says in which way an object, or a relation to it, is gone
// (Graph: @removed).
type RemovedReason string

// The reasons.
const (
	// RemovedChanged: in the recycle bin, from where it can be restored.
	RemovedChanged RemovedReason = "changed"
	// RemovedDeleted: gone for good. A member is removed with this reason, too.
	RemovedDeleted RemovedReason = "deleted"
)

// The @odata.type of directory objects.
const (
	TypeUser             = "#microsoft.graph.user"
	TypeGroup            = "#microsoft.graph.group"
	TypeServicePrincipal = "#microsoft.graph.servicePrincipal"
)

// UnmarshalJSON implements [json.Unmarshaler].
func (o *DirectoryObject) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return err
	}
	if m == nil {
		return errors.New("a directory object is null")
	}
	return o.fill(m)
}

func (o *DirectoryObject) fill(m map[string]any) error {
	*o = DirectoryObject{Properties: m}
	for name, into := range map[string]*string{"id": &o.ID, "@odata.type": &o.Type} {
		switch v := m[name].(type) {
		case nil:
		case string:
			*into = v
		default:
			return fmt.Errorf("%q of a directory object is not a text", name)
		}
		delete(m, name)
	}
	if removed, ok := m["@removed"]; ok {
		// What is not a reason that we know is taken for the milder one.
		o.Removed = RemovedChanged
		if r, ok := removed.(map[string]any); ok && r["reason"] == string(RemovedDeleted) {
			o.Removed = RemovedDeleted
		}
		delete(m, "@removed")
	}
	return nil
}

// MarshalJSON implements [json.Marshaler].
func (o DirectoryObject) MarshalJSON() ([]byte, error) {
	m := maps.Clone(o.Properties)
	if m == nil {
		m = map[string]any{}
	}
	m["id"] = o.ID
	if o.Type != "" {
		m["@odata.type"] = o.Type
	}
	if o.Removed != "" {
		m["@removed"] = map[string]string{"reason": string(o.Removed)}
	}
	return json.Marshal(m)
}

// Text returns a property that is a text, "" if it is absent or none.
func (o *DirectoryObject) Text(name string) string {
	s, _ := o.Properties[name].(string)
	return s
}

// Relation returns what a delta query says about a relation: the related
// objects that came, and those that went, which have a Removed reason. told is
// false when the object says nothing about it.
func (o *DirectoryObject) Relation(name string) (related []DirectoryObject, told bool, err error) {
	v, told := o.Properties[name+"@delta"]
	if !told {
		return nil, false, nil
	}
	list, ok := v.([]any)
	if !ok && v != nil {
		return nil, true, fmt.Errorf("%q is not a list", name+"@delta")
	}
	related = make([]DirectoryObject, 0, len(list))
	for _, x := range list {
		m, ok := x.(map[string]any)
		if !ok {
			return nil, true, fmt.Errorf("%q holds something that is not an object", name+"@delta")
		}
		var r DirectoryObject
		if err := r.fill(maps.Clone(m)); err != nil {
			return nil, true, err
		}
		if r.ID == "" {
			return nil, true, fmt.Errorf("%q holds an object without id", name+"@delta")
		}
		related = append(related, r)
	}
	return related, true, nil
}

package attribute

import (
	"slices"
	"strings"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
)

// A Definition collects what is seen of the attributes of one kind of object.
type Definition struct {
	name       string
	attributes map[string]*provision.AttributeDefinition
}

// NewDefinition returns the definition of an object of which only the anchor,
// objectId, is known.
func NewDefinition(t provision.ObjectType) *Definition {
	d := &Definition{name: string(t), attributes: map[string]*provision.AttributeDefinition{}}
	d.See("objectId", provision.DataString, false)
	d.attributes["objectId"].Anchor = true
	return d
}

// See notes an attribute. One that is ever seen with several values is
// multivalued; one that is ever seen with another type than text is of that type.
func (d *Definition) See(name string, typ provision.AttributeDataType, multi bool) {
	if name == "" || name == "id" {
		return
	}
	a := d.attributes[name]
	if a == nil {
		a = &provision.AttributeDefinition{Name: name, Type: typ, Mutability: "ReadOnly"}
		d.attributes[name] = a
	}
	if typ != provision.DataString {
		a.Type = typ
	}
	a.Multivalued = a.Multivalued || multi
	if typ == provision.DataReference && len(a.ReferencedObjects) == 0 {
		a.ReferencedObjects = []*provision.ReferencedObject{{ReferencedObjectName: "User", ReferencedProperty: "objectId"}}
	}
}

// SeeValues notes the attributes of one object.
func (d *Definition) SeeValues(attributes map[string]expression.Value) {
	for name, v := range attributes {
		d.See(name, dataType(v), v.IsList())
	}
}

func dataType(v expression.Value) provision.AttributeDataType {
	switch v.Kind() {
	case expression.KindBool:
		return provision.DataBoolean
	case expression.KindNumber:
		return provision.DataInteger
	default:
		return provision.DataString
	}
}

// Object returns the definition in order of the attributes' names.
func (d *Definition) Object() *provision.ObjectDefinition {
	o := &provision.ObjectDefinition{Name: d.name}
	for _, a := range d.attributes {
		o.Attributes = append(o.Attributes, a)
	}
	slices.SortFunc(o.Attributes, func(a, b *provision.AttributeDefinition) int { return strings.Compare(a.Name, b.Name) })
	return o
}

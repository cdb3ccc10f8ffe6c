package scim

// A Mode says what a body is normalized for; [Strict] can be added to it.
type Mode int

// The modes. Strict is a flag: ForCreate|Strict.
const (
	ForCreate  Mode = 0
	ForReplace Mode = 1
	// Strict refuses attributes that no schema lists, which are otherwise left
	// out, as many clients send more than a service provider knows.
	Strict Mode = 1 << 8
)

// Normalize brings the body of a POST or PUT into the form in which a resource
// is kept: names in the schema's spelling, values in the schema's types as far
// as nothing is lost by it, no nulls and nothing empty, at most one primary
// element, and "schemas" listing the core schema and the extensions that are
// present. Read-only and write-only attributes are taken out (RFC 7644 section
// 3.3, section 3.5.1). Attributes in an open extension are kept as they are.
// Normalizing twice is the same as once.
//
// The error is an [Error] of type InvalidValue that names the attribute: its
// value does not fit, it is required and missing, or with [Strict] it is
// unknown. o is then unchanged.
func Normalize(t *ResourceType, o *Object, mode Mode) error {
	e := editor{
		t: t, doc: &Object{fields: make([]field, 0, o.Len()+1)},
		coercion: coercion{strict: mode&Strict != 0},
		// Whatever a client says of read-only attributes is ignored.
		repeats: func(Path, Value) bool { return true },
	}
	e.doc.Set("schemas", nil) // keeps its place at the front
	for name, v := range o.All() {
		if v == nil {
			continue
		}
		op := Replace
		if !isName(name) {
			op = Add // a flattened name adds to what its attribute has
		}
		if err := e.setKey(op, name, v); err != nil {
			if err, ok := err.(*Error); ok && err.Type == InvalidPath {
				// A body has no paths; its flattened names are values of it.
				c := *err
				c.Type = InvalidValue
				return &c
			}
			return err
		}
	}
	if err := t.required(e.doc, mode); err != nil {
		return err
	}
	urns := []Value{t.Schema.ID}
	for _, urn := range t.present(e.doc) {
		urns = append(urns, urn)
	}
	e.doc.Set("schemas", urns)
	*o = *e.doc
	return nil
}

// required returns an error for the first required attribute that o lacks.
func (t *ResourceType) required(o *Object, mode Mode) error {
	verb := "create"
	if mode&ForReplace != 0 {
		verb = "replace"
	}
	if a := lacking(t.Schema, o); a != nil {
		return Errorf(InvalidValue, "%q is required to %s a %s", a.Name, verb, t.Name).On(a.Name)
	}
	for i := range t.Extensions {
		x := &t.Extensions[i]
		container := o.Child(x.Schema.ID)
		if container == nil && !x.Required {
			continue
		}
		if a := lacking(x.Schema, container); a != nil {
			name := Path{URN: x.Schema.ID, Attr: a.Name}.String()
			return Errorf(InvalidValue, "%q is required to %s a %s", name, verb, t.Name).On(name)
		}
		if container == nil {
			return Errorf(InvalidValue, "%q is required to %s a %s", x.Schema.ID, verb, t.Name).On(x.Schema.ID)
		}
	}
	return nil
}

// lacking returns a required attribute of s that o has no value for.
func lacking(s *Schema, o *Object) *Attribute {
	for _, a := range s.Attributes {
		if !a.Required || a.Mutability == ReadOnly || a.Mutability == WriteOnly {
			continue
		}
		if v, _ := o.Get(a.Name); !hasValue(v) {
			return a
		}
	}
	return nil
}

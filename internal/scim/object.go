package scim

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// A Value is one attribute value as it travels in JSON. Its dynamic type is
// one of nil (JSON null), string, bool, [json.Number], *[Object] (a complex
// value) or []Value (a multi-valued attribute).
type Value = any

// An Object is an ordered set of attributes: a resource body, an extension
// container or a complex value. Names keep the spelling and the order in which
// they were first set and are looked up without regard to case (RFC 7643
// section 2.1). The zero Object is empty and ready to use.
type Object struct {
	fields []field
}

type field struct {
	name  string
	value Value
}

// NewObject returns an Object holding the given names and values in turn:
// NewObject("type", "work", "value", "a@b.example").
func NewObject(pairs ...Value) *Object {
	o := &Object{fields: make([]field, 0, len(pairs)/2)}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

func (o *Object) index(name string) int {
	if o == nil {
		return -1
	}
	for i := range o.fields {
		if o.fields[i].name == name {
			return i
		}
	}
	for i := range o.fields {
		if sameName(o.fields[i].name, name) {
			return i
		}
	}
	return -1
}

// Get returns the value stored under name and whether there is one.
func (o *Object) Get(name string) (Value, bool) {
	if i := o.index(name); i >= 0 {
		return o.fields[i].value, true
	}
	return nil, false
}

// Text returns the string stored under name, or "" when there is none or it is
// not a string.
func (o *Object) Text(name string) string {
	v, _ := o.Get(name)
	s, _ := v.(string)
	return s
}

// Child returns the complex value stored under name, or nil.
func (o *Object) Child(name string) *Object {
	v, _ := o.Get(name)
	c, _ := v.(*Object)
	return c
}

// Elements returns the values of a multi-valued attribute. A single value that
// is not a list is returned as a list of one, an absent one as nil.
func (o *Object) Elements(name string) []Value {
	v, ok := o.Get(name)
	switch v := v.(type) {
	case nil:
		return nil
	case []Value:
		return v
	default:
		if !ok {
			return nil
		}
		return []Value{v}
	}
}

// Set stores value under name, replacing what was there.
func (o *Object) Set(name string, value Value) {
	if i := o.index(name); i >= 0 {
		o.fields[i].value = value
		return
	}
	o.fields = append(o.fields, field{name, value})
}

// Delete removes name and reports whether it was there.
func (o *Object) Delete(name string) bool {
	i := o.index(name)
	if i < 0 {
		return false
	}
	o.fields = append(o.fields[:i], o.fields[i+1:]...)
	return true
}

// Len returns the number of attributes. A nil Object has none.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.fields)
}

// All yields names and values in order.
func (o *Object) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if o == nil {
			return
		}
		for _, f := range o.fields {
			if !yield(f.name, f.value) {
				return
			}
		}
	}
}

// Clone returns a deep copy.
func (o *Object) Clone() *Object {
	if o == nil {
		return nil
	}
	c := &Object{fields: make([]field, len(o.fields))}
	for i, f := range o.fields {
		c.fields[i] = field{f.name, CloneValue(f.value)}
	}
	return c
}

// CloneValue returns a deep copy of v.
func CloneValue(v Value) Value {
	switch v := v.(type) {
	case *Object:
		return v.Clone()
	case []Value:
		c := make([]Value, len(v))
		for i := range v {
			c[i] = CloneValue(v[i])
		}
		return c
	default:
		return v
	}
}

// Equal reports whether a and b are the same JSON value: names without regard
// to case, attributes in any order, list elements in order, numbers by value.
func Equal(a, b Value) bool {
	switch a := a.(type) {
	case *Object:
		b, ok := b.(*Object)
		if !ok || a.Len() != b.Len() {
			return false
		}
		if a == b {
			return true
		}
		for n, av := range a.All() {
			bv, ok := b.Get(n)
			if !ok || !Equal(av, bv) {
				return false
			}
		}
		return true
	case []Value:
		b, ok := b.([]Value)
		if !ok || len(a) != len(b) {
			return false
		}
		if len(a) == 0 || &a[0] == &b[0] {
			return true
		}
		for i := range a {
			if !Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && equalNumbers(a, b)
	default:
		return a == b
	}
}

func equalNumbers(a, b json.Number) bool {
	if a == b {
		return true
	}
	c, ok := compareNumbers(a, b)
	return ok && c == 0
}

// UnmarshalJSON decodes as [ParseObject] does.
func (o *Object) UnmarshalJSON(data []byte) error {
	p, err := ParseObject(data)
	if err != nil {
		return err
	}
	*o = *p
	return nil
}

// MarshalJSON encodes the attributes in order.
func (o *Object) MarshalJSON() ([]byte, error) {
	return AppendJSON(nil, o)
}

// AppendJSON appends the JSON form of v to b. It writes no insignificant space
// and does not escape HTML characters.
func AppendJSON(b []byte, v Value) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return jsontext.AppendQuote(b, v)
	case bool:
		if v {
			return append(b, "true"...), nil
		}
		return append(b, "false"...), nil
	case json.Number:
		if v == "" {
			return append(b, '0'), nil
		}
		return append(b, v...), nil
	case *Object:
		if v == nil {
			return append(b, "null"...), nil
		}
		b = append(b, '{')
		var err error
		for i, f := range v.fields {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = jsontext.AppendQuote(b, f.name); err != nil {
				return nil, err
			}
			b = append(b, ':')
			if b, err = AppendJSON(b, f.value); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case []Value:
		b = append(b, '[')
		var err error
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = AppendJSON(b, e); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	default:
		return nil, fmt.Errorf("scim: %T is not a SCIM value", v)
	}
}

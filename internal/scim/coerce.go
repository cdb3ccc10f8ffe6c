package scim

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A coercion brings values that a client sent into the form the schema gives
// them, as long as nothing is lost by it. It always builds new values, so that
// a resource never shares anything with the request it came from.
type coercion struct {
	// strict refuses sub-attributes that the schema does not list instead of
	// leaving them out.
	strict bool
}

// list coerces v to the elements of a multi-valued attribute: null is no
// element, one value is a list of one. Elements that hold nothing are left out.
func (c coercion) list(attr *Attribute, v Value) ([]Value, error) {
	if s, ok := v.(string); ok && isRoles(attr) {
		v = unpackRoles(s)
	}
	elements, ok := v.([]Value)
	if !ok {
		if v == nil {
			return nil, nil
		}
		elements = []Value{v}
	}
	if len(elements) > maxElements && !isReference(attr) {
		return nil, badValue(attr, fmt.Sprintf("at most %d values", maxElements), v)
	}
	list := make([]Value, 0, len(elements))
	for _, e := range elements {
		if _, nested := e.([]Value); nested {
			return nil, badValue(attr, "a list of values, not a list of lists", e)
		}
		one, err := c.one(attr, e)
		if err != nil {
			return nil, err
		}
		if one != nil {
			list = append(list, one)
		}
	}
	return list, nil
}

// one coerces v to a single value of attr; nil means that v holds nothing.
func (c coercion) one(attr *Attribute, v Value) (Value, error) {
	if v == nil {
		return nil, nil
	}
	switch attr.Type {
	case "":
		return withoutNulls(v), nil
	case TypeComplex:
		return c.complex(attr, v)
	case TypeBoolean:
		if b, ok := attr.boolean(v); ok {
			return b, nil
		}
		if text, ok := plainText(v); ok && attr.Loose {
			if text = strings.TrimSpace(text); text == "" {
				return nil, nil
			}
			return text, nil
		}
		return nil, badValue(attr, "true or false", v)
	case TypeInteger, TypeDecimal:
		return number(attr, v)
	case TypeDateTime:
		if s, ok := v.(string); ok {
			if s == "" {
				return nil, nil
			}
			if _, ok := parseDate(s); ok {
				return s, nil
			}
		}
		return nil, badValue(attr, `a date and time such as "2024-05-01T10:00:00Z"`, v)
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		// Clients send employee numbers and postal codes as numbers.
		return string(v), nil
	}
	return nil, badValue(attr, "text", v)
}

func number(attr *Attribute, v Value) (Value, error) {
	text, ok := plainText(v)
	if _, isBool := v.(bool); !ok || isBool {
		return nil, badValue(attr, "a number", v)
	}
	n := json.Number(strings.TrimSpace(text))
	if !isNumber(string(n)) {
		return nil, badValue(attr, "a number", v)
	}
	if attr.Type == TypeInteger && strings.ContainsAny(string(n), ".eE") {
		return nil, badValue(attr, "a whole number", v)
	}
	return n, nil
}

// complex coerces v to one complex value. What refers to another resource may
// come as the bare id, and a single reference as a list of one: Entra ID sends
// managers and members so.
func (c coercion) complex(attr *Attribute, v Value) (Value, error) {
	if list, ok := v.([]Value); ok && !attr.MultiValued && isReference(attr) {
		switch len(list) {
		case 0:
			return nil, nil
		case 1:
			v = list[0]
		default:
			return nil, badValue(attr, "one value", v)
		}
		if v == nil {
			return nil, nil
		}
	}
	if s, ok := v.(string); ok && (isReference(attr) || isRoles(attr)) {
		v = NewObject("value", s)
	}
	in, ok := v.(*Object)
	if !ok {
		return nil, badValue(attr, "an object with "+names(attr.SubAttributes), v)
	}
	if isRoles(attr) {
		in = unpackRole(in)
	}
	out := &Object{fields: make([]field, 0, in.Len())}
	for name, value := range in.All() {
		sub := attr.Sub(name)
		if sub == nil {
			if c.strict {
				return nil, Errorf(InvalidValue, "%q has no sub-attribute %q%s; it has %s", attr.Name, name,
					didYouMean(name, attr.SubAttributes), names(attr.SubAttributes)).On(attr.Name + "." + name)
			}
			continue
		}
		if sub.Mutability == ReadOnly {
			continue
		}
		value, err := c.one(sub, value)
		if err != nil {
			return nil, within(attr, err)
		}
		if value != nil {
			out.fields = append(out.fields, field{sub.Name, value})
		}
	}
	if isReference(attr) {
		return completeReference(out), nil
	}
	if out.Len() == 0 {
		return nil, nil
	}
	return out, nil
}

// isReference reports whether the values of attr point at another resource:
// they have a value and a $ref.
func isReference(attr *Attribute) bool {
	return attr.Type == TypeComplex && attr.Sub("$ref") != nil && attr.Sub("value") != nil
}

// completeReference takes a missing value from the last segment of $ref. What
// then points nowhere is no value: nil.
func completeReference(o *Object) Value {
	if o.Text("value") != "" {
		return o
	}
	ref := strings.TrimRight(o.Text("$ref"), "/")
	id := ref[strings.LastIndexByte(ref, '/')+1:]
	if id == "" {
		return nil
	}
	o.Set("value", id)
	return o
}

func isRoles(attr *Attribute) bool { return attr.MultiValued && attr.Name == "roles" }

// unpackRoles reads roles that come as JSON inside a string, as Entra ID sends
// them without its feature flag. Any other text is the value of one role.
func unpackRoles(s string) Value {
	if v, ok := jsonInText(s); ok {
		return v
	}
	if s == "" {
		return nil
	}
	return NewObject("value", s)
}

// unpackRole replaces a value that is a JSON object in a string by what that
// object says. Entra ID packs {"id", "value", "displayName"}; the id is that of
// the role in its directory and means nothing here.
func unpackRole(o *Object) *Object {
	packed, _ := jsonInText(o.Text("value"))
	inner, isObject := packed.(*Object)
	if !isObject && o.index("displayName") < 0 && o.index("id") < 0 {
		return o
	}
	role := &Object{fields: make([]field, 0, o.Len()+inner.Len())}
	take := func(name string, value Value) {
		switch {
		case sameName(name, "id"):
		case sameName(name, "displayName"):
			if role.index("display") < 0 {
				role.Set("display", value)
			}
		default:
			role.Set(name, value)
		}
	}
	for name, value := range o.All() {
		if !isObject || !sameName(name, "value") {
			take(name, value)
		}
	}
	for name, value := range inner.All() {
		take(name, value)
	}
	return role
}

// jsonInText decodes s if it is a JSON object or array.
func jsonInText(s string) (Value, bool) {
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '{' && s[0] != '[' {
		return nil, false
	}
	o, err := ParseObject([]byte(`{"v":` + s + `}`))
	if err != nil || o.Len() != 1 {
		return nil, false
	}
	v, _ := o.Get("v")
	return v, true
}

// withoutNulls copies v and leaves out nulls, empty lists and empty objects; nil
// means that nothing remains.
func withoutNulls(v Value) Value {
	switch v := v.(type) {
	case *Object:
		out := &Object{fields: make([]field, 0, v.Len())}
		for name, value := range v.All() {
			if value := withoutNulls(value); value != nil {
				out.fields = append(out.fields, field{name, value})
			}
		}
		if out.Len() > 0 {
			return out
		}
		return nil
	case []Value:
		out := make([]Value, 0, len(v))
		for _, e := range v {
			if e := withoutNulls(e); e != nil {
				out = append(out, e)
			}
		}
		if len(out) > 0 {
			return out
		}
		return nil
	}
	return v
}

func badValue(attr *Attribute, want string, got Value) error {
	if attr.Mutability == WriteOnly {
		return Errorf(InvalidValue, "%q needs %s", attr.Name, want).On(attr.Name)
	}
	return Errorf(InvalidValue, "%q needs %s; found %s", attr.Name, want, describe(got)).On(attr.Name)
}

// describe names a value for an error message.
func describe(v Value) string {
	const longest = 60
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if len(v) > longest {
			return fmt.Sprintf("a text of %d bytes", len(v))
		}
		return fmt.Sprintf("the text %q", v)
	case bool:
		return fmt.Sprintf("the boolean %t", v)
	case json.Number:
		if len(v) > longest {
			return "a number"
		}
		return "the number " + string(v)
	case []Value:
		return fmt.Sprintf("a list of %d values", len(v))
	default:
		return "an object"
	}
}

// within names the attribute around the sub-attribute that err is about.
func within(attr *Attribute, err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	e = e.On(attr.Name + "." + e.Attribute)
	e.Detail = "in " + attr.Name + ": " + e.Detail
	return e
}

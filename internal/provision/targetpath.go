package provision

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lockstep/internal/scim"
)

// A targetPath is a target attribute path prepared for one resource type, so
// that reading and writing an attribute parses nothing. The forms are those of
// Entra's attribute mappings: attr, complex.sub, multi[type eq "T"].sub and each
// of them behind an extension's URN.
type targetPath struct {
	// extension is the URN of the container the attribute lives in, "" for the
	// core schema. required says that the container's URN belongs into "schemas".
	extension string
	attr      string
	sub       string
	// element selects one value of a multi-valued attribute. An element that is
	// created gets these sub-attributes.
	element []elementKey
	// list: the path names all values of a multi-valued attribute.
	list bool
	// complex: a value is an object {"value": …} (a reference, a list element).
	complex bool
	// leaf describes the value that the path ends in; nil when the schema does
	// not list it, which is then treated as text. known says that it is listed, or
	// that its extension is open.
	leaf  *scim.Attribute
	known bool
	// top is the attribute in front of brackets and sub-attribute.
	top *scim.Attribute
}

type elementKey struct {
	name  string
	value scim.Value
}

// compileTargetPath prepares p for resources of type t. It accepts attributes
// that t does not list, because a target may well know more than its schema says;
// [Schema.Check] reports them.
func compileTargetPath(t *scim.ResourceType, p scim.Path) (*targetPath, error) {
	c, known := t.Canonical(p)
	sub := c.Sub
	if !known && p.Sub != "" {
		// Perhaps only the sub-attribute is unlisted.
		whole := p
		whole.Sub = ""
		c, _ = t.Canonical(whole)
	}
	if c.Attr == "" {
		return nil, fmt.Errorf("the path names a whole schema; name one of its attributes: %s:attribute", c.URN)
	}
	if strings.EqualFold(c.URN, t.Schema.ID) {
		c.URN = ""
	}
	if c.URN == "" {
		switch strings.ToLower(c.Attr) {
		case "id", "meta", "schemas":
			return nil, fmt.Errorf("%s belongs to the target and cannot be mapped", c.Attr)
		}
	}
	tp := &targetPath{extension: c.URN, attr: c.Attr, sub: sub, known: known}
	if a, _, _, ok := t.Resolve(scim.Path{URN: c.URN, Attr: c.Attr}); ok && a != nil && a.Type != "" {
		tp.top = a
		return tp, tp.compileListed(p)
	}
	return tp, tp.compileUnlisted(p)
}

// compileUnlisted follows the path's form alone.
func (tp *targetPath) compileUnlisted(p scim.Path) (err error) {
	tp.element, err = elementKeys(p.Filter, nil)
	if p.Filter != nil && tp.sub == "" {
		tp.sub = "value"
	}
	return err
}

func (tp *targetPath) compileListed(p scim.Path) (err error) {
	a := tp.top
	if p.Filter != nil && !a.MultiValued {
		return fmt.Errorf("%s has one value only; leave the brackets out", a.Name)
	}
	if tp.element, err = elementKeys(p.Filter, a); err != nil {
		return err
	}
	switch {
	case tp.sub != "":
		if a.Type != scim.TypeComplex {
			return fmt.Errorf("%s is a plain value without sub-attributes; map %s itself", a.Name, a.Name)
		}
		if a.MultiValued && p.Filter == nil {
			return fmt.Errorf("%s has several values; say which one: %s[type eq \"work\"].%s", a.Name, a.Name, tp.sub)
		}
		tp.leaf = a.Sub(tp.sub)
		// A reference's value is written as a whole, so that no display name of the
		// former object stays behind.
		if !a.MultiValued && isReference(a) && strings.EqualFold(tp.sub, "value") {
			tp.sub, tp.complex = "", true
		}
	case a.Type != scim.TypeComplex:
		tp.leaf, tp.list = a, a.MultiValued
	case a.Sub("value") == nil:
		return fmt.Errorf("%s consists of sub-attributes; map one of them: %s", a.Name, subNames(a, p.Filter))
	case p.Filter != nil:
		tp.leaf, tp.sub = a.Sub("value"), "value"
	default:
		tp.leaf, tp.list, tp.complex = a.Sub("value"), a.MultiValued, true
	}
	return nil
}

func subNames(a *scim.Attribute, f scim.Filter) string {
	prefix := a.Name
	if a.MultiValued {
		prefix += `[type eq "work"]`
	}
	if f != nil {
		prefix = a.Name + "[" + f.String() + "]"
	}
	var names []string
	for _, s := range a.SubAttributes {
		if s.Type != scim.TypeComplex && s.Name != "type" && s.Name != "primary" {
			names = append(names, prefix+"."+s.Name)
		}
	}
	return strings.Join(names, ", ")
}

// isReference reports whether a is a complex attribute that points to another
// resource, such as the enterprise extension's manager.
func isReference(a *scim.Attribute) bool {
	return a.Type == scim.TypeComplex && a.Sub("value") != nil && a.Sub("$ref") != nil
}

// elementKeys reads brackets of the form [type eq "work"], also joined by "and".
func elementKeys(f scim.Filter, a *scim.Attribute) ([]elementKey, error) {
	switch f := f.(type) {
	case nil:
		return nil, nil
	case *scim.And:
		var keys []elementKey
		for _, operand := range f.Operands {
			k, err := elementKeys(operand, a)
			if err != nil {
				return nil, err
			}
			keys = append(keys, k...)
		}
		return keys, nil
	case *scim.Comparison:
		if f.Op != scim.Eq || f.Path.Sub != "" || f.Path.Filter != nil {
			break
		}
		k := elementKey{f.Path.Attr, f.Value}
		sub := a.Sub(k.name)
		if a != nil && sub == nil {
			return nil, fmt.Errorf("the brackets of %s name %s, which is not one of its sub-attributes", a.Name, k.name)
		}
		if sub != nil {
			k.name = sub.Name
			if sub.Type == scim.TypeBoolean {
				b, ok := asBool(k.value)
				if !ok {
					return nil, fmt.Errorf("%s in the brackets of %s is true or false, not %v", sub.Name, a.Name, f.Value)
				}
				k.value = b
			}
		}
		return []elementKey{k}, nil
	}
	return nil, fmt.Errorf("brackets may only say which value is meant, by eq and and, such as [type eq \"work\"]; found [%s]", f)
}

// canonical is the path in the kernel's spelling, for comparing and for strict
// PATCH requests.
func (tp *targetPath) canonical() scim.Path {
	p := scim.Path{URN: tp.extension, Attr: tp.attr, Sub: tp.sub}
	for _, k := range tp.element {
		c := &scim.Comparison{Path: scim.Path{Attr: k.name}, Op: scim.Eq, Value: k.value}
		switch f := p.Filter.(type) {
		case nil:
			p.Filter = c
		case *scim.And:
			f.Operands = append(f.Operands, c)
		default:
			p.Filter = &scim.And{Operands: []scim.Filter{f, c}}
		}
	}
	return p
}

// get returns the value at the path, nil when there is none. A reference gives
// the text of its "value", a list its elements.
func (tp *targetPath) get(o *scim.Object) scim.Value {
	if tp.extension != "" {
		o = o.Child(tp.extension)
	}
	v, ok := o.Get(tp.attr)
	if !ok || v == nil {
		return nil
	}
	switch {
	case tp.list:
		if list, ok := v.([]scim.Value); ok && len(list) == 0 {
			return nil
		}
		return v
	case tp.element != nil:
		e := tp.find(v)
		if e == nil {
			return nil
		}
		v, _ = e.Get(tp.sub)
	case tp.sub != "":
		c, _ := v.(*scim.Object)
		v, _ = c.Get(tp.sub)
	case tp.complex:
		if c, ok := v.(*scim.Object); ok {
			v, _ = c.Get("value")
		}
	}
	return v
}

// find returns the element that the brackets select.
func (tp *targetPath) find(v scim.Value) *scim.Object {
	if o, ok := v.(*scim.Object); ok && tp.selects(o) {
		return o
	}
	list, _ := v.([]scim.Value)
	for _, e := range list {
		if o, ok := e.(*scim.Object); ok && tp.selects(o) {
			return o
		}
	}
	return nil
}

func (tp *targetPath) selects(o *scim.Object) bool {
	for i := range tp.element {
		k := &tp.element[i]
		v, _ := o.Get(k.name)
		switch want := k.value.(type) {
		case string:
			s, ok := v.(string)
			if !ok || !strings.EqualFold(s, want) {
				return false
			}
		case bool:
			if b, ok := asBool(v); !ok || b != want {
				return false
			}
		default:
			if !scim.Equal(v, want) {
				return false
			}
		}
	}
	return true
}

// set writes v, which is of the leaf's type, and creates what is missing on the
// way to it.
func (tp *targetPath) set(o *scim.Object, v scim.Value) {
	if tp.extension != "" {
		x := o.Child(tp.extension)
		if x == nil {
			x = &scim.Object{}
			o.Set(tp.extension, x)
			addSchema(o, tp.extension)
		}
		o = x
	}
	switch {
	case tp.list, tp.sub == "" && !tp.complex:
		o.Set(tp.attr, v)
	case tp.complex:
		o.Set(tp.attr, scim.NewObject("value", v))
	case tp.element != nil:
		tp.setElement(o, v)
	default:
		c := o.Child(tp.attr)
		if c == nil {
			c = &scim.Object{}
			o.Set(tp.attr, c)
		}
		c.Set(tp.sub, v)
	}
}

func (tp *targetPath) setElement(o *scim.Object, v scim.Value) {
	held, _ := o.Get(tp.attr)
	if e := tp.find(held); e != nil {
		e.Set(tp.sub, v)
		return
	}
	e := &scim.Object{}
	for _, k := range tp.element {
		e.Set(k.name, k.value)
	}
	e.Set(tp.sub, v)
	list, ok := held.([]scim.Value)
	if !ok && held != nil {
		list = []scim.Value{held}
	}
	o.Set(tp.attr, append(slices.Clip(list), scim.Value(e)))
}

// remove takes the value away, and with it whatever it leaves empty.
func (tp *targetPath) remove(o *scim.Object) {
	root := o
	if tp.extension != "" {
		if o = o.Child(tp.extension); o == nil {
			return
		}
	}
	switch {
	case tp.element != nil:
		tp.removeFromElement(o)
	case tp.sub != "":
		if c := o.Child(tp.attr); c != nil {
			c.Delete(tp.sub)
			if c.Len() == 0 {
				o.Delete(tp.attr)
			}
		}
	default:
		o.Delete(tp.attr)
	}
	if tp.extension != "" && o.Len() == 0 {
		root.Delete(tp.extension)
	}
}

func (tp *targetPath) removeFromElement(o *scim.Object) {
	held, _ := o.Get(tp.attr)
	e := tp.find(held)
	if e == nil {
		return
	}
	e.Delete(tp.sub)
	for name := range e.All() {
		isKey := slices.ContainsFunc(tp.element, func(k elementKey) bool { return strings.EqualFold(k.name, name) })
		if !isKey && !strings.EqualFold(name, "type") && !strings.EqualFold(name, "primary") {
			return
		}
	}
	list, _ := held.([]scim.Value)
	list = slices.DeleteFunc(slices.Clone(list), func(v scim.Value) bool { return v == scim.Value(e) })
	if len(list) == 0 {
		o.Delete(tp.attr)
		return
	}
	o.Set(tp.attr, list)
}

// addSchema adds an extension to "schemas", if the resource lists its schemas.
func addSchema(o *scim.Object, urn string) {
	v, _ := o.Get("schemas")
	list, ok := v.([]scim.Value)
	if !ok {
		return
	}
	for _, e := range list {
		if s, ok := e.(string); ok && strings.EqualFold(s, urn) {
			return
		}
	}
	o.Set("schemas", append(slices.Clip(list), scim.Value(urn)))
}

// dataType is the type values take on the way to the target.
func (tp *targetPath) dataType() scim.AttributeType {
	if tp.leaf == nil {
		return scim.TypeString
	}
	return tp.leaf.Type
}

// asBool reads a Boolean in any spelling that clients and targets use.
func asBool(v scim.Value) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		if strings.EqualFold(v, "true") {
			return true, true
		}
		return false, strings.EqualFold(v, "false")
	}
	return false, false
}

// typed turns text into a value of type t. Empty text is null for everything
// but text.
func typed(t scim.AttributeType, s string) (scim.Value, error) {
	switch t {
	case scim.TypeBoolean:
		trimmed := strings.TrimSpace(s)
		if trimmed == "" {
			return nil, nil
		}
		b, ok := asBool(trimmed)
		if !ok {
			return nil, fmt.Errorf("the target attribute is a Boolean, so the value must be True or False, not %q; a Switch or IIF can translate it", s)
		}
		return b, nil
	case scim.TypeInteger, scim.TypeDecimal:
		trimmed := strings.TrimSpace(s)
		if trimmed == "" {
			return nil, nil
		}
		if t == scim.TypeInteger {
			n, err := strconv.ParseInt(trimmed, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("the target attribute is a whole number, and %q is none", s)
			}
			return json.Number(strconv.FormatInt(n, 10)), nil
		}
		if !isNumber(trimmed) {
			return nil, fmt.Errorf("the target attribute is a number, and %q is none", s)
		}
		return json.Number(trimmed), nil
	}
	return s, nil
}

// isNumber reports whether s is a number as JSON writes it.
func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s))
}

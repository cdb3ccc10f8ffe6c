package scim

import "slices"

// maxElements bounds multi-valued attributes that hold their values themselves,
// whose elements are compared one by one. References have no bound.
const maxElements = 2000

// union returns list with the elements of given that it lacks, and with what
// they add to those it has. Of several primary elements the first stays primary
// or, when the added ones are to take its place, the last of these.
func (e *edit) union(list, given []Value, takeOver bool) (Value, error) {
	union := make([]Value, len(list), len(list)+len(given))
	copy(union, list)
	seen := newElementSet(e.attr, union, len(given))
	primary := -1
	for _, g := range given {
		i := seen.find(union, g)
		if i < 0 {
			i = len(union)
			union = append(union, g)
			seen.add(g, i)
		} else if have := asObject(union[i]); have != nil && !isReference(e.attr) {
			merged := have.shallow()
			for name, v := range asObject(g).All() {
				merged.Set(name, v)
			}
			union[i] = merged
		}
		if takeOver && isPrimary(g) {
			primary = i
		}
	}
	if len(union) > maxElements && !isReference(e.attr) {
		return nil, Errorf(InvalidValue, "%q has %d values; at most %d are kept", e.attr.Name, len(union), maxElements).On(e.attr.Name)
	}
	singlePrimary(union, primary)
	return listOrNil(union), nil
}

// without removes the given elements from list. The value of a removal names
// elements (Entra ID's form); one that names none must not remove all.
func (e *edit) without(list, given []Value, value Value) (Value, error) {
	if sent, ok := value.([]Value); !ok && len(given) == 0 || ok && len(given) < len(sent) {
		return nil, Errorf(InvalidValue, "an element of %q to remove names no value; to remove all elements, send the operation without value", e.attr.Name).On(e.attr.Name)
	}
	gone := newElementSet(e.attr, given, 0)
	kept := make([]Value, 0, len(list))
	for _, element := range list {
		if gone.find(given, element) >= 0 {
			continue
		}
		if !isReference(e.attr) && slices.ContainsFunc(given, func(g Value) bool { return e.covers(g, element) }) {
			continue
		}
		kept = append(kept, element)
	}
	return listOrNil(kept), nil
}

// covers reports whether everything that g says holds for element. It matters
// for values that are given in part: {"type": "home"}, {"value": "x"}.
func (e *edit) covers(g, element Value) bool {
	want, okW := g.(*Object)
	have, okH := element.(*Object)
	if !okW || !okH {
		return false
	}
	for name, v := range want.All() {
		if !equalSimple(e.attr.Sub(name), asValue(have, name), v) {
			return false
		}
	}
	return true
}

func isPrimary(v Value) bool {
	o, _ := v.(*Object)
	p, _ := o.Get("primary")
	b, _ := parseBoolean(p)
	return b
}

// singlePrimary leaves at most one element of list primary: the one at keep, or
// the first when keep is negative. The others become false (RFC 7643 section
// 2.4). It replaces elements of list, which must not be shared.
func singlePrimary(list []Value, keep int) {
	for i, v := range list {
		if i == keep || !isPrimary(v) {
			continue
		}
		if keep < 0 {
			keep = i
			continue
		}
		o := v.(*Object).shallow()
		o.Set("primary", false)
		list[i] = o
	}
}

// An elementSet finds an element in a list without looking at each: groups have
// a hundred thousand members.
type elementSet struct {
	attr  *Attribute
	index map[string]int // by the key of a reference; nil for short lists
}

// smallList is up to where looking at each element is the cheaper way.
const smallList = 16

// newElementSet makes the set of list, to which more elements will be added.
func newElementSet(attr *Attribute, list []Value, more int) *elementSet {
	s := &elementSet{attr: attr}
	if isReference(attr) && (len(list) <= smallList || more > smallList) && len(list)+more > smallList {
		s.index = make(map[string]int, len(list)+more)
		for i, v := range list {
			s.add(v, i)
		}
	}
	return s
}

func (s *elementSet) key(v Value) string {
	key := asObject(v).Text("value")
	if s.attr.Sub("value").CaseExact {
		return key
	}
	return Fold(key)
}

func (s *elementSet) add(v Value, i int) {
	if s.index == nil {
		return
	}
	if key := s.key(v); key != "" {
		if _, ok := s.index[key]; !ok {
			s.index[key] = i
		}
	}
}

// find returns the index in list, the list the set was made of, of the element
// that is the same as v, or -1.
func (s *elementSet) find(list []Value, v Value) int {
	if s.index != nil {
		if i, ok := s.index[s.key(v)]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(list, func(have Value) bool { return sameElement(s.attr, have, v) })
}

// sameElement reports whether two elements of attr are the
// same one: members and other references by value, other complex values by
// value and type (RFC 7643 section 2.4 wants that pair to be unique), values
// without "value" as a whole.
func sameElement(attr *Attribute, a, b Value) bool {
	x, okX := a.(*Object)
	y, okY := b.(*Object)
	if !okX || !okY {
		return equalSimple(attr, a, b)
	}
	valueA, _ := x.Get("value")
	valueB, _ := y.Get("value")
	if valueA == nil || valueB == nil {
		return Equal(a, b)
	}
	if !equalSimple(attr.Sub("value"), valueA, valueB) {
		return false
	}
	return isReference(attr) || equalSimple(attr.Sub("type"), nonNil(x, "type"), nonNil(y, "type"))
}

func nonNil(o *Object, name string) Value {
	if v, _ := o.Get(name); v != nil {
		return v
	}
	return ""
}

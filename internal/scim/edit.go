package scim

import (
	"slices"
	"strings"
)

// An editor applies single operations to the attributes of a resource. It never
// changes a value in place: each edit builds anew what it touches and shares
// the rest, so that giving up halfway leaves the original as it was, and an
// edit costs no more than what it changes.
type editor struct {
	t   *ResourceType
	doc *Object
	coercion
	// repeats says whether a value for a read-only attribute inside an object
	// asks for no change; it is then passed over.
	repeats func(path Path, value Value) bool
}

// set applies op with value at the attribute that path names.
func (e *editor) set(op PatchOp, path Path, value Value) error {
	c, attr, sub, ext, ok := e.t.resolve(path)
	if !ok {
		return e.t.unknownAttribute(InvalidPath, path)
	}
	if attr == nil {
		return e.setExtension(op, ext, value)
	}
	if whole := e.whole(c, ext, value); whole != nil {
		return e.setExtension(op, whole, value)
	}
	if attr == schemasAttribute {
		if op == Remove {
			return Errorf(Mutability, "\"schemas\" cannot be removed").On(attr.Name)
		}
		return nil // what it lists follows from the attributes that are present
	}
	return e.assign(op, c, attr, sub, ext, value)
}

// assign applies op with value at the attribute that c was resolved to.
func (e *editor) assign(op PatchOp, c Path, attr, sub *Attribute, ext *Extension, value Value) error {
	if isReadOnly(attr) || isReadOnly(sub) {
		return Errorf(Mutability, "%q is read-only: only the service provider sets it", c).On(c.String())
	}
	container := e.doc
	if ext != nil {
		container = e.doc.Child(ext.Schema.ID)
	}
	old, _ := container.Get(attr.Name)
	edit := edit{coercion: e.coercion, op: op, attr: attr, sub: sub, path: c}
	next, err := edit.apply(old, value)
	if err != nil {
		return err
	}
	if attr.Mutability == WriteOnly {
		return nil
	}
	if attr.Required && !hasValue(next) {
		if op == Remove {
			return Errorf(Mutability, "%q is required and cannot be removed", c).On(c.String())
		}
		return Errorf(InvalidValue, "%q is required and needs a value", c).On(c.String())
	}
	e.put(ext, attr.Name, next)
	return nil
}

// whole returns the extension that a path of an unlisted one names as a whole.
// Where its URN ends and an attribute begins cannot be told from the path
// alone: an extension that is there decides, else the value does.
func (e *editor) whole(c Path, ext *Extension, value Value) *Extension {
	if ext == nil || c.Sub != "" || c.Filter != nil || e.t.Extension(ext.Schema.ID) != nil || e.doc.Child(ext.Schema.ID) != nil {
		return nil
	}
	urn := ext.Schema.ID + ":" + c.Attr
	if _, isObject := value.(*Object); !isObject && e.doc.Child(urn) == nil {
		return nil
	}
	return e.t.unlisted(urn)
}

// put stores value, or removes the attribute when it is nil. An extension that
// becomes empty goes with its last attribute.
func (e *editor) put(ext *Extension, name string, value Value) {
	if ext == nil {
		if value == nil {
			e.doc.Delete(name)
		} else {
			e.doc.Set(name, value)
		}
		return
	}
	container := e.doc.Child(ext.Schema.ID).shallow()
	if value == nil {
		container.Delete(name)
	} else {
		container.Set(name, value)
	}
	if container.Len() == 0 {
		e.doc.Delete(ext.Schema.ID)
		return
	}
	e.doc.Set(ext.Schema.ID, container)
}

// shallow returns a copy that shares the values; of nil, an empty Object.
func (o *Object) shallow() *Object {
	if o == nil {
		return &Object{}
	}
	// Room for one more: most edits add at most that.
	fields := make([]field, len(o.fields), len(o.fields)+1)
	copy(fields, o.fields)
	return &Object{fields: fields}
}

// setExtension applies op to an extension as a whole, or with a nil extension
// to the core attributes.
func (e *editor) setExtension(op PatchOp, ext *Extension, value Value) error {
	if ext == nil {
		if op == Remove {
			return Errorf(NoTarget, "the path names the whole resource; name an attribute, or delete the resource")
		}
		return e.merge(op, value)
	}
	if op == Remove || op == Replace && value == nil {
		if ext.Required || slices.ContainsFunc(ext.Schema.Attributes, func(a *Attribute) bool { return a.Required }) {
			return Errorf(Mutability, "%q is required and cannot be removed", ext.Schema.ID).On(ext.Schema.ID)
		}
		e.doc.Delete(ext.Schema.ID)
		return nil
	}
	in, ok := value.(*Object)
	if !ok {
		if value == nil {
			return nil
		}
		return Errorf(InvalidValue, "%q needs an object of attributes; found %s", ext.Schema.ID, describe(value)).On(ext.Schema.ID)
	}
	unlisted := e.t.Extension(ext.Schema.ID) == nil
	for name, v := range in.All() {
		path := Path{URN: ext.Schema.ID, Attr: name}
		if unlisted {
			if err := e.assign(op, path, &Attribute{Name: name}, nil, ext, v); err != nil {
				return err
			}
			continue
		}
		if err := e.setNamed(op, path, v); err != nil {
			return err
		}
	}
	return nil
}

// merge applies op for each attribute of an object, as an operation without a
// path asks for.
func (e *editor) merge(op PatchOp, value Value) error {
	in, ok := value.(*Object)
	if !ok {
		return Errorf(InvalidValue, "without a path the value must be an object of attributes; found %s", describe(value))
	}
	for name, v := range in.All() {
		if err := e.setKey(op, name, v); err != nil {
			return err
		}
	}
	return nil
}

// setKey applies op to what a key of an object without path names: an
// attribute, an extension, or a flattened path such as name.givenName.
func (e *editor) setKey(op PatchOp, key string, value Value) error {
	if e.t.knows(key) {
		return e.setExtension(op, e.t.Extension(key), value)
	}
	if _, isObject := value.(*Object); isObject && !isName(key) {
		if ext := e.t.unlisted(key); ext != nil && !e.within(key) {
			return e.setExtension(op, ext, value)
		}
	}
	path := Path{Attr: key}
	if !isName(key) {
		var err error
		if path, err = ParsePath(key); err != nil {
			if !e.strict && !strings.ContainsAny(key, ".:[") {
				return nil // not meant as a path, and no name of ours
			}
			return err
		}
	}
	return e.setNamed(op, path, value)
}

// within reports whether a key names an attribute inside an extension that is
// listed or there.
func (e *editor) within(key string) bool {
	cut := strings.LastIndexByte(key, ':')
	return cut > 0 && (e.t.knows(key[:cut]) || e.doc.Child(key[:cut]) != nil)
}

// setNamed applies op as set does, but for a name inside an object: a name that
// no schema has is left out, as it is when a resource is created.
func (e *editor) setNamed(op PatchOp, path Path, value Value) error {
	c, attr, sub, _, ok := e.t.resolve(path)
	if path.URN != "" && !isName(path.Attr) {
		// A flattened name inside the extension's object. Custom fields may
		// have names that are no path.
		if inner, err := ParsePath(path.Attr); err == nil && inner.URN == "" {
			inner.URN = path.URN
			if _, known, _, _, found := e.t.resolve(inner); found && known.Type != "" {
				return e.set(op, inner, value)
			}
		}
	}
	if !ok {
		if e.strict {
			return e.t.unknownAttribute(InvalidValue, path)
		}
		return nil
	}
	if (isReadOnly(attr) || isReadOnly(sub)) && e.repeats(c, value) {
		return nil
	}
	return e.set(op, path, value)
}

func isReadOnly(a *Attribute) bool { return a != nil && a.Mutability == ReadOnly }

// An edit is one operation on one attribute.
type edit struct {
	coercion
	op        PatchOp
	attr, sub *Attribute
	path      Path // canonical, for its filter and for messages
}

// apply returns what becomes of the attribute's value old; nil removes it.
func (e *edit) apply(old, value Value) (Value, error) {
	if e.path.Filter != nil {
		return e.selected(old, value)
	}
	if e.op == Replace && value == nil && e.sub == nil {
		return nil, nil
	}
	if e.op == Add && value == nil {
		return old, nil
	}
	if e.attr.MultiValued {
		return e.multi(old, value)
	}
	if e.sub != nil {
		next, err := e.subOf(asObject(old), value)
		return orNil(next), err
	}
	if e.op == Remove {
		return nil, nil
	}
	next, err := e.one(e.attr, value)
	if have, ok := old.([]Value); ok && err == nil && e.attr.Type == "" && e.op == Add {
		return e.union(have, asList(next), true)
	}
	if err != nil || e.attr.Type != TypeComplex || isReference(e.attr) || old == nil {
		return next, err
	}
	merged, err := e.mergeInto(asObject(old), value, next)
	return orNil(merged), err
}

// mergeInto sets the sub-attributes that value names in old: those of next,
// which is value coerced, and removes those that a replacement gives as null
// (RFC 7644 section 3.5.2.3).
func (e *edit) mergeInto(old *Object, value, next Value) (*Object, error) {
	merged := old.shallow()
	in, _ := next.(*Object)
	for name, v := range in.All() {
		if err := e.mutable(e.attr.Sub(name), merged, v); err != nil {
			return nil, err
		}
		merged.Set(name, v)
	}
	if given, ok := value.(*Object); ok && e.op == Replace {
		for name, v := range given.All() {
			if sub := e.attr.Sub(name); v == nil && sub != nil && sub.Mutability != ReadOnly {
				merged.Delete(name)
			}
		}
	}
	return merged, nil
}

// mutable refuses to change an immutable sub-attribute that has a value.
func (e *edit) mutable(sub *Attribute, in *Object, next Value) error {
	if sub == nil || sub.Mutability != Immutable {
		return nil
	}
	old, ok := in.Get(sub.Name)
	if !ok || !hasValue(old) || Equal(old, next) {
		return nil
	}
	return Errorf(Mutability, "%q cannot be changed once set; remove the element and add another", e.attr.Name+"."+sub.Name).
		On(e.attr.Name + "." + sub.Name)
}

// subOf applies the operation to the sub-attribute of one complex value.
func (e *edit) subOf(old *Object, value Value) (*Object, error) {
	var next Value
	if e.op != Remove {
		var err error
		if e.sub.Type == TypeComplex || e.sub.MultiValued {
			next = withoutNulls(value)
		} else if next, err = e.one(e.sub, value); err != nil {
			return nil, within(e.attr, err)
		}
	}
	if e.op == Add && next == nil {
		return old, nil
	}
	if err := e.mutable(e.sub, old, next); err != nil {
		return nil, err
	}
	o := old.shallow()
	if next == nil {
		o.Delete(e.sub.Name)
	} else {
		o.Set(e.sub.Name, next)
	}
	if isRoles(e.attr) {
		o = unpackRole(o)
	}
	if isReference(e.attr) {
		if sameName(e.sub.Name, "value") && !Equal(asValue(old, "value"), next) {
			// What else was said of the former reference is no longer true.
			o = &Object{}
			if next != nil {
				o.Set("value", next)
			}
		}
		ref, _ := completeReference(o).(*Object)
		return ref, nil
	}
	return o, nil
}

// multi applies an operation without a filter to a multi-valued attribute.
func (e *edit) multi(old, value Value) (Value, error) {
	elements := asList(old)
	if e.sub != nil {
		return e.subOfAll(elements, nil, value)
	}
	if e.op == Remove && value == nil {
		return nil, nil
	}
	given, err := e.list(e.attr, value)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case Remove:
		return e.without(elements, given, value)
	case Replace:
		return e.union(nil, given, false)
	default:
		return e.union(elements, given, true)
	}
}

// selected applies an operation to the elements that the path's filter selects.
func (e *edit) selected(old, value Value) (Value, error) {
	if !e.attr.MultiValued && e.attr.Type != TypeComplex && e.attr.Type != "" {
		return nil, Errorf(InvalidPath, "%q has a single value, so no filter can follow it", e.attr.Name).On(e.path.String())
	}
	match, err := compileElement(e.attr, e.path.Filter)
	if err != nil {
		return nil, err
	}
	elements := asList(old)
	if !slices.ContainsFunc(elements, match) {
		switch {
		case e.op == Remove || !hasValue(value):
			return old, nil
		case e.op == Add:
			return e.create(elements, match, value)
		}
		return nil, Errorf(NoTarget, "no element of %q satisfies the filter of %q; use add to create it", e.attr.Name, e.path).On(e.path.String())
	}
	if e.op == Add && value == nil {
		return old, nil
	}
	if e.sub != nil {
		return e.subOfAll(elements, match, value)
	}
	if e.op == Remove || e.op == Replace && value == nil {
		return e.back(slices.DeleteFunc(slices.Clone(elements), match))
	}
	given, err := e.single(value)
	if err != nil || given == nil {
		return old, err
	}
	list := slices.Clone(elements)
	primary := -1
	for i, element := range elements {
		if !match(element) {
			continue
		}
		next := given
		if have, o := asObject(element), asObject(given); have != nil && o != nil {
			if e.op == Add {
				merged, err := e.mergeInto(have, value, given)
				if err != nil {
					return nil, err
				}
				next = merged
			} else {
				next = withAssertions(e.attr, o.shallow(), e.path.Filter)
			}
		}
		list[i] = next
		if isPrimary(given) && primary < 0 {
			primary = i
		}
	}
	if primary >= 0 {
		singlePrimary(list, primary)
	}
	return e.back(list)
}

// single coerces the value for one selected element.
func (e *edit) single(value Value) (Value, error) {
	list, err := e.list(e.attr, value)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if len(list) > 1 {
		return nil, badValue(e.attr, "one value, because the path selects single elements", value)
	}
	return list[0], nil
}

// create makes the element that the filter describes. Entra ID adds to
// emails[type eq "work"].value before there is such an element.
func (e *edit) create(elements []Value, match func(Value) bool, value Value) (Value, error) {
	element := &Object{}
	var err error
	if e.sub == nil {
		given, err := e.single(value)
		if err != nil {
			return nil, err
		}
		element = asObject(given).shallow()
	}
	element = withAssertions(e.attr, element, e.path.Filter)
	// A filter that says nothing of the element but what it is not describes none.
	if e.sub != nil && element.Len() > 0 {
		if element, err = e.subOf(element, value); err != nil {
			return nil, err
		}
	}
	if element.Len() == 0 || !match(element) {
		return nil, Errorf(NoTarget, "no element of %q satisfies the filter of %q, and none can be made from it; a filter such as [type eq \"work\"] could be", e.attr.Name, e.path).On(e.path.String())
	}
	list := append(slices.Clone(elements), Value(element))
	if isPrimary(element) {
		singlePrimary(list, len(list)-1)
	}
	return e.back(list)
}

// withAssertions sets in o the sub-attributes that f says are equal to a value,
// unless o has them.
func withAssertions(attr *Attribute, o *Object, f Filter) *Object {
	switch f := f.(type) {
	case *And:
		for _, operand := range f.Operands {
			o = withAssertions(attr, o, operand)
		}
	case *Comparison:
		sub := attr.Sub(f.Path.Attr)
		if f.Op != Eq || f.Value == nil || sub == nil || f.Path.Sub != "" || o.index(sub.Name) >= 0 {
			return o
		}
		if v, err := (coercion{}).one(sub, f.Value); err == nil && v != nil {
			o.Set(sub.Name, v)
		}
	}
	return o
}

// subOfAll applies the operation to the sub-attribute of the elements that
// match selects, all when match is nil.
func (e *edit) subOfAll(elements []Value, match func(Value) bool, value Value) (Value, error) {
	if len(elements) == 0 {
		if e.op == Remove {
			return nil, nil
		}
		made, err := e.subOf(&Object{}, value)
		if err != nil || made.Len() == 0 {
			return nil, err
		}
		return e.back([]Value{made})
	}
	list := make([]Value, 0, len(elements))
	primary := -1
	for _, element := range elements {
		if match != nil && !match(element) {
			list = append(list, element)
			continue
		}
		o, ok := element.(*Object)
		if !ok {
			return nil, Errorf(InvalidPath, "the values of %q have no sub-attributes", e.attr.Name).On(e.path.String())
		}
		next, err := e.subOf(o, value)
		if err != nil {
			return nil, err
		}
		if next.Len() == 0 {
			continue
		}
		if primary < 0 && sameName(e.sub.Name, "primary") && isPrimary(next) {
			primary = len(list)
		}
		list = append(list, next)
	}
	if primary >= 0 {
		singlePrimary(list, primary)
	}
	return e.back(list)
}

// back gives the elements the shape in which the attribute is stored: a list,
// or for a single-valued attribute the value alone.
func (e *edit) back(list []Value) (Value, error) {
	if !e.attr.MultiValued && e.attr.Type != "" {
		if len(list) == 0 {
			return nil, nil
		}
		return list[0], nil
	}
	return listOrNil(list), nil
}

func asObject(v Value) *Object {
	o, _ := v.(*Object)
	return o
}

func asValue(o *Object, name string) Value {
	v, _ := o.Get(name)
	return v
}

func asList(v Value) []Value {
	switch v := v.(type) {
	case nil:
		return nil
	case []Value:
		return v
	default:
		return []Value{v}
	}
}

func listOrNil(list []Value) Value {
	if len(list) == 0 {
		return nil
	}
	return list
}

func orNil(o *Object) Value {
	if o.Len() == 0 {
		return nil
	}
	return o
}

package scim

import (
	"encoding/json"
	"strings"
	"time"
)

// A Matcher is a filter made ready for resources of one type: names are looked
// up, literals converted and folded once. It is safe for concurrent use.
//
// What it decides where RFC 7644 section 3.4.2.2 leaves room: a condition on a
// multi-valued attribute holds when one of its elements satisfies it, but "ne"
// is the exact opposite of "eq" (no element is equal, also when there is none).
// A complex attribute with a "value" is compared by it, so that members eq "x"
// and manager eq "x" mean what they say. "eq null" is the absence of a value.
// A literal of another type is compared by its text: employeeNumber eq 4711.
type Matcher struct {
	match func(*Resource) bool
}

// CompileFilter prepares f for resources of type t. The error is an [Error] of
// type InvalidFilter when f names an attribute that t does not have or compares
// one in a way that its type does not allow, and of type Sensitive for an
// attribute that is never returned.
func CompileFilter(t *ResourceType, f Filter) (*Matcher, error) {
	match, err := compile(t, f)
	if err != nil {
		return nil, err
	}
	return &Matcher{match: match}, nil
}

// Match reports whether r satisfies the filter.
func (m *Matcher) Match(r *Resource) bool { return m.match(r) }

// Match reports whether r satisfies f; a filter that [CompileFilter] refuses
// matches nothing. For more than one resource compile the filter once.
func Match(t *ResourceType, f Filter, r *Resource) bool {
	m, err := CompileFilter(t, f)
	return err == nil && m.Match(r)
}

func compile(t *ResourceType, f Filter) (func(*Resource) bool, error) {
	switch f := f.(type) {
	case *And:
		list, err := compileAll(t, f.Operands)
		return func(r *Resource) bool {
			for _, match := range list {
				if !match(r) {
					return false
				}
			}
			return true
		}, err
	case *Or:
		list, err := compileAll(t, f.Operands)
		return func(r *Resource) bool {
			for _, match := range list {
				if match(r) {
					return true
				}
			}
			return false
		}, err
	case *Not:
		match, err := compile(t, f.Operand)
		return func(r *Resource) bool { return !match(r) }, err
	case *Present:
		return compilePath(t, f.Path, nil)
	case *Comparison:
		return compilePath(t, f.Path, f)
	case *ValuePath:
		path, attr, err := filterAttribute(t, f.Path)
		if err != nil {
			return nil, err
		}
		if attr == nil {
			return nil, Errorf(InvalidFilter, "brackets can follow an attribute only, not the schema %q", f.Path.URN)
		}
		element, err := compileElement(attr, f.Filter)
		return func(r *Resource) bool { return anyElement(valueAt(r, path), element) }, err
	}
	return nil, Errorf(InvalidFilter, "%T is not a filter", f)
}

func compileAll(t *ResourceType, operands []Filter) ([]func(*Resource) bool, error) {
	list := make([]func(*Resource) bool, len(operands))
	for i, o := range operands {
		var err error
		if list[i], err = compile(t, o); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// filterAttribute resolves the attribute of a condition. A nil attribute stands
// for a whole extension.
func filterAttribute(t *ResourceType, p Path) (Path, *Attribute, error) {
	path, attr, sub, ext, ok := t.resolve(p)
	if !ok {
		return p, nil, t.unknownAttribute(InvalidFilter, p)
	}
	if attr == nil {
		if ext == nil {
			return p, nil, Errorf(InvalidFilter, "%q names the whole resource; add an attribute", p.URN)
		}
		return path, nil, nil
	}
	if attr.Returned == ReturnedNever || sub != nil && sub.Returned == ReturnedNever {
		return p, nil, Errorf(Sensitive, "%q is never returned and cannot be filtered by", path).On(path.String())
	}
	return path, attr, nil
}

// compilePath compiles the condition that p has a value (c is nil) or compares
// as c says.
func compilePath(t *ResourceType, p Path, c *Comparison) (func(*Resource) bool, error) {
	path, attr, err := filterAttribute(t, p)
	if err != nil {
		return nil, err
	}
	if attr == nil {
		if c != nil && c.Value != nil {
			return nil, Errorf(InvalidFilter, "%q names a whole extension; add an attribute", p.URN)
		}
		has := func(r *Resource) bool { return hasValue(r.Peek().Child(path.URN)) }
		if c != nil && c.Op == Eq {
			return func(r *Resource) bool { return !has(r) }, nil
		}
		return has, nil
	}
	cond, err := newCondition(attr, path.Sub, c)
	if err != nil {
		return nil, err
	}
	switch {
	case path.Filter != nil:
		inside, err := compileElement(attr, path.Filter)
		if err != nil {
			return nil, err
		}
		if cond.kind == presentCondition {
			absent := cond.negated
			return func(r *Resource) bool {
				return anyElement(valueAt(r, path), func(e Value) bool { return inside(e) && cond.some(e) }) != absent
			}, nil
		}
		return func(r *Resource) bool {
			return anyElement(valueAt(r, path), func(e Value) bool { return inside(e) && cond.holds(e) })
		}, nil
	case attr == idAttribute && cond.kind == textCondition:
		return func(r *Resource) bool {
			return compareExact(cond.op, r.ID, cond.text) != cond.negated
		}, nil
	case attr == metaAttribute && cond.kind == dateCondition:
		created := sameName(path.Sub, "created")
		return func(r *Resource) bool {
			at := r.LastModified
			if created {
				at = r.Created
			}
			// Clients know times to the millisecond in which they were written.
			at = at.Truncate(time.Millisecond)
			return (!at.IsZero() && cond.op.holds(at.Compare(cond.date))) != cond.negated
		}, nil
	case path.URN != "":
		urn, name := path.URN, path.Attr
		return func(r *Resource) bool {
			v, _ := r.Peek().Child(urn).Get(name)
			return cond.holds(v)
		}, nil
	case attr == idAttribute, attr == metaAttribute:
		return func(r *Resource) bool { return cond.holds(valueAt(r, path)) }, nil
	default:
		name := path.Attr
		return func(r *Resource) bool {
			v, _ := r.Peek().Get(name)
			return cond.holds(v)
		}, nil
	}
}

// compileElement compiles the filter between the brackets behind attr into a
// predicate over one of its elements.
func compileElement(attr *Attribute, f Filter) (func(Value) bool, error) {
	switch f := f.(type) {
	case *And:
		list, err := compileElements(attr, f.Operands)
		return func(e Value) bool {
			for _, match := range list {
				if !match(e) {
					return false
				}
			}
			return true
		}, err
	case *Or:
		list, err := compileElements(attr, f.Operands)
		return func(e Value) bool {
			for _, match := range list {
				if match(e) {
					return true
				}
			}
			return false
		}, err
	case *Not:
		match, err := compileElement(attr, f.Operand)
		return func(e Value) bool { return !match(e) }, err
	case *Present:
		return compileSub(attr, f.Path, nil)
	case *Comparison:
		return compileSub(attr, f.Path, f)
	}
	return nil, Errorf(InvalidFilter, "brackets cannot stand inside the brackets of %q", attr.Name).On(attr.Name)
}

func compileElements(attr *Attribute, operands []Filter) ([]func(Value) bool, error) {
	list := make([]func(Value) bool, len(operands))
	for i, o := range operands {
		var err error
		if list[i], err = compileElement(attr, o); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func compileSub(attr *Attribute, p Path, c *Comparison) (func(Value) bool, error) {
	if p.URN != "" || p.Sub != "" || p.Filter != nil {
		return nil, Errorf(InvalidFilter, "between the brackets of %q, name one of its sub-attributes instead of %q", attr.Name, p).On(attr.Name)
	}
	name := p.Attr
	if attr.Type != TypeComplex && attr.Type != "" {
		if !sameName(name, "value") {
			return nil, Errorf(InvalidFilter, "%q has no sub-attributes; between brackets its elements are called \"value\"", attr.Name).On(attr.Name)
		}
		name = ""
	}
	cond, err := newCondition(attr, name, c)
	if err != nil {
		return nil, err
	}
	return cond.holds, nil
}

type conditionKind uint8

const (
	textCondition conditionKind = iota
	presentCondition
	booleanCondition
	numberCondition
	dateCondition
	anyCondition // by the types of both values
)

// A condition is a comparison whose literal has been converted to the
// attribute's type. "ne" is "eq" negated.
type condition struct {
	kind    conditionKind
	op      Operator
	negated bool
	exact   bool
	sub     string // the sub-attribute to look at, "" for the value itself
	text    string
	folded  []byte // text for comparisons without case
	number  json.Number
	boolean bool
	date    time.Time
	literal Value
}

// newCondition makes the condition c, or for nil the condition that there is a
// value, about the sub-attribute sub of attr ("" for attr itself).
func newCondition(attr *Attribute, sub string, c *Comparison) (*condition, error) {
	leaf, name := attr, attr.Name
	if sub != "" {
		name += "." + sub
		if leaf = attr.Sub(sub); leaf == nil {
			if attr.Type != "" {
				return nil, Errorf(InvalidFilter, "%q has no sub-attribute %q%s; it has %s", attr.Name, sub,
					didYouMean(sub, attr.SubAttributes), names(attr.SubAttributes)).On(attr.Name)
			}
			leaf = &Attribute{Name: sub}
		}
		sub = leaf.Name
	}
	if c == nil || c.Value == nil {
		cond := &condition{kind: presentCondition, sub: sub}
		if c != nil {
			if c.Op != Eq && c.Op != Ne {
				return nil, Errorf(InvalidFilter, "null cannot be compared by %s; use eq or ne", c.Op).On(name)
			}
			cond.negated = c.Op == Eq
		}
		return cond, nil
	}
	if leaf.Type == TypeComplex {
		value := leaf.Sub("value")
		if value == nil {
			return nil, Errorf(InvalidFilter, "%q cannot be compared as a whole; compare one of %s", name, names(leaf.SubAttributes)).On(name)
		}
		leaf, sub = value, value.Name
	}
	cond := &condition{op: c.Op, sub: sub, exact: leaf.CaseExact, literal: c.Value}
	if c.Op == Ne {
		cond.op, cond.negated = Eq, true
	}
	if err := cond.convert(leaf, name); err != nil {
		return nil, err
	}
	return cond, nil
}

// convert turns the literal into the type of leaf.
func (c *condition) convert(leaf *Attribute, name string) error {
	ordering := c.op == Gt || c.op == Ge || c.op == Lt || c.op == Le
	part := c.op == Co || c.op == Sw || c.op == Ew
	text, ok := plainText(c.literal)
	if !ok {
		return Errorf(InvalidFilter, "%q cannot be compared with a value that is not simple", name).On(name)
	}
	c.text, c.folded = text, appendFold(nil, text)
	switch leaf.Type {
	case TypeBoolean:
		if ordering || part {
			return Errorf(InvalidFilter, "%q is a boolean and cannot be compared by %s; use eq or ne", name, c.op).On(name)
		}
		if c.boolean, ok = leaf.boolean(c.literal); !ok {
			return Errorf(InvalidFilter, "%q is a boolean; compare it with true or false, not with %q", name, text).On(name)
		}
		c.kind = booleanCondition
	case TypeInteger, TypeDecimal:
		if part {
			return Errorf(InvalidFilter, "%q is a number and cannot be compared by %s", name, c.op).On(name)
		}
		if !isNumber(text) {
			return Errorf(InvalidFilter, "%q is a number; compare it with one, not with %q", name, text).On(name)
		}
		c.kind, c.number = numberCondition, json.Number(text)
	case TypeDateTime:
		if part {
			return nil // by the text in which it is stored
		}
		if c.date, ok = parseDate(text); !ok {
			return Errorf(InvalidFilter, "%q is a date and time; compare it with one such as \"2024-05-01T10:00:00Z\", not with %q", name, text).On(name)
		}
		c.kind = dateCondition
	case TypeBinary:
		if ordering {
			return Errorf(InvalidFilter, "%q is binary and cannot be compared by %s", name, c.op).On(name)
		}
	case "":
		c.kind = anyCondition
		if ordering {
			if _, isBool := c.literal.(bool); isBool {
				return Errorf(InvalidFilter, "true and false cannot be compared by %s; use eq or ne", c.op).On(name)
			}
		}
	}
	return nil
}

// holds reports whether the condition holds for v, the whole value of the
// attribute or one element of it.
func (c *condition) holds(v Value) bool { return c.some(v) != c.negated }

// some reports whether one of the values in v satisfies the positive form.
func (c *condition) some(v Value) bool {
	switch v := v.(type) {
	case []Value:
		for _, e := range v {
			if c.some(e) {
				return true
			}
		}
		return false
	case *Object:
		if c.sub != "" {
			sub, _ := v.Get(c.sub)
			return c.one(sub)
		}
	}
	return c.one(v)
}

func (c *condition) one(v Value) bool {
	switch c.kind {
	case presentCondition:
		return hasValue(v)
	case booleanCondition:
		b, ok := parseBoolean(v)
		return ok && b == c.boolean
	case numberCondition:
		text, ok := plainText(v)
		if !ok || !isNumber(text) {
			return false
		}
		order, ok := compareNumbers(json.Number(text), c.number)
		return ok && c.op.holds(order)
	case dateCondition:
		s, _ := v.(string)
		at, ok := parseDate(s)
		return ok && c.op.holds(at.Compare(c.date))
	case anyCondition:
		if n, ok := v.(json.Number); ok && isNumber(c.text) && c.op != Co && c.op != Sw && c.op != Ew {
			order, ok := compareNumbers(n, json.Number(c.text))
			return ok && c.op.holds(order)
		}
	}
	s, ok := plainText(v)
	if !ok {
		return false
	}
	if c.exact {
		return compareExact(c.op, s, c.text)
	}
	return compareFolded(c.op, s, c.folded)
}

// anyElement reports whether match holds for one element of v; a single value
// counts as a list of one.
func anyElement(v Value, match func(Value) bool) bool {
	switch v := v.(type) {
	case nil:
		return false
	case []Value:
		for _, e := range v {
			if match(e) {
				return true
			}
		}
		return false
	default:
		return match(v)
	}
}

// hasValue reports whether v is a value at all: not null, not an empty string,
// list or object, nor one of nothing but such (RFC 7644 section 3.4.2.2, pr).
func hasValue(v Value) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []Value:
		for _, e := range v {
			if hasValue(e) {
				return true
			}
		}
		return false
	case *Object:
		for _, value := range v.All() {
			if hasValue(value) {
				return true
			}
		}
		return false
	}
	return true
}

// equalSimple compares two simple values of attr as a filter would.
func equalSimple(attr *Attribute, a, b Value) bool {
	if attr != nil && attr.Type == TypeBoolean {
		x, okX := parseBoolean(a)
		y, okY := parseBoolean(b)
		return okX && okY && x == y
	}
	if s, ok := a.(string); ok && attr != nil && !attr.CaseExact {
		u, ok := b.(string)
		return ok && strings.EqualFold(s, u)
	}
	return Equal(a, b)
}

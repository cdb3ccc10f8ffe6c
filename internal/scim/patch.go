package scim

import (
	"fmt"
	"slices"
	"strings"
)

// A Patch is a PatchOp request (RFC 7644 section 3.5.2) in the order in which
// it is to be applied. Forms that Entra ID and Okta send beyond the RFC have
// been turned into these operations by [ParsePatch].
type Patch struct {
	Operations []Operation
	// Strict refuses names inside values that no schema lists, which are
	// otherwise left out.
	Strict bool
}

// An Operation is one step of a [Patch].
type Operation struct {
	Op PatchOp
	// Path is nil for an operation whose Value is an object of attributes.
	Path  *Path
	Value Value
}

// A PatchOp is what an [Operation] does.
type PatchOp string

// The operations.
const (
	Add     PatchOp = "add"
	Replace PatchOp = "replace"
	Remove  PatchOp = "remove"
)

// ParsePatch decodes the body of a PATCH request. Operations are read in any
// case. A "Replace" with a capital on a sub-attribute behind a filter becomes
// "add": Entra ID sends it whether or not there is such an element, and adding
// to one that is there replaces.
//
// The error is an [Error] of type InvalidSyntax when the message has not the
// structure of a PatchOp, InvalidPath or InvalidFilter when a path is wrong,
// InvalidValue when an operation that needs a value has none, and NoTarget for
// a removal without path.
func ParsePatch(body []byte) (*Patch, error) {
	o, err := ParseObject(body)
	if err != nil {
		return nil, err
	}
	if urns := o.Elements("schemas"); len(urns) > 0 && !slices.ContainsFunc(urns, func(u Value) bool {
		s, ok := u.(string)
		return ok && sameName(s, URNPatchOp)
	}) {
		return nil, Errorf(InvalidSyntax, "\"schemas\" of a PATCH request must hold %q", URNPatchOp).On("schemas")
	}
	v, ok := o.Get("Operations")
	if !ok {
		return nil, Errorf(InvalidSyntax, "the PATCH request has no \"Operations\"").On("Operations")
	}
	list, ok := v.([]Value)
	if !ok || len(list) == 0 {
		return nil, Errorf(InvalidSyntax, "\"Operations\" must be a list with at least one operation; found %s", describe(v)).On("Operations")
	}
	p := &Patch{Operations: make([]Operation, len(list))}
	for i, v := range list {
		if p.Operations[i], err = parseOperation(v); err != nil {
			return nil, atOperation(err, i, len(list))
		}
	}
	return p, nil
}

func parseOperation(v Value) (op Operation, err error) {
	o, ok := v.(*Object)
	if !ok {
		return op, Errorf(InvalidSyntax, "an operation must be an object with op, path and value; found %s", describe(v))
	}
	name, ok := o.Get("op")
	word, isText := name.(string)
	if !ok || !isText {
		return op, Errorf(InvalidSyntax, "\"op\" must be add, replace or remove; found %s", describe(name)).On("op")
	}
	op.Op = PatchOp(strings.ToLower(strings.TrimSpace(word)))
	if op.Op != Add && op.Op != Replace && op.Op != Remove {
		return op, Errorf(InvalidSyntax, "\"op\" must be add, replace or remove; found %q", word).On("op")
	}
	given, _ := o.Get("path")
	switch path := given.(type) {
	case nil:
		if op.Op == Remove {
			return op, Errorf(NoTarget, "a remove operation needs a path")
		}
	case string:
		p, err := ParsePath(path)
		if err != nil {
			return op, err
		}
		op.Path = &p
	default:
		return op, Errorf(InvalidPath, "\"path\" must be a string; found %s", describe(path)).On("path")
	}
	value, hasValue := o.Get("value")
	if !hasValue && op.Op != Remove {
		e := Errorf(InvalidValue, "the %s operation has no \"value\"", op.Op)
		if op.Path != nil {
			e = e.On(op.Path.String())
		}
		return op, e
	}
	op.Value = value
	if op.Op == Replace && value != nil && isCapital(word) && op.Path != nil && op.Path.Filter != nil && op.Path.Sub != "" {
		op.Op = Add
	}
	return op, nil
}

func isCapital(word string) bool {
	word = strings.TrimSpace(word)
	return word != "" && word[0] >= 'A' && word[0] <= 'Z'
}

// atOperation says which operation of several an error is about.
func atOperation(err error, i, n int) error {
	e, ok := err.(*Error)
	if !ok || n < 2 {
		return err
	}
	c := *e
	c.Detail = fmt.Sprintf("operation %d of %d: %s", i+1, n, e.Detail)
	return &c
}

// Apply applies the operations to r in their order, all or none: after an error
// r is as it was. It reports whether r differs from before.
//
// What it accepts beyond the letter of RFC 7644 section 3.5.2 is what Entra ID
// and Okta send: flattened names and extensions in a value without path, a
// value path that does not exist yet, booleans as strings, references as bare
// ids, roles as JSON in a string, removal of given members, additions that are
// there and removals that are not.
//
// The error is an [Error] of type InvalidPath for an unknown attribute,
// NoTarget when a replacement's filter selects nothing, Mutability for what a
// client may not change, and InvalidValue for a value that does not fit.
func (p *Patch) Apply(r *Resource) (changed bool, err error) {
	before := r.Peek()
	e := editor{t: r.Type, doc: before.shallow(), coercion: coercion{strict: p.Strict}, repeats: r.repeats}
	for i, op := range p.Operations {
		if op.Path == nil {
			err = e.merge(op.Op, op.Value)
		} else {
			err = e.set(op.Op, *op.Path, op.Value)
		}
		if err != nil {
			return false, atOperation(err, i, len(p.Operations))
		}
	}
	if Equal(before, e.doc) {
		return false, nil
	}
	e.listExtensions(before)
	r.attrs, r.raw = e.doc, nil
	return true, nil
}

// repeats reports whether value says of the read-only attribute at path nothing
// but what r has. Clients that send a whole resource back do so.
func (r *Resource) repeats(path Path, value Value) bool {
	if !hasValue(value) {
		return true
	}
	current := valueAt(r, path)
	if path.Sub != "" {
		current = NewObject(path.Sub, asValue(asObject(current), path.Sub))
		value = NewObject(path.Sub, value)
	}
	if path.Attr != metaAttribute.Name {
		return Equal(current, value)
	}
	given, ok := value.(*Object)
	if !ok {
		return false
	}
	for name, v := range given.All() {
		if sub := metaAttribute.Sub(name); sub == nil || sub.Name == "location" {
			continue // where the resource is served is not known here
		}
		if v != nil && !Equal(asValue(asObject(current), name), v) {
			return false
		}
	}
	return true
}

// listExtensions adds to "schemas" the extensions that appeared and removes
// those that went.
func (e *editor) listExtensions(before *Object) {
	had, has := e.t.present(before), e.t.present(e.doc)
	if slices.Equal(had, has) {
		return
	}
	for _, urn := range append(slices.Clip(had), has...) {
		if slices.Contains(had, urn) == slices.Contains(has, urn) {
			continue
		}
		urns := slices.DeleteFunc(slices.Clone(e.doc.Elements("schemas")), func(v Value) bool {
			s, _ := v.(string)
			return sameName(s, urn)
		})
		if len(urns) == 0 {
			urns = append(urns, e.t.Schema.ID)
		}
		if slices.Contains(has, urn) {
			urns = append(urns, urn)
		}
		e.doc.Set("schemas", urns)
	}
}

// MemberOps returns the members that p adds to and removes from a group of type
// t, when p does nothing else. No member is in both lists: of operations that
// name the same one the last counts. ok is false when p does anything else,
// such as replacing or removing all members, or selecting them by a filter other
// than value eq, and when it is in error; Apply then says how.
func (p *Patch) MemberOps(t *ResourceType) (add, remove []Member, ok bool) {
	attr := t.core("members")
	if attr == nil || !isReference(attr) || len(p.Operations) == 0 {
		return nil, nil, false
	}
	type change struct {
		Member
		remove bool
	}
	var changes []change
	last := make(map[string]int)
	for i := range p.Operations {
		members, ok := p.Operations[i].members(t, attr)
		if !ok {
			return nil, nil, false
		}
		removal := p.Operations[i].Op == Remove
		for _, m := range members {
			if at, ok := last[m.Value]; ok {
				// A second addition keeps what the first said of the member.
				if changes[at].remove != removal {
					changes[at] = change{m, removal}
				}
				continue
			}
			last[m.Value] = len(changes)
			changes = append(changes, change{m, removal})
		}
	}
	for _, c := range changes {
		if c.remove {
			remove = append(remove, c.Member)
		} else {
			add = append(add, c.Member)
		}
	}
	return add, remove, true
}

// members returns the members that op adds or removes; ok is false when op does
// anything else.
func (op *Operation) members(t *ResourceType, attr *Attribute) (members []Member, ok bool) {
	value := op.Value
	if op.Path == nil {
		o, isObject := value.(*Object)
		if op.Op != Add || !isObject || o.Len() != 1 || o.index(attr.Name) < 0 {
			return nil, false
		}
		value, _ = o.Get(attr.Name)
	} else {
		_, named, sub, _, found := t.resolve(*op.Path)
		if !found || named != attr || sub != nil || op.Op == Replace {
			return nil, false
		}
		if f := op.Path.Filter; f != nil {
			c, isComparison := f.(*Comparison)
			if op.Op != Remove || !isComparison || c.Op != Eq || !sameName(c.Path.Attr, "value") || c.Path.Sub != "" {
				return nil, false
			}
			value = c.Value
		}
	}
	given, err := coercion{}.list(attr, value)
	if err != nil || value == nil && op.Op == Remove {
		return nil, false
	}
	if sent, isList := value.([]Value); op.Op == Remove && len(given) < max(1, len(sent)) && !(isList && len(sent) == 0) {
		return nil, false
	}
	for _, g := range given {
		o := asObject(g)
		members = append(members, Member{Value: o.Text("value"), Type: o.Text("type"), Display: o.Text("display")})
	}
	return members, true
}

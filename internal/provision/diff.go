package provision

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"lockstep/internal/scim"
)

// A Resolver finds the target object of a source object.
type Resolver func(t ObjectType, sourceID string) (targetID string, ok bool)

// A Waiting is a reference that cannot be written yet, because the object it
// points to is not in the target.
type Waiting struct {
	Attribute string     `json:"attribute"`
	Type      ObjectType `json:"type"`
	SourceID  string     `json:"sourceId"`
}

// Resource builds the resource that creates the object in the target: nulls are
// left out, defaults apply, and references whose target is unknown are returned
// as waiting. written lists what the resource holds.
func (m *Mapping) Resource(values []Evaluated, resolve Resolver) (r *scim.Resource, written Delta, waiting []Waiting) {
	o := scim.NewObject("schemas", []scim.Value{m.TargetType.Schema.ID})
	written = make(Delta, 0, len(values))
	for i := range values {
		v := &values[i]
		if v.Ignored || v.Err != nil {
			continue
		}
		value := v.Value
		if value == nil {
			value = v.Flow.defaultValue
		}
		if value == nil {
			continue
		}
		change := AttributeChange{Path: v.Flow.Target, New: value, Redacted: v.Redacted}
		if v.Flow.Reference {
			id, ok := v.resolve(resolve, &waiting)
			if !ok {
				continue
			}
			change.New, change.Reference = id, v.References[0]
		}
		v.Flow.path.set(o, scim.CloneValue(change.New))
		written = append(written, change)
	}
	markPrimary(o)
	return scim.NewResource(m.TargetType, o), written, waiting
}

// markPrimary makes the only e-mail address the primary one, as Entra does.
func markPrimary(o *scim.Object) {
	list := o.Elements("emails")
	if len(list) != 1 {
		return
	}
	if e, ok := list[0].(*scim.Object); ok {
		if _, ok := e.Get("primary"); !ok {
			e.Set("primary", true)
		}
	}
}

// resolve returns the target ID of the reference or remembers that it is waited for.
func (v *Evaluated) resolve(resolve Resolver, waiting *[]Waiting) (string, bool) {
	if len(v.References) == 0 {
		return "", false
	}
	if resolve != nil {
		if id, ok := resolve(v.Flow.ReferenceType, v.References[0]); ok {
			return id, true
		}
	}
	*waiting = append(*waiting, Waiting{v.Flow.Target, v.Flow.ReferenceType, v.References[0]})
	return "", false
}

// Diff returns what must change for current to hold the wanted values: what
// differs and no more. Mappings that apply only during creation are passed over,
// null is not sent unless the mapping clears, and a mapping of kind None fills
// only an empty target. A group's members are not handled here.
func (m *Mapping) Diff(values []Evaluated, current *scim.Resource, resolve Resolver) (delta Delta, waiting []Waiting) {
	o := current.Peek()
	for i := range values {
		v := &values[i]
		f := v.Flow
		if f.OnlyOnCreate || v.Ignored || v.Err != nil {
			continue
		}
		held := f.path.get(o)
		wanted := v.Value
		if wanted == nil && f.Kind == KindNone {
			wanted = f.defaultValue
		}
		if (f.OnlyWhenEmpty || f.Kind == KindNone) && !isEmpty(held) {
			continue
		}
		if f.Clear && isEmpty(wanted) {
			if !isEmpty(held) {
				delta = append(delta, AttributeChange{Path: f.Target, Old: held, Redacted: v.Redacted})
			}
			continue
		}
		if wanted == nil {
			continue
		}
		change := AttributeChange{Path: f.Target, Old: held, New: wanted, Redacted: v.Redacted}
		if f.Reference {
			id, ok := v.resolve(resolve, &waiting)
			if !ok {
				continue
			}
			change.New, change.Reference = id, v.References[0]
		}
		if f.AddOnly && f.path.list {
			change.New = union(held, wanted)
		}
		if f.Always || !f.same(held, change.New) {
			delta = append(delta, change)
		}
	}
	return delta, waiting
}

// isEmpty reports whether v is no value: null, "" or a list of nothing. RFC 7643
// section 2.5 makes null and the empty list one; Entra adds the empty string.
func isEmpty(v scim.Value) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []scim.Value:
		return len(v) == 0
	}
	return false
}

// same compares by the target attribute's type. A change of case is a change:
// whether the target minds it or not, people see it.
func (f *AttributeFlow) same(held, wanted scim.Value) bool {
	if isEmpty(held) || isEmpty(wanted) {
		return isEmpty(held) && isEmpty(wanted)
	}
	if f.path.list {
		return sameList(held, wanted)
	}
	switch w := wanted.(type) {
	case string:
		switch h := held.(type) {
		case string:
			return h == w || f.Type == scim.TypeDateTime && sameInstant(h, w)
		case bool, json.Number:
			// A target may type more strictly than its schema says.
			return strings.EqualFold(fmt.Sprint(h), w)
		}
		return false
	case bool:
		h, ok := asBool(held)
		return ok && h == w
	case json.Number:
		if h, ok := held.(string); ok && isNumber(h) {
			held = json.Number(h)
		}
	}
	return scim.Equal(held, wanted)
}

func sameInstant(a, b string) bool {
	x, errX := time.Parse(time.RFC3339, a)
	y, errY := time.Parse(time.RFC3339, b)
	return errX == nil && errY == nil && x.Equal(y)
}

// sameList compares without regard to order. Elements of complex lists are the
// same when their values are.
func sameList(held, wanted scim.Value) bool {
	a, b := asList(held), asList(wanted)
	return len(a) == len(b) && containsAll(a, b) && containsAll(b, a)
}

func containsAll(list, elements []scim.Value) bool {
	for _, e := range elements {
		if !slices.ContainsFunc(list, func(x scim.Value) bool { return scim.Equal(elementValue(x), elementValue(e)) }) {
			return false
		}
	}
	return true
}

// union returns held and those elements of wanted that it lacks.
func union(held, wanted scim.Value) scim.Value {
	list := slices.Clone(asList(held))
	for _, e := range asList(wanted) {
		if !containsAll(list, []scim.Value{e}) {
			list = append(list, e)
		}
	}
	return list
}

func asList(v scim.Value) []scim.Value {
	switch v := v.(type) {
	case nil:
		return nil
	case []scim.Value:
		return v
	}
	return []scim.Value{v}
}

func elementValue(v scim.Value) scim.Value {
	if o, ok := v.(*scim.Object); ok {
		if value, ok := o.Get("value"); ok {
			return value
		}
	}
	return v
}

// Apply makes the changes in r, for previews.
func (d Delta) Apply(r *scim.Resource) error {
	paths, err := d.compile(r.Type)
	if err != nil {
		return err
	}
	o := r.Attributes()
	for i, c := range d {
		if c.New == nil {
			paths[i].remove(o)
		} else {
			paths[i].set(o, scim.CloneValue(c.New))
		}
	}
	return nil
}

func (d Delta) compile(t *scim.ResourceType) ([]*targetPath, error) {
	paths := make([]*targetPath, len(d))
	for i, c := range d {
		p, err := scim.ParsePath(c.Path)
		if err == nil {
			paths[i], err = compileTargetPath(t, p)
		}
		if err != nil {
			return nil, fmt.Errorf("changing %s: %w", c.Path, err)
		}
	}
	return paths, nil
}

// UnmarshalJSON reads a change so that its values are SCIM values again: objects
// keep their order and numbers their digits.
func (c *AttributeChange) UnmarshalJSON(data []byte) error {
	o, err := scim.ParseObject(data)
	if err != nil {
		return err
	}
	*c = AttributeChange{Path: o.Text("path"), Reference: o.Text("reference")}
	c.Old, _ = o.Get("old")
	c.New, _ = o.Get("new")
	redacted, _ := o.Get("redacted")
	c.Redacted, _ = redacted.(bool)
	return nil
}

package provision

import (
	"strings"

	"lockstep/internal/scim"
)

// A Dialect is a way of writing PATCH requests.
type Dialect uint8

// The dialects.
const (
	// Strict follows RFC 7644 to the letter.
	Strict Dialect = iota
	// Legacy is what Entra sends by default: Add, Replace and Remove with a capital,
	// one operation for each path, Booleans as "True" and "False", references as
	// bare strings.
	Legacy
	// AADOptSCIM062020 is what Entra sends when that flag is in the tenant URL:
	// lower case, real Booleans, and plain attributes that are replaced merged into
	// one operation without path.
	AADOptSCIM062020
)

// String returns the dialect's name.
func (d Dialect) String() string {
	return [...]string{"strict", "legacy", "aadOptscim062020"}[d]
}

// patchOperation is one operation as it is spelt on the wire.
type patchOperation struct {
	op    scim.PatchOp
	path  string // "" for an operation whose value is an object of attributes
	value scim.Value
}

// Patch returns the operations that make the changes, spelt in the dialect. A
// path that t cannot hold is sent as it stands.
func (d Delta) Patch(dialect Dialect, t *scim.ResourceType) []scim.Operation {
	list := d.operations(dialect, t)
	ops := make([]scim.Operation, len(list))
	for i, o := range list {
		ops[i] = scim.Operation{Op: o.op, Value: o.value}
		if o.path == "" {
			continue
		}
		p, err := scim.ParsePath(o.path)
		if err != nil {
			p = scim.Path{Attr: o.path}
		}
		ops[i].Path = &p
	}
	return ops
}

// AppendPatch appends the body of the PATCH request to b.
func (d Delta) AppendPatch(b []byte, dialect Dialect, t *scim.ResourceType) ([]byte, error) {
	list := d.operations(dialect, t)
	ops := make([]scim.Value, len(list))
	for i, o := range list {
		op := scim.NewObject("op", string(o.op))
		if o.path != "" {
			op.Set("path", o.path)
		}
		if o.op != scim.Remove && o.op != "Remove" {
			op.Set("value", o.value)
		}
		ops[i] = op
	}
	return scim.AppendJSON(b, scim.NewObject("schemas", []scim.Value{scim.URNPatchOp}, "Operations", ops))
}

func (d Delta) operations(dialect Dialect, t *scim.ResourceType) []patchOperation {
	paths := make([]*targetPath, len(d))
	for i, c := range d {
		p, err := scim.ParsePath(c.Path)
		if err == nil {
			paths[i], err = compileTargetPath(t, p)
		}
		if err != nil {
			paths[i] = &targetPath{attr: c.Path}
		}
	}
	switch dialect {
	case Legacy:
		return d.legacy(paths)
	case AADOptSCIM062020:
		return d.aadOpt(paths)
	}
	return d.strict(paths)
}

// legacy writes one operation for each change.
func (d Delta) legacy(paths []*targetPath) []patchOperation {
	ops := make([]patchOperation, 0, len(d))
	for i, c := range d {
		op, value := opFor(c, paths[i])
		switch value := value.(type) {
		case bool:
			ops = append(ops, patchOperation{capitals[op], c.Path, entraText(value)})
		case []scim.Value:
			ops = append(ops, patchOperation{capitals[op], c.Path, legacyList(paths[i], value)})
		default:
			ops = append(ops, patchOperation{capitals[op], c.Path, value})
		}
	}
	return ops
}

var capitals = map[scim.PatchOp]scim.PatchOp{scim.Add: "Add", scim.Replace: "Replace", scim.Remove: "Remove"}

func entraText(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// legacyList writes app roles as JSON text, which is how Entra sends them.
func legacyList(p *targetPath, list []scim.Value) scim.Value {
	if !strings.EqualFold(p.attr, "roles") {
		return list
	}
	out := make([]scim.Value, len(list))
	for i, e := range list {
		o, ok := e.(*scim.Object)
		if !ok {
			out[i] = e
			continue
		}
		role := scim.NewObject("value", o.Text("value"), "displayName", o.Text("display"))
		text, err := role.MarshalJSON()
		if err != nil {
			out[i] = e
			continue
		}
		out[i] = scim.NewObject("value", string(text))
	}
	return out
}

// opFor chooses the operation as Entra does: Add where the target has no value,
// Replace where it has one. A list that only grows is added to.
func opFor(c AttributeChange, p *targetPath) (scim.PatchOp, scim.Value) {
	switch {
	case c.New == nil:
		return scim.Remove, nil
	case isEmpty(c.Old):
		return scim.Add, c.New
	case p.list && containsAll(asList(c.New), asList(c.Old)):
		var missing []scim.Value
		for _, e := range asList(c.New) {
			if !containsAll(asList(c.Old), []scim.Value{e}) {
				missing = append(missing, e)
			}
		}
		if len(missing) > 0 {
			return scim.Add, missing
		}
	}
	return scim.Replace, c.New
}

// aadOpt merges what it may: replaced attributes that are neither values of a
// list nor references.
func (d Delta) aadOpt(paths []*targetPath) []patchOperation {
	ops := make([]patchOperation, 0, len(d))
	merged, at := scim.Object{}, 0
	for i, c := range d {
		op, value := opFor(c, paths[i])
		p := paths[i]
		if op != scim.Replace || p.element != nil || p.complex || p.list {
			ops = append(ops, patchOperation{op, c.Path, value})
			continue
		}
		if merged.Len() == 0 {
			at = len(ops)
			ops = append(ops, patchOperation{op, c.Path, value})
		}
		merged.Set(c.Path, value)
	}
	if merged.Len() > 1 {
		ops[at].path, ops[at].value = "", &merged
	}
	return ops
}

// strict writes references as objects. An element of a list that may not exist
// yet is added to by a path that selects it, as Entra does: the delta does not
// say whether it exists, and adding a whole element could make it a second one.
func (d Delta) strict(paths []*targetPath) []patchOperation {
	ops := make([]patchOperation, 0, len(d))
	for i, c := range d {
		p := paths[i]
		op, value := opFor(c, p)
		if p.complex && !p.list && value != nil {
			value = scim.NewObject("value", value)
		}
		canonical := p.canonical()
		ops = append(ops, patchOperation{op, canonical.String(), value})
	}
	return ops
}

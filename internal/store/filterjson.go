package store

import (
	"strings"

	"lockstep/internal/scim"
)

// Attributes without a column are read from the body by the database's JSON
// functions. Attributes that no schema lists are left to the kernel: only it
// finds a name in whatever spelling it was stored.

// attribute translates a condition on an attribute of the body.
func (tr *translator) attribute(p scim.Path, op scim.Operator, value scim.Value) clause {
	attr, sub, _, ok := tr.t.Resolve(p)
	if !ok || attr == nil || attr.Type == "" {
		return nothing
	}
	leaf := sub
	if leaf == nil {
		leaf = attr
	}
	if leaf.Type == scim.TypeComplex {
		// Compared by its "value"; its presence is the kernel's affair.
		if leaf = leaf.Sub("value"); leaf == nil || op == "" || sub != nil {
			return nothing
		}
		p.Sub = leaf.Name
	}
	if attr.MultiValued {
		if attr.Type != scim.TypeComplex {
			return nothing
		}
		return tr.elements(p, p.Filter, func() clause { return tr.leaf(element, leaf, op, value, leaf.Name) })
	}
	names := namesOf(p)
	if p.Sub != "" {
		names = append(names, p.Sub)
	}
	if p.Filter != nil || leaf.MultiValued || !quotable(names...) {
		return nothing
	}
	return tr.leaf("body", leaf, op, value, names...)
}

// namesOf returns the names that lead to the whole attribute.
func namesOf(p scim.Path) []string {
	if p.URN != "" {
		return []string{p.URN, p.Attr}
	}
	return []string{p.Attr}
}

func quotable(names ...string) bool {
	for _, n := range names {
		if n == "" || strings.ContainsAny(n, "\"'\\\x00") {
			return false
		}
	}
	return true
}

// elements is the condition that one element of the multi-valued attribute at
// p satisfies the filter and rest; either may be nil.
func (tr *translator) elements(p scim.Path, filter scim.Filter, rest func() clause) clause {
	attr, _, _, ok := tr.t.Resolve(p)
	names := namesOf(p)
	if !ok || attr == nil || !attr.MultiValued || attr.Type != scim.TypeComplex || !quotable(names...) {
		return nothing
	}
	mark := len(tr.args)
	var parts []string
	add := func(c clause) bool {
		parts = append(parts, "("+c.sql+")")
		return c.exact
	}
	if filter != nil && !add(tr.element(attr, filter)) || rest != nil && !add(rest()) {
		tr.args = tr.args[:mark]
		return nothing
	}
	return clause{
		sql:   "EXISTS (SELECT 1 FROM " + tr.db.jsonElements("body", names...) + " WHERE " + strings.Join(parts, " AND ") + ")",
		exact: true,
	}
}

// element translates a filter between brackets for one element.
func (tr *translator) element(attr *scim.Attribute, f scim.Filter) clause {
	join := func(operands []scim.Filter, word string) clause {
		parts := make([]string, len(operands))
		for i, o := range operands {
			c := tr.element(attr, o)
			if !c.exact {
				return nothing
			}
			parts[i] = "(" + c.sql + ")"
		}
		return clause{sql: strings.Join(parts, word), exact: true}
	}
	switch f := f.(type) {
	case *scim.And:
		return join(f.Operands, " AND ")
	case *scim.Or:
		return join(f.Operands, " OR ")
	case *scim.Not:
		if c := tr.element(attr, f.Operand); c.exact {
			return clause{sql: negate(c.sql), exact: true}
		}
	case *scim.Present:
		return tr.sub(attr, f.Path, "", nil)
	case *scim.Comparison:
		return tr.sub(attr, f.Path, f.Op, f.Value)
	}
	return nothing
}

// sub translates a condition on a sub-attribute of one element.
func (tr *translator) sub(attr *scim.Attribute, p scim.Path, op scim.Operator, value scim.Value) clause {
	leaf := attr.Sub(p.Attr)
	if leaf == nil || leaf.MultiValued || p.URN != "" || p.Sub != "" || p.Filter != nil || !quotable(leaf.Name) {
		return nothing
	}
	op, negated := polarity(op, value)
	c := tr.leaf(element, leaf, op, value, leaf.Name)
	if negated && c.exact {
		c.sql = negate(c.sql)
	}
	return c
}

// leaf translates a positive condition on the simple value at names in JSON.
func (tr *translator) leaf(json string, leaf *scim.Attribute, op scim.Operator, value scim.Value, names ...string) clause {
	expr := tr.db.jsonText(json, names...)
	switch leaf.Type {
	case scim.TypeString, scim.TypeReference:
		if op == "" {
			return clause{sql: expr + " <> ''", exact: true}
		}
		s, ok := plain(value)
		if !ok || !fit(s) {
			return nothing
		}
		if !leaf.CaseExact {
			expr, s = tr.db.fold(expr), scim.Fold(s)
		}
		return tr.compare(expr, op, s)
	case scim.TypeBoolean:
		if op == "" {
			return clause{sql: expr + " IS NOT NULL", exact: true}
		}
		if b, ok := asBool(value); ok && op == scim.Eq {
			return clause{sql: tr.db.jsonIs(json, b, names...), exact: true}
		}
	}
	return nothing
}

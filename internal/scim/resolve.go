package scim

import "strings"

// sameName compares attribute names and URNs, which are ASCII, without regard
// to case.
func sameName(a, b string) bool {
	return len(a) == len(b) && (a == b || strings.EqualFold(a, b))
}

// The attributes that every resource has (RFC 7643 section 3.1). They belong
// to no schema and are not listed by one.
var (
	schemasAttribute = &Attribute{
		Name: "schemas", Type: TypeReference, MultiValued: true, Required: true, Returned: ReturnedAlways,
		Description: "The URNs of the schemas the resource follows.", ReferenceTypes: []string{"uri"},
	}
	idAttribute = &Attribute{
		Name: "id", Type: TypeString, Required: true, CaseExact: true, Mutability: ReadOnly,
		Returned: ReturnedAlways, Uniqueness: UniqueServer,
		Description: "The identifier that the service provider gave the resource; it never changes.",
	}
	externalIDAttribute = &Attribute{
		Name: "externalId", Type: TypeString, CaseExact: true,
		Description: "The identifier that the provisioning client gave the resource.",
	}
	metaAttribute = &Attribute{
		Name: "meta", Type: TypeComplex, Mutability: ReadOnly,
		Description: "What the service provider knows about the resource itself.",
		SubAttributes: []*Attribute{
			{Name: "resourceType", Type: TypeString, CaseExact: true, Mutability: ReadOnly},
			{Name: "created", Type: TypeDateTime, Mutability: ReadOnly},
			{Name: "lastModified", Type: TypeDateTime, Mutability: ReadOnly},
			{Name: "location", Type: TypeReference, CaseExact: true, Mutability: ReadOnly, ReferenceTypes: []string{"uri"}},
			{Name: "version", Type: TypeString, CaseExact: true, Mutability: ReadOnly},
		},
	}
	commonAttributes = []*Attribute{schemasAttribute, idAttribute, externalIDAttribute, metaAttribute}
)

// CommonAttributes returns the attributes that every resource has besides
// those of its schemas: schemas, id, externalId and meta (RFC 7643 section 3.1).
func CommonAttributes() []*Attribute { return commonAttributes }

// core returns the common or core-schema attribute of that name, or nil.
func (t *ResourceType) core(name string) *Attribute {
	if a := attributeNamed(t.Schema.Attributes, name); a != nil {
		return a
	}
	return attributeNamed(commonAttributes, name)
}

// Resolve looks a path up in the schemas of t. URNs and names are compared
// without regard to case. A name without a URN that the core schema lacks is
// looked for in the extensions, so that "manager" is found. A path without an
// attribute names an extension as a whole: attr is nil.
//
// An attribute that an open extension does not list resolves to an attribute
// with an empty Type: its values are taken as they come. ok is false when
// nothing in t has that name; the filter of p is not looked at.
func (t *ResourceType) Resolve(p Path) (attr, sub *Attribute, ext *Extension, ok bool) {
	_, attr, sub, ext, ok = t.resolve(p)
	return attr, sub, ext, ok
}

// Canonical returns p in the one spelling under which its attribute lives: the
// schema's own case, without the URN of the core schema, with the URN of the
// extension. ok is false, and the result is p, when nothing in t has that name.
func (t *ResourceType) Canonical(p Path) (c Path, ok bool) {
	c, _, _, _, ok = t.resolve(p)
	return c, ok
}

func (t *ResourceType) resolve(p Path) (c Path, attr, sub *Attribute, ext *Extension, ok bool) {
	if p.URN != "" {
		return t.resolveQualified(p)
	}
	if attr = t.core(p.Attr); attr == nil {
		for i := range t.Extensions {
			if attr = t.Extensions[i].Schema.Attribute(p.Attr); attr != nil {
				ext = &t.Extensions[i]
				break
			}
		}
	}
	return canonicalPath(p, attr, ext)
}

// resolveQualified resolves a path with a URN. Where the parser could not know
// whether the last segment belongs to the URN, the schemas decide.
func (t *ResourceType) resolveQualified(p Path) (c Path, attr, sub *Attribute, ext *Extension, ok bool) {
	if sameName(p.URN, t.Schema.ID) {
		if p.Attr == "" {
			return Path{URN: t.Schema.ID}, nil, nil, nil, true
		}
		return canonicalPath(p, t.core(p.Attr), nil)
	}
	if ext = t.Extension(p.URN); ext != nil {
		if p.Attr == "" {
			return Path{URN: ext.Schema.ID}, nil, nil, ext, true
		}
		attr = ext.Schema.Attribute(p.Attr)
		if attr == nil && ext.Open {
			attr = &Attribute{Name: p.Attr}
		}
		return canonicalPath(p, attr, ext)
	}
	if p.Attr != "" && p.Filter == nil && p.Sub == "" {
		if whole := p.URN + ":" + p.Attr; t.knows(whole) {
			return t.resolveQualified(Path{URN: whole})
		}
	}
	if cut := strings.LastIndexByte(p.URN, ':'); cut > 0 && t.knows(p.URN[:cut]) && p.Sub == "" {
		return t.resolveQualified(Path{URN: p.URN[:cut], Attr: p.URN[cut+1:], Filter: p.Filter, Sub: p.Attr})
	}
	if ext = t.unlisted(p.URN); ext != nil {
		if p.Attr == "" {
			return Path{URN: p.URN}, nil, nil, ext, true
		}
		return canonicalPath(p, &Attribute{Name: p.Attr}, ext)
	}
	return p, nil, nil, nil, false
}

func (t *ResourceType) knows(urn string) bool {
	return sameName(urn, t.Schema.ID) || t.Extension(urn) != nil
}

func canonicalPath(p Path, attr *Attribute, ext *Extension) (c Path, a, sub *Attribute, e *Extension, ok bool) {
	if attr == nil {
		return p, nil, nil, nil, false
	}
	c = Path{Attr: attr.Name, Filter: p.Filter}
	if ext != nil {
		c.URN = ext.Schema.ID
	}
	if p.Sub != "" {
		if sub = attr.Sub(p.Sub); sub == nil {
			if attr.Type != "" {
				return p, nil, nil, nil, false
			}
			sub = &Attribute{Name: p.Sub}
		}
		c.Sub = sub.Name
	}
	return c, attr, sub, ext, true
}

// unknownAttribute says that nothing in t is named as p, and what may have
// been meant.
func (t *ResourceType) unknownAttribute(fault ErrorType, p Path) *Error {
	name := Path{URN: p.URN, Attr: p.Attr, Sub: p.Sub}.String()
	if p.URN != "" && !t.knows(p.URN) {
		return Errorf(fault, "%s has no schema %q; its schemas are %s", t.Name, p.URN, strings.Join(t.schemaURNs(), ", ")).On(name)
	}
	lists := [][]*Attribute{t.Schema.Attributes, commonAttributes}
	for i := range t.Extensions {
		lists = append(lists, t.Extensions[i].Schema.Attributes)
	}
	if attr, _, _, ok := t.Resolve(Path{URN: p.URN, Attr: p.Attr}); ok && p.Sub != "" {
		if len(attr.SubAttributes) == 0 {
			return Errorf(fault, "%q has no sub-attributes", attr.Name).On(name)
		}
		return Errorf(fault, "%q has no sub-attribute %q%s; it has %s", attr.Name, p.Sub,
			didYouMean(p.Sub, attr.SubAttributes), names(attr.SubAttributes)).On(name)
	}
	return Errorf(fault, "%s has no attribute %q%s", t.Name, name, didYouMean(p.Attr, lists...)).On(name)
}

func (t *ResourceType) schemaURNs() []string {
	urns := []string{t.Schema.ID}
	for i := range t.Extensions {
		urns = append(urns, t.Extensions[i].Schema.ID)
	}
	return urns
}

func names(list []*Attribute) string {
	var b strings.Builder
	for i, a := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.Name)
	}
	return b.String()
}

// didYouMean suggests the attribute whose name is at most two edits away.
func didYouMean(name string, lists ...[]*Attribute) string {
	best, distance := "", 3
	for _, list := range lists {
		for _, a := range list {
			if d := edits(strings.ToLower(name), strings.ToLower(a.Name)); d < distance {
				best, distance = a.Name, d
			}
		}
	}
	if best == "" || distance >= len(name) {
		return ""
	}
	return " (did you mean \"" + best + "\"?)"
}

// edits is the Levenshtein distance of two short words; longer ones are as far
// apart as can be.
func edits(a, b string) int {
	const longest = 40
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var row [longest + 1]int
	for j := range len(b) + 1 {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

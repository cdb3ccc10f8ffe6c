package provision

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A ChangeKind says what became of a part of a schema.
type ChangeKind string

// The kinds of changes.
const (
	ChangeAdded   ChangeKind = "added"
	ChangeRemoved ChangeKind = "removed"
	ChangeChanged ChangeKind = "changed"
)

// A SchemaDifference is one difference between two schemas.
type SchemaDifference struct {
	Kind ChangeKind `json:"kind"`
	// Mapping is the source object type whose mapping differs, "" for what is
	// outside of object mappings.
	Mapping string `json:"mapping,omitempty"`
	// Subject is what differs: a target attribute, "scoping filter", "enabled", …
	Subject string `json:"subject"`
	// Property is what differs of an attribute mapping: source, default value, …
	Property string `json:"property,omitempty"`
	// Old and New are the two states in words, "" where there is none.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// String returns the difference in one line.
func (d SchemaDifference) String() string {
	subject := d.Subject
	if d.Mapping != "" {
		subject = d.Mapping + ": " + subject
	}
	if d.Property != "" {
		subject += ", " + d.Property
	}
	switch d.Kind {
	case ChangeAdded:
		return fmt.Sprintf("%s: added: %s", subject, d.New)
	case ChangeRemoved:
		return fmt.Sprintf("%s: removed (was %s)", subject, d.Old)
	}
	return fmt.Sprintf("%s: %s, was %s", subject, orNone(d.New), orNone(d.Old))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// DiffSchemas lists what makes b another configuration than a: object mappings,
// attribute mappings, scoping filters and the attributes the target is said to
// have. IDs, versions, names and the order of mappings make no difference.
func DiffSchemas(a, b *Schema) []SchemaDifference {
	d := &schemaDiff{}
	for _, t := range objectTypes(a, b) {
		d.mapping = string(t)
		d.objectMappings(a.Mapping(t), b.Mapping(t))
	}
	d.mapping = ""
	d.attributeLists(a, b)
	return d.found
}

// objectTypes returns the source types that either schema maps, users first.
func objectTypes(schemas ...*Schema) []ObjectType {
	types := []ObjectType{User, Group}
	for _, s := range schemas {
		for _, r := range s.Rules {
			for _, m := range r.ObjectMappings {
				if t := sourceType(m.SourceObjectName); !slices.Contains(types, t) {
					types = append(types, t)
				}
			}
		}
	}
	return types
}

type schemaDiff struct {
	mapping string
	found   []SchemaDifference
}

func (d *schemaDiff) add(kind ChangeKind, subject, property, old, new string) {
	d.found = append(d.found, SchemaDifference{kind, d.mapping, subject, property, old, new})
}

func (d *schemaDiff) compare(subject, property, old, new string) {
	if old != new {
		d.add(ChangeChanged, subject, property, old, new)
	}
}

func (d *schemaDiff) objectMappings(a, b *ObjectMapping) {
	switch {
	case a == nil && b == nil:
		return
	case a == nil:
		d.add(ChangeAdded, "object mapping", "", "", strconv.Quote(b.Name))
		return
	case b == nil:
		d.add(ChangeRemoved, "object mapping", "", strconv.Quote(a.Name), "")
		return
	}
	d.compare("enabled", "", yesNo(a.Enabled), yesNo(b.Enabled))
	d.compare("actions", "", a.FlowTypes.String(), b.FlowTypes.String())
	d.compare("target object", "", a.TargetObjectName, b.TargetObjectName)
	d.compare("scoping filter", "", a.Scope.String(), b.Scope.String())
	old, current := a.byTarget(), b.byTarget()
	for _, x := range a.AttributeMappings {
		if current[pathKey(x.TargetAttributeName)] == nil {
			d.add(ChangeRemoved, x.TargetAttributeName, "", x.String(), "")
		}
	}
	for _, y := range b.AttributeMappings {
		x := old[pathKey(y.TargetAttributeName)]
		if x == nil {
			d.add(ChangeAdded, y.TargetAttributeName, "", "", y.String())
			continue
		}
		d.attributeMappings(x, y)
	}
}

func (m *ObjectMapping) byTarget() map[string]*AttributeMapping {
	index := make(map[string]*AttributeMapping, len(m.AttributeMappings))
	for _, a := range m.AttributeMappings {
		index[pathKey(a.TargetAttributeName)] = a
	}
	return index
}

func (d *schemaDiff) attributeMappings(a, b *AttributeMapping) {
	name := b.TargetAttributeName
	d.compare(name, "source", a.Source.describe(), b.Source.describe())
	d.compare(name, "default value", quoteUnlessEmpty(a.DefaultValue), quoteUnlessEmpty(b.DefaultValue))
	d.compare(name, "matching precedence", precedence(a), precedence(b))
	d.compare(name, "applied", a.applied(), b.applied())
	d.compare(name, "flow behaviour", orDefault(a.FlowBehavior, FlowWhenChanged), orDefault(b.FlowBehavior, FlowWhenChanged))
	d.compare(name, "cleared when the source is empty", yesNo(a.FlowNullValues), yesNo(b.FlowNullValues))
}

// attributeLists compares the attributes that the target directories are said
// to have (the portal's "Edit attribute list").
func (d *schemaDiff) attributeLists(a, b *Schema) {
	x, y := targetAttributes(a), targetAttributes(b)
	index := func(list []listedAttribute) map[string]*AttributeDefinition {
		m := make(map[string]*AttributeDefinition, len(list))
		for _, l := range list {
			m[l.key] = l.definition
		}
		return m
	}
	old, current := index(x), index(y)
	for _, l := range x {
		if current[l.key] == nil {
			d.add(ChangeRemoved, "attribute list", l.definition.Name, string(l.definition.Type), "")
		}
	}
	for _, l := range y {
		was := old[l.key]
		if was == nil {
			d.add(ChangeAdded, "attribute list", l.definition.Name, "", string(l.definition.Type))
			continue
		}
		d.compare("attribute list", l.definition.Name, string(was.Type), string(l.definition.Type))
	}
}

type listedAttribute struct {
	key        string
	definition *AttributeDefinition
}

// targetAttributes lists the attributes of the mapped target objects. The same
// name may be in two objects.
func targetAttributes(s *Schema) []listedAttribute {
	var list []listedAttribute
	for _, t := range objectTypes(s) {
		rule, m := s.ruleAndMapping(t)
		if m == nil {
			continue
		}
		if o := s.Directory(rule.TargetDirectoryName).Object(m.TargetObjectName); o != nil {
			for _, a := range o.Attributes {
				list = append(list, listedAttribute{string(t) + " " + pathKey(a.Name), a})
			}
		}
	}
	return list
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

func quoteUnlessEmpty(s string) string {
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}

func precedence(a *AttributeMapping) string {
	if a.MatchingPriority <= 0 {
		return ""
	}
	return strconv.Itoa(a.MatchingPriority)
}

func (a *AttributeMapping) applied() string {
	switch a.FlowType {
	case "", FlowTypeAlways:
		return "always"
	case FlowTypeObjectAddOnly:
		return "only during creation"
	}
	return a.FlowType
}

// String returns the mapping in words: [mail], matching 1, default "x".
func (a *AttributeMapping) String() string {
	parts := []string{a.Source.describe()}
	if a.MatchingPriority > 0 {
		parts = append(parts, "matching "+strconv.Itoa(a.MatchingPriority))
	}
	if a.DefaultValue != "" {
		parts = append(parts, "default "+strconv.Quote(a.DefaultValue))
	}
	if how := a.applied(); how != "always" {
		parts = append(parts, how)
	}
	if a.FlowNullValues {
		parts = append(parts, "cleared when the source is empty")
	}
	return strings.Join(parts, ", ")
}

func (s *AttributeMappingSource) describe() string {
	if s == nil {
		return "no source"
	}
	switch {
	case s.Type == SourceConstant:
		return "constant " + strconv.Quote(s.Name)
	case s.Type != SourceFunction && s.Name != "":
		return "[" + s.Name + "]"
	}
	text, err := s.Text()
	if err != nil {
		return s.Name + "(…)"
	}
	return canonicalExpression(text)
}

// String returns the filter in words, "" for none.
func (f *Filter) String() string {
	if f == nil {
		return ""
	}
	var parts []string
	for _, list := range []struct {
		prefix string
		groups []*FilterGroup
	}{{"", f.Groups}, {"input filter ", f.InputFilterGroups}, {"category filter ", f.CategoryFilterGroups}} {
		for _, g := range list.groups {
			parts = append(parts, list.prefix+g.String())
		}
	}
	return strings.Join(parts, " or ")
}

// String returns the group in words: Staff (department EQUALS "Sales").
func (g *FilterGroup) String() string {
	var clauses []string
	for _, c := range g.Clauses {
		clauses = append(clauses, c.String())
	}
	s := "(" + strings.Join(clauses, " and ") + ")"
	if g.Name != "" {
		s = g.Name + " " + s
	}
	return s
}

// String returns the clause in words: department EQUALS "Sales".
func (c *FilterClause) String() string {
	var s strings.Builder
	s.WriteString(c.SourceOperandName + " " + c.OperatorName)
	if c.TargetOperand != nil {
		for _, v := range c.TargetOperand.Values {
			s.WriteString(" " + strconv.Quote(v))
		}
	}
	return s.String()
}

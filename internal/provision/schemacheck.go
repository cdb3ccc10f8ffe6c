package provision

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"lockstep/internal/expression"
	"lockstep/internal/scim"
)

// An IssueSeverity ranks what [Schema.Check] finds.
type IssueSeverity string

// The severities. An error keeps people from being provisioned, or from being
// provisioned rightly; a warning will do so for some; info is worth knowing.
const (
	IssueError   IssueSeverity = "error"
	IssueWarning IssueSeverity = "warning"
	IssueInfo    IssueSeverity = "info"
)

// A MappingIssue is one thing that is or may be wrong with a schema.
type MappingIssue struct {
	// Code is stable: "target-unknown", "matching-missing".
	Code     string        `json:"code"`
	Severity IssueSeverity `json:"severity"`
	// Mapping is the source object type of the object mapping.
	Mapping string `json:"mapping,omitempty"`
	// Target is the target attribute, "" when the mapping as a whole is meant.
	Target  string `json:"target,omitempty"`
	Message string `json:"message"`
	// Fix says what to do.
	Fix string `json:"fix,omitempty"`
}

// String returns the issue in one line.
func (i MappingIssue) String() string {
	s := string(i.Severity) + ": "
	if i.Mapping != "" {
		s += i.Mapping + ": "
	}
	if i.Target != "" {
		s += i.Target + ": "
	}
	s += i.Message
	if i.Fix != "" {
		s += ". " + i.Fix
	}
	return s
}

// Check looks for what is wrong with the schema's enabled mappings, most severe
// first. targets are the resource types of the target, found by name: "User" for
// users, "Group" for groups; a mapping without one is checked only in part.
func (s *Schema) Check(targets ...*scim.ResourceType) []MappingIssue {
	var issues []MappingIssue
	if m := s.Mapping(User); m == nil || !m.Enabled {
		issues = append(issues, MappingIssue{
			Code: "users-disabled", Severity: IssueError, Mapping: string(User),
			Message: "the mapping of users is missing or switched off, so nobody is provisioned", Fix: "Switch it on, or reset the schema to the template",
		})
	}
	for _, t := range objectTypes(s) {
		rule, m := s.ruleAndMapping(t)
		if m == nil || !m.Enabled {
			continue
		}
		c := &mappingCheck{
			def: m, kind: t,
			source: s.Directory(rule.SourceDirectoryName).Object(m.SourceObjectName),
			listed: s.Directory(rule.TargetDirectoryName).Object(m.TargetObjectName),
		}
		for _, rt := range targets {
			if rt.Name == string(t) {
				c.target = rt
			}
		}
		c.run()
		issues = append(issues, c.issues...)
	}
	rank := map[IssueSeverity]int{IssueError: 0, IssueWarning: 1, IssueInfo: 2}
	slices.SortStableFunc(issues, func(a, b MappingIssue) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
	return issues
}

// A mappingCheck checks one object mapping.
type mappingCheck struct {
	def    *ObjectMapping
	kind   ObjectType
	target *scim.ResourceType // nil when unknown
	// source and listed are the schema's own descriptions of the source object and
	// the target object; nil when it has none.
	source, listed *ObjectDefinition
	listedKeys     map[string]bool
	flows          []*AttributeFlow
	issues         []MappingIssue
}

func (c *mappingCheck) add(severity IssueSeverity, code, target, fix, format string, args ...any) {
	c.issues = append(c.issues, MappingIssue{code, severity, string(c.kind), target, fmt.Sprintf(format, args...), fix})
}

func (c *mappingCheck) run() {
	rt := c.target
	if rt == nil {
		// Enough to read paths and expressions by; nothing is known of types.
		rt = &scim.ResourceType{Name: string(c.kind), Schema: &scim.Schema{ID: c.def.TargetObjectName}}
	}
	for _, a := range c.def.AttributeMappings {
		f, err := compileFlow(a, rt)
		if err != nil {
			c.invalid(a, err)
			continue
		}
		c.flows = append(c.flows, f)
		c.checkTarget(f)
		c.checkSource(f)
		c.checkTree(a, f)
	}
	c.checkTwice()
	c.checkMatching()
	c.checkRequired()
	c.checkActions()
	c.checkScope()
	if c.kind == User {
		c.checkActive()
		c.checkEmails()
		c.checkFreshservice()
	}
}

func (c *mappingCheck) invalid(a *AttributeMapping, err error) {
	code, fix := "invalid", ""
	if e, ok := errors.AsType[*expression.Error](err); ok {
		code, fix = "expression-invalid", e.Hint
		c.add(IssueError, code, a.TargetAttributeName, fix, "%s\n%s", e.Message, e.Caret())
		return
	}
	c.add(IssueError, code, a.TargetAttributeName, fix, "%v", err)
}

func (c *mappingCheck) checkTarget(f *AttributeFlow) {
	if strings.Contains(strings.ToLower(f.Path.Attr), "password") {
		c.add(IssueWarning, "password", f.Target, "Let people sign in through single sign-on", "passwords cannot be read from the source, so there is nothing to provision")
		return
	}
	if c.target == nil || f.path.known {
		return
	}
	if c.listedTarget(f.Target) {
		c.add(IssueWarning, "target-unlisted", f.Target, "Make sure that the target takes it",
			"the attribute is in the schema's attribute list, but not in the target's own schema")
		return
	}
	severity := IssueError
	if f.path.extension != "" {
		severity = IssueWarning
	}
	c.add(severity, "target-unknown", f.Target, c.suggestTarget(f), "the target has no such attribute")
}

func (c *mappingCheck) listedTarget(path string) bool {
	if c.listed == nil {
		return false
	}
	if c.listedKeys == nil {
		c.listedKeys = make(map[string]bool, len(c.listed.Attributes))
		for _, a := range c.listed.Attributes {
			c.listedKeys[pathKey(a.Name)] = true
		}
	}
	return c.listedKeys[pathKey(path)]
}

// suggestTarget looks for the attribute in the other schemas, and for a name
// that is nearly the same.
func (c *mappingCheck) suggestTarget(f *AttributeFlow) string {
	for _, x := range c.target.Extensions {
		if a := x.Schema.Attribute(f.Path.Attr); a != nil {
			return "Did you mean " + x.Schema.ID + ":" + a.Name + "?"
		}
	}
	var names []string
	list := c.target.Schema.Attributes
	if f.path.extension != "" {
		if x := c.target.Extension(f.path.extension); x != nil {
			list = x.Schema.Attributes
		}
	}
	for _, a := range list {
		names = append(names, a.Name)
	}
	if name := Nearest(f.Path.Attr, names); name != "" {
		return "Did you mean " + name + "?"
	}
	return "Remove the mapping, or add the attribute to the target's schema"
}

func (c *mappingCheck) checkSource(f *AttributeFlow) {
	if c.source == nil || len(c.source.Attributes) == 0 {
		return
	}
	for _, name := range f.references() {
		d := c.source.Attribute(name)
		if d == nil {
			c.unknownSource(f.Target, name)
			continue
		}
		if f.Kind == KindDirect {
			c.checkTypes(f, d)
		}
	}
	if f.Kind == KindExpression {
		c.checkConstants(f)
		for _, w := range f.Program.Warnings() {
			c.add(IssueWarning, "expression-doubtful", f.Target, "", "%s", w.Message)
		}
	}
}

func (c *mappingCheck) unknownSource(target, name string) {
	if strings.EqualFold(name, "IsSoftDeleted") || name == "id" {
		return
	}
	var names []string
	for _, a := range c.source.Attributes {
		if strings.EqualFold(a.Name, name) {
			c.add(IssueError, "source-unknown", target, "Write ["+a.Name+"]: attribute names mind case", "the source has no attribute %s", name)
			return
		}
		names = append(names, a.Name)
	}
	fix := "Check the name, or add it to the source's attributes if it is an extension"
	if near := Nearest(name, names); near != "" {
		fix = "Did you mean [" + near + "]?"
	}
	c.add(IssueWarning, "source-unknown", target, fix, "the schema lists no source attribute %s, so its value may always be empty", name)
}

func (c *mappingCheck) checkTypes(f *AttributeFlow, d *AttributeDefinition) {
	switch {
	case d.Multivalued && !f.path.list:
		c.add(IssueWarning, "several-values", f.Target, fmt.Sprintf("Use Item([%s], 1) or Join(\", \", [%s])", d.Name, d.Name),
			"%s may have several values, and the target attribute takes one; people with several will fail", d.Name)
	case f.Type == scim.TypeBoolean && d.Type != DataBoolean:
		c.add(IssueWarning, "type-mismatch", f.Target, "Translate the values with Switch", "the target attribute is a Boolean and %s is of type %s", d.Name, d.Type)
	case (f.Type == scim.TypeInteger || f.Type == scim.TypeDecimal) && d.Type != DataInteger:
		c.add(IssueWarning, "type-mismatch", f.Target, "", "the target attribute is a number and %s is of type %s", d.Name, d.Type)
	case d.Type == DataReference && !f.Reference:
		c.add(IssueWarning, "reference", f.Target, "Map it to a reference such as "+scim.URNEnterprise+":manager",
			"%s refers to another object, and the target attribute is no reference: it would receive the object's ID", d.Name)
	case f.Reference && d.Type != DataReference:
		c.add(IssueWarning, "reference", f.Target, "Map a reference such as [manager]", "the target attribute is a reference and %s is of type %s", d.Name, d.Type)
	}
}

// checkConstants checks the values that a Switch or IIF can choose from.
func (c *mappingCheck) checkConstants(f *AttributeFlow) {
	for n := range Outcomes(f.Program.Node()) {
		v, _ := n.Value()
		s := v.String()
		if _, err := f.convertText([]string{s}); err != nil {
			c.add(IssueError, "type-mismatch", f.Target, "", "the expression can give %q: %v", s, err)
		}
	}
}

// Outcomes yields the constant parts that a tree of Switch and IIF can end in.
// What an expression gives otherwise depends on the person.
func Outcomes(n *expression.Node) iter.Seq[*expression.Node] {
	return func(yield func(*expression.Node) bool) { outcomes(n, yield) }
}

func outcomes(n *expression.Node, yield func(*expression.Node) bool) bool {
	if v, ok := n.Value(); ok {
		return v.IsNull() || n.Kind == expression.NodeOmitted || yield(n)
	}
	if n.Kind != expression.NodeCall {
		return true
	}
	var ends []*expression.Node
	switch n.Name {
	case "IIF":
		ends = n.Args[1:]
	case "Switch":
		ends = append(ends, n.Args[1])
		for i := 3; i < len(n.Args); i += 2 {
			ends = append(ends, n.Args[i])
		}
	case "IgnoreFlowIfNullOrEmpty", "Redact":
		ends = n.Args[:1]
	}
	for _, end := range ends {
		if !outcomes(end, yield) {
			return false
		}
	}
	return true
}

// checkTree compares the two forms in which Graph keeps an expression.
func (c *mappingCheck) checkTree(a *AttributeMapping, f *AttributeFlow) {
	if f.Kind != KindExpression || len(a.Source.Parameters) == 0 || strings.TrimSpace(a.Source.Expression) == "" {
		return
	}
	text, err := expression.FromGraph(withoutText(a.Source.graph()))
	if err != nil || sameWithoutOmitted(text, f.Program.String()) {
		return
	}
	// A tree does not tell 1 from "1", so the text's own tree may say the same.
	if own, err := expression.FromGraph(withoutText(f.Program.Graph())); err == nil && own == text {
		return
	}
	c.add(IssueInfo, "tree-differs", f.Target, "Save the expression again", "the expression's text and its tree differ; the text is what runs. The tree says %s", text)
}

// withoutText leaves only the tree of g.
func withoutText(g expression.GraphSource) expression.GraphSource {
	if g.Type == SourceFunction {
		g.Expression = ""
	}
	g.Parameters = slices.Clone(g.Parameters)
	for i := range g.Parameters {
		g.Parameters[i].Value = withoutText(g.Parameters[i].Value)
	}
	return g
}

// sameWithoutOmitted compares expressions; trees cannot show arguments left out.
func sameWithoutOmitted(a, b string) bool {
	squeeze := func(s string) string {
		s = canonicalExpression(s)
		for strings.Contains(s, ", ,") {
			s = strings.ReplaceAll(s, ", ,", ",")
		}
		return strings.ReplaceAll(strings.ReplaceAll(s, ", )", ")"), " ", "")
	}
	return squeeze(a) == squeeze(b)
}

func canonicalExpression(s string) string {
	if p, err := expression.Compile(s); err == nil {
		return p.String()
	}
	return s
}

func (c *mappingCheck) checkTwice() {
	seen := map[string]string{}
	for _, f := range c.flows {
		p := f.path.canonical()
		key := strings.ToLower(p.String())
		if other, ok := seen[key]; ok {
			c.add(IssueError, "mapped-twice", f.Target, "Remove one of the two mappings", "the attribute is mapped twice (also as %s)", other)
			continue
		}
		seen[key] = f.Target
	}
}

func (c *mappingCheck) flow(attr, sub string) *AttributeFlow {
	for _, f := range c.flows {
		if f.path.extension == "" && strings.EqualFold(f.path.attr, attr) && strings.EqualFold(f.path.sub, sub) {
			return f
		}
	}
	return nil
}

// Nearest returns the name that s is probably a misspelling of, or "".
func Nearest(s string, names []string) string {
	// Whoever writes so long a name, or has so many, is beyond help.
	if len(s) > 200 || len(names) > 10_000 {
		return ""
	}
	best, at := "", max(1, len(s)/4)+1
	for _, n := range names {
		if len(n) > 200 {
			continue
		}
		if d := editDistance(strings.ToLower(s), strings.ToLower(n)); d < at {
			best, at = n, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := last[j]
			if a[i] != b[j] {
				cost++
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				cost = min(cost, before[j-1]+1)
			}
			row[j+1] = min(cost, row[j]+1, last[j+1]+1)
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

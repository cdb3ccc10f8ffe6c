package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lockstep/internal/expression"
	"lockstep/internal/scim"
)

// Checks of an object mapping as a whole.

// checkMatching makes sure that objects can be found in the target.
func (c *mappingCheck) checkMatching() {
	fix := "Match users by userName: give its mapping the matching precedence 1"
	if c.kind == Group {
		fix = "Match groups by displayName: give its mapping the matching precedence 1"
	}
	matching := false
	for _, f := range c.flows {
		if f.Priority == 0 {
			continue
		}
		matching = true
		switch {
		case f.Kind == KindConstant:
			c.add(IssueError, "matching-constant", f.Target, fix, "objects are matched by a constant, which is the same for all of them")
		case f.Kind == KindExpression && f.Program.Node().Name == "SelectUniqueValue":
			c.add(IssueError, "matching-unique-value", f.Target, fix, "SelectUniqueValue gives a value that no target object has, so nothing can ever match")
		case !c.filterable(f):
			c.add(IssueWarning, "matching-filter", f.Target, fix, "%s", c.unfilterable(f))
		}
	}
	if !matching {
		c.add(IssueError, "matching-missing", "", fix, "no attribute is used for matching, so nothing can be found or created")
	}
}

// filterable reports whether targets can usually be asked for the attribute.
// Freshservice lists only userName as supported for filtering (Microsoft's
// Freshservice tutorial); others answer for what tells objects apart.
func (c *mappingCheck) filterable(f *AttributeFlow) bool {
	attr := strings.ToLower(f.path.attr)
	if f.path.extension != "" {
		return false
	}
	if c.kind == Group {
		return attr == "displayname" || attr == "externalid"
	}
	if c.isFreshservice() {
		return attr == "username"
	}
	return attr == "username" || attr == "externalid" || attr == "emails"
}

func (c *mappingCheck) unfilterable(f *AttributeFlow) string {
	if c.isFreshservice() && c.kind == User {
		return "Freshservice documents userName as the only attribute it can be asked for; a search by " + f.Target + " may be refused"
	}
	return "many targets cannot be searched by " + f.Target + ", and its values need not be unique"
}

func (c *mappingCheck) isFreshservice() bool {
	return c.target != nil && c.target.Extension(scim.URNFreshservice) != nil
}

// checkRequired looks for required attributes without mapping.
func (c *mappingCheck) checkRequired() {
	if c.target == nil {
		return
	}
	for _, a := range c.target.Schema.Attributes {
		if !a.Required || a.Mutability == scim.ReadOnly {
			continue
		}
		mapped := slices.ContainsFunc(c.flows, func(f *AttributeFlow) bool {
			return f.path.extension == "" && strings.EqualFold(f.path.attr, a.Name)
		})
		if !mapped {
			c.add(IssueError, "required-unmapped", a.Name, "Add a mapping to it", "the target requires the attribute, and no mapping gives it a value")
		}
	}
}

func (c *mappingCheck) checkActions() {
	switch {
	case c.def.FlowTypes == 0:
		c.add(IssueError, "actions-off", "", "Switch on Create, Update and Delete", "all target object actions are switched off, so nothing is ever written")
		return
	case c.def.FlowTypes&FlowUpdate == 0:
		c.add(IssueWarning, "update-off", "", "Switch on the Update action", "updating is switched off, so leavers are not disabled either")
	case c.def.FlowTypes&FlowAdd == 0:
		c.add(IssueInfo, "create-off", "", "", "creating is switched off; only objects that exist in the target are provisioned")
	}
	if c.kind == Group && c.flow("members", "") == nil {
		c.add(IssueInfo, "members-unmapped", "members", "Map [members] to members", "memberships are not provisioned")
	}
}

func (c *mappingCheck) checkScope() {
	f := c.def.Scope
	if f == nil {
		return
	}
	if _, err := CompileScope(f); err != nil {
		c.add(IssueError, "scope-invalid", "", "", "%v", err)
	}
	for _, groups := range [][]*FilterGroup{f.Groups, f.InputFilterGroups, f.CategoryFilterGroups} {
		for _, g := range groups {
			if len(g.Clauses) == 0 {
				c.add(IssueWarning, "scope-empty", "", "Remove the filter or give it a clause", "the scoping filter %q has no clause, so everybody passes it", g.Name)
			}
			for _, clause := range g.Clauses {
				c.checkClause(clause)
			}
		}
	}
}

func (c *mappingCheck) checkClause(clause *FilterClause) {
	if c.source == nil || len(c.source.Attributes) == 0 {
		return
	}
	d := c.source.Attribute(clause.SourceOperandName)
	op := operatorNamed(clause.OperatorName)
	switch {
	case d == nil:
		c.unknownSource("scoping filter", clause.SourceOperandName)
	case d.Multivalued || d.Type == DataReference:
		c.add(IssueWarning, "scope-unsupported", "", "Entra cannot do this either; assign a group instead",
			"the scoping filter looks at %s, which has several values or refers to other objects", d.Name)
	case op != nil && d.Type == DataBoolean && op.unary == nil:
		c.add(IssueWarning, "scope-boolean", "", "Use IS TRUE or IS FALSE", "the scoping filter compares the Boolean %s as text", d.Name)
	case op != nil && op.boolean && d.Type != DataBoolean:
		c.add(IssueWarning, "scope-boolean", "", "Use EQUALS", "the scoping filter tests %s for a Boolean, and it is of type %s", d.Name, d.Type)
	case op != nil && op.number != nil && d.Type != DataInteger:
		c.add(IssueInfo, "scope-number", "", "", "the scoping filter compares %s as a whole number, and it is of type %s", d.Name, d.Type)
	}
}

// checkActive makes sure that leavers lose their access, by trying it.
func (c *mappingCheck) checkActive() {
	const fix = `Map active to Switch([IsSoftDeleted], , "False", "True", "True", "False")`
	f := c.flow("active", "")
	if f == nil {
		if slices.ContainsFunc(c.flows, func(f *AttributeFlow) bool { return slices.Contains(f.references(), "IsSoftDeleted") }) {
			return
		}
		c.add(IssueWarning, "active-unmapped", "active", fix, "active is not mapped: who leaves the scope is deleted at once where the Delete action allows it, and otherwise keeps their access")
		return
	}
	if f.Type != scim.TypeBoolean && c.target != nil {
		return
	}
	states := map[bool]string{}
	for _, gone := range []bool{false, true} {
		v := Evaluated{Flow: f}
		env := &expression.Env{Source: expression.Map{
			"IsSoftDeleted": expression.Bool(gone), "isSoftDeleted": expression.Bool(gone), "accountEnabled": expression.Bool(!gone),
		}}
		if f.evaluate(context.Background(), env, &v); v.Err != nil {
			return
		}
		if b, ok := asBool(v.Value); ok {
			states[gone] = fmt.Sprint(b)
		}
	}
	switch {
	case states[false] == "false" && states[true] == "true":
		c.add(IssueError, "active-inverted", f.Target, fix, "the mapping is the wrong way round: staff become inactive and leavers active")
	case states[true] == "true":
		c.add(IssueError, "active-constant", f.Target, fix, "people stay active when they are disabled or leave the scope")
	case states[false] == "false":
		c.add(IssueError, "active-constant", f.Target, fix, "everybody becomes inactive")
	case f.OnlyOnCreate:
		c.add(IssueError, "active-on-create", f.Target, "Apply the mapping always", "active flows only during creation, so leavers are never disabled")
	case !slices.Contains(f.references(), "IsSoftDeleted") && !slices.Contains(f.references(), "isSoftDeleted"):
		c.add(IssueWarning, "active-scope", f.Target, fix, "active does not follow IsSoftDeleted, so people who leave the scope but stay enabled are not disabled")
	}
}

// checkEmails looks at the addresses and at userName beside them.
func (c *mappingCheck) checkEmails() {
	var primary *AttributeFlow
	var others []*AttributeFlow
	for _, f := range c.flows {
		if f.path.extension != "" || !strings.EqualFold(f.path.attr, "emails") || f.path.sub != "value" {
			continue
		}
		if isPrimaryEmail(f) {
			primary = f
		} else {
			others = append(others, f)
		}
	}
	if primary == nil {
		return
	}
	for _, f := range others {
		if f.Kind == KindDirect || f.Kind == KindExpression && !comparesOrTests(f.Program.Node()) {
			source, first := f.describeSource(), primary.describeSource()
			c.add(IssueWarning, "email-repeated", f.Target,
				fmt.Sprintf(`Leave the address out when it is the same: IgnoreFlowIfNullOrEmpty(IIF(%s=%s, "", %s))`, source, first, source),
				"the secondary address can be the same as the primary one, which targets refuse")
		}
	}
	name := c.flow("userName", "")
	if name != nil && name.describeSource() != primary.describeSource() {
		c.add(IssueInfo, "email-and-name", name.Target, `Map the same source to both if the target tells people apart by e-mail, such as Coalesce([mail], [userPrincipalName])`,
			"userName comes from %s and the work address from %s; people in whom they differ may be found twice or get the wrong address",
			name.describeSource(), primary.describeSource())
	}
}

func isPrimaryEmail(f *AttributeFlow) bool {
	return slices.ContainsFunc(f.path.element, func(k elementKey) bool {
		return strings.EqualFold(k.name, "type") && k.value == "work" || strings.EqualFold(k.name, "primary") && k.value == true
	})
}

// comparesOrTests reports whether the expression distinguishes cases.
func comparesOrTests(n *expression.Node) bool {
	found := false
	n.Walk(func(n *expression.Node) bool {
		found = found || n.Kind == expression.NodeComparison || n.Name == "Switch"
		return !found
	})
	return found
}

func (f *AttributeFlow) describeSource() string {
	switch f.Kind {
	case KindDirect:
		return "[" + f.Source + "]"
	case KindConstant:
		return `"` + f.Constant + `"`
	case KindExpression:
		return f.Program.String()
	}
	return "no source"
}

// checkFreshservice knows what Freshservice is particular about.
func (c *mappingCheck) checkFreshservice() {
	if !c.isFreshservice() {
		return
	}
	for _, f := range c.flows {
		if f.path.extension != "" || f.Kind != KindDirect {
			continue
		}
		switch strings.ToLower(f.path.attr) {
		case "timezone":
			c.add(IssueInfo, "timezone-untranslated", f.Target, `Translate other endpoints' values, e.g. Switch([timeZone], "UTC", "Europe/Berlin", "Berlin")`,
				"Freshservice takes only its own time zone names, such as Berlin. Accounts of lockstep translate IANA and Windows names; other endpoints refuse them")
		case "locale":
			c.add(IssueInfo, "locale-untranslated", f.Target, `Shorten the value for other endpoints, e.g. Left([preferredLanguage], 2)`,
				"Freshservice takes only its own language codes, such as en or de. Accounts of lockstep translate en-US and the like; other endpoints refuse them")
		}
	}
}

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
)

// mappingEdit is what the flags of set ask for. Flags that were not given
// change nothing.
type mappingEdit struct {
	object                          string
	attribute, constant, expression string
	none, createOnly, clear         bool
	byDefault                       string
	match                           int
	enabled                         bool
	actions                         []string
	flags                           *pflag.FlagSet
}

func (e *env) mappingSet() *cobra.Command {
	m := &mappingEdit{}
	c := &cobra.Command{
		Use:   "set APP [TARGET]",
		Short: "Map a source to a target attribute, or change how it is mapped",
		Long: `Sets the mapping to a target attribute: its source, one of --attribute,
--constant, --expression and --none, and how it flows. What is not named stays
as it is. Without TARGET it switches the mapping of all users or groups on and
off and chooses its actions.

The next cycle looks at everybody anew.`,
		Example: `  lockstep mapping set freshservice title --attribute jobTitle
  lockstep mapping set freshservice 'emails[type eq "work"].value' --expression 'Coalesce([mail], [userPrincipalName])'
  lockstep mapping set freshservice locale --default en --create-only
  lockstep mapping set freshservice userName --match 1
  lockstep mapping set freshservice --object Group --enabled`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return usage("\"lockstep mapping set\" takes APP and TARGET, not %d arguments", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			m.flags = c.Flags()
			target := ""
			if len(args) == 2 {
				target = args[1]
			}
			if err := m.check(target); err != nil {
				return err
			}
			s, err := e.editSchema(c.Context(), args[0], func(s *provision.Schema) error { return m.apply(s, target) })
			if err != nil {
				return err
			}
			return e.printSet(s.Schema, m.object, target, s.Template == "freshservice")
		},
	}
	objectFlag(c, &m.object)
	f := c.Flags()
	f.StringVar(&m.attribute, "attribute", "", "source attribute, such as jobTitle")
	f.StringVar(&m.constant, "constant", "", "text that everybody gets")
	f.StringVar(&m.expression, "expression", "", "expression, such as 'Join(\" \", [givenName], [surname])'")
	f.BoolVar(&m.none, "none", false, "no source: the target keeps its value, and gets the default while it has none")
	f.StringVar(&m.byDefault, "default", "", "value on creation when the source is empty; an empty one removes it")
	f.IntVar(&m.match, "match", 0, "matching precedence, 1 is tried first; 0: objects are not matched by the attribute")
	f.BoolVar(&m.createOnly, "create-only", false, "apply the mapping only while the object is created")
	f.BoolVar(&m.clear, "clear", false, "clear the target when the source is empty")
	f.BoolVar(&m.enabled, "enabled", true, "switch the mapping of the object type on, or with --enabled=false off")
	f.StringSliceVar(&m.actions, "actions", nil, "what may be done to target objects: create, update, delete")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

var (
	sourceFlags = []string{"attribute", "constant", "expression", "none"}
	flowFlags   = []string{"default", "match", "create-only", "clear"}
	objectFlags = []string{"enabled", "actions"}
)

func (m *mappingEdit) given(flags []string) (given []string) {
	for _, name := range flags {
		if m.flags.Changed(name) {
			given = append(given, "--"+name)
		}
	}
	return given
}

func (m *mappingEdit) check(target string) error {
	sources, flow, whole := m.given(sourceFlags), m.given(flowFlags), m.given(objectFlags)
	switch {
	case target == "" && len(sources)+len(flow) > 0:
		return usage("%s concerns one target attribute, which is missing", strings.Join(append(sources, flow...), " and "))
	case target == "" && len(whole) == 0:
		return usage("the target attribute is missing, such as title; or say --enabled or --actions for the mapping as a whole")
	case target != "" && len(whole) > 0:
		return usage("%s concerns the mapping as a whole; leave the target attribute out", strings.Join(whole, " and "))
	case target != "" && len(sources)+len(flow) == 0:
		return usage("nothing to set was named, such as --attribute jobTitle")
	case len(sources) > 1:
		return usage("%s cannot go together: a target attribute has one source", strings.Join(sources, " and "))
	case m.flags.Changed("attribute") && m.attribute == "":
		return usage("--attribute takes the name of a source attribute, such as jobTitle")
	case m.match < 0:
		return usage("--match takes 0 or a precedence from 1, not %d", m.match)
	case m.flags.Changed("create-only") && m.flags.Changed("clear") && m.createOnly && m.clear:
		return usage("--create-only and --clear cannot go together: what flows only on creation is never cleared")
	}
	return nil
}

func (m *mappingEdit) apply(s *provision.Schema, target string) error {
	om, err := objectMapping(s, m.object)
	if err != nil {
		return err
	}
	if target == "" {
		return m.applyToObject(om)
	}
	a := om.Attribute(target)
	if a == nil {
		if len(m.given(sourceFlags)) == 0 {
			return fmt.Errorf("%w\nA new mapping needs a source: --attribute, --constant, --expression or --none.", noSuchMapping(om, target))
		}
		a = &provision.AttributeMapping{TargetAttributeName: target, FlowType: provision.FlowTypeAlways, FlowBehavior: provision.FlowWhenChanged}
		om.AttributeMappings = append(om.AttributeMappings, a)
	}
	if err := m.setSource(a); err != nil {
		return err
	}
	if m.flags.Changed("default") {
		a.DefaultValue = m.byDefault
	}
	if m.flags.Changed("match") {
		a.MatchingPriority = m.match
	}
	if m.flags.Changed("create-only") {
		a.FlowType = provision.FlowTypeAlways
		if m.createOnly {
			a.FlowType = provision.FlowTypeObjectAddOnly
		}
	}
	if m.flags.Changed("clear") {
		a.FlowNullValues = m.clear
	}
	return nil
}

func (m *mappingEdit) setSource(a *provision.AttributeMapping) error {
	switch {
	case m.flags.Changed("attribute"):
		name := strings.TrimSuffix(strings.TrimPrefix(m.attribute, "["), "]")
		a.Source = &provision.AttributeMappingSource{Type: provision.SourceAttribute, Name: name, Expression: "[" + name + "]", Parameters: []*provision.AttributeMappingParameter{}}
	case m.flags.Changed("constant"):
		source := &provision.AttributeMappingSource{Type: provision.SourceConstant, Name: m.constant, Parameters: []*provision.AttributeMappingParameter{}}
		var err error
		if source.Expression, err = source.Text(); err != nil {
			return err
		}
		a.Source = source
	case m.flags.Changed("expression"):
		p, err := expression.Compile(m.expression)
		if err != nil {
			return exprError(err)
		}
		a.Source = provision.SourceOf(p)
	case m.flags.Changed("none") && m.none:
		a.Source = nil
	}
	return nil
}

func (m *mappingEdit) applyToObject(om *provision.ObjectMapping) error {
	if m.flags.Changed("enabled") {
		om.Enabled = m.enabled
	}
	if !m.flags.Changed("actions") {
		return nil
	}
	om.FlowTypes = 0
	for _, action := range m.actions {
		switch strings.ToLower(strings.TrimSpace(action)) {
		case "create", "add":
			om.FlowTypes |= provision.FlowAdd
		case "update":
			om.FlowTypes |= provision.FlowUpdate
		case "delete":
			om.FlowTypes |= provision.FlowDelete
		case "", "none":
		default:
			return usage("--actions takes create, update and delete, not %q", action)
		}
	}
	return nil
}

// printSet shows what a mapping has become, and what the check says of it.
func (e *env) printSet(s *provision.Schema, object, target string, freshservice bool) error {
	om, err := objectMapping(s, object)
	if err != nil {
		return err
	}
	var issues []provision.MappingIssue
	for _, i := range checkSchema(s, freshservice).Issues {
		if strings.EqualFold(i.Mapping, om.SourceObjectName) && (target == "" || om.Attribute(i.Target) == om.Attribute(target)) {
			issues = append(issues, i)
		}
	}
	if e.json {
		out := map[string]any{"object": om.SourceObjectName, "enabled": om.Enabled, "actions": om.FlowTypes.String(), "issues": list(issues)}
		if target != "" {
			out["mapping"] = shown(om.Attribute(target))
		}
		return e.printJSON(out)
	}
	for _, i := range issues {
		fmt.Fprintln(e.err, i)
	}
	if target == "" {
		state := "switched off"
		if om.Enabled {
			state = "on: " + strings.ToLower(om.FlowTypes.String())
		}
		_, err = fmt.Fprintf(e.out, "The mapping of %ss is %s.\n", strings.ToLower(om.SourceObjectName), state)
		return err
	}
	a := om.Attribute(target)
	_, err = fmt.Fprintf(e.out, "%s: %s\n", a.TargetAttributeName, a)
	return err
}

// writeSchema writes a schema indented, as Entra's schema editor does.
func writeSchema(w io.Writer, s *provision.Schema) error {
	b, err := s.MarshalJSON()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err = w.Write(out.Bytes())
	return err
}

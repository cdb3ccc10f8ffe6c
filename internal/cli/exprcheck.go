package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
)

// An exprFinding is one thing that is or may be wrong with an expression.
type exprFinding struct {
	Severity provision.IssueSeverity `json:"severity"`
	Code     string                  `json:"code"`
	Message  string                  `json:"message"`
	Fix      string                  `json:"fix,omitempty"`
	// Position counts characters from 0; nil when no one part is to blame.
	Position *int   `json:"position,omitempty"`
	Caret    string `json:"-"`
}

func (f exprFinding) print(e *env) {
	fmt.Fprintf(e.out, "%s: %s", f.Severity, f.Message)
	if f.Fix != "" {
		separator := "; "
		if unicode.IsUpper([]rune(f.Fix)[0]) {
			separator = ". "
		}
		fmt.Fprint(e.out, separator, f.Fix)
	}
	fmt.Fprintln(e.out)
	if f.Caret != "" {
		fmt.Fprintln(e.out, indent(f.Caret))
	}
}

func (e *env) exprCheck() *cobra.Command {
	var against, target, object string
	c := &cobra.Command{
		Use:   "check EXPR",
		Short: "Check an expression without evaluating it",
		Long: `Checks an expression: its grammar, functions and arguments; with --against, a
synchronizationSchema as Entra exports it, whether its attributes exist; with
--target, whether the target attribute can take what the expression gives, for
example whether Freshservice knows a time zone.

Exit codes: 1 when the expression cannot be compiled, 3 when it can and the
check finds errors.`,
		Example: `  lockstep expr check 'Switch([department], , "Sales", "S")'
  lockstep expr check 'Join(" ", [givenname], [surname])' --against schema.json
  lockstep expr check 'Switch([country], "UTC", "DE", "Berlin")' --target timezone`,
		Args: exactly("EXPR"),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := expression.Compile(args[0])
			if err != nil {
				return e.cannotCompile(args[0], err)
			}
			t, err := objectType(object)
			if err != nil {
				return err
			}
			findings := warningsOf(p)
			if against != "" || target != "" {
				s, err := e.schemaToCheckAgainst(against)
				if err != nil {
					return err
				}
				if against != "" {
					findings = append(findings, unknownAttributes(p, s, t)...)
				}
				if target != "" {
					more, err := targetFindings(p, s, t, target)
					if err != nil {
						return err
					}
					findings = append(findings, more...)
				}
			}
			return e.printCheck(p, findings)
		},
	}
	f := c.Flags()
	f.StringVar(&against, "against", "", "file with a synchronizationSchema, whose attributes the expression is checked against")
	f.StringVar(&target, "target", "", "target attribute that is to get the value, such as timezone")
	f.StringVar(&object, "object", "User", "source object: User or Group")
	e.jsonFlag(c)
	return c
}

// cannotCompile reports an expression that is none.
func (e *env) cannotCompile(text string, err error) error {
	var x *expression.Error
	if e.json && errors.As(err, &x) {
		if err := e.printJSON(map[string]any{"expression": text, "findings": []exprFinding{expressionFinding(x)}}); err != nil {
			return err
		}
	}
	return exprError(err)
}

func expressionFinding(x *expression.Error) exprFinding {
	return exprFinding{Severity: provision.IssueError, Code: string(x.Kind), Message: x.Message, Fix: x.Hint, Position: &x.Pos, Caret: x.Caret()}
}

func (e *env) schemaToCheckAgainst(path string) (*provision.Schema, error) {
	if path == "" {
		return provision.Template("freshservice")
	}
	return e.readSchema(path)
}

// readSchema reads a synchronizationSchema.
func (e *env) readSchema(path string) (*provision.Schema, error) {
	if path == "-" {
		return provision.ReadSchema(e.in)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := provision.ReadSchema(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// objectType reads a source object type, whatever its case.
func objectType(s string) (provision.ObjectType, error) {
	for _, t := range []provision.ObjectType{provision.User, provision.Group} {
		if strings.EqualFold(s, string(t)) || strings.EqualFold(s, string(t)+"s") {
			return t, nil
		}
	}
	return "", usage("--object takes User or Group, not %q", s)
}

func warningsOf(p *expression.Program) []exprFinding {
	var out []exprFinding
	for _, w := range p.Warnings() {
		out = append(out, exprFinding{Severity: provision.IssueWarning, Code: "doubtful", Message: w.Message, Position: &w.Pos,
			Caret: (&expression.Error{Expression: p.Source(), Pos: w.Pos}).Caret()})
	}
	return out
}

// unknownAttributes reports every attribute that the schema's source object
// does not have.
func unknownAttributes(p *expression.Program, s *provision.Schema, t provision.ObjectType) []exprFinding {
	var source *provision.ObjectDefinition
	if m := s.Mapping(t); m != nil {
		source = s.Directory(s.RuleFor(t).SourceDirectoryName).Object(m.SourceObjectName)
	}
	if source == nil || len(source.Attributes) == 0 {
		return []exprFinding{{Severity: provision.IssueWarning, Code: "no-attribute-list", Message: "the schema lists no attributes of the source object " + string(t) + ", so names cannot be checked"}}
	}
	names := make([]string, len(source.Attributes))
	for i, a := range source.Attributes {
		names[i] = a.Name
	}
	var out []exprFinding
	for _, name := range p.References() {
		if slices.Contains(names, name) || name == "id" || strings.EqualFold(name, "IsSoftDeleted") {
			continue
		}
		err := p.Check(func(attribute string) (bool, string) { return attribute != name, provision.Nearest(name, names) })
		var x *expression.Error
		if errors.As(err, &x) {
			out = append(out, expressionFinding(x))
		}
	}
	return out
}

// targetFindings checks the expression as the source of a target attribute,
// among the schema's other mappings.
func targetFindings(p *expression.Program, s *provision.Schema, t provision.ObjectType, target string) ([]exprFinding, error) {
	s = s.Clone()
	m := s.Mapping(t)
	if m == nil {
		return nil, fmt.Errorf("the schema has no mapping of the source object %s", t)
	}
	m.Enabled = true
	if err := m.SetExpression(target, p.Source()); err != nil {
		return nil, err
	}
	target = m.Attribute(target).TargetAttributeName
	var out []exprFinding
	for _, i := range s.Check(resourceTypes(isFreshservice(s))...) {
		// Names of attributes and doubtful parts are reported with their place.
		if i.Mapping == string(t) && i.Target == target && i.Code != "source-unknown" && i.Code != "expression-doubtful" {
			out = append(out, exprFinding{Severity: i.Severity, Code: i.Code, Message: i.Target + ": " + i.Message, Fix: i.Fix})
		}
	}
	if t != provision.User || !isFreshservice(s) {
		return out, nil
	}
	for n := range provision.Outcomes(p.Node()) {
		v, _ := n.Value()
		if i := freshserviceValue(target, v.String()); i != nil {
			out = append(out, exprFinding{Severity: i.Severity, Code: i.Code, Message: i.Message, Fix: i.Fix, Position: &n.Pos,
				Caret: (&expression.Error{Expression: p.Source(), Pos: n.Pos}).Caret()})
		}
	}
	return out, nil
}

func (e *env) printCheck(p *expression.Program, findings []exprFinding) error {
	errs := slices.ContainsFunc(findings, func(f exprFinding) bool { return f.Severity == provision.IssueError })
	if e.json {
		if findings == nil {
			findings = []exprFinding{}
		}
		if err := e.printJSON(map[string]any{"expression": p.String(), "attributes": list(p.References()), "parameters": list(p.Parameters()), "findings": findings}); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(e.out, p.String())
		if refs := p.References(); len(refs) > 0 {
			fmt.Fprintf(e.out, "reads %s\n", strings.Join(refs, ", "))
		}
		if params := p.Parameters(); len(params) > 0 {
			fmt.Fprintf(e.out, "needs the job parameters %s\n", strings.Join(params, ", "))
		}
		for _, f := range findings {
			f.print(e)
		}
	}
	if errs {
		return &exitError{code: exitFindings}
	}
	return nil
}

// list makes an absent list an empty one, which JSON shows as [].
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

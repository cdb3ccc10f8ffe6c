package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"lockstep/internal/expression"
	"lockstep/internal/freshservice"
	"lockstep/internal/provision"
	"lockstep/internal/scim"
)

func (e *env) mappingCheck() *cobra.Command {
	var file, template string
	c := &cobra.Command{
		Use:   "check APP | --schema FILE",
		Short: "Look for what is wrong with the mappings",
		Long: `Checks each attribute mapping and the mappings as a whole: unknown attributes,
two mappings to one target, no or unusable matching attributes, types, values
that Freshservice does not take, leavers who would keep their access and more.

With --schema it checks a synchronizationSchema, as Entra or "mapping export"
gives it, without a server. It exits 3 when it finds errors.`,
		Example: `  lockstep mapping check freshservice
  lockstep mapping check --schema schema.json --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 1) == (file != "") {
				return usage("name either an app or a file with --schema")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			var s *provision.Schema
			var err error
			if file != "" {
				s, err = e.readSchema(file)
			} else {
				app, aerr := e.client().AppSchema(c.Context(), args[0])
				if err = aerr; err == nil {
					s = app.Schema
					template = cmp.Or(template, app.Template)
				}
			}
			if err != nil {
				return err
			}
			fs := isFreshservice(s)
			switch template {
			case "":
			case "freshservice", "scim":
				fs = template == "freshservice"
			default:
				return usage("--template takes freshservice or scim, not %q", template)
			}
			return e.printIssues(checkSchema(s, fs))
		},
	}
	f := c.Flags()
	f.StringVar(&file, "schema", "", "file with a synchronizationSchema; - reads it from standard input")
	f.StringVar(&template, "template", "", "what the target is: freshservice or scim (default: the app's, or found out from the file)")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

// isFreshservice reports whether a schema is made for Freshservice.
func isFreshservice(s *provision.Schema) bool {
	if r := s.RuleFor(provision.User); r != nil && strings.Contains(strings.ToLower(r.TargetDirectoryName), "freshservice") {
		return true
	}
	m := s.Mapping(provision.User)
	return m != nil && slices.ContainsFunc(m.AttributeMappings, func(a *provision.AttributeMapping) bool {
		return strings.HasPrefix(strings.ToLower(a.TargetAttributeName), strings.ToLower(scim.URNFreshservice))
	})
}

// resourceTypes returns what resources of the target look like.
func resourceTypes(freshservice bool) []*scim.ResourceType {
	users := scim.UserType()
	if !freshservice {
		users.Extensions = slices.DeleteFunc(users.Extensions, func(x scim.Extension) bool { return x.Schema.ID == scim.URNFreshservice })
	}
	return []*scim.ResourceType{users, scim.GroupType()}
}

// A schemaCheck is the outcome of checking a schema: each attribute mapping and
// each object mapping as a whole is one check, which fails by an error.
type schemaCheck struct {
	Passed int                      `json:"passed"`
	Total  int                      `json:"total"`
	Issues []provision.MappingIssue `json:"issues"`
}

func checkSchema(s *provision.Schema, freshservice bool) schemaCheck {
	issues := s.Check(resourceTypes(freshservice)...)
	if freshservice {
		issues = append(issues, valueIssues(s)...)
	}
	rank := map[provision.IssueSeverity]int{provision.IssueError: 0, provision.IssueWarning: 1, provision.IssueInfo: 2}
	slices.SortStableFunc(issues, func(a, b provision.MappingIssue) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
	r := schemaCheck{Issues: list(issues)}
	for _, t := range []provision.ObjectType{provision.User, provision.Group} {
		m := s.Mapping(t)
		if t == provision.User || m != nil && m.Enabled {
			r.Total++ // the object mapping as a whole
		}
		if m == nil || !m.Enabled {
			continue
		}
		r.Total += len(m.AttributeMappings)
	}
	failed := map[string]bool{}
	for _, i := range issues {
		if i.Severity != provision.IssueError {
			continue
		}
		key := i.Mapping
		if m := s.Mapping(provision.ObjectType(i.Mapping)); m != nil && m.Enabled && m.Attribute(i.Target) != nil {
			key += " " + m.Attribute(i.Target).TargetAttributeName
		}
		failed[key] = true
	}
	r.Passed = max(0, r.Total-len(failed))
	return r
}

func (e *env) printIssues(r schemaCheck) error {
	var err error
	if e.json {
		err = e.printJSON(r)
	} else {
		for _, i := range r.Issues {
			fmt.Fprintln(e.out, i)
		}
		_, err = fmt.Fprintf(e.out, "passed %d of %d\n", r.Passed, r.Total)
	}
	if err == nil && slices.ContainsFunc(r.Issues, func(i provision.MappingIssue) bool { return i.Severity == provision.IssueError }) {
		err = &exitError{code: exitFindings}
	}
	return err
}

// valueIssues looks for constants among the users' mappings that Freshservice
// does not take.
func valueIssues(s *provision.Schema) []provision.MappingIssue {
	m := s.Mapping(provision.User)
	if m == nil || !m.Enabled {
		return nil
	}
	var out []provision.MappingIssue
	for _, a := range m.AttributeMappings {
		for _, value := range constantsOf(a) {
			if i := freshserviceValue(a.TargetAttributeName, value); i != nil {
				i.Mapping = string(provision.User)
				out = append(out, *i)
			}
		}
	}
	return out
}

// constantsOf returns the constant values that a mapping can give.
func constantsOf(a *provision.AttributeMapping) []string {
	var values []string
	if a.DefaultValue != "" {
		values = append(values, a.DefaultValue)
	}
	if a.Source == nil {
		return values
	}
	text, err := a.Source.Text()
	if err != nil {
		return values
	}
	p, err := expression.Compile(text)
	if err != nil {
		return values
	}
	for n := range provision.Outcomes(p.Node()) {
		v, _ := n.Value()
		values = append(values, v.String())
	}
	return values
}

// freshserviceValue says what is wrong with sending value to a target
// attribute of Freshservice, nil when it takes it.
func freshserviceValue(target, value string) *provision.MappingIssue {
	if value == "" {
		return nil
	}
	issue := &provision.MappingIssue{Code: "value-refused", Severity: provision.IssueError, Target: target}
	var own string
	var known bool
	switch path := strings.ToLower(strings.Join(strings.Fields(target), "")); {
	case path == "timezone" || path == strings.ToLower(scim.URNUser)+":timezone":
		if own, known = freshservice.TimeZone(value); !known {
			issue.Message = "Freshservice has no time zone " + strconv.Quote(value)
			issue.Fix = didYouMean(value, freshservice.TimeZones(), "It takes names such as Berlin, and lockstep translates IANA and Windows names")
		}
	case path == "locale" || path == "preferredlanguage":
		if own, known = freshservice.Language(value); !known {
			issue.Message = "Freshservice has no language " + strconv.Quote(value)
			issue.Fix = didYouMean(value, languageCodes(), "It takes codes such as en, de or pt-BR")
		}
	case strings.HasPrefix(path, "emails["):
		if at := strings.LastIndexByte(value, '@'); at <= 0 || at == len(value)-1 || strings.ContainsAny(value, " \t<>") {
			issue.Message = strconv.Quote(value) + " is no e-mail address"
			return issue
		}
		return nil
	default:
		return nil
	}
	switch {
	case !known:
		return issue
	case own != value:
		issue.Code, issue.Severity = "value-translated", provision.IssueInfo
		issue.Message = fmt.Sprintf("Freshservice's own name for %q is %q. Accounts of lockstep translate it; other endpoints refuse it", value, own)
		issue.Fix = "Write " + strconv.Quote(own)
		return issue
	}
	return nil
}

func didYouMean(value string, names []string, otherwise string) string {
	if near := provision.Nearest(value, names); near != "" {
		return "Did you mean " + strconv.Quote(near) + "?"
	}
	return otherwise
}

func languageCodes() []string {
	var codes []string
	for _, l := range freshservice.Languages() {
		codes = append(codes, l.Code)
	}
	return codes
}

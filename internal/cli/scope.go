package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lockstep/internal/api"
	"lockstep/internal/provision"
)

func (e *env) scopeCommand() *cobra.Command {
	return group("scope", "Whom an app provisions", e.scopeShow(), e.scopeSet(),
		group("filter", "Scoping filters of an app", e.filterList(), e.filterAdd(), e.filterRemove(), e.filterClear()),
		e.scopeTest())
}

func (e *env) scopeShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show APP", Short: "Show whom an app provisions", Args: exactly("APP"), Example: "  lockstep scope show freshservice",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := e.client().Scope(c.Context(), args[0])
			if err != nil {
				return err
			}
			return e.printScope(args[0], s)
		},
	}
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) printScope(app string, s *api.Scope) error {
	if e.json {
		return e.printJSON(s)
	}
	if s.SyncAll {
		fmt.Fprintln(e.out, "Scope: all users and groups of the source.")
	} else {
		fmt.Fprintf(e.out, "Scope: assigned users and groups; `lockstep assign list %s` shows them.\n", app)
		if s.NestedGroups {
			fmt.Fprintln(e.out, "Members of groups inside assigned groups count as assigned, at any depth.")
		}
	}
	for _, t := range []provision.ObjectType{provision.User, provision.Group} {
		if f := s.Filters[t]; f != nil && len(f.Groups) > 0 {
			fmt.Fprintf(e.out, "%ss have to pass one of these filters:\n", t)
			e.printFilter(f)
		}
	}
	return nil
}

func (e *env) printFilter(f *provision.Filter) {
	for i, g := range f.Groups {
		name := strconv.Itoa(i + 1)
		if g.Name != "" {
			name += " " + g.Name
		}
		fmt.Fprintf(e.out, "  filter %s\n", name)
		for j, c := range g.Clauses {
			and := "    "
			if j > 0 {
				and = "and "
			}
			fmt.Fprintf(e.out, "    %d %s%s\n", j+1, and, c)
		}
		if len(g.Clauses) == 0 {
			fmt.Fprintln(e.out, "    no clause: everybody passes")
		}
	}
}

func (e *env) scopeSet() *cobra.Command {
	var nested bool
	c := &cobra.Command{
		Use: "set APP all|assigned", Short: "Provision everybody, or those who are assigned", Args: exactly("APP", "all or assigned"),
		Long: `Chooses between all users and groups of the source and assigned ones. It takes
effect at once; in Entra it would take a restart. Who falls out of scope by it
is disabled, unless the deletion guard finds them too many.

With --nested, members of groups inside an assigned group count as assigned at
any depth; Entra takes direct members only.`,
		Example: "  lockstep scope set freshservice assigned\n  lockstep scope set freshservice assigned --nested",
		RunE: func(c *cobra.Command, args []string) error {
			all, err := syncAll(args[1])
			if err != nil {
				return err
			}
			n := api.NewScope{SyncAll: all}
			if c.Flags().Changed("nested") {
				n.NestedGroups = &nested
			}
			s, err := e.client().SetScope(c.Context(), args[0], n)
			if err != nil {
				return err
			}
			return e.printScope(args[0], s)
		},
	}
	c.Flags().BoolVar(&nested, "nested", false, "count members of groups inside assigned groups; --nested=false for direct members only")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

// scopeQuestion is what the flags of test ask.
type scopeQuestion struct {
	schema, person, user string
	assigned             bool
}

func (e *env) scopeTest() *cobra.Command {
	q := scopeQuestion{}
	c := &cobra.Command{
		Use:   "test APP --person FILE | APP --user USER | --schema FILE --person FILE",
		Short: "Say whether a person is in scope, and why",
		Long: `Goes through every decision with the values it is made by: active, assigned,
scoping filter. The person is one of the source (--user) or a JSON object of
attributes (--person), who need not exist.

With --schema it tries the scoping filter of a synchronizationSchema without a
server; the person then counts as assigned unless --assigned=false says not.`,
		Example: `  lockstep scope test freshservice --user ada@acme.example
  lockstep scope test freshservice --person person.json
  lockstep scope test --schema schema.json --person person.json`,
		Args: func(c *cobra.Command, args []string) error {
			if err := appOrFile(&q.schema)(c, args); err != nil {
				return err
			}
			switch {
			case (q.person == "") == (q.user == ""):
				return usage("name a person: --person with a JSON file of attributes, or --user with somebody of the source")
			case q.schema != "" && q.user != "":
				return usage("--user needs an app, whose source has the person; with --schema describe them with --person")
			case q.schema == "" && c.Flags().Changed("assigned"):
				return usage("--assigned goes with --schema; an app knows who is assigned to it")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			answer, err := e.askScope(c.Context(), args, q)
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(answer)
			}
			e.printChain(answer)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&q.schema, "schema", "", "file with a synchronizationSchema")
	f.StringVar(&q.person, "person", "", "JSON file with the person's attributes; - reads it from standard input")
	f.StringVar(&q.user, "user", "", "somebody of the source: userPrincipalName, mail or object ID")
	f.BoolVar(&q.assigned, "assigned", true, "with --schema: whether the person counts as assigned")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) askScope(ctx context.Context, args []string, q scopeQuestion) (*api.ScopeAnswer, error) {
	if q.user != "" {
		return e.client().TestScope(ctx, args[0], api.ScopeQuestion{User: q.user})
	}
	attributes, err := e.readPerson(q.person)
	if err != nil {
		return nil, err
	}
	if q.schema == "" {
		return e.client().TestScope(ctx, args[0], api.ScopeQuestion{Person: attributes})
	}
	s, err := e.readSchema(q.schema)
	if err != nil {
		return nil, err
	}
	def, err := objectMapping(s, string(provision.User))
	if err != nil {
		return nil, err
	}
	// The filter alone is tried, so attribute mappings that do not compile are no
	// obstacle.
	alone := *def
	alone.AttributeMappings = nil
	users, err := provision.CompileMapping(&alone, resourceTypes(true)[0])
	if err != nil {
		return nil, err
	}
	job := &provision.Job{Users: users}
	o := provision.ObjectFrom(provision.User, attributes)
	subject := job.Assess(ctx, o, provision.NotRemoved, q.assigned, nil, time.Now())
	return &api.ScopeAnswer{Name: o.Name(), InScope: subject.InScope, Steps: job.ScopeChain(subject, ""), Filter: subject.Scope}, nil
}

func (e *env) printChain(a *api.ScopeAnswer) {
	name := a.Name
	if name == "" {
		name = "The person"
	}
	verdict := "is in scope"
	if !a.InScope {
		verdict = "is not in scope"
	}
	fmt.Fprintf(e.out, "%s %s.\n", name, verdict)
	for _, s := range a.Steps {
		answer := "no "
		if s.Passed {
			answer = "yes"
		}
		fmt.Fprintf(e.out, "  %s  %-9s %s\n", answer, s.Name, strings.Join(s.Text, "\n"+strings.Repeat(" ", 17)))
	}
}

package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"lockstep/internal/provision"
)

func (e *env) filterList() *cobra.Command {
	var object string
	c := &cobra.Command{
		Use: "list APP", Short: "List the scoping filters with their numbers", Args: exactly("APP"),
		Example: "  lockstep scope filter list freshservice",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := e.client().AppSchema(c.Context(), args[0])
			if err != nil {
				return err
			}
			m, err := objectMapping(s.Schema, object)
			if err != nil {
				return err
			}
			return e.showFilter(m)
		},
	}
	objectFlag(c, &object)
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) showFilter(m *provision.ObjectMapping) error {
	f := m.Scope
	if f == nil {
		f = &provision.Filter{}
	}
	if e.json {
		type clause struct {
			Attribute string   `json:"attribute"`
			Operator  string   `json:"operator"`
			Values    []string `json:"values,omitempty"`
		}
		type filter struct {
			Name    string   `json:"name"`
			Clauses []clause `json:"clauses"`
		}
		out := []filter{}
		for _, g := range f.Groups {
			shown := filter{Name: g.Name, Clauses: []clause{}}
			for _, cl := range g.Clauses {
				one := clause{Attribute: cl.SourceOperandName, Operator: cl.OperatorName}
				if cl.TargetOperand != nil {
					one.Values = cl.TargetOperand.Values
				}
				shown.Clauses = append(shown.Clauses, one)
			}
			out = append(out, shown)
		}
		return e.printJSON(map[string]any{"object": m.SourceObjectName, "filters": out})
	}
	if len(f.Groups) == 0 {
		_, err := fmt.Fprintln(e.out, "There is no scoping filter: everybody passes.")
		return err
	}
	fmt.Fprintln(e.out, "It is enough to pass one filter; a filter is passed when all of its clauses are true.")
	e.printFilter(f)
	return nil
}

// editFilter changes the scoping filter and shows what it has become.
func (e *env) editFilter(c *cobra.Command, app, object string, edit func(*provision.Filter) error) error {
	s, err := e.editSchema(c.Context(), app, func(s *provision.Schema) error {
		m, err := objectMapping(s, object)
		if err != nil {
			return err
		}
		if m.Scope == nil {
			m.Scope = &provision.Filter{}
		}
		if err := edit(m.Scope); err != nil {
			return err
		}
		if _, err := provision.CompileScope(m.Scope); err != nil {
			return err
		}
		if len(m.Scope.Groups)+len(m.Scope.InputFilterGroups)+len(m.Scope.CategoryFilterGroups) == 0 {
			m.Scope = nil
		}
		return nil
	})
	if err != nil {
		return err
	}
	m, err := objectMapping(s.Schema, object)
	if err != nil {
		return err
	}
	return e.showFilter(m)
}

// findFilter returns the index of the filter with that number or name.
func findFilter(f *provision.Filter, ref string) (int, error) {
	if n, err := strconv.Atoi(ref); err == nil && n >= 1 && n <= len(f.Groups) {
		return n - 1, nil
	}
	found := -1
	for i, g := range f.Groups {
		if !strings.EqualFold(g.Name, ref) {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("several filters are called %q; name one by its number", ref)
		}
		found = i
	}
	if found < 0 {
		return 0, fmt.Errorf("there is no filter %q; `lockstep scope filter list` shows them with their numbers", ref)
	}
	return found, nil
}

func operatorHelp() string {
	var b strings.Builder
	for _, op := range provision.FilterOperators() {
		operand := ""
		if op.Arity == provision.Binary {
			operand = " VALUE"
		}
		fmt.Fprintf(&b, "  %-30s %s\n", op.Name+operand, op.Meaning)
	}
	return b.String()
}

func (e *env) filterAdd() *cobra.Command {
	var object, to, name string
	c := &cobra.Command{
		Use:   "add APP ATTRIBUTE OPERATOR [VALUE...]",
		Short: "Add a clause, to a new filter or with --to to one there is",
		Long: `Adds a clause. It becomes a filter of its own, so that it is enough to pass
either it or another one; with --to it joins a filter, all of whose clauses have
to be true. Of several values one has to fit.

The operators, on an empty attribute all false but for IS NULL:
` + operatorHelp(),
		Example: `  lockstep scope filter add freshservice department EQUALS Sales --name Sales
  lockstep scope filter add freshservice jobTitle 'IS NOT NULL' --to Sales
  lockstep scope filter add freshservice userPrincipalName 'NOT REGEX MATCH' 'svc-.*' --to 1`,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) < 3:
				return usage("%q takes an app, an attribute, an operator and, for most operators, a value", c.CommandPath())
			case to != "" && name != "":
				return usage("--to joins a filter there is and --name names a new one; say one of them")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			clause := &provision.FilterClause{SourceOperandName: args[1], OperatorName: canonicalOperator(args[2])}
			if len(args) > 3 {
				clause.TargetOperand = &provision.FilterOperand{Values: args[3:]}
			}
			return e.editFilter(c, args[0], object, func(f *provision.Filter) error {
				if to == "" {
					f.Groups = append(f.Groups, &provision.FilterGroup{Name: name, Clauses: []*provision.FilterClause{clause}})
					return nil
				}
				i, err := findFilter(f, to)
				if err == nil {
					f.Groups[i].Clauses = append(f.Groups[i].Clauses, clause)
				}
				return err
			})
		},
	}
	objectFlag(c, &object)
	c.Flags().StringVar(&to, "to", "", "number or name of the filter that the clause joins")
	c.Flags().StringVar(&name, "name", "", "name of the new filter")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

// canonicalOperator spells an operator as Graph does; an unknown one is left
// for the compiler to refuse.
func canonicalOperator(name string) string {
	fold := func(s string) string { return strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(s), "_", " ")) }
	for _, op := range provision.FilterOperators() {
		if fold(op.Name) == fold(name) {
			return op.Name
		}
	}
	return name
}

func (e *env) filterRemove() *cobra.Command {
	var object string
	c := &cobra.Command{
		Use: "remove APP FILTER [CLAUSE]", Short: "Remove a filter, or one of its clauses, by number or name",
		Example: `  lockstep scope filter remove freshservice Sales
  lockstep scope filter remove freshservice 1 2`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 && len(args) != 3 {
				return usage("%q takes an app, a filter and perhaps the number of a clause", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return e.editFilter(c, args[0], object, func(f *provision.Filter) error {
				i, err := findFilter(f, args[1])
				if err != nil {
					return err
				}
				g := f.Groups[i]
				if len(args) == 2 || len(g.Clauses) == 1 && args[2] == "1" {
					f.Groups = append(f.Groups[:i:i], f.Groups[i+1:]...)
					return nil
				}
				n, err := strconv.Atoi(args[2])
				if err != nil || n < 1 || n > len(g.Clauses) {
					return fmt.Errorf("the filter has the clauses 1 to %d, and no %q", len(g.Clauses), args[2])
				}
				g.Clauses = append(g.Clauses[:n-1:n-1], g.Clauses[n:]...)
				return nil
			})
		},
	}
	objectFlag(c, &object)
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) filterClear() *cobra.Command {
	var object string
	c := &cobra.Command{
		Use: "clear APP", Short: "Remove all scoping filters", Args: exactly("APP"), Example: "  lockstep scope filter clear freshservice",
		RunE: func(c *cobra.Command, args []string) error {
			return e.editFilter(c, args[0], object, func(f *provision.Filter) error {
				f.Groups = nil
				return nil
			})
		},
	}
	objectFlag(c, &object)
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

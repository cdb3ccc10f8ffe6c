package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"lockstep/internal/expression"
)

func (e *env) exprCommand() *cobra.Command {
	return group("expr", "Attribute-mapping expressions", e.exprEval(), e.exprCheck(), e.exprTest(), e.exprFunctions())
}

// exprError shows where an expression is wrong.
func exprError(err error) error {
	var x *expression.Error
	if !errors.As(err, &x) {
		return err
	}
	text := err.Error()
	if caret := x.Caret(); caret != "" {
		text += "\n" + caret
	}
	return &exitError{exitFailed, errors.New(text)}
}

func (e *env) exprEval() *cobra.Command {
	var sourceFile string
	var trace bool
	c := &cobra.Command{
		Use:   "eval EXPR",
		Short: "Evaluate an expression for one person",
		Long: `Evaluates an expression. --source names a JSON object of attributes, such as
{"givenName": "Zoë", "proxyAddresses": ["a", "b"]}; - reads it from standard input.`,
		Example: `  lockstep expr eval 'Join(" ", [givenName], [surname])' --source person.json
  lockstep expr eval 'NormalizeDiacritics("Zoë")' --trace`,
		Args: exactly("EXPR"),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := expression.Compile(args[0])
			if err != nil {
				return exprError(err)
			}
			source, err := e.readPerson(sourceFile)
			if err != nil {
				return err
			}
			env := &expression.Env{Source: source, Now: time.Now()}
			result, tree, err := p.Trace(c.Context(), env)
			if trace && tree != nil {
				printTrace(e.err, tree, 0)
			}
			if err != nil {
				return exprError(err)
			}
			return e.printResult(result)
		},
	}
	c.Flags().StringVar(&sourceFile, "source", "", "JSON file with the person's attributes")
	c.Flags().BoolVar(&trace, "trace", false, "show the value of every part on standard error")
	e.jsonFlag(c)
	return c
}

func (e *env) readPerson(path string) (expression.Map, error) {
	if path == "" {
		return expression.Map{}, nil
	}
	var b []byte
	var err error
	if path == "-" {
		b, err = io.ReadAll(e.in)
	} else {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the person cannot be read: %w", err)
	}
	person := expression.Map{}
	if err := json.Unmarshal(b, &person); err != nil {
		return nil, fmt.Errorf("%s is not a JSON object of attributes: %w", path, err)
	}
	return person, nil
}

func (e *env) printResult(r expression.Result) error {
	if e.json {
		return e.printJSON(map[string]any{"value": r.Value, "ignored": r.Ignore})
	}
	switch {
	case r.Ignore:
		fmt.Fprintln(e.err, "(the attribute is left out)")
	case r.Value.IsNull():
		fmt.Fprintln(e.err, "(null: nothing is sent)")
	default:
		for _, s := range r.Value.Strings() {
			if _, err := fmt.Fprintln(e.out, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func printTrace(w io.Writer, n *expression.TraceNode, depth int) {
	value := n.Value.String()
	switch {
	case !n.Evaluated:
		value = "(not evaluated)"
	case n.Err != nil:
		value = "error: " + n.Err.Error()
	case n.Value.IsNull():
		value = "null"
	}
	fmt.Fprintf(w, "%s%s = %s\n", strings.Repeat("  ", depth), n.Text, value)
	for _, child := range n.Args {
		printTrace(w, child, depth+1)
	}
}

func (e *env) exprCheck() *cobra.Command {
	c := &cobra.Command{
		Use:     "check EXPR",
		Short:   "Check an expression without evaluating it",
		Example: `  lockstep expr check 'Switch([department], , "Sales", "S")'`,
		Args:    exactly("EXPR"),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := expression.Compile(args[0])
			if err != nil {
				return exprError(err)
			}
			if e.json {
				return e.printJSON(map[string]any{"expression": p.String(), "attributes": p.References()})
			}
			fmt.Fprintln(e.out, p.String())
			if refs := p.References(); len(refs) > 0 {
				fmt.Fprintf(e.out, "reads %s\n", strings.Join(refs, ", "))
			}
			return nil
		},
	}
	e.jsonFlag(c)
	return c
}

func (e *env) exprTest() *cobra.Command {
	c := &cobra.Command{
		Use:   "test FILE",
		Short: "Run a file of expressions with their expected values",
		Long: `Runs a JSON array of {id, expression, source, expected} and says which do not
give what was expected. expected is a text, a list of texts, null,
{"ignoreFlow": true}, {"matches": PATTERN} or {"error": KIND, "position": N}.`,
		Example: "  lockstep expr test mappings_test.json",
		Args:    exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			vectors, err := expression.ReadVectors(f)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			type failure struct {
				ID    string `json:"id"`
				Error string `json:"error"`
			}
			failures := []failure{}
			for _, v := range vectors {
				if err := v.Run(); err != nil {
					failures = append(failures, failure{v.ID, err.Error()})
					if !e.json {
						fmt.Fprintf(e.out, "FAIL %s\n  %s\n  %v\n", v.ID, v.Expression, err)
					}
				}
			}
			passed := len(vectors) - len(failures)
			if e.json {
				err = e.printJSON(map[string]any{"passed": passed, "total": len(vectors), "failures": failures})
			} else {
				_, err = fmt.Fprintf(e.out, "passed %d of %d\n", passed, len(vectors))
			}
			if err == nil && len(failures) > 0 {
				err = &exitError{code: exitFailed}
			}
			return err
		},
	}
	e.jsonFlag(c)
	return c
}

func (e *env) exprFunctions() *cobra.Command {
	c := &cobra.Command{
		Use: "functions [NAME]", Short: "List the functions, or explain one",
		Example: "  lockstep expr functions\n  lockstep expr functions Switch",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("\"lockstep expr functions\" takes one NAME at most")
			}
			all := expression.Functions()
			if len(args) == 1 {
				for i := range all {
					if strings.EqualFold(all[i].Name, args[0]) {
						return e.explainFunction(&all[i])
					}
				}
				return fmt.Errorf("there is no function %q; `lockstep expr functions` lists them", args[0])
			}
			if e.json {
				return e.printJSON(all)
			}
			t := e.table("FUNCTION", "RESULT")
			for i := range all {
				t.AppendRow(table.Row{all[i].Signature(), all[i].Result})
			}
			t.Render()
			return nil
		},
	}
	e.jsonFlag(c)
	return c
}

func (e *env) explainFunction(f *expression.Function) error {
	if e.json {
		return e.printJSON(f)
	}
	fmt.Fprintf(e.out, "%s\n\n", f.Signature())
	fmt.Fprintf(e.out, "  %s\n", f.Meaning)
	if f.Example != "" {
		fmt.Fprintf(e.out, "\n  %s\n  gives %s\n", f.Example, f.ExampleResult)
	}
	return nil
}

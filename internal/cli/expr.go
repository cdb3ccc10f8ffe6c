package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
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
	text := x.Error()
	if caret := x.Caret(); caret != "" {
		text += "\n" + indent(caret)
	}
	var run *provision.EvaluationError
	if errors.As(err, &run) {
		if run.Object != "" {
			text += "\nThis is what happened for " + run.Object + "."
		}
		for _, v := range run.Values {
			text += "\n  " + v
		}
	}
	return &exitError{exitFailed, errors.New(text)}
}

// indent sets every line of a text off by two spaces.
func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

// evalOptions are what an evaluation needs beside the expression.
type evalOptions struct {
	source, now, defaultDomain string
	parameters                 map[string]string
	taken                      []string
	trace                      bool
}

func (e *env) exprEval() *cobra.Command {
	var o evalOptions
	c := &cobra.Command{
		Use:   "eval EXPR",
		Short: "Evaluate an expression for one person",
		Long: `Evaluates an expression. --source names a JSON object of attributes, such as
{"givenName": "Zoë", "proxyAddresses": ["a", "b"]}; - reads it from standard input.

--trace prints every part of the expression with its value first.`,
		Example: `  lockstep expr eval 'Join(" ", [givenName], [surname])' --source person.json
  lockstep expr eval 'NormalizeDiacritics("Zoë")' --trace
  lockstep expr eval 'Join("@", [mailNickname], %Domain%)' --source person.json --param Domain=acme.example`,
		Args: exactly("EXPR"),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := expression.Compile(args[0])
			if err != nil {
				return exprError(err)
			}
			env, err := e.evalEnv(o)
			if err != nil {
				return err
			}
			result, tree, err := p.Trace(c.Context(), env)
			if o.trace && !e.json {
				printTrace(e.out, tree, 0)
			}
			if err != nil {
				if o.trace && e.json {
					if err := e.printJSON(map[string]any{"trace": tree}); err != nil {
						return err
					}
				}
				return exprError(provision.NewEvaluationError(p, env.Source, err))
			}
			if !o.trace {
				tree = nil
			}
			return e.printResult(result, tree)
		},
	}
	f := c.Flags()
	f.StringVar(&o.source, "source", "", "JSON file with the person's attributes; - reads it from standard input")
	f.BoolVar(&o.trace, "trace", false, "show the value of every part")
	f.StringToStringVar(&o.parameters, "param", nil, "value of a job parameter, such as Domain=acme.example for %Domain% (repeatable)")
	f.StringVar(&o.now, "now", "", "the time that Now() gives, such as 2026-01-31T08:00:00Z (default: now)")
	f.StringVar(&o.defaultDomain, "default-domain", "", "what DefaultDomain() gives")
	f.StringSliceVar(&o.taken, "taken", nil, "value that SelectUniqueValue finds taken in the target (repeatable)")
	e.jsonFlag(c)
	return c
}

func (e *env) evalEnv(o evalOptions) (*expression.Env, error) {
	now := time.Now()
	if o.now != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, o.now); err != nil {
			return nil, usage("--now takes a time such as 2026-01-31T08:00:00Z, not %q", o.now)
		}
	}
	person, err := e.readPerson(o.source)
	if err != nil {
		return nil, err
	}
	env := &expression.Env{Source: person, Now: now, Parameters: o.parameters, DefaultDomain: o.defaultDomain}
	if len(o.taken) > 0 {
		env.Taken = func(_ context.Context, value string) (bool, error) {
			return slices.ContainsFunc(o.taken, func(t string) bool { return strings.EqualFold(t, value) }), nil
		}
	}
	return env, nil
}

func (e *env) readPerson(path string) (expression.Map, error) {
	if path == "" {
		return expression.Map{}, nil
	}
	b, err := e.readInput(path)
	if err != nil {
		return nil, fmt.Errorf("the person cannot be read: %w", err)
	}
	person := expression.Map{}
	if err := json.Unmarshal(b, &person); err != nil {
		return nil, fmt.Errorf("%s is not a JSON object of attributes such as {\"givenName\": \"Ada\"}: %w", path, err)
	}
	return person, nil
}

// readInput reads a file, or standard input for "-".
func (e *env) readInput(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(e.in)
	}
	return os.ReadFile(path)
}

func (e *env) printResult(r expression.Result, trace *expression.TraceNode) error {
	if e.json {
		return e.printJSON(struct {
			Value    expression.Value      `json:"value"`
			Ignored  bool                  `json:"ignored"`
			Redacted bool                  `json:"redacted,omitempty"`
			Trace    *expression.TraceNode `json:"trace,omitempty"`
		}{r.Value, r.Ignore, r.Redacted, trace})
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
	value := fmt.Sprintf("%q", n.Value.String())
	switch {
	case !n.Evaluated:
		value = "(not evaluated)"
	case n.Err != nil:
		value = "error: " + n.Err.Message
	case n.Value.IsNull():
		value = "null"
	case n.Value.IsList():
		value = fmt.Sprintf("%q", n.Value.Strings())
	}
	fmt.Fprintf(w, "%s%s = %s\n", strings.Repeat("  ", depth), n.Text, value)
	for _, child := range n.Args {
		if child.Node.Kind != expression.NodeOmitted {
			printTrace(w, child, depth+1)
		}
	}
}

func (e *env) exprTest() *cobra.Command {
	c := &cobra.Command{
		Use:   "test FILE",
		Short: "Run a file of expressions with their expected values",
		Long: `Runs a JSON array of {id, expression, source, expected} and says which do not
give what was expected. expected is a text, a list of texts, null,
{"ignoreFlow": true}, {"matches": PATTERN} or {"error": KIND, "position": N}.
An optional context holds now, taken, parameters and defaultDomain.`,
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
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("\"lockstep expr functions\" takes one NAME at most")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			all := expression.Functions()
			if len(args) == 1 {
				i := slices.IndexFunc(all, func(f expression.Function) bool { return strings.EqualFold(f.Name, args[0]) })
				if i < 0 {
					return unknownFunction(args[0], all)
				}
				return e.explainFunction(&all[i])
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

func unknownFunction(name string, all []expression.Function) error {
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	near := provision.Nearest(name, names)
	if near != "" {
		near = "; did you mean " + near + "?"
	}
	return fmt.Errorf("there is no function %q%s\n`lockstep expr functions` lists them", name, near)
}

func (e *env) explainFunction(f *expression.Function) error {
	if e.json {
		return e.printJSON(f)
	}
	fmt.Fprintf(e.out, "%s\n\n", f.Signature())
	fmt.Fprintf(e.out, "  %s\n", f.Meaning)
	if f.CloudSync {
		fmt.Fprintf(e.out, "  Microsoft lists it for cloud sync only.\n")
	}
	if f.Example != "" {
		fmt.Fprintf(e.out, "\n  %s\n  gives %s\n", f.Example, f.ExampleResult)
	}
	return nil
}

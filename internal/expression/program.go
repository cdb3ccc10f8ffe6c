package expression

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxLength is how many characters an expression may have (Microsoft Entra
// application provisioning: known issues).
const MaxLength = 10_000

// A Program is a checked expression. It is immutable and safe for concurrent
// use.
type Program struct {
	source     string
	canonical  string
	root       *Node
	references []string
	parameters []string
	warnings   []Warning
	redacted   bool
	usesNow    bool
}

// A Warning is something that evaluates but is probably not meant, or not
// accepted by every reader of the language.
type Warning struct {
	Pos     int    `json:"position"`
	End     int    `json:"end"`
	Message string `json:"message"`
}

// Compile parses and checks an expression: its length, its grammar, then call
// by call, outer before inner and left to right, that the function exists, the
// number of arguments, that no required one is omitted, and that
// SelectUniqueValue stands outermost. The first failure is returned as an
// [*Error].
func Compile(src string) (*Program, error) {
	if n := utf8.RuneCountInString(src); n > MaxLength {
		return nil, &Error{Kind: ErrorTooLong, Pos: MaxLength, End: n, Expression: src,
			Message: fmt.Sprintf("the expression has %d characters, at most %d are allowed", n, MaxLength),
			Hint:    "move part of it into a second mapping, or into the source system"}
	}
	root, err := parse(src)
	if err == nil {
		err = check(root, true)
	}
	if err != nil {
		err.Expression = src
		return nil, err
	}
	p := &Program{source: src, root: root}
	p.survey()
	prepare(root)
	return p, nil
}

// MustCompile is Compile for expressions known to be right; it panics on error.
func MustCompile(src string) *Program {
	p, err := Compile(src)
	if err != nil {
		panic(err)
	}
	return p
}

// check resolves and checks the calls of n, in pre-order.
func check(n *Node, outermost bool) *Error {
	if n.Kind == NodeCall {
		if n.fn = findBuiltin(n.Name); n.fn == nil {
			err := n.fail(ErrorUnknownFunction, "there is no function %s", n.Name)
			err.Hint = suggestFunction(n.Name)
			return err
		}
		if message := n.fn.checkArguments(n); message != "" {
			err := n.fail(ErrorArity, "%s", message)
			err.Hint = "it is called " + n.fn.Signature()
			return err
		}
		if n.fn.outermost && !outermost {
			err := n.fail(ErrorNesting, "%s may only be the outermost function", n.Name)
			err.Hint = fmt.Sprintf("apply the other functions inside each rule: %s(ToLower(…), ToLower(…))", n.Name)
			return err
		}
		n.run = n.fn.eval
	}
	for _, a := range n.Args {
		if err := check(a, false); err != nil {
			return err
		}
	}
	return nil
}

// survey collects what is known of the tree as a whole.
func (p *Program) survey() {
	seen := make(map[string]bool)
	add := func(list *[]string, n *Node) {
		if key := string(n.Kind) + n.Name; !seen[key] {
			seen[key] = true
			*list = append(*list, n.Name)
		}
	}
	p.root.Walk(func(n *Node) bool {
		switch {
		case n.Kind == NodeAttribute:
			add(&p.references, n)
		case n.Kind == NodeParameter:
			add(&p.parameters, n)
		case n.Kind != NodeCall:
		case n.fn.redacts:
			p.redacted = true
			if n != p.root {
				p.warn(n, "Redact is meant to be the outermost function; logs hide the whole value")
			}
		case n.fn.usesNow:
			p.usesNow = true
		case n.fn.ignores && n != p.root:
			p.warn(n, n.Name+" takes effect only as the outermost function; inside another one it gives null")
		}
		if n.Kind == NodeCall && n.fn.lint != nil {
			if message := n.fn.lint(n); message != "" {
				p.warn(n, message)
			}
		}
		return true
	})
	if p.redacted {
		p.root.Walk(func(n *Node) bool { n.redact = true; return true })
	}
	p.canonical = p.root.String()
}

func (p *Program) warn(n *Node, message string) {
	p.warnings = append(p.warnings, Warning{Pos: n.Pos, End: n.Pos + utf8.RuneCountInString(n.Name), Message: message})
}

// prepare does once what does not depend on the source object: it compiles
// constant regular expressions, indexes constant Switch keys and computes
// calls whose arguments are constant. A computation that fails is left for the
// evaluation, which may never come to it.
func prepare(n *Node) {
	constant := true
	for _, a := range n.Args {
		prepare(a)
		constant = constant && a.folded
	}
	if n.Kind != NodeCall && n.Kind != NodeComparison {
		return
	}
	if n.fn != nil && n.fn.prepare != nil {
		n.fn.prepare(n)
	}
	if !constant || n.fn != nil && n.fn.volatile {
		return
	}
	v, err := n.run(n, scope{ctx: context.Background(), env: &Env{}})
	if err == nil && len(v.s) <= MaxLength { // a program must not hold more than a few times its text
		n.value, n.folded = v, true
	}
}

// Eval computes the expression for one source object. A nil env is the zero
// Env. Any error is an [*Error]; its position is in the expression's text.
func (p *Program) Eval(ctx context.Context, env *Env) (Result, error) {
	return p.eval(ctx, env, nil)
}

func (p *Program) eval(ctx context.Context, env *Env, t *tracer) (Result, error) {
	if env == nil {
		env = &Env{}
	}
	s := scope{ctx: ctx, env: env, trace: t}
	if p.usesNow {
		now := env.Now
		if now.IsZero() {
			now = time.Now()
		}
		s.now = ticksOf(now)
	}
	v, err := p.root.eval(s)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.Expression = p.source
		}
		return Result{Redacted: p.redacted}, err
	}
	ignore := p.root.fn != nil && p.root.fn.ignores && v.IsNull()
	return Result{Value: v, Ignore: ignore, Redacted: p.redacted}, nil
}

// Source returns the text the program was compiled from.
func (p *Program) Source() string { return p.source }

// String returns the canonical text: one space after each comma, none
// elsewhere, as Microsoft Graph prints expressions. It compiles to an equal
// program.
func (p *Program) String() string { return p.canonical }

// Node returns the outermost part.
func (p *Program) Node() *Node { return p.root }

// References returns the names of the attributes the expression reads, in
// order of first use.
func (p *Program) References() []string { return slices.Clip(p.references) }

// Parameters returns the names of the job parameters the expression needs, in
// order of first use.
func (p *Program) Parameters() []string { return slices.Clip(p.parameters) }

// Warnings returns what is doubtful about the expression.
func (p *Program) Warnings() []Warning { return slices.Clip(p.warnings) }

// Redacted reports whether logs must not show the expression's value.
func (p *Program) Redacted() bool { return p.redacted }

// Constant returns the expression's value if it is the same for every object.
func (p *Program) Constant() (Value, bool) { return p.root.Value() }

// Check reports the first attribute that known says does not exist, as an
// [*Error] of kind unknown_attribute. known also gives the name that was
// probably meant, or "".
func (p *Program) Check(known func(attribute string) (ok bool, suggestion string)) error {
	var failure *Error
	p.root.Walk(func(n *Node) bool {
		if n.Kind != NodeAttribute {
			return true
		}
		ok, suggestion := known(n.Name)
		if ok {
			return true
		}
		failure = n.fail(ErrorUnknownAttribute, "the source has no attribute %s", n.Name)
		failure.Expression = p.source
		switch {
		case suggestion != "" && strings.EqualFold(suggestion, n.Name):
			failure.Hint = fmt.Sprintf("did you mean [%s]? attribute names are case-sensitive", suggestion)
		case suggestion != "":
			failure.Hint = fmt.Sprintf("did you mean [%s]?", suggestion)
		}
		return false
	})
	if failure == nil {
		return nil
	}
	return failure
}

package expression

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"
)

// Attributes is a source object. Attribute returns [Null] for an attribute the
// object does not have. Names are case-sensitive.
type Attributes interface {
	Attribute(name string) Value
}

// A Map is a source object as a map from attribute name to value.
type Map map[string]Value

// Attribute implements [Attributes].
func (m Map) Attribute(name string) Value { return m[name] }

// An Env is what an evaluation may need beside the expression. The zero Env
// serves expressions that need nothing.
type Env struct {
	// Source is the object whose attributes are read; nil has none.
	Source Attributes
	// Now is the time the Now function gives. Zero means the time at which the
	// evaluation begins.
	Now time.Time
	// Parameters are the job parameters: the values of %Name%.
	Parameters map[string]string
	// DefaultDomain is what DefaultDomain() gives.
	DefaultDomain string
	// Taken reports whether the target has an object with that value already.
	// SelectUniqueValue asks it; nil means that nothing is taken. It has to
	// compare without regard to case, as directories do.
	Taken func(ctx context.Context, value string) (bool, error)
	// Random is the source of Guid and RandomString; nil means [rand.Reader].
	// It has to be safe for concurrent use if the Env is shared.
	Random io.Reader
}

func (e *Env) random() io.Reader {
	if e.Random == nil {
		return rand.Reader
	}
	return e.Random
}

// A Result is the outcome of a successful evaluation.
type Result struct {
	// Value is what the target attribute gets. Null is never written: the
	// attribute is skipped, or gets the mapping's default on creation.
	Value Value
	// Ignore says that IgnoreFlowIfNullOrEmpty took the attribute out of the
	// flow: nothing is written and no default applies. Value is null.
	Ignore bool
	// Redacted says that logs must show [Redact] in place of the value.
	Redacted bool
}

// maxText bounds a text or list that an expression builds, in bytes: nested
// replacements could otherwise grow without limit.
const maxText = 1 << 20

// A scope is one running evaluation. It is passed by value, so that an
// evaluation allocates nothing but its result.
type scope struct {
	ctx   context.Context
	env   *Env
	now   int64 // ticks
	trace *tracer
}

// An evaluator computes a node that is not constant.
type evaluator func(n *Node, s scope) (Value, error)

// eval computes the node's value.
func (n *Node) eval(s scope) (Value, error) {
	if s.trace != nil {
		return s.trace.eval(n, s)
	}
	if n.folded {
		return n.value, nil
	}
	return n.run(n, s)
}

func evalAttribute(n *Node, s scope) (Value, error) {
	if s.env.Source == nil {
		return Value{}, nil
	}
	return s.env.Source.Attribute(n.Name), nil
}

func evalParameter(n *Node, s scope) (Value, error) {
	if p, ok := s.env.Parameters[n.Name]; ok {
		return Text(p), nil
	}
	err := n.fail(ErrorValue, "the job has no parameter %s", n.Name)
	err.Hint = "set the parameter in the job's settings, or write the value as a text"
	return Value{}, err
}

// fail builds an error whose position is the node: of a call, its function's
// name.
func (n *Node) fail(kind ErrorKind, format string, args ...any) *Error {
	end := n.End
	if n.Kind == NodeCall {
		end = n.Pos + len([]rune(n.Name))
	}
	return &Error{Kind: kind, Pos: n.Pos, End: end, Message: fmt.Sprintf(format, args...)}
}

// quote shows a value in an error message, unless values of this expression
// are redacted.
func (n *Node) quote(s string) string {
	const most = 80
	if n.redact {
		return "the value"
	}
	for i := range s {
		if i > most {
			return fmt.Sprintf("%q…", s[:i])
		}
	}
	return fmt.Sprintf("%q", s)
}

// mismatch reports that the i-th argument cannot be converted.
func (n *Node) mismatch(i int, v Value, want string) *Error {
	a := n.Args[i]
	what := n.parameterName(i)
	found := n.quote(v.String())
	switch {
	case v.IsNull():
		found = "null"
	case v.IsList():
		found = fmt.Sprintf("a list of %d values", len(v.elements()))
	}
	err := &Error{Kind: ErrorType, Pos: a.Pos, End: a.End,
		Message: fmt.Sprintf("%s has to be %s, found %s", what, want, found)}
	if v.IsList() {
		err.Hint = "take one value with Item(list, 1), or join them with Join(separator, list)"
	}
	if v.IsNull() {
		err.Hint = "give a value for the case that it is absent: Coalesce(a, …)"
	}
	return err
}

// parameterName names the i-th argument in an error message.
func (n *Node) parameterName(i int) string {
	if n.fn == nil {
		return [...]string{"the left side of " + n.Name, "the right side of " + n.Name}[i&1]
	}
	return fmt.Sprintf("%s of %s", n.fn.keyOf(i, len(n.Args)), n.Name)
}

// given reports whether the i-th argument is there and not omitted.
func (n *Node) given(i int) bool {
	return i < len(n.Args) && n.Args[i].Kind != NodeOmitted
}

// arg computes the i-th argument; one that is omitted is null.
func (n *Node) arg(s scope, i int) (Value, error) {
	if i >= len(n.Args) {
		return Value{}, nil
	}
	return n.Args[i].eval(s)
}

// single takes the single value out of v, the i-th argument: a list of one is
// its element and an empty list null. ok is false for a longer list.
func single(v Value) (_ Value, ok bool) {
	if v.kind != KindList {
		return v, true
	}
	switch ss := *v.list; len(ss) {
	case 0:
		return Value{}, true
	case 1:
		return Text(ss[0]), true
	}
	return Value{}, false
}

// one computes the i-th argument as a single value.
func (n *Node) one(s scope, i int) (Value, error) {
	v, err := n.arg(s, i)
	if err != nil {
		return Value{}, err
	}
	if w, ok := single(v); ok {
		return w, nil
	}
	return Value{}, n.mismatch(i, v, "a single value")
}

// textArg computes the i-th argument as text; ok is false for null.
func (n *Node) textArg(s scope, i int) (text string, ok bool, err error) {
	v, err := n.one(s, i)
	if err != nil || v.IsNull() {
		return "", false, err
	}
	return v.String(), true, nil
}

// integerArg computes the i-th argument as a whole number.
func (n *Node) integerArg(s scope, i int) (int64, error) {
	v, err := n.arg(s, i)
	if err != nil {
		return 0, err
	}
	if w, ok := single(v); ok {
		if k, ok := w.asInteger(); ok {
			return k, nil
		}
	}
	return 0, n.mismatch(i, v, "a whole number")
}

// dateArg computes the i-th argument as a point in time; ok is false for null.
func (n *Node) dateArg(s scope, i int) (ticks int64, ok bool, err error) {
	v, err := n.one(s, i)
	if err != nil || v.IsNull() {
		return 0, false, err
	}
	if v.kind == KindDateTime {
		return v.n, true, nil
	}
	if v.kind == KindText {
		if ticks, ok := parseDateTime(v.s); ok {
			return ticks, true, nil
		}
	}
	e := n.fail(ErrorValue, "%s has to be a date, found %s", n.parameterName(i), n.quote(v.String()))
	e.Hint = "dates are written 2024-03-05, 2024-03-05T10:00:00Z or 3/5/2024 (month first)"
	if v.kind == KindText && v.s == "" {
		e.Hint = "guard against an empty value: IIF(IsNullOrEmpty([a]), …, CDate([a]))"
	}
	return 0, false, e
}

// each applies f to v, the first argument of a function on a single text: to
// every element of a list, giving a list, or else to the one text; absent is
// true for null. Elements for which f gives null are left out.
func each(v Value, f func(text string, absent bool) (Value, error)) (Value, error) {
	w, ok := single(v)
	if ok {
		return f(w.String(), w.IsNull())
	}
	out := make([]string, 0, len(*v.list))
	for _, e := range *v.list {
		r, err := f(e, false)
		if err != nil {
			return Value{}, err
		}
		if r.IsNull() {
			continue
		}
		out = append(out, r.String())
	}
	return listOf(out), nil
}

// truth converts to a Boolean: a number that is not zero and the text true,
// in any case, are true, also a text that is such a number; all else is false.
func truth(v Value) bool {
	v, _ = single(v)
	switch v.kind {
	case KindBool:
		return v.n != 0
	case KindNumber:
		return !v.isZero()
	case KindText:
		if equalFoldASCII(v.s, "true") {
			return true
		}
		w, ok := parseDecimal(v.s)
		return ok && !w.isZero()
	}
	return false
}

// equalFoldASCII reports whether s is lower, which is lower-case ASCII, in any
// case.
func equalFoldASCII(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range len(s) {
		if s[i] != lower[i] && (s[i] < 'A' || s[i] > 'Z' || s[i]+'a'-'A' != lower[i]) {
			return false
		}
	}
	return true
}

// canceled reports that the context ended.
func (n *Node) canceled(err error) *Error {
	e := n.fail(ErrorCanceled, "the evaluation of %s was stopped", n.Name)
	e.err = err
	return e
}

// tooLong reports a result beyond maxText.
func (n *Node) tooLong() *Error {
	return n.fail(ErrorValue, "the result of %s is longer than %d bytes", n.Name, maxText)
}

package provision

import (
	"fmt"
	"strconv"
	"strings"

	"lockstep/internal/expression"
)

// An EvaluationError is what went wrong with an expression for one object: the
// error together with the object and the values that led to it.
type EvaluationError struct {
	// Object is what people call the object, "" when it has no name.
	Object string
	// Values are the attributes that the expression reads, as text: [mail] is
	// "x". Those of an expression that redacts are hidden.
	Values []string
	Err    error
}

// NewEvaluationError adds to err, which the evaluation of p for source gave,
// whom and what it concerns.
func NewEvaluationError(p *expression.Program, source expression.Attributes, err error) *EvaluationError {
	e := &EvaluationError{Err: err}
	switch s := source.(type) {
	case nil:
		return e
	case interface{ Name() string }:
		e.Object = s.Name()
	case expression.Map:
		e.Object = ObjectFrom(User, s).Name()
	}
	for _, name := range p.References() {
		e.Values = append(e.Values, "["+name+"] is "+shownValue(source.Attribute(name), p.Redacted()))
	}
	return e
}

// maxShown bounds how much of a value an error shows.
const maxShown = 100

func shownValue(v expression.Value, redacted bool) string {
	switch {
	case redacted:
		return "hidden"
	case v.IsNull():
		return "empty"
	}
	var shown []string
	for _, s := range v.Strings() {
		if rs := []rune(s); len(rs) > maxShown {
			s = string(rs[:maxShown]) + "…"
		}
		shown = append(shown, strconv.Quote(s))
	}
	if v.IsList() {
		return fmt.Sprintf("a list of %d: %s", len(shown), strings.Join(shown[:min(len(shown), 5)], ", "))
	}
	return shown[0]
}

// Error returns the error, the object and the values in one line.
func (e *EvaluationError) Error() string {
	s := e.Err.Error()
	if e.Object != "" {
		s += "; for " + e.Object
	}
	if len(e.Values) > 0 {
		s += "; where " + strings.Join(e.Values, ", ")
	}
	return s
}

// Unwrap returns the error of the evaluation.
func (e *EvaluationError) Unwrap() error { return e.Err }

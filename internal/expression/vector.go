package expression

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Vector is one test case: an expression, a source object and what the
// expression has to give.
type Vector struct {
	ID         string        `json:"id"`
	Function   string        `json:"function,omitempty"`
	Expression string        `json:"expression"`
	Source     Map           `json:"source"`
	Context    VectorContext `json:"context,omitzero"`
	Expected   Expectation   `json:"expected"`
	Note       string        `json:"note,omitempty"`
	Origin     string        `json:"origin,omitempty"`
}

// A VectorContext is what an evaluation needs beside the source object.
type VectorContext struct {
	Now           time.Time         `json:"now,omitzero"`
	Taken         []string          `json:"taken,omitempty"`
	Parameters    map[string]string `json:"parameters,omitempty"`
	DefaultDomain string            `json:"defaultDomain,omitempty"`
}

// An Expectation is what a vector's expression has to give. In JSON it is a
// text (the text form of a single value), a list of texts, null,
// {"ignoreFlow": true}, {"matches": "pattern"} with a pattern of Go's regexp,
// {"randomString": {…}}, or {"error": kind, "position": n}.
type Expectation struct {
	Value      Value
	IgnoreFlow bool
	Matches    *regexp.Regexp
	Random     *RandomExpectation
	Error      ErrorKind
	Position   *int // nil: anywhere

	raw json.RawMessage
}

// A RandomExpectation is what a random text has to satisfy.
type RandomExpectation struct {
	Length     int    `json:"length"`
	MinNumbers int    `json:"minNumbers"`
	MinSpecial int    `json:"minSpecial"`
	MinCapital int    `json:"minCapital"`
	MinLower   int    `json:"minLower"`
	Avoid      string `json:"avoid"`
}

// UnmarshalJSON reads one of the forms of an expectation.
func (e *Expectation) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	*e = Expectation{raw: slices.Clone(data)}
	if len(data) == 0 || data[0] != '{' {
		var v Value
		if err := v.UnmarshalJSON(data); err != nil {
			return err
		}
		switch v.Kind() {
		case KindNull, KindText, KindList:
			e.Value = v
			return nil
		}
		return fmt.Errorf("expected is %s; single values are given as text", data)
	}
	var object struct {
		IgnoreFlow bool               `json:"ignoreFlow"`
		Matches    *string            `json:"matches"`
		Random     *RandomExpectation `json:"randomString"`
		Error      ErrorKind          `json:"error"`
		Position   *int               `json:"position"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&object); err != nil {
		return fmt.Errorf("expected: %w", err)
	}
	e.IgnoreFlow, e.Random, e.Error, e.Position = object.IgnoreFlow, object.Random, object.Error, object.Position
	if object.Matches != nil {
		re, err := regexp.Compile(*object.Matches)
		if err != nil {
			return fmt.Errorf("expected: %w", err)
		}
		e.Matches = re
	}
	if !e.IgnoreFlow && e.Matches == nil && e.Random == nil && e.Error == "" {
		return fmt.Errorf("expected is %s; one of ignoreFlow, matches, randomString and error is needed", data)
	}
	return nil
}

// MarshalJSON writes what was read, or the simple forms.
func (e Expectation) MarshalJSON() ([]byte, error) {
	switch {
	case e.raw != nil:
		return e.raw, nil
	case e.IgnoreFlow:
		return []byte(`{"ignoreFlow":true}`), nil
	case e.Matches != nil:
		return json.Marshal(map[string]string{"matches": e.Matches.String()})
	case e.Random != nil:
		return json.Marshal(map[string]*RandomExpectation{"randomString": e.Random})
	case e.Error != "" && e.Position == nil:
		return json.Marshal(map[string]ErrorKind{"error": e.Error})
	case e.Error != "":
		return json.Marshal(map[string]any{"error": e.Error, "position": *e.Position})
	}
	return e.Value.MarshalJSON()
}

// ReadVectors reads a JSON array of vectors. An error names the vector that is
// not well formed.
func ReadVectors(r io.Reader) ([]Vector, error) {
	dec := json.NewDecoder(r)
	t, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("reading vectors: %w", err)
	}
	if t != json.Delim('[') {
		return nil, errors.New("reading vectors: the file has to hold a JSON array of objects with id, expression, source and expected")
	}
	var vs []Vector
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("reading vector %d: %w", len(vs)+1, err)
		}
		var v Vector
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, fmt.Errorf("reading vector %d %s: %w", len(vs)+1, v.ID, err)
		}
		var present struct {
			Expression *string         `json:"expression"`
			Expected   json.RawMessage `json:"expected"`
		}
		if err := json.Unmarshal(raw, &present); err != nil {
			return nil, fmt.Errorf("reading vector %d %s: %w", len(vs)+1, v.ID, err)
		}
		if present.Expression == nil || present.Expected == nil {
			return nil, fmt.Errorf("reading vector %d %s: expression and expected are needed", len(vs)+1, v.ID)
		}
		vs = append(vs, v)
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("reading vectors: %w", err)
	}
	return vs, nil
}

// Run evaluates the vector. It returns nil if the outcome is the expected one,
// and otherwise an error that tells both.
func (v Vector) Run() error {
	result, err := v.eval()
	got := describe(result, err)
	e := v.Expected
	if e.Error != "" {
		failure, ok := errors.AsType[*Error](err)
		switch {
		case !ok || failure.Kind != e.Error:
			return fmt.Errorf("got %s, want an error of kind %s", got, e.Error)
		case e.Position != nil && failure.Pos != *e.Position:
			return fmt.Errorf("got %s, want position %d", got, *e.Position)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("got %s, want %s", got, e.describe())
	}
	ok := false
	switch value := result.Value; {
	case e.IgnoreFlow:
		ok = result.Ignore
	case e.Matches != nil:
		ok = !value.IsNull() && !value.IsList() && e.Matches.MatchString(value.String())
	case e.Random != nil:
		if problem := e.Random.check(value); problem != "" {
			return fmt.Errorf("got %s, want %s", got, problem)
		}
		return nil
	case result.Ignore:
	case e.Value.IsNull():
		ok = value.IsNull()
	case e.Value.IsList():
		ok = value.IsList() && slices.Equal(value.elements(), e.Value.elements())
	default:
		ok = !value.IsNull() && !value.IsList() && value.String() == e.Value.String()
	}
	if !ok {
		return fmt.Errorf("got %s, want %s", got, e.describe())
	}
	return nil
}

func (v Vector) eval() (Result, error) {
	p, err := Compile(v.Expression)
	if err != nil {
		return Result{}, err
	}
	return p.Eval(context.Background(), &Env{
		Source:        v.Source,
		Now:           v.Context.Now,
		Parameters:    v.Context.Parameters,
		DefaultDomain: v.Context.DefaultDomain,
		Taken: func(_ context.Context, value string) (bool, error) {
			return slices.ContainsFunc(v.Context.Taken, func(t string) bool { return strings.EqualFold(t, value) }), nil
		},
	})
}

// describe shows an outcome in a vector's terms.
func describe(result Result, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case result.Ignore:
		return "ignore flow"
	case result.Value.IsNull():
		return "null"
	case result.Value.IsList():
		return fmt.Sprintf("the list %q", result.Value.elements())
	}
	return fmt.Sprintf("%q", result.Value.String())
}

func (e Expectation) describe() string {
	if e.Matches != nil {
		return "a text matching " + e.Matches.String()
	}
	return describe(Result{Value: e.Value, Ignore: e.IgnoreFlow}, nil)
}

// check returns what a random text lacks, or "".
func (e RandomExpectation) check(v Value) string {
	if v.Kind() != KindText {
		return "a text"
	}
	text := v.String()
	count := func(class string) (n int) {
		for _, r := range text {
			if strings.ContainsRune(class, r) {
				n++
			}
		}
		return n
	}
	if n := len([]rune(text)); n != e.Length {
		return fmt.Sprintf("%d characters", e.Length)
	}
	for _, class := range []struct {
		name, characters string
		least            int
	}{
		{"digits", digits, e.MinNumbers},
		{"special characters", specials, e.MinSpecial},
		{"capitals", capitals, e.MinCapital},
		{"lower-case letters", smalls, e.MinLower},
	} {
		if count(class.characters) < class.least {
			return fmt.Sprintf("at least %d %s", class.least, class.name)
		}
	}
	switch {
	case strings.ContainsAny(text, e.Avoid):
		return fmt.Sprintf("none of %q", e.Avoid)
	case count(digits+specials+capitals+smalls) != e.Length:
		return "only digits, letters and special characters"
	}
	return ""
}

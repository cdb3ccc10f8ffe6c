package desk

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A setter reads one attribute of a request body into t. Errors without a
// field blame the attribute itself.
type setter[T any] func(w *world, t *T, raw json.RawMessage) []FieldError

// A form says which attributes a request body may have. A nil setter marks an
// attribute that exists but can only be read; a name that is missing is an
// unexpected field, which the API refuses.
type form[T any] map[string]setter[T]

// fill reads body into t and returns an error per attribute at fault.
func (f form[T]) fill(w *world, t *T, body map[string]json.RawMessage) []FieldError {
	var errs []FieldError
	for _, name := range slices.Sorted(maps.Keys(body)) {
		set, known := f[name]
		switch {
		case !known:
			errs = append(errs, FieldError{name, "Unexpected/invalid field in request", codeInvalidField})
		case set == nil:
			errs = append(errs, FieldError{name, "It is a read-only field and cannot be set", codeReadonlyField})
		default:
			for _, e := range set(w, t, body[name]) {
				if e.Field == "" {
					e.Field = name
				} else {
					e.Field = name + "." + e.Field
				}
				errs = append(errs, e)
			}
		}
	}
	return errs
}

// with returns a copy of f with the attributes of g added.
func (f form[T]) with(g form[T]) form[T] {
	out := maps.Clone(f)
	maps.Copy(out, g)
	return out
}

// without returns a copy of f that lacks some attributes.
func (f form[T]) without(names ...string) form[T] {
	out := maps.Clone(f)
	for _, n := range names {
		delete(out, n)
	}
	return out
}

func mismatch(want string) []FieldError {
	return []FieldError{{Message: "It should be a/an " + want, Code: codeDatatypeMismatch}}
}

func wrong(format string, args ...any) []FieldError {
	return []FieldError{{Message: fmt.Sprintf(format, args...), Code: codeInvalidValue}}
}

// asString reads a JSON string; null is "".
func asString(raw json.RawMessage) (string, bool) {
	var s string
	if isNull(raw) {
		return "", true
	}
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// asID reads a positive integer; null is 0.
func asID(raw json.RawMessage) (int64, bool) {
	if isNull(raw) {
		return 0, true
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil && n > 0
}

func text[T any, S ~string](at func(*T) *S) setter[T] {
	return func(_ *world, t *T, raw json.RawMessage) []FieldError {
		s, ok := asString(raw)
		if !ok {
			return mismatch("String")
		}
		*at(t) = S(s)
		return nil
	}
}

// number reads what the documentation calls a number and every live answer
// shows as a string: phone numbers and external ids.
func number[T any](at func(*T) *string) setter[T] {
	return func(_ *world, t *T, raw json.RawMessage) []FieldError {
		s, ok := asString(raw)
		if !ok {
			if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
				return mismatch("String")
			}
			s = string(raw)
		}
		*at(t) = s
		return nil
	}
}

func boolean[T any](at func(*T) *bool) setter[T] {
	return func(_ *world, t *T, raw json.RawMessage) []FieldError {
		switch string(raw) {
		case "true":
			*at(t) = true
		case "false":
			*at(t) = false
		default:
			return mismatch("Boolean")
		}
		return nil
	}
}

func id[T any, N ~int64](at func(*T) *N) setter[T] {
	return func(_ *world, t *T, raw json.RawMessage) []FieldError {
		n, ok := asID(raw)
		if !ok {
			return mismatch("Positive Integer")
		}
		*at(t) = N(n)
		return nil
	}
}

func ids[T any, L ~[]int64](at func(*T) *L) setter[T] {
	return func(_ *world, t *T, raw json.RawMessage) []FieldError {
		var raws []json.RawMessage
		if json.Unmarshal(raw, &raws) != nil {
			return mismatch("Array")
		}
		all := make([]int64, len(raws))
		for i, r := range raws {
			n, ok := asID(r)
			if !ok || n == 0 {
				return mismatch("Array of Positive Integers")
			}
			all[i] = n
		}
		*at(t) = set(all)
		return nil
	}
}

func texts[T any, L ~[]string](at func(*T) *L) setter[T] {
	return func(_ *world, t *T, raw json.RawMessage) []FieldError {
		var all []string
		var raws []json.RawMessage
		if json.Unmarshal(raw, &raws) != nil {
			return mismatch("Array")
		}
		for _, r := range raws {
			s, ok := asString(r)
			if !ok || isNull(r) {
				return mismatch("Array of Strings")
			}
			all = append(all, s)
		}
		*at(t) = all
		return nil
	}
}

func choice[T any, S ~string](at func(*T) *S, choices ...string) setter[T] {
	return func(_ *world, t *T, raw json.RawMessage) []FieldError {
		s, ok := asString(raw)
		if !ok {
			return mismatch("String")
		}
		if s != "" && !slices.Contains(choices, s) {
			return wrong("It should be one of these values: '%s'", strings.Join(choices, ","))
		}
		*at(t) = S(s)
		return nil
	}
}

// nested reads an object with a form of its own.
func nested[T, N any](at func(*T) *N, f form[N]) setter[T] {
	return func(w *world, t *T, raw json.RawMessage) []FieldError {
		var body map[string]json.RawMessage
		if json.Unmarshal(raw, &body) != nil {
			return mismatch("Object")
		}
		return f.fill(w, at(t), body)
	}
}

// noCustomFields accepts an empty object: the resource has no custom fields.
func noCustomFields[T any](_ *world, _ *T, raw json.RawMessage) []FieldError {
	var body map[string]json.RawMessage
	if json.Unmarshal(raw, &body) != nil {
		return mismatch("Object")
	}
	return form[T]{}.fill(nil, nil, body)
}

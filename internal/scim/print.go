package scim

import (
	"encoding/json"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// String returns the path in canonical form; parsing it again gives an equal
// path.
func (p Path) String() string {
	if p.URN == "" && p.Filter == nil && p.Sub == "" {
		return p.Attr
	}
	return string(appendPath(nil, p))
}

// String returns the operands joined by "and".
func (f *And) String() string { return string(appendFilter(nil, f)) }

// String returns the operands joined by "or".
func (f *Or) String() string { return string(appendFilter(nil, f)) }

// String returns "not (…)".
func (f *Not) String() string { return string(appendFilter(nil, f)) }

// String returns path, operator and value.
func (f *Comparison) String() string { return string(appendFilter(nil, f)) }

// String returns the path and "pr".
func (f *Present) String() string { return string(appendFilter(nil, f)) }

// String returns the path with its filter in brackets.
func (f *ValuePath) String() string { return string(appendFilter(nil, f)) }

func appendPath(b []byte, p Path) []byte {
	b = append(b, p.URN...)
	if p.Attr != "" {
		if p.URN != "" {
			b = append(b, ':')
		}
		b = append(b, p.Attr...)
	}
	if p.Filter != nil {
		b = append(b, '[')
		b = appendFilter(b, p.Filter)
		b = append(b, ']')
	}
	if p.Sub != "" {
		b = append(b, '.')
		b = append(b, p.Sub...)
	}
	return b
}

func appendFilter(b []byte, f Filter) []byte {
	switch f := f.(type) {
	case *And:
		for i, o := range f.Operands {
			if i > 0 {
				b = append(b, " and "...)
			}
			b = appendOperand(b, o, true)
		}
	case *Or:
		for i, o := range f.Operands {
			if i > 0 {
				b = append(b, " or "...)
			}
			b = appendOperand(b, o, false)
		}
	case *Not:
		b = append(b, "not ("...)
		b = appendFilter(b, f.Operand)
		b = append(b, ')')
	case *Comparison:
		b = appendPath(b, f.Path)
		b = append(b, ' ')
		b = append(b, f.Op...)
		b = append(b, ' ')
		b = appendLiteral(b, f.Value)
	case *Present:
		b = appendPath(b, f.Path)
		b = append(b, " pr"...)
	case *ValuePath:
		b = appendPath(b, f.Path)
		b = append(b, '[')
		b = appendFilter(b, f.Filter)
		b = append(b, ']')
	}
	return b
}

// appendOperand puts an operand into parentheses where the parser would
// otherwise read another tree: "or" inside "and", and a list inside a list of
// its own kind.
func appendOperand(b []byte, f Filter, inAnd bool) []byte {
	switch f.(type) {
	case *Or:
	case *And:
		if !inAnd {
			return appendFilter(b, f)
		}
	default:
		return appendFilter(b, f)
	}
	b = append(b, '(')
	b = appendFilter(b, f)
	return append(b, ')')
}

func appendLiteral(b []byte, v Value) []byte {
	switch v := v.(type) {
	case string:
		// Text that is not UTF-8 cannot come out of the parser; in a filter
		// built by hand its bad bytes become U+FFFD.
		b, _ = jsontext.AppendQuote(b, v)
		return b
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		return append(b, v...)
	default:
		return append(b, "null"...)
	}
}

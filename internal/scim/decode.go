package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a decoded document. SCIM values nest four deep at the most and have
// some dozens of names; the rest is room for extensions.
const (
	maxDepth = 32
	maxNames = 1000
)

// ParseObject decodes one JSON object. It refuses repeated names (also when
// they differ in case only), nesting deeper than 32 levels, objects of more
// than 1000 names and anything after the object, with an [Error] of type
// invalidSyntax that says where.
func ParseObject(data []byte) (*Object, error) {
	// One pass checks the whole text, so that the second, which builds the
	// values, need not.
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))
	text, err := dec.ReadValue()
	if err != nil {
		return nil, syntaxError(err, dec)
	}
	if text.Kind() != '{' {
		return nil, Errorf(InvalidSyntax, "the body must be a JSON object")
	}
	w := walker{data: string(text)}
	v, err := w.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return nil, Errorf(InvalidSyntax, "there is something after the end of the JSON object, at byte %d", dec.InputOffset())
	}
	return v.(*Object), nil
}

func syntaxError(err error, dec *jsontext.Decoder) error {
	if err == io.EOF {
		return Errorf(InvalidSyntax, "the body is empty; a JSON object is needed")
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return Errorf(InvalidSyntax, "the body is not valid JSON at byte %d: %v", e.ByteOffset, e.Err)
	}
	return Errorf(InvalidSyntax, "the body is not valid JSON at byte %d: %v", dec.InputOffset(), err)
}

// A walker builds values from JSON text that is known to be valid. Names and
// strings without escapes are parts of that text, not copies.
type walker struct {
	data string
	pos  int
}

// next skips space, the comma and the colon, and returns what comes then.
func (w *walker) next() byte {
	for {
		switch c := w.data[w.pos]; c {
		case ' ', '\t', '\n', '\r', ',', ':':
			w.pos++
		default:
			return c
		}
	}
}

func (w *walker) value(depth int) (Value, error) {
	if depth > maxDepth {
		return nil, Errorf(InvalidSyntax, "the JSON is nested deeper than %d levels", maxDepth)
	}
	switch w.next() {
	case '{':
		return w.object(depth)
	case '[':
		w.pos++
		list := []Value{}
		for w.next() != ']' {
			v, err := w.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		w.pos++
		return list, nil
	case '"':
		text, plain := w.text()
		if plain {
			return text[1 : len(text)-1], nil
		}
		return unquote(text)
	case 't':
		w.pos += len("true")
		return true, nil
	case 'f':
		w.pos += len("false")
		return false, nil
	case 'n':
		w.pos += len("null")
		return nil, nil
	}
	start := w.pos
	for w.pos < len(w.data) && strings.IndexByte(" \t\n\r,]}", w.data[w.pos]) < 0 {
		w.pos++
	}
	return json.Number(w.data[start:w.pos]), nil
}

func (w *walker) object(depth int) (*Object, error) {
	w.pos++
	o := &Object{}
	var seen map[string]bool // of folded names, once there are many
	for w.next() != '}' {
		text, plain := w.text()
		name := text[1 : len(text)-1]
		if !plain {
			var err error
			if name, err = unquote(text); err != nil {
				return nil, err
			}
		}
		v, err := w.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if seen == nil && o.index(name) >= 0 || seen != nil && seen[Fold(name)] {
			return nil, Errorf(InvalidSyntax, "the attribute %q appears twice in one object", name).On(name)
		}
		if o.fields == nil {
			o.fields = make([]field, 0, 4)
		}
		o.fields = append(o.fields, field{name, v})
		switch n := len(o.fields); {
		case n > maxNames:
			return nil, Errorf(InvalidSyntax, "an object has more than %d attributes", maxNames)
		case seen != nil:
			seen[Fold(name)] = true
		case n > 32:
			seen = make(map[string]bool, 2*n)
			for _, f := range o.fields {
				seen[Fold(f.name)] = true
			}
		}
	}
	w.pos++
	return o, nil
}

// text returns the string that comes next with its quotes, and whether it is
// free of escapes.
func (w *walker) text() (text string, plain bool) {
	start := w.pos
	plain = true
	for i := start + 1; ; i++ {
		switch w.data[i] {
		case '\\':
			plain = false
			i++
		case '"':
			w.pos = i + 1
			return w.data[start:w.pos], plain
		}
	}
}

func unquote(text string) (string, error) {
	b, err := jsontext.AppendUnquote(make([]byte, 0, len(text)), text)
	if err != nil {
		return "", Errorf(InvalidSyntax, "the body is not valid JSON: %v", err)
	}
	return string(b), nil
}

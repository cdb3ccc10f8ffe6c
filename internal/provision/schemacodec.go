package provision

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The schema is read and written by a codec of its own because encoding/json
// would drop unknown members, sort nothing back into its place and make null,
// "" and absence one. Each type lists its members once; what was read is kept
// beside the typed fields, and a member is written as it was read unless its
// field has changed since.

// MaxSchemaBytes is how large a schema document may be. The largest known
// exports (a tenant with thousands of directory extensions) have a few megabytes.
const MaxSchemaBytes = 16 << 20

// Further limits of a schema document.
const (
	maxSchemaDepth = 200
	// maxMappings bounds the rules, object mappings and attribute mappings of a
	// schema together; apps have some dozens.
	maxMappings = 5000
)

// A SchemaError says what is wrong with a schema document and where.
type SchemaError struct {
	// Path leads to the value: synchronizationRules[0].objectMappings[1].enabled.
	Path string
	// Line and Column count from 1; 0 when unknown.
	Line, Column int
	Message      string
}

// Error returns place and message in one line.
func (e *SchemaError) Error() string {
	var b strings.Builder
	b.WriteString("schema: ")
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", e.Line, e.Column)
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Message)
	return b.String()
}

// A node is one object of the schema document.
type node interface {
	// members lists what is known, in the order in which Graph writes it.
	members() []member
	kept() *layout
}

// A layout remembers how a node stood in the document it was read from.
type layout struct {
	read bool
	rows []layoutRow
}

type layoutRow struct {
	name string
	// raw is the text of an unknown member or of a scalar; of an array or object
	// with a codec it is nil, unless it was null.
	raw jsontext.Value
}

type member struct {
	name  string
	codec codec
	// optional members are not written for a new node while they are empty.
	optional bool
}

// A codec reads and writes the value of one member.
type codec interface {
	// read takes the next value from the document. raw is kept for write.
	read(d *schemaReader) (raw jsontext.Value, err error)
	write(b []byte, raw jsontext.Value) []byte
	empty() bool
}

type schemaReader struct {
	*jsontext.Decoder
	data []byte
}

func readLimited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSchemaBytes+1))
	if err != nil {
		return nil, fmt.Errorf("schema: reading: %w", err)
	}
	if len(data) > MaxSchemaBytes {
		return nil, &SchemaError{Message: fmt.Sprintf("the document is larger than %d MiB; a synchronization schema is far smaller", MaxSchemaBytes>>20)}
	}
	// Editors on Windows like to put a byte order mark first.
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

func unmarshalInto(data []byte, n node) error {
	// The decoder keeps slices of its input.
	return unmarshalNode(bytes.Clone(data), n)
}

func unmarshalNode(data []byte, n node) error {
	d := &schemaReader{jsontext.NewDecoder(bytes.NewBuffer(data)), data}
	if len(bytes.TrimSpace(data)) == 0 {
		return &SchemaError{Message: "the document is empty; the JSON of a synchronizationSchema is needed"}
	}
	if err := d.node(n); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return d.fail("there is something after the end of the document")
	}
	return nil
}

func (d *schemaReader) node(n node) error {
	tok, err := d.ReadToken()
	if err != nil {
		return d.syntax(err)
	}
	if tok.Kind() != '{' {
		return d.expected("an object", tok.Kind())
	}
	if d.StackDepth() > maxSchemaDepth {
		return d.fail("the document is nested deeper than %d levels", maxSchemaDepth)
	}
	members, kept := n.members(), n.kept()
	*kept = layout{read: true, rows: make([]layoutRow, 0, len(members))}
	for d.PeekKind() != '}' {
		tok, err := d.ReadToken()
		if err != nil {
			return d.syntax(err)
		}
		row := layoutRow{name: tok.String()}
		if m := memberNamed(members, row.name); m != nil {
			row.raw, err = m.codec.read(d)
		} else {
			row.raw, err = d.value()
		}
		if err != nil {
			return err
		}
		kept.rows = append(kept.rows, row)
	}
	if _, err := d.ReadToken(); err != nil {
		return d.syntax(err)
	}
	return nil
}

func memberNamed(members []member, name string) *member {
	for i := range members {
		if members[i].name == name {
			return &members[i]
		}
	}
	return nil
}

// value reads any value and returns its text without insignificant space.
func (d *schemaReader) value() (jsontext.Value, error) {
	v, err := d.ReadValue()
	if err != nil {
		return nil, d.syntax(err)
	}
	if k := v.Kind(); k == '{' || k == '[' {
		v = v.Clone()
		if err := v.Compact(); err != nil {
			return nil, d.syntax(err)
		}
	}
	return v.Clone(), nil
}

func (d *schemaReader) fail(format string, args ...any) error {
	e := &SchemaError{Path: dotted(d.StackPointer()), Message: fmt.Sprintf(format, args...)}
	e.Line, e.Column = lineOf(d.data, d.InputOffset())
	return e
}

func (d *schemaReader) expected(what string, found jsontext.Kind) error {
	return d.fail("%s is expected, not %s", what, kindName(found))
}

func (d *schemaReader) syntax(err error) error {
	e := &SchemaError{Message: "this is not valid JSON: " + err.Error()}
	offset := d.InputOffset()
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		e.Path, offset = dotted(s.JSONPointer), s.ByteOffset
		e.Message = "this is not valid JSON: " + s.Err.Error()
		if errors.Is(s.Err, jsontext.ErrDuplicateName) {
			e.Message = "the member appears twice"
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		e.Message = "the JSON ends too early; was the file cut off?"
	}
	e.Line, e.Column = lineOf(d.data, offset)
	return e
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a Boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "the end of a list"
}

// dotted turns /a/0/b into a[0].b.
func dotted(p jsontext.Pointer) string {
	var b strings.Builder
	for tok := range p.Tokens() {
		if _, err := strconv.Atoi(tok); err == nil && b.Len() > 0 {
			b.WriteString("[" + tok + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(tok)
	}
	return b.String()
}

func lineOf(data []byte, offset int64) (line, column int) {
	before := data[:min(int(offset), len(data))]
	return bytes.Count(before, []byte{'\n'}) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

func appendNode(b []byte, n node) []byte {
	members, kept := n.members(), n.kept()
	b = append(b, '{')
	start := len(b)
	name := func(s string) {
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(appendText(b, s), ':')
	}
	for _, row := range kept.rows {
		name(row.name)
		if m := memberNamed(members, row.name); m != nil {
			b = m.codec.write(b, row.raw)
		} else {
			b = append(b, row.raw...)
		}
	}
	for _, m := range members {
		known := false
		for _, row := range kept.rows {
			known = known || row.name == m.name
		}
		if known || m.codec.empty() && (kept.read || m.optional) {
			continue
		}
		name(m.name)
		b = m.codec.write(b, nil)
	}
	return append(b, '}')
}

func appendText(b []byte, s string) []byte {
	// The only error is invalid UTF-8, which is replaced.
	b, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\ufffd"))
	return b
}

// scalarCodec holds for strings, Booleans and numbers.
type scalarCodec[T comparable] struct {
	field *T
	// what the reader is told to expect, kinds that are taken.
	what  string
	parse func(v jsontext.Value) (T, bool)
	print func(b []byte, v T) []byte
	// nullable fields are written as null when empty.
	nullable bool
}

func (c scalarCodec[T]) read(d *schemaReader) (jsontext.Value, error) {
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	value, ok := c.parseOrNull(v)
	if !ok {
		if k := v.Kind(); k == '"' || k == '0' {
			return nil, d.fail("%s is expected, not %s", c.what, v)
		}
		return nil, d.expected(c.what, v.Kind())
	}
	*c.field = value
	return v, nil
}

func (c scalarCodec[T]) parseOrNull(v jsontext.Value) (T, bool) {
	if v.Kind() == 'n' {
		var zero T
		return zero, true
	}
	return c.parse(v)
}

func (c scalarCodec[T]) write(b []byte, raw jsontext.Value) []byte {
	if raw != nil {
		if was, ok := c.parseOrNull(raw); ok && was == *c.field {
			return append(b, raw...)
		}
	}
	if c.nullable && c.empty() {
		return append(b, "null"...)
	}
	return c.print(b, *c.field)
}

func (c scalarCodec[T]) empty() bool {
	var zero T
	return *c.field == zero
}

func parseText[T ~string](v jsontext.Value) (T, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return T(b), err == nil
}

func printText[T ~string](b []byte, s T) []byte { return appendText(b, string(s)) }

// text is a string member that is never null when written anew.
func text[T ~string](name string, field *T) member {
	return member{name: name, codec: scalarCodec[T]{field, "a string", parseText[T], printText[T], false}}
}

// nullText is a string member that is null when empty.
func nullText(name string, field *string) member {
	return member{name: name, codec: scalarCodec[string]{field, "a string or null", parseText[string], printText[string], true}}
}

func flag(name string, field *bool) member {
	parse := func(v jsontext.Value) (bool, bool) { return v.Kind() == 't', v.Kind() == 't' || v.Kind() == 'f' }
	return member{name: name, codec: scalarCodec[bool]{field, "true or false", parse, strconv.AppendBool, false}}
}

func integer(name string, field *int) member {
	parse := func(v jsontext.Value) (int, bool) {
		n, err := strconv.Atoi(string(v))
		return n, err == nil
	}
	print := func(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
	return member{name: name, codec: scalarCodec[int]{field, "a whole number", parse, print, false}}
}

func flowTypes(name string, field *FlowTypes) member {
	parse := func(v jsontext.Value) (FlowTypes, bool) {
		s, ok := parseText[string](v)
		if !ok {
			return 0, false
		}
		f, err := ParseFlowTypes(s)
		return f, err == nil
	}
	print := func(b []byte, f FlowTypes) []byte { return appendText(b, f.String()) }
	return member{name: name, codec: scalarCodec[FlowTypes]{field, `a list of Add, Update and Delete such as "Add, Update"`, parse, print, false}}
}

// ParseFlowTypes reads Graph's text: "Add, Update, Delete" or "None".
func ParseFlowTypes(s string) (FlowTypes, error) {
	var f FlowTypes
	for word := range strings.SplitSeq(s, ",") {
		switch strings.ToLower(strings.TrimSpace(word)) {
		case "add":
			f |= FlowAdd
		case "update":
			f |= FlowUpdate
		case "delete":
			f |= FlowDelete
		case "none", "":
		default:
			return 0, fmt.Errorf("%q is not an action of an object mapping: the actions are Add, Update and Delete", strings.TrimSpace(word))
		}
	}
	return f, nil
}

// listCodec holds for arrays of strings.
type listCodec struct{ field *[]string }

func (c listCodec) read(d *schemaReader) (jsontext.Value, error) {
	return d.array(func() error {
		v, err := d.value()
		if err != nil {
			return err
		}
		s, ok := parseText[string](v)
		if !ok {
			return d.expected("a string", v.Kind())
		}
		*c.field = append(*c.field, s)
		return nil
	}, func() { *c.field = []string{} })
}

func (c listCodec) write(b []byte, raw jsontext.Value) []byte {
	if *c.field == nil && raw != nil {
		return append(b, raw...)
	}
	b = append(b, '[')
	for i, s := range *c.field {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s)
	}
	return append(b, ']')
}

func (c listCodec) empty() bool { return len(*c.field) == 0 }

// array reads an array or null, which is returned.
func (d *schemaReader) array(element func() error, start func()) (jsontext.Value, error) {
	tok, err := d.ReadToken()
	if err != nil {
		return nil, d.syntax(err)
	}
	switch tok.Kind() {
	case 'n':
		return jsontext.Value("null"), nil
	case '[':
	default:
		return nil, d.expected("an array", tok.Kind())
	}
	start()
	for d.PeekKind() != ']' {
		if err := element(); err != nil {
			return nil, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, d.syntax(err)
	}
	return nil, nil
}

func texts(name string, field *[]string) member { return member{name: name, codec: listCodec{field}} }

// nodesCodec holds for arrays of objects.
type nodesCodec[T any, P interface {
	*T
	node
}] struct{ field *[]*T }

func (c nodesCodec[T, P]) read(d *schemaReader) (jsontext.Value, error) {
	return d.array(func() error {
		n := P(new(T))
		*c.field = append(*c.field, (*T)(n))
		return d.node(n)
	}, func() { *c.field = []*T{} })
}

func (c nodesCodec[T, P]) write(b []byte, raw jsontext.Value) []byte {
	if *c.field == nil && raw != nil {
		return append(b, raw...)
	}
	b = append(b, '[')
	for i, n := range *c.field {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNode(b, P(n))
	}
	return append(b, ']')
}

func (c nodesCodec[T, P]) empty() bool { return len(*c.field) == 0 }

func nodes[T any, P interface {
	*T
	node
}](name string, field *[]*T,
) member {
	return member{name: name, codec: nodesCodec[T, P]{field}}
}

// nodeCodec holds for one object or null.
type nodeCodec[T any, P interface {
	*T
	node
}] struct{ field **T }

func (c nodeCodec[T, P]) read(d *schemaReader) (jsontext.Value, error) {
	if d.PeekKind() == 'n' {
		return d.value()
	}
	n := P(new(T))
	*c.field = n
	return nil, d.node(n)
}

func (c nodeCodec[T, P]) write(b []byte, _ jsontext.Value) []byte {
	if *c.field == nil {
		return append(b, "null"...)
	}
	return appendNode(b, P(*c.field))
}

func (c nodeCodec[T, P]) empty() bool { return *c.field == nil }

func object[T any, P interface {
	*T
	node
}](name string, field **T,
) member {
	return member{name: name, codec: nodeCodec[T, P]{field}}
}

func optional(m member) member {
	m.optional = true
	return m
}

package file

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// A jsonReader reads users and groups as Microsoft Graph gives them: an array,
// {"value": […]}, or {"users": […], "groups": […]}. It holds one item at a
// time, and of an item's members only their IDs.
type jsonReader struct {
	dec     *jsontext.Decoder
	lines   *lineCounter
	full    bool
	started bool
	object  bool // the document is an object that holds the arrays
	typ     provision.ObjectType
	inArray bool
	arrays  int
	n       map[provision.ObjectType]int
	entry   entry
	isGroup bool // the item has what only groups have
}

func newJSONReader(r *bufio.Reader, full bool) *jsonReader {
	lines := &lineCounter{r: r}
	return &jsonReader{
		dec: jsontext.NewDecoder(lines, jsontext.AllowDuplicateNames(true)), lines: lines,
		full: full, typ: provision.User, n: map[provision.ObjectType]int{},
	}
}

func (j *jsonReader) refers() bool { return true }

// errPartial is for one page of a listing: what stands on the others would be
// taken for deleted.
var errPartial = errors.New(`the document has "@odata.nextLink": it is one page of a listing; export all pages into one array`)

func (j *jsonReader) next() (*entry, error) {
	e, err := j.item()
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil:
		return e, nil
	case err == io.EOF:
		return nil, err
	case errors.Is(err, io.ErrUnexpectedEOF):
		line, column := j.lines.at(j.dec.InputOffset())
		return nil, fmt.Errorf("the JSON ends too early, after line %d, column %d: the file is cut off or still being written", line, column)
	case errors.As(err, &syntax):
		line, column := j.lines.at(syntax.ByteOffset)
		return nil, fmt.Errorf("the JSON is not valid at line %d, column %d: %w", line, column, syntax.Err)
	}
	return nil, err
}

// item reads up to the end of the next user or group.
func (j *jsonReader) item() (*entry, error) {
	if !j.started {
		if err := j.open(); err != nil {
			return nil, err
		}
	}
	for {
		if !j.inArray {
			if err := j.nextArray(); err != nil {
				return nil, err
			}
		}
		if j.dec.PeekKind() == ']' {
			if _, err := j.dec.ReadToken(); err != nil {
				return nil, err
			}
			j.inArray = false
			if !j.object {
				return nil, j.end()
			}
			continue
		}
		skip, err := j.read()
		if err != nil {
			return nil, err
		}
		if !skip {
			return &j.entry, nil
		}
	}
}

// open reads the beginning of the document.
func (j *jsonReader) open() error {
	tok, err := j.dec.ReadToken()
	if err != nil {
		return err
	}
	j.started = true
	switch tok.Kind() {
	case '[':
		j.inArray = true
	case '{':
		j.object = true
	default:
		return errors.New(`the JSON is neither an array of users nor an object with "value", "users" or "groups"`)
	}
	return nil
}

// nextArray goes on to the next array of users or groups in the outer object.
func (j *jsonReader) nextArray() error {
	for j.dec.PeekKind() == '"' {
		tok, err := j.dec.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		lower := strings.ToLower(name)
		switch {
		case lower == "@odata.nextlink":
			return errPartial
		case lower == "value", lower == "users", lower == "groups":
			if k := j.dec.PeekKind(); k != '[' {
				if k == 0 {
					_, err := j.dec.ReadToken()
					return err
				}
				return fmt.Errorf("%q is not an array", name)
			}
			if _, err := j.dec.ReadToken(); err != nil {
				return err
			}
			j.typ = provision.User
			if lower == "groups" {
				j.typ = provision.Group
			}
			j.inArray = true
			j.arrays++
			return nil
		}
		if err := j.dec.SkipValue(); err != nil {
			return err
		}
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return err
	}
	if j.arrays == 0 {
		return errors.New(`the JSON object has none of "value", "users" and "groups"; give an array of users, or an object with one of them`)
	}
	return j.end()
}

// end makes sure that nothing follows the document.
func (j *jsonReader) end() error {
	if _, err := j.dec.ReadToken(); err != io.EOF {
		if err != nil {
			return err
		}
		line, column := j.lines.at(j.dec.InputOffset())
		return fmt.Errorf("there is something after the end of the JSON document, at line %d, column %d", line, column)
	}
	return io.EOF
}

// read reads one item. skip says that it is no object of the directory.
func (j *jsonReader) read() (skip bool, err error) {
	e := &j.entry
	kind := j.dec.PeekKind() // now the offset stands before the item
	line, _ := j.lines.at(j.dec.InputOffset() + int64(len(leadingSpace(j.dec.UnreadBuffer()))))
	j.n[j.typ]++
	p := place{kind: strings.ToLower(string(j.typ)), n: j.n[j.typ], line: line}
	e.reset(p)
	e.typ = j.typ
	e.keyColumn = "id"
	j.isGroup = false
	if kind != '{' {
		if kind == 0 {
			_, err := j.dec.ReadToken()
			return false, err
		}
		e.refuse("", "the item is not a JSON object")
		return false, j.dec.SkipValue()
	}
	if j.full {
		e.attributes = make(map[string]expression.Value, 24)
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return false, err
	}
	for j.dec.PeekKind() == '"' {
		tok, err := j.dec.ReadToken()
		if err != nil {
			return false, err
		}
		s, err := j.member(attribute.Canonical(tok.String()))
		if err != nil {
			return false, err
		}
		skip = skip || s
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return false, err
	}
	if j.isGroup && e.upn == "" {
		e.typ = provision.Group
	}
	if e.typ == provision.Group {
		// A group is known by its ID alone: addresses of groups change hands.
		if e.id == "" {
			e.refuse("id", "is missing; every group needs one")
		}
	} else {
		e.settle()
		if e.id == "" && !e.refused {
			e.refuse("id", "is missing, and so are userPrincipalName and mail; every user needs one of them")
		}
	}
	return skip, nil
}

// leadingSpace returns the white space and separators at the beginning of b.
func leadingSpace(b []byte) []byte {
	for i, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return b[:i]
		}
	}
	return b
}

// secrets are members that may hold a password. They are never read.
var secrets = map[string]bool{"passwordProfile": true, "password": true}

// member reads one member of an item, whose name has been read.
func (j *jsonReader) member(name string) (skip bool, err error) {
	e := &j.entry
	switch name {
	case "@odata.type":
		s, err := j.text(name)
		switch lower := strings.ToLower(s); {
		case err != nil:
			return false, err
		case strings.HasSuffix(lower, ".user"), s == "":
			e.typ = provision.User
		case strings.HasSuffix(lower, ".group"):
			e.typ = provision.Group
		default:
			return true, nil // a device, a contact: no business of ours
		}
		return false, nil
	case "@removed":
		return true, j.dec.SkipValue()
	case "id", "objectId":
		s, err := j.text(name)
		if s != "" {
			e.id, e.keyColumn = s, name
		}
		return false, err
	case "manager":
		e.manager, err = j.reference(name)
		return false, err
	case "members":
		return false, j.readMembers()
	case "groupTypes", "securityEnabled":
		j.isGroup = true
	}
	if strings.Contains(name, "@") || secrets[name] {
		return false, j.dec.SkipValue()
	}
	switch name {
	case "userPrincipalName", "mail", "onPremisesDistinguishedName":
		s, err := j.text(name)
		if err != nil || s == "" {
			return false, err
		}
		switch name {
		case "userPrincipalName":
			e.upn = s
		case "mail":
			e.mail = s
		default:
			e.dn, _ = attribute.NormalDN(s)
		}
		if j.full {
			e.set(name, expression.Text(s))
		}
		return false, nil
	case "accountEnabled":
		return false, j.readEnabled()
	}
	if !j.full {
		return false, j.dec.SkipValue()
	}
	if name == "onPremisesExtensionAttributes" {
		name = ""
	}
	return false, j.attribute(name)
}

// text reads a string. Another value is a problem of the entry, null is "".
func (j *jsonReader) text(name string) (string, error) {
	switch j.dec.PeekKind() {
	case '"':
		tok, err := j.dec.ReadToken()
		if err != nil {
			return "", err
		}
		return strings.TrimSpace(tok.String()), nil
	case 'n':
	case 0:
		_, err := j.dec.ReadToken()
		return "", err
	default:
		j.entry.refuse(name, "is not a string")
	}
	return "", j.dec.SkipValue()
}

func (j *jsonReader) readEnabled() error {
	var enabled, ok bool
	var found string
	switch k := j.dec.PeekKind(); k {
	case 't', 'f', '"', '0':
		tok, err := j.dec.ReadToken()
		if err != nil {
			return err
		}
		found = tok.String()
		enabled, ok = attribute.ParseTruth(found)
	case 'n':
		return j.dec.SkipValue()
	case 0:
		_, err := j.dec.ReadToken()
		return err
	default:
		found = "a list or an object"
		if err := j.dec.SkipValue(); err != nil {
			return err
		}
	}
	if !ok {
		j.entry.refuse("accountEnabled", "%q is neither true nor false", found)
		return nil
	}
	if j.full {
		j.entry.set("accountEnabled", expression.Bool(enabled))
	}
	return nil
}

// reference reads what points to another object: its ID or another name, or
// an object with one of them.
func (j *jsonReader) reference(name string) (string, error) {
	if j.dec.PeekKind() != '{' {
		return j.text(name)
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return "", err
	}
	best, rank := "", 99
	for j.dec.PeekKind() == '"' {
		tok, err := j.dec.ReadToken()
		if err != nil {
			return "", err
		}
		r := slices.Index([]string{"id", "objectId", "userPrincipalName", "mail", "onPremisesDistinguishedName", "value"}, attribute.Canonical(tok.String()))
		if r < 0 || j.dec.PeekKind() != '"' {
			if err := j.dec.SkipValue(); err != nil {
				return "", err
			}
			continue
		}
		s, err := j.text(name)
		if err != nil {
			return "", err
		}
		if s != "" && r < rank {
			best, rank = s, r
		}
	}
	_, err := j.dec.ReadToken()
	return best, err
}

func (j *jsonReader) readMembers() error {
	e := &j.entry
	j.isGroup = true
	switch j.dec.PeekKind() {
	case '[':
	case 0:
		_, err := j.dec.ReadToken()
		return err
	case 'n':
		return j.dec.SkipValue()
	default:
		e.refuse("members", "is not an array")
		return j.dec.SkipValue()
	}
	if !j.full {
		return j.dec.SkipValue()
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return err
	}
	for k := j.dec.PeekKind(); k != ']'; k = j.dec.PeekKind() {
		ref, err := j.reference("members")
		if err != nil {
			return err
		}
		if ref != "" {
			e.members = append(e.members, ref)
		}
	}
	_, err := j.dec.ReadToken()
	return err
}

// attribute reads any value and stores it under name. Objects come apart into
// attributes with dotted names, arrays become lists; an object inside an array
// becomes its JSON text.
func (j *jsonReader) attribute(name string) error {
	e := &j.entry
	switch j.dec.PeekKind() {
	case '{':
		if _, err := j.dec.ReadToken(); err != nil {
			return err
		}
		for j.dec.PeekKind() == '"' {
			tok, err := j.dec.ReadToken()
			if err != nil {
				return err
			}
			sub := attribute.Canonical(tok.String())
			if name != "" {
				sub = name + "." + tok.String()
			}
			if j.dec.StackDepth() > 16 {
				err = j.dec.SkipValue()
			} else {
				err = j.attribute(sub)
			}
			if err != nil {
				return err
			}
		}
		_, err := j.dec.ReadToken()
		return err
	case '[':
		list, err := j.list()
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
		e.set(name, expression.List(list))
		if name == "businessPhones" {
			e.set("telephoneNumber", expression.Text(list[0]))
		}
		return nil
	}
	tok, err := j.dec.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case 'n':
	case 't', 'f':
		e.set(name, expression.Bool(tok.Bool()))
	case '0':
		e.set(name, expression.ValueOf(json.Number(tok.String())))
	default:
		e.set(name, expression.Text(tok.String()))
	}
	return nil
}

func (j *jsonReader) list() ([]string, error) {
	if _, err := j.dec.ReadToken(); err != nil {
		return nil, err
	}
	var list []string
	for k := j.dec.PeekKind(); k != ']'; k = j.dec.PeekKind() {
		if k != '"' {
			v, err := j.dec.ReadValue()
			if err != nil {
				return nil, err
			}
			if k != 'n' {
				v = v.Clone()
				if err := v.Compact(); err != nil {
					return nil, err
				}
				list = append(list, string(v))
			}
			continue
		}
		tok, err := j.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		list = append(list, tok.String())
	}
	_, err := j.dec.ReadToken()
	return list, err
}

// A lineCounter remembers where the lines begin of what was read through it,
// as far as at has not yet been asked beyond them.
type lineCounter struct {
	r      io.Reader
	offset int64
	breaks []int64 // offsets just after line feeds
	line   int     // lines that have ended before breaks[0]
	start  int64   // where the line begins that breaks[0] ends
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for from := 0; ; {
		i := bytes.IndexByte(p[from:n], '\n')
		if i < 0 {
			break
		}
		from += i + 1
		l.breaks = append(l.breaks, l.offset+int64(from))
	}
	l.offset += int64(n)
	return n, err
}

// at returns line and column of an offset, both from 1. Offsets must not go
// back behind the line of the last one asked for.
func (l *lineCounter) at(offset int64) (line, column int) {
	i := 0
	for i < len(l.breaks) && l.breaks[i] <= offset {
		l.start = l.breaks[i]
		i++
	}
	l.line += i
	l.breaks = append(l.breaks[:0], l.breaks[i:]...)
	return l.line + 1, int(max(0, offset-l.start)) + 1
}

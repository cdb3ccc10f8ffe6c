package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"lockstep/internal/expression"
	"lockstep/internal/source/attribute"
)

// A csvReader reads a table of users.
type csvReader struct {
	scan    *scanner
	full    bool
	columns []column
	key     int // the column of the ID
	// Columns of names, -1 where the file has none.
	upn, mail, dn, manager, enabled int
	entry                           entry
}

// A column is one column of the table.
type column struct {
	name string // "" for a column without a heading: not read
	also string // its other name, as attribute.Synonym has it
	list bool   // cells may hold JSON arrays
}

// newCSVReader reads the header. The delimiter is a comma, a semicolon (as
// spreadsheets write where the comma is the decimal sign), a tab or a bar,
// whichever the header has most of, unless a line "sep=;" says it.
func newCSVReader(r *bufio.Reader, full bool) (*csvReader, error) {
	head, err := r.Peek(peekSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(head, '\r') >= 0 {
		return nil, errors.New(`the lines of the file end in CR alone: save it as "CSV UTF-8", whose lines end in LF or CR LF`)
	}
	s := newScanner(r)
	c := &csvReader{scan: s, full: full}
	if d, ok := declaredDelimiter(head); ok {
		s.delimiter = d
		if err := s.next(); err != nil {
			return nil, err
		}
	} else {
		s.delimiter = commonDelimiter(head)
	}
	switch err := s.next(); {
	case err == io.EOF:
		return nil, errEmpty
	case err != nil:
		return nil, fmt.Errorf("the header row cannot be read: %w", err)
	}
	if err := c.header(); err != nil {
		return nil, err
	}
	s.columns = len(c.columns)
	return c, nil
}

// declaredDelimiter reads the line "sep=;" that spreadsheets put first.
func declaredDelimiter(head []byte) (byte, bool) {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if len(line) == 5 && bytes.EqualFold(line[:4], []byte("sep=")) {
		return line[4], true
	}
	return 0, false
}

func commonDelimiter(head []byte) byte {
	line, _, _ := bytes.Cut(bytes.TrimLeft(head, "\r\n"), []byte("\n"))
	best, most := byte(','), 0
	for _, d := range []byte(",;\t|") {
		n, inQuotes := 0, false
		for _, c := range line {
			if c == '"' {
				inQuotes = !inQuotes
			} else if c == d && !inQuotes {
				n++
			}
		}
		if n > most {
			best, most = d, n
		}
	}
	return best
}

// header takes in the names of the columns.
func (c *csvReader) header() error {
	if !utf8.Valid(c.scan.data) {
		return errors.New(`the header row is not UTF-8: save the file as "CSV UTF-8"`)
	}
	c.upn, c.mail, c.dn, c.manager, c.enabled = -1, -1, -1, -1, -1
	objectID := -1
	at := map[string]int{}
	var headings []string
	for i := range c.scan.fields {
		heading := strings.TrimSpace(c.text(string(c.scan.data), i))
		if heading == "" {
			c.columns = append(c.columns, column{})
			continue
		}
		headings = append(headings, heading)
		name := attribute.Canonical(heading)
		if first, taken := at[strings.ToLower(name)]; taken {
			return fmt.Errorf("the column %q appears twice, as columns %d and %d: remove or rename one of them", heading, first+1, i+1)
		}
		at[strings.ToLower(name)] = i
		col := column{name: name, list: multiValued[name]}
		switch name {
		case "objectId":
			objectID = i
		case "userPrincipalName":
			c.upn = i
		case "mail":
			c.mail = i
		case "distinguishedName", "onPremisesDistinguishedName":
			c.dn = i
		case "manager":
			c.manager = i
		case "accountEnabled":
			c.enabled = i
		}
		c.columns = append(c.columns, col)
	}
	for len(c.columns) > 0 && c.columns[len(c.columns)-1].name == "" {
		c.columns = c.columns[:len(c.columns)-1]
	}
	if id, ok := at["id"]; ok && objectID < 0 {
		objectID = id
	}
	// A column has its other name too, unless another column has that name.
	for i := range c.columns {
		if other := attribute.Synonym(c.columns[i].name); other != "" {
			if _, taken := at[strings.ToLower(other)]; !taken {
				c.columns[i].also = other
			}
		}
	}
	for _, key := range []int{objectID, c.upn, c.mail} {
		if key >= 0 {
			c.key = key
			return nil
		}
	}
	return fmt.Errorf("the file has no column that tells people apart: it has %s; it needs objectId or id, or else userPrincipalName, or else mail",
		quoteList(headings, 40))
}

func quoteList(names []string, most int) string {
	var b strings.Builder
	for i, n := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", n)
	}
	return b.String()
}

func (c *csvReader) refers() bool { return c.manager >= 0 }

// text returns field i of the record whose text is record.
func (c *csvReader) text(record string, i int) string {
	f := c.scan.fields[i]
	s := record[f.from:f.to]
	if f.escaped {
		s = strings.ReplaceAll(strings.ReplaceAll(s, `""`, `"`), "\r\n", "\n")
	}
	return s
}

// cell returns field i as a copy, without spaces around it.
func (c *csvReader) cell(i int) string {
	if i < 0 || i >= len(c.scan.fields) {
		return ""
	}
	f := c.scan.fields[i]
	b := bytes.TrimSpace(c.scan.data[f.from:f.to])
	if f.escaped {
		return strings.ReplaceAll(string(b), `""`, `"`)
	}
	return string(b)
}

func (c *csvReader) next() (*entry, error) {
	err := c.scan.next()
	e := &c.entry
	e.reset(c.place())
	var bad *malformation
	switch {
	case errors.As(err, &bad):
		e.refuse(c.columnName(bad.column), "%s", bad.message)
		c.scan.split(c.scan.data)
		c.salvage()
		return e, nil
	case err != nil:
		return nil, err
	}
	if got, want := len(c.scan.fields), len(c.columns); got != want && !c.surplusIsBlank() {
		e.refuse("", "the row has %d fields where the header has %d columns; a cell that holds the delimiter %q needs quotes around it", got, want, string(c.scan.delimiter))
		c.salvage()
		return e, nil
	}
	if !utf8.Valid(c.scan.data) {
		for i, f := range c.scan.fields {
			if !utf8.Valid(c.scan.data[f.from:f.to]) {
				e.refuse(c.columnName(i), `the cell is not UTF-8; save the file as "CSV UTF-8"`)
				break
			}
		}
		c.salvage()
		return e, nil
	}
	c.identify()
	if e.id == "" {
		e.refuse(e.keyColumn, "the cell is empty; every person needs a value here")
		return e, nil
	}
	if c.enabled >= 0 {
		if s := c.cell(c.enabled); s != "" {
			if _, ok := attribute.ParseTruth(s); !ok {
				e.refuse("accountEnabled", "%q is neither true nor false; write true or false", s)
				return e, nil
			}
		}
	}
	if c.full {
		c.fill()
	}
	return e, nil
}

func (c *csvReader) place() place {
	p := place{kind: "row", n: c.scan.row}
	if c.scan.line != c.scan.row {
		p.line = c.scan.line
	}
	return p
}

func (c *csvReader) columnName(i int) string {
	if i < 0 || i >= len(c.columns) {
		return ""
	}
	return c.columns[i].name
}

// surplusIsBlank reports whether the row differs from the header in empty
// cells at its end alone, as spreadsheets add them. A row that ends early is
// not let through: one that was cut off looks the same.
func (c *csvReader) surplusIsBlank() bool {
	for i := len(c.columns); i < len(c.scan.fields); i++ {
		if c.cell(i) != "" {
			return false
		}
	}
	return len(c.scan.fields) > len(c.columns)
}

// identify reads the names of the row.
func (c *csvReader) identify() {
	e := &c.entry
	e.id = c.cell(c.key)
	e.keyColumn = c.columns[c.key].name
	if c.upn >= 0 {
		e.upn = c.cell(c.upn)
	}
	if c.mail >= 0 {
		e.mail = c.cell(c.mail)
	}
	if c.dn >= 0 {
		e.dn, _ = attribute.NormalDN(c.cell(c.dn))
	}
	if c.key == c.upn || c.key == c.mail {
		e.id = strings.ToLower(e.id)
	}
}

// salvage looks for the ID of a row that cannot be read, so that its person is
// not taken for gone. Where cells have shifted, the key is known by its shape.
func (c *csvReader) salvage() {
	e := &c.entry
	shaped := func(s string) bool { return strings.Contains(s, "@") }
	if c.key != c.upn && c.key != c.mail {
		shaped = isUUID
	}
	id := strings.Trim(c.cell(c.key), `"`)
	if !shaped(id) {
		for i := range c.scan.fields {
			if s := strings.Trim(c.cell(i), `" `); shaped(s) {
				id = s
				break
			}
		}
	}
	if !utf8.ValidString(id) {
		return
	}
	if c.key == c.upn || c.key == c.mail {
		id = strings.ToLower(id)
	}
	e.id, e.keyColumn = id, c.columns[c.key].name
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// fill reads the attributes. The row is copied once, cells are parts of it.
func (c *csvReader) fill() {
	e := &c.entry
	record := string(c.scan.data)
	filled := 0
	for _, f := range c.scan.fields {
		if f.to > f.from {
			filled++
		}
	}
	e.attributes = make(map[string]expression.Value, filled+2)
	for i := range min(len(c.columns), len(c.scan.fields)) {
		col := &c.columns[i]
		if f := c.scan.fields[i]; col.name == "" || f.to == f.from {
			continue
		}
		s := c.text(record, i)
		// Cells of nothing but spaces are empty; spaces around a value are the
		// source's own and stay, but not around what names somebody.
		trimmed := strings.TrimSpace(s)
		if trimmed == "" {
			continue
		}
		var v expression.Value
		switch {
		case i == c.key && c.columns[c.key].name != "userPrincipalName" && c.columns[c.key].name != "mail":
			continue // the ID is no attribute beside itself
		case i == c.manager:
			e.manager = trimmed
			continue
		case i == c.enabled:
			enabled, _ := attribute.ParseTruth(trimmed)
			v = expression.Bool(enabled)
		case i == c.upn || i == c.mail:
			v = expression.Text(trimmed)
		case col.list:
			v = listOrText(s)
		default:
			v = expression.Text(s)
		}
		e.attributes[col.name] = v
		if col.also != "" {
			e.attributes[col.also] = v
		}
	}
}

package file

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// maxLDIFLine bounds one logical line: photographs and certificates are that
// long, people's attributes are not.
const maxLDIFLine = 32 << 20

// An ldifReader reads the people and groups of an LDIF file (RFC 2849).
// Records of other object classes are passed over.
type ldifReader struct {
	r    *bufio.Reader
	full bool
	// peeked is the next physical line when it has been read already.
	peeked    []byte
	hasPeeked bool
	line      int // of the last physical line that was taken
	record    int
	rec       ldifRecord
	entry     entry
	logical   []byte
}

// An ldifRecord is one record: an entry, or the change of one.
type ldifRecord struct {
	attribute.LDAPEntry
	change string // changetype
}

func newLDIFReader(r *bufio.Reader, full bool) *ldifReader {
	return &ldifReader{r: r, full: full}
}

func (l *ldifReader) refers() bool { return true }

// physical returns the next line without its end, valid until the next call.
func (l *ldifReader) physical() ([]byte, error) {
	if l.hasPeeked {
		l.hasPeeked = false
		l.line++
		return l.peeked, nil
	}
	line, err := l.readLine()
	if err == nil {
		l.line++
	}
	return line, err
}

func (l *ldifReader) readLine() ([]byte, error) {
	var long []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			if len(long)+len(part) > maxLDIFLine {
				return nil, fmt.Errorf("line %d is longer than %d bytes", l.line+1, maxLDIFLine)
			}
			long = append(long, part...)
			continue
		}
		if err == io.EOF && len(part)+len(long) == 0 {
			return nil, io.EOF
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		if long != nil {
			part = append(long, part...)
		}
		return trimEOL(part), nil
	}
}

// next line with the folded ones after it joined on, comments left out. A
// blank line, which ends a record, is "".
func (l *ldifReader) unfolded() (line string, number int, err error) {
	for {
		first, err := l.physical()
		if err != nil {
			return "", l.line, err
		}
		number = l.line
		l.logical = append(l.logical[:0], first...)
		for len(l.logical) > 0 {
			more, err := l.readLine()
			if err == io.EOF {
				break
			}
			if err != nil {
				return "", number, err
			}
			if len(more) == 0 || more[0] != ' ' {
				l.peeked, l.hasPeeked = more, true
				break
			}
			l.line++
			if len(l.logical)+len(more) > maxLDIFLine {
				return "", number, fmt.Errorf("the attribute at line %d is longer than %d bytes", number, maxLDIFLine)
			}
			l.logical = append(l.logical, more[1:]...)
		}
		if len(l.logical) > 0 && l.logical[0] == '#' {
			continue
		}
		return string(l.logical), number, nil
	}
}

func (l *ldifReader) next() (*entry, error) {
	for {
		ok, err := l.readRecord()
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if l.rec.change == "" || l.rec.change == "add" {
			if !l.entry.refused && !l.describe() {
				continue // an organizational unit, a device, …
			}
		} else if !l.entry.refused {
			l.entry.refuse("changetype", "%q is a change and not an entry; export the entries themselves (only changetype add is read)", l.rec.change)
		}
		if l.entry.id == "" {
			// Whatever is wrong with it, its entry must not be taken for gone.
			l.identify()
		}
		return &l.entry, nil
	}
}

// readRecord reads up to the end of the next record. ok is false when there
// was none, as with "version: 1" alone.
func (l *ldifReader) readRecord() (ok bool, err error) {
	r, e := &l.rec, &l.entry
	r.Reset("")
	r.change = ""
	begun := false
	for {
		line, number, err := l.unfolded()
		switch {
		case err == io.EOF && begun:
			return true, nil
		case err != nil:
			return false, err
		case line == "" && begun:
			return true, nil
		case line == "":
			continue
		}
		if !begun {
			if strings.HasPrefix(strings.ToLower(line), "version:") {
				continue
			}
			begun = true
			l.record++
			e.reset(place{kind: "entry", n: l.record, line: number})
			e.keyColumn = "dn"
		}
		if r.change != "" && r.change != "add" {
			continue // the lines of a change are not attributes
		}
		name, value, err := parseLDIFLine(line)
		if err != nil {
			e.refuse(name, "line %d: %v", number, err)
			continue
		}
		l.take(name, value, number)
	}
}

// parseLDIFLine takes "name: value", "name:: base64" and "name:< URL" apart.
func parseLDIFLine(line string) (name, value string, err error) {
	name, rest, ok := strings.Cut(line, ":")
	if !ok {
		return "", "", fmt.Errorf("%q has no colon after the attribute's name; a line that goes on begins with a space", shorten(line))
	}
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", "", errors.New("the attribute's name is missing")
	case strings.HasPrefix(rest, ":"):
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(rest[1:]), ""))
		if err != nil {
			return name, "", errors.New("the value after :: is not base64")
		}
		return name, string(b), nil
	case strings.HasPrefix(rest, "<"):
		return name, "", errors.New("the value is a URL (:<), which is not followed; write the value itself")
	}
	return name, strings.TrimLeft(rest, " "), nil
}

func shorten(s string) string {
	if len(s) <= 40 {
		return s
	}
	n := 40
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// take stores one attribute value of the record.
func (l *ldifReader) take(name, value string, number int) {
	r, e := &l.rec, &l.entry
	base, _, _ := strings.Cut(name, ";") // options such as ;binary or ;lang-de
	switch strings.ToLower(base) {
	case "dn":
		if r.DN != "" {
			e.refuse("dn", "line %d: the record has a second dn; a blank line ends a record", number)
			return
		}
		if value == "" {
			e.refuse("dn", "is empty")
			return
		}
		dn, ok := attribute.NormalDN(value)
		if !ok {
			e.refuse("dn", "%q is not a distinguished name", shorten(value))
			return
		}
		r.DN, e.dn = value, dn
		return
	case "changetype":
		r.change = strings.ToLower(strings.TrimSpace(value))
		return
	case "control":
		return
	}
	if r.DN == "" {
		e.refuse("dn", "line %d: the record begins with %q; it must begin with dn", number, shorten(name))
		return
	}
	r.Add(name, value)
}

// describe turns the record into the entry. It reports false for what is
// neither a person nor a group.
func (l *ldifReader) describe() bool {
	e, r := &l.entry, &l.rec
	t, ok := r.Type()
	if r.DN == "" {
		e.refuse("dn", "is missing; a record begins with dn")
		return true
	}
	if !ok {
		return false
	}
	e.typ = t
	l.identify()
	if l.full {
		e.attributes, e.manager, e.members = r.Attributes(t), r.Manager(), append(e.members, r.Members()...)
	}
	return true
}

// identify reads the names of the entry. Without entryUUID or objectGUID its
// distinguished name is its ID.
func (l *ldifReader) identify() {
	e, r := &l.entry, &l.rec
	e.id = e.dn
	if id, column := r.ID(); id != "" {
		e.id, e.keyColumn = id, column
	}
	if e.typ == provision.User {
		e.mail = r.First("mail", "rfc822mailbox")
		e.upn = r.First("userprincipalname")
		if e.upn == "" {
			e.upn = e.mail
		}
		e.uid = r.First("uid")
	}
}

package file

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"lockstep/internal/expression"
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
	spelling  map[string]string // attribute names as they were first spelled
	rec       ldifRecord
	entry     entry
	logical   []byte
}

// An ldifRecord is one record's attributes by their names in lower case.
type ldifRecord struct {
	dn     string
	values map[string][]string
	names  []string // in order of appearance
	change string   // changetype
}

func newLDIFReader(r *bufio.Reader, full bool) *ldifReader {
	return &ldifReader{r: r, full: full, spelling: map[string]string{}, rec: ldifRecord{values: map[string][]string{}}}
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
	clear(r.values)
	r.names, r.dn, r.change = r.names[:0], "", ""
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
	lower := strings.ToLower(base)
	switch lower {
	case "dn":
		if r.dn != "" {
			e.refuse("dn", "line %d: the record has a second dn; a blank line ends a record", number)
			return
		}
		if value == "" {
			e.refuse("dn", "is empty")
			return
		}
		dn, ok := normalDN(value)
		if !ok {
			e.refuse("dn", "%q is not a distinguished name", shorten(value))
			return
		}
		r.dn, e.dn = value, dn
		return
	case "changetype":
		r.change = strings.ToLower(strings.TrimSpace(value))
		return
	case "control":
		return
	}
	if r.dn == "" {
		e.refuse("dn", "line %d: the record begins with %q; it must begin with dn", number, shorten(name))
		return
	}
	if secretLDAP[lower] {
		return
	}
	if value == "" {
		return
	}
	switch lower {
	case "objectguid":
		if s, ok := guidText(value); ok {
			value = s
		}
	case "objectsid":
		if s, ok := sidText(value); ok {
			value = s
		}
	}
	if binaryLDAP[lower] || !utf8.ValidString(value) {
		return
	}
	// A value in one language does not stand beside the one without.
	if base != name && len(r.values[lower]) > 0 {
		return
	}
	if _, seen := r.values[lower]; !seen {
		r.names = append(r.names, base)
		if _, known := l.spelling[lower]; !known {
			l.spelling[strings.Clone(lower)] = strings.Clone(base)
		}
	}
	r.values[lower] = append(r.values[lower], value)
}

// secretLDAP are attributes that hold passwords. They are never kept.
var secretLDAP = map[string]bool{
	"userpassword": true, "unicodepwd": true, "sambantpassword": true, "sambalmpassword": true,
	"krbprincipalkey": true, "ntpwdhistory": true, "lmpwdhistory": true, "pwdhistory": true, "supplementalcredentials": true,
	"ms-mcs-admpwd": true, "mslaps-password": true, "authpassword": true,
}

// binaryLDAP are attributes whose values are no text.
var binaryLDAP = map[string]bool{
	"jpegphoto": true, "photo": true, "thumbnailphoto": true, "audio": true, "usercertificate": true,
	"usersmimecertificate": true, "userpkcs12": true, "cacertificate": true, "msexchmailboxguid": true, "ntsecuritydescriptor": true,
}

// guidText returns objectGUID as Active Directory's tools show it: the first
// three parts of the 16 bytes are little-endian.
func guidText(b string) (string, bool) {
	if len(b) != 16 {
		return "", false
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x",
		reversed(b[0:4]), reversed(b[4:6]), reversed(b[6:8]), b[8:10], b[10:16]), true
}

func reversed(s string) []byte {
	b := make([]byte, len(s))
	for i := range len(s) {
		b[len(s)-1-i] = s[i]
	}
	return b
}

// sidText returns objectSid in its string form, S-1-….
func sidText(b string) (string, bool) {
	if len(b) < 8 || b[0] != 1 || len(b) != 8+4*int(b[1]) {
		return "", false
	}
	var authority uint64
	for i := 2; i < 8; i++ {
		authority = authority<<8 | uint64(b[i])
	}
	var s bytes.Buffer
	fmt.Fprintf(&s, "S-1-%d", authority)
	for i := 8; i < len(b); i += 4 {
		fmt.Fprintf(&s, "-%d", uint32(b[i])|uint32(b[i+1])<<8|uint32(b[i+2])<<16|uint32(b[i+3])<<24)
	}
	return s.String(), true
}

// value returns an attribute's values as one: text, or a list when there are
// several.
func value(list []string) expression.Value {
	if len(list) == 1 {
		return expression.Text(list[0])
	}
	return expression.List(list)
}

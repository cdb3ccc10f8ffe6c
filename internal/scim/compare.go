package scim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Fold returns s in the form in which text without case is compared: two
// strings have the same form exactly when [strings.EqualFold] holds for them.
// For ASCII it is the lower case.
func Fold(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return string(appendFold(make([]byte, 0, len(s)+8), s))
		}
	}
	return s
}

func appendFold(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			b = append(b, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		b = utf8.AppendRune(b, foldRune(r))
		i += size
	}
	return b
}

// foldRune picks one rune for all that simple case folding holds equal.
func foldRune(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if least >= 'A' && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

// holds reports whether op holds for two values that compare as c.
func (op Operator) holds(c int) bool {
	switch op {
	case Eq:
		return c == 0
	case Ne:
		return c != 0
	case Gt:
		return c > 0
	case Ge:
		return c >= 0
	case Lt:
		return c < 0
	case Le:
		return c <= 0
	}
	return false
}

// compareExact applies op to s and literal with regard to case.
func compareExact(op Operator, s, literal string) bool {
	switch op {
	case Eq:
		return s == literal
	case Co:
		return strings.Contains(s, literal)
	case Sw:
		return strings.HasPrefix(s, literal)
	case Ew:
		return strings.HasSuffix(s, literal)
	}
	return op.holds(strings.Compare(s, literal))
}

// compareFolded applies op to s and the folded literal without regard to case.
func compareFolded(op Operator, s string, literal []byte) bool {
	// Most values fit, so that comparing costs no allocation.
	var room [128]byte
	folded := appendFold(room[:0], s)
	switch op {
	case Co:
		return bytes.Contains(folded, literal)
	case Sw:
		return bytes.HasPrefix(folded, literal)
	case Ew:
		return bytes.HasSuffix(folded, literal)
	}
	return op.holds(bytes.Compare(folded, literal))
}

// compareNumbers orders two JSON numbers: exactly when both are integers of 64
// bits, otherwise as float64. ok is false when one is out of range.
func compareNumbers(a, b json.Number) (c int, ok bool) {
	if x, err := strconv.ParseInt(string(a), 10, 64); err == nil {
		if y, err := strconv.ParseInt(string(b), 10, 64); err == nil {
			return cmp.Compare(x, y), true
		}
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	return cmp.Compare(x, y), errX == nil && errY == nil
}

// dateLayouts are the forms of xsd:dateTime and xsd:date that clients send. A
// time without a zone is in UTC.
var dateLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02"}

func parseDate(s string) (time.Time, bool) {
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseBoolean reads a boolean in the spellings that clients use: true, "True",
// "FALSE".
func parseBoolean(v Value) (b, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		switch s := strings.TrimSpace(v); {
		case strings.EqualFold(s, "true"):
			return true, true
		case strings.EqualFold(s, "false"):
			return false, true
		}
	}
	return false, false
}

// boolean reads a boolean value of the attribute.
func (a *Attribute) boolean(v Value) (b, ok bool) {
	if b, ok = parseBoolean(v); ok || !a.Loose {
		return b, ok
	}
	text, _ := plainText(v)
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "yes", "y", "1", "on", "agent":
		return true, true
	case "no", "n", "0", "off", "requester":
		return false, true
	}
	return false, false
}

// plainText is the text of a simple value, as comparisons across types use it.
func plainText(v Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return string(v), true
	}
	return "", false
}

// Compare orders a and b by the attribute at by, for sortBy (RFC 7644 section
// 3.4.2.3): by the primary value of a multi-valued attribute or else its first,
// text by the attribute's caseExact, dates by time. A resource without the
// value comes after one that has it. A path that t does not know makes all
// resources equal.
func Compare(t *ResourceType, by Path, a, b *Resource) int {
	path, attr, sub, _, ok := t.resolve(by)
	if !ok || attr == nil {
		return 0
	}
	leaf := attr
	if sub != nil {
		leaf = sub
	} else if value := attr.Sub("value"); value != nil {
		leaf, path.Sub = value, value.Name
	}
	x, y := sortValue(a, path), sortValue(b, path)
	switch {
	case x == nil && y == nil:
		return 0
	case x == nil:
		return 1
	case y == nil:
		return -1
	}
	return compareValues(leaf, x, y)
}

// sortValue returns the one value of r at path that sorting looks at, nil when
// there is none.
func sortValue(r *Resource, path Path) Value {
	v := valueAt(r, path)
	if list, ok := v.([]Value); ok {
		v = nil
		for i, e := range list {
			element, _ := e.(*Object)
			primary, _ := element.Get("primary")
			if isPrimary, _ := parseBoolean(primary); i == 0 || isPrimary {
				v = e
				if isPrimary {
					break
				}
			}
		}
	}
	if path.Sub != "" {
		if o, ok := v.(*Object); ok {
			v, _ = o.Get(path.Sub)
		}
	}
	if !hasValue(v) {
		return nil
	}
	return v
}

// valueAt returns the value of the whole attribute that the canonical path p
// names, id and meta included.
func valueAt(r *Resource, p Path) Value {
	if p.URN == "" {
		switch p.Attr {
		case idAttribute.Name:
			return r.ID
		case metaAttribute.Name:
			return r.metaObject("")
		}
		v, _ := r.Peek().Get(p.Attr)
		return v
	}
	v, _ := r.Peek().Child(p.URN).Get(p.Attr)
	return v
}

func compareValues(leaf *Attribute, x, y Value) int {
	switch leaf.Type {
	case TypeBoolean:
		a, _ := parseBoolean(x)
		b, _ := parseBoolean(y)
		if a == b {
			return 0
		} else if b {
			return -1
		}
		return 1
	case TypeDateTime:
		s, _ := x.(string)
		u, _ := y.(string)
		if a, ok := parseDate(s); ok {
			if b, ok := parseDate(u); ok {
				return a.Compare(b)
			}
		}
	}
	if a, ok := x.(json.Number); ok {
		if b, ok := y.(json.Number); ok {
			c, _ := compareNumbers(a, b)
			return c
		}
	}
	s, _ := plainText(x)
	u, _ := plainText(y)
	if leaf.CaseExact {
		return strings.Compare(s, u)
	}
	return strings.Compare(Fold(s), Fold(u))
}

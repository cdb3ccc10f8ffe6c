package scim

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what the parser accepts. Clients send filters of a few hundred
// bytes; the room above that keeps a hostile one from costing anything.
const (
	maxFilterLength = 10_000
	maxFilterDepth  = 64
)

const operatorList = "eq, ne, co, sw, ew, gt, ge, lt, le or pr"

// ParseFilter parses a filter expression (RFC 7644 section 3.4.2.2). Operators
// and the words true, false and null are read in any case. Beyond the grammar
// it accepts emails[type eq "work"].value eq "x", which Entra ID sends.
//
// The error is an [Error] of type InvalidFilter whose detail says what was
// expected, at which byte, and points at it.
func ParseFilter(s string) (Filter, error) {
	if len(s) > maxFilterLength {
		return nil, Errorf(InvalidFilter, "the filter is %d bytes long; at most %d are accepted", len(s), maxFilterLength)
	}
	p := parser{s: s, what: "filter", fault: InvalidFilter}
	p.space()
	f, err := p.or()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(p.s) {
		return nil, p.unexpected(`the end, "and" or "or"`)
	}
	return f, nil
}

// ParsePath parses the path of a PATCH operation, or an attribute name as the
// parameters attributes and sortBy take it (RFC 7644 section 3.5.2, section
// 3.10). Space around it is ignored.
//
// The error is an [Error] of type InvalidPath, or InvalidFilter when the fault
// lies between the brackets, whose detail points at the fault.
func ParsePath(s string) (Path, error) {
	if len(s) > maxFilterLength {
		return Path{}, Errorf(InvalidPath, "the path is %d bytes long; at most %d are accepted", len(s), maxFilterLength)
	}
	p := parser{s: s, what: "path", fault: InvalidPath}
	p.space()
	path, err := p.attributePath()
	if err != nil {
		return Path{}, err
	}
	if p.pos < len(p.s) && p.s[p.pos] == '[' {
		if path.Filter, err = p.brackets(path); err != nil {
			return Path{}, err
		}
		if p.pos < len(p.s) && p.s[p.pos] == '.' {
			if path.Sub, err = p.subAttribute(); err != nil {
				return Path{}, err
			}
		}
	}
	p.space()
	if p.pos < len(p.s) {
		return Path{}, p.unexpected("the end of the path")
	}
	return path, nil
}

// A parser is a recursive descent over s without a token list, so that the
// common filter costs the two allocations of its result.
type parser struct {
	s      string
	what   string // s is a filter or a path
	pos    int
	depth  int
	inside bool      // between brackets
	fault  ErrorType // what an error here is
}

func (p *parser) space() {
	for p.pos < len(p.s) && isSpace(p.s[p.pos]) {
		p.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isDelimiter(c byte) bool { return c == '"' || c == '(' || c == ')' || c == '[' || c == ']' }

func (p *parser) or() (Filter, error) {
	first, err := p.and()
	if err != nil || !p.connective("or") {
		return first, err
	}
	or := &Or{Operands: []Filter{first}}
	for {
		next, err := p.and()
		if err != nil {
			return nil, err
		}
		or.Operands = append(or.Operands, next)
		if !p.connective("or") {
			return or, nil
		}
	}
}

func (p *parser) and() (Filter, error) {
	first, err := p.operand()
	if err != nil || !p.connective("and") {
		return first, err
	}
	and := &And{Operands: []Filter{first}}
	for {
		next, err := p.operand()
		if err != nil {
			return nil, err
		}
		and.Operands = append(and.Operands, next)
		if !p.connective("and") {
			return and, nil
		}
	}
}

// connective consumes word and the space around it if it comes next. Space may
// be missing only beside a parenthesis or bracket, where nothing is ambiguous.
func (p *parser) connective(word string) bool {
	i := p.pos
	if i == len(p.s) {
		return false
	}
	for i < len(p.s) && isSpace(p.s[i]) {
		i++
	}
	end := i + len(word)
	if end > len(p.s) || !strings.EqualFold(p.s[i:end], word) {
		return false
	}
	if i == p.pos && p.s[i-1] != ')' && p.s[i-1] != ']' {
		return false
	}
	if end < len(p.s) && !isSpace(p.s[end]) && p.s[end] != '(' {
		return false
	}
	p.pos = end
	p.space()
	return true
}

func (p *parser) operand() (Filter, error) {
	if p.pos < len(p.s) && p.s[p.pos] == '(' {
		return p.group()
	}
	if p.atNot() {
		p.pos += len("not")
		p.space()
		if p.pos >= len(p.s) || p.s[p.pos] != '(' {
			return nil, p.unexpected(`"(" after not, as in: not (title pr)`)
		}
		f, err := p.group()
		if err != nil {
			return nil, err
		}
		return &Not{Operand: f}, nil
	}
	path, err := p.attributePath()
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.s) && p.s[p.pos] == '[' {
		inner, err := p.brackets(path)
		if err != nil {
			return nil, err
		}
		if p.pos >= len(p.s) || p.s[p.pos] != '.' {
			return &ValuePath{Path: path, Filter: inner}, nil
		}
		path.Filter = inner
		if path.Sub, err = p.subAttribute(); err != nil {
			return nil, err
		}
	}
	return p.comparison(path)
}

// atNot reports whether the word "not" comes next. No attribute has that name.
func (p *parser) atNot() bool {
	end := p.pos + 3
	return end <= len(p.s) && p.s[p.pos]|0x20 == 'n' && strings.EqualFold(p.s[p.pos:end], "not") &&
		(end == len(p.s) || !isPathByte(p.s[end]))
}

func (p *parser) group() (Filter, error) {
	open := p.pos
	if err := p.enter(); err != nil {
		return nil, err
	}
	p.pos++
	p.space()
	f, err := p.or()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos >= len(p.s) || p.s[p.pos] != ')' {
		if p.pos >= len(p.s) {
			return nil, p.fail(open, open+1, `the ")" for this "(" is missing`)
		}
		return nil, p.unexpected(`")", "and" or "or"`)
	}
	p.pos++
	p.depth--
	return f, nil
}

func (p *parser) enter() error {
	p.depth++
	if p.depth > maxFilterDepth {
		return p.fail(p.pos, p.pos+1, "parentheses and brackets are nested deeper than %d levels", maxFilterDepth)
	}
	return nil
}

// brackets parses "[" filter "]" behind path.
func (p *parser) brackets(path Path) (Filter, error) {
	open := p.pos
	switch {
	case p.inside:
		p.fault = InvalidFilter
		return nil, p.fail(open, open+1, "brackets cannot stand inside brackets; name the sub-attribute directly")
	case path.Attr == "" || path.Sub != "":
		return nil, p.fail(open, open+1, "brackets can follow an attribute only, as in: emails[type eq \"work\"]")
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	outer := p.fault
	p.fault, p.inside = InvalidFilter, true
	p.pos++
	p.space()
	f, err := p.or()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos >= len(p.s) {
		// The filter itself is sound; it is the path that was not finished.
		p.fault = outer
		return nil, p.fail(open, open+1, `the "]" for this "[" is missing`)
	}
	if p.s[p.pos] != ']' {
		return nil, p.unexpected(`"]", "and" or "or"`)
	}
	p.pos++
	p.fault, p.inside = outer, false
	p.depth--
	return f, nil
}

// pathBytes are the bytes that qualified attribute names consist of.
var pathBytes = func() (set [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-$") {
		set[c] = true
	}
	return set
}()

func isPathByte(c byte) bool { return pathBytes[c] }

func isName(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$':
		case i > 0 && (c >= '0' && c <= '9' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// subAttribute parses "." name behind a closing bracket.
func (p *parser) subAttribute() (string, error) {
	p.pos++
	start := p.pos
	for p.pos < len(p.s) && isPathByte(p.s[p.pos]) {
		p.pos++
	}
	name := p.s[start:p.pos]
	if !isName(name) {
		return "", p.fail(start, p.pos, "expected the name of a sub-attribute after the dot")
	}
	return name, nil
}

// attributePath parses [URN ":"] attribute ["." sub].
func (p *parser) attributePath() (Path, error) {
	start := p.pos
	for p.pos < len(p.s) && isPathByte(p.s[p.pos]) {
		p.pos++
	}
	token := p.s[start:p.pos]
	if token == "" {
		expected := "an attribute name"
		if p.fault == InvalidFilter {
			expected = `an attribute name, "(" or "not ("`
		}
		return Path{}, p.unexpected(expected)
	}
	var path Path
	attr := token
	if len(token) > 4 && strings.EqualFold(token[:4], "urn:") {
		if p.inside {
			return Path{}, p.fail(start, p.pos, "between brackets, name the sub-attribute without its URN")
		}
		path.URN, attr = splitURN(token)
		if path.URN == "" {
			return Path{}, p.fail(start, p.pos, "this is not a schema URN followed by an attribute, as in: %s:userName", URNUser)
		}
		if attr == "" {
			return path, nil
		}
	}
	at := p.pos - len(attr)
	name, sub, dotted := strings.Cut(attr, ".")
	if !isName(name) {
		return Path{}, p.fail(at, at+len(name), "%q is not an attribute name", name)
	}
	if dotted && !isName(sub) {
		if strings.Contains(sub, ".") && !strings.Contains(attr, "..") {
			return Path{}, p.fail(at, p.pos, "an attribute has one level of sub-attributes; %q names more", attr)
		}
		return Path{}, p.fail(at+len(name), p.pos, "expected the name of a sub-attribute after the dot")
	}
	path.Attr, path.Sub = name, sub
	return path, nil
}

// splitURN separates the schema URN of a qualified name from the attribute.
// The URN ends at the last colon, but the name of a schema itself
// (…:enterprise:2.0:User) ends with a segment behind its version and has no
// attribute at all. Behind such a name a dot separates as well: Entra ID jobs
// from before 2019 send …:2.0:User.department.
func splitURN(token string) (urn, attr string) {
	last := strings.LastIndexByte(token, ':')
	head, tail := token[:last], token[last+1:]
	if len(head) <= len("urn:") || tail == "" {
		return "", ""
	}
	if isVersion(head[strings.LastIndexByte(head, ':')+1:]) {
		name, attr, _ := strings.Cut(tail, ".")
		return token[:last+1+len(name)], attr
	}
	return head, tail
}

func isVersion(s string) bool {
	major, minor, ok := strings.Cut(s, ".")
	return ok && isDigits(major) && isDigits(minor)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// comparison parses the operator and the value behind path.
func (p *parser) comparison(path Path) (Filter, error) {
	before := p.pos
	p.space()
	start := p.pos
	for p.pos < len(p.s) && !isSpace(p.s[p.pos]) && !isDelimiter(p.s[p.pos]) {
		p.pos++
	}
	word := p.s[start:p.pos]
	op := operator(word)
	if op == "" || start == before {
		p.pos = start
		return nil, p.badOperator(word)
	}
	if op == present {
		return &Present{Path: path}, nil
	}
	if p.pos < len(p.s) && p.s[p.pos] == '"' {
		return nil, p.unexpected("a space before the value")
	}
	p.space()
	start = p.pos
	value, err := p.value()
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.s) && !isSpace(p.s[p.pos]) && p.s[p.pos] != ')' && p.s[p.pos] != ']' {
		return nil, p.unexpected("a space after the value")
	}
	switch value.(type) {
	case bool, nil:
		if op != Eq && op != Ne {
			return nil, p.fail(start, p.pos, "%s cannot be compared by %s; use eq or ne", p.s[start:p.pos], op)
		}
	}
	return &Comparison{Path: path, Op: op, Value: value}, nil
}

// present is the operator of [Present], which needs none of its own.
const present Operator = "pr"

func operator(word string) Operator {
	if len(word) != 2 {
		return ""
	}
	switch [2]byte{word[0] | 0x20, word[1] | 0x20} {
	case [2]byte{'e', 'q'}:
		return Eq
	case [2]byte{'n', 'e'}:
		return Ne
	case [2]byte{'c', 'o'}:
		return Co
	case [2]byte{'s', 'w'}:
		return Sw
	case [2]byte{'e', 'w'}:
		return Ew
	case [2]byte{'g', 't'}:
		return Gt
	case [2]byte{'g', 'e'}:
		return Ge
	case [2]byte{'l', 't'}:
		return Lt
	case [2]byte{'l', 'e'}:
		return Le
	case [2]byte{'p', 'r'}:
		return present
	}
	return ""
}

func (p *parser) badOperator(word string) error {
	switch word {
	case "":
		return p.unexpected("an operator (" + operatorList + ")")
	case "=", "==":
		return p.fail(p.pos, p.pos+len(word), "%q is not an operator; write eq", word)
	case "!=", "<>":
		return p.fail(p.pos, p.pos+len(word), "%q is not an operator; write ne", word)
	}
	return p.fail(p.pos, p.pos+len(word), "%q is not an operator; the operators are %s", word, operatorList)
}

func (p *parser) value() (Value, error) {
	if p.pos >= len(p.s) {
		return nil, p.unexpected("a value: a string in double quotes, a number, true, false or null")
	}
	switch c := p.s[p.pos]; {
	case c == '"':
		return p.text()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == '\'':
		return nil, p.fail(p.pos, p.pos+1, "strings are written in double quotes, not in single ones")
	}
	start := p.pos
	end := start
	for end < len(p.s) && !isSpace(p.s[end]) && p.s[end] != ')' && p.s[end] != ']' {
		end++
	}
	word := p.s[start:end]
	p.pos = end
	switch {
	case strings.EqualFold(word, "true"):
		return true, nil
	case strings.EqualFold(word, "false"):
		return false, nil
	case strings.EqualFold(word, "null"):
		return nil, nil
	case word != "" && isPathByte(word[0]):
		return nil, p.fail(start, end, "expected a value; a string needs double quotes: %q", word)
	}
	p.pos = start
	return nil, p.unexpected("a value: a string in double quotes, a number, true, false or null")
}

func (p *parser) text() (Value, error) {
	start := p.pos
	escaped := false
	for i := start + 1; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			return nil, p.fail(i, i+1, "a control character in a string must be written as an escape such as \\n or \\u0009")
		case c == '"':
			p.pos = i + 1
			if !escaped {
				if s := p.s[start+1 : i]; utf8.ValidString(s) {
					return s, nil
				}
				return nil, p.fail(start, p.pos, "the string is not valid UTF-8")
			}
			b, err := jsontext.AppendUnquote(nil, p.s[start:p.pos])
			if err != nil {
				return nil, p.fail(start, p.pos, `the string has an escape that JSON does not know; a backslash itself is written \\`)
			}
			return string(b), nil
		}
	}
	return nil, p.fail(start, len(p.s), "the string that starts at byte %d has no closing double quote", start)
}

func (p *parser) number() (Value, error) {
	start := p.pos
	for p.pos < len(p.s) && !isSpace(p.s[p.pos]) && p.s[p.pos] != ')' && p.s[p.pos] != ']' {
		p.pos++
	}
	word := p.s[start:p.pos]
	if !isNumber(word) {
		return nil, p.fail(start, p.pos, "%q is not a number; a string needs double quotes", word)
	}
	return json.Number(word), nil
}

// isNumber reports whether s is a number of JSON's grammar.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	n := digits(s)
	if n == 0 || n > 1 && s[0] == '0' {
		return false
	}
	s = s[n:]
	if s != "" && s[0] == '.' {
		n := digits(s[1:])
		if n == 0 {
			return false
		}
		s = s[1+n:]
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		n := digits(s)
		if n == 0 {
			return false
		}
		s = s[n:]
	}
	return s == ""
}

// digits counts the decimal digits that s starts with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// unexpected is the error for whatever stands at the current position.
func (p *parser) unexpected(expected string) error {
	if p.pos >= len(p.s) {
		return p.fail(p.pos, p.pos+1, "expected %s, but the text ends", expected)
	}
	end := p.pos
	for end < len(p.s) && isPathByte(p.s[end]) {
		end++
	}
	if end == p.pos {
		_, size := utf8.DecodeRuneInString(p.s[p.pos:])
		end += size
	}
	return p.fail(p.pos, end, "expected %s, found %q", expected, p.s[p.pos:end])
}

// fail makes the error for the bytes from start to end.
func (p *parser) fail(start, end int, format string, args ...any) error {
	return Errorf(p.fault, "%s at byte %d of the %s\n%s", fmt.Sprintf(format, args...), start, p.what, pointAt(p.s, start, end))
}

// pointAt shows the neighbourhood of s[start:end] with carets under it.
func pointAt(s string, start, end int) string {
	const around = 60
	end = max(min(end, len(s)), start)
	from := max(0, start-around)
	for from > 0 && !utf8.RuneStart(s[from]) {
		from--
	}
	to := min(len(s), max(end, start)+around)
	to = min(to, start+2*around)
	for to < len(s) && !utf8.RuneStart(s[to]) {
		to++
	}
	// Whatever would move the carets away from their text is shown as a space.
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s[from:to])
	before := utf8.RuneCountInString(s[from:start])
	width := max(1, utf8.RuneCountInString(s[start:max(start, min(end, to))]))
	prefix, suffix := "", ""
	if from > 0 {
		prefix = "…"
	}
	if to < len(s) {
		suffix = "…"
	}
	return "  " + prefix + line + suffix + "\n  " + strings.Repeat(" ", before+utf8.RuneCountInString(prefix)) + strings.Repeat("^", width)
}

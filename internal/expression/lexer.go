package expression

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenAttribute
	tokenString
	tokenNumber
	tokenHex
	tokenParameter
	tokenCompare
	tokenOpen
	tokenClose
	tokenComma
)

// A token is one lexical element. Its text is the decoded content: the name
// between the brackets, the characters of the string.
type token struct {
	kind     tokenKind
	pos, end int // code points
	text     string
}

// A lexer cuts an expression into tokens, on demand, so that the first mistake
// in reading order is the one reported.
type lexer struct {
	src string
	off int // bytes
	pos int // code points
}

// parseError builds an error of kind parse over [pos, end).
func parseError(pos, end int, hint, format string, args ...any) *Error {
	return &Error{Kind: ErrorParse, Pos: pos, End: end, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// advance moves over n bytes and returns them.
func (l *lexer) advance(n int) string {
	s := l.src[l.off : l.off+n]
	l.off += n
	l.pos += utf8.RuneCountInString(s)
	return s
}

// next returns the next token. At the end of the text it returns tokenEnd, any
// number of times.
func (l *lexer) next() (token, *Error) {
	rest := l.src[l.off:]
	rest = rest[len(l.advance(len(rest)-len(strings.TrimLeft(rest, " \t\r\n")))):]
	start := l.pos
	if rest == "" {
		return token{kind: tokenEnd, pos: start, end: start}, nil
	}
	take := func(kind tokenKind, n int) (token, *Error) {
		text := l.advance(n)
		return token{kind: kind, pos: start, end: l.pos, text: text}, nil
	}
	switch c := rest[0]; {
	case c == '(':
		return take(tokenOpen, 1)
	case c == ')':
		return take(tokenClose, 1)
	case c == ',':
		return take(tokenComma, 1)
	case c == '=':
		return take(tokenCompare, 1)
	case c == '<' || c == '>':
		if len(rest) > 1 && (rest[1] == '=' || c == '<' && rest[1] == '>') {
			return take(tokenCompare, 2)
		}
		return take(tokenCompare, 1)
	case c == '"':
		return l.quoted(rest)
	case c == '[':
		return l.attribute(rest)
	case c == '%':
		n := 1 + nameLength(rest[1:])
		if n == 1 || n == len(rest) || rest[n] != '%' {
			return token{}, parseError(start, start+1, "a job parameter is written %Name%", "%% does not begin a job parameter")
		}
		t, _ := take(tokenParameter, n+1)
		t.text = t.text[1:n]
		return t, nil
	case c == '&' && len(rest) > 2 && (rest[1] == 'H' || rest[1] == 'h') && isHexDigit(rest[2]):
		if rest[1] == 'h' {
			return token{}, parseError(start, start+2, "write &H, with a capital H", "hexadecimal numbers begin with &H")
		}
		n := 2
		for n < len(rest) && isHexDigit(rest[n]) {
			n++
		}
		t, _ := take(tokenHex, n)
		if t.text = strings.TrimLeft(t.text[2:], "0"); len(t.text) > 16 {
			return token{}, parseError(start, t.end, "", "the hexadecimal number has more than 64 bits")
		}
		return t, nil
	case isDigit(c) || c == '-' && len(rest) > 1 && isDigit(rest[1]):
		n := 1
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
		if n+1 < len(rest) && rest[n] == '.' && isDigit(rest[n+1]) {
			for n++; n < len(rest) && isDigit(rest[n]); {
				n++
			}
		}
		return take(tokenNumber, n)
	}
	if n := nameLength(rest); n > 0 {
		return take(tokenName, n)
	}
	r, size := utf8.DecodeRuneInString(rest)
	hint := characterHint(r, rest[size:])
	if r == utf8.RuneError && size == 1 {
		return token{}, parseError(start, start+1, "", "the text is not valid UTF-8 here")
	}
	if unicode.IsSpace(r) || !unicode.IsPrint(r) {
		return token{}, parseError(start, start+1, hint, "unexpected character %U", r)
	}
	return token{}, parseError(start, start+1, hint, "unexpected %q", string(r))
}

// quoted reads a string constant. Only \\ and \" are escapes; a backslash
// before any other character stands for itself.
func (l *lexer) quoted(rest string) (token, *Error) {
	start := l.pos
	plain := true
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			if i+1 < len(rest) && (rest[i+1] == '\\' || rest[i+1] == '"') {
				plain = false
				i++
			}
		case '"':
			text := rest[1:i]
			if !plain {
				text = unescapeString.Replace(text)
			}
			l.advance(i + 1)
			return token{kind: tokenString, pos: start, end: l.pos, text: text}, nil
		}
	}
	return token{}, parseError(start, start+1, `close the text with "; inside a text a quotation mark is written \" and a backslash before it \\`,
		"the text that begins here has no end")
}

var (
	unescapeString = strings.NewReplacer(`\\`, `\`, `\"`, `"`)
	escapeString   = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
)

// attribute reads [name]. Brackets nest, so that a SCIM path with a value
// filter is one name.
func (l *lexer) attribute(rest string) (token, *Error) {
	start := l.pos
	depth := 0
	for i := range len(rest) {
		switch rest[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth > 0 {
				continue
			}
			l.advance(i + 1)
			name := rest[1:i]
			if strings.TrimSpace(name) == "" {
				return token{}, parseError(start, l.pos, "write the attribute's name between the brackets, as in [mail]", "the attribute has no name")
			}
			return token{kind: tokenAttribute, pos: start, end: l.pos, text: name}, nil
		}
	}
	return token{}, parseError(start, start+1, "close the attribute's name with ]", "the attribute that begins here has no end")
}

// nameLength returns the length in bytes of the name s begins with.
func nameLength(s string) int {
	for i, r := range s {
		if unicode.IsLetter(r) || i > 0 && (r == '_' || unicode.IsDigit(r)) {
			continue
		}
		return i
	}
	return len(s)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHexDigit(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// characterHint says what to write instead of a character that begins nothing.
func characterHint(r rune, rest string) string {
	switch r {
	case '&':
		if strings.HasPrefix(rest, "&") {
			return hintAnd
		}
		return `there is no & operator; write Append(a, b) or Join("", a, b)`
	case '|':
		return hintOr
	case '+':
		return `there is no + operator; write Append(a, b) or Join("", a, b)`
	case '!':
		if strings.HasPrefix(rest, "=") {
			return "not equal is written <>"
		}
		return "negation is written Not(a)"
	case '\'', '‘', '’', '‚', '‛', '`', '´', '“', '”', '„', '‟', '«', '»':
		return `texts stand between straight double quotes: "text"`
	case ';':
		return "arguments are separated by a comma"
	case '{', '}':
		return "attributes stand in square brackets: [mail]"
	case '/', '#':
		return "there are no comments and no division"
	case '\u00a0', '\u202f', '\ufeff', '\u200b':
		return "replace the invisible character by a space; it often comes with text copied from a web page or a document"
	case '-', '−', '–':
		return "a minus sign stands directly before a number, as in -10; dates are added with DateAdd"
	}
	return ""
}

const (
	hintAnd = `there is no AND; nest IIF along the true branch: IIF(a, IIF(b, "both", "no"), "no")`
	hintOr  = `there is no OR; nest IIF along the false branch: IIF(a, "one", IIF(b, "one", "none"))`
)

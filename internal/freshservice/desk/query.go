package desk

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of ?query= (Freshservice API: filter requesters).
const (
	maxQuery      = 512 // characters
	queryPageSize = 30
	maxQueryPage  = 40
)

// valueType is what a query field compares.
type valueType uint8

const (
	textType valueType = iota
	integerType
	dateType
	choiceType
)

// queryField tells how to read one field of T; only the reader of its type is
// set.
type queryField[T any] struct {
	typ     valueType
	text    func(T) string // "" is no value
	integer func(T) (n int64, ok bool)
	many    func(T) []int64 // in place of integer, for lists
	date    func(T) Stamp   // 0 is no value
	choices []string
	// prefix fields may be searched with ~[field]:'start'; pieces also matches
	// at the pieces of an e-mail address.
	prefix, pieces bool
}

func textField[T any](get func(T) string) queryField[T] {
	return queryField[T]{typ: textType, text: get}
}

func integerField[T any](get func(T) int64) queryField[T] {
	return queryField[T]{typ: integerType, integer: func(t T) (int64, bool) {
		n := get(t)
		return n, n != 0
	}}
}

// hasInteger reports whether one of the field's integers is accepted; a nil
// accept asks whether there is any.
func (f queryField[T]) hasInteger(t T, accept func(int64) bool) bool {
	if f.many != nil {
		all := f.many(t)
		return accept == nil && len(all) > 0 || accept != nil && slices.ContainsFunc(all, accept)
	}
	n, ok := f.integer(t)
	return ok && (accept == nil || accept(n))
}

func (f queryField[T]) searchable() queryField[T] {
	f.prefix = true
	return f
}

// personQuery are the fields of requesters; agents call primary_email email.
// external_id, secondary_emails and active cannot be queried.
func personQuery(emailName string, fields []*Field) map[string]queryField[*Person] {
	email := textField(func(p *Person) string { return p.PrimaryEmail }).searchable()
	email.pieces = true
	m := map[string]queryField[*Person]{
		"first_name":           textField(func(p *Person) string { return p.FirstName }).searchable(),
		"last_name":            textField(func(p *Person) string { return p.LastName }).searchable(),
		"name":                 textField((*Person).Name).searchable(),
		"job_title":            textField(func(p *Person) string { return p.JobTitle }),
		emailName:              email,
		"work_phone_number":    textField(func(p *Person) string { return p.WorkPhoneNumber }).searchable(),
		"mobile_phone_number":  textField(func(p *Person) string { return p.MobilePhoneNumber }).searchable(),
		"department_id":        {typ: integerType, many: func(p *Person) []int64 { return p.DepartmentIDs }},
		"reporting_manager_id": integerField(func(p *Person) int64 { return p.ReportingManagerID }),
		"location_id":          integerField(func(p *Person) int64 { return p.LocationID }),
		"time_zone":            textField(func(p *Person) string { return p.TimeZone }),
		"language":             textField(func(p *Person) string { return p.Language }),
		"created_at":           {typ: dateType, date: func(p *Person) Stamp { return p.CreatedAt }},
		"updated_at":           {typ: dateType, date: func(p *Person) Stamp { return p.UpdatedAt }},
	}
	for _, f := range fields {
		q := queryField[*Person]{}
		switch f.Type {
		case "custom_text", "custom_phone_number":
			q = textField(customText(f.Name))
		case "custom_dropdown":
			q = textField(customText(f.Name))
			q.typ, q.choices = choiceType, f.Choices
		case "custom_number":
			q = queryField[*Person]{typ: integerType, integer: func(p *Person) (int64, bool) {
				n, err := strconv.ParseInt(string(p.CustomFields[f.Name]), 10, 64)
				return n, err == nil
			}}
		case "custom_date":
			text := customText(f.Name)
			q = queryField[*Person]{typ: dateType, date: func(p *Person) Stamp {
				t, ok := parseTime(text(p))
				if !ok {
					return 0
				}
				return StampOf(t)
			}}
		default:
			continue
		}
		if _, taken := m[f.Name]; !taken {
			m[f.Name] = q
		}
	}
	return m
}

func customText(name string) func(*Person) string {
	return func(p *Person) string {
		var s string
		if v := p.CustomFields[name]; len(v) == 0 || json.Unmarshal(v, &s) != nil {
			return ""
		}
		return s
	}
}

// nameQuery is the only field of departments and locations.
func nameQuery[T any](name func(T) string) map[string]queryField[T] {
	return map[string]queryField[T]{"name": textField(name)}
}

// parseQuery compiles the value of ?query= into a predicate.
//
//	query  = DQUOTE or DQUOTE
//	or     = and *( "OR" and )
//	and    = factor *( "AND" factor )
//	factor = "(" or ")" / field ":" [ ">" / "<" ] value / "~[" field *( "|" field ) "]:" string
//	value  = "'" *CHAR "'" / integer / "null"
func parseQuery[T any](s string, fields map[string]queryField[T]) (func(T) bool, error) {
	expr, ok := strings.CutPrefix(s, `"`)
	if ok {
		expr, ok = strings.CutSuffix(expr, `"`)
	}
	if !ok {
		return nil, blame("query", codeInvalidValue, "The query should be enclosed in double quotes")
	}
	if n := utf8.RuneCountInString(expr); n > maxQuery {
		return nil, blame("query", codeInvalidValue, fmt.Sprintf("Has %d characters, it can have maximum of %d characters", n, maxQuery))
	}
	p := &queryParser[T]{rest: expr, fields: fields}
	match, err := p.or()
	if err == nil && p.peek() != 0 {
		err = p.syntax("an operator AND or OR")
	}
	if err != nil {
		return nil, err
	}
	if len(p.errs) > 0 {
		return nil, &Problem{Status: http.StatusBadRequest, Errors: p.errs}
	}
	return match, nil
}

type queryParser[T any] struct {
	rest   string
	fields map[string]queryField[T]
	errs   []FieldError
}

// peek skips blanks and returns the next byte, 0 at the end.
func (p *queryParser[T]) peek() byte {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

func (p *queryParser[T]) eat(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// word returns the letters, digits and underscores that come next.
func (p *queryParser[T]) word() string {
	p.peek()
	n := strings.IndexFunc(p.rest, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if n < 0 {
		n = len(p.rest)
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

func (p *queryParser[T]) keyword(k string) bool {
	before := p.rest
	if p.word() == k {
		return true
	}
	p.rest = before
	return false
}

func (p *queryParser[T]) syntax(want string) error {
	found := "the end of the query"
	if p.peek() != 0 {
		found = strconv.Quote(string([]rune(p.rest)[:min(20, utf8.RuneCountInString(p.rest))]))
	}
	return blame("query", codeInvalidValue, fmt.Sprintf("The query is not valid: expected %s, found %s", want, found))
}

func (p *queryParser[T]) or() (func(T) bool, error) {
	left, err := p.and()
	for err == nil && p.keyword("OR") {
		l := left
		var r func(T) bool
		r, err = p.and()
		left = func(t T) bool { return l(t) || r(t) }
	}
	return left, err
}

func (p *queryParser[T]) and() (func(T) bool, error) {
	left, err := p.factor()
	for err == nil && p.keyword("AND") {
		l := left
		var r func(T) bool
		r, err = p.factor()
		left = func(t T) bool { return l(t) && r(t) }
	}
	return left, err
}

func (p *queryParser[T]) factor() (func(T) bool, error) {
	if p.eat('(') {
		match, err := p.or()
		if err == nil && !p.eat(')') {
			err = p.syntax(")")
		}
		return match, err
	}
	if p.eat('~') {
		return p.startsWith()
	}
	name := p.word()
	if name == "" {
		return nil, p.syntax("a field")
	}
	if !p.eat(':') {
		return nil, p.syntax(": after " + name)
	}
	op := byte(':')
	if c := p.peek(); c == '>' || c == '<' {
		op = c
		p.rest = p.rest[1:]
	}
	lit, err := p.literal()
	if err != nil {
		return nil, err
	}
	f, known := p.fields[name]
	if !known {
		return p.reject(name, "[:invalid_field]")
	}
	return p.term(name, f, op, lit)
}

// literal is a value as written: quoted, a number or null.
type literal struct {
	text   string
	quoted bool
}

func (p *queryParser[T]) literal() (literal, error) {
	if p.eat('\'') {
		s, rest, closed := strings.Cut(p.rest, "'")
		if !closed {
			return literal{}, p.syntax("a closing '")
		}
		p.rest = rest
		return literal{s, true}, nil
	}
	sign := ""
	if p.eat('-') {
		sign = "-"
	}
	w := p.word()
	if w == "" {
		return literal{}, p.syntax("a value")
	}
	return literal{sign + w, false}, nil
}

// reject notes a field error with the API's own messages and goes on, so that
// all of them are told at once.
func (p *queryParser[T]) reject(field, message string) (func(T) bool, error) {
	p.errs = append(p.errs, FieldError{field, message, codeInvalidValue})
	return func(T) bool { return false }, nil
}

func (p *queryParser[T]) term(name string, f queryField[T], op byte, lit literal) (func(T) bool, error) {
	null := !lit.quoted && lit.text == "null"
	switch f.typ {
	case integerType:
		if null && op == ':' {
			return func(t T) bool { return !f.hasInteger(t, nil) }, nil
		}
		n, err := strconv.ParseInt(lit.text, 10, 64)
		if lit.quoted || err != nil || n < 0 {
			return p.reject(name, `["It should be a/an Positive Integer"]`)
		}
		accept := func(v int64) bool { return op == ':' && v == n || op == '>' && v >= n || op == '<' && v <= n }
		return func(t T) bool { return f.hasInteger(t, accept) }, nil
	case dateType:
		if null && op == ':' {
			return func(t T) bool { return f.date(t) == 0 }, nil
		}
		at, ok := parseTime(lit.text)
		if !lit.quoted || !ok {
			return p.reject(name, `["It should be a/an Date"]`)
		}
		return dateTerm(f, op, lit.text, at), nil
	}
	if null && op == ':' {
		return func(t T) bool { return f.text(t) == "" }, nil
	}
	if !lit.quoted || op != ':' {
		return p.reject(name, `["It should be a/an String"]`)
	}
	if f.typ == choiceType && !slices.Contains(f.choices, lit.text) {
		return p.reject(name, `["It should be one of the choice value."]`)
	}
	return func(t T) bool {
		s := f.text(t)
		return s != "" && strings.EqualFold(s, lit.text)
	}, nil
}

// dateTerm compares moments. A value that is only a day equals all of the day.
func dateTerm[T any](f queryField[T], op byte, text string, at time.Time) func(T) bool {
	first, last := StampOf(at), StampOf(at)
	if len(text) == len(time.DateOnly) {
		last = StampOf(at.AddDate(0, 0, 1)) - 1
	}
	return func(t T) bool {
		v := f.date(t)
		switch {
		case v == 0:
			return false
		case op == '>':
			return v >= first
		case op == '<':
			return v <= first
		}
		return first <= v && v <= last
	}
}

func (p *queryParser[T]) startsWith() (func(T) bool, error) {
	if !p.eat('[') {
		return nil, p.syntax("[ after ~")
	}
	var fs []queryField[T]
	for {
		name := p.word()
		if name == "" {
			return nil, p.syntax("a field")
		}
		if f, ok := p.fields[name]; ok && f.prefix {
			fs = append(fs, f)
		} else {
			_, _ = p.reject(name, "[:invalid_field]")
		}
		if p.eat(']') {
			break
		}
		if !p.eat('|') {
			return nil, p.syntax("| or ]")
		}
	}
	if !p.eat(':') {
		return nil, p.syntax(":")
	}
	lit, err := p.literal()
	if err != nil {
		return nil, err
	}
	if !lit.quoted {
		return nil, p.syntax("a value in single quotes")
	}
	start := strings.ToLower(lit.text)
	return func(t T) bool {
		for _, f := range fs {
			if s := f.text(t); s != "" && hasStart(strings.ToLower(s), start, f.pieces) {
				return true
			}
		}
		return false
	}, nil
}

// hasStart reports whether s begins with start or, with pieces, whether a piece
// of the address's local part or its domain does.
func hasStart(s, start string, pieces bool) bool {
	if strings.HasPrefix(s, start) {
		return true
	}
	if !pieces {
		return false
	}
	local, domain, _ := strings.Cut(s, "@")
	if strings.HasPrefix(domain, start) {
		return true
	}
	for i := range local {
		if strings.IndexByte("._-+", local[i]) >= 0 && strings.HasPrefix(s[i+1:], start) {
			return true
		}
	}
	return false
}

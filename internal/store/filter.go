package store

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lockstep/internal/scim"
)

// A clause is a filter, or the part of it that SQL can decide.
type clause struct {
	// sql is a condition on resources, "" for one that every row satisfies.
	// It may be NULL where it is not true. Where an index helps, the condition
	// keeps to the collection by itself.
	sql string
	// exact: the condition is true for just the resources that match. Otherwise
	// it is true for these and perhaps for others.
	exact bool
	index access
}

// An access says how an index helps with a clause.
type access uint8

const (
	byScan  access = iota // not at all
	byRange               // it finds the rows, perhaps many
	byKey                 // it finds the rows, a few
)

// A translator turns filters into SQL. Texts depend on the filter's shape
// alone, its literals become arguments: one shape is prepared once.
//
// It relies on what it stores being in the schema's form ([scim.Normalize]):
// names in the schema's spelling, simple values of the schema's type.
type translator struct {
	db            dialect
	t             *scim.ResourceType
	self          collection
	users, groups collection // 0 while there are none
	args          []any
}

// arg adds an argument and returns its placeholder.
func (tr *translator) arg(v any) string {
	tr.args = append(tr.args, v)
	return "$" + strconv.Itoa(len(tr.args))
}

// nothing is the clause for a part that only [scim.Matcher] can decide.
var nothing = clause{}

// filter translates f. What it leaves to the kernel leaves no arguments behind:
// PostgreSQL has to see the use of each to know its type.
func (tr *translator) filter(f scim.Filter) clause {
	mark := len(tr.args)
	c := tr.translate(f)
	if c.sql == "" {
		tr.args = tr.args[:mark]
	}
	return c
}

func (tr *translator) translate(f scim.Filter) clause {
	switch f := f.(type) {
	case *scim.And:
		return tr.and(f.Operands)
	case *scim.Or:
		return tr.or(f.Operands)
	case *scim.Not:
		// The opposite of "these and perhaps others" is not a superset.
		mark := len(tr.args)
		c := tr.filter(f.Operand)
		if !c.exact {
			tr.args = tr.args[:mark]
			return nothing
		}
		return clause{sql: negate(c.sql), exact: true}
	case *scim.Present:
		return tr.condition(f.Path, "", nil)
	case *scim.Comparison:
		return tr.condition(f.Path, f.Op, f.Value)
	case *scim.ValuePath:
		return tr.valuePath(f)
	}
	return nothing
}

// negate turns what is not true, NULL included, into true.
func negate(sql string) string { return "NOT coalesce((" + sql + "), FALSE)" }

func (tr *translator) and(operands []scim.Filter) clause {
	all := clause{exact: true}
	var parts []string
	for _, o := range operands {
		c := tr.filter(o)
		all.exact = all.exact && c.exact
		all.index = max(all.index, c.index)
		if c.sql != "" {
			parts = append(parts, "("+c.sql+")")
		}
	}
	all.sql = strings.Join(parts, " AND ")
	return all
}

func (tr *translator) or(operands []scim.Filter) clause {
	some := clause{exact: true, index: byKey}
	mark := len(tr.args)
	parts := make([]string, len(operands))
	for i, o := range operands {
		c := tr.filter(o)
		if c.sql == "" {
			tr.args = tr.args[:mark]
			return nothing
		}
		some.exact = some.exact && c.exact
		some.index = min(some.index, c.index)
		parts[i] = "(" + c.sql + ")"
	}
	some.sql = strings.Join(parts, " OR ")
	return some
}

// valuePath translates attr[filter].
func (tr *translator) valuePath(f *scim.ValuePath) clause {
	p, ok := tr.t.Canonical(f.Path)
	if !ok || p.Sub != "" || p.Filter != nil {
		return nothing
	}
	switch p.Attr {
	case attrMembers, attrGroups:
		if c, ok := f.Filter.(*scim.Comparison); ok && isValue(c) {
			return tr.membership(scim.Path{Attr: p.Attr, Sub: "value"}, scim.Eq, c.Value)
		}
		return nothing
	}
	found := tr.elements(p, f.Filter, nil)
	if p.URN != "" || p.Attr != attrEmails {
		return found
	}
	// Of several conditions on one address, the one on its value finds it.
	conditions := []scim.Filter{f.Filter}
	if and, ok := f.Filter.(*scim.And); ok {
		conditions = and.Operands
	}
	for _, o := range conditions {
		if c, ok := o.(*scim.Comparison); ok && isValue(c) {
			return tr.narrowed(c.Value, found)
		}
	}
	return found
}

func isValue(c *scim.Comparison) bool {
	return strings.EqualFold(c.Path.Attr, "value") && c.Op == scim.Eq && c.Value != nil
}

// narrowed adds the index of e-mail addresses to a condition on one of them.
func (tr *translator) narrowed(address scim.Value, found clause) clause {
	email := tr.email(address)
	if email.sql == "" {
		return found
	}
	if found.sql == "" {
		email.exact = false
		return email
	}
	return clause{sql: email.sql + " AND " + found.sql, exact: found.exact, index: byKey}
}

// email is the condition that a resource has the address.
func (tr *translator) email(address scim.Value) clause {
	s, ok := plain(address)
	if !ok || !fit(s) {
		return nothing
	}
	return clause{
		sql:   "seq IN (SELECT seq FROM emails WHERE " + tr.within() + "email_key = " + tr.arg(scim.Fold(s)) + ")",
		exact: true, index: byKey,
	}
}

// condition translates "path op value", for op "" "path pr".
func (tr *translator) condition(path scim.Path, op scim.Operator, value scim.Value) clause {
	p, ok := tr.t.Canonical(path)
	if !ok {
		return nothing
	}
	if positive, negated := polarity(op, value); negated {
		if p.Filter != nil {
			return nothing // each element by itself is not equal: the kernel's affair
		}
		mark := len(tr.args)
		c := tr.condition(path, positive, value)
		if !c.exact {
			tr.args = tr.args[:mark]
			return nothing
		}
		return clause{sql: negate(c.sql), exact: true}
	} else if op = positive; op != "" && value == nil {
		return nothing
	}
	if p.URN != "" {
		return tr.attribute(p, op, value)
	}
	switch p.Attr {
	case attrUserName:
		return tr.text("user_name_key", op, fold(value))
	case attrDisplayName:
		return tr.text("display_name_key", op, fold(value))
	case attrExternalID:
		return tr.text("external_id", op, value)
	case attrID:
		return tr.text("id", op, value)
	case attrActive:
		return tr.active(op, value)
	case attrMeta:
		switch p.Sub {
		case "created":
			return tr.date("created", op, value)
		case "lastModified":
			return tr.date("modified", op, value)
		}
		return nothing
	case attrMembers, attrGroups:
		return tr.membership(p, op, value)
	case attrEmails:
		if op == scim.Eq && (p.Sub == "" || p.Sub == "value") {
			if p.Filter == nil {
				return tr.email(value)
			}
			return tr.narrowed(value, tr.attribute(p, op, value))
		}
	}
	return tr.attribute(p, op, value)
}

// polarity returns the operator without its negation: "ne x" is the opposite of
// "eq x", "eq null" that of "pr", and "ne null" is "pr".
func polarity(op scim.Operator, value scim.Value) (positive scim.Operator, negated bool) {
	switch {
	case op == scim.Eq && value == nil:
		return "", true
	case op == scim.Ne && value == nil:
		return "", false
	case op == scim.Ne:
		return scim.Eq, true
	}
	return op, false
}

func fold(v scim.Value) scim.Value {
	if s, ok := v.(string); ok {
		return scim.Fold(s)
	}
	return v
}

// plain is the text of a literal; numbers and booleans compare by theirs.
func plain(v scim.Value) (string, bool) {
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

// text translates a condition on a text column that holds what is compared.
func (tr *translator) text(column string, op scim.Operator, value scim.Value) clause {
	if op == "" {
		return clause{sql: column + " <> ''", exact: true}
	}
	s, ok := plain(value)
	if !ok || !fit(s) {
		return nothing
	}
	switch op {
	case scim.Eq:
		return clause{sql: tr.within() + column + " = " + tr.arg(s), exact: true, index: byKey}
	case scim.Sw:
		c := clause{sql: tr.within() + column + " >= " + tr.arg(s), exact: true, index: byRange}
		if end := after(s); end != "" {
			c.sql += " AND " + column + " < " + tr.arg(end)
		}
		return c
	}
	return tr.compare(column, op, s)
}

// compare translates a comparison of text without an index.
func (tr *translator) compare(text string, op scim.Operator, s string) clause {
	a := tr.arg(s)
	switch op {
	case scim.Eq:
		return clause{sql: text + " = " + a, exact: true}
	case scim.Sw:
		return clause{sql: "substr(" + text + ", 1, length(" + a + ")) = " + a, exact: true}
	case scim.Co:
		return clause{sql: tr.db.contains(text, a), exact: true}
	case scim.Ew:
		return clause{sql: "length(" + text + ") >= length(" + a + ") AND substr(" + text + ", length(" + text + ") - length(" + a + ") + 1) = " + a, exact: true}
	}
	return clause{sql: text + " " + ordering(op) + " " + a, exact: true}
}

// fit reports whether databases agree on how s compares.
func fit(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// within begins a condition on the columns of an index.
func (tr *translator) within() string { return "collection = " + tr.arg(int64(tr.self)) + " AND " }

func ordering(op scim.Operator) string {
	switch op {
	case scim.Gt:
		return ">"
	case scim.Ge:
		return ">="
	case scim.Lt:
		return "<"
	case scim.Le:
		return "<="
	}
	return ""
}

// after returns the least text greater than all that begin with prefix, ""
// when there is none.
func after(prefix string) string {
	for len(prefix) > 0 {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch {
		case r == 0xD7FF:
			return prefix + "\uE000" // what lies between are surrogates, no characters
		case r < utf8.MaxRune:
			return prefix + string(r+1)
		}
	}
	return ""
}

func (tr *translator) active(op scim.Operator, value scim.Value) clause {
	if op == "" {
		return clause{sql: "active IS NOT NULL", exact: true}
	}
	b, ok := asBool(value)
	if !ok || op != scim.Eq {
		return nothing
	}
	if b {
		return clause{sql: "active", exact: true}
	}
	return clause{sql: "NOT active", exact: true}
}

// date translates a condition on a column of Unix milliseconds. Only that of
// the last modification has an index.
func (tr *translator) date(column string, op scim.Operator, value scim.Value) clause {
	if op == "" {
		return clause{sql: column + " IS NOT NULL", exact: true}
	}
	s, _ := plain(value)
	at, ok := parseDate(s)
	if !ok || at.Year() < 1 || at.Year() > 9999 {
		return nothing
	}
	floor := at.Unix()*1000 + int64(at.Nanosecond())/int64(time.Millisecond)
	ceil := floor
	if at.Nanosecond()%int(time.Millisecond) != 0 {
		ceil++
	}
	operator := ordering(op)
	switch op {
	case scim.Eq:
		operator = "="
		if floor != ceil {
			floor = math.MinInt64 // finer than what is stored: nothing is equal
		}
	case scim.Gt, scim.Le:
	case scim.Ge, scim.Lt:
		floor = ceil
	default:
		return nothing
	}
	if column == "modified" {
		return clause{sql: tr.within() + tr.db.modified(operator, tr.arg(floor)), exact: true, index: byRange}
	}
	return clause{sql: column + " " + operator + " " + tr.arg(floor), exact: true}
}

// parseDate reads the forms of xsd:dateTime that filters may hold.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// membership translates conditions on a group's members and a user's groups.
func (tr *translator) membership(p scim.Path, op scim.Operator, value scim.Value) clause {
	owner, other, ofGroups := "group_seq", "member_seq", true
	if p.Attr == attrGroups {
		owner, other, ofGroups = other, owner, false
	}
	if ofGroups != ownsMembers(tr.t) {
		return nothing
	}
	if op == "" && p.Sub != "display" {
		return clause{sql: "EXISTS (SELECT 1 FROM members WHERE members." + owner + " = resources.seq)", exact: true}
	}
	s, ok := plain(value)
	if !ok || op != scim.Eq || p.Sub != "" && p.Sub != "value" {
		return nothing
	}
	within := "collection = "
	if ofGroups {
		within = "collection IN (" + tr.arg(int64(tr.users)) + ", "
	}
	within += tr.arg(int64(tr.groups))
	if ofGroups {
		within += ")"
	}
	found := "seq IN (SELECT " + owner + " FROM members WHERE " + other +
		" IN (SELECT seq FROM resources WHERE " + within + " AND id = " + tr.arg(s) + "))"
	if !ofGroups {
		// A group has groups as members too.
		found += " AND seq BETWEEN " + tr.arg(tr.self.first()) + " AND " + tr.arg(tr.self.last())
	}
	return clause{sql: found, exact: true, index: byKey}
}

// mentions reports whether f has a condition on the attribute of that name.
func mentions(t *scim.ResourceType, f scim.Filter, name string) bool {
	is := func(p scim.Path) bool {
		c, _ := t.Canonical(p)
		return c.URN == "" && c.Attr == name
	}
	switch f := f.(type) {
	case *scim.And:
		for _, o := range f.Operands {
			if mentions(t, o, name) {
				return true
			}
		}
	case *scim.Or:
		for _, o := range f.Operands {
			if mentions(t, o, name) {
				return true
			}
		}
	case *scim.Not:
		return mentions(t, f.Operand, name)
	case *scim.Present:
		return is(f.Path)
	case *scim.Comparison:
		return is(f.Path)
	case *scim.ValuePath:
		return is(f.Path)
	}
	return false
}

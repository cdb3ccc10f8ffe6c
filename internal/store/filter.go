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

func (tr *translator) filter(f scim.Filter) clause {
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

// valuePath handles emails[… and value eq "x"] and members[value eq "x"].
func (tr *translator) valuePath(f *scim.ValuePath) clause {
	p, ok := tr.t.Canonical(f.Path)
	if !ok || p.URN != "" || p.Sub != "" || p.Filter != nil {
		return nothing
	}
	switch p.Attr {
	case attrEmails, attrMembers, attrGroups:
	default:
		return nothing
	}
	inner := f.Filter
	if c, ok := inner.(*scim.Comparison); ok && strings.EqualFold(c.Path.Attr, "value") && c.Op == scim.Eq {
		return tr.condition(scim.Path{Attr: p.Attr, Sub: "value"}, scim.Eq, c.Value)
	}
	// Of several conditions on one element, the one on its value finds it.
	if and, ok := inner.(*scim.And); ok {
		for _, o := range and.Operands {
			if c, ok := o.(*scim.Comparison); ok && strings.EqualFold(c.Path.Attr, "value") && c.Op == scim.Eq {
				found := tr.condition(scim.Path{Attr: p.Attr, Sub: "value"}, scim.Eq, c.Value)
				found.exact = false
				return found
			}
		}
	}
	return nothing
}

// condition translates "path op value", for op "" "path pr".
func (tr *translator) condition(path scim.Path, op scim.Operator, value scim.Value) clause {
	p, ok := tr.t.Canonical(path)
	if !ok || p.URN != "" {
		return nothing
	}
	if op != "" && value == nil {
		// "eq null" is the absence of a value, "ne null" its presence.
		switch op {
		case scim.Ne:
			op = ""
		case scim.Eq:
			if c := tr.condition(path, "", nil); c.exact {
				return clause{sql: negate(c.sql), exact: true}
			}
			return nothing
		default:
			return nothing
		}
	}
	if op == scim.Ne {
		if c := tr.condition(path, scim.Eq, value); c.exact {
			return clause{sql: negate(c.sql), exact: true}
		}
		return nothing
	}
	exact := clause{}
	switch p.Attr {
	case attrUserName:
		exact = tr.text("user_name_key", op, fold(value))
	case attrDisplayName:
		exact = tr.text("display_name_key", op, fold(value))
	case attrExternalID:
		exact = tr.text("external_id", op, value)
	case attrID:
		exact = tr.text("id", op, value)
	case attrActive:
		exact = tr.active(op, value)
	case attrMeta:
		switch p.Sub {
		case "created":
			exact = tr.date("created", op, value)
		case "lastModified":
			exact = tr.date("modified", op, value)
		}
	case attrEmails:
		if p.Sub == "" && op == "" {
			return nothing
		}
		if s, ok := plain(value); ok && op == scim.Eq && (p.Sub == "" || p.Sub == "value") {
			exact = clause{
				sql: `seq IN (SELECT seq FROM emails WHERE collection = ` + tr.arg(int64(tr.self)) + ` AND email_key = ` + tr.arg(scim.Fold(s)) + `)`, exact: true, index: byKey,
			}
		}
	case attrMembers, attrGroups:
		exact = tr.membership(p, op, value)
	}
	// A filter inside the path narrows what the rest has found.
	if p.Filter != nil {
		exact.exact = false
		if exact.sql == "" || op != scim.Eq {
			return nothing
		}
	}
	return exact
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
	if !ok || strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
		return nothing // what the database does with these is its own affair
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
	case scim.Co:
		return clause{sql: "instr(" + column + ", " + tr.arg(s) + ") > 0", exact: true}
	case scim.Ew:
		a := tr.arg(s)
		return clause{sql: "substr(" + column + ", length(" + column + ") - length(" + a + ") + 1) = " + a + " AND length(" + column + ") >= length(" + a + ")", exact: true}
	}
	if sign := ordering(op); sign != "" {
		return clause{sql: column + " " + sign + " " + tr.arg(s), exact: true}
	}
	return nothing
}

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
		return clause{sql: "active = 1", exact: true}
	}
	return clause{sql: "active = 0", exact: true}
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
	c := clause{exact: true}
	if column == "modified" {
		c.index = byRange
		column = tr.within() + column
	}
	switch op {
	case scim.Eq:
		if floor != ceil {
			floor = math.MinInt64 // finer than what is stored: nothing is equal
		}
		c.sql = column + " = " + tr.arg(floor)
	case scim.Gt:
		c.sql = column + " > " + tr.arg(floor)
	case scim.Ge:
		c.sql = column + " >= " + tr.arg(ceil)
	case scim.Lt:
		c.sql = column + " < " + tr.arg(ceil)
	case scim.Le:
		c.sql = column + " <= " + tr.arg(floor)
	default:
		return nothing
	}
	return c
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
	within := "collection = " + tr.arg(int64(tr.groups))
	if ofGroups {
		within = "collection IN (" + tr.arg(int64(tr.users)) + ", " + tr.arg(int64(tr.groups)) + ")"
	}
	return clause{
		sql: "seq IN (SELECT " + owner + " FROM members WHERE " + other +
			" IN (SELECT seq FROM resources WHERE " + within + " AND id = " + tr.arg(s) + "))",
		exact: true, index: byKey,
	}
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

package file

import (
	"fmt"
	"strings"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// A reader yields the entries of one file in order. next returns io.EOF after
// the last one. What it returns is valid until the next call. Any other error
// makes the rest of the file unreadable; what is wrong with one entry alone is
// in entry.problems.
type reader interface {
	next() (*entry, error)
	// refers reports whether entries may refer to each other.
	refers() bool
}

// An entry is one row, item or LDIF record.
type entry struct {
	place place
	typ   provision.ObjectType
	// id is "" when the entry has none or it cannot be told.
	id string
	// keyColumn is what the format calls the attribute that id came from.
	keyColumn string
	// Other names by which entries may refer to this one.
	upn, mail, dn, uid string
	// refused says that the entry must not go in; problems then say why.
	refused  bool
	problems []provision.Problem

	// The following are filled only by a reader that reads in full.
	attributes map[string]expression.Value
	manager    string
	members    []string
}

func (e *entry) reset(p place) {
	*e = entry{place: p, typ: provision.User, problems: e.problems[:0], members: e.members[:0]}
}

// problem records what is wrong with the entry.
func (e *entry) problem(column, format string, args ...any) {
	e.problems = append(e.problems, provision.Problem{
		Place: e.place.String(), Column: column, Message: fmt.Sprintf(format, args...),
	})
}

// refuse records what is wrong, and that the entry must not go in. What is
// found wrong with it later is as a rule a consequence, and is not reported.
func (e *entry) refuse(column, format string, args ...any) {
	if e.refused {
		return
	}
	e.problem(column, format, args...)
	e.refused = true
}

// set stores an attribute under its name and under the other name that it has,
// if Entra and Graph call it differently.
func (e *entry) set(name string, v expression.Value) {
	attribute.Set(e.attributes, name, v)
}

// settle gives an entry without an ID the next best name as its ID. Addresses
// are taken in lower case: a change of their spelling does not make another
// person.
func (e *entry) settle() {
	if e.id != "" {
		return
	}
	switch {
	case e.upn != "":
		e.id, e.keyColumn = strings.ToLower(e.upn), "userPrincipalName"
	case e.mail != "":
		e.id, e.keyColumn = strings.ToLower(e.mail), "mail"
	}
}

// A place is where an entry stands in the file.
type place struct {
	kind string // "row", "user", "group", "entry"
	n    int    // counted from 1
	line int    // counted from 1; 0 when it says no more than n
}

func (p place) String() string {
	if p.line == 0 {
		return fmt.Sprintf("%s %d", p.kind, p.n)
	}
	return fmt.Sprintf("%s %d (line %d)", p.kind, p.n, p.line)
}

package provision

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"

	"lockstep/internal/expression"
	"lockstep/internal/scim"
)

// RegexMatchesWholeValue says how REGEX MATCH is anchored: the pattern must
// match the whole value, as if it stood between \A and \z. Microsoft does not say,
// but its examples ("([1-9][0-9])" for 10 to 99) only make sense that way.
const RegexMatchesWholeValue = true

// regexTimeout bounds one match: a pattern that backtracks without end must not
// stop a cycle.
const regexTimeout = 100 * time.Millisecond

// A ScopeFilter is a scoping filter compiled. It is immutable and safe for
// concurrent use; the nil filter lets everybody pass.
type ScopeFilter struct {
	groups     []scopeGroup
	early      [][]scopeGroup // input and category filters
	clauses    int
	attributes []string
}

type scopeGroup struct {
	name    string
	clauses []scopeClause
}

type scopeClause struct {
	attribute string
	operator  *operator
	operands  []string
	numbers   []int64
	patterns  []pattern
}

type pattern struct{ whole, part *regexp2.Regexp }

// A ScopeEvaluation is the answer of a scoping filter to one object, with
// everything that led to it.
type ScopeEvaluation struct {
	Passed bool `json:"passed"`
	// Dropped: the object does not pass the input or category filters, so that it
	// is none of this mapping's business and is not deprovisioned either.
	Dropped bool              `json:"dropped,omitempty"`
	Groups  []GroupEvaluation `json:"groups,omitempty"`
}

// A GroupEvaluation is the answer of one group: it passes when all clauses do.
type GroupEvaluation struct {
	Name    string             `json:"name"`
	Passed  bool               `json:"passed"`
	Clauses []ClauseEvaluation `json:"clauses"`
}

// A ClauseEvaluation is the answer of one clause and the value it looked at.
type ClauseEvaluation struct {
	Attribute string   `json:"attribute"`
	Operator  string   `json:"operator"`
	Operand   []string `json:"operand,omitempty"`
	// Actual is the value in text form, Null that there was none.
	Actual string `json:"actual,omitempty"`
	Null   bool   `json:"null,omitempty"`
	Passed bool   `json:"passed"`
	// Note says what a person may have overlooked.
	Note string `json:"note,omitempty"`
}

// CompileScope prepares a filter. A nil filter, and one without groups, gives
// nil, which lets everybody pass. All problems are reported at once.
func CompileScope(f *Filter) (*ScopeFilter, error) {
	if f == nil {
		return nil, nil
	}
	s := &ScopeFilter{}
	var problems []error
	compile := func(groups []*FilterGroup) []scopeGroup {
		out := make([]scopeGroup, 0, len(groups))
		for i, g := range groups {
			sg := scopeGroup{name: g.Name, clauses: make([]scopeClause, 0, len(g.Clauses))}
			for _, c := range g.Clauses {
				sc, err := compileClause(c)
				if err != nil {
					name := g.Name
					if name == "" {
						name = strconv.Itoa(i + 1)
					}
					problems = append(problems, fmt.Errorf("scoping filter %s: %w", name, err))
					continue
				}
				if !slices.Contains(s.attributes, sc.attribute) {
					s.attributes = append(s.attributes, sc.attribute)
				}
				sg.clauses = append(sg.clauses, sc)
			}
			out = append(out, sg)
		}
		return out
	}
	s.groups = compile(f.Groups)
	for _, g := range s.groups {
		s.clauses += len(g.clauses)
	}
	for _, groups := range [][]*FilterGroup{f.InputFilterGroups, f.CategoryFilterGroups} {
		if len(groups) > 0 {
			s.early = append(s.early, compile(groups))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if len(s.groups) == 0 && len(s.early) == 0 {
		return nil, nil
	}
	return s, nil
}

func compileClause(c *FilterClause) (scopeClause, error) {
	sc := scopeClause{attribute: strings.TrimSpace(c.SourceOperandName)}
	if sc.attribute == "" {
		return sc, errors.New("a clause names no source attribute")
	}
	if sc.operator = operatorNamed(c.OperatorName); sc.operator == nil {
		return sc, fmt.Errorf("%s: the operator %q is unknown; the operators are %s", sc.attribute, c.OperatorName, operatorNames())
	}
	if sc.operator.Arity == Unary {
		return sc, nil
	}
	if c.TargetOperand == nil || len(c.TargetOperand.Values) == 0 {
		return sc, fmt.Errorf("%s: %s needs a value to compare with", sc.attribute, sc.operator.Name)
	}
	sc.operands = c.TargetOperand.Values
	for _, v := range sc.operands {
		switch {
		case sc.operator.number != nil:
			n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err != nil {
				return sc, fmt.Errorf("%s: %s compares whole numbers, and %q is none", sc.attribute, sc.operator.Name, v)
			}
			sc.numbers = append(sc.numbers, n)
		case sc.operator.regex:
			p, err := compilePattern(v)
			if err != nil {
				return sc, fmt.Errorf("%s: %q is not a .NET regular expression: %w", sc.attribute, v, err)
			}
			sc.patterns = append(sc.patterns, p)
		}
	}
	return sc, nil
}

func compilePattern(s string) (p pattern, err error) {
	// The pattern by itself first: wrapping could hide a missing parenthesis.
	if p.part, err = regexp2.Compile(s); err != nil {
		return p, err
	}
	p.whole = p.part
	if RegexMatchesWholeValue {
		if p.whole, err = regexp2.Compile(`\A(?:` + s + `)\z`); err != nil {
			// A pattern in (?x) may end in a comment, which goes to the end of the line.
			p.whole, err = regexp2.Compile(`\A(?:` + s + "\n" + `)\z`)
		}
		if err != nil {
			return p, err
		}
	}
	p.part.MatchTimeout, p.whole.MatchTimeout = regexTimeout, regexTimeout
	return p, nil
}

func (f *ScopeFilter) references() []string {
	if f == nil {
		return nil
	}
	return f.attributes
}

// Evaluate applies the filter to one source object.
func (f *ScopeFilter) Evaluate(o expression.Attributes) ScopeEvaluation {
	if f == nil {
		return ScopeEvaluation{Passed: true}
	}
	for _, groups := range f.early {
		if !slices.ContainsFunc(groups, func(g scopeGroup) bool { return g.passes(o) }) {
			return ScopeEvaluation{Dropped: true}
		}
	}
	if len(f.groups) == 0 {
		return ScopeEvaluation{Passed: true}
	}
	e := ScopeEvaluation{Groups: make([]GroupEvaluation, len(f.groups))}
	clauses := make([]ClauseEvaluation, f.clauses)
	for i := range f.groups {
		g := &f.groups[i]
		ge := GroupEvaluation{Name: g.name, Passed: true, Clauses: clauses[:len(g.clauses):len(g.clauses)]}
		clauses = clauses[len(g.clauses):]
		for j := range g.clauses {
			ge.Clauses[j] = g.clauses[j].evaluate(o)
			ge.Passed = ge.Passed && ge.Clauses[j].Passed
		}
		e.Groups[i] = ge
		e.Passed = e.Passed || ge.Passed
	}
	return e
}

func (g *scopeGroup) passes(o expression.Attributes) bool {
	for i := range g.clauses {
		if !g.clauses[i].evaluate(o).Passed {
			return false
		}
	}
	return true
}

func (c *scopeClause) evaluate(o expression.Attributes) ClauseEvaluation {
	v := o.Attribute(c.attribute)
	e := ClauseEvaluation{Attribute: c.attribute, Operator: c.operator.Name, Operand: c.operands}
	if !v.IsNull() && !v.IsList() {
		e.Actual = v.String()
		e.Null = e.Actual == ""
		if !e.Null {
			e.Passed, e.Note = c.test(e.Actual)
		}
	} else if values := v.Strings(); len(values) > 0 {
		// Graph: multivaluedComparisonType "All".
		e.Actual, e.Passed = strings.Join(values, ", "), true
		for _, s := range values {
			passed, note := c.test(s)
			if !passed {
				e.Passed, e.Note = false, note
			}
		}
		if len(values) > 1 && !e.Passed && e.Note == "" {
			e.Note = fmt.Sprintf("the attribute has %d values, and all of them have to satisfy the clause", len(values))
		}
	} else {
		e.Null = true
	}
	if e.Null {
		e.Passed = c.operator.null
		if !e.Passed && c.operator.negative {
			e.Note = "a clause on an empty attribute is false, also a negative one"
		}
	}
	return e
}

// test compares one value that is not empty.
func (c *scopeClause) test(actual string) (passed bool, note string) {
	op := c.operator
	switch {
	case op.unary != nil:
		if op.unary(actual) {
			return true, ""
		}
		if op.boolean {
			if _, ok := asBool(actual); !ok {
				return false, "the value is not a Boolean"
			}
		}
		return false, ""
	case op.number != nil:
		n, err := strconv.ParseInt(strings.TrimSpace(actual), 10, 64)
		if err != nil {
			return false, "the value is not a whole number"
		}
		return slices.ContainsFunc(c.numbers, func(m int64) bool { return op.number(n, m) }), ""
	case op.regex:
		return c.testRegex(actual)
	}
	found := slices.ContainsFunc(c.operands, func(s string) bool { return op.text(actual, s) })
	if found != op.negative {
		return true, ""
	}
	if found {
		return false, ""
	}
	return false, c.nearMiss(actual)
}

func (c *scopeClause) testRegex(actual string) (passed bool, note string) {
	for _, p := range c.patterns {
		found, err := p.whole.MatchString(actual)
		if err != nil {
			return false, fmt.Sprintf("the pattern took longer than %v on this value and was given up", regexTimeout)
		}
		if found {
			return !c.operator.negative, ""
		}
	}
	if c.operator.negative {
		return true, ""
	}
	for _, p := range c.patterns {
		if found, err := p.part.MatchString(actual); err == nil && found {
			return false, "the pattern matches a part of the value; it has to match the whole of it"
		}
	}
	return false, ""
}

// nearMiss explains a comparison that fails by case or space alone.
func (c *scopeClause) nearMiss(actual string) string {
	fold := func(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
	for _, s := range c.operands {
		switch {
		case c.operator.text(strings.ToLower(actual), strings.ToLower(s)):
			return "the comparison minds case"
		case c.operator.text(fold(actual), fold(s)):
			return "the values differ by spaces at their ends"
		}
	}
	if _, ok := asBool(actual); ok && strings.EqualFold(c.operator.Name, "EQUALS") {
		return "the attribute is a Boolean: use IS TRUE or IS FALSE"
	}
	return ""
}

// String returns the decision as a chain that people can follow.
func (e ScopeEvaluation) String() string {
	switch {
	case e.Dropped:
		return "left alone: the object does not pass the input filter"
	case len(e.Groups) == 0 && e.Passed:
		return "passed: there is no scoping filter"
	}
	var b strings.Builder
	if e.Passed {
		b.WriteString("passed")
	} else {
		b.WriteString("not passed")
	}
	for i, g := range e.Groups {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; or ")
		}
		name := g.Name
		if name == "" {
			name = "filter " + strconv.Itoa(i+1)
		}
		fmt.Fprintf(&b, "%s (%s)", name, verdict(g.Passed))
		for j, c := range g.Clauses {
			if j == 0 {
				b.WriteString(" ")
			} else {
				b.WriteString(" and ")
			}
			b.WriteString(c.String())
		}
	}
	return b.String()
}

func verdict(passed bool) string {
	if passed {
		return "yes"
	}
	return "no"
}

// String returns the clause, what was found and what may have been overlooked:
// department EQUALS "Sales": no, it is "sales" (the comparison minds case).
func (c ClauseEvaluation) String() string {
	var b strings.Builder
	b.WriteString(c.Attribute + " " + c.Operator)
	for i, s := range c.Operand {
		if i > 0 {
			b.WriteString(" or")
		}
		b.WriteString(" " + strconv.Quote(s))
	}
	b.WriteString(": " + verdict(c.Passed) + ", it is ")
	if c.Null {
		b.WriteString("empty")
	} else {
		b.WriteString(strconv.Quote(c.Actual))
	}
	if c.Note != "" {
		b.WriteString(" (" + c.Note + ")")
	}
	return b.String()
}

// Result returns the text of ScopeEvaluationResult in provisioning logs: a JSON
// object of clause and outcome, {} without filter.
func (e ScopeEvaluation) Result() string {
	o := &scim.Object{}
	for _, g := range e.Groups {
		for _, c := range g.Clauses {
			key := c.Attribute + " " + c.Operator
			if len(c.Operand) > 0 {
				key += " '" + strings.Join(c.Operand, "', '") + "'"
			}
			if g.Name != "" {
				key = g.Name + "." + key
			}
			o.Set(key, c.Passed)
		}
	}
	text, err := o.MarshalJSON()
	if err != nil {
		return "{}"
	}
	return string(text)
}

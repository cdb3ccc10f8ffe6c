package expression

import (
	"context"
	"errors"
	"strings"
)

// Positions of Replace's arguments.
const (
	replaceSource = iota
	replaceOldValue
	replacePattern
	replaceGroup
	replaceValue
	replaceOther
	replaceTemplate
)

// A replacement is what Replace was asked to do: its arguments after the
// source, and the way they choose.
type replacement struct {
	old, pattern, group, value, other, template string

	otherPresent  bool // other is not null
	mode          replaceMode
	regex         *regex
	substitutions []substitution
}

// A replaceMode is one of the five ways of Replace.
type replaceMode uint8

const (
	replaceNone       replaceMode = iota
	replaceInTemplate             // oldValue, template
	replaceLiteral                // oldValue, replacementValue
	replaceOneGroup               // regexPattern, regexGroupName, replacementValue
	replaceFromOther              // regexPattern, regexGroupName, replacementAttributeName
	replaceRegex                  // regexPattern, replacementValue
)

// modeOf returns the first way whose arguments are given. An empty oldValue,
// regexPattern, regexGroupName or template counts as not given.
func modeOf(old, pattern, group, value, other, template bool) replaceMode {
	switch {
	case old && template:
		return replaceInTemplate
	case old && value:
		return replaceLiteral
	case pattern && group && value:
		return replaceOneGroup
	case pattern && group && other:
		return replaceFromOther
	case pattern && value:
		return replaceRegex
	}
	return replaceNone
}

const replaceArity = "Replace has no use for this combination of arguments"

// replaceWays is the hint for a combination that is none of the five.
const replaceWays = "give oldValue and replacementValue, oldValue and template, regexPattern and replacementValue, " +
	"or regexPattern and regexGroupName with replacementValue or replacementAttributeName"

// checkReplace rejects calls that cannot work whatever the arguments give.
func checkReplace(n *Node) string {
	if modeOf(n.given(replaceOldValue), n.given(replacePattern), n.given(replaceGroup),
		n.given(replaceValue), n.given(replaceOther), n.given(replaceTemplate)) == replaceNone {
		return replaceArity + ": " + replaceWays
	}
	return ""
}

// lintReplace warns of a constant pattern that .NET would reject.
func lintReplace(n *Node) string {
	if !n.given(replacePattern) || n.Args[replacePattern].Kind != NodeString {
		return ""
	}
	if _, err := compileRegex(n.Args[replacePattern].Name); err != nil {
		return "the regular expression cannot be used: " + err.Error()
	}
	return ""
}

// prepareReplace compiles a constant pattern, and settles everything at once if
// only the source depends on the object.
func prepareReplace(n *Node) {
	if v, ok := n.constantArg(replacePattern); ok && v.kind == KindText && v.s != "" {
		n.regex, _ = compileRegex(v.s)
	}
	for _, a := range n.Args[1:] {
		if !a.folded {
			return
		}
	}
	if r, err := n.replacement(scope{}); err == nil {
		n.plan = &r
	}
}

// constantArg returns the i-th argument if it is given and constant.
func (n *Node) constantArg(i int) (Value, bool) {
	if !n.given(i) {
		return Value{}, false
	}
	return n.Args[i].value, n.Args[i].folded
}

func evalReplace(n *Node, s scope) (Value, error) {
	source, err := n.arg(s, replaceSource)
	if err != nil {
		return Value{}, err
	}
	r := n.plan
	if r == nil || s.trace != nil {
		computed, err := n.replacement(s)
		if err != nil {
			return Value{}, err
		}
		r = &computed
	}
	return each(source, func(text string, absent bool) (Value, error) {
		switch {
		case r.mode == replaceInTemplate:
			return n.replaceAll(r.template, r.old, text)
		case r.mode == replaceFromOther:
			return n.replaceOther(s, r, text)
		case absent:
			return Value{}, nil
		case r.mode == replaceLiteral:
			return n.replaceAll(text, r.old, r.value)
		}
		var out string
		var err error
		if r.mode == replaceOneGroup {
			out, err = r.regex.replaceGroup(s.ctx, text, r.group, r.value)
		} else {
			out, err = r.regex.replace(s.ctx, text, r.substitutions)
		}
		if err != nil {
			return Value{}, n.regexFailure(err, r)
		}
		return Text(out), nil
	})
}

// replacement computes the arguments after the source and what follows from
// them.
func (n *Node) replacement(s scope) (r replacement, err error) {
	var texts [replaceTemplate + 1]string
	var present [replaceTemplate + 1]bool
	for i := replaceOldValue; i <= replaceTemplate; i++ {
		if texts[i], present[i], err = n.textArg(s, i); err != nil {
			return r, err
		}
	}
	r = replacement{
		old: texts[replaceOldValue], pattern: texts[replacePattern], group: texts[replaceGroup],
		value: texts[replaceValue], other: texts[replaceOther], template: texts[replaceTemplate],
		otherPresent: present[replaceOther],
	}
	r.mode = modeOf(r.old != "", r.pattern != "", r.group != "", n.given(replaceValue), n.given(replaceOther), r.template != "")
	switch r.mode {
	case replaceNone:
		e := n.fail(ErrorArity, "%s: some of them are null or empty", replaceArity)
		e.Hint = replaceWays
		return r, e
	case replaceInTemplate, replaceLiteral:
		return r, nil
	}
	if r.regex = n.regex; r.regex == nil {
		if r.regex, err = cachedRegex(r.pattern); err != nil {
			return r, n.fail(ErrorValue, "the regular expression %s cannot be used: %s", n.quote(r.pattern), n.reason(err))
		}
	}
	if r.mode == replaceRegex {
		r.substitutions = r.regex.substitutions(r.value)
	}
	return r, nil
}

// replaceAll replaces every old in text, literally.
func (n *Node) replaceAll(text, old, new string) (Value, error) {
	if grown := len(new) - len(old); grown > 0 {
		if len(text) > maxText || strings.Count(text, old)*grown > maxText-len(text) {
			return Value{}, n.tooLong()
		}
	}
	return Text(strings.ReplaceAll(text, old, new)), nil
}

// replaceOther gives the source if there is one, or else a part of another
// attribute's value.
func (n *Node) replaceOther(s scope, r *replacement, text string) (Value, error) {
	if text != "" {
		return Text(text), nil
	}
	if !r.otherPresent {
		return Value{}, nil
	}
	group, ok, err := r.regex.find(s.ctx, r.other, r.group)
	if err != nil {
		return Value{}, n.regexFailure(err, r)
	}
	if !ok {
		return Value{}, nil
	}
	return Text(group), nil
}

// regexFailure reports a match that was given up.
func (n *Node) regexFailure(err error, r *replacement) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return n.canceled(err)
	}
	e := n.fail(ErrorValue, "the regular expression %s: %s", n.quote(r.pattern), n.reason(err))
	switch err {
	case errRegexTime:
		e.Hint = "a quantifier inside a quantified group, as in (a+)+, can take forever; make the parts exclude each other"
	case errRegexGroup:
		e.Hint = "name the group in the pattern: (?<" + strings.ReplaceAll(r.group, " ", "") + ">…)"
		if n.redact {
			e.Hint = ""
		}
	}
	return e
}

// reason is the text of err, which may quote the pattern.
func (n *Node) reason(err error) string {
	if n.redact && err != errRegexTime && err != errRegexGroup && err != errRegexSize {
		return "it is not valid"
	}
	return err.Error()
}

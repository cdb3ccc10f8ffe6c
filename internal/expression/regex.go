package expression

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

const (
	// regexTime bounds the search for one match and, roughly, a whole
	// replacement. The engine's clock is coarse: expect a tenth more.
	regexTime = 500 * time.Millisecond
	// regexStack bounds the engine's backtracking stack, in words.
	regexStack = 1 << 20
	// regexCacheSize is how many patterns that are not constant stay compiled.
	regexCacheSize = 128
)

var (
	errRegexTime  = errors.New("matching takes too long")
	errRegexGroup = errors.New("it has no such group")
	errRegexSize  = fmt.Errorf("the result is longer than %d bytes", maxText)
)

// A regex is a compiled .NET regular expression.
type regex struct {
	re     *regexp2.Regexp
	groups map[int]bool
	last   int // highest group number
}

// compileRegex compiles a .NET pattern. Named blocks (\p{IsGreek}), which the
// engine does not know, are replaced by their ranges.
func compileRegex(pattern string) (*regex, error) {
	rewritten, err := rewriteProperties(pattern)
	if err != nil {
		return nil, err
	}
	re, err := regexp2.Compile(rewritten, regexp2.OptionMaxBacktrackingStackSize(regexStack))
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	re.MatchTimeout = regexTime
	r := &regex{re: re, groups: make(map[int]bool)}
	for _, g := range re.GetGroupNumbers() {
		r.groups[g] = true
		r.last = max(r.last, g)
	}
	return r, nil
}

// regexCache holds patterns that come from data.
var regexCache = struct {
	sync.Mutex
	m map[string]*regex
}{m: make(map[string]*regex)}

func cachedRegex(pattern string) (*regex, error) {
	regexCache.Lock()
	r := regexCache.m[pattern]
	regexCache.Unlock()
	if r != nil {
		return r, nil
	}
	r, err := compileRegex(pattern)
	if err != nil {
		return nil, err
	}
	regexCache.Lock()
	defer regexCache.Unlock()
	if len(regexCache.m) >= regexCacheSize {
		for k := range regexCache.m { // any one will do
			delete(regexCache.m, k)
			break
		}
	}
	regexCache.m[pattern] = r
	return r, nil
}

// groupNumber resolves a group's name or number.
func (r *regex) groupNumber(name string) (int, error) {
	if g := r.re.GroupNumberFromName(name); g >= 0 && r.groups[g] {
		return g, nil
	}
	return 0, errRegexGroup
}

// matches calls yield for each match of rs until it returns false. It gives up
// when ctx ends or all matches together take too long.
func (r *regex) matches(ctx context.Context, rs []rune, yield func(regexp2.MatchView) (bool, error)) error {
	const interval = 256 // matches between two looks at the clock
	if err := ctx.Err(); err != nil {
		return err
	}
	var stop error
	var began time.Time
	count := 0
	err := r.re.FindRunesMatches(rs, 0, func(m regexp2.MatchView) bool {
		if count++; count%interval == 0 {
			switch {
			case ctx.Err() != nil:
				stop = ctx.Err()
				return false
			case count == interval:
				began = time.Now()
			case time.Since(began) > regexTime:
				stop = errRegexTime
				return false
			}
		}
		more, err := yield(m)
		stop = err
		return more && err == nil
	})
	if err != nil {
		return errRegexTime // its other reason, the stack limit, is the same to the reader
	}
	return stop
}

// replace replaces every match by the parts of a .NET replacement pattern.
func (r *regex) replace(ctx context.Context, text string, parts []substitution) (string, error) {
	rs := []rune(text)
	var out []byte
	rest := 0
	err := r.matches(ctx, rs, func(m regexp2.MatchView) (bool, error) {
		at, length, _ := m.GroupRange(0)
		out = appendRunes(out, rs[rest:at])
		rest = at + length
		for _, p := range parts {
			switch p.kind {
			case substituteText:
				out = append(out, p.text...)
			case substituteGroup:
				if at, length, ok := m.GroupRange(p.group); ok {
					out = appendRunes(out, rs[at:at+length])
				}
			case substituteBefore:
				out = appendRunes(out, rs[:at])
			case substituteAfter:
				out = appendRunes(out, rs[rest:])
			case substituteWhole:
				out = append(out, text...)
			}
			if len(out) > maxText {
				return false, errRegexSize
			}
		}
		return true, nil
	})
	if err != nil {
		return "", err
	}
	if rest == 0 && out == nil {
		return text, nil
	}
	return string(appendRunes(out, rs[rest:])), nil
}

// replaceGroup replaces in every match what one group has captured, literally.
func (r *regex) replaceGroup(ctx context.Context, text, group, value string) (string, error) {
	g, err := r.groupNumber(group)
	if err != nil {
		return "", err
	}
	rs := []rune(text)
	var out []byte
	rest := 0
	err = r.matches(ctx, rs, func(m regexp2.MatchView) (bool, error) {
		// A group inside a look-around may lie outside of its match, even
		// before what is done already.
		if at, length, ok := m.GroupRange(g); ok && at >= rest {
			out = appendRunes(out, rs[rest:at])
			out = append(out, value...)
			rest = at + length
		}
		if len(out) > maxText {
			return false, errRegexSize
		}
		return true, nil
	})
	if err != nil {
		return "", err
	}
	return string(appendRunes(out, rs[rest:])), nil
}

// find returns what the group captured in the first match; ok is false without
// a match. A group that took no part in it gives empty text.
func (r *regex) find(ctx context.Context, text, group string) (found string, ok bool, err error) {
	g, err := r.groupNumber(group)
	if err != nil {
		return "", false, err
	}
	rs := []rune(text)
	err = r.matches(ctx, rs, func(m regexp2.MatchView) (bool, error) {
		at, length, _ := m.GroupRange(g)
		found, ok = string(rs[at:at+length]), true
		return false, nil
	})
	return found, ok, err
}

func appendRunes(dst []byte, rs []rune) []byte {
	for _, r := range rs {
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

type substitutionKind uint8

const (
	substituteText   substitutionKind = iota
	substituteGroup                   // $1, ${name}, $&, $+
	substituteBefore                  // $`
	substituteAfter                   // $'
	substituteWhole                   // $_
)

// A substitution is one part of a replacement pattern.
type substitution struct {
	kind  substitutionKind
	text  string
	group int
}

// substitutions cuts a replacement pattern into parts. A dollar sign that
// begins nothing known, such as $9 without a ninth group, stays literal.
func (r *regex) substitutions(pattern string) []substitution {
	var parts []substitution
	for pattern != "" {
		text, rest, found := strings.Cut(pattern, "$")
		if text != "" {
			parts = append(parts, substitution{text: text})
		}
		if !found {
			break
		}
		p, size := r.substitution(rest)
		parts = append(parts, p)
		pattern = rest[size:]
	}
	return parts
}

// substitution reads what follows a dollar sign and returns its length.
func (r *regex) substitution(rest string) (substitution, int) {
	literal := substitution{text: "$"}
	if rest == "" {
		return literal, 0
	}
	switch rest[0] {
	case '$':
		return literal, 1
	case '&':
		return substitution{kind: substituteGroup}, 1
	case '+':
		return substitution{kind: substituteGroup, group: r.last}, 1
	case '`':
		return substitution{kind: substituteBefore}, 1
	case '\'':
		return substitution{kind: substituteAfter}, 1
	case '_':
		return substitution{kind: substituteWhole}, 1
	case '{':
		name, _, closed := strings.Cut(rest[1:], "}")
		if !closed {
			return literal, 0
		}
		if n, err := strconv.Atoi(name); err == nil && allDigits(name) {
			if r.groups[n] {
				return substitution{kind: substituteGroup, group: n}, len(name) + 2
			}
			return literal, 0
		}
		if g, err := r.groupNumber(name); err == nil {
			return substitution{kind: substituteGroup, group: g}, len(name) + 2
		}
		return literal, 0
	}
	n := 0
	for n < len(rest) && isDigit(rest[n]) {
		n++
	}
	if g, err := strconv.Atoi(rest[:n]); err == nil && r.groups[g] {
		return substitution{kind: substituteGroup, group: g}, n
	}
	return literal, 0
}

package expression

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// evalComparison compares the two sides. Null on either side makes every
// comparison false. Two times compare as times; if one side is a number and
// the other can be one, they compare as numbers; anything else compares by
// text form, ordinally and case-sensitively.
func evalComparison(n *Node, s scope) (Value, error) {
	a, err := n.one(s, 0)
	if err != nil {
		return Value{}, err
	}
	b, err := n.one(s, 1)
	if err != nil {
		return Value{}, err
	}
	if a.IsNull() || b.IsNull() {
		return Bool(false), nil
	}
	c := compareValues(a, b)
	switch n.Name {
	case "=":
		return Bool(c == 0), nil
	case "<>":
		return Bool(c != 0), nil
	case "<":
		return Bool(c < 0), nil
	case "<=":
		return Bool(c <= 0), nil
	case ">":
		return Bool(c > 0), nil
	}
	return Bool(c >= 0), nil
}

// compareValues orders two single values that are not null.
func compareValues(a, b Value) int {
	switch {
	case a.kind == KindText && b.kind == KindText:
		return compareOrdinal(a.s, b.s)
	case a.kind == KindDateTime && b.kind == KindDateTime:
		return cmp.Compare(a.n, b.n)
	case a.kind == KindNumber || b.kind == KindNumber:
		x, ok := a.asNumber()
		y, ok2 := b.asNumber()
		if ok && ok2 {
			return compareNumbers(x, y)
		}
	}
	return compareOrdinal(a.String(), b.String())
}

// compareOrdinal orders texts by UTF-16 code units, as .NET's ordinal
// comparison does. It differs from the order of UTF-8 bytes only where one
// side has a surrogate pair and the other a character above U+DFFF.
func compareOrdinal(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) || a[i] < 0xEE && b[i] < 0xEE {
		return strings.Compare(a[i:], b[i:])
	}
	x, _ := utf8.DecodeRuneInString(a[i:])
	y, _ := utf8.DecodeRuneInString(b[i:])
	return cmp.Or(cmp.Compare(firstUnit(x), firstUnit(y)), cmp.Compare(x, y))
}

// firstUnit returns the first UTF-16 code unit of r.
func firstUnit(r rune) rune {
	if r > 0xFFFF {
		return 0xD800 + (r-0x10000)>>10
	}
	return r
}

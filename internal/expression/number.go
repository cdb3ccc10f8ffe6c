package expression

import (
	"cmp"
	"strconv"
	"strings"
)

// parseDecimal reads an optionally signed decimal integer or decimal fraction.
// No white space, exponent or grouping is allowed. Whole numbers of 64 bits
// become integers; any other keeps its digits, as .NET's decimal does.
func parseDecimal(s string) (Value, bool) {
	digits, negative := s, false
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		negative = digits[0] == '-'
		digits = digits[1:]
	}
	whole, fraction, dotted := strings.Cut(digits, ".")
	if !allDigits(whole) || dotted && !allDigits(fraction) {
		return Value{}, false
	}
	if !dotted {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return Int(n), true
		}
	}
	text := strings.TrimLeft(whole, "0")
	if text == "" {
		text = "0"
	}
	if dotted {
		text += "." + fraction
	}
	if negative && strings.Trim(text, "0.") != "" {
		text = "-" + text
	}
	return Value{kind: KindNumber, s: text}, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// asNumber converts a single value to a number: a number as it is, text that
// is one.
func (v Value) asNumber() (Value, bool) {
	switch v.kind {
	case KindNumber:
		return v, true
	case KindText:
		return parseDecimal(v.s)
	}
	return Value{}, false
}

// asInteger converts a single value to a whole number of 64 bits. A fraction
// other than zero has no such number.
func (v Value) asInteger() (int64, bool) {
	v, ok := v.asNumber()
	if !ok {
		return 0, false
	}
	if v.s == "" {
		return v.n, true
	}
	whole, fraction, _ := strings.Cut(v.s, ".")
	if strings.Trim(fraction, "0") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	return n, err == nil
}

// isZero reports whether a number is zero.
func (v Value) isZero() bool {
	if v.s == "" {
		return v.n == 0
	}
	return strings.Trim(v.s, "-0.") == ""
}

// compareNumbers orders two numbers.
func compareNumbers(a, b Value) int {
	if a.s == "" && b.s == "" {
		return cmp.Compare(a.n, b.n)
	}
	an, aw, af := decimalParts(a)
	bn, bw, bf := decimalParts(b)
	if an != bn {
		if an {
			return -1
		}
		return 1
	}
	c := cmp.Compare(len(aw), len(bw))
	if c == 0 {
		c = strings.Compare(aw, bw)
	}
	if c == 0 {
		c = strings.Compare(af, bf)
	}
	if an {
		return -c
	}
	return c
}

// decimalParts splits a number into sign, whole digits without leading zeros
// and fraction digits without trailing ones, so that digits compare as text.
func decimalParts(v Value) (negative bool, whole, fraction string) {
	text, negative := strings.CutPrefix(v.String(), "-")
	whole, fraction, _ = strings.Cut(text, ".")
	return negative, strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
}

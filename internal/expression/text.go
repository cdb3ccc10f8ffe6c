package expression

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

func evalAppend(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	suffix, _, err := n.textArg(s, 1)
	if err != nil {
		return Value{}, err
	}
	return each(v, func(text string, absent bool) (Value, error) {
		if absent {
			return Value{}, nil
		}
		if len(text)+len(suffix) > maxText {
			return Value{}, n.tooLong()
		}
		return Text(text + suffix), nil
	})
}

// evalJoin passes over empty and absent sources, together with their
// separators.
func evalJoin(n *Node, s scope) (Value, error) {
	separator, _, err := n.textArg(s, 0)
	if err != nil {
		return Value{}, err
	}
	var buf [256]byte
	out := buf[:0]
	for _, a := range n.Args[1:] {
		v, err := a.eval(s)
		if err != nil {
			return Value{}, err
		}
		if v.kind == KindList {
			for _, e := range *v.list {
				out = appendSource(out, separator, Text(e))
			}
		} else {
			out = appendSource(out, separator, v)
		}
		if len(out) > maxText {
			return Value{}, n.tooLong()
		}
	}
	return Text(string(out)), nil
}

// appendSource appends one source of Join.
func appendSource(out []byte, separator string, v Value) []byte {
	if v.isNothing() {
		return out
	}
	if len(out) > 0 {
		out = append(out, separator...)
	}
	return v.appendText(out)
}

func evalLeft(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	count, err := n.integerArg(s, 1)
	if err != nil {
		return Value{}, err
	}
	return each(v, func(text string, _ bool) (Value, error) {
		if count < 0 {
			return Text(text), nil
		}
		return Text(text[:unitOffset(text, count)]), nil
	})
}

// evalMid follows Connect's Mid where the provisioning reference is silent: a
// start outside of the text and a negative length give the text unchanged.
func evalMid(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	start, err := n.integerArg(s, 1)
	if err != nil {
		return Value{}, err
	}
	length, err := n.integerArg(s, 2)
	if err != nil {
		return Value{}, err
	}
	return each(v, func(text string, _ bool) (Value, error) {
		units := unitCount(text)
		switch {
		case length == 0:
			return Text(""), nil
		case length < 0 || start <= 0 || start > units:
			return Text(text), nil
		}
		length := min(length, units) // start+length must not overflow
		from := unitOffset(text, start-1)
		return Text(text[from:unitOffset(text, start-1+length)]), nil
	})
}

// unitCount returns the number of UTF-16 code units of text.
func unitCount(text string) int64 {
	var n int64
	for _, r := range text {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// unitOffset returns the byte offset at which count UTF-16 code units of text
// end. A cut inside a surrogate pair is made before the pair; a count beyond
// the text gives its length.
func unitOffset(text string, count int64) int {
	var n int64
	for i, r := range text {
		n++
		if r > 0xFFFF {
			n++
		}
		if n > count {
			return i
		}
	}
	return len(text)
}

func evalWord(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	number, err := n.integerArg(s, 1)
	if err != nil {
		return Value{}, err
	}
	delimiters, _, err := n.textArg(s, 2)
	if err != nil {
		return Value{}, err
	}
	return each(v, func(text string, _ bool) (Value, error) {
		if number < 1 {
			return Text(""), nil
		}
		left := number
		for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(delimiters, r) }) {
			if left--; left == 0 {
				return Text(word), nil
			}
		}
		return Text(""), nil
	})
}

// evalInStr follows Visual Basic's InStr.
func evalInStr(n *Node, s scope) (Value, error) {
	text, _, err := n.textArg(s, 0)
	if err != nil {
		return Value{}, err
	}
	part, _, err := n.textArg(s, 1)
	if err != nil {
		return Value{}, err
	}
	start := int64(1)
	if n.given(2) {
		if v, err := n.one(s, 2); err != nil {
			return Value{}, err
		} else if !v.IsNull() {
			k, ok := v.asInteger()
			if !ok {
				return Value{}, n.mismatch(2, v, "a whole number")
			}
			start = k
		}
	}
	compare, given, err := n.textArg(s, 3)
	if err != nil {
		return Value{}, err
	}
	fold := false
	switch {
	case !given, compare == "vbBinaryCompare":
	case compare == "vbTextCompare":
		fold = true
	default:
		e := n.fail(ErrorValue, "compareType of InStr is %s", n.quote(compare))
		e.Hint = "write vbTextCompare to ignore case, or vbBinaryCompare"
		return Value{}, e
	}
	switch {
	case start < 1:
		return Value{}, n.fail(ErrorValue, "start of InStr is %d; the first character has position 1", start)
	case start > unitCount(text):
		return Int(0), nil
	case part == "":
		return Int(start), nil
	}
	if fold {
		text, part = foldCase(text), foldCase(part)
	}
	// A start inside a surrogate pair begins after the pair: its second half
	// is no character that part could begin with.
	from := unitOffset(text, start-1)
	if unitCount(text[:from]) < start-1 {
		_, size := utf8.DecodeRuneInString(text[from:])
		from += size
	}
	i := strings.Index(text[from:], part)
	if i < 0 {
		return Int(0), nil
	}
	return Int(unitCount(text[:from+i]) + 1), nil
}

func evalStripSpaces(n *Node, s scope) (Value, error) {
	return n.mapText(s, func(text string) string { return strings.ReplaceAll(text, " ", "") })
}

func evalTrim(n *Node, s scope) (Value, error) {
	return n.mapText(s, strings.TrimSpace)
}

func evalNormalizeDiacritics(n *Node, s scope) (Value, error) {
	return n.mapText(s, normalizeDiacritics)
}

// mapText applies f to the first argument, per value; null stays null.
func (n *Node) mapText(s scope, f func(string) string) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	return each(v, func(text string, absent bool) (Value, error) {
		if absent {
			return Value{}, nil
		}
		return Text(f(text)), nil
	})
}

// evalSplit trims the elements, as the documented sample shows, and keeps
// those that are empty.
func evalSplit(n *Node, s scope) (Value, error) {
	text, ok, err := n.textArg(s, 0)
	if err != nil {
		return Value{}, err
	}
	delimiter, _, err := n.textArg(s, 1)
	if err != nil || !ok {
		return Value{}, err
	}
	parts := []string{text}
	if delimiter != "" {
		parts = strings.Split(text, delimiter)
	}
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
	}
	return listOf(parts), nil
}

func evalCStr(n *Node, s scope) (Value, error) {
	text, ok, err := n.textArg(s, 0)
	if err != nil || !ok {
		return Value{}, err
	}
	return Text(text), nil
}

func evalConvertToBase64(n *Node, s scope) (Value, error) {
	text, ok, err := n.textArg(s, 0)
	if err != nil || !ok {
		return Value{}, err
	}
	units := utf16.Encode([]rune(text))
	data := make([]byte, 0, 2*len(units))
	for _, u := range units {
		data = append(data, byte(u), byte(u>>8))
	}
	if base64.StdEncoding.EncodedLen(len(data)) > maxText {
		return Value{}, n.tooLong()
	}
	return Text(base64.StdEncoding.EncodeToString(data)), nil
}

func evalConvertFromBase64(n *Node, s scope) (Value, error) {
	text, ok, err := n.textArg(s, 0)
	if err != nil {
		return Value{}, err
	}
	encoding, given, err := n.textArg(s, 1)
	if err != nil || !ok {
		return Value{}, err
	}
	if !given {
		encoding = "Unicode"
	}
	data, failure := base64.StdEncoding.DecodeString(withoutSpace(text))
	if failure != nil {
		return Value{}, n.fail(ErrorValue, "source of ConvertFromBase64 is no Base64: %s", n.quote(text))
	}
	switch encoding {
	case "Unicode":
		units := make([]uint16, 0, len(data)/2+1)
		for i := 0; i+1 < len(data); i += 2 {
			units = append(units, uint16(data[i])|uint16(data[i+1])<<8)
		}
		if len(data)%2 == 1 {
			units = append(units, utf8.RuneError)
		}
		return Text(string(utf16.Decode(units))), nil
	case "UTF8":
		return Text(strings.ToValidUTF8(string(data), "\uFFFD")), nil
	case "ASCII":
		for i, c := range data {
			if c > unicode.MaxASCII {
				data[i] = '?'
			}
		}
		return Text(string(data)), nil
	}
	e := n.fail(ErrorValue, "encoding of ConvertFromBase64 is %s", n.quote(encoding))
	e.Hint = "write Unicode, UTF8 or ASCII"
	return Value{}, e
}

// withoutSpace removes the white space that .NET's decoder ignores.
func withoutSpace(text string) string {
	if !strings.ContainsAny(text, " \t\r\n") {
		return text
	}
	return strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(text)
}

func evalConvertToUTF8Hex(n *Node, s scope) (Value, error) {
	text, ok, err := n.textArg(s, 0)
	if err != nil || !ok {
		return Value{}, err
	}
	if 2*len(text) > maxText {
		return Value{}, n.tooLong()
	}
	return Text(strings.ToUpper(hex.EncodeToString([]byte(text)))), nil
}

package expression

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// undecomposed are the letters of the documented table that canonical
// decomposition leaves whole, and those that go with them.
var undecomposed = map[rune]string{
	'æ': "ae", 'Æ': "AE",
	'ø': "oe", 'Ø': "OE",
	'œ': "oe", 'Œ': "OE",
	'ß': "ss", 'ẞ': "SS",
	'ł': "l", 'Ł': "L",
	'ı': "i",
}

// latinEnd is the end of the Latin blocks up to Latin Extended Additional.
const latinEnd = 0x1F00

// plainLatin gives for every precomposed Latin letter its plain form; a letter
// that has none is missing. Characters of these blocks do not interact, so
// that texts of them alone need no normalisation.
var plainLatin = func() map[rune]string {
	m := make(map[rune]string)
	for r := rune(0x80); r < latinEnd; r++ {
		if s := string(r); isLatin(r) {
			if p := decompose(s); p != s {
				m[r] = p
			}
		}
	}
	return m
}()

// isLatin reports whether r is ASCII, a precomposed Latin letter or sign, or a
// combining mark as used with Latin letters.
func isLatin(r rune) bool {
	return r < 0x250 || r >= 0x300 && r < 0x370 || r >= 0x1E00 && r < latinEnd
}

// normalizeDiacritics replaces letters with diacritical marks, precomposed or
// not, by plain letters: the documented table of Entra's function and, beyond
// it, canonical decomposition without nonspacing marks. Letters that do not
// decompose (đ, ð, þ) stay.
func normalizeDiacritics(s string) string {
	first := -1
	latin := true
	for i, r := range s {
		if r >= 0x80 && first < 0 {
			first = i
		}
		if !isLatin(r) {
			latin = false
			break
		}
	}
	if first < 0 && latin {
		return s
	}
	if !latin {
		return decompose(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:first])
	for _, r := range s[first:] {
		switch p, ok := plainLatin[r]; {
		case ok:
			b.WriteString(p)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// decompose is the general case.
func decompose(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFD.String(s) {
		if p, ok := undecomposed[r]; ok {
			b.WriteString(p)
		} else if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(b.String())
}

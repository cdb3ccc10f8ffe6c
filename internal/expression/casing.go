package expression

import (
	"strings"
	"unicode"

	"golang.org/x/text/language"
)

// A casing is a pair of one-to-one character maps. As in .NET, casing never
// changes the number of characters: ß has no upper case.
type casing struct{ upper, lower func(rune) rune }

// invariant is the invariant culture. It leaves the dotted capital and the
// dotless small i alone, whose partners belong to Turkish.
var invariant = casing{
	upper: func(r rune) rune {
		if r == 'ı' {
			return r
		}
		return unicode.ToUpper(r)
	},
	lower: func(r rune) rune {
		if r == 'İ' {
			return r
		}
		return unicode.ToLower(r)
	},
}

// named is any culture with a name other than the Turkic ones.
var named = casing{upper: unicode.ToUpper, lower: unicode.ToLower}

// turkic is Turkish and Azerbaijani.
var turkic = casing{
	upper: unicode.TurkishCase.ToUpper,
	lower: unicode.TurkishCase.ToLower,
}

// casingOf returns the casing of a culture such as en-US; the empty name is
// the invariant culture.
func casingOf(culture string) (casing, bool) {
	if culture == "" {
		return invariant, true
	}
	if strings.Contains(culture, "_") {
		return casing{}, false
	}
	tag, err := language.Parse(culture)
	if err != nil {
		return casing{}, false
	}
	switch base, _ := tag.Base(); base.String() {
	case "tr", "az":
		return turkic, true
	}
	return named, true
}

func evalToLower(n *Node, s scope) (Value, error) {
	return n.changeCase(s, func(c casing) func(rune) rune { return c.lower })
}

func evalToUpper(n *Node, s scope) (Value, error) {
	return n.changeCase(s, func(c casing) func(rune) rune { return c.upper })
}

func (n *Node) changeCase(s scope, direction func(casing) func(rune) rune) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	culture, _, err := n.textArg(s, 1)
	if err != nil {
		return Value{}, err
	}
	c, ok := casingOf(culture)
	if !ok {
		e := n.fail(ErrorValue, "there is no culture %s", n.quote(culture))
		e.Hint = "write a language and region such as en-US or tr-TR, or leave the culture out"
		return Value{}, e
	}
	change := direction(c)
	return each(v, func(text string, absent bool) (Value, error) {
		if absent {
			return Value{}, nil
		}
		return Text(strings.Map(change, text)), nil
	})
}

// foldCase makes texts comparable without regard to case, one character for
// one of the same length in UTF-16 units.
func foldCase(text string) string {
	return strings.Map(func(r rune) rune { return invariant.lower(invariant.upper(r)) }, text)
}

func evalPCase(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	separators, given, err := n.textArg(s, 1)
	if err != nil {
		return Value{}, err
	}
	return each(v, func(text string, absent bool) (Value, error) {
		switch {
		case absent:
			return Value{}, nil
		case given:
			return Text(raiseAfter(text, separators)), nil
		}
		return Text(titleCase(text)), nil
	})
}

// raiseAfter lowers text, but raises its first character and each one after a
// separator.
func raiseAfter(text, separators string) string {
	raise := true
	return strings.Map(func(r rune) rune {
		c := invariant.lower(r)
		if raise {
			c = invariant.upper(c)
		}
		raise = strings.ContainsRune(separators, r)
		return c
	}, text)
}

// titleCase lowers text and then follows .NET's TextInfo.ToTitleCase: a letter
// begins a word and is title-cased; the word runs on over letters, marks,
// digits and apostrophes until a character of a separating category.
func titleCase(text string) string {
	word := false
	return strings.Map(func(r rune) rune {
		r = invariant.lower(r)
		switch {
		case word:
			word = r == '\'' || !unicode.In(r, wordSeparators...)
		case unicode.IsLetter(r):
			word = true
			return titleLetter(r)
		}
		return r
	}, text)
}

// wordSeparators are the categories that end a word in ToTitleCase: separators,
// controls and formats, punctuation and symbols.
var wordSeparators = []*unicode.RangeTable{unicode.Z, unicode.Cc, unicode.Cf, unicode.P, unicode.S}

// titleLetter returns the form a letter takes at the beginning of a word: its
// upper case, but the title form of the Croatian digraphs, and Georgian letters
// as they are, which have capitals only in all-capital text.
func titleLetter(r rune) rune {
	switch {
	case r >= 'Ǆ' && r <= 'ǌ' || r >= 'Ǳ' && r <= 'ǳ':
		return unicode.ToTitle(r)
	case r >= 'ა' && r <= 'ჺ' || r >= 'ჽ' && r <= 'ჿ':
		return r
	}
	return invariant.upper(r)
}

package freshservice

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:embed data/languages.csv
var languagesCSV string

// A LanguageChoice is one language a person can have in Freshservice.
type LanguageChoice struct {
	// Code is Freshservice's, such as "en", "ja-JP" or "es-LA".
	Code string
	// Name is the English name that Freshservice shows.
	Name string
}

var languages = sync.OnceValue(func() []LanguageChoice {
	var list []LanguageChoice
	for _, row := range rows(languagesCSV) {
		list = append(list, LanguageChoice{row[0], row[1]})
	}
	return list
})

var languageCodes = sync.OnceValue(func() []string {
	var codes []string
	for _, l := range languages() {
		codes = append(codes, l.Code)
	}
	return codes
})

// Languages returns the languages that every Freshservice account offers
// (Freshservice API: list of requester fields, choices of "language").
func Languages() []LanguageChoice { return slices.Clone(languages()) }

// Language returns Freshservice's code for a BCP 47 language tag, a POSIX
// locale ("pt_BR.UTF-8") or one of its own codes in any case. ok is false when
// Freshservice has no such language.
func Language(tag string) (code string, ok bool) { return languageAmong(tag, languageCodes()) }

// american are the countries whose Spanish is Latin American, for es-LA.
var american = map[string]bool{}

func init() {
	for c := range strings.FieldsSeq("ar bo cl co cr cu do ec gt hn mx ni pa pe pr py sv us uy ve 419 la bz br") {
		american[c] = true
	}
}

// languageAmong is [Language] for an account that offers codes.
//
// Freshservice's codes are bare for most languages and have a region for a
// few, so a tag is tried as a whole first, then by the special cases of its
// language, and then by its language alone.
func languageAmong(tag string, codes []string) (string, bool) {
	tag = strings.TrimSpace(tag)
	if i := strings.IndexAny(tag, ".@"); i >= 0 { // POSIX: encoding and modifier
		tag = tag[:i]
	}
	parts := strings.Split(strings.ToLower(strings.ReplaceAll(tag, "_", "-")), "-")
	if !wellFormed(parts) {
		return "", false
	}
	find := func(code string) (string, bool) {
		i := slices.IndexFunc(codes, func(c string) bool { return strings.EqualFold(c, code) })
		if i < 0 {
			return "", false
		}
		return codes[i], true
	}
	if c, ok := find(strings.Join(parts, "-")); ok {
		return c, true
	}
	for _, candidate := range candidates(parts) {
		if c, ok := find(candidate); ok {
			return c, true
		}
	}
	// A language that the account offers for one region only, as "sk-SK".
	prefix := parts[0] + "-"
	for _, c := range codes {
		if parts[0] != "zh" && len(c) > len(prefix) && strings.EqualFold(c[:len(prefix)], prefix) {
			return c, true
		}
	}
	return "", false
}

// candidates lists the codes to try for a tag, best first.
func candidates(parts []string) []string {
	script, region := subtags(parts[1:])
	switch language := parts[0]; language {
	case "ja":
		return []string{"ja-JP"}
	case "nb", "no", "nn":
		return []string{"nb-NO"}
	case "ru":
		return []string{"ru-RU"}
	case "sv":
		return []string{"sv-SE"}
	case "cy":
		return []string{"cy-GB"}
	case "pt":
		if region == "br" {
			return []string{"pt-BR"}
		}
		return []string{"pt-PT"}
	case "es":
		if american[region] {
			return []string{"es-LA", "es"}
		}
		return []string{"es"}
	case "zh", "cmn", "yue":
		if script == "hant" || script == "" && (region == "tw" || region == "hk" || region == "mo") {
			// Traditional Chinese is not Simplified: none rather than the wrong one.
			return []string{"zh-TW"}
		}
		return []string{"zh-CN"}
	case "iw": // the older codes of ISO 639
		return []string{"he"}
	case "in":
		return []string{"id"}
	default:
		return []string{language}
	}
}

func subtags(parts []string) (script, region string) {
	for _, p := range parts {
		switch {
		case len(p) == 1: // extensions follow
			return script, region
		case len(p) == 4 && script == "" && p[0] > '9':
			script = p
		case (len(p) == 2 || len(p) == 3 && p[0] <= '9') && region == "":
			region = p
		}
	}
	return script, region
}

// wellFormed reports whether the parts have the outward form of a language
// tag (RFC 5646 section 2.1): letters and digits, up to eight each, a language
// of two or three letters first.
func wellFormed(parts []string) bool {
	for i, p := range parts {
		if len(p) == 0 || len(p) > 8 || i == 0 && (len(p) < 2 || len(p) > 3) {
			return false
		}
		for _, c := range []byte(p) {
			if (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}

// nearestLanguage suggests a code for a message: by its English name, or by
// spelling. "" when none is close.
func nearestLanguage(s string, codes []string) string {
	for _, l := range languages() {
		if strings.EqualFold(l.Name, strings.TrimSpace(s)) {
			return l.Code
		}
	}
	return nearest(s, codes)
}

package expression

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// regexReplace replaces as Replace does in its fifth way.
func regexReplace(ctx context.Context, pattern, text, value string) (string, error) {
	re, err := compileRegex(pattern)
	if err != nil {
		return "", err
	}
	return re.replace(ctx, text, re.substitutions(value))
}

func TestRegexReplace(t *testing.T) {
	tests := []struct{ pattern, text, value, want string }{
		// Substitutions.
		{`(a)(?<x>b)?`, "abac", "[$1|$2|${x}|$0|$&|${1}]", "[a|b|b|ab|ab|a][a|||a|a|a]c"},
		{`b`, "abc", "$`|$'|$_|$$|$+", "aa|c|abc|$|bc"},
		{`(a)(b)`, "ab", "$+", "b"},
		{`(a)`, "a", "$9 $10 ${9} ${no} $ ${ $x $", "$9 $10 ${9} ${no} $ ${ $x $"},
		{`(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)`, "abcdefghijk", "$11$1", "ka"},
		{`(?<n>a)(b)(?<m>c)(d)`, "abcd", "$1$2$3$4", "bdac"},
		{`(?<5>a)`, "a", "$5$1", "a$1"},
		// Empty matches take the replacement everywhere.
		{`x*`, "abc", "-", "-a-b-c-"},
		{`x*`, "axb", "-", "-a--b-"},
		{`(.*?)(?<id>.{0,6})$`, "000000789", "${id}", "000789"},
		{`$`, "a\n", "!", "a!\n!"},
		{`a$`, "a\n", "b", "b\n"},
		{`a\z`, "a\n", "b", "a\n"},
		{`(?m)^`, "a\nb", "> ", "> a\n> b"},
		// Classes.
		{`\d`, "1٣x", "#", "##x"},
		{`\w`, "aé_-ß９", "#", "###-##"},
		{`\s`, "a\u00a0b\u2003c", "", "abc"},
		{`[^\d\s]`, "a1 b", "", "1 "},
		{`[a-z-[aeiou]]`, "banana", "", "aaa"},
		{`[\/\:\;\=\,\<\>]`, "a/b:c;d=e,f<g>", "", "abcdefg"},
		{`\p{Lu}`, "aBÉ", "", "a"},
		{`\p{IsGreek}+`, "aαβγb", "", "ab"},
		{`\P{IsBasicLatin}`, "aéb😀", "", "ab"},
		{`[\p{IsGreek}x]`, "axαb", "", "ab"},
		{`[\P{IsGreek}]`, "aα😀", "", "α"},
		{`[^\p{IsCyrillic}\]]`, "aж]b", "", "ж]"},
		{`[]\p{IsGreek}]`, "]α[", "", "["},
		{`\\p{IsGreek}`, `\p{IsGreek}`, "x", "x"},
		{`[\w-[\p{IsGreek}]]`, "aα", "", "α"},
		// Groups and assertions.
		{`(?i)ß|É`, "é", "x", "x"},
		{`(?<=\d)(?=(\d{3})+$)`, "1234567", ",", "1,234,567"},
		{`(?<!a)b`, "abb", "x", "abx"},
		{`(\w)\1`, "aabbc", "<$1>", "<a><b>c"},
		{`(?<q>["'])(.*?)\k<q>`, `"a" 'b'`, "$1", `a b`},
		{`^(?:(?<o>\()|(?<-o>\))|[^()])*(?(o)(?!))$`, "(a(b))", "ok", "ok"},
		{`^(?:(?<o>\()|(?<-o>\))|[^()])*(?(o)(?!))$`, "(a(b)", "ok", "(a(b)"},
		{`(?>a+)ab`, "aaab", "x", "aaab"},
		{`(?x) a  b # comment`, "ab", "x", "x"},
		{`(?n)(a)(?<x>b)`, "ab", "$1", "b"},
		{`.`, "😀é", "x", "xx"},
		{`zz`, "aé", "x", "aé"},
	}
	for _, tt := range tests {
		got, err := regexReplace(t.Context(), tt.pattern, tt.text, tt.value)
		if err != nil || got != tt.want {
			t.Errorf("%s in %q by %q: got %q %v, want %q", tt.pattern, tt.text, tt.value, got, err, tt.want)
		}
	}
}

func TestRegexErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		`(`:                    "missing",
		`\p{Greek}`:            "IsGreek",
		`\p{IsKlingon}`:        "IsKlingon",
		`[\p{Nope}]`:           "Nope",
		`\p{IsGreek`:           "closing brace",
		`a{2,1}`:               "",
		`(?<n>a)\k<m>`:         "",
		`*`:                    "",
		`\p{IsHighSurrogates}`: "",
	} {
		_, err := compileRegex(pattern)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", pattern, err, want)
		}
	}
}

// A pattern that backtracks without end is given up, and the error says so.
func TestRegexTimeLimit(t *testing.T) {
	p := MustCompile(`Replace([s], , "(a+)+$", , "", , )`)
	_, err := p.Eval(t.Context(), &Env{Source: Map{"s": Text(strings.Repeat("a", 60) + "b")}})
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != ErrorValue || e.Pos != 0 || e.Hint == "" {
		t.Fatalf("got %v, want a value error with a hint", err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	if _, err := p.Eval(ctx, &Env{Source: Map{"s": Text("a")}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("after the deadline: got %v", err)
	}
}

func TestRegexCache(t *testing.T) {
	for i := range 3 * regexCacheSize {
		if _, err := cachedRegex(strings.Repeat("a", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(regexCache.m); n > regexCacheSize {
		t.Errorf("the cache holds %d patterns, want at most %d", n, regexCacheSize)
	}
	a, _ := cachedRegex("zz+")
	if b, _ := cachedRegex("zz+"); a != b {
		t.Error("a cached pattern was compiled again")
	}
}

func FuzzRegex(f *testing.F) {
	f.Add(`(?<x>a)[\p{IsGreek}-[b]]`, "aαb", "$1${x}$&$_", "x")
	f.Add(`x*`, "axb", "$`$'$+$$", "0")
	f.Fuzz(func(t *testing.T, pattern, text, value, group string) {
		if len(pattern)+len(text)+len(value) > 60 {
			return
		}
		re, err := compileRegex(pattern)
		if err != nil {
			return
		}
		re.re.MatchTimeout = 10 * time.Millisecond
		_, _ = re.replace(t.Context(), text, re.substitutions(value))
		_, _ = re.replaceGroup(t.Context(), text, group, value)
		_, _, _ = re.find(t.Context(), text, group)
	})
}

package scim

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseFilterTree(t *testing.T) {
	t.Parallel()
	title := &Present{Path{Attr: "title"}}
	active := &Comparison{Path{Attr: "active"}, Eq, true}
	for _, c := range []struct {
		in        string
		want      Filter
		canonical string
	}{
		{`title pr`, title, `title pr`},
		{"\t title  PR\n", title, `title pr`},
		{`active EQ True`, active, `active eq true`},
		{`a gt -1.50e+3`, &Comparison{Path{Attr: "a"}, Gt, json.Number("-1.50e+3")}, `a gt -1.50e+3`},
		{`a ne NULL`, &Comparison{Path{Attr: "a"}, Ne, nil}, `a ne null`},
		{`a eq "tab\tend"`, &Comparison{Path{Attr: "a"}, Eq, "tab\tend"}, `a eq "tab\tend"`},
		{`a eq "\ud83d\ude00"`, &Comparison{Path{Attr: "a"}, Eq, "😀"}, `a eq "😀"`},
		{`title pr and active eq true or title pr`, &Or{[]Filter{&And{[]Filter{title, active}}, title}}, `title pr and active eq true or title pr`},
		{`title pr and (active eq true or title pr)`, &And{[]Filter{title, &Or{[]Filter{active, title}}}}, `title pr and (active eq true or title pr)`},
		{`title pr or not(active eq true)and title pr`, &Or{[]Filter{title, &And{[]Filter{&Not{active}, title}}}}, `title pr or not (active eq true) and title pr`},
		{`(title pr)`, title, `title pr`},
		{`not (title pr and active eq true)`, &Not{&And{[]Filter{title, active}}}, `not (title pr and active eq true)`},
		{`note pr`, &Present{Path{Attr: "note"}}, `note pr`},
		{
			`Emails[type eq "work"].value co "x"`,
			&Comparison{Path{Attr: "Emails", Filter: &Comparison{Path{Attr: "type"}, Eq, "work"}, Sub: "value"}, Co, "x"},
			`Emails[type eq "work"].value co "x"`,
		},
		{
			`emails[type eq "a" or type eq "b"] and title pr`,
			&And{[]Filter{&ValuePath{Path{Attr: "emails"}, &Or{[]Filter{&Comparison{Path{Attr: "type"}, Eq, "a"}, &Comparison{Path{Attr: "type"}, Eq, "b"}}}}, title}},
			`emails[type eq "a" or type eq "b"] and title pr`,
		},
		{
			`URN:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value pr`,
			&Present{Path{URN: "URN:ietf:params:scim:schemas:extension:enterprise:2.0:User", Attr: "manager", Sub: "value"}},
			`URN:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value pr`,
		},
		{`members.$ref eq "x"`, &Comparison{Path{Attr: "members", Sub: "$ref"}, Eq, "x"}, `members.$ref eq "x"`},
	} {
		got, err := ParseFilter(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.in, diff)
		}
		if got.String() != c.canonical {
			t.Errorf("%s prints as %s, want %s", c.in, got, c.canonical)
		}
	}
}

func TestParsePath(t *testing.T) {
	t.Parallel()
	work := &Comparison{Path{Attr: "type"}, Eq, "work"}
	for in, want := range map[string]Path{
		`userName`:                          {Attr: "userName"},
		`  userName `:                       {Attr: "userName"},
		`name.givenName`:                    {Attr: "name", Sub: "givenName"},
		`emails[type eq "work"]`:            {Attr: "emails", Filter: work},
		`emails[ type eq "work" ].value`:    {Attr: "emails", Filter: work, Sub: "value"},
		URNUser:                             {URN: URNUser},
		URNUser + `:userName`:               {URN: URNUser, Attr: "userName"},
		URNUser + `:name.familyName`:        {URN: URNUser, Attr: "name", Sub: "familyName"},
		URNEnterprise + `:_location`:        {URN: URNEnterprise, Attr: "_location"},
		URNEnterprise + `.department`:       {URN: URNEnterprise, Attr: "department"},
		URNUser + `:emails[type eq "work"]`: {URN: URNUser, Attr: "emails", Filter: work},
		`urn:acme:directory:badge`:          {URN: "urn:acme:directory", Attr: "badge"},
	} {
		got, err := ParsePath(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
		again, err := ParsePath(got.String())
		if err != nil {
			t.Errorf("%s printed as %s: %v", in, got, err)
		} else if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("%s printed as %s (-first +again):\n%s", in, got, diff)
		}
	}
}

// The details are for people, so their wording and the carets are part of the
// contract.
func TestParseErrorsPoint(t *testing.T) {
	t.Parallel()
	filter := func(s string) error { _, err := ParseFilter(s); return err }
	path := func(s string) error { _, err := ParsePath(s); return err }
	for _, c := range []struct {
		err    error
		kind   ErrorType
		detail string
	}{
		{filter(``), InvalidFilter, "expected an attribute name, \"(\" or \"not (\", but the text ends at byte 0 of the filter\n  \n  ^"},
		{filter(`userName regex "x"`), InvalidFilter, "\"regex\" is not an operator; the operators are eq, ne, co, sw, ew, gt, ge, lt, le or pr at byte 9 of the filter\n  userName regex \"x\"\n           ^^^^^"},
		{filter(`userName = "x"`), InvalidFilter, "\"=\" is not an operator; write eq at byte 9 of the filter\n  userName = \"x\"\n           ^"},
		{filter(`userName eq 'x'`), InvalidFilter, "strings are written in double quotes, not in single ones at byte 12 of the filter\n  userName eq 'x'\n              ^"},
		{filter(`title eq "é" && active pr`), InvalidFilter, "expected the end, \"and\" or \"or\", found \"&\" at byte 14 of the filter\n  title eq \"é\" && active pr\n               ^"},
		{filter(`(title pr`), InvalidFilter, "the \")\" for this \"(\" is missing at byte 0 of the filter\n  (title pr\n  ^"},
		{filter(`active gt true`), InvalidFilter, "true cannot be compared by gt; use eq or ne at byte 10 of the filter\n  active gt true\n            ^^^^"},
		{path(`emails[type eq].value`), InvalidFilter, "expected a value: a string in double quotes, a number, true, false or null, found \"]\" at byte 14 of the path\n  emails[type eq].value\n                ^"},
		{path(`emails[type eq "work"]value`), InvalidPath, "expected the end of the path, found \"value\" at byte 22 of the path\n  emails[type eq \"work\"]value\n                        ^^^^^"},
		{path(`name.givenName.x`), InvalidPath, "an attribute has one level of sub-attributes; \"name.givenName.x\" names more at byte 0 of the path\n  name.givenName.x\n  ^^^^^^^^^^^^^^^^"},
	} {
		e := AsError(c.err)
		if c.err == nil || e.Type != c.kind || e.Detail != c.detail {
			t.Errorf("got %s\n%s\nwant %s\n%s", e.Type, e.Detail, c.kind, c.detail)
		}
	}
}

func TestParseFilterRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		`)`, `title pr)`, `title`, `title eq`, `title pr title pr`, `title eq "x"and title pr`, `titleeq "x"`, `title eq"x"`,
		`title eq 01`, `title eq 1.`, `title eq .5`, `title eq 1e`, `title eq - 1`, `title eq +1`, `title eq bjensen`,
		"title eq \"a\nb\"", "title eq \"\xff\"", `title eq "\ud800"`, `title eq "\x41"`, `title eq "a\"`, `title co true`, `title sw null`,
		`urn:x eq "y"`, `urn: pr`, `urn:a:b: pr`, `1a pr`, `a:b pr`, `a. pr`, `a.b.c pr`, `a-1.2 pr`, `emails[`, `emails[type`, `emails[type pr`,
		`emails[type pr].`, `emails[type pr].a.b pr`, `emails[type pr].value`, `emails[type pr] eq "x"`, `emails.type[value pr]`,
		`emails[urn:a:b:c pr]`, `emails[(type pr]`, `not`, `not title pr`, `not not (title pr)`, `title pr and`, `and`, `or title pr`,
		strings.Repeat("(", 100) + "title pr" + strings.Repeat(")", 100),
		`title eq "` + strings.Repeat("x", maxFilterLength) + `"`,
	} {
		f, err := ParseFilter(s)
		if err == nil {
			t.Errorf("%.60s is read as %s", s, f)
		} else if !IsType(err, InvalidFilter) {
			t.Errorf("%.60s: %v", s, err)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]ErrorType{
		``: InvalidPath, ` `: InvalidPath, `.`: InvalidPath, `a.`: InvalidPath, `.a`: InvalidPath, `a..b`: InvalidPath, `a b`: InvalidPath,
		`a[b pr`: InvalidPath, `[b pr]`: InvalidPath, `a[b pr].`: InvalidPath, `a[b pr]]`: InvalidPath, `a.b[c pr]`: InvalidPath,
		`a/b`: InvalidPath, `urn:`: InvalidPath, URNUser + `[a pr]`: InvalidPath, `a eq "b"`: InvalidPath,
		strings.Repeat("a", maxFilterLength+1): InvalidPath,
		`a[]`:                                  InvalidFilter, `a[b]`: InvalidFilter, `a["b"]`: InvalidFilter, `a[b eq "c]`: InvalidFilter, `a[b[c pr]]`: InvalidFilter,
	} {
		p, err := ParsePath(s)
		if err == nil {
			t.Errorf("%.60q is read as %s", s, p)
		} else if !IsType(err, want) {
			t.Errorf("%.60q: %v, want type %s", s, err, want)
		}
	}
}

func TestErrorsInLongFiltersShowTheNeighbourhood(t *testing.T) {
	t.Parallel()
	s := strings.Repeat(`title pr and `, 50) + `title xx "é" and ` + strings.Repeat(`title pr and `, 50)
	_, err := ParseFilter(s)
	lines := strings.Split(AsError(err).Detail, "\n")
	if len(lines) != 3 || len(lines[1]) > 300 {
		t.Fatalf("detail:\n%v", err)
	}
	at := strings.Index(lines[2], "^^")
	if got := string([]rune(lines[1])[at : at+2]); got != "xx" {
		t.Errorf("the carets point at %q:\n%v", got, err)
	}
}

func drawPath(t *rapid.T, element bool) Path {
	name := rapid.StringMatching(`[A-Za-z_$][A-Za-z0-9_-]{0,8}`).Filter(func(s string) bool { return !strings.EqualFold(s, "not") })
	p := Path{Attr: name.Draw(t, "attr")}
	if !element && rapid.Bool().Draw(t, "qualified") {
		p.URN = rapid.SampledFrom([]string{URNUser, URNEnterprise, "urn:acme:x"}).Draw(t, "urn")
	}
	if rapid.Bool().Draw(t, "dotted") {
		p.Sub = name.Draw(t, "sub")
	}
	return p
}

func drawFilter(t *rapid.T, depth int, element bool) Filter {
	kinds := 2
	if depth > 0 {
		kinds = 7
		if element {
			kinds = 5
		}
	}
	operands := func() []Filter {
		list := make([]Filter, rapid.IntRange(2, 3).Draw(t, "n"))
		for i := range list {
			list[i] = drawFilter(t, depth-1, element)
		}
		return list
	}
	comparison := func(p Path) Filter {
		v := rapid.OneOf(
			rapid.Map(rapid.String().Filter(func(s string) bool { return strings.ToValidUTF8(s, "") == s }), func(s string) Value { return s }),
			rapid.Map(rapid.Int64(), func(n int64) Value { b, _ := json.Marshal(n); return json.Number(b) }),
			rapid.Map(rapid.Float64Range(-1e300, 1e300), func(n float64) Value { b, _ := json.Marshal(n); return json.Number(b) }),
			rapid.SampledFrom([]Value{true, false, nil}),
		).Draw(t, "value")
		ops := []Operator{Eq, Ne, Co, Sw, Ew, Gt, Ge, Lt, Le}
		if _, isBool := v.(bool); isBool || v == nil {
			ops = ops[:2]
		}
		return &Comparison{p, rapid.SampledFrom(ops).Draw(t, "op"), v}
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return &Present{drawPath(t, element)}
	case 1:
		return comparison(drawPath(t, element))
	case 2:
		return &And{operands()}
	case 3:
		return &Or{operands()}
	case 4:
		return &Not{drawFilter(t, depth-1, element)}
	case 5:
		p := drawPath(t, false)
		p.Sub = ""
		return &ValuePath{p, drawFilter(t, depth-1, true)}
	default:
		p := drawPath(t, false)
		p.Sub, p.Filter = "value", drawFilter(t, depth-1, true)
		return comparison(p)
	}
}

func TestPrintedFiltersReadTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawFilter(t, 3, false)
		got, err := ParseFilter(want.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", want, diff)
		}
	})
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{
		`userName eq "bjensen"`, `not (a pr) and b gt 1 or c[d eq "e" and f ne null].g co "\u00e9"`,
		URNEnterprise + `:manager.value eq "x"`, `a eq "`, `((((`, `urn:a:1.0:b.c pr`,
	} {
		f.Add(s)
	}
	t := UserType()
	r := storedUser(f)
	f.Fuzz(func(tt *testing.T, s string) {
		parsed, err := ParseFilter(s)
		if err != nil {
			if !IsType(err, InvalidFilter) {
				tt.Fatalf("%q: %v", s, err)
			}
			return
		}
		again, err := ParseFilter(parsed.String())
		if err != nil {
			tt.Fatalf("%q printed as %q: %v", s, parsed, err)
		}
		if diff := cmp.Diff(parsed, again); diff != "" {
			tt.Fatalf("%q printed as %q (-first +again):\n%s", s, parsed, diff)
		}
		if got, want := Match(t, again, r), Match(t, parsed, r); got != want {
			tt.Fatalf("%q matches %t, printed %t", s, want, got)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{
		`emails[type eq "work"].value`, URNUser, URNUser + ":name.givenName", URNEnterprise + ".department", "a[b", "urn:1.0:2.0",
	} {
		f.Add(s)
	}
	t := UserType()
	f.Fuzz(func(tt *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		again, err := ParsePath(p.String())
		if err != nil {
			tt.Fatalf("%q printed as %q: %v", s, p, err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			tt.Fatalf("%q printed as %q (-first +again):\n%s", s, p, diff)
		}
		if c, ok := t.Canonical(p); ok {
			if twice, ok := t.Canonical(c); !ok || !cmp.Equal(c, twice) {
				tt.Fatalf("%q is canonically %q, and that %q", s, c, twice)
			}
		}
	})
}

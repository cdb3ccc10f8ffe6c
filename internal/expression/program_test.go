package expression

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func compileError(t testing.TB, src string) *Error {
	t.Helper()
	_, err := Compile(src)
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%s: got %v, want an *Error", src, err)
	}
	return e
}

func TestCompileErrors(t *testing.T) {
	tests := []struct {
		src  string
		kind ErrorKind
		pos  int
		hint string // part of the hint
	}{
		{``, ErrorParse, 0, "[mail]"},
		{"  \n", ErrorParse, 3, ""},
		{`Append([a], "b"`, ErrorParse, 15, "add )"},
		{`Append(ToLower([a], "b"`, ErrorParse, 23, "add ))"},
		{`Append([a],`, ErrorParse, 11, "add )"},
		{`Append([a]="b`, ErrorParse, 11, `\"`},
		{`Append([a`, ErrorParse, 7, "]"},
		{`[emails[type eq "x"]`, ErrorParse, 0, "]"},
		{`[ ]`, ErrorParse, 0, "[mail]"},
		{`Append([a]) )`, ErrorParse, 12, "closes nothing"},
		{`[a]=[b]`, ErrorParse, 3, "CBool"},
		{`CBool([a]=[b]=[c])`, ErrorParse, 13, "chain"},
		{`CBool(=[b])`, ErrorParse, 6, "single ="},
		{`CBool([a]==[b])`, ErrorParse, 10, "single ="},
		{`CBool([a]=>[b])`, ErrorParse, 10, "missing"},
		{`CBool([a]!=[b])`, ErrorParse, 9, "<>"},
		{`CBool([a]<> )`, ErrorParse, 12, "missing"},
		{`"t-" & [alias]`, ErrorParse, 5, "Append"},
		{`IIF([a]="1" && [b]="2", "x", "y")`, ErrorParse, 12, "nest IIF along the true branch"},
		{`IIF([a]="1" and [b]="2", "x", "y")`, ErrorParse, 12, "nest IIF along the true branch"},
		{`IIF([a]="1" || [b]="2", "x", "y")`, ErrorParse, 12, "nest IIF along the false branch"},
		{`IIF([a]="1" OR [b]="2", "x", "y")`, ErrorParse, 12, "nest IIF along the false branch"},
		{`IIF(NOT [a], "x", "y")`, ErrorParse, 4, "brackets"},
		{`Append('a', "b")`, ErrorParse, 7, "double quotes"},
		{`Append(“a”, "b")`, ErrorParse, 7, "double quotes"},
		{`Append([a] + "b")`, ErrorParse, 11, "Join"},
		{`Append([a]; "b")`, ErrorParse, 10, "comma"},
		{`Append((“a”), "b")`, ErrorParse, 7, "grouping"},
		{`Append({a}, "b")`, ErrorParse, 7, "square brackets"},
		{"Append([a],\u00a0\"b\")", ErrorParse, 11, "invisible"},
		{"Append([a], \xff)", ErrorParse, 12, ""},
		{`Append([a], "é", “x”)`, ErrorParse, 17, "double quotes"},
		{`Append(mail, "b")`, ErrorParse, 7, "[mail]"},
		{`Append(ToLower, "b")`, ErrorParse, 7, "ToLower(source, culture?)"},
		{`Append(true, "b")`, ErrorParse, 7, "True"},
		{`Left([a], - 1)`, ErrorParse, 10, "-10"},
		{`Left([a], .5)`, ErrorParse, 10, ""},
		{`Left([a], 5.)`, ErrorParse, 11, ""},
		{`Left([a], 1x)`, ErrorParse, 11, ""},
		{`Left([a], 1 2)`, ErrorParse, 12, "comma"},
		{`BitAnd(&H, 1)`, ErrorParse, 7, ""},
		{`BitAnd(&hFF, 1)`, ErrorParse, 7, "&H"},
		{`BitAnd(&H11112222333344445, 1)`, ErrorParse, 7, ""},
		{`Append(%Domain, "b")`, ErrorParse, 7, "%Name%"},
		{`Append(%%, "b")`, ErrorParse, 7, "%Name%"},
		{`Append([a], "b") // note`, ErrorParse, 17, "comments"},
		{`Append([a], "b") [c]`, ErrorParse, 17, "complete"},
		{`Append([a] "b")`, ErrorParse, 11, "comma"},
		{`Now`, ErrorParse, 0, "Now()"},

		{`tolower([a])`, ErrorUnknownFunction, 0, `"ToLower"? function names are case-sensitive`},
		{`iif([a], "b", "c")`, ErrorUnknownFunction, 0, `"IIF"`},
		{`Jion(" ", [a])`, ErrorUnknownFunction, 0, `did you mean "Join"?`},
		{`NormaliseDiacritics([a])`, ErrorUnknownFunction, 0, `"NormalizeDiacritics"`},
		{`Substring([a], 1, 2)`, ErrorUnknownFunction, 0, "Mid"},
		{`Zzzyx([a])`, ErrorUnknownFunction, 0, ""},
		{`Append(Len([a]), Jion())`, ErrorUnknownFunction, 7, "no function"},
		{`True([a])`, ErrorUnknownFunction, 0, ""},
		{`Append(Foo([a]))`, ErrorArity, 0, "Append(source, suffix)"},
		{`Append(Foo([a]), )`, ErrorArity, 0, ""},
		{`Now(1)`, ErrorArity, 0, "Now()"},
		{`ToLower(SelectUniqueValue("a"))`, ErrorArity, 8, ""},
		{`ToLower(SelectUniqueValue("a", Foo()))`, ErrorNesting, 8, "inside each rule"},
		{strings.Repeat("x", 10_001), ErrorTooLong, 10_000, ""},
		{`"` + strings.Repeat("é", 10_000) + `"`, ErrorTooLong, 10_000, ""},
	}
	for _, tt := range tests {
		e := compileError(t, tt.src)
		if e.Kind != tt.kind || e.Pos != tt.pos || !strings.Contains(e.Hint, tt.hint) {
			t.Errorf("%.60s\n got %v\nwant %s at %d, hint with %q", tt.src, e, tt.kind, tt.pos, tt.hint)
		}
		if e.Expression != tt.src || e.Message == "" || e.End < e.Pos {
			t.Errorf("%.60s: incomplete error %+v", tt.src, e)
		}
	}
	if _, err := Compile(`"` + strings.Repeat("é", 9_998) + `"`); err != nil {
		t.Errorf("10,000 characters: %v", err)
	}
}

func TestCaret(t *testing.T) {
	tests := []struct{ src, want string }{
		{`Append([a], 'b')`, "Append([a], 'b')\n            ^"},
		{"Join(\" \",\r\n\t[é],\r\n  'x')", "  'x')\n  ^"},
		{"Join(\" \",\n\t[é] [b])", "\t[é] [b])\n\t    ^"},
		{`Append([a]`, "Append([a]\n          ^"},
		{"Append([a]\n", "\n^"},
		{``, "\n^"},
		{`Append("` + strings.Repeat("x", 200) + `", 'b')`, "…" + strings.Repeat("x", 93) + "\", 'b')\n" + strings.Repeat(" ", 97) + "^"},
	}
	for _, tt := range tests {
		if got := compileError(t, tt.src).Caret(); got != tt.want {
			t.Errorf("%.40q:\n%s\nwant\n%s", tt.src, got, tt.want)
		}
	}
}

func TestProgram(t *testing.T) {
	p := MustCompile("  Append (\t[b] ,\r\n Join(\"\\\\ \\\" \\,\",[emails[type eq \"work\"].value] , %P% ,%Q%,%P%, [b],&H0f, [a]  <>-1.50)  )  ")
	want := `Append([b], Join("\\ \" \\,", [emails[type eq "work"].value], %P%, %Q%, %P%, [b], &HF, [a]<>-1.50))`
	if p.String() != want {
		t.Errorf("got  %s\nwant %s", p, want)
	}
	if diff := cmp.Diff([]string{"b", `emails[type eq "work"].value`, "a"}, p.References()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"P", "Q"}, p.Parameters()); diff != "" {
		t.Error(diff)
	}
	n := p.Node()
	if n.Kind != NodeCall || n.Name != "Append" || n.Pos != 2 || len(n.Args) != 2 || n.Args[0].Pos != 11 || n.Args[0].End != 14 {
		t.Errorf("got %+v", n)
	}
	if got := MustCompile(`Replace([x],"-",,,"_",,)`).String(); got != `Replace([x], "-", , , "_", , )` {
		t.Errorf("got %s", got)
	}
}

func TestConstantFolding(t *testing.T) {
	for src, want := range map[string]bool{
		`Append("a", "b")`:                     true,
		`IIF(1>2, [x], "y")`:                   false,
		`CDate("2024-01-01")`:                  true,
		`CDate("nonsense")`:                    false,
		`Now()`:                                false,
		`Guid()`:                               false,
		`Append("a", RandomString(2,0,0,0,0))`: false,
		`DateAdd("d", 1, Now())`:               false,
		`Error("x")`:                           false,
		`DefaultDomain()`:                      false,
		`%P%`:                                  false,
		`NULL`:                                 true,
	} {
		if _, got := MustCompile(src).Constant(); got != want {
			t.Errorf("%s: constant %v, want %v", src, got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	for src, want := range map[string]string{
		`FormatDateTime([d], "yyyy", "yy")`:       "0: FormatDateTime with three arguments",
		`FormatDateTime([d], , "yyyy", "yy")`:     "",
		`Append("x", Redact([d]))`:                "12: Redact is meant to be the outermost",
		`Trim(IgnoreFlowIfNullOrEmpty([d]))`:      "5: IgnoreFlowIfNullOrEmpty takes effect only",
		`IgnoreFlowIfNullOrEmpty(Trim([d]))`:      "",
		`Trim(Replace([d], , "(", , "x", , ))`:    "5: the regular expression cannot be used",
		`Replace([d], , "\\p{Greek}", , "x", , )`: "0: the regular expression cannot be used",
	} {
		got := ""
		for _, w := range MustCompile(src).Warnings() {
			got += fmt.Sprintf("%d: %s", w.Pos, w.Message)
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", src, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	known := func(a string) (bool, string) {
		if strings.EqualFold(a, "givenName") {
			return a == "givenName", "givenName"
		}
		return a == "mail", ""
	}
	if err := MustCompile(`Join(" ", [givenName], [mail])`).Check(known); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	for src, want := range map[string]string{
		`Join(" ", [mail], [givenname], [x])`: `unknown attribute at position 18: the source has no attribute givenname; did you mean [givenName]? attribute names are case-sensitive`,
		`ToLower([x])`:                        `unknown attribute at position 8: the source has no attribute x`,
	} {
		err := MustCompile(src).Check(known)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != ErrorUnknownAttribute || e.Error() != want || e.Expression != src {
			t.Errorf("%s: got %v, want %s", src, err, want)
		}
	}
}

func TestEvalErrorMessages(t *testing.T) {
	for src, want := range map[string]string{
		`Left([a], "x")`:      `type at position 10: NumChars of Left has to be a whole number, found "x"`,
		`Append("a", [many])`: `type at position 12: suffix of Append has to be a single value, found a list of 3 values; take one value with Item(list, 1), or join them with Join(separator, list)`,
		`BitAnd(1, [x])`:      `type at position 10: value2 of BitAnd has to be a whole number, found null; give a value for the case that it is absent: Coalesce(a, …)`,
		`CDate([empty])`:      `value at position 0: expression of CDate has to be a date, found ""; guard against an empty value: IIF(IsNullOrEmpty([a]), …, CDate([a]))`,
		`Error("No mail.")`:   `raised at position 0: No mail.`,
	} {
		_, err := MustCompile(src).Eval(t.Context(), &Env{Source: testSource})
		if err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", src, err, want)
		}
	}
}

func TestNowIsFixed(t *testing.T) {
	r, err := MustCompile(`IIF(Now()=Now(), DateDiff("s", Now(), Now()), "moved")`).Eval(t.Context(), nil)
	if err != nil || r.Value.String() != "0" {
		t.Errorf("got %v %v, want 0", r.Value, err)
	}
}

func TestTrace(t *testing.T) {
	p := MustCompile(`IIF([country]="NL", ToUpper(Append("a", [surname])), Error("no"))`)
	r, root, err := p.Trace(t.Context(), &Env{Source: ExampleSource()})
	if err != nil || r.Value.String() != "AVAN DYK" {
		t.Fatalf("got %v %v", r.Value, err)
	}
	var got []string
	var walk func(n *TraceNode)
	walk = func(n *TraceNode) {
		line := n.Text + " -> "
		if n.Evaluated {
			line += n.Value.String()
		} else {
			line += "not needed"
		}
		got = append(got, line)
		for _, a := range n.Args {
			walk(a)
		}
	}
	walk(root)
	want := []string{
		`IIF([country]="NL", ToUpper(Append("a", [surname])), Error("no")) -> AVAN DYK`,
		`[country]="NL" -> True`,
		`[country] -> NL`,
		`"NL" -> NL`,
		`ToUpper(Append("a", [surname])) -> AVAN DYK`,
		`Append("a", [surname]) -> avan Dyk`,
		`"a" -> a`,
		`[surname] -> van Dyk`,
		`Error("no") -> not needed`,
		`"no" -> not needed`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	_, root, err = MustCompile(`Append("x", Left([surname], "y"))`).Trace(t.Context(), &Env{Source: ExampleSource()})
	if err == nil || root.Err == nil || root.Args[1].Err == nil || root.Args[1].Args[1].Value.String() != "y" {
		t.Errorf("trace of a failure: %v %+v", err, root)
	}
	// Parts that are computed when compiling are shown, too.
	_, root, _ = MustCompile(`Append(Append("a", "b"), "c")`).Trace(t.Context(), nil)
	if got := root.Args[0].Args[0]; !got.Evaluated || got.Value.String() != "a" {
		t.Errorf("trace of a constant: %+v", got)
	}
	_, root, _ = MustCompile(`Switch([country], "d", "DE", "de", "NL", "nl", "FR", "fr")`).Trace(t.Context(), &Env{Source: ExampleSource()})
	if a := root.Args; !a[2].Evaluated || a[3].Evaluated || !a[4].Evaluated || !a[5].Evaluated || a[6].Evaluated || a[1].Evaluated {
		t.Errorf("trace of a Switch: %+v", a)
	}
}

func TestConcurrentUse(t *testing.T) {
	p := MustCompile(`Replace(NormalizeDiacritics(Join(".", [givenName], [surname])), , "\\s", , "", , )`)
	env := &Env{Source: ExampleSource()}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if r, err := p.Eval(context.Background(), env); err != nil || r.Value.String() != "Zoe.vanDyk" {
					t.Errorf("got %v %v", r.Value, err)
				}
			}
		})
	}
	wg.Wait()
}

// Evaluation allocates at most its result.
func TestAllocations(t *testing.T) {
	env := &Env{Source: ExampleSource()}
	for src, most := range map[string]float64{
		`Join(" ", [givenName], [surname])`: 1,
		`[mail]`:                            0,
		`Switch([country], "en", "NL", "nl", "DE", "de")`: 0,
		`IIF([country]="NL", [mail], "none")`:             0,
		`Mid([surname], 1, 3)`:                            0,
		`CDate([employeeHireDate])`:                       0,
		`IsPresent([mail])`:                               0,
		`Append([givenName], [surname])`:                  1,
	} {
		p := MustCompile(src)
		got := testing.AllocsPerRun(100, func() {
			if _, err := p.Eval(context.Background(), env); err != nil {
				t.Fatal(err)
			}
		})
		if got > most {
			t.Errorf("%s allocates %v times, want at most %v", src, got, most)
		}
	}
}

// drawExpression draws a well-formed expression with white space in it.
func drawExpression(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", "", " ", "\t", "\r\n"})
	ws := func() string { return space.Draw(t, "space") }
	var operand func(depth int) string
	operand = func(depth int) string {
		kinds := 7
		if depth > 0 {
			kinds = 12
		}
		switch rapid.IntRange(0, kinds).Draw(t, "kind") {
		case 0, 1:
			return rapid.SampledFrom([]string{"[a]", "[n]", "[x]", "[empty]", "[many]", "[date]", "[yes]", `[e[type eq "w"].v]`}).Draw(t, "attribute")
		case 2, 3:
			return `"` + escapeString.Replace(rapid.StringN(0, 8, 20).Draw(t, "text")) + `"`
		case 4:
			return rapid.SampledFrom([]string{"0", "1", "-1", "007", "2.50", "99999999999999999999", "&HF7", "&H0"}).Draw(t, "number")
		case 5:
			return rapid.SampledFrom([]string{"True", "False", "NULL", "vbTextCompare", "UTF8"}).Draw(t, "constant")
		case 6:
			return rapid.SampledFrom([]string{"%DomainFQDN%", "%P%"}).Draw(t, "parameter")
		case 7:
			return rapid.SampledFrom([]string{`"yyyy-MM-dd"`, `"2024-03-05"`, `"d"`, `"(a|b)+"`, `"tr-TR"`, `"3/5/2024 4:05:06 PM"`}).Draw(t, "useful")
		}
		f := rapid.SampledFrom(builtins).Draw(t, "function")
		if f.outermost {
			f = *findBuiltin("Coalesce")
		}
		count := len(f.Parameters)
		if group := f.repeating(); group > 0 {
			count += group * rapid.IntRange(0, 2).Draw(t, "repeats")
		}
		if f.Name == "Replace" {
			count = 7
		}
		var args []string
		for i := range count {
			p, _ := f.parameter(i, count)
			arg := ""
			if p.Required || f.Name == "Replace" && (i == replaceOldValue || i == replaceValue) || rapid.Bool().Draw(t, "given") {
				arg = operand(depth - 1)
				if rapid.IntRange(0, 5).Draw(t, "compare") == 0 {
					arg += ws() + rapid.SampledFrom([]string{"=", "<>", "<", "<=", ">", ">="}).Draw(t, "operator") + ws() + operand(depth-1)
				}
			}
			args = append(args, ws()+arg+ws())
		}
		return f.Name + ws() + "(" + strings.Join(args, ",") + ")"
	}
	return ws() + operand(depth) + ws()
}

// Printing is canonical: it compiles to the same tree and prints the same.
// Evaluating a program and its canonical text gives the same; neither panics.
func TestPrintAndEvalLaws(t *testing.T) {
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		src := drawExpression(t, 3)
		p, err := Compile(src)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		canonical := p.String()
		again, err := Compile(canonical)
		if err != nil {
			t.Fatalf("%s printed as %s: %v", src, canonical, err)
		}
		if again.String() != canonical {
			t.Fatalf("%s printed as %s and again as %s", src, canonical, again)
		}
		if !slices.Equal(p.References(), again.References()) {
			t.Fatalf("%s reads %q, printed %q", src, p.References(), again.References())
		}
		back, err := FromGraph(p.Graph())
		if p.Node().Kind == NodeNumber {
			canonical = `"` + p.Node().Name + `"` // Graph quotes a number that stands alone
		}
		if err != nil || back != canonical {
			t.Fatalf("%s through Graph: %s %v", canonical, back, err)
		}
		env := func() *Env {
			return &Env{Source: testSource, Now: testTime, DefaultDomain: "d.example", Parameters: map[string]string{"P": "p"},
				Random: strings.NewReader(strings.Repeat("\x01\x80\x33\x05", 4000))}
		}
		a, errA := p.Eval(ctx, env())
		b, errB := again.Eval(ctx, env())
		if (errA == nil) != (errB == nil) || errA == nil && (!a.Value.Equal(b.Value) || a.Ignore != b.Ignore) {
			t.Fatalf("%s gives %v %v, its canonical text %v %v", src, a, errA, b, errB)
		}
		c, _, errC := p.Trace(ctx, env())
		if (errA == nil) != (errC == nil) || errA == nil && !a.Value.Equal(c.Value) {
			t.Fatalf("%s gives %v %v, traced %v %v", src, a, errA, c, errC)
		}
		if errA != nil {
			e, ok := errors.AsType[*Error](errA)
			if !ok || e.Pos < 0 || e.End < e.Pos || e.End > len([]rune(src)) || e.Message == "" && e.Kind != ErrorRaised {
				t.Fatalf("%s: bad error %+v", src, errA)
			}
			_ = e.Caret()
		}
	})
}

func FuzzCompile(f *testing.F) {
	for _, v := range readTestVectors(f) {
		if len(v.Expression) < 1000 {
			f.Add(v.Expression)
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Compile(src)
		if err != nil {
			e, ok := errors.AsType[*Error](err)
			if n := len([]rune(src)); !ok || e.Pos < 0 || e.Pos > n || e.End < e.Pos || e.End > n {
				t.Fatalf("%q: bad error %+v", src, err)
			}
			_ = e.Caret()
			return
		}
		again, err := Compile(p.String())
		if err != nil && p.String() != "" {
			if e, _ := errors.AsType[*Error](err); e.Kind == ErrorTooLong {
				return // canonical spaces took it over the limit
			}
			t.Fatalf("%q printed as %q: %v", src, p, err)
		}
		if again.String() != p.String() {
			t.Fatalf("%q printed as %q and again as %q", src, p, again)
		}
	})
}

func FuzzEval(f *testing.F) {
	for _, v := range readTestVectors(f) {
		if len(v.Expression) < 1000 {
			f.Add(v.Expression, "Zoë 12", "2024-03-05")
		}
	}
	f.Fuzz(func(t *testing.T, src, a, b string) {
		if len(src) > 300 || len(a) > 100 || len(b) > 100 {
			return
		}
		p, err := Compile(src)
		if err != nil {
			return
		}
		source := Map{"list": List([]string{a, b}), "many": List([]string{b, a, b})}
		for i, name := range p.References() {
			if source[name].IsNull() {
				source[name] = Text([]string{a, b}[i%2])
			}
		}
		r, err := p.Eval(t.Context(), &Env{Source: source, Now: testTime})
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Pos < 0 || e.End > len([]rune(src)) {
				t.Fatalf("%q: bad error %+v", src, err)
			}
			return
		}
		if len(r.Value.String()) > 3*maxText {
			t.Fatalf("%q gives %d bytes", src, len(r.Value.String()))
		}
	})
}

package expression

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// testTime is what Now gives in tests.
var testTime = time.Date(2025, 7, 30, 10, 20, 30, 0, time.UTC)

// outcome evaluates src and describes what comes of it: a text in quotes, a
// list as [a|b], null, ignore, or an error as kind@position.
func outcome(t testing.TB, src string, source Map) string {
	t.Helper()
	p, err := Compile(src)
	if err == nil {
		var r Result
		r, err = p.Eval(t.Context(), &Env{Source: source, Now: testTime, DefaultDomain: "contoso.example",
			Parameters: map[string]string{"DomainFQDN": "corp.example"}})
		switch {
		case err != nil:
		case r.Ignore:
			return "ignore"
		case r.Value.IsNull():
			return "null"
		case r.Value.IsList():
			return "[" + strings.Join(r.Value.Strings(), "|") + "]"
		default:
			return `"` + r.Value.String() + `"`
		}
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%s: error %v is no *Error", src, err)
	}
	return string(e.Kind) + "@" + string(rune('0'+e.Pos/10)) + string(rune('0'+e.Pos%10))
}

var testSource = Map{
	"empty":  Text(""),
	"blank":  Text("  "),
	"a":      Text("alpha"),
	"n":      Text("42"),
	"emoji":  Text("😀a😀b"),
	"one":    List([]string{"single"}),
	"none":   List(nil),
	"many":   List([]string{" One ", "two", "Éte"}),
	"nums":   List([]string{"12", "345"}),
	"yes":    Bool(true),
	"no":     Bool(false),
	"number": Int(7),
	"half":   mustNumber("2.5"),
	"date":   Time(time.Date(2024, 3, 5, 14, 7, 9, 0, time.UTC)),
	"roles":  List([]string{`{"id":"1","value":"Admin","displayName":"The Admin"}`, `{"id":"2","value":"User"}`}),
	"role":   Text("Reader"),
	"dn":     Text(`CN=Smith\, Ann,OU="A, B",OU=x\2Cy,DC=contoso`),
}

func mustNumber(s string) Value {
	v, ok := Number(s)
	if !ok {
		panic(s)
	}
	return v
}

func TestFunctions(t *testing.T) {
	tests := []struct{ src, want string }{
		// Bare operands.
		{`[a]`, `"alpha"`},
		{`[A]`, `null`},
		{`[many]`, `[ One |two|Éte]`},
		{`"x"`, `"x"`},
		{`-10`, `"-10"`},
		{`007`, `"7"`},
		{`1.50`, `"1.50"`},
		{`99999999999999999999`, `"99999999999999999999"`},
		{`&HfF`, `"255"`},
		{`&HFFFFFFFFFFFFFFFF`, `"-1"`},
		{`True`, `"True"`},
		{`NULL`, `null`},
		{`%DomainFQDN%`, `"corp.example"`},
		{`%Other%`, `value@00`},
		{`Append("x", %Other%)`, `value@12`},

		// Lists where a single text is expected.
		{`Append([many], "!")`, `[ One !|two!|Éte!]`},
		{`Append([one], "!")`, `"single!"`},
		{`Append([none], "!")`, `null`},
		{`Append("x", [many])`, `type@12`},
		{`Left([many], 2)`, `[ O|tw|Ét]`},
		{`Mid([many], 2, 2)`, `[On|wo|te]`},
		{`ToUpper([many])`, `[ ONE |TWO|ÉTE]`},
		{`ToLower([many])`, `[ one |two|éte]`},
		{`PCase([many])`, `[ One |Two|Éte]`},
		{`StripSpaces([many])`, `[One|two|Éte]`},
		{`NormalizeDiacritics([many])`, `[ One |two|Ete]`},
		{`Word([many], 1, " ")`, `[One|two|Éte]`},
		{`Replace([many], "t", , , "T", , )`, `[ One |Two|ÉTe]`},
		{`Replace([nums], , "(?<d>\\d)\\d*", , "${d}", , )`, `[1|3]`},
		{`CDate([many])`, `type@06`},
		{`Switch([many], "d", "k", "v")`, `type@07`},
		{`InStr([many], "x")`, `type@06`},
		{`Split([many], ",")`, `type@06`},
		{`CBool([many]="x")`, `type@06`},

		// Append, Join.
		{`Append([x], "y")`, `null`},
		{`Append([empty], "y")`, `"y"`},
		{`Append([a], [x])`, `"alpha"`},
		{`Append([yes], 1)`, `"True1"`},
		{`Append([date], "")`, `"3/5/2024 2:07:09 PM"`},
		{`Join("-", [x], [empty], [a], [none], "b")`, `"alpha-b"`},
		{`Join("-", [x], [empty])`, `""`},
		{`Join([x], "a", "b")`, `"ab"`},
		{`Join(", ", [many])`, `" One , two, Éte"`},
		{`Join([many], "a")`, `type@05`},
		{`Join(" ", 1, -2.5, True, [date])`, `"1 -2.5 True 3/5/2024 2:07:09 PM"`},
		{`Join(",", [a], )`, `arity@00`},
		{`Join(",", [a]="alpha")`, `"True"`},

		// Left, Mid: .NET's UTF-16 positions, never half a character.
		{`Left("abc", -1)`, `"abc"`},
		{`Left("abc", 99)`, `"abc"`},
		{`Left("abc", "2")`, `"ab"`},
		{`Left("abc", 2.0)`, `"ab"`},
		{`Left("abc", 1.5)`, `type@12`},
		{`Left("abc", [x])`, `type@12`},
		{`Left([emoji], 1)`, `""`},
		{`Left([emoji], 2)`, `"😀"`},
		{`Left([emoji], 3)`, `"😀a"`},
		{`Left([emoji], 4)`, `"😀a"`},
		{`Mid([x], 1, 1)`, `""`},
		{`Mid("abc", 0, 1)`, `"abc"`},
		{`Mid("abc", -1, 1)`, `"abc"`},
		{`Mid("abc", 4, 1)`, `"abc"`},
		{`Mid("abc", 3, 1)`, `"c"`},
		{`Mid("abc", 2, 0)`, `""`},
		{`Mid("abc", 0, 0)`, `""`},
		{`Mid("abc", 2, -1)`, `"abc"`},
		{`Mid("abc", 2, 9223372036854775807)`, `"bc"`},
		{`Mid([emoji], 3, 1)`, `"a"`},
		{`Mid([emoji], 4, 2)`, `"😀"`},
		{`Mid("abc", 1, )`, `arity@00`},

		// Word.
		{`Word("a,,b", 2, ",")`, `"b"`},
		{`Word("abc", 1, "")`, `"abc"`},
		{`Word("abc", 1, [x])`, `"abc"`},
		{`Word("", 1, " ")`, `""`},
		{`Word("  lead", 1, " ")`, `"lead"`},
		{`Word("aéb", 2, "é")`, `"b"`},

		// InStr.
		{`InStr("banana", "a")`, `"2"`},
		{`InStr("banana", "A")`, `"0"`},
		{`InStr("banana", "A", , vbTextCompare)`, `"2"`},
		{`InStr("banana", "A", 1, vbBinaryCompare)`, `"0"`},
		{`InStr("banana", "a", 3, "vbTextCompare")`, `"4"`},
		{`InStr("ÄÖÜ", "öü", 1, vbTextCompare)`, `"2"`},
		{`InStr("banana", "", 3)`, `"3"`},
		{`InStr("banana", "", 7)`, `"0"`},
		{`InStr("banana", "a", 7)`, `"0"`},
		{`InStr("banana", "a", 0)`, `value@00`},
		{`InStr("banana", "a", 1, 1)`, `value@00`},
		{`InStr("banana", "a", [x])`, `"2"`},
		{`InStr([x], "a")`, `"0"`},
		{`InStr("a", [x])`, `"1"`},
		{`InStr([emoji], "a")`, `"3"`},
		{`InStr([emoji], "b", 5)`, `"6"`},
		{`InStr([emoji], "😀", 2)`, `"4"`},

		// Trim, StripSpaces, casing.
		{`Trim([blank])`, `""`},
		{`Trim([x])`, `null`},
		{"Trim(\"\u00a0\u2003x\t\")", `"x"`},
		{`StripSpaces([x])`, `null`},
		{`ToLower([x])`, `null`},
		{`ToLower("ISTANBUL", "tr-TR")`, `"ıstanbul"`},
		{`ToLower("İI", "az-Latn-AZ")`, `"iı"`},
		{`ToLower("İI")`, `"İi"`},
		{`ToLower("İI", "en-US")`, `"ii"`},
		{`ToUpper("ıi")`, `"ıI"`},
		{`ToUpper("ıi", "de-DE")`, `"II"`},
		{`ToUpper("ıi", "tr")`, `"Iİ"`},
		{`ToUpper("ŉǆßﬁ")`, `"ŉǄßﬁ"`},
		{`ToUpper("a", "")`, `"A"`},
		{`ToUpper("a", [x])`, `"A"`},
		{`ToUpper("a", "no_such")`, `value@00`},
		{`ToUpper("a", "xx-YY")`, `value@00`},
		{`PCase([x])`, `null`},
		{`PCase("")`, `""`},
		{`PCase("o'neil mc-donald 2nd_floor")`, `"O'neil Mc-Donald 2Nd_Floor"`},
		{`PCase("abc’def")`, `"Abc’Def"`},
		{`PCase("ǆungla ǈ")`, `"ǅungla ǈ"`},
		{`PCase("ÇELİK straße")`, `"Çelİk Straße"`},
		{"PCase(\"e\u0301lan\")", "\"E\u0301lan\""},
		{`PCase("MARY-JANE", "")`, `"Mary-jane"`},
		{`PCase("MARY-JANE", [x])`, `"Mary-Jane"`},
		{`PCase("--ab", "-")`, `"--Ab"`},

		// Split, Count, Item, RemoveDuplicates.
		{`Split([x], ",")`, `null`},
		{`Split("", ",")`, `[]`},
		{`Split("a,,b,", ",")`, `[a||b|]`},
		{`Split("a - b-c", " - ")`, `[a|b-c]`},
		{`Split(" a ", "")`, `[a]`},
		{`Split(" a ", [x])`, `[a]`},
		{`Count([x])`, `"0"`},
		{`Count([none])`, `"0"`},
		{`Count([empty])`, `"1"`},
		{`Count([many])`, `"3"`},
		{`Item([many], 0)`, `value@00`},
		{`Item([many], 4)`, `value@00`},
		{`Item([a], 1)`, `"alpha"`},
		{`Item([a], 2)`, `value@00`},
		{`Item([x], 1)`, `null`},
		{`Item([many], "2")`, `"two"`},
		{`RemoveDuplicates([x])`, `null`},
		{`RemoveDuplicates([a])`, `[alpha]`},
		{`RemoveDuplicates(Split("b,a,B,b", ","))`, `[b|a|B]`},

		// Conditions.
		{`IIF([x]="", "t", "f")`, `"f"`},
		{`IIF([x]<>"a", "t", "f")`, `"f"`},
		{`IIF([empty]="", "t", "f")`, `"t"`},
		{`IIF("1", "t", "f")`, `"t"`},
		{`IIF("tRuE", "t", "f")`, `"t"`},
		{`IIF("yes", "t", "f")`, `"f"`},
		{`IIF(0.0, "t", "f")`, `"f"`},
		{`IIF([x], "t", "f")`, `"f"`},
		{`IIF([many], "t", "f")`, `"f"`},
		{`IIF([a]="Alpha", "t", "f")`, `"f"`},
		{`IIF("10">"9", "t", "f")`, `"f"`},
		{`IIF(10>"9", "t", "f")`, `"t"`},
		{`IIF(10="10.0", "t", "f")`, `"t"`},
		{`IIF(-2<-1.5, "t", "f")`, `"t"`},
		{`IIF(100000000000000000000>99999999999999999999, "t", "f")`, `"t"`},
		{`IIF(10="ten", "t", "f")`, `"f"`},
		{`IIF([yes]="True", "t", "f")`, `"t"`},
		{`IIF(True=1, "t", "f")`, `"f"`},
		{`IIF([date]<Now(), "t", "f")`, `"t"`},
		{`IIF("b">="a", IIF("a"<="a", "t", "x"), "f")`, `"t"`},
		{`IIF(True, [many], "x")`, `[ One |two|Éte]`},
		{`Switch([x], "d", "", "empty")`, `"empty"`},
		{`Switch([x], "d", [y], "null")`, `"null"`},
		{`Switch([empty], "d", [y], "null", "", "empty")`, `"empty"`},
		{`Switch([x], "d", "k", "v")`, `"d"`},
		{`Switch([a], , "k", "v")`, `null`},
		{`Switch([number], "d", "7", "seven")`, `"seven"`},
		{`Switch([a], "d", Append("al", "pha"), "hit")`, `"hit"`},
		{`Switch("x", Error("d"), "x", "v", Error("key"), "w")`, `"v"`},
		{`Switch("y", Error("d"), "x", "v")`, `raised@12`},
		{`Switch([a], "d", "k")`, `arity@00`},
		{`Switch([a], "d", "k", "v", "k")`, `arity@00`},
		{`Switch([a], "d", "k", )`, `arity@00`},
		{`Coalesce([x], [empty], "z")`, `""`},
		{`Coalesce([none], "z")`, `"z"`},
		{`Coalesce([x], [y])`, `null`},
		{`Coalesce("a", Error("no"))`, `"a"`},
		{`IsNull([none])`, `"False"`},
		{`IsNull([empty])`, `"False"`},
		{`IsNullOrEmpty([none])`, `"True"`},
		{`IsPresent([none])`, `"False"`},
		{`IsPresent([blank])`, `"True"`},
		{`IsPresent([no])`, `"True"`},
		{`IsString([x])`, `"False"`},
		{`IsString([many])`, `"False"`},
		{`IsString([one])`, `"True"`},
		{`IsString([none])`, `"False"`},
		{`IsString(1)`, `"True"`},
		{`Not([x])`, `"True"`},
		{`Not("TRUE")`, `"False"`},
		{`Not([no])`, `"True"`},
		{`Not("anything")`, `"True"`},
		{`Not(1)`, `"True"`},
		{`CBool([x])`, `"False"`},
		{`CBool("true")`, `"True"`},
		{`CBool("-0.0")`, `"False"`},
		{`CBool("0.1")`, `"True"`},
		{`IgnoreFlowIfNullOrEmpty([x])`, `ignore`},
		{`IgnoreFlowIfNullOrEmpty([none])`, `ignore`},
		{`IgnoreFlowIfNullOrEmpty("")`, `ignore`},
		{`IgnoreFlowIfNullOrEmpty([many])`, `[ One |two|Éte]`},
		{`Append(IgnoreFlowIfNullOrEmpty([x]), "y")`, `null`},
		{`IIF(True, IgnoreFlowIfNullOrEmpty([x]), "y")`, `null`},
		{`Coalesce(IgnoreFlowIfNullOrEmpty(""), "y")`, `"y"`},
		{`Error("stop")`, `raised@00`},
		{`Append("a", Error(Append("b", "c")))`, `raised@12`},

		// Numbers and conversions.
		{`BitAnd("&HF", 1)`, `type@07`},
		{`BitAnd(-1, 255)`, `"255"`},
		{`BitAnd([x], 1)`, `null`},
		{`BitAnd(1, [x])`, `type@10`},
		{`BitAnd([x], "q")`, `type@12`},
		{`BitAnd(1.5, 1)`, `type@07`},
		{`BitAnd(9223372036854775808, 1)`, `type@07`},
		{`CStr([x])`, `null`},
		{`CStr([many])`, `type@05`},
		{`CStr([half])`, `"2.5"`},
		{`CStr(Now())`, `"7/30/2025 10:20:30 AM"`},
		{`ConvertToBase64([x])`, `null`},
		{`ConvertToBase64("")`, `""`},
		{`ConvertFromBase64([x])`, `null`},
		{`ConvertFromBase64("!")`, `value@00`},
		{`ConvertFromBase64("SGk=", ASCII)`, `"Hi"`},
		{`ConvertFromBase64("wqk=", ASCII)`, `"??"`},
		{`ConvertFromBase64("w6k=", UTF8)`, `"é"`},
		{`ConvertFromBase64("S Gk\r\n=", "UTF8")`, `value@00`},
		{"ConvertFromBase64(\"S Gk\r\n=\", \"UTF8\")", `"Hi"`},
		{`ConvertFromBase64("SGk=", "Latin1")`, `value@00`},
		{`ConvertFromBase64("SABpAA==", Unicode)`, `"Hi"`},
		{`ConvertFromBase64("SABp")`, "\"H\uFFFD\""},
		{`ConvertToUTF8Hex([x])`, `null`},
		{`ConvertToUTF8Hex("é😀")`, `"C3A9F09F9880"`},

		// Roles and directory names.
		{`SingleAppRoleAssignment([roles])`, `"Admin"`},
		{`SingleAppRoleAssignment([role])`, `"Reader"`},
		{`SingleAppRoleAssignment([x])`, `null`},
		{`SingleAppRoleAssignment([none])`, `null`},
		{`SingleAppRoleAssignment("{not json")`, `"{not json"`},
		{`SingleAppRoleAssignment("{\"id\":\"1\"}")`, `null`},
		{`AppRoleAssignments([role])`, `[Reader]`},
		{`AppRoleAssignments([x])`, `null`},
		{`AppRoleAssignments([none])`, `[]`},
		{`Count(AppRoleAssignmentsComplex([roles]))`, `"2"`},
		{`Count(AssertiveAppRoleAssignmentsComplex([roles]))`, `"2"`},
		{`DefaultDomain()`, `"contoso.example"`},
		{`DNComponent([dn], 1)`, `"Smith, Ann"`},
		{`DNComponent([dn], 2)`, `"A, B"`},
		{`DNComponent([dn], 3)`, `"x,y"`},
		{`DNComponent([dn], 4)`, `"contoso"`},
		{`DNComponent([dn], 5)`, `null`},
		{`DNComponent([dn], 0)`, `value@00`},
		{`DNComponent("nonsense", 1)`, `value@00`},
		{`DNComponent([x], 1)`, `null`},
		{`StringFromSid("AQUAAAAAAAUVAAAAAQAAAAIAAAADAAAAUQQAAA==")`, `"S-1-5-21-1-2-3-1105"`},
		{`StringFromSid("S-1-5-18")`, `"S-1-5-18"`},
		{`StringFromSid("AQE=")`, `value@00`},
		{`StringFromSid([x])`, `null`},
		{`Redact([x])`, `null`},
		{`Redact([many])`, `[ One |two|Éte]`},

		// RandomString.
		{`RandomString(0,0,0,0,0)`, `""`},
		{`RandomString(-1,0,0,0,0)`, `value@00`},
		{`RandomString(257,0,0,0,0)`, `value@00`},
		{`RandomString(4,-1,0,0,0)`, `value@00`},
		{`RandomString(4,2,1,1,1)`, `value@00`},
		{`RandomString(4,1,0,0,0,"0123456789")`, `value@00`},
		{`RandomString("4","4",0,0,0,"012345678")`, `"9999"`},
		{`RandomString(4,"x",0,0,0)`, `type@15`},
		{`SelectUniqueValue([x], [empty])`, `no_unique_value@00`},
		{`SelectUniqueValue([x], [a])`, `"alpha"`},
		{`SelectUniqueValue([a], )`, `arity@00`},
		{`SelectUniqueValue("a", SelectUniqueValue("b", "c"))`, `nesting@23`},
		{`CBool(SelectUniqueValue("a", "b")="a")`, `nesting@06`},
	}
	for _, tt := range tests {
		if got := outcome(t, tt.src, testSource); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.src, got, tt.want)
		}
	}
}

func TestReplaceModes(t *testing.T) {
	source := Map{"s": Text("a.b.c"), "empty": Text(""), "phone": Text("+91 8887779999"), "many": List([]string{"a1", "b2"})}
	tests := []struct{ src, want string }{
		// oldValue + template, even when more is given.
		{`Replace([s], "{0}", , , , , "<{0}|{0}>")`, `"<a.b.c|a.b.c>"`},
		{`Replace([s], "{0}", , , "z", , "<{0}>")`, `"<a.b.c>"`},
		{`Replace([x], "{0}", , , , , "<{0}>")`, `"<>"`},
		{`Replace([many], "{0}", , , , , "<{0}>")`, `[<a1>|<b2>]`},
		// oldValue + replacementValue: no substitutions, no patterns.
		{`Replace([s], ".", , , "$0", , )`, `"a$0b$0c"`},
		{`Replace([s], ".", , , [x], , )`, `"abc"`},
		{`Replace([s], ".", "b", "g", "-", , )`, `"a-b-c"`},
		{`Replace([x], ".", , , "-", , )`, `null`},
		{`Replace([empty], ".", , , "-", , )`, `""`},
		// regexPattern + regexGroupName + replacementValue.
		{`Replace([s], , "(?<x>[ac])|b", "x", "$1", , )`, `"$1.b.$1"`},
		{`Replace([s], , "\\.(.)", "1", "", , )`, `"a.."`},
		{`Replace([s], , "(?<=(?<x>a))\\.", "x", "-", , )`, `"-.b.c"`},
		{`Replace([s], , "a", "nope", "-", , )`, `value@00`},
		{`Replace([s], , "zzz", "0", "-", , )`, `"a.b.c"`},
		{`Replace([x], , "(?<x>a)", "x", "-", , )`, `null`},
		// regexPattern + regexGroupName + replacementAttributeName.
		{`Replace([s], , "(?<n>\\d+)$", "n", , [phone], )`, `"a.b.c"`},
		{`Replace([x], , "(?<n>\\d+)$", "n", , [phone], )`, `"8887779999"`},
		{`Replace([empty], , "(?<n>\\d+)$", "n", , [phone], )`, `"8887779999"`},
		{`Replace([x], , "(?<n>zzz)", "n", , [phone], )`, `null`},
		{`Replace([x], , "(?<n>z)|\\+", "n", , [phone], )`, `""`},
		{`Replace([x], , "(?<n>z)", "n", , [y], )`, `null`},
		{`Replace([x], , "z", "n", , [phone], )`, `value@00`},
		// regexPattern + replacementValue.
		{`Replace([s], , "[ac]", , "<$&>", , )`, `"<a>.b.<c>"`},
		{`Replace([s], , "b", "", "z", "", "")`, `"a.z.c"`},
		{`Replace([x], , "b", , "z", , )`, `null`},
		{`Replace([empty], , "^$", , "z", , )`, `"z"`},
		{`Replace([s], , "(", , "z", , )`, `value@00`},
		{`Replace([s], , [empty], , "z", , )`, `arity@00`},
		{`Replace([s], , Append("[", "abc]"), , "z", , )`, `"z.z.z"`},
		// None of these.
		{`Replace([s])`, `arity@00`},
		{`Replace([s], "a")`, `arity@00`},
		{`Replace([s], , "a", "g")`, `arity@00`},
		{`Replace([s], , , , "a")`, `arity@00`},
		{`Replace([s], , , , , [phone])`, `arity@00`},
		{`Replace([s], "", "", "", "a", "", "")`, `arity@00`},
		{`IIF(False, Replace([s], "a"), "never")`, `arity@11`},
		{`Replace([s], "a", , , "b", , , "c")`, `arity@00`},
		{`Replace(, "a", , , "b")`, `arity@00`},
	}
	for _, tt := range tests {
		if got := outcome(t, tt.src, source); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.src, got, tt.want)
		}
	}
}

func TestSelectUniqueValue(t *testing.T) {
	p := MustCompile(`SelectUniqueValue([a], [x], Append([a], "2"), Append([a], "3"))`)
	var asked []string
	env := &Env{Source: testSource, Taken: func(_ context.Context, v string) (bool, error) {
		asked = append(asked, v)
		return v == "alpha", nil
	}}
	r, err := p.Eval(t.Context(), env)
	if err != nil || r.Value.String() != "alpha2" || !slices.Equal(asked, []string{"alpha", "alpha2"}) {
		t.Fatalf("got %v %v after asking %q", r.Value, err, asked)
	}

	env.Taken = func(context.Context, string) (bool, error) { return true, nil }
	_, err = p.Eval(t.Context(), env)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != ErrorNoUniqueValue || !slices.Equal(e.Values, []string{"alpha", "alpha2", "alpha3"}) {
		t.Fatalf("all taken: got %#v", err)
	}

	down := errors.New("directory is down")
	env.Taken = func(context.Context, string) (bool, error) { return false, down }
	_, err = p.Eval(t.Context(), env)
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != ErrorLookup || !errors.Is(err, down) {
		t.Fatalf("look-up failed: got %#v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = p.Eval(ctx, env); !errors.Is(err, context.Canceled) {
		t.Fatalf("canceled: got %v", err)
	}
}

func TestRandomSource(t *testing.T) {
	env := &Env{Random: strings.NewReader(strings.Repeat("\x07", 16))}
	r, err := MustCompile(`Guid()`).Eval(t.Context(), env)
	if want := "07070707-0707-4707-8707-070707070707"; err != nil || r.Value.String() != want {
		t.Errorf("Guid: got %v %v, want %s", r.Value, err, want)
	}
	if _, err = MustCompile(`Guid()`).Eval(t.Context(), env); err == nil {
		t.Error("Guid without random bytes: no error")
	}
	if _, err = MustCompile(`RandomString(5,0,0,0,0)`).Eval(t.Context(), env); err == nil {
		t.Error("RandomString without random bytes: no error")
	}
	for range 50 {
		got := outcome(t, `RandomString(12,2,2,2,2,"Oo01lI")`, nil)
		want := RandomExpectation{Length: 12, MinNumbers: 2, MinSpecial: 2, MinCapital: 2, MinLower: 2, Avoid: "Oo01lI"}
		if problem := want.check(Text(got[1 : len(got)-1])); problem != "" {
			t.Fatalf("%s: want %s", got, problem)
		}
	}
}

func TestRedaction(t *testing.T) {
	for _, src := range []string{
		`Redact([secret])`,
		`Append("x", Redact([secret]))`,
		`IIF(False, Redact([secret]), "x")`,
	} {
		r, err := MustCompile(src).Eval(t.Context(), &Env{Source: Map{"secret": Text("s3cret")}})
		if err != nil || !r.Redacted {
			t.Errorf("%s: got %+v %v, want a redacted result", src, r, err)
		}
	}
	for _, src := range []string{
		`Redact(Left("x", [secret]))`,
		`Redact(CDate([secret]))`,
		`Redact(DateFromNum([secret]))`,
		`Redact(Error([secret]))`,
		`Redact(Replace("x", , Append("(", [secret]), , "", , ))`,
		`Redact(FormatDateTime([secret], , [secret], [secret]))`,
		`Redact(ToLower("x", [secret]))`,
		`SelectUniqueValue(Redact([secret]), [secret])`,
		`Redact(StringFromSid([secret]))`,
		`Redact(DNComponent([secret], 1))`,
		`Redact(ConvertFromBase64("SGk=", [secret]))`,
		`Redact(DateAdd([secret], 1, Now()))`,
		`Redact(InStr("a", "b", 1, [secret]))`,
		`Redact(Replace([x], , "a", [secret], "b", , ))`,
		`Redact(Replace("x", , "a", [secret], "b", , ))`,
	} {
		env := &Env{Source: Map{"secret": Text("s3cret")}, Taken: func(context.Context, string) (bool, error) { return true, nil }}
		r, err := MustCompile(src).Eval(t.Context(), env)
		e, _ := errors.AsType[*Error](err)
		if e == nil {
			if src == `Redact(Replace([x], , "a", [secret], "b", , ))` {
				continue // null source: the group is never looked for
			}
			t.Errorf("%s: no error", src)
			continue
		}
		if strings.Contains(e.Error()+e.Hint+strings.Join(e.Values, ""), "s3cret") || !r.Redacted {
			t.Errorf("%s tells the value: %v %v", src, e, e.Values)
		}
	}
}

// Results must not grow without limit, however replacements are nested.
func TestSizeLimit(t *testing.T) {
	src := `[s]`
	for range 12 {
		src = `Replace(` + src + `, "a", , , "aaaaaaaaaa", , )`
	}
	if got := outcome(t, src, Map{"s": Text("a")}); !strings.HasPrefix(got, "value@") {
		t.Errorf("nested literal Replace: got %.40s", got)
	}
	src = `[s]`
	for range 12 {
		src = `Replace(` + src + `, , "a", , "$_$_aaaaaaaaaa", , )`
	}
	if got := outcome(t, src, Map{"s": Text("aaa")}); !strings.HasPrefix(got, "value@") {
		t.Errorf("nested regex Replace: got %.40s", got)
	}
	src = `[s]`
	for range 40 {
		src = `ConvertToBase64(` + src + `)`
	}
	if got := outcome(t, src, Map{"s": Text("aaa")}); !strings.HasPrefix(got, "value@") {
		t.Errorf("nested ConvertToBase64: got %.40s", got)
	}
}

func TestCatalogue(t *testing.T) {
	if !slices.IsSortedFunc(builtins, func(a, b builtin) int { return strings.Compare(a.Name, b.Name) }) {
		t.Fatal("builtins are not sorted by name")
	}
	for _, f := range Functions() {
		if f.Meaning == "" || f.Result == "" || f.Parameters == nil {
			t.Errorf("%s is not fully described", f.Name)
		}
		if !strings.Contains(f.Example, f.Name+"(") {
			t.Errorf("%s does not occur in its example %s", f.Name, f.Example)
		}
		p, err := Compile(f.Example)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		r, err := p.Eval(t.Context(), &Env{Source: ExampleSource(), DefaultDomain: "contoso.example", Now: testTime})
		if err != nil || r.Value.String() != f.ExampleResult {
			t.Errorf("%s gives %q %v, want %q", f.Example, r.Value, err, f.ExampleResult)
		}
	}
	if got, want := findBuiltin("InStr").Signature(), "InStr(value1, value2, start?, compareType?)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := findBuiltin("Switch").Signature(), "Switch(source, defaultValue?, key…, value…)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

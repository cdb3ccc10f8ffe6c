package expression

import "testing"

func benchmarkEval(b *testing.B, src string, source Map) {
	b.Helper()
	p, err := Compile(src)
	if err != nil {
		b.Fatal(err)
	}
	env := &Env{Source: source}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Eval(ctx, env); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJoin(b *testing.B) {
	benchmarkEval(b, `Join(" ", [givenName], [surname])`, ExampleSource())
}

func BenchmarkSwitch(b *testing.B) {
	benchmarkEval(b, `Switch([country], "en", "US", "en", "AT", "de", "DE", "de", "NL", "nl")`, ExampleSource())
}

func BenchmarkReplaceRegex(b *testing.B) {
	benchmarkEval(b, `Replace([telephoneNumber], , "[()\\s-]+", , "", , )`, ExampleSource())
}

func BenchmarkReplaceLiteral(b *testing.B) {
	benchmarkEval(b, `Replace([mail], "@contoso.example", , , "", , )`, ExampleSource())
}

func BenchmarkNormalizeDiacritics(b *testing.B) {
	benchmarkEval(b, `NormalizeDiacritics([s])`, Map{"s": Text("Łukasz Dąbrowski-Müller")})
}

func BenchmarkNormalizeDiacriticsPlain(b *testing.B) {
	benchmarkEval(b, `NormalizeDiacritics([surname])`, ExampleSource())
}

func BenchmarkUserPrincipalName(b *testing.B) {
	benchmarkEval(b, `ToLower(Join("@", NormalizeDiacritics(StripSpaces(Join(".", [givenName], [surname]))), "contoso.com"))`, ExampleSource())
}

func BenchmarkFormatDateTime(b *testing.B) {
	benchmarkEval(b, `FormatDateTime([employeeHireDate], , "yyyy-MM-ddTHH:mm:sszzz", "yyyy-MM-dd")`, ExampleSource())
}

func BenchmarkCDate(b *testing.B) {
	benchmarkEval(b, `CDate([employeeHireDate])`, ExampleSource())
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(`ToLower(Join("@", NormalizeDiacritics(StripSpaces(Join(".", [givenName], [surname]))), "contoso.com"))`); err != nil {
			b.Fatal(err)
		}
	}
}

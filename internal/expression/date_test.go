package expression

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDateTime(t *testing.T) {
	tests := []struct{ text, want string }{
		{"2024-03-05", "2024-03-05T00:00:00Z"},
		{" 2024-3-5 ", "2024-03-05T00:00:00Z"},
		{"2024/03/05", "2024-03-05T00:00:00Z"},
		{"2024-03", "2024-03-01T00:00:00Z"},
		{"2020-03-16-07:00", "2020-03-16T07:00:00Z"},
		{"2020-03-16 -07:00", "2020-03-16T07:00:00Z"},
		{"2020-03-16-7", "2020-03-16T07:00:00Z"},
		{"2020-03-16+0530", "2020-03-15T18:30:00Z"},
		{"2020-03-16Z", "2020-03-16T00:00:00Z"},
		{"2024-03-05T10:20", "2024-03-05T10:20:00Z"},
		{"2024-03-05t10:20:30z", "2024-03-05T10:20:30Z"},
		{"2024-03-05T10:20:30.1234567Z", "2024-03-05T10:20:30.1234567Z"},
		{"2024-03-05T10:20:30.12345678Z", "2024-03-05T10:20:30.1234568Z"},
		{"2024-03-05T10:20:30.99999999Z", "2024-03-05T10:20:31Z"},
		{"2024-03-05 10:20:30 +02:00", "2024-03-05T08:20:30Z"},
		{"2024-03-05 10:20:30+2", "2024-03-05T08:20:30Z"},
		{"2024-03-05 1:20 pm -01:00", "2024-03-05T14:20:00Z"},
		{"2024-03-05 12:00 AM", "2024-03-05T00:00:00Z"},
		{"2024-03-05 12:00PM", "2024-03-05T12:00:00Z"},
		{"2024-03-05 3 PM", "2024-03-05T15:00:00Z"},
		{"3/5/2024", "2024-03-05T00:00:00Z"},
		{"03/05/2024 4:05:06 PM", "2024-03-05T16:05:06Z"},
		{"3/5/24", "2024-03-05T00:00:00Z"},
		{"3/5/99", "1999-03-05T00:00:00Z"},
		{"3-5-2024", "2024-03-05T00:00:00Z"},
		{"5 March 2024", "2024-03-05T00:00:00Z"},
		{"5-Mar-2024", "2024-03-05T00:00:00Z"},
		{"Mar 5, 2024", "2024-03-05T00:00:00Z"},
		{"march 5 2024 10:00 AM", "2024-03-05T10:00:00Z"},
		{"March 2024", "2024-03-01T00:00:00Z"},
		{"Tue, 05 Mar 2024 10:20:30 GMT", "2024-03-05T10:20:30Z"},
		{"Tuesday, March 5, 2024", "2024-03-05T00:00:00Z"},
		{"2024-02-29", "2024-02-29T00:00:00Z"},
		{"0001-01-01", "0001-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.9999999Z"},

		{"", ""}, {" ", ""}, {"not a date", ""}, {"2024", ""}, {"20240305", ""},
		{"2023-02-29", ""}, {"2024-13-01", ""}, {"2024-00-01", ""}, {"2024-01-00", ""}, {"0000-01-01", ""},
		{"13/25/2007", ""}, {"25/12/2007", ""}, {"2024-03/05", ""},
		{"2024-03-05T", ""}, {"2024-03-05T24:00", ""}, {"2024-03-05 10:60", ""}, {"2024-03-05 10:20:60", ""},
		{"2024-03-05 10", ""}, {"2024-03-05 10:", ""}, {"2024-03-05 10:20:30.", ""}, {"2024-03-05 13:00 AM", ""},
		{"2024-03-05 10:00 +15:00", ""}, {"2024-03-05 10:00 +10:60", ""}, {"2024-03-05 10:00 +10:0", ""},
		{"2024-03-05 10:00 X", ""}, {"2024-03-05 10:00 GMT+1", ""}, {"Wed, 05 Mar 2024", ""},
		{"0001-01-01+01:00", ""}, {"9999-12-31T23:59:59-01:00", ""}, {"5 March", ""}, {"March", ""},
		{"2024-03-05 10:00 AMX", ""}, {"2024-003-05", ""}, {"1/1/20245", ""},
	}
	for _, tt := range tests {
		got := ""
		if ticks, ok := parseDateTime(tt.text); ok {
			got = timeOf(ticks).Format(time.RFC3339Nano)
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestFormatDateTime(t *testing.T) {
	const iso = "yyyy-MM-ddTHH:mm:ss.fffffff"
	tests := []struct{ source, styles, input, output, want string }{
		// Digits.
		{"2024-3-5", "", "yyyy-M-d", "yyyy-MM-dd", "2024-03-05"},
		{"2024-03-05", "", "yyyy-M-d", "yyyy-MM-dd", "2024-03-05"},
		{"2024-3-5", "", "yyyy-MM-dd", "yyyy-MM-dd", "!"},
		{"24-3-5", "", "yyyy-M-d", "yyyy", "!"},
		{"5/3/49", "", "d/M/yy", "yyyy", "2049"},
		{"5/3/50", "", "d/M/yy", "yyyy", "1950"},
		{"5/3/5", "", "d/M/y", "yyyy", "2005"},
		{"20240305040709", "", "yyyyMMddHHmmss", iso, "2024-03-05T04:07:09.0000000"},
		{"2024-03-05 4:7:9", "", "yyyy-MM-dd H:m:s", "HHmmss", "040709"},
		{"2024-03-05 04:07:09.12", "", "yyyy-MM-dd HH:mm:ss.ff", iso, "2024-03-05T04:07:09.1200000"},
		{"2024-03-05 04:07:09.1", "", "yyyy-MM-dd HH:mm:ss.ff", iso, "!"},
		{"2024-03-05 04:07:09.1", "", "yyyy-MM-dd HH:mm:ss.FFF", iso, "2024-03-05T04:07:09.1000000"},
		{"2024-03-05 04:07:09", "", "yyyy-MM-dd HH:mm:ss.FFF", iso, "2024-03-05T04:07:09.0000000"},
		{"2024-03-05 04:07:09.12345678", "", "yyyy-MM-dd HH:mm:ss.ffffffff", iso, "!"},
		// Names.
		{"5 mar 2024", "", "d MMM yyyy", "dd-MM", "05-03"},
		{"5 March 2024", "", "d MMMM yyyy", "MMM MMMM", "Mar March"},
		{"Tue 5 Mar 2024", "", "ddd d MMM yyyy", "dddd ddd", "Tuesday Tue"},
		{"Wed 5 Mar 2024", "", "ddd d MMM yyyy", "dddd", "!"},
		{"5 Mrz 2024", "", "d MMM yyyy", "dd", "!"},
		// Twelve hours.
		{"2024-03-05 12:30 AM", "", "yyyy-MM-dd hh:mm tt", "HH:mm", "00:30"},
		{"2024-03-05 12:30 PM", "", "yyyy-MM-dd hh:mm tt", "HH:mm h t", "12:30 12 P"},
		{"2024-03-05 1:30 p", "", "yyyy-MM-dd h:mm t", "HH:mm hh tt", "13:30 01 PM"},
		{"2024-03-05 13:30 PM", "", "yyyy-MM-dd hh:mm tt", "HH:mm", "!"},
		{"2024-03-05 11:30", "", "yyyy-MM-dd hh:mm", "HH:mm", "11:30"},
		{"2024-03-05 13:30 AM", "", "yyyy-MM-dd HH:mm tt", "HH:mm", "!"},
		{"2024-03-05 13:30 PM", "", "yyyy-MM-dd HH:mm tt", "HH:mm", "13:30"},
		// Zones.
		{"2024-03-05T01:00-07:00", "", "yyyy-MM-ddTHH:mmzzz", "yyyy-MM-ddTHH:mmzzz", "2024-03-05T08:00+00:00"},
		{"2024-03-05T01:00-0700", "", "yyyy-MM-ddTHH:mmzzz", "HH:mm K", "08:00 +00:00"},
		{"2024-03-05T01:00-7", "", "yyyy-MM-ddTHH:mmz", "HH:mm z zz", "08:00 +0 +00"},
		{"2024-03-05T01:00-07", "", "yyyy-MM-ddTHH:mmzz", "HH:mm", "08:00"},
		{"2024-03-05T01:00-7", "", "yyyy-MM-ddTHH:mmzz", "HH:mm", "!"},
		{"2024-03-05T01:00", "", "yyyy-MM-ddTHH:mmzzz", "HH:mm", "!"},
		{"2024-03-05T01:00-15:00", "", "yyyy-MM-ddTHH:mmzzz", "HH:mm", "!"},
		{"2024-03-05T01:00Z", "", "yyyy-MM-ddTHH:mmK", "HH:mmK", "01:00Z"},
		{"2024-03-05T01:00+01:00", "", "yyyy-MM-ddTHH:mmK", "HH:mmK", "00:00+00:00"},
		{"2024-03-05T01:00", "", "yyyy-MM-ddTHH:mmK", "HH:mmK", "01:00"},
		{"2024-03-05T01:00Z", "", "yyyy-MM-ddTHH:mmZ", "HH:mmZK", "01:00ZZ"},
		{"2024-03-05T01:00", "", "yyyy-MM-ddTHH:mmZ", "HH:mm", "!"},
		{"2024-03-05 01:00 GMT", "", "yyyy-MM-dd HH:mm GMT", "HH:mm", "01:00"},
		// Literals.
		{"on 2024 at 03", "", "'on' yyyy \"at\" MM", "yyyy'y'MM\"m\"", "2024y03m"},
		{"2024h03", "", `yyyy\hMM`, `yyyy\hMM`, "2024h03"},
		{"2024.03", "", "yyyy.MM", "yyyyTMMZ", "2024T03Z"},
		{"2024", "", "'yyyy", "yyyy", "!"},
		{"2024", "", "yyyy", "'yyyy", "!"},
		{"2024", "", "yyyy\\", "yyyy", "!"},
		{"2024", "", "yyyy", "yyyy\\", "!"},
		{"2024x", "", "yyyy", "yyyy", "!"},
		{"2024 A.D.", "", "yyyy g", "g yyyy", "A.D. 2024"},
		// Single letters are standard formats; % makes them custom.
		{"2024-03-05T04:07:09", "", "s", "d", "03/05/2024"},
		{"03/05/2024", "", "d", "D", "Tuesday, 05 March 2024"},
		{"2024-03-05T04:07:09", "", "s", "o", "2024-03-05T04:07:09.0000000"},
		{"2024-03-05T04:07:09", "", "s", "R", "Tue, 05 Mar 2024 04:07:09 GMT"},
		{"2024-03-05T04:07:09", "", "s", "u", "2024-03-05 04:07:09Z"},
		{"2024-03-05T04:07:09", "", "s", "g", "03/05/2024 04:07"},
		{"2024-03-05T04:07:09", "", "s", "Y", "2024 March"},
		{"2024-03-05T04:07:09", "", "s", "%h", "4"},
		{"2024-03-05T04:07:09", "", "s", "%", "!"},
		{"2024-03-05T04:07:09", "", "s", "%%h", "!"},
		{"2024-03-05T04:07:09", "", "s", "x", "!"},
		{"2024-03-05T04:07:09", "", "x", "d", "!"},
		{"2024-03-05T04:07:09", "", "s", "y yy yyy yyyyy", "24 24 2024 02024"},
		{"2024-03-05T04:07:09", "", "s", "ss.FFF", "09"},
		{"2024-03-05T04:07:09", "", "s", "ss.FFFFFFFF", "!"},
		{"2024-03-05T04:07:09", "", "s", "", "03/05/2024 04:07:09"},
		// Parts that are missing, or given twice.
		{"04:07", "", "HH:mm", "yyyy-MM-dd HH:mm", "2025-07-30 04:07"},
		{"04:07", "NoCurrentDateDefault", "HH:mm", "yyyy-MM-dd HH:mm", "0001-01-01 04:07"},
		{"5 Mar", "", "d MMM", "yyyy-MM-dd", "2025-03-05"},
		{"2024", "", "yyyy", "yyyy-MM-dd", "2024-01-01"},
		{"2024 2025", "", "yyyy yyyy", "yyyy", "!"},
		{"2024 24", "", "yyyy yy", "yyyy", "!"},
		{"2023-02-29", "", "yyyy-MM-dd", "yyyy", "!"},
		{"2024-03-05 24:00", "", "yyyy-MM-dd HH:mm", "yyyy", "!"},
		// Styles.
		{" 2024-03-05 ", "", "yyyy-MM-dd", "yyyy", "2024"},
		{" 2024-03-05 ", "None", "yyyy-MM-dd", "yyyy", "!"},
		{" 2024-03-05 ", "AllowWhiteSpaces", "yyyy-MM-dd", "yyyy", "2024"},
		{"2024   03", "AllowInnerWhite", "yyyy MM", "MM", "03"},
		{"2024   03", "", "yyyy MM", "MM", "!"},
		{"2024-03-05", "AssumeUniversal", "yyyy-MM-dd", "yyyyK", "2024+00:00"},
		{"2024-03-05", "AssumeUniversal, AdjustToUniversal", "yyyy-MM-dd", "yyyyK", "2024Z"},
		{"2024-03-05", "AssumeLocal", "yyyy-MM-dd", "yyyyK", "2024+00:00"},
		{"2024-03-05", "AdjustToUniversal", "yyyy-MM-dd", "yyyyK", "2024"},
		{"2024-03-05", "AssumeLocal,AssumeUniversal", "yyyy-MM-dd", "yyyy", "!"},
		{"2024-03-05", "RoundtripKind,AssumeUniversal", "yyyy-MM-dd", "yyyy", "!"},
		{"2024-03-05", "en-US", "yyyy-MM-dd", "yyyy", "!"},
		{"2024-03-05", "", " ", "yyyy", "!"},
	}
	for _, tt := range tests {
		p := MustCompile(`FormatDateTime([source], [styles], [input], [output])`)
		source := Map{"source": Text(tt.source), "styles": Text(tt.styles), "input": Text(tt.input), "output": Text(tt.output)}
		r, err := p.Eval(t.Context(), &Env{Source: source, Now: testTime})
		got := r.Value.String()
		if err != nil {
			got = "!"
		}
		if got != tt.want {
			t.Errorf("%q styles %q from %q to %q: got %q %v, want %q", tt.source, tt.styles, tt.input, tt.output, got, err, tt.want)
		}
	}
}

func TestDates(t *testing.T) {
	tests := []struct{ src, want string }{
		{`CDate([x])`, `null`},
		{`CDate("")`, `value@00`},
		{`CDate(5)`, `value@00`},
		{`CDate(Now())`, `"7/30/2025 10:20:30 AM"`},
		{`CDate("0001-01-01")`, `"1/1/0001 12:00:00 AM"`},
		{`DateAdd("d", 1, [x])`, `null`},
		{`DateAdd("D", 1, Now())`, `value@00`},
		{`DateAdd("d", 1.5, Now())`, `type@13`},
		{`DateAdd("d", [x], Now())`, `type@13`},
		{`DateAdd("d", "-1", Now())`, `"7/29/2025 10:20:30 AM"`},
		{`DateAdd("ww", 2, "2025-01-01")`, `"1/15/2025 12:00:00 AM"`},
		{`DateAdd("m", -1, "2024-03-31")`, `"2/29/2024 12:00:00 AM"`},
		{`DateAdd("m", -14, "2024-03-31")`, `"1/31/2023 12:00:00 AM"`},
		{`DateAdd("yyyy", -1, "2024-02-29 13:00")`, `"2/28/2023 1:00:00 PM"`},
		{`DateAdd("yyyy", 7974, Now())`, `"7/30/9999 10:20:30 AM"`},
		{`DateAdd("yyyy", 7975, Now())`, `value@00`},
		{`DateAdd("m", -9223372036854775808, Now())`, `value@00`},
		{`DateAdd("yyyy", 9223372036854775807, Now())`, `value@00`},
		{`DateAdd("d", 9223372036854775807, Now())`, `value@00`},
		{`DateAdd("s", -9223372036854775807, Now())`, `value@00`},
		{`DateAdd("m", -24288, Now())`, `"7/30/0001 10:20:30 AM"`},
		{`DateAdd("m", -24295, Now())`, `value@00`},
		{`DateDiff("d", [x], Now())`, `null`},
		{`DateDiff("d", Now(), [x])`, `null`},
		{`DateDiff("q", Now(), Now())`, `value@00`},
		{`DateDiff("d", Now(), "x")`, `value@00`},
		{`DateDiff("m", "2024-12-31", "2025-01-01")`, `"1"`},
		{`DateDiff("yyyy", "2024-12-31", "2025-01-01")`, `"1"`},
		{`DateDiff("h", "2025-01-01 10:59", "2025-01-01 12:58")`, `"1"`},
		{`DateDiff("n", "2025-01-01 10:00", "2025-01-01 09:58:30")`, `"-1"`},
		{`DateDiff("s", "2025-01-01 10:00", "2025-01-01 10:00:01.9")`, `"1"`},
		{`DateDiff("ww", "2025-01-04", "2025-01-05")`, `"1"`}, // Saturday to Sunday
		{`DateDiff("ww", "2025-01-05", "2025-01-11")`, `"0"`}, // Sunday to Saturday
		{`DateDiff("ww", "2025-01-11", "2024-12-31")`, `"-1"`},
		{`DateFromNum([x])`, `null`},
		{`DateFromNum("0")`, `"1/1/1601 12:00:00 AM"`},
		{`DateFromNum(-1)`, `value@00`},
		{`DateFromNum(9223372036854775807)`, `value@00`},
		{`DateFromNum(1.5)`, `type@12`},
		{`NumFromDate([x])`, `null`},
		{`NumFromDate("1600-12-31")`, `value@00`},
		{`NumFromDate("x")`, `value@00`},
		{`FormatDateTime([x], , "yyyy", "yyyy")`, `null`},
		{`FormatDateTime("", , "yyyy", "yyyy")`, `null`},
		{`FormatDateTime("x", , "yyyy")`, `arity@00`},
		{`FormatDateTime("x", "yyyy", )`, `arity@00`},
		{`FormatDateTime("x", , , "yyyy")`, `arity@00`},
		{`FormatDateTime("x", "yyyy")`, `arity@00`},
		{`FormatDateTime("x", "a", "b", "c", "d")`, `arity@00`},
		{`FormatDateTime("2024", "yyyy", "yy")`, `"24"`},
	}
	for _, tt := range tests {
		if got := outcome(t, tt.src, nil); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.src, got, tt.want)
		}
	}
}

// What a format writes, it reads again; and every time in text form is one.
func TestDateRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := rapid.Int64Range(0, maxTicks).Draw(t, "ticks")
		if back := ticksOf(timeOf(ticks)); back != ticks {
			t.Fatalf("time.Time of %d is %d", ticks, back)
		}
		seconds := ticks - ticks%ticksPerSecond
		if got, ok := parseDateTime(dateTime(ticks).String()); !ok || got != seconds {
			t.Fatalf("%s reads as %d %v, want %d", dateTime(ticks), got, ok, seconds)
		}
		for _, format := range []string{
			"o", "yyyy-MM-ddTHH:mm:ss.fffffffzzz", "dddd, dd MMMM yyyy hh:mm:ss.fffffff tt",
			"yyyyMMddHHmmssfffffff", "d/M/yyyy H:m:s.FFFFFFF", "'at' h:m:s.fffffff t 'on' ddd MMM d yyyy",
		} {
			text, problem := formatDate(date{ticks: ticks}, format)
			if problem != "" {
				t.Fatal(problem)
			}
			got, problem := parseExact(text, format, styleDefault, 0)
			if problem != "" || got.ticks != ticks {
				t.Fatalf("%s as %s reads as %d %s, want %d", text, format, got.ticks, problem, ticks)
			}
		}
	})
}

func FuzzParseDateTime(f *testing.F) {
	for _, s := range []string{"2024-03-05T10:20:30.123Z", "3/5/2024 4:05 PM", "Tue, 05 Mar 2024 10:20:30 GMT", "5-Mar-2024", "2020-03-16-07:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ticks, ok := parseDateTime(s); ok {
			if !validTicks(ticks) {
				t.Fatalf("%q reads as %d", s, ticks)
			}
			if again, ok := parseDateTime(timeOf(ticks).Format("2006-01-02T15:04:05.0000000Z")); !ok || again != ticks {
				t.Fatalf("%q reads as %d and again as %d", s, ticks, again)
			}
		}
	})
}

func FuzzParseExact(f *testing.F) {
	f.Add("2024-03-05 04:07 PM", "yyyy-MM-dd hh:mm tt", "o")
	f.Add("5 Mar", `d MMM`, `'x'\yK%h"q"`)
	f.Add("2024-03-05T01:00-07:00", "yyyy-MM-ddTHH:mmzzz", "ddd, dd MMM yyyy g fFz")
	f.Fuzz(func(t *testing.T, source, input, output string) {
		d, problem := parseExact(source, input, styleDefault, unixEpoch)
		if problem != "" {
			return
		}
		if !validTicks(d.ticks) {
			t.Fatalf("%q as %q reads as %d", source, input, d.ticks)
		}
		_, _ = formatDate(d, output)
	})
}

package expression

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestValueOf(t *testing.T) {
	tests := []struct {
		in   any
		kind Kind
		text string
		json string
	}{
		{nil, KindNull, "", `null`},
		{"a", KindText, "a", `"a"`},
		{"", KindText, "", `""`},
		{true, KindBool, "True", `true`},
		{false, KindBool, "False", `false`},
		{7, KindNumber, "7", `7`},
		{int64(-7), KindNumber, "-7", `-7`},
		{json.Number("42"), KindNumber, "42", `42`},
		{json.Number("1.50"), KindNumber, "1.50", `1.50`},
		{json.Number("1e3"), KindNumber, "1000", `1000`},
		{json.Number("-2.5E-2"), KindNumber, "-0.025", `-0.025`},
		{json.Number("123456789012345678901"), KindNumber, "123456789012345678901", `123456789012345678901`},
		{json.Number("1e999"), KindText, "1e999", `"1e999"`},
		{3.0, KindNumber, "3", `3`},
		{0.1, KindNumber, "0.1", `0.1`},
		{math.Inf(1), KindNull, "", `null`},
		{[]string{}, KindList, "", `[]`},
		{[]string{"a", "b"}, KindList, "a, b", `["a","b"]`},
		{[]any{"a", true, nil, json.Number("1"), map[string]any{"k": "<v>"}}, KindList, `a, True, 1, {"k":"<v>"}`, `["a","True","1","{\"k\":\"\u003cv\u003e\"}"]`},
		{map[string]any{"value": "Admin"}, KindText, `{"value":"Admin"}`, `"{\"value\":\"Admin\"}"`},
		{time.Date(2024, 3, 5, 14, 7, 9, 0, time.FixedZone("", 3600)), KindDateTime, "3/5/2024 1:07:09 PM", `"3/5/2024 1:07:09 PM"`},
		{Text("v"), KindText, "v", `"v"`},
		{make(chan int), KindText, "", ``},
	}
	for _, tt := range tests {
		v := ValueOf(tt.in)
		if tt.json == "" {
			continue // only that it does not panic
		}
		data, err := json.Marshal(v)
		if v.Kind() != tt.kind || v.String() != tt.text || string(data) != tt.json || err != nil {
			t.Errorf("%v: got %s %q %s %v, want %s %q %s", tt.in, v.Kind(), v, data, err, tt.kind, tt.text, tt.json)
		}
		var back Value
		if err := json.Unmarshal(data, &back); err != nil || back.String() != v.String() || back.IsList() != v.IsList() || back.IsNull() != v.IsNull() {
			t.Errorf("%s reads as %v %v", data, back, err)
		}
	}
}

func TestValueUnmarshal(t *testing.T) {
	for in, want := range map[string]Value{
		` null `:                    Null(),
		`"a\u00e9"`:                 Text("aé"),
		`[ "a" , null, 1, [ "b" ]]`: List([]string{"a", "1", "b"}),
		`[]`:                        List(nil),
		`{"value": "x",  "n": 1}`:   Text(`{"value":"x","n":1}`),
		`[{"id": 1}]`:               List([]string{`{"id":1}`}),
		`10000000000000000000`:      mustNumber("10000000000000000000"),
	} {
		var got Value
		if err := json.Unmarshal([]byte(in), &got); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{`[1`, `{`, `tru`, ``} {
		var v Value
		if err := v.UnmarshalJSON([]byte(in)); err == nil {
			t.Errorf("%q: no error", in)
		}
	}
}

func TestValueIsImmutable(t *testing.T) {
	ss := []string{"a", "b"}
	v := List(ss)
	ss[0] = "x"
	v.Strings()[1] = "y"
	if diff := cmp.Diff([]string{"a", "b"}, v.Strings()); diff != "" {
		t.Error(diff)
	}
	if v.Equal(List([]string{"a"})) || !v.Equal(List([]string{"a", "b"})) || v.Equal(Text("a, b")) || Null().Equal(Text("")) || Int(1).Equal(Bool(true)) {
		t.Error("Equal is wrong")
	}
	if diff := cmp.Diff(Map{"a": v}, Map{"a": List([]string{"a", "b"})}); diff != "" {
		t.Error(diff)
	}
	if got := Int(5).Strings(); len(got) != 1 || got[0] != "5" || Null().Strings() != nil {
		t.Errorf("Strings: got %q", got)
	}
	if d, ok := Time(testTime).DateTime(); !ok || !d.Equal(testTime) {
		t.Errorf("DateTime: got %v %v", d, ok)
	}
	if _, ok := Text("x").DateTime(); ok {
		t.Error("text is a DateTime")
	}
	if got := Time(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)).String(); got != "12/31/9999 11:59:59 PM" {
		t.Errorf("year 20000: got %s", got)
	}
	if got := Kind(99).String(); got != "Kind(99)" {
		t.Errorf("got %s", got)
	}
}

func TestNumber(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "+5": "5", "007": "7", "-007": "-7", "0.0": "0.0", "-0.0": "0.0", "00.50": "0.50", "-1.25": "-1.25",
		"9223372036854775807": "9223372036854775807", "9223372036854775808": "9223372036854775808", "-9223372036854775809": "-9223372036854775809",
		"": "", "-": "", "1.": "", ".5": "", " 1": "", "1 ": "", "1e3": "", "1,000": "", "٣": "", "--1": "", "1.2.3": "",
	} {
		v, ok := Number(in)
		if ok != (want != "") || ok && v.String() != want {
			t.Errorf("%q: got %v %v, want %q", in, v, ok, want)
		}
	}
}

// Numbers compare as the rationals they stand for.
func TestCompareNumbers(t *testing.T) {
	number := rapid.StringMatching(`[+-]?[0-9]{1,25}(\.[0-9]{1,5})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		if got, want := compareNumbers(mustNumber(a), mustNumber(b)), x.Cmp(y); got != want {
			t.Fatalf("%s and %s: got %d, want %d", a, b, got, want)
		}
		if got := mustNumber(a).isZero(); got != (x.Sign() == 0) {
			t.Fatalf("%s is zero: %v", a, got)
		}
		n, ok := mustNumber(a).asInteger()
		if ok != (x.IsInt() && x.Num().IsInt64()) || ok && n != x.Num().Int64() {
			t.Fatalf("%s as integer: %d %v", a, n, ok)
		}
	})
}

func TestCompareOrdinal(t *testing.T) {
	sorted := []string{"", "A", "a", "aa", "é", "\uD7FF", "😀", "😁", "\uE000", "\uFF21"}
	for i, a := range sorted {
		for j, b := range sorted {
			got := compareOrdinal("x"+a, "x"+b)
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%q and %q: got %d", a, b, got)
			}
		}
	}
}

// The quick way for Latin text gives what the general one gives, and nothing
// with a mark is left over.
func TestNormalizeDiacriticsLaws(t *testing.T) {
	for r := range rune(0x3000) {
		s := "a" + string(r) + "e\u0301" + string(r)
		if got, want := normalizeDiacritics(s), decompose(s); got != want {
			t.Errorf("%U: got %q, want %q", r, got, want)
		}
	}
	for in, want := range map[string]string{
		"đðþĐÐÞ": "đðþĐÐÞ", "œŒẞß": "oeOESSss", "ǿǾǽ": "oeOEae", "ồỞ": "oO", "한국": "한국", "Ελένη": "Ελενη", "ŀ": "ŀ", "İı": "Ii",
		"日本": "日本", "o\u0308\u0304": "o", "": "",
	} {
		if got := normalizeDiacritics(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

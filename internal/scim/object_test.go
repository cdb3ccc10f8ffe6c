package scim

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestParseObject(t *testing.T) {
	t.Parallel()
	const text = ` {"a":[1,-2.5e3,"x\u00e9\n","",true,false,null,[],{}],"B c":{"é":{"d":"😀\ud83d\ude00"}}} `
	o, err := ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := NewObject("a", []Value{json.Number("1"), json.Number("-2.5e3"), "xé\n", "", true, false, nil, []Value{}, &Object{}},
		"B c", NewObject("é", NewObject("d", "😀😀")))
	if !Equal(o, want) {
		t.Errorf("got %v", o)
	}
	b, err := o.MarshalJSON()
	if want := `{"a":[1,-2.5e3,"xé\n","",true,false,null,[],{}],"B c":{"é":{"d":"😀😀"}}}`; err != nil || string(b) != want {
		t.Errorf("written as %s, %v", b, err)
	}
}

func TestParseObjectRefuses(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf(`"n%d":1`, i))
		}
		return strings.Join(names, ",")
	}
	for text, want := range map[string]string{
		``:                           "the body is empty",
		`  `:                         "the body is empty",
		`[]`:                         "the body must be a JSON object",
		`"a"`:                        "the body must be a JSON object",
		`{`:                          "not valid JSON at byte 1",
		`{"a":1,}`:                   "not valid JSON at byte 7",
		`{"a":01}`:                   "not valid JSON",
		`{"a":"` + "\xff\"}":         "not valid JSON",
		`{"a":"\ud800"}`:             "not valid JSON",
		`{} {}`:                      "after the end of the JSON object",
		`{}x`:                        "after the end of the JSON object",
		`{"a":1,"a":2}`:              `"a" appears twice`,
		`{"a":1,"A":2}`:              `"A" appears twice`,
		`{"x":{"aB":1,"Ab":2}}`:      `"Ab" appears twice`,
		`{` + many(40) + `,"N7":1}`:  `"N7" appears twice`,
		`{` + many(maxNames+1) + `}`: "more than 1000 attributes",
		`{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`: "nested deeper than 32",
	} {
		_, err := ParseObject([]byte(text))
		if !IsType(err, InvalidSyntax) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseObject([]byte(`{` + many(maxNames) + `}`)); err != nil {
		t.Error(err)
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	o := NewObject("userName", "u", "n", json.Number("1"))
	o.Set("USERNAME", "v")
	if got, _ := o.MarshalJSON(); string(got) != `{"userName":"v","n":1}` {
		t.Errorf("%s", got)
	}
	if !o.Delete("Username") || o.Delete("userName") || o.Len() != 1 {
		t.Errorf("after deletion: %v", o)
	}
	var none *Object
	if none.Len() != 0 || none.Text("x") != "" || none.Child("x") != nil || none.Elements("x") != nil || none.Clone() != nil {
		t.Error("a nil Object is not empty")
	}
	for range none.All() {
		t.Error("a nil Object has attributes")
	}
	original := NewObject("list", []Value{NewObject("a", "b")})
	copied := original.Clone()
	copied.Elements("list")[0].(*Object).Set("a", "c")
	if original.Elements("list")[0].(*Object).Text("a") != "b" {
		t.Error("a clone shares values")
	}
	if Equal(original, copied) || !Equal(original, original.Clone()) {
		t.Error("Equal")
	}
	for _, pair := range [][2]Value{
		{json.Number("1"), json.Number("1.0")}, {json.Number("1e2"), json.Number("100")},
		{NewObject("a", "x", "b", nil), NewObject("B", nil, "A", "x")}, {[]Value{}, []Value{}},
	} {
		if !Equal(pair[0], pair[1]) {
			t.Errorf("%v and %v differ", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]Value{
		{json.Number("9007199254740993"), json.Number("9007199254740992")}, {json.Number("1"), "1"}, {"a", "A"}, {nil, ""}, {true, "true"},
		{[]Value{"a", "b"}, []Value{"b", "a"}}, {NewObject("a", nil), &Object{}}, {&Object{}, []Value{}},
	} {
		if Equal(pair[0], pair[1]) {
			t.Errorf("%v and %v are equal", pair[0], pair[1])
		}
	}
	if _, err := AppendJSON(nil, 5); err == nil {
		t.Error("an int is written")
	}
}

func FuzzParseObject(f *testing.F) {
	for _, s := range []string{sampleUser, `{"a":[1,{"b":"\u00e9\ud83d\ude00\\"},null,-0.5e-7]}`, `{"":{"":[]}}`, `{"a":"\\\""}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseObject(data)
		if err != nil {
			if !IsType(err, InvalidSyntax) {
				t.Fatal(err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q is read and is not JSON", data)
		}
		b, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseObject(b)
		if err != nil {
			t.Fatalf("%q written as %q: %v", data, b, err)
		}
		if c, _ := again.MarshalJSON(); string(c) != string(b) {
			t.Fatalf("%q written as %q, then as %q", data, b, c)
		}
	})
}

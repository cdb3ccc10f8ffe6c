package expression

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGraph(t *testing.T) {
	p := MustCompile(`Replace(Mid([userPrincipalName], 1, &H8), "\\\"", , , %P%, , )`)
	data, err := json.MarshalIndent(p.Graph(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "expression": "Replace(Mid([userPrincipalName], 1, \u0026H8), \"\\\\\\\"\", , , %P%, , )",
  "name": "Replace",
  "parameters": [
    {
      "key": "source",
      "value": {
        "expression": "Mid([userPrincipalName], 1, \u0026H8)",
        "name": "Mid",
        "parameters": [
          {
            "key": "source",
            "value": {
              "expression": "[userPrincipalName]",
              "name": "userPrincipalName",
              "parameters": [],
              "type": "Attribute"
            }
          },
          {
            "key": "start",
            "value": {
              "expression": "\"1\"",
              "name": "1",
              "parameters": [],
              "type": "Constant"
            }
          },
          {
            "key": "length",
            "value": {
              "expression": "\"8\"",
              "name": "8",
              "parameters": [],
              "type": "Constant"
            }
          }
        ],
        "type": "Function"
      }
    },
    {
      "key": "Find",
      "value": {
        "expression": "\"\\\\\\\"\"",
        "name": "\\\"",
        "parameters": [],
        "type": "Constant"
      }
    },
    {
      "key": "Replacement",
      "value": {
        "expression": "%P%",
        "name": "%P%",
        "parameters": [],
        "type": "Constant"
      }
    }
  ],
  "type": "Function"
}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
}

func TestGraphKeys(t *testing.T) {
	for src, want := range map[string]string{
		`IIF([a]="x", "b", "c")`:                    "one two three",
		`CBool([a]="x")`:                            "Expression",
		`IsPresent([a])`:                            "source",
		`Join(",", [a], "b", "c")`:                  "separator source1 source2 source3",
		`Switch([a], , "k", "v", "l", "w")`:         "source key1 value1 key2 value2",
		`SelectUniqueValue("a", "b", "c")`:          "rule1 rule2 rule3",
		`FormatDateTime([a], "yyyy", "yy")`:         "source inputFormat outputFormat",
		`FormatDateTime([a], , "yyyy", "yy")`:       "source inputFormat outputFormat",
		`FormatDateTime([a], "None", "yyyy", "yy")`: "source dateTimeStyles inputFormat outputFormat",
		`Replace([a], , "p", "g", , [b], )`:         "source regexPattern regexGroupName replacementAttributeName",
		`RandomString(1,0,0,0,0,"x")`:               "Length MinimumNumbers MinimumSpecialCharacters MinimumCapital MinimumLowerCase CharactersToAvoid",
		`Now()`:                                     "",
	} {
		var keys []string
		for _, p := range MustCompile(src).Graph().Parameters {
			keys = append(keys, p.Key)
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%s\n got %s\nwant %s", src, got, want)
		}
	}
	c := MustCompile(`CBool([a] <> "x")`).Graph().Parameters[0].Value
	if c.Type != GraphFunction || c.Name != "<>" || c.Expression != `[a]<>"x"` || c.Parameters[0].Key != "left" || c.Parameters[1].Key != "right" {
		t.Errorf("comparison: got %+v", c)
	}
}

// withoutText removes the texts, so that only the tree is left.
func withoutText(g GraphSource) GraphSource {
	g.Expression = ""
	params := g.Parameters
	g.Parameters = nil
	for _, p := range params {
		p.Value = withoutText(p.Value)
		g.Parameters = append(g.Parameters, p)
	}
	return g
}

func TestFromGraph(t *testing.T) {
	// Both the text and the bare tree lead back.
	for _, src := range []string{
		`[mail]`,
		`"x \"y\" \\"`,
		`%P%`,
		`Now()`,
		`Join("@", NormalizeDiacritics(StripSpaces(Join(".", [givenName], [surname]))), "contoso.com")`,
		`Replace([preferredLanguage], "-", , , "_")`,
		`Replace([a], , "p", "g", , [b])`,
		`Switch([a], , "k", "v", "l", "w")`,
		`Switch([a], "d", "k", IIF([a]<>"x", "v", ""))`,
		`InStr([a], "b", , "vbTextCompare")`,
		`FormatDateTime([a], , "yyyy", "yy")`,
		`IIF(IsPresent([a]), SingleAppRoleAssignment([appRoleAssignments]), Coalesce([b], [c]))`,
	} {
		g := MustCompile(src).Graph()
		if got, err := FromGraph(g); err != nil || got != src {
			t.Errorf("%s: got %s %v", src, got, err)
		}
		if got, err := FromGraph(withoutText(g)); err != nil || got != src {
			t.Errorf("%s from its tree: got %s %v", src, got, err)
		}
	}
	constant := func(s string) GraphSource { return GraphSource{Name: s, Type: GraphConstant} }
	tests := []struct {
		name string
		in   GraphSource
		want string // a part of the error after !
	}{
		{"no type", GraphSource{Name: "mail"}, `[mail]`},
		{"a constant without quotation marks", GraphSource{Expression: "two words", Name: "two words", Type: "Constant"}, `"two words"`},
		{"a constant that looks like an attribute", GraphSource{Expression: "[x]", Name: "[x]", Type: "Constant"}, `"[x]"`},
		{"an empty constant", constant(""), `""`},
		{"a number", constant("5"), `"5"`},
		{"the text counts", GraphSource{Expression: "ToLower( [a] )", Name: "ToUpper", Type: "function"}, `ToLower([a])`},
		{"Graph's keys", GraphSource{Name: "Replace", Type: "Function", Parameters: []GraphParameter{
			{"source", GraphSource{Name: "a", Type: "Attribute"}}, {"RegularExpression", constant("x")}, {"Replacement", constant("y")}}}, `Replace([a], , "x", , "y")`},
		{"unknown keys", GraphSource{Name: "Append", Type: "Function", Parameters: []GraphParameter{
			{"p0", GraphSource{Name: "a", Type: "Attribute"}}, {"p1", constant("x")}}}, `Append([a], "x")`},
		{"keys out of order", GraphSource{Name: "Mid", Type: "Function", Parameters: []GraphParameter{
			{"length", constant("3")}, {"START", constant("2")}, {"source", GraphSource{Name: "a", Type: "Attribute"}}}}, `Mid([a], "2", "3")`},
		{"a comparison out of order", GraphSource{Name: "CBool", Type: "Function", Parameters: []GraphParameter{
			{"Expression", GraphSource{Name: "<", Type: "Function", Parameters: []GraphParameter{{"right", constant("b")}, {"left", constant("a")}}}}}}, `CBool("a"<"b")`},

		{"nothing", GraphSource{}, `!neither an expression nor a name`},
		{"unknown type", GraphSource{Name: "x", Type: "Foo"}, `!"Foo"`},
		{"unknown function", GraphSource{Name: "Jion", Type: "Function"}, `!did you mean "Join"?`},
		{"twice", GraphSource{Name: "Append", Type: "Function", Parameters: []GraphParameter{{"source", constant("a")}, {"source", constant("b")}}}, `!twice`},
		{"missing", GraphSource{Name: "Append", Type: "Function", Parameters: []GraphParameter{{"source", constant("a")}}}, `!arity`},
		{"half a comparison", GraphSource{Name: "=", Type: "Function", Parameters: []GraphParameter{{"left", constant("a")}}}, `!left and right`},
		{"a high number", GraphSource{Name: "Join", Type: "Function", Parameters: []GraphParameter{{"source99999999999999999999", constant("a")}}}, `!too high`},
		{"a bad text", GraphSource{Expression: "ToLower(", Type: "Function"}, `!parse`},
	}
	for _, tt := range tests {
		got, err := FromGraph(tt.in)
		if want, failing := strings.CutPrefix(tt.want, "!"); failing {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %s %v, want an error with %s", tt.name, got, err, want)
			}
		} else if err != nil || got != want {
			t.Errorf("%s: got %s %v, want %s", tt.name, got, err, want)
		}
	}
	deep := GraphSource{Name: "Not", Type: "Function"}
	for range maxGraphDepth + 1 {
		deep = GraphSource{Name: "Not", Type: "Function", Parameters: []GraphParameter{{"source", deep}}}
	}
	if _, err := FromGraph(deep); err == nil {
		t.Error("a very deep tree: no error")
	}
}

package provision

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parseJSON(t *testing.T, request string) (ParseResponse, map[string]any) {
	t.Helper()
	var req ParseRequest
	if err := json.Unmarshal([]byte(request), &req); err != nil {
		t.Fatal(err)
	}
	res := ParseExpression(t.Context(), req)
	data, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return res, out
}

func TestParseExpression(t *testing.T) {
	_, got := parseJSON(t, `{"expression":"Join(\" \",[givenName] , ToUpper([surname]))","targetAttributeDefinition":null,
		"testInputObject":{"definition":null,"properties":[{"key":"givenName","value":"Ines"},{"key":"surname","value":"Duarte"}]}}`)
	var want map[string]any
	if err := json.Unmarshal([]byte(`{"error":null,"parsingSucceeded":true,"evaluationSucceeded":true,"evaluationResult":["Ines DUARTE"],
		"parsedExpression":{"type":"Function","name":"Join","expression":"Join(\" \", [givenName], ToUpper([surname]))","parameters":[
			{"key":"separator","value":{"type":"Constant","name":" ","expression":"\" \"","parameters":[]}},
			{"key":"source1","value":{"type":"Attribute","name":"givenName","expression":"[givenName]","parameters":[]}},
			{"key":"source2","value":{"type":"Function","name":"ToUpper","expression":"ToUpper([surname])","parameters":[
				{"key":"source","value":{"type":"Attribute","name":"surname","expression":"[surname]","parameters":[]}}]}}]}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseExpressionOutcomes(t *testing.T) {
	for _, tt := range []struct {
		name, request   string
		parsed, done    bool
		result          []string
		code, at, place string
	}{
		{"not evaluated without object", `{"expression":"[mail]"}`, true, false, []string{}, "", "", ""},
		{"null", `{"expression":"[mail]","testInputObject":{"properties":[]}}`, true, true, []string{}, "", "", ""},
		{"list", `{"expression":"[a]","testInputObject":{"properties":[{"key":"a","value@odata.type":"#Collection(String)","value":["x","y"]}]}}`, true, true, []string{"x", "y"}, "", "", ""},
		{"Boolean", `{"expression":"Not([a])","testInputObject":{"properties":[{"key":"a","value":false}]}}`, true, true, []string{"True"}, "", "", ""},
		{"wrong grammar", `{"expression":"Join(\" \", [a]"}`, false, false, []string{}, "parse", "13", "Join(\" \", [a]\n             ^"},
		{"unknown function", `{"expression":"Jion([a])"}`, false, false, []string{}, "unknown_function", "0", "Jion([a])\n^"},
		{"fails", `{"expression":"CDate([a])","testInputObject":{"properties":[{"key":"a","value":"soon"}]}}`, true, false, []string{}, "value", "0", "CDate([a])\n^"},
		{"unsuitable", `{"expression":"[a]","targetAttributeDefinition":{"name":"active","type":"Boolean"},"testInputObject":{"properties":[{"key":"a","value":"soon"}]}}`, true, false, []string{}, "type", "", ""},
		{"suitable", `{"expression":"[a]","targetAttributeDefinition":{"name":"active","type":"Boolean"},"testInputObject":{"properties":[{"key":"a","value":"true"}]}}`, true, true, []string{"true"}, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, _ := parseJSON(t, tt.request)
			if res.ParsingSucceeded != tt.parsed || res.EvaluationSucceeded != tt.done || (res.ParsedExpression != nil) != tt.parsed {
				t.Errorf("got %+v", res)
			}
			if diff := cmp.Diff(tt.result, res.EvaluationResult); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if tt.code == "" {
				if res.Error != nil {
					t.Errorf("got the error %+v", res.Error)
				}
				return
			}
			if res.Error == nil || res.Error.Code != tt.code {
				t.Fatalf("got the error %+v, want code %s", res.Error, tt.code)
			}
			if tt.at != "" {
				d := res.Error.Details[0]
				if d.Target != tt.at || d.Message != tt.place {
					t.Errorf("the error is placed at %s:\n%s\nwant %s:\n%s", d.Target, d.Message, tt.at, tt.place)
				}
			}
		})
	}
}

func TestFunctionSchemas(t *testing.T) {
	for _, f := range FunctionSchemas() {
		if f.Name != "Mid" {
			continue
		}
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"id":"Mid","name":"Mid","parameters":[{"name":"source","type":"String","required":true,"allowMultipleOccurrences":false},` +
			`{"name":"start","type":"Integer","required":true,"allowMultipleOccurrences":false},{"name":"length","type":"Integer","required":true,"allowMultipleOccurrences":false}]}`
		if diff := cmp.Diff(want, string(data)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		return
	}
	t.Error("Mid is missing")
}

// What parseExpression gives can be saved as the source of a mapping.
func TestParsedExpressionsAreSources(t *testing.T) {
	for _, text := range []string{
		`Switch([IsSoftDeleted], , "False", "True", "True", "False")`, `IIF([a]="x", "", [b])`, `[mail]`, `"x"`, `%Domain%`, `12`,
		`Replace([preferredLanguage], "-", , , "_", , )`,
	} {
		res, _ := parseJSON(t, `{"expression":`+string(appendText(nil, text))+`}`)
		if res.ParsedExpression == nil {
			t.Errorf("%s: %v", text, res.Error)
			continue
		}
		m := compileUsers(t, &AttributeMapping{TargetAttributeName: "title", Source: res.ParsedExpression})
		if kind := m.Flows[0].Kind; text == `%Domain%` && kind != KindExpression || text == "[mail]" && kind != KindDirect || text == `"x"` && kind != KindConstant {
			t.Errorf("%s is of kind %s", text, kind)
		}
	}
}

package expression

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func readTestVectors(t testing.TB) []Vector {
	t.Helper()
	f, err := os.Open("testdata/expression-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	vs, err := ReadVectors(f)
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func TestVectors(t *testing.T) {
	for _, v := range readTestVectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			if err := v.Run(); err != nil {
				t.Errorf("%s\nsource %v\n%v", v.Expression, v.Source, err)
			}
		})
	}
}

// The runner has to see what is wrong.
func TestVectorRunFails(t *testing.T) {
	for _, src := range []string{
		`{"expression": "[a]", "source": {"a": "x"}, "expected": "y"}`,
		`{"expression": "[a]", "source": {"a": "x"}, "expected": null}`,
		`{"expression": "[a]", "source": {}, "expected": ""}`,
		`{"expression": "[a]", "source": {"a": ["x"]}, "expected": "x"}`,
		`{"expression": "[a]", "source": {"a": ["x", "y"]}, "expected": "x, y"}`,
		`{"expression": "[a]", "source": {"a": "x"}, "expected": ["x"]}`,
		`{"expression": "[a]", "source": {"a": ["x", "y"]}, "expected": ["y", "x"]}`,
		`{"expression": "[a]", "source": {}, "expected": {"ignoreFlow": true}}`,
		`{"expression": "IgnoreFlowIfNullOrEmpty([a])", "source": {}, "expected": null}`,
		`{"expression": "[a]", "source": {"a": "x"}, "expected": {"matches": "^y"}}`,
		`{"expression": "[a]", "source": {}, "expected": {"matches": ""}}`,
		`{"expression": "[a]", "source": {"a": "x"}, "expected": {"error": "type", "position": 0}}`,
		`{"expression": "Foo()", "source": {}, "expected": {"error": "arity", "position": 0}}`,
		`{"expression": "Foo()", "source": {}, "expected": {"error": "unknown_function", "position": 1}}`,
		`{"expression": "Foo()", "source": {}, "expected": "x"}`,
		`{"expression": "[a]", "source": {"a": "abc1"}, "expected": {"randomString": {"length": 5}}}`,
		`{"expression": "[a]", "source": {"a": "abc1"}, "expected": {"randomString": {"length": 4, "minNumbers": 2}}}`,
		`{"expression": "[a]", "source": {"a": "abc1"}, "expected": {"randomString": {"length": 4, "avoid": "b"}}}`,
		`{"expression": "[a]", "source": {"a": "abcé"}, "expected": {"randomString": {"length": 4}}}`,
		`{"expression": "[a]", "source": {}, "expected": {"randomString": {"length": 0}}}`,
	} {
		vs, err := ReadVectors(strings.NewReader("[" + src + "]"))
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if vs[0].Run() == nil {
			t.Errorf("%s passes", src)
		}
	}
}

func TestVectorRunPasses(t *testing.T) {
	for _, src := range []string{
		`{"expression": "[a]", "source": {}, "expected": null}`,
		`{"expression": "[a]", "source": {"a": []}, "expected": []}`,
		`{"expression": "[a]", "source": {"a": true}, "expected": "True"}`,
		`{"expression": "Foo()", "expected": {"error": "unknown_function"}}`,
		`{"expression": "DefaultDomain()", "context": {"defaultDomain": "d.example"}, "expected": "d.example"}`,
		`{"expression": "SelectUniqueValue(\"A\", \"b\")", "context": {"taken": ["a"]}, "expected": "b"}`,
	} {
		vs, err := ReadVectors(strings.NewReader("[" + src + "]"))
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if err := vs[0].Run(); err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestReadVectorsErrors(t *testing.T) {
	for src, want := range map[string]string{
		``:                                     "reading vectors",
		`{}`:                                   "JSON array",
		`[`:                                    "reading vector",
		`["x"]`:                                "reading vector 1",
		`[{}]`:                                 "expression and expected",
		`[{"id": "a-1", "expression": "[a]"}]`: "a-1",
		`[{"id": "a-1", "expression": "[a]", "expected": 5}]`:                       "given as text",
		`[{"id": "a-1", "expression": "[a]", "expected": {}}]`:                      "is needed",
		`[{"id": "a-1", "expression": "[a]", "expected": {"errror": "type"}}]`:      "errror",
		`[{"id": "a-1", "expression": "[a]", "expected": {"matches": "("}}]`:        "expected",
		`[{"expression": "[a]", "expected": null}, {"id": "b", "expression": "x"}]`: "reading vector 2 b",
	} {
		_, err := ReadVectors(strings.NewReader(src))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", src, err, want)
		}
	}
}

func TestVectorsRoundTrip(t *testing.T) {
	vs := readTestVectors(t)
	data, err := json.Marshal(vs)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadVectors(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range again {
		if err := v.Run(); err != nil {
			t.Errorf("%s: %v", v.ID, err)
		}
	}
}

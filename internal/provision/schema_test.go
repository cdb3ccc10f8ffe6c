package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
)

func compact(t testing.TB, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func readSchema(t testing.TB, data []byte) *Schema {
	t.Helper()
	s, err := ReadSchema(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func workedSchema(t testing.TB) *Schema {
	t.Helper()
	data, err := os.ReadFile("testdata/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return readSchema(t, data)
}

func marshal(t testing.TB, s *Schema) string {
	t.Helper()
	data, err := s.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSchemaRoundTrip(t *testing.T) {
	data, err := os.ReadFile("testdata/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := readSchema(t, data)
	if diff := cmp.Diff(compact(t, data), marshal(t, s)); diff != "" {
		t.Errorf("the schema changed on its way (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(compact(t, data), marshal(t, s.Clone())); diff != "" {
		t.Errorf("the copy differs (-want +got):\n%s", diff)
	}
	for _, kind := range []ObjectType{User, Group} {
		def := s.Mapping(kind)
		if def == nil {
			t.Fatalf("no mapping of %s", kind)
		}
		if _, err := CompileMapping(def, targetFor(kind)); err != nil {
			t.Errorf("the mapping of %s does not compile: %v", kind, err)
		}
	}
}

func targetFor(kind ObjectType) *scim.ResourceType {
	if kind == Group {
		return scim.GroupType()
	}
	return scim.UserType()
}

func TestSchemaKeepsWhatItDoesNotKnow(t *testing.T) {
	for name, in := range map[string]string{
		"unknown members":     `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata","id":"a","x":{"b":[1.0,2e3,null],"a":"\u00e9"},"version":"v"}`,
		"absent members":      `{"synchronizationRules":[{"id":"r","objectMappings":[{"attributeMappings":[{"targetAttributeName":"a"}]}]}]}`,
		"null members":        `{"id":null,"version":null,"directories":null,"synchronizationRules":[{"id":null,"priority":null,"editable":null,"metadata":null,"objectMappings":[{"scope":null,"flowTypes":null,"attributeMappings":null}]}]}`,
		"empty members":       `{"id":"","version":"","directories":[],"synchronizationRules":[{"objectMappings":[{"flowTypes":"","metadata":[],"scope":{"groups":[{"name":"","clauses":[{"targetOperand":{"values":[]}}]}]},"attributeMappings":[{"defaultValue":"","source":null}]}]}]}`,
		"order and spelling":  `{"synchronizationRules":[{"objectMappings":[{"flowTypes":"Update,Add","enabled":true,"name":"n"}]}],"id":"z"}`,
		"numbers as written":  `{"synchronizationRules":[{"priority":-0,"x":1.50}]}`,
		"escapes as written":  `{"id":"\u0041\/b"}`,
		"annotations":         `{"directories":[{"objects":[{"attributes":[{"name":"a","value@odata.type":"#Collection(String)","apiExpressions":[{"x":1}]}]}]}]}`,
		"nested source trees": `{"synchronizationRules":[{"objectMappings":[{"attributeMappings":[{"source":{"type":"Function","name":"Not","parameters":[{"key":"source","value":{"type":"Attribute","name":"a","extra":true}}]}}]}]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(in, marshal(t, readSchema(t, []byte(in)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSchemaWritesOnlyWhatChanged(t *testing.T) {
	in := `{"v":1,"synchronizationRules":[{"objectMappings":[{"enabled":false,"scope":null,"attributeMappings":[{"defaultValue":"x","keep":[1],"targetAttributeName":"title"}]}]}]}`
	s := readSchema(t, []byte(in))
	m := s.Rules[0].ObjectMappings[0]
	m.Enabled = true
	m.FlowTypes = FlowAdd | FlowUpdate
	m.AttributeMappings[0].DefaultValue = ""
	m.AttributeMappings[0].Source = &AttributeMappingSource{Type: SourceAttribute, Name: "jobTitle", Expression: "[jobTitle]"}
	want := `{"v":1,"synchronizationRules":[{"objectMappings":[{"enabled":true,"scope":null,"attributeMappings":[{"defaultValue":null,"keep":[1],"targetAttributeName":"title",` +
		`"source":{"type":"Attribute","name":"jobTitle","expression":"[jobTitle]","parameters":[]}}],"flowTypes":"Add, Update"}]}]}`
	if diff := cmp.Diff(want, marshal(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNewMappingIsWrittenAsGraphDoes(t *testing.T) {
	a := &AttributeMapping{TargetAttributeName: "title", FlowType: FlowTypeAlways, FlowBehavior: FlowWhenChanged}
	got, err := a.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"targetAttributeName":"title","matchingPriority":0,"flowType":"Always","flowBehavior":"FlowWhenChanged","defaultValue":null,"exportMissingReferences":false,"source":null}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a.FlowNullValues = true
	got, _ = a.MarshalJSON()
	back := &AttributeMapping{}
	if err := back.UnmarshalJSON(got); err != nil || !back.FlowNullValues {
		t.Errorf("flowNullValues is lost: %s, %v", got, err)
	}
}

func TestReadSchemaErrors(t *testing.T) {
	for _, tt := range []struct{ name, in, path, message string }{
		{"empty", " \n", "", "the document is empty"},
		{"not an object", `[]`, "", "an object is expected, not an array"},
		{"cut off", "{\n\"id\": \"a", "id", "ends too early"},
		{"wrong type", "{\"synchronizationRules\":[\n{\"priority\":1},\n{\"priority\":\"x\"}]}", "synchronizationRules[1].priority", `a whole number is expected, not "x"`},
		{"fraction", `{"synchronizationRules":[{"priority":1.5}]}`, "synchronizationRules[0].priority", "a whole number is expected, not 1.5"},
		{"wrong list", `{"directories":{}}`, "directories", "an array is expected, not an object"},
		{"wrong element", `{"directories":[null]}`, "directories[0]", "an object is expected, not null"},
		{"wrong flag", `{"directories":[{"readOnly":"no"}]}`, "directories[0].readOnly", `true or false is expected, not "no"`},
		{"wrong text", `{"id":{}}`, "id", "a string is expected, not an object"},
		{"flow types", `{"synchronizationRules":[{"objectMappings":[{"flowTypes":"Add, Remove"}]}]}`, "synchronizationRules[0].objectMappings[0].flowTypes", "Add, Update and Delete"},
		{"twice", `{"id":"a","id":"b"}`, "id", "appears twice"},
		{"trailing", `{} {}`, "", "something after the end"},
		{"values", `{"synchronizationRules":[{"objectMappings":[{"scope":{"groups":[{"clauses":[{"targetOperand":{"values":[1]}}]}]}}]}]}`,
			"synchronizationRules[0].objectMappings[0].scope.groups[0].clauses[0].targetOperand.values[0]", "a string is expected, not a number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadSchema(strings.NewReader(tt.in))
			var e *SchemaError
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want a SchemaError", err)
			}
			if e.Path != tt.path || !strings.Contains(e.Message, tt.message) {
				t.Errorf("got path %q, message %q; want path %q, message with %q", e.Path, e.Message, tt.path, tt.message)
			}
		})
	}
	_, err := ReadSchema(strings.NewReader("{\"synchronizationRules\":[\n{\"priority\":1},\n{\"priority\":\"x\"}]}"))
	if want := `schema: line 3, column 16: synchronizationRules[1].priority: a whole number is expected, not "x"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestReadSchemaLimits(t *testing.T) {
	if _, err := ReadSchema(&endless{}); err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("an endless document gives %v", err)
	}
	deep := `{"synchronizationRules":[{"objectMappings":[{"attributeMappings":[{"source":` + strings.Repeat(`{"parameters":[{"value":`, 100) + "null" + strings.Repeat(`}]}`, 100) + `}]}]}]}`
	if _, err := ReadSchema(strings.NewReader(deep)); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("a deep document gives %v", err)
	}
	many := `{"synchronizationRules":[{"objectMappings":[{"attributeMappings":[{}` + strings.Repeat(`,{}`, 5000) + `]}]}]}`
	if _, err := ReadSchema(strings.NewReader(many)); err == nil || !strings.Contains(err.Error(), "5003 rules and mappings") {
		t.Errorf("a schema of many mappings gives %v", err)
	}
	if err := json.Unmarshal([]byte(many), &Schema{}); err == nil {
		t.Error("a schema of many mappings is taken in a request")
	}
	if _, err := ReadSchema(strings.NewReader("\ufeff{}")); err != nil {
		t.Errorf("a byte order mark is refused: %v", err)
	}
}

type endless struct{}

func (*endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestSchemaLookups(t *testing.T) {
	s := workedSchema(t)
	if r := s.RuleFor(User); r == nil || s.Rule(r.ID) != r || s.Rule("none") != nil {
		t.Error("the rule is not found by its ID")
	}
	m := s.Mapping(User)
	if m.Attribute("USERNAME") == nil || m.Attribute("nothing") != nil {
		t.Error("attribute mappings are found by target, whatever the case")
	}
	if !m.Remove("locale") || m.Remove("locale") || m.Attribute("locale") != nil {
		t.Error("Remove takes a mapping out once")
	}
	o := s.Directory("Azure Active Directory").Object("user")
	if o.Attribute("department") == nil || o.Attribute("Department") != nil {
		t.Error("source attributes mind case")
	}
	if s.Directory("none").Object("x").Attribute("y") != nil {
		t.Error("what is not there is nil all the way")
	}
}

func TestSchemaMappingPrefersTheEnabledOne(t *testing.T) {
	s := readSchema(t, []byte(`{"synchronizationRules":[
		{"id":"b","priority":2,"objectMappings":[{"name":"second","sourceObjectName":"User","enabled":true}]},
		{"id":"a","priority":1,"objectMappings":[{"name":"first","sourceObjectName":"user","enabled":false},{"name":"other","sourceObjectName":"Contact","enabled":true}]}]}`))
	if got := s.Mapping(User).Name; got != "second" {
		t.Errorf("got %s, want the enabled mapping", got)
	}
	s.Rules[1].ObjectMappings[0].Enabled = true
	if got := s.Mapping(User).Name; got != "first" {
		t.Errorf("got %s, want the mapping of the first rule", got)
	}
	if s.Mapping(Group) != nil {
		t.Error("there is no mapping of groups")
	}
}

func FuzzReadSchema(f *testing.F) {
	data, err := os.ReadFile("testdata/schema.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"id":null,"x":[{"y":1e400}],"synchronizationRules":[{"objectMappings":[{"flowTypes":"none"}]}]}`))
	f.Add([]byte(`{"synchronizationRules":[{"objectMappings":[{"sourceObjectName":"User","scope":{"groups":[{"clauses":[{}]}]},"attributeMappings":[{"source":{"type":"Function"}}]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ReadSchema(bytes.NewReader(data))
		if err != nil {
			return
		}
		once := marshal(t, s)
		if !json.Valid([]byte(once)) {
			t.Fatalf("%q is written as %q, which is not JSON", data, once)
		}
		if twice := marshal(t, s.Clone()); twice != once {
			t.Fatalf("%q changes from %q to %q", data, once, twice)
		}
		// Nothing that can be read may make the users of a schema stumble.
		s.Check(scim.UserType(), scim.GroupType())
		DiffSchemas(s, &Schema{})
		if m := s.Mapping(User); m != nil {
			_, _ = CompileMapping(m, scim.UserType())
		}
	})
}

package provision

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/expression"
	"lockstep/internal/scim"
)

// attributeMapping builds a mapping from the portal's notation: [a] is direct,
// "x" a constant, anything else an expression, "" none.
func attributeMapping(target, source string, change ...func(*AttributeMapping)) *AttributeMapping {
	a := &AttributeMapping{TargetAttributeName: target, FlowType: FlowTypeAlways, FlowBehavior: FlowWhenChanged}
	switch {
	case source == "":
	case source[0] == '[':
		a.Source = &AttributeMappingSource{Type: SourceAttribute, Name: strings.Trim(source, "[]"), Expression: source}
	case source[0] == '"':
		a.Source = &AttributeMappingSource{Type: SourceConstant, Name: strings.Trim(source, `"`), Expression: source}
	default:
		name, _, _ := strings.Cut(source, "(")
		a.Source = &AttributeMappingSource{Type: SourceFunction, Name: name, Expression: source}
	}
	for _, c := range change {
		c(a)
	}
	return a
}

func onCreate(a *AttributeMapping)   { a.FlowType = FlowTypeObjectAddOnly }
func cleared(a *AttributeMapping)    { a.FlowNullValues = true }
func alwaysSent(a *AttributeMapping) { a.FlowBehavior = FlowAlways }
func matching(n int) func(*AttributeMapping) {
	return func(a *AttributeMapping) { a.MatchingPriority = n }
}
func defaulted(s string) func(*AttributeMapping) {
	return func(a *AttributeMapping) { a.DefaultValue = s }
}
func flowType(s string) func(*AttributeMapping) { return func(a *AttributeMapping) { a.FlowType = s } }

func objectMapping(mappings ...*AttributeMapping) *ObjectMapping {
	return &ObjectMapping{
		Name: "users", Enabled: true, FlowTypes: FlowAdd | FlowUpdate | FlowDelete,
		SourceObjectName: "User", TargetObjectName: scim.URNEnterprise, AttributeMappings: mappings,
	}
}

func compileUsers(t testing.TB, mappings ...*AttributeMapping) *Mapping {
	t.Helper()
	m, err := CompileMapping(objectMapping(mappings...), scim.UserType())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func evaluate(t testing.TB, m *Mapping, source expression.Map) []Evaluated {
	t.Helper()
	return m.Evaluate(t.Context(), &expression.Env{Source: source})
}

// created returns what a mapping creates, as JSON without schemas.
func created(t testing.TB, m *Mapping, source expression.Map, resolve Resolver) (string, []Waiting) {
	t.Helper()
	values := evaluate(t, m, source)
	for _, v := range values {
		if v.Err != nil {
			t.Fatalf("%s: %v", v.Flow.Target, v.Err)
		}
	}
	r, _, waiting := m.Resource(values, resolve)
	r.Attributes().Delete("schemas")
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(data), waiting
}

var words = expression.Text

func TestCreate(t *testing.T) {
	const ent, fs = scim.URNEnterprise, scim.URNFreshservice
	for _, tt := range []struct {
		name    string
		mapping *AttributeMapping
		source  expression.Map
		want    string
	}{
		{"direct", attributeMapping("title", "[jobTitle]"), expression.Map{"jobTitle": words("Boss")}, `{"title":"Boss"}`},
		{"direct null", attributeMapping("title", "[jobTitle]"), nil, `{}`},
		{"direct empty", attributeMapping("title", "[jobTitle]"), expression.Map{"jobTitle": words("")}, `{}`},
		{"constant", attributeMapping("userType", `"Staff"`), nil, `{"userType":"Staff"}`},
		{"constant Boolean", attributeMapping(fs+":isAgent", `"false"`, onCreate), nil, `{"` + fs + `":{"isAgent":false}}`},
		{"expression", attributeMapping("name.formatted", `Join(" ", [givenName], [surname])`), expression.Map{"givenName": words("Ines"), "surname": words("Duarte")}, `{"name":{"formatted":"Ines Duarte"}}`},
		{"expression null", attributeMapping("title", `Coalesce([a], [b])`), nil, `{}`},
		{"expression empty text is a value", attributeMapping("title", `IIF([a]="1", "", "x")`), expression.Map{"a": words("1")}, `{"title":""}`},
		{"default for null", attributeMapping("locale", "[preferredLanguage]", defaulted("en")), nil, `{"locale":"en"}`},
		{"default not for a value", attributeMapping("locale", "[preferredLanguage]", defaulted("en")), expression.Map{"preferredLanguage": words("pt")}, `{"locale":"pt"}`},
		{"default is typed", attributeMapping("active", "[x]", defaulted("True")), nil, `{"active":true}`},
		{"default on create only mapping", attributeMapping("locale", "[x]", defaulted("en"), onCreate), nil, `{"locale":"en"}`},
		{"none", attributeMapping("timezone", "", defaulted("UTC")), nil, `{"timezone":"UTC"}`},
		{"none without default", attributeMapping("timezone", ""), nil, `{}`},
		{"ignored", attributeMapping("title", `IgnoreFlowIfNullOrEmpty([jobTitle])`, defaulted("x")), nil, `{}`},
		{"not ignored", attributeMapping("title", `IgnoreFlowIfNullOrEmpty([jobTitle])`), expression.Map{"jobTitle": words("a")}, `{"title":"a"}`},
		{"e-mail becomes primary", attributeMapping(`emails[type eq "work"].value`, "[mail]"), expression.Map{"mail": words("a@b")}, `{"emails":[{"type":"work","value":"a@b","primary":true}]}`},
		{"active in scope", attributeMapping("active", `Switch([IsSoftDeleted], , "False", "True", "True", "False")`), expression.Map{"IsSoftDeleted": expression.Bool(false)}, `{"active":true}`},
		{"active out of scope", attributeMapping("active", `Switch([IsSoftDeleted], , "False", "True", "True", "False")`), expression.Map{"IsSoftDeleted": expression.Bool(true)}, `{"active":false}`},
		{"Boolean as text", attributeMapping("title", "[accountEnabled]"), expression.Map{"accountEnabled": expression.Bool(true)}, `{"title":"True"}`},
		{"list of one", attributeMapping("title", "[otherMails]"), expression.Map{"otherMails": expression.List([]string{"a"})}, `{"title":"a"}`},
		{"empty list", attributeMapping("title", "[otherMails]", defaulted("d")), expression.Map{"otherMails": expression.List(nil)}, `{"title":"d"}`},
		{"role by name", attributeMapping(`roles[primary eq "True"].value`, "SingleAppRoleAssignment([appRoleAssignments])"), expression.Map{"appRoleAssignments": expression.List([]string{"Admin"})}, `{"roles":[{"primary":true,"value":"Admin"}]}`},
		{
			"roles", attributeMapping("roles", "AppRoleAssignmentsComplex([appRoleAssignments])"),
			expression.Map{"appRoleAssignments": expression.List([]string{"Admin", `{"id":"1","value":"agent","displayName":"Agent"}`})},
			`{"roles":[{"primary":false,"type":"WindowsAzureActiveDirectoryRole","display":"Admin","value":"Admin"},{"primary":false,"type":"WindowsAzureActiveDirectoryRole","display":"Agent","value":"agent"}]}`,
		},
		{"reference", attributeMapping(ent+":manager", "[manager]"), expression.Map{"manager": words("boss")}, `{"` + ent + `":{"manager":{"value":"t-boss"}}}`},
		{"constant reference is taken as it is", attributeMapping(ent+":manager", `"77"`), nil, `{"` + ent + `":{"manager":{"value":"77"}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resolve := func(kind ObjectType, id string) (string, bool) { return "t-" + id, kind == User }
			got, waiting := created(t, compileUsers(t, tt.mapping), tt.source, resolve)
			if diff := cmp.Diff(tt.want, got); diff != "" || waiting != nil {
				t.Errorf("waiting %v (-want +got):\n%s", waiting, diff)
			}
		})
	}
}

func TestCreateListsSchemasAndWhatIsWritten(t *testing.T) {
	m := compileUsers(t,
		attributeMapping("userName", "[userPrincipalName]", matching(1)),
		attributeMapping(scim.URNEnterprise+":department", "Redact([department])"),
		attributeMapping(scim.URNEnterprise+":manager", "[manager]"))
	values := evaluate(t, m, expression.Map{"userPrincipalName": words("a@b"), "department": words("Sales"), "manager": words("m")})
	r, written, waiting := m.Resource(values, nil)
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schemas":["` + scim.URNUser + `","` + scim.URNEnterprise + `"],"userName":"a@b","` + scim.URNEnterprise + `":{"department":"Sales"}}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Delta{
		{Path: "userName", New: "a@b"},
		{Path: scim.URNEnterprise + ":department", New: "Sales", Redacted: true},
	}, written); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Waiting{{Attribute: scim.URNEnterprise + ":manager", Type: User, SourceID: "m"}}, waiting); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
}

func TestDiff(t *testing.T) {
	const ent, fs = scim.URNEnterprise, scim.URNFreshservice
	title := func(change ...func(*AttributeMapping)) *AttributeMapping {
		return attributeMapping("title", "[jobTitle]", change...)
	}
	boss := expression.Map{"jobTitle": words("Boss")}
	for _, tt := range []struct {
		name    string
		mapping *AttributeMapping
		source  expression.Map
		current string
		want    string // changes as "path: old -> new"
	}{
		{"equal", title(), boss, `{"title":"Boss"}`, ""},
		{"differs", title(), boss, `{"title":"boss"}`, `title: "boss" -> "Boss"`},
		{"missing", title(), boss, `{}`, `title: null -> "Boss"`},
		{"null is not sent", title(), nil, `{"title":"Boss"}`, ""},
		{"null clears when told to", title(cleared), nil, `{"title":"Boss"}`, `title: "Boss" -> null`},
		{"nothing to clear", title(cleared), nil, `{}`, ""},
		{"empty counts as cleared", title(cleared), nil, `{"title":""}`, ""},
		{"empty expression clears when told to", attributeMapping("title", `IIF([a]="1", "", "x")`, cleared), expression.Map{"a": words("1")}, `{"title":"Boss"}`, `title: "Boss" -> null`},
		{"empty expression is sent", attributeMapping("title", `IIF([a]="1", "", "x")`), expression.Map{"a": words("1")}, `{"title":"Boss"}`, `title: "Boss" -> ""`},
		{"empty equals missing", attributeMapping("title", `IIF([a]="1", "", "x")`), expression.Map{"a": words("1")}, `{}`, ""},
		{"default is not for updates", title(defaulted("x")), nil, `{}`, ""},
		{"only on creation", title(onCreate), boss, `{"title":"Other"}`, ""},
		{"none fills what is empty", attributeMapping("timezone", "", defaulted("UTC")), nil, `{}`, `timezone: null -> "UTC"`},
		{"none leaves what is there", attributeMapping("timezone", "", defaulted("UTC")), nil, `{"timezone":"Lisbon"}`, ""},
		{"value add only fills", title(flowType(FlowTypeValueAddOnly)), boss, `{}`, `title: null -> "Boss"`},
		{"value add only leaves", title(flowType(FlowTypeValueAddOnly)), boss, `{"title":"x"}`, ""},
		{"always sent", title(alwaysSent), boss, `{"title":"Boss"}`, `title: "Boss" -> "Boss"`},
		{"ignored", attributeMapping("title", "IgnoreFlowIfNullOrEmpty([jobTitle])", cleared), nil, `{"title":"x"}`, ""},
		{"Boolean spelt as text", attributeMapping("active", `"True"`), nil, `{"active":"true"}`, ""},
		{"Boolean differs", attributeMapping("active", `"False"`), nil, `{"active":true}`, `active: true -> false`},
		{"Boolean unset", attributeMapping("active", `"False"`), nil, `{}`, `active: null -> false`},
		{"text held as Boolean", attributeMapping("title", `"true"`), nil, `{"title":true}`, ""},
		{"text held as number", attributeMapping(fs+":badge", "[n]"), expression.Map{"n": expression.Int(12)}, `{"` + fs + `":{"badge":12}}`, ""},
		{"sub-attribute", attributeMapping("name.givenName", "[a]"), expression.Map{"a": words("A")}, `{"name":{"givenName":"B","familyName":"C"}}`, `name.givenName: "B" -> "A"`},
		{"element by type", attributeMapping(`emails[type eq "work"].value`, "[a]"), expression.Map{"a": words("a")}, `{"emails":[{"type":"home","value":"a"},{"type":"WORK","value":"b"}]}`, `emails[type eq "work"].value: "b" -> "a"`},
		{"element missing", attributeMapping(`emails[type eq "work"].value`, "[a]"), expression.Map{"a": words("a")}, `{"emails":[{"type":"home","value":"a"}]}`, `emails[type eq "work"].value: null -> "a"`},
		{"reference equal", attributeMapping(ent+":manager", "[manager]"), expression.Map{"manager": words("m")}, `{"` + ent + `":{"manager":{"value":"t-m","displayName":"M"}}}`, ""},
		{"reference as text", attributeMapping(ent+":manager", "[manager]"), expression.Map{"manager": words("m")}, `{"` + ent + `":{"manager":"t-m"}}`, ""},
		{"reference differs", attributeMapping(ent+":manager", "[manager]"), expression.Map{"manager": words("m")}, `{"` + ent + `":{"manager":{"value":"t-o"}}}`, ent + `:manager: "t-o" -> "t-m"`},
		{"reference cleared", attributeMapping(ent+":manager", "[manager]", cleared), nil, `{"` + ent + `":{"manager":{"value":"t-o"}}}`, ent + `:manager: "t-o" -> null`},
		{"reference of nobody", attributeMapping(ent+":manager", "[manager]"), nil, `{"` + ent + `":{"manager":{"value":"t-o"}}}`, ""},
		{"roles in any order", attributeMapping("roles", "AssertiveAppRoleAssignmentsComplex([r])"), expression.Map{"r": expression.List([]string{"a", "b"})}, `{"roles":[{"value":"b"},{"value":"a"}]}`, ""},
		{"roles are added only", attributeMapping("roles", "AppRoleAssignmentsComplex([r])"), expression.Map{"r": expression.List([]string{"a"})}, `{"roles":[{"value":"b"},{"value":"a"}]}`, ""},
		{
			"roles are replaced", attributeMapping("roles", "AssertiveAppRoleAssignmentsComplex([r])"), expression.Map{"r": expression.List([]string{"a"})}, `{"roles":[{"value":"b"},{"value":"a"}]}`,
			`roles: [{"value":"b"},{"value":"a"}] -> [{"primary":false,"type":"WindowsAzureActiveDirectoryRole","display":"a","value":"a"}]`,
		},
		{
			"a role is added", attributeMapping("roles", "AppRoleAssignmentsComplex([r])"), expression.Map{"r": expression.List([]string{"c"})}, `{"roles":[{"value":"b"}]}`,
			`roles: [{"value":"b"}] -> [{"value":"b"},{"primary":false,"type":"WindowsAzureActiveDirectoryRole","display":"c","value":"c"}]`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := compileUsers(t, tt.mapping)
			current := scim.NewResource(m.TargetType, object1(t, tt.current))
			resolve := func(_ ObjectType, id string) (string, bool) { return "t-" + id, true }
			delta, waiting := m.Diff(evaluate(t, m, tt.source), current, resolve)
			if diff := cmp.Diff(tt.want, describeDelta(t, delta)); diff != "" || waiting != nil {
				t.Errorf("waiting %v (-want +got):\n%s", waiting, diff)
			}
		})
	}
}

func describeDelta(t testing.TB, d Delta) string {
	t.Helper()
	var lines []string
	for _, c := range d {
		was, err1 := scim.AppendJSON(nil, c.Old)
		is, err2 := scim.AppendJSON(nil, c.New)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, c.Path+": "+string(was)+" -> "+string(is))
	}
	return strings.Join(lines, "\n")
}

func TestWaitingForReferences(t *testing.T) {
	m := compileUsers(t, attributeMapping(scim.URNEnterprise+":manager", "[manager]"), attributeMapping("title", "[jobTitle]"))
	values := evaluate(t, m, expression.Map{"manager": words("m"), "jobTitle": words("x")})
	if diff := cmp.Diff([]string{"m"}, values[0].References); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	unknown := func(ObjectType, string) (string, bool) { return "", false }
	delta, waiting := m.Diff(values, scim.NewResource(m.TargetType, &scim.Object{}), unknown)
	want := []Waiting{{scim.URNEnterprise + ":manager", User, "m"}}
	if diff := cmp.Diff(want, waiting); diff != "" || len(delta) != 1 {
		t.Errorf("delta %v, waiting (-want +got):\n%s", delta, diff)
	}
	known := func(ObjectType, string) (string, bool) { return "7", true }
	delta, _ = m.Diff(values, scim.NewResource(m.TargetType, &scim.Object{}), known)
	if diff := cmp.Diff(AttributeChange{Path: scim.URNEnterprise + ":manager", New: "7", Reference: "m"}, delta[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEvaluateReportsWhatFails(t *testing.T) {
	m := compileUsers(t,
		attributeMapping("active", "[x]"),
		attributeMapping("title", "[list]"),
		attributeMapping("nickName", `Error("no")`),
		attributeMapping("userName", "[u]", matching(1)))
	values := evaluate(t, m, expression.Map{"x": words("perhaps"), "list": expression.List([]string{"a", "b"}), "u": words("u")})
	for i, want := range []string{"must be True or False", "has 2 values", "no", ""} {
		if want == "" && values[i].Err == nil {
			continue
		}
		if values[i].Err == nil || !strings.Contains(values[i].Err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", values[i].Flow.Target, values[i].Err, want)
		}
	}
	if r, written, _ := m.Resource(values, nil); len(written) != 1 || r.Peek().Text("userName") != "u" {
		t.Errorf("what failed is not written: %v", written)
	}
}

func TestEvaluateUpdateAsksTheTargetNothing(t *testing.T) {
	m := compileUsers(t,
		attributeMapping("userName", "[u]", matching(1), onCreate),
		attributeMapping("nickName", `SelectUniqueValue([a], [b])`, onCreate))
	asked := 0
	env := &expression.Env{
		Source: expression.Map{"u": words("u"), "a": words("a"), "b": words("b")},
		Taken: func(_ context.Context, v string) (bool, error) {
			asked++
			return v == "a", nil
		},
	}
	values := m.EvaluateUpdate(t.Context(), env)
	if asked != 0 || !values[1].Ignored || values[0].Value != "u" {
		t.Errorf("asked %d times, got %+v", asked, values)
	}
	if values = m.Evaluate(t.Context(), env); values[1].Value != "b" || asked != 2 {
		t.Errorf("asked %d times, got %+v", asked, values)
	}
}

func TestCompileMapping(t *testing.T) {
	m := compileUsers(t,
		attributeMapping("displayName", "[displayName]", matching(2)),
		attributeMapping("externalId", "[objectId]"),
		attributeMapping("userName", `Coalesce([mail], [userPrincipalName])`, matching(1)),
		attributeMapping("active", `Not([IsSoftDeleted])`),
		attributeMapping("title", "[displayName]"))
	if len(m.Matching) != 2 || m.Matching[0].Target != "userName" || m.Matching[1].Target != "displayName" {
		t.Errorf("matching attributes are %v", m.Matching)
	}
	if diff := cmp.Diff([]string{"displayName", "objectId", "mail", "userPrincipalName"}, m.References()); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	for i, f := range m.Flows {
		if f.Index != i {
			t.Errorf("%s has index %d, want %d", f.Target, f.Index, i)
		}
	}
	if !m.Flows[1].CaseExact || m.Flows[2].CaseExact || m.Flows[3].Type != scim.TypeBoolean {
		t.Error("the flows lack their target attributes' types")
	}
}

func TestCompileMappingErrors(t *testing.T) {
	def := objectMapping(
		attributeMapping("userName", `Join("."`, matching(1)),
		attributeMapping("title", "[a]"),
		attributeMapping("TITLE", "[b]"),
		attributeMapping("id", "[a]"),
		attributeMapping("emails[", "[a]"),
		attributeMapping("active", `"perhaps"`),
		attributeMapping("locale", "[a]", flowType("Sometimes")),
		attributeMapping("nickName", "", matching(3)),
		attributeMapping("timezone", "[a]", func(a *AttributeMapping) { a.FlowBehavior = "Never" }),
		attributeMapping("userType", "", func(a *AttributeMapping) { a.Source = &AttributeMappingSource{Type: "Magic"} }),
		attributeMapping("", "[a]"),
		attributeMapping("preferredLanguage", "[a]"),
		attributeMapping(scim.URNEnterprise+":manager", "[manager]", defaulted("x")),
	)
	def.Scope = filterOf([]*FilterClause{clause("a", "LIKE", "x")})
	_, err := CompileMapping(def, scim.UserType())
	if err == nil {
		t.Fatal("the mapping compiles")
	}
	for _, want := range []string{
		"userName: ", "\n    Join(\".\"\n", "^\n",
		"TITLE: the attribute is mapped twice (also as title)",
		"id: id belongs to the target",
		"emails[: the target path cannot be read",
		"active: the target attribute is a Boolean",
		`locale: the flow type "Sometimes" is unknown`,
		"nickName: objects cannot be matched by an attribute without source",
		`timezone: the flow behaviour "Never" is unknown`,
		`userType: the source type "Magic" is unknown`,
		"a mapping has no target attribute",
		"manager: a reference cannot have a default value",
		`the operator "LIKE" is unknown`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "preferredLanguage") {
		t.Errorf("a good mapping is blamed:\n%v", err)
	}
	var e *MappingError
	if !errors.As(err, &e) || e.Target != "userName" {
		t.Errorf("the first problem is %v", e)
	}
}

func TestGroupMembersAreApart(t *testing.T) {
	def := &ObjectMapping{SourceObjectName: "Group", Enabled: true, FlowTypes: FlowAdd, AttributeMappings: []*AttributeMapping{
		attributeMapping("displayName", "[displayName]", matching(1)),
		attributeMapping("members", "[members]"),
	}}
	m, err := CompileMapping(def, scim.GroupType())
	if err != nil {
		t.Fatal(err)
	}
	if m.Members == nil || m.Members.Source != "members" || len(m.Flows) != 1 || m.SourceType != Group {
		t.Errorf("got members %v, flows %v", m.Members, m.Flows)
	}
	if diff := cmp.Diff([]string{"displayName", "members"}, m.References()); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	def.AttributeMappings[1] = attributeMapping("members", `Coalesce([members], [owners])`)
	if _, err := CompileMapping(def, scim.GroupType()); err == nil || !strings.Contains(err.Error(), "directly") {
		t.Errorf("got %v", err)
	}
}

func TestSourceWithoutExpressionText(t *testing.T) {
	src := `{"type":"Function","name":"Join","parameters":[{"key":"separator","value":{"type":"Constant","name":" ","expression":"\" \""}},` +
		`{"key":"source1","value":{"type":"Attribute","name":"givenName"}},{"key":"source2","value":{"type":"Function","name":"ToUpper","parameters":[{"key":"source","value":{"type":"Attribute","name":"surname"}}]}}]}`
	s := &AttributeMappingSource{}
	if err := json.Unmarshal([]byte(src), s); err != nil {
		t.Fatal(err)
	}
	m := compileUsers(t, &AttributeMapping{TargetAttributeName: "displayName", Source: s})
	got, _ := created(t, m, expression.Map{"givenName": words("Ines"), "surname": words("Duarte")}, nil)
	if want := `{"displayName":"Ines DUARTE"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDateTimeIsWrittenForSCIM(t *testing.T) {
	rt := scim.UserType(&scim.Attribute{Name: "joined", Type: scim.TypeDateTime}, &scim.Attribute{Name: "level", Type: scim.TypeInteger})
	def := objectMapping(
		attributeMapping(scim.URNFreshservice+":joined", "CDate([d])"),
		attributeMapping(scim.URNFreshservice+":level", "[n]"))
	m, err := CompileMapping(def, rt)
	if err != nil {
		t.Fatal(err)
	}
	source := expression.Map{"d": words("2026-05-04T10:00:00+02:00"), "n": words("007")}
	got, _ := created(t, m, source, nil)
	want := `{"` + scim.URNFreshservice + `":{"joined":"2026-05-04T08:00:00.000Z","level":7}}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	current := scim.NewResource(rt, object1(t, `{"`+scim.URNFreshservice+`":{"joined":"2026-05-04T09:00:00+01:00","level":"7"}}`))
	if delta, _ := m.Diff(evaluate(t, m, source), current, nil); delta != nil {
		t.Errorf("the same instant and number differ: %v", delta)
	}
}

func TestListsOfPlainValues(t *testing.T) {
	rt := scim.UserType(
		&scim.Attribute{Name: "tags", Type: scim.TypeString, MultiValued: true},
		&scim.Attribute{Name: "levels", Type: scim.TypeInteger, MultiValued: true},
		&scim.Attribute{Name: "deputies", Type: scim.TypeReference, MultiValued: true, ReferenceTypes: []string{"User"}})
	def := objectMapping(
		attributeMapping(fsURN+":tags", "[tags]", flowType(FlowTypeMultiValueAddOnly)),
		attributeMapping(fsURN+":levels", "[levels]"))
	m, err := CompileMapping(def, rt)
	if err != nil {
		t.Fatal(err)
	}
	source := expression.Map{"tags": expression.List([]string{"b", "c"}), "levels": expression.List([]string{"01", ""})}
	got, _ := created(t, m, source, nil)
	if want := `{"` + fsURN + `":{"tags":["b","c"],"levels":[1]}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	current := scim.NewResource(rt, object1(t, `{"`+fsURN+`":{"tags":["a","b"],"levels":[1]}}`))
	delta, _ := m.Diff(evaluate(t, m, source), current, nil)
	if got, want := describeDelta(t, delta), fsURN+`:tags: ["a","b"] -> ["a","b","c"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if v := evaluate(t, m, expression.Map{"levels": words("high")}); v[1].Err == nil {
		t.Error("a word is a number")
	}
	def.AttributeMappings = append(def.AttributeMappings, attributeMapping(fsURN+":deputies", "[deputies]"))
	if _, err := CompileMapping(def, rt); err == nil || !strings.Contains(err.Error(), "only a group's members") {
		t.Errorf("got %v", err)
	}
}

func TestWebAddressesAreNoReferences(t *testing.T) {
	m := compileUsers(t, attributeMapping("profileUrl", "[url]"))
	if m.Flows[0].Reference {
		t.Error("profileUrl is taken for a reference to a user")
	}
	if got := m.Flows[0].Kind.String(); got != "Direct" {
		t.Errorf("got kind %s", got)
	}
}

func TestConstants(t *testing.T) {
	for _, tt := range []struct {
		source *AttributeMappingSource
		want   string
	}{
		{&AttributeMappingSource{Type: SourceConstant, Name: "a", Expression: `"a"`}, `{"title":"a"}`},
		{&AttributeMappingSource{Type: SourceConstant, Expression: `"a"`}, `{"title":"a"}`},
		{&AttributeMappingSource{Type: SourceConstant, Expression: `Head of sales`}, `{"title":"Head of sales"}`},
		{&AttributeMappingSource{Type: SourceConstant, Name: "NULL", Expression: `NULL`}, `{}`},
		{&AttributeMappingSource{Type: SourceConstant, Name: "%Title%", Expression: `%Title%`}, `{"title":"Dr"}`},
	} {
		m := compileUsers(t, &AttributeMapping{TargetAttributeName: "title", Source: tt.source})
		r, _, _ := m.Resource(m.Evaluate(t.Context(), &expression.Env{Parameters: map[string]string{"Title": "Dr"}}), nil)
		r.Attributes().Delete("schemas")
		if got, _ := r.JSON(); string(got) != tt.want {
			t.Errorf("%+v gives %s, want %s", tt.source, got, tt.want)
		}
	}
}

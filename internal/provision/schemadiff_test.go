package provision

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiffSchemas(t *testing.T) {
	a, err := Template("freshservice")
	if err != nil {
		t.Fatal(err)
	}
	if d := DiffSchemas(a, a.Clone()); d != nil {
		t.Errorf("a schema differs from its copy: %v", d)
	}
	b := a.Clone()
	b.ID, b.Version = "job", "2"
	m := b.Mapping(User)
	m.Remove("title")
	m.AttributeMappings = append([]*AttributeMapping{attributeMapping("timezone", "", defaulted("UTC"))}, m.AttributeMappings...)
	m.Attribute("userName").Source = attributeMapping("x", "[mail]").Source
	m.Attribute("locale").Source = attributeMapping("x", `Replace([preferredLanguage],"-",,,"_",,)`).Source
	m.Attribute("locale").DefaultValue = "en"
	m.Attribute("externalId").FlowType = FlowTypeObjectAddOnly
	m.Attribute("externalId").MatchingPriority = 2
	m.Attribute(entURN + ":manager").FlowNullValues = true
	m.FlowTypes = FlowAdd | FlowUpdate
	m.Scope = &Filter{Groups: []*FilterGroup{{Name: "Staff", Clauses: []*FilterClause{clause("department", "EQUALS", "Sales"), clause("mail", "IS NOT NULL")}}}}
	b.Mapping(Group).Enabled = true
	o := b.Directory("Freshservice").Object(m.TargetObjectName)
	o.Attributes = append(o.Attributes[1:], &AttributeDefinition{Name: fsURN + ":badge", Type: DataInteger})
	o.Attribute("active").Type = DataString
	var got []string
	for _, d := range DiffSchemas(a, b) {
		got = append(got, d.String())
	}
	want := []string{
		`User: actions: Add, Update, was Add, Update, Delete`,
		`User: scoping filter: Staff (department EQUALS "Sales" and mail IS NOT NULL), was none`,
		`User: title: removed (was [jobTitle])`,
		`User: timezone: added: no source, default "UTC"`,
		`User: userName, source: [mail], was [userPrincipalName]`,
		`User: locale, source: Replace([preferredLanguage], "-", , , "_", , ), was [preferredLanguage]`,
		`User: locale, default value: "en", was none`,
		`User: externalId, matching precedence: 2, was none`,
		`User: externalId, applied: only during creation, was always`,
		`User: ` + entURN + `:manager, cleared when the source is empty: yes, was no`,
		`Group: enabled: yes, was no`,
		`attribute list, id: removed (was String)`,
		`attribute list, active: String, was Boolean`,
		`attribute list, ` + fsURN + `:badge: added: Integer`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDiffSchemasOfObjectMappings(t *testing.T) {
	a, err := Template("scim")
	if err != nil {
		t.Fatal(err)
	}
	b := a.Clone()
	b.Rules[0].ObjectMappings = b.Rules[0].ObjectMappings[:1]
	forth, back := DiffSchemas(a, b), DiffSchemas(b, a)
	if len(forth) == 0 || forth[0].Kind != ChangeRemoved || forth[0].Mapping != "Group" || !strings.Contains(forth[0].String(), "Group: object mapping: removed (was \"Synchronize") {
		t.Errorf("got %v", forth)
	}
	if len(back) == 0 || back[0].Kind != ChangeAdded {
		t.Errorf("got %v", back)
	}
}

// The text of an expression may be spelt in many ways; they make no difference.
func TestDiffSchemasIgnoresSpelling(t *testing.T) {
	a, err := Template("scim")
	if err != nil {
		t.Fatal(err)
	}
	b := a.Clone()
	b.Mapping(User).Attribute("name.formatted").Source.Expression = `Join(" ",[givenName] ,[surname])`
	b.Mapping(User).Attribute("userName").TargetAttributeName = "username"
	if d := DiffSchemas(a, b); d != nil {
		t.Errorf("got %v", d)
	}
}

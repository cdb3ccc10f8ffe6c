package provision

import (
	"slices"
	"strings"
	"testing"

	"lockstep/internal/scim"
)

// checked returns the issues of the freshservice template after a change.
func checked(t testing.TB, change func(s *Schema, m *ObjectMapping)) []MappingIssue {
	t.Helper()
	s, err := Template("freshservice")
	if err != nil {
		t.Fatal(err)
	}
	change(s, s.Mapping(User))
	return s.Check(scim.UserType(), scim.GroupType())
}

func TestCheck(t *testing.T) {
	add := func(a ...*AttributeMapping) func(*Schema, *ObjectMapping) {
		return func(_ *Schema, m *ObjectMapping) { m.AttributeMappings = append(m.AttributeMappings, a...) }
	}
	source := func(target, src string) func(*Schema, *ObjectMapping) {
		return func(_ *Schema, m *ObjectMapping) {
			m.Attribute(target).Source = attributeMapping(target, src).Source
		}
	}
	for _, tt := range []struct {
		name     string
		change   func(*Schema, *ObjectMapping)
		code     string
		severity IssueSeverity
		target   string
		text     string // in message and fix
	}{
		{"mapping off", func(_ *Schema, m *ObjectMapping) { m.Enabled = false }, "users-disabled", IssueError, "", "nobody is provisioned"},
		{"unknown target", add(attributeMapping("nickname2", "[mail]")), "target-unknown", IssueError, "nickname2", "Did you mean nickName?"},
		{"unknown sub-attribute", add(attributeMapping("name.givnName", "[mail]")), "target-unknown", IssueError, "name.givnName", ""},
		{"unknown extension", add(attributeMapping("urn:ietf:params:scim:schemas:extension:Acme:2.0:User:badge", "[mail]")), "target-unknown", IssueWarning, "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:badge", ""},
		{"wrong expression", source("title", `Join(" ", [jobTitle]`), "expression-invalid", IssueError, "title", "^"},
		{"primary key", add(attributeMapping("id", "[objectId]")), "invalid", IssueError, "id", "cannot be mapped"},
		{"mapped twice", add(attributeMapping("TITLE", "[jobTitle]")), "mapped-twice", IssueError, "TITLE", "also as title"},
		{"no matching", func(_ *Schema, m *ObjectMapping) { m.Attribute("userName").MatchingPriority = 0 }, "matching-missing", IssueError, "", "userName"},
		{"matching by what cannot be filtered", func(_ *Schema, m *ObjectMapping) { m.Attribute("externalId").MatchingPriority = 2 }, "matching-filter", IssueWarning, "externalId", "userName as the only"},
		{"matching by a constant", source("userName", `"all"`), "matching-constant", IssueError, "userName", "the same"},
		{"matching by a unique value", source("userName", `SelectUniqueValue([mail], [userPrincipalName])`), "matching-unique-value", IssueError, "userName", ""},
		{"source in wrong case", source("title", "[JobTitle]"), "source-unknown", IssueError, "title", "[jobTitle]"},
		{"source misspelt", source("title", "[jobTitel]"), "source-unknown", IssueWarning, "title", "Did you mean [jobTitle]?"},
		{"source in an expression", source("title", `Append([jobTitle2], "x")`), "source-unknown", IssueWarning, "title", "jobTitle2"},
		{"several values", source("title", "[proxyAddresses]"), "several-values", IssueWarning, "title", "Item([proxyAddresses], 1)"},
		{"text for a Boolean", source("active", "[department]"), "type-mismatch", IssueWarning, "active", "Switch"},
		{"impossible outcome", source("active", `IIF([department]="x", "yes", "False")`), "type-mismatch", IssueError, "active", `can give "yes"`},
		{"impossible outcome of Switch", source("active", `Switch([IsSoftDeleted], "no", "False", "True")`), "type-mismatch", IssueError, "active", `can give "no"`},
		{"reference to text", source("title", "[manager]"), "reference", IssueWarning, "title", "the object's ID"},
		{"text to reference", source(entURN+":manager", "[mail]"), "reference", IssueWarning, entURN + ":manager", "[manager]"},
		{"tree differs", func(_ *Schema, m *ObjectMapping) {
			m.Attribute("active").Source.Parameters[1].Value.Name, m.Attribute("active").Source.Parameters[1].Value.Expression = "Nope", `"Nope"`
		}, "tree-differs", IssueInfo, "active", "the text is what runs"},
		{"required", func(_ *Schema, m *ObjectMapping) { m.Remove("userName") }, "required-unmapped", IssueError, "userName", ""},
		{"password", add(attributeMapping("password", "[mail]")), "password", IssueWarning, "password", "single sign-on"},
		{"actions off", func(_ *Schema, m *ObjectMapping) { m.FlowTypes = 0 }, "actions-off", IssueError, "", ""},
		{"update off", func(_ *Schema, m *ObjectMapping) { m.FlowTypes = FlowAdd }, "update-off", IssueWarning, "", "leavers"},
		{"create off", func(_ *Schema, m *ObjectMapping) { m.FlowTypes = FlowUpdate }, "create-off", IssueInfo, "", ""},
		{"active missing", func(_ *Schema, m *ObjectMapping) { m.Remove("active") }, "active-unmapped", IssueWarning, "active", "Switch([IsSoftDeleted]"},
		{"active inverted", source("active", `Switch([IsSoftDeleted], , "False", "False", "True", "True")`), "active-inverted", IssueError, "active", "wrong way round"},
		{"active always", source("active", `"True"`), "active-constant", IssueError, "active", "stay active"},
		{"active never", source("active", `"False"`), "active-constant", IssueError, "active", "everybody becomes inactive"},
		{"active once", func(_ *Schema, m *ObjectMapping) { m.Attribute("active").FlowType = FlowTypeObjectAddOnly }, "active-on-create", IssueError, "active", ""},
		{"active by account alone", source("active", "[accountEnabled]"), "active-scope", IssueWarning, "active", "leave the scope"},
		{"secondary address", add(attributeMapping(`emails[type eq "home"].value`, "[userPrincipalName]")), "email-repeated", IssueWarning, `emails[type eq "home"].value`, `IIF([userPrincipalName]=[mail], "", [userPrincipalName])`},
		{"time zone", add(attributeMapping("timezone", "[extensionAttribute1]")), "timezone-untranslated", IssueInfo, "timezone", "Berlin"},
		{"locale", func(*Schema, *ObjectMapping) {}, "locale-untranslated", IssueInfo, "locale", "language codes"},
		{"name and address", func(*Schema, *ObjectMapping) {}, "email-and-name", IssueInfo, "userName", "Coalesce"},
		{"wrong filter", func(_ *Schema, m *ObjectMapping) {
			m.Scope = filterOf([]*FilterClause{clause("department", "LIKE", "x")})
		}, "scope-invalid", IssueError, "", "LIKE"},
		{"empty filter", func(_ *Schema, m *ObjectMapping) { m.Scope = filterOf(nil) }, "scope-empty", IssueWarning, "", "everybody passes"},
		{"filter on a list", func(_ *Schema, m *ObjectMapping) {
			m.Scope = filterOf([]*FilterClause{clause("proxyAddresses", "IS NOT NULL")})
		}, "scope-unsupported", IssueWarning, "", "several values"},
		{"filter on a Boolean", func(_ *Schema, m *ObjectMapping) {
			m.Scope = filterOf([]*FilterClause{clause("accountEnabled", "EQUALS", "True")})
		}, "scope-boolean", IssueWarning, "", "IS TRUE"},
		{"filter for a Boolean", func(_ *Schema, m *ObjectMapping) {
			m.Scope = filterOf([]*FilterClause{clause("department", "IS TRUE")})
		}, "scope-boolean", IssueWarning, "", "EQUALS"},
		{"filter by number", func(_ *Schema, m *ObjectMapping) {
			m.Scope = filterOf([]*FilterClause{clause("department", "Greater_Than", "1")})
		}, "scope-number", IssueInfo, "", ""},
		{"filter on nothing", func(_ *Schema, m *ObjectMapping) {
			m.Scope = filterOf([]*FilterClause{clause("Department", "IS NULL")})
		}, "source-unknown", IssueError, "scoping filter", "[department]"},
		{"members", func(s *Schema, _ *ObjectMapping) {
			s.Mapping(Group).Enabled = true
			s.Mapping(Group).Remove("members")
		}, "members-unmapped", IssueInfo, "members", "memberships"},
		{"group matching", func(s *Schema, _ *ObjectMapping) {
			s.Mapping(Group).Enabled = true
			s.Mapping(Group).Attribute("displayName").MatchingPriority = 0
		}, "matching-missing", IssueError, "", "displayName"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			issues := checked(t, tt.change)
			if !slices.ContainsFunc(issues, func(i MappingIssue) bool {
				return i.Code == tt.code && i.Severity == tt.severity && i.Target == tt.target && strings.Contains(i.Message+" "+i.Fix, tt.text)
			}) {
				t.Errorf("no %s %s on %q with %q; the issues are:", tt.severity, tt.code, tt.target, tt.text)
				for _, i := range issues {
					t.Logf("%s %s", i.Code, i)
				}
			}
		})
	}
}

func TestCheckIsQuietAboutWhatIsRight(t *testing.T) {
	for name, change := range map[string]func(*Schema, *ObjectMapping){
		"the template": func(*Schema, *ObjectMapping) {},
		"a guarded secondary address": func(_ *Schema, m *ObjectMapping) {
			m.AttributeMappings = append(m.AttributeMappings, attributeMapping(`emails[type eq "home"].value`,
				`IgnoreFlowIfNullOrEmpty(IIF([userPrincipalName]=[mail], "", [userPrincipalName]))`))
		},
		"custom fields": func(_ *Schema, m *ObjectMapping) {
			m.AttributeMappings = append(m.AttributeMappings, attributeMapping(fsURN+":employee_number", "[employeeId]"), attributeMapping(entURN+":_location", "[city]"))
		},
		"the other form of active": func(_ *Schema, m *ObjectMapping) {
			m.Attribute("active").Source = attributeMapping("active", "Not([IsSoftDeleted])").Source
		},
	} {
		for _, i := range checked(t, change) {
			if i.Severity != IssueInfo {
				t.Errorf("%s: %s", name, i)
			}
		}
	}
}

func TestCheckSortsBySeverity(t *testing.T) {
	issues := checked(t, func(_ *Schema, m *ObjectMapping) {
		m.FlowTypes = FlowAdd
		m.AttributeMappings = append(m.AttributeMappings, attributeMapping("id", "[objectId]"))
	})
	var got []string
	for _, i := range issues {
		if n := len(got); n == 0 || got[n-1] != string(i.Severity) {
			got = append(got, string(i.Severity))
		}
	}
	if strings.Join(got, " ") != "error warning info" {
		t.Errorf("the severities come as %v", got)
	}
}

func TestCheckWithoutTargetTypes(t *testing.T) {
	s := workedSchema(t)
	for _, i := range s.Check() {
		if i.Code == "target-unknown" || i.Code == "type-mismatch" {
			t.Errorf("nothing is known of the target, and yet: %s", i)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"jobTitle", "department", "displayName"}
	for in, want := range map[string]string{"jobTitel": "jobTitle", "departement": "department", "dispName": "", "x": "", "jobtitle": "jobTitle"} {
		if got := Nearest(in, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

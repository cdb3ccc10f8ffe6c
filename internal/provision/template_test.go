package provision

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/expression"
	"lockstep/internal/scim"
)

func TestTemplates(t *testing.T) {
	for _, info := range Templates() {
		t.Run(info.ID, func(t *testing.T) {
			s, err := Template(info.ID)
			if err != nil {
				t.Fatal(err)
			}
			data, err := templateFiles.ReadFile("templates/" + info.ID + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(compact(t, data), marshal(t, s)); diff != "" {
				t.Errorf("the template changes when it is read (-want +got):\n%s", diff)
			}
			for _, kind := range []ObjectType{User, Group} {
				if _, err := CompileMapping(s.Mapping(kind), targetFor(kind)); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			}
			if got, want := s.Mapping(Group).Enabled, info.ID == "scim"; got != want {
				t.Errorf("the group mapping is enabled: %v, want %v", got, want)
			}
			for _, i := range s.Check(scim.UserType(), scim.GroupType()) {
				if i.Severity != IssueInfo {
					t.Errorf("the template has an issue: %s", i)
				}
			}
			again, _ := Template(info.ID)
			again.Mapping(User).Remove("title")
			if s.Mapping(User).Attribute("title") == nil {
				t.Error("two copies of the template share their mappings")
			}
		})
	}
	if _, err := Template("salesforce"); err == nil || !strings.Contains(err.Error(), "freshservice and scim") {
		t.Errorf("got %v", err)
	}
}

// IDs of templates are kept by jobs, scripts and Terraform states.
func TestTemplateIDsAreStable(t *testing.T) {
	want := map[string][]string{
		"freshservice": {"0ba1ec2e-5d8a-4d5c-9a57-2f0e5f1f0c31", "8c7c1d86-7d2f-4a53-93f5-0b8f4c0d1a62", "5a0e4c5e-1f0b-4a0e-9d43-6d6f4f3bb7a1"},
		"scim":         {"0ba1ec2e-5d8a-4d5c-9a57-2f0e5f1f0c31", "3f6a0e0f-95b1-4c1e-8c43-9a3de2b1d0c4", "e2d1b6b0-8a37-4f8e-bc0b-2f8f1b6c9d55"},
	}
	for id, ids := range want {
		s, err := Template(id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range s.Directories {
			got = append(got, d.ID)
		}
		for _, r := range s.Rules {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
}

// Microsoft's Freshservice tutorial: every attribute of its table is in the
// template's attribute list, and what it maps is of them.
func TestFreshserviceTemplateHasTheTutorialsAttributes(t *testing.T) {
	tutorial := []string{
		"userName", "active", `emails[type eq "work"].value`, "displayName", "name.givenName", "name.familyName",
		`phoneNumbers[type eq "work"].value`, `phoneNumbers[type eq "mobile"].value`, `addresses[type eq "work"].formatted`,
		"locale", "title", "timezone", "externalId", entURN + ":department", entURN + ":manager", fsURN + ":isAgent",
	}
	s, err := Template("freshservice")
	if err != nil {
		t.Fatal(err)
	}
	object := s.Directory("Freshservice").Object(s.Mapping(User).TargetObjectName)
	for _, name := range tutorial {
		if object.Attribute(name) == nil {
			t.Errorf("%s is not in the attribute list", name)
		}
	}
	for _, a := range s.Mapping(User).AttributeMappings {
		if !slices.Contains(tutorial, a.TargetAttributeName) {
			t.Errorf("%s is mapped, and not in the tutorial", a.TargetAttributeName)
		}
	}
}

func TestFreshserviceTemplateCreatesAPerson(t *testing.T) {
	s, err := Template("freshservice")
	if err != nil {
		t.Fatal(err)
	}
	m, err := CompileMapping(s.Mapping(User), scim.UserType())
	if err != nil {
		t.Fatal(err)
	}
	source := expression.Map{
		"userPrincipalName": words("ines@acme.example"), "mail": words("ines.duarte@acme.example"), "IsSoftDeleted": expression.Bool(false),
		"givenName": words("Ines"), "surname": words("Duarte"), "mobile": words("+351 91"), "telephoneNumber": words("+351 22"),
		"department": words("Finance"), "manager": words("boss"),
	}
	got, waiting := created(t, m, source, nil)
	want := `{"userName":"ines@acme.example","active":true,"emails":[{"type":"work","value":"ines.duarte@acme.example","primary":true}],` +
		`"name":{"givenName":"Ines","familyName":"Duarte"},"phoneNumbers":[{"type":"work","value":"+351 22"},{"type":"mobile","value":"+351 91"}],` +
		`"` + entURN + `":{"department":"Finance"}}`
	if diff := cmp.Diff(want, got); diff != "" || len(waiting) != 1 {
		t.Errorf("waiting %v (-want +got):\n%s", waiting, diff)
	}
}

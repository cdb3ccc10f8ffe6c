package provision

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
)

func compilePath(t testing.TB, rt *scim.ResourceType, path string) (*targetPath, error) {
	t.Helper()
	p, err := scim.ParsePath(path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return compileTargetPath(rt, p)
}

func object1(t testing.TB, text string) *scim.Object {
	t.Helper()
	o, err := scim.ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestTargetPaths(t *testing.T) {
	const ent, fs = scim.URNEnterprise, scim.URNFreshservice
	for _, tt := range []struct {
		path   string
		value  scim.Value
		before string
		after  string // after set; removing gives back before
	}{
		{"title", "A", `{}`, `{"title":"A"}`},
		{"TITLE", "A", `{"title":"B"}`, `{"title":"A"}`},
		{scim.URNUser + ":userName", "a", `{}`, `{"userName":"a"}`},
		{"externalId", "a", `{}`, `{"externalId":"a"}`},
		{"name.givenName", "A", `{}`, `{"name":{"givenName":"A"}}`},
		{"name.givenName", "A", `{"name":{"familyName":"B"}}`, `{"name":{"familyName":"B","givenName":"A"}}`},
		{`emails[type eq "work"].value`, "a@b", `{}`, `{"emails":[{"type":"work","value":"a@b"}]}`},
		{`emails[type eq "work"]`, "a@b", `{}`, `{"emails":[{"type":"work","value":"a@b"}]}`},
		{`emails[type eq "work"].value`, "a@b", `{"emails":[{"type":"home","value":"h"}]}`, `{"emails":[{"type":"home","value":"h"},{"type":"work","value":"a@b"}]}`},
		{`emails[type eq "WORK"].value`, "a@b", `{"emails":[{"value":"x","type":"Work","primary":true}]}`, `{"emails":[{"value":"a@b","type":"Work","primary":true}]}`},
		{`addresses[type eq "work"].locality`, "Porto", `{"addresses":[{"type":"work","country":"PT"}]}`, `{"addresses":[{"type":"work","country":"PT","locality":"Porto"}]}`},
		{`roles[primary eq "True"].value`, "Admin", `{}`, `{"roles":[{"primary":true,"value":"Admin"}]}`},
		{`roles[primary eq "True"].display`, "Admin", `{"roles":[{"primary":"True","value":"x"}]}`, `{"roles":[{"primary":"True","value":"x","display":"Admin"}]}`},
		{`phoneNumbers[type eq "work" and primary eq true].value`, "1", `{"phoneNumbers":[{"type":"work","value":"2"}]}`, `{"phoneNumbers":[{"type":"work","value":"2"},{"type":"work","primary":true,"value":"1"}]}`},
		{ent + ":department", "Sales", `{}`, `{"` + ent + `":{"department":"Sales"}}`},
		{ent + ":department", "Sales", `{"schemas":["` + scim.URNUser + `"]}`, `{"schemas":["` + scim.URNUser + `","` + ent + `"],"` + ent + `":{"department":"Sales"}}`},
		{ent + ":_location", "Porto", `{"` + ent + `":{"department":"Sales"}}`, `{"` + ent + `":{"department":"Sales","_location":"Porto"}}`},
		{ent + ":manager", "7", `{"` + ent + `":{"manager":{"value":"6","displayName":"Old"}}}`, `{"` + ent + `":{"manager":{"value":"7"}}}`},
		{ent + ":manager.value", "7", `{}`, `{"` + ent + `":{"manager":{"value":"7"}}}`},
		{"manager", "7", `{}`, `{"` + ent + `":{"manager":{"value":"7"}}}`},
		{fs + ":employee_number", "12", `{}`, `{"` + fs + `":{"employee_number":"12"}}`},
		{fs + ":isAgent", true, `{}`, `{"` + fs + `":{"isAgent":true}}`},
		{"urn:ietf:params:scim:schemas:extension:Acme:2.0:User:badge", "12", `{}`, `{"urn:ietf:params:scim:schemas:extension:Acme:2.0:User":{"badge":"12"}}`},
		{"shoeSize", "44", `{}`, `{"shoeSize":"44"}`},
	} {
		t.Run(tt.path, func(t *testing.T) {
			p, err := compilePath(t, scim.UserType(), tt.path)
			if err != nil {
				t.Fatal(err)
			}
			o := object1(t, tt.before)
			p.set(o, tt.value)
			if got, _ := json.Marshal(o); string(got) != tt.after {
				t.Errorf("set gives\n%s, want\n%s", got, tt.after)
			}
			if got := p.get(o); !scim.Equal(got, tt.value) {
				t.Errorf("get gives %v, want %v", got, tt.value)
			}
			p.remove(o)
			if got := p.get(o); got != nil {
				t.Errorf("after remove, get gives %v", got)
			}
			canonical := p.canonical()
			back, err := compilePath(t, scim.UserType(), canonical.String())
			if err != nil {
				t.Fatalf("the canonical path %s: %v", canonical.String(), err)
			}
			if p.set(o, tt.value); !scim.Equal(back.get(o), tt.value) {
				t.Errorf("the canonical path %s leads elsewhere", canonical.String())
			}
		})
	}
}

func TestTargetPathRemoveLeavesNothingBehind(t *testing.T) {
	for _, tt := range []struct{ path, before, after string }{
		{"title", `{"title":"A","x":1}`, `{"x":1}`},
		{"name.givenName", `{"name":{"givenName":"A"}}`, `{}`},
		{`emails[type eq "work"].value`, `{"emails":[{"type":"work","value":"a","primary":true}]}`, `{}`},
		{`emails[type eq "work"].value`, `{"emails":[{"type":"work","value":"a","display":"A"}]}`, `{"emails":[{"type":"work","display":"A"}]}`},
		{`emails[type eq "work"].value`, `{"emails":[{"type":"home","value":"h"},{"type":"work","value":"a"}]}`, `{"emails":[{"type":"home","value":"h"}]}`},
		{`emails[type eq "work"].value`, `{"emails":[{"type":"home","value":"h"}]}`, `{"emails":[{"type":"home","value":"h"}]}`},
		{scim.URNEnterprise + ":manager", `{"` + scim.URNEnterprise + `":{"manager":{"value":"7"}}}`, `{}`},
		{scim.URNEnterprise + ":manager", `{}`, `{}`},
	} {
		p, err := compilePath(t, scim.UserType(), tt.path)
		if err != nil {
			t.Fatal(err)
		}
		o := object1(t, tt.before)
		p.remove(o)
		if got, _ := json.Marshal(o); string(got) != tt.after {
			t.Errorf("%s: got %s, want %s", tt.path, got, tt.after)
		}
	}
}

func TestTargetPathErrors(t *testing.T) {
	for path, want := range map[string]string{
		"id":                           "belongs to the target",
		"meta.version":                 "belongs to the target",
		"schemas":                      "belongs to the target",
		"name":                         "name.formatted, name.familyName",
		"emails.value":                 `emails[type eq "work"].value`,
		`addresses[type eq "work"]`:    `addresses[type eq "work"].formatted`,
		`emails[type ne "work"].value`: "by eq and and",
		`emails[type eq "a" or type eq "b"].value`: "by eq and and",
		`emails[colour eq "red"].value`:            "not one of its sub-attributes",
		`emails[primary eq "maybe"].value`:         "true or false",
		`name[type eq "x"].givenName`:              "one value only",
		"title.sub":                                "plain value",
	} {
		if _, err := compilePath(t, scim.UserType(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", path, err, want)
		}
	}
}

func TestTargetPathTypes(t *testing.T) {
	for _, tt := range []struct {
		typ  scim.AttributeType
		text string
		want scim.Value
	}{
		{scim.TypeString, "", ""},
		{scim.TypeString, "a", "a"},
		{scim.TypeBoolean, "True", true},
		{scim.TypeBoolean, " false ", false},
		{scim.TypeBoolean, "", nil},
		{scim.TypeInteger, "007", json.Number("7")},
		{scim.TypeInteger, "", nil},
		{scim.TypeDecimal, "1.5", json.Number("1.5")},
	} {
		got, err := typed(tt.typ, tt.text)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s %q: %v (-want +got):\n%s", tt.typ, tt.text, err, diff)
		}
	}
	for _, tt := range []struct {
		typ  scim.AttributeType
		text string
	}{{scim.TypeBoolean, "yes"}, {scim.TypeInteger, "1.5"}, {scim.TypeDecimal, "0x1"}, {scim.TypeDecimal, "NaN"}, {scim.TypeDecimal, "true"}} {
		if got, err := typed(tt.typ, tt.text); err == nil {
			t.Errorf("%s %q gives %v, want an error", tt.typ, tt.text, got)
		}
	}
}

package account_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/account"
	"lockstep/internal/scim"
)

func TestParseCustomAttribute(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]account.CustomAttribute{
		"shoeSize":                          {Name: "shoeSize", Type: scim.TypeString},
		"shoeSize:Integer":                  {Name: "shoeSize", Type: scim.TypeInteger},
		"tags:string[]":                     {Name: "tags", Type: scim.TypeString, MultiValued: true},
		"urn:acme:hr:2.0:User:badge":        {Schema: "urn:acme:hr:2.0:User", Name: "badge", Type: scim.TypeString},
		" urn:acme:hr:2.0:User:on:boolean ": {Schema: "urn:acme:hr:2.0:User", Name: "on", Type: scim.TypeBoolean},
	} {
		got, err := account.ParseCustomAttribute(in)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", in, err, diff)
		}
	}
	for _, in := range []string{"", ":", "a b", "acme:badge", "urn:x", scim.URNUser + ":badge", "name.sub", "a:b:c", "badge:complex[]:x", `a[b eq "c"]`} {
		if c, err := account.ParseCustomAttribute(in); err == nil {
			t.Errorf("%q was read as %+v", in, c)
		}
	}
}

func TestTypesOfSettings(t *testing.T) {
	t.Parallel()
	s := account.DefaultSettings(account.KindEmbedded)
	for _, in := range []string{"shoeSize:integer", "urn:acme:hr:2.0:User:badge:integer", "urn:acme:hr:2.0:User:team", scim.URNEnterprise + ":shift"} {
		c, err := account.ParseCustomAttribute(in)
		if err != nil {
			t.Fatal(err)
		}
		s.Declare(c)
	}
	s.CustomAttributes = append(s.CustomAttributes, account.CustomAttribute{ResourceType: "Group", Schema: "urn:acme:2.0:Group", Name: "owner", Type: scim.TypeString},
		account.CustomAttribute{Schema: "urn:learnt:2.0:User", Name: "x", Type: scim.TypeInteger, Learnt: true})
	users, groups := s.Types()
	for path, want := range map[string]scim.AttributeType{
		scim.URNFreshservice + ":shoeSize": scim.TypeInteger, "urn:acme:hr:2.0:User:badge": scim.TypeInteger, "urn:ACME:hr:2.0:User:TEAM": scim.TypeString,
		scim.URNEnterprise + ":shift": scim.TypeString, "urn:learnt:2.0:User:x": "",
	} {
		p, err := scim.ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if attr, _, _, ok := users.Resolve(p); !ok || attr == nil || attr.Type != want {
			t.Errorf("%s is %+v, want type %q", path, attr, want)
		}
	}
	if x := groups.Extension("urn:acme:2.0:Group"); x == nil || x.Schema.Attribute("owner") == nil {
		t.Errorf("groups have %+v", groups.Extensions)
	}
	if c, _ := account.ParseCustomAttribute("SHOESIZE"); !s.Undeclare(c) || s.Undeclare(c) {
		t.Error("an attribute is undeclared once, by its name in any case")
	}
	s.Strict = true
	if users, _ := s.Types(); users.Open {
		t.Error("a strict account takes extensions that it does not know")
	}
}

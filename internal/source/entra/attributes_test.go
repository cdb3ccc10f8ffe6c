package entra

import "testing"

func TestHomeName(t *testing.T) {
	t.Parallel()
	for upn, want := range map[string]string{
		"kim_partner.example#EXT#@acme.example":         "kim@partner.example",
		"kim_van_dam_partner.example#ext#@acme.example": "kim_van_dam@partner.example",
		"ines@acme.example":                             "ines@acme.example",
		"a_b@acme.example":                              "a_b@acme.example",
		"nounderscore#EXT#@acme.example":                "nounderscore#EXT#@acme.example",
		"_partner.example#EXT#@acme.example":            "_partner.example#EXT#@acme.example",
		"kim_#EXT#@acme.example":                        "kim_#EXT#@acme.example",
		"":                                              "",
	} {
		if got := homeName(upn); got != want {
			t.Errorf("%q: got %q, want %q", upn, got, want)
		}
	}
}

func TestPropertyOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"objectId": "id", "mobile": "mobilePhone", "telephoneNumber": "businessPhones", "physicalDeliveryOfficeName": "officeLocation",
		"facsimileTelephoneNumber": "faxNumber", "extensionAttribute15": "onPremisesExtensionAttributes", "preferredLanguage": "preferredLanguage",
		"employeeOrgData.division": "employeeOrgData", "originalUserPrincipalName": "userPrincipalName", "manager": "manager",
		"extension_0123456789abcdef0123456789abcdef_cost_unit": "extension_0123456789abcdef0123456789abcdef_cost_unit",
		"extension_short_x": "", "extension_0123456789abcdef0123456789abcdef_x,members": "", "extensionAttribute16": "", "skills": "", "": "",
	} {
		if got, ok := propertyOf(userProperties, name); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", name, got, ok)
		}
	}
}

func FuzzHomeName(f *testing.F) {
	f.Add("kim_partner.example#EXT#@acme.example")
	f.Add("ſ_é#ext#")
	f.Fuzz(func(t *testing.T, upn string) {
		if got := homeName(upn); len(got) > len(upn) {
			t.Errorf("%q became %q", upn, got)
		}
	})
}

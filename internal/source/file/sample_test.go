package file

import (
	"os"
	"path/filepath"
	"testing"

	"lockstep/internal/provision"
	"lockstep/internal/source/sample"
)

// The sample company is read as it was made: everybody, with their managers,
// and the groups with their members.
func TestSampleCompany(t *testing.T) {
	t.Parallel()
	c := sample.Generate(sample.Options{People: 700, Seed: 11})
	path := filepath.Join(t.TempDir(), "company.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WriteJSON(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := read(t, open(t, path), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) != 0 {
		t.Errorf("problems: %+v", r.Problems)
	}
	byID := map[string]*provision.Object{}
	for _, o := range r.Objects {
		byID[o.ID] = o
	}
	if got, want := len(byID), len(c.Users)+len(c.Groups); got != want {
		t.Errorf("%d objects, want %d", got, want)
	}
	for _, u := range c.Users {
		o := byID[u.ID]
		if o == nil || o.Type != provision.User {
			t.Fatalf("%s was not read", u.UserPrincipalName)
		}
		manager := ""
		if u.Manager != nil {
			manager = u.Manager.ID
		}
		for name, want := range map[string]string{
			"userPrincipalName": u.UserPrincipalName, "mobile": u.MobilePhone, "telephoneNumber": u.BusinessPhones[0],
			"physicalDeliveryOfficeName": u.OfficeLocation, "extension_timeZone": u.TimeZone, "manager": manager,
		} {
			if got := o.Attribute(name).String(); got != want {
				t.Errorf("%s: %s is %q, want %q", u.UserPrincipalName, name, got, want)
			}
		}
		if o.Enabled() != u.AccountEnabled {
			t.Errorf("%s: enabled is %v", u.UserPrincipalName, o.Enabled())
		}
	}
	for _, g := range c.Groups {
		o := byID[g.ID]
		if o == nil || o.Type != provision.Group || len(o.Members) != len(g.Members) {
			t.Errorf("group %s was not read whole", g.DisplayName)
		}
	}
}

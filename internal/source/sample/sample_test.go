package sample

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var allTroubles = []string{
	MailDiffers, SecondaryIsPrimary, UnknownTimeZone, NotAssigned, UnknownLocale, NoGivenName, ManagerMissing,
	UnknownDepartment, UnknownLocation, HeldByAgent, SpecialCharacters, HeldByInactive, Disabled,
}

func TestEveryCompanyIsSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Generate(Options{People: rapid.IntRange(1, 1200).Draw(t, "people"), Seed: rapid.Uint64().Draw(t, "seed")})
		checkCompany(t, c)
	})
}

func TestHundredThousand(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes 100,000 people")
	}
	c := Generate(Options{People: 100_000, Seed: 7})
	checkCompany(t, c)
	if d := depth(c); d < 5 || d > 9 {
		t.Errorf("the organisation is %d levels deep, want 5 to 9", d)
	}
}

type tb interface {
	Errorf(string, ...any)
	Fatalf(string, ...any)
	Helper()
}

func checkCompany(t tb, c *Company) {
	t.Helper()
	byID := make(map[string]*User, len(c.Users))
	taken := make(map[string]string)
	employees := make(map[string]bool)
	for i := range c.Users {
		u := &c.Users[i]
		if byID[u.ID] != nil || u.ID == "" || u.UserPrincipalName == "" || u.Mail == "" || u.DisplayName == "" || u.Surname == "" {
			t.Fatalf("user %d lacks a key or shares one: %+v", i, u)
		}
		byID[u.ID] = u
		for _, a := range []string{u.UserPrincipalName, u.Mail} {
			if owner, ok := taken[a]; ok && owner != u.ID {
				t.Errorf("address %s belongs to two people", a)
			}
			taken[a] = u.ID
			local, _, _ := strings.Cut(a, "@")
			if len(local) > 64 {
				t.Errorf("the local part of %s is longer than RFC 5321 allows", a)
			}
		}
		if employees[u.EmployeeID] {
			t.Errorf("employeeId %s belongs to two people", u.EmployeeID)
		}
		employees[u.EmployeeID] = true
	}
	checkOrganisation(t, c, byID)

	assigned := map[string]bool{}
	for _, m := range c.Groups[0].Members {
		assigned[m] = true
	}
	if c.Groups[0].ID != c.AssignedGroupID {
		t.Errorf("the first group is not the assigned one")
	}
	for _, g := range c.Groups {
		for _, m := range g.Members {
			if byID[m] == nil {
				t.Errorf("group %s has a member that is nobody: %s", g.DisplayName, m)
			}
		}
	}
	checkTroubles(t, c, byID, assigned)
}

func checkOrganisation(t tb, c *Company, byID map[string]*User) {
	t.Helper()
	roots := 0
	reports := map[string]int{}
	for _, u := range c.Users {
		if u.Manager == nil {
			roots++
			continue
		}
		reports[u.Manager.ID]++
		steps := 0
		for m := u.Manager; m != nil; m = byID[m.ID].Manager {
			if byID[m.ID] == nil {
				t.Fatalf("%s has a manager who is nobody", u.UserPrincipalName)
			}
			if steps++; steps > 20 {
				t.Fatalf("the managers above %s go round in a circle", u.UserPrincipalName)
			}
		}
	}
	if roots != 1 {
		t.Errorf("%d people have no manager, want the chief executive alone", roots)
	}
	small := 0
	for _, n := range reports {
		if n > maxSpan {
			t.Errorf("somebody leads %d people, want %d at most", n, maxSpan)
		}
		if n < minSpan {
			small++
		}
	}
	if len(c.Users) >= 1000 && small > len(departments) {
		t.Errorf("%d of %d leaders lead fewer than %d people", small, len(reports), minSpan)
	}
}

func checkTroubles(t tb, c *Company, byID map[string]*User, assigned map[string]bool) {
	t.Helper()
	has := map[string]map[string]bool{}
	for _, tr := range c.Troubles {
		if byID[tr.UserID] == nil || tr.What == "" {
			t.Errorf("trouble %s is nobody's or says nothing", tr.ID)
		}
		if has[tr.ID] == nil {
			has[tr.ID] = map[string]bool{}
		}
		if has[tr.ID][tr.UserID] {
			t.Errorf("trouble %s is listed twice for %s", tr.ID, tr.UserID)
		}
		has[tr.ID][tr.UserID] = true
	}
	if len(c.Users) >= 40 {
		for _, id := range allTroubles {
			if len(has[id]) == 0 {
				t.Errorf("nobody of %d people has trouble %s", len(c.Users), id)
			}
		}
	}
	inactive, agents := map[string]bool{}, map[string]bool{}
	for _, r := range c.DeskSeed.Requesters {
		if !r.Active {
			inactive[r.UserID] = true
		}
	}
	for _, a := range c.DeskSeed.Agents {
		agents[a.UserID] = true
	}
	for id, u := range byID {
		for trouble, is := range map[string]bool{
			MailDiffers:        u.Mail != u.UserPrincipalName,
			SecondaryIsPrimary: len(u.OtherMails) > 0 && u.OtherMails[0] == u.Mail,
			NotAssigned:        !assigned[id],
			NoGivenName:        u.GivenName == "",
			UnknownDepartment:  u.Department == deskLacksDepartment,
			SpecialCharacters:  strings.Contains(u.UserPrincipalName, "'"),
			HeldByInactive:     inactive[id],
			HeldByAgent:        agents[id],
			Disabled:           !u.AccountEnabled,
			UnknownLocale:      strings.ContainsAny(u.PreferredLanguage, "*?,") || u.PreferredLanguage == "Deutsch",
			ManagerMissing:     u.Manager != nil && !assigned[u.Manager.ID] && !has[UnknownDepartment][id] && !has[UnknownLocation][id],
		} {
			if is != has[trouble][id] {
				t.Errorf("%s: trouble %s is %v, listed %v", u.UserPrincipalName, trouble, is, has[trouble][id])
			}
		}
	}
	// Each person has one trouble of their own at the most.
	own := map[string]string{}
	for _, tr := range c.Troubles {
		if first, ok := own[tr.UserID]; ok {
			t.Errorf("%s has two troubles, %s and %s", byID[tr.UserID].UserPrincipalName, first, tr.ID)
		}
		own[tr.UserID] = tr.ID
	}
}

func depth(c *Company) int {
	manager := map[string]string{}
	for _, u := range c.Users {
		if u.Manager != nil {
			manager[u.ID] = u.Manager.ID
		}
	}
	deepest := 0
	for id := range manager {
		d := 1
		for m, ok := manager[id]; ok; m, ok = manager[m] {
			d++
		}
		deepest = max(deepest, d)
	}
	return deepest
}

func TestDefaultCompany(t *testing.T) {
	t.Parallel()
	c := Generate(Options{})
	if len(c.Users) != DefaultPeople || c.Domain != DefaultDomain {
		t.Errorf("got %d people at %s", len(c.Users), c.Domain)
	}
	if d := depth(c); d < 4 {
		t.Errorf("the organisation is %d levels deep, want 4 at least", d)
	}
	// Managers must also be met after the people who report to them.
	place := map[string]int{}
	for i, u := range c.Users {
		place[u.ID] = i
	}
	late := 0
	for i, u := range c.Users {
		if u.Manager != nil && place[u.Manager.ID] > i {
			late++
		}
	}
	if late == 0 {
		t.Error("every manager stands before their people; want some after")
	}
	if got, want := len(c.DeskSeed.Departments), len(departments); got != want { // one lacks, the executive office is extra
		t.Errorf("the desk has %d departments, want %d", got, want)
	}
	if got, want := len(c.DeskSeed.Locations), len(offices)-1; got != want {
		t.Errorf("the desk has %d locations, want %d", got, want)
	}
	if len(c.TroublesOf(MailDiffers)) == 0 {
		t.Error("TroublesOf finds nobody whose mail differs")
	}
	matched := 0
	for _, r := range c.DeskSeed.Requesters {
		if r.Active {
			matched++
		}
	}
	if matched == 0 {
		t.Error("the desk has no active requester to be matched")
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	write := func(seed uint64) string {
		var b bytes.Buffer
		if err := Generate(Options{People: 300, Seed: seed}).WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if write(1) != write(1) {
		t.Error("the same seed gave two companies")
	}
	if write(1) == write(2) {
		t.Error("two seeds gave the same company")
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	c := Generate(Options{People: 60, Seed: 3, Domain: "Acme.Example"})
	var b bytes.Buffer
	if err := c.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Users  []User
		Groups []Group
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c.Users, got.Users); d != "" {
		t.Errorf("users differ after writing and reading (-made +read):\n%s", d)
	}
	if d := cmp.Diff(c.Groups, got.Groups); d != "" {
		t.Errorf("groups differ after writing and reading (-made +read):\n%s", d)
	}
	if !strings.HasSuffix(c.Users[0].UserPrincipalName, "@acme.example") {
		t.Errorf("userPrincipalName %q is not at the domain asked for", c.Users[0].UserPrincipalName)
	}
	if err := c.WriteJSON(failingWriter{}); err == nil {
		t.Error("a failing writer was not noticed")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestPlain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Łukasz": "lukasz", "Großmann": "grossmann", "Nguyễn": "nguyen", "O'Dwyer": "odwyer",
		"García López": "garcia-lopez", "İpek": "ipek", "Þóra": "thora", "Ji-ho": "ji-ho", "Işık": "isik",
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestDeskLacksWhatExists keeps the tables of offices and departments
// in step with the names that the desk lacks.
func TestDeskLacksWhatExists(t *testing.T) {
	t.Parallel()
	var names []string
	for _, d := range departments {
		names = append(names, d.name)
	}
	for _, o := range offices {
		names = append(names, o.name)
	}
	for _, n := range []string{deskLacksDepartment, deskLacksOffice} {
		if !strings.Contains(strings.Join(names, "\n"), n) {
			t.Errorf("%q is in no table", n)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		Generate(Options{People: 10_000, Seed: 1})
	}
	b.ReportMetric(float64(10_000*b.N)/b.Elapsed().Seconds(), "people/s")
}

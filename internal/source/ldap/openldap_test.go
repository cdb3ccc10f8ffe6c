package ldap

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lockstep/internal/provision"
)

const sampleCompany = `dn: uid=ada,ou=people,dc=corp,dc=example
objectClass: inetOrgPerson
uid: ada
cn: Ada Åberg
sn: Åberg
givenName: Ada
displayName: Ada Åberg
mail: ada@corp.example
mail: a.aberg@corp.example
title: Head of Research
employeeNumber: 17
telephoneNumber: +45 1234
userPassword: hidden
jpegPhoto:: /9j/4AAQSkZJRg==
roomNumber: 12
roomNumber: 14

dn: uid=bob,ou=people,dc=corp,dc=example
objectClass: inetOrgPerson
objectClass: posixAccount
uid: bob
cn: Bob Brun
sn: Brun
mail: bob@corp.example
manager: UID=Ada, OU=people,dc=corp,dc=example
uidNumber: 1001
gidNumber: 100
homeDirectory: /home/bob
loginShell: /usr/sbin/nologin

dn: uid=cas,ou=people,dc=corp,dc=example
objectClass: inetOrgPerson
uid: cas
cn: Cas, "The" Cat
sn: Cat
mail: cas@corp.example
manager: cn=nobody,dc=elsewhere,dc=example

dn: cn=research,ou=groups,dc=corp,dc=example
objectClass: groupOfNames
cn: research
description: Those who look
member: uid=ada,ou=people,dc=corp,dc=example
member: uid=bob,ou=people,dc=corp,dc=example
member: uid=gone,ou=people,dc=corp,dc=example

dn: cn=everybody,ou=groups,dc=corp,dc=example
objectClass: groupOfUniqueNames
cn: everybody
uniqueMember: cn=research,ou=groups,dc=corp,dc=example
uniqueMember: uid=cas,ou=people,dc=corp,dc=example

dn: cn=unix,ou=groups,dc=corp,dc=example
objectClass: posixGroup
cn: unix
gidNumber: 100
memberUid: bob
memberUid: nobody

`

func TestFullRead(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	o := d.options()
	o.PageSize = 2
	o.Attributes = map[string]string{"employeeId": "uid", "photo": "jpegPhoto", "office": "roomNumber"}
	m := newMirror()
	o.Known = m.known
	m.read(t, newSource(t, o))
	if !m.complete {
		t.Error("the read is not complete")
	}
	if got, want := len(m.live()), 6; got != want {
		t.Fatalf("%d objects, want %d", got, want)
	}
	id := func(uid string) string { return d.id(personDN(uid)) }

	ada := m.named("ada@corp.example")
	if ada == nil || ada.Type != provision.User || ada.ID != id("ada") {
		t.Fatalf("ada is %+v", ada)
	}
	got := map[string]string{}
	for name, v := range ada.Attributes {
		got[name] = strings.Join(v.Strings(), " | ")
	}
	want := map[string]string{
		"cn": "Ada Åberg", "sn": "Åberg", "surname": "Åberg", "givenName": "Ada", "displayName": "Ada Åberg", "mailNickname": "ada", "uid": "ada",
		"mail": "ada@corp.example", "userPrincipalName": "ada@corp.example", "title": "Head of Research", "jobTitle": "Head of Research",
		"employeeNumber": "17", "employeeId": "ada", "telephoneNumber": "+45 1234", "roomNumber": "12 | 14", "office": "12 | 14",
		"physicalDeliveryOfficeName": "12", "officeLocation": "12", "photo": base64.StdEncoding.EncodeToString([]byte("\xff\xd8\xff\xe0\x00\x10JFIF")),
		"distinguishedName": personDN("ada"), "onPremisesDistinguishedName": personDN("ada"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ada (-want +got):\n%s", diff)
	}
	bob, cas := m.named("bob@corp.example"), m.named("cas@corp.example")
	if bob.Enabled() || !ada.Enabled() {
		t.Error("bob must be disabled and ada enabled")
	}
	if got := textOf(bob, "manager"); got != ada.ID {
		t.Errorf("bob's manager is %q, want ada's ID %q", got, ada.ID)
	}
	if v := cas.Attributes["manager"]; !v.IsNull() {
		t.Errorf("cas has the manager %v", v)
	}
	sorted := func(ids ...string) []string { return slices.Sorted(slices.Values(ids)) }
	for _, tt := range []struct {
		group string
		want  []string
	}{
		{"research", sorted(ada.ID, bob.ID)},
		{"everybody", sorted(d.id("cn=research,"+groups), cas.ID)},
		{"unix", sorted(bob.ID)},
	} {
		g := m.named(tt.group)
		if g == nil || g.Type != provision.Group {
			t.Fatalf("%s is %+v", tt.group, g)
		}
		if diff := cmp.Diff(tt.want, g.Members); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.group, diff)
		}
	}
	var problems []string
	for _, p := range m.problems {
		if !p.Kept || p.ID == "" {
			t.Errorf("%+v must keep its entry and name it", p)
		}
		problems = append(problems, p.Place+": "+p.Column+": "+p.Message)
	}
	slices.Sort(problems)
	wantProblems := []string{
		`entry cn=research,ou=groups,dc=corp,dc=example: members: 1 of 3 members are not among the people and groups that are read, and are left out: "uid=gone,ou=people,dc=corp,dc=example" for one`,
		`entry cn=unix,ou=groups,dc=corp,dc=example: members: 1 of 2 members are not among the people and groups that are read, and are left out: "nobody" for one`,
		`entry uid=cas,ou=people,dc=corp,dc=example: manager: "cn=nobody,dc=elsewhere,dc=example" is not among the people that are read, so the manager is left out; correct the entry, or widen baseDN or userFilter`,
	}
	if diff := cmp.Diff(wantProblems, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestIncremental goes through every kind of change, by every method that
// OpenLDAP offers.
func TestIncremental(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method  Method
		overlay bool
	}{{CSN, true}, {Timestamp, true}, {Timestamp, false}} {
		t.Run(fmt.Sprintf("%s,syncprov=%v", tt.method, tt.overlay), func(t *testing.T) {
			t.Parallel()
			d := startSlapd(t, tt.overlay, sampleCompany)
			o := d.options()
			o.Changes, o.PageSize = tt.method, 3
			o.UserFilter = "(&(objectClass=inetOrgPerson)(!(employeeType=robot)))"
			m := newMirror()
			o.Known = m.known
			s := newSource(t, o)
			m.read(t, s)
			if w, ok := parseWatermark(m.watermark); !ok || w.method != tt.method {
				t.Fatalf("the watermark %q is not of %s", m.watermark, tt.method)
			}
			// By time, all entries are younger than the overlap and are read again, so
			// that also what refers to somebody who has left changes at once.
			step := func(name string, want ...string) {
				t.Helper()
				m.read(t, s)
				if m.complete {
					t.Errorf("%s: everything was read", name)
				}
				if got := m.changed(); tt.method == CSN && !slices.Equal(got, want) {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
				compareWithFull(t, m, o)
			}
			step("nothing")
			d.replace(personDN("ada"), "title", "Boss")
			step("a change", "ada@corp.example")
			d.addPerson("dan", map[string][]string{"manager": {personDN("eve")}})
			step("an addition, with a manager to come", "dan@corp.example")
			if len(m.problems) == 0 {
				t.Error("nothing is said about dan's manager")
			}
			d.addPerson("eve", nil)
			step("the manager", "dan@corp.example", "eve@corp.example")
			if got, want := textOf(m.named("dan@corp.example"), "manager"), d.id(personDN("eve")); got != want {
				t.Errorf("dan's manager is %q, want %q", got, want)
			}
			d.addPerson("gone", nil)
			step("a member to come", "gone@corp.example", "research")
			d.addPerson("nobody", nil)
			step("a member of a Unix group to come", "nobody@corp.example", "unix")
			d.delete(personDN("cas"))
			step("a removal", "-cas@corp.example")
			d.replace("cn=research,"+groups, "member", personDN("dan"))
			step("members", "research")
			d.rename(personDN("dan"), "uid=daniel", "")
			d.replace("uid=daniel,"+people, "mail", "daniel@corp.example")
			d.replace("cn=research,"+groups, "member", "uid=daniel,"+people) // as the overlay refint does
			step("a new name", "daniel@corp.example")
			d.replace(personDN("eve"), "employeeType", "robot")
			step("leaving the filter", "-eve@corp.example")
			d.replace(personDN("eve"), "employeeType")
			step("coming back", "eve@corp.example")
			d.delete("cn=unix," + groups)
			step("a group's removal", "-unix")
			d.delete(personDN("gone"))
			d.addPerson("gone", nil) // another one
			m.read(t, s)
			compareWithFull(t, m, o)
		})
	}
}

// compareWithFull holds what a mirror has against a new full read.
func compareWithFull(t testing.TB, m *mirror, o Options) {
	t.Helper()
	fresh := newMirror()
	o.Known = fresh.known
	fresh.read(t, newSource(t, o))
	if diff := cmp.Diff(fresh.summary(), m.summary()); diff != "" {
		t.Errorf("what was pieced together differs from what is there (-there +pieced):\n%s", diff)
	}
}

// summary returns the objects that are there, with their attributes. References
// to objects that are not there are left out: a directory that does not look
// after references keeps them, and they are noticed with the entry's next change.
func (m *mirror) summary() map[string]map[string]string {
	live := m.live()
	summary := map[string]map[string]string{}
	for key, o := range live {
		s := map[string]string{}
		for name, v := range o.Attributes {
			if name != "manager" || live[mirrorKey(provision.User, v.String())] != nil {
				s[name] = strings.Join(v.Strings(), " | ")
			}
		}
		for _, id := range o.Members {
			if live[mirrorKey(provision.User, id)] != nil || live[mirrorKey(provision.Group, id)] != nil {
				s["members"] += " " + id
			}
		}
		summary[key] = s
	}
	return summary
}

// TestAnyHistory: whatever is done to the directory between the reads, what is
// pieced together equals what is there.
func TestAnyHistory(t *testing.T) {
	d := startSlapd(t, true, sampleCompany)
	for _, method := range []Method{CSN, Timestamp} {
		t.Run(string(method), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				o := d.options()
				o.Changes, o.PageSize = method, rapid.IntRange(1, 5).Draw(rt, "page size")
				o.UserFilter = "(&(objectClass=inetOrgPerson)(!(employeeType=robot)))"
				o.GroupFilter = NoGroups
				m := newMirror()
				o.Known = m.known
				s := newSource(t, o)
				m.read(t, s)
				live := map[string]bool{}
				pick := func() string {
					if len(live) == 0 {
						return ""
					}
					return rapid.SampledFrom(slices.Sorted(maps.Keys(live))).Draw(rt, "who")
				}
				for range rapid.IntRange(1, 4).Draw(rt, "reads") {
					for range rapid.IntRange(0, 4).Draw(rt, "changes") {
						switch rapid.SampledFrom([]string{"add", "modify", "delete", "hide", "show"}).Draw(rt, "what") {
						case "add":
							uid := fmt.Sprintf("p%d", rapid.IntRange(0, 9).Draw(rt, "number"))
							if !live[uid] {
								d.addPerson(uid, map[string][]string{"manager": {personDN("ada")}})
								live[uid] = true
							}
						case "modify":
							if uid := pick(); uid != "" {
								d.replace(personDN(uid), "title", rapid.StringMatching("[A-Z][a-z]{3}").Draw(rt, "title"))
							}
						case "hide":
							if uid := pick(); uid != "" {
								d.replace(personDN(uid), "employeeType", "robot")
							}
						case "show":
							if uid := pick(); uid != "" {
								d.replace(personDN(uid), "employeeType")
							}
						case "delete":
							if uid := pick(); uid != "" {
								d.delete(personDN(uid))
								delete(live, uid)
							}
						}
					}
					m.read(t, s)
				}
				compareWithFull(t, m, o)
				for uid := range live {
					d.delete(personDN(uid))
				}
			})
		})
	}
}

func TestNothingChangedIsOneShortAnswer(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	o := d.options()
	m := newMirror()
	o.Known = m.known
	s := newSource(t, o)
	m.read(t, s)
	before := m.watermark
	m.read(t, s)
	if m.pages != 1 || len(m.changes) != 0 || m.complete || m.watermark != before {
		t.Errorf("%d pages with %d changes, watermark %q after %q", m.pages, len(m.changes), m.watermark, before)
	}
}

func TestWithoutKnownEverythingIsReadEachTime(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	m := newMirror()
	s := newSource(t, d.options())
	m.read(t, s)
	d.delete(personDN("cas"))
	m.read(t, s)
	if !m.complete || m.named("cas@corp.example") != nil {
		t.Errorf("complete %v, cas %v", m.complete, m.named("cas@corp.example"))
	}
}

func TestWatermarkExpires(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	other := startSlapd(t, true, sampleCompany)
	m := newMirror()
	o := d.options()
	o.Known = m.known
	m.read(t, newSource(t, o))
	good := m.watermark
	w, _ := parseWatermark(good)
	for _, tt := range []struct {
		name   string
		since  provision.Watermark
		change func(*Options)
	}{
		{"another directory", good, func(o *Options) { o.URL = "ldap://" + other.plain }},
		{"another filter", good, func(o *Options) { o.UserFilter = "(objectClass=person)" }},
		{"another base", good, func(o *Options) { o.BaseDN = people }},
		{"other attributes", good, func(o *Options) { o.Attributes = map[string]string{"employeeId": "uid"} }},
		{"another method", good, func(o *Options) { o.Changes = Timestamp }},
		{"no watermark of ours", "file1 10 20 abc", func(*Options) {}},
		{"a mark that is none", watermark{CSN, w.identity, "x"}.encode(), func(*Options) {}},
		{"a server that has been set back", watermark{CSN, w.identity, "29991231000000.000000Z#000000#000#000000"}.encode(), func(*Options) {}},
	} {
		o := o
		tt.change(&o)
		err := newMirror().readSince(newSource(t, o), t.Context(), tt.since)
		if !errors.Is(err, provision.ErrWatermarkExpired) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	d.addPerson("twin1", map[string][]string{"mail": {"twin@corp.example"}})
	d.addPerson("twin2", map[string][]string{"mail": {"twin@corp.example"}})
	d.addPerson("ada@corp.example", map[string][]string{"mail": {"other@corp.example"}}) // a uid like ada's mail
	s := newSource(t, d.options())
	for ref, want := range map[string]string{
		"uid=ada,ou=people,dc=corp,dc=example":   personDN("ada"),
		"UID=Ada, ou=People,dc=corp,dc=example":  personDN("ada"),
		d.id(personDN("bob")):                    personDN("bob"),
		strings.ToUpper(d.id(personDN("bob"))):   personDN("bob"),
		"bob":                                    personDN("bob"),
		" Bob@Corp.example ":                     personDN("bob"),
		"ada@corp.example":                       personDN("ada"),
		"a.aberg@corp.example":                   personDN("ada"),
		"research":                               "cn=research," + groups,
		d.id("cn=research," + groups):            "cn=research," + groups,
		"twin@corp.example":                      "",
		"*":                                      "",
		"b*":                                     "",
		"bob)(uid=*":                             "",
		"(objectClass=*)":                        "",
		`bob\2a`:                                 "",
		"":                                       "",
		"cn=reader,ou=services," + suffix:        "",
		"uid=absent," + people:                   "",
		"dc=elsewhere":                           "",
		"00000000-0000-0000-0000-000000000000":   "",
		"\x00":                                   "",
		"uid=bob\x00," + people:                  "",
		strings.Repeat("x", 3000):                "",
		"uid=" + strings.Repeat("x,", 3) + "dc=": "",
	} {
		o, err := s.Lookup(t.Context(), ref)
		got := ""
		if o != nil {
			got = textOf(o, "distinguishedName")
		}
		if err != nil || got != want {
			t.Errorf("%.80q: got %q, %v; want %q", ref, got, err, want)
		}
	}
	bob, err := s.Lookup(t.Context(), "bob")
	if err != nil || textOf(bob, "manager") != d.id(personDN("ada")) {
		t.Errorf("bob's manager is %q, %v", textOf(bob, "manager"), err)
	}
	research, err := s.Lookup(t.Context(), "research")
	if err != nil || len(research.Members) != 2 {
		t.Errorf("research has %v, %v", research.Members, err)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	o := d.options()
	o.Attributes = map[string]string{"shoeSize": "destinationIndicator"}
	def, err := newSource(t, o).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	users, groups := def.Object("User"), def.Object("Group")
	if users == nil || groups == nil {
		t.Fatalf("objects: %+v", def.Objects)
	}
	has := func(o *provision.ObjectDefinition, name string) *provision.AttributeDefinition {
		for _, a := range o.Attributes {
			if a.Name == name {
				return a
			}
		}
		t.Errorf("%s has no %s", o.Name, name)
		return &provision.AttributeDefinition{}
	}
	if a := has(users, "objectId"); !a.Anchor {
		t.Error("objectId is not the anchor")
	}
	if a := has(users, "manager"); a.Type != provision.DataReference {
		t.Errorf("manager is %v", a.Type)
	}
	if a := has(users, "accountEnabled"); a.Type != provision.DataBoolean {
		t.Errorf("accountEnabled is %v", a.Type)
	}
	if a := has(users, "roomNumber"); !a.Multivalued {
		t.Error("roomNumber is not multivalued")
	}
	if a := has(groups, "members"); !a.Multivalued || a.Type != provision.DataReference {
		t.Errorf("members: %+v", a)
	}
	has(users, "shoeSize")
	has(users, "displayName")
	has(groups, "description")
	for _, a := range users.Attributes {
		if strings.EqualFold(a.Name, "userPassword") || strings.EqualFold(a.Name, "modifyTimestamp") || strings.EqualFold(a.Name, "jpegPhoto") {
			t.Errorf("%s is described", a.Name)
		}
	}
}

func TestSelectReadsNoMoreThanAskedFor(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	o := d.options()
	o.Select = []string{"title"}
	m := newMirror()
	m.read(t, newSource(t, o))
	ada := m.named("ada@corp.example")
	if textOf(ada, "jobTitle") != "Head of Research" || !ada.Attributes["telephoneNumber"].IsNull() {
		t.Errorf("ada is %v", ada.Attributes)
	}
	if bob := m.named("bob@corp.example"); textOf(bob, "manager") != ada.ID {
		t.Error("bob has lost the manager")
	}
	if g := m.named("research"); len(g.Members) != 2 {
		t.Errorf("research has %v", g.Members)
	}
}

func TestManyMembersAndManagers(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	var members []string
	for i := range 250 {
		uid := fmt.Sprintf("m%d", i)
		// A manager who comes later in the answer.
		d.addPerson(uid, map[string][]string{"manager": {personDN(fmt.Sprintf("m%d", min(i+1, 249)))}})
		members = append(members, strings.ToUpper(personDN(uid)))
	}
	d.add("cn=many,"+groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"many"}, "member": members})
	o := d.options()
	o.PageSize = 40
	m := newMirror()
	m.read(t, newSource(t, o))
	if g := m.named("many"); len(g.Members) != 250 {
		t.Errorf("the group has %d members, want 250", len(g.Members))
	}
	for i := range 249 {
		o := m.named(fmt.Sprintf("m%d@corp.example", i))
		if next := m.named(fmt.Sprintf("m%d@corp.example", i+1)); textOf(o, "manager") != next.ID {
			t.Fatalf("m%d has the manager %q", i, textOf(o, "manager"))
		}
	}
}

package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	ldapv3 "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"lockstep/internal/provision"
)

func TestActiveDirectoryShapes(t *testing.T) {
	t.Parallel()
	f := newFakeAD(t)
	ada := f.addUser("ada", adStaff, map[string][]string{"mail": {"ada@corp.example"}, "lastLogon": {"133"}, "memberOf": {"CN=x"}, "co": {"Denmark"}, "c": {"DK"},
		"objectSid": {"\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00"}, "thumbnailPhoto": {"\xff\xd8"}})
	bob := f.addUser("bob", adStaff, map[string][]string{"userAccountControl": {"514"}, "manager": {ada.dn}})
	f.put("CN=printer$,"+adStaff, map[string][]string{"objectClass": {"top", "person", "user", "computer"}, "objectCategory": {"CN=Computer"}, "cn": {"printer$"}})
	members := []string{"CN=S-1-5-21,CN=ForeignSecurityPrincipals," + adRoot}
	var ids []string
	for i := range 10 {
		u := f.addUser(fmt.Sprintf("u%d", i), adOther, nil)
		members, ids = append(members, u.dn), append(ids, u.id())
	}
	f.addGroup("big", members...)
	f.addGroup("small", bob.dn)
	m := newMirror()
	o := f.options()
	o.PageSize, o.Known = 2, m.known
	m.read(t, newSource(t, o))
	if got := len(m.live()); got != 14 {
		t.Fatalf("%d objects, want 14", got)
	}
	gotAda, gotBob := m.named("ada@corp.example"), m.named("bob@corp.example")
	got := map[string]string{}
	for name, v := range gotAda.Attributes {
		got[name] = strings.Join(v.Strings(), " | ")
	}
	want := map[string]string{
		"cn": "ada", "displayName": "ada", "sAMAccountName": "ada", "onPremisesSamAccountName": "ada", "mailNickname": "ada", "mail": "ada@corp.example",
		"userPrincipalName": "ada@corp.example", "userAccountControl": "512", "accountEnabled": "True", "co": "Denmark", "c": "DK", "country": "Denmark",
		"usageLocation": "DK", "objectSid": "S-1-5-18", "onPremisesSecurityIdentifier": "S-1-5-18", "objectCategory": "CN=Person,CN=Schema",
		"distinguishedName": ada.dn, "onPremisesDistinguishedName": ada.dn,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ada (-want +got):\n%s", diff)
	}
	if gotAda.ID != ada.id() || !strings.HasSuffix(gotAda.ID, fmt.Sprintf("%02x", ada.guid[15])) || len(gotAda.ID) != 36 {
		t.Errorf("ada's ID is %q", gotAda.ID)
	}
	if gotBob.Enabled() || textOf(gotBob, "manager") != ada.id() {
		t.Errorf("bob is enabled %v, manager %q", gotBob.Enabled(), textOf(gotBob, "manager"))
	}
	slices.Sort(ids)
	if diff := cmp.Diff(ids, m.named("big").Members); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if len(m.problems) != 1 || m.problems[0].Column != "members" || !strings.Contains(m.problems[0].Message, "1 of 11") {
		t.Errorf("problems: %+v", m.problems)
	}
	lookup, err := newSource(t, o).Lookup(t.Context(), "{"+strings.ToUpper(bob.id())+"}")
	if err != nil || lookup == nil || lookup.ID != bob.id() {
		t.Errorf("bob by GUID: %v, %v", lookup, err)
	}
}

// TestActiveDirectoryChanges goes through every kind of change, by DirSync and
// by change number, with and without the right to see deleted objects.
func TestActiveDirectoryChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                           string
		noDirSync, noDeleted, recycles bool
		method                         Method
	}{
		{name: "DirSync", method: DirSync, recycles: true},
		{name: "DirSync, no recycle bin", method: DirSync},
		{name: "USN", method: USN, noDirSync: true, recycles: true},
		{name: "USN, deleted objects unseen", method: USN, noDirSync: true, noDeleted: true, recycles: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeAD(t)
			f.noDirSync, f.noDeleted, f.recycleBin = tt.noDirSync, tt.noDeleted, tt.recycles
			ada := f.addUser("ada", adStaff, nil)
			bob := f.addUser("bob", adStaff, map[string][]string{"manager": {ada.dn}})
			cas := f.addUser("cas", adStaff, nil)
			m := newMirror()
			o := f.options()
			o.BaseDN, o.PageSize, o.Known = adRoot, 2, m.known
			o.UserFilter = "(&(objectCategory=person)(objectClass=user)(!(employeeType=robot)))"
			s := newSource(t, o)
			g := f.addGroup("team", ada.dn, bob.dn, cas.dn)
			m.read(t, s)
			if w, ok := parseWatermark(m.watermark); !ok || w.method != tt.method {
				t.Fatalf("watermark %q, want the method %s", m.watermark, tt.method)
			}
			step := func(name string, want ...string) {
				t.Helper()
				m.read(t, s)
				if got := m.changed(); m.complete || !slices.Equal(got, want) {
					t.Errorf("%s: got %q, want %q; complete %v", name, got, want, m.complete)
				}
			}
			step("nothing")
			f.set(ada, "title", "Boss")
			step("a change", "ada@corp.example")
			f.set(ada, "lastLogonTimestamp", "1337")
			step("a sign-in")
			f.set(bob, "userAccountControl", "514")
			step("disabled", "bob@corp.example")
			f.move(ada, "CN=ada l.,"+adStaff)
			step("a new name", "ada@corp.example")
			if got := textOf(m.named("bob@corp.example"), "manager"); got != ada.id() {
				t.Errorf("bob's manager is %q after the renaming", got)
			}
			dan := f.addUser("dan", adStaff, map[string][]string{"manager": {ada.dn}})
			step("an addition", "dan@corp.example")
			f.set(g, "member", ada.dn, dan.dn)
			step("members", "team")
			f.set(g, "member", ada.dn)
			f.remove(dan)
			step("a removal", "-dan@corp.example", "team")
			how := provision.RemovedHard
			if tt.recycles && !tt.noDeleted {
				how = provision.RemovedSoft
			}
			if got := m.removed[mirrorKey(provision.User, dan.id())]; got != how {
				t.Errorf("dan is removed in the way %d, want %d", got, how)
			}
			if how == provision.RemovedSoft {
				step("nothing after a removal")
				// A full read does not take who is in the recycle bin for gone.
				m.watermark = ""
				m.read(t, s)
				if got := m.removed[mirrorKey(provision.User, dan.id())]; got != provision.RemovedSoft {
					t.Errorf("after a full read dan is removed in the way %d", got)
				}
				f.recycle(dan)
				step("the end of the recycle bin", "-dan@corp.example")
			}
			f.set(cas, "employeeType", "robot")
			step("leaving the filter", "-cas@corp.example")
			f.set(cas, "employeeType")
			step("coming back", "cas@corp.example")
			f.put("CN=printer$,"+adStaff, map[string][]string{"objectClass": {"top", "person", "user", "computer"}, "objectCategory": {"CN=Computer"}, "cn": {"printer$"}})
			step("a computer")
			f.remove(g)
			step("a group's removal", "-team")
		})
	}
}

// TestMovedContainer: people come and go with their organizational unit, which
// alone gets a new change number.
func TestMovedContainer(t *testing.T) {
	t.Parallel()
	for _, noDirSync := range []bool{false, true} {
		f := newFakeAD(t)
		f.noDirSync = noDirSync
		f.addUser("ada", adStaff, nil)
		unit := f.put("OU=Sales,"+adStaff, map[string][]string{"objectClass": {"top", "organizationalUnit"}})
		f.addUser("bob", unit.dn, nil)
		m := newMirror()
		o := f.options()
		o.BaseDN, o.GroupFilter, o.Known = adStaff, NoGroups, m.known
		s := newSource(t, o)
		m.read(t, s)
		f.move(unit, "OU=Sales,"+adOther)
		m.read(t, s)
		if got := m.changed(); !slices.Equal(got, []string{"-bob@corp.example"}) || m.complete {
			t.Errorf("moved away: got %q, complete %v", got, m.complete)
		}
		f.move(unit, "OU=Sales,"+adStaff)
		m.read(t, s)
		if got := m.changed(); !slices.Equal(got, []string{"bob@corp.example"}) || m.complete {
			t.Errorf("moved back: got %q, complete %v", got, m.complete)
		}
	}
}

// TestReferenceArrives: a manager who comes into the filter later reaches those
// who refer to him.
func TestReferenceArrives(t *testing.T) {
	t.Parallel()
	for _, noDirSync := range []bool{false, true} {
		f := newFakeAD(t)
		f.noDirSync = noDirSync
		boss := f.addUser("boss", adOther, nil)
		f.addUser("ada", adStaff, map[string][]string{"manager": {boss.dn}})
		g := f.put("CN=team,"+adStaff, map[string][]string{"objectClass": {"top", "group"}, "cn": {"team"}, "member": {boss.dn}})
		_ = g
		m := newMirror()
		o := f.options()
		o.BaseDN, o.Known = adStaff, m.known
		s := newSource(t, o)
		m.read(t, s)
		if len(m.problems) != 2 {
			t.Errorf("problems: %+v", m.problems)
		}
		f.move(boss, "CN=boss,"+adStaff)
		m.read(t, s)
		if got, want := m.changed(), []string{"ada@corp.example", "boss@corp.example", "team"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := textOf(m.named("ada@corp.example"), "manager"); got != boss.id() {
			t.Errorf("ada's manager is %q", got)
		}
		if got := m.named("team").Members; !slices.Equal(got, []string{boss.id()}) {
			t.Errorf("the team has %q", got)
		}
	}
}

func TestActiveDirectoryWatermarkExpires(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		noDirSync bool
		happen    func(*fakeAD)
	}{
		{"a cookie that is refused", false, func(f *fakeAD) { f.badCookie = true }},
		{"the right to DirSync is gone", false, func(f *fakeAD) { f.noDirSync = true }},
		{"the controller was restored", true, func(f *fakeAD) { f.invocation++ }},
		{"fewer changes than before", true, func(f *fakeAD) { f.usn -= 3 }},
	} {
		f := newFakeAD(t)
		f.noDirSync = tt.noDirSync
		f.addUser("ada", adStaff, nil)
		m := newMirror()
		o := f.options()
		o.Known = m.known
		s := newSource(t, o)
		m.read(t, s)
		f.mu.Lock()
		tt.happen(f)
		f.mu.Unlock()
		if err := m.readSince(s, t.Context(), m.watermark); !errors.Is(err, provision.ErrWatermarkExpired) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestBusyServerIsAskedAgain, and one that refuses is not.
func TestBusyServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	f := newFakeAD(t)
	f.addUser("ada", adStaff, nil)
	o := f.options()
	o.Changes = USN
	for _, tt := range []struct {
		codes []uint16
		ok    bool
	}{
		{[]uint16{0, 0, ldapv3.LDAPResultBusy}, true},
		{[]uint16{0, 0, ldapv3.LDAPResultUnavailable, 0, 0, ldapv3.LDAPResultBusy}, true},
		{[]uint16{0, 0, ldapv3.LDAPResultInsufficientAccessRights}, false},
		{[]uint16{0, 0, ldapv3.LDAPResultAdminLimitExceeded}, false},
		{[]uint16{0, 0, ldapv3.LDAPResultReferral}, false},
	} {
		f.mu.Lock()
		f.fail = slices.Clone(tt.codes)
		f.mu.Unlock()
		m := newMirror()
		err := m.readSince(newSource(t, o), t.Context(), "")
		if (err == nil) != tt.ok || m.complete != tt.ok {
			t.Errorf("%v: %v, complete %v", tt.codes, err, m.complete)
		}
	}
}

func TestActiveDirectoryRefusesToBind(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		"52e": "password is wrong", "532": "has expired", "533": "disabled", "775": "locked", "fff": "bindDN or password is wrong",
	} {
		f := newFakeAD(t)
		f.refuseBind = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data " + data + ", v2580\x00"
		_, err := newSource(t, f.options()).Check(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.Step != StepBind || !strings.Contains(e.Advice, want) {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func TestActiveDirectoryCheck(t *testing.T) {
	t.Parallel()
	f := newFakeAD(t)
	f.noDirSync, f.noDeleted = true, true
	f.addUser("ada", adStaff, nil)
	o := f.options()
	rep, err := newSource(t, o).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rep.Method != USN || rep.Watch != "notification" || rep.Identity != "objectguid" || rep.Server != "Active Directory" || rep.Users != 1 {
		t.Errorf("%+v", rep)
	}
	warnings := strings.Join(rep.Warnings, "\n")
	for _, want := range []string{"Replicating Directory Changes", "deleted objects"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("%q does not say %q", warnings, want)
		}
	}
	o.Changes = DirSync
	_, err = newSource(t, o).Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Replicating Directory Changes") {
		t.Errorf("got %v", err)
	}
	f.noDirSync = false
	if rep, err = newSource(t, o).Check(t.Context()); err != nil || rep.Method != DirSync || len(rep.Warnings) > 0 {
		t.Errorf("%+v, %v", rep, err)
	}
}

func TestActiveDirectoryNotifies(t *testing.T) {
	t.Parallel()
	f := newFakeAD(t)
	ada := f.addUser("ada", adStaff, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed := newSource(t, f.options()).Watch(ctx)
	for i := range 100 {
		f.set(ada, "title", fmt.Sprint(i))
		select {
		case <-changed:
			return
		case <-time.After(700 * time.Millisecond):
		}
	}
	t.Fatal("nothing is announced")
}

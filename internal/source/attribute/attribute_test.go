package attribute

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
)

func TestNormalDN(t *testing.T) {
	t.Parallel()
	same := [][]string{
		{"uid=ada,ou=People,dc=x,dc=example", "UID=Ada, OU=people , DC=X,DC=Example", "uid = ada,ou=People,dc=x,dc=example"},
		{`cn=Dahl\, Ola,dc=x`, `CN=Dahl\2C Ola,DC=X`},
		{"cn=Ola  Dahl,dc=x", "cn=ola dahl,dc=x"},
		{"cn=Åse,dc=x", `cn=\C3\A5se,dc=x`},
		{"cn=a+uid=b,dc=x", "uid=b+cn=a,dc=x"},
	}
	seen := map[string]int{}
	for i, group := range same {
		for _, s := range group {
			dn, ok := NormalDN(s)
			if !ok {
				t.Errorf("NormalDN(%q) is no name", s)
				continue
			}
			if j, ok := seen[dn]; ok && j != i {
				t.Errorf("%q equals a name of another group", s)
			}
			if first, _ := NormalDN(group[0]); dn != first {
				t.Errorf("NormalDN(%q) = %q, want %q", s, dn, first)
			}
			seen[dn] = i
		}
	}
	for _, s := range []string{"", "ada", "ada@x.example", "=x", "cn=,dc", ",cn=x"} {
		if dn, ok := NormalDN(s); ok && s != "" && !strings.Contains(s, "=") {
			t.Errorf("NormalDN(%q) = %q", s, dn)
		}
	}
}

// FuzzNormalDN: the normal form is its own normal form, and white space and case
// around it do not count.
func FuzzNormalDN(f *testing.F) {
	for _, s := range []string{"uid=ada,dc=x", `CN=Dahl\, Ola,OU=a+b=c,DC=x`, "cn=#04024869", "cn=a,,", "=", `cn=\C3\A5`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		dn, ok := NormalDN(s)
		if !ok {
			return
		}
		if again, ok := NormalDN(dn); !ok || again != dn {
			t.Errorf("NormalDN(%q) = %q, of which the normal form is %q, %v", s, dn, again, ok)
		}
	})
}

func TestGUID(t *testing.T) {
	t.Parallel()
	const text = "03020100-0504-0706-0809-0a0b0c0d0e0f"
	raw := "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
	if got, ok := GUIDText(raw); !ok || got != text {
		t.Errorf("GUIDText = %q, %v", got, ok)
	}
	for _, s := range []string{text, strings.ToUpper(text), "{" + text + "}"} {
		if got, ok := ParseGUID(s); !ok || got != raw {
			t.Errorf("ParseGUID(%q) = %x, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", text[1:], text + "0", "0302010-00504-0706-0809-0a0b0c0d0e0f", "g3020100-0504-0706-0809-0a0b0c0d0e0f"} {
		if got, ok := ParseGUID(s); ok {
			t.Errorf("ParseGUID(%q) = %x", s, got)
		}
	}
	if _, ok := GUIDText("short"); ok {
		t.Error("five bytes are no GUID")
	}
}

func FuzzParseGUID(f *testing.F) {
	f.Add("03020100-0504-0706-0809-0a0b0c0d0e0f")
	f.Add("{03020100-0504-0706-0809-0A0B0C0D0E0F}")
	f.Add("03020100--504-0706-0809-0a0b0c0d0e0f")
	f.Fuzz(func(t *testing.T, s string) {
		raw, ok := ParseGUID(s)
		if !ok {
			return
		}
		if back, ok := GUIDText(raw); !ok || !strings.EqualFold(back, strings.Trim(s, "{}")) {
			t.Errorf("%q came back as %q", s, back)
		}
	})
}

func TestSID(t *testing.T) {
	t.Parallel()
	got, ok := SIDText("\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00")
	if !ok || got != "S-1-5-32-544" {
		t.Errorf("got %q, %v", got, ok)
	}
	if _, ok := SIDText("\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00"); ok {
		t.Error("a short SID was taken")
	}
}

// TestEnabled: what directories say about an account that may not sign in.
func TestEnabled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, attr, value string
		want              expression.Value
	}{
		{"nothing said", "cn", "x", expression.Value{}},
		{"Active Directory, normal account", "userAccountControl", "512", expression.Bool(true)},
		{"Active Directory, disabled", "userAccountControl", "514", expression.Bool(false)},
		{"Active Directory, disabled and no password needed", "userAccountControl", "546", expression.Bool(false)},
		{"no number", "userAccountControl", "x", expression.Value{}},
		{"389 Directory Server, locked", "nsAccountLock", "TRUE", expression.Bool(false)},
		{"389 Directory Server, not locked", "nsAccountLock", "false", expression.Bool(true)},
		{"password policy, locked for good", "pwdAccountLockedTime", "000001010000Z", expression.Bool(false)},
		{"password policy, locked for good, with seconds", "pwdAccountLockedTime", "00000101000000Z", expression.Bool(false)},
		{"password policy, too many wrong passwords", "pwdAccountLockedTime", "20260301120000Z", expression.Value{}},
		{"Unix", "loginShell", "/usr/sbin/nologin", expression.Bool(false)},
		{"Unix, a shell", "loginShell", "/bin/sh", expression.Value{}},
	} {
		var e LDAPEntry
		e.Reset("cn=x")
		e.Add(tt.attr, tt.value)
		if got := e.Attributes(provision.User)["accountEnabled"]; !cmp.Equal(got.Strings(), tt.want.Strings()) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLDAPEntryLeavesOut(t *testing.T) {
	t.Parallel()
	var e LDAPEntry
	e.Reset("cn=x")
	e.Add("userPassword", "secret")
	e.Add("jpegPhoto", "picture")
	e.Add("custom", "\xff\xfe")
	e.Add("empty", "")
	e.Add("description", "plain")
	e.Add("description;lang-de", "deutsch")
	got := e.Attributes(provision.User)
	delete(got, "distinguishedName")
	delete(got, "onPremisesDistinguishedName")
	if len(got) != 1 || got["description"].String() != "plain" {
		t.Errorf("got %v", got)
	}
}

package attribute

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
)

// An LDAPEntry is one entry of an LDAP directory: its text values, by the names
// of their attributes. It may be filled again and again; how names were spelled
// first is kept for all of them.
type LDAPEntry struct {
	// DN is the distinguished name as the directory writes it.
	DN string

	values   map[string][]string // by name in lower case
	names    []string            // in lower case, in order of appearance
	spelling map[string]string   // by name in lower case
}

// Reset empties the entry.
func (e *LDAPEntry) Reset(dn string) {
	if e.values == nil {
		e.values, e.spelling = map[string][]string{}, map[string]string{}
	}
	clear(e.values)
	e.DN, e.names = dn, e.names[:0]
}

// Add takes in one value of an attribute. Passwords, values that are no text
// and empty ones are left out; options such as ;binary or ;lang-de are cut off,
// and a value in one language does not stand beside the one without.
func (e *LDAPEntry) Add(name, value string) {
	base, _, _ := strings.Cut(name, ";")
	lower := lowerName(base)
	if value == "" || IsSecret(lower) {
		return
	}
	switch lower {
	case "objectguid":
		if s, ok := GUIDText(value); ok {
			value = s
		}
	case "objectsid":
		if s, ok := SIDText(value); ok {
			value = s
		}
	}
	if binaryLDAP[lower] || !utf8.ValidString(value) {
		return
	}
	have, seen := e.values[lower]
	if base != name && len(have) > 0 {
		return
	}
	if !seen {
		e.names = append(e.names, lower)
		if _, known := e.spelling[lower]; !known {
			e.spelling[strings.Clone(lower)] = strings.Clone(base)
		}
	}
	e.values[lower] = append(have, value)
}

func lowerName(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 || 'A' <= s[i] && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// First returns the first value of the first of the attributes, named in lower
// case, that the entry has.
func (e *LDAPEntry) First(names ...string) string {
	for _, n := range names {
		if v := e.values[n]; len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// Values returns all values of an attribute, named in lower case.
func (e *LDAPEntry) Values(name string) []string { return e.values[name] }

// LDAPIDs are the attributes that identify an entry for ever, in lower case:
// RFC 4530, Active Directory, 389 Directory Server and FreeIPA.
var LDAPIDs = []string{"entryuuid", "objectguid", "nsuniqueid", "ipauniqueid"}

// ID returns what identifies the entry however it is renamed, in lower case,
// and which attribute says so, or two empty strings.
func (e *LDAPEntry) ID() (id, attribute string) {
	for _, a := range LDAPIDs {
		if v := e.First(a); v != "" {
			return strings.ToLower(v), e.spelling[a]
		}
	}
	return "", ""
}

// Type tells users from groups by the object classes. ok is false for what is
// neither, such as an organizational unit or a computer.
func (e *LDAPEntry) Type() (t provision.ObjectType, ok bool) {
	person, group := false, false
	for _, class := range e.values["objectclass"] {
		class = strings.ToLower(class)
		if otherClasses[class] {
			return "", false
		}
		person = person || peopleClasses[class]
		group = group || groupClasses[class]
	}
	if group && !person {
		return provision.Group, true
	}
	return provision.User, person
}

// peopleClasses and groupClasses are the object classes that are read.
var (
	peopleClasses = map[string]bool{
		"inetorgperson": true, "organizationalperson": true, "person": true, "user": true, "posixaccount": true,
		"inetuser": true, "residentialperson": true, "newpilotperson": true, "pilotperson": true,
	}
	groupClasses = map[string]bool{
		"groupofnames": true, "groupofuniquenames": true, "group": true, "posixgroup": true, "groupofentries": true,
		"ipausergroup": true, "groupofmembers": true,
	}
	// Computers and managed service accounts are of class user as well.
	otherClasses = map[string]bool{
		"computer": true, "contact": true, "msds-managedserviceaccount": true, "msds-groupmanagedserviceaccount": true, "device": true,
		"organizationalunit": true, "domain": true,
	}
)

// fromLDAP says where Entra's source attributes come from in an LDAP entry
// (inetOrgPerson of RFC 2798, RFC 4519 and Active Directory's user): the first
// of the LDAP attributes, in lower case, that the entry has.
var fromLDAP = []struct {
	name string
	ldap []string
}{
	{"displayName", []string{"displayname", "cn"}},
	{"givenName", []string{"givenname", "gn"}},
	{"surname", []string{"sn", "surname"}},
	{"mail", []string{"mail", "rfc822mailbox"}},
	{"userPrincipalName", []string{"userprincipalname", "mail", "rfc822mailbox"}},
	{"mailNickname", []string{"mailnickname", "uid", "samaccountname"}},
	{"jobTitle", []string{"title"}},
	{"department", []string{"department", "ou", "departmentnumber"}},
	{"companyName", []string{"company", "o"}},
	{"employeeId", []string{"employeeid", "employeenumber"}},
	{"employeeType", []string{"employeetype"}},
	{"telephoneNumber", []string{"telephonenumber"}},
	{"mobile", []string{"mobile", "mobiletelephonenumber"}},
	{"facsimileTelephoneNumber", []string{"facsimiletelephonenumber", "fax"}},
	{"physicalDeliveryOfficeName", []string{"physicaldeliveryofficename", "roomnumber"}},
	{"streetAddress", []string{"streetaddress", "street"}},
	{"city", []string{"l", "localityname"}},
	{"state", []string{"st", "stateorprovincename"}},
	{"postalCode", []string{"postalcode"}},
	{"country", []string{"co", "friendlycountryname", "c", "countryname"}},
	{"usageLocation", []string{"c", "countryname"}},
	{"preferredLanguage", []string{"preferredlanguage"}},
	{"onPremisesSamAccountName", []string{"samaccountname"}},
	{"onPremisesSecurityIdentifier", []string{"objectsid"}},
	{"description", []string{"description"}},
}

// spent are the LDAP attributes that need not appear under their own names,
// because they become something that is no attribute.
var spent = map[string]bool{
	"manager": true, "member": true, "uniquemember": true, "memberuid": true, "objectclass": true,
	"entryuuid": true, "objectguid": true,
}

// Attributes returns the attributes of an object of type t: the LDAP ones under
// their own names, and Entra's source names on top of them. References are not
// among them; see [LDAPEntry.Manager] and [LDAPEntry.Members].
func (e *LDAPEntry) Attributes(t provision.ObjectType) map[string]expression.Value {
	attributes := make(map[string]expression.Value, 2*len(e.names)+4)
	for _, name := range e.names {
		if !spent[name] {
			attributes[Canonical(e.spelling[name])] = value(e.values[name])
		}
	}
	for _, from := range fromLDAP {
		v := e.First(from.ldap...)
		if v == "" || (from.name == "usageLocation" && len(v) != 2) {
			continue
		}
		if t == provision.Group && from.name == "userPrincipalName" {
			continue
		}
		Set(attributes, from.name, expression.Text(v))
	}
	if v, ok := e.enabled(); ok && t == provision.User {
		Set(attributes, "accountEnabled", expression.Bool(v))
	}
	attributes["distinguishedName"] = expression.Text(e.DN)
	attributes["onPremisesDistinguishedName"] = expression.Text(e.DN)
	return attributes
}

// LDAPNames returns the LDAP attributes, in lower case, that Entra's source
// attribute of the given name may come from.
func LDAPNames(name string) []string {
	for _, from := range fromLDAP {
		if from.name == name || Synonym(from.name) == name {
			return from.ldap
		}
	}
	return nil
}

// Manager returns the distinguished name of the manager, or "".
func (e *LDAPEntry) Manager() string { return e.First("manager") }

// Members returns the members of a group: distinguished names, and user names
// (uid) where the group is a posixGroup (RFC 2307).
func (e *LDAPEntry) Members() []string {
	var members []string
	for _, a := range []string{"member", "uniquemember", "memberuid"} {
		members = append(members, e.values[a]...)
	}
	return members
}

// enabled reports whether the account may sign in; ok is false when the entry
// does not say. Active Directory sets bit 2 of userAccountControl
// (ACCOUNTDISABLE), 389 Directory Server nsAccountLock, OpenLDAP's password
// policy the lock time 000001010000Z, and Unix gives a shell that ends at once.
func (e *LDAPEntry) enabled() (enabled, ok bool) {
	if v := e.First("useraccountcontrol"); v != "" {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n&2 == 0, true
		}
	}
	if v := e.First("nsaccountlock"); v != "" {
		locked, _ := ParseTruth(v)
		return !locked, true
	}
	// Any other lock time passes by itself or after a reset of the password.
	if strings.HasPrefix(e.First("pwdaccountlockedtime"), "000001010000") {
		return false, true
	}
	if v := e.First("accountenabled"); v != "" {
		return ParseTruth(v)
	}
	if v := e.First("loginshell"); strings.HasSuffix(v, "/nologin") || strings.HasSuffix(v, "/false") {
		return false, true
	}
	return false, false
}

// value returns an attribute's values as one: text, or a list when there are
// several.
func value(list []string) expression.Value {
	if len(list) == 1 {
		return expression.Text(list[0])
	}
	return expression.List(list)
}

package file

import (
	"strconv"
	"strings"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
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
// because they are spelled like the attribute they become, or become something
// that is no attribute.
var spent = map[string]bool{
	"manager": true, "member": true, "uniquemember": true, "memberuid": true, "objectclass": true,
	"entryuuid": true, "objectguid": true,
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

// describe turns the record into the entry. It reports false for what is
// neither a person nor a group.
func (l *ldifReader) describe() bool {
	e := &l.entry
	person, group := false, false
	for _, class := range l.rec.values["objectclass"] {
		class = strings.ToLower(class)
		if otherClasses[class] {
			return false
		}
		person = person || peopleClasses[class]
		group = group || groupClasses[class]
	}
	switch {
	case l.rec.dn == "":
		e.refuse("dn", "is missing; a record begins with dn")
		return true
	case group && !person:
		e.typ = provision.Group
	case person:
	default:
		return false
	}
	l.identify()
	if l.full {
		l.fill()
	}
	return true
}

// identify reads the names of the entry. Without entryUUID or objectGUID its
// distinguished name is its ID.
func (l *ldifReader) identify() {
	e := &l.entry
	e.id = e.dn
	for _, a := range []string{"entryuuid", "objectguid", "nsuniqueid", "ipauniqueid"} {
		if v := l.first(a); v != "" {
			e.id, e.keyColumn = strings.ToLower(v), l.spelling[a]
			break
		}
	}
	if e.typ == provision.User {
		e.mail = l.first("mail", "rfc822mailbox")
		e.upn = l.first("userprincipalname")
		if e.upn == "" {
			e.upn = e.mail
		}
		e.uid = l.first("uid")
	}
}

// first returns the first value of the first of the attributes that is there.
func (l *ldifReader) first(names ...string) string {
	for _, n := range names {
		if v := l.rec.values[n]; len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// fill sets the attributes: the LDAP ones under their own names as the file
// first spells them, and Entra's source names on top of them.
func (l *ldifReader) fill() {
	e := &l.entry
	e.attributes = make(map[string]expression.Value, 2*len(l.rec.names)+4)
	for _, name := range l.rec.names {
		lower := strings.ToLower(name)
		if !spent[lower] {
			e.attributes[canonical(l.spelling[lower])] = value(l.rec.values[lower])
		}
	}
	for _, from := range fromLDAP {
		v := l.first(from.ldap...)
		if v == "" || (from.name == "usageLocation" && len(v) != 2) {
			continue
		}
		if e.typ == provision.Group && from.name == "userPrincipalName" {
			continue
		}
		e.set(from.name, expression.Text(v))
	}
	if v, ok := l.enabled(); ok && e.typ == provision.User {
		e.set("accountEnabled", expression.Bool(v))
	}
	e.attributes["distinguishedName"] = expression.Text(l.rec.dn)
	e.attributes["onPremisesDistinguishedName"] = expression.Text(l.rec.dn)
	e.manager = l.first("manager")
	for _, a := range []string{"member", "uniquemember", "memberuid"} {
		e.members = append(e.members, l.rec.values[a]...)
	}
}

// enabled reports whether the account may sign in; ok is false when the entry
// does not say. Active Directory sets bit 2 of userAccountControl
// (ACCOUNTDISABLE), 389 Directory Server nsAccountLock, OpenLDAP's password
// policy the lock time 000001010000Z, and Unix gives a shell that ends at once.
func (l *ldifReader) enabled() (enabled, ok bool) {
	if v := l.first("useraccountcontrol"); v != "" {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n&2 == 0, true
		}
	}
	if v := l.first("nsaccountlock"); v != "" {
		locked, _ := parseTruth(v)
		return !locked, true
	}
	if l.first("pwdaccountlockedtime") == "000001010000Z" {
		return false, true
	}
	if v := l.first("accountenabled"); v != "" {
		return parseTruth(v)
	}
	if v := l.first("loginshell"); strings.HasSuffix(v, "/nologin") || strings.HasSuffix(v, "/false") {
		return false, true
	}
	return false, false
}

package attribute

import (
	"strings"

	"lockstep/internal/expression"
)

// synonyms pairs the names that Entra's provisioning uses for source
// attributes with those of Microsoft Graph, both ways. Mappings written with
// either name work.
var synonyms = map[string]string{
	"mobile":                     "mobilePhone",
	"mobilePhone":                "mobile",
	"physicalDeliveryOfficeName": "officeLocation",
	"officeLocation":             "physicalDeliveryOfficeName",
	"facsimileTelephoneNumber":   "faxNumber",
	"faxNumber":                  "facsimileTelephoneNumber",
}

// Synonym returns the other name that an attribute has, or "".
func Synonym(name string) string { return synonyms[name] }

// Set stores an attribute under its name and under the other name that it has,
// if Entra and Graph call it differently.
func Set(attributes map[string]expression.Value, name string, v expression.Value) {
	attributes[name] = v
	if other, ok := synonyms[name]; ok {
		attributes[other] = v
	}
}

// wellKnown are the attributes whose spelling we know, by their names in lower
// case: exports made with PowerShell spell them DisplayName, people write
// displayname. Everything else keeps the file's own spelling.
var wellKnown = byLower(
	"userPrincipalName", "displayName", "surname", "mail", "givenName", "id", "objectId", "userType", "jobTitle",
	"department", "accountEnabled", "usageLocation", "streetAddress", "state", "country",
	"physicalDeliveryOfficeName", "officeLocation", "city", "postalCode", "telephoneNumber", "mobile", "mobilePhone",
	"authenticationAlternativePhoneNumber", "authenticationEmail", "alternateEmailAddress", "ageGroup",
	"consentProvidedForMinor", "legalAgeGroupClassification", "manager", "mailNickname", "employeeId", "employeeType",
	"companyName", "preferredLanguage", "otherMails", "proxyAddresses", "businessPhones", "faxNumber",
	"facsimileTelephoneNumber", "creationType", "identityIssuer", "invitationState", "directorySynced",
	"createdDateTime", "employeeHireDate", "employeeLeaveDateTime", "imAddresses", "onPremisesDistinguishedName",
	"onPremisesDomainName", "onPremisesImmutableId", "onPremisesSamAccountName", "onPremisesSecurityIdentifier",
	"onPremisesSyncEnabled", "onPremisesUserPrincipalName", "onPremisesExtensionAttributes", "distinguishedName",
	"extensionAttribute1", "extensionAttribute2", "extensionAttribute3", "extensionAttribute4", "extensionAttribute5",
	"extensionAttribute6", "extensionAttribute7", "extensionAttribute8", "extensionAttribute9", "extensionAttribute10",
	"extensionAttribute11", "extensionAttribute12", "extensionAttribute13", "extensionAttribute14", "extensionAttribute15",
	"members", "description", "groupTypes", "mailEnabled", "securityEnabled", "visibility",
)

func byLower(names ...string) map[string]string {
	m := make(map[string]string, len(names))
	for _, n := range names {
		m[strings.ToLower(n)] = n
	}
	return m
}

// Canonical returns the usual spelling of an attribute name.
func Canonical(name string) string {
	if n, ok := wellKnown[strings.ToLower(name)]; ok {
		return n
	}
	return name
}

// truth are the spellings of true and false. Spreadsheets write them in the
// language they speak.
var truth = map[string]bool{
	"true": true, "false": false, "yes": true, "no": false, "1": true, "0": false,
	"enabled": true, "disabled": false, "y": true, "n": false, "t": true, "f": false,
	"wahr": true, "falsch": false, // German
	"vrai": true, "faux": false, // French
	"verdadero": true, "falso": false, // Spanish; Italian and Portuguese say falso too
	"vero": true, "verdadeiro": true,
	"waar": true, "onwaar": false, // Dutch
	"sant": true, "falskt": false, // Swedish
	"sand": true, "falsk": false, // Danish
	"prawda": true, "fałsz": false, // Polish
	"pravda": true, "nepravda": false, // Czech
	"doğru": true, "yanliş": false, "yanlış": false, // Turkish
}

// ParseTruth reads a truth value in any spelling.
func ParseTruth(s string) (value, ok bool) {
	// The two spellings that exports use need no lower-casing.
	switch s {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	value, ok = truth[strings.ToLower(strings.TrimSpace(s))]
	return value, ok
}

package entra

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lockstep/internal/expression"
	"lockstep/internal/graph"
	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// A property is what Microsoft Graph calls an attribute, and of what type it is.
type property struct {
	typ   provision.AttributeDataType
	multi bool
	// parts are the attributes inside a complex property; their names in
	// mappings are prefix and part.
	parts  []string
	prefix string
}

func properties(names string, p property) map[string]property {
	m := map[string]property{}
	for name := range strings.FieldsSeq(names) {
		m[name] = p
	}
	return m
}

func join(all ...map[string]property) map[string]property {
	m := map[string]property{}
	for _, x := range all {
		maps.Copy(m, x)
	}
	return m
}

var (
	text     = property{typ: provision.DataString}
	texts    = property{typ: provision.DataString, multi: true}
	boolean  = property{typ: provision.DataBoolean}
	dateTime = property{typ: provision.DataDateTime}
)

// userProperties are the properties of users that a delta query tracks (Graph:
// user, v1.0). Those kept outside of the directory, such as skills, are not
// among them.
var userProperties = join(
	properties(`id ageGroup city companyName consentProvidedForMinor country creationType department displayName employeeId
		employeeType externalUserState faxNumber givenName jobTitle legalAgeGroupClassification mail mailNickname mobilePhone
		officeLocation onPremisesDistinguishedName onPremisesDomainName onPremisesImmutableId onPremisesSamAccountName
		onPremisesSecurityIdentifier onPremisesUserPrincipalName passwordPolicies postalCode preferredDataLocation
		preferredLanguage securityIdentifier state streetAddress surname usageLocation userPrincipalName userType`, text),
	properties(`businessPhones imAddresses otherMails proxyAddresses`, texts),
	properties(`accountEnabled onPremisesSyncEnabled showInAddressList`, boolean),
	properties(`createdDateTime employeeHireDate employeeLeaveDateTime externalUserStateChangeDateTime
		lastPasswordChangeDateTime onPremisesLastSyncDateTime signInSessionsValidFromDateTime`, dateTime),
	map[string]property{
		"manager":                       {typ: provision.DataReference},
		"onPremisesExtensionAttributes": {typ: provision.DataString, parts: extensionAttributes()},
		"employeeOrgData":               {typ: provision.DataString, parts: []string{"costCenter", "division"}, prefix: "employeeOrgData."},
	},
)

// groupProperties are those of groups (Graph: group, v1.0).
var groupProperties = join(
	properties(`id classification description displayName mail mailNickname membershipRule membershipRuleProcessingState
		onPremisesDomainName onPremisesNetBiosName onPremisesSamAccountName onPremisesSecurityIdentifier
		preferredDataLocation preferredLanguage securityIdentifier theme visibility`, text),
	properties(`groupTypes proxyAddresses`, texts),
	properties(`isAssignableToRole mailEnabled onPremisesSyncEnabled securityEnabled`, boolean),
	properties(`createdDateTime expirationDateTime onPremisesLastSyncDateTime renewedDateTime`, dateTime),
	map[string]property{"members": {typ: provision.DataReference, multi: true}},
)

func extensionAttributes() []string {
	names := make([]string, 15)
	for i := range names {
		names[i] = fmt.Sprintf("extensionAttribute%d", i+1)
	}
	return names
}

// provisioningNames are the names that Entra's provisioning has for properties,
// beside those that every source knows.
var provisioningNames = map[string]string{
	"objectId":                  "id",
	"telephoneNumber":           "businessPhones",
	"originalUserPrincipalName": "userPrincipalName",
	"immutableId":               "onPremisesImmutableId",
	"dirSyncEnabled":            "onPremisesSyncEnabled",
}

// propertyOf returns the property that an attribute of a mapping comes from.
func propertyOf(known map[string]property, name string) (string, bool) {
	if _, ok := known[name]; ok {
		return name, true
	}
	for _, other := range []string{provisioningNames[name], attribute.Synonym(name)} {
		if _, ok := known[other]; ok {
			return other, true
		}
	}
	for complexName, p := range known {
		if part, ok := strings.CutPrefix(name, p.prefix); ok && slices.Contains(p.parts, part) {
			return complexName, true
		}
	}
	// A directory extension: extension_{appId without dashes}_{name}.
	if rest, ok := strings.CutPrefix(name, "extension_"); ok {
		if app, own, ok := strings.Cut(rest, "_"); ok && len(app) == 32 && own != "" && plain(rest) {
			return name, true
		}
	}
	return "", false
}

// plain reports whether s can stand in $select as it is.
func plain(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// What is always read: what names an object and what its state depends on.
var (
	baseUser  = []string{"id", "accountEnabled", "displayName", "mail", "userPrincipalName", "userType"}
	baseGroup = []string{"id", "displayName", "mail", "securityEnabled"}
)

// selection returns the properties to select for the attributes of a mapping,
// sorted, and the attributes that Microsoft Graph does not have.
func selection(known map[string]property, base, attributes []string) (selected, unknown []string) {
	selected = slices.Clone(base)
	for _, name := range attributes {
		// These two are not properties: the engine computes the one, and the other
		// comes with the assignments.
		if strings.EqualFold(name, "IsSoftDeleted") || name == "appRoleAssignments" {
			continue
		}
		p, ok := propertyOf(known, name)
		if !ok {
			unknown = append(unknown, name)
			continue
		}
		selected = append(selected, p)
	}
	slices.Sort(selected)
	return slices.Compact(selected), unknown
}

// guestMark stands in the userPrincipalName of a B2B guest between the mangled
// home address and the tenant's domain.
const guestMark = "#EXT#"

// homeName returns the name of a B2B guest at home: kim@partner.example for
// kim_partner.example#EXT#@acme.example. The last underscore stands for the @,
// because a domain has none. Other names stay as they are.
func homeName(upn string) string {
	i := 0
	for ; ; i++ {
		if i+len(guestMark) > len(upn) {
			return upn
		}
		if strings.EqualFold(upn[i:i+len(guestMark)], guestMark) {
			break
		}
	}
	at := strings.LastIndexByte(upn[:i], '_')
	if at <= 0 || at == i-1 {
		return upn
	}
	return upn[:at] + "@" + upn[at+1:i]
}

// object turns what Graph gives into an object, under both the names that Entra
// and that Graph have for its attributes. Relations are left to the caller.
func object(t provision.ObjectType, known map[string]property, o *graph.DirectoryObject) *provision.Object {
	out := &provision.Object{Type: t, ID: o.ID, Attributes: make(map[string]expression.Value, 2*len(o.Properties))}
	for name, raw := range o.Properties {
		if raw == nil || strings.ContainsRune(name, '@') || name == "manager" || name == "members" {
			continue
		}
		if p := known[name]; p.parts != nil {
			parts, _ := raw.(map[string]any)
			for part, v := range parts {
				if v := value(v); !v.IsNull() {
					out.Attributes[p.prefix+part] = v
				}
			}
			continue
		}
		v := value(raw)
		switch name {
		case "userPrincipalName":
			out.Attributes["originalUserPrincipalName"] = v
			v = expression.Text(homeName(v.String()))
		case "businessPhones":
			if phones := v.Strings(); len(phones) > 0 {
				out.Attributes["telephoneNumber"] = expression.Text(phones[0])
			}
		case "onPremisesImmutableId":
			out.Attributes["immutableId"] = v
		case "onPremisesSyncEnabled":
			out.Attributes["dirSyncEnabled"] = v
		}
		if !v.IsNull() {
			attribute.Set(out.Attributes, name, v)
		}
	}
	return out
}

// value turns a JSON value into one of an expression. An empty list is null, as
// is a list of nothing but nulls.
func value(raw any) expression.Value {
	switch v := raw.(type) {
	case string:
		return expression.Text(v)
	case bool:
		return expression.Bool(v)
	case json.Number:
		if n, ok := expression.Number(v.String()); ok {
			return n
		}
		return expression.Text(v.String())
	case []any:
		var list []string
		for _, x := range v {
			if x == nil {
				continue
			}
			if s, ok := x.(string); ok {
				list = append(list, s)
			} else if b, err := json.Marshal(x); err == nil {
				list = append(list, string(b))
			}
		}
		if len(list) == 0 {
			return expression.Null()
		}
		return expression.List(list)
	case map[string]any:
		if b, err := json.Marshal(v); err == nil {
			return expression.Text(string(b))
		}
	}
	return expression.Null()
}

// definition describes users or groups for checks and the mapping editor.
func definition(name string, known map[string]property, extensions []string) *provision.ObjectDefinition {
	attrs := map[string]*provision.AttributeDefinition{}
	see := func(name string, p property) {
		attrs[name] = &provision.AttributeDefinition{Name: name, Type: p.typ, Multivalued: p.multi, Mutability: "ReadOnly"}
	}
	for name, p := range known {
		if p.parts == nil {
			see(name, p)
		}
		for _, part := range p.parts {
			see(p.prefix+part, text)
		}
		if other := attribute.Synonym(name); other != "" {
			see(other, p)
		}
	}
	for name, p := range provisioningNames {
		if q, ok := known[p]; ok {
			see(name, q)
		}
	}
	for _, name := range extensions {
		if _, ok := attrs[name]; !ok {
			see(name, text)
		}
	}
	delete(attrs, "id")
	attrs["objectId"].Anchor = true
	if a := attrs["telephoneNumber"]; a != nil {
		a.Multivalued = false // the first of businessPhones
	}
	for _, reference := range []string{"manager", "members"} {
		if a := attrs[reference]; a != nil {
			a.ReferencedObjects = []*provision.ReferencedObject{{ReferencedObjectName: "User", ReferencedProperty: "objectId"}}
		}
	}
	o := &provision.ObjectDefinition{Name: name}
	for _, n := range slices.Sorted(maps.Keys(attrs)) {
		o.Attributes = append(o.Attributes, attrs[n])
	}
	return o
}

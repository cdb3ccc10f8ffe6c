package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/source/attribute"
)

// Controls and capabilities by their object identifiers.
const (
	oidActiveDirectory  = "1.2.840.113556.1.4.800"
	oidLightweightAD    = "1.2.840.113556.1.4.1851"
	oidSync             = "1.3.6.1.4.1.4203.1.9.1.1" // RFC 4533
	oidPersistentSearch = "2.16.840.1.113730.3.4.3"  // draft-ietf-ldapext-psearch-03
)

// A server is what a directory says of itself in its root entry (RFC 4512
// section 5.1), and of the base.
type server struct {
	activeDirectory bool
	vendor          string
	controls        map[string]bool
	contexts        []string // naming contexts
	// base is where people are, in the server's spelling; root is the naming
	// context that holds it.
	base, root string
	baseKey    string // base in normal form
	// baseID is the ID of the entry at base, empty if it has none.
	baseID string
	// idAttribute is which of attribute.LDAPIDs entries have, empty if none.
	idAttribute string
	// Of Active Directory: the domain controller, which database it runs on, and
	// the highest change number that it has given out.
	controller, invocation string
	highestUSN             uint64
	userFilter             string
	groupFilter            string // empty without groups
}

// meet asks the server what it is.
func (s *Source) meet(ctx context.Context, conn *ldapv3.Conn) (*server, error) {
	res, err := conn.Search(&ldapv3.SearchRequest{
		Scope: ldapv3.ScopeBaseObject, Filter: "(objectClass=*)",
		Attributes: []string{"supportedControl", "supportedCapabilities", "namingContexts", "defaultNamingContext",
			"dsServiceName", "highestCommittedUSN", "vendorName", "vendorVersion", "subschemaSubentry"},
	})
	if err != nil {
		return nil, s.fail(ctx, StepConnect, fmt.Errorf("the root entry cannot be read: %w", err))
	}
	v := &server{controls: map[string]bool{}}
	var defaultContext string
	for _, e := range res.Entries {
		for _, a := range e.Attributes {
			switch strings.ToLower(a.Name) {
			case "supportedcontrol":
				for _, oid := range a.Values {
					v.controls[oid] = true
				}
			case "supportedcapabilities":
				v.activeDirectory = slices.Contains(a.Values, oidActiveDirectory) || slices.Contains(a.Values, oidLightweightAD)
			case "namingcontexts":
				v.contexts = a.Values
			case "defaultnamingcontext":
				defaultContext = a.Values[0]
			case "dsservicename":
				v.controller = a.Values[0]
			case "highestcommittedusn":
				v.highestUSN, _ = strconv.ParseUint(a.Values[0], 10, 64)
			case "vendorname":
				v.vendor = strings.TrimSpace(a.Values[0] + " " + v.vendor)
			case "vendorversion":
				v.vendor = strings.TrimSpace(v.vendor + " " + a.Values[0])
			}
		}
	}
	if v.activeDirectory && v.vendor == "" {
		v.vendor = "Active Directory"
	}
	s.setFilters(v)
	if err := s.settleBase(ctx, conn, v, defaultContext); err != nil {
		return nil, err
	}
	if v.activeDirectory && v.controller != "" {
		// Who cannot read it is still told one controller from another.
		if res, err := conn.Search(base(v.controller, "invocationId")); err == nil && len(res.Entries) == 1 {
			v.invocation, _ = attribute.GUIDText(res.Entries[0].GetEqualFoldAttributeValue("invocationId"))
		}
	}
	return v, nil
}

func (s *Source) setFilters(v *server) {
	v.userFilter, v.groupFilter = s.config.UserFilter, s.config.GroupFilter
	if v.userFilter == "" {
		v.userFilter = "(|(objectClass=person)(objectClass=inetOrgPerson)(objectClass=posixAccount))"
		if v.activeDirectory {
			v.userFilter = "(&(objectCategory=person)(objectClass=user))"
		}
	}
	switch v.groupFilter {
	case NoGroups:
		v.groupFilter = ""
	case "":
		v.groupFilter = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=groupOfMembers)(objectClass=groupOfEntries)(objectClass=ipaUserGroup))"
		if v.activeDirectory {
			v.groupFilter = "(objectClass=group)"
		}
	}
	v.userFilter, v.groupFilter = bracket(v.userFilter), bracket(v.groupFilter)
}

// bracket puts a filter in the brackets that it needs as part of another.
func bracket(filter string) string {
	if filter == "" || strings.HasPrefix(filter, "(") {
		return filter
	}
	return "(" + filter + ")"
}

// settleBase finds the base and reads its entry.
func (s *Source) settleBase(ctx context.Context, conn *ldapv3.Conn, v *server, defaultContext string) error {
	v.base = s.config.BaseDN
	if v.base == "" {
		v.base = defaultContext
	}
	if v.base == "" && len(v.contexts) == 1 {
		v.base = v.contexts[0]
	}
	if v.base == "" {
		return &Error{Server: s.label(), Step: StepBase, Err: fmt.Errorf("the server has %d naming contexts: %s", len(v.contexts), strings.Join(v.contexts, "; ")),
			Advice: "set baseDN to the one with the people, or to an entry below it"}
	}
	v.baseKey, _ = attribute.NormalDN(v.base)
	for _, c := range v.contexts {
		if key, ok := attribute.NormalDN(c); ok && within(v.baseKey, key) && len(c) > len(v.root) {
			v.root = c
		}
	}
	if v.root == "" {
		v.root = v.base
	}
	res, err := conn.Search(base(v.base, attribute.LDAPIDs...))
	switch {
	case err == nil && len(res.Entries) == 1:
	case err == nil:
		err = ldapv3.NewError(ldapv3.LDAPResultNoSuchObject, errors.New(""))
		fallthrough
	default:
		e := s.fail(ctx, StepBase, err)
		if known := (*Error)(nil); errors.As(e, &known) && isCode(err, ldapv3.LDAPResultNoSuchObject) {
			known.Err = &briefError{fmt.Sprintf("there is no entry %q, or bindDN may not see it", v.base), err}
			known.Advice = "check baseDN and the rights of bindDN"
			if len(v.contexts) > 0 {
				known.Advice += "; the server has " + strings.Join(v.contexts, "; ")
			}
		}
		return e
	}
	for _, a := range attribute.LDAPIDs {
		if raw := res.Entries[0].GetEqualFoldAttributeValue(a); raw != "" {
			var e attribute.LDAPEntry
			e.Reset(v.base)
			e.Add(a, raw)
			v.baseID, _ = e.ID()
			v.idAttribute = a
			break
		}
	}
	if v.activeDirectory {
		v.idAttribute = "objectguid"
	}
	return nil
}

// within reports whether the entry of one normal name is another or below it.
func within(dn, base string) bool {
	return dn == base || base == "" || strings.HasSuffix(dn, ","+base)
}

// base is the request for one entry.
func base(dn string, attributes ...string) *ldapv3.SearchRequest {
	return &ldapv3.SearchRequest{BaseDN: dn, Scope: ldapv3.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: attributes}
}

// eitherFilter matches people and groups.
func (v *server) eitherFilter() string {
	if v.groupFilter == "" {
		return v.userFilter
	}
	return "(|" + v.userFilter + v.groupFilter + ")"
}

// idFilter matches the entry with an ID; ok is false for a text that cannot be
// the ID of an entry here.
func (v *server) idFilter(id string) (filter string, ok bool) {
	if v.idAttribute == "" || id == "" {
		return "", false
	}
	if v.idAttribute == "objectguid" {
		raw, ok := attribute.ParseGUID(id)
		if !ok {
			return "", false
		}
		var b strings.Builder
		for i := range len(raw) {
			fmt.Fprintf(&b, `\%02x`, raw[i])
		}
		return "(objectGUID=" + b.String() + ")", true
	}
	return "(" + v.idAttribute + "=" + ldapv3.EscapeFilter(id) + ")", true
}

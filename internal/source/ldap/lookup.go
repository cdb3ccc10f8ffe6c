package ldap

import (
	"context"
	"slices"
	"strings"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// Lookup returns the object that ref names by distinguished name, ID,
// userPrincipalName, mail or user name (uid, sAMAccountName), a group also by
// its name (cn), or nil when there is none. A name that several entries have
// finds none of them.
func (s *Source) Lookup(ctx context.Context, ref string) (*provision.Object, error) {
	ref = strings.TrimSpace(ref)
	if ref == "" {
		return nil, nil
	}
	r, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	for _, t := range objectTypes {
		if r.server.filter(t) == "" {
			continue
		}
		e, err := r.lookup(t, ref)
		if err != nil {
			return nil, err
		}
		if e == nil {
			continue
		}
		list, problems, err := r.take(t, []*ldapv3.Entry{e})
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, &Error{Server: s.label(), Step: StepSearch, Err: &briefError{problems[0].Place + ": " + problems[0].Message, nil}}
		}
		return list[0].object, nil
	}
	return nil, nil
}

// lookup finds the entry of one type that ref names, or nil.
func (r *reader) lookup(t provision.ObjectType, ref string) (*ldapv3.Entry, error) {
	v := r.server
	if dn, ok := attribute.NormalDN(ref); ok && within(dn, v.baseKey) {
		req := base(ref, r.wanted()...)
		req.Filter = v.filter(t)
		entries, err := r.search(req)
		switch {
		case isCode(err, ldapv3.LDAPResultNoSuchObject, ldapv3.LDAPResultInvalidDNSyntax):
		case err != nil:
			return nil, err
		case len(entries) == 1:
			return entries[0], nil
		}
	}
	value := ldapv3.EscapeFilter(ref)
	ranked := r.source.namesOf(t)
	var any strings.Builder
	any.WriteString("(|")
	for _, names := range ranked {
		for _, name := range names {
			any.WriteString("(" + name + "=" + value + ")")
		}
	}
	byID, isID := v.idFilter(ref)
	any.WriteString(byID + ")")
	var found []*ldapv3.Entry
	err := r.pages(r.subtree(both(v.filter(t), any.String()), r.wanted()...), func(entries []*ldapv3.Entry) error {
		found = append(found, entries...)
		if len(found) > 100 {
			return errStopped // ref is not a name that tells people apart
		}
		return nil
	})
	if err == errStopped {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if isID {
		for _, e := range found {
			if strings.EqualFold(r.id(e), strings.Trim(ref, "{}")) {
				return e, nil
			}
		}
	}
	for _, names := range ranked {
		var match []*ldapv3.Entry
		for _, e := range found {
			if slices.ContainsFunc(names, func(name string) bool { return hasValue(e, name, ref) }) {
				match = append(match, e)
			}
		}
		switch len(match) {
		case 0:
		case 1:
			return match[0], nil
		default:
			return nil, nil
		}
	}
	// The server compares by rules of its own (RFC 4518), such as spaces.
	if len(found) == 1 {
		return found[0], nil
	}
	return nil, nil
}

func hasValue(e *ldapv3.Entry, name, value string) bool {
	return slices.ContainsFunc(e.GetEqualFoldAttributeValues(name), func(v string) bool { return strings.EqualFold(v, value) })
}

// namesOf returns the attributes that people give to name somebody, the
// strongest first.
func (s *Source) namesOf(t provision.ObjectType) [][]string {
	if t == provision.Group {
		return [][]string{{"mail"}, {"cn"}, {"sAMAccountName"}}
	}
	principal, mail := "userPrincipalName", "mail"
	if o := s.overrides[principal]; o != "" {
		principal = o
	}
	if o := s.overrides[mail]; o != "" {
		mail = o
	}
	return [][]string{{principal}, {mail}, {"uid", "sAMAccountName"}}
}

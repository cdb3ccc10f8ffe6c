package ldap

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// volatile are attributes, in lower case, that change without anybody changing
// the person, or that repeat what others say. With them every sign-in would
// look like a change.
var volatile = map[string]bool{
	// Active Directory
	"lastlogon": true, "lastlogontimestamp": true, "lastlogoff": true, "logoncount": true, "badpwdcount": true, "badpasswordtime": true,
	"lockouttime": true, "pwdlastset": true, "usnchanged": true, "usncreated": true, "whenchanged": true, "dscorepropagationdata": true,
	"replpropertymetadata": true, "msds-replattributemetadata": true, "memberof": true, "dsasignature": true,
	"msds-supportedencryptiontypes": true, "msds-failedinteractivelogoncount": true, "msds-lastsuccessfulinteractivelogontime": true,
	// Everybody else
	"modifytimestamp": true, "createtimestamp": true, "modifiersname": true, "creatorsname": true, "entrycsn": true, "contextcsn": true,
	"structuralobjectclass": true, "subschemasubentry": true, "hassubordinates": true, "entrydn": true, "entryid": true, "parentid": true,
	"authtimestamp": true, "pwdlastsuccess": true, "pwdfailuretime": true, "pwdchangedtime": true, "pwdgraceusetime": true, "entryusn": true,
	"krblastsuccessfulauth": true, "krblastfailedauth": true, "krbloginfailedcount": true, "passwordretrycount": true, "retrycountresettime": true,
}

// wanted returns which attributes to ask for: those selected and what is needed
// for IDs, references and the state of the account.
func (r *reader) wanted() []string {
	s := r.source
	list := []string{"*"}
	if len(s.config.Select) > 0 {
		list = append(slices.Clone(s.config.Select), "objectClass", "member", "uniqueMember", "memberUid",
			"userAccountControl", "mail", "uid", "userPrincipalName", "displayName", "cn")
		for _, a := range s.overrides {
			list = append(list, a)
		}
	}
	// These are operational (RFC 4512 section 3.4) and not part of "*".
	list = append(list, idAttributes(r.server)...)
	list = append(list, "modifyTimestamp", "nsAccountLock", "pwdAccountLockedTime", s.managerFrom)
	for _, a := range s.overrides {
		if volatile[a] || strings.HasPrefix(a, "pwd") {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return slices.CompactFunc(list, strings.EqualFold)
}

// A pending object still has names where IDs must be.
type pending struct {
	object *provision.Object
	names
	manager string
	members []string
}

// object turns an entry into an object, references apart.
func (r *reader) object(t provision.ObjectType, e *ldapv3.Entry) (pending, error) {
	s, rec := r.source, &r.record
	rec.Reset(e.DN)
	p := pending{names: names{dn: e.DN}}
	var overrides map[string]expression.Value
	for _, a := range e.Attributes {
		if len(a.Values) == 0 {
			continue // Active Directory gives "member" so beside "member;range=0-1499"
		}
		lower := strings.ToLower(a.Name)
		if name, last, isRange := parseRange(lower); isRange {
			values := a.Values
			if last >= 0 {
				rest, err := r.rest(e.DN, name, last+1)
				if err != nil {
					return p, err
				}
				values = append(slices.Clone(values), rest...)
			}
			for _, v := range values {
				rec.Add(name, v)
			}
			continue
		}
		if lower == "modifytimestamp" {
			if at, err := parseTime(a.Values[0]); err == nil && at.After(r.newest) {
				r.newest = at
			}
		}
		if lower == s.managerFrom {
			p.manager = a.Values[0]
		}
		if s.overridden[lower] {
			if overrides == nil {
				overrides = map[string]expression.Value{}
			}
			overrides[lower] = textOrBase64(lower, a)
		}
		if volatile[lower] {
			continue
		}
		for _, v := range a.Values {
			rec.Add(a.Name, v)
		}
	}
	attributes := rec.Attributes(t)
	for name, from := range s.overrides {
		if v, ok := overrides[from]; ok {
			attribute.Set(attributes, name, v)
		} else {
			attribute.Set(attributes, name, expression.Value{})
		}
	}
	for name, v := range attributes {
		if v.IsNull() {
			delete(attributes, name)
		}
	}
	if t == provision.Group {
		p.members, p.manager = rec.Members(), ""
	}
	p.uid = rec.First("uid")
	p.object = &provision.Object{Type: t, ID: r.server.id(rec), Attributes: attributes}
	return p, nil
}

// textOrBase64 returns the values of an attribute, in base64 where they are no
// text.
func textOrBase64(lower string, a *ldapv3.EntryAttribute) expression.Value {
	var rec attribute.LDAPEntry
	rec.Reset("")
	for _, v := range a.Values {
		rec.Add(lower, v)
	}
	list := slices.Clone(rec.Values(lower))
	if len(list) == 0 {
		for _, v := range a.ByteValues {
			list = append(list, base64.StdEncoding.EncodeToString(v))
		}
	}
	if len(list) == 1 {
		return expression.Text(list[0])
	}
	return expression.List(list)
}

// parseRange takes the option apart by which Active Directory gives a piece of
// a long attribute (MS-ADTS 3.1.1.3.1.3.3): member;range=0-1499, or
// member;range=1500-* for the last one. last is -1 for that.
func parseRange(name string) (base string, last int, ok bool) {
	base, option, ok := strings.Cut(name, ";range=")
	if !ok || base == "" {
		return "", 0, false
	}
	from, to, ok := strings.Cut(option, "-")
	first, err := strconv.ParseUint(from, 10, 31)
	if !ok || err != nil {
		return "", 0, false
	}
	if to == "*" {
		return base, -1, true
	}
	n, err := strconv.ParseUint(to, 10, 31)
	if err != nil || n < first {
		return "", 0, false
	}
	return base, int(n), true
}

// rest reads the values of a long attribute from the given one on.
func (r *reader) rest(dn, name string, from int) ([]string, error) {
	var values []string
	for {
		entries, err := r.search(base(dn, fmt.Sprintf("%s;range=%d-*", name, from)))
		if err != nil {
			return nil, err
		}
		next, found := 0, false
		for _, e := range entries {
			for _, a := range e.Attributes {
				base, last, ok := parseRange(strings.ToLower(a.Name))
				if !ok || base != name {
					continue
				}
				values, next, found = append(values, a.Values...), last+1, true
			}
		}
		switch {
		case !found, next == 0:
			// Values that were removed meanwhile may leave nothing to give.
			return values, nil
		case next <= from:
			return nil, &Error{Server: r.source.label(), Step: StepSearch, Err: fmt.Errorf("%q: the values of %s do not go on after number %d", dn, name, from-1)}
		}
		from = next
	}
}

// take makes objects of entries.
func (r *reader) take(t provision.ObjectType, entries []*ldapv3.Entry) ([]pending, []provision.Problem, error) {
	var problems []provision.Problem
	list := make([]pending, 0, len(entries))
	for _, e := range entries {
		p, err := r.object(t, e)
		if isCode(err, ldapv3.LDAPResultNoSuchObject) {
			// Removed between two answers: that is a change to be read next time.
			problems = append(problems, provision.Problem{Place: place(e.DN), ID: r.id(e), Message: "was removed or renamed while it was read; the next cycle looks again"})
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		r.refs.learn(e.DN, p.object.ID)
		list = append(list, p)
	}
	if err := r.refs.resolve(list); err != nil {
		return nil, nil, err
	}
	for i := range list {
		problems = append(problems, r.refs.fill(&list[i])...)
	}
	return list, problems, nil
}

// emit yields entries as one page.
func (r *reader) emit(t provision.ObjectType, entries []*ldapv3.Entry) error {
	list, problems, err := r.take(t, entries)
	if err != nil || len(list)+len(problems) == 0 {
		return err
	}
	page := provision.Page{Problems: problems, Changes: make([]provision.Change, len(list))}
	for i, p := range list {
		page.Changes[i].Object = p.object
		if r.done != nil {
			r.done[r.key(t, p.object.ID)] = p.names
		}
	}
	if t == provision.User {
		r.people += len(list)
	}
	return r.hand(page)
}

// hand gives a page to the caller.
func (r *reader) hand(page provision.Page) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if !r.yield(page, nil) {
		return errStopped
	}
	return nil
}

func place(dn string) string { return "entry " + dn }

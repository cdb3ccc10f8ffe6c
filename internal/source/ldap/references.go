package ldap

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// references turns the names by which entries refer to each other into IDs. It
// remembers, for as long as one read, a hash per name: a million people cost
// some 80 MB.
type references struct {
	reader *reader
	seed   maphash.Seed
	ids    map[uint64]string // "" for a name that is nobody's
	// singly: the server does not search by name, so each name is asked for.
	singly bool
}

// nameBatch is how many names are asked for at a time.
const nameBatch = 100

func (x *references) init() {
	if x.ids == nil {
		x.ids, x.seed = map[uint64]string{}, maphash.MakeSeed()
	}
}

// name returns the key of a reference: a distinguished name or, where it is
// none, a uid.
func (x *references) name(ref string) (key uint64, isDN bool) {
	if dn, ok := attribute.NormalDN(ref); ok {
		return maphash.String(x.seed, dn), true
	}
	var h maphash.Hash
	h.SetSeed(x.seed)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(strings.ToLower(ref))
	return h.Sum64(), false
}

// learn remembers who has a name.
func (x *references) learn(dn, id string) {
	x.init()
	key, _ := x.name(dn)
	x.ids[key] = id
}

// resolve finds out about every name that the objects use and that is not
// known yet, in few requests.
func (x *references) resolve(list []pending) error {
	x.init()
	var dns, uids []string
	asked := map[uint64]bool{}
	ask := func(ref string) {
		key, isDN := x.name(ref)
		if _, known := x.ids[key]; known || asked[key] {
			return
		}
		asked[key] = true
		switch {
		case !isDN:
			uids = append(uids, ref)
		case x.inside(ref):
			dns = append(dns, ref)
		default:
			x.ids[key] = ""
		}
	}
	for _, p := range list {
		if p.manager != "" {
			ask(p.manager)
		}
		for _, m := range p.members {
			ask(m)
		}
	}
	if err := batches(dns, nameBatch, x.askDNs); err != nil {
		return err
	}
	return batches(uids, nameBatch, x.askUIDs)
}

func (x *references) inside(ref string) bool {
	dn, _ := attribute.NormalDN(ref)
	return within(dn, x.reader.server.baseKey)
}

// askDNs searches for entries by their names. Servers that know no attribute
// for that (RFC 5020, or distinguishedName) are asked for each entry.
func (x *references) askDNs(dns []string) error {
	r := x.reader
	if !x.singly {
		name := "entryDN"
		if r.server.activeDirectory {
			name = "distinguishedName"
		}
		if err := x.find(name, dns); err != nil {
			return err
		}
	}
	var missing []string
	for _, dn := range dns {
		key, _ := x.name(dn)
		if _, ok := x.ids[key]; !ok {
			missing = append(missing, dn)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// When some were found by name, or the server is known to search by it, the
	// missing ones are missing.
	if !x.singly && (r.server.activeDirectory || len(missing) < len(dns)) {
		return x.giveUp(missing)
	}
	found := false
	for _, dn := range missing {
		req := base(dn, idAttributes(r.server)...)
		req.Filter = r.server.eitherFilter()
		entries, err := r.search(req)
		if err != nil && !isCode(err, ldapv3.LDAPResultNoSuchObject, ldapv3.LDAPResultInvalidDNSyntax, ldapv3.LDAPResultReferral, ldapv3.LDAPResultInsufficientAccessRights) {
			return err
		}
		if len(entries) == 1 {
			x.learn(dn, r.id(entries[0]))
			found = true
		}
	}
	x.singly = x.singly || found
	return x.giveUp(missing)
}

// giveUp marks names that are still unknown as nobody's.
func (x *references) giveUp(refs []string) error {
	for _, ref := range refs {
		key, _ := x.name(ref)
		if _, ok := x.ids[key]; !ok {
			x.ids[key] = ""
		}
	}
	return nil
}

func (x *references) find(attr string, values []string) error {
	var any strings.Builder
	any.WriteString("(|")
	for _, v := range values {
		any.WriteString("(" + attr + "=" + ldapv3.EscapeFilter(v) + ")")
	}
	any.WriteString(")")
	// Not in pages: OpenLDAP ends a search in pages when another one begins on the
	// same connection, and this one comes in the midst of one.
	r := x.reader
	req := r.subtree(both(r.server.eitherFilter(), any.String()), append(idAttributes(r.server), "uid")...)
	entries, err := r.search(&req)
	if isCode(err, ldapv3.LDAPResultSizeLimitExceeded) && len(values) > 1 {
		half := len(values) / 2
		if err := x.find(attr, values[:half]); err != nil {
			return err
		}
		return x.find(attr, values[half:])
	}
	for _, e := range entries {
		id := r.id(e)
		x.learn(e.DN, id)
		if attr != "uid" {
			continue
		}
		for _, uid := range e.GetEqualFoldAttributeValues("uid") {
			key, _ := x.name(uid)
			x.ids[key] = id
		}
	}
	return err
}

func (x *references) askUIDs(uids []string) error {
	if err := x.find("uid", uids); err != nil {
		return err
	}
	return x.giveUp(uids)
}

// id returns the ID behind a reference that has been resolved.
func (x *references) id(ref string) string {
	key, _ := x.name(ref)
	return x.ids[key]
}

// fill puts IDs in the place of names, and says which names have none.
func (x *references) fill(p *pending) []provision.Problem {
	var problems []provision.Problem
	report := func(column, format string, args ...any) {
		problems = append(problems, provision.Problem{Place: place(p.dn), Column: column, ID: p.object.ID, Kept: true, Message: fmt.Sprintf(format, args...)})
	}
	if p.manager != "" {
		if id := x.id(p.manager); id != "" {
			p.object.Attributes["manager"] = expression.Text(id)
		} else {
			report("manager", "%q is not among the people that are read, so the manager is left out; correct the entry, or widen baseDN or userFilter", p.manager)
		}
	}
	missing, example := 0, ""
	for _, m := range p.members {
		id := x.id(m)
		if id == "" {
			if missing++; example == "" {
				example = m
			}
			continue
		}
		p.object.Members = append(p.object.Members, id)
	}
	slices.Sort(p.object.Members)
	p.object.Members = slices.Compact(p.object.Members)
	if missing > 0 {
		report("members", "%d of %d members are not among the people and groups that are read, and are left out: %q for one", missing, len(p.members), example)
	}
	return problems
}

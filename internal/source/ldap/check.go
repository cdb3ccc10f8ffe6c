package ldap

import (
	"context"
	"errors"
	"fmt"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/provision"
)

// A Report says what a directory offers and what is to be seen of it.
type Report struct {
	// Server is the product, as far as it says; Base is where people are looked for.
	Server string `json:"server"`
	Base   string `json:"base"`
	// Encrypted: the connection is. Identity is the attribute that IDs are from.
	Encrypted bool   `json:"encrypted"`
	Identity  string `json:"identity"`
	// Method is how changes will be found; Watch is how they announce themselves,
	// "" when they do not.
	Method Method `json:"method"`
	Watch  string `json:"watch,omitempty"`
	// Users and Groups are how many there are; More: there are more users than counted.
	Users  int  `json:"users"`
	Groups int  `json:"groups"`
	More   bool `json:"more,omitempty"`
	// Warnings are what will work, but worse than it could.
	Warnings []string `json:"warnings,omitempty"`
}

// checkLimit is up to how many entries are counted: enough to meet the size
// limit that a directory server comes with.
const checkLimit = 5000

// checkSample is how many people are looked at in full.
const checkSample = 50

// Check tries everything that reading needs, in order: address, certificate,
// bind, base, filters, limits, rights. Its error, an [*Error], says what to
// correct first.
func (s *Source) Check(ctx context.Context) (*Report, error) {
	r, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	v := r.server
	_, overTLS := r.ses.TLSConnectionState()
	rep := &Report{Server: v.vendor, Base: v.base, Encrypted: overTLS, Identity: v.idAttribute, Watch: v.watchKind().String()}
	warn := func(format string, args ...any) { rep.Warnings = append(rep.Warnings, fmt.Sprintf(format, args...)) }

	if rep.Users, rep.More, err = r.count(v.userFilter); err != nil {
		return rep, err
	}
	if rep.Users == 0 {
		return rep, r.nobody()
	}
	if v.groupFilter != "" {
		if rep.Groups, _, err = r.count(v.groupFilter); err != nil {
			return rep, err
		}
	}
	if err := r.checkPeople(warn); err != nil {
		return rep, err
	}
	if v.idAttribute == "" {
		warn("entries have no entryUUID or objectGUID that bindDN may read: their names are their IDs, so whoever is renamed becomes another person")
	}
	if !v.controls[ldapv3.ControlTypePaging] {
		warn("the server does not give results in pages: its size limit must be higher than the number of entries")
	}
	if s.config.BindDN != "" && !overTLS && s.address.Scheme == "ldap" && !isLoopback(s.address.Hostname()) {
		warn("the password goes to %s unencrypted: use ldaps:// or startTLS", s.address.Hostname())
	}
	if err := r.checkMethod(rep, warn); err != nil {
		return rep, err
	}
	return rep, nil
}

// count counts the entries that match, up to checkLimit.
func (r *reader) count(filter string) (n int, more bool, err error) {
	err = r.pages(r.subtree(filter, "1.1"), func(entries []*ldapv3.Entry) error {
		if n += len(entries); n >= checkLimit {
			return errStopped
		}
		return nil
	})
	if errors.Is(err, errStopped) {
		return n, true, nil
	}
	return n, false, err
}

// checkPeople looks at some people in full.
func (r *reader) checkPeople(warn func(string, ...any)) error {
	n, named, unresolved := 0, 0, 0
	size := r.pageSize
	r.pageSize = min(size, checkSample)
	defer func() { r.pageSize = size }()
	err := r.pages(r.subtree(r.server.userFilter, r.wanted()...), func(entries []*ldapv3.Entry) error {
		list, problems, err := r.take(provision.User, entries)
		if err != nil {
			return err
		}
		for _, p := range list {
			if _, ok := p.object.Attributes["userPrincipalName"]; ok {
				named++
			}
		}
		n, unresolved = n+len(list), unresolved+len(problems)
		return errStopped
	})
	if err != nil && !errors.Is(err, errStopped) {
		return err
	}
	if named < n {
		warn("%d of the first %d people have neither userPrincipalName nor mail that bindDN may read: give it the right, or say in attributes where userPrincipalName comes from", n-named, n)
	}
	if unresolved > 0 {
		warn("%d of the first %d people have a manager who is not among the people that are read", unresolved, n)
	}
	return nil
}

// checkMethod finds out how changes will be found.
func (r *reader) checkMethod(rep *Report, warn func(string, ...any)) error {
	v, s := r.server, r.source
	if v.watchKind() == watchSync {
		if _, err := r.ses.syncCookie(r.ctx); err != nil {
			rep.Watch = ""
		}
	}
	method, err := r.method()
	if err != nil {
		return err
	}
	rep.Method = method
	switch method {
	case USN:
		if s.config.Changes == Auto && v.controls[ldapv3.ControlTypeDirSync] {
			warn("bindDN may not use DirSync: give it the right Replicating Directory Changes on %q for the fastest way of finding changes", v.root)
		}
		sees, err := r.seesDeleted()
		if err != nil {
			return err
		}
		if !sees {
			warn("bindDN may not see deleted objects: every read asks for the IDs of all entries to find who has left")
		}
	case Timestamp:
		warn("the server shows no contextCSN: every read asks for the IDs of all entries to find who has left (on OpenLDAP, load the overlay syncprov)")
	case Full:
		warn("every read goes through the whole directory")
	}
	return nil
}

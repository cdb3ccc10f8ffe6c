package ldap

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/provision"
)

// touchFilter matches what may concern people and groups: they themselves, also
// deleted ones, and containers, whose renaming moves everybody in them without
// touching them.
const touchFilter = "(&(|(objectClass=user)(objectClass=group)(objectClass=organizationalUnit)(objectClass=container))(!(objectClass=computer)))"

// touched is what Active Directory says has changed: live entries by ID, and
// deleted ones with the way they went.
type touched struct {
	live map[string]struct{}
	gone map[string]provision.Removal
}

func newTouched() *touched {
	return &touched{live: map[string]struct{}{}, gone: map[string]provision.Removal{}}
}

func (x *touched) add(r *reader, entries []*ldapv3.Entry) {
	for _, e := range entries {
		id := r.id(e)
		if isTrue(e, "isDeleted") {
			x.gone[id] = removal(e)
			delete(x.live, id)
			continue
		}
		x.live[id] = struct{}{}
		delete(x.gone, id) // restored
	}
}

func isTrue(e *ldapv3.Entry, name string) bool {
	return strings.EqualFold(e.GetEqualFoldAttributeValue(name), "TRUE")
}

// removal tells a deleted object, which the recycle bin gives back, from a
// recycled one or a tombstone (MS-ADTS 3.1.1.5.5).
func removal(e *ldapv3.Entry) provision.Removal {
	if isTrue(e, "isRecycled") {
		return provision.RemovedHard
	}
	return provision.RemovedSoft
}

// usnOverlap is how many change numbers further back than the highest one seen
// the next read looks: a number is given out before what it counts is committed.
const usnOverlap = 1000

// byUSN reads what has a higher uSNChanged than the last read saw given out.
func (r *reader) byUSN(w watermark) error {
	last, err := strconv.ParseUint(w.mark, 10, 64)
	highest := r.server.highestUSN
	switch {
	case err != nil, highest < last:
		return provision.ErrWatermarkExpired
	case highest == last:
		return r.hand(provision.Page{Next: w.encode()})
	}
	req := r.subtree(both(fmt.Sprintf("(uSNChanged>=%d)", last-min(last, usnOverlap)+1), touchFilter), "objectGUID", "isDeleted", "isRecycled")
	req.BaseDN, req.Controls = r.server.root, []ldapv3.Control{ldapv3.NewControlMicrosoftShowDeleted()}
	x := newTouched()
	if err := r.pages(req, func(entries []*ldapv3.Entry) error { x.add(r, entries); return nil }); err != nil {
		return err
	}
	seesDeleted, err := r.seesDeleted()
	if err != nil {
		return err
	}
	return r.follow(x, !seesDeleted, r.mark(USN, strconv.FormatUint(highest, 10)))
}

// seesDeleted reports whether bindDN may look into the container of deleted
// objects. Without that right a search finds nothing there, and says nothing.
func (r *reader) seesDeleted() (bool, error) {
	req := base("CN=Deleted Objects,"+r.server.root, "1.1")
	req.Controls = []ldapv3.Control{ldapv3.NewControlMicrosoftShowDeleted()}
	entries, err := r.search(req)
	if err != nil && !isCode(err, ldapv3.LDAPResultNoSuchObject, ldapv3.LDAPResultInsufficientAccessRights, ldapv3.LDAPResultReferral) {
		return false, err
	}
	return len(entries) == 1, nil
}

// byDirSync reads what changed since a cookie.
func (r *reader) byDirSync(w watermark) error {
	cookie, err := base64.RawURLEncoding.DecodeString(w.mark)
	if err != nil || len(cookie) == 0 {
		return provision.ErrWatermarkExpired
	}
	x, cookie, err := r.dirSync(cookie)
	if isCode(err, ldapv3.LDAPResultInsufficientAccessRights, ldapv3.LDAPResultUnwillingToPerform, ldapv3.LDAPResultProtocolError,
		ldapv3.LDAPResultOperationsError, ldapv3.LDAPResultUnavailableCriticalExtension, ldapv3.LDAPResultOther) {
		// The cookie is not taken any more, or the right is gone. A full read finds
		// out which of the two.
		return provision.ErrWatermarkExpired
	}
	if err != nil {
		return err
	}
	next := r.mark(DirSync, base64.RawURLEncoding.EncodeToString(cookie))
	if len(x.live)+len(x.gone) == 0 {
		return r.hand(provision.Page{Next: next})
	}
	return r.follow(x, false, next)
}

// dirSync asks with the DirSync control until there is no more, and returns
// what changed since the cookie. Without attributes a change of any counts.
func (r *reader) dirSync(cookie []byte, attributes ...string) (*touched, []byte, error) {
	x := newTouched()
	for {
		entries, next, more, err := r.dirSyncPage(cookie, attributes...)
		if err != nil {
			return nil, nil, err
		}
		if len(attributes) == 0 { // else only the cookie is wanted
			x.add(r, entries)
		}
		cookie = next
		if !more {
			return x, cookie, nil
		}
	}
}

// dirSyncPage asks once.
func (r *reader) dirSyncPage(cookie []byte, attributes ...string) (entries []*ldapv3.Entry, next []byte, more bool, err error) {
	err = r.again(StepSearch, func() error {
		req := r.subtree(touchFilter, attributes...)
		req.BaseDN = r.server.root
		res, err := r.ses.DirSync(&req, 0, 0, cookie)
		if err != nil {
			return err
		}
		answer, _ := ldapv3.FindControl(res.Controls, ldapv3.ControlTypeDirSync).(*ldapv3.ControlDirSync)
		if answer == nil || len(answer.Cookie) == 0 {
			return ldapv3.NewError(ldapv3.LDAPResultUnavailableCriticalExtension, errors.New("the answer to DirSync has no cookie"))
		}
		entries, next, more = res.Entries, answer.Cookie, answer.Flags != 0
		return nil
	})
	return entries, next, more, err
}

func (r *reader) dirSyncRefused(err error) error {
	var e *Error
	if errors.As(err, &e) && isCode(err, ldapv3.LDAPResultInsufficientAccessRights) {
		e.Advice = fmt.Sprintf("give bindDN the right Replicating Directory Changes on %q, or set changes to usn", r.server.root)
	}
	return err
}

// follow yields the touched entries as they are now: those that belong to the
// people and groups, and the removal of those that do so no longer. With compare,
// or when a container was touched, it looks besides for who came and went
// without being touched.
func (r *reader) follow(x *touched, compare bool, next provision.Watermark) error {
	// This comes first, as what is yielded becomes known at once.
	known, err := r.knownAmong(x)
	if err != nil {
		return err
	}
	r.done = map[uint64]names{}
	left := slices.Sorted(maps.Keys(x.live))
	var fresh []arrival
	for _, t := range objectTypes {
		if err := r.fetch(t, left); err != nil {
			return err
		}
		left = slices.DeleteFunc(left, func(id string) bool {
			its, done := r.done[r.key(t, id)]
			if _, old := known[id]; done && !old {
				fresh = append(fresh, arrival{typ: t, id: id, dn: its.dn})
			}
			return done
		})
	}
	if len(fresh) > manyArrivals {
		return provision.ErrWatermarkExpired
	}
	var gone []provision.Change
	for id, how := range x.gone {
		if o, ok := known[id]; ok && o.Removed != how && o.Removed != provision.RemovedHard {
			gone = append(gone, provision.Change{Object: &provision.Object{Type: o.Type, ID: id}, Removed: how})
		}
	}
	// What is left lives outside of the base or the filters, or is a container.
	var strangers []string
	for _, id := range left {
		switch o, ok := known[id]; {
		case !ok:
			strangers = append(strangers, id)
		case o.Removed != provision.RemovedHard:
			gone = append(gone, provision.Change{Object: &provision.Object{Type: o.Type, ID: id}, Removed: provision.RemovedHard})
		}
	}
	if !compare {
		if compare, err = r.anyContainer(strangers); err != nil {
			return err
		}
	}
	if compare {
		now, err := r.compare()
		if err != nil {
			return err
		}
		fresh = append(fresh, now.arrived...)
		for _, c := range now.gone {
			if !slices.ContainsFunc(gone, func(g provision.Change) bool { return g.Object.ID == c.Object.ID }) {
				gone = append(gone, c)
			}
		}
	}
	if err := r.arrive(fresh); err != nil {
		return err
	}
	slices.SortFunc(gone, func(a, b provision.Change) int { return strings.Compare(a.Object.ID, b.Object.ID) })
	return r.finish(gone, next)
}

// knownAmong returns what is known of the touched objects.
func (r *reader) knownAmong(x *touched) (map[string]provision.StagedObject, error) {
	known := map[string]provision.StagedObject{}
	for o, err := range r.source.known(r.ctx) {
		if err != nil {
			return nil, err
		}
		_, live := x.live[o.ID]
		_, gone := x.gone[o.ID]
		if live || gone {
			known[o.ID] = o
		}
	}
	return known, nil
}

// anyContainer reports whether one of the entries is a container.
func (r *reader) anyContainer(ids []string) (bool, error) {
	found := false
	err := batches(ids, nameBatch, func(ids []string) error {
		var any strings.Builder
		any.WriteString("(|")
		for _, id := range ids {
			f, _ := r.server.idFilter(id)
			any.WriteString(f)
		}
		req := r.subtree(both("(|(objectClass=organizationalUnit)(objectClass=container))", any.String()+")"), "1.1")
		req.BaseDN = r.server.root
		return r.pages(req, func(entries []*ldapv3.Entry) error {
			found = found || len(entries) > 0
			return nil
		})
	})
	return found, err
}

// restorable returns the removals of the known objects that are still in the
// recycle bin, so that a full read does not take them for gone for good.
func (r *reader) restorable() ([]provision.Change, error) {
	types := map[string]provision.ObjectType{}
	for o, err := range r.source.known(r.ctx) {
		if err != nil {
			return nil, err
		}
		if o.Removed == provision.RemovedSoft {
			types[o.ID] = o.Type
		}
	}
	var list []provision.Change
	err := batches(slices.Sorted(maps.Keys(types)), nameBatch, func(ids []string) error {
		var any strings.Builder
		any.WriteString("(|")
		for _, id := range ids {
			f, _ := r.server.idFilter(id)
			any.WriteString(f)
		}
		req := r.subtree(both("(isDeleted=TRUE)", any.String()+")"), "objectGUID", "isRecycled")
		req.BaseDN, req.Controls = r.server.root, []ldapv3.Control{ldapv3.NewControlMicrosoftShowDeleted()}
		return r.pages(req, func(entries []*ldapv3.Entry) error {
			for _, e := range entries {
				if id := r.id(e); removal(e) == provision.RemovedSoft {
					list = append(list, provision.Change{Object: &provision.Object{Type: types[id], ID: id}, Removed: provision.RemovedSoft})
				}
			}
			return nil
		})
	})
	return list, err
}

package ldap

import (
	"errors"
	"slices"
	"strings"
	"time"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/provision"
)

// errNoCSN says that the server shows no contextCSN: it has no syncprov overlay,
// is no OpenLDAP, or bindDN may not read it.
var errNoCSN = errors.New("the server shows no contextCSN")

// contextCSN reads which changes the directory has.
func (r *reader) contextCSN() (vector, error) {
	entries, err := r.search(base(r.server.root, "contextCSN"))
	if err != nil && !isCode(err, ldapv3.LDAPResultNoSuchObject, ldapv3.LDAPResultInsufficientAccessRights) {
		return nil, err
	}
	var csns []string
	for _, e := range entries {
		csns = append(csns, e.GetEqualFoldAttributeValues("contextCSN")...)
	}
	if len(csns) == 0 {
		return nil, &Error{Server: r.source.label(), Step: StepSearch, Err: errNoCSN,
			Advice: "load the overlay syncprov and let bindDN read contextCSN of " + r.server.root + ", or leave changes out"}
	}
	return parseVector(csns)
}

// byCSN reads what changed since a vector. While the vector stays, that is
// nothing, and the answer is known after one request.
func (r *reader) byCSN(w watermark) error {
	old, err := parseVector(strings.Split(w.mark, ";"))
	if err != nil {
		return provision.ErrWatermarkExpired
	}
	now, err := r.contextCSN()
	if errors.Is(err, errNoCSN) {
		return provision.ErrWatermarkExpired
	}
	if err != nil {
		return err
	}
	floor, same, ok := now.since(old)
	switch {
	case !ok:
		return provision.ErrWatermarkExpired
	case same:
		return r.hand(provision.Page{Next: w.encode()})
	}
	// What has the floor itself was there when the old vector was read.
	return r.changed("(entryCSN>="+floor+")(!(entryCSN="+floor+"))", func() provision.Watermark { return r.mark(CSN, now.encode()) })
}

// byTimestamp reads what was modified since a time, less the overlap.
func (r *reader) byTimestamp(w watermark) error {
	last, err := time.Parse(stampForm, w.mark)
	if err != nil {
		return provision.ErrWatermarkExpired
	}
	begun := time.Now()
	r.newest = last
	return r.changed("(modifyTimestamp>="+last.Add(-overlap).Format(stampForm)+")", func() provision.Watermark {
		return r.mark(Timestamp, stamp(r.newest, begun))
	})
}

// changed yields the entries that match the filter of changes, those that came
// into sight without being changed, those that refer to them, and who is gone.
// next tells the new watermark when all of that has been read.
func (r *reader) changed(filter string, next func() provision.Watermark) error {
	// This comes first, as what is yielded becomes known at once.
	now, err := r.compare()
	if err != nil {
		return err
	}
	r.done = map[uint64]names{}
	for _, t := range objectTypes {
		if r.server.filter(t) == "" {
			continue
		}
		err := r.pages(r.subtree(both(r.server.filter(t), filter), r.wanted()...), func(entries []*ldapv3.Entry) error {
			return r.emit(t, entries)
		})
		if err != nil {
			return err
		}
	}
	if err := r.arrive(now.arrived); err != nil {
		return err
	}
	return r.finish(now.gone, next())
}

// manyArrivals is from how many new entries on to read everything rather than
// to look for those who refer to them.
const manyArrivals = 2000

// A comparison is the difference between who is there and who is known.
type comparison struct {
	arrived []arrival
	gone    []provision.Change
}

// An arrival is an entry that was not known before.
type arrival struct {
	typ provision.ObjectType
	id  string
	dn  string
}

// compare asks for the IDs of all entries and holds them against those known.
// It costs some 60 bytes of answer and 16 of memory per entry.
func (r *reader) compare() (*comparison, error) {
	present := map[uint64]bool{} // known ones, and whether they were seen
	for o, err := range r.source.known(r.ctx) {
		if err != nil {
			return nil, err
		}
		if o.Removed == provision.NotRemoved {
			present[r.key(o.Type, o.ID)] = false
		}
	}
	c := &comparison{}
	people := 0
	for _, t := range objectTypes {
		if r.server.filter(t) == "" {
			continue
		}
		attributes := idAttributes(r.server)
		err := r.pages(r.subtree(r.server.filter(t), attributes...), func(entries []*ldapv3.Entry) error {
			for _, e := range entries {
				id := r.id(e)
				key := r.key(t, id)
				if _, known := present[key]; known {
					present[key] = true
				} else {
					c.arrived = append(c.arrived, arrival{typ: t, id: id, dn: e.DN})
				}
			}
			if t == provision.User {
				people += len(entries)
			}
			if len(c.arrived) > manyArrivals {
				return provision.ErrWatermarkExpired
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if people == 0 {
		return nil, r.nobody()
	}
	for o, err := range r.source.known(r.ctx) {
		if err != nil {
			return nil, err
		}
		if seen, ok := present[r.key(o.Type, o.ID)]; ok && !seen && o.Removed == provision.NotRemoved {
			c.gone = append(c.gone, provision.Change{Object: &provision.Object{Type: o.Type, ID: o.ID}, Removed: provision.RemovedHard})
		}
	}
	return c, nil
}

// idAttributes are what to ask for to learn no more than IDs.
func idAttributes(v *server) []string {
	if v.idAttribute == "" {
		return []string{"1.1"} // none (RFC 4511 section 4.5.1.8)
	}
	return []string{v.idAttribute}
}

// arrive yields new entries that have not been yielded, and the entries that
// refer to any of the new ones: their references could not be resolved before.
func (r *reader) arrive(arrived []arrival) error {
	byType := map[provision.ObjectType][]arrival{}
	for _, a := range arrived {
		if _, done := r.done[r.key(a.typ, a.id)]; !done {
			byType[a.typ] = append(byType[a.typ], a)
		}
	}
	for _, t := range objectTypes {
		err := batches(byType[t], nameBatch, func(list []arrival) error {
			ids := make([]string, len(list))
			for i, a := range list {
				ids[i] = a.id
				if r.server.idAttribute == "" {
					ids[i] = a.dn
				}
			}
			return r.fetch(t, ids)
		})
		if err != nil {
			return err
		}
	}
	return r.referrers(arrived)
}

// fetch yields the entries of a type with the given IDs, as far as they match
// the type's filter.
func (r *reader) fetch(t provision.ObjectType, ids []string) error {
	filter := r.server.filter(t)
	if filter == "" {
		return nil
	}
	if r.server.idAttribute == "" {
		for _, dn := range ids {
			req := base(dn, r.wanted()...)
			req.Filter = filter
			entries, err := r.search(req)
			if err != nil && !isCode(err, ldapv3.LDAPResultNoSuchObject) {
				return err
			}
			if err := r.emit(t, entries); err != nil {
				return err
			}
		}
		return nil
	}
	return batches(ids, nameBatch, func(ids []string) error {
		var any strings.Builder
		any.WriteString("(|")
		for _, id := range ids {
			if f, ok := r.server.idFilter(id); ok {
				any.WriteString(f)
			}
		}
		return r.pages(r.subtree(both(filter, any.String()+")"), r.wanted()...), func(entries []*ldapv3.Entry) error {
			return r.emit(t, entries)
		})
	})
}

// referrerBatch is how many names are looked for in references at a time. It is
// small, as each stands in the filter once for every attribute that refers.
const referrerBatch = 25

// referrers yields the entries, not yielded yet, that name one of the new ones
// as manager or member.
func (r *reader) referrers(arrived []arrival) error {
	return batches(arrived, referrerBatch, func(list []arrival) error {
		people, groups := "(|", "(|"
		for _, a := range list {
			its, ok := r.done[r.key(a.typ, a.id)]
			if !ok {
				its.dn = a.dn // removed again; nobody refers to it by another name
			}
			dn := ldapv3.EscapeFilter(its.dn)
			people += "(" + r.source.managerFrom + "=" + dn + ")"
			groups += "(member=" + dn + ")"
			if !r.server.activeDirectory {
				groups += "(uniqueMember=" + dn + ")"
				if its.uid != "" {
					groups += "(memberUid=" + ldapv3.EscapeFilter(its.uid) + ")"
				}
			}
		}
		for _, t := range objectTypes {
			any := people + ")"
			if t == provision.Group {
				any = groups + ")"
			}
			if r.server.filter(t) == "" {
				continue
			}
			err := r.pages(r.subtree(both(r.server.filter(t), any), r.wanted()...), func(entries []*ldapv3.Entry) error {
				return r.emit(t, r.undone(t, entries))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// undone leaves out what has been yielded.
func (r *reader) undone(t provision.ObjectType, entries []*ldapv3.Entry) []*ldapv3.Entry {
	return slices.DeleteFunc(entries, func(e *ldapv3.Entry) bool {
		_, done := r.done[r.key(t, r.id(e))]
		return done
	})
}

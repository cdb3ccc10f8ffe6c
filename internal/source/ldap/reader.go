package ldap

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// attempts is how often something is asked for when the connection breaks.
const attempts = 4

// errStopped says that the caller has left the loop over the pages.
var errStopped = errors.New("the caller wants no more pages")

// A reader carries one call of a [Source] out. It connects again when the
// connection breaks.
type reader struct {
	source *Source
	ctx    context.Context
	ses    *session
	server *server // of the first session
	record attribute.LDAPEntry
	refs   references
	yield  func(provision.Page, error) bool
	// done is what this read has yielded, by key; nil when nobody asks.
	done map[uint64]names
	seed maphash.Seed
	// newest is the latest modifyTimestamp that was seen.
	newest   time.Time
	people   int // yielded
	pageSize int
}

// names are those by which other entries refer to one.
type names struct{ dn, uid string }

// open connects. The reader must be closed.
func (s *Source) open(ctx context.Context) (*reader, error) {
	ses, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	r := &reader{source: s, ctx: ctx, ses: ses, server: ses.server, seed: maphash.MakeSeed(), pageSize: s.config.PageSize}
	r.refs.reader = r
	return r, nil
}

func (r *reader) close() { r.ses.close() }

// key returns a key of an object for sets that live no longer than the reader.
func (r *reader) key(t provision.ObjectType, id string) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	_, _ = h.WriteString(string(t))
	_ = h.WriteByte(0)
	_, _ = h.WriteString(id)
	return h.Sum64()
}

// reconnect replaces a broken session, waiting longer before each try.
func (r *reader) reconnect(attempt int) error {
	r.ses.close()
	select {
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-time.After(r.source.backoff << (attempt - 1)):
	}
	ses, err := r.source.connect(r.ctx)
	if err != nil {
		return err
	}
	r.ses = ses
	if ses.controller != r.server.controller || ses.invocation != r.server.invocation || ses.baseID != r.server.baseID {
		return &Error{Server: r.source.label(), Step: StepConnect, Err: errors.New("the connection was lost, and another server answered in its place"),
			Advice: "the next cycle reads from the one that answers then"}
	}
	return nil
}

// again carries fn out, and repeats it on a new connection when the one it used
// broke.
func (r *reader) again(step Step, fn func() error) error {
	for attempt := 1; ; attempt++ {
		err := fn()
		if err == nil || errors.Is(err, errStopped) || errors.Is(err, provision.ErrWatermarkExpired) {
			return err
		}
		if r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		var own *Error
		if errors.As(err, &own) || !isLost(err) || attempt == attempts {
			return r.source.fail(r.ctx, step, err)
		}
		for {
			lost := r.reconnect(attempt)
			if lost == nil {
				break
			}
			if own = nil; !errors.As(lost, &own) || own.Step != StepConnect || !isLost(own.Err) || attempt == attempts-1 {
				return lost
			}
			attempt++
		}
	}
}

// search asks for something that fits into one answer.
func (r *reader) search(req *ldapv3.SearchRequest) ([]*ldapv3.Entry, error) {
	var entries []*ldapv3.Entry
	err := r.again(StepSearch, func() error {
		res, err := r.ses.Search(req)
		if err != nil {
			return err
		}
		entries = res.Entries
		return nil
	})
	return entries, err
}

// pages asks for all entries that match, a page at a time. When the connection
// breaks it begins again, as no server lets another connection go on with a
// search: fn then gets entries a second time.
func (r *reader) pages(req ldapv3.SearchRequest, fn func([]*ldapv3.Entry) error) error {
	return r.again(StepSearch, func() error {
		return r.ses.pages(req, r.pageSize, func(entries []*ldapv3.Entry) error {
			// What goes wrong in fn is not for the connection to mend.
			if err := fn(entries); err != nil {
				return r.own(err)
			}
			return nil
		})
	})
}

// own keeps an error from being taken for one of the connection.
func (r *reader) own(err error) error {
	var e *Error
	if errors.Is(err, errStopped) || errors.Is(err, provision.ErrWatermarkExpired) || errors.As(err, &e) || r.ctx.Err() != nil {
		return err
	}
	return &Error{Server: r.source.label(), Step: StepSearch, Err: err}
}

// pages carries one paged search out (RFC 2696), on a server without paging an
// ordinary one.
func (s *session) pages(req ldapv3.SearchRequest, size int, fn func([]*ldapv3.Entry) error) error {
	paging := ldapv3.NewControlPaging(uint32(size))
	extra := req.Controls
	for {
		req.Controls = extra
		if s.controls[ldapv3.ControlTypePaging] {
			req.Controls = append(slices.Clip(extra), paging)
		}
		res, err := s.Search(&req)
		if err != nil {
			return err
		}
		if err := fn(res.Entries); err != nil {
			return err
		}
		answer, _ := ldapv3.FindControl(res.Controls, ldapv3.ControlTypePaging).(*ldapv3.ControlPaging)
		if answer == nil || len(answer.Cookie) == 0 {
			return nil
		}
		paging.SetCookie(answer.Cookie)
	}
}

// subtree is the request for everything below the base that matches.
func (r *reader) subtree(filter string, attributes ...string) ldapv3.SearchRequest {
	return ldapv3.SearchRequest{BaseDN: r.server.base, Scope: ldapv3.ScopeWholeSubtree, Filter: filter, Attributes: attributes}
}

// filter returns the filter of an object type, "" when none of that type are read.
func (v *server) filter(t provision.ObjectType) string {
	if t == provision.Group {
		return v.groupFilter
	}
	return v.userFilter
}

// objectTypes are read in this order: groups refer to users as a rule.
var objectTypes = []provision.ObjectType{provision.User, provision.Group}

// id returns the ID of an entry.
func (r *reader) id(e *ldapv3.Entry) string {
	rec := &r.record
	rec.Reset(e.DN)
	for _, a := range e.Attributes {
		if len(a.Values) > 0 && equalName(r.server.idAttribute, a.Name) {
			rec.Add(a.Name, a.Values[0])
		}
	}
	return r.server.id(rec)
}

// id returns the ID of an entry: the attribute that identifies entries here, or
// else the distinguished name. Of several such attributes the same one is taken
// for all entries, as some of them may have come into use later.
func (v *server) id(rec *attribute.LDAPEntry) string {
	if id := rec.First(v.idAttribute); id != "" {
		return strings.ToLower(id)
	}
	if dn, ok := attribute.NormalDN(rec.DN); ok {
		return dn
	}
	return rec.DN
}

// both joins filters with and.
func both(filters ...string) string {
	var s strings.Builder
	s.WriteString("(&")
	for _, f := range filters {
		s.WriteString(f)
	}
	return s.String() + ")"
}

// batches calls fn with up to n elements of list at a time.
func batches[T any](list []T, n int, fn func([]T) error) error {
	for len(list) > 0 {
		k := min(n, len(list))
		if err := fn(list[:k]); err != nil {
			return err
		}
		list = list[k:]
	}
	return nil
}

// nobody is the error of a directory in which no person is to be seen. To take
// it as it stands would be to say that everybody has left.
func (r *reader) nobody() error {
	return &Error{Server: r.source.label(), Step: StepSearch,
		Err:    fmt.Errorf("nobody below %q matches %s", r.server.base, r.server.userFilter),
		Advice: "check baseDN, userFilter and the right of bindDN to read there; an empty directory would remove everybody"}
}

// equalName compares a name in lower case with another in any.
func equalName(lower, name string) bool {
	return len(lower) == len(name) && strings.EqualFold(lower, name)
}

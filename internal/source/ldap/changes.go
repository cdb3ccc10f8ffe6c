package ldap

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"strconv"
	"time"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/provision"
)

// Changes yields what changed since the watermark, or everything; see the
// package's documentation. What cannot be read of an entry is a
// [provision.Problem], and the rest of it goes in. Changes fails with an [Error]
// when the directory cannot be read, when its limits cut the answer short, and
// when nobody at all is to be seen in it.
func (s *Source) Changes(ctx context.Context, since provision.Watermark) iter.Seq2[provision.Page, error] {
	return func(yield func(provision.Page, error) bool) {
		if err := s.changes(ctx, since, yield); err != nil && !errors.Is(err, errStopped) {
			yield(provision.Page{}, err)
		}
	}
}

func (s *Source) changes(ctx context.Context, since provision.Watermark, yield func(provision.Page, error) bool) error {
	r, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	r.yield = yield
	if since == "" {
		return r.everything()
	}
	w, ok := parseWatermark(since)
	if !ok || w.identity != s.identity(r.server, w.method) || s.config.Changes != Auto && s.config.Changes != w.method {
		return provision.ErrWatermarkExpired
	}
	if s.known == nil {
		return r.everything()
	}
	switch w.method {
	case CSN:
		return r.byCSN(w)
	case Timestamp:
		return r.byTimestamp(w)
	case USN:
		return r.byUSN(w)
	case DirSync:
		return r.byDirSync(w)
	default:
		return r.everything()
	}
}

// mark encodes a watermark of the server.
func (r *reader) mark(method Method, mark string) provision.Watermark {
	return watermark{method, r.source.identity(r.server, method), mark}.encode()
}

// everything reads the whole directory. Where the next read begins is settled
// before the first entry is asked for, so that what changes meanwhile is read
// again rather than missed.
func (r *reader) everything() error {
	begun := time.Now()
	method, mark, err := r.begin()
	if err != nil {
		return err
	}
	for _, t := range objectTypes {
		if r.server.filter(t) == "" {
			continue
		}
		err := r.pages(r.subtree(r.server.filter(t), r.wanted()...), func(entries []*ldapv3.Entry) error {
			return r.emit(t, entries)
		})
		if err != nil {
			return err
		}
		if t == provision.User && r.people == 0 {
			return r.nobody()
		}
	}
	page := provision.Page{Complete: true}
	if r.source.known != nil && r.server.activeDirectory {
		if page.Changes, err = r.restorable(); err != nil {
			return err
		}
	}
	if method == Timestamp {
		if mark = stamp(r.newest, begun); mark == "" {
			method = Full // the times may not be read
		}
	}
	if method == Full {
		mark = "-"
	}
	page.Next = r.mark(method, mark)
	return r.hand(page)
}

// method settles how the next read finds changes.
func (r *reader) method() (Method, error) {
	v, want := r.server, r.source.config.Changes
	if want == DirSync || want == Auto && v.activeDirectory && v.controls[ldapv3.ControlTypeDirSync] {
		_, _, _, err := r.dirSyncPage(nil, "objectGUID")
		switch {
		case err == nil:
			return DirSync, nil
		case want == DirSync || !isCode(err, ldapv3.LDAPResultInsufficientAccessRights, ldapv3.LDAPResultUnwillingToPerform, ldapv3.LDAPResultUnavailableCriticalExtension):
			return "", r.dirSyncRefused(err)
		}
	}
	if want == USN && v.highestUSN == 0 {
		return "", &Error{Server: r.source.label(), Step: StepConnect, Err: errors.New("the root entry has no highestCommittedUSN"),
			Advice: "leave changes out, or set it to timestamp: this is not Active Directory"}
	}
	if want == USN || want == Auto && v.activeDirectory && v.highestUSN > 0 {
		return USN, nil
	}
	if want == CSN || want == Auto {
		switch _, err := r.contextCSN(); {
		case err == nil:
			return CSN, nil
		case want == CSN || !errors.Is(err, errNoCSN):
			return "", err
		}
	}
	if want == Full {
		return Full, nil
	}
	return Timestamp, nil
}

// begin returns from where on the next read finds changes.
func (r *reader) begin() (method Method, mark string, err error) {
	if r.source.known == nil {
		return Full, "", nil
	}
	if method, err = r.method(); err != nil {
		return "", "", err
	}
	switch method {
	case DirSync:
		var cookie []byte
		_, cookie, err = r.dirSync(nil, "objectGUID")
		mark = base64.RawURLEncoding.EncodeToString(cookie)
	case USN:
		mark = strconv.FormatUint(r.server.highestUSN, 10)
	case CSN:
		var now vector
		now, err = r.contextCSN()
		mark = now.encode()
	}
	return method, mark, err
}

// finish yields removals, and with the last of them the watermark.
func (r *reader) finish(gone []provision.Change, next provision.Watermark) error {
	for len(gone) > r.pageSize {
		if err := r.hand(provision.Page{Changes: gone[:r.pageSize]}); err != nil {
			return err
		}
		gone = gone[r.pageSize:]
	}
	return r.hand(provision.Page{Changes: gone, Next: next})
}

// stamp returns the later of two times for which nothing that was seen is later
// than the clock here: an entry that a wrong clock has put into the future must
// not hide what comes before.
func stamp(newest, begun time.Time) string {
	if newest.IsZero() {
		return ""
	}
	if newest.After(begun) {
		newest = begun
	}
	return newest.UTC().Format(stampForm)
}

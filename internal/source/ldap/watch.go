package ldap

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	ldapv3 "github.com/go-ldap/ldap/v3"
)

const (
	// settleTime is how long to wait for more changes before one is announced.
	settleTime = 500 * time.Millisecond
	// maxWait is the longest time between two tries to connect again.
	maxWait = time.Minute
)

// A watchKind is a way in which a server announces changes.
type watchKind uint8

const (
	watchNone         watchKind = iota
	watchSync                   // refreshAndPersist of RFC 4533
	watchNotification           // change notifications of Active Directory (MS-ADTS 3.1.1.3.4.1.9)
	watchPersistent             // persistent search
)

func (k watchKind) String() string {
	return [...]string{"", "sync", "notification", "persistent search"}[k]
}

// watchKind returns the best way that the server offers.
func (v *server) watchKind() watchKind {
	switch {
	case v.controls[oidSync]:
		return watchSync
	case v.activeDirectory && v.controls[ldapv3.ControlTypeMicrosoftNotification]:
		return watchNotification
	case v.controls[oidPersistentSearch]:
		return watchPersistent
	}
	return watchNone
}

// Watch returns a channel that gets a value soon after something changed below
// the base: the server announces it by RFC 4533 (OpenLDAP with syncprov), by
// Active Directory's change notification or by a persistent search (389
// Directory Server and its kin). When the connection breaks it is made again,
// and a value says that changes may have been missed meanwhile. A change that
// nobody has taken notice of yet is not announced twice. A server that announces
// nothing leaves the channel silent: the interval of the app has to do. The
// channel is closed when ctx is done.
func (s *Source) Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	go func() {
		defer close(changed)
		s.watch(ctx, changed)
		<-ctx.Done()
	}()
	return changed
}

// watch announces changes until ctx is done or the server has no way of it.
func (s *Source) watch(ctx context.Context, changed chan<- struct{}) {
	wait, missed, cookies := s.backoff, false, true
	for {
		listening, err := s.listen(ctx, missed, cookies, changed)
		if err == nil || ctx.Err() != nil {
			return
		}
		if isCode(err, ldapv3.LDAPResultSyncRefreshRequired) {
			cookies = false // this server's are good for the search that gave them
		} else if listening {
			wait, missed = s.backoff, true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait + rand.N(wait/2+1)):
		}
		wait = min(2*wait, maxWait)
	}
}

// listen announces changes until the connection breaks; nil means that the
// server announces none. listening: it did so for some time.
func (s *Source) listen(ctx context.Context, missed, cookies bool, changed chan<- struct{}) (listening bool, err error) {
	ses, err := s.connect(ctx)
	if err != nil {
		return false, err
	}
	defer ses.close()
	kind := ses.watchKind()
	if kind == watchNone {
		return false, nil
	}
	events, catchingUp, err := ses.events(ctx, kind, cookies)
	if errors.Is(err, errNoSync) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	news := make(chan struct{}, 1)
	done := make(chan struct{})
	defer close(done)
	go settle(done, news, changed)
	tell := func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	if missed {
		tell()
	}
	for events.Next() {
		switch {
		case catchingUp:
			catchingUp = !isCaughtUp(events)
		case isNews(kind, events):
			tell()
		}
	}
	if err := events.Err(); err != nil {
		return true, err
	}
	// No reason to believe that it would go on for longer another time, or that
	// something was missed.
	return false, errors.New("the server has ended the search that announces changes")
}

// settle passes news on once it has been quiet for a moment.
func settle(done <-chan struct{}, news <-chan struct{}, changed chan<- struct{}) {
	timer := time.NewTimer(settleTime)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-done:
			return
		case <-news:
			timer.Reset(settleTime)
			continue
		case <-timer.C:
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// events begins the search that announces changes. catchingUp: it names every
// entry first.
func (s *session) events(ctx context.Context, kind watchKind, cookies bool) (_ ldapv3.Response, catchingUp bool, _ error) {
	var cookie []byte
	if kind == watchSync && cookies {
		var err error
		if cookie, err = s.syncCookie(ctx); err != nil {
			return nil, false, err
		}
	}
	// Waiting for a change has no time-out. A peer that is gone without a word is
	// found by the keep-alive of TCP.
	s.SetTimeout(0)
	req := &ldapv3.SearchRequest{BaseDN: s.base, Scope: ldapv3.ScopeWholeSubtree, Filter: s.eitherFilter(), Attributes: []string{"1.1"}}
	// No buffer: a burst waits in the connection.
	const buffer = 0
	switch kind {
	case watchNotification:
		// It takes no other filter, and a whole subtree only from its root.
		req.BaseDN, req.Filter, req.Attributes = s.root, "(objectClass=*)", []string{"objectGUID"}
		req.Controls = []ldapv3.Control{ldapv3.NewControlMicrosoftNotification()}
		return s.SearchAsync(ctx, req, buffer), false, nil
	case watchPersistent:
		req.Controls = []ldapv3.Control{persistentSearch()}
		return s.SearchAsync(ctx, req, buffer), false, nil
	default:
		return s.Syncrepl(ctx, req, buffer, ldapv3.SyncRequestModeRefreshAndPersist, cookie, false), len(cookie) == 0, nil
	}
}

// errNoSync says that a server which knows the control of RFC 4533 does not
// carry it out for the base: OpenLDAP without the overlay syncprov.
var errNoSync = errors.New("the server does not announce changes below the base")

// syncCookie asks for the state of the directory, so that the search that waits
// for changes need not name every entry first.
func (s *session) syncCookie(ctx context.Context) ([]byte, error) {
	answer := s.Syncrepl(ctx, base(s.base, "1.1"), 0, ldapv3.SyncRequestModeRefreshOnly, nil, false)
	var cookie []byte
	offered := false
	for answer.Next() {
		if done, ok := ldapv3.FindControl(answer.Controls(), ldapv3.ControlTypeSyncDone).(*ldapv3.ControlSyncDone); ok {
			cookie, offered = done.Cookie, true
		}
	}
	if answer.Err() == nil && !offered && ctx.Err() == nil {
		return nil, errNoSync
	}
	return cookie, answer.Err()
}

// isNews reports whether an event may mean a change. What a server sends while
// it catches up counts too: with a cookie it is what changed just now.
func isNews(kind watchKind, e ldapv3.Response) bool {
	if e.Entry() != nil {
		return true
	}
	if kind != watchSync {
		return false
	}
	info, ok := ldapv3.FindControl(e.Controls(), ldapv3.ControlTypeSyncInfo).(*ldapv3.ControlSyncInfo)
	return ok && info.SyncIdSet != nil
}

// isCaughtUp reports whether an event ends the first stage of RFC 4533.
func isCaughtUp(e ldapv3.Response) bool {
	info, ok := ldapv3.FindControl(e.Controls(), ldapv3.ControlTypeSyncInfo).(*ldapv3.ControlSyncInfo)
	return ok && (info.RefreshDelete != nil && info.RefreshDelete.RefreshDone || info.RefreshPresent != nil && info.RefreshPresent.RefreshDone)
}

// persistentSearch is the control that makes a search go on with changes of
// every kind (add 1, delete 2, modify 4, rename 8), without the entries as they
// are now and without controls in the answers:
// SEQUENCE { changeTypes 15, changesOnly TRUE, returnECs FALSE }.
func persistentSearch() ldapv3.Control {
	return ldapv3.NewControlString(oidPersistentSearch, true, "\x30\x09\x02\x01\x0f\x01\x01\xff\x01\x01\x00")
}

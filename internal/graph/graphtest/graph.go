package graphtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lockstep/internal/graph"
)

// A Graph is the fake. Its zero value is not ready; use [New].
type Graph struct {
	mu       sync.Mutex
	users    map[string]*object
	groups   map[string]*object
	sps      map[string]*graph.ServicePrincipal
	assigned map[string][]graph.AppRoleAssignment
	subs     map[string]*graph.Subscription
	events   []event
	rounds   map[string]*round
	forgot   int // rounds and delta tokens up to this event are no longer known
	seq      int

	tokens   map[string]time.Time
	denied   map[string]bool
	scripted map[string][]*reply
	requests []string
	frozen   map[string][]string // members as a lagging replica knows them
	faults   func(*http.Request) *Fault

	// Quirks are the liberties that delta answers take. Set them before use.
	Quirks Quirks
	// PageSize is the number of entries on a page, 100 by default.
	PageSize int
	// Tenant, ClientID and ClientSecret are what the token endpoint knows.
	Tenant, ClientID, ClientSecret string
	// Certificates are PEM certificates that client assertions may be signed for.
	Certificates [][]byte
	// TokenLife is how long tokens are good for, an hour by default.
	TokenLife time.Duration
}

// Quirks are liberties of delta answers, all documented.
type Quirks struct {
	// Rand decides where the others strike; nil strikes nowhere.
	Rand *rand.Rand
	// Shuffle gives entries in any order.
	Shuffle bool
	// Repeat gives some entries twice.
	Repeat bool
	// EmptyPages puts pages without entries between others.
	EmptyPages bool
	// MembersPerEntry splits the members of one group over several entries.
	MembersPerEntry int
	// SilentManager leaves manager@delta out of later rounds.
	SilentManager bool
	// Contradict lists some objects as they were, too: as gone beside as there.
	Contradict bool
	// LateManager tells managers in entries of their own in the first round.
	LateManager bool
}

// A Fault is what happens to a request instead of an answer.
type Fault struct {
	// Drop closes the connection; otherwise Status, Header and Body answer.
	Drop   bool
	Status int
	Header map[string]string
	Body   string
}

type state uint8

const (
	live state = iota
	recycled
	purged
)

// An object is a user or group with all its properties.
type object struct {
	id      string
	props   map[string]any
	manager string
	members map[string]bool
	state   state
	moved   bool // has been in the recycle bin
}

// An event is one change. prop is the property or relation that changed, or
// "*" for the object as a whole.
type event struct {
	group bool
	id    string
	prop  string
	other string // the member or manager
	gone  bool   // the relation ended
}

// New returns a Graph of an empty tenant in which all permissions are granted.
func New() *Graph {
	return &Graph{
		users: map[string]*object{}, groups: map[string]*object{}, sps: map[string]*graph.ServicePrincipal{},
		assigned: map[string][]graph.AppRoleAssignment{}, subs: map[string]*graph.Subscription{}, rounds: map[string]*round{},
		tokens: map[string]time.Time{}, denied: map[string]bool{}, scripted: map[string][]*reply{}, frozen: map[string][]string{},
		PageSize: 100, Tenant: "5c1e2d90-7f3b-4c65-9d1a-2b7f5d6a8e01", ClientID: "8a1f0f5e-4f0c-4b2e-9a35-1c2d3e4f5a6b",
		ClientSecret: "s3cret~value", TokenLife: time.Hour,
	}
}

// Start serves g over HTTP on loopback until the test ends and returns its root
// URL, for both Graph and the token endpoint.
func (g *Graph) Start(tb testing.TB) string {
	tb.Helper()
	s := httptest.NewServer(g)
	tb.Cleanup(s.Close)
	return s.URL
}

// ID returns a GUID made of a kind and a number, so that tests can be read.
func ID(kind, n int) string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, n)
}

// PutUser creates a user or changes the given properties; nil clears one.
func (g *Graph) PutUser(id string, props map[string]any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(g.users, false, id, props)
}

// PutGroup creates a group or changes the given properties; nil clears one.
func (g *Graph) PutGroup(id string, props map[string]any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(g.groups, true, id, props)
}

func (g *Graph) put(all map[string]*object, group bool, id string, props map[string]any) {
	o := all[id]
	if o == nil {
		o = &object{id: id, props: map[string]any{}, members: map[string]bool{}}
		all[id] = o
		g.event(event{group: group, id: id, prop: "*"})
	}
	for _, name := range slices.Sorted(maps.Keys(props)) {
		o.props[name] = props[name]
		g.event(event{group: group, id: id, prop: name})
	}
}

func (g *Graph) event(e event) { g.events = append(g.events, e) }

// SetManager gives a user a manager; "" takes the manager away.
func (g *Graph) SetManager(id, manager string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.users[id]
	if u == nil || u.manager == manager {
		return
	}
	if u.manager != "" {
		g.event(event{id: id, prop: "manager", other: u.manager, gone: true})
	}
	if u.manager = manager; manager != "" {
		g.event(event{id: id, prop: "manager", other: manager})
	}
}

// AddMember and RemoveMember change the direct members of a group.
func (g *Graph) AddMember(group, member string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if o := g.groups[group]; o != nil && !o.members[member] {
		o.members[member] = true
		g.event(event{group: true, id: group, prop: "members", other: member})
	}
}

// RemoveMember takes a direct member out of a group.
func (g *Graph) RemoveMember(group, member string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if o := g.groups[group]; o != nil && o.members[member] {
		delete(o.members, member)
		g.event(event{group: true, id: group, prop: "members", other: member, gone: true})
	}
}

// Delete puts a user or group into the recycle bin. It leaves its groups, and
// whoever it managed loses the manager.
func (g *Graph) Delete(id string) { g.move(id, live, recycled) }

// Restore takes an object out of the recycle bin.
func (g *Graph) Restore(id string) { g.move(id, recycled, live) }

// Purge removes an object for good.
func (g *Graph) Purge(id string) {
	g.move(id, live, recycled)
	g.move(id, recycled, purged)
}

func (g *Graph) move(id string, from, to state) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, all := range []map[string]*object{g.users, g.groups} {
		o := all[id]
		if o == nil || o.state != from {
			continue
		}
		o.state, o.moved = to, true
		_, group := g.groups[id]
		g.event(event{group: group, id: id, prop: "*"})
		if from != live {
			return
		}
		for _, gid := range slices.Sorted(maps.Keys(g.groups)) {
			if x := g.groups[gid]; x.members[id] {
				delete(x.members, id)
				g.event(event{group: true, id: gid, prop: "members", other: id, gone: true})
			}
		}
		for _, uid := range slices.Sorted(maps.Keys(g.users)) {
			if x := g.users[uid]; x.manager == id {
				x.manager = ""
				g.event(event{id: uid, prop: "manager", other: id, gone: true})
			}
		}
		return
	}
}

// Forget makes every link given so far unknown: they answer 410.
func (g *Graph) Forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.event(event{})
	g.forgot = len(g.events)
	clear(g.rounds)
}

// Freeze makes readings of a group's members answer with what they are now,
// whatever happens to them, as a replica does that lags behind. Thaw ends it.
func (g *Graph) Freeze(group string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.frozen[group] = slices.Sorted(maps.Keys(g.groups[group].members))
}

// Thaw ends what Freeze began.
func (g *Graph) Thaw(group string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.frozen, group)
}

// PutServicePrincipal creates or replaces an enterprise application.
func (g *Graph) PutServicePrincipal(sp *graph.ServicePrincipal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sps[sp.ID] = sp
}

// Assign gives a principal access to an enterprise application.
func (g *Graph) Assign(servicePrincipal string, a graph.AppRoleAssignment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a.ID, a.ResourceID = fmt.Sprint("assignment-", len(g.assigned[servicePrincipal])), servicePrincipal
	g.assigned[servicePrincipal] = append(g.assigned[servicePrincipal], a)
}

// Deny withdraws application permissions such as User.Read.All.
func (g *Graph) Deny(permissions ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range permissions {
		g.denied[p] = true
	}
}

// RevokeTokens makes every token given so far worthless.
func (g *Graph) RevokeTokens() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.tokens)
}

// Inject asks f about every request to Graph (not to the token endpoint) before
// it is answered; nil from f lets it pass. f is called by one request at a time.
func (g *Graph) Inject(f func(*http.Request) *Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = f
}

// Requests returns method and path, with query, of every request so far, in
// order, those to the token endpoint aside.
func (g *Graph) Requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.requests)
}

// Subscriptions returns the subscriptions there are, by ID.
func (g *Graph) Subscriptions() map[string]graph.Subscription {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := map[string]graph.Subscription{}
	for id, s := range g.subs {
		all[id] = *s
	}
	return all
}

// A Truth is a user or group as it is, to compare a reading with.
type Truth struct {
	Properties map[string]any
	Manager    string
	Members    []string
	Recycled   bool
}

// Users returns every user that is there or in the recycle bin.
func (g *Graph) Users() map[string]Truth {
	g.mu.Lock()
	defer g.mu.Unlock()
	return truths(g.users)
}

// Groups returns every group that is there or in the recycle bin.
func (g *Graph) Groups() map[string]Truth {
	g.mu.Lock()
	defer g.mu.Unlock()
	return truths(g.groups)
}

func truths(all map[string]*object) map[string]Truth {
	t := map[string]Truth{}
	for id, o := range all {
		if o.state != purged {
			t[id] = Truth{maps.Clone(o.props), o.manager, slices.Sorted(maps.Keys(o.members)), o.state == recycled}
		}
	}
	return t
}

// typeOf returns the @odata.type of an object by its ID.
func (g *Graph) typeOf(id string) string {
	switch {
	case g.users[id] != nil:
		return graph.TypeUser
	case g.groups[id] != nil:
		return graph.TypeGroup
	case strings.HasPrefix(id, "device"):
		return "#microsoft.graph.device"
	}
	return graph.TypeServicePrincipal
}

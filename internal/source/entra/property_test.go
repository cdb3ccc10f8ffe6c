package entra_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lockstep/internal/graph/graphtest"
	"lockstep/internal/provision"
	"lockstep/internal/secret"
	"lockstep/internal/source/entra"
)

// A copy is what an engine knows of a tenant: it stores what a source yields,
// as the ledger does.
type copied struct {
	objects map[provision.ObjectType]map[string]*provision.Object
	removed map[string]provision.Removal
	seen    map[string]bool
	mark    provision.Watermark
	pages   int
	total   int
	// between happens between two pages.
	between func()
}

func newCopy() *copied {
	return &copied{objects: map[provision.ObjectType]map[string]*provision.Object{provision.User: {}, provision.Group: {}}, removed: map[string]provision.Removal{}}
}

// read takes in what changed. stop, if positive, is after how many pages it
// breaks off. An expired watermark leads to a full reading, as in the engine.
func (c *copied) read(ctx context.Context, s provision.Source, stop int) error {
	err := c.once(ctx, s, stop)
	if errors.Is(err, provision.ErrWatermarkExpired) {
		c.mark = ""
		err = c.once(ctx, s, 0)
	}
	return err
}

func (c *copied) once(ctx context.Context, s provision.Source, stop int) error {
	c.seen, c.pages = map[string]bool{}, 0
	for p, err := range s.Changes(ctx, c.mark) {
		if err != nil {
			return err
		}
		if len(p.Problems) > 0 {
			return fmt.Errorf("problems: %v", p.Problems)
		}
		c.total = max(c.total, p.Total)
		for _, ch := range p.Changes {
			id := ch.Object.ID
			c.seen[id] = true
			if ch.Removed != provision.NotRemoved {
				c.removed[id] = ch.Removed
				continue
			}
			delete(c.removed, id)
			c.objects[ch.Object.Type][id] = ch.Object
		}
		if p.Complete {
			for _, all := range c.objects {
				for id := range all {
					if !c.seen[id] {
						c.removed[id] = provision.RemovedHard
					}
				}
			}
		}
		if p.Next != "" {
			c.mark = p.Next
		}
		if c.between != nil {
			c.between()
		}
		if c.pages++; c.pages == stop {
			return nil
		}
	}
	return nil
}

// differs compares the copy with the truth.
func (c *copied) differs(g *graphtest.Graph) string {
	type state struct {
		Name, Manager string
		Members       []string
	}
	got, want := map[string]state{}, map[string]state{}
	for _, all := range c.objects {
		for id, o := range all {
			if c.removed[id] == provision.NotRemoved {
				got[id] = state{o.Attributes["displayName"].String(), o.Attributes["manager"].String(), o.Members}
			}
		}
	}
	for _, all := range []map[string]graphtest.Truth{g.Users(), g.Groups()} {
		for id, t := range all {
			if t.Recycled {
				continue
			}
			name, _ := t.Properties["displayName"].(string)
			want[id] = state{name, t.Manager, t.Members}
		}
	}
	for id, s := range got {
		if len(s.Members) == 0 {
			s.Members = nil
			got[id] = s
		}
	}
	for id, s := range want {
		if len(s.Members) == 0 {
			s.Members = nil
			want[id] = s
		}
	}
	return cmp.Diff(want, got)
}

// base is where the in-process Graph seems to be.
const base = "http://127.0.0.1"

func newSource(tb testing.TB, g *graphtest.Graph, o entra.Options) *entra.Source {
	tb.Helper()
	c := entra.Config{TenantID: g.Tenant, ClientID: g.ClientID, LoginURL: base, GraphURL: base}
	client, err := c.Client(secret.NewText(g.ClientSecret), g.Transport(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	o.Graph, o.Tenant = client, g.Tenant
	s, err := entra.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestCopyFollowsTheTenant holds the law of this package: whatever happens to a
// tenant, and whatever liberties Graph takes in telling it, whoever reads from
// any point on ends with a true copy.
func TestCopyFollowsTheTenant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := history{
			seed: rapid.Uint64().Draw(rt, "seed"), pageSize: rapid.IntRange(1, 7).Draw(rt, "page size"),
			people: rapid.IntRange(2, 12).Draw(rt, "people"), cycles: rapid.IntRange(1, 8).Draw(rt, "cycles"),
			faults: rapid.Bool().Draw(rt, "faults"),
			quirks: graphtest.Quirks{
				Shuffle: rapid.Bool().Draw(rt, "shuffle"), Repeat: rapid.Bool().Draw(rt, "repeat"), EmptyPages: rapid.Bool().Draw(rt, "empty pages"),
				Contradict: rapid.Bool().Draw(rt, "contradict"), SilentManager: rapid.Bool().Draw(rt, "silent manager"), LateManager: rapid.Bool().Draw(rt, "late manager"),
				MembersPerEntry: rapid.IntRange(0, 3).Draw(rt, "members per entry"),
			},
		}
		var err error
		synctest.Test(t, func(t *testing.T) { err = h.play(t) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// A history is what happens to a tenant, all of it following from its seed.
type history struct {
	seed                     uint64
	pageSize, people, cycles int
	faults                   bool
	quirks                   graphtest.Quirks
}

func (h history) play(t *testing.T) error {
	rnd := rand.New(rand.NewPCG(h.seed, 1))
	g := graphtest.New()
	g.PageSize, g.Quirks, g.Quirks.Rand = h.pageSize, h.quirks, rnd
	people := h.people
	user := func() string { return graphtest.ID(1, rnd.IntN(people)) }
	group := func() string { return graphtest.ID(2, rnd.IntN(4)) }
	for i := range people {
		g.PutUser(graphtest.ID(1, i), map[string]any{"displayName": fmt.Sprint("user ", i), "accountEnabled": true})
	}
	for i := range 4 {
		g.PutGroup(graphtest.ID(2, i), map[string]any{"displayName": fmt.Sprint("group ", i)})
	}
	// Somebody always stays: a tenant without a user is not believed.
	leaver := func() string { return graphtest.ID(1, 1+rnd.IntN(people-1)) }
	change := func() {
		switch rnd.IntN(11) {
		case 0:
			id := user()
			if _, ok := g.Users()[id]; ok {
				g.PutUser(id, map[string]any{"displayName": fmt.Sprint("renamed ", rnd.IntN(1000))})
			}
		case 1, 2:
			g.SetManager(user(), user())
		case 3:
			g.SetManager(user(), "")
		case 4, 5, 6:
			g.AddMember(group(), user())
		case 7:
			g.RemoveMember(group(), user())
		case 8:
			g.Delete(leaver())
		case 9:
			g.Restore(user())
		case 10:
			if rnd.IntN(4) == 0 {
				g.Purge(leaver())
			} else if rnd.IntN(6) == 0 {
				g.Delete(group())
			} else if rnd.IntN(3) == 0 {
				g.Restore(group())
			}
		}
	}
	// Managers and members that are gone can be set in this fake; nothing that
	// the directory would allow, so they are taken out again.
	tidy := func() {
		users := g.Users()
		there := func(id string) bool { u, ok := users[id]; return ok && !u.Recycled }
		for id, u := range users {
			if u.Manager != "" && !there(u.Manager) {
				g.SetManager(id, "")
			}
		}
		for id, x := range g.Groups() {
			for _, m := range x.Members {
				if !there(m) {
					g.RemoveMember(id, m)
				}
			}
		}
	}
	if h.faults {
		g.Inject(func(*http.Request) *graphtest.Fault {
			switch rnd.IntN(20) {
			case 0:
				return &graphtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "3"}, Body: `{"error":{"code":"TooManyRequests","message":"slow down"}}`}
			case 1:
				return &graphtest.Fault{Drop: true}
			case 2:
				return &graphtest.Fault{Status: 503, Body: "<html>"}
			}
			return nil
		})
	}
	s := newSource(t, g, entra.Options{UserAttributes: []string{"displayName", "manager"}})
	c := newCopy()
	for step := range h.cycles {
		for range rnd.IntN(12) {
			change()
		}
		tidy()
		if rnd.IntN(8) == 0 {
			g.Forget()
		}
		if rnd.IntN(6) == 0 {
			g.RevokeTokens()
		}
		if rnd.IntN(4) == 0 {
			// Broken off after some pages, and something happens before it goes on.
			if err := c.read(t.Context(), s, 1+rnd.IntN(4)); err != nil {
				return fmt.Errorf("cycle %d, broken off: %w", step, err)
			}
			change()
			tidy()
		}
		c.between = func() {
			if rnd.IntN(3) == 0 {
				change()
				tidy()
			}
		}
		if err := c.read(t.Context(), s, 0); err != nil {
			return fmt.Errorf("cycle %d: %w", step, err)
		}
		c.between = nil
		// What happened between the pages of the round is told in the next one.
		if err := c.read(t.Context(), s, 0); err != nil {
			return fmt.Errorf("cycle %d, again: %w", step, err)
		}
		if d := c.differs(g); d != "" {
			return fmt.Errorf("cycle %d: the copy is not true (-want +got):\n%s\nrequests:\n%s", step, d, strings.Join(g.Requests(), "\n"))
		}
	}
	return nil
}

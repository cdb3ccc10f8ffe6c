package provision_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/store"
	"lockstep/internal/store/storetest"
)

// A world is a source in memory: what it says is the truth that the target must
// come to agree with.
type world struct {
	users   map[string]*human
	groups  map[string][]string
	version int
}

type human struct {
	name, title, manager string
	disabled             bool
}

func (w *world) Describe(context.Context) (*provision.DirectoryDefinition, error) {
	return &provision.DirectoryDefinition{}, nil
}

func (w *world) Lookup(context.Context, string) (*provision.Object, error) { return nil, nil }

func (w *world) Changes(_ context.Context, since provision.Watermark) iter.Seq2[provision.Page, error] {
	return func(yield func(provision.Page, error) bool) {
		next := provision.Watermark(fmt.Sprint("v", w.version))
		if since == next {
			yield(provision.Page{Next: next}, nil)
			return
		}
		var p provision.Page
		for _, id := range slices.Sorted(maps.Keys(w.users)) {
			h := w.users[id]
			o := &provision.Object{Type: provision.User, ID: id, Attributes: map[string]expression.Value{
				"userPrincipalName": expression.Text(h.name), "mail": expression.Text(h.name), "displayName": expression.Text(h.name),
				"jobTitle": expression.Text(h.title), "accountEnabled": expression.Bool(!h.disabled),
			}}
			if h.manager != "" {
				o.Attributes["manager"] = expression.Text(h.manager)
			}
			p.Changes = append(p.Changes, provision.Change{Object: o})
		}
		for _, id := range slices.Sorted(maps.Keys(w.groups)) {
			members := slices.Clone(w.groups[id])
			sort.Strings(members)
			p.Changes = append(p.Changes, provision.Change{Object: &provision.Object{Type: provision.Group, ID: id,
				Attributes: map[string]expression.Value{"displayName": expression.Text("group " + id)}, Members: members}})
		}
		p.Complete, p.Next = true, next
		yield(p, nil)
	}
}

// A target is a directory in memory behind a line that fails as lines do.
type target struct {
	dir           *scimtest.Directory
	users, groups *scim.ResourceType

	mu     sync.Mutex
	rand   *rand.Rand
	faulty float64
	calls  int
	writes int
}

func newTarget() *target {
	users, groups := scim.UserType(), scim.GroupType()
	return &target{dir: scimtest.NewDirectory(users, groups), users: users, groups: groups}
}

var errUnknown = &scim.Error{Type: scim.GatewayTimeout, Detail: "no answer"}

// before is called when a request is sent and after when it was carried out;
// either may lose it.
func (t *target) before(write bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	if write {
		t.writes++
	}
	if t.rand == nil || t.rand.Float64() >= t.faulty {
		return nil
	}
	switch t.rand.IntN(3) {
	case 0:
		return &scim.Error{Type: scim.Internal, Detail: "fault"}
	case 1:
		return &scim.Error{Type: scim.RateLimited, Detail: "fault"}
	default:
		return errUnknown
	}
}

func (t *target) after() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rand != nil && t.rand.Float64() < t.faulty/2 {
		return errUnknown
	}
	return nil
}

func (t *target) Describe(context.Context) (provision.Capabilities, error) {
	return provision.Capabilities{Patch: true, Groups: true}, t.before(false)
}

func (t *target) Types() (users, groups *scim.ResourceType) { return t.users, t.groups }

func (t *target) Find(ctx context.Context, rt *scim.ResourceType, path scim.Path, value string) ([]*scim.Resource, error) {
	if err := t.before(false); err != nil {
		return nil, err
	}
	p, err := t.dir.Query(ctx, rt, scim.Query{Filter: &scim.Comparison{Path: path, Op: scim.Eq, Value: value}, StartIndex: 1, Count: 10})
	if err != nil {
		return nil, err
	}
	return p.Resources, nil
}

func (t *target) Get(ctx context.Context, rt *scim.ResourceType, id string) (*scim.Resource, error) {
	if err := t.before(false); err != nil {
		return nil, err
	}
	return t.dir.Get(ctx, rt, id, scim.Projection{})
}

func (t *target) Create(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
	if err := t.before(true); err != nil {
		return nil, err
	}
	r, err := t.dir.Create(ctx, r)
	return r, errors.Join(err, t.after())
}

func (t *target) Update(ctx context.Context, rt *scim.ResourceType, id string, d provision.Delta) error {
	if err := t.before(true); err != nil {
		return err
	}
	_, err := t.dir.Update(ctx, rt, id, scim.Precondition{}, d.Apply)
	return errors.Join(err, t.after())
}

func (t *target) Delete(ctx context.Context, rt *scim.ResourceType, id string) error {
	if err := t.before(true); err != nil {
		return err
	}
	return errors.Join(t.dir.Delete(ctx, rt, id, scim.Precondition{}), t.after())
}

func (t *target) EditMembers(ctx context.Context, id string, add, remove []string) error {
	if err := t.before(true); err != nil {
		return err
	}
	members := func(ids []string) []scim.Member {
		var out []scim.Member
		for _, id := range ids {
			out = append(out, scim.Member{Value: id})
		}
		return out
	}
	_, err := t.dir.EditMembers(ctx, id, scim.Precondition{}, members(add), members(remove))
	return errors.Join(err, t.after())
}

func (t *target) List(ctx context.Context, rt *scim.ResourceType) iter.Seq2[*scim.Resource, error] {
	return func(yield func(*scim.Resource, error) bool) {
		if err := t.before(false); err != nil {
			yield(nil, err)
			return
		}
		p, err := t.dir.Query(ctx, rt, scim.Query{StartIndex: 1, Count: 1 << 20})
		if err != nil {
			yield(nil, err)
			return
		}
		for _, r := range p.Resources {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// TestConvergence is the engine's law: whatever happens to the source, whatever
// faults the line to the target has, and whenever a run is cut off, once the line
// works again the target holds what the rules demand, nobody twice, and a run
// after that asks nothing.
func TestConvergence(t *testing.T) { storetest.Each(t, testConvergence) }

func testConvergence(t *testing.T, db *store.DB) {
	schema, err := provision.Template("scim")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Mapping(provision.User).SetExpression("externalId", "[objectId]"); err != nil {
		t.Fatal(err)
	}
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		app := &provision.App{ID: fmt.Sprint("app", runs), Name: "test", Schema: schema, SyncAll: true, Guard: provision.Guard{}}
		if err := db.CreateApp(t.Context(), app); err != nil {
			rt.Fatal(err)
		}
		w := &world{users: map[string]*human{}, groups: map[string][]string{}}
		tg := newTarget()
		job, err := app.Job(tg.users, tg.groups)
		if err != nil {
			rt.Fatal(err)
		}
		e := &provision.Engine{Job: job, Source: w, Target: tg, Ledger: db.Ledger(app.ID), Concurrency: 3, Log: slog.New(slog.DiscardHandler)}
		// provisioned are people who were in the target at some time and still exist.
		provisioned := map[string]bool{}
		for range rapid.IntRange(1, 4).Draw(rt, "rounds") {
			edit(rt, w)
			tg.rand = rand.New(rand.NewPCG(1, rapid.Uint64().Draw(rt, "seed")))
			tg.faulty = rapid.SampledFrom([]float64{0, 0.1, 0.4}).Draw(rt, "faulty")
			cutOff(rt, e, tg)
			tg.rand = nil
			settle(rt, e)
			agree(rt, w, tg, provisioned)
			before := tg.calls
			if _, err := e.Run(t.Context()); err != nil {
				rt.Fatal(err)
			}
			if tg.calls != before {
				rt.Fatalf("a cycle without a change sent %d requests", tg.calls-before)
			}
		}
	})
}

// cutOff runs cycles over the faulty line, some of them ended by their context.
func cutOff(rt *rapid.T, e *provision.Engine, tg *target) {
	for range rapid.IntRange(0, 2).Draw(rt, "faulty runs") {
		ctx, cancel := context.WithCancel(context.Background())
		limit := rapid.IntRange(1, 60).Draw(rt, "cut off after")
		tg.mu.Lock()
		stop := tg.calls + limit
		tg.mu.Unlock()
		e.Progress = func(provision.Progress) {
			tg.mu.Lock()
			defer tg.mu.Unlock()
			if tg.calls >= stop {
				cancel()
			}
		}
		_, _ = e.Run(ctx)
		cancel()
		e.Progress = nil
	}
}

// settle runs cycles until one has nothing left to do.
func settle(rt *rapid.T, e *provision.Engine) {
	for range 6 {
		c, err := e.Run(context.Background())
		if err != nil {
			rt.Fatal(err)
		}
		if c.Counts.Changed == 0 && len(c.Counts.Failed) == 0 {
			return
		}
	}
	rt.Fatal("the engine does not come to rest")
}

func edit(rt *rapid.T, w *world) {
	w.version++
	id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g"})
	for range rapid.IntRange(1, 12).Draw(rt, "edits") {
		u := id.Draw(rt, "who")
		h := w.users[u]
		switch op := rapid.IntRange(0, 9).Draw(rt, "edit"); {
		case h == nil:
			w.users[u] = &human{name: u + "@acme.example", title: "new"}
		case op < 2:
			h.title = rapid.SampledFrom([]string{"clerk", "chief", "cook"}).Draw(rt, "title")
		case op < 4:
			h.manager = id.Draw(rt, "manager")
			if h.manager == u || w.users[h.manager] == nil {
				h.manager = ""
			}
		case op == 4:
			h.disabled = !h.disabled
		case op == 5:
			h.name = u + fmt.Sprint(rapid.IntRange(1, 3).Draw(rt, "renamed")) + "@acme.example"
		case op == 6:
			delete(w.users, u)
			for _, o := range w.users {
				if o.manager == u {
					o.manager = ""
				}
			}
			for g, members := range w.groups {
				w.groups[g] = slices.DeleteFunc(members, func(m string) bool { return m == u })
			}
		default:
			g := rapid.SampledFrom([]string{"g1", "g2"}).Draw(rt, "group")
			members, exists := w.groups[g]
			switch {
			case !exists:
				w.groups[g] = []string{u}
			case op == 7 && rapid.IntRange(0, 4).Draw(rt, "group gone") == 0:
				delete(w.groups, g)
			case slices.Contains(members, u):
				w.groups[g] = slices.DeleteFunc(members, func(m string) bool { return m == u })
			default:
				w.groups[g] = append(members, u)
			}
		}
	}
}

// agree checks the target against what the rules demand of the world.
func agree(rt *rapid.T, w *world, tg *target, provisioned map[string]bool) {
	ctx := context.Background()
	users, err := tg.dir.Query(ctx, tg.users, scim.Query{StartIndex: 1, Count: 1000})
	if err != nil {
		rt.Fatal(err)
	}
	byExternal := map[string]*scim.Resource{}
	idOf := map[string]string{}
	for _, r := range users.Resources {
		x := r.Peek().Text("externalId")
		if byExternal[x] != nil {
			rt.Fatalf("%s is in the target twice", x)
		}
		byExternal[x], idOf[x] = r, r.ID
	}
	for id := range provisioned {
		if w.users[id] == nil {
			delete(provisioned, id)
		}
	}
	for id, h := range w.users {
		r := byExternal[id]
		switch {
		case r == nil && h.disabled && !provisioned[id]:
			continue
		case r == nil:
			rt.Fatalf("%s (disabled %v) is missing from the target", id, h.disabled)
		}
		provisioned[id] = true
		active, _ := r.Peek().Get("active")
		if active != !h.disabled {
			rt.Fatalf("%s is active %v in the target, disabled %v in the source", id, active, h.disabled)
		}
		if h.disabled {
			continue
		}
		if got := r.Peek().Text("userName"); got != h.name {
			rt.Fatalf("%s is called %s, want %s", id, got, h.name)
		}
		if got := r.Peek().Text("title"); got != h.title {
			rt.Fatalf("%s has the title %s, want %s", id, got, h.title)
		}
		manager := r.Peek().Child(scim.URNEnterprise).Child("manager").Text("value")
		if h.manager != "" && idOf[h.manager] != "" && manager != idOf[h.manager] {
			rt.Fatalf("%s has the manager %q, want %s (%s)", id, manager, idOf[h.manager], h.manager)
		}
	}
	for id := range byExternal {
		if w.users[id] == nil {
			rt.Fatalf("%s is gone from the source and still in the target", id)
		}
	}
	agreeOnGroups(rt, w, tg, idOf)
}

func agreeOnGroups(rt *rapid.T, w *world, tg *target, idOf map[string]string) {
	groups, err := tg.dir.Query(context.Background(), tg.groups, scim.Query{StartIndex: 1, Count: 1000})
	if err != nil {
		rt.Fatal(err)
	}
	if len(groups.Resources) != len(w.groups) {
		rt.Fatalf("%d groups in the target, %d in the source", len(groups.Resources), len(w.groups))
	}
	for _, r := range groups.Resources {
		id := strings.TrimPrefix(r.Peek().Text("displayName"), "group ")
		var want, got []string
		for _, m := range w.groups[id] {
			if t := idOf[m]; t != "" {
				want = append(want, t)
			}
		}
		for _, m := range r.Peek().Elements("members") {
			got = append(got, m.(*scim.Object).Text("value"))
		}
		sort.Strings(want)
		sort.Strings(got)
		if !slices.Equal(want, got) {
			rt.Fatalf("group %s has the members %v, want %v", id, got, want)
		}
	}
}

// TestUniqueValues gives two people of one cycle, and one of a later cycle, values
// that nobody has.
func TestUniqueValues(t *testing.T) { storetest.Each(t, testUniqueValues) }

func testUniqueValues(t *testing.T, db *store.DB) {
	schema, err := provision.Template("scim")
	if err != nil {
		t.Fatal(err)
	}
	users := schema.Mapping(provision.User)
	if err := users.SetExpression("nickName", `SelectUniqueValue([displayName], Append([displayName], "2"), Append([displayName], "3"))`); err != nil {
		t.Fatal(err)
	}
	users.Attribute("nickName").FlowType = provision.FlowTypeObjectAddOnly
	app := &provision.App{ID: "unique", Name: "unique", Schema: schema, SyncAll: true}
	if err := db.CreateApp(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	tg := newTarget()
	job, err := app.Job(tg.users, tg.groups)
	if err != nil {
		t.Fatal(err)
	}
	src := &namesakes{}
	e := &provision.Engine{Job: job, Source: src, Target: tg, Ledger: db.Ledger(app.ID), Log: slog.New(slog.DiscardHandler)}
	for src.n = 2; src.n <= 4; src.n++ {
		if _, err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	page, err := tg.dir.Query(t.Context(), tg.users, scim.Query{StartIndex: 1, Count: 10})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range page.Resources {
		got = append(got, r.Peek().Text("nickName"))
	}
	sort.Strings(got)
	// The fourth finds every value taken: it waits, and is told so.
	if want := []string{"Kim", "Kim2", "Kim3"}; !slices.Equal(got, want) {
		t.Errorf("nick names %v, want %v", got, want)
	}
	cycles, err := e.Ledger.Cycles(t.Context(), 1)
	if err != nil || cycles[0].Counts.Failed[string(provision.CodeExpressionFailed)] != 1 {
		t.Errorf("the one who gets no value does not fail: %+v %v", cycles[0].Counts, err)
	}
}

// namesakes is a source of n people who are called the same.
type namesakes struct {
	world
	n int
}

func (s *namesakes) Changes(context.Context, provision.Watermark) iter.Seq2[provision.Page, error] {
	return func(yield func(provision.Page, error) bool) {
		var p provision.Page
		for i := range s.n {
			p.Changes = append(p.Changes, provision.Change{Object: &provision.Object{Type: provision.User, ID: fmt.Sprint(i), Attributes: map[string]expression.Value{
				"userPrincipalName": expression.Text(fmt.Sprintf("kim%d@acme.example", i)), "displayName": expression.Text("Kim")}}})
		}
		p.Complete, p.Next = true, provision.Watermark(fmt.Sprint(s.n))
		yield(p, nil)
	}
}

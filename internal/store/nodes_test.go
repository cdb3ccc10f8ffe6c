package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/provision"
	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/secret"
	"lockstep/internal/store"
	"lockstep/internal/store/postgrestest"
	"lockstep/internal/store/storetest"
)

// Two nodes are two DBs on one PostgreSQL: they share nothing else.

func twoNodes(t *testing.T) (a, b *store.DB) {
	t.Helper()
	url := postgrestest.URL(t)
	return storetest.OpenURL(t, url), storetest.OpenURL(t, url)
}

// TestNodesStartAtOnce: one of them migrates, and all agree on the rest.
func TestNodesStartAtOnce(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	var wg sync.WaitGroup
	nodes := make([]*store.DB, 4)
	for i := range nodes {
		wg.Go(func() {
			db, err := store.Open(t.Context(), store.Options{URL: url, Sealer: storetest.Sealer(t)})
			if err != nil {
				t.Error(err)
				return
			}
			nodes[i] = db
		})
	}
	wg.Wait()
	for _, db := range nodes {
		if db == nil {
			t.FailNow()
		}
		defer db.Close()
	}
	// A cursor of one is good at the others.
	for n := range 3 {
		if _, err := nodes[n].Directory("acme").Create(t.Context(), user(fmt.Sprint("p", n))); err != nil {
			t.Fatal(err)
		}
	}
	cursor := ""
	for i := range 3 {
		page, err := nodes[i].Directory("acme").Query(t.Context(), scimtest.UserType, scim.Query{Count: 1, Cursor: &cursor})
		if err != nil || len(page.Resources) != 1 || page.Resources[0].Peek().Text("userName") != fmt.Sprint("p", i) {
			t.Fatalf("page %d at node %d: %v, %v", i, i, page, err)
		}
		cursor = page.NextCursor
	}
}

func user(name string) *scim.Resource {
	return scim.NewResource(scimtest.UserType, scim.NewObject("schemas", []scim.Value{scim.URNUser}, "userName", name))
}

func group(name string) *scim.Resource {
	return scim.NewResource(scimtest.GroupType, scim.NewObject("schemas", []scim.Value{scim.URNGroup}, "displayName", name))
}

// TestNodesWriteTogether: a name is given once, a counter counts every change,
// members are added by all, and totals are right, whatever nodes do at once.
func TestNodesWriteTogether(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ctx := t.Context()
	counter, err := a.Directory("acme").Create(ctx, user("counter"))
	if err != nil {
		t.Fatal(err)
	}
	team, err := b.Directory("acme").Create(ctx, group("Team"))
	if err != nil {
		t.Fatal(err)
	}
	const names, each = 40, 8
	var created, counted atomic.Int64
	var wg sync.WaitGroup
	for w := range 2 * each {
		dir := a.Directory("acme")
		if w%2 == 1 {
			dir = b.Directory("acme")
		}
		wg.Go(func() {
			for n := range names {
				r, err := dir.Create(ctx, user(strings.Repeat("X", w%3)+fmt.Sprint("name", n)[w%3:]))
				if err != nil && !scim.IsType(err, scim.Uniqueness) {
					t.Error(err)
					return
				}
				if err == nil {
					created.Add(1)
					if _, err := dir.EditMembers(ctx, team.ID, scim.Precondition{}, []scim.Member{{Value: r.ID}}, nil); err != nil {
						t.Error(err)
					}
					if n%10 == 0 {
						if err := dir.Delete(ctx, scimtest.UserType, r.ID, scim.Precondition{}); err != nil {
							t.Error(err)
						}
						created.Add(-1)
					}
				}
				if n%8 == 0 {
					_, err := dir.Update(ctx, scimtest.UserType, counter.ID, scim.Precondition{}, func(r *scim.Resource) error {
						r.Attributes().Set("title", r.Peek().Text("title")+"x")
						return nil
					})
					if err != nil {
						t.Error(err)
						continue
					}
					counted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	for _, db := range []*store.DB{a, b} {
		dir := db.Directory("acme")
		page, err := dir.Query(ctx, scimtest.UserType, scim.Query{StartIndex: 1, Count: 1000})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, r := range page.Resources {
			name := strings.ToLower(r.Peek().Text("userName"))
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if want := int(created.Load()) + 1; page.Total != want || len(page.Resources) != want {
			t.Errorf("total %d, %d resources, want %d", page.Total, len(page.Resources), want)
		}
		c, err := dir.Get(ctx, scimtest.UserType, counter.ID, scim.Projection{})
		if err != nil || int64(len(c.Peek().Text("title"))) != counted.Load() || c.Version != scim.ETag(counted.Load()+1) {
			t.Errorf("the counter is at %d, version %s; %d changes were acknowledged", len(c.Peek().Text("title")), c.Version, counted.Load())
		}
		g, err := dir.Get(ctx, scimtest.GroupType, team.ID, scim.Projection{})
		if err != nil || len(g.Peek().Elements("members")) != int(created.Load()) {
			t.Errorf("the group has %d members, want %d; %v", len(g.Peek().Elements("members")), created.Load(), err)
		}
	}
}

// TestNodesForget: what one node changes of accounts and tokens, another knows
// at once, also when it had it in memory.
func TestNodesForget(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ctx := t.Context()
	sa := account.NewService(a.Accounts(), slog.New(slog.DiscardHandler))
	sb := account.NewService(b.Accounts(), slog.New(slog.DiscardHandler))
	defer sa.Close()
	defer sb.Close()
	if _, err := sa.Add(ctx, account.Account{ID: "acme", Kind: account.KindEmbedded}); err != nil {
		t.Fatal(err)
	}
	token, text, err := sa.CreateToken(ctx, "acme", "t", 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, _, err := sb.Authenticate(ctx, text.Reveal()); err != nil {
			t.Fatalf("at the other node: %v", err)
		}
	}
	if err := sa.Revoke(ctx, "acme", token.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a revoked token is refused at the other node", func() bool {
		_, _, err := sb.Authenticate(ctx, text.Reveal())
		return scim.IsType(err, scim.Unauthenticated)
	})

	// An account that is removed and made again begins empty everywhere.
	for _, db := range []*store.DB{a, b} {
		if _, err := db.Directory("acme").Create(ctx, user(fmt.Sprintf("%p", db))); err != nil {
			t.Fatal(err)
		}
	}
	if err := sa.Remove(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	if _, err := sa.Add(ctx, account.Account{ID: "acme", Kind: account.KindEmbedded}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node writes into the account made anew", func() bool {
		_, err := b.Directory("acme").Create(ctx, user("after"))
		return err == nil || scim.IsType(err, scim.Uniqueness)
	})
	page, err := a.Directory("acme").Query(ctx, scimtest.UserType, scim.Query{StartIndex: 1, Count: 10})
	if err != nil || page.Total != 1 {
		t.Errorf("total %v, %v; want the one created since", page, err)
	}
}

// eventually waits for what another node tells this one.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not so: %s", what)
		}
	}
}

// TestNodesShareALedger: one cycle is open at a time, an item is claimed once,
// and a node that starts takes nothing away from those at work.
func TestNodesShareALedger(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	a, b := storetest.OpenURL(t, url), storetest.OpenURL(t, url)
	ctx := t.Context()
	if err := a.CreateApp(ctx, &provision.App{ID: "app", Schema: &provision.Schema{}}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ledgers := []provision.Ledger{a.Ledger("app"), b.Ledger("app")}
	var begun atomic.Pointer[provision.Cycle]
	var refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			c, err := ledgers[i%2].Begin(ctx, provision.CycleInitial, now)
			switch {
			case err == nil:
				if !begun.CompareAndSwap(nil, c) {
					t.Error("two cycles are open")
				}
			case errors.Is(err, provision.ErrCycleOpen):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if refused.Load() != 9 {
		t.Errorf("%d were refused, want 9", refused.Load())
	}
	cycle := begun.Load().ID
	const items = 200
	var plan provision.Planned
	for i := range items {
		plan.Items = append(plan.Items, &provision.Item{Ref: provision.Ref{Type: provision.User, ID: fmt.Sprint(i)}, State: provision.ItemPlanned})
	}
	if err := ledgers[0].Plan(ctx, cycle, plan); err != nil {
		t.Fatal(err)
	}
	var claimed sync.Map
	var n atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			for {
				list, err := ledgers[i%2].Claim(ctx, cycle, 0, 7, time.Hour, now)
				if err != nil {
					t.Error(err)
					return
				}
				if len(list) == 0 {
					return
				}
				for _, it := range list {
					if _, twice := claimed.LoadOrStore(it.Seq, true); twice {
						t.Errorf("item %d was claimed twice", it.Seq)
					}
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n.Load() != items {
		t.Errorf("%d of %d items were claimed", n.Load(), items)
	}
	third := storetest.OpenURL(t, url)
	if list, err := third.Ledger("app").Claim(ctx, cycle, 0, 10, time.Hour, now); err != nil || len(list) > 0 {
		t.Errorf("a node that started claims %d items of others, %v", len(list), err)
	}
	if list, err := third.Ledger("app").Claim(ctx, cycle, 0, 10, time.Hour, now.Add(2*time.Hour)); err != nil || len(list) != 10 {
		t.Errorf("%d items after their lease, %v; want 10", len(list), err)
	}
}

func TestExclusive(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ctx := t.Context()
	held, release, err := a.Exclusive(ctx, "app/x")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Exclusive(ctx, "app/x"); !errors.Is(err, store.ErrElsewhere) {
		t.Errorf("the second gets %v, want ErrElsewhere", err)
	}
	if _, other, err := b.Exclusive(ctx, "app/y"); err != nil {
		t.Errorf("another name: %v", err)
	} else {
		other()
	}
	if held.Err() != nil {
		t.Error("the right is lost")
	}
	release()
	if held.Err() == nil {
		t.Error("the context outlives the right")
	}
	if _, release, err := b.Exclusive(ctx, "app/x"); err != nil {
		t.Errorf("after release: %v", err)
	} else {
		release()
	}
	// On SQLite there is no other node.
	if _, release, err := storetest.Open(t).Exclusive(ctx, "app/x"); err != nil {
		t.Error(err)
	} else {
		release()
	}
}

// TestNodesHaveOneMasterKey: what one node seals, all must be able to open.
func TestNodesHaveOneMasterKey(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	storetest.OpenURL(t, url)
	other, err := secret.NewSealer(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Options{URL: url, Sealer: other})
	var unusable *store.DatabaseError
	if !errors.As(err, &unusable) || !strings.Contains(err.Error(), "master key") {
		t.Errorf("with another master key: %v, want a *DatabaseError that says so", err)
	}
	if err == nil {
		db.Close()
	}
}

package store

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lockstep/internal/scim"
)

func TestRowCacheGivesWhatWasPut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rc := newRowCache(rapid.IntRange(300, 4000).Draw(t, "size"))
		defer rc.close()
		const c = collection(3)
		seqOf := func(id string) int64 { return c.first() + int64(id[2]) }
		want := map[string]*row{}
		names := map[string]string{} // name → id
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			id := fmt.Sprint("id", rapid.IntRange(0, 9).Draw(t, "id"))
			if rapid.IntRange(0, 4).Draw(t, "what") == 0 {
				rc.apply([]touch{{seq: seqOf(id)}})
				delete(want, id)
				continue
			}
			name := id + strings.Repeat("n", rapid.IntRange(0, 3).Draw(t, "name"))
			body := `{"schemas":["` + scim.URNUser + `"],"userName":"` + strings.Repeat("x", rapid.IntRange(0, 300).Draw(t, "length")) + `","active":true}`
			r := &row{seq: seqOf(id), version: rapid.Int64().Draw(t, "version"), created: 2, modified: 3, id: id, body: []byte(body), groupless: rapid.Bool().Draw(t, "groupless"), userName: name}
			rc.fill(rc.watch(), r)
			want[id], names[name] = r, id
		}
		for i := range 10 {
			id := fmt.Sprint("id", i)
			got, ok := rc.byID(c, id)
			if !ok {
				continue // it may have had to leave
			}
			w := *want[id]
			name := w.userName
			w.userName = ""
			if diff := cmp.Diff(&w, got, cmp.AllowUnexported(row{})); diff != "" {
				t.Fatalf("row of %s (-put +got):\n%s", id, diff)
			}
			if _, ok := rc.byID(c+1, id); ok {
				t.Fatal("a row of another collection was given")
			}
			if byName, ok := rc.byName(c, name); ok && byName.id != id {
				t.Fatalf("%s was found under the name of %s", byName.id, id)
			}
		}
		for name, id := range names {
			if got, ok := rc.byName(c, name); ok && got.id != id {
				t.Fatalf("%s was found under a name of %s", got.id, id)
			}
		}
	})
}

func TestRowCacheRefusesWhatMayBeOld(t *testing.T) {
	t.Parallel()
	rc := newRowCache(4096)
	defer rc.close()
	r := &row{seq: collection(1).first() + 1, id: "a", body: []byte(`{}`)}
	since := rc.watch()
	rc.apply([]touch{{seq: collection(1).first() + 9}})
	rc.fill(since, r)
	if _, ok := rc.byID(1, "a"); ok {
		t.Error("a row was kept that was read before a change")
	}
}

func TestPackIsUndone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.OneOf(rapid.SampledFrom(fragments[:]), rapid.StringOf(rapid.RuneFrom([]rune(`abc"{},:é ~`))))).Draw(t, "parts")
		text := strings.Join(parts, "")
		packed, ok := pack([]byte(text))
		if !ok {
			t.Fatalf("%q was refused", text)
		}
		if got := string(unpack([]byte(packed))); got != text {
			t.Fatalf("got %q for %q", got, text)
		}
	})
	if _, ok := pack([]byte("{\n}")); ok {
		t.Error("a control character was packed")
	}
}

// TestMemoryAgreesWithTheDatabase changes users and their groups at random, with
// a cache in which few have room, and compares what clients see with the rows.
func TestMemoryAgreesWithTheDatabase(t *testing.T) {
	db := openTestPath(t, filepath.Join(t.TempDir(), "lockstep.db"))
	users, groups := scim.UserType(), scim.GroupType()
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		db.cache.close()
		db.cache = newRowCache(rapid.SampledFrom([]int{600, 2000, 1 << 20}).Draw(rt, "size"))
		db.writers[0].cache = db.cache
		d := db.Directory(fmt.Sprint("a", round))
		ctx := t.Context()
		g, err := d.Create(ctx, scim.NewResource(groups, scim.NewObject("displayName", "g")))
		if err != nil {
			rt.Fatal(err)
		}
		var ids []string
		for step := range rapid.IntRange(1, 25).Draw(rt, "steps") {
			pick := func() string { return rapid.SampledFrom(ids).Draw(rt, "user") }
			action := rapid.SampledFrom([]string{"create", "create", "patch", "rename", "join", "leave", "delete", "ungroup"}).Draw(rt, "action")
			if len(ids) == 0 {
				action = "create"
			}
			switch action {
			case "create":
				r, err := d.Create(ctx, scim.NewResource(users, scim.NewObject("userName", fmt.Sprintf("U%d", step), "title", "x")))
				if err != nil {
					rt.Fatal(err)
				}
				ids = append(ids, r.ID)
			case "patch", "rename":
				_, err = d.Update(ctx, users, pick(), scim.Precondition{}, func(r *scim.Resource) error {
					if action == "rename" {
						r.Attributes().Set("userName", fmt.Sprintf("N%d", step))
					} else {
						r.Attributes().Set("title", fmt.Sprint(step))
					}
					return nil
				})
			case "join":
				_, err = d.EditMembers(ctx, g.ID, scim.Precondition{}, []scim.Member{{Value: pick()}}, nil)
			case "leave":
				_, err = d.EditMembers(ctx, g.ID, scim.Precondition{}, nil, []scim.Member{{Value: pick()}})
			case "delete":
				id := pick()
				err = d.Delete(ctx, users, id, scim.Precondition{})
				ids = remove(ids, id)
				if _, gerr := d.Get(ctx, users, id, scim.Projection{}); !scim.IsType(gerr, scim.NotFound) {
					rt.Fatalf("a deleted user was found: %v", gerr)
				}
			case "ungroup":
				if err = d.Delete(ctx, groups, g.ID, scim.Precondition{}); err == nil {
					g, err = d.Create(ctx, scim.NewResource(groups, scim.NewObject("displayName", fmt.Sprint("g", step))))
				}
			}
			if err != nil {
				rt.Fatal(err)
			}
			for _, id := range ids {
				got, err := d.Get(ctx, users, id, scim.Projection{})
				if err != nil {
					rt.Fatal(err)
				}
				kept := db.cache
				db.cache = nil
				want, err := d.Get(ctx, users, id, scim.Projection{})
				db.cache = kept
				if err != nil {
					rt.Fatal(err)
				}
				name := want.Peek().Text("userName")
				f, err := scim.ParseFilter(`userName eq "` + strings.ToLower(name) + `"`)
				if err != nil {
					rt.Fatal(err)
				}
				page, err := d.Query(ctx, users, scim.Query{Filter: f, StartIndex: 1, Count: 10})
				if err != nil || page.Total != 1 || len(page.Resources) != 1 {
					rt.Fatalf("by name: %v, %+v", err, page)
				}
				for _, r := range []*scim.Resource{got, page.Resources[0]} {
					if diff := cmp.Diff(view(rt, want), view(rt, r)); diff != "" {
						rt.Fatalf("after %s (-database +seen):\n%s", action, diff)
					}
				}
			}
		}
	})
}

func remove(list []string, s string) []string {
	var out []string
	for _, e := range list {
		if e != s {
			out = append(out, e)
		}
	}
	return out
}

func view(t *rapid.T, r *scim.Resource) string {
	b, err := r.AppendView(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestAcknowledgedIsSeen reads and writes the same users at once: nobody may be
// shown less than was acknowledged before they asked.
func TestAcknowledgedIsSeen(t *testing.T) {
	t.Parallel()
	db := openTestPath(t, filepath.Join(t.TempDir(), "lockstep.db"))
	d := db.Directory("a")
	users := scim.UserType()
	ctx := t.Context()
	const n = 4
	var ids [n]string
	var acked [n]atomic.Int64
	for i := range n {
		r, err := d.Create(ctx, scim.NewResource(users, scim.NewObject("userName", fmt.Sprint("u", i), "title", "0")))
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = r.ID
	}
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for i := range n {
		writers.Go(func() {
			for k := 1; k <= 150; k++ {
				if _, err := d.Update(ctx, users, ids[i], scim.Precondition{}, func(r *scim.Resource) error {
					r.Attributes().Set("title", fmt.Sprint(k))
					return nil
				}); err != nil {
					t.Error(err)
				}
				acked[i].Store(int64(k))
			}
		})
		readers.Go(func() {
			for !done.Load() {
				least := acked[i].Load()
				r, err := d.Get(ctx, users, ids[i], scim.Projection{})
				if err != nil {
					t.Error(err)
					return
				}
				var got int64
				fmt.Sscan(r.Peek().Text("title"), &got)
				if got < least {
					t.Errorf("%d was acknowledged, %d seen", least, got)
					return
				}
				if i == 0 {
					// Others' reads push rows out and in.
					db.cache.fill(db.cache.watch(), &row{seq: collection(99).first(), id: fmt.Sprint(got), body: []byte("{}")})
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
}

package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lockstep/internal/scim"
)

// writeUntilKilled is what a child process does in [TestKilled]: it creates
// users, each in a group of its own worker, and names each on standard output
// once it has been acknowledged.
func writeUntilKilled(where string) {
	ctx := context.Background()
	o := Options{Path: where}
	if strings.HasPrefix(where, "postgres:") {
		o = Options{URL: where}
	}
	db, err := Open(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	dir := db.Directory("acme")
	var mu sync.Mutex
	say := func(word, id string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(word, id)
	}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			g, err := dir.Create(ctx, scim.NewResource(benchGroupType, scim.NewObject("displayName", fmt.Sprint("Group ", w))))
			for n := 0; err == nil; n++ {
				var r *scim.Resource
				if r, err = dir.Create(ctx, scim.NewResource(benchUser, benchBody(n*16+w))); err != nil {
					break
				}
				say("user", r.ID)
				if _, err = dir.EditMembers(ctx, g.ID, scim.Precondition{}, []scim.Member{{Value: r.ID}}, nil); err == nil {
					say("member", g.ID+"/"+r.ID)
				}
				if err == nil && n%3 == 0 {
					_, err = dir.Update(ctx, benchUser, r.ID, scim.Precondition{}, func(r *scim.Resource) error {
						r.Attributes().Set("userName", "renamed-"+r.ID)
						return nil
					})
					say("renamed", r.ID)
				}
			}
			fmt.Fprintln(os.Stderr, err)
		})
	}
	wg.Wait()
	os.Exit(1)
}

// TestKilled kills a process in the middle of its work: whatever it had
// acknowledged must be there, and nothing may be there in part.
func TestKilled(t *testing.T) { onEach(t, testKilled) }

func testKilled(t *testing.T, o Options) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "LOCKSTEP_TEST_WRITER="+o.Path+o.URL)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const enough = 3000
	var said []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if said = append(said, lines.Text()); len(said) == enough {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if len(said) < enough {
		t.Fatalf("the child said %d things only", len(said))
	}

	db := openWith(t, o)
	dir, ctx := db.Directory("acme"), t.Context()
	members := map[string]bool{}
	groups, err := dir.Query(ctx, benchGroupType, scim.Query{StartIndex: 1, Count: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups.Resources {
		for _, m := range g.Peek().Elements(attrMembers) {
			members[g.ID+"/"+m.(*scim.Object).Text("value")] = true
		}
	}
	for _, line := range said {
		word, id, ok := strings.Cut(line, " ")
		if !ok {
			continue
		}
		switch word {
		case "user":
			if _, err := dir.Get(ctx, benchUser, id, scim.Projection{}); err != nil {
				t.Errorf("an acknowledged user is lost: %v", err)
			}
		case "member":
			if !members[id] {
				t.Errorf("the acknowledged membership %s is lost", id)
			}
		case "renamed":
			f := &scim.Comparison{Path: scim.Path{Attr: "userName"}, Op: scim.Eq, Value: "renamed-" + id}
			if p, err := dir.Query(ctx, benchUser, scim.Query{Filter: f, StartIndex: 1, Count: 2}); err != nil || p.Total != 1 {
				t.Errorf("the acknowledged new name of %s is lost: %v", id, err)
			}
		}
	}
	checkConsistent(t, db)
}

// checkConsistent checks what holds between the tables.
func checkConsistent(t *testing.T, db *DB) {
	t.Helper()
	for name, query := range map[string]string{
		"integrity": `SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'`,
		"totals": `SELECT count(*) FROM collections c WHERE total <> (SELECT count(*) FROM resources WHERE collection = c.num AND NOT hidden)
			OR total <> (SELECT coalesce(sum(n), 0) FROM blocks WHERE collection = c.num)`,
		"blocks": `SELECT count(*) FROM blocks b WHERE n <> (SELECT count(*) FROM resources r WHERE r.collection = b.collection AND NOT r.hidden
			AND (r.seq & 1099511627775) >> 9 = b.block)`,
		"members": `SELECT count(*) FROM members WHERE member_seq NOT IN (SELECT seq FROM resources) OR group_seq NOT IN (SELECT seq FROM resources)`,
		"emails":  `SELECT count(*) FROM emails WHERE seq NOT IN (SELECT seq FROM resources)`,
		"records": `SELECT count(*) FROM freshservice_records WHERE seq NOT IN (SELECT seq FROM resources)`,
	} {
		if _, here := db.dialect.(sqliteDialect); name == "integrity" && !here {
			continue
		}
		var n int
		err := db.read(context.Background(), func(tx *Tx) error { return tx.Row(query, nil, &n) })
		if err != nil || n != 0 {
			t.Errorf("%s: %d rows are wrong, %v", name, n, err)
		}
	}
}

// A copy of the files, taken between two commits as a file system snapshot
// takes them, opens and has everything.
func TestCopied(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lockstep.db")
	db := openTestPath(t, path)
	var ids []string
	for n := range 50 {
		r, err := db.Directory("acme").Create(t.Context(), scim.NewResource(benchUser, benchBody(n)))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := openTestPath(t, copied)
	for _, id := range ids {
		if _, err := again.Directory("acme").Get(t.Context(), benchUser, id, scim.Projection{}); err != nil {
			t.Error(err)
		}
	}
	checkConsistent(t, again)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Errorf("a closed database leaves its log: %v", err)
	}
	checkConsistent(t, openTestPath(t, path))
}

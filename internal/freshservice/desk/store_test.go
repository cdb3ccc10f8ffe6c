package desk_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lockstep/internal/freshservice/desk"
)

func dump(t testing.TB, d *desk.Desk) string {
	t.Helper()
	var b strings.Builder
	if err := d.Dump(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFileKeepsTheAccount(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "desk.db")
	c := newClock()
	o := desk.Options{Path: file, Now: c.Now, Plan: desk.Unlimited, APIKey: testKey, Seed: &desk.Seed{TimeZone: "London"}}
	d, err := desk.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	fillAccount(t, d)
	last := add(t, d, desk.Person{FirstName: "Last", PrimaryEmail: "last@acme.example"})
	want(t, d, 204, "DELETE", path("/requesters/%d/forget", last.ID), "")
	before := dump(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	o.APIKey, o.Seed = "", &desk.Seed{TimeZone: "Paris"}
	d = open(t, desk.Options{Path: file, Now: c.Now, APIKey: testKey, Seed: o.Seed})
	if got := dump(t, d); got != before {
		t.Errorf("after opening again:\n%s\nwant\n%s", got, before)
	}
	if n := add(t, d, desk.Person{FirstName: "New", PrimaryEmail: "new@acme.example"}); n.ID <= last.ID {
		t.Errorf("the id %d was given before, up to %d", n.ID, last.ID)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read the file: %v", info.Mode())
	}
}

func TestFileKeepsTheKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "desk.db")
	first, err := desk.New(t.Context(), desk.Options{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	key := first.APIKey()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := desk.New(t.Context(), desk.Options{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	if second.APIKey() != key || len(key) != 20 {
		t.Errorf("the key was %q and is %q", key, second.APIKey())
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if third := open(t, desk.Options{Path: file, APIKey: "another"}); third.APIKey() != "another" || me(t, third, "another") != 200 || me(t, third, key) != 401 {
		t.Errorf("the key given is not the key: %q", third.APIKey())
	}
}

const killedEnv = "DESK_TEST_FILE"

// TestServeUntilKilled is the process that TestKilledProcessLosesNothing
// kills.
func TestServeUntilKilled(t *testing.T) {
	file := os.Getenv(killedEnv)
	if file == "" {
		t.Skip("runs only as a child process")
	}
	d, err := desk.New(context.Background(), desk.Options{Path: file, APIKey: testKey, Plan: desk.Unlimited})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(d)
	fmt.Println("URL", s.URL)
	select {}
}

func TestKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "desk.db")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServeUntilKilled$")
	child.Env = append(os.Environ(), killedEnv+"="+file)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	base := ""
	for base == "" && lines.Scan() {
		base, _ = strings.CutPrefix(lines.Text(), "URL ")
		if !strings.HasPrefix(base, "http") {
			base = ""
		}
	}
	const people = 50
	for i := range people {
		r, err := http.NewRequestWithContext(t.Context(), "POST", base+"/api/v2/requesters",
			strings.NewReader(fmt.Sprintf(`{"first_name":"A","primary_email":"a%d@acme.example"}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(testKey, "X")
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != 201 {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed: it says so
	d := open(t, desk.Options{Path: file})
	for i := range people {
		if _, ok := d.PersonByEmail(fmt.Sprintf("a%d@acme.example", i)); !ok {
			t.Errorf("a%d was acknowledged and is lost", i)
		}
	}
}

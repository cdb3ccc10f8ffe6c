package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/internal/provision"
)

const threePeople = "objectId,userPrincipalName,manager\n1,a@x.example,\n2,b@x.example,a@x.example\n3,c@x.example,b@x.example\n"

func TestUnchangedFileYieldsNothing(t *testing.T) {
	t.Parallel()
	path := write(t, "x.csv", threePeople)
	s := open(t, path)
	first, err := read(t, s, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Objects) != 3 || !first.complete || first.next == "" {
		t.Fatalf("first reading: %d objects, complete %v, next %q", len(first.Objects), first.complete, first.next)
	}
	quiet := func(t *testing.T, since provision.Watermark) {
		t.Helper()
		r, err := read(t, s, since)
		if err != nil {
			t.Fatal(err)
		}
		if r.pages != 1 || len(r.Objects) != 0 || r.complete || r.next != since {
			t.Errorf("got %d pages, %d objects, complete %v, next %q; want one empty page with %q", r.pages, len(r.Objects), r.complete, r.next, since)
		}
	}
	quiet(t, first.next)

	// Another time of change and the same content: the hash decides.
	age(t, path, 2*time.Hour)
	quiet(t, first.next)

	// Another content of the same size and time cannot be told; another time can.
	if err := os.WriteFile(path, []byte(strings.Replace(threePeople, "c@x", "d@x", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	age(t, path, 3*time.Hour)
	r, err := read(t, s, first.next)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Objects) != 3 || !r.complete || r.next == first.next {
		t.Errorf("after the change: %d objects, complete %v, same watermark %v", len(r.Objects), r.complete, r.next == first.next)
	}
}

// A file that was changed a moment ago may change again within the same tick
// of the clock: its time of change alone must not be believed.
func TestFreshFileIsJudgedByItsHash(t *testing.T) {
	t.Parallel()
	path := write(t, "x.csv", threePeople)
	now := time.Now()
	if err := os.Chtimes(path, now, now); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	first, err := read(t, s, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(threePeople, "c@x", "d@x", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, now, now); err != nil {
		t.Fatal(err)
	}
	r, err := read(t, s, first.next)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Objects) != 3 {
		t.Error("a change within the same tick was not noticed")
	}
}

func TestForeignWatermarkMeansEverything(t *testing.T) {
	t.Parallel()
	s := open(t, write(t, "x.csv", threePeople))
	for _, w := range []provision.Watermark{"", "https://graph.microsoft.com/v1.0/users/delta?$deltatoken=x", "file0 1 2 3", "file1 x"} {
		r, err := read(t, s, w)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Objects) != 3 || !r.complete {
			t.Errorf("watermark %q: %d objects, complete %v", w, len(r.Objects), r.complete)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("id,mail,manager\n")
	const n = 2*pageSize + 7
	for i := range n {
		// Everybody's manager is the last one, who is not known before the end.
		fmt.Fprintf(&b, "%d,p%d@x.example,p%d@x.example\n", i, i, n-1)
	}
	s := open(t, write(t, "x.csv", b.String()))
	var sizes []int
	for p, err := range s.Changes(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(p.Changes))
		if p.Total != n {
			t.Errorf("total %d, want %d", p.Total, n)
		}
		for _, c := range p.Changes {
			if got := c.Object.Attribute("manager").String(); got != fmt.Sprint(n-1) {
				t.Fatalf("manager of %s is %q", c.Object.ID, got)
			}
		}
	}
	if fmt.Sprint(sizes) != fmt.Sprint([]int{pageSize, pageSize, 7}) {
		t.Errorf("pages of %v", sizes)
	}
	// A caller may leave at any page.
	for _, err := range s.Changes(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
}

// A file that is written to in place while it is read ends in an error and
// never in a complete page; one that is replaced is read as it was.
func TestFileChangesWhileRead(t *testing.T) {
	t.Parallel()
	long := "id,mail\n"
	for i := range 2 * pageSize {
		long += fmt.Sprintf("%d,p%d@x.example\n", i, i)
	}
	t.Run("in place", func(t *testing.T) {
		t.Parallel()
		path := write(t, "x.csv", long)
		pages := 0
		var last error
		for p, err := range open(t, path).Changes(t.Context(), "") {
			if last = err; err != nil {
				break
			}
			if p.Complete {
				t.Error("a complete page of a file that has changed")
			}
			pages++
			if err := os.WriteFile(path, []byte("id,mail\n1,p1@x.example\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		wantError(t, last, path, "written while it was read")
	})
	t.Run("replaced", func(t *testing.T) {
		t.Parallel()
		path := write(t, "x.csv", long)
		objects := 0
		for p, err := range open(t, path).Changes(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			objects += len(p.Changes)
			if err := os.Rename(write(t, "y.csv", "id,mail\n1,p1@x.example\n"), path); err != nil {
				t.Fatal(err)
			}
			break
		}
		if objects != pageSize {
			t.Errorf("%d objects on the first page", objects)
		}
	})
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		path := write(t, "x.csv", long)
		s := open(t, path)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		_, err := read(t, s, "")
		wantError(t, err, path, "no such file")
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v is no os.ErrNotExist", err)
		}
		if _, err := s.Lookup(t.Context(), "1"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Lookup: %v is no os.ErrNotExist", err)
		}
	})
	t.Run("emptied", func(t *testing.T) {
		t.Parallel()
		path := write(t, "x.csv", long)
		s := open(t, path)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := read(t, s, "")
		wantError(t, err, path, "empty")
	})
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := open(t, write(t, "x.csv", threePeople))
	for _, err := range s.Changes(ctx, "") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want canceled", err)
		}
	}
	if _, err := s.Lookup(ctx, "1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	const content = "objectId,userPrincipalName,mail,displayName,manager,accountEnabled\n" +
		"ID-1,ann@x.example,a.smith@x.example,Ann,,true\n" +
		"id-2,bob@x.example,team@x.example,Bob,ANN@x.example,true\n" +
		"id-3,cat@x.example,team@x.example,Cat,nobody@x.example,perhaps\n"
	s := open(t, write(t, "x.csv", content))
	for _, tt := range []struct{ ref, want string }{
		{"ID-1", "Ann"}, {"id-1", "Ann"}, {" ANN@X.example ", "Ann"}, {"a.smith@x.example", "Ann"},
		{"bob@x.example", "Bob"}, {"team@x.example", ""}, {"nobody", ""}, {"", ""},
	} {
		for range 2 { // the second time from the index that was kept
			o, err := s.Lookup(t.Context(), tt.ref)
			if err != nil {
				t.Fatalf("%q: %v", tt.ref, err)
			}
			got := ""
			if o != nil {
				got = o.Attribute("displayName").String()
			}
			if got != tt.want {
				t.Errorf("Lookup(%q) found %q, want %q", tt.ref, got, tt.want)
			}
		}
	}
	bob, err := s.Lookup(t.Context(), "id-2")
	if err != nil || bob.Attribute("manager").String() != "ID-1" {
		t.Errorf("Bob's manager is %q, %v", bob.Attribute("manager"), err)
	}
	_, err = s.Lookup(t.Context(), "id-3")
	wantError(t, err, "row 4", "accountEnabled", "perhaps")
}

func TestLookupFindsWhatChangesYields(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"portal.csv", "graph.json", "directory.ldif"} {
		s := open(t, filepath.Join("testdata", name))
		all, err := read(t, s, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range all.Objects {
			got, err := s.Lookup(t.Context(), o.ID)
			if err != nil || got == nil {
				t.Fatalf("%s: Lookup(%q) = %v, %v", name, o.ID, got, err)
			}
			if got.ContentHash() != o.ContentHash() {
				t.Errorf("%s: %s is another object when looked up", name, o.ID)
			}
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"portal.csv", "graph.json", "directory.ldif"} {
		d, err := open(t, filepath.Join("testdata", name)).Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d.Name != name {
			t.Errorf("the directory is called %q", d.Name)
		}
		user := d.Object("User")
		has := map[string]*provision.AttributeDefinition{}
		for _, a := range user.Attributes {
			has[a.Name] = a
		}
		if has["objectId"] == nil || !has["objectId"].Anchor {
			t.Errorf("%s: objectId is not the anchor", name)
		}
		if has["manager"] == nil || has["manager"].Type != provision.DataReference {
			t.Errorf("%s: manager is no reference", name)
		}
		if has["accountEnabled"] == nil || has["accountEnabled"].Type != provision.DataBoolean {
			t.Errorf("%s: accountEnabled is no Boolean", name)
		}
		if d.Object("Group") == nil {
			t.Errorf("%s: no groups", name)
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	path := write(t, "x.csv", threePeople)
	s := open(t, path)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		changed := s.Watch(ctx)
		fired := func() bool {
			synctest.Wait()
			select {
			case _, ok := <-changed:
				return ok
			default:
				return false
			}
		}
		touch := func(d time.Duration) {
			at := time.Now().Add(-d)
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * watchInterval)
		if fired() {
			t.Error("fired without a change")
		}
		// Still being written: no two looks see the same state.
		for i := range 5 {
			touch(time.Duration(i+1) * time.Hour)
			time.Sleep(watchInterval)
			if fired() {
				t.Error("fired while the file was changing")
			}
		}
		time.Sleep(2 * watchInterval)
		if !fired() {
			t.Error("did not fire once the file was still")
		}
		time.Sleep(5 * watchInterval)
		if fired() {
			t.Error("fired twice for one change")
		}
		// Missing for a while, then replaced.
		if err := os.Rename(path, path+".old"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * watchInterval)
		if fired() {
			t.Error("fired for a missing file")
		}
		if err := os.Rename(path+".old", path); err != nil {
			t.Fatal(err)
		}
		touch(9 * time.Hour)
		time.Sleep(3 * watchInterval)
		if !fired() {
			t.Error("did not fire for the file that came back")
		}
		cancel()
		synctest.Wait()
		if _, ok := <-changed; ok {
			t.Error("the channel is not closed")
		}
	})
}

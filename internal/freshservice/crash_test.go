package freshservice_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lockstep/internal/freshservice"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/scim"
)

// The environment of the process that is killed.
const (
	victimStore = "LOCKSTEP_TEST_VICTIM_STORE"
	victimDesk  = "LOCKSTEP_TEST_VICTIM_DESK"
)

const victims = 24

// TestKilledBetweenCallAndMirror kills the process over and over right when
// Freshservice has carried out a write and before its answer arrives. Started
// again, clients that do their work once more get everybody right, and nobody
// and nothing exists twice.
func TestKilledBetweenCallAndMirror(t *testing.T) {
	if os.Getenv(onStore) != "" || testing.Short() {
		t.Skip("starts processes of its own")
	}
	t.Parallel()
	d, err := desk.New(t.Context(), desk.Options{Plan: desk.Unlimited, APIKey: apiKey, Seed: company(), AgentNames: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var writes atomic.Int64
	var mu sync.Mutex
	var victim *os.Process
	kills := map[int64]bool{1: true, 2: true, 9: true, 17: true, 26: true, 40: true, 41: true, 55: true, 60: true, 64: true, 66: true}
	killed := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			d.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		d.ServeHTTP(rec, r)
		mu.Lock()
		if kills[writes.Add(1)] && victim != nil {
			killed++
			_ = victim.Kill()
			victim = nil
		}
		mu.Unlock()
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}))
	defer srv.Close()
	path := filepath.Join(t.TempDir(), "lockstep.db")
	for run := 1; ; run++ {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
		cmd.Env = append(os.Environ(), victimStore+"="+path, victimDesk+"="+srv.URL)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		mu.Lock()
		if err := cmd.Start(); err != nil {
			mu.Unlock()
			t.Fatal(err)
		}
		victim = cmd.Process
		mu.Unlock()
		if err = cmd.Wait(); err == nil {
			break
		}
		if run > len(kills)+1 || bytes.Contains(out.Bytes(), []byte("--- FAIL")) {
			t.Fatalf("run %d: %v\n%s", run, err, out.Bytes())
		}
	}
	if killed < len(kills) {
		t.Errorf("%d of %d kills took place; %d writes", killed, len(kills), writes.Load())
	}
	count := map[string]int{}
	for p := range d.People() {
		count[p.PrimaryEmail]++
		count[string(p.MobilePhoneNumber)]++
	}
	for i := range victims {
		p, ok := d.PersonByEmail(victimName(i))
		if !ok || count[victimName(i)] != 1 {
			t.Errorf("%s exists %d times", victimName(i), count[victimName(i)])
			continue
		}
		// What is written about a deactivated person is sent when the person is back.
		if p.Inactive != (i%3 == 0) || i%3 != 0 && (p.JobTitle != "Final" || p.IsAgent() != (i%4 == 1) || len(p.DepartmentIDs) != 1 || p.LocationID == 0) {
			t.Errorf("%s: %+v", victimName(i), p)
		}
	}
	if n := count["+1 555"]; n != 1 {
		t.Errorf("the person with a telephone only exists %d times", n)
	}
	var dump bytes.Buffer
	if err := d.Dump(&dump); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`"Team 0"`, `"Team 1"`, `"Dept 0"`, `"Dept 1"`, `"Site 0"`, `"Site 1"`} {
		if n := bytes.Count(dump.Bytes(), []byte(`"name": `+name)); n != 1 {
			t.Errorf("%s exists %d times", name, n)
		}
	}
}

func victimName(i int) string { return fmt.Sprintf("v%d@acme.example", i) }

// TestVictim is the process that is killed: a client that brings people into
// the state they should be in, looking before it creates.
func TestVictim(t *testing.T) {
	path := os.Getenv(victimStore)
	if path == "" {
		t.Skip("only as a process of its own")
	}
	m := openStore(t, path)
	c, err := freshservice.NewClient(freshservice.ClientOptions{BaseURL: os.Getenv(victimDesk), APIKey: apiKey, RetryDelay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	b := freshservice.NewBridge(freshservice.BridgeOptions{Client: c, Mirror: m, Users: users, Groups: groups, Settings: freshservice.Settings{
		UnknownDepartments: freshservice.CreateName, UnknownLocations: freshservice.CreateName, Groups: freshservice.RequesterGroups}})
	defer b.Close()
	ctx := context.Background()
	find := func(typ *scim.ResourceType, attr, value string) string {
		page, err := b.Query(ctx, typ, scim.Query{StartIndex: 1, Count: 2, Filter: &scim.Comparison{Path: scim.Path{Attr: attr}, Op: scim.Eq, Value: value}})
		if err != nil || len(page.Resources) > 1 {
			t.Fatalf("looking for %s: %v, %v", value, page, err)
		}
		if len(page.Resources) == 0 {
			return ""
		}
		return page.Resources[0].ID
	}
	ensure := func(name, body string, change func(o *scim.Object)) {
		id := find(users, "userName", name)
		if id == "" {
			r, err := b.Create(ctx, user(t, body))
			if err != nil {
				t.Fatalf("creating %s: %v (%v)", name, err, scim.AsError(err).Err)
			}
			id = r.ID
		}
		if _, err := b.Update(ctx, users, id, scim.Precondition{}, func(r *scim.Resource) error { change(r.Attributes()); return nil }); err != nil {
			t.Fatalf("updating %s: %v (%v)", name, err, scim.AsError(err).Err)
		}
	}
	ensure("telly", `{"userName":"telly","name":{"givenName":"Telly"},"phoneNumbers":[{"type":"mobile","value":"+1 555"}]}`, func(*scim.Object) {})
	for i := range victims {
		name := victimName(i)
		ensure(name, fmt.Sprintf(`{"userName":%q,"name":{"givenName":"V"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Dept %d","_location":"Site %d"}}`, name, i/12, i/12),
			func(o *scim.Object) {
				o.Set("title", "Final")
				o.Set(scim.URNFreshservice, scim.NewObject("isAgent", i%4 == 1))
				o.Set("active", i%3 != 0)
			})
	}
	for i := range 2 {
		name := fmt.Sprintf("Team %d", i)
		id := find(groups, "displayName", name)
		if id == "" {
			r, err := b.Create(ctx, scim.NewResource(groups, scim.NewObject("schemas", []scim.Value{scim.URNGroup}, "displayName", name)))
			if err != nil {
				t.Fatalf("creating %s: %v", name, err)
			}
			id = r.ID
		}
		member := find(users, "userName", victimName(2))
		if _, err := b.EditMembers(ctx, id, scim.Precondition{}, []scim.Member{{Value: member}}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

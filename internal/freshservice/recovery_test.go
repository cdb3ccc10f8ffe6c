package freshservice_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"

	"lockstep/internal/freshservice"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/scim"
)

func TestRepairsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}, client: freshservice.ClientOptions{MaxTries: 1}}).warm()
	for i := range 12 {
		a.create(fmt.Sprintf(`{"userName":"r%d@acme.example","name":{"givenName":"R"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":"chief@acme.example"}}`, i))
	}
	if err := a.desk.SetFaults(desk.Fault{Method: "PUT", Kind: "500"}); err != nil {
		t.Fatal(err)
	}
	chief := a.create(`{"userName":"chief@acme.example","name":{"givenName":"C"}}`)
	a.Close()
	if err := a.desk.SetFaults(); err != nil {
		t.Fatal(err)
	}
	a.desk.ResetCalls()
	b := open(t, setup{over: a.desk, mirror: a.mirror})
	if _, err := b.Get(t.Context(), users, chief.ID, scim.Projection{}); err != nil {
		t.Fatal(err)
	}
	b.Settle()
	for i := range 12 {
		if p := b.person(fmt.Sprintf("r%d@acme.example", i)); jsonID(p.ReportingManagerID) != chief.ID {
			t.Errorf("r%d has manager %d", i, p.ReportingManagerID)
		}
	}
	if n := b.desk.Calls().Total; n != 12 {
		t.Errorf("%d calls", n)
	}
}

// forget erases a person for good, as only an administrator can.
func (a *account) forget(id string) {
	a.t.Helper()
	for _, path := range []string{"/api/v2/requesters/" + id, "/api/v2/requesters/" + id + "/forget"} {
		req := httptest.NewRequest("DELETE", path, nil)
		req.SetBasicAuth(apiKey, "X")
		w := httptest.NewRecorder()
		a.desk.ServeHTTP(w, req)
		if w.Code != 204 {
			a.t.Fatalf("DELETE %s: %d", path, w.Code)
		}
	}
}

func TestForgottenInFreshservice(t *testing.T) {
	t.Parallel()
	a := open(t, setup{desk: desk.Options{Seed: company()}}).warm()
	const body = `{"userName":"fox@acme.example","name":{"givenName":"Fox"}}`

	// Deleted over SCIM and then erased by hand: created anew.
	first := a.create(body)
	if err := a.Delete(t.Context(), users, first.ID, scim.Precondition{}); err != nil {
		t.Fatal(err)
	}
	a.forget(first.ID)
	second := a.create(body)
	if second.ID == first.ID || jsonID(a.person("fox@acme.example").ID) != second.ID {
		t.Errorf("created anew as %s, was %s", second.ID, first.ID)
	}
	// Erased while the client has it: the next change says so.
	a.forget(second.ID)
	_, err := a.tryPatch(second.ID, `{"op":"add","path":"title","value":"T"}`)
	wantError(t, err, scim.NotFound, "", "no longer exists")
	third := a.create(body)
	// Or the next listing does.
	a.forget(third.ID)
	got, err := a.Refresh(t.Context())
	if err != nil || got.Gone != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = a.Get(t.Context(), users, third.ID, scim.Projection{})
	wantError(t, err, scim.NotFound, "")
}

// Listings, writes to many people and conversions at the same time: no
// deadlock, no race, nobody's change lost to a listing that was older.
func TestListingsAndWritesTogether(t *testing.T) {
	t.Parallel()
	seed := company()
	for i := range 300 {
		seed.People = append(seed.People, desk.SeedPerson{Person: desk.Person{ID: int64(20000 + i), FirstName: fmt.Sprintf("P%03d", i), PrimaryEmail: fmt.Sprintf("p%d@acme.example", i)}})
	}
	a := open(t, setup{desk: desk.Options{Seed: seed}}).warm()
	ctx, cancel := context.WithCancel(t.Context())
	var listings, writes sync.WaitGroup
	listings.Go(func() {
		for ctx.Err() == nil {
			if _, err := a.Refresh(context.WithoutCancel(ctx)); err != nil {
				t.Error(err)
			}
		}
	})
	for w := range 6 {
		writes.Go(func() {
			for i := w; i < 300; i += 6 {
				id := fmt.Sprint(20000 + i)
				for _, change := range []func(r *scim.Resource){
					func(r *scim.Resource) { r.Attributes().Set("title", "Title "+id) },
					func(r *scim.Resource) { r.Attributes().Set("active", false) },
					func(r *scim.Resource) { r.Attributes().Set("timezone", "Tokyo") },
					func(r *scim.Resource) { r.Attributes().Set("active", i%2 == 0) },
				} {
					if _, err := a.Update(ctx, users, id, scim.Precondition{}, func(r *scim.Resource) error { change(r); return nil }); err != nil {
						t.Errorf("%s: %v", id, err)
					}
				}
			}
		})
	}
	writes.Wait()
	cancel()
	listings.Wait()
	for i := range 300 {
		id := fmt.Sprint(20000 + i)
		r, err := a.Get(t.Context(), users, id, scim.Projection{})
		if err != nil {
			t.Fatal(err)
		}
		p := a.person(fmt.Sprintf("p%d@acme.example", i))
		active, _ := r.Peek().Get("active")
		if active != (i%2 == 0) || p.Inactive == (i%2 == 0) || r.Peek().Text("title") != "Title "+id || i%2 == 0 && (p.JobTitle != "Title "+id || p.TimeZone != "Tokyo") {
			data, _ := r.JSON()
			t.Errorf("%s: %s, in Freshservice %+v", id, data, p)
		}
	}
}

package desk_test

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"lockstep/internal/freshservice/desk"
)

func populate(b *testing.B, d *desk.Desk, n int) {
	b.Helper()
	for i := range n {
		if _, err := d.AddRequester(b.Context(), desk.Person{
			FirstName: fmt.Sprintf("First%d", i%977), LastName: fmt.Sprintf("Last%d", i), JobTitle: "Clerk",
			PrimaryEmail: fmt.Sprintf("person%d@acme.example", i), WorkPhoneNumber: fmt.Sprintf("+49 30 %d", i),
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreateRequester(b *testing.B) {
	for _, file := range []bool{false, true} {
		for _, n := range []int{0, 100_000} {
			b.Run(fmt.Sprintf("file=%v/people=%d", file, n), func(b *testing.B) {
				o := desk.Options{}
				if file {
					o.Path = filepath.Join(b.TempDir(), "desk.db")
				}
				d := open(b, o)
				populate(b, d, n)
				i := 0
				for b.Loop() {
					i++
					r := request("POST", "/api/v2/requesters", fmt.Sprintf(`{"first_name":"F%d","last_name":"L","primary_email":"new%d@acme.example","work_phone_number":"1%d"}`, i%100, i, i))
					r.SetBasicAuth(testKey, "X")
					w := httptest.NewRecorder()
					d.ServeHTTP(w, r)
					if w.Code != 201 {
						b.Fatal(w.Body)
					}
				}
			})
		}
	}
}

// A list page between two creates: what the demo does.
func BenchmarkCreateAndList(b *testing.B) {
	d := open(b, desk.Options{})
	populate(b, d, 100_000)
	i := 0
	for b.Loop() {
		i++
		if _, err := d.AddRequester(b.Context(), desk.Person{FirstName: "New", PrimaryEmail: fmt.Sprintf("new%d@acme.example", i)}); err != nil {
			b.Fatal(err)
		}
		r := request("GET", fmt.Sprintf("/api/v2/requesters?per_page=100&page=%d", 1+i%1000), "")
		r.SetBasicAuth(testKey, "X")
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

func BenchmarkByEmail(b *testing.B) {
	d := open(b, desk.Options{})
	populate(b, d, 100_000)
	i := 0
	for b.Loop() {
		i++
		r := request("GET", fmt.Sprintf("/api/v2/requesters?email=person%d@acme.example", i%100_000), "")
		r.SetBasicAuth(testKey, "X")
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

func BenchmarkQuery(b *testing.B) {
	d := open(b, desk.Options{})
	populate(b, d, 100_000)
	for b.Loop() {
		r := request("GET", "/api/v2/requesters?query=%22primary_email:'person5@acme.example'%22", "")
		r.SetBasicAuth(testKey, "X")
		d.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func BenchmarkBytesPerPerson(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		d := open(b, desk.Options{})
		populate(b, d, 100_000)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/100_000, "B/person")
		runtime.KeepAlive(d)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{QueryLag: 1})
	g := want(t, d, 201, "POST", "/requester_groups", `{"name":"All"}`).id(t)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 40 {
				a := api(t, d, "POST", "/requesters", fmt.Sprintf(`{"first_name":"W%d","primary_email":"w%d-%d@acme.example"}`, i, w, i))
				if a.status != 201 {
					t.Errorf("create: %d %s", a.status, a.raw)
					return
				}
				id := a.object(t, "requester")["id"]
				for _, call := range [][3]string{
					{"GET", "/requesters?per_page=100", ""},
					{"PUT", path("/requesters/%v", id), `{"first_name":"X","secondary_emails":["` + fmt.Sprintf("s%d-%d@acme.example", w, i) + `"]}`},
					{"POST", path("/requester_groups/%d/members/%v", g, id), ""},
					{"GET", path("/requester_groups/%d/members", g), ""},
					{"GET", "/requesters?query=%22first_name:'X'%22", ""},
					{"DELETE", path("/requesters/%v", id), ""},
					{"PUT", path("/requesters/%v/reactivate", id), ""},
				} {
					if a := api(t, d, call[0], call[1], call[2]); a.status >= 400 {
						t.Errorf("%s %s: %d %s", call[0], call[1], a.status, a.raw)
					}
				}
			}
		})
	}
	wg.Wait()
	// One address for eight creates at once: one wins.
	won := make(chan int, 8)
	for range 8 {
		wg.Go(func() {
			won <- api(t, d, "POST", "/requesters", `{"first_name":"A","primary_email":"one@acme.example"}`).status
		})
	}
	wg.Wait()
	close(won)
	created := 0
	for s := range won {
		if s == 201 {
			created++
		}
	}
	if created != 1 {
		t.Errorf("%d were created with one address", created)
	}
}

package freshservice_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lockstep/internal/freshservice"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/freshservice/freshservicetest"
	"lockstep/internal/scim"
)

// The figures are counted at the desk, with the bridge on the real store.

// figurePeople is how many people the counts are made with.
const figurePeople = 2000

func figureUser(b *testing.B, i int) *scim.Resource {
	return user(b, fmt.Sprintf(`{"userName":"f%d@acme.example","externalId":"x%d","active":true,"title":"Clerk","name":{"givenName":"F","familyName":"%d"},"locale":"en-US","timezone":"Europe/Berlin",
	 "emails":[{"type":"work","primary":true,"value":"f%d@acme.example"}],"phoneNumbers":[{"type":"work","value":"+1 %d"}],
	 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":%q,"manager":{"value":"f%d@acme.example"}}}`, i, i, i, i, i, []string{"Finance", "Sales"}[i%2], i/10))
}

// each runs f for the numbers from 0 to n, by so many workers.
func each(n, workers int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

func figureAccount(b *testing.B, o desk.Options, c freshservice.ClientOptions) *account {
	o.Seed = company()
	return open(b, setup{desk: o, client: c, now: c.Now, mirror: openStore(b, filepath.Join(b.TempDir(), "lockstep.db"))})
}

// provision creates everybody as a cycle does: managers before their reports,
// matched first, then created.
func (a *account) provision(b *testing.B, n, workers int) {
	for from, to := 0, 1; from < n; from, to = to, min(10*to, n) {
		a.provisionWave(b, from, to, workers)
	}
	a.Settle()
}

func (a *account) provisionWave(b *testing.B, from, to, workers int) {
	each(to-from, workers, func(i int) {
		i += from
		u := figureUser(b, i)
		page, err := a.Query(b.Context(), users, scim.Query{StartIndex: 1, Count: 1, Filter: &scim.Comparison{Path: scim.Path{Attr: "userName"}, Op: scim.Eq, Value: u.Peek().Text("userName")}})
		if err == nil && page.Total == 0 {
			_, err = a.Create(b.Context(), u)
		}
		if err != nil {
			b.Errorf("%d: %v (%v)", i, err, scim.AsError(err).Err)
		}
	})
}

// BenchmarkFigureInitialProvisioning: calls for N new people whose managers are
// among them; at most 1.02·N + N/100 + 50.
func BenchmarkFigureInitialProvisioning(b *testing.B) {
	for b.Loop() {
		a := figureAccount(b, desk.Options{}, freshservice.ClientOptions{})
		a.provision(b, figurePeople, 8)
		calls, most := a.desk.Calls(), figurePeople*102/100+figurePeople/100+50
		if calls.Total > int64(most) || calls.Rejected429 > 0 {
			b.Errorf("%d calls for %d people, at most %d; %d refused", calls.Total, figurePeople, most, calls.Rejected429)
		}
		b.ReportMetric(float64(calls.Total), "calls")
		b.ReportMetric(float64(calls.Total)/figurePeople, "calls/person")
	}
}

// BenchmarkFigureNothingChanged: calls of a cycle over N people of whom none
// changed, though everybody is looked up and written as before; at most 5.
func BenchmarkFigureNothingChanged(b *testing.B) {
	a := figureAccount(b, desk.Options{}, freshservice.ClientOptions{})
	a.provision(b, figurePeople, 8)
	for b.Loop() {
		a.desk.ResetCalls()
		a.rewrite(b, figurePeople, 8, "Clerk")
		if calls := a.desk.Calls().Total; calls > 5 {
			b.Errorf("%d calls", calls)
		}
		b.ReportMetric(float64(a.desk.Calls().Total), "calls")
	}
}

// rewrite looks up and writes everybody, with the title.
func (a *account) rewrite(b *testing.B, n, workers int, title string) {
	each(n, workers, func(i int) {
		page, err := a.Query(b.Context(), users, scim.Query{StartIndex: 1, Count: 1, Filter: &scim.Comparison{Path: scim.Path{Attr: "userName"}, Op: scim.Eq, Value: fmt.Sprintf("f%d@acme.example", i)}})
		if err != nil || len(page.Resources) != 1 {
			b.Errorf("%d: %v, %v", i, page, err)
			return
		}
		if _, err := a.Update(b.Context(), users, page.Resources[0].ID, scim.Precondition{}, func(r *scim.Resource) error {
			r.Attributes().Set("title", title)
			return nil
		}); err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkFigureOneAttribute: calls for each person of whom one attribute
// changed; 1.
func BenchmarkFigureOneAttribute(b *testing.B) {
	a := figureAccount(b, desk.Options{}, freshservice.ClientOptions{})
	a.provision(b, 200, 8)
	i := 0
	for b.Loop() {
		i++
		a.desk.ResetCalls()
		a.rewrite(b, 200, 8, "Clerk "+strconv.Itoa(i))
		if calls := a.desk.Calls().Total; calls != 200 {
			b.Errorf("%d calls for 200 people", calls)
		}
		b.ReportMetric(float64(a.desk.Calls().Total)/200, "calls/person")
	}
}

// A leap is a clock that stands still while anything is under way, and leaps to
// the next thing that is waited for once all is quiet.
type leap struct {
	mu     sync.Mutex
	at     time.Time
	timers []leapTimer
	active int // grows with everything that happens
}

type leapTimer struct {
	at time.Time
	c  chan time.Time
}

func (l *leap) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active++
	return l.at
}

func (l *leap) after(d time.Duration) <-chan time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active++
	t := leapTimer{l.at.Add(d), make(chan time.Time, 1)}
	l.timers = append(l.timers, t)
	return t.c
}

// run leaps until ctx is done.
func (l *leap) run(ctx context.Context) {
	for seen := -1; ctx.Err() == nil; {
		time.Sleep(5 * time.Millisecond)
		l.mu.Lock()
		if l.active == seen && len(l.timers) > 0 {
			next := slices.MinFunc(l.timers, func(a, b leapTimer) int { return a.at.Compare(b.at) }).at
			if next.After(l.at) {
				l.at = next
			}
			l.timers = slices.DeleteFunc(l.timers, func(t leapTimer) bool {
				due := !t.at.After(l.at)
				if due {
					t.c <- l.at
				}
				return due
			})
			l.active++
		}
		seen = l.active
		l.mu.Unlock()
	}
}

// BenchmarkFigureStarterRate: how much of the starter plan's 100 calls a minute
// 2,000 new people use; at least 95 %, without one 429. The clock runs fast; a
// call takes 200 ms of it.
func BenchmarkFigureStarterRate(b *testing.B) {
	for b.Loop() {
		clock := &leap{at: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
		ctx, cancel := context.WithCancel(b.Context())
		var running sync.WaitGroup
		running.Go(func() { clock.run(ctx) })
		a := figureAccount(b, desk.Options{Plan: desk.Starter, Now: clock.now}, freshservice.ClientOptions{Now: clock.now, After: clock.after})
		a.delay = func() { <-clock.after(200 * time.Millisecond) }
		start := clock.now()
		a.provision(b, figurePeople, 8)
		took, calls := clock.now().Sub(start), a.desk.Calls()
		cancel()
		running.Wait()
		// Every window that was opened counts in full, the last one too.
		windows := math.Ceil(took.Minutes())
		used := float64(calls.Total) / (windows * 100)
		if used < 0.95 || calls.Rejected429 > 0 {
			b.Errorf("%d calls in %v: %.1f %% of the rate; %d refused", calls.Total, took, 100*used, calls.Rejected429)
		}
		b.ReportMetric(100*used, "%rate")
		b.ReportMetric(float64(calls.Rejected429), "429s")
		b.ReportMetric(took.Minutes(), "min")
	}
}

// timed tells how long the desk took for the calls of one request.
type timed struct{ next http.RoundTripper }

type deskTime struct{}

func (t timed) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	time.Sleep(20 * time.Millisecond)
	resp, err := t.next.RoundTrip(r)
	if spent, ok := r.Context().Value(deskTime{}).(*atomic.Int64); ok {
		spent.Add(int64(time.Since(start)))
	}
	return resp, err
}

// BenchmarkFigureBridgeOverhead: what the bridge adds to a changed attribute
// beside the desk's own time, durably stored: at p50 under 1 ms. A call takes
// 20 ms, a tenth of what it does in life. The mirror in memory shows the bridge
// by itself; on disk one writer waits for the disk alone, and writers at the same
// time share that.
func BenchmarkFigureBridgeOverhead(b *testing.B) {
	for _, c := range []struct {
		mirror  string
		workers int
	}{{"memory", 1}, {"memory", 16}, {"disk", 1}, {"disk", 4}, {"disk", 16}} {
		b.Run(fmt.Sprintf("mirror=%s/writers=%d", c.mirror, c.workers), func(b *testing.B) {
			workers := c.workers
			a := open(b, setup{desk: desk.Options{Seed: company()}, mirror: freshservicetest.NewMirror()})
			if c.mirror == "disk" {
				a = figureAccount(b, desk.Options{}, freshservice.ClientOptions{})
			}
			const people = 160
			a.provision(b, people, 8)
			var ids []string
			for start := 1; len(ids) < people; start += 100 {
				page, err := a.Query(b.Context(), users, scim.Query{StartIndex: start, Count: 100, Filter: &scim.Comparison{Path: scim.Path{Attr: "title"}, Op: scim.Eq, Value: "Clerk"}})
				if err != nil || len(page.Resources) == 0 {
					b.Fatal(page, err)
				}
				for _, r := range page.Resources {
					ids = append(ids, r.ID)
				}
			}
			bridge := freshservice.NewBridge(freshservice.BridgeOptions{Client: a.timedClient(b), Mirror: a.mirror, Users: users, Groups: groups})
			defer bridge.Close()
			var mu sync.Mutex
			var overhead, total []time.Duration
			round := 0
			for b.Loop() {
				round++
				each(people, workers, func(i int) {
					spent := &atomic.Int64{}
					ctx := context.WithValue(b.Context(), deskTime{}, spent)
					start := time.Now()
					_, err := bridge.Update(ctx, users, ids[i], scim.Precondition{}, func(r *scim.Resource) error {
						r.Attributes().Set("title", strconv.Itoa(round))
						return nil
					})
					took := time.Since(start)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						b.Error(err)
					}
					overhead, total = append(overhead, took-time.Duration(spent.Load())), append(total, took)
				})
			}
			slices.Sort(overhead)
			slices.Sort(total)
			ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
			b.ReportMetric(ms(overhead[len(overhead)/2]), "ms-p50")
			b.ReportMetric(ms(overhead[len(overhead)*99/100]), "ms-p99")
			b.ReportMetric(ms(total[len(total)/2]), "ms-p50-with-desk")
		})
	}
}

func (a *account) timedClient(b *testing.B) *freshservice.Client {
	c, err := freshservice.NewClient(freshservice.ClientOptions{Domain: "acme", APIKey: apiKey, HTTP: &http.Client{Transport: timed{inProcess{a.desk}}}})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

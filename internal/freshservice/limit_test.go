package freshservice_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/internal/freshservice"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/scim"
)

// slow answers after a while, so that calls overlap.
type slow struct {
	t     http.RoundTripper
	delay time.Duration
}

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(s.delay / 2)
	resp, err := s.t.RoundTrip(r)
	time.Sleep(s.delay / 2)
	return resp, err
}

func limited(t *testing.T, plan desk.Plan, o freshservice.ClientOptions) (*desk.Desk, *freshservice.Client) {
	d, err := desk.New(context.Background(), desk.Options{Plan: plan, APIKey: apiKey, Seed: company()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	o.Domain, o.APIKey = "acme", apiKey
	o.HTTP = &http.Client{Transport: slow{inProcess{d}, 100 * time.Millisecond}}
	c, err := freshservice.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return d, c
}

func TestUsesTheRateAndMeetsNo429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, c := limited(t, desk.Starter, freshservice.ClientOptions{})
		const people = 2000
		start := time.Now()
		var wg sync.WaitGroup
		for w := range 10 {
			wg.Go(func() {
				for i := w; i < people; i += 10 {
					if _, _, err := c.Create(t.Context(), freshservice.Requester, freshservice.Fields{"first_name": "A", "primary_email": fmt.Sprintf("a%d@acme.example", i)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		took := time.Since(start)
		calls := d.Calls()
		if calls.Total != people || calls.Rejected429 != 0 {
			t.Errorf("%d calls, %d refused", calls.Total, calls.Rejected429)
		}
		if allowed := took.Minutes() * 100; float64(people) < 0.95*allowed {
			t.Errorf("%d calls in %v: %.1f%% of the rate", people, took, 100*float64(people)/allowed)
		}
		s := c.Stats()
		if s.Overall.Total != 100 || s.Waits == 0 || s.TooMany != 0 {
			t.Errorf("stats %+v", s)
		}
		// What is left of this minute, and a full one more.
		if e := c.Estimate(s.Overall.Remaining+90, 0); e <= 0 || e > 2*time.Minute {
			t.Errorf("estimate %v", e)
		}
	})
}

func TestListingsHaveALimitOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, c := limited(t, desk.Starter, freshservice.ClientOptions{})
		var wg sync.WaitGroup
		for i := range 150 {
			wg.Go(func() {
				var err error
				if i%2 == 0 {
					_, err = c.FindByEmail(t.Context(), "boss@acme.example")
				} else {
					_, err = c.Roles(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if calls := d.Calls(); calls.Rejected429 != 0 || calls.Total != 150 {
			t.Errorf("%+v", calls)
		}
		if s := c.Stats(); s.ListRequesters.Total != 40 || s.Overall.Total != 100 {
			t.Errorf("%+v", s)
		}
	})
}

func TestReserveIsLeftToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, c := limited(t, desk.Starter, freshservice.ClientOptions{Reserve: 0.3})
		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		n := 0
		for {
			if _, err := c.Roles(ctx); err != nil {
				var e *freshservice.APIError
				if !errors.As(err, &e) || e.Status != 429 || e.RetryAfter <= 0 {
					t.Errorf("out of budget: %v", err)
				}
				break
			}
			n++
		}
		if n < 60 || n > 70 || d.Calls().Rejected429 != 0 {
			t.Errorf("%d calls used of 100 with 30%% reserved", n)
		}
	})
}

func TestInteractiveCallsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := limited(t, desk.Starter, freshservice.ClientOptions{})
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() {
				if _, err := c.Roles(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(30 * time.Second) // the bulk calls have used up their part of the minute
		start := time.Now()
		if _, err := c.Roles(freshservice.WithPriority(t.Context(), freshservice.Interactive)); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("an interactive call took %v", took)
		}
		wg.Wait()
	})
}

func TestSharedAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, c := limited(t, desk.Starter, freshservice.ClientOptions{})
		// Another integration uses 40 calls of every minute, at its own times.
		ctx, cancel := context.WithCancel(t.Context())
		var others sync.WaitGroup
		others.Go(func() {
			for ctx.Err() == nil {
				for range 40 {
					req := httptest.NewRequest("GET", "/api/v2/roles", nil)
					req.SetBasicAuth(apiKey, "X")
					d.ServeHTTP(httptest.NewRecorder(), req)
				}
				select {
				case <-time.After(61 * time.Second):
				case <-ctx.Done():
				}
			}
		})
		time.Sleep(7 * time.Second)
		for range 300 {
			if _, err := c.Roles(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		others.Wait()
		if s := c.Stats(); s.TooMany > 2 {
			t.Errorf("%d 429s beside another integration", s.TooMany)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		start := time.Now()
		c, err := freshservice.NewClient(freshservice.ClientOptions{Domain: "acme", APIKey: "k", HTTP: &http.Client{Transport: inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			times = append(times, time.Since(start))
			w.Header().Set("X-RateLimit-Total", "100")
			if len(times) == 1 {
				w.Header().Set("X-RateLimit-Remaining", "0")
				w.Header().Set("Retry-After", strconv.Itoa(37))
				w.WriteHeader(429)
				return
			}
			w.Header().Set("X-RateLimit-Remaining", "90")
			w.Write([]byte(`{"agent":{"id":1}}`))
		})}}})
		if err != nil {
			t.Fatal(err)
		}
		// A write that was refused for the rate was not carried out: it is sent again.
		if _, _, err := c.Create(t.Context(), freshservice.Agent, freshservice.Fields{"email": "a@b.example"}); err != nil {
			t.Fatal(err)
		}
		if len(times) != 2 || times[1] < 37*time.Second || times[1] > 38*time.Second {
			t.Errorf("sent at %v", times)
		}
		if s := c.Stats(); s.TooMany != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestUnlimitedNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := limited(t, desk.Unlimited, freshservice.ClientOptions{})
		start := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 100 {
					if _, err := c.Roles(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		// The first call goes alone; the others never wait for one another.
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("2,000 calls of 0.1 s by 20 workers took %v", took)
		}
	})
}

func BenchmarkUpdateThroughBridge(b *testing.B) {
	a := open(b, setup{desk: desk.Options{Seed: company()}}).warm()
	r, err := a.Create(b.Context(), user(b, ines))
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		i++
		if _, err := a.Update(b.Context(), users, r.ID, scim.Precondition{}, func(r *scim.Resource) error {
			r.Attributes().Set("title", strconv.Itoa(i))
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

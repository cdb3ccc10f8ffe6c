package desk_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"lockstep/internal/freshservice/desk"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{Plan: desk.Enterprise})
	h := want(t, d, 200, "GET", "/departments", "").header
	for name, pattern := range map[string]string{
		"Content-Type":                    `^application/json; charset=utf-8$`,
		"Status":                          `^200 OK$`,
		"Cache-Control":                   `^no-cache, no-store, max-age=0, must-revalidate$`,
		"Pragma":                          `^no-cache$`,
		"Expires":                         `^Wed, 13 Oct 2010 00:00:00 UTC$`,
		"X-Freshservice-Api-Version":      `^latest=v2; requested=v2$`,
		"X-Request-Id":                    `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`,
		"X-Trace-Id":                      `^00-[0-9a-f]{32}-[0-9a-f]{16}-0\d$`,
		"X-Xss-Protection":                `^1; mode=block$`,
		"X-Frame-Options":                 `^SAMEORIGIN$`,
		"X-Content-Type-Options":          `^nosniff$`,
		"X-Fw-Ratelimiting-Managed":       `^true$`,
		"X-Ratelimit-Total":               `^500$`,
		"X-Ratelimit-Remaining":           `^499$`,
		"X-Ratelimit-Used-Currentrequest": `^1$`,
		"X-Envoy-Upstream-Service-Time":   `^\d+$`,
		"Server":                          `^fwe$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(h.Get(name)) {
			t.Errorf("%s: %q does not match %s", name, h.Get(name), pattern)
		}
	}
}

func TestTransportRefusals(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	a := want(t, d, 405, "GET", "/requesters/1/reactivate", "")
	if a.raw != `{"message":"GET method is not allowed. It should be one of these method(s): PUT"}` || a.header.Get("Allow") != "PUT" {
		t.Errorf("405: %s, Allow %q", a.raw, a.header.Get("Allow"))
	}
	want(t, d, 405, "PATCH", "/requesters/1", `{}`)
	for _, p := range []string{"/tickets", "/requesters/0", "/requesters/x", "/requesters/99999999999999999999", "//requesters", "/requesters/1/../2", ""} {
		if a := want(t, d, 404, "GET", p, ""); a.raw != "" {
			t.Errorf("404 of %s has the body %q, want none", p, a.raw)
		}
	}
	want(t, d, 200, "GET", "/requesters/", "")
	r := request("POST", "/api/v2/requesters", `{"first_name":"A","work_phone_number":"1"}`)
	r.SetBasicAuth(testKey, "X")
	r.Header.Set("Content-Type", "text/plain")
	if a := send(t, d, r); a.status != 415 {
		t.Errorf("text/plain: %d, want 415", a.status)
	}
	r = request("GET", "/api/v2/requesters", "")
	r.SetBasicAuth(testKey, "X")
	r.Header.Set("Accept", "text/html")
	if a := send(t, d, r); a.status != 406 {
		t.Errorf("Accept text/html: %d, want 406", a.status)
	}
	for _, accept := range []string{"*/*", "application/json", "application/json, text/plain", "text/html;q=0.9, */*;q=0.1"} {
		r.Header.Set("Accept", accept)
		if a := send(t, d, r); a.status != 200 {
			t.Errorf("Accept %s: %d", accept, a.status)
		}
	}
	if a := api(t, d, "POST", "/requesters", `{"first_name":"`+strings.Repeat("x", 1<<20)+`"}`); a.status != 413 {
		t.Errorf("a large body: %d, want 413", a.status)
	}
	if a := want(t, d, 400, "POST", "/requesters", `{"first_name":`); a.raw != `{"code":"invalid_json","message":"Request body has invalid json format"}` {
		t.Errorf("bad JSON: %s", a.raw)
	}
}

// The ten calls that the documentation's limits were checked with: one
// trial account, ten calls within 105 seconds.
func TestRateLimitHeadersOfTenCalls(t *testing.T) {
	t.Parallel()
	c := newClock() // not on a full minute: the window is not the clock's
	d := open(t, desk.Options{Plan: desk.Enterprise, Now: c.Now})
	var at time.Duration
	for i, call := range []struct {
		after            time.Duration
		path             string
		total, remaining string
	}{
		{0, "/agents", "140", "139"},
		{1 * time.Second, "/agents?per_page=100", "140", "138"},
		{2 * time.Second, "/roles", "500", "497"},
		{4 * time.Second, "/groups", "500", "496"},
		{10 * time.Second, "/groups", "500", "495"},
		{30 * time.Second, "/agents/me", "500", "494"},
		{59 * time.Second, "/requesters", "140", "139"},
		{62 * time.Second, "/agents", "140", "139"},
		{63 * time.Second, "/groups", "500", "498"},
		{105 * time.Second, "/requesters", "140", "138"},
	} {
		c.advance(call.after - at)
		at = call.after
		h := want(t, d, 200, "GET", call.path, "").header
		if h.Get("X-RateLimit-Total") != call.total || h.Get("X-RateLimit-Remaining") != call.remaining {
			t.Errorf("call %d, %s at %v: %s of %s, want %s of %s", i+1, call.path, call.after,
				h.Get("X-RateLimit-Remaining"), h.Get("X-RateLimit-Total"), call.remaining, call.total)
		}
	}
}

func TestRateLimitRefuses(t *testing.T) {
	t.Parallel()
	for _, plan := range []struct {
		plan          desk.Plan
		overall, list int
	}{{desk.Starter, 100, 40}, {desk.Growth, 200, 70}, {desk.Pro, 400, 120}, {desk.Enterprise, 500, 140}} {
		c := newClock()
		d := open(t, desk.Options{Plan: plan.plan, Now: c.Now})
		for range plan.list {
			want(t, d, 200, "GET", "/requesters", "")
		}
		c.advance(1500 * time.Millisecond)
		a := want(t, d, 429, "GET", "/requesters", "")
		if a.header.Get("Retry-After") != "59" || a.header.Get("X-RateLimit-Remaining") != "0" || a.body["message"] == nil {
			t.Errorf("%s: 429 with Retry-After %q: %s", plan.plan, a.header.Get("Retry-After"), a.raw)
		}
		// What was refused counts overall as well, and so does what is invalid.
		for i := range plan.overall - plan.list - 1 {
			if i%2 == 0 {
				want(t, d, 404, "GET", "/requesters/5", "")
			} else if a := as(t, d, "wrong", "GET", "/roles", ""); a.status != 401 {
				t.Fatalf("%s: call %d: %d", plan.plan, i, a.status)
			}
		}
		want(t, d, 429, "GET", "/agents/me", "")
		if a := want(t, d, 429, "GET", "/agents", ""); a.header.Get("X-RateLimit-Total") != path("%d", plan.overall) {
			t.Errorf("%s: the refusal names the bucket of %s", plan.plan, a.header.Get("X-RateLimit-Total"))
		}
		if n := d.Calls().Rejected429; n != 3 {
			t.Errorf("%s: %d refused, want 3", plan.plan, n)
		}
		c.advance(58500 * time.Millisecond)
		want(t, d, 200, "GET", "/requesters", "")
	}
}

func TestUnlimitedStillSendsHeaders(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	for range 1000 {
		if h := want(t, d, 200, "GET", "/agents/me", "").header; h.Get("X-RateLimit-Total") != "1000000" || h.Get("X-RateLimit-Remaining") != "999999" {
			t.Fatalf("headers: %v", h)
		}
	}
}

func TestIncludeCostsCredits(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{Plan: desk.Enterprise})
	for p, cost := range map[string]string{"/requester_fields?include=user_field_groups": "3", "/departments": "1", "/departments/5?include=x": "2"} {
		if got := api(t, d, "GET", p, "").header.Get("X-RateLimit-Used-CurrentRequest"); got != cost {
			t.Errorf("%s costs %s, want %s", p, got, cost)
		}
	}
}

func TestCallsAreCountedByRoute(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	want(t, d, 404, "GET", "/requesters/5", "")
	want(t, d, 404, "GET", "/requesters/6", "")
	want(t, d, 405, "PATCH", "/requesters", "")
	want(t, d, 404, "GET", "/tickets", "")
	got := d.Calls()
	if got.Total != 4 || got.ByRoute["GET /requesters/{id}"] != 2 || got.ByRoute["PATCH /requesters"] != 1 || got.ByRoute["GET /…"] != 1 {
		t.Errorf("calls: %+v", got)
	}
	d.ResetCalls()
	if got := d.Calls(); got.Total != 0 || len(got.ByRoute) != 0 {
		t.Errorf("after the reset: %+v", got)
	}
}

func TestAbsoluteURLsFollowTheRequest(t *testing.T) {
	t.Parallel()
	d := open(t, desk.Options{})
	r := httptest.NewRequest("GET", "https://acme.freshservice.com/api/v2/roles?per_page=1", nil)
	r.SetBasicAuth(testKey, "X")
	a := send(t, d, r)
	if got, want := a.header.Get("Link"), `<https://acme.freshservice.com/api/v2/roles?page=2&per_page=1>; rel="next"`; got != want {
		t.Errorf("Link = %s, want %s", got, want)
	}
}

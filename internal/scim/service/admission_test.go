package service_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/scim/service"
)

// A logBook keeps log lines as objects.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logBook) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBook) last(t *testing.T) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(l.text()), "\n")
	var v map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAuthentication(t *testing.T) {
	jwt := "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiI4YWRmOGU2ZSJ9.c2lnbmF0dXJl"
	for _, tt := range []struct {
		header []string
		want   service.AuthFailure
	}{
		{nil, service.AuthMissing},
		{[]string{""}, service.AuthMissing},
		{[]string{"Bearer s3cret", "Bearer s3cret"}, service.AuthRepeated},
		{[]string{"Basic dXNlcjpwYXNz"}, service.AuthBasic},
		{[]string{"s3cret"}, service.AuthWrongScheme},
		{[]string{"Token s3cret"}, service.AuthWrongScheme},
		{[]string{"Bearer: s3cret"}, service.AuthWrongScheme},
		{[]string{"Bearer"}, service.AuthEmptyToken},
		{[]string{"Bearer   "}, service.AuthEmptyToken},
		{[]string{"Bearer Bearer s3cret"}, service.AuthDoubleBearer},
		{[]string{"Bearer bearer s3cret"}, service.AuthDoubleBearer},
		{[]string{"Bearer Bearer"}, service.AuthDoubleBearer},
		{[]string{`Bearer "s3cret"`}, service.AuthQuoted},
		{[]string{`Bearer 's3cret'`}, service.AuthQuoted},
		{[]string{"Bearer \u201cs3cret\u201d"}, service.AuthQuoted},
		{[]string{"Bearer  s3cret"}, service.AuthWhiteSpace},
		{[]string{"Bearer s3cret "}, service.AuthWhiteSpace},
		{[]string{"Bearer\ts3cret"}, service.AuthWhiteSpace},
		{[]string{"Bearer s3\u00a0cret"}, service.AuthWhiteSpace},
		{[]string{"Bearer \ufeffs3cret"}, service.AuthWhiteSpace},
		{[]string{"Bearer " + jwt}, service.AuthJWT},
		{[]string{"Bearer s3cres"}, service.AuthUnknownToken},
		{[]string{"Bearer S3CRET"}, service.AuthUnknownToken},
		{[]string{"Bearer s3cret"}, ""},
		{[]string{"bearer s3cret"}, ""},
		{[]string{"BEARER s3cret"}, ""},
	} {
		var book logBook
		var seen service.Exchange
		h := service.New(service.Options{Accounts: oneAccount(account(scimtest.NewDirectory())), Log: book.logger(),
			Observe: func(x service.Exchange) { seen = x }})
		for _, target := range []string{"/scim/v2/Users", "/scim/v2/ServiceProviderConfig"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", target, nil)
			if tt.header != nil {
				r.Header["Authorization"] = tt.header
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if tt.want == "" || tt.header == nil && strings.HasSuffix(target, "Config") {
				if w.Code != 200 {
					t.Errorf("%q: status %d", tt.header, w.Code)
				}
				continue
			}
			wantError(t, w, 401, "", "bearer token")
			if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="lockstep"` {
				t.Errorf("WWW-Authenticate: %s", got)
			}
			if seen.AuthFailure != tt.want || book.last(t)["auth_failure"] != string(tt.want) {
				t.Errorf("%q: observed %q, logged %v, want %q", tt.header, seen.AuthFailure, book.last(t)["auth_failure"], tt.want)
			}
		}
		for _, secret := range []string{"s3c", jwt, "dXNlcjpwYXNz"} {
			if strings.Contains(book.text(), secret) {
				t.Errorf("%q: the log holds the credential: %s", tt.header, book.text())
			}
		}
	}
}

func TestAccountOutOfOrder(t *testing.T) {
	unavailable := &scim.Error{Type: scim.Unavailable, Detail: "Freshservice cannot be reached", RetryAfter: 1500 * time.Millisecond}
	for _, tt := range []struct {
		err    error
		status int
		detail string
	}{
		{scim.Errorf(scim.Forbidden, "the account is suspended"), 403, "suspended"},
		{unavailable, 503, "Freshservice"},
		{errors.New("dial db: 10.1.2.3"), 500, "request id"},
		{nil, 500, "request id"},
	} {
		var book logBook
		h := service.New(service.Options{Log: book.logger(), Accounts: accountsFunc(func(string) (*service.Account, error) { return nil, tt.err })})
		w := send(t, h, "GET", "/scim/v2/Users", "")
		wantError(t, w, tt.status, "", tt.detail)
		if tt.err == unavailable && w.Header().Get("Retry-After") != "2" {
			t.Errorf("Retry-After %q, want 2", w.Header().Get("Retry-After"))
		}
		if tt.status == 500 {
			if strings.Contains(w.Body.String(), "10.1.2.3") {
				t.Errorf("the client was told the cause: %s", w.Body)
			}
			if book.last(t)["error"] == nil {
				t.Errorf("the cause is not in the log: %s", book.text())
			}
		}
	}
}

func TestLogLine(t *testing.T) {
	var book logBook
	var seen service.Exchange
	h := service.New(service.Options{Accounts: oneAccount(account(scimtest.NewDirectory())), Log: book.logger(), Observe: func(x service.Exchange) {
		seen = x
		seen.RequestBody, seen.ResponseBody = bytes.Clone(x.RequestBody), bytes.Clone(x.ResponseBody)
	}})
	id := createUser(t, h, "ana@acme.example")
	if seen.Status != 201 || seen.Route != "/Users" || seen.ResourceID != id || seen.AccountID != "acme" || seen.Err != nil ||
		!bytes.Contains(seen.RequestBody, []byte("userName")) || !bytes.Contains(seen.ResponseBody, []byte(id)) {
		t.Errorf("observed %+v", seen)
	}
	send(t, h, "GET", "/scim/v2/Users?filter="+url.QueryEscape(`userName eq "ana@acme.example"`), "", "X-Request-Id", "trace-1")
	send(t, h, "GET", "/scim/v2/Users/"+id+"/secret-path", "")
	w := send(t, h, "GET", "/scim/v2/Users/nobody@acme.example", "", "X-Request-Id", "trace-2")
	if w.Header().Get("X-Request-Id") != "trace-2" {
		t.Errorf("request id %q", w.Header().Get("X-Request-Id"))
	}
	if n := strings.Count(book.text(), `"level":"DEBUG"`); n != 2 {
		t.Errorf("%d lines of level Debug for 2 successes:\n%s", n, book.text())
	}
	got := book.last(t)
	delete(got, "time")
	delete(got, "duration")
	want := map[string]any{"level": "INFO", "msg": "scim request", "method": "GET", "route": "/Users/{id}", "account": "acme", "status": 404.0, "request_id": "trace-2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log line (-want +got):\n%s", diff)
	}
	for _, private := range []string{"ana@", "nobody@", "secret-path", "s3cret", id} {
		if strings.Contains(book.text(), private) {
			t.Errorf("the log holds %q:\n%s", private, book.text())
		}
	}
	if n := strings.Count(book.text(), "\n"); n != 4 {
		t.Errorf("%d lines for 4 requests", n)
	}
}

func TestRequestID(t *testing.T) {
	h := service.New(service.Options{Accounts: oneAccount(account(scimtest.NewDirectory()))})
	for sent, kept := range map[string]bool{
		"7f3c1f0e-6a2b": true, "00-4bf92f35-01": true, "": false, "a b": false, "x\"y": false, "é": false, "{}": false,
		strings.Repeat("x", 128): true, strings.Repeat("x", 129): false,
	} {
		got := send(t, h, "GET", "/scim/v2/Users", "", "X-Request-Id", sent).Header().Get("X-Request-Id")
		if kept != (got == sent) || got == "" {
			t.Errorf("%q came back as %q", sent, got)
		}
	}
	a := send(t, h, "GET", "/scim/v2/Users", "").Header().Get("X-Request-Id")
	if b := send(t, h, "GET", "/scim/v2/Users", "").Header().Get("X-Request-Id"); a == b {
		t.Errorf("two requests have the id %s", a)
	}
}

func TestRateLimit(t *testing.T) {
	a := account(scimtest.NewDirectory())
	a.Limits = service.Limits{RatePerSecond: 0.5, Burst: 2}
	other := account(scimtest.NewDirectory())
	other.ID = "other"
	h := service.New(service.Options{Accounts: accountsFunc(func(token string) (*service.Account, error) {
		if token == "other" {
			return other, nil
		}
		return a, nil
	})})
	for i, want := range []int{200, 200, 429, 429} {
		w := send(t, h, "GET", "/scim/v2/Users", "")
		if w.Code != want {
			t.Fatalf("request %d: %d, want %d", i, w.Code, want)
		}
		if want == 429 {
			wantError(t, w, 429, "", "0.5 requests per second")
			if got := w.Header().Get("Retry-After"); got != "2" {
				t.Errorf("Retry-After %q, want 2", got)
			}
		}
	}
	if w := send(t, h, "GET", "/scim/v2/Users", "", "Authorization", "Bearer other"); w.Code != 200 {
		t.Errorf("another account got %d", w.Code)
	}
	// A limit that is raised holds at once.
	raised := account(a.Directory)
	raised.Limits = service.Limits{RatePerSecond: 1e9, Burst: 1000}
	a = raised
	if w := send(t, h, "GET", "/scim/v2/Users", ""); w.Code != 200 {
		t.Errorf("after the limit was raised: %d", w.Code)
	}
}

func TestBulkCountsItsOperations(t *testing.T) {
	a := account(scimtest.NewDirectory())
	a.Limits = service.Limits{RatePerSecond: 0.5, Burst: 3}
	h := service.New(service.Options{Accounts: oneAccount(a)})
	ops := strings.Repeat(`{"method":"DELETE","path":"/Users/x"},`, 2) + `{"method":"DELETE","path":"/Users/x"}`
	bulk := `{"schemas":["` + scim.URNBulkRequest + `"],"Operations":[` + ops + `]}`
	if w := send(t, h, "POST", "/scim/v2/Bulk", bulk); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wantError(t, send(t, h, "GET", "/scim/v2/Users", ""), 429, "", "requests per second")

	// More operations than may come at once take what there is, and those after
	// them wait the longer.
	a = account(scimtest.NewDirectory())
	a.ID, a.Limits = "other", service.Limits{RatePerSecond: 1, Burst: 2}
	h = service.New(service.Options{Accounts: oneAccount(a)})
	if w := send(t, h, "POST", "/scim/v2/Bulk", bulk); w.Code != 429 {
		t.Errorf("three operations where two may come at once, one of which was the request itself: %d", w.Code)
	}
}

func TestFailuresAreLimitedByAddress(t *testing.T) {
	var book logBook
	a := account(scimtest.NewDirectory())
	h := service.New(service.Options{Log: book.logger(), TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Accounts: accountsFunc(func(token string) (*service.Account, error) {
			if token == "good" {
				return a, nil
			}
			return nil, &scim.Error{Type: scim.Unauthenticated}
		})})
	get := func(token, from, forwarded string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/scim/v2/Users", nil)
		r.RemoteAddr = from
		r.Header.Set("Authorization", "Bearer "+token)
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	limited := 0
	for range 60 {
		switch w := get("bad", "192.0.2.1:1000", "198.51.100.7"); w.Code {
		case 401:
		case 429:
			limited++
			if w.Header().Get("Retry-After") == "" {
				t.Fatal("429 without Retry-After")
			}
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if limited < 20 {
		t.Errorf("%d of 60 requests without a valid token were limited", limited)
	}
	if n := strings.Count(book.text(), `"level":"WARN"`); n > 40 {
		t.Errorf("%d warnings for a flood of 60", n)
	}
	if w := get("good", "192.0.2.1:1000", ""); w.Code != 200 {
		t.Errorf("a valid token from the same address got %d", w.Code)
	}
	if w := get("bad", "192.0.2.2:1000", ""); w.Code != 401 {
		t.Errorf("another address got %d", w.Code)
	}
	for range 60 {
		get("bad", "10.1.1.1:1000", "203.0.113.9, 198.51.100.8, 10.2.2.2")
	}
	if w := get("bad", "10.1.1.1:1000", "203.0.113.9, 198.51.100.9"); w.Code != 401 {
		t.Errorf("another client behind the same proxy got %d", w.Code)
	}
	if w := get("bad", "10.1.1.1:1000", "1.2.3.4, 198.51.100.8"); w.Code != 429 {
		t.Errorf("a client that invents addresses got %d", w.Code)
	}
}

func TestLimits(t *testing.T) {
	a := account(scimtest.NewDirectory())
	a.Limits = service.Limits{MaxBody: 900, MaxOperations: 3, MaxMembers: 2, MaxPage: 3, DefaultPage: 2, BulkMaxOperations: 2, BulkMaxPayload: 1000}
	h := service.New(service.Options{Accounts: oneAccount(a)})
	var ids []string
	for i := range 5 {
		ids = append(ids, createUser(t, h, fmt.Sprint("u", i)))
	}
	group := decode[struct{ ID string }](t, send(t, h, "POST", "/scim/v2/Groups", `{"schemas":["`+scim.URNGroup+`"],"displayName":"G"}`)).ID
	big := strings.Repeat("x", 900)
	three := `{"value":"` + ids[0] + `"},{"value":"` + ids[1] + `"},{"value":"` + ids[2] + `"}`
	op := `{"op":"replace","path":"title","value":"x"}`
	for _, tt := range []struct{ method, target, body, limit string }{
		{"POST", "/Users", `{"userName":"` + big + `"}`, "MaxBody (900 bytes)"},
		{"PUT", "/Users/" + ids[0], `{"userName":"` + big + `"}`, "MaxBody (900 bytes)"},
		{"PATCH", "/Users/" + ids[0], patchOf(`{"op":"add","path":"title","value":"` + big + `"}`), "MaxBody (900 bytes)"},
		{"POST", "/Users/.search", `{"filter":"` + big + `"}`, "MaxBody (900 bytes)"},
		{"PATCH", "/Users/" + ids[0], patchOf(op + "," + op + "," + op + "," + op), "MaxOperations is 3"},
		{"POST", "/Groups", `{"schemas":["` + scim.URNGroup + `"],"displayName":"H","members":[` + three + `]}`, "MaxMembers is 2"},
		{"PUT", "/Groups/" + group, `{"schemas":["` + scim.URNGroup + `"],"displayName":"H","members":[` + three + `]}`, "MaxMembers is 2"},
		{"PATCH", "/Groups/" + group, patchOf(`{"op":"add","path":"members","value":[` + three + `]}`), "MaxMembers is 2"},
		{"PATCH", "/Groups/" + group, patchOf(`{"op":"add","value":{"members":[` + three + `]}}`), "MaxMembers is 2"},
		{"POST", "/Bulk", `{"schemas":["` + big + big + `"]}`, "maxPayloadSize (1000 bytes)"},
		{"POST", "/Bulk", `{"schemas":["` + scim.URNBulkRequest + `"],"Operations":[{},{},{}]}`, "maxOperations is 2"},
	} {
		w := send(t, h, tt.method, "/scim/v2"+tt.target, tt.body)
		if w.Code != 413 {
			t.Errorf("%s %s: %d %s", tt.method, tt.target, w.Code, w.Body)
			continue
		}
		wantError(t, w, 413, "", tt.limit)
		// The length need not be announced.
		r := httptest.NewRequestWithContext(t.Context(), tt.method, "/scim/v2"+tt.target, io.MultiReader(strings.NewReader(tt.body)))
		r.Header.Set("Authorization", "Bearer s3cret")
		chunked := httptest.NewRecorder()
		h.ServeHTTP(chunked, r)
		wantError(t, chunked, 413, "", tt.limit)
	}
	type list struct {
		TotalResults, ItemsPerPage int
		Resources                  []struct{ ID string }
		NextCursor                 string
	}
	for target, want := range map[string]int{"/Users": 2, "/Users?count=3": 3, "/Users?count=100": 3, "/Users?cursor&count=100": 3, "/Users?cursor": 2} {
		got := decode[list](t, send(t, h, "GET", "/scim/v2"+target, ""))
		if got.TotalResults != 5 || got.ItemsPerPage != want || len(got.Resources) != want {
			t.Errorf("%s: %+v, want %d of 5", target, got, want)
		}
	}
	config := send(t, h, "GET", "/scim/v2/ServiceProviderConfig", "").Body.String()
	for _, want := range []string{`"maxOperations":2`, `"maxPayloadSize":1000`, `"maxResults":3`, `"maxPageSize":3`, `"defaultPageSize":2`} {
		if !strings.Contains(config, want) {
			t.Errorf("ServiceProviderConfig lacks %s: %s", want, config)
		}
	}
}

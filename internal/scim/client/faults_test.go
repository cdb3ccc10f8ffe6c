package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/internal/provision"
	"lockstep/internal/scim"
)

// answers replies to each request with the next of the given answers, and to
// all further ones with the last.
func answers(list ...string) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		i := min(int(n.Add(1)), len(list)) - 1
		status, body, _ := strings.Cut(list[i], " ")
		code := 0
		fmt.Sscan(status, &code)
		if strings.HasPrefix(body, "<") {
			w.Header().Set("Content-Type", "text/html")
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

func wantError(t *testing.T, err error, typ scim.ErrorType, parts ...string) *scim.Error {
	t.Helper()
	var e *scim.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a scim.Error of type %s", err, typ)
	}
	if e.Type != typ {
		t.Errorf("got type %s (%v), want %s", e.Type, err, typ)
	}
	for _, p := range parts {
		if !strings.Contains(e.Detail, p) {
			t.Errorf("error %q lacks %q", e.Detail, p)
		}
	}
	if strings.Contains(fmt.Sprintf("%+v %v", err, e.Err), testToken) {
		t.Errorf("the token is in the error %q", err)
	}
	return e
}

// What an administrator sees when address, token or network are wrong.
func TestDescribeTellsMistakesApart(t *testing.T) {
	t.Parallel()
	const ok = `200 {"totalResults":0,"Resources":[]}`
	for _, tt := range []struct {
		name   string
		answer string
		typ    scim.ErrorType
		want   []string
	}{
		{"wrong token", `401 {"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"the token s3cr3t-t0ken-value has expired","status":"401"}`,
			scim.Unauthenticated, []string{"token", "enter a new one", "[token] has expired"}},
		{"no permission", `403 {"message":"plan"}`, scim.Forbidden, []string{"permission", "plan"}},
		{"wrong path", `404 <html>no such page</html>`, scim.NotFound, []string{"/Users", "check the URL", "/scim/v2", "HTML"}},
		{"sign-in page", `200 <!DOCTYPE html><title>Sign in</title>`, scim.BadGateway, []string{"HTML page", "check the URL"}},
		{"another JSON service", `200 {"hello":"world"}`, scim.BadGateway, []string{"no ListResponse"}},
		{"no body", `200 `, scim.BadGateway, []string{"no body"}},
		{"broken JSON", `200 {"totalResults":`, scim.BadGateway, []string{"no JSON object"}},
		{"filters are ignored", `200 {"totalResults":2,"Resources":[{"id":"1","userName":"a"},{"id":"2","userName":"b"}]}`, scim.BadGateway, []string{"ignores filters on userName"}},
		{"not filterable", `400 {"scimType":"invalidFilter","detail":"userName cannot be filtered"}`, scim.InvalidFilter, []string{"userName cannot be filtered"}},
		{"out of order", `500 boom`, scim.Internal, []string{"500", "no reason given"}},
		{"away", `503 {"error":{"message":"deploying"}}`, scim.Unavailable, []string{"deploying"}},
		{"item without id", `200 {"totalResults":1,"Resources":[{"userName":"a"}]}`, scim.BadGateway, []string{"without id"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(answers(tt.answer))
			defer s.Close()
			_, err := newClient(t, Options{BaseURL: s.URL + "/scim"}).Describe(t.Context())
			wantError(t, err, tt.typ, tt.want...)
		})
	}
	t.Run("tolerates having no discovery", func(t *testing.T) {
		t.Parallel()
		s := httptest.NewServer(answers(ok, `404 `, `500 <html>`, ok))
		defer s.Close()
		caps, err := newClient(t, Options{BaseURL: s.URL}).Describe(t.Context())
		if err != nil || !caps.Patch || !caps.Groups || caps.PageSize != 100 || caps.BulkOperations != 0 {
			t.Errorf("got %+v, %v", caps, err)
		}
	})
	t.Run("redirect", func(t *testing.T) {
		t.Parallel()
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
		defer elsewhere.Close()
		s := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/new?secret=1", http.StatusMovedPermanently))
		defer s.Close()
		_, err := newClient(t, Options{BaseURL: s.URL}).Describe(t.Context())
		e := wantError(t, err, scim.BadGateway, "redirects to "+elsewhere.URL)
		if strings.Contains(e.Detail, "secret") {
			t.Error("the redirect's query is in the error")
		}
	})
}

func TestConnectionErrors(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	encrypted := httptest.NewTLSServer(http.NotFoundHandler())
	encrypted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer encrypted.Close()
	for _, tt := range []struct {
		name string
		url  string
		http *http.Client
		want string
	}{
		{"refused", closed.URL, nil, "refuses the connection"},
		{"unknown host", "https://no-such-host.invalid", &http.Client{Transport: failing{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "no-such-host.invalid", IsNotFound: true}}}}, `"no-such-host.invalid" is not known`},
		{"no TLS there", strings.Replace(plain.URL, "http:", "https:", 1), nil, "does not speak TLS"},
		{"unknown authority", encrypted.URL, nil, "does not trust"},
		{"wrong name", strings.Replace(encrypted.URL, "127.0.0.1", "localhost", 1), trusting(encrypted), "is for another name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, Options{BaseURL: tt.url, HTTP: tt.http})
			_, err := c.Describe(t.Context())
			wantError(t, err, scim.Unavailable, tt.want)
			// A create that was never sent has not happened.
			_, err = c.Create(t.Context(), user("a@acme.example"))
			wantError(t, err, scim.Unavailable)
		})
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// trusting trusts the server's authority, but the server is not "localhost".
func trusting(s *httptest.Server) *http.Client {
	pool := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "other.invalid"}}}
}

// When the connection breaks after a write was sent, nobody knows what came of it.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	reset := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	})
	release := make(chan struct{})
	silent := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	delta := provision.Delta{{Path: "title", New: "x"}}
	for _, tt := range []struct {
		name    string
		handler http.Handler
	}{
		{"reset", reset}, {"silence", silent},
		{"a proxy gives up", answers("502 <html>upstream prematurely closed connection</html>")},
		{"time-out of a proxy", answers("504 <html>")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.handler)
			defer s.Close()
			c := newClient(t, Options{BaseURL: s.URL, Timeout: 300 * time.Millisecond})
			users, groups := c.Types()
			_, err := c.Create(t.Context(), user("a@acme.example"))
			wantError(t, err, scim.GatewayTimeout)
			wantError(t, c.Update(t.Context(), users, "1", delta), scim.GatewayTimeout)
			wantError(t, c.Delete(t.Context(), users, "1"), scim.GatewayTimeout)
			wantError(t, c.EditMembers(t.Context(), "1", []string{"2"}, nil), scim.GatewayTimeout)
			_, err = c.Get(t.Context(), groups, "1")
			if e := scim.AsError(err); e.Type == scim.GatewayTimeout && (tt.name == "reset" || tt.name == "silence") {
				t.Errorf("a read is of unknown outcome: %v", err)
			}
		})
	}
	close(release)
}

func TestCreatedWithoutID(t *testing.T) {
	t.Parallel()
	location := func(at string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", at)
			w.WriteHeader(http.StatusCreated)
		}
	}
	for _, tt := range []struct {
		name    string
		handler http.Handler
		id      string
		typ     scim.ErrorType
	}{
		{"numeric id", answers(`201 {"id":4711,"userName":"a"}`), "4711", ""},
		{"Location alone", location("/scim/v2/Users/4711?x"), "4711", ""},
		{"neither", answers(`201 {}`), "", scim.GatewayTimeout},
		{"Location of the collection", location("/scim/v2/Users"), "", scim.GatewayTimeout},
		{"a page", answers(`200 <html>`), "", scim.BadGateway},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.handler)
			defer s.Close()
			r, err := newClient(t, Options{BaseURL: s.URL}).Create(t.Context(), user("a"))
			if tt.typ != "" {
				wantError(t, err, tt.typ)
				return
			}
			if err != nil || r.ID != tt.id {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

func TestFindRefusesWhatWasNotAskedFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		body string
		fine bool
	}{
		{`{"totalResults":1,"Resources":[{"id":"1","userName":"ADA@acme.example"}]}`, true},
		{`{"totalResults":1,"Resources":[{"id":"1"}]}`, true}, // it does not return the attribute
		{`{"totalResults":0}`, true},
		{`{"Resources":[]}`, true},
		{`{"totalResults":1,"Resources":[{"id":"1","userName":"ada@acme.example.org"}]}`, false},
	} {
		s := httptest.NewServer(answers("200 " + tt.body))
		c := newClient(t, Options{BaseURL: s.URL})
		users, _ := c.Types()
		_, err := c.Find(t.Context(), users, mustParse(t, "userName"), "ada@acme.example")
		if tt.fine && err != nil {
			t.Errorf("%s: %v", tt.body, err)
		}
		if !tt.fine {
			e := wantError(t, err, scim.BadGateway, "misreads filters", "userName")
			if strings.Contains(e.Detail, "ada@") {
				t.Error("the error holds somebody's name")
			}
		}
		s.Close()
	}
}

func TestListOfAStuckEndpoint(t *testing.T) {
	t.Parallel()
	page := `200 {"totalResults":500,"Resources":[{"id":"1","userName":"a"},{"id":"2","userName":"b"}]}`
	s := httptest.NewServer(answers(page))
	defer s.Close()
	c := newClient(t, Options{BaseURL: s.URL})
	users, _ := c.Types()
	n := 0
	var last error
	for _, err := range c.List(t.Context(), users) {
		last = err
		n++
	}
	if n != 3 {
		t.Errorf("%d results", n)
	}
	wantError(t, last, scim.BadGateway, "same page again")
}

func TestListByCursor(t *testing.T) {
	t.Parallel()
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ServiceProviderConfig" {
			io.WriteString(w, `{"patch":{"supported":true},"pagination":{"cursor":true,"index":false,"maxPageSize":2}}`)
			return
		}
		q := r.URL.Query()
		if q.Has("filter") {
			io.WriteString(w, `{"totalResults":0}`)
			return
		}
		if r.URL.Path != "/Users" {
			http.NotFound(w, r)
			return
		}
		asked = append(asked, r.URL.RawQuery)
		switch q.Get("cursor") {
		case "":
			io.WriteString(w, `{"totalResults":3,"nextCursor":"c&2","Resources":[{"id":"1"},{"id":"2"}]}`)
		case "c&2":
			io.WriteString(w, `{"totalResults":3,"Resources":[{"id":"3"}]}`)
		}
	}))
	defer s.Close()
	c := newClient(t, Options{BaseURL: s.URL})
	if _, err := c.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	users, _ := c.Types()
	var ids []string
	for r, err := range c.List(t.Context(), users) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	if got := strings.Join(ids, ""); got != "123" {
		t.Errorf("listed %q", got)
	}
	if got, want := strings.Join(asked, " "), "count=2&cursor= count=2&cursor=c%262"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// scripted answers by a function, without a network: for tests in a bubble.
type scripted func(n int, r *http.Request) (status int, header http.Header, body string)

func (s scripted) client() *http.Client {
	var n atomic.Int32
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		status, h, body := s(int(n.Add(1)), r)
		if h == nil {
			h = http.Header{}
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestPatience(t *testing.T) {
	t.Parallel()
	asks := func(seconds string) http.Header { return http.Header{"Retry-After": {seconds}} }
	created := `{"id":"1","userName":"a"}`
	for _, tt := range []struct {
		name     string
		script   scripted
		maxWait  time.Duration
		typ      scim.ErrorType // "" for success
		took     time.Duration  // exactly, -1 for any
		requests int64
		after    time.Duration // RetryAfter of the error
	}{
		{"429 with Retry-After", func(n int, _ *http.Request) (int, http.Header, string) {
			if n <= 2 {
				return 429, asks("7"), ""
			}
			return 201, nil, created
		}, 0, "", 14 * time.Second, 3, 0},
		{"503 with Retry-After", func(n int, _ *http.Request) (int, http.Header, string) {
			if n == 1 {
				return 503, asks("30"), ""
			}
			return 201, nil, created
		}, 0, "", 30 * time.Second, 2, 0},
		{"503 without", func(int, *http.Request) (int, http.Header, string) { return 503, nil, "" }, 0, scim.Unavailable, 0, 1, 0},
		{"429 without", func(n int, _ *http.Request) (int, http.Header, string) {
			if n <= 3 {
				return 429, nil, ""
			}
			return 201, nil, created
		}, 0, "", -1, 4, 0},
		{"longer than we wait", func(int, *http.Request) (int, http.Header, string) { return 429, asks("3600"), "" }, 0, scim.RateLimited, 0, 1, time.Hour},
		{"for ever", func(int, *http.Request) (int, http.Header, string) { return 429, asks("30"), "" }, time.Minute, scim.RateLimited, time.Minute, 3, 30 * time.Second},
		{"not at all", func(int, *http.Request) (int, http.Header, string) { return 429, asks("1"), "" }, -1, scim.RateLimited, 0, 1, time.Second},
		{"other errors are not repeated", func(int, *http.Request) (int, http.Header, string) { return 500, nil, "" }, 0, scim.Internal, 0, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				c := newClient(t, Options{BaseURL: "https://acme.example/scim", HTTP: tt.script.client(), MaxWait: tt.maxWait, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
				start := time.Now()
				_, err := c.Create(t.Context(), user("ada@acme.example"))
				if took := time.Since(start); tt.took >= 0 && took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if tt.typ == "" && err != nil {
					t.Errorf("got %v", err)
				}
				if tt.typ != "" {
					if e := wantError(t, err, tt.typ); e.RetryAfter != tt.after {
						t.Errorf("RetryAfter %v, want %v", e.RetryAfter, tt.after)
					}
				}
				if got := c.Stats().Requests; got != tt.requests {
					t.Errorf("%d requests, want %d", got, tt.requests)
				}
				if tt.requests > 1 && !strings.Contains(log.String(), "asks for patience") {
					t.Error("the waiting was not reported")
				}
				for _, private := range []string{testToken, "ada@"} {
					if strings.Contains(log.String(), private) {
						t.Errorf("%q is in the log:\n%s", private, log.String())
					}
				}
			})
		})
	}
}

// While one worker waits, the others do not knock either.
func TestPatienceIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := scripted(func(n int, _ *http.Request) (int, http.Header, string) {
			if n == 1 {
				return 429, http.Header{"Retry-After": {"20"}}, ""
			}
			if since := time.Since(start); since < 20*time.Second {
				t.Errorf("a request after %v, while the endpoint asked for 20 s", since)
			}
			return 200, nil, `{"id":"1"}`
		}).client()
		c := newClient(t, Options{BaseURL: "https://acme.example", HTTP: h})
		users, _ := c.Types()
		first := make(chan struct{})
		go func() {
			defer close(first)
			if _, err := c.Get(t.Context(), users, "1"); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if _, err := c.Get(t.Context(), users, "2"); err != nil {
			t.Error(err)
		}
		<-first
		// Whoever is called off while waiting does not wait any longer.
		ctx, cancel := context.WithCancel(t.Context())
		c.gate.close(time.Hour)
		cancel()
		if _, err := c.Get(ctx, users, "3"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestMembersAreHalvedUntilTheyFit(t *testing.T) {
	t.Parallel()
	for _, refusal := range []string{`413 `, `400 {"scimType":"tooMany","detail":"x"}`, `400 {"detail":"Too many members in one request"}`} {
		var sizes []int
		h := scripted(func(_ int, r *http.Request) (int, http.Header, string) {
			b, _ := io.ReadAll(r.Body)
			n := strings.Count(string(b), `"value":"m`)
			sizes = append(sizes, n)
			if n > 30 {
				status, body, _ := strings.Cut(refusal, " ")
				code := 0
				fmt.Sscan(status, &code)
				return code, nil, body
			}
			return 204, nil, ""
		}).client()
		c := newClient(t, Options{BaseURL: "https://acme.example", HTTP: h, MembersPerRequest: 100, Dialect: provision.Legacy})
		ids := make([]string, 60)
		for i := range ids {
			ids[i] = fmt.Sprintf("m%d", i)
		}
		if err := c.EditMembers(t.Context(), "g", ids, nil); err != nil {
			t.Errorf("%s: %v", refusal, err)
		}
		if got := fmt.Sprint(sizes); got != "[60 30 30]" {
			t.Errorf("%s: requests of %s members", refusal, got)
		}
	}
	// Another refusal ends it, and says how far it came.
	h := scripted(func(n int, _ *http.Request) (int, http.Header, string) {
		if n == 1 {
			return 204, nil, ""
		}
		return 400, nil, `{"scimType":"invalidValue","detail":"no such member"}`
	}).client()
	c := newClient(t, Options{BaseURL: "https://acme.example", HTTP: h, MembersPerRequest: 2})
	wantError(t, c.EditMembers(t.Context(), "g", []string{"1", "2", "3"}, nil), scim.InvalidValue, "no such member", "2 of 3")
}

func TestErrorBodies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer string
		typ    scim.ErrorType
		detail string
	}{
		{`409 {"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"uniqueness","detail":"userName is taken","status":"409"}`, scim.Uniqueness, "userName is taken"},
		{`409 conflict`, scim.Uniqueness, "no reason given"},
		{`400 {"scimType":"invalidPath","detail":"no such path"}`, scim.InvalidPath, "no such path"},
		{`400 {"scimType":"madeUp","detail":"hm"}`, scim.InvalidValue, "hm"},
		{`422 {"title":"Unprocessable"}`, scim.InvalidValue, "Unprocessable"},
		{`412 {}`, scim.PreconditionFailed, "412"},
		{`501 {"Errors":[{"description":"not here","code":"501"}]}`, scim.NotImplemented, "not here"},
		{`404 {"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"User 1 not found","status":"404"}`, scim.NotFound, "User 1 not found"},
		{`404 <html>`, scim.NotFound, "no such resource"},
		{`500 {"detail":"` + strings.Repeat("é", 1000) + `"}`, scim.Internal, "…"},
	} {
		s := httptest.NewServer(answers(tt.answer))
		c := newClient(t, Options{BaseURL: s.URL})
		users, _ := c.Types()
		e := wantError(t, c.Delete(t.Context(), users, "1"), tt.typ, tt.detail)
		if len(e.Detail) > maxDetail+100 {
			t.Errorf("a detail of %d bytes", len(e.Detail))
		}
		s.Close()
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, " 0.5 ": 500 * time.Millisecond, "-1": 0, "soon": 0, "1e99": 0, "0": 0,
		"Wed, 21 Oct 2015 07:28:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {in}}); got != want {
			t.Errorf("Retry-After %q is %v, want %v", in, got, want)
		}
	}
	at := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	if got := retryAfter(http.Header{"Retry-After": {at}}); got < 50*time.Second || got > time.Minute {
		t.Errorf("Retry-After %q is %v", at, got)
	}
}

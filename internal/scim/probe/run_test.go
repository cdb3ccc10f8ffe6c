package probe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
	"lockstep/internal/scim/probe"
	"lockstep/internal/scim/scimtest"
)

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

func result(t *testing.T, r *probe.Report, id string) probe.Result {
	t.Helper()
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("there is no check %s", id)
	return probe.Result{}
}

func TestReadOnlyWritesNothing(t *testing.T) {
	t.Parallel()
	h := answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/.search") {
			t.Errorf("%s %s in a read-only run", r.Method, r.URL.Path)
		}
		return false
	})(ours(seeded(t)))
	o := options(h)
	o.ReadOnly = true
	r := run(t, o)
	if r.Failed > 0 || r.Passed < 35 || !r.ReadOnly {
		t.Errorf("%d failed, %d passed", r.Failed, r.Passed)
	}
	if c := result(t, r, "create-user"); c.Outcome != probe.Skip || !strings.Contains(c.Detail, "read-only") {
		t.Errorf("create-user: %+v", c)
	}
}

func TestCancelledRunCleansUp(t *testing.T) {
	t.Parallel()
	// Cancelled after so many requests, at different places.
	for _, after := range []int{1, 40, 90, 150, 300, 450} {
		d := seeded(t).(*scimtest.Directory)
		before := d.Len()
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		n := 0
		h := answering(func(_ http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			mu.Lock()
			defer mu.Unlock()
			if n++; n == after {
				cancel()
			}
			return false
		})(ours(d))
		r, err := probe.Run(ctx, options(h))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after %d requests: error %v", after, err)
		}
		if d.Len() != before || len(r.LeftBehind) > 0 {
			t.Errorf("cancelled after %d requests, %d resources were left: %v", after, d.Len()-before, r.LeftBehind)
		}
		if r.Failed > 0 {
			t.Errorf("cancelled after %d requests, %d checks failed", after, r.Failed)
		}
		if last := r.Checks[len(r.Checks)-1]; last.Outcome != probe.Skip || !strings.Contains(last.Detail, "cancelled") {
			t.Errorf("the last check: %+v", last)
		}
	}
}

// TestNothingDeletable holds that an endpoint that does not delete is not
// filled with people, unless that is wanted, and that what stays is told.
func TestNothingDeletable(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]middleware{
		"refuses deletions": refusing(405, "", func(r *http.Request, _ string) bool { return r.Method == http.MethodDelete }),
		"only says that it deletes": answering(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if r.Method != http.MethodDelete {
				return false
			}
			w.WriteHeader(http.StatusNoContent)
			return true
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := seeded(t).(*scimtest.Directory)
			before := d.Len()
			r := run(t, options(h(ours(d))))
			left := d.Len() - before
			if left == 0 || left > 4 || len(r.LeftBehind) != left {
				t.Errorf("%d resources are left, and reported: %v", left, r.LeftBehind)
			}
			if c := result(t, r, "patch-capitals"); c.Outcome != probe.Skip {
				t.Errorf("patch-capitals: %+v", c)
			}
			o := options(h(ours(d)))
			o.LeaveBehind = true
			r = run(t, o)
			if c := result(t, r, "patch-capitals"); c.Outcome != probe.Pass {
				t.Errorf("patch-capitals, when told to go on: %+v", c)
			}
			if !strings.HasPrefix(string(result(t, r, "delete").Outcome)+string(result(t, r, "deleted-gone").Outcome), "fail") &&
				result(t, r, "deleted-gone").Outcome != probe.Fail {
				t.Error("neither delete nor deleted-gone failed")
			}
			if len(r.LeftBehind) == 0 {
				t.Error("nothing is reported as left behind")
			}
		})
	}
}

// TestTakenOverAccountIsLeftAlone holds that an account of somebody, with
// which an endpoint answers a creation, is neither changed nor deleted.
func TestTakenOverAccountIsLeftAlone(t *testing.T) {
	t.Parallel()
	d := seeded(t).(*scimtest.Directory)
	page, err := d.Query(t.Context(), scimtest.UserType, scim.Query{StartIndex: 1, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	victim := page.Resources[0]
	h := answering(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if strings.Contains(r.URL.Path, victim.ID) && r.Method == http.MethodDelete {
			t.Errorf("%s of somebody's account", r.Method)
		}
		if !creates(r, "/Users") || r.Header.Get("Authorization") == "" {
			return false
		}
		view := victim.View("")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(encoded(view))
		return true
	})(ours(d))
	r := run(t, options(h))
	if len(r.LeftBehind) == 0 || !strings.Contains(r.LeftBehind[0].Reason, "left alone") {
		t.Errorf("left behind: %v", r.LeftBehind)
	}
	if c := result(t, r, "create-user"); c.Outcome != probe.Fail || !strings.Contains(c.Detail, "took over") {
		t.Errorf("create-user: %+v", c)
	}
}

// TestLostAnswers holds that what was created although the answer got lost is
// found by its name and removed.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	d := seeded(t).(*scimtest.Directory)
	before := d.Len()
	n := 0
	h := answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		if !creates(r, "/Users") {
			return false
		}
		if n++; n%3 != 0 {
			return false
		}
		do(next, r, http.MethodPost, "/Users", readBody(r))
		w.WriteHeader(http.StatusBadGateway)
		return true
	})(ours(d))
	r := run(t, options(h))
	if d.Len() != before || len(r.LeftBehind) > 0 {
		t.Errorf("%d resources are left: %v", d.Len()-before, r.LeftBehind)
	}
}

// TestCancelledWhileCreating holds that a user is removed whose creation was
// under way when the run was cancelled.
func TestCancelledWhileCreating(t *testing.T) {
	t.Parallel()
	d := seeded(t).(*scimtest.Directory)
	before := d.Len()
	ctx, cancel := context.WithCancel(t.Context())
	h := answering(func(_ http.ResponseWriter, r *http.Request, next http.Handler) bool {
		if !creates(r, "/Users") || r.Header.Get("Authorization") == "" || ctx.Err() != nil {
			return false
		}
		do(next, r, http.MethodPost, "/Users", readBody(r))
		cancel()
		return true
	})(ours(d))
	r, err := probe.Run(ctx, options(h))
	if !errors.Is(err, context.Canceled) || d.Len() != before || len(r.LeftBehind) > 0 {
		t.Errorf("error %v; %d resources are left: %v", err, d.Len()-before, r.LeftBehind)
	}
}

// TestNothingSecretInReports holds that neither the token nor anybody's data
// is in a report or a log, even if the endpoint repeats the one and ignores
// filters.
func TestNothingSecretInReports(t *testing.T) {
	t.Parallel()
	h := replying(func(r *http.Request, _ string, a *reply) {
		if a.body != nil && a.status >= 400 {
			a.body.Set("detail", "you sent "+r.Header.Get("Authorization"))
		}
		if a.status == 201 {
			a.body.Set("title", token)
		}
	})(asking(func(*http.Request, string) string { return "" })(ours(seeded(t))))
	var logged bytes.Buffer
	o := options(h)
	o.Log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := run(t, o)
	var text, junit bytes.Buffer
	if err := errors.Join(r.WriteText(&text, true), r.WriteJUnit(&junit)); err != nil {
		t.Fatal(err)
	}
	js, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for name, out := range map[string]string{"text": text.String(), "JUnit": junit.String(), "JSON": string(js), "log": logged.String()} {
		for _, secret := range []string{token, "somebody.else", "Somebody Else"} {
			if strings.Contains(out, secret) {
				i := strings.Index(out, secret)
				t.Errorf("the %s has %q: …%s", name, secret, out[max(0, i-200):min(len(out), i+60)])
			}
		}
	}
	if c := result(t, r, "token-not-leaked"); c.Outcome != probe.Fail {
		t.Errorf("token-not-leaked: %+v", c)
	}
	if c := result(t, r, "filter-not-ignored"); c.Outcome == probe.Pass {
		t.Errorf("filter-not-ignored: %+v", c)
	}
}

func TestRateLimitIsObeyed(t *testing.T) {
	t.Parallel()
	n := 0
	h := answering(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if n++; n != 10 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})(ours(seeded(t)))
	o := options(h)
	o.ReadOnly = true
	if r := run(t, o); r.Failed > 0 {
		t.Errorf("%d checks failed because of one 429", r.Failed)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	h := answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		<-r.Context().Done()
		return true
	})(nil)
	o := options(h)
	o.Timeout = 10 * time.Millisecond
	r := run(t, o)
	c := result(t, r, "reach")
	if c.Outcome != probe.Fail || !strings.Contains(c.Detail, "nothing within 10ms") {
		t.Errorf("reach: %+v", c)
	}
	if r.Failed != 1 || r.Total != 1 {
		t.Errorf("%d of %d failed; the rest should be skipped", r.Failed, r.Total)
	}
}

func TestWrongPathIsCorrected(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"http://scim.example":               "http://scim.example/scim/v2/Users answers",
		"http://scim.example/scim/v2/Users": "http://scim.example/scim/v2/Users answers",
		"http://scim.example/scim/v2/v2":    "http://scim.example/scim/v2/Users answers",
	} {
		o := options(ours(seeded(t)))
		o.BaseURL, o.ReadOnly = given, true
		if c := result(t, run(t, o), "reach"); c.Outcome != probe.Fail || !strings.Contains(c.Detail, want) {
			t.Errorf("%s: %+v", given, c)
		}
	}
}

func TestFlagStaysOnEveryRequest(t *testing.T) {
	t.Parallel()
	h := answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if !strings.HasPrefix(r.URL.RawQuery, "aadOptscim062020") {
			t.Errorf("%s has the query %q", r.URL.Path, r.URL.RawQuery)
		}
		return false
	})(ours(seeded(t)))
	o := options(h)
	o.BaseURL += "/?aadOptscim062020"
	if r := run(t, o); r.Failed > 0 {
		t.Errorf("%d checks failed", r.Failed)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url, token, want string
	}{
		{"://", token, "cannot be read"},
		{"scim.example/scim/v2", token, "not the URL of a SCIM endpoint"},
		{"ftp://scim.example", token, "not the URL of a SCIM endpoint"},
		{"https://user:pass@scim.example", token, "user name or a password"},
		{"https://scim.example/#x", token, "fragment"},
		{"https://scim.example", " ", "token is needed"},
		{"https://scim.example", "a\nb", "line break"},
	} {
		r, err := probe.Run(t.Context(), probe.Options{BaseURL: tt.url, Token: tt.token})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "pass@") || r != nil {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	o := options(ours(seeded(t)))
	o.ReadOnly = true
	var got []int
	var ids []string
	o.Progress = func(done, total int, r probe.Result) {
		if done > total {
			t.Errorf("%d of %d", done, total)
		}
		got, ids = append(got, done), append(ids, r.ID)
	}
	r := run(t, o)
	if len(got) != len(r.Checks) || got[0] != 1 || got[len(got)-1] != len(r.Checks) || ids[0] != "reach" {
		t.Errorf("progress was %v %v", got, ids)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	r := sample()
	var brief, verbose bytes.Buffer
	if err := errors.Join(r.WriteText(&brief, false), r.WriteText(&verbose, true)); err != nil {
		t.Fatal(err)
	}
	want := `Reachability               1 of 1
Filters                    1 of 2
  FAIL  filter-invalid                   A filter that cannot be read is refused
        GET /Users answered 200; expected 400
        sent      GET /Users?filter=x
        came      200  {"totalResults": 3}
        expected  400 with scimType invalidFilter
        breaks    any; see RFC 7644 section 3.12, MATCH-02
  warn  list-count                       count limits a page
        it does not
        expected  one
        breaks    few; see RFC 7644 section 3.4.2.4
Sorting                    skipped

The endpoint keeps 1 resource that the run created. Remove by hand:
  /Users/7  lockstep-probe-x
      DELETE answered 405

12 requests in 1.5 s: 1 failed, 1 warning, 1 skipped
passed 2 of 3
`
	if diff := cmp.Diff(want, brief.String()); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{"  ok    reach ", "  skip  sort-ascending                   sort is not advertised"} {
		if !strings.Contains(verbose.String(), line) {
			t.Errorf("the verbose text lacks %q:\n%s", line, &verbose)
		}
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := sample().WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
				Skipped *struct{} `xml:"skipped"`
				Out     string    `xml:"system-out"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatalf("%v:\n%s", err, &b)
	}
	if doc.Tests != 4 || doc.Failures != 1 || doc.Skipped != 1 || len(doc.Suites) != 3 {
		t.Fatalf("%+v", doc)
	}
	filters := doc.Suites[1].Cases
	if f := filters[0].Failure; f == nil || !strings.Contains(f.Message, "answered 200") || !strings.Contains(f.Text, "GET /Users?filter=x") {
		t.Errorf("failure: %+v", f)
	}
	if filters[1].Failure != nil || !strings.Contains(filters[1].Out, "it does not") {
		t.Errorf("warning: %+v", filters[1])
	}
	if doc.Suites[2].Cases[0].Skipped == nil {
		t.Error("the skipped case is none")
	}
}

// sample is a report with one check of each outcome.
func sample() *probe.Report {
	return &probe.Report{
		URL: "https://scim.example/scim/v2", Seconds: 1.5, Requests: 12, Passed: 2, Warnings: 1, Failed: 1, Skipped: 1, Total: 3,
		Checks: []probe.Result{
			{ID: "reach", Title: "The endpoint answers at this URL", Group: "Reachability", Outcome: probe.Pass, Breaks: []string{"any"}, References: []string{"x"}},
			{
				ID: "filter-invalid", Title: "A filter that cannot be read is refused", Group: "Filters", Outcome: probe.Fail,
				Detail: "GET /Users answered 200; expected 400", Expected: "400 with scimType invalidFilter", Breaks: []string{"any"},
				References: []string{"RFC 7644 section 3.12", "MATCH-02"},
				Exchanges:  []probe.Exchange{{Method: "GET", Path: "/Users?filter=x", Status: 200, ResponseBody: "{\"totalResults\":\t3}\n"}},
			},
			{ID: "list-count", Title: "count limits a page", Group: "Filters", Outcome: probe.Warn, Detail: "it does not", Expected: "one", Breaks: []string{"few"}, References: []string{"RFC 7644 section 3.4.2.4"}},
			{ID: "sort-ascending", Title: "sortBy sorts", Group: "Sorting", Outcome: probe.Skip, Detail: "sort is not advertised"},
		},
		LeftBehind: []probe.LeftBehind{{Path: "/Users/7", Name: "lockstep-probe-x", Reason: "DELETE answered 405"}},
	}
}

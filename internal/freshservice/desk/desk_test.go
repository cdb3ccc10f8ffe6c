package desk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"lockstep/internal/freshservice/desk"
)

const testKey = "test-key-of-the-owner"

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 2, 9, 30, 15, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func open(t testing.TB, o desk.Options) *desk.Desk {
	t.Helper()
	if o.APIKey == "" {
		o.APIKey = testKey
	}
	if o.Plan == "" {
		o.Plan = desk.Unlimited
	}
	if o.Now == nil {
		o.Now = newClock().Now
	}
	d, err := desk.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// object returns the member of that name as an object.
func (a answer) object(t testing.TB, name string) map[string]any {
	t.Helper()
	o, ok := a.body[name].(map[string]any)
	if !ok {
		t.Fatalf("the answer has no object %q: %d %s", name, a.status, a.raw)
	}
	return o
}

func (a answer) list(t testing.TB, name string) []any {
	t.Helper()
	l, ok := a.body[name].([]any)
	if !ok {
		t.Fatalf("the answer has no list %q: %d %s", name, a.status, a.raw)
	}
	return l
}

// id returns the id of the only object in the answer.
func (a answer) id(t testing.TB) int64 {
	t.Helper()
	for _, v := range a.body {
		if o, ok := v.(map[string]any); ok {
			n, err := o["id"].(json.Number).Int64()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("the answer has no object: %d %s", a.status, a.raw)
	return 0
}

// faults returns "field code" of each error in the answer.
func (a answer) faults() []string {
	var out []string
	errs, _ := a.body["errors"].([]any)
	for _, e := range errs {
		m := e.(map[string]any)
		out = append(out, fmt.Sprintf("%v %v", m["field"], m["code"]))
	}
	return out
}

func request(method, path, body string) *http.Request {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, in)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Host, r.RemoteAddr = "localhost:8471", "127.0.0.1:40000"
	return r
}

func send(t testing.TB, d http.Handler, r *http.Request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), raw: w.Body.String()}
	if strings.HasPrefix(a.raw, "{") {
		dec := json.NewDecoder(strings.NewReader(a.raw))
		dec.UseNumber()
		if err := dec.Decode(&a.body); err != nil {
			t.Fatalf("%s %s: %v in %s", r.Method, r.URL, err, a.raw)
		}
	}
	return a
}

// api makes a call with the owner's key.
func api(t testing.TB, d http.Handler, method, path, body string) answer {
	t.Helper()
	return as(t, d, testKey, method, path, body)
}

func as(t testing.TB, d http.Handler, key, method, path, body string) answer {
	t.Helper()
	r := request(method, "/api/v2"+path, body)
	r.SetBasicAuth(key, "X")
	return send(t, d, r)
}

// want makes a call and fails unless it answers that status.
func want(t testing.TB, d http.Handler, status int, method, path, body string) answer {
	t.Helper()
	a := api(t, d, method, path, body)
	if a.status != status {
		t.Fatalf("%s %s %s = %d %s, want %d", method, path, body, a.status, a.raw, status)
	}
	return a
}

func add(t testing.TB, d *desk.Desk, p desk.Person) desk.Person {
	t.Helper()
	p, err := d.AddRequester(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func addAgent(t testing.TB, d *desk.Desk, p desk.Person) desk.Person {
	t.Helper()
	p, err := d.AddAgent(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func path(format string, args ...any) string { return fmt.Sprintf(format, args...) }

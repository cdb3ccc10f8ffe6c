package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/scim/service"
)

const benchUser = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],` +
	`"externalId":"b-00000001-7d1c-4c55-9a30-000000000001","userName":"b0000001@bench.example","active":true,` +
	`"displayName":"Bench Person 1","title":"Field engineer","name":{"givenName":"Bench","familyName":"Person1","formatted":"Bench Person1"},` +
	`"emails":[{"type":"work","value":"b0000001@bench.example","primary":true}],"phoneNumbers":[{"type":"work","value":"+44 20 70000001"}],` +
	`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"100001","department":"Dept 1"}}`

// A still Directory holds one user for ever and answers at once, so that a
// benchmark measures the service alone.
type still struct{ raw []byte }

func (s still) user(id string) *scim.Resource {
	r := scim.StoredResource(scimtest.UserType, id, s.raw)
	r.Created = time.Unix(1_700_000_000, 0)
	r.LastModified, r.Version = r.Created, `W/"1"`
	return r
}

func (s still) Get(_ context.Context, _ *scim.ResourceType, id string, _ scim.Projection) (*scim.Resource, error) {
	return s.user(id), nil
}

func (s still) Query(_ context.Context, _ *scim.ResourceType, q scim.Query) (*scim.Page, error) {
	n := q.Count
	if q.Filter != nil {
		n = 1
	}
	page := &scim.Page{Total: n, Resources: make([]*scim.Resource, n)}
	for i := range page.Resources {
		page.Resources[i] = s.user("00000004-0000-4000-8000-000000000001")
	}
	return page, nil
}

func (s still) Create(_ context.Context, r *scim.Resource) (*scim.Resource, error) {
	raw, err := r.JSON()
	if err != nil {
		return nil, err
	}
	return still{raw}.user("00000004-0000-4000-8000-000000000001"), nil
}

func (s still) Update(_ context.Context, _ *scim.ResourceType, id string, _ scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
	r := s.user(id)
	if err := change(r); err != nil {
		return nil, err
	}
	raw, err := r.JSON()
	if err != nil {
		return nil, err
	}
	return still{raw}.user(id), nil
}

func (s still) Delete(context.Context, *scim.ResourceType, string, scim.Precondition) error {
	return nil
}

func (s still) EditMembers(context.Context, string, scim.Precondition, []scim.Member, []scim.Member) (string, error) {
	return `W/"2"`, nil
}

type benchRequest struct{ name, method, target, body string }

var benchRequests = []benchRequest{
	{"get", "GET", "/scim/v2/Users/00000004-0000-4000-8000-000000000001", ""},
	{"filter", "GET", "/scim/v2/Users?filter=" + url.QueryEscape(`userName eq "b0000001@bench.example"`), ""},
	{"create", "POST", "/scim/v2/Users", benchUser},
	{"patch", "PATCH", "/scim/v2/Users/00000004-0000-4000-8000-000000000001", patchOf(`{"op":"Replace","path":"active","value":"False"}`)},
	{"page of 100", "GET", "/scim/v2/Users?startIndex=1&count=100", ""},
	{"member", "PATCH", "/scim/v2/Groups/g1", patchOf(`{"op":"Add","path":"members","value":[{"value":"00000004-0000-4000-8000-000000000001"}]}`)},
	{"projection", "GET", "/scim/v2/Users/00000004-0000-4000-8000-000000000001?attributes=userName,active", ""},
}

// A discard is a ResponseWriter that keeps the status alone.
type discard struct {
	h      http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// BenchmarkHandler measures the service alone, without and with a log.
func BenchmarkHandler(b *testing.B) {
	a := account(still{[]byte(benchUser)})
	quiet := service.New(service.Options{Accounts: oneAccount(a)})
	logged := service.New(service.Options{Accounts: oneAccount(a), Log: slog.New(slog.NewJSONHandler(io.Discard, nil))})
	for _, req := range benchRequests {
		b.Run(req.name, func(b *testing.B) { benchHandler(b, quiet, req) })
	}
	b.Run("get, logged", func(b *testing.B) { benchHandler(b, logged, benchRequests[0]) })
}

// BenchmarkMemory measures the service over the in-memory directory with a
// hundred users.
func BenchmarkMemory(b *testing.B) {
	d := scimtest.NewDirectory(scimtest.UserType, scimtest.GroupType)
	for i := range 100 {
		o, err := scim.ParseObject([]byte(strings.ReplaceAll(benchUser, "b0000001", fmt.Sprintf("b%07d", i+1))))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Create(b.Context(), scim.NewResource(scimtest.UserType, o)); err != nil {
			b.Fatal(err)
		}
	}
	h := service.New(service.Options{Accounts: oneAccount(account(d))})
	for _, req := range benchRequests {
		if req.method != "POST" && !strings.Contains(req.target, "/Groups") {
			b.Run(req.name, func(b *testing.B) { benchHandler(b, h, req) })
		}
	}
}

func benchHandler(b *testing.B, h http.Handler, req benchRequest) {
	r := httptest.NewRequest(req.method, req.target, nil)
	r.Header.Set("Authorization", "Bearer s3cret")
	r.Header.Set("Content-Type", "application/scim+json")
	r.Header.Set("Accept", "application/scim+json, application/json")
	r.ContentLength = int64(len(req.body))
	w := &discard{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		r.Body = io.NopCloser(strings.NewReader(req.body))
		h.ServeHTTP(w, r)
	}
	if w.status >= 300 {
		b.Fatalf("status %d", w.status)
	}
}

// BenchmarkWire measures requests over loopback, beside a bare handler that
// decodes what it is sent and encodes one user: the yardstick of the
// service's speed.
func BenchmarkWire(b *testing.B) {
	var user any
	if err := json.Unmarshal([]byte(benchUser), &user); err != nil {
		b.Fatal(err)
	}
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := user
		if r.ContentLength > 0 {
			if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	})
	h := service.New(service.Options{Accounts: oneAccount(account(still{[]byte(benchUser)}))})
	requests := append([]benchRequest{{"echo get", "GET", "/", ""}, {"echo post", "POST", "/", benchUser}}, benchRequests...)
	for _, req := range requests {
		b.Run(req.name, func(b *testing.B) {
			var handler http.Handler = h
			if strings.HasPrefix(req.name, "echo") {
				handler = echo
			}
			srv := httptest.NewServer(handler)
			defer srv.Close()
			client := srv.Client()
			client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := roundTrip(client, req.method, srv.URL+req.target, req.body); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}

func roundTrip(client *http.Client, method, target, body string) error {
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer s3cret")
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: status %d", method, target, resp.StatusCode)
	}
	return nil
}

package graph_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/internal/graph"
	"lockstep/internal/graph/graphtest"
	"lockstep/internal/provision"
	"lockstep/internal/secret"
)

const base = "http://127.0.0.1"

// a fixed credential, and one that cannot be had.
type fixed string

func (f fixed) GetToken(context.Context, graph.TokenRequestOptions) (graph.AccessToken, error) {
	return graph.AccessToken{Token: secret.NewText(string(f)), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func newClient(tb testing.TB, g *graphtest.Graph, log *slog.Logger) *graph.Client {
	tb.Helper()
	h := &http.Client{Transport: g.Transport()}
	cred, err := graph.ClientSecretCredential(graph.CredentialOptions{TenantID: g.Tenant, ClientID: g.ClientID, LoginURL: base, HTTP: h}, secret.NewText(g.ClientSecret))
	if err != nil {
		tb.Fatal(err)
	}
	c, err := graph.New(graph.Options{Credential: cred, BaseURL: base, HTTP: h, Log: log})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func people(g *graphtest.Graph, n int) {
	for i := range n {
		g.PutUser(graphtest.ID(1, i), map[string]any{"userPrincipalName": fmt.Sprintf("u%d@acme.example", i)})
	}
}

func TestListFollowsPages(t *testing.T) {
	t.Parallel()
	g := graphtest.New()
	g.PageSize = 3
	people(g, 10)
	// Over a real connection once.
	root := g.Start(t)
	cred, err := graph.ClientSecretCredential(graph.CredentialOptions{TenantID: g.Tenant, ClientID: g.ClientID, LoginURL: root}, secret.NewText(g.ClientSecret))
	if err != nil {
		t.Fatal(err)
	}
	c, err := graph.New(graph.Options{Credential: cred, BaseURL: root})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	n := 0
	for o, err := range graph.List[graph.DirectoryObject](t.Context(), c, "/users", graph.Query{Select: []string{"id", "userPrincipalName"}}) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Text("userPrincipalName") != fmt.Sprintf("u%d@acme.example", n) {
			t.Errorf("number %d is %v", n, o.Properties)
		}
		n++
	}
	if n != 10 || c.Stats().Requests != 4 {
		t.Errorf("%d people in %d requests, want 10 in 4", n, c.Stats().Requests)
	}
	if total, err := c.Count(t.Context(), "/users"); err != nil || total != 10 {
		t.Errorf("counted %d, %v", total, err)
	}
}

// A link to elsewhere, in whatever disguise, is not followed: the token would
// go along.
func TestForeignLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	var stolen atomic.Bool
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Store(true) }))
	defer thief.Close()
	var link string
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1.0/redirect" {
			http.Redirect(w, r, thief.URL, http.StatusFound)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"value": []any{}, "@odata.nextLink": link})
	}))
	defer host.Close()
	c, err := graph.New(graph.Options{Credential: fixed("the-token"), BaseURL: host.URL})
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(host.URL, "http://")
	thiefName := strings.TrimPrefix(thief.URL, "http://")
	for _, link = range []string{
		thief.URL + "/v1.0/users", "http://" + name + "@" + thiefName + "/v1.0/users", "//" + thiefName + "/v1.0/users", "/v1.0/users",
		"https://" + name + "/v1.0/users", "http://" + name + ".evil.example/v1.0/users", "http://a:b@" + name + "/v1.0/users", ":", "file:///etc/passwd",
	} {
		err := error(nil)
		for _, e := range graph.List[graph.DirectoryObject](t.Context(), c, "/users", graph.Query{}) {
			err = e
		}
		if _, ok := errors.AsType[*graph.LinkError](err); !ok {
			t.Errorf("%s: %v", link, err)
		}
		if c.Owns(link) {
			t.Errorf("%s is taken for our own", link)
		}
	}
	_, err = graph.Get[graph.DirectoryObject](t.Context(), c, "/redirect", graph.Query{})
	var e *graph.Error
	if !errors.As(err, &e) || e.Status != http.StatusFound {
		t.Errorf("a redirect: %v", err)
	}
	if stolen.Load() {
		t.Error("the thief was called")
	}
}

func TestPlainHTTPIsForLoopback(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"http://127.0.0.1:8470": true, "http://localhost": true, "http://[::1]:1": true, "https://graph.microsoft.com": true,
		"http://graph.microsoft.com": false, "http://127.0.0.1.evil.example": false, "ftp://127.0.0.1": false,
		"https://user:pw@graph.microsoft.com": false, "https://graph.microsoft.com?x=1": false, "graph.microsoft.com": false, "http://10.0.0.1": false,
	} {
		_, err := graph.New(graph.Options{Credential: fixed("t"), BaseURL: url})
		if (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
}

// Throttling is waited out, for everybody, and as long as Graph says.
func TestThrottlingIsObeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := graphtest.New()
		people(g, 1)
		var mu sync.Mutex
		left := 30
		var early int
		open := time.Now()
		g.Inject(func(*http.Request) *graphtest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if time.Now().Before(open) {
				early++
			}
			if left == 0 {
				return nil
			}
			left--
			open = time.Now().Add(7 * time.Second)
			return &graphtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "7"}, Body: `{"error":{"code":"TooManyRequests"}}`}
		})
		c := newClient(t, g, nil)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := graph.Get[graph.DirectoryObject](t.Context(), c, "/users/"+graphtest.ID(1, 0), graph.Query{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// Requests that were under way when the first was turned away are not early.
		if s := c.Stats(); s.Throttled != 30 || early > 20 {
			t.Errorf("throttled %d times, %d requests too early", s.Throttled, early)
		}
	})
}

func TestFaultsOfReads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		faults []graphtest.Fault
		ok     bool
	}{
		{"dropped twice", []graphtest.Fault{{Drop: true}, {Drop: true}}, true},
		{"server errors", []graphtest.Fault{{Status: 500}, {Status: 502, Body: "<html>"}, {Status: 504}}, true},
		{"503 that says when", []graphtest.Fault{{Status: 503, Header: map[string]string{"Retry-After": "30"}}}, true},
		{"for ever", []graphtest.Fault{{Drop: true}, {Drop: true}, {Drop: true}, {Drop: true}, {Drop: true}, {Drop: true}}, false},
		{"bad request", []graphtest.Fault{{Status: 400}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := graphtest.New()
				people(g, 1)
				faults := c.faults
				g.Inject(func(*http.Request) *graphtest.Fault {
					if len(faults) == 0 {
						return nil
					}
					f := faults[0]
					faults = faults[1:]
					return &f
				})
				_, err := graph.Get[graph.DirectoryObject](t.Context(), newClient(t, g, nil), "/users/"+graphtest.ID(1, 0), graph.Query{})
				if (err == nil) != c.ok {
					t.Error(err)
				}
			})
		})
	}
}

// A write whose answer got lost is not sent again: it may have been carried out.
func TestWritesAreNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := graphtest.New()
		n := 0
		g.Inject(func(*http.Request) *graphtest.Fault { n++; return &graphtest.Fault{Drop: true} })
		_, err := newClient(t, g, nil).CreateSubscription(t.Context(), &graph.Subscription{Resource: "users"})
		var lost *graph.ConnectionError
		if !errors.As(err, &lost) || n != 1 {
			t.Errorf("sent %d times: %v", n, err)
		}
	})
}

func TestRejectedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := graphtest.New()
		people(g, 1)
		c := newClient(t, g, nil)
		read := func() error {
			_, err := graph.Get[graph.DirectoryObject](t.Context(), c, "/users/"+graphtest.ID(1, 0), graph.Query{})
			return err
		}
		if err := read(); err != nil {
			t.Fatal(err)
		}
		g.RevokeTokens()
		if err := read(); err != nil {
			t.Fatal(err)
		}
		// Before its end, another is asked for.
		time.Sleep(g.TokenLife - time.Minute)
		before := len(g.Requests())
		if err := read(); err != nil || len(g.Requests()) != before+1 {
			t.Errorf("%d requests, %v", len(g.Requests())-before, err)
		}
		g.Inject(func(*http.Request) *graphtest.Fault { return &graphtest.Fault{Status: 401} })
		before = len(g.Requests())
		if err := read(); !graph.IsUnauthorized(err) || len(g.Requests()) != before+2 {
			t.Errorf("%d requests, %v", len(g.Requests())-before, err)
		}
	})
}

func TestAuthenticationErrors(t *testing.T) {
	t.Parallel()
	g := graphtest.New()
	h := &http.Client{Transport: g.Transport()}
	const wrong = "wr0ng~secret"
	for _, c := range []struct {
		name, tenant, client string
		aadsts               int
		hint                 string
	}{
		{"secret", g.Tenant, g.ClientID, 7000215, "not its ID"},
		{"client", g.Tenant, "00000000-0000-0000-0000-000000000001", 700016, "client ID"},
		{"tenant", "nowhere.example", g.ClientID, 90002, "tenant ID"},
	} {
		cred, err := graph.ClientSecretCredential(graph.CredentialOptions{TenantID: c.tenant, ClientID: c.client, LoginURL: base, HTTP: h}, secret.NewText(wrong))
		if err != nil {
			t.Fatal(err)
		}
		client, err := graph.New(graph.Options{Credential: cred, BaseURL: base, HTTP: h})
		if err != nil {
			t.Fatal(err)
		}
		_, err = graph.Get[graph.DirectoryObject](t.Context(), client, "/users", graph.Query{})
		var ae *graph.AuthenticationError
		if !errors.As(err, &ae) || ae.AADSTS != c.aadsts || !strings.Contains(err.Error(), c.hint) || !graph.IsUnauthorized(err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: the error repeats the secret: %v", c.name, err)
		}
	}
	if len(g.Requests()) != 0 {
		t.Error("Graph was called without a token")
	}
}

func pemOf(tb testing.TB, key *rsa.PrivateKey) (cert, both []byte) {
	tb.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lockstep"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return cert, append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk}), cert...)
}

func TestCertificateCredential(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert, both := pemOf(t, key)
	g := graphtest.New()
	people(g, 1)
	h := &http.Client{Transport: g.Transport()}
	o := graph.CredentialOptions{TenantID: g.Tenant, ClientID: g.ClientID, LoginURL: base, HTTP: h}
	cred, err := graph.ClientCertificateCredential(o, secret.NewText(string(both)))
	if err != nil {
		t.Fatal(err)
	}
	get := func() error {
		_, err := cred.GetToken(t.Context(), graph.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
		return err
	}
	if err := get(); err == nil || !strings.Contains(err.Error(), "not registered") {
		t.Errorf("before it is registered: %v", err)
	}
	g.Certificates = [][]byte{cert}
	if err := get(); err != nil {
		t.Error(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, otherBoth := pemOf(t, other)
	otherKey, _ := pem.Decode(otherBoth)
	for name, bad := range map[string][]byte{
		"no key": cert, "nothing": nil, "another's key": append(pem.EncodeToMemory(otherKey), cert...),
		"encrypted": append(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}), cert...),
		"rubbish":   append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), cert...),
	} {
		if _, err := graph.ClientCertificateCredential(o, secret.NewText(string(bad))); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestErrorsOfGraph(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			status         int
			body           string
			code, message  string
			resync, hidden bool
		}{
			{404, `{"error":{"code":"Request_ResourceNotFound","message":"Resource 'x' does not exist.","innerError":{"date":"2026-05-04T08:40:01","request-id":"r-1","client-request-id":"c-1"}}}`, "Request_ResourceNotFound", "Resource 'x' does not exist.", false, false},
			{410, `{"error":{"code":"syncStateNotFound","message":"gone"}}`, "syncStateNotFound", "gone", true, false},
			{400, `{"error":{"code":"BadRequest","message":"x","innererror":{"code":"Directory_ExpiredPageToken"}}}`, "BadRequest", "x", true, false},
			{400, `{"error":{"code":"SyncStateNotFound","message":""}}`, "SyncStateNotFound", "", true, false},
			{403, `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges"}}`, "Authorization_RequestDenied", "Insufficient privileges", false, false},
			{407, `<html>proxy</html>`, "", "the body is no OData error, as from a proxy in between", false, false},
			{400, `{"error":{"code":"x","message":"you sent bearer-1-of-the-fake"}}`, "x", "you sent [secret]", false, true},
		} {
			g := graphtest.New()
			g.Inject(func(*http.Request) *graphtest.Fault { return &graphtest.Fault{Status: c.status, Body: c.body} })
			_, err := graph.Get[graph.DirectoryObject](t.Context(), newClient(t, g, nil), "/users/ines@acme.example", graph.Query{Filter: "mail eq 'private'"})
			var e *graph.Error
			if !errors.As(err, &e) {
				t.Fatalf("%s: %v", c.body, err)
			}
			if e.Status != c.status || e.Code != c.code || e.Message != c.message || errors.Is(err, graph.ErrResync) != c.resync || e.Op != "GET /users/{id}" || e.RequestID == "" {
				t.Errorf("%s: got %+v", c.body, e)
			}
			if s := err.Error(); strings.Contains(s, "private") || strings.Contains(s, "ines@") || strings.Contains(s, "bearer-") {
				t.Errorf("the error tells too much: %s", s)
			}
		}
	})
}

// Neither logs nor errors hold the token, the secret, a query or a name.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		g := graphtest.New()
		people(g, 1)
		n := 0
		g.Inject(func(*http.Request) *graphtest.Fault {
			if n++; n%2 == 1 {
				return &graphtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "1"}}
			}
			return nil
		})
		c := newClient(t, g, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		if _, err := graph.Get[graph.DirectoryObject](t.Context(), c, "/users/u0@acme.example", graph.Query{Select: []string{"id", "surname"}}); err != nil {
			t.Fatal(err)
		}
		if out.Len() == 0 {
			t.Error("nothing was logged")
		}
		for _, s := range []string{"bearer-", g.ClientSecret, "u0@", "surname"} {
			if strings.Contains(out.String(), s) {
				t.Errorf("the log holds %q:\n%s", s, out.String())
			}
		}
	})
}

func TestSynchronizationCalls(t *testing.T) {
	t.Parallel()
	g := graphtest.New()
	g.Script(t, "testdata/synchronization.txtar")
	c := newClient(t, g, nil)
	ctx := t.Context()
	jobs, err := c.Jobs(ctx, "sp")
	if err != nil || len(jobs) != 1 || jobs[0].Schedule.Interval != graph.NoInterval || jobs[0].Status.Code != graph.StatusNotConfigured {
		t.Fatalf("jobs: %+v, %v", jobs, err)
	}
	job := jobs[0].ID
	schema, err := c.Schema(ctx, "sp", job)
	if err != nil || schema.Mapping(provision.User) == nil {
		t.Errorf("schema: %v", err)
	}
	if secrets, err := c.Secrets(ctx, "sp"); err != nil || len(secrets) != 2 || secrets[1].Value != graph.HiddenSecret {
		t.Errorf("secrets: %+v, %v", secrets, err)
	}
	if templates, err := c.Templates(ctx, "sp"); err != nil || len(templates) != 1 || templates[0].FactoryTag != "customappsso" {
		t.Errorf("templates: %+v, %v", templates, err)
	}
	for name, err := range map[string]error{
		"start": c.StartJob(ctx, "sp", job), "pause": c.PauseJob(ctx, "sp", job), "restart": c.RestartJob(ctx, "sp", job, graph.ResetPortal),
		"put schema": c.PutSchema(ctx, "sp", job, schema), "put secrets": c.PutSecrets(ctx, "sp", []graph.Secret{{Key: graph.SecretSyncAll, Value: "false"}}),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	err = c.ValidateCredentials(ctx, "sp", job, &graph.ValidateCredentials{UseSavedCredentials: true})
	var e *graph.Error
	if !errors.As(err, &e) || e.Code != "SystemForCrossDomainIdentityManagementCredentialValidationUnavailable" {
		t.Errorf("validate: %v", err)
	}
	r, err := c.ProvisionOnDemand(ctx, "sp", job, &graph.ProvisionOnDemand{Parameters: []graph.ApplicationParameters{{RuleID: "r", Subjects: []graph.Subject{{ObjectID: "u", ObjectTypeName: "User"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := r.Outcome(); err != nil || o.Result != "Skipped" || o.Details.ErrorCode != "RedundantExport" {
		t.Errorf("on demand: %+v, %v", o, err)
	}
	n := 0
	for rec, err := range c.ProvisioningLog(ctx, "jobId eq 'scim.x'") {
		if err != nil {
			t.Fatal(err)
		}
		if n++; rec.ProvisioningAction != graph.ActionOther || rec.ProvisioningStatusInfo.ErrorInformation.ErrorCode != "NotEffectivelyEntitled" || rec.ProvisioningSteps[0].Details.Text("Active in the source system") != "True" {
			t.Errorf("record: %+v", rec)
		}
	}
	if n != 2 {
		t.Errorf("%d records over two pages", n)
	}
}

func FuzzErrorBody(f *testing.F) {
	f.Add(410, `{"error":{"code":"a","message":"b","innerError":{"innererror":{"code":"c"}}}}`)
	f.Add(500, `{"error":null}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 400 || status > 599 || status == 429 || status == 503 || status == 401 {
			return
		}
		c, err := graph.New(graph.Options{Credential: fixed("t0ken-t0ken"), BaseURL: base, MaxWait: -1, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = graph.Get[graph.DirectoryObject](t.Context(), c, "/users", graph.Query{})
		var e *graph.Error
		if !errors.As(err, &e) || e.Status != status || strings.Contains(err.Error(), "t0ken-t0ken") || len(err.Error()) > 4000 {
			t.Fatalf("%v", err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

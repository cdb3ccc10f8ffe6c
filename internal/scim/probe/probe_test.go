package probe_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"lockstep/internal/scim"
	"lockstep/internal/scim/probe"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/scim/service"
)

const token = "s3cret-token-of-the-test"

type accounts struct{ account *service.Account }

func (a accounts) ByToken(_ context.Context, t string) (*service.Account, error) {
	if t != token {
		return nil, scim.Errorf(scim.Unauthenticated, "unknown token")
	}
	return a.account, nil
}

// ours returns our own service over d.
func ours(d scim.Directory) http.Handler {
	return service.New(service.Options{Accounts: accounts{&service.Account{
		ID: "acme", Directory: d, Users: scimtest.UserType, Groups: scimtest.GroupType,
	}}})
}

// handlerTransport serves requests by a handler, without a network.
type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Host = r.URL.Host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func options(h http.Handler) probe.Options {
	return probe.Options{BaseURL: "http://scim.example/scim/v2", Token: token, HTTP: &http.Client{Transport: handlerTransport{h}}}
}

func run(t *testing.T, o probe.Options) *probe.Report {
	t.Helper()
	r, err := probe.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOurServicePasses(t *testing.T) {
	t.Parallel()
	d := seeded(t).(*scimtest.Directory)
	before := d.Len()
	r := run(t, options(ours(d)))
	for _, c := range r.Checks {
		if c.Outcome == probe.Fail || c.Outcome == probe.Warn || c.Outcome == probe.Skip && c.Group != "TLS" {
			t.Errorf("%s %s: %s", c.Outcome, c.ID, c.Detail)
		}
	}
	if d.Len() != before || len(r.LeftBehind) > 0 {
		t.Errorf("%d resources are left, and reported as %v", d.Len()-before, r.LeftBehind)
	}
	t.Logf("%d checks, %d requests", len(r.Checks), r.Requests)
}

package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/api"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/store"
)

// A safeBuffer collects what goroutines log.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func startServer(t *testing.T, dir string, log io.Writer) *Server {
	t.Helper()
	s, err := New(t.Context(), Options{DataDir: dir, Listen: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

func startDesk(t *testing.T, key string) (*desk.Desk, string) {
	t.Helper()
	d, err := desk.New(t.Context(), desk.Options{Plan: desk.Unlimited, APIKey: key})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d)
	t.Cleanup(func() {
		srv.Close()
		_ = d.Close()
	})
	return d, srv.URL
}

func call(t *testing.T, token, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/scim+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func userBody(name string) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"name":{"givenName":"G","familyName":"F"}}`, name)
}

// TestSecretsStayInside looks for the API key and the token in everything that a
// stranger could read: the log at its most talkative, errors, the data folder.
func TestSecretsStayInside(t *testing.T) {
	const key = "a-very-recognisable-api-key"
	_, url := startDesk(t, key)
	var log safeBuffer
	dir := t.TempDir()
	s := startServer(t, dir, &log)
	a, err := s.AddAccount(t.Context(), api.NewAccount{Kind: account.KindFreshservice, Name: "acme", Domain: url, APIKey: key})
	if err != nil {
		t.Fatal(err)
	}
	if code, body := call(t, a.SecretToken, http.MethodPost, s.TenantURL()+"/Users", userBody("a@acme.example")); code != 201 {
		t.Fatalf("create: %d %s", code, body)
	}
	for _, wrong := range []string{a.SecretToken + "x", "Bearer " + a.SecretToken, `"` + a.SecretToken + `"`} {
		if code, body := call(t, wrong, http.MethodGet, s.TenantURL()+"/Users", ""); code != 401 || strings.Contains(body, a.SecretToken) {
			t.Errorf("a deformed token: %d %s", code, body)
		}
	}
	basic := base64.StdEncoding.EncodeToString([]byte(key + ":X"))
	secrets := map[string]string{"API key": key, "API key in a header": basic, "token": a.SecretToken}
	for what, secret := range secrets {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds the %s", what)
		}
	}
	// The write-ahead log holds what the database file does not hold yet.
	files, err := filepath.Glob(filepath.Join(dir, "lockstep.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for what, secret := range secrets {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s holds the %s", filepath.Base(f), what)
			}
		}
	}
	for _, f := range []string{"lockstep.db", "master.key", "lockstep.sock"} {
		st, err := os.Stat(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v", f, st.Mode())
		}
	}
}

// TestStopFinishesWhatIsInFlight stops the server while a request's body is
// still on its way.
func TestStopFinishesWhatIsInFlight(t *testing.T) {
	dir := t.TempDir()
	s, err := New(t.Context(), Options{DataDir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	a, err := s.AddAccount(t.Context(), api.NewAccount{Kind: account.KindEmbedded, Name: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.TenantURL()+"/Users", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.SecretToken)
	// The body is sent only when the server asks for it, which it does when the
	// request is being served.
	req.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	answered := make(chan error, 1)
	go func() {
		resp, err := client.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusCreated {
				err = fmt.Errorf("status %s", resp.Status)
			}
		}
		answered <- err
	}()
	body := userBody("late@acme.example")
	if _, err := io.WriteString(w, body[:20]); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.Background()) }()
	if _, err := io.WriteString(w, body[20:]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	// What was acknowledged is there.
	s = startServer(t, dir, io.Discard)
	token, err := s.CreateToken(t.Context(), a.ID, api.NewToken{})
	if err != nil {
		t.Fatal(err)
	}
	code, answer := call(t, token.SecretToken, http.MethodGet, s.TenantURL()+`/Users?filter=userName+eq+%22late@acme.example%22`, "")
	if code != 200 || !strings.Contains(answer, `"totalResults":1`) {
		t.Errorf("after the restart: %d %s", code, answer)
	}
}

// TestWrongStarts names what keeps a server from starting.
func TestWrongStarts(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, dir, io.Discard)
	if _, err := New(t.Context(), Options{DataDir: dir}); !errors.As(err, new(*store.InUseError)) {
		t.Errorf("a second server on the folder: %v", err)
	}
	other, err := New(t.Context(), Options{DataDir: t.TempDir(), Listen: s.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	var port *PortError
	if err := other.Start(); !errors.As(err, &port) || port.Flag != "--listen" {
		t.Errorf("a port in use: %v", err)
	}
	if err := other.Stop(context.Background()); err != nil {
		t.Errorf("stop after a failed start: %v", err)
	}
	loose := filepath.Join(t.TempDir(), "loose.key")
	if err := os.WriteFile(loose, make([]byte, 32), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Options{DataDir: t.TempDir(), MasterKeyFile: loose}); err == nil || !strings.Contains(err.Error(), "loose.key") {
		t.Errorf("a master key that others can read: %v", err)
	}
}

func TestNothingOutsideItsPath(t *testing.T) {
	s := startServer(t, t.TempDir(), io.Discard)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/api/v1/accounts": 404, "/nowhere": 404, "/scim/v2/Users": 401, "//scim/v2//Users/": 401} {
		if code, body := call(t, "", http.MethodGet, s.URL()+path, ""); code != want {
			t.Errorf("%s: %d, want %d: %s", path, code, want, body)
		}
	}
}

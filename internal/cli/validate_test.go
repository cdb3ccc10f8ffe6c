package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lockstep/internal/scim"
	"lockstep/internal/scim/probe"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/scim/service"
)

const validateToken = "s3cret-token-of-the-test"

type oneAccount struct{ account *service.Account }

func (a oneAccount) ByToken(_ context.Context, token string) (*service.Account, error) {
	if token != validateToken {
		return nil, scim.Errorf(scim.Unauthenticated, "unknown token")
	}
	return a.account, nil
}

// scimServer serves an empty directory, behind wrap.
func scimServer(t *testing.T, wrap func(http.Handler) http.Handler) (url, tokenFile string) {
	t.Helper()
	h := http.Handler(service.New(service.Options{Accounts: oneAccount{&service.Account{
		ID: "acme", Directory: scimtest.NewDirectory(), Users: scimtest.UserType, Groups: scimtest.GroupType,
	}}}))
	if wrap != nil {
		h = wrap(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	tokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(validateToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return srv.URL + "/scim/v2", tokenFile
}

func command(t *testing.T, ctx context.Context, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(ctx, args, strings.NewReader(in), &o, &e)
	if strings.Contains(o.String()+e.String(), validateToken) {
		t.Errorf("%v shows the token", args)
	}
	return code, o.String(), e.String()
}

func TestValidatePasses(t *testing.T) {
	t.Parallel()
	url, token := scimServer(t, nil)
	junit := filepath.Join(t.TempDir(), "report.xml")
	code, out, errOut := command(t, t.Context(), "", "validate", url, "--token-file", token, "--junit", junit, "-v", "--debug")
	if code != exitOK {
		t.Errorf("exit code %d:\n%s%s", code, out, errOut)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := lines[len(lines)-1]
	if f := strings.Fields(last); len(f) != 4 || f[0] != "passed" || f[1] != f[3] {
		t.Errorf("the last line is %q", last)
	}
	if !strings.Contains(out, "  ok    patch-email-created ") || !strings.Contains(errOut, "Reachability") {
		t.Errorf("out:\n%s\nerr:\n%s", out, errOut)
	}
	if b, err := os.ReadFile(junit); err != nil || !strings.Contains(string(b), `<testcase classname="scim.Members" name="member-add"`) {
		t.Errorf("JUnit: %v\n%s", err, b)
	}
}

func TestValidateFails(t *testing.T) {
	t.Parallel()
	url, token := scimServer(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				w.WriteHeader(http.StatusNotImplemented)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	code, out, _ := command(t, t.Context(), validateToken, "validate", url, "--token-file", "-", "--json")
	if code != exitFindings {
		t.Errorf("exit code %d", code)
	}
	var r probe.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Failed != 2 || r.URL != url || len(r.Checks) < 100 {
		t.Errorf("%d of %d checks failed at %s", r.Failed, len(r.Checks), r.URL)
	}
	code, out, _ = command(t, t.Context(), "", "validate", url, "--token-file", token, "--read-only")
	if code != exitOK || !strings.Contains(out, "passed ") {
		t.Errorf("read-only: exit code %d:\n%s", code, out)
	}
	_, token = scimServer(t, nil)
	if err := os.WriteFile(token, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ = command(t, t.Context(), "", "validate", url, "--token-file", token)
	if code != exitFindings || !strings.Contains(out, "FAIL  token-accepted") {
		t.Errorf("wrong token: exit code %d:\n%s", code, out)
	}
}

func TestValidateUsage(t *testing.T) {
	t.Parallel()
	_, token := scimServer(t, nil)
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"validate"}, exitUsage, "takes URL"},
		{[]string{"validate", "https://scim.example"}, exitUsage, "--token-file is needed"},
		{[]string{"validate", "http://scim.example/scim/v2", "--token-file", token}, exitUsage, "unprotected"},
		{[]string{"validate", "scim.example", "--token-file", token}, exitUsage, "not the URL"},
		{[]string{"validate", "https://127.0.0.1:1", "--token-file", token + ".not"}, exitFailed, "cannot be read"},
		{[]string{"validate", "http://127.0.0.1:1", "--token-file", token, "--junit", filepath.Join(token, "x")}, exitFailed, "JUnit"},
		{[]string{"validate", "http://127.0.0.1:1", "--token-file", token, "--timeout", "1s"}, exitFindings, ""},
	} {
		code, _, errOut := command(t, t.Context(), "", tt.args...)
		if code != tt.code || !strings.Contains(errOut, tt.want) {
			t.Errorf("%v: exit code %d, %s", tt.args, code, errOut)
		}
	}
}

func TestValidateInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	url, token := scimServer(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch {
				cancel()
			}
			next.ServeHTTP(w, r)
		})
	})
	code, out, errOut := command(t, ctx, "", "validate", url, "--token-file", token)
	if code != exitFailed || !strings.Contains(out, "passed ") || !strings.Contains(errOut, "interrupted") {
		t.Errorf("exit code %d:\n%s%s", code, out, errOut)
	}
	if strings.Contains(out, "Remove by hand") {
		t.Errorf("something was left behind:\n%s", out)
	}
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.8.8.8": true, "::1": true,
		"localhost.example": false, "10.0.0.1": false, "127.0.0.1.example": false, "": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("isLoopback(%q) = %t", host, got)
		}
	}
}

package service_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/scim/service"
)

var update = flag.Bool("update", false, "write the responses into the transcripts")

// TestTranscripts sends the requests of each transcript, in order, to a fresh
// directory and compares the responses with those written down. A request has
// the account's token unless it says otherwise.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			comment, sections := parseTranscript(string(data))
			h := service.New(service.Options{Accounts: oneAccount(&service.Account{
				ID: "acme", Directory: scimtest.NewDirectory(scimtest.UserType, scimtest.GroupType),
				Users: scimtest.UserType, Groups: scimtest.GroupType,
			})})
			rewritten := comment
			for i := 0; i+1 < len(sections); i += 2 {
				req, want := sections[i], sections[i+1]
				name, ok := strings.CutPrefix(req.name, "request: ")
				if !ok || want.name != "response" {
					t.Fatalf("%q and %q are not a request and its response", req.name, want.name)
				}
				got := exchange(t, h, req.text)
				rewritten += "-- " + req.name + " --\n" + req.text + "-- response --\n" + got
				if diff := cmp.Diff(want.text, got); diff != "" && !*update {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(rewritten), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A section is one file of a txtar archive, the format of the transcripts.
type section struct{ name, text string }

func parseTranscript(data string) (comment string, sections []section) {
	for line := range strings.Lines(data) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		if name, ends := strings.CutSuffix(name, " --"); ok && ends {
			sections = append(sections, section{name: name})
			continue
		}
		if len(sections) == 0 {
			comment += line
			continue
		}
		sections[len(sections)-1].text += line
	}
	return comment, sections
}

// oneAccount lets the token "s3cret" in.
type accountsFunc func(token string) (*service.Account, error)

func oneAccount(a *service.Account) accountsFunc {
	return func(token string) (*service.Account, error) {
		if token != "s3cret" {
			return nil, scim.Errorf(scim.Unauthenticated, "unknown token %s", token)
		}
		return a, nil
	}
}

// exchange reads a request as a server does, from its bytes, and prints the
// response.
func exchange(t *testing.T, h http.Handler, text string) string {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	var raw strings.Builder
	fmt.Fprintf(&raw, "%s HTTP/1.1\r\nHost: lockstep.example\r\n", lines[0])
	if !strings.Contains(head, "\nAuthorization:") {
		lines = append(lines, "Authorization: Bearer s3cret")
	}
	for _, l := range lines[1:] {
		if l != "Authorization: none" {
			raw.WriteString(l + "\r\n")
		}
	}
	if body != "" {
		fmt.Fprintf(&raw, "Content-Length: %d\r\n", len(body))
	}
	raw.WriteString("\r\n" + body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw.String())))
	if err != nil {
		t.Fatalf("the request is not one: %v\n%s", err, text)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(t.Context()))
	return printResponse(t, r, w)
}

var (
	timePattern = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	idPattern   = regexp.MustCompile(`request id [0-9a-f]{16}`)
)

func printResponse(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", w.Code, http.StatusText(w.Code))
	for _, name := range []string{"Allow", "Content-Location", "Content-Type", "Etag", "Location", "Retry-After", "Www-Authenticate"} {
		v := w.Header().Get(name)
		if v != "" && !(name == "Content-Type" && v == "application/scim+json") {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	body := w.Body.Bytes()
	if r.Method == http.MethodHead && len(body) > 0 {
		t.Errorf("HEAD got a body")
	}
	if len(body) > 0 {
		if got := w.Header().Get("Content-Length"); got != fmt.Sprint(len(body)) {
			t.Errorf("Content-Length %s, body of %d", got, len(body))
		}
		if !json.Valid(body) {
			t.Errorf("the body is not JSON: %s", body)
		}
		out := timePattern.ReplaceAllString(string(body), `"TIME"`)
		b.WriteString("\n" + idPattern.ReplaceAllString(out, "request id ID") + "\n")
	}
	return b.String()
}

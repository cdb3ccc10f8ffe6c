package file

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/provision"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A reading is everything that one enumeration of a file yields.
type reading struct {
	Objects  []*provision.Object `json:"objects"`
	Problems []provision.Problem `json:"problems"`
	next     provision.Watermark
	pages    int
	complete bool
}

func read(t testing.TB, s *Source, since provision.Watermark) (reading, error) {
	t.Helper()
	var r reading
	for p, err := range s.Changes(t.Context(), since) {
		if err != nil {
			return r, err
		}
		if r.complete {
			t.Error("there is a page after the complete one")
		}
		r.pages++
		for _, c := range p.Changes {
			if c.Removed != provision.NotRemoved {
				t.Errorf("%s is reported as removed", c.Object.ID)
			}
			r.Objects = append(r.Objects, c.Object)
		}
		r.Problems = append(r.Problems, p.Problems...)
		r.complete, r.next = p.Complete, p.Next
		if p.Complete != (p.Next != "") && since == "" {
			t.Errorf("page %d: complete is %v, next is %q", r.pages, p.Complete, p.Next)
		}
	}
	return r, nil
}

// write writes a file that was last changed an hour ago.
func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	age(t, path, time.Hour)
	return path
}

func age(t testing.TB, path string, d time.Duration) {
	t.Helper()
	at := time.Now().Add(-d)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string) *Source {
	t.Helper()
	s, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readString(t testing.TB, name, content string) reading {
	t.Helper()
	r, err := read(t, open(t, write(t, name, content)), "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"portal.csv", "semicolon.csv", "utf16.txt", "malformed.csv", "graph.json", "directory.ldif"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, open(t, filepath.Join("testdata", name)), "")
			if err != nil {
				t.Fatal(err)
			}
			if !got.complete || got.pages != 1 {
				t.Errorf("got %d pages, complete %v", got.pages, got.complete)
			}
			golden(t, filepath.Join("testdata", name+".golden"), got)
		})
	}
}

func golden(t *testing.T, path string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.TrimSpace(string(want)), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// The same people in another encoding, another order of columns and other line
// ends are the same objects.
func TestContentHashIsOfTheContent(t *testing.T) {
	t.Parallel()
	const head = "objectId,userPrincipalName,displayName,streetAddress\n"
	a := readString(t, "a.csv", head+"1,a@x.example,Ada,\"One\r\nTwo\"\r\n")
	b := readString(t, "b.csv", "\ufeffdisplayName;streetAddress;USERPRINCIPALNAME;ObjectId;empty\nAda;\"One\nTwo\";a@x.example;1;\n")
	if a.Objects[0].ContentHash() != b.Objects[0].ContentHash() {
		t.Errorf("hashes differ:\n%v\n%v", a.Objects[0].Attributes, b.Objects[0].Attributes)
	}
	c := readString(t, "c.csv", head+"1,a@x.example,Ada L,\"One\nTwo\"\n")
	if a.Objects[0].ContentHash() == c.Objects[0].ContentHash() {
		t.Error("another display name gives the same hash")
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct {
		name, path string
		format     Format
		want       []string
	}{
		{"no path", "", Detect, []string{"path"}},
		{"missing", filepath.Join(dir, "missing.csv"), Detect, []string{"missing.csv", "no such file"}},
		{"folder", dir, Detect, []string{"folder", "one file"}},
		{"empty", write(t, "e.csv", ""), Detect, []string{"empty"}},
		{"white", write(t, "w.csv", "\r\n  \n"), Detect, []string{"empty"}},
		{"no key", write(t, "k.csv", "displayName,Team\nAda,Red\n"), Detect,
			[]string{`"displayName", "Team"`, "objectId", "userPrincipalName", "mail"}},
		{"twice", write(t, "t.csv", "id,Mail,mail\n"), Detect, []string{`"mail"`, "columns 2 and 3"}},
		{"workbook", write(t, "x.xlsx", "PK\x03\x04\x14\x00"), Detect, []string{"Excel", "CSV UTF-8"}},
		{"zipped", write(t, "x.gz", "\x1f\x8b\x08\x00"), Detect, []string{"gzip"}},
		{"binary", write(t, "x.bin", "ab\x00\x01\x02cd"), Detect, []string{"not text"}},
		{"old Macintosh", write(t, "m.csv", "id,mail\r1,a@x.example\r"), Detect, []string{"CR alone"}},
		{"unknown format", write(t, "u.csv", "id\n1\n"), "xml", []string{`"xml"`, "csv, json or ldif"}},
		{"latin header", write(t, "l.csv", "id,Stra\xdfe\n1,x\n"), Detect, []string{"UTF-8"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(Options{Path: tt.path, Format: tt.format})
			wantError(t, err, tt.want...)
		})
	}
	if _, err := Open(Options{Path: filepath.Join(dir, "missing.csv")}); !isNotExist(err) {
		t.Errorf("a missing file gives %v, which is no fs.ErrNotExist", err)
	}
}

func isNotExist(err error) bool {
	return err != nil && strings.Contains(err.Error(), fs.ErrNotExist.Error())
}

func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q lacks %q", err, p)
		}
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, content string
		want          []string
	}{
		{"x.json", "[\n  {\"id\": \"1\"},\n  {\"id\": }\n]", []string{"line 3, column 10"}},
		{"x.json", "[\n  {\"id\": \"1\"},\n  {\"id\": \"2\"", []string{"too early", "line 3"}},
		{"x.json", `{"value": [{"id": "1"}]} x`, []string{"line 1, column 26"}},
		{"x.json", `{"value": [{"id": "1"}], "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skiptoken=x"}`, []string{"one page of a listing"}},
		{"x.json", `{"people": []}`, []string{`none of "value", "users" and "groups"`}},
		{"x.json", `{"value": 3}`, []string{`"value" is not an array`}},
		{"x.json", `[]`, []string{"no user in it"}},
		{"x.json", `[{"displayName": "x"}]`, []string{"no entry of the file can be read", "user 1 (line 1), id"}},
		{"x.csv", "id,mail\n", []string{"no user in it"}},
		{"x.csv", "id,mail\n,a@x.example\n,b@x.example\n", []string{"no entry", "row 2, id"}},
		{"x.ldif", "version: 1\n\ndn: dc=x\nobjectClass: domain\n", []string{"no user in it"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, write(t, tt.name, tt.content))
			got, err := read(t, s, "")
			wantError(t, err, append(tt.want, s.Path())...)
			if got.complete {
				t.Error("there was a complete page")
			}
		})
	}
}

package file

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lockstep/internal/provision"
)

// Whatever encoding/csv writes is read as it was meant.
func TestScannerReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	cell := rapid.StringOf(rapid.SampledFrom([]rune("ab,;\"\n é")))
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 3).Draw(t, "columns")
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, columns, columns), 1, 8).Draw(t, "rows")
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.UseCRLF = rapid.Bool().Draw(t, "CRLF")
		var want [][]string
		for _, r := range rows {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
			if columns > 1 || r[0] != "" { // a row of one empty cell is a blank line
				want = append(want, r)
			}
		}
		w.Flush()
		s := newScanner(iotestReader{&b, rapid.IntRange(1, 9).Draw(t, "chunk")})
		s.columns = columns
		c := &csvReader{scan: s}
		var got [][]string
		for {
			err := s.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("row %d: %v", s.row, err)
			}
			var row []string
			for i := range s.fields {
				row = append(row, c.text(string(s.data), i))
			}
			got = append(got, row)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("-written +read:\n%s", d)
		}
	})
}

// iotestReader gives at most n bytes at once.
type iotestReader struct {
	r io.Reader
	n int
}

func (r iotestReader) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), r.n)]) }

func TestBadQuotesCostOneRow(t *testing.T) {
	t.Parallel()
	row := func(i int, name string) string { return fmt.Sprintf("%d,p%d@x.example,%s,Sales,true\n", i, i, name) }
	for _, tt := range []struct{ name, bad string }{
		{"never closed", `"Open`},
		{"closed too early", `"An "odd" name"`},
		{"text after the end", `"Odd"ly`},
		{"closed by the next row's quote", `"Open, and`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			b.WriteString("id,userPrincipalName,displayName,department,accountEnabled\n")
			for i := range 3000 {
				switch {
				case i == 1000:
					b.WriteString(row(i, tt.bad))
				case i%7 == 0:
					b.WriteString(row(i, `"Quoted, well"`))
				default:
					b.WriteString(row(i, "Plain"))
				}
			}
			r := readString(t, "x.csv", b.String())
			if len(r.Objects) != 2999 {
				t.Errorf("%d objects, want 2999", len(r.Objects))
			}
			if len(r.Problems) != 1 || r.Problems[0].Place != "row 1002" || r.Problems[0].ID != "1000" || r.Problems[0].Column != "displayName" {
				t.Errorf("problems: %+v", r.Problems)
			}
		})
	}
}

func TestLongRecords(t *testing.T) {
	t.Parallel()
	notes := strings.Repeat("A line of a long note\n", 500)
	r := readString(t, "x.csv", "id,notes\n1,\""+notes+"\"\n2,short\n3,"+strings.Repeat("x", maxRecord+1)+"\n4,short\n")
	if len(r.Objects) != 3 || r.Objects[0].Attribute("notes").String() != notes {
		t.Errorf("%d objects", len(r.Objects))
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Place, "row 4 (line 504)") || !strings.Contains(r.Problems[0].Message, "longer than") {
		t.Errorf("problems: %+v", r.Problems)
	}
}

func TestLatin1RowsAreNamed(t *testing.T) {
	t.Parallel()
	r := readString(t, "x.csv", "id,displayName\n1,M\xfcller\n2,Meier\n")
	if len(r.Objects) != 1 || len(r.Problems) != 1 {
		t.Fatalf("%d objects, problems %+v", len(r.Objects), r.Problems)
	}
	want := provision.Problem{Place: "row 2", Column: "displayName", ID: "1", Message: `the cell is not UTF-8; save the file as "CSV UTF-8"`}
	if d := cmp.Diff(want, r.Problems[0]); d != "" {
		t.Error(d)
	}
}

func TestKeyColumns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ content, id string }{
		{"ObjectID,mail\nX1,a@x.example\n", "X1"},
		{"mail,id\na@x.example,X1\n", "X1"},
		{"id,objectId\nlocal,X1\n", "X1"},
		{"displayName,UserPrincipalName\nAda,Ada@X.example\n", "ada@x.example"},
		{"displayName, Mail \nAda, Ada@X.example \n", "ada@x.example"},
		{"sep=|\nid|mail\nX1|a@x.example\n", "X1"},
	} {
		r := readString(t, "x.csv", tt.content)
		if len(r.Objects) != 1 || r.Objects[0].ID != tt.id {
			t.Errorf("%q: got %+v, want the ID %q", tt.content, r.Objects, tt.id)
		}
	}
}

func TestReferencesByEveryName(t *testing.T) {
	t.Parallel()
	const people = `[
	{"id": "U1", "userPrincipalName": "boss@x.example", "mail": "the.boss@x.example", "onPremisesDistinguishedName": "CN=Boss,DC=x"},
	{"id": "U2", "userPrincipalName": "two@x.example", "mail": "shared@x.example"},
	{"id": "U3", "userPrincipalName": "three@x.example", "mail": "shared@x.example"},
	{"id": "W1", "userPrincipalName": "w1@x.example", "manager": "u1"},
	{"id": "W2", "userPrincipalName": "w2@x.example", "manager": "Boss@x.example"},
	{"id": "W3", "userPrincipalName": "w3@x.example", "manager": {"mail": "the.boss@x.example"}},
	{"id": "W4", "userPrincipalName": "w4@x.example", "manager": "cn=boss, dc=x"},
	{"id": "W5", "userPrincipalName": "w5@x.example", "manager": "shared@x.example"},
	{"id": "W6", "userPrincipalName": "w6@x.example", "manager": "unknown"}
	]`
	r := readString(t, "x.json", people)
	for _, o := range r.Objects {
		want := ""
		if strings.HasPrefix(o.ID, "W") && o.ID < "W5" {
			want = "U1"
		}
		if got := o.Attribute("manager").String(); got != want {
			t.Errorf("manager of %s is %q, want %q", o.ID, got, want)
		}
	}
	if len(r.Problems) != 2 || r.Problems[0].ID != "W5" || !strings.Contains(r.Problems[0].Message, "more than one") ||
		r.Problems[1].ID != "W6" || r.Problems[1].Column != "manager" {
		t.Errorf("problems: %+v", r.Problems)
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]Format{
		"id,mail\n":                CSV,
		"\n [":                     JSON,
		"{":                        JSON,
		"dn: cn=x":                 LDIF,
		"# made by\n# us\n\ndn: x": LDIF,
		"#id,mail\n1,a@x.example":  CSV,
		"version: 1\n":             LDIF,
		"# long\n  folded\nDN: x":  LDIF,
	} {
		if got := detect([]byte(head)); got != want {
			t.Errorf("detect(%q) = %q, want %q", head, got, want)
		}
	}
}

func fuzzReader(f *testing.F, format Format) {
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, full := range []bool{false, true} {
			r, err := newReader(bytes.NewReader(data), format, full)
			if err != nil {
				if err.Error() == "" {
					t.Error("an error that says nothing")
				}
				continue
			}
			for n := 0; ; n++ {
				if n > len(data)+1 {
					t.Fatal("more entries than bytes")
				}
				e, err := r.next()
				if err != nil {
					if !errors.Is(err, io.EOF) && err.Error() == "" {
						t.Error("an error that says nothing")
					}
					break
				}
				if e.id == "" && !e.refused {
					t.Errorf("entry %v has no ID and is not refused", e.place)
				}
				if e.refused && len(e.problems) == 0 {
					t.Errorf("entry %v is refused without a reason", e.place)
				}
				if full && !e.refused && e.attributes == nil {
					t.Errorf("entry %v has not been read in full", e.place)
				}
			}
		}
	})
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("id,mail,accountEnabled,manager\n1,\"a\"\"b\",true,2\n2,\"x\ny\",false,\n"))
	f.Add([]byte("sep=;\nid;mail\n\"1;2\n3;\"\"\n"))
	f.Add([]byte("\xff\xfei\x00d\x00\n\x001\x00\n\x00"))
	f.Add([]byte("objectId\r\n\r\n\"\r\n"))
	fuzzReader(f, CSV)
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`[{"id":"1","accountEnabled":true,"manager":{"id":"2"},"businessPhones":["1"]},{"id":2}]`))
	f.Add([]byte(`{"users":[{"id":"1"}],"groups":[{"id":"2","members":["1",{"id":"3"},null]}]}`))
	f.Add([]byte(`{"value":[{"a":{"b":[{"c":null}]}}`))
	fuzzReader(f, JSON)
}

func FuzzLDIF(f *testing.F) {
	f.Add([]byte("version: 1\n\ndn: uid=a,dc=x\nobjectClass: person\ncn:: w6k=\nmail: a\n b\n\n# c\ndn: x\nchangetype: modify\n-\n"))
	f.Add([]byte("dn: cn=g,dc=x\nobjectclass: groupOfNames\nmember: uid=a,dc=x\nobjectGUID:: VIocXx6aLUuNVQttHTwvWA==\n"))
	fuzzReader(f, LDIF)
}

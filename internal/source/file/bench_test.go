package file

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"lockstep/internal/source/sample"
)

// portalFile writes n people as the portal's download has them, with a column
// for the manager.
func portalFile(tb testing.TB, n int) string {
	tb.Helper()
	var b strings.Builder
	b.WriteString("userPrincipalName,displayName,surname,mail,givenName,objectId,userType,jobTitle,department,accountEnabled," +
		"usageLocation,streetAddress,state,country,physicalDeliveryOfficeName,city,postalCode,telephoneNumber,mobile," +
		"authenticationAlternativePhoneNumber,authenticationEmail,alternateEmailAddress,ageGroup,consentProvidedForMinor,legalAgeGroupClassification,manager\r\n")
	for i := range n {
		fmt.Fprintf(&b, "person.%d@acme.example,Person Number %d,Number,person.%d@acme.example,Person,00000000-0000-4000-8000-%012d,Member,\"Analyst, senior\",Finance,True,"+
			"PT,Harbour Road 12,,Portugal,Porto,Porto,4050-014,+351 22 555 0101,+351 91 555 0102,,,,,,,person.%d@acme.example\r\n",
			i, i, i, i, i/8)
	}
	path := filepath.Join(tb.TempDir(), "users.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// BenchmarkCSV reads 100,000 people of 26 columns, both passes. peak-MB is
// what the heap held at the end of a page at the most.
func BenchmarkCSV(b *testing.B) {
	benchmark(b, portalFile(b, 100_000), 100_000)
}

// BenchmarkJSON reads the sample company of 100,000 people and its groups.
func BenchmarkJSON(b *testing.B) {
	path := filepath.Join(b.TempDir(), "company.json")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := sample.Generate(sample.Options{People: 100_000}).WriteJSON(f); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	benchmark(b, path, 100_000)
}

func benchmark(b *testing.B, path string, people int) {
	s := open(b, path)
	var peak uint64
	for b.Loop() {
		n := 0
		for p, err := range s.Changes(b.Context(), "") {
			if err != nil {
				b.Fatal(err)
			}
			if n/20_000 != (n+len(p.Changes))/20_000 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
			n += len(p.Changes)
		}
		if n < people {
			b.Fatalf("%d objects", n)
		}
	}
	b.ReportMetric(float64(people*b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(peak)/1e6, "peak-MB")
}

func BenchmarkUnchanged(b *testing.B) {
	path := portalFile(b, 100_000)
	age(b, path, 3600e9)
	s := open(b, path)
	first, err := read(b, s, "")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := read(b, s, first.next); err != nil {
			b.Fatal(err)
		}
	}
}

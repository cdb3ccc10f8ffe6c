package entra_test

import (
	"fmt"
	"testing"

	"lockstep/internal/graph/graphtest"
	"lockstep/internal/source/entra"
)

// BenchmarkFullReading reads 20,000 people with their managers, the fake's own
// work included.
func BenchmarkFullReading(b *testing.B) {
	const people = 20_000
	g := graphtest.New()
	g.PageSize = 999
	for i := range people {
		g.PutUser(graphtest.ID(1, i), map[string]any{
			"displayName": fmt.Sprint("Person ", i), "userPrincipalName": fmt.Sprintf("person%d@acme.example", i), "accountEnabled": true,
			"department": "Sales", "jobTitle": "Clerk", "mail": fmt.Sprintf("person%d@acme.example", i), "businessPhones": []string{"+1 555 0100"},
		})
		g.SetManager(graphtest.ID(1, i), graphtest.ID(1, i/10))
	}
	s := newSource(b, g, entra.Options{UserAttributes: []string{"department", "jobTitle", "telephoneNumber", "manager"}})
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for p, err := range s.Changes(b.Context(), "") {
			if err != nil {
				b.Fatal(err)
			}
			n += len(p.Changes)
		}
		if n != people {
			b.Fatalf("%d people", n)
		}
	}
	b.ReportMetric(float64(people)*float64(b.N)/b.Elapsed().Seconds(), "people/s")
}

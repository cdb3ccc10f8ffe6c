package scim

import (
	"fmt"
	"testing"
	"time"
)

const sampleUser = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
"externalId":"kb-0093","userName":"karin.berg@vellmar.example","displayName":"Karin Berg","active":true,"title":"Analyst",
"name":{"givenName":"Karin","familyName":"Berg","formatted":"Karin Berg"},
"emails":[{"type":"work","value":"karin.berg@vellmar.example","primary":true},{"type":"home","value":"kb@hemma.example","primary":false}],
"phoneNumbers":[{"type":"work","value":"+46 8 555 0110"},{"type":"mobile","value":"+46 70 555 0111"}],
"addresses":[{"type":"work","streetAddress":"Hamnvägen 4","locality":"Malmö","postalCode":"211 20","country":"SE"}],
"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"0093","department":"Finance","manager":{"value":"mgr-1"}}}`

func storedUser(tb testing.TB) *Resource {
	tb.Helper()
	o, err := ParseObject([]byte(sampleUser))
	if err != nil {
		tb.Fatal(err)
	}
	raw, err := AppendJSON(nil, o)
	if err != nil {
		tb.Fatal(err)
	}
	r := StoredResource(UserType(), "a7c1de10-2f4b-47f3-8b54-6f6f0d5b9a01", raw)
	r.Created = time.Date(2024, 5, 1, 10, 0, 0, 250e6, time.UTC)
	r.LastModified = r.Created.Add(time.Hour)
	r.Version = ETag(12)
	return r
}

func BenchmarkParseFilter(b *testing.B) {
	for _, s := range []string{
		`userName eq "bjensen"`,
		`id eq "41007" and manager eq "40881"`,
		`emails[type eq "work" and value co "@vellmar"].value eq "x"`,
	} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseFilter(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParsePath(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePath(`members[value eq "a7c1de10-2f4b-47f3-8b54-6f6f0d5b9a01"]`); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMatcher(b *testing.B) {
	for _, s := range []string{
		`userName eq "karin.berg@vellmar.example"`,
		`emails[type eq "home"].value co "HEMMA"`,
		`manager eq "mgr-1" and meta.lastModified gt "2024-01-01T00:00:00Z"`,
	} {
		b.Run(s, func(b *testing.B) {
			r := storedUser(b)
			r.Peek()
			f, err := ParseFilter(s)
			if err != nil {
				b.Fatal(err)
			}
			m, err := CompileFilter(r.Type, f)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !m.Match(r) {
					b.Fatal("no match")
				}
			}
		})
	}
}

func BenchmarkCompileFilter(b *testing.B) {
	t := UserType()
	f, _ := ParseFilter(`userName eq "karin.berg@vellmar.example"`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CompileFilter(t, f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseObject(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(sampleUser)))
	for b.Loop() {
		if _, err := ParseObject([]byte(sampleUser)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNormalize(b *testing.B) {
	o, err := ParseObject([]byte(sampleUser))
	if err != nil {
		b.Fatal(err)
	}
	t := UserType()
	b.ReportAllocs()
	for b.Loop() {
		if err := Normalize(t, o, ForCreate); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParsePatch(b *testing.B) {
	body := []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePatch(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPatchApply(b *testing.B) {
	p, err := ParsePatch([]byte(`{"Operations":[{"op":"Replace","path":"active","value":"False"}]}`))
	if err != nil {
		b.Fatal(err)
	}
	t := UserType()
	stored := storedUser(b)
	raw, _ := stored.JSON()
	b.Run("decoded", func(b *testing.B) {
		attrs := stored.Clone().Attributes()
		b.ReportAllocs()
		for b.Loop() {
			r := Resource{Type: t, attrs: attrs}
			if changed, err := p.Apply(&r); err != nil || !changed {
				b.Fatal(changed, err)
			}
		}
	})
	b.Run("stored", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := StoredResource(t, "x", raw)
			if changed, err := p.Apply(r); err != nil || !changed {
				b.Fatal(changed, err)
			}
		}
	})
}

func BenchmarkMembersOfLargeGroup(b *testing.B) {
	members := make([]Value, 100_000)
	for i := range members {
		members[i] = NewObject("value", fmt.Sprintf("u-%d", i))
	}
	attrs := NewObject("displayName", "All", "members", members)
	p, err := ParsePatch([]byte(`{"Operations":[{"op":"Add","path":"members","value":[{"value":"new"}]},{"op":"Remove","path":"members","value":[{"value":"u-50000"}]}]}`))
	if err != nil {
		b.Fatal(err)
	}
	t := GroupType()
	b.ReportAllocs()
	for b.Loop() {
		r := Resource{Type: t, attrs: attrs}
		if _, err := p.Apply(&r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendView(b *testing.B) {
	r := storedUser(b)
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = r.AppendView(buf[:0], "https://scim.example/scim/v2/Users/a7c1de10-2f4b-47f3-8b54-6f6f0d5b9a01"); err != nil {
			b.Fatal(err)
		}
	}
}

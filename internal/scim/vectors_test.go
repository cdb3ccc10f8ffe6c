package scim

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readVectors[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var list []T
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// resourceOf makes the resource that a store would hold for a body that has id
// and meta.
func resourceOf(t testing.TB, body []byte) *Resource {
	t.Helper()
	o, err := ParseObject(body)
	if err != nil {
		t.Fatal(err)
	}
	kind := UserType()
	for _, urn := range o.Elements("schemas") {
		if urn == URNGroup {
			kind = GroupType()
		}
	}
	meta := o.Child("meta")
	r := NewResource(kind, o)
	for _, m := range []struct {
		name string
		at   *time.Time
	}{{"created", &r.Created}, {"lastModified", &r.LastModified}} {
		if s := meta.Text(m.name); s != "" {
			if *m.at, err = time.Parse(time.RFC3339, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.Version = meta.Text("version")
	return r
}

func scimTypeOf(err error) string {
	if err == nil {
		return ""
	}
	return AsError(err).ScimType()
}

func TestFilterVectors(t *testing.T) {
	t.Parallel()
	type vector struct {
		ID       string
		Filter   string
		Resource json.RawMessage
		Match    *bool
		Error    *string
	}
	for _, v := range readVectors[vector](t, "scim-filter-vectors.json") {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			f, err := ParseFilter(v.Filter)
			if v.Error != nil {
				if err == nil {
					_, err = CompileFilter(UserType(), f)
				}
				if got := scimTypeOf(err); got != *v.Error {
					t.Fatalf("%s: error %v, want type %s", v.Filter, err, *v.Error)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", v.Filter, err)
			}
			r := resourceOf(t, v.Resource)
			m, err := CompileFilter(r.Type, f)
			if err != nil {
				t.Fatalf("%s: %v", v.Filter, err)
			}
			if got := m.Match(r); got != *v.Match {
				t.Errorf("%s: match %t, want %t", v.Filter, got, *v.Match)
			}
			again, err := ParseFilter(f.String())
			if err != nil {
				t.Fatalf("printed as %s: %v", f, err)
			}
			if diff := cmp.Diff(f, again); diff != "" {
				t.Errorf("%s printed as %s changes (-parsed +again):\n%s", v.Filter, f, diff)
			}
		})
	}
}

func TestPatchVectors(t *testing.T) {
	t.Parallel()
	type vector struct {
		ID                   string
		Before, Patch, After json.RawMessage
		Error                *string
		Status               int
	}
	for _, v := range readVectors[vector](t, "scim-patch-vectors.json") {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			r := resourceOf(t, v.Before)
			p, err := ParsePatch(v.Patch)
			changed := false
			if err == nil {
				changed, err = p.Apply(r)
			}
			if v.Error != nil {
				if got := scimTypeOf(err); got != *v.Error || AsError(err).Status() != v.Status {
					t.Errorf("%s: error %v, want %d %s", v.Patch, err, v.Status, *v.Error)
				}
				if want := resourceOf(t, v.Before); !Equal(r.View(""), want.View("")) {
					t.Errorf("%s failed and left a changed resource", v.Patch)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", v.Patch, err)
			}
			want := resourceOf(t, v.After)
			if !Equal(r.View(""), want.View("")) {
				got, _ := r.Attributes().MarshalJSON()
				t.Errorf("%s\n got %s\nwant %s", v.Patch, got, v.After)
			}
			if differs := !Equal(resourceOf(t, v.Before).View(""), want.View("")); changed != differs {
				t.Errorf("%s: changed %t, want %t", v.Patch, changed, differs)
			}
			if again, err := p.Apply(r); err != nil {
				t.Logf("%s again: %v", v.Patch, err)
			} else if again && !strings.Contains(string(v.Patch), "emove") && len(p.Operations) == 1 {
				t.Errorf("%s: applied again it changes the resource again", v.Patch)
			}
		})
	}
}

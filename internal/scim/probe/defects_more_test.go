package probe_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"lockstep/internal/scim"
	"lockstep/internal/scim/probe"
)

// allDefects returns every defect that has a test.
func allDefects() []defect {
	return slices.Concat(contractDefects, createDefects, matchDefects, patchDefects, groupDefects, lifecycleDefects, listDefects, errorDefects, moreDefects)
}

// TestEveryCheckCanFail holds that there is a defect for each check: one that
// nothing can fail says nothing.
func TestEveryCheckCanFail(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, d := range allDefects() {
		for _, id := range strings.Fields(d.want) {
			found[id] = true
		}
	}
	seen := map[string]bool{}
	for _, c := range run(t, options(ours(seeded(t)))).Checks {
		if seen[c.ID] {
			t.Errorf("there are two checks %s", c.ID)
		}
		seen[c.ID] = true
		if c.Group != "TLS" && !found[c.ID] {
			t.Errorf("no defect fails %s", c.ID)
		}
		if c.Title == "" || c.Expected == "" || len(c.Breaks) == 0 || c.References[0] == "" {
			t.Errorf("%s lacks a title, an expectation, clients or references", c.ID)
		}
	}
	for id := range found {
		if !seen[id] {
			t.Errorf("a defect names %s, which is no check", id)
		}
	}
}

// skipsNameTheirCause holds that whatever is skipped because of a defect says
// which check it rests on, and that this one did not succeed.
func skipsNameTheirCause(t *testing.T, r *probe.Report) {
	t.Helper()
	outcomes := map[string]probe.Outcome{}
	for _, c := range r.Checks {
		outcomes[c.ID] = c.Outcome
		cause, ok := strings.CutPrefix(c.Detail, "it rests on ")
		if c.Outcome != probe.Skip || !ok {
			continue
		}
		cause, _, _ = strings.Cut(cause, ",")
		if o := outcomes[cause]; o != probe.Fail && o != probe.Skip {
			t.Errorf("%s is skipped for %s, whose outcome is %q", c.ID, cause, o)
		}
	}
	if r.Passed+r.Failed != r.Total || r.Total+r.Skipped != len(r.Checks) {
		t.Errorf("the counts do not add up: %d passed, %d failed, %d skipped of %d", r.Passed, r.Failed, r.Skipped, len(r.Checks))
	}
}

var moreDefects = []defect{
	{name: "refuses Entra ID's meta", want: "create-entra group-create-entra", http: refusing(400, "mutability", func(r *http.Request, sent string) bool {
		return r.Method == http.MethodPost && strings.Contains(sent, `"meta":`)
	})},
	{name: "takes the client's id", want: "create-id-ignored", http: func(next http.Handler) http.Handler {
		var chosen, real string
		return replying(func(r *http.Request, sent string, a *reply) {
			o, err := scim.ParseObject([]byte(sent))
			if creates(r, "/Users") && err == nil && o.Text("id") != "" && a.status == 201 {
				chosen, real = o.Text("id"), a.body.Text("id")
				a.body.Set("id", chosen)
			}
		})(answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if chosen != "" {
				r.URL.Path = strings.Replace(r.URL.Path, chosen, real, 1)
			}
			return false
		})(next))
	}},
	{name: "no filters", want: "filter-advertised", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/ServiceProviderConfig" {
			a.body.Child("filter").Set("supported", false)
		}
	})},
	{name: "no schema by URN", want: "schema-by-id", http: refusing(404, "", func(r *http.Request, _ string) bool { return strings.HasPrefix(tail(r), "/Schemas/") })},
	{name: "no filters for groups", want: "test-query-groups group-match", http: refusing(400, "invalidFilter", func(r *http.Request, _ string) bool {
		return isGroups(r) && filterOf(r) != ""
	})},
	{name: "users cannot be read", want: "read-user list-not-synthetic", http: refusing(403, "", func(r *http.Request, _ string) bool {
		return r.Method == http.MethodGet && isUsers(r) && isOne(r) && strings.Contains(tail(r), "-0000-")
	})},
	{name: "groups cannot be read", want: "group-read", http: refusing(403, "", func(r *http.Request, _ string) bool {
		return r.Method == http.MethodGet && isGroups(r) && isOne(r)
	})},
	{name: "externalId in any case", want: "match-external-id-case", http: asking(func(_ *http.Request, f string) string {
		if value, ok := strings.CutPrefix(f, `externalId eq "LOCKSTEP-PROBE-`); ok {
			return `externalId eq "` + strings.Replace(strings.ToLower("LOCKSTEP-PROBE-"+value), "x7ab", "X7Ab", 1)
		}
		return f
	})},
	{name: "titles cannot be added", want: "patch-add", http: refusing(400, "invalidPath", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"op":"add","path":"title"`)
	})},
	{name: "titles cannot be removed", want: "patch-remove", http: replying(func(r *http.Request, sent string, a *reply) {
		if patches(r) && strings.Contains(sent, `"op":"remove","path":"title"`) {
			a.refuse(400, "invalidValue", "a value is needed")
		}
	})},
	{name: "operations are applied backwards", want: "patch-several", http: sending(func(r *http.Request, o *scim.Object) {
		if patches(r) {
			l := slices.Clone(o.Elements("Operations"))
			slices.Reverse(l)
			if len(l) > 3 {
				o.Set("Operations", l)
			}
		}
	})},
	{name: "a part of the name replaces the name", want: "patch-sub-attribute", dir: edits(func(before, after *scim.Object) {
		if n := after.Child("name"); n.Text("familyName") == "Lima" && n.Text("givenName") == "Ines" && before.Child("name").Text("familyName") == "Duarte" {
			n.Delete("givenName")
		}
	})},
	{name: "500 for a new id", want: "patch-id", http: replying(func(r *http.Request, sent string, a *reply) {
		if patches(r) && strings.Contains(sent, `"path":"id"`) {
			a.refuse(500, "", "primary key")
		}
	})},
	{name: "a replacement without target succeeds", want: "patch-no-target", http: replying(func(r *http.Request, sent string, a *reply) {
		if patches(r) && strings.Contains(sent, `"lockstep\"]`) || strings.Contains(sent, `\"lockstep\"`) {
			a.status, a.body = 204, nil
		}
	})},
	{name: "members have no display", want: "member-add-rfc", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && isGroups(r) && strings.Contains(sent, `"display"`)
	})},
	{name: "removing a stranger is 404", want: "member-remove-absent", http: refusing(404, "", func(r *http.Request, sent string) bool {
		return patches(r) && isGroups(r) && strings.Contains(sent, `"op":"Remove"`) && !strings.Contains(sent, `"$ref"`)
	})},
	{name: "a path that meets nobody is noTarget", want: "member-remove-absent-path", http: answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		_, id, ok := strings.Cut(sent, `members[value eq \"`)
		if !ok || strings.Contains(do(next, r, http.MethodGet, tail(r), "").Body.String(), id[:36]) {
			return false
		}
		a := &reply{header: http.Header{}}
		a.refuse(400, "noTarget", "no such member")
		a.write(w)
		return true
	})},
	{name: "nobody is enabled by a text", want: "enable-text", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"True"`)
	})},
	{name: "the deleted are still found", want: "deleted-gone", http: func(next http.Handler) http.Handler {
		var last string
		return replying(func(r *http.Request, _ string, a *reply) {
			switch {
			case r.Method == http.MethodDelete && isUsers(r):
				last = a.header.Get("X-Was")
			case last != "" && filterOf(r) == `userName eq "`+last+`"` && len(a.resources()) == 0:
				a.body.Set("Resources", []scim.Value{scim.NewObject("schemas", []scim.Value{scim.URNUser}, "id", "gone", "userName", last)})
			}
		})(answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
			if r.Method != http.MethodDelete || !isUsers(r) {
				return false
			}
			if o, err := scim.ParseObject(do(next, r, http.MethodGet, tail(r), "").Body.Bytes()); err == nil {
				w.Header().Set("X-Was", o.Text("userName"))
			}
			return false
		})(next))
	}},
}

package probe_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim"
	"lockstep/internal/scim/probe"
	"lockstep/internal/scim/scimtest"
)

// A defect is one thing that a server does wrong, and the checks that must
// not pass because of it, and no others.
type defect struct {
	name string
	http middleware
	dir  func(scim.Directory) scim.Directory
	want string
}

// TestDefects runs the probe against servers that are ours but for one defect.
func TestDefects(t *testing.T) {
	t.Parallel()
	for _, d := range slices.Concat(contractDefects, createDefects, matchDefects, patchDefects, groupDefects, lifecycleDefects, listDefects, errorDefects) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, options(d.handler(t)))
			var got []string
			for _, c := range r.Checks {
				if c.Outcome == probe.Fail || c.Outcome == probe.Warn {
					got = append(got, c.ID)
					t.Logf("%s %s: %s", c.Outcome, c.ID, c.Detail)
				}
			}
			want := strings.Fields(d.want)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("checks that did not pass (-want +got):\n%s", diff)
			}
		})
	}
}

func (d defect) handler(t *testing.T) http.Handler {
	dir := seeded(t)
	if d.dir != nil {
		dir = d.dir(dir)
	}
	h := ours(dir)
	if d.http != nil {
		h = d.http(h)
	}
	return h
}

// seeded returns a directory in which there is somebody else already.
func seeded(t *testing.T) scim.Directory {
	t.Helper()
	d := scimtest.NewDirectory(scimtest.UserType, scimtest.GroupType)
	for i := range 3 {
		name := fmt.Sprintf("somebody.else%d@acme.example", i)
		if _, err := d.Create(t.Context(), scim.NewResource(scimtest.UserType, scim.NewObject(
			"schemas", []scim.Value{scim.URNUser}, "userName", name, "displayName", "Somebody Else", "externalId", name, "active", true))); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

var contractDefects = []defect{
	{name: "redirects a doubled slash", want: "double-slash", http: answering(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if !strings.Contains(r.URL.Path, "//") {
			return false
		}
		http.Redirect(w, r, strings.ReplaceAll(r.URL.Path, "//", "/"), http.StatusTemporaryRedirect)
		return true
	})},
	{name: "does not know a trailing slash", want: "trailing-slash", http: refusing(404, "", func(r *http.Request, _ string) bool { return strings.HasSuffix(r.URL.Path, "Users/") })},
	{name: "refuses unknown parameters", want: "unknown-parameter feature-flag", http: refusing(400, "invalidValue", func(r *http.Request, _ string) bool {
		q := r.URL.Query()
		return q.Has("lockstepProbe") || q.Has("aadOptscim062020")
	})},
	{name: "moved", want: "reach", http: answering(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		http.Redirect(w, r, "https://elsewhere.example"+r.URL.Path, http.StatusMovedPermanently)
		return true
	})},
	{name: "sign-in page", want: "reach", http: answering(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><title>Just a moment…</title></html>")
		return true
	})},
	{name: "wrong path", want: "reach", http: refusing(404, "", func(r *http.Request, _ string) bool { return true })},
	{name: "needs no token to read", want: "token-missing", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Header.Get("Authorization") == "" && r.Method == http.MethodGet {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return false
	})},
	{name: "needs no token to write", want: "token-write", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Header.Get("Authorization") == "" && r.Method != http.MethodGet {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return false
	})},
	{name: "takes any token", want: "token-wrong", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return false
	})},
	{name: "takes any password", want: "token-basic", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Basic ") {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return false
	})},
	{name: "refuses the token", want: "token-accepted token-challenge", http: refusing(401, "", func(*http.Request, string) bool { return true })},
	{name: "repeats wrong tokens", want: "token-wrong", http: replying(func(r *http.Request, _ string, a *reply) {
		if a.status == 401 {
			a.body.Set("detail", "unknown token "+r.Header.Get("Authorization"))
		}
	})},
	{name: "repeats the token in a header", want: "token-not-leaked", http: replying(func(r *http.Request, _ string, a *reply) {
		if patches(r) {
			a.header.Set("X-Debug", r.Header.Get("Authorization"))
		}
	})},
	{name: "no challenge", want: "token-challenge", http: replying(func(_ *http.Request, _ string, a *reply) { a.header.Del("Www-Authenticate") })},
	{name: "plain JSON out", want: "content-type error-content-type", http: replying(func(_ *http.Request, _ string, a *reply) {
		if a.header.Get("Content-Type") != "" {
			a.header.Set("Content-Type", "application/json; charset=utf-8")
		}
	})},
	{name: "refuses to send plain JSON", want: "accept-json", http: refusing(406, "", func(r *http.Request, _ string) bool { return r.Header.Get("Accept") == "application/json" })},
	{name: "no configuration", want: "service-provider-config", http: refusing(404, "", func(r *http.Request, _ string) bool { return tail(r) == "/ServiceProviderConfig" })},
	{name: "limits as text", want: "service-provider-config", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/ServiceProviderConfig" {
			a.body.Child("filter").Set("maxResults", "200")
		}
	})},
	{name: "advertises no PATCH", want: "patch-advertised", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/ServiceProviderConfig" {
			a.body.Child("patch").Set("supported", false)
		}
	})},
	{name: "resource types as a bare list", want: "resource-types", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/ResourceTypes" {
			v, _ := a.body.Get("Resources")
			a.raw, _ = scim.AppendJSON(nil, v)
		}
	})},
	{name: "no resource type by id", want: "resource-type-by-id", http: refusing(404, "", func(r *http.Request, _ string) bool { return strings.HasPrefix(tail(r), "/ResourceTypes/") })},
	{name: "schemas without ListResponse", want: "schemas", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/Schemas" && a.status == 200 {
			a.body.Delete("schemas")
		}
	})},
	{name: "nulls in schemas", want: "schema-attributes", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/Schemas" && a.status == 200 {
			a.resources()[0].Elements("attributes")[0].(*scim.Object).Set("description", nil)
		}
	})},
	{name: "capitalised words in schemas", want: "schema-attributes", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/Schemas" && a.status == 200 {
			a.resources()[0].Elements("attributes")[0].(*scim.Object).Set("mutability", "ReadWrite")
		}
	})},
	{name: "a schema is missing", want: "schemas-of-types", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/Schemas" && a.status == 200 {
			l := a.body.Elements("Resources")
			a.body.Set("Resources", l[:len(l)-1])
		}
	})},
	{name: "ignores a filter on schemas", want: "discovery-not-filtered", http: asking(func(r *http.Request, f string) string {
		if tail(r) == "/Schemas" {
			return ""
		}
		return f
	})},
	{name: "nobody found is 404", want: "test-query", http: replying(func(r *http.Request, _ string, a *reply) {
		if filterOf(r) != "" && a.status == 200 && len(a.resources()) == 0 {
			a.refuse(404, "", "no user matches")
		}
	})},
	{name: "no schemas in lists", want: "test-query-shape list-shape match-shape search", http: replying(func(r *http.Request, _ string, a *reply) {
		if isUsers(r) && a.status == 200 {
			if _, ok := a.body.Get("Resources"); ok {
				a.body.Delete("schemas")
			}
		}
	})},
	{name: "knows spaces only as plus", want: "test-query-encoding", http: answering(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if !strings.Contains(r.URL.RawQuery, "%20") {
			return false
		}
		a := &reply{header: http.Header{}}
		a.refuse(400, "invalidFilter", "unexpected character")
		a.write(w)
		return true
	})},
}

var createDefects = []defect{
	{name: "creation is 200", want: "create-status group-create", http: replying(func(r *http.Request, _ string, a *reply) {
		if a.status == 201 {
			a.status = 200
		}
	})},
	{name: "numbers for ids", want: "create-id list-shape match-shape", http: numberedUsers},
	{name: "no Location", want: "create-location", http: replying(func(_ *http.Request, _ string, a *reply) { a.header.Del("Location") })},
	{name: "an internal host in Location", want: "create-location", http: replying(func(_ *http.Request, _ string, a *reply) {
		if l := a.header.Get("Location"); l != "" {
			a.header.Set("Location", strings.Replace(l, "scim.example", "backend-7.internal", 1))
		}
	})},
	{name: "no meta", want: "create-meta create-location list-shape etag-header", http: replying(func(r *http.Request, _ string, a *reply) {
		for _, u := range a.users(r) {
			u.Delete("meta")
		}
	})},
	{name: "no schemas in users", want: "create-schemas list-shape", http: replying(func(r *http.Request, _ string, a *reply) {
		for _, u := range a.users(r) {
			u.Delete("schemas")
		}
	})},
	{name: "lower-cases userName", want: "create-entra-values", dir: stores(func(o *scim.Object) {
		if o.Text("userName") != "" {
			o.Set("userName", strings.ToLower(o.Text("userName")))
		}
	})},
	{name: "squeezes spaces", want: "create-entra-values", dir: stores(func(o *scim.Object) {
		o.Set("displayName", strings.Join(strings.Fields(o.Text("displayName")), " "))
	})},
	{name: "loses externalId", want: "create-values create-entra-values match-external-id group-create-entra group-match-external-id", dir: stores(func(o *scim.Object) { o.Delete("externalId") })},
	{name: "numbers lose their zeros", want: "create-enterprise patch-urn-key patch-urn-container", dir: stores(func(o *scim.Object) {
		if e := o.Child(scim.URNEnterprise); e.Text("employeeNumber") != "" {
			e.Set("employeeNumber", strings.TrimLeft(e.Text("employeeNumber"), "0"))
		}
	})},
	{name: "refuses nulls", want: "create-nulls", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return creates(r, "/Users") && strings.Contains(sent, ":null")
	})},
	{name: "refuses unknown attributes", want: "create-unknown-attribute", http: refusing(400, "invalidSyntax", func(r *http.Request, sent string) bool {
		return creates(r, "/Users") && strings.Contains(sent, "lockstepProbeUnknown")
	})},
	{name: "refuses unknown extensions", want: "create-unknown-extension group-create-entra", http: refusing(400, "invalidSyntax", func(r *http.Request, sent string) bool {
		return r.Method == http.MethodPost && (strings.Contains(sent, "lockstepprobe:2.0") || strings.Contains(sent, "schemas.microsoft.com"))
	})},
	{name: "drops extensions that schemas does not name", want: "create-extension-unnamed", http: sending(func(r *http.Request, o *scim.Object) {
		if creates(r, "/Users") && !slices.Contains(o.Elements("schemas"), scim.Value(scim.URNEnterprise)) {
			o.Delete(scim.URNEnterprise)
		}
	})},
	{name: "names in one case only", want: "create-names-any-case", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return creates(r, "/Users") && strings.Contains(sent, `"USERNAME"`)
	})},
	{name: "takes no plain JSON", want: "create-json", http: refusing(415, "", func(r *http.Request, _ string) bool {
		return r.Header.Get("Content-Type") == "application/json"
	})},
	{name: "shows passwords", want: "create-password-hidden", http: replying(func(r *http.Request, sent string, a *reply) {
		if creates(r, "/Users") && strings.Contains(sent, `"password"`) {
			a.body.Set("password", "********")
		}
	})},
	{name: "invents a userName", want: "create-without-name", http: sending(func(r *http.Request, o *scim.Object) {
		if creates(r, "/Users") && o.Text("userName") == "" {
			o.Set("userName", o.Text("displayName"))
		}
	})},
	{name: "500 for a wrong type", want: "create-wrong-type", http: replying(func(r *http.Request, sent string, a *reply) {
		if creates(r, "/Users") && strings.Contains(sent, `"name":"`) {
			a.refuse(500, "", "NullPointerException")
		}
	})},
	{name: "a duplicate is 400", want: "duplicate duplicate-any-case", http: replying(func(r *http.Request, _ string, a *reply) {
		if creates(r, "/Users") && a.status == 409 {
			a.refuse(400, "invalidValue", "the user exists")
		}
	})},
	{name: "a duplicate without scimType", want: "duplicate-scim-type", http: replying(func(_ *http.Request, _ string, a *reply) {
		if a.status == 409 {
			a.body.Delete("scimType")
		}
	})},
	{name: "unique by case", want: "duplicate-any-case", http: sending(func(r *http.Request, o *scim.Object) {
		if n := o.Text("userName"); creates(r, "/Users") && n == strings.ToUpper(n) && n != strings.ToLower(n) {
			o.Set("userName", n+"X") // a user of another name is none of the same
		}
	})},
	{name: "unique e-mail addresses", want: "shared-email", dir: func(d scim.Directory) scim.Directory {
		return directory{Directory: d, create: func(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
			for _, v := range r.Attributes().Elements("emails") {
				f, err := scim.ParseFilter("emails.value eq \"" + v.(*scim.Object).Text("value") + "\"")
				if err != nil {
					return nil, err
				}
				if p, err := d.Query(ctx, r.Type, scim.Query{Filter: f, StartIndex: 1}); err != nil || p.Total > 0 {
					return nil, scim.Errorf(scim.Uniqueness, "the address is taken").On("emails")
				}
			}
			return d.Create(ctx, r)
		}}
	}},
	{name: "may only read", want: "create-user", http: replying(func(r *http.Request, _ string, a *reply) {
		if creates(r, "/Users") && a.status == 201 {
			a.refuse(403, "", "the token may only read")
		}
	})},
}

// numberedUsers makes the ids of users JSON numbers.
func numberedUsers(next http.Handler) http.Handler {
	const uuid = "00000004-0000-4000-8000-%012x"
	number := regexp.MustCompile(`10000\d{5}`)
	id := regexp.MustCompile(`00000004-0000-4000-8000-([0-9a-f]{12})`)
	in := func(s string) string {
		return number.ReplaceAllStringFunc(s, func(n string) string {
			i, _ := strconv.Atoi(n)
			return fmt.Sprintf(uuid, i-1e9)
		})
	}
	out := func(s string) string {
		return id.ReplaceAllStringFunc(s, func(u string) string {
			i, _ := strconv.ParseInt(u[24:], 16, 64)
			return strconv.FormatInt(1e9+i, 10)
		})
	}
	return replying(func(r *http.Request, _ string, a *reply) {
		if a.header.Get("Location") != "" {
			a.header.Set("Location", out(a.header.Get("Location")))
		}
		if a.body == nil {
			return
		}
		a.raw = []byte(regexp.MustCompile(`"id":"(\d+)"`).ReplaceAllString(out(string(encoded(a.body))), `"id":$1`))
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setBody(r, []byte(in(readBody(r))))
		r.URL.Path, r.URL.RawQuery = in(r.URL.Path), in(r.URL.RawQuery)
		next.ServeHTTP(w, r)
	}))
}

var matchDefects = []defect{
	{name: "eq is sw", want: "match-exact group-match", http: asking(func(_ *http.Request, f string) string {
		return strings.NewReplacer("userName eq", "userName sw", "displayName eq", "displayName sw").Replace(f)
	})},
	{name: "eq is co", want: "match-exact group-match", http: asking(func(_ *http.Request, f string) string {
		return strings.NewReplacer("userName eq", "userName co", "displayName eq", "displayName co").Replace(f)
	})},
	{name: "userName found by case", want: "match-any-case", dir: lists(nil, func(q scim.Query, p *scim.Page) {
		f, ok := q.Filter.(*scim.Comparison)
		if !ok || f.Path.Attr != "userName" || f.Op != scim.Eq {
			return
		}
		p.Resources = slices.DeleteFunc(p.Resources, func(r *scim.Resource) bool { return scim.Value(r.Peek().Text("userName")) != f.Value })
		p.Total = len(p.Resources)
	})},
	{name: "ignores filters on externalId", want: "filter-not-ignored match-external-id", http: asking(func(r *http.Request, f string) string {
		if isUsers(r) && strings.Contains(f, "externalId") {
			return ""
		}
		return f
	})},
	{name: "ignores filters on unknown attributes", want: "filter-unknown-attribute", http: asking(func(r *http.Request, f string) string {
		if strings.Contains(f, "lockstepProbeUnknown") {
			return ""
		}
		return f
	})},
	{name: "ignores filters it cannot read", want: "filter-invalid", http: asking(func(_ *http.Request, f string) string {
		if _, err := scim.ParseFilter(f); err != nil {
			return ""
		}
		return f
	})},
	{name: "refuses filters without saying so", want: "filter-invalid", http: replying(func(_ *http.Request, _ string, a *reply) {
		if a.body.Text("scimType") == "invalidFilter" {
			a.body.Delete("scimType")
		}
	})},
	{name: "operators in lower case only", want: "filter-names-any-case", http: refusing(400, "invalidFilter", func(r *http.Request, _ string) bool { return strings.Contains(filterOf(r), " EQ ") })},
	{name: "no and", want: "filter-and filter-never-lies filter-logic filter-operators match-manager member-query", http: refusing(400, "invalidSyntax", func(r *http.Request, _ string) bool {
		return strings.Contains(filterOf(r), " and ") && !strings.Contains(filterOf(r), "[")
	})},
	{name: "or binds tighter than and", want: "filter-logic", http: asking(func(_ *http.Request, f string) string {
		before, after, ok := strings.Cut(f, " or ")
		left, right, and := strings.Cut(before, " and ")
		if !ok || !and || strings.Contains(f, "(") {
			return f
		}
		return left + " and (" + right + " or " + after + ")"
	})},
	{name: "co and ew are refused", want: "filter-operators", http: refusing(400, "invalidFilter", func(r *http.Request, _ string) bool {
		return strings.Contains(filterOf(r), " co ") || strings.Contains(filterOf(r), " ew ")
	})},
	{name: "finds nobody by address", want: "match-email", http: asking(func(_ *http.Request, f string) string {
		return strings.Replace(f, "emails.value eq", "emails.display eq", 1)
	})},
	{name: "no filters with brackets", want: "match-work-email", http: refusing(400, "invalidFilter", func(r *http.Request, _ string) bool {
		return strings.Contains(filterOf(r), "[") && strings.Contains(filterOf(r), "lockstep-probe")
	})},
	{name: "lies about employeeNumber", want: "filter-enterprise", http: asking(func(_ *http.Request, f string) string {
		return strings.Replace(f, ":employeeNumber", ":costCenter", 1)
	})},
	{name: "decodes plus twice", want: "match-special group-match-special", http: asking(func(_ *http.Request, f string) string {
		return strings.ReplaceAll(f, "+", " ")
	})},
	{name: "no escapes in filters", want: "match-escapes group-match-special", http: asking(func(_ *http.Request, f string) string {
		return strings.ReplaceAll(f, `\`, `\\`)[:max(0, len(strings.ReplaceAll(f, `\`, `\\`)))]
	})},
	{name: "knows ASCII only", want: "match-unicode", http: asking(func(_ *http.Request, f string) string {
		return strings.Map(func(r rune) rune {
			if r > 127 {
				return '?'
			}
			return r
		}, f)
	})},
	{name: "ignores attributes", want: "match-attributes", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		q := r.URL.Query()
		q.Del("attributes")
		r.URL.RawQuery = q.Encode()
		return false
	})},
	{name: "ignores excludedAttributes", want: "match-excluded member-excluded", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		q := r.URL.Query()
		q.Del("excludedAttributes")
		r.URL.RawQuery = q.Encode()
		return false
	})},
	{name: "found only later", want: "match-username match-external-id group-match", dir: func(d scim.Directory) scim.Directory {
		// The index sees a resource when it is asked for the second time.
		var mu sync.Mutex
		seen := map[string]bool{}
		return lists(nil, func(q scim.Query, p *scim.Page) {
			mu.Lock()
			defer mu.Unlock()
			if q.Filter == nil {
				return
			}
			p.Resources = slices.DeleteFunc(p.Resources, func(r *scim.Resource) bool {
				known := seen[r.ID]
				seen[r.ID] = true
				return !known
			})
			p.Total = len(p.Resources)
		})(d)
	}},
	{name: "no queries by manager", want: "match-manager", http: refusing(400, "invalidFilter", func(r *http.Request, _ string) bool { return strings.Contains(filterOf(r), "manager eq") })},
}

var patchDefects = []defect{
	{name: "no PUT", want: "put put-unknown", http: refusing(501, "", func(r *http.Request, _ string) bool { return r.Method == http.MethodPut && isOne(r) })},
	{name: "PUT creates", want: "put-unknown", http: replying(func(r *http.Request, _ string, a *reply) {
		if r.Method == http.MethodPut && a.status == 404 && isOne(r) {
			a.status, a.body = 201, scim.NewObject("schemas", []scim.Value{scim.URNUser}, "id", "1", "userName", "x")
		}
	})},
	{name: "PUT ignores active", want: "put-disables", http: sending(func(r *http.Request, o *scim.Object) {
		if r.Method == http.MethodPut {
			o.Delete("active")
			o.Set("active", true)
		}
	})},
	{name: "no PATCH", want: "patch-replace", http: refusing(405, "", func(r *http.Request, _ string) bool { return patches(r) && isUsers(r) })},
	{name: "PATCH says so and does nothing", want: "patch-replace", http: answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		if !patches(r) || !isUsers(r) {
			return false
		}
		a := do(next, r, http.MethodGet, tail(r), "")
		w.WriteHeader(a.Code)
		_, _ = w.Write(a.Body.Bytes())
		return true
	})},
	{name: "PATCH answers with the old state", want: "patch-answer", http: answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		if !patches(r) || !isUsers(r) {
			return false
		}
		sent := readBody(r)
		before := do(next, r, http.MethodGet, tail(r), "")
		a := do(next, r, http.MethodPatch, tail(r), sent)
		if a.Code == 200 {
			a = before
		}
		w.Header().Set("Content-Type", "application/scim+json")
		w.WriteHeader(a.Code)
		_, _ = w.Write(a.Body.Bytes())
		return true
	})},
	{name: "operations in lower case only", want: "patch-capitals member-add", http: refusing(400, "invalidSyntax", func(r *http.Request, sent string) bool {
		return patches(r) && (strings.Contains(sent, `"op":"A`) || strings.Contains(sent, `"op":"R`))
	})},
	{name: "adding twice makes a list", want: "patch-add-again", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"Director"`)
	})},
	{name: "removing nothing is an error", want: "patch-remove-absent", http: answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		if !patches(r) || !strings.Contains(sent, `"op":"remove","path":"title"`) || strings.Contains(do(next, r, "GET", tail(r), "").Body.String(), `"title"`) {
			return false
		}
		a := &reply{header: http.Header{}}
		a.refuse(400, "noTarget", "there is no title")
		a.write(w)
		return true
	})},
	{name: "PATCH wipes other attributes", want: "patch-no-wipe patch-no-path disabled-kept", dir: edits(func(before, after *scim.Object) {
		// What did not change is taken for missing.
		for name, v := range before.All() {
			w, ok := after.Get(name)
			if ok && scim.Equal(v, w) && (name == "name" || name == "externalId" || name == "emails") {
				after.Delete(name)
			}
		}
	})},
	{name: "PATCH is not atomic", want: "patch-atomic", http: oneByOne},
	{name: "add replaces lists", want: "patch-list-add", dir: edits(func(before, after *scim.Object) {
		if old, l := before.Elements("phoneNumbers"), after.Elements("phoneNumbers"); len(old) == 1 && len(l) == 2 {
			after.Set("phoneNumbers", l[1:])
		}
	})},
	{name: "adds the same again", want: "patch-list-add-same", http: answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		if !patches(r) || !strings.Contains(sent, `"path":"phoneNumbers"`) || !strings.Contains(sent, `"op":"add"`) || !strings.Contains(sent, `"work"`) {
			return false
		}
		setBody(r, []byte(strings.Replace(sent, "+351 22 000 00 00", "+351 22 000 00 01", 1)))
		next.ServeHTTP(w, r)
		return true
	})},
	{name: "replace adds to lists", want: "patch-list-replace", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if op.Text("path") == "phoneNumbers" && op.Text("op") == "replace" {
				op.Set("op", "add")
			}
		}
	})},
	{name: "no filters in paths", want: "patch-value-path patch-value-path-remove patch-email-created patch-email-replace-created patch-element-beside patch-address member-remove-path", http: refusing(400, "invalidPath", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, "[type eq") || strings.Contains(sent, "[value eq")
	})},
	{name: "creates no elements", want: "patch-email-created patch-email-replace-created patch-element-beside patch-address", http: answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		if !patches(r) {
			return false
		}
		o, err := scim.ParseObject([]byte(sent))
		if err != nil {
			return false
		}
		u, err := scim.ParseObject(do(next, r, "GET", tail(r), "").Body.Bytes())
		if err != nil {
			return false
		}
		for _, op := range operations(o) {
			attr, rest, ok := strings.Cut(op.Text("path"), "[type eq \"")
			kind, _, _ := strings.Cut(rest, "\"")
			if !ok || op.Text("op") == "replace" || strings.EqualFold(op.Text("op"), "remove") {
				continue
			}
			if !strings.Contains(string(encoded(scim.NewObject("l", u.Elements(attr)))), `"type":"`+kind+`"`) {
				a := &reply{header: http.Header{}}
				a.refuse(400, "noTarget", "no target found for path-filter")
				a.write(w)
				return true
			}
		}
		return false
	})},
	{name: "a removal writes its value", want: "patch-remove-stale", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if v, ok := op.Get("value"); ok && v != nil && op.Text("op") == "Remove" && op.Text("path") != "members" {
				op.Set("op", "Replace")
			}
		}
	})},
	{name: "paths in one case only", want: "patch-path-any-case", http: refusing(400, "invalidPath", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"DISPLAYNAME"`)
	})},
	{name: "no URN before core attributes", want: "patch-core-urn", http: refusing(400, "invalidPath", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"`+scim.URNUser+`:`)
	})},
	{name: "304 for no change", want: "patch-unchanged", http: replying(func(r *http.Request, sent string, a *reply) {
		if patches(r) && a.status == 200 && strings.Contains(sent, `"userName"`) && strings.Contains(sent, `"displayName"`) {
			a.status = 304
		}
	})},
	{name: "userName cannot change", want: "patch-rename patch-rename-conflict", http: refusing(400, "mutability", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"op":"replace","path":"userName"`) && !strings.Contains(sent, "half") && !strings.Contains(sent, `"displayName"`)
	})},
	{name: "userName can be removed", want: "patch-required", http: replying(func(r *http.Request, sent string, a *reply) {
		if patches(r) && strings.Contains(sent, `"op":"remove","path":"userName"`) {
			a.status, a.body = 204, nil
		}
	})},
	{name: "500 for an unknown path", want: "patch-unknown-path", http: replying(func(r *http.Request, sent string, a *reply) {
		if patches(r) && a.status == 400 && strings.Contains(sent, "lockstepProbeUnknown") {
			a.refuse(500, "", "KeyError")
		}
	})},
	{name: "unknown operations are ignored", want: "patch-malformed", http: replying(func(r *http.Request, sent string, a *reply) {
		if patches(r) && strings.Contains(sent, `"increment"`) {
			a.status, a.body = 204, nil
		}
	})},
	{name: "200 for users that do not exist", want: "patch-unknown-user put-unknown error-not-found", http: replying(func(r *http.Request, _ string, a *reply) {
		if isUsers(r) && isOne(r) && a.status == 404 && !strings.Contains(tail(r), "0000") {
			a.status, a.body = 200, &scim.Object{}
		}
	})},
	{name: "dotted keys are names", want: "patch-dotted-keys", http: replying(func(r *http.Request, _ string, a *reply) {
		for _, u := range a.users(r) {
			if n := u.Child("name"); n.Text("givenName") == "Inês" && n.Text("familyName") == "Lima" {
				u.Delete("name")
				u.Set("name.givenName", "Inês")
			}
		}
	})},
	{name: "no URNs in paths", want: "patch-urn-path manager-text manager-object", http: refusing(400, "invalidPath", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"path":"`+scim.URNEnterprise)
	})},
	{name: "no URNs in keys", want: "patch-urn-key manager-key", http: refusing(400, "invalidPath", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `{"`+scim.URNEnterprise+`:`)
	})},
	{name: "an extension object replaces the extension", want: "patch-urn-container", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if v, _ := op.Get("value"); op.Text("path") == "" {
				if c := asObject(v).Child(scim.URNEnterprise); c != nil {
					c.Set("employeeNumber", nil)
					op.Set("op", "replace")
				}
			}
		}
	})},
	{name: "roles stay JSON in a text", want: "patch-roles-json", http: replying(func(r *http.Request, _ string, a *reply) {
		for _, u := range a.users(r) {
			for _, role := range u.Elements("roles") {
				asObject(role).Set("value", `{"value":"Approver"}`)
			}
		}
	})},
	{name: "managers read back as texts", want: "manager-text manager-object manager-list manager-key", http: replying(func(r *http.Request, _ string, a *reply) {
		for _, u := range a.users(r) {
			if e := u.Child(scim.URNEnterprise); e.Child("manager") != nil {
				e.Set("manager", e.Child("manager").Text("value"))
			}
		}
	})},
	{name: "managers only as objects", want: "manager-text manager-list", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && (strings.Contains(sent, `manager","value":"`) || strings.Contains(sent, `manager","value":[`))
	})},
	{name: "an empty manager is refused", want: "manager-clear", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `manager","value":""`)
	})},
	{name: "PATCH needs a path", want: "patch-dotted-keys patch-urn-key patch-urn-container manager-key patch-no-path patch-no-path-disable group-rename-okta", http: refusing(400, "invalidPath", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"Operations"`) && !strings.Contains(sent, `"path"`)
	})},
}

func asObject(v scim.Value) *scim.Object {
	o, _ := v.(*scim.Object)
	return o
}

// oneByOne carries out the operations of a PATCH each on its own, up to the
// first that fails.
func oneByOne(next http.Handler) http.Handler {
	return answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		o, err := scim.ParseObject([]byte(sent))
		if err != nil || !patches(r) || len(operations(o)) < 2 {
			return false
		}
		for _, op := range operations(o) {
			one := scim.NewObject("schemas", []scim.Value{scim.URNPatchOp}, "Operations", []scim.Value{op})
			a := do(next, r, http.MethodPatch, tail(r), string(encoded(one)))
			if a.Code >= 300 {
				w.WriteHeader(a.Code)
				_, _ = w.Write(a.Body.Bytes())
				return true
			}
		}
		w.WriteHeader(http.StatusNoContent)
		return true
	})(next)
}

var groupDefects = []defect{
	{name: "groups need members", want: "group-create", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return creates(r, "/Groups") && !strings.Contains(sent, `"value"`)
	})},
	{name: "a taken group name answers with the group", want: "group-duplicate", http: answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		if !creates(r, "/Groups") {
			return false
		}
		o, err := scim.ParseObject([]byte(sent))
		if err != nil || o.Text("displayName") == "" {
			return false
		}
		list, err := scim.ParseObject(do(next, r, "GET", "/Groups", "").Body.Bytes())
		if err != nil {
			return false
		}
		for _, v := range list.Elements("Resources") {
			if g := asObject(v); g.Text("displayName") == o.Text("displayName") {
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write(encoded(g))
				return true
			}
		}
		return false
	})},
	{name: "a group without a name is 500", want: "group-without-name", http: replying(func(r *http.Request, _ string, a *reply) {
		if creates(r, "/Groups") && a.status == 400 {
			a.refuse(500, "", "NullPointerException")
		}
	})},
	{name: "members of a new group are lost", want: "group-create-members bulk", dir: stores(func(o *scim.Object) { o.Delete("members") })},
	{name: "groups cannot be deleted", want: "group-delete", http: refusing(405, "", func(r *http.Request, _ string) bool { return r.Method == http.MethodDelete && isGroups(r) })},
	{name: "a null $ref is refused", want: "member-add", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool { return strings.Contains(sent, `"$ref":null`) })},
	{name: "removing a list clears the group", want: "member-remove-list", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if strings.EqualFold(op.Text("op"), "remove") && op.Text("path") == "members" {
				op.Delete("value")
			}
		}
	})},
	{name: "adding a present member is 409", want: "member-add-again", http: answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		if !patches(r) || !isGroups(r) || !strings.Contains(strings.ToLower(sent), `"op":"add"`) {
			return false
		}
		o, _ := scim.ParseObject([]byte(sent))
		g, err := scim.ParseObject(do(next, r, "GET", tail(r), "").Body.Bytes())
		if err != nil {
			return false
		}
		there := hasMemberIDs(g)
		for _, op := range operations(o) {
			for _, m := range op.Elements("value") {
				if slices.Contains(there, asObject(m).Text("value")) {
					a := &reply{header: http.Header{}}
					a.refuse(409, "uniqueness", "already a member")
					a.write(w)
					return true
				}
			}
		}
		return false
	})},
	{name: "members only one at a time", want: "member-add-several", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if l := op.Elements("value"); op.Text("op") == "Add" && len(l) == 2 && strings.Contains(string(encoded(o)), `"members"`) {
				op.Set("value", l[:1])
			}
		}
	})},
	{name: "no removal by path", want: "member-remove-path", http: refusing(400, "invalidPath", func(r *http.Request, sent string) bool {
		return patches(r) && isGroups(r) && strings.Contains(sent, `members[value eq`)
	})},
	{name: "remove all is refused", want: "member-remove-all", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"op":"remove","path":"members"}`)
	})},
	{name: "500 for an unknown member", want: "member-unknown", http: replying(func(r *http.Request, _ string, a *reply) {
		if patches(r) && isGroups(r) && a.status == 400 {
			a.refuse(500, "", "foreign key violation")
		}
	})},
	{name: "replace adds members", want: "member-replace member-replace-empty", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if op.Text("path") == "members" && op.Text("op") == "replace" {
				op.Set("op", "add")
			}
		}
	})},
	{name: "members come although excluded", want: "member-excluded", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if q := r.URL.Query(); isGroups(r) && q.Has("excludedAttributes") {
			q.Del("excludedAttributes")
			r.URL.RawQuery = q.Encode()
		}
		return false
	})},
	{name: "members come with every change", want: "member-patch-quiet", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if patches(r) && isGroups(r) {
			r.URL.RawQuery = "attributes=displayName,members"
		}
		return false
	})},
	{name: "a new name loses the members", want: "group-rename group-rename-okta", dir: edits(func(before, after *scim.Object) {
		if strings.Contains(after.Text("displayName"), "renamed") && before.Text("displayName") != after.Text("displayName") {
			after.Delete("members")
		}
	})},
	{name: "groups are looked up by members' ids wrongly", want: "member-query", http: asking(func(r *http.Request, f string) string {
		before, _, ok := strings.Cut(f, " and members eq")
		if ok && isGroups(r) {
			return before
		}
		return f
	})},
	{name: "lost updates", want: "member-parallel", dir: lostUpdates},
	{name: "the disabled leave their groups", want: "member-disabled", dir: func(d scim.Directory) scim.Directory {
		return directory{Directory: d, update: func(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
			r, err := d.Update(ctx, t, id, c, change)
			if err == nil && t.Name == "User" {
				if active, _ := r.Peek().Get("active"); active == false {
					err = forget(ctx, d, id)
				}
			}
			return r, err
		}}
	}},
}

// forget removes a member from all groups.
func forget(ctx context.Context, d scim.Directory, id string) error {
	groups, err := d.Query(ctx, scimtest.GroupType, scim.Query{StartIndex: 1, Count: 1000})
	if err != nil {
		return err
	}
	for _, g := range groups.Resources {
		if _, err := d.(scim.MemberEditor).EditMembers(ctx, g.ID, scim.Precondition{}, nil, []scim.Member{{Value: id}}); err != nil {
			return err
		}
	}
	return nil
}

// lostUpdates makes a Directory that reads and writes groups in two steps, of
// which two that meet read the same state.
func lostUpdates(d scim.Directory) scim.Directory {
	var mu sync.Mutex
	waiting := map[string]chan *scim.Object{}
	return directory{Directory: d, update: func(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
		current, err := d.Get(ctx, t, id, scim.Projection{})
		if err != nil || t.Name != "Group" || current.Peek().Text("displayName") == "" {
			return d.Update(ctx, t, id, c, change)
		}
		read := current.Clone()
		if err := change(read); err != nil {
			return nil, err
		}
		before, after := hasMemberIDs(current.Peek()), hasMemberIDs(read.Peek())
		if len(after) != len(before)+1 {
			return d.Update(ctx, t, id, c, change)
		}
		// The first of two waits a moment for the second, and the second writes
		// what it had read before the first wrote.
		mu.Lock()
		other, second := waiting[id]
		if !second {
			other = make(chan *scim.Object, 1)
			waiting[id] = other
		}
		mu.Unlock()
		if second {
			other <- read.Attributes().Clone()
			return d.Update(ctx, t, id, c, change)
		}
		select {
		case <-other:
		case <-time.After(20 * time.Millisecond):
		}
		mu.Lock()
		delete(waiting, id)
		mu.Unlock()
		return d.Update(ctx, t, id, c, func(r *scim.Resource) error {
			*r.Attributes() = *read.Attributes()
			return nil
		})
	}}
}

var lifecycleDefects = []defect{
	{name: "active stays true", want: "put-disables patch-no-path-disable disable", dir: edits(func(_, after *scim.Object) { after.Set("active", true) })},
	{name: "active takes no texts", want: "disable-text", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && (strings.Contains(sent, `"False"`) || strings.Contains(sent, `"True"`))
	})},
	{name: "any text is true", want: "disable-text", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if v, _ := op.Get("value"); op.Text("path") == "active" && v == "False" {
				op.Set("value", true)
			}
		}
	})},
	{name: "the disabled are hidden", want: "put-disables patch-no-path-disable disable", dir: func(d scim.Directory) scim.Directory {
		return directory{Directory: d, get: func(ctx context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error) {
			r, err := d.Get(ctx, t, id, p)
			if err == nil && t.Name == "User" {
				if active, _ := r.Peek().Get("active"); active == false {
					return nil, scim.Errorf(scim.NotFound, "no such user")
				}
			}
			return r, err
		}}
	}},
	{name: "the disabled are not found", want: "disabled-matched disabled-filter", dir: lists(nil, func(q scim.Query, p *scim.Page) {
		if q.Filter == nil {
			return
		}
		p.Resources = slices.DeleteFunc(p.Resources, func(r *scim.Resource) bool {
			active, _ := r.Peek().Get("active")
			if r.Type.Name == "User" && active == false {
				p.Total--
				return true
			}
			return false
		})
	})},
	{name: "the disabled lose their addresses", want: "disabled-kept", dir: edits(func(_, after *scim.Object) {
		if active, _ := after.Get("active"); active == false {
			after.Delete("emails")
		}
	})},
	{name: "nobody returns", want: "enable", http: refusing(400, "mutability", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"path":"active","value":true`)
	})},
	{name: "returning alone only", want: "enable-with-changes", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"path":"active","value":true`) && strings.Contains(sent, `"displayName"`)
	})},
	{name: "deletion is 200", want: "delete", http: replying(func(r *http.Request, _ string, a *reply) {
		if r.Method == http.MethodDelete && isUsers(r) && a.status == 204 {
			a.status, a.body = 200, &scim.Object{}
		}
	})},
	{name: "a second deletion succeeds", want: "deleted-twice", http: replying(func(r *http.Request, _ string, a *reply) {
		if r.Method == http.MethodDelete && a.status == 404 {
			a.status, a.body = 204, nil
		}
	})},
	{name: "the deleted can be changed", want: "deleted-patch patch-unknown-user", http: replying(func(r *http.Request, _ string, a *reply) {
		if patches(r) && a.status == 404 {
			a.status, a.body = 204, nil
		}
	})},
	{name: "the deleted hold their names", want: "deleted-recreated", dir: func(d scim.Directory) scim.Directory {
		var mu sync.Mutex
		gone := map[string]bool{}
		return directory{
			Directory: d,
			create: func(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
				mu.Lock()
				defer mu.Unlock()
				if gone[r.Peek().Text("userName")] {
					return nil, scim.Errorf(scim.Uniqueness, "the name is taken").On("userName")
				}
				return d.Create(ctx, r)
			},
			remove: func(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition) error {
				if r, err := d.Get(ctx, t, id, scim.Projection{}); err == nil && t.Name == "User" {
					mu.Lock()
					gone[r.Peek().Text("userName")] = true
					mu.Unlock()
				}
				return d.Delete(ctx, t, id, c)
			},
		}
	}},
	{name: "the deleted remain members", want: "deleted-member", http: func(next http.Handler) http.Handler {
		// The group as it was when it last had the member.
		var mu sync.Mutex
		gone := map[string]bool{}
		was := map[string][]scim.Value{}
		return replying(func(r *http.Request, sent string, a *reply) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case r.Method == http.MethodDelete && isUsers(r):
				gone[strings.TrimPrefix(tail(r), "/Users/")] = true
			case patches(r) && isGroups(r):
				if o, err := scim.ParseObject([]byte(sent)); err == nil && len(operations(o)) == 1 {
					was[tail(r)] = append(was[tail(r)], operations(o)[0].Elements("value")...)
				}
			case r.Method == http.MethodGet && isGroups(r) && isOne(r) && a.status == 200:
				l := a.body.Elements("members")
				for _, m := range was[tail(r)] {
					if gone[asObject(m).Text("value")] {
						l = append(l, m)
					}
				}
				if l != nil {
					a.body.Set("members", l)
				}
			}
		})(next)
	}},
}

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
	for _, d := range allDefects() {
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
			skipsNameTheirCause(t, r)
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
	{name: "a duplicate without scimType", want: "duplicate-scim-type group-duplicate", http: replying(func(_ *http.Request, _ string, a *reply) {
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

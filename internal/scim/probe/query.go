package probe

import (
	"net/http"
	"net/url"
	"strings"

	"lockstep/internal/scim"
)

// querySections ask without writing: what a client does before it changes
// anything.
var querySections = []section{
	{name: "Test connection", need: "token-accepted", checks: []check{
		{
			id: "test-query", title: "Entra ID's test query finds nobody, and that is no error",
			expect: "200 with totalResults 0 to a filter for a random userName",
			breaks: entra, refs: "RFC 7644 section 3.4.2; COMP-01",
			run: func(t *trial) {
				t.testQuery = t.find("/Users", eq("userName", guid()))
				t.testQuery.only()
				if n := t.testQuery.total(); n != 0 {
					t.fail("totalResults reads %d; expected 0", n)
				}
			},
		},
		{
			id: "test-query-shape", title: "The empty answer is a proper ListResponse", need: "test-query",
			expect: "schemas with the ListResponse URN, totalResults 0, and Resources empty or absent",
			breaks: entra, refs: "RFC 7644 section 3.4.2; COMP-01; MATCH-04",
			run: func(t *trial) { t.listShape(t.recall(t.testQuery)) },
		},
		{
			id: "test-query-encoding", title: "The query is understood however it is encoded", need: "test-query",
			expect: "200 whether spaces come as + or as %20, and quotes raw or as %22",
			breaks: entra, refs: "RFC 7644 section 3.4.2.2; MATCH-08",
			run: func(t *trial) {
				for _, q := range []string{
					`filter=userName+eq+%22` + guid() + `%22`, `filter=userName%20eq%20%22` + guid() + `%22`, `filter=userName+eq+"` + guid() + `"`,
				} {
					t.send(request{method: http.MethodGet, path: "/Users", query: q}).is(200).only()
				}
			},
		},
		{
			id: "test-query-groups", title: "The same for groups, without their members", need: "test-query", when: offersGroups,
			expect: "200 with totalResults 0 to a filter for a random displayName with excludedAttributes=members",
			breaks: entra, refs: "RFC 7644 section 3.4.2; COMP-01; GRP-05",
			run: func(t *trial) {
				t.get("/Groups", "excludedAttributes", "members", "filter", eq("displayName", guid())).is(200).only()
			},
		},
	}},
	{name: "Filters", need: "test-query", checks: []check{
		{
			id: "filter-not-ignored", title: "A filter on an attribute is never ignored",
			expect: "no resource, or 400 invalidFilter, for a random value of each attribute that clients match on",
			breaks: anyClient, refs: "RFC 7644 section 3.4.2.2; MATCH-02",
			run: func(t *trial) {
				for _, attr := range []string{
					"id", "externalId", "displayName", "name.familyName", "title", "emails", "emails.value", `emails[type eq "work"].value`,
					"phoneNumbers.value", scim.URNEnterprise + ":employeeNumber", scim.URNUser + ":userName",
				} {
					t.selectsNothing(eq(attr, guid()))
				}
			},
		},
		{
			id: "filter-unknown-attribute", title: "A filter on an unknown attribute does not select everybody",
			expect: "400 invalidFilter, or no resource",
			breaks: anyClient, refs: "RFC 7644 section 3.4.2.2; MATCH-02",
			run: func(t *trial) { t.selectsNothing(eq("lockstepProbeUnknown", guid())) },
		},
		{
			id: "filter-invalid", title: "A filter that cannot be read is refused",
			expect: "400 with scimType invalidFilter",
			breaks: anyClient, refs: "RFC 7644 section 3.12; MATCH-02",
			run: func(t *trial) {
				for _, f := range []string{`userName eq`, `userName zz "x"`, `(userName eq "x"`, `userName eq "x" and`} {
					t.get("/Users", "filter", f).is(400).scimType(scim.InvalidFilter)
				}
			},
		},
		{
			id: "filter-and", title: "Two conditions are joined by and",
			expect: "200 with no resource when one of the two is not true",
			breaks: entra, refs: "RFC 7644 section 3.4.2.2",
			run: func(t *trial) { t.find("/Users", "active eq true and "+eq("userName", guid())).only() },
		},
		{
			id: "filter-names-any-case", title: "Names and operators are read in any case",
			expect: "200 with no resource to USERNAME EQ",
			breaks: anyClient, refs: "RFC 7643 section 2.1; RFC 7644 section 3.4.2.2; COMP-18",
			run: func(t *trial) { t.find("/Users", "USERNAME EQ "+quote(guid())).only() },
		},
	}},
	{name: "Lists", need: "token-accepted", checks: []check{
		{
			id: "list-shape", title: "A list of users is a proper ListResponse",
			expect: "schemas, totalResults, and resources that have schemas, an id that is a text, userName and meta",
			breaks: anyClient, refs: "RFC 7644 section 3.4.2; RFC 7643 section 3.1; MATCH-04; COMP-11",
			run: func(t *trial) {
				a := t.get("/Users", "count", "5").is(200)
				t.listShape(a)
				for _, u := range a.resources() {
					if id, ok := at(u, "id").(string); !ok || id == "" {
						t.fail("the id of a user reads %s; expected a text", show(at(u, "id")))
					}
					if u.Text("userName") == "" {
						t.fail("a user has no userName")
					}
					if len(u.Elements("schemas")) == 0 {
						t.fail("a user has no schemas")
					}
					if u.Child("meta").Text("resourceType") == "" {
						t.fail("a user has no meta.resourceType")
					}
				}
			},
		},
		{
			id: "list-not-synthetic", title: "Listed users can be read",
			expect: "200 to GET of the first user that a list has",
			breaks: anyClient, refs: "RFC 7644 section 3.4.1; COMP-29",
			run: func(t *trial) {
				ids := t.get("/Users", "count", "1").is(200).ids()
				if len(ids) == 0 {
					t.skip("the endpoint has no users yet")
				}
				if a := t.get("/Users/" + url.PathEscape(ids[0])); a.status != http.StatusOK {
					t.warn("the first user of the list is not there: GET answered %s", a.summary())
				}
			},
		},
		{
			id: "list-count", title: "count limits a page",
			expect: "at most one resource with count=1, and an itemsPerPage that says how many there are",
			breaks: anyClient, refs: "RFC 7644 section 3.4.2.4; COMP-02",
			run: func(t *trial) {
				a := t.get("/Users", "count", "1").is(200)
				n := len(a.resources())
				if n > 1 {
					t.fail("%d resources came with count=1", n)
				}
				t.itemsPerPage(a, n)
			},
		},
		{
			id: "list-count-zero", title: "count=0 asks for the number only",
			expect: "totalResults and no resources",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.4.2.4; COMP-02",
			run: func(t *trial) {
				a := t.get("/Users", "count", "0").is(200)
				if n := len(a.resources()); n > 0 {
					t.fail("%d resources came with count=0", n)
				}
				if n := a.total(); n == 0 && t.get("/Users", "count", "1").is(200).total() > 0 {
					t.fail("totalResults reads 0 with count=0, and is not")
				}
			},
		},
		{
			id: "list-start-low", title: "A startIndex below 1 means 1",
			expect: "200 with startIndex=0 and a negative count taken for 0",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.4.2.4; COMP-02",
			run: func(t *trial) {
				if s := textOf(at(t.get("/Users", "startIndex", "0", "count", "1").is(200).json(), "startIndex")); s != "" && s != "1" {
					t.fail("startIndex reads %s; expected 1", s)
				}
				if n := len(t.get("/Users", "count", "-1").is(200).resources()); n > 0 {
					t.fail("%d resources came with count=-1", n)
				}
			},
		},
		{
			id: "list-beyond-end", title: "A page beyond the end is empty",
			expect: "200 without resources, with the same totalResults",
			breaks: anyClient, refs: "RFC 7644 section 3.4.2.4; COMP-02",
			run: func(t *trial) {
				a := t.get("/Users", "startIndex", "100000000", "count", "1").is(200)
				if n := len(a.resources()); n > 0 {
					t.fail("%d resources came from beyond the end; a client would never stop", n)
				}
				if a.total() == 0 && t.get("/Users", "count", "1").is(200).total() > 0 {
					t.fail("totalResults reads 0 beyond the end, and is not")
				}
			},
		},
	}},
}

// selectsNothing fails if a filter that nothing satisfies selects something.
func (t *trial) selectsNothing(filter string) {
	a := t.get("/Users", "filter", filter)
	if a.status == http.StatusBadRequest {
		return
	}
	a.is(200, 400)
	if n := len(a.resources()); n > 0 || a.total() > 0 {
		attr, _, _ := strings.Cut(filter, " eq ")
		t.fail("a filter for a random value of %s selected %d resources, as if it were not there; a client would update the wrong person", attr, max(n, a.total()))
	}
}

func (t *trial) itemsPerPage(a *answer, n int) {
	if v := at(a.json(), "itemsPerPage"); v != nil && textOf(v) != textOf(number(n)) {
		t.fail("itemsPerPage reads %s, and there are %d resources", show(v), n)
	}
}

package probe

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"lockstep/internal/scim"
)

const pagedUsers = 5

var pagingSections = []section{
	{name: "Paging", writes: true, need: "match-username filter-operators", checks: []check{
		{
			id: "page-walk", title: "Pages have everybody, and everybody once",
			expect: "disjoint pages of two, and together what totalResults promises",
			breaks: anyClient, refs: "RFC 7644 section 3.4.2.4; COMP-02",
			run: func(t *trial) {
				want, filter := t.pagedUsers()
				var got []string
				for start := 1; len(got) < len(want); start += 2 {
					a := t.page(filter, start, 2)
					if n := a.total(); n != len(want) {
						t.fail("totalResults reads %d on the page from %d; expected %d", n, start, len(want))
					}
					n := len(a.resources())
					if n == 0 || n > 2 {
						t.fail("the page from %d has %d resources; %d of %d had come before", start, n, len(got), len(want))
					}
					t.itemsPerPage(a, n)
					if s := textOf(at(a.json(), "startIndex")); s != "" && s != textOf(number(start)) {
						t.fail("startIndex reads %s; expected %d", s, start)
					}
					got = append(got, a.ids()...)
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.fail("the pages have %v; expected %v, each once", got, want)
				}
			},
		},
		{
			id: "page-beyond", title: "The page after the last is empty", need: "page-walk",
			expect: "no resources, and the same totalResults",
			breaks: anyClient, refs: "RFC 7644 section 3.4.2.4; COMP-02",
			run: func(t *trial) {
				want, filter := t.pagedUsers()
				a := t.page(filter, len(want)+1, 2).only()
				if n := a.total(); n != len(want) {
					t.fail("totalResults reads %d; expected %d", n, len(want))
				}
			},
		},
		{
			id: "page-stable", title: "The order of a list stays the same", need: "page-walk",
			expect: "the same page to the same request",
			breaks: anyClient, refs: "RFC 7644 section 3.4.2.4; COMP-02; COMP-27",
			run: func(t *trial) {
				_, filter := t.pagedUsers()
				first := t.page(filter, 1, pagedUsers).ids()
				for range 2 {
					if again := t.page(filter, 1, pagedUsers).ids(); !slices.Equal(first, again) {
						t.fail("first came %v, then %v", first, again)
					}
				}
			},
		},
	}},
	{name: "Paging by cursor", writes: true, need: "match-username filter-operators", when: cursorAdvertised, checks: []check{
		{
			id: "cursor-walk", title: "A walk by cursor has everybody once, and ends",
			expect: "nextCursor on each page but the last, and together every user once",
			breaks: []string{"few"}, refs: "RFC 9865 section 2; COMP-27",
			run: func(t *trial) {
				want, filter := t.pagedUsers()
				got := t.walk(filter, func([]string) {})
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.fail("the pages have %v; expected %v, each once", got, want)
				}
			},
		},
		{
			id: "cursor-deletions", title: "A walk by cursor misses nobody while others are deleted", need: "cursor-walk delete",
			expect: "everybody who was there throughout",
			breaks: []string{"few"}, refs: "RFC 9865 section 2; COMP-27",
			run: func(t *trial) {
				want, filter := t.createPaged()
				var gone string
				got := t.walk(filter, func(seen []string) {
					if gone == "" {
						// With an offset for a cursor, everybody behind moves up.
						gone = seen[0]
						t.delete("/Users/" + url.PathEscape(gone)).is(204)
					}
				})
				for _, id := range want {
					if id != gone && !slices.Contains(got, id) {
						t.fail("%s was there throughout and never came", id)
					}
				}
			},
		},
		{
			id: "cursor-invalid", title: "A cursor that was never given out is refused",
			expect: "400 with scimType invalidCursor",
			breaks: []string{"few"}, refs: "RFC 9865 section 2.1",
			run: func(t *trial) {
				t.get("/Users", "cursor", "lockstep-probe", "count", "2").is(400).reason(scim.InvalidCursor, scim.ExpiredCursor)
			},
		},
	}},
	{name: "Sorting", writes: true, need: "match-username filter-operators", when: advertised("sort"), checks: []check{
		{
			id: "sort-ascending", title: "sortBy sorts",
			expect: "users in the order of userName",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.4.2.3; COMP-20",
			run: func(t *trial) { t.sorted("ascending") },
		},
		{
			id: "sort-descending", title: "sortOrder=descending turns the order round",
			expect: "users in the reverse order of userName",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.4.2.3; COMP-20",
			run: func(t *trial) { t.sorted("descending") },
		},
	}},
}

func cursorAdvertised(s *session) string {
	if s.config == nil {
		return "ServiceProviderConfig could not be read"
	}
	if at(s.config, "pagination", "cursor") != true {
		return "pagination.cursor is not advertised"
	}
	return ""
}

// pagedUsers returns the ids, sorted, of a few users that no check changes, and
// a filter that selects just them.
func (t *trial) pagedUsers() (ids []string, filter string) {
	if t.paged == nil {
		t.paged, t.pagedFilter = t.createPaged()
		for _, id := range t.paged {
			t.keep("/Users/" + url.PathEscape(id))
		}
	}
	return slices.Clone(t.paged), t.pagedFilter
}

func (t *trial) createPaged() (ids []string, filter string) {
	mark := t.fresh("page")
	for i := range pagedUsers {
		// The order of creation is not that of the names.
		name := mark + "-" + string("cbeda"[i]) + "@" + t.o.Domain
		_, path := t.user("userName", name, "emails", list(obj("type", "work", "value", name)))
		ids = append(ids, idOf(path))
	}
	slices.Sort(ids)
	return ids, "userName sw " + quote(mark+"-")
}

func (t *trial) page(filter string, start, n int) *answer {
	return t.get("/Users", "filter", filter, "startIndex", textOf(number(start)), "count", textOf(number(n))).is(200)
}

// walk reads pages of two by cursor to the end, and returns the ids that came.
// between is called before each further page with those that came until then.
func (t *trial) walk(filter string, between func(seen []string)) []string {
	var got []string
	cursor := ""
	for page := 1; ; page++ {
		a := t.get("/Users", "filter", filter, "count", "2", "cursor", cursor).is(200)
		if n := len(a.resources()); n > 2 {
			t.fail("a page has %d resources with count=2", n)
		}
		got = append(got, a.ids()...)
		cursor = a.json().Text("nextCursor")
		if cursor == "" {
			return got
		}
		if page > pagedUsers+2 {
			t.fail("after %d pages of two for %d users there is still a nextCursor", page, pagedUsers)
		}
		if len(got) > 0 {
			between(got)
		}
	}
}

func (t *trial) sorted(order string) {
	_, filter := t.pagedUsers()
	var names []string
	for _, u := range t.get("/Users", "filter", filter, "sortBy", "userName", "sortOrder", order).is(200).resources() {
		names = append(names, strings.ToLower(u.Text("userName")))
	}
	want := slices.Sorted(slices.Values(names))
	if order == "descending" {
		slices.Reverse(want)
	}
	if len(names) != pagedUsers || !slices.Equal(names, want) {
		t.fail("the users came as %v; expected %v", names, want)
	}
}

var featureSections = []section{
	{name: "ETags", writes: true, need: "patch-replace", when: advertised("etag"), checks: []check{
		{
			id: "etag-header", title: "A user has an ETag",
			expect: "an ETag header, and the same in meta.version",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.14; COMP-20",
			run: func(t *trial) {
				a := t.get(t.subjectPath()).is(200)
				tag := a.header.Get("Etag")
				if tag == "" {
					t.fail("there is no ETag header")
				}
				t.equal("meta.version", at(a.json(), "meta", "version"), tag)
			},
		},
		{
			id: "etag-not-modified", title: "An unchanged user is not sent again", need: "etag-header",
			expect: "304 to GET with If-None-Match",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.14; RFC 9110 section 13.1.2",
			run: func(t *trial) {
				tag := t.get(t.subjectPath()).is(200).header.Get("Etag")
				t.send(request{method: http.MethodGet, path: t.subjectPath(), header: http.Header{"If-None-Match": {tag}}}).is(304)
			},
		},
		{
			id: "etag-changes", title: "A change gives a new ETag, and the old one is refused", need: "etag-header",
			expect: "another ETag after a PATCH, 412 to a PATCH with If-Match of the old one",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.14; COMP-25",
			run: func(t *trial) {
				_, path := t.user()
				old := t.get(path).is(200).header.Get("Etag")
				display := t.fresh("Ines Lima")
				t.patch(path, op("replace", "displayName", display)).is(200, 204)
				if t.get(path).is(200).header.Get("Etag") == old {
					t.fail("the ETag is the same after a change")
				}
				t.send(request{method: http.MethodPatch, path: path, header: http.Header{"If-Match": {old}},
					body: t.json(patchBody(op("replace", "displayName", t.fresh("lost update"))))}).is(412)
				t.equal("displayName", at(t.read(path), "displayName"), display)
			},
		},
	}},
	{name: "Bulk", writes: true, need: "read-user", when: advertised("bulk"), checks: []check{
		{
			id: "bulk", title: "Bulk creates a group with a user of the same request",
			expect: "200 with status 201 for both, and the user a member of the group",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.7; COMP-20",
			run: bulk,
		},
		{
			id: "bulk-mixed", title: "One operation that fails does not undo the others", need: "bulk",
			expect: "200 with a status per operation: 201 and 409",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.7.3",
			run: func(t *trial) {
				a := t.post("/Bulk", bulkBody(bulkPost("a", "/Users", t.userBody()), bulkPost("b", "/Users", t.userBody("userName", t.subject.Text("userName"))))).is(200)
				t.statuses(a, "201", "409")
			},
		},
	}},
	{name: "Search", need: "test-query", checks: []check{
		{
			id: "search", title: "A query may be sent as POST /Users/.search",
			expect: "200 with a ListResponse",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.4.3",
			run: func(t *trial) {
				a := t.post("/Users/.search", obj("schemas", list(scim.URNSearchRequest), "filter", eq("userName", guid()), "count", number(1)))
				switch a.status {
				case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
					t.skip("the endpoint has no .search (%s)", a.summary())
				}
				t.listShape(a.is(200))
				a.only()
			},
		},
	}},
}

func bulkBody(operations ...scim.Value) *scim.Object {
	return obj("schemas", list(scim.URNBulkRequest), "Operations", operations)
}

func bulkPost(bulkID, path string, data *scim.Object) *scim.Object {
	return obj("method", "POST", "path", path, "bulkId", bulkID, "data", data)
}

func bulk(t *trial) {
	if t.outcomes["group-read"] != Pass {
		t.statuses(t.post("/Bulk", bulkBody(bulkPost("a", "/Users", t.userBody()))).is(200), "201")
		return
	}
	group := obj("schemas", list(scim.URNGroup), "displayName", t.fresh("group"), "members", list(obj("value", "bulkId:a")))
	a := t.post("/Bulk", bulkBody(bulkPost("a", "/Users", t.userBody()), bulkPost("b", "/Groups", group))).is(200)
	t.statuses(a, "201", "201")
	var paths []string
	for _, o := range objects(a.json().Elements("Operations")) {
		paths = append(paths, idOf(o.Text("location")))
	}
	t.members("/Groups/"+paths[1], paths[0])
}

// statuses fails unless the operations of a bulk response ended so.
func (t *trial) statuses(a *answer, want ...string) {
	var got []string
	for _, o := range objects(a.json().Elements("Operations")) {
		got = append(got, textOf(at(o, "status")))
	}
	if !slices.Equal(got, want) {
		t.fail("the operations ended with %v; expected %v", got, want)
	}
}

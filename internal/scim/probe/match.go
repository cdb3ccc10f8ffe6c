package probe

import (
	"net/http"
	"strings"

	"lockstep/internal/scim"
)

var matchSections = []section{{name: "Matching", writes: true, need: "read-user", checks: []check{
	{
		id: "match-username", title: "A user is found by userName, at once",
		expect: "just the user, right after its creation",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2; MATCH-03; MATCH-15",
		run: func(t *trial) {
			body, path := t.user()
			t.find("/Users", eq("userName", body.Text("userName"))).only(idOf(path))
		},
	},
	{
		id: "match-shape", title: "What is found is whole", need: "match-username",
		expect: "totalResults 1, and a resource with schemas, an id that is a text, and the attribute that was matched",
		breaks: entra, refs: "RFC 7644 section 3.4.2; MATCH-04",
		run: func(t *trial) {
			a := t.find("/Users", eq("userName", t.subject.Text("userName")))
			t.listShape(a)
			found := a.resources()
			if len(found) != 1 || a.total() != 1 {
				t.fail("%d resources came with a totalResults of %d; expected 1", len(found), a.total())
			}
			if _, ok := at(found[0], "id").(string); !ok {
				t.fail("id reads %s; expected a text", show(at(found[0], "id")))
			}
			t.equal("userName", at(found[0], "userName"), t.subject.Text("userName"))
		},
	},
	{
		id: "match-exact", title: "eq is the whole value, not its beginning", need: "match-username",
		expect: "just the one user, although the name of another begins with the same",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2; MATCH-01",
		run: func(t *trial) {
			// An endpoint that looks for a part of the value finds both.
			name := t.fresh("group-app") + "@" + t.o.Domain
			_, short := t.user("userName", name, "externalId", name)
			t.user("userName", name+".test", "externalId", name+".test")
			t.find("/Users", eq("userName", name)).only(idOf(short))
			t.find("/Users", eq("userName", name[:len(name)-4])).only()
		},
	},
	{
		id: "match-any-case", title: "userName is found in any case", need: "match-username",
		expect: "the user, when the filter has its name in capitals",
		breaks: entra, refs: "RFC 7643 section 4.1.1; MATCH-05",
		run: func(t *trial) {
			t.find("/Users", eq("userName", strings.ToUpper(t.subject.Text("userName")))).only(t.subject.Text("id"))
		},
	},
	{
		id: "match-external-id", title: "A user is found by externalId",
		expect: "just the user, or 400 invalidFilter when externalId cannot be filtered",
		breaks: entra, refs: "RFC 7643 section 3.1; MATCH-03; COMP-28",
		run: func(t *trial) {
			t.findOrRefuse(eq("externalId", t.subject.Text("externalId")))
		},
	},
	{
		id: "match-external-id-case", title: "externalId is compared exactly", need: "match-external-id",
		expect: "nobody, when the filter has it in other case",
		breaks: []string{"few"}, refs: "RFC 7643 section 3.1; MATCH-01",
		run: func(t *trial) {
			a := t.get("/Users", "filter", eq("externalId", strings.ToUpper(t.subject.Text("externalId"))))
			if a.status == http.StatusOK && len(a.resources()) > 0 {
				t.warn("a user is found by its externalId in other case")
			}
		},
	},
	{
		id: "match-email", title: "A user is found by its e-mail address",
		expect: "just the user for emails.value, or 400 invalidFilter",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2; COMP-28",
		run: func(t *trial) { t.findOrRefuse(eq("emails.value", t.subject.Text("userName"))) },
	},
	{
		id: "match-work-email", title: `A user is found by emails[type eq "work"].value`,
		expect: "just the user, or 400 invalidFilter",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2; COMP-28",
		run: func(t *trial) {
			t.findOrRefuse(eq(`emails[type eq "work"].value`, t.subject.Text("userName")))
			t.findOrRefuse(`emails[type eq "work" and value eq ` + quote(t.subject.Text("userName")) + `]`)
		},
	},
	{
		id: "filter-never-lies", title: "A filter on a stored attribute never finds nothing",
		expect: "the user, or 400 invalidFilter, for id, displayName, name and the core URN before userName",
		breaks: anyClient, refs: "RFC 7644 section 3.4.2.2; COMP-28",
		run: func(t *trial) {
			only := " and " + eq("userName", t.subject.Text("userName"))
			t.findOrRefuse(eq("id", t.subject.Text("id")))
			t.findOrRefuse(eq("displayName", t.subject.Text("displayName")))
			t.findOrRefuse(eq("name.familyName", "Duarte") + only)
			t.findOrRefuse(eq("name.givenName", "Ines") + only)
			t.findOrRefuse(eq(scim.URNUser+":userName", t.subject.Text("userName")))
		},
	},
	{
		id: "filter-enterprise", title: "The enterprise extension can be filtered", need: "match-username", when: hasAttribute(scim.URNEnterprise, "employeeNumber"),
		expect: "the user for " + scim.URNEnterprise + ":employeeNumber, or 400 invalidFilter",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2; RFC 7644 section 3.10; COMP-28",
		run: func(t *trial) {
			number := t.fresh("7114")
			_, path := t.user(scim.URNEnterprise, obj("employeeNumber", number))
			a := t.get("/Users", "filter", eq(scim.URNEnterprise+":employeeNumber", number))
			if a.status != http.StatusBadRequest {
				a.is(200).only(idOf(path))
			}
		},
	},
	{
		id: "match-special", title: "Names with special characters are found", need: "match-username",
		expect: "the user, when the name has ' + # & and the like",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2; MATCH-08",
		run: func(t *trial) {
			body := t.userBody("userName", t.freshUserName("o'neil+c#&%25=d"))
			a := t.post("/Users", body)
			if a.status == http.StatusBadRequest {
				t.skip("the endpoint refuses such a userName: %s", a.summary())
			}
			if a.status/100 != 2 {
				t.fail("POST /Users answered %s", a.summary())
			}
			t.find("/Users", eq("userName", body.Text("userName"))).only(a.id())
		},
	},
	{
		id: "match-escapes", title: "Quotes and backslashes in a filter are read as JSON", need: "match-external-id",
		expect: `the user, when externalId has " and \ in it`,
		breaks: entra, refs: "RFC 7644 section 3.4.2.2; RFC 8259 section 7; MATCH-08; COMP-16",
		run: func(t *trial) {
			value := t.fresh(`"Ines" \ D/uarte`)
			_, path := t.user("externalId", value)
			a := t.get("/Users", "filter", eq("externalId", value))
			if a.status == http.StatusBadRequest && t.get("/Users", "filter", eq("externalId", guid())).status == http.StatusBadRequest {
				t.skip("externalId cannot be filtered")
			}
			a.is(200).only(idOf(path))
		},
	},
	{
		id: "match-unicode", title: "Names beyond ASCII are found", need: "match-username",
		expect: "the user, or 400 invalidFilter, when displayName has accents and other scripts",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2; MATCH-08",
		run: func(t *trial) {
			body, path := t.user("displayName", t.fresh("Zoë Łuczak 李明"))
			a := t.get("/Users", "filter", eq("displayName", body.Text("displayName")))
			if a.status != http.StatusBadRequest {
				a.is(200).only(idOf(path))
			}
		},
	},
	{
		id: "filter-logic", title: "and, or, not and parentheses are followed", need: "match-username",
		expect: "what the logic of the filter selects",
		breaks: anyClient, refs: "RFC 7644 section 3.4.2.2; COMP-16",
		run: func(t *trial) {
			me, nobody := eq("userName", t.subject.Text("userName")), eq("userName", guid())
			for _, f := range []struct {
				filter string
				found  bool
			}{
				{me + " and active eq true", true},
				{me + " and active eq false", false},
				{nobody + " or " + me, true},
				{me + " and not (active eq true)", false},
				{me + " and (" + nobody + " or active eq true)", true},
				{nobody + " and " + nobody + " or " + me, true},
			} {
				t.selects(f.filter, f.found)
			}
		},
	},
	{
		id: "filter-operators", title: "The other operators compare", need: "match-username",
		expect: "what sw, ew, co, ne, pr, gt and lt select",
		breaks: anyClient, refs: "RFC 7644 section 3.4.2.2; COMP-20",
		run: func(t *trial) {
			name := t.subject.Text("userName")
			me := eq("userName", name) + " and "
			for _, f := range []struct {
				filter string
				found  bool
			}{
				{"userName sw " + quote(name[:len(name)-4]), true},
				{me + "userName ew " + quote(name[5:]), true},
				{me + "userName co " + quote(name[5:len(name)-4]), true},
				{me + "userName sw " + quote(name[5:]), false},
				{me + "userName ne " + quote(name), false},
				{me + "userName pr", true},
				{me + `meta.created gt "2001-01-01T00:00:00Z"`, true},
				{me + `meta.created lt "2001-01-01T00:00:00Z"`, false},
			} {
				t.selects(f.filter, f.found)
			}
		},
	},
	{
		id: "match-attributes", title: "attributes narrows what is returned", need: "match-username",
		expect: "id and userName, and no displayName, with attributes=userName",
		breaks: anyClient, refs: "RFC 7644 section 3.9",
		run: func(t *trial) {
			u := t.get(t.subjectPath(), "attributes", "userName").is(200).json()
			if u.Text("userName") == "" || textOf(at(u, "id")) == "" {
				t.fail("userName or id is missing")
			}
			if at(u, "displayName") != nil {
				t.fail("displayName came, too")
			}
		},
	},
	{
		id: "match-excluded", title: "excludedAttributes leaves out what it names", need: "match-username",
		expect: "userName, and no displayName, with excludedAttributes=displayName",
		breaks: entra, refs: "RFC 7644 section 3.9; GRP-05",
		run: func(t *trial) {
			u := t.get(t.subjectPath(), "excludedAttributes", "displayName").is(200).json()
			if u.Text("userName") == "" {
				t.fail("userName is missing")
			}
			if at(u, "displayName") != nil {
				t.fail("displayName came, too")
			}
		},
	},
	{
		id: "match-manager", title: "Entra ID's reference query works for managers", when: hasAttribute(scim.URNEnterprise, "manager"), need: "match-username",
		expect: "the user for id eq … and manager eq …, or 400 invalidFilter",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2",
		run: func(t *trial) {
			_, path := t.user(scim.URNEnterprise, obj("manager", obj("value", t.subject.Text("id"))))
			a := t.get("/Users", "filter", eq("id", idOf(path))+" and "+eq("manager", t.subject.Text("id")), "attributes", "id")
			if a.status == http.StatusBadRequest {
				t.warn("the query is refused: %s", a.summary())
				return
			}
			a.is(200).only(idOf(path))
			t.find("/Users", eq("id", t.subject.Text("id"))+" and "+eq("manager", idOf(path))).only()
		},
	},
}}}

// findOrRefuse fails unless a filter finds just the subject, or is refused.
func (t *trial) findOrRefuse(filter string) {
	a := t.get("/Users", "filter", filter)
	if a.status == http.StatusBadRequest {
		a.reason(scim.InvalidFilter)
		t.warn("%s cannot be filtered: %s", firstWord(filter), a.summary())
		return
	}
	a.is(200).only(t.subject.Text("id"))
}

// selects fails unless a filter finds the subject, or nobody.
func (t *trial) selects(filter string, subject bool) {
	if subject {
		t.find("/Users", filter).only(t.subject.Text("id"))
	} else {
		t.find("/Users", filter).only()
	}
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " eq ")
	return word
}

package probe

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"lockstep/internal/scim"
)

var createSections = []section{
	{name: "Create", writes: true, need: "test-query", checks: []check{
		{
			id: "create-user", title: "A user can be created",
			expect: "a success to POST /Users, and the new user with its id in the answer",
			breaks: anyClient, refs: "RFC 7644 section 3.3; CRED-06; CRED-07; MATCH-14",
			run: func(t *trial) {
				body := t.userBody("externalId", t.fresh("X7Ab"))
				a := t.post("/Users", body)
				if a.status/100 != 2 {
					t.fail("POST /Users answered %s", a.summary())
				}
				if name := a.object.Text("userName"); name != "" && !strings.EqualFold(name, body.Text("userName")) {
					t.fail("the answer has another userName than was sent: the endpoint took over an account, or changes names")
				}
				id := a.id()
				if id == "" {
					t.fail("the answer has neither an id nor a Location")
				}
				body.Set("id", id)
				t.created, t.subject = a, body
				t.keep(t.subjectPath())
			},
		},
		{
			id: "create-status", title: "A creation is answered with 201", need: "create-user",
			expect: "201 Created",
			breaks: anyClient, refs: "RFC 7644 section 3.3; COMP-11",
			run: func(t *trial) { t.recall(t.created).is(201) },
		},
		{
			id: "create-id", title: "The answer has an id, and it is a text", need: "create-user",
			expect: "id as a JSON string that is not empty",
			breaks: anyClient, refs: "RFC 7643 section 3.1; COMP-11",
			run: func(t *trial) {
				if id, ok := at(t.recall(t.created).json(), "id").(string); !ok || id == "" {
					t.fail("id reads %s; expected a text", show(at(t.created.object, "id")))
				}
			},
		},
		{
			id: "create-location", title: "Location says where the user is", need: "create-user",
			expect: "a Location header that leads to the user, and the same in meta.location",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.3; RFC 7643 section 3.1; CONN-12",
			run: createLocation,
		},
		{
			id: "create-meta", title: "meta has type and times", need: "create-user",
			expect: "meta.resourceType User, and created and lastModified as dates with time",
			breaks: anyClient, refs: "RFC 7643 section 3.1; COMP-11",
			run: func(t *trial) {
				meta := t.recall(t.created).json().Child("meta")
				t.equal("meta.resourceType", at(meta, "resourceType"), "User")
				for _, name := range []string{"created", "lastModified"} {
					if !isDateTime(meta.Text(name)) {
						t.fail("meta.%s reads %s; expected a date with time such as 2024-05-01T10:00:00Z", name, show(at(meta, name)))
					}
				}
			},
		},
		{
			id: "create-schemas", title: "schemas names the user schema", need: "create-user",
			expect: scim.URNUser + " in schemas",
			breaks: anyClient, refs: "RFC 7643 section 3; MATCH-04",
			run: func(t *trial) {
				if o := t.recall(t.created).json(); !hasSchema(o, scim.URNUser) {
					t.fail("schemas reads %s", show(at(o, "schemas")))
				}
			},
		},
		{
			id: "read-user", title: "The user can be read by its id", need: "create-user",
			expect: "200 to GET /Users/{id} with the same id and userName",
			breaks: anyClient, refs: "RFC 7644 section 3.4.1; MATCH-11",
			run: func(t *trial) {
				u := t.read(t.subjectPath())
				if textOf(at(u, "id")) != t.subject.Text("id") || !strings.EqualFold(u.Text("userName"), t.subject.Text("userName")) {
					t.fail("another user came")
				}
			},
		},
		{
			id: "create-values", title: "Values are kept as they were sent", need: "read-user",
			expect: "userName, externalId, name, displayName, active and the e-mail address unchanged",
			breaks: entra, refs: "RFC 7644 section 3.3; COMP-28",
			run: func(t *trial) { t.kept(t.read(t.subjectPath()), t.subject) },
		},
	}},
	{name: "What clients create", writes: true, need: "read-user", checks: []check{
		{
			id: "create-entra", title: "A user as Entra ID sends it is accepted",
			expect: "a success, with an empty roles, meta.resourceType, an address, a telephone number and the enterprise extension in the body",
			breaks: entra, refs: "RFC 7644 section 3.3",
			run: func(t *trial) {
				body := t.entraUser()
				t.entra = t.post("/Users", body)
				if t.entra.status/100 != 2 {
					t.fail("POST /Users answered %s", t.entra.summary())
				}
				if t.entra.id() == "" {
					t.fail("the answer has neither an id nor a Location")
				}
				t.entraSent, t.entraRead = body, t.read("/Users/"+url.PathEscape(t.entra.id()))
			},
		},
		{
			id: "create-entra-values", title: "Its values are kept as they were sent", need: "create-entra",
			expect: "capitals, accents, leading zeros and spaces in values unchanged",
			breaks: entra, refs: "RFC 7644 section 3.3",
			run: func(t *trial) {
				t.recall(t.entra)
				t.kept(t.entraRead, t.entraSent)
			},
		},
		{
			id: "create-enterprise", title: "The enterprise extension is kept", need: "create-entra", when: hasAttribute(scim.URNEnterprise, "department"),
			expect: "department and employeeNumber under " + scim.URNEnterprise,
			breaks: entraOkta, refs: "RFC 7643 section 4.3; COMP-06",
			run: func(t *trial) {
				t.recall(t.entra)
				t.equal("department", at(t.entraRead, scim.URNEnterprise, "department"), "Finance & Audit")
				t.equal("employeeNumber", at(t.entraRead, scim.URNEnterprise, "employeeNumber"), "007114")
			},
		},
		{
			id: "create-nulls", title: "Nulls mean no value",
			expect: "a success when attributes are null",
			breaks: entra, refs: "RFC 7643 section 2.5; COMP-12",
			run: func(t *trial) {
				t.user("title", null, "nickName", null, "addresses", null, "phoneNumbers", null)
			},
		},
		{
			id: "create-unknown-attribute", title: "An unknown attribute does not make a creation fail",
			expect: "a success when the body has an attribute that no schema names",
			breaks: anyClient, refs: "RFC 7644 section 3.3",
			run: func(t *trial) { t.user("lockstepProbeUnknown", "x") },
		},
		{
			id: "create-unknown-extension", title: "An unknown extension does not make a creation fail",
			expect: "a success when the body has an extension that the endpoint does not know",
			breaks: entra, refs: "RFC 7644 section 3.3; GRP-13",
			run: func(t *trial) {
				t.user("urn:ietf:params:scim:schemas:extension:lockstepprobe:2.0:User", obj("shoeSize", "43"))
			},
		},
		{
			id: "create-extension-unnamed", title: "An extension counts although schemas does not name it", when: hasAttribute(scim.URNEnterprise, "department"),
			expect: "department kept, when " + scim.URNEnterprise + " is in the body but not in schemas",
			breaks: entra, refs: "RFC 7643 section 3; COMP-10",
			run: func(t *trial) {
				_, path := t.user(scim.URNEnterprise, obj("department", "Finance"), "schemas", list(scim.URNUser))
				t.equal("department", at(t.read(path), scim.URNEnterprise, "department"), "Finance")
			},
		},
		{
			id: "create-names-any-case", title: "Attribute names are read in any case",
			expect: "USERNAME and DISPLAYNAME taken for userName and displayName",
			breaks: anyClient, refs: "RFC 7643 section 2.1; COMP-18",
			run: func(t *trial) {
				body := t.userBody()
				name, display := body.Text("userName"), body.Text("displayName")
				upper := obj()
				for k, v := range body.All() {
					if k == "userName" || k == "displayName" {
						k = strings.ToUpper(k)
					}
					upper.Set(k, v)
				}
				u := t.read(t.create("/Users", upper))
				t.equal("userName", at(u, "userName"), name)
				t.equal("displayName", at(u, "displayName"), display)
			},
		},
		{
			id: "create-json", title: "A body of type application/json is accepted",
			expect: "a success to POST /Users with the Content-Type application/json",
			breaks: anyClient, refs: "RFC 7644 section 3.1; COMP-08",
			run: func(t *trial) {
				a := t.send(request{method: http.MethodPost, path: "/Users", body: t.json(t.userBody()), contentType: contentJSON})
				if a.status/100 != 2 {
					t.fail("POST /Users answered %s", a.summary())
				}
			},
		},
		{
			id: "create-id-ignored", title: "The id is the endpoint's to choose",
			expect: "an id of the endpoint's own, whatever the body says",
			breaks: anyClient, refs: "RFC 7643 section 3.1; RFC 7644 section 3.3",
			run: func(t *trial) {
				chosen := t.fresh("id")
				body, path := t.user("id", chosen)
				if idOf(path) == chosen {
					t.fail("the user %s got the id that the client had sent", body.Text("userName"))
				}
			},
		},
		{
			id: "create-password-hidden", title: "A password is never returned",
			expect: "no password in any answer",
			breaks: anyClient, refs: "RFC 7643 section 4.1.1; RFC 7643 section 9.2",
			run: func(t *trial) {
				a := t.post("/Users", t.userBody("password", "t1meMa$heen-"+t.prefix))
				if a.status/100 != 2 {
					t.skip("the endpoint refuses a password: %s", a.summary())
				}
				b := t.get("/Users/" + url.PathEscape(a.id()))
				if at(a.object, "password") != nil || at(b.object, "password") != nil {
					t.fail("the answer has a password")
				}
			},
		},
	}},
	{name: "Refusals of creations", writes: true, need: "read-user", checks: []check{
		{
			id: "create-without-name", title: "A user without userName is refused",
			expect: "400 with scimType invalidValue",
			breaks: anyClient, refs: "RFC 7643 section 4.1.1; RFC 7644 section 3.12; COMP-21",
			run: func(t *trial) { t.notCreated(t.post("/Users", t.userBody("userName", nil))) },
		},
		{
			id: "create-wrong-type", title: "A value of the wrong type is the client's fault",
			expect: "400 when name is a text instead of an object, not a server error",
			breaks: anyClient, refs: "RFC 7644 section 3.12; GRP-03",
			run: func(t *trial) { t.notCreated(t.post("/Users", t.userBody("name", "Ines Duarte"))) },
		},
		{
			id: "duplicate", title: "The same userName is refused",
			expect: "409 to a second POST with the same userName",
			breaks: entra, refs: "RFC 7644 section 3.3; MATCH-03",
			run: func(t *trial) {
				t.conflict = t.post("/Users", t.userBody("userName", t.subject.Text("userName")))
				t.conflict.is(409)
			},
		},
		{
			id: "duplicate-scim-type", title: "The refusal says that the name is taken", need: "duplicate",
			expect: "an error body with scimType uniqueness",
			breaks: anyClient, refs: "RFC 7644 section 3.3; RFC 7644 section 3.12; MATCH-06",
			run: func(t *trial) { t.recall(t.conflict).scimType(scim.Uniqueness) },
		},
		{
			id: "duplicate-any-case", title: "The same userName in other case is refused, too",
			expect: "409 to a second POST whose userName differs in case only",
			breaks: entra, refs: "RFC 7643 section 4.1.1; MATCH-05",
			run: func(t *trial) {
				t.post("/Users", t.userBody("userName", strings.ToUpper(t.subject.Text("userName")))).is(409)
			},
		},
		{
			id: "shared-email", title: "Two people may share a mailbox",
			expect: "a success for another userName with the same e-mail address",
			breaks: entra, refs: "RFC 7643 section 4.1.2; MATCH-06",
			run: func(t *trial) {
				if a := t.post("/Users", t.userBody("emails", t.subject.Elements("emails"))); a.status/100 != 2 {
					t.warn("POST /Users answered %s: the endpoint wants e-mail addresses to be unique", a.summary())
				}
			},
		},
	}},
}

func (t *trial) subjectPath() string { return "/Users/" + url.PathEscape(t.subject.Text("id")) }

func createLocation(t *trial) {
	a := t.recall(t.created)
	location := a.header.Get("Location")
	if location == "" {
		t.fail("there is no Location header")
	}
	u, err := url.Parse(location)
	if err != nil || !strings.HasSuffix(u.EscapedPath(), t.subjectPath()) {
		t.fail("Location reads %q; expected it to end in %s", location, t.subjectPath())
	}
	if u.Host != "" && !strings.EqualFold(u.Host, t.url.Host) {
		t.fail("Location names the host %q instead of %q: the endpoint does not know its public address", u.Host, t.url.Host)
	}
	if u.Scheme != "" && u.Scheme != t.url.Scheme {
		t.fail("Location begins with %s instead of %s: the endpoint does not know its public address", u.Scheme, t.url.Scheme)
	}
	t.equal("meta.location", at(a.json(), "meta", "location"), location)
}

// entraUser returns a user in the form in which Entra ID creates one.
func (t *trial) entraUser() *scim.Object {
	name := t.fresh("Ines.Duarte")
	userName := name + "@" + t.o.Domain
	return obj("schemas", list(scim.URNUser, scim.URNEnterprise),
		"externalId", name+"-Ab3",
		"userName", userName, "active", true,
		"displayName", name+" Inês Duarte  Lima",
		"title", "Analyst, 2nd class",
		"emails", list(obj("primary", true, "type", "work", "value", userName)),
		"name", obj("formatted", "Inês Duarte  Lima", "familyName", "Duarte  Lima", "givenName", "Inês"),
		"addresses", list(obj("type", "work", "formatted", "Rua do Porto 12", "locality", "Vila Nova de Gaia", "postalCode", "04400", "country", "PT")),
		"phoneNumbers", list(obj("type", "work", "value", "+351 22 000 00 00")),
		scim.URNEnterprise, obj("department", "Finance & Audit", "employeeNumber", "007114"),
		"roles", list(),
		"meta", obj("resourceType", "User"))
}

func isDateTime(s string) bool {
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil
}

// kept fails unless a user that was read has the values that were sent, as far
// as the endpoint's schemas list the attributes.
func (t *trial) kept(read, sent *scim.Object) {
	for _, path := range [][]string{
		{"userName"}, {"externalId"}, {"displayName"}, {"title"}, {"active"},
		{"name", "givenName"}, {"name", "familyName"},
	} {
		want := at(sent, path...)
		if want == nil || path[0] != "externalId" && hasAttribute(scim.URNUser, path[0])(t.session) != "" {
			continue
		}
		t.equal(strings.Join(path, "."), at(read, path...), want)
	}
	for _, plural := range []struct{ attr, sub string }{{"emails", "value"}, {"phoneNumbers", "value"}, {"addresses", "locality"}} {
		want := elements(sent, plural.attr, "work")
		if len(want) == 0 || hasAttribute(scim.URNUser, plural.attr)(t.session) != "" {
			continue
		}
		t.equal(plural.attr+"[type eq \"work\"]."+plural.sub, at(t.element(read, plural.attr, "work"), plural.sub), want[0].Text(plural.sub))
	}
}

// notCreated fails unless a creation was refused as the client's fault.
func (t *trial) notCreated(a *answer) {
	a.is(400).reason(scim.InvalidValue, scim.InvalidSyntax)
}

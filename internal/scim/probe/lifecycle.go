package probe

import (
	"net/http"
	"net/url"

	"lockstep/internal/scim"
)

var lifecycleSections = []section{
	{name: "Disable", writes: true, need: "patch-replace", checks: []check{
		{
			id: "disable", title: "A user is disabled",
			expect: "active false afterwards, and the user still there",
			breaks: anyClient, refs: "RFC 7643 section 4.1.1; DEPR-02; DEPR-05",
			run: func(t *trial) {
				_, path := t.user()
				t.equal("active", at(t.change(path, op("replace", "active", false)), "active"), false)
			},
		},
		{
			id: "disable-text", title: `A user is disabled by the text "False"`, need: "disable patch-capitals",
			expect: "active read back as the boolean false",
			breaks: entra, refs: "RFC 7643 section 2.3.2; DEPR-01",
			run: func(t *trial) {
				_, path := t.user()
				t.equal("active", at(t.change(path, op("Replace", "active", "False")), "active"), false)
			},
		},
		{
			id: "disabled-matched", title: "A disabled user is still found", need: "disable match-username",
			expect: "the user in answer to the filter that found it before",
			breaks: entra, refs: "RFC 7644 section 3.4.2; DEPR-03",
			run: func(t *trial) {
				body, path := t.user()
				t.patch(path, op("replace", "active", false)).is(200, 204)
				t.find("/Users", eq("userName", body.Text("userName"))).only(idOf(path))
			},
		},
		{
			id: "disabled-kept", title: "A disabled user keeps its attributes", need: "disable",
			expect: "userName, displayName, name and e-mail as before",
			breaks: anyClient, refs: "RFC 7643 section 4.1.1; DEPR-05; COMP-15",
			run: func(t *trial) {
				body, path := t.user()
				body.Set("active", false)
				t.kept(t.change(path, op("replace", "active", false)), body)
			},
		},
		{
			id: "disabled-filter", title: "Disabled users can be asked for", need: "disable match-username",
			expect: "the user for active eq false, and not for active eq true, or 400 invalidFilter",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.4.2.2; COMP-28",
			run: func(t *trial) {
				body, path := t.user()
				t.patch(path, op("replace", "active", false)).is(200, 204)
				me := eq("userName", body.Text("userName"))
				a := t.get("/Users", "filter", "active eq false and "+me)
				if a.status == http.StatusBadRequest {
					t.skip("active cannot be filtered")
				}
				a.is(200).only(idOf(path))
				t.find("/Users", "active eq true and "+me).only()
			},
		},
		{
			id: "enable", title: "A disabled user is enabled again", need: "disable",
			expect: "active true afterwards, the same id",
			breaks: anyClient, refs: "RFC 7643 section 4.1.1; DEPR-03",
			run: func(t *trial) {
				_, path := t.user()
				t.equal("active", at(t.change(path, op("replace", "active", false)), "active"), false)
				t.equal("active", at(t.change(path, op("replace", "active", true)), "active"), true)
			},
		},
		{
			id: "enable-text", title: `A user is enabled by the text "True"`, need: "disable-text enable",
			expect: "active read back as the boolean true",
			breaks: entra, refs: "RFC 7643 section 2.3.2; DEPR-01",
			run: func(t *trial) {
				_, path := t.user()
				t.patch(path, op("replace", "active", false)).is(200, 204)
				t.equal("active", at(t.change(path, op("Replace", "active", "True")), "active"), true)
			},
		},
		{
			id: "enable-with-changes", title: "A returning user gets changes in the same request", need: "enable",
			expect: "active true and the new displayName afterwards",
			breaks: entra, refs: "RFC 7644 section 3.5.2; DEPR-04",
			run: func(t *trial) {
				_, path := t.user()
				t.patch(path, op("replace", "active", false)).is(200, 204)
				display := t.fresh("Ines Lima")
				u := t.change(path, op("replace", "active", true), op("replace", "displayName", display))
				t.equal("active", at(u, "active"), true)
				t.equal("displayName", at(u, "displayName"), display)
			},
		},
	}},
	{name: "Delete", writes: true, need: "read-user", checks: []check{
		{
			id: "delete", title: "A user is deleted",
			expect: "204 without a body",
			breaks: entraOkta, refs: "RFC 7644 section 3.6",
			run: func(t *trial) {
				_, path := t.user()
				if a := t.delete(path).is(204); len(a.body) > 0 {
					t.fail("the answer is 204 and has a body")
				}
			},
		},
		{
			id: "deleted-gone", title: "A deleted user is gone", need: "delete",
			expect: "404 to GET, and nobody found by the filter",
			breaks: anyClient, refs: "RFC 7644 section 3.6; COMP-23; DEPR-03",
			run: func(t *trial) {
				body, path := t.user()
				t.delete(path).is(204)
				t.get(path).is(404)
				t.find("/Users", eq("userName", body.Text("userName"))).only()
			},
		},
		{
			id: "deleted-twice", title: "A second deletion says that there is nothing", need: "delete",
			expect: "404",
			breaks: anyClient, refs: "RFC 7644 section 3.6; DEPR-15",
			run: func(t *trial) {
				_, path := t.user()
				t.delete(path).is(204)
				t.delete(path).is(404)
			},
		},
		{
			id: "deleted-patch", title: "A deleted user cannot be changed", need: "delete patch-replace",
			expect: "404 to PATCH",
			breaks: anyClient, refs: "RFC 7644 section 3.6; MATCH-11",
			run: func(t *trial) {
				_, path := t.user()
				t.delete(path).is(204)
				t.patch(path, op("replace", "displayName", t.fresh("x"))).is(404)
			},
		},
		{
			id: "deleted-recreated", title: "A deleted user's name can be used again", need: "delete",
			expect: "201 to the same body",
			breaks: anyClient, refs: "RFC 7644 section 3.6; DEPR-04; MATCH-17",
			run: func(t *trial) {
				body, path := t.user()
				t.delete(path).is(204)
				a := t.post("/Users", body)
				if a.status/100 != 2 {
					t.fail("POST /Users answered %s; the name is still held by what was deleted", a.summary())
				}
				t.get("/Users/" + url.PathEscape(a.id())).is(200)
			},
		},
		{
			id: "deleted-member", title: "A deleted user is no longer a member", need: "deleted-gone member-add-several", when: offersGroups,
			expect: "a group without the deleted user",
			breaks: anyClient, refs: "RFC 7643 section 4.2; RFC 7644 section 3.6",
			run: func(t *trial) {
				_, leaver := t.user()
				stays := t.users(1)[0]
				_, path := t.group(idOf(leaver), stays)
				t.delete(leaver).is(204)
				t.members(path, stays)
			},
		},
	}},
}

var errorSections = []section{{name: "Errors", need: "token-accepted", checks: []check{
	{
		id: "error-not-found", title: "A user that does not exist is 404",
		expect: "404 to GET /Users/{random id}",
		breaks: entra, refs: "RFC 7644 section 3.4.1; COMP-19",
		run: func(t *trial) {
			t.noUser = t.get("/Users/" + guid())
			t.noUser.is(404)
		},
	},
	{
		id: "error-body", title: "An error has a SCIM body", need: "error-not-found",
		expect: "schemas with the Error URN, status as the text \"404\", detail a text",
		breaks: anyClient, refs: "RFC 7644 section 3.12; COMP-13",
		run: func(t *trial) { t.recall(t.noUser).scimError() },
	},
	{
		id: "error-content-type", title: "An error has the Content-Type of SCIM", need: "error-not-found",
		expect: "application/scim+json",
		breaks: anyClient, refs: "RFC 7644 section 3.12; COMP-08",
		run: func(t *trial) {
			if a := t.recall(t.noUser); a.mediaType() != contentSCIM {
				t.fail("the answer has the Content-Type %q", a.header.Get("Content-Type"))
			}
		},
	},
	{
		id: "error-unauthorized", title: "A 401 has a SCIM body, too", need: "token-missing",
		expect: "a SCIM error body in the answer to a request without a token",
		breaks: []string{"few"}, refs: "RFC 7644 section 3.12; COMP-13",
		run: func(t *trial) {
			a := t.recall(t.unauth)
			if a.object == nil || !hasSchema(a.object, scim.URNError) {
				t.warn("the body of the 401 is not a SCIM error")
				return
			}
			a.scimError()
		},
	},
	{
		id: "error-invalid-filter", title: "A refused filter has a SCIM body", need: "filter-invalid",
		expect: "400 with schemas, status \"400\" and scimType invalidFilter",
		breaks: anyClient, refs: "RFC 7644 section 3.12; COMP-13",
		run: func(t *trial) { t.get("/Users", "filter", "userName eq").is(400).scimError() },
	},
	{
		id: "error-no-endpoint", title: "A path that does not exist is 404",
		expect: "404 with a SCIM error body",
		breaks: []string{"few"}, refs: "RFC 7644 section 3.12; COMP-13; COMP-19",
		run: func(t *trial) {
			a := t.get("/LockstepProbe").is(404)
			if a.object == nil || !hasSchema(a.object, scim.URNError) {
				t.warn("the body of the 404 is not a SCIM error")
			}
		},
	},
	{
		id: "error-method", title: "A method that an endpoint lacks is refused", writes: true,
		expect: "405 (or 404, 501) to PUT /Users",
		breaks: []string{"few"}, refs: "RFC 9110 section 15.5.6; CONN-11",
		run: func(t *trial) { t.put("/Users", t.userBody()).is(405, 404, 501) },
	},
	{
		id: "error-syntax", title: "A body that is not JSON is refused", writes: true,
		expect: "400 with scimType invalidSyntax",
		breaks: anyClient, refs: "RFC 7644 section 3.12; COMP-13",
		run: func(t *trial) {
			t.send(request{method: http.MethodPost, path: "/Users", body: []byte(`{"schemas":["` + scim.URNUser + `"],"userName":`)}).
				is(400).scimError().scimType(scim.InvalidSyntax, scim.InvalidValue)
		},
	},
	{
		id: "error-media-type", title: "A body of another type is refused", writes: true,
		expect: "415, or 400, to a POST of XML",
		breaks: []string{"few"}, refs: "RFC 7644 section 3.1; RFC 9110 section 15.5.16; COMP-08",
		run: func(t *trial) {
			t.send(request{method: http.MethodPost, path: "/Users", body: []byte("<user/>"), contentType: "text/xml"}).is(415, 400)
		},
	},
	{
		id: "error-conflict", title: "A 409 has a SCIM body", need: "duplicate", writes: true,
		expect: "schemas, status \"409\" and a detail",
		breaks: entra, refs: "RFC 7644 section 3.12; COMP-13",
		run: func(t *trial) { t.recall(t.conflict).scimError() },
	},
	{
		id: "error-me", title: "/Me is answered, or declined properly",
		expect: "200, a redirect, or 404 or 501; not a server error",
		breaks: []string{"few"}, refs: "RFC 7644 section 3.11",
		run: func(t *trial) {
			if a := t.get("/Me"); a.status >= 500 && a.status != http.StatusNotImplemented {
				t.fail("GET /Me answered %s", a.summary())
			}
		},
	},
}}}

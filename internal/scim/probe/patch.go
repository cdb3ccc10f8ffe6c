package probe

import (
	"net/http"
	"slices"
	"strings"

	"lockstep/internal/scim"
)

var patchSections = []section{
	{name: "Replace", writes: true, need: "read-user", checks: []check{
		{
			id: "put", title: "PUT replaces a user",
			expect: "200 with the new values and the same id",
			breaks: okta, refs: "RFC 7644 section 3.5.1",
			run: func(t *trial) {
				body, path := t.user()
				display := t.fresh("Ines Lima")
				body.Set("displayName", display)
				body.Set("id", idOf(path))
				a := t.put(path, body).is(200)
				t.equal("displayName in the answer", at(a.json(), "displayName"), display)
				u := t.read(path)
				t.equal("displayName", at(u, "displayName"), display)
				t.equal("userName", at(u, "userName"), body.Text("userName"))
			},
		},
		{
			id: "put-disables", title: "PUT with active false disables", need: "put",
			expect: "active false afterwards, and the user still there",
			breaks: okta, refs: "RFC 7644 section 3.5.1; DEPR-02; DEPR-05",
			run: func(t *trial) {
				body, path := t.user()
				body.Set("active", false)
				t.put(path, body).is(200)
				t.equal("active", at(t.read(path), "active"), false)
			},
		},
		{
			id: "put-unknown", title: "PUT of a user that does not exist is refused",
			expect: "404",
			breaks: okta, refs: "RFC 7644 section 3.5.1; COMP-19",
			run: func(t *trial) { t.put("/Users/"+guid(), t.userBody()).is(404) },
		},
	}},
	{name: "PATCH", writes: true, need: "read-user", checks: []check{
		{
			id: "patch-replace", title: "PATCH replaces a value",
			expect: "200 or 204, and the new value afterwards",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2.3; DEPR-02; CONN-11",
			run: func(t *trial) {
				_, path := t.user()
				display := t.fresh("Ines Lima")
				t.equal("displayName", at(t.change(path, op("replace", "displayName", display)), "displayName"), display)
			},
		},
		{
			id: "patch-answer", title: "The answer to a PATCH tells the truth", need: "patch-replace",
			expect: "204 without a body, or 200 with the user as it is now",
			breaks: okta, refs: "RFC 7644 section 3.5.2",
			run: func(t *trial) {
				_, path := t.user()
				display := t.fresh("Ines Lima")
				a := t.patch(path, op("replace", "displayName", display)).is(200, 204)
				switch {
				case a.status == http.StatusNoContent && len(a.body) > 0:
					t.fail("the answer is 204 and has a body")
				case a.status == http.StatusOK:
					if v := at(a.json(), "displayName"); v != nil {
						t.equal("displayName in the answer", v, display)
					}
				}
			},
		},
		{
			id: "patch-add", title: "PATCH adds a value", need: "patch-replace", when: hasAttribute(scim.URNUser, "title"),
			expect: "the value afterwards",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2.1",
			run: func(t *trial) {
				_, path := t.user()
				t.equal("title", at(t.change(path, op("add", "title", "Analyst")), "title"), "Analyst")
			},
		},
		{
			id: "patch-add-again", title: "Adding to a single value replaces it", need: "patch-add",
			expect: "the second value, not two and not an error",
			breaks: entra, refs: "RFC 7644 section 3.5.2.1; COMP-17",
			run: func(t *trial) {
				_, path := t.user("title", "Analyst")
				t.equal("title", at(t.change(path, op("add", "title", "Director")), "title"), "Director")
			},
		},
		{
			id: "patch-remove", title: "PATCH removes a value", need: "patch-add",
			expect: "the attribute gone afterwards",
			breaks: okta, refs: "RFC 7644 section 3.5.2.2",
			run: func(t *trial) {
				_, path := t.user("title", "Analyst")
				if v := at(t.change(path, op("remove", "title")), "title"); v != nil && v != "" {
					t.fail("title still reads %s", show(v))
				}
			},
		},
		{
			id: "patch-remove-absent", title: "Removing what is not there is no error", need: "patch-remove",
			expect: "200 or 204",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2.2",
			run: func(t *trial) {
				_, path := t.user()
				t.patch(path, op("remove", "title")).is(200, 204)
			},
		},
		{
			id: "patch-sub-attribute", title: "A sub-attribute is changed by its path", need: "patch-replace",
			expect: "the new name.familyName, and name.givenName as before",
			breaks: entra, refs: "RFC 7644 section 3.5.2; COMP-15",
			run: func(t *trial) {
				_, path := t.user()
				u := t.change(path, op("replace", "name.familyName", "Lima"))
				t.equal("name.familyName", at(u, "name", "familyName"), "Lima")
				t.equal("name.givenName", at(u, "name", "givenName"), "Ines")
			},
		},
		{
			id: "patch-no-wipe", title: "A PATCH leaves the other attributes alone", need: "patch-replace",
			expect: "everything but the changed attribute as it was",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2; COMP-15",
			run: func(t *trial) {
				_, path := t.user("externalId", t.fresh("x"))
				before := t.read(path)
				after := t.change(path, op("replace", "displayName", t.fresh("Ines Lima")))
				for name, v := range before.All() {
					if slices.Contains([]string{"meta", "displayName"}, name) {
						continue
					}
					got, _ := after.Get(name)
					t.equal(name, got, v)
				}
			},
		},
		{
			id: "patch-several", title: "Several operations are applied in their order", need: "patch-add",
			expect: "all of them carried out, the last word on an attribute counting",
			breaks: entra, refs: "RFC 7644 section 3.5.2",
			run: func(t *trial) {
				_, path := t.user()
				display := t.fresh("Ines Lima")
				u := t.change(path, op("replace", "displayName", "x"), op("add", "title", "Analyst"), op("replace", "name.givenName", "Inês"), op("replace", "displayName", display))
				t.equal("displayName", at(u, "displayName"), display)
				t.equal("title", at(u, "title"), "Analyst")
				t.equal("name.givenName", at(u, "name", "givenName"), "Inês")
			},
		},
		{
			id: "patch-atomic", title: "A PATCH is carried out whole or not at all", need: "patch-replace duplicate",
			expect: "nothing of the first operation to be seen when the second is refused",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2; COMP-07",
			run: func(t *trial) {
				body, path := t.user()
				a := t.patch(path, op("replace", "displayName", t.fresh("half")), op("replace", "userName", t.subject.Text("userName")))
				if a.status/100 == 2 {
					t.skip("the second operation, to take a userName that is taken, was not refused")
				}
				a.refused()
				t.equal("displayName", at(t.read(path), "displayName"), body.Text("displayName"))
			},
		},
		{
			id: "patch-list-add", title: "Adding to a list keeps what is in it", need: "patch-replace", when: hasAttribute(scim.URNUser, "phoneNumbers"),
			expect: "both telephone numbers afterwards",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2.1; COMP-22",
			run: func(t *trial) {
				_, path := t.user("phoneNumbers", list(obj("type", "work", "value", "+351 22 000 00 00")))
				u := t.change(path, op("add", "phoneNumbers", list(obj("type", "mobile", "value", "+351 91 000 00 00"))))
				t.equal("the work number", at(t.element(u, "phoneNumbers", "work"), "value"), "+351 22 000 00 00")
				t.equal("the mobile number", at(t.element(u, "phoneNumbers", "mobile"), "value"), "+351 91 000 00 00")
			},
		},
		{
			id: "patch-list-add-same", title: "Adding the same element twice adds it once", need: "patch-list-add", when: hasAttribute(scim.URNUser, "phoneNumbers"),
			expect: "one element afterwards",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2.1",
			run: func(t *trial) {
				_, path := t.user("phoneNumbers", list(obj("type", "work", "value", "+351 22 000 00 00")))
				t.element(t.change(path, op("add", "phoneNumbers", list(obj("type", "work", "value", "+351 22 000 00 00")))), "phoneNumbers", "work")
			},
		},
		{
			id: "patch-list-replace", title: "Replacing a list leaves only the new elements", need: "patch-list-add", when: hasAttribute(scim.URNUser, "phoneNumbers"),
			expect: "the new element alone",
			breaks: okta, refs: "RFC 7644 section 3.5.2.3",
			run: func(t *trial) {
				_, path := t.user("phoneNumbers", list(obj("type", "work", "value", "+351 22 000 00 00")))
				u := t.change(path, op("replace", "phoneNumbers", list(obj("type", "mobile", "value", "+351 91 000 00 00"))))
				if n := len(elements(u, "phoneNumbers", "work")); n > 0 {
					t.fail("the old element is still there")
				}
				t.element(u, "phoneNumbers", "mobile")
			},
		},
		{
			id: "patch-value-path", title: "An element is changed through a filter in the path", need: "patch-replace",
			expect: "the new value in the same, single element",
			breaks: entra, refs: "RFC 7644 section 3.5.2.3; COMP-04",
			run: func(t *trial) {
				_, path := t.user()
				mail := t.freshUserName("new")
				e := t.element(t.change(path, op("replace", `emails[type eq "work"].value`, mail)), "emails", "work")
				t.equal("the work address", at(e, "value"), mail)
			},
		},
		{
			id: "patch-value-path-remove", title: "An element is removed through a filter in the path", need: "patch-list-add", when: hasAttribute(scim.URNUser, "phoneNumbers"),
			expect: "the element gone, and the other as it was",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2.2",
			run: func(t *trial) {
				_, path := t.user("phoneNumbers", list(obj("type", "work", "value", "+351 22 000 00 00"), obj("type", "mobile", "value", "+351 91 000 00 00")))
				u := t.change(path, op("remove", `phoneNumbers[type eq "mobile"]`))
				if len(elements(u, "phoneNumbers", "mobile")) > 0 {
					t.fail("the mobile number is still there")
				}
				t.element(u, "phoneNumbers", "work")
			},
		},
		{
			id: "patch-remove-stale", title: "Removing with an old value does not write that value", need: "patch-value-path",
			expect: "the address of before or none, never the one that the removal named",
			breaks: entra, refs: "RFC 7644 section 3.5.2.2; COMP-24",
			run: func(t *trial) {
				_, path := t.user()
				stale := t.freshUserName("stale")
				a := t.patch(path, op("Remove", `emails[type eq "work"].value`, stale))
				if a.status >= 500 {
					t.fail("PATCH answered %s", a.summary())
				}
				for _, e := range objects(t.read(path).Elements("emails")) {
					if e.Text("value") == stale {
						t.fail("the address that was to be removed has been written")
					}
				}
			},
		},
		{
			id: "patch-path-any-case", title: "Names in a path are read in any case", need: "patch-replace",
			expect: "displayName changed by the path DISPLAYNAME",
			breaks: anyClient, refs: "RFC 7643 section 2.1; COMP-18",
			run: func(t *trial) {
				_, path := t.user()
				display := t.fresh("Ines Lima")
				t.equal("displayName", at(t.change(path, op("replace", "DISPLAYNAME", display)), "displayName"), display)
			},
		},
		{
			id: "patch-core-urn", title: "A path may begin with the URN of the core schema", need: "patch-replace",
			expect: "displayName changed by " + scim.URNUser + ":displayName",
			breaks: anyClient, refs: "RFC 7644 section 3.10; COMP-06",
			run: func(t *trial) {
				_, path := t.user()
				display := t.fresh("Ines Lima")
				t.equal("displayName", at(t.change(path, op("replace", scim.URNUser+":displayName", display)), "displayName"), display)
			},
		},
		{
			id: "patch-unchanged", title: "Writing the value that is there is no error", need: "patch-replace",
			expect: "200 or 204",
			breaks: entra, refs: "RFC 7644 section 3.5.2.3",
			run: func(t *trial) {
				body, path := t.user()
				t.patch(path, op("replace", "displayName", body.Text("displayName")), op("add", "userName", body.Text("userName"))).is(200, 204)
			},
		},
		{
			id: "patch-rename", title: "A new userName renames in place", need: "patch-replace match-username",
			expect: "the same id under the new name, and nobody under the old",
			breaks: entra, refs: "RFC 7644 section 3.5.2.3; DEPR-06",
			run: func(t *trial) {
				body, path := t.user()
				name := t.freshUserName("renamed")
				t.equal("userName", at(t.change(path, op("replace", "userName", name)), "userName"), name)
				t.find("/Users", eq("userName", name)).only(idOf(path))
				t.find("/Users", eq("userName", body.Text("userName"))).only()
			},
		},
	}},
	{name: "Refusals of PATCH", writes: true, need: "patch-replace", checks: []check{
		{
			id: "patch-rename-conflict", title: "A userName that is taken is refused",
			expect: "409, with scimType uniqueness, and the old name afterwards",
			breaks: entra, refs: "RFC 7644 section 3.12; MATCH-05",
			run: func(t *trial) {
				body, path := t.user()
				t.patch(path, op("replace", "userName", strings.ToUpper(t.subject.Text("userName")))).is(409)
				t.equal("userName", at(t.read(path), "userName"), body.Text("userName"))
			},
		},
		{
			id: "patch-required", title: "A required attribute cannot be removed",
			expect: "400, and userName as before",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2.2; COMP-21",
			run: func(t *trial) {
				body, path := t.user()
				t.patch(path, op("remove", "userName")).is(400)
				t.equal("userName", at(t.read(path), "userName"), body.Text("userName"))
			},
		},
		{
			id: "patch-id", title: "The id cannot be changed",
			expect: "400 mutability, or the change ignored",
			breaks: anyClient, refs: "RFC 7643 section 3.1; RFC 7644 section 3.5.2",
			run: func(t *trial) {
				_, path := t.user()
				if a := t.patch(path, op("replace", "id", t.fresh("id"))); a.status >= 500 {
					t.fail("PATCH answered %s", a.summary())
				}
				t.equal("id", textOf(at(t.read(path), "id")), idOf(path))
			},
		},
		{
			id: "patch-unknown-path", title: "A path that does not exist is the client's fault",
			expect: "400, with scimType invalidPath or noTarget, or the operation ignored; not a server error",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2; RFC 7644 section 3.12",
			run: func(t *trial) {
				_, path := t.user()
				if a := t.patch(path, op("replace", "lockstepProbeUnknown", "x")); a.status/100 != 2 {
					a.is(400).reason(scim.InvalidPath, scim.NoTarget, scim.InvalidValue)
				}
			},
		},
		{
			id: "patch-no-target", title: "A replacement that meets no element is refused", need: "patch-value-path",
			expect: "400 noTarget to a lower-case replace whose filter selects nothing",
			breaks: []string{"few"}, refs: "RFC 7644 section 3.5.2.3",
			run: func(t *trial) {
				_, path := t.user()
				a := t.patch(path, op("replace", `emails[type eq "lockstep"]`, obj("value", t.freshUserName("x"))))
				switch {
				case a.status/100 == 2:
					t.warn("PATCH answered %s", a.summary())
				default:
					a.is(400).reason(scim.NoTarget)
				}
			},
		},
		{
			id: "patch-malformed", title: "A PATCH that is none is refused",
			expect: "400 without Operations, and for an operation that does not exist",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2; RFC 7644 section 3.12",
			run: func(t *trial) {
				_, path := t.user()
				t.send(request{method: http.MethodPatch, path: path, body: t.json(obj("schemas", list(scim.URNPatchOp)))}).is(400)
				t.patch(path, op("increment", "displayName", "x")).is(400)
			},
		},
		{
			id: "patch-unknown-user", title: "A PATCH of a user that does not exist is refused",
			expect: "404",
			breaks: anyClient, refs: "RFC 7644 section 3.5.2; COMP-19; MATCH-11",
			run: func(t *trial) { t.patch("/Users/"+guid(), op("replace", "displayName", "x")).is(404) },
		},
	}},
}

package probe

import (
	"net/http"
	"slices"
	"strings"

	"lockstep/internal/scim"
)

// microsoftGroup is a schema that Entra ID names in groups that it creates. No
// attribute belongs to it.
const microsoftGroup = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"

var groupSections = []section{{name: "Groups", writes: true, need: "read-user", when: offersGroups, checks: []check{
	{
		id: "group-create", title: "An empty group can be created",
		expect: "201 with an id, and no members",
		breaks: entraOkta, refs: "RFC 7644 section 3.3; RFC 7643 section 4.2",
		run: func(t *trial) {
			a := t.post("/Groups", obj("schemas", list(scim.URNGroup), "displayName", t.fresh("group"), "members", list()))
			a.is(201)
			if _, ok := at(a.json(), "id").(string); !ok {
				t.fail("id reads %s; expected a text", show(at(a.object, "id")))
			}
		},
	},
	{
		id: "group-read", title: "A group can be read", need: "group-create",
		expect: "200 with id, displayName and schemas",
		breaks: anyClient, refs: "RFC 7644 section 3.4.1",
		run: func(t *trial) {
			name, path := t.group()
			g := t.read(path)
			t.equal("displayName", at(g, "displayName"), name)
			t.equal("id", at(g, "id"), idOf(path))
			if !hasSchema(g, scim.URNGroup) {
				t.fail("schemas reads %s; expected %s in it", show(at(g, "schemas")), scim.URNGroup)
			}
		},
	},
	{
		id: "group-create-entra", title: "A group as Entra ID sends it is accepted", need: "group-read",
		expect: "201 although schemas names a schema of Microsoft's; displayName and externalId kept",
		breaks: entra, refs: "RFC 7644 section 3.3; GRP-13",
		run: func(t *trial) {
			name, external := t.fresh("group"), guid()
			path := t.create("/Groups", obj("schemas", list(scim.URNGroup, microsoftGroup),
				"externalId", external, "displayName", name, "meta", obj("resourceType", "Group")))
			g := t.read(path)
			t.equal("displayName", at(g, "displayName"), name)
			t.equal("externalId", at(g, "externalId"), external)
		},
	},
	{
		id: "group-match", title: "A group is found by displayName, at once", need: "group-create",
		expect: "just the group, without members, with excludedAttributes=members",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2; MATCH-01; MATCH-15",
		run: func(t *trial) {
			name, path := t.group()
			t.create("/Groups", obj("schemas", list(scim.URNGroup), "displayName", name+"-test"))
			t.get("/Groups", "excludedAttributes", "members", "filter", eq("displayName", name)).is(200).only(idOf(path))
		},
	},
	{
		id: "group-match-special", title: "Group names with special characters are found", need: "group-match",
		expect: "just the group",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2; GRP-17",
		run: func(t *trial) {
			name := t.fresh(`R&D + "Ops" #1 O'Neil`)
			path := t.create("/Groups", obj("schemas", list(scim.URNGroup), "displayName", name))
			t.get("/Groups", "filter", eq("displayName", name)).is(200).only(idOf(path))
		},
	},
	{
		id: "group-match-external-id", title: "A group is found by externalId", need: "group-match",
		expect: "just the group, or 400 invalidFilter",
		breaks: entra, refs: "RFC 7643 section 3.1; COMP-28",
		run: func(t *trial) {
			external := guid()
			path := t.create("/Groups", obj("schemas", list(scim.URNGroup), "displayName", t.fresh("group"), "externalId", external))
			a := t.get("/Groups", "filter", eq("externalId", external))
			if a.status != http.StatusBadRequest {
				a.is(200).only(idOf(path))
			}
		},
	},
	{
		id: "group-duplicate", title: "A group name that is taken gets a clear answer", need: "group-create",
		expect: "409 with scimType uniqueness, or a second group with an id of its own",
		breaks: entra, refs: "RFC 7644 section 3.3; GRP-08; MATCH-14",
		run: func(t *trial) {
			name, path := t.group()
			a := t.post("/Groups", obj("schemas", list(scim.URNGroup), "displayName", name))
			if a.is(201, 409).status == http.StatusConflict {
				a.scimType(scim.Uniqueness)
			} else if a.id() == idOf(path) {
				t.fail("the creation was answered with the group that was there")
			}
		},
	},
	{
		id: "group-without-name", title: "A group without displayName is refused", need: "group-create",
		expect: "400",
		breaks: anyClient, refs: "RFC 7643 section 4.2; RFC 7644 section 3.12",
		run: func(t *trial) {
			t.notCreated(t.post("/Groups", obj("schemas", list(scim.URNGroup), "externalId", t.fresh("group"))))
		},
	},
	{
		id: "group-create-members", title: "A group can be created with its members", need: "group-read",
		expect: "the members afterwards",
		breaks: okta, refs: "RFC 7644 section 3.3",
		run: func(t *trial) {
			_, user := t.user()
			path := t.create("/Groups", obj("schemas", list(scim.URNGroup), "displayName", t.fresh("group"), "members", refs(idOf(user))))
			t.members(path, idOf(user))
		},
	},
	{
		id: "group-delete", title: "A group can be deleted", need: "group-read",
		expect: "204, and 404 afterwards",
		breaks: entraOkta, refs: "RFC 7644 section 3.6; COMP-23",
		run: func(t *trial) {
			_, path := t.group()
			t.delete(path).is(204)
			t.get(path).is(404)
		},
	},
}}}

var memberSections = []section{{name: "Members", writes: true, need: "group-read", when: offersGroups, checks: []check{
	{
		id: "member-add", title: "A member is added as Entra ID does it",
		expect: "the member afterwards, although $ref is null",
		breaks: entra, refs: "RFC 7644 section 3.5.2.1; GRP-12",
		run: func(t *trial) {
			_, user := t.user()
			_, path := t.group()
			t.patch(path, op("Add", "members", list(obj("$ref", nil, "value", idOf(user))))).is(200, 204)
			t.members(path, idOf(user))
		},
	},
	{
		id: "member-add-rfc", title: "A member is added as Okta does it", need: "member-add",
		expect: "the member afterwards, when it comes with a display name",
		breaks: okta, refs: "RFC 7644 section 3.5.2.1",
		run: func(t *trial) {
			body, user := t.user()
			_, path := t.group()
			t.patch(path, op("add", "members", list(obj("value", idOf(user), "display", body.Text("userName"))))).is(200, 204)
			t.members(path, idOf(user))
		},
	},
	{
		id: "member-add-several", title: "Several members are added at once", need: "member-add",
		expect: "all of them, beside the one that was there",
		breaks: entra, refs: "RFC 7644 section 3.5.2.1; COMP-22",
		run: func(t *trial) {
			users := t.users(3)
			_, path := t.group(users[0])
			t.patch(path, op("Add", "members", refs(users[1:]...))).is(200, 204)
			t.members(path, users...)
		},
	},
	{
		id: "member-add-again", title: "Adding a present member is no error", need: "member-add",
		expect: "a success, and the member once",
		breaks: entra, refs: "RFC 7644 section 3.5.2.1; GRP-02",
		run: func(t *trial) {
			users := t.users(1)
			_, path := t.group(users...)
			t.patch(path, op("Add", "members", refs(users...))).is(200, 204)
			t.members(path, users...)
		},
	},
	{
		id: "member-remove-list", title: "Members are removed by a list of values", need: "member-add-several",
		expect: "just the named member gone: the list must not be cleared",
		breaks: entra, refs: "RFC 7644 section 3.5.2.2; GRP-01; GRP-12",
		run: func(t *trial) {
			users := t.users(3)
			_, path := t.group(users...)
			t.patch(path, op("Remove", "members", list(obj("$ref", nil, "value", users[1])))).is(200, 204)
			t.members(path, users[0], users[2])
		},
	},
	{
		id: "member-remove-path", title: "A member is removed by a path with a filter", need: "member-add-several",
		expect: "just the named member gone",
		breaks: entraOkta, refs: "RFC 7644 section 3.5.2.2; GRP-01",
		run: func(t *trial) {
			users := t.users(3)
			_, path := t.group(users...)
			t.patch(path, op("remove", `members[value eq `+quote(users[1])+`]`)).is(200, 204)
			t.members(path, users[0], users[2])
		},
	},
	{
		id: "member-remove-absent", title: "Removing who is no member is no error", need: "member-remove-list",
		expect: "a success, and the members as before",
		breaks: entra, refs: "RFC 7644 section 3.5.2.2; GRP-04",
		run: func(t *trial) {
			users := t.users(1)
			_, path := t.group(users...)
			t.patch(path, op("Remove", "members", refs(t.subject.Text("id")))).is(200, 204)
			t.members(path, users...)
		},
	},
	{
		id: "member-remove-absent-path", title: "Nor by a path that meets nobody", need: "member-remove-path",
		expect: "a success, and the members as before",
		breaks: entra, refs: "RFC 7644 section 3.5.2.2; GRP-04",
		run: func(t *trial) {
			users := t.users(1)
			_, path := t.group(users...)
			t.patch(path, op("remove", `members[value eq `+quote(t.subject.Text("id"))+`]`)).is(200, 204)
			t.members(path, users...)
		},
	},
	{
		id: "member-remove-all", title: "Removing members without a value removes all", need: "member-add",
		expect: "no members afterwards",
		breaks: okta, refs: "RFC 7644 section 3.5.2.2; GRP-20",
		run: func(t *trial) {
			_, path := t.group(t.users(2)...)
			t.patch(path, op("remove", "members")).is(200, 204)
			t.members(path)
		},
	},
	{
		id: "member-unknown", title: "A member that does not exist is the client's fault", need: "member-add",
		expect: "a refusal (4xx) or the reference ignored, the other members as before; no server error",
		breaks: entra, refs: "RFC 7644 section 3.12; GRP-03",
		run: func(t *trial) {
			users := t.users(1)
			_, path := t.group(users...)
			stranger := guid()
			a := t.patch(path, op("Add", "members", refs(stranger)))
			if a.status >= 500 {
				t.fail("PATCH answered %s; a client repeats what failed for the server's sake for ever", a.summary())
			}
			for _, id := range memberIDs(t.read(path)) {
				if id == stranger {
					t.warn("the endpoint keeps a member that does not exist")
				}
			}
		},
	},
	{
		id: "member-replace", title: "Replacing the members leaves only the new ones", need: "member-add",
		expect: "the new members alone",
		breaks: okta, refs: "RFC 7644 section 3.5.2.3",
		run: func(t *trial) {
			users := t.users(3)
			_, path := t.group(users[0], users[1])
			t.patch(path, op("replace", "members", refs(users[1], users[2]))).is(200, 204)
			t.members(path, users[1], users[2])
		},
	},
	{
		id: "member-replace-empty", title: "Replacing by an empty list empties the group, adding one does not", need: "member-add",
		expect: "the members after an add of [], and none after a replace by []",
		breaks: okta, refs: "RFC 7644 section 3.5.2.3; GRP-11",
		run: func(t *trial) {
			users := t.users(1)
			_, path := t.group(users...)
			if a := t.patch(path, op("add", "members", list())); a.status >= 500 {
				t.fail("PATCH answered %s", a.summary())
			}
			t.members(path, users...)
			t.patch(path, op("replace", "members", list())).is(200, 204)
			t.members(path)
		},
	},
	{
		id: "member-excluded", title: "excludedAttributes=members is heeded", need: "member-add group-match",
		expect: "no members in the group and in a list of groups",
		breaks: entra, refs: "RFC 7644 section 3.9; GRP-05; MATCH-01",
		run: func(t *trial) {
			name, path := t.group(t.users(1)...)
			if at(t.get(path, "excludedAttributes", "members").is(200).json(), "members") != nil {
				t.fail("the group came with its members")
			}
			for _, g := range t.get("/Groups", "excludedAttributes", "members", "filter", eq("displayName", name)).is(200).resources() {
				if at(g, "members") != nil {
					t.fail("the list came with members")
				}
			}
		},
	},
	{
		id: "member-query", title: "Entra ID's reference query works for members", need: "member-add group-match",
		expect: "the group for id eq … and members eq … of a member, and none of a stranger, or 400 invalidFilter",
		breaks: entra, refs: "RFC 7644 section 3.4.2.2",
		run: func(t *trial) {
			users := t.users(1)
			_, path := t.group(users...)
			me := eq("id", idOf(path)) + " and "
			a := t.get("/Groups", "filter", me+eq("members", users[0]), "attributes", "id")
			if a.status == http.StatusBadRequest {
				t.warn("the query is refused: %s", a.summary())
				return
			}
			a.is(200).only(idOf(path))
			t.find("/Groups", me+eq("members", t.subject.Text("id"))).only()
		},
	},
	{
		id: "member-patch-quiet", title: "The answer to a change of members is small", need: "member-add",
		expect: "204, or 200 without the list of members",
		breaks: entra, refs: "RFC 7644 section 3.5.2; GRP-10",
		run: func(t *trial) {
			users := t.users(1)
			_, path := t.group()
			if a := t.patch(path, op("Add", "members", refs(users...))).is(200, 204); at(a.object, "members") != nil {
				t.warn("the answer has the whole list of members, which may be long")
			}
		},
	},
	{
		id: "group-rename", title: "A renamed group keeps its id and members", need: "member-add group-match",
		expect: "the same id and members under the new name",
		breaks: entra, refs: "RFC 7644 section 3.5.2.3; GRP-07",
		run: func(t *trial) {
			users := t.users(1)
			old, path := t.group(users...)
			name := t.fresh("renamed")
			t.equal("displayName", at(t.change(path, op("Replace", "displayName", name)), "displayName"), name)
			t.members(path, users...)
			t.find("/Groups", eq("displayName", name)).only(idOf(path))
			t.find("/Groups", eq("displayName", old)).only()
		},
	},
	{
		id: "group-rename-okta", title: "A group is renamed by a value without path that repeats the id", need: "member-add",
		expect: "the new name, and the members as before",
		breaks: okta, refs: "RFC 7644 section 3.5.2.3; GRP-07",
		run: func(t *trial) {
			users := t.users(1)
			_, path := t.group(users...)
			name := t.fresh("renamed")
			t.equal("displayName", at(t.change(path, op("replace", "", obj("id", idOf(path), "displayName", name))), "displayName"), name)
			t.members(path, users...)
		},
	},
	{
		id: "member-parallel", title: "Two changes at the same time both count", need: "member-add",
		expect: "both members after two PATCH requests in parallel",
		breaks: entra, refs: "RFC 7644 section 3.5.2; COMP-25",
		run: parallel,
	},
	{
		id: "member-disabled", title: "A disabled user remains a member", need: "member-add patch-replace",
		expect: "the member after active became false",
		breaks: anyClient, refs: "RFC 7643 section 4.1.1; GRP-14",
		run: func(t *trial) {
			_, user := t.user()
			_, path := t.group(idOf(user))
			t.patch(user, op("replace", "active", false)).is(200, 204)
			t.members(path, idOf(user))
		},
	},
}}}

// users returns the ids of n users that no check changes. They are created
// once and serve as members in many checks.
func (t *trial) users(n int) []string {
	for len(t.pool) < n {
		_, path := t.user()
		t.keep(path)
		t.pool = append(t.pool, idOf(path))
	}
	return slices.Clone(t.pool[:n])
}

// parallel adds two members at the same time, a few times over, because two
// requests may miss each other by chance.
func parallel(t *trial) {
	users := t.users(8)
	_, path := t.group()
	type outcome struct {
		a   *answer
		err error
	}
	for i := 0; i < len(users); i += 2 {
		outcomes := make(chan outcome, 2)
		for _, id := range users[i : i+2] {
			body := t.json(patchBody(op("Add", "members", refs(id))))
			go func() {
				a, err := t.do(request{method: http.MethodPatch, path: path, body: body})
				outcomes <- outcome{a, err}
			}()
		}
		first, second := <-outcomes, <-outcomes
		for _, o := range []outcome{first, second} {
			if o.err != nil {
				t.fail("PATCH %s had no answer: %v", path, o.err)
			}
			o.a.is(200, 204)
		}
	}
	got := strings.Join(memberIDs(t.read(path)), " ")
	for _, id := range users {
		if !strings.Contains(got, id) {
			t.fail("a member that was added is missing: one of two changes at the same time was lost")
		}
	}
}

package probe

import (
	"slices"

	"lockstep/internal/scim"
)

// entraSections are the forms of PATCH that Entra ID and Okta send beyond the
// letter of RFC 7644.
var entraSections = []section{
	{name: "PATCH as Entra ID sends it", writes: true, need: "patch-replace", checks: []check{
		{
			id: "patch-capitals", title: "Add, Replace and Remove may have capitals",
			expect: "the operations carried out whatever their case",
			breaks: entra, refs: "RFC 7644 section 3.5.2; COMP-03",
			run: func(t *trial) {
				_, path := t.user()
				display := t.fresh("Ines Lima")
				u := t.change(path, op("Replace", "displayName", display), op("Add", "name.middleName", "Sofia"))
				t.equal("displayName", at(u, "displayName"), display)
				t.patch(path, op("Remove", "name.middleName")).is(200, 204)
			},
		},
		{
			id: "patch-email-created", title: `Add of emails[type eq "work"].value creates the element`, need: "patch-capitals",
			expect: "a work address afterwards, though there was none",
			breaks: entra, refs: "RFC 7644 section 3.5.2.1; COMP-04",
			run: func(t *trial) { t.elementCreated("Add") },
		},
		{
			id: "patch-email-replace-created", title: `Replace of emails[type eq "work"].value creates it, too`, need: "patch-capitals",
			expect: "a work address afterwards, though there was none",
			breaks: entra, refs: "RFC 7644 section 3.5.2.3; COMP-04",
			run: func(t *trial) { t.elementCreated("Replace") },
		},
		{
			id: "patch-element-beside", title: "The element is created beside others", need: "patch-list-add", when: hasAttribute(scim.URNUser, "phoneNumbers"),
			expect: "a mobile number beside the work number",
			breaks: entra, refs: "RFC 7644 section 3.5.2.1; COMP-04; COMP-22",
			run: func(t *trial) {
				_, path := t.user("phoneNumbers", list(obj("type", "work", "value", "+351 22 000 00 00")))
				u := t.change(path, op("add", `phoneNumbers[type eq "mobile"].value`, "+351 91 000 00 00"))
				t.equal("the work number", at(t.element(u, "phoneNumbers", "work"), "value"), "+351 22 000 00 00")
				t.equal("the mobile number", at(t.element(u, "phoneNumbers", "mobile"), "value"), "+351 91 000 00 00")
			},
		},
		{
			id: "patch-address", title: "An address that comes in parts becomes one element", need: "patch-capitals", when: hasAttribute(scim.URNUser, "addresses"),
			expect: "one work address with all its parts",
			breaks: entra, refs: "RFC 7644 section 3.5.2.1; COMP-04",
			run: func(t *trial) {
				_, path := t.user()
				u := t.change(path,
					op("Add", `addresses[type eq "work"].locality`, "Porto"),
					op("Add", `addresses[type eq "work"].country`, "PT"),
					op("Add", `addresses[type eq "work"].streetAddress`, "Rua do Porto 12"))
				e := t.element(u, "addresses", "work")
				t.equal("locality", at(e, "locality"), "Porto")
				t.equal("country", at(e, "country"), "PT")
				t.equal("streetAddress", at(e, "streetAddress"), "Rua do Porto 12")
			},
		},
		{
			id: "patch-dotted-keys", title: "Dotted keys in a value without path are paths",
			expect: "name.givenName and displayName changed, no attribute called name.givenName",
			breaks: entra, refs: "RFC 7644 section 3.5.2; COMP-05",
			run: func(t *trial) {
				_, path := t.user()
				display := t.fresh("Ines Lima")
				u := t.change(path, op("replace", "", obj("displayName", display, "name.givenName", "Inês", "name.familyName", "Lima")))
				t.equal("displayName", at(u, "displayName"), display)
				t.equal("name.givenName", at(u, "name", "givenName"), "Inês")
				t.equal("name.familyName", at(u, "name", "familyName"), "Lima")
				if at(u, "name.givenName") != nil {
					t.fail("there is an attribute called name.givenName")
				}
			},
		},
		{
			id: "patch-urn-path", title: "A path may lead into the enterprise extension", when: hasAttribute(scim.URNEnterprise, "department"),
			expect: "department added, replaced and removed by " + scim.URNEnterprise + ":department",
			breaks: entra, refs: "RFC 7644 section 3.10; COMP-06",
			run: func(t *trial) {
				_, path := t.user()
				dept := scim.URNEnterprise + ":department"
				t.equal("department", at(t.change(path, op("add", dept, "Finance")), scim.URNEnterprise, "department"), "Finance")
				t.equal("department", at(t.change(path, op("replace", dept, "Audit")), scim.URNEnterprise, "department"), "Audit")
				if v := at(t.change(path, op("remove", dept)), scim.URNEnterprise, "department"); v != nil && v != "" {
					t.fail("department still reads %s after its removal", show(v))
				}
			},
		},
		{
			id: "patch-urn-key", title: "A key may lead into the enterprise extension", when: hasAttribute(scim.URNEnterprise, "department"),
			expect: "department changed by the key " + scim.URNEnterprise + ":department",
			breaks: entra, refs: "RFC 7644 section 3.10; COMP-06",
			run: func(t *trial) {
				_, path := t.user(scim.URNEnterprise, obj("department", "Finance", "employeeNumber", "007114"))
				u := t.change(path, op("replace", "", obj(scim.URNEnterprise+":department", "Audit")))
				t.equal("department", at(u, scim.URNEnterprise, "department"), "Audit")
				t.equal("employeeNumber", at(u, scim.URNEnterprise, "employeeNumber"), "007114")
			},
		},
		{
			id: "patch-urn-container", title: "The extension may come as an object", when: hasAttribute(scim.URNEnterprise, "department"),
			expect: "department added by an object under " + scim.URNEnterprise + ", the rest of the extension as it was",
			breaks: entraOkta, refs: "RFC 7644 section 3.5.2.1; COMP-06",
			run: func(t *trial) {
				_, path := t.user(scim.URNEnterprise, obj("employeeNumber", "007114"))
				u := t.change(path, op("add", "", obj(scim.URNEnterprise, obj("department", "Finance"))))
				t.equal("department", at(u, scim.URNEnterprise, "department"), "Finance")
				t.equal("employeeNumber", at(u, scim.URNEnterprise, "employeeNumber"), "007114")
			},
		},
		{
			id: "patch-roles-json", title: "Roles may come as JSON in a text", when: hasAttribute(scim.URNUser, "roles"), need: "patch-capitals",
			expect: "a role with the value that the JSON names",
			breaks: entra, refs: "RFC 7643 section 4.1.2; RFC 7644 section 3.5.2.1",
			run: func(t *trial) {
				_, path := t.user()
				u := t.change(path, op("Add", "roles", list(obj("value", `{"id":"`+guid()+`","value":"Approver","displayName":"Approver of orders"}`))))
				if !slices.ContainsFunc(objects(u.Elements("roles")), func(r *scim.Object) bool { return r.Text("value") == "Approver" }) {
					t.fail("roles reads %s; expected a role whose value is Approver", show(at(u, "roles")))
				}
			},
		},
	}},
	{name: "Managers", writes: true, need: "patch-replace", when: hasAttribute(scim.URNEnterprise, "manager"), checks: []check{
		managerCheck("manager-text", "A manager may come as a bare id", "RFC 7643 section 4.3; COMP-06", entra,
			func(id string) *scim.Object { return op("add", managerPath, id) }),
		managerCheck("manager-object", "A manager may come as an object", "RFC 7643 section 4.3", okta,
			func(id string) *scim.Object { return op("replace", managerPath, obj("value", id)) }),
		managerCheck("manager-list", "A manager may come as a list of one", "RFC 7643 section 4.3", entra,
			func(id string) *scim.Object {
				return op("add", "manager", list(obj("$ref", "../Users/"+id, "value", id)))
			}),
		managerCheck("manager-key", "A manager may come under its URN without a path", "RFC 7643 section 4.3; COMP-06", entraOkta,
			func(id string) *scim.Object { return op("add", "", obj(managerPath, id)) }),
		{
			id: "manager-clear", title: "A manager can be taken away", need: "manager-text",
			expect: "no manager after a removal, and after an empty text",
			breaks: entra, refs: "RFC 7644 section 3.5.2.2",
			run: func(t *trial) {
				for _, clearing := range []*scim.Object{op("remove", managerPath), op("replace", managerPath, "")} {
					_, path := t.user()
					t.patch(path, op("add", managerPath, t.subject.Text("id"))).is(200, 204)
					if v := at(t.change(path, clearing), scim.URNEnterprise, "manager", "value"); v != nil && v != "" {
						t.fail("the manager still reads %s after %s", show(v), show(clearing))
					}
				}
			},
		},
	}},
	{name: "PATCH as Okta sends it", writes: true, need: "patch-replace", checks: []check{
		{
			id: "patch-no-path", title: "A value without path is an object of attributes",
			expect: "the attributes of the object changed, and the others as before",
			breaks: okta, refs: "RFC 7644 section 3.5.2.3",
			run: func(t *trial) {
				_, path := t.user()
				display := t.fresh("Ines Lima")
				u := t.change(path, op("replace", "", obj("displayName", display)))
				t.equal("displayName", at(u, "displayName"), display)
				t.equal("name.familyName", at(u, "name", "familyName"), "Duarte")
			},
		},
		{
			id: "patch-no-path-disable", title: "A leaver is disabled by a value without path",
			expect: "active false afterwards",
			breaks: okta, refs: "RFC 7644 section 3.5.2.3; DEPR-02",
			run: func(t *trial) {
				_, path := t.user()
				t.equal("active", at(t.change(path, op("replace", "", obj("active", false))), "active"), false)
			},
		},
	}},
}

const managerPath = scim.URNEnterprise + ":manager"

// managerCheck checks one way to set a manager. The answer must have the
// complex form: a bare text makes Entra ID give up with
// ServiceIncompatible.
func managerCheck(id, title, refs string, breaks []string, set func(managerID string) *scim.Object) check {
	return check{
		id: id, title: title, refs: refs, breaks: breaks,
		expect: "manager read back as an object whose value is the id",
		run: func(t *trial) {
			_, path := t.user()
			manager := at(t.change(path, set(t.subject.Text("id"))), scim.URNEnterprise, "manager")
			o, ok := manager.(*scim.Object)
			if !ok {
				t.fail("manager reads %s; expected an object", show(manager))
			}
			t.equal("manager.value", at(o, "value"), t.subject.Text("id"))
		},
	}
}

// elementCreated fails unless an operation on the value of a work address
// creates the address.
func (t *trial) elementCreated(operation string) {
	_, path := t.user("emails", nil)
	mail := t.freshUserName("created")
	e := t.element(t.change(path, op(operation, `emails[type eq "work"].value`, mail)), "emails", "work")
	t.equal("the work address", at(e, "value"), mail)
}

package probe_test

import (
	"net/http"
	"strings"

	"lockstep/internal/scim"
)

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

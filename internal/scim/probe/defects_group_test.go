package probe_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
)

var groupDefects = []defect{
	{name: "groups need members", want: "group-create", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return creates(r, "/Groups") && !strings.Contains(sent, `"value"`)
	})},
	{name: "a taken group name answers with the group", want: "group-duplicate", http: answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		if !creates(r, "/Groups") {
			return false
		}
		o, err := scim.ParseObject([]byte(sent))
		if err != nil || o.Text("displayName") == "" {
			return false
		}
		list, err := scim.ParseObject(do(next, r, "GET", "/Groups", "").Body.Bytes())
		if err != nil {
			return false
		}
		for _, v := range list.Elements("Resources") {
			if g := asObject(v); g.Text("displayName") == o.Text("displayName") {
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write(encoded(g))
				return true
			}
		}
		return false
	})},
	{name: "a group without a name is 500", want: "group-without-name", http: replying(func(r *http.Request, _ string, a *reply) {
		if creates(r, "/Groups") && a.status == 400 {
			a.refuse(500, "", "NullPointerException")
		}
	})},
	{name: "members of a new group are lost", want: "group-create-members bulk", dir: stores(func(o *scim.Object) { o.Delete("members") })},
	{name: "groups cannot be deleted", want: "group-delete", http: refusing(405, "", func(r *http.Request, _ string) bool { return r.Method == http.MethodDelete && isGroups(r) })},
	{name: "a null $ref is refused", want: "member-add", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool { return strings.Contains(sent, `"$ref":null`) })},
	{name: "removing a list clears the group", want: "member-remove-list", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if strings.EqualFold(op.Text("op"), "remove") && op.Text("path") == "members" {
				op.Delete("value")
			}
		}
	})},
	{name: "adding a present member is 409", want: "member-add-again", http: answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		if !patches(r) || !isGroups(r) || !strings.Contains(strings.ToLower(sent), `"op":"add"`) {
			return false
		}
		o, _ := scim.ParseObject([]byte(sent))
		g, err := scim.ParseObject(do(next, r, "GET", tail(r), "").Body.Bytes())
		if err != nil {
			return false
		}
		there := hasMemberIDs(g)
		for _, op := range operations(o) {
			for _, m := range op.Elements("value") {
				if slices.Contains(there, asObject(m).Text("value")) {
					a := &reply{header: http.Header{}}
					a.refuse(409, "uniqueness", "already a member")
					a.write(w)
					return true
				}
			}
		}
		return false
	})},
	{name: "members only one at a time", want: "member-add-several", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if l := op.Elements("value"); op.Text("op") == "Add" && len(l) == 2 && strings.Contains(string(encoded(o)), `"members"`) {
				op.Set("value", l[:1])
			}
		}
	})},
	{name: "no removal by path", want: "member-remove-path", http: refusing(400, "invalidPath", func(r *http.Request, sent string) bool {
		return patches(r) && isGroups(r) && strings.Contains(sent, `members[value eq`)
	})},
	{name: "remove all is refused", want: "member-remove-all", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"op":"remove","path":"members"}`)
	})},
	{name: "500 for an unknown member", want: "member-unknown", http: replying(func(r *http.Request, _ string, a *reply) {
		if patches(r) && isGroups(r) && a.status == 400 {
			a.refuse(500, "", "foreign key violation")
		}
	})},
	{name: "replace adds members", want: "member-replace member-replace-empty", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if op.Text("path") == "members" && op.Text("op") == "replace" {
				op.Set("op", "add")
			}
		}
	})},
	{name: "members come although excluded", want: "member-excluded", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if q := r.URL.Query(); isGroups(r) && q.Has("excludedAttributes") {
			q.Del("excludedAttributes")
			r.URL.RawQuery = q.Encode()
		}
		return false
	})},
	{name: "members come with every change", want: "member-patch-quiet", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if patches(r) && isGroups(r) {
			r.URL.RawQuery = "attributes=displayName,members"
		}
		return false
	})},
	{name: "a new name loses the members", want: "group-rename group-rename-okta", dir: edits(func(before, after *scim.Object) {
		if strings.Contains(after.Text("displayName"), "renamed") && before.Text("displayName") != after.Text("displayName") {
			after.Delete("members")
		}
	})},
	{name: "groups are looked up by members' ids wrongly", want: "member-query", http: asking(func(r *http.Request, f string) string {
		before, _, ok := strings.Cut(f, " and members eq")
		if ok && isGroups(r) {
			return before
		}
		return f
	})},
	{name: "lost updates", want: "member-parallel", dir: lostUpdates},
	{name: "the disabled leave their groups", want: "member-disabled", dir: func(d scim.Directory) scim.Directory {
		return directory{Directory: d, update: func(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
			r, err := d.Update(ctx, t, id, c, change)
			if err == nil && t.Name == "User" {
				if active, _ := r.Peek().Get("active"); active == false {
					err = forget(ctx, d, id)
				}
			}
			return r, err
		}}
	}},
}

// forget removes a member from all groups.
func forget(ctx context.Context, d scim.Directory, id string) error {
	groups, err := d.Query(ctx, scimtest.GroupType, scim.Query{StartIndex: 1, Count: 1000})
	if err != nil {
		return err
	}
	for _, g := range groups.Resources {
		if _, err := d.(scim.MemberEditor).EditMembers(ctx, g.ID, scim.Precondition{}, nil, []scim.Member{{Value: id}}); err != nil {
			return err
		}
	}
	return nil
}

// lostUpdates makes a Directory that reads and writes groups in two steps, of
// which two that meet read the same state.
func lostUpdates(d scim.Directory) scim.Directory {
	var mu sync.Mutex
	waiting := map[string]chan *scim.Object{}
	return directory{Directory: d, update: func(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
		current, err := d.Get(ctx, t, id, scim.Projection{})
		if err != nil || t.Name != "Group" || current.Peek().Text("displayName") == "" {
			return d.Update(ctx, t, id, c, change)
		}
		read := current.Clone()
		if err := change(read); err != nil {
			return nil, err
		}
		before, after := hasMemberIDs(current.Peek()), hasMemberIDs(read.Peek())
		if len(after) != len(before)+1 {
			return d.Update(ctx, t, id, c, change)
		}
		// The first of two waits a moment for the second, and the second writes
		// what it had read before the first wrote.
		mu.Lock()
		other, second := waiting[id]
		if !second {
			other = make(chan *scim.Object, 1)
			waiting[id] = other
		}
		mu.Unlock()
		if second {
			other <- read.Attributes().Clone()
			return d.Update(ctx, t, id, c, change)
		}
		select {
		case <-other:
		case <-time.After(20 * time.Millisecond):
		}
		mu.Lock()
		delete(waiting, id)
		mu.Unlock()
		return d.Update(ctx, t, id, c, func(r *scim.Resource) error {
			*r.Attributes() = *read.Attributes()
			return nil
		})
	}}
}

var lifecycleDefects = []defect{
	{name: "active stays true", want: "put-disables patch-no-path-disable disable", dir: edits(func(_, after *scim.Object) { after.Set("active", true) })},
	{name: "active takes no texts", want: "disable-text", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && (strings.Contains(sent, `"False"`) || strings.Contains(sent, `"True"`))
	})},
	{name: "any text is true", want: "disable-text", http: sending(func(r *http.Request, o *scim.Object) {
		for _, op := range operations(o) {
			if v, _ := op.Get("value"); op.Text("path") == "active" && v == "False" {
				op.Set("value", true)
			}
		}
	})},
	{name: "the disabled are hidden", want: "put-disables patch-no-path-disable disable", dir: func(d scim.Directory) scim.Directory {
		return directory{Directory: d, get: func(ctx context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error) {
			r, err := d.Get(ctx, t, id, p)
			if err == nil && t.Name == "User" {
				if active, _ := r.Peek().Get("active"); active == false {
					return nil, scim.Errorf(scim.NotFound, "no such user")
				}
			}
			return r, err
		}}
	}},
	{name: "the disabled are not found", want: "disabled-matched disabled-filter", dir: lists(nil, func(q scim.Query, p *scim.Page) {
		if q.Filter == nil {
			return
		}
		p.Resources = slices.DeleteFunc(p.Resources, func(r *scim.Resource) bool {
			active, _ := r.Peek().Get("active")
			if r.Type.Name == "User" && active == false {
				p.Total--
				return true
			}
			return false
		})
	})},
	{name: "the disabled lose their addresses", want: "disabled-kept", dir: edits(func(_, after *scim.Object) {
		if active, _ := after.Get("active"); active == false {
			after.Delete("emails")
		}
	})},
	{name: "nobody returns", want: "enable", http: refusing(400, "mutability", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"path":"active","value":true`)
	})},
	{name: "returning alone only", want: "enable-with-changes", http: refusing(400, "invalidValue", func(r *http.Request, sent string) bool {
		return patches(r) && strings.Contains(sent, `"path":"active","value":true`) && strings.Contains(sent, `"displayName"`)
	})},
	{name: "deletion is 200", want: "delete", http: replying(func(r *http.Request, _ string, a *reply) {
		if r.Method == http.MethodDelete && isUsers(r) && a.status == 204 {
			a.status, a.body = 200, &scim.Object{}
		}
	})},
	{name: "a second deletion succeeds", want: "deleted-twice", http: replying(func(r *http.Request, _ string, a *reply) {
		if r.Method == http.MethodDelete && a.status == 404 {
			a.status, a.body = 204, nil
		}
	})},
	{name: "the deleted can be changed", want: "deleted-patch patch-unknown-user", http: replying(func(r *http.Request, _ string, a *reply) {
		if patches(r) && a.status == 404 {
			a.status, a.body = 204, nil
		}
	})},
	{name: "the deleted hold their names", want: "deleted-recreated", dir: func(d scim.Directory) scim.Directory {
		var mu sync.Mutex
		gone := map[string]bool{}
		return directory{
			Directory: d,
			create: func(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
				mu.Lock()
				defer mu.Unlock()
				if gone[r.Peek().Text("userName")] {
					return nil, scim.Errorf(scim.Uniqueness, "the name is taken").On("userName")
				}
				return d.Create(ctx, r)
			},
			remove: func(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition) error {
				if r, err := d.Get(ctx, t, id, scim.Projection{}); err == nil && t.Name == "User" {
					mu.Lock()
					gone[r.Peek().Text("userName")] = true
					mu.Unlock()
				}
				return d.Delete(ctx, t, id, c)
			},
		}
	}},
	{name: "the deleted remain members", want: "deleted-member", http: func(next http.Handler) http.Handler {
		// The group as it was when it last had the member.
		var mu sync.Mutex
		gone := map[string]bool{}
		was := map[string][]scim.Value{}
		return replying(func(r *http.Request, sent string, a *reply) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case r.Method == http.MethodDelete && isUsers(r):
				gone[strings.TrimPrefix(tail(r), "/Users/")] = true
			case patches(r) && isGroups(r):
				if o, err := scim.ParseObject([]byte(sent)); err == nil && len(operations(o)) == 1 {
					was[tail(r)] = append(was[tail(r)], operations(o)[0].Elements("value")...)
				}
			case r.Method == http.MethodGet && isGroups(r) && isOne(r) && a.status == 200:
				l := a.body.Elements("members")
				for _, m := range was[tail(r)] {
					if gone[asObject(m).Text("value")] {
						l = append(l, m)
					}
				}
				if l != nil {
					a.body.Set("members", l)
				}
			}
		})(next)
	}},
}

package probe

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"lockstep/internal/scim"
)

// A trial is one check being carried out. Its methods that find something
// wrong end it: what follows in a check may rely on what came before.
type trial struct {
	*session
	ctx       context.Context
	check     *check
	outcome   Outcome
	detail    string
	exchanges []Exchange
}

// ended is what ends a trial before the end of its check.
type ended struct{}

func (t *trial) perform() {
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(ended); !ok {
				panic(v)
			}
		}
	}()
	t.outcome = Pass
	t.check.run(t)
}

func (t *trial) end(o Outcome, format string, args ...any) {
	t.outcome, t.detail = o, fmt.Sprintf(format, args...)
	panic(ended{})
}

func (t *trial) fail(format string, args ...any) { t.end(Fail, format, args...) }
func (t *trial) skip(format string, args ...any) { t.end(Skip, format, args...) }

// warn notes what most clients put up with; the check goes on.
func (t *trial) warn(format string, args ...any) {
	if t.outcome == Pass {
		t.outcome, t.detail = Warn, fmt.Sprintf(format, args...)
	}
}

// recall shows an exchange of an earlier check as one of this.
func (t *trial) recall(a *answer) *answer {
	b := *a
	b.t = t
	t.exchanges = append(t.exchanges, a.exchange)
	return &b
}

// fresh returns a name that nothing else has.
func (t *trial) fresh(suffix string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names++
	name := fmt.Sprintf("%s-%d", t.prefix, t.names)
	if suffix != "" {
		name += "-" + suffix
	}
	return name
}

func (t *trial) freshUserName(suffix string) string { return t.fresh(suffix) + "@" + t.o.Domain }

// guid returns a random identifier, as Entra ID uses it in its test of the
// connection.
func guid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// obj returns an object of names and values in turn.
func obj(pairs ...scim.Value) *scim.Object { return scim.NewObject(pairs...) }

// list returns a list of values.
func list(values ...scim.Value) []scim.Value { return values }

// null stands for a JSON null in userBody.
var null = new(int)

// userBody returns the body of a user with a name of its own. Further names
// and values replace or complete it; a value of nil takes one out.
func (t *trial) userBody(pairs ...scim.Value) *scim.Object {
	userName := t.freshUserName("")
	o := obj("schemas", list(scim.URNUser),
		"userName", userName,
		"name", obj("givenName", "Ines", "familyName", "Duarte"),
		"displayName", strings.TrimSuffix(userName, "@"+t.o.Domain)+" Ines Duarte",
		"active", true,
		"emails", list(obj("value", userName, "type", "work", "primary", true)))
	for i := 0; i+1 < len(pairs); i += 2 {
		name := pairs[i].(string)
		switch pairs[i+1] {
		case nil:
			o.Delete(name)
			continue
		case null:
			o.Set(name, nil)
			continue
		}
		o.Set(name, pairs[i+1])
		if strings.Contains(name, ":") {
			o.Set("schemas", append(slices.Clone(o.Elements("schemas")), scim.Value(name)))
		}
	}
	return o
}

// user creates a user that the check works on and returns its body and path.
func (t *trial) user(pairs ...scim.Value) (body *scim.Object, path string) {
	body = t.userBody(pairs...)
	return body, t.create("/Users", body)
}

// group creates a group with the given members and returns its name and path.
func (t *trial) group(members ...string) (name, path string) {
	name = t.fresh("group")
	path = t.create("/Groups", obj("schemas", list(scim.URNGroup), "displayName", name))
	if len(members) > 0 {
		t.patch(path, op("add", "members", refs(members...))).is(200, 204)
	}
	return name, path
}

// create creates a resource and returns its path.
func (t *trial) create(collection string, body *scim.Object) string {
	a := t.post(collection, body)
	id := a.id()
	if a.status/100 != 2 || id == "" {
		t.fail("what the check works on could not be created: %s answered %s", a.what(), a.summary())
	}
	return collection + "/" + url.PathEscape(id)
}

// refs returns references to ids, as members and managers have them.
func refs(ids ...string) []scim.Value {
	var l []scim.Value
	for _, id := range ids {
		l = append(l, obj("value", id))
	}
	return l
}

func idOf(path string) string {
	id, err := url.PathUnescape(path[strings.LastIndexByte(path, '/')+1:])
	if err != nil {
		return ""
	}
	return id
}

// op returns one operation of a PATCH; without a path for "".
func op(name, path string, value ...scim.Value) *scim.Object {
	o := obj("op", name)
	if path != "" {
		o.Set("path", path)
	}
	if len(value) > 0 {
		o.Set("value", value[0])
	}
	return o
}

func patchBody(ops ...*scim.Object) *scim.Object {
	var l []scim.Value
	for _, o := range ops {
		l = append(l, o)
	}
	return obj("schemas", list(scim.URNPatchOp), "Operations", l)
}

// The requests. A query is given as names and values in turn.

func (t *trial) get(path string, query ...string) *answer {
	return t.send(request{method: http.MethodGet, path: path, query: encode(query)})
}

func (t *trial) post(path string, body *scim.Object) *answer {
	return t.send(request{method: http.MethodPost, path: path, body: t.json(body)})
}

func (t *trial) put(path string, body *scim.Object) *answer {
	return t.send(request{method: http.MethodPut, path: path, body: t.json(body)})
}

func (t *trial) patch(path string, ops ...*scim.Object) *answer {
	return t.send(request{method: http.MethodPatch, path: path, body: t.json(patchBody(ops...))})
}

func (t *trial) delete(path string) *answer {
	return t.send(request{method: http.MethodDelete, path: path})
}

// read returns the resource at path as it is now.
func (t *trial) read(path string) *scim.Object { return t.get(path).is(200).json() }

// find returns what a filter selects in a collection.
func (t *trial) find(collection, filter string) *answer {
	return t.get(collection, "filter", filter).is(200)
}

// change patches the resource at path and returns how it reads afterwards.
func (t *trial) change(path string, ops ...*scim.Object) *scim.Object {
	t.patch(path, ops...).is(200, 204)
	return t.read(path)
}

func (t *trial) json(body *scim.Object) []byte {
	b, err := scim.AppendJSON(nil, body)
	if err != nil {
		t.fail("the request could not be written: %v", err)
	}
	return b
}

// encode encodes a query as Entra ID does, with spaces as plus signs.
func encode(pairs []string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(pairs[i]) + "=" + url.QueryEscape(pairs[i+1]))
	}
	return b.String()
}

// quote returns a text as a filter has it: in JSON.
func quote(s string) string {
	b, err := scim.AppendJSON(nil, s)
	if err != nil {
		return `""`
	}
	return string(b)
}

func eq(path, value string) string { return path + " eq " + quote(value) }

// equal compares one value that was read with what it should be.
func (t *trial) equal(what string, got, want scim.Value) {
	if !scim.Equal(got, want) {
		t.fail("%s reads %s; expected %s", what, show(got), show(want))
	}
}

// show writes a value for a report.
func show(v scim.Value) string {
	if v == nil {
		return "nothing"
	}
	b, err := scim.AppendJSON(nil, v)
	if err != nil {
		return "something unreadable"
	}
	return cut(string(b), 200)
}

// at returns the value at a path of names below o, nil when there is none.
func at(o *scim.Object, names ...string) scim.Value {
	var v scim.Value = o
	for _, name := range names {
		child, ok := v.(*scim.Object)
		if !ok {
			return nil
		}
		v, _ = child.Get(name)
	}
	return v
}

// objects returns the complex values of a list.
func objects(values []scim.Value) []*scim.Object {
	var l []*scim.Object
	for _, v := range values {
		if o, ok := v.(*scim.Object); ok {
			l = append(l, o)
		}
	}
	return l
}

// elements returns the elements of a multi-valued attribute whose type is kind.
func elements(o *scim.Object, attr, kind string) []*scim.Object {
	return slices.DeleteFunc(objects(o.Elements(attr)), func(e *scim.Object) bool { return !strings.EqualFold(e.Text("type"), kind) })
}

// element returns the one element of that type, and fails if there is not
// exactly one.
func (t *trial) element(o *scim.Object, attr, kind string) *scim.Object {
	l := elements(o, attr, kind)
	if len(l) != 1 {
		t.fail("%s has %d elements of type %s; expected one", attr, len(l), kind)
	}
	return l[0]
}

// memberIDs returns the ids of a group's members, sorted.
func memberIDs(group *scim.Object) []string {
	ids := []string{}
	for _, m := range objects(group.Elements("members")) {
		ids = append(ids, m.Text("value"))
	}
	slices.Sort(ids)
	return ids
}

// members fails unless the group at path has just these members.
func (t *trial) members(path string, want ...string) {
	got := memberIDs(t.read(path))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.fail("the group has %d members %v; expected %d: %v", len(got), got, len(want), want)
	}
}

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

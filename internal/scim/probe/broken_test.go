package probe_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	"lockstep/internal/scim"
)

// The tools that the deliberately broken servers are made of.

type middleware = func(http.Handler) http.Handler

// answering makes a middleware that answers some requests itself. h returns
// whether it did.
func answering(h func(w http.ResponseWriter, r *http.Request, next http.Handler) bool) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !h(w, r, next) {
				next.ServeHTTP(w, r)
			}
		})
	}
}

// A reply is a response on its way out.
type reply struct {
	status int
	header http.Header
	body   *scim.Object
	raw    []byte // sent instead of body when not nil
}

// replying makes a middleware that edits responses. The request's body has
// been read; sent holds it.
func replying(edit func(r *http.Request, sent string, a *reply)) middleware {
	return answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		a := &reply{status: rec.Code, header: rec.Header()}
		if o, err := scim.ParseObject(rec.Body.Bytes()); err == nil {
			a.body = o
		}
		edit(r, sent, a)
		a.write(w)
		return true
	})
}

func (a *reply) write(w http.ResponseWriter) {
	b := a.raw
	if b == nil && a.body != nil && a.status != http.StatusNoContent {
		b = encoded(a.body)
	}
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	h.Del("Content-Length")
	w.WriteHeader(a.status)
	_, _ = w.Write(b)
}

// resources returns the resources in a response: those of a list, or the one.
func (a *reply) resources() []*scim.Object {
	if a.body == nil {
		return nil
	}
	if _, ok := a.body.Get("Resources"); ok {
		var l []*scim.Object
		for _, v := range a.body.Elements("Resources") {
			l = append(l, v.(*scim.Object))
		}
		return l
	}
	if a.body.Text("id") == "" {
		return nil
	}
	return []*scim.Object{a.body}
}

// users is resources of requests to /Users, groups of those to /Groups.
func (a *reply) users(r *http.Request) []*scim.Object {
	if !isUsers(r) {
		return nil
	}
	return a.resources()
}

// refuse makes the response an error.
func (a *reply) refuse(status int, scimType, detail string) {
	a.status, a.body = status, errorBody(status, scimType, detail)
	a.header.Set("Content-Type", "application/scim+json")
}

func errorBody(status int, scimType, detail string) *scim.Object {
	o := scim.NewObject("schemas", []scim.Value{scim.URNError}, "status", strconv.Itoa(status), "detail", detail)
	if scimType != "" {
		o.Set("scimType", scimType)
	}
	return o
}

// refusing makes a middleware that refuses the requests that match.
func refusing(status int, scimType string, matches func(r *http.Request, sent string) bool) middleware {
	return answering(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if !matches(r, readBody(r)) {
			return false
		}
		a := &reply{header: http.Header{}}
		a.refuse(status, scimType, "this server does not do that")
		a.write(w)
		return true
	})
}

// sending makes a middleware that edits request bodies.
func sending(edit func(r *http.Request, body *scim.Object)) middleware {
	return answering(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		sent := readBody(r)
		if o, err := scim.ParseObject([]byte(sent)); err == nil {
			edit(r, o)
			setBody(r, encoded(o))
		}
		next.ServeHTTP(w, r)
		return true
	})
}

// asking makes a middleware that edits the filter of queries.
func asking(edit func(r *http.Request, filter string) string) middleware {
	return answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		q := r.URL.Query()
		if f := q.Get("filter"); f != "" {
			q.Set("filter", edit(r, f))
			if q.Get("filter") == "" {
				q.Del("filter")
			}
			r.URL.RawQuery = q.Encode()
		}
		return false
	})
}

func readBody(r *http.Request) string {
	b, _ := io.ReadAll(r.Body)
	setBody(r, b)
	return string(b)
}

func setBody(r *http.Request, b []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
}

func encoded(o *scim.Object) []byte {
	b, err := scim.AppendJSON(nil, o)
	if err != nil {
		panic(err)
	}
	return b
}

// do sends a request of the middleware's own to the server behind it.
func do(next http.Handler, r *http.Request, method, path, body string) *httptest.ResponseRecorder {
	in := httptest.NewRequestWithContext(r.Context(), method, "http://scim.example/scim/v2"+path, strings.NewReader(body))
	in.Header = r.Header.Clone()
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, in)
	return rec
}

func tail(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/scim/v2") }

func isUsers(r *http.Request) bool  { return strings.HasPrefix(strings.TrimLeft(tail(r), "/"), "Users") }
func isGroups(r *http.Request) bool { return strings.HasPrefix(tail(r), "/Groups") }

func isOne(r *http.Request) bool { return strings.Count(strings.Trim(tail(r), "/"), "/") == 1 }

func creates(r *http.Request, collection string) bool {
	return r.Method == http.MethodPost && tail(r) == collection
}

func patches(r *http.Request) bool { return r.Method == http.MethodPatch }

func filterOf(r *http.Request) string { return r.URL.Query().Get("filter") }

// operations returns the operations of a PATCH.
func operations(body *scim.Object) []*scim.Object {
	var l []*scim.Object
	for _, v := range body.Elements("Operations") {
		if o, ok := v.(*scim.Object); ok {
			l = append(l, o)
		}
	}
	return l
}

// A directory is a scim.Directory of which some methods are replaced. It is no
// scim.MemberEditor.
type directory struct {
	scim.Directory
	get    func(ctx context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error)
	query  func(ctx context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error)
	create func(ctx context.Context, r *scim.Resource) (*scim.Resource, error)
	update func(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error)
	remove func(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition) error
}

func (d directory) Get(ctx context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error) {
	if d.get != nil {
		return d.get(ctx, t, id, p)
	}
	return d.Directory.Get(ctx, t, id, p)
}

func (d directory) Query(ctx context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error) {
	if d.query != nil {
		return d.query(ctx, t, q)
	}
	return d.Directory.Query(ctx, t, q)
}

func (d directory) Create(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
	if d.create != nil {
		return d.create(ctx, r)
	}
	return d.Directory.Create(ctx, r)
}

func (d directory) Update(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
	if d.update != nil {
		return d.update(ctx, t, id, c, change)
	}
	return d.Directory.Update(ctx, t, id, c, change)
}

func (d directory) Delete(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition) error {
	if d.remove != nil {
		return d.remove(ctx, t, id, c)
	}
	return d.Directory.Delete(ctx, t, id, c)
}

// edits makes a Directory in which finish has the last word on what an update
// stores.
func edits(finish func(before, after *scim.Object)) func(scim.Directory) scim.Directory {
	return func(d scim.Directory) scim.Directory {
		return directory{Directory: d, update: func(ctx context.Context, t *scim.ResourceType, id string, c scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
			return d.Update(ctx, t, id, c, func(r *scim.Resource) error {
				before := r.Attributes().Clone()
				if err := change(r); err != nil {
					return err
				}
				finish(before, r.Attributes())
				return nil
			})
		}}
	}
}

// stores makes a Directory that changes what is created.
func stores(edit func(*scim.Object)) func(scim.Directory) scim.Directory {
	return func(d scim.Directory) scim.Directory {
		return directory{Directory: d, create: func(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
			edit(r.Attributes())
			return d.Create(ctx, r)
		}}
	}
}

// lists makes a Directory that changes queries and their pages.
func lists(before func(*scim.Query), after func(scim.Query, *scim.Page)) func(scim.Directory) scim.Directory {
	return func(d scim.Directory) scim.Directory {
		return directory{Directory: d, query: func(ctx context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error) {
			asked := q
			if before != nil {
				before(&q)
			}
			p, err := d.Query(ctx, t, q)
			if err == nil && after != nil {
				after(asked, p)
			}
			return p, err
		}}
	}
}

func hasMemberIDs(o *scim.Object) []string {
	var ids []string
	for _, v := range o.Elements("members") {
		if m, ok := v.(*scim.Object); ok {
			ids = append(ids, m.Text("value"))
		}
	}
	slices.Sort(ids)
	return ids
}

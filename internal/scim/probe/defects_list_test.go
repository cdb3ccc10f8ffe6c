package probe_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"lockstep/internal/scim"
)

// turn makes the server without an order answer differently each time.
var turn atomic.Int64

var listDefects = []defect{
	{name: "pages count from 0", want: "page-walk", dir: lists(func(q *scim.Query) {
		if q.StartIndex > 1 {
			q.StartIndex++
		}
	}, nil)},
	{name: "pages overlap", want: "page-walk", dir: lists(func(q *scim.Query) {
		if q.StartIndex == 3 {
			q.StartIndex--
		}
	}, nil)},
	{name: "the total is that of the page", want: "page-walk list-count-zero list-beyond-end", dir: lists(nil, func(q scim.Query, p *scim.Page) {
		if q.Cursor == nil {
			p.Total = len(p.Resources)
		}
	})},
	{name: "count is ignored", want: "list-count list-count-zero list-start-low page-walk cursor-walk", dir: lists(func(q *scim.Query) { q.Count = 100 }, nil)},
	{name: "itemsPerPage is what was asked", want: "page-walk", http: replying(func(r *http.Request, _ string, a *reply) {
		if n := r.URL.Query().Get("count"); n != "" && n != "0" && a.body != nil {
			if _, ok := a.body.Get("itemsPerPage"); ok {
				a.body.Set("itemsPerPage", json.Number(n))
			}
		}
	})},
	{name: "count=0 is everybody", want: "list-count-zero list-start-low", dir: lists(func(q *scim.Query) {
		if q.Count == 0 {
			q.Count = 100
		}
	}, nil)},
	{name: "startIndex 0 is refused", want: "list-start-low", http: refusing(400, "invalidValue", func(r *http.Request, _ string) bool { return r.URL.Query().Get("startIndex") == "0" })},
	{name: "beyond the end is the last page", want: "list-beyond-end page-beyond", dir: lists(func(q *scim.Query) {
		if q.StartIndex > 5 {
			q.StartIndex = 1
		}
	}, nil)},
	{name: "no order", want: "page-stable", dir: lists(nil, func(q scim.Query, p *scim.Page) {
		if q.SortBy == nil && len(p.Resources) > 2 {
			n := int(turn.Add(1)) % len(p.Resources)
			p.Resources = slices.Concat(p.Resources[n:], p.Resources[:n])
		}
	})},
	{name: "a synthetic user", want: "list-not-synthetic", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/Users" && r.Method == http.MethodGet && filterOf(r) == "" && r.URL.Query().Get("startIndex") == "" && len(a.resources()) > 0 {
			a.resources()[0].Set("id", "sample")
		}
	})},
	{name: "a cursor is an offset", want: "cursor-deletions cursor-invalid", dir: func(d scim.Directory) scim.Directory {
		return directory{Directory: d, query: func(ctx context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error) {
			if q.Cursor == nil {
				return d.Query(ctx, t, q)
			}
			from, _ := strconv.Atoi(*q.Cursor)
			q.StartIndex, q.Cursor = from+1, nil
			p, err := d.Query(ctx, t, q)
			if err == nil && from+len(p.Resources) < p.Total {
				p.NextCursor = strconv.Itoa(from + len(p.Resources))
			}
			return p, err
		}}
	}},
	{name: "cursors never end", want: "cursor-walk", http: replying(func(r *http.Request, _ string, a *reply) {
		if r.URL.Query().Has("cursor") && a.status == 200 && a.body.Text("nextCursor") == "" {
			a.body.Set("nextCursor", r.URL.Query().Get("cursor"))
		}
	})},
	{name: "does not sort", want: "sort-ascending sort-descending", dir: lists(func(q *scim.Query) { q.SortBy = nil }, nil)},
	{name: "sorts upwards only", want: "sort-descending", dir: lists(func(q *scim.Query) { q.Descending = false }, nil)},
	{name: "no ETag header", want: "etag-header", http: replying(func(_ *http.Request, _ string, a *reply) { a.header.Del("Etag") })},
	{name: "ignores If-None-Match", want: "etag-not-modified", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		r.Header.Del("If-None-Match")
		return false
	})},
	{name: "ignores If-Match", want: "etag-changes", http: answering(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		r.Header.Del("If-Match")
		return false
	})},
	{name: "advertises bulk and has none", want: "bulk", http: refusing(501, "", func(r *http.Request, _ string) bool { return tail(r) == "/Bulk" })},
	{name: "bulk fails as a whole", want: "bulk-mixed", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/Bulk" && strings.Contains(string(encoded(a.body)), `"409"`) {
			a.refuse(409, "uniqueness", "one operation failed")
		}
	})},
	{name: "search does not filter", want: "search", http: sending(func(r *http.Request, o *scim.Object) {
		if strings.HasSuffix(tail(r), "/.search") {
			o.Delete("filter")
		}
	})},
}

var errorDefects = []defect{
	{name: "errors in plain text", want: "error-body error-content-type error-unauthorized error-no-endpoint error-syntax error-conflict filter-invalid duplicate-scim-type group-duplicate", http: replying(func(r *http.Request, _ string, a *reply) {
		if a.status >= 400 {
			a.raw = []byte("error")
			a.header.Set("Content-Type", "text/plain")
		}
	})},
	{name: "status as a number", want: "error-body error-unauthorized error-invalid-filter error-syntax error-conflict", http: replying(func(_ *http.Request, _ string, a *reply) {
		if a.status >= 400 && a.body != nil {
			a.body.Set("status", json.Number(strconv.Itoa(a.status)))
		}
	})},
	{name: "detail as an object", want: "error-body", http: replying(func(_ *http.Request, _ string, a *reply) {
		if a.status == 404 && a.body != nil {
			a.body.Set("detail", scim.NewObject("message", a.body.Text("detail")))
		}
	})},
	{name: "404 for the wrong page is HTML", want: "error-no-endpoint", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/LockstepProbe" {
			a.raw = []byte("<html>Not found</html>")
		}
	})},
	{name: "anything goes", want: "error-no-endpoint", http: answering(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if tail(r) != "/LockstepProbe" {
			return false
		}
		_, _ = w.Write([]byte("{}"))
		return true
	})},
	{name: "PUT of everybody", want: "error-method", http: answering(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		return r.Method == http.MethodPut && tail(r) == "/Users"
	})},
	{name: "500 for bad syntax", want: "error-syntax", http: replying(func(r *http.Request, _ string, a *reply) {
		if a.body.Text("scimType") == "invalidSyntax" && creates(r, "/Users") {
			a.refuse(500, "", "unexpected end of input")
		}
	})},
	{name: "500 for XML", want: "error-media-type", http: replying(func(_ *http.Request, _ string, a *reply) {
		if a.status == 415 {
			a.refuse(500, "", "unexpected <")
		}
	})},
	{name: "500 for Me", want: "error-me", http: replying(func(r *http.Request, _ string, a *reply) {
		if tail(r) == "/Me" {
			a.refuse(500, "", "NullPointerException")
		}
	})},
}

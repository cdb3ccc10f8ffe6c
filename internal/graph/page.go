package graph

import (
	"context"
	"errors"
	"iter"
	"net/http"
)

// A Page is one answer of a collection. NextLink leads to the next page;
// DeltaLink, on the last page of a delta query, to what will have changed.
// A page may be empty and still have a next one.
type Page[T any] struct {
	Context   string `json:"@odata.context,omitempty"`
	Count     *int   `json:"@odata.count,omitempty"`
	NextLink  string `json:"@odata.nextLink,omitempty"`
	DeltaLink string `json:"@odata.deltaLink,omitempty"`
	Value     []T    `json:"value"`
}

// errCircular is for a page that names itself as its next.
var errCircular = errors.New("a page of Microsoft Graph names itself as the next one, so reading would never end")

// Pages reads a collection page by page. start is a path such as "/users", or a
// link that an earlier page gave; a link carries its own query, and q then
// serves for its headers only.
func Pages[T any](ctx context.Context, c *Client, start string, q Query) iter.Seq2[*Page[T], error] {
	return func(yield func(*Page[T], error) bool) {
		for ref := start; ; {
			p := &Page[T]{}
			if err := c.do(ctx, &call{method: http.MethodGet, ref: ref, query: q}, p); err != nil {
				yield(nil, err)
				return
			}
			switch {
			case p.NextLink == "":
			case p.NextLink == ref:
				yield(nil, errCircular)
				return
			case !c.Owns(p.NextLink):
				// Found out now, before this page counts as read.
				yield(nil, c.foreign(p.NextLink))
				return
			}
			if !yield(p, nil) || p.NextLink == "" {
				return
			}
			ref = p.NextLink
		}
	}
}

// List reads every object of a collection.
func List[T any](ctx context.Context, c *Client, path string, q Query) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for p, err := range Pages[T](ctx, c, path, q) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range p.Value {
				if !yield(&p.Value[i], nil) {
					return
				}
			}
		}
	}
}

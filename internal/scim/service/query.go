package service

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"lockstep/internal/scim"
)

// list answers GET of a collection (RFC 7644 section 3.4.2).
func (q *request) list() error {
	t, err := q.resourceTypeOf(q.kind)
	if err != nil {
		return err
	}
	return q.answerQuery(t)
}

// search answers POST …/.search (RFC 7644 section 3.4.3).
func (q *request) search() error {
	t, err := q.resourceTypeOf(q.kind)
	if err != nil {
		return err
	}
	if err := q.searchBody(); err != nil {
		return err
	}
	return q.answerQuery(t)
}

func (q *request) searchBody() error {
	o, err := q.object()
	if err != nil {
		return err
	}
	return q.params.fromSearch(o)
}

func (q *request) answerQuery(t *scim.ResourceType) error {
	query, err := q.params.query(t, q.limits)
	if err != nil {
		return err
	}
	page, err := q.account.Directory.Query(q.ctx(), t, query)
	if err != nil {
		return err
	}
	l := q.startList(page.Total, query, len(page.Resources), page.NextCursor, page.PrevCursor)
	if err := l.add(t, page.Resources, query.Projection); err != nil {
		return err
	}
	l.end()
	return nil
}

// A listing writes a ListResponse into the request's output.
type listing struct {
	q *request
	n int
}

func (q *request) startList(total int, query scim.Query, n int, next, prev string) *listing {
	b := append(q.out, `{"schemas":["`+scim.URNListResponse+`"],"totalResults":`...)
	b = strconv.AppendInt(b, int64(total), 10)
	if query.Cursor == nil {
		b = append(b, `,"startIndex":`...)
		b = strconv.AppendInt(b, int64(query.StartIndex), 10)
	}
	b = append(b, `,"itemsPerPage":`...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = appendCursor(b, "previousCursor", prev)
	b = appendCursor(b, "nextCursor", next)
	q.out = append(b, `,"Resources":[`...)
	return &listing{q: q}
}

func appendCursor(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	// A cursor is made of unreserved characters; anything else is quoted safely.
	b, _ = jsontext.AppendQuote(b, value)
	return b
}

func (l *listing) add(t *scim.ResourceType, resources []*scim.Resource, p scim.Projection) error {
	for _, r := range resources {
		if l.n > 0 {
			l.q.out = append(l.q.out, ',')
		}
		l.n++
		var err error
		if l.q.out, err = l.q.appendResource(l.q.out, t, r, p); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) end() {
	l.q.out = append(l.q.out, `]}`...)
	l.q.status = http.StatusOK
}

// queryAll answers GET of the base URL: a query over all resource types (RFC
// 7644 section 3.4.2.1).
func (q *request) queryAll() error { return q.answerAll() }

// searchAll answers POST /.search.
func (q *request) searchAll() error {
	if err := q.searchBody(); err != nil {
		return err
	}
	return q.answerAll()
}

// answerAll answers a query over all resource types: users first, then groups,
// sorted within each type. A filter on an attribute that a type does not have
// matches none of its resources.
func (q *request) answerAll() error {
	parts, err := q.parts()
	if err != nil {
		return err
	}
	var (
		total, n   int
		next, prev string
		query      scim.Query
	)
	if q.params.cursor != nil {
		total, next, err = q.walkAll(parts)
		query.Cursor = q.params.cursor
	} else {
		query = parts[0].query
		total, err = q.pageAll(parts)
	}
	if err != nil {
		return err
	}
	for _, p := range parts {
		n += len(p.found)
	}
	l := q.startList(total, query, n, next, prev)
	for _, p := range parts {
		if err := l.add(p.t, p.found, p.query.Projection); err != nil {
			return err
		}
	}
	l.end()
	return nil
}

// A part is what a query over all types asks of one of them.
type part struct {
	t     *scim.ResourceType
	query scim.Query
	found []*scim.Resource
}

func (q *request) parts() ([]*part, error) {
	var (
		parts   []*part
		refused error
		sorted  = q.params.sortBy == ""
	)
	for _, t := range q.account.types() {
		params := q.params
		if by, err := scim.ParsePath(params.sortBy); err == nil {
			if _, _, _, ok := t.Resolve(by); ok {
				sorted = true
			} else {
				params.sortBy = "" // the other types may have it
			}
		}
		query, err := params.query(t, q.limits)
		if err != nil {
			return nil, err
		}
		if query.Filter != nil {
			f, matches := restrict(t, query.Filter)
			if matches == never {
				if _, err := scim.CompileFilter(t, query.Filter); refused == nil {
					refused = err
				}
				continue
			}
			query.Filter = f
		}
		parts = append(parts, &part{t: t, query: query})
	}
	switch {
	case len(parts) == 0 && refused != nil:
		return nil, refused
	case len(parts) == 0:
		return nil, scim.Errorf(scim.NotFound, "this account has no resources to query")
	case !sorted:
		return nil, scim.Errorf(scim.InvalidPath, "sortBy names %q, which is no attribute of any resource type", q.params.sortBy).On(q.params.sortBy)
	}
	return parts, nil
}

// A matches says what is known of a filter before any resource is seen.
type matches uint8

const (
	perhaps matches = iota
	never
	always
)

// restrict returns the filter that f is for resources of type t, of which a
// comparison with an attribute that t does not have is never true. The filter
// is nil unless the answer is perhaps.
func restrict(t *scim.ResourceType, f scim.Filter) (scim.Filter, matches) {
	var path scim.Path
	switch f := f.(type) {
	case *scim.And:
		return restrictAll(t, f.Operands, always, never, func(ops []scim.Filter) scim.Filter { return &scim.And{Operands: ops} })
	case *scim.Or:
		return restrictAll(t, f.Operands, never, always, func(ops []scim.Filter) scim.Filter { return &scim.Or{Operands: ops} })
	case *scim.Not:
		switch inner, m := restrict(t, f.Operand); m {
		case never:
			return nil, always
		case always:
			return nil, never
		default:
			return &scim.Not{Operand: inner}, perhaps
		}
	case *scim.Comparison:
		path = f.Path
	case *scim.Present:
		path = f.Path
	case *scim.ValuePath:
		path = f.Path
	}
	if _, _, _, ok := t.Resolve(path); !ok {
		return nil, never
	}
	return f, perhaps
}

// restrictAll restricts the operands of a conjunction or disjunction: neutral
// ones drop out, an absorbing one decides.
func restrictAll(t *scim.ResourceType, operands []scim.Filter, neutral, absorbing matches, join func([]scim.Filter) scim.Filter) (scim.Filter, matches) {
	var rest []scim.Filter
	for _, o := range operands {
		switch f, m := restrict(t, o); m {
		case absorbing:
			return nil, absorbing
		case perhaps:
			rest = append(rest, f)
		}
	}
	switch len(rest) {
	case 0:
		return nil, neutral
	case 1:
		return rest[0], perhaps
	}
	return join(rest), perhaps
}

// pageAll reads one page by index over the parts, as if they were one list.
func (q *request) pageAll(parts []*part) (total int, err error) {
	start, count := parts[0].query.StartIndex, parts[0].query.Count
	for _, p := range parts {
		p.query.StartIndex, p.query.Count = max(1, start-total), count
		page, err := q.account.Directory.Query(q.ctx(), p.t, p.query)
		if err != nil {
			return 0, err
		}
		p.found = page.Resources
		total += page.Total
		count -= len(page.Resources)
	}
	return total, nil
}

// walkAll reads one page by cursor: of the part that the cursor names, or of
// the first. Its cursors are those of the Directory, preceded by the name of
// the resource type and a dot.
func (q *request) walkAll(parts []*part) (total int, next string, err error) {
	name, inner, _ := strings.Cut(*q.params.cursor, ".")
	current := -1
	for i, p := range parts {
		if name == p.t.Name || *q.params.cursor == "" && i == 0 {
			current = i
			break
		}
	}
	if current < 0 {
		return 0, "", scim.Errorf(scim.InvalidCursor, "the cursor is not one of this query; start again with an empty cursor")
	}
	for i, p := range parts {
		query := p.query
		if i == current {
			query.Cursor = &inner
		} else {
			query.Cursor, query.Count = nil, 0
		}
		page, err := q.account.Directory.Query(q.ctx(), p.t, query)
		if err != nil {
			return 0, "", err
		}
		total += page.Total
		if i != current {
			continue
		}
		p.found = page.Resources
		switch {
		case page.NextCursor != "":
			next = p.t.Name + "." + page.NextCursor
		case i+1 < len(parts):
			next = parts[i+1].t.Name + "."
		}
	}
	return total, next, nil
}

package service

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"lockstep/internal/scim"
)

// params are the query parameters of RFC 7644 section 3.9 and section 3.4.2,
// and of RFC 9865, as they came in a URL or in a search request. Others are
// ignored: feature flags and the cache busters of proxies are not errors.
type params struct {
	filter, sortBy, sortOrder string
	attributes, excluded      string
	cursor                    *string
	startIndex, count         *int
}

// parse reads a raw query.
func (p *params) parse(raw string) error {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, value, _ := strings.Cut(pair, "=")
		if value == "" && key == "" {
			continue
		}
		set := p.text(key)
		number := p.number(key)
		isCursor := strings.EqualFold(key, "cursor")
		if set == nil && number == nil && !isCursor {
			continue
		}
		v, err := url.QueryUnescape(value)
		if err != nil {
			return scim.Errorf(scim.InvalidSyntax, "the query parameter %s is not properly percent-encoded", key)
		}
		switch {
		case set != nil:
			*set = v
		case isCursor:
			p.cursor = &v
		default:
			n, err := strconv.Atoi(strings.TrimSpace(v))
			if err != nil {
				return scim.Errorf(scim.InvalidValue, "the query parameter %s must be a whole number, not %q", key, v)
			}
			*number = &n
		}
	}
	return nil
}

func (p *params) text(name string) *string {
	switch {
	case strings.EqualFold(name, "filter"):
		return &p.filter
	case strings.EqualFold(name, "attributes"):
		return &p.attributes
	case strings.EqualFold(name, "excludedAttributes"):
		return &p.excluded
	case strings.EqualFold(name, "sortBy"):
		return &p.sortBy
	case strings.EqualFold(name, "sortOrder"):
		return &p.sortOrder
	}
	return nil
}

func (p *params) number(name string) **int {
	switch {
	case strings.EqualFold(name, "startIndex"):
		return &p.startIndex
	case strings.EqualFold(name, "count"):
		return &p.count
	}
	return nil
}

// fromSearch reads the body of a search request (RFC 7644 section 3.4.3).
func (p *params) fromSearch(o *scim.Object) error {
	if !hasSchema(o, scim.URNSearchRequest) {
		return scim.Errorf(scim.InvalidSyntax, "a search request names the schema %s in \"schemas\"", scim.URNSearchRequest)
	}
	for name, v := range o.All() {
		if v == nil {
			continue
		}
		if set := p.text(name); set != nil {
			s, ok := listed(v)
			if !ok {
				return scim.Errorf(scim.InvalidValue, "%q in a search request has a value of the wrong type", name)
			}
			*set = s
			continue
		}
		if number := p.number(name); number != nil {
			j, _ := v.(json.Number)
			n, err := strconv.Atoi(string(j))
			if err != nil {
				return scim.Errorf(scim.InvalidValue, "%q in a search request must be a whole number", name)
			}
			*number = &n
			continue
		}
		if strings.EqualFold(name, "cursor") {
			s, ok := v.(string)
			if !ok {
				return scim.Errorf(scim.InvalidCursor, "\"cursor\" in a search request must be a string")
			}
			p.cursor = &s
		}
	}
	return nil
}

// listed returns a string, or a list of strings joined by commas.
func listed(v scim.Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []scim.Value:
		var b strings.Builder
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				return "", false
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(s)
		}
		return b.String(), true
	}
	return "", false
}

func hasSchema(o *scim.Object, urn string) bool {
	for _, v := range o.Elements("schemas") {
		if s, _ := v.(string); strings.EqualFold(s, urn) {
			return true
		}
	}
	return false
}

// projection returns what the client wants of resources of type t.
func (p *params) projection(t *scim.ResourceType) (scim.Projection, error) {
	if p.attributes == "" && p.excluded == "" {
		return scim.Projection{}, nil
	}
	return scim.ParseProjection(t, p.attributes, p.excluded)
}

// query returns the query for resources of type t, within the limits.
func (p *params) query(t *scim.ResourceType, l Limits) (scim.Query, error) {
	q := scim.Query{StartIndex: 1, Count: l.DefaultPage, Cursor: p.cursor}
	if p.startIndex != nil {
		q.StartIndex = max(1, *p.startIndex)
	}
	if p.count != nil {
		if q.Cursor != nil && *p.count < 1 {
			return q, scim.Errorf(scim.InvalidCount, "with a cursor, count must be between 1 and %d, not %d", l.MaxPage, *p.count)
		}
		q.Count = min(max(0, *p.count), l.MaxPage)
	}
	var err error
	if q.Projection, err = p.projection(t); err != nil {
		return q, err
	}
	if p.filter != "" {
		if q.Filter, err = scim.ParseFilter(p.filter); err != nil {
			return q, err
		}
	}
	switch {
	case p.sortOrder == "", strings.EqualFold(p.sortOrder, "ascending"):
	case strings.EqualFold(p.sortOrder, "descending"):
		q.Descending = true
	default:
		return q, scim.Errorf(scim.InvalidValue, "sortOrder must be ascending or descending, not %q", p.sortOrder)
	}
	if p.sortBy != "" {
		by, err := scim.ParsePath(p.sortBy)
		if err != nil {
			return q, err
		}
		if _, _, _, ok := t.Resolve(by); !ok {
			return q, scim.Errorf(scim.InvalidPath, "sortBy names %q, which is not an attribute of %s", p.sortBy, t.Name).On(p.sortBy)
		}
		q.SortBy = &by
	}
	return q, nil
}

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"lockstep/internal/provision"
	"lockstep/internal/scim"
)

// isGroup reports whether t is the type of groups.
func isGroup(t *scim.ResourceType) bool { return strings.EqualFold(t.Name, "Group") }

// withoutMembers asks for resources of type t without a group's members, which
// may be very many.
func withoutMembers(t *scim.ResourceType) url.Values {
	p := url.Values{}
	if isGroup(t) {
		p.Set("excludedAttributes", "members")
	}
	return p
}

// Find implements [provision.Target]. A resource that holds another value than
// was asked for is an error: an endpoint that ignores filters would otherwise
// have the wrong account changed.
func (c *Client) Find(ctx context.Context, t *scim.ResourceType, p scim.Path, value string) ([]*scim.Resource, error) {
	filter := &scim.Comparison{Path: p, Op: scim.Eq, Value: value}
	params := withoutMembers(t)
	params.Set("filter", c.filterText(filter))
	k := &call{method: http.MethodGet, path: t.Endpoint, params: params}
	a, err := c.send(ctx, k)
	if err != nil {
		return nil, err
	}
	l, err := c.list(k, a, t)
	if err != nil {
		return nil, err
	}
	matches, err := scim.CompileFilter(t, filter)
	if err != nil {
		return l.resources, nil // the type does not know the attribute; the endpoint may
	}
	present, err := scim.CompileFilter(t, &scim.Present{Path: p})
	for _, r := range l.resources {
		if err == nil && present.Match(r) && !matches.Match(r) {
			return nil, c.unusable(k, a, fmt.Sprintf("a resource (id %s) whose %s is not what the filter asked for: the endpoint ignores or misreads filters on %s", r.ID, p, p))
		}
	}
	return l.resources, nil
}

// filterText writes a comparison. RFC 7644's grammar has no sub-attribute after
// brackets in filters, so the strict form moves it into them; Entra writes
// emails[type eq "work"].value eq "…".
func (c *Client) filterText(f *scim.Comparison) string {
	p := f.Path
	if c.dialect != provision.Strict || p.Filter == nil || p.Sub == "" {
		v, _ := scim.AppendJSON(nil, f.Value) // a string is always a SCIM value
		return p.String() + " eq " + string(v)
	}
	operands := []scim.Filter{p.Filter}
	if and, ok := p.Filter.(*scim.And); ok {
		operands = append([]scim.Filter(nil), and.Operands...)
	}
	operands = append(operands, &scim.Comparison{Path: scim.Path{Attr: p.Sub}, Op: scim.Eq, Value: f.Value})
	return (&scim.ValuePath{Path: scim.Path{URN: p.URN, Attr: p.Attr}, Filter: &scim.And{Operands: operands}}).String()
}

// Get implements [provision.Target].
func (c *Client) Get(ctx context.Context, t *scim.ResourceType, id string) (*scim.Resource, error) {
	k := &call{method: http.MethodGet, path: t.Endpoint, id: id, params: withoutMembers(t)}
	a, err := c.send(ctx, k)
	if err != nil {
		return nil, err
	}
	o, err := c.object(k, a)
	if err != nil {
		return nil, err
	}
	r, ok := resource(t, o)
	if !ok {
		return nil, c.unusable(k, a, "a resource without id")
	}
	return r, nil
}

// Create implements [provision.Target]. In Entra's dialects users are created
// without references and groups without members; both follow in requests of
// their own. When such a request fails, the created resource is returned beside
// the error.
func (c *Client) Create(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
	body, later := c.createBody(r)
	b, err := scim.AppendJSON(nil, body)
	if err != nil {
		return nil, scim.Errorf(scim.InvalidValue, "the resource cannot be written as JSON: %v", err)
	}
	k := &call{method: http.MethodPost, path: r.Type.Endpoint, body: b}
	a, err := c.send(ctx, k)
	if err != nil {
		return nil, err
	}
	created, err := c.created(k, a, r)
	if err != nil {
		return nil, err
	}
	if len(later.references) > 0 {
		if err := c.Update(ctx, r.Type, created.ID, later.references); err != nil {
			return created, err
		}
		if err := later.references.Apply(created); err != nil {
			return created, err
		}
	}
	if len(later.members) > 0 {
		if err := c.EditMembers(ctx, created.ID, later.members, nil); err != nil {
			return created, err
		}
	}
	return created, nil
}

// created reads the answer to a POST. An endpoint that answers without a body
// still says in Location where the resource is.
func (c *Client) created(k *call, a *answer, sent *scim.Resource) (*scim.Resource, error) {
	o, err := scim.ParseObject(a.body)
	if err == nil {
		if r, ok := resource(sent.Type, o); ok {
			return r, nil
		}
	}
	if u, perr := url.Parse(a.header.Get("Location")); perr == nil && u.Path != "" {
		if id := path.Base(u.Path); id != "" && id != "/" && !strings.EqualFold("/"+id, sent.Type.Endpoint) {
			r := sent.Clone()
			r.ID = id
			return r, nil
		}
	}
	e := c.unusable(k, a, "no resource with an id")
	if !isHTML(a) {
		// Something was created, and only a look can tell what.
		e.Type = scim.GatewayTimeout
	}
	return nil, e
}

// Update implements [provision.Target] with one PATCH, or with a PUT of the
// whole resource where the endpoint has no PATCH.
func (c *Client) Update(ctx context.Context, t *scim.ResourceType, id string, delta provision.Delta) error {
	if len(delta) == 0 {
		return nil
	}
	if c.dialect == provision.Strict && c.lacksPatch() {
		return c.replace(ctx, t, id, delta)
	}
	b, err := delta.AppendPatch(nil, c.dialect, t)
	if err != nil {
		return scim.Errorf(scim.InvalidValue, "the changes cannot be written as JSON: %v", err)
	}
	_, err = c.send(ctx, &call{method: http.MethodPatch, path: t.Endpoint, id: id, body: b})
	return err
}

// replace reads the resource whole, changes it and writes it back.
func (c *Client) replace(ctx context.Context, t *scim.ResourceType, id string, delta provision.Delta) error {
	get := &call{method: http.MethodGet, path: t.Endpoint, id: id}
	a, err := c.send(ctx, get)
	if err != nil {
		return err
	}
	o, err := c.object(get, a)
	if err != nil {
		return err
	}
	r := scim.NewResource(t, o)
	if err := delta.Apply(r); err != nil {
		return scim.Errorf(scim.InvalidValue, "the changes do not fit the resource: %v", err)
	}
	attrs := r.Attributes()
	attrs.Set("id", id)
	b, err := scim.AppendJSON(nil, attrs)
	if err != nil {
		return scim.Errorf(scim.InvalidValue, "the resource cannot be written as JSON: %v", err)
	}
	_, err = c.send(ctx, &call{method: http.MethodPut, path: t.Endpoint, id: id, body: b})
	return err
}

// Delete implements [provision.Target].
func (c *Client) Delete(ctx context.Context, t *scim.ResourceType, id string) error {
	_, err := c.send(ctx, &call{method: http.MethodDelete, path: t.Endpoint, id: id})
	return err
}

// List implements [provision.Inventory]: by cursor where the endpoint prefers
// or only has that (RFC 9865), by index otherwise.
func (c *Client) List(ctx context.Context, t *scim.ResourceType) iter.Seq2[*scim.Resource, error] {
	return func(yield func(*scim.Resource, error) bool) {
		caps := c.capabilities()
		size := caps.pageSize(c.page)
		params := withoutMembers(t)
		params.Set("count", strconv.Itoa(size))
		start, seen, lastFirst := 1, 0, ""
		if caps.cursor {
			params.Set("cursor", "")
		}
		for {
			if !caps.cursor {
				params.Set("startIndex", strconv.Itoa(start))
			}
			k := &call{method: http.MethodGet, path: t.Endpoint, params: params}
			a, err := c.send(ctx, k)
			if err != nil {
				yield(nil, err)
				return
			}
			l, err := c.list(k, a, t)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(l.resources) > 0 {
				first := l.resources[0].ID
				if first == lastFirst {
					yield(nil, c.unusable(k, a, "the same page again: the endpoint ignores startIndex or cursor"))
					return
				}
				lastFirst = first
			}
			for _, r := range l.resources {
				if !yield(r, nil) {
					return
				}
			}
			seen += len(l.resources)
			switch {
			case caps.cursor && l.nextCursor != "":
				params.Set("cursor", l.nextCursor)
			case caps.cursor, len(l.resources) == 0, l.hasTotal && seen >= l.total:
				return
			default:
				start += len(l.resources)
			}
		}
	}
}

// A listing is a ListResponse (RFC 7644 section 3.4.2).
type listing struct {
	resources  []*scim.Resource
	total      int
	hasTotal   bool
	nextCursor string
}

func (c *Client) list(k *call, a *answer, t *scim.ResourceType) (*listing, error) {
	o, err := c.object(k, a)
	if err != nil {
		return nil, err
	}
	l := &listing{nextCursor: o.Text("nextCursor")}
	if v, ok := o.Get("totalResults"); ok {
		l.total, l.hasTotal = integer(v)
	}
	if _, ok := o.Get("Resources"); !ok && !l.hasTotal {
		return nil, c.unusable(k, a, "JSON that is no ListResponse: it has neither totalResults nor Resources")
	}
	for _, v := range o.Elements("Resources") {
		child, ok := v.(*scim.Object)
		if !ok {
			return nil, c.unusable(k, a, "a ListResponse with something in it that is no resource")
		}
		r, ok := resource(t, child)
		if !ok {
			return nil, c.unusable(k, a, "a resource without id")
		}
		l.resources = append(l.resources, r)
	}
	return l, nil
}

func integer(v scim.Value) (int, bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := strconv.Atoi(v.String())
		return n, err == nil
	case string:
		n, err := strconv.Atoi(v)
		return n, err == nil
	}
	return 0, false
}

// object reads an answer that must be a JSON object.
func (c *Client) object(k *call, a *answer) (*scim.Object, error) {
	o, err := scim.ParseObject(a.body)
	if err != nil {
		why := "a body that is no JSON object: " + scim.AsError(err).Detail
		if len(a.body) == 0 {
			why = "no body"
		}
		return nil, c.unusable(k, a, why)
	}
	return o, nil
}

// resource turns an object of the endpoint into a resource. Some give numbers
// as ids.
func resource(t *scim.ResourceType, o *scim.Object) (*scim.Resource, bool) {
	if v, ok := o.Get("id"); ok {
		if n, ok := v.(json.Number); ok {
			o.Set("id", n.String())
		}
	}
	meta := o.Child("meta")
	r := scim.NewResource(t, o)
	r.Version = meta.Text("version")
	r.Created, _ = time.Parse(time.RFC3339, meta.Text("created"))
	r.LastModified, _ = time.Parse(time.RFC3339, meta.Text("lastModified"))
	return r, r.ID != ""
}

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"lockstep/internal/provision"
	"lockstep/internal/scim"
)

// capabilities are what the endpoint says of itself (RFC 7643 section 5), or
// what is assumed of one that says nothing.
type capabilities struct {
	patch          bool
	bulkOperations int
	maxPage        int // 0: not said
	cursor         bool
	groups         bool
}

// pageSize is the page to ask for when want is wanted.
func (k *capabilities) pageSize(want int) int {
	if k.maxPage > 0 {
		return min(want, k.maxPage)
	}
	return want
}

var unsaid = capabilities{patch: true, groups: true}

// capabilities returns what is known so far.
func (c *Client) capabilities() *capabilities {
	if k := c.known.Load(); k != nil {
		return k
	}
	return &unsaid
}

func (c *Client) lacksPatch() bool { return !c.capabilities().patch }

// Describe implements [provision.Target]. Each call asks for a user that cannot
// exist, as Entra's "Test connection" does: the answer must be an empty list.
// What the endpoint says of itself is read once; one that says nothing is taken
// to have PATCH, groups and no bulk.
func (c *Client) Describe(ctx context.Context) (provision.Capabilities, error) {
	users, groups := c.Types()
	if err := c.probe(ctx, users, "userName"); err != nil {
		return provision.Capabilities{}, err
	}
	c.discovery.Lock()
	defer c.discovery.Unlock()
	if c.known.Load() == nil {
		k, err := c.discover(ctx)
		if err != nil {
			return provision.Capabilities{}, err
		}
		switch err := c.probe(ctx, groups, "displayName"); {
		case scim.IsType(err, scim.NotFound), scim.IsType(err, scim.NotImplemented), scim.IsType(err, scim.MethodNotAllowed), scim.IsType(err, scim.Forbidden):
			k.groups = false
		case err != nil:
			return provision.Capabilities{}, err
		}
		c.known.Store(k)
	}
	k := c.known.Load()
	return provision.Capabilities{
		Patch: k.patch, BulkOperations: k.bulkOperations, PageSize: k.pageSize(c.page), Groups: k.groups,
	}, nil
}

// probe asks for a resource that cannot exist.
func (c *Client) probe(ctx context.Context, t *scim.ResourceType, attribute string) error {
	params := withoutMembers(t)
	params.Set("filter", fmt.Sprintf("%s eq %q", attribute, uuid.NewString()))
	k := &call{method: http.MethodGet, path: t.Endpoint, params: params}
	a, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	l, err := c.list(k, a, t)
	if err != nil {
		return err
	}
	if l.total > 0 || len(l.resources) > 0 {
		return c.unusable(k, a, fmt.Sprintf("%d resources to a filter that nothing can match: the endpoint ignores filters on %s, and matching would change the wrong accounts", max(l.total, len(l.resources)), attribute))
	}
	return nil
}

// discover reads ServiceProviderConfig and Schemas.
func (c *Client) discover(ctx context.Context) (*capabilities, error) {
	k := unsaid
	config, err := c.document(ctx, "/ServiceProviderConfig")
	if err != nil {
		return nil, err
	}
	if config != nil {
		k.patch = said(config.Child("patch"), "supported", true)
		if bulk := config.Child("bulk"); said(bulk, "supported", false) {
			v, _ := bulk.Get("maxOperations")
			k.bulkOperations, _ = integer(v)
		}
		v, _ := config.Child("filter").Get("maxResults")
		k.maxPage, _ = integer(v)
		if p := config.Child("pagination"); p != nil {
			cursor, index := said(p, "cursor", false), said(p, "index", true)
			k.cursor = cursor && (!index || strings.EqualFold(p.Text("defaultPaginationMethod"), "cursor"))
			if v, ok := p.Get("maxPageSize"); ok {
				if n, ok := integer(v); ok && n > 0 {
					k.maxPage = n
				}
			}
		}
	}
	schemas, err := c.document(ctx, "/Schemas")
	if err != nil {
		return nil, err
	}
	c.extend(schemas)
	return &k, nil
}

// document reads a discovery document. It is nil where the endpoint has none,
// or one that cannot be read: discovery is a help and no condition.
func (c *Client) document(ctx context.Context, path string) (*scim.Object, error) {
	a, err := c.send(ctx, &call{method: http.MethodGet, path: path, params: url.Values{}})
	var e *scim.Error
	switch {
	case err == nil:
		o, err := scim.ParseObject(a.body)
		if err != nil {
			return nil, nil
		}
		return o, nil
	case errors.As(err, &e) && e.Type != scim.Unavailable:
		return nil, nil
	}
	return nil, err
}

// extend adds to the resource types the extensions that the endpoint lists and
// we do not know. They are open, since what an endpoint lists is often not all
// it takes.
func (c *Client) extend(schemas *scim.Object) {
	t := c.types.Load()
	users, groups := *t.users, *t.groups
	users.Extensions, groups.Extensions = slices.Clone(users.Extensions), slices.Clone(groups.Extensions)
	for _, v := range schemas.Elements("Resources") {
		o, ok := v.(*scim.Object)
		if !ok || o.Text("id") == "" {
			continue
		}
		id := o.Text("id")
		if !strings.Contains(strings.ToLower(id), ":extension:") || users.Extension(id) != nil || groups.Extension(id) != nil {
			continue
		}
		ext := scim.Extension{Open: true, Schema: &scim.Schema{
			ID: id, Name: o.Text("name"), Description: o.Text("description"), Attributes: attributes(o.Elements("attributes"), 0),
		}}
		if strings.HasSuffix(strings.ToLower(id), ":group") {
			groups.Extensions = append(groups.Extensions, ext)
		} else {
			users.Extensions = append(users.Extensions, ext)
		}
	}
	c.types.Store(&types{&users, &groups})
}

// attributes reads attribute definitions (RFC 7643 section 7).
func attributes(list []scim.Value, depth int) []*scim.Attribute {
	var out []*scim.Attribute
	for _, v := range list {
		o, ok := v.(*scim.Object)
		if !ok || o.Text("name") == "" || depth > 1 {
			continue
		}
		a := &scim.Attribute{
			Name: o.Text("name"), Type: scim.AttributeType(o.Text("type")), Description: o.Text("description"),
			MultiValued: said(o, "multiValued", false), Required: said(o, "required", false), CaseExact: said(o, "caseExact", false),
			Mutability: o.Text("mutability"), Returned: o.Text("returned"), Uniqueness: o.Text("uniqueness"),
			SubAttributes: attributes(o.Elements("subAttributes"), depth+1),
		}
		if a.Type == "" {
			a.Type = scim.TypeString
		}
		out = append(out, a)
	}
	return out
}

// said returns the Boolean of that name, or what holds where nothing is said.
func said(o *scim.Object, name string, otherwise bool) bool {
	v, _ := o.Get(name)
	if b, ok := v.(bool); ok {
		return b
	}
	return otherwise
}

package service

import (
	"net/http"
	"net/url"
	"strings"

	"lockstep/internal/scim"
)

// A kind is a type of resource that has an endpoint of its own.
type kind uint8

const (
	noKind kind = iota
	users
	groups
)

// A handler does what one method on one endpoint asks. It leaves the response
// in the request, or returns the error to answer.
type handler func(*request) error

// An endpoint is a path of the service with its methods.
type endpoint struct {
	pattern string
	kind    kind
	// open endpoints answer without a token (RFC 7644 section 4).
	open                          bool
	get, post, put, patch, delete handler
	allow                         string
}

func (e *endpoint) handler(method string) handler {
	switch method {
	case http.MethodGet, http.MethodHead:
		return e.get
	case http.MethodPost:
		return e.post
	case http.MethodPut:
		return e.put
	case http.MethodPatch:
		return e.patch
	case http.MethodDelete:
		return e.delete
	}
	return nil
}

// withAllow fills in the value of the Allow header.
func (e endpoint) withAllow() *endpoint {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if e.handler(m) != nil {
			methods = append(methods, m)
		}
	}
	e.allow = strings.Join(methods, ", ")
	return &e
}

// The endpoints of RFC 7644 section 3.2.
var (
	rootEndpoint   = endpoint{pattern: "/", get: (*request).queryAll}.withAllow()
	searchEndpoint = endpoint{pattern: "/.search", post: (*request).searchAll}.withAllow()
	bulkEndpoint   = endpoint{pattern: "/Bulk", post: (*request).bulk}.withAllow()
	configEndpoint = endpoint{pattern: "/ServiceProviderConfig", open: true, get: (*request).serviceProviderConfig}.withAllow()
	typesEndpoint  = endpoint{pattern: "/ResourceTypes", open: true, get: (*request).resourceTypes}.withAllow()
	typeEndpoint   = endpoint{pattern: "/ResourceTypes/{id}", open: true, get: (*request).resourceType}.withAllow()
	schemasEndpt   = endpoint{pattern: "/Schemas", open: true, get: (*request).schemas}.withAllow()
	schemaEndpoint = endpoint{pattern: "/Schemas/{id}", open: true, get: (*request).schema}.withAllow()
	meEndpoint     = endpoint{pattern: "/Me", get: (*request).me, post: (*request).me, put: (*request).me, patch: (*request).me, delete: (*request).me}.withAllow()

	userEndpoints  = resourceEndpoints("/Users", users)
	groupEndpoints = resourceEndpoints("/Groups", groups)
)

// endpoints are the three paths of one resource type.
type endpoints struct{ collection, search, single *endpoint }

func resourceEndpoints(path string, k kind) endpoints {
	return endpoints{
		collection: endpoint{pattern: path, kind: k, get: (*request).list, post: (*request).create}.withAllow(),
		search:     endpoint{pattern: path + "/.search", kind: k, post: (*request).search}.withAllow(),
		single: endpoint{pattern: path + "/{id}", kind: k, get: (*request).get, put: (*request).replace,
			patch: (*request).patch, delete: (*request).remove}.withAllow(),
	}
}

// route finds the endpoint of the request's path and notes what the path says.
func (q *request) route() (*endpoint, error) {
	var buf [8]string
	segs := splitPath(buf[:0], q.r.URL)
	path, query := unglue(q.r.URL.RawQuery)
	segs = splitEscaped(segs, path)
	q.query = query
	segs, ok := q.s.trimPrefix(segs)
	e := (*endpoint)(nil)
	if ok {
		e = q.find(segs)
	}
	if e == nil {
		return nil, scim.Errorf(scim.NotFound, "there is no such endpoint; resources are under %s/Users and %s/Groups", q.s.path, q.s.path)
	}
	q.pattern, q.kind = e.pattern, e.kind
	return e, nil
}

func (q *request) find(segs []string) *endpoint {
	if len(segs) == 0 {
		return rootEndpoint
	}
	switch segs[0] {
	case "Users":
		return q.findResource(&userEndpoints, segs[1:])
	case "Groups":
		return q.findResource(&groupEndpoints, segs[1:])
	case "ServiceProviderConfig", "ServiceProviderConfigs":
		// The plural is SCIM 1.1's; some clients still ask for it.
		if len(segs) == 1 {
			return configEndpoint
		}
	case "ResourceTypes":
		return q.findListed(typesEndpoint, typeEndpoint, segs[1:])
	case "Schemas":
		return q.findListed(schemasEndpt, schemaEndpoint, segs[1:])
	case "Bulk":
		if len(segs) == 1 {
			return bulkEndpoint
		}
	case ".search":
		if len(segs) == 1 {
			return searchEndpoint
		}
	case "Me":
		return meEndpoint
	}
	return nil
}

func (q *request) findResource(e *endpoints, rest []string) *endpoint {
	switch len(rest) {
	case 0:
		return e.collection
	case 1:
		if rest[0] == ".search" {
			return e.search
		}
		q.resourceID = rest[0]
		return e.single
	}
	return nil
}

func (q *request) findListed(all, one *endpoint, rest []string) *endpoint {
	switch len(rest) {
	case 0:
		return all
	case 1:
		q.resourceID = rest[0]
		return one
	}
	return nil
}

// resourceTypeOf returns the account's resource type of a kind.
func (q *request) resourceTypeOf(k kind) (*scim.ResourceType, error) {
	t := q.account.Users
	if k == groups {
		t = q.account.Groups
	}
	if t == nil {
		name := "users"
		if k == groups {
			name = "groups"
		}
		return nil, scim.Errorf(scim.NotFound, "this account has no %s", name)
	}
	return t, nil
}

// trimPrefix takes the service's prefix off a path.
func (s *Service) trimPrefix(segs []string) ([]string, bool) {
	if len(segs) < len(s.prefix) {
		return nil, false
	}
	for i, p := range s.prefix {
		if segs[i] != p {
			return nil, false
		}
	}
	return segs[len(s.prefix):], true
}

// splitPath appends the segments of u's path, unescaped. Empty segments, as a
// Tenant URL with a slash at its end leaves them, and dots are taken out here,
// before routing, so that no redirect is ever needed.
func splitPath(dst []string, u *url.URL) []string {
	if u.RawPath == "" {
		return split(dst, u.Path, false)
	}
	return split(dst, u.RawPath, true)
}

func splitEscaped(dst []string, path string) []string { return split(dst, path, true) }

func split(dst []string, path string, escaped bool) []string {
	for len(path) > 0 {
		var seg string
		seg, path, _ = strings.Cut(path, "/")
		switch seg {
		case "", ".":
			continue
		case "..":
			dst = dst[:max(0, len(dst)-1)]
			continue
		}
		if escaped {
			if s, err := url.PathUnescape(seg); err == nil {
				seg = s
			}
		}
		if seg[0] == '?' && isFlag(seg[1:]) {
			// A flag whose question mark the client escaped with the path.
			continue
		}
		dst = append(dst, seg)
	}
	return dst
}

// flags are the feature flags that administrators append to the Tenant URL to
// choose how Entra ID writes PATCH requests. Both ways are understood without.
var flags = []string{"aadOptscim062020", "AzureAdScimPatch2017"}

func isFlag(s string) bool {
	for _, f := range flags {
		if strings.EqualFold(s, f) {
			return true
		}
	}
	return false
}

// unglue undoes what happens when a client appends its path to a Tenant URL
// that ends in a feature flag: of /scim/v2/?aadOptscim062020/Users?filter=…
// everything after the first question mark arrives as the query.
func unglue(raw string) (path, query string) {
	for _, f := range flags {
		if len(raw) < len(f) || !strings.EqualFold(raw[:len(f)], f) {
			continue
		}
		rest := raw[len(f):]
		switch {
		case strings.HasPrefix(rest, "/"):
			if i := strings.IndexAny(rest, "?&"); i >= 0 {
				return rest[:i], rest[i+1:]
			}
			return rest, ""
		case strings.HasPrefix(rest, "?"):
			return "", rest[1:]
		}
	}
	return "", raw
}

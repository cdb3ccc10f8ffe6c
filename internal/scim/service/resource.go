package service

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"lockstep/internal/scim"
)

// create answers POST /Users and POST /Groups (RFC 7644 section 3.3).
func (q *request) create() error {
	t, p, err := q.target()
	if err != nil {
		return err
	}
	body, err := q.object()
	if err != nil {
		return err
	}
	r, err := q.createResource(t, body)
	if err != nil {
		return err
	}
	q.resourceID = r.ID
	q.header("Location", q.location(t, r.ID))
	return q.answer(http.StatusCreated, t, r, p)
}

func (q *request) createResource(t *scim.ResourceType, body *scim.Object) (*scim.Resource, error) {
	if err := q.checkMembers(body); err != nil {
		return nil, err
	}
	if err := scim.Normalize(t, body, q.mode(scim.ForCreate)); err != nil {
		return nil, err
	}
	r := scim.NewResource(t, body)
	r.ID = "" // the Directory's to choose, whatever the client sent
	r, err := q.account.Directory.Create(q.ctx(), r)
	if err == nil {
		q.account.learn(t, body)
	}
	return r, err
}

// get answers GET and HEAD of one resource (RFC 7644 section 3.4.1).
func (q *request) get() error {
	t, p, err := q.target()
	if err != nil {
		return err
	}
	r, err := q.account.Directory.Get(q.ctx(), t, q.resourceID, p)
	if err != nil {
		return err
	}
	cond := q.precondition()
	if len(cond.IfMatch) > 0 {
		if err := (scim.Precondition{IfMatch: cond.IfMatch}).Check(r.Version); err != nil {
			return err
		}
	}
	if len(cond.IfNoneMatch) > 0 && r.Version != "" {
		if err := (scim.Precondition{IfNoneMatch: cond.IfNoneMatch}).Check(r.Version); err != nil {
			// To a reader "it is what you have" is no error (RFC 9110 section 13.1.2).
			q.status = http.StatusNotModified
			q.header("Etag", r.Version)
			return nil
		}
	}
	q.header("Content-Location", q.location(t, r.ID))
	return q.answer(http.StatusOK, t, r, p)
}

// replace answers PUT (RFC 7644 section 3.5.1).
func (q *request) replace() error {
	t, p, err := q.target()
	if err != nil {
		return err
	}
	body, err := q.object()
	if err != nil {
		return err
	}
	r, err := q.replaceResource(t, q.resourceID, q.precondition(), body)
	if err != nil {
		return err
	}
	q.header("Content-Location", q.location(t, r.ID))
	return q.answer(http.StatusOK, t, r, p)
}

func (q *request) replaceResource(t *scim.ResourceType, id string, cond scim.Precondition, body *scim.Object) (*scim.Resource, error) {
	if err := q.checkMembers(body); err != nil {
		return nil, err
	}
	if err := scim.Normalize(t, body, q.mode(scim.ForReplace)); err != nil {
		return nil, err
	}
	body.Delete("id")
	body.Delete("meta")
	r, err := q.account.Directory.Update(q.ctx(), t, id, cond, func(r *scim.Resource) error {
		return replaceAttributes(t, r.Attributes(), body.Clone())
	})
	if err == nil {
		q.account.learn(t, body)
	}
	return r, err
}

// replaceAttributes makes next the content of current, except for what a
// client may not write: read-only attributes stay, and immutable ones that
// have a value must keep it.
func replaceAttributes(t *scim.ResourceType, current, next *scim.Object) error {
	if err := carryOver("", t.Schema, current, next); err != nil {
		return err
	}
	for _, e := range t.Extensions {
		urn := e.Schema.ID
		from, to := current.Child(urn), next.Child(urn)
		if from == nil {
			continue
		}
		if to == nil {
			to = &scim.Object{}
		}
		if err := carryOver(urn+":", e.Schema, from, to); err != nil {
			return err
		}
		if to.Len() > 0 {
			next.Set(urn, to)
			if !hasSchema(next, urn) {
				next.Set("schemas", append(slices.Clip(next.Elements("schemas")), scim.Value(urn)))
			}
		}
	}
	*current = *next
	return nil
}

func carryOver(prefix string, s *scim.Schema, current, next *scim.Object) error {
	for _, a := range s.Attributes {
		switch a.Mutability {
		case scim.ReadOnly:
			next.Delete(a.Name)
			if v, ok := current.Get(a.Name); ok {
				next.Set(a.Name, v)
			}
		case scim.Immutable:
			v, ok := current.Get(a.Name)
			w, sent := next.Get(a.Name)
			if !ok {
				continue
			}
			if sent && !scim.Equal(v, w) {
				return scim.Errorf(scim.Mutability, "%s%s cannot be changed once it has a value", prefix, a.Name).On(prefix + a.Name)
			}
			next.Set(a.Name, v)
		}
	}
	return nil
}

// patch answers PATCH (RFC 7644 section 3.5.2): 200 and the resource for a
// user; 204 for a group, which may be huge, unless the client names the
// attributes that it wants to see.
func (q *request) patch() error {
	t, p, err := q.target()
	if err != nil {
		return err
	}
	b, err := q.body(q.limits.MaxBody, "MaxBody")
	if err != nil {
		return err
	}
	patch, err := scim.ParsePatch(b)
	if err != nil {
		return err
	}
	quiet := q.kind == groups && q.params.attributes == ""
	r, version, err := q.patchResource(t, q.resourceID, q.precondition(), patch)
	if err != nil {
		return err
	}
	if quiet {
		if version != "" {
			q.header("Etag", version)
		}
		q.status = http.StatusNoContent
		return nil
	}
	if r == nil {
		if r, err = q.account.Directory.Get(q.ctx(), t, q.resourceID, p); err != nil {
			return err
		}
	}
	q.header("Content-Location", q.location(t, r.ID))
	return q.answer(http.StatusOK, t, r, p)
}

// patchResource applies a PATCH. The resource is nil when only members were
// edited, without the group having been read.
func (q *request) patchResource(t *scim.ResourceType, id string, cond scim.Precondition, patch *scim.Patch) (r *scim.Resource, version string, err error) {
	if err := q.checkPatch(patch); err != nil {
		return nil, "", err
	}
	patch.Strict = q.account.Strict
	if t == q.account.Groups {
		if editor, ok := q.account.Directory.(scim.MemberEditor); ok {
			if add, remove, ok := patch.MemberOps(t); ok {
				version, err := editor.EditMembers(q.ctx(), id, cond, add, remove)
				return nil, version, err
			}
		}
	}
	var patched *scim.Object
	r, err = q.account.Directory.Update(q.ctx(), t, id, cond, func(r *scim.Resource) error {
		_, err := patch.Apply(r)
		patched = r.Peek()
		return err
	})
	if err != nil {
		return nil, "", err
	}
	q.account.learn(t, patched)
	return r, r.Version, nil
}

// remove answers DELETE (RFC 7644 section 3.6).
func (q *request) remove() error {
	t, _, err := q.target()
	if err != nil {
		return err
	}
	if err := q.account.Directory.Delete(q.ctx(), t, q.resourceID, q.precondition()); err != nil {
		return err
	}
	q.status = http.StatusNoContent
	return nil
}

// me answers /Me (RFC 7644 section 3.11): a token stands for an account, not
// for a person.
func (q *request) me() error {
	return scim.Errorf(scim.NotImplemented, "/Me is not supported: a token stands for an account, not for one of its users")
}

// target returns the resource type that the path names, and the projection
// that the query asks for.
func (q *request) target() (*scim.ResourceType, scim.Projection, error) {
	t, err := q.resourceTypeOf(q.kind)
	if err != nil {
		return nil, scim.Projection{}, err
	}
	p, err := q.params.projection(t)
	return t, p, err
}

func (q *request) mode(m scim.Mode) scim.Mode {
	if q.account.Strict {
		m |= scim.Strict
	}
	return m
}

// checkMembers bounds the members in a resource body.
func (q *request) checkMembers(body *scim.Object) error {
	return q.memberLimit(len(body.Elements("members")))
}

// checkPatch bounds the operations of a PATCH and the list elements in them.
func (q *request) checkPatch(p *scim.Patch) error {
	if n := len(p.Operations); n > q.limits.MaxOperations {
		return scim.Errorf(scim.PayloadTooLarge, "the PATCH has %d operations; MaxOperations is %d: send several requests", n, q.limits.MaxOperations)
	}
	n := 0
	for _, op := range p.Operations {
		switch v := op.Value.(type) {
		case []scim.Value:
			n += len(v)
		case *scim.Object:
			n += len(v.Elements("members"))
		}
	}
	return q.memberLimit(n)
}

func (q *request) memberLimit(n int) error {
	if n > q.limits.MaxMembers {
		return scim.Errorf(scim.PayloadTooLarge, "the request has %d members; MaxMembers is %d: add the others with further PATCH requests", n, q.limits.MaxMembers).On("members")
	}
	return nil
}

// location returns the address of a resource.
func (q *request) location(t *scim.ResourceType, id string) string {
	if plainSegment(id) {
		return q.baseURL() + t.Endpoint + "/" + id
	}
	return q.baseURL() + t.Endpoint + "/" + url.PathEscape(id)
}

// plainSegment reports whether s may stand in a path as it is. It saves
// url.PathEscape a look at every id that we made.
func plainSegment(s string) bool {
	for i := range len(s) {
		c := s[i]
		if ('a' > c || c > 'z') && ('0' > c || c > '9') && ('A' > c || c > 'Z') && strings.IndexByte("-_~", c) < 0 {
			return false
		}
	}
	return true
}

// answer leaves r as the response.
func (q *request) answer(status int, t *scim.ResourceType, r *scim.Resource, p scim.Projection) error {
	var err error
	if q.out, err = q.appendResource(q.out, t, r, p); err != nil {
		return err
	}
	if r.Version != "" {
		q.header("Etag", r.Version)
	}
	q.status = status
	return nil
}

// appendResource appends what the client sees of r. A resource that is asked
// for whole leaves as it is stored.
func (q *request) appendResource(b []byte, t *scim.ResourceType, r *scim.Resource, p scim.Projection) ([]byte, error) {
	location := q.location(t, r.ID)
	if len(p.Attributes) == 0 && len(p.Excluded) == 0 && q.account.isPlain(t) {
		return r.AppendView(b, location)
	}
	return scim.AppendJSON(b, p.Apply(t, r.View(location)))
}

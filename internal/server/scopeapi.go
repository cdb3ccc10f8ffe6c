package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"lockstep/internal/api"
	"lockstep/internal/provision"
	"lockstep/internal/scim"
)

// Assignments implements [api.Backend].
func (s *Server) Assignments(ctx context.Context, id string) ([]api.Assignment, error) {
	if _, err := s.db.App(ctx, id); err != nil {
		return nil, err
	}
	ledger := s.db.Ledger(id)
	list, err := ledger.Assignments(ctx)
	if err != nil {
		return nil, err
	}
	ids := map[provision.ObjectType][]string{}
	for _, a := range list {
		ids[a.PrincipalType] = append(ids[a.PrincipalType], a.PrincipalID)
	}
	names := map[provision.Ref]string{}
	for t, ids := range ids {
		objects, err := ledger.Objects(ctx, t, ids)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			names[provision.Ref{Type: t, ID: o.ID}] = o.Name()
		}
	}
	out := make([]api.Assignment, len(list))
	for i, a := range list {
		out[i] = api.Assignment{Assignment: a, Name: names[provision.Ref{Type: a.PrincipalType, ID: a.PrincipalID}]}
	}
	return out, nil
}

// Assign implements [api.Backend].
func (s *Server) Assign(ctx context.Context, id string, n api.NewAssignment) (*api.Assignment, error) {
	app, err := s.db.App(ctx, id)
	if err != nil {
		return nil, err
	}
	o, err := principal(ctx, app, n.Principal)
	if err != nil {
		return nil, err
	}
	a := provision.Assignment{PrincipalType: o.Type, PrincipalID: o.ID, Role: n.Role}
	if err := s.db.Assign(ctx, id, a); err != nil {
		return nil, err
	}
	s.apps.refresh(id)
	return &api.Assignment{Assignment: a, Name: o.Name()}, nil
}

// Unassign implements [api.Backend]. Somebody the source no longer has is named
// by their object ID.
func (s *Server) Unassign(ctx context.Context, id, ref string) error {
	app, err := s.db.App(ctx, id)
	if err != nil {
		return err
	}
	list, err := s.db.Ledger(id).Assignments(ctx)
	if err != nil {
		return err
	}
	var found provision.Ref
	if i := slices.IndexFunc(list, func(a provision.Assignment) bool { return a.PrincipalID == ref }); i >= 0 {
		found = provision.Ref{Type: list[i].PrincipalType, ID: ref}
	} else {
		o, err := principal(ctx, app, ref)
		if err != nil {
			return err
		}
		found = provision.Ref{Type: o.Type, ID: o.ID}
	}
	was, err := s.db.Unassign(ctx, id, found)
	if err != nil {
		return err
	}
	if !was {
		return &api.Problem{Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("%s is not assigned to app %q", ref, id),
			Next: "`lockstep assign list " + id + "` shows who is; somebody assigned through a group is unassigned by leaving the group."}
	}
	s.apps.refresh(id)
	return nil
}

// principal finds a user by ID, userPrincipalName or mail, or a group by ID or
// display name, in the app's source.
func principal(ctx context.Context, app *provision.App, ref string) (*provision.Object, error) {
	if ref = strings.TrimSpace(ref); ref == "" {
		return nil, badRequest("the user or group is missing")
	}
	src, err := openSource(app)
	if err != nil {
		return nil, sourceProblem(err)
	}
	o, err := src.Lookup(ctx, ref)
	if err != nil {
		return nil, sourceProblem(err)
	}
	if o != nil {
		return o, nil
	}
	var found []*provision.Object
	for page, err := range src.Changes(ctx, "") {
		if err != nil {
			return nil, sourceProblem(err)
		}
		for _, ch := range page.Changes {
			if o := ch.Object; o.Type == provision.Group && ch.Removed == provision.NotRemoved && strings.EqualFold(o.Name(), ref) {
				found = append(found, o)
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, &api.Problem{Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("the source of app %q has no user or group %q", app.ID, ref),
			Next: "Give a user's userPrincipalName, mail or object ID, or a group's display name or object ID."}
	case 1:
		return found[0], nil
	}
	var ids []string
	for _, o := range found {
		ids = append(ids, o.ID)
	}
	return nil, badRequest("%d groups are called %q; name one by its object ID: %s", len(found), ref, strings.Join(ids, ", "))
}

func sourceProblem(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &api.Problem{Title: "The source cannot be read", Status: http.StatusUnprocessableEntity, Detail: "the source cannot be read: " + err.Error()}
}

// Scope implements [api.Backend].
func (s *Server) Scope(ctx context.Context, id string) (*api.Scope, error) {
	app, err := s.db.App(ctx, id)
	if err != nil {
		return nil, err
	}
	schema, revision, err := s.db.Schema(ctx, id)
	if err != nil {
		return nil, err
	}
	scope := &api.Scope{SyncAll: app.SyncAll, NestedGroups: app.NestedGroups, Revision: revision, Filters: map[provision.ObjectType]*provision.Filter{}}
	for _, t := range []provision.ObjectType{provision.User, provision.Group} {
		if m := schema.Mapping(t); m != nil && m.Scope != nil {
			scope.Filters[t] = m.Scope
		}
	}
	return scope, nil
}

// SetScope implements [api.Backend]. Unlike Entra's, a change takes effect
// without a restart.
func (s *Server) SetScope(ctx context.Context, id string, n api.NewScope) (*api.Scope, error) {
	err := s.db.ChangeApp(ctx, id, func(app *provision.App) (bool, error) {
		changed := app.SyncAll != n.SyncAll
		app.SyncAll = n.SyncAll
		if n.NestedGroups != nil {
			changed = changed || app.NestedGroups != *n.NestedGroups
			app.NestedGroups = *n.NestedGroups
		}
		return changed, nil
	})
	if err != nil {
		return nil, err
	}
	s.apps.refresh(id)
	return s.Scope(ctx, id)
}

// TestScope implements [api.Backend].
func (s *Server) TestScope(ctx context.Context, id string, q api.ScopeQuestion) (*api.ScopeAnswer, error) {
	app, err := s.db.App(ctx, id)
	if err != nil {
		return nil, err
	}
	job, err := app.Job(scim.UserType(), scim.GroupType())
	if err != nil {
		return nil, err
	}
	var o *provision.Object
	switch {
	case (q.User == "") == (len(q.Person) == 0):
		return nil, badRequest("ask either for somebody of the source or for a person with attributes")
	case q.User != "":
		if o, err = principal(ctx, app, q.User); err != nil {
			return nil, err
		}
	default:
		o = provision.ObjectFrom(provision.User, q.Person)
	}
	through, assigned, err := s.assignment(ctx, app, o)
	if err != nil {
		return nil, err
	}
	subject := job.Assess(ctx, o, provision.NotRemoved, assigned, nil, time.Now())
	return &api.ScopeAnswer{Name: o.Name(), InScope: subject.InScope, Steps: job.ScopeChain(subject, through), Filter: subject.Scope}, nil
}

// assignment tells whether an object is assigned, and through which group if
// not itself.
func (s *Server) assignment(ctx context.Context, app *provision.App, o *provision.Object) (through string, assigned bool, err error) {
	ledger := s.db.Ledger(app.ID)
	list, err := ledger.Assignments(ctx)
	if err != nil || len(list) == 0 {
		return "", false, err
	}
	src, err := openSource(app)
	if err != nil {
		return "", false, sourceProblem(err)
	}
	id := o.ID
	if upn := o.Attribute("userPrincipalName"); id == "" && !upn.IsNull() {
		// Described by name alone: perhaps the source has them.
		if known, err := src.Lookup(ctx, upn.String()); err == nil && known != nil {
			id = known.ID
		}
	}
	if id == "" {
		return "", false, nil
	}
	for _, a := range list {
		if a.PrincipalType == o.Type && a.PrincipalID == id {
			return "", true, nil
		}
	}
	if o.Type != provision.User {
		return "", false, nil
	}
	for _, a := range list {
		if a.PrincipalType != provision.Group {
			continue
		}
		through, err := memberThrough(ctx, src, a.PrincipalID, id, app.NestedGroups, map[string]bool{})
		if err != nil || through != "" {
			return through, through != "", err
		}
	}
	return "", false, nil
}

// memberThrough says through which group, or groups one inside the other, a user is a
// member; "" when not at all.
func memberThrough(ctx context.Context, src provision.Source, groupID, userID string, nested bool, entered map[string]bool) (string, error) {
	if entered[groupID] {
		return "", nil
	}
	entered[groupID] = true
	group, err := src.Lookup(ctx, groupID)
	if err != nil {
		return "", sourceProblem(err)
	}
	if group == nil || group.Type != provision.Group {
		return "", nil
	}
	if slices.Contains(group.Members, userID) {
		return "group " + group.Name(), nil
	}
	if !nested {
		return "", nil
	}
	for _, m := range group.Members {
		inner, err := memberThrough(ctx, src, m, userID, nested, entered)
		if err != nil || inner != "" {
			if inner != "" {
				inner += " inside group " + group.Name()
			}
			return inner, err
		}
	}
	return "", nil
}

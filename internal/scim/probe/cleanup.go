package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A resource is something that the probe created.
type resource struct {
	path, name string
	// keep says that later checks need it.
	keep bool
	// ours is false as long as nothing shows that it is the probe's: an
	// endpoint may answer a creation with somebody's existing account.
	ours bool
	// problem says why it could not be removed.
	problem string
}

// noteMade records what an answer says was created or deleted. The caller
// holds the lock.
func (s *session) noteMade(r request, a *answer) {
	if a.status/100 != 2 {
		return
	}
	switch {
	case r.method == http.MethodPost && strings.HasSuffix(r.path, "/Bulk"):
		for _, o := range objects(a.object.Elements("Operations")) {
			if !strings.EqualFold(o.Text("method"), http.MethodPost) || !strings.HasPrefix(textOf(at(o, "status")), "2") {
				continue
			}
			for _, collection := range []string{"/Users/", "/Groups/"} {
				if i := strings.LastIndex(o.Text("location"), collection); i >= 0 {
					s.addMade(resource{path: o.Text("location")[i:]})
				}
			}
		}
	case r.method == http.MethodPost:
		collection := "/" + strings.Trim(r.path, "/")
		if collection != "/Users" && collection != "/Groups" {
			return
		}
		if id := a.id(); id != "" {
			name := a.object.Text("userName")
			if name == "" {
				name = a.object.Text("displayName")
			}
			s.addMade(resource{path: collection + "/" + url.PathEscape(id), name: name, ours: s.ours(a.object)})
		}
	}
}

func (s *session) addMade(r resource) {
	if !slices.ContainsFunc(s.made, func(m resource) bool { return m.path == r.path }) {
		s.made = append(s.made, r)
	}
}

// keep spares the resource at path until the end of the run.
func (s *session) keep(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.made {
		if s.made[i].path == path {
			s.made[i].keep = true
		}
	}
}

// removeMade removes what was created since the list of resources had n
// entries, except what is kept.
func (s *session) removeMade(ctx context.Context, n int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	var rest []resource
	for i, r := range s.made {
		if i >= n && !r.keep && r.problem == "" {
			r.problem = s.remove(ctx, r)
			if r.problem == "" {
				continue
			}
			if s.undeletable == "" && !s.deleted {
				s.undeletable = r.problem
			}
		}
		rest = append(rest, r)
	}
	s.made = rest
}

// remove removes one resource, if it is the probe's, and returns why it could
// not.
func (s *session) remove(ctx context.Context, r resource) (problem string) {
	if !r.ours {
		a, err := s.attempt(ctx, request{method: http.MethodGet, path: r.path})
		switch {
		case err != nil:
			return fmt.Sprintf("GET %s had no answer: %s", r.path, s.redact(err.Error()))
		case a.status == http.StatusNotFound:
			return ""
		case a.status != http.StatusOK || !s.ours(a.object):
			return "nothing shows that it was created by the probe, so it was left alone"
		}
	}
	a, err := s.attempt(ctx, request{method: http.MethodDelete, path: r.path})
	switch {
	case err != nil:
		return fmt.Sprintf("DELETE %s had no answer: %s", r.path, s.redact(err.Error()))
	case a.status == http.StatusNotFound, a.status == http.StatusGone:
		return ""
	case a.status/100 != 2:
		return fmt.Sprintf("DELETE %s answered %d", r.path, a.status)
	case s.deleted:
		return ""
	}
	// One deletion is looked at, so that an endpoint that only says that it
	// deletes is not filled with the probe's people.
	a, err = s.attempt(ctx, request{method: http.MethodGet, path: r.path})
	if err == nil && a.status == http.StatusOK {
		return fmt.Sprintf("DELETE %s answered a success, and the resource is still there", r.path)
	}
	s.deleted = true
	return ""
}

// cleanUp removes whatever is left, groups before their members, and returns
// what it could not remove.
func (s *session) cleanUp(ctx context.Context) []LeftBehind {
	if s.o.ReadOnly {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	s.findForgotten(ctx)
	slices.SortStableFunc(s.made, func(a, b resource) int { return strings.Compare(a.path[:6], b.path[:6]) })
	var left []LeftBehind
	for _, r := range s.made {
		if problem := s.remove(ctx, r); problem != "" {
			left = append(left, LeftBehind{Path: r.path, Name: r.name, Reason: problem})
		}
	}
	s.made = nil
	return left
}

// findForgotten looks for resources of which no answer told: a request that
// was carried out without an answer, or with one that named no id.
func (s *session) findForgotten(ctx context.Context) {
	if !s.wrote {
		return
	}
	for _, c := range []struct{ collection, attribute string }{{"/Users", "userName"}, {"/Groups", "displayName"}} {
		a, err := s.attempt(ctx, request{method: http.MethodGet, path: c.collection, query: encode([]string{
			"filter", c.attribute + " sw " + quote(s.prefix), "count", "200"})})
		if err != nil || a.status != http.StatusOK {
			continue
		}
		for _, r := range objects(a.object.Elements("Resources")) {
			if id := textOf(at(r, "id")); id != "" && s.ours(r) {
				s.addMade(resource{path: c.collection + "/" + url.PathEscape(id), name: r.Text(c.attribute), ours: true})
			}
		}
	}
}

package graphtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"lockstep/internal/graph"
)

// errDropped is what the in-process transport gives for a dropped connection.
var errDropped = errors.New("connection reset")

// Transport answers requests to any host in the process, without a network, so
// that a test may run on the fake clock of testing/synctest.
func (g *Graph) Transport() http.RoundTripper { return transport{g} }

type transport struct{ g *Graph }

func (t transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if x := recover(); x == http.ErrAbortHandler {
			resp, err = nil, errDropped
		} else if x != nil {
			panic(x)
		}
	}()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.Host = r.URL.Host
	w := httptest.NewRecorder()
	t.g.ServeHTTP(w, r)
	resp = w.Result()
	resp.Request = r
	return resp, nil
}

// ServeHTTP implements [http.Handler].
func (g *Graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
		g.token(w, r)
		return
	}
	line := r.Method + " " + r.URL.Path
	if q, err := url.QueryUnescape(r.URL.RawQuery); err == nil && q != "" {
		line += "?" + q
	}
	g.requests = append(g.requests, line)
	w.Header().Set("request-id", fmt.Sprintf("req-%d", len(g.requests)))
	w.Header().Set("client-request-id", r.Header.Get("client-request-id"))
	if g.faults != nil {
		if f := g.faults(r); f != nil {
			f.answer(w)
			return
		}
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if until, ok := g.tokens[bearer]; !ok || time.Now().After(until) {
		g.fail(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
		return
	}
	if g.replay(w, r, line) {
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/v1.0/")
	if !ok {
		path, ok = strings.CutPrefix(r.URL.Path, "/beta/")
	}
	if !ok {
		g.fail(w, http.StatusBadRequest, "BadRequest", "Invalid version.")
		return
	}
	g.route(w, r, strings.Split(path, "/"))
}

func (f *Fault) answer(w http.ResponseWriter) {
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	for name, v := range f.Header {
		w.Header().Set(name, v)
	}
	w.WriteHeader(f.Status)
	fmt.Fprint(w, f.Body)
}

// allow reports whether one of the permissions is granted, and answers if not.
func (g *Graph) allow(w http.ResponseWriter, permissions ...string) bool {
	if slices.ContainsFunc(permissions, func(p string) bool { return !g.denied[p] }) {
		return true
	}
	g.fail(w, http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
	return false
}

func (g *Graph) route(w http.ResponseWriter, r *http.Request, p []string) {
	switch {
	case p[0] == "users" && g.allow(w, "User.Read.All", "Directory.Read.All"):
		g.collection(w, r, g.users, false, p[1:])
	case p[0] == "groups" && g.allow(w, "Group.Read.All", "GroupMember.Read.All", "Directory.Read.All"):
		g.collection(w, r, g.groups, true, p[1:])
	case p[0] == "directory" && len(p) == 3 && p[1] == "deletedItems":
		for _, all := range []map[string]*object{g.users, g.groups} {
			if o := all[p[2]]; o != nil && o.state == recycled {
				g.answer(w, http.StatusOK, map[string]any{"@odata.type": g.typeOf(o.id), "id": o.id})
				return
			}
		}
		g.notFound(w, p[2])
	case p[0] == "servicePrincipals" && g.allow(w, "Application.Read.All", "Directory.Read.All"):
		g.servicePrincipals(w, r, p[1:])
	case p[0] == "subscriptions":
		g.subscriptions(w, r, p[1:])
	case slices.Contains([]string{"users", "groups", "servicePrincipals"}, p[0]):
	default:
		g.fail(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment '"+p[0]+"'.")
	}
}

func (g *Graph) collection(w http.ResponseWriter, r *http.Request, all map[string]*object, group bool, p []string) {
	switch {
	case len(p) == 0:
		g.list(w, r, all)
	case p[0] == "delta" || p[0] == "delta()" || p[0] == "microsoft.graph.delta":
		g.delta(w, r, group)
	case p[0] == "$count":
		if r.Header.Get("ConsistencyLevel") != "eventual" {
			g.fail(w, http.StatusBadRequest, "Request_BadRequest", "$count is not supported without ConsistencyLevel.")
			return
		}
		n := 0
		for _, o := range all {
			if o.state == live {
				n++
			}
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, n)
	default:
		o := find(all, p[0])
		switch {
		case o == nil:
			g.notFound(w, p[0])
		case len(p) == 1:
			g.answer(w, http.StatusOK, g.show(o, r.URL.Query()))
		case len(p) == 2 && p[1] == "members" && group:
			ids, lagging := g.frozen[o.id]
			if !lagging {
				ids = slices.Sorted(maps.Keys(o.members))
			}
			values := make([]any, len(ids))
			for i, id := range ids {
				values[i] = map[string]any{"@odata.type": g.typeOf(id), "id": id}
			}
			g.paged(w, r, values)
		default:
			g.fail(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment '"+p[1]+"'.")
		}
	}
}

func find(all map[string]*object, ref string) *object {
	for id, o := range all {
		upn, _ := o.props["userPrincipalName"].(string)
		if o.state == live && (strings.EqualFold(id, ref) || upn != "" && strings.EqualFold(upn, ref)) {
			return o
		}
	}
	return nil
}

// show is an object as a reading gives it: every selected property, null when
// never set, and the manager when expanded.
func (g *Graph) show(o *object, q url.Values) map[string]any {
	var selected []string
	if s := q.Get("$select"); s != "" {
		selected = strings.Split(s, ",")
	}
	m := g.project(o, selected)
	for _, name := range selected {
		if _, ok := m[name]; !ok && name != "manager" && name != "members" {
			m[name] = nil
		}
	}
	if strings.HasPrefix(q.Get("$expand"), "manager") && o.manager != "" {
		m["manager"] = map[string]any{"@odata.type": graph.TypeUser, "id": o.manager}
	}
	return m
}

var (
	equals     = regexp.MustCompile(`(?i)(\w+) eq '((?:[^']|'')*)'`)
	startsWith = regexp.MustCompile(`(?i)startswith\((\w+),\s*'((?:[^']|'')*)'\)`)
)

func (g *Graph) list(w http.ResponseWriter, r *http.Request, all map[string]*object) {
	q := r.URL.Query()
	filter := q.Get("$filter")
	var values []any
	for _, id := range slices.Sorted(maps.Keys(all)) {
		o := all[id]
		if o.state != live {
			continue
		}
		matches := filter == ""
		for _, m := range equals.FindAllStringSubmatch(filter, -1) {
			s, _ := o.props[m[1]].(string)
			matches = matches || strings.EqualFold(s, strings.ReplaceAll(m[2], "''", "'"))
		}
		for _, m := range startsWith.FindAllStringSubmatch(filter, -1) {
			s, _ := o.props[m[1]].(string)
			matches = matches || strings.HasPrefix(strings.ToLower(s), strings.ToLower(strings.ReplaceAll(m[2], "''", "'")))
		}
		if matches {
			values = append(values, g.show(o, q))
		}
	}
	g.paged(w, r, values)
}

// paged answers with one page of values.
func (g *Graph) paged(w http.ResponseWriter, r *http.Request, values []any) {
	q := r.URL.Query()
	size := max(1, g.PageSize)
	if n, err := strconv.Atoi(q.Get("$top")); err == nil {
		if n < 1 || n > 999 {
			g.fail(w, http.StatusBadRequest, "Request_BadRequest", "Invalid page size.")
			return
		}
		size = min(size, n)
	}
	from, _ := strconv.Atoi(q.Get("$skiptoken"))
	from = min(max(0, from), len(values))
	to := min(from+size, len(values))
	page := map[string]any{"value": append([]any{}, values[from:to]...)}
	if to < len(values) {
		next := r.URL.Query()
		next.Set("$skiptoken", strconv.Itoa(to))
		page["@odata.nextLink"] = "http://" + r.Host + r.URL.EscapedPath() + "?" + next.Encode()
	}
	g.answer(w, http.StatusOK, page)
}

func (g *Graph) servicePrincipals(w http.ResponseWriter, r *http.Request, p []string) {
	if len(p) == 0 {
		var values []any
		for _, id := range slices.Sorted(maps.Keys(g.sps)) {
			values = append(values, g.sps[id])
		}
		g.paged(w, r, values)
		return
	}
	sp := g.sps[p[0]]
	switch {
	case sp == nil:
		g.notFound(w, p[0])
	case len(p) == 1:
		g.answer(w, http.StatusOK, sp)
	case p[1] == "appRoleAssignedTo":
		var values []any
		for _, a := range g.assigned[p[0]] {
			values = append(values, a)
		}
		g.paged(w, r, values)
	default:
		g.fail(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment '"+p[1]+"'.")
	}
}

func (g *Graph) subscriptions(w http.ResponseWriter, r *http.Request, p []string) {
	var s graph.Subscription
	if r.Method == http.MethodPost || r.Method == http.MethodPatch {
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil || s.ExpirationDateTime.After(time.Now().Add(graph.MaxSubscriptionAge)) {
			g.fail(w, http.StatusBadRequest, "ExtensionError", "Subscription expiration can only be 41760 minutes in the future.")
			return
		}
	}
	switch {
	case r.Method == http.MethodPost && len(p) == 0:
		g.seq++
		s.ID = fmt.Sprint("subscription-", g.seq)
		g.subs[s.ID] = &s
		g.answer(w, http.StatusCreated, s)
	case r.Method == http.MethodGet && len(p) == 0:
		var values []any
		for _, id := range slices.Sorted(maps.Keys(g.subs)) {
			shown := *g.subs[id]
			shown.ClientState = ""
			values = append(values, shown)
		}
		g.paged(w, r, values)
	case len(p) == 1 && g.subs[p[0]] == nil:
		g.notFound(w, p[0])
	case len(p) == 1 && r.Method == http.MethodPatch:
		g.subs[p[0]].ExpirationDateTime = s.ExpirationDateTime
		g.answer(w, http.StatusOK, g.subs[p[0]])
	case len(p) == 1 && r.Method == http.MethodDelete:
		delete(g.subs, p[0])
		w.WriteHeader(http.StatusNoContent)
	default:
		g.fail(w, http.StatusMethodNotAllowed, "BadRequest", "Method not allowed.")
	}
}

func (g *Graph) notFound(w http.ResponseWriter, ref string) {
	g.fail(w, http.StatusNotFound, "Request_ResourceNotFound", "Resource '"+ref+"' does not exist or one of its queried reference-property objects are not present.")
}

func (g *Graph) fail(w http.ResponseWriter, status int, code, message string) {
	g.answer(w, status, graph.NewErrorBody(code, message, w.Header().Get("request-id"), time.Now()))
}

func (g *Graph) answer(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s", data)
}

package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxBody is the largest request body that is read, in bytes.
const maxBody = 1 << 20

// call is one request on its way through an operation. The desk's lock is
// held: for reading by GET, for writing by the others.
type call struct {
	*Desk
	r     *http.Request
	body  map[string]json.RawMessage
	query url.Values
	id    int64 // of {id}
	now   Stamp
}

// answer is what an operation gives when it succeeds.
type answer struct {
	status   int // 0 is 200
	body     any // nil for none
	location string
	more     bool // another page exists
}

// operation is one verb of a route.
type operation struct {
	right right
	run   func(*call) (answer, error)
	// bare operations take no body.
	bare bool
}

// resource is a route of the API with its verbs.
type resource struct {
	desk   *Desk
	route  string
	bucket bucket
	verbs  map[string]operation
}

const apiPrefix = "/api/v2"

// routes builds the handler of everything the desk serves.
func (d *Desk) routes() http.Handler {
	mux := http.NewServeMux()
	for route, verbs := range d.operations() {
		r := &resource{desk: d, route: route, verbs: verbs}
		switch route {
		case "/requesters":
			r.bucket = listRequesters
		case "/agents":
			r.bucket = listAgents
		}
		mux.Handle(apiPrefix+route, r)
	}
	unknown := &resource{desk: d, route: "/…"}
	mux.Handle("/api/", unknown)
	d.control(mux)
	d.pages(mux)
	protect := http.NewCrossOriginProtection()
	return protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			clean := path.Clean(r.URL.Path)
			if clean != strings.TrimSuffix(r.URL.Path, "/") {
				unknown.ServeHTTP(w, r)
				return
			}
			if clean != r.URL.Path {
				r = r.Clone(r.Context())
				r.URL.Path, r.URL.RawPath = clean, ""
			}
		}
		mux.ServeHTTP(w, r)
	}))
}

func (d *Desk) operations() map[string]map[string]operation {
	type verbs = map[string]operation
	m := map[string]verbs{
		"/requesters": {
			http.MethodGet:  {viewPeople, listPeople, true},
			http.MethodPost: {managePeople, createRequester, false},
		},
		"/requesters/{id}": {
			http.MethodGet:    {viewPeople, viewRequester, true},
			http.MethodPut:    {managePeople, updateRequester, false},
			http.MethodDelete: {managePeople, deactivateRequester, true},
		},
		"/requesters/{id}/forget":           {http.MethodDelete: {manageAgents, forgetRequester, true}},
		"/requesters/{id}/reactivate":       {http.MethodPut: {managePeople, reactivateRequester, true}},
		"/requesters/{id}/convert_to_agent": {http.MethodPut: {manageAgents, convertToAgent, true}},
		"/requesters/{id}/merge":            {http.MethodPut: {managePeople, mergeRequesters, true}},
		"/requester_fields":                 {http.MethodGet: {viewPeople, listRequesterFields, true}},
		"/contact_fields":                   {http.MethodGet: {viewPeople, listRequesterFields, true}},

		"/agents": {
			http.MethodGet:  {manageAgents, listAgentsOperation, true},
			http.MethodPost: {manageAgents, createAgent, false},
		},
		"/agents/me": {http.MethodGet: {anyKey, viewMe, true}},
		"/agents/{id}": {
			http.MethodGet:    {manageAgents, viewAgent, true},
			http.MethodPut:    {manageAgents, updateAgent, false},
			http.MethodDelete: {manageAgents, deactivateAgent, true},
		},
		"/agents/{id}/forget":               {http.MethodDelete: {manageAgents, forgetAgent, true}},
		"/agents/{id}/reactivate":           {http.MethodPut: {manageAgents, reactivateAgent, true}},
		"/agents/{id}/convert_to_requester": {http.MethodPut: {manageAgents, convertToRequester, true}},
		"/agent_fields":                     {http.MethodGet: {manageAgents, listAgentFields, true}},

		"/roles":      {http.MethodGet: {viewRoles, listRoles, true}},
		"/roles/{id}": {http.MethodGet: {viewRoles, viewRole, true}},

		"/requester_groups/{id}/members": {http.MethodGet: {viewPeople, listMembers, true}},
		"/requester_groups/{id}/members/{member}": {
			http.MethodPost:   {managePeople, addMember, true},
			http.MethodDelete: {managePeople, removeMember, true},
		},
		"/department_fields": {http.MethodGet: {viewPeople, listDepartmentFields, true}},
	}
	groups.routes(m)
	m[groups.path][http.MethodGet] = operation{viewPeople, listGroups, true}
	requesterGroups.routes(m)
	departments.routes(m)
	locations.routes(m)
	return m
}

// ServeHTTP takes a call through limit, faults, credentials and rights to its
// operation.
func (res *resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d, began := res.desk, time.Now()
	now := d.o.Now()
	op, known := res.verbs[r.Method]
	b := overall
	if r.Method == http.MethodGet {
		b = res.bucket
	}
	a := d.limiter.take(b, cost(r, res.route), now)
	d.calls.count(r.Method+" "+res.route, a.refused)
	h := w.Header()
	commonHeaders(h)
	h.Set("X-RateLimit-Total", strconv.Itoa(a.total))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(a.remaining))
	h.Set("X-RateLimit-Used-CurrentRequest", strconv.Itoa(a.cost))

	var out answer
	var err error
	var f *fault
	if !a.refused {
		f = d.faults.pick(r, now)
	}
	switch {
	case a.refused:
		h.Set("Retry-After", strconv.Itoa(max(1, seconds(a.retryAfter))))
		err = errRate
	case f != nil && !f.before(d, w, r):
		return
	case len(res.verbs) == 0:
		err = errNotFound
	case !known:
		h.Set("Allow", strings.Join(res.allowed(), ", "))
		err = &Problem{Status: http.StatusMethodNotAllowed, Message: fmt.Sprintf(
			"%s method is not allowed. It should be one of these method(s): %s", r.Method, strings.Join(res.allowed(), ", "))}
	default:
		out, err = res.run(op, r, StampOf(now))
	}
	if f != nil {
		f.after(d, r)
	}
	h.Set("X-Envoy-Upstream-Service-Time", strconv.FormatInt(time.Since(began).Milliseconds(), 10))
	d.reply(w, r, out, err)
}

func (res *resource) allowed() []string { return slices.Sorted(maps.Keys(res.verbs)) }

// cost of a call in credits: embedding costs one more for one object and two
// more for a list (Freshservice API: embedding).
func cost(r *http.Request, route string) int {
	switch {
	case !strings.Contains(r.URL.RawQuery, "include=") || r.URL.Query().Get("include") == "":
		return 1
	case strings.Contains(route, "{id}"):
		return 2
	}
	return 3
}

func (res *resource) run(op operation, r *http.Request, now Stamp) (answer, error) {
	d := res.desk
	if err := d.authorize(r, op.right, now); err != nil {
		return answer{}, err
	}
	if !accepts(r) {
		return answer{}, errAccept
	}
	c := &call{Desk: d, r: r, query: r.URL.Query(), now: now}
	if s := r.PathValue("id"); s != "" {
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil || id <= 0 {
			return answer{}, errNotFound
		}
		c.id = id
	}
	if r.Method != http.MethodGet {
		if err := c.readBody(op.bare); err != nil {
			return answer{}, err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
	} else {
		d.mu.RLock()
		defer d.mu.RUnlock()
	}
	return op.run(c)
}

// accepts reports whether the client takes JSON.
func accepts(r *http.Request) bool {
	accept := r.Header.Values("Accept")
	if len(accept) == 0 {
		return true
	}
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, _, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "", "*/*", "application/*", "application/json":
			return true
		}
	}
	return false
}

func (c *call) readBody(bare bool) error {
	raw, err := io.ReadAll(http.MaxBytesReader(nil, c.r.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return errTooLarge
		}
		return errJSON
	}
	if len(raw) == 0 {
		return nil
	}
	if !bare {
		media, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
		if !strings.EqualFold(strings.TrimSpace(media), "application/json") {
			return errContentType
		}
	}
	if err := json.Unmarshal(raw, &c.body); err != nil || c.body == nil {
		return errJSON
	}
	if bare && len(c.body) > 0 {
		return errNoContent
	}
	return nil
}

func commonHeaders(h http.Header) {
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "Wed, 13 Oct 2010 00:00:00 UTC")
	h.Set("X-Freshservice-Api-Version", "latest=v2; requested=v2")
	h.Set("X-Request-Id", uuid.NewString())
	h.Set("X-Trace-Id", fmt.Sprintf("00-%016x%016x-%016x-01", rand.Uint64(), rand.Uint64(), rand.Uint64()))
	h.Set("X-Xss-Protection", "1; mode=block")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Fw-Ratelimiting-Managed", "true")
	h.Set("Server", "fwe")
}

func (d *Desk) reply(w http.ResponseWriter, r *http.Request, out answer, err error) {
	h := w.Header()
	if err != nil {
		p, ok := errors.AsType[*Problem](err)
		if !ok {
			d.o.Log.ErrorContext(r.Context(), "desk: a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
			p = errServer
		}
		out = answer{status: p.Status, body: p.body()}
	}
	if out.status == 0 {
		out.status = http.StatusOK
	}
	var b []byte
	if out.body != nil {
		if b, err = json.Marshal(out.body); err != nil {
			d.o.Log.ErrorContext(r.Context(), "desk: an answer cannot be encoded", "path", r.URL.Path, "error", err)
			out.status = http.StatusInternalServerError
		}
	}
	if out.location != "" {
		h.Set("Location", base(r)+apiPrefix+out.location)
	}
	if out.more {
		h.Set("Link", nextLink(r))
	}
	if len(b) == 0 {
		h.Del("Content-Type")
	}
	h.Set("Status", strconv.Itoa(out.status)+" "+http.StatusText(out.status))
	w.WriteHeader(out.status)
	_, _ = w.Write(b) // the client went away: nobody to tell
}

// base is the scheme and host the client used.
func base(r *http.Request) string {
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// nextLink is the link header to the following page (Freshservice API:
// pagination); it keeps the other parameters.
func nextLink(r *http.Request) string {
	q := r.URL.Query()
	n, _ := strconv.Atoi(q.Get("page"))
	q.Set("page", strconv.Itoa(max(n, 1)+1))
	return "<" + base(r) + r.URL.Path + "?" + q.Encode() + `>; rel="next"`
}

// paging is which part of a list is asked for.
type paging struct{ page, perPage int }

func (p paging) skip() int { return (p.page - 1) * p.perPage }

// paging reads page and per_page: 30 a page unless told, at most 100.
func (c *call) paging() (paging, error) {
	p := paging{1, 30}
	var errs []FieldError
	read := func(name string, into *int, most int) {
		s, given := c.query[name]
		if !given {
			return
		}
		n, err := strconv.Atoi(s[0])
		switch {
		case err != nil:
			errs = append(errs, FieldError{name, "It should be a/an Positive Integer", codeDatatypeMismatch})
		case n < 1:
			errs = append(errs, FieldError{name, "It should be a/an Positive Integer", codeInvalidValue})
		case n > most:
			errs = append(errs, FieldError{name, fmt.Sprintf("It should be a Positive Integer less than or equal to %d", most), codeInvalidValue})
		default:
			*into = n
		}
	}
	read("page", &p.page, maxPage)
	read("per_page", &p.perPage, 100)
	return p, invalid(http.StatusBadRequest, errs)
}

// maxPage keeps (page-1)*per_page far from overflow.
const maxPage = 1_000_000

// queryPaging reads the page of a query: 30 a page, at most 40 pages.
func (c *call) queryPaging() (paging, error) {
	p, err := c.paging()
	if err != nil {
		return p, err
	}
	if p.page > maxQueryPage {
		return p, blame("page", codeInvalidValue, fmt.Sprintf("It should be a Positive Integer less than or equal to %d", maxQueryPage))
	}
	p.perPage = queryPageSize
	return p, nil
}

// cut takes the page out of values that were read one further than the page.
func (p paging) cut(n int) (keep int, more bool) {
	return min(n, p.perPage), n > p.perPage
}

// refuse is [invalid] with the account's status for duplicates.
func (c *call) refuse(errs []FieldError) error { return invalid(c.o.DuplicateStatus, errs) }

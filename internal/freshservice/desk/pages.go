package desk

import (
	"bytes"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

//go:embed html
var htmlFiles embed.FS

var templates = func() map[string]*template.Template {
	m := map[string]*template.Template{}
	for _, name := range []string{"people", "person", "calls", "absent"} {
		m[name] = template.Must(template.ParseFS(htmlFiles, "html/layout.html", "html/"+name+".html"))
	}
	return m
}()

// peoplePage is how many people a page of the list shows.
const peoplePage = 50

// pages adds the pages for people: lists, one person, and the calls.
func (d *Desk) pages(mux *http.ServeMux) {
	handle := func(pattern string, show http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cache-Control", "no-store")
			if !d.mayLook(r) {
				h.Set("WWW-Authenticate", `Basic realm="desk: user name is the API key", charset="UTF-8"`)
				http.Error(w, "From another machine, sign in with the account's API key as user name.", http.StatusUnauthorized)
				return
			}
			show(w, r)
		})
	}
	handle("GET /{$}", d.showPeople)
	handle("GET /people/{id}", d.showPerson)
	handle("GET /calls", d.showCalls)
	handle("GET /desk.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, htmlFiles, "html/desk.css")
	})
}

// mayLook lets this machine in, and others with the account's key.
func (d *Desk) mayLook(r *http.Request) bool {
	if local(r) {
		return true
	}
	key, _, _ := r.BasicAuth()
	return key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(d.APIKey())) == 1
}

// frame is what every page shows around its content.
type frame struct {
	Title, Here, Domain string
	Plan                Plan
	Body                any
}

func (d *Desk) render(w http.ResponseWriter, r *http.Request, status int, page, title string, body any) {
	var b bytes.Buffer
	f := frame{Title: title, Here: page, Domain: d.o.Domain, Plan: d.o.Plan, Body: body}
	if err := templates[page].ExecuteTemplate(&b, "layout", f); err != nil {
		d.o.Log.ErrorContext(r.Context(), "desk: a page cannot be shown", "page", page, "error", err)
		http.Error(w, "The page cannot be shown; the log tells why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client went away: nobody to tell
}

// peopleBody is the content of the list.
type peopleBody struct {
	Search, Kind       string
	Requesters, Agents int
	People             []personRow
	Page               int
	Previous, Next     string // addresses, "" for none
}

type personRow struct {
	ID                                         int64
	Name, Email, Title, Departments, Manager   string
	ManagerID                                  int64
	Location, TimeZone, Language, Kind, Status string
}

func (d *Desk) showPeople(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	body := peopleBody{Search: strings.TrimSpace(q.Get("q")), Kind: q.Get("kind"), Page: 1}
	if n, err := strconv.Atoi(q.Get("page")); err == nil {
		body.Page = min(max(n, 1), maxPage)
	}
	d.fillPeople(&body)
	address := func(page int) string {
		return "/?" + url.Values{"q": {body.Search}, "kind": {body.Kind}, "page": {strconv.Itoa(page)}}.Encode()
	}
	if body.Page > 1 {
		body.Previous = address(body.Page - 1)
	}
	if len(body.People) > peoplePage {
		body.People = body.People[:peoplePage]
		body.Next = address(body.Page + 1)
	}
	d.render(w, r, http.StatusOK, "people", "People", body)
}

func (d *Desk) fillPeople(body *peopleBody) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	world := d.world
	body.Requesters, body.Agents = world.requesters.len(), world.agents.len()
	list := world.everyone
	switch body.Kind {
	case "requesters":
		list = world.requesters
	case "agents":
		list = world.agents
	default:
		body.Kind = ""
	}
	skip := (body.Page - 1) * peoplePage
	found := list.from(skip)
	if words := strings.Fields(strings.ToLower(body.Search)); len(words) > 0 {
		found = filter(list.from(0), func(p *Person) bool {
			for _, word := range words {
				if !strings.Contains(p.sortKey, word) && !strings.Contains(strings.ToLower(p.LastName), word) &&
					!strings.Contains(strings.ToLower(p.PrimaryEmail), word) {
					return false
				}
			}
			return true
		})
	} else {
		skip = 0
	}
	for _, p := range page(found, skip, peoplePage+1) {
		body.People = append(body.People, world.row(p))
	}
}

func (w *world) row(p *Person) personRow {
	r := personRow{
		ID: p.ID, Name: p.Name(), Email: p.PrimaryEmail, Title: p.JobTitle, TimeZone: p.TimeZone, Language: p.Language,
		Kind: "Requester", Status: "Active",
	}
	if p.Agent != nil {
		r.Kind = "Agent"
		if p.Agent.Occasional {
			r.Kind = "Occasional agent"
		}
	}
	if p.Inactive {
		r.Status = "Inactive"
	}
	var names []string
	for _, d := range w.departmentsOf(p) {
		names = append(names, string(d.Name))
	}
	r.Departments = strings.Join(names, ", ")
	if m := w.people[p.ReportingManagerID]; m != nil {
		r.Manager, r.ManagerID = m.Name(), m.ID
	}
	if l := w.locationOf(p); l != nil {
		r.Location = string(l.Name)
	}
	return r
}

// personBody is the content of one person's page.
type personBody struct {
	Row  personRow
	More []property
	JSON string
}

type property struct{ Name, Value string }

func (d *Desk) showPerson(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	body := d.person(id)
	if body == nil {
		d.render(w, r, http.StatusNotFound, "absent", "Not found", id)
		return
	}
	d.render(w, r, http.StatusOK, "person", body.Row.Name, body)
}

func (d *Desk) person(id int64) *personBody {
	d.mu.RLock()
	defer d.mu.RUnlock()
	w := d.world
	p := w.people[id]
	if p == nil {
		return nil
	}
	b := &personBody{Row: w.row(p)}
	add := func(name, value string) {
		if value != "" {
			b.More = append(b.More, property{name, value})
		}
	}
	add("Secondary e-mail", strings.Join(p.SecondaryEmails, ", "))
	add("Work phone", p.WorkPhoneNumber)
	add("Mobile phone", p.MobilePhoneNumber)
	add("Address", p.Address)
	add("External id", p.ExternalID)
	add("Time format", p.TimeFormat)
	add("Background", p.BackgroundInformation)
	if p.Agent != nil {
		for _, a := range p.Agent.Roles {
			if role := w.roles.byID[a.RoleID]; role != nil {
				add("Role", string(role.Name)+" ("+a.AssignmentScope+")")
			}
		}
		if g := w.groupsOf[p.ID]; g != nil {
			for _, id := range g.member {
				add("Group", string(w.groups.byID[id].Name))
			}
		}
	}
	for _, id := range w.memberOf[p.ID] {
		add("Requester group", string(w.requesterGroups.byID[id].Name))
	}
	for _, f := range w.fields.sorted {
		add(f.Name, strings.Trim(string(p.CustomFields[f.Name]), `"`))
	}
	add("Created", p.CreatedAt.String())
	add("Updated", p.UpdatedAt.String())
	if j, err := json.MarshalIndent(w.view(p), "", "  "); err == nil {
		b.JSON = string(j)
	}
	return b
}

// callsBody is the content of the page of calls.
type callsBody struct {
	Stats
	Routes []routeCalls
}

type routeCalls struct {
	Route string
	Calls int64
}

func (d *Desk) showCalls(w http.ResponseWriter, r *http.Request) {
	body := callsBody{Stats: d.stats()}
	for _, route := range slices.Sorted(maps.Keys(body.ByRoute)) {
		body.Routes = append(body.Routes, routeCalls{route, body.ByRoute[route]})
	}
	slices.SortStableFunc(body.Routes, func(a, b routeCalls) int { return int(min(1, max(-1, b.Calls-a.Calls))) })
	d.render(w, r, http.StatusOK, "calls", "Calls", body)
}

package freshservice

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PeoplePage yields the pages of a listing of requesters or agents, from page
// first on, 100 people each, with the number of the page. Fields of filter
// narrow it, such as email, active or state; nil lists everyone. It ends after
// the first error.
func (c *Client) PeoplePage(ctx context.Context, kind Kind, filter url.Values, first int) iter.Seq2[PeopleAt, error] {
	return func(yield func(PeopleAt, error) bool) {
		for page, err := range pages[Person](ctx, c, kind.path(), kind.path(), string(kind)+"s", filter, first) {
			for i := range page.items {
				page.items[i].Kind = kind
			}
			if !yield(PeopleAt{page.number, page.last, page.items}, err) {
				return
			}
		}
	}
}

// PeopleAt is one page of people.
type PeopleAt struct {
	Page   int
	Last   bool
	People []Person
}

// People yields everyone that the filter lets through; see [Client.PeoplePage].
func (c *Client) People(ctx context.Context, kind Kind, filter url.Values) iter.Seq2[*Person, error] {
	return func(yield func(*Person, error) bool) {
		for page, err := range c.PeoplePage(ctx, kind, filter, 1) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.People {
				if !yield(&page.People[i], nil) {
					return
				}
			}
		}
	}
}

// Search yields the people who match a query in Freshservice's language, such
// as department_id:7 AND last_name:'Duarte' (Freshservice API: filter
// requesters). Its index lags behind by some minutes and it ends after 1,200
// people, so it never serves to decide whether someone exists.
func (c *Client) Search(ctx context.Context, kind Kind, query string) iter.Seq2[*Person, error] {
	const lastPage = 40
	return func(yield func(*Person, error) bool) {
		if len(query) > 512 {
			yield(nil, fmt.Errorf("the query has %d characters; Freshservice takes 512", len(query)))
			return
		}
		for page := 1; page <= lastPage; page++ {
			body, _, err := c.do(ctx, call{method: http.MethodGet, route: kind.path(), path: kind.path(),
				query: url.Values{"query": {`"` + query + `"`}, "page": {strconv.Itoa(page)}}})
			var people []Person
			if err == nil {
				people, err = decodeList[Person](body, string(kind)+"s")
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range people {
				people[i].Kind = kind
				if !yield(&people[i], nil) {
					return
				}
			}
			// No Link header here: an empty page is the end.
			if len(people) == 0 {
				return
			}
		}
	}
}

// Person returns one requester or agent.
func (c *Client) Person(ctx context.Context, kind Kind, id int64) (*Person, error) {
	return c.person(ctx, kind, call{method: http.MethodGet, route: kind.path() + "/{id}", path: personPath(kind, id)})
}

// Me returns the agent whose key the client uses. It works with any valid key.
func (c *Client) Me(ctx context.Context) (*Person, error) {
	return c.person(ctx, Agent, call{method: http.MethodGet, route: "/agents/me", path: "/agents/me"})
}

// FindByEmail returns who holds the address, requester or agent, or nil. It
// asks the listings, which know every change at once.
func (c *Client) FindByEmail(ctx context.Context, email string) (*Person, error) {
	for _, kind := range []Kind{Requester, Agent} {
		p, err := c.findBy(ctx, kind, "email", email)
		if p != nil || err != nil {
			return p, err
		}
	}
	return nil, nil
}

func (c *Client) findBy(ctx context.Context, kind Kind, field, value string) (*Person, error) {
	for p, err := range c.People(ctx, kind, url.Values{field: {value}}) {
		return p, err
	}
	return nil, nil
}

// Create creates a requester or an agent. When the outcome of a try is
// unknown it looks the person up before it tries again, so that nobody is
// created twice. found is set when the person was there then: usually made by
// the try whose answer was lost, possibly there before with other attributes.
func (c *Client) Create(ctx context.Context, kind Kind, f Fields) (p *Person, found bool, err error) {
	r := call{method: http.MethodPost, route: kind.path(), path: kind.path(), body: f}
	for try := 1; ; try++ {
		p, err := c.person(ctx, kind, r)
		if err == nil || !outcomeUnknown(err) || !pause(ctx, c.delay<<(try-1)) {
			return p, false, err
		}
		p, lookErr := c.findCreated(ctx, kind, f)
		switch {
		case lookErr != nil || p == nil && try == c.tries:
			return nil, false, err
		case p != nil:
			return p, true, nil
		}
	}
}

// pause waits and reports whether ctx lets the caller go on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// findCreated looks for the person that a create with unknown outcome may
// have made, by what is unique about it.
func (c *Client) findCreated(ctx context.Context, kind Kind, f Fields) (*Person, error) {
	if email, _ := f[kind.emailField()].(string); email != "" {
		return c.findBy(ctx, kind, "email", email)
	}
	for _, field := range []string{"work_phone_number", "mobile_phone_number"} {
		if phone, _ := f[field].(string); phone != "" {
			p, err := c.findBy(ctx, kind, field, phone)
			if p != nil && p.FirstName != f["first_name"] {
				p = nil // a shared line
			}
			return p, err
		}
	}
	return nil, nil
}

// Update writes the given fields and leaves the others, with one exception
// that the caller must know: Freshservice sets
// can_see_all_tickets_from_associated_departments to false unless it is sent
// as true.
func (c *Client) Update(ctx context.Context, kind Kind, id int64, f Fields) (*Person, error) {
	return c.person(ctx, kind, call{method: http.MethodPut, route: kind.path() + "/{id}", path: personPath(kind, id), body: f})
}

// Deactivate takes a person's access away. It never erases anything; there is
// deliberately no call here for Freshservice's "forget".
func (c *Client) Deactivate(ctx context.Context, kind Kind, id int64) error {
	_, _, err := c.do(ctx, call{method: http.MethodDelete, route: kind.path() + "/{id}", path: personPath(kind, id)})
	return err
}

// Reactivate gives a deactivated person access again. Departments, manager and
// location do not come back with it.
func (c *Client) Reactivate(ctx context.Context, kind Kind, id int64) (*Person, error) {
	return c.person(ctx, kind, call{method: http.MethodPut, route: kind.path() + "/{id}/reactivate", path: personPath(kind, id) + "/reactivate"})
}

// ConvertToAgent makes a requester an occasional agent with the role SD Agent.
// The ID stays.
func (c *Client) ConvertToAgent(ctx context.Context, id int64) (*Person, error) {
	return c.person(ctx, Agent, call{method: http.MethodPut, route: "/requesters/{id}/convert_to_agent", path: personPath(Requester, id) + "/convert_to_agent"})
}

// ConvertToRequester takes an agent's role and licence. The ID stays.
func (c *Client) ConvertToRequester(ctx context.Context, id int64) (*Person, error) {
	return c.person(ctx, Requester, call{method: http.MethodPut, route: "/agents/{id}/convert_to_requester", path: personPath(Agent, id) + "/convert_to_requester"})
}

// MergeRequesters merges the secondary requesters into the primary one, who
// receives their addresses as secondary e-mails.
func (c *Client) MergeRequesters(ctx context.Context, primary int64, secondary ...int64) (*Person, error) {
	return c.person(ctx, Requester, call{method: http.MethodPut, route: "/requesters/{id}/merge", path: personPath(Requester, primary) + "/merge",
		query: url.Values{"secondary_requesters": {joinIDs(secondary)}}})
}

func joinIDs(ids []int64) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(list, ",")
}

func personPath(kind Kind, id int64) string { return kind.path() + "/" + strconv.FormatInt(id, 10) }

// person sends a call that answers with a requester or agent. After a
// conversion it is of the other kind than the path's, so both are looked for.
func (c *Client) person(ctx context.Context, kind Kind, r call) (*Person, error) {
	body, _, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	p, err := decodeOne[Person](r, body, string(kind))
	if err != nil {
		return nil, err
	}
	p.Kind = kind
	return p, nil
}

// decodeOne reads a single object from its envelope. Accounts of managed
// service providers put some under the plural name.
func decodeOne[T any](r call, body []byte, name string) (*T, error) {
	var envelope map[string]json.RawMessage
	err := json.Unmarshal(body, &envelope)
	if err == nil {
		for _, key := range []string{name, name + "s"} {
			raw, ok := envelope[key]
			if !ok {
				continue
			}
			out := new(T)
			if err = json.Unmarshal(raw, out); err == nil {
				return out, nil
			}
			var list []T
			if json.Unmarshal(raw, &list) == nil && len(list) == 1 {
				return &list[0], nil
			}
		}
		if err == nil {
			err = fmt.Errorf("it has no %q", name)
		}
	}
	return nil, &APIError{Status: http.StatusOK, Method: r.method, Route: r.route, NotAPI: true,
		Description: "the answer cannot be understood: " + err.Error()}
}

func decodeList[T any](body []byte, name string) ([]T, error) {
	var envelope map[string]json.RawMessage
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, fmt.Errorf("the list cannot be understood: %w", err)
	}
	raw, ok := envelope[name]
	if !ok {
		return nil, fmt.Errorf("the list cannot be understood: it has no %q", name)
	}
	var list []T
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("the list cannot be understood: %w", err)
	}
	return list, nil
}

// A listPage is one page of a listing.
type listPage[T any] struct {
	number int
	last   bool
	items  []T
}

// perPage is the largest page that Freshservice gives.
const perPage = 100

// pages yields the pages of a listing for as long as the Link header announces
// a next one (Freshservice API: pagination). Where it leads is not followed
// blindly: the number of the page is counted here, and the rest of the request
// stays as it was, so that no answer can send the key elsewhere.
func pages[T any](ctx context.Context, c *Client, route, path, name string, filter url.Values, first int) iter.Seq2[listPage[T], error] {
	return func(yield func(listPage[T], error) bool) {
		for number := max(1, first); ; number++ {
			query := url.Values{"page": {strconv.Itoa(number)}, "per_page": {strconv.Itoa(perPage)}}
			maps.Copy(query, filter)
			body, header, err := c.do(ctx, call{method: http.MethodGet, route: route, path: path, query: query})
			page := listPage[T]{number: number}
			if err == nil {
				page.items, err = decodeList[T](body, name)
				page.last = !hasNext(header)
			}
			if err != nil {
				yield(page, fmt.Errorf("page %d of %s: %w", number, strings.TrimPrefix(route, "/"), err))
				return
			}
			if !yield(page, nil) || page.last {
				return
			}
		}
	}
}

// hasNext reports whether a Link header has an entry with rel="next" (RFC 8288).
func hasNext(h http.Header) bool {
	for _, line := range h.Values("Link") {
		for link := range strings.SplitSeq(line, ",") {
			parts := strings.Split(link, ";")
			if slices.ContainsFunc(parts[1:], func(p string) bool {
				name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
				return strings.EqualFold(name, "rel") && slices.Contains(strings.Fields(strings.Trim(value, `"`)), "next")
			}) {
				return true
			}
		}
	}
	return false
}

// all collects a listing.
func all[T any](ctx context.Context, c *Client, route, path, name string) ([]T, error) {
	var list []T
	for page, err := range pages[T](ctx, c, route, path, name, nil, 1) {
		if err != nil {
			return nil, err
		}
		list = append(list, page.items...)
	}
	return list, nil
}

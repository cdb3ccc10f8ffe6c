package desk

import (
	"iter"
	"net/http"
	"strconv"
	"strings"
)

// save commits a person's new state, whatever else changes with it, and the
// expiry of its key: an occasional agent's lapses after a day.
func (c *call) save(p *Person, more ...change) error {
	p.UpdatedAt = c.now
	if p.CreatedAt == 0 {
		p.CreatedAt = c.now
	}
	cs := append([]change{{kind: kindPerson, id: p.ID, value: p}}, more...)
	if k := c.world.keyOf(p); k != nil && p.Agent != nil && p.Agent.Occasional != (k.Expires != 0) {
		n := *k
		n.Expires = 0
		if p.Agent.Occasional {
			n.Expires = c.now + Stamp(dayPass.Seconds())
		}
		cs = append(cs, change{kind: kindKey, id: p.ID, value: &n})
	}
	return c.commit(c.r.Context(), cs...)
}

// keyOf returns the key of an agent that has been given one, else nil. Only
// a handful of agents have one.
func (w *world) keyOf(p *Person) *apiKey {
	for _, k := range w.keys {
		if k.Agent == p.ID {
			return k
		}
	}
	return nil
}

// requester returns the requester {id}; an agent is none.
func (c *call) requester() (*Person, error) {
	if p := c.world.people[c.id]; p != nil && p.Agent == nil {
		return p, nil
	}
	return nil, errNotFound
}

func (c *call) requesterAnswer(p *Person) answer {
	return answer{body: envelope{"requester": c.world.requesterView(p)}}
}

// includeAgents reports whether agents shall be listed too, which only those
// who manage agents may see.
func (c *call) includeAgents() (bool, error) {
	switch c.query.Get("include_agents") {
	case "", "false":
		return false, nil
	case "true":
		p, err := c.caller(c.r, c.now)
		if err != nil {
			return false, err
		}
		if !c.world.may(p, manageAgents) {
			return false, errDenied
		}
		return true, nil
	}
	return false, blame("include_agents", codeDatatypeMismatch, "It should be a/an Boolean")
}

func listPeople(c *call) (answer, error) {
	all, err := c.includeAgents()
	if err != nil {
		return answer{}, err
	}
	of := func(p *Person) bool { return all || p.Agent == nil }
	view := func(p *Person) any { return c.world.requesterView(p) }
	if c.query.Has("query") {
		return c.queryPeople("requesters", "primary_email", of, view)
	}
	list := c.world.requesters
	if all {
		list = c.world.everyone
	}
	return c.listPage("requesters", list, of, nil, view)
}

// queryPeople answers ?query= from the index: 30 a page, newest first, no link.
func (c *call) queryPeople(noun, emailName string, of func(*Person) bool, view func(*Person) any) (answer, error) {
	match, err := parseQuery(c.query.Get("query"), personQuery(emailName, c.world.fields.sorted))
	if err != nil {
		return answer{}, err
	}
	pg, err := c.queryPaging()
	if err != nil {
		return answer{}, err
	}
	found := c.index.search(func(p *Person) bool { return of(p) && match(p) }, pg.skip(), pg.perPage)
	return answer{body: envelope{noun: views(found, view)}}, nil
}

// listPage answers a list by first name. The filters for e-mail and phone go
// through their indexes; narrow, which may be nil, is a further condition.
func (c *call) listPage(noun string, list *order[*Person], of, narrow func(*Person) bool, view func(*Person) any) (answer, error) {
	pg, err := c.paging()
	if err != nil {
		return answer{}, err
	}
	var found []*Person
	if candidates, filtered := c.candidates(); filtered {
		found = page(filter(candidates, func(p *Person) bool { return of(p) && (narrow == nil || narrow(p)) }), pg.skip(), pg.perPage+1)
	} else if narrow != nil {
		found = page(filter(list.from(0), narrow), pg.skip(), pg.perPage+1)
	} else {
		found = page(list.from(pg.skip()), 0, pg.perPage+1)
	}
	keep, more := pg.cut(len(found))
	return answer{body: envelope{noun: views(found[:keep], view)}, more: more}, nil
}

// candidates yields, by first name, the people who satisfy the parameters
// email, mobile_phone_number and work_phone_number; filtered is false when
// none is given.
func (c *call) candidates() (seq iter.Seq[*Person], filtered bool) {
	w := c.world
	var conditions []func(*Person) bool
	var ids []int64
	by := func(name string, look func(string) []int64, has func(*Person, string) bool) {
		v := strings.TrimSpace(c.query.Get(name))
		if v == "" {
			return
		}
		if conditions == nil {
			ids = look(v)
		}
		conditions = append(conditions, func(p *Person) bool { return has(p, v) })
	}
	by("email", func(v string) []int64 {
		if p := w.withEmail(v); p != nil {
			return []int64{p.ID}
		}
		return nil
	}, func(p *Person, v string) bool {
		return w.byEmail[fold(v)] == p.ID
	})
	by("mobile_phone_number", func(v string) []int64 { return w.byMobile[v] }, func(p *Person, v string) bool {
		return p.MobilePhoneNumber == v
	})
	by("work_phone_number", func(v string) []int64 { return w.byWork[v] }, func(p *Person, v string) bool {
		return p.WorkPhoneNumber == v
	})
	if conditions == nil {
		return nil, false
	}
	sorted := order[*Person]{compare: byFirstName}
next:
	for _, id := range ids {
		p := w.people[id]
		for _, ok := range conditions {
			if !ok(p) {
				continue next
			}
		}
		sorted.insert(p)
	}
	return sorted.from(0), true
}

func views(people []*Person, view func(*Person) any) []any {
	out := make([]any, len(people))
	for i, p := range people {
		out[i] = view(p)
	}
	return out
}

func viewRequester(c *call) (answer, error) {
	p, err := c.requester()
	if err != nil {
		return answer{}, err
	}
	return c.requesterAnswer(p), nil
}

func createRequester(c *call) (answer, error) {
	p := &Person{}
	errs := requesterForm.fill(c.world, p, c.body)
	if err := c.refuse(merge(errs, append(c.world.checkPerson(nil, p), c.world.missingFields(p)...))); err != nil {
		return answer{}, err
	}
	p.ID = c.world.newID()
	if err := c.save(p); err != nil {
		return answer{}, err
	}
	a := c.requesterAnswer(p)
	a.status, a.location = http.StatusCreated, "/requesters/"+strconv.FormatInt(p.ID, 10)
	return a, nil
}

// merge joins the errors of reading with those of checking, the first of each
// field only: a value that could not be read need not be missed as well.
func merge(read, checked []FieldError) []FieldError {
	seen := map[string]bool{}
	for _, e := range read {
		seen[e.Field] = true
	}
	for _, e := range checked {
		if !seen[e.Field] {
			seen[e.Field] = true
			read = append(read, e)
		}
	}
	return read
}

func updateRequester(c *call) (answer, error) {
	old, err := c.requester()
	if err != nil {
		return answer{}, err
	}
	p := old.copy()
	// Every PUT resets this unless the payload says true (Freshservice API:
	// update a requester).
	p.AllTickets = false
	errs := requesterForm.fill(c.world, p, c.body)
	if err := c.refuse(merge(errs, c.world.checkPerson(old, p))); err != nil {
		return answer{}, err
	}
	if err := c.save(p); err != nil {
		return answer{}, err
	}
	return c.requesterAnswer(p), nil
}

// deactivateRequester takes the person out of every requester group and clears
// departments, location and manager, which do not come back on reactivation.
func deactivateRequester(c *call) (answer, error) {
	old, err := c.requester()
	if err != nil {
		return answer{}, err
	}
	if old.Inactive {
		return answer{status: http.StatusNoContent}, nil
	}
	p := old.copy()
	p.Inactive = true
	p.DepartmentIDs, p.LocationID, p.ReportingManagerID = nil, 0, 0
	more := append(c.world.leaveGroups(p.ID), c.world.leaveDepartments(p.ID)...)
	return answer{status: http.StatusNoContent}, c.save(p, more...)
}

func reactivateRequester(c *call) (answer, error) {
	old, err := c.requester()
	if err != nil {
		return answer{}, err
	}
	if !old.Inactive {
		return c.requesterAnswer(old), nil
	}
	p := old.copy()
	p.Inactive = false
	if err := c.save(p); err != nil {
		return answer{}, err
	}
	return c.requesterAnswer(p), nil
}

func forgetRequester(c *call) (answer, error) {
	p, err := c.requester()
	if err != nil {
		return answer{}, err
	}
	return c.forget(p)
}

// forget erases a person for good.
func (c *call) forget(p *Person) (answer, error) {
	return answer{status: http.StatusNoContent}, c.commit(c.r.Context(), append(c.world.leave(p.ID),
		change{kind: kindPerson, id: p.ID})...)
}

// leave are the changes that take a person out of everything.
func (w *world) leave(id int64) []change {
	cs := append(w.leaveGroups(id), w.leaveAgentGroups(id)...)
	return append(cs, w.leaveDepartments(id)...)
}

// convertToAgent makes an occasional agent with the role SD Agent over the
// entire help desk and no groups (Freshservice API: convert a requester to an
// agent).
func convertToAgent(c *call) (answer, error) {
	old, err := c.requester()
	if err != nil {
		return answer{}, err
	}
	if old.Inactive {
		return answer{}, &Problem{Status: http.StatusConflict, Code: codeInvalidValue, Message: "A deactivated requester cannot be converted. Reactivate the requester first."}
	}
	role, ok := c.world.roles.named(fold(string(serviceDeskAgent)))
	if !ok {
		return answer{}, &Problem{Status: http.StatusConflict, Code: codeInvalidValue, Message: "The role SD Agent does not exist."}
	}
	p := old.copy()
	p.Agent = &Agent{Occasional: true, Roles: []RoleAssignment{{RoleID: role.ID, AssignmentScope: EntireHelpdesk}}}
	if err := c.refuse(c.world.checkPerson(old, p)); err != nil {
		return answer{}, err
	}
	if err := c.save(p); err != nil {
		return answer{}, err
	}
	return c.agentAnswer(p), nil
}

// mergeRequesters gives the addresses of others to {id} and removes the
// others.
func mergeRequesters(c *call) (answer, error) {
	old, err := c.requester()
	if err != nil {
		return answer{}, err
	}
	p := old.copy()
	p.SecondaryEmails = append([]string(nil), old.SecondaryEmails...)
	var more []change
	var merged []int64
	for s := range strings.SplitSeq(c.query.Get("secondary_requesters"), ",") {
		id, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil || id <= 0 {
			return answer{}, blame("secondary_requesters", codeDatatypeMismatch, "It should be a/an list of Positive Integers")
		}
		merged = append(merged, id)
	}
	for _, id := range set(merged) {
		other := c.world.people[id]
		if other == nil || other.Agent != nil || id == p.ID {
			return answer{}, blame("secondary_requesters", codeInvalidValue, "There is no requester matching the given id "+strconv.FormatInt(id, 10))
		}
		if other.PrimaryEmail != "" {
			p.SecondaryEmails = append(p.SecondaryEmails, other.PrimaryEmail)
		}
		p.SecondaryEmails = append(p.SecondaryEmails, other.SecondaryEmails...)
		more = append(more, c.world.leave(id)...)
		more = append(more, change{kind: kindPerson, id: id})
	}
	// The others have to let go of their addresses first.
	p.UpdatedAt = c.now
	if err := c.commit(c.r.Context(), append(more, change{kind: kindPerson, id: p.ID, value: p})...); err != nil {
		return answer{}, err
	}
	return c.requesterAnswer(p), nil
}

package desk

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// agent returns the agent {id}; a requester is none.
func (c *call) agent() (*Person, error) {
	if p := c.world.people[c.id]; p != nil && p.Agent != nil {
		return p, nil
	}
	return nil, errNotFound
}

func (c *call) agentAnswer(p *Person) answer {
	return answer{body: envelope{"agent": c.world.agentView(p)}}
}

func viewMe(c *call) (answer, error) {
	p, err := c.caller(c.r, c.now)
	if err != nil {
		return answer{}, err
	}
	return c.agentAnswer(p), nil
}

func viewAgent(c *call) (answer, error) {
	p, err := c.agent()
	if err != nil {
		return answer{}, err
	}
	return c.agentAnswer(p), nil
}

// listAgentsOperation lists agents; active and state may be combined with the
// other filters.
func listAgentsOperation(c *call) (answer, error) {
	of := func(p *Person) bool { return p.Agent != nil }
	view := func(p *Person) any { return c.world.agentView(p) }
	if c.query.Has("query") {
		return c.queryPeople("agents", "email", of, view)
	}
	var conditions []func(*Person) bool
	switch s := c.query.Get("active"); s {
	case "":
	case "true", "false":
		conditions = append(conditions, func(p *Person) bool { return p.Inactive == (s == "false") })
	default:
		return answer{}, blame("active", codeDatatypeMismatch, "It should be a/an Boolean")
	}
	switch s := c.query.Get("state"); s {
	case "":
	case "fulltime", "occasional":
		conditions = append(conditions, func(p *Person) bool { return p.Agent.Occasional == (s == "occasional") })
	default:
		return answer{}, blame("state", codeInvalidValue, "It should be one of these values: 'fulltime,occasional'")
	}
	var narrow func(*Person) bool
	if len(conditions) > 0 {
		narrow = func(p *Person) bool {
			return !slices.ContainsFunc(conditions, func(ok func(*Person) bool) bool { return !ok(p) })
		}
	}
	return c.listPage("agents", c.world.agents, of, narrow, view)
}

// readAgent fills p from the body with the form and returns the groups the
// agent shall be in, nil when the body does not say.
func (c *call) readAgent(f form[Person], old, p *Person) (*agentGroups, []FieldError) {
	body := maps.Clone(c.body)
	want := &agentGroups{}
	if g := c.world.groupsOf[p.ID]; g != nil {
		*want = *g
	}
	var errs []FieldError
	asked := false
	for name, set := range agentGroupsForm {
		raw, ok := body[name]
		if !ok {
			continue
		}
		asked = true
		delete(body, name)
		for _, e := range set(c.world, want, raw) {
			errs = append(errs, FieldError{name, e.Message, e.Code})
		}
	}
	for _, list := range []struct {
		name string
		ids  []int64
	}{{"member_of", want.member}, {"observer_of", want.observer}} {
		for _, id := range list.ids {
			if !c.world.groups.has(id) {
				errs = append(errs, FieldError{list.name, "There is no group matching the given id " + strconv.FormatInt(id, 10), codeInvalidValue})
			}
		}
	}
	errs = merge(append(f.fill(c.world, p, body), errs...), c.world.checkPerson(old, p))
	if !asked {
		return nil, errs
	}
	return want, errs
}

// join are the changes that put an agent into exactly these groups.
func (w *world) join(id int64, want *agentGroups, now Stamp) []change {
	if want == nil {
		return nil
	}
	var cs []change
	for _, g := range w.groups.sorted {
		members := toggled(g.Members, id, slices.Contains(want.member, g.ID))
		observers := toggled(g.Observers, id, slices.Contains(want.observer, g.ID))
		if len(members) == len(g.Members) && len(observers) == len(g.Observers) {
			continue
		}
		c := *g
		c.Members, c.Observers = members, observers
		touch(&c, now)
		cs = append(cs, change{kind: kindGroup, id: g.ID, value: &c})
	}
	return cs
}

// toggled returns the list with or without id.
func toggled(list []int64, id int64, in bool) []int64 {
	switch {
	case in == slices.Contains(list, id):
		return list
	case in:
		return append(slices.Clone(list), id)
	}
	return without(list, id)
}

// scopes checks what the plan allows: specified_groups needs Pro or more.
func (c *call) scopes(p *Person) error {
	if c.o.Plan != Starter && c.o.Plan != Growth {
		return nil
	}
	for _, r := range p.Agent.Roles {
		if r.AssignmentScope == SpecifiedGroups {
			return errScopeFeature
		}
	}
	return nil
}

// seat refuses one more full-time agent than the licence allows.
func (c *call) seat(old, p *Person) error {
	if c.o.AgentSeats > 0 && p.seated() && (old == nil || !old.seated()) && c.world.seats >= c.o.AgentSeats {
		return errNoSeat
	}
	return nil
}

func createAgent(c *call) (answer, error) {
	p := &Person{Agent: &Agent{}}
	want, errs := c.readAgent(agentForm, nil, p)
	if err := c.refuse(merge(errs, c.world.missingFields(p))); err != nil {
		return answer{}, err
	}
	if err := c.scopes(p); err != nil {
		return answer{}, err
	}
	if err := c.seat(nil, p); err != nil {
		return answer{}, err
	}
	p.ID = c.world.newID()
	if err := c.save(p, c.world.join(p.ID, want, c.now)...); err != nil {
		return answer{}, err
	}
	a := c.agentAnswer(p)
	a.status, a.location = http.StatusCreated, "/agents/"+strconv.FormatInt(p.ID, 10)
	return a, nil
}

func updateAgent(c *call) (answer, error) {
	old, err := c.agent()
	if err != nil {
		return answer{}, err
	}
	f := agentUpdateForm
	if c.o.AgentNames {
		f = agentForm
	}
	p := old.copy()
	p.AllTickets = false
	want, errs := c.readAgent(f, old, p)
	if err := c.refuse(errs); err != nil {
		return answer{}, err
	}
	if err := c.scopes(p); err != nil {
		return answer{}, err
	}
	if err := c.seat(old, p); err != nil {
		return answer{}, err
	}
	if err := c.save(p, c.world.join(p.ID, want, c.now)...); err != nil {
		return answer{}, err
	}
	return c.agentAnswer(p), nil
}

// deactivateAgent answers 200 with the agent, unlike its sibling for
// requesters. The agent is no longer the head of any department.
func deactivateAgent(c *call) (answer, error) {
	old, err := c.agent()
	if err != nil {
		return answer{}, err
	}
	if old.Inactive {
		return c.agentAnswer(old), nil
	}
	p := old.copy()
	p.Inactive = true
	if err := c.save(p, c.world.leaveDepartments(p.ID)...); err != nil {
		return answer{}, err
	}
	return c.agentAnswer(p), nil
}

// reactivateAgent brings the agent back as an occasional one.
func reactivateAgent(c *call) (answer, error) {
	old, err := c.agent()
	if err != nil {
		return answer{}, err
	}
	if !old.Inactive {
		return c.agentAnswer(old), nil
	}
	p := old.copy()
	p.Inactive, p.Agent.Occasional = false, true
	if err := c.save(p); err != nil {
		return answer{}, err
	}
	return c.agentAnswer(p), nil
}

func forgetAgent(c *call) (answer, error) {
	p, err := c.agent()
	if err != nil {
		return answer{}, err
	}
	return c.forget(p)
}

// convertToRequester keeps the id and drops roles and agent groups.
func convertToRequester(c *call) (answer, error) {
	old, err := c.agent()
	if err != nil {
		return answer{}, err
	}
	p := old.copy()
	p.Agent = nil
	if err := c.save(p, c.world.leaveAgentGroups(p.ID)...); err != nil {
		return answer{}, err
	}
	return c.requesterAnswer(p), nil
}

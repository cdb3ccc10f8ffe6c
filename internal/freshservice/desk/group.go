package desk

import (
	"net/http"
	"slices"
	"strconv"
)

// groups serves /groups, the groups of agents (Freshservice API: agent
// groups). PUT replaces the lists of people it names.
var groups = &collection[Group, *Group]{
	kind: kindGroup, path: "/groups", one: "group", many: "groups", write: manageAgents,
	table: func(w *world) *table[*Group] { return w.groups },
	form: form[Group]{
		"name":               text(func(g *Group) *Text { return &g.Name }),
		"description":        text(func(g *Group) *Text { return &g.Description }),
		"unassigned_for":     choice(func(g *Group) *Text { return &g.UnassignedFor }, "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "2d", "3d"),
		"business_hours_id":  id(func(g *Group) *Ref { return &g.BusinessHoursID }),
		"escalate_to":        id(func(g *Group) *Ref { return &g.EscalateTo }),
		"ocs_schedule_id":    id(func(g *Group) *Ref { return &g.OCSScheduleID }),
		"members":            ids(func(g *Group) *List[int64] { return &g.Members }),
		"observers":          ids(func(g *Group) *List[int64] { return &g.Observers }),
		"leaders":            ids(func(g *Group) *List[int64] { return &g.Leaders }),
		"restricted":         boolean(func(g *Group) *bool { return &g.Restricted }),
		"approval_required":  boolean(func(g *Group) *bool { return &g.ApprovalRequired }),
		"auto_ticket_assign": boolean(func(g *Group) *bool { return &g.AutoTicketAssign }),
		"workspace_id":       id(func(g *Group) *Ref { return &g.WorkspaceID }),
	}.with(readOnly[Group]("id", "created_at", "updated_at",
		"members_pending_approval", "observers_pending_approval", "leaders_pending_approval")),
	complete: func(g *Group) { g.WorkspaceID = primaryWorkspace },
	check: func(w *world, old, g *Group) []FieldError {
		var errs []FieldError
		if old == nil {
			old = &Group{WorkspaceID: g.WorkspaceID}
		}
		if g.WorkspaceID != old.WorkspaceID {
			errs = append(errs, FieldError{"workspace_id", "It is a read-only field and cannot be set", codeReadonlyField})
		}
		errs = append(errs, needUser(w, "escalate_to", old.EscalateTo, g.EscalateTo)...)
		errs = append(errs, needAgents(w, "members", old.Members, g.Members)...)
		errs = append(errs, needAgents(w, "observers", old.Observers, g.Observers)...)
		return append(errs, needAgents(w, "leaders", old.Leaders, g.Leaders)...)
	},
	view: func(w *world, g *Group) *Group {
		c := *g
		c.EscalateTo = w.living(g.EscalateTo)
		return &c
	},
	// Roles scoped to the group alone fall back to what is assigned.
	gone: func(w *world, g *Group) ([]change, error) {
		var cs []change
		for p := range w.agents.from(0) {
			if !slices.ContainsFunc(p.Agent.Roles, func(r RoleAssignment) bool { return slices.Contains(r.Groups, g.ID) }) {
				continue
			}
			n := p.copy()
			n.Agent.Roles = slices.Clone(n.Agent.Roles)
			for i := range n.Agent.Roles {
				r := &n.Agent.Roles[i]
				r.Groups = without(r.Groups, g.ID)
				if r.AssignmentScope == SpecifiedGroups && len(r.Groups) == 0 {
					r.AssignmentScope = AssignedItems
				}
			}
			cs = append(cs, change{kind: kindPerson, id: p.ID, value: n})
		}
		return cs, nil
	},
}

// listGroups lists the groups of one workspace, the primary one unless told.
func listGroups(c *call) (answer, error) {
	workspace := int64(primaryWorkspace)
	if s := c.query.Get("workspace_id"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n <= 0 {
			return answer{}, blame("workspace_id", codeDatatypeMismatch, "It should be a/an Positive Integer")
		}
		workspace = n
	}
	pg, err := c.paging()
	if err != nil {
		return answer{}, err
	}
	in := filter(slices.Values(c.world.groups.sorted), func(g *Group) bool { return int64(g.WorkspaceID) == workspace })
	found := page(in, pg.skip(), pg.perPage+1)
	keep, more := pg.cut(len(found))
	out := make([]*Group, keep)
	for i, g := range found[:keep] {
		out[i] = groups.view(c.world, g)
	}
	return answer{body: envelope{"groups": out}, more: more}, nil
}

// requesterGroups serves /requester_groups (Freshservice API: requester
// groups). Only manual ones can be changed.
var requesterGroups = &collection[RequesterGroup, *RequesterGroup]{
	kind: kindRequesterGroup, path: "/requester_groups", one: "requester_group", many: "requester_groups", write: managePeople,
	table: func(w *world) *table[*RequesterGroup] { return w.requesterGroups },
	form: form[RequesterGroup]{
		"name":         text(func(g *RequesterGroup) *Text { return &g.Name }),
		"description":  text(func(g *RequesterGroup) *Text { return &g.Description }),
		"workspace_id": id(func(g *RequesterGroup) *Ref { return &g.WorkspaceID }),
	}.with(readOnly[RequesterGroup]("id", "type")),
	complete: func(g *RequesterGroup) { g.Type, g.WorkspaceID = Manual, primaryWorkspace },
	check: func(_ *world, old, _ *RequesterGroup) []FieldError {
		if old != nil && old.Type != Manual {
			return []FieldError{notManual}
		}
		return nil
	},
	gone: func(w *world, g *RequesterGroup) ([]change, error) {
		if g.Type != Manual {
			return nil, invalid(http.StatusBadRequest, []FieldError{notManual})
		}
		var cs []change
		if o := w.members[g.ID]; o != nil {
			for id := range o.from(0) {
				cs = append(cs, change{kind: kindMember, id: g.ID, member: id})
			}
		}
		return cs, nil
	},
}

var notManual = FieldError{"type", "It should be one of these values: 'manual'", codeInvalidValue}

// requesterGroup returns the group {id}.
func (c *call) requesterGroup() (*RequesterGroup, error) { return requesterGroups.find(c) }

// listMembers lists a group's members by id.
func listMembers(c *call) (answer, error) {
	g, err := c.requesterGroup()
	if err != nil {
		return answer{}, err
	}
	pg, err := c.paging()
	if err != nil {
		return answer{}, err
	}
	out := []memberView{}
	more := false
	if o := c.world.members[g.ID]; o != nil {
		found := page(o.from(pg.skip()), 0, pg.perPage+1)
		var keep int
		keep, more = pg.cut(len(found))
		for _, id := range found[:keep] {
			p := c.world.people[id]
			out = append(out, memberView{opt(&p.PrimaryEmail), p.FirstName, p.ID, opt(&p.LastName)})
		}
	}
	return answer{body: envelope{"requesters": out}, more: more}, nil
}

// membership returns the manual group {id} and the person {member}.
func (c *call) membership() (*RequesterGroup, *Person, error) {
	g, err := c.requesterGroup()
	if err != nil {
		return nil, nil, err
	}
	id, err := strconv.ParseInt(c.r.PathValue("member"), 10, 64)
	if err != nil || c.world.people[id] == nil {
		return nil, nil, errNotFound
	}
	if g.Type != Manual {
		return nil, nil, c.refuse([]FieldError{notManual})
	}
	return g, c.world.people[id], nil
}

// addMember answers 200 with an empty body.
func addMember(c *call) (answer, error) {
	g, p, err := c.membership()
	if err != nil {
		return answer{}, err
	}
	if p.Inactive {
		return answer{}, blame("requester_id", codeInvalidValue, "The requester is deactivated and cannot be a member")
	}
	return answer{}, c.commit(c.r.Context(), change{kind: kindMember, id: g.ID, member: p.ID, value: true})
}

func removeMember(c *call) (answer, error) {
	g, p, err := c.membership()
	if err != nil {
		return answer{}, err
	}
	if !slices.Contains(c.world.memberOf[p.ID], g.ID) {
		return answer{}, errNotFound
	}
	return answer{status: http.StatusNoContent}, c.commit(c.r.Context(), change{kind: kindMember, id: g.ID, member: p.ID})
}

package server

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"lockstep/internal/account"
	"lockstep/internal/api"
	"lockstep/internal/freshservice"
	"lockstep/internal/scim"
)

// estimatePeople is what an estimate is for unless asked otherwise.
const estimatePeople = 1000

// freshservice tells how things are with the Freshservice behind an account. It
// costs no call.
func (s *Server) freshservice(ctx context.Context, a *account.Account, people int) (*api.Freshservice, error) {
	o, err := s.hub.get(a)
	if err != nil {
		return nil, err
	}
	if people <= 0 {
		people = estimatePeople
	}
	out := &api.Freshservice{Calls: callsOf(o), Estimate: api.Estimate{People: people, Seconds: o.client.Estimate(people, 0).Seconds()}}
	inventory, err := o.bridge.LastInventory(ctx)
	if err != nil {
		return nil, err
	}
	out.ListedAt, out.Listing = inventory.CompletedAt, inventory.Running
	page, err := s.db.Mirror(a.ID).Query(ctx, scim.UserType(), scim.Query{StartIndex: 1})
	if err != nil {
		return nil, err
	}
	out.People = page.Total
	notes, err := s.db.NotesByCode(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	out.Notes = []api.Noted{}
	for _, code := range slices.Sorted(maps.Keys(notes)) {
		out.Notes = append(out.Notes, api.Noted{Code: code, Count: notes[code].Count, Values: notes[code].Values})
	}
	slices.SortStableFunc(out.Notes, func(a, b api.Noted) int { return b.Count - a.Count })
	out.PendingManagers = notes["manager_not_found"].Count
	pending, err := o.bridge.Pending(ctx)
	out.PendingAgents, out.PendingRepairs = pending.Agents, pending.Repairs
	return out, err
}

func callsOf(o *opened) api.Calls {
	s := o.client.Stats()
	limit := func(b freshservice.Budget) api.Limit {
		return api.Limit{Total: b.Total, Used: b.Total - b.Remaining, Remaining: b.Remaining, ResetsAt: b.ResetsAt}
	}
	if s.Calls == nil {
		s.Calls = map[string]int64{}
	}
	return api.Calls{
		Since: o.since, Total: s.Total, ByRoute: s.Calls, Retries: s.Retries, TooMany: s.TooMany,
		Waits: s.Waits, WaitedSeconds: s.Waited.Seconds(), Waiting: s.Waiting,
		PerMinute: limit(s.Overall), ListRequesters: limit(s.ListRequesters), ListAgents: limit(s.ListAgents),
	}
}

// ChangeAccount implements [api.Backend]. It takes effect with the next request.
func (s *Server) ChangeAccount(ctx context.Context, id string, c api.AccountChange) (*api.Account, error) {
	before, err := s.accounts.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	bad := func(format string, args ...any) error {
		return &api.Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...), Next: "Nothing was changed."}
	}
	if before.Kind != account.KindFreshservice && (c.UnknownDepartments != nil || c.UnknownLocations != nil || c.Groups != nil ||
		c.AgentRoles != nil || c.OccasionalAgents != nil || c.ConversionBudgetPerDay != nil) {
		return nil, bad("account %q is an embedded directory; departments, locations, groups and agents are settings of Freshservice accounts", id)
	}
	if c.AgentRoles != nil {
		o, err := s.hub.get(before)
		if err != nil {
			return nil, err
		}
		missing, have, err := o.bridge.MissingRoles(ctx, *c.AgentRoles)
		if err != nil {
			return nil, err
		}
		if len(missing) > 0 {
			return nil, bad("Freshservice has no role %q; it has %s", strings.Join(missing, ", "), strings.Join(have, ", "))
		}
	}
	changed, err := s.accounts.Configure(ctx, id, func(st *account.Settings) error {
		set(&st.UnknownDepartments, c.UnknownDepartments)
		set(&st.UnknownLocations, c.UnknownLocations)
		set(&st.Groups, c.Groups)
		set(&st.NewAgents.Roles, c.AgentRoles)
		set(&st.NewAgents.Occasional, c.OccasionalAgents)
		set(&st.ConversionBudgetPerDay, c.ConversionBudgetPerDay)
		set(&st.Strict, c.Strict)
		set(&st.RatePerSecond, c.RatePerSecond)
		for _, attr := range c.RemoveCustomAttributes {
			if !st.Undeclare(attr) {
				return bad("account %q has no custom attribute %s", id, attr)
			}
		}
		for _, attr := range c.CustomAttributes {
			st.Declare(attr)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.hub.drop(id)
	if changed.Settings.Groups != before.Settings.Groups {
		// Which groups there are is to be seen without waiting for the next listing.
		o, err := s.hub.get(changed)
		if err != nil {
			return nil, err
		}
		s.hub.checking.Go(func() {
			if _, err := o.bridge.Refresh(s.hub.ctx); err != nil && s.hub.ctx.Err() == nil {
				s.log.Warn("the groups of the account could not be listed yet", "account", id, "problem", err)
			}
		})
	}
	return s.Account(ctx, id, 0)
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

package freshservice

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"lockstep/internal/scim"
)

// A job makes Freshservice hold what a client wrote about one existing
// person, with as few calls as it takes. The caller has the person's lock.
type job struct {
	b  *Bridge
	id string
	// k is what Freshservice has, kept current call by call.
	k *kept
	// before is what the client had written so far, nil for a person who is
	// being taken over.
	before, now *scim.Resource

	t          *translation // nil when nothing but the state was written
	wrote      bool         // Freshservice has taken something
	gone       bool         // Freshservice does not have the person any more
	overBudget bool
	sent       map[string]bool // attributes that were sent
}

// run deactivates; or reactivates, converts and updates.
func (j *job) run(ctx context.Context) error {
	b, p := j.b, j.k.Person
	if !isActive(j.now) {
		// The rest is kept and sent when the person comes back.
		was := p.Active
		err := b.deactivate(ctx, j.k)
		j.wrote = j.wrote || err == nil && was
		return err
	}
	kind, err := j.kind(ctx)
	if err != nil {
		return err
	}
	converts := kind != p.Kind
	giveBack := func() {
		if converts && kind == Agent {
			b.returnAgent(ctx)
		}
	}
	if j.t, err = b.translate(ctx, kind, j.now, false, j.sameManager()); err == nil {
		err = b.freeSecondary(ctx, j.t, j.id)
	}
	if err != nil {
		giveBack()
		return err
	}
	if j.overBudget {
		b.overBudget(j.t)
	}
	sees, occasional, reactivates := p.SeesDepartmentTickets, p.Occasional, !p.Active
	if reactivates {
		if err := j.reactivate(ctx); err != nil {
			giveBack()
			return err
		}
	}
	if converts {
		if err := j.convert(ctx, kind); err != nil {
			giveBack()
			return err
		}
	}
	fields, err := j.fields(ctx, reactivates, converts)
	if err != nil {
		return err
	}
	p = j.k.Person
	if kind == Agent {
		if converts {
			if err := b.newAgent(fields, p); err != nil {
				return err
			}
		} else if reactivates && !occasional && p.Occasional {
			fields["occasional"] = false // Freshservice brings agents back as occasional
		}
	}
	if sees {
		j.t.restoreFlag = converts && !p.SeesDepartmentTickets
		if len(fields) > 0 || j.t.restoreFlag {
			fields[flagSeesTickets] = true
		}
	}
	if err := j.put(ctx, fields); err != nil {
		return err
	}
	if reactivates {
		b.rejoinGroups(ctx, j.id)
	}
	return nil
}

// sameManager tells translate whom the reference to the manager means, as long
// as it stays as it was and Freshservice has one: most changes are of something
// else.
func (j *job) sameManager() *translation {
	if p := j.k.Person; j.before != nil && p.Active && p.ReportingManagerID != 0 {
		return &translation{reference: managerOf(j.before.Peek().Child(scim.URNEnterprise)), manager: p.ReportingManagerID}
	}
	return nil
}

// kind is what the person is to be, within the budget.
func (j *job) kind(ctx context.Context) (Kind, error) {
	j.overBudget = false
	have := j.k.Person.Kind
	want := wantsAgent(j.now)
	switch {
	case want == nil || *want == (have == Agent):
		return have, nil
	case !*want:
		return Requester, nil
	}
	ok, err := j.b.spendAgent(ctx)
	if err != nil {
		return have, err
	}
	if !ok {
		j.overBudget = true
		return have, nil
	}
	return Agent, nil
}

func (j *job) reactivate(ctx context.Context) error {
	p := j.k.Person
	back, err := j.b.client.Reactivate(ctx, p.Kind, p.ID)
	var refused *APIError
	if errors.As(err, &refused) && refused.aboutObject() {
		// Reactivated by hand, or by a try whose answer was lost.
		if found, ok := j.b.refetch(ctx, p); ok && found.Active && found.Kind == p.Kind {
			back, err = found, nil
		}
	}
	if err != nil {
		return err
	}
	back.Active = true
	j.took(back)
	return nil
}

func (j *job) convert(ctx context.Context, kind Kind) error {
	send := j.b.client.ConvertToRequester
	if kind == Agent {
		send = j.b.client.ConvertToAgent
	}
	p, err := send(ctx, j.k.Person.ID)
	var refused *APIError
	if errors.As(err, &refused) && refused.aboutObject() {
		if found, ok := j.b.refetch(ctx, j.k.Person); ok && found.Kind == kind {
			p, err = found, nil
		}
	}
	if err != nil {
		return err
	}
	j.took(p)
	return nil
}

func (j *job) took(p *Person) {
	j.k.Person, j.k.Touched, j.wrote = p, j.b.now(), true
}

// fields are what to send: everything after a reactivation, since Freshservice
// forgets the most of a deactivated person; otherwise what changed.
func (j *job) fields(ctx context.Context, reactivated, converted bool) (Fields, error) {
	p := j.k.Person
	before := &translation{kind: p.Kind, fields: Fields{}}
	if j.before != nil {
		var err error
		if before, err = j.b.translate(ctx, p.Kind, j.before, true, j.t); err != nil {
			return nil, err
		}
	}
	var fields Fields
	if j.before == nil && !reactivated {
		return differences(j.t, p), nil
	}
	fields = changes(before, j.t, p)
	// What goes along because Freshservice lacks it is not worth a refusal again.
	for name, o := range j.t.origin {
		if has(fields, name) && reflect.DeepEqual(fields[name], before.fields[name]) && slices.ContainsFunc(j.k.Notes, func(n Note) bool {
			return n.Attribute == o.attribute && n.Value == o.value && (n.Code == "refused_by_freshservice" || n.Code == "email_taken")
		}) {
			remove(fields, name)
		}
	}
	if converted {
		maps.Copy(fields, differences(j.t, p))
	}
	if reactivated {
		has := fieldsOf(p)
		for name, v := range j.t.fields {
			// Agents' names may not be writable: not to be tried without need.
			if p.Kind == Agent && agentReadOnly[name] && has[name] == v {
				continue
			}
			fields[name] = v
		}
	}
	return fields, nil
}

// agentReadOnly are the attributes that the documented table of what can be
// updated about agents lacks.
var agentReadOnly = map[string]bool{"first_name": true, "last_name": true, "job_title": true, "work_phone_number": true, "mobile_phone_number": true}

// put sends the fields with one call, none when there are none.
func (j *job) put(ctx context.Context, fields Fields) error {
	j.sent = map[string]bool{}
	for name := range fields {
		j.sent[j.t.origin[name].attribute] = true
	}
	if custom, ok := fields["custom_fields"].(map[string]any); ok {
		for name := range custom {
			j.sent[j.t.origin["custom_fields."+name].attribute] = true
		}
	}
	kind, id := j.k.Person.Kind, j.k.Person.ID
	p, err := j.b.write(ctx, j.t, fields, true, func(f Fields) (*Person, error) { return j.b.client.Update(ctx, kind, id, f) })
	if err != nil || p == nil {
		return err
	}
	j.took(p)
	return nil
}

// relink finds out what became of a person whom Freshservice does not know
// under the ID and kind it had, and goes on with who is found.
func (j *job) relink(ctx context.Context) error {
	b, lost := j.b, j.k.Person
	if p, ok := b.refetch(ctx, lost); ok {
		if p.Kind == lost.Kind && p.Active == lost.Active {
			return scim.Errorf(scim.Unavailable, "Freshservice refused to change the person with id %s as unknown, and shows the person all the same; try again", j.id)
		}
		j.k.Person, j.wrote = p, true
		return j.run(ctx)
	}
	for _, address := range lost.Emails() {
		p, err := b.client.FindByEmail(ctx, address)
		if err != nil {
			return err
		}
		if p != nil && p.ID != lost.ID {
			j.gone = true
			// Not now: it takes that person's lock, and this one's is held.
			b.background(func(ctx context.Context) { b.logged("taking in a merged person", b.found(ctx, p)) })
			return scim.Errorf(scim.NotFound, "the person with id %s was merged in Freshservice into the one with id %d (%s); match again by userName or e-mail", j.id, p.ID, p.Email)
		}
	}
	j.gone = true
	return scim.Errorf(scim.NotFound, "the person with id %s no longer exists in Freshservice: deleted there for good; create the person anew", j.id)
}

// notes are those of this job, and of earlier ones what still holds: the
// refusal of a value that was not sent again.
func (j *job) notes() []Note {
	if j.t == nil {
		return j.k.Notes
	}
	notes := j.t.notes
	for _, n := range j.k.Notes {
		if n.Code != "refused_by_freshservice" && n.Code != "email_taken" || j.sent[n.Attribute] {
			continue
		}
		if n.Attribute == "emails" { // noted anew by each translation
			continue
		}
		stillAsked := false
		for _, o := range j.t.origin {
			stillAsked = stillAsked || o.attribute == n.Attribute && o.value == n.Value
		}
		if stillAsked && !slices.ContainsFunc(notes, func(m Note) bool { return m.Attribute == n.Attribute && m.Code == n.Code }) {
			notes = append(notes, n)
		}
	}
	return notes
}

// wantsAgent returns what isAgent says, nil when it says nothing that can be
// understood.
func wantsAgent(r *scim.Resource) *bool {
	v, _ := r.Peek().Child(scim.URNFreshservice).Get("isAgent")
	return agentWish(v)
}

func agentWish(v scim.Value) *bool {
	if s := strings.ToLower(textOf(v)); s == "agent" || s == "requester" {
		agent := s == "agent"
		return &agent
	}
	value, ok := parseBool(v)
	if !ok {
		return nil
	}
	return &value
}

// newAgent adds what a new agent needs: roles, and whether occasional. Of an
// agent that exists already only what differs.
func (b *Bridge) newAgent(f Fields, p *Person) error {
	ids, missing := b.catalogue.roleIDs(b.settings.NewAgents.Roles)
	if len(missing) > 0 {
		return scim.Errorf(scim.InvalidValue, "Freshservice has no role %q; correct the roles of new agents in the account's settings", strings.Join(missing, ", ")).On(pathIsAgent)
	}
	occasional := b.settings.NewAgents.Occasional
	var have []int64
	if p != nil {
		for _, r := range p.Roles {
			have = append(have, r.RoleID)
		}
		slices.Sort(have)
	}
	if p == nil || !slices.Equal(have, slices.Sorted(slices.Values(ids))) {
		roles := make([]RoleAssignment, len(ids))
		for i, id := range ids {
			roles[i] = RoleAssignment{RoleID: id, AssignmentScope: "entire_helpdesk"}
		}
		f["roles"] = roles
	}
	if p == nil || p.Occasional != occasional {
		f["occasional"] = occasional
	}
	return nil
}

func (b *Bridge) overBudget(t *translation) {
	t.note(pathIsAgent, "true", "agent_budget", "the account allows %d new agents a day, and that many were made today; the person is a requester until there is room", max(0, b.settings.AgentBudgetPerDay))
}

// spendAgent takes one new agent off the day's budget, if there is one left.
func (b *Bridge) spendAgent(ctx context.Context) (bool, error) {
	limit := b.settings.AgentBudgetPerDay
	if limit <= 0 {
		return limit == 0, nil
	}
	b.budgetMu.Lock()
	defer b.budgetMu.Unlock()
	today, used, err := b.agentsToday(ctx)
	if err != nil || used >= limit {
		return false, err
	}
	return true, b.mirror.SetSetting(ctx, settingAgentDay, fmt.Sprintf("%s %d", today, used+1))
}

// returnAgent gives back what was spent on a conversion that failed.
func (b *Bridge) returnAgent(ctx context.Context) {
	if b.settings.AgentBudgetPerDay <= 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	b.budgetMu.Lock()
	defer b.budgetMu.Unlock()
	today, used, err := b.agentsToday(ctx)
	if err == nil && used > 0 {
		err = b.mirror.SetSetting(ctx, settingAgentDay, fmt.Sprintf("%s %d", today, used-1))
	}
	if err != nil {
		b.log.Error("giving back one of the day's new agents failed; today allows one fewer", "error", err)
	}
}

func (b *Bridge) agentsToday(ctx context.Context) (today string, used int, err error) {
	today = b.now().UTC().Format(time.DateOnly)
	s, err := b.mirror.Setting(ctx, settingAgentDay)
	if day, n, ok := strings.Cut(s, " "); ok && day == today {
		used, _ = strconv.Atoi(n)
	}
	return today, used, err
}

// retryAgents makes agents of those who had to wait for the budget.
func (b *Bridge) retryAgents(ctx context.Context) error {
	ids, err := b.list(ctx, settingAgents)
	if err != nil {
		return err
	}
	for _, id := range ids {
		waits, err := b.retryAgent(ctx, id)
		if err != nil {
			return fmt.Errorf("making %s an agent: %w", id, err)
		}
		if waits {
			return nil // still no room
		}
		if err := b.removeFromList(ctx, settingAgents, id); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bridge) retryAgent(ctx context.Context, id string) (waits bool, err error) {
	unlock, err := b.locks.lock(ctx, personLock(id))
	if err != nil {
		return false, err
	}
	defer unlock()
	rec, k, err := b.visible(ctx, id, scim.Precondition{})
	if scim.IsType(err, scim.NotFound) {
		return false, nil
	}
	if err != nil || !k.Person.Active {
		return false, err
	}
	if want := wantsAgent(rec.Resource); want == nil || !*want || k.Person.Kind == Agent {
		return false, nil
	}
	j := &job{b: b, id: id, k: k, before: rec.Resource, now: rec.Resource}
	if err := j.run(ctx); err != nil {
		if j.wrote {
			err = errors.Join(err, b.store(ctx, rec, k, k.Notes))
		}
		return false, err
	}
	return j.overBudget, b.store(ctx, rec, k, j.notes())
}

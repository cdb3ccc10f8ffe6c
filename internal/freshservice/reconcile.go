package freshservice

import (
	"context"
	"fmt"
	"time"

	"lockstep/internal/scim"
)

// A ReconcileMode says what happens to drift.
type ReconcileMode string

// The modes.
const (
	// ReportDrift changes nothing, neither in Freshservice nor here.
	ReportDrift ReconcileMode = "report"
	// AdoptDrift takes Freshservice's values for the right ones.
	AdoptDrift ReconcileMode = "adopt"
	// RepairDrift writes once more what clients had written.
	RepairDrift ReconcileMode = "repair"
)

// An Outcome says what became of a person's drift.
type Outcome string

// The outcomes.
const (
	DriftFound    Outcome = "found"
	DriftAdopted  Outcome = "adopted"
	DriftRepaired Outcome = "repaired"
	DriftFailed   Outcome = "failed"
)

// A PersonDrift is what drifted about one person or group. A person whom
// Freshservice no longer has is one Drift of the field "id". Of a group's members
// a Drift names those whom only lockstep has, and those whom only Freshservice has.
type PersonDrift struct {
	ID string `json:"id"`
	// Type is User or Group; UserName is a group's displayName.
	Type       string  `json:"type"`
	UserName   string  `json:"userName"`
	Attributes []Drift `json:"attributes"`
	Outcome    Outcome `json:"outcome"`
	// Problem is why it failed, for people.
	Problem string `json:"problem,omitempty"`
}

// A Reconciliation is the outcome of comparing Freshservice with what lockstep
// wrote, or how far it is.
type Reconciliation struct {
	Mode ReconcileMode `json:"mode"`
	// Listed is how many people Freshservice has, of about Expected; Compared
	// how many of them clients have written; Unknown how many were new here.
	Listed   int `json:"listed"`
	Expected int `json:"expected"`
	Compared int `json:"compared"`
	Unknown  int `json:"unknown"`
	// Drifted is how many people and groups differ, Failed how many of them could not be
	// put right.
	Drifted int `json:"drifted"`
	Failed  int `json:"failed"`
	// ByAttribute counts the differences by SCIM path.
	ByAttribute map[string]int `json:"byAttribute"`
}

// ReconcileOptions configure [Bridge.Reconcile].
type ReconcileOptions struct {
	Mode ReconcileMode
	// Progress is told after every page, Found of every person who drifted, in
	// the order in which they are found.
	Progress func(Reconciliation)
	Found    func(PersonDrift)
}

// Reconcile lists Freshservice, a call for every 100 people, and compares
// everybody whom a client has written with what was written. Repairing costs
// what a write of the person costs.
func (b *Bridge) Reconcile(ctx context.Context, o ReconcileOptions) (Reconciliation, error) {
	if err := b.ready(ctx); err != nil {
		return Reconciliation{}, err
	}
	// Names may have changed, and what they stood for.
	if err := b.readCatalogue(ctx); err != nil {
		return Reconciliation{}, b.refuse(err, nil)
	}
	page, err := b.mirror.Query(ctx, b.users, scim.Query{StartIndex: 1})
	if err != nil {
		return Reconciliation{}, err
	}
	r := &reconciliation{b: b, o: o, started: b.now(), seen: map[int64]bool{}}
	r.sum = Reconciliation{Mode: o.Mode, Expected: page.Total, ByAttribute: map[string]int{}}
	for _, kind := range []Kind{Agent, Requester} {
		asked := b.now()
		for page, err := range b.client.PeoplePage(ctx, kind, nil, 1) {
			if err != nil {
				return r.sum, b.refuse(err, nil)
			}
			for i := range page.People {
				if err := r.person(ctx, &page.People[i], asked); err != nil {
					return r.sum, err
				}
			}
			r.progress()
			asked = b.now()
		}
	}
	if err = r.gone(ctx); err == nil {
		err = r.groups(ctx)
	}
	r.progress()
	return r.sum, err
}

// A reconciliation is one run.
type reconciliation struct {
	b       *Bridge
	o       ReconcileOptions
	sum     Reconciliation
	started time.Time
	seen    map[int64]bool
}

func (r *reconciliation) progress() {
	if r.o.Progress != nil {
		r.o.Progress(r.sum)
	}
}

func (r *reconciliation) found(d PersonDrift) {
	r.sum.Drifted++
	if d.Outcome == DriftFailed {
		r.sum.Failed++
	}
	for _, a := range d.Attributes {
		r.sum.ByAttribute[a.Attribute]++
	}
	if r.o.Found != nil {
		r.o.Found(d)
	}
}

// person compares one listed person.
func (r *reconciliation) person(ctx context.Context, p *Person, asked time.Time) error {
	if p.Kind == Requester && p.IsAgent {
		return nil // listed among the agents
	}
	r.seen[p.ID] = true
	r.sum.Listed++
	b, id := r.b, formatID(p.ID)
	unlock, err := b.locks.lock(ctx, personLock(id))
	if err != nil {
		return err
	}
	rec, err := b.mirror.Record(ctx, b.users, id)
	if scim.IsType(err, scim.NotFound) {
		unlock()
		r.sum.Unknown++
		if r.o.Mode == AdoptDrift {
			return b.found(ctx, p)
		}
		return nil
	}
	defer unlock()
	if err != nil {
		return err
	}
	k, err := keptOf(rec)
	if err != nil {
		return err
	}
	if !k.Claimed && !rec.Hidden || !k.Touched.IsZero() && !k.Touched.Before(asked) {
		return nil // nobody wrote it, or the listing is older than what was written
	}
	r.sum.Compared++
	drift, err := b.drift(ctx, rec, k, p)
	if err != nil || len(drift) == 0 {
		return err
	}
	d := PersonDrift{ID: id, Type: "User", UserName: rec.Resource.Peek().Text("userName"), Attributes: drift, Outcome: DriftFound}
	switch r.o.Mode {
	case AdoptDrift:
		d.Outcome, err = DriftAdopted, b.adoptDrift(ctx, rec, k, p, drift)
	case RepairDrift:
		d.Outcome, err = DriftRepaired, b.repairDrift(ctx, rec, k, p, drift)
	}
	if err != nil {
		if hopeless(ctx, err) {
			return err
		}
		d.Outcome, d.Problem = DriftFailed, scim.AsError(err).Detail
	}
	r.found(d)
	return nil
}

// hopeless reports whether the next person would fail as well.
func hopeless(ctx context.Context, err error) bool {
	return ctx.Err() != nil || scim.IsType(err, scim.Unavailable) || scim.IsType(err, scim.Internal)
}

// adoptDrift makes the client's resource say what Freshservice has.
func (b *Bridge) adoptDrift(ctx context.Context, rec *Record, k *kept, p *Person, drift []Drift) error {
	// What Freshservice has is merged as if each of these had just changed.
	before := *k.Person
	for _, d := range drift {
		before.unset(d.Field, p)
	}
	r := rec.Resource.Clone()
	b.merge(r, &before, p)
	for _, d := range drift {
		if d.Field == "external_id" {
			if r.Attributes().Delete("externalId"); p.ExternalID != "" {
				r.Attributes().Set("externalId", p.ExternalID)
			}
		}
	}
	if rec.Hidden {
		k.Claimed = false // nobody's any more, until a client creates the person again
	}
	k.Person, k.Wrote = p, nil
	return b.store(ctx, &Record{Resource: r}, k, k.Notes)
}

// unset makes a field of the person differ from the one that now is.
func (p *Person) unset(field string, now *Person) {
	other := func(s string) string { return s + "\x00" }
	switch field {
	case "active":
		p.Active = !now.Active
	case "kind":
		p.Kind = Requester
		if now.Kind == Requester {
			p.Kind = Agent
		}
	case "first_name":
		p.FirstName = other(now.FirstName)
	case "last_name":
		p.LastName = other(now.LastName)
	case "job_title":
		p.JobTitle = other(now.JobTitle)
	case "work_phone_number":
		p.WorkPhoneNumber = other(now.WorkPhoneNumber)
	case "mobile_phone_number":
		p.MobilePhoneNumber = other(now.MobilePhoneNumber)
	case "address":
		p.Address = other(now.Address)
	case "time_zone":
		p.TimeZone = other(now.TimeZone)
	case "language":
		p.Language = other(now.Language)
	case "background_information":
		p.BackgroundInfo = other(now.BackgroundInfo)
	case "department_ids":
		p.DepartmentIDs = []int64{-1}
	case "location_id":
		p.LocationID = -1
	case "reporting_manager_id":
		p.ReportingManagerID = -1
	}
}

// repairDrift writes what the client had written once more, and lets the
// resource say it again.
func (b *Bridge) repairDrift(ctx context.Context, rec *Record, k *kept, p *Person, drift []Drift) error {
	wrote := k.wrote(rec)
	r := rec.Resource.Clone()
	for _, d := range drift {
		restore(r, wrote, d.Attribute)
	}
	k.Person = p
	if rec.Hidden {
		if err := b.deactivate(ctx, k); err != nil {
			return b.refuse(err, nil)
		}
		return b.store(ctx, &Record{Resource: rec.Resource, Hidden: true}, k, k.Notes)
	}
	j := &job{b: b, id: rec.Resource.ID, k: k, now: r}
	if err := j.run(ctx); err != nil {
		if j.wrote {
			if storeErr := b.store(ctx, rec, k, k.Notes); storeErr != nil {
				return storeErr
			}
		}
		return b.refuse(err, j.t)
	}
	k.Wrote = nil
	if err := b.store(ctx, &Record{Resource: r}, k, j.notes()); err != nil {
		return err
	}
	b.remember(ctx, j.t, rec.Resource.ID, j.overBudget)
	return nil
}

// gone finds the people of clients' whom Freshservice has no more. Each is asked
// for before that is believed; a report asks for a few only.
func (r *reconciliation) gone(ctx context.Context) error {
	b := r.b
	const pageSize = 500
	var missing []string
	for start := 1; ; start += pageSize {
		page, err := b.mirror.Query(ctx, b.users, scim.Query{StartIndex: start, Count: pageSize})
		if err != nil {
			return err
		}
		for _, u := range page.Resources {
			if id, err := parseID(u.ID); err == nil && !r.seen[id] && isActive(u) {
				missing = append(missing, u.ID)
			}
		}
		if len(page.Resources) < pageSize {
			break
		}
	}
	if r.o.Mode == ReportDrift {
		missing = missing[:min(len(missing), verifyLimit)]
	}
	for _, id := range missing {
		if err := r.missing(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// missing deals with one person who was not listed.
func (r *reconciliation) missing(ctx context.Context, id string) error {
	b := r.b
	rec, k, err := b.visible(ctx, id, scim.Precondition{})
	if scim.IsType(err, scim.NotFound) {
		return nil
	}
	if err != nil || !k.Claimed || !k.Touched.Before(r.started) {
		return err
	}
	if _, there, err := b.look(ctx, k.Person); err != nil || there {
		return b.refuse(err, nil)
	}
	r.sum.Compared++
	d := PersonDrift{ID: id, Type: "User", UserName: rec.Resource.Peek().Text("userName"), Outcome: DriftFound,
		Attributes: []Drift{{"id", "id", id, ""}}}
	if r.o.Mode != ReportDrift {
		d.Outcome = DriftAdopted
		if _, err := b.dropIfGone(ctx, id, r.started); err != nil {
			return err
		}
	}
	if r.o.Mode == RepairDrift {
		d.Outcome = DriftRepaired
		u := scim.NewResource(b.users, k.wrote(rec).Clone().Attributes())
		if u, err = b.createUser(ctx, u); err != nil {
			if hopeless(ctx, err) {
				return err
			}
			d.Outcome, d.Problem = DriftFailed, scim.AsError(err).Detail
		} else {
			d.Attributes[0].Freshservice = u.ID
			d.Problem = fmt.Sprintf("Freshservice had erased the person, who was created anew with id %s; clients find the person by userName", u.ID)
		}
	}
	r.found(d)
	return nil
}

// look asks Freshservice for a person of either kind.
func (b *Bridge) look(ctx context.Context, p *Person) (*Person, bool, error) {
	kinds := []Kind{p.Kind, Requester}
	if p.Kind == Requester {
		kinds[1] = Agent
	}
	for _, kind := range kinds {
		found, err := b.client.Person(ctx, kind, p.ID)
		if err == nil {
			return found, true, nil
		}
		if !IsNotFound(err) {
			return nil, false, err
		}
	}
	return nil, false, nil
}

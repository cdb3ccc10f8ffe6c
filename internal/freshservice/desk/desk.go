package desk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Options configure a [Desk]. The zero value is an empty Enterprise account in
// memory.
type Options struct {
	// Plan sets the rate limits; "" is Enterprise.
	Plan Plan
	// APIKey is the key of the account's first agent with the role Account
	// Admin. When it is "" the key of the file is kept, or one is generated.
	APIKey string
	// Path is a SQLite file that keeps the account, also when the process is
	// killed; "" keeps it in memory only.
	Path string
	// QueryLag is how long a change stays invisible to ?query=.
	QueryLag time.Duration
	// Now is the clock of limits, stamps and key expiry; nil is time.Now.
	Now func() time.Time
	// Domain is the account's name, e.g. acme.freshservice.com; shown only.
	Domain string
	// DuplicateStatus answers a value that is taken: 409 (also for 0) or 400.
	DuplicateStatus int
	// AgentSeats is how many active full-time agents the licence allows; 0 is
	// any number.
	AgentSeats int
	// AgentNames lets PUT /agents/{id} take first_name, last_name, job_title
	// and the phone numbers. The documented table lacks them, so that by default
	// they answer 400 invalid_field.
	AgentNames bool
	// Seed fills an account that is empty.
	Seed *Seed
	// Log receives internal errors; nil discards them.
	Log *slog.Logger
}

// A Desk is one account of the stand-in. It serves the API below /api/v2/, a
// page of people at / and its own controls below /desk/.
type Desk struct {
	o       Options
	handler http.Handler
	limiter *limiter
	calls   counter
	faults  faults
	index   *queryIndex
	store   *store // nil in memory
	closed  chan struct{}
	once    sync.Once

	// mu guards world. Handlers of GET hold it for reading.
	mu    sync.RWMutex
	world *world
}

// New opens the account. Errors name the option, the seed's entry or the file
// at fault.
func New(ctx context.Context, o Options) (*Desk, error) {
	if o.Plan == "" {
		o.Plan = Enterprise
	}
	if _, err := ParsePlan(string(o.Plan)); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Domain == "" {
		o.Domain = "acme.freshservice.com"
	}
	switch o.DuplicateStatus {
	case 0:
		o.DuplicateStatus = http.StatusConflict
	case http.StatusBadRequest, http.StatusConflict:
	default:
		return nil, fmt.Errorf("desk: DuplicateStatus is %d; it can be 409 or 400", o.DuplicateStatus)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{o: o, limiter: newLimiter(o.Plan), closed: make(chan struct{}), index: newQueryIndex(o.QueryLag, o.Now)}
	d.world = newWorld(d.index)
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.index.settle()
	d.handler = d.routes()
	return d, nil
}

// open loads the file or the seed, and sees to an administrator with a key.
func (d *Desk) open(ctx context.Context) error {
	filled := false
	if d.o.Path != "" {
		var err error
		if d.store, err = openStore(ctx, d.o.Path); err != nil {
			return err
		}
		if filled, err = d.store.load(ctx, d.world); err != nil {
			return err
		}
	}
	if !filled {
		s := d.o.Seed
		if s == nil {
			s = &Seed{}
		}
		if err := s.grow(d.world, StampOf(d.o.Now())); err != nil {
			return err
		}
		if d.store != nil {
			if err := d.store.write(ctx, d.world.all()); err != nil {
				return err
			}
		}
	}
	return d.commit(ctx, d.seatOwner()...)
}

// seatOwner returns the changes that give the first Account Admin the key.
func (d *Desk) seatOwner() []change {
	var cs []change
	w, now := d.world, StampOf(d.o.Now())
	if k := w.ownerKey(); k != nil {
		if d.o.APIKey == "" || d.o.APIKey == k.Key {
			return nil
		}
		return []change{{kind: kindKey, id: k.Agent, value: &apiKey{Key: d.o.APIKey, Agent: k.Agent, Expires: k.Expires}}}
	}
	owner := w.firstAdmin()
	if owner == nil {
		role, ok := w.roles.named(fold(string(accountAdmin)))
		if !ok {
			role = &Role{ID: w.newID(), Name: accountAdmin, Default: true, RoleType: 1}
			touch(role, now)
			cs = append(cs, change{kind: kindRole, id: role.ID, value: role})
		}
		owner = &Person{
			ID: w.newID(), FirstName: "Account", LastName: "Admin", TimeZone: w.settings.TimeZone, Language: w.settings.Language,
			TimeFormat: "12h", CreatedAt: now, UpdatedAt: now, HasLoggedIn: true, PrimaryEmail: w.freeEmail("admin@" + d.o.Domain),
			Agent: &Agent{Roles: []RoleAssignment{{RoleID: role.ID, AssignmentScope: EntireHelpdesk}}},
		}
	}
	owner = owner.copy()
	owner.Agent.APIKeyEnabled = true
	key := d.o.APIKey
	if key == "" {
		key = newKey()
	}
	w.settings.Owner = owner.ID
	s := w.settings
	return append(cs,
		change{kind: kindPerson, id: owner.ID, value: owner},
		change{kind: kindKey, id: owner.ID, value: &apiKey{Key: key, Agent: owner.ID}},
		change{kind: kindSetting, value: &s})
}

// newKey returns a key of the length that live accounts have.
func newKey() string { return rand.Text()[:20] }

// ownerKey is the key of the account's owner, nil when there is none yet.
func (w *world) ownerKey() *apiKey {
	for _, k := range w.keys {
		if k.Agent == w.settings.Owner {
			return k
		}
	}
	return nil
}

// firstAdmin is the active Account Admin with the lowest id.
func (w *world) firstAdmin() *Person {
	var first *Person
	for p := range w.agents.from(0) {
		if !p.Inactive && !p.Agent.Occasional && w.hasRole(p, accountAdmin) && (first == nil || p.ID < first.ID) {
			first = p
		}
	}
	return first
}

func (w *world) hasRole(p *Person, name Text) bool {
	for _, r := range p.Agent.Roles {
		if role := w.roles.byID[r.RoleID]; role != nil && role.Name == name {
			return true
		}
	}
	return false
}

// freeEmail returns the address or, when someone holds it, a variant.
func (w *world) freeEmail(email string) string {
	for w.withEmail(email) != nil {
		email = "account." + email
	}
	return email
}

// commit persists the changes and then makes them visible. The caller holds
// the lock for writing.
func (d *Desk) commit(ctx context.Context, cs ...change) error {
	if len(cs) == 0 {
		return nil
	}
	for _, c := range cs {
		// A removed id must not be given again after a restart.
		if c.value == nil && c.kind != kindMember && c.kind != kindKey && c.id > d.world.settings.LastID {
			s := d.world.settings
			s.LastID = d.world.nextID - 1
			cs = append(cs, change{kind: kindSetting, value: &s})
			break
		}
	}
	if d.store != nil {
		// A client that goes away must not leave file and memory different.
		if err := d.store.write(context.WithoutCancel(ctx), cs); err != nil {
			return err
		}
	}
	for _, c := range cs {
		d.world.apply(c)
	}
	return nil
}

// ServeHTTP answers one request.
func (d *Desk) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// APIKey returns the key of the account's owner, as it is now.
func (d *Desk) APIKey() string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if k := d.world.ownerKey(); k != nil {
		return k.Key
	}
	return ""
}

// Calls returns what the API was asked since the start or the last
// [Desk.ResetCalls].
func (d *Desk) Calls() Counters { return d.calls.snapshot() }

// ResetCalls sets the counters to zero; the rate limit is not touched.
func (d *Desk) ResetCalls() { d.calls.reset() }

// Close lets go of requests that a fault holds, and closes the file.
func (d *Desk) Close() error {
	var err error
	d.once.Do(func() {
		close(d.closed)
		if d.store != nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			err = d.store.close()
		}
	})
	return err
}

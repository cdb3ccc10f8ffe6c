package freshservice

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"lockstep/internal/scim"
)

// An UnknownName says what happens when a department or location does not
// exist in Freshservice.
type UnknownName string

// The ways to treat unknown names.
const (
	// LeaveOut writes the person without it and notes so. It is the default.
	LeaveOut UnknownName = "leaveOut"
	// CreateName creates it.
	CreateName UnknownName = "create"
	// Refuse refuses the person.
	Refuse UnknownName = "refuse"
)

// A GroupMapping says what SCIM groups are in Freshservice.
type GroupMapping string

// The mappings.
const (
	// GroupsOff carries no groups. It is the default.
	GroupsOff GroupMapping = "off"
	// RequesterGroups and AgentGroups map groups to Freshservice's.
	RequesterGroups GroupMapping = "requesterGroups"
	AgentGroups     GroupMapping = "agentGroups"
)

// Settings are what an administrator decides about one account. The zero
// Settings are the defaults.
type Settings struct {
	UnknownDepartments UnknownName  `json:"unknownDepartments,omitempty"`
	UnknownLocations   UnknownName  `json:"unknownLocations,omitempty"`
	Groups             GroupMapping `json:"groups,omitempty"`
	NewAgents          NewAgents    `json:"newAgents,omitzero"`
	// AgentBudgetPerDay bounds how many people become agents in one day (UTC),
	// created or converted; 0 is no bound, a negative number none at all. Who
	// is over it stays or becomes a requester, which is noted.
	AgentBudgetPerDay int `json:"agentBudgetPerDay,omitempty"`
	// InventoryMaxAge is how old the mirror may become before Freshservice is
	// listed again; 0 for six hours, negative for never.
	InventoryMaxAge time.Duration `json:"inventoryMaxAge,omitempty"`
}

// NewAgents says what people become when they become agents.
type NewAgents struct {
	// Roles are names of roles; empty for "SD Agent".
	Roles []string `json:"roles,omitempty"`
	// Occasional agents use day passes instead of a licence of their own.
	Occasional bool `json:"occasional,omitempty"`
}

// BridgeOptions configure a [Bridge].
type BridgeOptions struct {
	Client *Client
	Mirror Mirror
	// Users and Groups are the resource types that the account serves.
	Users, Groups *scim.ResourceType
	Settings      Settings
	Log           *slog.Logger
	Now           func() time.Time
	// After is the bridge on the same mirror that this one replaces, if any:
	// requests that it still serves and those of the new one take turns.
	After *Bridge
	// OnCredentialFailure is told when Freshservice no longer accepts the key,
	// or accepts it for less than is needed; see [CredentialError].
	OnCredentialFailure func(error)
}

// A Bridge is a [scim.Directory] over one Freshservice account. Reads are
// answered from the mirror without a call. A write goes to Freshservice first,
// with one call where one can do, and to the mirror when Freshservice has
// taken it. Writes to one person are served one after the other, those to
// different people at the same time.
type Bridge struct {
	client              *Client
	mirror              Mirror
	users, groups       *scim.ResourceType
	settings            Settings
	log                 *slog.Logger
	now                 func() time.Time
	onCredentialFailure func(error)

	locks     *locks
	catalogue catalogue
	inventory inventory
	budgetMu  sync.Mutex
	// groupsRestored: the mirror's groups are those that an earlier process saw.
	groupsRestored atomic.Bool

	// learned holds what this account refuses in updates by nature, such as
	// agents' names, so that it is not sent again.
	learnedMu sync.Mutex
	learned   map[Kind]map[string]bool

	keyMu       sync.Mutex
	keyChecked  time.Time
	barredUntil time.Time

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

var (
	_ scim.Directory    = (*Bridge)(nil)
	_ scim.MemberEditor = (*Bridge)(nil)
)

// NewBridge returns a bridge. It sends nothing: the first use lists what
// Freshservice holds, unless the mirror has it already.
func NewBridge(o BridgeOptions) *Bridge {
	b := &Bridge{
		client: o.Client, mirror: o.Mirror, users: o.Users, groups: o.Groups,
		settings: o.Settings, log: o.Log, now: o.Now, onCredentialFailure: o.OnCredentialFailure,
		learned: map[Kind]map[string]bool{Requester: {}, Agent: {}},
	}
	if o.After != nil {
		b.locks = o.After.locks
	} else {
		b.locks = &locks{}
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.now == nil {
		b.now = time.Now
	}
	if b.settings.InventoryMaxAge == 0 {
		b.settings.InventoryMaxAge = 6 * time.Hour
	}
	if len(b.settings.NewAgents.Roles) == 0 {
		b.settings.NewAgents.Roles = []string{"SD Agent"}
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Close ends what the bridge does in the background and waits for it. What was
// not finished goes on at the next use of a bridge with the same mirror.
func (b *Bridge) Close() {
	b.cancel()
	b.tasks.Wait()
}

// Settle waits until the bridge does nothing in the background.
func (b *Bridge) Settle() { b.tasks.Wait() }

// Client returns the client, for its figures.
func (b *Bridge) Client() *Client { return b.client }

// Known returns a person of Freshservice as the mirror has them, hidden or not,
// without a call; ok is false for one it does not have.
func (b *Bridge) Known(ctx context.Context, id int64) (p Person, ok bool, err error) {
	rec, err := b.mirror.Record(ctx, b.users, formatID(id))
	if scim.IsType(err, scim.NotFound) {
		return Person{}, false, nil
	}
	if err != nil {
		return Person{}, false, err
	}
	k, err := keptOf(rec)
	if err != nil {
		return Person{}, false, err
	}
	return *k.Person, true, nil
}

// MissingRoles returns which of the roles Freshservice does not have, and the
// names of those it has. It knows nothing before the first listing.
func (b *Bridge) MissingRoles(ctx context.Context, wanted []string) (missing, have []string, err error) {
	if _, err := b.LastInventory(ctx); err != nil {
		return nil, nil, err
	}
	c := &b.catalogue
	c.mu.RLock()
	for _, r := range c.roles {
		have = append(have, r.Name)
	}
	c.mu.RUnlock()
	if len(have) > 0 {
		_, missing = c.roleIDs(wanted)
	}
	return missing, have, nil
}

// Pending is what waits for something to happen.
type Pending struct {
	// Agents wait for room in the day's budget of new agents.
	Agents int `json:"agents"`
	// Repairs are people whose manager has arrived and is yet to be set. Who
	// waits for the manager to arrive has a note manager_not_found.
	Repairs int `json:"repairs"`
}

// Pending returns what waits.
func (b *Bridge) Pending(ctx context.Context) (Pending, error) {
	agents, err := b.list(ctx, settingAgents)
	if err != nil {
		return Pending{}, err
	}
	repairs, err := b.list(ctx, settingRepairs)
	return Pending{Agents: len(agents), Repairs: len(repairs)}, err
}

// background runs f under the bridge's own context, at bulk priority.
func (b *Bridge) background(f func(ctx context.Context)) {
	if b.ctx.Err() == nil {
		b.tasks.Go(func() { f(b.ctx) })
	}
}

// Get returns the resource as the mirror has it.
func (b *Bridge) Get(ctx context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error) {
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	return b.mirror.Get(ctx, t, id, p)
}

// Query returns one page of the mirror.
func (b *Bridge) Query(ctx context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error) {
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	return b.mirror.Query(ctx, t, q)
}

// Create creates a person or group in Freshservice, or takes over the person
// who holds the address there.
func (b *Bridge) Create(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
	if err := b.writable(ctx); err != nil {
		return nil, err
	}
	if r.Type.Name == b.groups.Name {
		return b.createGroup(ctx, r)
	}
	return b.createUser(ctx, r)
}

// Update changes a person or group in Freshservice as far as the change shows there.
func (b *Bridge) Update(ctx context.Context, t *scim.ResourceType, id string, cond scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
	if err := b.writable(ctx); err != nil {
		return nil, err
	}
	if t.Name == b.groups.Name {
		return b.updateGroup(ctx, id, cond, change)
	}
	return b.updateUser(ctx, id, cond, change)
}

// Delete deactivates a person, who then exists in Freshservice only, and
// deletes a group.
func (b *Bridge) Delete(ctx context.Context, t *scim.ResourceType, id string, cond scim.Precondition) error {
	if err := b.writable(ctx); err != nil {
		return err
	}
	if t.Name == b.groups.Name {
		return b.deleteGroup(ctx, id, cond)
	}
	return b.deleteUser(ctx, id, cond)
}

// writable is ready for a write.
func (b *Bridge) writable(ctx context.Context) error {
	if err := b.barred(); err != nil {
		return err
	}
	return b.ready(ctx)
}

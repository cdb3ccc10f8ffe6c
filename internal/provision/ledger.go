package provision

import (
	"context"
	"errors"
	"iter"
	"time"
)

// A Ledger is what the engine remembers of one app: the objects as last read,
// links, plans and their outcomes, exported memberships, references that wait.
// Implemented by package store. Every method is one transaction.
//
// Objects that must be looked at again are marked. Reading marks what changed;
// a changed assignment, a resolved reference or a due retry marks too; planning
// an object clears its mark. So a cycle costs what changed, not the population.
type Ledger interface {
	// Open returns the cycle that was begun and not closed, or nil.
	Open(ctx context.Context) (*Cycle, error)
	// Begin starts a cycle. It fails with ErrCycleOpen when one is open.
	Begin(ctx context.Context, kind CycleKind, now time.Time) (*Cycle, error)
	// SaveCycle stores state, counts, watermark and error of c. Closing a cycle
	// forgets objects that are gone from the source and have no link.
	SaveCycle(ctx context.Context, c *Cycle) error
	// Cycles returns the latest cycles, newest first.
	Cycles(ctx context.Context, limit int) ([]*Cycle, error)
	// Watermark returns the source's mark of the last closed cycle.
	Watermark(ctx context.Context) (Watermark, error)

	// Staged yields type, ID, content hash and removal of every object as last staged.
	Staged(ctx context.Context) iter.Seq2[StagedObject, error]
	// Managed yields every object of type t that has not been removed, and whether
	// it has a managed link.
	Managed(ctx context.Context, t ObjectType) iter.Seq2[ManagedObject, error]
	// Stage stores objects as now read and marks them.
	Stage(ctx context.Context, changes []Change) error
	// Mark marks objects of type t; no IDs: all of that type.
	Mark(ctx context.Context, t ObjectType, ids ...string) error
	// Marked returns up to n marked objects of type t in order of ID, after the given ID.
	Marked(ctx context.Context, t ObjectType, after string, n int) ([]MarkedObject, error)
	// CountLinks returns how many managed links the app has.
	CountLinks(ctx context.Context) (int, error)
	// CountMarked returns how many objects of type t are marked.
	CountMarked(ctx context.Context, t ObjectType) (int, error)
	// Objects returns objects by ID; unknown IDs are left out.
	Objects(ctx context.Context, t ObjectType, ids []string) ([]*Object, error)

	// EachObject yields every object of type t that has not been removed.
	EachObject(ctx context.Context, t ObjectType) iter.Seq2[*Object, error]

	// Links returns the links of the given objects, by source ID.
	Links(ctx context.Context, t ObjectType, sourceIDs []string) (map[string]Link, error)
	// LinksTo returns the links that point to the given target objects, by target ID.
	LinksTo(ctx context.Context, t ObjectType, targetIDs []string) (map[string]Link, error)
	// Memberships returns the source IDs of the members that were exported to a group.
	Memberships(ctx context.Context, groupID string) ([]string, error)

	// Assignments returns the principals assigned to the app.
	Assignments(ctx context.Context) ([]Assignment, error)
	// SetAssignments replaces them. The caller marks whom it affects.
	SetAssignments(ctx context.Context, as []Assignment) error

	// ClearInventory and StageInventory keep the target's objects for the
	// matching of one cycle; Candidates looks them up by match key.
	ClearInventory(ctx context.Context) error
	StageInventory(ctx context.Context, t ObjectType, entries []InventoryEntry) error
	Candidates(ctx context.Context, t ObjectType, keys []string) (map[string][]InventoryEntry, error)

	// Plan appends items to the plan of a cycle, stores links that need no
	// write, clears the marks of the planned and settled objects and replaces what
	// each of them waits for.
	Plan(ctx context.Context, cycle int64, p Planned) error
	// SetWaves stores in which wave items are applied; unlisted ones stay in wave 0.
	SetWaves(ctx context.Context, cycle int64, waves map[int64]int) error
	// Waves returns the waves that still hold planned items, ascending.
	Waves(ctx context.Context, cycle int64) ([]int, error)
	// Claim gives the caller up to n planned items of one wave that nobody holds.
	Claim(ctx context.Context, cycle int64, wave, n int, lease time.Duration, now time.Time) ([]*Item, error)
	// Release gives claimed items back that were not carried out.
	Release(ctx context.Context, cycle int64, items []*Item) error
	// Finish stores the outcomes of items together with the links, memberships
	// and waiting references they lead to, and marks objects that waited for a
	// link that now exists.
	Finish(ctx context.Context, cycle int64, done []Finished) error
	// PlanItems yields the items of a cycle in order.
	PlanItems(ctx context.Context, cycle int64) iter.Seq2[*Item, error]
	// CountItems counts the items of a cycle in a state; no actions: all.
	CountItems(ctx context.Context, cycle int64, state ItemState, actions ...Action) (int, error)
	// CountTouched counts the objects, removed ones aside, that have an item in a cycle.
	CountTouched(ctx context.Context, cycle int64) (int, error)
	// Hold sets every planned item of a cycle with one of the actions to held and
	// marks its object for the next cycle.
	Hold(ctx context.Context, cycle int64, actions ...Action) (int, error)
}

// ErrCycleOpen is returned by [Ledger.Begin] while another cycle is open.
var ErrCycleOpen = errors.New("a cycle of this app is already under way")

// A StagedObject is what the ledger remembers of an object without its body.
type StagedObject struct {
	Type    ObjectType
	ID      string
	Hash    uint64
	Removed Removal
}

// A ManagedObject says whether an object is provisioned and kept up to date.
type ManagedObject struct {
	ID      string
	Managed bool
}

// A MarkedObject is an object to be decided, with its link if it has one.
type MarkedObject struct {
	Object  *Object
	Removed Removal
	Link    *Link
}

// A Link ties a source object to its target object (Entra: object connection).
type Link struct {
	Type     ObjectType `json:"type"`
	SourceID string     `json:"sourceId"`
	TargetID string     `json:"targetId"`
	// Managed links are kept up to date. A person who fell out of scope by
	// unassignment or filter is disabled once and then no longer managed.
	Managed   bool      `json:"managed"`
	MatchedBy string    `json:"matchedBy,omitempty"`
	Since     time.Time `json:"since"`
	// Written is when lockstep last changed the target object.
	Written time.Time `json:"written,omitzero"`
}

// An Assignment gives a user or the direct members of a group access to the app
// (Graph: appRoleAssignment).
type Assignment struct {
	PrincipalType ObjectType `json:"principalType"`
	PrincipalID   string     `json:"principalId"`
	// Role is the app role, "" for default access.
	Role string `json:"appRoleValue,omitempty"`
}

// An InventoryEntry is one target object under one match key.
type InventoryEntry struct {
	Key      string
	TargetID string
	Body     []byte // scim.Resource.JSON
}

// A CycleKind says what a cycle looks at.
type CycleKind string

// The kinds of cycles.
const (
	CycleInitial     CycleKind = "initial"
	CycleIncremental CycleKind = "incremental"
)

// A CycleState is how far a cycle got.
type CycleState string

// The states, in order. A cycle that is not done is resumed by the next run.
const (
	CycleReading  CycleState = "reading"
	CyclePlanning CycleState = "planning"
	CycleApplying CycleState = "applying"
	CycleDone     CycleState = "done"
)

// A Cycle is one pass over what changed.
type Cycle struct {
	ID        int64      `json:"id"`
	Kind      CycleKind  `json:"kind"`
	State     CycleState `json:"state"`
	Began     time.Time  `json:"began"`
	Ended     time.Time  `json:"ended,omitzero"`
	Watermark Watermark  `json:"-"`
	Counts    Counts     `json:"counts"`
	// Error says, in plain words, why the cycle stopped or what it held back.
	Error string `json:"error,omitempty"`
}

// Counts sum up a cycle. Users and groups count alike unless said otherwise.
type Counts struct {
	// People is how many users the source holds, Groups how many groups if the
	// app provisions groups.
	People int `json:"people"`
	Groups int `json:"groups"`
	// Changed is how many objects had to be decided.
	Changed   int `json:"changed"`
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Disabled  int `json:"disabled"`
	Deleted   int `json:"deleted"`
	Unchanged int `json:"unchanged"`
	Held      int `json:"held"`
	// Skipped and Failed count people and groups by reason, in plain words for
	// skips and by code for failures.
	Skipped map[string]int `json:"skipped"`
	// Incomplete counts source entries that were taken without a value that
	// could not be understood.
	Incomplete int            `json:"incomplete"`
	Failed     map[string]int `json:"failed"`
}

// A Planned batch is what planning some objects led to.
type Planned struct {
	Items []*Item
	// Links are matches that need no write.
	Links []Link
	// Settled are objects that need no item: nothing differs.
	Settled []Ref
	// Waiting replaces what each object waits for; objects of Items and Settled
	// without an entry wait for nothing.
	Waiting map[Ref][]Waiting
}

// A Ref names a source object.
type Ref struct {
	Type ObjectType
	ID   string
}

// An Item is one object's part of a plan. With its outcome it is a record of
// the provisioning log.
type Item struct {
	Cycle int64 `json:"cycle"`
	Seq   int64 `json:"seq"`
	Ref   Ref   `json:"-"`
	// Name is what people call the object.
	Name     string    `json:"name"`
	Wave     int       `json:"wave"`
	Decision Decision  `json:"decision"`
	State    ItemState `json:"state"`
	// Claims counts how often the item was taken up. More than one means that an
	// earlier attempt may have reached the target without its outcome being known.
	Claims  int      `json:"claims"`
	Outcome *Outcome `json:"outcome,omitempty"`
}

// An ItemState is how far an item got.
type ItemState string

// The states of an item.
const (
	ItemPlanned ItemState = "planned"
	ItemHeld    ItemState = "held"
	ItemDone    ItemState = "done"
)

// An Outcome is what came of an item.
type Outcome struct {
	Status  string        `json:"status"`
	Code    Code          `json:"code,omitempty"`
	Message string        `json:"message,omitempty"`
	At      time.Time     `json:"at"`
	Took    time.Duration `json:"took"`
	// TargetID is the object that was created or found.
	TargetID string `json:"targetId,omitempty"`
}

// Finished is an applied item with what it leads to.
type Finished struct {
	Item *Item
	// Link is stored; nil leaves the link as it is.
	Link *Link
	// Idle: there turned out to be nothing to send.
	Idle bool
	// Unlink removes the link (the target object is gone).
	Unlink bool
	// Waiting replaces what the object waits for, when the item was applied.
	Waiting []Waiting
	// Added and Removed are the memberships that were exported, source IDs.
	Added, Removed []string
	// Retry marks the object for the next cycle, so that it is tried once more.
	Retry bool
}

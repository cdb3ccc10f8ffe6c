package provision

import (
	"context"
	"errors"
	"iter"

	"lockstep/internal/scim"
)

// A Watermark is a source's own mark of how far it has been read. It is opaque
// to the engine; the empty one means "from the beginning".
type Watermark string

// ErrWatermarkExpired is returned by [Source.Changes] when the source can no
// longer tell what changed since the watermark; the engine then reads everything.
var ErrWatermarkExpired = errors.New("the source no longer knows this watermark")

// A Source reads one directory.
type Source interface {
	// Describe returns the source's objects and attributes, for checks and the
	// mapping editor.
	Describe(ctx context.Context) (*DirectoryDefinition, error)
	// Changes yields pages in source order. The zero watermark means everything.
	// Page.Next may be stored as soon as the page has been staged.
	Changes(ctx context.Context, since Watermark) iter.Seq2[Page, error]
	// Lookup returns one object by ID, userPrincipalName or mail, now, or nil
	// when there is none.
	Lookup(ctx context.Context, ref string) (*Object, error)
}

// A Page is a piece of what [Source.Changes] yields.
type Page struct {
	Changes []Change
	// Problems are entries that could not be read. The other entries still go in.
	Problems []Problem
	// Complete marks the last page of a full enumeration: what has not been
	// seen since its first page no longer exists.
	Complete bool
	// Next is the watermark after this page, empty while unknown.
	Next Watermark
	// Total is how many objects the source expects to yield in all, 0 unknown.
	Total int
}

// A Change is one object as it is now, or word of its removal.
type Change struct {
	Object *Object
	// Removed: the object is in the recycle bin (RemovedSoft: it may come back)
	// or gone for good (RemovedHard). Object then holds at least Type and ID.
	Removed Removal
}

// A Removal says in which way an object left the source.
type Removal uint8

// The ways an object leaves the source.
const (
	NotRemoved Removal = iota
	RemovedSoft
	RemovedHard
)

// A Problem is an entry of the source that could not be read.
type Problem struct {
	// Place is where the entry stands: "row 17", "entry 4 (line 60)".
	Place string `json:"place"`
	// Column is the attribute or column to blame, if one is.
	Column string `json:"column,omitempty"`
	// Message says what is wrong and what to do, without repeating Place.
	Message string `json:"message"`
	// ID is the object's ID when at least that could be read: the object then
	// counts as seen and is not taken for deleted.
	ID string `json:"id,omitempty"`
	// Kept: the entry was taken all the same, without the column to blame.
	Kept bool `json:"kept,omitempty"`
}

// Capabilities are what a target can do.
type Capabilities struct {
	// Patch: attributes can be changed one by one. Without it the whole resource is replaced.
	Patch bool
	// BulkOperations is the largest number of operations of one bulk request; 0 without bulk.
	BulkOperations int
	// PageSize is the largest page of a listing; 0 when the target cannot be listed.
	PageSize int
	// Groups: the target has groups.
	Groups bool
}

// A Target writes one system. References in resources are target IDs. Errors
// are [*scim.Error]s where the target answered; an error of type
// GatewayTimeout (or one that wraps context.DeadlineExceeded) means that the
// outcome is unknown.
type Target interface {
	// Describe asks the target what it is. It fails when credentials or address
	// are wrong, with an error that says which.
	Describe(ctx context.Context) (Capabilities, error)
	// Types returns the resource types that resources of this target follow.
	Types() (users, groups *scim.ResourceType)
	// Find returns the resources of type t whose attribute at path equals value.
	Find(ctx context.Context, t *scim.ResourceType, path scim.Path, value string) ([]*scim.Resource, error)
	// Get returns one resource, without a group's members.
	Get(ctx context.Context, t *scim.ResourceType, id string) (*scim.Resource, error)
	Create(ctx context.Context, r *scim.Resource) (*scim.Resource, error)
	// Update changes what delta says.
	Update(ctx context.Context, t *scim.ResourceType, id string, delta Delta) error
	Delete(ctx context.Context, t *scim.ResourceType, id string) error
	// EditMembers adds and removes members of a group, in as many bounded requests as it takes.
	EditMembers(ctx context.Context, groupID string, add, remove []string) error
}

// An Inventory is a target that can list what it holds.
type Inventory interface {
	// List yields every resource of type t, without group members.
	List(ctx context.Context, t *scim.ResourceType) iter.Seq2[*scim.Resource, error]
}

// A Delta is what must change in one target resource, in mapping order.
type Delta []AttributeChange

// An AttributeChange sets one target attribute. New is nil to remove it.
type AttributeChange struct {
	// Path is the target attribute as the mapping spells it, such as
	// emails[type eq "work"].value.
	Path string     `json:"path"`
	Old  scim.Value `json:"old"`
	New  scim.Value `json:"new"`
	// Reference is the source ID behind New when the attribute is a reference;
	// New is then the target ID of that object, once it is known.
	Reference string `json:"reference,omitempty"`
	// Redacted values are shown as [Redact] in logs.
	Redacted bool `json:"redacted,omitempty"`
}

package scim

import "context"

// A Directory is where the resources of one account live. Implementations: the
// embedded directory (package store) and the Freshservice bridge.
//
// All errors that a client may see are [*Error]s. A Directory checks
// uniqueness and existence; syntax, mutability and types have been checked by
// the caller with [Normalize] and [Patch.Apply].
type Directory interface {
	// Get returns the resource or an error of type NotFound. With a projection
	// that excludes members, a group's members are not read at all.
	Get(ctx context.Context, t *ResourceType, id string, p Projection) (*Resource, error)
	// Query returns one page of the resources that match.
	Query(ctx context.Context, t *ResourceType, q Query) (*Page, error)
	// Create stores r and returns it with ID, Version and times set. A value
	// that must be unique and is taken gives an error of type Uniqueness that
	// names the attribute.
	Create(ctx context.Context, r *Resource) (*Resource, error)
	// Update applies change to the current state and stores the result
	// atomically. change may run more than once: it must keep no state and must
	// not call the Directory. When change leaves the resource as it was, nothing
	// is written and the version stays.
	Update(ctx context.Context, t *ResourceType, id string, cond Precondition, change func(*Resource) error) (*Resource, error)
	// Delete removes the resource, and a user's memberships with it.
	Delete(ctx context.Context, t *ResourceType, id string, cond Precondition) error
}

// A MemberEditor can change the members of a group without reading it. The
// service uses it when every operation of a PATCH touches members only.
// Adding a present member and removing an absent one are successes.
type MemberEditor interface {
	EditMembers(ctx context.Context, groupID string, cond Precondition, add, remove []Member) (version string, err error)
}

// A Member is one element of a group's "members".
type Member struct {
	Value, Type, Display string
}

// A Precondition is what If-Match and If-None-Match ask for (RFC 7644 section
// 3.14). Entries are ETags as they travel; "*" matches any version.
type Precondition struct {
	IfMatch, IfNoneMatch []string
}

// A Projection says which attributes the client wants (RFC 7644 section 3.9).
// At most one of the two lists is set.
type Projection struct {
	Attributes, Excluded []Path
}

// A Query selects resources (RFC 7644 section 3.4.2).
type Query struct {
	Filter     Filter // nil: all
	SortBy     *Path
	Descending bool
	// StartIndex counts from 1.
	StartIndex int
	// Count is the largest number of resources to return; 0 returns none but
	// still counts them.
	Count int
	// Cursor is nil for index paging, "" for the first page by cursor, and
	// otherwise what Page.NextCursor said (RFC 9865).
	Cursor     *string
	Projection Projection
}

// A Page is one answer to a [Query].
type Page struct {
	Total      int
	Resources  []*Resource
	NextCursor string
	PrevCursor string
}

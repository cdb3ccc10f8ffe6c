package freshservice

import (
	"context"
	"time"

	"lockstep/internal/scim"
)

// A Mirror is lockstep's own copy of one Freshservice account: every person and
// group as SCIM clients see them, together with the Freshservice record they
// stand for. It holds what Freshservice cannot (userName, externalId of old
// accounts, values that had to be left out), so that a client reads back what
// it wrote. Implemented by package store; every method is one transaction.
type Mirror interface {
	// Get and Query answer as scim.Directory says; hidden records do not exist for them.
	Get(ctx context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error)
	Query(ctx context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error)

	// Record returns one record, hidden or not, or a *scim.Error of type NotFound.
	Record(ctx context.Context, t *scim.ResourceType, id string) (*Record, error)
	// RecordByEmail returns the record that holds the address as primary or
	// secondary e-mail, hidden or not, or nil. Addresses compare without regard to case.
	RecordByEmail(ctx context.Context, email string) (*Record, error)
	// RecordByUserName returns the visible record with that userName, or nil.
	RecordByUserName(ctx context.Context, userName string) (*Record, error)
	// Put inserts or replaces records by type and ID, all or none, bumping the
	// version of those whose resource differs from what is stored and filling
	// in Version, Created and LastModified. A userName that another visible
	// record has gives a *scim.Error of type Uniqueness on "userName".
	// Group members are not touched.
	Put(ctx context.Context, records ...*Record) error
	// Remove forgets a record and its memberships.
	Remove(ctx context.Context, t *scim.ResourceType, id string) error
	// EditMembers changes a group's members as scim.MemberEditor says. Values
	// that are no record's ID are refused with an error of type InvalidValue.
	EditMembers(ctx context.Context, groupID string, cond scim.Precondition, add, remove []scim.Member) (version string, err error)
	// Members returns the IDs of a group's members.
	Members(ctx context.Context, groupID string) ([]string, error)

	// Setting and SetSetting keep small facts about the account, such as when
	// the inventory was last complete. An unknown key is "".
	Setting(ctx context.Context, key string) (string, error)
	SetSetting(ctx context.Context, key, value string) error

	// SetNotes replaces what is noted about one record; none clears it.
	SetNotes(ctx context.Context, t *scim.ResourceType, id string, notes []Note) error
}

// A Record is one person or group of a Freshservice account.
type Record struct {
	// Resource is what SCIM clients see; its ID is Freshservice's.
	Resource *scim.Resource
	// Freshservice is the requester, agent or group as Freshservice last
	// returned it, as JSON, with its kind; the bridge alone reads it.
	Freshservice []byte
	// Emails are all addresses the person holds in Freshservice, lower case.
	Emails []string
	// Hidden records exist in Freshservice but not for SCIM clients: people
	// deleted over SCIM, who stay deactivated in Freshservice.
	Hidden bool
}

// A Note says what could not be carried over to Freshservice for one record.
// It never fails the person.
type Note struct {
	// Attribute is the SCIM path, Value what the client sent.
	Attribute string `json:"attribute"`
	Value     string `json:"value"`
	// Code is a stable word: unknown_time_zone, unknown_language,
	// unknown_department, unknown_location, manager_not_found,
	// secondary_email_equals_primary, email_taken, unknown_field, invalid_field_value,
	// agent_budget, refused_by_freshservice.
	Code string `json:"code"`
	// Message is the reason and what to do, for people.
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

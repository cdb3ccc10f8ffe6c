package api

import (
	"time"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
)

// NewApp asks for an app. Secrets travel in the body, never in a URL.
type NewApp struct {
	// ID is made from Name when empty.
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
	// Source is where people come from. A file's path is absolute.
	Source provision.SourceConfig `json:"source"`
	Target provision.TargetConfig `json:"target"`
	// Token is the bearer token of a target at a URL. A target that is one of
	// our own accounts needs none: the app is given a token of its own.
	Token string `json:"token,omitempty"`
	// Template is the schema to start with, "" for the one that suits the target.
	Template                string            `json:"template,omitempty"`
	SyncAll                 bool              `json:"syncAll,omitempty"`
	SkipOutOfScopeDeletions bool              `json:"skipOutOfScopeDeletions,omitempty"`
	Parameters              map[string]string `json:"parameters,omitempty"`
	// Guard is the deletion guard, nil for the default.
	Guard *provision.Guard `json:"guard,omitempty"`
	// IntervalSeconds is 0 for the default.
	IntervalSeconds int64 `json:"intervalSeconds,omitempty"`
	Paused          bool  `json:"paused,omitempty"`
}

// App is an app as the API shows it.
type App struct {
	ID                      string                 `json:"id"`
	Name                    string                 `json:"name"`
	Source                  provision.SourceConfig `json:"source"`
	Target                  provision.TargetConfig `json:"target"`
	Template                string                 `json:"template"`
	SyncAll                 bool                   `json:"syncAll"`
	SkipOutOfScopeDeletions bool                   `json:"skipOutOfScopeDeletions"`
	Parameters              map[string]string      `json:"parameters,omitempty"`
	Guard                   provision.Guard        `json:"guard"`
	IntervalSeconds         int64                  `json:"intervalSeconds"`
	Paused                  bool                   `json:"paused"`
	Created                 time.Time              `json:"created"`
	// Assignments is how many users and groups are assigned, SchemaRevision
	// which of its schemas the app has.
	Assignments    int   `json:"assignments"`
	SchemaRevision int64 `json:"schemaRevision"`
	// LastCycle is the latest cycle, under way or ended.
	LastCycle *provision.Cycle `json:"lastCycle,omitempty"`
}

// AppChange changes an app; what is nil stays as it is.
type AppChange struct {
	Name                    *string                 `json:"name,omitempty"`
	Source                  *provision.SourceConfig `json:"source,omitempty"`
	Token                   *string                 `json:"token,omitempty"`
	SkipOutOfScopeDeletions *bool                   `json:"skipOutOfScopeDeletions,omitempty"`
	// Parameters are set one by one; an empty value removes a parameter.
	Parameters      map[string]string `json:"parameters,omitempty"`
	Guard           *provision.Guard  `json:"guard,omitempty"`
	IntervalSeconds *int64            `json:"intervalSeconds,omitempty"`
	Paused          *bool             `json:"paused,omitempty"`
}

// AppSchema is an app's synchronizationSchema, in Microsoft Graph's form.
type AppSchema struct {
	// Revision counts the app's schemas from 1. In a PUT it is the revision that
	// the change was made to, 0 for whatever is there.
	Revision int64             `json:"revision"`
	Schema   *provision.Schema `json:"schema"`
	// Template is the template that a reset returns to.
	Template string `json:"template,omitempty"`
}

// SchemaRevision is one of the schemas that an app had before.
type SchemaRevision struct {
	Revision int64     `json:"revision"`
	Replaced time.Time `json:"replaced"`
}

// Assignment is a user or group that is assigned to an app.
type Assignment struct {
	provision.Assignment
	// Name is what people call it, "" when the source no longer has it.
	Name string `json:"name,omitempty"`
}

// NewAssignment asks for an assignment.
type NewAssignment struct {
	// Principal is the object ID, userPrincipalName or mail of a user, or the
	// object ID or display name of a group.
	Principal string `json:"principal"`
	Role      string `json:"appRoleValue,omitempty"`
}

// Scope is whom an app provisions.
type Scope struct {
	// SyncAll: all users and groups; otherwise assigned ones.
	SyncAll bool `json:"syncAll"`
	// NestedGroups: members at any depth of an assigned group are assigned.
	NestedGroups bool `json:"nestedGroups"`
	// Filters are the scoping filters by source object type, in Graph's form.
	Filters map[provision.ObjectType]*provision.Filter `json:"filters,omitempty"`
	// Revision is that of the schema, which holds the filters.
	Revision int64 `json:"revision"`
}

// NewScope changes whom an app provisions. Filters are changed in the schema.
type NewScope struct {
	SyncAll bool `json:"syncAll"`
	// NestedGroups stays as it is when absent.
	NestedGroups *bool `json:"nestedGroups,omitempty"`
}

// ScopeQuestion asks whether a person is in scope: somebody of the source, by
// object ID, userPrincipalName or mail, or a person described here.
type ScopeQuestion struct {
	User   string         `json:"user,omitempty"`
	Person expression.Map `json:"person,omitempty"`
}

// ScopeAnswer says whether an object is in scope, and why.
type ScopeAnswer struct {
	Name    string                    `json:"name"`
	InScope bool                      `json:"inScope"`
	Steps   []provision.ScopeStep     `json:"steps"`
	Filter  provision.ScopeEvaluation `json:"filter"`
}

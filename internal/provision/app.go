package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lockstep/internal/scim"
)

// An App is an enterprise application: one source, one target, one job. Graph
// shows it as a servicePrincipal with one synchronizationJob.
type App struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Source is where people come from, Target where they go.
	Source SourceConfig `json:"source"`
	Target TargetConfig `json:"target"`
	// Secret is the bearer token for the target. It is sealed at rest and never
	// part of the JSON form.
	Secret   string `json:"-"`
	Template string `json:"template"`
	// Schema is the app's synchronizationSchema.
	Schema *Schema `json:"-"`
	// SyncAll provisions everybody; otherwise only assigned users and groups.
	SyncAll bool `json:"syncAll"`
	// NestedGroups counts members of groups inside an assigned group as assigned,
	// at any depth. Entra takes direct members only.
	NestedGroups            bool              `json:"nestedGroups,omitempty"`
	SkipOutOfScopeDeletions bool              `json:"skipOutOfScopeDeletions"`
	Parameters              map[string]string `json:"parameters,omitempty"`
	Guard                   Guard             `json:"guard"`
	// Interval is the time from the end of one cycle to the start of the next.
	Interval time.Duration `json:"interval"`
	Paused   bool          `json:"paused"`
	Created  time.Time     `json:"created"`
}

// DefaultInterval is Entra's: forty minutes.
const DefaultInterval = 40 * time.Minute

// A SourceConfig says where an app reads people from.
type SourceConfig struct {
	// Kind is "file".
	Kind string `json:"kind"`
	// Path is the file, absolute.
	Path string `json:"path,omitempty"`
}

// A TargetConfig says where an app writes people to.
type TargetConfig struct {
	// AccountID is set when the target is one of our own accounts; its SCIM
	// endpoint is then used over HTTP like any other.
	AccountID string `json:"accountId,omitempty"`
	// BaseURL is the SCIM endpoint otherwise.
	BaseURL string `json:"baseUrl,omitempty"`
}

// Job compiles the app's configuration. The errors name every mapping that does
// not compile.
func (a *App) Job(users, groups *scim.ResourceType) (*Job, error) {
	j := &Job{SyncAll: a.SyncAll, NestedGroups: a.NestedGroups, SkipOutOfScopeDeletions: a.SkipOutOfScopeDeletions, Parameters: a.Parameters}
	def := a.Schema.Mapping(User)
	if def == nil {
		return nil, fmt.Errorf("the schema of app %q maps no users", a.Name)
	}
	var errs []error
	var err error
	if j.Users, err = CompileMapping(def, users); err != nil {
		errs = append(errs, err)
	}
	if def := a.Schema.Mapping(Group); def != nil && def.Enabled && groups != nil {
		if j.Groups, err = CompileMapping(def, groups); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("app %q: %w", a.Name, errors.Join(errs...))
	}
	return j, nil
}

// Apps keeps the configuration of apps. Implemented by package store.
type Apps interface {
	// CreateApp stores a new app. It fails with an [*AppExistsError] when the ID
	// is taken.
	CreateApp(ctx context.Context, a *App) error
	UpdateApp(ctx context.Context, a *App) error
	// App returns an [*AppNotFoundError] when there is none.
	App(ctx context.Context, id string) (*App, error)
	Apps(ctx context.Context) ([]*App, error)
	// Ledger returns what the engine remembers of an app.
	Ledger(appID string) Ledger
}

// An AppNotFoundError names an app that does not exist.
type AppNotFoundError struct{ ID string }

func (e *AppNotFoundError) Error() string { return fmt.Sprintf("there is no app %q", e.ID) }

// An AppExistsError names an app that exists already.
type AppExistsError struct{ ID string }

func (e *AppExistsError) Error() string { return fmt.Sprintf("there is an app %q already", e.ID) }

// Package account is the domain of accounts and their tokens: what an account
// is, how it is set up, in which state its connection is, and who may use it.
//
// An account is a target behind our SCIM service provider: either a
// Freshservice account or an embedded directory. Each has any number of bearer
// tokens, of which only hashes are kept. [Service] is the one way in;
// [Repository] is what it needs of a store.
package account

import (
	"slices"
	"time"

	"lockstep/internal/secret"
)

// A Kind says where the resources of an account live.
type Kind string

// The kinds.
const (
	KindFreshservice Kind = "freshservice" // writes go through to Freshservice
	KindEmbedded     Kind = "embedded"     // resources live in our own store
)

// An Account is a target behind the service provider.
type Account struct {
	// ID is short and safe in a URL, such as "acme". It never changes and is
	// not used again within the life of the account.
	ID   string `json:"id"`
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Domain is the Freshservice domain, such as "acme.freshservice.com"; empty
	// for an embedded directory.
	Domain string `json:"domain,omitempty"`
	// BaseURL is where Freshservice's REST API is, without a trailing slash;
	// empty for the domain's own. A desk has an address of its own.
	BaseURL  string      `json:"baseUrl,omitempty"`
	APIKey   secret.Text `json:"-"`
	Settings Settings    `json:"settings"`
	// Owner is whom the API key belongs to; nil while unknown or embedded.
	Owner     *Owner    `json:"owner,omitempty"`
	State     State     `json:"state"`
	CreatedAt time.Time `json:"createdAt"`
}

// APIURL returns the address of the account's Freshservice, without a trailing
// slash: BaseURL when one is set, otherwise the domain over HTTPS.
func (a *Account) APIURL() string {
	if a.BaseURL != "" || a.Domain == "" {
		return a.BaseURL
	}
	return "https://" + a.Domain
}

// Settings are the choices of one account.
type Settings struct {
	// UnknownDepartments and UnknownLocations say what happens to a person whose
	// department or location Freshservice does not have.
	UnknownDepartments OnUnknown `json:"unknownDepartments"`
	UnknownLocations   OnUnknown `json:"unknownLocations"`
	// Groups says what a SCIM group is in Freshservice.
	Groups GroupsAs `json:"groups"`
	// NewAgents is how people who are to be agents become one.
	NewAgents NewAgents `json:"newAgents"`
	// ConversionBudgetPerDay is the largest number of requesters turned into
	// agents in 24 hours; each may cost a licence. 0 allows none.
	ConversionBudgetPerDay int `json:"conversionBudgetPerDay"`
	// Strict refuses attributes that no schema knows; otherwise they are ignored.
	Strict bool `json:"strict"`
	// RatePerSecond is how many SCIM requests a second the account may send;
	// 0 is no limit.
	RatePerSecond float64 `json:"ratePerSecond"`
	// CustomAttributes are attributes of extensions beyond those that every
	// account has, declared by the administrator or learnt from clients.
	CustomAttributes []CustomAttribute `json:"customAttributes,omitempty"`
}

// DefaultSettings returns the settings of a new account of that kind.
func DefaultSettings(k Kind) Settings {
	s := Settings{
		UnknownDepartments: LeaveOut,
		UnknownLocations:   LeaveOut,
		Groups:             RequesterGroups,
		NewAgents:          NewAgents{Occasional: true},
	}
	if k == KindFreshservice {
		s.ConversionBudgetPerDay = 10
	}
	return s
}

// An OnUnknown says what to do with a name that Freshservice does not have.
type OnUnknown string

// What to do with an unknown name.
const (
	LeaveOut OnUnknown = "leaveOut" // write the person without it and note it
	Create   OnUnknown = "create"   // create it in Freshservice first
	Refuse   OnUnknown = "refuse"   // refuse the person
)

// A GroupsAs says what a SCIM group is in Freshservice.
type GroupsAs string

// What a SCIM group may be.
const (
	RequesterGroups GroupsAs = "requesterGroups"
	AgentGroups     GroupsAs = "agentGroups"
	GroupsOff       GroupsAs = "off" // groups are not offered
)

// NewAgents says how a person becomes an agent.
type NewAgents struct {
	// Roles are the names of the roles a new agent gets when the client names none.
	Roles []string `json:"roles,omitempty"`
	// Occasional makes new agents occasional ones, who take no full licence.
	Occasional bool `json:"occasional"`
}

// An Owner is the agent an API key belongs to. Freshservice lets a key do what
// its owner may, so these facts decide what we can do.
type Owner struct {
	ID         int64     `json:"id"`
	Name       string    `json:"name"`
	Email      string    `json:"email"`
	Role       string    `json:"role"`
	Admin      bool      `json:"admin"`
	Active     bool      `json:"active"`
	Occasional bool      `json:"occasional"`
	CheckedAt  time.Time `json:"checkedAt"`
}

// A State is how the connection to an account is.
type State struct {
	Status Status    `json:"status"`
	Since  time.Time `json:"since"`
	// Message is for people: what was found and what to do.
	Message string `json:"message,omitempty"`
}

// A Status is a connection state by name.
type Status string

// The statuses.
const (
	StatusOK               Status = "ok"
	StatusKeyRejected      Status = "keyRejected"
	StatusOwnerDowngraded  Status = "ownerDowngraded"
	StatusOwnerDeactivated Status = "ownerDeactivated"
	StatusOwnerOccasional  Status = "ownerOccasional"
	StatusUnreachable      Status = "unreachable"
)

// A Token is a bearer token of an account, without its secret text.
type Token struct {
	ID        string      `json:"id"`
	AccountID string      `json:"accountId"`
	Name      string      `json:"name"`
	Hash      secret.Hash `json:"-"`
	// Hint is the last four characters of the text, to tell tokens apart.
	Hint      string    `json:"hint"`
	CreatedAt time.Time `json:"createdAt"`
	// The following are zero for never.
	ExpiresAt  time.Time `json:"expiresAt,omitzero"`
	LastUsedAt time.Time `json:"lastUsedAt,omitzero"` // to the minute
	RevokedAt  time.Time `json:"revokedAt,omitzero"`
}

// check returns an [InvalidError] for the first thing that is wrong with a.
func (a *Account) check() error {
	switch a.Kind {
	case KindEmbedded:
		if !a.APIKey.IsZero() || a.Domain != "" {
			return &InvalidError{"kind", string(a.Kind), "an embedded directory has no Freshservice domain or API key; leave them out or choose the kind freshservice"}
		}
	case KindFreshservice:
		if a.Domain == "" && a.BaseURL == "" {
			return &InvalidError{"domain", "", "give the Freshservice domain, such as acme.freshservice.com"}
		}
		if a.APIKey.IsZero() {
			return &InvalidError{"apiKey", "", "give the API key of a Freshservice administrator"}
		}
	default:
		return &InvalidError{"kind", string(a.Kind), "it is freshservice or embedded"}
	}
	return a.Settings.check()
}

func (s *Settings) check() error {
	unknown := []OnUnknown{LeaveOut, Create, Refuse}
	switch {
	case !slices.Contains(unknown, s.UnknownDepartments):
		return &InvalidError{"settings.unknownDepartments", string(s.UnknownDepartments), "it is leaveOut, create or refuse"}
	case !slices.Contains(unknown, s.UnknownLocations):
		return &InvalidError{"settings.unknownLocations", string(s.UnknownLocations), "it is leaveOut, create or refuse"}
	case !slices.Contains([]GroupsAs{RequesterGroups, AgentGroups, GroupsOff}, s.Groups):
		return &InvalidError{"settings.groups", string(s.Groups), "it is requesterGroups, agentGroups or off"}
	case s.ConversionBudgetPerDay < 0:
		return &InvalidError{"settings.conversionBudgetPerDay", "", "it cannot be negative; 0 allows no conversion"}
	case !(s.RatePerSecond >= 0): // also refuses NaN
		return &InvalidError{"settings.ratePerSecond", "", "it cannot be negative; 0 is no limit"}
	}
	for i, c := range s.CustomAttributes {
		if err := c.check(); err != nil {
			return err
		}
		if slices.ContainsFunc(s.CustomAttributes[:i], c.same) {
			return &InvalidError{"settings.customAttributes", c.Name, "two attributes have this name"}
		}
	}
	return nil
}

package desk

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Stamp is a moment in whole seconds since 1970, written as the API writes it:
// 2006-01-02T15:04:05Z.
type Stamp int64

const stampLayout = "2006-01-02T15:04:05Z"

// StampOf returns t in whole seconds.
func StampOf(t time.Time) Stamp { return Stamp(t.Unix()) }

// MarshalText writes the moment in UTC.
func (s Stamp) MarshalText() ([]byte, error) {
	return time.Unix(int64(s), 0).UTC().AppendFormat(nil, stampLayout), nil
}

// UnmarshalText reads any RFC 3339 time.
func (s *Stamp) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return err
	}
	*s = StampOf(t)
	return nil
}

// String returns the moment as the API writes it.
func (s Stamp) String() string {
	b, _ := s.MarshalText()
	return string(b)
}

// A Person is a requester, or an agent when Agent is set. The id survives
// conversion from one to the other. Empty strings and zero ids are "no value"
// and read back as null. A Person in the desk is never changed, only replaced.
type Person struct {
	ID       int64 `json:"id,omitempty"`
	Inactive bool  `json:"inactive,omitempty"`
	// Agent holds what only agents have.
	Agent *Agent `json:"agent,omitempty"`

	FirstName         string   `json:"first_name"`
	LastName          string   `json:"last_name,omitempty"`
	JobTitle          string   `json:"job_title,omitempty"`
	PrimaryEmail      string   `json:"primary_email,omitempty"` // "email" of an agent
	SecondaryEmails   []string `json:"secondary_emails,omitempty"`
	WorkPhoneNumber   string   `json:"work_phone_number,omitempty"`
	MobilePhoneNumber string   `json:"mobile_phone_number,omitempty"`
	DepartmentIDs     []int64  `json:"department_ids,omitempty"`
	// AllTickets and AllChanges let the person see what others of the
	// departments raised. Every PUT that does not say otherwise resets
	// AllTickets.
	AllTickets            bool         `json:"can_see_all_tickets_from_associated_departments,omitempty"`
	AllChanges            bool         `json:"can_see_all_changes_from_associated_departments,omitempty"`
	ReportingManagerID    int64        `json:"reporting_manager_id,omitempty"`
	Address               string       `json:"address,omitempty"`
	TimeZone              string       `json:"time_zone,omitempty"` // a Rails zone name
	TimeFormat            string       `json:"time_format,omitempty"`
	Language              string       `json:"language,omitempty"`
	LocationID            int64        `json:"location_id,omitempty"`
	BackgroundInformation string       `json:"background_information,omitempty"`
	ExternalID            string       `json:"external_id,omitempty"`
	CustomFields          CustomFields `json:"custom_fields,omitempty"`
	HasLoggedIn           bool         `json:"has_logged_in,omitempty"`
	VIP                   bool         `json:"vip_user,omitempty"`
	CreatedAt             Stamp        `json:"created_at,omitempty"`
	UpdatedAt             Stamp        `json:"updated_at,omitempty"`

	// sortKey is the folded first name, by which lists are sorted.
	sortKey string
}

// CustomFields are the values of declared fields, as JSON. A field without a
// value is absent.
type CustomFields map[string]json.RawMessage

// An Agent is what an agent has and a requester has not.
type Agent struct {
	// Occasional agents buy day passes; their API key lapses after a day.
	Occasional        bool             `json:"occasional,omitempty"`
	Roles             []RoleAssignment `json:"roles,omitempty"`
	ScoreboardLevelID int64            `json:"scoreboard_level_id,omitempty"`
	Signature         string           `json:"signature,omitempty"`
	APIKeyEnabled     bool             `json:"api_key_enabled,omitempty"`
	WorkspaceIDs      []int64          `json:"workspace_ids,omitempty"`
}

// A RoleAssignment gives an agent a role within a scope.
type RoleAssignment struct {
	RoleID          int64   `json:"role_id"`
	AssignmentScope string  `json:"assignment_scope"`
	Groups          []int64 `json:"groups"`
	WorkspaceID     int64   `json:"workspace_id,omitempty"`
}

// The assignment scopes of a role.
const (
	EntireHelpdesk  = "entire_helpdesk"
	MemberGroups    = "member_groups"
	SpecifiedGroups = "specified_groups"
	AssignedItems   = "assigned_items"
)

// Name returns first and last name with one space between.
func (p *Person) Name() string {
	if p.LastName == "" {
		return p.FirstName
	}
	return p.FirstName + " " + p.LastName
}

// IsAgent reports whether the person is an agent.
func (p *Person) IsAgent() bool { return p.Agent != nil }

// seated reports whether the person occupies a seat of the licence.
func (p *Person) seated() bool { return p.Agent != nil && !p.Inactive && !p.Agent.Occasional }

// copy returns a Person that may be changed: the lists are shared and must be
// replaced, not edited.
func (p *Person) copy() *Person {
	c := *p
	if p.Agent != nil {
		a := *p.Agent
		c.Agent = &a
	}
	return &c
}

// emails yields every address the person holds, folded.
func (p *Person) emails(yield func(string) bool) {
	if p.PrimaryEmail != "" && !yield(fold(p.PrimaryEmail)) {
		return
	}
	for _, e := range p.SecondaryEmails {
		if !yield(fold(e)) {
			return
		}
	}
}

// fold brings names and addresses into the form they are compared in.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// byFirstName is the order of the lists (Freshservice API: list all
// requesters).
func byFirstName(a, b *Person) int {
	return cmp.Or(strings.Compare(a.sortKey, b.sortKey), cmp.Compare(a.ID, b.ID))
}

// byNewest is the order of query results (Freshservice API: filter
// requesters).
func byNewest(a, b *Person) int {
	return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), cmp.Compare(b.ID, a.ID))
}

// set returns the values once each, nil when there are none.
func set[T cmp.Ordered](v []T) []T {
	if len(v) == 0 {
		return nil
	}
	out := make([]T, 0, len(v))
	for _, x := range v {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

package freshservice

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Kind tells the two kinds of people of a Freshservice account apart. They
// share one space of IDs and one of e-mail addresses, and a person keeps the
// ID when converted.
type Kind string

// The kinds.
const (
	Requester Kind = "requester"
	Agent     Kind = "agent"
)

// path is the kind's collection, such as "/requesters".
func (k Kind) path() string { return "/" + string(k) + "s" }

// emailField is what the kind's records call the primary address.
func (k Kind) emailField() string {
	if k == Agent {
		return "email"
	}
	return "primary_email"
}

// Fields are attributes to write, by Freshservice's names. A nil value clears.
type Fields map[string]any

// A Person is a requester or an agent as Freshservice returned it
// (Freshservice API: requester attributes, agent attributes). What a record
// lacks or has as null is the zero value.
type Person struct {
	Kind      Kind   `json:"kind"`
	ID        int64  `json:"id"`
	FirstName string `json:"first_name,omitempty"`
	LastName  string `json:"last_name,omitempty"`
	JobTitle  string `json:"job_title,omitempty"`
	// Email is primary_email of a requester, email of an agent.
	Email                 string         `json:"email,omitempty"`
	SecondaryEmails       []string       `json:"secondary_emails,omitempty"`
	WorkPhoneNumber       string         `json:"work_phone_number,omitempty"`
	MobilePhoneNumber     string         `json:"mobile_phone_number,omitempty"`
	DepartmentIDs         []int64        `json:"department_ids,omitempty"`
	SeesDepartmentTickets bool           `json:"can_see_all_tickets_from_associated_departments,omitempty"`
	ReportingManagerID    int64          `json:"reporting_manager_id,omitempty"`
	Address               string         `json:"address,omitempty"`
	TimeZone              string         `json:"time_zone,omitempty"`
	Language              string         `json:"language,omitempty"`
	LocationID            int64          `json:"location_id,omitempty"`
	BackgroundInfo        string         `json:"background_information,omitempty"`
	CustomFields          map[string]any `json:"custom_fields,omitempty"`
	Active                bool           `json:"active"`
	ExternalID            string         `json:"external_id,omitempty"`
	IsAgent               bool           `json:"is_agent,omitempty"`
	CreatedAt             time.Time      `json:"created_at,omitzero"`
	UpdatedAt             time.Time      `json:"updated_at,omitzero"`

	// Agents only.
	Occasional    bool             `json:"occasional,omitempty"`
	Roles         []RoleAssignment `json:"roles,omitempty"`
	APIKeyEnabled *bool            `json:"api_key_enabled,omitempty"`
	MemberOf      []int64          `json:"member_of,omitempty"`
}

// A RoleAssignment gives an agent a role within a scope.
type RoleAssignment struct {
	RoleID int64 `json:"role_id"`
	// AssignmentScope is entire_helpdesk, member_groups, specified_groups or
	// assigned_items.
	AssignmentScope string  `json:"assignment_scope"`
	Groups          []int64 `json:"groups,omitempty"`
}

// UnmarshalJSON decodes a requester or an agent, live or as stored. Unknown
// members are ignored, scalars may be strings or numbers.
func (p *Person) UnmarshalJSON(data []byte) error {
	var w struct {
		Kind            Kind             `json:"kind"`
		ID              number           `json:"id"`
		FirstName       text             `json:"first_name"`
		LastName        text             `json:"last_name"`
		JobTitle        text             `json:"job_title"`
		PrimaryEmail    text             `json:"primary_email"`
		Email           text             `json:"email"`
		SecondaryEmails []text           `json:"secondary_emails"`
		WorkPhone       text             `json:"work_phone_number"`
		MobilePhone     text             `json:"mobile_phone_number"`
		DepartmentIDs   []number         `json:"department_ids"`
		Sees            bool             `json:"can_see_all_tickets_from_associated_departments"`
		Manager         number           `json:"reporting_manager_id"`
		Address         text             `json:"address"`
		TimeZone        text             `json:"time_zone"`
		Language        text             `json:"language"`
		LocationID      number           `json:"location_id"`
		Background      text             `json:"background_information"`
		CustomFields    map[string]any   `json:"custom_fields"`
		Active          *bool            `json:"active"`
		ExternalID      text             `json:"external_id"`
		IsAgent         bool             `json:"is_agent"`
		CreatedAt       timestamp        `json:"created_at"`
		UpdatedAt       timestamp        `json:"updated_at"`
		Occasional      bool             `json:"occasional"`
		Roles           []RoleAssignment `json:"roles"`
		APIKeyEnabled   *bool            `json:"api_key_enabled"`
		MemberOf        []number         `json:"member_of"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	email := w.PrimaryEmail
	if email == "" {
		email = w.Email
	}
	*p = Person{
		Kind: w.Kind, ID: int64(w.ID), FirstName: string(w.FirstName), LastName: string(w.LastName), JobTitle: string(w.JobTitle),
		Email: string(email), SecondaryEmails: texts(w.SecondaryEmails),
		WorkPhoneNumber: string(w.WorkPhone), MobilePhoneNumber: string(w.MobilePhone),
		DepartmentIDs: numbers(w.DepartmentIDs), SeesDepartmentTickets: w.Sees, ReportingManagerID: int64(w.Manager),
		Address: string(w.Address), TimeZone: string(w.TimeZone), Language: string(w.Language), LocationID: int64(w.LocationID),
		BackgroundInfo: string(w.Background), CustomFields: w.CustomFields, ExternalID: string(w.ExternalID), IsAgent: w.IsAgent,
		CreatedAt: time.Time(w.CreatedAt), UpdatedAt: time.Time(w.UpdatedAt),
		Occasional: w.Occasional, Roles: w.Roles, APIKeyEnabled: w.APIKeyEnabled, MemberOf: numbers(w.MemberOf),
		// Only records of deactivated people say false; one that says nothing is active.
		Active: w.Active == nil || *w.Active,
	}
	return nil
}

// Emails returns every address the person holds, in lower case, the primary first.
func (p *Person) Emails() []string {
	var list []string
	for _, a := range append([]string{p.Email}, p.SecondaryEmails...) {
		if a = foldEmail(a); a != "" && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// foldEmail is how addresses are compared.
func foldEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// A Role is what agents may do (Freshservice API: roles).
type Role struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Default     bool   `json:"default"`
	// RoleType is 1 for administrators' roles, 2 for agents'.
	RoleType int `json:"role_type"`
}

// A Group is an agent group or a requester group.
type Group struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Type is "manual" or "rule_based" for requester groups, "" for agent
	// groups. Only manual groups can be changed.
	Type string `json:"type,omitempty"`
	// Members are the agents of an agent group; a requester group's are listed
	// by [Client.GroupMembers].
	Members   []int64   `json:"members,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// A Department or Location is a named place in the company.
type Department struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// A Location is where people work. Names may repeat under different parents.
type Location struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	ParentID int64  `json:"parent_location_id"`
}

// A Field describes one attribute of requesters or agents as an account has
// set it up (Freshservice API: requester fields, agent fields).
type Field struct {
	// Name is the key in custom_fields.
	Name  string
	Label string
	// Type is such as default_language, custom_text, custom_checkbox.
	Type string
	// Required is set when the API refuses people without it.
	Required bool
	// Choices are the accepted values of a list, codes where it has codes.
	Choices []string
}

// Custom reports whether the field was added by the account.
func (f *Field) Custom() bool { return strings.HasPrefix(f.Type, "custom_") }

// UnmarshalJSON decodes an item of requester_fields or of agent_fields.
func (f *Field) UnmarshalJSON(data []byte) error {
	var w struct {
		Name          text            `json:"name"`
		Label         text            `json:"label"`
		AdminLabel    text            `json:"label_for_admins"`
		Type          text            `json:"type"`
		Required      bool            `json:"required_for_agents"`
		AdminRequired bool            `json:"mandatory_for_admins"`
		Choices       json.RawMessage `json:"choices"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*f = Field{Name: string(w.Name), Label: string(w.Label), Type: string(w.Type),
		Required: w.Required || w.AdminRequired, Choices: choices(w.Choices)}
	if f.Label == "" {
		f.Label = string(w.AdminLabel)
	}
	return nil
}

// choices reads what lists offer: an object of codes, a list of values, or a
// list of objects with a value.
func choices(raw json.RawMessage) []string {
	var list []string
	var object map[string]any
	var array []any
	switch {
	case json.Unmarshal(raw, &object) == nil:
		for code := range object {
			list = append(list, code)
		}
		slices.Sort(list)
	case json.Unmarshal(raw, &array) == nil:
		for _, item := range array {
			switch item := item.(type) {
			case string:
				list = append(list, item)
			case map[string]any:
				if s, ok := item["value"].(string); ok {
					list = append(list, s)
				}
			case []any:
				if len(item) > 0 {
					if s, ok := item[0].(string); ok {
						list = append(list, s)
					}
				}
			}
		}
	}
	return list
}

// text is a JSON scalar read as a string; null is "".
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var v any
	if len(data) > 0 && data[0] != '"' {
		if s := string(data); s != "null" && data[0] != '{' && data[0] != '[' {
			*t = text(s)
		} else {
			*t = ""
		}
		return nil
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	s, _ := v.(string)
	*t = text(s)
	return nil
}

// number is a JSON number or a string of digits; null and the rest are 0.
type number int64

func (n *number) UnmarshalJSON(data []byte) error {
	i, err := strconv.ParseInt(strings.Trim(string(data), `"`), 10, 64)
	if err != nil {
		i = 0
	}
	*n = number(i)
	return nil
}

// timestamp is an RFC 3339 time; null and the rest are the zero time.
type timestamp time.Time

func (t *timestamp) UnmarshalJSON(data []byte) error {
	at, _ := time.Parse(time.RFC3339, strings.Trim(string(data), `"`))
	*t = timestamp(at)
	return nil
}

func texts(list []text) []string {
	var out []string
	for _, t := range list {
		out = append(out, string(t))
	}
	return out
}

func numbers(list []number) []int64 {
	var out []int64
	for _, n := range list {
		out = append(out, int64(n))
	}
	return out
}

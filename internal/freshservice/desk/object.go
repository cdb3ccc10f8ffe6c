package desk

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Text is a string of which the empty one is null in JSON.
type Text string

// MarshalJSON writes null for the empty string.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// Ref is the id of another object; 0 is null in JSON.
type Ref int64

// MarshalJSON writes null for 0.
func (r Ref) MarshalJSON() ([]byte, error) {
	if r == 0 {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, int64(r), 10), nil
}

// List is an array that is never null in JSON.
type List[T any] []T

// MarshalJSON writes [] for nil.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// primaryWorkspace is the id of the workspace every account has.
const primaryWorkspace = 2

// The objects below are stored and answered in the same form; their members
// are in alphabetical order because the API's are.

// A Role is a set of rights for agents; the API cannot change it.
type Role struct {
	CreatedAt   Stamp `json:"created_at,omitempty"`
	Default     bool  `json:"default"`
	Description Text  `json:"description"`
	ID          int64 `json:"id"`
	Name        Text  `json:"name"`
	// RoleType is 1 for administrators and 2 for agents.
	RoleType  int   `json:"role_type"`
	UpdatedAt Stamp `json:"updated_at,omitempty"`
}

// A Department is where people work. Its name is unique.
type Department struct {
	CreatedAt    Stamp        `json:"created_at,omitempty"`
	CustomFields CustomFields `json:"custom_fields"`
	Description  Text         `json:"description"`
	Domains      List[string] `json:"domains"`
	HeadUserID   Ref          `json:"head_user_id"`
	ID           int64        `json:"id"`
	Name         Text         `json:"name"`
	PrimeUserID  Ref          `json:"prime_user_id"`
	UpdatedAt    Stamp        `json:"updated_at,omitempty"`
	WorkspaceID  Ref          `json:"workspace_id"`
}

// A Location is a node in the tree of places. Its name is unique under its
// parent.
type Location struct {
	Address          Address `json:"address"`
	ContactName      Text    `json:"contact_name"`
	CreatedAt        Stamp   `json:"created_at,omitempty"`
	Email            Text    `json:"email"`
	ID               int64   `json:"id"`
	Name             Text    `json:"name"`
	ParentLocationID Ref     `json:"parent_location_id"`
	Phone            Text    `json:"phone"`
	PrimaryContactID Ref     `json:"primary_contact_id"`
	UpdatedAt        Stamp   `json:"updated_at,omitempty"`
	WorkspaceID      Ref     `json:"workspace_id"`
}

// An Address is that of a [Location].
type Address struct {
	City    Text `json:"city"`
	Country Text `json:"country"`
	Line1   Text `json:"line1"`
	Line2   Text `json:"line2"`
	State   Text `json:"state"`
	Zipcode Text `json:"zipcode"`
}

// A Group is a group of agents.
type Group struct {
	ApprovalRequired         bool        `json:"approval_required"`
	AutoTicketAssign         bool        `json:"auto_ticket_assign"`
	BusinessHoursID          Ref         `json:"business_hours_id"`
	CreatedAt                Stamp       `json:"created_at,omitempty"`
	Description              Text        `json:"description"`
	EscalateTo               Ref         `json:"escalate_to"`
	ID                       int64       `json:"id"`
	Leaders                  List[int64] `json:"leaders"`
	LeadersPendingApproval   List[int64] `json:"leaders_pending_approval"`
	Members                  List[int64] `json:"members"`
	MembersPendingApproval   List[int64] `json:"members_pending_approval"`
	Name                     Text        `json:"name"`
	Observers                List[int64] `json:"observers"`
	ObserversPendingApproval List[int64] `json:"observers_pending_approval"`
	OCSScheduleID            Ref         `json:"ocs_schedule_id"`
	Restricted               bool        `json:"restricted"`
	UnassignedFor            Text        `json:"unassigned_for"`
	UpdatedAt                Stamp       `json:"updated_at,omitempty"`
	WorkspaceID              Ref         `json:"workspace_id"`
}

// A RequesterGroup is a group of requesters. The members of a manual group are
// added and removed one at a time, those of a rule-based group follow from
// rules that the API does not show.
type RequesterGroup struct {
	Description Text  `json:"description"`
	ID          int64 `json:"id"`
	Name        Text  `json:"name"`
	// Type is "manual" or "rule_based".
	Type        string `json:"type"`
	WorkspaceID Ref    `json:"workspace_id"`
}

// The types of a requester group.
const (
	Manual    = "manual"
	RuleBased = "rule_based"
)

// A Field is a custom field of people, requesters and agents alike.
type Field struct {
	ID int64 `json:"id"`
	// Name is the key in custom_fields.
	Name  string `json:"name"`
	Label string `json:"label,omitempty"`
	// Type is one of FieldTypes.
	Type string `json:"type"`
	// Choices of a custom_dropdown.
	Choices []string `json:"choices,omitempty"`
	// Required fields must have a value when a person is created.
	Required  bool  `json:"required,omitempty"`
	CreatedAt Stamp `json:"created_at,omitempty"`
	UpdatedAt Stamp `json:"updated_at,omitempty"`
}

// FieldTypes lists the types of custom fields.
var FieldTypes = []string{
	"custom_text", "custom_paragraph", "custom_checkbox", "custom_number",
	"custom_dropdown", "custom_date", "custom_phone_number", "custom_url",
}

// object is what every stored thing but a person can do.
type object interface {
	ident() int64
	// assign gives a new object its id.
	assign(id int64)
	// stamps returns where the times are kept, nil for objects without.
	stamps() (created, updated *Stamp)
	// unique returns what no other object of its kind may have, "" for none.
	unique() string
}

func (o *Role) ident() int64           { return o.ID }
func (o *Department) ident() int64     { return o.ID }
func (o *Location) ident() int64       { return o.ID }
func (o *Group) ident() int64          { return o.ID }
func (o *RequesterGroup) ident() int64 { return o.ID }
func (o *Field) ident() int64          { return o.ID }

func (o *Role) assign(id int64)           { o.ID = id }
func (o *Department) assign(id int64)     { o.ID = id }
func (o *Location) assign(id int64)       { o.ID = id }
func (o *Group) assign(id int64)          { o.ID = id }
func (o *RequesterGroup) assign(id int64) { o.ID = id }
func (o *Field) assign(id int64)          { o.ID = id }

func (o *Role) stamps() (_, _ *Stamp)           { return &o.CreatedAt, &o.UpdatedAt }
func (o *Department) stamps() (_, _ *Stamp)     { return &o.CreatedAt, &o.UpdatedAt }
func (o *Location) stamps() (_, _ *Stamp)       { return &o.CreatedAt, &o.UpdatedAt }
func (o *Group) stamps() (_, _ *Stamp)          { return &o.CreatedAt, &o.UpdatedAt }
func (o *RequesterGroup) stamps() (_, _ *Stamp) { return nil, nil }
func (o *Field) stamps() (_, _ *Stamp)          { return &o.CreatedAt, &o.UpdatedAt }

// touch notes that o changes now; the first time is its creation.
func touch(o object, now Stamp) {
	created, updated := o.stamps()
	if created == nil {
		return
	}
	if *created == 0 {
		*created = now
	}
	*updated = now
}

func (o *Role) unique() string       { return fold(string(o.Name)) }
func (o *Department) unique() string { return fold(string(o.Name)) }
func (o *Location) unique() string {
	return strconv.FormatInt(int64(o.ParentLocationID), 10) + "/" + fold(string(o.Name))
}
func (o *Group) unique() string          { return fold(string(o.Name)) }
func (o *RequesterGroup) unique() string { return fold(string(o.Name)) }
func (o *Field) unique() string          { return o.Name }

// MarshalJSON writes {} for no values, and null for null members.
func (c CustomFields) MarshalJSON() ([]byte, error) {
	if c == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]json.RawMessage(c))
}

// UnmarshalJSON reads an object and leaves its null members out.
func (c *CustomFields) UnmarshalJSON(b []byte) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	for k, v := range m {
		if isNull(v) {
			delete(m, k)
			continue
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, v); err != nil {
			return err
		}
		m[k] = compact.Bytes()
	}
	*c = nil
	if len(m) > 0 {
		*c = m
	}
	return nil
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

package desk

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// want names the JSON type of the field's values.
func (f *Field) want() string {
	switch f.Type {
	case "custom_checkbox":
		return "Boolean"
	case "custom_number":
		return "Integer"
	case "custom_date":
		return "Date"
	}
	return "String"
}

// value checks a value for the field and brings it into the form it is
// answered in; null is nil.
func (f *Field) value(raw json.RawMessage) (json.RawMessage, *FieldError) {
	if isNull(raw) {
		return nil, nil
	}
	mismatch := &FieldError{Message: "It should be a/an " + f.want(), Code: codeDatatypeMismatch}
	switch f.Type {
	case "custom_checkbox":
		if s := string(raw); s != "true" && s != "false" {
			return nil, mismatch
		}
		return slices.Clone(raw), nil
	case "custom_number":
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return nil, mismatch
		}
		return strconv.AppendInt(nil, n, 10), nil
	}
	s, ok := asString(raw)
	if !ok {
		return nil, mismatch
	}
	if s == "" {
		return nil, nil
	}
	switch f.Type {
	case "custom_dropdown":
		if !slices.Contains(f.Choices, s) {
			return nil, &FieldError{Message: "It should be one of these values: '" + strings.Join(f.Choices, ",") + "'", Code: codeInvalidValue}
		}
	case "custom_date":
		t, ok := parseTime(s)
		if !ok {
			return nil, &FieldError{Message: "It should be in the 'YYYY-MM-DD' or 'YYYY-MM-DDThh:mm:ssZ' format", Code: codeInvalidValue}
		}
		s = StampOf(t).String()
	}
	v, err := json.Marshal(s)
	if err != nil {
		return nil, mismatch
	}
	return v, nil
}

// timeLayouts are the forms of date input: a day, or with hours, minutes and
// perhaps seconds, in UTC unless an offset says otherwise (Freshservice API:
// schema).
var timeLayouts = func() []string {
	ls := []string{time.DateOnly}
	for _, clock := range []string{"15:04", "15:04:05"} {
		for _, zone := range []string{"", "Z07:00", "Z0700", "Z07"} {
			ls = append(ls, "2006-01-02T"+clock+zone)
		}
	}
	return ls
}()

func parseTime(s string) (time.Time, bool) {
	for _, l := range timeLayouts {
		if t, err := time.Parse(l, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// requesterField is an item of GET /requester_fields.
type requesterField struct {
	Choices                any    `json:"choices,omitempty"`
	CreatedAt              Stamp  `json:"created_at"`
	Default                bool   `json:"default"`
	DisplayedForRequesters bool   `json:"displayed_for_requesters"`
	EditableInSignup       bool   `json:"editable_in_signup"`
	ID                     int64  `json:"id"`
	Label                  string `json:"label"`
	LabelForRequesters     string `json:"label_for_requesters"`
	Name                   string `json:"name"`
	Position               int    `json:"position"`
	RequestersCanEdit      bool   `json:"requesters_can_edit"`
	RequiredForAgents      bool   `json:"required_for_agents"`
	RequiredForRequesters  bool   `json:"required_for_requesters"`
	Type                   string `json:"type"`
	UpdatedAt              Stamp  `json:"updated_at"`
	UserFieldGroupID       Ref    `json:"user_field_group_id"`
}

// agentField is an item of GET /agent_fields.
type agentField struct {
	Choices            any    `json:"choices,omitempty"`
	DefaultField       bool   `json:"default_field"`
	EditableByAdmins   bool   `json:"editable_by_admins"`
	EditableByAgents   bool   `json:"editable_by_agents"`
	ID                 int64  `json:"id"`
	LabelForAdmins     string `json:"label_for_admins"`
	LabelForAgents     string `json:"label_for_agents"`
	MandatoryForAdmins bool   `json:"mandatory_for_admins"`
	MandatoryForAgents bool   `json:"mandatory_for_agents"`
	Name               string `json:"name"`
	Type               string `json:"type"`
	UserFieldGroupID   Ref    `json:"user_field_group_id"`
	VisibleToAgents    bool   `json:"visible_to_agents"`
}

// departmentField is an item of GET /department_fields.
type departmentField struct {
	CreatedAt      Stamp  `json:"created_at"`
	IsDefaultField bool   `json:"is_default_field"`
	Label          string `json:"label"`
	Mandatory      bool   `json:"mandatory"`
	Name           string `json:"name"`
	UpdatedAt      Stamp  `json:"updated_at"`
}

// defaultField is a field every account has.
type defaultField struct {
	name, label, kind string
	required          bool
}

// The default fields of requesters in their positions, of agents and of
// departments.
var (
	requesterDefaults = []defaultField{
		{"first_name", "First Name", "default_first_name", true},
		{"last_name", "Last Name", "default_last_name", false},
		{"job_title", "Title", "default_job_title", false},
		{"email", "Email", "default_email", true},
		{"phone", "Work Phone", "phone", false},
		{"mobile", "Mobile Phone", "default_mobile", false},
		{"department_ids", "Department", "default_department_ids", false},
		{"can_see_all_tickets_from_associated_departments", "Can see all tickets from this department", "default_client_manager", false},
		{"reporting_manager_id", "Reporting Manager", "default_reporting_manager_id", false},
		{"address", "Address", "default_address", false},
		{"time_zone", "Time Zone", "default_time_zone", false},
		{"language", "Language", "default_language", false},
		{"location_id", "Location", "default_location_id", false},
		{"description", "Background Information", "default_description", false},
	}
	agentDefaults = []defaultField{
		{"name", "Full Name", "default_name", true},
		{"email", "Email", "default_email", true},
		{"job_title", "Title", "default_job_title", false},
		{"work_phone", "Work Phone", "default_work_phone", false},
		{"mobile_phone", "Mobile Phone", "default_mobile_phone", false},
		{"department_ids", "Department", "default_department_ids", false},
		{"location", "Location", "default_location", false},
		{"reporting_manager", "Reporting Manager", "default_reporting_manager", false},
		{"address", "Address", "default_address", false},
		{"groups", "Groups", "default_groups", false},
		{"role", "Roles", "default_role", true},
		{"description", "Background Information", "default_description", false},
		{"time_zone", "Time Zone", "default_time_zone", false},
		{"time_format", "Time Format", "default_time_format", false},
		{"language", "Language", "default_language", false},
		{"level", "Scoreboard Level", "default_level", false},
	}
	departmentDefaults = []defaultField{
		{"name", "Name", "", true},
		{"description", "Description", "", false},
		{"head_user_id", "Head", "", false},
		{"prime_user_id", "Prime User", "", false},
		{"domains", "Domains", "", false},
	}
)

// accountBirth dates the default fields.
const accountBirth Stamp = 1_577_836_800

func listRequesterFields(c *call) (answer, error) {
	out := List[requesterField]{}
	for i, d := range requesterDefaults {
		f := requesterField{
			ID: int64(i + 1), Position: i + 1, Name: d.name, Label: d.label, LabelForRequesters: d.label, Type: d.kind,
			Default: true, RequiredForAgents: d.required, RequiredForRequesters: d.required,
			DisplayedForRequesters: true, RequestersCanEdit: !d.required,
			CreatedAt: accountBirth, UpdatedAt: accountBirth,
		}
		if d.name == "language" {
			f.Choices = languageChoices
		}
		out = append(out, f)
	}
	for i, d := range c.world.fields.sorted {
		f := requesterField{
			ID: d.ID, Position: len(requesterDefaults) + i + 1, Name: d.Name, Label: d.Label, LabelForRequesters: d.Label,
			Type: d.Type, RequiredForAgents: d.Required, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
		}
		if d.Choices != nil {
			f.Choices = d.Choices
		}
		out = append(out, f)
	}
	return answer{body: envelope{"requester_fields": out}}, nil
}

func listAgentFields(c *call) (answer, error) {
	out := List[agentField]{}
	for i, d := range agentDefaults {
		f := agentField{
			ID: int64(i + 1), Name: d.name, LabelForAdmins: d.label, LabelForAgents: d.label, Type: d.kind, DefaultField: true,
			EditableByAdmins: true, MandatoryForAdmins: d.required, VisibleToAgents: true,
		}
		if d.name == "language" {
			f.Choices = languageChoices
		}
		out = append(out, f)
	}
	for _, d := range c.world.fields.sorted {
		f := agentField{
			ID: d.ID, Name: d.Name, LabelForAdmins: d.Label, LabelForAgents: d.Label, Type: d.Type,
			EditableByAdmins: true, MandatoryForAdmins: d.Required, VisibleToAgents: true,
		}
		if d.Choices != nil {
			f.Choices = d.Choices
		}
		out = append(out, f)
	}
	return answer{body: envelope{"agent_fields": out}}, nil
}

func listDepartmentFields(*call) (answer, error) {
	out := List[departmentField]{}
	for _, d := range departmentDefaults {
		out = append(out, departmentField{
			Name: d.name, Label: d.label, Mandatory: d.required, IsDefaultField: true,
			CreatedAt: accountBirth, UpdatedAt: accountBirth,
		})
	}
	return answer{body: envelope{"department_fields": out}}, nil
}

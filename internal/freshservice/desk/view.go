package desk

import "encoding/json"

// envelope wraps what is answered under its noun.
type envelope map[string]any

// requesterView is a requester as the API answers it: every attribute present,
// in alphabetical order, null where there is no value.
type requesterView struct {
	Active                bool         `json:"active"`
	Address               *string      `json:"address"`
	BackgroundInformation *string      `json:"background_information"`
	AllChanges            bool         `json:"can_see_all_changes_from_associated_departments"`
	AllTickets            bool         `json:"can_see_all_tickets_from_associated_departments"`
	CreatedAt             Stamp        `json:"created_at"`
	CustomFields          CustomFields `json:"custom_fields"`
	DepartmentIDs         []int64      `json:"department_ids"`
	DepartmentNames       []Text       `json:"department_names"`
	ExternalID            *string      `json:"external_id"`
	FirstName             string       `json:"first_name"`
	HasLoggedIn           bool         `json:"has_logged_in"`
	ID                    int64        `json:"id"`
	IsAgent               bool         `json:"is_agent"`
	JobTitle              *string      `json:"job_title"`
	Language              string       `json:"language"`
	LastName              *string      `json:"last_name"`
	LocationID            *int64       `json:"location_id"`
	LocationName          *Text        `json:"location_name"`
	MobilePhoneNumber     *string      `json:"mobile_phone_number"`
	PrimaryEmail          *string      `json:"primary_email"`
	ReportingManagerID    *int64       `json:"reporting_manager_id"`
	SecondaryEmails       []string     `json:"secondary_emails"`
	TimeFormat            string       `json:"time_format"`
	TimeZone              string       `json:"time_zone"`
	UpdatedAt             Stamp        `json:"updated_at"`
	VIP                   bool         `json:"vip_user"`
	WorkPhoneNumber       *string      `json:"work_phone_number"`
}

// agentView is an agent as the API answers it. The four group lists come last,
// as in live answers.
type agentView struct {
	Active                    bool         `json:"active"`
	Address                   *string      `json:"address"`
	APIKeyEnabled             bool         `json:"api_key_enabled"`
	AutoAssignStatusChangedAt *Stamp       `json:"auto_assign_status_changed_at"`
	AutoAssignTickets         bool         `json:"auto_assign_tickets"`
	BackgroundInformation     *string      `json:"background_information"`
	AllTickets                bool         `json:"can_see_all_tickets_from_associated_departments"`
	CreatedAt                 Stamp        `json:"created_at"`
	CustomFields              CustomFields `json:"custom_fields"`
	DepartmentIDs             []int64      `json:"department_ids"`
	Email                     *string      `json:"email"`
	ExternalID                *string      `json:"external_id"`
	FirstName                 string       `json:"first_name"`
	HasLoggedIn               bool         `json:"has_logged_in"`
	ID                        int64        `json:"id"`
	JobTitle                  *string      `json:"job_title"`
	Language                  string       `json:"language"`
	LastActiveAt              *Stamp       `json:"last_active_at"`
	LastLoginAt               *Stamp       `json:"last_login_at"`
	LastName                  *string      `json:"last_name"`
	LocationID                *int64       `json:"location_id"`
	MobilePhoneNumber         *string      `json:"mobile_phone_number"`
	Occasional                bool         `json:"occasional"`
	ReportingManagerID        *int64       `json:"reporting_manager_id"`
	Roles                     []roleView   `json:"roles"`
	ScoreboardLevelID         *int64       `json:"scoreboard_level_id"`
	ScoreboardPoints          *int64       `json:"scoreboard_points"`
	Signature                 *string      `json:"signature"`
	TimeFormat                string       `json:"time_format"`
	TimeZone                  string       `json:"time_zone"`
	UpdatedAt                 Stamp        `json:"updated_at"`
	VIP                       bool         `json:"vip_user"`
	WorkPhoneNumber           *string      `json:"work_phone_number"`
	WorkspaceIDs              []int64      `json:"workspace_ids"`
	WorkspaceInfo             []struct{}   `json:"workspace_info"`
	MemberOf                  []int64      `json:"member_of"`
	ObserverOf                []int64      `json:"observer_of"`
	MemberOfPendingApproval   []int64      `json:"member_of_pending_approval"`
	ObserverOfPendingApproval []int64      `json:"observer_of_pending_approval"`
}

type roleView struct {
	RoleID          int64   `json:"role_id"`
	AssignmentScope string  `json:"assignment_scope"`
	Groups          []int64 `json:"groups"`
	WorkspaceID     *int64  `json:"workspace_id,omitempty"`
}

// opt points to v, or is nil when there is no value.
func opt[T comparable](v *T) *T {
	var zero T
	if *v == zero {
		return nil
	}
	return v
}

// some is s, and never null in JSON.
func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func (w *world) view(p *Person) any {
	if p.Agent != nil {
		return w.agentView(p)
	}
	return w.requesterView(p)
}

func (w *world) requesterView(p *Person) *requesterView {
	v := &requesterView{
		Active: !p.Inactive, Address: opt(&p.Address), BackgroundInformation: opt(&p.BackgroundInformation),
		AllChanges: p.AllChanges, AllTickets: p.AllTickets, CreatedAt: p.CreatedAt, CustomFields: w.customFields(p),
		ExternalID: opt(&p.ExternalID), FirstName: p.FirstName, HasLoggedIn: p.HasLoggedIn, ID: p.ID, IsAgent: p.IsAgent(),
		JobTitle: opt(&p.JobTitle), Language: p.Language, LastName: opt(&p.LastName),
		MobilePhoneNumber: opt(&p.MobilePhoneNumber), PrimaryEmail: opt(&p.PrimaryEmail),
		SecondaryEmails: some(p.SecondaryEmails), TimeFormat: p.TimeFormat, TimeZone: p.TimeZone, UpdatedAt: p.UpdatedAt,
		VIP: p.VIP, WorkPhoneNumber: opt(&p.WorkPhoneNumber), DepartmentIDs: []int64{},
	}
	for _, d := range w.departmentsOf(p) {
		v.DepartmentIDs = append(v.DepartmentIDs, d.ID)
		v.DepartmentNames = append(v.DepartmentNames, d.Name)
	}
	if l := w.locationOf(p); l != nil {
		v.LocationID, v.LocationName = &p.LocationID, &l.Name
	}
	if w.managerOf(p) != 0 {
		v.ReportingManagerID = &p.ReportingManagerID
	}
	return v
}

func (w *world) agentView(p *Person) *agentView {
	a := p.Agent
	v := &agentView{
		Active: !p.Inactive, Address: opt(&p.Address), APIKeyEnabled: a.APIKeyEnabled,
		BackgroundInformation: opt(&p.BackgroundInformation), AllTickets: p.AllTickets, CreatedAt: p.CreatedAt,
		CustomFields: w.customFields(p), Email: opt(&p.PrimaryEmail), ExternalID: opt(&p.ExternalID), FirstName: p.FirstName,
		HasLoggedIn: p.HasLoggedIn, ID: p.ID, JobTitle: opt(&p.JobTitle), Language: p.Language, LastName: opt(&p.LastName),
		MobilePhoneNumber: opt(&p.MobilePhoneNumber), Occasional: a.Occasional, ScoreboardLevelID: opt(&a.ScoreboardLevelID),
		Signature: opt(&a.Signature), TimeFormat: p.TimeFormat, TimeZone: p.TimeZone, UpdatedAt: p.UpdatedAt, VIP: p.VIP,
		WorkPhoneNumber: opt(&p.WorkPhoneNumber), WorkspaceIDs: some(a.WorkspaceIDs), WorkspaceInfo: []struct{}{},
		DepartmentIDs: []int64{}, Roles: make([]roleView, len(a.Roles)),
		MemberOf: []int64{}, ObserverOf: []int64{}, MemberOfPendingApproval: []int64{}, ObserverOfPendingApproval: []int64{},
	}
	for i := range a.Roles {
		r := &a.Roles[i]
		v.Roles[i] = roleView{r.RoleID, r.AssignmentScope, some(r.Groups), opt(&r.WorkspaceID)}
	}
	for _, d := range w.departmentsOf(p) {
		v.DepartmentIDs = append(v.DepartmentIDs, d.ID)
	}
	if w.locationOf(p) != nil {
		v.LocationID = &p.LocationID
	}
	if w.managerOf(p) != 0 {
		v.ReportingManagerID = &p.ReportingManagerID
	}
	if g := w.groupsOf[p.ID]; g != nil {
		v.MemberOf, v.ObserverOf = some(g.member), some(g.observer)
	}
	return v
}

// customFields are the person's values with null for every declared field that
// has none.
func (w *world) customFields(p *Person) CustomFields {
	if len(w.fields.sorted) == 0 {
		return nil
	}
	out := make(CustomFields, len(w.fields.sorted))
	for _, f := range w.fields.sorted {
		out[f.Name] = json.RawMessage("null")
		if v, ok := p.CustomFields[f.Name]; ok {
			out[f.Name] = v
		}
	}
	return out
}

// memberView is a member of a requester group.
type memberView struct {
	Email     *string `json:"email"`
	FirstName string  `json:"first_name"`
	ID        int64   `json:"id"`
	LastName  *string `json:"last_name"`
}

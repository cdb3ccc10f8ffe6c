package desk

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// personForm are the attributes that requesters and agents share.
var personForm = form[Person]{
	"first_name":           text(func(p *Person) *string { return &p.FirstName }),
	"last_name":            text(func(p *Person) *string { return &p.LastName }),
	"job_title":            text(func(p *Person) *string { return &p.JobTitle }),
	"work_phone_number":    number(func(p *Person) *string { return &p.WorkPhoneNumber }),
	"mobile_phone_number":  number(func(p *Person) *string { return &p.MobilePhoneNumber }),
	"department_ids":       ids(func(p *Person) *[]int64 { return &p.DepartmentIDs }),
	"reporting_manager_id": id(func(p *Person) *int64 { return &p.ReportingManagerID }),
	"address":              text(func(p *Person) *string { return &p.Address }),
	"time_zone":            text(func(p *Person) *string { return &p.TimeZone }),
	"time_format":          choice(func(p *Person) *string { return &p.TimeFormat }, "12h", "24h"),
	"language":             text(func(p *Person) *string { return &p.Language }),
	"location_id":          id(func(p *Person) *int64 { return &p.LocationID }),
	"external_id":          number(func(p *Person) *string { return &p.ExternalID }),
	"custom_fields":        setCustomFields,
	"background_information": text(func(p *Person) *string {
		return &p.BackgroundInformation
	}),
	"can_see_all_tickets_from_associated_departments": boolean(func(p *Person) *bool { return &p.AllTickets }),
	"can_see_all_changes_from_associated_departments": boolean(func(p *Person) *bool { return &p.AllChanges }),

	"id": nil, "active": nil, "has_logged_in": nil, "vip_user": nil, "created_at": nil, "updated_at": nil,
}

// requesterForm is for creating and updating requesters (Freshservice API:
// requester attributes).
var requesterForm = personForm.with(form[Person]{
	"primary_email":    text(func(p *Person) *string { return &p.PrimaryEmail }),
	"secondary_emails": texts(func(p *Person) *[]string { return &p.SecondaryEmails }),
	"is_agent":         nil, "department_names": nil, "location_name": nil,
})

// agentForm is for creating agents (Freshservice API: agent attributes).
// member_of and observer_of live in the groups and are read by [agentGroupsForm].
var agentForm = personForm.without("can_see_all_changes_from_associated_departments").with(form[Person]{
	"email":               text(func(p *Person) *string { return &p.PrimaryEmail }),
	"occasional":          boolean(func(p *Person) *bool { return &p.Agent.Occasional }),
	"roles":               setRoles,
	"signature":           text(func(p *Person) *string { return &p.Agent.Signature }),
	"api_key_enabled":     boolean(func(p *Person) *bool { return &p.Agent.APIKeyEnabled }),
	"workspace_ids":       ids(func(p *Person) *[]int64 { return &p.Agent.WorkspaceIDs }),
	"scoreboard_level_id": setLevel,

	"member_of_pending_approval": nil, "observer_of_pending_approval": nil, "workspace_info": nil,
	"last_login_at": nil, "last_active_at": nil, "auto_assign_tickets": nil,
	"auto_assign_status_changed_at": nil, "scoreboard_points": nil, "license_type": nil,
})

// agentUpdateForm lacks what the documented table of PUT /agents/{id} lacks.
var agentUpdateForm = agentForm.without(
	"first_name", "last_name", "job_title", "work_phone_number", "mobile_phone_number")

// agentGroupsForm reads the groups an agent shall be in.
var agentGroupsForm = form[agentGroups]{
	"member_of":   ids(func(g *agentGroups) *[]int64 { return &g.member }),
	"observer_of": ids(func(g *agentGroups) *[]int64 { return &g.observer }),
}

func setLevel(_ *world, p *Person, raw json.RawMessage) []FieldError {
	n, ok := asID(raw)
	if !ok {
		return mismatch("Positive Integer")
	}
	if n > 6 {
		return wrong("It should be one of these values: '1,2,3,4,5,6'")
	}
	p.Agent.ScoreboardLevelID = n
	return nil
}

var roleForm = form[RoleAssignment]{
	"role_id": id(func(r *RoleAssignment) *int64 { return &r.RoleID }),
	"assignment_scope": choice(func(r *RoleAssignment) *string { return &r.AssignmentScope },
		EntireHelpdesk, MemberGroups, SpecifiedGroups, AssignedItems),
	"groups":       ids(func(r *RoleAssignment) *[]int64 { return &r.Groups }),
	"workspace_id": id(func(r *RoleAssignment) *int64 { return &r.WorkspaceID }),
}

func setRoles(w *world, p *Person, raw json.RawMessage) []FieldError {
	var raws []map[string]json.RawMessage
	if json.Unmarshal(raw, &raws) != nil {
		return mismatch("Array of Objects")
	}
	roles := make([]RoleAssignment, len(raws))
	var errs []FieldError
	for i, body := range raws {
		errs = append(errs, roleForm.fill(w, &roles[i], body)...)
	}
	p.Agent.Roles = roles
	return errs
}

func setCustomFields(w *world, p *Person, raw json.RawMessage) []FieldError {
	var body map[string]json.RawMessage
	if json.Unmarshal(raw, &body) != nil || body == nil {
		return mismatch("Object")
	}
	values := maps.Clone(p.CustomFields)
	if values == nil {
		values = CustomFields{}
	}
	var errs []FieldError
	for _, name := range slices.Sorted(maps.Keys(body)) {
		f, ok := w.fields.named(name)
		if !ok {
			errs = append(errs, FieldError{name, "Unexpected/invalid field in request", codeInvalidField})
			continue
		}
		v, bad := f.value(body[name])
		switch {
		case bad != nil:
			errs = append(errs, FieldError{name, bad.Message, bad.Code})
		case v == nil:
			delete(values, name)
		default:
			values[name] = v
		}
	}
	p.CustomFields = values
	return errs
}

var emailPattern = regexp.MustCompile(`^[^\s@<>"]+@[^\s@<>"]+\.[^\s@<>".]+$`)

// checkPerson completes p with the account's defaults and checks it against
// the world. What old (nil for a new person) already had is not checked again,
// since what it refers to may have gone.
func (w *world) checkPerson(old, p *Person) []FieldError {
	var errs []FieldError
	bad := func(field, code, format string, args ...any) {
		errs = append(errs, FieldError{field, fmt.Sprintf(format, args...), code})
	}
	prior := old
	if prior == nil {
		prior = &Person{}
	}
	p.FirstName = strings.TrimSpace(p.FirstName)
	p.PrimaryEmail = strings.TrimSpace(p.PrimaryEmail)
	p.DepartmentIDs = set(p.DepartmentIDs)
	if len(p.CustomFields) == 0 {
		p.CustomFields = nil
	}
	if p.FirstName == "" {
		bad("first_name", codeMissingField, "It should be a/an String")
	}
	w.checkEmails(prior, p, bad)
	w.checkTastes(prior, p, bad)
	for _, d := range p.DepartmentIDs {
		if !slices.Contains(prior.DepartmentIDs, d) && !w.departments.has(d) {
			bad("department_ids", codeInvalidValue, "There is no department matching the given id %d", d)
		}
	}
	if p.LocationID != 0 && p.LocationID != prior.LocationID && !w.locations.has(p.LocationID) {
		bad("location_id", codeInvalidValue, "There is no location matching the given id %d", p.LocationID)
	}
	if m := p.ReportingManagerID; m != 0 && m != prior.ReportingManagerID && w.people[m] == nil {
		bad("reporting_manager_id", codeInvalidValue, "There is no user matching the given id %d", m)
	}
	if p.Agent != nil {
		var roles []RoleAssignment
		if prior.Agent != nil {
			roles = prior.Agent.Roles
		}
		w.checkRoles(roles, p, bad)
	}
	return errs
}

// missingFields are the errors for mandatory custom fields without a value.
// Only the API's creates ask for them: who was there before a field became
// mandatory has no value either.
func (w *world) missingFields(p *Person) []FieldError {
	var errs []FieldError
	for _, f := range w.fields.sorted {
		if f.Required && p.CustomFields[f.Name] == nil {
			errs = append(errs, FieldError{"custom_fields." + f.Name, "It should be a/an " + f.want(), codeMissingField})
		}
	}
	return errs
}

type blamer func(field, code, format string, args ...any)

func (w *world) checkEmails(prior, p *Person, bad blamer) {
	primary := "primary_email"
	if p.Agent != nil {
		primary = "email"
		if p.PrimaryEmail == "" {
			bad("email", codeMissingField, "It should be a/an String")
		}
	} else if p.PrimaryEmail == "" && p.WorkPhoneNumber == "" && p.MobilePhoneNumber == "" {
		bad("primary_email", codeMissingField, "Please fill at least 1 of primary_email, work_phone_number, mobile_phone_number")
	}
	check := func(field, email string) {
		switch holder := w.withEmail(email); {
		case !emailPattern.MatchString(email):
			bad(field, codeInvalidValue, "It should be a valid email address")
		case holder != nil && holder.ID != p.ID:
			bad(field, codeDuplicateValue, "It should be a unique value")
		}
	}
	if p.PrimaryEmail != "" && p.PrimaryEmail != prior.PrimaryEmail {
		check(primary, p.PrimaryEmail)
	}
	if len(p.SecondaryEmails) == 0 {
		p.SecondaryEmails = nil
		return
	}
	trimmed := make([]string, len(p.SecondaryEmails))
	for i, e := range p.SecondaryEmails {
		trimmed[i] = strings.TrimSpace(e)
	}
	p.SecondaryEmails = trimmed
	seen := []string{fold(p.PrimaryEmail)}
	for _, e := range p.SecondaryEmails {
		if slices.Contains(seen, fold(e)) {
			bad("secondary_emails", codeDuplicateValue, "It should be a unique value")
			continue
		}
		seen = append(seen, fold(e))
		if !slices.Contains(prior.SecondaryEmails, e) {
			check("secondary_emails", e)
		}
	}
}

// checkTastes checks time zone, language and time format, of which each person
// has one.
func (w *world) checkTastes(prior, p *Person, bad blamer) {
	if p.TimeZone == "" {
		p.TimeZone = w.settings.TimeZone
	}
	if p.Language == "" {
		p.Language = w.settings.Language
	}
	if p.TimeFormat == "" {
		p.TimeFormat = "12h"
	}
	if p.TimeZone != prior.TimeZone {
		if _, ok := timeZones[p.TimeZone]; !ok {
			bad("time_zone", codeInvalidValue, "It should be one of the time zones supported, such as 'London' or 'Eastern Time (US & Canada)'")
		}
	}
	if p.Language != prior.Language {
		if _, ok := languages[p.Language]; !ok {
			bad("language", codeInvalidValue, "It should be one of these values: '%s'", strings.Join(languageCodes, ","))
		}
	}
	// One copy of each name serves a hundred thousand people.
	p.TimeZone = intern(timeZones, p.TimeZone)
	p.Language = intern(languages, p.Language)
	p.TimeFormat = intern(timeFormats, p.TimeFormat)
}

func (w *world) checkRoles(prior []RoleAssignment, p *Person, bad blamer) {
	if len(p.Agent.Roles) == 0 {
		bad("roles", codeMissingField, "It should be a/an Array of Objects")
	}
	for i := range p.Agent.Roles {
		r := &p.Agent.Roles[i]
		if r.AssignmentScope == "" {
			bad("roles", codeMissingField, "assignment_scope should be one of these values: 'entire_helpdesk,member_groups,specified_groups,assigned_items'")
		}
		role := w.roles.byID[r.RoleID]
		if role == nil {
			bad("roles", codeInvalidValue, "There is no role matching the given role_id %d", r.RoleID)
			continue
		}
		if role.Name == accountAdmin && r.AssignmentScope != EntireHelpdesk {
			bad("roles", codeInvalidValue, "The role Account Admin can only have the assignment_scope entire_helpdesk")
		}
		if r.AssignmentScope == SpecifiedGroups && len(r.Groups) == 0 {
			bad("roles", codeMissingField, "groups is mandatory for the assignment_scope specified_groups")
		}
		for _, g := range r.Groups {
			known := slices.ContainsFunc(prior, func(o RoleAssignment) bool { return slices.Contains(o.Groups, g) })
			if !known && !w.groups.has(g) {
				bad("roles", codeInvalidValue, "There is no group matching the given id %d", g)
			}
		}
	}
}

func intern(m map[string]string, s string) string {
	if c, ok := m[s]; ok {
		return c
	}
	return s
}

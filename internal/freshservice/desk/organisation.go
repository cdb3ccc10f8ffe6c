package desk

import (
	"strconv"
)

// departments serves /departments (Freshservice API: departments).
var departments = &collection[Department, *Department]{
	kind: kindDepartment, path: "/departments", one: "department", many: "departments", write: administer,
	table: func(w *world) *table[*Department] { return w.departments },
	form: form[Department]{
		"name":          text(func(d *Department) *Text { return &d.Name }),
		"description":   text(func(d *Department) *Text { return &d.Description }),
		"head_user_id":  id(func(d *Department) *Ref { return &d.HeadUserID }),
		"prime_user_id": id(func(d *Department) *Ref { return &d.PrimeUserID }),
		"domains":       texts(func(d *Department) *List[string] { return &d.Domains }),
		"workspace_id":  id(func(d *Department) *Ref { return &d.WorkspaceID }),
		"custom_fields": noCustomFields[Department],
	}.with(readOnly[Department]("id", "created_at", "updated_at")),
	complete: func(*Department) {},
	check: func(w *world, old, d *Department) []FieldError {
		if old == nil {
			old = &Department{}
		}
		return append(needUser(w, "head_user_id", old.HeadUserID, d.HeadUserID),
			needUser(w, "prime_user_id", old.PrimeUserID, d.PrimeUserID)...)
	},
	view: func(w *world, d *Department) *Department {
		c := *d
		c.HeadUserID, c.PrimeUserID = w.living(d.HeadUserID), w.living(d.PrimeUserID)
		return &c
	},
	query: nameQuery(func(d *Department) string { return string(d.Name) }),
}

// living returns the id of a person, 0 when the person is gone.
func (w *world) living(r Ref) Ref {
	if w.people[int64(r)] == nil {
		return 0
	}
	return r
}

// locations serves /locations (Freshservice API: locations).
var locations = &collection[Location, *Location]{
	kind: kindLocation, path: "/locations", one: "location", many: "locations", write: administer,
	table: func(w *world) *table[*Location] { return w.locations },
	form: form[Location]{
		"name":               text(func(l *Location) *Text { return &l.Name }),
		"parent_location_id": id(func(l *Location) *Ref { return &l.ParentLocationID }),
		"primary_contact_id": id(func(l *Location) *Ref { return &l.PrimaryContactID }),
		"contact_name":       text(func(l *Location) *Text { return &l.ContactName }),
		"email":              text(func(l *Location) *Text { return &l.Email }),
		"phone":              text(func(l *Location) *Text { return &l.Phone }),
		"workspace_id":       id(func(l *Location) *Ref { return &l.WorkspaceID }),
		"address": nested(func(l *Location) *Address { return &l.Address }, form[Address]{
			"line1":   text(func(a *Address) *Text { return &a.Line1 }),
			"line2":   text(func(a *Address) *Text { return &a.Line2 }),
			"city":    text(func(a *Address) *Text { return &a.City }),
			"state":   text(func(a *Address) *Text { return &a.State }),
			"country": text(func(a *Address) *Text { return &a.Country }),
			"zipcode": text(func(a *Address) *Text { return &a.Zipcode }),
		}),
	}.with(readOnly[Location]("id", "created_at", "updated_at")),
	complete: func(*Location) {},
	check: func(w *world, old, l *Location) []FieldError {
		if old == nil {
			old = &Location{}
		}
		errs := needUser(w, "primary_contact_id", old.PrimaryContactID, l.PrimaryContactID)
		if l.ParentLocationID == old.ParentLocationID {
			return errs
		}
		for at := int64(l.ParentLocationID); at != 0; {
			parent := w.locations.byID[at]
			if parent == nil && at == int64(l.ParentLocationID) || at == l.ID {
				return append(errs, FieldError{"parent_location_id", "There is no location above this one matching the given id " +
					strconv.FormatInt(int64(l.ParentLocationID), 10), codeInvalidValue})
			}
			if parent == nil {
				break
			}
			at = int64(parent.ParentLocationID)
		}
		return errs
	},
	view: func(w *world, l *Location) *Location {
		c := *l
		c.PrimaryContactID = w.living(l.PrimaryContactID)
		if !w.locations.has(int64(l.ParentLocationID)) {
			c.ParentLocationID = 0
		}
		return &c
	},
	query: nameQuery(func(l *Location) string { return string(l.Name) }),
}

package freshservice

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"lockstep/internal/scim"
)

// view returns a person found in Freshservice as SCIM clients see it until
// one of them writes its own.
func (b *Bridge) view(p *Person) *scim.Object {
	o := scim.NewObject("schemas", []scim.Value{scim.URNUser, scim.URNEnterprise, scim.URNFreshservice}, "userName", userNameOf(p))
	put := func(o *scim.Object, name, value string) {
		if value != "" {
			o.Set(name, value)
		}
	}
	put(o, "externalId", p.ExternalID)
	display := strings.TrimSpace(p.FirstName + " " + p.LastName)
	name := &scim.Object{}
	put(name, "formatted", display)
	put(name, "familyName", p.LastName)
	put(name, "givenName", p.FirstName)
	if name.Len() > 0 {
		o.Set("name", name)
	}
	put(o, "displayName", display)
	put(o, "title", p.JobTitle)
	o.Set("active", p.Active)
	put(o, "locale", p.Language)
	put(o, "timezone", p.TimeZone)
	var emails, phones []scim.Value
	if p.Email != "" {
		emails = append(emails, scim.NewObject("value", p.Email, "type", "work", "primary", true))
	}
	for _, a := range p.SecondaryEmails {
		emails = append(emails, scim.NewObject("value", a, "type", "other"))
	}
	if emails != nil {
		o.Set("emails", emails)
	}
	if p.WorkPhoneNumber != "" {
		phones = append(phones, scim.NewObject("value", p.WorkPhoneNumber, "type", "work"))
	}
	if p.MobilePhoneNumber != "" {
		phones = append(phones, scim.NewObject("value", p.MobilePhoneNumber, "type", "mobile"))
	}
	if phones != nil {
		o.Set("phoneNumbers", phones)
	}
	if p.Address != "" {
		o.Set("addresses", []scim.Value{scim.NewObject("formatted", p.Address, "type", "work")})
	}
	enterprise := &scim.Object{}
	put(enterprise, "department", b.departmentOf(p))
	put(enterprise, "_location", b.catalogue.locations.name(p.LocationID))
	if p.ReportingManagerID != 0 {
		enterprise.Set("manager", scim.NewObject("value", formatID(p.ReportingManagerID)))
	}
	if enterprise.Len() > 0 {
		o.Set(scim.URNEnterprise, enterprise)
	}
	extension := scim.NewObject("isAgent", p.Kind == Agent)
	for _, key := range slices.Sorted(maps.Keys(p.CustomFields)) {
		if v := customValue(p.CustomFields[key]); v != nil && !reservedKey(key) {
			extension.Set(key, v)
		}
	}
	o.Set(scim.URNFreshservice, extension)
	return o
}

// userNameOf is the name of a person whom no client has named: the primary
// address, or the ID of one who has none.
func userNameOf(p *Person) string {
	if p.Email != "" {
		return p.Email
	}
	return fmt.Sprintf("%s-%d", p.Kind, p.ID)
}

func (b *Bridge) departmentOf(p *Person) string {
	if len(p.DepartmentIDs) == 0 {
		return ""
	}
	return b.catalogue.departments.name(p.DepartmentIDs[0])
}

// customValue returns a custom field's value as SCIM has it, nil for none.
func customValue(v any) scim.Value {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		if v == "" {
			return nil
		}
		return v
	case bool:
		return v
	case float64:
		data, _ := json.Marshal(v)
		return json.Number(data)
	case json.Number:
		return v
	default:
		data, err := json.Marshal(v)
		if err != nil {
			return nil
		}
		return string(data)
	}
}

// merge carries what changed in Freshservice from one look to the next into
// the resource of a client. The rest stays as the client wrote it: its
// userName and externalId, values that Freshservice could not take.
func (b *Bridge) merge(r *scim.Resource, before, now *Person) {
	o := r.Attributes()
	if before.Active != now.Active {
		o.Set("active", now.Active)
	}
	text := func(o *scim.Object, name, was, is string) {
		switch {
		case was == is:
		case is == "":
			o.Delete(name)
		default:
			o.Set(name, is)
		}
	}
	if before.FirstName != now.FirstName || before.LastName != now.LastName {
		name := child(o, "name")
		text(name, "givenName", before.FirstName, now.FirstName)
		text(name, "familyName", before.LastName, now.LastName)
		display := strings.TrimSpace(now.FirstName + " " + now.LastName)
		name.Set("formatted", display)
		if _, ok := o.Get("displayName"); ok {
			o.Set("displayName", display)
		}
	}
	text(o, "title", before.JobTitle, now.JobTitle)
	text(o, "timezone", before.TimeZone, now.TimeZone)
	text(o, "locale", before.Language, now.Language)
	element(o, "phoneNumbers", "work", "value", before.WorkPhoneNumber, now.WorkPhoneNumber)
	element(o, "phoneNumbers", "mobile", "value", before.MobilePhoneNumber, now.MobilePhoneNumber)
	element(o, "addresses", "work", "formatted", before.Address, now.Address)
	if !strings.EqualFold(before.Email, now.Email) {
		b.mergeEmail(o, before.Email, now.Email)
	}
	if before.Kind == Requester && now.Kind == Requester { // agents show none
		mergeSecondary(o, before.SecondaryEmails, now.SecondaryEmails)
	}
	enterprise := child(o, scim.URNEnterprise)
	if !slices.Equal(before.DepartmentIDs, now.DepartmentIDs) {
		text(enterprise, "department", "?", b.departmentOf(now))
	}
	if before.LocationID != now.LocationID {
		enterprise.Delete("location")
		if e := o.Child(scim.URNFreshservice); e != nil {
			e.Delete("_location")
			e.Delete("location")
		}
		text(enterprise, "_location", "?", b.catalogue.locations.name(now.LocationID))
	}
	if before.ReportingManagerID != now.ReportingManagerID {
		enterprise.Delete("manager")
		if now.ReportingManagerID != 0 {
			enterprise.Set("manager", scim.NewObject("value", formatID(now.ReportingManagerID)))
		}
	}
	extension := child(o, scim.URNFreshservice)
	if before.Kind != now.Kind {
		extension.Set("isAgent", now.Kind == Agent)
	}
	text(extension, "background_information", before.BackgroundInfo, now.BackgroundInfo)
	for key := range keysOf(before.CustomFields, now.CustomFields) {
		if reflect.DeepEqual(before.CustomFields[key], now.CustomFields[key]) || reservedKey(key) {
			continue
		}
		if v := customValue(now.CustomFields[key]); v != nil {
			extension.Set(key, v)
		} else {
			extension.Delete(key)
		}
	}
	for _, name := range []string{"name", scim.URNEnterprise, scim.URNFreshservice} {
		if c := o.Child(name); c != nil && c.Len() == 0 {
			o.Delete(name)
		}
	}
	for _, urn := range []string{scim.URNEnterprise, scim.URNFreshservice} {
		if list := o.Elements("schemas"); o.Child(urn) != nil && !slices.Contains(list, scim.Value(urn)) {
			o.Set("schemas", append(slices.Clone(list), urn))
		}
	}
}

// mergeEmail replaces the address that was the primary one, and a userName
// that was the same.
func (b *Bridge) mergeEmail(o *scim.Object, was, is string) {
	if strings.EqualFold(o.Text("userName"), was) && is != "" {
		o.Set("userName", is)
	}
	for _, e := range o.Elements("emails") {
		if e, ok := e.(*scim.Object); ok && strings.EqualFold(e.Text("value"), was) {
			e.Set("value", is)
			return
		}
	}
	if is != "" {
		o.Set("emails", append(slices.Clone(o.Elements("emails")), scim.NewObject("value", is, "type", "work", "primary", true)))
	}
}

// mergeSecondary takes out the secondary addresses that are gone and adds new ones.
func mergeSecondary(o *scim.Object, was, is []string) {
	lacks := func(list []string, a string) bool {
		return !slices.ContainsFunc(list, func(s string) bool { return foldEmail(s) == foldEmail(a) })
	}
	list := slices.Clone(o.Elements("emails"))
	has := func(a string) bool {
		return slices.ContainsFunc(list, func(v scim.Value) bool {
			e, ok := v.(*scim.Object)
			return ok && foldEmail(e.Text("value")) == foldEmail(a)
		})
	}
	before := len(list)
	list = slices.DeleteFunc(list, func(v scim.Value) bool {
		e, ok := v.(*scim.Object)
		if !ok || isTrue(e, "primary") {
			return false
		}
		a := e.Text("value")
		return !lacks(was, a) && lacks(is, a)
	})
	changed := len(list) != before
	for _, a := range is {
		if lacks(was, a) && !has(a) {
			list = append(list, scim.NewObject("value", a, "type", "other"))
			changed = true
		}
	}
	switch {
	case !changed:
	case len(list) == 0:
		o.Delete("emails")
	default:
		o.Set("emails", list)
	}
}

// element sets the value of the element of one type, adding or removing it.
func element(o *scim.Object, name, typ, sub, was, is string) {
	if was == is {
		return
	}
	list := slices.Clone(o.Elements(name))
	e := typed(list, typ)
	switch {
	case is != "" && e != nil:
		e.Set(sub, is)
		return
	case is != "":
		list = append(list, scim.NewObject(sub, is, "type", typ))
	default:
		list = slices.DeleteFunc(list, func(v scim.Value) bool {
			x, ok := v.(*scim.Object)
			return ok && strings.EqualFold(x.Text("type"), typ)
		})
	}
	if len(list) == 0 {
		o.Delete(name)
		return
	}
	o.Set(name, list)
}

func child(o *scim.Object, name string) *scim.Object {
	c := o.Child(name)
	if c == nil {
		c = &scim.Object{}
		o.Set(name, c)
	}
	return c
}

func keysOf(all ...map[string]any) map[string]bool {
	keys := map[string]bool{}
	for _, m := range all {
		for k := range m {
			keys[k] = true
		}
	}
	return keys
}

package freshservice

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"lockstep/internal/scim"
)

// A translation is what a SCIM user asks Freshservice to hold.
type translation struct {
	kind   Kind
	fields Fields
	// origin tells for each field which SCIM attribute it came from, for
	// messages; custom fields are under "custom_fields." and their name.
	origin map[string]origin
	notes  []Note
	// awaits is the reference to a manager who is not known yet.
	awaits string
	// reference to a manager and whom it was found to mean, 0 for nobody.
	reference string
	manager   int64
	// restoreFlag: can_see_all_tickets_from_associated_departments was lost in
	// a conversion and is worth a call of its own.
	restoreFlag bool
}

type origin struct{ attribute, value string }

func (t *translation) set(field string, value any, attribute, sent string) {
	t.fields[field] = value
	t.origin[field] = origin{attribute, sent}
}

// text sets a field unless the value is empty: absent and empty are the same.
func (t *translation) text(field, value, attribute string) {
	if value = strings.TrimSpace(value); value != "" {
		t.set(field, value, attribute, value)
	}
}

func (t *translation) note(attribute, value, code, format string, args ...any) {
	t.notes = append(t.notes, Note{Attribute: attribute, Value: value, Code: code, Message: fmt.Sprintf(format, args...)})
}

// The paths of attributes outside the core schema.
const (
	pathDepartment = scim.URNEnterprise + ":department"
	pathManager    = scim.URNEnterprise + ":manager"
	pathLocation   = scim.URNEnterprise + ":_location"
	pathIsAgent    = scim.URNFreshservice + ":isAgent"
	pathWorkEmail  = `emails[type eq "work"].value`
)

// translate returns the fields for r as a person of the given kind. With peek
// it neither creates nor refuses anything: it then tells what had been asked
// for before. like, when not nil, is the translation of the same person just
// made, whose manager need not be looked up again.
func (b *Bridge) translate(ctx context.Context, kind Kind, r *scim.Resource, peek bool, like *translation) (*translation, error) {
	t := &translation{kind: kind, fields: Fields{}, origin: map[string]origin{}}
	o := r.Peek()
	enterprise, extension := o.Child(scim.URNEnterprise), o.Child(scim.URNFreshservice)

	t.emails(o, extension)
	t.names(o)
	t.text("job_title", o.Text("title"), "title")
	t.text("work_phone_number", pick(o.Elements("phoneNumbers"), "work", "value"), `phoneNumbers[type eq "work"].value`)
	t.text("mobile_phone_number", typed(o.Elements("phoneNumbers"), "mobile").Text("value"), `phoneNumbers[type eq "mobile"].value`)
	t.address(o)
	t.text("external_id", o.Text("externalId"), "externalId")
	if s := strings.TrimSpace(o.Text("timezone")); s != "" {
		if name, ok := TimeZone(s); ok {
			t.set("time_zone", name, "timezone", s)
		} else {
			t.note("timezone", s, "unknown_time_zone", "Freshservice has no time zone %q%s; send a name from its list, an IANA or a Windows id", s, didYouMean(nearestTimeZone(s)))
		}
	}
	b.language(t, o)
	if err := b.place(ctx, t, &b.catalogue.departments, enterprise.Text("department"), pathDepartment, peek); err != nil {
		return nil, err
	}
	attribute, location := locationOf(enterprise, extension)
	if err := b.place(ctx, t, &b.catalogue.locations, location, attribute, peek); err != nil {
		return nil, err
	}
	if ref := managerOf(enterprise); ref != "" {
		id, found := int64(0), false
		if like != nil && like.reference == ref {
			id, found = like.manager, true
		}
		if !found {
			var err error
			if id, err = b.findManager(ctx, ref); err != nil {
				return nil, err
			}
		}
		t.reference, t.manager = ref, id
		switch {
		case id != 0:
			t.set("reporting_manager_id", id, pathManager, ref)
		default:
			t.awaits = ref
			t.note(pathManager, ref, "manager_not_found", "nobody in Freshservice has the ID, e-mail address or userName %q; the manager is set as soon as that person arrives", ref)
		}
	}
	b.custom(t, extension)
	return t, nil
}

// emails chooses the primary address (the one marked primary, else the work
// address, else the userName) and the secondary ones.
func (t *translation) emails(o, extension *scim.Object) {
	list := o.Elements("emails")
	primary, attribute := "", pathWorkEmail
	for _, e := range list {
		if e, ok := e.(*scim.Object); ok && isTrue(e, "primary") {
			primary = strings.TrimSpace(e.Text("value"))
		}
	}
	if primary == "" {
		primary = pick(list, "work", "value")
	}
	if userName := strings.TrimSpace(o.Text("userName")); primary == "" && strings.Contains(userName, "@") {
		primary, attribute = userName, "userName"
	}
	var others []string
	for _, e := range list {
		if e, ok := e.(*scim.Object); ok {
			others = append(others, e.Text("value"))
		}
	}
	if primary == "" && len(others) > 0 {
		primary, attribute = strings.TrimSpace(others[0]), "emails"
	}
	main := len(others)
	for name, v := range extension.All() {
		if isSecondaryEmail(name) {
			others = append(others, strings.FieldsFunc(textOf(v), func(r rune) bool { return strings.ContainsRune(",; ", r) })...)
		}
	}
	t.text(t.kind.emailField(), primary, attribute)

	var secondary []string
	skippedSelf := false
	for i, a := range others {
		a = strings.TrimSpace(a)
		switch {
		case a == "":
		case foldEmail(a) == foldEmail(primary):
			// Once among the e-mails is the primary address itself.
			if i >= main || skippedSelf {
				t.note("emails", a, "secondary_email_equals_primary", "the secondary address %s is the primary one; it is left out", a)
			}
			skippedSelf = true
		case !slices.ContainsFunc(secondary, func(s string) bool { return strings.EqualFold(s, a) }):
			secondary = append(secondary, a)
		}
	}
	if len(secondary) == 0 {
		return
	}
	if t.kind == Agent {
		t.note("emails", strings.Join(secondary, ", "), "refused_by_freshservice", "agents have no secondary addresses in Freshservice's API; they are kept here only")
		return
	}
	t.set("secondary_emails", secondary, "emails", strings.Join(secondary, ", "))
}

func isSecondaryEmail(name string) bool {
	switch strings.ToLower(strings.ReplaceAll(name, "_", "")) {
	case "secondaryemail", "secondaryemails":
		return true
	}
	return false
}

// names fills the mandatory first_name from whatever there is.
func (t *translation) names(o *scim.Object) {
	n := o.Child("name")
	first, last := strings.TrimSpace(n.Text("givenName")), strings.TrimSpace(n.Text("familyName"))
	attribute := "name.givenName"
	if first == "" {
		attribute = "displayName"
		display := strings.TrimSpace(o.Text("displayName"))
		if display == "" {
			display, attribute = strings.TrimSpace(n.Text("formatted")), "name.formatted"
		}
		var rest string
		first, rest = splitName(display)
		switch {
		case last == "":
			last = rest
		case strings.EqualFold(first, last):
			first, last = last, ""
		case first == "":
			first, last, attribute = last, "", "name.familyName"
		}
	}
	if first == "" {
		attribute = "userName"
		address, _ := t.fields[t.kind.emailField()].(string)
		if address == "" {
			address = o.Text("userName")
		}
		first, _, _ = strings.Cut(address, "@")
	}
	t.text("first_name", first, attribute)
	t.text("last_name", last, "name.familyName")
}

// splitName takes a display name apart: "Ines Duarte", "Duarte, Ines".
func splitName(s string) (first, last string) {
	if last, first, ok := strings.Cut(s, ","); ok && strings.TrimSpace(first) != "" {
		return strings.TrimSpace(first), strings.TrimSpace(last)
	}
	words := strings.Fields(s)
	if len(words) < 2 {
		return strings.Join(words, " "), ""
	}
	return strings.Join(words[:len(words)-1], " "), words[len(words)-1]
}

func (t *translation) address(o *scim.Object) {
	a := typed(o.Elements("addresses"), "work")
	if a == nil {
		a = typed(o.Elements("addresses"), "")
	}
	s := strings.TrimSpace(a.Text("formatted"))
	if s == "" {
		var lines []string
		for _, line := range []string{
			a.Text("streetAddress"),
			strings.TrimSpace(a.Text("postalCode") + " " + a.Text("locality")),
			a.Text("region"), a.Text("country"),
		} {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		s = strings.Join(lines, ", ")
	}
	t.text("address", s, `addresses[type eq "work"].formatted`)
}

func (b *Bridge) language(t *translation, o *scim.Object) {
	attribute, s := "locale", strings.TrimSpace(o.Text("locale"))
	if s == "" {
		// RFC 7643 section 4.1.1: as in Accept-Language, best first.
		attribute = "preferredLanguage"
		s, _, _ = strings.Cut(o.Text(attribute), ",")
		s, _, _ = strings.Cut(s, ";")
		s = strings.TrimSpace(s)
	}
	if s == "" {
		return
	}
	codes := b.catalogue.languages()
	if code, ok := languageAmong(s, codes); ok {
		t.set("language", code, attribute, s)
		return
	}
	t.note(attribute, s, "unknown_language", "Freshservice has no language %q%s; send a language tag such as en, de or pt-BR", s, didYouMean(nearestLanguage(s, codes)))
}

// locationOf finds the location under the names it is known to be mapped to.
func locationOf(enterprise, extension *scim.Object) (attribute, value string) {
	for _, name := range []string{"_location", "location"} {
		if s := strings.TrimSpace(enterprise.Text(name)); s != "" {
			return scim.URNEnterprise + ":" + name, s
		}
		if s := strings.TrimSpace(extension.Text(name)); s != "" {
			return scim.URNFreshservice + ":" + name, s
		}
	}
	return pathLocation, ""
}

// reservedKey reports whether a key of the Freshservice extension has a
// meaning of its own and is no custom field.
func reservedKey(name string) bool {
	switch strings.ToLower(name) {
	case "isagent", "_location", "location", "background_information":
		return true
	}
	return isSecondaryEmail(name)
}

// custom turns the other keys of the extension into custom fields.
func (b *Bridge) custom(t *translation, extension *scim.Object) {
	t.text("background_information", extension.Text("background_information"), scim.URNFreshservice+":background_information")
	if v, ok := extension.Get("isAgent"); ok && !isEmpty(v) && agentWish(v) == nil {
		t.note(pathIsAgent, textOf(v), "invalid_field_value", "isAgent is %q, which says neither agent nor requester; send true or false", textOf(v))
	}
	fields, known := b.catalogue.fields(t.kind)
	values := map[string]any{}
	for name, v := range extension.All() {
		if reservedKey(name) || isEmpty(v) {
			continue
		}
		attribute, sent := scim.URNFreshservice+":"+name, textOf(v)
		if !known { // the account's fields could not be read: Freshservice decides
			values[name] = plain(v)
			t.origin["custom_fields."+name] = origin{attribute, sent}
			continue
		}
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Custom() && strings.EqualFold(f.Name, name) })
		if i < 0 {
			t.note(attribute, sent, "unknown_field", "Freshservice has no custom field %q for %ss%s; it is left out", name, t.kind, didYouMean(nearestField(name, fields)))
			continue
		}
		value, err := coerce(&fields[i], v)
		if err != nil {
			t.note(attribute, sent, "invalid_field_value", "%v; it is left out", err)
			continue
		}
		values[fields[i].Name] = value
		t.origin["custom_fields."+fields[i].Name] = origin{attribute, sent}
	}
	if len(values) > 0 {
		t.fields["custom_fields"] = values
	}
}

func nearestField(name string, fields []Field) string {
	var names []string
	for _, f := range fields {
		if f.Custom() {
			if strings.EqualFold(f.Label, name) {
				return f.Name
			}
			names = append(names, f.Name)
		}
	}
	return nearest(name, names)
}

// changes returns what must be sent so that what was asked for before becomes
// what is asked for now: the fields that differ, cleared where they are gone.
// When there are any, fields that Freshservice has lost or never got go along.
func changes(before, now *translation, p *Person) Fields {
	out := Fields{}
	for field, v := range now.fields {
		if field == "custom_fields" {
			continue
		}
		if !reflect.DeepEqual(v, before.fields[field]) {
			out[field] = v
		}
	}
	for field := range before.fields {
		if _, ok := now.fields[field]; !ok && field != "custom_fields" {
			out[field] = cleared(field)
		}
	}
	custom := map[string]any{}
	was, _ := before.fields["custom_fields"].(map[string]any)
	is, _ := now.fields["custom_fields"].(map[string]any)
	for name, v := range is {
		if !reflect.DeepEqual(v, was[name]) {
			custom[name] = v
		}
	}
	for name := range was {
		if _, ok := is[name]; !ok {
			custom[name] = nil
		}
	}
	if len(custom) > 0 {
		out["custom_fields"] = custom
	}
	if len(out) > 0 {
		has := fieldsOf(p)
		for field, v := range now.fields {
			if _, ok := has[field]; !ok && field != "custom_fields" {
				out[field] = v
			}
		}
	}
	return out
}

// differences returns the fields of now that Freshservice has otherwise.
func differences(now *translation, p *Person) Fields {
	has, out := fieldsOf(p), Fields{}
	for field, v := range now.fields {
		if field != "custom_fields" && !sameField(field, v, has[field]) {
			out[field] = v
		}
	}
	custom := map[string]any{}
	is, _ := now.fields["custom_fields"].(map[string]any)
	for name, v := range is {
		if !sameCustom(v, p.CustomFields[name]) {
			custom[name] = v
		}
	}
	if len(custom) > 0 {
		out["custom_fields"] = custom
	}
	return out
}

// sameField compares a value to write with the one that Freshservice has.
// Addresses compare without regard to case, lists without regard to order.
func sameField(field string, want, has any) bool {
	switch want := want.(type) {
	case string:
		s, _ := has.(string)
		return want == s || (field == "email" || field == "primary_email") && foldEmail(want) == foldEmail(s)
	case []string:
		list, _ := has.([]string)
		return slices.Equal(foldAll(want), foldAll(list))
	case []int64:
		list, _ := has.([]int64)
		return slices.Equal(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(list)))
	}
	return reflect.DeepEqual(want, has)
}

func foldAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = foldEmail(s)
	}
	slices.Sort(out)
	return out
}

// sameCustom compares custom fields: Freshservice answers dates with a time,
// and numbers are decoded as floats.
func sameCustom(want, has any) bool {
	if f, ok := has.(float64); ok {
		has = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if f, ok := want.(float64); ok {
		want = strconv.FormatFloat(f, 'f', -1, 64)
	}
	w, h := textOf(want), textOf(has)
	if w == h {
		return true
	}
	day, errDay := time.Parse(time.DateOnly, w)
	at, errAt := time.Parse(time.RFC3339, h)
	return errDay == nil && errAt == nil && day.Equal(at)
}

// cleared is the value that empties a field.
func cleared(field string) any {
	switch field {
	case "secondary_emails", "department_ids":
		return []string{}
	}
	return nil
}

// fieldsOf returns what a person has in Freshservice, as fields to write.
func fieldsOf(p *Person) Fields {
	f := Fields{}
	for name, s := range map[string]string{
		"first_name": p.FirstName, "last_name": p.LastName, "job_title": p.JobTitle, p.Kind.emailField(): p.Email,
		"work_phone_number": p.WorkPhoneNumber, "mobile_phone_number": p.MobilePhoneNumber, "address": p.Address,
		"time_zone": p.TimeZone, "language": p.Language, "external_id": p.ExternalID, "background_information": p.BackgroundInfo,
	} {
		if s != "" {
			f[name] = s
		}
	}
	if len(p.SecondaryEmails) > 0 {
		f["secondary_emails"] = p.SecondaryEmails
	}
	if len(p.DepartmentIDs) > 0 {
		f["department_ids"] = p.DepartmentIDs
	}
	if p.ReportingManagerID != 0 {
		f["reporting_manager_id"] = p.ReportingManagerID
	}
	if p.LocationID != 0 {
		f["location_id"] = p.LocationID
	}
	return f
}

// pick returns a sub-attribute of the element of that type, or of the first
// element that has no type.
func pick(list []scim.Value, typ, sub string) string {
	if e := typed(list, typ); e != nil {
		return strings.TrimSpace(e.Text(sub))
	}
	return strings.TrimSpace(typed(list, "").Text(sub))
}

func typed(list []scim.Value, typ string) *scim.Object {
	for _, v := range list {
		if e, ok := v.(*scim.Object); ok && strings.EqualFold(e.Text("type"), typ) {
			return e
		}
	}
	return nil
}

// isTrue reports whether a boolean attribute is true, in any spelling.
func isTrue(o *scim.Object, name string) bool {
	v, _ := o.Get(name)
	t, _ := parseBool(v)
	return t
}

// parseBool reads a boolean in any spelling that clients send.
func parseBool(v scim.Value) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(textOf(v))) {
	case "true", "yes", "1", "y", "on":
		return true, true
	case "false", "no", "0", "n", "off":
		return false, true
	}
	return false, false
}

// isActive reports whether the resource is active; one that does not say is.
func isActive(r *scim.Resource) bool {
	v, _ := r.Peek().Get("active")
	t, ok := parseBool(v)
	return t || !ok
}

func isEmpty(v scim.Value) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case []scim.Value:
		return len(v) == 0
	case *scim.Object:
		return v.Len() == 0
	}
	return false
}

// textOf returns a value as people would write it.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []scim.Value:
		list := make([]string, len(v))
		for i := range v {
			list[i] = textOf(v[i])
		}
		return strings.Join(list, ", ")
	case *scim.Object:
		if s := v.Text("value"); s != "" {
			return s
		}
		data, _ := v.MarshalJSON()
		return string(data)
	default:
		return fmt.Sprint(v)
	}
}

// plain returns a SCIM value as encoding/json can write it.
func plain(v scim.Value) any {
	switch v := v.(type) {
	case string, bool, json.Number:
		return v
	default:
		return textOf(v)
	}
}

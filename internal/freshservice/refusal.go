package freshservice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"lockstep/internal/scim"
)

// refuse turns what went wrong with a call into an error in SCIM's terms. t,
// when not nil, tells which SCIM attribute each field came from.
func (b *Bridge) refuse(err error, t *translation) error {
	var known *scim.Error
	var transport *TransportError
	var api *APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.As(err, &transport) && transport.Unknown:
		return &scim.Error{Type: scim.GatewayTimeout, Err: err,
			Detail: "Freshservice did not answer, so it is not known whether the change was made; sending it again is safe, it is looked up first"}
	case errors.As(err, &transport) && transport.Timeout:
		return &scim.Error{Type: scim.GatewayTimeout, Err: err, Detail: "Freshservice did not answer in time; nothing was changed"}
	case errors.As(err, &transport):
		return &scim.Error{Type: scim.Unavailable, Err: err, RetryAfter: 30 * time.Second,
			Detail: fmt.Sprintf("Freshservice (%s) cannot be reached; nothing was changed", b.client.domain)}
	case errors.As(err, &api):
		return b.refuseAPI(api, t)
	}
	return &scim.Error{Type: scim.Internal, Detail: "the Freshservice bridge failed", Err: err}
}

func (b *Bridge) refuseAPI(e *APIError, t *translation) error {
	out := func(typ scim.ErrorType, format string, args ...any) *scim.Error {
		return &scim.Error{Type: typ, Err: e, RetryAfter: e.RetryAfter, Detail: fmt.Sprintf(format, args...)}
	}
	if e.NotAPI && e.Status < 500 || e.Status >= 300 && e.Status < 400 {
		return out(scim.BadGateway, "%s does not answer as Freshservice's API does (%d, %s); check the account's domain", b.client.domain, e.Status, e.Description)
	}
	if f, ok := e.Duplicate(); ok {
		o := t.blame(f.Field)
		if o.attribute == "" {
			o.attribute = "userName"
		}
		return out(scim.Uniqueness, "Freshservice refuses %s %q: somebody else has it (%s)", o.attribute, o.value, e.reason()).On(o.attribute)
	}
	switch {
	case e.Status == http.StatusUnauthorized:
		b.bar()
		b.report(&CredentialError{Reason: KeyRejected, Domain: b.client.domain, Err: e})
		return out(scim.Unavailable, "Freshservice no longer accepts the API key of account %s; run: lockstep account rotate-key", b.client.domain)
	case e.Status == http.StatusForbidden:
		return b.refuseForbidden(e, out)
	case e.Status == http.StatusBadRequest && len(e.Fields) > 0:
		f := e.Fields[0]
		o := t.blame(f.Field)
		if f.Code == "missing_field" && o.value == "" {
			if o.attribute == "" {
				o.attribute = attributeFor(f.Field)
			}
			return out(scim.InvalidValue, "Freshservice requires %s (%s) and it is empty: %s", o.attribute, f.Field, f.Message).On(o.attribute)
		}
		if o.attribute == "" {
			return out(scim.InvalidValue, "Freshservice refuses %s: %s [%s]", f.Field, f.Message, f.Code)
		}
		return out(scim.InvalidValue, "Freshservice refuses %s %q: %s [%s]", o.attribute, o.value, f.Message, f.Code).On(o.attribute)
	case e.Status == http.StatusNotFound:
		return out(scim.NotFound, "it no longer exists in Freshservice")
	case e.Status == http.StatusConflict:
		return out(scim.Uniqueness, "Freshservice reports a conflict: %s", e.reason())
	case e.Status == http.StatusTooManyRequests:
		return out(scim.RateLimited, "Freshservice's calls of this minute are used up; try again in %v", e.RetryAfter.Round(time.Second))
	case e.Status >= 500:
		return out(scim.Unavailable, "Freshservice has a fault of its own (%d); try again later", e.Status)
	case e.Status == http.StatusBadRequest:
		return out(scim.InvalidValue, "Freshservice refuses the change: %s", e.reason())
	}
	return out(scim.BadGateway, "Freshservice answered %d: %s", e.Status, e.reason())
}

func (b *Bridge) refuseForbidden(e *APIError, out func(scim.ErrorType, string, ...any) *scim.Error) error {
	makesAgent := e.Method == http.MethodPost && e.Route == "/agents" || strings.HasSuffix(e.Route, "/convert_to_agent") || e.Route == "/agents/{id}/reactivate"
	message := strings.ToLower(e.Description)
	licence := strings.Contains(message, "licen") || strings.Contains(message, "seat") || strings.Contains(message, "number of agents") || strings.Contains(message, "agent limit")
	switch {
	case e.Code == "account_suspended" || e.Code == "password_lockout" || e.Code == "password_expired":
		b.report(&CredentialError{Reason: AccountSuspended, Domain: b.client.domain, Err: e})
		return out(scim.Unavailable, "Freshservice has locked account %s (%s); sign in there and resolve it", b.client.domain, e.Code)
	case e.Code == "require_feature":
		return out(scim.Forbidden, "the Freshservice plan of %s does not include this: %s", b.client.domain, e.reason())
	case makesAgent && licence:
		return out(scim.Forbidden, "Freshservice has no agent licence left (%s); free one, buy one, or make the person a requester (isAgent false)", e.reason())
	}
	b.examineKey()
	if makesAgent {
		return out(scim.Forbidden, "Freshservice refuses to make this person an agent (%s): either no agent licence is left, or the owner of the API key may not manage agents", e.reason())
	}
	return out(scim.Forbidden, "the owner of the API key of %s may not do this in Freshservice (%s); give the owner the role Account Admin, or run: lockstep account rotate-key", b.client.domain, e.reason())
}

// blame finds the origin of the field that Freshservice names.
func (t *translation) blame(field string) origin {
	if t == nil {
		return origin{}
	}
	_, o := t.named(field)
	return o
}

// named finds a field by the name Freshservice uses in an error, which need
// not be the name it has in requests. It returns "" for one that was not sent.
func (t *translation) named(field string) (string, origin) {
	for _, name := range []string{field, "custom_fields." + strings.TrimPrefix(field, "custom_fields."), fieldAliases[field]} {
		if o, ok := t.origin[name]; ok {
			return name, o
		}
	}
	for name, o := range t.origin {
		if strings.HasPrefix(field, name) { // department_ids[0]
			return name, o
		}
	}
	return "", origin{}
}

var fieldAliases = map[string]string{
	"email": "primary_email", "primary_email": "email", "emails": "secondary_emails", "secondary_email": "secondary_emails",
	"location": "location_id", "department": "department_ids", "departments": "department_ids", "department_id": "department_ids",
	"reporting_manager": "reporting_manager_id", "phone": "work_phone_number", "mobile": "mobile_phone_number",
	"work_phone": "work_phone_number", "mobile_phone": "mobile_phone_number",
}

// attributeFor names the SCIM attribute that fills a field of Freshservice's.
func attributeFor(field string) string {
	switch field {
	case "first_name":
		return "name.givenName"
	case "last_name":
		return "name.familyName"
	case "email", "primary_email":
		return pathWorkEmail
	case "job_title":
		return "title"
	case "work_phone_number", "phone":
		return `phoneNumbers[type eq "work"].value`
	case "mobile_phone_number", "mobile":
		return `phoneNumbers[type eq "mobile"].value`
	case "department_ids":
		return pathDepartment
	case "location_id", "location":
		return pathLocation
	case "reporting_manager_id":
		return pathManager
	case "time_zone":
		return "timezone"
	case "language":
		return "locale"
	case "roles":
		return pathIsAgent
	default:
		return scim.URNFreshservice + ":" + strings.TrimPrefix(field, "custom_fields.")
	}
}

// write sends fields. A field that is not essential and that Freshservice
// refuses by name is left out and noted, and the rest is sent again. It
// returns nil without an error when nothing is left to send.
func (b *Bridge) write(ctx context.Context, t *translation, fields Fields, update bool, send func(Fields) (*Person, error)) (*Person, error) {
	b.dropLearned(t, fields, update)
	for try := 1; ; try++ {
		if len(fields) == 0 || update && len(fields) == 1 && fields[flagSeesTickets] != nil && !t.restoreFlag {
			return nil, nil
		}
		p, err := send(fields)
		var e *APIError
		if err == nil || !errors.As(err, &e) || try == 3 ||
			e.Status != http.StatusBadRequest && e.Status != http.StatusConflict || !b.dropRefused(t, fields, e, update) {
			return p, err
		}
	}
}

const flagSeesTickets = "can_see_all_tickets_from_associated_departments"

// dropRefused takes the refused fields out and reports whether that was
// possible for all of them.
func (b *Bridge) dropRefused(t *translation, fields Fields, e *APIError, update bool) bool {
	if len(e.Fields) == 0 {
		return false
	}
	for _, f := range e.Fields {
		name, _ := t.named(f.Field)
		if name == "" || t.essential(name, update) || !has(fields, name) {
			return false
		}
	}
	for _, f := range e.Fields {
		name, o := t.named(f.Field)
		remove(fields, name)
		structural := f.Code == "invalid_field" || f.Code == "readonly_field" || f.Code == "inaccessible_field"
		// One externalId that is taken is no reason to send no other.
		if update && structural || name == "external_id" && f.Code != "duplicate_value" {
			b.learnedMu.Lock()
			b.learned[t.kind][name] = true
			b.learnedMu.Unlock()
		}
		if f.Code == "duplicate_value" && name == "secondary_emails" {
			t.note(o.attribute, o.value, "email_taken", "%s belongs to somebody else in Freshservice; it is left out", o.value)
			continue
		}
		t.refused(name, o, strings.TrimSpace(f.Message+" ["+f.Code+"]"))
	}
	return true
}

// refused notes that Freshservice does not take a field. Its not taking an
// externalId is no loss: lockstep keeps it anyway.
func (t *translation) refused(name string, o origin, reason string) {
	if name != "external_id" {
		t.note(o.attribute, o.value, "refused_by_freshservice", "Freshservice does not accept %s of this %s: %s; it is kept here only", name, t.kind, reason)
	}
}

// dropLearned takes out what the account is known to refuse. Older accounts
// refuse every externalId; the rest was refused in updates only.
func (b *Bridge) dropLearned(t *translation, fields Fields, update bool) {
	b.learnedMu.Lock()
	defer b.learnedMu.Unlock()
	for name := range b.learned[t.kind] {
		if has(fields, name) && (update || name == "external_id") {
			remove(fields, name)
			if o, ok := t.origin[name]; ok {
				t.refused(name, o, "this account does not allow changing it through the API")
			}
		}
	}
}

// essential fields cannot be left out: without them there is no person.
func (t *translation) essential(name string, update bool) bool {
	switch name {
	case t.kind.emailField(), "roles":
		return true
	case "first_name":
		return t.kind == Requester || !update
	}
	return false
}

func has(f Fields, name string) bool {
	if key, ok := strings.CutPrefix(name, "custom_fields."); ok {
		custom, _ := f["custom_fields"].(map[string]any)
		_, ok := custom[key]
		return ok
	}
	_, ok := f[name]
	return ok
}

func remove(f Fields, name string) {
	key, ok := strings.CutPrefix(name, "custom_fields.")
	if !ok {
		delete(f, name)
		return
	}
	custom, _ := f["custom_fields"].(map[string]any)
	delete(custom, key)
	if len(custom) == 0 {
		delete(f, "custom_fields")
	}
}

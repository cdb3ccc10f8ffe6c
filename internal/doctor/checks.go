package doctor

import (
	"fmt"
	"strings"

	"lockstep/internal/provision"
)

// checks are run in this order; the order of findings is decided afterwards.
var checks = []func(*Evidence) *Finding{
	targetRefusesToken,
	mailOrUPN,
	secondaryEqualsPrimary,
	timeZoneAndLocale,
	notAssigned,
	disabledInSource,
	unreadableEntries,
	incompleteEntries,
	removalsHeld,
	unknownDepartment,
	unknownLocation,
	managerMissing,
	conflicts,
}

// failed returns who failed with a code.
func (e *Evidence) failed(code provision.Code) Sample {
	if s := e.Codes[code]; s != nil {
		return *s
	}
	return Sample{}
}

// skipped returns who was skipped for a reason.
func (e *Evidence) skipped(reason string) Sample {
	if s := e.Skips[reason]; s != nil {
		return *s
	}
	return Sample{}
}

func targetRefusesToken(e *Evidence) *Finding {
	s := e.failed(provision.CodeUnauthorized)
	if s.Count == 0 {
		return nil
	}
	return &Finding{ID: "CORE-01", Severity: Error, Count: s.Count, Sample: s.Names,
		Title:       "The target refuses the secret token",
		Explanation: "Every request is answered with 401: the token was revoked, or the API key behind it died.",
		Fix:         "Check the account with `lockstep account check`, and replace the key with `lockstep account rotate-key`."}
}

func mailOrUPN(e *Evidence) *Finding {
	if e.MailDiffers == nil || e.MailDiffers.Count == 0 || e.Schema == nil {
		return nil
	}
	users := e.Schema.Mapping(provision.User)
	if users == nil {
		return nil
	}
	name, mail := sourceOf(users, "userName"), sourceOf(users, `emails[type eq "work"].value`)
	if name == "" || mail == "" || name == mail {
		return nil
	}
	return &Finding{ID: "CORE-02", Severity: Warning, Count: e.MailDiffers.Count, Sample: e.MailDiffers.Names,
		Title:       "mail and userPrincipalName differ, and both are mapped",
		Explanation: fmt.Sprintf("userName comes from %s and the work e-mail from %s. For these people the two are not the same address, so people who were in Freshservice before may not be matched.", name, mail),
		Fix:         "Decide for one: map [mail], or Coalesce([mail], [userPrincipalName]), to both userName and the work e-mail."}
}

func sourceOf(m *provision.ObjectMapping, target string) string {
	a := m.Attribute(target)
	if a == nil || a.Source == nil {
		return ""
	}
	if a.Source.Expression != "" {
		return a.Source.Expression
	}
	return "[" + a.Source.Name + "]"
}

func (e *Evidence) noted(codes ...string) (n int, values []string) {
	for _, c := range codes {
		n += e.Notes[c].Count
		values = append(values, e.Notes[c].Values...)
	}
	return n, values
}

func secondaryEqualsPrimary(e *Evidence) *Finding {
	n, values := e.noted("secondary_email_equals_primary")
	if n == 0 {
		return nil
	}
	return &Finding{ID: "CORE-06", Severity: Info, Count: n, Sample: values,
		Title:       "A secondary e-mail equals the primary one",
		Explanation: "Freshservice refuses the same address twice, so lockstep left the secondary one out. Nobody failed because of it.",
		Fix:         `To keep it from being sent: IgnoreFlowIfNullOrEmpty(IIF([mail]=[userPrincipalName],"",[mail])).`}
}

func timeZoneAndLocale(e *Evidence) *Finding {
	n, values := e.noted("unknown_time_zone", "unknown_language")
	if n == 0 {
		return nil
	}
	return &Finding{ID: "CORE-07", Severity: Warning, Count: n, Sample: values,
		Title:       "Time zones or languages that Freshservice does not know",
		Explanation: "Freshservice takes only its own names. lockstep translates IANA and Windows names and language tags; these values are none of them and were left out: " + strings.Join(values, ", ") + ".",
		Fix:         "Correct the values in the directory, or translate them in the mapping with Switch."}
}

func notAssigned(e *Evidence) *Finding {
	s := e.skipped(provision.ReasonNotAssigned)
	if s.Count == 0 {
		return nil
	}
	return &Finding{ID: "CORE-08", Severity: Warning, Count: s.Count, Sample: s.Names,
		Title:       "People who are not assigned were skipped",
		Explanation: "Scope is \"assigned users and groups\", and these people are neither assigned themselves nor direct members of an assigned group.",
		Fix:         "Assign them or put them into an assigned group, or widen the scope to all users."}
}

func disabledInSource(e *Evidence) *Finding {
	s := e.skipped(provision.ReasonDisabled)
	if s.Count == 0 {
		return nil
	}
	return &Finding{ID: "SCOPE-04", Severity: Info, Count: s.Count, Sample: s.Names,
		Title:       "Disabled people are not created",
		Explanation: "Their account is disabled in the directory and they were never provisioned, so there is nothing to do.",
		Fix:         "Nothing, unless they should be active: then enable the account in the directory."}
}

func unreadableEntries(e *Evidence) *Finding {
	if e.Cycle == nil || e.Cycle.Counts.Failed[string(provision.CodeMalformedEntry)] == 0 {
		return nil
	}
	return &Finding{ID: "SOURCE-01", Severity: Error, Count: e.Cycle.Counts.Failed[string(provision.CodeMalformedEntry)],
		Title:       "Entries of the source could not be read",
		Explanation: "They are named above, with row and column. Everybody else was provisioned, and nobody was taken for deleted because of them.",
		Fix:         "Correct the entries in the source and run again."}
}

func incompleteEntries(e *Evidence) *Finding {
	if e.Cycle == nil || e.Cycle.Counts.Incomplete == 0 {
		return nil
	}
	return &Finding{ID: "SOURCE-02", Severity: Warning, Count: e.Cycle.Counts.Incomplete,
		Title:       "Entries of the source were taken without one of their values",
		Explanation: "A manager or member that is nobody in the source, for example. The entries are named above; the people themselves were provisioned.",
		Fix:         "Correct the values in the source; the next cycle completes them."}
}

func removalsHeld(e *Evidence) *Finding {
	if e.Cycle == nil || e.Cycle.Counts.Held == 0 {
		return nil
	}
	return &Finding{ID: "DEPR-11", Severity: Error, Count: e.Cycle.Counts.Held,
		Title:       "Removals are held back by the deletion guard",
		Explanation: e.Cycle.Error + ". Everything else was carried out.",
		Fix:         "Look at the source first. If these people really leave, run again with --allow-removals."}
}

func unknownDepartment(e *Evidence) *Finding {
	n, values := e.noted("unknown_department")
	if n == 0 {
		return nil
	}
	return &Finding{ID: "FS-06", Severity: Warning, Count: n, Sample: values,
		Title:       "Departments that Freshservice does not have",
		Explanation: "A department is found by its exact name. These people were written without one: " + strings.Join(values, ", ") + ".",
		Fix:         "Create the department in Freshservice, correct the name in the directory, or let lockstep create it: `lockstep account set ACCOUNT --unknown-departments create`."}
}

func unknownLocation(e *Evidence) *Finding {
	n, values := e.noted("unknown_location")
	if n == 0 {
		return nil
	}
	return &Finding{ID: "FS-07", Severity: Warning, Count: n, Sample: values,
		Title:       "Locations that Freshservice does not have",
		Explanation: "These people were written without a location: " + strings.Join(values, ", ") + ".",
		Fix:         "Create the location in Freshservice, or let lockstep create it: `lockstep account set ACCOUNT --unknown-locations create`."}
}

func managerMissing(e *Evidence) *Finding {
	s := e.Waiting
	if s.Count == 0 {
		return nil
	}
	return &Finding{ID: "ATTR-09", Severity: Warning, Count: s.Count, Sample: s.Names,
		Title:       "The manager is not in the service desk",
		Explanation: "The manager is disabled, not assigned or filtered out. The reference is remembered and written as soon as the manager arrives; no restart is needed.",
		Fix:         "Bring the manager into scope, or leave it as it is."}
}

func conflicts(e *Evidence) *Finding {
	s := e.failed(provision.CodeConflict)
	if s.Count == 0 {
		return nil
	}
	return &Finding{ID: "FS-14", Severity: Error, Count: s.Count, Sample: s.Names,
		Title:       "An e-mail address or user name is already taken",
		Explanation: "Freshservice lets an address belong to one person only, be it a requester, an agent or somebody deactivated.",
		Fix:         "The message of each entry names who holds it: merge the two, or change one address."}
}

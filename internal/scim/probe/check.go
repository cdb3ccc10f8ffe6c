package probe

import (
	"slices"
	"strings"
)

// A check is one sentence about an endpoint and the requests that show whether
// it is true.
type check struct {
	id, title string
	// expect is what an endpoint has to answer.
	expect string
	breaks []string
	// refs are RFC sections and rules of the diagnosis catalogue, separated by
	// "; ".
	refs string
	// need names checks that must have succeeded, separated by spaces.
	need string
	// when returns why the check does not apply, or "".
	when func(*session) string
	run  func(*trial)

	group  string
	writes bool
	needs  []string
}

// A section is a group of checks and what they have in common.
type section struct {
	name   string
	writes bool
	need   string
	when   func(*session) string
	checks []check
}

// Clients that break when a check fails.
var (
	entra     = []string{"Entra ID"}
	okta      = []string{"Okta"}
	entraOkta = []string{"Entra ID", "Okta"}
	anyClient = []string{"any"}
)

// catalogue returns all checks in the order in which they run.
func catalogue() []*check {
	sections := slices.Concat(
		reachSections, tokenSections, urlSections, contractSections, querySections, createSections, matchSections,
		patchSections, entraSections, groupSections, memberSections, lifecycleSections, pagingSections,
		featureSections, errorSections, lastSections)
	var all []*check
	for _, sec := range sections {
		for _, c := range sec.checks {
			c.group = sec.name
			c.writes = c.writes || sec.writes
			c.needs = slices.Concat(strings.Fields(sec.need), strings.Fields(c.need))
			if c.when == nil {
				c.when = sec.when
			} else if sec.when != nil {
				c.when = both(sec.when, c.when)
			}
			all = append(all, &c)
		}
	}
	return all
}

func both(a, b func(*session) string) func(*session) string {
	return func(s *session) string {
		if why := a(s); why != "" {
			return why
		}
		return b(s)
	}
}

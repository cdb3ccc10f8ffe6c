package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"lockstep/internal/account"
	"lockstep/internal/api"
)

// showFreshservice prints how things are with a Freshservice account.
func (e *env) showFreshservice(a *api.Account) {
	f := a.Freshservice
	p := func(label, format string, args ...any) {
		fmt.Fprintf(e.out, "%-11s %s\n", label, fmt.Sprintf(format, args...))
	}
	listed := "not listed yet"
	switch {
	case f.Listing:
		listed = "being listed now"
	case !f.ListedAt.IsZero():
		listed = "all listed " + date(f.ListedAt)
	}
	p("People", "%d known, %s", f.People, listed)

	c := f.Calls
	if l := c.PerMinute; l.Total == 0 {
		p("Budget", "not known before the first call")
	} else {
		resets := "the next call starts a new minute"
		if !l.ResetsAt.IsZero() {
			resets = fmt.Sprintf("a new minute in %.0f s", max(0, time.Until(l.ResetsAt).Seconds()))
		}
		p("Budget", "%d of %d calls left this minute; %s", l.Remaining, l.Total, resets)
	}
	for _, l := range []struct {
		name  string
		limit api.Limit
	}{{"requesters", c.ListRequesters}, {"agents", c.ListAgents}} {
		if l.limit.Total > 0 {
			p("", "listing %s: %d of %d left", l.name, l.limit.Remaining, l.limit.Total)
		}
	}
	p("Calls", "%d since %s; %d refused for the rate (429), %d repeated", c.Total, date(c.Since), c.TooMany, c.Retries)
	if c.Waits > 0 {
		p("", "%d waited for the rate, %s together; %d wait now", c.Waits, seconds(c.WaitedSeconds), c.Waiting)
	}
	routes := slices.SortedFunc(maps.Keys(c.ByRoute), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.ByRoute[b], c.ByRoute[a]), cmp.Compare(a, b))
	})
	for _, r := range routes[:min(len(routes), 5)] {
		p("", "%6d  %s", c.ByRoute[r], r)
	}
	if f.Estimate.Seconds > 0 {
		p("Estimate", "about %s to write %d people", seconds(f.Estimate.Seconds), f.Estimate.People)
	} else if c.PerMinute.Total > 0 {
		p("Estimate", "%d people can be written within this minute's calls", f.Estimate.People)
	}
	var waiting []string
	for _, w := range []struct {
		n    int
		what string
	}{{f.PendingManagers, "for a manager to arrive"}, {f.PendingRepairs, "for a manager to be set"}, {f.PendingAgents, "to become agents (daily budget)"}} {
		if w.n > 0 {
			waiting = append(waiting, fmt.Sprintf("%d %s", w.n, w.what))
		}
	}
	if waiting != nil {
		p("Waiting", "%s", strings.Join(waiting, ", "))
	}
	st := a.Settings
	roles := "SD Agent"
	if len(st.NewAgents.Roles) > 0 {
		roles = strings.Join(st.NewAgents.Roles, ", ")
	}
	kind := "full-time"
	if st.NewAgents.Occasional {
		kind = "occasional"
	}
	p("Settings", "unknown departments: %s, locations: %s; groups: %s", st.UnknownDepartments, st.UnknownLocations, st.Groups)
	p("", "new agents: %s, %s, at most %d a day", roles, kind, st.ConversionBudgetPerDay)
	if len(f.Notes) == 0 {
		return
	}
	fmt.Fprintln(e.out, "\nNot carried over to Freshservice (kept by lockstep):")
	t := e.table("WHAT", "HOW OFTEN", "SUCH AS")
	for _, n := range f.Notes {
		t.AppendRow(table.Row{n.Code, n.Count, strings.Join(n.Values, ", ")})
	}
	t.Render()
}

// seconds writes a duration as people say it.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", s)
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

// unhealthy reports whether the state of an account is a finding.
func unhealthy(s account.Status) bool {
	return s != account.StatusOK && s != account.StatusOwnerOccasional
}

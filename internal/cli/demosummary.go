package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"lockstep/internal/doctor"
	"lockstep/internal/provision"
)

// A cycleResult is one cycle of a demo in JSON. Its members are a contract
// with scripts: more may be added, none renamed.
type cycleResult struct {
	Kind      provision.CycleKind `json:"kind"`
	People    int                 `json:"people"`
	Groups    int                 `json:"groups"`
	Created   int                 `json:"created"`
	Updated   int                 `json:"updated"`
	Disabled  int                 `json:"disabled"`
	Deleted   int                 `json:"deleted"`
	Unchanged int                 `json:"unchanged"`
	Held      int                 `json:"held"`
	// Incomplete source entries were taken without a value that could not be understood.
	Incomplete int            `json:"incomplete"`
	Skipped    map[string]int `json:"skipped"`
	Failed     map[string]int `json:"failed"`
	// FreshserviceCalls are the REST calls that the desk received, of which
	// FreshserviceWrites changed something or tried to.
	FreshserviceCalls  int     `json:"freshserviceCalls"`
	FreshserviceWrites int     `json:"freshserviceWrites"`
	Seconds            float64 `json:"seconds"`
}

// A demoResult is what `demo --json` prints.
type demoResult struct {
	cycleResult
	Cycles   []cycleResult    `json:"cycles"`
	Findings []doctor.Finding `json:"findings"`
	SCIMURL  string           `json:"scimUrl"`
	DeskURL  string           `json:"deskUrl"`
	Console  string           `json:"consoleUrl"`
	Data     string           `json:"data"`
}

func (r *demoResult) add(c cycleResult) {
	r.Cycles = append(r.Cycles, c)
	t := &r.cycleResult
	t.Kind, t.People, t.Groups, t.Unchanged, t.Held, t.Incomplete = c.Kind, c.People, c.Groups, c.Unchanged, c.Held, c.Incomplete
	t.Created += c.Created
	t.Updated += c.Updated
	t.Disabled += c.Disabled
	t.Deleted += c.Deleted
	t.FreshserviceCalls += c.FreshserviceCalls
	t.FreshserviceWrites += c.FreshserviceWrites
	t.Seconds += c.Seconds
	if t.Skipped == nil {
		t.Skipped, t.Failed = map[string]int{}, map[string]int{}
	}
	for k, n := range c.Skipped {
		t.Skipped[k] += n
	}
	for k, n := range c.Failed {
		t.Failed[k] += n
	}
}

func newCycleResult(c *provision.Cycle, calls, writes int, seconds float64) cycleResult {
	n := c.Counts
	r := cycleResult{Kind: c.Kind, People: n.People, Groups: n.Groups, Created: n.Created, Updated: n.Updated, Disabled: n.Disabled, Deleted: n.Deleted,
		Unchanged: n.Unchanged, Held: n.Held, Incomplete: n.Incomplete, Skipped: n.Skipped, Failed: n.Failed, FreshserviceCalls: calls, FreshserviceWrites: writes, Seconds: seconds}
	if r.Skipped == nil {
		r.Skipped = map[string]int{}
	}
	if r.Failed == nil {
		r.Failed = map[string]int{}
	}
	return r
}

// codeText says in plain words what a failure's code means.
func codeText(code string) string {
	switch provision.Code(code) {
	case provision.CodeMalformedEntry:
		return "the source entry could not be read"
	case provision.CodeImportSkipped:
		return "no value for any matching attribute"
	case provision.CodeConflict:
		return "e-mail or user name already taken in the target"
	case provision.CodeDuplicateTargetEntries:
		return "several target objects match"
	case provision.CodeDuplicateSourceEntries:
		return "another source object has the target object already"
	case provision.CodeAttributeValidation, provision.CodeMissingValues:
		return "a required value is missing"
	case provision.CodeExpressionFailed:
		return "a mapping expression failed"
	case provision.CodeUnprocessable:
		return "the target refused a value"
	case provision.CodeTimeout:
		return "the target did not answer in time"
	default:
		return code
	}
}

// printCycle shows a cycle as a table.
func (e *env) printCycle(r cycleResult) {
	t := e.table("RESULT", "PEOPLE", "")
	row := func(what string, n int, remark string) {
		if n > 0 {
			t.AppendRow(table.Row{what, n, remark})
		}
	}
	t.AppendRow(table.Row{"created", r.Created, ""})
	row("updated", r.Updated, "")
	row("disabled", r.Disabled, "")
	row("deleted", r.Deleted, "deactivated in Freshservice, never forgotten")
	row("unchanged", r.Unchanged, "nothing was sent for them")
	for _, k := range byCount(r.Skipped) {
		row("skipped", r.Skipped[k], k)
	}
	for _, k := range byCount(r.Failed) {
		row("failed", r.Failed[k], codeText(k))
	}
	row("incomplete", r.Incomplete, "taken without a value that could not be understood")
	row("held back", r.Held, "the deletion guard wants a person to look first")
	t.Render()
	fmt.Fprintf(e.out, "%d people in the source", r.People)
	if r.Groups > 0 {
		fmt.Fprintf(e.out, " and %d groups (counted above as well)", r.Groups)
	}
	calls := "REST calls"
	if r.FreshserviceCalls == 1 {
		calls = "REST call"
	}
	fmt.Fprintf(e.out, ", %.1f s, %d %s to Freshservice", r.Seconds, r.FreshserviceCalls, calls)
	if written := r.Created + r.Updated + r.Disabled + r.Deleted; written > 0 {
		fmt.Fprintf(e.out, " (%.2f per person written)", float64(r.FreshserviceCalls)/float64(written))
	}
	fmt.Fprintln(e.out)
}

func byCount(m map[string]int) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
}

// printFindings shows what the doctor found, worst first.
func (e *env) printFindings(list []doctor.Finding) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(e.out, "\nWhat the doctor has to say:")
	for _, f := range list {
		fmt.Fprintf(e.out, "\n  %s %-9s %s (%d)\n", severityMark(f.Severity), f.ID, f.Title, f.Count)
		e.paragraph(f.Explanation)
		if len(f.Sample) > 0 {
			e.paragraph("For example: " + strings.Join(f.Sample, ", "))
		}
		e.paragraph("To do: " + f.Fix)
	}
}

func severityMark(s doctor.Severity) string {
	switch s {
	case doctor.Error:
		return "ERROR  "
	case doctor.Warning:
		return "WARNING"
	default:
		return "INFO   "
	}
}

// paragraph prints text wrapped and indented under a finding.
func (e *env) paragraph(s string) {
	const indent, width = "            ", 78
	line := indent
	for word := range strings.FieldsSeq(s) {
		if len(line)+len(word)+1 > width && line != indent {
			fmt.Fprintln(e.out, line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	if line != indent {
		fmt.Fprintln(e.out, line)
	}
}

// Package doctor turns what happened in a provisioning setup into findings:
// what is wrong, how many people it concerns, and what to do.
//
// One idea carries it: checks read [Evidence] and nothing else, so the same
// check works whatever the evidence was gathered from. A check without the
// evidence it needs says nothing; a finding always carries what it rests on.
package doctor

import (
	"cmp"
	"slices"

	"lockstep/internal/provision"
)

// A Severity says how bad a finding is.
type Severity string

// The severities, worst first.
const (
	Error   Severity = "E" // blocks provisioning or gives wrong access
	Warning Severity = "W" // degrades, or will break later
	Info    Severity = "I" // harmless, but often taken for a fault
)

func (s Severity) rank() int {
	switch s {
	case Error:
		return 0
	case Warning:
		return 1
	default:
		return 2
	}
}

// Evidence is what is known about one app. Fields that could not be gathered
// are nil.
type Evidence struct {
	Schema *provision.Schema
	// SyncAll is whether everybody is provisioned; valid with Schema.
	SyncAll bool
	// Codes are the failed objects of the last cycle by code, Skips the skipped
	// ones by reason, Waiting those with a reference that is not resolved yet.
	Codes   map[provision.Code]*Sample
	Skips   map[string]*Sample
	Waiting Sample
	// Notes are what the target could not take over, by code.
	Notes map[string]Noted
	// MailDiffers counts people whose mail is not their userPrincipalName; nil
	// when the source was not looked at.
	MailDiffers *Sample
	// Cycle is the last cycle.
	Cycle *provision.Cycle
}

// AddItem takes one object's decision and outcome into the evidence. It keeps
// counts and a few names, not the item.
func (e *Evidence) AddItem(it *provision.Item) {
	if it.Outcome == nil {
		return
	}
	switch it.Outcome.Status {
	case provision.StatusFailure:
		tally(&e.Codes, it.Outcome.Code, it.Name)
	case provision.StatusSkipped:
		tally(&e.Skips, it.Outcome.Message, it.Name)
	default:
		if len(it.Decision.Waiting) > 0 && it.Ref.Type == provision.User {
			e.Waiting.Add(it.Name)
		}
	}
}

func tally[K comparable](m *map[K]*Sample, key K, name string) {
	if *m == nil {
		*m = map[K]*Sample{}
	}
	if (*m)[key] == nil {
		(*m)[key] = &Sample{}
	}
	(*m)[key].Add(name)
}

// Noted sums up notes with one code.
type Noted struct {
	Count int
	// Values are some of the values concerned, without repeats.
	Values []string
}

// A Sample is a number of objects with the names of some.
type Sample struct {
	Count int
	Names []string
}

const sampleSize = 3

// Add counts one more.
func (s *Sample) Add(name string) {
	s.Count++
	if len(s.Names) < sampleSize && name != "" {
		s.Names = append(s.Names, name)
	}
}

// A Finding is one cause with everybody it concerns.
type Finding struct {
	// ID is the rule of the diagnosis catalogue.
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Title    string   `json:"title"`
	// Count is how many people or values it concerns.
	Count int `json:"count"`
	// Explanation says why it happens, Fix what to do.
	Explanation string   `json:"explanation,omitempty"`
	Fix         string   `json:"fix,omitempty"`
	Sample      []string `json:"sample,omitempty"`
}

// Examine runs every check and returns the findings, most important first.
func Examine(e *Evidence) []Finding {
	out := []Finding{}
	for _, check := range checks {
		if f := check(e); f != nil {
			out = append(out, *f)
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID))
	})
	return out
}

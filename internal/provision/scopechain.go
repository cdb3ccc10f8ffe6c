package provision

import (
	"fmt"
	"strconv"
	"strings"

	"lockstep/internal/expression"
)

// A ScopeStep is one link of the chain that decides whether an object is in
// scope, with the values that were looked at.
type ScopeStep struct {
	// Name is active, entitled or filter.
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	// Text says what was found, one line for each thing looked at.
	Text []string `json:"text"`
}

// ObjectFrom returns the object that attributes describe, for trying a
// configuration on somebody who need not exist. Its ID is that of the attribute
// id or objectId.
func ObjectFrom(t ObjectType, attributes expression.Map) *Object {
	o := &Object{Type: t, Attributes: attributes}
	for _, name := range []string{"id", "objectId"} {
		if v := attributes[name]; o.ID == "" && !v.IsNull() {
			o.ID = v.String()
		}
	}
	return o
}

// ScopeChain explains the scope of an assessed object step by step. All steps
// have to pass. through says by which assignment the object is assigned ("group
// Finance"), "" when it is so itself.
func (j *Job) ScopeChain(s *Subject, through string) []ScopeStep {
	if s.Mapping == nil {
		return []ScopeStep{{Name: "entitled", Text: []string{strings.ToLower(string(s.Object.Type)) + "s are not provisioned by this app: their mapping is switched off"}}}
	}
	return []ScopeStep{activeStep(s), j.entitledStep(s, through), filterStep(s)}
}

func activeStep(s *Subject) ScopeStep {
	step := ScopeStep{Name: "active", Passed: s.Active}
	switch v := s.Object.Attributes["accountEnabled"]; {
	case s.Removed == RemovedHard:
		step.Text = []string{ReasonDeleted}
	case s.Removed == RemovedSoft:
		step.Text = []string{ReasonRecycled}
	case v.IsNull():
		step.Text = []string{"accountEnabled is empty, which counts as enabled"}
	default:
		step.Text = []string{"accountEnabled is " + strconv.Quote(v.String())}
	}
	return step
}

func (j *Job) entitledStep(s *Subject, through string) ScopeStep {
	step := ScopeStep{Name: "entitled", Passed: s.Entitled}
	switch {
	case j.SyncAll:
		step.Text = []string{"the app's scope is all users and groups, so assignments do not matter"}
	case s.Assigned && through != "":
		step.Text = []string{"assigned through " + through}
	case s.Assigned:
		step.Text = []string{"assigned to the app"}
	case s.Object.Type == Group:
		step.Text = []string{ReasonNotAssigned}
	default:
		step.Text = []string{ReasonNotAssigned + ", neither directly nor as a direct member of an assigned group"}
	}
	return step
}

func filterStep(s *Subject) ScopeStep {
	e := s.Scope
	step := ScopeStep{Name: "filter", Passed: e.Passed}
	if e.Dropped || len(e.Groups) == 0 {
		step.Text = []string{e.String()}
		return step
	}
	for i, g := range e.Groups {
		name := g.Name
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		line := fmt.Sprintf("filter %s: %s", name, verdict(g.Passed))
		if len(g.Clauses) == 0 {
			line += ", it has no clause"
		}
		step.Text = append(step.Text, line)
		for _, c := range g.Clauses {
			step.Text = append(step.Text, "  "+c.String())
		}
	}
	return step
}

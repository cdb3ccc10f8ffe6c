package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lockstep/internal/expression"
	"lockstep/internal/scim"
)

// A Job is one version of an app's configuration, compiled. It is immutable and
// safe for concurrent use.
type Job struct {
	Users  *Mapping
	Groups *Mapping // nil: groups are not provisioned
	// SyncAll: every user and group of the source is entitled; otherwise only
	// assigned ones are.
	SyncAll bool
	// NestedGroups: membership at any depth counts as assignment.
	NestedGroups bool
	// SkipOutOfScopeDeletions leaves accounts alone that fall out of scope by
	// unassignment or filter.
	SkipOutOfScopeDeletions bool
	// Parameters are the values of %Name% in expressions; DefaultDomain is what the
	// function of that name gives.
	Parameters map[string]string
	// Taken looks values up in the target for SelectUniqueValue; nil while only
	// scope and mapping are looked at, and nothing then counts as taken.
	Taken Taken
}

// Mapping returns the mapping for objects of type t, nil when they are not
// provisioned.
func (j *Job) Mapping(t ObjectType) *Mapping {
	m := j.Users
	if t == Group {
		m = j.Groups
	}
	if m == nil || !m.Enabled {
		return nil
	}
	return m
}

// A Subject is one source object with everything that follows from it and the
// configuration alone, before the target has been looked at.
type Subject struct {
	Object  *Object
	Removed Removal
	Link    *Link
	// Active: not disabled and not deleted. Assigned: through itself or a group.
	// Entitled: assigned, or everybody is. InScope: active, entitled and passed
	// by the scoping filter.
	Active, Assigned, Entitled, InScope bool
	Scope                               ScopeEvaluation
	Mapping                             *Mapping
	// Values are the evaluated attribute mappings; empty for a hard removal and
	// for an object that is to be left alone.
	Values []Evaluated
	// Matches are the look-ups by which an unlinked object is searched, in order.
	Matches []MatchQuery
}

// A MatchQuery asks the target for objects with one matching attribute's value.
type MatchQuery struct {
	Flow  *AttributeFlow
	Value string
}

// Key is the form under which an inventory keeps the value: attribute and
// value, folded unless the target attribute minds case.
func (q MatchQuery) Key() string { return inventoryKey(q.Flow, q.Value) }

func inventoryKey(f *AttributeFlow, value string) string {
	if !f.CaseExact {
		value = strings.ToLower(value)
	}
	return f.Target + "\x00" + value
}

// source shows an object to expressions together with the computed attributes.
type source struct {
	*Object
	softDeleted bool
}

func (s source) Attribute(name string) expression.Value {
	if name == "IsSoftDeleted" || name == "isSoftDeleted" {
		return expression.Bool(s.softDeleted)
	}
	return s.Object.Attribute(name)
}

// Assess works out scope and mapped values of one object. It does no I/O but
// what the mapping's SelectUniqueValue asks for.
func (j *Job) Assess(ctx context.Context, o *Object, removed Removal, assigned bool, link *Link, now time.Time) *Subject {
	s := &Subject{Object: o, Removed: removed, Link: link, Assigned: assigned, Mapping: j.Mapping(o.Type)}
	if s.Mapping == nil || removed == RemovedHard {
		return s
	}
	s.Active = removed == NotRemoved && o.Enabled()
	s.Entitled = j.SyncAll || assigned
	s.Scope = s.Mapping.Scope.Evaluate(source{o, !s.Active || !s.Entitled})
	s.InScope = s.Active && s.Entitled && s.Scope.Passed
	if !s.InScope && (link == nil || !link.Managed || s.Scope.Dropped) {
		return s
	}
	env := &expression.Env{Source: source{o, !s.InScope}, Now: now, Parameters: j.Parameters, DefaultDomain: j.Parameters["DefaultDomain"]}
	s.Values = s.Mapping.evaluate(ctx, env, j.Taken, link != nil)
	for _, m := range s.Mapping.Matching {
		for i := range s.Values {
			v := &s.Values[i]
			if v.Flow != m || v.Err != nil {
				continue
			}
			if text, ok := v.Value.(string); ok && text != "" {
				s.Matches = append(s.Matches, MatchQuery{m, text})
			}
		}
	}
	return s
}

// NeedsTarget reports whether the decision depends on the target's state.
func (s *Subject) NeedsTarget() bool {
	return s.Mapping != nil && s.Removed != RemovedHard && len(s.Values) > 0
}

// A TargetState is what is known of the target about one subject.
type TargetState struct {
	// Current is the linked or matched object, nil when there is none.
	Current *scim.Resource
	// Gone: the link pointed to an object that no longer exists.
	Gone bool
	// Candidates are the IDs found by the first matching attribute that found any,
	// MatchedBy is that attribute.
	Candidates []string
	MatchedBy  string
	// TakenBy is the source ID that is already linked to the only candidate.
	TakenBy string
	// Members are the source IDs of the exported members of a group.
	Members []string
	// Resolve finds the target object of a source object.
	Resolve Resolver
}

// Decide says what must happen to one object. It is pure: no I/O, no clock, no
// randomness. Everything that plan, log, explain and undo show comes from here.
func (j *Job) Decide(s *Subject, t TargetState) Decision {
	d := Decision{}
	if s.Link != nil {
		d.TargetID = s.Link.TargetID
	}
	d.step(importStep(s))
	if s.Mapping == nil {
		return d.skip(CodeActionSwitchedOff, strings.ToLower(string(s.Object.Type))+"s are not provisioned by this app", StepScoping)
	}
	if s.Removed == RemovedHard {
		return j.decideRemoval(s, d)
	}
	d.step(scopingStep(s))
	if !s.InScope {
		return j.decideOutOfScope(s, t, d)
	}
	if bad := firstError(s.Values); bad != nil {
		return d.fail(CodeExpressionFailed, fmt.Sprintf("the mapping of %s failed: %v", bad.Flow.Target, bad.Err), StepProcessing)
	}
	if s.Link == nil || t.Gone {
		if len(s.Matches) == 0 {
			return d.fail(CodeImportSkipped, "it has no value for any matching attribute ("+matchingNames(s.Mapping)+")", StepMatching)
		}
		if t.Gone {
			d.step(Step{Name: "EntryImportObjectNotFound", Type: StepMatching, Status: StatusWarning,
				Description: fmt.Sprintf("The linked object %s no longer exists in the target; it is matched anew", s.Link.TargetID)})
			d.TargetID = ""
		}
		switch {
		case len(t.Candidates) > 1:
			return d.fail(CodeDuplicateTargetEntries, fmt.Sprintf("%d target objects have this %s: %s", len(t.Candidates), t.MatchedBy, strings.Join(t.Candidates, ", ")), StepMatching)
		case t.TakenBy != "":
			return d.fail(CodeDuplicateSourceEntries, fmt.Sprintf("the target object %s already belongs to source object %s", t.Candidates[0], t.TakenBy), StepMatching)
		case len(t.Candidates) == 1:
			d.TargetID, d.MatchedBy = t.Candidates[0], t.MatchedBy
		}
	}
	if t.Current == nil {
		return j.decideCreate(s, t, d)
	}
	return j.decideUpdate(s, t, d)
}

func (j *Job) decideCreate(s *Subject, t TargetState, d Decision) Decision {
	d.step(Step{Name: "EntryImportObjectNotFound", Type: StepMatching, Status: StatusSuccess,
		Description: "No target object has " + describeMatches(s.Matches)})
	if s.Mapping.Flow&FlowAdd == 0 {
		return d.skip(CodeActionSwitchedOff, "creating is switched off in the mapping", StepProcessing)
	}
	r, written, waiting := s.Mapping.Resource(s.Values, t.Resolve)
	if missing := missingRequired(s.Mapping, r); missing != "" {
		return d.fail(CodeAttributeValidation, "the target requires "+missing+", which has no value", StepProcessing)
	}
	d.Action, d.Resource, d.Delta, d.Waiting = ActionCreate, r.Attributes(), written, waiting
	d.AddMembers = s.Object.Members
	d.step(Step{Name: "EntrySynchronizationAdd", Type: StepMatching, Status: StatusSuccess,
		Description: fmt.Sprintf("%s %q will be created", s.Object.Type, s.Object.Name())})
	return d
}

func (j *Job) decideUpdate(s *Subject, t TargetState, d Decision) Decision {
	d.step(Step{Name: "EntryImport", Type: StepMatching, Status: StatusSuccess,
		Description: fmt.Sprintf("Retrieved %q from the target", s.Object.Name()), Details: map[string]string{"id": t.Current.ID}})
	d.Delta, d.Waiting = s.Mapping.Diff(s.Values, t.Current, t.Resolve)
	d.AddMembers, d.RemoveMembers = memberDifference(s.Object.Members, t.Members)
	if len(d.Delta) == 0 && len(d.AddMembers) == 0 && len(d.RemoveMembers) == 0 {
		d.Action, d.Code, d.Reason = ActionNone, CodeRedundantExport, "source and target already agree"
		d.step(Step{Name: "EntrySynchronizationSkip", Type: StepProcessing, Status: StatusSkipped, Description: "Source and target already agree; nothing is sent",
			Details: map[string]string{"SkipReason": string(CodeRedundantExport)}})
		return d
	}
	if s.Mapping.Flow&FlowUpdate == 0 {
		return d.skip(CodeActionSwitchedOff, "updating is switched off in the mapping", StepProcessing)
	}
	d.Action = ActionUpdate
	d.step(Step{Name: "EntrySynchronizationUpdate", Type: StepProcessing, Status: StatusSuccess,
		Description: fmt.Sprintf("%s %q differs in %s", s.Object.Type, s.Object.Name(), describeChange(d))})
	return d
}

// decideOutOfScope follows Entra's deprovisioning matrix: who was provisioned
// and fell out of scope is disabled once; who never was is skipped.
func (j *Job) decideOutOfScope(s *Subject, t TargetState, d Decision) Decision {
	why := outOfScopeReason(s)
	if s.Link == nil {
		return d.skip(CodeNotEffectivelyEntitled, why, StepScoping)
	}
	if s.Scope.Dropped {
		return d.skip(CodeNotEffectivelyEntitled, "dropped by an input filter, which leaves accounts as they are", StepScoping)
	}
	if !s.Link.Managed {
		return d.skip(CodeNotManaged, why+"; it was handed over when it fell out of scope", StepScoping)
	}
	if s.Active && j.SkipOutOfScopeDeletions {
		return d.skip(CodeSkipOutOfScopeDeletion, why+"; SkipOutOfScopeDeletions leaves the account alone", StepScoping)
	}
	if t.Current == nil {
		return d.skip(CodeNotEffectivelyEntitled, why+", and its target object no longer exists", StepMatching)
	}
	if bad := firstError(s.Values); bad != nil {
		return d.fail(CodeExpressionFailed, fmt.Sprintf("the mapping of %s failed: %v", bad.Flow.Target, bad.Err), StepProcessing)
	}
	// Unassigned and filtered objects are no longer ours afterwards; disabled and
	// recycled ones stay managed, since they may come back or be purged.
	d.Unmanage = s.Active
	soft := slices.ContainsFunc(s.Mapping.Flows, func(f *AttributeFlow) bool { return strings.EqualFold(f.Target, "active") })
	if s.Object.Type == Group || !soft {
		if s.Mapping.Flow&FlowDelete == 0 {
			return d.skip(CodeActionSwitchedOff, why+"; deleting is switched off in the mapping", StepProcessing)
		}
		d.Action, d.Reason = ActionDelete, why
		d.step(Step{Name: "EntrySynchronizationDelete", Type: StepProcessing, Status: StatusSuccess,
			Description: fmt.Sprintf("%s %q will be deleted: %s", s.Object.Type, s.Object.Name(), why)})
		return d
	}
	if s.Mapping.Flow&FlowUpdate == 0 {
		return d.skip(CodeActionSwitchedOff, why+"; updating, and with it disabling, is switched off in the mapping", StepProcessing)
	}
	delta, _ := s.Mapping.Diff(s.Values, t.Current, t.Resolve)
	for _, c := range delta {
		if strings.EqualFold(c.Path, "active") {
			d.Delta = Delta{c}
		}
	}
	if len(d.Delta) == 0 {
		d.Action, d.Code, d.Reason = ActionNone, CodeRedundantExport, "already disabled in the target"
		return d
	}
	d.Action, d.Reason = ActionDisable, why
	d.step(Step{Name: "EntrySynchronizationUpdate", Type: StepProcessing, Status: StatusSuccess,
		Description: fmt.Sprintf("%q will be disabled: %s", s.Object.Name(), why)})
	return d
}

func (j *Job) decideRemoval(s *Subject, d Decision) Decision {
	const why = ReasonDeleted
	switch {
	case s.Link == nil:
		return d.skip(CodeNotEffectivelyEntitled, why+" before it was ever provisioned", StepScoping)
	case !s.Link.Managed:
		return d.skip(CodeNotManaged, why+"; it was handed over when it fell out of scope", StepScoping)
	case s.Mapping.Flow&FlowDelete == 0:
		return d.skip(CodeActionSwitchedOff, why+"; deleting is switched off in the mapping", StepProcessing)
	}
	d.Action, d.Reason = ActionDelete, why
	d.step(Step{Name: "EntrySynchronizationDelete", Type: StepProcessing, Status: StatusSuccess,
		Description: fmt.Sprintf("%s %q will be deleted: %s", s.Object.Type, s.Object.Name(), why)})
	return d
}

func (d *Decision) step(s Step) { d.Steps = append(d.Steps, s) }

func (d Decision) skip(code Code, reason, stepType string) Decision {
	d.Action, d.Code, d.Reason = ActionSkip, code, reason
	d.step(Step{Name: "EntrySynchronizationSkip", Type: stepType, Status: StatusSkipped,
		Description: "Left alone: " + reason, Details: map[string]string{"SkipReason": string(code)}})
	return d
}

func (d Decision) fail(code Code, reason, stepType string) Decision {
	d.Action, d.Code, d.Reason = ActionFail, code, reason
	d.step(Step{Name: "EntrySynchronizationSkip", Type: stepType, Status: StatusFailure,
		Description: reason, Details: map[string]string{"ErrorCode": string(code)}})
	return d
}

func importStep(s *Subject) Step {
	name, kind := "EntryImportUpdate", "Update"
	switch {
	case s.Removed != NotRemoved:
		name, kind = "EntryImportDelete", "Delete"
	case s.Link == nil:
		name, kind = "EntryImportAdd", "Add"
	}
	return Step{Name: name, Type: StepImport, Status: StatusSuccess,
		Description: fmt.Sprintf("Received %s %q change of type (%s) from the source", s.Object.Type, s.Object.Name(), kind),
		Details:     map[string]string{"objectId": s.Object.ID}}
}

func scopingStep(s *Subject) Step {
	status := StatusSuccess
	if !s.InScope {
		status = StatusSkipped
	}
	return Step{Name: "EntrySynchronizationScoping", Type: StepScoping, Status: status,
		Description: fmt.Sprintf("Determine if %s in scope by evaluating against each scoping filter", s.Object.Type),
		Details: map[string]string{
			"Active in the source system":      entraBool(s.Active),
			"Assigned to the application":      entraBool(s.Assigned),
			"User has the required role":       entraBool(s.Entitled),
			"Scoping filter evaluation passed": entraBool(s.Scope.Passed),
			"ScopeEvaluationResult":            s.Scope.Result(),
		}}
}

func entraBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// Why an object is out of scope, in plain words. Skips are counted by them.
const (
	ReasonRecycled    = "in the source directory's recycle bin"
	ReasonDisabled    = "disabled in the source directory"
	ReasonNotAssigned = "not assigned to the app"
	ReasonFiltered    = "outside the scoping filter"
	ReasonDeleted     = "deleted in the source directory"
)

func outOfScopeReason(s *Subject) string {
	switch {
	case s.Removed == RemovedSoft:
		return ReasonRecycled
	case !s.Active:
		return ReasonDisabled
	case !s.Entitled:
		return ReasonNotAssigned
	default:
		return ReasonFiltered
	}
}

func firstError(values []Evaluated) *Evaluated {
	for i := range values {
		if values[i].Err != nil {
			return &values[i]
		}
	}
	return nil
}

func matchingNames(m *Mapping) string {
	var names []string
	for _, f := range m.Matching {
		names = append(names, f.Target)
	}
	return strings.Join(names, ", ")
}

func describeMatches(qs []MatchQuery) string {
	var parts []string
	for _, q := range qs {
		parts = append(parts, fmt.Sprintf("%s %q", q.Flow.Target, q.Value))
	}
	return strings.Join(parts, " or ")
}

func describeChange(d Decision) string {
	var parts []string
	for _, c := range d.Delta {
		parts = append(parts, c.Path)
	}
	if n := len(d.AddMembers) + len(d.RemoveMembers); n > 0 {
		parts = append(parts, fmt.Sprintf("%d members", n))
	}
	return strings.Join(parts, ", ")
}

// missingRequired names the first attribute that the target's schema requires
// and the resource lacks.
func missingRequired(m *Mapping, r *scim.Resource) string {
	for _, a := range m.TargetType.Schema.Attributes {
		if !a.Required {
			continue
		}
		if v, ok := r.Peek().Get(a.Name); !ok || v == nil || v == "" {
			return a.Name
		}
	}
	return ""
}

// memberDifference returns what must be added to and removed from exported to
// get wanted. Both are sorted by ID.
func memberDifference(wanted, exported []string) (add, remove []string) {
	i, k := 0, 0
	for i < len(wanted) || k < len(exported) {
		switch {
		case k == len(exported) || i < len(wanted) && wanted[i] < exported[k]:
			add = append(add, wanted[i])
			i++
		case i == len(wanted) || wanted[i] > exported[k]:
			remove = append(remove, exported[k])
			k++
		default:
			i, k = i+1, k+1
		}
	}
	return add, remove
}

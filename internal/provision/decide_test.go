package provision

import (
	"strings"
	"testing"
	"time"

	"lockstep/internal/expression"
	"lockstep/internal/scim"
)

func freshserviceJob(t *testing.T) *Job {
	t.Helper()
	s, err := Template("freshservice")
	if err != nil {
		t.Fatal(err)
	}
	app := &App{Name: "test", Schema: s}
	j, err := app.Job(scim.UserType(), scim.GroupType())
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func person(id string, attrs ...string) *Object {
	o := &Object{Type: User, ID: id, Attributes: map[string]expression.Value{}}
	for i := 0; i+1 < len(attrs); i += 2 {
		o.Attributes[attrs[i]] = expression.Text(attrs[i+1])
	}
	return o
}

func ada(attrs ...string) *Object {
	return person("1", append([]string{"userPrincipalName", "ada@acme.example", "mail", "ada@acme.example", "displayName", "Ada Lovelace",
		"givenName", "Ada", "surname", "Lovelace", "accountEnabled", "True"}, attrs...)...)
}

// held is what the target holds once ada was created.
func held(t *testing.T, j *Job, o *Object) *scim.Resource {
	t.Helper()
	s := j.Assess(t.Context(), o, NotRemoved, true, nil, time.Unix(0, 0))
	r, _, _ := j.Users.Resource(s.Values, nobody)
	r.ID = "t1"
	return r
}

func nobody(ObjectType, string) (string, bool) { return "", false }

// TestDecide walks Entra's matrix: scope, link and target state on one side,
// action and reason on the other.
func TestDecide(t *testing.T) {
	link := &Link{Type: User, SourceID: "1", TargetID: "t1", Managed: true}
	unmanaged := &Link{Type: User, SourceID: "1", TargetID: "t1"}
	tests := []struct {
		name     string
		job      func(*Job)
		object   *Object
		removed  Removal
		assigned bool
		link     *Link
		current  bool // the target holds ada as she was created
		state    TargetState
		want     Action
		code     Code
		reason   string
		changes  string
	}{
		{name: "new and assigned", object: ada(), assigned: true, want: ActionCreate},
		{name: "new, everybody in scope", object: ada(), job: func(j *Job) { j.SyncAll = true }, want: ActionCreate},
		{name: "new, not assigned", object: ada(), want: ActionSkip, code: CodeNotEffectivelyEntitled, reason: ReasonNotAssigned},
		{name: "new and disabled", object: ada("accountEnabled", "False"), assigned: true, want: ActionSkip, code: CodeNotEffectivelyEntitled, reason: ReasonDisabled},
		{name: "new, creating switched off", object: ada(), assigned: true, job: func(j *Job) { j.Users.Flow &^= FlowAdd }, want: ActionSkip, code: CodeActionSwitchedOff},
		{name: "no matching value", object: person("1", "displayName", "Nameless"), assigned: true, want: ActionFail, code: CodeImportSkipped, reason: "userName"},
		{name: "found by match, equal", object: ada(), assigned: true, current: true, state: TargetState{Candidates: []string{"t1"}, MatchedBy: "userName"}, want: ActionNone, code: CodeRedundantExport},
		{name: "found by match, differs", object: ada("jobTitle", "Countess"), assigned: true, current: true, state: TargetState{Candidates: []string{"t1"}, MatchedBy: "userName"}, want: ActionUpdate, changes: "title"},
		{name: "found twice", object: ada(), assigned: true, state: TargetState{Candidates: []string{"t1", "t2"}, MatchedBy: "userName"}, want: ActionFail, code: CodeDuplicateTargetEntries, reason: "t1, t2"},
		{name: "found, but somebody else's", object: ada(), assigned: true, current: true, state: TargetState{Candidates: []string{"t1"}, MatchedBy: "userName", TakenBy: "9"}, want: ActionFail, code: CodeDuplicateSourceEntries, reason: "9"},
		{name: "linked, equal", object: ada(), assigned: true, link: link, current: true, want: ActionNone, code: CodeRedundantExport},
		{name: "linked, changed", object: ada("jobTitle", "Countess", "department", "Mathematics"), assigned: true, link: link, current: true, want: ActionUpdate, changes: "title,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"},
		{name: "linked, changed, updating switched off", object: ada("jobTitle", "Countess"), assigned: true, link: link, current: true, job: func(j *Job) { j.Users.Flow &^= FlowUpdate }, want: ActionSkip, code: CodeActionSwitchedOff},
		{name: "a value that went empty stays", object: person("1", "userPrincipalName", "ada@acme.example", "displayName", "Ada Lovelace", "accountEnabled", "True"), assigned: true, link: link, current: true, want: ActionNone},
		{name: "linked, target object gone", object: ada(), assigned: true, link: link, state: TargetState{Gone: true}, want: ActionCreate},
		{name: "linked, now disabled", object: ada("accountEnabled", "False"), assigned: true, link: link, current: true, want: ActionDisable, reason: ReasonDisabled, changes: "active"},
		{name: "linked, now disabled, with other changes", object: ada("accountEnabled", "False", "jobTitle", "Late"), assigned: true, link: link, current: true, want: ActionDisable, changes: "active"},
		{name: "linked, now unassigned", object: ada(), link: link, current: true, want: ActionDisable, reason: ReasonNotAssigned, changes: "active"},
		{name: "linked, unassigned, skip out of scope deletions", object: ada(), link: link, current: true, job: func(j *Job) { j.SkipOutOfScopeDeletions = true }, want: ActionSkip, code: CodeSkipOutOfScopeDeletion},
		{name: "disabled in spite of skip out of scope deletions", object: ada("accountEnabled", "False"), assigned: true, link: link, current: true, job: func(j *Job) { j.SkipOutOfScopeDeletions = true }, want: ActionDisable},
		{name: "handed over earlier, still unassigned", object: ada(), link: unmanaged, current: true, want: ActionSkip, code: CodeNotManaged},
		{name: "handed over earlier, assigned again", object: ada("jobTitle", "Back"), assigned: true, link: unmanaged, current: true, want: ActionUpdate, changes: "title"},
		{name: "recycle bin", object: ada(), removed: RemovedSoft, assigned: true, link: link, current: true, want: ActionDisable, reason: ReasonRecycled},
		{name: "purged", object: ada(), removed: RemovedHard, link: link, want: ActionDelete, reason: ReasonDeleted},
		{name: "purged after being handed over", object: ada(), removed: RemovedHard, link: unmanaged, want: ActionSkip, code: CodeNotManaged},
		{name: "purged, deleting switched off", object: ada(), removed: RemovedHard, link: link, job: func(j *Job) { j.Users.Flow &^= FlowDelete }, want: ActionSkip, code: CodeActionSwitchedOff},
		{name: "purged before it arrived", object: ada(), removed: RemovedHard, want: ActionSkip},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := freshserviceJob(t)
			if tt.job != nil {
				tt.job(j)
			}
			s := j.Assess(t.Context(), tt.object, tt.removed, tt.assigned, tt.link, time.Unix(0, 0))
			state := tt.state
			state.Resolve = nobody
			if tt.current {
				state.Current = held(t, freshserviceJob(t), ada())
			}
			d := j.Decide(s, state)
			if d.Action != tt.want {
				t.Fatalf("action %s (%s: %s), want %s", d.Action, d.Code, d.Reason, tt.want)
			}
			if tt.code != "" && d.Code != tt.code {
				t.Errorf("code %s, want %s", d.Code, tt.code)
			}
			if !strings.Contains(d.Reason, tt.reason) {
				t.Errorf("reason %q lacks %q", d.Reason, tt.reason)
			}
			var changed []string
			for _, c := range d.Delta {
				changed = append(changed, c.Path)
			}
			if tt.changes != "" && strings.Join(changed, ",") != tt.changes {
				t.Errorf("changes %s, want %s", strings.Join(changed, ","), tt.changes)
			}
			if len(d.Steps) < 2 || d.Steps[0].Type != StepImport {
				t.Errorf("the chain of steps does not begin with the import: %+v", d.Steps)
			}
		})
	}
}

func TestDecideKeepsUnassignedButNotDisabledManaged(t *testing.T) {
	link := &Link{Type: User, SourceID: "1", TargetID: "t1", Managed: true}
	j := freshserviceJob(t)
	for _, tt := range []struct {
		object   *Object
		assigned bool
		unmanage bool
	}{{ada(), false, true}, {ada("accountEnabled", "False"), true, false}} {
		s := j.Assess(t.Context(), tt.object, NotRemoved, tt.assigned, link, time.Unix(0, 0))
		d := j.Decide(s, TargetState{Current: held(t, j, ada()), Resolve: nobody})
		if d.Action != ActionDisable || d.Unmanage != tt.unmanage {
			t.Errorf("%s: action %s, unmanage %v; want disable, %v", d.Reason, d.Action, d.Unmanage, tt.unmanage)
		}
	}
}

func TestGuard(t *testing.T) {
	for _, tt := range []struct {
		removals, linked int
		want             bool
	}{
		{0, 100, false}, {1, 5, false}, {9, 10, false}, {10, 50, false}, {11, 50, true}, {20, 100, false}, {21, 100, true}, {501, 100_000, true}, {500, 100_000, false},
	} {
		if got, why := DefaultGuard.Holds(tt.removals, tt.linked); got != tt.want || got && why == "" {
			t.Errorf("Holds(%d, %d) = %v %q, want %v", tt.removals, tt.linked, got, why, tt.want)
		}
	}
	if got, _ := (Guard{}).Holds(100, 100); got {
		t.Error("a guard that is switched off holds")
	}
}

func TestWavesPutManagersFirst(t *testing.T) {
	item := func(seq int64, id string, t ObjectType, a Action, waits ...string) *Item {
		it := &Item{Seq: seq, Ref: Ref{t, id}, State: ItemPlanned, Decision: Decision{Action: a}}
		for _, w := range waits {
			it.Decision.Waiting = append(it.Decision.Waiting, Waiting{Attribute: "manager", Type: User, SourceID: w})
		}
		return it
	}
	w := &waves{}
	w.add([]*Item{
		item(1, "report", User, ActionCreate, "lead"),
		item(2, "lead", User, ActionCreate, "boss"),
		item(3, "boss", User, ActionCreate),
		item(4, "alone", User, ActionCreate, "elsewhere"),
		item(5, "x", User, ActionCreate, "y"),
		item(6, "y", User, ActionCreate, "x"),
		item(7, "team", Group, ActionCreate),
		item(8, "moved", User, ActionUpdate, "lead"),
	})
	got := w.assign()
	wave := func(seq int64) int { return got[seq] }
	if !(wave(3) < wave(2) && wave(2) < wave(1) && wave(2) < wave(8)) {
		t.Errorf("a manager does not come before the reports: %v", got)
	}
	if wave(4) != 0 {
		t.Errorf("who waits for somebody outside the plan must not wait for a wave: %v", got)
	}
	if wave(7) != groupWave {
		t.Errorf("groups do not come last: %v", got)
	}
	if wave(5) > 2 || wave(6) > 2 {
		t.Errorf("a circle of managers was not broken: %v", got)
	}
}

func TestMemberDifference(t *testing.T) {
	add, remove := memberDifference([]string{"a", "b", "d"}, []string{"b", "c"})
	if strings.Join(add, "") != "ad" || strings.Join(remove, "") != "c" {
		t.Errorf("add %v, remove %v", add, remove)
	}
}

func BenchmarkDecide(b *testing.B) {
	s, err := Template("freshservice")
	if err != nil {
		b.Fatal(err)
	}
	j, err := (&App{Schema: s, SyncAll: true}).Job(scim.UserType(), scim.GroupType())
	if err != nil {
		b.Fatal(err)
	}
	o := ada("jobTitle", "Countess", "department", "Mathematics")
	for b.Loop() {
		sub := j.Assess(b.Context(), o, NotRemoved, true, nil, time.Unix(0, 0))
		if d := j.Decide(sub, TargetState{Resolve: nobody}); d.Action != ActionCreate {
			b.Fatal(d.Action)
		}
	}
}

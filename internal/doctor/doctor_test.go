package doctor

import (
	"strings"
	"testing"

	"lockstep/internal/provision"
)

func done(name string, action provision.Action, status string, code provision.Code, message string) *provision.Item {
	return &provision.Item{Ref: provision.Ref{Type: provision.User, ID: name}, Name: name, State: provision.ItemDone,
		Decision: provision.Decision{Action: action}, Outcome: &provision.Outcome{Status: status, Code: code, Message: message}}
}

func evidence(t *testing.T, change func(*Evidence)) *Evidence {
	t.Helper()
	s, err := provision.Template("freshservice")
	if err != nil {
		t.Fatal(err)
	}
	e := &Evidence{Schema: s, Cycle: &provision.Cycle{}, MailDiffers: &Sample{}, Notes: map[string]Noted{}}
	e.AddItem(done("fine@acme.example", provision.ActionCreate, provision.StatusSuccess, "", ""))
	if change != nil {
		change(e)
	}
	return e
}

// TestStagedTroubles stages each trouble in evidence; the healthy twin is the same
// evidence without it.
func TestStagedTroubles(t *testing.T) {
	if got := Examine(evidence(t, nil)); len(got) != 0 {
		t.Fatalf("healthy evidence leads to %v", got)
	}
	tests := []struct {
		id       string
		severity Severity
		stage    func(*Evidence)
		says     string
	}{
		{"CORE-01", Error, func(e *Evidence) {
			e.AddItem(done("a", provision.ActionCreate, provision.StatusFailure, provision.CodeUnauthorized, "401"))
		}, "rotate-key"},
		{"CORE-02", Warning, func(e *Evidence) { e.MailDiffers.Add("a") }, "[userPrincipalName]"},
		{"CORE-06", Info, func(e *Evidence) {
			e.Notes["secondary_email_equals_primary"] = Noted{Count: 2, Values: []string{"a@b.example"}}
		}, "IgnoreFlowIfNullOrEmpty"},
		{"CORE-07", Warning, func(e *Evidence) {
			e.Notes["unknown_time_zone"] = Noted{Count: 1, Values: []string{"Mars/Olympus"}}
		}, "Mars/Olympus"},
		{"CORE-08", Warning, func(e *Evidence) {
			e.AddItem(done("a", provision.ActionSkip, provision.StatusSkipped, provision.CodeNotEffectivelyEntitled, provision.ReasonNotAssigned))
		}, "assigned"},
		{"SCOPE-04", Info, func(e *Evidence) {
			e.AddItem(done("a", provision.ActionSkip, provision.StatusSkipped, provision.CodeNotEffectivelyEntitled, provision.ReasonDisabled))
		}, "disabled"},
		{"SOURCE-01", Error, func(e *Evidence) {
			e.Cycle.Counts.Failed = map[string]int{string(provision.CodeMalformedEntry): 3}
		}, "row and column"},
		{"SOURCE-02", Warning, func(e *Evidence) { e.Cycle.Counts.Incomplete = 2 }, "manager"},
		{"DEPR-11", Error, func(e *Evidence) { e.Cycle.Counts.Held = 30; e.Cycle.Error = "30 of 40 people would lose access" }, "30 of 40"},
		{"FS-06", Warning, func(e *Evidence) { e.Notes["unknown_department"] = Noted{Count: 1, Values: []string{"Alchemy"}} }, "Alchemy"},
		{"FS-07", Warning, func(e *Evidence) { e.Notes["unknown_location"] = Noted{Count: 1, Values: []string{"Moon"}} }, "Moon"},
		{"ATTR-09", Warning, func(e *Evidence) {
			it := done("a", provision.ActionCreate, provision.StatusSuccess, "", "")
			it.Decision.Waiting = []provision.Waiting{{Attribute: "manager", Type: provision.User, SourceID: "m"}}
			e.AddItem(it)
		}, "no restart"},
		{"FS-14", Error, func(e *Evidence) {
			e.AddItem(done("a", provision.ActionCreate, provision.StatusFailure, provision.CodeConflict, "taken"))
		}, "belong to one person"},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			got := Examine(evidence(t, tt.stage))
			if len(got) != 1 || got[0].ID != tt.id || got[0].Severity != tt.severity {
				t.Fatalf("findings %+v, want one %s of severity %s", got, tt.id, tt.severity)
			}
			f := got[0]
			if f.Count < 1 || f.Title == "" || f.Fix == "" || !strings.Contains(f.Explanation+f.Fix, tt.says) {
				t.Errorf("the finding does not say enough: %+v", f)
			}
		})
	}
}

func TestWorstFirst(t *testing.T) {
	got := Examine(evidence(t, func(e *Evidence) {
		e.Notes["secondary_email_equals_primary"] = Noted{Count: 900}
		e.Notes["unknown_department"] = Noted{Count: 5}
		e.Notes["unknown_location"] = Noted{Count: 7}
		e.Cycle.Counts.Held = 1
	}))
	var ids []string
	for _, f := range got {
		ids = append(ids, f.ID)
	}
	if s := strings.Join(ids, " "); s != "DEPR-11 FS-07 FS-06 CORE-06" {
		t.Errorf("order %s", s)
	}
}

func TestCoreTwoIsSilentWhenBothComeFromMail(t *testing.T) {
	e := evidence(t, func(e *Evidence) { e.MailDiffers.Add("a") })
	if err := e.Schema.Mapping(provision.User).SetExpression("userName", "[mail]"); err != nil {
		t.Fatal(err)
	}
	if got := Examine(e); len(got) != 0 {
		t.Errorf("findings %v", got)
	}
}

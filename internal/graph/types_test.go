package graph_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lockstep/internal/graph"
)

// The documented documents come back as they were, member for member.
func TestTypesKeepDocumentedShapes(t *testing.T) {
	t.Parallel()
	for file, into := range map[string]any{
		"testdata/job.json": &graph.SynchronizationJob{}, "testdata/provisioning.json": &graph.ProvisioningObjectSummary{},
	} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		back, err := json.Marshal(into)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tree(t, data), tree(t, back)); d != "" {
			t.Errorf("%s changed on the way (-read +written):\n%s", file, d)
		}
	}
}

func tree(tb testing.TB, data []byte) (v any) {
	tb.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatal(err)
	}
	return v
}

func TestInterval(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want graph.Interval
	}{
		{"PT40M", graph.Interval(40 * time.Minute)},
		{"PT20M", graph.Interval(20 * time.Minute)},
		{"P1DT2H3M4.5S", graph.Interval(26*time.Hour + 3*time.Minute + 4500*time.Millisecond)},
		{"PT0S", 0},
		{"-PT1S", graph.Interval(-time.Second)},
		{"P10675199DT2H48M5.4775807S", graph.NoInterval},
	} {
		got, err := graph.ParseInterval(c.text)
		if err != nil || got != c.want || got.String() != c.text {
			t.Errorf("%s: got %v (%s), %v", c.text, time.Duration(got), got, err)
		}
	}
	for _, bad := range []string{"", "P", "PT", "40M", "PT40", "P1H", "PT1D", "PT1M1H", "P1.5D", "PT1S1S", "PTT1S", "PTM"} {
		if got, err := graph.ParseInterval(bad); err == nil {
			t.Errorf("%q was taken for %s", bad, got)
		}
	}
}

func TestIntervalsReadAsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Down to the tenth of a microsecond that .NET counts in.
		want := graph.Interval(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "ticks") * 100)
		got, err := graph.ParseInterval(want.String())
		if err != nil || got != want {
			t.Fatalf("%s: got %d, want %d, %v", want, got, want, err)
		}
	})
}

func TestResetScope(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, written string
		want          graph.ResetScope
	}{
		{"Watermark, Escrows, QuarantineState", "Escrows, Watermark, QuarantineState", graph.ResetPortal},
		{"full", "Full", graph.ResetFull},
		{"", "None", 0},
		{"None", "None", 0},
		{"ForceDeletes,Watermark", "Watermark, ForceDeletes", 36},
		{"ConnectorDataStore, Escrows, Watermark, QuarantineState", "Full", 15},
	} {
		got, err := graph.ParseResetScope(c.text)
		if err != nil || got != c.want || got.String() != c.written {
			t.Errorf("%q: got %d (%s), %v", c.text, got, got, err)
		}
	}
	if _, err := graph.ParseResetScope("Everything"); err == nil {
		t.Error("an unknown flag was taken")
	}
}

func TestDirectoryObjectKeepsEverything(t *testing.T) {
	t.Parallel()
	const text = `{"@odata.type":"#microsoft.graph.user","id":"1","n":12345678901234567890,"x":null,"list":["a"],"@removed":{"reason":"deleted"},"onPremises":{"a":1}}`
	var o graph.DirectoryObject
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	if o.ID != "1" || o.Type != graph.TypeUser || o.Removed != graph.RemovedDeleted || o.Properties["n"] != json.Number("12345678901234567890") {
		t.Errorf("got %+v", o)
	}
	back, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tree(t, []byte(text)), tree(t, back)); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{`{"id":1}`, `null`, `[]`, `{"@odata.type":{}}`} {
		if err := json.Unmarshal([]byte(`{"value":[`+bad+`]}`), &graph.Page[*graph.DirectoryObject]{}); err == nil && bad != "null" {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestClouds(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"":         {"https://login.microsoftonline.com", "https://graph.microsoft.com"},
		"USGov":    {"https://login.microsoftonline.us", "https://graph.microsoft.us"},
		"usgovdod": {"https://login.microsoftonline.us", "https://dod-graph.microsoft.us"},
		"china":    {"https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"},
	} {
		c, err := graph.ParseCloud(name)
		if err != nil || c.LoginURL() != want[0] || c.GraphURL() != want[1] {
			t.Errorf("%q: got %s and %s, %v", name, c.LoginURL(), c.GraphURL(), err)
		}
	}
	if _, err := graph.ParseCloud("mars"); err == nil {
		t.Error("an unknown cloud was taken")
	}
}

func FuzzDeltaPage(f *testing.F) {
	for _, s := range []string{
		`{"value":[{"id":"1","members@delta":[{"id":"2","@removed":{"reason":"deleted"}}]}],"@odata.deltaLink":"x"}`,
		`{"value":[{"id":"1","@removed":{"reason":"changed"}}],"@odata.nextLink":"https://graph.microsoft.com/v1.0/users/delta?$skiptoken=a"}`,
		`{"value":null}`, `{"value":[null]}`, `{"value":[{"manager@delta":7,"id":""}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p graph.Page[graph.DirectoryObject]
		if json.Unmarshal(data, &p) != nil {
			return
		}
		for i := range p.Value {
			o := &p.Value[i]
			for _, relation := range []string{"members", "manager"} {
				related, told, err := o.Relation(relation)
				if err == nil && !told && related != nil {
					t.Error("related objects that nobody told of")
				}
			}
			first, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			var again graph.DirectoryObject
			if err := json.Unmarshal(first, &again); err != nil {
				t.Fatalf("%s cannot be read back: %v", first, err)
			}
			second, err := json.Marshal(again)
			if err != nil || string(first) != string(second) {
				t.Fatalf("%s became %s, %v", first, second, err)
			}
		}
	})
}

func FuzzInterval(f *testing.F) {
	f.Add("PT40M")
	f.Add("P10675199DT2H48M5.4775807S")
	f.Add("-P1DT1.5S")
	f.Fuzz(func(t *testing.T, s string) {
		i, err := graph.ParseInterval(s)
		if err != nil {
			return
		}
		if again, err := graph.ParseInterval(i.String()); err != nil || again-i > 100 || i-again > 100 {
			t.Fatalf("%q is %s, which is %s, %v", s, i, again, err)
		}
	})
}

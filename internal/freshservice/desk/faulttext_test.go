package desk_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/freshservice/desk"
)

func TestParseFault(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]desk.Fault{
		"POST /requesters=timeout-after-write:0.05": {Method: "POST", Path: "/api/v2/requesters", Kind: "timeout-after-write", Probability: 0.05},
		"=500:0.1":                                      {Kind: "500", Probability: 0.1},
		"put=429,retry-after=7,count=3":                 {Method: "PUT", Kind: "429", RetryAfter: 7, Count: 3},
		"/api/v2/agents/*=latency,latency=2s":           {Path: "/api/v2/agents/*", Kind: "latency", Latency: "2s"},
		"GET /requesters=error,status=404,duration=30s": {Method: "GET", Path: "/api/v2/requesters", Kind: "error", Status: 404, Duration: "30s"},
		"DELETE=error":                                  {Method: "DELETE", Kind: "error", Status: 400},
	} {
		got, err := desk.ParseFault(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
	for in, mention := range map[string]string{
		"": "lacks", "POST /requesters": "lacks", "POST requesters=500": "neither a method nor a path", "=flood": "none of",
		"=500:2": "probability", "=500:x": "probability", "=500:NaN": "probability", "=500,speed=3": "none of", "=429,count=many": "not a number",
		"=latency,latency=soon": "latency", "=error,status=200": "status", "=500,count=-1": "negative",
	} {
		if _, err := desk.ParseFault(in); err == nil || !strings.Contains(err.Error(), mention) {
			t.Errorf("%q: %v, want a word of %q", in, err, mention)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("POST /requesters=timeout-after-write:0.05")
	f.Add("=429,retry-after=7,count=3")
	f.Fuzz(func(t *testing.T, s string) {
		rule, err := desk.ParseFault(s)
		if err != nil {
			return
		}
		d := open(t, desk.Options{})
		if err := d.SetFaults(rule); err != nil {
			t.Errorf("%q was read and is refused: %v", s, err)
		}
	})
}

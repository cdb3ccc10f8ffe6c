package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkDemo measures the whole job (source, engine, SCIM, bridge, desk, both
// stores) for 10,000 people, and a second cycle in which nothing changed.
// The peak is that of the process, so run it alone for a meaningful figure.
func BenchmarkDemo(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		first := runDemo(b, dir)
		second := runDemo(b, dir)
		b.ReportMetric(first.Seconds, "s/first-cycle")
		b.ReportMetric(float64(first.FreshserviceCalls)/float64(first.Created), "calls/created")
		b.ReportMetric(second.Seconds, "s/unchanged-cycle")
		b.ReportMetric(float64(second.FreshserviceCalls), "calls/unchanged-cycle")
		b.ReportMetric(peakMB(), "MB-peak")
	}
}

func runDemo(b *testing.B, dir string) demoResult {
	var out, errOut bytes.Buffer
	args := []string{"demo", "--people", "10000", "--once", "--json", "--data", dir, "--listen", "127.0.0.1:0"}
	if code := Main(b.Context(), args, strings.NewReader(""), io.Writer(&out), &errOut); code != exitOK {
		b.Fatalf("the demo ended with %d:\n%s", code, errOut.String())
	}
	var r demoResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		b.Fatal(err)
	}
	return r
}

// peakMB is the largest resident size so far, where the system tells.
func peakMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb / 1024
		}
	}
	return 0
}

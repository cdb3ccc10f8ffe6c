package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
)

// A target is what is asked of one workload: so much of what the bare server
// reaches with the echo workload, or so many requests a second.
type target struct {
	work    string
	workers int // 0: as told
	echo    string
	ratio   float64
	rps     float64
}

var targets = []target{
	{work: "filter", echo: "echo-get", ratio: .60},
	{work: "get", echo: "echo-get", ratio: .70},
	{work: "page", echo: "echo-get", rps: 2000},
	{work: "patch-active", echo: "echo-post", ratio: .45},
	{work: "group-member", echo: "echo-post", ratio: .40},
	{work: "create", workers: 32, echo: "echo-post", ratio: .50},
}

// maxSpread is how many times the median the slowest hundredth may take.
const maxSpread = 10

// A line is the outcome of one workload: medians over the rounds.
type line struct {
	Workload    string  `json:"workload"`
	Workers     int     `json:"workers"`
	RPS         float64 `json:"rps"`
	EchoRPS     float64 `json:"echo_rps"`
	Ratio       float64 `json:"ratio"`
	TargetRatio float64 `json:"target_ratio,omitempty"`
	TargetRPS   float64 `json:"target_rps,omitempty"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	Spread      float64 `json:"p99_over_p50"`
	EchoSpread  float64 `json:"echo_p99_over_p50"`
	Holds       bool    `json:"holds"`
}

// suite measures every workload that has a target, each round beside the bare
// server, so that what else the machine does weighs on both.
func suite(o options) error {
	if o.echo == "" {
		return fmt.Errorf("the suite needs -echo, the URL of a scimload -serve-echo")
	}
	if _, err := measure(o, "get", o.url, o.workers); err != nil { // warms both up
		return err
	}
	if _, err := measure(o, "echo-post", o.echo, o.workers); err != nil {
		return err
	}
	// Sizes and memory are those of the seeded data, before creations add to it.
	size := sizeOf(o.files)
	rounds := make([][]line, len(targets))
	for range o.rounds {
		for i, t := range targets {
			l, err := t.measure(o)
			if err != nil {
				return fmt.Errorf("%s: %w", t.work, err)
			}
			rounds[i] = append(rounds[i], l)
		}
	}
	lines := make([]line, len(targets))
	for i, t := range targets {
		lines[i] = t.median(rounds[i])
	}
	now, peak := serverMemory(o.pid)
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{
			"workloads": lines, "database_mb": size, "server_rss_mb": now, "server_peak_rss_mb": peak,
		})
	}
	return show(lines, size, now, peak)
}

func measure(o options, work, url string, workers int) (*result, error) {
	o.work, o.url, o.workers = work, url, workers
	return run(o)
}

func (t target) measure(o options) (line, error) {
	workers := t.workers
	if workers == 0 {
		workers = o.workers
	}
	// Half of the comparison before and half after it, for a machine that drifts.
	half := o
	half.duration = o.duration / 2
	before, err := measure(half, t.echo, o.echo, o.workers)
	if err != nil {
		return line{}, err
	}
	r, err := measure(o, t.work, o.url, workers)
	if err != nil {
		return line{}, err
	}
	after, err := measure(half, t.echo, o.echo, o.workers)
	if err != nil {
		return line{}, err
	}
	bare := (before.RPS + after.RPS) / 2
	return line{Workers: workers, RPS: r.RPS, EchoRPS: bare, Ratio: r.RPS / bare, P50: r.P50, P99: r.P99, Spread: r.P99 / r.P50,
		EchoSpread: (before.P99/before.P50 + after.P99/after.P50) / 2}, nil
}

func (t target) median(rounds []line) line {
	mid := func(of func(line) float64) float64 {
		list := make([]float64, len(rounds))
		for i, l := range rounds {
			list[i] = of(l)
		}
		slices.Sort(list)
		return round(list[len(list)/2])
	}
	l := line{Workload: t.work, Workers: rounds[0].Workers, TargetRatio: t.ratio, TargetRPS: t.rps,
		RPS:        mid(func(l line) float64 { return l.RPS }),
		EchoRPS:    mid(func(l line) float64 { return l.EchoRPS }),
		Ratio:      mid(func(l line) float64 { return l.Ratio }),
		P50:        mid(func(l line) float64 { return l.P50 }),
		P99:        mid(func(l line) float64 { return l.P99 }),
		Spread:     mid(func(l line) float64 { return l.Spread }),
		EchoSpread: mid(func(l line) float64 { return l.EchoSpread }),
	}
	l.Holds = l.Ratio >= t.ratio && l.RPS >= t.rps && l.Spread < maxSpread
	return l
}

func show(lines []line, size, now, peak float64) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "workload\tworkers\trequests/s\techo/s\tratio\ttarget\tp50 ms\tp99 ms\tp99/p50\techo's\t\t")
	for _, l := range lines {
		target := fmt.Sprintf("%.2f", l.TargetRatio)
		if l.TargetRPS > 0 {
			target = fmt.Sprintf("%.0f/s", l.TargetRPS)
		}
		verdict := "holds"
		if !l.Holds {
			verdict = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.0f\t%.2f\t%s\t%.2f\t%.2f\t%.1f\t%.1f\t%s\t\n",
			l.Workload, l.Workers, l.RPS, l.EchoRPS, l.Ratio, target, l.P50, l.P99, l.Spread, l.EchoSpread, verdict)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if size > 0 {
		fmt.Printf("database after seeding: %.0f MB\n", size)
	}
	if now > 0 {
		fmt.Printf("server: %.0f MB resident, %.0f MB at most\n", now, peak)
	}
	return nil
}

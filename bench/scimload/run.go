package main

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A sample is what became of some requests.
type sample struct {
	took   []time.Duration
	status map[string]int
	bytes  int64
	failed int
	err    error // of the first that failed
}

func (s *sample) add(r response, err error) {
	if s.status == nil {
		s.status = map[string]int{}
	}
	s.took = append(s.took, r.took)
	s.status[strconv.Itoa(r.status)]++
	s.bytes += int64(len(r.body))
	if err != nil {
		s.failed++
		s.err = cmp.Or(s.err, err)
	}
}

func (s *sample) merge(o *sample) {
	s.took = append(s.took, o.took...)
	s.bytes += o.bytes
	s.failed += o.failed
	s.err = cmp.Or(s.err, o.err)
	if s.status == nil {
		s.status = map[string]int{}
	}
	for k, n := range o.status {
		s.status[k] += n
	}
}

// A result is one run of one workload. Times are in milliseconds.
type result struct {
	Workload   string         `json:"workload"`
	URL        string         `json:"url"`
	Workers    int            `json:"workers"`
	Seconds    float64        `json:"seconds"`
	Requests   int            `json:"requests"`
	Failed     int            `json:"failed"`
	Status     map[string]int `json:"status"`
	RPS        float64        `json:"rps"`
	P50        float64        `json:"p50_ms"`
	P90        float64        `json:"p90_ms"`
	P99        float64        `json:"p99_ms"`
	Max        float64        `json:"max_ms"`
	BytesIn    int64          `json:"bytes_in"`
	ServerRSS  float64        `json:"server_rss_mb,omitempty"`
	ServerPeak float64        `json:"server_peak_rss_mb,omitempty"`
	ServerCPU  float64        `json:"server_cpu_ms_per_request,omitempty"`
	Users      int            `json:"users,omitempty"`
	Error      string         `json:"error,omitempty"`
}

// run runs the workload that the options name.
func run(o options) (*result, error) {
	s, err := readState(o.state)
	if err != nil {
		return nil, err
	}
	c := newClient(o.url, o)
	defer c.http.CloseIdleConnections()
	start, cpu := time.Now(), serverCPU(o.pid)
	var got *sample
	switch o.work {
	case "seed":
		got, err = seed(c, s, o)
		err = cmp.Or(err, s.save(o.state))
	case "seed-group":
		got, err = seedGroup(c, s, o)
		err = cmp.Or(err, s.save(o.state))
	default:
		var next step
		if next, err = workload(o.work, c, s, o); err != nil {
			return nil, err
		}
		got = timed(next, o)
		err = got.err
	}
	if got == nil {
		return nil, err
	}
	r := &result{Workload: o.work, URL: o.url, Workers: o.workers, Seconds: round(time.Since(start).Seconds()),
		Requests: len(got.took), Failed: got.failed, Status: got.status, BytesIn: got.bytes, Users: len(s.Users)}
	r.RPS = round(float64(r.Requests) / time.Since(start).Seconds())
	if n := len(got.took); n > 0 {
		slices.Sort(got.took)
		at := func(p float64) float64 { return round(float64(got.took[int(p*float64(n-1))]) / 1e6) }
		r.P50, r.P90, r.P99, r.Max = at(.5), at(.9), at(.99), at(1)
		r.ServerCPU = round((serverCPU(o.pid) - cpu) * 1000 / float64(n))
	}
	r.ServerRSS, r.ServerPeak = serverMemory(o.pid)
	if err == nil && o.work == "group-member" {
		err = checkGroup(c, s, o)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r, err
}

// timed runs the steps of all workers until the time is up. A request that is
// under way then is finished and counts, so that a server slower than the run
// still gets a figure.
func timed(next step, o options) *sample {
	var (
		mu  sync.Mutex
		all sample
		wg  sync.WaitGroup
	)
	end := time.Now().Add(o.duration)
	for worker := range o.workers {
		wg.Go(func() {
			var mine sample
			for i := 0; time.Now().Before(end); i++ {
				r, err := next(worker, i)
				mine.add(r, err)
			}
			mu.Lock()
			defer mu.Unlock()
			all.merge(&mine)
		})
	}
	wg.Wait()
	return &all
}

func round(f float64) float64 { return math.Round(f*1000) / 1000 }

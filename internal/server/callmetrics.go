package server

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lockstep/internal/freshservice"
	"lockstep/internal/store"
)

// callMetrics shows the call budget of every Freshservice account that is in
// use, read when somebody looks.
type callMetrics struct {
	hub *hub

	mu    sync.Mutex
	notes map[string]countedNotes
}

// countedNotes are kept for a while: counting reads every note.
type countedNotes struct {
	at     time.Time
	byCode map[string]store.NotesOfCode
}

const notesFor = time.Minute

var (
	restCalls     = prometheus.NewDesc("lockstep_freshservice_calls_total", "REST calls sent to Freshservice, repetitions included.", []string{"account", "route"}, nil)
	restTooMany   = prometheus.NewDesc("lockstep_freshservice_too_many_requests_total", "Calls that Freshservice refused for its rate limit (429).", []string{"account"}, nil)
	restRetries   = prometheus.NewDesc("lockstep_freshservice_retries_total", "Calls repeated after a failure.", []string{"account"}, nil)
	restWaits     = prometheus.NewDesc("lockstep_freshservice_waits_total", "Calls that had to wait for the rate limit.", []string{"account"}, nil)
	restWaited    = prometheus.NewDesc("lockstep_freshservice_wait_seconds_total", "How long calls waited for the rate limit, together.", []string{"account"}, nil)
	restWaiting   = prometheus.NewDesc("lockstep_freshservice_waiting", "Calls that wait for the rate limit now.", []string{"account"}, nil)
	restLimit     = prometheus.NewDesc("lockstep_freshservice_limit", "Calls that Freshservice allows a minute, as its answers tell.", []string{"account", "bucket"}, nil)
	restRemaining = prometheus.NewDesc("lockstep_freshservice_remaining", "Calls left in the current minute.", []string{"account", "bucket"}, nil)
	restPending   = prometheus.NewDesc("lockstep_freshservice_pending", "People who wait: for a manager to arrive, for one to be set, to become an agent.", []string{"account", "what"}, nil)
	restNotes     = prometheus.NewDesc("lockstep_freshservice_notes", "Values that could not be carried over to Freshservice.", []string{"account", "code"}, nil)
)

// watch shows the accounts of the hub.
func (m *metrics) watch(h *hub) {
	m.registry.MustRegister(&callMetrics{hub: h, notes: map[string]countedNotes{}})
}

// Describe implements [prometheus.Collector].
func (c *callMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{restCalls, restTooMany, restRetries, restWaits, restWaited, restWaiting, restLimit, restRemaining, restPending, restNotes} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *callMetrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(c.hub.ctx, 5*time.Second)
	defer cancel()
	for id, o := range c.hub.inUse() {
		counter := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, append([]string{id}, labels...)...)
		}
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{id}, labels...)...)
		}
		s := o.client.Stats()
		for route, n := range s.Calls {
			counter(restCalls, float64(n), route)
		}
		counter(restTooMany, float64(s.TooMany))
		counter(restRetries, float64(s.Retries))
		counter(restWaits, float64(s.Waits))
		counter(restWaited, s.Waited.Seconds())
		gauge(restWaiting, float64(s.Waiting))
		for bucket, b := range map[string]freshservice.Budget{"all": s.Overall, "list_requesters": s.ListRequesters, "list_agents": s.ListAgents} {
			if b.Total > 0 {
				gauge(restLimit, float64(b.Total), bucket)
				gauge(restRemaining, float64(b.Remaining), bucket)
			}
		}
		notes, err := c.noted(ctx, id)
		if err == nil {
			for code, n := range notes {
				gauge(restNotes, float64(n.Count), code)
			}
			gauge(restPending, float64(notes["manager_not_found"].Count), "manager")
		}
		pending, errPending := o.bridge.Pending(ctx)
		if errPending == nil {
			gauge(restPending, float64(pending.Repairs), "repair")
			gauge(restPending, float64(pending.Agents), "agent")
		}
		if err != nil || errPending != nil {
			c.hub.log.Warn("some metrics of the account could not be read", "account", id, "error", err, "pending", errPending)
		}
	}
}

func (c *callMetrics) noted(ctx context.Context, id string) (map[string]store.NotesOfCode, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.notes[id]
	if time.Since(n.at) < notesFor {
		return n.byCode, nil
	}
	byCode, err := c.hub.db.NotesByCode(ctx, id)
	if err == nil {
		c.notes[id] = countedNotes{time.Now(), byCode}
	}
	return byCode, err
}

// inUse returns the Freshservice accounts that are open, by ID.
func (h *hub) inUse() map[string]*opened {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]*opened{}
	for id, o := range h.open {
		if o.bridge != nil {
			out[id] = o
		}
	}
	return out
}

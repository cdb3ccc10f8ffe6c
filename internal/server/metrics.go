package server

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lockstep/internal/provision"
	"lockstep/internal/scim/service"
)

// metrics are what /metrics shows. Labels come from closed lists only: routes,
// methods, statuses, and the accounts and apps that an administrator set up.
type metrics struct {
	registry *prometheus.Registry
	scim     *prometheus.HistogramVec
	objects  *prometheus.CounterVec
	cycles   *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		scim: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lockstep_scim_request_duration_seconds", Help: "Time to answer SCIM requests.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}, []string{"account", "method", "route", "status"}),
		objects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lockstep_provisioned_objects_total", Help: "Objects that provisioning cycles dealt with, by result.",
		}, []string{"app", "result"}),
		cycles: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lockstep_cycles_total", Help: "Provisioning cycles, by result.",
		}, []string{"app", "result"}),
	}
	m.registry.MustRegister(m.scim, m.objects, m.cycles,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) observeSCIM(x service.Exchange) {
	m.scim.WithLabelValues(x.AccountID, method(x.Method), x.Route, strconv.Itoa(x.Status)).Observe(x.Duration.Seconds())
}

// method keeps invented method names out of the label.
func method(s string) string {
	switch s {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return s
	}
	return "other"
}

func (m *metrics) observeCycle(app string, c *provision.Cycle, err error) {
	if err != nil {
		m.cycles.WithLabelValues(app, "interrupted").Inc()
		return
	}
	m.cycles.WithLabelValues(app, "done").Inc()
	add := func(result string, n int) { m.objects.WithLabelValues(app, result).Add(float64(n)) }
	add("created", c.Counts.Created)
	add("updated", c.Counts.Updated)
	add("disabled", c.Counts.Disabled)
	add("deleted", c.Counts.Deleted)
	for _, n := range c.Counts.Skipped {
		add("skipped", n)
	}
	for _, n := range c.Counts.Failed {
		add("failed", n)
	}
}

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"lockstep/internal/api"
	"lockstep/internal/freshservice"
)

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(api.Problem{Title: "Not found", Status: http.StatusNotFound,
			Detail: "there is nothing at this path", Next: "SCIM is served under /scim/v2."})
	})
	scim := s.scimService()
	// The SCIM service cleans its own paths: the standard mux would answer a
	// doubled slash, which a Tenant URL with a trailing slash leads to, with a
	// redirect that provisioning clients do not follow with their body.
	return s.recover(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isSCIM(r.URL.Path) {
			c := &caller{hub: s.hub, urgency: urgency(r.Header)}
			ctx := freshservice.WithPriorityOf(context.WithValue(r.Context(), callerKey{}, c), c.priority)
			scim.ServeHTTP(w, r.WithContext(ctx))
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// isSCIM reports whether the first segment of the path is "scim", however many
// slashes precede it.
func isSCIM(path string) bool {
	i := 0
	for i < len(path) && path[i] == '/' {
		i++
	}
	rest := path[i:]
	return rest == "scim" || len(rest) > 5 && rest[:5] == "scim/"
}

func (s *Server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil || p == http.ErrAbortHandler {
				return
			}
			s.log.ErrorContext(r.Context(), "a request panicked", "method", r.Method, "panic", p, "stack", string(debug.Stack()))
			w.WriteHeader(http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}

// ready answers 200 when every component works and 503 otherwise, with one line
// each.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	status := http.StatusOK
	report := map[string]string{"store": "ok"}
	if err := s.db.Ping(ctx); err != nil {
		report["store"] = "the database does not answer"
		status = http.StatusServiceUnavailable
		s.log.Error("the store is not ready", "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(report)
}

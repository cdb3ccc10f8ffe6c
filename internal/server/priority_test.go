package server

import (
	"net/http"
	"testing"

	"lockstep/internal/account"
	"lockstep/internal/freshservice"
)

func TestPriorityOfRequests(t *testing.T) {
	t.Parallel()
	const click, cycle = freshservice.Interactive, freshservice.Bulk
	for _, c := range []struct {
		name, token, header string
		first, eleventh     freshservice.Priority
	}{
		{"a directory", "entra", "", click, cycle},
		{"an app of ours", "app hr", "", cycle, cycle},
		{"an app of ours, on demand", "app hr", "u=1", click, click},
		{"a directory in a hurry", "entra", "i, u=0;x", click, click},
		{"a directory that can wait", "entra", "u=5", cycle, cycle},
		{"what is usual", "entra", "u=3", click, cycle},
		{"no priority", "entra", "u=9", click, cycle},
		{"nobody", "", "", cycle, cycle},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if c.header != "" {
				h.Set("Priority", c.header)
			}
			hub := &hub{talking: map[string]*talk{}}
			who := &caller{hub: hub, urgency: urgency(h)}
			if c.token != "" {
				who.token = &account.Token{ID: "tok", Name: c.token}
			}
			if got := who.priority(); got != c.first {
				t.Errorf("the first call has priority %d, want %d", got, c.first)
			}
			for range talkBurst - 1 {
				who.priority()
			}
			if got := who.priority(); got != c.eleventh {
				t.Errorf("the call after %d others has priority %d, want %d", talkBurst, got, c.eleventh)
			}
		})
	}
}

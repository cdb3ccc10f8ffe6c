package server

import (
	"net/http"
	"strings"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/freshservice"
)

// A caller is who sends a SCIM request: the token is known once it was let in.
type caller struct {
	hub   *hub
	token *account.Token
	// urgency is that of the request's Priority header, -1 without one.
	urgency int
}

type callerKey struct{}

// appToken is how the names of the tokens begin that apps of this server use.
const appToken = "app "

// talkBurst is how many calls to Freshservice a token may cost in a minute
// before its requests are taken for the work of a cycle.
const talkBurst = 10

// A talk is what a token has cost lately.
type talk struct {
	began time.Time
	calls int
}

// priority says which of the waiting calls go first when Freshservice's limit
// is reached. Nothing in a SCIM request tells a person's click from the work of
// a cycle, so: a request that says how urgent it is (RFC 9218; 0 to 2 is more
// urgent than usual) is believed; the tokens of our own apps do cycle work; any
// other client is interactive for its first few calls of a minute, which serves
// a single change at once, and does cycle work beyond.
func (c *caller) priority() freshservice.Priority {
	switch {
	case c.urgency >= 0 && c.urgency < 3:
		return freshservice.Interactive
	case c.urgency > 3 || c.token == nil || strings.HasPrefix(c.token.Name, appToken):
		return freshservice.Bulk
	}
	h, now := c.hub, time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.talking[c.token.ID]
	if t == nil {
		if len(h.talking) > 10_000 { // tokens that were revoked long ago
			clear(h.talking)
		}
		t = &talk{}
		h.talking[c.token.ID] = t
	}
	if now.Sub(t.began) >= time.Minute {
		*t = talk{began: now}
	}
	if t.calls++; t.calls > talkBurst {
		return freshservice.Bulk
	}
	return freshservice.Interactive
}

// urgency reads a Priority header (RFC 9218 section 4.1), -1 for none.
func urgency(h http.Header) int {
	for _, line := range h["Priority"] {
		for member := range strings.SplitSeq(line, ",") {
			member, _, _ = strings.Cut(strings.TrimSpace(member), ";")
			if v, ok := strings.CutPrefix(member, "u="); ok && len(v) == 1 && v[0] >= '0' && v[0] <= '7' {
				return int(v[0] - '0')
			}
		}
	}
	return -1
}

package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// control adds what stages troubles: routes that the real product lacks, for
// clients on the same machine only.
func (d *Desk) control(mux *http.ServeMux) {
	handle := func(pattern string, run func(http.ResponseWriter, *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Type", "application/json; charset=utf-8")
			h.Set("Cache-Control", "no-store")
			h.Set("X-Content-Type-Options", "nosniff")
			if !local(r) {
				controlError(w, http.StatusForbidden, "The desk is controlled from its own machine only, addressed as localhost.")
				return
			}
			out, err := run(w, r)
			switch {
			case err != nil:
				controlError(w, http.StatusBadRequest, err.Error())
			case out != nil:
				_ = json.NewEncoder(w).Encode(out) // the client went away: nobody to tell
			}
		})
	}
	handle("POST /desk/key/reset", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		key, err := d.resetKey(r.Context())
		return map[string]string{"api_key": key}, err
	})
	handle("POST /desk/agents/{id}/key", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no id", r.PathValue("id"))
		}
		key, err := d.IssueKey(r.Context(), id)
		return map[string]string{"api_key": key}, err
	})
	handle("POST /desk/owner/{trouble}", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		p, err := d.StageOwner(r.Context(), r.PathValue("trouble"))
		if err != nil {
			return nil, err
		}
		return map[string]any{"id": p.ID, "active": !p.Inactive, "agent": p.IsAgent(), "occasional": p.IsAgent() && p.Agent.Occasional}, nil
	})
	handle("GET /desk/stats", func(http.ResponseWriter, *http.Request) (any, error) { return d.stats(), nil })
	handle("POST /desk/stats/reset", func(http.ResponseWriter, *http.Request) (any, error) {
		d.ResetCalls()
		return d.stats(), nil
	})
	handle("POST /desk/faults", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var body struct {
			Rules []Fault `json:"rules"`
		}
		dec := json.NewDecoder(io.LimitReader(r.Body, maxBody))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&body); err != nil {
			return nil, fmt.Errorf("the body should be {\"rules\": [...]}: %w", err)
		}
		if err := d.SetFaults(body.Rules...); err != nil {
			return nil, err
		}
		return map[string]int{"rules": len(body.Rules)}, nil
	})
	handle("DELETE /desk/faults", func(http.ResponseWriter, *http.Request) (any, error) {
		return map[string]int{"rules": 0}, d.SetFaults()
	})
	handle("GET /desk/dump", func(w http.ResponseWriter, _ *http.Request) (any, error) { return nil, d.Dump(w) })
}

// SetFaults puts these rules in force, in place of all others. The first that
// strikes a call wins.
func (d *Desk) SetFaults(rules ...Fault) error {
	fs := make([]*fault, len(rules))
	for i, r := range rules {
		f, err := newFault(r, d.o.Now())
		if err != nil {
			return fmt.Errorf("desk: rule %d: %w", i+1, err)
		}
		fs[i] = f
	}
	d.faults.set(fs)
	return nil
}

func controlError(w http.ResponseWriter, status int, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message}) // the client went away: nobody to tell
}

// local reports whether the request comes from this machine and addresses it
// by a local name. The second half keeps out web pages whose own name was made
// to resolve to this machine, the forwarding headers what a proxy lets in.
func local(r *http.Request) bool {
	if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	return loopback(r.RemoteAddr) && loopback(r.Host)
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Stats is what GET /desk/stats answers.
type Stats struct {
	Counters
	Domain     string        `json:"domain"`
	Plan       Plan          `json:"plan"`
	Requesters int           `json:"requesters"`
	Agents     int           `json:"agents"`
	Buckets    []BucketState `json:"buckets"`
}

func (d *Desk) stats() Stats {
	s := Stats{Counters: d.Calls(), Domain: d.o.Domain, Plan: d.o.Plan, Buckets: d.limiter.state(d.o.Now())}
	if s.ByRoute == nil {
		s.ByRoute = map[string]int64{}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	s.Requesters, s.Agents = d.world.requesters.len(), d.world.agents.len()
	return s
}

// resetKey gives the owner a new key; the old one is refused from now on.
func (d *Desk) resetKey(ctx context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := &apiKey{Key: newKey(), Agent: d.world.settings.Owner}
	if p := d.world.people[k.Agent]; p != nil && p.Agent != nil && p.Agent.Occasional {
		k.Expires = StampOf(d.o.Now().Add(dayPass))
	}
	return k.Key, d.commit(ctx, change{kind: kindKey, id: k.Agent, value: k})
}

// StageOwner changes the agent whose key [Desk.APIKey] is, as an administrator
// might by mistake: "downgrade" makes it a requester, "demote" takes the
// administrator's role away, "deactivate" deactivates it, "occasional" makes it an occasional agent whose key lapses in a day, and
// "restore" undoes all of it.
func (d *Desk) StageOwner(ctx context.Context, trouble string) (Person, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.world
	old := w.people[w.settings.Owner]
	if old == nil {
		return Person{}, fmt.Errorf("desk: the key's owner was forgotten: there is nobody to %s", trouble)
	}
	p, s := old.copy(), w.settings
	if s.Staged == nil && trouble != "restore" {
		s.Staged = old.Agent
	}
	key := *w.ownerKey()
	switch trouble {
	case "downgrade":
		p.Agent = nil
	case "demote":
		role, ok := w.roles.named(fold("SD Agent"))
		if !ok || p.Agent == nil {
			return Person{}, fmt.Errorf("desk: the key's owner cannot be demoted: it is a requester, or there is no role SD Agent")
		}
		p.Agent.Roles = []RoleAssignment{{RoleID: role.ID, AssignmentScope: EntireHelpdesk}}
	case "deactivate":
		p.Inactive = true
	case "occasional":
		if p.Agent == nil {
			return Person{}, fmt.Errorf("desk: the key's owner is a requester: restore it first")
		}
		p.Agent.Occasional = true
		key.Expires = StampOf(d.o.Now().Add(dayPass))
	case "restore":
		p.Inactive = false
		key.Expires = 0
		if s.Staged != nil {
			a := *s.Staged
			p.Agent, s.Staged = &a, nil
		}
		if p.Agent == nil {
			role, ok := w.roles.named(fold(string(accountAdmin)))
			if !ok {
				return Person{}, fmt.Errorf("desk: there is no role %q to restore the key's owner to", accountAdmin)
			}
			p.Agent = &Agent{Roles: []RoleAssignment{{RoleID: role.ID, AssignmentScope: EntireHelpdesk}}}
		}
		p.Agent.Occasional, p.Agent.APIKeyEnabled = false, true
	default:
		return Person{}, fmt.Errorf("desk: %q is none of downgrade, demote, deactivate, occasional and restore", trouble)
	}
	p.UpdatedAt = StampOf(d.o.Now())
	return *p, d.commit(ctx,
		change{kind: kindPerson, id: p.ID, value: p},
		change{kind: kindKey, id: p.ID, value: &key},
		change{kind: kindSetting, value: &s})
}

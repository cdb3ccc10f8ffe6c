package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A state is what seeding leaves for the other workloads.
type state struct {
	Prefix  string   `json:"prefix"`
	Users   []string `json:"users"` // ids, in the order of their number
	Group   string   `json:"group,omitempty"`
	Members int      `json:"members,omitempty"` // of the group: the first so many users
}

func readState(file string) (*state, error) {
	s := &state{}
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	return s, json.Unmarshal(b, s)
}

func (s *state) save(file string) error { return os.WriteFile(file, encode(s), 0o600) }

// seed creates users until there are as many as wanted.
func seed(c *client, s *state, o options) (*sample, error) {
	if s.Prefix != o.prefix {
		*s = state{Prefix: o.prefix}
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.limit)
	defer cancel()
	have := len(s.Users)
	ids := make([]string, max(have, o.users))
	copy(ids, s.Users)
	var (
		next atomic.Int64
		mu   sync.Mutex
		all  sample
		wg   sync.WaitGroup
	)
	next.Store(int64(have))
	for range o.workers {
		wg.Go(func() {
			var mine sample
			for ctx.Err() == nil {
				n := int(next.Add(1) - 1)
				if n >= o.users {
					break
				}
				r := c.send(http.MethodPost, "/Users", userBody(s.Prefix, n))
				mine.add(r, r.want(http.StatusCreated))
				if mine.err != nil {
					cancel()
					break
				}
				ids[n] = idOf(r.body)
			}
			mu.Lock()
			defer mu.Unlock()
			all.merge(&mine)
		})
	}
	wg.Wait()
	done := have
	for done < len(ids) && ids[done] != "" {
		done++
	}
	s.Users = ids[:done]
	if all.err == nil && done < o.users {
		all.err = fmt.Errorf("%d of %d users after %s; run it again to go on", done, o.users, o.limit)
	}
	return &all, all.err
}

// seedGroup creates a group of the first users.
func seedGroup(c *client, s *state, o options) (*sample, error) {
	if o.members > len(s.Users) {
		return nil, fmt.Errorf("a group of %d needs as many users, there are %d: run -w seed first", o.members, len(s.Users))
	}
	now := time.Now().UnixNano()
	r := c.send(http.MethodPost, "/Groups", encode(map[string]any{
		"schemas": []string{groupSchema}, "displayName": fmt.Sprintf("Bench group %d", now), "externalId": fmt.Sprint(now), "members": []any{},
	}))
	if err := r.want(http.StatusCreated); err != nil {
		return nil, err
	}
	s.Group, s.Members = idOf(r.body), 0
	var all sample
	for deadline := time.Now().Add(o.limit); s.Members < o.members; {
		if time.Now().After(deadline) {
			return &all, fmt.Errorf("%d of %d members after %s", s.Members, o.members, o.limit)
		}
		n := min(o.chunk, o.members-s.Members)
		r := c.send(http.MethodPatch, "/Groups/"+url.PathEscape(s.Group), addMembers(o.rfc, s.Users[s.Members:s.Members+n]...))
		all.add(r, r.want(http.StatusOK, http.StatusNoContent))
		if all.err != nil {
			return &all, all.err
		}
		s.Members += n
	}
	return &all, nil
}

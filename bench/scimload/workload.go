package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// A step sends the i-th request of one worker and says whether the answer was
// what was asked for. A worker's steps follow each other.
type step func(worker, i int) (response, error)

// workload returns the steps of a timed workload.
func workload(name string, c *client, s *state, o options) (step, error) {
	pick := func(worker, i, n int) int { return rand.New(rand.NewPCG(uint64(worker)+1, uint64(i)+1)).IntN(n) }
	users := len(s.Users)
	need := func(n int) error {
		if users < n {
			return fmt.Errorf("%s needs at least %d users, there are %d: run -w seed first", name, n, users)
		}
		return nil
	}
	switch name {
	case "echo-get":
		return func(int, int) (response, error) {
			r := c.send(http.MethodGet, "/Users/1", nil)
			return r, r.want(http.StatusOK)
		}, nil
	case "create", "echo-post":
		run := fmt.Sprintf("c%x-", time.Now().UnixNano()&0xffffffff)
		return func(worker, i int) (response, error) {
			body := userBody(fmt.Sprintf("%s%d-", run, worker), i)
			r := c.send(http.MethodPost, "/Users", body)
			return r, r.want(http.StatusCreated)
		}, nil
	case "filter":
		return func(worker, i int) (response, error) {
			n := pick(worker, i, users)
			r := c.send(http.MethodGet, "/Users?filter="+url.QueryEscape(`userName eq "`+userName(s.Prefix, n)+`"`), nil)
			return r, holds(r, s.Users[n], 1)
		}, need(1)
	case "get":
		return func(worker, i int) (response, error) {
			id := s.Users[pick(worker, i, users)]
			r := c.send(http.MethodGet, "/Users/"+url.PathEscape(id), nil)
			return r, holds(r, id, 1)
		}, need(1)
	case "patch-active":
		// Each worker keeps to a part of the users, so that no two race for one.
		part := users / o.workers
		off, on := setActive(o.rfc, false), setActive(o.rfc, true)
		return func(worker, i int) (response, error) {
			body := off
			if i%2 == 1 {
				body = on
			}
			r := c.send(http.MethodPatch, "/Users/"+url.PathEscape(s.Users[worker*part+i/2%part]), body)
			return r, r.want(http.StatusOK, http.StatusNoContent)
		}, need(o.workers)
	case "page":
		return func(worker, i int) (response, error) {
			r := c.send(http.MethodGet, fmt.Sprintf("/Users?startIndex=%d&count=%d", 1+pick(worker, i, users-o.count+1), o.count), nil)
			return r, holds(r, `"userName"`, o.count)
		}, need(o.count)
	case "walk":
		return walk(c, o), nil
	case "group-member":
		spare := users - s.Members
		if s.Group == "" || spare < o.workers {
			return nil, fmt.Errorf("group-member needs a group and %d users outside it: run -w seed and -w seed-group first", o.workers)
		}
		return func(worker, i int) (response, error) {
			id := s.Users[s.Members+worker%spare]
			body := addMembers(o.rfc, id)
			if i%2 == 1 {
				body = removeMember(o.rfc, id)
			}
			r := c.send(http.MethodPatch, "/Groups/"+url.PathEscape(s.Group), body)
			return r, r.want(http.StatusOK, http.StatusNoContent)
		}, nil
	case "mixed":
		return mixed(c, s, o)
	}
	return nil, fmt.Errorf("there is no workload %q; see -help", name)
}

// mixed is about what an incremental cycle of Entra ID sends: mostly look-ups,
// some changes, few creations.
func mixed(c *client, s *state, o options) (step, error) {
	var parts []step
	for _, name := range []string{"filter", "filter", "filter", "get", "get", "patch-active", "patch-active", "create", "page"} {
		part, err := workload(name, c, s, o)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return func(worker, i int) (response, error) { return parts[i%len(parts)](worker, i) }, nil
}

// walk reads all users by cursor (RFC 9865), each worker on its own.
func walk(c *client, o options) step {
	next := make([]string, o.workers)
	return func(worker, _ int) (response, error) {
		r := c.send(http.MethodGet, fmt.Sprintf("/Users?count=%d&cursor=%s", o.count, url.QueryEscape(next[worker])), nil)
		if err := r.want(http.StatusOK); err != nil {
			return r, err
		}
		var page struct {
			NextCursor string `json:"nextCursor"`
		}
		err := json.Unmarshal(r.body, &page)
		next[worker] = page.NextCursor
		return r, err
	}
}

var errWrong = errors.New("the answer did not hold what was asked for")

// holds returns an error unless r is a success in which text is found at least n times.
func holds(r response, text string, n int) error {
	if err := r.want(http.StatusOK); err != nil {
		return err
	}
	if bytes.Count(r.body, []byte(text)) < n {
		return errWrong
	}
	return nil
}

// checkGroup makes sure that the group has its members still, and besides at
// most the one that each worker had added last.
func checkGroup(c *client, s *state, o options) error {
	r := c.send(http.MethodGet, "/Groups/"+url.PathEscape(s.Group), nil)
	if err := r.want(http.StatusOK); err != nil {
		return err
	}
	var g struct {
		Members []struct {
			Value string `json:"value"`
		} `json:"members"`
	}
	if err := json.Unmarshal(r.body, &g); err != nil {
		return err
	}
	has := make(map[string]bool, len(g.Members))
	for _, m := range g.Members {
		has[m.Value] = true
	}
	for _, id := range s.Users[:s.Members] {
		if !has[id] {
			return fmt.Errorf("the group has lost its member %s", id)
		}
	}
	if n := len(g.Members); n > s.Members+o.workers {
		return fmt.Errorf("the group has %d members instead of %d", n, s.Members)
	}
	return nil
}

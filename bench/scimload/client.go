package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	patchSchema      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// A client sends requests to one server.
type client struct {
	base, token, contentType string
	http                     *http.Client
}

func newClient(base string, o options) *client {
	return &client{
		base: strings.TrimRight(base, "/"), token: o.token, contentType: o.contentType,
		http: &http.Client{Timeout: o.timeout, Transport: &http.Transport{
			MaxIdleConns: o.workers, MaxIdleConnsPerHost: o.workers, MaxConnsPerHost: o.workers,
			DisableCompression: true, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		}},
	}
}

// A response is what a server answered, and how long that took with the body.
type response struct {
	status int
	body   []byte
	took   time.Duration
	err    error
}

// want returns an error unless the status is one of those given.
func (r *response) want(statuses ...int) error {
	if r.err != nil {
		return r.err
	}
	if slices.Contains(statuses, r.status) {
		return nil
	}
	return fmt.Errorf("status %d: %.300s", r.status, r.body)
}

func (c *client) send(method, path string, body []byte) response {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, c.base+path, reader)
	if err != nil {
		return response{err: err}
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	req.Header.Set("Accept", "application/scim+json, application/json")
	if body != nil {
		req.Header.Set("Content-Type", c.contentType)
	}
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return response{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return response{status: resp.StatusCode, body: b, took: time.Since(start), err: err}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and numbers always encode
	}
	return b
}

// userBody is the n-th user, about as large as what Entra ID sends.
func userBody(prefix string, n int) []byte {
	name := userName(prefix, n)
	return encode(map[string]any{
		"schemas":     []string{userSchema, enterpriseSchema},
		"externalId":  fmt.Sprintf("%s-%08x-7d1c-4c55-9a30-%012x", prefix, n, n),
		"userName":    name,
		"active":      true,
		"displayName": fmt.Sprintf("Bench Person %d", n),
		"title":       "Field engineer",
		"name": map[string]any{
			"givenName": "Bench", "familyName": fmt.Sprintf("Person%d", n), "formatted": fmt.Sprintf("Bench Person%d", n),
		},
		"emails":       []any{map[string]any{"type": "work", "value": name, "primary": true}},
		"phoneNumbers": []any{map[string]any{"type": "work", "value": fmt.Sprintf("+44 20 7%07d", n%10000000)}},
		enterpriseSchema: map[string]any{
			"employeeNumber": strconv.Itoa(100000 + n), "department": fmt.Sprintf("Dept %d", n%40),
		},
	})
}

func userName(prefix string, n int) string { return fmt.Sprintf("%s%07d@bench.test", prefix, n) }

func idOf(body []byte) string {
	var v struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(body, &v) // without an id the answer is refused anyway
	return v.ID
}

func patchBody(op, path string, value any) []byte {
	operation := map[string]any{"op": op, "path": path}
	if value != nil {
		operation["value"] = value
	}
	return encode(map[string]any{"schemas": []string{patchSchema}, "Operations": []any{operation}})
}

// addMembers and removeMembers are as Entra ID sends them, or as RFC 7644 has them.
func addMembers(rfc bool, ids ...string) []byte {
	values := make([]any, len(ids))
	for i, id := range ids {
		values[i] = map[string]any{"value": id}
	}
	if rfc {
		return patchBody("add", "members", values)
	}
	return patchBody("Add", "members", values)
}

func removeMember(rfc bool, id string) []byte {
	if rfc {
		return patchBody("remove", `members[value eq "`+id+`"]`, nil)
	}
	return patchBody("Remove", "members", []any{map[string]any{"value": id}})
}

func setActive(rfc, active bool) []byte {
	switch {
	case rfc:
		return patchBody("replace", "active", active)
	case active:
		return patchBody("Replace", "active", "True")
	}
	return patchBody("Replace", "active", "False")
}

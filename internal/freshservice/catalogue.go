package freshservice

import (
	"context"
	"net/http"
	"strconv"
)

// Fields returns how the account has set up the attributes of requesters or
// of agents.
func (c *Client) Fields(ctx context.Context, kind Kind) ([]Field, error) {
	route := "/" + string(kind) + "_fields"
	return all[Field](ctx, c, route, route, string(kind)+"_fields")
}

// Roles returns the account's roles.
func (c *Client) Roles(ctx context.Context) ([]Role, error) {
	return all[Role](ctx, c, "/roles", "/roles", "roles")
}

// Departments returns the account's departments.
func (c *Client) Departments(ctx context.Context) ([]Department, error) {
	return all[Department](ctx, c, "/departments", "/departments", "departments")
}

// CreateDepartment creates a department.
func (c *Client) CreateDepartment(ctx context.Context, name string) (*Department, error) {
	return one[Department](ctx, c, http.MethodPost, "/departments", "/departments", "department", Fields{"name": name})
}

// Locations returns the account's locations.
func (c *Client) Locations(ctx context.Context) ([]Location, error) {
	return all[Location](ctx, c, "/locations", "/locations", "locations")
}

// CreateLocation creates a location without a parent.
func (c *Client) CreateLocation(ctx context.Context, name string) (*Location, error) {
	return one[Location](ctx, c, http.MethodPost, "/locations", "/locations", "location", Fields{"name": name})
}

// A GroupKind tells agent groups and requester groups apart.
type GroupKind string

// The kinds of groups.
const (
	AgentGroup     GroupKind = "group"
	RequesterGroup GroupKind = "requester_group"
)

func (k GroupKind) path() string { return "/" + string(k) + "s" }

func groupPath(k GroupKind, id int64) string { return k.path() + "/" + strconv.FormatInt(id, 10) }

// Groups returns the groups of one kind.
func (c *Client) Groups(ctx context.Context, kind GroupKind) ([]Group, error) {
	return all[Group](ctx, c, kind.path(), kind.path(), string(kind)+"s")
}

// Group returns one group.
func (c *Client) Group(ctx context.Context, kind GroupKind, id int64) (*Group, error) {
	return one[Group](ctx, c, http.MethodGet, kind.path()+"/{id}", groupPath(kind, id), string(kind), nil)
}

// CreateGroup creates a group.
func (c *Client) CreateGroup(ctx context.Context, kind GroupKind, f Fields) (*Group, error) {
	return one[Group](ctx, c, http.MethodPost, kind.path(), kind.path(), string(kind), f)
}

// UpdateGroup writes the given fields. "members" of an agent group replaces
// the whole list.
func (c *Client) UpdateGroup(ctx context.Context, kind GroupKind, id int64, f Fields) (*Group, error) {
	return one[Group](ctx, c, http.MethodPut, kind.path()+"/{id}", groupPath(kind, id), string(kind), f)
}

// DeleteGroup deletes a group for good. Its members stay.
func (c *Client) DeleteGroup(ctx context.Context, kind GroupKind, id int64) error {
	_, _, err := c.do(ctx, call{method: http.MethodDelete, route: kind.path() + "/{id}", path: groupPath(kind, id)})
	return err
}

// GroupMembers returns the IDs of a requester group's members.
func (c *Client) GroupMembers(ctx context.Context, id int64) ([]int64, error) {
	people, err := all[Person](ctx, c, "/requester_groups/{id}/members", groupPath(RequesterGroup, id)+"/members", "requesters")
	ids := make([]int64, len(people))
	for i := range people {
		ids[i] = people[i].ID
	}
	return ids, err
}

// AddGroupMember adds a requester to a manual requester group.
func (c *Client) AddGroupMember(ctx context.Context, group, requester int64) error {
	return c.member(ctx, http.MethodPost, group, requester)
}

// RemoveGroupMember removes a requester from a manual requester group.
func (c *Client) RemoveGroupMember(ctx context.Context, group, requester int64) error {
	return c.member(ctx, http.MethodDelete, group, requester)
}

func (c *Client) member(ctx context.Context, method string, group, requester int64) error {
	_, _, err := c.do(ctx, call{method: method, route: "/requester_groups/{id}/members/{requester_id}",
		path: groupPath(RequesterGroup, group) + "/members/" + strconv.FormatInt(requester, 10)})
	return err
}

// one sends a call that answers with a single object.
func one[T any](ctx context.Context, c *Client, method, route, path, name string, f Fields) (*T, error) {
	r := call{method: method, route: route, path: path}
	if f != nil {
		r.body = f
	}
	body, _, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	return decodeOne[T](r, body, name)
}

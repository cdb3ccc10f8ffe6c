package graph

import (
	"context"
	"iter"
	"net/url"
)

// A ServicePrincipal is an enterprise application in a tenant.
type ServicePrincipal struct {
	ID                        string    `json:"id"`
	AppID                     string    `json:"appId"`
	DisplayName               string    `json:"displayName"`
	AccountEnabled            *bool     `json:"accountEnabled,omitempty"`
	AppRoleAssignmentRequired bool      `json:"appRoleAssignmentRequired"`
	ServicePrincipalType      string    `json:"servicePrincipalType,omitempty"`
	ApplicationTemplateID     string    `json:"applicationTemplateId,omitempty"`
	Tags                      []string  `json:"tags,omitempty"`
	AppRoles                  []AppRole `json:"appRoles"`
}

// An AppRole is a role that principals may be assigned to.
type AppRole struct {
	ID                 string   `json:"id"`
	Value              string   `json:"value"`
	DisplayName        string   `json:"displayName"`
	Description        string   `json:"description"`
	AllowedMemberTypes []string `json:"allowedMemberTypes"`
	IsEnabled          bool     `json:"isEnabled"`
	Origin             string   `json:"origin,omitempty"`
}

// DefaultAccess is the appRoleId of an assignment without a role.
const DefaultAccess = "00000000-0000-0000-0000-000000000000"

// An AppRoleAssignment gives a principal access to an enterprise application.
type AppRoleAssignment struct {
	ID                   string        `json:"id"`
	AppRoleID            string        `json:"appRoleId"`
	CreatedDateTime      string        `json:"createdDateTime,omitempty"`
	DeletedDateTime      *string       `json:"deletedDateTime"`
	PrincipalID          string        `json:"principalId"`
	PrincipalType        PrincipalType `json:"principalType"`
	PrincipalDisplayName string        `json:"principalDisplayName"`
	ResourceID           string        `json:"resourceId"`
	ResourceDisplayName  string        `json:"resourceDisplayName"`
}

// A PrincipalType says what kind of object is assigned.
type PrincipalType string

// The principal types.
const (
	PrincipalUser             PrincipalType = "User"
	PrincipalGroup            PrincipalType = "Group"
	PrincipalServicePrincipal PrincipalType = "ServicePrincipal"
)

// maxTop is the largest page of users, groups and members that Graph gives.
const maxTop = 999

// ServicePrincipal reads an enterprise application by its object ID.
func (c *Client) ServicePrincipal(ctx context.Context, id string) (*ServicePrincipal, error) {
	return Get[ServicePrincipal](ctx, c, "/servicePrincipals/"+url.PathEscape(id), Query{})
}

// AppRoleAssignedTo reads who is assigned to an enterprise application. Recent
// assignments may be missing for some moments.
func (c *Client) AppRoleAssignedTo(ctx context.Context, servicePrincipalID string) iter.Seq2[*AppRoleAssignment, error] {
	return List[AppRoleAssignment](ctx, c, "/servicePrincipals/"+url.PathEscape(servicePrincipalID)+"/appRoleAssignedTo", Query{Top: maxTop})
}

// Members reads the direct members of a group, with ID and type.
func (c *Client) Members(ctx context.Context, groupID string) iter.Seq2[*DirectoryObject, error] {
	return List[DirectoryObject](ctx, c, "/groups/"+url.PathEscape(groupID)+"/members", Query{Select: []string{"id"}, Top: maxTop})
}

// DeletedItem reads an object from the recycle bin, by its ID.
func (c *Client) DeletedItem(ctx context.Context, id string) (*DirectoryObject, error) {
	return Get[DirectoryObject](ctx, c, "/directory/deletedItems/"+url.PathEscape(id), Query{Select: []string{"id"}})
}

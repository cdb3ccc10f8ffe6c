package entra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"lockstep/internal/expression"
	"lockstep/internal/graph"
	"lockstep/internal/provision"
)

// Options say what is read of a tenant.
type Options struct {
	// Graph is the client for the tenant, Tenant its ID.
	Graph  *graph.Client
	Tenant string
	// UserAttributes and GroupAttributes are the source attributes that mappings
	// and filters read, under either of their names
	// ([provision.Mapping.References]).
	UserAttributes, GroupAttributes []string
	// Groups says which groups are read. Each costs a request for its members
	// when it changed, and when everything is read.
	Groups GroupScope
	// GroupIDs are the groups that GroupsListed means: those assigned to an app.
	GroupIDs []string
	// NestedGroups gives groups that are members of groups among the members, as
	// [provision.Job.NestedGroups] needs. It is of use with GroupsAll, since the
	// groups inside must be read too.
	NestedGroups bool
	// Concurrency is how many requests for members and managers run at once, 8
	// when zero.
	Concurrency int
}

// A GroupScope says which groups are read.
type GroupScope uint8

// The scopes.
const (
	GroupsAll GroupScope = iota
	GroupsListed
	GroupsNone
)

// A Source is one tenant. It is safe for concurrent use.
type Source struct {
	graph       *graph.Client
	tenant      string
	concurrency int
	nested      bool
	unknown     []string

	users, groups selected
}

var _ provision.Source = (*Source)(nil)

// selected is what is read of one kind of object.
type selected struct {
	typ        provision.ObjectType
	path       string // "/users"
	known      map[string]property
	properties []string
	references []string // the attributes of mappings
	// relation is manager or members, "" when it is not wanted.
	relation string
	// off: the kind is not read at all. only, unless nil, are the IDs that are.
	off  bool
	only map[string]bool
}

// New returns a source. It sends nothing yet; see [Source.Check].
func New(o Options) (*Source, error) {
	if o.Graph == nil {
		return nil, errors.New("a client of Microsoft Graph is needed to read Entra ID")
	}
	s := &Source{
		graph: o.Graph, tenant: o.Tenant, concurrency: cmp.Or(o.Concurrency, 8), nested: o.NestedGroups,
		users:  selected{typ: provision.User, path: "/users", known: userProperties, references: o.UserAttributes},
		groups: selected{typ: provision.Group, path: "/groups", known: groupProperties, references: o.GroupAttributes, relation: "members"},
	}
	var unknown []string
	s.users.properties, s.unknown = selection(userProperties, baseUser, o.UserAttributes)
	s.groups.properties, unknown = selection(groupProperties, baseGroup, append(slices.Clone(o.GroupAttributes), "members"))
	s.unknown = append(s.unknown, unknown...)
	if slices.Contains(s.users.properties, "manager") {
		s.users.relation = "manager"
	}
	switch o.Groups {
	case GroupsListed:
		s.groups.only = map[string]bool{}
		for _, id := range o.GroupIDs {
			s.groups.only[strings.ToLower(id)] = true
		}
		s.groups.off = len(s.groups.only) == 0
	case GroupsNone:
		s.groups.off = true
	}
	return s, nil
}

// Unknown returns the attributes of the mappings that Microsoft Graph does not
// have. They are null for everybody.
func (s *Source) Unknown() []string { return slices.Clone(s.unknown) }

// Describe returns users and groups with every attribute that can be read.
func (s *Source) Describe(context.Context) (*provision.DirectoryDefinition, error) {
	extensions := func(sel *selected) (names []string) {
		for _, p := range sel.properties {
			if strings.HasPrefix(p, "extension_") {
				names = append(names, p)
			}
		}
		return names
	}
	return &provision.DirectoryDefinition{
		ID: s.tenant, Name: "Azure Active Directory", ReadOnly: true, Discoverabilities: "AttributeNames, AttributeDataTypes",
		Objects: []*provision.ObjectDefinition{
			definition("User", userProperties, extensions(&s.users)), definition("Group", groupProperties, extensions(&s.groups)),
		},
	}, nil
}

// Lookup returns the user whom ref names by ID, userPrincipalName (a guest's
// also as it is at home) or mail, or the group that it names by ID, mail or
// display name, or nil when there is none. A name that several have finds none
// of them.
func (s *Source) Lookup(ctx context.Context, ref string) (*provision.Object, error) {
	ref = strings.TrimSpace(ref)
	if ref == "" || strings.ContainsAny(ref, "\x00\r\n") {
		return nil, nil
	}
	_, notID := uuid.Parse(ref)
	if notID == nil || strings.ContainsRune(ref, '@') && !strings.ContainsAny(ref, "/?") {
		o, err := s.readUser(ctx, ref)
		if err == nil {
			return o, nil
		}
		// Graph says 400 of a name that cannot be one.
		if e := (*graph.Error)(nil); !errors.As(err, &e) || e.Status != 404 && e.Status != 400 {
			return nil, s.explain(err)
		}
	}
	if notID == nil {
		o, err := s.readGroup(ctx, ref, nil)
		if graph.IsNotFound(err) {
			return nil, nil
		}
		return o, s.explain(err)
	}
	if local, domain, ok := strings.Cut(ref, "@"); ok {
		filter := "mail eq " + graph.Quote(ref) + " or startswith(userPrincipalName," + graph.Quote(local+"_"+domain+guestMark) + ")"
		id, err := s.only(ctx, "/users", filter)
		if err != nil || id != "" {
			return s.found(ctx, id, err, s.readUser)
		}
	}
	if s.groups.off {
		return nil, nil
	}
	id, err := s.only(ctx, "/groups", "mail eq "+graph.Quote(ref)+" or displayName eq "+graph.Quote(ref))
	return s.found(ctx, id, err, func(ctx context.Context, id string) (*provision.Object, error) { return s.readGroup(ctx, id, nil) })
}

// only returns the ID of the one object that a filter finds, "" when it finds
// none or several.
func (s *Source) only(ctx context.Context, path, filter string) (string, error) {
	ids := ""
	for o, err := range graph.List[graph.DirectoryObject](ctx, s.graph, path, graph.Query{Select: []string{"id"}, Filter: filter, Top: 2}) {
		if err != nil {
			return "", err
		}
		if ids != "" {
			return "", nil
		}
		ids = o.ID
	}
	return ids, nil
}

func (s *Source) found(ctx context.Context, id string, err error, read func(context.Context, string) (*provision.Object, error)) (*provision.Object, error) {
	if err != nil || id == "" {
		return nil, s.explain(err)
	}
	o, err := read(ctx, id)
	if graph.IsNotFound(err) {
		return nil, nil
	}
	return o, s.explain(err)
}

// readUser reads one user as a delta would tell it.
func (s *Source) readUser(ctx context.Context, ref string) (*provision.Object, error) {
	q := graph.Query{Select: withoutRelations(s.users.properties)}
	if s.users.relation != "" {
		q.Expand = "manager($select=id)"
	}
	d, err := graph.Get[graph.DirectoryObject](ctx, s.graph, userPath(ref), q)
	if err != nil {
		return nil, err
	}
	o := object(provision.User, userProperties, d)
	setManager(o, managerID(d))
	return o, nil
}

// userPath is the path of a user by ID or userPrincipalName. A name that begins
// with $ would be taken for a part of OData's grammar otherwise.
func userPath(ref string) string {
	if strings.HasPrefix(ref, "$") {
		return "/users(" + url.PathEscape(graph.Quote(ref)) + ")"
	}
	return "/users/" + url.PathEscape(ref)
}

func withoutRelations(properties []string) []string {
	return slices.DeleteFunc(slices.Clone(properties), func(p string) bool { return p == "manager" || p == "members" })
}

func managerID(o *graph.DirectoryObject) string {
	m, _ := o.Properties["manager"].(map[string]any)
	id, _ := m["id"].(string)
	return id
}

func setManager(o *provision.Object, id string) {
	if id != "" {
		o.Attributes["manager"] = expression.Text(id)
	}
}

// readGroup reads one group with its members. told is what a delta said of
// them, nil for nothing.
func (s *Source) readGroup(ctx context.Context, id string, told []graph.DirectoryObject) (*provision.Object, error) {
	d, err := graph.Get[graph.DirectoryObject](ctx, s.graph, "/groups/"+url.PathEscape(id), graph.Query{Select: withoutRelations(s.groups.properties)})
	if err != nil {
		return nil, err
	}
	o := object(provision.Group, groupProperties, d)
	o.Members, err = s.members(ctx, d.ID, told)
	return o, err
}

// Assignments returns who is assigned to an enterprise application, with the
// values of their app roles. Services that are assigned are left out.
func (s *Source) Assignments(ctx context.Context, servicePrincipalID string) ([]provision.Assignment, error) {
	sp, err := s.graph.ServicePrincipal(ctx, servicePrincipalID)
	if err != nil {
		return nil, s.explain(err)
	}
	roles := map[string]string{}
	for _, r := range sp.AppRoles {
		roles[strings.ToLower(r.ID)] = cmp.Or(r.Value, r.DisplayName)
	}
	var as []provision.Assignment
	for a, err := range s.graph.AppRoleAssignedTo(ctx, servicePrincipalID) {
		if err != nil {
			return nil, s.explain(err)
		}
		if a.DeletedDateTime != nil || a.PrincipalID == "" {
			continue
		}
		switch a.PrincipalType {
		case graph.PrincipalUser, graph.PrincipalGroup:
			as = append(as, provision.Assignment{
				PrincipalType: provision.ObjectType(a.PrincipalType), PrincipalID: a.PrincipalID, Role: roles[strings.ToLower(a.AppRoleID)],
			})
		}
	}
	slices.SortFunc(as, func(a, b provision.Assignment) int {
		return cmp.Or(cmp.Compare(a.PrincipalType, b.PrincipalType), cmp.Compare(a.PrincipalID, b.PrincipalID), cmp.Compare(a.Role, b.Role))
	})
	return slices.Compact(as), nil
}

// explain adds to an error of Graph which permissions reading needs.
func (s *Source) explain(err error) error {
	if graph.IsForbidden(err) {
		return fmt.Errorf("%w; reading Entra ID needs the application permissions %s", err, strings.Join(permissionNames(), ", "))
	}
	return err
}

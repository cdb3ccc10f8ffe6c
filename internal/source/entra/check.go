package entra

import (
	"context"
	"fmt"
	"strings"

	"lockstep/internal/graph"
)

// permissions are the application permissions that reading needs, the least
// that will do, each with a request that fails without it.
var permissions = []struct{ name, path, why string }{
	{"User.Read.All", "/users", "to read users"},
	{"Group.Read.All", "/groups", "to read groups and their members"},
	{"Application.Read.All", "/servicePrincipals", "to read who is assigned to an enterprise application"},
}

func permissionNames() []string {
	names := make([]string, len(permissions))
	for i, p := range permissions {
		names[i] = p.name
	}
	return names
}

// A PermissionError names the application permissions that the app lacks.
type PermissionError struct {
	Missing []string
	// Err is what Graph answered, for the request IDs in it.
	Err error
}

// Error says which permissions to add, and where.
func (e *PermissionError) Error() string {
	return fmt.Sprintf("the app lacks %s: add under API permissions of the app registration, as application permissions of Microsoft Graph, and grant admin consent (%v)",
		strings.Join(e.Missing, ", "), e.Err)
}

// Unwrap returns what Graph answered.
func (e *PermissionError) Unwrap() error { return e.Err }

// Check asks the identity platform for a token and Graph for a little of all
// that will be read. It fails with a [*graph.AuthenticationError] when tenant,
// client or credential are wrong, and with a [*PermissionError] that names
// every permission that is missing.
func (s *Source) Check(ctx context.Context) error {
	var missing *PermissionError
	for _, p := range permissions {
		if p.path == "/groups" && s.groups.off {
			continue
		}
		_, err := graph.Get[graph.Page[graph.DirectoryObject]](ctx, s.graph, p.path, graph.Query{Select: []string{"id"}, Top: 1})
		switch {
		case err == nil:
		case graph.IsForbidden(err):
			if missing == nil {
				missing = &PermissionError{Err: err}
			}
			missing.Missing = append(missing.Missing, p.name+" ("+p.why+")")
		default:
			return err
		}
	}
	if missing != nil {
		return missing
	}
	return nil
}

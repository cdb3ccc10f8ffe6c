package desk

import (
	"net/http"
	"strings"
	"time"
)

// right is what an operation asks of the key's owner.
type right uint8

const (
	// anyKey is granted to every valid key: only /agents/me.
	anyKey right = iota
	// viewPeople covers requesters, departments, locations and groups.
	viewPeople
	managePeople
	manageAgents
	viewRoles
	// administer covers what only an administrator configures.
	administer
)

// dayPass is how long the key of an occasional agent works.
const dayPass = 24 * time.Hour

// authorize checks the credentials and the owner's rights. Keys of agents who
// were deactivated, made requesters, or whose day pass has ended are as good
// as none.
func (d *Desk) authorize(r *http.Request, need right, now Stamp) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	p, err := d.caller(r, now)
	if err != nil {
		return err
	}
	if !d.world.may(p, need) {
		return errDenied
	}
	return nil
}

// caller returns the agent whose key the request carries.
func (d *Desk) caller(r *http.Request, now Stamp) (*Person, error) {
	key, _, ok := r.BasicAuth()
	if !ok {
		if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
			return nil, errToken
		}
		return nil, errCredentials
	}
	k := d.world.keys[key]
	if k == nil {
		if strings.Contains(key, "@") {
			return nil, errPassword
		}
		return nil, errCredentials
	}
	p := d.world.people[k.Agent]
	if p == nil || p.Inactive || p.Agent == nil || !p.Agent.APIKeyEnabled || k.Expires != 0 && now >= k.Expires {
		return nil, errCredentials
	}
	return p, nil
}

// may reports whether one of the agent's roles gives the right. Administrators
// may everything; the default roles that include the work on tickets may see
// and manage contacts; the two project roles may neither.
func (w *world) may(p *Person, need right) bool {
	if need == anyKey {
		return true
	}
	for _, a := range p.Agent.Roles {
		role := w.roles.byID[a.RoleID]
		switch {
		case role == nil:
		case role.RoleType == 1:
			return true
		case role.Name == "Project Manager" || role.Name == "Project Member":
		case need == viewPeople || need == managePeople:
			return true
		}
	}
	return false
}

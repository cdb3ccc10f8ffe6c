package freshservice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"lockstep/internal/scim"
)

// A CredentialReason says what is wrong with an account's domain or key.
type CredentialReason string

// The reasons.
const (
	KeyRejected      CredentialReason = "key_rejected"
	DomainUnknown    CredentialReason = "domain_unknown"
	NotFreshservice  CredentialReason = "not_freshservice"
	Unreachable      CredentialReason = "unreachable"
	AccountSuspended CredentialReason = "account_suspended"
	OwnerNotAdmin    CredentialReason = "owner_not_admin"
	OwnerInactive    CredentialReason = "owner_inactive"
	OwnerOccasional  CredentialReason = "owner_occasional"
)

// A CredentialError says why an account's domain and API key do not work.
type CredentialError struct {
	Reason CredentialReason
	Domain string
	Err    error
}

// Error says what is wrong and what to do.
func (e *CredentialError) Error() string {
	switch e.Reason {
	case KeyRejected:
		return fmt.Sprintf("%s does not accept the API key: it was mistyped or reset, or its owner was deactivated or made a requester; copy the key anew from Profile settings > Your API Key of an administrator", e.Domain)
	case DomainUnknown:
		return fmt.Sprintf("%s is no Freshservice account: the API does not exist there; use the *.freshservice.com address, not an own domain name", e.Domain)
	case NotFreshservice:
		return fmt.Sprintf("%s answers, but not as Freshservice's API does; use the *.freshservice.com address, and check proxies in between", e.Domain)
	case AccountSuspended:
		return fmt.Sprintf("Freshservice has suspended or locked %s; sign in there to see why", e.Domain)
	case OwnerNotAdmin:
		return fmt.Sprintf("the API key of %s belongs to an agent who may not manage people; use the key of an Account Admin or Admin", e.Domain)
	case OwnerInactive:
		return fmt.Sprintf("the API key of %s belongs to a deactivated agent; use another administrator's key", e.Domain)
	case OwnerOccasional:
		return fmt.Sprintf("the API key of %s belongs to an occasional agent, and such keys may expire within a day; use a full-time administrator's key", e.Domain)
	}
	s := fmt.Sprintf("%s cannot be reached; check the name, the network and the proxy", e.Domain)
	if t, ok := errors.AsType[*TransportError](e.Err); ok {
		s += fmt.Sprintf(" (%v)", t.Err)
	}
	return s
}

// Unwrap returns the cause.
func (e *CredentialError) Unwrap() error { return e.Err }

// An Owner is the agent whose API key an account uses.
type Owner struct {
	ID         int64    `json:"id"`
	Name       string   `json:"name"`
	Email      string   `json:"email"`
	Roles      []string `json:"roles"`
	Admin      bool     `json:"admin"`
	Active     bool     `json:"active"`
	Occasional bool     `json:"occasional"`
}

// A Warning is something about a key that works now and may not for long.
type Warning struct {
	Code    CredentialReason `json:"code"`
	Message string           `json:"message"`
}

// CheckKey verifies the client's domain and key with two calls, and looks at
// the key's owner. A key that does not work gives a [*CredentialError].
func CheckKey(ctx context.Context, c *Client) (Owner, []Warning, error) {
	me, err := c.Me(ctx)
	if err != nil {
		return Owner{}, nil, credentialError(c.domain, err)
	}
	owner := Owner{ID: me.ID, Name: strings.TrimSpace(me.FirstName + " " + me.LastName), Email: me.Email, Active: me.Active, Occasional: me.Occasional}
	var warnings []Warning
	warn := func(code CredentialReason, format string, args ...any) {
		warnings = append(warnings, Warning{code, fmt.Sprintf(format, args...)})
	}
	roles, err := c.Roles(ctx)
	var refused *APIError
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		warn(OwnerNotAdmin, "%s may not even see the roles; provisioning needs the role Account Admin or Admin", owner.Name)
	case err != nil:
		return owner, nil, credentialError(c.domain, err)
	default:
		for _, r := range roles {
			if slices.ContainsFunc(me.Roles, func(a RoleAssignment) bool { return a.RoleID == r.ID }) {
				owner.Roles = append(owner.Roles, r.Name)
				owner.Admin = owner.Admin || r.Name == "Account Admin" || r.Name == "Admin" || r.RoleType == 1
			}
		}
		if !owner.Admin {
			warn(OwnerNotAdmin, "%s has the role %s, which may not manage people; provisioning needs Account Admin or Admin", owner.Name, orNone(owner.Roles))
		}
	}
	if !owner.Active {
		warn(OwnerInactive, "%s is deactivated; Freshservice will stop accepting the key", owner.Name)
	}
	if owner.Occasional {
		warn(OwnerOccasional, "%s is an occasional agent; the key may expire within 24 hours, use a full-time administrator's", owner.Name)
	}
	if me.APIKeyEnabled != nil && !*me.APIKeyEnabled {
		warn(KeyRejected, "API access is switched off for %s; Freshservice will stop accepting the key, switch it on in the agent's profile", owner.Name)
	}
	return owner, warnings, nil
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "(none)"
	}
	return strings.Join(list, ", ")
}

// credentialError tells a wrong key from a wrong domain from a dead line.
func credentialError(domain string, err error) error {
	reason := Unreachable
	if e, ok := errors.AsType[*APIError](err); ok {
		switch {
		case e.Status == http.StatusUnauthorized:
			reason = KeyRejected
		case e.Code == "account_suspended" || e.Code == "password_lockout" || e.Code == "password_expired":
			reason = AccountSuspended
		case e.Status == http.StatusForbidden && !e.NotAPI:
			reason = KeyRejected
		case e.Status == http.StatusNotFound, e.Status >= 300 && e.Status < 400:
			reason = DomainUnknown
		case e.NotAPI:
			reason = NotFreshservice
		default:
			return err // a passing fault: 429, 500
		}
	}
	return &CredentialError{Reason: reason, Domain: domain, Err: err}
}

func (b *Bridge) report(err *CredentialError) {
	if b.onCredentialFailure != nil {
		b.onCredentialFailure(err)
	}
}

// barredFor is how long nothing is written after Freshservice has rejected the
// key: too many failed logins lock its owner out.
const barredFor = 30 * time.Second

func (b *Bridge) bar() {
	b.keyMu.Lock()
	defer b.keyMu.Unlock()
	b.barredUntil = b.now().Add(barredFor)
}

// barred is the error for a call that is not worth sending, nil otherwise.
func (b *Bridge) barred() error {
	b.keyMu.Lock()
	defer b.keyMu.Unlock()
	left := b.barredUntil.Sub(b.now())
	if left <= 0 {
		return nil
	}
	return &scim.Error{Type: scim.Unavailable, RetryAfter: left,
		Detail: fmt.Sprintf("Freshservice no longer accepts the API key of account %s; run: lockstep account rotate-key", b.client.domain)}
}

// examineKey finds out, at most once a minute and without delaying anybody,
// why the key is not allowed something, and reports what it finds.
func (b *Bridge) examineKey() {
	b.keyMu.Lock()
	defer b.keyMu.Unlock()
	if now := b.now(); b.keyChecked.IsZero() || now.Sub(b.keyChecked) >= time.Minute {
		b.keyChecked = now
	} else {
		return
	}
	b.background(func(ctx context.Context) {
		_, warnings, err := CheckKey(ctx, b.client)
		if c, ok := errors.AsType[*CredentialError](err); ok {
			b.report(c)
		} else if err == nil && len(warnings) > 0 {
			b.report(&CredentialError{Reason: warnings[0].Code, Domain: b.client.domain, Err: errors.New(warnings[0].Message)})
		}
	})
}

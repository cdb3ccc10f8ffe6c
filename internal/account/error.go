package account

import (
	"fmt"
	"time"
)

// A NotFoundError says that there is no such account or token.
type NotFoundError struct {
	What string // "account" or "token"
	ID   string
}

// Error names what was looked for and how to see what there is.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("there is no %s %q; `lockstep %s list` shows those there are", e.What, e.ID, e.What)
}

// An ExistsError says that an account's ID is taken.
type ExistsError struct{ ID string }

// Error names the ID.
func (e *ExistsError) Error() string { return fmt.Sprintf("there is an account %q already", e.ID) }

// An InvalidError says what is wrong with a member of an account or token.
type InvalidError struct {
	Field  string // as in JSON
	Found  string // what was there; never a secret
	Detail string // what is wrong and what to do
}

// Error names the field, what was found and what to do.
func (e *InvalidError) Error() string {
	if e.Found == "" {
		return e.Field + ": " + e.Detail
	}
	return fmt.Sprintf("%s %q: %s", e.Field, e.Found, e.Detail)
}

// A Reason says why a request was not let in. It is for the administrator's
// log alone: all reasons look the same to the client.
type Reason string

// The reasons.
const (
	ReasonMissing     Reason = "missing"         // no Authorization header
	ReasonScheme      Reason = "wrong scheme"    // not "Bearer"
	ReasonDoubled     Reason = "doubled scheme"  // "Bearer Bearer …": the word was pasted along with the token
	ReasonQuoted      Reason = "quoted"          // quotes around the token
	ReasonSpace       Reason = "white space"     // white space in or around the token
	ReasonForm        Reason = "not a token"     // not one of ours at all
	ReasonChecksum    Reason = "damaged"         // cut short or mistyped
	ReasonUnknown     Reason = "unknown"         // well-formed, but of no account
	ReasonExpired     Reason = "expired"         //
	ReasonRevoked     Reason = "revoked"         //
	ReasonAccountGone Reason = "account removed" // its account was removed
)

// A CredentialError is why a request was not let in. It is the cause inside the
// scim.Error that [Service.Authenticate] returns: found by errors.As, never sent.
type CredentialError struct {
	Reason Reason
	// AccountID and TokenID are set when the token is one that we know.
	AccountID, TokenID string
	// At is when it expired or was revoked.
	At time.Time
}

// Error says why, for the log.
func (e *CredentialError) Error() string {
	s := "token refused: " + string(e.Reason)
	if e.TokenID != "" {
		s += fmt.Sprintf(" (token %s of account %s", e.TokenID, e.AccountID)
		if !e.At.IsZero() {
			s += ", " + e.At.UTC().Format(time.RFC3339)
		}
		s += ")"
	}
	return s
}

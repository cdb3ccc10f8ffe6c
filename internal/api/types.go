package api

import (
	"time"

	"lockstep/internal/account"
)

// NewAccount asks for an account. Secrets travel in the body, never in a URL.
type NewAccount struct {
	Kind account.Kind `json:"kind"`
	Name string       `json:"name,omitempty"`
	// Domain is the Freshservice domain, or the URL of a desk.
	Domain string `json:"domain,omitempty"`
	APIKey string `json:"apiKey,omitempty"`
	// Settings replaces the default settings when given.
	Settings *account.Settings `json:"settings,omitempty"`
}

// Account is an account as the API shows it.
type Account struct {
	account.Account
	// TenantURL is the SCIM endpoint to enter in the directory.
	TenantURL string `json:"tenantUrl"`
	// Freshservice is how things are with a Freshservice account; only where one
	// account is shown.
	Freshservice *Freshservice `json:"freshservice,omitempty"`
}

// AddedAccount is the answer to [NewAccount]. SecretToken is shown this once.
type AddedAccount struct {
	Account
	SecretToken string   `json:"secretToken"`
	Warnings    []string `json:"warnings,omitempty"`
}

// CheckedAccount is the answer to a check or a key rotation.
type CheckedAccount struct {
	Account
	Warnings []string `json:"warnings,omitempty"`
}

// NewKey asks for another API key of an account.
type NewKey struct {
	APIKey string `json:"apiKey"`
}

// NewToken asks for another secret token of an account.
type NewToken struct {
	Name string `json:"name,omitempty"`
	// ExpiresInSeconds is 0 for a token that does not expire.
	ExpiresInSeconds int64 `json:"expiresInSeconds,omitempty"`
}

// AddedToken is the answer to [NewToken]. SecretToken is shown this once.
type AddedToken struct {
	account.Token
	TenantURL   string `json:"tenantUrl"`
	SecretToken string `json:"secretToken"`
}

// Version says what is running.
type Version struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
}

// A Problem is an error as it travels (RFC 9457).
type Problem struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Next says what to do about it.
	Next string `json:"next,omitempty"`
}

// Error returns the detail and what to do next.
func (p *Problem) Error() string {
	s := p.Detail
	if s == "" {
		s = p.Title
	}
	if p.Next != "" {
		s += "\n" + p.Next
	}
	return s
}

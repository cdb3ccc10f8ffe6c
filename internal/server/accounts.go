package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/api"
	"lockstep/internal/freshservice"
	"lockstep/internal/secret"
)

// Version implements [api.Backend].
func (s *Server) Version() api.Version {
	return api.Version{Version: s.o.Version, Started: s.started}
}

func (s *Server) shown(a *account.Account) api.Account {
	return api.Account{Account: *a, TenantURL: s.TenantURL()}
}

// AddAccount implements [api.Backend]. A Freshservice key is verified before
// anything is stored.
func (s *Server) AddAccount(ctx context.Context, n api.NewAccount) (*api.AddedAccount, error) {
	a := account.Account{ID: n.Name, Kind: n.Kind, Name: n.Name, APIKey: secret.NewText(strings.TrimSpace(n.APIKey)), Settings: account.DefaultSettings(n.Kind)}
	if n.Settings != nil {
		a.Settings = *n.Settings
	}
	var warnings []string
	if n.Kind == account.KindFreshservice {
		var err error
		if a.Domain, a.BaseURL, err = splitDomain(n.Domain); err != nil {
			return nil, err
		}
		if a.BaseURL != "" && a.ID == "" {
			a.ID = "desk" // an address makes a poor name
		}
		if a.Owner, warnings, err = s.verify(ctx, &a); err != nil {
			return nil, err
		}
	}
	added, err := s.accounts.Add(ctx, a)
	if err != nil {
		return nil, err
	}
	if added.Kind == account.KindFreshservice {
		status, message := stateOf(added.Owner, nil)
		if added, err = s.accounts.SetState(ctx, added.ID, status, message); err != nil {
			return nil, err
		}
	}
	_, token, err := s.accounts.CreateToken(ctx, added.ID, "first", 0)
	if err != nil {
		return nil, errors.Join(err, s.accounts.Remove(ctx, added.ID))
	}
	return &api.AddedAccount{Account: s.shown(added), SecretToken: token.Reveal(), Warnings: warnings}, nil
}

// splitDomain tells a Freshservice domain from the URL of a desk.
func splitDomain(in string) (domain, base string, err error) {
	in = strings.TrimSpace(in)
	if !strings.Contains(in, "://") {
		if in != "" && !strings.Contains(in, ".") {
			in += ".freshservice.com"
		}
		return in, "", nil
	}
	u, err := url.Parse(in)
	if err != nil || u.Host == "" {
		return "", "", &api.Problem{Title: "Bad request", Status: http.StatusBadRequest,
			Detail: fmt.Sprintf("the domain %q is neither a name like acme.freshservice.com nor a URL", in)}
	}
	return u.Host, u.Scheme + "://" + u.Host, nil
}

// verify asks Freshservice whose key the account has.
func (s *Server) verify(ctx context.Context, a *account.Account) (*account.Owner, []string, error) {
	ctx, cancel := context.WithTimeout(freshservice.WithPriority(ctx, freshservice.Interactive), 30*time.Second)
	defer cancel()
	client, err := freshservice.NewClient(freshservice.ClientOptions{Domain: a.APIURL(), APIKey: a.APIKey.Reveal(), Log: s.log})
	if err != nil {
		return nil, nil, &api.Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: err.Error()}
	}
	owner, warnings, err := checkKey(ctx, client)
	if err == nil && a.Owner != nil && a.Owner.ID != owner.ID {
		warnings = append(warnings, becameOf(ctx, client, a.Owner)...)
	}
	if err != nil {
		return nil, nil, &api.Problem{Title: "Freshservice refused", Status: http.StatusUnprocessableEntity, Detail: err.Error(), Next: "Nothing was stored."}
	}
	return owner, warnings, nil
}

// becameOf tells what became of the owner of a key that has been replaced, when
// that is why it died.
func becameOf(ctx context.Context, c *freshservice.Client, owner *account.Owner) []string {
	p, err := c.Person(ctx, freshservice.Agent, owner.ID)
	switch {
	case freshservice.IsNotFound(err):
		return []string{fmt.Sprintf("%s <%s>, whose key it was until now, is no agent any more; that ends a key.", owner.Name, owner.Email)}
	case err == nil && !p.Active:
		return []string{fmt.Sprintf("%s <%s>, whose key it was until now, is deactivated; that ends a key.", owner.Name, owner.Email)}
	}
	return nil // nothing to tell, or the new key may not look
}

// Accounts implements [api.Backend].
func (s *Server) Accounts(ctx context.Context) ([]api.Account, error) {
	list, err := s.accounts.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]api.Account, len(list))
	for i, a := range list {
		out[i] = s.shown(a)
	}
	return out, nil
}

// Account implements [api.Backend].
func (s *Server) Account(ctx context.Context, id string, people int) (*api.Account, error) {
	a, err := s.accounts.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	shown := s.shown(a)
	if a.Kind == account.KindFreshservice {
		if shown.Freshservice, err = s.freshservice(ctx, a, people); err != nil {
			return nil, err
		}
	}
	return &shown, nil
}

// RemoveAccount implements [api.Backend].
func (s *Server) RemoveAccount(ctx context.Context, id string) error {
	if err := s.accounts.Remove(ctx, id); err != nil {
		return err
	}
	s.reconciliations.stop(id)
	s.hub.remove(id)
	return nil
}

// CheckAccount implements [api.Backend].
func (s *Server) CheckAccount(ctx context.Context, id string) (*api.CheckedAccount, error) {
	a, warnings, err := s.hub.check(ctx, id)
	if a == nil {
		return nil, err
	}
	// What is wrong with the key is part of the account's state, not a failure
	// of the check.
	return &api.CheckedAccount{Account: s.shown(a), Warnings: warnings}, nil
}

// RotateKey implements [api.Backend]. The new key is verified before it
// replaces the old one; tokens stay valid.
func (s *Server) RotateKey(ctx context.Context, id string, k api.NewKey) (*api.CheckedAccount, error) {
	a, err := s.accounts.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if a.Kind != account.KindFreshservice {
		return nil, &api.Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: fmt.Sprintf("account %q is an embedded directory and has no API key", id)}
	}
	next := *a
	next.APIKey = secret.NewText(strings.TrimSpace(k.APIKey))
	owner, warnings, err := s.verify(ctx, &next)
	if err != nil {
		return nil, err
	}
	if _, err := s.accounts.RotateKey(ctx, id, next.APIKey, owner); err != nil {
		return nil, err
	}
	status, message := stateOf(owner, nil)
	rotated, err := s.accounts.SetState(ctx, id, status, message)
	if err != nil {
		return nil, err
	}
	s.hub.drop(id)
	return &api.CheckedAccount{Account: s.shown(rotated), Warnings: warnings}, nil
}

// CreateToken implements [api.Backend].
func (s *Server) CreateToken(ctx context.Context, accountID string, n api.NewToken) (*api.AddedToken, error) {
	t, text, err := s.accounts.CreateToken(ctx, accountID, n.Name, time.Duration(n.ExpiresInSeconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return &api.AddedToken{Token: *t, TenantURL: s.TenantURL(), SecretToken: text.Reveal()}, nil
}

// Tokens implements [api.Backend].
func (s *Server) Tokens(ctx context.Context, accountID string) ([]*account.Token, error) {
	return s.accounts.ListTokens(ctx, accountID)
}

// RevokeToken implements [api.Backend].
func (s *Server) RevokeToken(ctx context.Context, accountID, tokenID string) error {
	return s.accounts.Revoke(ctx, accountID, tokenID)
}

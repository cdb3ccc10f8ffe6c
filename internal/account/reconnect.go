package account

import (
	"context"

	"lockstep/internal/secret"
)

// Reconnect points a Freshservice account at another address with another key,
// and takes it for connected again. Its tokens and what is kept of its people stay.
func (s *Service) Reconnect(ctx context.Context, id, domain, baseURL string, key secret.Text, owner *Owner) (*Account, error) {
	return s.update(ctx, id, func(a *Account) error {
		if a.Kind != KindFreshservice {
			return &InvalidError{"kind", string(a.Kind), "only a Freshservice account has an address"}
		}
		a.Domain, a.BaseURL, a.APIKey, a.Owner = domain, baseURL, key, owner
		a.State = State{Status: StatusOK, Since: s.now()}
		return nil
	})
}

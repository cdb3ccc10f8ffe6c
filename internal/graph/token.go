package graph

import (
	"context"
	"sync"
	"time"

	"lockstep/internal/secret"
)

// A TokenCredential gives access tokens. It has the shape of TokenCredential in
// the Azure SDK, so that one of those fits behind a few lines.
// Implementations are safe for concurrent use and need not keep tokens: the
// client does.
type TokenCredential interface {
	GetToken(ctx context.Context, o TokenRequestOptions) (AccessToken, error)
}

// TokenRequestOptions say which token is wanted.
type TokenRequestOptions struct {
	// Scopes are the permissions wanted: for an application always the
	// resource's /.default, such as https://graph.microsoft.com/.default.
	Scopes []string
}

// An AccessToken is what a caller shows to Graph.
type AccessToken struct {
	Token     secret.Text
	ExpiresOn time.Time
	// RefreshOn is when a new one should be asked for although this one is still
	// good; zero: shortly before it expires.
	RefreshOn time.Time
}

// refreshMargin is how long before its end a token is no longer used: a request
// takes time, and clocks differ.
const refreshMargin = 5 * time.Minute

// A tokenCache keeps the token of one credential. Callers that find it stale
// wait for one of them to get another.
type tokenCache struct {
	credential TokenCredential
	scope      string

	refreshing chan struct{} // holds one element while nobody refreshes
	mu         sync.Mutex
	current    AccessToken
}

func newTokenCache(c TokenCredential, scope string) *tokenCache {
	t := &tokenCache{credential: c, scope: scope, refreshing: make(chan struct{}, 1)}
	t.refreshing <- struct{}{}
	return t
}

func (t *tokenCache) token(ctx context.Context) (secret.Text, error) {
	if token, ok := t.fresh(); ok {
		return token, nil
	}
	select {
	case <-t.refreshing:
		defer func() { t.refreshing <- struct{}{} }()
	case <-ctx.Done():
		return secret.Text{}, ctx.Err()
	}
	if token, ok := t.fresh(); ok {
		return token, nil
	}
	token, err := t.credential.GetToken(ctx, TokenRequestOptions{Scopes: []string{t.scope}})
	if err != nil {
		return secret.Text{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = token
	return token.Token, nil
}

func (t *tokenCache) fresh() (secret.Text, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	until := t.current.ExpiresOn.Add(-refreshMargin)
	if r := t.current.RefreshOn; !r.IsZero() && r.Before(until) {
		until = r
	}
	return t.current.Token, !t.current.Token.IsZero() && time.Now().Before(until)
}

// drop forgets a token that Graph rejected, unless another has replaced it.
func (t *tokenCache) drop(rejected secret.Text) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.Token == rejected {
		t.current = AccessToken{}
	}
}

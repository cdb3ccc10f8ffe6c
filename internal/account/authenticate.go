package account

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"lockstep/internal/scim"
	"lockstep/internal/secret"
)

const (
	// maxCached bounds the cache of tokens in use.
	maxCached = 4096
	// touchEvery is how exactly the last use of a token is known.
	touchEvery = time.Minute
)

// An admission is a token that was looked up and found good.
type admission struct {
	generation uint64
	account    *Account
	token      *Token
	touched    atomic.Int64 // Unix seconds of the last recorded use
}

// refused hides every reason from the client behind one error.
func refused(e *CredentialError) error {
	return &scim.Error{
		Type:   scim.Unauthenticated,
		Detail: "a valid bearer token is needed: Authorization: Bearer lockstep_…",
		Err:    e,
	}
}

// BearerToken returns the token of an Authorization header. Otherwise the
// error is as [Service.Authenticate] gives it, and its [CredentialError] tells
// the mistakes apart that are made in copying a token into a form.
func BearerToken(header string) (string, error) {
	scheme, token, _ := strings.Cut(strings.TrimLeft(header, " \t"), " ")
	switch {
	case strings.TrimSpace(header) == "":
		return "", refused(&CredentialError{Reason: ReasonMissing})
	case !strings.EqualFold(scheme, "Bearer"):
		return "", refused(&CredentialError{Reason: ReasonScheme})
	case strings.TrimSpace(token) == "":
		return "", refused(&CredentialError{Reason: ReasonMissing})
	}
	trimmed := strings.TrimSpace(token)
	switch first, _, _ := strings.Cut(trimmed, " "); {
	case strings.EqualFold(first, "Bearer"):
		return "", refused(&CredentialError{Reason: ReasonDoubled})
	case strings.ContainsAny(trimmed, "\"'`") || strings.ContainsRune(trimmed, '“') || strings.ContainsRune(trimmed, '”'):
		return "", refused(&CredentialError{Reason: ReasonQuoted})
	case trimmed != token || strings.ContainsFunc(trimmed, isSpace):
		return "", refused(&CredentialError{Reason: ReasonSpace})
	}
	return token, nil
}

// isSpace also knows the invisible characters that come along from documents.
func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\r', '\n', '\v', '\f', '\u00a0', '\u200b', '\ufeff':
		return true
	}
	return false
}

// Authenticate returns the account and the token that text belongs to. Every
// refusal is the same [scim.Error] of type Unauthenticated to the client; the
// [*CredentialError] inside says which it was. The results are shared: they
// are for reading.
func (s *Service) Authenticate(ctx context.Context, text string) (*Account, *Token, error) {
	if err := secret.ParseToken(text); err != nil {
		reason := ReasonForm
		if errors.Is(err, secret.ErrTokenChecksum) {
			reason = ReasonChecksum
		}
		return nil, nil, refused(&CredentialError{Reason: reason})
	}
	// The generation is read before the repository: what changes in between
	// makes this answer stale rather than that change lost.
	generation := s.generation()
	hash := secret.HashToken(text)
	s.mu.Lock()
	adm := s.cache[hash]
	s.mu.Unlock()
	if adm == nil || adm.generation != generation {
		var err error
		if adm, err = s.admit(ctx, hash, generation); err != nil {
			return nil, nil, err
		}
	}
	now := s.now()
	if t := adm.token; !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) {
		return nil, nil, refused(&CredentialError{ReasonExpired, t.AccountID, t.ID, t.ExpiresAt})
	}
	s.touch(adm, now)
	return adm.account, adm.token, nil
}

func (s *Service) admit(ctx context.Context, hash secret.Hash, generation uint64) (*admission, error) {
	var missing *NotFoundError
	t, err := s.repo.TokenByHash(ctx, hash)
	if errors.As(err, &missing) {
		return nil, refused(&CredentialError{Reason: ReasonUnknown})
	}
	if err != nil {
		return nil, err
	}
	if !t.RevokedAt.IsZero() {
		return nil, refused(&CredentialError{ReasonRevoked, t.AccountID, t.ID, t.RevokedAt})
	}
	a, err := s.repo.Account(ctx, t.AccountID)
	if errors.As(err, &missing) {
		return nil, refused(&CredentialError{Reason: ReasonAccountGone, AccountID: t.AccountID, TokenID: t.ID})
	}
	if err != nil {
		return nil, err
	}
	adm := &admission{generation: generation, account: a, token: t}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.cache[hash]; old != nil {
		adm.touched.Store(old.touched.Load())
	} else if !t.LastUsedAt.IsZero() {
		adm.touched.Store(t.LastUsedAt.Unix())
	}
	if len(s.cache) >= maxCached {
		// Real deployments never come here; starting anew is simple and bounded.
		clear(s.cache)
	}
	s.cache[hash] = adm
	return adm, nil
}

// touch records the use, at most once a minute and never in the request's way.
func (s *Service) touch(adm *admission, now time.Time) {
	last := adm.touched.Load()
	if now.Unix()-last < int64(touchEvery/time.Second) || !adm.touched.CompareAndSwap(last, now.Unix()) {
		return
	}
	id := adm.token.ID
	s.touching.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.repo.TouchToken(ctx, id, now); err != nil {
			s.log.Warn("the last use of a token could not be recorded", "token", id, "error", err)
		}
	})
}

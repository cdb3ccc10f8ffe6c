package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"lockstep/internal/secret"
)

// A Repository remembers accounts and tokens. Each method is one transaction.
// What is not there is a [*NotFoundError], an ID that is taken an
// [*ExistsError].
type Repository interface {
	CreateAccount(ctx context.Context, a *Account) error
	Account(ctx context.Context, id string) (*Account, error)
	// Accounts returns all accounts by ID.
	Accounts(ctx context.Context) ([]*Account, error)
	// UpdateAccount applies change to the stored account; an error of change is
	// returned and nothing is stored. change may run more than once. ID, Kind
	// and CreatedAt do not change.
	UpdateAccount(ctx context.Context, id string, change func(*Account) error) (*Account, error)
	// DeleteAccount removes the account, its tokens and all its resources.
	DeleteAccount(ctx context.Context, id string) error

	CreateToken(ctx context.Context, t *Token) error
	// Tokens returns the tokens of one account, oldest first.
	Tokens(ctx context.Context, accountID string) ([]*Token, error)
	// TokenByHash returns the token, also when it is expired or revoked.
	TokenByHash(ctx context.Context, h secret.Hash) (*Token, error)
	// RevokeToken marks the token as revoked; the first time counts.
	RevokeToken(ctx context.Context, accountID, tokenID string, at time.Time) error
	// TouchToken records a use.
	TouchToken(ctx context.Context, tokenID string, at time.Time) error

	// Generation returns a number that grows. Two answers are the same only when
	// no other process has changed an account or a token in between.
	Generation() uint64
}

// A Service manages accounts and tokens and lets requests in. One process has
// one Service per database: what it changes takes effect on the next request,
// and what other processes change when [Repository.Generation] says so.
// It is safe for concurrent use.
type Service struct {
	repo Repository
	log  *slog.Logger
	now  func() time.Time

	// changes grows with every change of this Service.
	changes atomic.Uint64
	mu      sync.Mutex
	cache   map[secret.Hash]*admission

	touching sync.WaitGroup
}

// NewService returns a Service on repo. Failures to record a token's last use,
// which stop nobody, go to log.
func NewService(repo Repository, log *slog.Logger) *Service {
	return &Service{repo: repo, log: log, now: time.Now, cache: make(map[secret.Hash]*admission)}
}

// generation returns a number that grows with every change; a cached answer of
// an earlier one is not used, which makes a revocation effective at once.
func (s *Service) generation() uint64 { return s.changes.Load() + s.repo.Generation() }

// Close waits until every last use has been recorded.
func (s *Service) Close() { s.touching.Wait() }

// Add stores a new account. ID, State and CreatedAt are set; zero Settings
// become the defaults. The ID is made from the ID asked for, or else from the
// name or the domain, with a number when it is taken.
func (s *Service) Add(ctx context.Context, a Account) (*Account, error) {
	if a.Settings.Groups == "" && a.Settings.UnknownDepartments == "" && a.Settings.UnknownLocations == "" {
		a.Settings = DefaultSettings(a.Kind)
	}
	if a.Name == "" {
		a.Name = firstOf(a.ID, a.Domain, a.BaseURL)
	}
	if a.Name == "" {
		return nil, &InvalidError{"name", "", "give the account a name"}
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	a.CreatedAt = s.now()
	a.State = State{Status: StatusOK, Since: a.CreatedAt}
	subdomain, _, _ := strings.Cut(a.Domain, ".")
	base := slug(firstOf(a.ID, subdomain, a.Name))
	for n := 1; ; n++ {
		if a.ID = base; n > 1 {
			a.ID = fmt.Sprintf("%s-%d", base, n)
		}
		err := s.repo.CreateAccount(ctx, &a)
		if err == nil {
			s.changes.Add(1)
			return &a, nil
		}
		if _, ok := errors.AsType[*ExistsError](err); !ok {
			return nil, fmt.Errorf("add account %s: %w", a.ID, err)
		}
	}
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// maxSlug bounds an ID; a suffix may make it a little longer.
const maxSlug = 32

// slug turns a name into lower-case letters, digits and single hyphens.
func slug(name string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(name)) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r): // the accent of the letter before it
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= maxSlug {
			break
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" {
		return s
	}
	return "account"
}

// Get returns one account.
func (s *Service) Get(ctx context.Context, id string) (*Account, error) {
	return s.repo.Account(ctx, id)
}

// List returns all accounts by ID.
func (s *Service) List(ctx context.Context) ([]*Account, error) { return s.repo.Accounts(ctx) }

// Remove forgets an account with its tokens and resources. What Freshservice
// holds stays there.
func (s *Service) Remove(ctx context.Context, id string) error {
	defer s.changes.Add(1)
	return s.repo.DeleteAccount(ctx, id)
}

// Configure changes an account's settings.
func (s *Service) Configure(ctx context.Context, id string, change func(*Settings) error) (*Account, error) {
	return s.update(ctx, id, func(a *Account) error { return change(&a.Settings) })
}

// RotateKey replaces the API key and the facts about its owner, and takes the
// account for connected again.
func (s *Service) RotateKey(ctx context.Context, id string, key secret.Text, owner *Owner) (*Account, error) {
	return s.update(ctx, id, func(a *Account) error {
		if a.Kind != KindFreshservice {
			return &InvalidError{"kind", string(a.Kind), "only a Freshservice account has an API key"}
		}
		a.APIKey, a.Owner = key, owner
		a.State = State{Status: StatusOK, Since: s.now()}
		return nil
	})
}

// SetOwner stores what was found about the owner of the API key.
func (s *Service) SetOwner(ctx context.Context, id string, owner *Owner) (*Account, error) {
	return s.update(ctx, id, func(a *Account) error { a.Owner = owner; return nil })
}

// SetState stores how the connection is. Since keeps its time while the status
// stays the same.
func (s *Service) SetState(ctx context.Context, id string, status Status, message string) (*Account, error) {
	return s.update(ctx, id, func(a *Account) error {
		if a.State.Status != status {
			a.State.Since = s.now()
		}
		a.State.Status, a.State.Message = status, message
		return nil
	})
}

func (s *Service) update(ctx context.Context, id string, change func(*Account) error) (*Account, error) {
	defer s.changes.Add(1)
	return s.repo.UpdateAccount(ctx, id, func(a *Account) error {
		if err := change(a); err != nil {
			return err
		}
		return a.check()
	})
}

// CreateToken gives an account one more token. The text is returned this once
// and not kept. A ttl of 0 never expires.
func (s *Service) CreateToken(ctx context.Context, accountID, name string, ttl time.Duration) (*Token, secret.Text, error) {
	if ttl < 0 {
		return nil, secret.Text{}, &InvalidError{"expires", ttl.String(), "a token cannot expire in the past"}
	}
	text, hash := secret.NewToken()
	t := &Token{
		ID:        "tok_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12],
		AccountID: accountID,
		Name:      name,
		Hash:      hash,
		Hint:      text[len(text)-4:],
		CreatedAt: s.now(),
	}
	if ttl > 0 {
		t.ExpiresAt = t.CreatedAt.Add(ttl)
	}
	if err := s.repo.CreateToken(ctx, t); err != nil {
		return nil, secret.Text{}, err
	}
	return t, secret.NewText(text), nil
}

// ListTokens returns the tokens of one account, oldest first, also those
// expired or revoked.
func (s *Service) ListTokens(ctx context.Context, accountID string) ([]*Token, error) {
	if _, err := s.repo.Account(ctx, accountID); err != nil {
		return nil, err
	}
	return s.repo.Tokens(ctx, accountID)
}

// Revoke ends a token: once it has returned, no request is let in with it.
func (s *Service) Revoke(ctx context.Context, accountID, tokenID string) error {
	defer s.changes.Add(1)
	return s.repo.RevokeToken(ctx, accountID, tokenID, s.now())
}

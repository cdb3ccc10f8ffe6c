package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/secret"
)

// Accounts is the [account.Repository] of a database.
type Accounts struct{ db *DB }

var _ account.Repository = (*Accounts)(nil)

// Accounts returns the repository of accounts and tokens.
func (db *DB) Accounts() *Accounts { return &Accounts{db} }

// Generation implements [account.Repository].
func (s *Accounts) Generation() uint64 {
	if s.db.watch == nil {
		return 0
	}
	return s.db.watch.generation()
}

// accountRow is an account as its row holds it.
type accountRow struct {
	id, name, kind, domain, baseURL, apiKey string
	settings, state                         []byte
	owner                                   []byte // nil: unknown
	createdAt                               int64
}

const accountColumns = `id, name, kind, domain, base_url, api_key, settings, owner, state, created_at`

func (r *accountRow) dest() []any {
	return []any{&r.id, &r.name, &r.kind, &r.domain, &r.baseURL, &r.apiKey, &r.settings, &r.owner, &r.state, &r.createdAt}
}

// keyContext is what a sealed API key is bound to.
func keyContext(accountID string) string { return "account/" + accountID + "/api-key" }

var errNoSealer = errors.New("the store was opened without a master key")

func (db *DB) toRow(a *account.Account) (*accountRow, error) {
	r := &accountRow{
		id: a.ID, name: a.Name, kind: string(a.Kind), domain: a.Domain, baseURL: a.BaseURL,
		createdAt: toMillis(a.CreatedAt),
	}
	if !a.APIKey.IsZero() {
		if db.sealer == nil {
			return nil, fmt.Errorf("store the API key of account %s: %w", a.ID, errNoSealer)
		}
		r.apiKey = db.sealer.Seal([]byte(a.APIKey.Reveal()), keyContext(a.ID))
	}
	var err error
	if r.settings, err = json.Marshal(a.Settings); err != nil {
		return nil, fmt.Errorf("encode the settings of account %s: %w", a.ID, err)
	}
	if r.state, err = json.Marshal(a.State); err != nil {
		return nil, fmt.Errorf("encode the state of account %s: %w", a.ID, err)
	}
	if a.Owner != nil {
		if r.owner, err = json.Marshal(a.Owner); err != nil {
			return nil, fmt.Errorf("encode the key owner of account %s: %w", a.ID, err)
		}
	}
	return r, nil
}

func (db *DB) fromRow(r *accountRow) (*account.Account, error) {
	a := &account.Account{
		ID: r.id, Name: r.name, Kind: account.Kind(r.kind), Domain: r.domain, BaseURL: r.baseURL,
		CreatedAt: fromMillis(r.createdAt),
	}
	if r.apiKey != "" {
		if db.sealer == nil {
			return nil, fmt.Errorf("read the API key of account %s: %w", r.id, errNoSealer)
		}
		key, err := db.sealer.Open(r.apiKey, keyContext(r.id))
		if err != nil {
			return nil, fmt.Errorf("read the API key of account %s: %w", r.id, err)
		}
		a.APIKey = secret.NewText(string(key))
	}
	if err := json.Unmarshal(r.settings, &a.Settings); err != nil {
		return nil, fmt.Errorf("read the settings of account %s: %w", r.id, err)
	}
	if err := json.Unmarshal(r.state, &a.State); err != nil {
		return nil, fmt.Errorf("read the state of account %s: %w", r.id, err)
	}
	if r.owner != nil {
		if err := json.Unmarshal(r.owner, &a.Owner); err != nil {
			return nil, fmt.Errorf("read the key owner of account %s: %w", r.id, err)
		}
	}
	return a, nil
}

// text passes JSON on as TEXT, NULL for nil.
func text(b []byte) any {
	if b == nil {
		return nil
	}
	return string(b)
}

// CreateAccount implements [account.Repository].
func (s *Accounts) CreateAccount(ctx context.Context, a *account.Account) error {
	r, err := s.db.toRow(a)
	if err != nil {
		return err
	}
	err = s.db.write(ctx, accountRealm(a.ID), func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO accounts (`+accountColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			r.id, r.name, r.kind, r.domain, r.baseURL, r.apiKey, text(r.settings), text(r.owner), text(r.state), r.createdAt)
		if violated(err) != "" {
			return &account.ExistsError{ID: a.ID}
		}
		if err != nil {
			return fmt.Errorf("create account %s: %w", a.ID, err)
		}
		// A request that outlived an account of the same ID may have left something.
		if err := s.db.dropCollections(tx, a.ID); err != nil {
			return err
		}
		return tx.c.announce(tx)
	})
	if err == nil {
		s.db.collections.forget()
	}
	return err
}

// Account implements [account.Repository].
func (s *Accounts) Account(ctx context.Context, id string) (*account.Account, error) {
	var a *account.Account
	err := s.db.read(ctx, func(tx *Tx) (err error) {
		a, err = s.db.account(tx, id)
		return err
	})
	return a, err
}

func (db *DB) account(tx *Tx, id string) (*account.Account, error) {
	var r accountRow
	err := tx.Row(`SELECT `+accountColumns+` FROM accounts WHERE id = $1`, []any{id}, r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &account.NotFoundError{What: "account", ID: id}
	}
	if err != nil {
		return nil, fmt.Errorf("read account %s: %w", id, err)
	}
	return db.fromRow(&r)
}

// Accounts implements [account.Repository].
func (s *Accounts) Accounts(ctx context.Context) ([]*account.Account, error) {
	var list []*account.Account
	err := s.db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT `+accountColumns+` FROM accounts ORDER BY id`, nil, func(rows *sql.Rows) error {
			var r accountRow
			if err := rows.Scan(r.dest()...); err != nil {
				return err
			}
			a, err := s.db.fromRow(&r)
			list = append(list, a)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return list, nil
}

// UpdateAccount implements [account.Repository].
func (s *Accounts) UpdateAccount(ctx context.Context, id string, change func(*account.Account) error) (*account.Account, error) {
	var updated *account.Account
	err := s.db.write(ctx, accountRealm(id), func(tx *Tx) error {
		old, err := s.db.account(tx, id)
		if err != nil {
			return err
		}
		a := *old
		if err := change(&a); err != nil {
			return err
		}
		a.ID, a.Kind, a.CreatedAt = old.ID, old.Kind, old.CreatedAt
		r, err := s.db.toRow(&a)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE accounts SET name = $2, domain = $3, base_url = $4, api_key = $5, settings = $6, owner = $7, state = $8 WHERE id = $1`,
			id, r.name, r.domain, r.baseURL, r.apiKey, text(r.settings), text(r.owner), text(r.state))
		if err != nil {
			return fmt.Errorf("update account %s: %w", id, err)
		}
		updated = &a
		return tx.c.announce(tx)
	})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

// DeleteAccount implements [account.Repository]. The account is gone at once;
// its resources follow in small steps, so that others are not kept waiting.
func (s *Accounts) DeleteAccount(ctx context.Context, id string) error {
	err := s.db.write(ctx, accountRealm(id), func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM accounts WHERE id = $1`, id)
		if err != nil {
			return fmt.Errorf("delete account %s: %w", id, err)
		}
		if n == 0 {
			return &account.NotFoundError{What: "account", ID: id}
		}
		if err := s.db.dropCollections(tx, id); err != nil {
			return err
		}
		return tx.c.announce(tx)
	})
	if err != nil {
		return err
	}
	s.db.collections.forget()
	return s.db.sweep(ctx)
}

const tokenColumns = `id, account, name, hash, hint, created_at, expires_at, last_used_at, revoked_at`

// CreateToken implements [account.Repository].
func (s *Accounts) CreateToken(ctx context.Context, t *account.Token) error {
	return s.db.write(ctx, accountRealm(t.AccountID), func(tx *Tx) error {
		if err := tx.Row(`SELECT id FROM accounts WHERE id = $1`, []any{t.AccountID}, new(string)); errors.Is(err, sql.ErrNoRows) {
			return &account.NotFoundError{What: "account", ID: t.AccountID}
		} else if err != nil {
			return fmt.Errorf("create a token for account %s: %w", t.AccountID, err)
		}
		_, err := tx.Exec(`INSERT INTO tokens (`+tokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			t.ID, t.AccountID, t.Name, t.Hash[:], t.Hint, toMillis(t.CreatedAt),
			nullMillis(t.ExpiresAt), nullMillis(t.LastUsedAt), nullMillis(t.RevokedAt))
		if err != nil {
			return fmt.Errorf("create a token for account %s: %w", t.AccountID, err)
		}
		return nil
	})
}

type scanner interface{ Scan(dest ...any) error }

func scanToken(row scanner) (*account.Token, error) {
	var t account.Token
	var hash []byte
	var created int64
	var expires, used, revoked sql.NullInt64
	if err := row.Scan(&t.ID, &t.AccountID, &t.Name, &hash, &t.Hint, &created, &expires, &used, &revoked); err != nil {
		return nil, err
	}
	copy(t.Hash[:], hash)
	t.CreatedAt = fromMillis(created)
	t.ExpiresAt, t.LastUsedAt, t.RevokedAt = fromNull(expires), fromNull(used), fromNull(revoked)
	return &t, nil
}

// Tokens implements [account.Repository].
func (s *Accounts) Tokens(ctx context.Context, accountID string) ([]*account.Token, error) {
	var list []*account.Token
	err := s.db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT `+tokenColumns+` FROM tokens WHERE account = $1 ORDER BY created_at, id`, []any{accountID}, func(rows *sql.Rows) error {
			t, err := scanToken(rows)
			list = append(list, t)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the tokens of account %s: %w", accountID, err)
	}
	return list, nil
}

// TokenByHash implements [account.Repository].
func (s *Accounts) TokenByHash(ctx context.Context, h secret.Hash) (*account.Token, error) {
	var found *account.Token
	err := s.db.read(ctx, func(tx *Tx) error {
		return tx.Each(`SELECT `+tokenColumns+` FROM tokens WHERE hash = $1`, []any{h[:]}, func(rows *sql.Rows) (err error) {
			found, err = scanToken(rows)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("look up a token: %w", err)
	}
	if found == nil {
		return nil, &account.NotFoundError{What: "token"}
	}
	return found, nil
}

// RevokeToken implements [account.Repository].
func (s *Accounts) RevokeToken(ctx context.Context, accountID, tokenID string, at time.Time) error {
	return s.db.write(ctx, accountRealm(accountID), func(tx *Tx) error {
		n, err := tx.Exec(`UPDATE tokens SET revoked_at = coalesce(revoked_at, $3) WHERE account = $1 AND id = $2`, accountID, tokenID, toMillis(at))
		if err != nil {
			return fmt.Errorf("revoke token %s: %w", tokenID, err)
		}
		if n == 0 {
			return &account.NotFoundError{What: "token", ID: tokenID}
		}
		return tx.c.announce(tx)
	})
}

// TouchToken implements [account.Repository].
func (s *Accounts) TouchToken(ctx context.Context, tokenID string, at time.Time) error {
	return s.db.write(ctx, anyRealm, func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)`, tokenID, toMillis(at))
		return err
	})
}

// Times are stored as Unix milliseconds, the precision SCIM has.

func toMillis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func nullMillis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func fromNull(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return fromMillis(n.Int64)
}

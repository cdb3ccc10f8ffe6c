package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"lockstep/internal/account"
)

// A Client calls the API of a running server.
type Client struct {
	base  string
	token string
	where string
	http  *http.Client
}

// NewSocketClient returns a client over the server's local socket. Whoever may
// open the socket is an administrator.
func NewSocketClient(path string) *Client {
	return &Client{base: "http://lockstep", where: path, http: &http.Client{
		Timeout: RequestTimeout + 5*time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}},
	}}
}

// A NotRunningError means that no server answers.
type NotRunningError struct {
	Where string
	Err   error
}

func (e *NotRunningError) Error() string {
	return fmt.Sprintf("no lockstep server answers at %s (%v)\nStart one with `lockstep serve`, or name its data folder with --data.", e.Where, e.Err)
}

// Unwrap returns the cause.
func (e *NotRunningError) Unwrap() error { return e.Err }

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			var op *net.OpError
			if errors.As(err, &op) {
				err = op.Err
			}
			return &NotRunningError{c.where, err}
		}
		return fmt.Errorf("asking the server at %s: %w", c.where, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		p := &Problem{Status: resp.StatusCode, Title: resp.Status}
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
			_ = json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(p)
		}
		return p
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func get[T any](ctx context.Context, c *Client, method, path string, in any) (*T, error) {
	out := new(T)
	if err := c.call(ctx, method, path, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

func accountPath(id string) string { return "/api/v1/accounts/" + url.PathEscape(id) }

// AddAccount adds an account and returns its first token.
func (c *Client) AddAccount(ctx context.Context, n NewAccount) (*AddedAccount, error) {
	return get[AddedAccount](ctx, c, http.MethodPost, "/api/v1/accounts", n)
}

// Accounts lists the accounts.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	return listOf[Account](ctx, c, "/api/v1/accounts")
}

// Account returns one account.
func (c *Client) Account(ctx context.Context, id string) (*Account, error) {
	return get[Account](ctx, c, http.MethodGet, accountPath(id), nil)
}

// RemoveAccount removes an account with its tokens and what is kept of it.
func (c *Client) RemoveAccount(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, accountPath(id), nil, nil)
}

// CheckAccount tests an account's key and its owner now.
func (c *Client) CheckAccount(ctx context.Context, id string) (*CheckedAccount, error) {
	return get[CheckedAccount](ctx, c, http.MethodPost, accountPath(id)+"/check", nil)
}

// RotateKey replaces an account's API key. Its tokens stay valid.
func (c *Client) RotateKey(ctx context.Context, id, key string) (*CheckedAccount, error) {
	return get[CheckedAccount](ctx, c, http.MethodPost, accountPath(id)+"/rotate-key", NewKey{APIKey: key})
}

// CreateToken makes another token for an account.
func (c *Client) CreateToken(ctx context.Context, accountID string, n NewToken) (*AddedToken, error) {
	return get[AddedToken](ctx, c, http.MethodPost, accountPath(accountID)+"/tokens", n)
}

// Tokens lists an account's tokens.
func (c *Client) Tokens(ctx context.Context, accountID string) ([]*account.Token, error) {
	return listOf[*account.Token](ctx, c, accountPath(accountID)+"/tokens")
}

// RevokeToken ends a token at once.
func (c *Client) RevokeToken(ctx context.Context, accountID, tokenID string) error {
	return c.call(ctx, http.MethodDelete, accountPath(accountID)+"/tokens/"+url.PathEscape(tokenID), nil, nil)
}

// Version asks what is running.
func (c *Client) Version(ctx context.Context) (*Version, error) {
	return get[Version](ctx, c, http.MethodGet, "/api/v1/version", nil)
}

package account_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/scim"
	"lockstep/internal/secret"
	"lockstep/internal/store/storetest"
)

// counted counts what reaches the repository.
type counted struct {
	account.Repository
	lookups, touches atomic.Int64
}

func (c *counted) TokenByHash(ctx context.Context, h secret.Hash) (*account.Token, error) {
	c.lookups.Add(1)
	return c.Repository.TokenByHash(ctx, h)
}

func (c *counted) TouchToken(ctx context.Context, id string, at time.Time) error {
	c.touches.Add(1)
	return c.Repository.TouchToken(ctx, id, at)
}

func newService(t *testing.T) (*account.Service, *counted) {
	t.Helper()
	repo := &counted{Repository: storetest.Open(t).Accounts()}
	s := account.NewService(repo, slog.New(slog.DiscardHandler))
	t.Cleanup(s.Close)
	return s, repo
}

func mustAdd(t *testing.T, s *account.Service, a account.Account) *account.Account {
	t.Helper()
	got, err := s.Add(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func mustToken(t *testing.T, s *account.Service, id string, ttl time.Duration) (*account.Token, string) {
	t.Helper()
	tok, text, err := s.CreateToken(t.Context(), id, "test", ttl)
	if err != nil {
		t.Fatal(err)
	}
	return tok, text.Reveal()
}

func wantReason(t *testing.T, err error, want account.Reason) {
	t.Helper()
	var ce *account.CredentialError
	if !errors.As(err, &ce) || ce.Reason != want {
		t.Errorf("error %v has cause %v, want reason %q", err, ce, want)
	}
	e := scim.AsError(err)
	if e.Status() != 401 {
		t.Errorf("status %d, want 401", e.Status())
	}
	if strings.Contains(e.Detail, string(want)) {
		t.Errorf("the client is told the reason: %q", e.Detail)
	}
}

func TestAddMakesIDs(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	tests := []struct {
		in   account.Account
		want string
	}{
		{account.Account{Kind: account.KindEmbedded, Name: "Acme"}, "acme"},
		{account.Account{Kind: account.KindEmbedded, Name: "ACME!"}, "acme-2"},
		{account.Account{Kind: account.KindFreshservice, Domain: "acme.freshservice.com", APIKey: secret.NewText("k")}, "acme-3"},
		{account.Account{Kind: account.KindEmbedded, Name: "Café Zürich & Söhne"}, "cafe-zurich-sohne"},
		{account.Account{Kind: account.KindEmbedded, Name: "日本"}, "account"},
		{account.Account{Kind: account.KindEmbedded, Name: strings.Repeat("long name ", 20)}, "long-name-long-name-long-name-lo"},
		{account.Account{Kind: account.KindEmbedded, ID: "chosen", Name: "Another"}, "chosen"},
	}
	for _, tt := range tests {
		if got := mustAdd(t, s, tt.in).ID; got != tt.want {
			t.Errorf("Add(%q) has ID %q, want %q", tt.in.Name, got, tt.want)
		}
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != len(tests) {
		t.Errorf("List = %d accounts, %v", len(list), err)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	key := secret.NewText("k")
	settings := account.DefaultSettings(account.KindEmbedded)
	settings.Groups = "sometimes"
	for field, a := range map[string]account.Account{
		"name":            {Kind: account.KindEmbedded},
		"kind":            {Name: "a", Kind: "ldap"},
		"domain":          {Name: "a", Kind: account.KindFreshservice, APIKey: key},
		"apiKey":          {Name: "a", Kind: account.KindFreshservice, Domain: "a.freshservice.com"},
		"settings.groups": {Name: "a", Kind: account.KindEmbedded, Settings: settings},
	} {
		_, err := s.Add(t.Context(), a)
		var invalid *account.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("Add = %v, want an *InvalidError on %s", err, field)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	s, repo := newService(t)
	ctx := t.Context()
	a := mustAdd(t, s, account.Account{Kind: account.KindEmbedded, Name: "acme"})
	tok, text := mustToken(t, s, a.ID, 0)
	if tok.Hint != text[len(text)-4:] {
		t.Errorf("hint %q", tok.Hint)
	}
	for range 10 {
		got, gotToken, err := s.Authenticate(ctx, text)
		if err != nil || got.ID != a.ID || gotToken.ID != tok.ID {
			t.Fatalf("Authenticate = %v, %v, %v", got, gotToken, err)
		}
	}
	s.Close()
	if n := repo.lookups.Load(); n != 1 {
		t.Errorf("%d look-ups for 10 requests, want 1", n)
	}
	if n := repo.touches.Load(); n != 1 {
		t.Errorf("the last use was recorded %d times within a minute, want once", n)
	}

	unknown, _ := secret.NewToken()
	damaged := text[:len(text)-1] + "!"
	for _, tt := range []struct {
		text string
		want account.Reason
	}{
		{"", account.ReasonForm}, {"abc", account.ReasonForm}, {damaged, account.ReasonForm},
		{text[:30], account.ReasonChecksum}, {unknown, account.ReasonUnknown},
	} {
		_, _, err := s.Authenticate(ctx, tt.text)
		wantReason(t, err, tt.want)
	}
}

func TestRevokeIsEffectiveAtOnce(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	ctx := t.Context()
	a := mustAdd(t, s, account.Account{Kind: account.KindEmbedded, Name: "acme"})
	tok, text := mustToken(t, s, a.ID, 0)
	_, other := mustToken(t, s, a.ID, 0)

	var revoked atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				before := revoked.Load()
				_, _, err := s.Authenticate(ctx, text)
				if before {
					if err == nil {
						t.Error("a revoked token was let in")
					}
					return
				}
			}
		})
	}
	if err := s.Revoke(ctx, a.ID, tok.ID); err != nil {
		t.Error(err)
	}
	revoked.Store(true)
	wg.Wait()
	_, _, err := s.Authenticate(ctx, text)
	wantReason(t, err, account.ReasonRevoked)
	if _, _, err := s.Authenticate(ctx, other); err != nil {
		t.Errorf("the other token of the account: %v", err)
	}
	var missing *account.NotFoundError
	if err := s.Revoke(ctx, "someone-else", tok.ID); !errors.As(err, &missing) {
		t.Errorf("revoking through another account = %v, want a *NotFoundError", err)
	}
	if err := s.Remove(ctx, a.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Authenticate(ctx, other); err == nil {
		t.Error("a token of a removed account was let in")
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	now := time.Now()
	account.SetClock(s, func() time.Time { return now })
	a := mustAdd(t, s, account.Account{Kind: account.KindEmbedded, Name: "acme"})
	_, text := mustToken(t, s, a.ID, time.Hour)
	if _, _, err := s.Authenticate(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour) // the answer is cached, the expiry is not
	_, _, err := s.Authenticate(t.Context(), text)
	wantReason(t, err, account.ReasonExpired)
	if _, _, err := s.CreateToken(t.Context(), a.ID, "", -time.Second); err == nil {
		t.Error("a token that expires in the past was made")
	}
	if _, _, err := s.CreateToken(t.Context(), "none", "", 0); err == nil {
		t.Error("a token for no account was made")
	}
}

func TestStateAndSettings(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	ctx := t.Context()
	now := time.UnixMilli(1_000_000)
	account.SetClock(s, func() time.Time { return now })
	a := mustAdd(t, s, account.Account{Kind: account.KindFreshservice, Domain: "acme.freshservice.com", APIKey: secret.NewText("k")})
	_, text := mustToken(t, s, a.ID, 0)
	if _, _, err := s.Authenticate(ctx, text); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	for range 2 { // the second time Since stays
		if _, err := s.SetState(ctx, a.ID, account.StatusKeyRejected, "put in a new key"); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	got, _, err := s.Authenticate(ctx, text)
	if err != nil || got.State.Status != account.StatusKeyRejected || !got.State.Since.Equal(time.UnixMilli(1_060_000)) {
		t.Errorf("after SetState: %+v, %v", got.State, err)
	}
	if _, err := s.RotateKey(ctx, a.ID, secret.NewText("new"), &account.Owner{Name: "Ann"}); err != nil {
		t.Fatal(err)
	}
	if got, err = s.Get(ctx, a.ID); err != nil || got.APIKey.Reveal() != "new" || got.State.Status != account.StatusOK || got.Owner.Name != "Ann" {
		t.Errorf("after RotateKey: %+v, %v", got, err)
	}
	if _, err := s.Configure(ctx, a.ID, func(c *account.Settings) error { c.UnknownLocations = "maybe"; return nil }); err == nil {
		t.Error("a wrong setting was stored")
	}
	if _, err := s.Configure(ctx, a.ID, func(c *account.Settings) error { c.Strict = true; return nil }); err != nil {
		t.Error(err)
	}
	if got, _ = s.Get(ctx, a.ID); !got.Settings.Strict || got.Settings.UnknownLocations != account.LeaveOut {
		t.Errorf("settings: %+v", got.Settings)
	}
}

func TestBearerToken(t *testing.T) {
	t.Parallel()
	text, _ := secret.NewToken()
	tests := []struct {
		header string
		want   account.Reason // "" for success
	}{
		{"Bearer " + text, ""}, {"bearer " + text, ""},
		{"", account.ReasonMissing}, {"   ", account.ReasonMissing}, {"Bearer", account.ReasonMissing}, {"Bearer   ", account.ReasonMissing},
		{"Basic dXNlcjpwdw==", account.ReasonScheme}, {text, account.ReasonScheme},
		{"Bearer Bearer " + text, account.ReasonDoubled}, {"Bearer bearer " + text, account.ReasonDoubled},
		{`Bearer "` + text + `"`, account.ReasonQuoted}, {"Bearer '" + text + "'", account.ReasonQuoted}, {"Bearer “" + text + "”", account.ReasonQuoted},
		{"Bearer  " + text, account.ReasonSpace}, {"Bearer " + text + " ", account.ReasonSpace}, {"Bearer " + text + "\t", account.ReasonSpace},
		{"Bearer " + text[:20] + " " + text[20:], account.ReasonSpace}, {"Bearer " + text + "\u200b", account.ReasonSpace},
	}
	for _, tt := range tests {
		got, err := account.BearerToken(tt.header)
		if tt.want == "" {
			if err != nil || got != text {
				t.Errorf("BearerToken(%q) = %q, %v", tt.header, got, err)
			}
			continue
		}
		wantReason(t, err, tt.want)
	}
}

func FuzzBearerToken(f *testing.F) {
	for _, s := range []string{"", "Bearer x", "Bearer Bearer x", `Bearer "x"`, "Basic x", "bearer  x\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, err := account.BearerToken(header)
		if (err == nil) != (token != "") {
			t.Errorf("BearerToken(%q) = %q, %v", header, token, err)
		}
		if strings.ContainsAny(token, " \t\r\n\"") {
			t.Errorf("BearerToken(%q) lets %q through", header, token)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	s := account.NewService(storetest.Open(b).Accounts(), slog.New(slog.DiscardHandler))
	defer s.Close()
	a, err := s.Add(b.Context(), account.Account{Kind: account.KindEmbedded, Name: "acme"})
	if err != nil {
		b.Fatal(err)
	}
	_, text, err := s.CreateToken(b.Context(), a.ID, "", 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Authenticate(b.Context(), text.Reveal()); err != nil {
			b.Fatal(err)
		}
	}
}

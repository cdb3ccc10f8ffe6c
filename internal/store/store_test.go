package store

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/account"
	"lockstep/internal/secret"
)

// yieldProcessor lets the goroutines run that a test waits for.
func yieldProcessor() { runtime.Gosched() }

func TestOpenPermissions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "lockstep.db")
	db := openTestPath(t, path)
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		filepath.Dir(path): 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", filepath.Base(name), got, want)
		}
	}
}

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lockstep.db")
	db := openTestPath(t, path)
	var inUse *InUseError
	if _, err := Open(t.Context(), Options{Path: path}); !errors.As(err, &inUse) {
		t.Fatalf("second Open = %v, want an *InUseError", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	openTestPath(t, path)
}

func TestOpenNewer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lockstep.db")
	db := openTestPath(t, path)
	err := db.write(t.Context(), anyRealm, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Options{Path: path})
	var newer *NewerError
	if !errors.As(err, &newer) {
		t.Fatalf("Open = %v, want a *NewerError", err)
	}
	know, _ := knownVersion("sqlite")
	if newer.Have != 99999 || newer.Know != know {
		t.Errorf("Have %d, Know %d; want 99999, %d", newer.Have, newer.Know, know)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	var notDB *NotDatabaseError
	var folder *FolderError
	t.Run("a text file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "notes.txt")
		content := []byte(strings.Repeat("just some notes, not a database\n", 100))
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Path: path}); !errors.As(err, &notDB) {
			t.Errorf("Open = %v, want a *NotDatabaseError", err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(content, after) {
			t.Error("the file was changed")
		}
	})
	t.Run("someone else's database", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "other.db")
		other := openWriter(path)
		if _, err := other.Exec(`CREATE TABLE photos (id INTEGER)`); err != nil {
			t.Fatal(err)
		}
		other.Close()
		if _, err := Open(t.Context(), Options{Path: path}); !errors.As(err, &notDB) {
			t.Errorf("Open = %v, want a *NotDatabaseError", err)
		}
	})
	t.Run("a folder", func(t *testing.T) {
		if _, err := Open(t.Context(), Options{Path: t.TempDir()}); !errors.As(err, &notDB) {
			t.Errorf("Open = %v, want a *NotDatabaseError", err)
		}
	})
	t.Run("a folder that cannot be", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Path: filepath.Join(file, "data", "lockstep.db")}); !errors.As(err, &folder) {
			t.Errorf("Open = %v, want a *FolderError", err)
		}
	})
}

func TestOpenOddPath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "100% #1 ?x", "lock step.db")
	db := openTestPath(t, path)
	if err := db.write(t.Context(), anyRealm, putSetting("k1")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the database is not where it should be: %v", err)
	}
}

func testSealer(tb testing.TB) *secret.Sealer {
	tb.Helper()
	s, err := secret.NewSealer(bytes.Repeat([]byte{7}, secret.KeySize))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lockstep.db")
	db, err := Open(t.Context(), Options{Path: path, Sealer: testSealer(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	svc := account.NewService(db.Accounts(), slog.New(slog.DiscardHandler))
	ctx := t.Context()
	const apiKey = "very-secret-api-key-0123456789"
	const rotated = "another-secret-api-key-987654"
	a, err := svc.Add(ctx, account.Account{
		Name: "Acme", Kind: account.KindFreshservice, Domain: "acme.freshservice.com", APIKey: secret.NewText(apiKey),
		Owner: &account.Owner{ID: 5, Name: "Ann", Email: "ann@acme.example", Role: "Account Admin", Active: true, CheckedAt: time.UnixMilli(1000).UTC()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if a.ID != "acme" {
		t.Errorf("ID = %q, want acme", a.ID)
	}
	got, err := svc.Get(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	a.CreatedAt = a.CreatedAt.Truncate(time.Millisecond).UTC()
	a.State.Since = got.State.Since // JSON keeps nanoseconds without the monotonic clock
	same := cmp.Comparer(func(x, y secret.Text) bool { return x.Reveal() == y.Reveal() })
	if diff := cmp.Diff(a, got, same); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if _, err := svc.RotateKey(ctx, "acme", secret.NewText(rotated), nil); err != nil {
		t.Fatal(err)
	}
	_, text, err := svc.CreateToken(ctx, "acme", "entra", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if who, _, err := svc.Authenticate(ctx, text.Reveal()); err != nil || who.ID != "acme" {
		t.Fatalf("Authenticate = %v, %v", who, err)
	}
	svc.Close()
	if list, err := svc.ListTokens(ctx, "acme"); err != nil || len(list) != 1 || list[0].LastUsedAt.IsZero() {
		t.Errorf("ListTokens = %v, %v; want one with its last use", list, err)
	}

	// Neither while open, with the log beside it, nor once closed.
	search := func() {
		t.Helper()
		files, _ := filepath.Glob(path + "*")
		for _, f := range files {
			content, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, hidden := range []string{apiKey, rotated, text.Reveal(), text.Reveal()[9:30]} {
				if bytes.Contains(content, []byte(hidden)) {
					t.Errorf("a secret stands in %s", filepath.Base(f))
				}
			}
		}
	}
	search()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	search()

	// A key of another master key is refused with words, not with rubbish.
	wrong, _ := secret.NewSealer(make([]byte, secret.KeySize))
	db2, err := Open(ctx, Options{Path: path, Sealer: wrong})
	if err != nil {
		t.Fatal(err)
	}
	defer db2.Close()
	if _, err := db2.Accounts().Account(ctx, "acme"); !errors.Is(err, secret.ErrUnsealable) {
		t.Errorf("with another master key: %v, want ErrUnsealable", err)
	}
}

func TestAccountsErrors(t *testing.T) { onEach(t, testAccountsErrors) }

func testAccountsErrors(t *testing.T, o Options) {
	db := openWith(t, o)
	repo, ctx := db.Accounts(), t.Context()
	a := &account.Account{ID: "a", Kind: account.KindEmbedded, CreatedAt: time.Now()}
	if err := repo.CreateAccount(ctx, a); err != nil {
		t.Fatal(err)
	}
	var exists *account.ExistsError
	if err := repo.CreateAccount(ctx, a); !errors.As(err, &exists) {
		t.Errorf("CreateAccount again = %v, want an *ExistsError", err)
	}
	_, errGet := repo.Account(ctx, "none")
	_, errUpdate := repo.UpdateAccount(ctx, "none", func(*account.Account) error { return nil })
	_, errHash := repo.TokenByHash(ctx, secret.Hash{})
	for name, err := range map[string]error{
		"Account":       errGet,
		"UpdateAccount": errUpdate,
		"DeleteAccount": repo.DeleteAccount(ctx, "none"),
		"CreateToken":   repo.CreateToken(ctx, &account.Token{ID: "t", AccountID: "none"}),
		"RevokeToken":   repo.RevokeToken(ctx, "a", "none", time.Now()),
		"TokenByHash":   errHash,
	} {
		var missing *account.NotFoundError
		if !errors.As(err, &missing) {
			t.Errorf("%s = %v, want a *NotFoundError", name, err)
		}
	}
	token, hash := secret.NewToken()
	_ = token
	if err := repo.CreateToken(ctx, &account.Token{ID: "t", AccountID: "a", Hash: hash, CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := repo.DeleteAccount(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if list, err := repo.Tokens(ctx, "a"); err != nil || len(list) != 0 {
		t.Errorf("tokens of a removed account: %v, %v", list, err)
	}
	secretive := &account.Account{ID: "s", Kind: account.KindFreshservice, APIKey: secret.NewText("k"), CreatedAt: time.Now()}
	if err := repo.CreateAccount(ctx, secretive); !errors.Is(err, errNoSealer) {
		t.Errorf("an API key without a sealer: %v, want errNoSealer", err)
	}
}

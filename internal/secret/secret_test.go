package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestTextNeverPrints(t *testing.T) {
	t.Parallel()
	const hidden = "s3cr3t-value"
	holder := struct {
		Key Text `json:"key"`
		Ptr *Text
	}{Key: NewText(hidden)}
	holder.Ptr = &holder.Key

	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "key", holder.Key, "holder", holder)
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []string{log.String(), string(encoded), holder.Key.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs = append(outputs, fmt.Sprintf(verb, holder.Key), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, &holder.Key))
	}
	for _, out := range outputs {
		if strings.Contains(out, hidden) || strings.Contains(out, fmt.Sprintf("%x", hidden)) {
			t.Errorf("the secret shows in %q", out)
		}
	}
	if got := holder.Key.Reveal(); got != hidden {
		t.Errorf("Reveal() = %q, want %q", got, hidden)
	}
}

func TestTextTakesNoPlaceholder(t *testing.T) {
	t.Parallel()
	var v struct{ Key Text }
	if err := json.Unmarshal([]byte(`{"Key":"abc"}`), &v); err != nil || v.Key.Reveal() != "abc" {
		t.Errorf("Unmarshal = %v, %q", err, v.Key.Reveal())
	}
	if err := json.Unmarshal([]byte(`{"Key":"[secret]"}`), &v); err == nil {
		t.Error("the placeholder was taken for a secret")
	}
}

func TestMasterKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master.key")
	keys := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = LoadOrCreateMasterKey(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, k := range keys {
		if len(k) != KeySize || !bytes.Equal(k, keys[0]) {
			t.Fatalf("key %d = %d bytes, equal %v; all starters must agree on one key", i, len(k), bytes.Equal(k, keys[0]))
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode = %04o, want 0600", got)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".master-key-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMasterKeyRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		make func(path string) error
		want string
	}{
		{"group readable", func(p string) error { return os.WriteFile(p, make([]byte, KeySize), 0o640) }, "chmod 600"},
		{"short", func(p string) error { return os.WriteFile(p, make([]byte, 31), 0o600) }, "31 bytes"},
		{"empty", func(p string) error { return os.WriteFile(p, nil, 0o600) }, "0 bytes"},
		{"long", func(p string) error { return os.WriteFile(p, make([]byte, 64), 0o600) }, "64 bytes"},
		{"folder", func(p string) error { return os.Mkdir(p, 0o700) }, "not a regular file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "master.key")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			_, err := LoadOrCreateMasterKey(path)
			if _, ok := errors.AsType[*KeyFileError](err); !ok {
				t.Fatalf("error = %v, want a *KeyFileError", err)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error = %q, want it to name %q and the file", err, tt.want)
			}
		})
	}
	t.Run("no folder", func(t *testing.T) {
		if _, err := LoadOrCreateMasterKey(filepath.Join(t.TempDir(), "none", "master.key")); err == nil {
			t.Error("no error for a missing folder")
		}
	})
}

func newSealer(t *testing.T, key byte, older ...byte) *Sealer {
	t.Helper()
	var rest [][]byte
	for _, o := range older {
		rest = append(rest, bytes.Repeat([]byte{o}, KeySize))
	}
	s, err := NewSealer(bytes.Repeat([]byte{key}, KeySize), rest...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealer(t *testing.T) {
	t.Parallel()
	s := newSealer(t, 1)
	const context = "account/acme/api-key"
	sealed := s.Seal([]byte("the key"), context)
	if strings.Contains(sealed, "the key") {
		t.Fatal("the plaintext shows")
	}
	if sealed == s.Seal([]byte("the key"), context) {
		t.Error("the same text sealed twice looks the same: the nonce is not random")
	}
	if got, err := s.Open(sealed, context); err != nil || string(got) != "the key" {
		t.Errorf("Open = %q, %v", got, err)
	}

	flip := []byte(sealed)
	if i := len(flip) / 2; flip[i] == 'A' {
		flip[i] = 'B'
	} else {
		flip[i] = 'A'
	}
	for name, try := range map[string]func() ([]byte, error){
		"other context": func() ([]byte, error) { return s.Open(sealed, "account/other/api-key") },
		"changed":       func() ([]byte, error) { return s.Open(string(flip), context) },
		"other key":     func() ([]byte, error) { return newSealer(t, 2).Open(sealed, context) },
		"no key id":     func() ([]byte, error) { return s.Open("abc", context) },
		"empty":         func() ([]byte, error) { return s.Open("", context) },
		"too short":     func() ([]byte, error) { return s.Open(sealed[:12], context) },
	} {
		if got, err := try(); !errors.Is(err, ErrUnsealable) {
			t.Errorf("%s: Open = %q, %v; want ErrUnsealable", name, got, err)
		}
	}

	rotated := newSealer(t, 2, 1)
	if got, err := rotated.Open(sealed, context); err != nil || string(got) != "the key" {
		t.Errorf("after rotation: Open = %q, %v", got, err)
	}
	if !rotated.NeedsReseal(sealed) || rotated.NeedsReseal(rotated.Seal(nil, context)) {
		t.Error("NeedsReseal does not tell old from new")
	}
	if _, err := NewSealer(make([]byte, 16)); err == nil {
		t.Error("a key of 16 bytes was accepted")
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		text, hash := NewToken()
		if seen[text] {
			t.Fatal("the same token twice")
		}
		seen[text] = true
		if len(text) != tokenLen || !strings.HasPrefix(text, TokenPrefix) {
			t.Fatalf("a token of %d characters, want %d with the prefix", len(text), tokenLen)
		}
		if err := ParseToken(text); err != nil {
			t.Fatalf("ParseToken(fresh) = %v", err)
		}
		if HashToken(text) != hash {
			t.Fatal("HashToken differs from NewToken's hash")
		}
	}
}

func TestParseTokenTellsApart(t *testing.T) {
	t.Parallel()
	good, _ := NewToken()
	swap := []byte(good)
	if swap[20] == 'a' {
		swap[20] = 'b'
	} else {
		swap[20] = 'a'
	}
	tests := []struct {
		name, in string
		want     error
	}{
		{"good", good, nil},
		{"one character changed", string(swap), ErrTokenChecksum},
		{"cut short", good[:40], ErrTokenChecksum},
		{"prefix only", TokenPrefix, ErrTokenChecksum},
		{"doubled", good + good[len(TokenPrefix):], ErrTokenChecksum},
		{"empty", "", ErrTokenForm},
		{"someone else's", "eyJhbGciOiJIUzI1NiJ9.e30.abc", ErrTokenForm},
		{"quoted", `"` + good + `"`, ErrTokenForm},
		{"trailing space", good + " ", ErrTokenForm},
		{"prefix in capitals", strings.ToUpper(good), ErrTokenForm},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := ParseToken(tt.in)
			if !errors.Is(err, tt.want) {
				t.Errorf("ParseToken = %v, want %v", err, tt.want)
			}
			if err != nil && len(tt.in) > 20 && strings.Contains(err.Error(), tt.in[12:20]) {
				t.Error("the error quotes the token")
			}
		})
	}
}

func FuzzParseToken(f *testing.F) {
	good, _ := NewToken()
	f.Add(good)
	f.Add(good[:30])
	f.Add("")
	f.Add("lockstep_\x00é")
	f.Fuzz(func(t *testing.T, s string) {
		if ParseToken(s) == nil && (len(s) != tokenLen || !strings.HasPrefix(s, TokenPrefix)) {
			t.Errorf("accepted %q", s)
		}
	})
}

func BenchmarkHashToken(b *testing.B) {
	text, _ := NewToken()
	for b.Loop() {
		if ParseToken(text) != nil {
			b.Fatal("refused")
		}
		_ = HashToken(text)
	}
}

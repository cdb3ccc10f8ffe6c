package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// A Sealer encrypts small secrets for storage with AES-256-GCM and random
// nonces. Each is bound to a context, such as "account/acme/api-key": a sealed
// value that was moved to another row does not open. It is safe for concurrent
// use.
type Sealer struct {
	current string
	keys    map[string]cipher.AEAD
}

// ErrUnsealable is returned for a value that does not open: it was changed,
// belongs to another context, or was sealed with a key that is not at hand.
var ErrUnsealable = errors.New("the sealed value cannot be opened")

// NewSealer returns a Sealer that seals with key. Values sealed with one of
// the older keys still open; that is how a key is rotated. All keys have
// [KeySize] bytes.
func NewSealer(key []byte, older ...[]byte) (*Sealer, error) {
	s := &Sealer{current: keyID(key), keys: make(map[string]cipher.AEAD, 1+len(older))}
	for _, k := range append([][]byte{key}, older...) {
		if len(k) != KeySize {
			return nil, fmt.Errorf("a master key has %d bytes, this one has %d", KeySize, len(k))
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, fmt.Errorf("prepare master key: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("prepare master key: %w", err)
		}
		s.keys[keyID(k)] = aead
	}
	return s, nil
}

// encoding is strict: one sealed value has one text.
var encoding = base64.RawStdEncoding.Strict()

// keyID names a key without giving any of it away.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("lockstep key id\x00"), key...))
	return hex.EncodeToString(sum[:4])
}

// Seal encrypts plaintext for context. The result is printable: the ID of the
// key, a colon, and base64.
func (s *Sealer) Seal(plaintext []byte, context string) string {
	sealed := s.keys[s.current].Seal(nil, nil, plaintext, []byte(context))
	return s.current + ":" + encoding.EncodeToString(sealed)
}

// Open returns what was sealed for context, or an error that wraps
// [ErrUnsealable].
func (s *Sealer) Open(sealed, context string) ([]byte, error) {
	id, text, ok := strings.Cut(sealed, ":")
	if !ok {
		return nil, fmt.Errorf("%w: it has no key ID", ErrUnsealable)
	}
	aead, ok := s.keys[id]
	if !ok {
		return nil, fmt.Errorf("%w: it was sealed with key %q, and the master key at hand is %q; put back the master key file that belongs to this database", ErrUnsealable, id, s.current)
	}
	raw, err := encoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not base64", ErrUnsealable)
	}
	plain, err := aead.Open(nil, nil, raw, []byte(context))
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed, or belongs to something other than %s", ErrUnsealable, context)
	}
	return plain, nil
}

// NeedsReseal reports whether sealed was made with an older key and should be
// sealed again.
func (s *Sealer) NeedsReseal(sealed string) bool {
	return !strings.HasPrefix(sealed, s.current+":")
}

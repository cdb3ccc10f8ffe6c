package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
)

// TokenPrefix starts every bearer token, so that people and secret scanners
// recognise one.
const TokenPrefix = "lockstep_"

// A token is the prefix, 43 base62 characters of 32 random bytes, and 6 of the
// CRC-32 of all that precedes: 58 characters, well under the 256 bytes that
// Entra ID keeps of a secret token.
const (
	tokenBytes    = 32
	tokenChars    = 43
	checksumChars = 6
	tokenLen      = len(TokenPrefix) + tokenChars + checksumChars
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Reasons why a text is no token, told apart for the administrator's log.
var (
	// ErrTokenForm: the text does not look like one of our tokens at all.
	ErrTokenForm = errors.New("this is not a lockstep token: one starts with " + TokenPrefix + " and has 58 characters")
	// ErrTokenChecksum: it looks like one, but a character is wrong or missing:
	// it was cut short or mistyped when it was copied.
	ErrTokenChecksum = errors.New("the token was damaged in copying: its checksum does not fit")
)

// A Hash is the SHA-256 of a token, the only form in which one is stored. The
// token has 256 random bits, so a slow hash would protect nothing more.
type Hash [sha256.Size]byte

// NewToken returns a new bearer token and its hash.
func NewToken() (text string, hash Hash) {
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	body := TokenPrefix + encode62(new(big.Int).SetBytes(b[:]), tokenChars)
	text = body + checksum(body)
	return text, HashToken(text)
}

// ParseToken checks the form and the checksum of s, without any look-up. The
// error wraps [ErrTokenForm] or [ErrTokenChecksum] and never quotes s.
func ParseToken(s string) error {
	if !strings.HasPrefix(s, TokenPrefix) {
		return ErrTokenForm
	}
	for i := len(TokenPrefix); i < len(s); i++ {
		if strings.IndexByte(base62, s[i]) < 0 {
			return fmt.Errorf("%w; character %d is neither a letter nor a digit", ErrTokenForm, i+1)
		}
	}
	if len(s) != tokenLen {
		return fmt.Errorf("%w; it has %d characters instead of %d", ErrTokenChecksum, len(s), tokenLen)
	}
	body := s[:tokenLen-checksumChars]
	if subtle.ConstantTimeCompare([]byte(checksum(body)), []byte(s[len(body):])) != 1 {
		return ErrTokenChecksum
	}
	return nil
}

// HashToken returns the hash under which s is stored.
func HashToken(s string) Hash { return sha256.Sum256([]byte(s)) }

func checksum(body string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.ChecksumIEEE([]byte(body)))
	return encode62(new(big.Int).SetBytes(b[:]), checksumChars)
}

// encode62 returns n in base 62, padded to width characters.
func encode62(n *big.Int, width int) string {
	out := make([]byte, width)
	radix, digit := big.NewInt(62), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, radix, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out)
}

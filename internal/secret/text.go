// Package secret keeps secrets secret: the master key, sealing of what is
// stored, bearer tokens and their hashes, and [Text], the type in which a
// secret travels through memory without ever being printed.
//
// It imports nothing of ours, so that every package may use it.
package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// placeholder is what every printed form of a Text looks like.
const placeholder = "[secret]"

// A Text is a secret string, such as an API key. Every way of printing it
// gives "[secret]"; only [Text.Reveal] gives it away, so that each place that
// does can be found by its name. The zero Text is empty.
type Text struct{ s string }

// NewText wraps s.
func NewText(s string) Text { return Text{s} }

// Reveal returns the secret.
func (t Text) Reveal() string { return t.s }

// IsZero reports whether there is no secret.
func (t Text) IsZero() bool { return t.s == "" }

// String returns "[secret]".
func (t Text) String() string { return placeholder }

// GoString returns "[secret]".
func (t Text) GoString() string { return placeholder }

// Format prints "[secret]" whatever the verb, also %x and %#v.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, placeholder) }

// LogValue logs "[secret]".
func (t Text) LogValue() slog.Value { return slog.StringValue(placeholder) }

// MarshalJSON encodes as "[secret]". A Text is therefore not stored as JSON by
// accident; it is sealed.
func (t Text) MarshalJSON() ([]byte, error) { return []byte(`"` + placeholder + `"`), nil }

// MarshalText encodes as "[secret]".
func (t Text) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// UnmarshalText takes a secret in, for example from a configuration file. It
// refuses the placeholder, which would replace a real secret by a worthless one.
func (t *Text) UnmarshalText(b []byte) error {
	if string(b) == placeholder {
		return errors.New(`"[secret]" stands where a secret was left out; put the secret itself there or leave the member out`)
	}
	t.s = string(b)
	return nil
}

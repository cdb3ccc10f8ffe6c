package expression

import (
	"encoding/hex"
	"io"
	"strings"
)

// The character classes of RandomString. Special characters are those of the
// Windows password complexity requirements.
const (
	digits   = "0123456789"
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	smalls   = "abcdefghijklmnopqrstuvwxyz"
	specials = "'-!\"#$%&()*,./:;?@[]^_`{|}~+<=>"
)

// maxRandomLength is the longest text RandomString gives.
const maxRandomLength = 256

func evalRandomString(n *Node, s scope) (Value, error) {
	var numbers [5]int64
	for i := range numbers {
		k, err := n.integerArg(s, i)
		if err != nil {
			return Value{}, err
		}
		numbers[i] = k
	}
	avoid, _, err := n.textArg(s, 5)
	if err != nil {
		return Value{}, err
	}
	length := numbers[0]
	if length < 0 || length > maxRandomLength {
		return Value{}, n.fail(ErrorValue, "Length of RandomString is %d; it has to be between 0 and %d", length, maxRandomLength)
	}
	classes := [...]string{digits, specials, capitals, smalls}
	var all strings.Builder
	chosen := make([]byte, 0, length)
	left := length
	for i, class := range classes {
		classes[i] = strings.Map(func(r rune) rune {
			if strings.ContainsRune(avoid, r) {
				return -1
			}
			return r
		}, class)
		all.WriteString(classes[i])
		least := numbers[i+1]
		switch name := n.parameterName(i + 1); {
		case least < 0:
			return Value{}, n.fail(ErrorValue, "%s is %d; it cannot be negative", name, least)
		case least > left:
			return Value{}, n.fail(ErrorValue, "Length of RandomString is %d, less than the minimums together", length)
		case least > 0 && classes[i] == "":
			return Value{}, n.fail(ErrorValue, "%s is %d, but CharactersToAvoid leaves none of them", name, least)
		}
		left -= least
	}
	if left > 0 && all.String() == "" {
		return Value{}, n.fail(ErrorValue, "CharactersToAvoid of RandomString leaves no character")
	}
	source := s.env.random()
	for i, class := range classes {
		if chosen, err = pick(source, chosen, class, numbers[i+1]); err != nil {
			return Value{}, n.noRandom(err)
		}
	}
	if chosen, err = pick(source, chosen, all.String(), left); err != nil {
		return Value{}, n.noRandom(err)
	}
	for i := len(chosen) - 1; i > 0; i-- { // Fisher and Yates
		j, err := below(source, i+1)
		if err != nil {
			return Value{}, n.noRandom(err)
		}
		chosen[i], chosen[j] = chosen[j], chosen[i]
	}
	return Text(string(chosen)), nil
}

// pick appends count characters of class.
func pick(source io.Reader, dst []byte, class string, count int64) ([]byte, error) {
	for range count {
		i, err := below(source, len(class))
		if err != nil {
			return nil, err
		}
		dst = append(dst, class[i])
	}
	return dst, nil
}

// below returns a number from 0 to n-1, all equally likely; n is at most 256.
func below(source io.Reader, n int) (int, error) {
	const tries = 1000 // of a source that gives only unusable bytes
	var b [1]byte
	for range tries {
		if _, err := io.ReadFull(source, b[:]); err != nil {
			return 0, err
		}
		if int(b[0]) < 256-256%n {
			return int(b[0]) % n, nil
		}
	}
	return 0, io.ErrNoProgress
}

func (n *Node) noRandom(err error) *Error {
	e := n.fail(ErrorLookup, "%s got no random bytes: %v", n.Name, err)
	e.err = err
	return e
}

// evalGuid gives a version 4 UUID (RFC 9562).
func evalGuid(n *Node, s scope) (Value, error) {
	var b [16]byte
	if _, err := io.ReadFull(s.env.random(), b[:]); err != nil {
		return Value{}, n.noRandom(err)
	}
	b[6] = b[6]&0x0F | 0x40
	b[8] = b[8]&0x3F | 0x80
	h := hex.EncodeToString(b[:])
	return Text(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]), nil
}

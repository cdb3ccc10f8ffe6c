package ldap

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"lockstep/internal/provision"
)

// watermarkVersion is raised when the same entries come to mean other objects.
const watermarkVersion = "ldap1"

// A watermark is how far a directory has been read: by which method, which
// server and configuration (as a hash), and the method's own mark.
type watermark struct {
	method   Method
	identity string
	mark     string
}

func (w watermark) encode() provision.Watermark {
	return provision.Watermark(strings.Join([]string{watermarkVersion, string(w.method), w.identity, w.mark}, " "))
}

func parseWatermark(s provision.Watermark) (watermark, bool) {
	parts := strings.Split(string(s), " ")
	if len(parts) != 4 || parts[0] != watermarkVersion {
		return watermark{}, false
	}
	return watermark{Method(parts[1]), parts[2], parts[3]}, true
}

// identity returns a hash of what a mark of the method is bound to: the
// configuration, and the server that counts.
func (s *Source) identity(v *server, method Method) string {
	h := sha256.New()
	add := func(parts ...string) {
		for _, p := range parts {
			fmt.Fprintf(h, "%d:%s", len(p), p)
		}
	}
	add(string(method), v.baseKey, v.idAttribute, v.userFilter, v.groupFilter, v.baseID)
	add(s.config.Select...)
	for _, name := range slices.Sorted(maps.Keys(s.config.Attributes)) {
		add(name, s.config.Attributes[name])
	}
	switch method {
	case USN: // each domain controller counts for itself, anew after a restore
		add(v.controller, v.invocation)
	case Timestamp: // another server may not have all changes yet
		add(s.label(), v.vendor)
	case DirSync, CSN: // shared by all servers of the directory
		add(v.root)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// A vector is the newest change of each server that a directory is written on:
// contextCSN by server ID. Changes of one server are ordered, and all up to its
// CSN are there.
type vector map[string]string

// parseCSN returns the server ID of a change sequence number of OpenLDAP:
// time # count # server ID # modification, all of fixed width, so that texts are
// ordered as changes are.
func parseCSN(csn string) (sid string, ok bool) {
	const form = "00000000000000.000000Z#000000#000#000000"
	if len(csn) != len(form) {
		return "", false
	}
	for i := range len(form) {
		c, digit := csn[i], form[i] == '0'
		hexadecimal := 'a' <= c && c <= 'f' && i > strings.IndexByte(form, '#')
		if digit && !('0' <= c && c <= '9') && !hexadecimal || !digit && c != form[i] {
			return "", false
		}
	}
	return csn[30:33], true
}

func parseVector(csns []string) (vector, error) {
	v := vector{}
	for _, csn := range csns {
		sid, ok := parseCSN(csn)
		if !ok {
			return nil, fmt.Errorf("%q is no change sequence number", shorten(csn))
		}
		v[sid] = max(v[sid], csn)
	}
	if len(v) == 0 {
		return nil, errors.New("there is no change sequence number")
	}
	return v, nil
}

func (v vector) encode() string { return strings.Join(slices.Sorted(maps.Values(v)), ";") }

// since returns the CSN from which on entries may have changed between an older
// vector and v. same: nothing changed. ok is false when old is ahead of v, or
// knows nothing of a server: then it cannot be told what changed.
func (v vector) since(old vector) (floor string, same, ok bool) {
	for sid, csn := range v {
		before, known := old[sid]
		switch {
		case !known || before > csn:
			return "", false, false
		case before < csn && (floor == "" || before < floor):
			floor = before
		}
	}
	for sid := range old {
		if _, still := v[sid]; !still {
			return "", false, false
		}
	}
	return floor, floor == "", true
}

// overlap is how much further back than the last change seen the next read
// looks: for changes of which the time was taken before they could be seen,
// that came late from another server, or whose server's clock was behind.
const overlap = 10 * time.Minute

// stampForm is how times are written in filters and watermarks.
const stampForm = "20060102150405Z"

// parseTime reads a time in LDAP's generalized form (RFC 4517 section 3.3.13):
// minutes, seconds and a fraction may be missing, a zone may not.
func parseTime(s string) (time.Time, error) {
	bad := fmt.Errorf("%q is no generalized time", shorten(s))
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	digits, rest := s[:i], s[i:]
	layout, unit := "", time.Duration(0)
	switch len(digits) {
	case 10:
		layout, unit = "2006010215", time.Hour
	case 12:
		layout, unit = "200601021504", time.Minute
	case 14:
		layout, unit = "20060102150405", time.Second
	default:
		return time.Time{}, bad
	}
	at, err := time.Parse(layout, digits)
	if err != nil {
		return time.Time{}, bad
	}
	if rest != "" && (rest[0] == '.' || rest[0] == ',') {
		i := 1
		for i < len(rest) && '0' <= rest[i] && rest[i] <= '9' {
			i++
		}
		fraction, err := strconv.ParseFloat("0."+rest[1:i], 64)
		if i == 1 || err != nil {
			return time.Time{}, bad
		}
		at, rest = at.Add(time.Duration(fraction*float64(unit))), rest[i:]
	}
	if rest == "Z" {
		return at, nil
	}
	if len(rest) != 3 && len(rest) != 5 || rest[0] != '+' && rest[0] != '-' {
		return time.Time{}, bad
	}
	hours, err1 := strconv.ParseUint(rest[1:3], 10, 8)
	minutes, err2 := uint64(0), error(nil)
	if len(rest) == 5 {
		minutes, err2 = strconv.ParseUint(rest[3:5], 10, 8)
	}
	if err1 != nil || err2 != nil || hours > 23 || minutes > 59 {
		return time.Time{}, bad
	}
	east := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if rest[0] == '+' {
		east = -east
	}
	return at.Add(east), nil
}

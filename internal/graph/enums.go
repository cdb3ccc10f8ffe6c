package graph

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A ResetScope says what a restart of a job clears (Graph:
// synchronizationJobRestartScope, a flags enumeration written as text).
type ResetScope uint8

// The flags.
const (
	ResetConnectorDataStore ResetScope = 1
	ResetEscrows            ResetScope = 2
	ResetWatermark          ResetScope = 4
	ResetQuarantineState    ResetScope = 8
	ResetFull               ResetScope = 15 // all of the above
	ResetForceDeletes       ResetScope = 32 // carries out deletions that were held back

	// ResetPortal is what the portal's restart amounts to.
	ResetPortal = ResetQuarantineState | ResetWatermark | ResetEscrows
)

type resetFlag struct {
	flag ResetScope
	name string
}

var resetScopes = []resetFlag{
	{ResetFull, "Full"}, {ResetConnectorDataStore, "ConnectorDataStore"}, {ResetEscrows, "Escrows"},
	{ResetWatermark, "Watermark"}, {ResetQuarantineState, "QuarantineState"}, {ResetForceDeletes, "ForceDeletes"},
}

// String returns the flags as Graph writes them: "Escrows, Watermark".
func (s ResetScope) String() string {
	var names []string
	for _, f := range resetScopes {
		if s&f.flag == f.flag {
			names = append(names, f.name)
			s &^= f.flag
		}
	}
	if names == nil {
		return "None"
	}
	return strings.Join(names, ", ")
}

// ParseResetScope reads flags as Graph writes them; "" and "None" are none.
func ParseResetScope(text string) (ResetScope, error) {
	var s ResetScope
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		if word == "" || strings.EqualFold(word, "None") {
			continue
		}
		i := slices.IndexFunc(resetScopes, func(f resetFlag) bool { return strings.EqualFold(f.name, word) })
		if i < 0 {
			return 0, fmt.Errorf("%q is no reset scope: use ConnectorDataStore, Escrows, Watermark, QuarantineState, Full or ForceDeletes", word)
		}
		s |= resetScopes[i].flag
	}
	return s, nil
}

// MarshalText implements [encoding.TextMarshaler].
func (s ResetScope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *ResetScope) UnmarshalText(text []byte) (err error) {
	*s, err = ParseResetScope(string(text))
	return err
}

// An Interval is a duration as Graph writes it: "PT40M" (ISO 8601, of the kind
// Edm.Duration: days and smaller). NoInterval is the largest, with which a job
// that has never been started is shown.
type Interval time.Duration

// NoInterval is the interval of a job without a schedule. Graph writes it as the
// longest time span of .NET.
const NoInterval = Interval(math.MaxInt64)

const longestTimeSpan = "P10675199DT2H48M5.4775807S"

// String returns the interval as Graph writes it.
func (i Interval) String() string {
	if i == NoInterval {
		return longestTimeSpan
	}
	d := time.Duration(i)
	if d == 0 {
		return "PT0S"
	}
	var b strings.Builder
	if d < 0 {
		b.WriteByte('-')
		d = -d
	}
	b.WriteByte('P')
	if days := d / (24 * time.Hour); days > 0 {
		fmt.Fprintf(&b, "%dD", days)
		d -= days * 24 * time.Hour
	}
	if d > 0 {
		b.WriteByte('T')
	}
	for _, u := range []struct {
		unit time.Duration
		name byte
	}{{time.Hour, 'H'}, {time.Minute, 'M'}} {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, u.name)
			d -= n * u.unit
		}
	}
	if d > 0 {
		b.WriteString(strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S")
	}
	return b.String()
}

// An intervalUnit is a unit of durations, in seconds. time: it stands behind the T.
type intervalUnit struct {
	name    byte
	time    bool
	seconds float64
}

var intervalUnits = []intervalUnit{{'W', false, 604800}, {'D', false, 86400}, {'H', true, 3600}, {'M', true, 60}, {'S', true, 1}}

// ParseInterval reads a duration. One longer than 292 years is [NoInterval].
func ParseInterval(text string) (Interval, error) {
	bad := fmt.Errorf("%q is no duration; forty minutes are PT40M", text)
	s, negative := strings.CutPrefix(text, "-")
	s, ok := strings.CutPrefix(s, "P")
	if !ok || s == "" || strings.HasSuffix(s, "T") {
		return 0, bad
	}
	total, inTime, next := 0.0, false, 0
	for s != "" {
		if rest, ok := strings.CutPrefix(s, "T"); ok && !inTime {
			inTime, s = true, rest
			continue
		}
		n := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 {
			return 0, bad
		}
		v, err := strconv.ParseFloat(s[:n], 64)
		if err != nil {
			return 0, bad
		}
		i := slices.IndexFunc(intervalUnits[next:], func(u intervalUnit) bool { return u.name == s[n] && u.time == inTime })
		if i < 0 || strings.Contains(s[:n], ".") && s[n] != 'S' {
			return 0, bad
		}
		total += v * intervalUnits[next+i].seconds
		next += i + 1
		s = s[n+1:]
	}
	if total*float64(time.Second) >= math.MaxInt64 {
		return NoInterval, nil
	}
	d := Interval(math.Round(total * float64(time.Second)))
	if negative {
		d = -d
	}
	return d, nil
}

// MarshalText implements [encoding.TextMarshaler].
func (i Interval) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (i *Interval) UnmarshalText(text []byte) (err error) {
	*i, err = ParseInterval(string(text))
	return err
}

// Details are an open set of named values, as logs have them. Graph writes
// numbers and Booleans among them as text.
type Details map[string]any

// Text returns a value as text, "" when there is none.
func (d Details) Text(name string) string {
	switch v := d[name].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(b)
	}
}

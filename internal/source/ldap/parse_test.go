package ldap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lockstep/internal/provision"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 30, 45, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"20260301123045Z":       at,
		"20260301123045.0Z":     at,
		"20260301123045.25Z":    at.Add(250 * time.Millisecond),
		"20260301123045,5Z":     at.Add(500 * time.Millisecond),
		"20260301143045+0200":   at,
		"20260301143045+02":     at,
		"20260301100045-0230":   at,
		"202603011230Z":         at.Add(-45 * time.Second),
		"202603011230.75Z":      at,
		"2026030112.5Z":         at.Add(-45 * time.Second),
		"2026030112Z":           at.Add(-30*time.Minute - 45*time.Second),
		"20260301123045.25+00":  at.Add(250 * time.Millisecond),
		"20260301123045":        {},
		"20260301123060Z":       {},
		"20261301123045Z":       {},
		"20260301123045.Z":      {},
		"20260301123045+2400":   {},
		"20260301123045+02:00":  {},
		"20260301123045Zx":      {},
		"":                      {},
		"Z":                     {},
		"yesterday":             {},
		"20260301123045.1.2Z":   {},
		"20260301123045+020":    {},
		"2026030112304Z":        {},
		"20260301123045+0x00":   {},
		"20260301123045 +0000":  {},
		"-20260301123045+0000":  {},
		"20260301123045.\u0661": {},
	} {
		got, err := parseTime(s)
		if (err != nil) != want.IsZero() || err == nil && !got.Equal(want) {
			t.Errorf("%q: got %v, %v; want %v", s, got, err, want)
		}
	}
}

// FuzzParseTime: what is read can be written and read again.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"20260301123045Z", "20260301123045.123456Z", "2026030112,5+0130", "000001010000Z", "99991231235959-2359"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseTime(s)
		if err != nil || at.UTC().Year() < 0 || at.UTC().Year() > 9999 {
			return
		}
		again, err := parseTime(at.UTC().Format(stampForm))
		if err != nil || !again.Equal(at.Truncate(time.Second)) {
			t.Errorf("%q: %v, then %v, %v", s, at, again, err)
		}
	})
}

func TestParseRange(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"member;range=0-1499":       "member 1499 true",
		"member;range=1500-*":       "member -1 true",
		"member;range=5-5":          "member 5 true",
		"member":                    " 0 false",
		"member;range=":             " 0 false",
		"member;range=5-4":          " 0 false",
		"member;range=-1-4":         " 0 false",
		"member;range=*-4":          " 0 false",
		"member;range=0-9999999999": " 0 false",
		";range=0-4":                " 0 false",
		"member;binary":             " 0 false",
	} {
		name, last, ok := parseRange(s)
		if got := fmt.Sprint(name, " ", last, " ", ok); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"member;range=0-1499", "member;range=1500-*", "a;range=1-2;range=3-4", ";range=0-*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name, last, ok := parseRange(s); ok && (name == "" || last < -1 || !strings.HasPrefix(s, name+";range=")) {
			t.Errorf("%q: %q, %d", s, name, last)
		}
	})
}

func TestParseCSN(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"20260301123045.123456Z#000000#000#000000": "000",
		"20260301123045.123456Z#00000a#0ff#00000f": "0ff",
		"20260301123045.123456Z#000000#00#000000":  "",
		"2026030112304a.123456Z#000000#000#000000": "",
		"20260301123045Z#000000#00#000000":         "",
		"20260301123045.123456Z#000000#00)#000000": "",
		"": "",
	} {
		if got, ok := parseCSN(s); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", s, got, ok)
		}
	}
}

// FuzzParseCSN: nothing that could break out of a filter is taken.
func FuzzParseCSN(f *testing.F) {
	f.Add("20260301123045.123456Z#000000#000#000000")
	f.Add("20260301123045.123456Z#000000#0*)#000000")
	f.Fuzz(func(t *testing.T, s string) {
		sid, ok := parseCSN(s)
		if ok && (len(sid) != 3 || strings.ContainsAny(s, "()*\\ ;\x00")) {
			t.Errorf("%q has the server %q", s, sid)
		}
	})
}

func csn(second, sid int) string {
	return fmt.Sprintf("202603011200%02d.000000Z#000000#%03x#000000", second, sid)
}

func TestVectorSince(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		old, now vector
		floor    string
		same, ok bool
	}{
		{"the same", vector{"000": csn(1, 0)}, vector{"000": csn(1, 0)}, "", true, true},
		{"further", vector{"000": csn(1, 0)}, vector{"000": csn(2, 0)}, csn(1, 0), false, true},
		{"one of two further, the other idle for long", vector{"001": csn(1, 1), "002": csn(30, 2)}, vector{"001": csn(1, 1), "002": csn(40, 2)}, csn(30, 2), false, true},
		{"an old change comes late from the other", vector{"001": csn(1, 1), "002": csn(30, 2)}, vector{"001": csn(5, 1), "002": csn(40, 2)}, csn(1, 1), false, true},
		{"behind", vector{"000": csn(2, 0)}, vector{"000": csn(1, 0)}, "", false, false},
		{"behind in one", vector{"001": csn(2, 1), "002": csn(2, 2)}, vector{"001": csn(3, 1), "002": csn(1, 2)}, "", false, false},
		{"a new server", vector{"001": csn(2, 1)}, vector{"001": csn(2, 1), "002": csn(1, 2)}, "", false, false},
		{"a server has gone", vector{"001": csn(2, 1), "002": csn(1, 2)}, vector{"001": csn(2, 1)}, "", false, false},
	} {
		floor, same, ok := tt.now.since(tt.old)
		if ok != tt.ok || ok && (floor != tt.floor || same != tt.same) {
			t.Errorf("%s: %q, same %v, ok %v", tt.name, floor, same, ok)
		}
	}
}

// TestNoChangeIsMissedBetweenVectors: whatever the order in which the changes
// of several servers arrive, those that arrive between two vectors are at or
// above the floor.
func TestNoChangeIsMissedBetweenVectors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		servers := rapid.IntRange(1, 3).Draw(t, "servers")
		now, clocks := vector{}, make([]int, servers)
		change := func() string {
			i := rapid.IntRange(0, servers-1).Draw(t, "server")
			clocks[i] += rapid.IntRange(1, 5).Draw(t, "time")
			sid := fmt.Sprintf("%03x", i)
			now[sid] = fmt.Sprintf("2026030112%04d.000000Z#000000#%s#000000", clocks[i], sid)
			return now[sid]
		}
		for i := range servers {
			sid := fmt.Sprintf("%03x", i)
			now[sid] = fmt.Sprintf("2026030112%04d.000000Z#000000#%s#000000", 0, sid)
		}
		for range 4 {
			old, err := parseVector(strings.Split(now.encode(), ";"))
			if err != nil {
				t.Fatal(err)
			}
			var changes []string
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				changes = append(changes, change())
			}
			floor, same, ok := now.since(old)
			if !ok || same != (len(changes) == 0) {
				t.Fatalf("same %v, ok %v after %d changes", same, ok, len(changes))
			}
			for _, c := range changes {
				if c <= floor {
					t.Fatalf("%s is not above the floor %s", c, floor)
				}
			}
		}
	})
}

func FuzzParseWatermark(f *testing.F) {
	f.Add("ldap1 csn 0123456789abcdef " + csn(1, 0))
	f.Add("ldap1 usn 0123456789abcdef 17")
	f.Add("file1 1 2 3")
	f.Fuzz(func(t *testing.T, s string) {
		if w, ok := parseWatermark(provision.Watermark(s)); ok && string(w.encode()) != s {
			t.Errorf("%q came back as %q", s, w.encode())
		}
	})
}

// TestStamp: an entry from the future does not hide what comes before.
func TestStamp(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		newest time.Time
		want   string
	}{
		{now.Add(-time.Hour), "20260301110000Z"},
		{now.Add(24 * time.Hour), "20260301120000Z"},
		{time.Time{}, ""},
	} {
		if got := stamp(tt.newest, now); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.newest, got, tt.want)
		}
	}
}

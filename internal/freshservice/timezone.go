package freshservice

import (
	_ "embed"
	"encoding/csv"
	"regexp"
	"slices"
	"strings"
	"sync"
)

var (
	//go:embed data/timezones.csv
	timeZonesCSV string
	//go:embed data/timezone_aliases.csv
	timeZoneAliasesCSV string
)

type timeZoneTable struct {
	names []string
	// byKey finds a name by itself, an IANA id or a Windows id, folded.
	byKey map[string]string
	keys  []string
}

// timeZones is built on first use: 151 names as Rails has them (Freshservice
// stores the names of Rails' ActiveSupport::TimeZone) and some 680 IANA and
// Windows ids with the name that has the same rules (Unicode CLDR windowsZones;
// where no name stands for the zone itself, one with equal offsets in 2026-27).
var timeZones = sync.OnceValue(func() *timeZoneTable {
	t := &timeZoneTable{byKey: map[string]string{}}
	for _, row := range rows(timeZonesCSV) {
		t.names = append(t.names, row[0])
		t.byKey[foldKey(row[0])] = row[0]
	}
	for _, row := range rows(timeZoneAliasesCSV) {
		// A name of Freshservice's own wins over an id that is spelled the same.
		if k := foldKey(row[0]); t.byKey[k] == "" {
			t.byKey[k] = row[2]
		}
	}
	for k := range t.byKey {
		t.keys = append(t.keys, k)
	}
	slices.Sort(t.keys)
	return t
})

// rows returns the records of an embedded table without its header.
func rows(table string) [][]string {
	records, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil {
		panic("freshservice: embedded table: " + err.Error())
	}
	return records[1:]
}

// offsetPrefix is what time zone menus put before a name: "(GMT-05:00) ",
// "(UTC+01:00) ", "(UTC) ".
var offsetPrefix = regexp.MustCompile(`^\s*\((?:GMT|UTC)\s*(?:[+\-\x{2212}]\s*\d{1,2}(?::?\d{2})?)?\)\s*`)

// TimeZone returns Freshservice's own name for the time zone s, which may be
// that name in any case, an IANA id ("Europe/Berlin") or a Windows id ("W.
// Europe Standard Time"), each with or without a prefix such as "(GMT+01:00)".
// ok is false when no name of Freshservice's has the same rules.
func TimeZone(s string) (name string, ok bool) {
	t := timeZones()
	s = strings.TrimSpace(s)
	if name, ok = t.byKey[foldKey(s)]; ok {
		return name, true
	}
	rest := offsetPrefix.ReplaceAllString(s, "")
	if rest == s || rest == "" {
		return "", false
	}
	name, ok = t.byKey[foldKey(rest)]
	return name, ok
}

// TimeZones returns Freshservice's time zone names from west to east.
func TimeZones() []string { return slices.Clone(timeZones().names) }

// nearestTimeZone suggests a name for a message, "" when none is close.
func nearestTimeZone(s string) string {
	t := timeZones()
	key := nearest(foldKey(offsetPrefix.ReplaceAllString(s, "")), t.keys)
	return t.byKey[key]
}

// foldKey is how names are compared: in lower case, white space collapsed.
func foldKey(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

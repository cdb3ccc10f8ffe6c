package desk

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseFault reads a rule as it is written on a command line:
//
//	[METHOD] [PATH]=KIND[:PROBABILITY][,OPTION=VALUE...]
//
// such as "POST /requesters=timeout-after-write:0.05". Without a method or a
// path it is any; a path may leave /api/v2 out. Options are latency, retry-after,
// status, count and duration, as in [Fault].
func ParseFault(s string) (Fault, error) {
	wrong := func(format string, args ...any) (Fault, error) {
		return Fault{}, fmt.Errorf("desk: the fault %q: %s; write it like POST /requesters=timeout-after-write:0.05", s, fmt.Sprintf(format, args...))
	}
	where, what, ok := strings.Cut(s, "=")
	if !ok {
		return wrong("it lacks =KIND")
	}
	var f Fault
	for word := range strings.FieldsSeq(where) {
		switch {
		case strings.HasPrefix(word, "/"):
			if f.Path = word; !strings.HasPrefix(word, "/api/") {
				f.Path = apiPrefix + word
			}
		case slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}, strings.ToUpper(word)):
			f.Method = strings.ToUpper(word)
		default:
			return wrong("%q is neither a method nor a path", word)
		}
	}
	parts := strings.Split(what, ",")
	kind, share, given := strings.Cut(strings.TrimSpace(parts[0]), ":")
	f.Kind = kind
	if given {
		p, err := strconv.ParseFloat(share, 64)
		if err != nil || !(p > 0 && p <= 1) {
			return wrong("%q is no probability between 0 and 1", share)
		}
		f.Probability = p
	}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		var err error
		switch name {
		case "latency":
			f.Latency = value
		case "duration":
			f.Duration = value
		case "retry-after":
			f.RetryAfter, err = strconv.Atoi(value)
		case "status":
			f.Status, err = strconv.Atoi(value)
		case "count":
			f.Count, err = strconv.Atoi(value)
		default:
			return wrong("%q is none of latency, retry-after, status, count and duration", name)
		}
		if err != nil {
			return wrong("%s is %q, not a number", name, value)
		}
	}
	if f.Kind == "error" && f.Status == 0 {
		f.Status = http.StatusBadRequest
	}
	if _, err := newFault(f, time.Time{}); err != nil {
		return wrong("%v", err)
	}
	return f, nil
}

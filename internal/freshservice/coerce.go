package freshservice

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"lockstep/internal/scim"
)

// coerce brings a SCIM value into the type that the account declared for the
// custom field (Freshservice API: requester fields, agent fields). The error
// says what the field takes.
func coerce(f *Field, v scim.Value) (any, error) {
	s := strings.TrimSpace(textOf(v))
	switch f.Type {
	case "custom_checkbox":
		if value, ok := parseBool(v); ok {
			return value, nil
		}
		return nil, fmt.Errorf("the field %s is a checkbox, and %q is neither true nor false", f.Name, s)
	case "custom_number":
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			// "7.0" is how some clients write a whole number.
			if x, errFloat := strconv.ParseFloat(s, 64); errFloat == nil && x == math.Trunc(x) && math.Abs(x) < 1<<53 {
				return int64(x), nil
			}
			return nil, fmt.Errorf("the field %s takes a whole number, and %q is none", f.Name, s)
		}
		return n, nil
	case "custom_decimal":
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
			return nil, fmt.Errorf("the field %s takes a number, and %q is none", f.Name, s)
		}
		return x, nil
	case "custom_date":
		for _, layout := range []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "20060102150405Z", "20060102150405.0Z"} {
			if at, err := time.Parse(layout, s); err == nil {
				return at.UTC().Format(time.DateOnly), nil
			}
		}
		return nil, fmt.Errorf("the field %s takes a date such as 2026-01-31, and %q is none", f.Name, s)
	case "custom_dropdown":
		for _, c := range f.Choices {
			if strings.EqualFold(c, s) {
				return c, nil
			}
		}
		if len(f.Choices) == 0 {
			return s, nil
		}
		return nil, fmt.Errorf("%q is no choice of the field %s%s", s, f.Name, didYouMean(nearest(s, f.Choices)))
	default:
		return s, nil
	}
}

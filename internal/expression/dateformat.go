package expression

import (
	"strings"
)

// formatDate writes a time as .NET's DateTime.ToString does with the invariant
// culture. The problem is "" on success.
func formatDate(d date, format string) (text, problem string) {
	switch len(format) {
	case 0:
		format = standardFormats['G']
	case 1:
		standard, ok := standardFormats[format[0]]
		if !ok {
			return "", "there is no standard format " + format
		}
		format = standard
	}
	out, problem := appendDate(nil, d, format)
	return string(out), problem
}

// appendDate appends a time in a custom format.
func appendDate(out []byte, d date, format string) ([]byte, string) {
	t := timeOf(d.ticks)
	hour, minute, second := t.Clock()
	for format != "" {
		c, count := format[0], 1
		if strings.IndexByte("dfFghHmMstyz", c) >= 0 {
			for count < len(format) && format[count] == c {
				count++
			}
		}
		rest := format[count:]
		switch c {
		case 'd':
			out = appendDayOrMonth(out, t.Day(), int(t.Weekday()), dayNames, count)
		case 'M':
			out = appendDayOrMonth(out, int(t.Month()), int(t.Month())-1, monthNames, count)
		case 'y':
			if count <= 2 {
				out = appendPadded(out, t.Year()%100, count)
			} else {
				out = appendPadded(out, t.Year(), count)
			}
		case 'g':
			out = append(out, "A.D."...)
		case 'h':
			out = appendPadded(out, (hour+11)%12+1, min(count, 2))
		case 'H':
			out = appendPadded(out, hour, min(count, 2))
		case 'm':
			out = appendPadded(out, minute, min(count, 2))
		case 's':
			out = appendPadded(out, second, min(count, 2))
		case 'f', 'F':
			if count > 7 {
				return nil, "a fraction has at most 7 digits"
			}
			digits := string(appendPadded(nil, int(d.ticks%ticksPerSecond), 7))[:count]
			if c == 'F' {
				// Zeros at the end go, and with the last digit the point.
				if digits = strings.TrimRight(digits, "0"); digits == "" && len(out) > 0 && out[len(out)-1] == '.' {
					out = out[:len(out)-1]
				}
			}
			out = append(out, digits...)
		case 't':
			mark := "AM"
			if hour >= 12 {
				mark = "PM"
			}
			out = append(out, mark[:min(count, 2)]...)
		case 'z': // all times are UTC
			out = append(out, [...]string{"+0", "+00", "+00:00"}[min(count, 3)-1]...)
		case 'K':
			out = append(out, [...]string{kindUnspecified: "", kindUTC: "Z", kindLocal: "+00:00"}[d.kind]...)
		case '"', '\'':
			literal, after, ok := cutQuoted(format)
			if !ok {
				return nil, problemQuote
			}
			out, rest = append(out, literal...), after
		case '%':
			if rest == "" || rest[0] == '%' {
				return nil, problemSingle
			}
			var problem string
			if out, problem = appendDate(out, d, rest[:1]); problem != "" {
				return nil, problem
			}
			rest = rest[1:]
		case '\\':
			if rest == "" {
				return nil, problemEscape
			}
			out, rest = append(out, rest[0]), rest[1:]
		default:
			out = append(out, c)
		}
		format = rest
	}
	return out, ""
}

// appendDayOrMonth appends a number of one or two letters' width, or the name,
// abbreviated if there are three letters.
func appendDayOrMonth(out []byte, n, index int, names []string, count int) []byte {
	switch {
	case count <= 2:
		return appendPadded(out, n, count)
	case count == 3:
		return append(out, names[index][:3]...)
	}
	return append(out, names[index]...)
}

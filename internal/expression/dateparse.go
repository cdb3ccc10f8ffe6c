package expression

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// parseDateTime reads a date as .NET's DateTime.Parse does with the invariant
// culture, AssumeUniversal and AdjustToUniversal. It knows the date first, in
// one of the forms
//
//	2024-03-05, 2024/3/5, 2024-03
//	3/5/2024, 3-5-2024, 3.5.2024 (month first), with two-digit years too
//	5 March 2024, Mar 5, 2024, 5-Mar-2024, March 2024
//
// with or without a weekday before it; then, after T, white space or a comma,
// an optional time 10:00[:00[.0]] [AM|PM]; then an optional zone Z, GMT, UTC,
// or ±h, ±hh, ±hhmm, ±hh:mm. A zone may follow the date directly. Without one
// the time is UTC.
func parseDateTime(text string) (ticks int64, ok bool) {
	p := dateScanner{rest: strings.TrimSpace(text)}
	weekday := p.weekday()
	date, ok := p.date()
	if !ok {
		return 0, false
	}
	if weekday >= 0 && int(timeOf(date).Weekday()) != weekday {
		return 0, false
	}
	clock, ok := p.clock()
	if !ok {
		return 0, false
	}
	offset, ok := p.zone()
	if !ok || p.rest != "" {
		return 0, false
	}
	ticks = date + clock - offset
	return ticks, validTicks(ticks)
}

// A dateScanner reads a date text from left to right.
type dateScanner struct{ rest string }

// space skips white space and reports whether there was any.
func (p *dateScanner) space() bool {
	trimmed := strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	found := len(trimmed) < len(p.rest)
	p.rest = trimmed
	return found
}

// one skips one of the bytes in set and returns it, or 0.
func (p *dateScanner) one(set string) byte {
	if p.rest == "" || strings.IndexByte(set, p.rest[0]) < 0 {
		return 0
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

// number reads all digits that follow, at most nine, and returns how many.
func (p *dateScanner) number() (n, count int) {
	for count < len(p.rest) && count < 9 && isDigit(p.rest[count]) {
		n = n*10 + int(p.rest[count]-'0')
		count++
	}
	p.rest = p.rest[count:]
	return n, count
}

// name reads the longest of names, or its first three letters, in any case. It
// returns the index, or -1.
func (p *dateScanner) name(names []string) int {
	letters := strings.IndexFunc(p.rest, func(r rune) bool { return !unicode.IsLetter(r) })
	if letters < 0 {
		letters = len(p.rest)
	}
	word := p.rest[:letters]
	for i, name := range names {
		if strings.EqualFold(word, name) || strings.EqualFold(word, name[:3]) {
			p.rest = p.rest[letters:]
			return i
		}
	}
	return -1
}

var (
	monthNames = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	dayNames   = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

// weekday reads an optional weekday with its comma, or returns -1.
func (p *dateScanner) weekday() int {
	i := p.name(dayNames)
	if i >= 0 {
		p.one(",")
		p.space()
	}
	return i
}

// separator reads what may stand between the parts of a date with a month
// name.
func (p *dateScanner) separator() bool {
	spaced := p.space()
	found := p.one(",-/.") != 0
	return p.space() || found || spaced
}

// date reads the date and returns its midnight.
func (p *dateScanner) date() (int64, bool) {
	if month := p.name(monthNames) + 1; month > 0 { // Mar 5, 2024 or March 2024
		if !p.separator() {
			return 0, false
		}
		day, count := p.number()
		if count >= 3 {
			return p.finish(day, count, month, 1)
		}
		if count == 0 || !p.separator() {
			return 0, false
		}
		year, count := p.number()
		return p.finish(year, count, month, day)
	}
	first, count := p.number()
	if count == 0 {
		return 0, false
	}
	before := p.rest
	if p.separator() {
		if month := p.name(monthNames) + 1; month > 0 { // 5 March 2024
			if !p.separator() {
				return 0, false
			}
			year, yearCount := p.number()
			if count >= 3 {
				return p.finish(first, count, month, year) // 2024 March 5
			}
			return p.finish(year, yearCount, month, first)
		}
	}
	p.rest = before
	separator := p.one("-/.")
	if separator == 0 {
		return 0, false
	}
	second, secondCount := p.number()
	if secondCount == 0 || secondCount > 2 {
		return 0, false
	}
	if count >= 3 { // 2024-03-05 or 2024-03
		if p.one(string(separator)) == 0 {
			return p.finish(first, count, second, 1)
		}
		day, dayCount := p.number()
		if dayCount == 0 || dayCount > 2 {
			return 0, false
		}
		return p.finish(first, count, second, day)
	}
	if p.one(string(separator)) == 0 {
		return 0, false
	}
	year, yearCount := p.number()
	return p.finish(year, yearCount, first, second)
}

// finish makes the date; a year of one or two digits is near the present.
func (p *dateScanner) finish(year, yearDigits, month, day int) (int64, bool) {
	switch {
	case yearDigits == 0 || yearDigits > 4:
		return 0, false
	case yearDigits <= 2:
		year = fourDigitYear(year)
	}
	return ticksOfDate(year, month, day)
}

// fourDigitYear completes a two-digit year: 00 to 49 are the 2000s, as in the
// current .NET runtime (older ones: 00 to 29).
func fourDigitYear(year int) int {
	if year > 49 {
		return 1900 + year
	}
	return 2000 + year
}

// clock reads an optional time of day.
func (p *dateScanner) clock() (int64, bool) {
	before := p.rest
	if p.one("Tt") == 0 && !p.space() && p.one(",") == 0 {
		return 0, true
	}
	p.one(",")
	p.space()
	hour, count := p.number()
	if count == 0 { // what follows is a zone, or wrong
		p.rest = before
		return 0, true
	}
	if count > 2 {
		return 0, false
	}
	var minute, second int
	var fraction int64
	timed := p.one(":") != 0
	if timed {
		if minute, count = p.number(); count == 0 || count > 2 {
			return 0, false
		}
		if p.one(":") != 0 {
			if second, count = p.number(); count == 0 || count > 2 {
				return 0, false
			}
			if p.one(".,") != 0 {
				if fraction, count = p.fraction(); count == 0 {
					return 0, false
				}
			}
		}
	}
	before = p.rest
	p.space()
	mark := p.mark()
	switch {
	case mark == 0:
		p.rest = before
		if !timed {
			return 0, false // a number alone is no time
		}
	case hour > 12 && mark == 'A':
		return 0, false
	case mark == 'A':
		hour %= 12
	case hour < 12:
		hour += 12
	}
	if hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return int64(hour)*ticksPerHour + int64(minute)*ticksPerMinute + int64(second)*ticksPerSecond + fraction, true
}

// fraction reads the fraction of a second, rounded to ticks.
func (p *dateScanner) fraction() (ticks int64, count int) {
	unit := int64(ticksPerSecond)
	for count < len(p.rest) && isDigit(p.rest[count]) {
		d := int64(p.rest[count] - '0')
		switch unit /= 10; {
		case unit > 0:
			ticks += d * unit
		case count == 7 && d >= 5:
			ticks++
		}
		count++
	}
	p.rest = p.rest[count:]
	return ticks, count
}

// mark reads AM or PM and returns its first letter, or 0.
func (p *dateScanner) mark() byte {
	if len(p.rest) < 2 || p.rest[1]|0x20 != 'm' {
		return 0
	}
	if r, _ := utf8.DecodeRuneInString(p.rest[2:]); unicode.IsLetter(r) {
		return 0
	}
	c := p.rest[0] &^ 0x20
	if c != 'A' && c != 'P' {
		return 0
	}
	p.rest = p.rest[2:]
	return c
}

// zone reads an optional zone and returns its offset from UTC.
func (p *dateScanner) zone() (int64, bool) {
	p.space()
	if p.rest == "" {
		return 0, true
	}
	sign := int64(1)
	switch p.one("+-Zz") {
	case '+':
	case '-':
		sign = -1
	case 'Z', 'z':
		return 0, true
	default:
		if strings.EqualFold(p.rest, "GMT") || strings.EqualFold(p.rest, "UTC") {
			p.rest = ""
			return 0, true
		}
		return 0, false
	}
	hours, count := p.number()
	minutes := 0
	switch {
	case count == 4:
		hours, minutes = hours/100, hours%100
	case count == 0 || count > 2:
		return 0, false
	case p.one(":") != 0:
		if minutes, count = p.number(); count != 2 {
			return 0, false
		}
	}
	offset, ok := zoneOffset(hours, minutes)
	return sign * offset, ok
}

// zoneOffset returns the ticks of an offset of at most 14 hours.
func zoneOffset(hours, minutes int) (int64, bool) {
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	return int64(offset / 100), minutes < 60 && offset <= 14*time.Hour
}

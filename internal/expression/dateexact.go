package expression

import (
	"strings"
	"unicode"
)

// A dateStyle is a set of .NET's DateTimeStyles.
type dateStyle uint16

const (
	styleLeadingWhite dateStyle = 1 << iota
	styleTrailingWhite
	styleInnerWhite
	styleNoCurrentDate
	styleAdjustToUniversal
	styleAssumeLocal
	styleAssumeUniversal
	styleRoundtrip

	styleDefault = styleRoundtrip | styleLeadingWhite | styleTrailingWhite
)

var styleNames = map[string]dateStyle{
	"none":                 0,
	"allowleadingwhite":    styleLeadingWhite,
	"allowtrailingwhite":   styleTrailingWhite,
	"allowinnerwhite":      styleInnerWhite,
	"allowwhitespaces":     styleLeadingWhite | styleTrailingWhite | styleInnerWhite,
	"nocurrentdatedefault": styleNoCurrentDate,
	"adjusttouniversal":    styleAdjustToUniversal,
	"assumelocal":          styleAssumeLocal,
	"assumeuniversal":      styleAssumeUniversal,
	"roundtripkind":        styleRoundtrip,
}

// parseStyles reads names separated by commas, in any case. Combinations that
// .NET rejects are rejected.
func parseStyles(names string) (dateStyle, bool) {
	var style dateStyle
	for name := range strings.SplitSeq(names, ",") {
		s, ok := styleNames[strings.ToLower(strings.TrimSpace(name))]
		if !ok {
			return 0, false
		}
		style |= s
	}
	const both = styleAssumeLocal | styleAssumeUniversal
	if style&both == both {
		return 0, false
	}
	if style&styleRoundtrip != 0 && style&(both|styleAdjustToUniversal) != 0 {
		return 0, false
	}
	return style, true
}

// A dateKind is .NET's DateTimeKind, which shows in the output of K. Local
// time is UTC here.
type dateKind uint8

const (
	kindUnspecified dateKind = iota
	kindUTC
	kindLocal
)

// A date is a parsed time.
type date struct {
	ticks int64
	kind  dateKind
}

// standardFormats are .NET's formats of one letter, for the invariant culture.
var standardFormats = map[byte]string{
	'd': "MM/dd/yyyy",
	'D': "dddd, dd MMMM yyyy",
	'f': "dddd, dd MMMM yyyy HH:mm",
	'F': "dddd, dd MMMM yyyy HH:mm:ss",
	'g': "MM/dd/yyyy HH:mm",
	'G': "MM/dd/yyyy HH:mm:ss",
	'm': "MMMM dd",
	'M': "MMMM dd",
	'o': "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK",
	'O': "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK",
	'r': "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
	'R': "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
	's': "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
	't': "HH:mm",
	'T': "HH:mm:ss",
	'u': "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
	'U': "dddd, dd MMMM yyyy HH:mm:ss",
	'y': "yyyy MMMM",
	'Y': "yyyy MMMM",
}

// An exactParser follows .NET's DateTime.ParseExact. Fields are -1 until they
// are read.
type exactParser struct {
	text   string
	format string
	style  dateStyle

	year, month, day, weekday int
	hour, minute, second      int
	fraction                  int64
	mark                      byte // 'A', 'P' or 0
	twoDigitYear, hour12      bool
	zoned, utc                bool
	offset                    int64
}

// parseExact reads text, which has to follow the format from beginning to end.
// The problem is "" on success. now gives the parts of a date that the format
// does not have.
func parseExact(text, format string, style dateStyle, now int64) (date, string) {
	if len(format) == 1 {
		standard, ok := standardFormats[format[0]]
		if !ok {
			return date{}, "there is no standard format " + format
		}
		format = standard
	}
	if style&styleTrailingWhite != 0 {
		format, text = strings.TrimRightFunc(format, unicode.IsSpace), strings.TrimRightFunc(text, unicode.IsSpace)
	}
	if style&styleLeadingWhite != 0 {
		format, text = strings.TrimLeftFunc(format, unicode.IsSpace), strings.TrimLeftFunc(text, unicode.IsSpace)
	}
	if format == "" {
		return date{}, "the format is empty"
	}
	p := exactParser{text: text, format: format, style: style,
		year: -1, month: -1, day: -1, weekday: -1, hour: -1, minute: -1, second: -1, fraction: -1}
	for p.format != "" {
		if problem := p.step(); problem != "" {
			return date{}, problem
		}
	}
	if p.style&styleInnerWhite != 0 {
		p.text = strings.TrimLeftFunc(p.text, unicode.IsSpace)
	}
	if p.text != "" {
		return date{}, "the text goes on after the format's end"
	}
	return p.result(now)
}

// repeat cuts the run of equal letters the format begins with.
func (p *exactParser) repeat() (letter byte, count int) {
	letter = p.format[0]
	for count < len(p.format) && p.format[count] == letter {
		count++
	}
	p.format = p.format[count:]
	return letter, count
}

const (
	problemDigits = "a number does not have the number of digits its letters ask for"
	problemText   = "the text between the parts differs"
	problemName   = "a name is not the English one of the format's form"
	problemQuote  = "a quotation mark in the format is not closed"
	problemEscape = "the format ends with a backslash"
	problemTwice  = "a part occurs twice with different values"
	problemZone   = "an offset such as -07:00 is missing"
	problemRange  = "there is no such date or time"
	problemSingle = "% has to stand before one letter"
)

// step reads the next element of the format and what stands for it.
func (p *exactParser) step() string {
	switch c := p.format[0]; c {
	case 'y':
		_, count := p.repeat()
		p.twoDigitYear = p.twoDigitYear || count <= 2
		return p.field(&p.year, count)
	case 'M':
		_, count := p.repeat()
		if count <= 2 {
			return p.field(&p.month, count)
		}
		return p.named(&p.month, monthNames, count, 1)
	case 'd':
		_, count := p.repeat()
		if count <= 2 {
			return p.field(&p.day, count)
		}
		return p.named(&p.weekday, dayNames, count, 0)
	case 'g':
		p.repeat()
		if !p.word("A.D.") && !p.word("AD") {
			return problemName
		}
		return ""
	case 'h', 'H':
		_, count := p.repeat()
		p.hour12 = p.hour12 || c == 'h'
		return p.field(&p.hour, min(count, 2))
	case 'm':
		_, count := p.repeat()
		return p.field(&p.minute, min(count, 2))
	case 's':
		_, count := p.repeat()
		return p.field(&p.second, min(count, 2))
	case 'f', 'F':
		_, count := p.repeat()
		return p.fractions(count, c == 'f')
	case 't':
		_, count := p.repeat()
		return p.amPM(count)
	case 'z':
		_, count := p.repeat()
		return p.zone(count)
	case 'Z':
		p.format = p.format[1:]
		if !p.word("GMT") && !p.exactly("Z") {
			return "a Z is missing"
		}
		return p.setZone(0, true)
	case 'K':
		p.repeat()
		switch {
		case p.exactly("Z"):
			return p.setZone(0, true)
		case p.text == "" || p.text[0] != '+' && p.text[0] != '-':
			return ""
		}
		return p.zone(3)
	case '"', '\'':
		return p.quoted()
	case '%':
		p.format = p.format[1:]
		if p.format == "" || p.format[0] == '%' {
			return problemSingle
		}
		return ""
	case '\\':
		if p.format = p.format[1:]; p.format == "" {
			return problemEscape
		}
		return p.literal()
	case '.':
		if strings.HasPrefix(p.text, ".") {
			return p.literal()
		}
		// A fraction that may be missing takes its point with it.
		if strings.HasPrefix(p.format, ".F") {
			p.format = p.format[1:]
			p.repeat()
			return ""
		}
		return problemText
	case 'G':
		if strings.HasPrefix(p.format, "GMT") {
			p.format = p.format[3:]
			if !p.word("GMT") {
				return problemText
			}
			return p.setZone(0, false)
		}
	case ' ':
		if p.style&styleInnerWhite != 0 {
			p.format = p.format[1:]
			p.text = strings.TrimLeftFunc(p.text, unicode.IsSpace)
			return ""
		}
	}
	return p.literal()
}

// literal reads the format's first byte from the text.
func (p *exactParser) literal() string {
	if p.text == "" || p.text[0] != p.format[0] {
		return problemText
	}
	p.text, p.format = p.text[1:], p.format[1:]
	return ""
}

// quoted reads a quoted literal.
func (p *exactParser) quoted() string {
	literal, rest, ok := cutQuoted(p.format)
	if !ok {
		return problemQuote
	}
	p.format = rest
	if !p.exactly(literal) {
		return problemText
	}
	return ""
}

// cutQuoted cuts the quoted literal that format begins with. A backslash
// takes the meaning from the character after it.
func cutQuoted(format string) (literal, rest string, ok bool) {
	var b []byte
	for i := 1; i < len(format); i++ {
		switch format[i] {
		case format[0]:
			return string(b), format[i+1:], true
		case '\\':
			if i++; i == len(format) {
				return "", "", false
			}
		}
		b = append(b, format[i])
	}
	return "", "", false
}

// exactly reads s.
func (p *exactParser) exactly(s string) bool {
	rest, ok := strings.CutPrefix(p.text, s)
	if ok {
		p.text = rest
	}
	return ok
}

// word reads s, which is ASCII, in any case.
func (p *exactParser) word(s string) bool {
	if len(p.text) < len(s) || !strings.EqualFold(p.text[:len(s)], s) {
		return false
	}
	p.text = p.text[len(s):]
	return true
}

// digits reads exactly count digits, or one or two if count is 1.
func (p *exactParser) digits(count int) (int, bool) {
	n, got := 0, 0
	for got < max(count, 2) && got < len(p.text) && isDigit(p.text[got]) && got < 9 {
		n = n*10 + int(p.text[got]-'0')
		got++
	}
	if got < count || got == 0 {
		return 0, false
	}
	p.text = p.text[got:]
	return n, true
}

// field reads a number into a part of the date.
func (p *exactParser) field(part *int, count int) string {
	n, ok := p.digits(count)
	if !ok {
		return problemDigits
	}
	return set(part, n)
}

func set(part *int, n int) string {
	if *part >= 0 && *part != n {
		return problemTwice
	}
	*part = n
	return ""
}

// named reads a name, of three letters if count is 3.
func (p *exactParser) named(part *int, names []string, count, first int) string {
	for i, name := range names {
		if count == 3 {
			name = name[:3]
		}
		if p.word(name) {
			return set(part, i+first)
		}
	}
	return problemName
}

// fractions reads the fraction of a second: of exactly count digits, or of at
// most that many.
func (p *exactParser) fractions(count int, exact bool) string {
	if count > 7 {
		return "a fraction has at most 7 digits"
	}
	unit, ticks, got := int64(ticksPerSecond), int64(0), 0
	for got < count && got < len(p.text) && isDigit(p.text[got]) {
		unit /= 10
		ticks += int64(p.text[got]-'0') * unit
		got++
	}
	if exact && got < count {
		return problemDigits
	}
	p.text = p.text[got:]
	if p.fraction >= 0 && p.fraction != ticks {
		return problemTwice
	}
	p.fraction = ticks
	return ""
}

func (p *exactParser) amPM(count int) string {
	var mark byte
	switch {
	case count == 1 && p.word("A"), count > 1 && p.word("AM"):
		mark = 'A'
	case count == 1 && p.word("P"), count > 1 && p.word("PM"):
		mark = 'P'
	default:
		return "AM or PM is missing"
	}
	if p.mark != 0 && p.mark != mark {
		return problemTwice
	}
	p.mark = mark
	return ""
}

// zone reads an offset: hours of one or two digits, of two, or hours and
// minutes with or without a colon.
func (p *exactParser) zone(count int) string {
	sign := int64(1)
	switch {
	case p.exactly("+"):
	case p.exactly("-"):
		sign = -1
	default:
		return problemZone
	}
	hours, ok := p.digits(min(count, 2))
	minutes := 0
	if ok && count > 2 {
		p.exactly(":")
		minutes, ok = p.digits(2)
	}
	if !ok {
		return problemZone
	}
	offset, ok := zoneOffset(hours, minutes)
	if !ok {
		return problemRange
	}
	return p.setZone(sign*offset, false)
}

func (p *exactParser) setZone(offset int64, utc bool) string {
	if p.zoned && p.offset != offset {
		return problemTwice
	}
	p.zoned, p.offset, p.utc = true, offset, p.utc || utc
	return ""
}

// result puts the parts together.
func (p *exactParser) result(now int64) (date, string) {
	hour := max(p.hour, 0)
	switch {
	case p.hour12:
		if hour > 12 {
			return date{}, problemRange
		}
		hour %= 12
		if p.mark == 'P' {
			hour += 12
		}
	case p.mark == 'A' && hour >= 12, p.mark == 'P' && hour < 12:
		return date{}, "the hour contradicts AM or PM"
	}
	minute, second := max(p.minute, 0), max(p.second, 0)
	if hour > 23 || minute > 59 || second > 59 {
		return date{}, problemRange
	}
	year, month, day := p.calendar(now)
	ticks, ok := ticksOfDate(year, month, day)
	if !ok {
		return date{}, problemRange
	}
	if p.weekday >= 0 && int(timeOf(ticks).Weekday()) != p.weekday {
		return date{}, "the weekday is not that of the date"
	}
	ticks += int64(hour)*ticksPerHour + int64(minute)*ticksPerMinute + int64(second)*ticksPerSecond + max(p.fraction, 0)
	if !p.zoned && p.style&(styleAssumeUniversal|styleAssumeLocal) != 0 {
		p.zoned = true
	}
	d := date{ticks: ticks}
	if p.zoned {
		d.ticks -= p.offset
		d.kind = kindLocal
		if p.style&styleAdjustToUniversal != 0 || p.style&styleRoundtrip != 0 && p.utc {
			d.kind = kindUTC
		}
	}
	if !validTicks(d.ticks) {
		return date{}, problemRange
	}
	return d, ""
}

// calendar completes the date: without any part it is today, or the first day
// of all if the style says so; a missing year is this year, a missing month or
// day the first.
func (p *exactParser) calendar(now int64) (year, month, day int) {
	year, month, day = p.year, p.month, p.day
	if p.twoDigitYear && year >= 0 && year < 100 {
		year = fourDigitYear(year)
	}
	today := timeOf(now)
	if year < 0 && month < 0 && day < 0 {
		if p.style&styleNoCurrentDate != 0 {
			return 1, 1, 1
		}
		return today.Year(), int(today.Month()), today.Day()
	}
	if year < 0 {
		year = today.Year()
	}
	if month < 0 {
		month = 1
	}
	if day < 0 {
		day = 1
	}
	return year, month, day
}

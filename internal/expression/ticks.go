package expression

import (
	"strconv"
	"time"
)

// Points in time are .NET ticks: 100-nanosecond steps since the beginning of
// year 1, UTC.
const (
	ticksPerSecond = 10_000_000
	ticksPerMinute = 60 * ticksPerSecond
	ticksPerHour   = 60 * ticksPerMinute
	ticksPerDay    = 24 * ticksPerHour
	maxTicks       = 3155378975999999999 // the last one of year 9999
	unixEpoch      = 621355968000000000  // 1970
	fileTimeEpoch  = 504911232000000000  // 1601
)

func validTicks(t int64) bool { return t >= 0 && t <= maxTicks }

// ticksOf converts t, brought into the years 1 to 9999.
func ticksOf(t time.Time) int64 {
	s := min(max(t.Unix(), -unixEpoch/ticksPerSecond), (maxTicks-unixEpoch)/ticksPerSecond)
	return s*ticksPerSecond + unixEpoch + int64(t.Nanosecond())/100
}

func timeOf(ticks int64) time.Time {
	ticks -= unixEpoch
	return time.Unix(ticks/ticksPerSecond, ticks%ticksPerSecond*100).UTC()
}

// ticksOfDate returns the ticks of midnight of a date, and whether there is
// such a date.
func ticksOfDate(year, month, day int) (int64, bool) {
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	return ticksOf(time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)), true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// appendDateTime appends the text form of a time: M/d/yyyy h:mm:ss tt.
func appendDateTime(dst []byte, ticks int64) []byte {
	t := timeOf(ticks)
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = strconv.AppendInt(dst, int64(month), 10)
	dst = append(dst, '/')
	dst = strconv.AppendInt(dst, int64(day), 10)
	dst = append(dst, '/')
	dst = appendPadded(dst, year, 4)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64((hour+11)%12+1), 10)
	dst = append(dst, ':')
	dst = appendPadded(dst, minute, 2)
	dst = append(dst, ':')
	dst = appendPadded(dst, second, 2)
	if hour < 12 {
		return append(dst, " AM"...)
	}
	return append(dst, " PM"...)
}

// appendPadded appends n with at least width digits.
func appendPadded(dst []byte, n, width int) []byte {
	digits := strconv.Itoa(n)
	for range width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// addMonths moves by calendar months; the day is cut to the end of the month.
func addMonths(ticks, months int64) (int64, bool) {
	const most = 120_000 // months of all years there are
	if months < -most || months > most {
		return 0, false
	}
	t := timeOf(ticks)
	year, month, day := t.Date()
	m := year*12 + int(month) - 1 + int(months)
	if m < 12 {
		return 0, false
	}
	year, monthNumber := m/12, m%12+1
	if year > 9999 {
		return 0, false
	}
	midnight, ok := ticksOfDate(year, monthNumber, min(day, daysIn(year, monthNumber)))
	return midnight + ticks%ticksPerDay, ok
}

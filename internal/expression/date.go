package expression

func evalNow(_ *Node, s scope) (Value, error) { return dateTime(s.now), nil }

func evalCDate(n *Node, s scope) (Value, error) {
	ticks, ok, err := n.dateArg(s, 0)
	if err != nil || !ok {
		return Value{}, err
	}
	return dateTime(ticks), nil
}

func evalDateAdd(n *Node, s scope) (Value, error) {
	interval, _, err := n.textArg(s, 0)
	if err != nil {
		return Value{}, err
	}
	count, err := n.integerArg(s, 1)
	if err != nil {
		return Value{}, err
	}
	ticks, ok, err := n.dateArg(s, 2)
	if err != nil {
		return Value{}, err
	}
	var unit int64
	switch interval {
	case "yyyy", "m":
	case "d":
		unit = ticksPerDay
	case "ww":
		unit = 7 * ticksPerDay
	case "h":
		unit = ticksPerHour
	case "n":
		unit = ticksPerMinute
	case "s":
		unit = ticksPerSecond
	default:
		return Value{}, n.badInterval(interval)
	}
	if !ok {
		return Value{}, nil
	}
	valid := false
	sum := int64(0)
	switch {
	case unit > 0:
		if count >= -maxTicks/unit && count <= maxTicks/unit {
			sum = ticks + count*unit
			valid = validTicks(sum)
		}
	case interval == "yyyy":
		sum, valid = addMonths(ticks, min(max(count, -10_000), 10_000)*12)
	default:
		sum, valid = addMonths(ticks, count)
	}
	if !valid {
		return Value{}, n.fail(ErrorValue, "DateAdd leaves the years 1 to 9999")
	}
	return dateTime(sum), nil
}

func (n *Node) badInterval(interval string) *Error {
	e := n.fail(ErrorValue, "there is no interval %s", n.quote(interval))
	e.Hint = "intervals are yyyy (years), m (months), d (days), ww (weeks), h (hours), n (minutes) and s (seconds), in lower case"
	return e
}

// evalDateDiff follows Visual Basic's DateDiff: years and months are the
// difference of their numbers, weeks count from Sunday to Sunday, all else is
// elapsed time without its fraction.
func evalDateDiff(n *Node, s scope) (Value, error) {
	interval, _, err := n.textArg(s, 0)
	if err != nil {
		return Value{}, err
	}
	a, okA, err := n.dateArg(s, 1)
	if err != nil {
		return Value{}, err
	}
	b, okB, err := n.dateArg(s, 2)
	if err != nil {
		return Value{}, err
	}
	var diff int64
	switch interval {
	case "d":
		diff = (b - a) / ticksPerDay
	case "h":
		diff = (b - a) / ticksPerHour
	case "n":
		diff = (b - a) / ticksPerMinute
	case "s":
		diff = (b - a) / ticksPerSecond
	case "ww":
		diff = (sunday(b) - sunday(a)) / ticksPerDay / 7
	case "m", "yyyy":
		ta, tb := timeOf(a), timeOf(b)
		diff = int64(tb.Year() - ta.Year())
		if interval == "m" {
			diff = diff*12 + int64(tb.Month()-ta.Month())
		}
	default:
		return Value{}, n.badInterval(interval)
	}
	if !okA || !okB {
		return Value{}, nil
	}
	return Int(diff), nil
}

// sunday moves back to the last Sunday, keeping the time of day. Day 0 of the
// ticks was a Monday.
func sunday(ticks int64) int64 {
	return ticks - (ticks/ticksPerDay+1)%7*ticksPerDay
}

func evalDateFromNum(n *Node, s scope) (Value, error) {
	v, err := n.one(s, 0)
	if err != nil || v.IsNull() {
		return Value{}, err
	}
	num, ok := v.asInteger()
	if !ok {
		return Value{}, n.mismatch(0, v, "a whole number")
	}
	if num < 0 || num > maxTicks-fileTimeEpoch {
		e := n.fail(ErrorValue, "%d is no file time: it lies outside of the years 1601 to 9999", num)
		if n.redact {
			e.Message = "the value is no file time: it lies outside of the years 1601 to 9999"
		} else if num == 1<<63-1 {
			e.Hint = "Active Directory uses this number for never; catch it with a Switch before"
		}
		return Value{}, e
	}
	return dateTime(num + fileTimeEpoch), nil
}

func evalNumFromDate(n *Node, s scope) (Value, error) {
	ticks, ok, err := n.dateArg(s, 0)
	if err != nil || !ok {
		return Value{}, err
	}
	if ticks < fileTimeEpoch {
		return Value{}, n.fail(ErrorValue, "file times begin with the year 1601")
	}
	return Int(ticks - fileTimeEpoch), nil
}

// formatSlots returns the positions of FormatDateTime's styles, input format
// and output format; the three-argument form has no styles.
func (n *Node) formatSlots() (styles, input, output int) {
	if len(n.Args) == 3 {
		return -1, 1, 2
	}
	return 1, 2, 3
}

func checkFormatDateTime(n *Node) string {
	if _, input, _ := n.formatSlots(); !n.given(input) {
		return "inputFormat of FormatDateTime is omitted, but required"
	}
	return ""
}

func lintFormatDateTime(n *Node) string {
	if len(n.Args) == 3 {
		return `FormatDateTime with three arguments is read as source, inputFormat, outputFormat; write FormatDateTime(source, , inputFormat, outputFormat)`
	}
	return ""
}

func evalFormatDateTime(n *Node, s scope) (Value, error) {
	styles, input, output := n.formatSlots()
	source, _, err := n.textArg(s, 0)
	if err != nil {
		return Value{}, err
	}
	style := styleDefault
	if styles > 0 {
		names, _, err := n.textArg(s, styles)
		if err != nil {
			return Value{}, err
		}
		if names != "" {
			var ok bool
			if style, ok = parseStyles(names); !ok {
				e := n.fail(ErrorValue, "dateTimeStyles of FormatDateTime cannot be used: %s", n.quote(names))
				e.Hint = "use names of .NET's DateTimeStyles, separated by commas, or leave the argument out: FormatDateTime(source, , inputFormat, outputFormat)"
				return Value{}, e
			}
		}
	}
	inputFormat, _, err := n.textArg(s, input)
	if err != nil {
		return Value{}, err
	}
	outputFormat, _, err := n.textArg(s, output)
	if err != nil {
		return Value{}, err
	}
	if source == "" {
		return Value{}, nil
	}
	d, problem := parseExact(source, inputFormat, style, s.now)
	if problem != "" {
		e := n.fail(ErrorValue, "%s does not have the format %s: %s", n.quote(source), n.quote(inputFormat), problem)
		e.Hint = "a single letter such as M takes one or two digits, a doubled one such as MM exactly two; zzz takes an offset such as -07:00"
		return Value{}, e
	}
	text, problem := formatDate(d, outputFormat)
	if problem != "" {
		return Value{}, n.fail(ErrorValue, "the output format %s cannot be used: %s", n.quote(outputFormat), problem)
	}
	return Text(text), nil
}

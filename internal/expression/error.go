package expression

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// An ErrorKind is what is wrong with an expression. The names are stable: they
// appear in vector files and as error codes of parseExpression.
type ErrorKind string

// The kinds of errors. Compile reports the first five, Check unknown_attribute,
// Eval all from ErrorType on; ErrorArity may also arise in Eval, from a
// Replace whose arguments turn out empty. The last two are no fault of the
// expression: trying again may help.
const (
	ErrorTooLong          ErrorKind = "too_long"          // more than MaxLength characters
	ErrorParse            ErrorKind = "parse"             // not the language's grammar
	ErrorUnknownFunction  ErrorKind = "unknown_function"  // no function of that name
	ErrorArity            ErrorKind = "arity"             // too few, too many or missing arguments
	ErrorNesting          ErrorKind = "nesting"           // SelectUniqueValue not outermost
	ErrorType             ErrorKind = "type"              // an argument cannot be converted
	ErrorValue            ErrorKind = "value"             // right type, unusable value
	ErrorRaised           ErrorKind = "raised"            // the Error function ran
	ErrorNoUniqueValue    ErrorKind = "no_unique_value"   // every value of SelectUniqueValue is taken
	ErrorUnknownAttribute ErrorKind = "unknown_attribute" // the schema has no such attribute
	ErrorLookup           ErrorKind = "lookup"            // Env.Taken failed; see Unwrap
	ErrorCanceled         ErrorKind = "canceled"          // the context ended; see Unwrap
)

// An Error says what is wrong with an expression, where, and what to do.
type Error struct {
	Kind ErrorKind `json:"kind"`
	// Pos and End delimit the part to blame, in code points from the start
	// of the expression.
	Pos int `json:"position"`
	End int `json:"end"`
	// Expression is the whole text.
	Expression string `json:"expression,omitempty"`
	Message    string `json:"message"`
	// Hint says what to write instead, if that can be known.
	Hint string `json:"hint,omitempty"`
	// Values are those SelectUniqueValue tried, all of them taken.
	Values []string `json:"values,omitempty"`

	err error
}

// Error returns message, position and hint in one line.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s at position %d: %s", strings.ReplaceAll(string(e.Kind), "_", " "), e.Pos, e.Message)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap returns the cause of an error of kind lookup or canceled.
func (e *Error) Unwrap() error { return e.err }

// caretWidth is how much of a long line Caret shows.
const caretWidth = 100

// Caret returns the line of the expression that holds Pos, and below it a
// caret under the character at Pos. A long line is cut around the caret.
func (e *Error) Caret() string {
	line, col := e.Expression, max(e.Pos, 0)
	for {
		head, tail, more := strings.Cut(line, "\n")
		n := utf8.RuneCountInString(head)
		if col <= n || !more {
			line = strings.TrimSuffix(head, "\r")
			break
		}
		line, col = tail, col-n-1
	}
	rs := []rune(line)
	col = min(col, len(rs))
	lead, trail := "", ""
	if len(rs) > caretWidth {
		from := max(0, min(col-caretWidth/2, len(rs)-caretWidth))
		to := from + caretWidth
		if from > 0 {
			lead = "…"
		}
		if to < len(rs) {
			trail = "…"
		}
		rs, col = rs[from:to], col-from
	}
	var pad strings.Builder
	pad.WriteString(strings.Repeat(" ", utf8.RuneCountInString(lead)))
	for _, r := range rs[:col] {
		if r == '\t' {
			pad.WriteByte('\t')
		} else {
			pad.WriteByte(' ')
		}
	}
	return lead + string(rs) + trail + "\n" + pad.String() + "^"
}

// foreign maps what people write out of habit from other languages to what
// this one has.
var foreign = map[string]string{
	"concat":             `write Join("", a, b) or Append(a, b)`,
	"concatenate":        `write Join("", a, b) or Append(a, b)`,
	"prepend":            `write Join("", prefix, source)`,
	"substring":          `write Mid(source, start, length); start counts from 1`,
	"substr":             `write Mid(source, start, length); start counts from 1`,
	"right":              `there is no Right; write Replace(source, , "^.*(.{n})$", , "$1", , ) with the wanted number for n`,
	"len":                `there is no function for a text's length`,
	"length":             `there is no function for a text's length; Count gives the number of values`,
	"lcase":              `write ToLower(source)`,
	"lower":              `write ToLower(source)`,
	"ucase":              `write ToUpper(source)`,
	"upper":              `write ToUpper(source)`,
	"proper":             `write PCase(source)`,
	"propercase":         `write PCase(source)`,
	"totitlecase":        `write PCase(source)`,
	"titlecase":          `write PCase(source)`,
	"if":                 `write IIF(condition, valueIfTrue, valueIfFalse)`,
	"case":               `write Switch(source, default, key, value, …)`,
	"and":                `there is no And; nest IIF: IIF(a, IIF(b, x, y), y)`,
	"or":                 `there is no Or; nest IIF: IIF(a, x, IIF(b, x, y))`,
	"contains":           `write IIF(InStr(source, "part") > 0, …, …)`,
	"indexof":            `write InStr(source, "part")`,
	"find":               `write InStr(source, "part")`,
	"startswith":         `write IIF(InStr(source, "part") = 1, …, …)`,
	"isnothing":          `write IsNull(source)`,
	"isempty":            `write IsNullOrEmpty(source)`,
	"isnullorwhitespace": `write IsNullOrEmpty(Trim(source))`,
	"isnotnull":          `write IsPresent(source)`,
	"nvl":                `write Coalesce(a, b)`,
	"ifnull":             `write Coalesce(a, b)`,
	"regex":              `write Replace(source, , "pattern", , "replacement", , )`,
	"regexreplace":       `write Replace(source, , "pattern", , "replacement", , )`,
	"ltrim":              `write Trim(source)`,
	"rtrim":              `write Trim(source)`,
	"removespaces":       `write StripSpaces(source)`,
	"removediacritics":   `write NormalizeDiacritics(source)`,
	"today":              `write Now()`,
	"utcnow":             `write Now()`,
	"todate":             `write CDate(source)`,
	"formatdate":         `write FormatDateTime(source, , inputFormat, outputFormat)`,
	"adddays":            `write DateAdd("d", number, date)`,
	"cnum":               `numbers in text are converted where a number is needed`,
	"tostring":           `write CStr(value)`,
	"newguid":            `write Guid()`,
	"uuid":               `write Guid()`,
	"base64":             `write ConvertToBase64(source)`,
	"first":              `write Item(source, 1)`,
}

// suggestFunction says what to write instead of a function there is not.
func suggestFunction(name string) string {
	if hint, ok := foreign[strings.ToLower(name)]; ok {
		return hint
	}
	best, distance := "", 0
	for i := range builtins {
		f := builtins[i].Name
		if strings.EqualFold(f, name) {
			return fmt.Sprintf("did you mean %q? function names are case-sensitive", f)
		}
		if d := editDistance(strings.ToLower(name), strings.ToLower(f)); best == "" || d < distance {
			best, distance = f, d
		}
	}
	if len(name) <= 2*len(best) && distance <= max(1, min(len(name), len(best))/3) {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ""
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, last, row := rows[0], rows[1], rows[2]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

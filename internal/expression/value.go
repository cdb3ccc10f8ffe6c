package expression

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Kind is the type of a [Value].
type Kind uint8

// The kinds of values. Multi-valued attributes are lists of text.
const (
	KindNull Kind = iota
	KindText
	KindNumber
	KindBool
	KindDateTime
	KindList
)

// String returns the kind's name for people: "text", "list".
func (k Kind) String() string {
	switch k {
	case KindNull:
		return "null"
	case KindText:
		return "text"
	case KindNumber:
		return "number"
	case KindBool:
		return "Boolean"
	case KindDateTime:
		return "DateTime"
	case KindList:
		return "list"
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// A Value is what an attribute holds and an expression yields: null, text, a
// number, a Boolean, a point in time (UTC, in steps of 100 nanoseconds) or a
// list of text. Null, empty text and an empty list are three different values.
// Values are immutable; the zero Value is null.
type Value struct {
	kind Kind
	n    int64     // whole number, Boolean (0 or 1), or .NET ticks
	s    string    // text, or the digits of a number that is no 64-bit integer
	list *[]string // elements
}

// Null returns the null value: an absent attribute.
func Null() Value { return Value{} }

// Text returns a text.
func Text(s string) Value { return Value{kind: KindText, s: s} }

// Bool returns a Boolean.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBool, n: 1}
	}
	return Value{kind: KindBool}
}

// Int returns a whole number.
func Int(n int64) Value { return Value{kind: KindNumber, n: n} }

// Number returns the number that an optionally signed decimal integer or
// decimal fraction stands for, and whether s is one. The number keeps the
// fraction digits it was written with.
func Number(s string) (Value, bool) { return parseDecimal(s) }

// List returns a multi-valued value. It keeps a copy of ss.
func List(ss []string) Value { return listOf(slices.Clone(ss)) }

// listOf returns a list that owns ss.
func listOf(ss []string) Value { return Value{kind: KindList, list: &ss} }

// Time returns a point in time, cut to 100 nanoseconds and to the years 1 to
// 9999.
func Time(t time.Time) Value { return dateTime(ticksOf(t)) }

func dateTime(ticks int64) Value { return Value{kind: KindDateTime, n: ticks} }

// Kind returns the value's kind.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

// IsList reports whether v is a list.
func (v Value) IsList() bool { return v.kind == KindList }

// String returns the text form: True or False, a number without grouping, a
// time as M/d/yyyy h:mm:ss tt. Null gives "". The elements of a list are
// joined with a comma and a space, for display only.
func (v Value) String() string {
	switch v.kind {
	case KindText:
		return v.s
	case KindNumber:
		if v.s != "" {
			return v.s
		}
		return strconv.FormatInt(v.n, 10)
	case KindBool:
		if v.n != 0 {
			return "True"
		}
		return "False"
	case KindDateTime:
		var buf [32]byte
		return string(appendDateTime(buf[:0], v.n))
	case KindList:
		return strings.Join(*v.list, ", ")
	}
	return ""
}

// appendText appends the text form of a single value to dst.
func (v Value) appendText(dst []byte) []byte {
	switch v.kind {
	case KindText:
		return append(dst, v.s...)
	case KindNumber:
		if v.s == "" {
			return strconv.AppendInt(dst, v.n, 10)
		}
		return append(dst, v.s...)
	case KindDateTime:
		return appendDateTime(dst, v.n)
	}
	return append(dst, v.String()...)
}

// Strings returns the elements of a list, a single value's text form as the
// only element, and nothing for null. The caller owns the slice.
func (v Value) Strings() []string {
	switch v.kind {
	case KindNull:
		return nil
	case KindList:
		return slices.Clone(*v.list)
	}
	return []string{v.String()}
}

// elements is Strings without the copy.
func (v Value) elements() []string {
	if v.kind == KindList {
		return *v.list
	}
	return v.Strings()
}

// DateTime returns the point in time of a DateTime value.
func (v Value) DateTime() (time.Time, bool) {
	if v.kind != KindDateTime {
		return time.Time{}, false
	}
	return timeOf(v.n), true
}

// isNothing reports whether v is null, empty text or an empty list.
func (v Value) isNothing() bool {
	switch v.kind {
	case KindNull:
		return true
	case KindText:
		return v.s == ""
	case KindList:
		return len(*v.list) == 0
	}
	return false
}

// Equal reports whether v and w are of the same kind and hold the same.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind || v.n != w.n || v.s != w.s {
		return false
	}
	return v.kind != KindList || slices.Equal(*v.list, *w.list)
}

// ValueOf returns the value for a decoded JSON value: nil, string, bool,
// [json.Number], float64, []any or []string; also integers, [time.Time] and
// Value itself. Nulls inside an array are left out. What the language has no
// type for, such as an object, becomes its compact JSON text, the form in
// which appRoleAssignments hold roles.
func ValueOf(v any) Value {
	switch v := v.(type) {
	case nil:
		return Null()
	case Value:
		return v
	case string:
		return Text(v)
	case bool:
		return Bool(v)
	case int:
		return Int(int64(v))
	case int64:
		return Int(v)
	case json.Number:
		return numberOf(v.String())
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return Null()
		}
		return numberOf(strconv.FormatFloat(v, 'f', -1, 64))
	case time.Time:
		return Time(v)
	case []string:
		return List(v)
	case []any:
		ss := make([]string, 0, len(v))
		for _, e := range v {
			if w := ValueOf(e); !w.IsNull() {
				ss = append(ss, w.String())
			}
		}
		return listOf(ss)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return Text(fmt.Sprint(v))
	}
	return Text(strings.TrimSuffix(buf.String(), "\n"))
}

// numberOf reads a JSON number; what is out of every sensible range stays text.
func numberOf(s string) Value {
	if v, ok := parseDecimal(s); ok {
		return v
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if v, ok := parseDecimal(strconv.FormatFloat(f, 'f', -1, 64)); ok {
			return v
		}
	}
	return Text(s)
}

// MarshalJSON gives null, a string, a number, true or false, or an array of
// strings. A DateTime is written in its text form, so that a value means the
// same to an expression before and after it was stored.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case KindNull:
		return []byte("null"), nil
	case KindNumber:
		return []byte(v.String()), nil
	case KindBool:
		return strconv.AppendBool(nil, v.n != 0), nil
	case KindList:
		if len(*v.list) == 0 {
			return []byte("[]"), nil
		}
		return json.Marshal(*v.list)
	}
	return json.Marshal(v.String())
}

// UnmarshalJSON reads any JSON value as [ValueOf] does.
func (v *Value) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	if len(data) > 0 && data[0] == '{' {
		var buf bytes.Buffer
		if err := json.Compact(&buf, data); err != nil {
			return err
		}
		*v = Text(buf.String())
		return nil
	}
	if len(data) > 0 && data[0] == '[' {
		var raw []json.RawMessage
		if err := json.Unmarshal(data, &raw); err != nil {
			return err
		}
		ss := make([]string, 0, len(raw))
		for _, r := range raw {
			var e Value
			if err := e.UnmarshalJSON(r); err != nil {
				return err
			}
			if !e.IsNull() {
				ss = append(ss, e.String())
			}
		}
		*v = listOf(ss)
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var x any
	if err := dec.Decode(&x); err != nil {
		return err
	}
	*v = ValueOf(x)
	return nil
}

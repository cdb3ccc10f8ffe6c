package provision

import (
	"strings"
)

// An Arity says whether an operator compares with a value.
type Arity string

// The arities.
const (
	Unary  Arity = "Unary"
	Binary Arity = "Binary"
)

// A FilterOperatorSchema describes one operator of scoping filters (Graph:
// filterOperatorSchema).
type FilterOperatorSchema struct {
	ID                        string              `json:"id"`
	Name                      string              `json:"name"`
	Arity                     Arity               `json:"arity"`
	MultivaluedComparisonType string              `json:"multivaluedComparisonType"`
	SupportedAttributeTypes   []AttributeDataType `json:"supportedAttributeTypes"`
	// Meaning is for people; Graph does not show it.
	Meaning string `json:"-"`
}

// FilterOperators returns the operators of scoping filters in Graph's form.
func FilterOperators() []FilterOperatorSchema {
	out := make([]FilterOperatorSchema, len(operators))
	for i := range operators {
		out[i] = operators[i].FilterOperatorSchema
	}
	return out
}

// An operator is one of the fourteen. Exactly one of unary, number, text and
// regex is set. On an empty attribute every operator is false but for IS NULL.
type operator struct {
	FilterOperatorSchema
	unary    func(actual string) bool
	number   func(actual, operand int64) bool
	text     func(actual, operand string) bool
	regex    bool
	negative bool // the comparison's opposite
	boolean  bool // only Booleans can pass
	null     bool // the answer on an empty attribute
}

var (
	textAndInteger = []AttributeDataType{DataString, DataInteger}
	onlyInteger    = []AttributeDataType{DataInteger}
	onlyText       = []AttributeDataType{DataString}
	onlyBoolean    = []AttributeDataType{DataBoolean}
	allTypes       = []AttributeDataType{DataInteger, DataString, DataBinary, DataBoolean}
)

func describe(name string, arity Arity, types []AttributeDataType, meaning string) FilterOperatorSchema {
	return FilterOperatorSchema{ID: name, Name: name, Arity: arity, MultivaluedComparisonType: "All", SupportedAttributeTypes: types, Meaning: meaning}
}

// Text comparisons mind case throughout. Microsoft says so for all but
// ENDS_WITH, of which it says nothing.
var operators = []operator{
	{FilterOperatorSchema: describe("EQUALS", Binary, textAndInteger, "the value is the same, case included"), text: equalText},
	{FilterOperatorSchema: describe("NOT EQUALS", Binary, textAndInteger, "the value differs; false when there is none"), text: equalText, negative: true},
	{FilterOperatorSchema: describe("IS TRUE", Unary, onlyBoolean, "the value is True"), unary: isBool(true), boolean: true},
	{FilterOperatorSchema: describe("IS FALSE", Unary, onlyBoolean, "the value is False"), unary: isBool(false), boolean: true},
	{FilterOperatorSchema: describe("IS NULL", Unary, allTypes, "there is no value"), unary: always(false), null: true},
	{FilterOperatorSchema: describe("IS NOT NULL", Unary, allTypes, "there is a value"), unary: always(true)},
	{FilterOperatorSchema: describe("REGEX MATCH", Binary, textAndInteger, "the whole value matches the .NET pattern, case included"), regex: true},
	{FilterOperatorSchema: describe("NOT REGEX MATCH", Binary, textAndInteger, "the value does not match the pattern; false when there is none"), regex: true, negative: true},
	{FilterOperatorSchema: describe("Greater_Than", Binary, onlyInteger, "the value is a greater whole number"), number: func(a, b int64) bool { return a > b }},
	{FilterOperatorSchema: describe("Greater_Than_OR_EQUALS", Binary, onlyInteger, "the value is the same or a greater whole number"), number: func(a, b int64) bool { return a >= b }},
	{FilterOperatorSchema: describe("Includes", Binary, onlyText, "the value contains the text, case included"), text: strings.Contains},
	{FilterOperatorSchema: describe("ENDS_WITH", Binary, onlyText, "the value ends with the text, case included"), text: strings.HasSuffix},
	{FilterOperatorSchema: describe("&", Binary, onlyText, "the text contains the value"), text: containedIn},
	{FilterOperatorSchema: describe("!&", Binary, onlyText, "the text does not contain the value; false when there is none"), text: containedIn, negative: true},
}

func equalText(actual, operand string) bool   { return actual == operand }
func containedIn(actual, operand string) bool { return strings.Contains(operand, actual) }

func isBool(want bool) func(string) bool {
	return func(actual string) bool {
		b, ok := asBool(actual)
		return ok && b == want
	}
}

func always(answer bool) func(string) bool { return func(string) bool { return answer } }

// operatorNamed finds an operator whatever the case, and with spaces and
// underscores alike, which the portal and the API use for one another.
func operatorNamed(name string) *operator {
	key := operatorKey(name)
	for i := range operators {
		if operatorKey(operators[i].Name) == key {
			return &operators[i]
		}
	}
	return nil
}

func operatorKey(name string) string {
	return strings.ToUpper(strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '_' }), " "))
}

func operatorNames() string {
	names := make([]string, len(operators))
	for i := range operators {
		names[i] = operators[i].Name
	}
	return strings.Join(names, ", ")
}

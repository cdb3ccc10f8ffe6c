package scim

// A Filter is a parsed filter expression (RFC 7644 section 3.4.2.2): one of
// *[And], *[Or], *[Not], *[Comparison], *[Present] or *[ValuePath].
type Filter interface {
	// String returns the filter in canonical form; parsing it again gives an
	// equal filter.
	String() string
	isFilter()
}

// An And matches when every one of its operands does.
type And struct{ Operands []Filter }

// An Or matches when one of its operands does.
type Or struct{ Operands []Filter }

// A Not matches when its operand does not.
type Not struct{ Operand Filter }

// A Comparison compares the attribute at Path with Value by Op.
type Comparison struct {
	Path Path
	Op   Operator
	// Value is a string, bool, json.Number or nil.
	Value Value
}

// A Present matches when the attribute at Path has a non-empty value.
type Present struct{ Path Path }

// A ValuePath matches when one element of the multi-valued (or complex)
// attribute at Path satisfies Filter: emails[type eq "work" and value co "@"].
type ValuePath struct {
	Path   Path
	Filter Filter
}

func (*And) isFilter()        {}
func (*Or) isFilter()         {}
func (*Not) isFilter()        {}
func (*Comparison) isFilter() {}
func (*Present) isFilter()    {}
func (*ValuePath) isFilter()  {}

// An Operator compares two values.
type Operator string

// The comparison operators.
const (
	Eq Operator = "eq"
	Ne Operator = "ne"
	Co Operator = "co"
	Sw Operator = "sw"
	Ew Operator = "ew"
	Gt Operator = "gt"
	Ge Operator = "ge"
	Lt Operator = "lt"
	Le Operator = "le"
)

// A Path names an attribute, a sub-attribute or an element of a multi-valued
// attribute (RFC 7644 section 3.5.2): [URN ":"] Attr ["[" Filter "]"] ["." Sub].
// A path that names an extension as a whole has a URN and no Attr.
type Path struct {
	URN    string
	Attr   string
	Filter Filter
	Sub    string
}

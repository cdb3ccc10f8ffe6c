package expression

import (
	"strconv"
	"strings"
)

// A NodeKind is what a [Node] is.
type NodeKind string

// The kinds of nodes.
const (
	NodeCall       NodeKind = "call"       // Name is the function
	NodeAttribute  NodeKind = "attribute"  // Name is the attribute
	NodeString     NodeKind = "string"     // Name is the text
	NodeNumber     NodeKind = "number"     // Name is the number in decimal
	NodeConstant   NodeKind = "constant"   // Name is True, False, NULL, vbTextCompare, …
	NodeParameter  NodeKind = "parameter"  // Name is the job parameter, without the percent signs
	NodeComparison NodeKind = "comparison" // Name is the operator; Args are left and right
	NodeOmitted    NodeKind = "omitted"    // an argument left out
)

// A Node is one part of an expression. It belongs to its Program and must not
// be changed.
type Node struct {
	Kind NodeKind `json:"kind"`
	Name string   `json:"name,omitempty"`
	Args []*Node  `json:"args,omitempty"`
	// Pos and End delimit the part in the source text, in code points.
	Pos int `json:"position"`
	End int `json:"end"`

	text   string // number as written, when that is not decimal
	fn     *builtin
	run    evaluator
	value  Value
	folded bool // value is known without an Env
	redact bool // errors must not quote values

	regex *regex           // Replace: a constant pattern
	plan  *replacement     // Replace: all arguments but the source, if constant
	pairs map[string]*Node // Switch: values by constant key
}

// Value returns the value of a part that is constant: a literal, or a call
// whose arguments are all constant and that always gives the same.
func (n *Node) Value() (Value, bool) { return n.value, n.folded }

// Walk calls visit for n and everything below it, outer parts before inner
// ones and left before right, until visit returns false.
func (n *Node) Walk(visit func(*Node) bool) bool {
	if !visit(n) {
		return false
	}
	for _, a := range n.Args {
		if !a.Walk(visit) {
			return false
		}
	}
	return true
}

// String returns the canonical text of the part.
func (n *Node) String() string {
	var b strings.Builder
	n.print(&b, nil)
	return b.String()
}

// print writes canonical text: arguments are joined with a comma and a space,
// an omitted one is empty, and no spaces stand around a comparison operator.
// printed, if given, is told which part of the text each node is.
func (n *Node) print(b *strings.Builder, printed func(n *Node, from, to int)) {
	from := b.Len()
	switch n.Kind {
	case NodeCall:
		b.WriteString(n.Name)
		b.WriteByte('(')
		for i, a := range n.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			a.print(b, printed)
		}
		b.WriteByte(')')
	case NodeComparison:
		n.Args[0].print(b, printed)
		b.WriteString(n.Name)
		n.Args[1].print(b, printed)
	case NodeAttribute:
		b.WriteString("[" + n.Name + "]")
	case NodeString:
		writeQuoted(b, n.Name)
	case NodeParameter:
		b.WriteString("%" + n.Name + "%")
	case NodeNumber:
		if n.text != "" {
			b.WriteString(n.text)
		} else {
			b.WriteString(n.Name)
		}
	case NodeConstant:
		b.WriteString(n.Name)
	}
	if printed != nil {
		printed(n, from, b.Len())
	}
}

func writeQuoted(b *strings.Builder, s string) {
	b.WriteByte('"')
	_, _ = escapeString.WriteString(b, s)
	b.WriteByte('"')
}

// constants are the named constants and what they stand for. Those of
// enumerations stand for their own names.
var constants = map[string]Value{
	"True":            Bool(true),
	"False":           Bool(false),
	"NULL":            Null(),
	"vbTextCompare":   Text("vbTextCompare"),
	"vbBinaryCompare": Text("vbBinaryCompare"),
	"Unicode":         Text("Unicode"),
	"UTF8":            Text("UTF8"),
	"ASCII":           Text("ASCII"),
}

// hexNumber returns the node for &H followed by digits. Sixteen digits are the
// bits of a signed 64-bit number.
func hexNumber(t token) *Node {
	u, _ := strconv.ParseUint("0"+t.text, 16, 64)
	digits := strings.ToUpper(t.text)
	if digits == "" {
		digits = "0"
	}
	v := Int(int64(u))
	return &Node{Kind: NodeNumber, Name: v.String(), text: "&H" + digits, Pos: t.pos, End: t.end, value: v, folded: true}
}

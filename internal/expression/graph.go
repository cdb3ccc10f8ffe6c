package expression

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The types of a [GraphSource].
const (
	GraphAttribute = "Attribute"
	GraphConstant  = "Constant"
	GraphFunction  = "Function"
)

// A GraphSource is an expression in Microsoft Graph's form, the type
// attributeMappingSource: the source of an attribute mapping and the
// parsedExpression of parseExpression.
type GraphSource struct {
	// Expression is the text of this part.
	Expression string `json:"expression"`
	// Name is the function, the attribute or the value of the constant.
	Name string `json:"name"`
	// Parameters is empty, never nil, unless Type is Function. Omitted
	// arguments are missing.
	Parameters []GraphParameter `json:"parameters"`
	// Type is Attribute, Constant or Function.
	Type string `json:"type"`
}

// A GraphParameter is one argument of a function: Microsoft Graph's
// stringKeyAttributeMappingSourceValuePair.
type GraphParameter struct {
	Key   string      `json:"key"`
	Value GraphSource `json:"value"`
}

// graphKeys are the keys that Graph is known to use where the reference of
// functions has another name.
var graphKeys = map[string]map[string]string{
	"IIF":       {"condition": "one", "valueIfTrue": "two", "valueIfFalse": "three"},
	"Replace":   {"oldValue": "Find", "replacementValue": "Replacement"},
	"IsPresent": {"Expression": "source"},
}

// graphAliases are further keys, in lower case, of Graph's catalogue of
// functions.
var graphAliases = map[string]map[string]string{
	"Replace": {
		"regularexpression":          "regexPattern",
		"regularexpressiongroupname": "regexGroupName",
		"replacementpropertyname":    "replacementAttributeName",
	},
	"Switch": {"switchvalue": "key"},
}

// graphKey returns Graph's key of the i-th of count arguments.
func (b *builtin) graphKey(i, count int) string {
	if p, number := b.parameter(i, count); number == 0 {
		if key, ok := graphKeys[b.Name][p.Name]; ok {
			return key
		}
	}
	return b.keyOf(i, count)
}

// Graph returns the expression in Microsoft Graph's form.
func (p *Program) Graph() GraphSource {
	spans := make(map[*Node]string)
	var b strings.Builder
	p.root.print(&b, func(n *Node, from, to int) { spans[n] = p.canonical[from:to] })
	return p.root.graph(spans)
}

// graph makes the form of one part. Numbers are bare in the text around them
// but quoted on their own, as Graph shows them.
func (n *Node) graph(text map[*Node]string) GraphSource {
	g := GraphSource{Expression: text[n], Name: n.Name, Type: GraphConstant, Parameters: []GraphParameter{}}
	switch n.Kind {
	case NodeAttribute:
		g.Type = GraphAttribute
	case NodeNumber:
		g.Expression = `"` + n.Name + `"`
	case NodeParameter:
		g.Name = text[n]
	case NodeComparison:
		g.Type = GraphFunction
		g.Parameters = []GraphParameter{
			{Key: "left", Value: n.Args[0].graph(text)},
			{Key: "right", Value: n.Args[1].graph(text)},
		}
	case NodeCall:
		g.Type = GraphFunction
		for i, a := range n.Args {
			if a.Kind != NodeOmitted {
				g.Parameters = append(g.Parameters, GraphParameter{Key: n.fn.graphKey(i, len(n.Args)), Value: a.graph(text)})
			}
		}
	}
	return g
}

// maxGraphDepth is as deep as an expression of MaxLength can be: the shortest
// function that takes an argument has three letters.
const maxGraphDepth = MaxLength / len("Not()")

// FromGraph returns the canonical text of an expression in Microsoft Graph's
// form. The expression text is what counts when there is one, since that is
// what people edit and what Graph shows; otherwise the text is made of type,
// name and parameters. Parameters find their places by their keys, and by
// their order where a key is unknown.
func FromGraph(g GraphSource) (string, error) {
	text, err := fromGraph(g, "the source", maxGraphDepth)
	if err != nil {
		return "", err
	}
	p, err := Compile(text)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// fromGraph makes the text of one part; place names it in errors.
func fromGraph(g GraphSource, place string, depth int) (string, error) {
	if depth == 0 {
		return "", errors.New("the source is nested too deeply")
	}
	expression := strings.TrimSpace(g.Expression)
	switch strings.ToLower(g.Type) {
	case "attribute", "":
		if expression != "" {
			return expression, nil
		}
		if strings.TrimSpace(g.Name) == "" {
			return "", fmt.Errorf("%s has neither an expression nor a name", place)
		}
		return "[" + g.Name + "]", nil
	case "constant":
		// The text of a constant may come without its quotation marks.
		if n, err := parse(expression); err == nil && n.isConstant() {
			return expression, nil
		}
		if n, err := parse(g.Name); err == nil && n.Kind == NodeParameter {
			return g.Name, nil
		}
		value := g.Name
		if value == "" {
			value = g.Expression
		}
		return `"` + escapeString.Replace(value) + `"`, nil
	case "function":
		if expression != "" {
			return expression, nil
		}
		return functionFromGraph(g, depth)
	}
	return "", fmt.Errorf("%s has the type %q; Attribute, Constant and Function are known", place, g.Type)
}

// isConstant reports whether the node is one that Graph calls a constant.
func (n *Node) isConstant() bool {
	switch n.Kind {
	case NodeString, NodeNumber, NodeConstant, NodeParameter:
		return true
	}
	return false
}

// functionFromGraph makes the text of a call or a comparison from its tree.
func functionFromGraph(g GraphSource, depth int) (string, error) {
	texts := make([]string, len(g.Parameters))
	for i, p := range g.Parameters {
		text, err := fromGraph(p.Value, "parameter "+p.Key+" of "+g.Name, depth-1)
		if err != nil {
			return "", err
		}
		texts[i] = text
	}
	switch g.Name {
	case "=", "<>", "<", "<=", ">", ">=":
		if len(texts) != 2 {
			return "", fmt.Errorf("the comparison %s has %d parameters, it needs left and right", g.Name, len(texts))
		}
		if strings.EqualFold(g.Parameters[0].Key, "right") && strings.EqualFold(g.Parameters[1].Key, "left") {
			texts[0], texts[1] = texts[1], texts[0]
		}
		return texts[0] + g.Name + texts[1], nil
	}
	b := findBuiltin(g.Name)
	if b == nil {
		e := &Error{Kind: ErrorUnknownFunction, End: len([]rune(g.Name)), Expression: g.Name, Message: "there is no function " + g.Name}
		e.Hint = suggestFunction(g.Name)
		return "", e
	}
	var args []string
	next := 0
	for i, text := range texts {
		at, ok := b.place(g.Parameters[i].Key)
		if !ok {
			at = next
		}
		if at >= MaxLength {
			return "", fmt.Errorf("parameter %s of %s has too high a number", g.Parameters[i].Key, g.Name)
		}
		for len(args) <= at {
			args = append(args, "")
		}
		if args[at] != "" {
			return "", fmt.Errorf("parameter %s of %s occurs twice", g.Parameters[i].Key, g.Name)
		}
		args[at] = text
		next = at + 1
	}
	return g.Name + "(" + strings.Join(args, ", ") + ")", nil
}

// place returns the position of the argument with Graph's key.
func (b *builtin) place(key string) (at int, ok bool) {
	group := b.repeating()
	fixed := len(b.Parameters) - group
	base := strings.TrimRight(key, "0123456789")
	number, _ := strconv.Atoi(key[len(base):])
	for i, p := range b.Parameters {
		known := []string{p.Name}
		if k, ok := graphKeys[b.Name][p.Name]; ok {
			known = append(known, k)
		}
		if a, ok := graphAliases[b.Name][strings.ToLower(base)]; ok && a == p.Name {
			known = append(known, base)
		}
		for _, k := range known {
			switch {
			case strings.EqualFold(key, k) && !p.Repeats:
				return i, true
			case p.Repeats && number > 0 && strings.EqualFold(base, k):
				return fixed + (number-1)*group + i - fixed, true
			}
		}
	}
	return 0, false
}

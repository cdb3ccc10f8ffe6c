package expression

import "strings"

// A parser reads the grammar by recursive descent:
//
//	expression := operand
//	operand    := call | attribute | string | number | constant | parameter
//	call       := name "(" [ arg { "," arg } ] ")"
//	arg        := [ operand [ comparison operand ] ]
type parser struct {
	lexer lexer
	tok   token
	open  int // unclosed parentheses
}

func parse(src string) (*Node, *Error) {
	p := &parser{lexer: lexer{src: src}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == tokenEnd {
		return nil, parseError(p.tok.pos, p.tok.end, `write an attribute such as [mail], a text such as "x", or a function call`, "the expression is empty")
	}
	root, err := p.operand()
	if err != nil {
		return nil, err
	}
	switch p.tok.kind {
	case tokenEnd:
		return root, nil
	case tokenCompare:
		return nil, p.unexpected("a comparison may stand only inside a function's parentheses, as in CBool([a] = [b])")
	case tokenClose:
		return nil, p.unexpected("this parenthesis closes nothing; remove it, or add the missing ( before it")
	}
	return nil, p.unexpected("the expression is complete before this; combine parts with Join, Append or IIF")
}

// advance reads the next token.
func (p *parser) advance() *Error {
	tok, err := p.lexer.next()
	if err != nil {
		return err
	}
	p.tok = tok
	return nil
}

// unexpected reports the current token. The hint is for when the token itself
// does not tell what was meant.
func (p *parser) unexpected(hint string) *Error {
	t := p.tok
	switch t.kind {
	case tokenEnd:
		if p.open > 0 {
			what := "a closing parenthesis is missing"
			if p.open > 1 {
				what = "closing parentheses are missing"
			}
			return parseError(t.pos, t.end, "add "+strings.Repeat(")", min(p.open, 20)), "the expression ends too early: %s", what)
		}
		return parseError(t.pos, t.end, hint, "the expression ends too early")
	case tokenOpen:
		return parseError(t.pos, t.end, "there are no grouping parentheses; ( follows a function's name", "unexpected (")
	case tokenName:
		switch strings.ToUpper(t.text) {
		case "AND":
			hint = hintAnd
		case "OR":
			hint = hintOr
		case "NOT":
			hint = "negation is written Not(a)"
		}
		return parseError(t.pos, t.end, hint, "unexpected name %s", t.text)
	case tokenString:
		return parseError(t.pos, t.end, hint, "unexpected text")
	case tokenAttribute:
		return parseError(t.pos, t.end, hint, "unexpected attribute [%s]", t.text)
	case tokenParameter:
		return parseError(t.pos, t.end, hint, "unexpected job parameter %%%s%%", t.text)
	case tokenNumber, tokenHex:
		return parseError(t.pos, t.end, hint, "unexpected number")
	}
	return parseError(t.pos, t.end, hint, "unexpected %s", t.text)
}

// operand reads one operand and the token after it.
func (p *parser) operand() (*Node, *Error) {
	t := p.tok
	n := &Node{Name: t.text, Pos: t.pos, End: t.end}
	switch t.kind {
	case tokenAttribute:
		n.Kind, n.run = NodeAttribute, evalAttribute
	case tokenParameter:
		n.Kind, n.run = NodeParameter, evalParameter
	case tokenString:
		n.Kind, n.value, n.folded = NodeString, Text(t.text), true
	case tokenNumber:
		n.Kind, n.folded = NodeNumber, true
		n.value, _ = parseDecimal(t.text)
		n.Name = n.value.String()
	case tokenHex:
		n = hexNumber(t)
	case tokenName:
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.tok.kind == tokenOpen {
			n.Kind = NodeCall
			return n, p.arguments(n)
		}
		v, ok := constants[t.text]
		if !ok {
			return nil, parseError(t.pos, t.end, nameHint(t.text), "%s is no constant and no function call", t.text)
		}
		n.Kind, n.value, n.folded = NodeConstant, v, true
		return n, nil
	case tokenCompare:
		hint := "an operand is missing before the operator"
		if t.text == "=" {
			hint = "equality is a single ="
		}
		return nil, p.unexpected(hint)
	default:
		return nil, p.unexpected("an attribute, a text, a number or a function call is missing here")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	return n, nil
}

// nameHint says what was meant by a name that stands alone.
func nameHint(name string) string {
	for c := range constants {
		if strings.EqualFold(c, name) {
			return "did you mean " + c + "? constants are case-sensitive"
		}
	}
	if f := findBuiltin(name); f != nil {
		return "a function needs parentheses: " + f.Signature()
	}
	return "an attribute stands in brackets: [" + name + `]; a text in double quotes: "` + name + `"`
}

// arguments reads from the opening parenthesis of n to its closing one.
func (p *parser) arguments(n *Node) *Error {
	p.open++
	if err := p.advance(); err != nil {
		return err
	}
	for first := true; ; first = false {
		if first && p.tok.kind == tokenClose {
			break
		}
		arg, err := p.argument()
		if err != nil {
			return err
		}
		n.Args = append(n.Args, arg)
		if p.tok.kind == tokenClose {
			break
		}
		if p.tok.kind != tokenComma {
			hint := "a comma or ) is missing before this"
			if p.tok.kind == tokenCompare {
				hint = "comparisons do not chain; nest IIF"
			}
			return p.unexpected(hint)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	n.End = p.tok.end
	p.open--
	return p.advance()
}

// argument reads one argument, which may be omitted or a comparison.
func (p *parser) argument() (*Node, *Error) {
	if p.tok.kind == tokenComma || p.tok.kind == tokenClose {
		return &Node{Kind: NodeOmitted, Pos: p.tok.pos, End: p.tok.pos, folded: true}, nil
	}
	left, err := p.operand()
	if err != nil || p.tok.kind != tokenCompare {
		return left, err
	}
	n := &Node{Kind: NodeComparison, Name: p.tok.text, Pos: left.Pos, run: evalComparison}
	if err := p.advance(); err != nil {
		return nil, err
	}
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	n.Args, n.End = []*Node{left, right}, right.End
	return n, nil
}

package expression

func evalIIF(n *Node, s scope) (Value, error) {
	condition, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	if truth(condition) {
		return n.arg(s, 1)
	}
	return n.arg(s, 2)
}

// evalSwitch computes the source, then keys until one matches, then that key's
// value. An absent source is matched by the empty key and by an absent one.
func evalSwitch(n *Node, s scope) (Value, error) {
	text, ok, err := n.textArg(s, 0)
	if err != nil {
		return Value{}, err
	}
	if n.pairs != nil && s.trace == nil {
		if value, found := n.pairs[text]; found {
			return value.eval(s)
		}
		return n.arg(s, 1)
	}
	for i := 2; i < len(n.Args); i += 2 {
		key, present, err := n.textArg(s, i)
		if err != nil {
			return Value{}, err
		}
		if key == text && (present == ok || !ok) {
			return n.arg(s, i+1)
		}
	}
	return n.arg(s, 1)
}

// prepareSwitch indexes the values by key if all keys are constant texts.
func prepareSwitch(n *Node) {
	pairs := make(map[string]*Node, len(n.Args)/2-1)
	for i := 2; i < len(n.Args); i += 2 {
		key, ok := n.constantArg(i)
		if !ok || key.IsNull() || key.IsList() {
			return
		}
		if text := key.String(); pairs[text] == nil {
			pairs[text] = n.Args[i+1]
		}
	}
	n.pairs = pairs
}

func evalCoalesce(n *Node, s scope) (Value, error) {
	for _, a := range n.Args {
		v, err := a.eval(s)
		if err != nil {
			return Value{}, err
		}
		if v.kind == KindList && len(*v.list) == 0 {
			continue // a list without values is no text
		}
		if !v.IsNull() {
			return v, nil
		}
	}
	return Value{}, nil
}

func evalIsNull(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	return Bool(v.IsNull()), err
}

func evalIsNullOrEmpty(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	return Bool(v.isNothing()), err
}

func evalIsPresent(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	return Bool(!v.isNothing()), err
}

func evalIsString(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	w, ok := single(v)
	return Bool(ok && !w.IsNull()), err
}

// evalNot gives False for True only, whatever else could be taken for true.
func evalNot(n *Node, s scope) (Value, error) {
	text, _, err := n.textArg(s, 0)
	return Bool(!equalFoldASCII(text, "true")), err
}

func evalCBool(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	return Bool(truth(v)), err
}

// evalIgnoreFlow gives null for what is to be ignored; outermost, that makes
// the result ignored, and inside another function it is a plain null.
func evalIgnoreFlow(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if v.isNothing() {
		return Value{}, err
	}
	return v, err
}

func evalRedact(n *Node, s scope) (Value, error) { return n.arg(s, 0) }

func evalError(n *Node, s scope) (Value, error) {
	message, _, err := n.textArg(s, 0)
	if err != nil {
		return Value{}, err
	}
	if n.redact {
		message = "the Error function ran"
	}
	return Value{}, n.fail(ErrorRaised, "%s", message)
}

func evalBitAnd(n *Node, s scope) (Value, error) {
	var bits [2]int64
	null := false
	for i := range bits {
		v, err := n.one(s, i)
		if err != nil {
			return Value{}, err
		}
		if i == 0 && v.IsNull() {
			null = true
			continue
		}
		k, ok := v.asInteger()
		if !ok {
			return Value{}, n.mismatch(i, v, "a whole number")
		}
		bits[i] = k
	}
	if null {
		return Value{}, nil
	}
	return Int(bits[0] & bits[1]), nil
}

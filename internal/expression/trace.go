package expression

import (
	"context"
	"errors"
	"strings"
)

// A TraceNode is one part of an expression with what it gave in an evaluation.
// Values are shown as they are; when the Result is redacted, the caller has to
// hide them.
type TraceNode struct {
	Node *Node  `json:"-"`
	Text string `json:"expression"`
	Pos  int    `json:"position"`
	End  int    `json:"end"`
	// Evaluated is false for a part that was not needed: a branch not taken,
	// an omitted argument, or whatever stands after an error.
	Evaluated bool   `json:"evaluated"`
	Value     Value  `json:"value"`
	Err       *Error `json:"error,omitempty"`

	Args []*TraceNode `json:"args,omitempty"`
}

// A tracer writes down what each node gives.
type tracer struct {
	nodes map[*Node]*TraceNode
}

func (t *tracer) eval(n *Node, s scope) (Value, error) {
	var v Value
	var err error
	if n.run == nil {
		v = n.value
	} else {
		v, err = n.run(n, s)
	}
	tn := t.nodes[n]
	tn.Evaluated, tn.Value = n.Kind != NodeOmitted, v
	tn.Err, _ = errors.AsType[*Error](err)
	return v, err
}

// Trace evaluates like [Program.Eval] and also gives the value of every part.
// The TraceNode is complete even when the evaluation fails.
func (p *Program) Trace(ctx context.Context, env *Env) (Result, *TraceNode, error) {
	t := &tracer{nodes: make(map[*Node]*TraceNode)}
	spans := make(map[*Node][2]int)
	var b strings.Builder
	p.root.print(&b, func(n *Node, from, to int) { spans[n] = [2]int{from, to} })
	root := t.add(p.root, p.canonical, spans)
	result, err := p.eval(ctx, env, t)
	return result, root, err
}

// add makes the tree of trace nodes. Their texts are parts of one text.
func (t *tracer) add(n *Node, canonical string, spans map[*Node][2]int) *TraceNode {
	span := spans[n]
	tn := &TraceNode{Node: n, Text: canonical[span[0]:span[1]], Pos: n.Pos, End: n.End}
	for _, a := range n.Args {
		tn.Args = append(tn.Args, t.add(a, canonical, spans))
	}
	t.nodes[n] = tn
	return tn
}

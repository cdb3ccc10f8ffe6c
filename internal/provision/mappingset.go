package provision

import (
	"fmt"

	"lockstep/internal/expression"
)

// SetExpression maps an expression to a target attribute, replacing the mapping
// there is or adding one at the end. The expression is compiled first; a wrong
// one changes nothing.
func (m *ObjectMapping) SetExpression(target, text string) error {
	p, err := expression.Compile(text)
	if err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	a := m.Attribute(target)
	if a == nil {
		a = &AttributeMapping{TargetAttributeName: target, FlowType: FlowTypeAlways, FlowBehavior: FlowWhenChanged}
		m.AttributeMappings = append(m.AttributeMappings, a)
	}
	a.Source = sourceFromGraph(p.Graph())
	return nil
}

func sourceFromGraph(g expression.GraphSource) *AttributeMappingSource {
	s := &AttributeMappingSource{Type: g.Type, Name: g.Name, Expression: g.Expression}
	for _, p := range g.Parameters {
		s.Parameters = append(s.Parameters, &AttributeMappingParameter{Key: p.Key, Value: sourceFromGraph(p.Value)})
	}
	return s
}

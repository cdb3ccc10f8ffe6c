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
	a.Source = SourceOf(p)
	return nil
}

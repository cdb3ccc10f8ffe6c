package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lockstep/internal/expression"
	"lockstep/internal/scim"
)

// A Mapping is an [ObjectMapping] compiled for one target resource type. It is
// immutable and safe for concurrent use.
type Mapping struct {
	Name       string
	SourceType ObjectType
	TargetType *scim.ResourceType
	Enabled    bool
	// Flow says which actions may be taken.
	Flow FlowTypes
	// Flows are the attribute mappings in the order of the schema, without Members.
	Flows []*AttributeFlow
	// Matching are those of Flows by which objects are matched, lowest priority first.
	Matching []*AttributeFlow
	// Members is the mapping to a group's members, nil when memberships are not
	// provisioned. Evaluate, Resource and Diff leave it out.
	Members *AttributeFlow
	// Scope is nil when no filter is defined; it may be evaluated all the same.
	Scope *ScopeFilter

	references []string
}

// A FlowKind says what kind of source an attribute mapping has.
type FlowKind uint8

// The kinds.
const (
	// KindNone leaves the target alone and gives it the default while it is empty.
	KindNone FlowKind = iota
	KindDirect
	KindConstant
	KindExpression
)

// String returns the portal's name of the kind.
func (k FlowKind) String() string {
	return [...]string{"None", "Direct", "Constant", "Expression"}[k]
}

// An AttributeFlow is an [AttributeMapping] compiled.
type AttributeFlow struct {
	// Target is the target path as the mapping spells it, Path the same parsed.
	Target string
	Path   scim.Path
	// Index is the flow's place in [Mapping.Flows] and in what Evaluate returns.
	Index int
	Kind  FlowKind
	// Source is the source attribute of a direct mapping, Constant the text of a
	// constant one, Program the expression of a computed one.
	Source   string
	Constant string
	Program  *expression.Program
	// Default stands in for null while the object is created ("" for none); with
	// KindNone also later, while the target is empty.
	Default string
	// Priority is the matching precedence, 0 when objects are not matched by it.
	Priority int
	// OnlyOnCreate: the value flows only while the object is created.
	OnlyOnCreate bool
	// AddOnly: values of a multi-valued attribute are added, never removed.
	AddOnly bool
	// OnlyWhenEmpty: the value flows only while the target has none.
	OnlyWhenEmpty bool
	// Always: the value is sent with every update, changed or not (FlowAlways).
	Always bool
	// Clear: an empty source clears the target.
	Clear bool
	// Reference: values are IDs of source objects of type ReferenceType.
	Reference     bool
	ReferenceType ObjectType
	// Type and CaseExact are those of the target attribute; text when the target's
	// schema does not list it.
	Type      scim.AttributeType
	CaseExact bool

	// unique: the expression is a SelectUniqueValue.
	unique       bool
	path         *targetPath
	defaultValue scim.Value
	constant     scim.Value
}

// A MappingError is one problem of an object mapping that keeps it from being
// compiled.
type MappingError struct {
	// Target is the target attribute, "" when the mapping as a whole is to blame.
	Target string
	Err    error
}

// Error names the target attribute and the problem. Of an expression it shows
// the place, with a caret on a line of its own.
func (e *MappingError) Error() string {
	text := e.Err.Error()
	if e.Target != "" {
		text = e.Target + ": " + text
	}
	if x, ok := errors.AsType[*expression.Error](e.Err); ok {
		for line := range strings.Lines(x.Caret()) {
			text += "\n    " + strings.TrimRight(line, "\n")
		}
	}
	return text
}

// Unwrap returns the problem.
func (e *MappingError) Unwrap() error { return e.Err }

// CompileMapping prepares def for resources of type target. All problems are
// reported at once, each as a [*MappingError].
func CompileMapping(def *ObjectMapping, target *scim.ResourceType) (*Mapping, error) {
	m := &Mapping{
		Name: def.Name, SourceType: sourceType(def.SourceObjectName), TargetType: target,
		Enabled: def.Enabled, Flow: def.FlowTypes,
	}
	var problems []error
	problem := func(target string, err error) { problems = append(problems, &MappingError{target, err}) }
	seen := map[string]string{}
	for _, a := range def.AttributeMappings {
		f, err := compileFlow(a, target)
		if err != nil {
			problem(a.TargetAttributeName, err)
			continue
		}
		canonical := f.path.canonical()
		key := strings.ToLower(canonical.String())
		if other, ok := seen[key]; ok {
			problem(f.Target, fmt.Errorf("the attribute is mapped twice (also as %s); one of the two mappings has to go", other))
			continue
		}
		seen[key] = f.Target
		if isMembers(f, target) {
			if f.Kind != KindDirect {
				problem(f.Target, errors.New("a group's members can only be mapped directly, from [members]"))
			}
			m.Members = f
			continue
		}
		if f.path.list && f.Reference {
			problem(f.Target, errors.New("of the attributes with several references only a group's members can be provisioned"))
			continue
		}
		f.Index = len(m.Flows)
		m.Flows = append(m.Flows, f)
		if f.Priority > 0 {
			m.Matching = append(m.Matching, f)
		}
	}
	slices.SortStableFunc(m.Matching, func(a, b *AttributeFlow) int { return a.Priority - b.Priority })
	var err error
	if m.Scope, err = CompileScope(def.Scope); err != nil {
		problem("", err)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	m.references = m.collectReferences()
	return m, nil
}

func sourceType(name string) ObjectType {
	for _, t := range []ObjectType{User, Group} {
		if strings.EqualFold(name, string(t)) {
			return t
		}
	}
	return ObjectType(name)
}

func isMembers(f *AttributeFlow, t *scim.ResourceType) bool {
	return f.path.extension == "" && f.path.list && strings.EqualFold(f.path.attr, "members") && t.Name == "Group"
}

func compileFlow(a *AttributeMapping, target *scim.ResourceType) (*AttributeFlow, error) {
	if strings.TrimSpace(a.TargetAttributeName) == "" {
		return nil, errors.New("a mapping has no target attribute")
	}
	p, err := scim.ParsePath(a.TargetAttributeName)
	if err != nil {
		return nil, fmt.Errorf("the target path cannot be read: %w", err)
	}
	f := &AttributeFlow{
		Target: a.TargetAttributeName, Path: p, Default: a.DefaultValue,
		Priority: max(a.MatchingPriority, 0), Clear: a.FlowNullValues,
	}
	if f.path, err = compileTargetPath(target, p); err != nil {
		return nil, err
	}
	f.Type = f.path.dataType()
	f.CaseExact = f.path.leaf != nil && f.path.leaf.CaseExact
	if err := f.compileBehaviour(a); err != nil {
		return nil, err
	}
	if err := f.compileSource(a.Source); err != nil {
		return nil, err
	}
	if f.Priority > 0 && f.Kind == KindNone {
		return nil, errors.New("objects cannot be matched by an attribute without source; set its matching precedence to 0 or give it one")
	}
	f.setReference()
	if f.Default != "" {
		if f.Reference {
			return nil, errors.New("a reference cannot have a default value")
		}
		if f.defaultValue, err = f.convertText([]string{f.Default}); err != nil {
			return nil, fmt.Errorf("the default value: %w", err)
		}
	}
	return f, nil
}

func (f *AttributeFlow) compileBehaviour(a *AttributeMapping) error {
	switch a.FlowType {
	case "", FlowTypeAlways:
	case FlowTypeObjectAddOnly:
		f.OnlyOnCreate = true
	case FlowTypeMultiValueAddOnly:
		f.AddOnly = true
	case FlowTypeValueAddOnly, FlowTypeAttributeAddOnly:
		f.OnlyWhenEmpty = true
	default:
		return fmt.Errorf("the flow type %q is unknown; it is Always or ObjectAddOnly", a.FlowType)
	}
	switch a.FlowBehavior {
	case "", FlowWhenChanged:
	case FlowAlways:
		f.Always = true
	default:
		return fmt.Errorf("the flow behaviour %q is unknown; it is FlowWhenChanged or FlowAlways", a.FlowBehavior)
	}
	return nil
}

func (f *AttributeFlow) compileSource(s *AttributeMappingSource) (err error) {
	if s == nil {
		return nil
	}
	switch {
	case (s.Type == SourceAttribute || s.Type == "") && s.Name != "":
		f.Kind, f.Source = KindDirect, s.Name
		return nil
	case s.Type == SourceConstant && !s.isSymbol():
		f.Kind, f.Constant = KindConstant, s.constantText()
		f.constant, err = f.convertText([]string{f.Constant})
		return err
	case s.Type == SourceFunction, s.Type == SourceConstant, s.Type == SourceAttribute, s.Type == "":
	default:
		return fmt.Errorf("the source type %q is unknown; it is Attribute, Constant or Function", s.Type)
	}
	text, err := s.Text()
	if err != nil {
		return err
	}
	f.Kind = KindExpression
	if f.Program, err = expression.Compile(text); err != nil {
		return err
	}
	f.unique = strings.HasPrefix(f.Program.String(), "SelectUniqueValue(")
	// Of all role functions only this one never takes a role away.
	if strings.HasPrefix(f.Program.String(), "AppRoleAssignmentsComplex(") {
		f.AddOnly = true
	}
	return nil
}

func (f *AttributeFlow) setReference() {
	if f.Kind != KindDirect && f.Kind != KindExpression {
		return
	}
	switch {
	case f.path.top != nil && f.path.complex && isReference(f.path.top):
		f.ReferenceType = referenceType(f.path.top.Sub("$ref"))
	case f.path.leaf != nil && f.path.leaf.Type == scim.TypeReference && f.path.sub == "":
		f.ReferenceType = referenceType(f.path.leaf)
	}
	f.Reference = f.ReferenceType != ""
}

// referenceType returns the kind of resource a refers to, "" for web addresses.
func referenceType(a *scim.Attribute) ObjectType {
	for _, t := range a.ReferenceTypes {
		switch t {
		case "User", "Group":
			return ObjectType(t)
		}
	}
	if len(a.ReferenceTypes) == 0 {
		return User
	}
	return ""
}

// References returns the source attributes that mapping and filter read, each
// once, in order. IsSoftDeleted, which the engine computes, is not among them.
func (m *Mapping) References() []string { return slices.Clone(m.references) }

func (m *Mapping) collectReferences() []string {
	var names []string
	add := func(name string) {
		if name != "" && !strings.EqualFold(name, "IsSoftDeleted") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, f := range m.Flows {
		for _, name := range f.references() {
			add(name)
		}
	}
	if m.Members != nil {
		add(m.Members.Source)
	}
	for _, name := range m.Scope.references() {
		add(name)
	}
	return names
}

func (f *AttributeFlow) references() []string {
	switch f.Kind {
	case KindDirect:
		return []string{f.Source}
	case KindExpression:
		return f.Program.References()
	}
	return nil
}

// An Evaluated is what one attribute mapping yields for one source object.
type Evaluated struct {
	Flow *AttributeFlow
	// Value is of the target attribute's type; nil is null. Of a reference it is
	// the source ID.
	Value scim.Value
	// Ignored: the attribute is to be left out altogether.
	Ignored bool
	// Redacted: logs show [Redact] in place of the value.
	Redacted bool
	// Defaulted: the value is null, and the mapping's default takes its place when
	// the object is created.
	Defaulted bool
	// References are the source IDs of the objects referred to.
	References []string
	// Err is set when the mapping failed; the object must then not be exported.
	Err error
}

// Evaluate computes all attribute mappings for one source object, in the order
// of Flows.
func (m *Mapping) Evaluate(ctx context.Context, env *expression.Env) []Evaluated {
	return m.evaluate(ctx, env, nil, false)
}

// EvaluateUpdate is Evaluate for an object that is known to exist in the
// target: mappings that apply only during creation are not computed and come
// back as ignored, so that a SelectUniqueValue asks the target nothing.
func (m *Mapping) EvaluateUpdate(ctx context.Context, env *expression.Env) []Evaluated {
	return m.evaluate(ctx, env, nil, true)
}

// Taken reports whether the target has an object whose attribute at the flow's
// path has that value, for SelectUniqueValue.
type Taken func(ctx context.Context, f *AttributeFlow, value string) (bool, error)

func (m *Mapping) evaluate(ctx context.Context, env *expression.Env, taken Taken, update bool) []Evaluated {
	values := make([]Evaluated, len(m.Flows))
	for i, f := range m.Flows {
		v := &values[i]
		v.Flow = f
		if update && f.OnlyOnCreate && f.Priority == 0 {
			v.Ignored = true
			continue
		}
		flowEnv := env
		if taken != nil && f.unique {
			own := *env
			own.Taken = func(ctx context.Context, value string) (bool, error) { return taken(ctx, f, value) }
			flowEnv = &own
		}
		f.evaluate(ctx, flowEnv, v)
		if v.Err == nil && v.Value == nil && !v.Ignored {
			v.Defaulted = f.defaultValue != nil
		}
	}
	return values
}

func (f *AttributeFlow) evaluate(ctx context.Context, env *expression.Env, v *Evaluated) {
	switch f.Kind {
	case KindConstant:
		v.Value = f.constant
		return
	case KindDirect:
		if env.Source == nil {
			return
		}
		value := env.Source.Attribute(f.Source)
		// An empty attribute is an absent one; only an expression can mean "".
		if value.IsNull() || !value.IsList() && value.String() == "" {
			return
		}
		v.Value, v.Err = f.convert(value)
	case KindExpression:
		result, err := f.Program.Eval(ctx, env)
		if err != nil {
			v.Err = NewEvaluationError(f.Program, env.Source, err)
			return
		}
		v.Ignored, v.Redacted = result.Ignore, result.Redacted
		if !v.Ignored && !result.Value.IsNull() {
			v.Value, v.Err = f.convert(result.Value)
		}
	default:
		return
	}
	if f.Reference && v.Value != nil {
		id, _ := v.Value.(string)
		if id == "" {
			v.Value = nil
			return
		}
		v.References = []string{id}
	}
}

func (f *AttributeFlow) convert(v expression.Value) (scim.Value, error) {
	if v.IsList() || f.path.list {
		return f.convertText(v.Strings())
	}
	if f.Type == scim.TypeDateTime {
		// SCIM wants an xsd:dateTime (RFC 7643 section 2.3.5), not the language's text.
		if t, ok := v.DateTime(); ok {
			return t.Format(scim.TimeFormat), nil
		}
	}
	return typed(f.Type, v.String())
}

// convertText turns the text of one or more values into what the target
// attribute holds.
func (f *AttributeFlow) convertText(values []string) (scim.Value, error) {
	if !f.path.list {
		switch len(values) {
		case 0:
			return nil, nil
		case 1:
			return typed(f.Type, values[0])
		}
		return nil, fmt.Errorf("the source has %d values and the target attribute takes one; pick one with Item(…, 1) or join them with Join(\", \", …)", len(values))
	}
	list := make([]scim.Value, 0, len(values))
	for _, s := range values {
		if f.path.complex {
			list = append(list, listElement(f.path, s))
			continue
		}
		v, err := typed(f.Type, s)
		if err != nil {
			return nil, err
		}
		if v != nil {
			list = append(list, v)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list, nil
}

// roleType is what Entra puts into "type" of an app role.
const roleType = "WindowsAzureActiveDirectoryRole"

// listElement makes an element of a complex list from its text: a plain value,
// or an app role as a JSON object with value and displayName.
func listElement(p *targetPath, s string) scim.Value {
	value, display := s, ""
	if strings.HasPrefix(s, "{") {
		if o, err := scim.ParseObject([]byte(s)); err == nil && o.Text("value") != "" {
			value, display = o.Text("value"), o.Text("displayName")
			if display == "" {
				display = o.Text("display")
			}
		}
	}
	if !strings.EqualFold(p.attr, "roles") {
		e := scim.NewObject("value", value)
		if display != "" {
			e.Set("display", display)
		}
		return e
	}
	if display == "" {
		display = value
	}
	return scim.NewObject("primary", false, "type", roleType, "display", display, "value", value)
}

// isSymbol reports whether a constant stands for something else than its own
// text: a job parameter such as %Domain%, or NULL.
func (s *AttributeMappingSource) isSymbol() bool {
	p, err := expression.Compile(s.Expression)
	return err == nil && (p.Node().Kind == expression.NodeParameter || p.Node().Kind == expression.NodeConstant)
}

func (s *AttributeMappingSource) constantText() string {
	if s.Name != "" {
		return s.Name
	}
	if p, err := expression.Compile(s.Expression); err == nil {
		if v, ok := p.Constant(); ok {
			return v.String()
		}
	}
	return s.Expression
}

// Text returns the source as an expression.
func (s *AttributeMappingSource) Text() (string, error) {
	if s == nil {
		return "", nil
	}
	if strings.TrimSpace(s.Expression) != "" {
		return s.Expression, nil
	}
	return expression.FromGraph(s.graph())
}

package provision

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Schema is Microsoft Graph's synchronizationSchema: what the two directories
// hold and by which rules objects flow from one to the other. Reading and
// writing loses nothing: members that this package does not know, their order,
// and the difference between an absent member and a null one are kept.
//
// The types below carry Graph's names. They are plain values to be read and
// changed; [CompileMapping] turns an [ObjectMapping] into what the engine runs.
type Schema struct {
	// ID is the job's ID in Graph. Version changes with every edit.
	ID, Version string
	Directories []*DirectoryDefinition
	Rules       []*SynchronizationRule
	layout      layout
}

// A DirectoryDefinition describes the objects of one directory.
type DirectoryDefinition struct {
	ID, Name          string
	Discoverabilities string
	DiscoveryDateTime string
	ReadOnly          bool
	Version           string
	Objects           []*ObjectDefinition
	layout            layout
}

// An ObjectDefinition describes one kind of object and its attributes.
type ObjectDefinition struct {
	Name          string
	SupportedAPIs []string
	Metadata      []*Metadata
	Attributes    []*AttributeDefinition
	layout        layout
}

// AttributeDataType is the type of an attribute in an [AttributeDefinition].
type AttributeDataType string

// The attribute types (Graph: attributeType).
const (
	DataString    AttributeDataType = "String"
	DataInteger   AttributeDataType = "Integer"
	DataReference AttributeDataType = "Reference"
	DataBinary    AttributeDataType = "Binary"
	DataBoolean   AttributeDataType = "Boolean"
	DataDateTime  AttributeDataType = "DateTime"
)

// An AttributeDefinition describes one attribute. Anchor marks the attribute
// that identifies an object; exactly one attribute of an object is the anchor.
type AttributeDefinition struct {
	Name              string
	Type              AttributeDataType
	Anchor            bool
	Required          bool
	Multivalued       bool
	CaseExact         bool
	Mutability        string // ReadWrite, ReadOnly, Immutable or WriteOnly
	FlowNullValues    bool
	DefaultValue      string
	Metadata          []*Metadata
	ReferencedObjects []*ReferencedObject
	layout            layout
}

// A ReferencedObject names the kind of object a reference points to.
type ReferencedObject struct {
	ReferencedObjectName, ReferencedProperty string
	layout                                   layout
}

// A Metadata is one entry of a metadata list.
type Metadata struct {
	Key, Value string
	layout     layout
}

// A SynchronizationRule says how the objects of one directory flow to another.
// Rules with a lower Priority come first.
type SynchronizationRule struct {
	ID, Name            string
	Priority            int
	Editable            bool
	SourceDirectoryName string
	TargetDirectoryName string
	Metadata            []*Metadata
	ObjectMappings      []*ObjectMapping
	layout              layout
}

// FlowTypes are the actions an object mapping may take (the portal's "Target
// object actions").
type FlowTypes uint8

// The actions. Disabling an account is an update.
const (
	FlowAdd FlowTypes = 1 << iota
	FlowUpdate
	FlowDelete
)

// String returns Graph's text: "Add, Update, Delete".
func (f FlowTypes) String() string {
	var words []string
	for i, w := range [...]string{"Add", "Update", "Delete"} {
		if f&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	if words == nil {
		return "None"
	}
	return strings.Join(words, ", ")
}

// An ObjectMapping says how one kind of source object becomes one kind of
// target object.
type ObjectMapping struct {
	Name              string
	Enabled           bool
	FlowTypes         FlowTypes
	SourceObjectName  string
	TargetObjectName  string
	Metadata          []*Metadata
	Scope             *Filter // nil: no filter
	AttributeMappings []*AttributeMapping
	layout            layout
}

// The flow types of an [AttributeMapping].
const (
	// FlowTypeAlways: the value flows on creation and on every change.
	FlowTypeAlways = "Always"
	// FlowTypeObjectAddOnly: the value flows only while the object is created.
	FlowTypeObjectAddOnly = "ObjectAddOnly"
	// FlowTypeMultiValueAddOnly: values are added to a multi-valued attribute, never removed.
	FlowTypeMultiValueAddOnly = "MultiValueAddOnly"
	// FlowTypeValueAddOnly and FlowTypeAttributeAddOnly are undocumented in
	// Graph; here the value flows only while the target has none.
	FlowTypeValueAddOnly     = "ValueAddOnly"
	FlowTypeAttributeAddOnly = "AttributeAddOnly"
)

// The flow behaviours of an [AttributeMapping].
const (
	FlowWhenChanged = "FlowWhenChanged"
	FlowAlways      = "FlowAlways"
)

// An AttributeMapping gives one target attribute its value.
type AttributeMapping struct {
	// TargetAttributeName is a target path such as emails[type eq "work"].value.
	TargetAttributeName string
	// MatchingPriority is 0 for an attribute that objects are not matched by;
	// otherwise the lowest is tried first.
	MatchingPriority int
	FlowType         string // "" means Always
	FlowBehavior     string // "" means FlowWhenChanged
	// DefaultValue stands in for a null value while the object is created.
	DefaultValue            string
	ExportMissingReferences bool
	// FlowNullValues clears the target when the source is empty. In Entra's
	// preview for inbound HR flows the source attribute's definition must allow it
	// too; here this switch alone decides.
	FlowNullValues bool
	// Source is nil for a mapping of kind None: the target keeps its value and is
	// given the default while it has none.
	Source *AttributeMappingSource
	layout layout
}

// The types of an [AttributeMappingSource].
const (
	SourceAttribute = "Attribute"
	SourceConstant  = "Constant"
	SourceFunction  = "Function"
)

// An AttributeMappingSource is where a value comes from, as a tree and, in
// Expression, as text.
type AttributeMappingSource struct {
	Type string
	// Name is the attribute, the constant's text or the function.
	Name       string
	Expression string
	Parameters []*AttributeMappingParameter
	layout     layout
}

// An AttributeMappingParameter is one argument of a function.
type AttributeMappingParameter struct {
	Key    string
	Value  *AttributeMappingSource
	layout layout
}

// A Filter is a scoping filter: an object passes when one of the groups does.
// An object that used to pass and no longer does is deprovisioned; one that
// does not pass InputFilterGroups or CategoryFilterGroups is left alone
// altogether (both are marked experimental in Graph).
type Filter struct {
	Groups               []*FilterGroup
	InputFilterGroups    []*FilterGroup
	CategoryFilterGroups []*FilterGroup
	layout               layout
}

// A FilterGroup passes when all of its clauses do.
type FilterGroup struct {
	Name    string
	Clauses []*FilterClause
	layout  layout
}

// A FilterClause compares one source attribute.
type FilterClause struct {
	SourceOperandName string
	OperatorName      string
	TargetOperand     *FilterOperand
	layout            layout
}

// A FilterOperand holds what a clause compares with.
type FilterOperand struct {
	Values []string
	layout layout
}

// ReadSchema reads a synchronizationSchema as Graph or the portal's schema
// editor gives it. Errors are of type [*SchemaError] and say where.
func ReadSchema(r io.Reader) (*Schema, error) {
	data, err := readLimited(r)
	if err != nil {
		return nil, err
	}
	s := &Schema{}
	if err := unmarshalNode(data, s); err != nil {
		return nil, err
	}
	if err := s.checkSize(); err != nil {
		return nil, err
	}
	return s, nil
}

// checkSize refuses schemas that checking and compiling would choke on.
func (s *Schema) checkSize() error {
	n := len(s.Rules)
	for _, r := range s.Rules {
		n += len(r.ObjectMappings)
		for _, m := range r.ObjectMappings {
			n += len(m.AttributeMappings)
		}
	}
	if n > maxMappings {
		return &SchemaError{Path: "synchronizationRules", Message: fmt.Sprintf("there are %d rules and mappings, and at most %d are allowed", n, maxMappings)}
	}
	return nil
}

// MarshalJSON writes the schema as it was read, but for what was changed.
func (s *Schema) MarshalJSON() ([]byte, error) { return appendNode(nil, s), nil }

// UnmarshalJSON reads the schema as [ReadSchema] does.
func (s *Schema) UnmarshalJSON(data []byte) error {
	r, err := ReadSchema(bytes.NewReader(data))
	if err != nil {
		return err
	}
	*s = *r
	return nil
}

// MarshalJSON writes the definition in Graph's form.
func (d *DirectoryDefinition) MarshalJSON() ([]byte, error) { return appendNode(nil, d), nil }

// UnmarshalJSON reads Graph's form.
func (d *DirectoryDefinition) UnmarshalJSON(data []byte) error { return unmarshalInto(data, d) }

// MarshalJSON writes the definition in Graph's form.
func (a *AttributeDefinition) MarshalJSON() ([]byte, error) { return appendNode(nil, a), nil }

// UnmarshalJSON reads Graph's form.
func (a *AttributeDefinition) UnmarshalJSON(data []byte) error { return unmarshalInto(data, a) }

// MarshalJSON writes the mapping in Graph's form.
func (m *ObjectMapping) MarshalJSON() ([]byte, error) { return appendNode(nil, m), nil }

// UnmarshalJSON reads Graph's form.
func (m *ObjectMapping) UnmarshalJSON(data []byte) error { return unmarshalInto(data, m) }

// MarshalJSON writes the mapping in Graph's form.
func (m *AttributeMapping) MarshalJSON() ([]byte, error) { return appendNode(nil, m), nil }

// UnmarshalJSON reads Graph's form.
func (m *AttributeMapping) UnmarshalJSON(data []byte) error { return unmarshalInto(data, m) }

// MarshalJSON writes the source in Graph's form.
func (s *AttributeMappingSource) MarshalJSON() ([]byte, error) { return appendNode(nil, s), nil }

// UnmarshalJSON reads Graph's form.
func (s *AttributeMappingSource) UnmarshalJSON(data []byte) error { return unmarshalInto(data, s) }

// MarshalJSON writes the filter in Graph's form.
func (f *Filter) MarshalJSON() ([]byte, error) { return appendNode(nil, f), nil }

// UnmarshalJSON reads Graph's form.
func (f *Filter) UnmarshalJSON(data []byte) error { return unmarshalInto(data, f) }

// Clone returns a deep copy.
func (s *Schema) Clone() *Schema {
	c, err := ReadSchema(bytes.NewReader(appendNode(nil, s)))
	if err != nil {
		// What appendNode writes can be read, except when it is larger than a schema may be.
		panic("provision: a schema cannot be copied: " + err.Error())
	}
	return c
}

// Rule returns the rule with that ID, or nil.
func (s *Schema) Rule(id string) *SynchronizationRule {
	for _, r := range s.Rules {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Directory returns the directory of that name or ID, or nil.
func (s *Schema) Directory(name string) *DirectoryDefinition {
	for _, d := range s.Directories {
		if d.Name == name || d.ID == name && name != "" {
			return d
		}
	}
	return nil
}

// Mapping returns the object mapping for source objects of that type, or nil.
// Of several the enabled one in the rule of lowest priority is taken.
func (s *Schema) Mapping(source ObjectType) *ObjectMapping {
	_, m := s.ruleAndMapping(source)
	return m
}

// RuleFor returns the rule whose mapping [Schema.Mapping] returns.
func (s *Schema) RuleFor(source ObjectType) *SynchronizationRule {
	r, _ := s.ruleAndMapping(source)
	return r
}

func (s *Schema) ruleAndMapping(source ObjectType) (rule *SynchronizationRule, mapping *ObjectMapping) {
	rules := slices.Clone(s.Rules)
	slices.SortStableFunc(rules, func(a, b *SynchronizationRule) int { return a.Priority - b.Priority })
	for _, r := range rules {
		for _, m := range r.ObjectMappings {
			if !strings.EqualFold(m.SourceObjectName, string(source)) {
				continue
			}
			if mapping == nil || m.Enabled && !mapping.Enabled {
				rule, mapping = r, m
			}
		}
	}
	return rule, mapping
}

// Object returns the object definition of that name, or nil.
func (d *DirectoryDefinition) Object(name string) *ObjectDefinition {
	if d == nil {
		return nil
	}
	for _, o := range d.Objects {
		if strings.EqualFold(o.Name, name) {
			return o
		}
	}
	return nil
}

// Attribute returns the attribute definition of that name, or nil. Names mind case.
func (o *ObjectDefinition) Attribute(name string) *AttributeDefinition {
	if o == nil {
		return nil
	}
	for _, a := range o.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Attribute returns the mapping to that target attribute, or nil. Target paths
// are compared without regard to case and space.
func (m *ObjectMapping) Attribute(target string) *AttributeMapping {
	key := pathKey(target)
	for _, a := range m.AttributeMappings {
		if pathKey(a.TargetAttributeName) == key {
			return a
		}
	}
	return nil
}

// Remove takes the mapping to that target attribute out and reports whether
// there was one.
func (m *ObjectMapping) Remove(target string) bool {
	n := len(m.AttributeMappings)
	key := pathKey(target)
	m.AttributeMappings = slices.DeleteFunc(m.AttributeMappings, func(a *AttributeMapping) bool {
		return pathKey(a.TargetAttributeName) == key
	})
	return len(m.AttributeMappings) < n
}

// pathKey makes spellings of one target path equal.
func pathKey(path string) string {
	return strings.ToLower(strings.Join(strings.Fields(path), " "))
}

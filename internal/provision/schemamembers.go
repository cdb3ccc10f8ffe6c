package provision

// The members of each type of the schema, in the order in which Graph writes
// them (Microsoft Graph: synchronization resource types).

func (s *Schema) kept() *layout { return &s.layout }
func (s *Schema) members() []member {
	return []member{
		text("id", &s.ID),
		text("version", &s.Version),
		nodes("directories", &s.Directories),
		nodes("synchronizationRules", &s.Rules),
	}
}

func (d *DirectoryDefinition) kept() *layout { return &d.layout }
func (d *DirectoryDefinition) members() []member {
	return []member{
		text("id", &d.ID),
		text("name", &d.Name),
		flag("readOnly", &d.ReadOnly),
		optional(text("discoverabilities", &d.Discoverabilities)),
		optional(nullText("discoveryDateTime", &d.DiscoveryDateTime)),
		optional(nullText("version", &d.Version)),
		nodes("objects", &d.Objects),
	}
}

func (o *ObjectDefinition) kept() *layout { return &o.layout }
func (o *ObjectDefinition) members() []member {
	return []member{
		text("name", &o.Name),
		texts("supportedApis", &o.SupportedAPIs),
		nodes("metadata", &o.Metadata),
		nodes("attributes", &o.Attributes),
	}
}

func (a *AttributeDefinition) kept() *layout { return &a.layout }
func (a *AttributeDefinition) members() []member {
	return []member{
		text("name", &a.Name),
		text("type", &a.Type),
		flag("anchor", &a.Anchor),
		flag("required", &a.Required),
		flag("multivalued", &a.Multivalued),
		flag("caseExact", &a.CaseExact),
		text("mutability", &a.Mutability),
		flag("flowNullValues", &a.FlowNullValues),
		nullText("defaultValue", &a.DefaultValue),
		nodes("metadata", &a.Metadata),
		nodes("referencedObjects", &a.ReferencedObjects),
	}
}

func (r *ReferencedObject) kept() *layout { return &r.layout }
func (r *ReferencedObject) members() []member {
	return []member{
		text("referencedObjectName", &r.ReferencedObjectName),
		nullText("referencedProperty", &r.ReferencedProperty),
	}
}

func (m *Metadata) kept() *layout { return &m.layout }
func (m *Metadata) members() []member {
	return []member{text("key", &m.Key), text("value", &m.Value)}
}

func (r *SynchronizationRule) kept() *layout { return &r.layout }
func (r *SynchronizationRule) members() []member {
	return []member{
		text("id", &r.ID),
		text("name", &r.Name),
		integer("priority", &r.Priority),
		flag("editable", &r.Editable),
		text("sourceDirectoryName", &r.SourceDirectoryName),
		text("targetDirectoryName", &r.TargetDirectoryName),
		nodes("metadata", &r.Metadata),
		nodes("objectMappings", &r.ObjectMappings),
	}
}

func (m *ObjectMapping) kept() *layout { return &m.layout }
func (m *ObjectMapping) members() []member {
	return []member{
		text("name", &m.Name),
		flag("enabled", &m.Enabled),
		flowTypes("flowTypes", &m.FlowTypes),
		text("sourceObjectName", &m.SourceObjectName),
		text("targetObjectName", &m.TargetObjectName),
		nodes("metadata", &m.Metadata),
		object("scope", &m.Scope),
		nodes("attributeMappings", &m.AttributeMappings),
	}
}

func (m *AttributeMapping) kept() *layout { return &m.layout }
func (m *AttributeMapping) members() []member {
	return []member{
		text("targetAttributeName", &m.TargetAttributeName),
		integer("matchingPriority", &m.MatchingPriority),
		text("flowType", &m.FlowType),
		text("flowBehavior", &m.FlowBehavior),
		nullText("defaultValue", &m.DefaultValue),
		flag("exportMissingReferences", &m.ExportMissingReferences),
		optional(flag("flowNullValues", &m.FlowNullValues)),
		object("source", &m.Source),
	}
}

func (s *AttributeMappingSource) kept() *layout { return &s.layout }
func (s *AttributeMappingSource) members() []member {
	return []member{
		text("type", &s.Type),
		text("name", &s.Name),
		text("expression", &s.Expression),
		nodes("parameters", &s.Parameters),
	}
}

func (p *AttributeMappingParameter) kept() *layout { return &p.layout }
func (p *AttributeMappingParameter) members() []member {
	return []member{text("key", &p.Key), object("value", &p.Value)}
}

func (f *Filter) kept() *layout { return &f.layout }
func (f *Filter) members() []member {
	return []member{
		nodes("groups", &f.Groups),
		nodes("inputFilterGroups", &f.InputFilterGroups),
		nodes("categoryFilterGroups", &f.CategoryFilterGroups),
	}
}

func (g *FilterGroup) kept() *layout { return &g.layout }
func (g *FilterGroup) members() []member {
	return []member{text("name", &g.Name), nodes("clauses", &g.Clauses)}
}

func (c *FilterClause) kept() *layout { return &c.layout }
func (c *FilterClause) members() []member {
	return []member{
		text("sourceOperandName", &c.SourceOperandName),
		text("operatorName", &c.OperatorName),
		object("targetOperand", &c.TargetOperand),
	}
}

func (o *FilterOperand) kept() *layout { return &o.layout }
func (o *FilterOperand) members() []member {
	return []member{texts("values", &o.Values)}
}

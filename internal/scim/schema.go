package scim

import "strings"

// URNs of schemas and messages (RFC 7643, RFC 7644, Microsoft's Freshservice
// tutorial).
const (
	URNUser         = "urn:ietf:params:scim:schemas:core:2.0:User"
	URNGroup        = "urn:ietf:params:scim:schemas:core:2.0:Group"
	URNEnterprise   = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	URNFreshservice = "urn:ietf:params:scim:schemas:extension:freshservice:2.0:User"

	URNSchema        = "urn:ietf:params:scim:schemas:core:2.0:Schema"
	URNResourceType  = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	URNServiceConfig = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	URNListResponse  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	URNSearchRequest = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	URNPatchOp       = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	URNBulkRequest   = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	URNBulkResponse  = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
	URNError         = "urn:ietf:params:scim:api:messages:2.0:Error"
)

// AttributeType is the data type of an attribute (RFC 7643 section 2.3).
type AttributeType string

// The data types.
const (
	TypeString    AttributeType = "string"
	TypeBoolean   AttributeType = "boolean"
	TypeDecimal   AttributeType = "decimal"
	TypeInteger   AttributeType = "integer"
	TypeDateTime  AttributeType = "dateTime"
	TypeReference AttributeType = "reference"
	TypeBinary    AttributeType = "binary"
	TypeComplex   AttributeType = "complex"
)

// Mutability, returned and uniqueness characteristics (RFC 7643 section 2.2,
// section 7).
const (
	ReadOnly  = "readOnly"
	ReadWrite = "readWrite"
	Immutable = "immutable"
	WriteOnly = "writeOnly"

	ReturnedAlways  = "always"
	ReturnedDefault = "default"
	ReturnedRequest = "request"
	ReturnedNever   = "never"

	UniqueNone   = "none"
	UniqueServer = "server"
	UniqueGlobal = "global"
)

// An Attribute describes one attribute or sub-attribute. Empty Mutability,
// Returned and Uniqueness mean readWrite, default and none.
type Attribute struct {
	Name            string
	Type            AttributeType
	Description     string
	MultiValued     bool
	Required        bool
	CaseExact       bool
	Mutability      string
	Returned        string
	Uniqueness      string
	CanonicalValues []string
	ReferenceTypes  []string
	SubAttributes   []*Attribute
	// Loose booleans are sent as text by clients whose own schema has them so:
	// "yes", "No", "1" and others count, and text that is none of them is kept
	// for the directory to judge instead of being refused.
	Loose bool
}

// Sub returns the sub-attribute of that name, or nil.
func (a *Attribute) Sub(name string) *Attribute {
	if a == nil {
		return nil
	}
	return attributeNamed(a.SubAttributes, name)
}

func attributeNamed(list []*Attribute, name string) *Attribute {
	for _, a := range list {
		if sameName(a.Name, name) {
			return a
		}
	}
	return nil
}

// A Schema is a named set of attributes (RFC 7643 section 7).
type Schema struct {
	ID, Name, Description string
	Attributes            []*Attribute
}

// Attribute returns the attribute of that name, or nil.
func (s *Schema) Attribute(name string) *Attribute { return attributeNamed(s.Attributes, name) }

// An Extension is a schema whose attributes live in a container of their own
// inside the resource, named by the schema's URN.
type Extension struct {
	Schema   *Schema
	Required bool
	// Open extensions accept and keep attributes that the schema does not list.
	Open bool
}

// A ResourceType says where resources of one kind live and which schemas they
// follow (RFC 7643 section 6). It is immutable once in use.
type ResourceType struct {
	ID, Name, Description string
	// Endpoint is the path relative to the base URL, such as "/Users".
	Endpoint   string
	Schema     *Schema
	Extensions []Extension
	// Open types accept and keep whole extensions that they do not list: what is
	// under a URN, taken as it comes.
	Open bool
}

// unlisted returns the extension that an open type has under any URN, nil when
// it has none or urn is no URN.
func (t *ResourceType) unlisted(urn string) *Extension {
	const prefix = "urn:"
	if !t.Open || len(urn) <= len(prefix) || !strings.EqualFold(urn[:len(prefix)], prefix) {
		return nil
	}
	return &Extension{Open: true, Schema: &Schema{ID: urn}}
}

// present returns the URNs of the extensions that o has values of, those that
// the type lists first.
func (t *ResourceType) present(o *Object) []string {
	var urns []string
	for i := range t.Extensions {
		if urn := t.Extensions[i].Schema.ID; o.Child(urn).Len() > 0 {
			urns = append(urns, urn)
		}
	}
	if !t.Open {
		return urns
	}
	for name, v := range o.All() {
		if x, ok := v.(*Object); ok && x.Len() > 0 && !t.knows(name) && t.unlisted(name) != nil {
			urns = append(urns, name)
		}
	}
	return urns
}

// Extension returns the extension with that URN, or nil.
func (t *ResourceType) Extension(urn string) *Extension {
	for i := range t.Extensions {
		if sameName(t.Extensions[i].Schema.ID, urn) {
			return &t.Extensions[i]
		}
	}
	return nil
}

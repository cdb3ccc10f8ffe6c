package account

import (
	"cmp"
	"slices"
	"strings"

	"lockstep/internal/scim"
)

// A CustomAttribute is an attribute of an account's own.
type CustomAttribute struct {
	// ResourceType is User, also when it is empty, or Group.
	ResourceType string `json:"resourceType,omitempty"`
	// Schema is the URN of the extension, empty for the Freshservice extension.
	Schema      string             `json:"schema,omitempty"`
	Name        string             `json:"name"`
	Type        scim.AttributeType `json:"type"`
	MultiValued bool               `json:"multiValued,omitempty"`
	CaseExact   bool               `json:"caseExact,omitempty"`
	// Field is the name of the Freshservice custom field it is written to, empty
	// when lockstep alone keeps it.
	Field string `json:"field,omitempty"`
	// Learnt marks an attribute that a client sent before anyone declared it: its
	// values are kept as they come, Type is that of the first.
	Learnt bool `json:"learnt,omitempty"`
}

// customTypes are the types that a declared attribute may have.
var customTypes = []scim.AttributeType{scim.TypeString, scim.TypeBoolean, scim.TypeInteger, scim.TypeDecimal, scim.TypeDateTime, scim.TypeReference}

// ParseCustomAttribute reads [URN:]NAME[:TYPE], with [] behind the type of an
// attribute of several values. Without a URN it is one of the Freshservice
// extension, without a type a string.
func ParseCustomAttribute(s string) (CustomAttribute, error) {
	c := CustomAttribute{Type: scim.TypeString}
	name := strings.TrimSpace(s)
	if head, tail, ok := cutLast(name); ok {
		typ, list := strings.CutSuffix(tail, "[]")
		if i := slices.IndexFunc(customTypes, func(t scim.AttributeType) bool { return strings.EqualFold(string(t), typ) }); i >= 0 {
			name, c.Type, c.MultiValued = head, customTypes[i], list
		}
	}
	if head, tail, ok := cutLast(name); ok {
		c.Schema, name = head, tail
	}
	c.Name = name
	return c, c.check()
}

func cutLast(s string) (head, tail string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

// String returns the attribute's qualified name.
func (c CustomAttribute) String() string {
	return cmp.Or(c.Schema, scim.URNFreshservice) + ":" + c.Name
}

func (c CustomAttribute) same(o CustomAttribute) bool {
	return strings.EqualFold(c.Name, o.Name) && strings.EqualFold(cmp.Or(c.Schema, scim.URNFreshservice), cmp.Or(o.Schema, scim.URNFreshservice)) &&
		cmp.Or(c.ResourceType, "User") == cmp.Or(o.ResourceType, "User")
}

func (c CustomAttribute) check() error {
	const field = "settings.customAttributes"
	switch {
	case c.Name == "":
		return &InvalidError{field, "", "an attribute needs a name"}
	case c.Learnt:
		return nil // it is what a client sent
	case !slices.Contains([]string{"", "User", "Group"}, c.ResourceType):
		return &InvalidError{field, c.ResourceType, "the resource type is User or Group"}
	case !slices.Contains(customTypes, c.Type):
		return &InvalidError{field, string(c.Type), "the type is string, boolean, integer, decimal, dateTime or reference"}
	case strings.EqualFold(c.Schema, scim.URNUser), strings.EqualFold(c.Schema, scim.URNGroup):
		return &InvalidError{field, c.String(), "a core schema cannot be extended; name the URN of an extension"}
	}
	if p, err := scim.ParsePath(c.String()); err != nil || p.Attr != c.Name || p.Sub != "" || p.Filter != nil {
		return &InvalidError{field, c.String(), "write NAME:TYPE, or URN:NAME:TYPE with a URN such as urn:acme:scim:2.0:User; a name has letters, digits, - and _"}
	}
	return nil
}

// Declare adds the attribute, in place of one of the same name.
func (s *Settings) Declare(c CustomAttribute) {
	s.CustomAttributes = append(s.without(c), c)
}

// Undeclare removes the attribute of that name and reports whether there was
// one. What resources have of it stays with them.
func (s *Settings) Undeclare(c CustomAttribute) bool {
	had := len(s.CustomAttributes)
	s.CustomAttributes = s.without(c)
	return len(s.CustomAttributes) < had
}

func (s *Settings) without(c CustomAttribute) []CustomAttribute {
	return slices.DeleteFunc(slices.Clone(s.CustomAttributes), c.same)
}

// Types returns the account's resource types with the declared attributes.
// They are open to further extensions unless the account is strict.
func (s *Settings) Types() (users, groups *scim.ResourceType) {
	var ours []*scim.Attribute
	others := map[string][]CustomAttribute{}
	var urns []string
	for _, c := range s.CustomAttributes {
		switch {
		case c.Learnt:
		case c.ResourceType != "Group" && (c.Schema == "" || strings.EqualFold(c.Schema, scim.URNFreshservice)):
			ours = append(ours, c.attribute())
		default:
			key := cmp.Or(c.ResourceType, "User") + " " + strings.ToLower(c.Schema)
			if others[key] == nil {
				urns = append(urns, key)
			}
			others[key] = append(others[key], c)
		}
	}
	users, groups = scim.UserType(ours...), scim.GroupType()
	users.Open, groups.Open = !s.Strict, !s.Strict
	for _, key := range urns {
		t := users
		if strings.HasPrefix(key, "Group ") {
			t = groups
		}
		list := others[key]
		ext := t.Extension(list[0].Schema)
		if ext == nil {
			t.Extensions = append(t.Extensions, scim.Extension{Open: true, Schema: &scim.Schema{
				ID: list[0].Schema, Name: list[0].Schema[strings.LastIndexByte(list[0].Schema, ':')+1:], Description: "Attributes of this account's own."}})
			ext = &t.Extensions[len(t.Extensions)-1]
		}
		for _, c := range list {
			if ext.Schema.Attribute(c.Name) == nil {
				ext.Schema.Attributes = append(ext.Schema.Attributes, c.attribute())
			}
		}
	}
	return users, groups
}

func (c CustomAttribute) attribute() *scim.Attribute {
	return &scim.Attribute{Name: c.Name, Type: c.Type, MultiValued: c.MultiValued, CaseExact: c.CaseExact}
}

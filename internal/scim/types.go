package scim

// UserType returns the User resource type: the core schema of RFC 7643 section
// 4.1, the enterprise extension of section 4.3 and the Freshservice extension,
// which custom adds attributes to. Both extensions are open, because
// administrators map attributes of their own into them. Each call returns a
// value of its own.
func UserType(custom ...*Attribute) *ResourceType {
	return &ResourceType{
		ID: "User", Name: "User", Endpoint: "/Users", Description: "A person's account.",
		Schema: &Schema{ID: URNUser, Name: "User", Description: "A person's account.", Attributes: userAttributes()},
		Extensions: []Extension{
			{Open: true, Schema: &Schema{
				ID: URNEnterprise, Name: "EnterpriseUser", Description: "What an enterprise knows of a person.",
				Attributes: enterpriseAttributes(),
			}},
			{Open: true, Schema: &Schema{
				ID: URNFreshservice, Name: "FreshserviceUser",
				Description: "What Freshservice knows of a person. Further names are custom fields.",
				Attributes: append([]*Attribute{{
					// Microsoft's Freshservice tutorial declares it a String.
					Name: "isAgent", Type: TypeBoolean, Loose: true,
					Description: "Whether the person is created as an agent rather than as a requester.",
				}}, custom...),
			}},
		},
	}
}

// GroupType returns the Group resource type of RFC 7643 section 4.2. Each call
// returns a value of its own.
func GroupType() *ResourceType {
	return &ResourceType{
		ID: "Group", Name: "Group", Endpoint: "/Groups", Description: "A group of users and groups.",
		Schema: &Schema{
			ID: URNGroup, Name: "Group", Description: "A group of users and groups.",
			Attributes: []*Attribute{
				{Name: "displayName", Type: TypeString, Required: true, Uniqueness: UniqueServer, Description: "The name of the group, unique among all groups."},
				{
					Name: "members", Type: TypeComplex, MultiValued: true, Description: "Who belongs to the group.",
					SubAttributes: []*Attribute{
						{Name: "value", Type: TypeString, CaseExact: true, Mutability: Immutable, Description: "The id of the member."},
						{Name: "$ref", Type: TypeReference, CaseExact: true, Mutability: Immutable, ReferenceTypes: []string{"User", "Group"}, Description: "The URI of the member."},
						{Name: "type", Type: TypeString, Mutability: Immutable, CanonicalValues: []string{"User", "Group"}, Description: "What the member is."},
						{Name: "display", Type: TypeString, Description: "The member's name for people."},
					},
				},
			},
		},
	}
}

func userAttributes() []*Attribute {
	text := func(name, description string) *Attribute {
		return &Attribute{Name: name, Type: TypeString, Description: description}
	}
	return []*Attribute{
		{
			Name: "userName", Type: TypeString, Required: true, Uniqueness: UniqueServer,
			Description: "The name by which the person signs in, unique among all users.",
		},
		{
			Name: "name", Type: TypeComplex, Description: "The components of the person's name.",
			SubAttributes: []*Attribute{
				text("formatted", "The full name, ready for display."),
				text("familyName", "The last name."),
				text("givenName", "The first name."),
				text("middleName", "The middle names."),
				text("honorificPrefix", "What precedes the name, such as Dr."),
				text("honorificSuffix", "What follows the name, such as III."),
			},
		},
		text("displayName", "The name shown to people."),
		text("nickName", "How the person is called casually."),
		{Name: "profileUrl", Type: TypeReference, ReferenceTypes: []string{"external"}, Description: "A page about the person."},
		text("title", "The job title."),
		text("userType", "The person's relation to the organization, such as Employee."),
		text("preferredLanguage", "The preferred languages, as HTTP's Accept-Language has them."),
		text("locale", "The locale for dates, numbers and currency, such as sv-SE."),
		text("timezone", "The IANA time zone, such as Europe/Stockholm."),
		{Name: "active", Type: TypeBoolean, Description: "Whether the person may use the account."},
		{
			Name: "password", Type: TypeString, CaseExact: true, Mutability: WriteOnly, Returned: ReturnedNever,
			Description: "Accepted and not kept: nobody signs in here.",
		},
		plural("emails", "E-mail addresses.", text("value", "The address."), "work", "home", "other"),
		plural("phoneNumbers", "Telephone numbers.", text("value", "The number."),
			"work", "home", "mobile", "fax", "pager", "other"),
		plural("ims", "Instant messaging addresses.", text("value", "The address."),
			"aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
		plural("photos", "Pictures of the person.",
			&Attribute{Name: "value", Type: TypeReference, CaseExact: true, ReferenceTypes: []string{"external"}, Description: "The picture's URL."},
			"photo", "thumbnail"),
		{
			Name: "addresses", Type: TypeComplex, MultiValued: true, Description: "Postal addresses.",
			SubAttributes: []*Attribute{
				text("formatted", "The full address, ready for a label."),
				text("streetAddress", "Street, number and further lines."),
				text("locality", "The city."),
				text("region", "The state or region."),
				text("postalCode", "The postal code."),
				text("country", "The ISO 3166-1 alpha-2 code of the country."),
				{Name: "type", Type: TypeString, CanonicalValues: []string{"work", "home", "other"}, Description: "What the address is for."},
				primaryAttribute(),
			},
		},
		{
			Name: "groups", Type: TypeComplex, MultiValued: true, Mutability: ReadOnly,
			Description: "The groups the person belongs to; change them at the group.",
			SubAttributes: []*Attribute{
				{Name: "value", Type: TypeString, CaseExact: true, Mutability: ReadOnly, Description: "The id of the group."},
				{Name: "$ref", Type: TypeReference, CaseExact: true, Mutability: ReadOnly, ReferenceTypes: []string{"User", "Group"}, Description: "The URI of the group."},
				{Name: "display", Type: TypeString, Mutability: ReadOnly, Description: "The group's name."},
				{Name: "type", Type: TypeString, Mutability: ReadOnly, CanonicalValues: []string{"direct", "indirect"}, Description: "How the person belongs to the group."},
			},
		},
		plural("entitlements", "Things the person has.", text("value", "The entitlement.")),
		plural("roles", "Roles of the person.", text("value", "The role.")),
		plural("x509Certificates", "Certificates issued to the person.",
			&Attribute{Name: "value", Type: TypeBinary, CaseExact: true, Description: "The DER-encoded certificate in base64."}),
	}
}

// plural returns a multi-valued attribute with the default sub-attributes of
// RFC 7643 section 2.4.
func plural(name, description string, value *Attribute, types ...string) *Attribute {
	return &Attribute{
		Name: name, Type: TypeComplex, MultiValued: true, Description: description,
		SubAttributes: []*Attribute{
			value,
			{Name: "display", Type: TypeString, Description: "The value's name for people."},
			{Name: "type", Type: TypeString, CanonicalValues: types, Description: "What the value is for."},
			primaryAttribute(),
		},
	}
}

func primaryAttribute() *Attribute {
	return &Attribute{Name: "primary", Type: TypeBoolean, Description: "Whether this is the preferred value; true at most once."}
}

func enterpriseAttributes() []*Attribute {
	return []*Attribute{
		{Name: "employeeNumber", Type: TypeString, Description: "The number or code the organization gave the person."},
		{Name: "costCenter", Type: TypeString, Description: "The cost center."},
		{Name: "organization", Type: TypeString, Description: "The organization."},
		{Name: "division", Type: TypeString, Description: "The division."},
		{Name: "department", Type: TypeString, Description: "The department."},
		{
			Name: "manager", Type: TypeComplex, Description: "The person's manager.",
			SubAttributes: []*Attribute{
				{Name: "value", Type: TypeString, CaseExact: true, Description: "The id of the manager."},
				{Name: "$ref", Type: TypeReference, CaseExact: true, ReferenceTypes: []string{"User"}, Description: "The URI of the manager."},
				{Name: "displayName", Type: TypeString, Mutability: ReadOnly, Description: "The manager's display name."},
			},
		},
	}
}

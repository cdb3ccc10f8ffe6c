package sample

// Options say which company to make up.
type Options struct {
	// People is how many there are, 250 when zero. A company of 40 or more has
	// every trouble; a smaller one has as many as it has people for.
	People int
	// Seed chooses among the companies of that size.
	Seed uint64
	// Domain is the part of addresses after the @, "haldenrowe.example" when
	// empty.
	Domain string
}

// The defaults of [Options].
const (
	DefaultPeople = 250
	DefaultDomain = "haldenrowe.example"
)

// A Company is what [Generate] makes.
type Company struct {
	Name   string  `json:"name"`
	Domain string  `json:"domain"`
	Users  []User  `json:"users"`
	Groups []Group `json:"groups"`
	// AssignedGroupID is the ID of the group whose members are assigned to the
	// application, also the first of Groups.
	AssignedGroupID string `json:"assignedGroupId"`
	// Troubles lists who was made difficult, and how.
	Troubles []Trouble `json:"troubles"`
	// DeskSeed is what the service desk holds before the first cycle.
	DeskSeed DeskSeed `json:"deskSeed"`
}

// A User is a user as Microsoft Graph shows one. Users are in no particular
// order: a manager may stand after the people who report to them.
type User struct {
	ID                string     `json:"id"`
	UserPrincipalName string     `json:"userPrincipalName"`
	Mail              string     `json:"mail,omitempty"`
	MailNickname      string     `json:"mailNickname,omitempty"`
	DisplayName       string     `json:"displayName"`
	GivenName         string     `json:"givenName,omitempty"`
	Surname           string     `json:"surname,omitempty"`
	JobTitle          string     `json:"jobTitle,omitempty"`
	Department        string     `json:"department,omitempty"`
	CompanyName       string     `json:"companyName,omitempty"`
	EmployeeID        string     `json:"employeeId,omitempty"`
	UserType          string     `json:"userType"`
	AccountEnabled    bool       `json:"accountEnabled"`
	OfficeLocation    string     `json:"officeLocation,omitempty"`
	StreetAddress     string     `json:"streetAddress,omitempty"`
	PostalCode        string     `json:"postalCode,omitempty"`
	City              string     `json:"city,omitempty"`
	State             string     `json:"state,omitempty"`
	Country           string     `json:"country,omitempty"`
	UsageLocation     string     `json:"usageLocation,omitempty"`
	PreferredLanguage string     `json:"preferredLanguage,omitempty"`
	BusinessPhones    []string   `json:"businessPhones,omitempty"`
	MobilePhone       string     `json:"mobilePhone,omitempty"`
	OtherMails        []string   `json:"otherMails,omitempty"`
	TimeZone          string     `json:"extension_timeZone,omitempty"`
	Manager           *Reference `json:"manager,omitempty"`
}

// A Reference points to another object of the company.
type Reference struct {
	ODataType string `json:"@odata.type,omitempty"`
	ID        string `json:"id"`
}

// A Group is a group as Microsoft Graph shows one, with its direct members.
type Group struct {
	ODataType       string   `json:"@odata.type"`
	ID              string   `json:"id"`
	DisplayName     string   `json:"displayName"`
	Description     string   `json:"description,omitempty"`
	MailNickname    string   `json:"mailNickname"`
	SecurityEnabled bool     `json:"securityEnabled"`
	MailEnabled     bool     `json:"mailEnabled"`
	Members         []string `json:"members"`
}

// A Trouble is one person for whom provisioning does not go as expected.
type Trouble struct {
	// ID is the rule of the diagnosis catalogue that describes the trouble.
	ID string `json:"id"`
	// UserID is the person's object ID.
	UserID string `json:"userId"`
	// What says in a sentence what was done to the person.
	What string `json:"what"`
}

// The troubles that a sample company has, by the diagnosis catalogue's rules.
const (
	MailDiffers        = "CORE-02"  // mail is not the userPrincipalName
	SecondaryIsPrimary = "CORE-06"  // the first of otherMails equals mail
	UnknownTimeZone    = "CORE-07"  // no list of time zones has the name
	NotAssigned        = "CORE-08"  // not a member of the assigned group
	UnknownLocale      = "ATTR-02"  // preferredLanguage is no language tag
	NoGivenName        = "ATTR-07"  // givenName is missing
	ManagerMissing     = "ATTR-09"  // the manager is disabled or not assigned
	UnknownDepartment  = "FS-06"    // the service desk lacks the department
	UnknownLocation    = "FS-07"    // the service desk lacks the location
	HeldByAgent        = "FS-19"    // an agent has the e-mail address
	SpecialCharacters  = "MATCH-08" // apostrophe and great length in the UPN
	HeldByInactive     = "MATCH-17" // an inactive requester has the e-mail address
	Disabled           = "SCOPE-04" // the account is disabled
)

// A DeskSeed is what the service desk already holds: all that the company
// needs but for one department and one location, and some people.
type DeskSeed struct {
	Departments []string       `json:"departments"`
	Locations   []DeskLocation `json:"locations"`
	Requesters  []DeskPerson   `json:"requesters"`
	Agents      []DeskPerson   `json:"agents"`
}

// A DeskLocation is a location of the service desk.
type DeskLocation struct {
	Name    string `json:"name"`
	City    string `json:"city"`
	Country string `json:"country"`
}

// A DeskPerson is a requester or an agent of the service desk.
type DeskPerson struct {
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Email     string `json:"email"`
	JobTitle  string `json:"jobTitle,omitempty"`
	Active    bool   `json:"active"`
	// UserID is the object ID of the person of the company it belongs to.
	UserID string `json:"userId"`
}

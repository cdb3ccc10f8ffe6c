package sample

// A department is a branch of the company: its share of the people, and what
// they are called.
type department struct {
	name   string
	weight int
	head   string   // reports to the chief executive
	middle []string // lead people who lead people, or are near to it
	titles []string // lead nobody
}

const executive = "Executive Office"

var departments = []department{
	{"Engineering", 25, "Chief Technology Officer",
		[]string{"Director of Engineering", "Engineering Manager", "Engineering Team Lead"},
		[]string{"Software Engineer", "Senior Software Engineer", "Test Engineer", "Site Reliability Engineer", "Staff Engineer"}},
	{"Customer Support", 16, "VP Customer Support",
		[]string{"Director of Support", "Support Manager", "Support Team Lead"},
		[]string{"Support Specialist", "Senior Support Specialist", "Technical Account Manager"}},
	{"Sales", 14, "Chief Revenue Officer",
		[]string{"Regional Sales Director", "Sales Manager", "Sales Team Lead"},
		[]string{"Account Executive", "Sales Development Representative", "Solution Consultant"}},
	{"Operations", 10, "Chief Operating Officer",
		[]string{"Director of Operations", "Operations Manager", "Shift Lead"},
		[]string{"Operations Analyst", "Logistics Coordinator", "Process Specialist"}},
	{"Marketing", 8, "Chief Marketing Officer",
		[]string{"Marketing Director", "Marketing Manager", "Content Lead"},
		[]string{"Campaign Specialist", "Copywriter", "Graphic Designer", "Event Coordinator"}},
	{"Product", 7, "Chief Product Officer",
		[]string{"Director of Product", "Group Product Manager", "Design Lead"},
		[]string{"Product Manager", "Product Designer", "User Researcher"}},
	{"Finance", 6, "Chief Financial Officer",
		[]string{"Finance Director", "Controller", "Accounting Lead"},
		[]string{"Accountant", "Financial Analyst", "Payroll Specialist"}},
	{"Information Technology", 5, "Chief Information Officer",
		[]string{"IT Director", "IT Manager", "Service Desk Lead"},
		[]string{"System Administrator", "Network Engineer", "Service Desk Analyst"}},
	{"People & Culture", 4, "Chief People Officer",
		[]string{"People Director", "HR Manager", "Recruiting Lead"},
		[]string{"HR Business Partner", "Recruiter", "Learning Specialist"}},
	{"Legal", 2, "General Counsel",
		[]string{"Associate General Counsel", "Compliance Manager", "Contracts Lead"},
		[]string{"Legal Counsel", "Paralegal", "Privacy Officer"}},
	{"Procurement", 2, "Chief Procurement Officer",
		[]string{"Procurement Director", "Category Manager", "Sourcing Lead"},
		[]string{"Buyer", "Supplier Analyst"}},
	{"Sustainability", 1, "Head of Sustainability",
		[]string{"Sustainability Director", "Programme Manager", "Reporting Lead"},
		[]string{"Sustainability Analyst", "Energy Specialist"}},
}

// deskLacksDepartment is the one department that the service desk does not
// have: founded this year, and nobody told the service desk.
const deskLacksDepartment = "Sustainability"

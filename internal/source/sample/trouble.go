package sample

import (
	"fmt"
	"slices"
)

// makeTrouble makes some people difficult. A person has one trouble of their
// own at the most, so that its consequences can be told from those of others.
func (g *generator) makeTrouble() {
	n := len(g.posts)
	g.assigned = slices.Repeat([]bool{true}, n)
	candidates := g.absences()

	// Those that a company has one of come first, lest a small one run out.
	for _, t := range []struct {
		id    string
		share int // one person in so many, and one at least
		make  func(*User) (what string)
	}{
		{HeldByInactive, 1000, g.holdByInactive},
		{HeldByAgent, 2000, g.holdByAgent},
		{MailDiffers, 200, g.marry},
		{SecondaryIsPrimary, 250, func(u *User) string {
			u.OtherMails = []string{u.Mail}
			return "the first of otherMails is the mail address itself"
		}},
		{UnknownTimeZone, 250, func(u *User) string {
			u.TimeZone = g.pick([]string{"Headquarters time", "UTC+25", "Mitteleuropa", "EST/PST"})
			return fmt.Sprintf("extension_timeZone is %q, a name that no list of time zones has", u.TimeZone)
		}},
		{UnknownLocale, 250, func(u *User) string {
			u.PreferredLanguage = g.pick([]string{"en*US", "Deutsch", "??", "en,fr"})
			return fmt.Sprintf("preferredLanguage is %q, which is no language tag", u.PreferredLanguage)
		}},
		{Disabled, 50, func(u *User) string {
			u.AccountEnabled = false
			return "the account is disabled"
		}},
		{NotAssigned, 50, nil},
		{NoGivenName, 250, func(u *User) string {
			u.GivenName = ""
			u.DisplayName = u.Surname
			return "givenName is missing; the person has one name only"
		}},
		{SpecialCharacters, 500, g.lengthen},
	} {
		for range max(1, n/t.share) {
			if len(candidates) == 0 {
				return
			}
			i := candidates[0]
			candidates = candidates[1:]
			u := &g.company.Users[i]
			if t.id == NotAssigned {
				g.assigned[i] = false
				g.trouble(t.id, u, "the person is not a member of the assigned group")
				continue
			}
			g.trouble(t.id, u, t.make(u))
		}
	}
	g.knownToDesk(candidates)
}

func (g *generator) trouble(id string, u *User, what string) {
	g.company.Troubles = append(g.company.Troubles, Trouble{ID: id, UserID: u.ID, What: what})
}

// absences makes the troubles that come from what is not there: a department,
// a location and a manager. It returns the people who lead nobody and have no
// trouble yet, in random order.
func (g *generator) absences() []int {
	users := g.company.Users
	troubled := make([]bool, len(g.posts))
	for i := range users {
		if u := &users[i]; u.Department == deskLacksDepartment {
			troubled[i] = true
			g.trouble(UnknownDepartment, u, fmt.Sprintf("the service desk has no department %q", u.Department))
		}
	}
	g.staffOffice(troubled)
	for i := range users {
		if u := &users[i]; u.OfficeLocation == deskLacksOffice && !troubled[i] {
			troubled[i] = true
			g.trouble(UnknownLocation, u, fmt.Sprintf("the service desk has no location %q", u.OfficeLocation))
		}
	}
	for range max(1, len(g.posts)/1000) {
		g.unassignLeader(troubled)
	}
	var free []int
	for i, p := range g.posts {
		if i > 0 && p.height == 0 && !troubled[i] {
			free = append(free, i)
		}
	}
	g.rand.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	return free
}

// staffOffice moves somebody to the office that the service desk lacks when
// chance has sent nobody there who has no other trouble.
func (g *generator) staffOffice(troubled []bool) {
	users := g.company.Users
	for i := range users {
		if users[i].OfficeLocation == deskLacksOffice && !troubled[i] {
			return
		}
	}
	o := slices.IndexFunc(offices, func(o office) bool { return o.name == deskLacksOffice })
	for i := range slices.Backward(users) {
		if i > 0 && !troubled[i] && g.posts[i].height == 0 {
			u := &users[i]
			u.OfficeLocation, u.StreetAddress, u.PostalCode = offices[o].name, offices[o].street, offices[o].postalCode
			u.City, u.State, u.Country, u.UsageLocation = offices[o].city, offices[o].state, offices[o].country, offices[o].code
			u.TimeZone, u.PreferredLanguage = offices[o].zone, offices[o].languages[0]
			return
		}
	}
}

// unassignLeader takes the leader of the smallest team that has no trouble yet
// out of the assigned group: the team's people arrive without their manager.
func (g *generator) unassignLeader(troubled []bool) {
	// Somebody of the team must be left to whom it can happen.
	untroubled := make([]bool, len(g.posts))
	for i, p := range g.posts {
		if i > 0 && !troubled[i] {
			untroubled[p.leader] = true
		}
	}
	leader := 0
	for i, p := range g.posts {
		if i > 0 && p.height == 1 && !troubled[i] && untroubled[i] && (leader == 0 || p.reports < g.posts[leader].reports) {
			leader = i
		}
	}
	if leader == 0 {
		return
	}
	users := g.company.Users
	g.assigned[leader], troubled[leader] = false, true
	g.trouble(NotAssigned, &users[leader], "the person leads a team and is not a member of the assigned group")
	for i, p := range g.posts {
		if p.leader == leader && !troubled[i] {
			troubled[i] = true
			g.trouble(ManagerMissing, &users[i], fmt.Sprintf("the manager, %s, is not provisioned", users[leader].UserPrincipalName))
		}
	}
}

func (g *generator) holdByInactive(u *User) string {
	d := &g.company.DeskSeed
	d.Requesters = append(d.Requesters, deskPerson(u, false))
	return "the service desk has an inactive requester with this e-mail address"
}

func (g *generator) holdByAgent(u *User) string {
	d := &g.company.DeskSeed
	d.Agents = append(d.Agents, deskPerson(u, true))
	return "the service desk has an agent with this e-mail address"
}

// marry gives u a new family name: the userPrincipalName follows, the mailbox
// keeps its address.
func (g *generator) marry(u *User) string {
	family := g.pick(cultures[english].family)
	if family == u.Surname {
		family = "Marchbanks"
	}
	u.Surname = family
	u.DisplayName = u.GivenName + " " + family
	u.MailNickname = g.nickname(u.GivenName, family)
	u.UserPrincipalName = u.MailNickname + "@" + g.company.Domain
	return fmt.Sprintf("mail %s is not the userPrincipalName %s", u.Mail, u.UserPrincipalName)
}

// lengthen gives u a name with an apostrophe that fills an address's local
// part (64 characters, RFC 5321 section 4.5.3.1.1) nearly to the end.
func (g *generator) lengthen(u *User) string {
	u.GivenName, u.Surname = "Maximiliane-Seraphina", "O'Callaghan-Montgomery de Villeneuve"
	u.DisplayName = u.GivenName + " " + u.Surname
	const local = "maximiliane-seraphina.o'callaghan-montgomery-de-villeneuve"
	g.local[local]++
	u.MailNickname = local
	if c := g.local[local]; c > 1 {
		u.MailNickname = fmt.Sprintf("%s%d", local, c)
	}
	u.UserPrincipalName = u.MailNickname + "@" + g.company.Domain
	u.Mail = u.UserPrincipalName
	return fmt.Sprintf("the userPrincipalName has an apostrophe and %d characters before the @", len(u.MailNickname))
}

// seedDesk lists what the service desk has before the first cycle: all
// departments and locations but one each.
func (g *generator) seedDesk() {
	d := &g.company.DeskSeed
	d.Departments = append(d.Departments, executive)
	for _, dept := range departments {
		if dept.name != deskLacksDepartment {
			d.Departments = append(d.Departments, dept.name)
		}
	}
	for _, o := range offices {
		if o.name != deskLacksOffice {
			d.Locations = append(d.Locations, DeskLocation{Name: o.name, City: o.city, Country: o.country})
		}
	}
}

// knownToDesk puts some people without trouble into the service desk, where
// matching must find them.
func (g *generator) knownToDesk(free []int) {
	d := &g.company.DeskSeed
	for _, i := range free[:min(len(free), max(1, len(g.posts)/100))] {
		p := deskPerson(&g.company.Users[i], true)
		p.JobTitle = "" // something for the first cycle to fill in
		d.Requesters = append(d.Requesters, p)
	}
}

func deskPerson(u *User, active bool) DeskPerson {
	return DeskPerson{FirstName: u.GivenName, LastName: u.Surname, Email: u.Mail, JobTitle: u.JobTitle, Active: active, UserID: u.ID}
}

// makeGroups makes the assigned group, and one group for each department.
func (g *generator) makeGroups() {
	assigned := Group{
		ODataType: groupType, ID: g.uuid(), DisplayName: "Freshservice users", MailNickname: "freshservice-users",
		Description: "Everyone who is assigned to Freshservice", SecurityEnabled: true,
	}
	byDepartment := map[string][]string{}
	for i := range g.company.Users {
		u := &g.company.Users[i]
		if g.assigned[i] {
			assigned.Members = append(assigned.Members, u.ID)
		}
		byDepartment[u.Department] = append(byDepartment[u.Department], u.ID)
	}
	slices.Sort(assigned.Members)
	g.company.AssignedGroupID = assigned.ID
	g.company.Groups = append(g.company.Groups, assigned)
	for _, dept := range departments {
		members := byDepartment[dept.name]
		if len(members) == 0 {
			continue
		}
		slices.Sort(members)
		g.company.Groups = append(g.company.Groups, Group{
			ODataType: groupType, ID: g.uuid(), DisplayName: "Department " + dept.name, MailNickname: "department-" + plain(dept.name),
			Description: "Everyone in " + dept.name, SecurityEnabled: true, Members: members,
		})
	}
}

const groupType = "#microsoft.graph.group"

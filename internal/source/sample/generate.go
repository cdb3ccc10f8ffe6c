package sample

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Generate makes up a company. The same options give the same company.
func Generate(o Options) *Company {
	if o.People <= 0 {
		o.People = DefaultPeople
	}
	if o.Domain == "" {
		o.Domain = DefaultDomain
	}
	g := &generator{
		rand:      rand.New(rand.NewPCG(o.Seed, 0x10c57e9)),
		company:   &Company{Name: "Halden & Rowe", Domain: strings.ToLower(o.Domain)},
		local:     make(map[string]int, o.People),
		employees: 1000,
	}
	g.organise(o.People)
	g.company.Users = make([]User, o.People)
	for i := range o.People {
		g.person(i)
	}
	g.seedDesk()
	g.makeTrouble()
	g.makeGroups()
	// Files come in the order in which a directory happens to keep its entries.
	g.rand.Shuffle(o.People, func(i, j int) {
		u := g.company.Users
		u[i], u[j] = u[j], u[i]
	})
	return g.company
}

// A generator holds what must be known while a company is being made. People
// are numbered in the order of the organisation: 0 is the chief executive, and
// leaders come before those whom they lead.
type generator struct {
	rand      *rand.Rand
	company   *Company
	posts     []post
	local     map[string]int // how often the local part of an address was wanted
	employees int
	assigned  []bool
}

// A post is a person's place in the organisation.
type post struct {
	leader     int // -1: the chief executive
	department int // -1: the chief executive
	height     int // 0 leads nobody, 1 leads people who lead nobody, …
	reports    int
	office     int
}

// organise divides n people into departments and teams. Leaders have 5 to 12
// direct reports wherever there are enough people.
func (g *generator) organise(n int) {
	g.posts = make([]post, 1, n)
	g.posts[0] = post{leader: -1, department: -1}
	for d, size := range g.departmentSizes(n - 1) {
		if size == 0 {
			continue
		}
		head := g.appoint(0, d)
		g.team(head, d, size-1)
	}
	for i := n - 1; i > 0; i-- {
		l := &g.posts[g.posts[i].leader]
		l.height = max(l.height, g.posts[i].height+1)
		l.reports++
	}
}

// departmentSizes shares n people out by the departments' weights; every
// department has at least its head while people last.
func (g *generator) departmentSizes(n int) []int {
	sizes := make([]int, len(departments))
	// The youngest department has the last place of the table, and must not be
	// the one that a small company lacks: the service desk lacks it already.
	for _, d := range append([]int{len(sizes) - 1}, g.rand.Perm(len(sizes)-1)...) {
		if n > 0 {
			sizes[d]++
			n--
		}
	}
	total := 0
	for _, d := range departments {
		total += d.weight
	}
	left := n
	for d := range sizes {
		share := n * departments[d].weight / total
		sizes[d] += share
		left -= share
	}
	sizes[0] += left
	return sizes
}

func (g *generator) appoint(leader, dept int) int {
	p := post{leader: leader, department: dept, office: g.posts[leader].office}
	// A team sits together for the most part; department heads sit where their
	// departments grew up.
	if leader == 0 || g.rand.IntN(100) < 40 {
		p.office = g.anyOffice()
	}
	g.posts = append(g.posts, p)
	return len(g.posts) - 1
}

func (g *generator) anyOffice() int {
	total := 0
	for _, o := range offices {
		total += o.weight
	}
	n := g.rand.IntN(total)
	for i, o := range offices {
		if n -= o.weight; n < 0 {
			return i
		}
	}
	return 0
}

// The span of control: how many people one leader leads.
const (
	minSpan = 5
	maxSpan = 12
)

// team puts n people under leader.
func (g *generator) team(leader, dept, n int) {
	if n <= maxSpan {
		for range n {
			g.appoint(leader, dept)
		}
		return
	}
	direct := min(minSpan+g.rand.IntN(maxSpan-minSpan+1), n-minSpan)
	rest := n - direct
	leaders := min(direct, rest/minSpan)
	first := len(g.posts)
	for range direct {
		g.appoint(leader, dept)
	}
	for i := range leaders {
		size := rest / (leaders - i)
		// Teams differ in size, but none may fall below the smallest span.
		if spare := min(size-minSpan, (rest-size)/max(1, leaders-i-1)-minSpan, size/3); i < leaders-1 && spare > 0 {
			size += g.rand.IntN(2*spare+1) - spare
		}
		rest -= size
		g.team(first+i, dept, size)
	}
}

// person fills in user i.
func (g *generator) person(i int) {
	p, u := &g.posts[i], &g.company.Users[i]
	o := &offices[p.office]
	c := &cultures[o.cultures[0]]
	if len(o.cultures) > 1 && g.rand.IntN(100) < 30 {
		c = &cultures[o.cultures[1+g.rand.IntN(len(o.cultures)-1)]]
	}
	u.ID = g.uuid()
	u.GivenName, u.Surname = g.pick(c.given), g.pick(c.family)
	u.DisplayName = u.GivenName + " " + u.Surname
	if c.familyFirst {
		u.DisplayName = u.Surname + " " + u.GivenName
	}
	u.MailNickname = g.nickname(u.GivenName, u.Surname)
	u.UserPrincipalName = u.MailNickname + "@" + g.company.Domain
	u.Mail = u.UserPrincipalName
	u.CompanyName = g.company.Name
	g.employees += 1 + g.rand.IntN(3)
	u.EmployeeID = fmt.Sprintf("%07d", g.employees)
	u.UserType = "Member"
	u.AccountEnabled = true
	u.Department, u.JobTitle = g.rank(p)

	u.OfficeLocation, u.StreetAddress, u.PostalCode = o.name, o.street, o.postalCode
	u.City, u.State, u.Country, u.UsageLocation = o.city, o.state, o.country, o.code
	u.TimeZone = o.zone
	u.PreferredLanguage = o.languages[0]
	if n := len(o.languages); n > 1 && g.rand.IntN(100) < 20 {
		u.PreferredLanguage = o.languages[1+g.rand.IntN(n-1)]
	}
	u.BusinessPhones = []string{g.number(o.phone)}
	if g.rand.IntN(100) < 60 {
		country, _, _ := strings.Cut(o.phone, " ")
		u.MobilePhone = g.number(country + " 7## 555 ####")
	}
	if g.rand.IntN(100) < 15 {
		u.OtherMails = []string{u.MailNickname + "@letterbox.example"}
	}
	if p.leader >= 0 {
		u.Manager = &Reference{ODataType: "#microsoft.graph.user", ID: g.company.Users[p.leader].ID}
	}
}

// rank returns the department and the job title of a post.
func (g *generator) rank(p *post) (dept, title string) {
	if p.leader < 0 {
		return executive, "Chief Executive Officer"
	}
	d := &departments[p.department]
	switch {
	case p.leader == 0:
		return d.name, d.head
	case p.height == 0:
		return d.name, g.pick(d.titles)
	default:
		return d.name, d.middle[max(0, len(d.middle)-p.height)]
	}
}

func (g *generator) pick(list []string) string { return list[g.rand.IntN(len(list))] }

// number returns a telephone number that follows the pattern.
func (g *generator) number(pattern string) string {
	b := []byte(pattern)
	for i, c := range b {
		if c == '#' {
			b[i] = byte('0' + g.rand.IntN(10))
		}
	}
	return string(b)
}

// uuid returns a random UUID (RFC 9562, version 4) of the company's own dice.
func (g *generator) uuid() string {
	hi := g.rand.Uint64()&^0xf000 | 0x4000
	lo := g.rand.Uint64()&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&0xffffffffffff)
}

// nickname returns the local part of a new address: given.family in plain
// letters, and a number when others came first.
func (g *generator) nickname(given, family string) string {
	n := plain(given) + "." + plain(family)
	g.local[n]++
	for c := g.local[n]; c > 1; c++ {
		numbered := fmt.Sprintf("%s%d", n, c)
		if g.local[numbered] == 0 {
			g.local[n] = c
			g.local[numbered] = 1
			return numbered
		}
	}
	return n
}

// letters that do not come apart into a base letter and a mark.
var letters = strings.NewReplacer("ß", "ss", "æ", "ae", "ø", "o", "œ", "oe", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "ı", "i")

// plain returns s in lower-case ASCII letters, digits and hyphens.
func plain(s string) string {
	s = letters.Replace(strings.ToLower(s))
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-':
			b.WriteRune(r)
		case unicode.IsSpace(r):
			b.WriteByte('-')
		}
	}
	return b.String()
}

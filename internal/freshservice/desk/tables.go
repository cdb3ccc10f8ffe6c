package desk

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strings"
)

// The names Freshservice accepts for time_zone are those of Rails, for
// language the choices of the field language in requester_fields.
var (
	//go:embed data/timezones.csv
	timeZonesCSV string
	//go:embed data/languages.csv
	languagesCSV string
	//go:embed data/default_agent_roles.csv
	rolesCSV string
)

// The default roles that the API's rules name.
const (
	accountAdmin     Text = "Account Admin"
	admin            Text = "Admin"
	serviceDeskAgent Text = "SD Agent"
)

// timeZones, languages and timeFormats map each name to itself, so that people
// share one copy.
var (
	timeZones, _             = column(timeZonesCSV)
	languages, languageCodes = column(languagesCSV)
	timeFormats              = map[string]string{"12h": "12h", "24h": "24h"}
	languageChoices          = pairs(languagesCSV)
)

// records reads an embedded table without its header.
func records(table string) [][]string {
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil {
		panic(fmt.Sprintf("desk: embedded table: %v", err))
	}
	return rows[1:]
}

func column(table string) (map[string]string, []string) {
	m := map[string]string{}
	var names []string
	for _, r := range records(table) {
		m[r[0]] = r[0]
		names = append(names, r[0])
	}
	return m, names
}

func pairs(table string) map[string]string {
	m := map[string]string{}
	for _, r := range records(table) {
		m[r[0]] = r[1]
	}
	return m
}

// defaultRoles are the roles of a new account, in id order.
func defaultRoles() []Role {
	var roles []Role
	for _, r := range records(rolesCSV) {
		role := Role{Name: Text(r[0]), Description: Text(r[1]), Default: true, RoleType: 2}
		if role.Name == accountAdmin || role.Name == admin {
			role.RoleType = 1
		}
		roles = append(roles, role)
	}
	return roles
}

// defaultRequesterGroups are the rule-based groups of a new account.
func defaultRequesterGroups() []RequesterGroup {
	var gs []RequesterGroup
	for _, n := range []Text{"Managers", "HR Team", "Finance Team", "Change Requesters"} {
		gs = append(gs, RequesterGroup{Name: n, Type: RuleBased, WorkspaceID: primaryWorkspace})
	}
	return gs
}

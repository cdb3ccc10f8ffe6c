package graphtest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A round is one answer to a delta query, cut into pages when it began, so that
// each page is the same whenever it is asked for.
type round struct {
	pages   [][]map[string]any
	next    string // the delta token after it
	context string
}

var filterID = regexp.MustCompile(`id eq '([^']+)'`)

// delta answers /users/delta and /groups/delta.
func (g *Graph) delta(w http.ResponseWriter, r *http.Request, group bool) {
	q := lowerQuery(r.URL.Query())
	self := "http://" + r.Host + r.URL.Path
	if skip := q.Get("$skiptoken"); skip != "" {
		g.page(w, self, skip)
		return
	}
	for _, name := range []string{"$expand", "$top", "$orderby"} {
		if q.Has(name) {
			g.fail(w, http.StatusBadRequest, "Request_UnsupportedQuery", name+" is not supported with delta.")
			return
		}
	}
	since, selected, ids := 0, []string(nil), []string(nil)
	first := !q.Has("$deltatoken") || q.Get("$deltatoken") == "latest"
	if first {
		if s := q.Get("$select"); s != "" {
			selected = strings.Split(s, ",")
		}
		if bad := unknownProperty(group, selected); bad != "" {
			g.fail(w, http.StatusBadRequest, "Request_BadRequest", "Could not find a property named '"+bad+"' on type 'microsoft.graph.user'.")
			return
		}
		for _, m := range filterID.FindAllStringSubmatch(q.Get("$filter"), -1) {
			ids = append(ids, m[1])
		}
		if len(ids) > 50 {
			g.fail(w, http.StatusBadRequest, "Request_UnsupportedQuery", "At most 50 objects can be filtered for.")
			return
		}
	} else {
		var ok bool
		if since, selected, ids, ok = parseToken(q.Get("$deltatoken")); !ok || since < g.forgot {
			w.Header().Set("Location", self+"?$deltatoken=")
			g.fail(w, http.StatusGone, "syncStateNotFound", "The sync state generation is not found.")
			return
		}
	}
	rd := &round{next: token(len(g.events), selected, ids), context: "$metadata#users"}
	if q.Get("$deltatoken") != "latest" {
		rd.pages = g.cut(g.entries(group, since, first, selected, ids))
	}
	if len(rd.pages) == 0 {
		rd.pages = [][]map[string]any{nil}
	}
	g.seq++
	id := fmt.Sprint("round", g.seq)
	g.rounds[id] = rd
	g.page(w, self, id+".0")
}

func (g *Graph) page(w http.ResponseWriter, self, skip string) {
	id, n, _ := strings.Cut(skip, ".")
	rd := g.rounds[id]
	i, err := strconv.Atoi(n)
	if rd == nil || err != nil || i < 0 || i >= len(rd.pages) {
		g.fail(w, http.StatusGone, "syncStateNotFound", "The sync state generation is not found.")
		return
	}
	page := map[string]any{"@odata.context": rd.context, "value": rd.pages[i]}
	if rd.pages[i] == nil {
		page["value"] = []any{}
	}
	if i+1 < len(rd.pages) {
		page["@odata.nextLink"] = self + "?$skiptoken=" + id + "." + strconv.Itoa(i+1)
	} else {
		page["@odata.deltaLink"] = self + "?$deltatoken=" + url.QueryEscape(rd.next)
	}
	g.answer(w, http.StatusOK, page)
}

// token makes a delta token. It carries the query, as Graph's do.
func token(since int, selected, ids []string) string {
	return fmt.Sprintf("%d|%s|%s", since, strings.Join(selected, ","), strings.Join(ids, ","))
}

func parseToken(s string) (since int, selected, ids []string, ok bool) {
	parts := strings.Split(s, "|")
	if len(parts) != 3 {
		return 0, nil, nil, false
	}
	since, err := strconv.Atoi(parts[0])
	if parts[1] != "" {
		selected = strings.Split(parts[1], ",")
	}
	if parts[2] != "" {
		ids = strings.Split(parts[2], ",")
	}
	return since, selected, ids, err == nil
}

// touched is what happened to one object since a token.
type touched struct {
	relevant bool
	added    map[string]bool // by related ID
	gone     map[string]bool
}

// entries are what a delta round lists.
func (g *Graph) entries(group bool, since int, first bool, selected, ids []string) []map[string]any {
	all := g.users
	if group {
		all = g.groups
	}
	found := map[string]*touched{}
	for _, e := range g.events[since:] {
		if e.id == "" || e.group != group {
			continue
		}
		t := found[e.id]
		if t == nil {
			t = &touched{added: map[string]bool{}, gone: map[string]bool{}}
			found[e.id] = t
		}
		if e.prop == "*" || len(selected) == 0 || slices.Contains(selected, e.prop) {
			t.relevant = true
		}
		if e.other != "" {
			delete(t.added, e.other)
			delete(t.gone, e.other)
			if e.gone {
				t.gone[e.other] = true
			} else {
				t.added[e.other] = true
			}
		}
	}
	var out, late []map[string]any
	for _, id := range slices.Sorted(maps.Keys(found)) {
		t, o := found[id], all[id]
		if !t.relevant || len(ids) > 0 && !slices.Contains(ids, id) {
			continue
		}
		// The first round lists what is there, and may list what is in the bin.
		if first && (o.state == purged || o.state == recycled && !g.chance()) {
			continue
		}
		if o.state != live {
			reason := "changed"
			if o.state == purged {
				reason = "deleted"
			}
			out = append(out, map[string]any{"id": id, "@removed": map[string]any{"reason": reason}})
			if g.Quirks.Contradict && g.chance() {
				out = append(out, g.project(o, selected))
			}
			continue
		}
		if g.Quirks.Contradict && o.moved && g.chance() {
			out = append(out, map[string]any{"id": id, "@removed": map[string]any{"reason": "changed"}})
		}
		if first {
			t.added, t.gone = maps.Clone(o.members), nil
			if !group && o.manager != "" {
				t.added = map[string]bool{o.manager: true}
			}
		}
		entry := g.project(o, selected)
		relation := "manager"
		if group {
			relation = "members"
		}
		related := g.related(t)
		if len(related) == 0 || len(selected) > 0 && !slices.Contains(selected, relation) || !first && !group && g.Quirks.SilentManager {
			out = append(out, entry)
			continue
		}
		if first && !group && g.Quirks.LateManager {
			again := maps.Clone(entry)
			again["manager@delta"] = related
			out, late = append(out, entry), append(late, again)
			continue
		}
		n := len(related)
		if group && g.Quirks.MembersPerEntry > 0 {
			n = g.Quirks.MembersPerEntry
		}
		for part := range slices.Chunk(related, n) {
			e := maps.Clone(entry)
			e[relation+"@delta"] = part
			out = append(out, e)
		}
	}
	return append(out, late...)
}

func (g *Graph) related(t *touched) []any {
	var related []any
	for _, id := range slices.Sorted(maps.Keys(t.added)) {
		related = append(related, map[string]any{"@odata.type": g.typeOf(id), "id": id})
	}
	for _, id := range slices.Sorted(maps.Keys(t.gone)) {
		related = append(related, map[string]any{"@odata.type": g.typeOf(id), "id": id, "@removed": map[string]any{"reason": "deleted"}})
	}
	return related
}

// project shows the selected properties. One that was never set is absent.
func (g *Graph) project(o *object, selected []string) map[string]any {
	m := map[string]any{"id": o.id}
	for name, v := range o.props {
		if len(selected) == 0 || slices.Contains(selected, name) {
			m[name] = v
		}
	}
	return m
}

func (g *Graph) chance() bool { return g.Quirks.Rand != nil && g.Quirks.Rand.IntN(2) == 0 }

// cut makes pages of entries, with the quirks.
func (g *Graph) cut(entries []map[string]any) [][]map[string]any {
	if rnd := g.Quirks.Rand; rnd != nil {
		if g.Quirks.Repeat && len(entries) > 0 {
			for range 1 + rnd.IntN(3) {
				entries = append(entries, entries[rnd.IntN(len(entries))])
			}
		}
		if g.Quirks.Shuffle {
			rnd.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		}
	}
	var pages [][]map[string]any
	for p := range slices.Chunk(entries, max(1, g.PageSize)) {
		if g.Quirks.EmptyPages && g.chance() {
			pages = append(pages, nil)
		}
		pages = append(pages, p)
	}
	if g.Quirks.EmptyPages && g.chance() {
		pages = append(pages, nil)
	}
	return pages
}

func lowerQuery(q url.Values) url.Values {
	l := url.Values{}
	for name, v := range q {
		l[strings.ToLower(name)] = v
	}
	return l
}

// properties are those of the v1.0 metadata that delta can select.
var properties = map[bool][]string{
	false: strings.Fields(`id accountEnabled ageGroup assignedLicenses businessPhones city companyName consentProvidedForMinor country
		createdDateTime creationType department displayName employeeHireDate employeeId employeeOrgData employeeType externalUserState
		externalUserStateChangeDateTime faxNumber givenName imAddresses jobTitle legalAgeGroupClassification mail mailNickname manager
		mobilePhone officeLocation onPremisesDistinguishedName onPremisesDomainName onPremisesExtensionAttributes onPremisesImmutableId
		onPremisesLastSyncDateTime onPremisesSamAccountName onPremisesSecurityIdentifier onPremisesSyncEnabled
		onPremisesUserPrincipalName otherMails passwordPolicies postalCode preferredDataLocation preferredLanguage proxyAddresses
		securityIdentifier showInAddressList signInSessionsValidFromDateTime state streetAddress surname usageLocation
		userPrincipalName userType lastPasswordChangeDateTime employeeLeaveDateTime`),
	true: strings.Fields(`id classification createdDateTime description displayName expirationDateTime groupTypes isAssignableToRole mail
		mailEnabled mailNickname members membershipRule membershipRuleProcessingState onPremisesDomainName onPremisesLastSyncDateTime
		onPremisesNetBiosName onPremisesSamAccountName onPremisesSecurityIdentifier onPremisesSyncEnabled owners preferredDataLocation
		preferredLanguage proxyAddresses renewedDateTime securityEnabled securityIdentifier theme visibility`),
}

func unknownProperty(group bool, selected []string) string {
	for _, name := range selected {
		if !strings.HasPrefix(name, "extension_") && !slices.Contains(properties[group], name) {
			return name
		}
	}
	return ""
}

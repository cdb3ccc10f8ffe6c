package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"lockstep/internal/account"
	"lockstep/internal/api"
)

// addEmbedded adds an embedded directory and returns its token.
func addEmbedded(t *testing.T, s *Server, name string) string {
	t.Helper()
	a, err := s.AddAccount(t.Context(), api.NewAccount{Kind: account.KindEmbedded, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return a.SecretToken
}

// field returns the text at a path of names in a JSON body.
func field(t testing.TB, body string, path ...string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

// TestAccountsSeeNothingOfEachOther sends, with the token of one account,
// requests that name what another one has, and the same requests with names
// that nobody has: the answers must not tell which is which.
func TestAccountsSeeNothingOfEachOther(t *testing.T) {
	var log safeBuffer
	s := startServer(t, t.TempDir(), &log)
	mine, theirs := addEmbedded(t, s, "mine"), addEmbedded(t, s, "theirs")
	base := s.TenantURL()
	create := func(token, path, body string) string {
		t.Helper()
		status, answer := call(t, token, "POST", base+path, body)
		if status != http.StatusCreated {
			t.Fatalf("POST %s: %d %s", path, status, answer)
		}
		return field(t, answer, "id")
	}
	group := func(name, member string) string {
		return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"` + name + `","members":[{"value":"` + member + `"}]}`
	}
	theirUser := create(theirs, "/Users", userBody("theirs@example.com"))
	for i := range 5 {
		create(theirs, "/Users", userBody(fmt.Sprintf("their%d@example.com", i)))
	}
	theirGroup := create(theirs, "/Groups", group("Theirs", theirUser))
	myUser := create(mine, "/Users", userBody("mine@example.com"))
	create(mine, "/Users", userBody("mine2@example.com"))
	myGroup := create(mine, "/Groups", group("Mine", myUser))
	_, page := call(t, theirs, "GET", base+"/Users?cursor=&count=2", "")
	theirCursor := field(t, page, "nextCursor")
	_, page = call(t, mine, "GET", base+"/Users?cursor=&count=1", "")
	if theirCursor == "" || field(t, page, "nextCursor") == "" {
		t.Fatal("no cursors to try")
	}
	_, before := call(t, theirs, "GET", base+"/Users?count=100", "")

	patch := func(op string) string {
		return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + op + `]}`
	}
	type request struct{ method, path, body string }
	requests := func(user, group, cursor string) []request {
		manager := `{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"` + user + `"}`
		return []request{
			{"GET", "/Users/" + user, ""},
			{"GET", "/Groups/" + group, ""},
			{"GET", "/Users/" + group, ""},
			{"PUT", "/Users/" + user, userBody("theirs@example.com")},
			{"PATCH", "/Users/" + user, patch(`{"op":"replace","path":"active","value":false}`)},
			{"PATCH", "/Groups/" + group, patch(`{"op":"add","path":"members","value":[{"value":"` + myUser + `"}]}`)},
			{"PATCH", "/Groups/" + myGroup, patch(`{"op":"add","path":"members","value":[{"value":"` + user + `"}]}`)},
			{"PATCH", "/Groups/" + myGroup, patch(`{"op":"remove","path":"members[value eq \"` + user + `\"]"}`)},
			{"PATCH", "/Groups/" + myGroup, patch(`{"op":"remove","path":"members","value":[{"value":"` + user + `"}]}`)},
			{"PATCH", "/Users/" + myUser, patch(manager)},
			{"DELETE", "/Users/" + user, ""},
			{"DELETE", "/Groups/" + group, ""},
			{"GET", "/Users?cursor=" + url.QueryEscape(cursor), ""},
			{"GET", "/Groups?cursor=" + url.QueryEscape(cursor), ""},
			{"GET", "?cursor=" + url.QueryEscape("User."+cursor), ""},
			{"GET", "/Users?filter=" + url.QueryEscape(`id eq "`+user+`"`), ""},
			{"GET", "/Groups?filter=" + url.QueryEscape(`members.value eq "`+user+`"`), ""},
			{"GET", "/Users?filter=" + url.QueryEscape(`groups.value eq "`+group+`"`), ""},
			{"GET", "/Users?filter=" + url.QueryEscape(`id eq "`+myUser+`" and manager eq "`+user+`"`), ""},
			{"POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"New","members":[{"value":"` + user + `"}]}`},
			{"POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
				{"method":"DELETE","path":"/Users/` + user + `"},{"method":"PATCH","path":"/Groups/` + group + `","data":` + patch(`{"op":"replace","path":"displayName","value":"x"}`) + `}]}`},
		}
	}
	// What is there for good in an answer, whoever asks for what.
	moving := regexp.MustCompile(`"(lastModified|created|version)":"(\\.|[^"\\])*"|W/\\?"\d+\\?"`)
	plain := func(body, user, group, cursor string) string {
		body = strings.NewReplacer(user, "USER", group, "GROUP", url.QueryEscape(cursor), "CURSOR", cursor, "CURSOR").Replace(body)
		return moving.ReplaceAllString(body, "")
	}
	n := len(requests("", "", ""))
	rapid.Check(t, func(rt *rapid.T) {
		i := rapid.IntRange(0, n-1).Draw(rt, "request")
		unknownUser, unknownGroup := uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String()
		// As well made as theirs, and nobody's: theirs with other letters.
		unknownCursor := strings.Map(func(r rune) rune {
			if r >= 'a' && r < 'z' {
				return r + 1
			}
			return r
		}, theirCursor)
		foreign, unknown := requests(theirUser, theirGroup, theirCursor)[i], requests(unknownUser, unknownGroup, unknownCursor)[i]
		status, body := call(t, mine, foreign.method, base+foreign.path, foreign.body)
		wantStatus, wantBody := call(t, mine, unknown.method, base+unknown.path, unknown.body)
		got, want := plain(body, theirUser, theirGroup, theirCursor), plain(wantBody, unknownUser, unknownGroup, unknownCursor)
		if status != wantStatus || got != want {
			rt.Fatalf("%s %s tells what another account has: %d, and for what nobody has %d\n%s",
				foreign.method, foreign.path, status, wantStatus, cmp.Diff(want, got))
		}
		if strings.Contains(body, "theirs@") || strings.Contains(body, "Theirs") {
			rt.Fatalf("%s %s shows what another account has: %s", foreign.method, foreign.path, body)
		}
	})
	if _, after := call(t, theirs, "GET", base+"/Users?count=100", ""); after != before {
		t.Errorf("the other account has changed:\n%s", cmp.Diff(before, after))
	}
	// Names are free in each account of its own.
	create(mine, "/Users", userBody("theirs@example.com"))
	create(mine, "/Groups", group("Theirs", myUser))
}

// TestExportThenImport reads everything of one account by cursor, writes it into
// another one, and finds the same there.
func TestExportThenImport(t *testing.T) {
	var log safeBuffer
	s := startServer(t, t.TempDir(), &log)
	base := s.TenantURL()
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		from, to := addEmbedded(t, s, fmt.Sprint("from", round)), addEmbedded(t, s, fmt.Sprint("to", round))
		post := func(token, path string, body any) string {
			b, err := json.Marshal(body)
			if err != nil {
				rt.Fatal(err)
			}
			status, answer := call(t, token, "POST", base+path, string(b))
			if status != http.StatusCreated {
				rt.Fatalf("POST %s %s: %d %s", path, b, status, answer)
			}
			return field(t, answer, "id")
		}
		const enterprise, own = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "urn:acme:hr:2.0:User"
		text := rapid.StringMatching(`[a-zA-Zäß"\\<&é 0-9]{0,12}`)
		var users []string
		for i := range rapid.IntRange(0, 12).Draw(rt, "users") {
			u := map[string]any{"userName": fmt.Sprintf("User%d@example.com", i), "active": rapid.Bool().Draw(rt, "active"), "displayName": text.Draw(rt, "displayName"),
				"name": map[string]any{"givenName": text.Draw(rt, "givenName"), "familyName": "F"}}
			for j := range rapid.IntRange(0, 2).Draw(rt, "emails") {
				list, _ := u["emails"].([]any)
				u["emails"] = append(list, map[string]any{"type": []string{"work", "home"}[j], "value": fmt.Sprintf("%d-%d@example.com", i, j), "primary": j == 0})
			}
			if rapid.Bool().Draw(rt, "own") {
				u[own] = map[string]any{"badge": i, "tags": []any{"x", text.Draw(rt, "tag")}, "desk": map[string]any{"floor": 1.5}}
			}
			if len(users) > 0 && rapid.Bool().Draw(rt, "manager") {
				u[enterprise] = map[string]any{"department": "D", "manager": map[string]any{"value": rapid.SampledFrom(users).Draw(rt, "of")}}
			}
			users = append(users, post(from, "/Users", u))
		}
		for i := range rapid.IntRange(0, 3).Draw(rt, "groups") {
			members := []any{}
			for _, id := range users {
				if rapid.Bool().Draw(rt, "member") {
					members = append(members, map[string]any{"value": id})
				}
			}
			post(from, "/Groups", map[string]any{"displayName": fmt.Sprint("Group ", i), "externalId": text.Draw(rt, "externalId"), "members": members})
		}
		export := func(token string) []map[string]any {
			var all []map[string]any
			for _, path := range []string{"/Users", "/Groups"} {
				for next, first := "", true; first || next != ""; first = false {
					_, body := call(t, token, "GET", fmt.Sprintf("%s%s?count=%d&cursor=%s", base, path, rapid.IntRange(1, 5).Draw(rt, "page"), url.QueryEscape(next)), "")
					var page struct {
						Resources  []map[string]any
						NextCursor string
					}
					if err := json.Unmarshal([]byte(body), &page); err != nil {
						rt.Fatalf("%v: %s", err, body)
					}
					all = append(all, page.Resources...)
					next = page.NextCursor
				}
			}
			return all
		}
		exported := export(from)
		ids := map[string]string{} // old → new
		for _, r := range exported {
			path := "/" + r["meta"].(map[string]any)["resourceType"].(string) + "s"
			old := r["id"].(string)
			delete(r, "id")
			delete(r, "meta")
			delete(r, "groups")
			ids[old] = post(to, path, renamed(r, ids))
		}
		imported := export(to)
		for _, r := range imported {
			delete(r, "id")
			delete(r, "meta")
			delete(r, "groups")
		}
		for i := range exported {
			exported[i] = renamed(exported[i], ids).(map[string]any)
		}
		if diff := cmp.Diff(exported, imported); diff != "" {
			rt.Fatalf("imported (-exported +imported):\n%s", diff)
		}
	})
}

// renamed returns v with new ids for old ones.
func renamed(v any, ids map[string]string) any {
	switch v := v.(type) {
	case string:
		if id, ok := ids[v]; ok {
			return id
		}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = renamed(v[i], ids)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = renamed(e, ids)
		}
		return out
	}
	return v
}

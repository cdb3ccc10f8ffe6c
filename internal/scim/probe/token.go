package probe

import (
	"crypto/rand"
	"net/http"
	"strings"
)

var tokenSections = []section{{name: "Token", need: "reach", checks: []check{
	{
		id: "token-accepted", title: "The token is accepted",
		expect: "200 to GET /Users with the token",
		breaks: anyClient, refs: "RFC 6750 section 2.1; CRED-04; CRED-10",
		run: func(t *trial) {
			a := t.get("/Users", "count", "1")
			if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
				t.fail("GET /Users answered %s; check that the token is whole, belongs to this URL and has not expired", a.summary())
			}
			a.is(200)
		},
	},
	{
		id: "token-missing", title: "A request without a token is refused",
		expect: "401 to GET /Users without an Authorization header",
		breaks: anyClient, refs: "RFC 7644 section 2; RFC 6750 section 3; COMP-19",
		run: func(t *trial) {
			t.unauth = t.send(request{method: http.MethodGet, path: "/Users", query: "count=1", authorization: none})
			t.unauth.is(401)
		},
	},
	{
		id: "token-wrong", title: "A wrong token is refused",
		expect: "401 to GET /Users with a random token",
		breaks: anyClient, refs: "RFC 6750 section 3.1; CRED-05; COMP-19",
		run: func(t *trial) {
			wrong := rand.Text()
			a := t.send(request{method: http.MethodGet, path: "/Users", query: "count=1", authorization: "Bearer " + wrong})
			a.is(401)
			if strings.Contains(string(a.body), wrong) {
				t.fail("the refusal repeats the token that was sent")
			}
		},
	},
	{
		id: "token-basic", title: "A user name and a password are no token",
		expect: "401 to GET /Users with HTTP Basic credentials",
		breaks: anyClient, refs: "RFC 7644 section 2; CRED-04",
		run: func(t *trial) {
			// The user name is "lockstep-probe", the password "wrong".
			t.send(request{method: http.MethodGet, path: "/Users", query: "count=1", authorization: "Basic bG9ja3N0ZXAtcHJvYmU6d3Jvbmc="}).is(401)
		},
	},
	{
		id: "token-write", title: "Nothing is written without a token", writes: true,
		expect: "401 to POST /Users without an Authorization header",
		breaks: anyClient, refs: "RFC 7644 section 2",
		run: func(t *trial) {
			t.send(request{method: http.MethodPost, path: "/Users", body: t.json(t.userBody()), authorization: none}).is(401)
		},
	},
	{
		id: "token-challenge", title: "A refusal says which kind of credentials is wanted", need: "token-missing",
		expect: "a WWW-Authenticate header that names Bearer in the 401",
		breaks: []string{"few"}, refs: "RFC 9110 section 11.6.1; RFC 6750 section 3",
		run: func(t *trial) {
			a := t.recall(t.unauth)
			if h := a.header.Get("Www-Authenticate"); !strings.Contains(strings.ToLower(h), "bearer") {
				t.warn("the 401 has the WWW-Authenticate header %q", h)
			}
		},
	},
}}}

// lastSections look back at the whole run.
var lastSections = []section{{name: "Secrets", need: "token-accepted", checks: []check{
	{
		id: "token-not-leaked", title: "No answer repeated the token",
		expect: "no response, of the whole run, with the token in its body or headers",
		breaks: anyClient, refs: "RFC 6819 section 5.1; RFC 7644 section 7.4",
		run: func(t *trial) {
			if len(t.leaks) > 0 {
				t.fail("%s held the token; the first was the answer to %s", count(len(t.leaks), "answer"), t.leaks[0])
			}
		},
	},
}}}

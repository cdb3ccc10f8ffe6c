package service

import (
	"errors"
	"strings"
	"unicode"

	"lockstep/internal/scim"
)

// An AuthFailure says why a request was not let in. It is for the
// administrator's log; the client always gets the same 401.
type AuthFailure string

// The reasons.
const (
	AuthMissing      AuthFailure = "missing"       // no Authorization header
	AuthRepeated     AuthFailure = "repeated"      // more than one Authorization header
	AuthBasic        AuthFailure = "basic"         // user name and password instead of a token
	AuthWrongScheme  AuthFailure = "wrong_scheme"  // neither Bearer nor Basic; often the bare token
	AuthEmptyToken   AuthFailure = "empty_token"   // Bearer and nothing after it
	AuthDoubleBearer AuthFailure = "double_bearer" // "Bearer Bearer x": the word was pasted with the token
	AuthQuoted       AuthFailure = "quoted"        // quotes around the token
	AuthWhiteSpace   AuthFailure = "white_space"   // white space before, after or inside the token
	AuthJWT          AuthFailure = "jwt"           // a JSON Web Token: the secret token was left empty in Entra ID
	AuthUnknownToken AuthFailure = "unknown_token" // well-formed, but no account has it
)

var errUnauthenticated = scim.Errorf(scim.Unauthenticated, "a valid bearer token is needed; check the secret token of the provisioning configuration")

// authenticate finds the account behind the request's token. Who fails too often
// is told to wait; a valid token is let in from everywhere at any time.
func (q *request) authenticate() error {
	err := q.identify()
	if err != errUnauthenticated {
		return err
	}
	wait := q.s.failures.add(q.s.clientAddr(q.r), q.start)
	if wait == 0 {
		return err
	}
	q.flooding = true
	limited := scim.Errorf(scim.RateLimited, "too many requests without a valid token from this address; check the token, wait and try again")
	limited.RetryAfter = wait
	return limited
}

// identify finds the account behind the request's token.
func (q *request) identify() error {
	token, failure := bearerToken(q.r.Header["Authorization"])
	if failure != "" {
		q.authFailure = failure
		return errUnauthenticated
	}
	a, err := q.s.accounts.ByToken(q.ctx(), token)
	if scim.IsType(err, scim.Unauthenticated) {
		q.authFailure = AuthUnknownToken
		if looksLikeJWT(token) {
			q.authFailure = AuthJWT
		}
		return errUnauthenticated
	}
	if err != nil {
		return err
	}
	if a == nil || a.Directory == nil {
		return errors.New("service: Accounts returned neither an account nor an error")
	}
	q.account = a
	return nil
}

// bearerToken takes the token out of the Authorization header (RFC 6750
// section 2.1), or says what is wrong with it.
func bearerToken(header []string) (string, AuthFailure) {
	switch len(header) {
	case 0:
		return "", AuthMissing
	case 1:
	default:
		return "", AuthRepeated
	}
	scheme, token, found := strings.Cut(header[0], " ")
	switch {
	case strings.TrimSpace(header[0]) == "":
		return "", AuthMissing
	case strings.EqualFold(scheme, "Basic"):
		return "", AuthBasic
	case !strings.EqualFold(scheme, "Bearer"):
		if name, _, tab := strings.Cut(header[0], "\t"); tab && strings.EqualFold(name, "Bearer") {
			return "", AuthWhiteSpace
		}
		return "", AuthWrongScheme
	case !found || strings.TrimSpace(token) == "":
		return "", AuthEmptyToken
	}
	trimmed := strings.TrimSpace(token)
	if len(trimmed) >= 7 && strings.EqualFold(trimmed[:6], "Bearer") && (trimmed[6] == ' ' || trimmed[6] == '\t') || strings.EqualFold(trimmed, "Bearer") {
		return "", AuthDoubleBearer
	}
	if strings.ContainsAny(trimmed, `"'`) || strings.ContainsAny(trimmed, "\u201c\u201d\u2018\u2019") {
		return "", AuthQuoted
	}
	for _, c := range token {
		// A byte order mark or a zero-width space comes with some clipboards.
		if unicode.IsSpace(c) || c == '\ufeff' || c == '\u200b' {
			return "", AuthWhiteSpace
		}
	}
	return token, ""
}

// looksLikeJWT reports whether token has the three parts of a JSON Web Token
// whose header begins with {" in base64.
func looksLikeJWT(token string) bool {
	return strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") == 2
}

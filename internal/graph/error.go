package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"lockstep/internal/secret"
)

// ErrResync is what an [*Error] is (in the sense of errors.Is) when Graph no
// longer knows the state behind a link: 410 Gone, an expired delta or page
// token. Everything must then be read again.
var ErrResync = errors.New("the delta token is no longer known to Microsoft Graph")

// resyncCodes are the OData error codes, in lower case, by which Graph says so
// with a status other than 410 (Microsoft Graph: delta query, synchronization
// reset and token duration).
var resyncCodes = map[string]bool{
	"syncstatenotfound": true, "syncstateinvalid": true, "resyncrequired": true,
	"resyncchangesapplydifferences": true, "resyncchangesuploaddifferences": true, "directory_expiredpagetoken": true,
}

// An Error is what Graph says instead of a result (Microsoft Graph: error
// responses and resource types).
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code and Message are Graph's own: "Request_ResourceNotFound".
	Code, Message string
	// InnerCode is the most specific code that Graph gave, "" if none.
	InnerCode string
	// Op is the request, with identifiers replaced: "GET /users/{id}".
	Op string
	// RequestID, ClientRequestID and Date are what Microsoft's support asks for.
	RequestID, ClientRequestID string
	Date                       string
	// RetryAfter is how long Graph asks to wait, 0 if it does not say.
	RetryAfter time.Duration
}

// Error says what was asked, what Graph answered and what to quote to support.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s was answered with %d", e.Op, e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if hint := e.hint(); hint != "" {
		b.WriteString(" (" + hint + ")")
	}
	if e.RequestID != "" {
		b.WriteString(" [request-id " + e.RequestID + "]")
	}
	return b.String()
}

func (e *Error) hint() string {
	switch {
	case e.Status == http.StatusUnauthorized:
		return "the token is not accepted: check tenant, client and cloud"
	case e.Status == http.StatusForbidden:
		return "the app lacks a permission: add it to the app registration as an application permission and grant admin consent"
	case e.Status/100 == 3:
		return "redirects are not followed, because the token would go along"
	}
	return ""
}

// Is reports whether target is [ErrResync] and e says so.
func (e *Error) Is(target error) bool {
	return target == ErrResync && (e.Status == http.StatusGone ||
		e.Status/100 == 4 && (resyncCodes[strings.ToLower(e.Code)] || resyncCodes[strings.ToLower(e.InnerCode)]))
}

// IsNotFound reports whether err says that an object does not exist.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsForbidden reports whether err says that the app lacks a permission.
func IsForbidden(err error) bool { return hasStatus(err, http.StatusForbidden) }

// IsUnauthorized reports whether err says that a token is missing or not accepted.
func IsUnauthorized(err error) bool {
	var a *AuthenticationError
	return hasStatus(err, http.StatusUnauthorized) || errors.As(err, &a) && !a.temporary()
}

func hasStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// An AuthenticationError means that the identity platform gave no token.
type AuthenticationError struct {
	Status int
	// Code is the OAuth error ("invalid_client"), AADSTS the platform's own number.
	Code   string
	AADSTS int
	// Description is the platform's text.
	Description            string
	CorrelationID, TraceID string
}

// aadsts says what to do about the errors that configurations run into
// (Microsoft identity platform: AADSTS error codes).
var aadsts = map[int]string{
	7000215: "the client secret is wrong: give the secret's value, not its ID",
	7000222: "the client secret has expired: create a new one under Certificates & secrets",
	700016:  "the tenant has no app with this client ID: check both",
	700027:  "the certificate is not registered with the app, or has expired: upload it under Certificates & secrets",
	90002:   "there is no such tenant: check the tenant ID and the cloud",
	900023:  "the tenant ID is neither an ID nor a domain",
	50034:   "the app does not exist in this tenant",
	7000112: "the app is disabled: enable it under Enterprise applications",
	500011:  "the tenant does not know Microsoft Graph of this cloud: check the cloud",
	53003:   "a Conditional Access policy blocks the app",
}

// Error says why there is no token, and what to do where that is known.
func (e *AuthenticationError) Error() string {
	text := fmt.Sprintf("the identity platform gave no token (%d %s)", e.Status, e.Code)
	if hint := aadsts[e.AADSTS]; hint != "" {
		text += ": " + hint
	}
	if e.Description != "" {
		text += ": " + e.Description
	}
	return text
}

func (e *AuthenticationError) temporary() bool {
	return e.Status == http.StatusTooManyRequests || e.Status >= 500 || e.Code == "temporarily_unavailable"
}

// A ConnectionError means that no answer came.
type ConnectionError struct {
	Host string
	Err  error
}

// Error says what went wrong on the way, and what to check.
func (e *ConnectionError) Error() string {
	var dns *net.DNSError
	var netErr net.Error
	switch {
	case errors.As(e.Err, &dns):
		return fmt.Sprintf("the host %q is not known: check the name server, the proxy and the cloud", e.Host)
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return e.Host + " refuses the connection: is a proxy needed?"
	case errors.Is(e.Err, context.DeadlineExceeded), errors.As(e.Err, &netErr) && netErr.Timeout():
		return e.Host + " did not answer in time"
	default:
		return fmt.Sprintf("the connection to %s failed: %s", e.Host, clean(e.Err.Error()))
	}
}

// Unwrap returns the cause.
func (e *ConnectionError) Unwrap() error { return e.Err }

// A LinkError means that a link is not followed, because the token would go to
// a host that nobody configured.
type LinkError struct{ Host, Want string }

func (e *LinkError) Error() string {
	return fmt.Sprintf("a link leads to %q and is not followed: the token is for %s alone", e.Host, e.Want)
}

// unwrapURL takes off the error of http.Client, which repeats the URL with its
// query.
func unwrapURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// maxDetail bounds what is repeated of a service's own words, in bytes.
const maxDetail = 600

// clean makes a service's words fit for an error: short, in one line, without
// secrets.
func clean(s string, secrets ...secret.Text) string {
	for _, t := range secrets {
		if t := t.Reveal(); t != "" {
			s = strings.ReplaceAll(s, t, "[secret]")
		}
	}
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxDetail {
		n := maxDetail
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + "…"
	}
	return s
}

// innerError is the nested part of an OData error. Graph has written it both
// innerError and innererror; encoding/json takes either.
type innerError struct {
	Code            string      `json:"code,omitempty"`
	Date            string      `json:"date,omitempty"`
	RequestID       string      `json:"request-id,omitempty"`
	ClientRequestID string      `json:"client-request-id,omitempty"`
	InnerError      *innerError `json:"innerError,omitempty"`
}

// ErrorBody is an OData error as it stands in an answer.
type ErrorBody struct {
	Error struct {
		Code       string      `json:"code"`
		Message    string      `json:"message"`
		InnerError *innerError `json:"innerError,omitempty"`
	} `json:"error"`
}

// NewErrorBody returns the body of an error answer.
func NewErrorBody(code, message, requestID string, at time.Time) *ErrorBody {
	b := &ErrorBody{}
	b.Error.Code, b.Error.Message = code, message
	b.Error.InnerError = &innerError{Date: at.UTC().Format("2006-01-02T15:04:05"), RequestID: requestID, ClientRequestID: requestID}
	return b
}

// newError reads an error answer.
func newError(op string, status int, header http.Header, body []byte, hide ...secret.Text) *Error {
	e := &Error{
		Op: op, Status: status, RetryAfter: retryAfter(header),
		RequestID: header.Get("request-id"), ClientRequestID: header.Get("client-request-id"), Date: header.Get("Date"),
	}
	var b ErrorBody
	if json.Unmarshal(body, &b) != nil {
		if len(body) > 0 {
			e.Message = "the body is no OData error, as from a proxy in between"
		}
		return e
	}
	e.Code, e.Message = clean(b.Error.Code, hide...), clean(b.Error.Message, hide...)
	for in := b.Error.InnerError; in != nil; in = in.InnerError {
		if in.Code != "" {
			e.InnerCode = clean(in.Code, hide...)
		}
		if in.RequestID != "" {
			e.RequestID = clean(in.RequestID, hide...)
		}
		if in.ClientRequestID != "" {
			e.ClientRequestID = clean(in.ClientRequestID, hide...)
		}
		if in.Date != "" {
			e.Date = clean(in.Date, hide...)
		}
	}
	return e
}

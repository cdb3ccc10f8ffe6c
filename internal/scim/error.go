package scim

import (
	"errors"
	"fmt"
	"time"
)

// ErrorType is what went wrong, as RFC 7644 section 3.12 names it in
// "scimType" where it has a name, and as a word of our own where only the HTTP
// status speaks.
type ErrorType string

// The error types. Those up to InvalidCursor travel as "scimType".
const (
	InvalidFilter ErrorType = "invalidFilter"
	TooMany       ErrorType = "tooMany"
	Uniqueness    ErrorType = "uniqueness"
	Mutability    ErrorType = "mutability"
	InvalidSyntax ErrorType = "invalidSyntax"
	InvalidPath   ErrorType = "invalidPath"
	NoTarget      ErrorType = "noTarget"
	InvalidValue  ErrorType = "invalidValue"
	InvalidVers   ErrorType = "invalidVers"
	Sensitive     ErrorType = "sensitive"
	// InvalidCursor, ExpiredCursor and InvalidCount are of RFC 9865 section 2.1.
	InvalidCursor ErrorType = "invalidCursor"
	ExpiredCursor ErrorType = "expiredCursor"
	InvalidCount  ErrorType = "invalidCount"

	// The following have a status but no scimType.
	Unauthenticated    ErrorType = "_unauthenticated"    // 401
	Forbidden          ErrorType = "_forbidden"          // 403
	NotFound           ErrorType = "_notFound"           // 404
	MethodNotAllowed   ErrorType = "_methodNotAllowed"   // 405
	PreconditionFailed ErrorType = "_preconditionFailed" // 412
	PayloadTooLarge    ErrorType = "_payloadTooLarge"    // 413
	UnsupportedMedia   ErrorType = "_unsupportedMedia"   // 415
	RateLimited        ErrorType = "_rateLimited"        // 429
	Internal           ErrorType = "_internal"           // 500
	NotImplemented     ErrorType = "_notImplemented"     // 501
	BadGateway         ErrorType = "_badGateway"         // 502: the system behind us broke its contract
	Unavailable        ErrorType = "_unavailable"        // 503
	GatewayTimeout     ErrorType = "_gatewayTimeout"     // 504: the outcome of the write behind us is unknown
)

// An Error is a refusal in SCIM's terms. The same value travels inside the
// process, is written as an error body by the service and is rebuilt from one
// by the client.
type Error struct {
	Type ErrorType
	// Attribute is the path of the attribute that is to blame, if one is.
	Attribute string
	// Detail is for people. It never holds a secret.
	Detail string
	// RetryAfter is how long to wait before the same request may succeed;
	// 0 when nothing is known.
	RetryAfter time.Duration
	// Err is the cause, for logs only; it is never sent.
	Err error
}

// Errorf returns an Error of type t with a formatted detail.
func Errorf(t ErrorType, format string, args ...any) *Error {
	return &Error{Type: t, Detail: fmt.Sprintf(format, args...)}
}

// On returns a copy of e that names the attribute to blame.
func (e *Error) On(attribute string) *Error {
	c := *e
	c.Attribute = attribute
	return &c
}

// Error returns the detail, preceded by the type.
func (e *Error) Error() string {
	s := string(e.Type)
	if s != "" && s[0] == '_' {
		s = s[1:]
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ScimType returns the value of "scimType", "" for errors that have none.
func (e *Error) ScimType() string {
	if e.Type == "" || e.Type[0] == '_' {
		return ""
	}
	return string(e.Type)
}

var statusOf = map[ErrorType]int{
	Uniqueness:         409,
	Sensitive:          403,
	Unauthenticated:    401,
	Forbidden:          403,
	NotFound:           404,
	MethodNotAllowed:   405,
	PreconditionFailed: 412,
	PayloadTooLarge:    413,
	UnsupportedMedia:   415,
	RateLimited:        429,
	Internal:           500,
	NotImplemented:     501,
	BadGateway:         502,
	Unavailable:        503,
	GatewayTimeout:     504,
}

// Status returns the HTTP status of RFC 7644 section 3.12 for the error.
func (e *Error) Status() int {
	if s, ok := statusOf[e.Type]; ok {
		return s
	}
	if e.ScimType() != "" {
		return 400
	}
	return 500
}

// TypeForStatus is the inverse of [Error.Status], for clients: scimType when
// the server sent one that is known, otherwise what the status says.
func TypeForStatus(status int, scimType string) ErrorType {
	switch t := ErrorType(scimType); t {
	case InvalidFilter, TooMany, Uniqueness, Mutability, InvalidSyntax, InvalidPath, NoTarget,
		InvalidValue, InvalidVers, Sensitive, InvalidCursor, ExpiredCursor, InvalidCount:
		return t
	}
	if status == 409 {
		return Uniqueness
	}
	for t, s := range statusOf {
		if s == status && t != Sensitive {
			return t
		}
	}
	if status >= 400 && status < 500 {
		return InvalidValue
	}
	return Internal
}

// AsError returns the [Error] in err's chain. Anything else becomes an
// Internal error whose detail says nothing of the cause.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Type: Internal, Detail: "an internal error occurred", Err: err}
}

// IsType reports whether err is an [Error] of type t.
func IsType(err error, t ErrorType) bool {
	var e *Error
	return errors.As(err, &e) && e.Type == t
}

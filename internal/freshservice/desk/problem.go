package desk

import (
	"fmt"
	"net/http"
	"strings"
)

// The error codes of the API (Freshservice API: errors).
const (
	codeMissingField     = "missing_field"
	codeInvalidValue     = "invalid_value"
	codeDuplicateValue   = "duplicate_value"
	codeDatatypeMismatch = "datatype_mismatch"
	codeInvalidField     = "invalid_field"
	codeReadonlyField    = "readonly_field"
	codeInvalidJSON      = "invalid_json"
	codeCredentials      = "invalid_credentials"
	codeAccessDenied     = "access_denied"
	codeRequireFeature   = "require_feature"
	codeNoContent        = "no_content_required"
	codeAuthentication   = "unsupported_authentication_type"
	codeTokenInvalid     = "access_token_invalid"
)

// A FieldError blames one attribute of a request.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
	Code    string `json:"code"`
}

// A Problem is a refusal: the status and one of the API's two error bodies.
// With Errors it is {"description","errors"}, otherwise {"code","message"}; with
// neither the body is empty, as for 404.
type Problem struct {
	Status  int
	Code    string
	Message string
	Errors  []FieldError
}

// Error says what was refused and why.
func (p *Problem) Error() string {
	if len(p.Errors) == 0 {
		return strings.TrimSpace(fmt.Sprintf("%d %s %s", p.Status, p.Code, p.Message))
	}
	parts := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		parts[i] = fmt.Sprintf("%s: %s (%s)", e.Field, e.Message, e.Code)
	}
	return fmt.Sprintf("%d validation failed: %s", p.Status, strings.Join(parts, "; "))
}

type codeBody struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

type validationBody struct {
	Description string       `json:"description"`
	Errors      []FieldError `json:"errors"`
}

// body returns what is sent, nil for an empty body.
func (p *Problem) body() any {
	switch {
	case len(p.Errors) > 0:
		return validationBody{"Validation failed", p.Errors}
	case p.Message != "":
		return codeBody{p.Code, p.Message}
	}
	return nil
}

var (
	errNotFound     = &Problem{Status: http.StatusNotFound}
	errDenied       = &Problem{Status: http.StatusForbidden, Code: codeAccessDenied, Message: "You are not authorized to perform this action."}
	errCredentials  = &Problem{Status: http.StatusUnauthorized, Code: codeCredentials, Message: "You have to be logged in to perform this action."}
	errPassword     = &Problem{Status: http.StatusUnauthorized, Code: codeAuthentication, Message: "Basic authentication with user name and password is not supported. Use the API key."}
	errToken        = &Problem{Status: http.StatusUnauthorized, Code: codeTokenInvalid, Message: "The access token is invalid."}
	errJSON         = &Problem{Status: http.StatusBadRequest, Code: codeInvalidJSON, Message: "Request body has invalid json format"}
	errNoContent    = &Problem{Status: http.StatusBadRequest, Code: codeNoContent, Message: "This request must not have a body"}
	errTooLarge     = &Problem{Status: http.StatusRequestEntityTooLarge, Message: "The request body is larger than 1 MB"}
	errContentType  = &Problem{Status: http.StatusUnsupportedMediaType, Message: "Content-Type should be application/json"}
	errAccept       = &Problem{Status: http.StatusNotAcceptable, Message: "Accept should be application/json or */*"}
	errRate         = &Problem{Status: http.StatusTooManyRequests, Message: "You have exceeded the limit of requests per minute"}
	errServer       = &Problem{Status: http.StatusInternalServerError, Message: "An unexpected error occurred"}
	errNoSeat       = &Problem{Status: http.StatusForbidden, Code: codeAccessDenied, Message: "The number of agents your licence allows has been reached."}
	errScopeFeature = &Problem{Status: http.StatusForbidden, Code: codeRequireFeature, Message: "The assignment scope specified_groups is not supported in your plan."}
)

// invalid returns the 400 for field errors, nil when there are none. When all
// of them are duplicates the status is duplicateStatus.
func invalid(duplicateStatus int, errs []FieldError) error {
	if len(errs) == 0 {
		return nil
	}
	p := &Problem{Status: duplicateStatus, Errors: errs}
	for _, e := range errs {
		if e.Code != codeDuplicateValue {
			p.Status = http.StatusBadRequest
		}
	}
	return p
}

// blame is [invalid] for one field.
func blame(field, code, message string) error {
	return &Problem{Status: http.StatusBadRequest, Errors: []FieldError{{field, message, code}}}
}

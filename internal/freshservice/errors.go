package freshservice

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An APIError is an answer of Freshservice's that is not a success
// (Freshservice API: errors).
type APIError struct {
	// Status is the HTTP status.
	Status int
	// Method and Route say which call failed; Route has placeholders for IDs,
	// such as "/requesters/{id}".
	Method, Route string
	// Code is Freshservice's word for a refusal as a whole, such as
	// "access_denied"; "" for validation failures and bodies that are not JSON.
	Code string
	// Description is what Freshservice says, for people.
	Description string
	// Fields are the values that failed validation.
	Fields []FieldError
	// RetryAfter is how long Freshservice asks to wait, 0 when it does not say.
	RetryAfter time.Duration
	// RequestID is what Freshservice's support asks for.
	RequestID string
	// Location is where a redirect points.
	Location string
	// NotAPI is set when the body is not one that Freshservice's API sends,
	// such as the HTML page of a proxy or of a domain that is no account.
	NotAPI bool
}

// A FieldError is one value that Freshservice did not accept.
type FieldError struct {
	// Field is the attribute as Freshservice calls it.
	Field   string `json:"field"`
	Message string `json:"message"`
	// Code is one of missing_field, invalid_value, duplicate_value,
	// datatype_mismatch, invalid_field and others of Freshservice's list.
	Code string `json:"code"`
	// UserID is who holds a duplicate value, 0 when Freshservice does not say.
	UserID int64 `json:"-"`
}

// UnmarshalJSON decodes one element of "errors", whatever its members' types.
func (f *FieldError) UnmarshalJSON(data []byte) error {
	var w struct {
		Field, Message, Code text
		Info                 struct {
			UserID number `json:"user_id"`
		} `json:"additional_info"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*f = FieldError{string(w.Field), string(w.Message), string(w.Code), int64(w.Info.UserID)}
	return nil
}

// Error returns the call, the status and what Freshservice said.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Freshservice answered %d to %s %s", e.Status, e.Method, e.Route)
	if s := e.reason(); s != "" {
		b.WriteString(": " + s)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// reason is Freshservice's part of the message.
func (e *APIError) reason() string {
	var parts []string
	if e.Description != "" {
		parts = append(parts, e.Description)
	}
	for _, f := range e.Fields {
		s := f.Field
		if f.Message != "" {
			s += " " + strconv.Quote(f.Message)
		}
		if f.Code != "" {
			s += " [" + f.Code + "]"
		}
		parts = append(parts, strings.TrimSpace(s))
	}
	if e.Code != "" {
		parts = append(parts, "["+e.Code+"]")
	}
	return strings.Join(parts, ", ")
}

// Duplicate returns the field whose value another person has, when that is
// why Freshservice refused. The status and the text of this refusal are not
// documented, so every form that was ever reported counts.
func (e *APIError) Duplicate() (FieldError, bool) {
	if e.Status != http.StatusBadRequest && e.Status != http.StatusConflict {
		return FieldError{}, false
	}
	for _, f := range e.Fields {
		if f.Code == "duplicate_value" {
			return f, true
		}
		message := strings.ToLower(f.Message)
		if strings.Contains(f.Field, "email") && (strings.Contains(message, "unique") || strings.Contains(message, "already")) {
			return f, true
		}
	}
	return FieldError{}, e.Code == "duplicate_value"
}

// aboutObject reports whether the refusal may mean that the object is not in
// the state that the call supposed.
func (e *APIError) aboutObject() bool {
	switch e.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusConflict:
		return true
	}
	return false
}

// IsNotFound reports whether Freshservice says that the object does not exist.
func IsNotFound(err error) bool {
	var e *APIError
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// A TransportError is a call that got no answer.
type TransportError struct {
	Method, Route string
	// Unknown is set when the request may have been carried out.
	Unknown bool
	// Timeout is set when the time for an answer ran out.
	Timeout bool
	Err     error
}

// Error says which call got no answer and why.
func (e *TransportError) Error() string {
	if e.Timeout {
		return fmt.Sprintf("Freshservice did not answer %s %s in time: %v", e.Method, e.Route, e.Err)
	}
	return fmt.Sprintf("Freshservice could not be reached for %s %s: %v", e.Method, e.Route, e.Err)
}

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// outcomeUnknown reports whether the call that failed with err may have been
// carried out.
func outcomeUnknown(err error) bool {
	if t, ok := errors.AsType[*TransportError](err); ok {
		return t.Unknown
	}
	var a *APIError
	return errors.As(err, &a) && a.Status >= 500
}

// parseError makes an APIError of an answer. Both shapes are read: a
// description with a list of fields, and a code with a message.
func parseError(method, route string, resp *http.Response, body []byte, now time.Time) *APIError {
	e := &APIError{
		Status: resp.StatusCode, Method: method, Route: route,
		RequestID:  resp.Header.Get("X-Request-Id"),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now),
		Location:   resp.Header.Get("Location"),
	}
	var w struct {
		Description text         `json:"description"`
		Message     text         `json:"message"`
		Code        text         `json:"code"`
		Errors      []FieldError `json:"errors"`
	}
	trimmed := strings.TrimSpace(string(body))
	switch {
	case trimmed == "": // 404 has no body, or a single blank
	case json.Unmarshal(body, &w) == nil:
		e.Code, e.Description, e.Fields = string(w.Code), string(w.Description), w.Errors
		if e.Description == "" {
			e.Description = string(w.Message)
		}
	default:
		e.NotAPI = true
		e.Description = "the answer is not JSON but " + contentType(resp)
	}
	return e
}

func contentType(resp *http.Response) string {
	if t, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); t != "" {
		return t
	}
	return "of unknown type"
}

// retryAfter reads a Retry-After header: seconds or a date (RFC 9110 section
// 10.2.3). An absent or unreadable one is 0.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil {
		return time.Duration(max(0, min(n, 24*60*60))) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, min(at.Sub(now), 24*time.Hour))
	}
	return 0
}

package scim

import (
	"errors"
	"fmt"
	"testing"
)

func TestErrorsTravel(t *testing.T) {
	t.Parallel()
	for kind, want := range map[ErrorType]struct {
		status   int
		scimType string
	}{
		InvalidFilter: {400, "invalidFilter"}, TooMany: {400, "tooMany"}, Uniqueness: {409, "uniqueness"}, Mutability: {400, "mutability"},
		InvalidSyntax: {400, "invalidSyntax"}, InvalidPath: {400, "invalidPath"}, NoTarget: {400, "noTarget"}, InvalidValue: {400, "invalidValue"},
		InvalidVers: {400, "invalidVers"}, Sensitive: {403, "sensitive"}, InvalidCursor: {400, "invalidCursor"}, ExpiredCursor: {400, "expiredCursor"},
		InvalidCount: {400, "invalidCount"}, Unauthenticated: {401, ""}, Forbidden: {403, ""}, NotFound: {404, ""}, MethodNotAllowed: {405, ""},
		PreconditionFailed: {412, ""}, PayloadTooLarge: {413, ""}, UnsupportedMedia: {415, ""}, RateLimited: {429, ""}, Internal: {500, ""},
		NotImplemented: {501, ""}, BadGateway: {502, ""}, Unavailable: {503, ""}, GatewayTimeout: {504, ""},
	} {
		e := Errorf(kind, "detail %d", 1)
		if e.Status() != want.status || e.ScimType() != want.scimType {
			t.Errorf("%s: %d %q, want %d %q", kind, e.Status(), e.ScimType(), want.status, want.scimType)
		}
		if got := TypeForStatus(e.Status(), e.ScimType()); got != kind {
			t.Errorf("%s comes back as %s", kind, got)
		}
	}
	for _, c := range []struct {
		status   int
		scimType string
		want     ErrorType
	}{{409, "", Uniqueness}, {409, "unheardOf", Uniqueness}, {400, "", InvalidValue}, {418, "", InvalidValue}, {599, "", Internal}, {403, "", Forbidden}} {
		if got := TypeForStatus(c.status, c.scimType); got != c.want {
			t.Errorf("%d %q is %s, want %s", c.status, c.scimType, got, c.want)
		}
	}
}

func TestAsErrorHidesCauses(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk on fire")
	e := AsError(cause)
	if e.Type != Internal || !errors.Is(e, cause) || e.Error() != "internal: an internal error occurred" {
		t.Errorf("%v", e)
	}
	known := Errorf(NotFound, "no such user").On("id")
	if got := AsError(fmt.Errorf("reading: %w", known)); got != known || got.Error() != "notFound: no such user" || got.Attribute != "id" {
		t.Errorf("%v", got)
	}
	if (&Error{}).Status() != 500 || (&Error{}).ScimType() != "" || !IsType(fmt.Errorf("x: %w", known), NotFound) || IsType(cause, NotFound) {
		t.Error("an error without type")
	}
}

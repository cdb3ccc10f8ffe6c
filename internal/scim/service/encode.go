package service

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"lockstep/internal/scim"
)

// appendError appends the error body of RFC 7644 section 3.12.
func appendError(b []byte, e *scim.Error) []byte {
	b = append(b, `{"schemas":["`+scim.URNError+`"],"status":"`...)
	b = strconv.AppendInt(b, int64(e.Status()), 10)
	b = append(b, '"')
	if t := e.ScimType(); t != "" {
		b = append(b, `,"scimType":`...)
		b = appendString(b, t)
	}
	if e.Detail != "" {
		b = append(b, `,"detail":`...)
		b = appendString(b, e.Detail)
	}
	return append(b, '}')
}

// appendString appends s as a JSON string. Bytes that are not UTF-8, which a
// detail may quote from a request, become replacement characters.
func appendString(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil && len(out) == len(b) {
		return append(b, `""`...)
	}
	return out
}

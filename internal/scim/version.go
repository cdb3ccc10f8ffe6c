package scim

import (
	"slices"
	"strconv"
	"strings"
)

// ETag returns the weak ETag of a revision number: W/"12".
func ETag(revision int64) string {
	b := make([]byte, 0, 24)
	b = append(b, `W/"`...)
	b = strconv.AppendInt(b, revision, 10)
	return string(append(b, '"'))
}

// Check returns an [Error] of type PreconditionFailed unless version, the
// current ETag of a resource that exists, satisfies c. ETags are compared
// weakly (RFC 9110 section 8.8.3.2): a version names a state of the resource,
// not its bytes.
func (c Precondition) Check(version string) error {
	is := func(tag string) bool {
		tag = strings.TrimSpace(tag)
		return tag == "*" || version != "" && opaque(tag) == opaque(version)
	}
	if len(c.IfMatch) > 0 && !slices.ContainsFunc(c.IfMatch, is) {
		return Errorf(PreconditionFailed, "the resource has version %s, not %s; read it again and repeat the change", version, strings.Join(c.IfMatch, ", "))
	}
	if slices.ContainsFunc(c.IfNoneMatch, is) {
		return Errorf(PreconditionFailed, "the resource has version %s, which If-None-Match excludes", version)
	}
	return nil
}

// opaque returns the part of an ETag between the quotes.
func opaque(tag string) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimPrefix(tag, "W/"), "w/"), `"`)
}

// Package scim is the SCIM 2.0 kernel: the values, schemas, resources, filters,
// paths, PATCH operations and errors of RFC 7643 and RFC 7644, without any I/O.
//
// Its one idea is that a resource is an ordered tree of attributes whose names
// are compared without regard to case, and that everything a protocol request
// can ask of it (match a filter, apply a PATCH, project attributes) is a pure
// function of that tree and a schema. What Entra ID and Okta send beyond the
// letter of the RFCs is accepted here and nowhere else, so that servers,
// clients and bridges share one reading of it.
//
// Start with [Resource] and [Object], then [Directory], the seam behind which
// the resources of one account live.
package scim

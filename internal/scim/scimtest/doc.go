// Package scimtest holds what tests of several packages share: an in-memory
// [Directory] that is simple enough to be believed, and [RunDirectory], the
// conformance suite that every scim.Directory must pass.
package scimtest

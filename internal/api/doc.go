// Package api is lockstep's own HTTP API under /api/v1: accounts and tokens, for
// which SCIM and Graph have no word, and apps with their schemas, assignments
// and scope. It holds the wire types, the [Handler] and the [Client] that the
// command line uses, so that both sides share one definition. Errors travel as
// application/problem+json (RFC 9457).
package api

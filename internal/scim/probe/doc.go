// Package probe finds out whether a SCIM 2.0 endpoint does what provisioning
// clients rely on: the letter of RFC 7643, RFC 7644 and RFC 9865, and what Entra
// ID and Okta send beyond it.
//
// Its one idea is that a check is a sentence about the endpoint that is either
// true or not, with the requests that show it. Checks run in the order in which
// an administrator would want to know: can it be reached, is the token right,
// would Entra ID's test connection succeed, are people found, created, changed,
// disabled and deleted. A check that rests on another is skipped when that one
// failed, so that a report names causes and not their consequences.
//
// Whatever a run creates carries a random prefix and is removed again, also when
// the run is cancelled. Nothing that lacks the prefix is ever written to, and
// nothing of it is shown in a report.
package probe

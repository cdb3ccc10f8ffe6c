// Package freshservice knows Freshservice: a client of its REST API v2 (errors,
// pages, rate limits), its own names for time zones and languages, and the
// [Bridge], a [scim.Directory] that writes through to it.
//
// Calls are the currency: Freshservice counts them per minute and account. The
// bridge therefore keeps a [Mirror] of what Freshservice holds, filled by pages
// and kept current by its own writes, answers every read from it, and sends one
// write per changed person and none for an unchanged one.
package freshservice

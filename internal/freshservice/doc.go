// Package freshservice knows Freshservice: a client of its REST API v2 (errors,
// pages, rate limits), its own names for time zones and languages, and the
// [Bridge], a [scim.Directory] that writes through to it.
//
// Calls are the currency: Freshservice counts them per minute and account. The
// bridge therefore keeps a [Mirror] of what Freshservice holds, filled by pages
// and kept current by its own writes, answers every read from it, and sends one
// write per changed person and none for an unchanged one.
//
// # How to read it
//
// The client: client.go sends one call, limit.go decides when, people.go and
// catalogue.go are the calls, model.go and errors.go what comes back.
//
// The bridge: bridge.go is the directory; user.go and group.go are its writes;
// translate.go turns a SCIM user into Freshservice's fields and view.go the
// other way; job.go makes an existing person what a client wrote, with as few
// calls as it takes; manager.go repairs references; inventory.go lists
// Freshservice; drift.go and reconcile.go compare it with what was written;
// refusal.go turns its refusals into SCIM errors; key.go looks at the API key.
//
// # What the bridge promises
//
//   - A client reads back what it wrote, also where Freshservice could not take
//     it. What was left out is in the record's notes.
//   - Nobody is created twice: an address is looked for in the mirror before a
//     create, and in Freshservice after one whose outcome is unknown.
//   - Nobody is erased. Deleting over SCIM deactivates, and hides the person
//     from clients until one creates the same person again.
//   - A person whom no client has written yet is taken over by the first one
//     that creates somebody with the same address. Afterwards the address is
//     taken, with an error of type Uniqueness.
//   - Freshservice's own changes show after the next listing
//     ([Settings].InventoryMaxAge); in people whom a client has written only
//     the attributes that changed. What the client had written is kept until
//     [Bridge.Reconcile] or the next write settles it.
package freshservice

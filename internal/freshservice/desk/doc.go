// Package desk is a local stand-in for Freshservice's REST API v2: requesters,
// agents, groups, departments, locations, roles and field definitions, with
// the validation, the limits, the odd corners and the error bodies that the
// public documentation describes (https://api.freshservice.com) and that live
// answers have shown. The demo provisions into it, tests use it as the fake,
// and integrators can run it alone.
//
// Its one idea: people are immutable values in a world of indexes. A write
// checks, persists and then swaps a pointer, so that a create costs the same
// at a hundred thousand people as at ten, and a reader never waits for JSON.
//
// How to read it: desk.go opens it, route.go is the way of one request, the
// files named after resources hold their rules, world.go holds the indexes,
// and control.go is what the real product lacks: staging of troubles.
//
// # Where the documentation is silent
//
// The following is this package's choice; a client must not depend on it.
//
//   - A taken e-mail address answers 409 duplicate_value ([Options]
//     .DuplicateStatus makes it 400).
//   - Lists include inactive people; "active" tells. The list filter ?email=
//     looks at secondary addresses too and ignores case.
//   - /requesters/{id} is 404 for an agent, and /agents/{id} for a requester.
//   - Deactivating the inactive and reactivating the active succeed and change
//     nothing. Inactive people may be updated.
//   - Department names are unique whatever their case; location names are
//     unique under one parent. Queries compare strings whatever their case.
//   - A string value "" is no value: it reads back as null.
//   - An apostrophe cannot be written inside a quoted query value.
//   - Occasional agents (day passes) occupy no seat of the licence.
//   - PUT /agents/{id} refuses names, job title and phone numbers, which the
//     documented table omits ([Options].AgentNames accepts them).
//   - A rate bucket's window opens with the first call that uses the bucket.
package desk

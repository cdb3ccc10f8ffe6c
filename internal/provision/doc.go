// Package provision is the engine: it decides what must happen to every person
// and group of a source directory so that a target directory holds the same,
// and carries it out with Microsoft Entra ID's semantics.
//
// One idea carries it: a cycle is a plan that is applied. [Job.Decide] is a
// pure function from what is known about one object to a [Decision]; a cycle
// stores the decisions of all changed objects as a plan, the guard judges the
// plan, and only then is it applied, each outcome recorded before the next
// step. Plan, preview, on-demand provisioning, explanation and undo all call the
// same function.
//
// The engine knows neither SQL nor HTTP. Its neighbours are the interfaces
// [Source], [Target] and [Ledger].
package provision

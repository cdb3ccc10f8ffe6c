// Package entra reads people and groups from Microsoft Entra ID through
// Microsoft Graph, by delta queries: everything once, and afterwards what has
// changed.
//
// Its one idea is that a delta says who changed, and that what it leaves open
// is read. A delta gives every selected property of a changed user, but of a
// group's members and of a manager only what came and went, in any order, in
// pieces, and perhaps again later. To add that up, the source would have to
// remember every membership; so it reads the members of a group that changed,
// and the manager of a user about whom the delta is silent. What the delta did
// say in this round holds against a reading that may come from a replica that
// lags behind, and a group that turns up twice in a round is read once more at
// its end. Nothing is remembered between rounds but where they ended.
package entra

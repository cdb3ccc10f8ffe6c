// Package graphtest is a Microsoft Graph in memory, with a token endpoint, for
// tests. Users, groups, memberships, managers, app roles and subscriptions are
// Go state; delta queries, paging, the recycle bin, tokens, permissions and
// errors behave as documented, and every liberty that the documentation takes
// (any order, the same object several times, large groups over several pages,
// empty pages, lagging replicas) can be switched on. What no state gives, a
// script of hand-written replies does.
package graphtest

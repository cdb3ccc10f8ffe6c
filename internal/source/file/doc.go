// Package file reads people and groups from one file: the CSV that Entra's
// portal gives under Users > Download users, a JSON array of Microsoft Graph
// users, or LDIF (RFC 2849).
//
// Its one idea is that a file is read twice from one open handle: once for its
// hash and for the names by which entries may refer to each other, once for the
// entries themselves. So a manager may stand anywhere in the file, a duplicate
// is told from its first, memory holds names and never people, and a file that
// somebody replaces meanwhile is still read as one state.
//
// A reader per format ([Format]) turns the bytes into entries; source.go and
// changes.go turn entries into pages; index.go resolves references.
package file

package scim

// A Patch is a PatchOp request (RFC 7644 section 3.5.2) in the order in which
// it is to be applied. Forms that Entra ID and Okta send beyond the RFC have
// been turned into these operations by [ParsePatch].
type Patch struct {
	Operations []Operation
}

// An Operation is one step of a [Patch].
type Operation struct {
	Op PatchOp
	// Path is nil for an operation whose Value is an object of attributes.
	Path  *Path
	Value Value
}

// A PatchOp is what an [Operation] does.
type PatchOp string

// The operations.
const (
	Add     PatchOp = "add"
	Replace PatchOp = "replace"
	Remove  PatchOp = "remove"
)

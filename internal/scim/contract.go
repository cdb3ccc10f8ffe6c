package scim

import "errors"

var errPending = errors.New("scim: not built yet")

// ParsePatch decodes a PatchOp request.
func ParsePatch(body []byte) (*Patch, error) { return nil, errPending }

// Apply applies the operations to r, all or nothing.
func (p *Patch) Apply(r *Resource) (changed bool, err error) { return false, errPending }

// MemberOps returns the members that p adds and removes.
func (p *Patch) MemberOps(t *ResourceType) (add, remove []Member, ok bool) { return nil, nil, false }

// A Mode says what a body is normalized for; add Strict to refuse unknown attributes.
type Mode int

// The modes. Strict is a flag: ForCreate|Strict.
const (
	ForCreate  Mode = 0
	ForReplace Mode = 1
	Strict     Mode = 1 << 8
)

// Normalize brings a body that a client sent into the schema's form.
func Normalize(t *ResourceType, o *Object, mode Mode) error { return errPending }

// ParseProjection parses the attributes and excludedAttributes parameters.
func ParseProjection(t *ResourceType, attributes, excluded string) (Projection, error) {
	return Projection{}, errPending
}

// Apply returns the part of view that the projection asks for.
func (p Projection) Apply(t *ResourceType, view *Object) *Object { return view }

// Wants reports whether the projection includes the attribute.
func (p Projection) Wants(attr string) bool { return true }

// ETag returns the weak ETag of a revision number: W/"12".
func ETag(revision int64) string { return "" }

// Check returns a PreconditionFailed error when version does not satisfy c.
func (c Precondition) Check(version string) error { return errPending }

// AppendView appends the resource as a client sees it to b.
func (r *Resource) AppendView(b []byte, location string) ([]byte, error) { return nil, errPending }

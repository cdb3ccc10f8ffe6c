package scim

import (
	"bytes"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// A Resource is one user or group: its attributes, and apart from them what the
// service provider alone decides (id and meta), so that a stored body never
// has to be rewritten because a version or a base URL changed.
//
// Attributes holds neither "id" nor "meta"; [Resource.View] adds both. A
// Resource that came from a store may carry its attributes as encoded JSON
// only; [Resource.Attributes] decodes them on first use. A Resource is not safe
// for concurrent use.
type Resource struct {
	Type         *ResourceType
	ID           string
	Created      time.Time
	LastModified time.Time
	// Version is the ETag including its W/ and quotes, "" when unknown.
	Version string

	attrs *Object
	raw   []byte
}

// NewResource returns a resource of type t with the given attributes. "id" and
// "meta", if present, are taken out of attrs: the first fills ID, the second is
// dropped (both are read-only, RFC 7643 section 3.1).
func NewResource(t *ResourceType, attrs *Object) *Resource {
	if attrs == nil {
		attrs = &Object{}
	}
	r := &Resource{Type: t, attrs: attrs}
	if id, ok := attrs.Get("id"); ok {
		r.ID, _ = id.(string)
		attrs.Delete("id")
	}
	attrs.Delete("meta")
	return r
}

// StoredResource returns a resource whose attributes are the JSON object raw,
// as [Resource.JSON] gave it. The slice is kept, not copied.
func StoredResource(t *ResourceType, id string, raw []byte) *Resource {
	return &Resource{Type: t, ID: id, raw: raw}
}

// Attributes returns the attributes without id and meta. Changes to the Object
// are changes to the resource.
func (r *Resource) Attributes() *Object {
	if r.attrs == nil {
		o, err := ParseObject(r.raw)
		if err != nil {
			// Only bodies that we encoded ourselves are kept raw; an unreadable
			// one shows up as an empty resource rather than as a panic.
			o = &Object{}
		}
		r.attrs = o
	}
	// What the caller changes must not be shadowed by stale bytes.
	r.raw = nil
	return r.attrs
}

// Peek returns the attributes for reading only: the encoded form stays valid.
func (r *Resource) Peek() *Object {
	raw := r.raw
	o := r.Attributes()
	r.raw = raw
	return o
}

// JSON returns the attributes, without id and meta, as one JSON object.
func (r *Resource) JSON() ([]byte, error) {
	if r.raw != nil {
		return r.raw, nil
	}
	return AppendJSON(nil, r.attrs)
}

// Clone returns a deep copy.
func (r *Resource) Clone() *Resource {
	c := *r
	c.attrs = r.attrs.Clone()
	return &c
}

// TimeFormat is how SCIM dateTimes are written: RFC 3339, UTC, milliseconds.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// View returns the whole resource as a client sees it: the attributes plus id
// and meta (with location when location is not empty). The attribute values
// are shared with r, so the view is for reading.
func (r *Resource) View(location string) *Object {
	attrs := r.Peek()
	v := &Object{fields: make([]field, 0, attrs.Len()+2)}
	v.fields = append(v.fields, attrs.fields...)
	if r.ID != "" {
		v.fields = append(v.fields, field{"id", r.ID})
	}
	v.fields = append(v.fields, field{"meta", r.metaObject(location)})
	return v
}

// AppendView appends to b the JSON form of the whole resource, as [Resource.View]
// gives it, and returns the longer slice. A resource that a store holds encoded
// is not decoded for it: id and meta are spliced into the stored bytes.
func (r *Resource) AppendView(b []byte, location string) ([]byte, error) {
	start := len(b)
	if r.raw != nil {
		b = append(b, r.raw...)
	} else {
		var err error
		if b, err = AppendJSON(b, r.attrs); err != nil {
			return nil, err
		}
	}
	end := bytes.LastIndexByte(b[start:], '}')
	if end < 0 {
		return nil, Errorf(Internal, "the stored %s %s is not a JSON object", r.Type.Name, r.ID)
	}
	b = b[:start+end]
	comma := len(bytes.TrimSpace(b[start:])) > len("{")
	member := func(name string) {
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = append(b, '"')
		b = append(b, name...)
		b = append(b, `":`...)
	}
	var err error
	text := func(name, s string) {
		if s == "" || err != nil {
			return
		}
		member(name)
		b, err = jsontext.AppendQuote(b, s)
	}
	date := func(name string, at time.Time) {
		if at.IsZero() {
			return
		}
		member(name)
		b = append(b, '"')
		b = at.UTC().AppendFormat(b, TimeFormat)
		b = append(b, '"')
	}
	text("id", r.ID)
	member("meta")
	b = append(b, '{')
	comma = false
	text("resourceType", r.Type.Name)
	date("created", r.Created)
	date("lastModified", r.LastModified)
	text("version", r.Version)
	text("location", location)
	if err != nil {
		return nil, err
	}
	return append(b, "}}"...), nil
}

func (r *Resource) metaObject(location string) *Object {
	m := &Object{}
	m.Set("resourceType", r.Type.Name)
	if !r.Created.IsZero() {
		m.Set("created", r.Created.UTC().Format(TimeFormat))
	}
	if !r.LastModified.IsZero() {
		m.Set("lastModified", r.LastModified.UTC().Format(TimeFormat))
	}
	if r.Version != "" {
		m.Set("version", r.Version)
	}
	if location != "" {
		m.Set("location", location)
	}
	return m
}

package scim

import "strings"

// ParseProjection parses the query parameters attributes and
// excludedAttributes: names separated by commas (RFC 7644 section 3.9). Names
// that t does not have select nothing. The error is an [Error] of type
// InvalidValue: both were given, or a name cannot be read.
func ParseProjection(t *ResourceType, attributes, excluded string) (Projection, error) {
	var p Projection
	var err error
	if p.Attributes, err = parseNames(t, "attributes", attributes); err != nil {
		return Projection{}, err
	}
	if p.Excluded, err = parseNames(t, "excludedAttributes", excluded); err != nil {
		return Projection{}, err
	}
	if len(p.Attributes) > 0 && len(p.Excluded) > 0 {
		return Projection{}, Errorf(InvalidValue, "attributes and excludedAttributes cannot be given together; send one of them")
	}
	return p, nil
}

func parseNames(t *ResourceType, parameter, list string) ([]Path, error) {
	var paths []Path
	for name := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(name) == "" {
			continue
		}
		p, err := ParsePath(name)
		if err != nil {
			return nil, Errorf(InvalidValue, "%s: %s", parameter, AsError(err).Detail).On(parameter)
		}
		if p.Filter != nil {
			return nil, Errorf(InvalidValue, "%s: %q has a filter; name the attribute alone", parameter, p).On(parameter)
		}
		p, _ = t.Canonical(p)
		paths = append(paths, p)
	}
	return paths, nil
}

// Wants reports whether the projection may include the attribute (or, by its
// URN, the extension) of that name, so that a directory need not read what
// nobody will see. Attributes that are always returned are always wanted.
func (p Projection) Wants(attr string) bool {
	if sameName(attr, idAttribute.Name) || sameName(attr, schemasAttribute.Name) {
		return true
	}
	names := func(q Path) bool {
		return sameName(q.Attr, attr) || q.Attr == "" && sameName(q.URN, attr) || q.URN != "" && sameName(q.URN+":"+q.Attr, attr)
	}
	if len(p.Attributes) > 0 {
		for _, q := range p.Attributes {
			if names(q) || sameName(q.URN, attr) {
				return true
			}
		}
		return false
	}
	for _, q := range p.Excluded {
		if q.Sub == "" && names(q) {
			return false
		}
	}
	return true
}

// Apply returns what the projection leaves of view, a resource as
// [Resource.View] gives it, by the attributes' "returned" characteristic (RFC
// 7643 section 7): always and never are heeded in any case, request is
// returned only when it is asked for. Values are shared with view. When
// everything remains, the result is view itself.
func (p Projection) Apply(t *ResourceType, view *Object) *Object {
	out := &Object{fields: make([]field, 0, view.Len())}
	same := true
	for name, v := range view.All() {
		var next Value
		ext := t.Extension(name)
		if ext == nil {
			ext = t.unlisted(name)
		}
		if ext != nil {
			next = p.extension(ext, v)
		} else {
			next = p.attribute("", t.core(name), name, v)
		}
		same = same && unchanged(v, next)
		if next != nil {
			out.fields = append(out.fields, field{name, next})
		}
	}
	if same {
		return view
	}
	return out
}

func (p Projection) extension(ext *Extension, v Value) Value {
	in, ok := v.(*Object)
	if !ok {
		return v
	}
	out := &Object{fields: make([]field, 0, in.Len())}
	same := true
	for name, v := range in.All() {
		next := p.attribute(ext.Schema.ID, ext.Schema.Attribute(name), name, v)
		same = same && unchanged(v, next)
		if next != nil {
			out.fields = append(out.fields, field{name, next})
		}
	}
	if same {
		return in
	}
	return orNil(out)
}

// attribute returns what remains of the attribute called name, nil for
// nothing. attr is nil when no schema lists it.
func (p Projection) attribute(urn string, attr *Attribute, name string, v Value) Value {
	returned := returnedOf(attr)
	if returned == ReturnedNever {
		return nil
	}
	always := returned == ReturnedAlways
	if len(p.Attributes) == 0 {
		if returned == ReturnedRequest {
			return nil
		}
		if whole, part := selects(p.Excluded, urn, name, ""); whole && !always {
			return nil
		} else if !part {
			return filterSubs(attr, v, func(r, _ string) bool { return r != ReturnedRequest })
		}
		return filterSubs(attr, v, func(r, sub string) bool {
			whole, _ := selects(p.Excluded, urn, name, sub)
			return r != ReturnedRequest && !whole
		})
	}
	whole, part := selects(p.Attributes, urn, name, "")
	if !whole && !part && !always {
		return nil
	}
	return filterSubs(attr, v, func(r, sub string) bool {
		if part {
			if asked, _ := selects(p.Attributes, urn, name, sub); asked {
				return true
			}
		}
		return (whole || always) && r != ReturnedRequest
	})
}

// selects reports whether the list names the attribute (or with sub its
// sub-attribute) as a whole, and whether it names a part of it.
func selects(list []Path, urn, name, sub string) (whole, part bool) {
	for _, q := range list {
		if !sameName(q.URN, urn) {
			if urn != "" && sub == "" && q.URN != "" && q.Sub == "" && sameName(q.URN+":"+q.Attr, urn) {
				whole = true // an unlisted extension, taken for an attribute of another
			}
			continue
		}
		if q.Attr == "" {
			whole = whole || sub == ""
			continue
		}
		if !sameName(q.Attr, name) {
			continue
		}
		switch {
		case q.Sub == "":
			whole = whole || sub == ""
		case sub == "":
			part = true
		case sameName(q.Sub, sub):
			whole = true
		}
	}
	return whole, part
}

// filterSubs keeps the sub-attributes of v that keep wants, those that are
// always returned, and none that never are.
func filterSubs(attr *Attribute, v Value, keep func(returned, sub string) bool) Value {
	switch in := v.(type) {
	case *Object:
		out := &Object{fields: make([]field, 0, in.Len())}
		for name, value := range in.All() {
			switch r := returnedOf(attr.Sub(name)); {
			case r == ReturnedNever:
			case r == ReturnedAlways || keep(r, name):
				out.fields = append(out.fields, field{name, value})
			}
		}
		if out.Len() == in.Len() {
			return in
		}
		return orNil(out)
	case []Value:
		for i, e := range in {
			if next := filterSubs(attr, e, keep); !unchanged(e, next) {
				// From here on the list differs from what was stored.
				out := append(make([]Value, 0, len(in)), in[:i]...)
				for _, e := range in[i:] {
					if next := filterSubs(attr, e, keep); next != nil {
						out = append(out, next)
					}
				}
				return listOrNil(out)
			}
		}
	}
	return v
}

// unchanged reports whether next, which a projection made of v, is v itself.
func unchanged(v, next Value) bool {
	switch v := v.(type) {
	case *Object:
		o, ok := next.(*Object)
		return ok && o == v
	case []Value:
		list, ok := next.([]Value)
		return ok && len(list) == len(v) && (len(v) == 0 || &list[0] == &v[0])
	}
	return next != nil || v == nil
}

func returnedOf(a *Attribute) string {
	if a == nil || a.Returned == "" {
		return ReturnedDefault
	}
	return a.Returned
}

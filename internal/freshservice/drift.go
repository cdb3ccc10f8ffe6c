package freshservice

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"lockstep/internal/scim"
)

// A Drift is one attribute that Freshservice has otherwise than lockstep wrote
// it: somebody changed it there.
type Drift struct {
	// Attribute is the SCIM path, Field what Freshservice calls it.
	Attribute string `json:"attribute"`
	Field     string `json:"field"`
	// Lockstep is what was written, Freshservice what is there, as people read it.
	Lockstep     string `json:"lockstep"`
	Freshservice string `json:"freshservice"`
}

// drift compares a client's person with what Freshservice has. Attributes that
// no client wrote, and values that Freshservice never took, are no drift.
func (b *Bridge) drift(ctx context.Context, rec *Record, k *kept, p *Person) ([]Drift, error) {
	wrote := k.wrote(rec)
	active := isActive(wrote) && !rec.Hidden
	if active != p.Active {
		return []Drift{{"active", "active", strconv.FormatBool(active), strconv.FormatBool(p.Active)}}, nil
	}
	if !active {
		return nil, nil // Freshservice forgets most of a deactivated person; it is sent again with the reactivation
	}
	var list []Drift
	noted := func(attribute, value string, codes ...string) bool {
		return slices.ContainsFunc(k.Notes, func(n Note) bool {
			return n.Attribute == attribute && (value == "" || n.Value == value) && slices.Contains(codes, n.Code)
		})
	}
	if want := wantsAgent(wrote); want != nil && *want != (p.Kind == Agent) && !noted(pathIsAgent, "", "agent_budget") {
		list = append(list, Drift{pathIsAgent, "kind", strconv.FormatBool(*want), strconv.FormatBool(p.Kind == Agent)})
	}
	t, err := b.translate(ctx, p.Kind, wrote, true, nil)
	if err == nil {
		err = b.freeSecondary(ctx, t, rec.Resource.ID)
	}
	if err != nil {
		return nil, err
	}
	has := fieldsOf(p)
	add := func(name string, want, is any) error {
		o := t.origin[name]
		if noted(o.attribute, o.value, "refused_by_freshservice", "email_taken") || name == "external_id" && b.refuses(p.Kind, name) {
			return nil
		}
		lockstep, err := b.readable(ctx, name, want)
		if err != nil {
			return err
		}
		freshservice, err := b.readable(ctx, name, is)
		list = append(list, Drift{o.attribute, name, lockstep, freshservice})
		return err
	}
	for name, want := range differences(t, p) {
		custom, ok := want.(map[string]any)
		if !ok {
			if err := add(name, want, has[name]); err != nil {
				return nil, err
			}
			continue
		}
		for key, value := range custom {
			if err := add("custom_fields."+key, value, p.CustomFields[key]); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(list, func(a, b Drift) int { return strings.Compare(a.Field, b.Field) })
	return list, nil
}

// refuses reports whether the account is known not to take the field.
func (b *Bridge) refuses(kind Kind, name string) bool {
	b.learnedMu.Lock()
	defer b.learnedMu.Unlock()
	return b.learned[kind][name]
}

// readable returns a field's value with names in place of IDs.
func (b *Bridge) readable(ctx context.Context, field string, v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case []int64:
		list := make([]string, len(v))
		for i, id := range v {
			if list[i] = b.catalogue.departments.name(id); list[i] == "" {
				list[i] = formatID(id)
			}
		}
		return strings.Join(list, ", "), nil
	case int64:
		if field == "location_id" {
			if name := b.catalogue.locations.name(v); name != "" {
				return name, nil
			}
		}
		if field == "reporting_manager_id" {
			if p, ok, err := b.Known(ctx, v); err != nil || ok && p.Email != "" {
				return p.Email, err
			}
		}
		return formatID(v), nil
	case []string:
		return strings.Join(v, ", "), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return textOf(v), nil
}

// restore gives r the attribute as it was written.
func restore(r, wrote *scim.Resource, attribute string) {
	from, to := wrote.Peek(), r.Attributes()
	carry := func(from, to *scim.Object, name string) {
		if v, ok := from.Get(name); ok {
			to.Set(name, scim.CloneValue(v))
		} else {
			to.Delete(name)
		}
	}
	for _, urn := range []string{scim.URNEnterprise, scim.URNFreshservice} {
		name, ok := strings.CutPrefix(attribute, urn+":")
		if !ok {
			continue
		}
		if c := from.Child(urn); c != nil {
			carry(c, child(to, urn), name)
		} else if c := to.Child(urn); c != nil {
			c.Delete(name)
		}
		if name == "_location" || name == "location" {
			for _, other := range []string{"_location", "location"} {
				if c := to.Child(urn); c != nil && other != name {
					c.Delete(other)
				}
			}
		}
		return
	}
	name := attribute
	if i := strings.IndexAny(name, ".["); i >= 0 {
		name = name[:i]
	}
	carry(from, to, name)
	switch name {
	case "name", "displayName":
		carry(from, to, "name")
		carry(from, to, "displayName")
	case "emails", "userName":
		carry(from, to, "emails")
		carry(from, to, "userName")
	}
}

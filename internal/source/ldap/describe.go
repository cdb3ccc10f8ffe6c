package ldap

import (
	"context"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// describeSample is how many entries of each type are looked at for the names
// of attributes. A directory's schema would name thousands that nobody uses.
const describeSample = 1000

// Describe returns users and groups with the attributes that the first 1,000 of
// each have, and those that the configuration names.
func (s *Source) Describe(ctx context.Context) (*provision.DirectoryDefinition, error) {
	r, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	d := &provision.DirectoryDefinition{
		ID: r.server.base, Name: r.server.base, ReadOnly: true, Discoverabilities: "AttributeNames",
	}
	for _, t := range objectTypes {
		seen := attribute.NewDefinition(t)
		if r.server.filter(t) != "" {
			if err := r.observe(t, seen); err != nil {
				return nil, err
			}
		}
		if t == provision.User {
			for name := range s.overrides {
				seen.See(name, provision.DataString, false)
			}
			seen.See("manager", provision.DataReference, false)
		} else {
			for _, name := range []string{"displayName", "description", "mail", "mailNickname"} {
				seen.See(name, provision.DataString, false)
			}
			seen.See("members", provision.DataReference, true)
		}
		d.Objects = append(d.Objects, seen.Object())
	}
	return d, nil
}

func (r *reader) observe(t provision.ObjectType, seen *attribute.Definition) error {
	n := 0
	err := r.pages(r.subtree(r.server.filter(t), r.wanted()...), func(entries []*ldapv3.Entry) error {
		for _, e := range entries {
			p, err := r.object(t, e)
			if err != nil {
				return err
			}
			seen.SeeValues(p.object.Attributes)
		}
		if n += len(entries); n >= describeSample {
			return errStopped
		}
		return nil
	})
	if err == errStopped {
		return nil
	}
	return err
}

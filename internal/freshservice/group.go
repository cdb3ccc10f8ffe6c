package freshservice

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lockstep/internal/scim"
)

// groupKind returns what SCIM groups are in Freshservice, or the error that
// says that this account has none.
func (b *Bridge) groupKind() (GroupKind, error) {
	switch b.settings.Groups {
	case RequesterGroups:
		return RequesterGroup, nil
	case AgentGroups:
		return AgentGroup, nil
	}
	return "", scim.Errorf(scim.NotImplemented, "this account carries no groups to Freshservice; an administrator can switch them on in the account's settings (groups: requesterGroups or agentGroups)")
}

func groupLock(id string) string { return "group/" + id }

// groupNamed returns the ID of the group with that name, "" for none.
func (b *Bridge) groupNamed(ctx context.Context, name string) (string, error) {
	page, err := b.mirror.Query(ctx, b.groups, scim.Query{
		Filter:     &scim.Comparison{Path: scim.Path{Attr: "displayName"}, Op: scim.Eq, Value: name},
		StartIndex: 1, Count: 1, Projection: withoutMembers,
	})
	if err != nil || len(page.Resources) == 0 {
		return "", err
	}
	return page.Resources[0].ID, nil
}

var withoutMembers = scim.Projection{Excluded: []scim.Path{{Attr: "members"}}}

func (b *Bridge) createGroup(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
	kind, err := b.groupKind()
	if err != nil {
		return nil, err
	}
	r = r.Clone()
	name := strings.TrimSpace(r.Peek().Text("displayName"))
	if name == "" {
		return nil, scim.Errorf(scim.InvalidValue, "a group needs a displayName").On("displayName")
	}
	members := memberIDs(r)
	r.Attributes().Delete("members")
	unlock, err := b.locks.lock(ctx, "groupname/"+foldKey(name))
	if err != nil {
		return nil, busy(err)
	}
	defer unlock()
	if b.groupsRestored.Load() {
		// An earlier process may have created the group and ended before it
		// could write that down.
		if err := b.listGroups(ctx); err != nil {
			return nil, b.refuse(err, nil)
		}
	}
	g, err := b.unclaimedGroup(ctx, name)
	if err != nil {
		return nil, err
	}
	if g == nil {
		g, err = b.client.CreateGroup(ctx, kind, Fields{"name": name})
	}
	if err != nil {
		var e *APIError
		if outcomeUnknown(err) || errors.As(err, &e) && (e.Status == 400 || e.Status == 409) {
			g = b.groupInFreshservice(ctx, kind, name)
		}
		if g == nil {
			return nil, b.refuse(err, groupOrigin(name))
		}
	}
	r.ID = formatID(g.ID)
	k := &kept{Group: g, Claimed: true, Touched: b.now()}
	rec := &Record{Resource: r}
	if err := b.store(ctx, rec, k, nil); err != nil {
		return nil, err
	}
	if len(members) > 0 {
		release, err := b.locks.lock(ctx, groupLock(r.ID))
		if err != nil {
			return nil, err
		}
		defer release()
		if _, err := b.changeMembers(ctx, rec, k, scim.Precondition{}, members, nil); err != nil {
			return nil, err
		}
	}
	return b.mirror.Get(ctx, b.groups, r.ID, scim.Projection{})
}

// unclaimedGroup returns the group of that name that no client has written
// yet, to be taken over, nil when there is none, or an error when it belongs to
// a client.
func (b *Bridge) unclaimedGroup(ctx context.Context, name string) (*Group, error) {
	id, err := b.groupNamed(ctx, name)
	if err != nil || id == "" {
		return nil, err
	}
	_, k, err := b.visibleGroup(ctx, id)
	if err != nil {
		return nil, err
	}
	if k.Claimed || k.Group.Type == "rule_based" {
		return nil, scim.Errorf(scim.Uniqueness, "displayName %q is taken by the group with id %s", name, id).On("displayName")
	}
	return k.Group, nil
}

// groupInFreshservice looks a group up that the mirror does not know.
func (b *Bridge) groupInFreshservice(ctx context.Context, kind GroupKind, name string) *Group {
	groups, err := b.client.Groups(ctx, kind)
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(groups, func(g Group) bool { return foldKey(g.Name) == foldKey(name) })
	if i < 0 || groups[i].Type == "rule_based" {
		return nil
	}
	return &groups[i]
}

func groupOrigin(name string) *translation {
	return &translation{origin: map[string]origin{"name": {"displayName", name}}}
}

func memberIDs(r *scim.Resource) []string {
	var ids []string
	for _, v := range r.Peek().Elements("members") {
		if id := textOf(v); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// visibleGroup returns a group's record.
func (b *Bridge) visibleGroup(ctx context.Context, id string) (*Record, *kept, error) {
	rec, err := b.mirror.Record(ctx, b.groups, id)
	if err != nil {
		return nil, nil, err
	}
	k, err := keptOf(rec)
	return rec, k, err
}

func ruleBased(k *kept) error {
	if k.Group.Type != "rule_based" {
		return nil
	}
	return scim.Errorf(scim.Mutability, "Freshservice decides by rules who is in the group %q; only manual groups can be changed", k.Group.Name)
}

func (b *Bridge) updateGroup(ctx context.Context, id string, cond scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
	kind, err := b.groupKind()
	if err != nil {
		return nil, err
	}
	unlock, err := b.locks.lock(ctx, groupLock(id))
	if err != nil {
		return nil, busy(err)
	}
	defer unlock()
	rec, k, err := b.visibleGroup(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := cond.Check(rec.Resource.Version); err != nil {
		return nil, err
	}
	before, err := b.mirror.Members(ctx, id)
	if err != nil {
		return nil, err
	}
	now := rec.Resource.Clone()
	list := make([]scim.Value, len(before))
	for i, m := range before {
		list[i] = scim.NewObject("value", m, "type", "User")
	}
	now.Attributes().Delete("members")
	if len(list) > 0 {
		now.Attributes().Set("members", list)
	}
	if err := change(now); err != nil {
		return nil, err
	}
	after := memberIDs(now)
	now.Attributes().Delete("members")
	plain := rec.Resource.Clone()
	plain.Attributes().Delete("members")
	if !scim.Equal(plain.Peek(), now.Peek()) {
		if err := b.renameGroup(ctx, kind, id, k, now); err != nil {
			return nil, err
		}
		k.Claimed = true
		rec = &Record{Resource: now}
		if err := b.store(ctx, rec, k, k.Notes); err != nil {
			return nil, err
		}
	}
	add := slices.DeleteFunc(slices.Clone(after), func(m string) bool { return slices.Contains(before, m) })
	remove := slices.DeleteFunc(slices.Clone(before), func(m string) bool { return slices.Contains(after, m) })
	if len(add)+len(remove) > 0 {
		if _, err := b.changeMembers(ctx, rec, k, scim.Precondition{}, add, remove); err != nil {
			return nil, err
		}
	}
	return b.mirror.Get(ctx, b.groups, id, scim.Projection{})
}

// renameGroup sends the name, if that is what changed.
func (b *Bridge) renameGroup(ctx context.Context, kind GroupKind, id string, k *kept, now *scim.Resource) error {
	name := strings.TrimSpace(now.Peek().Text("displayName"))
	if name == k.Group.Name {
		return nil
	}
	if err := ruleBased(k); err != nil {
		return err
	}
	if other, err := b.groupNamed(ctx, name); err != nil {
		return err
	} else if other != "" && other != id {
		return scim.Errorf(scim.Uniqueness, "displayName %q is taken by the group with id %s", name, other).On("displayName")
	}
	g, err := b.client.UpdateGroup(ctx, kind, k.Group.ID, Fields{"name": name})
	if IsNotFound(err) {
		return b.groupGone(ctx, id)
	}
	if err != nil {
		return b.refuse(err, groupOrigin(name))
	}
	k.Group, k.Touched = g, b.now()
	return nil
}

// groupGone forgets a group that was deleted in Freshservice.
func (b *Bridge) groupGone(ctx context.Context, id string) error {
	if err := b.mirror.Remove(context.WithoutCancel(ctx), b.groups, id); err != nil {
		return err
	}
	return scim.Errorf(scim.NotFound, "the group with id %s no longer exists in Freshservice", id)
}

func (b *Bridge) deleteGroup(ctx context.Context, id string, cond scim.Precondition) error {
	kind, err := b.groupKind()
	if err != nil {
		return err
	}
	unlock, err := b.locks.lock(ctx, groupLock(id))
	if err != nil {
		return busy(err)
	}
	defer unlock()
	rec, k, err := b.visibleGroup(ctx, id)
	if err != nil {
		return err
	}
	if err := cond.Check(rec.Resource.Version); err != nil {
		return err
	}
	if err := ruleBased(k); err != nil {
		return err
	}
	if err := b.client.DeleteGroup(ctx, kind, k.Group.ID); err != nil && !IsNotFound(err) {
		return b.refuse(err, nil)
	}
	return b.mirror.Remove(context.WithoutCancel(ctx), b.groups, id)
}

// EditMembers adds and removes members of a group without reading the others
// from Freshservice.
func (b *Bridge) EditMembers(ctx context.Context, groupID string, cond scim.Precondition, add, remove []scim.Member) (string, error) {
	if err := b.writable(ctx); err != nil {
		return "", err
	}
	if _, err := b.groupKind(); err != nil {
		return "", err
	}
	unlock, err := b.locks.lock(ctx, groupLock(groupID))
	if err != nil {
		return "", busy(err)
	}
	defer unlock()
	rec, k, err := b.visibleGroup(ctx, groupID)
	if err != nil {
		return "", err
	}
	if err := cond.Check(rec.Resource.Version); err != nil {
		return "", err
	}
	members, err := b.mirror.Members(ctx, groupID)
	if err != nil {
		return "", err
	}
	present := map[string]bool{}
	for _, m := range members {
		present[m] = true
	}
	var adds, removes []string
	for _, m := range add {
		if !present[m.Value] {
			present[m.Value] = true
			adds = append(adds, m.Value)
		}
	}
	for _, m := range remove {
		if present[m.Value] {
			delete(present, m.Value)
			if i := slices.Index(adds, m.Value); i >= 0 {
				adds = slices.Delete(adds, i, i+1)
			} else {
				removes = append(removes, m.Value)
			}
		}
	}
	if len(adds)+len(removes) == 0 {
		return rec.Resource.Version, nil
	}
	return b.changeMembers(ctx, rec, k, cond, adds, removes)
}

// changeMembers sends changes of membership that are known to be changes. What
// Freshservice cannot hold (an agent group's requester, a deactivated person)
// is kept here and noted.
func (b *Bridge) changeMembers(ctx context.Context, rec *Record, k *kept, cond scim.Precondition, add, remove []string) (string, error) {
	if err := ruleBased(k); err != nil {
		return "", err
	}
	people := map[string]*Person{}
	for _, id := range slices.Concat(add, remove) {
		r, err := b.mirror.Record(ctx, b.users, id)
		if scim.IsType(err, scim.NotFound) || err == nil && r.Hidden {
			if slices.Contains(remove, id) {
				continue
			}
			return "", scim.Errorf(scim.InvalidValue, "the member %q is no user of this account", id).On("members")
		}
		if err != nil {
			return "", err
		}
		m, err := keptOf(r)
		if err != nil {
			return "", err
		}
		people[id] = m.Person
	}
	notes := slices.DeleteFunc(slices.Clone(k.Notes), func(n Note) bool { return slices.Contains(add, n.Value) || slices.Contains(remove, n.Value) })
	note := func(id, reason string) {
		notes = append(notes, Note{Attribute: "members", Value: id, Code: "refused_by_freshservice",
			Message: fmt.Sprintf("Freshservice does not hold %s as a member: %s; the membership is kept here only", id, reason)})
	}
	var doneAdd, doneRemove []string
	var failure error
	if b.settings.Groups == AgentGroups {
		doneAdd, doneRemove = add, remove
		failure = b.changeAgentGroup(ctx, k, add, remove, people, note)
		if failure != nil {
			doneAdd, doneRemove = nil, nil
		}
	} else {
		doneAdd, doneRemove, failure = b.changeRequesterGroup(ctx, k, add, remove, people, note)
	}
	if IsNotFound(failure) {
		return "", b.groupGone(ctx, rec.Resource.ID)
	}
	version := rec.Resource.Version
	if len(doneAdd)+len(doneRemove) > 0 {
		ctx := context.WithoutCancel(ctx)
		k.Touched = b.now()
		if err := b.store(ctx, rec, k, notes); err != nil {
			return "", err
		}
		var err error
		if version, err = b.mirror.EditMembers(ctx, rec.Resource.ID, scim.Precondition{}, membersOf(doneAdd), membersOf(doneRemove)); err != nil {
			return "", err
		}
	}
	return version, b.refuse(failure, nil)
}

func membersOf(ids []string) []scim.Member {
	list := make([]scim.Member, len(ids))
	for i, id := range ids {
		list[i] = scim.Member{Value: id, Type: "User"}
	}
	return list
}

// changeAgentGroup replaces the list of members, in one call.
func (b *Bridge) changeAgentGroup(ctx context.Context, k *kept, add, remove []string, people map[string]*Person, note func(id, reason string)) error {
	members := map[int64]bool{}
	for _, id := range k.Group.Members {
		members[id] = true
	}
	before := maps.Clone(members)
	for _, id := range add {
		switch p := people[id]; {
		case p.Kind != Agent:
			note(id, "an agent group has agents only, and this is a requester")
		case !p.Active:
			note(id, "the person is deactivated")
		default:
			members[p.ID] = true
		}
	}
	for _, id := range remove {
		if p := people[id]; p != nil {
			delete(members, p.ID)
		}
	}
	if maps.Equal(before, members) {
		return nil
	}
	list := slices.Sorted(maps.Keys(members))
	if list == nil {
		list = []int64{}
	}
	g, err := b.client.UpdateGroup(ctx, AgentGroup, k.Group.ID, Fields{"members": list})
	if err != nil {
		return err
	}
	k.Group = g
	return nil
}

// changeRequesterGroup sends one call for each member, and tells how far it came.
func (b *Bridge) changeRequesterGroup(ctx context.Context, k *kept, add, remove []string, people map[string]*Person, note func(id, reason string)) (added, removed []string, err error) {
	for _, id := range add {
		p := people[id]
		if !p.Active {
			note(id, "the person is deactivated, and joins when active again")
		} else if err := b.client.AddGroupMember(ctx, k.Group.ID, p.ID); err != nil {
			var e *APIError
			if !errors.As(err, &e) || !e.aboutObject() {
				return added, removed, err
			}
			if _, err := b.client.Group(ctx, RequesterGroup, k.Group.ID); err != nil {
				return added, removed, err
			}
			note(id, e.reason())
		}
		added = append(added, id)
	}
	for _, id := range remove {
		if p := people[id]; p != nil && p.Active {
			if err := b.client.RemoveGroupMember(ctx, k.Group.ID, p.ID); err != nil {
				var e *APIError
				if !errors.As(err, &e) || !e.aboutObject() {
					return added, removed, err // otherwise: no member there either
				}
			}
		}
		removed = append(removed, id)
	}
	return added, removed, nil
}

// groupsWith returns the groups that a person is a member of.
func (b *Bridge) groupsWith(ctx context.Context, id string) ([]*scim.Resource, error) {
	if b.settings.Groups != RequesterGroups && b.settings.Groups != AgentGroups {
		return nil, nil
	}
	var list []*scim.Resource
	for start := 1; ; start += 100 {
		page, err := b.mirror.Query(ctx, b.groups, scim.Query{
			Filter:     &scim.Comparison{Path: scim.Path{Attr: "members", Sub: "value"}, Op: scim.Eq, Value: id},
			StartIndex: start, Count: 100, Projection: withoutMembers,
		})
		if err != nil {
			return nil, err
		}
		list = append(list, page.Resources...)
		if len(page.Resources) < 100 {
			return list, nil
		}
	}
}

// leaveGroups ends the memberships of a person who was deleted. Freshservice
// has ended its own with the deactivation.
func (b *Bridge) leaveGroups(ctx context.Context, id string) error {
	ctx = context.WithoutCancel(ctx)
	groups, err := b.groupsWith(ctx, id)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if _, err := b.mirror.EditMembers(ctx, g.ID, scim.Precondition{}, nil, membersOf([]string{id})); err != nil {
			return err
		}
	}
	return nil
}

// rejoinGroups restores the memberships that Freshservice ended when it
// deactivated the person. What fails is logged only: the person is back.
func (b *Bridge) rejoinGroups(ctx context.Context, id string) {
	if b.settings.Groups != RequesterGroups {
		return
	}
	groups, err := b.groupsWith(ctx, id)
	b.logged("restoring memberships", err)
	for _, g := range groups {
		b.logged("restoring a membership", b.rejoinGroup(ctx, g.ID, id))
	}
}

func (b *Bridge) rejoinGroup(ctx context.Context, groupID, id string) error {
	unlock, err := b.locks.lock(ctx, groupLock(groupID))
	if err != nil {
		return err
	}
	defer unlock()
	page, err := b.mirror.Query(ctx, b.groups, scim.Query{StartIndex: 1, Filter: &scim.And{Operands: []scim.Filter{
		&scim.Comparison{Path: scim.Path{Attr: "id"}, Op: scim.Eq, Value: groupID},
		&scim.Comparison{Path: scim.Path{Attr: "members", Sub: "value"}, Op: scim.Eq, Value: id},
	}}})
	if err != nil || page.Total == 0 {
		return err // removed meanwhile
	}
	group, err := parseID(groupID)
	if err != nil {
		return err
	}
	person, err := parseID(id)
	if err != nil {
		return err
	}
	return b.client.AddGroupMember(ctx, group, person)
}

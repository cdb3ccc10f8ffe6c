package freshservice

import (
	"context"
	"slices"
	"strings"
	"time"

	"lockstep/internal/scim"
)

// groups compares the groups that clients have written: their names and who is
// in them. Requester groups cost a call each for every 100 members.
func (r *reconciliation) groups(ctx context.Context) error {
	b := r.b
	if b.settings.Groups != RequesterGroups && b.settings.Groups != AgentGroups {
		return nil
	}
	kind, err := b.groupKind()
	if err != nil {
		return err
	}
	asked := b.now()
	list, err := b.client.Groups(ctx, kind)
	if err != nil {
		return b.refuse(err, nil)
	}
	for i := range list {
		if err := r.group(ctx, kind, &list[i], asked); err != nil {
			return err
		}
	}
	return nil
}

func (r *reconciliation) group(ctx context.Context, kind GroupKind, g *Group, asked time.Time) error {
	b, id := r.b, formatID(g.ID)
	unlock, err := b.locks.lock(ctx, groupLock(id))
	if err != nil {
		return err
	}
	defer unlock()
	rec, k, err := b.visibleGroup(ctx, id)
	if scim.IsType(err, scim.NotFound) {
		return nil // the next listing takes it in
	}
	if err != nil || !k.Claimed || !k.Touched.Before(asked) {
		return err
	}
	there := g.Members
	if kind == RequesterGroup && g.Type != "rule_based" {
		if there, err = b.client.GroupMembers(ctx, g.ID); err != nil {
			return b.refuse(err, nil)
		}
	}
	var missing, extra []string
	if g.Type != "rule_based" {
		if missing, extra, err = b.membersApart(ctx, kind, id, k, there); err != nil {
			return err
		}
	}
	name := strings.TrimSpace(rec.Resource.Peek().Text("displayName"))
	d := PersonDrift{ID: id, Type: "Group", UserName: name, Outcome: DriftFound}
	if name != strings.TrimSpace(g.Name) {
		d.Attributes = append(d.Attributes, Drift{"displayName", "name", name, g.Name})
	}
	if len(missing)+len(extra) > 0 {
		lacks, err := b.addresses(ctx, missing)
		if err != nil {
			return err
		}
		has, err := b.addresses(ctx, extra)
		if err != nil {
			return err
		}
		d.Attributes = append(d.Attributes, Drift{"members", "members", lacks, has})
	}
	if len(d.Attributes) == 0 {
		return nil
	}
	switch r.o.Mode {
	case AdoptDrift:
		d.Outcome, err = DriftAdopted, b.adoptGroup(ctx, rec, k, g, missing, extra)
	case RepairDrift:
		d.Outcome, err = DriftRepaired, b.repairGroup(ctx, kind, rec, k, g, missing, extra)
	}
	if err != nil {
		if hopeless(ctx, err) {
			return err
		}
		d.Outcome, d.Problem = DriftFailed, scim.AsError(err).Detail
	}
	r.found(d)
	return nil
}

// membersApart compares the members of a group with those that Freshservice
// could hold of what clients wrote. People whom nobody knows here do not count.
func (b *Bridge) membersApart(ctx context.Context, kind GroupKind, id string, k *kept, there []int64) (missing, extra []string, err error) {
	members, err := b.mirror.Members(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range members {
		n, err := parseID(m)
		if err != nil || slices.Contains(there, n) || slices.ContainsFunc(k.Notes, func(note Note) bool { return note.Value == m }) {
			continue
		}
		p, ok, err := b.Known(ctx, n)
		if err != nil {
			return nil, nil, err
		}
		if ok && p.Active && (kind == RequesterGroup || p.Kind == Agent) {
			missing = append(missing, m)
		}
	}
	for _, n := range there {
		if m := formatID(n); !slices.Contains(members, m) {
			if _, ok, err := b.Known(ctx, n); err != nil {
				return nil, nil, err
			} else if ok {
				extra = append(extra, m)
			}
		}
	}
	return missing, extra, nil
}

// addresses names people for people to read; a few are enough.
func (b *Bridge) addresses(ctx context.Context, ids []string) (string, error) {
	const most = 5
	var list []string
	for _, id := range ids[:min(len(ids), most)] {
		rec, err := b.mirror.Record(ctx, b.users, id)
		if err != nil {
			return "", err
		}
		list = append(list, rec.Resource.Peek().Text("userName"))
	}
	if len(ids) > most {
		list = append(list, "…")
	}
	return strings.Join(list, ", "), nil
}

func (b *Bridge) adoptGroup(ctx context.Context, rec *Record, k *kept, g *Group, missing, extra []string) error {
	r := rec.Resource.Clone()
	r.Attributes().Set("displayName", strings.TrimSpace(g.Name))
	k.Group = g
	if err := b.store(ctx, &Record{Resource: r}, k, k.Notes); err != nil {
		return err
	}
	_, err := b.mirror.EditMembers(context.WithoutCancel(ctx), r.ID, scim.Precondition{}, membersOf(extra), membersOf(missing))
	return err
}

func (b *Bridge) repairGroup(ctx context.Context, kind GroupKind, rec *Record, k *kept, g *Group, missing, extra []string) error {
	fields := Fields{}
	if name := strings.TrimSpace(rec.Resource.Peek().Text("displayName")); name != strings.TrimSpace(g.Name) {
		fields["name"] = name
	}
	if kind == AgentGroup && len(missing)+len(extra) > 0 {
		members := slices.DeleteFunc(slices.Clone(g.Members), func(n int64) bool { return slices.Contains(extra, formatID(n)) })
		for _, m := range missing {
			n, err := parseID(m)
			if err != nil {
				return err
			}
			members = append(members, n)
		}
		if members == nil {
			members = []int64{}
		}
		fields["members"] = members
	}
	k.Group = g
	if len(fields) > 0 {
		updated, err := b.client.UpdateGroup(ctx, kind, g.ID, fields)
		if err != nil {
			return b.refuse(err, nil)
		}
		k.Group = updated
	}
	if kind == RequesterGroup {
		if err := eachMember(missing, func(n int64) error { return b.client.AddGroupMember(ctx, g.ID, n) }); err != nil {
			return b.refuse(err, nil)
		}
		if err := eachMember(extra, func(n int64) error { return b.client.RemoveGroupMember(ctx, g.ID, n) }); err != nil {
			return b.refuse(err, nil)
		}
	}
	k.Touched = b.now()
	return b.store(ctx, rec, k, k.Notes)
}

func eachMember(ids []string, change func(int64) error) error {
	for _, id := range ids {
		n, err := parseID(id)
		if err == nil {
			err = change(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

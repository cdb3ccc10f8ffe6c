package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lockstep/internal/scim"
)

// The resource types that memberships are about, by the names under which
// their collections are kept.
const (
	userType  = "User"
	groupType = "Group"
)

// A member is one row of a group's members.
type member struct {
	seq int64
	typ string // userType or groupType
	id  string
}

func bySeq(a, b member) int { return cmp.Compare(a.seq, b.seq) }

// members reads a group's members in the order of their creation.
func (d *Directory) members(tx *Tx, groupSeq int64) ([]member, error) {
	users, err := d.db.lookCollection(tx, d.account, userType)
	if err != nil {
		return nil, err
	}
	var list []member
	err = tx.Each(`SELECT m.member_seq, r.id FROM members m JOIN resources r ON r.seq = m.member_seq
		WHERE m.group_seq = $1 ORDER BY m.member_seq`, []any{groupSeq}, func(rows *sql.Rows) error {
		m := member{typ: groupType}
		err := rows.Scan(&m.seq, &m.id)
		if collectionOf(m.seq) == users {
			m.typ = userType
		}
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read members: %w", err)
	}
	return list, nil
}

// encodeMembers returns the attribute "members" as JSON.
func encodeMembers(list []member) []byte {
	b := make([]byte, 0, 64*len(list)+2)
	b = append(b, '[')
	for i, m := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"value":`...)
		b, _ = scim.AppendJSON(b, m.id) // a string from the database always encodes
		b = append(b, `,"type":"`...)
		b = append(b, m.typ...)
		b = append(b, `"}`...)
	}
	return append(b, ']')
}

// findMember returns the visible user or group that m names, a user first when
// m does not say which; its seq is 0 when there is none.
func (d *Directory) findMember(tx *Tx, m scim.Member) (member, error) {
	id := m.Value
	for _, typ := range []string{userType, groupType} {
		if m.Type != "" && !strings.EqualFold(m.Type, typ) {
			continue
		}
		c, err := d.db.lookCollection(tx, d.account, typ)
		if err != nil {
			return member{}, err
		}
		m := member{typ: typ, id: id}
		err = tx.Row(`SELECT seq FROM resources WHERE collection = $1 AND id = $2 AND NOT hidden`, []any{int64(c), id}, &m.seq)
		if err == nil {
			return m, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return member{}, fmt.Errorf("look up member %s: %w", id, err)
		}
	}
	return member{}, nil
}

// addMembers adds members and returns those that were none before.
func (d *Directory) addMembers(tx *Tx, groupSeq int64, list []scim.Member) ([]member, error) {
	var added []member
	for _, named := range list {
		m, err := d.findMember(tx, named)
		if err != nil {
			return nil, err
		}
		if m.seq == 0 {
			return nil, scim.Errorf(scim.InvalidValue, "there is no user or group %q to be a member; create it first", named.Value).On(attrMembers)
		}
		n, err := tx.Exec(`INSERT INTO members (group_seq, member_seq) VALUES ($1, $2) ON CONFLICT DO NOTHING`, groupSeq, m.seq)
		if err != nil {
			return nil, fmt.Errorf("add member %s: %w", named.Value, err)
		}
		if n > 0 {
			added = append(added, m)
		}
	}
	slices.SortFunc(added, bySeq)
	return added, nil
}

// replaceMembers makes ids the members of a group that has the members old,
// writing the differences only, and returns what it then has.
func (d *Directory) replaceMembers(tx *Tx, groupSeq int64, old []member, ids []string) ([]member, error) {
	have := make(map[string]bool, len(old))
	for _, m := range old {
		have[m.id] = true
	}
	want := make(map[string]bool, len(ids))
	var missing []scim.Member
	for _, id := range ids {
		want[id] = true
		if !have[id] {
			missing = append(missing, scim.Member{Value: id})
		}
	}
	var now []member
	for _, m := range old {
		if want[m.id] {
			now = append(now, m)
			continue
		}
		if _, err := tx.Exec(`DELETE FROM members WHERE group_seq = $1 AND member_seq = $2`, groupSeq, m.seq); err != nil {
			return nil, fmt.Errorf("remove member %s: %w", m.id, err)
		}
	}
	added, err := d.addMembers(tx, groupSeq, missing)
	if err != nil {
		return nil, err
	}
	now = append(now, added...)
	slices.SortFunc(now, bySeq)
	return now, nil
}

// leaveGroups takes a resource out of every group it is a member of. Each of
// these groups has a new version then.
func leaveGroups(tx *Tx, seq int64) error {
	_, err := tx.Exec(`UPDATE resources SET version = version + 1, modified = CASE WHEN modified > $2 THEN modified ELSE $2 END
		WHERE seq IN (SELECT group_seq FROM members WHERE member_seq = $1)`, seq, toMillis(time.Now()))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM members WHERE member_seq = $1`, seq)
	return err
}

// groupStub is enough of the Group type to name it in errors.
var groupStub = &scim.ResourceType{Name: groupType}

// EditMembers implements [scim.MemberEditor]: one row for each member, and
// none of the others is read.
func (d *Directory) EditMembers(ctx context.Context, groupID string, cond scim.Precondition, add, remove []scim.Member) (version string, err error) {
	err = d.db.write(ctx, accountRealm(d.account), func(tx *Tx) error {
		c, err := d.db.lookCollection(tx, d.account, groupType)
		if err != nil {
			return err
		}
		var seq, v int64
		err = tx.Row(`SELECT seq, version FROM resources WHERE collection = $1 AND id = $2 AND NOT hidden`, []any{int64(c), groupID}, &seq, &v)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound(groupStub, groupID)
		}
		if err != nil {
			return fmt.Errorf("read group %s: %w", groupID, err)
		}
		if err := cond.Check(scim.ETag(v)); err != nil {
			return err
		}
		changed := false
		for _, m := range remove {
			gone, err := d.findMember(tx, m)
			if err != nil {
				return err
			}
			if gone.seq == 0 {
				continue
			}
			n, err := tx.Exec(`DELETE FROM members WHERE group_seq = $1 AND member_seq = $2`, seq, gone.seq)
			if err != nil {
				return fmt.Errorf("remove member %s: %w", m.Value, err)
			}
			changed = changed || n > 0
		}
		added, err := d.addMembers(tx, seq, add)
		if err != nil {
			return err
		}
		if changed || len(added) > 0 {
			v++
			if _, err := tx.Exec(`UPDATE resources SET version = $2, modified = CASE WHEN modified > $3 THEN modified ELSE $3 END WHERE seq = $1`, seq, v, toMillis(time.Now())); err != nil {
				return fmt.Errorf("update group %s: %w", groupID, err)
			}
		}
		version = scim.ETag(v)
		return nil
	})
	return version, err
}

// assemble turns rows into resources, adding members and groups where the
// projection wants them.
func (d *Directory) assemble(tx *Tx, t *scim.ResourceType, p scim.Projection, rows []row) ([]*scim.Resource, error) {
	list := make([]*scim.Resource, len(rows))
	var groups map[int64][]byte
	if showsGroups(t) && p.Wants(attrGroups) && len(rows) > 0 && !(len(rows) == 1 && rows[0].groupless) {
		var err error
		if groups, err = d.groupsOf(tx, rows); err != nil {
			return nil, err
		}
	}
	members := ownsMembers(t) && p.Wants(attrMembers)
	for i := range rows {
		body := rows[i].body
		if members {
			m, err := d.members(tx, rows[i].seq)
			if err != nil {
				return nil, err
			}
			if len(m) > 0 {
				body = splice(body, attrMembers, encodeMembers(m))
			}
		}
		if g := groups[rows[i].seq]; g != nil {
			body = splice(body, attrGroups, append(g, ']'))
		}
		list[i] = rows[i].resource(t, body)
	}
	return list, nil
}

func (d *Directory) withGroups(tx *Tx, seq int64, body []byte) ([]byte, error) {
	groups, err := d.groupsOf(tx, []row{{seq: seq}})
	if g := groups[seq]; g != nil {
		body = splice(body, attrGroups, append(g, ']'))
	}
	return body, err
}

// groupsOf returns the attribute "groups" of each row that has one, as JSON
// without the closing bracket.
func (d *Directory) groupsOf(tx *Tx, rows []row) (map[int64][]byte, error) {
	if c, err := d.db.lookCollection(tx, d.account, groupType); err != nil || c == 0 {
		return nil, err
	}
	columns := `SELECT m.member_seq, g.id, ` + tx.c.jsonText("g.body", attrDisplayName) + `
		FROM members m JOIN resources g ON g.seq = m.group_seq WHERE NOT g.hidden AND `
	query, args := columns+`m.member_seq = $1`, []any{rows[0].seq}
	if len(rows) > 1 {
		seqs := make([]int64, len(rows))
		for i := range rows {
			seqs[i] = rows[i].seq
		}
		first, last := slices.Min(seqs), slices.Max(seqs)
		if last-first < 4*int64(len(rows)) {
			// A page in order of creation: its members lie together in the index.
			query, args = columns+`m.member_seq BETWEEN $1 AND $2`, []any{first, last}
		} else {
			list, err := json.Marshal(seqs)
			if err != nil {
				return nil, err
			}
			query, args = columns+`m.member_seq IN (SELECT value FROM `+tx.c.jsonNumbers("$1")+`)`, []any{string(list)}
		}
	}
	var found map[int64][]byte
	err := tx.Each(query, args, func(r *sql.Rows) error {
		var seq int64
		var id string
		var display sql.NullString
		if err := r.Scan(&seq, &id, &display); err != nil {
			return err
		}
		if found == nil {
			found = make(map[int64][]byte)
		}
		b := found[seq]
		if b == nil {
			b = append(b, '[')
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"value":`...)
		b, _ = scim.AppendJSON(b, id) // a string always encodes
		if display.Valid {
			b = append(b, `,"display":`...)
			var err error
			if b, err = scim.AppendJSON(b, display.String); err != nil {
				return err
			}
		}
		found[seq] = append(b, `,"type":"direct"}`...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	return found, nil
}

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

// findMembers returns the visible user or group that each name means, a user
// first when it does not say which; the seq is 0 where there is none. In the
// same step it looks for the group with the id owner, unless that is empty.
func (d *Directory) findMembers(tx *Tx, owner string, names []scim.Member) (list []member, ownerSeq int64, err error) {
	users, err := d.db.lookCollection(tx, d.account, userType)
	if err != nil {
		return nil, 0, err
	}
	groups, err := d.db.lookCollection(tx, d.account, groupType)
	if err != nil {
		return nil, 0, err
	}
	ids := make([]string, 0, len(names)+1)
	for _, m := range names {
		ids = append(ids, m.Value)
	}
	if owner != "" {
		ids = append(ids, owner)
	}
	const columns = `SELECT collection, id, seq FROM resources WHERE collection IN ($1, $2) AND NOT hidden AND id `
	query, args := columns+`IN ($3, $4)`, []any{int64(users), int64(groups)}
	if len(ids) <= 2 {
		args = append(args, ids[0], ids[len(ids)-1])
	} else {
		query, args = columns+`IN (SELECT value FROM `+tx.c.jsonStrings("$3")+`)`, append(args, idList(ids))
	}
	type key struct {
		c  collection
		id string
	}
	found := make(map[key]int64, len(ids))
	err = tx.Each(query, args, func(rows *sql.Rows) error {
		var k key
		var seq int64
		err := rows.Scan(&k.c, &k.id, &seq)
		found[k] = seq
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("look up members: %w", err)
	}
	list = make([]member, len(names))
	for i, m := range names {
		list[i].id = m.Value
		for _, in := range []struct {
			c   collection
			typ string
		}{{users, userType}, {groups, groupType}} {
			if list[i].seq == 0 && (m.Type == "" || strings.EqualFold(m.Type, in.typ)) {
				list[i].seq, list[i].typ = found[key{in.c, m.Value}], in.typ
			}
		}
	}
	return list, found[key{groups, owner}], nil
}

// noMember is the refusal of a member that does not exist.
func noMember(id string) error {
	return scim.Errorf(scim.InvalidValue, "there is no user or group %q to be a member; create it first", id).On(attrMembers)
}

// seqsOf returns the condition that a column is among seqs, as $n.
func seqsOf(tx *Tx, column, n string, seqs []int64) (condition string, arg any) {
	if len(seqs) == 1 {
		return column + " = " + n, seqs[0]
	}
	list, _ := json.Marshal(seqs) // numbers always encode
	return column + " IN (SELECT value FROM " + tx.c.jsonNumbers(n) + ")", string(list)
}

// insertMembers adds those of seqs that are visible resources and no members
// yet, and returns which.
func insertMembers(tx *Tx, groupSeq int64, seqs []int64) (added map[int64]bool, err error) {
	among, arg := seqsOf(tx, "seq", "$2", seqs)
	added = make(map[int64]bool, len(seqs))
	err = tx.Each(`INSERT INTO members (group_seq, member_seq) SELECT CAST($1 AS BIGINT), seq FROM resources WHERE `+among+` AND NOT hidden
		ON CONFLICT DO NOTHING RETURNING member_seq`, []any{groupSeq, arg}, func(rows *sql.Rows) error {
		var seq int64
		err := rows.Scan(&seq)
		added[seq] = true
		tx.touched(seq)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("add members: %w", err)
	}
	return added, nil
}

// deleteMembers removes those of seqs that are members and returns how many
// these were.
func deleteMembers(tx *Tx, groupSeq int64, seqs []int64) (int64, error) {
	among, arg := seqsOf(tx, "member_seq", "$2", seqs)
	n, err := tx.Exec(`DELETE FROM members WHERE group_seq = $1 AND `+among, groupSeq, arg)
	if err != nil {
		return 0, fmt.Errorf("remove members: %w", err)
	}
	return n, nil
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
	var gone []int64
	for _, m := range old {
		if want[m.id] {
			now = append(now, m)
		} else {
			gone = append(gone, m.seq)
		}
	}
	if len(gone) > 0 {
		if _, err := deleteMembers(tx, groupSeq, gone); err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 {
		found, _, err := d.findMembers(tx, "", missing)
		if err != nil {
			return nil, err
		}
		seqs, err := present(found)
		if err != nil {
			return nil, err
		}
		added, err := insertMembers(tx, groupSeq, seqs)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if added[m.seq] {
				now = append(now, m)
			}
		}
	}
	slices.SortFunc(now, bySeq)
	return now, nil
}

// present returns the seqs of members that all must exist, each once.
func present(list []member) ([]int64, error) {
	seqs := make([]int64, len(list))
	for i, m := range list {
		if m.seq == 0 {
			return nil, noMember(m.id)
		}
		seqs[i] = m.seq
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), nil
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
// none of the others is read. Who is meant is found out outside the writer.
func (d *Directory) EditMembers(ctx context.Context, groupID string, cond scim.Precondition, add, remove []scim.Member) (version string, err error) {
	var e memberEdit
	resolve := func(tx *Tx) (err error) {
		e, err = d.resolveEdit(tx, groupID, add, remove)
		return err
	}
	store := func(tx *Tx) (err error) {
		version, err = e.store(tx, cond)
		return err
	}
	for range optimism {
		if err := d.db.read(ctx, resolve); err != nil {
			return "", err
		}
		if d.db.remote() && len(cond.IfMatch)+len(cond.IfNoneMatch) == 0 {
			var v int64
			found, err := d.db.writeOne(ctx, accountRealm(d.account), d.db.editStatement(&e, toMillis(time.Now()), &v))
			if found || err != nil {
				return scim.ETag(v), err
			}
			continue
		}
		if err := d.db.write(ctx, accountRealm(d.account), store); !errors.Is(err, errStale) {
			return version, err
		}
	}
	err = d.db.write(ctx, accountRealm(d.account), func(tx *Tx) error {
		if err := resolve(tx); err != nil {
			return err
		}
		return store(tx)
	})
	return version, err
}

// A memberEdit is an edit of a group's members as their seqs. A seq means the
// same resource for ever.
type memberEdit struct {
	group       int64
	add, remove []int64
}

func (d *Directory) resolveEdit(tx *Tx, groupID string, add, remove []scim.Member) (e memberEdit, err error) {
	if strings.ContainsRune(groupID, 0) {
		return e, notFound(groupStub, groupID)
	}
	list, group, err := d.findMembers(tx, groupID, slices.Concat(add, remove))
	if err != nil {
		return e, err
	}
	if group == 0 {
		return e, notFound(groupStub, groupID)
	}
	e.group = group
	for _, m := range list[len(add):] {
		if m.seq != 0 {
			e.remove = append(e.remove, m.seq)
		}
	}
	e.add, err = present(list[:len(add)])
	return e, err
}

// store carries the edit out; it gives errStale when a resource that it is
// about has gone.
func (e *memberEdit) store(tx *Tx, cond scim.Precondition) (version string, err error) {
	var v int64
	current := func() error {
		err := tx.Row(`SELECT version FROM resources WHERE seq = $1 AND NOT hidden`, []any{e.group}, &v)
		if errors.Is(err, sql.ErrNoRows) {
			return errStale
		}
		return err
	}
	if len(cond.IfMatch)+len(cond.IfNoneMatch) > 0 {
		if err := current(); err != nil {
			return "", err
		}
		if err := cond.Check(scim.ETag(v)); err != nil {
			return "", err
		}
	}
	changed := false
	if len(e.remove) > 0 {
		n, err := deleteMembers(tx, e.group, e.remove)
		if err != nil {
			return "", err
		}
		changed = n > 0
	}
	if len(e.add) > 0 {
		added, err := insertMembers(tx, e.group, e.add)
		if err != nil {
			return "", err
		}
		changed = changed || len(added) > 0
		if len(added) < len(e.add) {
			var n int
			among, arg := seqsOf(tx, "seq", "$1", e.add)
			if err := tx.Row(`SELECT count(*) FROM resources WHERE `+among+` AND NOT hidden`, []any{arg}, &n); err != nil {
				return "", err
			}
			if n < len(e.add) {
				return "", errStale
			}
		}
	}
	if !changed {
		err := current()
		return scim.ETag(v), err
	}
	err = tx.Row(`UPDATE resources SET version = version + 1, modified = CASE WHEN modified > $2 THEN modified ELSE $2 END
		WHERE seq = $1 AND NOT hidden RETURNING version`, []any{e.group, toMillis(time.Now())}, &v)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errStale
	}
	if err != nil {
		return "", fmt.Errorf("update a group: %w", err)
	}
	return scim.ETag(v), nil
}

// assemble turns rows into resources, adding members and groups where the
// projection wants them.
func (d *Directory) assemble(tx *Tx, t *scim.ResourceType, p scim.Projection, rows []row) ([]*scim.Resource, error) {
	list := make([]*scim.Resource, len(rows))
	var groups map[int64][]byte
	if showsGroups(t) && p.Wants(attrGroups) && slices.ContainsFunc(rows, func(r row) bool { return !r.groupless }) {
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
	display := tx.c.jsonText("g.body", attrDisplayName)
	query, args := `SELECT m.member_seq, g.id, `+display+`
		FROM members m JOIN resources g ON g.seq = m.group_seq WHERE NOT g.hidden AND m.member_seq = $1`, []any{rows[0].seq}
	if len(rows) > 1 {
		among := ""
		seqs := make([]int64, len(rows))
		for i := range rows {
			seqs[i] = rows[i].seq
		}
		first, last := slices.Min(seqs), slices.Max(seqs)
		if last-first < 4*int64(len(rows)) {
			// A page in order of creation: its members lie together in the index.
			among, args = `BETWEEN $1 AND $2`, []any{first, last}
		} else {
			list, _ := json.Marshal(seqs) // numbers always encode
			among, args = `IN (SELECT value FROM `+tx.c.jsonNumbers("$1")+`)`, []any{string(list)}
		}
		// The body of a group is looked into once, however many are its members.
		query = `WITH m AS MATERIALIZED (SELECT member_seq, group_seq FROM members WHERE member_seq ` + among + `),
			g AS MATERIALIZED (SELECT g.seq, g.id, ` + display + ` AS display FROM resources g WHERE g.seq IN (SELECT group_seq FROM m) AND NOT g.hidden)
			SELECT m.member_seq, g.id, g.display FROM m JOIN g ON g.seq = m.group_seq`
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

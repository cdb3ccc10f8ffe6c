package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lockstep/internal/scim"
)

// A plan is how one query is answered. SQL decides what it can; what is left
// is decided by the kernel's Matcher and Compare on the rows that SQL yields,
// one at a time.
type plan struct {
	d     *Directory
	t     *scim.ResourceType
	q     scim.Query
	start int // counting from 0
	count int

	self   collection
	where  clause
	args   []any
	match  *scim.Matcher // nil: where is exact
	by     order
	loads  bool // match looks at members or groups, which the body lacks
	at     *cursor
	signed string // what cursors of this query are bound to
	since  uint64 // of the cache, before anything was read
}

// An order is what a query is sorted by. Ties keep the order of creation.
type order struct {
	path       *scim.Path // nil: by creation
	column     string     // the column that holds it, "" for none
	always     bool       // the column is never empty
	descending bool
}

// maxCount is more than any page may have; it keeps sums from overflowing.
const maxCount = 1 << 30

// Query implements [scim.Directory].
func (d *Directory) Query(ctx context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error) {
	p := &plan{d: d, t: t, q: q, start: min(max(q.StartIndex-1, 0), maxCount), count: min(max(q.Count, 0), maxCount)}
	var matcher *scim.Matcher
	if q.Filter != nil {
		var err error
		if matcher, err = scim.CompileFilter(t, q.Filter); err != nil {
			return nil, err
		}
	}
	if page, err := d.named(ctx, t, q); page != nil || err != nil {
		return page, err
	}
	p.since = d.db.cache.watch()
	p.by = orderOf(t, q)
	var page *scim.Page
	run := func(tx *Tx) (err error) {
		page, err = p.run(ctx, tx)
		return err
	}
	prepare := func(tx *Tx) error { return p.prepare(tx, matcher) }
	if err := d.db.read(ctx, prepare); err != nil {
		return nil, err
	}
	read := d.db.snapshot
	if p.sqlAlone() && !ownsMembers(t) && (p.where.index == byKey && q.Cursor == nil || d.db.remote()) {
		// One statement finds it all; or else a round trip for each end of a
		// transaction is too much for a total that may be out of date anyhow by the
		// time it arrives.
		read = d.db.read
	}
	if err := read(ctx, run); err != nil {
		return nil, err
	}
	return page, nil
}

// named answers from memory what clients ask most: who has this userName. The
// page is nil when the query is another one or the user is not there.
func (d *Directory) named(ctx context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error) {
	f, ok := q.Filter.(*scim.Comparison)
	if !ok || f.Op != scim.Eq || q.Cursor != nil || q.StartIndex > 1 || q.Count < 1 || !d.cached(t) {
		return nil, nil
	}
	name, isText := f.Value.(string)
	path, ok := t.Canonical(f.Path)
	if !ok || !isText || path.URN != "" || path.Attr != attrUserName || path.Sub != "" || path.Filter != nil {
		return nil, nil
	}
	c, _ := d.db.collections.get(collectionKey{d.account, t.Name})
	r, ok := d.db.cache.byName(c, scim.Fold(name))
	if !ok {
		return nil, nil
	}
	page := &scim.Page{Total: 1}
	if r.groupless || !q.Projection.Wants(attrGroups) {
		page.Resources = []*scim.Resource{r.resource(t, r.body)}
		return page, nil
	}
	err := d.db.read(ctx, func(tx *Tx) (err error) {
		page.Resources, err = d.assemble(tx, t, q.Projection, []row{*r})
		return err
	})
	return page, err
}

// orderOf finds the column for sortBy.
func orderOf(t *scim.ResourceType, q scim.Query) order {
	if q.SortBy == nil {
		return order{}
	}
	p, ok := t.Canonical(*q.SortBy)
	if !ok || p.Filter != nil {
		return order{}
	}
	o := order{path: &p, descending: q.Descending}
	if p.URN != "" {
		return o
	}
	switch p.Attr + "." + p.Sub {
	case attrUserName + ".":
		o.column, o.always = "user_name_key", true // its index gives the order
	case attrDisplayName + ".":
		o.column = "nullif(display_name_key, '')"
	case attrExternalID + ".":
		o.column = "nullif(external_id, '')"
	case attrID + ".":
		o.column, o.always = "id", true
	case attrMeta + ".created":
		o.column, o.always = "created", true
	case attrMeta + ".lastModified":
		o.column, o.always = "modified", true
	}
	return o
}

func (p *plan) prepare(tx *Tx, matcher *scim.Matcher) error {
	var c [3]collection
	for i, typ := range []string{p.t.Name, userType, groupType} {
		var err error
		if c[i], err = p.d.db.lookCollection(tx, p.d.account, typ); err != nil {
			return err
		}
	}
	p.self = c[0]
	p.where = clause{exact: true}
	if f := p.q.Filter; f != nil {
		tr := &translator{db: tx.c, t: p.t, self: c[0], users: c[1], groups: c[2]}
		p.where = tr.filter(f)
		p.args = tr.args
		if !p.where.exact {
			p.match = matcher
			p.loads = ownsMembers(p.t) && mentions(p.t, f, attrMembers) || showsGroups(p.t) && mentions(p.t, f, attrGroups)
		}
	}
	if p.q.Cursor == nil {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %t", p.self, p.by.descending)
	if p.by.path != nil {
		b.WriteString(" " + p.by.path.String())
	}
	if p.q.Filter != nil {
		b.WriteString(" filter " + p.q.Filter.String())
	}
	p.signed = b.String()
	p.at = &cursor{}
	if *p.q.Cursor != "" {
		var err error
		p.at, err = p.d.db.openCursor(*p.q.Cursor, p.signed)
		return err
	}
	return nil
}

// sqlAlone reports whether the kernel has no part in the answer.
func (p *plan) sqlAlone() bool { return p.match == nil && (p.by.path == nil || p.by.column != "") }

func (p *plan) run(ctx context.Context, tx *Tx) (*scim.Page, error) {
	if p.self == 0 {
		return &scim.Page{}, nil
	}
	var page *scim.Page
	var rows []row
	var err error
	switch {
	case p.match == nil && p.q.Filter == nil && p.by.path == nil:
		page, rows, err = p.list(tx)
	case p.sqlAlone():
		if p.where.index != byKey {
			tx = tx.until(ctx)
		}
		page, rows, err = p.find(tx)
	default:
		page, rows, err = p.scan(ctx, tx)
	}
	if err != nil {
		return nil, fmt.Errorf("query %ss: %w", p.t.Name, err)
	}
	page.Resources, err = p.d.assemble(tx, p.t, p.q.Projection, rows)
	return page, err
}

// arg adds an argument and returns its placeholder.
func (p *plan) arg(v any) string {
	p.args = append(p.args, v)
	return "$" + strconv.Itoa(len(p.args))
}

// base returns the condition for all candidates.
func (p *plan) base() string {
	var parts []string
	switch {
	case p.where.index != byScan: // keeps to the collection by itself
	case p.where.sql == "" && p.by.column != "":
		parts = append(parts, "collection = "+p.arg(int64(p.self))) // an index may give the order
	default:
		// In the order of the table, whose rows lie together.
		parts = append(parts, "seq BETWEEN "+p.arg(p.self.first())+" AND "+p.arg(p.self.last()))
	}
	if p.d.hides {
		parts = append(parts, "NOT hidden")
	}
	if p.where.sql != "" {
		parts = append(parts, "("+p.where.sql+")")
	}
	return strings.Join(parts, " AND ")
}

// list answers a query without filter and order: the totals are kept, and the
// page starts where the block counters or the cursor say.
func (p *plan) list(tx *Tx) (*scim.Page, []row, error) {
	page := &scim.Page{}
	var last, total int64
	if err := tx.Row(`SELECT last, total FROM collections WHERE num = $1`, []any{int64(p.self)}, &last, &total); err != nil {
		return nil, nil, err
	}
	page.Total = int(total)
	if p.at != nil {
		text := `SELECT ` + rowColumns + ` FROM resources WHERE seq > $1 AND seq < $2 AND NOT hidden ORDER BY seq LIMIT $3`
		from, to := max(p.at.Seq, p.self.first()), p.self.last()
		if p.at.Back {
			text = `SELECT ` + rowColumns + ` FROM resources WHERE seq > $1 AND seq < $2 AND NOT hidden ORDER BY seq DESC LIMIT $3`
			from, to = p.self.first(), p.at.Seq
		}
		rows, err := readRows(tx, text, from, to, p.count+1)
		if err != nil {
			return nil, nil, err
		}
		rows, err = p.turn(page, rows)
		return page, rows, err
	}
	if p.count == 0 || p.start >= page.Total {
		return page, nil, nil
	}
	from, skip := p.self.first(), int64(p.start)
	var idx *blockIndex
	if !p.d.hides {
		var err error
		if idx, err = p.d.db.blockIndex(tx, p.self, last, total); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case idx != nil:
		if first, n, ok := idx.run(skip, int64(p.count)); ok {
			if p.d.cached(p.t) {
				if rows, ok := p.d.db.cache.bySeq(p.self.first()+first, int(n)); ok {
					return page, rows, nil
				}
			}
			from, skip = p.self.first()+first-1, 0
		} else if at, within, ok := idx.seek(skip); ok {
			from, skip = p.self.first()+idx.blocks[at]<<blockBits-1, within
		}
	case skip >= 1<<blockBits:
		var block, before int64
		err := tx.Row(`SELECT block, before FROM (SELECT block, n, CAST(sum(n) OVER (ORDER BY block) AS BIGINT) - n AS before FROM blocks WHERE collection = $1) AS counted
			WHERE before + n > $2 ORDER BY block LIMIT 1`, []any{int64(p.self), skip}, &block, &before)
		if errors.Is(err, sql.ErrNoRows) {
			return page, nil, nil // fewer by now than the total said
		}
		if err != nil {
			return nil, nil, err
		}
		from, skip = p.self.first()+block<<blockBits-1, skip-before
	}
	rows, err := readRows(tx, `SELECT `+rowColumns+` FROM resources WHERE seq > $1 AND seq <= $2 AND NOT hidden ORDER BY seq LIMIT $3 OFFSET $4`,
		from, p.self.last(), p.count, skip)
	return page, rows, err
}

func readRows(tx *Tx, text string, args ...any) ([]row, error) {
	var list []row
	err := tx.Each(text, args, func(rows *sql.Rows) error {
		var r row
		err := r.scan(rows)
		list = append(list, r)
		return err
	})
	return list, err
}

// readFew is readRows for fewColumns.
func readFew(tx *Tx, text string, args ...any) ([]row, error) {
	var list []row
	err := tx.Each(text, args, func(rows *sql.Rows) error {
		var r row
		err := r.scanWith(rows, &r.groupless, &r.userName)
		list = append(list, r)
		return err
	})
	return list, err
}

// find answers a query that SQL decides alone.
func (p *plan) find(tx *Tx) (*scim.Page, []row, error) {
	page := &scim.Page{}
	base := p.base()
	plainArgs := len(p.args)
	limit, offset := p.count, p.start
	back := false
	if p.at != nil {
		limit, offset, back = p.count+1, 0, p.at.Back
		if *p.q.Cursor != "" {
			base += " AND (" + p.beyond() + ")"
		}
	}
	order := p.orderBy(back)
	tail := " ORDER BY " + order + " LIMIT " + p.arg(limit) + " OFFSET " + p.arg(offset)
	text := `SELECT ` + rowColumns + ` FROM resources WHERE ` + base + tail
	if p.where.index == byRange || p.by.path != nil {
		// Bodies stay out of the sorting.
		text = `SELECT ` + rowColumns + ` FROM resources WHERE seq IN (SELECT seq FROM resources WHERE ` + base + tail + `) ORDER BY ` + order
	}
	var rows []row
	if p.count > 0 {
		var err error
		read := readRows
		if p.where.index == byKey {
			read, text = readFew, `SELECT `+fewColumns+` FROM resources WHERE `+base+tail
		}
		if rows, err = read(tx, text, p.args...); err != nil {
			return nil, nil, err
		}
		if p.where.index == byKey && p.d.cached(p.t) {
			for i := range rows {
				p.d.db.cache.fill(p.since, &rows[i])
			}
		}
	}
	switch {
	case p.at != nil && *p.q.Cursor != "":
		page.Total = p.at.Total
	case p.start == 0 && p.count > 0 && len(rows) < limit:
		page.Total = len(rows)
	case p.q.Filter == nil:
		if err := tx.Row(`SELECT total FROM collections WHERE num = $1`, []any{int64(p.self)}, &page.Total); err != nil {
			return nil, nil, err
		}
	default:
		p.args = p.args[:plainArgs]
		err := tx.Row(`SELECT count(*) FROM resources WHERE `+base, p.args, &page.Total)
		if err != nil {
			return nil, nil, err
		}
		page.Total = max(page.Total, len(rows))
	}
	if p.at != nil {
		var err error
		rows, err = p.turn(page, rows)
		return page, rows, err
	}
	return page, rows, nil
}

// seq returns the seq as a term to sort and compare by.
func (p *plan) seq() string {
	if p.where.index != byScan {
		return p.d.db.looseSeq()
	}
	return "seq"
}

// orderBy returns the terms of ORDER BY. Resources without the value come
// last, descending first (RFC 7644 section 3.4.2.3).
func (p *plan) orderBy(back bool) string {
	seq := p.seq()
	if back {
		seq += " DESC"
	}
	switch {
	case p.by.path == nil:
		return seq
	case p.by.descending != back:
		return p.by.column + " DESC NULLS FIRST, " + seq
	default:
		return p.by.column + " NULLS LAST, " + seq
	}
}

// beyond returns the condition for what lies on the far side of the cursor.
func (p *plan) beyond() string {
	seq := p.seq() + " > "
	if p.at.Back {
		seq = p.seq() + " < "
	}
	seq += p.arg(p.at.Seq)
	if p.by.path == nil {
		return seq
	}
	col := p.by.column
	// Going up, resources without the value lie beyond all others; going down,
	// the others lie beyond them.
	up := p.by.descending == p.at.Back
	if p.at.Key == nil {
		if up {
			return col + " IS NULL AND " + seq
		}
		return col + " IS NULL AND " + seq + " OR " + col + " IS NOT NULL"
	}
	key := p.arg(p.at.Key)
	if p.by.always {
		// Said this way, an index leads to the place.
		if up {
			return col + " >= " + key + " AND (" + col + " > " + key + " OR " + seq + ")"
		}
		return col + " <= " + key + " AND (" + col + " < " + key + " OR " + seq + ")"
	}
	same := col + " = " + key + " AND " + seq
	if up {
		return col + " > " + key + " OR " + same + " OR " + col + " IS NULL"
	}
	return col + " < " + key + " OR " + same
}

// turn makes a page by cursor of one row more than it may have, in the order in
// which they were read, and sets the cursors to its neighbours.
func (p *plan) turn(page *scim.Page, rows []row) ([]row, error) {
	if p.count == 0 {
		return nil, nil
	}
	more := len(rows) > p.count
	rows = rows[:min(len(rows), p.count)]
	first := *p.q.Cursor == ""
	if p.at.Back {
		slices.Reverse(rows)
	}
	if len(rows) == 0 {
		return rows, nil
	}
	var err error
	if more || p.at.Back {
		if page.NextCursor, err = p.place(&rows[len(rows)-1], false, page.Total); err != nil {
			return nil, err
		}
	}
	if more && p.at.Back || !p.at.Back && !first {
		page.PrevCursor, err = p.place(&rows[0], true, page.Total)
	}
	return rows, err
}

// place returns the cursor beside r.
func (p *plan) place(r *row, back bool, total int) (string, error) {
	c := &cursor{Seq: r.seq, Back: back, Total: total}
	switch {
	case p.by.path == nil:
	case p.by.column != "" && p.match == nil:
		c.Key = p.keyOf(r)
	default:
		c.Sort = p.sortableOf(r)
	}
	return p.d.db.sealCursor(c, p.signed)
}

// keyOf returns what the sort column of r holds.
func (p *plan) keyOf(r *row) any {
	k := keysOf(p.t, r.resource(p.t, r.body).Peek())
	var key any
	switch p.by.path.Attr {
	case attrUserName:
		key = k.userName
	case attrDisplayName:
		key = k.displayName
	case attrExternalID:
		key = k.externalID
	case attrID:
		key = r.id
	case attrMeta:
		key = r.created
		if p.by.path.Sub == "lastModified" {
			key = r.modified
		}
	}
	if key == "" {
		return nil
	}
	return key
}

// rowOf reads one row again.
func rowOf(tx *Tx, seq int64) (row, error) {
	var r row
	err := tx.Row(`SELECT `+rowColumns+` FROM resources WHERE seq = $1`, []any{seq},
		&r.seq, &r.version, &r.created, &r.modified, &r.hidden, &r.id, &r.body)
	if errors.Is(err, sql.ErrNoRows) {
		return r, errStale // impossible within one snapshot
	}
	return r, err
}

package store

import (
	"context"
	"slices"

	"lockstep/internal/scim"
)

// scan answers a query that needs the kernel: the filter has parts that SQL
// cannot decide, or the order is by an attribute without a column. It looks at
// each candidate once and keeps no more of them than the page needs.
func (p *plan) scan(ctx context.Context, tx *Tx) (*scim.Page, []row, error) {
	if p.by.path != nil {
		return p.scanSorted(ctx, tx)
	}
	page := &scim.Page{}
	var rows []row
	if p.at == nil {
		err := p.each(ctx, tx, "", func(r *row) bool {
			if page.Total >= p.start && len(rows) < p.count {
				rows = append(rows, r.own())
			}
			page.Total++
			return true
		})
		return page, rows, err
	}
	first := *p.q.Cursor == ""
	beyond := ""
	if !first {
		beyond = p.beyond()
		page.Total = p.at.Total
	}
	err := p.each(ctx, tx, beyond, func(r *row) bool {
		if first {
			page.Total++
		}
		if len(rows) <= p.count {
			rows = append(rows, r.own())
		}
		return first || len(rows) <= p.count
	})
	if err != nil {
		return nil, nil, err
	}
	rows, err = p.turn(page, rows)
	return page, rows, err
}

// own returns a copy that outlives the scan.
func (r *row) own() row {
	c := *r
	c.body = slices.Clone(r.body)
	return c
}

// each calls yield for every candidate that matches and lies beyond the place
// given, in order of creation or against it, until yield returns false. The
// row is only valid during the call.
func (p *plan) each(ctx context.Context, tx *Tx, beyond string, yield func(*row) bool) error {
	base := p.base()
	if beyond != "" {
		base += " AND (" + beyond + ")"
	}
	if p.where.index == byRange {
		base = "seq IN (SELECT seq FROM resources WHERE " + base + ")" // bodies stay out of the sorting
	}
	down := ""
	if p.by.path == nil && p.at != nil && p.at.Back {
		down = " DESC"
	}
	text := `SELECT ` + rowColumns + ` FROM resources WHERE ` + base + ` ORDER BY seq` + down
	return tx.c.stream(ctx, tx, text, p.args, func(r *row) (bool, error) {
		ok, err := p.matches(tx, r)
		return err == nil && (!ok || yield(r)), err
	})
}

// matches asks the kernel about one candidate.
func (p *plan) matches(tx *Tx, r *row) (bool, error) {
	if p.match == nil {
		return true, nil
	}
	if !p.loads {
		return p.match.Match(r.resource(p.t, r.body)), nil
	}
	whole, err := p.d.assemble(tx, p.t, scim.Projection{}, []row{*r})
	if err != nil {
		return false, err
	}
	return p.match.Match(whole[0]), nil
}

// An item is what sorting keeps of a row.
type item struct {
	seq  int64
	sort *scim.Resource // with nothing but what it is sorted by
}

// sortableOf returns as much of r as its order needs.
func (p *plan) sortableOf(r *row) *sortable {
	s := &sortable{ID: r.id, Created: r.created, Modified: r.modified, Attrs: &scim.Object{}}
	attrs := r.resource(p.t, r.body).Peek()
	if urn := p.by.path.URN; urn != "" {
		attrs = attrs.Child(urn)
	}
	if v, ok := attrs.Get(p.by.path.Attr); ok {
		if urn := p.by.path.URN; urn != "" {
			s.Attrs.Set(urn, scim.NewObject(p.by.path.Attr, v))
		} else {
			s.Attrs.Set(p.by.path.Attr, v)
		}
	}
	return s
}

func (p *plan) itemOf(seq int64, s *sortable) item {
	r := scim.NewResource(p.t, s.Attrs)
	r.ID, r.Created, r.LastModified = s.ID, fromMillis(s.Created), fromMillis(s.Modified)
	return item{seq, r}
}

// compare orders two items as the query asks, ties by creation.
func (p *plan) compare(a, b item) int {
	c := scim.Compare(p.t, *p.by.path, a.sort, b.sort)
	if p.by.descending {
		c = -c
	}
	if c == 0 {
		c = compareSeq(a.seq, b.seq)
	}
	if p.at != nil && p.at.Back {
		c = -c
	}
	return c
}

func compareSeq(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (p *plan) scanSorted(ctx context.Context, tx *Tx) (*scim.Page, []row, error) {
	page := &scim.Page{}
	keep := p.start + p.count
	resumed := false
	var place item
	if p.at != nil {
		keep = p.count + 1
		if resumed = *p.q.Cursor != ""; resumed {
			if p.at.Sort == nil || p.at.Sort.Attrs == nil {
				return nil, nil, scim.Errorf(scim.InvalidCursor, "the cursor is not one that this query gave out; begin again with an empty cursor")
			}
			place = p.itemOf(p.at.Seq, p.at.Sort)
		}
	}
	if p.count == 0 {
		keep = 0
	}
	// The best are kept in order; when twice as many have come together as are
	// needed, the worse half goes.
	var best []item
	trim := func() {
		slices.SortFunc(best, p.compare)
		clear(best[min(len(best), keep):])
		best = best[:min(len(best), keep)]
	}
	err := p.each(ctx, tx, "", func(r *row) bool {
		page.Total++
		if keep == 0 {
			return true
		}
		it := p.itemOf(r.seq, p.sortableOf(r))
		if resumed && p.compare(it, place) <= 0 {
			return true
		}
		if best = append(best, it); len(best) >= 2*keep+64 {
			trim()
		}
		return true
	})
	if err != nil {
		return nil, nil, err
	}
	trim()
	if p.at == nil {
		best = best[min(p.start, len(best)):]
	}
	rows := make([]row, len(best))
	for i, it := range best {
		if rows[i], err = rowOf(tx, it.seq); err != nil {
			return nil, nil, err
		}
	}
	if p.at != nil {
		rows, err = p.turn(page, rows)
	}
	return page, rows, err
}

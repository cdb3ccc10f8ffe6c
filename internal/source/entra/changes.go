package entra

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"

	"lockstep/internal/graph"
	"lockstep/internal/provision"
)

// Changes yields everything for the zero watermark, and otherwise what changed
// since: users first, then groups. Every page carries a watermark with which a
// later call goes on behind it, also in the middle of a first reading; only a
// reading that was not interrupted says that it is complete, since nobody
// remembers what the part before an interruption showed.
//
// It fails with [provision.ErrWatermarkExpired] when Graph has forgotten the
// watermark (after seven days, or whenever it must reset), and when users were
// selected with other attributes. Other groups than before are read anew by
// themselves.
func (s *Source) Changes(ctx context.Context, since provision.Watermark) iter.Seq2[provision.Page, error] {
	return func(yield func(provision.Page, error) bool) {
		r := &reading{source: s, yield: yield}
		err := r.run(ctx, since)
		switch {
		case err == nil, errors.Is(err, errStopped):
		case errors.Is(err, graph.ErrResync):
			yield(provision.Page{}, fmt.Errorf("%w: %w", provision.ErrWatermarkExpired, err))
		default:
			yield(provision.Page{}, s.explain(err))
		}
	}
}

// errStopped says that the caller has left the loop over the pages.
var errStopped = errors.New("the caller wants no more pages")

// A reading is one call of Changes.
type reading struct {
	source *Source
	yield  func(provision.Page, error) bool
	mark   watermark
	total  int
	// hold: the reading cannot be gone on with from here.
	hold bool
}

func (r *reading) run(ctx context.Context, since provision.Watermark) error {
	s := r.source
	r.mark.Version = watermarkVersion
	users, groups := s.fingerprint(&s.users), s.fingerprint(&s.groups)
	if since != "" {
		w, err := parseWatermark(since)
		if err != nil || w.Users.Query != users || !s.graph.Owns(w.Users.Link) {
			return provision.ErrWatermarkExpired
		}
		r.mark.Users = w.Users
		if w.Groups != nil && w.Groups.Query == groups && s.graph.Owns(w.Groups.Link) {
			r.mark.Groups = w.Groups
		}
	} else {
		r.total = s.count(ctx)
	}
	if r.mark.Users == nil {
		r.mark.Users = &position{Query: users}
	}
	seen, err := r.round(ctx, &s.users, r.mark.Users)
	if err != nil {
		return err
	}
	if since == "" && seen == 0 {
		return errors.New("the tenant shows no user at all, and to believe it would be to remove everybody: check that the app has the permission User.Read.All")
	}
	if s.groups.off {
		r.mark.Groups = nil
	} else {
		if r.mark.Groups == nil {
			r.mark.Groups = &position{Query: groups}
		}
		if _, err := r.round(ctx, &s.groups, r.mark.Groups); err != nil {
			return err
		}
	}
	return r.page(provision.Page{Complete: since == ""})
}

// count returns how many objects a full reading will bring, 0 if Graph will not
// say.
func (s *Source) count(ctx context.Context) int {
	total, err := s.graph.Count(ctx, "/users")
	if err != nil {
		return 0
	}
	switch {
	case s.groups.off:
	case s.groups.only != nil:
		total += len(s.groups.only)
	default:
		n, err := s.graph.Count(ctx, "/groups")
		if err != nil {
			return 0
		}
		total += n
	}
	return total
}

// page hands a page over with the watermark behind it, once there is one: a
// position without a link cannot be returned to.
func (r *reading) page(p provision.Page) error {
	if r.mark.Users.Link != "" && !r.hold {
		next := r.mark
		if next.Groups != nil && next.Groups.Link == "" {
			next.Groups = nil
		}
		var err error
		if p.Next, err = next.encode(); err != nil {
			return err
		}
	}
	p.Total = r.total
	if !r.yield(p, nil) {
		return errStopped
	}
	return nil
}

// maxAgain bounds how many objects wait to be read at the end of a round: they
// stand in the watermark.
const maxAgain = 200

// maxGone bounds how many objects may be told gone in a round that can be gone
// on with after an interruption: they stand in the watermark. A round with more
// begins anew.
const maxGone = 1000

// maxListed is how many IDs a delta query can be filtered by.
const maxListed = 50

// A round is one delta query to its end.
type round struct {
	*reading
	sel *selected
	// full: the round lists everything. resumed: an earlier call began it.
	full, resumed bool
	managers      *managers

	seed maphash.Seed
	// there and gone hold the objects of this round, as hashes: whoever is in
	// both was told twice and is read to find out.
	there, gone map[uint64]struct{}
	again       map[string]bool
	goneIDs     []string
}

// round reads one kind of object to the end of a round, and returns how many of
// them are there.
func (r *reading) round(ctx context.Context, sel *selected, at *position) (int, error) {
	rd := &round{
		reading: r, sel: sel, full: at.Link == "" || at.Within && at.Full, resumed: at.Within,
		seed: maphash.MakeSeed(), there: map[uint64]struct{}{}, gone: map[uint64]struct{}{}, again: map[string]bool{},
	}
	for _, id := range at.Again {
		rd.again[id] = true
	}
	for _, id := range at.Gone {
		rd.left(id)
	}
	start, q := at.Link, graph.Query{}
	stored := start != ""
	if !stored {
		start = sel.path + "/delta"
		q.Select = sel.properties
		if n := len(sel.only); n > 0 && n <= maxListed {
			q.Filter = "id eq '" + strings.Join(sel.ids(), "' or id eq '") + "'"
		}
	}
	ended := false
	for p, err := range graph.Pages[graph.DirectoryObject](ctx, r.source.graph, start, q) {
		if err != nil {
			// Graph gave this link once; when it cannot read it any more, it has
			// forgotten what the link stands for.
			if e := (*graph.Error)(nil); errors.As(err, &e) && e.Status == http.StatusBadRequest && stored {
				err = fmt.Errorf("%w: %w", provision.ErrWatermarkExpired, err)
			}
			return 0, err
		}
		stored = false
		out, err := rd.take(ctx, p.Value)
		if err != nil {
			return 0, err
		}
		ended = p.NextLink == ""
		if ended || len(rd.again) >= maxAgain {
			more, err := r.source.reread(ctx, sel, slices.Sorted(maps.Keys(rd.again)))
			if err != nil {
				return 0, err
			}
			out.Changes = append(out.Changes, more...)
			clear(rd.again)
		}
		*at = position{Link: p.NextLink, Query: at.Query, Within: true, Full: rd.full, Again: slices.Sorted(maps.Keys(rd.again)), Gone: rd.goneIDs}
		r.hold = len(rd.goneIDs) > maxGone
		if ended {
			if p.DeltaLink == "" {
				return 0, fmt.Errorf("the last page of %s/delta has neither @odata.nextLink nor @odata.deltaLink, so what follows is unknown", sel.path)
			}
			*at, r.hold = position{Link: p.DeltaLink, Query: at.Query}, false
		}
		if err := r.page(out); err != nil {
			return 0, err
		}
	}
	if !ended {
		return 0, fmt.Errorf("%s/delta ended before its last page", sel.path)
	}
	return len(rd.there), nil
}

// take turns the entries of one page into a page of changes.
func (rd *round) take(ctx context.Context, entries []graph.DirectoryObject) (provision.Page, error) {
	var page provision.Page
	var open []pending
	for i := range entries {
		e := &entries[i]
		if e.ID == "" {
			page.Problems = append(page.Problems, provision.Problem{
				Place: fmt.Sprintf("entry %d of a page of %s/delta", i+1, rd.sel.path), Column: "id", Message: "is missing, so nobody can tell whom the entry is about",
			})
			continue
		}
		if rd.sel.only != nil && !rd.sel.only[strings.ToLower(e.ID)] {
			continue
		}
		if c, told, ok := rd.entry(e, &page); ok {
			page.Changes = append(page.Changes, c)
			if told.wanted {
				told.change = len(page.Changes) - 1
				open = append(open, told)
			}
		}
	}
	if err := rd.complete(ctx, &page, open); err != nil {
		return page, err
	}
	return page, nil
}

// left notes that an object was told to be gone.
func (rd *round) left(id string) {
	key := maphash.String(rd.seed, id)
	if _, known := rd.gone[key]; !known {
		rd.gone[key] = struct{}{}
		rd.goneIDs = append(rd.goneIDs, id)
	}
}

// A pending is a change whose relation has to be read.
type pending struct {
	wanted bool
	change int // its index in the page
	told   []graph.DirectoryObject
}

// entry turns one entry into a change. ok is false for one that says nothing
// now: it is read at the end of the round.
func (rd *round) entry(e *graph.DirectoryObject, page *provision.Page) (c provision.Change, p pending, ok bool) {
	key := maphash.String(rd.seed, e.ID)
	_, there := rd.there[key]
	_, gone := rd.gone[key]
	if e.Removed != "" {
		rd.left(e.ID)
		if there || rd.resumed {
			rd.again[e.ID] = true
			return c, p, false
		}
		how := provision.RemovedSoft
		if e.Removed == graph.RemovedDeleted {
			how = provision.RemovedHard
		}
		return provision.Change{Object: &provision.Object{Type: rd.sel.typ, ID: e.ID}, Removed: how}, p, true
	}
	rd.there[key] = struct{}{}
	if gone || there && rd.sel.typ == provision.Group {
		rd.again[e.ID] = true
		return c, p, false
	}
	c.Object = object(rd.sel.typ, rd.sel.known, e)
	if rd.sel.relation == "" {
		return c, p, true
	}
	related, told, err := e.Relation(rd.sel.relation)
	if err != nil {
		page.Problems = append(page.Problems, provision.Problem{
			Place: fmt.Sprintf("%s %s", strings.ToLower(string(rd.sel.typ)), e.ID), Column: rd.sel.relation, ID: e.ID, Kept: true,
			Message: "the change cannot be understood and is read instead: " + err.Error(),
		})
		related, told = nil, false
	}
	switch {
	case rd.sel.typ == provision.Group:
		// In a round that an earlier call began, what that call was told is not
		// known, and might be newer than this.
		if rd.resumed {
			related = nil
		}
		return c, pending{wanted: true, told: related}, true
	case told && !there && !rd.resumed:
		for i := range related {
			if related[i].Removed == "" {
				setManager(c.Object, related[i].ID)
				return c, p, true
			}
		}
		return c, p, true
	case told:
		// The second entry about this person, as far as is known: the order of the
		// two is not defined.
		if managers := slices.DeleteFunc(slices.Clone(related), func(o graph.DirectoryObject) bool { return o.Removed != "" }); rd.full && len(managers) == 1 {
			setManager(c.Object, managers[0].ID)
			return c, p, true
		}
		return c, pending{wanted: true}, true
	default:
		return c, pending{wanted: true}, true
	}
}

// complete reads the relations that the entries of a page left open.
func (rd *round) complete(ctx context.Context, page *provision.Page, open []pending) error {
	s := rd.source
	if len(open) == 0 {
		return nil
	}
	if rd.sel.typ == provision.User && rd.full {
		if rd.managers == nil {
			// After the round has begun: what changes from now on is in it, or in the next.
			var err error
			if rd.managers, err = s.readManagers(ctx); err != nil {
				return err
			}
		}
		for _, p := range open {
			o := page.Changes[p.change].Object
			setManager(o, rd.managers.manager(o.ID))
		}
		return nil
	}
	vanished := make([]bool, len(open))
	err := s.each(ctx, len(open), func(ctx context.Context, i int) error {
		o := page.Changes[open[i].change].Object
		if rd.sel.typ == provision.User {
			id, err := s.manager(ctx, o.ID)
			setManager(o, id)
			return err
		}
		var err error
		o.Members, err = s.members(ctx, o.ID, open[i].told)
		if graph.IsNotFound(err) {
			vanished[i], err = true, nil
		}
		return err
	})
	if err != nil {
		return err
	}
	// A group that has been deleted since is told so in the next round.
	for i, p := range slices.Backward(open) {
		if vanished[i] {
			page.Changes = slices.Delete(page.Changes, p.change, p.change+1)
		}
	}
	return nil
}

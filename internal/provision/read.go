package provision

import (
	"context"
	"errors"
	"fmt"
)

// read brings the ledger's copy of the source up to date and marks what changed.
func (r *run) read(ctx context.Context) error {
	since, err := r.Ledger.Watermark(ctx)
	if err != nil {
		return err
	}
	err = r.readSince(ctx, since)
	if errors.Is(err, ErrWatermarkExpired) {
		r.log.Info("the source forgot the watermark; reading everything")
		err = r.readSince(ctx, "")
	}
	return err
}

func (r *run) readSince(ctx context.Context, since Watermark) error {
	known := &staged{ledger: r.Ledger}
	counts := &r.cycle.Counts
	counts.People, counts.Groups = 0, 0
	read := 0
	r.progress(CycleReading, 0, 0)
	for page, err := range r.Source.Changes(ctx, since) {
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, ErrWatermarkExpired) {
				return err
			}
			return &SourceError{err}
		}
		for _, p := range page.Problems {
			if err := r.problem(ctx, known, p); err != nil {
				return err
			}
		}
		changed, err := known.changed(ctx, page.Changes)
		if err != nil {
			return err
		}
		if err := r.stage(ctx, changed); err != nil {
			return err
		}
		read += len(page.Changes)
		r.progress(CycleReading, read, page.Total)
		if page.Complete {
			if err := r.removeUnseen(ctx, known); err != nil {
				return err
			}
		}
		if page.Next != "" {
			r.cycle.Watermark = page.Next
		}
	}
	r.misread = len(known.unread)
	for s, err := range r.Ledger.Staged(ctx) {
		if err != nil {
			return err
		}
		switch {
		case s.Removed != NotRemoved:
		case s.Type == Group:
			if r.Job.Mapping(Group) != nil {
				counts.Groups++
			}
		default:
			counts.People++
		}
	}
	return nil
}

// problem takes note of a source entry that could not be read, or not in full.
func (r *run) problem(ctx context.Context, known *staged, p Problem) error {
	counts := &r.cycle.Counts
	switch {
	case p.Kept:
		counts.Incomplete++
	case p.ID == "":
		r.blind++
	default:
		if err := known.misread(ctx, User, p.ID); err != nil {
			return err
		}
	}
	if !p.Kept {
		counts.count(nil, StatusFailure, CodeMalformedEntry, p.Message)
	}
	r.log.Warn("a source entry could not be read in full", "place", p.Place, "column", p.Column, "problem", p.Message)
	if r.Problems != nil {
		r.Problems(p)
	}
	return nil
}

// removeUnseen stages the removal of everything a full enumeration did not
// show. Entries that could not even be identified might be any of them, so then
// nothing is taken for deleted.
func (r *run) removeUnseen(ctx context.Context, known *staged) error {
	if r.blind > 0 {
		r.log.Warn("nothing is taken for deleted in this cycle, because some source entries could not be identified", "entries", r.blind)
		return nil
	}
	var gone []Change
	for s, err := range r.Ledger.Staged(ctx) {
		if err != nil {
			return err
		}
		if s.Removed == RemovedHard {
			continue
		}
		if known.wasSeen(s.Type, s.ID) {
			continue
		}
		gone = append(gone, Change{Object: &Object{Type: s.Type, ID: s.ID}, Removed: RemovedHard})
	}
	return r.stage(ctx, gone)
}

// stage stores changes and marks, besides the objects themselves, the users
// whom a changed membership of an assigned group brings in or lets go.
func (r *run) stage(ctx context.Context, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := r.markAffectedMembers(ctx, changes); err != nil {
		return err
	}
	return r.Ledger.Stage(ctx, changes)
}

func (r *run) markAffectedMembers(ctx context.Context, changes []Change) error {
	if r.Job.SyncAll {
		return nil
	}
	assignedGroups := map[string]bool{}
	as, err := r.Ledger.Assignments(ctx)
	if err != nil {
		return err
	}
	for _, a := range as {
		if a.PrincipalType == Group {
			assignedGroups[a.PrincipalID] = true
		}
	}
	for _, ch := range changes {
		if ch.Object.Type != Group || !assignedGroups[ch.Object.ID] {
			continue
		}
		var before []string
		old, err := r.Ledger.Objects(ctx, Group, []string{ch.Object.ID})
		if err != nil {
			return err
		}
		for _, o := range old {
			before = o.Members
		}
		added, removed := memberDifference(ch.Object.Members, before)
		if ids := append(added, removed...); len(ids) > 0 {
			if err := r.Ledger.Mark(ctx, User, ids...); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadAssigned fills the set of assigned users and groups: those assigned
// themselves and the direct members of assigned groups, or with NestedGroups the
// members at any depth.
func (r *run) loadAssigned(ctx context.Context) error {
	r.assigned = map[uint64]struct{}{}
	if r.Job.SyncAll {
		return nil
	}
	as, err := r.Ledger.Assignments(ctx)
	if err != nil {
		return err
	}
	var groups []string
	for _, a := range as {
		r.assigned[objectKey(a.PrincipalType, a.PrincipalID)] = struct{}{}
		if a.PrincipalType == Group {
			groups = append(groups, a.PrincipalID)
		}
	}
	entered := map[string]bool{}
	for len(groups) > 0 {
		id := groups[len(groups)-1]
		groups = groups[:len(groups)-1]
		if entered[id] {
			continue // groups may contain each other
		}
		entered[id] = true
		found, err := r.Ledger.Objects(ctx, Group, []string{id})
		if err != nil {
			return err
		}
		for _, g := range found {
			for _, m := range g.Members {
				r.assigned[objectKey(User, m)] = struct{}{}
			}
			if !r.Job.NestedGroups {
				continue
			}
			inner, err := r.Ledger.Objects(ctx, Group, g.Members)
			if err != nil {
				return err
			}
			for _, g := range inner {
				groups = append(groups, g.ID)
			}
		}
	}
	return nil
}

// markNested marks the users whom a changed group, at whatever depth, brings in
// or lets go: those who are entitled and not provisioned, and the other way round.
// It is needed only when a group changed.
func (r *run) markNested(ctx context.Context) error {
	if r.Job.SyncAll || !r.Job.NestedGroups {
		return nil
	}
	if n, err := r.Ledger.CountMarked(ctx, Group); err != nil || n == 0 {
		return err
	}
	var ids []string
	for o, err := range r.Ledger.Managed(ctx, User) {
		if err != nil {
			return err
		}
		if r.isAssigned(User, o.ID) != o.Managed {
			ids = append(ids, o.ID)
		}
	}
	if len(ids) == 0 {
		return nil // no IDs would mean all
	}
	return r.Ledger.Mark(ctx, User, ids...)
}

func (r *run) isAssigned(t ObjectType, id string) bool {
	_, ok := r.assigned[objectKey(t, id)]
	return ok
}

// staged compares what is read with what the ledger remembers. It keeps one
// hash per object and is filled when the first change arrives, so that a source
// that reports nothing costs nothing.
type staged struct {
	ledger Ledger
	hashes map[uint64]uint64
	seen   map[uint64]struct{}
	// unread are known objects whose entry could not be read this time.
	unread map[uint64]struct{}
}

func (s *staged) load(ctx context.Context) error {
	if s.hashes != nil {
		return nil
	}
	s.hashes, s.seen, s.unread = map[uint64]uint64{}, map[uint64]struct{}{}, map[uint64]struct{}{}
	for o, err := range s.ledger.Staged(ctx) {
		if err != nil {
			return err
		}
		s.hashes[objectKey(o.Type, o.ID)] = o.Hash + uint64(o.Removed)
	}
	return nil
}

// misread notes that an object exists whose content could not be read.
func (s *staged) misread(ctx context.Context, t ObjectType, id string) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	key := objectKey(t, id)
	if _, read := s.seen[key]; read {
		return nil // another entry says the same ID and was read
	}
	s.seen[key] = struct{}{}
	if _, known := s.hashes[key]; known {
		s.unread[key] = struct{}{}
	}
	return nil
}

func (s *staged) wasSeen(t ObjectType, id string) bool {
	_, ok := s.seen[objectKey(t, id)]
	return ok
}

// changed returns the changes that differ from what is staged.
func (s *staged) changed(ctx context.Context, changes []Change) ([]Change, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	var out []Change
	for _, ch := range changes {
		if ch.Object == nil || ch.Object.ID == "" {
			return nil, &SourceError{fmt.Errorf("it yielded an object without an ID")}
		}
		key := ch.Object.Key()
		s.seen[key] = struct{}{}
		delete(s.unread, key)
		hash := ch.Object.ContentHash() + uint64(ch.Removed)
		if old, ok := s.hashes[key]; ok && old == hash {
			continue
		}
		s.hashes[key] = hash
		out = append(out, ch)
	}
	return out, nil
}

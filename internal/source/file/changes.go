package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"lockstep/internal/expression"
	"lockstep/internal/provision"
)

// pageSize is how many objects a page has.
const pageSize = 500

// errChanging is for a file that somebody wrote to while it was read.
var errChanging = errors.New("the file was being written while it was read: write exports to another name and rename them when complete; it will be read again")

// Changes yields one empty page when the file is as it was at the watermark,
// and otherwise everything in it.
//
// An entry that cannot be read is a [provision.Problem] and the others go in.
// So does one whose manager is not in the file: it goes in without manager, and
// a Problem says so. Changes fails, before its last page, when the file as a
// whole cannot be read, has nobody in it, or is written to meanwhile.
func (s *Source) Changes(ctx context.Context, since provision.Watermark) iter.Seq2[provision.Page, error] {
	return func(yield func(provision.Page, error) bool) {
		if err := s.enumerate(ctx, since, yield); err != nil && !errors.Is(err, errStopped) {
			yield(provision.Page{}, err)
		}
	}
}

// errStopped says that the caller has left the loop over the pages.
var errStopped = errors.New("the caller wants no more pages")

func (s *Source) enumerate(ctx context.Context, since provision.Watermark, yield func(provision.Page, error) bool) error {
	f, at, err := s.open()
	if err != nil {
		return err
	}
	defer f.Close()
	if old, ok := parseWatermark(since); ok {
		same, err := s.same(ctx, f, at, old)
		if err != nil {
			return err
		}
		if same {
			yield(provision.Page{Next: since}, nil)
			return nil
		}
	}
	x, at, next, err := s.survey(ctx, f, at)
	if err != nil {
		return err
	}
	if x.users+x.groups == 0 {
		return s.nobody(f)
	}
	p := &pager{source: s, file: f, at: at, index: x, yield: yield}
	p.page.Total = x.users + x.groups
	return p.run(ctx, next)
}

// survey reads the file for the first time. When somebody writes to it
// meanwhile, it waits a little and begins again, a few times.
func (s *Source) survey(ctx context.Context, f *os.File, at stamp) (*index, stamp, provision.Watermark, error) {
	for attempt := 1; ; attempt++ {
		mark, sum := newWatermark(at), sha256.New()
		x, err := s.build(ctx, f, sum, false)
		if ctx.Err() != nil {
			return nil, at, "", ctx.Err()
		}
		changed := s.unchanged(f, at)
		if changed == nil {
			mark.sum = hex.EncodeToString(sum.Sum(nil))
			return x, at, mark.encode(), err
		}
		if attempt == 3 {
			return nil, at, "", changed
		}
		select {
		case <-ctx.Done():
			return nil, at, "", ctx.Err()
		case <-time.After(settleTime):
		}
		st, err := f.Stat()
		if err != nil {
			return nil, at, "", s.wrap(err)
		}
		at = stampOf(st)
	}
}

// unchanged returns an error when f is no longer in the state at. A file that
// was replaced by another is still in the state in which it was opened.
func (s *Source) unchanged(f *os.File, at stamp) error {
	st, err := f.Stat()
	if err != nil {
		return s.wrap(err)
	}
	if stampOf(st) != at {
		return s.wrap(errChanging)
	}
	return nil
}

// nobody explains a file without a readable object. To take it as it stands
// would be to say that everybody has left.
func (s *Source) nobody(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return s.wrap(err)
	}
	entries, err := newReader(f, s.format, false)
	if err != nil {
		return s.wrap(err)
	}
	e, err := entries.next()
	if err != nil || len(e.problems) == 0 {
		return s.wrap(errors.New("the file has no user in it: an export with nobody in it would remove everybody; export the users again"))
	}
	first := e.problems[0]
	if first.Column != "" {
		first.Place += ", " + first.Column
	}
	return s.wrap(fmt.Errorf("no entry of the file can be read; the first: %s: %s", first.Place, first.Message))
}

// A pager reads the file for the second time and makes pages of it.
type pager struct {
	source *Source
	file   *os.File
	at     stamp
	index  *index
	yield  func(provision.Page, error) bool
	page   provision.Page
}

func (p *pager) run(ctx context.Context, next provision.Watermark) error {
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return p.source.wrap(err)
	}
	entries, err := newReader(p.file, p.source.format, true)
	if err != nil {
		return p.source.wrap(err)
	}
	for ordinal := 0; ; ordinal++ {
		e, err := entries.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return p.source.wrap(err)
		}
		if err := p.take(e, ordinal); err != nil {
			return err
		}
		if len(p.page.Changes) >= pageSize || len(p.page.Problems) >= pageSize {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
	}
	p.page.Complete, p.page.Next = true, next
	return p.flush(ctx)
}

// flush hands the page over, unless the file has changed under it.
func (p *pager) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.source.unchanged(p.file, p.at); err != nil {
		return err
	}
	if !p.yield(p.page, nil) {
		return errStopped
	}
	p.page = provision.Page{Total: p.page.Total}
	return nil
}

// take puts one entry on the page.
func (p *pager) take(e *entry, ordinal int) error {
	x := p.index
	if ordinal >= len(x.ids) {
		return p.source.wrap(errChanging)
	}
	for i := range e.problems {
		problem := e.problems[i]
		problem.ID, problem.Kept = e.id, !e.refused
		p.page.Problems = append(p.page.Problems, problem)
	}
	if e.refused {
		return nil
	}
	if x.ids[ordinal] == "" {
		first, ok := x.first(e.id)
		if !ok {
			return p.source.wrap(errChanging)
		}
		p.page.Problems = append(p.page.Problems, provision.Problem{
			Place: e.place.String(), Column: e.keyColumn, ID: x.ids[first],
			Message: fmt.Sprintf("%q is also in %s %d, and that one was taken; keep one of the two", e.id, e.place.kind, x.numbers[first]),
		})
		return nil
	}
	o, problems := x.object(e)
	p.page.Changes = append(p.page.Changes, provision.Change{Object: o})
	p.page.Problems = append(p.page.Problems, problems...)
	return nil
}

// object turns an entry into an object with its references resolved.
func (x *index) object(e *entry) (*provision.Object, []provision.Problem) {
	var problems []provision.Problem
	o := &provision.Object{Type: e.typ, ID: e.id, Attributes: e.attributes}
	report := func(column, format string, args ...any) {
		problems = append(problems, provision.Problem{
			Place: e.place.String(), Column: column, ID: e.id, Kept: true, Message: fmt.Sprintf(format, args...),
		})
	}
	if e.manager != "" {
		switch ordinal, how := x.resolve(e.manager); how {
		case found:
			o.Attributes["manager"] = expression.Text(x.ids[ordinal])
		case several:
			report("manager", "%q names more than one entry of the file, so the manager is left out; give the manager's ID", e.manager)
		default:
			report("manager", "%q is nobody in the file, so the manager is left out; add the manager, or correct the cell", e.manager)
		}
	}
	missing, example := 0, ""
	for _, m := range e.members {
		ordinal, how := x.resolve(m)
		if how != found {
			if missing++; example == "" {
				example = m
			}
			continue
		}
		o.Members = append(o.Members, x.ids[ordinal])
	}
	slices.Sort(o.Members)
	o.Members = slices.Compact(o.Members)
	if missing > 0 {
		report("members", "%d of %d members are not in the file or not told apart, and are left out: %q for one", missing, len(e.members), example)
	}
	return o, problems
}

// A watermark is a state of the file: size, time of change and SHA-256.
type watermark struct {
	stamp
	sum string
}

// watermarkVersion is raised when the same file comes to mean other objects.
const watermarkVersion = "file1"

// racy is how close to now a change may be for its time not to be trusted: the
// file may change again within the same tick of the file system's clock.
const racy = 2 * time.Second

func fresh(at stamp) bool { return time.Since(time.Unix(0, at.modified)) < racy }

// newWatermark returns the watermark, as yet without hash, of a file whose
// reading begins now. It leaves the time out when that proves nothing; the hash
// then decides.
func newWatermark(at stamp) watermark {
	if fresh(at) {
		at.modified = 0
	}
	return watermark{stamp: at}
}

func (m watermark) encode() provision.Watermark {
	return provision.Watermark(fmt.Sprintf("%s %d %d %s", watermarkVersion, m.size, m.modified, m.sum))
}

func parseWatermark(w provision.Watermark) (watermark, bool) {
	var m watermark
	rest, ok := strings.CutPrefix(string(w), watermarkVersion+" ")
	if !ok {
		return m, false
	}
	n, err := fmt.Sscanf(rest, "%d %d %s", &m.size, &m.modified, &m.sum)
	return m, err == nil && n == 3
}

// same reports whether f is in the state of the watermark.
func (s *Source) same(ctx context.Context, f *os.File, at stamp, old watermark) (bool, error) {
	if at.size != old.size {
		return false, nil
	}
	if at.modified == old.modified {
		return true, nil
	}
	sum := sha256.New()
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := f.Read(buf)
		sum.Write(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, s.wrap(err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)) == old.sum, nil
}

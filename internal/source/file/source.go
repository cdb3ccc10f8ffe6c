package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"lockstep/internal/provision"
	"lockstep/internal/source/attribute"
)

// Options say which file to read, and how.
type Options struct {
	// Path of the file. It must exist when the source is opened.
	Path string
	// Format is how the file is written, found out from its content when empty.
	Format Format
}

// A Source is one file. It keeps no handle open and notices by itself when
// the file is replaced. It is safe for concurrent use.
type Source struct {
	path   string
	format Format

	mu     sync.Mutex
	recent *recentIndex
}

var _ provision.Source = (*Source)(nil)

// smallIndex is how many entries a file may have for its index to be kept
// between look-ups. Larger files are read again for each.
const smallIndex = 50_000

// A recentIndex is the index of a small file as it was at stamp.
type recentIndex struct {
	stamp stamp
	index *index
}

// Open returns the source for a file. It fails when the file cannot be read,
// is not of a known format or, being a table, has no column that tells people
// apart.
func Open(o Options) (*Source, error) {
	switch o.Format {
	case Detect, CSV, JSON, LDIF:
	default:
		return nil, fmt.Errorf("the format %q is not known: use csv, json or ldif, or leave it out to have it detected", o.Format)
	}
	if o.Path == "" {
		return nil, errors.New("a path to the file is needed")
	}
	// Watching must go on when the process changes its working directory.
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Path, err)
	}
	s := &Source{path: path, format: o.Format}
	f, _, err := s.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := newReader(f, s.format, false); err != nil {
		return nil, s.wrap(err)
	}
	return s, nil
}

// Path returns the absolute path of the file.
func (s *Source) Path() string { return s.path }

func (s *Source) wrap(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%s: %w", s.path, err)
}

// open opens the file and says what state it is in. Errors name the file.
func (s *Source) open() (*os.File, stamp, error) {
	f, err := os.Open(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, stamp{}, fmt.Errorf("%s: there is no such file: check the path, or put the export there: %w", s.path, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return nil, stamp{}, fmt.Errorf("%s: the file may not be read: give the account that runs this program permission to read it: %w", s.path, fs.ErrPermission)
	case err != nil:
		return nil, stamp{}, err
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case st.IsDir():
		err = fmt.Errorf("%s: this is a folder: name one file in it; several exports must be joined into one", s.path)
	case !st.Mode().IsRegular():
		err = fmt.Errorf("%s: this is not a regular file, and it must be read more than once: save it to a file first", s.path)
	case st.Size() == 0:
		err = s.wrap(errEmpty)
	}
	if err != nil {
		f.Close()
		return nil, stamp{}, err
	}
	return f, stampOf(st), nil
}

// A stamp is what the file system says of a state of the file.
type stamp struct {
	size, modified int64 // bytes; nanoseconds since 1970
}

func stampOf(st fs.FileInfo) stamp { return stamp{st.Size(), st.ModTime().UnixNano()} }

// build reads the whole of f and indexes it. tee, if not nil, gets every byte.
func (s *Source) build(ctx context.Context, f *os.File, tee io.Writer, names bool) (*index, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, s.wrap(err)
	}
	var r io.Reader = f
	if tee != nil {
		r = io.TeeReader(f, tee)
	}
	entries, err := newReader(r, s.format, false)
	if err != nil {
		return nil, s.wrap(err)
	}
	x := newIndex()
	for {
		if len(x.ids)%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		e, err := entries.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, s.wrap(err)
		}
		x.add(e, names || entries.refers())
	}
	if tee != nil {
		// A reader may stop before white space at the end; the hash may not.
		if _, err := io.Copy(io.Discard, r); err != nil {
			return nil, s.wrap(err)
		}
	}
	return x, nil
}

// Lookup returns the object that ref names by ID, userPrincipalName, mail or
// distinguished name, or nil when there is none. A name that several entries
// have finds none of them. An entry that cannot be read is an error that says
// why.
func (s *Source) Lookup(ctx context.Context, ref string) (*provision.Object, error) {
	ref = strings.TrimSpace(ref)
	if ref == "" {
		return nil, nil
	}
	f, at, err := s.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	x := s.cached(at)
	if x == nil {
		if x, err = s.build(ctx, f, nil, true); err != nil {
			return nil, err
		}
		if err := s.unchanged(f, at); err != nil {
			return nil, err
		}
		s.cache(at, x)
	}
	ordinal, how := x.resolve(ref)
	if how != found {
		return nil, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, s.wrap(err)
	}
	entries, err := newReader(f, s.format, true)
	if err != nil {
		return nil, s.wrap(err)
	}
	for n := 0; ; n++ {
		e, err := entries.next()
		if err != nil {
			if err == io.EOF {
				err = errChanging
			}
			return nil, s.wrap(err)
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if n < ordinal {
			continue
		}
		if e.id != x.ids[ordinal] {
			return nil, s.wrap(errChanging)
		}
		if e.refused {
			p := e.problems[len(e.problems)-1]
			return nil, s.wrap(fmt.Errorf("%s: %s: %s", p.Place, p.Column, p.Message))
		}
		o, _ := x.object(e)
		return o, nil
	}
}

func (s *Source) cached(at stamp) *index {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent == nil || s.recent.stamp != at {
		return nil
	}
	return s.recent.index
}

func (s *Source) cache(at stamp, x *index) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent = nil
	if len(x.ids) <= smallIndex && !fresh(at) {
		s.recent = &recentIndex{at, x}
	}
}

// describeSample is how many entries are looked at for attribute names.
const describeSample = 1000

// Describe returns users and groups with the attributes that the file has: all
// columns of a table, or what the first 1,000 entries have.
func (s *Source) Describe(ctx context.Context) (*provision.DirectoryDefinition, error) {
	f, _, err := s.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := newReader(f, s.format, true)
	if err != nil {
		return nil, s.wrap(err)
	}
	users, groups := attribute.NewDefinition(provision.User), attribute.NewDefinition(provision.Group)
	if c, ok := entries.(*csvReader); ok {
		for _, col := range c.columns {
			users.See(col.name, provision.DataString, false)
			users.See(col.also, provision.DataString, false)
		}
		if c.manager >= 0 {
			users.See("manager", provision.DataReference, false)
		}
	}
	for range describeSample {
		e, err := entries.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, s.wrap(err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d := users
		if e.typ == provision.Group {
			d = groups
		}
		d.SeeValues(e.attributes)
		if e.manager != "" {
			d.See("manager", provision.DataReference, false)
		}
	}
	for _, name := range []string{"displayName", "description", "mail", "mailNickname"} {
		groups.See(name, provision.DataString, false)
	}
	groups.See("members", provision.DataReference, true)
	name := filepath.Base(s.path)
	return &provision.DirectoryDefinition{
		ID: name, Name: name, ReadOnly: true, Discoverabilities: "AttributeNames",
		Objects: []*provision.ObjectDefinition{users.Object(), groups.Object()},
	}, nil
}

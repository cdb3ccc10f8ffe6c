package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Bounds of one CSV record. A quote that is never closed may not take more of
// the file with it than this.
const (
	maxRecord      = 1 << 20
	maxRecordLines = 1000
)

// A scanner splits CSV (RFC 4180) into records. It differs from encoding/csv
// in what it does with bad quoting: the record's first line alone is given up,
// and the next line begins the next record. So a quote that somebody forgot
// costs one row and not the rest of the file.
type scanner struct {
	r          io.Reader
	buf        []byte
	start, end int // buf[start:end] is read and not yet consumed
	eof        bool
	err        error
	delimiter  byte
	columns    int // fields of the header; 0 while that is being read

	// The current record. row counts records and blank lines from 1, as a
	// spreadsheet does, line counts lines.
	row, line int
	data      []byte
	fields    []span
	nextLine  int
}

// A span is where a field stands in scanner.data.
type span struct {
	from, to int
	// escaped: the field has doubled quotes or a CR LF to be made plain.
	escaped bool
}

// A malformation is what is wrong with one record. Its first line is in
// scanner.data, for whatever can be saved.
type malformation struct {
	column  int // index of the column to blame, -1 when none is
	message string
}

func (m *malformation) Error() string { return m.message }

func newScanner(r io.Reader) *scanner {
	return &scanner{r: r, buf: make([]byte, 0, 256<<10), nextLine: 1, delimiter: ','}
}

// fill reads more. It reports whether it got any.
func (s *scanner) fill() bool {
	if s.eof || s.err != nil {
		return false
	}
	if s.start > 0 {
		copy(s.buf[:cap(s.buf)], s.buf[s.start:s.end])
		s.end -= s.start
		s.start = 0
	}
	if s.end == cap(s.buf) {
		grown := make([]byte, 2*cap(s.buf))
		copy(grown, s.buf[:s.end])
		s.buf = grown[:0]
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:cap(s.buf)])
		s.end += n
		s.buf = s.buf[:s.end]
		switch {
		case errors.Is(err, io.EOF):
			s.eof = true
			return n > 0
		case err != nil:
			s.err = err
			return false
		case n > 0:
			return true
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// lineEnd returns the offset from s.start just after the end of the line that
// begins at offset from, or of what there is of it when it is too long.
func (s *scanner) lineEnd(from int) (end int, ok bool) {
	for searched := from; ; {
		if i := bytes.IndexByte(s.buf[s.start+searched:s.end], '\n'); i >= 0 {
			return searched + i + 1, true
		}
		searched = s.end - s.start
		if searched > maxRecord {
			return searched, false
		}
		if !s.fill() {
			return s.end - s.start, s.end-s.start > from
		}
	}
}

// next scans the next record. It returns io.EOF at the end, a *malformation
// for a record that cannot be told, and any other error when reading failed.
func (s *scanner) next() error {
	for {
		s.line = s.nextLine
		end, ok := s.lineEnd(0)
		if s.err != nil {
			return s.err
		}
		if !ok && end == 0 {
			return io.EOF
		}
		s.row++
		if !ok || end > maxRecord {
			return s.skipLongLine()
		}
		line := trimEOL(s.buf[s.start : s.start+end])
		if len(line) == 0 {
			s.consume(end, 1)
			continue
		}
		if bytes.IndexByte(line, '"') < 0 {
			s.split(line)
			s.consume(end, 1)
			return nil
		}
		return s.quoted(end)
	}
}

func (s *scanner) consume(n, lines int) {
	s.start += n
	s.nextLine += lines
}

func trimEOL(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// split takes a line without quotes apart.
func (s *scanner) split(line []byte) {
	s.data = line
	s.fields = s.fields[:0]
	for from := 0; ; {
		i := bytes.IndexByte(line[from:], s.delimiter)
		if i < 0 {
			s.fields = append(s.fields, span{from: from, to: len(line)})
			return
		}
		s.fields = append(s.fields, span{from: from, to: from + i})
		from += i + 1
	}
}

// skipLongLine gives up a line longer than a record may be.
func (s *scanner) skipLongLine() error {
	s.data = nil
	s.fields = s.fields[:0]
	for {
		i := bytes.IndexByte(s.buf[s.start:s.end], '\n')
		if i >= 0 {
			s.consume(i+1, 1)
			break
		}
		s.start = s.end
		if !s.fill() {
			s.nextLine++
			break
		}
	}
	if s.err != nil {
		return s.err
	}
	return &malformation{-1, fmt.Sprintf("the row is longer than %d bytes; is this a table of users?", maxRecord)}
}

// quoted scans a record whose first line, of firstEnd bytes with its end, has
// a quote in it. A quoted field may go on over further lines.
func (s *scanner) quoted(firstEnd int) error {
	end, lines := firstEnd, 1
	s.fields = s.fields[:0]
	pos := 0
	give := func(m *malformation) error {
		s.data = trimEOL(s.buf[s.start : s.start+firstEnd])
		s.consume(firstEnd, 1)
		return m
	}
	line := trimEOL(s.buf[s.start : s.start+end])
	for {
		if pos >= len(line) || line[pos] != '"' {
			// A field without quotes around it; a quote inside is a character as
			// any other, since it cannot hide a delimiter.
			i := bytes.IndexByte(line[pos:], s.delimiter)
			if i < 0 {
				s.fields = append(s.fields, span{from: pos, to: len(line)})
				break
			}
			s.fields = append(s.fields, span{from: pos, to: pos + i})
			pos += i + 1
			continue
		}
		f := span{from: pos + 1}
		scan, closed := pos+1, false
		for !closed {
			i := -1
			if scan < len(line) {
				i = bytes.IndexByte(line[scan:], '"')
			}
			switch {
			case i < 0:
				resume := end
				next, ok := s.lineEnd(end)
				if s.err != nil {
					return s.err
				}
				if !ok || lines == maxRecordLines || next > maxRecord {
					return give(unclosed(len(s.fields)))
				}
				f.escaped = f.escaped || len(line)+2 == end
				end, lines = next, lines+1
				scan = resume
				line = trimEOL(s.buf[s.start : s.start+end])
			case scan+i+1 < len(line) && line[scan+i+1] == '"':
				f.escaped = true
				scan += i + 2
			default:
				f.to = scan + i
				pos = f.to + 1
				closed = true
			}
		}
		column := len(s.fields)
		s.fields = append(s.fields, f)
		for pos < len(line) && line[pos] == ' ' {
			pos++
		}
		if s.swallowsRow(s.buf[s.start+f.from : s.start+f.to]) {
			return give(unclosed(column))
		}
		if pos == len(line) {
			break
		}
		if line[pos] != s.delimiter {
			if lines > 1 {
				return give(unclosed(column))
			}
			return give(&malformation{column, `the cell goes on after its closing quote; a quote inside a quoted cell is written twice ("")`})
		}
		pos++
	}
	if lines > 1 && s.columns > 0 && len(s.fields) != s.columns {
		return give(unclosed(s.firstSpanning()))
	}
	s.data = trimEOL(s.buf[s.start : s.start+end])
	s.consume(end, lines)
	return nil
}

func unclosed(column int) *malformation {
	return &malformation{column, "a quote opens here and is not closed where the cell ends; close it, or write it twice (\"\") if it belongs to the text"}
}

// swallowsRow reports whether a cell that spans lines holds a line that has as
// many delimiters as a whole row: then its quote was left open, and the next
// quote in the file has closed it by accident. Tables of few columns are
// spared, where an address in a cell may look like that.
func (s *scanner) swallowsRow(cell []byte) bool {
	if s.columns < 4 {
		return false
	}
	_, after, ok := bytes.Cut(cell, []byte{'\n'})
	if !ok {
		return false
	}
	for line := range bytes.Lines(after) {
		if bytes.Count(line, []byte{s.delimiter}) == s.columns-1 {
			return true
		}
	}
	return false
}

// firstSpanning returns the first field that holds a line end.
func (s *scanner) firstSpanning() int {
	for i, f := range s.fields {
		if bytes.IndexByte(s.buf[s.start+f.from:s.start+f.to], '\n') >= 0 {
			return i
		}
	}
	return -1
}

package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// A Format says how a file is written.
type Format string

// The formats.
const (
	Detect Format = ""
	CSV    Format = "csv"
	JSON   Format = "json"
	LDIF   Format = "ldif"
)

// peekSize is how much of a file is looked at to tell what it is.
const peekSize = 4 << 10

var (
	bomUTF8    = []byte{0xef, 0xbb, 0xbf}
	bomUTF16LE = []byte{0xff, 0xfe}
	bomUTF16BE = []byte{0xfe, 0xff}
)

// errEmpty is for a file that holds nobody. An export with nobody in it is far
// more often a broken export than a company that everybody has left.
var errEmpty = errors.New("the file is empty: an export with nobody in it would remove everybody; export the users again")

// newReader returns the reader for what r holds. Text may be UTF-8 with or
// without byte order mark, or UTF-16, as spreadsheets save "Unicode text".
func newReader(r io.Reader, format Format, full bool) (reader, error) {
	text, err := decodeText(r)
	if err != nil {
		return nil, err
	}
	head, err := text.Peek(peekSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(bytes.TrimSpace(head)) == 0 && len(head) < peekSize {
		return nil, errEmpty
	}
	if format == Detect {
		format = detect(head)
	}
	switch format {
	case CSV:
		return newCSVReader(text, full)
	case JSON:
		return newJSONReader(text, full), nil
	case LDIF:
		return newLDIFReader(text, full), nil
	default:
		return nil, fmt.Errorf("the format %q is not known: use csv, json or ldif, or leave it out to have it detected", format)
	}
}

// decodeText returns r as UTF-8 without byte order mark.
func decodeText(r io.Reader) (*bufio.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(peekSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if msg := refusal(head); msg != "" {
		return nil, errors.New(msg)
	}
	var endian unicode.Endianness
	switch {
	case bytes.HasPrefix(head, bomUTF8):
		_, err := b.Discard(len(bomUTF8))
		return b, err
	case bytes.HasPrefix(head, bomUTF16LE):
		endian = unicode.LittleEndian
	case bytes.HasPrefix(head, bomUTF16BE):
		endian = unicode.BigEndian
	case len(head) >= 4 && head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0:
		endian = unicode.LittleEndian
	case len(head) >= 4 && head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0:
		endian = unicode.BigEndian
	case bytes.IndexByte(head, 0) >= 0:
		return nil, errors.New("the file is not text: give a CSV, JSON or LDIF file in UTF-8")
	default:
		return b, nil
	}
	decoder := unicode.UTF16(endian, unicode.UseBOM).NewDecoder()
	return bufio.NewReaderSize(transform.NewReader(b, decoder), 64<<10), nil
}

// refusal says what to do with a file of a kind that we know and do not read.
func refusal(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return `the file is an Excel workbook or a zip archive: save the sheet as "CSV UTF-8", or unpack the archive`
	case bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0")):
		return `the file is an old Excel workbook: save the sheet as "CSV UTF-8"`
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return "the file is compressed with gzip: unpack it first"
	case bytes.HasPrefix(head, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(head, []byte("\x00\x00\xfe\xff")):
		return "the file is in UTF-32: save it in UTF-8"
	}
	return ""
}

// detect tells the format from the first bytes of a text.
func detect(head []byte) Format {
	text := strings.TrimLeft(string(head), " \t\r\n")
	if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") {
		return JSON
	}
	for line := range strings.Lines(text) {
		lower := strings.ToLower(strings.TrimSpace(line))
		if strings.HasPrefix(lower, "dn:") || strings.HasPrefix(lower, "version:") {
			return LDIF
		}
		// LDIF begins with comments at will; a folded one goes on after a space.
		if lower != "" && lower[0] != '#' && line[0] != ' ' {
			return CSV
		}
	}
	return CSV
}

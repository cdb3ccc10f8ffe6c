package entra

import (
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"lockstep/internal/provision"
)

// A watermark says where the reading of users and of groups stands.
type watermark struct {
	Version string    `json:"v"`
	Users   *position `json:"users,omitempty"`
	Groups  *position `json:"groups,omitempty"`
}

// A position is where the reading of one kind of object stands.
type position struct {
	// Link leads on: to the next page within a round, and otherwise to the next
	// round (Graph: @odata.nextLink and @odata.deltaLink).
	Link string `json:"link"`
	// Query identifies what is read. Links carry it inside, so that another
	// query must begin anew.
	Query string `json:"query"`
	// Within: Link leads on within a round; Full: one that lists everything.
	Within bool `json:"within,omitempty"`
	Full   bool `json:"full,omitempty"`
	// Again are objects to be read at the end of the round.
	Again []string `json:"again,omitempty"`
	// Gone are the objects that this round has told to be gone.
	Gone []string `json:"gone,omitempty"`
}

// watermarkVersion is raised when the same answers come to mean other objects.
const watermarkVersion = "entra1"

func (w *watermark) encode() (provision.Watermark, error) {
	b, err := json.Marshal(w)
	return provision.Watermark(b), err
}

// maxWatermark bounds what is taken for a watermark, in bytes.
const maxWatermark = 1 << 20

// parseWatermark reads a watermark of this source. Whatever is none, because
// the app had another source, is an error.
func parseWatermark(text provision.Watermark) (*watermark, error) {
	if len(text) > maxWatermark {
		return nil, errors.New("too long")
	}
	w := &watermark{}
	if err := json.Unmarshal([]byte(text), w); err != nil {
		return nil, err
	}
	if w.Version != watermarkVersion {
		return nil, errors.New("of another version")
	}
	if w.Users == nil || w.Users.Link == "" {
		return nil, errors.New("incomplete")
	}
	if w.Groups != nil && w.Groups.Link == "" {
		w.Groups = nil
	}
	return w, nil
}

// fingerprint identifies what is read of a tenant.
func (s *Source) fingerprint(sel *selected) string {
	h := fnv.New64a()
	write := func(parts ...string) {
		for _, p := range parts {
			h.Write([]byte(p))
			h.Write([]byte{0})
		}
	}
	write(strings.ToLower(s.tenant), sel.path)
	write(sel.properties...)
	if s.nested && sel.typ == provision.Group {
		write("nested")
	}
	if sel.only != nil {
		write("only")
		write(sel.ids()...)
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

func (sel *selected) ids() []string {
	ids := make([]string, 0, len(sel.only))
	for id := range sel.only {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

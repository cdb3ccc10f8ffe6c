package freshservice

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"lockstep/internal/scim"
)

// A kept is what the bridge keeps in [Record.Freshservice].
type kept struct {
	Person *Person `json:"person,omitempty"`
	Group  *Group  `json:"group,omitempty"`
	// Claimed is set once a SCIM client has written the person: from then on
	// the resource is the client's, and Freshservice's changes are merged into it.
	Claimed bool `json:"claimed,omitempty"`
	// Touched is when the bridge last wrote to Freshservice here, by its own
	// clock. A listing that was read before that is old news.
	Touched time.Time `json:"touched,omitzero"`
	Notes   []Note    `json:"notes,omitempty"`
	// Wrote is the resource as the client last wrote it, kept from the moment
	// when a listing carried changes made in Freshservice into the resource, so
	// that [Bridge.Reconcile] can tell and undo them.
	Wrote json.RawMessage `json:"wrote,omitempty"`
}

// wrote returns the person as clients wrote them.
func (k *kept) wrote(rec *Record) *scim.Resource {
	if k.Wrote == nil {
		return rec.Resource
	}
	return scim.StoredResource(rec.Resource.Type, rec.Resource.ID, k.Wrote)
}

// rewritten carries a client's change into what it had written before, and
// lets go of that where nothing else differs from now any more.
func (k *kept) rewritten(rec *Record, now *scim.Resource, change func(*scim.Resource) error) {
	if k.Wrote == nil {
		return
	}
	r := k.wrote(rec).Clone()
	err := change(r)
	r.Attributes().Delete("password")
	k.Wrote = nil
	if err == nil && !scim.Equal(r.Peek(), now.Peek()) {
		k.Wrote, _ = r.JSON() // a resource can always be encoded
	}
}

func keptOf(rec *Record) (*kept, error) {
	k := &kept{}
	if err := json.Unmarshal(rec.Freshservice, k); err != nil {
		return nil, &scim.Error{Type: scim.Internal, Detail: "the record kept for " + rec.Resource.ID + " is unreadable", Err: err}
	}
	if k.Person == nil && k.Group == nil {
		return nil, scim.Errorf(scim.Internal, "the record kept for %s is empty", rec.Resource.ID)
	}
	return k, nil
}

// seal encodes what is kept into the record, and for people the addresses.
func (k *kept) seal(rec *Record) error {
	raw, err := json.Marshal(k)
	if err != nil {
		return err
	}
	rec.Freshservice = raw
	if k.Person != nil {
		rec.Emails = k.Person.Emails()
	}
	return nil
}

// store writes the record and, where they changed, its notes. What Freshservice
// has already taken is stored even when the client has hung up.
func (b *Bridge) store(ctx context.Context, rec *Record, k *kept, notes []Note) error {
	ctx = context.WithoutCancel(ctx)
	notes = b.date(notes, k.Notes)
	changed := !slices.Equal(notes, k.Notes)
	k.Notes = notes
	if err := k.seal(rec); err != nil {
		return err
	}
	if err := b.mirror.Put(ctx, rec); err != nil {
		return err
	}
	if !changed {
		return nil
	}
	return b.mirror.SetNotes(ctx, rec.Resource.Type, rec.Resource.ID, notes)
}

// date gives notes their time: when the same was noted first.
func (b *Bridge) date(notes, before []Note) []Note {
	for i := range notes {
		n := &notes[i]
		n.At = b.now().UTC().Truncate(time.Second)
		for _, old := range before {
			if old.Attribute == n.Attribute && old.Value == n.Value && old.Code == n.Code && old.Message == n.Message {
				n.At = old.At
			}
		}
	}
	return notes
}

// setting names of what the bridge keeps in the mirror.
const (
	settingInventory = "inventory"
	settingCatalogue = "catalogue"
	settingAgentDay  = "agents.day"
	settingAgents    = "agents.waiting"
	settingRepairs   = "manager.repairs"
	settingManager   = "manager.waiting/" // + reference
)

// addToList adds an ID to a setting that is a list of them.
func (b *Bridge) addToList(ctx context.Context, key, id string) error {
	return b.editList(ctx, key, func(ids []string) []string {
		if slices.Contains(ids, id) {
			return ids
		}
		return append(ids, id)
	})
}

func (b *Bridge) removeFromList(ctx context.Context, key, id string) error {
	return b.editList(ctx, key, func(ids []string) []string {
		return slices.DeleteFunc(ids, func(s string) bool { return s == id })
	})
}

func (b *Bridge) editList(ctx context.Context, key string, edit func([]string) []string) error {
	unlock, err := b.locks.lock(ctx, "setting/"+key)
	if err != nil {
		return err
	}
	defer unlock()
	ids, err := b.list(ctx, key)
	if err != nil {
		return err
	}
	before := strings.Join(ids, ",")
	if after := strings.Join(edit(ids), ","); after != before {
		return b.mirror.SetSetting(ctx, key, after)
	}
	return nil
}

func (b *Bridge) list(ctx context.Context, key string) ([]string, error) {
	s, err := b.mirror.Setting(ctx, key)
	if err != nil || s == "" {
		return nil, err
	}
	return strings.Split(s, ","), nil
}

func formatID(id int64) string { return strconv.FormatInt(id, 10) }

// personLock is the key under which one person's writes are served.
func personLock(id string) string { return "person/" + id }

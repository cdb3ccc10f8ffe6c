package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"lockstep/internal/freshservice"
	"lockstep/internal/scim"
)

// A Mirror is lockstep's copy of one Freshservice account: a directory whose
// resources each have a record beside them.
type Mirror struct {
	dir   *Directory
	types map[string]*scim.ResourceType
}

var _ freshservice.Mirror = (*Mirror)(nil)

// Mirror returns the mirror of an account. Types are the account's resource
// types, for records that are found without saying which; those not given are
// the default ones.
func (db *DB) Mirror(accountID string, types ...*scim.ResourceType) *Mirror {
	m := &Mirror{dir: &Directory{db: db, account: accountID, hides: true}, types: make(map[string]*scim.ResourceType)}
	for _, t := range types {
		m.types[t.Name] = t
	}
	if m.types[userType] == nil {
		m.types[userType] = defaultUserType
	}
	return m
}

var defaultUserType = scim.UserType()

// Get implements [freshservice.Mirror].
func (m *Mirror) Get(ctx context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error) {
	return m.dir.Get(ctx, t, id, p)
}

// Query implements [freshservice.Mirror].
func (m *Mirror) Query(ctx context.Context, t *scim.ResourceType, q scim.Query) (*scim.Page, error) {
	return m.dir.Query(ctx, t, q)
}

// Record implements [freshservice.Mirror].
func (m *Mirror) Record(ctx context.Context, t *scim.ResourceType, id string) (*freshservice.Record, error) {
	var rec *freshservice.Record
	err := m.dir.db.read(ctx, func(tx *Tx) error {
		r, err := m.dir.find(tx, t, id)
		if err != nil {
			return err
		}
		rec, err = recordOf(tx, t, r)
		return err
	})
	return rec, err
}

// recordOf reads what is kept beside a row.
func recordOf(tx *Tx, t *scim.ResourceType, r *row) (*freshservice.Record, error) {
	rec := &freshservice.Record{Resource: r.resource(t, r.body), Hidden: r.hidden}
	err := tx.Row(`SELECT record FROM freshservice_records WHERE seq = $1`, []any{r.seq}, &rec.Freshservice)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read the record of %s %s: %w", t.Name, r.id, err)
	}
	if rec.Emails, err = recordEmails(tx, r.seq); err != nil {
		return nil, fmt.Errorf("read the addresses of %s %s: %w", t.Name, r.id, err)
	}
	return rec, nil
}

func recordEmails(tx *Tx, seq int64) ([]string, error) {
	var list []string
	err := tx.Each(`SELECT email_key FROM freshservice_emails WHERE seq = $1 ORDER BY email_key`, []any{seq}, func(rows *sql.Rows) error {
		var email string
		err := rows.Scan(&email)
		list = append(list, email)
		return err
	})
	return list, err
}

// RecordByEmail implements [freshservice.Mirror]. An address belongs to one
// person in Freshservice: whoever was last put with it.
func (m *Mirror) RecordByEmail(ctx context.Context, email string) (*freshservice.Record, error) {
	return m.recordBy(ctx, `SELECT seq FROM freshservice_emails WHERE collection = $1 AND email_key = $2`, scim.Fold(email))
}

// RecordByUserName implements [freshservice.Mirror].
func (m *Mirror) RecordByUserName(ctx context.Context, userName string) (*freshservice.Record, error) {
	return m.recordBy(ctx, `SELECT seq FROM resources WHERE collection = $1 AND user_name_key = $2`, scim.Fold(userName))
}

// recordBy returns the person whose seq the query gives, or nil.
func (m *Mirror) recordBy(ctx context.Context, query, key string) (*freshservice.Record, error) {
	var rec *freshservice.Record
	t := m.types[userType]
	err := m.dir.db.snapshot(ctx, func(tx *Tx) error {
		c, err := m.dir.db.lookCollection(tx, m.dir.account, t.Name)
		if c == 0 || err != nil {
			return err
		}
		var seq int64
		if err := tx.Row(query, []any{int64(c), key}, &seq); errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return fmt.Errorf("look up a person: %w", err)
		}
		r, err := rowOf(tx, seq)
		if err != nil {
			return err
		}
		rec, err = recordOf(tx, t, &r)
		return err
	})
	return rec, err
}

// A put is one record on its way into the database.
type put struct {
	rec    *freshservice.Record
	t      *scim.ResourceType
	body   []byte
	keys   *keys
	emails []string // folded, sorted, each once
	old    *row     // nil: it is new
	row    row      // as it will be
	// changed: the resource or whether clients see it.
	changed bool
}

// Put implements [freshservice.Mirror].
func (m *Mirror) Put(ctx context.Context, records ...*freshservice.Record) error {
	puts := make([]*put, len(records))
	for i, rec := range records {
		t, attrs := rec.Resource.Type, rec.Resource.Peek()
		body, err := encodeBody(t, attrs)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", t.Name, rec.Resource.ID, err)
		}
		p := &put{rec: rec, t: t, body: body, keys: keysOf(t, attrs)}
		for _, email := range rec.Emails {
			p.emails = append(p.emails, scim.Fold(email))
		}
		slices.Sort(p.emails)
		p.emails = slices.Compact(p.emails)
		puts[i] = p
	}
	err := m.dir.db.write(ctx, accountRealm(m.dir.account), func(tx *Tx) error {
		now := toMillis(time.Now())
		for _, p := range puts {
			if err := m.compare(tx, p, now); err != nil {
				return err
			}
		}
		// Names are given up before they are taken: two people may have changed
		// places.
		for _, p := range puts {
			if p.old != nil && p.changed {
				if _, err := tx.Exec(`UPDATE resources SET user_name_key = NULL, unique_display_name = NULL WHERE seq = $1`, p.old.seq); err != nil {
					return fmt.Errorf("store %s %s: %w", p.t.Name, p.row.id, err)
				}
			}
		}
		for _, p := range puts {
			if err := m.store(tx, p); err != nil {
				if refusal := taken(err, p.t, p.rec.Resource.Peek()); refusal != nil {
					return refusal
				}
				return fmt.Errorf("store %s %s: %w", p.t.Name, p.row.id, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range puts {
		r := p.rec.Resource
		r.Created, r.LastModified, r.Version = fromMillis(p.row.created), fromMillis(p.row.modified), scim.ETag(p.row.version)
	}
	return nil
}

// compare finds out what storing p will change.
func (m *Mirror) compare(tx *Tx, p *put, now int64) error {
	id := p.rec.Resource.ID
	old, err := m.dir.find(tx, p.t, id)
	if scim.IsType(err, scim.NotFound) {
		created := now
		if at := p.rec.Resource.Created; !at.IsZero() {
			created = toMillis(at)
		}
		p.old, p.changed = nil, true
		p.row = row{version: 1, created: created, modified: now, hidden: p.rec.Hidden, id: id, body: p.body}
		return nil
	}
	if err != nil {
		return err
	}
	p.old, p.row = old, *old
	p.row.hidden = p.rec.Hidden
	p.changed = old.hidden != p.rec.Hidden || !bytes.Equal(old.body, p.body) &&
		!scim.Equal(old.resource(p.t, old.body).Peek(), bodyOf(p.t, p.rec.Resource.Peek()))
	if p.changed {
		p.row.version++
		p.row.modified = max(now, old.modified)
		p.row.body = p.body
	}
	return nil
}

func (m *Mirror) store(tx *Tx, p *put) error {
	switch {
	case p.old == nil:
		c, err := m.dir.db.ensureCollection(tx, m.dir.account, p.t.Name)
		if err != nil {
			return err
		}
		if err := insertResource(tx, c, &p.row, p.keys); err != nil {
			return err
		}
	case p.changed:
		before := keysOf(p.t, p.old.resource(p.t, p.old.body).Peek())
		before.userName, before.uniqueName = nil, nil // given up already
		if _, err := updateResource(tx, p.old, &p.row, before, p.keys); err != nil {
			return err
		}
		if err := m.setHidden(tx, p); err != nil {
			return err
		}
	}
	return putBeside(tx, p)
}

// setHidden lets a resource appear to clients or disappear. One that
// disappears is no member of anything any more.
func (m *Mirror) setHidden(tx *Tx, p *put) error {
	if p.old.hidden == p.row.hidden {
		return nil
	}
	if _, err := tx.Exec(`UPDATE resources SET hidden = $2 WHERE seq = $1`, p.row.seq, p.row.hidden); err != nil {
		return err
	}
	if !p.row.hidden {
		return recount(tx, p.row.seq, 1)
	}
	if err := leaveGroups(tx, p.row.seq); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM members WHERE group_seq = $1`, p.row.seq); err != nil {
		return err
	}
	return recount(tx, p.row.seq, -1)
}

// putBeside writes the record and its addresses where they differ.
func putBeside(tx *Tx, p *put) error {
	_, err := tx.Exec(`INSERT INTO freshservice_records (seq, record) VALUES ($1, $2)
		ON CONFLICT (seq) DO UPDATE SET record = excluded.record WHERE freshservice_records.record <> excluded.record`,
		p.row.seq, append([]byte{}, p.rec.Freshservice...))
	if err != nil {
		return err
	}
	have, err := recordEmails(tx, p.row.seq)
	if err != nil || slices.Equal(have, p.emails) {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM freshservice_emails WHERE seq = $1`, p.row.seq); err != nil {
		return err
	}
	for _, email := range p.emails {
		_, err := tx.Exec(`INSERT INTO freshservice_emails (collection, email_key, seq) VALUES ($1, $2, $3)
			ON CONFLICT (collection, email_key) DO UPDATE SET seq = excluded.seq`,
			int64(collectionOf(p.row.seq)), email, p.row.seq)
		if err != nil {
			return err
		}
	}
	return nil
}

// Remove implements [freshservice.Mirror]. To remove what is not there is a
// success.
func (m *Mirror) Remove(ctx context.Context, t *scim.ResourceType, id string) error {
	return m.dir.db.write(ctx, accountRealm(m.dir.account), func(tx *Tx) error {
		r, err := m.dir.find(tx, t, id)
		if scim.IsType(err, scim.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := deleteResource(tx, t, r); err != nil {
			return fmt.Errorf("remove %s %s: %w", t.Name, id, err)
		}
		for _, q := range []string{
			`DELETE FROM freshservice_records WHERE seq = $1`,
			`DELETE FROM freshservice_emails WHERE seq = $1`,
		} {
			if _, err := tx.Exec(q, r.seq); err != nil {
				return fmt.Errorf("remove %s %s: %w", t.Name, id, err)
			}
		}
		_, err = tx.Exec(`DELETE FROM freshservice_notes WHERE account = $1 AND type = $2 AND id = $3`, m.dir.account, t.Name, id)
		return err
	})
}

// EditMembers implements [freshservice.Mirror]. Members are people:
// Freshservice has no groups in groups, and IDs of both kinds may be the same.
func (m *Mirror) EditMembers(ctx context.Context, groupID string, cond scim.Precondition, add, remove []scim.Member) (version string, err error) {
	return m.dir.EditMembers(ctx, groupID, cond, people(add), people(remove))
}

func people(list []scim.Member) []scim.Member {
	list = slices.Clone(list)
	for i := range list {
		list[i].Type = userType
	}
	return list
}

// Members implements [freshservice.Mirror].
func (m *Mirror) Members(ctx context.Context, groupID string) ([]string, error) {
	var ids []string
	err := m.dir.db.snapshot(ctx, func(tx *Tx) error {
		r, err := m.dir.visible(tx, groupStub, groupID)
		if err != nil {
			return err
		}
		list, err := m.dir.members(tx, r.seq)
		for _, member := range list {
			ids = append(ids, member.id)
		}
		return err
	})
	return ids, err
}

// Setting implements [freshservice.Mirror].
func (m *Mirror) Setting(ctx context.Context, key string) (string, error) {
	var value string
	err := m.dir.db.read(ctx, func(tx *Tx) error {
		return tx.Row(`SELECT value FROM freshservice_settings WHERE account = $1 AND key = $2`, []any{m.dir.account, key}, &value)
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read setting %s: %w", key, err)
	}
	return value, nil
}

// SetSetting implements [freshservice.Mirror].
func (m *Mirror) SetSetting(ctx context.Context, key, value string) error {
	return m.dir.db.write(ctx, accountRealm(m.dir.account), func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO freshservice_settings (account, key, value) VALUES ($1, $2, $3)
			ON CONFLICT (account, key) DO UPDATE SET value = excluded.value`, m.dir.account, key, value)
		if err != nil {
			return fmt.Errorf("store setting %s: %w", key, err)
		}
		return nil
	})
}

// SetNotes implements [freshservice.Mirror].
func (m *Mirror) SetNotes(ctx context.Context, t *scim.ResourceType, id string, notes []freshservice.Note) error {
	list, err := json.Marshal(notes)
	if err != nil {
		return fmt.Errorf("encode the notes on %s %s: %w", t.Name, id, err)
	}
	if len(notes) == 0 {
		// Most people have none and never had: look before waking the writer.
		if have, err := m.Notes(ctx, t, id); err != nil || len(have) == 0 {
			return err
		}
	}
	return m.dir.db.write(ctx, accountRealm(m.dir.account), func(tx *Tx) error {
		var err error
		if len(notes) == 0 {
			_, err = tx.Exec(`DELETE FROM freshservice_notes WHERE account = $1 AND type = $2 AND id = $3`, m.dir.account, t.Name, id)
		} else {
			_, err = tx.Exec(`INSERT INTO freshservice_notes (account, type, id, notes) VALUES ($1, $2, $3, $4)
				ON CONFLICT (account, type, id) DO UPDATE SET notes = excluded.notes`, m.dir.account, t.Name, id, string(list))
		}
		if err != nil {
			return fmt.Errorf("store the notes on %s %s: %w", t.Name, id, err)
		}
		return nil
	})
}

// Notes returns what is noted about one record.
func (m *Mirror) Notes(ctx context.Context, t *scim.ResourceType, id string) ([]freshservice.Note, error) {
	var notes []freshservice.Note
	err := m.dir.db.read(ctx, func(tx *Tx) error {
		var list []byte
		err := tx.Row(`SELECT notes FROM freshservice_notes WHERE account = $1 AND type = $2 AND id = $3`, []any{m.dir.account, t.Name, id}, &list)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the notes on %s %s: %w", t.Name, id, err)
		}
		return json.Unmarshal(list, &notes)
	})
	return notes, err
}

// EachNoted calls yield for every record of the type that something is noted
// about, by ID, until it returns false.
func (m *Mirror) EachNoted(ctx context.Context, t *scim.ResourceType, yield func(id string, notes []freshservice.Note) bool) error {
	const page = 500
	for after := ""; ; {
		type noted struct {
			id    string
			notes []byte
		}
		var list []noted
		err := m.dir.db.read(ctx, func(tx *Tx) error {
			return tx.Each(`SELECT id, notes FROM freshservice_notes WHERE account = $1 AND type = $2 AND id > $3 ORDER BY id LIMIT $4`,
				[]any{m.dir.account, t.Name, after, page}, func(rows *sql.Rows) error {
					var n noted
					err := rows.Scan(&n.id, &n.notes)
					list = append(list, n)
					return err
				})
		})
		if err != nil {
			return fmt.Errorf("read the notes on %ss: %w", t.Name, err)
		}
		for _, n := range list {
			var notes []freshservice.Note
			if err := json.Unmarshal(n.notes, &notes); err != nil {
				return fmt.Errorf("read the notes on %s %s: %w", t.Name, n.id, err)
			}
			if !yield(n.id, notes) {
				return nil
			}
		}
		if len(list) < page {
			return nil
		}
		after = list[len(list)-1].id
	}
}

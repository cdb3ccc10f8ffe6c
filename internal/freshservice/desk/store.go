package desk

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// store keeps the world in a SQLite file, one JSON row per object. It commits
// before the desk answers and leaves the moment of writing to the disk to the
// operating system, so that the file survives a killed process, though not a
// power cut.
type store struct {
	db          *sql.DB
	put, remove *sql.Stmt
}

const storeSchema = `create table if not exists object (
	kind   text    not null,
	id     integer not null,
	member integer not null,
	json   text    not null,
	primary key (kind, id, member)
) without rowid`

func openStore(ctx context.Context, path string) (_ *store, err error) {
	// The file holds people and an API key: the owner's alone.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("desk: open the database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("desk: open the database: %w", err)
	}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(wal)", "synchronous(off)"},
		"_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("desk: open the database: %w", err)
	}
	s := &store{db: db}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, storeSchema); err != nil {
		return nil, fmt.Errorf("desk: %s is not a desk's database, or cannot be written: %w", path, err)
	}
	s.put, err = db.PrepareContext(ctx, `insert into object (kind, id, member, json) values (?, ?, ?, ?)
		on conflict do update set json = excluded.json`)
	if err != nil {
		return nil, fmt.Errorf("desk: prepare: %w", err)
	}
	s.remove, err = db.PrepareContext(ctx, `delete from object where kind = ? and id = ? and member = ?`)
	if err != nil {
		return nil, fmt.Errorf("desk: prepare: %w", err)
	}
	return s, nil
}

// write commits the changes together.
func (s *store) write(ctx context.Context, cs []change) error {
	if len(cs) == 1 {
		return s.exec(ctx, s.put, s.remove, cs[0])
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("desk: write: %w", err)
	}
	put, remove := tx.StmtContext(ctx, s.put), tx.StmtContext(ctx, s.remove)
	for _, c := range cs {
		if err := s.exec(ctx, put, remove, c); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("desk: write: %w", err)
	}
	return nil
}

func (s *store) exec(ctx context.Context, put, remove *sql.Stmt, c change) error {
	if c.value == nil {
		if _, err := remove.ExecContext(ctx, string(c.kind), c.id, c.member); err != nil {
			return fmt.Errorf("desk: remove %s %d: %w", c.kind, c.id, err)
		}
		return nil
	}
	b, err := json.Marshal(c.value)
	if err != nil {
		return fmt.Errorf("desk: encode %s %d: %w", c.kind, c.id, err)
	}
	if _, err := put.ExecContext(ctx, string(c.kind), c.id, c.member, string(b)); err != nil {
		return fmt.Errorf("desk: write %s %d: %w", c.kind, c.id, err)
	}
	return nil
}

// load applies everything stored to w and reports whether there was anything.
func (s *store) load(ctx context.Context, w *world) (any bool, err error) {
	rows, err := s.db.QueryContext(ctx, `select kind, id, member, json from object`)
	if err != nil {
		return false, fmt.Errorf("desk: load: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c change
		var b sql.RawBytes
		if err := rows.Scan(&c.kind, &c.id, &c.member, &b); err != nil {
			return false, fmt.Errorf("desk: load: %w", err)
		}
		if c.value, err = c.kind.decode(b); err != nil {
			return false, fmt.Errorf("desk: load %s %d: %w", c.kind, c.id, err)
		}
		if p, ok := c.value.(*Person); ok {
			p.TimeZone, p.Language = intern(timeZones, p.TimeZone), intern(languages, p.Language)
			p.TimeFormat = intern(timeFormats, p.TimeFormat)
		}
		w.apply(c)
		any = true
	}
	return any, rows.Err()
}

func (k kind) decode(b []byte) (any, error) {
	var v any
	switch k {
	case kindPerson:
		v = new(Person)
	case kindRole:
		v = new(Role)
	case kindField:
		v = new(Field)
	case kindDepartment:
		v = new(Department)
	case kindLocation:
		v = new(Location)
	case kindGroup:
		v = new(Group)
	case kindRequesterGroup:
		v = new(RequesterGroup)
	case kindMember:
		return true, nil
	case kindKey:
		v = new(apiKey)
	case kindSetting:
		v = new(settings)
	default:
		return nil, fmt.Errorf("unknown kind %q: the file is of a newer version", k)
	}
	return v, json.Unmarshal(b, v)
}

func (s *store) close() error { return s.db.Close() }

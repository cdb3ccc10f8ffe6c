package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"lockstep/internal/scim"
)

// A Directory is the embedded directory of one account.
type Directory struct {
	db      *DB
	account string
	// hides: it is that of a mirror and may hold hidden resources.
	hides bool
}

var (
	_ scim.Directory    = (*Directory)(nil)
	_ scim.MemberEditor = (*Directory)(nil)
)

// Directory returns the embedded directory of an account. It costs nothing to
// make.
func (db *DB) Directory(accountID string) *Directory { return &Directory{db: db, account: accountID} }

// A row is a resource as it was read.
type row struct {
	seq, version, created, modified int64
	hidden                          bool
	id                              string
	body                            []byte
	// groupless: it is known to be a member of no group.
	groupless bool
	// userName is folded; it is read with few columns only.
	userName string
}

const rowColumns = `seq, version, created, modified, hidden, id, body`

// fewColumns also tell, for a row or two, whether it is a member of no group,
// which then need not be looked for.
const fewColumns = rowColumns + `, NOT EXISTS (SELECT 1 FROM members WHERE member_seq = resources.seq), coalesce(user_name_key, '')`

func (r *row) scan(rows scanner) error {
	return r.scanWith(rows)
}

// scanWith scans rowColumns and further columns. Numbers are taken as the driver
// gives them: package database/sql would write them out and read them again.
func (r *row) scanWith(rows scanner, more ...any) error {
	var seq, version, created, modified any
	dest := append(make([]any, 0, 9), &seq, &version, &created, &modified, &r.hidden, &r.id, &r.body)
	if err := rows.Scan(append(dest, more...)...); err != nil {
		return err
	}
	for _, n := range [...]struct {
		to   *int64
		from any
	}{{&r.seq, seq}, {&r.version, version}, {&r.created, created}, {&r.modified, modified}} {
		v, ok := n.from.(int64)
		if !ok {
			return fmt.Errorf("a column of numbers holds a %T", n.from)
		}
		*n.to = v
	}
	return nil
}

// resource returns the row as SCIM sees it, with body for its attributes.
func (r *row) resource(t *scim.ResourceType, body []byte) *scim.Resource {
	s := scim.StoredResource(t, r.id, body)
	s.Created, s.LastModified, s.Version = fromMillis(r.created), fromMillis(r.modified), scim.ETag(r.version)
	return s
}

func notFound(t *scim.ResourceType, id string) error {
	const longest = 100
	if len(id) > longest {
		id = id[:longest] + "…"
	}
	return scim.Errorf(scim.NotFound, "there is no %s %q; it may have been deleted", t.Name, id)
}

// find reads one resource, hidden ones included.
func (d *Directory) find(tx *Tx, t *scim.ResourceType, id string) (*row, error) {
	c, err := d.db.lookCollection(tx, d.account, t.Name)
	if err != nil {
		return nil, err
	}
	if c == 0 || strings.ContainsRune(id, 0) {
		return nil, notFound(t, id)
	}
	var r row
	err = tx.Row(`SELECT `+fewColumns+` FROM resources WHERE collection = $1 AND id = $2`, []any{int64(c), id},
		&r.seq, &r.version, &r.created, &r.modified, &r.hidden, &r.id, &r.body, &r.groupless, &r.userName)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound(t, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", t.Name, id, err)
	}
	return &r, nil
}

// visible is find for clients.
func (d *Directory) visible(tx *Tx, t *scim.ResourceType, id string) (*row, error) {
	r, err := d.find(tx, t, id)
	if err == nil && r.hidden {
		return nil, notFound(t, id)
	}
	return r, err
}

// cached reports whether the rows of the type are kept in memory.
func (d *Directory) cached(t *scim.ResourceType) bool {
	return d.db.cache != nil && !d.hides && showsGroups(t)
}

// remembered returns a row from memory.
func (d *Directory) remembered(t *scim.ResourceType, id string) (*row, bool) {
	if !d.cached(t) {
		return nil, false
	}
	c, _ := d.db.collections.get(collectionKey{d.account, t.Name})
	return d.db.cache.byID(c, id)
}

// visibleAndKept is visible, and keeps the row in memory.
func (d *Directory) visibleAndKept(tx *Tx, t *scim.ResourceType, id string) (*row, error) {
	if !d.cached(t) {
		return d.visible(tx, t, id)
	}
	since := d.db.cache.watch()
	r, err := d.visible(tx, t, id)
	if err == nil {
		d.db.cache.fill(since, r)
	}
	return r, err
}

// Get implements [scim.Directory].
func (d *Directory) Get(ctx context.Context, t *scim.ResourceType, id string, p scim.Projection) (*scim.Resource, error) {
	var res *scim.Resource
	r, known := d.remembered(t, id)
	if known && (r.groupless || !p.Wants(attrGroups)) {
		return r.resource(t, r.body), nil
	}
	get := func(tx *Tx) (err error) {
		if !known {
			if r, err = d.visibleAndKept(tx, t, id); err != nil {
				return err
			}
		}
		list, err := d.assemble(tx, t, p, []row{*r})
		if err == nil {
			res = list[0]
		}
		return err
	}
	read := d.db.read
	if ownsMembers(t) && p.Wants(attrMembers) {
		read = d.db.snapshot // the version must be that of these members
	}
	if err := read(ctx, get); err != nil {
		return nil, err
	}
	return res, nil
}

// violated returns the name of the unique index or key, or of its columns, whose
// violation err is, "" when it is none.
func violated(err error) string {
	if v := sqliteViolation(err); v != "" {
		return v
	}
	return postgresViolation(err)
}

// taken returns the refusal of a name that another resource has, when err says
// so, and nil otherwise.
func taken(err error, t *scim.ResourceType, attrs *scim.Object) error {
	name := attrUserName
	switch v := violated(err); {
	case v == "":
		return nil
	case strings.Contains(v, "unique_display_name"):
		name = attrDisplayName
	}
	return scim.Errorf(scim.Uniqueness, "another %s has the %s %q already (case does not matter)", t.Name, name, attrs.Text(name)).On(name)
}

// Create implements [scim.Directory].
func (d *Directory) Create(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
	attrs := r.Peek()
	body, err := encodeBody(r.Type, attrs)
	if err != nil {
		return nil, err
	}
	k := keysOf(r.Type, attrs)
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make an id: %w", err)
	}
	now := toMillis(time.Now())
	n := row{version: 1, created: now, modified: now, id: id.String(), body: body, groupless: true}
	if len(k.members) == 0 {
		if done, err := d.createAlone(ctx, r.Type, attrs, &n, k); done || err != nil {
			return n.resource(r.Type, body), err
		}
	}
	var added []member
	err = d.db.write(ctx, accountRealm(d.account), func(tx *Tx) error {
		c, err := d.db.ensureCollection(tx, d.account, r.Type.Name)
		if err != nil {
			return err
		}
		if err := insertResource(tx, c, &n, k); err != nil {
			if refusal := taken(err, r.Type, attrs); refusal != nil {
				return refusal
			}
			return fmt.Errorf("create a %s: %w", r.Type.Name, err)
		}
		added, err = d.replaceMembers(tx, n.seq, nil, k.members)
		if d.cached(r.Type) {
			tx.became(&n, k.userName)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(added) > 0 {
		body = splice(body, attrMembers, encodeMembers(added))
	}
	return n.resource(r.Type, body), nil
}

// createAlone creates a resource of which no other is part by one statement,
// where the database has one and the collection is there.
func (d *Directory) createAlone(ctx context.Context, t *scim.ResourceType, attrs *scim.Object, n *row, k *keys) (done bool, err error) {
	if !d.db.remote() {
		return false, nil
	}
	var c collection
	err = d.db.read(ctx, func(tx *Tx) (err error) {
		c, err = d.db.lookCollection(tx, d.account, t.Name)
		return err
	})
	if err != nil || c == 0 {
		return false, err
	}
	found, err := d.db.writeOne(ctx, accountRealm(d.account), d.db.createStatement(c, n, k))
	if refusal := taken(err, t, attrs); refusal != nil {
		return false, refusal
	}
	if err != nil {
		return false, fmt.Errorf("create a %s: %w", t.Name, err)
	}
	if !found {
		return false, errAccountRemoved
	}
	return true, nil
}

var errAccountRemoved = scim.Errorf(scim.NotFound, "the account has been removed")

// insertResource stores a new row and fills in its seq.
func insertResource(tx *Tx, c collection, n *row, k *keys) error {
	var number int64
	err := tx.Row(`UPDATE collections SET last = last + 1, total = total + $2 WHERE num = $1 AND account IS NOT NULL RETURNING last`,
		[]any{int64(c), visibleCount(n.hidden)}, &number)
	if errors.Is(err, sql.ErrNoRows) {
		return errAccountRemoved
	}
	if err != nil {
		return err
	}
	n.seq = c.first() + number
	userName, uniqueName := k.userName, k.uniqueName
	if n.hidden {
		userName, uniqueName = nil, nil // leaves the names free for others
	}
	_, err = tx.Exec(`INSERT INTO resources (seq, collection, id, version, created, modified, hidden, active, user_name_key, external_id, display_name_key, unique_display_name, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		n.seq, int64(c), n.id, n.version, n.created, n.modified, n.hidden, k.active, userName, k.externalID, k.displayName, uniqueName, string(n.body))
	if err != nil {
		return err
	}
	if err := count(tx, n.seq, visibleCount(n.hidden)); err != nil {
		return err
	}
	return addEmails(tx, c, n.seq, k.emails)
}

func visibleCount(hidden bool) int64 {
	if hidden {
		return 0
	}
	return 1
}

// count adds n to the number of visible resources in the block of seq.
func count(tx *Tx, seq, n int64) error {
	_, err := tx.Exec(`INSERT INTO blocks (collection, block, n) VALUES ($1, $2, $3)
		ON CONFLICT (collection, block) DO UPDATE SET n = blocks.n + excluded.n`, int64(collectionOf(seq)), blockOf(seq), n)
	return err
}

// recount changes the totals when a resource appears to clients (1) or
// disappears (-1).
func recount(tx *Tx, seq, n int64) error {
	if _, err := tx.Exec(`UPDATE collections SET total = total + $2 WHERE num = $1`, int64(collectionOf(seq)), n); err != nil {
		return err
	}
	return count(tx, seq, n)
}

func addEmails(tx *Tx, c collection, seq int64, emails []string) error {
	for _, email := range emails {
		if _, err := tx.Exec(`INSERT INTO emails (collection, email_key, seq) VALUES ($1, $2, $3)`, int64(c), email, seq); err != nil {
			return err
		}
	}
	return nil
}

func removeEmails(tx *Tx, c collection, seq int64, emails []string) error {
	for _, email := range emails {
		if _, err := tx.Exec(`DELETE FROM emails WHERE collection = $1 AND email_key = $2 AND seq = $3`, int64(c), email, seq); err != nil {
			return err
		}
	}
	return nil
}

// errStale says that a resource changed between reading and writing it.
var errStale = errors.New("the resource has changed meanwhile")

// optimism is how often an update is computed outside the writer before it is
// computed inside, where nobody can come between.
const optimism = 3

// Update implements [scim.Directory]. The change is computed outside the
// writer and stored if the version is still the one it was computed from.
func (d *Directory) Update(ctx context.Context, t *scim.ResourceType, id string, cond scim.Precondition, change func(*scim.Resource) error) (*scim.Resource, error) {
	read := d.db.read
	if ownsMembers(t) {
		read = d.db.snapshot
	}
	for range optimism {
		u := update{d: d, t: t, joined: d.db.cache.joined()}
		if r, ok := d.remembered(t, id); ok {
			u.row = *r
		} else if err := read(ctx, func(tx *Tx) error { return u.load(tx, id) }); err != nil {
			return nil, err
		}
		if changed, err := u.compute(cond, change); err != nil {
			return nil, err
		} else if !changed {
			return u.result(ctx)
		}
		err := u.save(ctx)
		if err == nil {
			return u.result(ctx)
		}
		if !errors.Is(err, errStale) {
			return nil, err
		}
	}
	var u update
	err := d.db.write(ctx, accountRealm(d.account), func(tx *Tx) error {
		u = update{d: d, t: t, joined: d.db.cache.joined()}
		if err := u.load(tx, id); err != nil {
			return err
		}
		if changed, err := u.compute(cond, change); err != nil || !changed {
			return err
		}
		return u.store(tx)
	})
	if err != nil {
		return nil, err
	}
	return u.result(ctx)
}

// An update is one attempt to change a resource.
type update struct {
	d             *Directory
	t             *scim.ResourceType
	row           row          // as read
	joined        uint64       // of the cache, before the row was read
	members       []member     // as read
	attrs         *scim.Object // as changed
	before, after *keys
	body          []byte
	stored        *update // what store made of it; nil: nothing changed
}

func (u *update) load(tx *Tx, id string) error {
	look := u.d.visibleAndKept
	if tx.writing { // what it sees may still be undone
		look = u.d.visible
	}
	r, err := look(tx, u.t, id)
	if err != nil {
		return err
	}
	u.row = *r
	if ownsMembers(u.t) {
		u.members, err = u.d.members(tx, r.seq)
	}
	return err
}

// compute applies change to a copy and reports whether it differs.
func (u *update) compute(cond scim.Precondition, change func(*scim.Resource) error) (bool, error) {
	if err := cond.Check(scim.ETag(u.row.version)); err != nil {
		return false, err
	}
	old := u.row.resource(u.t, u.bodyWithMembers())
	was := old.Peek() // decoded once, copied for the change
	r := old.Clone()
	if err := change(r); err != nil {
		return false, err
	}
	u.attrs = r.Attributes()
	u.after = keysOf(u.t, u.attrs)
	if sameMembers(u.members, u.after.members) && scim.Equal(bodyOf(u.t, was), bodyOf(u.t, u.attrs)) {
		return false, nil
	}
	u.before = keysOf(u.t, was)
	var err error
	u.body, err = encodeBody(u.t, u.attrs)
	return true, err
}

func sameMembers(have []member, ids []string) bool {
	if len(have) != len(ids) {
		return false
	}
	want := make(map[string]bool, len(ids))
	for _, id := range ids {
		want[id] = true
	}
	return !slices.ContainsFunc(have, func(m member) bool { return !want[m.id] })
}

func (u *update) bodyWithMembers() []byte {
	if len(u.members) == 0 {
		return u.row.body
	}
	return splice(u.row.body, attrMembers, encodeMembers(u.members))
}

// save writes what compute found; it gives errStale when the resource is no
// longer what load read.
func (u *update) save(ctx context.Context) error {
	if u.d.cached(u.t) || !slices.Equal(u.before.emails, u.after.emails) || !sameMembers(u.members, u.after.members) {
		return u.d.db.write(ctx, accountRealm(u.d.account), u.store)
	}
	next := u.next()
	found, err := u.d.db.writeOne(ctx, accountRealm(u.d.account), updateStatement(&u.row, &next, u.before, u.after))
	return u.outcome(&next, u.members, found, err)
}

// store is save inside of the writer.
func (u *update) store(tx *Tx) error {
	next := u.next()
	changed, err := updateResource(tx, &u.row, &next, u.before, u.after)
	members := u.members
	if err == nil && changed && ownsMembers(u.t) {
		if members, err = u.d.replaceMembers(tx, next.seq, u.members, u.after.members); err != nil {
			return err
		}
	}
	if err == nil && changed && u.d.cached(u.t) {
		// It may have been put into a group since it was read.
		next.groupless = next.groupless && u.joined == u.d.db.cache.joined() && !tx.touching(next.seq)
		tx.became(&next, u.after.userName)
	}
	return u.outcome(&next, members, changed, err)
}

// next returns the row as it will be.
func (u *update) next() row {
	next := u.row
	next.version++
	next.modified = max(toMillis(time.Now()), next.modified)
	next.body = u.body
	return next
}

func (u *update) outcome(next *row, members []member, changed bool, err error) error {
	if refusal := taken(err, u.t, u.attrs); refusal != nil {
		return refusal
	}
	if err != nil {
		return fmt.Errorf("update %s %s: %w", u.t.Name, u.row.id, err)
	}
	if !changed {
		return errStale
	}
	u.stored = &update{d: u.d, t: u.t, row: *next, members: members}
	return nil
}

func (u *update) result(ctx context.Context) (*scim.Resource, error) {
	if u.stored != nil {
		u = u.stored
	}
	body := u.bodyWithMembers()
	if showsGroups(u.t) && !u.row.groupless {
		err := u.d.db.read(ctx, func(tx *Tx) (err error) {
			body, err = u.d.withGroups(tx, u.row.seq, body)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return u.row.resource(u.t, body), nil
}

// updateResource replaces a row by another of the same seq and hiddenness,
// unless its version is no longer that of old.
func updateResource(tx *Tx, old, next *row, before, after *keys) (changed bool, err error) {
	s := updateStatement(old, next, before, after)
	if err := s.run(tx); err != nil || !s.found {
		return false, err
	}
	if slices.Equal(before.emails, after.emails) {
		return true, nil
	}
	c := collectionOf(old.seq)
	if err := removeEmails(tx, c, old.seq, before.emails); err != nil {
		return false, err
	}
	return true, addEmails(tx, c, old.seq, after.emails)
}

// updateStatement returns the part of updateResource that is about the row.
func updateStatement(old, next *row, before, after *keys) *statement {
	s := &statement{
		text: `UPDATE resources SET version = $3, modified = $4, active = $5, body = $6 WHERE seq = $1 AND version = $2 RETURNING version`,
		args: []any{old.seq, old.version, next.version, next.modified, after.active, string(next.body)},
		dest: []any{new(int64)},
	}
	if before.userName == after.userName && before.externalID == after.externalID && before.displayName == after.displayName && before.uniqueName == after.uniqueName {
		return s // an index is written anew for each of its columns that is mentioned
	}
	userName, uniqueName := after.userName, after.uniqueName
	if next.hidden {
		userName, uniqueName = nil, nil
	}
	s.text = `UPDATE resources SET version = $3, modified = $4, active = $5, body = $6, user_name_key = $7, external_id = $8, display_name_key = $9, unique_display_name = $10
		WHERE seq = $1 AND version = $2 RETURNING version`
	s.args = append(s.args, userName, after.externalID, after.displayName, uniqueName)
	return s
}

// Delete implements [scim.Directory].
func (d *Directory) Delete(ctx context.Context, t *scim.ResourceType, id string, cond scim.Precondition) error {
	return d.db.write(ctx, accountRealm(d.account), func(tx *Tx) error {
		r, err := d.visible(tx, t, id)
		if err != nil {
			return err
		}
		if err := cond.Check(scim.ETag(r.version)); err != nil {
			return err
		}
		if err := deleteResource(tx, t, r); err != nil {
			return fmt.Errorf("delete %s %s: %w", t.Name, id, err)
		}
		return nil
	})
}

// deleteResource removes a row with everything that hangs on it.
func deleteResource(tx *Tx, t *scim.ResourceType, r *row) error {
	k := keysOf(t, r.resource(t, r.body).Peek())
	if err := leaveGroups(tx, r.seq); err != nil {
		return err
	}
	if ownsMembers(t) {
		if _, err := tx.Exec(`DELETE FROM members WHERE group_seq = $1`, r.seq); err != nil {
			return err
		}
	}
	if err := removeEmails(tx, collectionOf(r.seq), r.seq, k.emails); err != nil {
		return err
	}
	if !r.hidden {
		if err := recount(tx, r.seq, -1); err != nil {
			return err
		}
	}
	tx.touched(r.seq)
	_, err := tx.Exec(`DELETE FROM resources WHERE seq = $1`, r.seq)
	return err
}

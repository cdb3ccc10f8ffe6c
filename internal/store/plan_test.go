package store

import (
	"database/sql"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"lockstep/internal/account"
	"lockstep/internal/scim"
)

// explain returns the query plan of one statement.
func explain(t *testing.T, db *DB, query string, args ...any) string {
	t.Helper()
	var b strings.Builder
	err := db.read(t.Context(), func(tx *Tx) error {
		if db.remote() {
			return explainPrepared(tx, &b, query, args)
		}
		return tx.Each("EXPLAIN QUERY PLAN "+query, args, func(rows *sql.Rows) error {
			var id, parent, unused int
			var detail string
			err := rows.Scan(&id, &parent, &unused, &detail)
			b.WriteString(detail + "\n")
			return err
		})
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return b.String()
}

// explainPrepared asks PostgreSQL how it runs a statement whatever the
// arguments are.
func explainPrepared(tx *Tx, b *strings.Builder, query string, args []any) error {
	literals := make([]string, len(args))
	for i, a := range args {
		if s, ok := a.(string); ok {
			a = quote(s)
		}
		literals[i] = fmt.Sprint(a)
	}
	name := fmt.Sprint("explained", explained.Add(1))
	if _, err := tx.c.ExecContext(tx.ctx, "PREPARE "+name+" AS "+query); err != nil {
		return err
	}
	text := "EXPLAIN EXECUTE " + name
	if len(literals) > 0 {
		text += "(" + strings.Join(literals, ", ") + ")"
	}
	rows, err := tx.c.QueryContext(tx.ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		b.WriteString(line + "\n")
	}
	return rows.Err()
}

var explained atomic.Int64

// hotQueries are those that have to be fast, with what their plans say: a text
// on SQLite, and the indexes and conditions on PostgreSQL.
var hotQueries = []struct {
	t           *scim.ResourceType
	filter      string
	sortBy      string
	want, never string
	postgres    []string
}{
	{benchUser, `userName eq "x"`, "", "resources_user_name (collection=? AND user_name_key=?)", "SCAN", []string{"resources_user_name ", "(user_name_key = $2)"}},
	{benchUser, `externalId eq "x"`, "", "resources_external_id (collection=? AND external_id=?)", "SCAN", []string{"resources_external_id ", "(external_id = $2)"}},
	{benchUser, `displayName eq "x"`, "", "resources_display_name (collection=? AND display_name_key=?)", "SCAN", []string{"resources_display_name ", "(display_name_key = $2)"}},
	{benchUser, `id eq "x"`, "", "resources_id (collection=? AND id=?)", "SCAN", []string{"resources_id ", "(id = $2)"}},
	{benchUser, `emails.value eq "x"`, "", "SEARCH emails USING PRIMARY KEY (collection=? AND email_key=?)", "SCAN resources", []string{"emails_pkey", "(email_key = $2)", "resources_pkey"}},
	{benchUser, `emails[type eq "work"].value eq "x"`, "", "SEARCH emails USING PRIMARY KEY (collection=? AND email_key=?)", "SCAN resources", []string{"emails_pkey", "resources_pkey"}},
	{benchUser, `userName eq "x" or emails.value eq "x"`, "", "MULTI-INDEX OR", "SCAN resources", nil},
	{benchUser, `userName sw "x"`, "", "resources_user_name (collection=? AND user_name_key>? AND user_name_key<?)", "SCAN resources", []string{"resources_user_name ", "(user_name_key >= $2) AND (user_name_key < $3)"}},
	{benchUser, `meta.lastModified gt "2024-01-01T00:00:00Z"`, "", "resources_modified (collection=? AND modified>?)", "SCAN resources", []string{"resources_modified", "modified_day >="}},
	{benchUser, `active eq false`, "", "SEARCH resources USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "SCAN", []string{"resources_pkey", "(seq >= "}},
	{benchUser, ``, "userName", "resources_user_name (collection=?)", "SCAN", []string{"resources_user_name "}},
	{benchGroupType, `displayName eq "x"`, "", "resources_display_name (collection=? AND display_name_key=?)", "SCAN", []string{"resources_display_name "}},
	{benchGroupType, `members eq "x"`, "", "SEARCH members USING COVERING INDEX members_member (member_seq=?)", "SCAN", []string{"members_member", "resources_id "}},
	{benchGroupType, `id eq "x" and members eq "y"`, "", "resources_id (collection=? AND id=?)", "SCAN", []string{"resources_id "}},
}

// TestPlans: what clients match on is found by an index, never by a scan, and
// a sort by userName needs no sorting.
func TestPlans(t *testing.T) { onEach(t, testPlans) }

func testPlans(t *testing.T, o Options) {
	db := openWith(t, o)
	dir := db.Directory("acme")
	people := 3
	if db.remote() {
		people = 400 // which plan is good depends on how many there are
	}
	var members []scim.Value
	for n := range people {
		r, err := dir.Create(t.Context(), scim.NewResource(benchUser, benchBody(n)))
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, scim.NewObject("value", r.ID))
	}
	if _, err := dir.Create(t.Context(), scim.NewResource(benchGroupType, scim.NewObject("displayName", "G", "members", members))); err != nil {
		t.Fatal(err)
	}
	if db.remote() {
		err := db.write(t.Context(), anyRealm, func(tx *Tx) error { _, err := tx.Exec(`ANALYZE`); return err })
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range hotQueries {
		q := scim.Query{StartIndex: 1, Count: 10}
		if tt.filter != "" {
			f, err := scim.ParseFilter(tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			q.Filter = f
		}
		if tt.sortBy != "" {
			q.SortBy = &scim.Path{Attr: tt.sortBy}
		}
		p := &plan{d: dir, t: tt.t, q: q, count: 10, by: orderOf(tt.t, q)}
		if err := db.read(t.Context(), func(tx *Tx) error { return p.prepare(tx, nil) }); err != nil {
			t.Fatal(err)
		}
		text := `SELECT seq FROM resources WHERE ` + p.base() + ` ORDER BY ` + p.orderBy(false) + ` LIMIT 10`
		got := explain(t, db, text, p.args...)
		want, never := []string{tt.want}, tt.never
		if db.remote() {
			want, never = tt.postgres, "Seq Scan"
		}
		for _, w := range want {
			if !strings.Contains(got, w) || strings.Contains(got, never) {
				t.Errorf("%s by %s:\n%s\nwant %q and no %q in\n%s", tt.filter, tt.sortBy, text, w, never, got)
			}
		}
	}
}

// TestAccountsAreApart: nothing of one account can be reached from another,
// and removing an account leaves nothing of it and everything of the others.
func TestAccountsAreApart(t *testing.T) { onEach(t, testAccountsAreApart) }

func testAccountsAreApart(t *testing.T, o Options) {
	db := openWith(t, o)
	ctx := t.Context()
	type stock struct {
		dir         *Directory
		users       []string
		group, next string
	}
	stocks := map[string]*stock{}
	for _, id := range []string{"a", "b"} {
		if err := db.Accounts().CreateAccount(ctx, &account.Account{ID: id, Kind: account.KindEmbedded}); err != nil {
			t.Fatal(err)
		}
		s := &stock{dir: db.Directory(id)}
		stocks[id] = s
		for n := range 1200 { // more than one step of a removal
			if id == "b" && n == 20 {
				break
			}
			r, err := s.dir.Create(ctx, scim.NewResource(benchUser, benchBody(n)))
			if err != nil {
				t.Fatal(err)
			}
			s.users = append(s.users, r.ID)
		}
		g, err := s.dir.Create(ctx, scim.NewResource(benchGroupType, scim.NewObject("displayName", "G",
			"members", []scim.Value{scim.NewObject("value", s.users[0])})))
		if err != nil {
			t.Fatal(err)
		}
		s.group = g.ID
		cursor := ""
		page, err := s.dir.Query(ctx, benchUser, scim.Query{StartIndex: 1, Count: 5, Cursor: &cursor})
		if err != nil {
			t.Fatal(err)
		}
		s.next = page.NextCursor
	}
	a, b := stocks["a"], stocks["b"]
	none := scim.Precondition{}
	touch := func(r *scim.Resource) error { r.Attributes().Set("title", "x"); return nil }
	_, errGet := b.dir.Get(ctx, benchUser, a.users[0], scim.Projection{})
	_, errUpdate := b.dir.Update(ctx, benchUser, a.users[0], none, touch)
	_, errEdit := b.dir.EditMembers(ctx, a.group, none, nil, nil)
	for name, err := range map[string]error{
		"Get": errGet, "Update": errUpdate, "EditMembers": errEdit, "Delete": b.dir.Delete(ctx, benchUser, a.users[0], none),
	} {
		if !scim.IsType(err, scim.NotFound) {
			t.Errorf("%s of another account's resource = %v, want not found", name, err)
		}
	}
	if _, err := b.dir.EditMembers(ctx, b.group, none, []scim.Member{{Value: a.users[0]}}, nil); !scim.IsType(err, scim.InvalidValue) {
		t.Errorf("a member of another account = %v, want invalidValue", err)
	}
	if _, err := b.dir.Query(ctx, benchUser, scim.Query{StartIndex: 1, Count: 5, Cursor: &a.next}); !scim.IsType(err, scim.InvalidCursor) {
		t.Errorf("another account's cursor = %v, want invalidCursor", err)
	}
	f, err := scim.ParseFilter(fmt.Sprintf(`id eq "%s" or groups.value eq "%s" or active eq true`, a.users[0], a.group))
	if err != nil {
		t.Fatal(err)
	}
	if page, err := b.dir.Query(ctx, benchUser, scim.Query{Filter: f, StartIndex: 1, Count: 5}); err != nil || page.Total != 20 {
		t.Errorf("a filter found %v, %v; want the 20 of its own account", page, err)
	}

	if err := db.Accounts().DeleteAccount(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"resources", "emails", "blocks", "members", "collections"} {
		want := map[string]int{"resources": 21, "emails": 20, "blocks": 2, "members": 1, "collections": 2}[table]
		var n int
		if err := db.read(ctx, func(tx *Tx) error { return tx.Row(`SELECT count(*) FROM `+table, nil, &n) }); err != nil || n != want {
			t.Errorf("%s has %d rows after the removal, %v; want %d", table, n, err, want)
		}
	}
	checkConsistent(t, db)
	if page, err := b.dir.Query(ctx, benchUser, scim.Query{StartIndex: 1, Count: 100}); err != nil || page.Total != 20 {
		t.Errorf("the other account has %v, %v", page, err)
	}
	// The ID may be used again and begins empty.
	if page, err := a.dir.Query(ctx, benchUser, scim.Query{StartIndex: 1, Count: 100}); err != nil || page.Total != 0 {
		t.Errorf("the removed account has %v, %v", page, err)
	}
}

// TestSweepResumes: a removal that was cut off is finished on the next start.
func TestSweepResumes(t *testing.T) { onEach(t, testSweepResumes) }

func testSweepResumes(t *testing.T, o Options) {
	db := openWith(t, o)
	for n := range 3 {
		if _, err := db.Directory("a").Create(t.Context(), scim.NewResource(benchUser, benchBody(n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.write(t.Context(), sweepRealm, func(tx *Tx) error { return db.dropCollections(tx, "a") }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openWith(t, o)
	var n int
	if err := db.read(t.Context(), func(tx *Tx) error { return tx.Row(`SELECT count(*) FROM resources`, nil, &n) }); err != nil || n != 0 {
		t.Errorf("%d resources are left, %v", n, err)
	}
}

// TestDeepPages: pages by index are right where blocks have holes.
func TestDeepPages(t *testing.T) { onEach(t, testDeepPages) }

func testDeepPages(t *testing.T, o Options) {
	db := openWith(t, o)
	dir := db.Directory("a")
	var kept []string
	for n := range 2300 {
		r, err := dir.Create(t.Context(), scim.NewResource(benchUser, scim.NewObject("userName", fmt.Sprint("u", n))))
		if err != nil {
			t.Fatal(err)
		}
		if n%3 == 0 || n > 500 && n < 1100 {
			if err := dir.Delete(t.Context(), benchUser, r.ID, scim.Precondition{}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		kept = append(kept, r.ID)
	}
	for start := 1; start <= len(kept)+5; start += 37 {
		page, err := dir.Query(t.Context(), benchUser, scim.Query{StartIndex: start, Count: 2})
		if err != nil {
			t.Fatal(err)
		}
		want := kept[min(start-1, len(kept)):min(start+1, len(kept))]
		if got := ids(page); page.Total != len(kept) || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("from %d: total %d, %v; want %d, %v", start, page.Total, got, len(kept), want)
		}
	}
	checkConsistent(t, db)
}

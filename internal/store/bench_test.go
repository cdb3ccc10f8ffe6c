package store

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"lockstep/internal/scim"
)

// benchGroup is how many members the group has.
const benchGroup = 10_000

// A benchmark is a database of 100,000 users and a group of 10,000, made once
// for all benchmarks on one kind. LOCKSTEP_BENCH_USERS overrides the number of
// users; with LOCKSTEP_TEST_DURABLE=1 PostgreSQL is as durable as by default.
type benchmark struct {
	once  sync.Once
	err   error
	db    *DB
	dir   *Directory
	users []string // ids
	group string
	extra string // a user who is in no group
	n     int
	next  atomic.Int64
	close func()
}

var benchmarks = map[string]*benchmark{"SQLite": {}, "PostgreSQL": {}}

// onBoth runs a benchmark on each kind of database.
func onBoth(b *testing.B, run func(b *testing.B, bench *benchmark)) {
	for _, kind := range []string{"SQLite", "PostgreSQL"} {
		b.Run(kind, func(b *testing.B) {
			bench := benchmarks[kind]
			bench.setup(b, kind)
			run(b, bench)
		})
	}
}

var benchUser, benchGroupType = scim.UserType(), scim.GroupType()

func benchBody(n int) *scim.Object {
	name := fmt.Sprintf("person%07d@bench.example", n)
	return scim.NewObject(
		"schemas", []scim.Value{scim.URNUser, scim.URNEnterprise},
		"externalId", fmt.Sprintf("%08x-7d1c-4c55-9a30-%012x", n, n),
		"userName", name, "active", true,
		"displayName", fmt.Sprintf("Bench Person %d", n), "title", "Field engineer",
		"name", scim.NewObject("givenName", "Bench", "familyName", fmt.Sprintf("Person%d", n), "formatted", fmt.Sprintf("Bench Person%d", n)),
		"emails", []scim.Value{scim.NewObject("type", "work", "value", name, "primary", true)},
		"phoneNumbers", []scim.Value{scim.NewObject("type", "work", "value", fmt.Sprintf("+44 20 7%07d", n))},
		scim.URNEnterprise, scim.NewObject("employeeNumber", fmt.Sprint(100000+n), "department", fmt.Sprintf("Dept %d", n%40)))
}

func TestMain(m *testing.M) {
	if path := os.Getenv("LOCKSTEP_TEST_WRITER"); path != "" {
		writeUntilKilled(path)
		return
	}
	code := m.Run()
	for _, bench := range benchmarks {
		if bench.close != nil {
			bench.close()
		}
	}
	os.Exit(code)
}

// A lasting tb does not clean up when its benchmark ends.
type lasting struct {
	testing.TB
	cleanups []func()
}

func (l *lasting) Cleanup(fn func()) { l.cleanups = append(l.cleanups, fn) }

func (l *lasting) TempDir() string {
	dir, err := os.MkdirTemp("", "lockstep-bench")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (bench *benchmark) setup(b *testing.B, kind string) {
	b.Helper()
	bench.once.Do(func() {
		l := &lasting{TB: b}
		o := kinds[kind](l)
		bench.close = func() {
			if bench.db != nil {
				bench.db.Close()
			}
			if kind == "SQLite" { // a cluster goes with the process
				for _, clean := range l.cleanups {
					clean()
				}
			}
		}
		bench.err = bench.fill(o)
	})
	if bench.err != nil {
		b.Fatal(bench.err)
	}
	b.ReportAllocs()
	b.ResetTimer()
}

func (bench *benchmark) fill(o Options) (err error) {
	ctx := context.Background()
	if bench.db, err = Open(ctx, o); err != nil {
		return err
	}
	bench.n = 100_000
	if s := os.Getenv("LOCKSTEP_BENCH_USERS"); s != "" {
		if _, err := fmt.Sscan(s, &bench.n); err != nil {
			return err
		}
	}
	bench.dir = bench.db.Directory("bench")
	bench.users = make([]string, bench.n)
	bench.next.Store(int64(bench.n))
	errs := make(chan error, 64)
	var next atomic.Int64
	for range cap(errs) {
		go func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= bench.n {
					errs <- nil
					return
				}
				r, err := bench.dir.Create(ctx, scim.NewResource(benchUser, benchBody(n)))
				if err != nil {
					errs <- err
					return
				}
				bench.users[n] = r.ID
			}
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			return err
		}
	}
	bench.extra = bench.users[bench.n-1]
	var members []scim.Value
	for _, id := range bench.users[:min(benchGroup, bench.n-1)] {
		members = append(members, scim.NewObject("value", id))
	}
	g, err := bench.dir.Create(ctx, scim.NewResource(benchGroupType, scim.NewObject("displayName", "Everybody", "members", members)))
	if err != nil {
		return err
	}
	bench.group = g.ID
	return nil
}

// perSecond reports the rate the figures are about.
func perSecond(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "/s") }

func BenchmarkCreate(b *testing.B) { onBoth(b, benchCreate) }

func benchCreate(b *testing.B, bench *benchmark) {
	b.SetParallelism(16) // 32 on 2 cores
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := int(bench.next.Add(1))
			if _, err := bench.dir.Create(context.Background(), scim.NewResource(benchUser, benchBody(n))); err != nil {
				b.Error(err)
			}
		}
	})
	perSecond(b)
}

func BenchmarkGet(b *testing.B) { onBoth(b, benchGet) }

func benchGet(b *testing.B, bench *benchmark) {
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			id := bench.users[i*7919%bench.n]
			if _, err := bench.dir.Get(context.Background(), benchUser, id, scim.Projection{}); err != nil {
				b.Error(err)
			}
		}
	})
	perSecond(b)
}

func BenchmarkUserNameEq(b *testing.B) { onBoth(b, benchUserNameEq) }

func benchUserNameEq(b *testing.B, bench *benchmark) {
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			f, err := scim.ParseFilter(fmt.Sprintf(`userName eq "Person%07d@bench.example"`, i*7919%bench.n))
			if err != nil {
				b.Fatal(err)
			}
			page, err := bench.dir.Query(context.Background(), benchUser, scim.Query{Filter: f, StartIndex: 1, Count: 100})
			if err != nil || page.Total != 1 {
				b.Errorf("%v, %v", page, err)
			}
		}
	})
	perSecond(b)
}

func BenchmarkEmailEq(b *testing.B) { onBoth(b, benchEmailEq) }

func benchEmailEq(b *testing.B, bench *benchmark) {
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			f, err := scim.ParseFilter(fmt.Sprintf(`emails[type eq "work"].value eq "person%07d@bench.example"`, i*7919%bench.n))
			if err != nil {
				b.Fatal(err)
			}
			page, err := bench.dir.Query(context.Background(), benchUser, scim.Query{Filter: f, StartIndex: 1, Count: 100})
			if err != nil || page.Total != 1 {
				b.Errorf("%v, %v", page, err)
			}
		}
	})
	perSecond(b)
}

func BenchmarkUpdateActive(b *testing.B) { onBoth(b, benchUpdateActive) }

func benchUpdateActive(b *testing.B, bench *benchmark) {
	b.SetParallelism(4)
	var i atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := int(i.Add(1))
			_, err := bench.dir.Update(context.Background(), benchUser, bench.users[n*7919%bench.n], scim.Precondition{}, func(r *scim.Resource) error {
				a := r.Attributes()
				was, _ := a.Get("active")
				a.Set("active", was != true)
				return nil
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
	perSecond(b)
}

func (bench *benchmark) pages(b *testing.B, q scim.Query) {
	b.RunParallel(func(pb *testing.PB) {
		q := q
		for pb.Next() {
			if q.StartIndex > 1 {
				q.StartIndex = 90*bench.n/100 + 1
			}
			page, err := bench.dir.Query(context.Background(), benchUser, q)
			if err != nil || len(page.Resources) != q.Count || page.Total < bench.n {
				b.Fatalf("%v, %v", page, err)
			}
		}
	})
	perSecond(b)
}

func BenchmarkPageFirst(b *testing.B) {
	onBoth(b, func(b *testing.B, bench *benchmark) { bench.pages(b, scim.Query{StartIndex: 1, Count: 100}) })
}

func BenchmarkPageDeep(b *testing.B) {
	onBoth(b, func(b *testing.B, bench *benchmark) { bench.pages(b, scim.Query{StartIndex: 2, Count: 100}) })
}

func BenchmarkPageSorted(b *testing.B) {
	onBoth(b, func(b *testing.B, bench *benchmark) {
		bench.pages(b, scim.Query{StartIndex: 2, Count: 100, SortBy: &scim.Path{Attr: "userName"}})
	})
}

func BenchmarkScanFilter(b *testing.B) { onBoth(b, benchScanFilter) }

func benchScanFilter(b *testing.B, bench *benchmark) {
	f, err := scim.ParseFilter(`title eq "nothing" or name.familyName eq "person77"`)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		page, err := bench.dir.Query(context.Background(), benchUser, scim.Query{Filter: f, StartIndex: 1, Count: 100})
		if err != nil || page.Total != 1 {
			b.Fatalf("%v, %v", page, err)
		}
	}
}

func BenchmarkMemberEdit(b *testing.B) { onBoth(b, benchMemberEdit) }

func benchMemberEdit(b *testing.B, bench *benchmark) {
	b.SetParallelism(4)
	list := []scim.Member{{Value: bench.extra}}
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			add, remove := list, []scim.Member(nil)
			if i%2 == 1 {
				add, remove = nil, list
			}
			if _, err := bench.dir.EditMembers(context.Background(), bench.group, scim.Precondition{}, add, remove); err != nil {
				b.Error(err)
			}
		}
	})
	perSecond(b)
}

func BenchmarkGetGroup(b *testing.B) { onBoth(b, benchGetGroup) }

func benchGetGroup(b *testing.B, bench *benchmark) {
	for b.Loop() {
		if _, err := bench.dir.Get(context.Background(), benchGroupType, bench.group, scim.Projection{}); err != nil {
			b.Fatal(err)
		}
	}
}

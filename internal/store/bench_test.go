package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"lockstep/internal/scim"
)

// The benchmarks share a database of 100,000 users and a group of 10,000, made
// once. LOCKSTEP_BENCH_USERS overrides the number of users.
const benchGroup = 10_000

var bench struct {
	once  sync.Once
	err   error
	db    *DB
	dir   *Directory
	users []string // ids
	group string
	extra string // a user who is in no group
	n     int
	next  atomic.Int64
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
	if bench.db != nil {
		bench.db.Close()
		os.RemoveAll(filepath.Dir(bench.db.name))
	}
	os.Exit(code)
}

func benchSetup(b *testing.B) {
	b.Helper()
	bench.once.Do(func() { bench.err = makeBench() })
	if bench.err != nil {
		b.Fatal(bench.err)
	}
	b.ReportAllocs()
	b.ResetTimer()
}

func makeBench() error {
	dir, err := os.MkdirTemp("", "lockstep-bench")
	if err != nil {
		return err
	}
	ctx := context.Background()
	if bench.db, err = Open(ctx, Options{Path: filepath.Join(dir, "lockstep.db")}); err != nil {
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
	if info, err := os.Stat(bench.db.name); err == nil {
		fmt.Printf("%d users: %d MB\n", bench.n, info.Size()>>20)
	}
	return nil
}

// perSecond reports the rate the figures are about.
func perSecond(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "/s") }

func BenchmarkCreate(b *testing.B) {
	benchSetup(b)
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

func BenchmarkGet(b *testing.B) {
	benchSetup(b)
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

func BenchmarkUserNameEq(b *testing.B) {
	benchSetup(b)
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

func BenchmarkEmailEq(b *testing.B) {
	benchSetup(b)
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

func BenchmarkUpdateActive(b *testing.B) {
	benchSetup(b)
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

func benchPages(b *testing.B, q scim.Query) {
	benchSetup(b)
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

func BenchmarkPageFirst(b *testing.B) { benchPages(b, scim.Query{StartIndex: 1, Count: 100}) }
func BenchmarkPageDeep(b *testing.B)  { benchPages(b, scim.Query{StartIndex: 2, Count: 100}) }

func BenchmarkPageSorted(b *testing.B) {
	benchPages(b, scim.Query{StartIndex: 2, Count: 100, SortBy: &scim.Path{Attr: "userName"}})
}

func BenchmarkScanFilter(b *testing.B) {
	benchSetup(b)
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

func BenchmarkMemberEdit(b *testing.B) {
	benchSetup(b)
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

func BenchmarkGetGroup(b *testing.B) {
	benchSetup(b)
	for b.Loop() {
		if _, err := bench.dir.Get(context.Background(), benchGroupType, bench.group, scim.Projection{}); err != nil {
			b.Fatal(err)
		}
	}
}

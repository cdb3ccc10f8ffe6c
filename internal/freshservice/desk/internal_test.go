package desk

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The ordered list is a sorted slice, whatever comes and goes.
func TestOrderIsASortedSlice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := &order[int]{compare: cmp.Compare[int]}
		var model []int
		step := rapid.SampledFrom([]int{1, 7, 300}).Draw(t, "step")
		for range rapid.IntRange(0, 8).Draw(t, "rounds") {
			from := rapid.IntRange(0, 3000).Draw(t, "from")
			n := rapid.IntRange(0, 700).Draw(t, "n")
			remove := rapid.Bool().Draw(t, "remove")
			for i := range n {
				v := (from + i*step) % 4001
				at, found := slices.BinarySearch(model, v)
				switch {
				case remove:
					o.remove(v)
					if found {
						model = slices.Delete(model, at, at+1)
					}
				default:
					o.insert(v)
					if !found {
						model = slices.Insert(model, at, v)
					}
				}
			}
			if o.len() != len(model) {
				t.Fatalf("len %d, want %d", o.len(), len(model))
			}
			offset := rapid.IntRange(0, len(model)+2).Draw(t, "offset")
			if got, want := slices.Collect(o.from(offset)), model[min(offset, len(model)):]; !slices.Equal(got, want) {
				t.Fatalf("from %d: %v, want %v", offset, got, want)
			}
		}
	})
}

// node is a query as a tree, evaluated without the parser.
type node struct {
	text  string
	match func(*Person) bool
}

func drawNode(t *rapid.T, depth int) node {
	if depth == 0 || rapid.IntRange(0, 2).Draw(t, "leaf") == 0 {
		name := rapid.SampledFrom([]string{"ann", "bob", ""}).Draw(t, "name")
		id := rapid.Int64Range(1, 3).Draw(t, "id")
		switch rapid.IntRange(0, 3).Draw(t, "term") {
		case 0:
			return node{fmt.Sprintf("first_name:'%s'", name), func(p *Person) bool { return strings.EqualFold(p.FirstName, name) && p.FirstName != "" }}
		case 1:
			return node{fmt.Sprintf("department_id : %d", id), func(p *Person) bool { return slices.Contains(p.DepartmentIDs, id) }}
		case 2:
			return node{"location_id:null", func(p *Person) bool { return p.LocationID == 0 }}
		}
		return node{fmt.Sprintf("location_id:>%d", id), func(p *Person) bool { return p.LocationID >= id }}
	}
	l, r := drawNode(t, depth-1), drawNode(t, depth-1)
	if rapid.Bool().Draw(t, "and") {
		return node{"(" + l.text + ") AND (" + r.text + ")", func(p *Person) bool { return l.match(p) && r.match(p) }}
	}
	return node{"(" + l.text + " OR " + r.text + ")", func(p *Person) bool { return l.match(p) || r.match(p) }}
}

func TestQueryMeansWhatItSays(t *testing.T) {
	t.Parallel()
	fields := personQuery("primary_email", nil)
	rapid.Check(t, func(t *rapid.T) {
		n := drawNode(t, 3)
		match, err := parseQuery(`"`+n.text+`"`, fields)
		if err != nil {
			if len(n.text) > maxQuery {
				return
			}
			t.Fatalf("%s: %v", n.text, err)
		}
		p := &Person{
			FirstName:     rapid.SampledFrom([]string{"Ann", "BOB", "Cy"}).Draw(t, "first"),
			LocationID:    rapid.Int64Range(0, 3).Draw(t, "location"),
			DepartmentIDs: rapid.SliceOfN(rapid.Int64Range(1, 3), 0, 2).Draw(t, "departments"),
		}
		if got, want := match(p), n.match(p); got != want {
			t.Fatalf("%s of %+v = %v, want %v", n.text, p, got, want)
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, q := range []string{
		`"first_name:'x' AND (time_zone:'y' OR language:null)"`, `"~[first_name|primary_email]:'a'"`, `"created_at:>'2020-01-01'"`,
		`"badge:-1"`, `"grade:'A'"`, `"((((("`, `"`, `""`, `"name:'`, "\"name:'\xff'\"",
	} {
		f.Add(q)
	}
	fields := personQuery("primary_email", []*Field{
		{Name: "badge", Type: "custom_number"}, {Name: "grade", Type: "custom_dropdown", Choices: []string{"A"}}, {Name: "hired", Type: "custom_date"},
	})
	people := []*Person{
		{},
		{FirstName: "Ann", PrimaryEmail: "a.b+c@acme.example", DepartmentIDs: []int64{1}, CreatedAt: 1_600_000_000,
			CustomFields: CustomFields{"badge": []byte("7"), "grade": []byte(`"A"`), "hired": []byte(`"2020-01-01T00:00:00Z"`)}},
	}
	f.Fuzz(func(t *testing.T, q string) {
		match, err := parseQuery(q, fields)
		if err != nil {
			p, ok := err.(*Problem)
			if !ok || p.Status != 400 || len(p.Errors) == 0 {
				t.Fatalf("%q: %v", q, err)
			}
			return
		}
		for _, p := range people {
			match(p)
		}
	})
}

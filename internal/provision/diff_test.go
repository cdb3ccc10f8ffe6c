package provision

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lockstep/internal/expression"
	"lockstep/internal/scim"
)

const (
	entURN = scim.URNEnterprise
	fsURN  = scim.URNFreshservice
)

func TestPatchDialects(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		delta                  Delta
		strict, legacy, aadOpt string // the operations
	}{
		{
			"add and replace", Delta{
				{Path: `emails[type eq "work"].value`, Old: "a@b", New: "c@d"},
				{Path: "name.familyName", Old: "Duarte", New: "Duarte Lima"},
				{Path: "title", New: "Analyst"},
				{Path: entURN + ":department", Old: "", New: "Finance"},
			},
			`[{"op":"replace","path":"emails[type eq \"work\"].value","value":"c@d"},{"op":"replace","path":"name.familyName","value":"Duarte Lima"},{"op":"add","path":"title","value":"Analyst"},{"op":"add","path":"` + entURN + `:department","value":"Finance"}]`,
			`[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"c@d"},{"op":"Replace","path":"name.familyName","value":"Duarte Lima"},{"op":"Add","path":"title","value":"Analyst"},{"op":"Add","path":"` + entURN + `:department","value":"Finance"}]`,
			`[{"op":"replace","path":"emails[type eq \"work\"].value","value":"c@d"},{"op":"replace","path":"name.familyName","value":"Duarte Lima"},{"op":"add","path":"title","value":"Analyst"},{"op":"add","path":"` + entURN + `:department","value":"Finance"}]`,
		},
		{
			"disable", Delta{{Path: "active", Old: true, New: false}},
			`[{"op":"replace","path":"active","value":false}]`,
			`[{"op":"Replace","path":"active","value":"False"}]`,
			`[{"op":"replace","path":"active","value":false}]`,
		},
		{
			"several replaced", Delta{
				{Path: "displayName", Old: "A", New: "B"},
				{Path: "nickName", New: "Ina"},
				{Path: "name.givenName", Old: "A", New: "B"},
				{Path: `phoneNumbers[type eq "work"].value`, Old: "1", New: "2"},
				{Path: entURN + ":employeeNumber", Old: "1", New: "2"},
			},
			`[{"op":"replace","path":"displayName","value":"B"},{"op":"add","path":"nickName","value":"Ina"},{"op":"replace","path":"name.givenName","value":"B"},{"op":"replace","path":"phoneNumbers[type eq \"work\"].value","value":"2"},{"op":"replace","path":"` + entURN + `:employeeNumber","value":"2"}]`,
			`[{"op":"Replace","path":"displayName","value":"B"},{"op":"Add","path":"nickName","value":"Ina"},{"op":"Replace","path":"name.givenName","value":"B"},{"op":"Replace","path":"phoneNumbers[type eq \"work\"].value","value":"2"},{"op":"Replace","path":"` + entURN + `:employeeNumber","value":"2"}]`,
			`[{"op":"replace","value":{"displayName":"B","name.givenName":"B","` + entURN + `:employeeNumber":"2"}},{"op":"add","path":"nickName","value":"Ina"},{"op":"replace","path":"phoneNumbers[type eq \"work\"].value","value":"2"}]`,
		},
		{
			"manager", Delta{{Path: entURN + ":manager", Old: "1", New: "40881", Reference: "m"}},
			`[{"op":"replace","path":"` + entURN + `:manager","value":{"value":"40881"}}]`,
			`[{"op":"Replace","path":"` + entURN + `:manager","value":"40881"}]`,
			`[{"op":"replace","path":"` + entURN + `:manager","value":"40881"}]`,
		},
		{
			"a new address", Delta{
				{Path: `addresses[type eq "work"].locality`, New: "Porto"},
				{Path: "title", Old: "x"},
				{Path: `addresses[type eq "work"].country`, New: "PT"},
			},
			`[{"op":"add","path":"addresses[type eq \"work\"].locality","value":"Porto"},{"op":"remove","path":"title"},{"op":"add","path":"addresses[type eq \"work\"].country","value":"PT"}]`,
			`[{"op":"Add","path":"addresses[type eq \"work\"].locality","value":"Porto"},{"op":"Remove","path":"title"},{"op":"Add","path":"addresses[type eq \"work\"].country","value":"PT"}]`,
			`[{"op":"add","path":"addresses[type eq \"work\"].locality","value":"Porto"},{"op":"remove","path":"title"},{"op":"add","path":"addresses[type eq \"work\"].country","value":"PT"}]`,
		},
		{
			"an address with more", Delta{
				{Path: `addresses[type eq "work"].locality`, Old: "Lisboa", New: "Porto"},
				{Path: `addresses[type eq "work"].country`, New: "PT"},
			},
			`[{"op":"replace","path":"addresses[type eq \"work\"].locality","value":"Porto"},{"op":"add","path":"addresses[type eq \"work\"].country","value":"PT"}]`,
			`[{"op":"Replace","path":"addresses[type eq \"work\"].locality","value":"Porto"},{"op":"Add","path":"addresses[type eq \"work\"].country","value":"PT"}]`,
			`[{"op":"replace","path":"addresses[type eq \"work\"].locality","value":"Porto"},{"op":"add","path":"addresses[type eq \"work\"].country","value":"PT"}]`,
		},
		{
			"roles grow", Delta{{
				Path: "roles", Old: []scim.Value{scim.NewObject("value", "a")},
				New: []scim.Value{scim.NewObject("value", "a"), scim.NewObject("primary", false, "display", "B", "value", "b")},
			}},
			`[{"op":"add","path":"roles","value":[{"primary":false,"display":"B","value":"b"}]}]`,
			`[{"op":"Add","path":"roles","value":[{"value":"{\"value\":\"b\",\"displayName\":\"B\"}"}]}]`,
			`[{"op":"add","path":"roles","value":[{"primary":false,"display":"B","value":"b"}]}]`,
		},
		{
			"primary role", Delta{{Path: `roles[primary eq "True"].value`, Old: "a", New: "b"}},
			`[{"op":"replace","path":"roles[primary eq true].value","value":"b"}]`,
			`[{"op":"Replace","path":"roles[primary eq \"True\"].value","value":"b"}]`,
			`[{"op":"replace","path":"roles[primary eq \"True\"].value","value":"b"}]`,
		},
	} {
		for dialect, want := range map[Dialect]string{Strict: tt.strict, Legacy: tt.legacy, AADOptSCIM062020: tt.aadOpt} {
			t.Run(tt.name+"/"+dialect.String(), func(t *testing.T) {
				body, err := tt.delta.AppendPatch(nil, dialect, scim.UserType())
				if err != nil {
					t.Fatal(err)
				}
				want := `{"schemas":["` + scim.URNPatchOp + `"],"Operations":` + want + `}`
				if diff := cmp.Diff(want, string(body)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				ops := tt.delta.Patch(dialect, scim.UserType())
				var body2 struct {
					Operations []struct {
						Op   string `json:"op"`
						Path string `json:"path"`
					}
				}
				if err := json.Unmarshal(body, &body2); err != nil {
					t.Fatal(err)
				}
				if len(ops) != len(body2.Operations) {
					t.Fatalf("Patch gives %d operations, AppendPatch %d", len(ops), len(body2.Operations))
				}
				for i, o := range ops {
					if string(o.Op) != body2.Operations[i].Op || (o.Path == nil) != (body2.Operations[i].Path == "") {
						t.Errorf("operation %d is %v, and on the wire %v", i, o, body2.Operations[i])
					}
				}
			})
		}
	}
}

func TestDeltaSurvivesJSON(t *testing.T) {
	d := Delta{
		{Path: "a", Old: nil, New: "x", Redacted: true},
		{Path: "b", Old: json.Number("1.50"), New: false},
		{Path: "roles", New: []scim.Value{scim.NewObject("z", "1", "a", "2")}},
		{Path: "manager", New: "7", Reference: "m"},
	}
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Delta
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(data), string(again)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, ok := back[2].New.([]scim.Value)[0].(*scim.Object); !ok || back[1].Old != json.Number("1.50") {
		t.Errorf("values lost their types: %#v", back)
	}
}

func TestApplyRefusesWhatCannotBeMapped(t *testing.T) {
	r := scim.NewResource(scim.UserType(), &scim.Object{})
	if err := (Delta{{Path: "id", New: "x"}}).Apply(r); err == nil {
		t.Error("an id is set")
	}
	if err := (Delta{{Path: "emails[", New: "x"}}).Apply(r); err == nil {
		t.Error("a wrong path is applied")
	}
}

// targets are the attributes that the property test maps, with the source
// attribute of the same number.
var propertyTargets = []string{
	"userName", "active", "displayName", "name.givenName", "name.familyName", "title",
	`emails[type eq "work"].value`, `emails[type eq "home"].value`,
	`phoneNumbers[type eq "work"].value`, `phoneNumbers[type eq "mobile"].value`,
	`addresses[type eq "work"].locality`, `addresses[type eq "work"].country`,
	entURN + ":department", entURN + ":employeeNumber", entURN + ":manager",
	fsURN + ":isAgent", fsURN + ":badge",
}

func propertyMapping() *Mapping {
	var list []*AttributeMapping
	for i, target := range propertyTargets {
		a := attributeMapping(target, fmt.Sprintf("[a%d]", i), cleared)
		if i%4 == 3 {
			a.FlowNullValues = false
		}
		list = append(list, a)
	}
	m, err := CompileMapping(objectMapping(list...), scim.UserType())
	if err != nil {
		panic(err)
	}
	return m
}

func drawSource(t *rapid.T, m *Mapping, label string) expression.Map {
	source := expression.Map{}
	for i, f := range m.Flows {
		if !rapid.Bool().Draw(t, fmt.Sprintf("%s%d", label, i)) && i > 0 {
			continue
		}
		v := rapid.SampledFrom([]string{"a", "B", "ä ö", "x\"y", "a.b"}).Draw(t, fmt.Sprintf("%sv%d", label, i))
		if f.Type == scim.TypeBoolean {
			v = rapid.SampledFrom([]string{"True", "False"}).Draw(t, fmt.Sprintf("%sb%d", label, i))
		}
		source[f.Source] = words(v)
	}
	return source
}

// For any person and any state of the target: once the difference is applied, in
// memory or by any dialect's PATCH, nothing differs, every mapped attribute holds
// what is wanted, and what is not mapped is as it was.
func TestDiffConverges(t *testing.T) {
	m := propertyMapping()
	resolve := func(_ ObjectType, id string) (string, bool) { return "t-" + id, true }
	rapid.Check(t, func(t *rapid.T) {
		before := m.Evaluate(t.Context(), &expression.Env{Source: drawSource(t, m, "old")})
		current, _, _ := m.Resource(before, resolve)
		o := current.Attributes()
		o.Set("profileUrl", "https://people.example/1")
		if rapid.Bool().Draw(t, "other phone") {
			o.Set("phoneNumbers", append(o.Elements("phoneNumbers"), scim.NewObject("type", "other", "value", "99")))
		}
		values := m.Evaluate(t.Context(), &expression.Env{Source: drawSource(t, m, "new")})
		delta, waiting := m.Diff(values, current, resolve)
		if waiting != nil {
			t.Fatalf("waiting for %v", waiting)
		}
		check := func(how string, r *scim.Resource) {
			for i := range values {
				v := &values[i]
				held, was := v.Flow.path.get(r.Peek()), v.Flow.path.get(current.Peek())
				want := v.Value
				switch {
				case v.Flow.Reference && want != nil:
					want = "t-" + want.(string)
				case want == nil && !v.Flow.Clear:
					want = was
				}
				if isEmpty(want) != isEmpty(held) || !isEmpty(want) && !scim.Equal(want, held) {
					t.Fatalf("%s: %s holds %v, want %v\ndelta %v", how, v.Flow.Target, held, want, delta)
				}
			}
			if again, _ := m.Diff(values, r, resolve); len(again) > 0 {
				t.Fatalf("%s: something still differs: %v", how, again)
			}
			other, _ := compileTargetPath(m.TargetType, scim.Path{Attr: "phoneNumbers", Filter: &scim.Comparison{Path: scim.Path{Attr: "type"}, Op: scim.Eq, Value: "other"}, Sub: "value"})
			if !scim.Equal(other.get(r.Peek()), other.get(current.Peek())) || r.Peek().Text("profileUrl") == "" {
				t.Fatalf("%s: what is not mapped has changed", how)
			}
		}
		applied := current.Clone()
		if err := delta.Apply(applied); err != nil {
			t.Fatal(err)
		}
		check("Apply", applied)
		for _, dialect := range []Dialect{Strict, Legacy, AADOptSCIM062020} {
			body, err := delta.AppendPatch(nil, dialect, m.TargetType)
			if err != nil {
				t.Fatal(err)
			}
			if len(delta) == 0 {
				continue
			}
			p, err := scim.ParsePatch(body)
			if err != nil {
				t.Fatalf("%s: %s: %v", dialect, body, err)
			}
			patched := current.Clone()
			if _, err := p.Apply(patched); err != nil {
				t.Fatalf("%s: %s: %v", dialect, body, err)
			}
			check(dialect.String(), patched)
		}
		if undone := invert(delta); len(undone) > 0 {
			back := applied.Clone()
			if err := undone.Apply(back); err != nil {
				t.Fatal(err)
			}
			for i := range values {
				f := values[i].Flow
				if was, is := f.path.get(current.Peek()), f.path.get(back.Peek()); !scim.Equal(was, is) {
					t.Fatalf("undone, %s holds %v, want %v", f.Target, is, was)
				}
			}
		}
	})
}

func invert(d Delta) Delta {
	var out Delta
	for _, c := range d {
		out = append(out, AttributeChange{Path: c.Path, Old: c.New, New: c.Old})
	}
	return out
}

// What is created differs in nothing from what is wanted.
func TestResourceNeedsNoUpdate(t *testing.T) {
	m := propertyMapping()
	resolve := func(_ ObjectType, id string) (string, bool) { return "t-" + id, true }
	rapid.Check(t, func(t *rapid.T) {
		values := m.Evaluate(t.Context(), &expression.Env{Source: drawSource(t, m, "a")})
		r, written, _ := m.Resource(values, resolve)
		if delta, _ := m.Diff(values, r, resolve); len(delta) > 0 {
			t.Fatalf("what was just created differs: %v", delta)
		}
		empty := scim.NewResource(m.TargetType, &scim.Object{})
		if err := written.Apply(empty); err != nil {
			t.Fatal(err)
		}
		if delta, _ := m.Diff(values, empty, resolve); len(delta) > 0 {
			t.Fatalf("what is said to be written is not all: %v", delta)
		}
	})
}

func benchmarkMapping(b *testing.B) (*Mapping, expression.Map, Resolver) {
	s, err := Template("freshservice")
	if err != nil {
		b.Fatal(err)
	}
	m, err := CompileMapping(s.Mapping(User), scim.UserType())
	if err != nil {
		b.Fatal(err)
	}
	person := expression.Map{
		"userPrincipalName": words("ines.duarte@acme.example"), "IsSoftDeleted": expression.Bool(false), "mail": words("ines.duarte@acme.example"),
		"displayName": words("Ines Duarte"), "givenName": words("Ines"), "surname": words("Duarte"), "telephoneNumber": words("+351 22 000 0000"),
		"mobile": words("+351 91 000 0000"), "physicalDeliveryOfficeName": words("Porto 2"), "preferredLanguage": words("pt"), "jobTitle": words("Analyst"),
		"mailNickname": words("iduarte"), "department": words("Finance"), "manager": words("0d1c"),
	}
	return m, person, func(ObjectType, string) (string, bool) { return "40881", true }
}

// One operation is one person: the attributes are computed and compared with
// what the target holds.
func BenchmarkEvaluateAndDiff(b *testing.B) {
	m, person, resolve := benchmarkMapping(b)
	env := &expression.Env{Source: person}
	current, _, _ := m.Resource(m.Evaluate(b.Context(), env), resolve)
	changed := current.Clone()
	changed.Attributes().Set("title", "Clerk")
	for _, bb := range []struct {
		name    string
		current *scim.Resource
		want    int
	}{{"unchanged", current, 0}, {"changed", changed, 1}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				delta, _ := m.Diff(m.Evaluate(b.Context(), env), bb.current, resolve)
				if len(delta) != bb.want {
					b.Fatal(delta)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "people/s")
		})
	}
}

func BenchmarkResource(b *testing.B) {
	m, person, resolve := benchmarkMapping(b)
	env := &expression.Env{Source: person}
	b.ReportAllocs()
	for b.Loop() {
		m.Resource(m.Evaluate(b.Context(), env), resolve)
	}
}

func BenchmarkPatch(b *testing.B) {
	d := Delta{{Path: "title", Old: "a", New: "b"}, {Path: `emails[type eq "work"].value`, Old: "a", New: "b"}}
	rt := scim.UserType()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = d.AppendPatch(buf[:0], AADOptSCIM062020, rt); err != nil {
			b.Fatal(err)
		}
	}
}

package provision

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lockstep/internal/expression"
)

func clause(attribute, operator string, values ...string) *FilterClause {
	return &FilterClause{SourceOperandName: attribute, OperatorName: operator, TargetOperand: &FilterOperand{Values: values}}
}

func filterOf(groups ...[]*FilterClause) *Filter {
	f := &Filter{}
	for _, g := range groups {
		f.Groups = append(f.Groups, &FilterGroup{Clauses: g})
	}
	return f
}

func compileScope(t testing.TB, f *Filter) *ScopeFilter {
	t.Helper()
	s, err := CompileScope(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScopeOperators(t *testing.T) {
	text, list := expression.Text, expression.List
	null := expression.Null()
	for _, tt := range []struct {
		operator string
		operand  string
		value    expression.Value
		want     bool
	}{
		{"EQUALS", "Sales", text("Sales"), true},
		{"EQUALS", "Sales", text("sales"), false},
		{"EQUALS", "Sales", null, false},
		{"EQUALS", "", null, false},
		{"EQUALS", "", text(""), false},
		{"EQUALS", "7", expression.Int(7), true},
		{"EQUALS", "Sales", list([]string{"Sales", "Sales"}), true},
		{"EQUALS", "Sales", list([]string{"Sales", "HR"}), false},
		{"EQUALS", "Sales", list(nil), false},
		{"NOT EQUALS", "Sales", text("HR"), true},
		{"NOT EQUALS", "Sales", text("sales"), true},
		{"NOT EQUALS", "Sales", text("Sales"), false},
		{"NOT EQUALS", "Sales", null, false},
		{"NOT EQUALS", "Sales", text(""), false},
		{"IS TRUE", "", expression.Bool(true), true},
		{"IS TRUE", "", text("true"), true},
		{"IS TRUE", "", expression.Bool(false), false},
		{"IS TRUE", "", text("yes"), false},
		{"IS TRUE", "", null, false},
		{"IS FALSE", "", expression.Bool(false), true},
		{"IS FALSE", "", text("FALSE"), true},
		{"IS FALSE", "", expression.Bool(true), false},
		{"IS FALSE", "", null, false},
		{"IS NULL", "", null, true},
		{"IS NULL", "", text(""), true},
		{"IS NULL", "", list(nil), true},
		{"IS NULL", "", text(" "), false},
		{"IS NULL", "", list([]string{"a"}), false},
		{"IS NOT NULL", "", text("x"), true},
		{"IS NOT NULL", "", list([]string{"a", "b"}), true},
		{"IS NOT NULL", "", null, false},
		{"IS NOT NULL", "", text(""), false},
		{"REGEX MATCH", `.*\@acme.example`, text("kim@acme.example"), true},
		{"REGEX MATCH", `.*\@acme.example`, text("kim@acme.example.org"), false},
		{"REGEX MATCH", `([1-9][0-9])`, text("42"), true},
		{"REGEX MATCH", `([1-9][0-9])`, text("142"), false},
		{"REGEX MATCH", `a|ab`, text("ab"), true},
		{"REGEX MATCH", `(?=.*x)[a-z]+`, text("axb"), true},
		{"REGEX MATCH", `sales`, text("Sales"), false},
		{"REGEX MATCH", `(?i)sales`, text("Sales"), true},
		{"REGEX MATCH", `(?x) s a l e s # the team`, text("sales"), true},
		{"REGEX MATCH", `.*`, null, false},
		{"REGEX MATCH", `.*`, text(""), false},
		{"NOT REGEX MATCH", `sales`, text("Sales"), true},
		{"NOT REGEX MATCH", `.*`, text("Sales"), false},
		{"NOT REGEX MATCH", `x`, null, false},
		{"Greater_Than", "10", text("11"), true},
		{"Greater_Than", "10", expression.Int(10), false},
		{"Greater_Than", "10", text("9"), false},
		{"Greater_Than", "10", text("eleven"), false},
		{"Greater_Than", "10", null, false},
		{"Greater_Than_OR_EQUALS", "10", expression.Int(10), true},
		{"Greater_Than_OR_EQUALS", "-10", text("-11"), false},
		{"Greater_Than_OR_EQUALS", "10", null, false},
		{"Includes", "ale", text("Sales"), true},
		{"Includes", "Ale", text("Sales"), false},
		{"Includes", "a", null, false},
		{"ENDS_WITH", "es", text("Sales"), true},
		{"ENDS_WITH", "ES", text("Sales"), false},
		{"ENDS_WITH", "s", null, false},
		{"&", "Sales, HR", text("HR"), true},
		{"&", "Sales, HR", text("IT"), false},
		{"&", "Sales, HR", null, false},
		{"!&", "Sales, HR", text("IT"), true},
		{"!&", "Sales, HR", text("HR"), false},
		{"!&", "Sales, HR", null, false},
	} {
		f := compileScope(t, filterOf([]*FilterClause{clause("a", tt.operator, tt.operand)}))
		got := f.Evaluate(expression.Map{"a": tt.value})
		if got.Passed != tt.want {
			t.Errorf("%s", got)
		}
	}
}

func TestScopeOperatorNames(t *testing.T) {
	if n := len(FilterOperators()); n != 14 {
		t.Errorf("there are %d operators, want 14", n)
	}
	for _, name := range []string{"equals", "IS NOT NULL", "IS_NOT_NULL", "GREATER_THAN", "Greater Than Or Equals", "ends with", "INCLUDES", "!&"} {
		if operatorNamed(name) == nil {
			t.Errorf("%q is not found", name)
		}
	}
	data, err := json.Marshal(FilterOperators()[4])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"IS NULL","name":"IS NULL","arity":"Unary","multivaluedComparisonType":"All","supportedAttributeTypes":["Integer","String","Binary","Boolean"]}`
	if string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
}

func TestScopeChain(t *testing.T) {
	f := compileScope(t, &Filter{Groups: []*FilterGroup{
		{Name: "Staff", Clauses: []*FilterClause{clause("department", "EQUALS", "Sales"), clause("country", "NOT EQUALS", "US")}},
		{Clauses: []*FilterClause{clause("mail", "REGEX MATCH", "@acme")}},
	}})
	e := f.Evaluate(expression.Map{"department": expression.Text("sales"), "mail": expression.Text("kim@acme.example")})
	want := `not passed: Staff (no) department EQUALS "Sales": no, it is "sales" (the comparison minds case) and country NOT EQUALS "US": no, it is empty (a clause on an empty attribute is false, also a negative one); ` +
		`or filter 2 (no) mail REGEX MATCH "@acme": no, it is "kim@acme.example" (the pattern matches a part of the value; it has to match the whole of it)`
	if diff := cmp.Diff(want, e.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(`{"Staff.department EQUALS 'Sales'":false,"Staff.country NOT EQUALS 'US'":false,"mail REGEX MATCH '@acme'":false}`, e.Result()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	e = f.Evaluate(expression.Map{"department": expression.Text("Sales"), "country": expression.Text("PT")})
	if !e.Passed || !strings.HasPrefix(e.String(), `passed: Staff (yes) department EQUALS "Sales": yes, it is "Sales" and country`) {
		t.Errorf("got %s", e)
	}
	if diff := cmp.Diff([]string{"department", "country", "mail"}, f.references()); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
}

func TestScopeWithoutFilter(t *testing.T) {
	for name, f := range map[string]*Filter{"nil": nil, "empty": {}, "empty lists": {Groups: []*FilterGroup{}, InputFilterGroups: []*FilterGroup{}}} {
		s := compileScope(t, f)
		e := s.Evaluate(expression.Map{})
		if !e.Passed || e.Result() != "{}" || s != nil {
			t.Errorf("%s: %s, %s", name, e, e.Result())
		}
	}
}

func TestScopeInputFilterLeavesAlone(t *testing.T) {
	f := compileScope(t, &Filter{
		InputFilterGroups: []*FilterGroup{{Clauses: []*FilterClause{clause("country", "EQUALS", "PT")}}},
		Groups:            []*FilterGroup{{Clauses: []*FilterClause{clause("department", "IS NOT NULL")}}},
	})
	e := f.Evaluate(expression.Map{"country": expression.Text("US"), "department": expression.Text("x")})
	if e.Passed || !e.Dropped {
		t.Errorf("got %s", e)
	}
	e = f.Evaluate(expression.Map{"country": expression.Text("PT")})
	if e.Passed || e.Dropped {
		t.Errorf("got %s", e)
	}
}

func TestScopeNotes(t *testing.T) {
	for _, tt := range []struct {
		clause *FilterClause
		value  expression.Value
		note   string
	}{
		{clause("a", "EQUALS", "x "), expression.Text("x"), "spaces"},
		{clause("a", "EQUALS", "true"), expression.Bool(true), "case"},
		{clause("a", "EQUALS", "1"), expression.Bool(true), "IS TRUE"},
		{clause("a", "Greater_Than", "1"), expression.Text("x"), "not a whole number"},
		{clause("a", "IS TRUE"), expression.Text("x"), "not a Boolean"},
		{clause("a", "EQUALS", "x"), expression.List([]string{"x", "y"}), "all of them"},
		{clause("a", "REGEX MATCH", `(a+)+b`), expression.Text(strings.Repeat("a", 60)), "given up"},
	} {
		e := compileScope(t, filterOf([]*FilterClause{tt.clause})).Evaluate(expression.Map{"a": tt.value})
		if note := e.Groups[0].Clauses[0].Note; e.Passed || !strings.Contains(note, tt.note) {
			t.Errorf("%s: the note is %q, want one with %q", tt.clause, note, tt.note)
		}
	}
}

func TestScopeErrors(t *testing.T) {
	f := &Filter{Groups: []*FilterGroup{
		{Name: "one", Clauses: []*FilterClause{clause("a", "LIKE", "x"), clause("", "IS NULL"), clause("b", "EQUALS")}},
		{Clauses: []*FilterClause{clause("c", "Greater_Than", "ten"), clause("d", "REGEX MATCH", "("), {SourceOperandName: "e", OperatorName: "EQUALS"}}},
	}}
	_, err := CompileScope(f)
	if err == nil {
		t.Fatal("the filter compiles")
	}
	for _, want := range []string{
		`scoping filter one: a: the operator "LIKE" is unknown; the operators are EQUALS, NOT EQUALS`,
		"scoping filter one: a clause names no source attribute",
		"scoping filter one: b: EQUALS needs a value to compare with",
		`scoping filter 2: c: Greater_Than compares whole numbers, and "ten" is none`,
		`scoping filter 2: d: "(" is not a .NET regular expression`,
		"scoping filter 2: e: EQUALS needs a value",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

// A filter passes when one of its groups does, and a group when all of its
// clauses do, whatever the clauses are.
func TestScopeAndOr(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		attributes := rapid.SampledFrom([]string{"a", "b", "c"})
		values := rapid.SampledFrom([]string{"", "x", "X", "12"})
		object := expression.Map{}
		for _, name := range []string{"a", "b", "c"} {
			if v := values.Draw(t, name); v != "" {
				object[name] = expression.Text(v)
			}
		}
		drawClause := rapid.Custom(func(t *rapid.T) *FilterClause {
			op := rapid.SampledFrom(operators).Draw(t, "operator")
			return clause(attributes.Draw(t, "attribute"), op.Name, rapid.SampledFrom([]string{"1", "12"}).Draw(t, "operand"))
		})
		groups := rapid.SliceOfN(rapid.SliceOfN(drawClause, 0, 4), 1, 4).Draw(t, "groups")
		passes := func(cs ...*FilterClause) bool {
			f, err := CompileScope(filterOf(cs))
			if err != nil {
				t.Fatal(err)
			}
			return f.Evaluate(object).Passed
		}
		want := false
		for _, g := range groups {
			all := true
			for _, c := range g {
				all = all && passes(c)
			}
			want = want || all
		}
		f, err := CompileScope(filterOf(groups...))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Evaluate(object); got.Passed != want {
			t.Fatalf("got %s, want %v", got, want)
		}
	})
}

func FuzzFilter(f *testing.F) {
	f.Add([]byte(`{"groups":[{"name":"g","clauses":[{"sourceOperandName":"a","operatorName":"REGEX MATCH","targetOperand":{"values":["(?<x>.)\\k<x>"]}}]}]}`), "aa")
	f.Add([]byte(`{"inputFilterGroups":[{"clauses":[{"sourceOperandName":"a","operatorName":"Greater_Than","targetOperand":{"values":["7"]}}]}]}`), "8")
	f.Add([]byte(`{"groups":[{"clauses":[{"sourceOperandName":"a","operatorName":"!&","targetOperand":{"values":["x, y"]}},{"sourceOperandName":"a","operatorName":"IS NOT NULL"}]}]}`), "y")
	f.Fuzz(func(t *testing.T, data []byte, value string) {
		filter := &Filter{}
		if err := filter.UnmarshalJSON(data); err != nil {
			return
		}
		s, err := CompileScope(filter)
		if err != nil {
			return
		}
		e := s.Evaluate(expression.Map{"a": expression.Text(value)})
		if !json.Valid([]byte(e.Result())) {
			t.Errorf("the result %s is not JSON", e.Result())
		}
		if !e.Dropped && e.Passed && len(e.Groups) > 0 && !bytes.Contains([]byte(e.String()), []byte("passed: ")) {
			t.Errorf("got %s", e)
		}
	})
}

func BenchmarkScope(b *testing.B) {
	f := compileScope(b, &Filter{Groups: []*FilterGroup{
		{Name: "Staff", Clauses: []*FilterClause{clause("department", "IS NOT NULL"), clause("userPrincipalName", "REGEX MATCH", `.*@acme\.example`)}},
		{Name: "Contractors", Clauses: []*FilterClause{clause("department", "EQUALS", "Contract")}},
	}})
	o := expression.Map{"department": expression.Text("Sales"), "userPrincipalName": expression.Text("kim@acme.example")}
	b.ReportAllocs()
	for b.Loop() {
		if !f.Evaluate(o).Passed {
			b.Fatal("not passed")
		}
	}
}

package scim

import "testing"

// Entra ID's gallery app sends isAgent as text, and administrators map it from
// whatever their directory has.
func TestIsAgentInEverySpelling(t *testing.T) {
	t.Parallel()
	const path = URNFreshservice + ":isAgent"
	for sent, want := range map[string]Value{
		`true`: true, `"True"`: true, `"TRUE"`: true, `"yes"`: true, `" Yes "`: true, `"Y"`: true, `"1"`: true, `1`: true, `"on"`: true, `"Agent"`: true,
		`false`: false, `"False"`: false, `"no"`: false, `"N"`: false, `"0"`: false, `0`: false, `"off"`: false, `"requester"`: false,
		// Nothing, and what the directory has to judge.
		`""`: nil, `null`: nil, `"perhaps"`: "perhaps", `2`: "2",
	} {
		for form, body := range map[string]string{
			"POST":      `{"userName":"u","` + URNFreshservice + `":{"isAgent":` + sent + `}}`,
			"flattened": `{"userName":"u","` + path + `":` + sent + `}`,
		} {
			o, err := ParseObject([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if err := Normalize(UserType(), o, ForCreate|Strict); err != nil {
				t.Errorf("%s %s: %v", form, sent, err)
				continue
			}
			if got, _ := o.Child(URNFreshservice).Get("isAgent"); got != want {
				t.Errorf("%s %s is %v, want %v", form, sent, got, want)
			}
		}
		for _, before := range []string{`{"userName":"u"}`, `{"userName":"u","` + URNFreshservice + `":{"isAgent":true}}`} {
			o, err := ParseObject([]byte(before))
			if err != nil {
				t.Fatal(err)
			}
			p, err := ParsePatch([]byte(`{"schemas":["` + URNPatchOp + `"],"Operations":[{"op":"Replace","path":"` + path + `","value":` + sent + `}]}`))
			if err != nil {
				t.Fatal(err)
			}
			r := NewResource(UserType(), o)
			if _, err := p.Apply(r); err != nil {
				t.Errorf("PATCH %s: %v", sent, err)
				continue
			}
			if got, _ := r.Peek().Child(URNFreshservice).Get("isAgent"); got != want {
				t.Errorf("PATCH %s is %v, want %v", sent, got, want)
			}
		}
	}
	// The booleans of the standard stay strict.
	o, err := ParseObject([]byte(`{"userName":"u","active":"yes"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := Normalize(UserType(), o, ForCreate); !IsType(err, InvalidValue) {
		t.Errorf("active \"yes\": %v", err)
	}
}

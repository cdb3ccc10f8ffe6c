package scim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	enterprise  = `"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`
	freshExt    = `"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User"`
	bothSchemas = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]`
	coreSchemas = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]`
)

// applyTo applies operations, a JSON list without its brackets, to a resource
// given by its body without schemas.
func applyTo(t testing.TB, kind *ResourceType, body, operations string) (*Resource, bool, error) {
	t.Helper()
	o, err := ParseObject([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	r := NewResource(kind, o)
	p, err := ParsePatch([]byte(`{"Operations":[` + operations + `]}`))
	if err != nil {
		return r, false, err
	}
	changed, err := p.Apply(r)
	return r, changed, err
}

func TestApply(t *testing.T) {
	t.Parallel()
	user, group := UserType(), GroupType()
	for _, c := range []struct {
		name              string
		kind              *ResourceType
		before, op, after string
	}{
		{"value path in a key", user, `{"userName":"u"}`,
			`{"op":"replace","value":{"emails[type eq \"work\"].value":"a@x"}}`, ""},
		{"add value path in a key", user, `{"userName":"u"}`,
			`{"op":"add","value":{"emails[type eq \"work\"].value":"a@x"}}`, `{"userName":"u","emails":[{"type":"work","value":"a@x"}]}`},
		{"flattened extension inside its container", user, `{"userName":"u"}`,
			`{"op":"Replace","value":{` + enterprise + `:{"manager.value":"m","department":"D","_location":"Lund"}}}`,
			`{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"value":"m"},"department":"D","_location":"Lund"}}`},
		{"dot behind the URN, as before 2019", user, `{"userName":"u"}`,
			`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.department","value":"D"}`,
			`{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"department":"D"}}`},
		{"manager without URN", user, `{"userName":"u"}`,
			`{"op":"Add","path":"manager","value":[{"$ref":null,"value":"m"}]}`,
			`{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"value":"m"}}}`},
		{"manager by $ref", user, `{"userName":"u"}`,
			`{"op":"add","path":"manager","value":{"$ref":"../Users/m-7/"}}`,
			`{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"$ref":"../Users/m-7/","value":"m-7"}}}`},
		{"empty manager removes", user, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"value":"m"}}}`,
			`{"op":"Replace","path":"manager","value":""}`, `{` + coreSchemas + `,"userName":"u"}`},
		{"manager of empty value removes", user, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"value":"m"},"department":"D"}}`,
			`{"op":"Add","path":"manager","value":{"value":""}}`, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"department":"D"}}`},
		{"empty manager.value removes", user, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"value":"m","displayName":"M"},"department":"D"}}`,
			`{"op":"replace","path":"manager.value","value":""}`, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"department":"D"}}`},
		{"new manager drops what was said of the former", user, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"value":"m","displayName":"M"}}}`,
			`{"op":"replace","path":"manager.value","value":"n"}`, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"value":"n"}}}`},
		{"isAgent in any spelling", user, `{"userName":"u"}`,
			`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User:isagent","value":"TRUE"}`,
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:freshservice:2.0:User"],"userName":"u",` + freshExt + `:{"isAgent":true}}`},
		{"custom field keeps its type", user, `{"userName":"u"}`,
			`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User:floor","value":3}`,
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:freshservice:2.0:User"],"userName":"u",` + freshExt + `:{"floor":3}}`},
		{"extension as a whole", user, `{"userName":"u"}`,
			`{"op":"add","path":` + enterprise + `,"value":{"department":"D","costCenter":null}}`,
			`{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"department":"D"}}`},
		{"remove an extension", user, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"department":"D"}}`,
			`{"op":"remove","path":` + enterprise + `}`, `{` + coreSchemas + `,"userName":"u"}`},
		{"core URN as path", user, `{"userName":"u"}`,
			`{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User","value":{"title":"T"}}`, `{"userName":"u","title":"T"}`},
		{"core URN as key", user, `{"userName":"u"}`,
			`{"op":"replace","value":{"urn:ietf:params:scim:schemas:core:2.0:User":{"title":"T"},"urn:ietf:params:scim:schemas:core:2.0:User:nickName":"N"}}`,
			`{"userName":"u","title":"T","nickName":"N"}`},
		{"roles in a string", user, `{"userName":"u"}`,
			`{"op":"Add","path":"roles","value":"{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"The Admin\"}"}`,
			`{"userName":"u","roles":[{"value":"Admin","display":"The Admin"}]}`},
		{"roles in the string of an element", user, `{"userName":"u","roles":[{"value":"Admin","display":"A"}]}`,
			`{"op":"Add","path":"roles","value":[{"value":"{\"id\":\"1\",\"value\":\"Boss\",\"displayName\":\"B\"}"}]}`,
			`{"userName":"u","roles":[{"value":"Admin","display":"A"},{"value":"Boss","display":"B"}]}`},
		{"list of roles in a string", user, `{"userName":"u"}`,
			`{"op":"Replace","path":"roles","value":"[{\"value\":\"A\",\"primary\":\"True\"},{\"value\":\"B\",\"primary\":\"False\"}]"}`,
			`{"userName":"u","roles":[{"value":"A","primary":true},{"value":"B","primary":false}]}`},
		{"role in a string behind a filter", user, `{"userName":"u"}`,
			`{"op":"Add","path":"roles[primary eq \"True\"].value","value":"{\"id\":\"1\",\"value\":\"A\",\"displayName\":\"D\"}"}`,
			`{"userName":"u","roles":[{"primary":true,"value":"A","display":"D"}]}`},
		{"string boolean in a filter", user, `{"userName":"u","roles":[{"primary":true,"value":"A"}]}`,
			`{"op":"Replace","path":"roles[primary eq \"TRUE\"].value","value":"B"}`, `{"userName":"u","roles":[{"primary":true,"value":"B"}]}`},
		{"sub-attributes of one address", user, `{"userName":"u"}`,
			`{"op":"Replace","path":"addresses[type eq \"work\"].locality","value":"L"},{"op":"Replace","path":"addresses[type eq \"work\"].region","value":"R"}`,
			`{"userName":"u","addresses":[{"type":"work","locality":"L","region":"R"}]}`},
		{"add creates an element from two assertions", user, `{"userName":"u"}`,
			`{"op":"add","path":"emails[type eq \"work\" and primary eq \"true\"].value","value":"a@x"}`,
			`{"userName":"u","emails":[{"type":"work","primary":true,"value":"a@x"}]}`},
		{"add an element through a filter", user, `{"userName":"u","emails":[{"type":"home","value":"h@x","primary":true}]}`,
			`{"op":"add","path":"emails[type eq \"work\"]","value":{"value":"a@x","primary":"True"}}`,
			`{"userName":"u","emails":[{"type":"home","value":"h@x","primary":false},{"type":"work","value":"a@x","primary":true}]}`},
		{"replace one element keeps what selected it", user, `{"userName":"u","emails":[{"type":"work","value":"a@x","display":"A"}]}`,
			`{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"b@x"}}`, `{"userName":"u","emails":[{"value":"b@x","type":"work"}]}`},
		{"same type and value is the same element", user, `{"userName":"u","emails":[{"type":"work","value":"a@x"},{"type":"home","value":"b@x","primary":true}]}`,
			`{"op":"add","path":"emails","value":[{"type":"Work","value":"A@x","primary":true}]}`,
			`{"userName":"u","emails":[{"type":"Work","value":"A@x","primary":true},{"type":"home","value":"b@x","primary":false}]}`},
		{"remove given e-mails", user, `{"userName":"u","emails":[{"type":"work","value":"a@x","primary":true},{"type":"home","value":"b@x"}]}`,
			`{"op":"remove","path":"emails","value":[{"value":"A@X"}]}`, `{"userName":"u","emails":[{"type":"home","value":"b@x"}]}`},
		{"remove the last element by filter", user, `{"userName":"u","emails":[{"type":"work","value":"a@x"}]}`,
			`{"op":"remove","path":"emails[type eq \"work\"]"}`, `{"userName":"u"}`},
		{"remove the last sub-attribute", user, `{"userName":"u","emails":[{"value":"a@x"}],"name":{"givenName":"G"}}`,
			`{"op":"remove","path":"emails[value pr].value"},{"op":"remove","path":"name.givenName"}`, `{"userName":"u"}`},
		{"remove what no element has", user, `{"userName":"u","emails":[{"type":"work","value":"a@x"}]}`,
			`{"op":"remove","path":"emails[type eq \"fax\"]"},{"op":"remove","path":"emails[type eq \"work\"].display"},{"op":"remove","path":"photos[type eq \"x\"].value"},{"op":"remove","path":"manager"},{"op":"Remove","path":"name.middleName"}`,
			`{"userName":"u","emails":[{"type":"work","value":"a@x"}]}`},
		{"null replaces by nothing", user, `{"userName":"u","title":"T","name":{"givenName":"G","familyName":"F"},"emails":[{"type":"work","value":"a@x","display":"D"}]}`,
			`{"op":"replace","value":{"title":null,"name":{"givenName":null},"active":null}},{"op":"replace","path":"emails[type eq \"work\"].display","value":null}`,
			`{"userName":"u","name":{"familyName":"F"},"emails":[{"type":"work","value":"a@x"}]}`},
		{"null adds nothing", user, `{"userName":"u","title":"T"}`,
			`{"op":"add","path":"title","value":null},{"op":"add","path":"emails[type eq \"work\"].value","value":null},{"op":"Replace","path":"emails[type eq \"work\"].value","value":null}`,
			`{"userName":"u","title":"T"}`},
		{"numbers where text belongs", user, `{"userName":"u"}`,
			`{"op":"add","path":"employeeNumber","value":701984}`, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"employeeNumber":"701984"}}`},
		{"own id and meta are ignored", user, `{"id":"i-1","userName":"u"}`,
			`{"op":"replace","value":{"id":"i-1","meta":{"resourceType":"User","location":"https://x/1"},"groups":[],"title":"T"}}`, `{"userName":"u","title":"T"}`},
		{"unknown names in a value are left out", user, `{"userName":"u"}`,
			`{"op":"replace","value":{"shoeSize":44,"shoe size":44,"urn:acme:x:1.0:Y":{"a":1},"title":"T"}}`, `{"userName":"u","title":"T"}`},
		{"unknown sub-attributes are left out", user, `{"userName":"u"}`,
			`{"op":"add","path":"emails","value":[{"value":"a@x","verified":true}]}`, `{"userName":"u","emails":[{"value":"a@x"}]}`},
		{"schemas follow by themselves", user, `{"userName":"u"}`, `{"op":"replace","path":"schemas","value":["x"]}`, `{"userName":"u"}`},
		{"passwords are not kept", user, `{"userName":"u"}`, `{"op":"replace","path":"password","value":"secret"},{"op":"replace","value":{"password":"secret"}}`, `{"userName":"u"}`},
		{"space around op and path", user, `{"userName":"u"}`, `{"op":" Add ","path":" title ","value":"T"}`, `{"userName":"u","title":"T"}`},
		{"sub-attribute of all elements", user, `{"userName":"u","emails":[{"type":"work","value":"a@x"},{"type":"home","value":"b@x"}]}`,
			`{"op":"replace","path":"emails.display","value":"D"},{"op":"remove","path":"emails.type"}`,
			`{"userName":"u","emails":[{"value":"a@x","display":"D"},{"value":"b@x","display":"D"}]}`},
		{"filter on a single complex value", user, `{"userName":"u","name":{"givenName":"G","familyName":"F"}}`,
			`{"op":"replace","path":"name[givenName eq \"g\"].familyName","value":"E"}`, `{"userName":"u","name":{"givenName":"G","familyName":"E"}}`},
		{"members as text", group, `{"displayName":"G","members":[{"value":"a"}]}`,
			`{"op":"add","path":"members","value":"b"},{"op":"add","path":"members","value":["c","a"]},{"op":"remove","path":"members","value":"a"}`,
			`{"displayName":"G","members":[{"value":"b"},{"value":"c"}]}`},
		{"members keep what they were", group, `{"displayName":"G","members":[{"value":"a","display":"A"}]}`,
			`{"op":"add","path":"members","value":[{"value":"a","display":"Other"}]}`, `{"displayName":"G","members":[{"value":"a","display":"A"}]}`},
		{"removing no members removes none", group, `{"displayName":"G","members":[{"value":"a"}]}`,
			`{"op":"Remove","path":"members","value":[]}`, `{"displayName":"G","members":[{"value":"a"}]}`},
		{"members are replaced without doubles", group, `{"displayName":"G","members":[{"value":"a","display":"A"}]}`,
			`{"op":"replace","path":"members","value":[{"value":"b"},{"value":"a"},{"value":"b"}]}`, `{"displayName":"G","members":[{"value":"b"},{"value":"a"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, changed, err := applyTo(t, c.kind, c.before, c.op)
			if c.after == "" {
				if !IsType(err, NoTarget) {
					t.Fatalf("error %v, want noTarget", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := ParseObject([]byte(c.after))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Attributes(); !Equal(got, want) {
				b, _ := got.MarshalJSON()
				t.Errorf("\n got %s\nwant %s", b, c.after)
			}
			before, _ := ParseObject([]byte(c.before))
			before.Delete("id")
			if want := !Equal(before, want); changed != want {
				t.Errorf("changed %t, want %t", changed, want)
			}
		})
	}
}

func TestPatchRefuses(t *testing.T) {
	t.Parallel()
	const user = `{"id":"i-1","userName":"u","title":"T","emails":[{"type":"work","value":"a@x"}]}`
	const group = `{"id":"g-1","displayName":"G","members":[{"value":"a","display":"A"}]}`
	for _, c := range []struct {
		before, op string
		kind       ErrorType
		attribute  string
	}{
		{user, `{"op":"remove"}`, NoTarget, ""},
		{user, `{"op":"remove","path":null,"value":{"title":"T"}}`, NoTarget, ""},
		{user, `{"op":"move","path":"title"}`, InvalidSyntax, "op"},
		{user, `{"path":"title","value":"x"}`, InvalidSyntax, "op"},
		{user, `{"op":1,"path":"title","value":"x"}`, InvalidSyntax, "op"},
		{user, `5`, InvalidSyntax, ""},
		{user, ``, InvalidSyntax, "Operations"},
		{user, `{"op":"add","path":1,"value":"x"}`, InvalidPath, "path"},
		{user, `{"op":"add","path":"","value":"x"}`, InvalidPath, ""},
		{user, `{"op":"add","path":"shoeSize","value":"x"}`, InvalidPath, "shoeSize"},
		{user, `{"op":"remove","path":"shoeSize"}`, InvalidPath, "shoeSize"},
		{user, `{"op":"add","path":"name.shoeSize","value":"x"}`, InvalidPath, "name.shoeSize"},
		{user, `{"op":"add","path":"urn:acme:x:y","value":"x"}`, InvalidPath, "urn:acme:x:y"},
		{user, `{"op":"add","value":{"name..x":"x"}}`, InvalidPath, ""},
		{user, `{"op":"replace","path":"title"}`, InvalidValue, "title"},
		{user, `{"op":"replace","value":"x"}`, InvalidValue, ""},
		{user, `{"op":"replace","path":"title","value":{"a":1}}`, InvalidValue, "title"},
		{user, `{"op":"replace","path":"title","value":["a"]}`, InvalidValue, "title"},
		{user, `{"op":"replace","path":"title","value":true}`, InvalidValue, "title"},
		{user, `{"op":"replace","path":"active","value":1}`, InvalidValue, "active"},
		{user, `{"op":"replace","path":"emails","value":"a@x"}`, InvalidValue, "emails"},
		{user, `{"op":"add","path":"emails","value":[["a@x"]]}`, InvalidValue, "emails"},
		{user, `{"op":"add","path":"emails","value":[{"value":{"a":1}}]}`, InvalidValue, "emails.value"},
		{user, `{"op":"add","path":"emails[type eq \"work\"]","value":[{"value":"a"},{"value":"b"}]}`, InvalidValue, "emails"},
		{user, `{"op":"add","path":"manager","value":[{"value":"a"},{"value":"b"}]}`, InvalidValue, "manager"},
		{user, `{"op":"add","path":` + enterprise + `,"value":"x"}`, InvalidValue, URNEnterprise},
		{user, `{"op":"replace","path":"userName","value":""}`, InvalidValue, "userName"},
		{user, `{"op":"replace","path":"userName","value":null}`, InvalidValue, "userName"},
		{user, `{"op":"remove","path":"userName"}`, Mutability, "userName"},
		{user, `{"op":"remove","path":"schemas"}`, Mutability, "schemas"},
		{user, `{"op":"remove","path":"id"}`, Mutability, "id"},
		{user, `{"op":"replace","value":{"id":"other"}}`, Mutability, "id"},
		{user, `{"op":"replace","value":{"meta":{"resourceType":"Group"}}}`, Mutability, "meta"},
		{user, `{"op":"add","path":"groups","value":[{"value":"g"}]}`, Mutability, "groups"},
		{user, `{"op":"add","value":{"groups":[{"value":"g"}]}}`, Mutability, "groups"},
		{user, `{"op":"add","path":"manager.displayName","value":"M"}`, Mutability, URNEnterprise + ":manager.displayName"},
		{user, `{"op":"replace","path":"photos[type eq \"x\"].value","value":"x"}`, NoTarget, `photos[type eq "x"].value`},
		{user, `{"op":"replace","path":"emails[type eq \"home\"]","value":{"value":"x"}}`, NoTarget, `emails[type eq "home"]`},
		{user, `{"op":"add","path":"emails[type ne \"work\"].value","value":"x"}`, NoTarget, `emails[type ne "work"].value`},
		{user, `{"op":"Add","path":"emails[type eq \"a\" or type eq \"b\"].value","value":"x"}`, NoTarget, `emails[type eq "a" or type eq "b"].value`},
		{user, `{"op":"Add","path":"emails[value sw \"z\"].type","value":"x"}`, NoTarget, `emails[value sw "z"].type`},
		{user, `{"op":"add","path":"emails[foo eq \"a\"].value","value":"x"}`, InvalidFilter, "emails"},
		{user, `{"op":"replace","path":"title[value eq \"T\"]","value":"x"}`, InvalidPath, `title[value eq "T"]`},
		{user, `{"op":"add","path":"emails[primary gt true].value","value":"x"}`, InvalidFilter, ""},
		{group, `{"op":"remove","path":"members","value":[{}]}`, InvalidValue, "members"},
		{group, `{"op":"remove","path":"members","value":[{"value":null}]}`, InvalidValue, "members"},
		{group, `{"op":"remove","path":"members","value":""}`, InvalidValue, "members"},
		{group, `{"op":"replace","path":"members[value eq \"a\"].value","value":"b"}`, Mutability, "members.value"},
		{group, `{"op":"add","path":"members[value eq \"a\"]","value":{"value":"b","display":"B"}}`, Mutability, "members.value"},
		{group, `{"op":"replace","path":"displayName","value":"H"},{"op":"remove","path":"displayName"}`, Mutability, "displayName"},
	} {
		kind := UserType()
		if c.before == group {
			kind = GroupType()
		}
		r, _, err := applyTo(t, kind, c.before, c.op)
		if !IsType(err, c.kind) || AsError(err).Attribute != c.attribute {
			t.Errorf("%s: %v on %q, want %s on %q", c.op, err, AsError(err).Attribute, c.kind, c.attribute)
		}
		if want, _ := ParseObject([]byte(c.before)); !Equal(NewResource(kind, want).Attributes(), r.Attributes()) {
			t.Errorf("%s is refused and leaves a changed resource", c.op)
		}
	}
}

func TestPatchErrorsNameTheOperation(t *testing.T) {
	t.Parallel()
	_, _, err := applyTo(t, UserType(), `{"userName":"u"}`, `{"op":"add","path":"title","value":"T"},{"op":"add","path":"active","value":"perhaps"}`)
	if want := `invalidValue: operation 2 of 2: "active" needs true or false; found the text "perhaps"`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, _, err = applyTo(t, UserType(), `{"userName":"u"}`, `{"op":"add","path":"password","value":["hunter2"]}`)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error for a bad password: %v", err)
	}
	_, err = ParsePatch([]byte(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"Operations":[{"op":"add","path":"title","value":"x"}]}`))
	if !IsType(err, InvalidSyntax) {
		t.Errorf("wrong schemas: %v", err)
	}
	if _, err = ParsePatch([]byte(`{"SCHEMAS":["URN:ietf:params:scim:api:messages:2.0:PatchOp"],"operations":[{"OP":"add","PATH":"title","VALUE":"x"}]}`)); err != nil {
		t.Errorf("names in another case: %v", err)
	}
}

func TestApplyKeepsTheStoredBytesOfAnUnchangedResource(t *testing.T) {
	t.Parallel()
	r := storedUser(t)
	p, err := ParsePatch([]byte(`{"Operations":[{"op":"Replace","path":"active","value":"True"},{"op":"add","path":"emails","value":[{"type":"home","value":"kb@hemma.example"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := p.Apply(r); changed || err != nil || r.raw == nil {
		t.Fatalf("changed %t, error %v, stored bytes kept %t", changed, err, r.raw != nil)
	}
}

// A patch may be applied more than once, so a resource must not share values
// with it.
func TestApplySharesNothingWithThePatch(t *testing.T) {
	t.Parallel()
	p, err := ParsePatch([]byte(`{"Operations":[{"op":"add","value":{"emails":[{"value":"a"}],"name":{"givenName":"G"},` + freshExt + `:{"x":{"y":[1]}}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	kind := UserType()
	first := NewResource(kind, NewObject("userName", "u"))
	if _, err := p.Apply(first); err != nil {
		t.Fatal(err)
	}
	first.Attributes().Elements("emails")[0].(*Object).Set("value", "changed")
	first.Attributes().Child("name").Set("givenName", "changed")
	first.Attributes().Child(URNFreshservice).Child("x").Elements("y")[0] = "changed"
	second := NewResource(kind, NewObject("userName", "u"))
	if _, err := p.Apply(second); err != nil {
		t.Fatal(err)
	}
	if b, _ := second.JSON(); strings.Contains(string(b), "changed") {
		t.Errorf("the second resource has %s", b)
	}
}

func TestMemberOps(t *testing.T) {
	t.Parallel()
	member := func(ids ...string) (list []Member) {
		for _, id := range ids {
			list = append(list, Member{Value: id})
		}
		return list
	}
	for _, c := range []struct {
		ops         string
		add, remove []Member
		ok          bool
	}{
		{`{"op":"Add","path":"members","value":[{"$ref":null,"value":"a"},{"value":"b","type":"User","display":"B"}]}`, []Member{{Value: "a"}, {"b", "User", "B"}}, nil, true},
		{`{"op":"add","value":{"Members":[{"value":"a"}]}}`, member("a"), nil, true},
		{`{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:Group:members","value":"a"}`, member("a"), nil, true},
		{`{"op":"Remove","path":"members","value":[{"value":"a"},{"value":"b"}]}`, nil, member("a", "b"), true},
		{`{"op":"remove","path":"members[value eq \"a\"]"}`, nil, member("a"), true},
		{`{"op":"remove","path":"members","value":[]}`, nil, nil, true},
		{`{"op":"add","path":"members","value":"a"},{"op":"remove","path":"members[VALUE EQ \"a\"]"},{"op":"remove","path":"members","value":"b"},{"op":"add","path":"members","value":"b"}`, member("b"), member("a"), true},
		{`{"op":"add","path":"members","value":[{"value":"a","display":"A"},{"value":"a"}]}`, []Member{{Value: "a", Display: "A"}}, nil, true},
		{`{"op":"remove","path":"members"}`, nil, nil, false},
		{`{"op":"remove","path":"members","value":null}`, nil, nil, false},
		{`{"op":"remove","path":"members","value":[{}]}`, nil, nil, false},
		{`{"op":"remove","path":"members[value eq 5]"}`, nil, nil, false},
		{`{"op":"remove","path":"members[value ne \"a\"]"}`, nil, nil, false},
		{`{"op":"remove","path":"members[display eq \"a\"]"}`, nil, nil, false},
		{`{"op":"remove","path":"members[value eq \"a\" or value eq \"b\"]"}`, nil, nil, false},
		{`{"op":"remove","path":"members[value eq \"a\"].display"}`, nil, nil, false},
		{`{"op":"add","path":"members[value eq \"a\"]","value":{"display":"A"}}`, nil, nil, false},
		{`{"op":"replace","path":"members","value":[{"value":"a"}]}`, nil, nil, false},
		{`{"op":"replace","value":{"members":[{"value":"a"}]}}`, nil, nil, false},
		{`{"op":"add","value":{"members":[{"value":"a"}],"displayName":"x"}}`, nil, nil, false},
		{`{"op":"add","path":"members","value":"a"},{"op":"replace","path":"displayName","value":"x"}`, nil, nil, false},
	} {
		p, err := ParsePatch([]byte(`{"Operations":[` + c.ops + `]}`))
		if err != nil {
			t.Fatalf("%s: %v", c.ops, err)
		}
		add, remove, ok := p.MemberOps(GroupType())
		if diff := cmp.Diff([]any{c.add, c.remove, c.ok}, []any{add, remove, ok}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.ops, diff)
		}
		if _, _, ok := p.MemberOps(UserType()); ok {
			t.Errorf("%s: a user has members", c.ops)
		}
	}
}

// A naive model of PATCH over the attributes that clients change most. It is
// written from RFC 7644's text and shares nothing with the implementation.
type modelUser struct {
	title, given string
	emails       []modelEmail
	members      []string
}

type modelEmail struct {
	kind, value string
	primary     bool
}

type modelOp struct {
	json  string
	apply func(*modelUser) (ok bool)
}

func drawOp(t *rapid.T) modelOp {
	kind := rapid.SampledFrom([]string{"work", "home", "other"}).Draw(t, "type")
	value := rapid.SampledFrom([]string{"a@x", "b@x", "c@x"}).Draw(t, "value")
	primary := rapid.Bool().Draw(t, "primary")
	takeOver := func(u *modelUser, keep int) {
		for i := range u.emails {
			u.emails[i].primary = i == keep
		}
	}
	email := fmt.Sprintf(`{"type":%q,"value":%q,"primary":%t}`, kind, value, primary)
	switch rapid.IntRange(0, 9).Draw(t, "operation") {
	case 0:
		return modelOp{fmt.Sprintf(`{"op":"replace","path":"title","value":%q}`, value), func(u *modelUser) bool { u.title = value; return true }}
	case 1:
		return modelOp{`{"op":"Remove","path":"title"}`, func(u *modelUser) bool { u.title = ""; return true }}
	case 2:
		return modelOp{fmt.Sprintf(`{"op":"add","value":{"name.givenName":%q}}`, value), func(u *modelUser) bool { u.given = value; return true }}
	case 3:
		return modelOp{`{"op":"remove","path":"name"}`, func(u *modelUser) bool { u.given = ""; return true }}
	case 4:
		return modelOp{fmt.Sprintf(`{"op":"add","path":"emails","value":[%s]}`, email), func(u *modelUser) bool {
			at := slices.IndexFunc(u.emails, func(e modelEmail) bool { return e.kind == kind && e.value == value })
			if at < 0 {
				u.emails = append(u.emails, modelEmail{kind, value, primary})
				at = len(u.emails) - 1
			}
			u.emails[at].primary = primary
			if primary {
				takeOver(u, at)
			}
			return true
		}}
	case 5:
		return modelOp{fmt.Sprintf(`{"op":"replace","path":"emails","value":[%s]}`, email), func(u *modelUser) bool {
			u.emails = []modelEmail{{kind, value, primary}}
			return true
		}}
	case 6:
		return modelOp{fmt.Sprintf(`{"op":"remove","path":"emails[type eq \"%s\"]"}`, kind), func(u *modelUser) bool {
			u.emails = slices.DeleteFunc(u.emails, func(e modelEmail) bool { return e.kind == kind })
			return true
		}}
	case 7:
		return modelOp{fmt.Sprintf(`{"op":"replace","path":"emails[type eq \"%s\"].value","value":%q}`, kind, value), func(u *modelUser) bool {
			found := false
			for i := range u.emails {
				if u.emails[i].kind == kind {
					u.emails[i].value, found = value, true
				}
			}
			return found
		}}
	case 8:
		return modelOp{fmt.Sprintf(`{"op":"Add","path":"emails[type eq \"%s\"].primary","value":"True"}`, kind), func(u *modelUser) bool {
			at := slices.IndexFunc(u.emails, func(e modelEmail) bool { return e.kind == kind })
			if at < 0 {
				u.emails = append(u.emails, modelEmail{kind: kind})
				at = len(u.emails) - 1
			}
			takeOver(u, at)
			return true
		}}
	default:
		return modelOp{`{"op":"replace","path":"active","value":"perhaps"}`, func(*modelUser) bool { return false }}
	}
}

func (u modelUser) object() *Object {
	o := NewObject("userName", "u")
	if u.title != "" {
		o.Set("title", u.title)
	}
	if u.given != "" {
		o.Set("name", NewObject("givenName", u.given))
	}
	var list []Value
	for _, e := range u.emails {
		email := NewObject("type", e.kind, "primary", e.primary)
		if e.value != "" {
			email.Set("value", e.value)
		}
		list = append(list, email)
	}
	if list != nil {
		o.Set("emails", list)
	}
	return o
}

// withPrimary writes primary:false where it is missing, which the model does
// not tell apart.
func withPrimary(o *Object) *Object {
	o = o.Clone()
	for _, e := range o.Elements("emails") {
		if _, ok := e.(*Object).Get("primary"); !ok {
			e.(*Object).Set("primary", false)
		}
	}
	return o
}

func TestApplyAgreesWithTheModel(t *testing.T) {
	t.Parallel()
	kind := UserType()
	rapid.Check(t, func(t *rapid.T) {
		r := NewResource(kind, NewObject("userName", "u"))
		var model modelUser
		for range rapid.IntRange(1, 6).Draw(t, "patches") {
			next := model
			next.emails = slices.Clone(model.emails)
			ok := true
			var ops []string
			for range rapid.IntRange(1, 4).Draw(t, "operations") {
				op := drawOp(t)
				ops = append(ops, op.json)
				ok = ok && op.apply(&next)
			}
			before := r.Attributes().Clone()
			body := `{"Operations":[` + strings.Join(ops, ",") + `]}`
			p, err := ParsePatch([]byte(body))
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			changed, err := p.Apply(r)
			if (err == nil) != ok {
				t.Fatalf("%s on %v: error %v, the model succeeds: %t", body, model, err, ok)
			}
			if changed == Equal(before, r.Attributes()) {
				t.Fatalf("%s on %v: changed %t", body, model, changed)
			}
			if err != nil {
				if !Equal(before, r.Attributes()) {
					t.Fatalf("%s fails and changes the resource", body)
				}
				continue
			}
			model = next
			if got, want := withPrimary(r.Attributes()), model.object(); !Equal(got, want) {
				g, _ := got.MarshalJSON()
				w, _ := want.MarshalJSON()
				t.Fatalf("%s\n got %s\nwant %s", body, g, w)
			}
		}
	})
}

// Editing members alone and applying the patch give the same group.
func TestMemberOpsAgreeWithApply(t *testing.T) {
	t.Parallel()
	kind := GroupType()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		start := rapid.SliceOfDistinct(id, rapid.ID).Draw(t, "members")
		var ops []string
		for range rapid.IntRange(1, 5).Draw(t, "operations") {
			var list []string
			for _, m := range rapid.SliceOf(id).Draw(t, "ids") {
				list = append(list, fmt.Sprintf(`{"value":%q}`, m))
			}
			switch values := strings.Join(list, ","); rapid.IntRange(0, 2).Draw(t, "op") {
			case 0:
				ops = append(ops, `{"op":"Add","path":"members","value":[`+values+`]}`)
			case 1:
				ops = append(ops, `{"op":"Remove","path":"members","value":[`+values+`]}`)
			default:
				ops = append(ops, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id.Draw(t, "id")))
			}
		}
		p, err := ParsePatch([]byte(`{"Operations":[` + strings.Join(ops, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		add, remove, ok := p.MemberOps(kind)
		if !ok {
			t.Fatalf("%v touch more than members", ops)
		}
		set := make(map[string]bool)
		var members []Value
		for _, m := range start {
			set[m] = true
			members = append(members, NewObject("value", m))
		}
		for _, m := range add {
			set[m.Value] = true
		}
		for _, m := range remove {
			delete(set, m.Value)
		}
		r := NewResource(kind, NewObject("displayName", "G", "members", members))
		if _, err := p.Apply(r); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]bool)
		for _, m := range r.Attributes().Elements("members") {
			got[m.(*Object).Text("value")] = true
		}
		if diff := cmp.Diff(set, got); diff != "" {
			t.Fatalf("%v on %v (-edited +applied):\n%s", ops, start, diff)
		}
	})
}

func TestMembersOfLargeGroups(t *testing.T) {
	t.Parallel()
	const n = 5000
	var values, half []string
	for i := range n {
		values = append(values, fmt.Sprintf(`{"value":"u-%d"}`, i))
		if i%2 == 0 {
			half = append(half, values[i])
		}
	}
	all := strings.Join(values, ",")
	r, changed, err := applyTo(t, GroupType(), `{"displayName":"G"}`,
		`{"op":"add","path":"members","value":[`+all+`]},{"op":"add","path":"members","value":[`+all+`,{"value":"x"}]},{"op":"remove","path":"members","value":[`+strings.Join(half, ",")+`]}`)
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	if got := len(r.Attributes().Elements("members")); got != n/2+1 {
		t.Errorf("%d members, want %d", got, n/2+1)
	}
	if _, _, err := applyTo(t, UserType(), `{"userName":"u"}`, `{"op":"add","path":"emails","value":[`+all+`]}`); !IsType(err, InvalidValue) {
		t.Errorf("%d e-mail addresses: %v", n, err)
	}
}

func FuzzParsePatch(f *testing.F) {
	for _, s := range []string{
		`{"op":"Add","path":"emails[type eq \"work\"].value","value":"x"}`,
		`{"op":"replace","value":{"name.givenName":"x","` + URNEnterprise + `:manager":[{"value":""}],"roles":"{\"value\":1}"}}`,
		`{"op":"remove","path":"addresses[not (locality pr)].primary","value":[{}]}`,
		`{"op":"Replace","path":"` + URNFreshservice + `:a[b eq 1].c","value":[null,{"d":[]}]}`,
		`{"op":"add","path":"photos","value":[{"primary":"True"},{"primary":true}]},{"op":"replace","path":"phoneNumbers[type eq \"x\"]","value":{}}`,
	} {
		f.Add([]byte(`{"Operations":[` + s + `]}`))
	}
	kind := UserType()
	stored := storedUser(f)
	raw, err := stored.JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := ParsePatch(body)
		if err != nil {
			return
		}
		r := StoredResource(kind, stored.ID, raw)
		changed, err := p.Apply(r)
		same := Equal(r.Attributes(), stored.Peek())
		if err != nil && (changed || !same) {
			t.Fatalf("%s fails with %v and changes the resource", body, err)
		}
		if err == nil && changed == same {
			t.Fatalf("%s: changed %t", body, changed)
		}
		if _, err := r.AppendView(nil, ""); err != nil {
			t.Fatalf("%s leaves a resource that cannot be written: %v", body, err)
		}
		// What PATCH leaves is normal already.
		o := r.Attributes().Clone()
		if err := Normalize(kind, o, ForReplace); err != nil {
			t.Fatalf("%s leaves a resource that cannot be created: %v", body, err)
		}
		for _, name := range []string{"emails", "roles", "addresses", "photos"} {
			if primaries := len(slices.DeleteFunc(slices.Clone(o.Elements(name)), func(v Value) bool { return !isPrimary(v) })); primaries > 1 {
				t.Fatalf("%s leaves %d primary %s", body, primaries, name)
			}
		}
	})
}

package scim

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	user, group := UserType(), GroupType()
	for _, c := range []struct {
		name     string
		kind     *ResourceType
		in, want string
	}{
		{"as Entra ID creates a user", user,
			`{` + bothSchemas + `,"externalId":"e","userName":"u@x","active":true,"addresses":[],"displayName":"U","emails":[{"primary":true,"type":"work","value":"u@x"}],
				"meta":{"resourceType":"User"},"name":{"formatted":"U","familyName":null,"givenName":"G"},"roles":[],"title":null,` + enterprise + `:{"department":"F","manager":null}}`,
			`{` + bothSchemas + `,"externalId":"e","userName":"u@x","active":true,"displayName":"U","emails":[{"primary":true,"type":"work","value":"u@x"}],
				"name":{"formatted":"U","givenName":"G"},` + enterprise + `:{"department":"F"}}`},
		{"names and types", user,
			`{"USERNAME":"u","Active":"False","emails":{"VALUE":"a","Primary":"TRUE"},"Name":{"GIVENNAME":"G"},"URN:ietf:params:scim:schemas:extension:enterprise:2.0:USER":{"EmployeeNumber":7114},
				` + freshExt + `:{"ISAGENT":"tRUE","Floor":3,"empty":{},"list":[null]}}`,
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","urn:ietf:params:scim:schemas:extension:freshservice:2.0:User"],
				"userName":"u","active":false,"emails":[{"value":"a","primary":true}],"name":{"givenName":"G"},` + enterprise + `:{"employeeNumber":"7114"},` + freshExt + `:{"isAgent":true,"Floor":3}}`},
		{"schemas follow what is there", user, `{` + bothSchemas + `,"userName":"u"}`, `{` + coreSchemas + `,"userName":"u"}`},
		{"read-only is ignored", user, `{"id":"x","meta":{"version":"1"},"groups":[{"value":"g"}],"userName":"u","manager":{"value":"m","displayName":"M"},"manager.displayName":"M"}`,
			`{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"value":"m"}}}`},
		{"passwords are not kept", user, `{"userName":"u","password":"p"}`, `{` + coreSchemas + `,"userName":"u"}`},
		{"manager in every form", user, `{"userName":"u",` + enterprise + `:{"manager":"m"}}`, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"value":"m"}}}`},
		{"manager as a list", user, `{"userName":"u",` + enterprise + `:{"manager":[{"value":"m"}]}}`, `{` + bothSchemas + `,"userName":"u",` + enterprise + `:{"manager":{"value":"m"}}}`},
		{"no manager", user, `{"userName":"u",` + enterprise + `:{"manager":{"value":""}}}`, `{` + coreSchemas + `,"userName":"u"}`},
		{"roles in a string", user, `{"userName":"u","roles":["{\"value\":\"A\",\"displayName\":\"D\",\"id\":\"1\"}","B"]}`,
			`{` + coreSchemas + `,"userName":"u","roles":[{"value":"A","display":"D"},{"value":"B"}]}`},
		{"one primary", user, `{"userName":"u","emails":[{"value":"a","primary":true},{"value":"b","primary":"True"}]}`,
			`{` + coreSchemas + `,"userName":"u","emails":[{"value":"a","primary":true},{"value":"b","primary":false}]}`},
		{"no doubles", user, `{"userName":"u","emails":[{"type":"work","value":"a"},{"type":"WORK","value":"A","display":"D"}]}`,
			`{` + coreSchemas + `,"userName":"u","emails":[{"type":"WORK","value":"A","display":"D"}]}`},
		{"flattened names", user, `{"userName":"u","name.givenName":"G","name":{"familyName":"F"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"D","emails[type eq \"work\"].value":"a"}`,
			`{` + bothSchemas + `,"userName":"u","name":{"givenName":"G","familyName":"F"},` + enterprise + `:{"department":"D"},"emails":[{"type":"work","value":"a"}]}`},
		{"what nobody knows is left out", user, `{"userName":"u","shoeSize":1,"shoe size":2,"emails":[{"value":"a","x":1}],"urn:acme:x:1.0:Y":{"a":1}}`,
			`{` + coreSchemas + `,"userName":"u","emails":[{"value":"a"}]}`},
		{"as Entra ID creates a group", group,
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"externalId":"o","displayName":"G","members":[],"meta":{"resourceType":"Group"}}`,
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"externalId":"o","displayName":"G"}`},
		{"members", group, `{"displayName":"G","members":[{"value":"a","$ref":null},{"value":"a"},"b",{"$ref":"https://x/Users/c"},{}]}`,
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"G","members":[{"value":"a"},{"value":"b"},{"$ref":"https://x/Users/c","value":"c"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, err := ParseObject([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			want, err := ParseObject([]byte(c.want))
			if err != nil {
				t.Fatal(err)
			}
			if err := Normalize(c.kind, o, ForCreate); err != nil {
				t.Fatal(err)
			}
			got, _ := o.MarshalJSON()
			if !Equal(o, want) {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			for name := range want.All() {
				if !strings.Contains(string(got), `"`+name+`":`) {
					t.Errorf("%q is spelled otherwise in %s", name, got)
				}
			}
			if !strings.HasPrefix(string(got), `{"schemas":`) {
				t.Errorf("schemas are not first in %s", got)
			}
		})
	}
}

func TestNormalizeRefuses(t *testing.T) {
	t.Parallel()
	user, group := UserType(&Attribute{Name: "level", Type: TypeInteger}, &Attribute{Name: "since", Type: TypeDateTime}), GroupType()
	for _, c := range []struct {
		kind      *ResourceType
		in        string
		mode      Mode
		attribute string
	}{
		{user, `{}`, ForCreate, "userName"},
		{user, `{"userName":""}`, ForReplace, "userName"},
		{user, `{"userName":null}`, ForReplace, "userName"},
		{group, `{"members":[]}`, ForCreate, "displayName"},
		{user, `{"userName":["u"]}`, ForCreate, "userName"},
		{user, `{"userName":"u","active":"yes"}`, ForCreate, "active"},
		{user, `{"userName":"u","name":"N"}`, ForCreate, "name"},
		{user, `{"userName":"u","emails":"a@x"}`, ForCreate, "emails"},
		{user, `{"userName":"u","emails":[{"primary":"maybe"}]}`, ForCreate, "emails.primary"},
		{user, `{"userName":"u","name..givenName":"N"}`, ForCreate, ""},
		{user, `{"userName":"u",` + enterprise + `:"x"}`, ForCreate, URNEnterprise},
		{user, `{"userName":"u",` + freshExt + `:{"level":"1.5"}}`, ForCreate, "level"},
		{user, `{"userName":"u",` + freshExt + `:{"level":true}}`, ForCreate, "level"},
		{user, `{"userName":"u",` + freshExt + `:{"since":"soon"}}`, ForCreate, "since"},
		{user, `{"userName":"u","shoeSize":1}`, ForCreate | Strict, "shoeSize"},
		{user, `{"userName":"u","emails":[{"value":"a","x":1}]}`, ForReplace | Strict, "emails.x"},
		{user, `{"userName":"u","urn:acme:x:1.0:Y":{"a":1}}`, ForCreate | Strict, "urn:acme:x:1.0:Y"},
	} {
		o, err := ParseObject([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		before := o.Clone()
		err = Normalize(c.kind, o, c.mode)
		if !IsType(err, InvalidValue) || AsError(err).Attribute != c.attribute {
			t.Errorf("%s: %v on %q, want invalidValue on %q", c.in, err, AsError(err).Attribute, c.attribute)
		}
		if !Equal(before, o) {
			t.Errorf("%s is refused and changed", c.in)
		}
	}
	o := NewObject("userName", "u", URNFreshservice, NewObject("level", " 7 ", "since", "2024-05-01", "anything", true))
	if err := Normalize(user, o, ForCreate|Strict); err != nil {
		t.Fatal(err)
	}
	if level, _ := o.Child(URNFreshservice).Get("level"); !Equal(level, numberValue("7")) {
		t.Errorf("level is %#v", level)
	}
}

func numberValue(s string) Value {
	o, err := ParseObject([]byte(`{"n":` + s + `}`))
	if err != nil {
		panic(err)
	}
	v, _ := o.Get("n")
	return v
}

// drawBody draws what a careless client might send for a user.
func drawBody(t *rapid.T) *Object {
	simple := rapid.SampledFrom([]Value{"a", "A", "", "True", "false", true, false, nil, numberValue("3"), `{"value":"x"}`, "work"})
	complexValue := rapid.Custom(func(t *rapid.T) Value {
		o := &Object{}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"value", "Type", "primary", "display", "givenName", "$ref", "x"}), 0, 4).Draw(t, "subs") {
			o.Set(name, simple.Draw(t, "sub"))
		}
		return o
	})
	value := rapid.OneOf(simple, complexValue, rapid.Custom(func(t *rapid.T) Value {
		return rapid.SliceOfN(rapid.OneOf(simple, complexValue), 0, 3).Draw(t, "list")
	}))
	o := NewObject("userName", "u")
	names := rapid.SampledFrom([]string{"active", "TITLE", "name", "name.givenName", "emails", "roles", "manager", "groups", "id", "x", "schemas", "password",
		URNEnterprise + ":department", `phoneNumbers[type eq "work"].value`})
	for _, name := range rapid.SliceOfN(names, 0, 5).Draw(t, "names") {
		o.Set(name, value.Draw(t, "value"))
	}
	if rapid.Bool().Draw(t, "extended") {
		x := &Object{}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"isAgent", "manager.value", "custom", "a.b"}), 0, 3).Draw(t, "fields") {
			x.Set(name, value.Draw(t, "field"))
		}
		o.Set(URNFreshservice, x)
	}
	return o
}

func TestNormalizingTwiceIsOnce(t *testing.T) {
	t.Parallel()
	kind := UserType()
	rapid.Check(t, func(t *rapid.T) {
		o := drawBody(t)
		if err := Normalize(kind, o, ForCreate); err != nil {
			if !IsType(err, InvalidValue) {
				t.Fatal(err)
			}
			return
		}
		once, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := Normalize(kind, o, ForReplace|Strict); err != nil {
			t.Fatalf("%s is refused: %v", once, err)
		}
		if twice, _ := o.MarshalJSON(); string(twice) != string(once) {
			t.Fatalf("once  %s\ntwice %s", once, twice)
		}
	})
}

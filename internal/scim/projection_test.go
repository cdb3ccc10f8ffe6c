package scim

import "testing"

func TestProjection(t *testing.T) {
	t.Parallel()
	kind := UserType(
		&Attribute{Name: "secret", Type: TypeString, Returned: ReturnedNever},
		&Attribute{Name: "photoData", Type: TypeString, Returned: ReturnedRequest},
		&Attribute{Name: "badge", Type: TypeComplex, SubAttributes: []*Attribute{
			{Name: "number", Type: TypeString, Returned: ReturnedAlways}, {Name: "pin", Type: TypeString, Returned: ReturnedNever},
			{Name: "color", Type: TypeString}, {Name: "scan", Type: TypeString, Returned: ReturnedRequest},
		}},
	)
	const all = `{` + bothSchemas + `,"id":"i","userName":"u","title":"T","name":{"givenName":"G","familyName":"F"},
		"emails":[{"type":"work","value":"a"},{"type":"home"}],` + enterprise + `:{"department":"D","manager":{"value":"m","displayName":"M"}},
		` + freshExt + `:{"secret":"s","photoData":"p","badge":{"number":"1","pin":"2","color":"red","scan":"x"},"custom":1},"meta":{"resourceType":"User","version":"1"}}`
	const noSecrets = freshExt + `:{"badge":{"number":"1","color":"red"},"custom":1}`
	for _, c := range []struct{ attributes, excluded, want string }{
		{"", "", `{` + bothSchemas + `,"id":"i","userName":"u","title":"T","name":{"givenName":"G","familyName":"F"},
			"emails":[{"type":"work","value":"a"},{"type":"home"}],` + enterprise + `:{"department":"D","manager":{"value":"m","displayName":"M"}},` + noSecrets + `,"meta":{"resourceType":"User","version":"1"}}`},
		{"userName", "", `{` + bothSchemas + `,"id":"i","userName":"u"}`},
		{" USERNAME , name.GIVENNAME,nothing,", "", `{` + bothSchemas + `,"id":"i","userName":"u","name":{"givenName":"G"}}`},
		{"emails.value,manager.displayName", "", `{` + bothSchemas + `,"id":"i","emails":[{"value":"a"}],` + enterprise + `:{"manager":{"displayName":"M"}}}`},
		{URNEnterprise, "", `{` + bothSchemas + `,"id":"i",` + enterprise + `:{"department":"D","manager":{"value":"m","displayName":"M"}}}`},
		{URNEnterprise + ":department," + URNUser + ":title", "", `{` + bothSchemas + `,"id":"i","title":"T",` + enterprise + `:{"department":"D"}}`},
		{"meta.version", "", `{` + bothSchemas + `,"id":"i","meta":{"version":"1"}}`},
		{"secret,photoData", "", `{` + bothSchemas + `,"id":"i",` + freshExt + `:{"photoData":"p"}}`},
		{"badge.color,badge.pin", "", `{` + bothSchemas + `,"id":"i",` + freshExt + `:{"badge":{"number":"1","color":"red"}}}`},
		{"badge.scan", "", `{` + bothSchemas + `,"id":"i",` + freshExt + `:{"badge":{"number":"1","scan":"x"}}}`},
		{URNFreshservice + ":custom", "", `{` + bothSchemas + `,"id":"i",` + freshExt + `:{"custom":1}}`},
		{"", "id,schemas,title,name.givenName,emails.type,meta," + URNEnterprise, `{` + bothSchemas + `,"id":"i","userName":"u","name":{"familyName":"F"},"emails":[{"value":"a"}],` + noSecrets + `}`},
		{"", "name.givenName,name.familyName,department,badge.number,custom", `{` + bothSchemas + `,"id":"i","userName":"u","title":"T",
			"emails":[{"type":"work","value":"a"},{"type":"home"}],` + enterprise + `:{"manager":{"value":"m","displayName":"M"}},` + freshExt + `:{"badge":{"number":"1","color":"red"},"custom":1},"meta":{"resourceType":"User","version":"1"}}`},
	} {
		view, err := ParseObject([]byte(all))
		if err != nil {
			t.Fatal(err)
		}
		want, err := ParseObject([]byte(c.want))
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParseProjection(kind, c.attributes, c.excluded)
		if err != nil {
			t.Errorf("%q, %q: %v", c.attributes, c.excluded, err)
			continue
		}
		if got := p.Apply(kind, view); !Equal(got, want) {
			b, _ := got.MarshalJSON()
			t.Errorf("attributes %q, excluded %q:\n got %s\nwant %s", c.attributes, c.excluded, b, c.want)
		}
		if untouched, _ := ParseObject([]byte(all)); !Equal(view, untouched) {
			t.Errorf("%q, %q changes the view", c.attributes, c.excluded)
		}
	}
	view := storedUser(t).View("")
	if got := (Projection{}).Apply(UserType(), view); got != view {
		t.Error("a projection that leaves everything makes a copy")
	}
}

func TestParseProjectionRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"userName", "title"}, {"a b", ""}, {"", "emails[type pr]"}, {"name..x", ""}} {
		if _, err := ParseProjection(UserType(), c[0], c[1]); !IsType(err, InvalidValue) {
			t.Errorf("%q, %q: %v", c[0], c[1], err)
		}
	}
}

func TestProjectionWants(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		attributes, excluded, name string
		want                       bool
	}{
		{"", "", "members", true},
		{"displayName", "", "members", false},
		{"members", "", "members", true},
		{"members.value", "", "MEMBERS", true},
		{"displayName", "", "id", true},
		{"displayName", "", "schemas", true},
		{"", "members", "members", false},
		{"", "Members", "members", false},
		{"", "members.display", "members", true},
		{"", "id", "id", true},
	} {
		p, err := ParseProjection(GroupType(), c.attributes, c.excluded)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Wants(c.name); got != c.want {
			t.Errorf("attributes %q, excluded %q want %s: %t", c.attributes, c.excluded, c.name, got)
		}
	}
	p, _ := ParseProjection(UserType(), "manager", "")
	if !p.Wants("manager") || !p.Wants(URNEnterprise) || p.Wants(URNFreshservice) {
		t.Errorf("%v", p)
	}
	p, _ = ParseProjection(UserType(), "", URNEnterprise)
	if p.Wants(URNEnterprise) || !p.Wants("title") {
		t.Errorf("%v", p)
	}
}

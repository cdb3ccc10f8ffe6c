package scim

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAppendViewIsTheView(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 5, 1, 12, 0, 0, 250_999_999, time.FixedZone("", 7200))
	for name, r := range map[string]*Resource{
		"stored":             storedUser(t),
		"decoded":            func() *Resource { r := storedUser(t); r.Attributes(); return r }(),
		"without attributes": StoredResource(UserType(), "i", []byte(`{}`)),
		"spaced":             StoredResource(UserType(), "i", []byte("{ \"title\" : \"}\" }\n")),
		"new":                NewResource(GroupType(), NewObject("displayName", "Zoë \"Z\" <&>")),
		"nil":                NewResource(GroupType(), nil),
		"quoted":             {Type: GroupType(), ID: `i"d`, Version: `W/"1"`, Created: at, LastModified: at, attrs: NewObject("a", nil)},
	} {
		for _, location := range []string{"", "https://x/scim/v2/Users/1"} {
			got, err := r.AppendView([]byte("before"), location)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			o, err := ParseObject(bytes.TrimPrefix(got, []byte("before")))
			if err != nil {
				t.Errorf("%s: %s: %v", name, got, err)
				continue
			}
			if want := r.View(location); !Equal(o, want) {
				w, _ := want.MarshalJSON()
				t.Errorf("%s\n got %s\nwant %s", name, got, w)
			}
		}
	}
	if _, err := StoredResource(UserType(), "i", []byte(`x`)).AppendView(nil, ""); !IsType(err, Internal) {
		t.Errorf("broken storage: %v", err)
	}
}

func TestAppendViewDoesNotDecode(t *testing.T) {
	r := storedUser(t)
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(50, func() {
		if _, err := r.AppendView(buf, "https://x/1"); err != nil {
			t.Fatal(err)
		}
	}); n != 0 || r.attrs != nil {
		t.Errorf("%v allocations, decoded %t", n, r.attrs != nil)
	}
}

func TestNewResourceTakesIDAndMetaOut(t *testing.T) {
	t.Parallel()
	r := NewResource(UserType(), NewObject("ID", "i", "userName", "u", "Meta", &Object{}))
	if r.ID != "i" || r.Attributes().Len() != 1 {
		t.Errorf("id %q, attributes %v", r.ID, r.Attributes())
	}
}

func TestPreconditions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		match, none []string
		version     string
		ok          bool
	}{
		{nil, nil, `W/"1"`, true},
		{[]string{`W/"1"`}, nil, `W/"1"`, true},
		{[]string{`"1"`}, nil, `W/"1"`, true},
		{[]string{`W/"2"`, ` "1" `}, nil, `W/"1"`, true},
		{[]string{`W/"2"`}, nil, `W/"1"`, false},
		{[]string{`*`}, nil, `W/"1"`, true},
		{[]string{`W/"1"`}, nil, ``, false},
		{nil, []string{`W/"1"`}, `W/"1"`, false},
		{nil, []string{`*`}, `W/"1"`, false},
		{nil, []string{`"2"`}, `W/"1"`, true},
		{[]string{`""`}, nil, ``, false},
	} {
		err := Precondition{IfMatch: c.match, IfNoneMatch: c.none}.Check(c.version)
		if (err == nil) != c.ok || err != nil && AsError(err).Status() != 412 {
			t.Errorf("%v %v with %s: %v", c.match, c.none, c.version, err)
		}
	}
	if got := ETag(12); got != `W/"12"` {
		t.Errorf("ETag(12) is %s", got)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	kind := UserType(&Attribute{Name: "cost_code", Type: TypeString})
	for in, want := range map[string]string{
		"USERNAME":       "userName string",
		"Name.GivenName": "name.givenName string",
		"id":             "id string",
		"externalid":     "externalId string",
		"meta.created":   "meta.created dateTime",
		"manager":        URNEnterprise + ":manager complex",
		"manager.VALUE":  URNEnterprise + ":manager.value string",
		"isagent":        URNFreshservice + ":isAgent boolean",
		"cost_code":      URNFreshservice + ":cost_code string",
		URNUser:          URNUser + " -",
		URNUser + ":id":  "id string",
		URNEnterprise:    URNEnterprise + " -",
		strings.ToUpper(URNEnterprise) + ":_Location": URNEnterprise + ":_Location ",
		URNFreshservice + ":anything.deeper":          URNFreshservice + ":anything.deeper ",
		URNFreshservice + ".isAgent":                  URNFreshservice + ":isAgent boolean",
		"shoeSize":                                    "",
		"name.shoeSize":                               "",
		"userName.x":                                  "",
		"urn:acme:x:userName":                         "",
		URNUser + ":department":                       "",
		URNUser + ".isAgent":                          "",
	} {
		p, err := ParsePath(in)
		if err != nil {
			t.Fatal(err)
		}
		attr, sub, ext, ok := kind.Resolve(p)
		got := ""
		if c, found := kind.Canonical(p); found != ok {
			t.Errorf("%s: Canonical says %t, Resolve %t", in, found, ok)
		} else if ok {
			switch {
			case attr == nil:
				got = c.String() + " -"
			case sub != nil:
				got = fmt.Sprint(c, " ", sub.Type)
			default:
				got = fmt.Sprint(c, " ", attr.Type)
			}
			if (ext != nil) != (c.URN != "" && c.URN != URNUser) {
				t.Errorf("%s: extension %v for %s", in, ext, c)
			}
		}
		if got != want {
			t.Errorf("%s resolves to %q, want %q", in, got, want)
		}
	}
	// A URN that does not end as SCIM's own do.
	odd := &ResourceType{Name: "Thing", Schema: &Schema{ID: "urn:acme:thing", Attributes: []*Attribute{{Name: "size", Type: TypeInteger}}},
		Extensions: []Extension{{Schema: &Schema{ID: "urn:acme:1.0", Attributes: []*Attribute{{Name: "color", Type: TypeString}}}}}}
	for in, want := range map[string]string{
		"urn:acme:thing": "urn:acme:thing", "urn:acme:thing:size": "size", "urn:acme:1.0:color": "urn:acme:1.0:color",
	} {
		p, err := ParsePath(in)
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := odd.Canonical(p); !ok || c.String() != want {
			t.Errorf("%s is canonically %s (%t), want %s", in, c, ok, want)
		}
	}
}

func TestTypesDescribeThemselves(t *testing.T) {
	t.Parallel()
	var check func(where string, list []*Attribute)
	check = func(where string, list []*Attribute) {
		for _, a := range list {
			name := where + a.Name
			if !isName(a.Name) || a.Type == "" || (a.Description == "" && !strings.HasPrefix(name, "meta.")) {
				t.Errorf("%s is not fully described", name)
			}
			if (a.Type == TypeComplex) != (len(a.SubAttributes) > 0) || (a.Type == TypeReference) != (len(a.ReferenceTypes) > 0) {
				t.Errorf("%s has type %s and lacks what belongs to it", name, a.Type)
			}
			check(name+".", a.SubAttributes)
		}
	}
	check("", CommonAttributes())
	var got []string
	for _, kind := range []*ResourceType{UserType(), GroupType()} {
		check("", kind.Schema.Attributes)
		for _, a := range kind.Schema.Attributes {
			got = append(got, a.Name)
		}
		for _, x := range kind.Extensions {
			check("", x.Schema.Attributes)
		}
	}
	// RFC 7643 section 4.1 and 4.2.
	want := strings.Fields(`userName name displayName nickName profileUrl title userType preferredLanguage locale timezone active password
		emails phoneNumbers ims photos addresses groups entitlements roles x509Certificates displayName members`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-RFC +ours):\n%s", diff)
	}
}

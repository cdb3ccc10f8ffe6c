package scim

import (
	"strings"
	"testing"
	"time"
)

func mustFilter(t testing.TB, s string) Filter {
	t.Helper()
	f, err := ParseFilter(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMatch(t *testing.T) {
	t.Parallel()
	o, err := ParseObject([]byte(`{"userName":"STRAẞE.ſam@X.example","title":"","active":true,"nickName":"Zoë",
		"emails":[{"type":"work","value":"a@x.example","primary":true},{"type":"home","value":"b@y.example"}],
		"photos":[],"addresses":[{"locality":"Malmö"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"4711","manager":{"value":"m-1"},"_location":"Lund"},
		"urn:ietf:params:scim:schemas:extension:freshservice:2.0:User":{"isAgent":false,"floor":3,"hired":"2024-01-31","vip":true,"tags":["a","b"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	r := NewResource(UserType(), o)
	r.ID = "Id-1"
	r.Version = `W/"7"`
	r.Created = time.Date(2024, 5, 1, 10, 0, 0, 250_900_000, time.UTC)
	r.LastModified = r.Created.Add(time.Hour)
	for filter, want := range map[string]bool{
		// Text: case beyond ASCII, caseExact, absence.
		`userName eq "straße.SAM@x.example"`: true,
		`userName co "ſAM"`:                  true,
		`userName sw "straße"`:               true,
		`nickName eq "ZOË"`:                  true,
		`nickName ew "OË"`:                   true,
		`id eq "Id-1"`:                       true,
		`id eq "id-1"`:                       false,
		`id sw "Id"`:                         true,
		`id pr`:                              true,
		`title pr`:                           false,
		`title ne "x"`:                       true,
		`displayName eq "x"`:                 false,
		`displayName ne "x"`:                 true,
		`displayName eq null`:                true,
		`userName eq null`:                   false,
		`userName gt "STRA"`:                 true,
		`userName lt "t"`:                    true,
		`manager eq "m-1"`:                   true,
		`manager.value eq "m-1"`:             true,
		`manager ne "m-1"`:                   false,
		`schemas pr`:                         false,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr`: true,
		`URN:IETF:params:scim:schemas:core:2.0:user:USERNAME pr`:        true,
		// Booleans in any spelling.
		`active eq "True"`:          true,
		`active ne "FALSE"`:         true,
		`emails[primary eq "true"]`: true,
		`emails[primary eq false]`:  false,
		`isAgent eq false`:          true,
		`isAgent pr`:                true,
		// Numbers and text of them.
		`employeeNumber eq 4711`:   true,
		`employeeNumber eq "4711"`: true,
		// Open extensions: what nobody declared.
		URNFreshservice + `:floor eq 3.0`:          true,
		URNFreshservice + `:floor gt 2`:            true,
		URNFreshservice + `:floor eq "3"`:          true,
		URNFreshservice + `:floor lt 3`:            false,
		URNFreshservice + `:vip eq true`:           true,
		URNFreshservice + `:vip eq "TRUE"`:         true,
		URNFreshservice + `:hired ge "2024-01-01"`: true,
		URNFreshservice + `:tags eq "B"`:           true,
		URNFreshservice + `:nothing pr`:            false,
		URNEnterprise + `:_location eq "lund"`:     true,
		// Multi-valued: one element is enough; ne is the opposite of eq.
		`emails eq "b@y.example"`:                       true,
		`emails.type ne "home"`:                         false,
		`emails.type ne "other"`:                        true,
		`emails[type ne "home"]`:                        true,
		`emails[type eq "work"].value eq "b@y.example"`: false,
		`emails[type eq "home"].value eq "B@Y.example"`: true,
		`emails[type eq "work"].value ne "b@y.example"`: true,
		`emails[type eq "fax"].value ne "b@y.example"`:  false,
		`emails[type eq "work"].value pr`:               true,
		`emails[type eq "home"].display pr`:             false,
		`emails[type eq "home"].display eq null`:        true,
		`emails[display pr]`:                            false,
		`emails[not (type eq "work")]`:                  true,
		`photos pr`:                                     false,
		`photos ne "x"`:                                 true,
		`addresses[locality eq "MALMÖ"]`:                true,
		// Meta.
		`meta.created eq "2024-05-01T10:00:00.250Z"`:     true,
		`meta.created gt "2024-05-01T10:00:00.250Z"`:     false,
		`meta.created ne "2024-05-01T12:00:00.25+02:00"`: false,
		`meta.lastModified gt "2024-05-01T10:00:00"`:     true,
		`meta.lastModified ge "2024-05-01"`:              true,
		`meta.created sw "2024-05"`:                      true,
		`meta.resourceType eq "User"`:                    true,
		`meta.version eq "W/\"7\""`:                      true,
		`meta.location pr`:                               false,
		`meta pr`:                                        true,
	} {
		m, err := CompileFilter(r.Type, mustFilter(t, filter))
		if err != nil {
			t.Errorf("%s: %v", filter, err)
		} else if got := m.Match(r); got != want {
			t.Errorf("%s: %t, want %t", filter, got, want)
		}
	}
}

func TestCompileFilterRefuses(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]string{
		`usernam eq "x"`:                                `invalidFilter: User has no attribute "usernam" (did you mean "userName"?)`,
		`name.givenNam pr`:                              `invalidFilter: "name" has no sub-attribute "givenNam" (did you mean "givenName"?); it has formatted, familyName, givenName, middleName, honorificPrefix, honorificSuffix`,
		`userName.x pr`:                                 `invalidFilter: "userName" has no sub-attributes`,
		`urn:acme:x:y pr`:                               `invalidFilter: User has no schema "urn:acme:x"`,
		`name eq "x"`:                                   `invalidFilter: "name" cannot be compared as a whole`,
		`addresses co "x"`:                              `invalidFilter: "addresses" cannot be compared as a whole`,
		`emails[foo eq "x"]`:                            `invalidFilter: "emails" has no sub-attribute "foo"`,
		`emails[type.x eq "x"]`:                         `invalidFilter: between the brackets of "emails"`,
		`active gt "true"`:                              `invalidFilter: "active" is a boolean and cannot be compared by gt`,
		`active co "tru"`:                               `invalidFilter: "active" is a boolean and cannot be compared by co`,
		`active eq "yes"`:                               `invalidFilter: "active" is a boolean; compare it with true or false, not with "yes"`,
		`emails[primary le "true"]`:                     `invalidFilter: "emails.primary" is a boolean`,
		`x509Certificates.value gt "x"`:                 `invalidFilter: "x509Certificates.value" is binary`,
		`meta.created gt "yesterday"`:                   `invalidFilter: "meta.created" is a date and time`,
		`password eq "x"`:                               `sensitive: "password" is never returned`,
		`urn:ietf:params:scim:schemas:core:2.0:User pr`: `invalidFilter: "urn:ietf:params:scim:schemas:core:2.0:User" names the whole resource`,
		URNEnterprise + ` eq "x"`:                       `invalidFilter: "` + URNEnterprise + `" names a whole extension`,
	} {
		f := mustFilter(t, filter)
		_, err := CompileFilter(UserType(), f)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", filter, err, want)
		}
		if Match(UserType(), f, storedUser(t)) {
			t.Errorf("%s is refused and matches", filter)
		}
	}
}

func TestNumbersCompareByValue(t *testing.T) {
	t.Parallel()
	kind := UserType(&Attribute{Name: "level", Type: TypeInteger}, &Attribute{Name: "score", Type: TypeDecimal})
	o := NewObject("userName", "x")
	r := NewResource(kind, o)
	for body, filters := range map[string]map[string]bool{
		`{"level":9007199254740993,"score":1.5}`: {
			`level eq 9007199254740993`: true, `level eq 9007199254740992`: false, `level gt 9007199254740992`: true,
			`score eq 15e-1`: true, `score ge "1.5"`: true, `score ne 1.5`: false, `level le 1`: false,
		},
	} {
		ext, err := ParseObject([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		o.Set(URNFreshservice, ext)
		for filter, want := range filters {
			if got := Match(kind, mustFilter(t, filter), r); got != want {
				t.Errorf("%s on %s: %t, want %t", filter, body, got, want)
			}
		}
	}
	for _, filter := range []string{`level co 1`, `level eq "one"`} {
		if _, err := CompileFilter(kind, mustFilter(t, filter)); !IsType(err, InvalidFilter) {
			t.Errorf("%s: %v", filter, err)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	kind := UserType(&Attribute{Name: "level", Type: TypeInteger})
	resource := func(body string) *Resource {
		o, err := ParseObject([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return NewResource(kind, o)
	}
	for _, c := range []struct {
		by, a, b string
		want     int
	}{
		{`userName`, `{"userName":"ann"}`, `{"userName":"Ben"}`, -1},
		{`userName`, `{"userName":"ANN"}`, `{"userName":"ann"}`, 0},
		{`externalId`, `{"externalId":"a"}`, `{"externalId":"B"}`, 1},
		{`title`, `{}`, `{"title":"x"}`, 1},
		{`title`, `{"title":"x"}`, `{"title":""}`, -1},
		{`title`, `{}`, `{"title":""}`, 0},
		{`name.familyName`, `{"name":{"familyName":"b"}}`, `{"name":{"familyName":"a"}}`, 1},
		{`emails`, `{"emails":[{"value":"z"},{"value":"b","primary":true}]}`, `{"emails":[{"value":"c"}]}`, -1},
		{`emails.value`, `{"emails":[{"value":"d"},{"value":"b"}]}`, `{"emails":[{"value":"c"}]}`, 1},
		{`active`, `{"active":false}`, `{"active":true}`, -1},
		{`active`, `{"active":true}`, `{"active":true}`, 0},
		{`level`, `{"` + URNFreshservice + `":{"level":10}}`, `{"` + URNFreshservice + `":{"level":9}}`, 1},
		{`manager`, `{"` + URNEnterprise + `":{"manager":{"value":"a"}}}`, `{"` + URNEnterprise + `":{"manager":{"value":"b"}}}`, -1},
		{`id`, `{"id":"1"}`, `{"id":"2"}`, -1},
		{`unknown`, `{"id":"1"}`, `{"id":"2"}`, 0},
	} {
		by, err := ParsePath(c.by)
		if err != nil {
			t.Fatal(err)
		}
		a, b := resource(c.a), resource(c.b)
		if got := Compare(kind, by, a, b); got != c.want {
			t.Errorf("%s of %s and %s: %d, want %d", c.by, c.a, c.b, got, c.want)
		}
		if got := Compare(kind, by, b, a); got != -c.want {
			t.Errorf("%s of %s and %s: %d, want %d", c.by, c.b, c.a, got, -c.want)
		}
	}
	early, late := resource(`{}`), resource(`{}`)
	early.Created = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	late.Created = early.Created.Add(time.Second)
	if got := Compare(kind, Path{Attr: "meta", Sub: "created"}, early, late); got != -1 {
		t.Errorf("meta.created: %d", got)
	}
}

func TestFoldAgreesWithEqualFold(t *testing.T) {
	t.Parallel()
	words := []string{"", "abc", "ABC", "ſ", "S", "K", "k", "İ", "i", "ẞ", "ß", "ss", "Σ", "ς", "σ", "Å", "å", "Å", "_", "`", "ǅ", "Ǆ", "\xff"}
	for _, a := range words {
		for _, b := range words {
			if got, want := Fold(a) == Fold(b), strings.EqualFold(a, b); got != want {
				t.Errorf("%q and %q: folded alike %t, EqualFold %t", a, b, got, want)
			}
		}
	}
}

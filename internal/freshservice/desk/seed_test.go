package desk_test

import (
	"context"
	"strings"
	"testing"

	"lockstep/internal/freshservice/desk"
)

func TestSeedNamesWhatItRefersTo(t *testing.T) {
	t.Parallel()
	seed, err := desk.ReadSeed(strings.NewReader(`{
		"time_zone": "Berlin", "language": "de",
		"departments": [{"name": "Sales"}],
		"locations": [{"id": 500, "name": "HQ", "parent_location_id": 501}, {"id": 501, "name": "Germany"}],
		"fields": [{"name": "badge", "type": "custom_number"}],
		"people": [
			{"first_name": "Ann", "primary_email": "ann@acme.example", "departments": ["sales"], "location": "hq", "manager": "BOSS@acme.example", "custom_fields": {"badge": 7}},
			{"first_name": "Boss", "primary_email": "boss@acme.example", "role": "SD Agent"},
			{"first_name": "Chief", "primary_email": "chief@acme.example", "role": "Account Admin"}],
		"groups": [{"name": "Net"}],
		"requester_groups": [{"name": "Readers", "member_emails": ["ann@acme.example"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, desk.Options{Seed: seed})
	o := want(t, d, 200, "GET", "/requesters?email=ann@acme.example", "").list(t, "requesters")[0].(map[string]any)
	boss, _ := d.PersonByEmail("boss@acme.example")
	if path("%v %v %v %v %v %v", o["department_names"], o["location_name"], o["reporting_manager_id"], o["time_zone"], o["language"], o["custom_fields"]) !=
		path("[Sales] HQ %d Berlin de map[badge:7]", boss.ID) {
		t.Errorf("ann: %v", o)
	}
	if got := want(t, d, 200, "GET", "/agents/me", "").object(t, "agent")["email"]; got != "chief@acme.example" {
		t.Errorf("the key belongs to %v, want the account's admin", got)
	}
	if l := want(t, d, 200, "GET", "/requester_groups", "").list(t, "requester_groups"); len(l) != 1 {
		t.Errorf("requester groups: %v", l)
	}
}

func TestSeedErrorsNameTheEntry(t *testing.T) {
	t.Parallel()
	for seed, want := range map[string]string{
		`{"people":[{"first_name":"A","nick":"x"}]}`: `unknown field "nick"`,
		`{"people":`:                      "near byte",
		`null`:                            "null",
		`{} {}`:                           "goes on",
		`{"time_zone":"Mars"}`:            `time_zone "Mars"`,
		`{"language":"xx"}`:               `language "xx"`,
		`{"people":[{"first_name":"A"}]}`: "people[0] (A)",
		`{"people":[{"first_name":"A","primary_email":"a@b.example","departments":["X"]}]}`:                              `no department "X"`,
		`{"people":[{"first_name":"A","primary_email":"a@b.example","location":"X"}]}`:                                   `no location "X"`,
		`{"people":[{"first_name":"A","primary_email":"a@b.example","role":"X"}]}`:                                       `no role "X"`,
		`{"people":[{"first_name":"A","primary_email":"a@b.example","manager":"m@b.example"}]}`:                          `"m@b.example"`,
		`{"people":[{"first_name":"A","primary_email":"a@b.example","reporting_manager_id":5}]}`:                         "reporting_manager_id 5",
		`{"people":[{"first_name":"A","primary_email":"a@b.example","custom_fields":{"x":1}}]}`:                          `no custom field "x"`,
		`{"people":[{"first_name":"A","primary_email":"a@b.example"},{"first_name":"B","primary_email":"A@b.example"}]}`: "people[1] (B)",
		`{"people":[{"id":5,"first_name":"A","primary_email":"a@b.example"}],"groups":[{"id":5,"name":"G"}]}`:            "is that of groups[0] too",
		`{"departments":[{"name":"A"},{"name":"a"}]}`:                                                                    "departments[1]",
		`{"departments":[{}]}`:                            "departments[0] has no name",
		`{"departments":[{"name":"A","head_user_id":5}]}`: "head_user_id",
		`{"departments":[{"id":-1,"name":"A"}]}`:          "not a positive integer",
		`{"locations":[{"id":1,"name":"A","parent_location_id":2},{"id":2,"name":"B","parent_location_id":1}]}`: "above",
		`{"fields":[{"name":"x","type":"text"}]}`:           `type "text"`,
		`{"groups":[{"name":"G","members":[5]}]}`:           "groups[0]",
		`{"requester_groups":[{"name":"G","members":[5]}]}`: "requester_groups[0]",
		`{"requester_groups":[{"name":"G","type":"x"}]}`:    `type "x"`,
	} {
		s, err := desk.ReadSeed(strings.NewReader(seed))
		if err == nil {
			_, err = desk.New(context.Background(), desk.Options{Seed: s})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to name %q", seed, err, want)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []desk.Options{{Plan: "gold"}, {DuplicateStatus: 422}, {Path: t.TempDir()}} {
		if _, err := desk.New(t.Context(), o); err == nil {
			t.Errorf("%+v: want an error", o)
		}
	}
}

func FuzzReadSeed(f *testing.F) {
	f.Add(`{"people":[{"first_name":"A","primary_email":"a@b.example","role":"SD Agent","custom_fields":{"x":null}}]}`)
	f.Add(`{"departments":[{"id":3,"name":"A"}],"groups":[{"name":"G","members":[1]}]}`)
	f.Add(`{"locations":[{"id":1,"name":"A","parent_location_id":1}],"requester_groups":[]}`)
	f.Add(`{"roles":[],"fields":[{"name":"x","type":"custom_date","required":true}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		seed, err := desk.ReadSeed(strings.NewReader(s))
		if err != nil {
			return
		}
		d, err := desk.New(t.Context(), desk.Options{Seed: seed, APIKey: testKey, Now: newClock().Now})
		if err != nil {
			return
		}
		defer d.Close()
		var first, second strings.Builder
		if err := d.Dump(&first); err != nil {
			t.Fatal(err)
		}
		again, err := desk.ReadSeed(strings.NewReader(first.String()))
		if err != nil {
			t.Fatalf("the dump cannot be read: %v\n%s", err, first.String())
		}
		e, err := desk.New(t.Context(), desk.Options{Seed: again, APIKey: testKey, Now: newClock().Now})
		if err != nil {
			t.Fatalf("the dump cannot be planted: %v\n%s", err, first.String())
		}
		defer e.Close()
		if err := e.Dump(&second); err != nil {
			t.Fatal(err)
		}
		if first.String() != second.String() {
			t.Errorf("dumped again:\n%s\nwant\n%s", second.String(), first.String())
		}
	})
}

package probe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"lockstep/internal/scim"
)

// An answer is a response of the endpoint. Those of its methods that say what
// it should be end the trial when it is not.
type answer struct {
	t         *trial
	request   request
	exchange  Exchange
	status    int
	header    http.Header
	body      []byte
	object    *scim.Object // nil when the body is not a JSON object
	malformed error        // why it is not
}

// what names the request.
func (a *answer) what() string { return a.request.method + " " + a.t.target(a.request) }

// summary is the status and what the body says of it.
func (a *answer) summary() string {
	text := strconv.Itoa(a.status)
	if to := a.header.Get("Location"); a.status/100 == 3 && to != "" {
		return text + " to " + to
	}
	if t := a.object.Text("scimType"); t != "" {
		text += " " + t
	}
	if d := a.object.Text("detail"); d != "" {
		text += ": " + cut(d, 200)
	}
	return text
}

// is fails unless the status is one of those given.
func (a *answer) is(status ...int) *answer {
	if !slices.Contains(status, a.status) {
		a.t.fail("%s answered %s; expected %s", a.what(), a.summary(), either(status))
	}
	return a
}

func either(status []int) string {
	var b strings.Builder
	for i, n := range status {
		switch {
		case i == 0:
		case i == len(status)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// refused fails unless the endpoint said that the request is at fault.
func (a *answer) refused() *answer {
	if a.status < 400 || a.status > 499 {
		a.t.fail("%s answered %s; expected a refusal (400)", a.what(), a.summary())
	}
	return a
}

// json returns the body, which must be a JSON object.
func (a *answer) json() *scim.Object {
	if a.object == nil {
		why := "nothing"
		if a.malformed != nil {
			why = scim.AsError(a.malformed).Detail
		}
		if strings.Contains(a.header.Get("Content-Type"), "html") {
			why = "an HTML page, as a sign-in page or a firewall in front of the endpoint sends it"
		}
		a.t.fail("the body of the answer to %s is not a JSON object: %s", a.what(), why)
	}
	return a.object
}

// resources returns the resources of a ListResponse.
func (a *answer) resources() []*scim.Object {
	v, ok := a.json().Get("Resources")
	if !ok || v == nil {
		if a.total() > 0 && !strings.Contains(a.request.query, "count=0") {
			a.t.fail("the answer to %s has a totalResults of %d but no Resources", a.what(), a.total())
		}
		return nil
	}
	l, ok := v.([]scim.Value)
	if !ok {
		a.t.fail("Resources in the answer to %s is not a list", a.what())
	}
	found := objects(l)
	if len(found) != len(l) {
		a.t.fail("Resources in the answer to %s has elements that are not objects", a.what())
	}
	return found
}

// total returns totalResults.
func (a *answer) total() int {
	v, _ := a.json().Get("totalResults")
	n, _ := v.(json.Number)
	i, err := strconv.Atoi(string(n))
	if err != nil {
		a.t.fail("the answer to %s has no whole number totalResults", a.what())
	}
	return i
}

// ids returns the ids of the resources in a ListResponse.
func (a *answer) ids() []string {
	ids := []string{}
	for _, r := range a.resources() {
		ids = append(ids, textOf(at(r, "id")))
	}
	return ids
}

// only fails unless the list holds exactly the resources with these ids.
func (a *answer) only(want ...string) *answer {
	got := a.ids()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		a.t.fail("%s found %d resources; expected %s", a.what(), len(got), expectation(want))
	}
	return a
}

func expectation(ids []string) string {
	switch len(ids) {
	case 0:
		return "none"
	case 1:
		return "just the one with id " + ids[0]
	}
	return fmt.Sprintf("the %d with ids %s", len(ids), strings.Join(ids, ", "))
}

// id returns the id of the resource in the body, or else the end of Location.
func (a *answer) id() string {
	if a.object != nil {
		if id := textOf(at(a.object, "id")); id != "" {
			return id
		}
	}
	if l := a.header.Get("Location"); l != "" && a.status/100 == 2 {
		return idOf(strings.TrimRight(l, "/"))
	}
	return ""
}

// textOf returns a text, or a number as text: some endpoints number their
// resources.
func textOf(v scim.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return string(v)
	}
	return ""
}

// scimError fails unless the body is an error message of RFC 7644 section 3.12.
func (a *answer) scimError() *answer {
	o := a.json()
	if !hasSchema(o, scim.URNError) {
		a.t.fail("the error body of %s does not name %s in schemas", a.what(), scim.URNError)
	}
	switch v, _ := o.Get("status"); v := v.(type) {
	case string:
		if v != strconv.Itoa(a.status) {
			a.t.fail("the error body of %s has status %q; the response has %d", a.what(), v, a.status)
		}
	default:
		a.t.fail("status in the error body of %s reads %s; expected the text %q", a.what(), show(v), strconv.Itoa(a.status))
	}
	for _, name := range []string{"detail", "scimType"} {
		if v, ok := o.Get(name); ok && v != nil {
			if _, isText := v.(string); !isText {
				a.t.fail("%s in the error body of %s is not a text", name, a.what())
			}
		}
	}
	return a
}

// scimType fails unless the body gives one of these reasons.
func (a *answer) scimType(want ...scim.ErrorType) *answer {
	got := a.json().Text("scimType")
	if !slices.Contains(want, scim.ErrorType(got)) {
		a.t.fail("the error body of %s has scimType %q; expected %q", a.what(), got, want[0])
	}
	return a
}

// reason fails if the body gives a reason, and none of these. Whether errors
// have proper bodies has checks of its own.
func (a *answer) reason(want ...scim.ErrorType) {
	if a.object.Text("scimType") != "" {
		a.scimType(want...)
	}
}

func hasSchema(o *scim.Object, urn string) bool {
	return slices.ContainsFunc(o.Elements("schemas"), func(v scim.Value) bool {
		s, _ := v.(string)
		return strings.EqualFold(s, urn)
	})
}

// mediaType returns the Content-Type without parameters.
func (a *answer) mediaType() string {
	name, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(name))
}

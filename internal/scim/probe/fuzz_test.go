package probe_test

import (
	"net/http"
	"testing"

	"lockstep/internal/scim/probe"
	"lockstep/internal/scim/scimtest"
)

// FuzzAnswers has an endpoint answer one request in a few with anything at all:
// a run must come to its end, and remove what it may, whatever came.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `"x"`, `<html>`, `{"Resources":null}`, `{"Resources":{}}`, `{"Resources":[1]}`, `{"Resources":[{}],"totalResults":1}`,
		`{"id":7,"userName":null}`, `{"id":"","schemas":"x"}`, `{"Operations":[{}]}`, `{"Resources":[{"schema":"urn:ietf:params:scim:schemas:core:2.0:User"}],"totalResults":"1"}`,
		`{"id":"x","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":"x","name":[],"emails":[[]],"meta":[]}`,
	} {
		f.Add(uint8(3), uint8(1), uint16(200), body)
		f.Add(uint8(5), uint8(2), uint16(201), body)
		f.Add(uint8(2), uint8(0), uint16(404), body)
	}
	f.Fuzz(func(t *testing.T, every, first uint8, status uint16, body string) {
		if status < 200 || status > 599 || status == http.StatusTooManyRequests || every < 2 {
			t.Skip("no status of a final answer, or nothing else but such answers")
		}
		d := seeded(t).(*scimtest.Directory)
		before := d.Len()
		n := 0
		h := answering(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			if n++; n%int(every) != int(first)%int(every) {
				return false
			}
			w.WriteHeader(int(status))
			_, _ = w.Write([]byte(body))
			return true
		})(ours(d))
		r, err := probe.Run(t.Context(), options(h))
		if err != nil {
			t.Fatal(err)
		}
		if d.Len() < before {
			t.Errorf("%d resources of others are gone", before-d.Len())
		}
		if r.Total+r.Skipped != len(r.Checks) {
			t.Errorf("the counts do not add up: %+v", r)
		}
	})
}

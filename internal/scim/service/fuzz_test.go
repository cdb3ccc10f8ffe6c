package service_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"lockstep/internal/scim"
	"lockstep/internal/scim/scimtest"
	"lockstep/internal/scim/service"
)

// wantSound checks what holds of every response: no failure of our own, and a
// JSON body that is a SCIM error when the status says so.
func wantSound(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code >= 500 && w.Code != http.StatusNotImplemented {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if w.Body.Len() == 0 {
		return
	}
	if !json.Valid(w.Body.Bytes()) {
		t.Fatalf("the body is not JSON: %q", w.Body)
	}
	if w.Code >= 400 && !strings.Contains(w.Body.String(), scim.URNError) {
		t.Fatalf("status %d without a SCIM error: %s", w.Code, w.Body)
	}
}

// FuzzTarget sends any path, query and header values.
func FuzzTarget(f *testing.F) {
	h := service.New(service.Options{Accounts: oneAccount(account(scimtest.NewDirectory(scimtest.UserType, scimtest.GroupType)))})
	for _, target := range []string{
		"/scim/v2/Users", "//scim/v2//Users/%2F/", "/scim/v2/?aadOptscim062020/Users?filter=userName+eq+%22a%22",
		"/scim/v2/Users?filter=%zz&count=1", "/scim/v2/../..", "/scim/v2/Users/.search", "/scim/v2?cursor=User.&sortBy=userName",
		"/scim/v2/Users?startIndex=9223372036854775807&count=9223372036854775807", "/scim/v2/Users?cursor&count=-9&attributes=,%00",
	} {
		f.Add("GET", target, "Bearer s3cret", `W/"1", *`)
	}
	f.Add("POST", "/scim/v2/Users", "Bearer Bearer s3cret", `"`)
	f.Fuzz(func(t *testing.T, method, target, authorization, tags string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Method, r.URL = method, u
		r.Header["Authorization"] = []string{authorization}
		r.Header["If-None-Match"] = []string{tags}
		r.Header["X-Request-Id"] = []string{tags}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		wantSound(t, w)
	})
}

// FuzzBody sends any body to the endpoints that read one.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		benchUser,
		patchOf(`{"op":"Add","path":"emails[type eq \"work\"].value","value":"x"}`),
		`{"schemas":["` + scim.URNSearchRequest + `"],"filter":"userName pr","attributes":["userName"],"count":1,"cursor":""}`,
		`{"schemas":["` + scim.URNBulkRequest + `"],"Operations":[{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"a","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"bulkId:b"}}}},` +
			`{"method":"POST","path":"/Users","bulkId":"b","data":{"userName":"b","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"bulkId:a"}}}},` +
			`{"method":"PATCH","path":"/Groups/bulkId:a","data":{"Operations":[{"op":"remove","path":"members[value eq \"bulkId:b\"]"}]}}]}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		d := scimtest.NewDirectory(scimtest.UserType, scimtest.GroupType)
		h := service.New(service.Options{Accounts: oneAccount(account(d))})
		r, err := d.Create(t.Context(), scim.NewResource(scimtest.UserType, scim.NewObject("userName", "zed")))
		if err != nil {
			t.Fatal(err)
		}
		for _, req := range [][2]string{
			{"POST", "/Users"}, {"POST", "/Groups"}, {"PUT", "/Users/" + r.ID}, {"PATCH", "/Users/" + r.ID},
			{"POST", "/Users/.search"}, {"POST", "/.search"}, {"POST", "/Bulk"},
		} {
			w := send(t, h, req[0], "/scim/v2"+req[1], body)
			wantSound(t, w)
			if req[1] == "/Bulk" && strings.Contains(w.Body.String(), `"status":"500"`) {
				t.Fatalf("an operation failed by our fault: %s", w.Body)
			}
		}
	})
}

// FuzzBulk sends any operations in a bulk request, and checks that the answer is
// one about these operations, in their order, and about nothing but what was
// done.
func FuzzBulk(f *testing.F) {
	user := `{"method":"POST","path":"/Users","bulkId":"a","data":{"schemas":["` + scim.URNUser + `"],"userName":"a"}}`
	for _, ops := range []string{
		"", user, user + "," + user, `{"method":"delete","path":"/Users/ID"},` + user,
		user + `,{"method":"PATCH","path":"/Users/bulkId:a","data":{"Operations":[{"op":"add","path":"title","value":"x"}]}}`,
		`{"method":"POST","path":"/Groups","bulkId":"g","data":{"displayName":"g","members":[{"value":"bulkId:a"},{"value":"bulkId:g"}]}},` + user,
		`{"method":"PUT","path":"/Users/ID","version":"W/\"9\"","data":{"userName":"b"}},{"method":"DELETE","path":"/Users/bulkId:none"}`,
		`{"method":"POST","path":"/Users","bulkId":"b","data":{"userName":"b","` + scim.URNEnterprise + `":{"manager":{"value":"bulkId:a"}}}},` +
			strings.Replace(user, `"userName":"a"`, `"userName":"a","`+scim.URNEnterprise+`":{"manager":{"value":"bulkId:b"}}`, 1),
		`{"method":"POST","path":"/Users?x","bulkId":"","data":[]},{},null,7`,
	} {
		f.Add(ops, 0)
		f.Add(ops, 1)
	}
	f.Fuzz(func(t *testing.T, ops string, failOnErrors int) {
		d := scimtest.NewDirectory(scimtest.UserType, scimtest.GroupType)
		h := service.New(service.Options{Accounts: oneAccount(account(d))})
		r, err := d.Create(t.Context(), scim.NewResource(scimtest.UserType, scim.NewObject("userName", "zed")))
		if err != nil {
			t.Fatal(err)
		}
		body := `{"schemas":["` + scim.URNBulkRequest + `"],"Operations":[` + strings.ReplaceAll(ops, "ID", r.ID) + `]}`
		if failOnErrors > 0 {
			body = `{"failOnErrors":` + strconv.Itoa(failOnErrors) + `,` + body[1:]
		}
		w := send(t, h, "POST", "/scim/v2/Bulk", body)
		wantSound(t, w)
		if w.Code != http.StatusOK {
			if d.Len() != 1 {
				t.Fatalf("a refused bulk request left %d resources: %s", d.Len(), w.Body)
			}
			return
		}
		var sent struct{ Operations []struct{ Method string } }
		var got struct {
			Operations []struct {
				Method, BulkID, Status, Location string
				Response                         *struct{ Schemas []string }
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		// What package scim takes for JSON, encoding/json does too.
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			return // a number where a text belongs, for example
		}
		if len(got.Operations) > len(sent.Operations) || failOnErrors <= 0 && len(got.Operations) != len(sent.Operations) {
			t.Fatalf("%d operations, %d outcomes: %s", len(sent.Operations), len(got.Operations), w.Body)
		}
		made, removed, failed := 0, 0, 0
		for _, o := range got.Operations {
			status, err := strconv.Atoi(o.Status)
			if err != nil || status < 200 || status >= 500 && status != http.StatusNotImplemented {
				t.Fatalf("status %q: %s", o.Status, w.Body)
			}
			switch {
			case status >= 400:
				if o.Response == nil {
					t.Fatalf("a failed operation without a response: %s", w.Body)
				}
				if o.Location != "" && o.Method == http.MethodPost {
					made++ // created, and its circle was never closed
				} else {
					failed++
				}
			case status == http.StatusCreated:
				made++
			case status == http.StatusNoContent:
				removed++
			}
		}
		if d.Len() != 1+made-removed {
			t.Fatalf("%d resources after %d were made and %d removed: %s", d.Len(), made, removed, w.Body)
		}
		if failOnErrors > 0 && failed > failOnErrors {
			t.Fatalf("%d failures, failOnErrors is %d: %s", failed, failOnErrors, w.Body)
		}
	})
}

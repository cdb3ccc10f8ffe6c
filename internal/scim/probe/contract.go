package probe

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"lockstep/internal/scim"
)

var contractSections = []section{{name: "Contract", need: "token-accepted", checks: []check{
	{
		id: "service-provider-config", title: "ServiceProviderConfig tells what the endpoint can do",
		expect: "200 with the schema, and patch, bulk, filter, changePassword, sort, etag and authenticationSchemes",
		breaks: anyClient, refs: "RFC 7643 section 5; RFC 7644 section 4; COMP-09",
		run: serviceProviderConfig,
	},
	{
		id: "patch-advertised", title: "PATCH is advertised", need: "service-provider-config",
		expect: "patch.supported true in ServiceProviderConfig",
		breaks: entraOkta, refs: "RFC 7643 section 5; CONN-11",
		run: func(t *trial) {
			if !t.supports("patch") {
				t.fail("patch.supported reads %s; groups cannot be provisioned without PATCH", show(at(t.config, "patch", "supported")))
			}
		},
	},
	{
		id: "filter-advertised", title: "Filters are advertised", need: "service-provider-config",
		expect: "filter.supported true in ServiceProviderConfig",
		breaks: anyClient, refs: "RFC 7643 section 5; COMP-20",
		run: func(t *trial) {
			if !t.supports("filter") {
				t.fail("filter.supported reads %s; without filters no client can match people", show(at(t.config, "filter", "supported")))
			}
		},
	},
	{
		id: "resource-types", title: "ResourceTypes lists what is served",
		expect: "a ListResponse with a User whose endpoint is /Users, each type with name, endpoint and schema",
		breaks: anyClient, refs: "RFC 7643 section 6; RFC 7644 section 4; COMP-09",
		run: resourceTypes,
	},
	{
		id: "resource-type-by-id", title: "One resource type can be read", need: "resource-types",
		expect: "200 and the same name to GET /ResourceTypes/{id}",
		breaks: []string{"few"}, refs: "RFC 7644 section 4; COMP-09",
		run: func(t *trial) {
			id := t.types[0].Text("id")
			if id == "" {
				id = t.types[0].Text("name")
			}
			t.equal("name", at(t.get("/ResourceTypes/"+url.PathEscape(id)).is(200).json(), "name"), t.types[0].Text("name"))
		},
	},
	{
		id: "schemas", title: "Schemas describes the attributes",
		expect: "a ListResponse of schemas, each with id and attributes, the core user among them",
		breaks: entra, refs: "RFC 7643 section 7; RFC 7644 section 4; COMP-09",
		run: schemas,
	},
	{
		id: "schema-by-id", title: "One schema can be read by its URN", need: "schemas",
		expect: "200 and the same id to GET /Schemas/{urn}",
		breaks: []string{"few"}, refs: "RFC 7644 section 4; COMP-09",
		run: func(t *trial) {
			t.equal("id", at(t.get("/Schemas/"+url.PathEscape(scim.URNUser)).is(200).json(), "id"), scim.URNUser)
		},
	},
	{
		id: "schemas-of-types", title: "Every schema that a resource type names is described", need: "resource-types schemas",
		expect: "an entry of /Schemas for each schema and extension in /ResourceTypes",
		breaks: entra, refs: "RFC 7643 section 6; COMP-09",
		run: func(t *trial) {
			for _, rt := range t.types {
				for _, urn := range urnsOf(rt) {
					if !slices.ContainsFunc(t.schemas, func(s *scim.Object) bool { return strings.EqualFold(s.Text("id"), urn) }) {
						t.fail("the resource type %s names the schema %s, which /Schemas does not have", rt.Text("name"), urn)
					}
				}
			}
		},
	},
	{
		id: "schema-attributes", title: "Attributes are described as RFC 7643 has them", need: "schemas",
		expect: "names in camelCase; types, mutability, returned and uniqueness with the RFC's own words; no nulls",
		breaks: entra, refs: "RFC 7643 section 7; COMP-09; COMP-14",
		run: schemaAttributes,
	},
	{
		id: "discovery-not-filtered", title: "A filter on discovery is refused, not ignored", need: "schemas",
		expect: "403 to GET /Schemas with a filter",
		breaks: []string{"few"}, refs: "RFC 7644 section 4",
		run: func(t *trial) {
			if a := t.get("/Schemas", "filter", eq("id", scim.URNUser)); a.status != http.StatusForbidden {
				t.warn("a filtered /Schemas answered %s", a.summary())
			}
		},
	},
	{
		id: "content-type", title: "Answers are application/scim+json",
		expect: "the Content-Type application/scim+json",
		breaks: entra, refs: "RFC 7644 section 3.1; COMP-08",
		run: func(t *trial) {
			if a := t.get("/Users", "count", "1").is(200); a.mediaType() != contentSCIM {
				t.fail("the answer has the Content-Type %q", a.header.Get("Content-Type"))
			}
		},
	},
	{
		id: "accept-json", title: "A client that accepts only application/json is served",
		expect: "200 and JSON when the Accept header is application/json",
		breaks: anyClient, refs: "RFC 7644 section 3.1; COMP-08",
		run: func(t *trial) {
			a := t.send(request{method: http.MethodGet, path: "/Users", query: "count=1", accept: contentJSON}).is(200)
			if m := a.mediaType(); m != contentJSON && m != contentSCIM {
				t.fail("the answer has the Content-Type %q", a.header.Get("Content-Type"))
			}
			a.json()
		},
	},
	{
		id: "unknown-parameter", title: "An unknown query parameter is ignored",
		expect: "200 to GET /Users with a parameter that SCIM does not have",
		breaks: entra, refs: "RFC 7644 section 3.4.2; CONN-02",
		run: func(t *trial) { t.get("/Users", "count", "1", "lockstepProbe", "1").is(200) },
	},
}}}

func serviceProviderConfig(t *trial) {
	o := t.get("/ServiceProviderConfig").is(200).json()
	if !hasSchema(o, scim.URNServiceConfig) {
		t.fail("schemas reads %s; expected %s in it", show(at(o, "schemas")), scim.URNServiceConfig)
	}
	for _, feature := range []string{"patch", "bulk", "filter", "changePassword", "sort", "etag"} {
		if _, ok := at(o, feature, "supported").(bool); !ok {
			t.fail("%s.supported reads %s; expected true or false", feature, show(at(o, feature, "supported")))
		}
	}
	for _, limit := range [][2]string{{"bulk", "maxOperations"}, {"bulk", "maxPayloadSize"}, {"filter", "maxResults"}} {
		if _, ok := at(o, limit[0], limit[1]).(json.Number); !ok {
			t.fail("%s.%s reads %s; expected a number", limit[0], limit[1], show(at(o, limit[0], limit[1])))
		}
	}
	if _, ok := at(o, "authenticationSchemes").([]scim.Value); !ok {
		t.fail("authenticationSchemes reads %s; expected a list", show(at(o, "authenticationSchemes")))
	}
	t.config = o
}

func resourceTypes(t *trial) {
	a := t.get("/ResourceTypes").is(200)
	t.listShape(a)
	found := a.resources()
	for i, rt := range found {
		for _, name := range []string{"name", "endpoint", "schema"} {
			if rt.Text(name) == "" {
				t.fail("resource type %d has no %s", i+1, name)
			}
		}
	}
	users := slices.IndexFunc(found, func(rt *scim.Object) bool { return strings.EqualFold(rt.Text("schema"), scim.URNUser) })
	if users < 0 {
		t.fail("no resource type has the schema %s", scim.URNUser)
	}
	if e := found[users].Text("endpoint"); !strings.HasSuffix(strings.TrimRight(e, "/"), "/Users") {
		t.fail("the endpoint of users reads %q; expected /Users", e)
	}
	t.types = found
}

func schemas(t *trial) {
	a := t.get("/Schemas").is(200)
	t.listShape(a)
	found := a.resources()
	for i, s := range found {
		if s.Text("id") == "" {
			t.fail("schema %d has no id", i+1)
		}
		if len(objects(s.Elements("attributes"))) == 0 {
			t.fail("the schema %s has no attributes", s.Text("id"))
		}
	}
	if !slices.ContainsFunc(found, func(s *scim.Object) bool { return strings.EqualFold(s.Text("id"), scim.URNUser) }) {
		t.fail("the schema %s is missing", scim.URNUser)
	}
	t.schemas = found
}

// listShape fails unless a is a ListResponse in every respect.
func (t *trial) listShape(a *answer) {
	o := a.json()
	if !hasSchema(o, scim.URNListResponse) {
		t.fail("schemas reads %s; expected %s in it", show(at(o, "schemas")), scim.URNListResponse)
	}
	if n, found := a.total(), len(a.resources()); n < found {
		t.fail("totalResults reads %d, and there are %d resources", n, found)
	}
	for _, name := range []string{"startIndex", "itemsPerPage"} {
		if v := at(o, name); v != nil {
			if _, ok := v.(json.Number); !ok {
				t.fail("%s reads %s; expected a number", name, show(v))
			}
		}
	}
}

// urnsOf returns the schema of a resource type and those of its extensions.
func urnsOf(rt *scim.Object) []string {
	urns := []string{rt.Text("schema")}
	for _, e := range objects(rt.Elements("schemaExtensions")) {
		urns = append(urns, e.Text("schema"))
	}
	return urns
}

// characteristics are the words that RFC 7643 section 7 has for each.
var characteristics = map[string][]string{
	"type":       {"string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"},
	"mutability": {"readOnly", "readWrite", "immutable", "writeOnly"},
	"returned":   {"always", "never", "default", "request"},
	"uniqueness": {"none", "server", "global"},
}

func schemaAttributes(t *trial) {
	for _, s := range t.schemas {
		t.attributes(s.Text("id"), objects(s.Elements("attributes")))
	}
}

func (t *trial) attributes(where string, attributes []*scim.Object) {
	for _, a := range attributes {
		name := a.Text("name")
		if name == "" {
			t.fail("an attribute of %s has no name", where)
		}
		if unicode.IsUpper([]rune(name)[0]) || strings.ContainsAny(name, " .:") {
			t.fail("the attribute %q of %s is not in camelCase", name, where)
		}
		if a.Text("type") == "" {
			t.fail("the attribute %s of %s has no type", name, where)
		}
		for key, value := range a.All() {
			if value == nil {
				t.fail("%s of the attribute %s of %s is null", key, name, where)
			}
			words := characteristics[key]
			if text, _ := value.(string); words != nil && !slices.Contains(words, text) {
				t.fail("%s of the attribute %s of %s reads %s; expected one of %s", key, name, where, show(value), strings.Join(words, ", "))
			}
		}
		if _, ok := at(a, "multiValued").(bool); !ok {
			t.fail("multiValued of the attribute %s of %s reads %s; expected true or false", name, where, show(at(a, "multiValued")))
		}
		t.attributes(where+":"+name, objects(a.Elements("subAttributes")))
	}
}

package service

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"lockstep/internal/scim"
)

// cursorTimeout is for how many seconds a cursor is good at least. Ours hold all
// that is needed to go on, so they outlive even a restart.
const cursorTimeout = 24 * 60 * 60

// serviceProviderConfig answers GET /ServiceProviderConfig (RFC 7643 section
// 5, RFC 9865 section 4).
func (q *request) serviceProviderConfig() error {
	if err := q.refuseFilter(); err != nil {
		return err
	}
	l := q.limits
	o := scim.NewObject("schemas", []scim.Value{scim.URNServiceConfig})
	if q.s.docs != "" {
		o.Set("documentationUri", q.s.docs)
	}
	o.Set("patch", scim.NewObject("supported", true))
	o.Set("bulk", scim.NewObject("supported", true,
		"maxOperations", number(int64(l.BulkMaxOperations)), "maxPayloadSize", number(l.BulkMaxPayload)))
	o.Set("filter", scim.NewObject("supported", true, "maxResults", number(int64(l.MaxPage))))
	o.Set("changePassword", scim.NewObject("supported", false))
	o.Set("sort", scim.NewObject("supported", true))
	o.Set("etag", scim.NewObject("supported", true))
	o.Set("pagination", scim.NewObject("cursor", true, "index", true, "defaultPaginationMethod", "index",
		"defaultPageSize", number(int64(l.DefaultPage)), "maxPageSize", number(int64(l.MaxPage)),
		"cursorTimeout", number(cursorTimeout)))
	o.Set("authenticationSchemes", []scim.Value{scim.NewObject(
		"type", "oauthbearertoken",
		"name", "Secret token",
		"description", "The account's secret token, sent as a bearer token",
		"specUri", "https://www.rfc-editor.org/info/rfc6750",
		"primary", true)})
	o.Set("meta", q.meta("ServiceProviderConfig", "/ServiceProviderConfig"))
	return q.answerObject(o)
}

// resourceTypes answers GET /ResourceTypes (RFC 7643 section 6).
func (q *request) resourceTypes() error {
	var list []scim.Value
	for _, t := range q.account.types() {
		list = append(list, q.describeType(t))
	}
	return q.answerDescriptions(list)
}

// resourceType answers GET /ResourceTypes/{id}.
func (q *request) resourceType() error {
	if err := q.refuseFilter(); err != nil {
		return err
	}
	for _, t := range q.account.types() {
		if strings.EqualFold(typeID(t), q.resourceID) {
			return q.answerObject(q.describeType(t))
		}
	}
	return scim.Errorf(scim.NotFound, "there is no resource type %q; see /ResourceTypes", q.resourceID)
}

func typeID(t *scim.ResourceType) string {
	if t.ID != "" {
		return t.ID
	}
	return t.Name
}

func (q *request) describeType(t *scim.ResourceType) *scim.Object {
	o := scim.NewObject(
		"schemas", []scim.Value{scim.URNResourceType},
		"id", typeID(t),
		"name", t.Name,
		"description", t.Description,
		"endpoint", t.Endpoint,
		"schema", t.Schema.ID)
	var extensions []scim.Value
	for _, s := range q.account.learntSchemas(t) {
		e := t.Extension(s.ID)
		extensions = append(extensions, scim.NewObject("schema", s.ID, "required", e != nil && e.Required))
	}
	if extensions != nil {
		o.Set("schemaExtensions", extensions)
	}
	o.Set("meta", q.meta("ResourceType", "/ResourceTypes/"+typeID(t)))
	return o
}

// schemas answers GET /Schemas (RFC 7643 section 7).
func (q *request) schemas() error {
	var list []scim.Value
	for _, s := range q.accountSchemas() {
		list = append(list, q.describeSchema(s))
	}
	return q.answerDescriptions(list)
}

// schema answers GET /Schemas/{urn}.
func (q *request) schema() error {
	if err := q.refuseFilter(); err != nil {
		return err
	}
	for _, s := range q.accountSchemas() {
		if strings.EqualFold(s.ID, q.resourceID) {
			return q.answerObject(q.describeSchema(s))
		}
	}
	return scim.Errorf(scim.NotFound, "there is no schema %q; see /Schemas", q.resourceID)
}

// accountSchemas returns each schema of the account once.
func (q *request) accountSchemas() []*scim.Schema {
	var list []*scim.Schema
	seen := map[string]bool{}
	add := func(s *scim.Schema) {
		if id := strings.ToLower(s.ID); !seen[id] {
			seen[id] = true
			list = append(list, s)
		}
	}
	for _, t := range q.account.types() {
		add(t.Schema)
	}
	for _, t := range q.account.types() {
		for _, s := range q.account.learntSchemas(t) {
			add(s)
		}
	}
	return list
}

func (q *request) describeSchema(s *scim.Schema) *scim.Object {
	return scim.NewObject(
		"schemas", []scim.Value{scim.URNSchema},
		"id", s.ID,
		"name", s.Name,
		"description", s.Description,
		"attributes", describeAttributes(s.Attributes),
		"meta", q.meta("Schema", "/Schemas/"+s.ID))
}

func describeAttributes(attributes []*scim.Attribute) []scim.Value {
	list := make([]scim.Value, 0, len(attributes))
	for _, a := range attributes {
		o := scim.NewObject(
			"name", a.Name,
			"type", string(a.Type),
			"multiValued", a.MultiValued,
			"description", a.Description,
			"required", a.Required)
		if a.CanonicalValues != nil {
			o.Set("canonicalValues", texts(a.CanonicalValues))
		}
		if a.Type == scim.TypeString || a.Type == scim.TypeReference || a.Type == scim.TypeBinary {
			o.Set("caseExact", a.CaseExact)
		}
		o.Set("mutability", orDefault(a.Mutability, scim.ReadWrite))
		o.Set("returned", orDefault(a.Returned, scim.ReturnedDefault))
		if a.Type != scim.TypeComplex {
			o.Set("uniqueness", orDefault(a.Uniqueness, scim.UniqueNone))
		}
		if a.ReferenceTypes != nil {
			o.Set("referenceTypes", texts(a.ReferenceTypes))
		}
		if len(a.SubAttributes) > 0 {
			o.Set("subAttributes", describeAttributes(a.SubAttributes))
		}
		list = append(list, o)
	}
	return list
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func texts(list []string) []scim.Value {
	values := make([]scim.Value, len(list))
	for i, s := range list {
		values[i] = s
	}
	return values
}

func number(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

func (q *request) meta(resourceType, path string) *scim.Object {
	return scim.NewObject("resourceType", resourceType, "location", q.baseURL()+path)
}

// answerDescriptions answers a list of descriptions, always whole: paging and
// sorting parameters are ignored on them (RFC 7644 section 4).
func (q *request) answerDescriptions(list []scim.Value) error {
	if err := q.refuseFilter(); err != nil {
		return err
	}
	n := number(int64(len(list)))
	return q.answerObject(scim.NewObject(
		"schemas", []scim.Value{scim.URNListResponse},
		"totalResults", n, "startIndex", number(1), "itemsPerPage", n, "Resources", list))
}

// refuseFilter refuses a filter on the discovery endpoints, as RFC 7644
// section 4 wants: a client must not take a whole list for a filtered one.
func (q *request) refuseFilter() error {
	if q.params.filter != "" {
		return scim.Errorf(scim.Forbidden, "%s cannot be filtered; ask for all of it or for one by its id", q.pattern)
	}
	return nil
}

func (q *request) answerObject(o *scim.Object) error {
	var err error
	if q.out, err = scim.AppendJSON(q.out, o); err != nil {
		return err
	}
	q.status = http.StatusOK
	return nil
}

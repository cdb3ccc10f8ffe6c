package service

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"lockstep/internal/scim"
)

// bulkPrefix begins a reference to a resource that the same bulk request
// creates (RFC 7644 section 3.7.2).
const bulkPrefix = "bulkId:"

// A bulkOperation is one operation of a bulk request and its outcome.
type bulkOperation struct {
	method, path string
	bulkID       string
	version      string
	data         *scim.Object

	kind kind
	id   string // from the path; may be a bulkId reference

	needs   []string // bulkIds that data and path refer to
	invalid error    // why it cannot be run at all

	done     bool
	status   int
	err      *scim.Error
	location string
	etag     string
}

// A bulkRun is the state of one bulk request.
type bulkRun struct {
	q   *request
	ops []*bulkOperation
	// creates finds the operation that makes the resource of a bulkId.
	creates map[string]*bulkOperation
	// made maps a bulkId to the id of its resource.
	made map[string]string
	// incomplete are creations of which references were held back because they
	// close a circle.
	incomplete []*bulkOperation

	failOnErrors, errors int
}

// bulk answers POST /Bulk (RFC 7644 section 3.7). Operations run in the order
// in which they are given, except that one that refers to a resource which a
// later one creates waits for it. Where references close a circle, the first
// creation of the circle runs without them and gets them afterwards.
func (q *request) bulk() error {
	b, err := q.body(q.limits.BulkMaxPayload, "maxPayloadSize")
	if err != nil {
		return err
	}
	body, err := scim.ParseObject(b)
	if err != nil {
		return err
	}
	run, err := q.parseBulk(body)
	if err != nil {
		return err
	}
	// Each operation counts like a request of its own; one has been counted.
	if err := q.admit(len(run.ops) - 1); err != nil {
		return err
	}
	if err := run.run(); err != nil {
		return err
	}
	return run.answer()
}

func (q *request) parseBulk(body *scim.Object) (*bulkRun, error) {
	if !hasSchema(body, scim.URNBulkRequest) {
		return nil, scim.Errorf(scim.InvalidSyntax, "a bulk request names the schema %s in \"schemas\"", scim.URNBulkRequest)
	}
	run := &bulkRun{q: q, creates: map[string]*bulkOperation{}, made: map[string]string{}}
	if v, ok := body.Get("failOnErrors"); ok && v != nil {
		n, _ := v.(json.Number)
		i, err := strconv.Atoi(string(n))
		if err != nil || i < 1 {
			return nil, scim.Errorf(scim.InvalidValue, "failOnErrors must be a whole number of at least 1")
		}
		run.failOnErrors = i
	}
	list, ok := body.Get("Operations")
	ops, isList := list.([]scim.Value)
	if !ok || !isList {
		return nil, scim.Errorf(scim.InvalidSyntax, "a bulk request has a list named Operations")
	}
	if len(ops) > q.limits.BulkMaxOperations {
		return nil, scim.Errorf(scim.PayloadTooLarge, "the bulk request has %d operations; maxOperations is %d: send several requests", len(ops), q.limits.BulkMaxOperations)
	}
	for i, v := range ops {
		o, ok := v.(*scim.Object)
		if !ok {
			return nil, scim.Errorf(scim.InvalidSyntax, "operation %d of the bulk request is not an object", i+1)
		}
		op := &bulkOperation{
			method: strings.ToUpper(o.Text("method")), path: o.Text("path"),
			bulkID: o.Text("bulkId"), version: o.Text("version"), data: o.Child("data"),
		}
		run.ops = append(run.ops, op)
		if op.method == http.MethodPost && op.bulkID != "" {
			if run.creates[op.bulkID] != nil {
				return nil, scim.Errorf(scim.InvalidValue, "the bulkId %q is used by two operations", op.bulkID)
			}
			run.creates[op.bulkID] = op
		}
	}
	return run, nil
}

// run runs the operations until all are done or failOnErrors is reached.
func (b *bulkRun) run() error {
	for _, op := range b.ops {
		op.invalid = b.prepare(op)
	}
	for {
		op := b.next()
		if op == nil {
			break
		}
		if err := b.q.ctx().Err(); err != nil {
			return err
		}
		b.finish(op, b.perform(op))
		if b.failOnErrors > 0 && b.errors >= b.failOnErrors {
			break
		}
	}
	b.complete()
	return nil
}

// prepare checks one operation before any is run. What is wrong with it comes
// out when its turn comes, because those before it are to be run.
func (b *bulkRun) prepare(op *bulkOperation) error {
	segs := splitPath(nil, &url.URL{Path: op.path, RawPath: rawPath(op.path)})
	if len(segs) > 0 {
		switch segs[0] {
		case "Users":
			op.kind = users
		case "Groups":
			op.kind = groups
		}
	}
	switch {
	case op.kind == noKind || len(segs) > 2:
		return scim.Errorf(scim.InvalidValue, "the path %q is not of the form /Users, /Users/{id}, /Groups or /Groups/{id}", op.path)
	case len(segs) == 2:
		op.id = segs[1]
	}
	switch op.method {
	case http.MethodPost:
		if op.id != "" {
			return scim.Errorf(scim.InvalidValue, "a POST goes to /Users or /Groups, not to %q", op.path)
		}
		if op.bulkID == "" {
			return scim.Errorf(scim.InvalidValue, "a POST in a bulk request needs a bulkId")
		}
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		if op.id == "" {
			return scim.Errorf(scim.InvalidValue, "a %s needs the id of a resource in its path, not %q", op.method, op.path)
		}
	default:
		return scim.Errorf(scim.InvalidValue, "the method %q is not POST, PUT, PATCH or DELETE", op.method)
	}
	if op.data == nil && op.method != http.MethodDelete {
		return scim.Errorf(scim.InvalidValue, "a %s needs an object named data", op.method)
	}
	if ref, ok := strings.CutPrefix(op.id, bulkPrefix); ok {
		op.needs = append(op.needs, ref)
	}
	op.needs = references(op.needs, op.data)
	for _, ref := range op.needs {
		if b.creates[ref] == nil {
			return scim.Errorf(scim.InvalidValue, "no POST of this bulk request has the bulkId %q", ref)
		}
	}
	return nil
}

// rawPath returns path when it is percent-encoded.
func rawPath(path string) string {
	if strings.Contains(path, "%") {
		return path
	}
	return ""
}

// references appends the bulkIds that v refers to.
func references(list []string, v scim.Value) []string {
	switch v := v.(type) {
	case string:
		for ref := range bulkIDs(v) {
			if !slices.Contains(list, ref) {
				list = append(list, ref)
			}
		}
	case *scim.Object:
		for _, e := range v.All() {
			list = references(list, e)
		}
	case []scim.Value:
		for _, e := range v {
			list = references(list, e)
		}
	}
	return list
}

// bulkIDs yields the bulkId that a whole string refers to, and those inside
// the value filter of a PATCH path: members[value eq "bulkId:x"].
func bulkIDs(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if ref, ok := strings.CutPrefix(s, bulkPrefix); ok {
			yield(ref)
			return
		}
		for {
			_, rest, ok := strings.Cut(s, `"`+bulkPrefix)
			if !ok {
				return
			}
			ref, rest, ok := strings.Cut(rest, `"`)
			if !ok || !yield(ref) {
				return
			}
			s = rest
		}
	}
}

// next returns the operation to run now: the first whose references are all
// there, else the first creation, which then has to break a circle.
func (b *bulkRun) next() *bulkOperation {
	var circle *bulkOperation
	for _, op := range b.ops {
		if op.done {
			continue
		}
		if b.ready(op) {
			return op
		}
		if circle == nil && op.method == http.MethodPost {
			circle = op
		}
	}
	return circle
}

// ready reports whether everything that op refers to has been tried.
func (b *bulkRun) ready(op *bulkOperation) bool {
	if op.invalid != nil {
		return true
	}
	for _, ref := range op.needs {
		if !b.creates[ref].done {
			return false
		}
	}
	return true
}

// perform runs one operation.
func (b *bulkRun) perform(op *bulkOperation) error {
	if op.invalid != nil {
		return op.invalid
	}
	for _, ref := range op.needs {
		if c := b.creates[ref]; c.done && c.err != nil {
			return scim.Errorf(scim.InvalidValue, "the operation refers to the bulkId %q, whose POST failed", ref)
		}
	}
	q := b.q
	t, err := q.resourceTypeOf(op.kind)
	if err != nil {
		return err
	}
	id := op.id
	if ref, ok := strings.CutPrefix(id, bulkPrefix); ok {
		id = b.made[ref]
	}
	var cond scim.Precondition
	if op.version != "" {
		cond.IfMatch = etags([]string{op.version})
	}
	var r *scim.Resource
	switch op.method {
	case http.MethodPost:
		data := b.resolve(op.data).(*scim.Object)
		if !b.ready(op) {
			b.incomplete = append(b.incomplete, op)
		}
		if r, err = q.createResource(t, data); err != nil {
			return err
		}
		op.status, op.etag, id = http.StatusCreated, r.Version, r.ID
		b.made[op.bulkID] = r.ID
	case http.MethodPut:
		if r, err = q.replaceResource(t, id, cond, b.resolve(op.data).(*scim.Object)); err != nil {
			return err
		}
		op.status, op.etag = http.StatusOK, r.Version
	case http.MethodPatch:
		if op.etag, err = b.patch(t, id, cond, b.resolve(op.data)); err != nil {
			return err
		}
		op.status = http.StatusOK
	case http.MethodDelete:
		if err := q.account.Directory.Delete(q.ctx(), t, id, cond); err != nil {
			return err
		}
		op.status = http.StatusNoContent
	}
	op.location = q.location(t, id)
	return nil
}

func (b *bulkRun) patch(t *scim.ResourceType, id string, cond scim.Precondition, data scim.Value) (version string, err error) {
	encoded, err := scim.AppendJSON(nil, data)
	if err != nil {
		return "", err
	}
	patch, err := scim.ParsePatch(encoded)
	if err != nil {
		return "", err
	}
	_, version, err = b.q.patchResource(t, id, cond, patch)
	return version, err
}

// finish records the outcome of op.
func (b *bulkRun) finish(op *bulkOperation, err error) {
	op.done = true
	if err == nil {
		return
	}
	e := scim.AsError(err)
	if e.Type == scim.Internal {
		// The request's log line carries the first such cause.
		if b.q.err == nil {
			b.q.err = &scim.Error{Type: scim.Internal, Err: err}
		}
		e = &scim.Error{Type: scim.Internal, Err: err, Detail: "an internal error occurred; the service's log tells more under request id " + b.q.id}
	}
	op.err, op.status = e, e.Status()
	b.errors++
}

// complete gives the creations that broke a circle the references that were
// held back.
func (b *bulkRun) complete() {
	for _, op := range b.incomplete {
		if op.err != nil {
			continue
		}
		if err := b.completeOne(op); err != nil {
			b.finish(op, err)
		}
	}
}

func (b *bulkRun) completeOne(op *bulkOperation) error {
	for _, ref := range op.needs {
		if b.made[ref] == "" {
			return scim.Errorf(scim.InvalidValue, "the resource was created, but not its reference to the bulkId %q, whose POST did not succeed", ref)
		}
	}
	t, err := b.q.resourceTypeOf(op.kind)
	if err != nil {
		return err
	}
	held := referring(op.data)
	// Added, not replaced: operations that ran since may have changed the rest.
	add := &scim.Patch{Operations: []scim.Operation{{Op: scim.Add, Value: b.resolve(held)}}}
	_, version, err := b.q.patchResource(t, b.made[op.bulkID], scim.Precondition{}, add)
	if err != nil {
		return err
	}
	op.etag = version
	return nil
}

// referring returns the attributes of o, and of the complex values in it, that
// refer to a bulkId.
func referring(o *scim.Object) *scim.Object {
	part := &scim.Object{}
	for name, v := range o.All() {
		if len(references(nil, v)) == 0 {
			continue
		}
		if c, ok := v.(*scim.Object); ok {
			v = referring(c)
		}
		part.Set(name, v)
	}
	return part
}

// resolve returns a copy of v in which bulkId references have become ids. A
// reference that cannot be resolved yet is left out, together with the complex
// value or the list element that consists of it.
func (b *bulkRun) resolve(v scim.Value) scim.Value {
	resolved, _ := b.resolveValue(v)
	return resolved
}

func (b *bulkRun) resolveValue(v scim.Value) (resolved scim.Value, ok bool) {
	switch v := v.(type) {
	case string:
		return b.resolveText(v)
	case *scim.Object:
		o := &scim.Object{}
		for name, e := range v.All() {
			r, ok := b.resolveValue(e)
			if !ok && strings.EqualFold(name, "value") {
				return o, false
			}
			if ok {
				o.Set(name, r)
			}
		}
		return o, true
	case []scim.Value:
		list := make([]scim.Value, 0, len(v))
		for _, e := range v {
			if r, ok := b.resolveValue(e); ok {
				list = append(list, r)
			}
		}
		return list, true
	}
	return v, true
}

func (b *bulkRun) resolveText(s string) (scim.Value, bool) {
	if ref, ok := strings.CutPrefix(s, bulkPrefix); ok {
		id := b.made[ref]
		return id, id != ""
	}
	for ref := range bulkIDs(s) {
		if id := b.made[ref]; id != "" {
			s = strings.ReplaceAll(s, `"`+bulkPrefix+ref+`"`, `"`+id+`"`)
		}
	}
	return s, true
}

// answer writes the bulk response: the operations that were tried, in the
// order of the request.
func (b *bulkRun) answer() error {
	list := []scim.Value{}
	for _, op := range b.ops {
		if !op.done {
			continue
		}
		o := scim.NewObject("method", op.method)
		if op.bulkID != "" {
			o.Set("bulkId", op.bulkID)
		}
		if op.etag != "" {
			o.Set("version", op.etag)
		}
		if op.location != "" {
			o.Set("location", op.location)
		}
		o.Set("status", itoa(op.status))
		if op.err != nil {
			body, err := scim.ParseObject(appendError(nil, op.err))
			if err != nil {
				return err
			}
			o.Set("response", body)
		}
		list = append(list, o)
	}
	return b.q.answerObject(scim.NewObject("schemas", []scim.Value{scim.URNBulkResponse}, "Operations", list))
}

package desk

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// collection serves one kind of object that is created, read, updated and
// deleted in the same way: T is the object, P its pointer.
type collection[T any, P interface {
	*T
	object
}] struct {
	kind      kind
	path      string
	one, many string
	table     func(*world) *table[P]
	form      form[T]
	// complete fills in the defaults of a new object.
	complete func(P)
	// check returns what is wrong with next, which replaces old (nil for a new
	// object).
	check func(w *world, old, next P) []FieldError
	// view returns the object as it is answered; nil answers it as it is.
	view func(w *world, o P) P
	// query are the fields of ?query=; nil when there is none.
	query map[string]queryField[P]
	// gone are the changes that go with a deletion, or why there is none.
	gone  func(w *world, o P) ([]change, error)
	write right
}

func (k *collection[T, P]) routes(m map[string]map[string]operation) {
	m[k.path] = map[string]operation{
		http.MethodGet:  {viewPeople, k.list, true},
		http.MethodPost: {k.write, k.create, false},
	}
	m[k.path+"/{id}"] = map[string]operation{
		http.MethodGet:    {viewPeople, k.get, true},
		http.MethodPut:    {k.write, k.update, false},
		http.MethodDelete: {k.write, k.delete, true},
	}
}

func (k *collection[T, P]) answer(c *call, o P) answer {
	if k.view != nil {
		o = k.view(c.world, o)
	}
	return answer{body: envelope{k.one: o}}
}

func (k *collection[T, P]) find(c *call) (P, error) {
	if o, ok := k.table(c.world).byID[c.id]; ok {
		return o, nil
	}
	return nil, errNotFound
}

func (k *collection[T, P]) list(c *call) (answer, error) {
	all := slices.Values(k.table(c.world).sorted)
	queried := k.query != nil && c.query.Has("query")
	var pg paging
	var err error
	if queried {
		var match func(P) bool
		if match, err = parseQuery(c.query.Get("query"), k.query); err != nil {
			return answer{}, err
		}
		pg, err = c.queryPaging()
		// Ids ascend with time, so that the newest come from the end.
		all = func(yield func(P) bool) {
			for _, o := range slices.Backward(k.table(c.world).sorted) {
				if match(o) && !yield(o) {
					return
				}
			}
		}
	} else {
		pg, err = c.paging()
	}
	if err != nil {
		return answer{}, err
	}
	found := page(all, pg.skip(), pg.perPage+1)
	keep, more := pg.cut(len(found))
	found = found[:keep]
	if k.view != nil {
		for i, o := range found {
			found[i] = k.view(c.world, o)
		}
	}
	return answer{body: envelope{k.many: found}, more: more && !queried}, nil
}

func (k *collection[T, P]) get(c *call) (answer, error) {
	o, err := k.find(c)
	if err != nil {
		return answer{}, err
	}
	return k.answer(c, o), nil
}

// validate checks the name, which every kind needs and which is unique, and
// then what the kind asks for.
func (k *collection[T, P]) validate(w *world, old, next P, name Text) []FieldError {
	var errs []FieldError
	if strings.TrimSpace(string(name)) == "" {
		errs = append(errs, FieldError{"name", "It should be a/an String", codeMissingField})
	} else if other, taken := k.table(w).named(next.unique()); taken && other.ident() != next.ident() {
		errs = append(errs, FieldError{"name", "It should be a unique value", codeDuplicateValue})
	}
	return append(errs, k.check(w, old, next)...)
}

func (k *collection[T, P]) create(c *call) (answer, error) {
	o := P(new(T))
	k.complete(o)
	errs := k.form.fill(c.world, (*T)(o), c.body)
	if err := c.refuse(merge(errs, k.validate(c.world, nil, o, nameOf(o)))); err != nil {
		return answer{}, err
	}
	o.assign(c.world.newID())
	touch(o, c.now)
	if err := c.commit(c.r.Context(), change{kind: k.kind, id: o.ident(), value: o}); err != nil {
		return answer{}, err
	}
	a := k.answer(c, o)
	a.status, a.location = http.StatusCreated, k.path+"/"+strconv.FormatInt(o.ident(), 10)
	return a, nil
}

func (k *collection[T, P]) update(c *call) (answer, error) {
	old, err := k.find(c)
	if err != nil {
		return answer{}, err
	}
	next := *old
	o := P(&next)
	errs := k.form.fill(c.world, &next, c.body)
	if err := c.refuse(merge(errs, k.validate(c.world, old, o, nameOf(o)))); err != nil {
		return answer{}, err
	}
	touch(o, c.now)
	if err := c.commit(c.r.Context(), change{kind: k.kind, id: o.ident(), value: o}); err != nil {
		return answer{}, err
	}
	return k.answer(c, o), nil
}

func (k *collection[T, P]) delete(c *call) (answer, error) {
	o, err := k.find(c)
	if err != nil {
		return answer{}, err
	}
	cs := []change{{kind: k.kind, id: o.ident()}}
	if k.gone != nil {
		more, err := k.gone(c.world, o)
		if err != nil {
			return answer{}, err
		}
		cs = append(cs, more...)
	}
	return answer{status: http.StatusNoContent}, c.commit(c.r.Context(), cs...)
}

// nameOf returns the name of an object.
func nameOf(o object) Text {
	switch o := o.(type) {
	case *Role:
		return o.Name
	case *Department:
		return o.Name
	case *Location:
		return o.Name
	case *Group:
		return o.Name
	case *RequesterGroup:
		return o.Name
	case *Field:
		return Text(o.Name)
	}
	return ""
}

// needUser checks that a person exists, unless old referred to it already.
func needUser(w *world, field string, old, next Ref) []FieldError {
	if next == 0 || next == old || w.people[int64(next)] != nil {
		return nil
	}
	return []FieldError{{field, "There is no user matching the given id " + strconv.FormatInt(int64(next), 10), codeInvalidValue}}
}

// needAgents checks that the people in a list are agents, unless old had them
// already.
func needAgents(w *world, field string, old, next []int64) []FieldError {
	for _, id := range next {
		if p := w.people[id]; !slices.Contains(old, id) && (p == nil || p.Agent == nil) {
			return []FieldError{{field, "There is no agent matching the given id " + strconv.FormatInt(id, 10), codeInvalidValue}}
		}
	}
	return nil
}

func listRoles(c *call) (answer, error) {
	pg, err := c.paging()
	if err != nil {
		return answer{}, err
	}
	found := page(slices.Values(c.world.roles.sorted), pg.skip(), pg.perPage+1)
	keep, more := pg.cut(len(found))
	return answer{body: envelope{"roles": found[:keep]}, more: more}, nil
}

func viewRole(c *call) (answer, error) {
	r, ok := c.world.roles.byID[c.id]
	if !ok {
		return answer{}, errNotFound
	}
	return answer{body: envelope{"role": r}}, nil
}

// readOnly returns a form of attributes that can only be read.
func readOnly[T any](names ...string) form[T] {
	f := form[T]{}
	for _, n := range names {
		f[n] = nil
	}
	return f
}

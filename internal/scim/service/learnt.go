package service

import (
	"cmp"
	"encoding/json"
	"strings"
	"sync"

	"lockstep/internal/scim"
)

// A LearntAttribute is an extension attribute that a client sent though no
// schema of the account lists it. Its values are kept as they came.
type LearntAttribute struct {
	// ResourceType is the name of the type, such as "User".
	ResourceType string
	// Schema is the URN of the extension.
	Schema string
	// Attribute describes it as far as its first value tells.
	Attribute *scim.Attribute
}

// maxLearnt bounds what an account lists as learnt; more is kept with the
// resources all the same.
const maxLearnt = 300

// learning is what an account has learnt.
type learning struct {
	mu   sync.RWMutex
	know map[string]bool
	list []LearntAttribute
}

func learntKey(resourceType, urn, name string) string {
	return resourceType + " " + strings.ToLower(urn) + " " + strings.ToLower(name)
}

// learnt returns the attributes that were given as Learnt, and those that
// clients have sent since.
func (a *Account) learnt() []LearntAttribute {
	a.learning.mu.Lock()
	defer a.learning.mu.Unlock()
	a.recall()
	return a.learning.list[:len(a.learning.list):len(a.learning.list)]
}

// recall begins with what is known of earlier. learning.mu is held.
func (a *Account) recall() {
	l := &a.learning
	if l.know != nil {
		return
	}
	l.know = map[string]bool{}
	for _, k := range a.Learnt {
		if key := learntKey(k.ResourceType, k.Schema, k.Attribute.Name); !l.know[key] {
			l.know[key] = true
			l.list = append(l.list, k)
		}
	}
}

// learn looks for extension attributes that no schema of t lists.
func (a *Account) learn(t *scim.ResourceType, attrs *scim.Object) {
	for urn, v := range attrs.All() {
		in, ok := v.(*scim.Object)
		if !ok || strings.IndexByte(urn, ':') < 0 {
			continue
		}
		var schema *scim.Schema
		if ext := t.Extension(urn); ext != nil {
			schema = ext.Schema
		}
		for name, v := range in.All() {
			if schema == nil || schema.Attribute(name) == nil {
				a.learnOne(t.Name, urn, name, v)
			}
		}
	}
}

func (a *Account) learnOne(resourceType, urn, name string, v scim.Value) {
	key := learntKey(resourceType, urn, name)
	l := &a.learning
	l.mu.RLock()
	known := l.know[key]
	l.mu.RUnlock()
	if known {
		return
	}
	l.mu.Lock()
	a.recall()
	if l.know[key] || len(l.list) >= maxLearnt {
		l.mu.Unlock()
		return
	}
	learnt := LearntAttribute{ResourceType: resourceType, Schema: strings.Clone(urn), Attribute: guess(strings.Clone(name), v)}
	l.know[key] = true
	l.list = append(l.list, learnt)
	l.mu.Unlock()
	if a.OnLearn != nil {
		a.OnLearn(learnt)
	}
}

// guess describes an attribute by one of its values.
func guess(name string, v scim.Value) *scim.Attribute {
	a := &scim.Attribute{Name: name, Type: scim.TypeString, CaseExact: true,
		Description: "Learnt: a client sent it and no schema listed it. Its values are kept as they come."}
	if list, ok := v.([]scim.Value); ok {
		a.MultiValued = true
		v = nil
		if len(list) > 0 {
			v = list[0]
		}
	}
	switch v := v.(type) {
	case bool:
		a.Type, a.CaseExact = scim.TypeBoolean, false
	case json.Number:
		a.Type, a.CaseExact = scim.TypeDecimal, false
		if !strings.ContainsAny(string(v), ".eE") {
			a.Type = scim.TypeInteger
		}
	case *scim.Object:
		a.Type, a.CaseExact = scim.TypeComplex, false
	}
	return a
}

// learntSchemas returns the schemas of t's extensions with what was learnt of
// them; those that t does not list come last.
func (a *Account) learntSchemas(t *scim.ResourceType) []*scim.Schema {
	var list []*scim.Schema
	at := map[string]int{}
	for _, e := range t.Extensions {
		at[strings.ToLower(e.Schema.ID)] = len(list)
		list = append(list, e.Schema)
	}
	copied := map[int]bool{}
	for _, l := range a.learnt() {
		if l.ResourceType != t.Name {
			continue
		}
		key := strings.ToLower(l.Schema)
		i, ok := at[key]
		switch {
		case !ok:
			i = len(list)
			at[key] = i
			name := l.Schema[strings.LastIndexByte(l.Schema, ':')+1:]
			list = append(list, &scim.Schema{ID: l.Schema, Name: cmp.Or(name, l.Schema), Description: "Learnt from what clients sent."})
			copied[i] = true
		case !copied[i]:
			c := *list[i]
			c.Attributes = c.Attributes[:len(c.Attributes):len(c.Attributes)]
			list[i], copied[i] = &c, true
		}
		if list[i].Attribute(l.Attribute.Name) == nil {
			list[i].Attributes = append(list[i].Attributes, l.Attribute)
		}
	}
	return list
}

package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/scim"
	"lockstep/internal/scim/service"
)

// learnt returns what the settings say was learnt from clients.
func learnt(s account.Settings) []service.LearntAttribute {
	var list []service.LearntAttribute
	for _, c := range s.CustomAttributes {
		if !c.Learnt {
			continue
		}
		list = append(list, service.LearntAttribute{ResourceType: c.ResourceType, Schema: c.Schema,
			Attribute: &scim.Attribute{Name: c.Name, Type: c.Type, MultiValued: c.MultiValued, CaseExact: c.CaseExact,
				Description: "Learnt: a client sent it and no schema listed it. Its values are kept as they come."}})
	}
	return list
}

// learn remembers, beside the request, that a client sent an attribute that
// nobody declared.
func (h *hub) learn(id string, l service.LearntAttribute) {
	h.checking.Go(func() {
		ctx, cancel := context.WithTimeout(h.ctx, 10*time.Second)
		defer cancel()
		c := account.CustomAttribute{ResourceType: l.ResourceType, Schema: l.Schema, Name: l.Attribute.Name,
			Type: l.Attribute.Type, MultiValued: l.Attribute.MultiValued, CaseExact: l.Attribute.CaseExact, Learnt: true}
		_, err := h.accounts.Configure(ctx, id, func(s *account.Settings) error {
			if !slices.ContainsFunc(s.CustomAttributes, func(o account.CustomAttribute) bool { return strings.EqualFold(o.String(), c.String()) }) {
				s.CustomAttributes = append(s.CustomAttributes, c)
			}
			return nil
		})
		if err != nil && h.ctx.Err() == nil {
			h.log.Warn("a learnt attribute could not be noted; it is learnt again after a restart", "account", id, "attribute", c.String(), "error", err)
		}
	})
}

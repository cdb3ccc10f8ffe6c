package server

import (
	"context"

	"lockstep/internal/account"
	"lockstep/internal/api"
	"lockstep/internal/doctor"
	"lockstep/internal/provision"
	"lockstep/internal/secret"
)

// Diagnose gathers what is known of an app after a cycle and examines it.
func (s *Server) Diagnose(ctx context.Context, appID string, c *provision.Cycle) ([]doctor.Finding, error) {
	app, err := s.db.App(ctx, appID)
	if err != nil {
		return nil, err
	}
	ledger := s.db.Ledger(appID)
	ev := &doctor.Evidence{Schema: app.Schema, SyncAll: app.SyncAll, Cycle: c}
	for it, err := range ledger.PlanItems(ctx, c.ID) {
		if err != nil {
			return nil, err
		}
		ev.AddItem(it)
	}
	if app.Target.AccountID != "" {
		notes, err := s.db.NotesByCode(ctx, app.Target.AccountID)
		if err != nil {
			return nil, err
		}
		ev.Notes = map[string]doctor.Noted{}
		for code, n := range notes {
			ev.Notes[code] = doctor.Noted{Count: n.Count, Values: n.Values}
		}
	}
	if ev.MailDiffers, err = mailDiffers(ctx, ledger); err != nil {
		return nil, err
	}
	return doctor.Examine(ev), nil
}

// mailDiffers counts the people whose mail is not their userPrincipalName.
func mailDiffers(ctx context.Context, l provision.Ledger) (*doctor.Sample, error) {
	s := &doctor.Sample{}
	for o, err := range l.EachObject(ctx, provision.User) {
		if err != nil {
			return nil, err
		}
		mail, upn := o.Attribute("mail"), o.Attribute("userPrincipalName")
		if !mail.IsNull() && !upn.IsNull() && !provision.SameAddress(mail.String(), upn.String()) {
			s.Add(o.Name())
		}
	}
	return s, nil
}

// MoveAccount points an account at another address with another key, as a demo
// whose desk has a new port needs.
func (s *Server) MoveAccount(ctx context.Context, id, domain, key string) error {
	a, err := s.accounts.Get(ctx, id)
	if err != nil {
		return err
	}
	if a.Kind != account.KindFreshservice {
		return &api.Problem{Title: "Bad request", Status: 400, Detail: "account " + id + " is not a Freshservice account"}
	}
	moved := *a
	if moved.Domain, moved.BaseURL, err = splitDomain(domain); err != nil {
		return err
	}
	moved.APIKey = secret.NewText(key)
	if moved.Owner, _, err = s.verify(ctx, &moved); err != nil {
		return err
	}
	if _, err := s.accounts.Reconnect(ctx, id, moved.Domain, moved.BaseURL, moved.APIKey, moved.Owner); err != nil {
		return err
	}
	s.hub.drop(id)
	return nil
}

package service

import (
	"context"
	"sync/atomic"

	"lockstep/internal/scim"
)

// Accounts finds the account behind a bearer token.
type Accounts interface {
	// ByToken returns the account a bearer token stands for, or a *scim.Error:
	// Unauthenticated when no account has the token; Forbidden or Unavailable,
	// with a detail for the client, when the account itself is out of order.
	//
	// It is called once per request. The same *Account should be returned for
	// as long as the account stays as it is: the service keeps with it what it
	// works out once.
	ByToken(ctx context.Context, token string) (*Account, error)
}

// An Account is one account behind a secret token. It must not be changed or
// copied once a request has seen it.
type Account struct {
	// ID names the account in logs and metrics, and is what rates are counted
	// by.
	ID, Name string
	// Directory holds the resources. It may also be a scim.MemberEditor.
	Directory scim.Directory
	// Users and Groups are the account's resource types. A nil one means that
	// the account has no such resources.
	Users, Groups *scim.ResourceType
	// Strict makes the service refuse attributes that no schema names instead of
	// ignoring them. Whole extensions that no schema names are kept where the
	// resource type is open, and refused where it is not.
	Strict bool
	// Learnt are extension attributes of earlier that no schema lists; they are
	// shown in /Schemas. OnLearn, when not nil, is told once of each new one. It
	// must not block.
	Learnt  []LearntAttribute
	OnLearn func(LearntAttribute)
	// Limits bound what one client may ask; zero values mean the defaults.
	Limits Limits

	plain    atomic.Pointer[plainTypes]
	learning learning
}

// Limits bound what a client may ask of one account. A zero value means the
// default that is given with each.
type Limits struct {
	// MaxBody is the largest request body in bytes (8 MiB). For /Bulk,
	// BulkMaxPayload counts instead.
	MaxBody int64
	// MaxOperations is the largest number of operations in one PATCH (5,000).
	MaxOperations int
	// MaxMembers is the largest number of members in one request (50,000).
	MaxMembers int
	// MaxPage is the largest number of resources in one answer (1,000), and
	// DefaultPage how many there are when the client does not say (100).
	MaxPage, DefaultPage int
	// BulkMaxOperations (1,000) and BulkMaxPayload in bytes (4 MiB) are
	// advertised in ServiceProviderConfig.
	BulkMaxOperations int
	BulkMaxPayload    int64
	// RatePerSecond is the number of requests per second that are let through
	// in the long run, and Burst how many may come at once (twice the rate).
	// A rate of 0 means no limit. Entra ID asks for at least 25 per second.
	RatePerSecond float64
	Burst         int
}

func (l Limits) withDefaults() Limits {
	set(&l.MaxBody, 8<<20)
	set(&l.MaxOperations, 5_000)
	set(&l.MaxMembers, 50_000)
	set(&l.MaxPage, 1_000)
	set(&l.DefaultPage, 100)
	set(&l.BulkMaxOperations, 1_000)
	set(&l.BulkMaxPayload, 4<<20)
	l.DefaultPage = min(l.DefaultPage, l.MaxPage)
	if l.RatePerSecond > 0 && l.Burst <= 0 {
		l.Burst = max(1, int(2*l.RatePerSecond))
	}
	return l
}

func set[T int | int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// types returns the resource types that the account has.
func (a *Account) types() []*scim.ResourceType {
	var list []*scim.ResourceType
	for _, t := range []*scim.ResourceType{a.Users, a.Groups} {
		if t != nil {
			list = append(list, t)
		}
	}
	return list
}

// plainTypes says of which types a resource may be answered as it is stored,
// because no attribute is withheld from clients that do not ask for it.
type plainTypes struct{ users, groups bool }

func (a *Account) isPlain(t *scim.ResourceType) bool {
	p := a.plain.Load()
	if p == nil {
		p = &plainTypes{users: plain(a.Users), groups: plain(a.Groups)}
		a.plain.Store(p)
	}
	if t == a.Users {
		return p.users
	}
	return t == a.Groups && p.groups
}

func plain(t *scim.ResourceType) bool {
	if t == nil || !plainAttributes(t.Schema.Attributes) {
		return false
	}
	for _, e := range t.Extensions {
		if !plainAttributes(e.Schema.Attributes) {
			return false
		}
	}
	return true
}

func plainAttributes(list []*scim.Attribute) bool {
	for _, a := range list {
		// What is write-only is never kept (see scim.Normalize), so it need not be
		// withheld.
		withheld := a.Returned == scim.ReturnedRequest || a.Returned == scim.ReturnedNever
		if withheld && a.Mutability != scim.WriteOnly {
			return false
		}
		if !plainAttributes(a.SubAttributes) {
			return false
		}
	}
	return true
}

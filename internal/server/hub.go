package server

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/freshservice"
	"lockstep/internal/scim"
	"lockstep/internal/scim/service"
	"lockstep/internal/secret"
	"lockstep/internal/store"
)

// A hub opens accounts: it turns what is stored of an account into a directory
// that the SCIM service can work on, once, and keeps it until the account changes.
type hub struct {
	accounts *account.Service
	db       *store.DB
	metrics  *metrics
	log      *slog.Logger
	ctx      context.Context
	cancel   context.CancelFunc
	checking sync.WaitGroup

	mu   sync.Mutex
	open map[string]*opened
	// talking counts what each token costs; see [hub.priority].
	talking map[string]*talk
}

// An opened account is one that is in use.
type opened struct {
	service *service.Account
	// client and bridge are nil for an embedded directory.
	client *freshservice.Client
	bridge *freshservice.Bridge
	// url and key are what client was made of, since when it has counted.
	url   string
	key   secret.Text
	since time.Time
	// of is the account as it was opened.
	of *account.Account
	// stale: the account has changed and is opened anew by its next request.
	stale bool

	mu      sync.Mutex
	checked time.Time
}

func (o *opened) close() {
	if o.bridge != nil {
		o.bridge.Close()
	}
}

// recheckAfter is how often the key of an account that is out of order is tried
// again when clients ask.
const recheckAfter = time.Minute

func newHub(accounts *account.Service, db *store.DB, m *metrics, log *slog.Logger) *hub {
	ctx, cancel := context.WithCancel(context.Background())
	return &hub{accounts: accounts, db: db, metrics: m, log: log, ctx: ctx, cancel: cancel,
		open: map[string]*opened{}, talking: map[string]*talk{}}
}

// close ends what bridges do in the background. It comes before the store is
// closed.
func (h *hub) close() {
	h.cancel()
	h.checking.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.open {
		o.close()
	}
}

// ByToken implements [service.Accounts].
func (h *hub) ByToken(ctx context.Context, token string) (*service.Account, error) {
	a, t, err := h.accounts.Authenticate(ctx, token)
	if err != nil {
		return nil, err
	}
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		c.token = t
	}
	o, err := h.get(a)
	if err != nil {
		return nil, err
	}
	if outOfOrder(a.State.Status) {
		return nil, h.unavailable(ctx, a, o)
	}
	return o.service, nil
}

// outOfOrder reports whether Freshservice refuses every call. An owner who was
// downgraded may still be allowed some, so Freshservice itself answers those.
func outOfOrder(s account.Status) bool {
	return s == account.StatusKeyRejected || s == account.StatusOwnerDeactivated
}

// unavailable says why the account cannot be used. Now and then it lets the key
// be tried again in the background, in case its owner was put right.
func (h *hub) unavailable(_ context.Context, a *account.Account, o *opened) error {
	o.mu.Lock()
	due := time.Since(o.checked) > recheckAfter
	if due {
		o.checked = time.Now()
	}
	o.mu.Unlock()
	if due {
		h.checking.Go(func() {
			ctx, cancel := context.WithTimeout(h.ctx, 30*time.Second)
			defer cancel()
			if _, _, err := h.check(ctx, a.ID); err != nil {
				h.log.Warn("the account is still out of order", "account", a.ID, "problem", err)
			}
		})
	}
	return &scim.Error{Type: scim.Unavailable, RetryAfter: recheckAfter,
		Detail: "the Freshservice account behind this token is out of order: " + a.State.Message}
}

// get returns the opened account, opening it when needed.
func (h *hub) get(a *account.Account) (*opened, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.open[a.ID]
	if before != nil && !before.stale {
		if before.serves(a) {
			return before, nil
		}
		before.stale = true
		before.close()
	}
	o, err := h.openAccount(a, before)
	if err != nil {
		return nil, err
	}
	o.of = a
	h.open[a.ID] = o
	return o, nil
}

// serves reports whether what was opened is still right for the account. Other
// nodes may have changed it.
func (o *opened) serves(a *account.Account) bool {
	if o.of == a {
		return true
	}
	same := o.of.APIKey.Reveal() == a.APIKey.Reveal() && o.of.APIURL() == a.APIURL() && o.of.Name == a.Name &&
		o.of.CreatedAt.Equal(a.CreatedAt) && reflect.DeepEqual(o.of.Settings, a.Settings)
	if same {
		o.of = a
	}
	return same
}

// drop makes the next request open the account anew. Requests under way end
// with what they began with.
func (h *hub) drop(id string) {
	h.mu.Lock()
	o := h.open[id]
	if o != nil {
		o.stale = true
	}
	h.mu.Unlock()
	if o != nil {
		o.close()
	}
}

// remove lets go of an account for good.
func (h *hub) remove(id string) {
	h.drop(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, id)
}

// openAccount opens the account. before is how it was open until now, if it
// was: its client goes on as long as address and key are the same, since it
// knows what is left of this minute's calls.
func (h *hub) openAccount(a *account.Account, before *opened) (*opened, error) {
	users, groups := a.Settings.Types()
	acc := &service.Account{ID: a.ID, Name: a.Name, Users: users, Groups: groups, Strict: a.Settings.Strict,
		Limits: service.Limits{RatePerSecond: a.Settings.RatePerSecond},
		Learnt: learnt(a.Settings), OnLearn: func(l service.LearntAttribute) { h.learn(a.ID, l) }}
	if a.Kind == account.KindEmbedded {
		acc.Directory = h.db.Directory(a.ID)
		return &opened{service: acc}, nil
	}
	if a.Settings.Groups == account.GroupsOff {
		acc.Groups = nil
	}
	o := &opened{service: acc, url: a.APIURL(), key: a.APIKey, since: time.Now()}
	var after *freshservice.Bridge
	if before != nil {
		after = before.bridge
		if before.url == o.url && before.key.Reveal() == o.key.Reveal() {
			o.client, o.since = before.client, before.since
		}
	}
	if o.client == nil {
		var err error
		o.client, err = freshservice.NewClient(freshservice.ClientOptions{Domain: o.url, APIKey: o.key.Reveal(), Log: h.log.With("account", a.ID)})
		if err != nil {
			return nil, err
		}
	}
	id := a.ID
	o.bridge = freshservice.NewBridge(freshservice.BridgeOptions{
		Client: o.client, Mirror: h.db.Mirror(a.ID, users, groups), Users: users, Groups: groups,
		Settings: bridgeSettings(a.Settings), Log: h.log.With("account", a.ID), After: after,
		OnCredentialFailure: func(error) { h.credentialFailed(id) },
	})
	acc.Directory = o.bridge
	return o, nil
}

func bridgeSettings(s account.Settings) freshservice.Settings {
	budget := s.ConversionBudgetPerDay
	if budget == 0 {
		budget = -1 // none at all; the bridge's 0 is no bound
	}
	return freshservice.Settings{
		UnknownDepartments: freshservice.UnknownName(s.UnknownDepartments),
		UnknownLocations:   freshservice.UnknownName(s.UnknownLocations),
		Groups:             freshservice.GroupMapping(s.Groups),
		NewAgents:          freshservice.NewAgents{Roles: s.NewAgents.Roles, Occasional: s.NewAgents.Occasional},
		AgentBudgetPerDay:  budget,
	}
}

// credentialFailed is called by a bridge when Freshservice refuses the key. The
// reason is found out beside the request that ran into it.
func (h *hub) credentialFailed(id string) {
	h.checking.Go(func() {
		ctx, cancel := context.WithTimeout(h.ctx, 30*time.Second)
		defer cancel()
		_, _, err := h.check(ctx, id)
		h.log.Warn("Freshservice refused the account's API key", "account", id, "problem", err)
	})
}

// check asks Freshservice whose key the account has and stores what follows for
// its state. The warnings are for people.
func (h *hub) check(ctx context.Context, id string) (*account.Account, []string, error) {
	a, err := h.accounts.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if a.Kind != account.KindFreshservice {
		return a, nil, nil
	}
	o, err := h.get(a)
	if err != nil {
		return nil, nil, err
	}
	owner, warnings, err := checkKey(freshservice.WithPriority(ctx, freshservice.Interactive), o.client)
	status, message := stateOf(owner, err)
	if status == account.StatusKeyRejected && a.Owner != nil {
		found, known, kerr := o.bridge.Known(ctx, a.Owner.ID)
		if kerr != nil {
			return nil, nil, kerr
		}
		status, message = whyRejected(a.Owner, found, known)
	}
	if owner != nil {
		if _, serr := h.accounts.SetOwner(ctx, id, owner); serr != nil {
			return nil, nil, serr
		}
	}
	a, serr := h.accounts.SetState(ctx, id, status, message)
	if serr != nil {
		return nil, nil, serr
	}
	return a, warnings, err
}

// whyRejected says what became of a key that Freshservice no longer accepts,
// which does not say so itself: from who its owner was, and who that is by now
// as far as lockstep has seen.
func whyRejected(owner *account.Owner, now freshservice.Person, known bool) (account.Status, string) {
	who := owner.Name + " <" + owner.Email + ">"
	const repair = " Put another administrator's key in with `lockstep account rotate-key`; the Secret Token stays."
	switch {
	case known && !now.Active:
		return account.StatusOwnerDeactivated, "Freshservice no longer accepts the API key: its owner, " + who + ", was deactivated." + repair
	case known && now.Kind == freshservice.Requester:
		return account.StatusOwnerDowngraded, "Freshservice no longer accepts the API key: its owner, " + who + ", was made a requester." + repair
	case owner.Occasional:
		return account.StatusKeyRejected, "Freshservice no longer accepts the API key: its owner, " + who + ", is an occasional agent, and such keys lapse within 24 hours." + repair
	}
	return account.StatusKeyRejected, "Freshservice no longer accepts the API key of " + who + ": it was reset, or its owner was deactivated or made a requester, since " +
		owner.CheckedAt.UTC().Format("2006-01-02 15:04") + " UTC, when it last worked." + repair
}

// checkKey asks Freshservice for the key's owner.
func checkKey(ctx context.Context, c *freshservice.Client) (*account.Owner, []string, error) {
	found, warned, err := freshservice.CheckKey(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	var warnings []string
	for _, w := range warned {
		warnings = append(warnings, w.Message)
	}
	return &account.Owner{ID: found.ID, Name: found.Name, Email: found.Email, Role: strings.Join(found.Roles, ", "),
		Admin: found.Admin, Active: found.Active, Occasional: found.Occasional, CheckedAt: time.Now()}, warnings, nil
}

func stateOf(owner *account.Owner, err error) (account.Status, string) {
	var credential *freshservice.CredentialError
	switch {
	case errors.As(err, &credential) && credential.Reason == freshservice.KeyRejected:
		return account.StatusKeyRejected, "Freshservice no longer accepts the API key: it was reset, or its owner was deactivated or made a requester. Put a new key in with `lockstep account rotate-key`."
	case errors.As(err, &credential) && credential.Reason == freshservice.OwnerNotAdmin:
		return account.StatusOwnerDowngraded, "The API key's owner may no longer manage people. Give the role back, or put an administrator's key in with `lockstep account rotate-key`."
	case err != nil:
		return account.StatusUnreachable, err.Error()
	case !owner.Active:
		return account.StatusOwnerDeactivated, "The API key's owner, " + owner.Name + ", is deactivated. Reactivate them, or put another administrator's key in with `lockstep account rotate-key`."
	case !owner.Admin:
		return account.StatusOwnerDowngraded, "The API key's owner, " + owner.Name + ", is no administrator (" + owner.Role + "); writing people may be refused. Give the role back, or put an administrator's key in with `lockstep account rotate-key`."
	case owner.Occasional:
		return account.StatusOwnerOccasional, "The API key's owner, " + owner.Name + ", is an occasional agent; such a key may lapse within 24 hours. Use the key of a full-time administrator."
	default:
		return account.StatusOK, ""
	}
}

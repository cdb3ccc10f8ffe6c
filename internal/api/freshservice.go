package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"lockstep/internal/account"
)

// Freshservice is how things are with a Freshservice account: its call budget,
// what is known of its people, and what could not be carried over.
type Freshservice struct {
	Calls Calls `json:"calls"`
	// People is how many lockstep knows there, as of ListedAt, when all of them
	// were last listed; zero when they never were. Listing: they are just now.
	People   int       `json:"people"`
	ListedAt time.Time `json:"listedAt,omitzero"`
	Listing  bool      `json:"listing,omitempty"`
	// Notes sums up what could not be carried over, by code.
	Notes []Noted `json:"notes"`
	// PendingManagers counts people whose manager has not arrived yet,
	// PendingRepairs those whose manager has and is yet to be set, PendingAgents
	// those who wait for the day's budget of new agents.
	PendingManagers int      `json:"pendingManagers"`
	PendingRepairs  int      `json:"pendingRepairs"`
	PendingAgents   int      `json:"pendingAgents"`
	Estimate        Estimate `json:"estimate"`
}

// Calls are the REST calls to Freshservice since Since, and what its limits
// allow now.
type Calls struct {
	Since   time.Time        `json:"since,omitzero"`
	Total   int64            `json:"total"`
	ByRoute map[string]int64 `json:"byRoute"`
	Retries int64            `json:"retries"`
	// TooMany counts the 429s received.
	TooMany int64 `json:"tooMany"`
	// Waits counts the calls that had to wait for the limits, WaitedSeconds how
	// long together; Waiting is how many wait now.
	Waits         int64   `json:"waits"`
	WaitedSeconds float64 `json:"waitedSeconds"`
	Waiting       int     `json:"waiting"`
	// PerMinute is the limit of all calls, the others those of the listings.
	PerMinute      Limit `json:"perMinute"`
	ListRequesters Limit `json:"listRequesters"`
	ListAgents     Limit `json:"listAgents"`
}

// Limit is one of Freshservice's limits as its answers tell it. Total is 0 while
// unknown.
type Limit struct {
	Total     int       `json:"total"`
	Used      int       `json:"used"`
	Remaining int       `json:"remaining"`
	ResetsAt  time.Time `json:"resetsAt,omitzero"`
}

// Noted sums up the notes with one code.
type Noted struct {
	Code  string `json:"code"`
	Count int    `json:"count"`
	// Values are some of the values concerned.
	Values []string `json:"values,omitempty"`
}

// Estimate is how long the limits make it take to write People people, one call
// each; 0 seconds also while the limits are unknown.
type Estimate struct {
	People  int     `json:"people"`
	Seconds float64 `json:"seconds"`
}

// AccountChange changes an account's settings; what is nil stays as it is.
type AccountChange struct {
	UnknownDepartments     *account.OnUnknown `json:"unknownDepartments,omitempty"`
	UnknownLocations       *account.OnUnknown `json:"unknownLocations,omitempty"`
	Groups                 *account.GroupsAs  `json:"groups,omitempty"`
	AgentRoles             *[]string          `json:"agentRoles,omitempty"`
	OccasionalAgents       *bool              `json:"occasionalAgents,omitempty"`
	ConversionBudgetPerDay *int               `json:"conversionBudgetPerDay,omitempty"`
	Strict                 *bool              `json:"strict,omitempty"`
	RatePerSecond          *float64           `json:"ratePerSecond,omitempty"`
	// CustomAttributes are added, each in place of one of the same name;
	// RemoveCustomAttributes are no longer described.
	CustomAttributes       []account.CustomAttribute `json:"customAttributes,omitempty"`
	RemoveCustomAttributes []account.CustomAttribute `json:"removeCustomAttributes,omitempty"`
}

// NewReconciliation starts one: Mode is report, adopt or repair.
type NewReconciliation struct {
	Mode string `json:"mode"`
}

// Reconciliation is how far the comparison of an account with what lockstep
// wrote there is, or how it ended.
type Reconciliation struct {
	Mode    string    `json:"mode"`
	Running bool      `json:"running"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	// Listed is how many people Freshservice has shown, of about Expected;
	// Compared how many of them clients have written; Unknown how many lockstep
	// did not know.
	Listed   int `json:"listed"`
	Expected int `json:"expected"`
	Compared int `json:"compared"`
	Unknown  int `json:"unknown"`
	// Drifted is how many people and groups differ, Failed how many of them could not be
	// put right.
	Drifted     int            `json:"drifted"`
	Failed      int            `json:"failed"`
	ByAttribute map[string]int `json:"byAttribute"`
	// People are the first 1,000 who drifted.
	People []Drifted `json:"people"`
	// Error says why it broke off, "" when it did not.
	Error string `json:"error,omitempty"`
}

// Drifted is one person or group that is otherwise in Freshservice than lockstep
// wrote.
type Drifted struct {
	ID string `json:"id"`
	// Type is User or Group; UserName is a group's displayName.
	Type       string  `json:"type"`
	UserName   string  `json:"userName"`
	Attributes []Drift `json:"attributes"`
	// Outcome is found, adopted, repaired or failed, with Problem saying why.
	Outcome string `json:"outcome"`
	Problem string `json:"problem,omitempty"`
}

// Drift is one attribute that differs: its SCIM path, the field of
// Freshservice's, what lockstep wrote and what is there.
type Drift struct {
	Attribute    string `json:"attribute"`
	Field        string `json:"field"`
	Lockstep     string `json:"lockstep"`
	Freshservice string `json:"freshservice"`
}

// A FreshserviceBackend carries out what the API asks for about the
// Freshservice behind an account.
type FreshserviceBackend interface {
	ChangeAccount(ctx context.Context, id string, c AccountChange) (*Account, error)
	StartReconciliation(ctx context.Context, id string, n NewReconciliation) (*Reconciliation, error)
	Reconciliation(ctx context.Context, id string) (*Reconciliation, error)
	StopReconciliation(ctx context.Context, id string) error
}

func (h *handler) routeFreshservice(mux *http.ServeMux, b FreshserviceBackend) {
	mux.HandleFunc("PATCH /api/v1/accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		withBody(h, w, r, http.StatusOK, func(ctx context.Context, c AccountChange) (*Account, error) {
			return b.ChangeAccount(ctx, r.PathValue("id"), c)
		})
	})
	mux.HandleFunc("POST /api/v1/accounts/{id}/reconcile", func(w http.ResponseWriter, r *http.Request) {
		withBody(h, w, r, http.StatusAccepted, func(ctx context.Context, n NewReconciliation) (*Reconciliation, error) {
			return b.StartReconciliation(ctx, r.PathValue("id"), n)
		})
	})
	mux.HandleFunc("GET /api/v1/accounts/{id}/reconcile", func(w http.ResponseWriter, r *http.Request) {
		c, err := b.Reconciliation(r.Context(), r.PathValue("id"))
		h.answer(w, r, http.StatusOK, c, err)
	})
	mux.HandleFunc("DELETE /api/v1/accounts/{id}/reconcile", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, http.StatusNoContent, nil, b.StopReconciliation(r.Context(), r.PathValue("id")))
	})
}

// ShowAccount returns one account with how things are with its Freshservice,
// and an estimate for writing so many people.
func (c *Client) ShowAccount(ctx context.Context, id string, people int) (*Account, error) {
	return get[Account](ctx, c, http.MethodGet, accountPath(id)+"?people="+strconv.Itoa(people), nil)
}

// ChangeAccount changes what is set in ch, at once.
func (c *Client) ChangeAccount(ctx context.Context, id string, ch AccountChange) (*Account, error) {
	return get[Account](ctx, c, http.MethodPatch, accountPath(id), ch)
}

// StartReconciliation begins to compare Freshservice with what lockstep wrote.
func (c *Client) StartReconciliation(ctx context.Context, id, mode string) (*Reconciliation, error) {
	return get[Reconciliation](ctx, c, http.MethodPost, accountPath(id)+"/reconcile", NewReconciliation{mode})
}

// Reconciliation returns how far the latest one is.
func (c *Client) Reconciliation(ctx context.Context, id string) (*Reconciliation, error) {
	return get[Reconciliation](ctx, c, http.MethodGet, accountPath(id)+"/reconcile", nil)
}

// StopReconciliation ends the one under way.
func (c *Client) StopReconciliation(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, accountPath(id)+"/reconcile", nil, nil)
}

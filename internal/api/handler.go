package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/provision"
)

// A Backend carries out what the API asks for. Implemented by package server.
// Its errors are typed: account and provision errors, or a [*Problem] where only
// it knows the right words.
type Backend interface {
	AddAccount(ctx context.Context, n NewAccount) (*AddedAccount, error)
	Accounts(ctx context.Context) ([]Account, error)
	// Account shows one account; people is what its estimate is for.
	Account(ctx context.Context, id string, people int) (*Account, error)
	RemoveAccount(ctx context.Context, id string) error
	CheckAccount(ctx context.Context, id string) (*CheckedAccount, error)
	RotateKey(ctx context.Context, id string, k NewKey) (*CheckedAccount, error)
	CreateToken(ctx context.Context, accountID string, n NewToken) (*AddedToken, error)
	Tokens(ctx context.Context, accountID string) ([]*account.Token, error)
	RevokeToken(ctx context.Context, accountID, tokenID string) error
	Version() Version
	FreshserviceBackend
	AppsBackend
}

const maxBody = 1 << 20

// NewHandler serves the API. Who may call it is decided before it.
func NewHandler(b Backend, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	h := &handler{log: log}
	mux.HandleFunc("GET /api/v1/version", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, b.Version()) })
	mux.HandleFunc("GET /api/v1/accounts", func(w http.ResponseWriter, r *http.Request) {
		accounts, err := b.Accounts(r.Context())
		h.answer(w, r, http.StatusOK, list[Account]{accounts}, err)
	})
	mux.HandleFunc("POST /api/v1/accounts", func(w http.ResponseWriter, r *http.Request) {
		withBody(h, w, r, http.StatusCreated, b.AddAccount)
	})
	mux.HandleFunc("GET /api/v1/accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		people, _ := strconv.Atoi(r.URL.Query().Get("people"))
		a, err := b.Account(r.Context(), r.PathValue("id"), people)
		h.answer(w, r, http.StatusOK, a, err)
	})
	mux.HandleFunc("DELETE /api/v1/accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, http.StatusNoContent, nil, b.RemoveAccount(r.Context(), r.PathValue("id")))
	})
	mux.HandleFunc("POST /api/v1/accounts/{id}/check", func(w http.ResponseWriter, r *http.Request) {
		a, err := b.CheckAccount(r.Context(), r.PathValue("id"))
		h.answer(w, r, http.StatusOK, a, err)
	})
	mux.HandleFunc("POST /api/v1/accounts/{id}/rotate-key", func(w http.ResponseWriter, r *http.Request) {
		withBody(h, w, r, http.StatusOK, func(ctx context.Context, k NewKey) (*CheckedAccount, error) {
			return b.RotateKey(ctx, r.PathValue("id"), k)
		})
	})
	mux.HandleFunc("GET /api/v1/accounts/{id}/tokens", func(w http.ResponseWriter, r *http.Request) {
		tokens, err := b.Tokens(r.Context(), r.PathValue("id"))
		h.answer(w, r, http.StatusOK, list[*account.Token]{tokens}, err)
	})
	mux.HandleFunc("POST /api/v1/accounts/{id}/tokens", func(w http.ResponseWriter, r *http.Request) {
		withBody(h, w, r, http.StatusCreated, func(ctx context.Context, n NewToken) (*AddedToken, error) {
			return b.CreateToken(ctx, r.PathValue("id"), n)
		})
	})
	mux.HandleFunc("DELETE /api/v1/accounts/{id}/tokens/{token}", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, http.StatusNoContent, nil, b.RevokeToken(r.Context(), r.PathValue("id"), r.PathValue("token")))
	})
	h.routeFreshservice(mux, b)
	h.routeApps(mux, b)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: "there is nothing at " + r.URL.Path})
	})
	return mux
}

type handler struct{ log *slog.Logger }

// withBody decodes the body into what fn takes, refusing unknown members.
func withBody[In, Out any](h *handler, w http.ResponseWriter, r *http.Request, status int, fn func(context.Context, In) (Out, error)) {
	withBodyUpTo(maxBody, h, w, r, status, fn)
}

// withBodyUpTo is withBody for bodies of another size.
func withBodyUpTo[In, Out any](size int64, h *handler, w http.ResponseWriter, r *http.Request, status int, fn func(context.Context, In) (Out, error)) {
	var in In
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, size))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		writeProblem(w, &Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: "the body is not what was expected: " + err.Error()})
		return
	}
	out, err := fn(r.Context(), in)
	h.answer(w, r, status, out, err)
}

func (h *handler) answer(w http.ResponseWriter, r *http.Request, status int, body any, err error) {
	if err != nil {
		p := problemOf(err)
		if p.Status >= 500 {
			h.log.ErrorContext(r.Context(), "the API could not answer", "method", r.Method, "route", r.Pattern, "error", err)
		}
		writeProblem(w, p)
		return
	}
	reply(w, status, body)
}

func reply(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// problemOf maps the domain's errors to HTTP. It is the one place that does.
func problemOf(err error) *Problem {
	var (
		p        *Problem
		notFound *account.NotFoundError
		exists   *account.ExistsError
		invalid  *account.InvalidError
		noApp    *provision.AppNotFoundError
		sameApp  *provision.AppExistsError
		mapping  *provision.MappingError
		schema   *provision.SchemaError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &notFound):
		return &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: err.Error(), Next: "`lockstep account list` shows the accounts there are."}
	case errors.As(err, &exists):
		return &Problem{Title: "Conflict", Status: http.StatusConflict, Detail: err.Error(), Next: "Choose another name with --name, or remove the account first."}
	case errors.As(err, &invalid):
		return &Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: err.Error()}
	case errors.As(err, &noApp):
		return &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: err.Error(), Next: "`lockstep app list` shows the apps there are."}
	case errors.As(err, &sameApp):
		return &Problem{Title: "Conflict", Status: http.StatusConflict, Detail: err.Error(), Next: "Choose another name, or remove that app first."}
	case errors.As(err, &mapping), errors.As(err, &schema):
		return &Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: err.Error(), Next: "Nothing was changed."}
	case errors.Is(err, context.DeadlineExceeded):
		return &Problem{Title: "Timed out", Status: http.StatusGatewayTimeout, Detail: "it took too long: " + err.Error()}
	default:
		return &Problem{Title: "Internal error", Status: http.StatusInternalServerError, Detail: "an internal error occurred; the server's log says more", Type: "about:blank"}
	}
}

// RequestTimeout bounds one API request: checking a key asks Freshservice.
const RequestTimeout = 60 * time.Second

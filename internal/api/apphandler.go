package api

import (
	"context"
	"net/http"
	"strconv"

	"lockstep/internal/provision"
)

// An AppsBackend carries out what the API asks for about apps.
type AppsBackend interface {
	AddApp(ctx context.Context, n NewApp) (*App, error)
	ListApps(ctx context.Context) ([]App, error)
	ShowApp(ctx context.Context, id string) (*App, error)
	ChangeApp(ctx context.Context, id string, c AppChange) (*App, error)
	RemoveApp(ctx context.Context, id string) error

	AppSchema(ctx context.Context, id string) (*AppSchema, error)
	PutAppSchema(ctx context.Context, id string, s AppSchema) (*AppSchema, error)
	ResetAppSchema(ctx context.Context, id string) (*AppSchema, error)
	SchemaHistory(ctx context.Context, id string) ([]SchemaRevision, error)
	EarlierSchema(ctx context.Context, id string, revision int64) (*AppSchema, error)

	Assignments(ctx context.Context, id string) ([]Assignment, error)
	Assign(ctx context.Context, id string, n NewAssignment) (*Assignment, error)
	Unassign(ctx context.Context, id, principal string) error

	Scope(ctx context.Context, id string) (*Scope, error)
	SetScope(ctx context.Context, id string, n NewScope) (*Scope, error)
	TestScope(ctx context.Context, id string, q ScopeQuestion) (*ScopeAnswer, error)
}

// list is how collections travel.
type list[T any] struct {
	Value []T `json:"value"`
}

func (h *handler) routeApps(mux *http.ServeMux, b AppsBackend) {
	mux.HandleFunc("GET /api/v1/apps", func(w http.ResponseWriter, r *http.Request) {
		apps, err := b.ListApps(r.Context())
		h.answer(w, r, http.StatusOK, list[App]{apps}, err)
	})
	mux.HandleFunc("POST /api/v1/apps", func(w http.ResponseWriter, r *http.Request) {
		withBody(h, w, r, http.StatusCreated, b.AddApp)
	})
	mux.HandleFunc("GET /api/v1/apps/{id}", func(w http.ResponseWriter, r *http.Request) {
		a, err := b.ShowApp(r.Context(), r.PathValue("id"))
		h.answer(w, r, http.StatusOK, a, err)
	})
	mux.HandleFunc("PATCH /api/v1/apps/{id}", func(w http.ResponseWriter, r *http.Request) {
		withBody(h, w, r, http.StatusOK, func(ctx context.Context, c AppChange) (*App, error) {
			return b.ChangeApp(ctx, r.PathValue("id"), c)
		})
	})
	mux.HandleFunc("DELETE /api/v1/apps/{id}", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, http.StatusNoContent, nil, b.RemoveApp(r.Context(), r.PathValue("id")))
	})
	h.routeSchemas(mux, b)
	mux.HandleFunc("GET /api/v1/apps/{id}/assignments", func(w http.ResponseWriter, r *http.Request) {
		as, err := b.Assignments(r.Context(), r.PathValue("id"))
		h.answer(w, r, http.StatusOK, list[Assignment]{as}, err)
	})
	mux.HandleFunc("POST /api/v1/apps/{id}/assignments", func(w http.ResponseWriter, r *http.Request) {
		withBody(h, w, r, http.StatusCreated, func(ctx context.Context, n NewAssignment) (*Assignment, error) {
			return b.Assign(ctx, r.PathValue("id"), n)
		})
	})
	mux.HandleFunc("DELETE /api/v1/apps/{id}/assignments/{principal}", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, http.StatusNoContent, nil, b.Unassign(r.Context(), r.PathValue("id"), r.PathValue("principal")))
	})
	mux.HandleFunc("GET /api/v1/apps/{id}/scope", func(w http.ResponseWriter, r *http.Request) {
		s, err := b.Scope(r.Context(), r.PathValue("id"))
		h.answer(w, r, http.StatusOK, s, err)
	})
	mux.HandleFunc("PUT /api/v1/apps/{id}/scope", func(w http.ResponseWriter, r *http.Request) {
		withBody(h, w, r, http.StatusOK, func(ctx context.Context, n NewScope) (*Scope, error) {
			return b.SetScope(ctx, r.PathValue("id"), n)
		})
	})
	mux.HandleFunc("POST /api/v1/apps/{id}/scope/test", func(w http.ResponseWriter, r *http.Request) {
		withBody(h, w, r, http.StatusOK, func(ctx context.Context, q ScopeQuestion) (*ScopeAnswer, error) {
			return b.TestScope(ctx, r.PathValue("id"), q)
		})
	})
}

func (h *handler) routeSchemas(mux *http.ServeMux, b AppsBackend) {
	mux.HandleFunc("GET /api/v1/apps/{id}/schema", func(w http.ResponseWriter, r *http.Request) {
		s, err := b.AppSchema(r.Context(), r.PathValue("id"))
		h.answer(w, r, http.StatusOK, s, err)
	})
	mux.HandleFunc("PUT /api/v1/apps/{id}/schema", func(w http.ResponseWriter, r *http.Request) {
		withBodyUpTo(provision.MaxSchemaBytes+maxBody, h, w, r, http.StatusOK, func(ctx context.Context, s AppSchema) (*AppSchema, error) {
			return b.PutAppSchema(ctx, r.PathValue("id"), s)
		})
	})
	mux.HandleFunc("POST /api/v1/apps/{id}/schema/reset", func(w http.ResponseWriter, r *http.Request) {
		s, err := b.ResetAppSchema(r.Context(), r.PathValue("id"))
		h.answer(w, r, http.StatusOK, s, err)
	})
	mux.HandleFunc("GET /api/v1/apps/{id}/schemas", func(w http.ResponseWriter, r *http.Request) {
		revisions, err := b.SchemaHistory(r.Context(), r.PathValue("id"))
		h.answer(w, r, http.StatusOK, list[SchemaRevision]{revisions}, err)
	})
	mux.HandleFunc("GET /api/v1/apps/{id}/schemas/{revision}", func(w http.ResponseWriter, r *http.Request) {
		revision, err := strconv.ParseInt(r.PathValue("revision"), 10, 64)
		if err != nil {
			writeProblem(w, &Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: "a revision is a number, not " + strconv.Quote(r.PathValue("revision"))})
			return
		}
		s, err := b.EarlierSchema(r.Context(), r.PathValue("id"), revision)
		h.answer(w, r, http.StatusOK, s, err)
	})
}

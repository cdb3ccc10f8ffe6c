package main

import (
	"encoding/json"
	"net/http"
)

// echo returns the bare server that others are compared with: net/http and
// encoding/json and nothing else. It answers GET with a user that it keeps
// encoded, and what is sent to it with what was sent, decoded and encoded.
func echo() http.Handler {
	user := userBody("echo", 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/scim+json")
		if r.Method == http.MethodGet {
			_, _ = w.Write(user)
			return
		}
		var v map[string]any
		if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		v["id"] = "1"
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(v)
	})
}

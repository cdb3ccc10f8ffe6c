package entra

import (
	"log/slog"
	"net/http"
	"strings"

	"lockstep/internal/graph"
	"lockstep/internal/secret"
)

// A Config says which tenant is read, and as which app. The app's secret or
// certificate is kept apart from it.
type Config struct {
	// TenantID is the directory's ID, or one of its domains.
	TenantID string `json:"tenantId"`
	// ClientID is the application (client) ID of the app registration.
	ClientID string `json:"clientId"`
	// Cloud is global, usgov, usgovdod or china; global when empty.
	Cloud graph.Cloud `json:"cloud,omitempty"`
	// ServicePrincipalID is the object ID of the enterprise application whose
	// assignments count; empty when assignments are kept in lockstep.
	ServicePrincipalID string `json:"servicePrincipalId,omitempty"`
	// LoginURL and GraphURL replace the cloud's hosts, for a proxy or a test.
	LoginURL string `json:"loginUrl,omitempty"`
	GraphURL string `json:"graphUrl,omitempty"`
}

// Client returns a client for the tenant. credential is a client secret, or PEM
// with a certificate and its RSA private key. transport and log may be nil.
func (c Config) Client(credential secret.Text, transport http.RoundTripper, log *slog.Logger) (*graph.Client, error) {
	cloud, err := graph.ParseCloud(string(c.Cloud))
	if err != nil {
		return nil, err
	}
	var h *http.Client
	if transport != nil {
		h = &http.Client{Transport: transport}
	}
	o := graph.CredentialOptions{TenantID: c.TenantID, ClientID: c.ClientID, Cloud: cloud, LoginURL: c.LoginURL, HTTP: h}
	prove := graph.ClientSecretCredential
	if strings.Contains(credential.Reveal(), "-----BEGIN ") {
		prove = graph.ClientCertificateCredential
	}
	tokens, err := prove(o, credential)
	if err != nil {
		return nil, err
	}
	return graph.New(graph.Options{Credential: tokens, Cloud: cloud, BaseURL: c.GraphURL, HTTP: h, Log: log})
}

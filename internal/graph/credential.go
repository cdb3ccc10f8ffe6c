package graph

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // x5t is by definition a SHA-1 thumbprint (RFC 7515 section 4.1.7)
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"

	"lockstep/internal/secret"
)

// CredentialOptions say who asks for tokens, and where.
type CredentialOptions struct {
	// TenantID is the directory's ID or one of its domains.
	TenantID string
	// ClientID is the application (client) ID of the app registration.
	ClientID string
	// Cloud chooses the identity platform; Global when empty.
	Cloud Cloud
	// LoginURL replaces the cloud's identity platform.
	LoginURL string
	// HTTP carries the requests; http.DefaultTransport when nil. Redirects are
	// never followed.
	HTTP *http.Client
}

// A clientCredential gets tokens by the OAuth 2.0 client credentials grant
// (RFC 6749 section 4.4; Microsoft identity platform: get access without a
// user).
type clientCredential struct {
	endpoint string // of tokens
	clientID string
	http     *http.Client
	// prove adds to the form what shows that the caller is the client.
	prove func(form url.Values) error
	// hide are texts that must not be repeated in an error.
	hide []secret.Text
}

func newClientCredential(o CredentialOptions) (*clientCredential, error) {
	for _, x := range []struct{ name, value string }{{"tenant ID", o.TenantID}, {"client ID", o.ClientID}} {
		if x.value == "" || strings.ContainsAny(x.value, "/\\?#% \t\r\n") {
			return nil, fmt.Errorf("%q is no %s: copy it from the app registration's overview page", x.value, x.name)
		}
	}
	root := o.LoginURL
	if root == "" {
		if root = o.Cloud.LoginURL(); root == "" {
			return nil, fmt.Errorf("there is no cloud %q: use global, usgov, usgovdod or china", o.Cloud)
		}
	}
	u, err := parseRoot("the identity platform", root)
	if err != nil {
		return nil, err
	}
	return &clientCredential{
		endpoint: u.JoinPath(o.TenantID, "oauth2", "v2.0", "token").String(),
		clientID: o.ClientID, http: withoutRedirects(o.HTTP),
	}, nil
}

// ClientSecretCredential returns a credential that proves itself by a client
// secret: the secret's value, not its ID.
func ClientSecretCredential(o CredentialOptions, clientSecret secret.Text) (TokenCredential, error) {
	c, err := newClientCredential(o)
	if err != nil {
		return nil, err
	}
	if clientSecret.IsZero() {
		return nil, errors.New("the client secret is missing: create one under Certificates & secrets of the app registration and copy its value")
	}
	c.hide = []secret.Text{clientSecret}
	c.prove = func(form url.Values) error {
		form.Set("client_secret", clientSecret.Reveal())
		return nil
	}
	return c, nil
}

// ClientCertificateCredential returns a credential that proves itself by a
// certificate: PEM with the certificate and its unencrypted RSA private key.
func ClientCertificateCredential(o CredentialOptions, certificate secret.Text) (TokenCredential, error) {
	c, err := newClientCredential(o)
	if err != nil {
		return nil, err
	}
	cert, key, err := parseCertificate([]byte(certificate.Reveal()))
	if err != nil {
		return nil, err
	}
	c.prove = func(form url.Values) error {
		assertion, err := clientAssertion(c.clientID, c.endpoint, cert, key, time.Now())
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		return nil
	}
	return c, nil
}

// parseCertificate finds the private key in PEM and the certificate that it
// belongs to.
func parseCertificate(data []byte) (*x509.Certificate, *rsa.PrivateKey, error) {
	var certs []*x509.Certificate
	var key *rsa.PrivateKey
	for len(data) > 0 {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, nil, errors.New("the certificate in the PEM file cannot be read")
			}
			certs = append(certs, cert)
		case "RSA PRIVATE KEY":
			k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			if err != nil {
				return nil, nil, errors.New("the private key in the PEM file cannot be read: it may be encrypted; give it without a passphrase")
			}
			key = k
		case "PRIVATE KEY":
			k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, nil, errors.New("the private key in the PEM file cannot be read")
			}
			rsaKey, ok := k.(*rsa.PrivateKey)
			if !ok {
				return nil, nil, errors.New("the private key is not an RSA key; the identity platform takes RSA alone")
			}
			key = rsaKey
		case "ENCRYPTED PRIVATE KEY":
			return nil, nil, errors.New("the private key is encrypted; give it without a passphrase")
		}
	}
	switch {
	case key == nil:
		return nil, nil, errors.New("the PEM file holds no private key; put the certificate and its key into one file")
	case len(certs) == 0:
		return nil, nil, errors.New("the PEM file holds no certificate; put the certificate and its key into one file")
	}
	for _, c := range certs {
		if key.PublicKey.Equal(c.PublicKey) {
			return c, key, nil
		}
	}
	return nil, nil, errors.New("the private key does not belong to the certificate in the PEM file")
}

// assertionLife is how long a client assertion is good for: long enough for
// clocks that differ a little.
const assertionLife = 10 * time.Minute

// clientAssertion returns a signed JWT that proves possession of the
// certificate's key (RFC 7523; Microsoft identity platform: certificate
// credentials).
func clientAssertion(clientID, audience string, cert *x509.Certificate, key *rsa.PrivateKey, now time.Time) (string, error) {
	thumbprint := sha1.Sum(cert.Raw) //nolint:gosec // see the import
	thumbprint256 := sha256.Sum256(cert.Raw)
	b64 := base64.RawURLEncoding.EncodeToString
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "x5t": b64(thumbprint[:]), "x5t#S256": b64(thumbprint256[:])})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"aud": audience, "iss": clientID, "sub": clientID, "jti": uuid.NewString(),
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed := b64(header) + "." + b64(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign the client assertion: %w", err)
	}
	return signed + "." + b64(signature), nil
}

// maxTokenAnswer bounds the answer of the token endpoint, in bytes.
const maxTokenAnswer = 1 << 20

// GetToken implements [TokenCredential].
func (c *clientCredential) GetToken(ctx context.Context, o TokenRequestOptions) (AccessToken, error) {
	attempt := func() (AccessToken, error) {
		t, err := c.once(ctx, o.Scopes)
		var ae *AuthenticationError
		if errors.As(err, &ae) && !ae.temporary() {
			return t, backoff.Permanent(err)
		}
		return t, err
	}
	return backoff.Retry(ctx, attempt, backoff.WithMaxTries(4), backoff.WithMaxElapsedTime(time.Minute),
		backoff.WithBackOff(&backoff.ExponentialBackOff{InitialInterval: time.Second, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 10 * time.Second}))
}

func (c *clientCredential) once(ctx context.Context, scopes []string) (AccessToken, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.clientID}, "scope": {strings.Join(scopes, " ")}}
	if err := c.prove(form); err != nil {
		return AccessToken{}, backoff.Permanent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return AccessToken{}, backoff.Permanent(errors.New("the request for a token cannot be made"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	asked := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return AccessToken{}, &ConnectionError{Host: req.URL.Host, Err: unwrapURL(err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer))
	if err != nil {
		return AccessToken{}, &ConnectionError{Host: req.URL.Host, Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return AccessToken{}, c.refused(resp.StatusCode, body)
	}
	var answer struct {
		AccessToken string      `json:"access_token"`
		ExpiresIn   json.Number `json:"expires_in"`
		RefreshIn   json.Number `json:"refresh_in"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.AccessToken == "" {
		return AccessToken{}, &AuthenticationError{Status: resp.StatusCode, Description: "the token endpoint answered 200 without a token; is a proxy in between?"}
	}
	t := AccessToken{Token: secret.NewText(answer.AccessToken), ExpiresOn: asked.Add(seconds(answer.ExpiresIn, time.Hour))}
	if s := seconds(answer.RefreshIn, 0); s > 0 {
		t.RefreshOn = asked.Add(s)
	}
	return t, nil
}

func seconds(n json.Number, otherwise time.Duration) time.Duration {
	s, err := n.Int64()
	if err != nil || s <= 0 || s > 1e8 {
		return otherwise
	}
	return time.Duration(s) * time.Second
}

func (c *clientCredential) refused(status int, body []byte) error {
	var answer struct {
		Code          string `json:"error"`
		Description   string `json:"error_description"`
		ErrorCodes    []int  `json:"error_codes"`
		CorrelationID string `json:"correlation_id"`
		TraceID       string `json:"trace_id"`
	}
	_ = json.Unmarshal(body, &answer) // a proxy's page leaves it empty, and then the status must do
	e := &AuthenticationError{
		Status: status, Code: answer.Code, CorrelationID: answer.CorrelationID, TraceID: answer.TraceID,
		Description: clean(answer.Description, c.hide...),
	}
	if len(answer.ErrorCodes) > 0 {
		e.AADSTS = answer.ErrorCodes[0]
	}
	return e
}

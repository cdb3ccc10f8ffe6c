package graphtest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // x5t is by definition a SHA-1 thumbprint
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// token answers the token endpoint of the identity platform.
func (g *Graph) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status, number int, code, text string) {
		g.answer(w, status, map[string]any{
			"error": code, "error_description": fmt.Sprintf("AADSTS%d: %s", number, text), "error_codes": []int{number},
			"timestamp": "2026-05-04 08:40:01Z", "trace_id": "trace", "correlation_id": "correlation",
		})
	}
	if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
		refuse(http.StatusBadRequest, 900144, "invalid_request", "The request body must contain the parameter 'grant_type'.")
		return
	}
	f := r.PostForm
	switch {
	case !strings.HasPrefix(r.URL.Path, "/"+g.Tenant+"/"):
		refuse(http.StatusBadRequest, 90002, "invalid_request", "Tenant not found.")
		return
	case f.Get("grant_type") != "client_credentials" || !strings.HasSuffix(f.Get("scope"), "/.default"):
		refuse(http.StatusBadRequest, 1002012, "invalid_scope", "The provided value for scope is not valid.")
		return
	case f.Get("client_id") != g.ClientID:
		refuse(http.StatusBadRequest, 700016, "unauthorized_client", "Application was not found in the directory.")
		return
	case f.Has("client_assertion"):
		if err := g.checkAssertion(f.Get("client_assertion"), "://"+r.Host+r.URL.Path); err != nil {
			refuse(http.StatusUnauthorized, 700027, "invalid_client", err.Error())
			return
		}
	case f.Get("client_secret") != g.ClientSecret:
		// The platform does not repeat the secret; the fake does, to show that we do not pass it on.
		refuse(http.StatusUnauthorized, 7000215, "invalid_client", "Invalid client secret provided: "+f.Get("client_secret"))
		return
	}
	g.seq++
	token := fmt.Sprintf("bearer-%d-of-the-fake", g.seq)
	g.tokens[token] = time.Now().Add(g.TokenLife)
	g.answer(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": int(g.TokenLife.Seconds()), "access_token": token})
}

// checkAssertion verifies a client assertion as the identity platform does.
func (g *Graph) checkAssertion(jwt, audience string) error {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return errors.New("not a JWT")
	}
	var header struct{ Alg, Typ, X5t string }
	var claims struct {
		Aud, Iss, Sub, Jti string
		Nbf, Exp           int64
	}
	for i, into := range []any{&header, &claims} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, into); err != nil {
			return err
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	now := time.Now().Unix()
	if header.Alg != "RS256" || claims.Iss != g.ClientID || claims.Sub != g.ClientID || claims.Jti == "" ||
		!strings.HasSuffix(claims.Aud, audience) || now < claims.Nbf || now > claims.Exp {
		return errors.New("the claims do not hold")
	}
	for _, data := range g.Certificates {
		block, _ := pem.Decode(data)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		thumbprint := sha1.Sum(cert.Raw) //nolint:gosec // see the import
		if base64.RawURLEncoding.EncodeToString(thumbprint[:]) != header.X5t {
			continue
		}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		return rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature)
	}
	return errors.New("the certificate is not registered")
}

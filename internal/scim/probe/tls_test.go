package probe_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/scim/probe"
)

// An authority issues certificates by an intermediate.
type authority struct {
	roots        *x509.CertPool
	intermediate *x509.Certificate
	key          *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	rootKey, key := ecKey(t), ecKey(t)
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * 365 * time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
	}
	root := sign(t, ca("Test Root"), ca("Test Root"), &rootKey.PublicKey, rootKey)
	a := &authority{roots: x509.NewCertPool(), key: key}
	a.roots.AddCert(root)
	a.intermediate = sign(t, ca("Test Intermediate"), root, &key.PublicKey, rootKey)
	return a
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t *testing.T, template, parent *x509.Certificate, public, key any) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issue returns a certificate for 127.0.0.1 with its chain.
func (a *authority) issue(t *testing.T, public, private any, until time.Time) tls.Certificate {
	t.Helper()
	leaf := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "scim"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.intermediate, public, a.key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw, a.intermediate.Raw}, PrivateKey: private}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	key := ecKey(t)
	good := a.issue(t, &key.PublicKey, key, time.Now().Add(90*24*time.Hour))
	weak, err := rsa.GenerateKey(rand.Reader, 1024) // #nosec G403 -- it is to be found
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		conf *tls.Config
		want []string
	}{
		{name: "good", conf: &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS12}},
		{name: "TLS 1.3 only", conf: &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS13}, want: []string{"tls-1-2"}},
		{name: "TLS 1.0", conf: &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10}, want: []string{"tls-obsolete"}},
		{
			name: "no intermediate", want: []string{"reach", "tls-chain"},
			conf: &tls.Config{Certificates: []tls.Certificate{{Certificate: good.Certificate[:1], PrivateKey: key}}, MinVersion: tls.VersionTLS12},
		},
		{
			name: "short key", want: []string{"tls-key"},
			conf: &tls.Config{Certificates: []tls.Certificate{a.issue(t, &weak.PublicKey, weak, time.Now().Add(90*24*time.Hour))}, MinVersion: tls.VersionTLS12},
		},
		{
			name: "expired", want: []string{"reach", "tls-chain", "tls-expiry"},
			conf: &tls.Config{Certificates: []tls.Certificate{a.issue(t, &key.PublicKey, key, time.Now().Add(-time.Minute))}, MinVersion: tls.VersionTLS12},
		},
		{
			name: "expires within a month", want: []string{"tls-expiry"},
			conf: &tls.Config{Certificates: []tls.Certificate{a.issue(t, &key.PublicKey, key, time.Now().Add(20*24*time.Hour))}, MinVersion: tls.VersionTLS12},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewUnstartedServer(ours(seeded(t)))
			srv.TLS = tt.conf
			srv.Config.ErrorLog = discard()
			srv.StartTLS()
			defer srv.Close()
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.roots, MinVersion: tls.VersionTLS12}}}
			defer client.CloseIdleConnections()
			r := run(t, probe.Options{BaseURL: srv.URL + "/scim/v2", Token: token, HTTP: client, ReadOnly: true})
			var got []string
			for _, c := range r.Checks {
				if c.Outcome == probe.Fail || c.Outcome == probe.Warn {
					got = append(got, c.ID)
					t.Logf("%s %s: %s", c.Outcome, c.ID, c.Detail)
				}
				// A handshake that fails says so at the TLS checks, too.
				if c.ID == "tls-key" && c.Outcome == probe.Skip && !strings.Contains(c.Detail, "tls-1-2") {
					t.Errorf("tls-key was skipped: %s", c.Detail)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("checks that did not pass (-want +got):\n%s", diff)
			}
		})
	}
}

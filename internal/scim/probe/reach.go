package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"time"
)

var reachSections = []section{
	{name: "Reachability", checks: []check{
		{
			id: "reach", title: "The endpoint answers at this URL",
			expect: "an answer to GET /Users that is neither a redirect, nor a missing page, nor a web page",
			breaks: anyClient, refs: "RFC 7644 section 3.2; CONN-01; CONN-08; CONN-10",
			run: reach,
		},
	}},
	{name: "TLS", when: isHTTPS, checks: []check{
		{
			id: "tls-1-2", title: "TLS 1.2 with one of Entra ID's cipher suites is offered",
			expect: "a handshake with TLS 1.2 and an ECDHE suite with AES-GCM or AES-CBC",
			breaks: entra, refs: "RFC 7644 section 7.1; CONN-04",
			run: tls12,
		},
		{
			id: "tls-obsolete", title: "TLS 1.0 and 1.1 are refused",
			expect: "no handshake below TLS 1.2",
			breaks: anyClient, refs: "RFC 8996 section 2; CONN-04",
			run: func(t *trial) {
				conn, err := t.handshake(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true}) // #nosec G402 -- it is to be refused
				if err == nil {
					t.warn("the endpoint still accepts %s, which is deprecated", tls.VersionName(conn.Version))
				}
			},
		},
		{
			id: "tls-chain", title: "The certificate is valid for the host and comes with its chain", need: "tls-1-2",
			expect: "a certificate for the host that leads to a trusted root by the intermediates that the endpoint sends",
			breaks: anyClient, refs: "RFC 5280 section 6; CONN-03; CONN-05",
			run: func(t *trial) {
				if _, err := t.handshake(&tls.Config{MinVersion: tls.VersionTLS12}); err != nil {
					t.fail("%v; send the full chain, leaf first, of a certificate for %s from a public authority", err, t.url.Hostname())
				}
			},
		},
		{
			id: "tls-key", title: "The certificate's key is long enough", need: "tls-1-2",
			expect: "RSA of 2048 bits or more, or an elliptic curve of 256 bits or more",
			breaks: entra, refs: "CONN-06",
			run: tlsKey,
		},
		{
			id: "tls-expiry", title: "The certificate is not about to expire", need: "tls-1-2",
			expect: "more than 30 days until the certificate expires",
			breaks: anyClient, refs: "CONN-06",
			run: func(t *trial) {
				left := time.Until(t.leaf().NotAfter)
				days := int(left.Hours() / 24)
				switch {
				case left <= 0:
					t.fail("the certificate expired on %s", t.leaf().NotAfter.Format(time.DateOnly))
				case days < 7:
					t.fail("the certificate expires in %s", count(days, "day"))
				case days < 30:
					t.warn("the certificate expires in %d days", days)
				}
			},
		},
	}},
}

// urlSections are about what becomes of a Tenant URL on its way.
var urlSections = []section{{name: "Tenant URL", need: "token-accepted", checks: []check{
	{
		id: "double-slash", title: "A Tenant URL that ends in a slash works",
		expect: "the same answer to //Users as to /Users, without a redirect",
		breaks: entra, refs: "CONN-01; CONN-10",
		run: func(t *trial) { t.get("//Users", "count", "1").is(200).resources() },
	},
	{
		id: "trailing-slash", title: "A trailing slash after /Users is tolerated",
		expect: "the same answer to /Users/ as to /Users, without a redirect",
		breaks: anyClient, refs: "CONN-10",
		run: func(t *trial) { t.get("/Users/", "count", "1").is(200).resources() },
	},
	{
		id: "feature-flag", title: "Entra ID's feature flag in the Tenant URL does no harm",
		expect: "200 when the query holds aadOptscim062020",
		breaks: entra, refs: "CONN-02",
		run: func(t *trial) {
			t.send(request{method: http.MethodGet, path: "/Users", query: "aadOptscim062020&count=1"}).is(200).resources()
		},
	},
}}}

func isHTTPS(s *session) string {
	if s.url.Scheme != "https" {
		return "the URL is not https"
	}
	return ""
}

func reach(t *trial) {
	a := t.get("/Users", "count", "1")
	switch {
	case a.status/100 == 3:
		t.fail("the endpoint redirects (%s); enter the final URL, because a client does not repeat its body after a redirect", a.summary())
	case a.status == http.StatusNotFound:
		t.fail("GET /Users answered 404%s; check the path of the URL", t.suggestion())
	case strings.Contains(a.mediaType(), "html"):
		t.fail("a web page came (status %d, server %q): a sign-in page, a firewall or a wrong path; exempt the SCIM path or correct the URL", a.status, a.header.Get("Server"))
	case a.status >= 500:
		t.fail("GET /Users answered %s", a.summary())
	}
}

// suggestion looks for the endpoint at the paths that are mistaken for one
// another most often.
func (t *trial) suggestion() string {
	path := strings.TrimRight(t.url.EscapedPath(), "/")
	candidates := []string{path + "/scim/v2", path + "/scim", path + "/v2"}
	for _, suffix := range []string{"/Users", "/v2", "/scim/v2", "/scim"} {
		if cut, ok := strings.CutSuffix(path, suffix); ok {
			candidates = append(candidates, cut)
		}
	}
	for _, c := range candidates {
		base := t.url.Scheme + "://" + t.url.Host + c
		a, err := t.once(t.ctx, request{method: http.MethodGet, base: base, path: "/Users", query: "count=1"})
		if err == nil && a.status == http.StatusOK && a.object != nil {
			return ", but " + base + "/Users answers"
		}
	}
	return ""
}

// entraSuites are the cipher suites that Entra ID offers for TLS 1.2, as far
// as they are known here: TLS_ECDHE_*_WITH_AES_256_CBC_SHA384 is not.
var entraSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
}

func tls12(t *trial) {
	_, err := t.handshake(&tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: entraSuites, InsecureSkipVerify: true, // #nosec G402 -- the certificate has a check of its own
	})
	if err != nil {
		t.fail("%v; offer TLS 1.2 with ECDHE and AES-GCM beside TLS 1.3", err)
	}
}

func tlsKey(t *trial) {
	switch key := t.leaf().PublicKey.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < 2048 {
			t.fail("the certificate has an RSA key of %d bits", n)
		}
	case *ecdsa.PublicKey:
		if n := key.Curve.Params().BitSize; n < 256 {
			t.fail("the certificate has an elliptic curve key of %d bits", n)
		}
	default:
		t.warn("the certificate has a key of a kind (%s) that Entra ID does not name", t.leaf().PublicKeyAlgorithm)
	}
}

// handshake connects with the given configuration, completed by whom the
// session's client trusts.
func (t *trial) handshake(c *tls.Config) (tls.ConnectionState, error) {
	c.ServerName = t.url.Hostname()
	if tr, ok := t.client.Transport.(*http.Transport); ok && tr.TLSClientConfig != nil {
		c.RootCAs = tr.TLSClientConfig.RootCAs
		if tr.TLSClientConfig.ServerName != "" {
			c.ServerName = tr.TLSClientConfig.ServerName
		}
	}
	port := t.url.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(t.ctx, t.o.Timeout)
	defer cancel()
	d := tls.Dialer{Config: c}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(t.url.Hostname(), port))
	if err != nil {
		return tls.ConnectionState{}, err
	}
	state := conn.(*tls.Conn).ConnectionState()
	return state, conn.Close()
}

// leaf returns the endpoint's certificate, whatever it is worth.
func (t *trial) leaf() *x509.Certificate {
	state, err := t.handshake(&tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}) // #nosec G402 -- it is what is looked at
	if err != nil {
		t.fail("%v", err)
	}
	return state.PeerCertificates[0]
}

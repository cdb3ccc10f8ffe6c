package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode/utf8"

	"lockstep/internal/scim"
)

// maxDetail bounds what is repeated of an endpoint's own words, in bytes.
const maxDetail = 600

// lost makes the error for a request that got no answer. A write that may have
// reached the endpoint is of unknown outcome; everything else has not happened.
func (c *Client) lost(ctx context.Context, k *call, err error, sent bool) error {
	// The error of http.Client repeats the URL with its query, in which there
	// are people's names.
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if ctx.Err() != nil && !(k.writes() && sent) {
		return ctx.Err()
	}
	e := &scim.Error{Type: scim.Unavailable, Detail: c.explain(err), Err: err}
	if k.writes() && sent {
		e.Type = scim.GatewayTimeout
		e.Detail = fmt.Sprintf("no answer came to %s, so it is unknown whether it was carried out: %s", k, e.Detail)
	}
	return e
}

// explain says what went wrong on the way to the endpoint, and what to do.
func (c *Client) explain(err error) string {
	host := c.base.Host
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		netErr    net.Error
	)
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the host %q is not known: check the URL for a typing error, or the name server", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%s refuses the connection: is the service running, and is this its port?", host)
	case errors.As(err, &authority):
		return fmt.Sprintf("%s shows a certificate from an authority that this machine does not trust: install that authority, or have the server send its whole chain", host)
	case errors.As(err, &hostname):
		return fmt.Sprintf("the certificate of %s is for another name: use the name that it is for in the URL", host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s has expired or is not yet valid: renew it, or check this machine's clock", host)
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate of %s is not valid: %v", host, invalid)
	case errors.As(err, &record):
		return fmt.Sprintf("%s does not speak TLS on this port: use http:// or another port", host)
	case errors.As(err, &alert):
		return fmt.Sprintf("%s ended the TLS handshake (%v): it may ask for a client certificate or another version of TLS", host, alert)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Sprintf("%s does not speak TLS on this port: use http:// or another port", host)
	case strings.Contains(err.Error(), "malformed HTTP response"):
		return fmt.Sprintf("%s does not answer in HTTP on this port: it may want https://", host)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return fmt.Sprintf("%s did not answer within %s", host, c.timeout)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Sprintf("%s broke the connection off", host)
	default:
		return fmt.Sprintf("the connection to %s failed: %s", host, c.clean(err.Error()))
	}
}

// refused rebuilds the error that an answer outside 2xx stands for.
func (c *Client) refused(k *call, a *answer) error {
	e := &scim.Error{RetryAfter: retryAfter(a.header)}
	detail, scimType, known := readError(a.body)
	e.Type = scim.TypeForStatus(a.status, scimType)
	detail = c.clean(detail)
	switch {
	case a.status/100 == 3:
		e.Type = scim.BadGateway
		e.Detail = "the endpoint redirects to " + redirectTarget(a.header) + "; put the address that it means into the URL"
		return e
	case detail == "" && isHTML(a):
		detail = "it answered with an HTML page"
	}
	switch a.status {
	case http.StatusUnauthorized:
		e.Detail = join("the endpoint rejects the token: it is wrong, expired or revoked; enter a new one", detail)
	case http.StatusForbidden:
		e.Detail = join("the endpoint knows the token and forbids the request: its owner lacks the permission", detail)
	case http.StatusNotFound:
		e.Detail = detail
		if k.id == "" {
			e.Detail = join(fmt.Sprintf("there is nothing at %s%s: check the URL, which usually ends in /scim or /scim/v2", c.base.Redacted(), k.path), detail)
		} else if detail == "" || !known {
			e.Detail = join("the endpoint has no such resource", detail)
		}
	default:
		if detail == "" {
			detail = "no reason given"
		}
		e.Detail = fmt.Sprintf("%s was answered with %d: %s", k, a.status, detail)
	}
	if a.status == http.StatusBadGateway && !known && k.writes() {
		// A proxy says that what is behind it fell silent, perhaps half-way.
		e.Type = scim.GatewayTimeout
	}
	return e
}

func join(s, detail string) string {
	if detail == "" {
		return s
	}
	return s + " (" + detail + ")"
}

func redirectTarget(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.String() == "" {
		return "another address"
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted()
}

// readError takes the reason out of an error body. known says that it is a SCIM
// error (RFC 7644 section 3.12); other services say "message" or "error".
func readError(body []byte) (detail, scimType string, known bool) {
	o, err := scim.ParseObject(body)
	if err != nil {
		return "", "", false
	}
	if d := o.Text("detail"); d != "" || o.Text("scimType") != "" || isError(o) {
		return d, o.Text("scimType"), true
	}
	// Some wrap the error into a list of errors, as SCIM 1.1 did.
	if list := o.Elements("Errors"); len(list) > 0 {
		if first, ok := list[0].(*scim.Object); ok {
			if s := first.Text("description"); s != "" {
				return s, "", true
			}
			o = first
		}
	}
	for _, name := range []string{"message", "error_description", "description", "error", "title"} {
		if s := o.Text(name); s != "" {
			return s, "", false
		}
		if child := o.Child(name); child != nil && child.Text("message") != "" {
			return child.Text("message"), "", false
		}
	}
	return "", "", false
}

func isError(o *scim.Object) bool {
	for _, s := range o.Elements("schemas") {
		if t, ok := s.(string); ok && strings.EqualFold(t, scim.URNError) {
			return true
		}
	}
	return false
}

func isHTML(a *answer) bool {
	if strings.Contains(strings.ToLower(a.header.Get("Content-Type")), "html") {
		return true
	}
	head := strings.ToLower(strings.TrimSpace(string(a.body[:min(len(a.body), 256)])))
	return strings.HasPrefix(head, "<!doctype html") || strings.HasPrefix(head, "<html")
}

// clean makes an endpoint's words fit for an error: short, in one line, without
// the token, which some repeat.
func (c *Client) clean(s string) string {
	if t := c.token.Reveal(); t != "" {
		s = strings.ReplaceAll(s, t, "[token]")
		if quoted, err := json.Marshal(t); err == nil {
			s = strings.ReplaceAll(s, strings.Trim(string(quoted), `"`), "[token]")
		}
	}
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxDetail {
		n := maxDetail
		for !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + "…"
	}
	return s
}

// unusable is the error for an answer of status 2xx that cannot be used.
func (c *Client) unusable(k *call, a *answer, why string) *scim.Error {
	if isHTML(a) {
		why = "an HTML page, as a sign-in page or a proxy gives; check the URL, which usually ends in /scim or /scim/v2"
	}
	return scim.Errorf(scim.BadGateway, "%s was answered with %d and %s", k, a.status, c.clean(why))
}

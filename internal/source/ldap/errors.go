package ldap

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	ldapv3 "github.com/go-ldap/ldap/v3"
)

// A Step is what was being done when something went wrong.
type Step string

// The steps of reading a directory.
const (
	StepConnect Step = "connect"
	StepTLS     Step = "TLS"
	StepBind    Step = "bind"
	StepBase    Step = "base DN"
	StepSearch  Step = "search"
)

// An Error says which directory failed at which step, what was found and what
// to do. It wraps the library's error, which has the LDAP result code.
type Error struct {
	// Server is the address as configured.
	Server string
	Step   Step
	// Advice is what to do.
	Advice string
	Err    error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s: %v", e.Server, e.Step, e.Err)
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// fail makes an Error, unless err says that the caller gave up.
func (s *Source) fail(ctx context.Context, step Step, err error) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &known):
		return err
	}
	return &Error{Server: s.label(), Step: step, Advice: advice(err), Err: brief(err)}
}

// A briefError is a library's error in fewer words.
type briefError struct {
	text string
	err  error
}

func (e *briefError) Error() string { return e.text }
func (e *briefError) Unwrap() error { return e.err }

// brief leaves out what a result code says twice.
func brief(err error) error {
	var e *ldapv3.Error
	if !errors.As(err, &e) || e.ResultCode >= ldapv3.ErrorNetwork {
		return err
	}
	text := fmt.Sprintf("%s (LDAP result %d)", ldapv3.LDAPResultCodeMap[e.ResultCode], e.ResultCode)
	if e.Err != nil && e.Err.Error() != "" {
		text += fmt.Sprintf(", %q", strings.TrimSpace(strings.Trim(e.Err.Error(), "\x00")))
	}
	return &briefError{text, err}
}

// advice says what to do about err.
func advice(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		dns       *net.DNSError
	)
	switch {
	case errors.As(err, &dns):
		return "check the host in url"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: check host and port, and whether the directory runs"
	case errors.As(err, &authority):
		return "the server's certificate comes from an authority that is not trusted here: give its certificate as caFile"
	case errors.As(err, &host):
		return "the server's certificate is for another name: use that name in url"
	case errors.As(err, &invalid):
		return "the server's certificate is not valid: renew it, and check the clocks of both machines"
	}
	var e *ldapv3.Error
	if !errors.As(err, &e) {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return "no answer in time: check host, port and firewall, or raise timeoutSeconds"
		}
		return resultAdvice[ldapv3.ErrorNetwork]
	}
	if e.ResultCode == ldapv3.LDAPResultInvalidCredentials {
		return badCredentials(e)
	}
	return resultAdvice[e.ResultCode]
}

var resultAdvice = map[uint16]string{
	ldapv3.LDAPResultOperationsError:              "Active Directory answers so to anonymous searches: set bindDN and the password",
	ldapv3.LDAPResultTimeLimitExceeded:            "the server's time limit is too low for this search: raise it for bindDN, index what userFilter and groupFilter use, or lower pageSize",
	ldapv3.LDAPResultSizeLimitExceeded:            "the server's size limit is lower than the number of entries: raise it for bindDN (OpenLDAP: limits dn.exact=\"BINDDN\" size=unlimited)",
	ldapv3.LDAPResultAdminLimitExceeded:           "the server's limits are too low for this search: raise them for bindDN, and index what userFilter and groupFilter use",
	ldapv3.LDAPResultStrongAuthRequired:           "the server wants the connection to be signed or encrypted: use ldaps:// or set startTLS",
	ldapv3.LDAPResultConfidentialityRequired:      "the server wants the connection to be encrypted: use ldaps:// or set startTLS",
	ldapv3.LDAPResultReferral:                     "another server has this part of the tree: use that server's address as url",
	ldapv3.LDAPResultNoSuchObject:                 "there is no such entry, or bindDN may not see it: check baseDN and the rights of bindDN",
	ldapv3.LDAPResultInvalidDNSyntax:              "check the distinguished names in bindDN and baseDN",
	ldapv3.LDAPResultInappropriateAuthentication:  "the server does not take this kind of bind: check bindDN and the password",
	ldapv3.LDAPResultInsufficientAccessRights:     "give bindDN the right to read and search below baseDN",
	ldapv3.LDAPResultBusy:                         "the server is busy: it is asked again with the next cycle",
	ldapv3.LDAPResultUnavailable:                  "the server is shutting down or not ready: it is asked again with the next cycle",
	ldapv3.LDAPResultUnwillingToPerform:           "the server refuses this: its own log says why",
	ldapv3.LDAPResultUnavailableCriticalExtension: "the server does not know something that was asked for: set changes to timestamp",
	ldapv3.LDAPResultProtocolError:                "the server did not understand: check that url leads to an LDAP server, and whether it supports startTLS if that is set",
	ldapv3.ErrorNetwork:                           "the connection was lost: check the server and what is in between; time-outs of firewalls and load balancers are usual causes",
}

// badCredentials reads why Active Directory refused a bind from the "data" of
// its diagnostic message (Win32 error codes in hexadecimal).
func badCredentials(e *ldapv3.Error) string {
	if e.Err != nil {
		if _, data, ok := strings.Cut(e.Err.Error(), ", data "); ok {
			code, _, _ := strings.Cut(data, ",")
			if why, ok := bindRefusals[strings.ToLower(code)]; ok {
				return why
			}
		}
	}
	return "bindDN or password is wrong"
}

var bindRefusals = map[string]string{
	"525": "there is no such user: check bindDN",
	"52e": "the password is wrong, or bindDN is misspelled",
	"530": "this account may not sign in at this time: change its logon hours",
	"531": "this account may not sign in from this machine: change where it may log on",
	"532": "the account's password has expired: set a new one that does not expire",
	"533": "the account is disabled: enable it",
	"701": "the account has expired: extend it",
	"773": "the account must change its password first: clear that flag",
	"775": "the account is locked: unlock it, and look for who uses an old password",
}

// isLost reports whether err means that the connection is gone or the server
// will be back soon, so that asking again makes sense.
func isLost(err error) bool {
	var e *ldapv3.Error
	if errors.As(err, &e) && e.ResultCode < ldapv3.ErrorNetwork {
		return isCode(err, ldapv3.LDAPResultBusy, ldapv3.LDAPResultUnavailable, ldapv3.LDAPResultServerDown)
	}
	return err != nil
}

func isCode(err error, codes ...uint16) bool { return ldapv3.IsErrorAnyOf(err, codes...) }

package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/provision"
	"lockstep/internal/secret"
	"lockstep/internal/source/attribute"
)

// A Config is what is stored of an LDAP source. It holds no secret.
type Config struct {
	// URL is ldap://HOST[:PORT], ldaps://HOST[:PORT] or ldapi://SOCKET with the
	// path of the socket percent-encoded.
	URL string `json:"url"`
	// StartTLS turns an ldap:// connection into an encrypted one before anything
	// else is said (RFC 4511 section 4.14).
	StartTLS bool `json:"startTLS,omitempty"`
	// CAFile has the certificates, in PEM, of the authorities to trust instead
	// of the system's.
	CAFile string `json:"caFile,omitempty"`
	// AllowPlaintextPassword lets the password go unencrypted to another machine.
	AllowPlaintextPassword bool `json:"allowPlaintextPassword,omitempty"`
	// BindDN is who to bind as: a distinguished name, or with Active Directory
	// also a user principal name. Empty binds anonymously.
	BindDN string `json:"bindDN,omitempty"`
	// BaseDN is the entry below which people and groups are; empty takes the
	// server's own, if it has just one.
	BaseDN string `json:"baseDN,omitempty"`
	// UserFilter and GroupFilter (RFC 4515) select the entries that are people
	// and groups. Empty takes every person and every group; the GroupFilter
	// "none" leaves groups out.
	UserFilter  string `json:"userFilter,omitempty"`
	GroupFilter string `json:"groupFilter,omitempty"`
	// Attributes says for names of source attributes from which LDAP attribute
	// they come, where that is another than usual: {"employeeId": "uid"}.
	Attributes map[string]string `json:"attributes,omitempty"`
	// Select names the LDAP attributes to read; empty reads all of them. Those
	// that are needed anyway are always read. It spares reading photographs.
	Select []string `json:"select,omitempty"`
	// PageSize is how many entries to ask for at a time, 500 if 0. Active
	// Directory gives no more than 1,000.
	PageSize int `json:"pageSize,omitempty"`
	// TimeoutSeconds is how long to wait for a connection and for each page of
	// an answer, 30 if 0.
	TimeoutSeconds int `json:"timeoutSeconds,omitempty"`
	// Changes is how changes are found; empty takes the best way there is.
	Changes Method `json:"changes,omitempty"`
}

// NoGroups as [Config.GroupFilter] leaves groups out.
const NoGroups = "none"

// A Method is a way of finding out what changed.
type Method string

// The ways of finding out what changed.
const (
	// Auto takes the first of the others that the server offers.
	Auto Method = ""
	// DirSync asks Active Directory with its DirSync control.
	DirSync Method = "dirsync"
	// USN asks Active Directory for higher values of uSNChanged.
	USN Method = "usn"
	// CSN asks for higher values of entryCSN when contextCSN has moved.
	CSN Method = "csn"
	// Timestamp asks for later values of modifyTimestamp.
	Timestamp Method = "timestamp"
	// Full reads everything each time.
	Full Method = "full"
)

// Options are a [Config] and what goes with it.
type Options struct {
	Config
	// Password belongs to BindDN.
	Password secret.Text
	// Known yields the objects that the reader of the source remembers
	// ([provision.Ledger.Staged]). Those of them that are no longer there are
	// reported as removed. Without Known every read is a full one.
	Known func(context.Context) iter.Seq2[provision.StagedObject, error]
}

// A Source is one directory. It holds no connection between calls and is safe
// for concurrent use.
type Source struct {
	config  Config
	address *url.URL
	secret  secret.Text
	known   func(context.Context) iter.Seq2[provision.StagedObject, error]
	timeout time.Duration
	// backoff is how long to wait before the first reconnection; then twice as
	// long each time.
	backoff time.Duration
	// managerFrom and overrides are Config.Attributes with LDAP names in lower case.
	managerFrom string
	overrides   map[string]string
	overridden  map[string]bool // the LDAP attributes that overrides names
}

var _ provision.Source = (*Source)(nil)

// New returns the source that o describes. It talks to nobody; [Source.Check]
// does.
func New(o Options) (*Source, error) {
	c := o.Config
	u, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	switch {
	case c.StartTLS && u.Scheme != "ldap":
		return nil, fmt.Errorf("startTLS goes with ldap:// only: %s:// is not in need of it; leave startTLS out", u.Scheme)
	case !o.Password.IsZero() && c.BindDN == "":
		return nil, errors.New("a password is given but not whose it is: set bindDN")
	case c.BindDN != "" && o.Password.IsZero():
		// RFC 4513 section 5.1.2: servers take this for an anonymous bind.
		return nil, fmt.Errorf("the password of %q is missing: give it, or leave bindDN out to bind anonymously", c.BindDN)
	case c.BindDN != "" && u.Scheme == "ldap" && !c.StartTLS && !c.AllowPlaintextPassword && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("the password would go to %s unencrypted: use ldaps://, set startTLS, or set allowPlaintextPassword if the network in between is trusted", u.Hostname())
	case c.PageSize < 0 || c.TimeoutSeconds < 0:
		return nil, errors.New("pageSize and timeoutSeconds cannot be negative")
	}
	if c.BaseDN != "" {
		if _, ok := attribute.NormalDN(c.BaseDN); !ok {
			return nil, fmt.Errorf("baseDN %q is not a distinguished name, such as ou=people,dc=example,dc=com", c.BaseDN)
		}
	}
	for _, f := range []struct{ name, filter string }{{"userFilter", c.UserFilter}, {"groupFilter", c.GroupFilter}} {
		if f.filter == "" || f.name == "groupFilter" && f.filter == NoGroups {
			continue
		}
		if _, err := ldapv3.CompileFilter(f.filter); err != nil {
			return nil, fmt.Errorf("%s %q is not a filter, such as (objectClass=person): %w", f.name, f.filter, err)
		}
	}
	methods := []Method{Auto, DirSync, USN, CSN, Timestamp, Full}
	if !slices.Contains(methods, c.Changes) {
		return nil, fmt.Errorf("changes %q is not known: use dirsync, usn, csn, timestamp or full, or leave it out", c.Changes)
	}
	s := &Source{
		config: c, address: u, secret: o.Password, known: o.Known, managerFrom: "manager",
		timeout:   cmp.Or(time.Duration(c.TimeoutSeconds)*time.Second, 30*time.Second),
		backoff:   500 * time.Millisecond,
		overrides: map[string]string{}, overridden: map[string]bool{},
	}
	s.config.PageSize = cmp.Or(c.PageSize, 500)
	for name, from := range c.Attributes {
		lower := strings.ToLower(from)
		switch {
		case name == "" || !isAttributeName(from):
			return nil, fmt.Errorf("attributes: %q from %q: both must be names of attributes", name, from)
		case name == "id" || name == "objectId" || name == "members":
			return nil, fmt.Errorf("attributes: %s cannot come from another attribute", name)
		case attribute.IsSecret(lower):
			return nil, fmt.Errorf("attributes: %s holds passwords and is never read", from)
		case name == "manager":
			s.managerFrom = lower
		default:
			s.overrides[name], s.overridden[lower] = lower, true
		}
	}
	for _, name := range c.Select {
		if !isAttributeName(name) {
			return nil, fmt.Errorf("select: %q is not the name of an attribute", name)
		}
	}
	return s, nil
}

func parseURL(s string) (*url.URL, error) {
	if rest, ok := strings.CutPrefix(s, "ldapi://"); ok {
		path, err := url.PathUnescape(rest)
		if err != nil || path == "" {
			return nil, fmt.Errorf("url %q: ldapi:// is followed by the path of a socket, percent-encoded: ldapi://%%2Frun%%2Fslapd%%2Fldapi", s)
		}
		return &url.URL{Scheme: "ldapi", Path: path}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme != "ldap" && u.Scheme != "ldaps" {
		return nil, fmt.Errorf("url %q: must be ldaps://HOST, ldap://HOST or ldapi://SOCKET, with :PORT if it is not the usual one", shorten(s))
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("url of %s: has more than scheme, host and port: base, filter and credentials have settings of their own", u.Hostname())
	}
	u.Path = ""
	if u.Port() == "" {
		port := "389"
		if u.Scheme == "ldaps" {
			port = "636"
		}
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

func shorten(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "…"
}

// isLoopback tells without asking a name server, whose answer may be forged.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// isAttributeName reports whether s is an attribute description without options
// (RFC 4512 section 2.5): a name or a numeric OID.
func isAttributeName(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '-') && !('0' <= c && c <= '9') && c != '.' {
			return false
		}
	}
	return true
}

// label is how errors name the directory.
func (s *Source) label() string {
	if s.address.Scheme == "ldapi" {
		return "ldapi://" + s.address.Path
	}
	return s.address.Scheme + "://" + s.address.Host
}

package graph

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// A Cloud is one of Microsoft's national clouds. Each has login and Graph hosts
// of its own, and a token of one is worth nothing in another (Microsoft Graph:
// national cloud deployments).
type Cloud string

// The clouds. The empty Cloud is Global.
const (
	Global   Cloud = "global"
	USGov    Cloud = "usgov"    // US Government L4 (GCC High)
	USGovDoD Cloud = "usgovdod" // US Government L5 (DoD)
	China    Cloud = "china"    // operated by 21Vianet
)

type endpoints struct{ login, graph string }

var clouds = map[Cloud]endpoints{
	Global:   {"https://login.microsoftonline.com", "https://graph.microsoft.com"},
	USGov:    {"https://login.microsoftonline.us", "https://graph.microsoft.us"},
	USGovDoD: {"https://login.microsoftonline.us", "https://dod-graph.microsoft.us"},
	China:    {"https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"},
}

// ParseCloud reads the name of a cloud; "" is Global.
func ParseCloud(s string) (Cloud, error) {
	c := Cloud(strings.ToLower(strings.TrimSpace(s)))
	if c == "" {
		return Global, nil
	}
	if _, ok := clouds[c]; !ok {
		return "", fmt.Errorf("there is no cloud %q: use global, usgov, usgovdod or china", s)
	}
	return c, nil
}

// LoginURL is the root of the cloud's identity platform, "" for an unknown cloud.
func (c Cloud) LoginURL() string { return c.endpoints().login }

// GraphURL is the root of the cloud's Microsoft Graph, "" for an unknown cloud.
func (c Cloud) GraphURL() string { return c.endpoints().graph }

func (c Cloud) endpoints() endpoints {
	if c == "" {
		c = Global
	}
	return clouds[c]
}

// parseRoot checks the root URL of a service to which secrets are sent: https,
// or http to this machine itself.
func parseRoot(what, s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(strings.TrimSpace(s), "/"))
	if err != nil || u.Host == "" {
		// The error of url.Parse repeats the URL, which may hold credentials.
		return nil, fmt.Errorf("the URL of %s cannot be read; it looks like https://graph.microsoft.com", what)
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("the URL of %s holds a user name; leave it out", what)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the URL of %s holds a query; leave it out", what)
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback(u.Hostname()):
	default:
		return nil, fmt.Errorf("the URL of %s must begin with https://, because secrets travel to it; http:// is for this machine alone", what)
	}
	return u, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"lockstep/internal/scim"
)

// Options say what to probe and how. BaseURL and Token are needed.
type Options struct {
	// BaseURL is the Tenant URL: what /Users is appended to. A query, such as
	// Entra ID's feature flag, stays on every request.
	BaseURL string
	// Token is the bearer token.
	Token string
	// HTTP makes the requests; nil means a client of the probe's own. Redirects
	// are never followed. Its TLS configuration also says whom to trust in the
	// checks of the certificate.
	HTTP *http.Client
	// ReadOnly leaves out every check that writes.
	ReadOnly bool
	// LeaveBehind goes on with the checks that create something although the
	// endpoint does not delete it.
	LeaveBehind bool
	// Domain is what the user names of the probe end with; "example.com" when
	// empty. Some endpoints accept only domains that they know.
	Domain string
	// Timeout bounds each request; 30 seconds when zero.
	Timeout time.Duration
	// Log gets a line per request at level debug; nil discards them.
	Log *slog.Logger
	// Progress, when not nil, is called after each check.
	Progress func(done, total int, r Result)
}

const (
	defaultTimeout = 30 * time.Second
	defaultDomain  = "example.com"
	// cleanupTime bounds the removal of what was created, which also happens
	// after a cancellation.
	cleanupTime = 2 * time.Minute
)

// A session is one run against one endpoint and what was learnt on the way.
type session struct {
	o      Options
	client *http.Client
	base   string // without query and without a slash at the end
	query  string // of the base URL
	url    *url.URL
	prefix string // of everything that the probe creates
	log    *slog.Logger

	outcomes map[string]Outcome

	mu       sync.Mutex
	names    int
	requests int
	wrote    bool // something may have been created
	leaks    []string
	made     []resource
	// undeletable says why nothing more should be created.
	undeletable string
	deleted     bool // a deletion has been seen to work

	// Facts that checks leave for later ones.
	config      *scim.Object // ServiceProviderConfig
	types       []*scim.Object
	schemas     []*scim.Object
	unauth      *answer      // to a request without a token
	testQuery   *answer      // to a query that finds nobody
	noUser      *answer      // to a GET of a user that does not exist
	created     *answer      // to the first POST
	subject     *scim.Object // the user of that POST, which nothing changes
	entra       *answer      // to a POST in Entra ID's form
	entraSent   *scim.Object
	entraRead   *scim.Object
	conflict    *answer  // to a POST of a name that is taken
	pool        []string // ids of users for groups
	paged       []string // ids of users for pages
	pagedFilter string   // selects them
}

// Run probes the endpoint. The error says that the run could not begin (the
// options are wrong) or that ctx ended; in the latter case the report holds
// what was found until then.
func Run(ctx context.Context, o Options) (*Report, error) {
	s, err := newSession(o)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	report := &Report{URL: s.url.Redacted(), Started: start.UTC().Truncate(time.Second), ReadOnly: o.ReadOnly}
	all := catalogue()
	for i, c := range all {
		r := s.run(ctx, c)
		report.add(r)
		if o.Progress != nil {
			o.Progress(i+1, len(all), r)
		}
	}
	report.LeftBehind = s.cleanUp(ctx)
	report.Requests = s.requests
	report.Seconds = time.Since(start).Seconds()
	return report, context.Cause(ctx)
}

func newSession(o Options) (*session, error) {
	u, err := url.Parse(o.BaseURL)
	switch {
	case err != nil:
		return nil, errors.New("the URL cannot be read; it should look like https://scim.acme.example/scim/v2")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, fmt.Errorf("%q is not the URL of a SCIM endpoint; it should look like https://scim.acme.example/scim/v2", u.Redacted())
	case u.User != nil:
		return nil, errors.New("the URL holds a user name or a password; provisioning clients send the bearer token only, so take it out")
	case u.Fragment != "":
		return nil, errors.New("the URL ends in a fragment (#…), which is never sent; take it out")
	case strings.TrimSpace(o.Token) == "":
		return nil, errors.New("a bearer token is needed")
	case strings.ContainsAny(o.Token, "\r\n"):
		return nil, errors.New("the token has a line break in it")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Domain == "" {
		o.Domain = defaultDomain
	}
	s := &session{
		o: o, url: u, query: u.RawQuery, log: o.Log,
		base:     u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"),
		prefix:   "lockstep-probe-" + strings.ToLower(rand.Text()[:10]),
		outcomes: map[string]Outcome{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	client := http.Client{}
	if o.HTTP != nil {
		client = *o.HTTP
	}
	// A provisioning client does not repeat a body after a redirect, and must
	// not carry the token to another host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil
	s.client = &client
	return s, nil
}

// run runs one check, unless there is a reason not to, and removes what it
// created.
func (s *session) run(ctx context.Context, c *check) Result {
	t := &trial{session: s, ctx: ctx, check: c}
	start := time.Now()
	if why := s.reasonToSkip(ctx, c); why != "" {
		t.outcome, t.detail = Skip, why
	} else {
		first := len(s.made)
		t.perform()
		s.removeMade(ctx, first)
	}
	if ctx.Err() != nil && t.outcome == Fail {
		t.outcome, t.detail = Skip, "the run was cancelled"
	}
	s.outcomes[c.id] = t.outcome
	return Result{
		ID: c.id, Title: c.title, Group: c.group, Outcome: t.outcome, Detail: s.redact(t.detail),
		Expected: c.expect, Breaks: c.breaks, References: strings.Split(c.refs, "; "),
		Exchanges: t.exchanges, Seconds: time.Since(start).Seconds(),
	}
}

func (s *session) reasonToSkip(ctx context.Context, c *check) string {
	if ctx.Err() != nil {
		return "the run was cancelled"
	}
	if c.writes && s.o.ReadOnly {
		return "it writes, and the run is read-only"
	}
	for _, id := range c.needs {
		switch s.outcomes[id] {
		case Fail:
			return fmt.Sprintf("it rests on %s, which failed", id)
		case Skip:
			return fmt.Sprintf("it rests on %s, which was skipped", id)
		}
	}
	if c.writes && s.undeletable != "" && !s.o.LeaveBehind {
		return "it would leave something behind: " + s.undeletable
	}
	if c.when != nil {
		return c.when(s)
	}
	return ""
}

// supports reports whether ServiceProviderConfig says that a feature is
// supported.
func (s *session) supports(feature string) bool {
	v, _ := s.config.Child(feature).Get("supported")
	return v == true
}

// advertised returns a condition for checks of an optional feature.
func advertised(feature string) func(*session) string {
	return func(s *session) string {
		if s.config == nil {
			return "ServiceProviderConfig could not be read"
		}
		if !s.supports(feature) {
			return feature + " is not advertised"
		}
		return ""
	}
}

// hasAttribute returns a condition for checks that need an attribute of users
// that an endpoint may lack. Without readable schemas it is taken to be there.
func hasAttribute(urn, name string) func(*session) string {
	return func(s *session) string {
		var known bool
		for _, schema := range s.schemas {
			if !strings.EqualFold(schema.Text("id"), urn) {
				continue
			}
			known = true
			for _, a := range objects(schema.Elements("attributes")) {
				if strings.EqualFold(a.Text("name"), name) {
					return ""
				}
			}
		}
		if known || len(s.schemas) > 0 {
			return fmt.Sprintf("the endpoint's schemas do not list %s", name)
		}
		return ""
	}
}

func offersGroups(s *session) string {
	if len(s.types) == 0 {
		return ""
	}
	if slices.ContainsFunc(s.types, func(t *scim.Object) bool { return strings.EqualFold(t.Text("schema"), scim.URNGroup) }) {
		return ""
	}
	return "the endpoint's resource types do not include groups"
}

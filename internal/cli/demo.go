package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"lockstep/internal/account"
	"lockstep/internal/api"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/provision"
	"lockstep/internal/server"
	"lockstep/internal/source/file"
	"lockstep/internal/source/sample"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	from, data, listen, deskListen, plan string
	people                               int
	seed                                 uint64
	once, allowRemovals, verbose         bool
}

func (e *env) demoCommand() *cobra.Command {
	o := demoOptions{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show everything on this machine: a company, provisioned into a stand-in for Freshservice",
		Long: `Starts a stand-in for Freshservice (the desk) and the server, provisions a
company into it over SCIM over HTTP, and shows what happened and why.

Without --from it makes a sample company up, in which at least one person has
each of the known troubles. --from takes the CSV that Entra's portal gives under
Users > Download users, a JSON array of Graph users, or LDIF.

It goes on serving, and provisions again whenever the file changes, until Ctrl-C;
with --once it ends after one cycle. With --data it keeps everything in that
folder, so that the next demo on the same folder sends only what changed.`,
		Example: `  lockstep demo
  lockstep demo --people 2000 --once
  lockstep demo --from users.csv --data ./trial --once --json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.people < 1 || o.people > 100_000 {
				return usage("--people takes a number from 1 to 100000, not %d", o.people)
			}
			if o.from != "" && c.Flags().Changed("people") {
				return usage("--people sizes the sample company; with --from the file decides")
			}
			return e.demo(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.from, "from", "", "file of people: Entra's CSV, a JSON array of Graph users, or LDIF")
	f.IntVar(&o.people, "people", sample.DefaultPeople, "size of the sample company, up to 100000")
	f.Uint64Var(&o.seed, "seed", 1, "which sample company")
	f.BoolVar(&o.once, "once", false, "end after one cycle")
	f.StringVar(&o.data, "data", "", "keep everything in this folder (default: a temporary one, removed at the end)")
	f.StringVar(&o.listen, "listen", defaultListen, "address of the server; port 0 takes any free one")
	f.StringVar(&o.deskListen, "desk-listen", "", "address of the desk (default "+defaultDeskListen+", or any free port when --listen asks for one)")
	f.StringVar(&o.plan, "plan", string(desk.Unlimited), "the desk's rate limits: starter, growth, pro, enterprise or unlimited")
	f.BoolVar(&o.allowRemovals, "allow-removals", false, "let the first cycle through the deletion guard")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log what the server does")
	e.jsonFlag(c)
	return c
}

// A demo is a desk and a server in one process, with one app between them.
type demo struct {
	env    *env
	o      demoOptions
	log    *slog.Logger
	dir    string
	source string
	// company is the sample company when this demo made it up.
	company *sample.Company
	sampled bool
	deskURL string
	desk    *desk.Desk
	deskSrv *http.Server
	server  *server.Server
	app     *provision.App
	account string
	result  demoResult
}

const demoID = "demo"

func (e *env) demo(ctx context.Context, o demoOptions) (err error) {
	level := slog.LevelError
	if o.verbose {
		level = slog.LevelInfo
	}
	d := &demo{env: e, o: o, log: e.logger(level)}
	fmt.Fprintln(e.err, "Setting the stage ...")
	cleanup, err := d.prepare(ctx)
	defer func() { err = errors.Join(err, cleanup()) }()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop(context.WithoutCancel(ctx))) }()
	if err := d.start(ctx); err != nil {
		return err
	}
	token, err := d.setUp(ctx)
	if err != nil {
		return err
	}
	if err := d.cycle(ctx, o.allowRemovals); err != nil {
		return err
	}
	if !e.json {
		e.printFindings(d.result.Findings)
	}
	if o.once {
		return d.finish()
	}
	d.announce(token)
	for d.server.WaitForChange(ctx, d.app) {
		if err := d.cycle(ctx, false); err != nil && ctx.Err() == nil {
			// A broken file is no reason to stop serving: it can be mended.
			fmt.Fprintf(e.err, "lockstep: %v\n", err)
		}
	}
	return d.finish()
}

func (d *demo) finish() error {
	if d.env.json {
		return d.env.printJSON(d.result)
	}
	return nil
}

// prepare sees to the folder and the source file before anything is started, so
// that a wrong file name leaves no trace.
func (d *demo) prepare(ctx context.Context) (cleanup func() error, err error) {
	cleanup = func() error { return nil }
	if d.o.from != "" {
		if err := checkSource(ctx, d.o.from); err != nil {
			return cleanup, err
		}
		if d.source, err = filepath.Abs(d.o.from); err != nil {
			return cleanup, err
		}
	}
	d.dir = d.o.data
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "lockstep-demo-"); err != nil {
			return cleanup, err
		}
		cleanup = func() error { return os.RemoveAll(d.dir) }
	} else if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return cleanup, fmt.Errorf("the data folder cannot be created: %w", err)
	}
	if d.source != "" {
		return cleanup, nil
	}
	d.sampled = true
	d.source, err = filepath.Abs(filepath.Join(d.dir, "company.json"))
	if err != nil {
		return cleanup, err
	}
	d.company = sample.Generate(sample.Options{People: d.o.people, Seed: d.o.seed})
	// A company that is there already may have been edited: that is the point of
	// a second demo on the same folder.
	if _, err := os.Stat(d.source); err == nil {
		return cleanup, nil
	}
	return cleanup, writeCompany(d.source, d.company)
}

// checkSource reads the beginning of the file, so that one that cannot be used
// at all leaves no trace.
func checkSource(ctx context.Context, path string) error {
	if st, err := os.Stat(path); err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			return fmt.Errorf("the file %s cannot be read: %w", path, pe.Err)
		}
		return err
	} else if st.IsDir() {
		return fmt.Errorf("%s is a folder; --from takes a file", path)
	}
	src, err := file.Open(file.Options{Path: path})
	if err != nil {
		return err
	}
	for _, err := range src.Changes(ctx, "") {
		return err
	}
	return nil
}

// writeCompany writes the file whole or not at all.
func writeCompany(path string, c *sample.Company) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".company-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(c.WriteJSON(f), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// start opens both listeners.
func (d *demo) start(ctx context.Context) error {
	deskListen := d.o.deskListen
	if deskListen == "" {
		deskListen = defaultDeskListen
		if _, port, err := net.SplitHostPort(d.o.listen); err == nil && port == "0" {
			deskListen = "127.0.0.1:0"
		}
	}
	l, err := server.Listen(deskListen, "--desk-listen")
	if err != nil {
		return err
	}
	o := desk.Options{Plan: desk.Plan(d.o.plan), Path: filepath.Join(d.dir, "desk.db"), Domain: "demo.freshservice.example", Log: d.log, QueryLag: 3 * time.Second}
	if d.sampled {
		o.Seed = deskSeed(d.company)
	}
	if d.desk, err = desk.New(ctx, o); err != nil {
		return errors.Join(err, l.Close())
	}
	d.deskSrv = &http.Server{Handler: d.desk, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = d.deskSrv.Serve(l) }()
	d.deskURL = "http://" + l.Addr().String()
	if d.server, err = server.New(ctx, server.Options{DataDir: d.dir, Listen: d.o.listen, Version: version, Log: d.log}); err != nil {
		return err
	}
	return d.server.Start()
}

func (d *demo) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var err error
	if d.server != nil {
		err = d.server.Stop(ctx)
	}
	if d.deskSrv != nil {
		err = errors.Join(err, d.deskSrv.Shutdown(ctx))
	}
	if d.desk != nil {
		err = errors.Join(err, d.desk.Close())
	}
	return err
}

// setUp adds the account and the app, or finds those of an earlier demo on the
// same folder, and returns a secret token to try the SCIM endpoint with.
func (d *demo) setUp(ctx context.Context) (token string, err error) {
	existing, err := d.server.App(ctx, demoID)
	var missing *provision.AppNotFoundError
	switch {
	case err == nil:
		d.app = existing
		d.account = existing.Target.AccountID
		if err := d.server.MoveAccount(ctx, d.account, d.deskURL, d.desk.APIKey()); err != nil {
			return "", err
		}
	case errors.As(err, &missing):
		if token, err = d.addAccount(ctx); err != nil {
			return "", err
		}
		d.app = &provision.App{ID: demoID, Name: "Freshservice (demo)", Template: "freshservice", Guard: provision.DefaultGuard,
			Interval: provision.DefaultInterval, Paused: true}
	default:
		return "", err
	}
	if d.app.Source.Path == d.source {
		// The same demo once more: what was set up or changed since stays.
		return d.tokenFor(ctx, token)
	}
	d.app.Source = provision.SourceConfig{Kind: "file", Path: d.source}
	d.app.Target = provision.TargetConfig{AccountID: d.account}
	d.app.SyncAll = !d.sampled
	if d.app.Schema, err = demoSchema(!d.sampled); err != nil {
		return "", err
	}
	var assigned []provision.Assignment
	if d.sampled {
		assigned = []provision.Assignment{{PrincipalType: provision.Group, PrincipalID: d.company.AssignedGroupID}}
	}
	if err := d.server.SaveApp(ctx, d.app, assigned); err != nil {
		return "", err
	}
	return d.tokenFor(ctx, token)
}

// tokenFor returns the account's first token, or makes another for a demo that
// found the account there.
func (d *demo) tokenFor(ctx context.Context, first string) (string, error) {
	d.company = nil // a large company takes room that the cycle needs
	if first != "" {
		return first, nil
	}
	t, err := d.server.CreateToken(ctx, d.account, api.NewToken{Name: "demo", ExpiresInSeconds: int64((24 * time.Hour).Seconds())})
	if err != nil {
		return "", err
	}
	return t.SecretToken, nil
}

func (d *demo) addAccount(ctx context.Context) (token string, err error) {
	s := account.DefaultSettings(account.KindFreshservice)
	if !d.sampled {
		// The desk starts empty, so the file's departments and locations have to
		// come from somewhere.
		s.UnknownDepartments, s.UnknownLocations = account.Create, account.Create
	}
	a, err := d.server.AddAccount(ctx, api.NewAccount{Kind: account.KindFreshservice, Name: demoID, Domain: d.deskURL, APIKey: d.desk.APIKey(), Settings: &s})
	if err != nil {
		return "", err
	}
	d.account = a.ID
	return a.SecretToken, nil
}

// cycle runs one cycle, adds it to the result and shows it.
func (d *demo) cycle(ctx context.Context, allowRemovals bool) error {
	e := d.env
	before := d.desk.Calls()
	began := time.Now()
	m := newMeter(e.err)
	var problems []provision.Problem
	var mu sync.Mutex
	c, err := d.server.RunApp(ctx, d.app.ID, server.RunOptions{
		AllowRemovals: allowRemovals,
		Progress: func(p provision.Progress) {
			mu.Lock()
			defer mu.Unlock()
			m.update(p)
		},
		Problems: func(p provision.Problem) { problems = append(problems, p) },
	})
	m.close()
	printProblems(e.err, problems)
	if err != nil {
		return err
	}
	after := d.desk.Calls()
	r := newCycleResult(c, int(after.Total-before.Total), writes(after)-writes(before), time.Since(began).Seconds())
	d.result.add(r)
	if d.result.Findings, err = d.server.Diagnose(ctx, d.app.ID, c); err != nil {
		return err
	}
	d.result.SCIMURL, d.result.DeskURL, d.result.Console, d.result.Data = d.server.TenantURL(), d.deskURL, d.server.URL()+"/", d.dir
	if !e.json {
		fmt.Fprintln(e.out)
		e.printCycle(r)
	}
	return nil
}

// writes counts the calls that change something.
func writes(c desk.Counters) (n int) {
	for route, count := range c.ByRoute {
		if !strings.HasPrefix(route, http.MethodGet+" ") {
			n += int(count)
		}
	}
	return n
}

// shownProblems bounds how many unreadable entries are listed one by one.
const shownProblems = 10

func printProblems(w io.Writer, list []provision.Problem) {
	for i, p := range list {
		if i == shownProblems {
			fmt.Fprintf(w, "... and %d more entries that could not be read\n", len(list)-i)
			return
		}
		column := ""
		if p.Column != "" {
			column = ", column " + p.Column
		}
		fmt.Fprintf(w, "%s%s: %s\n", p.Place, column, p.Message)
	}
}

func (d *demo) announce(token string) {
	e := d.env
	w := e.out
	if e.json {
		w = e.err
	}
	fmt.Fprintf(w, `
Still serving; edit %s and watch what is sent. Ctrl-C ends the demo.

  The desk's people  %s
  Tenant URL         %s
  Secret Token       %s

`, d.source, d.deskURL, d.server.TenantURL(), token)
}

// demoSchema is the template of Microsoft's tutorial, completed by what the
// tutorial leaves to the administrator: time zone, secondary e-mail, location.
func demoSchema(groups bool) (*provision.Schema, error) {
	s, err := provision.Template("freshservice")
	if err != nil {
		return nil, err
	}
	users := s.Mapping(provision.User)
	for _, m := range []struct{ target, expression string }{
		{"timezone", "[extension_timeZone]"},
		{`emails[type eq "other"].value`, `IgnoreFlowIfNullOrEmpty(Switch(Count([otherMails]), Item([otherMails], 1), "0", ""))`},
		{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:_location", "[physicalDeliveryOfficeName]"},
	} {
		if err := users.SetExpression(m.target, m.expression); err != nil {
			return nil, err
		}
	}
	if groups {
		s.Mapping(provision.Group).Enabled = true
	}
	return s, nil
}

// deskSeed fills the desk with what the sample company expects to find there.
func deskSeed(c *sample.Company) *desk.Seed {
	s := &desk.Seed{}
	for _, name := range c.DeskSeed.Departments {
		s.Departments = append(s.Departments, desk.Department{Name: desk.Text(name)})
	}
	for _, l := range c.DeskSeed.Locations {
		s.Locations = append(s.Locations, desk.Location{Name: desk.Text(l.Name), Address: desk.Address{City: desk.Text(l.City), Country: desk.Text(l.Country)}})
	}
	add := func(p sample.DeskPerson, role string) {
		s.People = append(s.People, desk.SeedPerson{Role: role, Person: desk.Person{
			FirstName: p.FirstName, LastName: p.LastName, PrimaryEmail: p.Email, JobTitle: p.JobTitle, Inactive: !p.Active}})
	}
	for _, p := range c.DeskSeed.Requesters {
		add(p, "")
	}
	for _, p := range c.DeskSeed.Agents {
		add(p, "SD Agent")
	}
	return s
}

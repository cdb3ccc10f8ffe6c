package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lockstep/internal/scim/probe"
)

func (e *env) validateCommand() *cobra.Command {
	var (
		o                        probe.Options
		tokenFile, junit         string
		verbose, insecure, debug bool
	)
	c := &cobra.Command{
		Use:   "validate URL",
		Short: "Check that a SCIM endpoint does what provisioning clients rely on",
		Long: `Checks a SCIM 2.0 endpoint, lockstep's or any other, by the RFCs and by what
Entra ID and Okta send: can it be reached, is the token right, are people
matched, created, changed, disabled and deleted, do groups and pages work.

It creates users and groups whose names begin with "lockstep-probe-" and removes
them again, also when it is interrupted; it touches nothing else. --read-only
writes nothing. Where a deleted user is only deactivated behind the endpoint, as
Freshservice does it, its records remain there: use a sandbox, or --read-only. The last line is "passed X of Y"; the exit code is 3 when a
check fails.`,
		Example: `  lockstep validate https://scim.acme.example/scim/v2 --token-file token.txt
  lockstep validate http://127.0.0.1:8470/scim/v2 --token-file - -v < token.txt
  lockstep validate https://scim.acme.example/scim/v2 --token-file token.txt --read-only --junit report.xml`,
		Args: exactly("URL"),
		RunE: func(c *cobra.Command, args []string) error {
			if tokenFile == "" {
				return usage("--token-file is needed: the file that holds the secret token, or - for standard input")
			}
			o.BaseURL = args[0]
			if u, err := url.Parse(o.BaseURL); err == nil && u.Scheme == "http" && !insecure && !isLoopback(u.Hostname()) {
				return usage("the token would travel unprotected to %s; use https, or --insecure-http if you accept that", u.Hostname())
			}
			var err error
			if o.Token, err = e.readSecret(tokenFile, "--token-file"); err != nil {
				return err
			}
			if debug {
				o.Log = e.logger(slog.LevelDebug)
			}
			return e.validate(c.Context(), o, junit, verbose)
		},
	}
	f := c.Flags()
	f.StringVar(&tokenFile, "token-file", "", "file with the secret token; - reads standard input")
	f.BoolVar(&o.ReadOnly, "read-only", false, "leave out the checks that write")
	f.BoolVar(&o.LeaveBehind, "leave-behind", false, "go on writing although the endpoint does not delete")
	f.StringVar(&o.Domain, "domain", "", "domain of the user names that are created (default example.com)")
	f.DurationVar(&o.Timeout, "timeout", 30*time.Second, "how long to wait for each answer")
	f.StringVar(&junit, "junit", "", "also write a JUnit XML report to this file")
	f.BoolVarP(&verbose, "verbose", "v", false, "show every check, and why checks were skipped")
	f.BoolVar(&debug, "debug", false, "log every request to standard error")
	f.BoolVar(&insecure, "insecure-http", false, "allow http to another machine")
	e.jsonFlag(c)
	return c
}

func (e *env) validate(ctx context.Context, o probe.Options, junit string, verbose bool) error {
	var out *os.File
	if junit != "" {
		// Before the run, which takes a while and would be in vain.
		var err error
		if out, err = os.Create(junit); err != nil {
			return fmt.Errorf("the JUnit report cannot be written: %w", err)
		}
		defer out.Close()
	}
	line := newStatusLine(e)
	o.Progress = line.update
	report, runErr := probe.Run(ctx, o)
	line.clear()
	if report == nil {
		return &exitError{exitUsage, runErr}
	}
	var err error
	if e.json {
		err = e.printJSON(report)
	} else {
		err = report.WriteText(e.out, verbose)
	}
	if err != nil {
		return err
	}
	if out != nil {
		if err := report.WriteJUnit(out); err != nil {
			return fmt.Errorf("the JUnit report cannot be written: %w", err)
		}
		if err := out.Close(); err != nil {
			return fmt.Errorf("the JUnit report cannot be written: %w", err)
		}
	}
	switch {
	case runErr != nil:
		return runErr
	case report.Failed > 0:
		return &exitError{code: exitFindings}
	}
	return nil
}

// isLoopback reports whether requests to a host stay on this machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// A statusLine shows the progress of a validation: one line that is rewritten
// on a terminal, elsewhere a line for each group of checks.
type statusLine struct {
	e        *env
	terminal bool
	group    string
}

func newStatusLine(e *env) *statusLine { return &statusLine{e: e, terminal: isTerminal(e.err)} }

const clearLine = "\r\x1b[K"

func (s *statusLine) update(done, total int, r probe.Result) {
	switch {
	case s.terminal:
		fmt.Fprintf(s.e.err, "%s%d of %d  %s", clearLine, done, total, r.Group)
	case r.Group != s.group:
		fmt.Fprintf(s.e.err, "%d of %d  %s\n", done, total, r.Group)
	}
	s.group = r.Group
}

func (s *statusLine) clear() {
	if s.terminal {
		fmt.Fprint(s.e.err, clearLine)
	}
}

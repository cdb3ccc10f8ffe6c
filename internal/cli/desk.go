package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"lockstep/internal/freshservice/desk"
	"lockstep/internal/server"
)

func (e *env) deskCommand() *cobra.Command {
	var (
		listen, plan, seed, keyFile, file string
		lag                               time.Duration
		seats                             int
		faults                            []string
		faultSeed                         uint64
		owner                             string
	)
	c := &cobra.Command{
		Use:   "desk",
		Short: "Run the stand-in for Freshservice's REST API",
		Long: `Runs a local stand-in for Freshservice's REST API v2, with the limits of a plan,
and prints its URL and an administrator's API key. It forgets everything when
it ends, unless --file keeps it. Its people can be looked at in a browser.

Troubles can be staged: --fault makes calls fail, --owner does to the key's
owner what administrators do by mistake. POST /desk/key/reset,
/desk/owner/TROUBLE and /desk/faults do the same while it runs. A fault is
[METHOD] [PATH]=KIND[:PROBABILITY][,OPTION=VALUE...] with the kinds latency, 429,
500, 503, drop-connection, timeout-after-write and error, and the options
latency, retry-after, status, count and duration.`,
		Example: `  lockstep desk
  lockstep desk --fault 'POST /requesters=timeout-after-write:0.05' --fault '=500:0.02' --fault-seed 7
  lockstep desk --plan starter --seed desk.json --file desk.db`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o := desk.Options{Plan: desk.Plan(plan), Path: file, QueryLag: lag, AgentSeats: seats, Log: e.logger(0)}
			if seed != "" {
				f, err := os.Open(seed)
				if err != nil {
					return err
				}
				o.Seed, err = desk.ReadSeed(f)
				if err = errors.Join(err, f.Close()); err != nil {
					return err
				}
			}
			if keyFile != "" {
				var err error
				if o.APIKey, err = e.readSecret(keyFile, "--api-key-file"); err != nil {
					return err
				}
			}
			rules := make([]desk.Fault, len(faults))
			for i, text := range faults {
				var err error
				if rules[i], err = desk.ParseFault(text); err != nil {
					return usage("%v", err)
				}
				rules[i].Seed = faultSeed + uint64(i)
			}
			return e.desk(c.Context(), o, listen, owner, rules)
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", defaultDeskListen, "address to listen on; port 0 takes any free one")
	f.StringVar(&plan, "plan", string(desk.Enterprise), "rate limits: starter, growth, pro, enterprise or unlimited")
	f.StringVar(&seed, "seed", "", "JSON file of departments, locations and people to start with")
	f.StringVar(&file, "file", "", "keep the desk's data in this file")
	f.StringVar(&keyFile, "api-key-file", "", "file with the API key to accept (default: a new one)")
	f.DurationVar(&lag, "query-lag", 3*time.Second, "how long ?query= takes to see a change")
	f.IntVar(&seats, "agent-seats", 0, "full-time agents the licence allows; 0 is any number")
	f.StringArrayVar(&faults, "fault", nil, "make calls fail (repeatable), such as 'POST /requesters=timeout-after-write:0.05'")
	f.Uint64Var(&faultSeed, "fault-seed", 1, "the same seed fails the same calls")
	f.StringVar(&owner, "owner", "", "do to the key's owner: downgrade, demote, deactivate or occasional")
	e.jsonFlag(c)
	return c
}

func (e *env) desk(ctx context.Context, o desk.Options, listen, owner string, faults []desk.Fault) error {
	l, err := server.Listen(listen, "--listen")
	if err != nil {
		return err
	}
	d, err := desk.New(ctx, o)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if owner != "" {
		if _, err := d.StageOwner(ctx, owner); err != nil {
			return errors.Join(err, l.Close(), d.Close())
		}
	}
	if err := d.SetFaults(faults...); err != nil {
		return errors.Join(err, l.Close(), d.Close())
	}
	url := "http://" + l.Addr().String()
	if e.json {
		err = e.printJSON(map[string]string{"url": url, "apiKey": d.APIKey()})
	} else {
		_, err = fmt.Fprintf(e.out, "The desk answers at  %s\nIts API key is       %s\nStop it with Ctrl-C.\n", url, d.APIKey())
	}
	if err != nil {
		return errors.Join(err, l.Close(), d.Close())
	}
	srv := &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, srv.Shutdown(end), d.Close())
}

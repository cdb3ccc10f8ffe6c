package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"lockstep/internal/server"
)

// Where the server and the desk listen unless told otherwise.
const (
	defaultListen     = "127.0.0.1:8470"
	defaultDeskListen = "127.0.0.1:8471"
)

func (e *env) serveCommand() *cobra.Command {
	o := server.Options{Version: version}
	var verbose bool
	var proxies []string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server: SCIM, engines, API",
		Long: `Runs the server until it is interrupted.

It listens on loopback only unless --listen says otherwise; put a reverse proxy
with TLS in front of it before a cloud directory is to reach it, and tell it
its outside address with --base-url, or that it is to be believed with
--trust-proxy. The data folder holds the database, the master key and the local
socket over which the other commands talk to it.

With --database, or LOCKSTEP_DATABASE in the environment, which other users of
the machine cannot read, the data is in PostgreSQL, and any number of servers may
share it: each with a data folder of its own and all with the same master key,
named by LOCKSTEP_MASTER_KEY_FILE.`,
		Example: `  lockstep serve
  lockstep serve --data /var/lib/lockstep --listen 127.0.0.1:8470 --base-url https://scim.acme.example
  LOCKSTEP_DATABASE=postgres://lockstep:PASSWORD@db.acme.example/lockstep lockstep serve --listen 0.0.0.0:8470`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			o.DataDir, o.Log = e.data, e.logger(level)
			var err error
			if o.TrustedProxies, err = networks(proxies); err != nil {
				return err
			}
			o.MasterKeyFile = os.Getenv("LOCKSTEP_MASTER_KEY_FILE")
			if o.DatabaseURL == "" {
				o.DatabaseURL = os.Getenv("LOCKSTEP_DATABASE")
			}
			return e.serve(c.Context(), o)
		},
	}
	e.dataFlag(c)
	c.Flags().StringVar(&o.Listen, "listen", defaultListen, "address to listen on; port 0 takes any free one")
	c.Flags().StringVar(&o.DatabaseURL, "database", "", "`URL` of a PostgreSQL database to use instead of a file in the data folder")
	c.Flags().StringVar(&o.BaseURL, "base-url", "", "how clients reach the server, such as https://scim.acme.example")
	c.Flags().StringSliceVar(&proxies, "trust-proxy", nil, "network of a proxy whose X-Forwarded-Proto, -Host and -For are believed, such as 10.0.0.0/8 or 127.0.0.1 (repeatable)")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "log more")
	return c
}

// networks reads networks in CIDR notation; an address alone is a network of one.
func networks(list []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			addr, aerr := netip.ParseAddr(s)
			if aerr != nil {
				return nil, usage("--trust-proxy %s is no network such as 10.0.0.0/8 and no address", s)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes, nil
}

func (e *env) serve(ctx context.Context, o server.Options) error {
	s, err := server.New(ctx, o)
	if err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	fmt.Fprintf(e.out, "lockstep serves SCIM at %s\nStop it with Ctrl-C; add an account with `lockstep account add`.\n", s.TenantURL())
	select {
	case <-ctx.Done():
		err = nil
	case err = <-s.Failed():
	}
	return errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
}

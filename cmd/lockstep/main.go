// Command lockstep keeps a service desk's people in lockstep with the company
// directory.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"lockstep/internal/cli"
)

func main() {
	// The second interrupt kills at once: stop restores the default handling.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Package cli is the command line: one file per command, each a thin layer over
// a package or over the API of a running server. It is run in-process by tests.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lockstep/internal/api"
)

// version is set by the linker.
var version = "dev"

// Exit codes.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitFindings = 3
)

// An exitError ends the program with a code; its error, if any, has yet to be shown.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// env is what a command works with besides its flags.
type env struct {
	in       io.Reader
	out, err io.Writer
	json     bool
	data     string
}

// Main runs the command line and returns its exit code.
func Main(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	e := &env{in: in, out: out, err: errOut}
	root := e.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	// A mistyped command is named as such, before its flags are taken for ours.
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	cmd, rest, err := root.Find(args)
	if err == nil && cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && !strings.HasPrefix(rest[0], "__") {
		err = noArgs(cmd, rest[:1])
	} else {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return exitOK
	}
	code := exitFailed
	var exit *exitError
	if errors.As(err, &exit) {
		code, err = exit.code, exit.err
	}
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(errOut, "lockstep: interrupted")
	default:
		fmt.Fprintf(errOut, "lockstep: %v\n", err)
		if code == exitUsage {
			fmt.Fprintln(errOut, "Run the command with --help for its usage and an example.")
		}
	}
	return code
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "lockstep",
		Short: "Keep a service desk's people in lockstep with the company directory",
		Long: `lockstep keeps the people of Freshservice in lockstep with a company directory,
and says in plain words why a person did not arrive and what to change.

Start with "lockstep demo": it needs no account and changes nothing outside
this machine.`,
		Example: `  lockstep demo
  lockstep demo --from users.csv --once
  lockstep serve
  lockstep account add freshservice --domain acme --api-key-file key.txt`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	root.SetVersionTemplate("lockstep {{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(e.demoCommand(), e.serveCommand(), e.deskCommand(), e.accountCommand(), e.tokenCommand(), e.appCommand(), e.assignCommand(),
		e.mappingCommand(), e.scopeCommand(), e.exprCommand(), e.validateCommand(), e.versionCommand())
	return root
}

// noArgs refuses arguments, and suggests commands for a mistyped one.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	msg := fmt.Sprintf("unknown command %q for %q", args[0], c.CommandPath())
	if !c.HasSubCommands() {
		return usage("%q takes no argument %q", c.CommandPath(), args[0])
	}
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		msg += "\nDid you mean " + strings.Join(near, " or ") + "?"
	}
	return usage("%s", msg)
}

// exactly takes the arguments that names lists.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usage("%q takes %s, not %d arguments", c.CommandPath(), strings.Join(names, " and "), len(args))
		}
		return nil
	}
}

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(subs...)
	return c
}

func (e *env) jsonFlag(c *cobra.Command) {
	c.Flags().BoolVar(&e.json, "json", false, "print the result as JSON")
}

func (e *env) dataFlag(c *cobra.Command) {
	c.Flags().StringVar(&e.data, "data", defaultData(), "folder of the server's data (or LOCKSTEP_DATA)")
}

// defaultData is where a server keeps its data unless told otherwise.
func defaultData() string {
	if d := os.Getenv("LOCKSTEP_DATA"); d != "" {
		return d
	}
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "lockstep")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "share", "lockstep")
	}
	return "lockstep-data"
}

func (e *env) client() *api.Client {
	return api.NewSocketClient(filepath.Join(e.data, "lockstep.sock"))
}

// printJSON writes v as one indented JSON value.
func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// logger writes structured lines to the error stream.
func (e *env) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: level}))
}

// readSecret reads a secret from a file, or from standard input for "-".
func (e *env) readSecret(path, flag string) (string, error) {
	var b []byte
	var err error
	if path == "-" {
		b, err = io.ReadAll(io.LimitReader(e.in, 1<<16))
	} else {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return "", fmt.Errorf("the secret of %s cannot be read: %w", flag, err)
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", fmt.Errorf("the file that %s names is empty", flag)
	}
	return s, nil
}

func (e *env) versionCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs, Example: "  lockstep version --json",
		RunE: func(*cobra.Command, []string) error {
			if e.json {
				return e.printJSON(map[string]string{"version": version})
			}
			_, err := fmt.Fprintln(e.out, "lockstep", version)
			return err
		},
	}
	e.jsonFlag(c)
	return c
}

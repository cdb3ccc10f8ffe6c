package cli

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lockstep/internal/api"
	"lockstep/internal/provision"
)

func (e *env) appCommand() *cobra.Command {
	return group("app", "Apps: one source, one target, one provisioning job", e.appAdd(), e.appList(), e.appShow(), e.appSet(), e.appRemove())
}

// guardFlags are the flags of the deletion guard.
func guardFlags(f *pflag.FlagSet, g *provision.Guard) {
	f.IntVar(&g.Percent, "guard-percent", g.Percent, "hold removals that concern more than this percentage of people; 0 switches the deletion guard off")
	f.IntVar(&g.AtLeast, "guard-at-least", g.AtLeast, "never hold fewer removals than this")
	f.IntVar(&g.Count, "guard-count", g.Count, "hold more removals than this whatever the percentage; 0: no such limit")
}

func (e *env) appAdd() *cobra.Command {
	n := api.NewApp{}
	guard := provision.DefaultGuard
	var source, target, tokenFile, scope string
	var interval time.Duration
	c := &cobra.Command{
		Use:   "add NAME --source FILE --target ACCOUNT|URL",
		Short: "Add an app that provisions the people of a source into a target",
		Long: `Adds an app. The source is a file: Entra's CSV, a JSON array of Graph users, or
LDIF. The target is an account of this server (see "lockstep account list") or
the URL of any SCIM endpoint, whose token is then read from a file.

It begins at once, with whoever is in scope. As in Entra nobody is before they
are assigned, unless --scope all says that everybody is.`,
		Example: `  lockstep app add freshservice --source users.csv --target acme
  lockstep app add freshservice --source users.csv --target acme --scope all --paused
  lockstep app add lab --source users.json --target https://lab.example/scim/v2 --token-file token.txt`,
		Args: exactly("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			if source == "" {
				return usage("--source is missing: the file with the people")
			}
			if target == "" {
				return usage("--target is missing: an account of this server, or the URL of a SCIM endpoint")
			}
			var err error
			n.Name = args[0]
			if n.SyncAll, err = syncAll(scope); err != nil {
				return err
			}
			if n.Source, err = fileSource(source); err != nil {
				return err
			}
			if strings.Contains(target, "://") {
				n.Target.BaseURL = target
			} else {
				n.Target.AccountID = target
			}
			if tokenFile != "" {
				if n.Token, err = e.readSecret(tokenFile, "--token-file"); err != nil {
					return err
				}
			}
			n.IntervalSeconds, n.Guard = int64(interval/time.Second), &guard
			a, err := e.client().AddApp(c.Context(), n)
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(a)
			}
			return e.printAdded(a)
		},
	}
	f := c.Flags()
	f.StringVar(&source, "source", "", "file with the people: Entra's CSV, a JSON array of Graph users, or LDIF")
	f.StringVar(&target, "target", "", "account of this server, or the URL of a SCIM endpoint")
	f.StringVar(&tokenFile, "token-file", "", "file with the bearer token of a target URL; - reads it from standard input")
	f.StringVar(&n.Template, "template", "", "mappings to start with: freshservice or scim (default: what suits the target)")
	f.StringVar(&scope, "scope", "assigned", "who is provisioned: all or assigned")
	f.StringToStringVar(&n.Parameters, "param", nil, "value of a job parameter, such as Domain=acme.example for %Domain% (repeatable)")
	f.BoolVar(&n.SkipOutOfScopeDeletions, "skip-out-of-scope-deletions", false, "leave accounts as they are whose people fall out of scope")
	f.DurationVar(&interval, "interval", provision.DefaultInterval, "time from the end of one cycle to the start of the next")
	f.BoolVar(&n.Paused, "paused", false, "do not begin yet")
	guardFlags(f, &guard)
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) printAdded(a *api.App) error {
	fmt.Fprintf(e.out, "App %q is ready; it provisions %s into %s.\n", a.ID, a.Source.Path, targetName(a.Target))
	var next string
	switch {
	case a.Paused:
		next = fmt.Sprintf("It is paused: `lockstep app set %s --paused=false` begins.", a.ID)
	case !a.SyncAll:
		next = fmt.Sprintf("Nobody is assigned yet: `lockstep assign add %s PRINCIPAL` assigns a user or group, `lockstep scope set %s all` takes everybody.", a.ID, a.ID)
	default:
		next = "Everybody in the source is in scope; the first cycle has begun."
	}
	_, err := fmt.Fprintln(e.out, next)
	return err
}

func targetName(t provision.TargetConfig) string {
	if t.AccountID != "" {
		return "account " + t.AccountID
	}
	return t.BaseURL
}

// fileSource names a file so that the server finds it, whatever its folder.
func fileSource(path string) (provision.SourceConfig, error) {
	abs, err := filepath.Abs(path)
	return provision.SourceConfig{Kind: "file", Path: abs}, err
}

func syncAll(scope string) (bool, error) {
	switch scope {
	case "all", "assigned":
		return scope == "all", nil
	}
	return false, usage("the scope is all or assigned, not %q", scope)
}

func scopeName(all bool) string {
	if all {
		return "all"
	}
	return "assigned"
}

func (e *env) appList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the apps", Args: noArgs, Example: "  lockstep app list --json",
		RunE: func(c *cobra.Command, _ []string) error {
			apps, err := e.client().Apps(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(apps)
			}
			if len(apps) == 0 {
				_, err := fmt.Fprintln(e.out, "There is no app yet. `lockstep app add` adds one.")
				return err
			}
			t := e.table("ID", "SOURCE", "TARGET", "SCOPE", "STATE", "LAST CYCLE")
			for _, a := range apps {
				last := "-"
				if a.LastCycle != nil {
					last = date(a.LastCycle.Began)
				}
				t.AppendRow(table.Row{a.ID, filepath.Base(a.Source.Path), targetName(a.Target), scopeName(a.SyncAll), appState(&a), last})
			}
			t.Render()
			return nil
		},
	}
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func appState(a *api.App) string {
	switch {
	case a.LastCycle != nil && a.LastCycle.State != provision.CycleDone:
		return string(a.LastCycle.State)
	case a.Paused:
		return "paused"
	}
	return "waiting"
}

func (e *env) appShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show APP", Short: "Show one app", Args: exactly("APP"), Example: "  lockstep app show freshservice",
		RunE: func(c *cobra.Command, args []string) error {
			a, err := e.client().App(c.Context(), args[0])
			if err != nil {
				return err
			}
			return e.showApp(a)
		},
	}
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) showApp(a *api.App) error {
	if e.json {
		return e.printJSON(a)
	}
	w := e.out
	fmt.Fprintf(w, "App         %s (%s)\n", a.ID, a.Name)
	fmt.Fprintf(w, "Source      %s %s\n", a.Source.Kind, a.Source.Path)
	fmt.Fprintf(w, "Target      %s\n", targetName(a.Target))
	fmt.Fprintf(w, "Mappings    template %s, revision %d\n", a.Template, a.SchemaRevision)
	fmt.Fprintf(w, "Scope       %s", scopeName(a.SyncAll))
	if !a.SyncAll {
		fmt.Fprintf(w, " (%d users and groups)", a.Assignments)
	}
	fmt.Fprintf(w, "\nInterval    %v\n", time.Duration(a.IntervalSeconds)*time.Second)
	if g := a.Guard; g.Percent > 0 {
		fmt.Fprintf(w, "Guard       holds removals of more than %d %%", g.Percent)
		if g.Count > 0 {
			fmt.Fprintf(w, " or %d", g.Count)
		}
		fmt.Fprintf(w, ", from %d on\n", g.AtLeast)
	} else {
		fmt.Fprintln(w, "Guard       off")
	}
	if a.SkipOutOfScopeDeletions {
		fmt.Fprintln(w, "Leavers     accounts out of scope are left as they are")
	}
	for _, name := range slices.Sorted(maps.Keys(a.Parameters)) {
		fmt.Fprintf(w, "Parameter   %s = %s\n", name, a.Parameters[name])
	}
	fmt.Fprintf(w, "State       %s\n", appState(a))
	if cy := a.LastCycle; cy != nil {
		n := cy.Counts
		fmt.Fprintf(w, "Last cycle  %s, %s: %d created, %d updated, %d disabled, %d deleted, %d held, %d skipped, %d failed\n",
			date(cy.Began), cy.Kind, n.Created, n.Updated, n.Disabled, n.Deleted, n.Held, total(n.Skipped), total(n.Failed))
		if cy.Error != "" {
			fmt.Fprintf(w, "            %s\n", cy.Error)
		}
	}
	return nil
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func (e *env) appSet() *cobra.Command {
	var source, tokenFile, name string
	var interval time.Duration
	var paused, skip bool
	var params map[string]string
	guard := provision.Guard{}
	c := &cobra.Command{
		Use: "set APP", Short: "Change an app; what is not named stays as it is", Args: exactly("APP"),
		Example: `  lockstep app set freshservice --paused
  lockstep app set freshservice --interval 10m --guard-percent 30
  lockstep app set lab --token-file token.txt`,
		RunE: func(c *cobra.Command, args []string) error {
			f := c.Flags()
			ch := api.AppChange{}
			set := func(flag string, apply func()) bool {
				if f.Changed(flag) {
					apply()
					return true
				}
				return false
			}
			any := set("name", func() { ch.Name = &name })
			any = set("paused", func() { ch.Paused = &paused }) || any
			any = set("skip-out-of-scope-deletions", func() { ch.SkipOutOfScopeDeletions = &skip }) || any
			any = set("interval", func() { ch.IntervalSeconds = new(int64(interval / time.Second)) }) || any
			any = set("param", func() { ch.Parameters = params }) || any
			if f.Changed("source") {
				src, err := fileSource(source)
				if err != nil {
					return err
				}
				ch.Source, any = &src, true
			}
			if f.Changed("token-file") {
				token, err := e.readSecret(tokenFile, "--token-file")
				if err != nil {
					return err
				}
				ch.Token, any = &token, true
			}
			if f.Changed("guard-percent") || f.Changed("guard-at-least") || f.Changed("guard-count") {
				a, err := e.client().App(c.Context(), args[0])
				if err != nil {
					return err
				}
				set("guard-percent", func() { a.Guard.Percent = guard.Percent })
				set("guard-at-least", func() { a.Guard.AtLeast = guard.AtLeast })
				set("guard-count", func() { a.Guard.Count = guard.Count })
				ch.Guard, any = &a.Guard, true
			}
			if !any {
				return usage("nothing to set was named; the flags say what can be")
			}
			a, err := e.client().ChangeApp(c.Context(), args[0], ch)
			if err != nil {
				return err
			}
			return e.showApp(a)
		},
	}
	f := c.Flags()
	f.StringVar(&name, "name", "", "what people call the app")
	f.StringVar(&source, "source", "", "file with the people")
	f.StringVar(&tokenFile, "token-file", "", "file with another bearer token of a target URL; - reads it from standard input")
	f.BoolVar(&paused, "paused", false, "pause the app, or with --paused=false let it go on; a cycle under way comes to its end")
	f.BoolVar(&skip, "skip-out-of-scope-deletions", false, "leave accounts as they are whose people fall out of scope")
	f.DurationVar(&interval, "interval", provision.DefaultInterval, "time from the end of one cycle to the start of the next")
	f.StringToStringVar(&params, "param", nil, "value of a job parameter; an empty one removes it (repeatable)")
	guardFlags(f, &guard)
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) appRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "remove APP", Short: "Remove an app; its target keeps its people", Args: exactly("APP"),
		Example: "  lockstep app remove freshservice --yes",
		RunE: func(c *cobra.Command, args []string) error {
			if !yes {
				return usage("removing app %q forgets its mappings, links and logs; say so with --yes\n`lockstep mapping export %s` saves the mappings.", args[0], args[0])
			}
			if err := e.client().RemoveApp(c.Context(), args[0]); err != nil {
				return err
			}
			if e.json {
				return e.printJSON(map[string]string{"removed": args[0]})
			}
			_, err := fmt.Fprintf(e.out, "App %q was removed.\n", args[0])
			return err
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do it without asking")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

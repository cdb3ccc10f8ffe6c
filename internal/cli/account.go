package cli

import (
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"lockstep/internal/account"
	"lockstep/internal/api"
)

func (e *env) accountCommand() *cobra.Command {
	return group("account", "Accounts behind the SCIM endpoint",
		group("add", "Add an account and print its Tenant URL and Secret Token", e.accountAddFreshservice(), e.accountAddEmbedded()),
		e.accountList(), e.accountShow(), e.accountSet(), e.accountCheck(), e.accountRotateKey(), e.accountReconcile(), e.accountRemove())
}

func (e *env) accountAddFreshservice() *cobra.Command {
	n := api.NewAccount{Kind: account.KindFreshservice}
	s := account.DefaultSettings(account.KindFreshservice)
	var keyFile, groups, departments, locations string
	var custom []string
	c := &cobra.Command{
		Use:   "freshservice",
		Short: "Add a Freshservice account",
		Long: `Verifies the API key and whose it is, stores it sealed, and prints the Tenant
URL and the Secret Token to enter in the directory. The token is shown once.

The key should be that of a full-time Account Admin or Org Admin: it dies when
its owner is downgraded, deactivated or becomes an occasional agent.`,
		Example: `  lockstep account add freshservice --domain acme --api-key-file key.txt
  lockstep account add freshservice --domain http://127.0.0.1:8471 --api-key-file key.txt   # a desk`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if n.Domain == "" {
				return usage("--domain is missing: the account's Freshservice domain, such as acme.freshservice.com")
			}
			if keyFile == "" {
				return usage("--api-key-file is missing: a file with the API key, or - to read it from standard input")
			}
			key, err := e.readSecret(keyFile, "--api-key-file")
			if err != nil {
				return err
			}
			n.APIKey = key
			s.Groups, s.UnknownDepartments, s.UnknownLocations = account.GroupsAs(groups), account.OnUnknown(departments), account.OnUnknown(locations)
			if s.CustomAttributes, err = customAttributes(custom, "--custom-attribute"); err != nil {
				return err
			}
			n.Settings = &s
			return e.addAccount(c, n)
		},
	}
	f := c.Flags()
	f.StringVar(&n.Domain, "domain", "", "Freshservice domain (acme or acme.freshservice.com), or the URL of a desk")
	f.StringVar(&keyFile, "api-key-file", "", "file with the API key; - reads it from standard input")
	f.StringVar(&n.Name, "name", "", "what to call the account (default: from the domain)")
	f.StringVar(&departments, "unknown-departments", string(s.UnknownDepartments), "leaveOut, create or refuse a department that Freshservice does not have")
	f.StringVar(&locations, "unknown-locations", string(s.UnknownLocations), "leaveOut, create or refuse a location that Freshservice does not have")
	f.StringVar(&groups, "groups", string(s.Groups), "what SCIM groups are: requesterGroups, agentGroups or off")
	f.StringSliceVar(&s.NewAgents.Roles, "agent-role", nil, "role of new agents (repeatable)")
	f.BoolVar(&s.NewAgents.Occasional, "occasional-agents", s.NewAgents.Occasional, "new agents are occasional ones; =false for full-time")
	customAttributeFlag(f, &custom)
	f.IntVar(&s.ConversionBudgetPerDay, "agent-budget", s.ConversionBudgetPerDay, "largest number of requesters turned into agents a day")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) accountAddEmbedded() *cobra.Command {
	var strict bool
	var rate float64
	var custom []string
	c := &cobra.Command{
		Use: "embedded NAME", Short: "Add an embedded directory", Args: exactly("NAME"),
		Example: `  lockstep account add embedded lab
  lockstep account add embedded hr --custom-attribute urn:acme:hr:2.0:User:badge:integer`,
		RunE: func(c *cobra.Command, args []string) error {
			s := account.DefaultSettings(account.KindEmbedded)
			s.Strict, s.RatePerSecond = strict, rate
			var err error
			if s.CustomAttributes, err = customAttributes(custom, "--custom-attribute"); err != nil {
				return err
			}
			return e.addAccount(c, api.NewAccount{Kind: account.KindEmbedded, Name: args[0], Settings: &s})
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "refuse attributes that no schema knows")
	c.Flags().Float64Var(&rate, "rate", 0, "SCIM requests a second that the account may send; 0 is no limit")
	customAttributeFlag(c.Flags(), &custom)
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) addAccount(c *cobra.Command, n api.NewAccount) error {
	a, err := e.client().AddAccount(c.Context(), n)
	if err != nil {
		return err
	}
	e.warn(a.Warnings)
	if e.json {
		return e.printJSON(a)
	}
	fmt.Fprintf(e.out, "Account %q is ready.\n", a.ID)
	return e.printToken(a.TenantURL, a.SecretToken)
}

func (e *env) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintln(e.err, "warning:", w)
	}
}

func (e *env) printToken(tenantURL, secretToken string) error {
	_, err := fmt.Fprintf(e.out, "\n  Tenant URL    %s\n  Secret Token  %s\n\nThe token is not shown again. Enter both in the directory's provisioning settings.\n", tenantURL, secretToken)
	return err
}

func (e *env) accountList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the accounts", Args: noArgs, Example: "  lockstep account list --json",
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := e.client().Accounts(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(list)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintln(e.out, "There is no account yet. `lockstep account add freshservice` adds one.")
				return err
			}
			t := e.table("ID", "KIND", "WHERE", "STATE", "ADDED")
			for _, a := range list {
				t.AppendRow(table.Row{a.ID, a.Kind, a.Domain, a.State.Status, date(a.CreatedAt)})
			}
			t.Render()
			return nil
		},
	}
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) accountShow() *cobra.Command {
	var people int
	c := &cobra.Command{
		Use: "show ACCOUNT", Short: "Show one account: its state, its call budget, what could not be carried over", Args: exactly("ACCOUNT"),
		Example: "  lockstep account show acme --people 5000",
		RunE: func(c *cobra.Command, args []string) error {
			a, err := e.client().ShowAccount(c.Context(), args[0], people)
			if err != nil {
				return err
			}
			return e.showAccount(a)
		},
	}
	c.Flags().IntVar(&people, "people", 1000, "estimate the time to write so many people")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) showAccount(a *api.Account) error {
	if e.json {
		return e.printJSON(a)
	}
	fmt.Fprintf(e.out, "Account     %s (%s)\nTenant URL  %s\n", a.ID, a.Kind, a.TenantURL)
	if a.Domain != "" {
		fmt.Fprintf(e.out, "Domain      %s\n", a.Domain)
	}
	if o := a.Owner; o != nil {
		kind := "full-time"
		if o.Occasional {
			kind = "occasional"
		}
		fmt.Fprintf(e.out, "Key owner   %s <%s>, %s, %s agent\n", o.Name, o.Email, o.Role, kind)
	}
	fmt.Fprintf(e.out, "State       %s since %s\n", a.State.Status, date(a.State.Since))
	if a.State.Message != "" {
		fmt.Fprintf(e.out, "            %s\n", a.State.Message)
	}
	if a.Freshservice != nil {
		e.showFreshservice(a)
	}
	return nil
}

func (e *env) accountCheck() *cobra.Command {
	c := &cobra.Command{
		Use: "check ACCOUNT", Short: "Test an account's API key and its owner now", Args: exactly("ACCOUNT"), Example: "  lockstep account check acme",
		RunE: func(c *cobra.Command, args []string) error {
			a, err := e.client().CheckAccount(c.Context(), args[0])
			if err != nil {
				return err
			}
			e.warn(a.Warnings)
			if err := e.showAccount(&a.Account); err != nil {
				return err
			}
			if unhealthy(a.State.Status) {
				return &exitError{code: exitFindings}
			}
			return nil
		},
	}
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) accountRotateKey() *cobra.Command {
	var keyFile string
	c := &cobra.Command{
		Use: "rotate-key ACCOUNT", Short: "Replace an account's API key; its tokens stay valid", Args: exactly("ACCOUNT"),
		Example: "  lockstep account rotate-key acme --api-key-file key.txt",
		RunE: func(c *cobra.Command, args []string) error {
			if keyFile == "" {
				return usage("--api-key-file is missing: a file with the new API key, or - to read it from standard input")
			}
			key, err := e.readSecret(keyFile, "--api-key-file")
			if err != nil {
				return err
			}
			a, err := e.client().RotateKey(c.Context(), args[0], key)
			if err != nil {
				return err
			}
			e.warn(a.Warnings)
			return e.showAccount(&a.Account)
		},
	}
	c.Flags().StringVar(&keyFile, "api-key-file", "", "file with the new API key; - reads it from standard input")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) accountRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "remove ACCOUNT", Short: "Remove an account with its tokens; Freshservice keeps its people", Args: exactly("ACCOUNT"),
		Example: "  lockstep account remove acme --yes",
		RunE: func(c *cobra.Command, args []string) error {
			if !yes {
				return usage("removing account %q ends its tokens and forgets what lockstep knows of it; say so with --yes", args[0])
			}
			if err := e.client().RemoveAccount(c.Context(), args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(e.out, "Account %q was removed.\n", args[0])
			return err
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do it without asking")
	e.dataFlag(c)
	return c
}

func (e *env) tokenCommand() *cobra.Command {
	return group("token", "Secret tokens of an account", e.tokenCreate(), e.tokenList(), e.tokenRevoke())
}

func (e *env) tokenCreate() *cobra.Command {
	var name string
	var ttl time.Duration
	c := &cobra.Command{
		Use: "create ACCOUNT", Short: "Create another secret token; older ones stay valid", Args: exactly("ACCOUNT"),
		Example: "  lockstep token create acme --name entra-2027 --expires 8760h",
		RunE: func(c *cobra.Command, args []string) error {
			t, err := e.client().CreateToken(c.Context(), args[0], api.NewToken{Name: name, ExpiresInSeconds: int64(ttl.Seconds())})
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(t)
			}
			return e.printToken(t.TenantURL, t.SecretToken)
		},
	}
	c.Flags().StringVar(&name, "name", "", "what to call the token")
	c.Flags().DurationVar(&ttl, "expires", 0, "time until the token expires, such as 8760h; 0 is never")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) tokenList() *cobra.Command {
	c := &cobra.Command{
		Use: "list ACCOUNT", Short: "List an account's tokens", Args: exactly("ACCOUNT"), Example: "  lockstep token list acme",
		RunE: func(c *cobra.Command, args []string) error {
			list, err := e.client().Tokens(c.Context(), args[0])
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(list)
			}
			t := e.table("ID", "NAME", "ENDS IN", "CREATED", "LAST USED", "EXPIRES", "REVOKED")
			for _, k := range list {
				t.AppendRow(table.Row{k.ID, k.Name, "…" + k.Hint, date(k.CreatedAt), date(k.LastUsedAt), date(k.ExpiresAt), date(k.RevokedAt)})
			}
			t.Render()
			return nil
		},
	}
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) tokenRevoke() *cobra.Command {
	c := &cobra.Command{
		Use: "revoke ACCOUNT TOKEN", Short: "End a token at once", Args: exactly("ACCOUNT", "TOKEN"), Example: "  lockstep token revoke acme TOKEN-ID",
		RunE: func(c *cobra.Command, args []string) error {
			if err := e.client().RevokeToken(c.Context(), args[0], args[1]); err != nil {
				return err
			}
			_, err := fmt.Fprintln(e.out, "The token was revoked.")
			return err
		},
	}
	e.dataFlag(c)
	return c
}

func (e *env) table(header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(e.out)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.Options{SeparateHeader: true}
	t.AppendHeader(table.Row(header))
	return t
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

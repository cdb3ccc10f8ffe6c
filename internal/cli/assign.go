package cli

import (
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"lockstep/internal/api"
)

func (e *env) assignCommand() *cobra.Command {
	return group("assign", "Who is assigned to an app", e.assignAdd(), e.assignList(), e.assignRemove())
}

func (e *env) assignAdd() *cobra.Command {
	n := api.NewAssignment{}
	c := &cobra.Command{
		Use: "add APP PRINCIPAL", Short: "Assign a user, or a group with its direct members", Args: exactly("APP", "PRINCIPAL"),
		Long: `Assigns a user, named by userPrincipalName, mail or object ID, or a group, named
by display name or object ID. Of a group the direct members are assigned, as in
Entra.`,
		Example: `  lockstep assign add freshservice ada@acme.example
  lockstep assign add freshservice "Service desk users"`,
		RunE: func(c *cobra.Command, args []string) error {
			n.Principal = args[1]
			a, err := e.client().Assign(c.Context(), args[0], n)
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(a)
			}
			_, err = fmt.Fprintf(e.out, "%s %s (%s) is assigned to app %q.\n", a.PrincipalType, a.Name, a.PrincipalID, args[0])
			return err
		},
	}
	c.Flags().StringVar(&n.Role, "role", "", "value of the app role (default: default access)")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) assignList() *cobra.Command {
	c := &cobra.Command{
		Use: "list APP", Short: "List who is assigned", Args: exactly("APP"), Example: "  lockstep assign list freshservice",
		RunE: func(c *cobra.Command, args []string) error {
			assigned, err := e.client().Assignments(c.Context(), args[0])
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(list(assigned))
			}
			if len(assigned) == 0 {
				_, err := fmt.Fprintf(e.out, "Nobody is assigned. `lockstep assign add %s PRINCIPAL` assigns a user or group.\n", args[0])
				return err
			}
			t := e.table("TYPE", "NAME", "OBJECT ID", "ROLE")
			for _, a := range assigned {
				t.AppendRow(table.Row{a.PrincipalType, a.Name, a.PrincipalID, a.Role})
			}
			t.Render()
			return nil
		},
	}
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) assignRemove() *cobra.Command {
	c := &cobra.Command{
		Use: "remove APP PRINCIPAL", Short: "End an assignment; who falls out of scope by it is disabled", Args: exactly("APP", "PRINCIPAL"),
		Example: "  lockstep assign remove freshservice ada@acme.example",
		RunE: func(c *cobra.Command, args []string) error {
			if err := e.client().Unassign(c.Context(), args[0], args[1]); err != nil {
				return err
			}
			if e.json {
				return e.printJSON(map[string]string{"removed": args[1]})
			}
			_, err := fmt.Fprintf(e.out, "%s is no longer assigned to app %q.\n", args[1], args[0])
			return err
		},
	}
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

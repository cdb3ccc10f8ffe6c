package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lockstep/internal/account"
	"lockstep/internal/api"
)

func customAttributeFlag(f *pflag.FlagSet, list *[]string) {
	f.StringArrayVar(list, "custom-attribute", nil, "extension attribute of the account's own, [URN:]NAME[:TYPE] (repeatable); URN defaults to the Freshservice extension, TYPE to string, [] behind it allows several values")
}

// customAttributes reads the values of a flag.
func customAttributes(list []string, flag string) ([]account.CustomAttribute, error) {
	var attributes []account.CustomAttribute
	for _, s := range list {
		c, err := account.ParseCustomAttribute(s)
		if err != nil {
			return nil, usage("%s %s: %v", flag, s, err)
		}
		attributes = append(attributes, c)
	}
	return attributes, nil
}

func (e *env) accountSet() *cobra.Command {
	var departments, locations, groups string
	var roles, custom, uncustom []string
	var occasional, strict bool
	var budget int
	var rate float64
	c := &cobra.Command{
		Use: "set ACCOUNT", Short: "Change an account's settings, at once", Args: exactly("ACCOUNT"),
		Long: `Changes what is given and leaves the rest. It takes effect with the next request;
tokens and what lockstep knows of the account stay. People whose department was
left out get it with the next change that a client sends of them.`,
		Example: `  lockstep account set acme --unknown-departments create
  lockstep account set acme --groups agentGroups --agent-role "SD Agent" --agent-budget 25`,
		RunE: func(c *cobra.Command, args []string) error {
			ch := api.AccountChange{}
			any := false
			c.Flags().Visit(func(f *pflag.Flag) {
				given := true
				switch f.Name {
				case "unknown-departments":
					ch.UnknownDepartments = (*account.OnUnknown)(&departments)
				case "unknown-locations":
					ch.UnknownLocations = (*account.OnUnknown)(&locations)
				case "groups":
					ch.Groups = (*account.GroupsAs)(&groups)
				case "agent-role":
					ch.AgentRoles = &roles
				case "occasional-agents":
					ch.OccasionalAgents = &occasional
				case "agent-budget":
					ch.ConversionBudgetPerDay = &budget
				case "strict":
					ch.Strict = &strict
				case "rate":
					ch.RatePerSecond = &rate
				case "custom-attribute", "remove-custom-attribute":
				default:
					given = false
				}
				any = any || given
			})
			if !any {
				return usage("nothing to change is given")
			}
			var err error
			if ch.CustomAttributes, err = customAttributes(custom, "--custom-attribute"); err != nil {
				return err
			}
			if ch.RemoveCustomAttributes, err = customAttributes(uncustom, "--remove-custom-attribute"); err != nil {
				return err
			}
			a, err := e.client().ChangeAccount(c.Context(), args[0], ch)
			if err != nil {
				return err
			}
			return e.showAccount(a)
		},
	}
	f := c.Flags()
	f.StringVar(&departments, "unknown-departments", "", "leaveOut, create or refuse a department that Freshservice does not have")
	f.StringVar(&locations, "unknown-locations", "", "leaveOut, create or refuse a location that Freshservice does not have")
	f.StringVar(&groups, "groups", "", "what SCIM groups are: requesterGroups, agentGroups or off")
	f.StringSliceVar(&roles, "agent-role", nil, "role of new agents (repeatable)")
	f.BoolVar(&occasional, "occasional-agents", true, "new agents are occasional ones; =false for full-time")
	f.IntVar(&budget, "agent-budget", 0, "largest number of people who become agents a day; 0 is none")
	f.BoolVar(&strict, "strict", false, "refuse attributes that no schema knows")
	f.Float64Var(&rate, "rate", 0, "SCIM requests a second that the account may send; 0 is no limit")
	customAttributeFlag(f, &custom)
	f.StringArrayVar(&uncustom, "remove-custom-attribute", nil, "[URN:]NAME of a custom attribute that is no longer described (repeatable); values stay")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

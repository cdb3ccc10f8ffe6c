package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"lockstep/internal/api"
)

func (e *env) accountReconcile() *cobra.Command {
	var adopt, repair bool
	c := &cobra.Command{
		Use: "reconcile ACCOUNT", Short: "Compare Freshservice with what lockstep wrote there", Args: exactly("ACCOUNT"),
		Long: `Lists the people of Freshservice, a call for every 100 of them, and compares
everybody whom a client has written with what was written, and the groups with
their members. Without a flag it only reports; it ends with 3 when anything differs.

  --adopt   takes Freshservice's values for the right ones
  --repair  writes once more what clients had written

What nobody wrote through lockstep, and values that Freshservice never took,
are no differences. Ctrl-C breaks it off; who was dealt with stays so.`,
		Example: `  lockstep account reconcile acme
  lockstep account reconcile acme --repair --json`,
		RunE: func(c *cobra.Command, args []string) error {
			mode := "report"
			switch {
			case adopt && repair:
				return usage("--adopt and --repair are opposites; give one of them")
			case adopt:
				mode = "adopt"
			case repair:
				mode = "repair"
			}
			return e.reconcile(c.Context(), args[0], mode)
		},
	}
	c.Flags().BoolVar(&adopt, "adopt", false, "take Freshservice's values for the right ones")
	c.Flags().BoolVar(&repair, "repair", false, "write once more what clients had written")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

// reconcile starts a comparison and follows it to its end.
func (e *env) reconcile(ctx context.Context, id, mode string) error {
	client := e.client()
	r, err := client.StartReconciliation(ctx, id, mode)
	if err != nil {
		return err
	}
	started := r.Started
	last := time.Now()
	for pause := 20 * time.Millisecond; r.Running; pause = min(2*pause, time.Second) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return errors.Join(ctx.Err(), client.StopReconciliation(end, id))
		}
		if r, err = client.Reconciliation(ctx, id); err != nil {
			return err
		}
		if !r.Started.Equal(started) {
			return errors.New("another comparison of the account was started meanwhile")
		}
		if r.Running && time.Since(last) >= lineEvery {
			last = time.Now()
			e.reconcileProgress(r)
		}
	}
	if e.json {
		if err := e.printJSON(r); err != nil {
			return err
		}
	} else if err := e.showReconciliation(id, r); err != nil {
		return err
	}
	switch {
	case r.Error != "":
		return fmt.Errorf("the comparison did not come to its end: %s", r.Error)
	case mode == "report" && r.Drifted > 0, r.Failed > 0:
		return &exitError{code: exitFindings}
	}
	return nil
}

func (e *env) reconcileProgress(r *api.Reconciliation) {
	took := time.Since(r.Started).Seconds()
	line := fmt.Sprintf("Comparing: %d of about %d people, %d differ", r.Listed, r.Expected, r.Drifted)
	if left := r.Expected - r.Listed; r.Listed > 0 && left > 0 {
		line += fmt.Sprintf(", about %s left", seconds(took/float64(r.Listed)*float64(left)))
	}
	fmt.Fprintln(e.err, line)
}

func (e *env) showReconciliation(id string, r *api.Reconciliation) error {
	if len(r.People) > 0 {
		t := e.table("WHO", "ATTRIBUTE", "LOCKSTEP WROTE", "FRESHSERVICE HAS", "NOW")
		for _, p := range r.People {
			for i, a := range p.Attributes {
				who, what := p.UserName, p.Outcome
				if p.Type == "Group" {
					who = "group " + who
				}
				if i > 0 {
					who, what = "", ""
				}
				t.AppendRow(table.Row{who, shortPath(a.Attribute), a.Lockstep, a.Freshservice, what})
			}
			if p.Problem != "" {
				t.AppendRow(table.Row{"", p.Problem})
			}
		}
		t.Render()
	}
	if more := r.Drifted - len(r.People); more > 0 {
		fmt.Fprintf(e.out, "… and %d more. By attribute:\n", more)
		for _, a := range slices.Sorted(maps.Keys(r.ByAttribute)) {
			fmt.Fprintf(e.out, "  %6d  %s\n", r.ByAttribute[a], a)
		}
	}
	differ := "differ"
	if r.Mode != "report" {
		differ = "differed"
	}
	fmt.Fprintf(e.out, "%d people are in Freshservice, %d of them written through lockstep. %d people or groups %s.", r.Listed, r.Compared, r.Drifted, differ)
	if r.Unknown > 0 {
		fmt.Fprintf(e.out, " %d were not known here yet.", r.Unknown)
	}
	if r.Failed > 0 {
		fmt.Fprintf(e.out, " %d could not be put right.", r.Failed)
	}
	next := ""
	if r.Mode == "report" && r.Drifted > 0 {
		next = fmt.Sprintf("\nWrite lockstep's values again with `lockstep account reconcile %s --repair`, or take Freshservice's with --adopt.", id)
	}
	_, err := fmt.Fprintln(e.out, next)
	return err
}

// shortPath leaves out the URN of an extension.
func shortPath(path string) string {
	if strings.HasPrefix(path, "urn:") {
		return path[strings.LastIndexByte(path, ':')+1:]
	}
	return path
}

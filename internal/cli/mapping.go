package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"lockstep/internal/api"
	"lockstep/internal/provision"
)

func (e *env) mappingCommand() *cobra.Command {
	return group("mapping", "Attribute mappings of an app",
		e.mappingShow(), e.mappingSet(), e.mappingRemove(), e.mappingReset(), e.mappingDiff(), e.mappingCheck(),
		e.mappingExport(), e.mappingImport(), e.mappingHistory())
}

// objectFlag is the flag that chooses between the mappings of users and groups.
func objectFlag(c *cobra.Command, object *string) {
	c.Flags().StringVar(object, "object", "User", "source object: User or Group")
}

// objectMapping returns a schema's mapping of one source object type.
func objectMapping(s *provision.Schema, object string) (*provision.ObjectMapping, error) {
	t, err := objectType(object)
	if err != nil {
		return nil, err
	}
	m := s.Mapping(t)
	if m == nil {
		return nil, fmt.Errorf("the schema has no mapping of the source object %s; `lockstep mapping reset` brings the template's back", t)
	}
	return m, nil
}

// shownMapping is an attribute mapping as show prints it.
type shownMapping struct {
	Target     string `json:"target"`
	Kind       string `json:"kind"`
	Source     string `json:"source,omitempty"`
	Matching   int    `json:"matching,omitempty"`
	Default    string `json:"default,omitempty"`
	CreateOnly bool   `json:"createOnly"`
	Clear      bool   `json:"clear"`
	FlowType   string `json:"flowType"`
}

func shown(a *provision.AttributeMapping) shownMapping {
	m := shownMapping{Target: a.TargetAttributeName, Kind: "none", Matching: max(a.MatchingPriority, 0), Default: a.DefaultValue,
		CreateOnly: a.FlowType == provision.FlowTypeObjectAddOnly, Clear: a.FlowNullValues, FlowType: cmp.Or(a.FlowType, provision.FlowTypeAlways)}
	if a.Source == nil {
		return m
	}
	switch a.Source.Type {
	case provision.SourceConstant:
		m.Kind, m.Source = "constant", a.Source.Name
		return m
	case provision.SourceFunction:
		m.Kind = "expression"
	default:
		m.Kind = "attribute"
	}
	text, err := a.Source.Text()
	if err != nil {
		text = a.Source.Name
	}
	m.Source = text
	return m
}

func (m shownMapping) applied() string {
	switch {
	case m.CreateOnly:
		return "on creation"
	case m.FlowType != provision.FlowTypeAlways:
		return m.FlowType
	case m.Clear:
		return "always, clears"
	}
	return "always"
}

func (m shownMapping) source() string {
	switch m.Kind {
	case "none":
		return "(none)"
	case "constant":
		return strconv.Quote(m.Source)
	}
	return m.Source
}

// shownObject is an object mapping as show prints it.
type shownObject struct {
	Object     string         `json:"object"`
	Target     string         `json:"target"`
	Enabled    bool           `json:"enabled"`
	Actions    string         `json:"actions"`
	Filter     string         `json:"filter,omitempty"`
	Attributes []shownMapping `json:"attributes"`
}

func shownObjects(s *provision.Schema) []shownObject {
	out := []shownObject{}
	for _, t := range []provision.ObjectType{provision.User, provision.Group} {
		m := s.Mapping(t)
		if m == nil {
			continue
		}
		o := shownObject{Object: string(t), Target: s.RuleFor(t).TargetDirectoryName, Enabled: m.Enabled, Actions: m.FlowTypes.String(),
			Filter: m.Scope.String(), Attributes: []shownMapping{}}
		for _, a := range m.AttributeMappings {
			o.Attributes = append(o.Attributes, shown(a))
		}
		out = append(out, o)
	}
	return out
}

func (e *env) mappingShow() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "show APP | --schema FILE", Short: "Show the mappings as a table", Args: appOrFile(&file),
		Example: "  lockstep mapping show freshservice\n  lockstep mapping show --schema schema.json",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := e.schemaOf(c.Context(), args, file)
			if err != nil {
				return err
			}
			objects := shownObjects(s.Schema)
			if e.json {
				return e.printJSON(map[string]any{"revision": s.Revision, "template": s.Template, "mappings": objects})
			}
			for i, o := range objects {
				if i > 0 {
					fmt.Fprintln(e.out)
				}
				e.printObject(o)
			}
			return nil
		},
	}
	c.Flags().StringVar(&file, "schema", "", "file with a synchronizationSchema; - reads it from standard input")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) printObject(o shownObject) {
	state := strings.ToLower(o.Actions)
	if !o.Enabled {
		state = "switched off"
	}
	fmt.Fprintf(e.out, "%ss to %s: %s\n", o.Object, o.Target, state)
	if o.Filter != "" {
		fmt.Fprintf(e.out, "Scoping filter: %s\n", o.Filter)
	}
	t := e.table("TARGET", "SOURCE", "MATCH", "DEFAULT", "APPLIED")
	for _, m := range o.Attributes {
		match, byDefault := "", ""
		if m.Matching > 0 {
			match = strconv.Itoa(m.Matching)
		}
		if m.Default != "" {
			byDefault = strconv.Quote(m.Default)
		}
		t.AppendRow(table.Row{m.Target, m.source(), match, byDefault, m.applied()})
	}
	t.Render()
}

// appOrFile takes either an app or the flag that names a file.
func appOrFile(file *string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 || (len(args) == 1) == (*file != "") {
			return usage("name either an app or a file with --schema")
		}
		return nil
	}
}

// schemaOf reads the schema of a file, or else of the app that args name.
func (e *env) schemaOf(ctx context.Context, args []string, file string) (*api.AppSchema, error) {
	if file == "" {
		return e.client().AppSchema(ctx, args[0])
	}
	s, err := e.readSchema(file)
	return &api.AppSchema{Schema: s}, err
}

// editSchema changes an app's schema. What the schema has become is returned.
func (e *env) editSchema(ctx context.Context, app string, edit func(*provision.Schema) error) (*api.AppSchema, error) {
	client := e.client()
	s, err := client.AppSchema(ctx, app)
	if err != nil {
		return nil, err
	}
	if err := edit(s.Schema); err != nil {
		return nil, err
	}
	return client.PutAppSchema(ctx, app, api.AppSchema{Revision: s.Revision, Schema: s.Schema})
}

func (e *env) mappingRemove() *cobra.Command {
	var object string
	c := &cobra.Command{
		Use: "remove APP TARGET", Short: "Remove the mapping to a target attribute; targets keep their values", Args: exactly("APP", "TARGET"),
		Example: "  lockstep mapping remove freshservice title",
		RunE: func(c *cobra.Command, args []string) error {
			_, err := e.editSchema(c.Context(), args[0], func(s *provision.Schema) error {
				m, err := objectMapping(s, object)
				if err != nil {
					return err
				}
				if !m.Remove(args[1]) {
					return noSuchMapping(m, args[1])
				}
				return nil
			})
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(map[string]string{"removed": args[1]})
			}
			_, err = fmt.Fprintf(e.out, "%s is no longer mapped.\n", args[1])
			return err
		},
	}
	objectFlag(c, &object)
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func noSuchMapping(m *provision.ObjectMapping, target string) error {
	var names []string
	for _, a := range m.AttributeMappings {
		names = append(names, a.TargetAttributeName)
	}
	msg := fmt.Sprintf("nothing is mapped to %s", target)
	if near := provision.Nearest(target, names); near != "" {
		msg += "; did you mean " + near + "?"
	}
	return errors.New(msg)
}

func (e *env) mappingReset() *cobra.Command {
	var yes bool
	var save string
	c := &cobra.Command{
		Use: "reset APP", Short: "Return to the template's mappings; the old ones are saved first", Args: exactly("APP"),
		Long: `Returns the mappings and scoping filters to those of the app's template. The
schema there is now is first saved to a file, which "mapping import" takes back.
Without --yes it only says what would be lost.`,
		Example: `  lockstep mapping reset freshservice
  lockstep mapping reset freshservice --yes --save before.json`,
		RunE: func(c *cobra.Command, args []string) error {
			client := e.client()
			old, err := client.AppSchema(c.Context(), args[0])
			if err != nil {
				return err
			}
			template, err := provision.Template(old.Template)
			if err != nil {
				return err
			}
			lost := provision.DiffSchemas(old.Schema, template)
			if !e.json {
				e.printLoss(lost, old.Template)
			}
			if !yes && len(lost) > 0 {
				return usage("resetting the mappings of app %q changes what is listed above; say so with --yes", args[0])
			}
			if save == "" {
				save = fmt.Sprintf("%s-schema-%d.json", args[0], old.Revision)
			}
			if err := saveSchema(save, old.Schema); err != nil {
				return err
			}
			reset, err := client.ResetAppSchema(c.Context(), args[0])
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(map[string]any{"saved": save, "revision": reset.Revision, "differences": list(lost)})
			}
			_, err = fmt.Fprintf(e.out, "The mappings of app %q are those of the template %s. The old ones are in %s; `lockstep mapping import %s %s` brings them back.\n",
				args[0], old.Template, save, args[0], save)
			return err
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do it without asking")
	c.Flags().StringVar(&save, "save", "", "file for the old schema (default: APP-schema-REVISION.json)")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) printLoss(lost []provision.SchemaDifference, template string) {
	if len(lost) == 0 {
		fmt.Fprintf(e.out, "Nothing is lost: the mappings are those of the template %s.\n", template)
		return
	}
	fmt.Fprintf(e.out, "Against the template %s this is lost or changed:\n", template)
	for _, d := range lost {
		fmt.Fprintf(e.out, "  %s\n", d)
	}
}

// saveSchema writes a schema to a new file.
func saveSchema(path string, s *provision.Schema) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("the file %s is there already, and nothing was done; name another one with --save", path)
	}
	if err != nil {
		return fmt.Errorf("the old schema cannot be saved, and nothing was done: %w", err)
	}
	return errors.Join(writeSchema(f, s), f.Sync(), f.Close())
}

func (e *env) mappingDiff() *cobra.Command {
	var against string
	c := &cobra.Command{
		Use: "diff APP", Short: "Say how the mappings differ from the template or a file", Args: exactly("APP"),
		Long: `Lists how the app's mappings and scoping filters differ from those of its
template, or from the schema in a file. It exits 3 when they do.`,
		Example: `  lockstep mapping diff freshservice
  lockstep mapping diff freshservice --against before.json`,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := e.client().AppSchema(c.Context(), args[0])
			if err != nil {
				return err
			}
			var other *provision.Schema
			if against == "" || against == "default" {
				other, err = provision.Template(s.Template)
			} else {
				other, err = e.readSchema(against)
			}
			if err != nil {
				return err
			}
			return e.printDifferences(provision.DiffSchemas(other, s.Schema))
		},
	}
	c.Flags().StringVar(&against, "against", "", "file with a synchronizationSchema (default: the app's template)")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) printDifferences(found []provision.SchemaDifference) error {
	if e.json {
		if err := e.printJSON(map[string]any{"differences": list(found)}); err != nil {
			return err
		}
	} else if len(found) == 0 {
		fmt.Fprintln(e.out, "There is no difference.")
	} else {
		for _, d := range found {
			fmt.Fprintln(e.out, d)
		}
	}
	if len(found) > 0 {
		return &exitError{code: exitFindings}
	}
	return nil
}

func differences(n int) string {
	if n == 1 {
		return "1 difference"
	}
	return fmt.Sprintf("%d differences", n)
}

func (e *env) mappingHistory() *cobra.Command {
	c := &cobra.Command{
		Use: "history APP", Short: "List the schemas that an app had before", Args: exactly("APP"),
		Example: "  lockstep mapping history freshservice\n  lockstep mapping export freshservice --revision 3 --out before.json",
		RunE: func(c *cobra.Command, args []string) error {
			revisions, err := e.client().SchemaHistory(c.Context(), args[0])
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(list(revisions))
			}
			if len(revisions) == 0 {
				_, err := fmt.Fprintln(e.out, "The schema has never been changed.")
				return err
			}
			t := e.table("REVISION", "REPLACED")
			for _, r := range revisions {
				t.AppendRow(table.Row{r.Revision, date(r.Replaced)})
			}
			t.Render()
			return nil
		},
	}
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

func (e *env) mappingExport() *cobra.Command {
	var out string
	var revision int64
	c := &cobra.Command{
		Use: "export APP", Short: "Print the schema as Entra's own JSON", Args: exactly("APP"),
		Long: `Prints the app's synchronizationSchema in Microsoft Graph's form, as Entra's
schema editor downloads and uploads it.`,
		Example: `  lockstep mapping export freshservice > schema.json
  lockstep mapping export freshservice --revision 3 --out before.json`,
		RunE: func(c *cobra.Command, args []string) error {
			var s *api.AppSchema
			var err error
			if revision > 0 {
				s, err = e.client().EarlierSchema(c.Context(), args[0], revision)
			} else {
				s, err = e.client().AppSchema(c.Context(), args[0])
			}
			if err != nil {
				return err
			}
			if out == "" {
				return writeSchema(e.out, s.Schema)
			}
			f, err := os.OpenFile(filepath.Clean(out), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
			if err != nil {
				return err
			}
			return errors.Join(writeSchema(f, s.Schema), f.Close())
		},
	}
	c.Flags().StringVar(&out, "out", "", "file to write (default: standard output)")
	c.Flags().Int64Var(&revision, "revision", 0, "an earlier schema, see \"mapping history\"")
	e.dataFlag(c)
	return c
}

func (e *env) mappingImport() *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use: "import APP FILE", Short: "Replace the schema by a file in Entra's own JSON; - reads standard input", Args: exactly("APP", "FILE"),
		Long: `Replaces the app's synchronizationSchema by that of a file, such as Entra's
schema editor downloads. It says what changes; the old schema is kept, see
"mapping history". A schema that does not compile is refused.`,
		Example: `  lockstep mapping import freshservice schema.json
  lockstep mapping import freshservice schema.json --dry-run`,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := e.readSchema(args[1])
			if err != nil {
				return err
			}
			old, err := e.client().AppSchema(c.Context(), args[0])
			if err != nil {
				return err
			}
			changes := provision.DiffSchemas(old.Schema, s)
			revision := old.Revision
			if !dryRun {
				put, err := e.client().PutAppSchema(c.Context(), args[0], api.AppSchema{Revision: old.Revision, Schema: s})
				if err != nil {
					return err
				}
				revision = put.Revision
			}
			if e.json {
				return e.printJSON(map[string]any{"revision": revision, "differences": list(changes)})
			}
			for _, d := range changes {
				fmt.Fprintln(e.out, d)
			}
			if dryRun {
				_, err = fmt.Fprintf(e.out, "%s; nothing was changed.\n", differences(len(changes)))
			} else {
				_, err = fmt.Fprintf(e.out, "%s; app %q now has the schema of %s.\n", differences(len(changes)), args[0], args[1])
			}
			return err
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would change")
	e.jsonFlag(c)
	e.dataFlag(c)
	return c
}

package provision

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed templates/*.json
var templateFiles embed.FS

// A TemplateInfo describes a template: the schema that a new app starts with
// and that a reset returns to (Graph: synchronizationTemplate).
type TemplateInfo struct {
	// ID is "freshservice" or "scim", Graph's templateId.
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	// Default marks the template for targets that have none of their own.
	Default bool `json:"default"`
}

var templates = []TemplateInfo{
	{
		ID: "freshservice", Name: "Freshservice",
		Description: "Users to Freshservice with the attributes of Microsoft's tutorial; the group mapping is there and switched off",
	},
	{
		ID: "scim", Name: "SCIM 2.0", Default: true,
		Description: "Users and groups to any SCIM 2.0 endpoint with Entra's default mappings",
	},
}

// Templates lists the templates.
func Templates() []TemplateInfo { return slices.Clone(templates) }

// Template returns a copy of the template with that ID. Its rules and
// directories keep their IDs from release to release.
func Template(id string) (*Schema, error) {
	for _, t := range templates {
		if t.ID != id {
			continue
		}
		data, err := templateFiles.ReadFile("templates/" + id + ".json")
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", id, err)
		}
		return ReadSchema(bytes.NewReader(data))
	}
	var ids []string
	for _, t := range templates {
		ids = append(ids, t.ID)
	}
	return nil, fmt.Errorf("there is no template %q; the templates are %s", id, strings.Join(ids, " and "))
}

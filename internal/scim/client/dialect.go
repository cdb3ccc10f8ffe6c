package client

import (
	"strings"

	"lockstep/internal/provision"
	"lockstep/internal/scim"
)

// urnADSCIM is the second schema of the groups that Entra creates.
const urnADSCIM = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"

// followUp is what Entra's dialects leave out of a POST and send afterwards.
type followUp struct {
	references provision.Delta
	members    []string
}

// createBody returns the body of the POST that creates r. Strict puts
// everything into it. Entra leaves out references and members, lists the
// enterprise extension whether it is used or not, and always sends roles and
// meta.resourceType (Microsoft Learn: develop a SCIM endpoint, user and group
// operations).
func (c *Client) createBody(r *scim.Resource) (*scim.Object, followUp) {
	var later followUp
	if c.dialect == provision.Strict {
		return r.Peek(), later
	}
	body := r.Peek().Clone()
	if isGroup(r.Type) {
		body.Set("schemas", []scim.Value{scim.URNGroup, urnADSCIM})
		for _, m := range body.Elements("members") {
			if o, ok := m.(*scim.Object); ok && o.Text("value") != "" {
				later.members = append(later.members, o.Text("value"))
			}
		}
		body.Delete("members")
	} else {
		schemas := []scim.Value{scim.URNUser, scim.URNEnterprise}
		for _, s := range body.Elements("schemas") {
			if t, ok := s.(string); ok && !strings.EqualFold(t, scim.URNUser) && !strings.EqualFold(t, scim.URNEnterprise) {
				schemas = append(schemas, t)
			}
		}
		body.Set("schemas", schemas)
		if ext := body.Child(scim.URNEnterprise); ext != nil {
			if id, ok := referenceValue(ext); ok {
				later.references = provision.Delta{{Path: scim.URNEnterprise + ":manager", New: id}}
			}
			ext.Delete("manager")
			if ext.Len() == 0 {
				body.Delete(scim.URNEnterprise)
			}
		}
		if _, ok := body.Get("roles"); !ok {
			body.Set("roles", []scim.Value{})
		}
	}
	body.Set("meta", scim.NewObject("resourceType", r.Type.Name))
	return body, later
}

// referenceValue returns the target ID of the manager.
func referenceValue(ext *scim.Object) (string, bool) {
	v, _ := ext.Get("manager")
	switch v := v.(type) {
	case string:
		return v, v != ""
	case *scim.Object:
		return v.Text("value"), v.Text("value") != ""
	}
	return "", false
}

// memberPatch returns the body of one PATCH that adds or removes members.
func (c *Client) memberPatch(op scim.PatchOp, ids []string) *scim.Object {
	var ops []scim.Value
	switch {
	case op == scim.Remove && c.dialect != provision.Legacy:
		// RFC 7644 section 3.5.2.2 knows removal by path only.
		ops = make([]scim.Value, len(ids))
		for i, id := range ids {
			p := scim.Path{Attr: "members", Filter: &scim.Comparison{Path: scim.Path{Attr: "value"}, Op: scim.Eq, Value: id}}
			ops[i] = scim.NewObject("op", string(op), "path", p.String())
		}
	default:
		values := make([]scim.Value, len(ids))
		name := string(op)
		for i, id := range ids {
			if c.dialect == provision.Legacy {
				values[i] = scim.NewObject("$ref", nil, "value", id)
			} else {
				values[i] = scim.NewObject("value", id)
			}
		}
		if c.dialect == provision.Legacy {
			name = strings.ToUpper(name[:1]) + name[1:]
		}
		ops = []scim.Value{scim.NewObject("op", name, "path", "members", "value", values)}
	}
	return scim.NewObject("schemas", []scim.Value{scim.URNPatchOp}, "Operations", ops)
}

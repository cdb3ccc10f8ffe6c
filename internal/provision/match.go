package provision

import "lockstep/internal/scim"

// TargetValues returns what a target object holds at the flow's path, as text,
// for matching.
func (f *AttributeFlow) TargetValues(r *scim.Resource) []string {
	var out []string
	for _, v := range asList(f.path.get(r.Peek())) {
		if s, ok := elementValue(v).(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}

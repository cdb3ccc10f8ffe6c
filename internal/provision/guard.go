package provision

import "fmt"

// A Guard holds a cycle back when it would disable or delete more than is
// plausible: an emptied file or a wrong filter looks just like a mass exit.
// Both thresholds must be reached by deletions and disables together, so that
// small directories are not held up by ordinary leavers.
type Guard struct {
	// Percent of the linked population, 0 switches the guard off.
	Percent int `json:"percent"`
	// AtLeast is the smallest number of removals that is ever held.
	AtLeast int `json:"atLeast"`
	// Count holds the cycle whatever the percentage; 0: no such limit. Entra's
	// default is 500.
	Count int `json:"count"`
}

// DefaultGuard is on for every app.
var DefaultGuard = Guard{Percent: 20, AtLeast: 10, Count: 500}

// Holds reports whether removals out of linked objects are too many, and why.
func (g Guard) Holds(removals, linked int) (bool, string) {
	if g.Percent <= 0 || removals == 0 {
		return false, ""
	}
	switch {
	case g.Count > 0 && removals > g.Count:
		return true, fmt.Sprintf("%d people or groups would lose access in one cycle; the deletion guard allows %d", removals, g.Count)
	case removals >= g.AtLeast && linked > 0 && removals*100 > linked*g.Percent:
		return true, fmt.Sprintf("%d of %d people or groups would lose access in one cycle; the deletion guard allows %d %%", removals, linked, g.Percent)
	}
	return false, ""
}

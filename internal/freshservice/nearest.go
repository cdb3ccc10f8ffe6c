package freshservice

import "strings"

// nearest returns the candidate that is closest to s in spelling, or "" when
// none is close enough to be worth suggesting. Case does not count.
func nearest(s string, candidates []string) string {
	want := []rune(strings.ToLower(strings.TrimSpace(s)))
	if len(want) == 0 || len(want) > 100 {
		return ""
	}
	best, limit := "", max(1, len(want)/3)+1
	for _, c := range candidates {
		if d := distance(want, []rune(strings.ToLower(c)), limit); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the optimal string alignment distance (insertions, deletions,
// substitutions and swaps of neighbours), or limit when it is not below that.
func distance(a, b []rune, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		least := row[0]
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
			least = min(least, row[j+1])
		}
		if least >= limit {
			return limit
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}

// didYouMean is the tail of a message that has a suggestion.
func didYouMean(suggestion string) string {
	if suggestion == "" {
		return ""
	}
	return "; the nearest is \"" + suggestion + "\""
}

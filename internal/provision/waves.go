package provision

import "slices"

// waves orders the creates of a plan so that a manager exists before the people
// who report to them: then one request creates a person together with the
// reference. It keeps two numbers per create, not the objects.
type waves struct {
	seq     map[uint64]int64  // create: object key → sequence number
	waitsOn map[uint64]uint64 // create: object key → key of the object it refers to
	groups  []int64           // items of groups come behind every user
}

func (w *waves) add(items []*Item) {
	if w.seq == nil {
		w.seq, w.waitsOn = map[uint64]int64{}, map[uint64]uint64{}
	}
	for _, it := range items {
		if it.State != ItemPlanned {
			continue
		}
		if it.Ref.Type == Group {
			w.groups = append(w.groups, it.Seq)
			continue
		}
		key := objectKey(it.Ref.Type, it.Ref.ID)
		if it.Decision.Action == ActionCreate {
			w.seq[key] = it.Seq
		} else if len(it.Decision.Waiting) == 0 {
			continue
		} else {
			// An update that waits for somebody created in this plan goes after them.
			w.seq[key] = it.Seq
		}
		for _, wait := range it.Decision.Waiting {
			w.waitsOn[key] = objectKey(wait.Type, wait.SourceID)
		}
	}
}

// assign returns the wave of every item that is not in wave 0. People who refer
// to each other in a circle share a wave; their references are completed by the
// cycle's next round.
func (w *waves) assign() map[int64]int {
	depth := make(map[uint64]int, len(w.seq))
	out := map[int64]int{}
	var chain []uint64
	for key := range w.seq {
		chain = chain[:0]
		base := 0
		for k := key; ; {
			if d, ok := depth[k]; ok {
				base = max(d, 0)
				break
			}
			if _, planned := w.seq[k]; !planned {
				base = -1
				break
			}
			depth[k] = 0 // marks the chain being walked; breaks circles
			chain = append(chain, k)
			next, ok := w.waitsOn[k]
			if !ok {
				base = -1
				break
			}
			k = next
		}
		for _, c := range slices.Backward(chain) {
			base++
			depth[c] = base
			if base > 0 {
				out[w.seq[c]] = base
			}
		}
	}
	for _, seq := range w.groups {
		out[seq] = groupWave
	}
	return out
}

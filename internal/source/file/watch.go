package file

import (
	"context"
	"os"
	"time"
)

const (
	// watchInterval is how often a watched file is looked at.
	watchInterval = time.Second
	// settleTime is how long to wait for a writer to finish.
	settleTime = 200 * time.Millisecond
)

// Watch returns a channel that gets a value each time the file has changed and
// has then been still for one interval of a second. A change that nobody has
// taken notice of yet is not announced twice. While the file is missing nothing
// is announced: a file on its way to be replaced is not an empty one. The
// channel is closed when ctx is done.
//
// The file is looked at once a second: it may lie on a network drive, which
// announces nothing.
func (s *Source) Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	// The state now is what later ones are compared with, so that no change
	// after Watch has returned is missed.
	known, _ := s.look()
	go func() {
		defer close(changed)
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		last := known
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now, ok := s.look()
			if !ok {
				continue
			}
			still := now == last
			last = now
			if !still || now == known {
				continue
			}
			known = now
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	return changed
}

// look returns the state of the file, if there is one.
func (s *Source) look() (stamp, bool) {
	st, err := os.Stat(s.path)
	if err != nil || !st.Mode().IsRegular() {
		return stamp{}, false
	}
	return stampOf(st), true
}

package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"

	"lockstep/internal/provision"
)

// A meter shows how far a cycle is: bars with rate and remaining time on a
// terminal, a plain line now and then elsewhere.
type meter interface {
	update(provision.Progress)
	close()
}

func newMeter(w io.Writer) meter {
	if isTerminal(w) {
		return newBars(w)
	}
	return &lines{w: w}
}

func phaseName(s provision.CycleState) string {
	switch s {
	case provision.CycleReading:
		return "Reading the source"
	case provision.CyclePlanning:
		return "Deciding"
	default:
		return "Provisioning"
	}
}

// bars draws one bar per phase.
type bars struct {
	writer  progress.Writer
	phase   provision.CycleState
	tracker *progress.Tracker
}

func newBars(w io.Writer) *bars {
	p := progress.NewWriter()
	p.SetOutputWriter(w)
	p.SetAutoStop(false)
	p.SetTrackerLength(30)
	p.SetUpdateFrequency(100 * time.Millisecond)
	p.SetStyle(progress.StyleBlocks)
	p.Style().Visibility = progress.StyleVisibility{ETA: true, Percentage: true, Speed: true, Time: true, Tracker: true, Value: true}
	p.Style().Options.Separator = "  "
	p.Style().Options.TimeInProgressPrecision = 100 * time.Millisecond
	p.Style().Options.TimeDonePrecision = 100 * time.Millisecond
	p.SetTrackerPosition(progress.PositionRight)
	p.SetMessageLength(len("Reading the source"))
	go p.Render()
	return &bars{writer: p}
}

func (b *bars) update(p provision.Progress) {
	if b.tracker == nil || p.Phase != b.phase {
		b.finish()
		b.phase = p.Phase
		b.tracker = &progress.Tracker{Message: phaseName(p.Phase), Total: int64(p.Total)}
		b.writer.AppendTracker(b.tracker)
	}
	b.tracker.UpdateTotal(int64(p.Total))
	b.tracker.SetValue(int64(p.Done))
}

func (b *bars) finish() {
	if b.tracker != nil {
		b.tracker.MarkAsDone()
	}
}

func (b *bars) close() {
	b.finish()
	// The last state is drawn before the writer stops.
	time.Sleep(150 * time.Millisecond)
	b.writer.Stop()
	for b.writer.IsRenderInProgress() {
		time.Sleep(10 * time.Millisecond)
	}
}

// lines prints a line when a phase begins and every two seconds in it.
type lines struct {
	w           io.Writer
	phase       provision.CycleState
	began, last time.Time
}

const lineEvery = 2 * time.Second

func (l *lines) update(p provision.Progress) {
	now := time.Now()
	if p.Phase != l.phase {
		l.phase, l.began, l.last = p.Phase, now, now
		if p.Phase == provision.CycleReading {
			fmt.Fprintf(l.w, "%s ...\n", phaseName(p.Phase))
		} else if p.Total > 0 {
			fmt.Fprintf(l.w, "%s: %d to do\n", phaseName(p.Phase), p.Total)
		}
		return
	}
	if now.Sub(l.last) < lineEvery {
		return
	}
	l.last = now
	rate := float64(p.Done) / now.Sub(l.began).Seconds()
	if p.Total > 0 && rate > 0 {
		left := time.Duration(float64(p.Total-p.Done) / rate * float64(time.Second)).Round(time.Second)
		fmt.Fprintf(l.w, "%s: %d of %d (%d %%), %.0f a second, about %s left\n", phaseName(p.Phase), p.Done, p.Total, p.Done*100/p.Total, rate, left)
	} else {
		fmt.Fprintf(l.w, "%s: %d, %.0f a second\n", phaseName(p.Phase), p.Done, rate)
	}
}

func (l *lines) close() {}

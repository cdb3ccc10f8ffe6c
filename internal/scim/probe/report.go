package probe

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// An Outcome is how a check ended.
type Outcome string

// The outcomes. A warning is about something that most clients put up with; it
// counts as passed.
const (
	Pass Outcome = "pass"
	Warn Outcome = "warn"
	Fail Outcome = "fail"
	Skip Outcome = "skip"
)

// A Report is what a run found.
type Report struct {
	URL      string    `json:"url"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`
	ReadOnly bool      `json:"readOnly"`
	Requests int       `json:"requests"`
	// Passed counts the checks that passed, those with a warning among them;
	// Total is how many were carried out, that is, all but those skipped.
	Passed   int `json:"passed"`
	Warnings int `json:"warnings"`
	Failed   int `json:"failed"`
	Skipped  int `json:"skipped"`
	Total    int `json:"total"`

	Checks []Result `json:"checks"`
	// LeftBehind is what the run created and could not remove.
	LeftBehind []LeftBehind `json:"leftBehind,omitempty"`
}

// A Result is the outcome of one check.
type Result struct {
	// ID is stable: it may be used to tell runs apart.
	ID    string `json:"id"`
	Title string `json:"title"`
	Group string `json:"group"`
	// Outcome is how it ended, and Detail why it did not pass.
	Outcome  Outcome `json:"outcome"`
	Detail   string  `json:"detail,omitempty"`
	Expected string  `json:"expected"`
	// Breaks names the clients that break when the check fails.
	Breaks []string `json:"breaks"`
	// References are sections of RFCs and rules of the diagnosis catalogue.
	References []string   `json:"references"`
	Exchanges  []Exchange `json:"exchanges,omitempty"`
	Seconds    float64    `json:"seconds"`
}

// An Exchange is a request and its response. Long bodies are cut, the token is
// taken out, and so are resources that the run did not create.
type Exchange struct {
	Method string `json:"method"`
	// Path follows the base URL.
	Path         string `json:"path"`
	RequestBody  string `json:"requestBody,omitempty"`
	Status       int    `json:"status,omitempty"`
	ContentType  string `json:"contentType,omitempty"`
	ResponseBody string `json:"responseBody,omitempty"`
	// Error says why there was no response.
	Error string `json:"error,omitempty"`
}

// A LeftBehind is a resource that the run created and could not remove.
type LeftBehind struct {
	Path   string `json:"path"`
	Name   string `json:"name,omitempty"`
	Reason string `json:"reason"`
}

func (r *Report) add(c Result) {
	r.Checks = append(r.Checks, c)
	switch c.Outcome {
	case Pass:
		r.Passed++
	case Warn:
		r.Passed++
		r.Warnings++
	case Fail:
		r.Failed++
	case Skip:
		r.Skipped++
		return
	}
	r.Total++
}

// WriteText writes the report for people: a line per group, and what was sent
// and came for each check that did not pass. With verbose every check has its
// line and the reason why one was skipped. The last line is "passed X of Y".
func (r *Report) WriteText(w io.Writer, verbose bool) error {
	b := bufio.NewWriter(w)
	for i := 0; i < len(r.Checks); {
		j := i
		for j < len(r.Checks) && r.Checks[j].Group == r.Checks[i].Group {
			j++
		}
		writeGroup(b, r.Checks[i:j], verbose)
		i = j
	}
	if len(r.LeftBehind) > 0 {
		fmt.Fprintf(b, "\nThe endpoint keeps %s that the run created. Remove by hand:\n", count(len(r.LeftBehind), "resource"))
		for _, l := range r.LeftBehind {
			fmt.Fprintf(b, "  %s  %s\n      %s\n", l.Path, l.Name, l.Reason)
		}
	}
	fmt.Fprintf(b, "\n%s in %.1f s: %d failed, %s, %d skipped\n", count(r.Requests, "request"), r.Seconds, r.Failed, count(r.Warnings, "warning"), r.Skipped)
	fmt.Fprintf(b, "passed %d of %d\n", r.Passed, r.Total)
	return b.Flush()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func writeGroup(w io.Writer, checks []Result, verbose bool) {
	var passed, total int
	for _, c := range checks {
		if c.Outcome != Skip {
			total++
		}
		if c.Outcome == Pass || c.Outcome == Warn {
			passed++
		}
	}
	state := fmt.Sprintf("%d of %d", passed, total)
	if total == 0 {
		state = "skipped"
	}
	fmt.Fprintf(w, "%-26s %s\n", checks[0].Group, state)
	for _, c := range checks {
		switch c.Outcome {
		case Pass:
			if verbose {
				fmt.Fprintf(w, "  ok    %-32s %s\n", c.ID, c.Title)
			}
		case Skip:
			if verbose {
				fmt.Fprintf(w, "  skip  %-32s %s\n", c.ID, oneLine(c.Detail))
			}
		case Warn, Fail:
			writeProblem(w, c, verbose)
		}
	}
}

func writeProblem(w io.Writer, c Result, verbose bool) {
	label := "FAIL"
	if c.Outcome == Warn {
		label = "warn"
	}
	fmt.Fprintf(w, "  %s  %-32s %s\n", label, c.ID, c.Title)
	fmt.Fprintf(w, "        %s\n", oneLine(c.Detail))
	exchanges := c.Exchanges
	// The last request is the one that showed the fault.
	if !verbose && len(exchanges) > 2 {
		exchanges = exchanges[len(exchanges)-2:]
	}
	for _, x := range exchanges {
		fmt.Fprintf(w, "        sent      %s %s%s\n", x.Method, x.Path, after("  ", cut(x.RequestBody, 400)))
		if x.Error != "" {
			fmt.Fprintf(w, "        came      nothing: %s\n", oneLine(x.Error))
			continue
		}
		fmt.Fprintf(w, "        came      %d%s\n", x.Status, after("  ", oneLine(cut(x.ResponseBody, 400))))
	}
	fmt.Fprintf(w, "        expected  %s\n", c.Expected)
	fmt.Fprintf(w, "        breaks    %s; see %s\n", strings.Join(c.Breaks, ", "), strings.Join(c.References, ", "))
}

func after(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// oneLine keeps what an endpoint sends from breaking the layout, or from
// steering the terminal.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case r < ' ', r == 0x7f, 0x80 <= r && r < 0xa0:
			return '\uFFFD'
		}
		return r
	}, text))
}

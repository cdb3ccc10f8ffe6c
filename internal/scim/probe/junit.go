package probe

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The elements of a JUnit report, as continuous integration servers read it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
		seconds  float64
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as a JUnit XML file: a suite per group, a case
// per check. Warnings are cases that passed with their reason as output.
func (r *Report) WriteJUnit(w io.Writer) error {
	doc := junitSuites{
		Name: "lockstep validate " + r.URL, Tests: len(r.Checks), Failures: r.Failed, Skipped: r.Skipped, Time: seconds(r.Seconds),
	}
	for _, c := range r.Checks {
		if n := len(doc.Suites); n == 0 || doc.Suites[n-1].Name != c.Group {
			doc.Suites = append(doc.Suites, junitSuite{Name: c.Group})
		}
		s := &doc.Suites[len(doc.Suites)-1]
		s.Tests++
		s.seconds += c.Seconds
		s.Time = seconds(s.seconds)
		one := junitCase{Class: "scim." + strings.ReplaceAll(c.Group, " ", "-"), Name: c.ID, Time: seconds(c.Seconds)}
		switch c.Outcome {
		case Pass:
		case Warn:
			one.Out = "warning: " + c.Detail
		case Fail:
			s.Failures++
			var text strings.Builder
			writeProblem(&text, c, true)
			one.Failure = &junitMessage{Message: c.Detail, Text: text.String()}
		case Skip:
			s.Skipped++
			one.Skipped = &junitMessage{Message: c.Detail}
		}
		s.Cases = append(s.Cases, one)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestImportsRunOneWay holds the import table of ARCHITECTURE.md against the
// code, so that the page and the house cannot drift apart.
func TestImportsRunOneWay(t *testing.T) {
	rules := readRules(t)
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	const root = "lockstep/internal/"
	used := map[string]bool{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(p.ImportPath, root)
		if !ok {
			continue
		}
		row, allowed, ok := ruleFor(rules, name)
		if !ok {
			t.Errorf("ARCHITECTURE.md has no row for package %s", name)
			continue
		}
		used[row] = true
		for _, imp := range p.Imports {
			dep, ours := strings.CutPrefix(imp, root)
			if ours && !slices.Contains(allowed, "*") && !slices.Contains(allowed, dep) {
				t.Errorf("%s imports %s, which its row in ARCHITECTURE.md (%q) does not allow", name, dep, strings.Join(allowed, ", "))
			}
		}
	}
	for row := range rules {
		if !used[row] {
			t.Errorf("ARCHITECTURE.md has a row for %s, which does not exist", row)
		}
	}
}

func ruleFor(rules map[string][]string, name string) (row string, allowed []string, ok bool) {
	for row = name; ; {
		if allowed, ok = rules[row]; ok {
			return row, allowed, true
		}
		i := strings.LastIndexByte(row, '/')
		if i < 0 {
			return "", nil, false
		}
		row = row[:i]
	}
}

func readRules(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?s)<!-- imports -->(.*)<!-- /imports -->`).FindSubmatch(page)
	if m == nil {
		t.Fatal("ARCHITECTURE.md lacks its table of imports")
	}
	rules := map[string][]string{}
	for line := range strings.Lines(string(m[1])) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 2 || strings.HasPrefix(strings.TrimSpace(cells[0]), "-") || strings.TrimSpace(cells[0]) == "package" {
			continue
		}
		var allowed []string
		for dep := range strings.SplitSeq(cells[1], ",") {
			if dep = strings.TrimSpace(dep); dep != "" {
				allowed = append(allowed, dep)
			}
		}
		rules[strings.TrimSpace(cells[0])] = allowed
	}
	return rules
}

package proxy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every moment at which a crash may come is in the table of docs/handover.md, and
// nothing else is; and there is a test that kills the process there.
func TestEveryWindowIsInTheTableAndIsTested(t *testing.T) {
	files, _ := filepath.Glob("*.go")
	moments := map[string]bool{}
	var tests strings.Builder
	hook := regexp.MustCompile(`\bfault\("([^"]+)"\)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			tests.Write(text)
			continue
		}
		for _, found := range hook.FindAllStringSubmatch(string(text), -1) {
			moments[found[1]] = true
		}
	}
	text, err := os.ReadFile("../docs/handover.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| moment | ")
	table, _, _ = strings.Cut(table, "\n\n")
	told := map[string]bool{}
	name := regexp.MustCompile("`([^`]+)`")
	for _, row := range strings.Split(table, "\n")[1:] {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
		for _, found := range name.FindAllStringSubmatch(first, -1) {
			told[found[1]] = true
		}
	}
	for m := range moments {
		if !told[m] {
			t.Errorf("docs/handover.md has no row for %q", m)
		}
		if s := tests.String(); !strings.Contains(s, `"`+m+`"`) && !strings.Contains(s, `"`+m+":") {
			t.Errorf("no test kills the process at %q", m)
		}
	}
	for m := range told {
		if !moments[m] {
			t.Errorf("docs/handover.md has a row for %q, which there is not", m)
		}
	}
	if len(moments) < 40 {
		t.Errorf("only %d moments", len(moments))
	}
}

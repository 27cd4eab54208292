package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnlyWhatIsBetweenTheMarkersIsReplaced(t *testing.T) {
	for _, c := range []struct{ name, page, want string }{
		{"new page", "", "# Benchmarks\n\n" + beginMarker + "\nnew\n" + endMarker + "\n"},
		{"no markers yet", "# Mine\nprose\n", "# Mine\nprose\n\n" + beginMarker + "\nnew\n" + endMarker + "\n"},
		{"again", "before\n" + beginMarker + "\nold\nold\n" + endMarker + "\nafter\n", "before\n" + beginMarker + "\nnew\n" + endMarker + "\nafter\n"},
	} {
		got, err := between(c.page, "\nnew\n\n")
		if err != nil || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	for _, page := range []string{beginMarker, endMarker, endMarker + beginMarker} {
		if got, err := between(page, "new"); err == nil {
			t.Errorf("%q became %q", page, got)
		}
	}
}

func TestFilesAreWrittenAndRewritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "docs")
	r := sampleReport()
	for _, machine := range []string{"One CPU", "Another CPU"} {
		r.Machine = machine
		if err := writeFiles(dir, r); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(filepath.Join(dir, "benchmarks.md"))
		if err != nil {
			t.Fatal(err)
		}
		text := string(page)
		for _, want := range []string{machine, "deadbee", "Linux 9.9", "2026-01-02", "go run ./integration/bench", "bench/cpu.svg", "nginx stream (!)", "| nginx stream"} {
			if !strings.Contains(text, want) {
				t.Errorf("the page does not say %q", want)
			}
		}
		if strings.Contains(text, "One CPU") && machine != "One CPU" {
			t.Error("the old numbers are still there")
		}
	}
	for _, file := range []string{"latest.json", "cpu.svg", "latency.svg", "memory.svg", "connections.svg", "backends.svg"} {
		if !exists(filepath.Join(dir, "bench", file)) {
			t.Errorf("bench/%s was not written", file)
		}
	}
}

func TestRecordKeepsResultsAndSettings(t *testing.T) {
	in := "kernel: 6.1\ngoos: linux\nBenchmarkA-2   \t 100\t 10 ns/op\nPASS\nok  \tsluice/x\t1.2s\nBenchmarkB\n--- SKIP: x: y\n"
	want := "kernel: 6.1\ngoos: linux\nBenchmarkA-2   \t 100\t 10 ns/op\n"
	if got := onlyBenchmarks(in); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testEnv is the environment of every test.
func testEnv(name string) (string, bool) {
	v, ok := map[string]string{
		"SLUICE_TEST_PORT":   "9001",
		"SLUICE_TEST_EMPTY":  "",
		"SLUICE_TEST_INJECT": "info\"\nformat = \"json",
		"SLUICE_TEST_DOLLAR": "${SLUICE_TEST_PORT}",
	}[name]
	return v, ok
}

// TestBadFiles holds every broken file to the exact faults that its first lines
// want, all of them and in their order.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	trees, err := filepath.Glob("testdata/bad/*/main.toml")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, trees...)
	if len(files) < 70 {
		t.Fatalf("got %d broken files, want at least 70", len(files))
	}
	for _, file := range files {
		name := strings.TrimPrefix(file, "testdata/bad/")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(text)) {
				if w, ok := strings.CutPrefix(line, "# want: "); ok {
					want = append(want, strings.TrimRight(w, "\r\n"))
				}
			}
			if len(want) == 0 {
				t.Fatal("the file wants nothing")
			}
			cfg, err := Load(file, testEnv)
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got error %v (%T), want Faults", err, err)
			}
			if cfg != nil {
				t.Error("got a configuration with its faults, want none")
			}
			got := strings.ReplaceAll(err.Error(), "testdata/bad/", "")
			if want := strings.Join(want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

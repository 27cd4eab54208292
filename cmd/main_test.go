package cmd

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

// asProgram makes the test binary run as sluice.
const asProgram = "SLUICE_CMD_TEST_RUN"

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main())
	}
	os.Exit(testnet.Main(m))
}

// runProgram runs sluice in this process.
func runProgram(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = execute(args, &out, &err)
	return code, out.String(), err.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, path); got != want {
		t.Errorf("%s (-update writes it):\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"run"},
		{"check"},
		{"config"},
		{"demo"},
		{"healthcheck"},
		{"version"},
		{"status"},
		{"reload"},
		{"upgrade"},
		{"backend"},
		{"pools"},
		{"conns"},
		{"explain"},
		{"log-level"},
		{"top"},
	} {
		name := strings.Join(append([]string{"help"}, args...), "-")
		t.Run(name, func(t *testing.T) {
			code, out, err := runProgram(append(args, "--help")...)
			if code != exitOK || err != "" {
				t.Errorf("exit %d, stderr %q, want 0 and nothing", code, err)
			}
			golden(t, name, out)
		})
	}
}

func TestEveryCommandShowsAnExample(t *testing.T) {
	for _, c := range newRoot(nil, nil).Commands() {
		if c.Example == "" || c.Short == "" {
			t.Errorf("%s: example %q, short %q, want both", c.Name(), c.Example, c.Short)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"no command is help", nil, exitOK, ""},
		{"unknown command", []string{"rum"}, exitUsage, `sluice: unknown command "rum" for "sluice"`},
		{"unknown flag", []string{"run", "--confg", "x"}, exitUsage, "sluice: unknown flag: --confg"},
		{"flag without value", []string{"run", "--config"}, exitUsage, "sluice: flag needs an argument: --config"},
		{"check without a file", []string{"check"}, exitUsage, "sluice: accepts 1 arg(s), received 0"},
		{"run with an argument", []string{"run", "x.toml"}, exitUsage, `sluice: unknown command "x.toml" for "sluice run"`},
		{"config without --defaults", []string{"config"}, exitUsage, "sluice: config: --defaults is missing"},
		{"run without its file", []string{"run", "-c", "testdata/none.toml"}, exitError, "sluice: "},
		{"healthcheck without its file", []string{"healthcheck", "-c", "testdata/none.toml"}, exitError, "sluice: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := runProgram(tt.args...)
			if code != tt.code {
				t.Errorf("exit %d, want %d", code, tt.code)
			}
			if first, _, _ := strings.Cut(stderr, "\n"); !strings.HasPrefix(first, tt.stderr) || tt.stderr == "" && stderr != "" {
				t.Errorf("stderr %q, want %q first", stderr, tt.stderr)
			}
		})
	}
}

func TestCompletionIsMadeForEveryShell(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		t.Run(shell, func(t *testing.T) {
			code, out, err := runProgram("completion", shell)
			if code != exitOK || err != "" || !strings.Contains(out, "sluice") {
				t.Errorf("exit %d, %d bytes, stderr %q", code, len(out), err)
			}
		})
	}
}

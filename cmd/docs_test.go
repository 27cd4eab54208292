package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/control"
	"sluice/proxy"
)

func TestOperationsListsEveryCauseAndField(t *testing.T) {
	text := readFile(t, "../docs/operations.md")
	for c := proxy.Completed; c <= proxy.Internal; c++ {
		if want := fmt.Sprintf("| `%s` | `%s` | ", c, c.Code()); !strings.Contains(text, want) {
			t.Errorf("docs/operations.md has no row %s", want)
		}
	}
	for _, f := range accessFields([]zap.Field(nil), &proxy.Record{Errno: 1, Queued: 1, FellBack: true, More: 1}) {
		if !strings.Contains(text, "`"+f.Key+"`") {
			t.Errorf("docs/operations.md does not explain the field %s", f.Key)
		}
	}
}

func TestReadmeConfigIsAccepted(t *testing.T) {
	text := readFile(t, "../README.md")
	_, text, _ = strings.Cut(text, "`sluice.toml`:\n```toml\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("README.md has no configuration")
	}
	path := filepath.Join(t.TempDir(), "sluice.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := runProgram("check", path)
	if want := "OK: 1 listener, 1 pool, 2 backends\n"; code != exitOK || out != want {
		t.Errorf("exit %d, stdout %q, stderr %q, want %q", code, out, stderr, want)
	}
}

func TestExamplesAreAccepted(t *testing.T) {
	t.Setenv("SLUICE_PORT", "8123")
	for _, tt := range []struct{ file, want string }{
		{"minimal.toml", "1 listener, 1 pool, 2 backends"},
		{"web.toml", "1 listener, 1 pool, 3 backends"},
		{"databases.toml", "2 listeners, 2 pools, 5 backends"},
		{"sockets.toml", "1 listener, 1 pool, 2 backends"},
		{"compose/sluice.toml", "1 listener, 1 pool, 2 backends"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			code, out, stderr := runProgram("check", filepath.Join("../examples", tt.file))
			if code != exitOK || out != "OK: "+tt.want+"\n" {
				t.Errorf("exit %d, stdout %q, stderr %q, want %q", code, out, stderr, tt.want)
			}
		})
	}
}

func TestNoExampleIsForgotten(t *testing.T) {
	source := readFile(t, "docs_test.go")
	for _, pattern := range []string{"../examples/*.toml", "../examples/*/*.toml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		for _, path := range found {
			name := strings.TrimPrefix(filepath.ToSlash(path), "../examples/")
			if !strings.Contains(source, `{"`+name+`", `) {
				t.Errorf("%s is not among the examples that TestExamplesAreAccepted loads", name)
			}
		}
	}
}

func TestExampleValuesArrive(t *testing.T) {
	t.Setenv("SLUICE_PORT", "8123")
	cfg, err := config.Load("../examples/sockets.toml", os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(cfg.Listeners[0].Bind), "[unix:/run/sluice/app.sock 127.0.0.1:8123]"; got != want {
		t.Errorf("bind %s, want %s", got, want)
	}
	if got := cfg.Log.Output; got != "stderr" {
		t.Errorf("log.output %q, want the default in ${SLUICE_LOG:-stderr}", got)
	}
}

func TestDemoConfigIsAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.toml")
	text := demoConfig("127.0.0.1:8080", []string{"127.0.0.1:9001", "127.0.0.1:9002"})
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, os.LookupEnv)
	if err == nil {
		err = control.Check(cfg)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestDefaultsAreAccepted(t *testing.T) {
	_, out, _ := runProgram("config", "--defaults")
	path := filepath.Join(t.TempDir(), "sluice.toml")
	if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := runProgram("check", path); code != exitOK {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

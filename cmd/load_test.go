package cmd

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sluice/config"
	"sluice/internal/sys"
	"sluice/internal/testnet"
)

func TestEveryCommandFindsTheConfigurationOfTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.toml")
	writeConfig(t, path, fmt.Sprintf("[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [%q]\n", testnet.Start(t, "tcp4", testnet.Echo).Address))
	t.Setenv(configVariable, path)
	p := startProgram(t, "run")
	if got := p.logged("started")["config"]; got != path {
		t.Errorf("run: config %v, want %s", got, path)
	}
	if code, _, stderr := runProgram("healthcheck"); code != exitOK {
		t.Errorf("healthcheck: exit %d: %s", code, stderr)
	}
	p.signal(syscall.SIGTERM)
	p.end()

	code, _, stderr := runProgram("healthcheck", "--config", "testdata/silent.toml")
	if code != exitError || !strings.Contains(stderr, "127.0.0.1:1") {
		t.Errorf("exit %d, stderr %q: --config does not outrank the environment", code, stderr)
	}
	t.Setenv(configVariable, "")
	if _, _, stderr := runProgram("healthcheck"); !strings.Contains(stderr, defaultConfig) {
		t.Errorf("stderr %q, want %s when the variable is empty", stderr, defaultConfig)
	}
}

// config and sys know the length each for itself, since config may know nobody.
func TestConfigKnowsHowLongASocketsPathMayBe(t *testing.T) {
	longest := "unix:/" + strings.Repeat("x", sys.MaxUnixPath-1)
	if _, err := config.ParseBind(longest); err != nil {
		t.Errorf("%d bytes: %v, want them taken", sys.MaxUnixPath, err)
	}
	if _, err := config.ParseBind(longest + "x"); err == nil {
		t.Errorf("%d bytes are taken, the kernel takes %d", sys.MaxUnixPath+1, sys.MaxUnixPath)
	}
}

package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse: whatever the text, either there is a configuration that holds
// together, or there are faults, each with a place inside the text; and the
// same text has the same answer twice.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.toml", "testdata/bad/*.toml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: got %v, %v, want files", pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := Parse("t.toml", text, testEnv)
		again, err2 := Parse("t.toml", text, testEnv)
		if !reflect.DeepEqual(err, err2) || !reflect.DeepEqual(cfg, again) {
			t.Fatalf("got %v, %v and then %v, %v", cfg, err, again, err2)
		}
		if err == nil {
			holds(t, cfg)
			return
		}
		var faults Faults
		if cfg != nil || !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("got %v, %v, want only faults", cfg, err)
		}
		lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
		for _, f := range faults {
			if f.Message == "" || strings.Contains(f.String(), "\n") {
				t.Fatalf("got %q, want a message on one line", f)
			}
			if f.Line < 1 || f.Line > len(lines) || f.Column < 1 || f.Column > len(lines[f.Line-1])+1 {
				t.Fatalf("got %q, want a place inside the text", f)
			}
		}
	})
}

// holds checks what everyone after config relies on.
func holds(t *testing.T, cfg *Config) {
	t.Helper()
	pools := make(map[string]bool)
	for _, p := range cfg.Pools {
		pools[p.Name] = true
		names, addresses := make(map[string]bool), make(map[Address]bool)
		for _, b := range p.Backends {
			if b.Weight < 1 || b.Weight > 65535 || b.MaxConnections < 0 || names[b.Name] || addresses[b.Address] || b.Name == "" {
				t.Fatalf("got backend %+v of %+v", b, p.Backends)
			}
			names[b.Name], addresses[b.Address] = true, true
		}
		h := p.Health
		if len(p.Backends) == 0 || p.Retries < 0 || p.Retries > 7 || p.ConnectTimeout <= 0 || h.Rise < 1 || h.Fall < 1 ||
			h.Interval <= 0 || h.FastInterval <= 0 || h.DownInterval <= 0 || h.Timeout <= 0 || h.Timeout > h.Interval || !(h.Jitter >= 0 && h.Jitter <= 1) {
			t.Fatalf("got pool %+v", p)
		}
	}
	for _, l := range cfg.Listeners {
		if l.Name == "" || len(l.Bind) == 0 || !pools[l.Pool] || l.Backlog < 1 || l.IdleTimeout < 0 {
			t.Fatalf("got listener %+v", l)
		}
	}
	if len(cfg.Listeners) == 0 {
		t.Fatal("got no listener")
	}
}

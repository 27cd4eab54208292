package cmd

import (
	"strings"
	"testing"

	"sluice/config"
)

func TestLimitThatDoesNotSufficeIsWarnedOf(t *testing.T) {
	for _, tt := range []struct {
		name       string
		most, room int
		want       string // "" for no warning
	}{
		{"as configured", 10000, 10000, ""},
		{"fewer than configured", 10000, 9999, `"max_connections":9999,"descriptor_limit":1024,"configured":10000`},
		{"few by default", 0, 495, `"max_connections":495,"descriptor_limit":1024`},
		{"many by default", 0, 30000, ""},
		{"few by choice", 100, 100, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := logged(t, plainLog, func(l *logs) { warnOfLimit(l.log, tt.most, tt.room, 1024) })
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFixedKeysAreNamed(t *testing.T) {
	before := config.Runtime{Workers: 1, MaxConnections: 2, PipeSize: 3, ShutdownGrace: 4}
	for _, tt := range []struct {
		name  string
		after config.Runtime
		want  string
	}{
		{"nothing", before, ""},
		{"grace can change", config.Runtime{Workers: 1, MaxConnections: 2, PipeSize: 3, ShutdownGrace: 9}, ""},
		{"all", config.Runtime{}, "workers max_connections pipe_size"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(fixedKeys(before, tt.after), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

package cmd

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestVersionPrefersWhatTheLinkerSet(t *testing.T) {
	golang := runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	noted := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.3.0"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc123"},
			{Key: "vcs.modified", Value: "true"},
		},
	}
	for _, tt := range []struct {
		name            string
		version, commit string
		info            *debug.BuildInfo
		want            string
	}{
		{"nothing known", "", "", nil, "sluice dev\ncommit unknown\ngo     " + golang + "\n"},
		{"devel", "", "", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "sluice dev\ncommit unknown\ngo     " + golang + "\n"},
		{"noted by the go command", "", "", noted, "sluice v0.3.0\ncommit abc123 (modified)\ngo     " + golang + "\n"},
		{"set at link time", "1.2.3", "def456", noted, "sluice 1.2.3\ncommit def456\ngo     " + golang + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := describeBuild(tt.version, tt.commit, tt.info).String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestVersionCommand(t *testing.T) {
	code, out, stderr := runProgram("version")
	if code != exitOK || out != thisBuild().String() || stderr != "" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, stderr)
	}
}

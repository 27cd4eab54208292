package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/config"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLogReopenFollowsARename(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.log")
	c := plainLog
	c.Output = path
	logged(t, c, func(l *logs) {
		l.log.Info("before")
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		l.log.Info("between")
		if err := l.reopen(); err != nil {
			t.Fatal(err)
		}
		l.log.Info("after")
	})
	if got := readFile(t, path+".1"); !strings.Contains(got, "before") || !strings.Contains(got, "between") || strings.Contains(got, "after") {
		t.Errorf("old file: %q, want before and between", got)
	}
	if got := readFile(t, path); !strings.Contains(got, "after") || strings.Contains(got, "between") {
		t.Errorf("new file: %q, want after", got)
	}
}

func TestLogReopenThatFailsKeepsTheOldFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c := plainLog
	c.Output = filepath.Join(dir, "sluice.log")
	logged(t, c, func(l *logs) {
		if err := os.Rename(dir, dir+".1"); err != nil {
			t.Fatal(err)
		}
		if err := l.reopen(); err == nil {
			t.Error("reopen worked in a folder that is gone")
		}
		l.log.Info("after")
	})
	if got := readFile(t, filepath.Join(dir+".1", "sluice.log")); !strings.Contains(got, "after") {
		t.Errorf("old file: %q, want after", got)
	}
}

func TestLogChangesReachLoggersMadeBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.log")
	first := logged(t, plainLog, func(l *logs) {
		named := l.log.Named("health").With(zap.String("pool", "web"))
		named.Debug("too low")
		c := config.Log{Level: "debug", Format: "console", Output: path, Access: "all", AccessSample: 1}
		commit, _, err := l.prepare(c)
		if err != nil {
			t.Fatal(err)
		}
		named.Info("not changed yet")
		commit()
		named.Debug("low enough")
	})
	if !strings.Contains(first, `"part":"health","msg":"not changed yet","pool":"web"`) || strings.Count(first, "\n") != 1 {
		t.Errorf("first output: %q, want one line in JSON", first)
	}
	want := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d) debug health low enough \{"pool": "web"\}\n$`)
	if got := readFile(t, path); !want.MatchString(got) {
		t.Errorf("second output: %q, want one line for the console, its time with date and offset", got)
	}
}

func TestLogChangeGivenUpLeavesEverything(t *testing.T) {
	dir := t.TempDir()
	there, made := filepath.Join(dir, "there.log"), filepath.Join(dir, "made.log")
	writeConfig(t, there, "")
	got := logged(t, plainLog, func(l *logs) {
		for _, path := range []string{there, made} {
			c := plainLog
			c.Output, c.Level = path, "error"
			_, drop, err := l.prepare(c)
			if err != nil {
				t.Fatal(err)
			}
			drop()
		}
		l.log.Info("still here")
	})
	if _, err := os.Stat(there); err != nil {
		t.Errorf("a file that was there before: %v, want it kept", err)
	}
	if _, err := os.Stat(made); !os.IsNotExist(err) {
		t.Errorf("a file made for the change: %v, want it gone", err)
	}
	if !strings.Contains(got, "still here") {
		t.Errorf("got %q, want the line", got)
	}
}

func TestLogToAFullDiskIsReportedOnStderrOnce(t *testing.T) {
	var stdout, stderr bytes.Buffer
	c := plainLog
	c.Output = "/dev/full"
	l, err := newLogs(c, &stdout, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.log.Info("lost")
		_ = l.log.Sync()
	}
	l.close()
	want := "sluice: log: write /dev/full: no space left on device; lines are lost until it can be written again\n" +
		"sluice: log: 3 lines were lost\n"
	if got := stderr.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

package cmd

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

func makePipe(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log.fifo")
	testnet.Must(t, "mkfifo", syscall.Mkfifo(path, 0o600))
	return path
}

func TestLogToAPipeThatNobodyReadsIsAFault(t *testing.T) {
	path := makePipe(t)
	failed := make(chan error, 1)
	go func() {
		_, _, err := openOutput(path, "json", io.Discard, io.Discard)
		failed <- err
	}()
	select {
	case err := <-failed:
		if want := "log.output: " + path + ": nobody reads this pipe"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	case <-time.After(patience):
		t.Fatal("opening it waits for a reader")
	}
}

func TestLogToAPipeArrives(t *testing.T) {
	path := makePipe(t)
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	testnet.Must(t, "open", err)
	defer r.Close()
	testnet.Must(t, "deadline", r.SetReadDeadline(time.Now().Add(patience)))
	c := plainLog
	c.Output = path
	// More than a pipe holds: the writer has to wait, not to lose lines.
	const most = 2000
	logged(t, c, func(l *logs) {
		for range most {
			l.log.Info(strings.Repeat("x", 100))
		}
		lines := bufio.NewScanner(r)
		for i := range most {
			if !lines.Scan() {
				t.Fatalf("%d lines arrived, want %d: %v", i, most, lines.Err())
			}
		}
	})
}

func TestLogThroughALinkToNowhereMakesTheFile(t *testing.T) {
	dir := t.TempDir()
	link, file := filepath.Join(dir, "link.log"), filepath.Join(dir, "file.log")
	testnet.Must(t, "link", os.Symlink(file, link))
	out, made, err := openOutput(link, "json", io.Discard, io.Discard)
	testnet.Must(t, "open", err)
	_ = out.Close()
	if _, err := os.Stat(file); err != nil || made {
		t.Errorf("%v, made %v, want the file, and false: the link is not ours to remove", err, made)
	}
}

func TestCheckSaysWhatAReloadWouldSayOfTheLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sluice.toml")
	link := filepath.Join(dir, "link.toml")
	testnet.Must(t, "link", os.Symlink(path, link))
	const rest = "[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nbackends = [\"127.0.0.1:9001\"]\n"
	writeConfig(t, path, rest)
	p := startProgram(t, "run", "--config", path)
	p.logged("started")
	for _, tt := range []struct{ name, output, want string }{
		{"a folder", dir, "a folder, expected a file"},
		{"a missing folder", filepath.Join(dir, "none", "sluice.log"), "expected a file in a folder that is there"},
		{"a file for a folder", filepath.Join(path, "sluice.log"), "expected a file in a folder, not in a file"},
		{"the configuration", path, "the configuration itself, expected another file"},
		{"a link to the configuration", link, "the configuration itself, expected another file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			writeConfig(t, path, "[log]\noutput = '"+tt.output+"'\n"+rest)
			want := path + `: log.output: found "` + tt.output + `", ` + tt.want
			code, _, stderr := runProgram("check", path)
			if code != exitError || stderr != want+"\n" {
				t.Errorf("check: exit %d, %q, want 1 and %q", code, stderr, want)
			}
			p.signal(syscall.SIGHUP)
			if got := p.logged("reload: ")["msg"]; got != "reload: "+want {
				t.Errorf("reload: %q, want %q", got, want)
			}
			p.logged("reload refused")
		})
	}
	writeConfig(t, path, "[log]\noutput = '"+filepath.Join(dir, "new.log")+"'\n"+rest)
	if code, _, stderr := runProgram("check", path); code != exitOK {
		t.Errorf("a new file in a folder that is there: exit %d, %s", code, stderr)
	}
	p.stop()
}

package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// webIn is a listener and its pool, with an include.
func webIn(include string) string {
	return "include = [\"" + include + "\"]\n" + threeLines
}

func TestFolderThatCannotBeReadIsAFault(t *testing.T) {
	for _, pattern := range []string{"conf.d/*.toml", "conf.d/*/web.toml", "/etc/conf.d/*.toml"} {
		l := &loader{env: testEnv, list: func(dir string) ([]string, error) {
			return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.EACCES}
		}}
		_, err := l.load("main.toml", webIn(pattern))
		folder := pattern[:strings.Index(pattern, "/*")]
		if want := "main.toml:1:12: include[0]: " + folder + ": permission denied"; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", pattern, err, want)
		}
	}
}

func TestFolderInAFolderThatCannotBeReadIsAFault(t *testing.T) {
	l := &loader{env: testEnv, list: func(dir string) ([]string, error) {
		if dir == "conf.d" {
			return []string{"a", "b"}, nil
		}
		return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.EACCES}
	}}
	_, err := l.load("main.toml", webIn("conf.d/*/*.toml"))
	if want := "main.toml:1:12: include[0]: conf.d/a: permission denied"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEmptyFolderIncludesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "main.toml"), webIn("conf.d/*.toml"))
	load(t, filepath.Join(dir, "main.toml"))
}

func TestPatternMeansWhatAShellMeansByIt(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"a/x.toml", "a/y.toml", "b/x.toml", "b/x.json", ".git/x.toml", "b/.hidden.toml", "file", "c*/x.toml"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, path), "")
	}
	l := &loader{list: listFolder}
	for pattern, want := range map[string]string{
		"a/*.toml":        "a/x.toml a/y.toml",
		"*/x.toml":        "a/x.toml b/x.toml c*/x.toml",
		"./[ab]/?.toml":   "a/x.toml a/y.toml b/x.toml",
		"a/../b/*.toml":   "b/x.toml",
		"*/.*.toml":       "b/.hidden.toml",
		".*/x.toml":       ".git/x.toml",
		`c\*/*`:           "c*/x.toml",
		"*/none.toml":     "",
		dir + "/b/*.toml": "b/x.toml",
	} {
		got, err := l.match(filepath.Join(dir, "main.toml"), pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], dir+"/")
		}
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: got %v, want %s", pattern, got, want)
		}
	}
}

// A FIFO is opened by the main loop of the process: waiting for its writer
// would leave it deaf to every signal.
func TestPipeIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	main, pipe := filepath.Join(dir, "main.toml"), filepath.Join(dir, "pipe.toml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, main, webIn("p*.toml"))
	for path, want := range map[string]string{
		pipe: pipe + ": not a regular file",
		main: main + ":1:12: include[0]: " + pipe + ": not a regular file",
	} {
		if _, err := Load(path, testEnv); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

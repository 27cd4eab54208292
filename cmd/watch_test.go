package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"sluice/internal/testnet"
)

// configMap lays files out as Kubernetes does: the names lead through the link
// ..data, and a new version is a new folder to which that link is moved by one
// rename.
func configMap(t *testing.T, dir string, version int, files map[string]string) {
	t.Helper()
	data := fmt.Sprintf("..v%d", version)
	testnet.Must(t, "mkdir", os.Mkdir(filepath.Join(dir, data), 0o755))
	for name, text := range files {
		writeConfig(t, filepath.Join(dir, data, name), text)
		if version == 1 {
			testnet.Must(t, "link", os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
	}
	link := filepath.Join(dir, "..data")
	testnet.Must(t, "link", os.Symlink(data, link+"_tmp"))
	testnet.Must(t, "rename", os.Rename(link+"_tmp", link))
	if version > 1 {
		testnet.Must(t, "remove", os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..v%d", version-1))))
	}
}

func TestChangedFileIsReloaded(t *testing.T) {
	backend := testnet.Start(t, "tcp4", testnet.Echo).Address
	text := func(retries int) string {
		return fmt.Sprintf("include = [\"conf.d/*.toml\"]\n[runtime]\nwatch = true\n[listeners.web]\nbind = \"127.0.0.1:0\"\npool = \"web\"\n[pools.web]\nretries = %d\nbackends = [%q]\n", retries, backend)
	}
	more := fmt.Sprintf("[pools.more]\nbackends = [%q]\n", backend)
	for _, tt := range []struct {
		name  string
		first func(t *testing.T, dir string)
		then  []func(t *testing.T, dir string)
		want  []string
	}{
		{"written, renamed, included",
			func(t *testing.T, dir string) { writeConfig(t, filepath.Join(dir, "s.toml"), text(1)) },
			[]func(t *testing.T, dir string){
				func(t *testing.T, dir string) { writeConfig(t, filepath.Join(dir, "s.toml"), text(3)) },
				func(t *testing.T, dir string) {
					writeConfig(t, filepath.Join(dir, "new"), text(4))
					testnet.Must(t, "rename", os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "s.toml")))
				},
				func(t *testing.T, dir string) { writeConfig(t, filepath.Join(dir, "conf.d", "a.toml"), more) },
			},
			[]string{"pools ~web", "pools ~web", "pools +more; backends +more/" + backend}},
		{"config map",
			func(t *testing.T, dir string) { configMap(t, dir, 1, map[string]string{"s.toml": text(1)}) },
			[]func(t *testing.T, dir string){
				func(t *testing.T, dir string) { configMap(t, dir, 2, map[string]string{"s.toml": text(3)}) },
				func(t *testing.T, dir string) { configMap(t, dir, 3, map[string]string{"s.toml": text(4)}) },
			},
			[]string{"pools ~web", "pools ~web"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			testnet.Must(t, "mkdir", os.Mkdir(filepath.Join(dir, "conf.d"), 0o755))
			tt.first(t, dir)
			p := startProgram(t, "run", "--config", filepath.Join(dir, "s.toml"))
			p.logged("started")
			for i, change := range tt.then {
				change(t, dir)
				p.logged("the configuration has changed on disk")
				if got := p.logged("reloaded")["changes"]; got != tt.want[i] {
					t.Errorf("change %d: %q, want %q", i, got, tt.want[i])
				}
			}
			p.stop()
		})
	}
}

func TestWatchThatIsTurnedOffHoldsNothing(t *testing.T) {
	testnet.Leaks(t)
	path := filepath.Join(t.TempDir(), "s.toml")
	writeConfig(t, path, "1")
	told := make(chan struct{}, 10)
	w := &watch{log: zap.NewNop(), changed: func() { told <- struct{}{} }}
	w.follow(t.Context(), []string{path})
	writeConfig(t, path, "22")
	within(t, "word of the change", told)
	w.follow(t.Context(), nil)
	if w.notify != nil {
		t.Error("it still watches")
	}
	if w.look() {
		t.Error("nothing is watched and something has changed")
	}
}

func TestTouchThatChangesNothingIsNoChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.toml")
	writeConfig(t, path, "1")
	w := &watch{log: zap.NewNop()}
	w.sources, w.seen = []string{path}, fingerprints([]string{path})
	writeConfig(t, path+".other", "1")
	if w.look() {
		t.Error("another file in the folder is taken for a change")
	}
	testnet.Must(t, "remove", os.Remove(path))
	if !w.look() {
		t.Error("a file that is gone is no change")
	}
}

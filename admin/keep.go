package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"sluice/state"
)

// Keep keeps overrides in a folder, so that they outlive the process. A nil
// Keep keeps nothing.
type Keep struct {
	path string
	mu   sync.Mutex // one writer of the file
}

// kept is what the file holds.
type kept struct {
	Version   int            `json:"version"`
	Overrides []keptOverride `json:"overrides"`
}

type keptOverride struct {
	Pool    string `json:"pool"`
	Backend string `json:"backend"`
	Mode    string `json:"mode"`
	Weight  int    `json:"weight,omitempty"`
}

// keptVersion is that of the file's layout.
const keptVersion = 1

// NewKeep keeps overrides in dir, which it makes if need be; "" is nowhere.
func NewKeep(dir string) (*Keep, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state_dir %s: %w", dir, cause(err))
	}
	return &Keep{path: filepath.Join(dir, "overrides.json")}, nil
}

// Restore puts what was kept into the store, before anyone else writes there. A
// file that cannot be understood is an error and is moved aside: what was
// ordered is then unknown, and a process that does not start helps nobody.
func (k *Keep) Restore(store *state.Store) (restored int, err error) {
	if k == nil {
		return 0, nil
	}
	text, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", k.path, cause(err))
	}
	var file kept
	if err := json.Unmarshal(text, &file); err != nil || file.Version != keptVersion {
		aside := k.path + ".broken"
		_ = os.Rename(k.path, aside)
		return 0, fmt.Errorf("%s cannot be understood and was moved to %s", k.path, aside)
	}
	change := store.Change()
	defer change.Abort()
	for _, o := range file.Overrides {
		mode, ok := modes[o.Mode]
		if !ok || o.Weight < 0 || o.Weight > mostWeight {
			continue
		}
		change.SetOverride(&state.Override{Pool: o.Pool, Backend: o.Backend, Mode: mode, Weight: o.Weight})
		restored++
	}
	change.Commit()
	return restored, nil
}

// save writes the overrides as they are now. The file is whole at any moment.
func (k *Keep) save(store *state.Store) error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	file := kept{Version: keptVersion, Overrides: []keptOverride{}}
	for o := range store.View().AllOverrides() {
		file.Overrides = append(file.Overrides, keptOverride{o.Pool, o.Backend, o.Mode.String(), o.Weight})
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	return replace(k.path, append(text, '\n'))
}

// replace makes text the content of a file, or leaves it as it was.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

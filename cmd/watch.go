package cmd

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// stillFor is how long the files must have been left alone before they are
// read: an editor, or a copy, writes them in more than one step.
const stillFor = 200 * time.Millisecond

// mostLinks is how many symbolic links one path may lead through.
const mostLinks = 40

// watch tells when the sources of a configuration have become others. It
// watches their folders and those of every symbolic link on the way: a file is
// replaced by renaming, and a Kubernetes ConfigMap by renaming the link that
// its files lead through.
type watch struct {
	log     *zap.Logger
	changed func() // called on the watch's own goroutine

	mu      sync.Mutex
	sources []string
	seen    map[string]string // by source: what it was when last looked at
	notify  *fsnotify.Watcher // nil while nothing is watched
}

// follow watches what is at sources from now on; none is to watch nothing.
func (w *watch) follow(ctx context.Context, sources []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sources, w.seen = sources, fingerprints(sources)
	if len(sources) == 0 {
		if w.notify != nil {
			_ = w.notify.Close()
			w.notify = nil
		}
		return
	}
	if w.notify == nil {
		n, err := fsnotify.NewWatcher()
		if err != nil {
			w.log.Warn("the configuration is not watched", zap.Error(err))
			return
		}
		w.notify = n
		go w.run(ctx, n)
	}
	w.place()
}

// place watches the folders that matter, and those alone.
func (w *watch) place() {
	wanted := foldersOf(w.sources)
	for _, dir := range w.notify.WatchList() {
		if !wanted[dir] {
			_ = w.notify.Remove(dir)
		}
		delete(wanted, dir)
	}
	for _, dir := range slices.Sorted(maps.Keys(wanted)) {
		if err := w.notify.Add(dir); err != nil {
			w.log.Warn("a folder of the configuration is not watched", zap.String("folder", dir), zap.Error(err))
		}
	}
}

func (w *watch) run(ctx context.Context, n *fsnotify.Watcher) {
	still := time.NewTimer(stillFor)
	still.Stop()
	defer still.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = n.Close()
			return
		case _, ok := <-n.Events:
			if !ok {
				return
			}
			still.Reset(stillFor)
		case err, ok := <-n.Errors: // what came may be incomplete: look
			if !ok {
				return
			}
			w.log.Warn("changes of the configuration may have been missed", zap.Error(err))
			still.Reset(stillFor)
		case <-still.C:
			if w.look() {
				w.changed()
			}
		}
	}
}

// look reports whether the sources have changed since the last time.
func (w *watch) look() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := fingerprints(w.sources)
	changed := !maps.Equal(now, w.seen)
	w.seen = now
	if w.notify != nil {
		w.place() // links may lead elsewhere now
	}
	return changed
}

// fingerprints are what is at each path: other content means another one,
// unless somebody has taken pains. Of a folder it is the names in it.
func fingerprints(paths []string) map[string]string {
	all := make(map[string]string, len(paths))
	for _, path := range paths {
		st, err := os.Stat(path)
		switch {
		case err != nil:
			all[path] = err.Error()
		case st.IsDir():
			entries, _ := os.ReadDir(path)
			for _, e := range entries {
				all[path] += e.Name() + "\x00"
			}
		default:
			at, _ := filepath.EvalSymlinks(path)
			all[path] = fmt.Sprint(at, st.Size(), st.ModTime().UnixNano())
		}
	}
	return all
}

// foldersOf are the folders in which something must happen before the content
// of a source can change.
func foldersOf(sources []string) map[string]bool {
	folders := make(map[string]bool)
	for _, path := range sources {
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			folders[filepath.Clean(path)] = true
			continue
		}
		for range mostLinks {
			folders[filepath.Dir(path)] = true
			next, ok := step(path)
			if !ok {
				break
			}
			path = next
		}
	}
	return folders
}

// step follows the link that path is, or else the one that its folder is. The
// link's own folder is where it would be replaced.
func step(path string) (string, bool) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", false
	}
	if to, err := os.Readlink(path); err == nil {
		return against(filepath.Dir(path), to), true
	}
	dir := filepath.Dir(path)
	if to, err := os.Readlink(dir); err == nil {
		return filepath.Join(against(filepath.Dir(dir), to), filepath.Base(path)), true
	}
	return "", false
}

func against(dir, to string) string {
	if filepath.IsAbs(to) {
		return to
	}
	return filepath.Join(dir, to)
}

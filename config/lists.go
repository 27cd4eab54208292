package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
)

// mostListed is what a list of networks may have, in bytes: some four million.
const mostListed = 64 << 20

// mostListFaults is how many faults of one list are told.
const mostListFaults = 20

// named reads what listeners name: files with networks in them, each once, and
// fallback files.
func (l *loader) named(top *node, cfg *Config) (faults Faults) {
	read := make(map[string][]netip.Prefix)
	take := func(listener *node, key string) (all []netip.Prefix) {
		n := listener.keys[key]
		if n == nil {
			return nil
		}
		for _, item := range n.items {
			name, ok := stringOf(item)
			if !ok {
				continue
			}
			path := beside(item.file, name)
			found, known := read[path]
			if !known {
				var bad Faults
				found, bad = l.networks(path, item)
				read[path] = found
				faults = append(faults, bad...)
			}
			all = append(all, found...)
		}
		return all
	}
	for i := range cfg.Listeners {
		one := &cfg.Listeners[i]
		n := top.keys["listeners"].keys[one.Name]
		one.Fallback, one.FallbackStamp = l.fallback(n.keys["fallback_file"], &faults)
		one.AllowListed, one.DenyListed = take(n, "allow_files"), take(n, "deny_files")
	}
	return faults
}

// beside is a path as it is meant in a file: from that file's folder.
func beside(file, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// networks reads one list; by is what asked for it.
func (l *loader) networks(path string, by *node) (all []netip.Prefix, faults Faults) {
	if l.lines == nil {
		by.fault(&faults, "found %s in a text that is not a file, expected it in a file", by)
		return nil, faults
	}
	text, err := l.lines(path)
	if err != nil {
		by.fault(&faults, "%s: %s", path, cause(err))
		return nil, faults
	}
	l.files = append(l.files, path)
	number, wrong := 0, 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		number++
		line, _, _ = strings.Cut(line, "#")
		word := strings.TrimSpace(line)
		if word == "" {
			continue
		}
		p, err := parsePrefix(word)
		if err == nil {
			all = append(all, p)
			continue
		}
		if wrong++; wrong <= mostListFaults {
			column := 1 + strings.Index(line, word)
			faults = append(faults, Fault{path, number, column, "", fmt.Sprintf("found %q, expected %s", clip(word), prefixWants)})
		}
	}
	if wrong > mostListFaults {
		faults = append(faults, Fault{path, number, 1, "", fmt.Sprintf("%d more lines are no networks", wrong-mostListFaults)})
	}
	return all, faults
}

// diffLists tells of files whose content differs and that are called the same.
func diffLists(before, after *Config) (all []Difference) {
	was := make(map[string]*Listener)
	for i := range before.Listeners {
		was[before.Listeners[i].Name] = &before.Listeners[i]
	}
	for i := range after.Listeners {
		is := &after.Listeners[i]
		old := was[is.Name]
		if old == nil {
			continue
		}
		if old.FallbackFile == is.FallbackFile && old.FallbackStamp != is.FallbackStamp {
			all = append(all, Difference{join(join("listeners", is.Name), "fallback_file"), "its content", "another content"})
		}
		for _, list := range []struct {
			key                      string
			oldFiles, files          []string
			oldNetworks, newNetworks []netip.Prefix
		}{
			{"allow_files", old.AllowFiles, is.AllowFiles, old.AllowListed, is.AllowListed},
			{"deny_files", old.DenyFiles, is.DenyFiles, old.DenyListed, is.DenyListed},
		} {
			if slices.Equal(list.oldFiles, list.files) && !slices.Equal(list.oldNetworks, list.newNetworks) {
				all = append(all, Difference{join(join("listeners", is.Name), list.key), networkCount(list.oldNetworks), networkCount(list.newNetworks)})
			}
		}
	}
	return all
}

func networkCount(list []netip.Prefix) string {
	if len(list) == 1 {
		return "1 network"
	}
	return fmt.Sprintf("%d networks", len(list))
}

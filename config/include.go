package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// included is a file and the string that asked for it.
type included struct {
	path string
	by   *node
}

// includes are the files that the top file names, in the order of its patterns
// and within one by name.
func (l *loader) includes(top *node) []included {
	n := top.keys["include"]
	switch {
	case n == nil || n.list && len(n.items) == 0:
		return nil
	case l.list == nil:
		n.keyFault(&l.faults, "", "found in a text that is not a file, expected it in a file")
		fallthrough
	case !n.list:
		l.broken = true
		return nil
	}
	var files []included
	for _, item := range n.items {
		pattern, ok := item.value.(string)
		if !ok || item.unexpanded {
			l.broken = true
			continue
		}
		found, err := l.match(top.file, pattern)
		if err != nil {
			item.fault(&l.faults, "%v", err)
			l.broken = true
			continue
		}
		for _, path := range found {
			if filepath.Clean(path) == filepath.Clean(top.file) {
				item.fault(&l.faults, "%s takes in the file that it stands in", item)
			} else if !slices.ContainsFunc(files, func(f included) bool { return f.path == path }) {
				files = append(files, included{path, item})
			}
		}
	}
	return files
}

// wild are the letters that make a pattern of a name.
const wild = `*?[`

// match is what a name or a pattern means from the file it stands in, sorted.
// The folder of that file is no pattern, whatever its letters. Like a
// shell's it passes over hidden names. Unlike filepath.Glob it hides no error:
// a folder that cannot be read would silently take what is in it out of the
// configuration.
func (l *loader) match(file, pattern string) ([]string, error) {
	found := []string{filepath.Dir(file)}
	if filepath.IsAbs(pattern) {
		found = []string{"/"}
	}
	known := true // found is there because the file says so
	for part := range strings.SplitSeq(strings.Trim(filepath.Clean(pattern), "/"), "/") {
		if known && !strings.ContainsAny(part, wild) {
			found[0] = filepath.Join(found[0], part)
			continue
		}
		if _, err := filepath.Match(part, ""); err != nil {
			return nil, fmt.Errorf("found %q, expected a file name or a pattern: %w", clip(pattern), err)
		}
		var next []string
		for _, dir := range found {
			names, err := l.list(dir)
			if !known && errors.Is(err, syscall.ENOTDIR) {
				continue // a file among folders
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %s", dir, cause(err))
			}
			for _, name := range names {
				ok, _ := filepath.Match(part, name)
				if ok && strings.HasPrefix(name, ".") == strings.HasPrefix(part, ".") {
					next = append(next, filepath.Join(dir, name))
				}
			}
		}
		found, known = next, false
	}
	slices.Sort(found)
	return found, nil
}

func listFolder(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// merge reads a file and puts its tree into top.
func (l *loader) merge(top *node, f included) {
	text, err := l.read(f.path)
	if err != nil {
		f.by.fault(&l.faults, "%s: %s", f.path, cause(err))
		l.broken = true
		return
	}
	tree := l.parse(f.path, text)
	if tree == nil {
		return
	}
	for _, name := range tree.names {
		sub := tree.keys[name]
		have := top.keys[name]
		switch {
		case name == "include":
			sub.keyFault(&l.faults, "", "found in an included file, expected only in the first one (%s)", top.file)
			l.broken = true
		case have == nil:
			top.keys[name] = sub
			top.names = append(top.names, name)
		case (name == "listeners" || name == "pools") && have.table && sub.table:
			for _, one := range sub.names {
				if !l.twice(have.keys[one], sub.keys[one]) {
					have.keys[one] = sub.keys[one]
					have.names = append(have.names, one)
				}
			}
		default:
			l.twice(have, sub)
		}
	}
}

// twice reports a name that two files define.
func (l *loader) twice(first, second *node) bool {
	if first == nil {
		return false
	}
	second.keyFault(&l.faults, "", "defined twice, first at %s", first.where())
	return true
}

package config

import (
	"path/filepath"
	"slices"
	"strings"
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
	if n == nil || len(n.items) == 0 {
		return nil
	}
	if l.glob == nil {
		n.keyFault(&l.faults, "", "found in a text that is not a file, expected it in a file")
		return nil
	}
	var files []included
	for _, item := range n.items {
		pattern, ok := item.value.(string)
		if !ok || item.unexpanded {
			l.broken = true
			continue
		}
		full := pattern
		if !filepath.IsAbs(full) {
			full = filepath.Join(filepath.Dir(top.file), full)
		}
		// The place of the including file is not a pattern, whatever its letters.
		wild := strings.ContainsAny(pattern, `*?[`)
		found := []string{full}
		if wild {
			var err error
			if found, err = l.match(top.file, pattern); err != nil {
				item.fault(&l.faults, "found %s, expected a file name or a pattern: %v", item, err)
				l.broken = true
				continue
			}
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

// match is what a pattern means from the file it stands in. Like a shell's it
// passes over hidden files.
func (l *loader) match(file, pattern string) ([]string, error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(literal(filepath.Dir(file)), pattern)
	}
	found, err := l.glob(pattern)
	if !strings.HasPrefix(filepath.Base(pattern), ".") {
		found = slices.DeleteFunc(found, func(p string) bool { return strings.HasPrefix(filepath.Base(p), ".") })
	}
	slices.Sort(found)
	return found, err
}

// literal takes from a path what a pattern would mean by it.
func literal(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
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

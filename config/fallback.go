package config

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// fallback finds a listener's fallback file and what tells its content from another.
func (l *loader) fallback(n *node, faults *Faults) (path, stamp string) {
	name, ok := stringOf(n)
	if !ok || name == "" {
		return "", ""
	}
	if l.stamp == nil {
		n.fault(faults, "found %s in a text that is not a file, expected it in a file", n)
		return "", ""
	}
	path = beside(n.file, name)
	stamp, err := l.stamp(path)
	if err != nil {
		n.fault(faults, "%s: %s", path, cause(err))
		return "", ""
	}
	l.files = append(l.files, path)
	return path, stamp
}

// stampOf opens a file as it will be opened, and says what it is by now.
func stampOf(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	i, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case !i.Mode().IsRegular():
		return "", errors.New("not a regular file")
	}
	return fmt.Sprint(i.Sys().(*syscall.Stat_t).Ino, i.Size(), i.ModTime().UnixNano()), nil
}

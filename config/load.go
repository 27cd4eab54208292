package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// most is what a file may have, in bytes: some 50,000 backends.
const most = 4 << 20

// Load reads a file and its includes. Its error is a Faults: everything that is
// wrong, not the first of it. env is os.LookupEnv or stands in for it.
func Load(path string, env func(string) (string, bool)) (*Config, error) {
	l := &loader{env: env, read: readFile}
	l.stamp = stampOf
	l.lines = func(path string) (string, error) { return readUpTo(path, mostListed, "a list") }
	l.list = func(dir string) ([]string, error) {
		l.listed = append(l.listed, dir)
		return listFolder(dir)
	}
	text, err := l.read(path)
	if err != nil {
		return nil, Faults{{File: path, Message: cause(err)}}
	}
	cfg, err := l.load(path, text)
	if cfg != nil {
		cfg.Sources = append(l.files, l.listed...)
	}
	return cfg, err
}

// Parse is Load for a text that is not in a file, and therefore cannot include
// one. name stands for the file in faults.
func Parse(name, text string, env func(string) (string, bool)) (*Config, error) {
	return (&loader{env: env}).load(name, text)
}

// loader brings the files together into one tree. read, list, lines and stamp are all that it
// knows of the world.
type loader struct {
	env    func(string) (string, bool)
	read   func(path string) (string, error)
	list   func(dir string) ([]string, error) // the names in a folder
	lines  func(path string) (string, error)  // a list of networks
	stamp  func(path string) (string, error)  // what tells a file's content from another
	files  []string
	listed []string // folders
	broken bool     // a file is missing from the tree
	faults Faults
}

func (l *loader) load(name, text string) (*Config, error) {
	top := l.parse(name, text)
	if top != nil {
		for _, i := range l.includes(top) {
			l.merge(top, i)
		}
	}
	cfg := &Config{}
	if top != nil {
		r := &reader{root: grammar, faults: l.faults}
		grammar.read(r, top, reflect.ValueOf(cfg).Elem())
		// With a file missing, what would seem dangling may well be in it.
		if !l.broken {
			check(r, top, cfg)
		}
		r.faults = append(r.faults, l.named(top, cfg)...)
		l.faults = r.faults
	}
	if len(l.faults) > 0 {
		l.faults.order(l.files)
		return nil, l.faults
	}
	slices.SortFunc(cfg.Listeners, func(a, b Listener) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(cfg.Pools, func(a, b Pool) int { return strings.Compare(a.Name, b.Name) })
	return cfg, nil
}

// parse turns one text into a tree; nil after a fault.
func (l *loader) parse(name, text string) *node {
	l.files = append(l.files, name)
	text = strings.TrimPrefix(text, "\ufeff")
	at := linesOf(text)
	bad := func(offset int, message string) *node {
		line, column := at.position(offset)
		l.faults = append(l.faults, Fault{name, line, column, "", message})
		l.broken = true
		return nil
	}
	if !utf8.ValidString(text) {
		return bad(invalid(text), "found a byte that is not UTF-8, expected TOML in UTF-8")
	}
	places, deep := scan(text)
	if deep >= 0 {
		return bad(deep, fmt.Sprintf("found more than %d levels of nesting, expected a configuration", deepest))
	}
	var v map[string]any
	if _, err := toml.Decode(text, &v); err != nil {
		var p toml.ParseError
		if !errors.As(err, &p) {
			return bad(0, err.Error())
		}
		return bad(p.Position.Start, "not TOML: "+strings.ReplaceAll(p.Message, "\n", " "))
	}
	s := &source{file: name, lines: at, faults: &l.faults, env: l.env}
	return s.node(v, places, "", "")
}

func invalid(text string) int {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return i
			}
		}
	}
	return 0
}

func readFile(path string) (string, error) { return readUpTo(path, most, "a configuration") }

// readUpTo opens without waiting: a FIFO has no end to read to, and opening one
// would last until somebody writes to it.
func readUpTo(path string, most int64, what string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	switch i, err := f.Stat(); {
	case err != nil:
		return "", err
	case i.IsDir():
		return "", syscall.EISDIR
	case !i.Mode().IsRegular():
		return "", errors.New("not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("more than %v, expected %s", Size(most), what)
	}
	return string(b), err
}

// cause is an error without the path that a fault names anyway.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

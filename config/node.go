package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// node is one value of a file with the place where it stands. Of value, keys
// and items it has the one that fits its kind.
type node struct {
	file                   string
	line, column           int // of the key
	valueLine, valueColumn int
	path                   string // as a fault names it: pools.web.backends[1].weight
	name                   string
	value                  any // string, int64, float64, bool, time.Time
	keys                   map[string]*node
	names                  []string // of keys, in the order of the file
	items                  []*node
	table, list            bool
	unexpanded             bool // the environment lacks what value wants
	expanded               bool // value came from the environment
}

// source is the text being turned into nodes.
type source struct {
	file   string
	lines  *lines
	faults *Faults
	env    func(string) (string, bool)
}

// node joins what the parser has understood with what the scanner has found.
func (s *source) node(value any, p *place, path, name string) *node {
	n := &node{file: s.file, path: path, name: name}
	n.line, n.column = s.lines.position(p.key)
	n.valueLine, n.valueColumn = s.lines.position(p.value)
	switch v := value.(type) {
	case map[string]any:
		n.table = true
		n.keys = make(map[string]*node, len(v))
		n.names = slices.SortedFunc(maps.Keys(v), func(a, b string) int {
			return cmp.Or(cmp.Compare(placeOf(p, a).key, placeOf(p, b).key), cmp.Compare(a, b))
		})
		for _, k := range n.names {
			n.keys[k] = s.node(v[k], placeOf(p, k), join(path, k), k)
		}
	case []any:
		n.list = true
		for i, x := range v {
			n.items = append(n.items, s.item(x, p, path, i))
		}
	case []map[string]any:
		n.list = true
		for i, x := range v {
			n.items = append(n.items, s.item(x, p, path, i))
		}
	case string:
		x, wrong := expand(v, s.env)
		n.value = x
		n.expanded = wrong == "" && x != v
		if wrong != "" {
			n.unexpanded = true
			n.fault(s.faults, "%s", wrong)
		}
	default:
		n.value = v
	}
	return n
}

func (s *source) item(value any, p *place, path string, i int) *node {
	if i < len(p.items) {
		p = p.items[i]
	}
	return s.node(value, p, fmt.Sprintf("%s[%d]", path, i), "")
}

// placeOf is the place of a key, or the nearest thing that is known.
func placeOf(p *place, key string) *place {
	if c := p.keys[key]; c != nil {
		return c
	}
	return p
}

// fault reports that the value is wrong.
func (n *node) fault(to *Faults, format string, args ...any) {
	*to = append(*to, Fault{n.file, n.valueLine, n.valueColumn, n.path, fmt.Sprintf(format, args...)})
}

// keyFault reports that the key is wrong, or something that it lacks.
func (n *node) keyFault(to *Faults, key, format string, args ...any) {
	path := n.path
	if key != "" {
		path = join(path, key)
	}
	*to = append(*to, Fault{n.file, n.line, n.column, path, fmt.Sprintf(format, args...)})
}

// where is the place for a message about another one.
func (n *node) where() string {
	if n.file == "" {
		return fmt.Sprintf("line %d, column %d", n.line, n.column)
	}
	return fmt.Sprintf("%s:%d:%d", n.file, n.line, n.column)
}

// String is the value as a message quotes it.
func (n *node) String() string {
	switch v := n.value.(type) {
	case string:
		return fmt.Sprintf("%q", clip(v))
	case time.Time:
		return "a date"
	case nil:
		if n.list {
			return "a list"
		}
		return "a table"
	case float64:
		return trimFloat(v)
	default:
		return fmt.Sprint(v)
	}
}

func join(path, key string) string {
	if key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		key = fmt.Sprintf("%q", clip(key))
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

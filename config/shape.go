package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// reader walks a file and the grammar side by side.
type reader struct {
	faults Faults
	root   *table
	later  int // depth of tables that are refused as a whole
}

// key is one key of the grammar.
type key struct {
	name string
	is   kind
	def  string // as TOML; "" for a key that must be given or has no default
	doc  string

	// example is what is shown for a key without a default.
	example string
	// absent is a key with an example that may be missing: who looks at the whole
	// file says whether it is needed.
	absent bool
	// later marks a key whose feature this version has not: its default turns
	// the feature off, and nothing else is taken.
	later bool
	// of are the types of the table to which the key means something; nil: all.
	of []string

	off *node // def, as read
}

// table is a kind with a fixed set of keys.
type table struct {
	keys []key
	// finish sees the struct once all keys are in it, and its node.
	finish func(r *reader, n *node, v any)
	inline bool // written { } by Defaults
}

func (t *table) want() string { return "a table" }

func (t *table) find(name string) *key {
	for i := range t.keys {
		if t.keys[i].name == name {
			return &t.keys[i]
		}
	}
	return nil
}

func (t *table) names() []string {
	names := make([]string, len(t.keys))
	for i := range t.keys {
		names[i] = t.keys[i].name
	}
	return names
}

func (t *table) read(r *reader, n *node, into reflect.Value) any {
	if !n.table {
		n.fault(&r.faults, "found %s, expected a table", n)
		return nil
	}
	before := len(r.faults)
	for _, name := range n.names {
		if t.find(name) == nil {
			n.keys[name].keyFault(&r.faults, "", "unknown key%s", r.hintFor(t, name))
		}
	}
	for i := range t.keys {
		r.key(&t.keys[i], n, into)
	}
	if t.finish != nil && into.IsValid() && len(r.faults) == before {
		t.finish(r, n, into.Addr().Interface())
	}
	return nil
}

// key reads one key of the table n, or its default.
func (r *reader) key(k *key, n *node, into reflect.Value) {
	given := n.keys[k.name]
	field := fieldOf(into, k.name)
	switch {
	case given == nil && k.off != nil:
		if field.IsValid() {
			k.is.read(r, k.off, field)
		}
	case given == nil:
		if k.example != "" && !k.absent && !k.later && r.later == 0 {
			n.keyFault(&r.faults, k.name, "missing; expected %s", k.is.want())
		}
	case k.later && k.off == nil && given.list && len(given.items) == 0:
	case k.later && k.off == nil:
		if r.later == 0 {
			given.keyFault(&r.faults, "", "not in this version; leave it out")
		}
		r.later++
		k.is.read(r, given, reflect.Value{})
		r.later--
	case k.later && r.later == 0:
		before := len(r.faults)
		got := k.is.read(r, given, reflect.Value{})
		if len(r.faults) == before && !given.unexpanded && !reflect.DeepEqual(got, k.is.read(r, k.off, reflect.Value{})) {
			given.keyFault(&r.faults, "", "not in this version; leave it out or set it to %s", k.def)
		}
	default:
		k.is.read(r, given, field)
	}
}

// fieldOf is the field of a struct whose tag is the key.
func fieldOf(into reflect.Value, key string) reflect.Value {
	if into.IsValid() {
		for i := range into.NumField() {
			if into.Type().Field(i).Tag.Get("toml") == key {
				return into.Field(i)
			}
		}
	}
	return reflect.Value{}
}

// hintFor says what an unknown key may have been meant to be.
func (r *reader) hintFor(t *table, name string) string {
	if h := didYouMean(name, t.names()); h != "" {
		return h
	}
	var homes []string
	r.root.walk("", func(path string, k *key) {
		if k.name == name {
			home, _, _ := cutLast(path)
			homes = append(homes, "["+home+"]")
		}
	})
	switch {
	case len(homes) > 0 && len(homes) <= 3:
		return "; it belongs in " + strings.Join(homes, " or ")
	case len(t.keys) <= 12:
		return "; expected one of " + strings.Join(t.names(), ", ")
	}
	return ""
}

func cutLast(path string) (home, last string, ok bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// walk visits every key of the grammar; a path of it says NAME for any name.
func (t *table) walk(path string, visit func(path string, k *key)) {
	for i := range t.keys {
		k := &t.keys[i]
		p := join(path, k.name)
		visit(p, k)
		switch is := k.is.(type) {
		case *table:
			is.walk(p, visit)
		case named:
			is.table.walk(p+".NAME", visit)
		case list:
			if e, ok := is.item.(entry); ok {
				e.table.walk(p, visit)
			} else if sub, ok := is.item.(*table); ok {
				sub.walk(p, visit)
			}
		}
	}
}

// ready reads the defaults once, so that a load need not.
func (t *table) ready() *table {
	t.walk("", func(path string, k *key) {
		if _, is := k.is.(*table); is && !k.later {
			k.off = &node{table: true, name: k.name, path: path}
		} else if k.def != "" {
			v := make(map[string]any)
			if _, err := toml.Decode("v = "+k.def, &v); err != nil {
				panic(fmt.Sprintf("config: default of %s: %v", path, err))
			}
			s := &source{lines: linesOf("")}
			k.off = s.node(v["v"], &place{}, path, k.name)
		}
	})
	return t
}

// named is a table of tables by name: [listeners.NAME].
type named struct {
	*table
	word string
}

func (m named) read(r *reader, n *node, into reflect.Value) any {
	if !n.table {
		n.fault(&r.faults, "found %s, expected tables [%s.NAME]", n, n.name)
		return nil
	}
	for _, name := range n.names {
		sub := n.keys[name]
		if !isName(name) {
			sub.keyFault(&r.faults, "", "found %q as the name of a %s, expected %s", clip(name), m.word, nameWants)
			continue
		}
		if !sub.table {
			hint := ""
			if m.table.find(name) != nil {
				hint = fmt.Sprintf("; %s is a key of [%s.NAME]", name, n.name)
			}
			sub.keyFault(&r.faults, "", "found %s, expected a table [%s]%s", sub, sub.path, hint)
			continue
		}
		v := reflect.New(into.Type().Elem()).Elem()
		v.FieldByName("Name").SetString(name)
		m.table.read(r, sub, v)
		into.Set(reflect.Append(into, v))
	}
	return nil
}

// list is a list of one kind.
type list struct {
	item kind
	// of is what is expected of the list as a whole.
	of string
	// alone lets one item stand without brackets.
	alone bool
	// some refuses a list without items.
	some bool
}

func (l list) want() string { return l.of }

func (l list) read(r *reader, n *node, into reflect.Value) any {
	items := n.items
	switch {
	case n.list && len(items) == 0 && l.some && r.later == 0:
		n.fault(&r.faults, "found an empty list, expected %s", l.of)
		return nil
	case n.list:
	case l.alone && !n.table:
		items = []*node{n}
	default:
		if !n.unexpanded {
			n.fault(&r.faults, "found %s, expected %s", n, l.of)
		}
		return nil
	}
	got := make([]any, 0, len(items))
	for _, item := range items {
		var v reflect.Value
		if into.IsValid() {
			v = reflect.New(into.Type().Elem()).Elem()
		}
		before := len(r.faults)
		got = append(got, l.item.read(r, item, v))
		if into.IsValid() && len(r.faults) == before {
			into.Set(reflect.Append(into, v))
		}
	}
	return got
}

// entry is a table that can be written short, as the value of one of its keys.
type entry struct {
	*table
	short string
}

func (e entry) read(r *reader, n *node, into reflect.Value) any {
	if n.table {
		return e.table.read(r, n, into)
	}
	if _, ok := n.value.(string); !ok {
		n.fault(&r.faults, "found %s, expected %s or a table with a key %s", n, e.find(e.short).is.want(), e.short)
		return nil
	}
	long := &node{file: n.file, line: n.line, column: n.column, path: n.path, table: true}
	long.keys, long.names = map[string]*node{e.short: n}, slices.Clip([]string{e.short})
	return e.table.read(r, long, into)
}

package config

import (
	"fmt"
	"strings"
)

// Defaults is every key of the grammar as a file: each with its default, or
// with an example where it has none. It loads as it stands.
func Defaults() string {
	d := &printer{}
	d.line("# sluice: every key, with its default unless a comment says \"example\".")
	d.line("# Durations: \"250ms\", \"2s\", \"1h\". Sizes: \"64KiB\", \"1MiB\". Rates: \"100/s\", \"600/m\".")
	d.line("# ${NAME} and ${NAME:-default} in a string are taken from the environment; $${ is a plain ${.")
	d.line("# A key \"not in this version\" takes no other value than the one that is here.")
	d.keys(grammar, "")
	return d.String()
}

type printer struct {
	strings.Builder
	comment     bool
	name, value int // widths of the columns
}

func (d *printer) line(format string, args ...any) {
	if d.comment {
		d.WriteString("# ")
	}
	fmt.Fprintf(d, format+"\n", args...)
}

// keys writes the plain keys of a table and then, as TOML wants it, its tables.
func (d *printer) keys(t *table, path string) {
	var tables []*key
	d.name, d.value = t.widths()
	for i := range t.keys {
		k := &t.keys[i]
		switch is := k.is.(type) {
		case named:
			tables = append(tables, k)
		case *table:
			if is.inline {
				d.key(k, is.short(), k.doc)
			} else {
				tables = append(tables, k)
			}
		case list:
			if e, ok := is.item.(entry); ok {
				d.list(k, e)
			} else if _, ok := is.item.(*table); ok && k.def == "" {
				tables = append(tables, k)
			} else {
				d.plain(k)
			}
		default:
			d.plain(k)
		}
	}
	for _, k := range tables {
		d.table(k, join(path, k.name))
	}
}

func (d *printer) plain(k *key) {
	doc := k.doc
	if k.of != nil {
		doc = strings.TrimSuffix(strings.Join(k.of, ", ")+": "+doc, ": ")
	}
	switch {
	case k.def == "":
		d.key(k, k.example, "example; "+doc)
	case k.later && !d.comment:
		d.key(k, k.def, strings.TrimSuffix("not in this version; "+doc, "; "))
	default:
		d.key(k, k.def, doc)
	}
}

func (d *printer) key(k *key, value, doc string) {
	s := fmt.Sprintf("%-*s = %s", d.name, k.name, value)
	if doc = strings.TrimSuffix(doc, "; "); doc != "" {
		s = fmt.Sprintf("%-*s # %s", d.name+d.value+3, s, doc)
	}
	d.line("%s", s)
}

// widths are those of the longest name and the longest value of t that stand
// on a line of their own.
func (t *table) widths() (name, value int) {
	for _, k := range t.keys {
		if k.def != "" || k.example != "" {
			name = max(name, len(k.name))
			value = max(value, len(k.def), len(k.example))
		}
	}
	return name, value
}

// short is a table on one line, every key at its default.
func (t *table) short() string {
	var parts []string
	for _, k := range t.keys {
		value := k.def
		if value == "" {
			value = k.example
		}
		parts = append(parts, k.name+" = "+value)
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

// list writes a list whose entries have a short and a long form.
func (d *printer) list(k *key, e entry) {
	d.line("%s = [ # example; %s", k.name, k.doc)
	d.line("  \"127.0.0.1:9002\",")
	d.line("  %s,", e.table.short())
	d.line("]")
}

func (d *printer) table(k *key, path string) {
	doc := k.doc
	if k.later {
		doc = strings.TrimSuffix("not in this version; "+doc, "; ")
	}
	if doc != "" {
		doc = " # " + doc
	}
	d.WriteString("\n")
	was := d.comment
	_, isList := k.is.(list) // of tables: there are none unless somebody wants some
	d.comment = d.comment || k.later || isList
	switch is := k.is.(type) {
	case named:
		path += ".web"
		d.line("[%s]%s", path, doc)
		d.keys(is.table, path)
	case list:
		d.line("[[%s]]%s", path, doc)
		d.keys(is.item.(*table), path)
	case *table:
		d.line("[%s]%s", path, doc)
		d.keys(is, path)
	}
	d.comment = was
}

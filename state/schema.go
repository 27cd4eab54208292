package state

import (
	"fmt"
	"strings"

	"github.com/hashicorp/go-memdb"
)

// Table names a table.
type Table string

// The tables.
const (
	Listeners Table = "listeners"
	Pools     Table = "pools"
	Backends  Table = "backends"
	Healths   Table = "health"
	Ejections Table = "ejections"
	Advices   Table = "advice"
	Overrides Table = "overrides"
)

// Tables is every table there is.
var Tables = []Table{Listeners, Pools, Backends, Healths, Ejections, Advices, Overrides}

const (
	id       = "id"
	idPrefix = "id_prefix"
)

var schema = &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{
	string(Listeners): table(Listeners, func(l *Listener) []string { return []string{l.Name} }),
	string(Pools):     table(Pools, func(p *Pool) []string { return []string{p.Name} }),
	string(Backends):  table(Backends, func(b *Backend) []string { return []string{b.Pool, b.Name, b.Source} }),
	string(Healths):   table(Healths, func(h *Health) []string { return []string{h.Pool, h.Backend} }),
	string(Ejections): table(Ejections, func(e *Ejection) []string { return []string{e.Pool, e.Backend} }),
	string(Advices):   table(Advices, func(a *Advice) []string { return []string{a.Pool, a.Backend} }),
	string(Overrides): table(Overrides, func(o *Override) []string { return []string{o.Pool, o.Backend} }),
}}

func table[T any](name Table, key func(*T) []string) *memdb.TableSchema {
	return &memdb.TableSchema{Name: string(name), Indexes: map[string]*memdb.IndexSchema{
		id: {Name: id, Unique: true, Indexer: keyIndex[T]{key}},
	}}
}

// keyIndex makes a key of strings, each ended by a zero byte so that no name
// can run into the next. memdb's own indexes find their fields by reflection
// on every row; with tens of thousands of rows that is most of a reload.
type keyIndex[T any] struct{ key func(*T) []string }

// FromObject is the key of a row.
func (k keyIndex[T]) FromObject(row any) (bool, []byte, error) {
	r, ok := row.(*T)
	if !ok {
		return false, nil, fmt.Errorf("row is a %T, not a %T", row, r)
	}
	return true, []byte(k.of(r)), nil
}

func (k keyIndex[T]) of(row *T) string { return strings.Join(k.key(row), "\x00") + "\x00" }

// FromArgs is the key made of the strings given.
func (k keyIndex[T]) FromArgs(args ...any) ([]byte, error) {
	var b []byte
	for _, a := range args {
		s, ok := a.(string)
		if !ok {
			return nil, fmt.Errorf("part of a key is a %T, not a string", a)
		}
		b = append(append(b, s...), 0)
	}
	return b, nil
}

// PrefixFromArgs is the beginning that all keys with these first parts share.
func (k keyIndex[T]) PrefixFromArgs(args ...any) ([]byte, error) { return k.FromArgs(args...) }

// Package state holds what is known: what the operator wrote, what discovery
// found, what the probes say and what an operator ordered at run time. It
// holds it as immutable rows in go-memdb, so that a reader sees one moment for
// as long as it likes, and a writer all of its change or none of it.
//
// One table has one writer:
//
//	listeners  name                   config, on reload
//	pools      name                   config, on reload
//	backends   pool, name, source     each source its own rows; config is one
//	health     pool, backend          health, on transitions only
//	ejections  pool, backend          health, from what clients' connections show
//	advice     pool, backend          health, from what the backends' agents say
//	overrides  pool, backend          admin
//
// What the rows come to (which backend gets connections) is not decided here
// but in control, and in one place.
package state

import (
	"context"
	"iter"

	"github.com/hashicorp/go-memdb"
)

// Store is the tables. All methods may be called by anyone at any time.
type Store struct{ db *memdb.MemDB }

// New makes a Store with every table empty.
func New() *Store {
	db, err := memdb.NewMemDB(schema)
	must(err)
	return &Store{db}
}

// View is the state as it is now; commits that follow do not show in it.
func (s *Store) View() *View { return &View{s.db.Txn(false)} }

// Change begins to write. There is one Change at a time: a second call waits
// until the first has ended in Commit or Abort.
func (s *Store) Change() *Change { return &Change{s.db.Txn(true)} }

// View is one moment of the state. Its rows are shared and never written to:
// a row that has not changed between two views is the same pointer in both.
type View struct{ txn *memdb.Txn }

// Changed is closed by the first commit after this view that touches t.
func (v *View) Changed(t Table) <-chan struct{} {
	it, err := v.txn.Get(string(t), id)
	must(err)
	return it.WatchCh()
}

// Stamp stands for the backends of a pool and for all that is known of them:
// between two views with the same stamp no row of them differs.
type Stamp struct{ backends, healths, ejections, advice, overrides <-chan struct{} }

// Stamp costs five look-ups, however large the pool. Different stamps may
// mean the same rows.
func (v *View) Stamp(pool string) Stamp {
	// A node of the radix tree has its channel as long as nothing below it
	// changes, and a changed node is another node with another channel.
	watch := func(t Table) <-chan struct{} {
		it, err := v.txn.Get(string(t), idPrefix, pool)
		must(err)
		return it.WatchCh()
	}
	return Stamp{watch(Backends), watch(Healths), watch(Ejections), watch(Advices), watch(Overrides)}
}

// Wait returns nil once a commit after this view has touched one of the
// tables, or the error of ctx.
func (v *View) Wait(ctx context.Context, tables ...Table) error {
	ws := memdb.NewWatchSet()
	for _, t := range tables {
		ws.Add(v.Changed(t))
	}
	return ws.WatchCtx(ctx)
}

// Change is a set of writes that nobody sees before Commit. It belongs to one
// goroutine.
type Change struct{ txn *memdb.Txn }

// View is what the state would be if the change were committed now. It
// outlives the change.
func (c *Change) View() *View { return &View{c.txn.Snapshot()} }

// Commit makes the change visible and wakes those who wait for its tables.
func (c *Change) Commit() { c.txn.Commit() }

// Abort ends the change as if it had never begun; after Commit it does
// nothing, so that it can be deferred.
func (c *Change) Abort() { c.txn.Abort() }

func (c *Change) put(t Table, row any) { must(c.txn.Insert(string(t), row)) }

// drop deletes a row that the caller has read in this change.
func (c *Change) drop(t Table, row any) { must(c.txn.Delete(string(t), row)) }

// one reads the row with the whole key, or nil.
func one[T any](txn *memdb.Txn, t Table, key ...any) *T {
	row, err := txn.First(string(t), id, key...)
	must(err)
	if row == nil {
		return nil
	}
	return row.(*T)
}

// all reads the rows whose key begins with the given parts, in key order.
func all[T any](txn *memdb.Txn, t Table, key ...any) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		index := id
		if len(key) > 0 {
			index = idPrefix
		}
		it, err := txn.Get(string(t), index, key...)
		must(err)
		for row := it.Next(); row != nil; row = it.Next() {
			if !yield(row.(*T)) {
				return
			}
		}
	}
}

// must stands where memdb fails only for a table, an index or a row type that
// does not exist.
func must(err error) {
	if err != nil {
		panic("state: " + err.Error())
	}
}

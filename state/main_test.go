package state

import (
	"iter"
	"os"
	"testing"

	"sluice/internal/testnet"
)

func TestMain(m *testing.M) { os.Exit(testnet.Main(m)) }

func commit(s *Store, write func(*Change)) {
	c := s.Change()
	defer c.Abort()
	write(c)
	c.Commit()
}

func names[T any](rows iter.Seq[*T], name func(*T) string) []string {
	var all []string
	for r := range rows {
		all = append(all, name(r))
	}
	return all
}

func poolName(p *Pool) string { return p.Name }

// rowsOf is every row of a view, to be compared by pointer.
func rowsOf(v *View) []any {
	var rows []any
	for r := range v.Listeners() {
		rows = append(rows, r)
	}
	for r := range v.Pools() {
		rows = append(rows, r)
	}
	for r := range v.AllBackends() {
		rows = append(rows, r)
	}
	for r := range v.AllHealths() {
		rows = append(rows, r)
	}
	for r := range all[Override](v.txn, Overrides) {
		rows = append(rows, r)
	}
	return rows
}

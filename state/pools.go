package state

import (
	"iter"

	"sluice/config"
)

// Pool is a row of pools. Its Backends are nil: they have a table of their
// own.
type Pool struct{ config.Pool }

// Pools are the pools by name.
func (v *View) Pools() iter.Seq[*Pool] { return all[Pool](v.txn, Pools) }

// Pool is the one of that name, or nil.
func (v *View) Pool(name string) *Pool { return one[Pool](v.txn, Pools, name) }

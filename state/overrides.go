package state

import "iter"

// Mode is an operator's order for a backend.
type Mode uint8

// The modes.
const (
	Ready Mode = iota // as if nothing had been ordered
	Drain             // no new connections; those it has go on
	Maint             // out of service
)

func (m Mode) String() string { return [...]string{"ready", "drain", "maint"}[m] }

// Override is a row of overrides. It may be about a backend that is not there
// now: a reload that takes a backend out and one that brings it back leave the
// order in force.
type Override struct {
	Pool, Backend string
	Mode          Mode
	Weight        int // in place of the backend's own; 0: the backend's own
}

// Overrides are the orders for the backends of a pool, by backend.
func (v *View) Overrides(pool string) iter.Seq[*Override] {
	return all[Override](v.txn, Overrides, pool)
}

// AllOverrides are the orders for all backends, by pool and backend.
func (v *View) AllOverrides() iter.Seq[*Override] { return all[Override](v.txn, Overrides) }

// Override is the order for a backend, or nil.
func (v *View) Override(pool, backend string) *Override {
	return one[Override](v.txn, Overrides, pool, backend)
}

// SetOverride writes an order. The caller is admin, and gives o away.
func (c *Change) SetOverride(o *Override) { c.put(Overrides, o) }

// DeleteOverride takes an order back if there is one. The caller is admin.
func (c *Change) DeleteOverride(pool, backend string) {
	if o := one[Override](c.txn, Overrides, pool, backend); o != nil {
		c.drop(Overrides, o)
	}
}

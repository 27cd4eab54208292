package state

import (
	"iter"
	"time"

	"sluice/config"
)

// Advice is a row of advice: what the agent of a backend has said of it so far.
// There is no row for one whose agent has said nothing, or that has none.
type Advice struct {
	Pool, Backend string
	Address       config.Address // of the backend that it is about
	Agent         config.Address // who says it

	Mode           Mode
	Down           bool
	Weight         int  // -1: nothing said; 0: as Drain
	Percent        bool // Weight is that share of the backend's own
	MaxConnections int  // -1: nothing said; 0: no limit

	Since time.Time
	Said  string // its last line that has changed something, for people
}

// Advices are those for the backends of a pool, by backend.
func (v *View) Advices(pool string) iter.Seq[*Advice] { return all[Advice](v.txn, Advices, pool) }

// AllAdvices are those for all backends, by pool and backend.
func (v *View) AllAdvices() iter.Seq[*Advice] { return all[Advice](v.txn, Advices) }

// Advice is that for a backend, or nil. It may be about another address, or from
// another agent.
func (v *View) Advice(pool, backend string) *Advice {
	return one[Advice](v.txn, Advices, pool, backend)
}

// SetAdvice writes what an agent has said. The caller is health, and gives a
// away.
func (c *Change) SetAdvice(a *Advice) { c.put(Advices, a) }

// DeleteAdvice forgets it if there is any. The caller is health.
func (c *Change) DeleteAdvice(pool, backend string) {
	if a := one[Advice](c.txn, Advices, pool, backend); a != nil {
		c.drop(Advices, a)
	}
}

package state

import (
	"iter"
	"time"

	"sluice/config"
)

// Ejection is a row of ejections: a backend that is out of its pool for a while
// since clients' connections to it have failed. There is no row for one that is
// in.
type Ejection struct {
	Pool, Backend string
	Address       config.Address // whom it is about; the name may have another by now
	Since, Until  time.Time
	Reason        string // for people
}

// Ejections are the ejected backends of a pool, by backend.
func (v *View) Ejections(pool string) iter.Seq[*Ejection] {
	return all[Ejection](v.txn, Ejections, pool)
}

// AllEjections are the ejected backends, by pool and backend.
func (v *View) AllEjections() iter.Seq[*Ejection] { return all[Ejection](v.txn, Ejections) }

// Ejection is that of a backend, or nil. It may be about another address.
func (v *View) Ejection(pool, backend string) *Ejection {
	return one[Ejection](v.txn, Ejections, pool, backend)
}

// SetEjection takes a backend out. The caller is health, and gives e away.
func (c *Change) SetEjection(e *Ejection) { c.put(Ejections, e) }

// DeleteEjection takes a backend back in if it is out. The caller is health.
func (c *Change) DeleteEjection(pool, backend string) {
	if e := one[Ejection](c.txn, Ejections, pool, backend); e != nil {
		c.drop(Ejections, e)
	}
}

package state

import (
	"iter"
	"time"

	"sluice/config"
)

// Status is what health knows of a backend.
type Status uint8

// The statuses.
const (
	Unknown Status = iota // not probed yet
	Up
	Down
)

func (s Status) String() string { return [...]string{"unknown", "up", "down"}[s] }

// Health is a row of health: the last verdict on a backend. A backend that is
// unknown has no row.
type Health struct {
	Pool, Backend string
	Subject       Subject
	Status        Status
	Since         time.Time // of the transition
	Reason        string    // of the transition, for people
}

// Subject is what a verdict is about: whom is asked, and what. A reload can
// give a name another address or another type of check before health hears of
// it; a verdict on the old one must not be taken for one on the new. When it is
// asked, and how many answers make a verdict, changes none that there is.
type Subject struct {
	Address  config.Address
	Type     string // of the check
	Question string // what it asks, see config.Health
}

// SubjectOf is what a verdict on b, a backend of p, has to be about.
func SubjectOf(p *Pool, b *Backend) Subject {
	return Subject{b.Address, p.Health.Type, p.Health.Question}
}

// Healths are the verdicts on the backends of a pool, by backend.
func (v *View) Healths(pool string) iter.Seq[*Health] { return all[Health](v.txn, Healths, pool) }

// AllHealths are the verdicts on all backends, by pool and backend.
func (v *View) AllHealths() iter.Seq[*Health] { return all[Health](v.txn, Healths) }

// Health is the verdict on a backend, or nil. It may be about another Subject.
func (v *View) Health(pool, backend string) *Health {
	return one[Health](v.txn, Healths, pool, backend)
}

// SetHealth writes a verdict. The caller is health, and gives h away.
func (c *Change) SetHealth(h *Health) { c.put(Healths, h) }

// DeleteHealth deletes a verdict if there is one. The caller is health.
func (c *Change) DeleteHealth(pool, backend string) {
	if h := one[Health](c.txn, Healths, pool, backend); h != nil {
		c.drop(Healths, h)
	}
}

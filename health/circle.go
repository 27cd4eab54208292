package health

import (
	"sluice/state"
)

// follow makes the circles those of the pools that are there now. A backend
// stays the same while its pool, name and address do. What it returns is closed
// when it has to be called again.
func (p *Passive) follow() (pools, backends <-chan struct{}) {
	view := p.store.View()
	p.regroup(view)
	p.clear(view)
	return view.Changed(state.Pools), view.Changed(state.Backends)
}

func (p *Passive) regroup(view *state.View) {
	p.mu.Lock()
	defer p.mu.Unlock()
	circles := make(map[string]*circle, len(p.circles))
	for row := range view.Pools() {
		if row.Outlier.ConsecutiveFailures > 0 || row.Outlier.FailureRate > 0 {
			circles[row.Name] = p.gather(view, row)
		}
	}
	p.circles = circles
	p.count()
}

// gather makes the circle of a pool, with those of its backends that are known.
func (p *Passive) gather(view *state.View, row *state.Pool) *circle {
	c := &circle{pool: row.Name, settings: row.Outlier, backends: map[string]*suspect{}}
	for b := range view.Backends(row.Name) {
		s := p.find(row.Name, b.Name)
		switch {
		case s == nil || s.address != b.Address:
			s = &suspect{name: b.Name, address: b.Address}
			if e := view.Ejection(row.Name, b.Name); e != nil && e.Address == b.Address {
				// A process before this one has ejected it.
				s.ejected, s.row, s.until, s.why = true, 1, e.Until.Sub(p.zero), e.Reason
				p.out = append(p.out, s)
			}
		case s.circle.settings.Window != c.settings.Window:
			s.recent = window{} // its panes have another length
		}
		c.backends[b.Name] = s
	}
	for _, s := range c.backends {
		s.circle = c
	}
	return c
}

// count forgets the ejected ones who are gone, and counts the others.
func (p *Passive) count() {
	still := p.out[:0]
	for _, s := range p.out {
		if c := p.circles[s.pool]; c != nil && c.backends[s.name] == s {
			still = append(still, s)
			c.out++
		}
	}
	clear(p.out[len(still):])
	p.out = still
}

// clear deletes the rows that nobody stands behind. Only Run ejects, so no lock
// is needed to read what it has written.
func (p *Passive) clear(view *state.View) {
	deleteStale(p.store, view.AllEjections(), func(e *state.Ejection) bool {
		s := p.find(e.Pool, e.Backend)
		return s == nil || !s.ejected || s.address != e.Address
	}, func(c *state.Change, e *state.Ejection) { c.DeleteEjection(e.Pool, e.Backend) })
}

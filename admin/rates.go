package admin

import (
	"math"
	"time"

	"sluice/proxy"
)

// subject is what has rates: a listener, a pool, a backend of a pool, or, the
// zero value, the whole.
type subject struct{ listener, pool, backend string }

// counts are what has been counted of a subject by some moment. All but active
// never shrink.
type counts struct {
	active   int64
	opened   uint64
	up, down uint64 // bytes
}

// Rate is what a listener, a pool, a backend or, without a name, the whole does
// in a second.
type Rate struct {
	Listener    string  `json:"listener,omitempty"`
	Pool        string  `json:"pool,omitempty"`
	Backend     string  `json:"backend,omitempty"`
	Connections int64   `json:"connections"` // now
	Opened      float64 `json:"opened"`      // connections a second
	Up          float64 `json:"up"`          // bytes a second
	Down        float64 `json:"down"`        // bytes a second
}

// zero reports whether nothing is there and nothing happens.
func (r *Rate) zero() bool { return r.Connections == 0 && r.Opened == 0 && r.Up == 0 && r.Down == 0 }

// rateOf is what has happened from one reading to another.
func rateOf(of subject, from, to counts, over time.Duration) Rate {
	s := max(over.Seconds(), 0.001)
	return Rate{
		of.listener, of.pool, of.backend, to.active,
		math.Round(10*float64(to.opened-from.opened)/s) / 10,
		math.Round(float64(to.up-from.up) / s), math.Round(float64(to.down-from.down) / s),
	}
}

// reader reads counts. What lives is known only by asking the workers, and one
// that has had nothing to do since has nothing new to say: it is left asleep.
type reader struct {
	server  *Server
	tallies *Tallies

	turns     uint64 // of the workers before the last question
	listeners map[string]proxy.Moved
	backends  map[backendKey]proxy.Moved
	last      map[subject]counts
}

// idle reports whether no worker has had anything to do since the last question.
func (r *reader) idle() bool { return r.server.data.Turns() == r.turns }

// read is how things are.
func (r *reader) read() map[subject]counts {
	table := r.server.data.Table()
	if !r.idle() {
		r.ask(table)
	}
	stats := r.server.data.Stats()
	now := make(map[subject]counts, len(r.last))
	whole := counts{active: stats.Active, opened: stats.Accepted, up: stats.BytesUp, down: stats.BytesDown}
	for _, m := range r.listeners {
		whole.up += m.Up
		whole.down += m.Down
	}
	r.note(now, subject{}, whole)
	r.tallies.mu.Lock()
	defer r.tallies.mu.Unlock()
	for name, count := range r.server.data.Listening() {
		c := counts{active: count.Active, up: r.listeners[name].Up, down: r.listeners[name].Down}
		if t := r.tallies.listeners[name]; t != nil {
			c.add(t.Closed, t.Up, t.Down)
		}
		c.opened += uint64(max(c.active, 0))
		r.note(now, subject{listener: name}, c)
	}
	for _, p := range table.Pools {
		r.pool(now, p)
	}
	r.last = now
	return now
}

func (r *reader) pool(now map[subject]counts, p *proxy.Pool) {
	var sum counts
	for _, b := range p.Backends {
		key := backendKey{p.Name, b.Name}
		c := counts{active: b.Load.Active(), up: r.backends[key].Up, down: r.backends[key].Down}
		if t := r.tallies.backends[key]; t != nil {
			c.add(t.Closed, t.Up, t.Down)
		}
		c.opened += uint64(max(c.active, 0))
		c = r.note(now, subject{pool: p.Name, backend: b.Name}, c)
		sum.active += c.active
		sum.opened += c.opened
		sum.up += c.up
		sum.down += c.down
	}
	r.note(now, subject{pool: p.Name}, sum)
}

// add adds what has ended.
func (c *counts) add(closed closings, up, down uint64) {
	for _, n := range closed {
		c.opened += n
	}
	c.up += up
	c.down += down
}

// note keeps a subject's counts. They are sums of what is read one after the
// other, which may seem to shrink: then what they were holds.
func (r *reader) note(now map[subject]counts, of subject, c counts) counts {
	was := r.last[of]
	c.opened, c.up, c.down = max(c.opened, was.opened), max(c.up, was.up), max(c.down, was.down)
	now[of] = c
	return c
}

// ask asks the workers what live connections have moved.
func (r *reader) ask(table *proxy.Table) {
	turns := r.server.data.Turns()
	listeners, backends, ok := r.server.data.LiveBytes()
	if !ok {
		return // they have left
	}
	r.turns = turns
	r.listeners, r.backends = listeners, make(map[backendKey]proxy.Moved, len(backends))
	for _, p := range table.Pools {
		for _, b := range p.Backends {
			if m, moved := backends[b]; moved {
				r.backends[backendKey{p.Name, b.Name}] = m
			}
		}
	}
}

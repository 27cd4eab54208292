package admin

import (
	"maps"
	"slices"
	"time"
)

// picture is how everything is, as watchers are told.
type picture struct {
	status    Status
	token     bool
	listeners []Listener
	pools     []Pool
	rates     map[subject]Rate
}

func (s *Server) picture(rates map[subject]Rate) *picture {
	return &picture{
		status: s.statusNow(), token: s.settings.Load().token != "",
		listeners: s.listeners(), pools: s.pools(), rates: rates,
	}
}

// sameNames reports whether both have the same listeners, pools and backends in
// the same order.
func (p *picture) sameNames(q *picture) bool {
	return slices.EqualFunc(p.listeners, q.listeners, func(a, b Listener) bool { return a.Name == b.Name }) &&
		slices.EqualFunc(p.pools, q.pools, func(a, b Pool) bool {
			return a.Name == b.Name && a.Policy == b.Policy &&
				slices.EqualFunc(a.Backends, b.Backends, func(a, b Backend) bool { return a.Name == b.Name })
		})
}

// tick is what has changed since before, which has the same names.
func (p *picture) tick(before *picture, now time.Time, step bool, points []Rate) *Tick {
	t := &Tick{
		Time: now, NotReady: p.status.NotReady, ReadOnly: p.status.ReadOnly, Token: p.token, Accepted: p.status.Accepted,
		Rates: []Rate{}, Listeners: []Listener{}, Backends: []Backend{}, Step: step, Points: points,
	}
	if points == nil {
		t.Points = []Rate{}
	}
	for of, r := range p.rates {
		if before.rates[of] != r {
			t.Rates = append(t.Rates, r)
		}
	}
	for i, l := range p.listeners {
		if !sameListener(before.listeners[i], l) {
			t.Listeners = append(t.Listeners, l)
		}
	}
	for i := range p.pools {
		for j, b := range p.pools[i].Backends {
			if !sameBackend(before.pools[i].Backends[j], b) {
				t.Backends = append(t.Backends, b)
			}
		}
	}
	if !slices.Equal(before.status.Handovers, p.status.Handovers) {
		t.Handovers = p.status.Handovers
	}
	return t
}

// list is the rates.
func (p *picture) list() []Rate {
	return slices.AppendSeq(make([]Rate, 0, len(p.rates)), maps.Values(p.rates))
}

// sameListener leaves the connections out: they are a rate's.
func sameListener(a, b Listener) bool {
	if !slices.Equal(a.Bound, b.Bound) {
		return false
	}
	return a.Pool == b.Pool && a.Relay == b.Relay && a.MaxConnections == b.MaxConnections && a.Paused == b.Paused && a.Multipath == b.Multipath
}

func sameBackend(a, b Backend) bool {
	if !sameTime(a.Since, b.Since) || !sameTime(a.EjectedUntil, b.EjectedUntil) {
		return false
	}
	a.Since, b.Since = nil, nil
	a.EjectedUntil, b.EjectedUntil = nil, nil
	a.Connections, b.Connections = 0, 0
	a.LatencyMS, b.LatencyMS = 0, 0 // it is another at any time
	return a == b
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

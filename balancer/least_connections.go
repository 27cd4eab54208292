package balancer

import "sync/atomic"

// leastConnections takes the backend that one more connection would load least
// for its weight. It looks at all of them, so that the answer is exact; a Pick
// costs time in proportion to the number of backends, and random_two is the
// policy for thousands.
//
// Equals take turns, by weight: each backend has a virtual time that moves on
// by 1/weight when it is taken, and the one that is furthest behind is next
// (stride scheduling, Waldspurger and Weihl, 1995). So that idle backends of
// small weight do not starve, all idle ones are equals whatever their weight;
// when connections are so short that each finds all backends idle, this is a
// weighted round robin.
type leastConnections struct {
	roster
	times []atomic.Uint64 // wrap around; only differences mean anything

	_   [128]byte
	now atomic.Uint64 // the time of the backend taken last
	_   [120]byte
}

// second is the virtual time that a connection takes at weight 1.
const second = 1 << 32

func newLeastConnections(s roster) (Picker, error) {
	p := &leastConnections{roster: s, times: make([]atomic.Uint64, len(s.seats))}
	for i := range p.times {
		p.times[i].Store(second / p.seats[i].weight / 2) // spreads the heavy ones among the light
	}
	return p, nil
}

func (p *leastConnections) Pick(r *Request) int {
	for range 3 { // more than once only if another worker took the last place
		i := p.least(r)
		if i < 0 {
			return -1
		}
		if p.take(i, r) {
			p.pass(i)
			return i
		}
	}
	return p.firstFree(r)
}

// least finds the best of the busy and, apart from them, the idle one whose
// turn it is; the idle ones win if the heaviest of them would.
func (p *leastConnections) least(r *Request) int {
	busy, idle := -1, -1
	var active int64            // of busy
	var weight, heaviest uint64 // of busy, and among the idle
	retry := r.Tried.Len() > 0
	for i := range p.seats {
		e := &p.seats[i]
		n := e.load.Active()
		if e.full(n) || retry && r.Tried.Has(e.load.ID) {
			continue
		}
		if n <= 0 {
			heaviest = max(heaviest, e.weight)
			if idle < 0 || p.behind(i, idle) {
				idle = i
			}
			continue
		}
		if busy >= 0 {
			less, equal := lighter(n, e.weight, active, weight)
			if !less && !(equal && p.behind(i, busy)) {
				continue
			}
		}
		busy, active, weight = i, n, e.weight
	}
	if busy < 0 {
		return idle
	}
	if idle >= 0 {
		if less, _ := lighter(active, weight, 0, heaviest); !less {
			return idle
		}
	}
	return busy
}

// behind reports whether it is rather i's turn than j's.
func (p *leastConnections) behind(i, j int) bool {
	return int64(p.times[i].Load()-p.times[j].Load()) < 0
}

// pass moves the time of i on. One that was long not taken starts from now: it
// has nothing to catch up on. Workers that pass at once may lose a turn, which
// is no more than an unfair tie.
func (p *leastConnections) pass(i int) {
	t, now := p.times[i].Load(), p.now.Load()
	if int64(t-now) < 0 {
		t = now
	}
	p.now.Store(t)
	p.times[i].Store(t + second/p.seats[i].weight)
}

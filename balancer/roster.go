package balancer

import (
	"math"
	"math/bits"
)

// maxWeight is the largest Backend.Weight.
const maxWeight = 65535

// probes is how often a picker asks its own structure again after a backend
// that is full or tried, before it looks at every backend. A structure that
// answers by weight and in constant time makes this cheaper than the pass and
// just as fair: with half of the weight free, one Pick in 65,000 needs the pass.
const probes = 16

// seat is what a Pick reads of a backend, 24 bytes, never written.
type seat struct {
	load   *Load
	most   int64
	weight uint64
}

// roster is the backends of a picker and what all policies share: to take a
// place, and where to go on when their own choice has none.
type roster struct {
	seats []seat
	names []string
	ids   []uint64 // hash of the name: the identity that outlives an order
}

func newRoster(backends []Backend) roster {
	s := roster{
		seats: make([]seat, len(backends)),
		names: make([]string, len(backends)),
		ids:   make([]uint64, len(backends)),
	}
	for i, b := range backends {
		s.seats[i] = seat{load: b.Load, most: b.MaxConnections, weight: uint64(b.Weight)}
		s.names[i] = b.Name
		s.ids[i] = hash(seedName, b.Name)
	}
	return s
}

func (s *roster) totalWeight() uint64 {
	var sum uint64
	for i := range s.seats {
		sum += s.seats[i].weight
	}
	return sum
}

// full reports whether active connections leave no place.
func (e *seat) full(active int64) bool { return e.most > 0 && active >= e.most }

// free reports whether backend i had a place for r a moment ago.
func (s *roster) free(i int, r *Request) bool {
	e := &s.seats[i]
	return !e.full(e.load.Active()) && !r.Tried.Has(e.load.ID)
}

// take acquires backend i, unless it is full or tried.
func (s *roster) take(i int, r *Request) bool {
	return s.free(i, r) && s.seats[i].load.Acquire(s.seats[i].most)
}

// anyFree takes one of the free backends, -1 if there is none: what a policy
// falls back on when its own choices are full or tried. The free ones are
// chosen by weight, and the same seed chooses the same one for as long as that
// one is free: it is rendezvous hashing (Thaler, Ravishankar: "Using Name-Based
// Mappings to Increase Hit Rates", 1998), with the logarithm for the weights.
// It costs one pass over the backends, and the logarithm only for free ones;
// a place lost to another worker costs one more pass, twice at most.
func (s *roster) anyFree(r *Request, seed uint64) int {
	for range 3 {
		best, least := -1, math.Inf(1)
		for i := range s.seats {
			if !s.free(i, r) {
				continue
			}
			u := (float64(mix(seed^s.ids[i])>>11) + 0.5) / (1 << 53) // in (0,1)
			if x := -math.Log(u) / float64(s.seats[i].weight); x < least {
				best, least = i, x
			}
		}
		if best < 0 {
			return -1
		}
		if s.take(best, r) {
			return best
		}
	}
	return s.firstFree(r)
}

// firstFree takes the first free backend in their order, -1 if there is none.
func (s *roster) firstFree(r *Request) int {
	for i := range s.seats {
		if s.take(i, r) {
			return i
		}
	}
	return -1
}

// lighter compares the load that one more connection would make: whether
// (a+1)/v is less than (b+1)/w, and whether they are equal. The products have
// 128 bits, so no count is too large.
func lighter(a int64, v uint64, b int64, w uint64) (less, equal bool) {
	h1, l1 := bits.Mul64(uint64(a+1), w)
	h2, l2 := bits.Mul64(uint64(b+1), v)
	return h1 < h2 || h1 == h2 && l1 < l2, h1 == h2 && l1 == l2
}

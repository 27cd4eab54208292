package balancer

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync/atomic"
)

// A smooth order is computed in advance if it has no more than maxOrder places
// (256 KiB) and takes no more than maxOrderWork steps (some milliseconds).
const (
	maxOrder     = 1 << 16
	maxOrderWork = 1 << 22
)

// roundRobin goes through a fixed round in which each backend stands as often
// as its weight says, well spread. All workers share one cursor; whoever adds
// one to it owns that place of the round. Backends that cannot be used are
// passed over by going on, which is as if they stood nowhere: the others keep
// the shares that their weights give them.
//
// The round exists in three forms: equal weights need no table; a small sum of
// weights has the smooth order of nginx; a large one is walked by the golden
// section, which needs one number a backend.
type roundRobin struct {
	roster
	round uint64   // places in a round: the sum of the weights over their gcd
	order []int32  // smooth order, or nil
	ends  []uint64 // where each backend's range of the walk ends, or nil
	step  uint64   // of the walk; shares no divisor with round

	_      [128]byte // the cursor has its cache line, and the next, for itself
	cursor atomic.Uint64
	_      [120]byte
}

// newRoundRobin starts anywhere in the round. Pools are compiled anew at each
// transition of a backend: to start at the first each time would favour it.
func newRoundRobin(s roster) (Picker, error) { return roundRobinFrom(s, rand.Uint64()>>1), nil }

func roundRobinFrom(s roster, start uint64) *roundRobin {
	weights := make([]uint64, len(s.seats))
	var divisor, heaviest uint64
	for i := range s.seats {
		weights[i] = s.seats[i].weight
		divisor = gcd(weights[i], divisor)
	}
	p := &roundRobin{roster: s}
	for i := range weights {
		weights[i] /= divisor
		p.round += weights[i]
		heaviest = max(heaviest, weights[i])
	}
	switch {
	case heaviest == 1:
	case p.round <= maxOrder && p.round*uint64(len(weights)) <= maxOrderWork:
		p.order = smoothOrder(weights, p.round)
	default:
		p.ends, p.step = walk(weights, p.round)
	}
	p.cursor.Store(start)
	return p
}

func (p *roundRobin) Pick(r *Request) int {
	for range probes {
		if i := p.at(p.cursor.Add(1)); p.take(i, r) {
			return i
		}
	}
	return p.anyFree(r, r.Rand)
}

// at is the backend at a place of the endless sequence of rounds.
func (p *roundRobin) at(place uint64) int {
	place %= p.round
	if p.order != nil {
		return int(p.order[place])
	}
	if p.ends == nil {
		return int(place)
	}
	hi, lo := bits.Mul64(place, p.step)
	i, _ := slices.BinarySearch(p.ends, bits.Rem64(hi, lo, p.round)+1)
	return i
}

// smoothOrder is the order that nginx's smooth weighted round robin comes to:
// each time every backend gains its weight, and the one that has most is taken
// and pays the sum of all.
func smoothOrder(weights []uint64, sum uint64) []int32 {
	order := make([]int32, sum)
	credit := make([]int64, len(weights))
	for place := range order {
		best := 0
		for i, w := range weights {
			credit[i] += int64(w)
			if credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= int64(sum)
		order[place] = int32(best)
	}
	return order
}

// walk lays the weights end to end on a line of length sum and finds the step
// that visits each number of the line once a round: the one next to the golden
// section of the line that shares no divisor with it. Steps of that size come
// back to a range at two or three distances that differ little (the theorem of
// three gaps), whatever the range is.
func walk(weights []uint64, sum uint64) (ends []uint64, step uint64) {
	var end uint64
	for _, w := range weights {
		end += w
		ends = append(ends, end)
	}
	step, _ = bits.Mul64(sum, golden)
	for gcd(step, sum) != 1 {
		step++
	}
	return ends, step
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

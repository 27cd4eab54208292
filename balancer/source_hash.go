package balancer

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

// The ring has pointsPerWeight points for each unit of weight, which makes the
// share of a backend of weight 1 right within about 4% (one over the square
// root). Where the total weight is above maxRingWeight the points are scaled
// down, so that a ring never has more than 2^19 of them and one for each
// backend. Then each removal adds some points to the backends that stay, and
// moves about as many other keys as its own; to scale in large steps would
// spare them most of the time and move nearly all keys at a step.
const (
	pointsPerWeight = 512
	maxRingWeight   = 1024
)

// sourceHash is consistent hashing: each backend has points on a ring, as many
// as its weight asks for, and a key belongs to the first point at or after its
// own (Karger et al.: "Consistent Hashing and Random Trees", STOC 1997). The
// removal of a backend moves its own keys and, up to maxRingWeight, no others;
// maglev is more even. The ring is cut into as many arcs as there are points, so that a key is found
// in constant time on average.
type sourceHash struct {
	roster
	points []uint64 // ascending
	owners []int32
	arcs   []uint32 // the first point at or after the beginning of each arc
	shift  uint     // key >> shift is its arc
}

func newSourceHash(s roster) (Picker, error) {
	p := &sourceHash{roster: s}
	p.place()
	return p, nil
}

// Pick goes on at other places of the ring when the key's own backend is of no
// use. They follow from the key alone and lie anywhere: in a row of full
// backends nobody is the one neighbour who has the load of all.
func (p *sourceHash) Pick(r *Request) int {
	x := mix(r.Key)
	for range probes {
		if i := p.owner(x); p.take(i, r) {
			return i
		}
		x = mix(x + golden)
	}
	return p.anyFree(r, r.Key)
}

func (p *sourceHash) owner(x uint64) int {
	i := p.arcs[x>>p.shift]
	for int(i) < len(p.points) && p.points[i] < x {
		i++
	}
	if int(i) == len(p.points) {
		i = 0
	}
	return int(p.owners[i])
}

// share is the number of points of backend i among backends of this weight.
func (p *sourceHash) share(i int, weight uint64) int {
	return max(1, int(p.seats[i].weight*pointsPerWeight*maxRingWeight/max(weight, maxRingWeight)))
}

// place puts all points on the ring: it counts them by arc, deals them out to
// the arcs, and puts the few of each arc in order.
func (p *sourceHash) place() {
	weight, total := p.totalWeight(), 0
	for i := range p.seats {
		total += p.share(i, weight)
	}
	arcBits := uint(bits.Len(uint(total)))
	p.shift = 64 - arcBits
	p.arcs = make([]uint32, 1<<arcBits+1)
	p.points = make([]uint64, total)
	p.owners = make([]int32, total)

	p.each(weight, func(_ int, x uint64) { p.arcs[x>>p.shift+1]++ })
	for a := range p.arcs[1:] {
		p.arcs[a+1] += p.arcs[a]
	}
	next := slices.Clone(p.arcs)
	p.each(weight, func(i int, x uint64) {
		at := &next[x>>p.shift]
		p.points[*at], p.owners[*at] = x, int32(i)
		*at++
	})
	for a := range p.arcs[1:] {
		p.order(int(p.arcs[a]), int(p.arcs[a+1]))
	}
}

// each calls do with every point. The points of a backend follow from its name
// and number alone; a larger weight only adds some.
func (p *sourceHash) each(weight uint64, do func(i int, x uint64)) {
	for i := range p.seats {
		x := p.ids[i]
		for range p.share(i, weight) {
			x += golden
			do(i, mix(x))
		}
	}
}

// order sorts the points from..to by place and, should two be equal, by name.
func (p *sourceHash) order(from, to int) {
	for i := from + 1; i < to; i++ {
		for j := i; j > from && p.compare(j, j-1) < 0; j-- {
			p.points[j], p.points[j-1] = p.points[j-1], p.points[j]
			p.owners[j], p.owners[j-1] = p.owners[j-1], p.owners[j]
		}
	}
}

func (p *sourceHash) compare(a, b int) int {
	if c := cmp.Compare(p.points[a], p.points[b]); c != 0 {
		return c
	}
	return strings.Compare(p.names[p.owners[a]], p.names[p.owners[b]])
}

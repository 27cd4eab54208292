package balancer

import (
	"math"
	"math/bits"
)

// randomTwo draws two different backends by weight and takes the one with less
// load for its weight (Mitzenmacher: "The Power of Two Choices in Randomized
// Load Balancing", 2001). The draw is one look into an alias table (Vose: "A
// Linear Algorithm for Generating Random Numbers with a Given Distribution",
// 1991).
type randomTwo struct {
	roster
	table []alias
}

// alias is one column of the table: backend i itself with the probability
// keep/2^64, otherwise other.
type alias struct {
	keep  uint64
	other int32
}

func newRandomTwo(s roster) (Picker, error) {
	p := &randomTwo{roster: s, table: make([]alias, len(s.seats))}
	p.fill()
	return p, nil
}

// Pick takes a first draw that is idle without a second: compared by weight
// alone, idle backends of small weight would starve.
func (p *randomTwo) Pick(r *Request) int {
	one, x := -1, r.Rand
	for range probes {
		x += golden
		i := p.draw(mix(x))
		if i == one || !p.free(i, r) {
			continue
		}
		if one >= 0 {
			return p.lighterOf(one, i, r)
		}
		if p.seats[i].load.Active() == 0 {
			if p.take(i, r) {
				return i
			}
			continue
		}
		one = i
	}
	if one < 0 {
		return p.anyFree(r, r.Rand)
	}
	return p.lighterOf(one, p.neighbour(one, mix(x+golden)), r)
}

// neighbour is any other backend: one that outweighs the rest is drawn again
// and again, and must be compared all the same.
func (p *randomTwo) neighbour(i int, x uint64) int {
	n := len(p.seats)
	if n == 1 {
		return i
	}
	step, _ := below(x, n-1)
	return (i + 1 + step) % n
}

// lighterOf takes the less loaded of two, the first if they are equal.
func (p *randomTwo) lighterOf(i, j int, r *Request) int {
	a, b := &p.seats[i], &p.seats[j]
	if less, _ := lighter(b.load.Active(), b.weight, a.load.Active(), a.weight); less {
		i, j = j, i
	}
	if p.take(i, r) {
		return i
	}
	if p.take(j, r) {
		return j
	}
	return p.anyFree(r, r.Rand)
}

func (p *randomTwo) draw(x uint64) int {
	i, part := below(x, len(p.table))
	if t := &p.table[i]; part >= t.keep {
		return int(t.other)
	}
	return i
}

// fill levels the columns: what a light backend leaves of its column is filled
// up from a heavy one. In units of 1/n of the mean weight all is whole numbers.
func (p *randomTwo) fill() {
	n, sum := uint64(len(p.seats)), p.totalWeight()
	rest := make([]uint64, n)
	var light, heavy []int32
	for i := range p.seats {
		rest[i] = p.seats[i].weight * n
		p.table[i] = alias{math.MaxUint64, int32(i)}
		if rest[i] < sum {
			light = append(light, int32(i))
		} else {
			heavy = append(heavy, int32(i))
		}
	}
	for len(light) > 0 {
		i, j := light[len(light)-1], heavy[len(heavy)-1]
		light = light[:len(light)-1]
		keep, _ := bits.Div64(rest[i], 0, sum)
		p.table[i] = alias{keep, j}
		rest[j] -= sum - rest[i]
		if rest[j] < sum {
			heavy = heavy[:len(heavy)-1]
			light = append(light, j)
		}
	}
}

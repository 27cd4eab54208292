package balancer

// fastest takes the backend that has answered soonest lately, times the
// connections per weight that it has already. What soon is, see latency.
//
// The draw by weight comes first, as in random_two, and is only given up for a
// backend that is clearly better: among equals what was measured a little better is
// chance, and to follow it takes a third off the share of some. It looks at eight
// backends, at all if there are no more:
// enough that slow ones are rarely among themselves, and few enough that several
// balancers do not all run to the same one.
type fastest struct {
	randomTwo
	unit float32 // mean weight
}

// looks is how many backends a Pick compares; clearly is how much better one
// must be than the one whose turn it is.
const (
	looks   = 8
	clearly = 1.25
)

func newLeastLatency(s roster) (Picker, error) {
	drawn, err := newRandomTwo(s)
	if err != nil {
		return nil, err
	}
	p := &fastest{randomTwo: *drawn.(*randomTwo)}
	p.unit = float32(p.totalWeight()) / float32(len(p.seats))
	return p, nil
}

func (p *fastest) Pick(r *Request) int {
	x := r.Rand
	turn := -1
	for range probes {
		x += golden
		if i := p.draw(mix(x)); p.free(i, r) {
			turn = i
			break
		}
	}
	if turn < 0 {
		return p.anyFree(r, r.Rand)
	}
	best := p.better(turn, x, r)
	if p.take(best, r) {
		return best
	}
	if p.take(turn, r) {
		return turn
	}
	return p.anyFree(r, r.Rand)
}

// better is the best of those looked at, or the one whose turn it is if none is
// clearly better.
func (p *fastest) better(turn int, x uint64, r *Request) int {
	best, least := turn, p.cost(turn, 1, 0, r.Now)
	bar := least / clearly
	for k := range min(looks, len(p.seats)) {
		i := k
		if len(p.seats) > looks {
			x += golden
			i = p.draw(mix(x))
		}
		if i == turn || !p.free(i, r) {
			continue
		}
		if c := p.cost(i, 0, 1, r.Now); c < bar && c < least {
			best, least = i, c
		}
	}
	return best
}

// cost is the latency times the connections per weight, the mean weight being
// one, those in base and to come included. The one whose turn it is has a base of
// one, so that while idle it is judged by latency alone, however small its weight;
// the others are judged with the connection to come, or a light one would be
// preferred to a heavy one for being idle. No load makes it less than the latency.
func (p *fastest) cost(i int, base, coming float32, now int64) float32 {
	e := &p.seats[i]
	load := base + (float32(max(0, e.load.Active()))+coming)*p.unit/float32(e.weight)
	return e.load.latency.at(now) * max(1, load)
}

package balancer

import (
	"fmt"
	"slices"
	"strings"
)

// maglevSlots is the size of the table, a prime, as in the paper. Under about
// 650 backends of equal weight their shares differ by 1% at most.
const maglevSlots = 65537

// maglev is the table of Eisenbud et al., "Maglev: A Fast and Reliable Software
// Network Load Balancer" (NSDI 2016), section 3.4. Backends take turns, each
// taking the next free slot of its own permutation of the slots; a backend of
// twice the weight has twice as many turns. Shares are as even as slots allow;
// the price is that the removal of a backend moves, besides its own keys, some
// keys between the others. source_hash is the opposite trade.
type maglev struct {
	roster
	slots []uint16
}

func newMaglev(s roster) (Picker, error) {
	if n := len(s.seats); n > maglevSlots-1 {
		return nil, fmt.Errorf("policy maglev: %d backends, at most %d", n, maglevSlots-1)
	}
	p := &maglev{roster: s, slots: make([]uint16, maglevSlots)}
	p.fill()
	return p, nil
}

// Pick probes other slots when the key's own is of no use. They follow from
// the key alone, so the same client comes to the same second choice, and the
// clients of a full backend spread over all others instead of one.
func (p *maglev) Pick(r *Request) int {
	x := mix(r.Key)
	for range probes {
		slot, _ := below(x, len(p.slots))
		if i := int(p.slots[slot]); p.take(i, r) {
			return i
		}
		x = mix(x + golden)
	}
	return p.anyFree(r, r.Key)
}

// turns is one backend's way through its permutation and through time.
type turns struct {
	due    uint64 // of the next turn
	rank   int32  // place by name: who is first when both are due
	index  int32
	taken  uint64
	stride uint64 // half the time between two turns
	at     uint64 // next slot of the permutation
	skip   uint64
}

// fill gives out the slots. A backend is due for its turn number k at the time
// (k+1/2)/weight, but for its first turn at once: so each has a slot, however
// small its weight, and the others have their share rounded to the nearest. The
// times depend on no other backend, which keeps the turns of those that stay in
// order when one goes.
func (p *maglev) fill() {
	queue := p.queue()
	const free = maglevSlots // more than any index
	owner := make([]int32, maglevSlots)
	for i := range owner {
		owner[i] = free
	}
	for range maglevSlots {
		t := &queue[0]
		for owner[t.at] != free {
			t.at = (t.at + t.skip) % maglevSlots
		}
		owner[t.at] = t.index
		t.taken++
		t.due = (2*t.taken + 1) * t.stride
		settle(queue)
	}
	for slot, i := range owner {
		p.slots[slot] = uint16(i)
	}
}

// queue is every backend before its first turn, in the order of their names.
func (p *maglev) queue() []turns {
	byName := make([]int, len(p.seats))
	for i := range byName {
		byName[i] = i
	}
	slices.SortFunc(byName, func(a, b int) int { return strings.Compare(p.names[a], p.names[b]) })
	queue := make([]turns, len(byName))
	for rank, i := range byName {
		queue[rank] = turns{
			rank:   int32(rank),
			index:  int32(i),
			stride: 1 << 40 / p.seats[i].weight,
			at:     hash(seedOffset, p.names[i]) % maglevSlots,
			skip:   hash(seedSkip, p.names[i])%(maglevSlots-1) + 1,
		}
	}
	return queue
}

// settle moves the head of a heap, whose time has grown, to its place.
func settle(queue []turns) {
	before := func(a, b int) bool {
		x, y := &queue[a], &queue[b]
		return x.due < y.due || x.due == y.due && x.rank < y.rank
	}
	for i := 0; ; {
		next := 2*i + 1
		if next >= len(queue) {
			return
		}
		if next+1 < len(queue) && before(next+1, next) {
			next++
		}
		if !before(next, i) {
			return
		}
		queue[i], queue[next] = queue[next], queue[i]
		i = next
	}
}

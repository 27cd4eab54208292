package control

import (
	"time"

	"sluice/config"
)

// whole is the share of its weight that a backend has unless its agent says
// otherwise, in percent.
const whole = 100

// maxWeight is the largest that the balancer takes.
const maxWeight = 65535

// weigh gives all of a pool the weights in force for the balancer: the shares that
// agents advise, and what those that climb have of them.
//
// Where such parts can be had, the weights of all are made finer for good, as far as a
// weight can go, and not when the first has less than all of its own: the ring of
// source_hash has points for each unit of weight, so clients would move to other
// backends then, and back at the end.
func (p *pool) weigh(now time.Time, standings []Standing, order []int) {
	grain, most := 1, 1
	if p.row.SlowStart > 0 {
		grain = tenths
	}
	if p.row.Health.Agent != (config.Address{}) {
		grain = whole
	}
	for i := range standings {
		most = max(most, standings[i].Weight*max(standings[i].share, whole)/whole)
	}
	by := max(1, min(grain, maxWeight/most))
	for at := range standings {
		s := &standings[at]
		s.Weight = s.shared(by)
		if p.risen == nil {
			continue
		}
		if since := p.risen[order[at]]; !since.IsZero() {
			s.Weight = max(1, s.Weight*step(now.Sub(since), p.row.SlowStart)/tenths)
		}
	}
}

// shared is a multiple of the weight that a backend has of its own, or of what its agent
// leaves of it, to the nearest.
func (s *Standing) shared(by int) int {
	return max(1, min(maxWeight, (s.Weight*by*s.share+whole/2)/whole))
}

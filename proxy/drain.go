package proxy

import (
	"context"
	"math"
	"time"
)

// spreadSteps is how many times in the second half of a grace period some of
// the connections that are left are reset, at most.
const spreadSteps = 50

// drain waits until every connection has ended, grace is over or ctx is done,
// and returns how many it has reset. In the first half they may end by
// themselves; over the second those that are left are reset, the longest idle
// first and evenly: clients that all come back at the same moment are what
// brings the next server down.
func (s *Server) drain(ctx context.Context, grace time.Duration) (reset int) {
	over := time.NewTimer(grace)
	defer over.Stop()
	step := time.NewTimer(grace / 2)
	defer step.Stop()
	most, end := 0, time.Now().Add(grace)
	for s.active.Load() > 0 {
		select {
		case <-s.empty:
		case <-over.C:
			return reset
		case <-ctx.Done():
			return reset
		case <-step.C:
			now := int(s.active.Load())
			most = max(most, now)
			reset += s.resetIdlest(now-mayStay(most, time.Until(end), grace/2), ShutDown)
			step.Reset(grace / 2 / spreadSteps)
		}
	}
	return reset
}

// mayStay is how many of the most connections may be there when so much is left
// of the time in which they have to go.
func mayStay(most int, left, of time.Duration) int {
	return int(math.Ceil(float64(most) * max(0, float64(left)/float64(of))))
}

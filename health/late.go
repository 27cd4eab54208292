package health

import (
	"time"

	"go.uber.org/zap"
)

// While no more probes may be in flight, those that are due are looked at every
// lateLook; after lines about late ones it is quiet for lateQuiet.
const (
	lateLook  = time.Second
	lateQuiet = time.Minute
)

// tellLate says so if a probe is later than its interval, with the one that
// has waited longest.
func (c *Checker) tellLate(now time.Time) {
	if now.Before(c.lookLate) {
		return
	}
	c.lookLate = now.Add(lateLook)
	var first waiting
	waiting := 0
	for _, q := range c.queue {
		if now.Sub(q.due) <= q.settings.Interval {
			continue
		}
		if waiting++; first.inquiry == nil || q.due.Before(first.due) {
			first = q
		}
	}
	if first.inquiry == nil {
		return
	}
	c.lookLate = now.Add(lateQuiet)
	c.log.Warn("probes are late: all that may wait for an answer at one time do",
		zap.String("pool", first.checks[0].pool), zap.String("backend", first.checks[0].backend), zap.Duration("late", now.Sub(first.due)),
		zap.Int("waiting", waiting), zap.Int("in_flight", c.inFlight))
}

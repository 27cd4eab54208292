package control

import (
	"context"
	"time"

	"sluice/state"
)

// A backend that comes back starts with a tenth of its weight, gets one more at
// each ninth of slow_start, and so has all of it at the end. It comes back when it was out for what
// was known of it, or on an order, and is well now; after the start of the
// process, and when it is new, it has all at once.
const tenths = 10

// climb finds those that come back and those on their way.
func (p *pool) climb(now time.Time, standings []Standing, order []int, old *pool) {
	length := p.row.SlowStart
	if length == 0 {
		return
	}
	p.out = make([]bool, len(p.members))
	risen := make([]time.Time, len(p.members))
	for at := range standings {
		i := order[at]
		c := standings[at].class
		p.out[i] = c >= ejected && standings[at].Place == Out
		was := -1
		if old != nil && c == well {
			was = old.find(p.places[i])
		}
		if was < 0 || old.out == nil {
			continue
		}
		switch {
		case old.out[was]:
			risen[i] = now
		case old.risen != nil && now.Sub(old.risen[was]) < length:
			risen[i] = old.risen[was]
		default:
			continue
		}
		// The clock is asked less often than each of many that climb gets more.
		next := risen[i].Add((length*time.Duration(step(now.Sub(risen[i]), length)) + tenths - 2) / (tenths - 1))
		if least := now.Add(length / (2 * tenths)); next.Before(least) {
			next = least
		}
		if p.next.IsZero() || next.Before(p.next) {
			p.next = next
		}
		p.risen = risen
	}
}

// step is how many tenths of its weight a backend has after a while.
func step(after, length time.Duration) int {
	return int(min(tenths, 1+after*(tenths-1)/length))
}

// climbs reports whether it is time that a backend gets more.
func (p *pool) climbs(now time.Time) bool { return !p.next.IsZero() && !now.Before(p.next) }

// wait returns nil when there may be something new to publish after view: a
// commit, or a backend that climbs.
func (c *Control) wait(ctx context.Context, view *state.View) error {
	until := ctx
	if next := c.climbsNext(); !next.IsZero() {
		var cancel context.CancelFunc
		until, cancel = context.WithDeadline(ctx, next)
		defer cancel()
	}
	view.Wait(until, state.Tables...)
	return ctx.Err()
}

// climbsNext is when the next backend gets more, zero if none does.
func (c *Control) climbsNext() (next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil {
		return next
	}
	for _, p := range c.now.pools {
		if !p.next.IsZero() && (next.IsZero() || p.next.Before(next)) {
			next = p.next
		}
	}
	return next
}

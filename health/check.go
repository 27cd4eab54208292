package health

import (
	"math"
	"time"

	"sluice/config"
	"sluice/state"
)

// key names a backend.
type key struct{ pool, backend string }

// check is one backend that is being followed. It belongs to the goroutine of
// Run; a probe in flight reads subject and probe, which never change, and
// writes result before it hands the check back.
type check struct {
	key
	subject  state.Subject
	probe    probe
	settings *config.Health // of the pool's row, which a reload replaces
	tracker  tracker
	since    time.Time // of the tracker's status
	walk     uint64    // the last follow that found it

	due    time.Time // of the next probe
	place  int       // in the queue; -1: not in it, since a probe is in flight
	began  time.Time // the last probe; zero: never
	hurry  bool      // probe again as soon as the one in flight is back
	gone   bool      // no longer followed; what is still in flight does not count
	result error     // of the probe that is coming back
}

// mostHurry is the least time between two probes of a backend, however many
// connects fail.
const mostHurry = 100 * time.Millisecond

// soon is the earliest time for a probe out of turn.
func (ch *check) soon(now time.Time) time.Time {
	least := ch.began.Add(min(mostHurry, ch.settings.FastInterval))
	if ch.began.IsZero() || least.Before(now) {
		return now
	}
	return least
}

// tick is the grain of the schedule: probes that are due within one share one
// wakeup of the process. A schedule of short intervals is exact.
const tick = 5 * time.Millisecond

// next is the time of the next probe in turn, counted from the beginning of
// the last one so that a slow backend is probed as often as a fast one. random
// is in [0, 1). Ticks are counted from zero, which must carry a monotonic
// clock: the wall clock may be set.
func (ch *check) next(now, zero time.Time, random float64) time.Time {
	interval := ch.tracker.interval(ch.settings)
	due := ch.began.Add(time.Duration(math.Round(float64(interval) * (1 + ch.settings.Jitter*(2*random-1)))))
	if interval > 20*tick {
		due = zero.Add((due.Sub(zero) + tick - 1).Truncate(tick))
	}
	if due.Before(now) {
		return ch.soon(now)
	}
	return due
}

// nextAnew is next after the settings have changed. Checks that they make overdue
// are spread over one interval, or a pool would be probed all at once.
func (ch *check) nextAnew(now, zero time.Time, random float64) time.Time {
	if interval := ch.tracker.interval(ch.settings); now.Sub(ch.began) >= interval {
		return now.Add(time.Duration(random * float64(interval)))
	}
	return ch.next(now, zero, random)
}

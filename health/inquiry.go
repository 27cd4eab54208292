package health

import (
	"math"
	"slices"
	"time"

	"sluice/config"
)

// question is what makes two checks the same: whom they ask, what, and how
// often and how patiently. Such checks share their probes, so that a backend
// that stands in several pools is not asked once for each.
type question struct {
	at       config.Address
	kind     string // the type of the check
	asks     string // config.Health.Question
	interval [4]time.Duration
	jitter   float64
	rise     int
	fall     int
}

func questionOf(h *config.Health, at config.Address) question {
	return question{
		at: at, kind: h.Type, asks: h.Question,
		interval: [4]time.Duration{h.Interval, h.FastInterval, h.DownInterval, h.Timeout},
		jitter:   h.Jitter, rise: h.Rise, fall: h.Fall,
	}
}

// inquiry is a question that is asked again and again, for one check or for
// several. It belongs to the goroutine of Run; a probe in flight writes result
// before it hands the inquiry back.
type inquiry struct {
	question
	probe    probe
	settings *config.Health // of one of the pools
	checks   []*check       // that want to know

	place int       // in the queue; -1: not in it, since a probe is in flight
	began time.Time // the last probe; zero: never
	hurry bool      // probe again as soon as the one in flight is back

	asked  []*check // for whom the probe is that is in flight
	result error    // of the probe that is coming back
}

// mostHurry is the least time between two probes of a backend, however many
// connects fail.
const mostHurry = 100 * time.Millisecond

// soon is the earliest time for a probe out of turn.
func (q *inquiry) soon(now time.Time) time.Time {
	least := q.began.Add(min(mostHurry, q.settings.FastInterval))
	if q.began.IsZero() || least.Before(now) {
		return now
	}
	return least
}

// wait is how long to wait between the last probe and the next: as long as the
// most impatient check does.
func (q *inquiry) wait() time.Duration {
	least := q.checks[0].tracker.interval(q.settings)
	for _, ch := range q.checks[1:] {
		least = min(least, ch.tracker.interval(q.settings))
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
func (q *inquiry) next(now, zero time.Time, random float64) time.Time {
	interval := q.wait()
	due := q.began.Add(time.Duration(math.Round(float64(interval) * (1 + q.settings.Jitter*(2*random-1)))))
	if interval > 20*tick {
		due = zero.Add((due.Sub(zero) + tick - 1).Truncate(tick))
	}
	if due.Before(now) {
		return q.soon(now)
	}
	return due
}

// nextAnew is next after the settings have changed. Checks that they make overdue
// are spread over one interval, or a pool would be probed all at once.
func (q *inquiry) nextAnew(now, zero time.Time, random float64) time.Time {
	if interval := q.wait(); now.Sub(q.began) >= interval {
		return now.Add(time.Duration(random * float64(interval)))
	}
	return q.next(now, zero, random)
}

// join lets a check have the answers to its question, and reports whether
// nobody has asked it so far; then the inquiry is not in the queue yet.
func (c *Checker) join(ch *check, to question, ask probe, h *config.Health) (anew bool) {
	q := c.inquiries[to]
	if q == nil {
		q = &inquiry{question: to, probe: ask, settings: h, place: -1}
		c.inquiries[to] = q
		anew = true
	}
	q.checks = append(q.checks, ch)
	ch.inquiry = q
	return anew
}

// leave takes a check out of its inquiry. One that nobody wants to know of is
// not asked any more; the answer that is in flight still counts for whoever is
// followed.
func (c *Checker) leave(ch *check) {
	q := ch.inquiry
	i := slices.Index(q.checks, ch)
	q.checks = slices.Delete(q.checks, i, i+1)
	if len(q.checks) == 0 {
		delete(c.inquiries, q.question)
		c.queue.remove(q)
	}
}

// retime gives a check of the same question other times. What is known of the
// backend stays, and so does a first probe that is still to come.
func (c *Checker) retime(ch *check, h *config.Health, now, zero time.Time) {
	was, to := ch.inquiry, questionOf(h, ch.inquiry.at)
	ch.settings = h
	switch {
	case was.question == to:
		was.settings = h
		return
	case len(was.checks) == 1 && c.inquiries[to] == nil:
		delete(c.inquiries, was.question)
		c.inquiries[to] = was
		was.question, was.settings = to, h
		if was.place < 0 || was.began.IsZero() {
			return
		}
	default:
		c.leave(ch)
		if !c.join(ch, to, was.probe, h) {
			return
		}
		ch.inquiry.began = was.began
	}
	q, due := ch.inquiry, now
	if !q.began.IsZero() {
		due = q.nextAnew(now, zero, c.random())
	}
	c.queue.at(q, due)
}

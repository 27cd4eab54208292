// Package health finds out which backends are well. It follows the backends in
// the state, probes each as its pool says, hears from the data plane of
// connects that failed, and writes one row for each transition.
//
//	state: pools, backends --follow--> checks, of inquiries (a heap by time, one timer)
//	                                     |  ^
//	                                due  v  | result          ConnectFailed
//	                [ connector, or a goroutine each ]              |
//	                                        |                       |
//	                                        +------> tracker <------+
//	                                                    |
//	state: health <--one commit for what turned---------+--> log, one line each
package health

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/state"
)

// mostInFlight bounds the probes that wait for an answer at one time, and so
// the descriptors they hold. Backends that answer take well under a millisecond
// each; it takes this many that are silent, all within one timeout, to make
// the others late, see tellLate.
const mostInFlight = 512

// Checker probes. One goroutine, that of Run, owns all of it but the reports.
type Checker struct {
	store *state.Store
	log   *zap.Logger

	// Told hears of every transition, on the goroutine of Run. nil: nobody does.
	Told func(Transition)

	probes map[string]func(config.Health) probe
	random func() float64 // in [0, 1)

	reports   reports
	connector *connector
	results   chan *inquiry // of the others; has room for every probe in flight: none waits to be heard
	checks    map[key]*check
	inquiries map[question]*inquiry
	queue     queue
	inFlight  int
	walk      uint64 // number of the last follow
	turned    []transition
	blind     bool      // the last probe could not be made
	lookLate  time.Time // not before then for probes that are late
}

// New makes a Checker; nothing is probed before Run.
func New(store *state.Store, log *zap.Logger) *Checker {
	return &Checker{
		store:   store,
		log:     log,
		probes:  probes,
		random:  rand.Float64,
		reports: newReports(),
		checks:  map[key]*check{},

		connector: newConnector(),
		results:   make(chan *inquiry, mostInFlight),
		inquiries: map[question]*inquiry{},
	}
}

// ConnectFailed hears of a client's connection that could not be made to a
// backend: the inARow-th such, this one included. It may be called by anyone
// at any time and never waits. Backends that are not followed are ignored.
func (c *Checker) ConnectFailed(pool, backend string, inARow uint32, err error) {
	c.reports.add(key{pool, backend}, inARow, err)
}

// Run probes until ctx is done; no probe outlives it.
func (c *Checker) Run(ctx context.Context) {
	var inFlight sync.WaitGroup
	defer inFlight.Wait()
	defer c.connector.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	zero := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	pools, backends := c.follow(zero, zero)
	for {
		now := time.Now()
		c.launch(ctx, &inFlight, now)
		for _, q := range c.connector.look(now) {
			c.judge(q, now, zero)
		}
		c.write()
		if next := c.next(now); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-pools:
			pools, backends = c.follow(time.Now(), zero)
		case <-backends:
			pools, backends = c.follow(time.Now(), zero)
		case <-c.reports.ready:
			c.hear(time.Now())
		case q := <-c.results:
			// What is back together is committed together.
			now := time.Now()
			for c.judge(q, now, zero); len(c.results) > 0; {
				c.judge(<-c.results, now, zero)
			}
		}
	}
}

// next is when there is something to do again, if nothing comes before that;
// zero: never.
func (c *Checker) next(now time.Time) (next time.Time) {
	switch {
	case c.inFlight == mostInFlight:
		c.tellLate(now)
		next = c.lookLate
	case len(c.queue) > 0:
		next = c.queue[0].due
	}
	if look := c.connector.next; !look.IsZero() && (next.IsZero() || look.Before(next)) {
		next = look
	}
	return next
}

// launch starts the probes that are due, as many as may be in flight.
func (c *Checker) launch(ctx context.Context, inFlight *sync.WaitGroup, now time.Time) {
	for c.inFlight < mostInFlight {
		q := c.queue.take(now)
		if q == nil {
			return
		}
		q.began, q.hurry, q.asked = now, false, append(q.asked[:0], q.checks...)
		c.inFlight++
		if q.connects() {
			c.connector.begin(q, now)
			continue
		}
		ask, at, timeout := q.probe, q.at, q.settings.Timeout
		inFlight.Go(func() {
			q.result = ask(ctx, at, timeout)
			c.results <- q
		})
	}
}

// judge takes the outcome of a probe.
func (c *Checker) judge(q *inquiry, now, zero time.Time) {
	c.inFlight--
	for _, ch := range q.asked {
		if !ch.gone {
			c.learn(ch, q.result, now)
		}
	}
	if len(q.checks) == 0 {
		return
	}
	due := q.next(now, zero, c.random())
	if q.hurry {
		due = q.soon(now)
	}
	c.queue.at(q, due)
}

// learn takes what a probe has found for one of those that wanted to know.
func (c *Checker) learn(ch *check, result error, now time.Time) {
	ch.result = c.heed(ch, result)
	if _, ok := ch.result.(unasked); ok {
		c.tellUnasked(ch)
		return
	}
	c.blind = false
	from := ch.tracker.status
	if ch.tracker.probed(ch.result == nil, ch.settings) {
		c.turn(ch, from, now, "probe", probeReason(ch, from))
	}
}

// heed tells a warning, once for as long as it stays the same, and returns what
// else the result of the probe says.
func (c *Checker) heed(ch *check, result error) error {
	w, ok := result.(warning)
	if !ok {
		if result == nil {
			ch.warned = ""
		}
		return result
	}
	if words := w.Error(); words != ch.warned {
		ch.warned = words
		c.log.Warn(fmt.Sprintf("%s/%s: %s", ch.pool, ch.backend, words),
			zap.String("pool", ch.pool), zap.String("backend", ch.backend), zap.String("warning", words))
	}
	return nil
}

// hear takes what the data plane has said. Each failed connect counts, and a
// backend that is not known to be down is probed soon to see what it is about.
func (c *Checker) hear(now time.Time) {
	for k, r := range c.reports.take() {
		ch := c.checks[k]
		if ch == nil {
			continue
		}
		from := ch.tracker.status
		turned := r.anew && ch.tracker.connectFailed(1, ch.settings)
		turned = ch.tracker.connectFailed(r.inARow, ch.settings) || turned
		if turned {
			c.turn(ch, from, now, "connect", connectReason(ch, r.err))
		}
		if from == state.Down {
			continue
		}
		c.hasten(ch.inquiry, now)
	}
}

// hasten asks out of turn, as soon as may be.
func (c *Checker) hasten(q *inquiry, now time.Time) {
	if q.place < 0 {
		q.hurry = true
	} else if soon := q.soon(now); soon.Before(c.queue.due(q)) {
		c.queue.at(q, soon)
	}
}

// tellUnasked says that nothing can be said: once, until a probe can be made
// again.
func (c *Checker) tellUnasked(ch *check) {
	if !c.blind && !errors.Is(ch.result, context.Canceled) {
		c.log.Warn("backends cannot be probed and stay as they are", zap.Error(ch.result),
			zap.String("pool", ch.pool), zap.String("backend", ch.backend))
		c.blind = true
	}
}

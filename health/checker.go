// Package health finds out which backends are well. It follows the backends in
// the state, probes each as its pool says, hears from the data plane of
// connects that failed, and writes one row for each transition.
//
//	state: pools, backends --follow--> checks (a heap by time, one timer)
//	                                     |  ^
//	                                due  v  | result          ConnectFailed
//	                                  [ probes ]                    |
//	                                        |                       |
//	                                        +------> tracker <------+
//	                                                    |
//	state: health <--one commit for what turned---------+--> log, one line each
package health

import (
	"context"
	"errors"
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

	probes map[string]func(config.Health) probe
	random func() float64 // in [0, 1)

	reports  reports
	results  chan *check // has room for every probe in flight: none waits to be heard
	checks   map[key]*check
	queue    queue
	inFlight int
	walk     uint64 // number of the last follow
	turned   []transition
	blind    bool      // the last probe could not be made
	lookLate time.Time // not before then for probes that are late
}

// New makes a Checker; nothing is probed before Run.
func New(store *state.Store, log *zap.Logger) *Checker {
	return &Checker{
		store:   store,
		log:     log,
		probes:  probes,
		random:  rand.Float64,
		reports: newReports(),
		results: make(chan *check, mostInFlight),
		checks:  map[key]*check{},
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	zero := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	pools, backends := c.follow(zero, zero)
	for {
		c.launch(ctx, &inFlight)
		switch {
		case len(c.queue) == 0:
			timer.Stop()
		case c.inFlight < mostInFlight:
			timer.Reset(time.Until(c.queue[0].due))
		default:
			c.tellLate(time.Now())
			timer.Reset(time.Until(c.lookLate))
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
		case ch := <-c.results:
			// What is back together is committed together.
			now := time.Now()
			for c.judge(ch, now, zero); len(c.results) > 0; {
				c.judge(<-c.results, now, zero)
			}
		}
		c.write()
	}
}

// launch starts the probes that are due, as many as may be in flight.
func (c *Checker) launch(ctx context.Context, inFlight *sync.WaitGroup) {
	now := time.Now()
	for c.inFlight < mostInFlight {
		ch := c.queue.take(now)
		if ch == nil {
			return
		}
		ch.began, ch.hurry = now, false
		c.inFlight++
		timeout := ch.settings.Timeout
		inFlight.Go(func() {
			ch.result = ch.probe(ctx, ch.subject.Address, timeout)
			c.results <- ch
		})
	}
}

// judge takes the outcome of a probe.
func (c *Checker) judge(ch *check, now, zero time.Time) {
	c.inFlight--
	if ch.gone {
		return
	}
	if _, ok := ch.result.(unasked); ok {
		c.tellUnasked(ch)
	} else {
		c.blind = false
		from := ch.tracker.status
		if ch.tracker.probed(ch.result == nil, ch.settings) {
			c.turn(ch, from, now, "probe", probeReason(ch, from))
		}
	}
	due := ch.next(now, zero, c.random())
	if ch.hurry {
		due = ch.soon(now)
	}
	c.queue.at(ch, due)
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
		if ch.place < 0 {
			ch.hurry = true
		} else if soon := ch.soon(now); soon.Before(ch.due) {
			c.queue.at(ch, soon)
		}
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

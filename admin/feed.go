package admin

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The feed reads how things are and tells the watchers, all of them the same.
//
//	              somebody watches            nobody does            and nothing happens
//	reads every   watchEvery                  traceStep              dozeFor
//
// It is one goroutine; readings cost the workers a question, and those that
// sleep are left asleep.
const (
	watchEvery   = time.Second
	dozeFor      = time.Minute
	tellAtOnce   = 100 * time.Millisecond // least time between two messages
	mostWatchers = 8                      // of the clients that a door takes
	mostUntold   = 64                     // messages, of a watcher that is slow
	mostAtOnce   = 500                    // transitions in a message
	mostRecent   = 50                     // transitions in a snapshot
)

type feed struct {
	server *Server
	wake   chan struct{}
	dozing atomic.Bool // a connection that ends is news

	mu       sync.Mutex
	over     bool // run has ended
	watchers map[*watcher]struct{}
	happened []Transition // not told yet

	// The rest is the goroutine's own.
	reader reader
	traces traces
	rates  map[subject]Rate
	read   time.Time // the latest reading
	turned time.Time // the latest message
	told   *picture
}

// watcher is one stream.
type watcher struct {
	told  chan []byte // closed when it is dropped
	fresh bool        // it has not had a snapshot
}

func newFeed(s *Server, t *Tallies) *feed {
	f := &feed{server: s, wake: make(chan struct{}, 1), watchers: make(map[*watcher]struct{}), reader: reader{server: s, tallies: t, turns: math.MaxUint64}}
	t.stir = func() {
		if f.dozing.Load() && f.dozing.CompareAndSwap(true, false) {
			f.poke()
		}
	}
	return f
}

// Run feeds those who watch, until ctx is done.
func (s *Server) Run(ctx context.Context) { s.feed.run(ctx) }

func (f *feed) run(ctx context.Context) {
	defer f.end()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
			if early := tellAtOnce - time.Since(f.turned); early > 0 {
				next.Reset(early)
				continue
			}
		case <-next.C:
		}
		next.Reset(f.turn(time.Now()))
	}
}

// end drops the watchers that are there and takes no more. One that comes before run
// has begun is told as soon as it does.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	for w := range f.watchers {
		f.drop(w)
	}
}

func (f *feed) drop(w *watcher) {
	if _, there := f.watchers[w]; there {
		delete(f.watchers, w)
		close(w.told)
	}
}

func (f *feed) join() (*watcher, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return nil, &refusal{http.StatusServiceUnavailable, "there are no events now", "try again, or ask the process that takes its place"}
	}
	if len(f.watchers) >= mostWatchers {
		return nil, &refusal{http.StatusServiceUnavailable, "as many as may are watching already", "close one of them"}
	}
	w := &watcher{told: make(chan []byte, mostUntold), fresh: true}
	f.watchers[w] = struct{}{}
	f.poke()
	return w, nil
}

func (f *feed) leave(w *watcher) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(w)
}

// poke makes the feed look soon.
func (f *feed) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// tell passes a transition on.
func (f *feed) tell(t Transition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.watchers) > 0 && len(f.happened) < mostAtOnce {
		f.happened = append(f.happened, t)
	}
	f.poke()
}

// turn reads what is due, tells it, and returns when to look again.
func (f *feed) turn(now time.Time) time.Duration {
	f.mu.Lock()
	watched, happened := len(f.watchers) > 0, f.happened
	f.happened = nil
	f.mu.Unlock()

	f.turned = now
	quiet := f.reader.idle()
	var points []Rate
	step := f.traces.due(now)
	if every := watchEvery - tellAtOnce; step || watched && now.Sub(f.read) >= every {
		counts := f.reader.last
		read := f.reader.read()
		f.rates = make(map[subject]Rate, len(read))
		for of, c := range read {
			was, known := counts[of]
			if !known {
				was = c
			}
			f.rates[of] = rateOf(of, was, c, now.Sub(f.read))
		}
		f.read = now
		if step {
			points = f.traces.advance(now, read)
		}
	}
	if watched {
		f.publish(now, happened, step, points)
		return watchEvery
	}
	f.told = nil
	if quiet {
		f.dozing.Store(true)
		return dozeFor
	}
	return traceStep
}

// publish sends a message to all, and a snapshot to those who have had none.
func (f *feed) publish(now time.Time, happened []Transition, step bool, points []Rate) {
	before := f.told
	f.told = f.server.picture(f.rates)
	anew := before == nil || !before.sameNames(f.told)
	var whole, news bytes.Buffer
	if !anew {
		writeEvent(&news, eventTick, f.told.tick(before, now, step, points))
	}
	for _, t := range happened {
		writeEvent(&news, eventTransition, t)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watchers {
		text := news.Bytes()
		if anew || w.fresh {
			if whole.Len() == 0 {
				writeEvent(&whole, eventSnapshot, f.snapshot(now))
			}
			text = whole.Bytes()
			w.fresh = false
		}
		select {
		case w.told <- text:
		default:
			f.drop(w) // too slow
		}
	}
}

func (f *feed) snapshot(now time.Time) *Snapshot {
	p := f.told
	return &Snapshot{
		Time: now, Status: p.status, Token: p.token, Listeners: p.listeners, Pools: p.pools,
		Rates: slices.DeleteFunc(p.list(), func(r Rate) bool { return r.zero() }), Traces: f.traces.all(),
		Transitions: f.server.past.latest("", "", mostRecent),
	}
}

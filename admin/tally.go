package admin

import (
	"maps"
	"sync"
	"time"

	"sluice/proxy"
)

// Tallies add up what becomes of connections, when they have ended: by
// listener and by backend, which the workers do not tell apart. Everything here
// happens on the goroutine that empties the workers' rings, and on those that
// ask.
type Tallies struct {
	stir func() // told of each; nil: nobody is
	keep tallyKeep

	mu        sync.Mutex
	listeners map[string]*listenerTally
	backends  map[backendKey]*backendTally
	failed    map[backendKey]uint64 // connects
	turns     map[backendKey]turns  // transitions

	connect, firstByte histograms            // by pool
	queue              histograms            // by pool
	resettable         map[string]resettable // counters that begin at zero in each process
	duration           histograms            // by listener
	high               map[string]float64    // counters that are sums of two that are read one after the other
	linesBefore, lines uint64                // of the log that were lost: by the processes before, and by this one as last seen
}

type backendKey struct{ pool, backend string }

// turns count the transitions of a backend by what it became.
type turns map[string]uint64

type histograms map[string]*histogram

func (h histograms) observe(label string, took time.Duration, bounds []float64) {
	if took < 0 {
		return
	}
	of := h[label]
	if of == nil {
		of = newHistogram()
		h[label] = of
	}
	of.observe(took.Seconds(), bounds)
}

type listenerTally struct {
	Closed closings `json:"closed"`
	Up     uint64   `json:"up"`
	Down   uint64   `json:"down"`
}

type backendTally struct {
	Closed      closings  `json:"closed"`
	Up          uint64    `json:"up"`
	Down        uint64    `json:"down"`
	Copied      uint64    `json:"copied"` // bytes
	Spliced     uint64    `json:"spliced"`
	Retransmits uint64    `json:"retransmits"`
	Asked       uint64    `json:"asked"` // sockets that were asked for rtt and retransmits
	RTT         float64   `json:"rtt"`   // s, their sum
	Used        time.Time `json:"used"`
}

// NewTallies have counted nothing yet.
func NewTallies() *Tallies {
	return &Tallies{
		listeners:  make(map[string]*listenerTally),
		backends:   make(map[backendKey]*backendTally),
		failed:     make(map[backendKey]uint64),
		turns:      make(map[backendKey]turns),
		connect:    make(histograms),
		firstByte:  make(histograms),
		queue:      make(histograms),
		resettable: make(map[string]resettable),
		duration:   make(histograms),
		high:       make(map[string]float64),
	}
}

// Record counts a connection that has ended. It is for proxy.Options.Record.
func (t *Tallies) Record(r *proxy.Record) {
	if t.stir != nil {
		t.stir()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.keep.soon()
	l := t.listeners[r.Listener]
	if l == nil {
		l = &listenerTally{Closed: make(closings)}
		t.listeners[r.Listener] = l
	}
	l.Closed[r.Cause] += 1 + r.More
	if r.Refused {
		return
	}
	l.Up += r.Up
	l.Down += r.Down
	t.connect.observe(r.Pool, r.Connect, quick)
	if r.Queued > 0 {
		t.queue.observe(r.Pool, r.Queued, quick)
	}
	t.firstByte.observe(r.Pool, r.FirstByte, quick)
	t.duration.observe(r.Listener, r.Total, long)
	if r.Backend == "" {
		return
	}
	key := backendKey{r.Pool, r.Backend}
	b := t.backends[key]
	if b == nil {
		b = &backendTally{Closed: make(closings)}
		t.backends[key] = b
	}
	b.Used = r.Accepted
	b.Closed[r.Cause]++
	if r.FellBack {
		return
	}
	b.Up += r.Up
	b.Down += r.Down
	if r.Copied {
		b.Copied += r.Up + r.Down
	} else {
		b.Spliced += r.Up + r.Down
	}
	if r.RTT > 0 {
		b.Asked++
		b.RTT += r.RTT.Seconds()
		b.Retransmits += uint64(r.Retransmits)
	}
}

// ConnectFailed counts a connect that failed. It is for
// proxy.Options.ConnectFailed.
func (t *Tallies) ConnectFailed(pool, backend string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed[backendKey{pool, backend}]++
	t.keep.soon()
}

// turned counts a transition.
func (t *Tallies) turned(pool, backend, to string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := backendKey{pool, backend}
	if t.turns[key] == nil {
		t.turns[key] = make(turns)
	}
	t.turns[key][to]++
	t.keep.soon()
}

// rising is the highest value that a counter has had: a sum whose parts are
// read one after the other may seem to shrink.
func (t *Tallies) rising(key string, v float64) float64 {
	if len(t.high) >= mostLabelled {
		clear(t.high)
	}
	if was := t.high[key]; v <= was {
		return was
	}
	t.high[key] = v
	t.keep.soon()
	return v
}

// resettable is a counter that begins at zero in each process, and may at a reload.
type resettable struct {
	before uint64 // what was counted before it began the last time
	last   uint64
}

// goesOn is such a counter with all that was counted before, now being what it says.
func (t *Tallies) goesOn(key string, now uint64) float64 {
	r, known := t.resettable[key]
	if !known && len(t.resettable) >= mostLabelled {
		clear(t.resettable)
	}
	if now < r.last {
		r.before += r.last
	}
	if now != r.last || !known {
		r.last = now
		t.resettable[key] = r
		t.keep.soon()
	}
	return float64(r.before + r.last)
}

// logLost is told how many lines of the log this process has lost.
func (t *Tallies) logLost(lines uint64) {
	if lines != t.lines {
		t.lines = lines
		t.keep.soon()
	}
}

// forgetAfter is how long the tally of a backend that is gone is kept: one that
// comes back within it goes on where it was.
const forgetAfter = time.Hour

// forget drops the tallies of backends that are long gone, so that a discovery
// which never repeats a name does not fill the memory.
func (t *Tallies) forget(now time.Time, there func(backendKey) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, b := range t.backends {
		if !there(key) && now.Sub(b.Used) > forgetAfter {
			delete(t.backends, key)
		}
	}
	gone := func(key backendKey) bool { return t.backends[key] == nil && !there(key) }
	maps.DeleteFunc(t.failed, func(key backendKey, _ uint64) bool { return gone(key) })
	maps.DeleteFunc(t.turns, func(key backendKey, _ turns) bool { return gone(key) })
}

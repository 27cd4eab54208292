package admin

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"sluice/proxy"
)

// What is counted here outlives the process: it is saved soon after it has
// changed, and before a scrape is answered, so that no counter which has been
// seen goes backwards. What a process counted in its last moments before a kill
// is lost; the workers' own counters lose nothing.
const (
	// keepWithin is how soon it is saved.
	keepWithin = 100 * time.Millisecond
	// keepShare bounds the cost: between two savings is this many times what
	// one takes.
	keepShare = 100
)

// tallyKeep saves tallies. The zero value saves nothing.
type tallyKeep struct {
	saving sync.Mutex // one at a time, the later one last
	save   func([]byte)
	timer  *time.Timer
	rest   time.Duration // until the next saving
	due    bool          // with Tallies.mu
}

// soon is called with Tallies.mu, when something has changed.
func (k *tallyKeep) soon() {
	if k.save != nil && !k.due {
		k.due = true
		k.timer.Reset(k.rest)
	}
}

// KeepBy has everything saved by save from now on, which is called by one
// goroutine at a time. It is called before anything is counted.
func (t *Tallies) KeepBy(save func([]byte)) {
	t.keep.save, t.keep.rest = save, keepWithin
	t.keep.timer = time.AfterFunc(time.Hour, t.Save)
	t.keep.timer.Stop()
}

// Save saves what has changed since it was last saved.
func (t *Tallies) Save() {
	t.keep.saving.Lock()
	defer t.keep.saving.Unlock()
	start := time.Now()
	t.mu.Lock()
	due := t.keep.due
	var text []byte
	if due {
		t.keep.due = false
		text = t.marshal()
		t.keep.rest = max(keepWithin, keepShare*time.Since(start))
	}
	t.mu.Unlock()
	if due {
		t.keep.save(text)
	}
}

// savedTallies is what is saved.
type savedTallies struct {
	Listeners map[string]*listenerTally `json:"listeners"`
	Backends  []savedBackend            `json:"backends"`
	Connect   histograms                `json:"connect"`
	FirstByte histograms                `json:"first_byte"`
	Queue     histograms                `json:"queue"`
	Duration  histograms                `json:"duration"`
	Running   map[string]uint64         `json:"running"`
	High      map[string]float64        `json:"high"`
	LinesLost uint64                    `json:"lines_lost"`
}

type savedBackend struct {
	Pool    string        `json:"pool"`
	Backend string        `json:"backend"`
	Tally   *backendTally `json:"tally,omitempty"`
	Failed  uint64        `json:"failed,omitempty"`
	Turns   turns         `json:"turns,omitempty"`
}

func (t *Tallies) marshal() []byte {
	s := savedTallies{t.listeners, nil, t.connect, t.firstByte, t.queue, t.duration, make(map[string]uint64), t.high, t.linesBefore + t.lines}
	for key, r := range t.resettable {
		s.Running[key] = r.before + r.last
	}
	keys := make(map[backendKey]bool)
	addKeys(keys, t.backends)
	addKeys(keys, t.failed)
	addKeys(keys, t.turns)
	for key := range keys {
		s.Backends = append(s.Backends, savedBackend{key.pool, key.backend, t.backends[key], t.failed[key], t.turns[key]})
	}
	text, _ := json.Marshal(s) // of numbers that are finite
	return text
}

func addKeys[V any](to map[backendKey]bool, of map[backendKey]V) {
	for key := range of {
		to[key] = true
	}
}

// Restore goes on from what another process has saved. It is called before
// anything is counted.
func (t *Tallies) Restore(text []byte) error {
	s := savedTallies{Queue: make(histograms)} // which earlier versions had not
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if !s.whole() {
		return errors.New("something is missing")
	}
	t.linesBefore = s.LinesLost
	t.listeners, t.connect, t.firstByte, t.queue, t.duration, t.high = s.Listeners, s.Connect, s.FirstByte, s.Queue, s.Duration, s.High
	for key, n := range s.Running {
		t.resettable[key] = resettable{before: n}
	}
	for _, b := range s.Backends {
		key := backendKey{b.Pool, b.Backend}
		if b.Tally != nil {
			t.backends[key] = b.Tally
		}
		if b.Failed > 0 {
			t.failed[key] = b.Failed
		}
		if b.Turns != nil {
			t.turns[key] = b.Turns
		}
	}
	return nil
}

// whole reports whether there is something to count with everywhere.
func (s *savedTallies) whole() bool {
	if s.Listeners == nil || s.High == nil {
		return false
	}
	for _, l := range s.Listeners {
		if l == nil || l.Closed == nil {
			return false
		}
	}
	for _, b := range s.Backends {
		if b.Tally != nil && b.Tally.Closed == nil {
			return false
		}
	}
	for _, of := range []histograms{s.Connect, s.FirstByte, s.Queue, s.Duration} {
		for _, h := range of {
			if h == nil || h.Classic == nil || h.Native == nil {
				return false
			}
		}
		if of == nil {
			return false
		}
	}
	return true
}

// closings count connections by how they ended. What is saved has the causes'
// words: the numbers may be others in the next version.
type closings map[proxy.Cause]uint64

// MarshalJSON implements json.Marshaler.
func (c closings) MarshalJSON() ([]byte, error) {
	words := make(map[string]uint64, len(c))
	for cause, n := range c {
		words[cause.String()] = n
	}
	return json.Marshal(words)
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *closings) UnmarshalJSON(text []byte) error {
	var words map[string]uint64
	if err := json.Unmarshal(text, &words); err != nil {
		return err
	}
	*c = make(closings)
	for word, n := range words {
		if cause, known := proxy.ParseCause(word); known {
			(*c)[cause] = n
		}
	}
	return nil
}

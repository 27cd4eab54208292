package keeper

import (
	"bytes"
	"sync/atomic"
	"time"
)

// Reason is why there was a handover.
type Reason uint32

// The reasons.
const (
	Crash   Reason = iota // the worker died
	Upgrade               // another program was to take its place
)

func (r Reason) String() string { return [...]string{"crash", "upgrade"}[min(r, Upgrade)] }

// Outcome is what became of a handover.
type Outcome uint32

// The outcomes.
const (
	Running Outcome = iota // nobody knows yet
	Done
	Failed // of an upgrade: the program before it goes on
)

func (o Outcome) String() string { return [...]string{"running", "done", "failed"}[min(o, Failed)] }

// Handover is one change of worker, or what should have been one.
type Handover struct {
	Number      int // from 1
	At          time.Time
	Reason      Reason
	Outcome     Outcome
	Why         string        // in words
	Version     string        // of the program after it
	Connections int           // carried
	Reset       int           // that could not be
	Pause       time.Duration // no byte was relayed
}

// Record adds a handover to the history, under a number that it returns. Only
// the worker records and amends.
func (p *Page) Record(h Handover) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.entries + 1
	p.write(n, h)
	atomic.StoreUint32(&p.entries, n)
	return int(n)
}

// Amend changes what the history says of the handover of that number.
func (p *Page) Amend(h Handover) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(uint32(h.Number), h)
}

func (p *Page) write(n uint32, h Handover) {
	e := &p.history[(n-1)%historySize]
	*e = entry{
		at: h.At.UnixNano(), pause: int64(h.Pause), connections: uint32(h.Connections), reset: uint32(h.Reset),
		reason: uint32(h.Reason), outcome: uint32(h.Outcome),
	}
	copy(e.why[:len(e.why)-1], h.Why)
	copy(e.release[:len(e.release)-1], h.Version)
}

// Handovers is how many there were.
func (p *Page) Handovers() int { return int(atomic.LoadUint32(&p.entries)) }

// Handover is the one of a number, if the history still has it.
func (p *Page) Handover(number int) (Handover, bool) {
	for _, h := range p.History() {
		if h.Number == number {
			return h, true
		}
	}
	return Handover{}, false
}

// History is the latest handovers, the oldest first.
func (p *Page) History() (list []Handover) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := int(p.entries)
	for n := max(1, last-historySize+1); n <= last; n++ {
		e := &p.history[(n-1)%historySize]
		list = append(list, Handover{
			Number: n, At: time.Unix(0, e.at), Reason: Reason(e.reason), Outcome: Outcome(e.outcome),
			Why: text(e.why[:]), Version: text(e.release[:]),
			Connections: int(e.connections), Reset: int(e.reset), Pause: time.Duration(e.pause),
		})
	}
	return list
}

// text is what stands in front of the first zero.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

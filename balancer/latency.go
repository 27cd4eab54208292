package balancer

import (
	"math"
	"sync/atomic"
	"time"
)

// latency is a peak-sensitive moving average of what a backend takes to answer
// (peak EWMA, as in Finagle and linkerd): a slower answer counts in full at
// once, a faster one by the time since the one before, and where none comes the
// value halves every halfLife. So a backend that was slow is asked again after a
// while, and a quick one that stalls once does not suffer for long.
//
// It is one word, the value in ns as a float32 above the ms of its time, so that
// a reader never sees half of a change. Zero: nothing is known.
type latency struct{ word atomic.Uint64 }

const (
	// halfLife is how long a value takes to lose half of its weight: a backend
	// that was a thousand times too slow is asked again after 50 s.
	halfLife = 5 * time.Second
	// leastLatency is what counts as no time at all, in ns: under it backends are
	// as good as each other, and it is where the unknown begin.
	leastLatency = float32(100 * time.Microsecond)

	millisecond = int64(time.Millisecond)
)

// observe takes what one answer took. A change that another worker made in
// between is kept instead: both were true.
func (l *latency) observe(now int64, took time.Duration) {
	old := l.word.Load()
	value := float32(max(took, 1))
	if was, share := math.Float32frombits(uint32(old>>32)), remains(age(old, now)); value < was {
		value += (was - value) * share
	}
	l.word.CompareAndSwap(old, uint64(math.Float32bits(value))<<32|uint64(uint32(now/millisecond)))
}

// at is the value as it has become by now, in ns, leastLatency at least.
func (l *latency) at(now int64) float32 {
	word := l.word.Load()
	return max(leastLatency, math.Float32frombits(uint32(word>>32))*remains(age(word, now)))
}

// age is how old a value is, in ms. The clocks of two workers may be a turn
// apart, which is no age; more than that before now is one that has wrapped, after
// weeks in which nobody came.
func age(word uint64, now int64) uint32 {
	ms := uint32(now/millisecond) - uint32(word)
	if int32(ms) < 0 && int32(ms) > -1000 {
		return 0
	}
	return ms
}

// remains is what is left of 1 after so many ms: half for each halfLife, and
// between two halvings a straight line.
func remains(ms uint32) float32 {
	const half = uint32(halfLife / time.Millisecond)
	n := ms / half
	if n > 60 {
		return 0
	}
	return (1 - float32(ms%half)/float32(2*half)) / float32(uint64(1)<<n)
}

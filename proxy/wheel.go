package proxy

import (
	"math/bits"
	"time"
)

// A wheel fires timers. It is a pure machine: it is told the time and returns
// slots. Its levels have 64 slots each; a tick is 2^23 ns (8.4 ms), so they
// span 0.54 s, 34 s, 37 min, 39 h and so on to centuries. A timer stands at the
// level of the highest base-64 digit in which its deadline differs from now,
// in the slot of that digit, and moves to finer levels as time comes nearer
// (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", scheme 7).
//
// Arming and disarming touch two neighbours; nothing runs while nothing is
// due: the next deadline is found by a bit scan, so an idle process sleeps as
// long as its nearest timer allows.
type wheel struct {
	now    uint64 // ticks
	full   [levels]uint64
	heads  [levels][64]uint32
	timers func(slot uint32) *timer
}

const (
	levels    = 7
	tickShift = 23
	farthest  = 1<<(6*levels) - 1 // ticks: 1,170 years
)

// timer is a slot's place in the wheel. The zero value is not armed.
type timer struct {
	deadline   uint64 // ticks; 0: not armed
	next, prev uint32 // slots; 0: none
}

func (t *timer) armed() bool { return t.deadline != 0 }

// tick is the first tick that is not before t nanoseconds.
func tick(t int64) uint64 { return uint64(t+1<<tickShift-1) >> tickShift }

// arm sets slot's timer to fire at the first tick not before nanoseconds at;
// what is past fires at the next tick.
func (w *wheel) arm(slot uint32, at int64) {
	if slot == 0 {
		panic("wheel: slot 0 means none")
	}
	t := w.timers(slot)
	if t.armed() {
		w.disarm(slot)
	}
	t.deadline = min(max(tick(at), w.now+1), farthest)
	w.link(slot, t)
}

// disarm forgets slot's timer, if it has one.
func (w *wheel) disarm(slot uint32) {
	t := w.timers(slot)
	if !t.armed() {
		return
	}
	if t.next != 0 {
		w.timers(t.next).prev = t.prev
	}
	if t.prev != 0 {
		w.timers(t.prev).next = t.next
	} else {
		level, digit := w.place(t.deadline)
		if w.heads[level][digit] = t.next; t.next == 0 {
			w.full[level] &^= 1 << digit
		}
	}
	*t = timer{}
}

// advance moves time on to now and calls fire with every slot that is due. A
// fired timer is disarmed before; fire may arm and disarm any timer.
func (w *wheel) advance(now int64, fire func(slot uint32)) {
	to := uint64(now) >> tickShift
	for {
		at, level, ok := w.nearest()
		if !ok || at > to {
			break
		}
		w.now = at
		if level > 0 {
			w.refine(level)
		}
		digit := at & 63
		for slot := w.heads[0][digit]; slot != 0; slot = w.heads[0][digit] {
			w.disarm(slot)
			fire(slot)
		}
	}
	w.now = max(w.now, to)
}

// refine moves the timers of now's slot at a level to where they stand now.
func (w *wheel) refine(level int) {
	digit := w.now >> (6 * level) & 63
	slot := w.heads[level][digit]
	w.heads[level][digit] = 0
	w.full[level] &^= 1 << digit
	for slot != 0 {
		t := w.timers(slot)
		next := t.next
		w.link(slot, t)
		slot = next
	}
}

func (w *wheel) link(slot uint32, t *timer) {
	level, digit := w.place(t.deadline)
	t.prev, t.next = 0, w.heads[level][digit]
	if t.next != 0 {
		w.timers(t.next).prev = slot
	}
	w.heads[level][digit] = slot
	w.full[level] |= 1 << digit
}

// place is where a deadline that is not past stands. It stays the same until
// now reaches the slot's first tick.
func (w *wheel) place(deadline uint64) (level int, digit uint64) {
	level = max(0, bits.Len64(deadline^w.now)-1) / 6
	return level, deadline >> (6 * level) & 63
}

// nearest is the first tick of the nearest occupied slot, and its level.
// Every slot lies ahead of now's digit at its level, so the finest level that
// has one has the nearest.
func (w *wheel) nearest() (at uint64, level int, ok bool) {
	for level := range levels {
		shift := 6 * level
		ahead := w.full[level] &^ (2<<(w.now>>shift&63) - 1)
		if ahead != 0 {
			digit := uint64(bits.TrailingZeros64(ahead))
			return w.now>>(shift+6)<<(shift+6) | digit<<shift, level, true
		}
	}
	return 0, 0, false
}

// until is how long after now, in milliseconds rounded up, advance has to be
// called; -1 if no timer is armed.
func (w *wheel) until(now int64) int {
	at, _, ok := w.nearest()
	if !ok {
		return -1
	}
	return max(0, int((time.Duration(at<<tickShift)-time.Duration(now)+time.Millisecond-1)/time.Millisecond))
}

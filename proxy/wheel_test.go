package proxy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func newWheel(n int) (*wheel, []timer) {
	ts := make([]timer, n)
	return &wheel{timers: func(s uint32) *timer { return &ts[s] }}, ts
}

// The model keeps each deadline in a map; the wheel must fire exactly the
// slots the model says, at the tick it says, whatever is armed and disarmed
// between and while firing.
func TestWheelFiresWhatAModelFires(t *testing.T) {
	for seed := range uint64(500) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			const slots = 40
			w, ts := newWheel(slots)
			model := map[uint32]uint64{}
			now := r.Int64N(int64(50 * time.Hour))
			w.now = uint64(now) >> tickShift
			arm := func(s uint32) {
				at := now + r.Int64N(int64(time.Second)<<r.IntN(20)) - int64(20*time.Millisecond)
				at = max(at, 0)
				w.arm(s, at)
				model[s] = max(tick(at), w.now+1)
			}
			for range 200 {
				s := uint32(1 + r.IntN(slots-1))
				switch r.IntN(3) {
				case 0:
					w.disarm(s)
					delete(model, s)
				case 1:
					arm(s)
				case 2:
					now += r.Int64N(int64(time.Second) << r.IntN(18))
					to := uint64(now) >> tickShift
					w.advance(now, func(s uint32) {
						due, ok := model[s]
						if !ok || due > to || due != w.now {
							t.Fatalf("slot %d fired at tick %d; the model has %d, armed %v", s, w.now, due, ok)
						}
						delete(model, s)
						if r.IntN(4) == 0 {
							other := uint32(1 + r.IntN(slots-1))
							w.disarm(other)
							delete(model, other)
						}
						if r.IntN(3) == 0 {
							arm(uint32(1 + r.IntN(slots-1)))
						}
					})
					for s, due := range model {
						if due <= to {
							t.Fatalf("slot %d was due at tick %d and has not fired at %d", s, due, to)
						}
					}
				}
				for s := range ts {
					if _, ok := model[uint32(s)]; ok != ts[s].armed() {
						t.Fatalf("slot %d armed %v, model %v", s, ts[s].armed(), ok)
					}
				}
			}
		})
	}
}

func TestWheelSleepsUntilItsNearestTimer(t *testing.T) {
	w, _ := newWheel(3)
	if got := w.until(0); got != -1 {
		t.Errorf("an empty wheel wants a wake-up in %d ms, want never", got)
	}
	w.arm(1, int64(3*time.Second))
	wakes, now := 0, int64(0)
	for fired := false; !fired; wakes++ {
		ms := w.until(now)
		now += int64(ms) * int64(time.Millisecond)
		w.advance(now, func(uint32) { fired = true })
	}
	if late := time.Duration(now) - 3*time.Second; late < 0 || late > 10*time.Millisecond {
		t.Errorf("a timer of 3s fired %v late, want 0 to 10ms", late)
	}
	if wakes > 3 {
		t.Errorf("%d wake-ups for one timer, want at most one a level", wakes)
	}
}

func BenchmarkWheelArmDisarm(b *testing.B) {
	w, _ := newWheel(10001)
	for s := range uint32(10000) {
		w.arm(s+1, int64(s)*int64(time.Millisecond))
	}
	for i := uint32(0); b.Loop(); i++ {
		w.arm(1+i%10000, int64(i%3600)*int64(time.Second))
	}
}

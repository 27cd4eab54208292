package balancer

import (
	"math/rand/v2"
	"testing"
	"time"
)

// world is backends that answer after a while, and clients that come at random:
// each holds its backend for as long as the answer takes, which is then observed.
type world struct {
	all  []Backend
	p    Picker
	rng  *rand.Rand
	now  int64
	held []answer
}

type answer struct {
	at      int64
	backend int
	took    time.Duration
}

func newWorld(t *testing.T, seed uint64, weights ...int) *world {
	all := backends(weights...)
	return &world{all: all, p: picker(t, "least_latency", all), rng: rand.New(rand.NewPCG(seed, 12))}
}

// run lets clients come, on average one in every, and counts whom they get.
// takes is what a backend takes; each answer is 20% off at most.
func (w *world) run(t *testing.T, span, every time.Duration, takes ...time.Duration) []int {
	t.Helper()
	got := make([]int, len(w.all))
	for end := w.now + int64(span); w.now < end; {
		w.now += int64(w.rng.ExpFloat64() * float64(every))
		kept := w.held[:0]
		for _, a := range w.held {
			if a.at > w.now {
				kept = append(kept, a)
				continue
			}
			w.all[a.backend].Load.Observe(a.at, a.took)
			w.all[a.backend].Load.Release()
		}
		w.held = kept
		i := w.p.Pick(&Request{Rand: w.rng.Uint64(), Now: w.now})
		if i < 0 {
			t.Fatal("no backend picked")
		}
		got[i]++
		took := time.Duration(float64(takes[i]) * (0.8 + 0.4*w.rng.Float64()))
		w.held = append(w.held, answer{w.now + int64(took), i, took})
	}
	return got
}

func everySeed(t *testing.T, test func(seed uint64)) {
	t.Helper()
	for seed := range uint64(50) {
		test(seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

const ms = time.Millisecond

// A slow backend gets little, but is asked now and then; when it is well again
// it has its share back.
func TestSlowBackendGetsLittleAndRecovers(t *testing.T) {
	everySeed(t, func(seed uint64) {
		w := newWorld(t, seed, 1, 1, 1)
		w.run(t, 20*time.Second, ms, 2*ms, 200*ms, 2*ms) // what it is like is learnt
		got := w.run(t, 100*time.Second, ms, 2*ms, 200*ms, 2*ms)
		if n := sumOf(got); got[1] == 0 || got[1] > n/100 {
			t.Errorf("the slow one got %d of %d, want some, and 1%% at most", got[1], n)
		}
		w.run(t, 60*time.Second, ms, 2*ms, 2*ms, 2*ms)
		got = w.run(t, 20*time.Second, ms, 2*ms, 2*ms, 2*ms)
		if n := sumOf(got); got[1] < n/5 {
			t.Errorf("the one that is well again got %d of %d, want about a third", got[1], n)
		}
	})
}

// Of backends that are as good as each other each gets four fifths of its share
// at least, at any rate of clients.
func TestNoneOfEqualsStarves(t *testing.T) {
	everySeed(t, func(seed uint64) {
		for _, every := range []time.Duration{ms / 2, 10 * ms, 200 * ms} {
			w := newWorld(t, seed, 1, 1, 1, 1, 1)
			got := w.run(t, 1500*every, every, 5*ms, 5*ms, 5*ms, 5*ms, 5*ms)
			for i, n := range got {
				if n < 1500/5*8/10 {
					t.Errorf("one client every %v: backend %d got %d of %v", every, i, n, got)
				}
			}
		}
	})
}

// Weights hold between backends that answer alike.
func TestLatencyKeepsWeights(t *testing.T) {
	everySeed(t, func(seed uint64) {
		w := newWorld(t, seed, 1, 2, 5)
		got := w.run(t, 20*time.Second, ms, 3*ms, 3*ms, 3*ms)
		for i, b := range w.all {
			if s := float64(got[i]) / float64(sumOf(got)); s < share(b, w.all)*0.75 || s > share(b, w.all)*1.25 {
				t.Errorf("weight %d got %.3f, want about %.3f", b.Weight, s, share(b, w.all))
			}
		}
	})
}

// Among many the slow half is avoided too.
func TestSlowHalfOfManyGetsLittle(t *testing.T) {
	w, takes := newWorld(t, 1, make200()...), make([]time.Duration, 200)
	for i := range takes {
		if takes[i] = 2 * ms; i%2 == 0 {
			takes[i] = 100 * ms
		}
	}
	w.run(t, 10*time.Second, ms, takes...)
	got, slow := w.run(t, 20*time.Second, ms, takes...), 0
	for i := 0; i < 200; i += 2 {
		slow += got[i]
	}
	if n := sumOf(got); slow > n/20 {
		t.Errorf("the slow half got %d of %d, want 5%% at most", slow, n)
	}
}

func make200() []int {
	weights := make([]int, 200)
	for i := range weights {
		weights[i] = 1
	}
	return weights
}

func sumOf(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// A peak counts at once, a lull by its age, and silence halves.
func TestLatencyOverTime(t *testing.T) {
	var l Load
	at := func(s float64) int64 { return int64(s * float64(time.Second)) }
	near := func(now float64, want time.Duration) {
		t.Helper()
		if got := l.Latency(at(now)); got < want*99/100 || got > want*101/100 {
			t.Errorf("at %v s: %v, want %v", now, got, want)
		}
	}
	if got := l.Latency(at(1)); got != 0 {
		t.Errorf("never observed: %v, want 0", got)
	}
	l.Observe(at(1), 10*ms)
	near(1, 10*ms)
	l.Observe(at(1.001), 80*ms)
	near(1.001, 80*ms)
	near(6.001, 40*ms)
	near(11.001, 20*ms)
	near(13.501, 15*ms)
	l.Observe(at(11.001), 4*ms) // half of 80 ms twice over, the rest is 4
	near(11.001, 23*ms)
	near(10.9, 23*ms)                           // another worker's clock
	near(1000, time.Duration(leastLatency))     // there is an end to it
	near(60*86400, time.Duration(leastLatency)) // and to the counting of ms
	for _, weeks := range []int64{4, 5, 6} {    // past 2^31 ms
		if got := l.Latency(weeks * 7 * 86400 * int64(time.Second)); got != time.Duration(leastLatency) {
			t.Errorf("after %d weeks: %v", weeks, got)
		}
	}
}

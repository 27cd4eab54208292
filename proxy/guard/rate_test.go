package guard

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestARateLetsInASecondsWorthAtOnceAndThenEvenly(t *testing.T) {
	for _, c := range []struct {
		name     string
		rate     Rate
		at       time.Duration // after so long
		passed   int64         // so many have come in of those that tried all the time
		interval time.Duration
	}{
		{"100/s at once", NewRate(100, time.Second), 0, 100, time.Millisecond},
		{"100/s after a second", NewRate(100, time.Second), time.Second, 200, time.Millisecond},
		{"600/m at once", NewRate(600, time.Minute), 0, 10, time.Millisecond},
		{"600/m after 3 s", NewRate(600, time.Minute), 3 * time.Second, 40, time.Millisecond},
		{"5/m at once", NewRate(5, time.Minute), 0, 1, time.Millisecond},
		{"5/m after a minute", NewRate(5, time.Minute), time.Minute, 6, time.Millisecond},
		{"1/h after two", NewRate(1, time.Hour), 2 * time.Hour, 3, time.Second},
	} {
		var b Bucket
		var n int64
		start := int64(12345)
		for now := start; now <= start+int64(c.at); now += int64(c.interval) {
			for b.Take(c.rate, now) {
				n++
			}
			if b.Open(c.rate, now) {
				t.Fatalf("%s: open after it refused", c.name)
			}
		}
		if n != c.passed {
			t.Errorf("%s: %d came in, want %d", c.name, n, c.passed)
		}
	}
	if NewRate(0, time.Second).Limited() {
		t.Error("no rate is a limit")
	}
}

// In no span of time do more come in than its length and a second are worth.
func TestARateHoldsInEverySpan(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 7))
		rate := NewRate(1+r.Int64N(50), time.Second)
		var b Bucket
		var passed []int64
		now := int64(1)
		for range 2000 {
			now += r.Int64N(int64(rate.every))
			if b.Take(rate, now) {
				passed = append(passed, now)
			}
		}
		for i := range passed {
			for j := i; j < len(passed); j++ {
				if n, span := int64(j-i+1), passed[j]-passed[i]; n > span/rate.every+1+rate.ahead/rate.every {
					t.Fatalf("seed %d: %d in %v, one each %v", seed, n, time.Duration(span), time.Duration(rate.every))
				}
			}
		}
	}
}

package testnet

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestStillIsWhatHasNotChangedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		steps := func() int { return min(int(time.Since(began)/(80*time.Millisecond)), 5) } // the last one after 400 ms
		n, still := UntilStill(time.Minute, 100*time.Millisecond, steps)
		if took := time.Since(began); n != 5 || !still || took < 500*time.Millisecond || took > 510*time.Millisecond {
			t.Errorf("got %d, %v after %v, want 5, true after 500 ms", n, still, took)
		}
		if _, still := UntilStill(time.Second, 100*time.Millisecond, time.Now); still {
			t.Error("what changes all the time is called still")
		}
	})
}

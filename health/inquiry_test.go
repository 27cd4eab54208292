package health

import (
	"testing"
	"time"

	"sluice/state"
)

func TestNextProbe(t *testing.T) {
	for _, tt := range []struct {
		name     string
		interval time.Duration
		random   float64
		want     time.Duration
	}{
		{"least jitter", 2 * time.Second, 0, 1800 * ms},
		{"none", 2 * time.Second, 0.5, 2000 * ms},
		{"most", 2 * time.Second, 1, 2200 * ms},
		{"at the next tick", 2001 * ms, 0.5, 2005 * ms},
		{"exact when short", 12 * ms, 0.5, 12 * ms},
	} {
		h := web(1).Pools[0].Health
		h.Interval, h.Jitter = tt.interval, 0.1
		ch := &check{tracker: tracker{status: state.Up}}
		q := &inquiry{settings: &h, began: midnight, checks: []*check{ch}}
		if got := q.next(midnight, midnight, tt.random).Sub(midnight); got != tt.want {
			t.Errorf("%s: next after %v, want %v", tt.name, got, tt.want)
		}
	}
}

package health

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQueueGivesThemInOrder puts in, moves and takes out at random, beside a
// list that is sorted anew each time.
func TestQueueGivesThemInOrder(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 9))
		zero := time.Now()
		var q queue
		due := map[*inquiry]time.Time{}
		all := make([]*inquiry, 40)
		for i := range all {
			all[i] = &inquiry{place: -1}
		}
		for range 500 {
			i, at := all[r.IntN(len(all))], zero.Add(time.Duration(r.IntN(1000)))
			switch r.IntN(4) {
			case 0:
				q.remove(i)
				delete(due, i)
			case 1:
				first := zero.Add(time.Hour)
				for _, d := range due {
					if d.Before(first) {
						first = d
					}
				}
				got := q.take(at)
				if (got == nil) != first.After(at) || got != nil && !due[got].Equal(first) {
					t.Fatalf("seed %d: took one due at %v, the first is due at %v", seed, due[got].Sub(zero), first.Sub(zero))
				}
				delete(due, got)
			default:
				q.at(i, at)
				due[i] = at
			}
			if len(q) != len(due) || slices.ContainsFunc(q, func(w waiting) bool { return q[w.place] != w || due[w.inquiry] != w.due }) {
				t.Fatalf("seed %d: a place is wrong", seed)
			}
		}
	}
}
